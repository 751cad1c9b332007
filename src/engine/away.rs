//! Inputs that cannot be reached for now: a share, or a disk, that is away and comes back.
//!
//! That says nothing of the files: nobody is rejected for it, and no try is counted. The job that found it out waits and looks
//! again; all others whose inputs lie in the same place wait with it unasked, and are passed by those whose files are there.
//! A place that may be gone for good is waited for an hour; then its jobs are rejected, as those of any file that is missing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Engine;
use super::exits::Ending;
use super::port::{Absence, Cause};
use crate::domain::event::EventKind;
use crate::domain::job::{JobId, LogLevel, Outcome, RejectReason};
use crate::domain::time::{Mono, span_words};

/// The wait before the second look; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(10);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// What may be gone for good is taken for that after so long.
const GONE_AFTER: Duration = Duration::from_hours(1);

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
    /// When it was first found away.
    began: Mono,
    /// It is taken to be gone for good: nobody waits for it any more.
    is_gone: bool,
}

impl Engine {
    /// Its input cannot be reached: it waits, and looks again. A start that came to nothing was no try.
    pub(super) fn wait_for_input(&mut self, id: JobId, absence: Absence) {
        let Absence { place, why, may_be_gone } = absence;
        let Some(attempt) = self.job(id).map(|job| job.attempts) else { return };
        let now = self.now.mono;
        let known = self.away.get(&place);
        let (since, began) = known.map_or((now, now), |away| (away.since, away.began));
        if may_be_gone && now.since(began) >= GONE_AFTER {
            return self.give_input_up(id, &place, &why);
        }
        let (wait, look_at) = match known {
            None => (FIRST_WAIT, now + FIRST_WAIT),
            // Whoever has looked at the same time has found out the same.
            Some(away) if now < away.look_at => (away.wait, away.look_at),
            Some(away) => {
                let wait = (away.wait * 2).min(LONGEST_WAIT);
                (wait, now + wait)
            }
        };
        let is_news = known.is_none_or(|away| away.why != why);
        if is_news {
            self.log(
                Some(id),
                LogLevel::Warning,
                format!("{why}; it is looked at again in {} s, then ever less often", wait.as_secs()),
            );
        }
        self.active.remove(&id);
        let (reason, delay_ms) = (why.clone(), look_at.since(now).as_millis() as u64);
        self.emit(EventKind::JobRequeued {
            job: id,
            attempt,
            reason,
            delay_ms,
            uncounted: true,
            for_room: false,
            away: Some(place.clone()),
        });
        let mut waits = self.away.remove(&place).map(|away| away.waits).unwrap_or_default();
        if !waits.contains(&id) {
            waits.push(id);
        }
        self.away.insert(place, Away { job: id, waits, why, wait, look_at, since, began, is_gone: false });
    }

    /// Its input has been away for so long that it is taken to be gone. The others of the place look at once, and end likewise.
    fn give_input_up(&mut self, id: JobId, place: &Path, why: &str) {
        let why = format!("waited {} {}", span_words(GONE_AFTER), why.strip_prefix("waits ").unwrap_or(why));
        let now = self.now.mono;
        let waits = self.away.get_mut(place).map(|away| {
            (away.is_gone, away.look_at) = (true, now);
            std::mem::take(&mut away.waits)
        });
        for other in waits.unwrap_or_default() {
            if other != id && self.state.index.backoff.contains(&other) {
                self.emit(EventKind::JobReady { job: other });
            }
        }
        if self.active.contains_key(&id) {
            let ending = Ending { outcome: Outcome::Failed, reason: why, cause: Cause::Input, exit: None };
            self.end_failed(id, ending);
        } else {
            self.reject(id, RejectReason::Unreadable, None, why);
        }
    }

    /// Its input lies in a place that was away when somebody looked last, and it is not yet time for another look, or somebody is
    /// just looking, which may take minutes.
    pub(super) fn is_away(&self, input: &Path) -> bool {
        let is_looked_at =
            |place: &Path| self.inspecting.iter().any(|id| self.job(*id).is_some_and(|job| job.input.starts_with(place)));
        let is_waited_for = |(place, away): (&PathBuf, &Away)| {
            input.starts_with(place) && !away.is_gone && (self.now.mono < away.look_at || is_looked_at(place))
        };
        self.away.iter().any(is_waited_for)
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
        let is_gone = |away: &&Away| !away.is_gone && self.job(away.job).is_none_or(|job| job.phase.is_terminal());
        let gone: Vec<PathBuf> = self.away.iter().filter(|(_, away)| is_gone(away)).map(|(place, _)| place.clone()).collect();
        self.forget_away(&gone);
    }

    /// Since when nothing at all can be started for want of an input, and what is waited for; `None` where others may start.
    pub(super) fn all_is_away(&self) -> Option<(Mono, &str)> {
        let latest = self.away.values().filter(|away| !away.is_gone).max_by_key(|away| away.since)?;
        let is_in_one = |id: &JobId| self.job(*id).is_some_and(|job| self.away.keys().any(|place| job.input.starts_with(place)));
        let all = self.inspecting.is_empty() && self.state.index.waiting.iter().all(|(_, id)| is_in_one(id));
        all.then_some((latest.since, latest.why.as_str()))
    }
}
