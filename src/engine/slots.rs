//! How many jobs are at work at once, and whose turn is next: by number, by the processors that jobs keep busy, by the
//! rule for large pictures. Memory is asked after that, by the ledger.
//!
//! Knows no clock and measures nothing: what a job keeps busy is its preset's, or what a finished one of its kind showed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Engine;
use super::estimate::{self, RecipeKey};
use crate::domain::event::EventKind;
use crate::domain::job::{JobId, LogLevel, Phase};
use crate::domain::profile::{SlotLimit, Slots};
use crate::domain::time::Mono;
use crate::domain::units::Bytes;

/// Another job may start while those at work keep fewer processors busy than there are times this: a job that starts, ends
/// or waits for its disk leaves some idle. Measured on two processors: two jobs of two threads (3.0 of 2) take 1.08 to 1.13
/// of the time that the processors need at least, four take 1.07 and twice the memory; one takes 1.33.
const FULL: f64 = 1.25;
/// Most jobs at once, however many processors there are.
const MOST: usize = 64;
/// Shorter runs tell nothing of the processors that a job keeps busy.
const TELLING: Duration = Duration::from_secs(1);

/// What was decided beside the facts.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    /// Most processors that a job of the kind was seen to keep busy, in this run.
    busiest: BTreeMap<RecipeKey, f64>,
    /// The large job that was told it has to wait for its turn.
    large_told: Option<JobId>,
    /// How long each decision was in force while jobs waited, and its words.
    spans: BTreeMap<(u32, SlotLimit), (Duration, String)>,
    /// The one in force, and the moment up to which its time is counted.
    in_force: Option<((u32, SlotLimit), Mono)>,
}

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// The job that may start if memory allows.
    pub(super) next: Option<JobId>,
    /// The first large job that waits for another large one to end; a smaller one behind it may have its slot meanwhile.
    pub(super) passed: Option<JobId>,
    /// What keeps everybody waiting, where it is not that nobody can start at all.
    limit: Option<SlotLimit>,
    /// Nobody's, because nothing is known of memory just now.
    pub(super) is_blind: bool,
}

impl Engine {
    fn max_concurrent(&self) -> Slots {
        self.state.profile.as_ref().map_or(Slots::Fixed(0), |profile| profile.max_concurrent)
    }

    /// Slots there are; where they are decided while jobs run, the most that the processors allow for.
    pub(super) fn slots(&self) -> usize {
        self.max_concurrent().fixed().unwrap_or_else(|| self.most_at_once()) as usize
    }

    fn cores(&self) -> f64 {
        self.config.cores.max(1.0)
    }

    /// Jobs of one thread that may be at work at once by the processors.
    pub(super) fn most_at_once(&self) -> u32 {
        ((self.cores() * FULL).ceil() as u32).clamp(1, MOST as u32)
    }

    /// Processors that a job keeps busy: its preset's share, or what one of its kind showed where that was more. Beside
    /// others a job shows less than it could, so less proves nothing.
    pub(super) fn parallelism_of(&self, id: JobId) -> f64 {
        let Some(job) = self.job(id) else { return 1.0 };
        let Some(preset) = self.preset_of(job) else { return 1.0 };
        let key = || RecipeKey::of(job.media.as_ref()?, preset);
        let is_auto = self.max_concurrent() == Slots::Auto;
        let seen = if is_auto { key().and_then(|key| self.slots.busiest.get(&key).copied()) } else { None };
        estimate::parallelism(preset).max(seen.unwrap_or(0.0)).min(self.cores())
    }

    /// A job that ended well has kept so many processors busy.
    pub(super) fn note_busy(&mut self, key: &RecipeKey, cpu: Duration, ran: Duration) {
        if ran < TELLING || cpu.is_zero() {
            return;
        }
        let busy = cpu.as_secs_f64() / ran.as_secs_f64();
        let known = self.slots.busiest.get(key).copied().unwrap_or(0.0);
        if busy > known {
            self.slots.busiest.insert(key.clone(), busy);
        }
    }

    /// Processors that the jobs at work keep busy, and the number of those jobs. One whose process is gone keeps none.
    fn busy(&self) -> (f64, u32) {
        let works = |id: &JobId| !matches!(self.job(*id).map(|job| &job.phase), None | Some(Phase::Finalizing));
        let at_work = self.active.iter().filter(|(id, _)| works(id));
        at_work.fold((0.0, 0), |(busy, count), (_, active)| (busy + active.parallelism, count + 1))
    }

    fn has_free_slot(&self) -> bool {
        match self.max_concurrent() {
            Slots::Fixed(slots) => self.active.len() < slots as usize,
            Slots::Auto => {
                // Nobody at work keeps none busy: one may always start.
                self.active.len() < MOST && self.busy().0 < self.cores() * FULL
            }
        }
    }

    /// Whose turn it is: the first in order that may start. A job that was not probed is waited for, and so is one that
    /// memory has no room for; only a large job whose turn has not come is overtaken, by smaller ones, one whose disk is full
    /// by those of other disks, and one whose input is away by those whose are there.
    pub(super) fn turn(&self) -> Turn {
        let may_see = !self.blind() || self.active.is_empty() && self.now.mono.0 > super::BLIND_AFTER;
        let may_start = !self.state.paused && self.state.comparison.is_none();
        if !may_start || !may_see {
            return Turn { is_blind: may_start, ..Turn::default() };
        }
        let has_slot = self.has_free_slot();
        if !has_slot && self.max_concurrent() != Slots::Auto {
            return Turn::default();
        }
        let mut passed = None;
        for (_, id) in &self.state.index.waiting {
            let Some(job) = self.job(*id) else { return Turn { passed, ..Turn::default() } };
            if self.is_away(&job.input) {
                continue;
            }
            if job.media.is_none() {
                return Turn { passed, ..Turn::default() };
            }
            if self.waits_for_room(*id) {
                continue;
            }
            if self.state.large_turn(job).is_some() {
                passed = passed.or(Some(*id));
            } else if has_slot {
                return Turn { next: Some(*id), passed, ..Turn::default() };
            } else {
                return Turn { limit: Some(SlotLimit::Processors), ..Turn::default() };
            }
        }
        Turn { passed, limit: passed.map(|_| SlotLimit::Large), ..Turn::default() }
    }

    /// Tells what the slots were decided by, when that has changed. `held` is what the next job
    /// needs and what is free, where memory has no room for it.
    pub(super) fn emit_turn(&mut self, turn: &Turn, held: Option<(Bytes, Bytes)>) {
        if self.max_concurrent() != Slots::Auto {
            return;
        }
        let now = self.now.mono;
        if let Some((key, since)) = &mut self.slots.in_force
            && let Some((time, _)) = self.slots.spans.get_mut(key)
        {
            *time += now.since(*since);
            *since = now;
        }
        let (busy, at_once) = self.busy();
        let limit = if held.is_some() { Some(SlotLimit::Memory) } else { turn.limit };
        let nobody_waits =
            self.state.index.waiting.is_empty() || self.state.paused || self.state.comparison.is_some() || at_once == 0;
        let Some(limit) = limit.filter(|_| at_once > 0) else {
            // Time in which nobody waits for a slot was decided by nothing; what is only not known yet goes on as it was.
            if nobody_waits {
                self.slots.in_force = None;
            }
            return;
        };
        let key = (at_once, limit);
        if self.state.decided.as_ref().is_none_or(|known| (known.at_once, known.limit) != key) {
            let why = self.why(limit, (busy, at_once), held);
            let profile = self.state.profile.as_ref().map(|profile| profile.name.clone()).unwrap_or_default();
            self.emit(EventKind::SlotsDecided { profile, at_once, limit, why });
        }
        let why = || self.state.decided.as_ref().map(|decided| decided.why.clone()).unwrap_or_default();
        let why = if self.slots.spans.contains_key(&key) { String::new() } else { why() };
        self.slots.spans.entry(key).or_insert((Duration::ZERO, why));
        self.slots.in_force = Some((key, now));
    }

    fn why(&self, limit: SlotLimit, (busy, at_once): (f64, u32), held: Option<(Bytes, Bytes)>) -> String {
        match (limit, held) {
            (SlotLimit::Processors, _) => {
                let who = if at_once == 1 { "it keeps" } else { "they keep" };
                format!("{who} {busy:.1} of {} processors busy, another would only take memory", self.cores())
            }
            (SlotLimit::Memory, Some((needs, free))) if needs > free => {
                format!("the next needs {}, {} free", needs.whole(), free.whole())
            }
            (SlotLimit::Memory, _) => "the next waits until memory is calm".to_owned(),
            (SlotLimit::Large, _) => {
                let rule = self.state.profile.as_ref().and_then(|profile| profile.large);
                format!("{}, and only large ones wait", rule.map(|rule| rule.words()).unwrap_or_default())
            }
        }
    }

    /// Tells a large job once that it waits for its turn.
    pub(super) fn log_passed(&mut self, passed: Option<JobId>) {
        let Some(id) = passed.filter(|id| self.slots.large_told != Some(*id)) else { return };
        self.slots.large_told = Some(id);
        let Some(rule) = self.state.profile.as_ref().and_then(|profile| profile.large) else { return };
        let is_large = |id: &&JobId| self.job(**id).is_some_and(|job| job.pixels >= rule.from.pixels());
        let at_work: Vec<String> = self.active.keys().filter(is_large).map(|id| format!("#{id}")).collect();
        let text = format!("waiting: {} (from {}), {} at work", rule.words(), rule.from, at_work.join(", "));
        self.log(Some(id), LogLevel::Memory, text);
    }

    /// The run goes on under another profile.
    pub(super) fn forget_decisions(&mut self) {
        self.slots.spans.clear();
        (self.slots.in_force, self.slots.large_told) = (None, None);
    }

    /// The decision that was in force for the longest time while jobs waited, in words; `None` where there was none.
    pub(super) fn decided_mostly(&self) -> Option<String> {
        let longest = self.slots.spans.iter().max_by_key(|(_, (time, _))| *time);
        longest.map(|((at_once, _), (time, why))| format!("{at_once} for {:.1} s: {why}", time.as_secs_f64()))
    }
}
