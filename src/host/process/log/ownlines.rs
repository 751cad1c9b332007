//! plimsoll's own lines of a job (memory before and after, holds, retries, its end) for the file of its log, beside what its
//! process says.
//!
//! The file is what is left when the console has gone, so it has to tell the whole story. Follows the events of the run; knows
//! which try a line belongs to, and that a try's file is begun anew when its process is started. Writes nothing itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::event::{Event, EventKind};
use crate::domain::job::{JobId, LogLevel};
use crate::domain::time::Wall;

/// Jobs that are remembered; of those that are not at work the oldest goes first.
const JOBS: usize = 256;
/// Lines that wait for the start of a try.
const WAITING: usize = 64;
/// Lines for one job's files, so that a run of weeks fills no disk.
const LINES: u32 = 10_000;
/// What the lines begin with in the file, behind the time.
const MARK: &str = "plimsoll [";

/// A line for the log of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnLine {
    pub job: JobId,
    /// Which try.
    pub attempt: u32,
    /// As it stands in the file, its time in front.
    pub text: String,
}

/// Which job's files the lines go to.
#[derive(Debug, Default)]
pub struct OwnLines {
    jobs: BTreeMap<JobId, Known>,
    at_work: BTreeSet<JobId>,
}

#[derive(Debug, Default)]
struct Known {
    /// The try whose file is written.
    file: Option<u32>,
    /// The try that was let in and has not begun: its file does not stand yet.
    starting: Option<u32>,
    waiting: Vec<String>,
    lines: u32,
}

impl Known {
    fn begin(&mut self, job: JobId, attempt: u32, out: &mut Vec<OwnLine>) {
        (self.file, self.starting) = (Some(attempt), None);
        out.extend(self.waiting.drain(..).map(|text| OwnLine { job, attempt, text }));
    }
}

impl OwnLines {
    /// The lines that an event brings, to be added to files.
    pub fn of(&mut self, event: &Event) -> Vec<OwnLine> {
        let mut out = Vec::new();
        match &event.kind {
            EventKind::JobAdmitted { job, attempt, .. } => {
                self.at_work.insert(*job);
                self.known(*job).starting = Some(*attempt);
            }
            EventKind::JobStarted { job, attempt, .. } => self.known(*job).begin(*job, *attempt, &mut out),
            EventKind::JobRequeued { job, .. } | EventKind::JobFinished { job, .. } => {
                self.at_work.remove(job);
                if let Some(known) = self.jobs.get_mut(job)
                    && let Some(attempt) = known.starting
                {
                    known.begin(*job, attempt, &mut out);
                }
            }
            EventKind::JobRemoved { job, .. } | EventKind::JobParked { job } => {
                self.at_work.remove(job);
                self.jobs.remove(job);
            }
            EventKind::JobLogged { job, level, text, own: true } => {
                let line = line(event.at, *level, text);
                match job {
                    Some(job) => self.add(*job, line, &mut out),
                    // What memory did while a job ran belongs to its story too, as on the screen.
                    None if *level == LogLevel::Memory => {
                        for job in self.at_work.clone() {
                            self.add(job, line.clone(), &mut out);
                        }
                    }
                    None => {}
                }
            }
            _ => {}
        }
        out
    }

    fn add(&mut self, job: JobId, text: String, out: &mut Vec<OwnLine>) {
        let known = self.known(job);
        known.lines += 1;
        if known.lines > LINES {
            return;
        }
        match (known.starting, known.file) {
            (None, Some(attempt)) => out.push(OwnLine { job, attempt, text }),
            _ if known.waiting.len() < WAITING => known.waiting.push(text),
            _ => {}
        }
    }

    fn known(&mut self, job: JobId) -> &mut Known {
        if !self.jobs.contains_key(&job) && self.jobs.len() >= JOBS {
            let oldest = self.jobs.keys().find(|id| !self.at_work.contains(id)).copied();
            if let Some(oldest) = oldest {
                self.jobs.remove(&oldest);
            }
        }
        self.jobs.entry(job).or_default()
    }
}

/// A line of ours as it stands in a file, without its end.
pub(super) fn line(at: Wall, level: LogLevel, text: &str) -> String {
    format!("{at} {MARK}{}] {text}", word(level))
}

const fn word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Info => "info",
        LogLevel::Memory => "memory",
        LogLevel::Warning => "warning",
        LogLevel::Error => "error",
    }
}

/// Level and text of a line of a file, its time taken off, if it is one of ours.
pub fn read(text: &str) -> Option<(LogLevel, &str)> {
    let (level, text) = text.strip_prefix(MARK)?.split_once("] ")?;
    let levels = [LogLevel::Info, LogLevel::Memory, LogLevel::Warning, LogLevel::Error];
    levels.into_iter().find(|known| word(*known) == level).map(|level| (level, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Seq;
    use crate::domain::time::Mono;
    use crate::domain::units::Bytes;

    fn follow(lines: &mut OwnLines, kinds: Vec<EventKind>) -> Vec<(u64, u32, String)> {
        let event = |kind| Event { seq: Seq(1), at: Wall(0), mono: Mono::START, kind };
        let told = kinds.into_iter().flat_map(|kind| lines.of(&event(kind))).collect::<Vec<_>>();
        told.into_iter().map(|line| (line.job.0, line.attempt, line.text[25..].to_owned())).collect()
    }

    fn admitted(job: u64, attempt: u32) -> EventKind {
        EventKind::JobAdmitted { job: JobId(job), attempt, reserved_bytes: Bytes::ZERO }
    }

    fn started(job: u64, attempt: u32) -> EventKind {
        EventKind::JobStarted { job: JobId(job), attempt, pid: 1, predicted_peak_bytes: None, command: None }
    }

    fn logged(job: Option<u64>, level: LogLevel, text: &str, own: bool) -> EventKind {
        EventKind::JobLogged { job: job.map(JobId), level, text: text.to_owned(), own }
    }

    fn requeued(job: u64, attempt: u32) -> EventKind {
        let reason = String::new();
        EventKind::JobRequeued { job: JobId(job), attempt, reason, delay_ms: 0, uncounted: false, for_room: false, away: None }
    }

    #[test]
    fn lines_from_before_the_start_go_to_the_file_that_the_start_begins() {
        let mut lines = OwnLines::default();
        let early = vec![
            logged(Some(3), LogLevel::Memory, "waiting", true),
            admitted(3, 1),
            logged(Some(3), LogLevel::Memory, "before", true),
        ];
        assert_eq!(follow(&mut lines, early), []);
        let told = follow(&mut lines, vec![started(3, 1), logged(Some(3), LogLevel::Info, "ffmpeg says", false)]);
        let line = |attempt, text: &str| (3, attempt, format!("plimsoll [{text}"));
        assert_eq!(told, [line(1, "memory] waiting"), line(1, "memory] before")], "what ffmpeg says stands there already");
        let end = vec![
            logged(Some(3), LogLevel::Warning, "failed", true),
            requeued(3, 1),
            logged(Some(3), LogLevel::Memory, "after", true),
        ];
        assert_eq!(follow(&mut lines, end), [line(1, "warning] failed"), line(1, "memory] after")], "its last try");
        let again = vec![admitted(3, 2), logged(Some(3), LogLevel::Memory, "before", true), started(3, 2)];
        assert_eq!(follow(&mut lines, again), [line(2, "memory] before")]);
    }

    #[test]
    fn a_try_that_came_to_nothing_tells_why_in_its_own_file() {
        let mut lines = OwnLines::default();
        let told = follow(&mut lines, vec![admitted(3, 2), logged(Some(3), LogLevel::Warning, "no room", true), requeued(3, 2)]);
        assert_eq!(told, [(3, 2, "plimsoll [warning] no room".to_owned())]);
    }

    #[test]
    fn what_memory_did_goes_to_every_job_at_work_and_to_no_other() {
        let mut lines = OwnLines::default();
        let kinds =
            vec![admitted(1, 1), started(1, 1), admitted(2, 1), started(2, 1), requeued(2, 1), admitted(4, 1), started(4, 3)];
        assert_eq!(follow(&mut lines, kinds), []);
        let told = follow(
            &mut lines,
            vec![logged(None, LogLevel::Memory, "High memory", true), logged(None, LogLevel::Info, "of the run", true)],
        );
        let line = "plimsoll [memory] High memory".to_owned();
        assert_eq!(told, [(1, 1, line.clone()), (4, 3, line)]);
    }

    #[test]
    fn a_line_reads_back_and_ffmpegs_are_none_of_ours() {
        assert_eq!(read("plimsoll [memory] Memory usage: 1MB"), Some((LogLevel::Memory, "Memory usage: 1MB")));
        assert_eq!(read("plimsoll [error] failed: no"), Some((LogLevel::Error, "failed: no")));
        for line in ["[h264 @ 0x1] [error] no frame", "plimsoll [odd] x", "plimsoll says", ""] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn a_long_queue_is_not_remembered_as_a_whole() {
        let mut lines = OwnLines::default();
        for job in 1..2000 {
            follow(&mut lines, vec![admitted(job, 1), started(job, 1), requeued(job, 1)]);
        }
        assert!(lines.jobs.len() <= JOBS && lines.at_work.is_empty());
    }
}
