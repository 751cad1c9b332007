//! `status`, `jobs` and `logs`: what is known, as text for people and as JSON for programs.

mod record;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use color_eyre::eyre::{Result, eyre};
use serde_json::json;

use record::Record;

use super::rows::{self, JobLine};
use super::{open_if_there, snapshot};
use crate::cli::args::remote::DAMAGED;
use crate::cli::args::{JobsArgs, LogsArgs, StatusArgs};
use crate::cli::options::Resolved;
use crate::cli::{Usage, while_read, write_out, write_while_read};
use crate::domain::comparison::under_way::UnderWay;
use crate::domain::event::EventKind;
use crate::domain::job::{JobId, LogLine, Outcome, WholeLog};
use crate::domain::profile::Profile;
use crate::domain::state::State;
use crate::domain::stored::{JobRow, RowState, RowsWanted};
use crate::domain::text::{many, path_text, percent};
use crate::domain::time::Wall;
use crate::headless::lines::{Line, LineStyle};
use crate::headless::page::{self, About};
use crate::headless::{counting, standing};
use crate::runtime::link::Update;
use crate::wire::client::{Caller, Opened};
use crate::wire::look::Look;

/// Wants all that is known.
const FOLLOWS: Caller = Caller { console: false, follow: true, view: false };

/// `plimsoll status`.
pub fn status(resolved: &Resolved, args: &StatusArgs) -> Result<u8> {
    let mut opened = match open_if_there(resolved, FOLLOWS)? {
        Ok(opened) => opened,
        Err(none) => return Record::read(resolved, none)?.status(args),
    };
    let state = snapshot(&mut opened.link)?;
    if args.html {
        let hello = &opened.hello;
        let about = About {
            server: format!("plimsoll {} on {}, process {}", hello.version, hello.host, hello.pid),
            at: LineStyle::terminal(false).time_and_day(state.wall),
        };
        return write_out(page::render(&state, &about).as_bytes());
    }
    if args.json {
        let mut text = serde_json::to_string(&status_json(&opened, &state))?;
        text.push('\n');
        return write_out(text.as_bytes());
    }
    write_out(status_text(&opened, &state).as_bytes())
}

fn status_json(opened: &Opened, state: &State) -> serde_json::Value {
    let hello = &opened.hello;
    let profile = state.profile.as_ref();
    // What is decided anew all the time is as many as are wanted just now.
    let at_once = |profile: &Profile| profile.max_concurrent.fixed().or(state.decided.as_ref().map(|decided| decided.at_once));
    json!({
        "server": {
            "pid": hello.pid, "version": hello.version, "state_dir": path_text(&hello.state_dir), "since": hello.since,
            "host": hello.host,
        },
        "profile": profile.map(|profile| json!({
            "name": profile.name, "max_concurrent": at_once(profile), "auto": profile.max_concurrent.fixed().is_none(),
            "max_file_bytes": profile.max_file_size,
        })),
        "memory": state.memory,
        "stopped_at": null,
        "jobs": state.counts_by_state().into_iter().collect::<BTreeMap<_, _>>(),
        "jobs_before": state.before,
        "held": state.paused,
        "comparison": state.comparison.as_ref().map(comparison_json),
        "draining": state.draining,
        "no_room": state.rooms,
        "watched": state.watched.values().collect::<Vec<_>>(),
        "consoles": opened.facts.consoles,
    })
}

fn comparison_json(comparison: &UnderWay) -> serde_json::Value {
    json!({
        "since": comparison.since, "inputs": comparison.inputs, "run": comparison.run, "runs": comparison.runs,
        "profile": comparison.profile,
    })
}

fn status_text(opened: &Opened, state: &State) -> String {
    let hello = &opened.hello;
    let mut text = format!(
        "plimsoll {} (process {}) works on {} since {}\n",
        hello.version,
        hello.pid,
        path_text(&hello.state_dir),
        LineStyle::terminal(false).time_and_day(hello.since),
    );
    let _ = writeln!(text, "  jobs     {}", counting::words(state));
    if let Some(profile) = &state.profile {
        let _ = writeln!(text, "  profile  {}: {}", profile.name, profile.title);
    }
    let memory = &state.memory;
    let _ = writeln!(
        text,
        "  memory   {} of {}, the line stands at {}: {}",
        memory.counted_bytes.whole(),
        memory.budget_bytes.whole(),
        memory.high_water_bytes.whole(),
        memory.shown_level().label(),
    );
    for words in standing::words(state) {
        let _ = writeln!(text, "  {words}");
    }
    for wanted in &state.rooms {
        let _ = writeln!(text, "  no room  #{} {}: {}", wanted.job, wanted.patience(), wanted.reason);
    }
    for watched in state.watched.values() {
        let _ = writeln!(text, "  watched  {}", watched.words());
    }
    for (name, warning) in &state.warnings {
        let _ = writeln!(text, "  warning  {name}: {}; {}", warning.evidence, warning.advice);
    }
    let _ = writeln!(text, "  {} attached", many(u64::from(opened.facts.consoles), "console"));
    text
}

/// `plimsoll jobs`.
pub fn jobs(resolved: &Resolved, args: &JobsArgs) -> Result<u8> {
    let mut opened = match open_if_there(resolved, FOLLOWS)? {
        Ok(opened) => opened,
        Err(none) => return Record::read(resolved, none)?.jobs(args),
    };
    let state = snapshot(&mut opened.link)?;
    let told = write_jobs(args, |tell| rows::all(&opened, &state, tell));
    // Beside the list, which programs read.
    crate::cli::write_stderr(&format!("plimsoll: {}\n", counting::words(&state)));
    told
}

/// Writes the jobs that `all` tells, those that are asked for.
pub(super) fn write_jobs(args: &JobsArgs, all: impl FnOnce(&mut dyn FnMut(JobLine)) -> Result<()>) -> Result<u8> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    // A reader that has gone (`| head`) has read enough.
    let mut told = Ok(());
    let mut count = 0;
    all(&mut |job| {
        if told.is_ok() && args.state.as_ref().is_none_or(|state| is_in(&job, state)) {
            count += 1;
            let line = if args.json { serde_json::to_string(&job).unwrap_or_default() } else { job_text(&job) };
            told = writeln!(out, "{line}");
        }
    })?;
    let told = told.and_then(|()| out.flush());
    if count == 0 && !args.json {
        crate::cli::write_stderr("plimsoll: there are no such jobs\n");
    }
    while_read(told).map(|_| 0)
}

/// What is done with damage is done, and found by its own word too.
fn is_in(job: &JobLine, state: &str) -> bool {
    state == job.state || (state == DAMAGED && job.damage.is_some())
}

fn job_text(job: &JobLine) -> String {
    let mut text =
        format!("{:>6}  {:<13} {:>9}  {}  {}", job.job.to_string(), job.state, job.size_bytes.to_string(), job.preset, job.input);
    if let Some(ratio) = job.ratio.filter(|_| matches!(job.state, "running" | "paused")) {
        let _ = write!(text, "  {} %", percent(ratio));
    }
    if let Some(reason) = &job.reason {
        let _ = write!(text, "  ({reason})");
    }
    if let Some(damage) = &job.damage {
        let _ = write!(text, "  (damaged: {})", damage.words());
    }
    if job.earlier {
        text.push_str("  (before this run)");
    }
    text
}

/// The row of a job whose log is asked for. One that ended without a process has none: says what became of it instead.
fn with_log(found: Option<JobRow>, job: JobId) -> Result<JobRow, Usage> {
    let row = found.ok_or_else(|| Usage(format!("there is no job #{job}; `plimsoll jobs` lists them")))?;
    let ended = match row.state {
        RowState::Rejected => "rejected",
        RowState::Ended if row.attempts == 0 => row.outcome.map_or("ended", Outcome::word),
        _ => return Ok(row),
    };
    let why = row.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    Err(Usage(format!("job #{} has no log, it never ran: {ended}{why}", row.job)))
}

/// Of one that waits and was never begun; the file of its log is not there.
fn no_log_yet(row: &JobRow) -> Option<Usage> {
    let has_begun = row.state != RowState::Waiting || row.attempts > 0;
    (!has_begun).then(|| Usage(format!("job #{} has no log yet: it has not begun; `plimsoll logs -f` waits for it", row.job)))
}

/// `plimsoll logs`.
pub fn logs(resolved: &Resolved, args: &LogsArgs) -> Result<u8> {
    let mut opened = match open_if_there(resolved, Caller { follow: args.follow, ..Caller::default() })? {
        Ok(opened) => opened,
        Err(none) => return Record::read(resolved, none)?.logs(args),
    };
    let job = JobId(args.job);
    let state = if args.follow { Some(snapshot(&mut opened.link)?) } else { None };
    let mut found = None;
    rows::each(&opened.ask, &RowsWanted { jobs: vec![job], ..RowsWanted::default() }, |row| found = Some(row))?;
    let row = with_log(found, job)?;
    let listed = state.as_ref().and_then(|state| state.jobs.get(&job));
    let attempt = listed.map_or(row.attempts, |job| job.attempts).max(1);
    let log: WholeLog = match (opened.ask)(Look::Log { job, attempt }, &|_| true) {
        Ok(answer) => serde_json::from_value(answer)?,
        Err(_) if args.follow => WholeLog::default(),
        Err(why) => return Err(no_log_yet(&row).map_or_else(|| eyre!("{why}"), Into::into)),
    };
    let style = LineStyle::terminal(resolved.line_color_of_stdout());
    if !write_while_read(log_text(&log, args.lines, &style).as_bytes())? {
        return Ok(0);
    }
    match state {
        Some(state) => follow(&mut opened, &row, &state, &log, &style),
        None => Ok(0),
    }
}

/// A log, or only its last lines.
pub(super) fn log_text(log: &WholeLog, lines: Option<usize>, style: &LineStyle) -> String {
    let skipped = lines.map_or(0, |lines| log.lines.len().saturating_sub(lines));
    let mut text = String::new();
    if skipped == 0 && log.left_out.0 > 0 {
        let _ = writeln!(text, "({} before this are left out)", log.left_out);
    }
    for line in &log.lines[skipped..] {
        let _ = writeln!(text, "{}", rendered(line, style));
    }
    text
}

fn rendered(line: &LogLine, style: &LineStyle) -> String {
    style.render(&Line { at: line.at, level: line.level, job: None, text: line.text.clone() })
}

/// The difference between the file of a log and the lines of the job in a snapshot. The file is read a little after the snapshot is
/// taken, so that it may have more lines. Where the disk is busy it may have fewer.
struct Difference<'a> {
    /// Lines of the file that will come as events too, by their text, with how often.
    to_come: BTreeMap<&'a str, usize>,
    /// Lines of the snapshot that are not in the file yet. No event brings them.
    unwritten: Vec<&'a LogLine>,
}

impl<'a> Difference<'a> {
    /// `known` are the lines of the snapshot, `at` is the time it was taken. Lines that are much older are in both.
    fn new(log: &'a WholeLog, known: impl Iterator<Item = &'a LogLine>, at: Wall) -> Self {
        // In milliseconds: an event is told a little later than its line is written.
        const LATER: i64 = 10_000;
        let is_of_late = |line: &&LogLine| line.at.0 >= at.0 - LATER;
        let mut to_come: BTreeMap<&str, usize> = BTreeMap::new();
        for line in log.lines.iter().filter(is_of_late) {
            *to_come.entry(&line.text).or_default() += 1;
        }
        let written_to = log.lines.last().map(|line| line.at);
        let mut unwritten = Vec::new();
        for line in known.filter(is_of_late) {
            match to_come.get_mut(line.text.as_str()) {
                // In both: no event brings it any more.
                Some(count) if *count > 0 => *count -= 1,
                // Lines are written in order, so that what is missing is newer than the last one.
                _ if written_to.is_none_or(|last| line.at >= last) => unwritten.push(line),
                _ => {}
            }
        }
        Self { to_come, unwritten }
    }
}

/// A job whose log is followed. The server's list does not reach to the end of a long queue, so that one that is not listed may still
/// wait: then what was known of it holds.
struct Followed {
    job: JobId,
    has_ended: bool,
}

impl Followed {
    /// A job as the store knows it.
    const fn new(row: &JobRow) -> Self {
        Self { job: row.job, has_ended: has_ended(row) }
    }

    /// What the engine knows of it; false = the job is not listed.
    fn learn(&mut self, state: &State) -> bool {
        let listed = state.jobs.get(&self.job);
        self.has_ended = listed.map_or(self.has_ended, |job| job.phase.is_terminal());
        listed.is_some()
    }

    /// The same after one event, which `state` holds already.
    fn on_event(&mut self, event: &EventKind, state: &State) {
        if event.job() == Some(self.job) {
            self.learn(state);
            // It will never end, and nothing more is told of it.
            self.has_ended |= matches!(event, EventKind::JobRemoved { .. });
        }
    }
}

const fn has_ended(row: &JobRow) -> bool {
    matches!(row.state, RowState::Ended | RowState::Rejected)
}

/// Tells what comes, until the job has ended. What came between the snapshot and the reading of the log is in both.
fn follow(opened: &mut Opened, row: &JobRow, state: &State, log: &WholeLog, style: &LineStyle) -> Result<u8> {
    let (job, mut followed) = (row.job, Followed::new(row));
    let ring = state.logs.get(&Some(job));
    let Difference { mut to_come, unwritten } = Difference::new(log, ring.into_iter().flat_map(|ring| &ring.lines), state.wall);
    let write = |line: &LogLine| write_while_read(format!("{}\n", rendered(line, style)).as_bytes());
    let mut last = unwritten.last().copied().or(log.lines.last()).map_or(state.wall, |line| line.at);
    for line in unwritten {
        if !write(line)? {
            return Ok(0);
        }
    }
    let mut state = state.clone();
    followed.learn(&state);
    while !followed.has_ended {
        match opened.link.updates.blocking_recv() {
            Some(Update::Event(event)) => {
                if let EventKind::JobLogged { job: Some(of), level, text, .. } = &event.kind
                    && *of == job
                {
                    last = event.at;
                    match to_come.get_mut(text.as_str()) {
                        Some(count) if *count > 0 => *count -= 1,
                        _ => {
                            if !write(&LogLine { at: event.at, level: *level, text: text.clone() })? {
                                return Ok(0);
                            }
                        }
                    }
                }
                state.apply(&event);
                followed.on_event(&event.kind, &state);
            }
            Some(Update::Snapshot(anew)) => {
                state = *anew;
                // Missed are the lines after the last one; of very many only the latest are kept.
                for line in state.logs.get(&Some(job)).into_iter().flat_map(|ring| &ring.lines).filter(|line| line.at > last) {
                    if !write(line)? {
                        return Ok(0);
                    }
                }
                last = last.max(state.wall);
                if !followed.learn(&state) {
                    // Its end may be among what was missed.
                    let wanted = RowsWanted { jobs: vec![job], limit: 1, ..RowsWanted::default() };
                    followed.has_ended = rows::page(&opened.ask, &wanted)?.first().is_none_or(has_ended);
                }
            }
            Some(_) => {}
            None => {
                crate::cli::write_stderr(&format!("plimsoll: the server has ended before job #{job}\n"));
                return Ok(1);
            }
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{Event, Seq};
    use crate::domain::job::LogLevel;
    use crate::domain::time::Mono;
    use crate::domain::units::Bytes;

    const JOB: JobId = JobId(7);

    fn row(state: RowState) -> JobRow {
        JobRow {
            job: JOB,
            input: "/v/a.mp4".into(),
            output: "/out/a.mp4".into(),
            size_bytes: Bytes::mib(1),
            preset: "web-720p".to_owned(),
            state,
            attempts: 0,
            outcome: None,
            reason: None,
            ended_at: None,
            damage: None,
            rank: 0,
        }
    }

    #[test]
    fn the_log_of_a_job_is_followed_while_it_waits_behind_all_that_are_listed_and_until_it_ends() {
        let (mut state, mut followed) = (State::default(), Followed::new(&row(RowState::Waiting)));
        assert!(!followed.learn(&state) && !followed.has_ended, "it waits beyond the list");
        let mut hear = |kind: EventKind| {
            state.apply(&Event { seq: Seq(state.seq.0 + 1), at: Wall(0), mono: Mono::START, kind: kind.clone() });
            followed.on_event(&kind, &state);
            followed.has_ended
        };
        let queued = |job| EventKind::JobQueued {
            job,
            input: "/v/a.mp4".into(),
            size_bytes: Bytes::mib(1),
            preset: "web-720p".to_owned(),
            output: None,
            rank: 0,
        };
        assert!(!hear(queued(JobId(1))) && !hear(queued(JOB)));
        assert!(!hear(EventKind::JobParked { job: JOB }), "it waits beyond the list again");
        assert!(!hear(queued(JOB)));
        assert!(!hear(EventKind::JobRemoved { job: JobId(1), output: None }));
        assert!(hear(EventKind::finished_without_run(JOB, Outcome::Cancelled, None)));
    }

    #[test]
    fn of_a_log_that_is_followed_every_line_comes_once_whether_the_disk_or_the_news_of_it_are_late() {
        let line = |at, text: &str| LogLine { at: Wall(at), level: LogLevel::Info, text: text.to_owned() };
        let difference = |written: &[LogLine], known: &[LogLine]| {
            let log = WholeLog { lines: written.to_vec(), ..WholeLog::default() };
            let Difference { to_come, unwritten } = Difference::new(&log, known.iter(), Wall(20_000));
            let to_come = to_come.iter().filter(|(_, count)| **count > 0).map(|(text, _)| (*text).to_owned()).collect::<Vec<_>>();
            (to_come, unwritten.iter().map(|line| line.text.clone()).collect::<Vec<_>>())
        };
        let (none, texts) =
            (Vec::<String>::new(), |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let [first, second, again] = [line(19_000, "first"), line(19_500, "second"), line(19_600, "second")];
        assert_eq!(difference(&[], &[first.clone(), second.clone()]), (none.clone(), texts(&["first", "second"])));
        assert_eq!(difference(&[first.clone(), second.clone()], std::slice::from_ref(&first)), (texts(&["second"]), none.clone()));
        assert_eq!(difference(std::slice::from_ref(&first), &[first.clone(), second.clone()]), (none.clone(), texts(&["second"])));
        assert_eq!(
            difference(&[first.clone(), second.clone()], &[first.clone(), second.clone(), again]),
            (none.clone(), texts(&["second"]))
        );
        // A summary of many equal lines is never written to the file.
        let summary = line(18_000, "3 more lines like these");
        assert_eq!(difference(&[first.clone(), second], &[summary, first]), (texts(&["second"]), none));
    }

    #[test]
    fn a_job_that_has_ended_or_is_removed_is_followed_no_further() {
        let state = State::default();
        let mut ended = Followed::new(&row(RowState::Ended));
        assert!(!ended.learn(&state) && ended.has_ended);
        let mut removed = Followed::new(&row(RowState::Waiting));
        removed.on_event(&EventKind::JobRemoved { job: JOB, output: None }, &state);
        assert!(removed.has_ended);
    }
}
