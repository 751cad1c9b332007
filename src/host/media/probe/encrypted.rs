//! Whether an input is encrypted: a film that is sold with a protection of its rights, or what a broadcaster scrambles.
//!
//! ffmpeg reads such files as if they were plain, and makes noise of them. Looks at heads alone, whatever the size of the file.

use std::path::Path;

use crate::domain::media::MediaInfo;
use crate::host::files::file_id::open_regular;
use crate::host::files::fsops::fill;
use crate::host::media::probe::HEAD;
use crate::host::media::sniff::ts_layout;
use crate::host::media::verify::Input;
use crate::host::media::verify::mp4::{Head, child, children};

/// How a film in MP4 names pictures and sound that are encrypted; the last two are of Apple's own protection.
const PICTURES: [&[u8; 4]; 2] = [b"encv", b"drmi"];
/// As [`PICTURES`].
const SOUNDS: [&[u8; 4]; 2] = [b"enca", b"drms"];
/// How each packet of a transport stream begins.
const SYNC: u8 = 0x47;
/// Bytes of a transport stream that are looked at.
const LOOK: usize = 1 << 20;
/// Packets that only fill.
const NOTHING: u16 = 0x1fff;
/// Fewer packets than this tell nothing.
const LEAST_PACKETS: usize = 20;

/// What is to be made a film of cannot be read without a key: its pictures, or the sound of a file without.
pub(super) fn is_film_of_rights(path: &Path, media: &MediaInfo) -> bool {
    let kinds = sample_kinds(path).unwrap_or_default();
    let encrypted = if media.video.is_some() { PICTURES } else { SOUNDS };
    kinds.iter().any(|kind| encrypted.contains(&kind))
}

/// What each track of an MP4 holds, by its own word.
fn sample_kinds(path: &Path) -> Option<Vec<[u8; 4]>> {
    let mut input = Input::open(path).ok()?;
    let whole = Head { kind: *b"file", body: 0, end: input.len() };
    let index = inner(&mut input, &whole, *b"moov")?;
    let tracks = children(&mut input, &index).ok()?.into_iter().filter(|part| part.kind == *b"trak");
    Some(tracks.filter_map(|track| sample_kind(&mut input, track)).collect())
}

fn sample_kind(input: &mut Input, track: Head) -> Option<[u8; 4]> {
    let mut place = track;
    for kind in [b"mdia", b"minf", b"stbl", b"stsd"] {
        place = inner(input, &place, *kind)?;
    }
    // Behind its version, the number of its entries, and the size of the first one.
    input.up_to(place.body + 12, 4, place.end).ok()?.try_into().ok()
}

fn inner(input: &mut Input, parent: &Head, kind: [u8; 4]) -> Option<Head> {
    child(&children(input, parent).ok()?, kind).copied()
}

/// Most packets of this transport stream are scrambled, by their own word.
pub(super) fn is_scrambled(path: &Path) -> bool {
    let Ok(file) = open_regular(path) else { return false };
    let start = |length: usize| {
        let mut start = vec![0; length];
        let read = fill(&file, &mut start, 0).unwrap_or_default();
        start.truncate(read);
        start
    };
    // What is refused is mostly something else, of which no more is read.
    let Some((first, size)) = ts_layout(&start(HEAD)) else { return false };
    let start = start(LOOK);
    let packets = start[first..].chunks_exact(size).filter(|packet| packet[0] == SYNC);
    let with_content = packets.filter(|packet| {
        let number = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        packet[3] & 0x10 != 0 && number != NOTHING
    });
    let scrambled: Vec<bool> = with_content.map(|packet| packet[3] & 0x80 != 0).collect();
    scrambled.len() >= LEAST_PACKETS && scrambled.iter().filter(|is| **is).count() * 2 > scrambled.len()
}
