//! What `status`, `jobs` and `logs` tell where no server works: what is on record, that nothing runs, since when, and how to go
//! on. Only reads: a server may start meanwhile.

use color_eyre::eyre::{Result, eyre};
use serde_json::json;

use super::super::NO_SERVER;
use super::super::rows::{self, JobLine};
use super::{log_text, no_log_yet, with_log, write_jobs};
use crate::cli::args::{JobsArgs, LogsArgs, StatusArgs};
use crate::cli::options::Resolved;
use crate::cli::{Unavailable, Usage, write_out};
use crate::domain::event::JobCounts;
use crate::domain::job::{JobId, WholeLog};
use crate::domain::stored::{JobRow, RowState, RowsWanted};
use crate::domain::text::path_text;
use crate::domain::time::Wall;
use crate::headless::counting;
use crate::headless::lines::LineStyle;
use crate::host::process::log::joblog::read_latest_log;
use crate::host::store::{self, Ending, PastRun, StoreError};
use crate::wire::socket::no_server;

/// The record of a state folder on which no server works.
pub(super) struct Record<'r> {
    resolved: &'r Resolved,
    /// The last run; `None` = jobs were only added so far.
    last: Option<PastRun>,
    before: JobCounts,
    /// Jobs that wait, and how many of them were at work when the last run was cut off.
    waiting: u64,
    interrupted: u64,
}

impl<'r> Record<'r> {
    /// Reads it; where there is none, that nobody works there is all there is to say.
    pub(super) fn read(resolved: &'r Resolved, none: Unavailable) -> Result<Self> {
        let wrong = |error: StoreError| Usage(error.to_string());
        let runs = store::past_runs(&resolved.state_dir).map_err(wrong)?;
        let last = runs.into_iter().next_back();
        let counts = store::counts(&resolved.state_dir).map_err(wrong)?;
        if last.is_none() && counts == store::Counts::default() {
            return Err(none.into());
        }
        Ok(Self { resolved, last, before: counts.ended, waiting: counts.waiting, interrupted: counts.interrupted })
    }

    /// That nothing runs, since when, and how to go on.
    fn words(&self) -> String {
        let folder = path_text(&self.resolved.state_dir);
        let on =
            if self.waiting > 0 { "it goes on with what waits, and so do `plimsoll` and `plimsoll run`" } else { "nothing waits" };
        let none = format!("{}: {on}", no_server(&self.resolved.state_dir));
        let since = |last: &PastRun| LineStyle::terminal(false).time_and_day(last.last);
        match self.last.as_ref().map(|last| (last.ending, last)) {
            None => none,
            Some((Ending::Over, last)) => format!("{none}; the last one ended {}", since(last)),
            Some((Ending::CutOff, last)) => format!("{none}; the last one was cut off after {}", since(last)),
            Some((Ending::AtWork, _)) => {
                format!("a plimsoll works on {folder} that cannot be reached; this is what it has put on record")
            }
        }
    }

    fn stopped_at(&self) -> Option<Wall> {
        self.last.as_ref().filter(|last| last.ending != Ending::AtWork).map(|last| last.last)
    }

    fn rows(&self, wanted: &RowsWanted, each: impl FnMut(JobRow)) -> Result<()> {
        let read =
            |wanted: &RowsWanted| Ok(store::rows(&self.resolved.state_dir, wanted).map_err(|error| Usage(error.to_string()))?);
        rows::paged(read, wanted, each)
    }

    /// `plimsoll status`. The status says that no server works: whoever asks only whether one does relies on it.
    pub(super) fn status(&self, args: &StatusArgs) -> Result<u8> {
        if args.html {
            return Err(Unavailable { status: NO_SERVER, why: self.words() }.into());
        }
        crate::cli::write_stderr(&format!("plimsoll: {}\n", self.words()));
        if args.json {
            let mut jobs = serde_json::Map::new();
            for name in crate::cli::args::remote::COUNTED_STATES {
                jobs.insert(name.to_owned(), json!(if name == "queued" { self.waiting } else { 0 }));
            }
            let told = json!({
                "server": null, "stopped_at": self.stopped_at(), "profile": null, "memory": null, "jobs": jobs, "jobs_before": self.before,
                "held": false, "comparison": null, "draining": false, "no_room": [], "watched": [], "consoles": 0,
            });
            write_out(format!("{told}\n").as_bytes())?;
            return Ok(NO_SERVER);
        }
        let cut = match self.interrupted {
            0 => String::new(),
            some => {
                format!(" ({} at work when it was cut off)", if some == 1 { "1 was".to_owned() } else { format!("{some} were") })
            }
        };
        let before = counting::before(&self.before, "; ");
        write_out(format!("  jobs     {} queued{cut}{before}\n", self.waiting).as_bytes())?;
        Ok(NO_SERVER)
    }

    /// `plimsoll jobs`.
    pub(super) fn jobs(&self, args: &JobsArgs) -> Result<u8> {
        let told = write_jobs(args, |tell| self.rows(&RowsWanted::default(), |row| tell(of_record(row))));
        crate::cli::write_stderr(&format!("plimsoll: {}\n", self.words()));
        told
    }

    /// `plimsoll logs`; nothing comes any more of what is followed.
    pub(super) fn logs(&self, args: &LogsArgs) -> Result<u8> {
        let job = JobId(args.job);
        let mut found = None;
        self.rows(&RowsWanted { jobs: vec![job], ..RowsWanted::default() }, |row| found = Some(row))?;
        let row = with_log(found, job)?;
        let log: WholeLog = read_latest_log(&self.resolved.state_dir.join("logs"), job, row.attempts.max(1))
            .map_err(|why| no_log_yet(&row).map_or_else(|| eyre!("{why}"), Into::into))?;
        let style = LineStyle::terminal(self.resolved.line_color_of_stdout());
        write_out(log_text(&log, args.lines, &style).as_bytes())?;
        crate::cli::write_stderr(&format!("plimsoll: {}\n", self.words()));
        Ok(0)
    }
}

/// A job of the record: what was at work then waits now.
fn of_record(row: JobRow) -> JobLine {
    let was_at_work = row.state == RowState::Running;
    let line = JobLine::of_row(row, true);
    if was_at_work {
        return JobLine { state: "queued", reason: Some("it was at work when plimsoll was cut off".to_owned()), ..line };
    }
    line
}
