//! Forecasts of a fleet's queue: many runs in virtual time, in each of which a job takes what one of its kind has taken, drawn by a
//! seed. A slot is as quick in them as the slots of the fleet were.

use std::collections::BTreeMap;
use std::time::Duration;

use super::fleet::{self, FleetBox, FleetJob};
use super::forecast::{Dice, quantile};
use crate::domain::fleet_plan::{Addition, FinishedFleetJob, FleetWay};
use crate::domain::units::Bytes;

/// Seconds in a slot for a megabyte of input where nothing is known: 5 Mbit/s to 720 lines with two threads.
const SECONDS_PER_MB: f64 = 0.6;
/// Memory and size of a job of which nothing is known.
const NEEDS: Bytes = Bytes::mib(300);
const SIZE: Bytes = Bytes::mib(50);
/// How far guesses may be off, as factors: all jobs of a kind by the same.
const GUESS_TIME: (f64, f64) = (0.5, 2.5);
const GUESS_NEEDS: (f64, f64) = (0.6, 1.5);
/// How far two jobs of one kind differ in time.
const LIKE_TIME: (f64, f64) = (0.9, 1.1);
/// The share of what a job is expected to need that it really holds.
const HOLDS: (f64, f64) = (0.85, 1.0);
/// What needs more than twice as much as another job, or less than half, is another kind of it.
const LIKE_NEEDS: f64 = 2.0;

/// A job of the queue, as it is known there.
#[derive(Debug, Clone, PartialEq)]
pub struct QueuedFleetJob {
    /// What it has in common with like jobs: what its preset means.
    pub kind: String,
    /// Size of its input, where that is known.
    pub size: Option<Bytes>,
    /// Memory at its peak, where somebody has looked.
    pub needs: Option<Bytes>,
    /// How long it has waited.
    pub waited: Duration,
    /// The box that has it, by its place, and the share of it that is done.
    pub on: Option<(usize, f64)>,
}

/// What forecasts are made of.
#[derive(Debug)]
pub struct FleetForecaster<'a> {
    jobs: &'a [QueuedFleetJob],
    finished: BTreeMap<&'a str, Vec<&'a FinishedFleetJob>>,
    /// The whole queue holds this many times as much.
    times: f64,
}

impl<'a> FleetForecaster<'a> {
    /// For jobs that stand for a queue so many times as long.
    pub fn new(jobs: &'a [QueuedFleetJob], finished: &'a [FinishedFleetJob], times: f64) -> Self {
        let mut by_kind: BTreeMap<&str, Vec<&FinishedFleetJob>> = BTreeMap::new();
        for job in finished {
            by_kind.entry(&job.kind).or_default().push(job);
        }
        Self { jobs, finished: by_kind, times }
    }

    /// Jobs of whose kind none has finished.
    pub fn guesses(&self) -> usize {
        self.jobs.iter().filter(|job| !self.finished.contains_key(job.kind.as_str())).count()
    }

    /// Finished jobs of the queue's kinds.
    pub fn learned_from(&self) -> usize {
        let kinds: std::collections::BTreeSet<&str> = self.jobs.iter().map(|job| job.kind.as_str()).collect();
        kinds.into_iter().filter_map(|kind| self.finished.get(kind)).map(Vec::len).sum()
    }

    /// The queue with these boxes, some of which were added, so often. More runs take no other chances for those before.
    pub fn forecast(&self, (boxes, added): (&[FleetBox], &[Addition]), runs: u32, seed: u64) -> FleetWay {
        let once = |run: u32| {
            // The same jobs take the same in every way: only the boxes make the difference.
            let mut dice = Dice(seed.wrapping_add(u64::from(run).wrapping_mul(0x9E37_79B9_7F4A_7C15)));
            fleet::run(boxes, &self.draw(&mut dice))
        };
        let (runs, processors) = (runs.max(1), std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
        // The runs are dealt out to the threads in turn; how many threads there are changes nothing of what comes of all.
        let ended: Vec<fleet::FleetRun> = std::thread::scope(|scope| {
            let part = |first: u32| (first..runs).step_by(processors).map(once).collect::<Vec<_>>();
            let parts: Vec<_> = (0..runs.min(processors as u32)).map(|first| scope.spawn(move || part(first))).collect();
            parts.into_iter().flat_map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        let mut times: Vec<f64> = ended.iter().filter_map(|run| Some(run.finish()?.as_secs_f64() * self.times)).collect();
        let mut left: Vec<f64> = ended.iter().map(|run| run.left() as f64 * self.times).collect();
        let ends = !times.is_empty();
        FleetWay {
            added: added.to_vec(),
            boxes: boxes.iter().filter(|one| one.takes).count(),
            slots: boxes.iter().filter(|one| one.takes).filter_map(|one| one.profile.max_concurrent.fixed()).sum(),
            finish_p50: ends.then(|| quantile(&mut times, 0.5)),
            finish_p95: ends.then(|| quantile(&mut times, 0.95)),
            left: quantile(&mut left, 0.5).round() as u64,
        }
    }

    /// What each job takes in one run.
    fn draw(&self, dice: &mut Dice) -> Vec<FleetJob> {
        let mut off: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        let mut jobs = Vec::with_capacity(self.jobs.len());
        for job in self.jobs {
            let known = self.finished.get(job.kind.as_str()).map_or(&[][..], Vec::as_slice);
            let (size, needs, seconds) = if let Some(seen) = like(known, job.needs, dice) {
                let size = job.size.unwrap_or(seen.size);
                let grown = size.share_of(seen.size);
                (size, job.needs.unwrap_or(seen.needs), seen.took.as_secs_f64() * grown * dice.between(LIKE_TIME))
            } else {
                let (time, memory) = *off.entry(&job.kind).or_insert_with(|| (dice.between(GUESS_TIME), dice.between(GUESS_NEEDS)));
                let size = job.size.unwrap_or(SIZE);
                let seconds = size.as_mb() * SECONDS_PER_MB * time * dice.between(LIKE_TIME);
                (size, job.needs.unwrap_or(NEEDS.scale(memory)), seconds)
            };
            let left = job.on.map_or(1.0, |(_, done)| 1.0 - done.clamp(0.0, 1.0));
            jobs.push(FleetJob {
                size,
                needs,
                is_known: job.needs.is_some(),
                holds: dice.between(HOLDS),
                length: Duration::try_from_secs_f64(seconds * left).unwrap_or(Duration::from_hours(24)),
                waited: job.waited,
                on: job.on.map(|(on, _)| on),
            });
        }
        jobs
    }
}

/// One of the finished jobs of a kind, of those that needed about as much if there are any. The dice are thrown once, whatever is
/// found.
fn like<'a>(known: &[&'a FinishedFleetJob], needs: Option<Bytes>, dice: &mut Dice) -> Option<&'a FinishedFleetJob> {
    let is_like =
        |seen: &&&FinishedFleetJob| needs.is_none_or(|needs| (1.0 / LIKE_NEEDS..=LIKE_NEEDS).contains(&seen.needs.share_of(needs)));
    let number = dice.below(usize::MAX);
    let near = known.iter().filter(is_like).count();
    if near > 0 {
        return known.iter().filter(is_like).nth(number % near).copied();
    }
    known.get(number % known.len().max(1)).copied()
}

#[cfg(test)]
#[path = "fleet_forecast_tests.rs"]
mod tests;
