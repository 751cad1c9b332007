//! The whole: which boxes there are, how long the film is, its tracks and its tags.

use std::collections::BTreeMap;

use mp4_atom::Mvhd;

use super::time::{LONGEST, rescaled, seconds};
use super::track::turn;
use super::{Movie, tags, track};
use crate::host::media::report::{Format, Report};
use crate::host::media::verify::Input;
use crate::host::media::verify::mp4::{Head, children, table};

/// From 1904, when the clock of MP4 begins, to 1970.
const TO_1970: u64 = 2_082_844_800;

pub(super) fn read(input: &mut Input) -> Option<Report> {
    let whole = Head { kind: *b"file", body: 0, end: input.len() };
    let boxes = children(input, &whole).ok()?;
    let (mut index, mut data) = (None, Vec::new());
    for (place, found) in boxes.iter().enumerate() {
        match &found.kind {
            b"ftyp" if place == 0 => {}
            b"moov" if index.is_none() => index = Some(*found),
            b"mdat" => data.push(found.body..found.end),
            b"free" | b"skip" | b"wide" if place > 0 => {}
            _ => return None,
        }
    }
    let parts = children(input, &index?).ok()?;
    let head = table::<Mvhd>(input, &parts).ok()??;
    if !(1..LONGEST).contains(&u64::from(head.timescale)) || !(1..LONGEST).contains(&head.duration) || turn(&head.matrix) != Some(0)
    {
        return None;
    }
    let movie = Movie { data, scale: head.timescale };
    let mut report = Report {
        format: Format {
            names: "mov,mp4,m4a,3gp,3g2,mj2".to_owned(),
            duration: seconds(rescaled(head.duration, 1_000_000, head.timescale)?, 1_000_000),
            tags: BTreeMap::new(),
            ..Format::default()
        },
        ..Report::default()
    };
    // 0 means that it is not told.
    if head.creation_time > 0 {
        report.format.tags.insert("creation_time".to_owned(), created(head.creation_time)?);
    }
    for part in &parts {
        match &part.kind {
            b"trak" => {
                let number = u32::try_from(report.streams.len()).ok()?;
                report.streams.push(track::read(input, part, &movie, number)?);
            }
            b"udta" => tags::user_data(input, part, &mut report.format.tags)?,
            b"meta" => tags::of_android(input, part)?,
            b"mvhd" | b"iods" | b"free" => {}
            _ => return None,
        }
    }
    let count = |kind: &str| report.streams.iter().filter(|stream| stream.codec_type == kind).count();
    let is_plain = !report.streams.is_empty() && count("video") <= 1 && count("audio") <= 1;
    is_plain.then_some(report)
}

/// A time of creation in ffprobe's form.
fn created(time: u64) -> Option<String> {
    // Some writers count from 1970.
    let since_1970 = if time >= TO_1970 { time - TO_1970 } else { time };
    let moment = jiff::Timestamp::from_second(i64::try_from(since_1970).ok().filter(|_| u32::try_from(time).is_ok())?).ok()?;
    Some(moment.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string())
}
