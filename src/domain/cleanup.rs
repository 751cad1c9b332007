//! A cleanup: one action that gives memory back, why it was taken, and what it really freed.

use serde::{Deserialize, Serialize};

use super::job::JobId;
use super::time::{Mono, Wall};
use super::units::Bytes;

/// Number of a cleanup, rising by one from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CleanupId(pub u64);

/// Why a cleanup was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CleanupTrigger {
    /// A job is about to start.
    BeforeJob,
    /// A job has ended well.
    AfterJob,
    /// A job has failed or was stopped.
    AfterFailure,
    /// Memory crossed the high-water mark.
    HighWater,
    /// The operator asked.
    Operator,
}

/// What is done about memory. The first three are cleanups, carried out by the host; the others are done to the queue and to jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CleanupAction {
    /// Drop the page cache of files that jobs have read or written.
    DropFileCache,
    /// Remove part files that belong to no running job.
    RemoveScratch,
    /// Give this process's free heap back to the kernel.
    TrimHeap,
    /// Start no further jobs until memory is well below the line. Frees nothing by itself.
    HoldStarts,
    /// Stop a job where it is (SIGSTOP): it grows no further, what it holds stays.
    StopJob,
    /// Kill a job and put it back into the queue with a larger reserve.
    KillJob,
}

impl CleanupAction {
    /// It removes part files, so the host lets go of them first.
    pub const fn removes_parts(self) -> bool {
        match self {
            Self::RemoveScratch => true,
            Self::DropFileCache | Self::TrimHeap | Self::HoldStarts | Self::StopJob | Self::KillJob => false,
        }
    }

    /// The words of screens, lines and logs; the screen has room for 16 characters.
    pub const fn label(self) -> &'static str {
        match self {
            Self::DropFileCache => "drop file cache",
            Self::RemoveScratch => "remove scratch",
            Self::TrimHeap => "trim heap",
            Self::HoldStarts => "hold starts",
            Self::StopJob => "stop job",
            Self::KillJob => "kill job",
        }
    }
}

/// Did it help?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CleanupVerdict {
    /// It freed what it went for.
    Effective,
    /// It freed some of it.
    Partial,
    /// It freed nothing.
    Futile,
    /// What it freed could not be measured.
    Unverifiable,
}

/// A cleanup as the console lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CleanupRecord {
    pub id: CleanupId,
    /// When it began.
    pub at: Mono,
    /// When it began, for people.
    pub wall: Wall,
    /// Why.
    pub trigger: CleanupTrigger,
    /// The job it belongs to.
    pub job: Option<JobId>,
    /// What was done.
    pub action: CleanupAction,
    /// Memory in use before: the number that crossed the mark, else usage.
    pub before: Bytes,
    /// The result; `None` while it runs.
    pub result: Option<CleanupResult>,
}

/// What a finished cleanup measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanupResult {
    /// Usage just before the action.
    pub before: Bytes,
    /// Usage just after the action.
    pub after: Bytes,
    /// Bytes that this action freed, by direct measurement of what it acted on: resident pages of the files, blocks of
    /// the removed files, anonymous memory of this process. Never more than that.
    pub freed: Bytes,
    /// How long the action took, in milliseconds.
    pub millis: u64,
    /// Did it help?
    pub verdict: CleanupVerdict,
}
