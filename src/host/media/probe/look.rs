//! A first look at an input, by its first bytes: whether it may be a media file at all.

use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use crate::domain::job::{RejectReason, Rejected};
use crate::domain::text::error_words as words;
use crate::host::files::file_id::FileId;
use crate::host::media::probe::{HEAD, Refused, refused, rejected};
use crate::host::media::sniff::is_photo;

/// Boxes that the pieces of a stream begin with.
const PIECES: [&[u8]; 3] = [b"styp", b"moof", b"sidx"];

/// What stands in a file by the look of its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    Playlist(&'static str),
    Text,
    Zeros,
    Photo,
    /// A piece of a stream, whose beginning lies in another file.
    Piece,
    Other,
}

/// Looks at the file itself: that it is a regular one, not empty, readable, and what its first bytes look like.
pub(super) fn look(path: &Path) -> Result<(FileId, Head), Refused> {
    let unreadable = |error: &io::Error| refused(error, format!("cannot be read: {}; check the file and its rights", words(error)));
    let meta = std::fs::metadata(path).map_err(|error| unreadable(&error))?;
    regular(&meta)?;
    // Not blocking, should it have become a FIFO since.
    let flags = (rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY).bits() as i32;
    let mut file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|error| unreadable(&error))?;
    let meta = file.metadata().map_err(|error| unreadable(&error))?;
    regular(&meta)?;
    if meta.len() == 0 {
        return Err(rejected(RejectReason::Empty, "the file is empty; fetch it again").into());
    }
    let mut head = [0; HEAD];
    let mut filled = 0;
    while filled < HEAD {
        match file.read(&mut head[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(&error)),
        }
    }
    Ok((FileId::from(&meta), sniff(&head[..filled])))
}

pub(super) fn regular(meta: &std::fs::Metadata) -> Result<(), Rejected> {
    let kind = meta.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let what = if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_block_device() || kind.is_char_device() {
        "a device"
    } else {
        "something else"
    };
    Err(rejected(RejectReason::NotAFile, format!("not a regular file, but {what}; give the film itself")))
}

/// Names the playlists, which make a reader open other files, and tells text from binary. The list of allowed formats is
/// the guard; this gives the reason a name.
pub(super) fn sniff(head: &[u8]) -> Head {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    let contains = |needle: &[u8]| text.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle));
    let starts = |needle: &[u8]| text.get(..needle.len()).is_some_and(|start| start.eq_ignore_ascii_case(needle));
    if starts(b"#EXTM3U") {
        Head::Playlist("hls")
    } else if starts(b"ffconcat") {
        Head::Playlist("concat")
    } else if starts(b"v=0\n") || starts(b"v=0\r") {
        Head::Playlist("sdp")
    } else if starts(b"<") && contains(b"<MPD") {
        Head::Playlist("dash")
    } else if starts(b"<") && contains(b"<SmoothStreamingMedia") {
        Head::Playlist("smooth streaming")
    } else if starts(b"[playlist]") {
        Head::Playlist("pls")
    } else if head.iter().all(|&byte| byte == 0) {
        Head::Zeros
    } else if looks_like_text(head) {
        Head::Text
    } else if is_photo(head) {
        Head::Photo
    } else if head.get(4..8).is_some_and(|kind| PIECES.contains(&kind)) {
        Head::Piece
    } else {
        Head::Other
    }
}

pub(super) fn looks_like_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        // A character cut by the end of the head is no fault.
        Err(error) => error.error_len().is_none(),
    };
    valid && !head.iter().any(|&byte| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b))
}
