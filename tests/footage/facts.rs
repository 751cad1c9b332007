//! What must hold of an output: each fact is checked against what readers say of it, of its input and of the run's events.

use serde_json::Value;

use crate::reading::Reading;

/// One thing that must hold.
#[derive(Debug, Clone)]
pub enum Fact {
    /// Length in seconds, and how far it may be off.
    Seconds(f64, f64),
    /// Pictures that come out of a decoder, and how many may be missing or too many.
    Frames(u64, u64),
    /// A decoder has nothing to complain about.
    Decodes,
    /// Every picture of the input is there, none moved by more than so many milliseconds against the first.
    Moments(f64),
    /// Width and height.
    Size(u64, u64),
    /// At least so many lines.
    High(u64),
    /// Width by height as shown, within 1.1 %.
    Shape(f64),
    /// Stored as it is shown: square pixels, no rotation, even sizes.
    Plain,
    /// What is shown at a moment and a place (shares of width and height), and how far each colour may be off.
    Shows(f64, (f64, f64), [i32; 3], i32),
    /// Marked as of usual brightness in 8 bits, or still in ten.
    NotHalfHdr,
    /// Fewer than a tenth of the pictures is combed.
    NoCombs,
    /// Like the input after these filters, by structural similarity of at least so much.
    LikeInput(&'static str, f64),
    /// There is sound, with at most so many channels and at least one.
    Channels(u64),
    /// The sound's samples alone fill so many seconds.
    SamplesFill(f64, f64),
    /// The first loud sample comes after so many seconds of samples, within 0.15.
    LoudAt(f64),
    /// The sound is a tone of so many Hz.
    Tone(f64),
    /// So many seconds lie between the beginnings of sound and picture, within 0.06.
    SoundMinusPicture(f64),
    /// Streams of picture, sound and subtitles.
    Streams(usize, usize, usize),
    /// A tag of the first stream of a kind is one of these.
    StreamTag(&'static str, &'static str, &'static [&'static str]),
    /// The track of a kind with this number is marked so, by ffmpeg's name.
    Marked(&'static str, usize, &'static str),
    /// A tag of the file.
    Tag(&'static str, &'static str),
    /// The day it was taken, as a tag or as the file's date.
    Taken(&'static str),
    /// Names of the chapters; none is right too.
    ChaptersOrNone(&'static [&'static str]),
    /// The event of its end tells of damage.
    DamageTold,
    /// So many seconds are told to be missing, and how far that may be off; the cause says this.
    Lost(f64, f64, &'static str),
    /// The event of its end tells of none.
    NoDamage,
    /// What was left out is told with one of these words.
    LeftOutTold(&'static [&'static str]),
    /// Each square of a sheet of four by four shows this: `R`, `G`, `B`, `w` for white, `.` for nothing.
    Sheet(&'static str),
    /// No square of the sheet is empty, and every one of these colours is there.
    SheetOf(&'static str),
    /// Progress tells shares from 0 to 1 that do not fall, and no nonsense.
    SaneProgress,
    /// It may be refused too, with a reason that says one of these.
    MayRefuse(&'static [&'static str]),
    /// It is not made, and the reason says one of these.
    Refused(&'static [&'static str]),
}

/// What is known of one film that was run.
pub struct Case<'a> {
    pub input: &'a Reading,
    pub output: &'a Reading,
    pub end: &'a Value,
    /// Its `job_progressed` events.
    pub progress: &'a [&'a Value],
}

fn near(what: &str, is: f64, wanted: f64, off: f64) -> Result<(), String> {
    ensure((is - wanted).abs() <= off, || format!("{what} {is:.3}, wanted {wanted:.3} ± {off}"))
}

fn ensure(holds: bool, words: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(words()) }
}

impl Fact {
    /// Whether it holds; otherwise what was seen instead.
    pub fn check(&self, case: &Case) -> Result<(), String> {
        let out = case.output;
        match self {
            Self::Seconds(wanted, off) => near("seconds", out.seconds(), *wanted, *off),
            Self::Frames(wanted, off) => near("pictures", out.decoded().0 as f64, *wanted as f64, *off as f64),
            Self::Decodes => ensure(out.decoded().1.is_empty(), || format!("a decoder complains: {:?}", out.decoded().1)),
            Self::Moments(off) => moments(&case.input.moments("video"), &out.moments("video"), *off),
            Self::Size(w, h) => ensure(out.size() == (*w, *h), || format!("size {:?}, wanted {w}×{h}", out.size())),
            Self::High(lines) => ensure(out.size().1 >= *lines, || format!("size {:?}, wanted {lines} lines", out.size())),
            Self::Shape(shape) => near("shape", out.shape(), *shape, shape * 0.011),
            Self::Plain => plain(out),
            Self::Shows(at, place, rgb, off) => {
                let seen = out.colour(*at, *place);
                let worst = seen.iter().zip(rgb).map(|(is, wanted)| (is - wanted).abs()).max().unwrap_or(999);
                ensure(worst <= *off, || format!("shows {seen:?} at {at} s {place:?}, wanted {rgb:?} ± {off}"))
            }
            Self::NotHalfHdr => {
                let (format, transfer) = (out.field("video", "pix_fmt"), out.field("video", "color_transfer"));
                let is_hdr = matches!(transfer.as_str(), "smpte2084" | "arib-std-b67");
                ensure(!is_hdr || format.contains("10"), || format!("{format} with transfer {transfer}"))
            }
            Self::NoCombs => {
                let (combed, all) = out.combed();
                ensure(all > 0 && combed * 10 < all, || format!("{combed} of {all} pictures are combed"))
            }
            Self::LikeInput(graph, least) => {
                let like = out.likeness(&case.input.path, graph);
                ensure(like >= *least, || format!("likeness {like:.3} to the input after {graph}, wanted {least}"))
            }
            Self::Channels(most) => {
                let channels = out.field("audio", "channels").parse().unwrap_or(0);
                ensure((1..=*most).contains(&channels), || format!("{channels} channels, wanted 1 to {most}"))
            }
            Self::SamplesFill(seconds, off) => near("seconds of samples", out.samples().len() as f64 / 8000.0, *seconds, *off),
            Self::LoudAt(seconds) => {
                let samples = out.samples();
                let most = samples.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
                let at = samples.iter().position(|sample| sample.abs() > most / 3.0).unwrap_or(usize::MAX);
                near("the loud tone is sample-counted at", at as f64 / 8000.0, *seconds, 0.15)
            }
            Self::Tone(hz) => near("the tone in Hz", tone(out.samples()), *hz, hz * 0.04),
            Self::SoundMinusPicture(wanted) => {
                near("sound minus picture", out.begins("audio") - out.begins("video"), *wanted, 0.06)
            }
            Self::Streams(picture, sound, text) => {
                let seen = ["video", "audio", "subtitle"].map(|kind| out.streams(kind).len());
                ensure(seen == [*picture, *sound, *text], || format!("streams {seen:?}, wanted {picture} {sound} {text}"))
            }
            Self::StreamTag(kind, name, allowed) => {
                let seen = out.stream_tag(kind, name);
                ensure(allowed.contains(&seen.as_str()), || format!("{kind} {name} `{seen}`, wanted one of {allowed:?}"))
            }
            Self::Marked(kind, number, mark) => {
                let marks = out.streams(kind).get(*number).map(|stream| stream["disposition"].clone()).unwrap_or_default();
                ensure(marks[mark] == 1, || format!("{kind} {number} is not marked {mark}: {marks}"))
            }
            Self::Tag(name, wanted) => {
                ensure(out.tag(name) == *wanted, || format!("{name} `{}`, wanted `{wanted}`", out.tag(name)))
            }
            Self::Taken(day) => {
                let modified = std::fs::metadata(&out.path).and_then(|meta| meta.modified()).expect("a date");
                let date = jiff::Timestamp::try_from(modified).expect("in range").to_string();
                let tag = out.tag("creation_time");
                ensure(date.starts_with(day) || tag.starts_with(day), || format!("tag `{tag}`, date {date}, wanted {day}"))
            }
            Self::ChaptersOrNone(names) => {
                let seen: Vec<String> = out.chapters().into_iter().map(|(name, _)| name).collect();
                ensure(seen.is_empty() || seen == *names, || format!("chapters {seen:?}, wanted {names:?} or none"))
            }
            Self::DamageTold => {
                let damage = &case.end["damage"];
                let cause = damage["cause"].as_str().unwrap_or_default();
                ensure(!cause.is_empty(), || format!("no word of damage with its cause: {damage}"))
            }
            Self::Lost(wanted, off, word) => {
                let damage = &case.end["damage"];
                near("seconds told as missing", damage["seconds"].as_f64().unwrap_or(-1.0), *wanted, *off)?;
                let cause = damage["cause"].as_str().unwrap_or_default();
                ensure(cause.contains(word), || format!("the cause says nothing of `{word}`: {cause}"))
            }
            Self::NoDamage => ensure(case.end["damage"].is_null(), || format!("damage is told: {}", case.end["damage"])),
            Self::LeftOutTold(words) => {
                let told = case.end["left_out"].to_string().to_lowercase();
                ensure(words.iter().any(|word| told.contains(word)), || format!("left_out is {told}, wanted one of {words:?}"))
            }
            Self::Sheet(wanted) => {
                let seen = sheet(out);
                ensure(seen == *wanted, || format!("the sheet shows {seen}, wanted {wanted}"))
            }
            Self::SheetOf(colours) => {
                let seen = sheet(out);
                let whole = !seen.contains('.') && colours.chars().all(|colour| seen.contains(colour));
                ensure(whole, || format!("the sheet shows {seen}, wanted no `.` and all of {colours}"))
            }
            Self::SaneProgress => progress(case.progress),
            Self::Refused(_) | Self::MayRefuse(_) => Ok(()),
        }
    }
}

fn plain(out: &Reading) -> Result<(), String> {
    let (ratio, size) = (out.field("video", "sample_aspect_ratio"), out.size());
    ensure(matches!(ratio.as_str(), "" | "1:1" | "N/A"), || format!("pixels are {ratio}"))?;
    ensure(out.rotation() == 0, || format!("a rotation of {} is left", out.rotation()))?;
    ensure(size.0 % 2 == 0 && size.1 % 2 == 0, || format!("odd size {size:?}"))
}

fn moments(input: &[f64], output: &[f64], off: f64) -> Result<(), String> {
    let (Some(first), Some(begin)) = (input.first(), output.first()) else { return Err("no pictures".to_owned()) };
    ensure(input.len() == output.len(), || format!("{} pictures of {}", output.len(), input.len()))?;
    let shift = |(a, b): (&f64, &f64)| ((a - first) - (b - begin)).abs() * 1000.0;
    let worst = input.iter().zip(output).map(shift).fold(0.0, f64::max);
    ensure(worst <= off, || format!("a picture is {worst:.2} ms off its moment, allowed {off}"))
}

/// Rising zero crossings in the middle second; none where it is silent.
fn tone(samples: &[f32]) -> f64 {
    let middle = &samples[samples.len().saturating_sub(8000) / 2..];
    let middle = &middle[..middle.len().min(8000)];
    let is_silent = middle.iter().all(|sample| sample.abs() < 0.002);
    let crossings = middle.windows(2).filter(|two| two[0] < 0.0 && two[1] >= 0.0).count();
    if is_silent { 0.0 } else { crossings as f64 * 8000.0 / middle.len() as f64 }
}

/// The middle of each square.
fn sheet(out: &Reading) -> String {
    let place = |at: u32| f64::from(at) / 4.0 + 0.125;
    let squares = (0..4).flat_map(|row| (0..4).map(move |column| (place(column), place(row))));
    squares
        .map(|place| match out.colour(0.0, place) {
            [r, g, b] if r > 150 && g > 150 && b > 150 => 'w',
            [r, ..] if r > 150 => 'R',
            [_, g, _] if g > 120 => 'G',
            [_, _, b] if b > 150 => 'B',
            _ => '.',
        })
        .collect()
}

fn progress(events: &[&Value]) -> Result<(), String> {
    let mut last = 0.0;
    for event in events {
        let (ratio, eta) = (&event["ratio"], &event["eta_seconds"]);
        ensure(eta.is_null() || eta.as_u64().is_some_and(|eta| eta < 100_000), || format!("nonsense in {event}"))?;
        if ratio.is_null() {
            continue;
        }
        let share = ratio.as_f64().unwrap_or(-1.0);
        ensure((0.0..=1.0).contains(&share) && share + 0.001 >= last, || format!("{share} after {last} in {event}"))?;
        last = share;
    }
    Ok(())
}
