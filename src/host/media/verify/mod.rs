//! Whether a file that ffmpeg made for us is whole, and what is in it, told without starting a process.
//!
//! For what `ffprobe -count_packets` is asked otherwise, which reads the whole file and costs 60 ms of processor time before
//! it reads the first byte. Here only what tells where the packets are is read, and every packet is accounted for: an index
//! or a block that reaches beyond the file, or a box that ends elsewhere than its parent, makes the file not whole. What the
//! packets hold is not looked at, as little as ffprobe does.
//!
//! The tables of MP4 are decoded by `mp4-atom`, box by box, since it takes no size for granted. No crate that was looked at
//! tells whether a *file* is whole: `mp4-atom` and `re_mp4` load the index or the file and pass over what lies around it, `re_mp4`
//! and `mp4` reserve what a hostile count asks for, `matroska-demuxer` reads every payload and takes the end of the file for
//! the end of the film. So the walk over boxes and over EBML elements is our own, and small.
//!
//! The file may be damaged in any way: no size is believed before it was held against what is there, and memory stays below
//! a few times the largest table that is read. Knows nothing of jobs.

mod jpeg;
mod matroska;
pub(super) mod mp4;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::domain::preset::Container;
use crate::domain::text::error_words as words;
use crate::host::files::file_id;

/// A table of an index that is larger than this, in bytes, is left to ffprobe: four million packets of one stream.
const TABLE_LIMIT: u64 = 16 * 1024 * 1024;
/// Bytes that are read at once where the next few matter.
const WINDOW: u64 = 4096;
/// The kernel is told to fetch this much ahead of a walk over a whole file, since one that skips looks random to it.
#[cfg(target_os = "linux")]
const AHEAD: u64 = 4 * 1024 * 1024;

/// What is in a file that is whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// Its streams, in the file's order. A cover that stands among the tags is none.
    pub streams: Vec<MadeStream>,
    /// When the last picture or sound ends, in seconds from time zero of the film. `None` for a still, and where none has a packet.
    pub duration: Option<f64>,
}

/// One stream of a file that is whole.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeStream {
    /// What it is.
    pub kind: MadeKind,
    /// Its four-character code in MP4 (`avc1`), its codec ID in Matroska (`V_MPEG4/ISO/AVC`), `jpeg` for a still.
    pub codec: String,
    /// Its packets. Of uncompressed sound in MOV, which has none, the samples.
    pub packets: u64,
    /// When it begins to be shown or heard, in seconds from time zero of the film; below zero where a decoder needs a run-up
    /// (Opus). `None` if it has no packet.
    pub start: Option<f64>,
    /// When its last packet ends, likewise. Exact in MP4; in Matroska the length of a last packet is told or taken from the
    /// one before it.
    pub end: Option<f64>,
    /// Width in pixels as coded, 0 for what is no picture.
    pub width: u32,
    /// Height in pixels as coded, 0 for what is no picture.
    pub height: u32,
}

impl MadeStream {
    /// Seconds from its beginning to its end.
    pub fn length(&self) -> Option<f64> {
        Some(self.end? - self.start?)
    }
}

/// What a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MadeKind {
    Video,
    Audio,
    /// Text or pictures that are laid over the picture.
    Subtitle,
    /// Chapters, time codes and other data.
    Other,
}

/// Why a file is not whole, in words that complete "the output is not whole: …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotWhole {
    /// It has no byte.
    #[error("the file is empty")]
    Empty,
    /// The host would not let it be read.
    #[error("it cannot be read: {0}")]
    Io(String),
    /// Something is missing in it, or is not where it should be.
    #[error("{0}")]
    Damaged(String),
}

/// Reads a file that a muxer of ffmpeg wrote as `container`, without its packets. `None` = whether it is whole has to be asked
/// of ffprobe: a transport stream, or a form of the container that is not known here (fragments, several edits, tables beyond
/// 16 MiB). `NotWhole` if something is missing, is not where the file says, or if a picture has no packet.
pub fn read(path: &Path, container: Container) -> Result<Option<Made>, NotWhole> {
    let read = match container {
        Container::Mp4 | Container::M4a | Container::Mov => mp4::read,
        Container::Mkv | Container::Webm => matroska::read,
        Container::Jpg => jpeg::read,
        Container::Ts => return Ok(None),
    };
    match read(&mut Input::open(path)?) {
        Ok(made) => Ok(Some(made)),
        Err(Stop::Unknown) => Ok(None),
        Err(Stop::NotWhole(not_whole)) => Err(not_whole),
    }
}

/// Why a reader came to no answer of its own.
#[derive(Debug)]
pub(super) enum Stop {
    NotWhole(NotWhole),
    /// A form that is not known here.
    Unknown,
}

impl From<NotWhole> for Stop {
    fn from(not_whole: NotWhole) -> Self {
        Self::NotWhole(not_whole)
    }
}

fn damaged(reason: impl Into<String>) -> Stop {
    NotWhole::Damaged(reason.into()).into()
}

/// A file that is read in small pieces at any place.
#[derive(Debug)]
pub(super) struct Input {
    file: File,
    len: u64,
    window: Vec<u8>,
    window_at: u64,
    fetched: u64,
}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Self, NotWhole> {
        let failed = |error: &io::Error| NotWhole::Io(words(error));
        let file = file_id::open_regular(path).map_err(|error| failed(&error))?;
        match file.metadata().map_err(|error| failed(&error))?.len() {
            0 => Err(NotWhole::Empty),
            len => Ok(Self { file, len, window: Vec::new(), window_at: 0, fetched: 0 }),
        }
    }

    /// `count` bytes at `at`, at most [`WINDOW`].
    fn bytes(&mut self, at: u64, count: usize) -> Result<&[u8], Stop> {
        let end = at.checked_add(count as u64).filter(|end| *end <= self.len).ok_or_else(|| damaged("it ends too early"))?;
        if at < self.window_at || end > self.window_at + self.window.len() as u64 {
            self.window = self.load(at, (self.len - at).min(WINDOW.max(count as u64)))?;
            self.window_at = at;
        }
        let from = (at - self.window_at) as usize;
        Ok(&self.window[from..from + count])
    }

    /// Its length in bytes when it was opened.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// What the file is, by the open file itself.
    pub(super) fn metadata(&self) -> io::Result<std::fs::Metadata> {
        self.file.metadata()
    }

    /// Up to `count` bytes at `at`: what there is before `end`.
    pub(super) fn up_to(&mut self, at: u64, count: usize, end: u64) -> Result<&[u8], Stop> {
        let there = end.min(self.len).saturating_sub(at).min(count as u64);
        self.bytes(at, there as usize)
    }

    /// A piece of its own, at most [`TABLE_LIMIT`].
    pub(super) fn load(&self, at: u64, count: u64) -> Result<Vec<u8>, Stop> {
        if count > TABLE_LIMIT {
            return Err(Stop::Unknown);
        }
        if at.checked_add(count).is_none_or(|end| end > self.len) {
            return Err(damaged("it ends too early"));
        }
        let mut bytes = vec![0; count as usize];
        self.file.read_exact_at(&mut bytes, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("it became shorter while it was read"),
            _ => NotWhole::Io(words(&error)).into(),
        })?;
        Ok(bytes)
    }

    /// Has what follows `at` fetched from the disk in one go, as far as it is not there yet.
    fn fetch(&mut self, at: u64) {
        #[cfg(target_os = "linux")]
        if at + AHEAD / 2 > self.fetched {
            let from = self.fetched.max(at);
            self.fetched = at + AHEAD;
            if let Some(count) = std::num::NonZeroU64::new(self.fetched - from) {
                // A hint; a file system that has no such thing is read as it comes.
                let _ = rustix::fs::fadvise(&self.file, from, Some(count), rustix::fs::Advice::WillNeed);
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (at, &mut self.fetched);
    }
}

/// Puts the streams together; a picture without packets makes the file not whole. A sound may be empty, as one of the input is.
fn made(streams: Vec<MadeStream>) -> Result<Made, Stop> {
    if streams.iter().any(|stream| stream.kind == MadeKind::Video && stream.packets == 0) {
        return Err(damaged("its picture has no packets"));
    }
    if streams.iter().any(|stream| stream.kind == MadeKind::Video && (stream.width == 0 || stream.height == 0)) {
        return Err(damaged("the size of its picture is not told"));
    }
    if streams.is_empty() {
        return Err(damaged("no stream is in it"));
    }
    // Chapters are as long as the input promised, whatever came of it.
    let is_heard_or_seen = |stream: &&MadeStream| matches!(stream.kind, MadeKind::Video | MadeKind::Audio);
    let duration = streams.iter().filter(is_heard_or_seen).filter_map(|stream| stream.end).max_by(f64::total_cmp);
    Ok(Made { streams, duration })
}

#[cfg(test)]
mod tests;
