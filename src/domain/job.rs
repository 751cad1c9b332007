//! A job: one input to be made into one output, and everything that is known of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use super::media::{AudioStream, MediaInfo, VideoStream};
use super::text::{as_text, as_text_option};
use super::time::{Mono, Wall};
use super::units::Bytes;

/// Number of a job, rising by one from 1, never used twice in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u64);

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Place in the queue: lower runs sooner.
pub type Rank = i64;

/// Distance of the ranks of jobs queued one after the other, so that one can be put between.
pub const RANK_STEP: Rank = 1 << 20;

/// One input to be made into one output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    /// The input, absolute.
    #[serde(with = "as_text")]
    pub input: PathBuf,
    /// Size of the input.
    pub size: Bytes,
    /// Name of the preset.
    pub preset: String,
    /// Where the output is to stand.
    #[serde(with = "as_text_option")]
    pub output: Option<PathBuf>,
    /// What is happening to it.
    pub phase: Phase,
    /// Its place among the waiting.
    pub rank: Rank,
    /// Starts so far.
    pub attempts: u32,
    /// The operator let it in although it is over the size limit.
    pub allowed: bool,
    /// What the probe found.
    pub media: Option<MediaInfo>,
    /// Pixels of the largest picture that it reads or makes; 0 where it works on none, or was not probed.
    #[serde(default)]
    pub pixels: u64,
    /// What its preset does with what an input may hold; empty until it was probed.
    #[serde(default)]
    pub choices: String,
    /// Peak of memory that the model expects.
    pub predicted_peak: Option<Bytes>,
    /// Memory set aside for it while it holds a slot.
    #[serde(default)]
    pub reserved: Bytes,
    /// Anonymous memory now.
    pub memory: Bytes,
    /// Highest anonymous memory seen, over all attempts.
    pub peak: Bytes,
    /// How far it is.
    pub progress: Option<Progress>,
    /// When it was queued.
    pub queued_at: Mono,
    /// When the current attempt started.
    pub started_at: Option<Mono>,
    /// What it waits for on disk: where room is missing and what to do, in words. From the look that found none until it works.
    #[serde(default)]
    pub wants_room: Option<String>,
    /// Where its input lies, where that could not be reached when it was looked at last.
    #[serde(default, with = "as_text_option")]
    pub away: Option<PathBuf>,
    /// The disk that its output goes to, by the place where that is mounted; `None` until it was probed.
    #[serde(default)]
    pub disk: Option<PathBuf>,
    /// The event that ended it, its place among the ended; 0 while it has not.
    pub ended_seq: u64,
}

/// What is happening to a job; each phase carries exactly its own data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Waits for a slot.
    Queued,
    /// Waits for the next try.
    Backoff {
        /// Not before this moment.
        until: Mono,
        /// Why the last try failed.
        reason: String,
    },
    /// Its start is being recorded and memory cleaned; holds a slot.
    Starting,
    /// ffmpeg works on it.
    Running {
        pid: u32,
        /// Stopped by SIGSTOP.
        paused: bool,
        /// That was the memory governor, which will let it go on; else the operator. Only with `paused`.
        #[serde(default)]
        for_memory: bool,
    },
    /// Has been told to end.
    Stopping {
        pid: u32,
        /// Why it has to end.
        why: StopReason,
        /// Since when.
        since: Mono,
    },
    /// ffmpeg has ended; the output is being checked and put in place.
    Finalizing,
    /// Was not let in.
    Rejected(Rejected),
    /// Has ended, for good unless the operator retries it.
    Finished(Finished),
}

impl Job {
    /// Why it waits for room on disk, if it does.
    pub fn lack_of_room(&self) -> Option<&str> {
        self.wants_room.as_deref().filter(|_| self.phase.is_waiting())
    }

    /// Where its input lies, where it waits for that.
    pub fn waits_for_input(&self) -> Option<&Path> {
        self.away.as_deref().filter(|_| matches!(self.phase, Phase::Backoff { .. }))
    }

    /// Why it did not end well, was not let in, or waits.
    pub fn reason(&self) -> Option<&str> {
        match &self.phase {
            Phase::Rejected(rejected) => Some(&rejected.detail),
            Phase::Finished(finished) => finished.reason.as_deref(),
            Phase::Backoff { reason, .. } => Some(reason),
            _ => self.lack_of_room(),
        }
    }
}

impl Phase {
    /// Holds a slot: counts against `max_concurrent`.
    pub const fn holds_slot(&self) -> bool {
        matches!(self, Self::Starting | Self::Running { .. } | Self::Stopping { .. } | Self::Finalizing)
    }

    /// Stands still because an operator has paused it, not for want of memory.
    pub const fn is_paused_by_operator(&self) -> bool {
        matches!(self, Self::Running { paused: true, for_memory: false, .. })
    }

    /// Was not let in for its size alone: the operator can let it in all the same.
    pub const fn is_too_large(&self) -> bool {
        matches!(self, Self::Rejected(Rejected { reason: RejectReason::TooLarge, .. }))
    }

    /// Waits for a slot or for its next try.
    pub const fn is_waiting(&self) -> bool {
        matches!(self, Self::Queued | Self::Backoff { .. })
    }

    /// Nothing more will happen to it by itself.
    pub const fn is_terminal(&self) -> bool {
        matches!(self, Self::Rejected(_) | Self::Finished(_))
    }

    /// Its name in JSON and in what scripts read.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued | Self::Backoff { .. } => "queued",
            Self::Running { paused: true, .. } => "paused",
            Self::Starting | Self::Running { .. } | Self::Stopping { .. } | Self::Finalizing => "running",
            Self::Rejected(_) => "rejected",
            Self::Finished(finished) => finished.outcome.name(),
        }
    }

    /// The process, while there is one.
    pub const fn pid(&self) -> Option<u32> {
        match self {
            Self::Running { pid, .. } | Self::Stopping { pid, .. } => Some(*pid),
            _ => None,
        }
    }
}

/// Why a job was not let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    pub reason: RejectReason,
    /// The limit that it is over, where one is.
    pub limit: Option<Bytes>,
    /// The reason in words a person understands.
    pub detail: String,
}

/// Kinds of reason for not letting a job in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectReason {
    /// Larger than the profile's `max_file_size`.
    TooLarge,
    /// No container that ffmpeg knows, or no stream that the preset can use.
    NotAVideo,
    /// An empty file.
    Empty,
    /// Cannot be opened or read, or is damaged so that not even its header can be read.
    Unreadable,
    /// Not a regular file.
    NotAFile,
    /// A playlist or another container that is not on the allow list.
    UnsupportedContainer,
    /// A frame larger than the pixel limit.
    FrameTooLarge,
    /// Its predicted peak is over what it may ever get.
    NeverFits,
    /// A codec that this ffmpeg cannot decode, or that the container asked for cannot hold.
    DoesNotFit,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    pub outcome: Outcome,
    /// Run time of the last attempt.
    pub took: Duration,
    /// ffmpeg's exit status, where it had one.
    pub exit: Option<Exit>,
    /// Why it did not end well, in words a person understands.
    pub reason: Option<String>,
    /// When, for people.
    pub at: Wall,
    /// What of the input could not be decoded, where the output was made all the same.
    #[serde(default)]
    pub damage: Option<Damage>,
    /// Streams and tags of the input that are not in the output, in words.
    #[serde(default)]
    pub left_out: Vec<String>,
}

impl Finished {
    /// It ended well, and not all of its input could be decoded.
    pub const fn is_damaged(&self) -> bool {
        self.outcome.is_success() && self.damage.is_some()
    }
}

/// What of an input could not be decoded. The output was made of the rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Damage {
    /// Seconds that are missing at the end or in the middle of the output; 0 where nothing but a few pictures is wrong.
    pub seconds: f64,
    /// Pictures, or blocks of sound where there is no picture, that the decoder could not use; a count of its complaints.
    pub frames: u64,
    /// The first cause, in words a person understands.
    pub cause: String,
}

impl Damage {
    /// How much of it, in words: `1.2 s or 30 frames`. A frame is a picture or a block of sound.
    pub fn extent(&self) -> String {
        let seconds = (self.seconds >= 0.05).then(|| super::time::seconds_words(self.seconds));
        let frames = match self.frames {
            0 => None,
            1 => Some("1 frame".to_owned()),
            many => Some(format!("{many} frames")),
        };
        match (seconds, frames) {
            (Some(seconds), Some(frames)) => format!("{seconds} or {frames}"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => "a part".to_owned(),
        }
    }

    /// How much of it where there is little room: `1.2 s lost`, `30 frames lost`.
    pub fn short(&self) -> String {
        let extent = self.extent();
        format!("{} lost", extent.split(" or ").next().unwrap_or(&extent))
    }

    /// All of it, in words: `1.2 s or 30 frames lost: the input is cut off`.
    pub fn words(&self) -> String {
        let because = if self.cause.is_empty() { String::new() } else { format!(": {}", self.cause) };
        format!("{} lost{because}", self.extent())
    }
}

/// What the reason of a try says that the kernel ended for want of memory.
pub const KERNEL_KILL: &str = "killed by the kernel";

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Exit {
    /// The code and the signal, of which there is one.
    pub const fn code_and_signal(self) -> (Option<i32>, Option<i32>) {
        match self {
            Self::Code(code) => (Some(code), None),
            Self::Signal(signal) => (None, Some(signal)),
        }
    }
}

/// Outcome of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The output is in place.
    Done,
    /// The output was in place already, made from the same bytes with the same preset.
    AlreadyDone,
    /// ffmpeg or the check of its output failed.
    Failed,
    /// Killed for want of memory.
    OutOfMemory,
    /// Took longer than `--timeout`.
    TimedOut,
    /// Made no progress for `--stall`.
    Stalled,
    /// The operator cancelled it.
    Cancelled,
}

impl Outcome {
    /// Ended with the output in place.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Done | Self::AlreadyDone)
    }

    /// Its name in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::AlreadyDone => "already_done",
            Self::Failed => "failed",
            Self::OutOfMemory => "out_of_memory",
            Self::TimedOut => "timed_out",
            Self::Stalled => "stalled",
            Self::Cancelled => "cancelled",
        }
    }

    /// The word that tables show.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::AlreadyDone => "already",
            Self::Failed => "failed",
            Self::OutOfMemory => "out of memory",
            Self::TimedOut => "timed out",
            Self::Stalled => "stalled",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a job was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The operator cancelled it.
    Cancel,
    /// It ran longer than `--timeout`.
    Timeout,
    /// It made no progress for `--stall`.
    Stall,
    /// plimsoll is shutting down; the job goes back into the queue.
    Shutdown,
    /// Memory ran short; the job goes back into the queue with a larger reserve.
    Memory,
}

/// How far a running job is, by media time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Share of the input's duration written, 0 to 1; `None` when the duration is not known.
    pub ratio: Option<f64>,
    /// Frames written.
    pub frame: u64,
    /// Frames per second, as ffmpeg reports.
    pub fps: f64,
    /// Media seconds per second.
    pub speed: f64,
    /// Media time written.
    pub out_time: Duration,
    /// Bytes written.
    pub written: Bytes,
    /// Seconds left at this speed; `None` when it cannot be told.
    pub eta_seconds: Option<u64>,
}

/// A line of a job's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, for people.
    pub at: Wall,
    /// How much it matters.
    pub level: LogLevel,
    /// Sanitised text.
    pub text: String,
}

/// The whole log of a job's try, as it stands on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WholeLog {
    /// The lines, oldest first.
    pub lines: Vec<LogLine>,
    /// What stands before them and was not read, because there is too much of it.
    pub left_out: Bytes,
}

impl WholeLog {
    /// The command line of the job's try, from the [`first_line`]; `None` where the beginning of the log was not read.
    pub fn command(&self, job: JobId) -> Option<&str> {
        let first = self.lines.first().filter(|_| self.left_out == Bytes::ZERO)?;
        let rest = first.text.strip_prefix(&begin_of_first_line(job))?;
        Some(rest.split_once(": ")?.1)
    }
}

/// The first line of a job's log: the job, its try and its command line. The event of the line has the same words as the file, so that
/// a program that reads both can match them.
pub fn first_line(job: JobId, attempt: u32, command: &str) -> String {
    format!("{}{attempt}: {command}", begin_of_first_line(job))
}

fn begin_of_first_line(job: JobId) -> String {
    format!("job {job}, try ")
}

/// How much a log line matters, and who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// What ffmpeg or plimsoll tells in passing.
    Info,
    /// Memory and cleanups.
    Memory,
    /// ffmpeg warns.
    Warning,
    /// ffmpeg says that something failed.
    Error,
}
