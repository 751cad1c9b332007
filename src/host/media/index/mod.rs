//! What the index of an MP4 or MOV tells of it, told as ffprobe tells it, without starting ffprobe.
//!
//! A start of ffprobe costs 60 to 90 ms of processor time, nearly all of it for linking two hundred libraries: more than the
//! encoder takes for a film of one second. The films of phones and of most converters are H.264 with AAC in an MP4, and all that is asked
//! of them stands in their index and in the first bytes of their first packets. What is read there is put into the same
//! [`Report`] that ffprobe's answer is read into, so that both are judged by the same rules.
//!
//! It answers only where it understands everything that stands in the index. Each box, each value and each form that it does
//! not know by name ends in `None`, which means "ask ffprobe": several pictures or sounds, subtitles, chapters, covers,
//! fragments, cuts, odd shapes of pixels, interlaced pictures, HDR, more than 8 bits, other codecs, data in other files, a
//! first packet that is damaged.
//!
//! The file may be hostile, and is read in this process, outside of the sandbox that ffprobe has. That is acceptable since this
//! is Rust without `unsafe`, starts nothing and opens no other file: sizes are held against what is there before anything is
//! read, tables of more than 4 MiB are not read, of media no more than the heads of two packets is. No codec is run.

mod bits;
mod movie;
mod picture;
mod sound;
mod tags;
mod time;
mod track;
mod trust;

use std::ops::Range;
use std::path::Path;

pub use self::trust::Trust;

use super::report::Report;
use super::verify::Input;
use crate::host::files::file_id::FileId;

/// What a file's index tells.
#[derive(Debug)]
pub(super) struct Looked {
    /// As ffprobe would tell it.
    pub report: Report,
    /// The file that was read.
    pub id: FileId,
}

/// Reads a file's index. `None` = it holds something that is not known here; ffprobe has to be asked.
pub(super) fn look(path: &Path) -> Option<Looked> {
    let mut input = Input::open(path).ok()?;
    let id = FileId::from(&input.metadata().ok()?);
    Some(Looked { report: movie::read(&mut input)?, id })
}

/// What tracks have to know of the whole.
struct Movie {
    /// Where the packets are.
    data: Vec<Range<u64>>,
    /// Ticks of a second.
    scale: u32,
}

/// Where the first packet of a track lies.
#[derive(Debug, Clone, Copy)]
struct Packet {
    at: u64,
    size: u64,
}

/// A number of `count` bytes at `at`, the highest byte first.
fn number(bytes: &[u8], at: usize, count: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(count)?)?;
    Some(bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests;
