//! What the job page shows beside what the state knows: what ffmpeg was asked to do, and the job's memory over time.
//! Bounded: of the latest jobs, at a grain that coarsens as a job runs longer.

use std::collections::BTreeMap;

use crate::domain::event::{Event, EventKind};
use crate::domain::job::{JobId, WholeLog};
use crate::domain::state::State;
use crate::domain::units::Bytes;

/// Jobs whose details are kept; the longest untouched goes first.
const KEPT: usize = 64;
/// Points of a curve; past that two become one.
const POINTS: usize = 480;

/// A job's memory over the time of one try.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Curve {
    /// Seconds since the run began.
    began: u64,
    /// Seconds that a point stands for; a power of two.
    step: u64,
    /// The highest memory in each step; a step without a sample looks like the one before.
    points: Vec<Bytes>,
}

impl Curve {
    /// Adds a measurement at this second of the run.
    pub fn add(&mut self, second: u64, memory: Bytes) {
        if self.points.is_empty() {
            (self.began, self.step) = (second, 1);
        }
        let mut at = (second.saturating_sub(self.began) / self.step) as usize;
        while at >= POINTS {
            self.step *= 2;
            self.points = self.points.chunks(2).map(|pair| pair.iter().copied().max().unwrap_or_default()).collect();
            at = (second.saturating_sub(self.began) / self.step) as usize;
        }
        if let Some(point) = self.points.get_mut(at) {
            *point = (*point).max(memory);
            return;
        }
        let last = self.points.last().copied().unwrap_or(memory);
        self.points.resize(at, last);
        self.points.push(memory);
    }

    /// The curve over its window in `columns` columns, the highest of each.
    pub fn columns(&self, columns: usize, has_ended: bool) -> Vec<Option<Bytes>> {
        let window = self.window(has_ended);
        let part = |column: usize| {
            let (from, to) = (column * window / columns, ((column + 1) * window / columns).min(self.points.len()));
            // Where columns are finer than points, the one that the column lies in.
            self.points.get(from..to.max(from + 1)).and_then(|points| points.iter().copied().max())
        };
        (0..columns).map(part).collect()
    }

    /// Seconds of the window: it doubles as the job runs longer, so that the curve stands still in between; once the job has
    /// ended it is as long as the job ran.
    pub fn seconds(&self, has_ended: bool) -> u64 {
        self.step.max(1) * self.window(has_ended) as u64
    }

    fn window(&self, has_ended: bool) -> usize {
        if has_ended { self.points.len().max(1) } else { self.points.len().next_power_of_two().max(32) }
    }

    /// Nothing was measured.
    pub const fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

/// What is known of one job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detail {
    /// The command line of the last try.
    pub command: Option<String>,
    /// Memory over the last try.
    pub curve: Curve,
    touched: u64,
}

/// What is known of the latest jobs.
#[derive(Debug, Clone, Default)]
pub struct Details {
    jobs: BTreeMap<JobId, Detail>,
    told: u64,
}

impl Details {
    /// What is known of a job.
    pub fn get(&self, id: JobId) -> Option<&Detail> {
        self.jobs.get(&id)
    }

    /// Takes from an event what it tells.
    pub fn on_event(&mut self, event: &Event) {
        match &event.kind {
            EventKind::JobAdmitted { job, .. } => *self.of(*job) = Detail { touched: self.told, ..Detail::default() },
            EventKind::JobStarted { job, command, .. } => self.of(*job).command.clone_from(command),
            EventKind::MemorySampled(figures) => {
                for (job, memory) in &figures.jobs {
                    self.of(*job).curve.add(event.mono.0.as_secs(), *memory);
                }
            }
            EventKind::JobRemoved { job, .. } => drop(self.jobs.remove(job)),
            _ => {}
        }
    }

    /// Takes from everything that is known what was told before anybody listened here.
    pub fn learn(&mut self, state: &State) {
        for (job, command) in &state.commands {
            self.of(*job).command.get_or_insert_with(|| command.clone());
        }
    }

    /// Takes the command line from the log of a try, where it is not known yet.
    pub fn learn_from_log(&mut self, job: JobId, log: &WholeLog) {
        if let Some(command) = log.command(job) {
            self.of(job).command.get_or_insert_with(|| command.to_owned());
        }
    }

    fn of(&mut self, id: JobId) -> &mut Detail {
        self.told += 1;
        if !self.jobs.contains_key(&id) && self.jobs.len() >= KEPT {
            let oldest = self.jobs.iter().min_by_key(|(_, detail)| detail.touched).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.jobs.remove(&oldest);
            }
        }
        let detail = self.jobs.entry(id).or_default();
        detail.touched = self.told;
        detail
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::job::{LogLevel, LogLine};
    use crate::domain::time::Wall;

    #[test]
    fn a_long_run_is_kept_whole_at_a_coarser_grain_and_no_peak_is_lost() {
        let mut curve = Curve::default();
        for second in 0..100_000 {
            curve.add(500 + second, Bytes(if second == 77_777 { 999 } else { second % 7 }));
        }
        assert!(curve.points.len() <= POINTS && curve.step == 256, "{} of {} s", curve.points.len(), curve.step);
        let columns = curve.columns(40, false);
        assert_eq!(columns.len(), 40);
        assert_eq!(columns.iter().flatten().filter(|bytes| **bytes == Bytes(999)).count(), 1);
        assert_eq!(curve.seconds(false), 131_072);
        assert!((100_000..131_072).contains(&curve.seconds(true)), "of what has ended no longer than it ran");
    }

    #[test]
    fn a_short_run_begins_at_the_left_and_gaps_are_bridged() {
        let mut curve = Curve::default();
        curve.add(10, Bytes(5));
        curve.add(13, Bytes(8));
        let (five, eight) = (Some(Bytes(5)), Some(Bytes(8)));
        assert_eq!(curve.columns(32, false)[..6], [five, five, five, eight, None, None]);
        assert_eq!(
            curve.columns(64, false)[..10],
            [five, five, five, five, five, five, eight, eight, None, None],
            "finer than the points"
        );
        assert_eq!(curve.columns(8, false)[..3], [eight, None, None], "coarser than the points");
    }

    #[test]
    fn what_an_ended_job_was_asked_is_read_from_the_top_of_its_log_and_from_nowhere_else() {
        let log = |text: &str, left_out| WholeLog {
            lines: vec![LogLine { at: Wall(0), level: LogLevel::Info, text: text.to_owned() }],
            left_out: Bytes(left_out),
        };
        let learned = |log| {
            let mut details = Details::default();
            details.learn_from_log(JobId(7), &log);
            details.get(JobId(7)).and_then(|detail| detail.command.clone())
        };
        assert_eq!(learned(log("job 7, try 2: /bin/ffmpeg -i a: b.mp4", 0)).as_deref(), Some("/bin/ffmpeg -i a: b.mp4"));
        assert_eq!(learned(log("job 7, try 2: /bin/ffmpeg", 9)), None, "the beginning was not read");
        assert_eq!(learned(log("job 8, try 1: /bin/ffmpeg", 0)), None);
        assert_eq!(learned(log("frame 1", 0)), None);
    }
}
