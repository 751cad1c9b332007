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
    /// Pictures that were decoded with parts of them made up.
    pub repaired: u64,
    /// The first complaint of the input, in words a person understands.
    pub first_complaint: Option<String>,
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
}

/// What was written of a stream of the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamWritten {
    /// It is a picture.
    pub is_video: bool,
    /// Packets that the muxer was given.
    pub packets: u64,
}
