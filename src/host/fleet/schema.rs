//! The tables of the queue, and the steps from one version of them to the next.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_postgres::types::Type;

use super::db::{Database, QueueError};
use crate::domain::preset::Preset;

/// Each step, by the version that it leads to.
const MIGRATIONS: &[(i32, &str)] = &[(1, include_str!("migrations/1.sql"))];
/// The version that this program speaks.
pub const VERSION: i32 = 1;

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// The version before; 0 = there was none.
    pub from: i32,
    /// The version now.
    pub to: i32,
}

/// Makes the schema, or brings it to this version, and says what presets mean from now on. What waits is not touched.
///
/// # Errors
/// The schema is newer than this program, or see [`QueueError`].
pub async fn init(db: &Database, lease: Duration, presets: &BTreeMap<String, Preset>) -> Result<Made, QueueError> {
    db.version().await?;
    let from = version(db).await?.unwrap_or(0);
    for (version, statements) in MIGRATIONS.iter().filter(|(version, _)| *version > from) {
        // Two that do it at once take turns; the later one finds it done and is refused by the primary key.
        db.script(&format!(
            "SELECT pg_advisory_xact_lock(7305501); {statements}; INSERT INTO plimsoll.migration VALUES ({version})"
        ))
        .await?;
    }
    let statement = "INSERT INTO plimsoll.fleet (lease) VALUES (make_interval(secs => $1)) ON CONFLICT (one) DO UPDATE SET lease = excluded.lease";
    db.rows(&format!("{statement} RETURNING 1"), &[(&lease.as_secs_f64(), Type::FLOAT8)]).await?;
    for (name, preset) in presets {
        let definition = serde_json::to_value(preset).map_err(|error| QueueError::Refused(format!("preset {name}: {error}")))?;
        let statement = "INSERT INTO plimsoll.preset (name, definition) VALUES ($1, $2)
            ON CONFLICT (name) DO UPDATE SET definition = excluded.definition, changed_at = now() RETURNING 1";
        db.rows(statement, &[(name, Type::TEXT), (&definition, Type::JSONB)]).await?;
    }
    Ok(Made { from, to: VERSION })
}

/// Makes sure that this program understands the schema.
///
/// # Errors
/// There is none, it is newer, or see [`QueueError`].
pub async fn check(db: &Database) -> Result<(), QueueError> {
    match version(db).await? {
        Some(_) => Ok(()),
        None => Err(QueueError::Refused(format!(
            "{}: there is no fleet in this database; `plimsoll fleet init` makes one",
            db.address()
        ))),
    }
}

/// The version of the schema; `None` = there is none.
async fn version(db: &Database) -> Result<Option<i32>, QueueError> {
    let there = db.row("SELECT to_regclass('plimsoll.migration') IS NOT NULL", &[]).await?;
    if !there.is_some_and(|row| row.get::<_, bool>(0)) {
        return Ok(None);
    }
    let row = db.row("SELECT max(version) FROM plimsoll.migration", &[]).await?;
    let version = row.and_then(|row| row.get::<_, Option<i32>>(0)).unwrap_or(0);
    if version > VERSION {
        return Err(QueueError::Refused(format!(
            "{}: the fleet's tables have version {version}, this plimsoll understands {VERSION}; install a newer plimsoll here",
            db.address()
        )));
    }
    Ok(Some(version))
}
