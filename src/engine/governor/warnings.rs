//! The signs that the queue is too much for the box, each with its figures and a step to take.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::domain::event::EventKind;
use crate::domain::job::Outcome;
use crate::domain::profile::Profile;
use crate::domain::state::SIGNS;
use crate::domain::time::Mono;
use crate::engine::Engine;

/// The time over which the line is watched.
const LINE_WINDOW: Duration = Duration::from_mins(5);
/// Over the line for more than half of it.
const LINE_ALARM: Duration = Duration::from_secs(150);
/// The alarm ends below this.
const LINE_CALM: Duration = Duration::from_mins(2);
/// The time over which passes of the cleanup plan are counted.
const CLEANUP_WINDOW: Duration = Duration::from_mins(10);
/// So many within it are a sign. However many steps a pass takes, it is one occasion.
const PASSES: usize = 3;
/// Ended jobs that are looked at.
const JOBS: usize = 20;
/// Fewer say nothing.
const JOBS_AT_LEAST: usize = 5;
/// A gap between samples counts at most this long.
const LONGEST_GAP: Duration = Duration::from_secs(2);
/// The memory of others must be below the line this long before it is said to be gone.
const FOREIGN_CALM: Duration = Duration::from_secs(3);

const LINE: &str = SIGNS[0];
const OFTEN: &str = SIGNS[1];
const FAILING: &str = SIGNS[2];
const FOREIGN: &str = SIGNS[3];

/// The time between two samples.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    until: Mono,
    length: Duration,
    /// Memory was over the line at its end.
    is_over: bool,
    /// Jobs at work at its end.
    at_work: usize,
}

/// What the signs are read from.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    /// Times between samples within the window, oldest first.
    line: VecDeque<Stretch>,
    over: Duration,
    last_sample: Option<Mono>,
    /// When passes of the cleanup plan began.
    passes: VecDeque<Mono>,
    /// The latest ended jobs: whether badly.
    ended: VecDeque<bool>,
    raised: BTreeSet<&'static str>,
    foreign_below_since: Option<Mono>,
}

impl Warnings {
    fn note_line(&mut self, now: Mono, is_over: bool, at_work: usize) {
        let length = self.last_sample.map_or(Duration::ZERO, |last| now.since(last).min(LONGEST_GAP));
        self.last_sample = Some(now);
        self.line.push_back(Stretch { until: now, length, is_over, at_work });
        self.over += if is_over { length } else { Duration::ZERO };
        while let Some(oldest) = self.line.front().copied().filter(|oldest| now.since(oldest.until) > LINE_WINDOW) {
            self.line.pop_front();
            self.over -= if oldest.is_over { oldest.length } else { Duration::ZERO };
        }
    }

    /// Jobs that were at work at once within the window: at most, and while memory was over the line if that is what the sign
    /// is about.
    fn most_at_work(&self, sign: &str) -> usize {
        let seen = self.line.iter().filter(|stretch| stretch.is_over || sign != LINE);
        seen.map(|stretch| stretch.at_work).max().unwrap_or(0)
    }
}

impl Engine {
    /// A pass of the cleanup plan has begun because of the line. What cleans before and after jobs is no sign of anything.
    pub(in crate::engine) fn note_pass(&mut self) {
        self.governor.warnings.passes.push_back(self.now.mono);
    }

    /// A job has ended.
    pub(in crate::engine) fn note_ended(&mut self, outcome: Outcome) {
        if outcome == Outcome::Cancelled {
            return;
        }
        let ended = &mut self.governor.warnings.ended;
        ended.push_back(!outcome.is_success());
        if ended.len() > JOBS {
            ended.pop_front();
        }
    }

    /// The run goes on under another profile: what was seen under the last one says nothing of it.
    pub(in crate::engine) fn forget_signs(&mut self) {
        let names = std::mem::take(&mut self.governor.warnings).raised;
        for name in names {
            self.emit(EventKind::WarningCleared { warning: name.to_owned() });
        }
    }

    pub(super) fn watch_warnings(&mut self) {
        let (now, lines) = (self.now.mono, self.state.lines);
        let is_over = self.state.memory.counted_bytes >= lines.high_water;
        let base = self.base();
        let is_stuck = self.active.is_empty() && self.state.held.is_some();
        let warnings = &mut self.governor.warnings;
        warnings.note_line(now, is_over, self.active.len());
        while warnings.passes.front().is_some_and(|at| now.since(*at) > CLEANUP_WINDOW) {
            warnings.passes.pop_front();
        }
        let (over, passes) = (warnings.over, warnings.passes.len());
        let (ended, bad) = (warnings.ended.len(), warnings.ended.iter().filter(|bad| **bad).count());
        let is_foreign = base >= lines.high_water || is_stuck;
        let below_since = if is_foreign { None } else { warnings.foreign_below_since.or(Some(now)) };
        warnings.foreign_below_since = below_since;
        let is_foreign_gone = below_since.is_some_and(|since| now.since(since) >= FOREIGN_CALM);

        let evidence = || format!("{} s of the last 5 min over {}", over.as_secs(), lines.high_water);
        self.sign(LINE, over > LINE_ALARM, over < LINE_CALM, evidence);
        let evidence = || format!("memory had to be cleaned up at the line {passes} times within 10 min");
        self.sign(OFTEN, passes >= PASSES, passes < PASSES, evidence);
        let is_failing = ended >= JOBS_AT_LEAST && bad * 10 > ended;
        self.sign(FAILING, is_failing, !is_failing, || format!("{bad} of the last {ended} jobs failed, stalled or timed out"));
        let evidence = || {
            let line = lines.high_water;
            if base <= lines.reserve {
                return format!("{} are kept for plimsoll itself; the line is {line}", lines.reserve.whole());
            }
            format!("others and plimsoll itself take {}; the line is {line}", base.whole())
        };
        self.sign(FOREIGN, is_foreign, is_foreign_gone, evidence);
    }

    /// The evidence is put into words only where it is told: this is asked at every sample.
    fn sign(&mut self, name: &'static str, is_seen: bool, is_gone: bool, evidence: impl FnOnce() -> String) {
        let is_raised = self.governor.warnings.raised.contains(name);
        if is_seen && !is_raised {
            self.governor.warnings.raised.insert(name);
            let (advice, profile) = if name != FOREIGN {
                self.advice(name)
            } else if self.base() <= self.state.lines.reserve {
                ("give a larger budget (--budget)".to_owned(), None)
            } else {
                ("end what else runs here, or give a larger budget (--budget)".to_owned(), None)
            };
            self.emit(EventKind::WarningRaised { warning: name.to_owned(), evidence: evidence(), advice, profile });
        } else if is_gone && is_raised {
            self.governor.warnings.raised.remove(name);
            self.emit(EventKind::WarningCleared { warning: name.to_owned() });
        }
    }

    /// The next step down the trade-off table that would change anything, with the name of its profile; below it, more of what
    /// there is too little of.
    fn advice(&self, sign: &str) -> (String, Option<String>) {
        let in_force = self.state.profile.as_deref();
        let (most, at_work) = (self.most_at_once(), self.governor.warnings.most_at_work(sign));
        let waiting = || self.state.index.waiting.iter().filter_map(|(_, id)| self.state.jobs.get(id));
        let keeps_out = |next: &Profile| waiting().any(|job| job.size > next.max_file_size && !job.allowed);
        // A job that is alone is so under every profile.
        let changes =
            |next: &Profile| next.max_concurrent.fixed().is_some_and(|slots| (slots as usize) < at_work) || keeps_out(next);
        match in_force.and_then(|in_force| next_safer(in_force, most, &self.config.profiles, changes)) {
            Some(next) => {
                let (slots, largest) = (next.max_concurrent.words(), next.max_file_size);
                (format!("switch to profile {} ({slots}, {largest})", next.name), Some(next.name.clone()))
            }
            None => ("give it a larger budget (--budget), or share the queue among more machines".to_owned(), None),
        }
    }
}

/// The profile that asks a little less of the box: no more at once, no larger files, and less of one of them, of those that
/// `changes` says change anything. Of several the one that gives up least. One that decides its slots itself counts with the
/// `most` it may come to, and is never advised: it may come to as many as now.
fn next_safer<'p>(in_force: &Profile, most: u32, all: &'p [Profile], changes: impl Fn(&Profile) -> bool) -> Option<&'p Profile> {
    let row = |profile: &Profile| (profile.max_concurrent.fixed().unwrap_or(most), profile.max_file_size);
    let (slots, largest) = row(in_force);
    let is_safer = |next: &&Profile| row(next).0 <= slots && row(next).1 <= largest && row(next) != row(in_force);
    // Shipped profiles stand first in the list: of several alike the first one, not a copy that somebody has kept.
    let safer = all.iter().rev().filter(|next| next.max_concurrent.fixed().is_some()).filter(is_safer);
    safer.filter(|next| changes(next)).max_by_key(|next| row(next))
}
