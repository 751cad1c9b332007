//! Events as log lines that a person reads and `grep` finds.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::comparison::under_way::END_IT;
use crate::domain::event::{Event, EventKind};
use crate::domain::job::{JobId, LogLevel, Outcome, StopReason};
use crate::domain::state::{Held, State, restored_words};
use crate::domain::text::{file_name_text, many, path_text, percent};
use crate::domain::time::{Mono, Wall, seconds_words, span_words};

/// A running job's progress is told this often at first, so that a short run shows that it moves,
const PROGRESS_EVERY: Duration = Duration::from_secs(10);
/// and this often once it was told for this long: in the log of a night it must not bury what matters.
const PROGRESS_LATER: Duration = Duration::from_mins(1);

/// Names of jobs remembered, more than are listed at once; the oldest is forgotten first.
const NAMES_KEPT: usize = 8192;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When, for people.
    pub at: Wall,
    /// How much it matters.
    pub level: LogLevel,
    /// The job, as `#3` or `#3 name`.
    pub job: Option<String>,
    pub text: String,
}

/// How lines are written.
#[derive(Debug, Clone)]
pub struct LineStyle {
    /// With colours.
    pub color: bool,
    /// Times with date and in UTC, for files; else the time of day where the operator is.
    pub full_time: bool,
    /// The time zone of the operator.
    pub zone: TimeZone,
}

impl LineStyle {
    /// Lines for a terminal.
    pub fn terminal(color: bool) -> Self {
        Self { color, full_time: false, zone: TimeZone::system() }
    }

    /// Lines for a log file.
    pub fn file() -> Self {
        Self { color: false, full_time: true, zone: TimeZone::UTC }
    }

    /// The line as text, without its end.
    pub fn render(&self, line: &Line) -> String {
        let time = if self.full_time { line.at.to_string() } else { self.time_of_day(line.at) };
        let (word, color) = match line.level {
            LogLevel::Info => ("INFO ", ""),
            LogLevel::Memory => ("MEM  ", "\x1b[35m"),
            LogLevel::Warning => ("WARN ", "\x1b[33m"),
            LogLevel::Error => ("ERROR", "\x1b[31m"),
        };
        let job = line.job.as_ref().map(|job| format!("{job} ")).unwrap_or_default();
        if self.color && !color.is_empty() {
            format!("{time} {color}{word} {job}{}\x1b[0m", line.text)
        } else {
            format!("{time} {word} {job}{}", line.text)
        }
    }

    /// Day and time, for people.
    pub fn time_and_day(&self, at: Wall) -> String {
        let zoned = Timestamp::from_millisecond(at.0).map(|time| time.to_zoned(self.zone.clone()));
        zoned.map_or_else(|_| at.to_string(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
    }

    fn time_of_day(&self, at: Wall) -> String {
        Timestamp::from_millisecond(at.0)
            .map_or_else(|_| at.to_string(), |time| time.to_zoned(self.zone.clone()).strftime("%H:%M:%S").to_string())
    }
}

/// Makes lines of events; remembers the names of jobs.
#[derive(Debug, Default)]
pub struct Lines {
    /// Also what is told in passing: ffmpeg's command lines, its own remarks.
    pub verbose: bool,
    names: BTreeMap<JobId, String>,
    told: BTreeMap<JobId, Told>,
}

/// When the progress of a job was told first and last.
#[derive(Debug, Clone, Copy)]
struct Told {
    first: Mono,
    last: Mono,
}

impl Lines {
    /// Takes the names of the jobs that are known already.
    pub fn learn(&mut self, state: &State) {
        self.names = state.jobs.values().map(|job| (job.id, file_name_text(&job.input))).collect();
    }

    /// The lines of an event; most have one, samples have none.
    pub fn of(&mut self, event: &Event) -> Vec<Line> {
        let line = |level, job: Option<String>, text: String| vec![Line { at: event.at, level, job, text }];
        match &event.kind {
            EventKind::RunStarted { governor: false, .. } => line(
                LogLevel::Warning,
                None,
                "NAIVE RUN (--no-governor): no cleanups, no admission by memory; for comparison only".to_owned(),
            ),
            EventKind::JobQueued { job, input, size_bytes, preset, .. } => {
                self.names.insert(*job, file_name_text(input));
                if self.names.len() > NAMES_KEPT {
                    self.names.pop_first();
                }
                line(LogLevel::Info, Some(self.named(*job)), format!("queued: {size_bytes}, preset {preset}"))
            }
            EventKind::QueueRestored { jobs, interrupted } => line(LogLevel::Info, None, restored_words(*jobs, *interrupted)),
            EventKind::JobStarted { job, attempt, pid, predicted_peak_bytes, .. } => {
                let expects = predicted_peak_bytes.map(|peak| format!(", expects a peak of {}", peak.whole())).unwrap_or_default();
                line(LogLevel::Info, Some(self.named(*job)), format!("started: try {attempt}, pid {pid}{expects}"))
            }
            EventKind::JobProgressed { job, ratio, speed, eta_seconds, memory_bytes, .. } => {
                let now = event.mono;
                let told = self.told.entry(*job).or_insert(Told { first: now, last: Mono::START });
                let pause = if now.since(told.first) < PROGRESS_LATER { PROGRESS_EVERY } else { PROGRESS_LATER };
                if now.since(told.last) < pause {
                    return Vec::new();
                }
                told.last = now;
                let share = ratio.map_or_else(|| "?".to_owned(), |ratio| percent(ratio).to_string());
                let left =
                    eta_seconds.map(|seconds| format!(", {} left", span_words(Duration::from_secs(seconds)))).unwrap_or_default();
                line(LogLevel::Info, Some(number(*job)), format!("{share} % at {speed:.2}x, {}{left}", memory_bytes.whole()))
            }
            EventKind::JobLogged { job: Some(_), level: LogLevel::Info, .. } if !self.verbose => Vec::new(),
            EventKind::JobLogged { job: Some(job), level, text, .. } => {
                let job = if *level >= LogLevel::Warning { self.named(*job) } else { number(*job) };
                line(*level, Some(job), text.clone())
            }
            EventKind::JobLogged { job: None, level, text, .. } => line(*level, None, text.clone()),
            EventKind::JobFinished { job, output, peak_memory_bytes, seconds, outcome, damage, left_out, .. }
                if outcome.is_success() =>
            {
                self.told.remove(job);
                let output = output.as_ref().map(|path| path_text(path)).unwrap_or_default();
                let how = match outcome {
                    // Nothing was run for it.
                    Outcome::AlreadyDone => format!("already done: {output}"),
                    _ => format!("done: {output} in {}, peak {}", seconds_words(*seconds), peak_memory_bytes.whole()),
                };
                let mut lines = line(LogLevel::Info, Some(self.named(*job)), how);
                let damage = damage.as_ref().map(|damage| (LogLevel::Warning, format!("damage: {}", damage.words())));
                let left_out = (!left_out.is_empty()).then(|| (LogLevel::Info, format!("left out: {}", left_out.join(", "))));
                for (level, text) in damage.into_iter().chain(left_out) {
                    lines.extend(line(level, Some(self.named(*job)), text));
                }
                lines
            }
            EventKind::JobAllowed { job, by_operator } => {
                let who = if *by_operator { "the operator" } else { "the profile's limit" };
                line(LogLevel::Info, Some(self.named(*job)), format!("let in by {who}"))
            }
            EventKind::JobStopping { job, why } => {
                let why = match why {
                    StopReason::Cancel => "it was cancelled",
                    StopReason::Timeout => "it ran longer than --timeout allows",
                    StopReason::Stall => "it made no progress for as long as --stall says",
                    StopReason::Shutdown => "plimsoll ends; it stays in the queue",
                    StopReason::Memory => "memory ran short",
                };
                line(LogLevel::Info, Some(self.named(*job)), format!("is being stopped: {why}"))
            }
            EventKind::JobPaused { job, by_governor } => {
                let what = if *by_governor { "stopped where it is, for want of memory" } else { "paused" };
                line(LogLevel::Info, Some(number(*job)), what.to_owned())
            }
            EventKind::JobContinued { job, .. } => line(LogLevel::Info, Some(number(*job)), "goes on".to_owned()),
            EventKind::JobRetried { job, .. } => line(LogLevel::Info, Some(self.named(*job)), "queued again".to_owned()),
            EventKind::JobRemoved { job, .. } => {
                let job = self.names.remove(job).map(|name| format!("#{job} {name}:"));
                line(LogLevel::Info, job, "removed from the list".to_owned())
            }
            EventKind::BudgetChanged { budget_bytes, budget_source, lines, .. } => line(
                LogLevel::Memory,
                None,
                format!("budget {budget_bytes}: {budget_source}; the line stands at {}", lines.line_words()),
            ),
            EventKind::PressureChanged { from, to, working_set_bytes, hard_bytes } => line(
                if to > from { LogLevel::Warning } else { LogLevel::Memory },
                None,
                format!("memory is {} (working set {}, hard {})", to.label(), working_set_bytes.whole(), hard_bytes.whole()),
            ),
            EventKind::AdmissionHeld { job, needs_bytes, free_bytes, kept_bytes } => {
                let held = Held { job: *job, needs: *needs_bytes, free: *free_bytes, kept: *kept_bytes };
                line(LogLevel::Memory, Some(self.named(*job)), format!("waiting: {}", held.words()))
            }
            EventKind::RoomWanted(wanted) => {
                line(LogLevel::Warning, Some(self.named(wanted.job)), format!("no room: {}; {}", wanted.reason, wanted.patience()))
            }
            EventKind::RoomFound { job } => line(LogLevel::Info, Some(self.named(*job)), "waits for room no more".to_owned()),
            // The summary counts those that freed next to nothing.
            EventKind::CleanupFinished { freed_bytes, .. } if freed_bytes.is_next_to_nothing() => Vec::new(),
            EventKind::CleanupFinished { action, freed_bytes, millis, .. } => line(
                LogLevel::Memory,
                None,
                format!("cleanup: {} freed {:.1}MB in {millis} ms", action.label(), freed_bytes.as_mb()),
            ),
            EventKind::ProfileSelected { name, profile, max_file_bytes, .. } => {
                let slots = profile.max_concurrent.words();
                line(LogLevel::Info, None, format!("profile {name}: {slots}, files up to {max_file_bytes}"))
            }
            EventKind::SlotsDecided { profile, at_once, why, .. } => {
                line(LogLevel::Memory, None, format!("{profile}: {at_once} at once: {why}"))
            }
            EventKind::QueuePaused => line(LogLevel::Info, None, "the queue is held".to_owned()),
            EventKind::QueueResumed => line(LogLevel::Info, None, "the queue is released".to_owned()),
            EventKind::DrainStarted => {
                line(LogLevel::Info, None, "draining: takes nothing new, ends after what is queued".to_owned())
            }
            EventKind::DrainStopped => line(LogLevel::Info, None, "draining no more: takes new files again, and stays".to_owned()),
            EventKind::ComparisonStarted { inputs } => {
                let text = format!("a comparison of {} has the machine; the queue waits for it; {END_IT}", many(*inputs, "input"));
                line(LogLevel::Info, None, text)
            }
            EventKind::ComparisonRun { run, runs, profile } => {
                line(LogLevel::Info, None, format!("comparison: run {run} of {runs}, {profile}"))
            }
            EventKind::ComparisonEnded { reason } => line(LogLevel::Info, None, comparison_over(reason.as_deref())),
            EventKind::ShutdownStarted => {
                line(LogLevel::Warning, None, "ending: nothing is started any more, what runs is being stopped".to_owned())
            }
            EventKind::WarningRaised { warning, evidence, advice, .. } => {
                line(LogLevel::Warning, None, format!("{warning}: {evidence}; {advice}"))
            }
            kind @ (EventKind::InputSkipped { .. } | EventKind::Fault { .. }) => {
                line(LogLevel::Error, None, kind.trouble().unwrap_or_default())
            }
            _ => Vec::new(),
        }
    }

    fn named(&self, job: JobId) -> String {
        self.names.get(&job).map_or_else(|| number(job), |name| format!("#{job} {name}:"))
    }
}

fn comparison_over(reason: Option<&str>) -> String {
    let why = reason.map_or_else(String::new, |why| format!(": {why}"));
    format!("the comparison is over{why}; the queue goes on as far as it is not held")
}

fn number(job: JobId) -> String {
    format!("#{job}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{RoomWanted, Seq};
    use crate::domain::units::Bytes;

    fn event(kind: EventKind) -> Event {
        Event { seq: Seq(1), at: Wall(1_795_349_038_120), mono: Mono::START, kind }
    }

    #[test]
    fn the_guides_lines_stand_word_for_word_behind_the_prefix() {
        let text = "High memory usage detected: 1618.2MB - forcing cleanup".to_owned();
        let lines = Lines::default().of(&event(EventKind::JobLogged { job: None, level: LogLevel::Memory, text, own: true }));
        let style = LineStyle::file();
        assert_eq!(
            style.render(&lines[0]),
            "2026-11-22T12:03:58.120Z MEM   High memory usage detected: 1618.2MB - forcing cleanup"
        );
    }

    #[test]
    fn errors_name_the_file_and_colours_end_where_they_began() {
        let mut lines = Lines::default();
        lines.of(&event(EventKind::JobQueued {
            job: JobId(3),
            input: "/v/a\nb.mp4".into(),
            size_bytes: Bytes::mib(1),
            preset: "web-720p".to_owned(),
            output: None,
            rank: 0,
        }));
        let said = EventKind::JobLogged { job: Some(JobId(3)), level: LogLevel::Error, text: "failed: no".to_owned(), own: true };
        let line = lines.of(&event(said)).remove(0);
        let style = LineStyle { color: true, full_time: false, zone: TimeZone::UTC };
        assert_eq!(style.render(&line), "12:03:58 \x1b[31mERROR #3 a␊b.mp4: failed: no\x1b[0m");
    }

    #[test]
    fn missing_room_is_told_with_what_is_needed_what_is_free_where_and_what_follows() {
        let wanted = |waited_ms, gives_up_ms| {
            EventKind::RoomWanted(RoomWanted {
                job: JobId(3),
                disk: None,
                folder: "/out".into(),
                needs_bytes: Some(Bytes::mib(8)),
                free_bytes: Some(Bytes::mib(6)),
                reason: "disk full: /out has 6 MB free and the output needs about 8 MB; free some space".to_owned(),
                waited_ms,
                gives_up_ms,
            })
        };
        let told = |kind| Lines::default().of(&event(kind)).remove(0).text;
        assert_eq!(
            told(wanted(60_000, Some(540_000))),
            "no room: disk full: /out has 6 MB free and the output needs about 8 MB; free some space; waits for 1 min now; \
             the run ends in 9 min unless there is room"
        );
        assert!(told(wanted(0, None)).ends_with("free some space; waits"));
        assert!(told(wanted(0, Some(0))).ends_with("the run ends now"));
    }

    #[test]
    fn progress_is_told_every_ten_seconds_at_first_and_every_minute_later_on() {
        let mut lines = Lines::default();
        let told: Vec<u64> = (0..1200_u64)
            .filter(|second| {
                let progressed = EventKind::JobProgressed {
                    job: JobId(3),
                    ratio: Some(0.5),
                    fps: 25.0,
                    speed: 1.0,
                    eta_seconds: Some(7530),
                    memory_bytes: Bytes::mib(90),
                    frame: 0,
                    out_time_ms: 0,
                    written_bytes: Bytes::ZERO,
                };
                let told = lines.of(&Event { mono: Mono::from_millis(second * 1000), ..event(progressed) });
                assert!(told.iter().all(|line| line.text == "50 % at 1.00x, 90 MB, 2 h 05 min left"), "{told:?}");
                !told.is_empty()
            })
            .collect();
        assert_eq!(told[..9], [10, 20, 30, 40, 50, 110, 170, 230, 290]);
        assert_eq!(told.len(), 24);
    }

    #[test]
    fn what_was_done_already_is_told_without_a_time_and_a_peak() {
        let finished = EventKind::finished_without_run(JobId(3), Outcome::AlreadyDone, Some("/out/a.mp4".into()));
        let line = Lines::default().of(&event(finished));
        assert_eq!(line[0].text, "already done: /out/a.mp4");
    }

    #[test]
    fn a_cleanup_that_found_nothing_to_free_is_left_to_the_summary() {
        let cleaned = |freed_bytes| EventKind::CleanupFinished {
            cleanup: crate::domain::cleanup::CleanupId(1),
            action: crate::domain::cleanup::CleanupAction::TrimHeap,
            before_bytes: Bytes::mib(10),
            after_bytes: Bytes::mib(10),
            freed_bytes,
            millis: 1,
            verdict: crate::domain::cleanup::CleanupVerdict::Futile,
        };
        let lines = |freed| Lines::default().of(&event(cleaned(freed))).into_iter().map(|line| line.text).collect::<Vec<_>>();
        assert_eq!((lines(Bytes::ZERO), lines(Bytes(9999))), (Vec::new(), Vec::new()));
        assert_eq!(lines(Bytes::mib(1)), ["cleanup: trim heap freed 1.0MB in 1 ms"]);
    }
}
