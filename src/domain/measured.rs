//! What the run measured under each profile: stands beside the guide's words in the picker of profiles. It is part of the
//! state, so that every console tells the same, whenever it came.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Event, EventKind};
use super::job::{JobId, Outcome};
use super::time::Mono;
use super::units::Bytes;

/// A gap between samples counts at most this long.
const LONGEST_GAP: Duration = Duration::from_secs(5);

/// What was measured while one profile was in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Highest counted memory.
    pub peak: Bytes,
    /// Time over the line.
    pub over: Duration,
    /// Time in which jobs ran.
    pub busy: Duration,
    /// Jobs that ended well.
    pub done: u64,
    /// Jobs that failed, stalled, timed out or ran out of memory.
    pub bad: u64,
}

impl Measured {
    /// Jobs that ended well in a minute of work; `None` before a quarter of a minute.
    pub fn per_minute(&self) -> Option<f64> {
        (self.busy >= Duration::from_secs(15)).then(|| self.done as f64 * 60.0 / self.busy.as_secs_f64())
    }
}

/// What was measured, by profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurements {
    profiles: BTreeMap<String, Measured>,
    last_sample: Option<Mono>,
    /// Jobs that another profile had let in and that still run: what they hold is none of the profile in force.
    draining: BTreeSet<JobId>,
}

impl Measurements {
    /// What was measured under a profile; `None` = it was not in force in this run while a job was at work.
    pub fn get(&self, profile: &str) -> Option<&Measured> {
        self.profiles.get(profile).filter(|measured| measured.busy > Duration::ZERO || measured.done + measured.bad > 0)
    }

    /// Takes from an event what it tells: the profile in force after it, the jobs at work, and the load line.
    pub(super) fn on_event(&mut self, event: &Event, profile: &str, active: &BTreeSet<JobId>, line: Bytes) {
        match &event.kind {
            EventKind::MemorySampled(figures) => {
                let gap = self.last_sample.map_or(Duration::ZERO, |last| event.mono.since(last).min(LONGEST_GAP));
                self.last_sample = Some(event.mono);
                self.draining.retain(|job| active.contains(job));
                if active.is_empty() || !self.draining.is_empty() {
                    return;
                }
                let measured = self.profiles.entry(profile.to_owned()).or_default();
                measured.peak = measured.peak.max(figures.counted_bytes);
                measured.busy += gap;
                if figures.counted_bytes >= line {
                    measured.over += gap;
                }
            }
            EventKind::ProfileSelected { .. } => self.draining.clone_from(active),
            // It was another profile's.
            EventKind::JobFinished { job, .. } if self.draining.remove(job) => {}
            EventKind::JobFinished { outcome, .. } => {
                let measured = self.profiles.entry(profile.to_owned()).or_default();
                match outcome {
                    Outcome::Done => measured.done += 1,
                    Outcome::AlreadyDone | Outcome::Cancelled => {}
                    _ => measured.bad += 1,
                }
            }
            _ => {}
        }
    }
}
