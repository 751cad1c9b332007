//! A job that needs no ffmpeg: it takes and gives back memory along a curve, reports its progress as ffmpeg does and
//! writes an output. For showing and testing the governor on machines without ffmpeg.
//!
//! The memory is real: pages are mapped, written and unmapped. Knows nothing of who runs it.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::os::fd::{FromRawFd as _, RawFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

pub use steered::run_steered;

use crate::domain::text::{path_text, sanitise};
use crate::domain::units::{Bytes, MIB};

mod clips;
mod steered;

pub use clips::{LoadClip, make_load_clips, probe_load};

/// What [`crate::domain::media::MediaInfo::demuxer`] says of a load file.
pub const DEMUXER: &str = "plimsoll-load";
/// The extension of a load file.
pub const EXTENSION: &str = "load";

/// First line of a load file.
const MAGIC: &str = "plimsoll-load 1";
/// Most that is read of a load file to understand it, in bytes.
const MAX_HEADER: u64 = 16 * 1024;
/// Memory that a curve may ask for at most, so that a slip of the pen does not take the machine down.
const MAX_LOAD: Bytes = Bytes::gib(64);
/// The longest load job.
const MAX_SECONDS: f64 = 24.0 * 3600.0;
/// Frames per second that a load job claims to make.
const FPS: f64 = 25.0;
/// Bytes of output for each of its frames.
const FRAME_BYTES: u64 = 4096;
/// Memory is taken and given back in pieces of this size.
const PIECE: usize = MIB as usize;
/// Memory is brought into line with the curve this often.
const TICK: Duration = Duration::from_millis(20);
/// A pause longer than this (a stop signal, a starved machine) is time in which no work was done.
const MAX_TICK: Duration = Duration::from_millis(200);
/// As ffmpeg's `-stats_period 0.5`.
const REPORT_EVERY: Duration = Duration::from_millis(500);

/// Anonymous memory over time: straight lines between points.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Seconds from the start, rising, and MB (1024²) then.
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// What is wanted `at` seconds after the start; before the first point and after the last as there.
    pub fn at(&self, at: f64) -> Bytes {
        let after = self.points.partition_point(|(time, _)| *time <= at);
        let mb = match (after.checked_sub(1).map(|i| self.points[i]), self.points.get(after)) {
            (Some((_, mb)), None) => mb,
            (None, Some((_, mb))) => *mb,
            (Some((t0, m0)), Some((t1, m1))) => m0 + (m1 - m0) * (at - t0) / (t1 - t0),
            (None, None) => 0.0,
        };
        Bytes((mb * MIB as f64) as u64)
    }

    pub fn peak(&self) -> Bytes {
        Bytes((self.points.iter().fold(0.0, |peak: f64, (_, mb)| peak.max(*mb)) * MIB as f64) as u64)
    }

    /// The time of the last point, in seconds.
    fn end(&self) -> f64 {
        self.points.last().map_or(0.0, |(time, _)| *time)
    }
}

impl fmt::Display for Curve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (time, mb)) in self.points.iter().enumerate() {
            write!(f, "{}{time}:{mb}", if index > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

impl FromStr for Curve {
    type Err = LoadError;

    /// Reads `0:20,2:200,6:200,8:50`: seconds and MB.
    fn from_str(text: &str) -> Result<Self, LoadError> {
        let wrong = |why: &str| LoadError::Curve { text: sanitise(text.as_bytes()), why: why.to_owned() };
        let mut points: Vec<(f64, f64)> = Vec::new();
        for point in text.split(',') {
            let (time, mb) = point.split_once(':').ok_or_else(|| wrong("each point is SECONDS:MB"))?;
            let number = |text: &str| text.trim().parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
            let (Some(time), Some(mb)) = (number(time), number(mb)) else {
                return Err(wrong("seconds and MB are numbers from 0"));
            };
            if mb > MAX_LOAD.as_mb() {
                return Err(wrong("64 GB at most"));
            }
            if points.last().is_some_and(|(last, _)| *last >= time) {
                return Err(wrong("the seconds must rise"));
            }
            points.push((time, mb));
        }
        Ok(Self { points })
    }
}

/// What a load job does.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadSpec {
    /// The memory it holds.
    pub curve: Curve,
    /// How long it runs, more than 0 and at most a day.
    pub seconds: f64,
    /// The output it writes, if any.
    pub part: Option<PathBuf>,
    /// The descriptor its progress goes to, if any.
    pub progress_fd: Option<RawFd>,
}

/// What is wrong with a load job.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Not a curve.
    #[error("`{text}` is not a load curve: {why}; write SECONDS:MB points, such as 0:20,2:200,6:200,8:50")]
    Curve {
        /// What was given.
        text: String,
        /// What is wrong.
        why: String,
    },
    /// Not a length of time.
    #[error("{seconds} s is no length for a load job; it must be over 0 and at most a day")]
    Seconds {
        /// What was given.
        seconds: f64,
    },
    /// The file is no load file, or a damaged one.
    #[error("{} is not a whole load file: {why}", path_text(.path))]
    File {
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A file could not be read or written.
    #[error("cannot {verb} {}: {source}", path_text(.path))]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The kernel gives no more memory.
    #[error("cannot take {wanted}: {source}")]
    Memory {
        /// What the job was to hold.
        wanted: Bytes,
        /// Why it failed.
        source: io::Error,
    },
}

impl LoadSpec {
    /// A job along `curve` for `seconds` (`None`: to the curve's last point), without output and progress.
    pub fn new(curve: &str, seconds: Option<f64>) -> Result<Self, LoadError> {
        let curve: Curve = curve.parse()?;
        let seconds = seconds.unwrap_or_else(|| curve.end());
        if !(seconds > 0.0 && seconds <= MAX_SECONDS) {
            return Err(LoadError::Seconds { seconds });
        }
        Ok(Self { curve, seconds, part: None, progress_fd: None })
    }

    /// The job that a load file describes.
    pub fn of_clip(clip: &LoadClip) -> Self {
        Self { curve: clip.curve.clone(), seconds: clip.seconds, part: None, progress_fd: None }
    }

    /// The arguments that make our own binary run it.
    pub fn to_args(&self) -> Vec<std::ffi::OsString> {
        let mut args: Vec<std::ffi::OsString> =
            ["load-job", "--curve", &self.curve.to_string(), "--seconds", &self.seconds.to_string()].map(Into::into).into();
        if let Some(part) = &self.part {
            args.extend(["--part".into(), part.into()]);
        }
        if let Some(fd) = self.progress_fd {
            args.extend(["--progress-fd".into(), fd.to_string().into()]);
        }
        args
    }

    fn frames(&self) -> u64 {
        (self.seconds * FPS).ceil().max(1.0) as u64
    }

    /// The head of its output: itself a load file, so that the output can be checked as a film would be.
    fn header(&self) -> String {
        header(&self.curve, self.seconds, None, self.frames() * FRAME_BYTES)
    }
}

fn header(curve: &Curve, seconds: f64, frame: Option<(u32, u32)>, body: u64) -> String {
    let frame = frame.map(|(width, height)| format!("frame {width}x{height}\n")).unwrap_or_default();
    format!("{MAGIC}\nseconds {seconds}\ncurve {curve}\n{frame}body {body}\n\n")
}

/// Runs a load job to its end. SIGTERM ends the process as it ends any other, by default.
///
/// The progress descriptor is taken over and closed at the end. A reader that has gone away is no error.
#[allow(clippy::disallowed_methods)] // the host reads clocks
pub fn run(spec: &LoadSpec) -> Result<(), LoadError> {
    let mut output = spec.part.as_deref().map(|part| Output::create(part, spec)).transpose()?;
    let mut progress = spec.progress_fd.map(Reporter::new);
    // The process itself holds some memory too; the curve is of the whole.
    let mut load = Load { pieces: Vec::new(), baseline: own_anonymous() };
    let total = Duration::from_secs_f64(spec.seconds);
    let (started, mut last) = (Instant::now(), Instant::now());
    let (mut done, mut reported) = (Duration::ZERO, Duration::ZERO);
    loop {
        let now = Instant::now();
        done = (done + now.duration_since(last).min(MAX_TICK)).min(total);
        last = now;
        load.follow(spec.curve.at(done.as_secs_f64()))?;
        let frames = if done == total { spec.frames() } else { (done.as_secs_f64() * FPS) as u64 };
        if let Some(output) = &mut output {
            output.write_frames(frames)?;
        }
        if let Some(progress) = &mut progress
            && (done == total || done.saturating_sub(reported) >= REPORT_EVERY)
        {
            reported = done;
            progress.report(&Report { frames, done, elapsed: started.elapsed(), ended: done == total });
        }
        if done == total {
            break;
        }
        thread::sleep(TICK.min(total.saturating_sub(done)));
    }
    output.map_or(Ok(()), Output::finish)
}

/// The memory held.
struct Load {
    pieces: Vec<Piece>,
    baseline: Bytes,
}

impl Load {
    fn follow(&mut self, wanted: Bytes) -> Result<(), LoadError> {
        let pieces = ((wanted - self.baseline).0 as usize + PIECE / 2) / PIECE;
        self.pieces.truncate(pieces);
        while self.pieces.len() < pieces {
            self.pieces.push(Piece::take().map_err(|source| LoadError::Memory { wanted, source })?);
        }
        Ok(())
    }
}

/// One MB of memory that is really there, given back to the kernel when dropped. Not from the heap: an allocator keeps
/// what is freed.
struct Piece(*mut std::ffi::c_void);

impl Piece {
    fn take() -> io::Result<Self> {
        use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};
        // SAFETY: a new private mapping at an address the kernel chooses touches nothing that exists.
        let start = unsafe { mmap_anonymous(std::ptr::null_mut(), PIECE, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE) }?;
        // SAFETY: the mapping is PIECE bytes long, writable and known to nobody else. Ones, not zeros: a page of zeros
        // may be shared.
        unsafe { std::ptr::write_bytes(start.cast::<u8>(), 1, PIECE) };
        Ok(Self(start))
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `take` with this length and nothing refers to it any more.
        let _ = unsafe { rustix::mm::munmap(self.0, PIECE) };
    }
}

/// Anonymous memory of this process; 0 where it cannot be told.
fn own_anonymous() -> Bytes {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.split_whitespace().next()?.parse::<u64>().ok());
    Bytes(kilobytes.unwrap_or(0) * 1024)
}

/// The output: a load file whose body grows with the frames.
struct Output {
    file: BufWriter<File>,
    path: PathBuf,
    frames: u64,
}

impl Output {
    fn create(path: &Path, spec: &LoadSpec) -> Result<Self, LoadError> {
        // As ffmpeg does, it writes into the file that was made for it; but a link in its place is not followed.
        let nofollow = OFlags::NOFOLLOW.bits().cast_signed();
        let file = OpenOptions::new().write(true).create(true).truncate(true).custom_flags(nofollow).open(path);
        let file = file.map_err(|source| LoadError::Io { verb: "create", path: path.to_owned(), source })?;
        let mut output = Self { file: BufWriter::new(file), path: path.to_owned(), frames: 0 };
        output.write(spec.header().as_bytes())?;
        Ok(output)
    }

    fn write_frames(&mut self, upto: u64) -> Result<(), LoadError> {
        while self.frames < upto {
            self.frames += 1;
            let mut frame = format!("frame {}", self.frames).into_bytes();
            frame.resize(FRAME_BYTES as usize - 1, b'.');
            frame.push(b'\n');
            self.write(&frame)?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        self.file.write_all(bytes).map_err(|source| LoadError::Io { verb: "write", path: self.path.clone(), source })
    }

    fn finish(mut self) -> Result<(), LoadError> {
        self.file.flush().map_err(|source| LoadError::Io { verb: "write", path: self.path, source })
    }
}

/// What a progress block tells.
struct Report {
    frames: u64,
    done: Duration,
    elapsed: Duration,
    ended: bool,
}

/// Writes progress blocks as ffmpeg's `-progress` does.
struct Reporter {
    to: Option<File>,
}

impl Reporter {
    fn new(fd: RawFd) -> Self {
        // SAFETY: the descriptor was handed to this process for this purpose and nothing else here uses it; one that is
        // not open is found out by the first write.
        let to = (fd > 2 || fd == 1).then(|| unsafe { File::from_raw_fd(fd) });
        Self { to }
    }

    fn report(&mut self, report: &Report) {
        let Some(to) = &mut self.to else { return };
        let seconds = report.elapsed.as_secs_f64().max(0.001);
        let written = report.frames * FRAME_BYTES;
        let micros = report.done.as_micros();
        let clock = format!(
            "{:02}:{:02}:{:02}.{:06}",
            report.done.as_secs() / 3600,
            report.done.as_secs() / 60 % 60,
            report.done.as_secs() % 60,
            report.done.subsec_micros()
        );
        let block = format!(
            "frame={frames}\nfps={fps:.2}\nstream_0_0_q=0.0\nbitrate={bitrate:7.1}kbits/s\ntotal_size={written}\nout_time_us={micros}\n\
             out_time_ms={micros}\nout_time={clock}\ndup_frames=0\ndrop_frames=0\nspeed={speed:4.3}x\nprogress={state}\n",
            frames = report.frames,
            fps = report.frames as f64 / seconds,
            bitrate = written as f64 * 8.0 / 1000.0 / report.done.as_secs_f64().max(0.001),
            speed = report.done.as_secs_f64() / seconds,
            state = if report.ended { "end" } else { "continue" },
        );
        if to.write_all(block.as_bytes()).is_err() {
            self.to = None;
        }
    }
}

/// Name, curve, frame and size of each load clip of the demonstration. The peaks are those of x264 medium at 720p, with
/// 2 threads, as measured.
const CLIPS: &[(&str, &str, (u32, u32), Bytes)] = &[
    ("01-dinghy-480p.load", "0:20,1:130,6:130,6.5:40", (854, 480), Bytes::mib(8)),
    ("02-trawler-720p.load", "0:20,2:225,9:225,10:60", (1280, 720), Bytes::mib(40)),
    ("03-freighter-1080p.load", "0:20,2:283,11:283,12:60", (1920, 1080), Bytes::mib(180)),
    ("04-tanker-1080p.load", "0:20,2:283,11:283,12:60", (1920, 1080), Bytes::mib(190)),
    ("05-over-100mb-480p.load", "0:20,1:130,4:130,5:40", (854, 480), Bytes::mib(104)),
    ("06-over-200mb-720p.load", "0:20,1:225,4:225,5:60", (1280, 720), Bytes::mib(204)),
    ("07-over-500mb-720p.load", "0:20,1:225,4:225,5:60", (1280, 720), Bytes::mib(504)),
    ("08-ferry-720p.load", "0:20,2:225,9:225,10:60", (1280, 720), Bytes::mib(60)),
    ("09-barge-1080p.load", "0:20,2:283,11:283,12:60", (1920, 1080), Bytes::mib(150)),
    ("10-sloop-480p.load", "0:20,1:130,6:130,6.5:40", (854, 480), Bytes::mib(12)),
];

#[cfg(test)]
mod tests;
