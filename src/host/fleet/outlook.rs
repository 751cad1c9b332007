//! What a look ahead at a fleet's queue needs to know: what waits and runs, and what finished jobs took.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::db::{Database, QueueError};
use crate::domain::fleet_plan::FinishedFleetJob;
use crate::domain::units::Bytes;

/// Finished jobs that are looked at, the latest.
const LATEST: i64 = 2000;
/// What a job has in common with like ones: its preset's name and meaning.
const KIND: &str = "preset || ' ' || md5(definition::text)";

/// A job that waits or runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfinished {
    /// What it has in common with like jobs.
    pub kind: String,
    /// Size of its input, where that is known.
    pub size: Option<Bytes>,
    /// Memory at its peak, where somebody has looked.
    pub needs: Option<Bytes>,
    /// Since it was queued.
    pub waited: Duration,
    /// The life of a worker that has it, and how far it is.
    pub on: Option<(String, f64)>,
}

/// A job that waits for a larger box than there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLarge {
    pub job: i64,
    /// Where its input is.
    pub input: String,
    /// Memory at its peak.
    pub needs: Bytes,
}

/// Of the jobs that wait one in `every`, in the order in which they are taken, beginning with the first.
///
/// # Errors
/// See [`QueueError`].
pub async fn waiting(db: &Database, every: i64) -> Result<Vec<Unfinished>, QueueError> {
    let statement = format!(
        "WITH numbered AS (
             SELECT id, rank, row_number() OVER (ORDER BY rank, id) - 1 AS place FROM plimsoll.job WHERE state = 'queued'
         )
         SELECT {KIND}, size_bytes, needs, extract(epoch FROM now() - queued_at)::float8, NULL::uuid, NULL::real
         FROM numbered JOIN plimsoll.job USING (id) WHERE place % $1 = 0 ORDER BY place"
    );
    Ok(db.rows(&statement, &[(&every.max(1), Type::INT8)]).await?.iter().map(unfinished).collect())
}

/// The jobs at work.
///
/// # Errors
/// See [`QueueError`].
pub async fn running(db: &Database) -> Result<Vec<Unfinished>, QueueError> {
    let statement = format!(
        "SELECT {KIND}, size_bytes, needs, extract(epoch FROM now() - queued_at)::float8, worker, coalesce(progress, 0)
         FROM plimsoll.job WHERE state = 'running' ORDER BY claimed_at, id"
    );
    Ok(db.rows(&statement, &[]).await?.iter().map(unfinished).collect())
}

fn unfinished(row: &Row) -> Unfinished {
    Unfinished {
        kind: row.get(0),
        size: row.get::<_, Option<i64>>(1).map(bytes),
        needs: row.get::<_, Option<i64>>(2).map(bytes),
        waited: Duration::try_from_secs_f64(row.get(3)).unwrap_or_default(),
        on: row.get::<_, Option<Uuid>>(4).map(|worker| (worker.to_string(), row.get::<_, Option<f32>>(5).unwrap_or(0.0).into())),
    }
}

/// What the latest of the finished jobs took.
///
/// # Errors
/// See [`QueueError`].
pub async fn done(db: &Database) -> Result<Vec<FinishedFleetJob>, QueueError> {
    let statement = format!(
        "SELECT {KIND}, size_bytes, needs, took_seconds FROM plimsoll.job
         WHERE state = 'done' AND ended_at IS NOT NULL AND took_seconds > 0 AND size_bytes > 0 AND needs > 0
         ORDER BY ended_at DESC, id DESC LIMIT $1"
    );
    let done = |row: &Row| FinishedFleetJob {
        kind: row.get(0),
        size: bytes(row.get(1)),
        needs: bytes(row.get(2)),
        took: Duration::try_from_secs_f64(row.get(3)).unwrap_or_default(),
    };
    Ok(db.rows(&statement, &[(&LATEST, Type::INT8)]).await?.iter().map(done).collect())
}

/// Jobs that wait and need more than this, the largest first, so many of them; and how many there are.
///
/// # Errors
/// See [`QueueError`].
pub async fn too_large(db: &Database, largest: Bytes, limit: i64) -> Result<(Vec<TooLarge>, u64), QueueError> {
    let larger = "FROM plimsoll.job WHERE state = 'queued' AND size_class >= plimsoll.size_class($1) AND needs > $1";
    let largest = largest.0 as i64;
    let statement = format!("SELECT id, input, needs {larger} ORDER BY needs DESC, id LIMIT $2");
    let values = [(&largest as &(dyn ToSql + Sync), Type::INT8), (&limit, Type::INT8)];
    let too_large = |row: &Row| TooLarge { job: row.get(0), input: row.get(1), needs: bytes(row.get(2)) };
    let first = db.rows(&statement, &values).await?.iter().map(too_large).collect();
    let count = db.row(&format!("SELECT count(*) {larger}"), &[(&largest, Type::INT8)]).await?;
    Ok((first, count.map_or(0, |row| row.get::<_, i64>(0)) as u64))
}

fn bytes(bytes: i64) -> Bytes {
    Bytes(bytes.max(0) as u64)
}
