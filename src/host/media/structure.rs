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

/// How an ASF begins, `WMV` and `WMA` among them.
const ASF_HEADER: [u8; 16] = [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, 0xa6, 0xd9, 0x00, 0xaa, 0x00, 0x62, 0xce, 0x6c];
/// The object in which an ASF tells of its whole.
const ASF_PROPERTIES: [u8; 16] = [0xa1, 0xdc, 0xab, 0x8c, 0x47, 0xa9, 0xcf, 0x11, 0x8e, 0xe4, 0x00, 0xc0, 0x0c, 0x20, 0x53, 0x65];
/// How each partition of an MXF begins.
const MXF_PARTITION: [u8; 13] = [0x06, 0x0e, 0x2b, 0x34, 0x02, 0x05, 0x01, 0x01, 0x0d, 0x01, 0x02, 0x01, 0x01];
/// Chunks of a RIFF that are looked at before its pictures or samples; others stand behind them.
const MOST_CHUNKS: usize = 64;

/// What the outer structure tells.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Structure {
    /// A box, segment or chunk says that it goes on behind the end of the file.
    pub ends_early: bool,
    /// What share of the promised bytes is there, where the length is reckoned from the bytes and the promise can be believed.
    pub share_there: Option<f64>,
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
        "asf" => asf(file, size),
        "mxf" => mxf(file, size),
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

/// Of an AVI that is larger than 1 GB one RIFF follows the other.
fn riff(file: &File, size: u64) -> io::Result<Structure> {
    let mut at = 0;
    let (mut promised, mut there) = (0, 0);
    for _ in 0..MOST_BOXES {
        let Some(part) = riff_at(file, size, at)? else { break };
        let Some((media, left)) = part.media else {
            return Ok(Structure { ends_early: part.end > size + 1, ..Structure::default() });
        };
        promised += media;
        there += left;
        at = part.end;
        if part.end > size + 1 {
            let share_there = (promised > 0).then(|| there as f64 / promised as f64);
            return Ok(Structure { ends_early: true, share_there, ..Structure::default() });
        }
    }
    Ok(Structure::default())
}

/// One RIFF of a file.
struct Riff {
    /// Where it ends by its own word.
    end: u64,
    /// Bytes of its pictures or samples, and how many of them are there; `None` where its word is not taken.
    media: Option<(u64, u64)>,
}

/// The RIFF that begins here and tells its length.
fn riff_at(file: &File, size: u64, at: u64) -> io::Result<Option<Riff>> {
    let mut head = [0; 28];
    if fill(file, &mut head, at)? < 12 {
        return Ok(None);
    }
    let is_wave = &head[8..12] == b"WAVE";
    if at > 0 && &head[8..12] != b"AVIX" {
        // Something else stands behind it.
        return Ok(None);
    }
    let length = match &head[..4] {
        b"RIFF" => u64::from(le32(&head[4..8])),
        // The length is in its first chunk, in 64 bits.
        b"RF64" if is_wave && &head[12..16] == b"ds64" => le64(&head[20..28]),
        _ => return Ok(None),
    };
    // Recorders that never came to write it leave 0 or all ones; into a pipe some write the most that they can, near 2 GiB
    // (arecord 0x7fffff24, SoX 0x7ffff024).
    let is_of_32_bits = &head[..4] == b"RIFF";
    let is_most = is_of_32_bits && length >= u64::from(LARGEST_WAVE);
    if length == 0 || is_of_32_bits && length == u64::from(u32::MAX) || is_wave && is_most || length > u64::from(u32::MAX) << 16 {
        return Ok(None);
    }
    let end = at + 8 + length + length % 2;
    let media = if is_most { None } else { Some(riff_media(file, size, (at + 12, end), is_wave)?) };
    // A file may lack the byte that makes its length even.
    Ok(Some(Riff { end: at + 8 + length, media }))
}

/// Bytes of the pictures or samples between these two places, and how many of them are there.
fn riff_media(file: &File, size: u64, (mut at, end): (u64, u64), is_wave: bool) -> io::Result<(u64, u64)> {
    let all = |begin: u64, end: u64| (end.saturating_sub(begin), end.min(size).saturating_sub(begin));
    let begin = at;
    for _ in 0..MOST_CHUNKS {
        let mut head = [0; 12];
        if at >= end.min(size) || fill(file, &mut head, at)? < 12 {
            break;
        }
        let length = u64::from(le32(&head[4..8]));
        if is_wave && &head[..4] == b"data" || !is_wave && &head[..4] == b"LIST" && &head[8..12] == b"movi" {
            // Its own length may not be told, or be in 64 bits elsewhere.
            let is_told = length != 0 && length != u64::from(u32::MAX);
            return Ok(all(at + 8, if is_told { at + 8 + length } else { end }));
        }
        at += 8 + length + length % 2;
    }
    Ok(all(begin, end))
}

/// How long the file was when it was finished, by the word of its properties; a live recording has none.
fn asf(file: &File, size: u64) -> io::Result<Structure> {
    const IS_BROADCAST: u32 = 1;
    let mut head = [0; 30];
    if fill(file, &mut head, 0)? < 30 || head[..16] != ASF_HEADER {
        return Ok(Structure::default());
    }
    let header = le64(&head[16..24]);
    let mut at = 30;
    for _ in 0..MOST_CHUNKS {
        let mut object = [0; 92];
        if at >= header.min(size) || fill(file, &mut object, at)? < object.len() {
            break;
        }
        if object[..16] == ASF_PROPERTIES {
            let promised = le64(&object[40..48]);
            let is_told = le32(&object[88..92]) & IS_BROADCAST == 0;
            return Ok(if is_told { held_against(size, promised, header) } else { Structure::default() });
        }
        let Some(next) = at.checked_add(le64(&object[16..24]).max(24)) else { break };
        at = next;
    }
    Ok(Structure::default())
}

/// A finished MXF tells where its footer lies.
fn mxf(file: &File, size: u64) -> io::Result<Structure> {
    const HEADER: u8 = 0x02;
    // Of four ways to leave a partition; those that are open may tell another place than that in the end.
    const CLOSED: [u8; 2] = [0x02, 0x04];
    let mut head = [0; 80];
    let read = fill(file, &mut head, 0)?;
    if read < head.len() || head[..13] != MXF_PARTITION || head[13] != HEADER || !CLOSED.contains(&head[14]) {
        return Ok(Structure::default());
    }
    // A length in one byte, or in as many as its first one tells.
    let value = 17 + if head[16] < 0x80 { 0 } else { usize::from(head[16] & 0x7f).min(8) };
    let be64 = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().unwrap_or_default());
    let (footer, metadata) = (be64(value + 24), be64(value + 32));
    Ok(held_against(size, footer, metadata))
}

/// The size of a file that was to have so many bytes, the first of which are its head; 0 = not told.
fn held_against(size: u64, promised: u64, head: u64) -> Structure {
    let ends_early = promised > size;
    let share = |head: u64| (size - head) as f64 / (promised - head) as f64;
    Structure { ends_early, share_there: ends_early.then(|| share(if head < size { head } else { 0 })), ..Structure::default() }
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

fn le32(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_le_bytes)
}

fn le64(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
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
    fn the_share_that_is_there_is_that_of_pictures_and_samples_alone() {
        let chunk = |kind: &[u8; 4], length: u32, content: &[u8]| [&kind[..], &length.to_le_bytes(), content].concat();
        let movie = |kind: &[u8; 4], length: u32, there: usize| {
            let inside =
                [&kind[..], &chunk(b"LIST", 4, b"hdrl"), &chunk(b"LIST", length, &[&b"movi"[..], &vec![0; there - 4]].concat())];
            inside.concat()
        };
        let riff = |inside: &[u8], length: usize| chunk(b"RIFF", length as u32, inside);
        let whole = riff(&[movie(b"AVI ", 100, 100), chunk(b"idx1", 50, &[0; 50])].concat(), 182);
        assert_eq!(of(&whole, "avi"), Structure::default());
        assert_eq!(of(&[&whole[..], b"junk behind the end"].concat(), "avi"), Structure::default());
        let cut = |share_there| Structure { ends_early: true, share_there: Some(share_there), ..Structure::default() };
        assert_eq!(of(&whole[..whole.len() - 20], "avi"), cut(1.0), "a part of the index");
        assert_eq!(of(&whole[..32 + 40], "avi"), cut(0.4));
        // A second RIFF, as in every AVI that is larger than 1 GB.
        let further = riff(&movie(b"AVIX", 300, 300), 324);
        let long = [&whole[..], &further].concat();
        assert_eq!(of(&long, "avi"), Structure::default());
        assert_eq!(of(&long[..long.len() - 100], "avi"), cut(0.75));
        for unfinished in [0, u32::MAX] {
            let mut live = whole.clone();
            live[4..8].copy_from_slice(&unfinished.to_le_bytes());
            assert_eq!(of(&live[..100], "avi"), Structure::default(), "{unfinished:#x}");
        }
        let wave = riff(&[&b"WAVE"[..], &chunk(b"fmt ", 4, b"1234"), &chunk(b"data", 200, &[0; 200])].concat(), 224);
        assert_eq!(of(&wave, "wav"), Structure::default());
        assert_eq!(of(&wave[..wave.len() - 50], "wav"), cut(0.75));
        let ds64 = |length: u64| chunk(b"ds64", 28, &[&length.to_le_bytes()[..], &[0; 20]].concat());
        let large = |length: u64| [&b"RF64\xff\xff\xff\xffWAVE"[..], &ds64(length), &chunk(b"data", u32::MAX, &[0; 100])].concat();
        assert_eq!(of(&large(148), "wav"), Structure::default());
        assert_eq!(of(&large(248), "wav"), cut(0.5));
        assert_eq!(of(&large(0), "wav"), Structure::default(), "written into a pipe");
    }

    #[test]
    fn windows_media_and_mxf_that_are_shorter_than_they_tell_are_seen() {
        let asf = |promised: u64, flags: u32| {
            let object =
                [&ASF_PROPERTIES[..], &104_u64.to_le_bytes(), &[0; 16], &promised.to_le_bytes(), &[0; 40], &flags.to_le_bytes()];
            let head = [&ASF_HEADER[..], &134_u64.to_le_bytes(), &[0; 6], &object.concat(), &[0; 12]].concat();
            of(&[&head[..], &[0; 100]].concat(), "asf")
        };
        let half = Structure { ends_early: true, share_there: Some(0.5), ..Structure::default() };
        assert_eq!(asf(334, 0), half);
        for (promised, flags, why) in [(234, 0, "whole"), (200, 0, "longer"), (0, 0, "not told"), (334, 1, "a broadcast")] {
            assert_eq!(asf(promised, flags), Structure::default(), "{why}");
        }
        let mxf = |status: u8, footer: u64| {
            let pack = [
                &MXF_PARTITION[..],
                &[0x02, status, 0x00, 0x83, 0, 0, 0x88],
                &[0; 24],
                &footer.to_be_bytes(),
                &100_u64.to_be_bytes(),
                &[0; 140],
            ]
            .concat();
            of(&pack, "mxf")
        };
        assert_eq!(mxf(4, 300), half);
        for (status, footer, why) in [(4, 190, "whole"), (4, 0, "not told"), (1, 300, "open")] {
            assert_eq!(mxf(status, footer), Structure::default(), "{why}");
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
            let heads: [&[u8]; 4] = [b"RIFF\x90\x01\0\0AVI ", b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0", &ASF_HEADER, &MXF_PARTITION];
            for (head, demuxer) in heads.into_iter().zip(["avi", "wav", "asf", "mxf"]) {
                of(&[head, &bytes].concat(), demuxer);
            }
        }
    }
}
