//! The outer structure of a media file: whether it goes on behind the end of the file, and whether it holds any media.
//!
//! Reads the heads of the outermost boxes alone, whatever the size of the file.

use std::fs::File;
use std::io;

use crate::host::files::fsops::fill;

/// Outermost boxes that are looked at; a file of more fragments than that is long enough to be taken as it is.
const MOST_BOXES: usize = 4096;
/// A WAV that claims this much or more was written into a pipe, or is as good as that: its claim is not taken.
const LARGEST_WAVE: u32 = 0x7fff_0000;
/// The same for AIFF: `SoX` claims 0x7f000000 and its own head.
const LARGEST_AIFF: u32 = 0x7f00_0000;
/// Bytes of a Matroska file's head in which its segment begins.
const EBML_HEAD: usize = 4096;
/// How every file of EBML begins, Matroska and `WebM` among them.
const EBML: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];

/// What the outer structure tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Structure {
    /// A box, segment or chunk says that it goes on behind the end of the file.
    pub ends_early: bool,
    /// Another file of its kind begins where it ends.
    pub is_joined: bool,
    /// It is laid out for media, and there is no place with any in it.
    pub is_hollow: bool,
}

/// Looks at a file of `size` bytes that `demuxer` reads.
pub fn look(file: &File, size: u64, demuxer: &str) -> io::Result<Structure> {
    match demuxer {
        "mov" => boxes(file, size),
        "matroska" => segment(file, size),
        "avi" | "wav" => riff(file, size),
        "aiff" => form(file, size),
        "au" => au(file, size),
        _ => Ok(Structure::default()),
    }
}

fn boxes(file: &File, size: u64) -> io::Result<Structure> {
    let mut at = 0;
    let mut has_media = false;
    let mut ends_early = false;
    for _ in 0..MOST_BOXES {
        let mut head = [0; 16];
        if at + 8 > size {
            break;
        }
        let read = fill(file, &mut head, at)?;
        let (length, kind) = (be32(&head[..4]), &head[4..8]);
        let length = match length {
            0 => size - at,
            1 if read >= 16 => u64::from_be_bytes(head[8..16].try_into().unwrap_or_default()),
            length => u64::from(length),
        };
        has_media |= matches!(kind, b"mdat" | b"moof" | b"wide");
        if length < 8 || !kind.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ' || *byte == 0xa9) {
            // Something else stands behind the last box: players pass it over.
            break;
        }
        let Some(end) = at.checked_add(length) else { break };
        if end > size {
            ends_early = true;
            break;
        }
        at = end;
    }
    Ok(Structure { ends_early, is_hollow: !has_media, ..Structure::default() })
}

fn segment(file: &File, size: u64) -> io::Result<Structure> {
    const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];
    let mut head = vec![0; EBML_HEAD];
    let read = fill(file, &mut head, 0)?;
    let head = &head[..read];
    let Some(at) = head.windows(4).position(|window| window == SEGMENT) else { return Ok(Structure::default()) };
    let Some((length, used)) = vint(&head[at + 4..]) else { return Ok(Structure::default()) };
    // All ones: not told, as in a live recording.
    let Some(length) = length else { return Ok(Structure::default()) };
    let end = (at + 4 + used) as u64;
    let end = end.saturating_add(length);
    let mut next = [0; EBML.len()];
    let is_joined = end < size && fill(file, &mut next, end)? == next.len() && next == EBML;
    Ok(Structure { ends_early: end > size, is_joined, ..Structure::default() })
}

/// A number of EBML: `None` within = all ones, which means unknown.
fn vint(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let first = *bytes.first()?;
    let used = first.leading_zeros() as usize + 1;
    if used > 8 || bytes.len() < used {
        return None;
    }
    let mut value = u64::from(first) & ((1 << (8 - used)) - 1);
    for byte in &bytes[1..used] {
        value = value << 8 | u64::from(*byte);
    }
    let unknown = (1_u64 << (7 * used)) - 1;
    Some(((value != unknown).then_some(value), used))
}

fn riff(file: &File, size: u64) -> io::Result<Structure> {
    let mut head = [0; 12];
    if fill(file, &mut head, 0)? < 12 || &head[..4] != b"RIFF" {
        return Ok(Structure::default());
    }
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    // Recorders that never came to write it leave 0 or all ones; into a pipe some write the most that they can, near 2 GiB
    // (arecord 0x7fffff24, SoX 0x7ffff024).
    let is_wave = &head[8..12] == b"WAVE";
    let is_told = length != 0 && length != u32::MAX && !(is_wave && length >= LARGEST_WAVE);
    Ok(Structure { ends_early: is_told && u64::from(length) + 8 > size + 1, ..Structure::default() })
}

/// The outer chunk of an AIFF. A recorder that never came to write its length leaves 0.
fn form(file: &File, size: u64) -> io::Result<Structure> {
    let mut head = [0; 12];
    if fill(file, &mut head, 0)? < 12 || &head[..4] != b"FORM" {
        return Ok(Structure::default());
    }
    let length = be32(&head[4..8]);
    let is_told = length != 0 && length < LARGEST_AIFF;
    Ok(Structure { ends_early: is_told && u64::from(length) + 8 > size + 1, ..Structure::default() })
}

/// Where the samples of an AU begin, and how many bytes they are; all ones = not told.
fn au(file: &File, size: u64) -> io::Result<Structure> {
    let mut head = [0; 12];
    if fill(file, &mut head, 0)? < 12 || &head[..4] != b".snd" {
        return Ok(Structure::default());
    }
    let (begin, length) = (be32(&head[4..8]), be32(&head[8..12]));
    Ok(Structure { ends_early: length != u32::MAX && u64::from(begin) + u64::from(length) > size, ..Structure::default() })
}

fn be32(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8], demuxer: &str) -> Structure {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("file");
        std::fs::write(&path, bytes).expect("written");
        look(&File::open(&path).expect("open"), bytes.len() as u64, demuxer).expect("read")
    }

    fn mp4_box(kind: [u8; 4], length: u32, there: usize) -> Vec<u8> {
        [&length.to_be_bytes()[..], &kind, &vec![0; there - 8]].concat()
    }

    #[test]
    fn a_box_that_reaches_behind_the_end_is_seen() {
        let whole = [mp4_box(*b"ftyp", 16, 16), mp4_box(*b"moov", 40, 40), mp4_box(*b"mdat", 100, 100)].concat();
        assert_eq!(of(&whole, "mov"), Structure::default());
        assert!(of(&whole[..150], "mov").ends_early);
        let tail = [whole.clone(), b"\0\0\0\0junk".to_vec()].concat();
        assert!(!of(&tail, "mov").ends_early, "a box to the end of the file");
        assert!(of(&whole[..56], "mov").is_hollow, "an index alone");
    }

    #[test]
    fn a_segment_and_a_riff_that_reach_behind_the_end_are_seen() {
        let mkv = [&[0x1a, 0x45, 0xdf, 0xa3, 0x80, 0x18, 0x53, 0x80, 0x67, 0x84][..], b"1234"].concat();
        assert!(!of(&mkv, "matroska").ends_early);
        assert!(of(&mkv[..mkv.len() - 1], "matroska").ends_early);
        assert!(of(&[&mkv[..], &mkv].concat(), "matroska").is_joined);
        assert!(!of(&[&mkv[..], b"12345678"].concat(), "matroska").is_joined, "something else stands behind it");
        let live = [&[0x18, 0x53, 0x80, 0x67, 0xff][..], b"1"].concat();
        assert!(!of(&live, "matroska").ends_early, "of unknown size");
        let avi = [&b"RIFF"[..], &8_u32.to_le_bytes(), b"AVI ", b"LIST"].concat();
        assert!(!of(&avi, "avi").ends_early);
        let longer = [&b"RIFF"[..], &80_u32.to_le_bytes(), b"AVI ", b"LIST"].concat();
        assert!(of(&longer, "avi").ends_early);
        let riff = |length: u32, kind: &[u8; 4]| [&b"RIFF"[..], &length.to_le_bytes(), kind, b"LIST"].concat();
        assert!(of(&riff(80, b"WAVE"), "wav").ends_early);
        for length in [0x7fff_ff24, 0x7fff_f024, 0xffff_fff0] {
            assert!(!of(&riff(length, b"WAVE"), "wav").ends_early, "written into a pipe: {length:#x}");
            assert!(of(&riff(length, b"AVI "), "avi").ends_early);
        }
    }

    #[test]
    fn sound_whose_head_promises_more_than_is_there_is_seen() {
        let aiff = |length: u32| [&b"FORM"[..], &length.to_be_bytes(), b"AIFFCOMM"].concat();
        assert!(!of(&aiff(8), "aiff").ends_early);
        assert!(of(&aiff(80), "aiff").ends_early);
        for length in [0, 0x7f00_0000, 0x7f00_002e, u32::MAX] {
            assert!(!of(&aiff(length), "aiff").ends_early, "written into a pipe: {length:#x}");
        }
        let au = |length: u32| [&b".snd"[..], &24_u32.to_be_bytes(), &length.to_be_bytes(), &[0; 16]].concat();
        assert!(!of(&au(4), "au").ends_early);
        assert!(of(&au(40), "au").ends_early);
        assert!(!of(&au(u32::MAX), "au").ends_early, "written into a pipe");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_a_fault(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400), which in 0..6_usize) {
            of(&bytes, ["mov", "matroska", "avi", "gif", "aiff", "au"][which]);
        }
    }
}
