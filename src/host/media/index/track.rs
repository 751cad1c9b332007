//! One track: what it is, how long it is shown, and where its first packet lies.

use mp4_atom::{Co64, Ctts, Elst, Matrix, Mdhd, Stco, Stsc, Stss, Stsz, StszSamples, Stts, Tkhd};

use super::time::{LONGEST, rescaled, seconds};
use super::{Movie, Packet, number, picture, sound};
use crate::host::media::report::{SideData, Stream};
use crate::host::media::verify::Input;
use crate::host::media::verify::mp4::{Head, check_places, child, children, table};

/// 1.0 in the upper two columns of a matrix, and in its last one.
const ONE: i32 = 1 << 16;
const LAST_ONE: i32 = 1 << 30;
/// Tables of more bytes, as of a film of ten hours, are left to ffprobe: what they take is this program's own memory.
const LARGEST_TABLE: u64 = 4 * 1024 * 1024;
/// The largest number of ffmpeg's fractions.
const LARGEST: u64 = i32::MAX as u64;

pub(super) fn read(input: &mut Input, trak: &Head, movie: &Movie, index: u32) -> Option<Stream> {
    let parts = only(input, trak, &[b"tkhd", b"edts", b"mdia"])?;
    let media = only(input, child(&parts, *b"mdia")?, &[b"mdhd", b"hdlr", b"minf"])?;
    let info = only(input, child(&media, *b"minf")?, &[b"vmhd", b"smhd", b"hdlr", b"dinf", b"stbl"])?;
    let known = [b"stsd", b"stts", b"ctts", b"stss", b"stsc", b"stsz", b"stco", b"co64", b"sgpd", b"sbgp", b"sdtp"];
    let samples = only(input, child(&info, *b"stbl")?, &known)?;
    if samples.iter().any(|table| table.end - table.body > LARGEST_TABLE) {
        return None;
    }
    is_in_this_file(input, child(&info, *b"dinf")?)?;

    let head = table::<Tkhd>(input, &parts).ok()??;
    let times = table::<Mdhd>(input, &media).ok()??;
    let steps = table::<Stts>(input, &samples).ok()??.entries;
    if !(1..LONGEST).contains(&u64::from(times.timescale))
        || times.duration >= LONGEST
        || steps.iter().any(|step| u64::from(step.sample_delta) > LARGEST)
    {
        return None;
    }
    let count: u64 = steps.iter().map(|step| u64::from(step.sample_count)).sum();
    let length: u64 = steps.iter().map(|step| u64::from(step.sample_count) * u64::from(step.sample_delta)).sum();
    if count == 0 || length == 0 || length >= LONGEST {
        return None;
    }
    let packet = first_packet(input, &samples, movie, count)?;
    let shown = shown(input, &parts, times.timescale, movie)?;
    let turn = turn(&head.matrix)?;

    let handler = child(&media, *b"hdlr")?;
    let handler: [u8; 4] = input.up_to(handler.body + 8, 4, handler.end).ok()?.try_into().ok()?;
    let entry = only_entry(input, child(&samples, *b"stsd")?)?;
    let mut stream = match (&handler, &entry.kind) {
        (b"vide", b"avc1") => picture::read(input, &entry, packet)?,
        (b"soun", b"mp4a") if turn == 0 => sound::read(input, &entry, packet)?,
        _ => return None,
    };
    if stream.codec_type == "video" {
        let (width, height): (u16, u16) = (head.width.integer(), head.height.integer());
        // Anything else is a shape of pixels.
        if (u32::from(width), u32::from(height)) != (stream.width, stream.height) || head.size_is_aspect_ratio {
            return None;
        }
        stream.avg_frame_rate = ratio(u64::from(times.timescale) * count, length)?;
    }
    if turn > 0 {
        stream.side_data_list.push(SideData { rotation: Some(f64::from(turn)), ..SideData::default() });
    }
    let language = language(&times.language)?;
    if !language.is_empty() {
        stream.tags.insert("language".to_owned(), language.to_owned());
    }
    stream.disposition.insert("default".to_owned(), u8::from(head.enabled));
    stream.index = index;
    stream.duration = seconds(times.duration.min(length).min(shown), times.timescale);
    stream.nb_frames = count.to_string();
    Some(stream)
}

/// By how many degrees a matrix turns; `None` if it does anything else.
pub(super) fn turn(matrix: &Matrix) -> Option<u32> {
    if (matrix.u, matrix.v, matrix.w) != (0, 0, LAST_ONE) {
        return None;
    }
    match (matrix.a, matrix.b, matrix.c, matrix.d) {
        (ONE, 0, 0, ONE) => Some(0),
        (0, ONE, -65_536, 0) => Some(90),
        (-65_536, 0, 0, -65_536) => Some(180),
        (0, -65_536, ONE, 0) => Some(270),
        _ => None,
    }
}

/// The boxes in a box, if all of them are known, and none stands there twice.
fn only(input: &mut Input, parent: &Head, known: &[&[u8; 4]]) -> Option<Vec<Head>> {
    let found = children(input, parent).ok()?;
    let is_alone = |one: &Head| found.iter().filter(|other| other.kind == one.kind).count() == 1;
    // Groups of samples come by their kinds.
    let is_fine = |one: &Head| known.contains(&&one.kind) && (matches!(&one.kind, b"sgpd" | b"sbgp") || is_alone(one));
    found.iter().all(is_fine).then_some(found)
}

/// Packets of a track may lie in another file: not here.
fn is_in_this_file(input: &mut Input, place: &Head) -> Option<()> {
    let list = *only(input, place, &[b"dref"])?.first()?;
    let bytes = input.up_to(list.body, 21, list.end).ok()?;
    let is_one = number(bytes, 4, 4)? == 1 && number(bytes, 8, 4)? == 12 && list.end - list.body == 20;
    let is_own = matches!(bytes.get(12..16)?, b"url " | b"alis") && number(bytes, 16, 4)? == 1;
    (is_one && is_own).then_some(())
}

/// Sees that all packets lie where the index says, in the plain form that its tables can have, and finds the first one.
fn first_packet(input: &mut Input, samples: &[Head], movie: &Movie, count: u64) -> Option<Packet> {
    // Where pictures can be entered, and how long they wait to be shown: of no interest but that they are whole.
    table::<Stss>(input, samples).ok()?;
    table::<Ctts>(input, samples).ok()?;
    let (listed, _) = check_places(input, samples, &movie.data).ok()?;
    let runs = table::<Stsc>(input, samples).ok()??.entries;
    let is_plain = runs.iter().all(|run| run.samples_per_chunk > 0 && run.sample_description_index == 1);
    let chunks = match (table::<Stco>(input, samples).ok()?, table::<Co64>(input, samples).ok()?) {
        (Some(short), None) => short.entries.into_iter().map(u64::from).collect(),
        (None, Some(long)) => long.entries,
        _ => return None,
    };
    let firsts = runs.iter().map(|run| u64::from(run.first_chunk));
    let is_in_order = firsts.clone().next() == Some(1) && firsts.clone().zip(firsts.skip(1)).all(|(one, next)| one < next);
    let reaches_end = runs.last().is_some_and(|run| run.first_chunk as usize <= chunks.len());
    let size = match table::<Stsz>(input, samples).ok()??.samples {
        StszSamples::Identical { size, .. } => size,
        StszSamples::Different { sizes } => *sizes.first()?,
    };
    let packet = Packet { at: *chunks.first()?, size: u64::from(size) };
    (listed == count && is_plain && is_in_order && reaches_end && size > 0).then_some(packet)
}

/// How long a track is shown, in its own ticks. Only a delay and one part that begins within the first second are known:
/// what lies before that is a run-up of the codec.
fn shown(input: &mut Input, parts: &[Head], scale: u32, movie: &Movie) -> Option<u64> {
    let Some(edits) = child(parts, *b"edts") else { return Some(u64::MAX) };
    let edits = only(input, edits, &[b"elst"])?;
    let edits = table::<Elst>(input, &edits).ok()??.entries;
    let (delay, part) = match edits.as_slice() {
        [part] => (None, part),
        [delay, part] if delay.media_time.is_none() => (Some(delay), part),
        _ => return None,
    };
    let is_plain = part.media_time.is_some_and(|time| time <= u64::from(scale)) && part.media_rate == 1.into();
    if !is_plain || part.segment_duration == 0 {
        return None;
    }
    delay.into_iter().chain([part]).try_fold(0, |sum: u64, edit| {
        Some(edit.segment_duration)
            .filter(|ticks| *ticks < LONGEST)
            .and_then(|ticks| sum.checked_add(rescaled(ticks, scale, movie.scale)?))
    })
}

/// The description of the packets, where all have the same.
fn only_entry(input: &mut Input, descriptions: &Head) -> Option<Head> {
    if number(input.up_to(descriptions.body, 8, descriptions.end).ok()?, 0, 8)? != 1 {
        return None;
    }
    let list = Head { body: descriptions.body + 8, ..*descriptions };
    let entries = children(input, &list).ok()?;
    let [entry] = entries.as_slice() else { return None };
    // In this file, as `is_in_this_file` found it.
    (number(input.up_to(entry.body, 8, entry.end).ok()?, 0, 8)? == 1).then_some(*entry)
}

/// A fraction in ffmpeg's form, if its numbers can hold it.
fn ratio(above: u64, below: u64) -> Option<String> {
    let (mut common, mut rest) = (above, below);
    while rest > 0 {
        (common, rest) = (rest, common % rest);
    }
    let (above, below) = (above / common, below / common);
    (above <= LARGEST && below <= LARGEST).then(|| format!("{above}/{below}"))
}

/// A language that is told by three letters; `QuickTime` numbers its languages, English is its first, and the last one means
/// that none is told.
fn language(code: &str) -> Option<&str> {
    match code {
        "```" => Some("eng"),
        "\u{7f}\u{7f}\u{7f}" => Some(""),
        letters if letters.len() == 3 && letters.bytes().all(|letter| letter.is_ascii_lowercase()) => Some(letters),
        _ => None,
    }
}
