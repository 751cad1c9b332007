//! `pause`, `resume`, `cancel`, `retry`, `allow`, `move`, `hold`, `release`, `drain`, `clean`, `profile` and `stop`: one line for
//! each thing that was done.

use std::collections::{BTreeMap, BTreeSet};

use color_eyre::eyre::{Result, eyre};

use super::told::telling;
use super::{ask, open, rows, snapshot};
use crate::cli::args::{JobRange, MoveWhere};
use crate::cli::options::Resolved;
use crate::cli::{Usage, write_out};
use crate::config::search;
use crate::domain::command::{Command, MoveTo};
use crate::domain::job::{Job, JobId, Phase, Rank};
use crate::domain::profile::Profile;
use crate::domain::refusal::{Refusal, Rejection};
use crate::domain::state::State;
use crate::domain::stored::{RowState, RowsWanted};
use crate::domain::text::{many, path_text};
use crate::runtime::link::{LineNews, Update};
use crate::wire::client::Opened;
use crate::wire::look::Look;

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

    const fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Allow => "allow",
            Self::Move(_) => "move",
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
            Self::Resume => Some(|job| job.phase.is_paused_by_operator()),
            Self::Cancel | Self::Retry | Self::Allow | Self::Move(_) => None,
        }
    }
}

/// Does something with jobs, one after the other. Those that it cannot be done with are told; the others are done.
pub fn jobs(resolved: &Resolved, verb: JobVerb, ranges: &[JobRange], json: bool) -> Result<u8> {
    telling(verb.name(), json, |told| {
        let named = rows::named(ranges);
        let mut opened = open(resolved, named.is_empty() || matches!(verb, JobVerb::Move(_)))?;
        let mut stay = Staying::default();
        let jobs = match (verb.all(), verb) {
            (Some(fits), _) if named.is_empty() => {
                let state = snapshot(&mut opened.link)?;
                let jobs: Vec<JobId> = state.jobs.values().filter(|job| fits(job)).map(|job| job.id).collect();
                if jobs.is_empty() {
                    told.line(&format!("no job is in a state for `{}`", verb.name()))?;
                }
                jobs
            }
            (_, JobVerb::Move(to)) => {
                let state = snapshot(&mut opened.link)?;
                let ordered = in_order(named, &state, to);
                stay = Staying::new(&state, to);
                ordered
            }
            _ => named,
        };
        for (number, job) in (1..).zip(jobs) {
            if let Some((other, end)) = stay.beside(job) {
                let why = format!("it stands next to #{other}, which is at the {end} of the queue already");
                told.refuse(job, &Refusal::AtEnd.because(why));
                stay.note(job);
                continue;
            }
            match ask(&mut opened.link, number, verb.command(job)) {
                Ok(answer) => told.did(job, verb.done(), &answer)?,
                Err(why) => {
                    if why.code == Refusal::AtEnd {
                        stay.note(job);
                    }
                    let better = if why.code == Refusal::UnknownJob { off_the_list(&opened, verb, job) } else { None };
                    told.refuse(job, &better.unwrap_or(why));
                }
            }
        }
        Ok(())
    })
}

/// In the order in which they are moved so that none passes another one of them: as they stand in the queue, or the other way
/// round. Those that are not on the server's list stand behind all that are.
fn in_order(mut jobs: Vec<JobId>, state: &State, to: MoveTo) -> Vec<JobId> {
    jobs.sort_by_key(|id| (state.jobs.get(id).map_or(Rank::MAX, |job| job.rank), *id));
    if matches!(to, MoveTo::First | MoveTo::Later) {
        jobs.reverse();
    }
    jobs
}

/// Who stays where it is, because it is at an end of the queue, or next to one of those that does.
#[derive(Default)]
struct Staying {
    /// Each waiting job, with who stands before it on the way.
    before: BTreeMap<JobId, JobId>,
    end: &'static str,
    jobs: BTreeSet<JobId>,
}

impl Staying {
    fn new(state: &State, to: MoveTo) -> Self {
        let mut waiting: Vec<JobId> = state.index.waiting.iter().map(|(_, id)| *id).collect();
        let end = if to == MoveTo::Later { "end" } else { "front" };
        if to == MoveTo::Later {
            waiting.reverse();
        }
        // To the very front or end everybody gets past everybody.
        let steps = matches!(to, MoveTo::Sooner | MoveTo::Later);
        let before = waiting.windows(2).filter(|_| steps).map(|pair| (pair[1], pair[0])).collect();
        Self { before, end, jobs: BTreeSet::new() }
    }

    /// The job next to it that stays, and at which end.
    fn beside(&self, job: JobId) -> Option<(JobId, &'static str)> {
        let other = self.before.get(&job).filter(|other| self.jobs.contains(other))?;
        Some((*other, self.end))
    }

    fn note(&mut self, job: JobId) {
        self.jobs.insert(job);
    }
}

/// What is said of a job that stands in the record, and that the server has not on its list.
fn off_the_list(opened: &Opened, verb: JobVerb, job: JobId) -> Option<Rejection> {
    let row = rows::page(&opened.ask, &RowsWanted { jobs: vec![job], limit: 1, ..RowsWanted::default() }).ok()?.pop()?;
    if matches!(row.state, RowState::Waiting | RowState::Running) {
        let why = "it waits further back than the server's list reaches, where nothing can be done with it; it comes onto the list as \
                   others end or are cancelled: ask again then";
        return Some(Refusal::NotListed.because(why));
    }
    let add = format!("`plimsoll add --preset {} '{}'` queues it anew", row.preset, path_text(&row.input));
    let way = if matches!(verb, JobVerb::Retry | JobVerb::Allow) { format!("; {add}") } else { String::new() };
    Some(Refusal::UnknownJob.because(format!("it has ended and is not on the server's list any more{way}")))
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
pub fn queue(resolved: &Resolved, name: &'static str, command: Command, done: &str, json: bool) -> Result<u8> {
    telling(name, json, |told| {
        let mut opened = open(resolved, false)?;
        let answer = ask(&mut opened.link, 1, command);
        told.answer(answer, done)
    })
}

/// Asks for the end after the last job, and says so where that cannot come.
pub fn drain(resolved: &Resolved, json: bool) -> Result<u8> {
    telling("drain", json, |told| {
        let mut opened = open(resolved, true)?;
        let state = snapshot(&mut opened.link)?;
        let held = if state.paused { "; but it is held and nothing starts: `plimsoll release` starts its jobs" } else { "" };
        let compares =
            if state.comparison.is_some() { "; a comparison has the machine, and what waits begins after it" } else { "" };
        let done = format!("nothing new is taken; the server ends when the queue is empty{compares}{held}");
        let answer = ask(&mut opened.link, 1, Command::Drain);
        told.answer(answer, &done)
    })
}

/// `plimsoll profile NAME`: one of the server's, or a file here.
pub fn profile(resolved: &Resolved, name: &str, json: bool) -> Result<u8> {
    telling("profile", json, |told| {
        told.more("profile", name.into());
        let mut opened = open(resolved, false)?;
        let known = opened.facts.profiles.iter().find(|profile| profile.name == name).cloned();
        let profile = match known {
            Some(profile) => profile,
            None => search::find::<Profile>(&resolved.paths, name).map_err(|error| Usage(error.to_string()))?.value,
        };
        told.more("profile", profile.name.as_str().into());
        let done = format!("the profile is {}: {}", profile.name, profile.title);
        let answer = ask(&mut opened.link, 1, Command::SelectProfile(Box::new(profile)));
        told.answer(answer, &done)
    })
}

/// `plimsoll stop`: comes back when the server has ended.
pub fn stop(resolved: &Resolved, json: bool) -> Result<u8> {
    telling("stop", json, |told| {
        let mut opened = open(resolved, true)?;
        let state = snapshot(&mut opened.link)?;
        let at_work: Vec<JobId> = state.index.active.iter().copied().collect();
        let (stopped, pid) = (at_work.len() as u64, opened.hello.pid);
        let answer = ask(&mut opened.link, 1, Command::Shutdown);
        if answer.is_err() {
            return told.answer(answer, "");
        }
        let mut waits = state.index.waiting.len() as u64 + state.backlog.jobs;
        // The line ends with the server's goodbye: its state folder is free then.
        while let Some(update) = opened.link.updates.blocking_recv() {
            match update {
                Update::Event(event) => {
                    if let crate::domain::event::EventKind::RunFinished(summary) = &event.kind {
                        waits = summary.jobs.unfinished;
                    }
                }
                // It was killed before it could say goodbye, and a service manager has started the next one.
                Update::Line(LineNews::Back { anew: true }) => break,
                _ => {}
            }
        }
        told.jobs(at_work, None);
        told.more("pid", pid.into());
        told.more("kept", waits.into());
        let stopped = if stopped > 0 { format!(", {} stopped", many(stopped, "job")) } else { String::new() };
        let compared = if state.comparison.is_some() { ", the comparison under way ended" } else { "" };
        let kept = if waits > 0 { format!("; {} kept in the queue", many(waits, "job")) } else { String::new() };
        told.line(&format!("plimsoll (process {pid}) has ended{stopped}{compared}{kept}"))
    })
}

/// `plimsoll compare --stop`: comes back when the comparison that a console has begun is over.
pub fn stop_comparison(resolved: &Resolved) -> Result<u8> {
    let mut opened = open(resolved, true)?;
    let mut state = snapshot(&mut opened.link)?;
    if state.comparison.is_none() {
        crate::cli::write_stderr("plimsoll: no comparison is under way there\n");
        return Ok(1);
    }
    (opened.ask)(Look::StopComparison, &|_| true).map_err(|why| eyre!("{why}"))?;
    while state.comparison.is_some() {
        match opened.link.updates.blocking_recv() {
            Some(Update::Event(event)) => state.apply(&event),
            Some(Update::Snapshot(anew)) => state = anew,
            Some(_) => {}
            None => return Err(eyre!("the server has ended")),
        }
    }
    let next = if state.paused { "is held: `plimsoll release` starts jobs again" } else { "goes on" };
    write_out(format!("the comparison is ended; the queue {next}\n").as_bytes())
}
