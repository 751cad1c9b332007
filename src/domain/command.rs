//! What a front end may ask of the engine. Commands ask; whether anything came of it is told by events.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::job::{JobId, Rank};
use super::profile::Profile;

/// Who asked: one attached front end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientId(pub u64);

/// Which of its requests, so that the reply can be matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// A request to the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Queue files, and folders recursively.
    Enqueue {
        /// Absolute paths.
        paths: Vec<PathBuf>,
        /// Name of the preset; `None` = the run's preset.
        preset: Option<String>,
    },
    /// Queue files again that were taken off the list, at the places that they had.
    PutBack {
        /// Absolute paths, each with its place: lower runs sooner.
        jobs: Vec<(PathBuf, Rank)>,
        /// Name of the preset.
        preset: String,
    },
    /// End a job for good; a waiting one at once, a running one after it stopped.
    Cancel(JobId),
    /// Run a finished job again.
    Retry(JobId),
    /// Let a job in that was rejected for its size.
    Allow(JobId),
    /// Change a waiting job's place.
    Move(JobId, MoveTo),
    /// The same for each of these jobs, in the order of the queue. Those that cannot are told in one refusal; the others are
    /// done all the same.
    Each(Vec<JobId>, JobRequest),
    /// Give waiting jobs these places again: lower runs sooner.
    Place(Vec<(JobId, Rank)>),
    /// Take a job that is not running off the list.
    Remove(JobId),
    /// Stop a running job's processes where they are (SIGSTOP); its memory stays.
    PauseJob(JobId),
    /// Let a paused job go on.
    ResumeJob(JobId),
    /// Start no further jobs; those that run go on.
    Pause,
    /// Start jobs again.
    Resume,
    /// Go on under another profile. Fewer slots drain, they never kill.
    SelectProfile(Box<Profile>),
    /// Go on under a profile that stands in no file, as [`Command::SelectProfile`] does. It is checked as a file would be.
    UseProfile(Box<Profile>),
    /// Run the harmless cleanups now.
    CleanNow,
    /// Run what is queued, take nothing new, then finish.
    Drain,
    /// Take [`Command::Drain`] back: files are taken again, and the run goes on when the queue is empty.
    Undrain,
    /// End: start nothing, stop what runs, put it back into the queue. A second one kills at once.
    Shutdown,
    /// The console is about to be stopped by the terminal (Ctrl-Z): stop every running job first.
    Suspend,
    /// The console goes on: let the jobs go on that [`Command::Suspend`] stopped.
    Continue,
}

/// What can be asked for several jobs at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobRequest {
    /// As [`Command::Cancel`].
    Cancel,
    /// As [`Command::Retry`].
    Retry,
    /// As [`Command::Allow`].
    Allow,
    /// As [`Command::Remove`].
    Remove,
    /// As [`Command::PauseJob`].
    Pause,
    /// As [`Command::ResumeJob`].
    Resume,
    /// As [`Command::Move`]: the jobs keep their order among themselves.
    Move(MoveTo),
}

/// Where to move a waiting job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveTo {
    /// Before its predecessor.
    Sooner,
    /// After its successor.
    Later,
    /// To the front.
    First,
    /// To the end.
    Last,
}

/// Why a request was refused: an operator's mistake, shown where it was asked. Says what and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection(pub String);

impl std::fmt::Display for Rejection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Rejection {}
