//! Keeps memory that cannot be dropped under the load line: who gets how much, who waits, who is stopped, who is killed.
//!
//! Admission carries the safety, because a job grows by hundreds of MB in a second; stopping and killing are the
//! backstop. Knows no clock and no process: it looks at samples and gives orders.

mod escalation;
mod ledger;
mod pace;
mod warnings;

use std::collections::BTreeMap;
use std::time::Duration;

use super::Engine;
use crate::domain::job::{JobId, Phase};
use crate::domain::time::Mono;
use crate::domain::units::Bytes;

use escalation::{Kill, Pending};
pub(super) use ledger::Fit;
use warnings::Warnings;

/// The governor is blind this many sampling intervals, and a little, after the last sample.
const BLIND_INTERVALS: u32 = 3;
/// That little: a sampler that is late is not one that is dead.
const BLIND_SLACK: Duration = Duration::from_millis(200);
/// A sample is fresh for this many sampling intervals.
const FRESH_INTERVALS: u32 = 2;

/// What the governor knows beside the facts.
#[derive(Debug)]
pub(super) struct Governor {
    /// Reserves raised because the job was killed for want of memory.
    raised: BTreeMap<JobId, Bytes>,
    /// Tries that ended so.
    tries: BTreeMap<JobId, u32>,
    /// Jobs that it has stopped, and since when. Jobs that the operator paused are never here.
    stopped: BTreeMap<JobId, Mono>,
    /// The last stop, resume or kill, or cleanup begun for the line's sake.
    last_action: Option<Mono>,
    /// Since when memory that cannot be dropped is over the line.
    over_since: Option<Mono>,
    /// Since when there is room for this stopped job to grow.
    room_since: Option<(JobId, Mono)>,
    /// The last kill.
    kill: Option<Kill>,
    /// The action that a newer sample is to verify.
    pending: Option<Pending>,
    /// Told that starts are held.
    is_holding: bool,
    /// The jobs that memory is set aside for, and how often they have changed: each time what is left for the others does.
    neighbours: Vec<JobId>,
    pub(super) limits_round: u64,
    /// The pace that samples are asked for at.
    pace: Duration,
    /// The pace in force when the last sample came: the next is due by the slower of the two.
    sample_pace: Duration,
    warnings: Warnings,
}

impl Default for Governor {
    fn default() -> Self {
        Self {
            raised: BTreeMap::new(),
            tries: BTreeMap::new(),
            stopped: BTreeMap::new(),
            last_action: None,
            over_since: None,
            room_since: None,
            kill: None,
            pending: None,
            is_holding: false,
            neighbours: Vec::new(),
            limits_round: 0,
            pace: pace::BUSY,
            sample_pace: pace::BUSY,
            warnings: Warnings::default(),
        }
    }
}

impl Governor {
    /// No action waits to be verified.
    pub(super) fn is_tidy(&self) -> bool {
        self.pending.is_none()
    }

    pub(super) fn has_stopped(&self, id: JobId) -> bool {
        self.stopped.contains_key(&id)
    }

    /// The operator has taken over, or the job is ending: it is no longer the governor's to let go on.
    pub(super) fn release(&mut self, id: JobId) {
        self.stopped.remove(&id);
    }

    /// A job's process is gone.
    pub(super) fn note_reaped(&mut self, id: JobId, now: Mono) {
        self.stopped.remove(&id);
        if let Some(kill) = self.kill.as_mut().filter(|kill| kill.job == id) {
            kill.reaped.get_or_insert(now);
        }
    }

    /// A job has ended for good, or is off the list.
    pub(super) fn forget(&mut self, id: JobId) {
        self.raised.remove(&id);
        self.tries.remove(&id);
        self.stopped.remove(&id);
    }

    /// Tries of a job that ended for want of memory; they do not count against its retries.
    pub(super) fn memory_tries(&self, id: JobId) -> u32 {
        self.tries.get(&id).copied().unwrap_or(0)
    }

    pub(super) fn note_action(&mut self, now: Mono) {
        self.last_action = Some(now);
    }

    fn interval(&self) -> Duration {
        self.pace.max(self.sample_pace)
    }

    pub(super) fn blind_after(&self) -> Duration {
        self.interval() * BLIND_INTERVALS + BLIND_SLACK
    }
}

impl Engine {
    /// What follows from a new sample.
    pub(super) fn govern(&mut self) {
        if !self.config.governor {
            return;
        }
        self.governor.sample_pace = self.governor.pace;
        self.verify_action();
        self.note_growth();
        self.note_pressure();
        if !self.state.shutting_down {
            // One action for one sample; the worst trouble first.
            let _ = self.kill_when_critical() || self.kill_overdue() || self.hold_or_stop() || self.resume_with_room();
        }
        self.watch_warnings();
    }

    /// The last sample is recent, and newer than the last action on memory.
    fn is_fresh(&self) -> bool {
        let Some((at, _)) = &self.sample else { return false };
        let is_recent = self.now.mono.since(*at) <= self.governor.interval() * FRESH_INTERVALS;
        is_recent && self.governor.last_action.is_none_or(|action| *at > action)
    }

    /// Counted memory that cannot be dropped, in the last sample.
    fn hard(&self) -> Bytes {
        self.sample.as_ref().map_or(Bytes::ZERO, |(_, sample)| sample.hard)
    }

    /// A job's anonymous memory in the last sample.
    fn anon(&self, id: JobId) -> Bytes {
        self.sample.as_ref().and_then(|(_, sample)| sample.jobs.get(&id)).map_or(Bytes::ZERO, |vitals| vitals.anon)
    }

    /// Jobs whose process runs and is not stopped, by whomever; oldest first.
    fn running_by_age(&self) -> Vec<JobId> {
        self.by_age(|phase| matches!(phase, Phase::Running { paused: false, .. }))
    }

    fn by_age(&self, wanted: impl Fn(&Phase) -> bool) -> Vec<JobId> {
        let mut jobs: Vec<_> = self
            .active
            .keys()
            .filter_map(|id| self.job(*id))
            .filter(|job| wanted(&job.phase))
            .map(|job| (job.started_at, job.id))
            .collect();
        jobs.sort_unstable();
        jobs.into_iter().map(|(_, id)| id).collect()
    }
}
