//! Which job a worker gets: the first of the queue that fits under its line now.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::Hold;
use super::db::{Database, QueueError};
use super::results::{self, Back};
use crate::domain::preset::Preset;
use crate::domain::units::Bytes;
use crate::engine::offer::Offer;

/// So many jobs that this plimsoll does not understand are given back in one call.
const MOST_GIVEN_BACK: u32 = 20;
/// How often is asked where others were quicker each time.
const TRIES: u32 = 5;

/// A job that a worker has claimed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claimed {
    /// How its later writes name it.
    pub hold: Hold,
    /// Where its input is.
    pub input: String,
    /// Of that input, where it is known: another one is refused.
    pub etag: Option<String>,
    /// Name of its preset.
    pub preset: String,
    /// What that name meant when it was queued.
    pub definition: Preset,
    /// The key that its output is to have in the end.
    pub target: Option<String>,
    /// Memory that it takes at its peak, where it is known.
    pub needs: Option<Bytes>,
}

/// Claims the first job that fits.
///
/// The rows are picked before one is locked, and what was picked is written down first (`MATERIALIZED`): a subquery that the
/// planner may run again claims more than its limit. 64 are looked at, 16 of each size, so that many workers may ask in the same
/// moment; where others have taken all of them meanwhile, it is asked again: a worker that hears of no job comes back much later.
/// A job whose preset this plimsoll does not understand goes back at once, for others.
///
/// # Errors
/// See [`QueueError`].
pub async fn claim(db: &Database, worker: Uuid, offer: Offer) -> Result<Option<Claimed>, QueueError> {
    let statement = "
        WITH me AS MATERIALIZED (
            SELECT id, box, EXISTS (SELECT FROM plimsoll.job WHERE reserved_for = $1 AND state = 'queued') AS is_reserved
            FROM plimsoll.worker WHERE id = $1 AND ended_at IS NULL AND lease_until > now() AND NOT drained
        ), picked AS MATERIALIZED (
            SELECT p.id, p.rank FROM me, generate_series($3, plimsoll.size_class($2)) AS class,
            LATERAL (
                SELECT j.id, j.rank FROM plimsoll.job j
                WHERE j.state = 'queued' AND j.size_class = class AND coalesce(j.needs, 0) <= $2
                  AND (j.not_before IS NULL OR j.not_before <= now())
                  AND (j.reserved_for = me.id OR j.reserved_for IS NULL AND NOT me.is_reserved)
                  AND NOT (me.box = ANY (j.avoid))
                ORDER BY j.rank, j.id LIMIT 16
            ) p ORDER BY p.rank, p.id LIMIT 64
        ), locked AS MATERIALIZED (
            SELECT j.id FROM plimsoll.job j JOIN picked USING (id) WHERE j.state = 'queued'
            ORDER BY j.rank, j.id LIMIT 1 FOR UPDATE OF j SKIP LOCKED
        ), mine AS (
            UPDATE plimsoll.job j SET state = 'running', worker = $1, fence = nextval('plimsoll.fence'), claimed_at = now(),
                attempts = attempts + 1, reserved_for = NULL, progress = NULL, reason = NULL, not_before = NULL
            FROM locked WHERE j.id = locked.id
            RETURNING j.id, j.fence, j.input, j.etag, j.preset, j.definition, j.target, j.needs
        ), told AS (
            INSERT INTO plimsoll.event (kind, job, worker) SELECT 'claimed', id, $1 FROM mine
        )
        SELECT mine.*, EXISTS (SELECT FROM picked) FROM (VALUES (1)) AS one LEFT JOIN mine ON true";
    let room = offer.room.0 as i64;
    let from = i32::from(!offer.unknown);
    let values = [(&worker as &(dyn tokio_postgres::types::ToSql + Sync), Type::UUID), (&room, Type::INT8), (&from, Type::INT4)];
    let (mut tries, mut given_back) = (0, 0);
    loop {
        let Some(row) = db.row(statement, &values).await? else { return Ok(None) };
        let Some(job) = row.get::<_, Option<i64>>(0) else {
            tries += 1;
            if tries == TRIES || !row.get::<_, bool>(8) {
                return Ok(None);
            }
            continue;
        };
        let hold = Hold { job, worker, fence: row.get(1) };
        let preset: String = row.get(4);
        let definition = match serde_json::from_value(row.get(5)) {
            Ok(definition) => definition,
            Err(error) => {
                // Of a newer plimsoll, or a wrong one. The box leaves it alone from now on, so this comes to an end.
                let own = env!("CARGO_PKG_VERSION");
                let why =
                    format!("plimsoll {own} does not understand its preset {preset}: {error}; a worker that does will take it");
                let _ = results::give_back(db, &hold, &Back::BoxFault, &why, "").await?;
                given_back += 1;
                // Of very many the others wait for the next look, as the worker has other things to do.
                if given_back == MOST_GIVEN_BACK {
                    return Ok(None);
                }
                continue;
            }
        };
        return Ok(Some(Claimed {
            hold,
            input: row.get(2),
            etag: row.get(3),
            definition,
            preset,
            target: row.get(6),
            needs: row.get::<_, Option<i64>>(7).map(|bytes| Bytes(bytes.max(0) as u64)),
        }));
    }
}

/// Keeps this box free for the first job that has waited for long and fits here, but not beside what is at work: it claims
/// nothing else until that one fits. A box keeps itself for one job at a time.
///
/// # Errors
/// See [`QueueError`].
pub async fn reserve(db: &Database, worker: Uuid, offer: Offer, patience: Duration) -> Result<Option<i64>, QueueError> {
    let statement = "
        WITH me AS MATERIALIZED (
            SELECT id, box FROM plimsoll.worker
            WHERE id = $1 AND ended_at IS NULL AND lease_until > now() AND NOT drained AND stands_down IS NULL
              AND NOT EXISTS (SELECT FROM plimsoll.job WHERE reserved_for = $1 AND state = 'queued')
        ), picked AS MATERIALIZED (
            SELECT p.id FROM me, generate_series(greatest(1, plimsoll.size_class($2)), plimsoll.size_class($3)) AS class,
            LATERAL (
                SELECT j.id, j.rank FROM plimsoll.job j
                WHERE j.state = 'queued' AND j.size_class = class AND j.needs > $2 AND j.needs <= $3 AND j.reserved_for IS NULL
                  AND j.queued_at < now() - make_interval(secs => $4) AND NOT (me.box = ANY (j.avoid))
                ORDER BY j.rank, j.id LIMIT 1
            ) p ORDER BY p.rank, p.id LIMIT 1
        ), locked AS MATERIALIZED (
            SELECT j.id FROM plimsoll.job j JOIN picked USING (id) WHERE j.state = 'queued' AND j.reserved_for IS NULL
            FOR UPDATE OF j SKIP LOCKED
        ), kept AS (
            UPDATE plimsoll.job j SET reserved_for = $1 FROM locked WHERE j.id = locked.id RETURNING j.id
        ), told AS (
            INSERT INTO plimsoll.event (kind, job, worker) SELECT 'reserved', id, $1 FROM kept
        )
        SELECT id FROM kept";
    let (room, largest, patience) = (offer.room.0 as i64, offer.largest.0 as i64, patience.as_secs_f64());
    let values = [
        (&worker as &(dyn tokio_postgres::types::ToSql + Sync), Type::UUID),
        (&room, Type::INT8),
        (&largest, Type::INT8),
        (&patience, Type::FLOAT8),
    ];
    Ok(db.row(statement, &values).await?.map(|row| row.get(0)))
}
