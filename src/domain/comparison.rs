//! What a comparison of profiles is made of: the figures of each run, medians over the runs of one column, and whether
//! the guide's words hold for what was measured.
//!
//! Folds the same events that every front end sees; knows nothing of how the runs were made.

pub mod figure;
pub mod saved;
pub mod tally;
pub mod under_way;
pub mod words;

pub use self::figure::{Figure, Spread};
pub use self::tally::{OutputPlace, Tally};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::profile::GuideWords;
use super::units::Bytes;

/// Figures that differ by less than this share are the same: two runs of one queue differ by as much.
pub const SAME_WITHIN: f64 = 0.05;
/// Most points that a memory curve keeps.
pub const CURVE_POINTS: usize = 400;

/// Which run of a comparison something belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RunTag {
    /// Its number, from 1.
    pub number: u32,
    /// Runs in all.
    pub of: u32,
    /// Which time the queue is run under this profile, from 1.
    pub round: u32,
    pub profile: String,
    /// False = the naive baseline.
    pub governor: bool,
}

/// A point of a memory curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Seconds since the run began.
    pub seconds: f64,
    /// What the run held then that the kernel cannot drop.
    pub hard_bytes: Bytes,
}

/// The content of an output.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OutputHash {
    /// The input it was made from, as text.
    pub input: String,
    /// The preset it was made with.
    pub preset: String,
    /// BLAKE3 of its bytes, in hex.
    pub blake3: String,
}

/// What was measured from outside of a run, by whoever started it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outside {
    /// Processor time of the run and all its children, in seconds.
    pub cpu_seconds: f64,
    /// Highest usage of the run's own group, page cache included; `None` where it had none.
    pub peak_usage: Option<Bytes>,
    /// What the run's own group held that the kernel cannot drop, over time; empty where it had none.
    pub curve: Vec<CurvePoint>,
    /// How it ended, where that was not as a run ends.
    pub trouble: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunFigures {
    /// It went to its end; else the figures are of what was seen of it.
    pub whole: bool,
    /// Why it did not go to its end.
    pub trouble: Option<String>,
    /// What might be used at most.
    pub budget_bytes: Bytes,
    /// Where that was read, or who said so.
    pub budget_source: String,
    /// The load line.
    pub high_water_bytes: Bytes,
    /// Highest memory of the run itself that the kernel cannot drop.
    pub peak_memory_bytes: Bytes,
    /// Highest such memory with that of others who were counted.
    pub peak_with_others_bytes: Bytes,
    /// Highest usage, page cache included.
    pub peak_usage_bytes: Bytes,
    /// Both peaks were taken from the run's own memory cgroup; else from the run's samples.
    pub measured_in_group: bool,
    /// How long memory was over the line.
    pub seconds_over_high_water: f64,
    /// Makespan: from the first job's arrival to the last one's end, in seconds.
    pub seconds: f64,
    /// Length of all media of the jobs that were done, in seconds.
    pub media_seconds: f64,
    /// Media seconds per second.
    pub throughput: f64,
    /// Processor time of the run and its children, in seconds.
    pub cpu_seconds: f64,
    /// Most jobs at once.
    pub most_at_once: u32,
    /// Jobs done.
    pub done: u64,
    /// Rejected: larger than the profile's limit.
    pub too_large: u64,
    /// Rejected: can never fit into the budget.
    pub never_fits: u64,
    /// Rejected for what the file is.
    pub not_accepted: u64,
    /// Failed, timed out, stalled or cancelled.
    pub failed: u64,
    /// Lost for want of memory.
    pub out_of_memory: u64,
    /// Never ended.
    pub unfinished: u64,
    /// Cleanups.
    pub cleanups: u64,
    /// What they freed.
    pub freed_bytes: Bytes,
    /// Times that a job had to wait for memory.
    pub holds: u64,
    /// Times that a job was stopped where it was for want of memory.
    pub stops: u64,
    /// Times that a job went back into the queue.
    pub requeues: u64,
    /// Tries of the run's jobs that the kernel ended for want of memory. The summary's own count may be the machine's.
    pub oom_kills: u64,
    /// Memory over time, thinned out; peaks are kept.
    pub curve: Vec<CurvePoint>,
    pub outputs: Vec<OutputHash>,
}

impl RunFigures {
    /// Jobs that were begun or waited to be.
    pub fn taken(&self) -> u64 {
        self.done + self.failed + self.out_of_memory + self.unfinished
    }

    /// What went wrong on the way, whether or not it was made good: jobs lost, stopped or run again. Kills by the kernel are
    /// among those; what it killed of others on the machine is none of the profile's.
    pub fn mishaps(&self) -> u64 {
        self.failed + self.out_of_memory + self.unfinished + self.stops + self.requeues
    }
}

/// One profile, governed or not, with all its runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    pub profile: String,
    /// Slots and largest file in MB: `2/200`.
    pub short: String,
    /// False = the naive baseline.
    pub governor: bool,
    /// The guide's words for the profile.
    pub guide: GuideWords,
    /// The runs, in their order.
    pub runs: Vec<RunFigures>,
}

impl Column {
    /// `balanced`, `naive balanced`.
    pub fn name(&self) -> String {
        if self.governor { self.profile.clone() } else { format!("naive {}", self.profile) }
    }

    /// Median and spread of a figure over the runs that went to their end; over all when none did.
    pub fn spread(&self, figure: Figure) -> Spread {
        let any_whole = self.runs.iter().any(|run| run.whole);
        Spread::of(self.runs.iter().filter(|run| run.whole || !any_whole).map(|run| figure.of(run)))
    }

    /// The run whose peak is the median one: the one that curves are drawn of.
    pub fn typical(&self) -> Option<&RunFigures> {
        let median = self.spread(Figure::PeakMemoryBytes).median;
        self.runs.iter().min_by_key(|run| run.peak_memory_bytes.0.abs_diff(median as u64))
    }
}

/// What of the guide's table a verdict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// "Memory Usage", measured as the peak.
    Memory,
    /// "Processing Speed", measured as throughput: profiles that reject more do less.
    Speed,
    /// "Reliability", measured as mishaps (jobs lost, stopped or run again) per job taken.
    Reliability,
}

/// A word of the guide beside what was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub profile: String,
    /// About what.
    pub aspect: Aspect,
    /// The guide's word.
    pub word: String,
    /// The order of the measured figures is the order of the words; `None` = there is nothing to hold it against.
    pub agrees: Option<bool>,
    /// Nobody lost anything under any profile: the measure does not tell them apart.
    #[serde(default)]
    pub alike: bool,
    /// What was measured, in words.
    pub measured: String,
}

/// What a comparison is made of, in words, for the head of its reports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Subject {
    /// plimsoll's version.
    pub version: String,
    /// When it began, as `2026-11-22T12:03:58.120Z`.
    #[serde(rename = "begun")]
    pub at: String,
    /// Inputs in the queue.
    pub inputs: u64,
    /// What was given to be compared, as it was given; of many the first.
    pub paths: Vec<String>,
    /// Name of the preset.
    pub preset: String,
}

/// A comparison, as far as it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// One for each profile, first the governed, then the naive.
    pub columns: Vec<Column>,
    /// Runs of each that were asked for.
    #[serde(rename = "runs_each")]
    pub rounds: u32,
    /// The limit of each run's own group, where one was asked for.
    pub limit_bytes: Option<Bytes>,
    /// Why that limit could not be set.
    pub limit_refused: Option<String>,
    /// It was ended before its end.
    pub interrupted: bool,
    /// Processors of the machine.
    #[serde(rename = "processors")]
    pub cores: u32,
    /// Tasks that ran or wanted to in the minute before the first run; `None` where it is not told.
    pub load_before: Option<f64>,
}

/// Whether all outputs hold the same bytes under every profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SameBytes {
    /// Inputs whose outputs of two runs or more were compared.
    pub inputs: u64,
    /// Outputs compared.
    pub outputs: u64,
    /// Inputs whose outputs differ.
    pub differing: Vec<String>,
}

impl Comparison {
    /// Compares the outputs of all runs, by input and preset. What one run did not make is nothing to compare.
    pub fn same_bytes(&self) -> SameBytes {
        // Two inputs of one path cannot be in one queue, so path and preset name an output.
        let mut seen: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for output in self.columns.iter().flat_map(|column| &column.runs).flat_map(|run| &run.outputs) {
            seen.entry((&output.input, &output.preset)).or_default().push(&output.blake3);
        }
        let mut same = SameBytes::default();
        for ((input, _), hashes) in seen.into_iter().filter(|(_, hashes)| hashes.len() > 1) {
            same.inputs += 1;
            same.outputs += hashes.len() as u64;
            if hashes.iter().any(|hash| *hash != hashes[0]) {
                same.differing.push(input.to_owned());
            }
        }
        same
    }

    /// Every governed profile's words beside what was measured; of those that were not run there are none.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let governed: Vec<&Column> = self.columns.iter().filter(|column| column.governor && !column.runs.is_empty()).collect();
        let aspects = [Aspect::Memory, Aspect::Speed, Aspect::Reliability];
        governed.iter().flat_map(|column| aspects.iter().map(|aspect| aspect.verdict(column, &governed))).collect()
    }

    /// No governed job was lost, every run went to its end, and all outputs are the same.
    pub fn is_well(&self) -> bool {
        !self.interrupted && self.columns.iter().all(|column| !column.runs.is_empty()) && self.is_well_so_far()
    }

    /// As [`Comparison::is_well`], of the runs that were made; false when there is none that did a job.
    pub fn is_well_so_far(&self) -> bool {
        let is_well = |run: &RunFigures| run.failed + run.out_of_memory + run.unfinished == 0;
        let runs = || self.columns.iter().flat_map(|column| &column.runs);
        let governed = self.columns.iter().filter(|column| column.governor).flat_map(|column| &column.runs);
        runs().any(|run| run.done > 0)
            && runs().all(|run| run.whole)
            && governed.into_iter().all(is_well)
            && self.same_bytes().differing.is_empty()
    }
}

impl Aspect {
    /// The name in tables.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Speed => "speed",
            Self::Reliability => "reliability",
        }
    }

    const fn word(self, guide: &GuideWords) -> &String {
        match self {
            Self::Memory => &guide.memory,
            Self::Speed => &guide.speed,
            Self::Reliability => &guide.reliability,
        }
    }

    /// Where a word stands on its scale; a word of somebody's own stands nowhere.
    fn rank(self, word: &str) -> Option<u8> {
        let scale: &[&str] = match self {
            Self::Speed => &["very slow", "slow", "medium", "fast", "very fast"],
            _ => &["very low", "low", "medium", "high", "very high"],
        };
        scale.iter().position(|known| word.trim().eq_ignore_ascii_case(known)).map(|rank| rank as u8)
    }

    /// What is measured; larger is more of what the word says.
    fn value(self, column: &Column) -> f64 {
        match self {
            Self::Memory => column.spread(Figure::PeakMemoryBytes).median,
            Self::Speed => column.spread(Figure::Throughput).median,
            Self::Reliability => {
                let mishaps: u64 = column.runs.iter().map(RunFigures::mishaps).sum();
                let taken: u64 = column.runs.iter().map(RunFigures::taken).sum();
                -(mishaps as f64 / taken.max(1) as f64)
            }
        }
    }

    fn text(self, column: &Column) -> String {
        match self {
            Self::Memory => Figure::PeakMemoryBytes.text(self.value(column)),
            Self::Speed => Figure::Throughput.text(self.value(column)),
            Self::Reliability => {
                let mishaps: u64 = column.runs.iter().map(RunFigures::mishaps).sum();
                let taken: u64 = column.runs.iter().map(RunFigures::taken).sum();
                format!("{mishaps}/{taken}")
            }
        }
    }

    /// What the bare figure is of.
    const fn unit(self) -> &'static str {
        match self {
            Self::Reliability => " mishaps",
            _ => "",
        }
    }

    /// The word agrees when, against every column with another word, the figures differ by more than [`SAME_WITHIN`] in
    /// the direction of the words.
    fn verdict(self, column: &Column, all: &[&Column]) -> Verdict {
        let word = self.word(&column.guide).clone();
        let rank = self.rank(&word);
        let others = all.iter().filter(|other| other.name() != column.name());
        let others = others.filter_map(|other| Some((self.rank(self.word(&other.guide))?, *other)));
        let others: Vec<(u8, &Column)> = others.filter(|(other, _)| rank.is_some_and(|rank| rank != *other)).collect();
        let own = self.value(column);
        let holds = |rank: u8, (other_rank, other): &(u8, &Column)| {
            let theirs = self.value(other);
            let is_clear = (own - theirs).abs() > SAME_WITHIN * own.abs().max(theirs.abs());
            is_clear && (own > theirs) == (rank > *other_rank)
        };
        let against: Vec<&&Column> =
            rank.map_or(Vec::new(), |rank| others.iter().filter(|other| !holds(rank, other)).map(|(_, other)| other).collect());
        let is_flawless = |column: &Column| column.runs.iter().all(|run| run.mishaps() == 0);
        let alike = self == Self::Reliability
            && rank.is_some()
            && !others.is_empty()
            && is_flawless(column)
            && others.iter().all(|(_, other)| is_flawless(other));
        let agrees = rank.filter(|_| !others.is_empty() && !alike).map(|_| against.is_empty());
        let shown = if against.is_empty() { others.iter().map(|(_, other)| other).collect() } else { against };
        let shown: Vec<String> = shown.iter().map(|other| format!("{} {}", other.profile, self.text(other))).collect();
        let measured = format!("{}{}", self.text(column), self.unit());
        let measured = if shown.is_empty() { measured } else { format!("{measured}; {}", shown.join(", ")) };
        Verdict { profile: column.profile.clone(), aspect: self, word, agrees, alike, measured }
    }
}

#[cfg(test)]
#[path = "comparison_tests.rs"]
mod tests;
