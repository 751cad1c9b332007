//! What a comparison of profiles is made of: the figures of each run, medians over the runs of one column, and whether
//! the guide's words hold for what was measured.
//!
//! Folds the same events that every front end sees; knows nothing of how the runs were made.

pub mod kept;
pub mod under_way;
pub mod words;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::event::{Event, EventKind, RunSummary};
use super::job::{JobId, KERNEL_KILL, Outcome, RejectReason};
use super::profile::GuideWords;
use super::state::State;
use super::text::path_text;
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
    /// The profile.
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

/// The figures of one run.
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
    /// The outputs.
    pub outputs: Vec<OutputHash>,
}

/// Folds the events of one run into its figures.
#[derive(Debug, Default)]
pub struct Tally {
    figures: RunFigures,
    jobs: BTreeMap<JobId, Known>,
    running: BTreeSet<JobId>,
    curve: Vec<CurvePoint>,
    /// For what a summary counts too: of a run that has not told one yet, or never will.
    state: State,
    summary: Option<RunSummary>,
}

#[derive(Debug, Default)]
struct Known {
    input: String,
    preset: String,
    media_seconds: f64,
    rejected: Option<RejectReason>,
    outcome: Option<Outcome>,
    output: Option<std::path::PathBuf>,
}

/// An output that stands, to be hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPlace {
    /// The input it was made from, as text.
    pub input: String,
    /// The preset it was made with.
    pub preset: String,
    /// Where it stands.
    pub path: std::path::PathBuf,
}

impl Tally {
    /// Takes one event more, in their order.
    pub fn apply(&mut self, event: &Event) {
        // What jobs say would be kept for nobody.
        if !matches!(event.kind, EventKind::JobLogged { .. }) {
            self.state.apply(event);
        }
        match &event.kind {
            EventKind::BudgetChanged { budget_bytes, budget_source, lines, .. } => {
                self.figures.budget_bytes = *budget_bytes;
                self.figures.budget_source.clone_from(budget_source);
                self.figures.high_water_bytes = lines.high_water;
            }
            EventKind::JobQueued { job, input, preset, .. } => {
                self.jobs.insert(*job, Known { input: path_text(input), preset: preset.clone(), ..Known::default() });
            }
            EventKind::JobInspected { job, media, .. } => {
                let seconds = media.duration.map_or(0.0, |duration| duration.as_secs_f64());
                self.known(*job).media_seconds = seconds;
            }
            EventKind::JobRejected { job, reason, .. } => self.known(*job).rejected = Some(*reason),
            EventKind::JobAllowed { job, .. } => self.known(*job).rejected = None,
            EventKind::JobStarted { job, .. } => {
                self.running.insert(*job);
                self.figures.most_at_once = self.figures.most_at_once.max(self.running.len() as u32);
            }
            // Its process is gone: what it held may be another's already.
            EventKind::JobFinalizing { job } => {
                self.running.remove(job);
            }
            EventKind::JobRequeued { job, reason, .. } => {
                self.running.remove(job);
                self.figures.requeues += 1;
                self.figures.oom_kills += u64::from(reason.contains(KERNEL_KILL));
            }
            EventKind::JobFinished { job, outcome, output, reason, .. } => {
                self.running.remove(job);
                let is_kill = *outcome == Outcome::OutOfMemory && reason.as_ref().is_some_and(|why| why.contains(KERNEL_KILL));
                self.figures.oom_kills += u64::from(is_kill);
                let known = self.known(*job);
                known.outcome = Some(*outcome);
                known.output.clone_from(output);
            }
            EventKind::MemorySampled(memory) => {
                let own = memory.hard_bytes - memory.foreign_bytes;
                self.figures.peak_memory_bytes = self.figures.peak_memory_bytes.max(own);
                self.figures.peak_with_others_bytes = self.figures.peak_with_others_bytes.max(memory.hard_bytes);
                self.figures.peak_usage_bytes = self.figures.peak_usage_bytes.max(memory.usage_bytes);
                self.figures.seconds = event.mono.0.as_secs_f64();
                self.curve.push(CurvePoint { seconds: self.figures.seconds, hard_bytes: own });
            }
            EventKind::RunFinished(summary) => self.summary = Some(summary.clone()),
            _ => {}
        }
    }

    fn known(&mut self, job: JobId) -> &mut Known {
        self.jobs.entry(job).or_default()
    }

    /// Jobs that were ever queued.
    pub fn jobs(&self) -> u64 {
        self.jobs.len() as u64
    }

    /// The run has told its summary.
    pub fn is_over(&self) -> bool {
        self.summary.is_some()
    }

    /// The outputs that are in place, by the events so far.
    pub fn outputs(&self) -> Vec<OutputPlace> {
        let done = self.jobs.values().filter(|job| job.outcome == Some(Outcome::Done));
        let place = |job: &Known| {
            let path = job.output.clone()?;
            Some(OutputPlace { input: job.input.clone(), preset: job.preset.clone(), path })
        };
        done.filter_map(place).collect()
    }

    /// The figures of the run, with what was measured from outside and what its outputs hold.
    pub fn finish(self, outside: Outside, outputs: Vec<OutputHash>) -> RunFigures {
        let mut figures = self.so_far(outside);
        figures.outputs = outputs;
        figures
    }

    /// The figures as far as the run has come. Jobs that have not ended yet count as such.
    pub fn so_far(&self, outside: Outside) -> RunFigures {
        let mut figures = self.figures.clone();
        for job in self.jobs.values() {
            let count = match (job.outcome, job.rejected) {
                (_, Some(RejectReason::TooLarge)) => &mut figures.too_large,
                (_, Some(RejectReason::NeverFits)) => &mut figures.never_fits,
                (_, Some(_)) => &mut figures.not_accepted,
                (None, None) => &mut figures.unfinished,
                (Some(outcome), None) if outcome.is_success() => {
                    figures.media_seconds += job.media_seconds;
                    &mut figures.done
                }
                (Some(Outcome::OutOfMemory), None) => &mut figures.out_of_memory,
                (Some(_), None) => &mut figures.failed,
            };
            *count += 1;
        }
        figures.whole = self.summary.is_some() && outside.trouble.is_none();
        figures.trouble = outside.trouble;
        if let Some(summary) = &self.summary {
            figures.seconds = summary.seconds;
            figures.seconds_over_high_water = summary.seconds_over_high_water;
            figures.peak_with_others_bytes = figures.peak_with_others_bytes.max(summary.peak_memory_bytes);
            figures.peak_usage_bytes = figures.peak_usage_bytes.max(summary.peak_usage_bytes);
            figures.cleanups = summary.cleanups;
            figures.freed_bytes = summary.freed_bytes;
            figures.holds = summary.holds;
            figures.stops = summary.stops;
            figures.requeues = summary.requeues;
        } else {
            let totals = &self.state.totals;
            figures.seconds_over_high_water = self.state.time_over_line().as_secs_f64();
            figures.cleanups = totals.cleanups;
            figures.freed_bytes = totals.freed;
            figures.holds = totals.holds;
            figures.stops = totals.stops;
        }
        figures.throughput = if figures.seconds > 0.0 { figures.media_seconds / figures.seconds } else { 0.0 };
        figures.cpu_seconds = outside.cpu_seconds;
        if let Some(usage) = outside.peak_usage.filter(|_| !outside.curve.is_empty()) {
            figures.measured_in_group = true;
            figures.peak_usage_bytes = usage;
            figures.peak_memory_bytes = outside.curve.iter().map(|point| point.hard_bytes).max().unwrap_or_default();
        }
        figures.curve = thin(if outside.curve.is_empty() { self.curve.clone() } else { outside.curve });
        figures
    }
}

/// At most [`CURVE_POINTS`] points; of each stretch the highest stays.
fn thin(curve: Vec<CurvePoint>) -> Vec<CurvePoint> {
    let stretch = curve.len().div_ceil(CURVE_POINTS).max(1);
    let highest = |points: &[CurvePoint]| points.iter().copied().max_by_key(|point| point.hard_bytes);
    if stretch == 1 { curve } else { curve.chunks(stretch).filter_map(highest).collect() }
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

/// The median of a figure over the runs of a column, and how far they lie apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one; of an even number the mean of the two in the middle.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of these values; zero when there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let Some((min, max)) = values.first().copied().zip(values.last().copied()) else { return Self::default() };
        let half = values.len() / 2;
        let median = if values.len() % 2 == 1 { values[half] } else { f64::midpoint(values[half - 1], values[half]) };
        Self { median, min, max }
    }
}

/// A figure that columns are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Highest memory of the run itself that the kernel cannot drop, bytes.
    PeakMemoryBytes,
    /// Highest usage, page cache included, bytes.
    PeakUsageBytes,
    /// How long memory was over the line, seconds.
    SecondsOverHighWater,
    /// Makespan, seconds.
    Seconds,
    /// Media seconds per second.
    Throughput,
    /// Processor time, seconds.
    CpuSeconds,
    /// Most jobs at once.
    MostAtOnce,
    /// Jobs done.
    Done,
    /// Larger than the profile's limit.
    TooLarge,
    /// Can never fit into the budget.
    NeverFits,
    /// Rejected for what the file is.
    NotAccepted,
    /// Cleanups.
    Cleanups,
    /// What they freed, bytes.
    FreedBytes,
    /// Waits for memory.
    Holds,
    /// Stops for want of memory.
    Stops,
    /// Ways back into the queue.
    Requeues,
    /// Kills by the kernel.
    OomKills,
    /// Lost for want of memory.
    OutOfMemory,
    /// Failed in another way.
    Failed,
    /// Never ended.
    Unfinished,
}

impl Figure {
    /// All, in the order of tables.
    pub const ALL: [Self; 20] = [
        Self::PeakMemoryBytes,
        Self::PeakUsageBytes,
        Self::SecondsOverHighWater,
        Self::Seconds,
        Self::Throughput,
        Self::CpuSeconds,
        Self::MostAtOnce,
        Self::Done,
        Self::TooLarge,
        Self::NeverFits,
        Self::NotAccepted,
        Self::Cleanups,
        Self::FreedBytes,
        Self::Holds,
        Self::Stops,
        Self::Requeues,
        Self::OomKills,
        Self::OutOfMemory,
        Self::Failed,
        Self::Unfinished,
    ];

    /// Its value in one run.
    pub fn of(self, run: &RunFigures) -> f64 {
        match self {
            Self::PeakMemoryBytes => run.peak_memory_bytes.0 as f64,
            Self::PeakUsageBytes => run.peak_usage_bytes.0 as f64,
            Self::SecondsOverHighWater => run.seconds_over_high_water,
            Self::Seconds => run.seconds,
            Self::Throughput => run.throughput,
            Self::CpuSeconds => run.cpu_seconds,
            Self::MostAtOnce => f64::from(run.most_at_once),
            Self::Done => run.done as f64,
            Self::TooLarge => run.too_large as f64,
            Self::NeverFits => run.never_fits as f64,
            Self::NotAccepted => run.not_accepted as f64,
            Self::Cleanups => run.cleanups as f64,
            Self::FreedBytes => run.freed_bytes.0 as f64,
            Self::Holds => run.holds as f64,
            Self::Stops => run.stops as f64,
            Self::Requeues => run.requeues as f64,
            Self::OomKills => run.oom_kills as f64,
            Self::OutOfMemory => run.out_of_memory as f64,
            Self::Failed => run.failed as f64,
            Self::Unfinished => run.unfinished as f64,
        }
    }

    /// Says nothing when it is zero in every column.
    pub const fn is_rare(self) -> bool {
        matches!(
            self,
            Self::NotAccepted
                | Self::NeverFits
                | Self::Stops
                | Self::Requeues
                | Self::OutOfMemory
                | Self::Failed
                | Self::Unfinished
        )
    }

    /// The name in tables.
    pub const fn label(self) -> &'static str {
        match self {
            Self::PeakMemoryBytes => "peak memory",
            Self::PeakUsageBytes => "peak with cache",
            Self::SecondsOverHighWater => "over the line",
            Self::Seconds => "makespan",
            Self::Throughput => "throughput",
            Self::CpuSeconds => "CPU time",
            Self::MostAtOnce => "most at once",
            Self::Done => "done",
            Self::TooLarge => "too large",
            Self::NeverFits => "never fit",
            Self::NotAccepted => "not a video etc.",
            Self::Cleanups => "cleanups",
            Self::FreedBytes => "freed",
            Self::Holds => "waits for memory",
            Self::Stops => "stops",
            Self::Requeues => "run again",
            Self::OomKills => "OOM kills",
            Self::OutOfMemory => "lost: memory",
            Self::Failed => "lost: other",
            Self::Unfinished => "not ended",
        }
    }

    /// The value with its unit, for people.
    pub fn text(self, value: f64) -> String {
        match self {
            Self::PeakMemoryBytes | Self::PeakUsageBytes | Self::FreedBytes => Bytes::ZERO.max(Bytes(value as u64)).whole(),
            Self::SecondsOverHighWater | Self::Seconds | Self::CpuSeconds => format!("{value:.1} s"),
            Self::Throughput => format!("{value:.2} s/s"),
            _ if value.fract() == 0.0 => format!("{value:.0}"),
            _ => format!("{value:.1}"),
        }
    }
}

/// One profile, governed or not, with all its runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// The profile's name.
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
    /// The profile.
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
