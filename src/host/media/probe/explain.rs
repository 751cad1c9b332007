//! Why ffprobe could not read a file, in words a person understands.

use crate::domain::job::{RejectReason, Rejected};
use crate::domain::text::sanitise;
use crate::host::media::arguments::MAX_PIXELS;
use crate::host::media::probe::look::Head;
use crate::host::media::probe::{ADDRESS_SPACE, rejected};

pub(super) fn frame_too_large(frame: &str) -> Rejected {
    rejected(
        RejectReason::FrameTooLarge,
        format!("frame {frame} is over the limit of {MAX_PIXELS} pixels (8192x4320); convert it to a smaller one first"),
    )
}

/// The size of a frame that ffmpeg's own limit refused.
pub(super) fn oversized_frame(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("exceeds specified max pixel count"))?;
    let size = line.split("Picture size ").nth(1)?.split(' ').next()?;
    let (width, height) = size.split_once('x')?;
    Some(format!("{}×{}", width.parse::<u64>().ok()?, height.parse::<u64>().ok()?))
}

/// Why ffprobe would not read the file, in words.
pub(super) fn explain(log: &str, head: Head) -> Rejected {
    let has = |text: &str| log.contains(text);
    let unknown = |rest: &str| {
        let text =
            format!("not a video: no known container format found{rest}; if it plays elsewhere, convert it to MKV or MP4 first");
        rejected(RejectReason::NotAVideo, text)
    };
    if has("Format not on whitelist") {
        // `[gif @ 0x55b4] [error] Format not on whitelist …`
        let line = log.lines().find(|line| line.contains("Format not on whitelist")).unwrap_or_default();
        let name = line.strip_prefix('[').and_then(|line| line.split([' ', ',']).next()).unwrap_or("unknown");
        if head == Head::Text && matches!(name, "tty" | "srt" | "webvtt" | "ass" | "subviewer" | "microdvd" | "lrc") {
            return unknown(" (the file starts with plain text)");
        }
        let text = format!("not a supported container ({}); convert it to MKV or MP4 first", sanitise(name.as_bytes()));
        return rejected(RejectReason::UnsupportedContainer, text);
    }
    if head == Head::Piece {
        let text = "a piece of a stream (HLS, DASH) without its beginning, which lies in another file (the initialisation segment); \
                    join that one and all pieces, in their order, and give the file that they make";
        return rejected(RejectReason::NotAVideo, text);
    }
    if has("moov atom not found") && head == Head::Photo {
        // Its boxes are those of a film, and there is no index since there is no film.
        return rejected(RejectReason::NotAVideo, "a picture, not a film; remove it from the list");
    }
    // ffmpeg guesses by the name when the content tells nothing, and then complains of what that format lacks.
    let guessed = has("detected only with low score");
    if has("moov atom not found") && !guessed {
        let text = "the index (moov) is missing: the file is cut off or was not finished; another copy of it is needed";
        return rejected(RejectReason::Unreadable, text);
    }
    if has("Cannot allocate memory") {
        let text = format!(
            "it needs more than {} to be opened, which no film does: it is damaged or made to harm; remove it",
            ADDRESS_SPACE.whole()
        );
        return rejected(RejectReason::Unreadable, text);
    }
    if has("Input/output error") {
        // Some demuxers say so of a file that ends within its header; what was read of it by ourselves was read well.
        let text =
            "cannot be read (input/output error): it is cut off, or its disk fails; check the disk, or try another copy of it";
        return rejected(RejectReason::Unreadable, text);
    }
    if has("Permission denied") || has("No such file") {
        return rejected(RejectReason::Unreadable, format!("cannot be read: {}; check the file and its disk", last_complaint(log)));
    }
    if guessed || has("Invalid data found") || has("Failed to find two consecutive MPEG audio frames") {
        return match head {
            Head::Text => unknown(" (the file starts with plain text)"),
            Head::Zeros => unknown(" (the file starts with zeros: it was perhaps never written)"),
            _ => unknown(""),
        };
    }
    rejected(
        RejectReason::Unreadable,
        format!(
            "cannot be read as media (\u{201c}{}\u{201d}): it is damaged, or of a kind that this ffmpeg does not know; try another copy",
            last_complaint(log)
        ),
    )
}

/// The last error of the log, without the addresses and the path before it.
pub(super) fn last_complaint(log: &str) -> String {
    let line = log.lines().rev().find(|line| line.contains("[error]") || line.contains("[fatal]"));
    let Some(line) = line else { return "ffprobe gave no reason".to_owned() };
    let text = line.rsplit("[error] ").next().unwrap_or(line);
    let text = if text.starts_with("file:") { text.rsplit(": ").next().unwrap_or(text) } else { text };
    sanitise(text.trim().as_bytes())
}
