//! What the events of one run tell, summed up to its figures.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::comparison::{CURVE_POINTS, CurvePoint, OutputHash, Outside, RunFigures};
use crate::domain::event::{Event, EventKind, RunSummary};
use crate::domain::job::{JobId, KERNEL_KILL, Outcome, RejectReason};
use crate::domain::state::State;
use crate::domain::text::path_text;

/// Folds the events of one run into its figures.
#[derive(Debug, Default)]
pub struct Tally {
    pub(super) figures: RunFigures,
    pub(super) jobs: BTreeMap<JobId, Known>,
    pub(super) running: BTreeSet<JobId>,
    pub(super) curve: Vec<CurvePoint>,
    /// For what a summary counts too: of a run that has not told one yet, or never will.
    pub(super) state: State,
    pub(super) summary: Option<RunSummary>,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) input: String,
    pub(super) preset: String,
    pub(super) media_seconds: f64,
    pub(super) rejected: Option<RejectReason>,
    pub(super) outcome: Option<Outcome>,
    pub(super) output: Option<std::path::PathBuf>,
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

    pub(super) fn known(&mut self, job: JobId) -> &mut Known {
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
        // It was measured at other moments than the run's own samples: with others there is never less than without.
        figures.peak_with_others_bytes = figures.peak_with_others_bytes.max(figures.peak_memory_bytes);
        figures.curve = thin(if outside.curve.is_empty() { self.curve.clone() } else { outside.curve });
        figures
    }
}

/// At most [`CURVE_POINTS`] points; of each stretch the highest stays.
pub(super) fn thin(curve: Vec<CurvePoint>) -> Vec<CurvePoint> {
    let stretch = curve.len().div_ceil(CURVE_POINTS).max(1);
    let highest = |points: &[CurvePoint]| points.iter().copied().max_by_key(|point| point.hard_bytes);
    if stretch == 1 { curve } else { curve.chunks(stretch).filter_map(highest).collect() }
}
