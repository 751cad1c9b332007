//! JPEG: markers from the first to the last, with the size of the picture.

use super::{Input, Made, MadeKind, MadeStream, Stop, damaged};

const START_OF_IMAGE: u8 = 0xd8;
const END_OF_IMAGE: u8 = 0xd9;
const START_OF_SCAN: u8 = 0xda;

pub(super) fn read(input: &mut Input) -> Result<Made, Stop> {
    if input.up_to(0, 2, u64::MAX)? != [0xff, START_OF_IMAGE] {
        return Err(damaged("it does not begin like a JPEG"));
    }
    let mut at = 2;
    let mut size = None;
    loop {
        let head = input.up_to(at, 9, u64::MAX)?;
        let (Some(0xff), Some(&marker)) = (head.first().copied(), head.get(1)) else {
            return Err(damaged("its picture does not begin: the file was cut short"));
        };
        // Fill bytes may stand before a marker.
        if marker == 0xff {
            at += 1;
            continue;
        }
        if is_frame(marker)
            && let Some(frame) = head.get(5..9)
        {
            let number = |at: usize| u32::from(u16::from_be_bytes([frame[at], frame[at + 1]]));
            size = Some((number(2), number(0)));
        }
        let Some(length) = head.get(2..4).map(|length| u64::from(u16::from_be_bytes([length[0], length[1]]))) else {
            return Err(damaged("its picture does not begin: the file was cut short"));
        };
        if length < 2 || at + 2 + length > input.len {
            return Err(damaged("a part of its header reaches beyond its end"));
        }
        at += 2 + length;
        if marker == START_OF_SCAN {
            break;
        }
    }
    let Some((width, height)) = size.filter(|(width, height)| *width > 0 && *height > 0) else {
        return Err(damaged("the size of its picture is not told"));
    };
    // Within the picture no such pair can stand: a byte FF of its data is followed by 00.
    if input.len < at + 2 || input.bytes(input.len - 2, 2)? != [0xff, END_OF_IMAGE] {
        return Err(damaged("its picture does not end: the file was cut short"));
    }
    let stream = MadeStream { kind: MadeKind::Video, codec: "jpeg".to_owned(), packets: 1, start: None, end: None, width, height };
    super::made(vec![stream])
}

/// Markers of a frame; the four numbers among them that are none mean tables and reserved things.
const fn is_frame(marker: u8) -> bool {
    matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc)
}
