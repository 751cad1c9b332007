//! What ffmpeg told of its work: how much it read, decoded and wrote, and what it complained of.
//!
//! Facts for judging an output; judges nothing.

use std::collections::BTreeMap;

use super::media::VideoStream;

/// What a process told of its work, by its end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    /// What was read of each stream of the input, by the number of the stream.
    pub read: BTreeMap<u32, StreamRead>,
    /// What was written of each stream of the output, by the number of the stream.
    pub written: BTreeMap<u32, StreamWritten>,
    /// Pictures and blocks of sound that could not be decoded.
    pub undecoded: u64,
    /// The same by the number of the stream in the input, where it is told.
    pub undecoded_of: BTreeMap<u32, u64>,
    /// Pictures that were decoded with parts of them made up.
    pub repaired: u64,
    /// Pictures that were left out because their time was not behind that of the one before.
    pub dropped: u64,
    /// The first complaint of the input, in words a person understands.
    pub first_complaint: Option<String>,
    /// Kinds of streams that came up after the process had begun: it makes nothing of them.
    pub late: Vec<StreamKind>,
    /// The picture became larger on the way than the output was planned for; the process was ended for that.
    pub grown: Option<Box<VideoStream>>,
}

/// What was read of a stream of the input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamRead {
    /// Packets.
    pub packets: u64,
    /// Pictures, or blocks of sound, that were decoded; `None` where the stream was copied.
    pub decoded: Option<u64>,
    /// Samples of sound for each channel, where it was decoded.
    pub samples: Option<u64>,
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    Video,
    /// Sound.
    Audio,
    /// Subtitles.
    Subtitle,
    /// Anything else.
    Other,
}

/// What was written of a stream of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamWritten {
    /// What it holds.
    pub kind: StreamKind,
    /// Packets that the muxer was given.
    pub packets: u64,
}

impl StreamKind {
    /// The kind by ffmpeg's word for it.
    pub fn of(word: &str) -> Self {
        match word {
            "video" => Self::Video,
            "audio" => Self::Audio,
            "subtitle" => Self::Subtitle,
            _ => Self::Other,
        }
    }
}

impl Account {
    /// The output was to have streams of this kind, and all of them are empty.
    pub fn wrote_nothing(&self, kind: StreamKind) -> bool {
        let mut packets = self.written_of(kind).peekable();
        packets.peek().is_some() && packets.all(|packets| packets == 0)
    }

    /// The packets of each stream of this kind in the output.
    pub fn written_of(&self, kind: StreamKind) -> impl Iterator<Item = u64> {
        self.written.values().filter(move |stream| stream.kind == kind).map(|stream| stream.packets)
    }
}
