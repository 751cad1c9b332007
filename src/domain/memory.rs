//! What is known of memory at one moment, and the lines it is held against.
//!
//! Three sums are carried, because each alone misleads: *usage* (everything charged, page cache included), *working set*
//! (usage − inactive file cache, as Kubernetes counts) and *hard* (what the kernel cannot drop).

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::job::JobId;
use super::profile::{Mark, MemoryMarks, REFERENCE_BUDGET};
use super::time::Mono;
use super::units::Bytes;

/// From this share of the load line on, memory is near it.
pub const ELEVATED_SHARE: f64 = 0.85;

/// This share of the budget is left even to a job that runs alone, for file cache and the kernel itself.
const LAST_SHARE: f64 = 0.04;
/// At least so much of it: the file cache that a process alone cannot do without is small.
const LAST_BYTES: Bytes = Bytes::mib(8);

/// How near memory is to the line. Ordered: a later level is worse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Well under the line.
    #[default]
    Normal,
    /// Within 15 % of the line (working set).
    Elevated,
    /// Over the line (working set): cleanups run.
    High,
    /// Over 90 % of the budget with memory that cannot be dropped.
    Critical,
}

impl Level {
    /// The words that the screen shows.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Normal => "under the line",
            Self::Elevated => "near the line",
            Self::High => "over the line",
            Self::Critical => "near the limit",
        }
    }
}

/// How much memory there is to use, and who says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// What may be used at most.
    pub bytes: Bytes,
    /// Where that number comes from.
    pub source: BudgetSource,
    /// What the container or the machine really has; at least `bytes`.
    pub available: Bytes,
}

/// Who set the budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetSource {
    /// A number given by the operator: flag, environment or settings file.
    Operator,
    /// A number in the profile.
    Profile,
    /// The limit of a cgroup; the file it was read from.
    Cgroup(PathBuf),
    /// The machine's memory: no smaller limit was found.
    Machine,
}

impl fmt::Display for BudgetSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("--budget"),
            Self::Profile => f.write_str("profile"),
            Self::Cgroup(file) => write!(f, "{}", super::text::path_text(file)),
            Self::Machine => f.write_str("machine (MemTotal)"),
        }
    }
}

/// Whose memory the three sums count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything in the container whose limit is the budget.
    Container,
    /// Everything on the machine: its memory is the budget.
    #[default]
    Machine,
    /// plimsoll, its jobs and their files only: the operator gave a smaller budget than there is. What others use
    /// counts as far as it does not fit beside that budget.
    Own,
}

/// One measurement.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MemorySample {
    /// When it was taken, on the run's clock; `None` = just now. One that is not newer than the last is ignored.
    pub taken: Option<Mono>,
    /// Whose memory was counted.
    pub scope: Scope,
    /// Everything charged, page cache included.
    pub usage: Bytes,
    /// Usage without inactive file cache.
    pub working_set: Bytes,
    /// What the kernel cannot drop.
    pub hard: Bytes,
    /// Anonymous memory of this process.
    pub console: Bytes,
    /// File cache within `usage`.
    pub file_cache: Bytes,
    /// Our part and scratch files on a tmpfs, within `hard`.
    pub scratch: Bytes,
    /// Each running job's vital signs.
    pub jobs: BTreeMap<JobId, JobVitals>,
    /// Share of the last 10 s in which some task waited for memory, percent; `None` without PSI.
    pub psi_some_avg10: Option<f32>,
    /// Kills by the kernel for want of memory in this scope, since boot of the scope.
    pub oom_kills: Option<u64>,
    /// The budget as read for this sample.
    pub budget: Option<Budget>,
}

impl MemorySample {
    /// Σ anonymous memory of the jobs.
    pub fn jobs_total(&self) -> Bytes {
        self.jobs.values().map(|vitals| vitals.anon).sum()
    }

    /// Somebody else's share of `hard`.
    pub fn foreign(&self) -> Bytes {
        self.hard - (self.jobs_total() + self.console + self.scratch)
    }
}

/// A running job's vital signs at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JobVitals {
    /// Anonymous memory of all the job's processes.
    pub anon: Bytes,
    /// CPU time used so far, in milliseconds.
    pub cpu_ms: u64,
}

/// Where the marks stand under one budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lines {
    /// The budget itself.
    pub budget: Bytes,
    /// 85 % of `high_water`.
    pub elevated: Bytes,
    /// The load line: cleanup starts here.
    pub high_water: Bytes,
    /// The alarm ends here.
    pub low_water: Bytes,
    /// 90 % of the budget.
    pub critical: Bytes,
    /// Kept for the console and sshd.
    pub reserve: Bytes,
    /// What somebody else may use without it counting against the line: a budget above 2 GB with marks in bytes
    /// leaves the rest to others.
    pub allowance: Bytes,
}

impl Lines {
    /// The lines of `marks` under `budget`.
    pub fn new(marks: &MemoryMarks, budget: Bytes) -> Self {
        let high_water = marks.high_water.under(budget).min(budget);
        let basis = match marks.high_water {
            Mark::Bytes(_) => budget.min(REFERENCE_BUDGET.max(high_water)),
            Mark::Share(_) => budget,
        };
        Self {
            budget,
            elevated: high_water.scale(ELEVATED_SHARE),
            high_water,
            low_water: marks.low_water.under(budget).min(high_water),
            critical: budget.scale(0.9),
            reserve: marks.reserve,
            allowance: budget - basis,
        }
    }

    /// How far a job may go that runs alone and was foreseen to go so far: a little under the budget, so that the kernel
    /// keeps something to work with. Never below `critical`.
    pub fn last(&self) -> Bytes {
        (self.budget - self.budget.scale(LAST_SHARE).max(LAST_BYTES)).max(self.critical)
    }

    /// Right end of the gauge: the budget, or the 2 GB that marks in bytes are meant for.
    pub fn gauge_end(&self) -> Bytes {
        self.budget - self.allowance
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::profile::GUIDE_MARKS;

    #[test]
    fn a_two_gigabyte_box_has_the_lines_of_the_guide() {
        let lines = Lines::new(&GUIDE_MARKS, Bytes::gib(2));
        assert_eq!(lines.high_water, Bytes::mib(1536));
        assert_eq!(lines.elevated.whole(), "1306 MB");
        assert_eq!(lines.critical.whole(), "1843 MB");
        assert_eq!(lines.allowance, Bytes::ZERO);
    }

    #[test]
    fn a_job_alone_may_go_nearer_to_the_budget_where_that_leaves_enough() {
        assert_eq!(Lines::new(&GUIDE_MARKS, Bytes::gib(2)).last().whole(), "1966 MB");
        let small = Lines::new(&GUIDE_MARKS, Bytes::mib(256));
        assert_eq!(small.last().whole(), "246 MB");
        assert_eq!(Lines::new(&GUIDE_MARKS, Bytes::mib(64)).last(), Lines::new(&GUIDE_MARKS, Bytes::mib(64)).critical);
    }

    #[test]
    fn a_larger_machine_leaves_the_rest_to_others() {
        let lines = Lines::new(&GUIDE_MARKS, Bytes::gib(24));
        assert_eq!(lines.high_water, Bytes::mib(1536));
        assert_eq!(lines.allowance, Bytes::gib(22));
        assert_eq!(lines.gauge_end(), Bytes::gib(2));
    }

    #[test]
    fn absurd_budgets_do_not_overflow() {
        for budget in [0, 1, u64::MAX] {
            let lines = Lines::new(&GUIDE_MARKS, Bytes(budget));
            assert!(lines.low_water <= lines.high_water && lines.high_water <= lines.budget);
        }
    }
}
