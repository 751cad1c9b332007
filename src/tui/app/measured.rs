//! What this machine measured under each profile since the console is attached: stands beside the guide's words.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::domain::event::{Event, EventKind};
use crate::domain::job::{JobId, Outcome};
use crate::domain::state::State;
use crate::domain::time::Mono;
use crate::domain::units::Bytes;

/// A gap between samples counts at most this long.
const LONGEST_GAP: Duration = Duration::from_secs(5);

/// What was measured while one profile was in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
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
#[derive(Debug, Clone, Default)]
pub struct Measurements {
    profiles: BTreeMap<String, Measured>,
    last_sample: Option<Mono>,
    /// Jobs that another profile had let in and that still run: what they hold is none of the profile in force.
    draining: BTreeSet<JobId>,
}

impl Measurements {
    /// What was measured under a profile; `None` = it was not tried here.
    pub fn get(&self, profile: &str) -> Option<&Measured> {
        self.profiles.get(profile).filter(|measured| measured.busy > Duration::ZERO || measured.done + measured.bad > 0)
    }

    /// Takes from an event what it tells; `state` has heard it already.
    pub fn on_event(&mut self, event: &Event, state: &State) {
        let Some(profile) = &state.profile else { return };
        match &event.kind {
            EventKind::MemorySampled(figures) => {
                let gap = self.last_sample.map_or(Duration::ZERO, |last| event.mono.since(last).min(LONGEST_GAP));
                self.last_sample = Some(event.mono);
                self.draining.retain(|job| state.index.active.contains(job));
                if state.index.active.is_empty() || !self.draining.is_empty() {
                    return;
                }
                let measured = self.profiles.entry(profile.name.clone()).or_default();
                measured.peak = measured.peak.max(figures.counted_bytes);
                measured.busy += gap;
                if figures.counted_bytes >= state.lines.high_water {
                    measured.over += gap;
                }
            }
            EventKind::ProfileSelected { .. } => self.draining.clone_from(&state.index.active),
            // It was another profile's.
            EventKind::JobFinished { job, .. } if self.draining.remove(job) => {}
            EventKind::JobFinished { outcome, .. } => {
                let measured = self.profiles.entry(profile.name.clone()).or_default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::fixture::{Story, profiles};

    #[test]
    fn each_profile_is_measured_while_it_is_in_force() {
        let mut story = Story::new(true);
        story.queue(1, "a", 1).queue(2, "b", 1).start(1, 1);
        for second in 1..=30 {
            story.at(second * 1000).sample(if second > 20 { 1600 } else { 900 }, &[(1, 500)]);
        }
        story.finish(1, Outcome::Done, 500, 30.0, None);
        story.select(profiles()[2].clone());
        story.start(2, 1).at(40_000).sample(300, &[(2, 200)]).finish(2, Outcome::OutOfMemory, 1, 1.0, None);
        let (mut state, mut measurements) = (State::default(), Measurements::default());
        for event in &story.events {
            state.apply(event);
            measurements.on_event(event, &state);
        }
        let balanced = measurements.get("balanced").expect("tried");
        assert_eq!((balanced.peak, balanced.done, balanced.bad), (Bytes::mib(1600), 1, 0));
        assert_eq!((balanced.over.as_secs(), balanced.busy.as_secs()), (10, 29));
        assert!(balanced.per_minute().is_some_and(|rate| (2.0..2.2).contains(&rate)));
        let safe = measurements.get("safe").expect("tried");
        assert_eq!((safe.peak, safe.bad, safe.busy.as_secs(), safe.per_minute()), (Bytes::mib(300), 1, 5, None));
        assert_eq!(measurements.get("fast"), None);
    }

    #[test]
    fn what_another_profile_had_let_in_is_not_measured_as_of_the_one_in_force() {
        let mut story = Story::new(true);
        story.queue(1, "a", 1).queue(2, "b", 1).start(1, 1).at(1000).sample(900, &[(1, 500)]);
        story.select(profiles()[2].clone());
        story.at(2000).sample(1000, &[(1, 600)]).finish(1, Outcome::Done, 600, 2.0, None);
        story.start(2, 1).at(3000).sample(300, &[(2, 200)]);
        let (mut state, mut measurements) = (State::default(), Measurements::default());
        for event in &story.events {
            state.apply(event);
            measurements.on_event(event, &state);
        }
        let safe = measurements.get("safe").expect("tried");
        assert_eq!((safe.peak, safe.done), (Bytes::mib(300), 0));
    }
}
