//! Cleanups: which one is next, one at a time, and how soon the same one may come again.

use std::collections::VecDeque;
use std::time::Duration;

use super::Engine;
use super::port::{CleanOrder, Effect};
use crate::domain::cleanup::{CleanupAction, CleanupId, CleanupResult, CleanupTrigger, CleanupVerdict};
use crate::domain::event::EventKind;
use crate::domain::job::{JobId, LogLevel};
use crate::domain::memory::Level;
use crate::domain::time::Mono;
use crate::domain::units::Bytes;

/// What is tried at the high-water mark, in this order, and when the operator asks. The first one begins a pass.
const STEPS: &[CleanupAction] = &[CleanupAction::DropFileCache, CleanupAction::RemoveScratch, CleanupAction::TrimHeap];
/// What is done when a job is about to start. Its files are not in the cache yet, or are about to be read.
const BEFORE: &[CleanupAction] = &[CleanupAction::TrimHeap];
/// What is done when a job has ended well: its part has become its output, so there is no scratch.
const AFTER: &[CleanupAction] = &[CleanupAction::DropFileCache];
/// What is done when a job has failed.
const AFTER_FAILURE: &[CleanupAction] = &[CleanupAction::RemoveScratch, CleanupAction::DropFileCache, CleanupAction::TrimHeap];
/// A step may be tried again after this long; doubled each time it was futile.
const RETRY_FIRST: Duration = Duration::from_secs(5);
/// Longest such wait.
const RETRY_CAP: Duration = Duration::from_mins(1);
/// A cleanup that has not answered for this long is given up.
pub(super) const LOST_AFTER: Duration = Duration::from_secs(30);

/// A cleanup not begun yet.
#[derive(Debug, Clone, Copy)]
struct Pending {
    trigger: CleanupTrigger,
    action: CleanupAction,
    job: Option<JobId>,
}

/// A cleanup under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Running {
    id: CleanupId,
    what: Pending,
    pub(super) since: Mono,
}

/// When one of [`STEPS`] may be tried again.
#[derive(Debug, Clone, Copy)]
struct Step {
    not_before: Mono,
    wait: Duration,
}

/// The cleanups to come, and the one under way.
#[derive(Debug)]
pub(super) struct CleanupPlan {
    last_id: u64,
    queue: VecDeque<Pending>,
    pub(super) running: Option<Running>,
    steps: [Step; STEPS.len()],
    /// When the last one ended: the next step wants a newer sample.
    last_end: Option<Mono>,
    /// What ended cleanups came to; told with the first sample that is newer.
    untold: Vec<Ended>,
}

/// A cleanup that has ended and is still to be told in the log.
#[derive(Debug, Clone, Copy)]
struct Ended {
    at: Mono,
    action: CleanupAction,
    freed: Bytes,
    millis: u64,
}

impl Default for CleanupPlan {
    fn default() -> Self {
        Self {
            last_id: 0,
            queue: VecDeque::new(),
            running: None,
            steps: [Step { not_before: Mono::START, wait: RETRY_FIRST }; STEPS.len()],
            last_end: None,
            untold: Vec::new(),
        }
    }
}

impl CleanupPlan {
    pub(super) fn is_idle(&self) -> bool {
        self.running.is_none() && self.queue.is_empty()
    }

    /// Number of the next cleanup.
    pub(super) fn next_id(&mut self) -> CleanupId {
        self.last_id += 1;
        CleanupId(self.last_id)
    }

    fn concerns(&self, job: JobId) -> bool {
        self.running.is_some_and(|running| running.what.job == Some(job))
            || self.queue.iter().any(|pending| pending.job == Some(job))
    }
}

impl Engine {
    /// Cleans before a job starts; the start waits for it.
    pub(super) fn clean_before(&mut self, job: JobId) {
        // It jumps the queue: a start waits for it.
        for action in BEFORE.iter().rev() {
            let pending = Pending { trigger: CleanupTrigger::BeforeJob, action: *action, job: Some(job) };
            self.cleanup_plan.queue.push_front(pending);
        }
    }

    /// Cleans after a job has ended.
    pub(super) fn clean_after(&mut self, job: JobId, success: bool) {
        let (trigger, actions) =
            if success { (CleanupTrigger::AfterJob, AFTER) } else { (CleanupTrigger::AfterFailure, AFTER_FAILURE) };
        if self.config.governor {
            self.cleanup_plan.queue.extend(actions.iter().map(|action| Pending { trigger, action: *action, job: Some(job) }));
        }
        // A job that never got to a process used nothing.
        if let Some(since) = self.after_lines.get_mut(&job) {
            *since = Some(self.now.mono);
        }
    }

    /// Runs every harmless step, because the operator asks.
    pub(super) fn clean_now(&mut self) {
        let trigger = CleanupTrigger::Operator;
        self.cleanup_plan.queue.extend(STEPS.iter().map(|action| Pending { trigger, action: *action, job: None }));
    }

    /// Begins the next cleanup, if one is due and none is under way.
    pub(super) fn clean(&mut self) {
        if self.cleanup_plan.running.is_some() {
            return;
        }
        if let Some(pending) = self.cleanup_plan.queue.pop_front() {
            self.begin(pending);
        } else if let Some(action) = self.due_step() {
            self.begin(Pending { trigger: CleanupTrigger::HighWater, action, job: None });
        }
    }

    /// The first step that memory over the line calls for and that is not waiting to be tried again.
    fn due_step(&self) -> Option<CleanupAction> {
        let is_newer = match (&self.sample, self.cleanup_plan.last_end) {
            (Some((at, _)), Some(end)) => *at > end,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let is_free = self.governor.is_tidy();
        if !(self.config.governor && self.levels.level() >= Level::High && is_newer && is_free && !self.blind()) {
            return None;
        }
        // The level lags behind on its way down. A new pass begins over the mark only, and goes on until the alarm ends.
        let (counted, lines) = (self.state.memory.counted_bytes, &self.state.lines);
        let is_wanted = |action: CleanupAction| counted >= if action == STEPS[0] { lines.high_water } else { lines.low_water };
        let due = STEPS.iter().zip(&self.cleanup_plan.steps).find(|(_, step)| self.now.mono >= step.not_before);
        due.map(|(action, _)| *action).filter(|action| is_wanted(*action))
    }

    fn begin(&mut self, pending: Pending) {
        let id = self.cleanup_plan.next_id();
        if pending.trigger == CleanupTrigger::HighWater {
            self.governor.note_action(self.now.mono);
            if pending.action == STEPS[0] {
                self.note_pass();
            }
        }
        self.cleanup_plan.running = Some(Running { id, what: pending, since: self.now.mono });
        let memory = &self.state.memory;
        let before_bytes = match pending.trigger {
            CleanupTrigger::HighWater => memory.counted_bytes,
            _ => memory.usage_bytes,
        };
        if pending.trigger == CleanupTrigger::HighWater && pending.action == STEPS[0] {
            let line = format!("High memory usage detected: {:.1}MB - forcing cleanup", before_bytes.as_mb());
            self.log(None, LogLevel::Memory, line);
        }
        let Pending { trigger, action, job } = pending;
        self.emit(EventKind::CleanupStarted { cleanup: id, trigger, job, action, before_bytes });
        let running = self.active.keys().copied().collect();
        self.effects.push(Effect::Clean(CleanOrder { id, action, job, running }));
    }

    /// Takes the measured result of a cleanup.
    pub(super) fn cleanup_done(&mut self, id: CleanupId, result: CleanupResult) {
        let Some(running) = self.cleanup_plan.running.filter(|running| running.id == id) else { return };
        let Pending { trigger, action, job } = running.what;
        let CleanupResult { before, after, freed, millis, verdict } = result;
        self.emit(EventKind::CleanupFinished {
            cleanup: id,
            action,
            before_bytes: before,
            after_bytes: after,
            freed_bytes: freed,
            millis,
            verdict,
        });
        if matches!(trigger, CleanupTrigger::HighWater | CleanupTrigger::Operator) {
            self.cleanup_plan.untold.push(Ended { at: self.now.mono, action, freed, millis });
        }
        if trigger == CleanupTrigger::HighWater
            && let Some(step) = STEPS.iter().position(|step| *step == action)
        {
            let step = &mut self.cleanup_plan.steps[step];
            step.wait = if verdict == CleanupVerdict::Futile { (step.wait * 2).min(RETRY_CAP) } else { RETRY_FIRST };
            step.not_before = self.now.mono + step.wait;
        }
        self.end_cleanup(job, trigger);
    }

    /// Gives up a cleanup that never answered.
    pub(super) fn lose_cleanup(&mut self) {
        let Some(running) = self.cleanup_plan.running else { return };
        if self.now.mono.since(running.since) < LOST_AFTER {
            return;
        }
        let what = format!("cleanup {} ({})", running.id.0, running.what.action.label());
        self.emit(EventKind::Fault { what, detail: "has not answered for 30 s and is given up".to_owned() });
        self.end_cleanup(running.what.job, running.what.trigger);
    }

    fn end_cleanup(&mut self, job: Option<JobId>, trigger: CleanupTrigger) {
        self.cleanup_plan.running = None;
        self.cleanup_plan.last_end = Some(self.now.mono);
        let Some(job) = job else { return };
        if trigger == CleanupTrigger::BeforeJob {
            let is_done =
                !self.cleanup_plan.queue.iter().any(|next| next.job == Some(job) && next.trigger == CleanupTrigger::BeforeJob);
            if is_done && let Some(active) = self.active.get_mut(&job) {
                active.cleaning_until = None;
            }
        } else if let Some(Some(since)) = self.after_lines.get_mut(&job) {
            *since = self.now.mono;
        }
    }

    /// Nothing is left to be told with a newer sample.
    pub(super) fn all_is_told(&self) -> bool {
        self.after_lines.values().all(Option::is_none) && self.cleanup_plan.untold.is_empty()
    }

    /// Now that a newer sample is here: what cleanups came to, and what is used after jobs whose cleanups are over.
    pub(super) fn print_after_lines(&mut self) {
        let now = self.now.mono;
        let (due, later) = std::mem::take(&mut self.cleanup_plan.untold).into_iter().partition(|ended: &Ended| ended.at < now);
        self.cleanup_plan.untold = later;
        for Ended { action, freed, millis, .. } in due {
            self.log_cleaned(action, freed, millis);
        }
        let due: Vec<JobId> = self
            .after_lines
            .iter()
            .filter(|(job, since)| since.is_some_and(|since| since < now) && !self.cleanup_plan.concerns(**job))
            .map(|(job, _)| *job)
            .collect();
        for job in due {
            self.after_lines.remove(&job);
            let line = format!("Memory usage after processing: {:.1}MB", self.state.memory.working_set_bytes.as_mb());
            self.log(Some(job), LogLevel::Memory, line);
        }
    }

    /// In the sum that is told when the line is crossed: with another one, what was freed may look like growth.
    pub(super) fn log_cleaned(&mut self, action: CleanupAction, freed: Bytes, millis: u64) {
        let line = format!(
            "Memory usage after cleanup: {:.1}MB ({}: freed {:.1}MB in {millis} ms)",
            self.state.memory.counted_bytes.as_mb(),
            action.label(),
            freed.as_mb()
        );
        self.log(None, LogLevel::Memory, line);
    }
}
