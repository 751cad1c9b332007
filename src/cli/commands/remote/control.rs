//! `pause`, `resume`, `cancel`, `retry`, `allow`, `move`, `hold`, `release`, `drain`, `clean`, `profile` and `stop`: one line for
//! each thing that was done.

use color_eyre::eyre::Result;

use super::{ask, open, rows, snapshot};
use crate::cli::args::{JobRange, MoveWhere};
use crate::cli::options::Resolved;
use crate::cli::{Usage, write_out};
use crate::config::search;
use crate::domain::command::{Command, MoveTo, Rejection};
use crate::domain::job::{Job, JobId, Phase};
use crate::domain::profile::Profile;
use crate::domain::stored::{RowState, RowsWanted};
use crate::domain::text::{many, path_text};
use crate::runtime::link::Update;
use crate::wire::client::Opened;

/// What is done with jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobVerb {
    /// As [`Command::PauseJob`].
    Pause,
    /// As [`Command::ResumeJob`].
    Resume,
    /// As [`Command::Cancel`].
    Cancel,
    /// As [`Command::Retry`].
    Retry,
    /// As [`Command::Allow`].
    Allow,
    /// As [`Command::Move`].
    Move(MoveTo),
}

impl JobVerb {
    const fn command(self, job: JobId) -> Command {
        match self {
            Self::Pause => Command::PauseJob(job),
            Self::Resume => Command::ResumeJob(job),
            Self::Cancel => Command::Cancel(job),
            Self::Retry => Command::Retry(job),
            Self::Allow => Command::Allow(job),
            Self::Move(to) => Command::Move(job, to),
        }
    }

    const fn done(self) -> &'static str {
        match self {
            Self::Pause => "paused",
            Self::Resume => "resumed",
            Self::Cancel => "cancelled",
            Self::Retry => "queued again",
            Self::Allow => "let in",
            Self::Move(MoveTo::First) => "moved to the front",
            Self::Move(MoveTo::Last) => "moved to the end",
            Self::Move(MoveTo::Sooner) => "moved up",
            Self::Move(MoveTo::Later) => "moved down",
        }
    }

    /// Of all jobs, those that it can be done with; `None` = it is only done with jobs that are named.
    fn all(self) -> Option<fn(&Job) -> bool> {
        match self {
            Self::Pause => Some(|job| matches!(job.phase, Phase::Running { paused: false, .. })),
            // What the governor has stopped it lets go on itself.
            Self::Resume => Some(|job| matches!(job.phase, Phase::Running { paused: true, for_memory: false, .. })),
            Self::Cancel | Self::Retry | Self::Allow | Self::Move(_) => None,
        }
    }
}

/// Does something with jobs, one after the other. Those that it cannot be done with are told; the others are done.
pub fn jobs(resolved: &Resolved, verb: JobVerb, ranges: &[JobRange]) -> Result<u8> {
    let named = rows::named(ranges);
    let mut opened = open(resolved, named.is_empty())?;
    let jobs = match verb.all() {
        Some(fits) if named.is_empty() => {
            let state = snapshot(&mut opened.link)?;
            let jobs: Vec<JobId> = state.jobs.values().filter(|job| fits(job)).map(|job| job.id).collect();
            if jobs.is_empty() {
                write_out(b"there is no such job at work\n")?;
            }
            jobs
        }
        // Who is moved to the front last stands there first.
        _ if verb == JobVerb::Move(MoveTo::First) => named.into_iter().rev().collect(),
        _ => named,
    };
    let mut refused = 0;
    for (number, job) in (1..).zip(jobs) {
        match ask(&mut opened.link, number, verb.command(job))? {
            Ok(_) => drop(write_out(format!("{} #{job}\n", verb.done()).as_bytes())?),
            Err(why) => {
                refused += 1;
                let is_unknown = why == Rejection::unknown_job(job);
                let way = if is_unknown { way_for_earlier(&opened, verb, job) } else { None };
                let way = way.map_or_else(String::new, |way| format!("; {way}"));
                crate::cli::tell(&format!("plimsoll: #{job}: {why}{way}\n"));
            }
        }
    }
    Ok(u8::from(refused > 0))
}

/// How a job that ended in an earlier run is done again: it stands in the record, and the server has it not on its list.
fn way_for_earlier(opened: &Opened, verb: JobVerb, job: JobId) -> Option<String> {
    if !matches!(verb, JobVerb::Retry | JobVerb::Allow) {
        return None;
    }
    let row = rows::page(&opened.ask, &RowsWanted { jobs: vec![job], limit: 1, ..RowsWanted::default() }).ok()?.pop()?;
    let is_earlier = matches!(row.state, RowState::Ended | RowState::Rejected);
    let add = format!("`plimsoll add --preset {} '{}'`", row.preset, path_text(&row.input));
    is_earlier.then(|| format!("it ended in an earlier run: {add} queues it anew"))
}

/// Where `move` moves to; one of the four is given.
pub const fn place(to: &MoveWhere) -> MoveTo {
    match (to.first, to.last, to.sooner) {
        (true, _, _) => MoveTo::First,
        (_, true, _) => MoveTo::Last,
        (_, _, true) => MoveTo::Sooner,
        _ => MoveTo::Later,
    }
}

/// Asks for something that is about the whole queue.
pub fn queue(resolved: &Resolved, command: Command, done: &str) -> Result<u8> {
    let mut opened = open(resolved, false)?;
    told(ask(&mut opened.link, 1, command)?, done)
}

/// Asks for the end after the last job, and says so where that cannot come.
pub fn drain(resolved: &Resolved) -> Result<u8> {
    let mut opened = open(resolved, true)?;
    let is_held = snapshot(&mut opened.link)?.paused;
    let held = if is_held { "; but it is held and nothing starts: `plimsoll release` starts its jobs" } else { "" };
    let done = format!("nothing new is taken; the server ends when the queue is empty{held}");
    told(ask(&mut opened.link, 1, Command::Drain)?, &done)
}

fn told<T>(result: Result<T, crate::domain::command::Rejection>, done: &str) -> Result<u8> {
    match result {
        Ok(_) => write_out(format!("{done}\n").as_bytes()),
        Err(why) => {
            crate::cli::tell(&format!("plimsoll: {why}\n"));
            Ok(1)
        }
    }
}

/// `plimsoll profile NAME`: one of the server's, or a file here.
pub fn profile(resolved: &Resolved, name: &str) -> Result<u8> {
    let mut opened = open(resolved, false)?;
    let known = opened.facts.profiles.iter().find(|profile| profile.name == name).cloned();
    let profile = match known {
        Some(profile) => profile,
        None => search::find::<Profile>(&resolved.paths, name).map_err(|error| Usage(error.to_string()))?.value,
    };
    let done = format!("the profile is {}: {}", profile.name, profile.title);
    told(ask(&mut opened.link, 1, Command::SelectProfile(Box::new(profile)))?, &done)
}

/// `plimsoll stop`: comes back when the server has ended.
pub fn stop(resolved: &Resolved) -> Result<u8> {
    let mut opened = open(resolved, true)?;
    let state = snapshot(&mut opened.link)?;
    let at_work = state.index.active.len() as u64;
    let pid = opened.hello.pid;
    if let Err(why) = ask(&mut opened.link, 1, Command::Shutdown)? {
        crate::cli::tell(&format!("plimsoll: {why}\n"));
        return Ok(1);
    }
    let mut waits = state.index.waiting.len() as u64 + state.backlog.jobs;
    // The line ends with the server's goodbye: its state folder is free then.
    while let Some(update) = opened.link.updates.blocking_recv() {
        if let Update::Event(event) = update
            && let crate::domain::event::EventKind::RunFinished(summary) = &event.kind
        {
            waits = summary.jobs.unfinished;
        }
    }
    let stopped = if at_work > 0 { format!(", {} stopped", many(at_work, "job")) } else { String::new() };
    let kept = if waits > 0 { format!("; {} kept in the queue", many(waits, "job")) } else { String::new() };
    write_out(format!("plimsoll (process {pid}) has ended{stopped}{kept}\n").as_bytes())
}
