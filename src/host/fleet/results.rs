//! What becomes of a claimed job. Every statement names job, worker and fence: who has lost the job changes nothing.

use std::time::Duration;

use tokio_postgres::types::{ToSql, Type};

use super::db::{Database, QueueError, Value};
use super::{Fenced, Hold};
use crate::domain::units::Bytes;

/// So many jobs in a row may be killed for want of memory before that is the job's end.
pub const MOST_DEATHS: i32 = 3;

/// The job is this worker's under this fence.
const MINE: &str = "j.id = $1 AND j.worker = $2 AND j.fence = $3 AND j.state = 'running'";

/// An output that stands in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub key: String,
    pub size: Bytes,
    /// What the store calls its content.
    pub etag: Option<String>,
    /// BLAKE3 of its bytes, in hexadecimal.
    pub blake3: String,
    /// How long the try ran that made it, where that is known: others foretell like jobs by it.
    pub took: Option<Duration>,
}

/// Why a job goes back into the queue.
#[derive(Debug, Clone, PartialEq)]
pub enum Back {
    /// It needs more than this box has: only larger ones get it from now on. Not counted.
    Needs(Bytes),
    /// The box's own fault: no disk, no ffmpeg, no way to the store. It is not tried there again. Not counted.
    BoxFault,
    /// The box takes nothing more. Not counted.
    Drained,
    /// It was killed for want of memory where so much was set aside. Counted as a death.
    OutOfMemory(Bytes),
    /// It may go better later, anywhere.
    Later(Duration),
}

/// How a job ends without an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It cannot be converted.
    Failed,
    /// It was killed for want of memory too often.
    OutOfMemory,
    /// It is not let in.
    Rejected,
    /// Somebody has cancelled it.
    Cancelled,
}

impl End {
    const fn state(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::OutOfMemory => "out_of_memory",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Writes down that something is about to be stored under this key, so that it is found again whatever happens.
///
/// # Errors
/// See [`QueueError`].
pub async fn intend(db: &Database, hold: &Hold, key: &str) -> Result<Fenced, QueueError> {
    let statement = format!(
        "INSERT INTO plimsoll.output (key, job, fence) SELECT $4, j.id, j.fence FROM plimsoll.job j WHERE {MINE} AND NOT j.cancelling
         ON CONFLICT (key) DO UPDATE SET at = now() RETURNING 1"
    );
    fenced(db, hold, &statement, &[(&key, Type::TEXT)]).await
}

/// The job is done and this is its output: both or neither.
///
/// # Errors
/// See [`QueueError`].
pub async fn commit(db: &Database, hold: &Hold, output: &Output, log: &str) -> Result<Fenced, QueueError> {
    let statement = format!(
        "WITH mine AS (
            UPDATE plimsoll.job j SET state = 'done', ended_at = now(), progress = 1, reason = NULL, log = $8,
                took_seconds = $9 WHERE {MINE}
            RETURNING j.id, j.worker
        ), stored AS (
            INSERT INTO plimsoll.output (key, job, fence, state, size_bytes, etag, blake3)
            SELECT $4, id, $3, 'committed', $5, $6, $7 FROM mine
            ON CONFLICT (key) DO UPDATE SET state = 'committed', size_bytes = $5, etag = $6, blake3 = $7, at = now()
        ), told AS (
            INSERT INTO plimsoll.event (kind, job, worker, detail) SELECT 'done', id, worker, $4 FROM mine
        )
        SELECT id, pg_notify('plimsoll', 'ended') FROM mine"
    );
    let (size, took) = (output.size.0 as i64, output.took.map(|took| took.as_secs_f64()));
    let values = [
        (&output.key as &(dyn ToSql + Sync), Type::TEXT),
        (&size, Type::INT8),
        (&output.etag, Type::TEXT),
        (&output.blake3, Type::TEXT),
        (&log, Type::TEXT),
        (&took, Type::FLOAT8),
    ];
    fenced(db, hold, &statement, &values).await
}

/// Whether this output is its job's. A commit whose answer was lost is refused when it is said again, and was done all the same.
///
/// # Errors
/// See [`QueueError`].
pub async fn is_committed(db: &Database, key: &str) -> Result<bool, QueueError> {
    let statement = "SELECT EXISTS (SELECT FROM plimsoll.output WHERE key = $1 AND state = 'committed')";
    Ok(db.row(statement, &[(&key, Type::TEXT)]).await?.is_some_and(|row| row.get(0)))
}

/// The job has ended without an output.
///
/// # Errors
/// See [`QueueError`].
pub async fn fail(db: &Database, hold: &Hold, end: End, reason: &str, log: &str) -> Result<Fenced, QueueError> {
    let statement = format!(
        "WITH mine AS (
            UPDATE plimsoll.job j SET state = $4, ended_at = now(), reason = $5, log = $6, progress = NULL WHERE {MINE}
            RETURNING j.id, j.worker
        ), told AS (
            INSERT INTO plimsoll.event (kind, job, worker, detail) SELECT $4, id, worker, $5 FROM mine
        )
        SELECT id, pg_notify('plimsoll', 'ended') FROM mine"
    );
    let state = end.state();
    fenced(db, hold, &statement, &[(&state, Type::TEXT), (&reason, Type::TEXT), (&log, Type::TEXT)]).await
}

/// The job waits again. One that somebody has cancelled meanwhile is at its end, and so is one that was killed for want of
/// memory for the third time.
///
/// # Errors
/// See [`QueueError`].
pub async fn give_back(db: &Database, hold: &Hold, back: &Back, reason: &str, log: &str) -> Result<Fenced, QueueError> {
    let statement = format!(
        "WITH mine AS (
            UPDATE plimsoll.job j SET
                state = CASE WHEN j.cancelling THEN 'cancelled' WHEN $5 AND deaths + 1 >= $9 THEN 'out_of_memory' ELSE 'queued' END,
                ended_at = CASE WHEN j.cancelling OR $5 AND deaths + 1 >= $9 THEN now() END,
                needs = coalesce(greatest(needs, $4), needs),
                deaths = deaths + CASE WHEN $5 THEN 1 ELSE 0 END,
                attempts = CASE WHEN $6 THEN attempts ELSE greatest(attempts - 1, 0) END,
                avoid = CASE WHEN $7 AND NOT (w.box = ANY (avoid)) THEN array_append(avoid, w.box) ELSE avoid END,
                not_before = CASE WHEN $8 > 0 THEN now() + make_interval(secs => $8) END,
                reason = $10, log = $11, progress = NULL
            FROM plimsoll.worker w WHERE w.id = j.worker AND {MINE}
            RETURNING j.id, j.worker
        ), told AS (
            INSERT INTO plimsoll.event (kind, job, worker, detail) SELECT 'given_back', id, worker, $10 FROM mine
        )
        SELECT id, pg_notify('plimsoll', 'queued') FROM mine"
    );
    let needs = match back {
        Back::Needs(bytes) | Back::OutOfMemory(bytes) => Some(bytes.0 as i64),
        _ => None,
    };
    let (is_death, is_box) = (matches!(back, Back::OutOfMemory(_)), matches!(back, Back::BoxFault));
    let delay = if let Back::Later(delay) = back { delay.as_secs_f64() } else { 0.0 };
    let is_counted = is_death || delay > 0.0;
    let values = [
        (&needs as &(dyn ToSql + Sync), Type::INT8),
        (&is_death, Type::BOOL),
        (&is_counted, Type::BOOL),
        (&is_box, Type::BOOL),
        (&delay, Type::FLOAT8),
        (&MOST_DEATHS, Type::INT4),
        (&reason, Type::TEXT),
        (&log, Type::TEXT),
    ];
    fenced(db, hold, &statement, &values).await
}

/// What was learned of a job's need of memory before it runs.
///
/// # Errors
/// See [`QueueError`].
pub async fn inspected(db: &Database, hold: &Hold, needs: Bytes, size: Bytes) -> Result<Fenced, QueueError> {
    let statement = format!("UPDATE plimsoll.job j SET needs = $4, size_bytes = $5 WHERE {MINE} RETURNING 1");
    let (needs, size) = (needs.0 as i64, size.0 as i64);
    fenced(db, hold, &statement, &[(&needs, Type::INT8), (&size, Type::INT8)]).await
}

/// The output stands under the name that was wished for.
///
/// # Errors
/// See [`QueueError`].
pub async fn published(db: &Database, job: i64) -> Result<(), QueueError> {
    db.rows("UPDATE plimsoll.target SET published = true WHERE job = $1 RETURNING 1", &[(&job, Type::INT8)]).await.map(drop)
}

/// Some of the outputs that are done and do not stand under the name that was wished for, since whoever was to see to it has gone:
/// job, key, and wished key. Which ones is left to chance: names that are taken for good must not stand before the others for ever.
///
/// # Errors
/// See [`QueueError`].
pub async fn unpublished(db: &Database) -> Result<Vec<(i64, String, String)>, QueueError> {
    let statement = "
        SELECT t.job, o.key, t.key FROM plimsoll.target t
        JOIN plimsoll.output o ON o.job = t.job AND o.state = 'committed'
        JOIN plimsoll.job j ON j.id = t.job AND j.state = 'done' AND j.ended_at < now() - interval '30 s'
        WHERE NOT t.published ORDER BY random() LIMIT 20";
    Ok(db.rows(statement, &[]).await?.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect())
}

async fn fenced(db: &Database, hold: &Hold, statement: &str, more: &[Value<'_>]) -> Result<Fenced, QueueError> {
    let mut values: Vec<Value<'_>> = hold.values().into();
    values.extend(more.iter().map(|(value, kind)| (*value, kind.clone())));
    Ok(Fenced::of(&db.rows(statement, &values).await?))
}
