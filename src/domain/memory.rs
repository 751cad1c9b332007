//! What is known of memory at one moment, and the lines it is held against.
//!
//! Three sums are carried, because each alone misleads: *usage* (everything charged, page cache included), *working set*
//! (usage − inactive file cache, as Kubernetes counts) and *hard* (what the kernel cannot drop).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::job::JobId;
use super::profile::{Mark, MemoryMarks};
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
    /// All of them, the best first.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Elevated, Self::High, Self::Critical];

    /// Its name for programs, as events tell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Elevated => "elevated",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The words that the screen shows.
    pub const fn label(self) -> &'static str {
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
    /// Who gives `available`.
    pub there: There,
    /// What the operator asked for, whether or not that is the number that counts. With it profiles have no say.
    pub asked: Option<Asked>,
}

/// What holds all that runs here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum There {
    /// The machine: no smaller limit was found.
    Machine,
    /// A cgroup with a limit; the file it was read from.
    Container(PathBuf),
}

/// A budget that the operator has given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// So much; `None` = all there is.
    pub bytes: Option<Bytes>,
    /// How it was given: `--budget`, a variable, the settings file.
    pub by: String,
}

impl Budget {
    /// The smaller of what there is and what was asked for: by the operator, else by the profile.
    pub fn new((available, there): (Bytes, There), asked: Option<Asked>, profile: Option<Bytes>) -> Self {
        let said = match &asked {
            Some(asked) => asked.bytes.map(|bytes| (bytes, BudgetSource::Operator)),
            None => profile.map(|bytes| (bytes, BudgetSource::Profile)),
        };
        let whole = match &there {
            There::Machine => BudgetSource::Machine,
            There::Container(file) => BudgetSource::Cgroup(file.clone()),
        };
        let (bytes, source) = said.filter(|(bytes, _)| *bytes < available).unwrap_or((available, whole));
        Self { bytes, source, available, there, asked }
    }

    /// The budget here under a profile that names this one; `None` = all there is.
    #[must_use]
    pub fn under(&self, profile: Option<Bytes>) -> Self {
        Self::new((self.available, self.there.clone()), self.asked.clone(), profile)
    }

    /// Where the number comes from, in plain words: `profile balanced; the machine has 23.5 GB`.
    pub fn words(&self, profile: &str) -> String {
        let (place, available) = match self.there {
            There::Machine => ("machine", self.available),
            There::Container(_) => ("container", self.available),
        };
        let said = match (&self.source, &self.asked) {
            (BudgetSource::Operator, Some(asked)) => return asked.by.clone(),
            (BudgetSource::Operator | BudgetSource::Profile, _) => {
                return format!("profile {profile}; the {place} has {available}");
            }
            (BudgetSource::Cgroup(file), _) => {
                let text = super::text::path_text(file);
                match text.rsplit_once('/') {
                    Some((folder, name)) if !folder.is_empty() => format!("the container's limit ({name} of {folder})"),
                    _ => format!("the container's limit ({text})"),
                }
            }
            (BudgetSource::Machine, _) => "the machine's memory (MemTotal)".to_owned(),
        };
        let asked = self.asked.as_ref().and_then(|asked| Some((&asked.by, asked.bytes?)));
        match asked.filter(|(_, bytes)| *bytes > self.available) {
            Some((by, bytes)) => format!("{said}; {by} asks for {bytes}, more than there is"),
            None => said,
        }
    }
}

/// Who set the budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetSource {
    /// A number given by the operator: flag, environment or settings file; [`Asked`] says which.
    Operator,
    /// A number in the profile.
    Profile,
    /// The limit of a cgroup; the file it was read from.
    Cgroup(PathBuf),
    /// The machine's memory: no smaller limit was found.
    Machine,
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
    /// plimsoll, its jobs and their files only: the budget is smaller than what there is. What others use counts as far as
    /// it does not fit beside that budget.
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
    /// In a container usage without inactive file cache, else what cannot be dropped and the file cache of ended jobs.
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
    /// What somebody else may use without it counting: of a budget above that which marks in bytes are meant for the rest
    /// is left to others.
    pub allowance: Bytes,
    /// The load line as the profile has it in bytes, where it was scaled down to this budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaled_from: Option<Bytes>,
}

impl Lines {
    /// The lines of `marks` under `budget`.
    pub fn new(marks: &MemoryMarks, budget: Bytes) -> Self {
        let meant_for = marks.meant_for();
        let high_water = marks.high_water.under(budget, meant_for).min(budget);
        let basis = match marks.high_water {
            Mark::Bytes(_) => budget.min(meant_for.max(high_water)),
            Mark::Share(_) => budget,
        };
        Self {
            budget,
            elevated: high_water.scale(ELEVATED_SHARE),
            high_water,
            low_water: marks.low_water.under(budget, meant_for).min(high_water),
            critical: budget.scale(0.9),
            reserve: marks.reserve,
            allowance: budget - basis,
            scaled_from: match marks.high_water {
                Mark::Bytes(written) if budget < meant_for => Some(written),
                _ => None,
            },
        }
    }

    /// Where the load line stands, in words: `384 MB, scaled down from 1536 MB with the budget`.
    pub fn line_words(&self) -> String {
        let scaled = self.scaled_from.map(|from| format!(", scaled down from {} with the budget", from.whole()));
        self.high_water.whole() + &scaled.unwrap_or_default()
    }

    /// How far a job may go that runs alone and was foreseen to go so far: a little under the budget, so that the kernel
    /// keeps something to work with. Never below `critical`.
    pub fn last(&self) -> Bytes {
        (self.budget - self.budget.scale(LAST_SHARE).max(LAST_BYTES)).max(self.critical)
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
        assert_eq!(lines.line_words(), "1536 MB");
    }

    #[test]
    fn under_a_smaller_budget_the_marks_in_bytes_are_scaled_down_and_it_is_told() {
        let lines = Lines::new(&GUIDE_MARKS, Bytes::mib(512));
        assert_eq!(lines.line_words(), "384 MB, scaled down from 1536 MB with the budget");
        let share = MemoryMarks { high_water: Mark::Share(0.75), ..GUIDE_MARKS };
        assert_eq!(Lines::new(&share, Bytes::mib(512)).line_words(), "384 MB", "a share is one of any budget");
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
    }

    #[test]
    fn a_profile_that_names_its_budget_means_its_sizes_as_they_are_written() {
        let marks = MemoryMarks {
            budget: Some(Bytes::gib(1)),
            high_water: Mark::Bytes(Bytes::mib(700)),
            low_water: Mark::Bytes(Bytes::mib(600)),
            ..GUIDE_MARKS
        };
        let own = Lines::new(&marks, Bytes::gib(1));
        assert_eq!((own.high_water, own.low_water), (Bytes::mib(700), Bytes::mib(600)));
        let half = Lines::new(&marks, Bytes::mib(512));
        assert_eq!((half.high_water, half.low_water), (Bytes::mib(350), Bytes::mib(300)));
        let twice = marks.for_budget(Bytes::gib(2));
        assert_eq!(Lines::new(&twice, Bytes::gib(2)).high_water, Bytes::mib(1400));
    }

    #[test]
    fn the_budget_says_in_plain_words_who_set_it_and_what_became_of_what_was_asked_for() {
        let machine = || (Bytes::mib(24_064), There::Machine);
        let container = || (Bytes::mib(512), There::Container("/sys/fs/cgroup/box/memory.max".into()));
        let asked = |mb, by: &str| Some(Asked { bytes: Some(Bytes::mib(mb)), by: by.to_owned() });
        let words = |place, asked, profile| Budget::new(place, asked, profile).words("balanced");
        let two = Some(Bytes::gib(2));
        assert_eq!(words(machine(), None, two), "profile balanced; the machine has 23.5 GB");
        assert_eq!(words(machine(), asked(840, "PLIMSOLL_BUDGET"), two), "PLIMSOLL_BUDGET");
        assert_eq!(words(machine(), None, None), "the machine's memory (MemTotal)");
        let all = Some(Asked { bytes: None, by: "--budget".to_owned() });
        assert_eq!(words(machine(), all, two), "the machine's memory (MemTotal)");
        assert_eq!(words(container(), None, two), "the container's limit (memory.max of /sys/fs/cgroup/box)");
        assert_eq!(
            words(container(), asked(4096, "--budget"), two),
            "the container's limit (memory.max of /sys/fs/cgroup/box); --budget asks for 4 GB, more than there is"
        );
        let budget = Budget::new(machine(), None, None).under(two);
        assert_eq!((budget.bytes, budget.source), (Bytes::gib(2), BudgetSource::Profile));
        let fixed = Budget::new(machine(), asked(840, "--budget"), None).under(two);
        assert_eq!((fixed.bytes, fixed.source), (Bytes::mib(840), BudgetSource::Operator));
    }

    #[test]
    fn absurd_budgets_do_not_overflow() {
        for budget in [0, 1, u64::MAX] {
            let lines = Lines::new(&GUIDE_MARKS, Bytes(budget));
            assert!(lines.low_water <= lines.high_water && lines.high_water <= lines.budget);
        }
    }
}
