//! The lives of workers: each has a lease that it renews, and is given up when it does not.
//!
//! Only the database's `now()` counts. Nobody is given up because the database itself was away: for the length of a lease after
//! a pause in which no worker could say anything, nobody is.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::db::{Database, QueueError};
use super::{Fenced, Hold};

/// A job whose workers were lost so often in a row has failed: it may be what takes them down.
pub const MOST_LOSSES: i32 = 5;

/// Who a worker is, for the whole of its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// A fresh name for this life.
    pub id: Uuid,
    /// The box, the same in every life: host and state folder.
    pub r#box: String,
    /// The machine's name.
    pub host: String,
    pub pid: i32,
    /// plimsoll's version.
    pub version: String,
    /// ffmpeg's version.
    pub ffmpeg: String,
}

/// How a worker stands, said with each renewal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    pub profile: String,
    /// Peak of the largest job that it could ever take.
    pub largest_bytes: i64,
    /// Its load line.
    pub line_bytes: i64,
    /// What counts against the line now.
    pub counted_bytes: i64,
    /// How near memory is to the line.
    pub level: String,
    /// Jobs at once.
    pub slots: i32,
    /// Why it takes nothing, if the fault is its own.
    pub stands_down: Option<String>,
    /// It takes nothing for another reason: somebody holds its queue, it makes a comparison, or it is about to end.
    pub takes_nothing: bool,
    /// How far each of its jobs is, 0 to 1.
    pub progress: Vec<(i64, f32)>,
}

/// What the queue has to say to a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renewed {
    /// It is to take nothing more, and to end when its jobs have.
    pub drained: bool,
    /// Its jobs that somebody has cancelled.
    pub cancelled: Vec<i64>,
    /// The jobs that it has by the queue's account.
    pub held: Vec<Hold>,
    /// How long the lease is.
    pub lease: Duration,
    /// Workers with a lease, itself among them.
    pub live: u32,
    /// It was the first for a while to say anything: it is the one to look for those that say nothing, see [`reap`].
    pub is_first: bool,
}

/// A new life. Where another life of the same box has a lease, that one is over: whoever starts holds the box's lock. Jobs that
/// were given back for a fault of the box are tried there again: it may have been mended. It may be said again where the answer
/// was lost.
///
/// # Errors
/// See [`QueueError`].
pub async fn register(db: &Database, who: &Introduction) -> Result<Duration, QueueError> {
    let statement = "
        WITH over AS (
            UPDATE plimsoll.worker SET ended_at = now(), ended_why = 'began anew', lease_until = now()
            WHERE box = $2 AND ended_at IS NULL AND id <> $1 RETURNING id
        ), free AS (
            UPDATE plimsoll.job j SET reserved_for = NULL FROM over WHERE j.reserved_for = over.id
        ), mended AS (
            UPDATE plimsoll.job SET avoid = array_remove(avoid, $2)
            WHERE state = 'queued' AND avoid <> '{}' AND reserved_for IS NULL AND $2 = ANY (avoid)
        ), told AS (
            INSERT INTO plimsoll.event (kind, worker, detail) VALUES ('worker_started', $1, $2)
        )
        INSERT INTO plimsoll.worker (id, box, host, pid, version, ffmpeg, lease_until, clock_ms)
        SELECT $1, $2, $3, $4, $5, $6, now() + lease, $7 - (extract(epoch FROM clock_timestamp()) * 1000)::bigint FROM plimsoll.fleet
        ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until
        RETURNING (SELECT extract(epoch FROM lease)::float8 FROM plimsoll.fleet)";
    let now = now_ms();
    let values = [
        (&who.id as &(dyn tokio_postgres::types::ToSql + Sync), Type::UUID),
        (&who.r#box, Type::TEXT),
        (&who.host, Type::TEXT),
        (&who.pid, Type::INT4),
        (&who.version, Type::TEXT),
        (&who.ffmpeg, Type::TEXT),
        (&now, Type::INT8),
    ];
    let row = db.row(statement, &values).await?;
    let row = row.ok_or_else(|| QueueError::Refused("the fleet has no lease; run `plimsoll fleet init` again".to_owned()))?;
    Ok(Duration::from_secs_f64(row.get::<_, f64>(0)))
}

/// The one row of the fleet is written at most twenty times a lease, however many workers there are. A job that a box keeps itself
/// free for is left to others once that box takes nothing, or could not take this one any more.
pub(super) const RENEW: &str = "
        WITH pulse AS (
            UPDATE plimsoll.fleet SET last_beat = now(),
                awake_since = CASE WHEN now() - last_beat > lease / 2 THEN now() ELSE awake_since END,
                live = (SELECT count(*) FROM plimsoll.worker WHERE ended_at IS NULL AND lease_until > now())
            WHERE last_beat < now() - lease / 20 RETURNING 1
        ), far AS (
            UPDATE plimsoll.job j SET progress = p.ratio FROM unnest($9::bigint[], $10::real[]) AS p (job, ratio)
            WHERE j.id = p.job AND j.worker = $1 AND j.state = 'running' AND j.progress IS DISTINCT FROM p.ratio
        ), free AS (
            UPDATE plimsoll.job j SET reserved_for = NULL FROM plimsoll.worker me
            WHERE j.reserved_for = $1 AND me.id = $1 AND ($8 IS NOT NULL OR $12 OR me.drained OR j.needs > $3)
        )
        UPDATE plimsoll.worker w SET beat_at = now(), lease_until = now() + f.lease, profile = $2, largest_bytes = $3,
            line_bytes = $4, counted_bytes = $5, level = $6, slots = $7, stands_down = $8,
            clock_ms = $11 - (extract(epoch FROM clock_timestamp()) * 1000)::bigint
        FROM plimsoll.fleet f WHERE w.id = $1 AND w.ended_at IS NULL
        RETURNING w.drained, extract(epoch FROM f.lease)::float8,
            ARRAY(SELECT j.id FROM plimsoll.job j WHERE j.worker = $1 AND j.state = 'running' AND j.cancelling),
            greatest(f.live, 1), EXISTS (SELECT FROM pulse),
            ARRAY(SELECT j.id FROM plimsoll.job j WHERE j.worker = $1 AND j.state = 'running' ORDER BY j.id),
            ARRAY(SELECT j.fence FROM plimsoll.job j WHERE j.worker = $1 AND j.state = 'running' ORDER BY j.id)";

/// Renews the lease and tells how the worker stands; `None` = this life was given up, what it held is somebody else's or waits.
///
/// # Errors
/// See [`QueueError`].
pub async fn renew(db: &Database, worker: Uuid, standing: &Standing) -> Result<Option<Renewed>, QueueError> {
    renew_by(db, (RENEW, now_ms()), worker, standing).await
}

/// As [`renew`], by this statement, where this machine's clock says so.
pub(super) async fn renew_by(
    db: &Database,
    (statement, now): (&str, i64),
    worker: Uuid,
    standing: &Standing,
) -> Result<Option<Renewed>, QueueError> {
    let (jobs, ratios): (Vec<i64>, Vec<f32>) = standing.progress.iter().copied().unzip();
    let values = [
        (&worker as &(dyn tokio_postgres::types::ToSql + Sync), Type::UUID),
        (&standing.profile, Type::TEXT),
        (&standing.largest_bytes, Type::INT8),
        (&standing.line_bytes, Type::INT8),
        (&standing.counted_bytes, Type::INT8),
        (&standing.level, Type::TEXT),
        (&standing.slots, Type::INT4),
        (&standing.stands_down, Type::TEXT),
        (&jobs, Type::INT8_ARRAY),
        (&ratios, Type::FLOAT4_ARRAY),
        (&now, Type::INT8),
        (&standing.takes_nothing, Type::BOOL),
    ];
    Ok(db.row(statement, &values).await?.map(|row| Renewed {
        drained: row.get(0),
        lease: Duration::from_secs_f64(row.get(1)),
        cancelled: row.get(2),
        live: row.get::<_, i32>(3) as u32,
        is_first: row.get(4),
        held: std::iter::zip(row.get::<_, Vec<i64>>(5), row.get::<_, Vec<i64>>(6))
            .map(|(job, fence)| Hold { job, worker, fence })
            .collect(),
    }))
}

/// Gives up the workers whose lease has run out; what they held waits again. So do jobs that a worker which has ended
/// still holds one lease later: the next life of its box has not taken them up. One process of the fleet does it at a time.
/// The number of jobs that wait again.
///
/// # Errors
/// See [`QueueError`].
pub async fn reap(db: &Database) -> Result<u64, QueueError> {
    let statement = "
        WITH alone AS MATERIALIZED (
            SELECT pg_try_advisory_xact_lock(7305502) AS is_alone
        ), dead AS MATERIALIZED (
            SELECT w.id, w.box FROM plimsoll.worker w, plimsoll.fleet f, alone
            WHERE alone.is_alone AND w.ended_at IS NULL AND w.lease_until < now()
              AND f.last_beat > now() - f.lease / 2 AND f.awake_since < now() - f.lease
            FOR UPDATE OF w SKIP LOCKED
        ), over AS (
            UPDATE plimsoll.worker w SET ended_at = now(), ended_why = 'its lease ran out' FROM dead WHERE w.id = dead.id
        ), free AS (
            UPDATE plimsoll.job j SET reserved_for = NULL FROM dead WHERE j.reserved_for = dead.id
        ), told AS (
            INSERT INTO plimsoll.event (kind, worker, detail) SELECT 'worker_lost', id, box FROM dead
        ), lost AS MATERIALIZED (
            SELECT j.id AS job, dead.id, dead.box FROM dead JOIN plimsoll.job j ON j.worker = dead.id AND j.state = 'running'
            UNION ALL
            SELECT j.id, w.id, w.box FROM alone, plimsoll.fleet f, plimsoll.job j JOIN plimsoll.worker w ON w.id = j.worker
            WHERE alone.is_alone AND j.state = 'running' AND w.ended_at < now() - f.lease
              AND f.last_beat > now() - f.lease / 2 AND f.awake_since < now() - f.lease
        ), back AS (
            UPDATE plimsoll.job j SET losses = losses + 1, progress = NULL,
                state = CASE WHEN j.cancelling THEN 'cancelled' WHEN losses + 1 >= $1 THEN 'failed' ELSE 'queued' END,
                ended_at = CASE WHEN j.cancelling OR losses + 1 >= $1 THEN now() END,
                reason = CASE WHEN j.cancelling THEN NULL
                    WHEN losses + 1 >= $1 THEN format('%s workers were lost while they had it', losses + 1)
                    ELSE format('worker %s was lost', lost.box) END
            FROM lost WHERE j.id = lost.job AND j.worker = lost.id AND j.state = 'running' RETURNING j.id, j.worker, j.state
        ), noted AS (
            INSERT INTO plimsoll.event (kind, job, worker, detail) SELECT 'lost', id, worker, state FROM back
        )
        SELECT count(*), pg_notify('plimsoll', 'queued') FROM back HAVING count(*) > 0";
    let row = db.row(statement, &[(&MOST_LOSSES, Type::INT4)]).await?;
    Ok(row.map_or(0, |row| row.get::<_, i64>(0)) as u64)
}

/// The box of a worker is tried again with the jobs that it has given back for a fault of its own. How many wait for it now.
///
/// # Errors
/// See [`QueueError`].
pub async fn no_more_avoided(db: &Database, worker: Uuid) -> Result<u64, QueueError> {
    let statement = "
        UPDATE plimsoll.job j SET avoid = array_remove(j.avoid, w.box) FROM plimsoll.worker w
        WHERE w.id = $1 AND j.state = 'queued' AND j.avoid <> '{}' AND w.box = ANY (j.avoid) RETURNING j.id";
    Ok(db.rows(statement, &[(&worker, Type::UUID)]).await?.len() as u64)
}

/// Takes a job again that this box held in an earlier life, or before it was given up, if nobody else has taken it since. The
/// loss is not counted then.
///
/// # Errors
/// See [`QueueError`].
pub async fn adopt(db: &Database, old: Hold, worker: Uuid) -> Result<Option<Hold>, QueueError> {
    let statement = "
        WITH mine AS (
            UPDATE plimsoll.job j SET state = 'running', worker = $4, fence = nextval('plimsoll.fence'), reserved_for = NULL,
                losses = CASE WHEN j.state = 'queued' THEN greatest(losses - 1, 0) ELSE losses END, reason = NULL
            FROM plimsoll.worker w
            WHERE j.id = $1 AND j.worker = $2 AND j.fence = $3 AND j.state IN ('queued', 'running') AND NOT j.cancelling
              AND w.id = $4 AND w.ended_at IS NULL
            RETURNING j.id, j.fence
        ), told AS (
            INSERT INTO plimsoll.event (kind, job, worker) SELECT 'adopted', id, $4 FROM mine
        )
        SELECT fence FROM mine";
    let [job, before, fence] = old.values();
    let row = db.row(statement, &[job, before, fence, (&worker, Type::UUID)]).await?;
    Ok(row.map(|row| Hold { job: old.job, worker, fence: row.get(0) }))
}

/// The worker ends in order. What it still holds waits again and counts as nobody's fault.
///
/// # Errors
/// See [`QueueError`].
pub async fn end(db: &Database, worker: Uuid, why: &str) -> Result<Fenced, QueueError> {
    let statement = "
        WITH over AS (
            UPDATE plimsoll.worker SET ended_at = now(), ended_why = $2, lease_until = now() WHERE id = $1 AND ended_at IS NULL
            RETURNING id
        ), back AS (
            UPDATE plimsoll.job j SET state = CASE WHEN cancelling THEN 'cancelled' ELSE 'queued' END, progress = NULL,
                ended_at = CASE WHEN cancelling THEN now() END, attempts = greatest(attempts - 1, 0), reason = NULL
            FROM over WHERE j.worker = over.id AND j.state = 'running' RETURNING j.id
        ), free AS (
            UPDATE plimsoll.job j SET reserved_for = NULL FROM over WHERE j.reserved_for = over.id
        ), told AS (
            INSERT INTO plimsoll.event (kind, worker, detail) SELECT 'worker_ended', id, $2 FROM over
        )
        SELECT id, pg_notify('plimsoll', 'queued') FROM over";
    let rows = db.rows(statement, &[(&worker, Type::UUID), (&why, Type::TEXT)]).await?;
    Ok(Fenced::of(&rows))
}

/// This machine's clock, for the difference from the database's alone.
fn now_ms() -> i64 {
    crate::host::process::log::joblog::wall_now().0
}
