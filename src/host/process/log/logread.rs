//! Reads a process's stderr: cuts it into lines, makes them safe to show, and tells how much each matters.
//!
//! Pure and incremental, and bounded: whatever comes in, at most [`MAX_LINE_BYTES`] of a line are kept and the rest is
//! counted. It must not know where lines go.

use std::fmt::Write as _;

use crate::domain::job::LogLevel;
use crate::domain::text::{MAX_LINE_BYTES, sanitise};

/// Cuts bytes into sanitised lines. A line ends at `\n` or `\r`. Lines that end in a lone `\r` are rewritten in place on a
/// terminal (progress), so only the last of a row of them comes out; warnings and errors always come out.
#[derive(Debug, Default)]
pub struct LineSplitter {
    /// One byte more than is shown, so that the cut can be made between two characters.
    line: Vec<u8>,
    /// Bytes of the line, kept or not.
    length: usize,
    /// A line that ended in `\r`, until it is known whether `\n` or another text follows.
    held: Option<String>,
}

impl LineSplitter {
    /// A splitter at the start of a line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes and calls `each` for every line that they end. Empty lines are left out.
    pub fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(&str)) {
        while let Some(at) = bytes.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            self.take_in(&bytes[..at]);
            let returned = bytes[at] == b'\r';
            bytes = &bytes[at + 1..];
            if self.length > 0 {
                self.drop_held(&mut each);
                let text = self.take_line();
                if returned {
                    self.held = Some(text);
                } else {
                    each(&text);
                }
            } else if !returned && let Some(held) = self.held.take() {
                each(&held);
            }
        }
        self.take_in(bytes);
    }

    /// The stream has ended: what is left comes out as the last line.
    pub fn finish(&mut self, mut each: impl FnMut(&str)) {
        if self.length > 0 {
            self.drop_held(&mut each);
            let text = self.take_line();
            each(&text);
        } else if let Some(held) = self.held.take() {
            each(&held);
        }
    }

    /// The held line is overwritten by the next one, unless it matters: foreign text must not be able to hide an error.
    fn drop_held(&mut self, each: &mut impl FnMut(&str)) {
        if let Some(held) = self.held.take()
            && Classified::of(&held).level >= LogLevel::Warning
        {
            each(&held);
        }
    }

    fn take_in(&mut self, bytes: &[u8]) {
        let room = (MAX_LINE_BYTES + 1).saturating_sub(self.line.len());
        self.line.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.length = self.length.saturating_add(bytes.len());
    }

    fn take_line(&mut self) -> String {
        let mut cut = self.line.len();
        if self.length > MAX_LINE_BYTES {
            cut = MAX_LINE_BYTES;
            while cut > MAX_LINE_BYTES - 4 && self.line[cut] & 0xC0 == 0x80 {
                cut -= 1;
            }
        }
        let mut text = sanitise(&self.line[..cut]);
        if self.length > cut {
            let _ = write!(text, " … (+{} bytes)", self.length - cut);
        }
        self.line.clear();
        self.length = 0;
        text
    }
}

/// A line taken apart: `[h264 @ 0x55e6] [error] no frame!` is an error of `h264` that says `no frame!`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Classified<'a> {
    /// How much it matters. Lines without a level are [`LogLevel::Info`].
    pub level: LogLevel,
    /// The parts of ffmpeg that speak, outermost first.
    pub contexts: Vec<&'a str>,
    /// What they say.
    pub message: &'a str,
    /// ffmpeg's account of what it does (levels info and below): not for people.
    pub is_quiet: bool,
}

impl<'a> Classified<'a> {
    /// Takes a line apart that was written under `-loglevel level+…`.
    pub fn of(line: &'a str) -> Self {
        let mut contexts = Vec::new();
        let mut rest = line.trim_end();
        while let Some((tag, after)) = bracketed(rest) {
            if let Some(level) = level(tag) {
                return Self::said(level, contexts, after);
            }
            let Some((name, _)) = tag.split_once(" @ 0x") else { break };
            contexts.push(name);
            rest = after;
        }
        // These write by themselves where ffmpeg has not given them its logger yet.
        for encoder in ["x264", "x265", "Svt"] {
            if let Some((tag, after)) = rest.strip_prefix(encoder).map(|r| r.strip_prefix(' ').unwrap_or(r)).and_then(bracketed)
                && let (Some(level), Some(message)) = (level(tag), after.strip_prefix(':'))
            {
                contexts.push(&rest[..encoder.len()]);
                return Self::said(level, contexts, message.trim_start());
            }
        }
        Self { level: LogLevel::Info, contexts, message: rest, is_quiet: false }
    }

    fn said(level: LogLevel, contexts: Vec<&'a str>, message: &'a str) -> Self {
        if level == LogLevel::Warning && is_no_news(contexts.last().copied().unwrap_or_default(), message) {
            return Self { level: LogLevel::Info, contexts, message, is_quiet: false };
        }
        // Said of every picture of another size, where the filters are made for that.
        if level == LogLevel::Warning && message.starts_with("Changing video frame properties on the fly") {
            return Self { level: LogLevel::Info, contexts, message, is_quiet: true };
        }
        Self { level, contexts, message, is_quiet: level == LogLevel::Info }
    }

    /// The line as people are shown it: without the level, which has a column of its own, and without addresses, which
    /// differ from thread to thread.
    pub fn shown(&self, out: &mut String) {
        for context in &self.contexts {
            let _ = write!(out, "[{context}] ");
        }
        out.push_str(self.message);
    }
}

/// Warnings that tell nobody anything: they are about the name of the part file, which is not the output's, or about what
/// plimsoll asks for on purpose. They stay in the job's log and are no warnings. Each with who says it (empty = ffmpeg
/// itself) and how it begins; errors are never among them.
const NO_NEWS: [(&str, &str); 9] = [
    // The part ends in .part and is renamed afterwards; the format is given by -f.
    ("ipod", "Warning, extension is not .m4a nor .m4v"),
    ("image2", "The specified filename "),
    ("image2", "Use a pattern such as "),
    // A JPEG takes the pixel formats of the full range, which later versions call by another name. The range is set.
    ("swscaler", "deprecated pixel format used, make sure you did set range correctly"),
    // One or two channels can only be these.
    ("", "Guessed Channel Layout for Input Stream "),
    // Pictures keep their moment to the millisecond, which needs a fine clock in the file.
    ("mov", "WARNING codec timebase is very high."),
    // The preset leaves it to the encoder, which says what it takes.
    ("libvpx-vp9", "Neither bitrate nor constrained quality specified, using default CRF of "),
    ("libopus", "No bit rate set. Defaulting to "),
    ("x265", "Source height < 720p; disabling lookahead-slices"),
];

fn is_no_news(context: &str, message: &str) -> bool {
    // More channels than two have several layouts; that one of them was guessed is worth a warning.
    let is_guess =
        message.starts_with("Guessed Channel Layout") && ![" : mono", " : stereo"].iter().any(|end| message.ends_with(end));
    !is_guess && NO_NEWS.iter().any(|(by, beginning)| *by == context && message.starts_with(beginning))
}

fn bracketed(text: &str) -> Option<(&str, &str)> {
    let (tag, after) = text.strip_prefix('[')?.split_once(']')?;
    Some((tag, after.strip_prefix(' ').unwrap_or(after)))
}

fn level(tag: &str) -> Option<LogLevel> {
    match tag {
        "panic" | "fatal" | "error" => Some(LogLevel::Error),
        "warning" => Some(LogLevel::Warning),
        "info" | "verbose" | "debug" | "trace" => Some(LogLevel::Info),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(bytes: &[u8], chunk: usize) -> Vec<String> {
        let mut out = Vec::new();
        let mut splitter = LineSplitter::new();
        for part in bytes.chunks(chunk) {
            splitter.feed(part, |line| out.push(line.to_owned()));
        }
        splitter.finish(|line| out.push(line.to_owned()));
        out
    }

    #[test]
    fn progress_that_rewrites_its_line_leaves_only_its_last_state() {
        assert_eq!(lines(b"frame=1\rframe=2\rframe=3\ndone\r\nlast", 64), ["frame=3", "done", "last"]);
        assert_eq!(lines(b"frame=1\rframe=2\r", 64), ["frame=2"]);
    }

    #[test]
    fn an_error_cannot_be_hidden_by_a_carriage_return_in_foreign_text() {
        assert_eq!(lines(b"[error] in.mp4: bad\rall is well\n", 64), ["[error] in.mp4: bad", "all is well"]);
    }

    #[test]
    fn lines_come_out_sanitised() {
        assert_eq!(lines(b"a\x1b[2Jb\xff\n", 64), ["a␛[2Jb\\xFF"]);
    }

    #[test]
    fn a_line_of_a_hundred_megabytes_is_cut_and_counted_and_not_kept() {
        let mut splitter = LineSplitter::new();
        let block = vec![b'x'; 1 << 20];
        for _ in 0..100 {
            splitter.feed(&block, |_| panic!("no line has ended"));
            assert!(splitter.line.capacity() < 64 << 10, "{}", splitter.line.capacity());
        }
        let mut out = Vec::new();
        splitter.feed(b"\nnext\n", |line| out.push(line.to_owned()));
        assert_eq!(out.len(), 2);
        assert!(out[0].ends_with(&format!("x … (+{} bytes)", (100 << 20) - MAX_LINE_BYTES)), "{}", &out[0][4090..]);
        assert_eq!(out[1], "next");
    }

    #[test]
    fn levels_and_speakers_are_told_apart_from_the_message() {
        let cases = [
            ("[fatal] Unknown encoder 'x'", LogLevel::Error, "Unknown encoder 'x'"),
            ("[mov,mp4 @ 0x55e63e934900] [error] moov atom not found", LogLevel::Error, "[mov,mp4] moov atom not found"),
            ("[h264 @ 0x1] [IMGUTILS @ 0x2] [warning] odd", LogLevel::Warning, "[h264] [IMGUTILS] odd"),
            ("x264 [error]: invalid preset 'foo'", LogLevel::Error, "[x264] invalid preset 'foo'"),
            (
                "Svt[error]: Instance 1: Source Width must be at least 64",
                LogLevel::Error,
                "[Svt] Instance 1: Source Width must be at least 64",
            ),
            ("Svt[info]: Number of logical cores available: 2", LogLevel::Info, "[Svt] Number of logical cores available: 2"),
            ("To ignore this, add a trailing '?'", LogLevel::Info, "To ignore this, add a trailing '?'"),
            ("[title] [error] mine", LogLevel::Info, "[title] [error] mine"),
            ("[", LogLevel::Info, "["),
            ("[error]", LogLevel::Error, ""),
        ];
        for (line, level, shown) in cases {
            let classified = Classified::of(line);
            let mut text = String::new();
            classified.shown(&mut text);
            assert_eq!((classified.level, text.as_str()), (level, shown), "{line}");
        }
    }

    #[test]
    fn warnings_about_the_parts_name_and_what_was_asked_for_are_none() {
        let level = |line: &str| Classified::of(line).level;
        for line in [
            "[ipod @ 0x1] [warning] Warning, extension is not .m4a nor .m4v Quicktime/Ipod might not play the file",
            "[image2 @ 0x1] [warning] The specified filename '3.part' does not contain an image sequence pattern or a pattern is invalid.",
            "[swscaler @ 0x1] [swscaler @ 0x2] [warning] deprecated pixel format used, make sure you did set range correctly",
            "[warning] Guessed Channel Layout for Input Stream #0.0 : mono",
            "x265 [warning]: Source height < 720p; disabling lookahead-slices",
        ] {
            assert_eq!((level(line), Classified::of(line).is_quiet), (LogLevel::Info, false), "{line}");
        }
        let every_frame = "[graph 0 input from stream 0:0 @ 0x1] [warning] Changing video frame properties on the fly is not supported by all filters.";
        assert!(Classified::of(every_frame).is_quiet, "one for each picture");
        for line in [
            // Somebody else's, an error, a guess that may be wrong, and one that is not known.
            ("[h264 @ 0x1] [warning] Warning, extension is not .m4a nor .m4v", LogLevel::Warning),
            ("[image2 @ 0x1] [error] The specified filename '3.part' does not exist", LogLevel::Error),
            ("[warning] Guessed Channel Layout for Input Stream #0.0 : 5.1", LogLevel::Warning),
            ("[ipod @ 0x1] [warning] Starting new cluster", LogLevel::Warning),
        ] {
            assert_eq!(level(line.0), line.1, "{}", line.0);
        }
    }

    proptest! {
        #[test]
        fn how_bytes_arrive_does_not_change_the_lines(
            bytes in proptest::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(b'\n'), 1 => Just(b'\r'), 2 => Just(b'[')], 0..600),
            chunk in 1_usize..64,
        ) {
            let whole = lines(&bytes, usize::MAX);
            prop_assert_eq!(&whole, &lines(&bytes, chunk));
            for line in &whole {
                let _ = Classified::of(line);
                prop_assert!(!line.chars().any(char::is_control));
            }
        }

        #[test]
        fn a_long_line_is_cut_as_the_sanitiser_would(
            filler in 4080_usize..4100,
            tail in "\\PC{0,40}",
        ) {
            let line = format!("{}{tail}", "x".repeat(filler));
            let read = lines(line.as_bytes(), 1000);
            prop_assert_eq!(&read[0], &sanitise(line.as_bytes()));
        }
    }
}
