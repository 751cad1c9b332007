//! The figures that a comparison tells of each run, and how they spread over the runs of one column.

use serde::{Deserialize, Serialize};

use crate::domain::comparison::RunFigures;
use crate::domain::units::Bytes;

/// The median of a figure over the runs of a column, and how far they lie apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one; of an even number the mean of the two in the middle.
    pub median: f64,
    pub min: f64,
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

    /// How far they lie apart, by these words of a value: `(512-620)`. The unit of the median is not repeated; where one has another
    /// unit, or several, as `2 min 20 s`, both ends have theirs.
    pub fn apart(&self, words: impl Fn(f64) -> String) -> String {
        let parts = [self.median, self.min, self.max].map(|value| {
            let text = words(value);
            text.split_once(' ')
                .map_or_else(|| (text.clone(), String::new()), |(number, unit)| (number.to_owned(), unit.to_owned()))
        });
        let [(_, unit), (least, of_least), (most, of_most)] = parts;
        if [&of_least, &of_most].into_iter().all(|other| *other == unit) && !unit.contains(' ') {
            return format!("({least}-{most})");
        }
        format!("({}-{})", words(self.min), words(self.max))
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
