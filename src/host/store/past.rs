//! Past runs, for whoever looks at them again: which there are, and what is kept of one. Only reads, beside whoever may be at
//! work in the state folder.

use std::path::Path;

use rusqlite::Connection;

use super::error::StoreError;
use super::journal::{read_course, read_journal};
use super::peek;
use crate::domain::event::{Event, EventKind, JobCounts, Seq};
use crate::domain::state::State;
use crate::domain::time::Wall;
use crate::host::process::instance;

/// A run that something is kept of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRun {
    /// Its number, rising from 1 over the life of the state folder.
    pub run: i64,
    /// When it began and when the last came that is kept of it, for people.
    pub began: Wall,
    /// See `began`.
    pub last: Wall,
    /// The profile it ended under.
    pub profile: String,
    /// Its jobs by how they ended.
    pub jobs: JobCounts,
    /// How it ended.
    pub ending: Ending,
    /// Events kept of it.
    pub events: u64,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// In order.
    Over,
    /// plimsoll died, or its machine.
    CutOff,
    /// It has not: a plimsoll is at work in the state folder.
    AtWork,
}

/// What is kept of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    /// Its events, oldest first. The numbers of those that are not kept are missing.
    pub events: Vec<Event>,
    /// Events that cannot be read: damaged, or of a later version.
    pub unreadable: usize,
}

/// The runs that something is kept of, oldest first; none where there is no record.
///
/// # Errors
/// The record cannot be read, or another version of plimsoll has written it.
pub fn past_runs(state_dir: &Path) -> Result<Vec<PastRun>, StoreError> {
    let is_at_work = instance::is_held(state_dir);
    peek(state_dir, |connection| {
        let mut query = connection.prepare("SELECT run, min(at), max(at), count(*) FROM events GROUP BY run ORDER BY run")?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let rows: Vec<(i64, i64, i64, i64)> = rows.collect::<Result<_, _>>()?;
        let latest: Option<i64> = connection.query_row("SELECT max(run) FROM runs", [], |row| row.get(0))?;
        let mut runs = Vec::new();
        for (run, began, last, events) in rows {
            let more = "SELECT count(*), coalesce(max(at), 0) FROM course WHERE run = ?1";
            let (count, at): (i64, i64) = connection.query_row(more, [run], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let (events, last) = (events + count, last.max(at));
            let (profile, jobs, is_over) = outcome(connection, run)?;
            let ending = match is_over {
                true => Ending::Over,
                false if is_at_work && latest == Some(run) => Ending::AtWork,
                false => Ending::CutOff,
            };
            runs.push(PastRun { run, began: Wall(began), last: Wall(last), profile, jobs, ending, events: events as u64 });
        }
        Ok(runs)
    })
}

/// The profile that a run ended under, its jobs, and whether it came to its end.
fn outcome(connection: &Connection, run: i64) -> rusqlite::Result<(String, JobCounts, bool)> {
    let last: String =
        connection.query_row("SELECT json FROM events WHERE run = ?1 ORDER BY seq DESC LIMIT 1", [run], |row| row.get(0))?;
    if let Ok(Event { kind: EventKind::RunFinished(summary), .. }) = serde_json::from_str(&last) {
        return Ok((summary.profile, summary.jobs, true));
    }
    let mut state = State::default();
    for event in read_journal(connection, run, Seq(0), usize::MAX)?.0 {
        state.apply(&event);
    }
    let profile = state.profile.as_ref().map(|profile| profile.name.clone()).unwrap_or_default();
    Ok((profile, state.job_counts(), false))
}

/// What is kept of a run; no events where there is no such run, or no record.
///
/// # Errors
/// As [`past_runs`].
pub fn past_events(state_dir: &Path, run: i64) -> Result<Past, StoreError> {
    peek(state_dir, |connection| {
        // At one point of the writing: what is written meanwhile belongs to neither.
        let reading = connection.unchecked_transaction()?;
        let (mut events, mut unreadable) = read_journal(&reading, run, Seq(0), usize::MAX)?;
        let (course, damaged) = read_course(&reading, run)?;
        events.extend(course);
        unreadable += damaged;
        events.sort_by_key(|event| event.seq);
        Ok(Past { events, unreadable })
    })
}
