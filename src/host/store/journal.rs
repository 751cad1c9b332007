//! The journal: every durable event of the latest runs, in order, and beside it the course of those runs, thinned.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use super::path_of;
use crate::domain::event::{Event, EventKind, Seq};

/// Events kept in each of the two tables, over all runs: some tens of megabytes.
const EVENTS_KEPT: i64 = 50_000;
/// So many events between two looks at how many there are.
pub(super) const RETAIN_EVERY: usize = 10_000;

pub(super) fn insert_event(connection: &Connection, run: i64, event: &Event) -> rusqlite::Result<()> {
    let json = serde_json::to_value(event).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let kind = json.get("event").and_then(serde_json::Value::as_str).unwrap_or_default();
    // JSON shows paths; these are the paths.
    let (input, output) = match &event.kind {
        EventKind::JobQueued { input, output, .. } => (Some(input.as_path()), output.as_deref()),
        EventKind::JobRejected { input, .. } => (Some(input.as_path()), None),
        EventKind::JobFinished { output, .. } => (None, output.as_deref()),
        _ => (None, None),
    };
    let bytes = |path: Option<&Path>| path.map(|path| path.as_os_str().as_bytes().to_vec());
    let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    insert.execute(params![
        run,
        event.seq.0 as i64,
        event.at.0,
        kind,
        event.kind.job().map(|job| job.0 as i64),
        json.to_string(),
        bytes(input),
        bytes(output),
    ])?;
    Ok(())
}

/// Adds an event to the course of a run.
pub(super) fn insert_note(connection: &Connection, run: i64, event: &Event) -> rusqlite::Result<()> {
    let json = serde_json::to_value(event).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let kind = json.get("event").and_then(serde_json::Value::as_str).unwrap_or_default();
    let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO course VALUES (?1, ?2, ?3, ?4, ?5)")?;
    insert.execute(params![run, event.seq.0 as i64, event.at.0, kind, json.to_string()])?;
    Ok(())
}

/// Forgets the oldest events beyond what is worth keeping, whole runs or not; but not what the rest of a run is looked at
/// by: how it began, under which profile and budget, and how it ended.
pub(super) fn retain(connection: &Connection) -> rusqlite::Result<()> {
    let tables = [("events", "'run_started', 'profile_selected', 'run_finished'"), ("course", "'budget_changed'")];
    for (table, spared) in tables {
        let beyond = format!("SELECT run, seq FROM {table} ORDER BY run DESC, seq DESC LIMIT 1 OFFSET ?1");
        let oldest: Option<(i64, i64)> =
            connection.prepare_cached(&beyond)?.query_row([EVENTS_KEPT], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        if let Some((run, seq)) = oldest {
            let older = format!("DELETE FROM {table} WHERE (run < ?1 OR run = ?1 AND seq <= ?2) AND kind NOT IN ({spared})");
            connection.execute(&older, [run, seq])?;
        }
    }
    Ok(())
}

/// The course of a run, oldest first, and how much of it could not be read.
pub(super) fn read_course(connection: &Connection, run: i64) -> rusqlite::Result<(Vec<Event>, usize)> {
    let mut query = connection.prepare_cached("SELECT json FROM course WHERE run = ?1 ORDER BY seq")?;
    let mut rows = query.query([run])?;
    let (mut events, mut unreadable) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        match serde_json::from_str(&row.get::<_, String>(0)?) {
            Ok(event) => events.push(event),
            Err(_) => unreadable += 1,
        }
    }
    Ok((events, unreadable))
}

/// The events of a run after `after`, oldest first, at most `limit`, and how many could not be read.
pub(super) fn read_journal(connection: &Connection, run: i64, after: Seq, limit: usize) -> rusqlite::Result<(Vec<Event>, usize)> {
    let mut query =
        connection.prepare_cached("SELECT json, input, output FROM events WHERE run = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3")?;
    let mut rows = query.query(params![run, after.0 as i64, i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let (mut events, mut unreadable) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let Ok(mut event) = serde_json::from_str::<Event>(&row.get::<_, String>(0)?) else {
            unreadable += 1;
            continue;
        };
        let (stored_input, stored_output) = (row.get::<_, Option<Vec<u8>>>(1)?, row.get::<_, Option<Vec<u8>>>(2)?);
        let stored_output = stored_output.map(path_of);
        match &mut event.kind {
            EventKind::JobQueued { input, output, .. } => {
                *output = stored_output;
                restore(input, stored_input);
            }
            EventKind::JobRejected { input, .. } => restore(input, stored_input),
            EventKind::JobFinished { output, .. } => *output = stored_output,
            _ => {}
        }
        events.push(event);
    }
    Ok((events, unreadable))
}

fn restore(path: &mut PathBuf, stored: Option<Vec<u8>>) {
    if let Some(bytes) = stored {
        *path = PathBuf::from(OsStr::from_bytes(&bytes));
    }
}
