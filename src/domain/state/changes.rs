//! The changes that an event makes, each in one place: phases and their index, logs, notices, the history of memory.

use std::time::Duration;

use crate::domain::cleanup::{CleanupId, CleanupRecord};
use crate::domain::event::{Event, EventKind, MemoryFigures};
use crate::domain::job::{Job, JobId, LogLine, Phase, Rank};
use crate::domain::state::{
    ENDED_KEPT, HISTORY_SECONDS, HistoryPoint, LOG_LINES, LOGS_KEPT, NOTICES_KEPT, Notice, STORY_KEPT, State,
};
use crate::domain::units::Bytes;

impl State {
    pub(super) fn set_paused(&mut self, id: JobId, to: bool, by_governor: bool) {
        if let Some(Phase::Running { paused, for_memory, .. }) = self.jobs.get_mut(&id).map(|job| &mut job.phase) {
            (*paused, *for_memory) = (to, by_governor);
        }
    }

    pub(super) fn set_rank(&mut self, id: JobId, rank: Rank) {
        if let Some(job) = self.jobs.get_mut(&id) {
            let was_waiting = self.index.waiting.remove(&(job.rank, id));
            job.rank = rank;
            if was_waiting {
                self.index.waiting.insert((rank, id));
            }
        }
    }

    pub(super) fn set_phase(&mut self, id: JobId, phase: Phase) {
        let Some(mut job) = self.jobs.remove(&id) else { return };
        self.unindex(&job);
        if !phase.holds_slot() {
            self.commands.remove(&id);
        }
        job.phase = phase;
        match &job.phase {
            Phase::Queued => {
                self.index.waiting.insert((job.rank, id));
                self.index.waiting_bytes += job.size;
            }
            Phase::Backoff { .. } => {
                self.index.backoff.insert(id);
            }
            Phase::Starting | Phase::Running { .. } | Phase::Stopping { .. } | Phase::Finalizing => {
                self.index.active.insert(id);
            }
            Phase::Rejected(_) => {
                self.index.rejected.insert(id);
            }
            Phase::Finished(finished) => {
                self.index.ended.insert((self.seq.0, id));
                *self.index.outcomes.entry(finished.outcome).or_default() += 1;
                self.index.damaged += u64::from(finished.is_damaged());
                job.ended_seq = self.seq.0;
            }
        }
        self.jobs.insert(id, job);
        self.retire();
    }

    /// Takes a job off the list, with all that is kept of it.
    pub(super) fn forget(&mut self, id: JobId) -> Option<Job> {
        let job = self.jobs.remove(&id)?;
        self.unindex(&job);
        self.commands.remove(&id);
        self.logs.remove(&Some(id));
        Some(job)
    }

    /// Unlists the oldest of the ended, so that a long queue does not grow in memory as it is worked off.
    pub(super) fn retire(&mut self) {
        while self.index.ended.len() > ENDED_KEPT {
            let Some((_, id)) = self.index.ended.pop_first() else { return };
            self.jobs.remove(&id);
            self.logs.remove(&Some(id));
        }
        while self.index.rejected.len() > ENDED_KEPT {
            let Some(id) = self.index.rejected.pop_first() else { return };
            self.index.rejected_unlisted += 1;
            self.jobs.remove(&id);
            self.logs.remove(&Some(id));
        }
    }

    pub(super) fn unindex(&mut self, job: &Job) {
        match &job.phase {
            Phase::Queued => {
                self.index.waiting.remove(&(job.rank, job.id));
                self.index.waiting_bytes = self.index.waiting_bytes - job.size;
            }
            Phase::Backoff { .. } => {
                self.index.backoff.remove(&job.id);
            }
            Phase::Starting | Phase::Running { .. } | Phase::Stopping { .. } | Phase::Finalizing => {
                self.index.active.remove(&job.id);
            }
            Phase::Rejected(_) => {
                self.index.rejected.remove(&job.id);
            }
            Phase::Finished(finished) => {
                self.index.ended.remove(&(job.ended_seq, job.id));
                self.index.damaged = self.index.damaged.saturating_sub(u64::from(finished.is_damaged()));
                if let Some(count) = self.index.outcomes.get_mut(&finished.outcome) {
                    *count = count.saturating_sub(1);
                }
            }
        }
    }

    pub(super) fn cleanup_mut(&mut self, id: CleanupId) -> Option<&mut CleanupRecord> {
        self.cleanups.iter_mut().rev().find(|record| record.id == id)
    }

    pub(super) fn add_to_story(&mut self, event: &Event) {
        // Who waits for memory is told once, not with every figure.
        if matches!(&event.kind, EventKind::AdmissionHeld { job, .. } if self.held.is_some_and(|held| held.job == *job)) {
            return;
        }
        let Some(kind) = event.kind.of_the_story() else { return };
        if self.story.len() == STORY_KEPT {
            self.story.pop_front();
            self.story_left_out += 1;
        }
        self.story.push_back(Event { kind, ..*event });
    }

    pub(super) fn notice(&mut self, text: String) {
        if self.notices.len() == NOTICES_KEPT {
            self.notices.pop_front();
        }
        self.notices.push_back(Notice { at: self.wall, mono: self.now, text });
    }

    pub(super) fn log(&mut self, job: Option<JobId>, line: LogLine) {
        if !self.logs.contains_key(&job) && self.logs.len() >= LOGS_KEPT {
            let oldest = self.logs.iter().filter(|(id, _)| id.is_some()).min_by_key(|(_, ring)| ring.touched).map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                self.logs.remove(&oldest);
            }
        }
        let ring = self.logs.entry(job).or_default();
        if ring.lines.len() == LOG_LINES {
            ring.lines.pop_front();
        }
        ring.lines.push_back(line);
        ring.total += 1;
        ring.touched = self.seq;
    }

    pub(super) fn history_point(&mut self) -> &mut HistoryPoint {
        let second = self.now.0.as_secs();
        if self.history.back().is_none_or(|point| point.second != second) {
            if self.history.len() == HISTORY_SECONDS {
                self.history.pop_front();
            }
            let (counted, hard) = self.history.back().map_or((Bytes::ZERO, Bytes::ZERO), |last| (last.counted, last.hard));
            self.history.push_back(HistoryPoint { second, counted, hard, cleanup: false });
        }
        let last = self.history.len() - 1;
        &mut self.history[last]
    }

    pub(super) fn sample(&mut self, figures: &MemoryFigures) {
        let is_new_second = self.history.back().is_none_or(|point| point.second != self.now.0.as_secs());
        let point = self.history_point();
        if is_new_second {
            point.counted = figures.counted_bytes;
            point.hard = figures.hard_bytes;
        } else {
            point.counted = point.counted.max(figures.counted_bytes);
            point.hard = point.hard.max(figures.hard_bytes);
        }
        let totals = &mut self.totals;
        // Sums of another kind, against another line: neither the peaks of the two compare nor the times over it.
        if self.memory.scope != figures.scope && self.memory.budget_bytes > Bytes::ZERO {
            (totals.peak_hard, totals.peak_usage, totals.peak_counted) = (Bytes::ZERO, Bytes::ZERO, Bytes::ZERO);
            (totals.over_line, totals.crossings, totals.over_since) = (Duration::ZERO, 0, None);
            totals.measured_since = Some((self.now, self.wall));
        }
        totals.peak_hard = totals.peak_hard.max(figures.hard_bytes);
        totals.peak_usage = totals.peak_usage.max(figures.usage_bytes);
        totals.peak_counted = totals.peak_counted.max(figures.counted_bytes);
        let over = figures.counted_bytes >= figures.high_water_bytes && figures.high_water_bytes > Bytes::ZERO;
        match (over, totals.over_since) {
            (true, None) => {
                totals.crossings += 1;
                totals.over_since = Some(self.now);
            }
            (false, Some(since)) => {
                totals.over_line += self.now.since(since);
                totals.over_since = None;
            }
            _ => {}
        }
        for id in &self.index.active {
            if let Some(job) = self.jobs.get_mut(id) {
                job.memory = figures.jobs.get(id).copied().unwrap_or(Bytes::ZERO);
                job.peak = job.peak.max(job.memory);
            }
        }
        self.memory = figures.clone();
    }
}
