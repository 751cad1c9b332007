//! What people and scripts ask of a fleet: queue, look, cancel, try again, drain, tidy up.

use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use super::db::{Database, QueueError};
use crate::domain::fleet::{FleetCounts, FleetEvent, FleetJob, FleetWorker};
use crate::domain::preset::Preset;
use crate::domain::time::Wall;

/// A job to be queued.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Key in the store, or the address of an object elsewhere.
    pub input: String,
    /// What the store calls its content now; another content is refused later.
    pub etag: Option<String>,
    pub size: Option<i64>,
    /// Memory that it takes at its peak, where somebody has looked.
    pub needs: Option<i64>,
    /// Name of the preset.
    pub preset: String,
    /// What that name means; `None` = what it means in the database.
    pub definition: Option<Preset>,
    /// The key that the output is to have.
    pub target: Option<String>,
}

/// Which jobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// In this state.
    pub state: Option<String>,
    /// These; empty = all.
    pub jobs: Vec<i64>,
    /// With a higher number than this.
    pub after: i64,
    /// At most so many, lowest number first.
    pub limit: i64,
}

/// Queues a job; its number.
///
/// # Errors
/// No such preset, a target that another job has, or see [`QueueError`].
pub async fn add(db: &Database, new: &NewJob) -> Result<i64, QueueError> {
    let definition = new.definition.as_ref().map(serde_json::to_value).transpose();
    let definition = definition.map_err(|error| QueueError::Refused(format!("preset {}: {error}", new.preset)))?;
    // The same function that web applications call.
    let statement = "SELECT plimsoll.enqueue($1, $2, $3, $4, $5, $6, $7)";
    let values = [
        (&new.input as &(dyn ToSql + Sync), Type::TEXT),
        (&new.preset, Type::TEXT),
        (&new.target, Type::TEXT),
        (&definition, Type::JSONB),
        (&new.etag, Type::TEXT),
        (&new.size, Type::INT8),
        (&new.needs, Type::INT8),
    ];
    Ok(db.row(statement, &values).await?.map_or(0, |row| row.get::<_, i64>(0)))
}

/// Jobs, lowest number first.
///
/// # Errors
/// See [`QueueError`].
pub async fn jobs(db: &Database, wanted: &Wanted) -> Result<Vec<FleetJob>, QueueError> {
    let statement = format!(
        "SELECT {} FROM plimsoll.jobs WHERE id > $1 AND ($2::text IS NULL OR state = $2) AND (cardinality($3::bigint[]) = 0 OR id = ANY ($3))
         ORDER BY id LIMIT $4",
        job_columns()
    );
    let values = [
        (&wanted.after as &(dyn ToSql + Sync), Type::INT8),
        (&wanted.state, Type::TEXT),
        (&wanted.jobs, Type::INT8_ARRAY),
        (&wanted.limit, Type::INT8),
    ];
    Ok(db.rows(&statement, &values).await?.iter().map(job).collect())
}

/// The jobs that somebody who looks on wants to see first: those at work, those that wait in the order in which they are taken,
/// those that ended last; at most so many of each.
///
/// # Errors
/// See [`QueueError`].
pub async fn foremost(db: &Database, limit: i64) -> Result<Vec<FleetJob>, QueueError> {
    let statement = format!(
        "WITH shown AS MATERIALIZED (
             SELECT id, 0 AS part, row_number() OVER () AS place FROM
                 (SELECT id FROM plimsoll.job WHERE state = 'running' ORDER BY claimed_at, id LIMIT $1) AS working
             UNION ALL
             SELECT id, 1, row_number() OVER () FROM
                 (SELECT id FROM
                      (SELECT max(size_class) AS last FROM plimsoll.job WHERE state = 'queued') AS classes,
                      generate_series(0, last) AS class,
                      LATERAL (SELECT id, rank FROM plimsoll.job WHERE state = 'queued' AND size_class = class
                               ORDER BY rank, id LIMIT $1) AS first
                  ORDER BY rank, id LIMIT $1) AS waiting
             UNION ALL
             SELECT id, 2, row_number() OVER () FROM
                 (SELECT id FROM plimsoll.job WHERE ended_at IS NOT NULL ORDER BY ended_at DESC, id DESC LIMIT $1) AS ended
         )
         SELECT {} FROM plimsoll.jobs JOIN shown USING (id) ORDER BY shown.part, shown.place",
        job_columns()
    );
    Ok(db.rows(&statement, &[(&limit, Type::INT8)]).await?.iter().map(job).collect())
}

/// What is read of a job, in the order of [`job`].
fn job_columns() -> String {
    format!(
        "id, state, input, preset, target, size_bytes, needs_bytes, progress, attempts, deaths, losses, worker, {queued}, {ended},
            output, output_bytes, blake3, reason",
        queued = ms("queued_at"),
        ended = ms("ended_at")
    )
}

fn job(row: &Row) -> FleetJob {
    FleetJob {
        job: row.get(0),
        state: row.get(1),
        input: row.get(2),
        preset: row.get(3),
        target: row.get(4),
        size_bytes: row.get(5),
        needs_bytes: row.get(6),
        progress: row.get(7),
        attempts: row.get(8),
        deaths: row.get(9),
        losses: row.get(10),
        worker: row.get(11),
        queued_at: Wall(row.get(12)),
        ended_at: row.get::<_, Option<i64>>(13).map(Wall),
        output: row.get(14),
        output_bytes: row.get(15),
        blake3: row.get(16),
        reason: row.get(17),
    }
}

/// How many jobs are in which state.
///
/// # Errors
/// See [`QueueError`].
pub async fn counts(db: &Database) -> Result<FleetCounts, QueueError> {
    let mut counts = FleetCounts::default();
    // Each part is counted in an index of its own, which is a fraction of the table.
    let statement = "
        SELECT 'queued', count(*) FROM plimsoll.job WHERE state = 'queued'
        UNION ALL SELECT 'running', count(*) FROM plimsoll.job WHERE state = 'running'
        UNION ALL SELECT state, count(*) FROM plimsoll.job WHERE ended_at IS NOT NULL GROUP BY state";
    for row in db.rows(statement, &[]).await? {
        let place = match row.get::<_, &str>(0) {
            "queued" => &mut counts.queued,
            "running" => &mut counts.running,
            "done" => &mut counts.done,
            "failed" => &mut counts.failed,
            "out_of_memory" => &mut counts.out_of_memory,
            "rejected" => &mut counts.rejected,
            _ => &mut counts.cancelled,
        };
        *place += row.get::<_, i64>(1);
    }
    Ok(counts)
}

/// The workers that are there, and those that have ended within the last day.
///
/// # Errors
/// See [`QueueError`].
pub async fn workers(db: &Database) -> Result<Vec<FleetWorker>, QueueError> {
    let statement = format!(
        "SELECT id, box, host, pid, version, ffmpeg, profile, live, (extract(epoch FROM now() - beat_at) * 1000)::bigint, drained,
            stands_down, largest_bytes, line_bytes, counted_bytes, level, slots, jobs, clock_ms, {ended}, ended_why
         FROM plimsoll.workers WHERE ended_at IS NULL OR ended_at > now() - interval '1 day' ORDER BY live DESC, box, started_at DESC",
        ended = ms("ended_at")
    );
    let worker = |row: &Row| FleetWorker {
        worker: row.get::<_, Uuid>(0).to_string(),
        r#box: row.get(1),
        host: row.get(2),
        pid: row.get(3),
        version: row.get(4),
        ffmpeg: row.get(5),
        profile: row.get(6),
        live: row.get(7),
        silent_ms: row.get(8),
        drained: row.get(9),
        stands_down: row.get(10),
        largest_bytes: row.get(11),
        line_bytes: row.get(12),
        counted_bytes: row.get(13),
        level: row.get(14),
        slots: row.get(15),
        jobs: row.get(16),
        clock_ms: row.get(17),
        ended_at: row.get::<_, Option<i64>>(18).map(Wall),
        ended_why: row.get(19),
    };
    Ok(db.rows(&statement, &[]).await?.iter().map(worker).collect())
}

/// What happened, of one job or of all: those after a number, oldest first, or the latest where it is 0.
///
/// # Errors
/// See [`QueueError`].
pub async fn events(db: &Database, of: Option<i64>, after: i64, limit: i64) -> Result<Vec<FleetEvent>, QueueError> {
    let order = if after > 0 { "ASC" } else { "DESC" };
    let statement = format!(
        "SELECT e.id, {at}, e.kind, e.job, w.box, e.detail FROM plimsoll.event e LEFT JOIN plimsoll.worker w ON w.id = e.worker
         WHERE ($1::bigint IS NULL OR e.job = $1) AND e.id > $2 ORDER BY e.id {order} LIMIT $3",
        at = ms("e.at")
    );
    let rows = db.rows(&statement, &[(&of, Type::INT8), (&after, Type::INT8), (&limit, Type::INT8)]).await?;
    let event = |row: &Row| FleetEvent {
        event: row.get(0),
        at: Wall(row.get(1)),
        kind: row.get(2),
        job: row.get(3),
        worker: row.get(4),
        detail: row.get(5),
    };
    let mut events: Vec<FleetEvent> = rows.iter().map(event).collect();
    if after == 0 {
        events.reverse();
    }
    Ok(events)
}

/// Writes down something that happened to a job on a box and that no other statement tells.
///
/// # Errors
/// See [`QueueError`].
pub async fn note(db: &Database, kind: &str, job: i64, r#box: &str, detail: &str) -> Result<(), QueueError> {
    let statement = "
        INSERT INTO plimsoll.event (kind, job, worker, detail)
        VALUES ($1, $2, (SELECT id FROM plimsoll.worker WHERE box = $3 ORDER BY started_at DESC LIMIT 1), $4) RETURNING 1";
    let values = [(&kind as &(dyn ToSql + Sync), Type::TEXT), (&job, Type::INT8), (&r#box, Type::TEXT), (&detail, Type::TEXT)];
    db.rows(statement, &values).await.map(drop)
}

/// The end of the log of a job's last try; `None` = there is no such job.
///
/// # Errors
/// See [`QueueError`].
pub async fn log(db: &Database, job: i64) -> Result<Option<String>, QueueError> {
    let row = db.row("SELECT coalesce(log, '') FROM plimsoll.job WHERE id = $1", &[(&job, Type::INT8)]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// What came of a request for one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// It is done.
    Done,
    /// Its worker is told, and does it.
    Told,
    /// It is in a state in which that has no meaning.
    Not,
}

/// Ends a job for good: one that waits at once, one at work when its worker hears of it.
///
/// # Errors
/// See [`QueueError`].
pub async fn cancel(db: &Database, job: i64) -> Result<Asked, QueueError> {
    let statement = "
        WITH mine AS (
            UPDATE plimsoll.job SET cancelling = true, state = CASE state WHEN 'queued' THEN 'cancelled' ELSE state END,
                ended_at = CASE state WHEN 'queued' THEN now() END, reserved_for = NULL
            WHERE id = $1 AND state IN ('queued', 'running') RETURNING id, state
        ), told AS (
            INSERT INTO plimsoll.event (kind, job, detail) SELECT CASE state WHEN 'running' THEN 'cancelling' ELSE state END, id, '' FROM mine
        )
        SELECT state, pg_notify('plimsoll', 'cancel') FROM mine";
    let row = db.row(statement, &[(&job, Type::INT8)]).await?;
    Ok(match row.as_ref().map(|row| row.get::<_, &str>(0)) {
        None => Asked::Not,
        Some("cancelled") => Asked::Done,
        Some(_) => Asked::Told,
    })
}

/// Runs an ended job again, on any box.
///
/// # Errors
/// See [`QueueError`].
pub async fn retry(db: &Database, job: i64) -> Result<Asked, QueueError> {
    let statement = "
        WITH mine AS (
            UPDATE plimsoll.job SET state = 'queued', cancelling = false, deaths = 0, losses = 0, attempts = 0, avoid = '{}',
                reason = NULL, ended_at = NULL, not_before = NULL, queued_at = now()
            WHERE id = $1 AND state IN ('failed', 'out_of_memory', 'rejected', 'cancelled') RETURNING id
        ), told AS (
            INSERT INTO plimsoll.event (kind, job) SELECT 'retried', id FROM mine
        )
        SELECT id, pg_notify('plimsoll', 'queued') FROM mine";
    let row = db.row(statement, &[(&job, Type::INT8)]).await?;
    Ok(if row.is_some() { Asked::Done } else { Asked::Not })
}

/// Lets the workers of a box, or one by the beginning of its name, take nothing more, or again. How many that were.
///
/// # Errors
/// See [`QueueError`].
pub async fn drain(db: &Database, worker: &str, drained: bool) -> Result<u64, QueueError> {
    let statement = "
        WITH mine AS (
            UPDATE plimsoll.worker SET drained = $2
            WHERE ended_at IS NULL AND (box = $1 OR host = $1 OR starts_with(id::text, $1)) RETURNING id
        ), free AS (
            UPDATE plimsoll.job j SET reserved_for = NULL FROM mine WHERE $2 AND j.reserved_for = mine.id
        ), told AS (
            INSERT INTO plimsoll.event (kind, worker) SELECT CASE WHEN $2 THEN 'drained' ELSE 'undrained' END, id FROM mine
        )
        SELECT count(*), pg_notify('plimsoll', 'drain') FROM mine HAVING count(*) > 0";
    let row = db.row(statement, &[(&worker, Type::TEXT), (&drained, Type::BOOL)]).await?;
    Ok(row.map_or(0, |row| row.get::<_, i64>(0)) as u64)
}

/// Which of these keys nobody records as an output, as one that is being made, or as the name that was wished for one.
///
/// # Errors
/// See [`QueueError`].
pub async fn unrecorded(db: &Database, keys: &[String]) -> Result<Vec<String>, QueueError> {
    let statement = "
        SELECT k FROM unnest($1::text[]) AS k WHERE NOT EXISTS (
            SELECT FROM plimsoll.output o JOIN plimsoll.job j ON j.id = o.job
            WHERE o.key = k AND (o.state = 'committed' OR j.state = 'running' AND j.fence = o.fence))
          AND NOT EXISTS (SELECT FROM plimsoll.target t WHERE t.key = k)";
    Ok(db.rows(statement, &[(&keys, Type::TEXT_ARRAY)]).await?.iter().map(|row| row.get(0)).collect())
}

/// Which of these keys no job has as its input, by the key or by its whole address, which begins so.
///
/// # Errors
/// See [`QueueError`].
pub async fn unnamed(db: &Database, address: &str, keys: &[String]) -> Result<Vec<String>, QueueError> {
    let statement = "
        SELECT k FROM unnest($1::text[]) AS k
        WHERE NOT EXISTS (SELECT FROM plimsoll.job j WHERE j.input = k)
          AND NOT EXISTS (SELECT FROM plimsoll.job j WHERE j.input = $2 || '/' || k)";
    let values = [(&keys as &(dyn ToSql + Sync), Type::TEXT_ARRAY), (&address, Type::TEXT)];
    Ok(db.rows(statement, &values).await?.iter().map(|row| row.get(0)).collect())
}

/// Milliseconds since 1970 of a column.
fn ms(column: &str) -> String {
    format!("(extract(epoch FROM {column}) * 1000)::bigint")
}
