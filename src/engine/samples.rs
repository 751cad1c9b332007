//! Memory samples: what counts against the line, the level, and the facts made of it.

use super::levels::Counted;
use super::port::Effect;
use super::{BLIND_AFTER, Engine};
use crate::domain::event::{EventKind, MemoryFigures};
use crate::domain::job::JobId;
use crate::domain::memory::{Budget, Lines, MemorySample};
use crate::domain::profile::Profile;
use crate::domain::time::Mono;
use crate::domain::units::Bytes;

impl Engine {
    pub(super) fn sampled(&mut self, mut sample: MemorySample) {
        let taken = sample.taken.unwrap_or(self.now.mono).min(self.now.mono);
        let is_old = |(at, _): &(Mono, MemorySample)| taken < *at || (taken == *at && sample.taken.is_some());
        if self.sample.as_ref().is_some_and(is_old) {
            return;
        }
        if let Some(budget) = &sample.budget {
            let profile = self.state.profile.as_deref();
            // Measured before the sampler knew of the profile in force: sums of another budget. The next one is on its way.
            if profile.is_some_and(|profile| *budget != budget.under(profile.memory.budget)) {
                return;
            }
            self.budget(&budget.clone());
        }
        let lines = self.state.lines;
        leave_to_others(&mut sample, lines.allowance);
        let counted = counted(&sample);
        let change = self.levels.update(self.now.mono, counted, &lines);
        let from = self.state.memory.level;
        let figures = MemoryFigures {
            usage_bytes: sample.usage,
            working_set_bytes: sample.working_set,
            hard_bytes: sample.hard,
            console_bytes: sample.console,
            foreign_bytes: sample.foreign(),
            jobs: sample.jobs.iter().map(|(job, vitals)| (*job, vitals.anon)).collect(),
            reserved_bytes: self.reserved(),
            budget_bytes: lines.budget,
            high_water_bytes: lines.high_water,
            level: self.levels.level(),
            psi_some_avg10: sample.psi_some_avg10,
            file_cache_bytes: sample.file_cache,
            counted_bytes: counted.working_set,
            scope: sample.scope,
        };
        self.emit(EventKind::MemorySampled(figures));
        if let Some(to) = change {
            let (working_set_bytes, hard_bytes) = (sample.working_set, sample.hard);
            self.emit(EventKind::PressureChanged { from, to, working_set_bytes, hard_bytes });
        }
        // Whoever slept did not look: no job is called stalled for a time that nobody saw.
        if self.blind() {
            self.forgive_silence();
        }
        self.sample = Some((taken, sample));
        self.watch_vitals();
        self.govern();
        self.print_after_lines();
    }

    fn budget(&mut self, budget: &Budget) {
        let Some(profile) = &self.state.profile else { return };
        let lines = Lines::new(&profile.memory, budget.bytes);
        let source = budget.words(&profile.name);
        if lines != self.state.lines || source != self.state.budget_source || budget.available != self.state.available {
            self.emit(EventKind::BudgetChanged {
                budget_bytes: budget.bytes,
                budget_source: source,
                available_bytes: budget.available,
                by_operator: budget.asked.is_some(),
                lines,
            });
        }
    }

    /// Goes on under another profile; waiting jobs are measured against its limits.
    pub(super) fn select_profile(&mut self, profile: Profile) {
        self.effects.push(Effect::SetProfileBudget(profile.memory.budget));
        let budget = profile.memory.budget;
        self.emit(EventKind::ProfileSelected {
            name: profile.name.clone(),
            max_concurrent: profile.max_concurrent.fixed().unwrap_or_else(|| self.most_at_once()),
            auto: profile.max_concurrent.fixed().is_none(),
            max_file_bytes: profile.max_file_size,
            profile: Box::new(profile),
        });
        // Before the first sample there is no budget for the marks to stand under.
        let known = self.sample.as_ref().and_then(|(_, sample)| sample.budget.as_ref());
        if let Some(budget) = known.map(|known| known.under(budget)) {
            self.budget(&budget);
        }
        self.forget_signs();
        self.forget_decisions();
        self.apply_size_limit();
    }

    /// Σ of what is set aside for the jobs that hold a slot.
    pub(super) fn reserved(&self) -> Bytes {
        self.active.keys().map(|id| self.set_aside(*id)).sum()
    }

    /// What is set aside for a job; a naive run only tells what it expects.
    pub(super) fn set_aside(&self, id: JobId) -> Bytes {
        if self.config.governor { self.reserve(id) } else { self.job(id).and_then(|job| job.predicted_peak).unwrap_or(Bytes::ZERO) }
    }

    /// Without a sample for this long nothing is known of memory.
    pub(super) fn blind_after(&self) -> std::time::Duration {
        if self.config.governor { self.governor.blind_after() } else { BLIND_AFTER }
    }

    /// No memory sample has come for a while, or none ever.
    pub(super) fn blind(&self) -> bool {
        self.sample.as_ref().is_none_or(|(at, _)| self.now.mono.since(*at) > self.blind_after())
    }
}

/// Takes out of every sum what is left to others: from here on there is one way of counting.
fn leave_to_others(sample: &mut MemorySample, allowance: Bytes) {
    let ours = sample.jobs_total() + sample.console + sample.scratch;
    let without = |sum: Bytes| sum - (sum - ours).min(allowance);
    sample.hard = without(sample.hard);
    sample.working_set = without(sample.working_set);
    sample.usage = without(sample.usage);
}

/// What is held against the lines.
pub(super) fn counted(sample: &MemorySample) -> Counted {
    Counted { working_set: sample.working_set, hard: sample.hard }
}
