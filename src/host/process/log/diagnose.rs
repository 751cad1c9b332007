//! Tells from what ffmpeg wrote, and from how it ended, why a job failed: in words a person understands, with the cause that
//! decides whether another try makes sense.
//!
//! Pure. Knows ffmpeg's messages (its English ones: jobs run under `LC_ALL=C.UTF-8`) and nothing of processes.

use crate::domain::job::{Exit, LogLevel};
use crate::engine::port::{Cause, Failure};

use crate::host::process::log::logread::Classified;

/// What a message stands for.
struct Pattern {
    /// Text of the message, lower case.
    text: &'static str,
    /// The message has to end with it: messages of the system stand last, after a file name, which may hold anything.
    last: bool,
    cause: Cause,
    /// The words; `{}` is the message itself, `'` its first quoted part, `@` the codec that it names, `~` the kind of damage.
    words: &'static str,
}

impl Pattern {
    fn found_in(&self, lower: &str) -> bool {
        if self.last { lower.ends_with(self.text) } else { lower.contains(self.text) }
    }
}

/// A message of ffmpeg, anywhere in the line.
const fn says(text: &'static str, cause: Cause, words: &'static str) -> Pattern {
    Pattern { text, last: false, cause, words }
}

/// A message of the system, at the end of the line.
const fn ends(text: &'static str, cause: Cause, words: &'static str) -> Pattern {
    Pattern { text, last: true, cause, words }
}

/// What is said of a picture that is too small for the encoder.
const TOO_SMALL: &str = "the picture is too small for the encoder of the preset; a preset with `codec: libx264` takes it";
/// What is said of a damaged input: `~` stands for the kind of damage.
const DAMAGED: &str = "the input is damaged: ~; another copy of it is needed";

/// ffmpeg drops packets then, and some versions end well all the same.
const QUEUE_IS_FULL: &str = "too many packets buffered for output stream";

/// The most telling first: ffmpeg follows the first cause with a tail of consequences.
const PATTERNS: &[Pattern] = &[
    // Later versions follow it with the words for a full disk.
    says(
        QUEUE_IS_FULL,
        Cause::Input,
        "nothing of a track could be decoded while hundreds of MB of the others waited for it: it begins too late, or is damaged; \
         a preset with `audio: none` and `subtitles: drop` leaves it out",
    ),
    ends(
        "no space left on device",
        Cause::Room,
        "disk full while writing the output; free some space or choose another folder with --out",
    ),
    ends(
        "disk quota exceeded",
        Cause::Room,
        "disk full: the quota was used up while writing the output; free some space or choose another folder with --out",
    ),
    ends("read-only file system", Cause::Host, "the output folder is on a read-only file system; choose another with --out"),
    ends("file too large", Cause::Input, "the output grew over the size limit of the file system or of `scratch_limit`; raise it"),
    ends("stale file handle", Cause::Host, "a network file system went away; mount it again, then retry"),
    ends("cannot allocate memory", Cause::Host, "ffmpeg was refused memory; a safer profile leaves it more"),
    says("error while loading shared libraries", Cause::Input, "this ffmpeg cannot run: {}; see plimsoll doctor"),
    says("unknown encoder", Cause::Input, "this ffmpeg has no encoder '; see plimsoll doctor"),
    says("encoder not found", Cause::Input, "this ffmpeg has no encoder for what the preset asks for; see plimsoll doctor"),
    says("unknown decoder", Cause::Input, "this ffmpeg has no decoder '; a newer one may have it"),
    says(
        "decoder (codec none)",
        Cause::Input,
        "a stream is of a kind that this ffmpeg does not know; a newer one may, or a preset leaves it out",
    ),
    says("decoder (codec", Cause::Input, "no decoder for @ in this ffmpeg; a newer one may have it"),
    says("decoder not found", Cause::Input, "this ffmpeg has no decoder for a stream of the input; a newer one may have it"),
    says("no decoder found", Cause::Input, "this ffmpeg has no decoder for a stream of the input; a newer one may have it"),
    says("no such filter", Cause::Input, "this ffmpeg has no filter '; see plimsoll doctor"),
    says(
        "unrecognized option",
        Cause::Input,
        "this ffmpeg does not know an option of the preset (\u{201c}'\u{201d}); take it out of `extra`, or use a newer ffmpeg",
    ),
    says(
        "option not found",
        Cause::Input,
        "this ffmpeg does not know an option of the preset; check `extra`, or use a newer ffmpeg",
    ),
    says("invalid preset", Cause::Input, "the encoder does not know the speed preset that is asked for; choose another"),
    says("error setting preset", Cause::Input, "the encoder does not know the speed preset that is asked for; choose another"),
    says(
        "exceeds specified max pixel count",
        Cause::Input,
        "a picture of the input is over the limit of 8192 x 4320; convert it to a smaller one first",
    ),
    says(
        "format not on whitelist",
        Cause::Input,
        "the input is in a container that is not supported; convert it to MKV or MP4 first",
    ),
    says("not on whitelist", Cause::Input, "the input names another file or address, which is not opened; give that file itself"),
    says("matches no streams", Cause::Input, "the input has no stream that the preset asks for; choose another preset"),
    says("does not contain any stream", Cause::Input, "the input has no stream that the preset can use; choose another preset"),
    says("not divisible by", Cause::Input, "the encoder does not take pictures of this size; choose another `height`"),
    // x265, its wrapper, and SVT-AV1.
    says("picture size must be at least one ctu", Cause::Input, TOO_SMALL),
    says("image size is too small", Cause::Input, TOO_SMALL),
    says("source width must be at least", Cause::Input, TOO_SMALL),
    says("source height must be at least", Cause::Input, TOO_SMALL),
    says(
        "could not find tag for codec",
        Cause::Input,
        "the codec @ cannot be put into this container; container: mkv holds it, or a codec instead of copy",
    ),
    says(
        "unknown timestamp",
        Cause::Input,
        "the copied stream has no time stamps, which this container needs; a codec instead of copy makes new ones",
    ),
    says(
        "timestamps are unset",
        Cause::Input,
        "the copied stream has no time stamps, which this container needs; a codec instead of copy makes new ones",
    ),
    says(
        "non monotonically increasing dts",
        Cause::Input,
        "the time stamps of the copied stream run backwards; a codec instead of copy makes new ones",
    ),
    says(
        "bitstream filter",
        Cause::Input,
        "the copied stream cannot be carried from its container into this one; a codec instead of copy makes it fit",
    ),
    says(
        "could not write header",
        Cause::Input,
        "this container cannot hold a stream as it is; container: mkv holds it, or a codec instead of copy",
    ),
    says(
        "moov atom not found",
        Cause::Input,
        "the index (moov) is missing: the file is cut off or was not finished; another copy of it is needed",
    ),
    says("file ended prematurely", Cause::Input, DAMAGED),
    says(": partial file", Cause::Input, DAMAGED),
    says("truncating packet", Cause::Input, DAMAGED),
    says("error while decoding", Cause::Input, DAMAGED),
    says("error submitting packet to decoder", Cause::Input, DAMAGED),
    says("invalid nal unit", Cause::Input, DAMAGED),
    says("error splitting the input into nal units", Cause::Input, DAMAGED),
    says("decode_slice_header error", Cause::Input, DAMAGED),
    says("corrupt decoded frame", Cause::Input, DAMAGED),
    says("corrupt input packet", Cause::Input, DAMAGED),
    says("packet corrupt", Cause::Input, DAMAGED),
    says("could not find codec parameters", Cause::Input, DAMAGED),
    says("unspecified size", Cause::Input, DAMAGED),
    says("unspecified pixel format", Cause::Input, DAMAGED),
    ends("permission denied", Cause::Host, "permission denied: {}; check the rights of the file and its folder"),
    ends("operation not permitted", Cause::Host, "not permitted: {}; check the rights of the file and its folder"),
    ends("no such file or directory", Cause::Host, "a file or folder has gone: {}; put it back, then retry"),
    says(
        "error writing trailer",
        Cause::Host,
        "the end of the output could not be written; check the disk of the output folder, then retry",
    ),
    says(
        "av_interleaved_write_frame",
        Cause::Host,
        "the output could not be written; check the disk of the output folder, then retry",
    ),
    says("error muxing a packet", Cause::Host, "the output could not be written; check the disk of the output folder, then retry"),
    ends("too many open files", Cause::Host, "ffmpeg was refused a file descriptor; raise the limit (ulimit -n), then retry"),
    ends(
        "resource temporarily unavailable",
        Cause::Host,
        "ffmpeg was refused a thread or another resource; raise the limit (ulimit -u), then retry",
    ),
    says(
        "maybe incorrect parameters",
        Cause::Input,
        "the encoder does not take what the preset asks for with this input; check the preset, or choose another",
    ),
    says(
        "error initializing output stream",
        Cause::Input,
        "the encoder does not take what the preset asks for with this input; check the preset, or choose another",
    ),
    says(
        "error while opening encoder",
        Cause::Input,
        "the encoder does not take what the preset asks for with this input; check the preset, or choose another",
    ),
    says(
        "error while opening decoder",
        Cause::Input,
        "the decoder refuses the input: its description of itself is damaged; another copy of it is needed",
    ),
    says(
        "error reinitializing filters",
        Cause::Input,
        "a picture or sound on the way is of a kind that cannot be converted; another copy of it is needed",
    ),
    says(
        "failed to inject frame",
        Cause::Input,
        "a picture or sound on the way is of a kind that cannot be converted; another copy of it is needed",
    ),
    says("error marking filters as finished", Cause::Input, "nothing of the input could be decoded; another copy of it is needed"),
    ends("invalid data found when processing input", Cause::Input, DAMAGED),
    ends("end of file", Cause::Input, DAMAGED),
];

/// Complaints that tell nothing of the picture or the sound, lower case.
const HARMLESS: &[&str] = &[
    "is not implemented",
    "upload a sample",
    "non monotonically increasing dts",
    "deprecated pixel format",
    "estimating duration from bitrate",
    "timestamps are unset",
    "unable to decode app fields",
    "could not update timestamps",
    "invalid dropping",
];

/// A complaint that says nothing of what the output holds.
pub fn is_harmless(message: &str) -> bool {
    let lower = message.to_ascii_lowercase();
    HARMLESS.iter().any(|text| lower.contains(text))
}

/// A warning that tells of damage as an error does.
pub fn tells_of_damage(message: &str) -> bool {
    let lower = message.to_ascii_lowercase();
    ["packet corrupt", "corrupt input packet", "corrupt decoded frame", "pes packet size mismatch", "file ended prematurely"]
        .iter()
        .any(|text| lower.contains(text))
}

/// A complaint of a decoder or a demuxer in words a person understands.
pub fn damage_words(message: &str) -> String {
    const WORDS: &[(&[&str], &str)] = &[
        (&["file ended prematurely", "partial file", "truncating packet", "end of file"], "the file ends too early"),
        (&["exceeds specified max pixel count", "picture size"], "pictures are over the limit of 8192 x 4320"),
        (&["packet corrupt", "corrupt input packet", "pes packet size", "continuity"], "packets are missing or broken"),
        (
            &["non-existing pps", "non-existing sps", "no frame", "missing reference", "could not find ref", "mmco", "first slice"],
            "pictures refer to others that are missing: it begins or was cut within a group of pictures",
        ),
        (
            &["header missing", "invalid frame", "buffer exhausted", "channel element", "skipping frame"],
            "blocks of sound are broken",
        ),
    ];
    let lower = message.to_ascii_lowercase();
    let known = WORDS.iter().find(|(texts, _)| texts.iter().any(|text| lower.contains(text)));
    known.map_or_else(|| "parts of the picture or the sound could not be decoded".to_owned(), |(_, words)| (*words).to_owned())
}

/// A message that is telling, and its place in [`PATTERNS`] (lower is better).
#[derive(Debug, Clone)]
struct Finding {
    rank: usize,
    failure: Failure,
}

/// What is known of a job's end so far. Feed it every line; it keeps only the most telling ones.
#[derive(Debug, Default)]
pub struct Diagnosis {
    error: Option<Finding>,
    fatal: Option<Finding>,
    lesser: Option<Finding>,
    last_error: String,
    last_line: String,
    lesser_seen: u32,
}

/// Lines below an error that are searched for a cause; a flood of them is not worth the time.
const LESSER_LINES: u32 = 1000;

impl Diagnosis {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a line into account.
    pub fn observe(&mut self, line: &Classified<'_>) {
        if line.message.is_empty() {
            return;
        }
        if line.level == LogLevel::Error {
            if self.last_error == line.message {
                return;
            }
            replace(&mut self.last_error, line.message);
            better(&mut self.error, line.message);
            if !line.message.starts_with("Error while decoding stream") {
                self.note_fatal(line.message);
            }
        } else {
            replace(&mut self.last_line, line.message);
            if self.lesser_seen < LESSER_LINES {
                self.lesser_seen += 1;
                better(&mut self.lesser, line.message);
            }
        }
    }

    /// Why the job failed. With exit code 0 only faults of the host count: ffmpeg returns 0 for a full disk and a read error
    /// too. What it could not decode is damage of the input, which is judged with the output.
    pub fn failure(&self, exit: Exit) -> Option<Failure> {
        match exit {
            Exit::Code(0) => self.fatal.as_ref().map(|finding| finding.failure.clone()),
            Exit::Code(code) => {
                let said = self.said().or_else(|| self.lesser.as_ref().map(|f| f.failure.clone()));
                Some(said.unwrap_or_else(|| match (code, self.last_line.as_str()) {
                    // ffmpeg's answer to SIGINT and SIGTERM.
                    (255, "") => unknown("ffmpeg was told to end by a signal (exit code 255)"),
                    (code, "") => unknown(&format!(
                        "ffmpeg gave up without a word (exit code {code}); try again, or another copy of the input"
                    )),
                    (_, line) => unknown(&gave_up(line)),
                }))
            }
            Exit::Signal(signal) => Some(self.signalled(signal)),
        }
    }

    /// What makes the output worthless whatever the exit code is: a fault of the host, packets that were dropped.
    fn note_fatal(&mut self, message: &str) {
        let limit = self.fatal.as_ref().map_or(PATTERNS.len(), |found| found.rank);
        let is_fatal = |found: &Finding| {
            matches!(found.failure.cause, Cause::Host | Cause::Room) || message.to_ascii_lowercase().contains(QUEUE_IS_FULL)
        };
        if let Some(found) = find(message, limit).filter(is_fatal) {
            self.fatal = Some(found);
        }
    }

    fn said(&self) -> Option<Failure> {
        let telling = self.error.as_ref().map(|f| f.failure.clone());
        telling.or_else(|| (!self.last_error.is_empty()).then(|| unknown(&gave_up(&self.last_error))))
    }

    fn signalled(&self, signal: i32) -> Failure {
        let name = signal_name(signal);
        match signal {
            libc::SIGXFSZ => Failure { cause: Cause::Input, reason: format!("the output grew over its size limit ({name})") },
            libc::SIGXCPU => Failure { cause: Cause::Host, reason: format!("ffmpeg used up its processor time ({name})") },
            libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE | libc::SIGABRT | libc::SIGTRAP | libc::SIGSYS => {
                unknown(&match self.last_error.as_str() {
                    "" => format!("ffmpeg crashed ({name})"),
                    line => format!("ffmpeg crashed ({name}); before that: {line}"),
                })
            }
            _ => unknown(&format!("ffmpeg was killed by {name}")),
        }
    }
}

/// The name of a signal, `SIGKILL`; `signal 40` where it has none.
pub fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGSYS => "SIGSYS",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}

fn unknown(reason: &str) -> Failure {
    Failure { cause: Cause::Unknown, reason: reason.to_owned() }
}

/// The words for a message that is not known: it is quoted, since it is not ours.
fn gave_up(line: &str) -> String {
    format!(
        "ffmpeg gave up (\u{201c}{line}\u{201d}); the job's whole log tells more, and another copy of the input or another preset may do"
    )
}

fn replace(kept: &mut String, text: &str) {
    kept.clear();
    kept.push_str(text);
}

fn better(best: &mut Option<Finding>, message: &str) {
    let limit = best.as_ref().map_or(PATTERNS.len() + 1, |found| found.rank);
    if limit > 0
        && let Some(found) = find(message, limit)
    {
        *best = Some(found);
    }
}

fn find(message: &str, limit: usize) -> Option<Finding> {
    let lower = message.to_ascii_lowercase();
    // Which side an I/O error is on is told by what ffmpeg was doing, not by a fixed text.
    let lower = lower.trim_end_matches(['.', ' ']);
    if lower.ends_with("input/output error") {
        let writing =
            ["error writing", "write_frame", "write_trailer", "error closing", "error muxing", "submitting a packet to the muxer"];
        let writing = writing.iter().any(|word| lower.contains(word));
        let words = if writing { "I/O error while writing the output" } else { "I/O error while reading the input" };
        return Some(Finding { rank: 0, failure: Failure { cause: Cause::Host, reason: format!("{words}: {message}") } });
    }
    let (rank, pattern) = PATTERNS.iter().take(limit).enumerate().find(|(_, pattern)| pattern.found_in(lower))?;
    let quoted = message.split('\'').nth(1).unwrap_or("that the preset asks for");
    let codec = lower.split("codec ").nth(1).and_then(|rest| rest.split([' ', ')', ',']).next()).unwrap_or("of the input");
    let reason =
        pattern.words.replace('\'', quoted).replace('@', codec).replace('~', &damage_words(message)).replace("{}", message);
    Some(Finding { rank, failure: Failure { cause: pattern.cause, reason } })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(lines: &[&str], exit: Exit) -> Option<Failure> {
        let mut diagnosis = Diagnosis::new();
        for line in lines {
            diagnosis.observe(&Classified::of(line));
        }
        diagnosis.failure(exit)
    }

    fn reason(lines: &[&str], code: i32) -> (Cause, String) {
        let failure = of(lines, Exit::Code(code)).expect("a failure");
        (failure.cause, failure.reason)
    }

    #[test]
    fn a_full_disk_is_named_above_its_consequences() {
        let lines = [
            "[error] av_interleaved_write_frame(): No space left on device",
            "[error] Error writing trailer of /out/x: Invalid argument",
            "Conversion failed!",
        ];
        assert_eq!(
            reason(&lines, 1),
            (Cause::Room, "disk full while writing the output; free some space or choose another folder with --out".into())
        );
    }

    #[test]
    fn a_track_that_never_comes_is_no_full_disk_and_no_success() {
        let lines = [
            "[out#0/mp4 @ 0x5] [error] Too many packets buffered for output stream 0:0.",
            "[vost#0:0/libx264 @ 0x5] [error] Error submitting a packet to the muxer: No space left on device",
        ];
        for code in [0, 1] {
            let (cause, words) = reason(&lines, code);
            assert_eq!(cause, Cause::Input);
            assert!(words.contains("begins too late") && words.contains("audio: none"), "{words}");
        }
        assert_eq!(reason(&lines[..1], 0), reason(&lines, 1));
    }

    #[test]
    fn a_picture_that_is_too_small_is_told_with_an_encoder_that_takes_it() {
        for line in [
            "[libx265 @ 0x5] [error] Image size is too small (10x10).",
            "x265 [error]: Picture size must be at least one CTU",
            "Svt[error]: Instance 1: Source Width must be at least 64",
        ] {
            let tail = "[error] Error initializing output stream 0:0 -- Error while opening encoder for output stream #0:0 - maybe \
                        incorrect parameters such as bit_rate, rate, width or height";
            let (cause, words) = reason(&[line, tail], 1);
            assert_eq!(cause, Cause::Input);
            assert!(words.starts_with("the picture is too small") && words.contains("libx264"), "{words}");
        }
    }

    #[test]
    fn a_damaged_input_is_named_by_its_most_telling_line() {
        let lines = [
            "[mov,mp4,m4a,3gp,3g2,mj2 @ 0x55e63e934900] [error] moov atom not found",
            "[error] t.mp4: Invalid data found when processing input",
        ];
        let (cause, words) = reason(&lines, 1);
        assert_eq!(cause, Cause::Input);
        assert!(words.starts_with("the index (moov) is missing"), "{words}");
    }

    #[test]
    fn a_missing_encoder_is_named_and_not_retried() {
        let said = reason(&["[fatal] Unknown encoder 'libx265'"], 1);
        assert_eq!(said, (Cause::Input, "this ffmpeg has no encoder libx265; see plimsoll doctor".into()));
    }

    #[test]
    fn an_io_error_names_its_side() {
        let (cause, reading) = reason(&["[error] file:/in.mp4: Input/output error"], 1);
        assert_eq!(cause, Cause::Host);
        assert!(reading.starts_with("I/O error while reading the input"), "{reading}");
        let (_, writing) = reason(&["[error] Error writing trailer of file:/out.mp4: Input/output error"], 1);
        assert!(writing.starts_with("I/O error while writing the output"), "{writing}");
    }

    #[test]
    fn a_file_name_cannot_pose_as_a_cause() {
        let (cause, _) = reason(&["[error] /v/No space left on device.mp4: Invalid data found when processing input"], 1);
        assert_eq!(cause, Cause::Input);
        let (cause, _) = reason(&["[error] /v/truncated.mp4: Permission denied"], 1);
        assert_eq!(cause, Cause::Host);
    }

    #[test]
    fn exit_code_zero_is_well_unless_the_host_failed() {
        assert_eq!(of(&["[warning] odd: Invalid data found when processing input"], Exit::Code(0)), None);
        assert_eq!(of(&["[matroska,webm @ 0x5] [error] File ended prematurely at pos. 1 (0x1)"], Exit::Code(0)), None);
        assert_eq!(of(&["[error] Error while decoding stream #0:1: Input/output error"], Exit::Code(0)), None);
        for line in [
            "[error] file:/in.mp4: Input/output error",
            "[error] Error writing trailer of file:/out: Invalid argument",
            "[error] av_interleaved_write_frame(): No space left on device",
        ] {
            let (cause, reason) = reason(&[line], 0);
            assert!(matches!(cause, Cause::Host | Cause::Room), "{reason}");
        }
    }

    #[test]
    fn damage_is_told_without_ffmpegs_own_words() {
        for (line, words) in [
            ("File ended prematurely at pos. 1 (0x1)", "the file ends too early"),
            ("Packet corrupt (stream = 0, dts = 900).", "packets are missing or broken"),
            ("cabac decode of qscale diff failed at 3 4", "parts of the picture or the sound could not be decoded"),
        ] {
            assert_eq!(damage_words(line), words);
        }
        assert!(is_harmless("Late SEI is not implemented. Update your FFmpeg version"));
    }

    #[test]
    fn the_last_error_stands_where_none_is_known_and_silence_is_called_silence() {
        let (cause, words) = reason(&["[error] first", "[error] something odd"], 1);
        assert_eq!(cause, Cause::Unknown);
        assert!(words.starts_with("ffmpeg gave up (\u{201c}something odd\u{201d})"), "{words}");
        let (_, words) = reason(&["usage: x"], 2);
        assert!(words.starts_with("ffmpeg gave up (\u{201c}usage: x\u{201d})"), "{words}");
        let (_, words) = reason(&[], 1);
        assert_eq!(words, "ffmpeg gave up without a word (exit code 1); try again, or another copy of the input");
    }

    #[test]
    fn signals_are_named() {
        let by = |signal| of(&[], Exit::Signal(signal)).expect("a failure").reason;
        assert_eq!(by(libc::SIGKILL), "ffmpeg was killed by SIGKILL");
        assert_eq!(by(libc::SIGSEGV), "ffmpeg crashed (SIGSEGV)");
        assert_eq!(by(libc::SIGXFSZ), "the output grew over its size limit (SIGXFSZ)");
        assert_eq!(by(40), "ffmpeg was killed by signal 40");
    }

    proptest! {
        #[test]
        fn no_line_can_break_it(lines in proptest::collection::vec("\\PC{0,80}|\\[error\\] ['{}a-z ]{0,30}", 0..20), code in -1_i32..300) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let failure = of(&lines, Exit::Code(code));
            prop_assert!(code == 0 || failure.is_some_and(|f| !f.reason.is_empty()));
        }
    }
}
