//! What is done when cleanups do not give back enough: stop a job where it is, then kill one. One at a time, each verified by a newer sample.

use std::cmp::Reverse;
use std::time::Duration;

use crate::domain::cleanup::{CleanupAction, CleanupId, CleanupTrigger, CleanupVerdict};
use crate::domain::event::EventKind;
use crate::domain::job::{Exit, JobId, LogLevel, Outcome, Phase, StopReason};
use crate::domain::memory::Level;
use crate::domain::time::Mono;
use crate::domain::units::Bytes;
use crate::engine::Engine;
use crate::engine::port::{Effect, StopMode};
use crate::engine::retry;

/// Memory that cannot be dropped may be over the line for this long.
const PATIENCE: Duration = Duration::from_secs(1);
/// Below this share of its reserve a job is taken to be still growing.
const RAMPING: f64 = 0.9;
/// One that has not grown for this long has levelled off.
const GROWS_WITHIN: Duration = Duration::from_secs(10);
/// What counts as growth.
const GROWTH: Bytes = Bytes::mib(4);
/// Room for a stopped job must last this long before it goes on.
const ROOM_FOR: Duration = Duration::from_secs(5);
/// A job stopped for this long gives its memory up.
const STOPPED_AT_MOST: Duration = Duration::from_mins(2);
/// Over this share of its reserve a job is the first to go.
pub(super) const OVERRUN: f64 = 1.5;
/// A killed process is waited for at most this long.
const REAPED_WITHIN: Duration = Duration::from_secs(5);
/// Between the end of one killed process and the next kill: its memory has to be seen gone.
const KILL_SPACING: Duration = Duration::from_millis(500);
/// Further tries of a job that ended for want of memory.
const MEMORY_TRIES: u32 = 3;
/// Growth that still counts as "it grows no further".
const STILL: Bytes = Bytes::mib(16);

#[derive(Debug, Clone, Copy)]
pub(super) struct Kill {
    pub(super) job: JobId,
    at: Mono,
    /// When its process was gone.
    pub(super) reaped: Option<Mono>,
}

/// An action that a newer sample is to verify.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    id: CleanupId,
    action: CleanupAction,
    job: Option<JobId>,
    since: Mono,
    before: Bytes,
    /// What the job held.
    held: Bytes,
    /// What had to go.
    deficit: Bytes,
}

impl Engine {
    pub(super) fn note_pressure(&mut self) {
        let is_over = self.hard() >= self.state.lines.high_water;
        let now = self.now.mono;
        self.governor.over_since = if is_over { self.governor.over_since.or(Some(now)) } else { None };
        if self.levels.level() == Level::Normal {
            self.governor.is_holding = false;
        }
    }

    /// The last kill is over: its process is gone, or was waited for long enough, and a moment has passed.
    pub(super) fn is_kill_settled(&self) -> bool {
        let Some(kill) = self.governor.kill else { return true };
        let over = kill.reaped.unwrap_or(kill.at + REAPED_WITHIN);
        self.now.mono >= over + KILL_SPACING
    }

    /// No action waits for its newer sample, and none of the cleanups is just under way.
    fn may_act(&self) -> bool {
        let is_cleaning = self.cleanup_plan.running.is_some_and(|running| self.now.mono.since(running.since) < PATIENCE);
        self.governor.pending.is_none() && !is_cleaning && self.is_fresh() && self.is_kill_settled()
    }

    /// Over the critical mark, or beyond what was foreseen for a job alone: kills one job, if our jobs can make up for what is too much. What somebody else holds is
    /// not theirs to pay for.
    pub(super) fn kill_when_critical(&mut self) -> bool {
        let (hard, critical) = (self.hard(), self.kill_mark());
        if hard < critical || !self.is_fresh() || !self.is_kill_settled() {
            return false;
        }
        let deficit = hard - critical + Bytes(1);
        let candidates = self.by_age(|phase| matches!(phase, Phase::Running { .. }));
        let ours: Bytes = candidates.iter().map(|id| self.anon(*id)).sum();
        if ours < deficit {
            return false;
        }
        let Some(victim) = self.victim(&candidates, deficit) else { return false };
        let line = if critical == Bytes::ZERO { "there is no budget".to_owned() } else { format!("the limit is {critical}") };
        let why = format!("memory that cannot be dropped was at {}, {line}", hard.whole());
        self.kill_for_memory(victim, deficit, why);
        true
    }

    /// Who goes: one who alone makes up for the deficit, and of those first who is far over its reserve, then who is
    /// stopped anyway, then the youngest. Where nobody alone is enough, the largest of the first kind that there is.
    fn victim(&self, oldest_first: &[JobId], deficit: Bytes) -> Option<JobId> {
        let ranked = oldest_first.iter().enumerate().filter(|(_, id)| self.anon(**id) > Bytes::ZERO);
        let key = |age: usize, id: JobId| {
            let anon = self.anon(id);
            let class = if anon > self.reserve(id).scale(OVERRUN) {
                0
            } else if matches!(self.job(id).map(|job| &job.phase), Some(Phase::Running { paused: true, .. })) {
                1
            } else {
                2
            };
            let is_short = anon < deficit;
            (is_short, class, Reverse(if is_short { anon } else { Bytes::ZERO }), Reverse(age))
        };
        ranked.min_by_key(|(age, id)| key(*age, **id)).map(|(_, id)| *id)
    }

    /// Kills a job that has been stopped for too long: its memory is of more use to others.
    pub(super) fn kill_overdue(&mut self) -> bool {
        if !self.may_act() {
            return false;
        }
        let now = self.now.mono;
        let overdue = self.governor.stopped.iter().find(|(_, since)| now.since(**since) >= STOPPED_AT_MOST);
        let Some(id) = overdue.map(|(id, _)| *id) else { return false };
        let why = format!("there was no room for it to go on for {} s", STOPPED_AT_MOST.as_secs());
        self.kill_for_memory(id, Bytes::ZERO, why);
        true
    }

    fn kill_for_memory(&mut self, id: JobId, deficit: Bytes, why: String) {
        let now = self.now.mono;
        self.governor.release(id);
        self.governor.kill = Some(Kill { job: id, at: now, reaped: None });
        self.log(Some(id), LogLevel::Warning, format!("killed to free {}: {why}", self.anon(id).whole()));
        self.begin_action(CleanupAction::KillJob, Some(id), deficit);
        self.emit(EventKind::JobStopping { job: id, why: StopReason::Memory });
        self.effects.push(Effect::Stop(id, StopMode::Kill));
        if let Some(active) = self.active.get_mut(&id) {
            active.kill_at = Some(now + REAPED_WITHIN);
            active.memory_why = Some(why);
        }
    }

    /// Over the line for a second: first nothing new is started, then the youngest job that still grows is stopped.
    /// Never the oldest of those that run: so one always runs.
    pub(super) fn hold_or_stop(&mut self) -> bool {
        let now = self.now.mono;
        if self.governor.over_since.is_none_or(|since| now.since(since) < PATIENCE) || !self.may_act() {
            return false;
        }
        if !self.governor.is_holding && !self.state.index.waiting.is_empty() {
            self.governor.is_holding = true;
            self.begin_action(CleanupAction::HoldStarts, None, Bytes::ZERO);
            return true;
        }
        let running = self.running_by_age();
        let Some(id) = running.iter().skip(1).rev().copied().find(|id| self.is_ramping(*id)) else { return false };
        self.begin_action(CleanupAction::StopJob, Some(id), Bytes::ZERO);
        self.governor.stopped.insert(id, now);
        self.effects.push(Effect::Suspend(id));
        self.note_paused(id);
        self.emit(EventKind::JobPaused { job: id, by_governor: true });
        true
    }

    /// It has not come near its reserve yet, and still grows: one that has levelled off is not worth stopping.
    fn is_ramping(&self, id: JobId) -> bool {
        let grown = self.active.get(&id).and_then(|active| active.grown);
        let is_growing = grown.is_some_and(|(_, at)| self.now.mono.since(at) < GROWS_WITHIN);
        is_growing && self.anon(id) < self.reserve(id).scale(RAMPING)
    }

    /// Notes which jobs have grown since the last sample.
    pub(super) fn note_growth(&mut self) {
        let now = self.now.mono;
        let ids: Vec<JobId> = self.active.keys().copied().collect();
        for id in ids {
            let anon = self.anon(id);
            let Some((most, at)) = self.active.get_mut(&id).and_then(|active| active.grown.as_mut()) else { continue };
            if anon >= *most + GROWTH {
                (*most, *at) = (anon, now);
            }
        }
    }

    /// Lets the oldest stopped job go on once there has been room for its growth for a while.
    pub(super) fn resume_with_room(&mut self) -> bool {
        let now = self.now.mono;
        let Some(id) = self.oldest_stopped() else {
            self.governor.room_since = None;
            return false;
        };
        let held = |other: JobId| if self.governor.has_stopped(other) { self.anon(other) } else { self.share(other) };
        let others: Bytes = self.active.keys().filter(|other| **other != id).map(|other| held(*other)).sum();
        if self.base() + others + self.share(id) > self.state.lines.high_water {
            self.governor.room_since = None;
            return false;
        }
        let since = match self.governor.room_since {
            Some((known, since)) if known == id => since,
            _ => now,
        };
        self.governor.room_since = Some((id, since));
        // While the console itself is stopped, so is everybody.
        if now.since(since) < ROOM_FOR || !self.suspended.is_empty() || !self.may_act() {
            return false;
        }
        self.let_go_on(id);
        true
    }

    /// Lets the oldest stopped job go on when nothing runs: a queue in which everybody waits is no use to anybody. Holds
    /// without samples too, one at a time.
    pub(in crate::engine) fn resume_when_nothing_runs(&mut self) {
        let is_busy =
            |phase: &Phase| matches!(phase, Phase::Starting | Phase::Running { paused: false, .. } | Phase::Stopping { .. });
        if self.governor.stopped.is_empty() || !self.suspended.is_empty() || !self.by_age(is_busy).is_empty() {
            return;
        }
        if let Some(id) = self.oldest_stopped() {
            self.let_go_on(id);
        }
    }

    fn oldest_stopped(&self) -> Option<JobId> {
        self.governor.stopped.keys().copied().min_by_key(|id| (self.job(*id).and_then(|job| job.started_at), *id))
    }

    fn let_go_on(&mut self, id: JobId) {
        self.governor.release(id);
        self.governor.room_since = None;
        self.governor.note_action(self.now.mono);
        self.effects.push(Effect::Continue(id));
        self.note_resumed(id);
        self.emit(EventKind::JobContinued { job: id, by_governor: true });
    }

    fn begin_action(&mut self, action: CleanupAction, job: Option<JobId>, deficit: Bytes) {
        let (now, before) = (self.now.mono, self.hard());
        let id = self.cleanup_plan.next_id();
        let held = job.map_or(Bytes::ZERO, |job| self.anon(job));
        self.governor.note_action(now);
        self.governor.pending = Some(Pending { id, action, job, since: now, before, held, deficit });
        self.emit(EventKind::CleanupStarted { cleanup: id, trigger: CleanupTrigger::HighWater, job, action, before_bytes: before });
    }

    /// Tells what the last action came to, now that a newer sample shows it. A kill gives back what the job was seen to
    /// hold, once its process is gone; stopping gives nothing back and says so.
    pub(super) fn verify_action(&mut self) {
        let (Some(pending), Some((at, _))) = (self.governor.pending, &self.sample) else { return };
        let reaped = self.governor.kill.filter(|kill| Some(kill.job) == pending.job).and_then(|kill| kill.reaped);
        let is_given_up = self.now.mono.since(pending.since) >= REAPED_WITHIN;
        let seen_since = if pending.action == CleanupAction::KillJob { reaped } else { Some(pending.since) };
        let is_seen = seen_since.is_some_and(|since| *at > since) || (is_given_up && *at > pending.since);
        if !is_seen {
            return;
        }
        let after_bytes = self.hard();
        let (freed_bytes, verdict) = match pending.action {
            CleanupAction::KillJob if reaped.is_some() && pending.held >= pending.deficit => {
                (pending.held, CleanupVerdict::Effective)
            }
            CleanupAction::KillJob if reaped.is_some() => (pending.held, CleanupVerdict::Partial),
            CleanupAction::HoldStarts | CleanupAction::StopJob if after_bytes <= pending.before + STILL => {
                (Bytes::ZERO, CleanupVerdict::Effective)
            }
            _ => (Bytes::ZERO, CleanupVerdict::Futile),
        };
        self.governor.pending = None;
        let millis = seen_since.unwrap_or(self.now.mono).max(pending.since).since(pending.since).as_millis() as u64;
        self.emit(EventKind::CleanupFinished {
            cleanup: pending.id,
            action: pending.action,
            before_bytes: pending.before,
            after_bytes,
            freed_bytes,
            millis,
            verdict,
        });
        self.log_cleaned(pending.action, freed_bytes, millis);
    }

    /// A try ended for want of memory: another one with a larger reserve, or the end.
    pub(in crate::engine) fn end_for_memory(&mut self, id: JobId, why: &str, exit: Option<Exit>) {
        let Some(job) = self.job(id) else { return };
        let attempt = job.attempts;
        let seen = self.active.get(&id).map_or(job.peak, |active| job.peak.max(active.host_peak));
        let had_all = self.had_all(id, seen);
        let tries = self.count_memory_try(id);
        let (old, new) = self.raise_reserve(id, seen);
        self.learn_from_overrun(id, seen);
        // What is said of a kill begins with it too.
        let why = why.strip_prefix("out of memory: ").unwrap_or(why);
        let figures = format!("{why}; it held {} of its own, {} were set aside", seen.whole(), old.whole());
        if tries > MEMORY_TRIES {
            let reason = format!("out of memory {tries} times: {figures}; budget {}", self.state.lines.budget);
            return self.finish_failed(id, Outcome::OutOfMemory, reason, exit);
        }
        if had_all {
            let reason = format!(
                "out of memory: {figures}, and it ran alone; a budget of {} is not enough: give it a larger one, or a preset with fewer threads or smaller pictures",
                self.state.lines.budget
            );
            return self.finish_failed(id, Outcome::OutOfMemory, reason, exit);
        }
        let reason = format!("{figures}, next time {}", new.whole());
        self.log(Some(id), LogLevel::Warning, format!("out of memory, memory try {tries} of {}: {reason}", MEMORY_TRIES + 1));
        let delay = retry::backoff(tries);
        self.active.remove(&id);
        let delay_ms = delay.as_millis() as u64;
        self.emit(EventKind::JobRequeued { job: id, attempt, reason, delay_ms, uncounted: false, for_room: false, away: None });
        self.clean_after(id, false);
    }
}
