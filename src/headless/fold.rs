//! What is known of a run, for whoever tells figures of it: no names, no logs, no history, so that it takes little memory.

use std::path::PathBuf;

use crate::domain::event::{Event, EventKind};
use crate::domain::state::State;

/// Points of the memory history that are kept: the sums go on from the last one.
const HISTORY_KEPT: usize = 1;

/// A state that is folded from the same events as every other, without what figures do not need.
#[derive(Debug, Default)]
pub(super) struct Fold {
    state: State,
}

impl Fold {
    /// Begins with all that is known at one point of the event order.
    pub(super) fn learn(&mut self, state: State) {
        self.state = state;
        self.state.logs.clear();
        self.state.cleanups.clear();
        self.state.notices.clear();
        self.state.story.clear();
        for job in self.state.jobs.values_mut() {
            (job.input, job.output, job.media) = (PathBuf::new(), None, None);
        }
        self.trim();
    }

    /// Adds one fact.
    pub(super) fn add(&mut self, event: &Event) {
        // These change nothing but what is told of single jobs.
        if matches!(event.kind, EventKind::JobLogged { .. } | EventKind::JobProgressed { .. } | EventKind::JobInspected { .. }) {
            self.state.seq = event.seq;
            return;
        }
        self.state.apply(event);
        self.state.story.clear();
        match &event.kind {
            EventKind::JobQueued { job, .. } | EventKind::JobFinished { job, .. } => {
                if let Some(job) = self.state.jobs.get_mut(job) {
                    (job.input, job.output) = (PathBuf::new(), None);
                }
            }
            EventKind::CleanupStarted { .. } => self.state.cleanups.clear(),
            _ => self.trim(),
        }
    }

    /// What is known, without what this leaves out.
    pub(super) const fn state(&self) -> &State {
        &self.state
    }

    fn trim(&mut self) {
        let surplus = self.state.history.len().saturating_sub(HISTORY_KEPT);
        self.state.history.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{MemoryFigures, Seq};
    use crate::domain::job::{JobId, LogLevel, Rank};
    use crate::domain::time::{Mono, Wall};
    use crate::domain::units::Bytes;

    #[test]
    fn it_tells_the_same_figures_as_the_whole_state_and_keeps_no_history_logs_or_names() {
        let (mut fold, mut whole) = (Fold::default(), State::default());
        for number in 1..=4000_u64 {
            let job = JobId(number / 4 + 1);
            let kind = match number % 4 {
                0 => EventKind::JobQueued {
                    job,
                    input: PathBuf::from(format!("/films/{number}.mp4")),
                    size_bytes: Bytes(number),
                    preset: "web".to_owned(),
                    output: None,
                    rank: Rank::default(),
                },
                1 => EventKind::JobAdmitted { job, attempt: 1, reserved_bytes: Bytes(9) },
                2 => EventKind::JobLogged { job: Some(job), level: LogLevel::Info, text: "x".repeat(100), own: false },
                _ => EventKind::MemorySampled(MemoryFigures { hard_bytes: Bytes(number), ..MemoryFigures::default() }),
            };
            let event = Event { seq: Seq(number), at: Wall(0), mono: Mono::from_millis(number * 1000), kind };
            fold.add(&event);
            whole.apply(&event);
        }
        let told = |state: &State| (state.seq, state.counts_by_state(), state.totals.clone(), state.memory.clone());
        assert_eq!(told(fold.state()), told(&whole));
        assert!(whole.counts_by_state()[1].1 > 900 && whole.logs.len() > 10 && whole.history.len() > 900);
        let kept = fold.state();
        assert!(kept.logs.is_empty() && kept.history.len() <= HISTORY_KEPT, "{} points", kept.history.len());
        assert!(kept.jobs.values().all(|job| job.input == PathBuf::new()));
        let mut learnt = Fold::default();
        learnt.learn(whole.clone());
        assert_eq!(told(learnt.state()), told(&whole));
        assert!(learnt.state().logs.is_empty() && learnt.state().jobs.values().all(|job| job.input == PathBuf::new()));
    }
}
