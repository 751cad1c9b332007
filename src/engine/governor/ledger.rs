//! The ledger: what is set aside for each job, and whether the next one still fits.

use crate::domain::event::EventKind;
use crate::domain::job::{JobId, Phase};
use crate::domain::memory::Level;
use crate::domain::units::Bytes;
use crate::engine::Engine;
use crate::engine::samples::counted;

/// The model is good to about a seventh.
const MODEL_MARGIN: f64 = 1.15;
/// A job that was killed for want of memory gets this much more than it was seen to hold.
const RAISE: f64 = 1.5;
/// Set aside for a job of which nothing is known, at most half of the line.
const UNKNOWN: Bytes = Bytes::mib(256);
/// Set aside while an input is probed: measured, 15 MB of its own for 720p, 90 MB for the largest frame that is allowed.
const PROBE: Bytes = Bytes::mib(96);
/// Figures of a job that waits are told again when they change by as much.
const NOTABLE: Bytes = Bytes::mib(32);

/// Whether the next job may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Fit {
    /// It may.
    Yes,
    /// The next sample tells.
    Unknown,
    /// Memory has no room for it.
    Held {
        /// What would be set aside for it.
        needs: Bytes,
        /// What is free for it.
        free: Bytes,
    },
    /// It does not fit even alone.
    Never {
        /// What it needs.
        needs: Bytes,
        /// What a job can get at most.
        limit: Bytes,
    },
}

impl Engine {
    /// What is set aside for a job.
    pub(in crate::engine) fn reserve(&self, id: JobId) -> Bytes {
        self.governor.raised.get(&id).copied().unwrap_or_else(|| self.model_reserve(id))
    }

    fn model_reserve(&self, id: JobId) -> Bytes {
        match self.job(id).and_then(|job| job.predicted_peak) {
            Some(peak) => peak.scale(MODEL_MARGIN),
            None => UNKNOWN.min(self.state.lines.high_water.scale(0.5)),
        }
    }

    /// What a job must have when nothing else runs. A raised reserve is a guess that keeps others away; alone, what was
    /// really seen of it counts.
    fn reserve_alone(&self, id: JobId) -> Bytes {
        let seen = self.job(id).filter(|_| self.governor.raised.contains_key(&id)).map_or(Bytes::ZERO, |job| job.peak);
        self.model_reserve(id).max(seen)
    }

    /// Raises a job's reserve after it was killed; returns the old and the new one.
    pub(in crate::engine) fn raise_reserve(&mut self, id: JobId, seen: Bytes) -> (Bytes, Bytes) {
        let old = self.reserve(id);
        let new = old.max(seen).scale(RAISE);
        self.governor.raised.insert(id, new);
        (old, new)
    }

    /// Counts a try that ended for want of memory.
    pub(in crate::engine) fn count_memory_try(&mut self, id: JobId) -> u32 {
        let tries = self.governor.tries.entry(id).or_default();
        *tries += 1;
        *tries
    }

    /// What a job that holds a slot may come to: its reserve, or what it has taken already. One whose process is gone
    /// holds nothing.
    pub(super) fn share(&self, id: JobId) -> Bytes {
        match self.job(id).map(|job| &job.phase) {
            None | Some(Phase::Finalizing) => Bytes::ZERO,
            Some(_) => self.reserve(id).max(self.anon(id)),
        }
    }

    /// What others and this console hold and must not be given away: at least the profile's reserve.
    pub(super) fn base(&self) -> Bytes {
        let lines = &self.state.lines;
        let Some((_, sample)) = &self.sample else { return lines.reserve };
        (counted(sample, lines).hard - sample.jobs_total()).max(lines.reserve)
    }

    /// The most that a job can ever get: the critical mark without the console, and without what is kept for it and sshd.
    fn most_for_one(&self) -> Bytes {
        let console = self.sample.as_ref().map_or(Bytes::ZERO, |(_, sample)| sample.console);
        self.state.lines.critical - console.max(self.state.lines.reserve)
    }

    /// Whether the job that is next may start now. Reservations count from the moment of admission, so several jobs may
    /// start on one sample: none of them can take what another was promised.
    pub(in crate::engine) fn fit(&self, id: JobId) -> Fit {
        if !self.config.governor || self.blind() {
            return Fit::Yes;
        }
        let (needs_alone, limit) = (self.reserve_alone(id), self.most_for_one());
        if needs_alone > limit {
            return Fit::Never { needs: needs_alone, limit };
        }
        if !self.is_fresh() || !self.is_kill_settled() {
            return Fit::Unknown;
        }
        let lines = &self.state.lines;
        let (base, committed) = (self.base(), self.active.keys().map(|id| self.share(*id)).sum::<Bytes>());
        let is_alone = self.active.keys().all(|id| matches!(self.job(*id).map(|job| &job.phase), Some(Phase::Finalizing)));
        // File cache alone must not keep an empty box idle for ever: a single job looks at what cannot be dropped.
        let is_calm = if is_alone { self.levels.level() < Level::Critical } else { self.levels.level() == Level::Normal };
        let (needs, line) = if is_alone { (needs_alone, lines.critical) } else { (self.reserve(id), lines.high_water) };
        let is_somebody_over = is_alone && base >= lines.high_water;
        let free = if is_somebody_over { Bytes::ZERO } else { line - (base + committed) };
        let is_room = needs <= free && !is_somebody_over;
        if is_room && !self.inspecting.is_empty() && needs + PROBE > free {
            // A probe is over in a moment, and its end is an input.
            return Fit::Unknown;
        }
        if is_room && is_calm && self.governor.stopped.is_empty() { Fit::Yes } else { Fit::Held { needs, free } }
    }

    /// Tells who waits for memory, when that or its figures have changed; `None` = nobody.
    pub(in crate::engine) fn tell_held(&mut self, held: Option<(JobId, Bytes, Bytes)>) {
        let Some((job, needs_bytes, free_bytes)) = held else {
            if self.state.held.is_some() {
                self.emit(EventKind::AdmissionResumed);
            }
            return;
        };
        let differs = |a: Bytes, b: Bytes| (a - b).max(b - a) >= NOTABLE;
        let is_known = self
            .state
            .held
            .is_some_and(|known| known.job == job && !differs(known.needs, needs_bytes) && !differs(known.free, free_bytes));
        if !is_known {
            self.emit(EventKind::AdmissionHeld { job, needs_bytes, free_bytes });
        }
    }
}
