//! Inputs that cannot be reached for now: a share, or a disk, that is away and comes back.
//!
//! That says nothing of the files: nobody is rejected for it, and no try is counted. The job that found it out waits and looks
//! again; all others whose inputs lie in the same place wait with it unasked, and are passed by those whose files are there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Engine;
use super::port::Absence;
use crate::domain::event::EventKind;
use crate::domain::job::{JobId, LogLevel};
use crate::domain::time::Mono;

/// The wait before the second look; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// The longest.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// A place that is away.
#[derive(Debug)]
pub(super) struct Away {
    /// Who looked last, and so tells when it is back.
    job: JobId,
    /// All that have looked and wait for the next look.
    waits: Vec<JobId>,
    why: String,
    wait: Duration,
    /// Nobody looks before then: each would only find out the same.
    look_at: Mono,
    /// Since when nothing gets on for want of it.
    pub(super) since: Mono,
}

impl Engine {
    /// Its input cannot be reached: it waits, and looks again. A start that came to nothing was no try.
    pub(super) fn wait_for_input(&mut self, id: JobId, absence: Absence) {
        let Absence { place, why } = absence;
        let Some(attempt) = self.job(id).map(|job| job.attempts) else { return };
        let now = self.now.mono;
        self.active.remove(&id);
        let known = self.away.get(&place);
        let wait = known.map_or(FIRST_WAIT, |away| (away.wait * 2).min(LONGEST_WAIT));
        let since = known.map_or(now, |away| away.since);
        self.log(Some(id), LogLevel::Warning, format!("{why}; it is looked at again in {} s", wait.as_secs()));
        let (reason, delay_ms) = (why.clone(), wait.as_millis() as u64);
        self.emit(EventKind::JobRequeued { job: id, attempt, reason, delay_ms, uncounted: true, for_room: false });
        let mut waits = self.away.remove(&place).map(|away| away.waits).unwrap_or_default();
        if !waits.contains(&id) {
            waits.push(id);
        }
        self.away.insert(place, Away { job: id, waits, why, wait, look_at: now + wait, since });
    }

    /// Its input lies in a place that was away when somebody looked last, and it is not yet time for another look.
    pub(super) fn is_away(&self, input: &Path) -> bool {
        self.away.iter().any(|(place, away)| self.now.mono < away.look_at && input.starts_with(place))
    }

    /// Its input was reached: whoever waited for the same place goes on at once.
    pub(super) fn input_is_there(&mut self, id: JobId) {
        let Some(job) = self.job(id).filter(|_| !self.away.is_empty()) else { return };
        let is_back = |(place, away): &(&PathBuf, &Away)| away.job == id || job.input.starts_with(place);
        let back: Vec<PathBuf> = self.away.iter().filter(is_back).map(|(place, _)| place.clone()).collect();
        self.forget_away(&back);
    }

    fn forget_away(&mut self, places: &[PathBuf]) {
        for place in places {
            let waits = self.away.remove(place).map(|away| away.waits).unwrap_or_default();
            for id in waits {
                if self.state.index.backoff.contains(&id) {
                    self.emit(EventKind::JobReady { job: id });
                }
            }
            self.is_probed = false;
        }
    }

    /// The operator wants it looked at now.
    pub(super) fn look_for_input(&mut self, id: JobId) {
        let now = self.now.mono;
        for away in self.away.values_mut().filter(|away| away.waits.contains(&id)) {
            away.look_at = now;
        }
    }

    /// Where the job that looked last is gone nobody would tell that the place is back: others look.
    pub(super) fn away_timers(&mut self) {
        let is_gone = |away: &&Away| self.job(away.job).is_none_or(|job| job.phase.is_terminal());
        let gone: Vec<PathBuf> = self.away.iter().filter(|(_, away)| is_gone(away)).map(|(place, _)| place.clone()).collect();
        self.forget_away(&gone);
    }

    /// Since when nothing at all can be started for want of an input, and what is waited for; `None` where others may start.
    pub(super) fn all_is_away(&self) -> Option<(Mono, &str)> {
        let latest = self.away.values().max_by_key(|away| away.since)?;
        let is_in_one = |id: &JobId| self.job(*id).is_some_and(|job| self.away.keys().any(|place| job.input.starts_with(place)));
        let all = self.inspecting.is_empty() && self.state.index.waiting.iter().all(|(_, id)| is_in_one(id));
        all.then_some((latest.since, latest.why.as_str()))
    }
}
