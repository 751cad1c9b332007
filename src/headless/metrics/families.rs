//! The metrics themselves: their names, their units and what they mean. No label tells a file, so that their number is fixed.

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::domain::memory::Level;
use crate::domain::state::{SIGNS, State};
use crate::domain::units::Bytes;

/// Upper ends of the histogram's buckets, in seconds: from a short clip to a night.
const BUCKETS: [f64; 13] = [1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10800.0, 28800.0];

/// How long jobs took.
#[derive(Debug, Clone)]
pub(super) struct JobSeconds(Histogram);

impl Default for JobSeconds {
    fn default() -> Self {
        Self(Histogram::new(BUCKETS))
    }
}

impl JobSeconds {
    /// A job has ended that had worked for so long.
    pub(super) fn observe(&self, seconds: f64) {
        self.0.observe(seconds);
    }
}

/// One figure for each value of a label, always in the same order; the crate's own family has none.
#[derive(Debug)]
struct EachOf {
    label: &'static str,
    figures: Vec<(String, u64)>,
}

impl EncodeMetric for EachOf {
    fn encode(&self, mut encoder: MetricEncoder) -> std::fmt::Result {
        for (name, figure) in &self.figures {
            encoder.encode_family(&[(self.label, name.as_str())])?.encode_gauge(&whole(*figure))?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

/// Which plimsoll it is.
#[derive(Debug)]
struct RunInfo {
    version: String,
    profile: String,
}

impl EncodeMetric for RunInfo {
    fn encode(&self, mut encoder: MetricEncoder) -> std::fmt::Result {
        let labels = [("version", self.version.as_str()), ("profile", self.profile.as_str())];
        encoder.encode_family(&labels)?.encode_gauge(&1_i64)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Gauge
    }
}

/// All metrics as OpenMetrics text.
pub(super) fn text(state: &State, version: &str, seconds: &JobSeconds) -> String {
    let mut registry = Registry::with_prefix("plimsoll");
    memory(&mut registry, state);
    jobs(&mut registry, state);
    registry.register_with_unit("job", "Run time of the last try of jobs that have ended", Unit::Seconds, seconds.0.clone());
    let profile = state.profile.as_ref().map_or_else(String::new, |profile| profile.name.clone());
    let run = RunInfo { version: version.to_owned(), profile };
    registry.register("run_info", "Version of plimsoll and name of the profile in force; always 1", run);
    let mut text = String::new();
    // Writing to a text fails only where a metric does not know how to be written.
    if let Err(error) = encode(&mut text, &registry) {
        tracing::error!(%error, "the metrics cannot be written");
    }
    text
}

fn memory(registry: &mut Registry, state: &State) {
    let memory = &state.memory;
    let sums = [
        ("memory_usage", "Memory charged, file cache included", memory.usage_bytes),
        ("memory_working_set", "Working set", memory.working_set_bytes),
        ("memory_counted", "What is held against the line", memory.counted_bytes),
        ("memory_hard", "Memory that the kernel cannot drop", memory.hard_bytes),
        ("memory_reserved", "Memory set aside for the jobs at work", memory.reserved_bytes),
        ("memory_budget", "What may be used at most", memory.budget_bytes),
        ("memory_line", "The load line: above it jobs are held and memory is cleaned", memory.high_water_bytes),
    ];
    for (name, help, bytes) in sums {
        registry.register_with_unit(name, help, Unit::Bytes, gauge(bytes.0));
    }
    let figures = Level::ALL.map(|known| (known.name().to_owned(), u64::from(known == memory.level))).to_vec();
    let level = EachOf { label: "level", figures };
    registry.register("memory_level", "How near memory is to the line: 1 for the level that it is at, else 0", level);
    let totals = &state.totals;
    registry.register_with_unit("cleanup_freed", "Memory that the cleanups freed", Unit::Bytes, counter(totals.freed.0));
    let counts = [
        ("cleanups", "Cleanups that are over", totals.cleanups),
        ("holds", "Times that a job had to wait for memory", totals.holds),
        ("stops", "Times that a job was stopped where it was for want of memory", totals.stops),
        ("requeues", "Times that a job went back into the queue", totals.requeues),
        ("retries", "Times that a job went back into the queue after a try that counts", totals.retries),
        ("oom_kills", "Tries that the kernel ended for want of memory", totals.oom_kills),
    ];
    for (name, help, count) in counts {
        registry.register(name, help, counter(count));
    }
}

fn jobs(registry: &mut Registry, state: &State) {
    let jobs = EachOf { label: "state", figures: state.counts_by_state().map(|(name, count)| (name.to_owned(), count)).to_vec() };
    registry.register("jobs", "Jobs of this run by their state", jobs);
    let Bytes(waiting) = state.waiting_bytes();
    registry.register_with_unit("queue", "Size of the inputs that wait", Unit::Bytes, gauge(waiting));
    registry.register("queue_held", "1 while an operator holds the queue, else 0", gauge(u64::from(state.paused)));
    let compares = gauge(u64::from(state.comparison.is_some()));
    registry.register("comparing", "1 while a comparison has the machine and the queue waits for it, else 0", compares);
    registry.register("warnings", "Warning signs that are seen now", gauge(state.warnings.len() as u64));
    let figures = SIGNS.map(|sign| (sign.replace(' ', "_"), u64::from(state.warnings.contains_key(sign)))).to_vec();
    registry.register("warning", "1 for each warning sign that is seen now, else 0", EachOf { label: "sign", figures });
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn gauge(value: u64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(whole(value));
    gauge
}

fn counter(value: u64) -> Counter {
    let counter = Counter::default();
    counter.inc_by(value);
    counter
}
