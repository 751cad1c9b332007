//! Parts of what is known: why the queue is held, the history of memory, warnings, notices, logs, totals.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::event::{JobCounts, Seq};
use crate::domain::job::{JobId, LogLine};
use crate::domain::profile::SlotLimit;
use crate::domain::time::{Mono, Wall};
use crate::domain::units::Bytes;

/// A job that waits for memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub job: JobId,
    /// What it needs.
    pub needs: Bytes,
    /// What is free under the line, without what is kept.
    pub free: Bytes,
    /// What is kept beside that for the console, and not used.
    #[serde(default)]
    pub kept: Bytes,
}

impl Held {
    /// What it needs and what is free, so that the sum can be checked: what is kept is named where there is any.
    pub fn words(&self) -> String {
        let mb = |bytes: Bytes| format!("{:.0} MB", bytes.as_mb());
        let (needs, free) = (mb(self.needs), mb(self.free));
        match self.kept {
            kept if kept < Bytes::mib(1) => format!("needs {needs}, {free} free"),
            kept => format!("needs {needs}; {free} are free after the {} that are kept", mb(kept)),
        }
    }
}

/// What a profile that decides its slots itself aims at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Jobs at once.
    pub at_once: u32,
    /// What keeps it from starting another one.
    pub limit: SlotLimit,
    /// The same in words, with the figures.
    pub why: String,
}

/// Memory in one second: the highest of its samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HistoryPoint {
    /// Whole seconds since the run began.
    pub second: u64,
    /// What counts against the line.
    pub counted: Bytes,
    /// What the kernel cannot drop.
    pub hard: Bytes,
    /// A cleanup began in this second.
    pub cleanup: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub evidence: String,
    /// What to do.
    pub advice: String,
    /// The profile that the advice names, if it names one: it can be switched to.
    #[serde(default)]
    pub profile: Option<String>,
    /// Since when.
    pub since: Mono,
}

/// Something the operator ought to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// When, for people.
    pub at: Wall,
    /// When it came.
    pub mono: Mono,
    pub text: String,
}

/// The latest lines of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRing {
    /// The lines, oldest first.
    pub lines: VecDeque<LogLine>,
    /// Lines ever written.
    pub total: u64,
    /// The last event that touched it.
    pub touched: Seq,
}

/// Sums over the whole run. Peaks and what is known of the line begin anew together, where memory is summed in another way
/// from then on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Profiles that were in force before the one that is now, each once, in order.
    #[serde(default)]
    pub earlier_profiles: Vec<String>,
    /// Since when memory is summed as it is now, where that was not so from the beginning: peaks, crossings and the time over
    /// the line are of this part of the run.
    #[serde(default)]
    pub measured_since: Option<(Mono, Wall)>,
    /// Highest `hard` seen.
    pub peak_hard: Bytes,
    /// Highest usage seen.
    pub peak_usage: Bytes,
    /// Highest counted working set seen.
    pub peak_counted: Bytes,
    /// Time over the line.
    pub over_line: Duration,
    /// Times the line was crossed upwards.
    pub crossings: u64,
    /// Since when memory is over the line.
    pub over_since: Option<Mono>,
    /// Finished cleanups.
    pub cleanups: u64,
    /// What they freed.
    pub freed: Bytes,
    /// Those that freed nothing.
    #[serde(default)]
    pub cleanups_without_gain: u64,
    /// Times a job had to wait for memory.
    pub holds: u64,
    /// Times a job was stopped where it was for want of memory.
    pub stops: u64,
    /// Times a job went back into the queue.
    pub requeues: u64,
    /// Those of them after a try that counts: a failure that may pass, or memory that ran out.
    #[serde(default)]
    pub retries: u64,
    /// Tries of the run's own jobs that the kernel ended for want of memory. What it kills of others is none of them.
    pub oom_kills: u64,
    /// Jobs that ended and were taken off the list.
    #[serde(default)]
    pub cleared: JobCounts,
    /// Rejected jobs that were taken off the list. One that is put back is looked at again, and is none of them.
    #[serde(default)]
    pub cleared_rejected: BTreeSet<JobId>,
}
