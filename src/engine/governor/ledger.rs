//! The ledger: what is set aside for each job, and whether the next one still fits.

use crate::domain::event::EventKind;
use crate::domain::job::{JobId, Phase};
use crate::domain::memory::Level;
use crate::domain::preset::VideoCodec;
use crate::domain::profile::GUIDE_MARKS;
use crate::domain::units::Bytes;
use crate::engine::port::Effect;
use crate::engine::{Active, Engine};

use super::super::samples::counted;
use super::escalation::OVERRUN;

/// The model is good to about a seventh for x264.
const MODEL_MARGIN: f64 = 1.15;
/// The model is good to a quarter for other encoders. SVT-AV1 holds as many pictures as its threads happen to work on: two runs of one recipe were seen to differ by 30 %.
const SVT_MARGIN: f64 = 1.25;
/// A job that was killed for want of memory gets this much more than it was seen to hold.
const RAISE: f64 = 1.5;
/// Set aside for a job of which nothing is known, at most half of the line.
const UNKNOWN: Bytes = Bytes::mib(256);
/// Set aside while an input is probed: measured, 15 MB of its own for 720p, 90 MB for the largest frame that is allowed.
const PROBE: Bytes = Bytes::mib(96);
/// The same beside a job that was let in: half of what a large frame takes, which few are.
const PROBE_BESIDE: Bytes = Bytes::mib(48);
/// Kept for this program where a job runs alone: measured, 4 MB of its own and 12 MB with all that the kernel holds for it.
const OWN: Bytes = Bytes::mib(16);
/// A job alone that held this share of all that one can have, and was ended for want of memory, needs more than there is.
const ALL: f64 = 0.85;
/// What a job's limit leaves beside its own memory, for file cache and the code of ffmpeg.
const CACHE: Bytes = Bytes::mib(64);
/// Figures of a job that waits are told again when they change by as much.
const NOTABLE: Bytes = Bytes::mib(32);

fn differs(a: Bytes, b: Bytes) -> bool {
    (a - b).max(b - a) >= NOTABLE
}

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

    /// What like jobs have taken needs no margin but its own, where they take the same each time; the model does.
    fn model_reserve(&self, id: JobId) -> Bytes {
        let preset = self.job(id).and_then(|job| self.preset_of(job));
        let is_steady = preset.and_then(|preset| preset.video.as_ref()).is_none_or(|plan| plan.codec != VideoCodec::SvtAv1);
        match self.expected(id) {
            Some(estimate) if estimate.learned_from > 0 && is_steady => estimate.peak,
            Some(estimate) if estimate.learned_from > 0 => estimate.peak.scale(SVT_MARGIN),
            Some(estimate) => estimate.peak.scale(MODEL_MARGIN),
            None => UNKNOWN.min(self.state.lines.high_water.scale(0.5)),
        }
    }

    /// What a job must have when nothing else runs: the least that it may turn out to need. What like jobs took, or what
    /// the model says without what it may be off by: what a like job took that ran wild is no proof that this one will. The
    /// margin, and the guess that a raised reserve is, keep others away, and there are none; what was really seen of the
    /// job counts. So a job is tried that may fit, and refused only where that cannot be.
    fn reserve_alone(&self, id: JobId) -> Bytes {
        let seen = self.job(id).filter(|_| self.governor.raised.contains_key(&id)).map_or(Bytes::ZERO, |job| job.peak);
        let doubt = 1.0 / self.model_doubt(id);
        let expected = self.expected(id).map(|known| if known.learned_from > 0 { known.peak } else { known.peak.scale(doubt) });
        let foreseen = expected.into_iter().chain(self.modelled(id).map(|peak| peak.scale(doubt))).min();
        foreseen.unwrap_or_else(|| self.model_reserve(id)).max(seen)
    }

    /// How far the model may be off for a job.
    fn model_doubt(&self, id: JobId) -> f64 {
        let preset = self.job(id).and_then(|job| self.preset_of(job));
        let codec = preset.and_then(|preset| preset.video.as_ref()).map(|plan| plan.codec);
        if codec == Some(VideoCodec::X264) { MODEL_MARGIN } else { SVT_MARGIN }
    }

    /// What is kept for this program from a job that is alone. A reserve that was set higher than usual is meant, and kept.
    fn own(&self) -> Bytes {
        let reserve = self.state.lines.reserve;
        if reserve > GUIDE_MARKS.reserve { reserve } else { reserve.min(OWN) }
    }

    /// A job that is ended for want of memory had all that one job can have: another try would end as this one.
    pub(in crate::engine) fn had_all(&self, id: JobId, seen: Bytes) -> bool {
        let by_us = matches!(self.job(id).map(|job| &job.phase), Some(Phase::Stopping { .. }));
        let is_last = !by_us || self.kill_mark() >= self.state.lines.last();
        is_last && self.is_alone(id) && seen >= self.most_for_one().scale(ALL)
    }

    /// An input may be probed beside what runs: a job alone may be let in up to all that there is.
    pub(in crate::engine) fn has_room_to_probe(&self) -> bool {
        let lines = &self.state.lines;
        let committed: Bytes = self.active.keys().map(|id| self.share(*id)).sum();
        !self.config.governor || committed == Bytes::ZERO || self.base_alone() + committed + PROBE_BESIDE <= lines.last()
    }

    /// No other job that holds a slot has a process, or will have one.
    fn is_alone(&self, id: JobId) -> bool {
        let has_none = |other: &JobId| matches!(self.job(*other).map(|job| &job.phase), Some(Phase::Finalizing));
        self.active.keys().filter(|other| **other != id).all(has_none)
    }

    /// How far all memory may go on this job's account, now that it starts; `None` where that is not beyond the critical
    /// mark. Only a job alone may go there, and only as far as was foreseen for it.
    pub(in crate::engine) fn may_reach(&self, id: JobId) -> Option<Bytes> {
        let lines = &self.state.lines;
        let reach = (self.base_alone() + self.reserve(id)).min(lines.last());
        (self.is_alone(id) && reach > lines.critical).then_some(reach)
    }

    /// From here on somebody has to go: the critical mark, unless a job runs alone that was foreseen to go further.
    pub(super) fn kill_mark(&self) -> Bytes {
        let critical = self.state.lines.critical;
        let alone = self.active.iter().find(|(id, _)| self.is_alone(**id));
        alone.and_then(|(_, active)| active.may_reach).unwrap_or(critical).max(critical)
    }

    /// The most that a job's processes may hold before the kernel ends that job, and that job alone: well over its reserve,
    /// or whatever nobody else was promised, so that a wrong estimate costs nothing while there is room. Never above the
    /// budget; `None` without the governor, or before the budget is known.
    pub(in crate::engine) fn kernel_limit(&self, id: JobId) -> Option<Bytes> {
        let lines = &self.state.lines;
        if !self.config.governor || lines.budget == Bytes::ZERO {
            return None;
        }
        let others: Bytes = self.active.keys().filter(|other| **other != id).map(|other| self.share(*other)).sum();
        let base = if others == Bytes::ZERO { self.base_alone() } else { self.base() };
        let free = lines.budget - (base + others);
        Some((self.reserve(id).scale(OVERRUN) + CACHE).max(free).min(lines.budget))
    }

    /// Tells the limits of running jobs anew when others came or went. A limit falls only when somebody was let in beside,
    /// for which what this job holds was counted; so it never falls onto that.
    pub(in crate::engine) fn adjust_limits(&mut self) {
        let holds = |id: &&JobId| !matches!(self.job(**id).map(|job| &job.phase), None | Some(Phase::Finalizing));
        if !self.active.keys().filter(holds).eq(&self.governor.neighbours) {
            self.governor.neighbours = self.active.keys().filter(holds).copied().collect();
            self.governor.limits_round += 1;
        }
        let round = self.governor.limits_round;
        let is_due = |id: &JobId, active: &Active| {
            let runs = || matches!(self.job(*id).map(|job| &job.phase), Some(Phase::Running { .. }));
            active.limit_round < round && active.limit.is_some() && runs()
        };
        let due: Vec<JobId> = self.active.iter().filter(|(id, active)| is_due(id, active)).map(|(id, _)| *id).collect();
        for id in due {
            let limit = self.kernel_limit(id);
            let Some(active) = self.active.get_mut(&id) else { continue };
            active.limit_round = round;
            let (Some(old), Some(new)) = (active.limit, limit) else { continue };
            if differs(old, new) {
                active.limit = limit;
                self.effects.push(Effect::Limit(id, new));
            }
        }
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
        (sample.hard - sample.jobs_total()).max(lines.reserve)
    }

    /// As [`Self::base`], beside a job that is alone: what is really held, and what this program takes at least.
    fn base_alone(&self) -> Bytes {
        let Some((_, sample)) = &self.sample else { return self.own() };
        (counted(sample).hard - sample.jobs_total()).max(self.own())
    }

    /// The most that a job can ever get: all but what a job alone must leave, and what is kept for this program.
    fn most_for_one(&self) -> Bytes {
        let console = self.sample.as_ref().map_or(Bytes::ZERO, |(_, sample)| sample.console);
        self.state.lines.last() - console.max(self.own())
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
        let is_alone = self.is_alone(id);
        let base = if is_alone { self.base_alone() } else { self.base() };
        let committed = self.active.keys().map(|id| self.share(*id)).sum::<Bytes>();
        // File cache alone must not keep an empty box idle for ever: a single job looks at what cannot be dropped.
        let is_calm = if is_alone { self.levels.level() < Level::Critical } else { self.levels.level() == Level::Normal };
        let (needs, line) = if is_alone { (needs_alone, lines.last()) } else { (self.reserve(id), lines.high_water) };
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
    pub(in crate::engine) fn emit_held(&mut self, held: Option<(JobId, Bytes, Bytes)>) {
        let Some((job, needs_bytes, free_bytes)) = held else {
            if self.state.held.is_some() {
                self.emit(EventKind::AdmissionResumed);
            }
            return;
        };
        let is_known = self
            .state
            .held
            .is_some_and(|known| known.job == job && !differs(known.needs, needs_bytes) && !differs(known.free, free_bytes));
        if !is_known {
            // Beside a job that is alone nothing is kept but what this program takes.
            let kept_bytes = if self.is_alone(job) { Bytes::ZERO } else { self.state.kept_unused() };
            self.emit(EventKind::AdmissionHeld { job, needs_bytes, free_bytes, kept_bytes });
        }
    }
}
