//! Which of the facts that need not be durable are kept with a run, so that it can be looked at again: the course of its
//! memory, of its jobs and of their logs, thinned so that a run of days can be kept, and that a disk may sleep while nothing
//! happens.
//!
//! Pure: it is told every event, in order, and gives back what is to be kept. It must not know where that is.
//!
//! What is left out, and nothing else:
//!
//! - of memory samples all but the highest of each second (of `hard`, and of what counts against the line), and those that
//!   hardly differ from the last kept one; the step grows from a second with the length of the run. Every change of level,
//!   every crossing of the line and every kill by the kernel is kept as it was seen, unless they come in quick succession.
//!   While no job holds a slot only such changes are kept, and the highest when the next thing happens;
//! - of a job's progress all but one in five steps, and its last;
//! - of a job's own log lines what comes after the first forty faster than one in two seconds; the log file has them all;
//! - of the figures of a job that waits for memory all but one in five steps;
//! - of paths that could not be taken, and faults, what comes after the first two hundred faster than one in ten seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::event::{Event, EventKind, MemoryFigures};
use crate::domain::job::{JobId, LogLevel};
use crate::domain::time::Mono;
use crate::domain::units::Bytes;

/// A run this long is kept second by second; after it the step is this share of its length, so that a run ten times as long
/// takes three times the room, not ten times.
const FINE: u64 = 2000;
/// Steps between two reports of a job's progress, and between two of who waits for memory.
const RARE: u64 = 5;
/// Less is no change worth keeping: a MB, or a hundredth.
const NOTABLE: Bytes = Bytes::mib(1);
const NOTABLE_SHARE: u64 = 100;
/// Lines at the end of a job's allowance that only errors may take: a flood of warnings must not push out why it fails.
const FOR_ERRORS: u32 = 10;

/// So many at once, and then one each while.
#[derive(Debug, Clone)]
struct Allowance {
    most: u32,
    each: Duration,
    left: u32,
    since: Mono,
}

impl Allowance {
    const fn new(most: u32, each: Duration) -> Self {
        Self { most, each, left: most, since: Mono::START }
    }

    /// Takes one, unless no more than `but` are left.
    fn take(&mut self, now: Mono, but: u32) -> bool {
        let more = now.since(self.since).as_millis() / self.each.as_millis().max(1);
        if more > 0 {
            self.left = self.left.saturating_add(u32::try_from(more).unwrap_or(u32::MAX)).min(self.most);
            self.since = now;
        }
        let is_there = self.left > but;
        self.left -= u32::from(is_there);
        is_there
    }
}

/// A job that holds a slot.
#[derive(Debug)]
struct Try {
    kept: Option<Mono>,
    /// Its latest progress, where that was not kept.
    latest: Option<Event>,
    lines: Allowance,
}

/// The samples since the last that were kept.
#[derive(Debug, Default)]
struct Window {
    /// The second that it begins with.
    from: Option<u64>,
    hard: Option<Event>,
    counted: Option<Event>,
    usage: Option<Event>,
    latest: Option<Event>,
}

/// Thins the course of one run.
#[derive(Debug)]
pub struct History {
    tries: BTreeMap<JobId, Try>,
    window: Window,
    /// The last sample kept, what the chart shows of its second (the highest of it: `hard`, and what counts against the line),
    /// and the highest sums of all kept.
    last: Option<MemoryFigures>,
    shown: (u64, Bytes, Bytes),
    highest: (Bytes, Bytes, Bytes),
    /// No job holds a slot, and what memory did after the last one is kept.
    settled: bool,
    edges: Allowance,
    held: Option<(JobId, Mono)>,
    lines: Allowance,
    troubles: Allowance,
}

impl Default for History {
    fn default() -> Self {
        Self {
            tries: BTreeMap::new(),
            window: Window::default(),
            last: None,
            shown: (0, Bytes::ZERO, Bytes::ZERO),
            highest: (Bytes::ZERO, Bytes::ZERO, Bytes::ZERO),
            settled: true,
            edges: Allowance::new(10, Duration::from_secs(1)),
            held: None,
            lines: Allowance::new(200, Duration::from_secs(1)),
            troubles: Allowance::new(200, Duration::from_secs(10)),
        }
    }
}

impl History {
    /// What is to be kept now that this has happened: events of before that are now known to matter, and the event itself
    /// unless it is durable, which the journal keeps. Not in the order of their numbers.
    pub fn keep(&mut self, event: &Event) -> Vec<Event> {
        let mut kept = Vec::new();
        let now = event.mono;
        match &event.kind {
            EventKind::MemorySampled(figures) => self.sampled(event, figures, &mut kept),
            EventKind::JobProgressed { job, .. } => {
                let rare = Duration::from_secs(RARE * step(now));
                let Some(at_work) = self.tries.get_mut(job) else { return kept };
                if at_work.kept.is_none_or(|last| now.since(last) >= rare) {
                    (at_work.kept, at_work.latest) = (Some(now), None);
                    kept.push(event.clone());
                } else {
                    at_work.latest = Some(event.clone());
                }
            }
            EventKind::JobLogged { job, level, .. } => {
                let lines = job.and_then(|job| self.tries.get_mut(&job)).map(|at_work| &mut at_work.lines);
                let but = if *level == LogLevel::Error { 0 } else { FOR_ERRORS };
                if *level == LogLevel::Memory || lines.unwrap_or(&mut self.lines).take(now, but) {
                    kept.push(event.clone());
                }
            }
            EventKind::AdmissionHeld { job, .. } => {
                let rare = Duration::from_secs(RARE * step(now));
                if self.held.is_none_or(|(known, last)| known != *job || now.since(last) >= rare) {
                    self.held = Some((*job, now));
                    kept.push(event.clone());
                }
            }
            EventKind::AdmissionResumed => {
                self.held = None;
                kept.push(event.clone());
            }
            EventKind::InputSkipped { .. } | EventKind::Fault { .. } | EventKind::RoomWanted(_) => {
                if self.troubles.take(now, 0) {
                    kept.push(event.clone());
                }
            }
            EventKind::JobPaused { job, .. } | EventKind::JobStopping { job, .. } | EventKind::JobFinalizing { job } => {
                self.keep_progress(*job, &mut kept);
                kept.push(event.clone());
            }
            EventKind::JobAdmitted { job, .. } => {
                // What memory was when it began.
                self.keep_window(true, &mut kept);
                let lines = Allowance::new(40, Duration::from_secs(2));
                self.tries.insert(*job, Try { kept: None, latest: None, lines });
                self.settled = false;
            }
            EventKind::JobFinished { job, .. }
            | EventKind::JobRequeued { job, .. }
            | EventKind::JobRejected { job, .. }
            | EventKind::JobRemoved { job, .. } => {
                self.keep_progress(*job, &mut kept);
                self.tries.remove(job);
            }
            EventKind::CleanupStarted { .. } => {
                // What it was begun for; and the chart of a second begins with what came first in it.
                self.keep_window(true, &mut kept);
                kept.push(event.clone());
            }
            EventKind::RunFinished(_) => self.keep_window(true, &mut kept),
            kind if kind.is_durable() => {}
            _ => kept.push(event.clone()),
        }
        kept
    }

    fn keep_progress(&mut self, job: JobId, kept: &mut Vec<Event>) {
        kept.extend(self.tries.get_mut(&job).and_then(|at_work| at_work.latest.take()));
    }

    fn sampled(&mut self, event: &Event, figures: &MemoryFigures, kept: &mut Vec<Event>) {
        let is_edge = self.last.as_ref().is_none_or(|last| {
            let of_note = |figures: &MemoryFigures| (figures.level, is_over(figures), figures.budget_bytes);
            of_note(last) != of_note(figures)
        });
        if is_edge && self.edges.take(event.mono, 0) {
            self.keep_window(false, kept);
            self.note(event.mono, figures);
            kept.push(event.clone());
            return;
        }
        let second = event.mono.0.as_secs();
        if self.window.from.is_some_and(|from| second >= from + step(event.mono)) && !self.settled {
            self.keep_window(false, kept);
            self.settled = self.tries.is_empty();
        }
        let window = &mut self.window;
        window.from.get_or_insert(second);
        let figure = |held: &Option<Event>, of: fn(&MemoryFigures) -> Bytes| match held.as_ref().map(|event| &event.kind) {
            Some(EventKind::MemorySampled(known)) => of(known) < of(figures),
            _ => true,
        };
        if figure(&window.hard, |figures| figures.hard_bytes) {
            window.hard = Some(event.clone());
        }
        if figure(&window.counted, |figures| figures.counted_bytes) {
            window.counted = Some(event.clone());
        }
        if figures.usage_bytes > self.highest.2 && figure(&window.usage, |figures| figures.usage_bytes) {
            window.usage = Some(event.clone());
        }
        window.latest = Some(event.clone());
    }

    /// Keeps the highest samples since the last that were kept, if they tell anything new, and the latest if it is wanted.
    fn keep_window(&mut self, and_latest: bool, kept: &mut Vec<Event>) {
        let Window { hard, counted, usage, latest, .. } = std::mem::take(&mut self.window);
        let mut events: Vec<Event> = [hard, counted, usage].into_iter().flatten().collect();
        let is_new = |event: &Event| matches!(&event.kind, EventKind::MemorySampled(figures) if self.tells(figures));
        if !events.iter().any(is_new) {
            events.clear();
        }
        if and_latest {
            events.extend(latest);
        }
        events.sort_by_key(|event| event.seq);
        events.dedup_by_key(|event| event.seq);
        for event in &events {
            if let EventKind::MemorySampled(figures) = &event.kind {
                self.note(event.mono, figures);
            }
        }
        kept.append(&mut events);
    }

    fn note(&mut self, at: Mono, figures: &MemoryFigures) {
        let second = at.0.as_secs();
        let (of, hard, counted) = self.shown;
        let (hard, counted) = if of == second { (hard, counted) } else { (Bytes::ZERO, Bytes::ZERO) };
        self.shown = (second, hard.max(figures.hard_bytes), counted.max(figures.counted_bytes));
        let (hard, counted, usage) = self.highest;
        self.highest = (hard.max(figures.hard_bytes), counted.max(figures.counted_bytes), usage.max(figures.usage_bytes));
        self.last = Some(figures.clone());
    }

    /// The figures are not just those of the last sample that was kept.
    fn tells(&self, figures: &MemoryFigures) -> bool {
        let Some(last) = &self.last else { return true };
        let (hard, counted, usage) = self.highest;
        let (_, hard_shown, counted_shown) = self.shown;
        figures.hard_bytes > hard
            || figures.counted_bytes > counted
            || figures.usage_bytes > usage
            || differ(figures.hard_bytes, last.hard_bytes)
            || differ(figures.counted_bytes, last.counted_bytes)
            || differ(figures.hard_bytes, hard_shown)
            || differ(figures.counted_bytes, counted_shown)
            || !figures.jobs.keys().eq(last.jobs.keys())
            || figures.jobs.iter().any(|(job, bytes)| last.jobs.get(job).is_none_or(|before| differ(*bytes, *before)))
    }
}

fn differ(one: Bytes, other: Bytes) -> bool {
    one.0.abs_diff(other.0) >= NOTABLE.0.max(other.0 / NOTABLE_SHARE)
}

fn is_over(figures: &MemoryFigures) -> bool {
    figures.high_water_bytes > Bytes::ZERO && figures.counted_bytes >= figures.high_water_bytes
}

/// Seconds between two samples that are kept.
fn step(now: Mono) -> u64 {
    (now.0.as_secs() / FINE).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Seq;
    use crate::domain::memory::Level;
    use crate::domain::time::Wall;

    #[derive(Default)]
    struct Run {
        course: History,
        seq: u64,
        at: u64,
        kept: Vec<Event>,
    }

    impl Run {
        fn emit(&mut self, kind: EventKind) -> usize {
            self.seq += 1;
            let event = Event { seq: Seq(self.seq), at: Wall(0), mono: Mono::from_millis(self.at), kind };
            let kept = self.course.keep(&event);
            self.kept.extend(kept.iter().cloned());
            kept.len()
        }

        fn sample(&mut self, mb: u64) -> usize {
            self.emit(EventKind::MemorySampled(figures(mb)))
        }

        fn admit(&mut self) {
            self.emit(EventKind::JobAdmitted { job: JobId(1), attempt: 1, reserved_bytes: Bytes(1) });
        }

        fn sums(&self) -> Vec<u64> {
            let mut kept: Vec<&Event> = self.kept.iter().collect();
            kept.sort_by_key(|event| event.seq);
            let sum = |event: &&Event| match &event.kind {
                EventKind::MemorySampled(figures) => Some(figures.hard_bytes.0 >> 20),
                _ => None,
            };
            kept.iter().filter_map(sum).collect()
        }
    }

    fn figures(mb: u64) -> MemoryFigures {
        let sum = Bytes::mib(mb);
        let level = if mb >= 1500 { Level::High } else { Level::Normal };
        MemoryFigures {
            usage_bytes: sum,
            hard_bytes: sum,
            counted_bytes: sum,
            high_water_bytes: Bytes::mib(1500),
            level,
            ..MemoryFigures::default()
        }
    }

    fn line(level: LogLevel) -> EventKind {
        EventKind::JobLogged { job: Some(JobId(1)), level, text: "a line".to_owned(), own: false }
    }

    #[test]
    fn of_each_second_the_highest_sample_is_kept() {
        let mut run = Run::default();
        run.admit();
        run.sample(100);
        for (second, high) in [(1, 300), (2, 200), (3, 400)] {
            for tenth in 0..10 {
                run.at = second * 1000 + tenth * 100;
                run.sample(if tenth == 4 { high } else { 150 });
            }
        }
        run.at = 4000;
        run.sample(150);
        assert_eq!(run.sums(), [100, 300, 200, 400]);
    }

    #[test]
    fn every_crossing_of_the_line_is_kept_as_it_was_seen_and_a_flutter_is_not() {
        let mut run = Run::default();
        for (at, mb) in [(0, 1400), (100, 1499), (200, 1500), (300, 1600), (400, 1500), (500, 1499)] {
            run.at = at;
            run.sample(mb);
        }
        assert_eq!(run.sums(), [1400, 1499, 1500, 1600, 1499]);
        let before = run.kept.len();
        for tenth in 0..600 {
            run.at = 1000 + tenth * 100;
            run.sample(if tenth % 2 == 0 { 1501 } else { 1499 });
        }
        let more = run.kept.len() - before;
        assert!((60..=250).contains(&more), "{more} in a minute");
    }

    #[test]
    fn nothing_is_kept_while_nothing_happens() {
        let mut run = Run::default();
        run.sample(100);
        let before = run.kept.len();
        // An hour in which no job holds a slot; the figures wander all the same.
        for second in 0..3600 {
            run.at = second * 1000;
            run.sample(100 + second % 50);
        }
        assert_eq!(run.kept.len(), before);
        // A job that stands still for an hour.
        run.admit();
        assert_eq!(run.sums()[1..], [149, 149], "the highest of the hour, and the latest");
        let before = run.kept.len();
        for second in 0..3600 {
            run.at = 3_600_000 + second * 1000;
            run.sample(149);
        }
        assert_eq!(run.kept.len(), before);
    }

    #[test]
    fn a_week_at_work_takes_some_ten_thousand_events() {
        let mut run = Run::default();
        run.admit();
        for second in 0..7 * 86_400 {
            run.at = second * 1000;
            run.sample(100 + second % 50 * 10);
            let progress = EventKind::JobProgressed {
                job: JobId(1),
                ratio: None,
                fps: 0.0,
                speed: 0.0,
                eta_seconds: None,
                memory_bytes: Bytes(0),
                frame: second,
                out_time_ms: 0,
                written_bytes: Bytes(0),
            };
            run.emit(progress);
        }
        assert!((8_000..20_000).contains(&run.kept.len()), "{}", run.kept.len());
    }

    #[test]
    fn the_last_progress_of_a_try_is_kept() {
        let mut run = Run::default();
        run.admit();
        for frame in 0..10 {
            run.at = frame * 100;
            run.emit(EventKind::JobProgressed {
                job: JobId(1),
                ratio: Some(0.5),
                fps: 1.0,
                speed: 1.0,
                eta_seconds: None,
                memory_bytes: Bytes(0),
                frame,
                out_time_ms: 0,
                written_bytes: Bytes(0),
            });
        }
        run.emit(EventKind::JobFinalizing { job: JobId(1) });
        let frames: Vec<u64> = run
            .kept
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::JobProgressed { frame, .. } => Some(*frame),
                _ => None,
            })
            .collect();
        assert_eq!(frames, [0, 9]);
    }

    #[test]
    fn a_flood_of_lines_is_thinned_and_the_words_of_the_guide_and_errors_come_through() {
        let mut run = Run::default();
        run.admit();
        let lines = |run: &mut Run, level, count: usize| (0..count).map(|_| run.emit(line(level))).sum::<usize>();
        assert_eq!(lines(&mut run, LogLevel::Warning, 1000), 30);
        assert_eq!(lines(&mut run, LogLevel::Error, 5), 5);
        assert_eq!(lines(&mut run, LogLevel::Memory, 50), 50);
        run.at = 60_000;
        assert_eq!(lines(&mut run, LogLevel::Warning, 1000), 25, "one in two seconds, but for what errors may take");
    }
}
