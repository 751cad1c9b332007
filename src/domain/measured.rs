//! What the run measured under each profile: stands beside the guide's words in the picker of profiles. It is part of the
//! state, so that every console tells the same, whenever it came.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Event, EventKind};
use super::job::{JobId, Outcome};
use super::time::Mono;
use super::units::Bytes;

/// What was measured while one profile was in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Highest counted memory.
    pub peak: Bytes,
    /// Time over the line.
    pub over: Duration,
    /// Time in which jobs ran, all of them let in under this profile, and not all of them paused by the operator.
    pub busy: Duration,
    /// Jobs that ended well.
    pub done: u64,
    /// Of these, those that ended in that time.
    pub timed: u64,
    /// Jobs that failed, stalled, timed out or ran out of memory.
    pub bad: u64,
}

impl Measured {
    /// Jobs that ended well in a minute of work; `None` before a quarter of a minute.
    pub fn per_minute(&self) -> Option<f64> {
        (self.busy >= Duration::from_secs(15)).then(|| self.timed as f64 * 60.0 / self.busy.as_secs_f64())
    }
}

/// What was measured, by profile.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurements {
    /// By the profile's name, in the order in which they were first in force.
    profiles: Vec<(String, Measured)>,
    /// The place of the one in force since the last event.
    under: usize,
    last: Option<Mono>,
    /// The time since the last event is of that profile: a job works, and all that hold a slot are its own.
    counts: bool,
    is_over: bool,
    /// Jobs that another profile had let in and that still run: what they hold is none of the profile in force.
    draining: BTreeSet<JobId>,
}

impl Measurements {
    /// What was measured under a profile; `None` = it was not in force in this run while a job was at work.
    pub fn get(&self, profile: &str) -> Option<&Measured> {
        let (_, measured) = self.profiles.iter().find(|(name, _)| name == profile)?;
        Some(measured).filter(|measured| measured.busy > Duration::ZERO || measured.done + measured.bad > 0)
    }

    /// Takes from an event what it tells: the profile in force after it, the jobs that hold a slot, whether one of them works, and
    /// the load line.
    pub(super) fn on_event(&mut self, event: &Event, profile: &str, (active, works): (&BTreeSet<JobId>, bool), line: Bytes) {
        let gap = self.last.map_or(Duration::ZERO, |last| event.mono.since(last));
        self.last = Some(event.mono);
        if self.counts {
            let over = if self.is_over { gap } else { Duration::ZERO };
            let (_, measured) = &mut self.profiles[self.under];
            measured.busy += gap;
            measured.over += over;
        }
        if self.profiles.get(self.under).is_none_or(|(name, _)| name != profile) {
            let known = self.profiles.iter().position(|(name, _)| name == profile);
            self.under = known.unwrap_or_else(|| {
                self.profiles.push((profile.to_owned(), Measured::default()));
                self.profiles.len() - 1
            });
        }
        let (_, measured) = &mut self.profiles[self.under];
        match &event.kind {
            EventKind::ProfileSelected { .. } => self.draining.clone_from(active),
            // It was another profile's.
            EventKind::JobFinished { job, .. } if self.draining.remove(job) => {}
            EventKind::JobFinished { outcome, .. } => match outcome {
                Outcome::Done => {
                    measured.done += 1;
                    measured.timed += u64::from(self.counts);
                }
                Outcome::AlreadyDone | Outcome::Cancelled => {}
                _ => measured.bad += 1,
            },
            _ => {}
        }
        self.draining.retain(|job| active.contains(job));
        self.counts = works && self.draining.is_empty();
        if let EventKind::MemorySampled(figures) = &event.kind {
            self.is_over = figures.counted_bytes >= line;
            if self.counts {
                measured.peak = measured.peak.max(figures.counted_bytes);
            }
        }
    }
}
