//! The queue in `SQLite`, each statement within the transaction of its caller. A statement about a job that is not there does
//! nothing, so that telling it twice does no harm.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::outputs::preset_hash;
use super::path_of;
use super::taken;
use crate::domain::event::{Event, EventKind};
use crate::domain::job::{JobId, RANK_STEP, Rank};
use crate::domain::preset::Preset;
use crate::domain::state::Backlog;
use crate::domain::time::Wall;
use crate::domain::units::Bytes;
use crate::engine::port::{Arrived, ScanId};
use crate::host::jobstore::{Batch, Destination, Ended, InputKey, Once, Removed, Return, Waiting};

/// Values of `state`. Waiting and claimed come first: they are the unfinished.
pub(super) const WAITING: i64 = 0;
pub(super) const CLAIMED: i64 = 1;
pub(super) const ENDED: i64 = 2;
pub(super) const REJECTED: i64 = 3;
pub(super) const REMOVED: i64 = 4;
/// Ended and rejected jobs kept; far more than a console lists.
const ENDED_KEPT: i64 = 10_000;

/// What was handed out to this life of plimsoll. It dies with the connection, as it should.
pub(super) const HANDED_OUT: &str =
    "PRAGMA temp_store = MEMORY; CREATE TEMP TABLE IF NOT EXISTS handed_out (id INTEGER PRIMARY KEY);";

/// The queue, seen by a run of plimsoll through a connection that has [`HANDED_OUT`].
pub(super) struct Jobs<'c> {
    pub connection: &'c Connection,
    pub run: i64,
}

/// An input in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is not there; or it has ended, and may be queued anew.
    New,
    /// This very scan has found it before.
    Seen,
    /// It waits or is at work, queued in this run or in an earlier one.
    Queued,
}

/// How an input stands, for the scan that has found it.
pub(super) fn standing(connection: &Connection, run: i64, scan: ScanId, once: Once<'_>) -> rusqlite::Result<Standing> {
    let mut query = connection
        .prepare_cached("SELECT state, run, scan FROM jobs WHERE input_key = ?1 AND preset = ?2 AND out = ?3 AND state < ?4")?;
    let mut rows = query.query(params![once.input.0, once.preset, once.out.as_os_str().as_bytes(), REMOVED])?;
    let mut standing = Standing::New;
    while let Some(row) = rows.next()? {
        let (state, by_run, by_scan): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if by_run == run && by_scan == scan.0 as i64 {
            return Ok(Standing::Seen);
        }
        if matches!(state, WAITING | CLAIMED) {
            standing = Standing::Queued;
        }
    }
    Ok(standing)
}

/// Another job that is unfinished, or that may be retried in this run, has this output.
pub(super) fn is_taken(connection: &Connection, run: i64, output: &Path, key: &InputKey, preset: &str) -> rusqlite::Result<bool> {
    let mut query = connection.prepare_cached(
        "SELECT 1 FROM jobs WHERE output = ?1
         AND (state <= 1 OR state < ?5 AND run = ?2 AND NOT (input_key = ?3 AND preset = ?4)) LIMIT 1",
    )?;
    query.exists(params![output.as_os_str().as_bytes(), run, key.0, preset, REMOVED])
}

/// The file is an input of a job that is unfinished or of this run.
pub(super) fn is_input(connection: &Connection, run: i64, key: &InputKey) -> rusqlite::Result<bool> {
    let mut query =
        connection.prepare_cached("SELECT 1 FROM jobs WHERE input_key = ?1 AND (state <= 1 OR state < ?3 AND run = ?2) LIMIT 1")?;
    query.exists(params![key.0, run, REMOVED])
}

/// A job that has not ended has this input, whatever its preset.
pub(super) fn is_wanted(connection: &Connection, key: &InputKey) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM jobs WHERE input_key = ?1 AND state <= ?2")?.exists(params![key.0, CLAIMED])
}

/// A job works on it now.
pub(super) fn is_at_work(connection: &Connection, once: Once<'_>) -> rusqlite::Result<bool> {
    let mut query =
        connection.prepare_cached("SELECT 1 FROM jobs WHERE input_key = ?1 AND preset = ?2 AND out = ?3 AND state = ?4")?;
    query.exists(params![once.input.0, once.preset, once.out.as_os_str().as_bytes(), CLAIMED])
}

/// The output of the last job that was done of this input with this preset, where that is still on record.
pub(super) fn output_of(connection: &Connection, key: &InputKey, preset: &str) -> rusqlite::Result<Option<PathBuf>> {
    let mut query = connection.prepare_cached(
        "SELECT output FROM jobs WHERE input_key = ?1 AND preset = ?2 AND state = ?3 AND outcome = 'done' ORDER BY id DESC LIMIT 1",
    )?;
    query.query_row(params![key.0, preset, ENDED], |row| row.get(0).map(path_of)).optional()
}

/// The last job that was done of this input with this preset has made its output of all of it: what is damaged may be read better
/// by another program.
pub(super) fn is_whole(connection: &Connection, key: &InputKey, preset: &str) -> rusqlite::Result<bool> {
    let mut query = connection.prepare_cached(
        "SELECT damage IS NULL FROM jobs WHERE input_key = ?1 AND preset = ?2 AND state = ?3 AND outcome = 'done' ORDER BY id DESC LIMIT 1",
    )?;
    Ok(query.query_row(params![key.0, preset, ENDED], |row| row.get(0)).optional()?.unwrap_or(false))
}

/// A definition of a preset by its hash; `None` when it is not there or cannot be read.
pub(super) fn definition(connection: &Connection, hash: &str) -> rusqlite::Result<Option<Preset>> {
    let mut query = connection.prepare_cached("SELECT definition FROM presets WHERE hash = ?1")?;
    let text: Option<String> = query.query_row([hash], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// Which definition of its preset a job was queued with.
pub(super) fn definition_of(connection: &Connection, job: JobId) -> rusqlite::Result<Option<String>> {
    let mut query = connection.prepare_cached("SELECT definition FROM jobs WHERE id = ?1")?;
    query.query_row([job.0 as i64], |row| row.get(0)).optional()
}

/// What was wished for a job's output.
pub(super) fn destination_of(connection: &Connection, job: JobId) -> rusqlite::Result<Option<Destination>> {
    let mut query = connection.prepare_cached("SELECT out, overwrite FROM jobs WHERE id = ?1")?;
    let read = |row: &Row<'_>| Ok(Destination { out: path_of(row.get(0)?), overwrite: row.get(1)? });
    query.query_row([job.0 as i64], read).optional()
}

/// A job that was taken off the list; `None` where there is no such, or its preset cannot be read.
pub(super) fn removed(connection: &Connection, job: JobId) -> rusqlite::Result<Option<Removed>> {
    let mut query = connection
        .prepare_cached("SELECT input, input_key, output, out, overwrite, definition FROM jobs WHERE id = ?1 AND state = ?2")?;
    let read = |row: &Row<'_>| {
        let destination = Destination { out: path_of(row.get(3)?), overwrite: row.get(4)? };
        let known = (path_of(row.get(0)?), InputKey(row.get(1)?), path_of(row.get(2)?), destination);
        Ok((known, row.get::<_, String>(5)?))
    };
    let Some(((input, key, output, destination), hash)) = query.query_row(params![job.0 as i64, REMOVED], read).optional()? else {
        return Ok(None);
    };
    let preset = definition(connection, &hash)?;
    Ok(preset.map(|preset| Removed { id: job, input, key, output, destination, preset }))
}

/// The folders of outputs that jobs have which are unfinished, or of this run.
pub(super) fn outs(connection: &Connection, run: i64) -> rusqlite::Result<Vec<PathBuf>> {
    let mut query = connection.prepare("SELECT DISTINCT out FROM jobs WHERE state <= 1 OR run = ?1")?;
    let rows = query.query_map([run], |row| row.get(0).map(path_of))?;
    rows.collect()
}

/// The lowest rank of what waits; `None` where nothing does.
pub(super) fn first_rank(connection: &Connection) -> rusqlite::Result<Option<Rank>> {
    connection.prepare_cached("SELECT min(rank) FROM jobs WHERE state = ?1")?.query_row([WAITING], |row| row.get(0))
}

/// The folders and outputs of the jobs that are claimed: what is left of an earlier life's tries lies beside them.
pub(super) fn outputs_at_work(connection: &Connection) -> rusqlite::Result<Vec<(PathBuf, PathBuf)>> {
    let mut query = connection.prepare_cached("SELECT out, output FROM jobs WHERE state = 1")?;
    let rows = query.query_map([], |row| Ok((path_of(row.get(0)?), path_of(row.get(1)?))))?;
    rows.collect()
}

/// Forgets what was taken off the list: it can be put back only in the run that did so.
pub(super) fn forget_removed(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM jobs WHERE state = ?1", [REMOVED])?;
    Ok(())
}

/// Forgets the oldest of the ended jobs, and presets that no job has any more.
pub(super) fn retain(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM jobs WHERE ended_no <= (SELECT max(ended_no) FROM jobs) - ?1")?.execute([ENDED_KEPT])?;
    Ok(())
}

/// Forgets everything that has not ended.
pub(super) fn forget_unfinished(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM jobs WHERE state <= 1", [])?;
    Ok(())
}

impl Jobs<'_> {
    /// Highest rank of all jobs, whatever has become of them.
    pub fn last_rank(&self) -> rusqlite::Result<Rank> {
        let mut query = self.connection.prepare_cached("SELECT max(rank) FROM jobs WHERE state = ?1")?;
        let mut highest = 0;
        for state in [WAITING, CLAIMED, ENDED, REJECTED] {
            highest = highest.max(query.query_row([state], |row| row.get::<_, Option<Rank>>(0))?.unwrap_or(0));
        }
        Ok(highest)
    }

    fn hand_out(&self, job: JobId) -> rusqlite::Result<()> {
        self.connection.prepare_cached("INSERT OR IGNORE INTO temp.handed_out VALUES (?1)")?.execute([job.0 as i64])?;
        Ok(())
    }

    fn take_back(&self, job: JobId) -> rusqlite::Result<()> {
        self.connection.prepare_cached("DELETE FROM temp.handed_out WHERE id = ?1")?.execute([job.0 as i64])?;
        Ok(())
    }

    fn next_end(&self) -> rusqlite::Result<i64> {
        let mut query = self.connection.prepare_cached("SELECT max(ended_no) FROM jobs")?;
        Ok(query.query_row([], |row| row.get::<_, Option<i64>>(0))?.unwrap_or(0) + 1)
    }

    fn keep_preset(&self, preset: &Preset) -> rusqlite::Result<String> {
        let hash = preset_hash(preset);
        let definition = serde_json::to_string(preset).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let mut insert = self.connection.prepare_cached("INSERT OR IGNORE INTO presets VALUES (?1, ?2)")?;
        insert.execute(params![hash, definition])?;
        Ok(hash)
    }

    /// Adds jobs at the end of the queue, in order, with numbers and ranks that rise over the whole life of the store. An
    /// input that waits or is claimed with this preset and for this folder already is not added.
    pub fn enqueue(&mut self, batch: &Batch) -> rusqlite::Result<Arrived> {
        let hash = self.keep_preset(&batch.preset)?;
        let mut arrived = Arrived { last_rank: self.last_rank()?, ..Arrived::default() };
        let mut unfinished = self
            .connection
            .prepare_cached("SELECT 1 FROM jobs WHERE input_key = ?1 AND preset = ?2 AND out = ?3 AND state <= 1")?;
        let mut insert = self.connection.prepare_cached(
            "INSERT INTO jobs (run, scan, input, input_key, output, preset, definition, size, rank, state, queued_at, out, overwrite)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10, ?11, ?12)",
        )?;
        let out = batch.destination.out.as_os_str().as_bytes();
        for job in &batch.jobs {
            if unfinished.exists(params![job.key.0, batch.preset.name, out])? {
                arrived.known += 1;
                continue;
            }
            let rank = job.place.unwrap_or(arrived.last_rank + RANK_STEP);
            arrived.last_rank = arrived.last_rank.max(rank);
            insert.execute(params![
                self.run,
                batch.scan.0 as i64,
                job.input.as_os_str().as_bytes(),
                job.key.0,
                job.output.as_os_str().as_bytes(),
                batch.preset.name,
                hash,
                job.size.0 as i64,
                rank,
                batch.at.0,
                out,
                batch.destination.overwrite,
            ])?;
            if let Some(known) = &job.taken {
                taken::insert(self.connection, known)?;
            }
            arrived.jobs += 1;
            arrived.bytes += job.size;
        }
        Ok(arrived)
    }

    /// Jobs that were taken off the list wait again, under their numbers. One that had ended is as if it had never run.
    pub fn put_back(&mut self, back: &Return) -> rusqlite::Result<Arrived> {
        let mut arrived = Arrived { last_rank: self.last_rank()?, ..Arrived::default() };
        let mut update = self.connection.prepare_cached(
            "UPDATE jobs SET state = 0, output = ?2, rank = ?3, attempts = iif(outcome IS NULL, attempts, 0), outcome = NULL,
             reason = NULL, damage = NULL, ended_at = NULL, ended_no = NULL WHERE id = ?1 AND state = ?4 RETURNING size",
        )?;
        for (job, output, rank) in &back.jobs {
            let output = output.as_os_str().as_bytes();
            let size = update.query_row(params![job.0 as i64, output, rank, REMOVED], |row| row.get::<_, i64>(0)).optional()?;
            let Some(size) = size else { continue };
            arrived.last_rank = arrived.last_rank.max(*rank);
            arrived.jobs += 1;
            arrived.bytes += Bytes(size as u64);
        }
        Ok(arrived)
    }

    /// Takes a waiting job for a try; nothing where it does not wait.
    fn claim(&mut self, job: JobId, attempt: u32, at: Wall) -> rusqlite::Result<()> {
        let mut update = self
            .connection
            .prepare_cached("UPDATE jobs SET state = 1, attempts = ?2, started_at = ?3 WHERE id = ?1 AND state = 0")?;
        update.execute(params![job.0 as i64, attempt, at.0])?;
        Ok(())
    }

    /// The job has ended, for good unless it is retried.
    fn finish(&mut self, job: JobId, ended: &Ended) -> rusqlite::Result<()> {
        self.take_back(job)?;
        let outcome = serde_json::to_value(ended.outcome).ok();
        let mut update = self.connection.prepare_cached(
            "UPDATE jobs SET state = 2, deaths = 0, attempts = ?2, outcome = ?3,
             output = coalesce(?4, output), reason = ?5, ended_at = ?6, ended_no = ?7, damage = ?8 WHERE id = ?1",
        )?;
        update.execute(params![
            job.0 as i64,
            ended.attempts,
            outcome.as_ref().and_then(serde_json::Value::as_str),
            ended.output.as_ref().map(|path| path.as_os_str().as_bytes()),
            ended.reason,
            ended.at.0,
            self.next_end()?,
            ended.damage.as_ref().and_then(|damage| serde_json::to_string(damage).ok()),
        ])?;
        Ok(())
    }

    /// A job waits again, at its old place. The try counts unless it was not the job's fault; one that was not claimed had none.
    fn release(&mut self, job: JobId, uncounted: bool) -> rusqlite::Result<()> {
        self.hand_out(job)?;
        let mut update = self.connection.prepare_cached(
            "UPDATE jobs SET state = 0, deaths = deaths * (state = 0), attempts = max(attempts - ?2 * (state = 1), 0)
             WHERE id = ?1",
        )?;
        update.execute(params![job.0 as i64, i64::from(uncounted)])?;
        Ok(())
    }

    /// The job is not let in. It is not handed out again.
    fn reject(&mut self, job: JobId, reason: &str, at: Wall) -> rusqlite::Result<()> {
        self.take_back(job)?;
        let mut update =
            self.connection.prepare_cached("UPDATE jobs SET state = 3, reason = ?2, ended_at = ?3, ended_no = ?4 WHERE id = ?1")?;
        update.execute(params![job.0 as i64, reason, at.0, self.next_end()?])?;
        Ok(())
    }

    /// A rejected job waits, at its old place.
    fn allow(&mut self, job: JobId, by_operator: bool) -> rusqlite::Result<()> {
        self.hand_out(job)?;
        let mut update = self.connection.prepare_cached(
            "UPDATE jobs SET state = 0, allowed = max(allowed, ?2), reason = NULL, ended_at = NULL, ended_no = NULL WHERE id = ?1",
        )?;
        update.execute(params![job.0 as i64, i64::from(by_operator)])?;
        Ok(())
    }

    /// An ended or rejected job waits, as if it had never run.
    fn retry(&mut self, job: JobId, rank: Rank) -> rusqlite::Result<()> {
        self.hand_out(job)?;
        let mut update = self.connection.prepare_cached(
            "UPDATE jobs SET state = 0, rank = ?2, attempts = 0, deaths = 0, outcome = NULL, reason = NULL, damage = NULL, ended_at = NULL,
             ended_no = NULL WHERE id = ?1",
        )?;
        update.execute(params![job.0 as i64, rank])?;
        Ok(())
    }

    /// Another place.
    fn reorder(&mut self, job: JobId, rank: Rank) -> rusqlite::Result<()> {
        self.connection.prepare_cached("UPDATE jobs SET rank = ?2 WHERE id = ?1")?.execute(params![job.0 as i64, rank])?;
        Ok(())
    }

    /// This run gives back a waiting job that was handed out to it.
    fn park(&mut self, job: JobId) -> rusqlite::Result<()> {
        self.take_back(job)
    }

    /// The job is off the list; it can be put back until the run ends.
    fn remove(&mut self, job: JobId) -> rusqlite::Result<()> {
        self.take_back(job)?;
        let mut update = self.connection.prepare_cached("UPDATE jobs SET state = ?2, ended_no = NULL WHERE id = ?1")?;
        update.execute(params![job.0 as i64, REMOVED])?;
        Ok(())
    }

    /// Lets wait again what an earlier run had claimed. Each such job has seen one more death. How many there were.
    pub fn reap(&mut self) -> rusqlite::Result<u64> {
        let mut update = self.connection.prepare_cached("UPDATE jobs SET state = 0, deaths = deaths + 1 WHERE state = 1")?;
        Ok(update.execute([])? as u64)
    }

    /// Hands out the next waiting jobs in order that were not handed out to this run yet, at most `limit`.
    pub fn page(&mut self, limit: usize) -> rusqlite::Result<Vec<Waiting>> {
        let mut query = self.connection.prepare_cached(
            "SELECT id, input, size, output, preset, definition, rank, attempts, allowed, deaths FROM jobs
             WHERE state = 0 AND id NOT IN (SELECT id FROM temp.handed_out) ORDER BY rank, id LIMIT ?1",
        )?;
        let jobs: Vec<Waiting> = query.query_map([limit as i64], waiting)?.collect::<rusqlite::Result<_>>()?;
        for job in &jobs {
            self.hand_out(job.id)?;
        }
        Ok(jobs)
    }

    /// What waits and was not handed out to this run.
    pub fn backlog(&mut self) -> rusqlite::Result<Backlog> {
        let mut query = self.connection.prepare_cached(
            "SELECT count(*), coalesce(sum(size), 0) FROM jobs
             WHERE state = 0 AND id NOT IN (SELECT id FROM temp.handed_out)",
        )?;
        query.query_row([], |row| {
            let (jobs, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
            Ok(Backlog { jobs: jobs as u64, bytes: Bytes(bytes as u64) })
        })
    }
}

/// Keeps the queue in step with an event. Whatever else the event means is for others.
pub(super) fn fold(queue: &mut Jobs<'_>, event: &Event) -> rusqlite::Result<()> {
    match &event.kind {
        EventKind::JobAdmitted { job, attempt, .. } => queue.claim(*job, *attempt, event.at)?,
        EventKind::JobFinished { job, outcome, output, attempts, reason, damage, .. } => {
            let (output, reason, damage) = (output.clone(), reason.clone(), damage.clone());
            queue.finish(*job, &Ended { outcome: *outcome, output, attempts: *attempts, reason, damage, at: event.at })?;
        }
        EventKind::JobRequeued { job, uncounted, .. } => queue.release(*job, *uncounted)?,
        EventKind::JobRejected { job, detail, .. } => queue.reject(*job, detail, event.at)?,
        EventKind::JobAllowed { job, by_operator } => queue.allow(*job, *by_operator)?,
        EventKind::JobRetried { job, rank } => queue.retry(*job, *rank)?,
        EventKind::JobMoved { job, rank } => queue.reorder(*job, *rank)?,
        EventKind::JobParked { job } => queue.park(*job)?,
        EventKind::JobRemoved { job, .. } => queue.remove(*job)?,
        _ => {}
    }
    Ok(())
}

fn waiting(row: &Row<'_>) -> rusqlite::Result<Waiting> {
    let number = |at| row.get::<_, i64>(at).map(|number| number.max(0) as u64);
    Ok(Waiting {
        id: JobId(number(0)?),
        input: path_of(row.get(1)?),
        size: Bytes(number(2)?),
        output: path_of(row.get(3)?),
        preset: row.get(4)?,
        definition: row.get(5)?,
        rank: row.get(6)?,
        attempts: row.get(7)?,
        allowed: row.get(8)?,
        deaths: row.get(9)?,
    })
}
