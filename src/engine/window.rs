//! The part of the queue that is listed: the queue itself is in the store, and may be longer than memory should hold.
//!
//! Jobs enter by pages, next first, and each is told by [`EventKind::JobQueued`] when it does; of the rest only a count and a
//! sum are known. A restart is the same path: the first page is asked for before anything else. Knows nothing of how the
//! store keeps its jobs.

use std::collections::BTreeMap;

use super::Engine;
use super::port::{Arrived, Effect, Page, StoredJob};
use crate::domain::event::EventKind;
use crate::domain::job::{Job, JobId};
use crate::domain::preset::Preset;
use crate::domain::state::Backlog;

/// Jobs of one page.
const PAGE: usize = 1000;
/// With fewer waiting jobs listed than this the next page is asked for, so that at most twice a page is listed.
const LOW: usize = PAGE;
/// So many times in a row plimsoll may die while a job is at work before that is told: the job may be what kills it. It is
/// run again all the same, for whoever else killed plimsoll must not cost a job.
const DEATHS: u32 = 3;

/// What is known of the stored queue beyond the jobs listed.
#[derive(Debug, Default)]
pub(super) struct Window {
    backlog: Backlog,
    /// A page was asked for and has not come, with what was parked since.
    asked: Option<Backlog>,
    /// Jobs were queued that run before some of those listed, and may not be listed yet.
    pub(super) is_passed: bool,
    /// The first page of the run has come.
    begun: bool,
    /// Presets of jobs that were queued under another definition than the one now known by the name.
    presets: BTreeMap<JobId, Box<Preset>>,
    /// Tries that ended with plimsoll itself.
    deaths: BTreeMap<JobId, u32>,
}

impl Window {
    /// It begins anew.
    pub(super) fn forget_deaths(&mut self, id: JobId) {
        self.deaths.remove(&id);
    }

    /// Tries of a job that ended because plimsoll died: they do not count as its failures.
    pub(super) fn deaths(&self, id: JobId) -> u32 {
        self.deaths.get(&id).copied().unwrap_or(0)
    }
}

impl Engine {
    /// The preset as it was when the job was queued.
    pub(super) fn preset_of(&self, job: &Job) -> Option<&Preset> {
        self.window.presets.get(&job.id).map(Box::as_ref).or_else(|| self.config.presets.get(&job.preset))
    }

    /// More waits than is listed, as far as is known.
    pub(super) fn has_backlog(&self) -> bool {
        self.window.backlog.jobs > 0
    }

    /// No job waits, listed or not, and none is on its way into the queue.
    pub(super) fn nothing_waits(&self) -> bool {
        let index = &self.state.index;
        let listed = index.waiting.is_empty() && index.backoff.is_empty();
        listed && self.scans.is_empty() && !self.has_backlog() && self.window.asked.is_none()
    }

    pub(super) fn ask_page(&mut self) {
        self.window.asked = Some(Backlog::default());
        self.effects.push(Effect::Page { limit: PAGE });
    }

    /// Asks for the next page when few are left of the last, or when what is not listed runs before what is.
    pub(super) fn refill(&mut self) {
        let is_wanted = self.has_room() || (self.window.is_passed && !self.state.shutting_down);
        if is_wanted && self.has_backlog() && self.window.asked.is_none() {
            self.ask_page();
        }
    }

    fn has_room(&self) -> bool {
        !self.state.shutting_down && self.state.index.waiting.len() < LOW
    }

    pub(super) fn arrived(&mut self, arrived: Arrived) {
        self.last_rank = self.last_rank.max(arrived.last_rank);
        self.window.backlog.jobs += arrived.jobs;
        self.window.backlog.bytes += arrived.bytes;
        // What is listed with the next page need not be counted before.
        if !self.has_room() {
            self.emit_backlog();
        }
    }

    /// Makes the count of what is not listed a fact.
    pub(super) fn emit_backlog(&mut self) {
        let Backlog { jobs, bytes } = self.window.backlog;
        if self.state.backlog != self.window.backlog {
            self.emit(EventKind::BacklogChanged { jobs, bytes });
        }
    }

    pub(super) fn paged(&mut self, page: Page) {
        let parked = self.window.asked.take().unwrap_or_default();
        self.last_rank = self.last_rank.max(page.last_rank);
        self.window.backlog = Backlog { jobs: page.backlog.jobs + parked.jobs, bytes: page.backlog.bytes + parked.bytes };
        if !std::mem::replace(&mut self.window.begun, true) {
            let jobs = page.jobs.len() as u64 + page.backlog.jobs;
            if jobs > 0 {
                self.emit(EventKind::QueueRestored { jobs, interrupted: page.interrupted });
            }
        }
        self.forget_unlisted();
        let last_of_page = page.jobs.last().filter(|_| page.jobs.len() >= PAGE).map(|job| (job.rank, job.id));
        for job in page.jobs {
            self.list(job);
        }
        self.emit_backlog();
        self.park_the_last();
        // A whole page that ran before some of those listed: the next one may do so too.
        self.window.is_passed &= last_of_page.is_some_and(|last| self.state.index.waiting.last().is_some_and(|job| last < *job));
    }

    /// Gives back the last of those listed where there are more than two pages of them: others have come before them.
    fn park_the_last(&mut self) {
        let waiting = &self.state.index.waiting;
        let last: Vec<JobId> = waiting.iter().rev().take(waiting.len().saturating_sub(2 * PAGE)).map(|(_, id)| *id).collect();
        for id in last {
            self.park_behind_backlog(id);
        }
    }

    fn list(&mut self, job: StoredJob) {
        let id = job.id;
        // A store tells each job once; one told twice would run twice.
        if self.job(id).is_some() {
            return;
        }
        self.emit(EventKind::JobQueued {
            job: id,
            input: job.input,
            size_bytes: job.size,
            preset: job.preset,
            output: Some(job.output),
            rank: job.rank,
        });
        if job.attempts > 0 || job.allowed {
            self.emit(EventKind::JobRestored { job: id, attempts: job.attempts, allowed: job.allowed });
        }
        if let Some(definition) = job.definition {
            self.window.presets.insert(id, definition);
        }
        if job.deaths >= DEATHS {
            let what = format!("job {id} was at work each of the last {} times plimsoll died", job.deaths);
            let detail = "it is run again; if it is what ends plimsoll, cancel it".to_owned();
            self.emit(EventKind::Fault { what, detail });
        }
        if job.deaths > 0 {
            self.window.deaths.insert(id, job.deaths);
        }
        self.reject_if_too_large(id);
    }

    /// A job that has got the last place stands behind jobs that are not listed, and so is not listed either.
    pub(super) fn park_behind_backlog(&mut self, id: JobId) {
        if !self.has_backlog() {
            return;
        }
        let Some(size) = self.job(id).map(|job| job.size) else { return };
        self.emit_backlog();
        self.governor.forget(id);
        self.after_lines.remove(&id);
        self.emit(EventKind::JobParked { job: id });
        self.window.presets.remove(&id);
        self.window.deaths.remove(&id);
        self.window.backlog.jobs += 1;
        self.window.backlog.bytes += size;
        if let Some(parked) = &mut self.window.asked {
            parked.jobs += 1;
            parked.bytes += size;
        }
    }

    /// Nothing is kept of jobs that are not listed any more.
    fn forget_unlisted(&mut self) {
        let jobs = &self.state.jobs;
        self.window.presets.retain(|id, _| jobs.contains_key(id));
        self.window.deaths.retain(|id, _| jobs.contains_key(id));
    }
}
