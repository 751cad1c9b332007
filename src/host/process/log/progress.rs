//! Reads what ffmpeg writes under `-progress`: blocks of `key=value` lines, each closed by `progress=continue` or
//! `progress=end`.
//!
//! Pure and incremental: it is fed with whatever bytes a pipe gave, in chunks of any size, and never panics. It must not
//! know where the bytes come from, nor what time it is.

use std::time::Duration;

use crate::domain::job::Progress;
use crate::domain::units::Bytes;

/// Longest line that is read, in bytes; a longer one is skipped whole. ffmpeg's are below 60.
const MAX_LINE: usize = 256;
/// Blocks whose speed is averaged for the time left.
const SPEEDS: usize = 4;
/// The muxer's clock stops some frames short of the end: an `end` this close to it counts as the whole.
const END_SLACK: Duration = Duration::from_secs(1);

/// How well a source tells the media time; a better one in the same block wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    /// `out_time=HH:MM:SS.micros`.
    Text,
    /// `out_time_ms`, which holds microseconds in every ffmpeg there is.
    Misnamed,
    /// `out_time_us`.
    Micros,
}

/// Reader of one process's progress.
#[derive(Debug, Clone)]
pub struct ProgressReader {
    duration: Option<Duration>,
    line: Vec<u8>,
    too_long: bool,
    now: Progress,
    source: Option<Source>,
    speed_known: bool,
    speeds: [f64; SPEEDS],
    speed_count: usize,
    dropped: u64,
}

impl ProgressReader {
    /// A reader for an input that lasts `duration`; without one there is no ratio and no time left.
    pub fn new(duration: Option<Duration>) -> Self {
        Self {
            duration: duration.filter(|d| !d.is_zero()),
            line: Vec::new(),
            too_long: false,
            now: Progress::default(),
            source: None,
            speed_known: false,
            speeds: [0.0; SPEEDS],
            speed_count: 0,
            dropped: 0,
        }
    }

    /// Pictures that were left out so far because their time was not behind that of the one before.
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes the next bytes and calls `each` for every block that they close. Unknown keys and broken lines are skipped.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(Progress)) {
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                if !std::mem::take(&mut self.too_long)
                    && let Some(progress) = self.line(&line)
                {
                    each(progress);
                }
                self.line = line;
                self.line.clear();
            } else if self.line.len() < MAX_LINE {
                self.line.push(byte);
            } else {
                self.too_long = true;
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> Option<Progress> {
        let text = std::str::from_utf8(line).ok()?;
        let (key, value) = text.split_once('=')?;
        let value = value.trim();
        match key.trim() {
            "frame" => self.now.frame = value.parse().unwrap_or(self.now.frame),
            "fps" => self.now.fps = finite(value).unwrap_or(self.now.fps),
            "drop_frames" => self.dropped = value.parse().unwrap_or(self.dropped),
            "total_size" => self.now.written = value.parse().map_or(self.now.written, Bytes),
            "speed" => {
                let speed = finite(value.strip_suffix('x').unwrap_or(value));
                self.speed_known = speed.is_some();
                self.now.speed = speed.unwrap_or(0.0);
            }
            "out_time_us" => self.out_time(Source::Micros, micros(value)),
            "out_time_ms" => self.out_time(Source::Misnamed, micros(value)),
            "out_time" => self.out_time(Source::Text, clock(value)),
            "progress" => return Some(self.block(value == "end")),
            _ => {}
        }
        None
    }

    fn out_time(&mut self, source: Source, time: Option<Duration>) {
        if let Some(time) = time
            && self.source.is_none_or(|known| known <= source)
        {
            self.source = Some(source);
            self.now.out_time = time;
        }
    }

    fn block(&mut self, end: bool) -> Progress {
        self.source = None;
        if std::mem::take(&mut self.speed_known) && self.now.speed > 0.0 {
            self.speeds[self.speed_count % SPEEDS] = self.now.speed;
            self.speed_count += 1;
        }
        if let Some(duration) = self.duration {
            let mut ratio = (self.now.out_time.as_secs_f64() / duration.as_secs_f64()).clamp(0.0, 1.0);
            let slack = END_SLACK.max(duration / 100);
            if end && ratio >= 0.5 && duration.saturating_sub(self.now.out_time) <= slack {
                ratio = 1.0;
            }
            let ratio = ratio.max(self.now.ratio.unwrap_or(0.0));
            self.now.ratio = Some(ratio);
            self.now.eta_seconds = self.eta(duration, ratio);
        }
        self.now
    }

    fn eta(&self, duration: Duration, ratio: f64) -> Option<u64> {
        if ratio >= 1.0 {
            return Some(0);
        }
        let known = self.speed_count.min(SPEEDS);
        if known == 0 {
            return None;
        }
        let speed = self.speeds[..known].iter().sum::<f64>() / known as f64;
        // An `as` cast of a float saturates: a speed near nothing gives a huge number, not a wrong one.
        Some((duration.as_secs_f64() * (1.0 - ratio) / speed).round() as u64)
    }
}

/// A finite number that is not negative; `None` for `N/A`, `nan`, `inf` and anything else.
fn finite(value: &str) -> Option<f64> {
    value.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)
}

/// Microseconds, negative ones as zero: the first packets of a stream may lie before its start.
fn micros(value: &str) -> Option<Duration> {
    value.parse::<i64>().ok().map(|us| Duration::from_micros(us.max(0) as u64))
}

/// `HH:MM:SS.micros`, with a sign in front where it is negative.
fn clock(value: &str) -> Option<Duration> {
    let (negative, value) = value.strip_prefix('-').map_or((false, value), |rest| (true, rest));
    let mut parts = value.splitn(3, ':');
    let (hours, minutes) = (parts.next()?.parse::<u32>().ok()?, parts.next()?.parse::<u32>().ok()?);
    let seconds = finite(parts.next()?)?;
    let whole = Duration::from_secs(u64::from(hours) * 3600 + u64::from(minutes) * 60);
    let time = Duration::try_from_secs_f64(seconds).ok()?.checked_add(whole)?;
    Some(if negative { Duration::ZERO } else { time })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(duration: Option<u64>, text: &str) -> Vec<Progress> {
        let mut out = Vec::new();
        ProgressReader::new(duration.map(Duration::from_secs)).feed(text.as_bytes(), |p| out.push(p));
        out
    }

    #[test]
    fn a_block_as_ffmpeg_writes_it_is_read() {
        let block = "frame=25\nfps=12.50\nstream_0_0_q=28.0\nbitrate=  56.6kbits/s\ntotal_size=6227\nout_time_us=5000000\n\
                     out_time_ms=5000000\nout_time=00:00:05.000000\ndup_frames=0\ndrop_frames=0\nspeed=1.25x\nprogress=continue\n";
        let read = read(Some(20), block);
        assert_eq!(
            read,
            [Progress {
                ratio: Some(0.25),
                frame: 25,
                fps: 12.5,
                speed: 1.25,
                out_time: Duration::from_secs(5),
                written: Bytes(6227),
                eta_seconds: Some(12),
            }]
        );
    }

    #[test]
    fn what_is_not_known_yet_is_not_made_up() {
        let read = read(Some(20), "frame=0\nout_time_us=N/A\nout_time=N/A\ntotal_size=N/A\nspeed=N/A\nprogress=continue\n");
        assert_eq!(read, [Progress { ratio: Some(0.0), ..Progress::default() }]);
    }

    #[test]
    fn without_a_duration_there_is_no_ratio_and_no_time_left() {
        let read = read(None, "out_time_us=5\nspeed=2x\nprogress=end\n");
        assert_eq!((read[0].ratio, read[0].eta_seconds), (None, None));
    }

    #[test]
    fn times_before_the_start_count_as_the_start() {
        for text in ["out_time_us=-40000\n", "out_time_ms=-40000\n", "out_time=-00:00:00.040000\n"] {
            assert_eq!(read(Some(1), &format!("{text}progress=continue\n"))[0].out_time, Duration::ZERO, "{text}");
        }
    }

    #[test]
    fn an_old_ffmpeg_that_tells_only_a_clock_or_the_misnamed_key_is_read_too() {
        assert_eq!(read(Some(9), "out_time=01:02:03.5\nprogress=continue\n")[0].out_time, Duration::from_millis(3_723_500));
        assert_eq!(read(Some(9), "out_time_ms=1500000\nprogress=continue\n")[0].out_time, Duration::from_millis(1500));
    }

    #[test]
    fn the_ratio_never_falls_and_never_passes_one() {
        let text = [4, 2, 30, 1].map(|s| format!("out_time_us={}\nprogress=continue\n", s * 1_000_000)).concat();
        let ratios: Vec<_> = read(Some(10), &text).iter().map(|p| p.ratio).collect();
        assert_eq!(ratios, [Some(0.4), Some(0.4), Some(1.0), Some(1.0)]);
    }

    #[test]
    fn the_end_a_few_frames_short_is_the_whole_but_an_end_halfway_is_not() {
        let end = |us: u64| read(Some(10), &format!("out_time_us={us}\nprogress=end\n"))[0].ratio;
        assert_eq!(end(9_880_000), Some(1.0));
        assert_eq!(end(5_500_000), Some(0.55));
    }

    #[test]
    fn the_time_left_is_smoothed_over_the_last_blocks() {
        let text = [1.0, 1.0, 1.0, 5.0].map(|s| format!("out_time_us=0\nspeed={s}x\nprogress=continue\n")).concat();
        assert_eq!(read(Some(100), &text)[3].eta_seconds, Some(50));
    }

    #[test]
    fn numbers_that_are_none_are_ignored() {
        let read =
            read(Some(10), "fps=nan\nspeed=infx\nframe=-3\ntotal_size=1e9\nout_time_us=99999999999999999999\nprogress=end\n");
        assert_eq!(read, [Progress { ratio: Some(0.0), ..Progress::default() }]);
    }

    #[test]
    fn an_endless_line_is_skipped_without_being_kept() {
        let mut reader = ProgressReader::new(None);
        let mut blocks = 0;
        for _ in 0..1000 {
            reader.feed(&[b'x'; 4096], |_| blocks += 1);
        }
        assert!(reader.line.capacity() <= 1024, "{}", reader.line.capacity());
        reader.feed(b"progress=end\nframe=3\nprogress=end\n", |_| blocks += 1);
        assert_eq!(blocks, 1, "only the block after the long line counts");
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            "(out_time_us|out_time|out_time_ms|speed|fps|frame|total_size)=[-0-9.:xNA/e+]{0,30}\n".prop_map(String::into_bytes),
            Just(b"progress=continue\n".to_vec()),
            Just(b"progress=end\n".to_vec()),
        ]
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_chunks_give_the_same_sane_blocks(
            pieces in proptest::collection::vec(piece(), 0..40),
            duration in proptest::option::of(0_u64..1_000_000),
            chunk in 1_usize..50,
        ) {
            let bytes = pieces.concat();
            let duration = duration.map(Duration::from_micros);
            let (mut whole, mut parts) = (Vec::new(), Vec::new());
            ProgressReader::new(duration).feed(&bytes, |p| whole.push(p));
            let mut reader = ProgressReader::new(duration);
            for part in bytes.chunks(chunk) {
                reader.feed(part, |p| parts.push(p));
            }
            prop_assert_eq!(&whole, &parts);
            let mut last = 0.0;
            for ratio in whole.iter().filter_map(|p| p.ratio) {
                prop_assert!((0.0..=1.0).contains(&ratio) && ratio >= last);
                last = ratio;
            }
            prop_assert!(whole.iter().all(|p| p.fps.is_finite() && p.speed.is_finite()));
        }
    }
}
