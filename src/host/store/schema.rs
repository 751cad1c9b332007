//! The tables of the state file, and what is done with it at the start of a run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _};

use super::error::{StoreError, explain};
use super::jobs::{self, Jobs};
use super::journal;
use super::taken;
use crate::domain::text::path_text;

/// Version of the tables, in `user_version`.
pub(super) const VERSION: i64 = 1;
/// Tells our files from those of other programs, in `application_id`: 'plim'.
pub(super) const APPLICATION: i64 = 0x706c_696d;
/// Runs whose journal is kept, the current one included.
const RUNS_KEPT: i64 = 20;
/// How long to wait for another process that writes.
pub(super) const BUSY: Duration = Duration::from_secs(5);
/// Rows of the table of peaks that are kept, over all recipes.
const PEAKS_KEPT: i64 = 4096;
/// A file up to this size is checked as a whole when it is opened.
const CHECKED_BYTES: u64 = 16 * 1024 * 1024;

/// All tables.
///
/// - `course`: what is kept of the events that need not be durable.
/// - `intents`: parts that are about to get their final name; the columns from `path` on are those of `outputs`.
/// - `jobs.state`: 0 waiting, 1 claimed, 2 ended, 3 rejected, 4 taken off the list in this run. `run` and `scan` have queued a job, `deaths` counts the
///   claims in a row that plimsoll died with, `ended_no` is its place among the ended.
pub(super) const TABLES: &str = "
CREATE TABLE runs (run INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE events (
    run INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, job INTEGER, json TEXT NOT NULL,
    input BLOB, output BLOB,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE TABLE course (
    run INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, json TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE TABLE outputs (
    path BLOB PRIMARY KEY, input BLOB NOT NULL, input_dev INTEGER NOT NULL, input_ino INTEGER NOT NULL,
    input_size INTEGER NOT NULL, input_mtime_ns INTEGER NOT NULL, input_hash TEXT NOT NULL,
    preset TEXT NOT NULL, preset_hash TEXT NOT NULL, size INTEGER NOT NULL, ino INTEGER NOT NULL, made_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE intents (
    part BLOB PRIMARY KEY, replaces INTEGER NOT NULL,
    path BLOB NOT NULL, input BLOB NOT NULL, input_dev INTEGER NOT NULL, input_ino INTEGER NOT NULL,
    input_size INTEGER NOT NULL, input_mtime_ns INTEGER NOT NULL, input_hash TEXT NOT NULL,
    preset TEXT NOT NULL, preset_hash TEXT NOT NULL, size INTEGER NOT NULL, ino INTEGER NOT NULL, made_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE presets (hash TEXT PRIMARY KEY, definition TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, scan INTEGER NOT NULL,
    input BLOB NOT NULL, input_key BLOB NOT NULL, output BLOB NOT NULL, out BLOB NOT NULL, overwrite INTEGER NOT NULL,
    preset TEXT NOT NULL, definition TEXT NOT NULL,
    size INTEGER NOT NULL, rank INTEGER NOT NULL, state INTEGER NOT NULL, allowed INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, deaths INTEGER NOT NULL DEFAULT 0,
    outcome TEXT, reason TEXT, damage TEXT, queued_at INTEGER NOT NULL, started_at INTEGER, ended_at INTEGER, ended_no INTEGER
);
CREATE INDEX jobs_by_place ON jobs (state, rank, id, size);
CREATE INDEX jobs_by_input ON jobs (input_key, preset);
CREATE INDEX jobs_by_output ON jobs (output);
CREATE INDEX jobs_by_end ON jobs (ended_no) WHERE ended_no IS NOT NULL;
CREATE INDEX jobs_by_definition ON jobs (definition);
CREATE TABLE peaks (id INTEGER PRIMARY KEY AUTOINCREMENT, recipe TEXT NOT NULL, bytes INTEGER NOT NULL);
CREATE INDEX peaks_by_recipe ON peaks (recipe, id);
CREATE TABLE curves (
    id INTEGER PRIMARY KEY AUTOINCREMENT, recipe TEXT NOT NULL, media_ms INTEGER NOT NULL, frames INTEGER NOT NULL,
    cpu_ms INTEGER NOT NULL, wall_ms INTEGER NOT NULL, peak INTEGER NOT NULL, points BLOB NOT NULL
);
CREATE INDEX curves_by_recipe ON curves (recipe, id);
";

pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let open = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        // A small box: 512 KiB of pages, and nothing mapped. A short log is written over sooner, and writing over is quicker
        // to get on disk than appending.
        connection.execute_batch(
            "PRAGMA cache_size = -512; PRAGMA mmap_size = 0; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 100;",
        )?;
        Ok(connection)
    };
    open().map_err(|error: rusqlite::Error| explain(path, &error))
}

/// Whose tables a file has.
pub(super) enum Format {
    /// It has none yet.
    Empty,
    /// Those of this plimsoll.
    Ours,
    /// Others, of this version.
    Other(i64),
}

/// Reads whose tables a file has.
pub(super) fn format(connection: &Connection) -> rusqlite::Result<Format> {
    let number = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    Ok(match (number("application_id")?, number("user_version")?) {
        (_, 0) => Format::Empty,
        (APPLICATION, VERSION) => Format::Ours,
        (_, found) => Format::Other(found),
    })
}

/// Sets the file up: journal mode, tables, version. A damaged one is noticed here.
pub(super) fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let explain = |error: rusqlite::Error| explain(path, &error);
    if let Format::Other(found) = format(connection).map_err(explain)? {
        return Err(StoreError::OtherFormat { path: path_text(path), found });
    }
    if std::fs::metadata(path).is_ok_and(|meta| meta.len() <= CHECKED_BYTES) {
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(explain)?;
        if verdict != "ok" {
            return Err(StoreError::Damaged { path: path_text(path), detail: verdict });
        }
    }
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(explain)?;
    let mut set_up = || {
        let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another process may have been first.
        if matches!(format(&change)?, Format::Empty) {
            change.execute_batch(TABLES)?;
            change.pragma_update(None, "application_id", APPLICATION)?;
            change.pragma_update(None, "user_version", VERSION)?;
        }
        change.execute_batch(taken::TABLE)?;
        change.commit()
    };
    set_up().map_err(explain)
}

/// A run at its start.
pub(super) struct Begun {
    pub run: i64,
    /// Jobs that were at work when an earlier run died.
    pub interrupted: u64,
    /// Where the outputs of those jobs were to stand: the folder of the outputs, and the output.
    pub interrupted_outputs: Vec<(PathBuf, PathBuf)>,
}

/// Begins a run: what an earlier one had claimed waits again, and what is older than is worth keeping goes.
pub(super) fn begin_run(connection: &mut Connection) -> rusqlite::Result<Begun> {
    let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    change.execute("INSERT INTO runs DEFAULT VALUES", [])?;
    let run = change.last_insert_rowid();
    // One that only queued has no events, and is none of those that are kept.
    let oldest = "SELECT DISTINCT run FROM events ORDER BY run DESC LIMIT 1 OFFSET ?1";
    let gone: Option<i64> = change.query_row(oldest, [RUNS_KEPT - 1], |row| row.get(0)).optional()?;
    if let Some(gone) = gone {
        change.execute("DELETE FROM events WHERE run <= ?1", [gone])?;
        change.execute("DELETE FROM course WHERE run <= ?1", [gone])?;
    }
    change.execute("DELETE FROM runs WHERE run < ?1 AND NOT EXISTS (SELECT 1 FROM events WHERE events.run = runs.run)", [run])?;
    change.execute("DELETE FROM peaks WHERE id <= (SELECT max(id) FROM peaks) - ?1", [PEAKS_KEPT])?;
    jobs::retain(&change)?;
    taken::retain(&change)?;
    jobs::forget_removed(&change)?;
    journal::retain(&change)?;
    change.execute("DELETE FROM presets WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.definition = presets.hash)", [])?;
    let interrupted_outputs = jobs::outputs_at_work(&change)?;
    let interrupted = Jobs { connection: &change, run }.reap()?;
    change.commit()?;
    Ok(Begun { run, interrupted, interrupted_outputs })
}
