//! Everything that happens because time has passed.

use super::cleanup_plan::LOST_AFTER;
use super::port::{Effect, StopMode};
use super::stall::Alive;
use super::{BLIND_AFTER, Engine, STOP_GRACE};
use crate::domain::event::EventKind;
use crate::domain::job::{JobId, Phase, StopReason};
use crate::domain::memory::JobVitals;
use crate::domain::time::Mono;
use crate::domain::units::{Bytes, MIB};

/// Growth that counts as a sign of life.
const LIVELY_GROWTH: Bytes = Bytes(MIB);
/// CPU time, in milliseconds, that counts as a sign of life.
const LIVELY_CPU_MS: u64 = 100;

impl Engine {
    pub(super) fn timers(&mut self) {
        self.end_backoffs();
        self.lose_cleanup();
        let ids: Vec<JobId> = self.active.keys().copied().collect();
        for id in ids {
            self.job_timers(id);
        }
        self.resume_when_nothing_runs();
        self.away_timers();
        self.room_timers();
    }

    fn end_backoffs(&mut self) {
        if self.state.index.backoff.is_empty() {
            return;
        }
        let due: Vec<JobId> = self
            .state
            .index
            .backoff
            .iter()
            .copied()
            .filter(|id| self.backoff_until(*id).is_some_and(|until| until <= self.now.mono))
            .collect();
        for id in due {
            self.emit(EventKind::JobReady { job: id });
        }
    }

    fn backoff_until(&self, id: JobId) -> Option<Mono> {
        match self.job(id)?.phase {
            Phase::Backoff { until, .. } => Some(until),
            _ => None,
        }
    }

    fn job_timers(&mut self, id: JobId) {
        let now = self.now.mono;
        let Some(active) = self.active.get_mut(&id) else { return };
        if active.kill_at.is_some_and(|at| now >= at) {
            // Asked again until it is gone: a process in the middle of an exec may miss one.
            active.kill_at = Some(now + STOP_GRACE);
            self.effects.push(Effect::Stop(id, StopMode::Kill));
            return;
        }
        if !matches!(self.job(id).map(|job| &job.phase), Some(Phase::Running { paused: false, .. })) {
            return;
        }
        if self.timeout_at(id).is_some_and(|at| now >= at) {
            self.stop(id, StopReason::Timeout, STOP_GRACE);
        } else if !self.blind() && self.stall_at(id).is_some_and(|at| now >= at) {
            self.stop(id, StopReason::Stall, STOP_GRACE);
        }
    }

    fn timeout_at(&self, id: JobId) -> Option<Mono> {
        Some(self.active.get(&id)?.clock_from + self.config.timeout?)
    }

    fn stall_at(&self, id: JobId) -> Option<Mono> {
        Some(self.active.get(&id)?.alive?.at + self.config.stall?)
    }

    /// The next moment at which something is due.
    pub(super) fn next_timer(&self) -> Option<Mono> {
        let now = self.now.mono;
        let is_blind = self.blind();
        let mut next: Option<Mono> = None;
        let mut due = |at: Option<Mono>| {
            next = match (next, at) {
                (Some(next), Some(at)) => Some(next.min(at)),
                (next, at) => next.or(at),
            }
        };
        for id in &self.state.index.backoff {
            due(self.backoff_until(*id));
        }
        for (id, active) in &self.active {
            if matches!(self.job(*id).map(|job| &job.phase), Some(Phase::Running { paused: false, .. })) {
                due(self.timeout_at(*id));
                due(self.stall_at(*id).filter(|_| !is_blind));
            }
            due(active.kill_at);
            // A moment that has passed without effect waits for something else, not for time.
            due(active.cleaning_until.filter(|at| *at > now));
        }
        due(self.cleanup_plan.running.map(|running| running.since + LOST_AFTER));
        // A run without samples must come to an end, and a first job to its start.
        let tick = std::time::Duration::from_millis(1);
        let seen = self.sample.as_ref().map_or(Mono::START, |(at, _)| *at);
        due((!is_blind).then(|| seen + self.blind_after() + tick));
        due(self.sample.is_none().then(|| Mono::START + BLIND_AFTER + tick).filter(|at| *at > now));
        due(self.room_due());
        due(self.hooks_until.filter(|at| *at > now));
        next
    }

    pub(super) fn note_paused(&mut self, id: JobId) {
        let now = self.now.mono;
        if let Some(active) = self.active.get_mut(&id) {
            active.paused_since = Some(now);
        }
    }

    /// The time that a job was paused does not count against its limits.
    pub(super) fn note_resumed(&mut self, id: JobId) {
        let now = self.now.mono;
        let Some(active) = self.active.get_mut(&id) else { return };
        let Some(since) = active.paused_since.take() else { return };
        active.clock_from = active.clock_from + now.since(since);
        active.paused_for += now.since(since);
        if let Some(alive) = &mut active.alive {
            alive.at = alive.at + now.since(since);
        }
    }

    /// Counts every job's silence from now on.
    pub(super) fn forgive_silence(&mut self) {
        let now = self.now.mono;
        for active in self.active.values_mut() {
            if let Some(alive) = &mut active.alive {
                alive.at = now;
            }
        }
    }

    pub(super) fn note_progress(&mut self, id: JobId) {
        let (now, vitals) = (self.now.mono, self.vitals(id));
        let progress = self.job(id).and_then(|job| job.progress);
        let Some(active) = self.active.get_mut(&id) else { return };
        let mark = progress.map(|progress| (progress.frame, progress.out_time));
        // ffmpeg reports every half second even when nothing moves.
        if active.last_mark != mark {
            active.last_mark = mark;
            active.alive = Some(Alive { at: now, vitals });
        }
    }

    /// A job that uses CPU or grows is alive, even when it tells no progress.
    pub(super) fn watch_vitals(&mut self) {
        let ids: Vec<JobId> = self.active.keys().copied().collect();
        for id in ids {
            let (now, vitals) = (self.now.mono, self.vitals(id));
            let Some(alive) = self.active.get_mut(&id).and_then(|active| active.alive.as_mut()) else { continue };
            let works = vitals.cpu_ms > alive.vitals.cpu_ms + LIVELY_CPU_MS;
            let grows = vitals.anon > alive.vitals.anon + LIVELY_GROWTH;
            if works || grows {
                *alive = Alive { at: now, vitals };
            }
        }
    }

    pub(super) fn note_peak(&mut self, id: JobId, peak: Bytes) {
        if let Some(active) = self.active.get_mut(&id) {
            active.host_peak = active.host_peak.max(peak);
        }
    }

    fn vitals(&self, id: JobId) -> JobVitals {
        self.sample.as_ref().and_then(|(_, sample)| sample.jobs.get(&id)).copied().unwrap_or_default()
    }
}
