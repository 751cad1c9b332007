//! Reads ffmpeg's own account of its work from its log: sizes of pictures on the way, what could not be decoded, and the
//! closing lines that count packets.
//!
//! Pure. Knows the lines of `-loglevel level+verbose` and nothing of processes. Lines of other levels cannot pose as these:
//! foreign text in the log always stands behind a level and a beginning of its own.

use crate::domain::account::{Account, StreamKind, StreamRead, StreamWritten};
use crate::domain::job::LogLevel;

use crate::host::process::log::diagnose;
use crate::host::process::log::logread::Classified;

/// Streams that are kept count of; files with more are not made by anybody in earnest.
const MOST_STREAMS: usize = 256;

/// Streams that come up on the way and are told; a recording whose channel changes brings new ones again and again.
const MOST_LATE: usize = 16;

/// A picture as it comes out of the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arriving {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Shape of a pixel; 0 by 1 where it is not told.
    pub pixel_shape: (u32, u32),
    /// It was turned already, if it is to be.
    pub is_upright: bool,
}

impl Arriving {
    /// How large it is shown.
    fn area(&self) -> f64 {
        let (across, down) = self.pixel_shape;
        let shape = if across > 0 && down > 0 { f64::from(across) / f64::from(down) } else { 1.0 };
        f64::from(self.width) * f64::from(self.height) * shape
    }
}

/// The account of one process. Feed it every line.
#[derive(Debug, Default)]
pub struct Tally {
    account: Account,
    arriving: Option<Arriving>,
    /// The line before told of something that could not be decoded.
    was_undecoded: bool,
    /// The stream that such a line was about; `None` where it did not tell.
    undecoded_stream: Option<u32>,
}

impl Tally {
    /// Takes a line into account.
    pub fn observe(&mut self, line: &Classified<'_>) {
        // ffmpeg writes a line that it would repeat only once, and then how often.
        let again = line.message.trim_start().strip_prefix("Last message repeated ").and_then(|rest| rest.split(' ').next());
        if let Some(times) = again.and_then(|times| times.parse::<u64>().ok()) {
            if self.was_undecoded {
                self.add_undecoded(times);
            }
            return;
        }
        self.was_undecoded = false;
        if line.level == LogLevel::Error || line.level == LogLevel::Warning {
            self.complaint(line);
        } else if line.is_quiet {
            self.quiet(line);
        }
    }

    /// The size of the pictures that come out of the decoder, where it has changed since the last call; of several the largest.
    pub const fn arriving(&mut self) -> Option<Arriving> {
        self.arriving.take()
    }

    /// All that is known.
    pub fn into_account(self) -> Account {
        self.account
    }

    fn complaint(&mut self, line: &Classified<'_>) {
        let text = line.message;
        if text.starts_with("Error while decoding stream") || text.starts_with("Error submitting packet to decoder") {
            (self.was_undecoded, self.undecoded_stream) = (true, stream_of(line));
            self.add_undecoded(1);
        }
        // `New audio stream 0:1 at pos:25272334 and DTS:100.529s`, later `New audio stream with index 1 at pos: …`.
        if let Some((kind, rest)) = text.strip_prefix("New ").and_then(|rest| rest.split_once(" stream "))
            && rest.contains(" at pos:")
            && self.account.late.len() < MOST_LATE
        {
            self.account.late.push(StreamKind::of(kind));
        }
        let is_telling = line.level == LogLevel::Error || diagnose::tells_of_damage(text);
        if is_telling && self.account.first_complaint.is_none() && !diagnose::is_harmless(text) {
            self.account.first_complaint = Some(diagnose::damage_words(text));
        }
    }

    fn add_undecoded(&mut self, times: u64) {
        let account = &mut self.account;
        account.undecoded = account.undecoded.saturating_add(times);
        if let Some(stream) = self.undecoded_stream.filter(|stream| (*stream as usize) < MOST_STREAMS) {
            let of_stream = account.undecoded_of.entry(stream).or_default();
            *of_stream = of_stream.saturating_add(times);
        }
    }

    fn quiet(&mut self, line: &Classified<'_>) {
        let text = line.message.trim();
        if let Some(now) = line.contexts.last().and_then(|context| arriving(context, text)) {
            self.arriving = Some(self.arriving.filter(|earlier| earlier.area() > now.area()).unwrap_or(now));
        } else if text.starts_with("concealing ") {
            self.account.repaired += 1;
        } else if let Some(rest) = text.strip_prefix("Input stream #0:").filter(|_| is_ffmpegs_own(line, "in#")) {
            if let Some((number, read)) = stream_read(rest)
                && self.account.read.len() < MOST_STREAMS
            {
                self.account.read.insert(number, read);
            }
        } else if let Some(rest) = text.strip_prefix("Output stream #0:").filter(|_| is_ffmpegs_own(line, "out#"))
            && let Some((number, written)) = stream_written(rest)
            && self.account.written.len() < MOST_STREAMS
        {
            self.account.written.insert(number, written);
        }
    }
}

/// The stream of the input that could not be decoded: `Error while decoding stream #0:1: …`, and, as from 6.1 on, said by
/// `aist#0:1/aac`.
fn stream_of(line: &Classified<'_>) -> Option<u32> {
    let number = |text: &str| text.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok();
    let said = line.message.split_once(" stream #0:").map(|(_, rest)| rest);
    said.or_else(|| line.contexts.iter().find_map(|context| Some(context.split_once("ist#0:")?.1))).and_then(number)
}

/// Said by ffmpeg itself, or, as from 6.1 on, by one of its files: `in#0/mov,mp4`, `out#0/mp4`.
fn is_ffmpegs_own(line: &Classified<'_>, file: &str) -> bool {
    match line.contexts.as_slice() {
        [] => true,
        [context] => context.starts_with(file),
        _ => false,
    }
}

/// `w:320 h:180 pixfmt:yuv420p tb:1/30000 fr:30000/1001 sar:1/1`, where filters begin for pictures of a new size. Pixels of
/// another shape are told by the scaler alone: `w:320 h:180 fmt:yuv420p sar:4/3 -> w:426 h:180 fmt:yuv420p sar:1/1 flags:0x0`.
fn arriving(context: &str, text: &str) -> Option<Arriving> {
    let is_upright = context.starts_with("Parsed_scale_");
    let text = if is_upright {
        text.split_once(" -> ")?.0
    } else {
        (context.starts_with("graph ") && context.contains("input from stream")).then_some(text)?
    };
    let field = |name: &str| text.split(' ').find_map(|word| word.strip_prefix(name));
    let (across, down) = field("sar:").and_then(|shape| shape.split_once('/')).unwrap_or(("0", "1"));
    Some(Arriving {
        width: field("w:")?.parse().ok()?,
        height: field("h:")?.parse().ok()?,
        pixel_shape: (across.parse().unwrap_or(0), down.parse().unwrap_or(1)),
        is_upright,
    })
}

/// `0 (video): 60 packets read (177346 bytes); 60 frames decoded;`, of sound `432 frames decoded (442368 samples);`.
fn stream_read(rest: &str) -> Option<(u32, StreamRead)> {
    let (number, rest) = rest.split_once(' ')?;
    let packets = before(rest, " packets read")?;
    Some((
        number.parse().ok()?,
        StreamRead { packets, decoded: before(rest, " frames decoded"), samples: before(rest, " samples)") },
    ))
}

/// `0 (video): 60 frames encoded; 60 packets muxed (73144 bytes);`.
fn stream_written(rest: &str) -> Option<(u32, StreamWritten)> {
    let (number, rest) = rest.split_once(' ')?;
    let packets = before(rest, " packets muxed")?;
    let kind = rest.strip_prefix('(').and_then(|rest| rest.split(')').next()).unwrap_or_default();
    Some((number.parse().ok()?, StreamWritten { kind: StreamKind::of(kind), packets }))
}

/// The number that stands before these words.
fn before(text: &str, words: &str) -> Option<u64> {
    text[..text.find(words)?].rsplit([' ', '(']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        for line in lines {
            tally.observe(&Classified::of(line));
        }
        tally
    }

    #[test]
    fn the_closing_lines_are_read() {
        let account = of(&[
            "[verbose]   Input stream #0:0 (video): 62 packets read (177346 bytes); 60 frames decoded; ",
            "[verbose]   Input stream #0:1 (audio): 88 packets read (17620 bytes); 87 frames decoded (89088 samples); ",
            "[verbose]   Input stream #0:2 (audio): 5 packets read (17620 bytes); ",
            "[verbose]   Output stream #0:0 (video): 60 frames encoded; 60 packets muxed (73144 bytes); ",
            "[verbose]   Output stream #0:1 (audio): 87 frames encoded (89088 samples); 88 packets muxed (17849 bytes); ",
            "[verbose]   Output stream #0:2 (subtitle): 0 packets muxed (0 bytes); ",
        ])
        .into_account();
        assert_eq!(account.read[&0], StreamRead { packets: 62, decoded: Some(60), samples: None });
        assert_eq!(account.read[&1].decoded, Some(87));
        assert_eq!(account.read[&2], StreamRead { packets: 5, decoded: None, samples: None });
        assert_eq!(account.written[&0], StreamWritten { kind: StreamKind::Video, packets: 60 });
        assert_eq!(account.written[&1], StreamWritten { kind: StreamKind::Audio, packets: 88 });
        assert_eq!(account.written[&2], StreamWritten { kind: StreamKind::Subtitle, packets: 0 });
        assert!(!account.wrote_nothing(StreamKind::Audio), "an empty subtitle is no lost sound");
        assert!(account.wrote_nothing(StreamKind::Subtitle) && !account.wrote_nothing(StreamKind::Other));
    }

    #[test]
    fn the_closing_lines_of_ffmpeg_7_are_read() {
        let account = of(&[
            "[out#0/matroska @ 0x2e925040] [verbose]   Output stream #0:0 (video): 75 frames encoded; 74 packets muxed (102475 bytes); ",
            "[in#0/matroska,webm @ 0x2e8cac00] [verbose]   Input stream #0:0 (video): 75 packets read (105061 bytes); 73 frames decoded; 2 decode errors; ",
            "[in#0/mpeg @ 0x461ceb80] [warning] New audio stream with index 1 at pos:25272334 and DTS:100.529089s",
        ])
        .into_account();
        assert_eq!(account.read[&0], StreamRead { packets: 75, decoded: Some(73), samples: None });
        assert_eq!(account.written[&0], StreamWritten { kind: StreamKind::Video, packets: 74 });
        assert_eq!(account.late, [StreamKind::Audio]);
    }

    #[test]
    fn foreign_text_cannot_pose_as_an_account() {
        let account = of(&[
            "[info]     title           : Output stream #0:0 (video): 9 frames encoded; 9 packets muxed (9 bytes);",
            "[info]                     : [verbose]   Output stream #0:0 (video): 9 packets muxed",
            "Output stream #0:0 (video): 9 packets muxed",
            "[in#0/mov @ 0x1] [verbose]   Output stream #0:0 (video): 9 packets muxed",
            "[h264 @ 0x1] [verbose]   Output stream #0:0 (video): 9 packets muxed",
            "[out#0] [verbose]   Output stream #0:0 (video): 9 packets muxed",
        ])
        .into_account();
        assert!(account.written.is_empty());
    }

    #[test]
    fn a_picture_that_changes_its_size_is_seen_once() {
        let mut tally =
            of(&["[graph 0 input from stream 0:0 @ 0x55] [verbose] w:1280 h:720 pixfmt:yuv420p tb:1/90000 fr:25/1 sar:4/3"]);
        let arriving = Arriving { width: 1280, height: 720, pixel_shape: (4, 3), is_upright: false };
        assert_eq!(tally.arriving(), Some(arriving));
        assert_eq!(tally.arriving(), None);
    }

    #[test]
    fn pixels_that_change_their_shape_are_seen_and_of_several_changes_the_largest() {
        let scaler = "[Parsed_scale_1 @ 0x55] [verbose]";
        let mut tally = of(&[
            &format!("{scaler} w:max(2,round(min(768,576*dar/(1/1))/2)*2) h:576 flags:'' interl:0"),
            &format!("{scaler} w:720 h:576 fmt:yuv420p sar:64/45 -> w:768 h:432 fmt:yuv420p sar:1/1 flags:0x0"),
            &format!("{scaler} w:720 h:576 fmt:yuv420p sar:16/15 -> w:768 h:576 fmt:yuv420p sar:1/1 flags:0x0"),
            "[Parsed_setsar_4 @ 0x55] [verbose] w:1024 h:768 sar:1/1 dar:4/3 -> sar:1/1 dar:4/3",
        ]);
        let arriving = Arriving { width: 720, height: 576, pixel_shape: (64, 45), is_upright: true };
        assert_eq!(tally.arriving(), Some(arriving));
    }

    #[test]
    fn what_could_not_be_decoded_is_counted_by_its_stream() {
        let account = of(&[
            "[error] Error while decoding stream #0:1: Invalid data found when processing input",
            "[error] Error while decoding stream #0:0: Invalid data found when processing input",
            "    Last message repeated 4 times",
            "[aist#0:1/aac @ 0x1] [dec:aac @ 0x2] [error] Error submitting packet to decoder: Invalid data found",
        ])
        .into_account();
        assert_eq!((account.undecoded, account.undecoded_of), (7, [(0, 5), (1, 2)].into()));
    }

    #[test]
    fn what_could_not_be_decoded_is_counted_with_its_first_cause() {
        let account = of(&[
            "[h264 @ 0x1] [error] decode_slice_header error",
            "[error] Error while decoding stream #0:0: Invalid data found when processing input",
            "    Last message repeated 2 times",
            "[h264 @ 0x1] [info] concealing 920 DC, 920 AC, 920 MV errors in P frame",
            "    Last message repeated 5 times",
        ])
        .into_account();
        assert_eq!((account.undecoded, account.repaired), (3, 1));
        assert_eq!(account.undecoded_of, [(0, 3)].into());
        assert!(account.first_complaint.is_some_and(|words| words.contains("picture")));
    }
}
