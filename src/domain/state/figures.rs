//! What is counted and summed up from what is known.

use std::time::Duration;

use crate::domain::event::{JobCounts, RoomWanted, RunSummary};
use crate::domain::job::{Job, JobId, Phase};
use crate::domain::profile::LargeRule;
use crate::domain::state::State;
use crate::domain::units::Bytes;

impl State {
    /// Jobs by how they ended, as the last event of a run tells them: what the run has done, whether it is still listed or not.
    pub fn job_counts(&self) -> JobCounts {
        let (listed, cleared) = (self.listed_counts(), &self.totals.cleared);
        JobCounts {
            done: listed.done + cleared.done,
            damaged: listed.damaged + cleared.damaged,
            already_done: listed.already_done + cleared.already_done,
            failed: listed.failed + cleared.failed,
            out_of_memory: listed.out_of_memory + cleared.out_of_memory,
            rejected: listed.rejected + self.totals.cleared_rejected.len() as u64,
            cancelled: listed.cancelled + cleared.cancelled,
            unfinished: listed.unfinished,
        }
    }

    /// The same without those that were taken off the list.
    pub fn listed_counts(&self) -> JobCounts {
        let mut counts = JobCounts {
            damaged: self.index.damaged,
            rejected: self.index.rejected.len() as u64 + self.index.rejected_unlisted,
            unfinished: self.unended(),
            ..JobCounts::default()
        };
        for (outcome, count) in &self.index.outcomes {
            counts.add(*outcome, *count);
        }
        counts
    }

    /// The figures of the run up to the last event, as [`RunSummary`] tells them at its end.
    pub fn figures_so_far(&self) -> RunSummary {
        let totals = &self.totals;
        RunSummary {
            profile: self.profile.as_ref().map(|profile| profile.name.clone()).unwrap_or_default(),
            earlier_profiles: totals.earlier_profiles.clone(),
            budget_bytes: self.lines.budget,
            budget_source: self.budget_source.clone(),
            jobs: self.job_counts(),
            peak_memory_bytes: totals.peak_hard,
            peak_usage_bytes: totals.peak_usage,
            peak_working_set_bytes: totals.peak_counted,
            seconds: self.now.0.as_secs_f64(),
            seconds_over_high_water: self.time_over_line().as_secs_f64(),
            measured_seconds: totals.measured_since.map(|(since, _)| self.now.since(since).as_secs_f64()),
            cleanups: totals.cleanups,
            freed_bytes: totals.freed,
            cleanups_without_gain: totals.cleanups_without_gain,
            holds: totals.holds,
            stops: totals.stops,
            requeues: totals.requeues,
            oom_kills: totals.oom_kills,
            at_once: None,
        }
    }

    /// Jobs by what is with them, listed or not, under the names and in the order in which they are told.
    pub fn counts_by_state(&self) -> [(&'static str, u64); 9] {
        let paused = |id: &&JobId| self.jobs.get(id).is_some_and(|job| matches!(job.phase, Phase::Running { paused: true, .. }));
        let paused = self.index.active.iter().filter(paused).count() as u64;
        let ended = self.job_counts();
        [
            ("queued", self.waiting()),
            ("running", self.index.active.len() as u64 - paused),
            ("paused", paused),
            ("done", ended.done),
            ("already_done", ended.already_done),
            ("failed", ended.failed),
            ("out_of_memory", ended.out_of_memory),
            ("rejected", ended.rejected),
            ("cancelled", ended.cancelled),
        ]
    }

    /// Jobs that wait for a slot or for their next try, listed or not.
    pub fn waiting(&self) -> u64 {
        (self.index.backoff.len() + self.index.waiting.len()) as u64 + self.backlog.jobs
    }

    /// Where a waiting job that was moved stands now, among those that are listed.
    pub fn moved_words(&self, id: JobId) -> String {
        let place = self.index.waiting.iter().position(|(_, waiting)| *waiting == id);
        let Some(place) = place.map(|place| place + 1) else { return format!("moved #{id}") };
        let ending = match (place % 10, place % 100) {
            (1, place) if place != 11 => "st",
            (2, place) if place != 12 => "nd",
            (3, place) if place != 13 => "rd",
            _ => "th",
        };
        format!("moved #{id}: it is the {place}{ending} of those that wait")
    }

    /// Nothing waits, and nothing is at work.
    pub fn is_idle(&self) -> bool {
        self.index.active.is_empty() && self.waiting() == 0
    }

    /// Jobs that have ended or were rejected, listed or not.
    pub fn ended(&self) -> u64 {
        self.index.outcomes.values().sum::<u64>() + self.index.rejected.len() as u64 + self.index.rejected_unlisted
    }

    /// Jobs that wait or hold a slot, listed or not.
    pub fn unended(&self) -> u64 {
        self.index.active.len() as u64 + self.waiting()
    }

    /// Σ size of the inputs that wait for a slot, listed or not.
    pub fn waiting_bytes(&self) -> Bytes {
        self.index.waiting_bytes + self.backlog.bytes
    }

    /// The room that a job waits for, or would if it were its turn.
    pub fn room_for(&self, job: &Job) -> Option<&RoomWanted> {
        self.rooms.iter().rev().find(|wanted| wanted.job == job.id || wanted.is_for(job.disk.as_deref()))
    }

    /// Time over the line, the crossing under way included.
    pub fn time_over_line(&self) -> Duration {
        self.totals.over_line + self.totals.over_since.map_or(Duration::ZERO, |since| self.now.since(since))
    }

    /// A job that has found the input of this one out of reach, together with its own; this one waits for what it finds next.
    pub fn waits_with(&self, job: &Job) -> Option<JobId> {
        let has_looked = |id: &&JobId| {
            let place = self.jobs.get(id).and_then(Job::waits_for_input);
            **id != job.id && place.is_some_and(|place| job.input.starts_with(place))
        };
        self.index.backoff.iter().find(has_looked).copied()
    }

    /// The rule that keeps this waiting job from starting now, where as many large ones are at work as may be.
    pub fn large_turn(&self, job: &Job) -> Option<LargeRule> {
        let rule = self.profile.as_ref()?.large?;
        let is_large = |job: &Job| job.pixels >= rule.from.pixels();
        let at_work = || self.index.active.iter().filter_map(|id| self.jobs.get(id)).filter(|job| is_large(job)).count();
        (is_large(job) && at_work() >= rule.at_once as usize).then_some(rule)
    }

    /// What the jobs that hold a slot may still grow by within what is set aside for them.
    pub fn reserved_beyond_use(&self) -> Bytes {
        let active = self.index.active.iter().filter_map(|id| self.jobs.get(id));
        active.map(|job| job.reserved - job.memory).sum()
    }

    /// What is kept under the line for the console, and not used by it or by others now.
    pub fn kept_unused(&self) -> Bytes {
        self.lines.reserve - (self.memory.console_bytes + self.memory.foreign_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Event, EventKind, Seq};
    use crate::domain::job::RejectReason;
    use crate::domain::time::{Mono, Wall};

    #[test]
    fn what_was_taken_off_the_list_still_counts_and_what_is_put_back_counts_once() {
        let mut state = State::default();
        let mut hear = |kind: EventKind| {
            state.apply(&Event { seq: Seq(state.seq.0 + 1), at: Wall(0), mono: Mono::START, kind });
            let counts = state.job_counts();
            (counts.rejected, state.listed_counts().rejected, state.counts_by_state()[7].1)
        };
        let queued = || EventKind::JobQueued {
            job: JobId(1),
            input: "/v/a.mp4".into(),
            size_bytes: Bytes::ZERO,
            preset: "web-720p".to_owned(),
            output: None,
            rank: 0,
        };
        let rejected = || EventKind::JobRejected {
            job: JobId(1),
            input: "/v/a.mp4".into(),
            size_bytes: Bytes::ZERO,
            limit_bytes: None,
            reason: RejectReason::NotAVideo,
            detail: String::new(),
        };
        hear(queued());
        assert_eq!(hear(rejected()), (1, 1, 1));
        assert_eq!(hear(EventKind::JobRemoved { job: JobId(1), output: None }), (1, 0, 1), "the run has rejected it");
        assert_eq!(hear(queued()), (0, 0, 0), "it is looked at again");
        assert_eq!(hear(rejected()), (1, 1, 1));
    }
}
