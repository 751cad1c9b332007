//! MP4, M4A and MOV as ffmpeg writes them: boxes that fill the file to its end, and an index whose every sample lies in one
//! of the boxes of data.

use std::ops::Range;

use mp4_atom::{Atom, Co64, Ctts, Elst, Mdhd, Mvhd, Stco, Stsc, Stsz, StszSamples, Stts};

use super::{Input, Made, MadeKind, MadeStream, Stop, damaged};

/// Children of one box that are listed; ffmpeg writes a dozen, and one for each stream.
const MAX_CHILDREN: usize = 4096;
/// What stands in a file beside the index and the data.
const AROUND: [&[u8; 4]; 8] = [b"ftyp", b"free", b"skip", b"wide", b"uuid", b"udta", b"meta", b"pdin"];
/// What only stands in files of fragments.
const FRAGMENTS: [&[u8; 4]; 5] = [b"moof", b"styp", b"sidx", b"mfra", b"mvex"];

/// A box, its head read and its size held against what is there.
#[derive(Debug, Clone, Copy)]
pub(in crate::host::media) struct Head {
    /// Its four-character code.
    pub kind: [u8; 4],
    /// Where what is in it begins.
    pub body: u64,
    /// The byte behind its last one.
    pub end: u64,
}

impl Head {
    fn name(&self) -> String {
        name(self.kind)
    }
}

/// A four-character code as text; what cannot be printed becomes a dot.
fn name(code: [u8; 4]) -> String {
    code.iter().map(|&byte| if byte.is_ascii_graphic() || byte == b' ' { byte as char } else { '.' }).collect()
}

pub(super) fn read(input: &mut Input) -> Result<Made, Stop> {
    let whole = Head { kind: *b"file", body: 0, end: input.len };
    let boxes = children(input, &whole)?;
    if boxes.first().is_none_or(|first| first.kind != *b"ftyp") {
        return Err(damaged("it does not begin like an MP4 file"));
    }
    let (mut movie, mut data) = (None, Vec::new());
    for found in &boxes {
        match &found.kind {
            b"moov" if movie.is_some() => return Err(damaged("it has two indexes (moov)")),
            b"moov" => movie = Some(*found),
            b"mdat" => data.push(found.body..found.end),
            kind if FRAGMENTS.contains(&kind) => return Err(Stop::Unknown),
            kind if AROUND.contains(&kind) => {}
            _ => return Err(damaged(format!("what stands at byte {} is no part of an MP4 file", found.body))),
        }
    }
    let movie = movie.ok_or_else(|| damaged("the index (moov) is missing: the file was cut short or not finished"))?;
    let parts = children(input, &movie)?;
    if parts.iter().any(|part| FRAGMENTS.contains(&&part.kind)) {
        return Err(Stop::Unknown);
    }
    let scale = table::<Mvhd>(input, &parts)?.ok_or_else(|| missing(*b"mvhd"))?.timescale;
    let mut film = Film { data, scale, chapters: Vec::new() };
    for part in parts.iter().filter(|part| part.kind == *b"trak") {
        film.chapters.extend(chapters_of(input, part)?);
    }
    let mut streams = Vec::new();
    let mut held = 0_u64;
    for part in parts.iter().filter(|part| part.kind == *b"trak") {
        let (stream, bytes) = track(input, part, &film)?;
        held = held.saturating_add(bytes);
        streams.push(stream);
    }
    let there = film.data.iter().fold(0, |sum: u64, range| sum + (range.end - range.start));
    if held > there {
        return Err(damaged(format!("its index lists {held} bytes and {there} are in it")));
    }
    super::made(streams)
}

/// The boxes that fill a box from its first byte to its last.
pub(in crate::host::media) fn children(input: &mut Input, parent: &Head) -> Result<Vec<Head>, Stop> {
    let mut found = Vec::new();
    let mut at = parent.body;
    while at < parent.end {
        if found.len() == MAX_CHILDREN {
            return Err(Stop::Unknown);
        }
        let head = head(input, at, parent)?;
        at = head.end;
        found.push(head);
    }
    Ok(found)
}

fn head(input: &mut Input, at: u64, parent: &Head) -> Result<Head, Stop> {
    let cut = || damaged(format!("a box in `{}` is cut short at byte {at}", parent.name()));
    let bytes = input.up_to(at, 16, parent.end)?;
    let number = |from: usize, count: usize| {
        let bytes = bytes.get(from..from + count)?;
        Some(bytes.iter().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte)))
    };
    let (size, kind) = (number(0, 4).ok_or_else(cut)?, bytes.get(4..8).ok_or_else(cut)?);
    let kind = [kind[0], kind[1], kind[2], kind[3]];
    let (size, head) = match size {
        0 => return Err(damaged(format!("the size of its box `{}` is not told: writing was not finished", name(kind)))),
        1 => (number(8, 8).ok_or_else(cut)?, 16),
        size => (size, 8),
    };
    let there = parent.end - at;
    if size < head || size > there {
        return Err(damaged(format!("its box `{}` says {size} bytes and {there} are there", name(kind))));
    }
    Ok(Head { kind, body: at + head, end: at + size })
}

/// The first box of a kind.
pub(in crate::host::media) fn child(boxes: &[Head], kind: [u8; 4]) -> Option<&Head> {
    boxes.iter().find(|found| found.kind == kind)
}

fn missing(kind: [u8; 4]) -> Stop {
    damaged(format!("its index is not whole: `{}` is missing", name(kind)))
}

fn needed(input: &mut Input, boxes: &[Head], kind: [u8; 4]) -> Result<Vec<Head>, Stop> {
    let found = *child(boxes, kind).ok_or_else(|| missing(kind))?;
    children(input, &found)
}

/// Decodes one box of a fixed form, to its last byte.
pub(in crate::host::media) fn table<T: Atom>(input: &Input, boxes: &[Head]) -> Result<Option<T>, Stop> {
    let Some(found) = child(boxes, T::KIND.into()) else { return Ok(None) };
    let body = input.load(found.body, found.end - found.body)?;
    let mut rest = body.as_slice();
    match T::decode_body(&mut rest) {
        Ok(table) if rest.is_empty() => Ok(Some(table)),
        Ok(_) | Err(mp4_atom::Error::OutOfBounds | mp4_atom::Error::ShortRead | mp4_atom::Error::InvalidSize) => {
            Err(damaged(format!("its index is not whole: `{}` does not fill its box", found.name())))
        }
        Err(_) => Err(Stop::Unknown),
    }
}

/// What the tracks of a film have in common.
struct Film {
    /// Where its data is.
    data: Vec<Range<u64>>,
    /// Ticks of a second, for the film as a whole.
    scale: u32,
    /// Numbers of the tracks that hold names of chapters.
    chapters: Vec<u32>,
}

/// The tracks that this one names as those with its chapters.
fn chapters_of(input: &mut Input, trak: &Head) -> Result<Vec<u32>, Stop> {
    let parts = children(input, trak)?;
    let Some(references) = child(&parts, *b"tref") else { return Ok(Vec::new()) };
    let kinds = children(input, references)?;
    let Some(chapters) = child(&kinds, *b"chap") else { return Ok(Vec::new()) };
    let numbers = input.load(chapters.body, chapters.end - chapters.body)?;
    Ok(numbers.chunks_exact(4).map(|number| u32::from_be_bytes([number[0], number[1], number[2], number[3]])).collect())
}

/// One track, and the bytes that its samples take.
fn track(input: &mut Input, trak: &Head, film: &Film) -> Result<(MadeStream, u64), Stop> {
    let parts = children(input, trak)?;
    let media = needed(input, &parts, *b"mdia")?;
    let info = needed(input, &media, *b"minf")?;
    let samples = needed(input, &info, *b"stbl")?;

    let header = child(&parts, *b"tkhd").ok_or_else(|| missing(*b"tkhd"))?;
    let version = input.up_to(header.body, 1, header.end)?.first().copied().unwrap_or(0);
    let number_at = if version == 1 { 20 } else { 12 };
    let names_chapters = match input.up_to(header.body + number_at, 4, header.end)?.try_into() {
        Ok(number) => film.chapters.contains(&u32::from_be_bytes(number)),
        Err(_) => return Err(missing(*b"tkhd")),
    };
    let handler = child(&media, *b"hdlr").ok_or_else(|| missing(*b"hdlr"))?;
    let handler = input.up_to(handler.body, 12, handler.end)?.get(8..12).ok_or_else(|| missing(*b"hdlr"))?.to_owned();
    let description = child(&samples, *b"stsd").ok_or_else(|| missing(*b"stsd"))?;
    // Eight bytes before the first entry; in an entry of a picture 32 before its size.
    let entry = input.up_to(description.body + 8, 36, description.end)?;
    let code = entry.get(4..8).ok_or_else(|| missing(*b"stsd"))?;
    let codec = name([code[0], code[1], code[2], code[3]]);
    let kind = match handler.as_slice() {
        b"vide" => MadeKind::Video,
        b"soun" => MadeKind::Audio,
        b"sbtl" | b"subt" | b"subp" | b"clcp" => MadeKind::Subtitle,
        // In MOV what is laid over the picture and what names its chapters look alike.
        b"text" if !names_chapters => MadeKind::Subtitle,
        _ => MadeKind::Other,
    };
    let (width, height) = match (kind, entry.get(32..36)) {
        (MadeKind::Video, Some(size)) => {
            (u32::from(u16::from_be_bytes([size[0], size[1]])), u32::from(u16::from_be_bytes([size[2], size[3]])))
        }
        (MadeKind::Video, None) => return Err(missing(*b"stsd")),
        _ => (0, 0),
    };

    let (packets, bytes) = match check_places(input, &samples, &film.data) {
        // Of some old codecs of sound the sizes are told in a unit of their own.
        Err(Misplaced::Constant) if kind == MadeKind::Audio => return Err(Stop::Unknown),
        Err(Misplaced::Constant) => return Err(outside()),
        Err(Misplaced::Stop(stop)) => return Err(stop),
        Ok(found) => found,
    };
    let mut stream = MadeStream { kind, codec, packets, start: None, end: None, width, height };
    let scale = table::<Mdhd>(input, &media)?.ok_or_else(|| missing(*b"mdhd"))?.timescale;
    if scale == 0 || film.scale == 0 {
        return Err(damaged("its index is not whole: a time scale is zero"));
    }
    let span = span(input, &samples, packets)?;
    let edits = match child(&parts, *b"edts") {
        Some(edits) => {
            let edits = children(input, &edits.clone())?;
            table::<Elst>(input, &edits)?.unwrap_or_default()
        }
        None => Elst::default(),
    };
    if let Some((first, last)) = span {
        let shown = Shown::of(&edits, scale, film.scale)?;
        let at = |ticks: i128| ticks as f64 / f64::from(scale) + shown.shift;
        let start = at(first).max(shown.from);
        stream.start = Some(start);
        stream.end = Some(at(last).min(shown.until).max(start));
    }
    Ok((stream, bytes))
}

/// When a track is shown, in seconds of the film.
struct Shown {
    /// From media time to the film's.
    shift: f64,
    from: f64,
    until: f64,
}

impl Shown {
    /// Empty edits, which delay a track, and then one at most that says which part of it is shown.
    fn of(edits: &Elst, scale: u32, movie_scale: u32) -> Result<Self, Stop> {
        let movie = |ticks: u64| ticks as f64 / f64::from(movie_scale);
        let mut from = 0.0;
        let mut edits = edits.entries.iter();
        for edit in edits.by_ref() {
            let Some(media) = edit.media_time else {
                from += movie(edit.segment_duration);
                continue;
            };
            if edits.len() > 0 {
                return Err(Stop::Unknown);
            }
            let until = if edit.segment_duration == 0 { f64::INFINITY } else { from + movie(edit.segment_duration) };
            return Ok(Self { shift: from - media as f64 / f64::from(scale), from, until });
        }
        Ok(Self { shift: from, from, until: f64::INFINITY })
    }
}

fn outside() -> Stop {
    damaged("it ends before its index says: a sample lies outside the data")
}

/// Why samples are not where the index says.
pub(in crate::host::media) enum Misplaced {
    Stop(Stop),
    /// Those of a track whose samples are all told to have one size.
    Constant,
}

impl From<Stop> for Misplaced {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// Sees that every sample lies in a box of data; tells how many there are and what they take.
pub(in crate::host::media) fn check_places(input: &Input, boxes: &[Head], data: &[Range<u64>]) -> Result<(u64, u64), Misplaced> {
    let Some(Stsz { samples }) = table::<Stsz>(input, boxes)? else {
        // A compact table of sizes, which ffmpeg does not write.
        return Err(if child(boxes, *b"stz2").is_some() { Stop::Unknown } else { missing(*b"stsz") }.into());
    };
    let runs = table::<Stsc>(input, boxes)?.ok_or_else(|| missing(*b"stsc"))?.entries;
    let chunks = match table::<Stco>(input, boxes)? {
        Some(short) => short.entries.into_iter().map(u64::from).collect(),
        None => table::<Co64>(input, boxes)?.ok_or_else(|| missing(*b"stco"))?.entries,
    };
    let listed = match &samples {
        StszSamples::Identical { count, .. } => u64::from(*count),
        StszSamples::Different { sizes } => sizes.len() as u64,
    };
    let disagree = || damaged("its index is not whole: its tables disagree on how many samples there are");
    let (mut counted, mut bytes, mut run) = (0_u64, 0_u64, 0);
    for (number, &offset) in (1_u64..).zip(&chunks) {
        while runs.get(run + 1).is_some_and(|next| u64::from(next.first_chunk) <= number) {
            run += 1;
        }
        let here = runs.get(run).filter(|run| u64::from(run.first_chunk) <= number).ok_or_else(disagree)?;
        let until = counted.saturating_add(u64::from(here.samples_per_chunk));
        if until > listed {
            return Err(disagree().into());
        }
        let size = match &samples {
            StszSamples::Identical { size, .. } => u64::from(*size) * u64::from(here.samples_per_chunk),
            StszSamples::Different { sizes } => sizes[counted as usize..until as usize].iter().map(|size| u64::from(*size)).sum(),
        };
        counted = until;
        bytes = bytes.saturating_add(size);
        let end = offset.saturating_add(size);
        if !data.iter().any(|data| data.start <= offset && end <= data.end) {
            return Err(match samples {
                StszSamples::Identical { .. } => Misplaced::Constant,
                StszSamples::Different { .. } => outside().into(),
            });
        }
    }
    if counted == listed { Ok((listed, bytes)) } else { Err(disagree().into()) }
}

/// Begin of the first and end of the last sample in the order of showing, in ticks of the media. Both tables must tell of
/// exactly `packets` samples.
fn span(input: &Input, boxes: &[Head], packets: u64) -> Result<Option<(i128, i128)>, Stop> {
    let lengths = table::<Stts>(input, boxes)?.ok_or_else(|| missing(*b"stts"))?.entries;
    let delays = table::<Ctts>(input, boxes)?.map(|table| table.entries);
    let disagree = || damaged("its index is not whole: its tables disagree on how many samples there are");
    let timed: u64 = lengths.iter().map(|entry| u64::from(entry.sample_count)).sum();
    let delayed: Option<u64> = delays.as_ref().map(|delays| delays.iter().map(|entry| u64::from(entry.sample_count)).sum());
    if timed != packets || delayed.is_some_and(|delayed| delayed != packets) {
        return Err(disagree());
    }
    let mut delays = delays.into_iter().flatten();
    let (mut delay, mut left) = (0_i128, if delayed.is_some() { 0 } else { packets });
    let mut found: Option<(i128, i128)> = None;
    let mut at = 0_i128;
    for entry in lengths {
        let step = i128::from(entry.sample_delta);
        let mut samples = u64::from(entry.sample_count);
        while samples > 0 {
            while left == 0 {
                let next = delays.next().ok_or_else(disagree)?;
                (delay, left) = (i128::from(next.sample_offset), u64::from(next.sample_count));
            }
            // As many as have both their length and their delay in common.
            let alike = samples.min(left);
            let last = at + step * (i128::from(alike) - 1);
            let (first, end) = found.unwrap_or((i128::MAX, i128::MIN));
            found = Some((first.min(at + delay), end.max(last + delay + step)));
            at = last + step;
            samples -= alike;
            left -= alike;
        }
    }
    Ok(found)
}
