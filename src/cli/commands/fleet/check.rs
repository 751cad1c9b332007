//! `fleet check`: whether the parts of a fleet are fit for it.

use color_eyre::eyre::Result;
use serde::Serialize;

use super::write_json;
use crate::cli::write_out;
use crate::host::fleet::db::{Database, QueueError};
use crate::host::fleet::files::Files;
use crate::host::fleet::{queue, schema};

/// Clocks that are further apart than this are told: leases do not need them, people who compare logs do.
const CLOCKS_APART_MS: i64 = 5000;

/// How one thing was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Standing {
    Ok,
    Warning,
    Failed,
}

/// What was looked at, and how it was found.
#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    standing: Standing,
    detail: String,
}

/// Looks at everything; 1 where something does not work.
pub async fn check(db: Database, files: Files, as_json: bool) -> Result<u8> {
    let mut findings = Vec::new();
    let mut found = |what, standing, detail: String| findings.push(Finding { what, standing, detail });
    let refused = |error: &QueueError| (Standing::Failed, error.to_string());
    let (standing, detail) = match db.version().await {
        Ok(version) => (Standing::Ok, format!("PostgreSQL {version} at {}", db.address())),
        Err(error) => refused(&error),
    };
    let is_there = standing == Standing::Ok;
    found("database", standing, detail);
    if is_there {
        let (standing, detail) = match schema::check(&db).await {
            Ok(()) => (Standing::Ok, format!("version {}", schema::VERSION)),
            Err(error) => refused(&error),
        };
        found("tables", standing, detail);
        let (standing, detail) = match rights(&db).await {
            Ok(missing) if missing.is_empty() => (Standing::Ok, "may read and write the queue".to_owned()),
            Ok(missing) => (Standing::Failed, format!("may not {}; ask the owner of the database for it", missing.join(", "))),
            Err(error) => refused(&error),
        };
        found("rights", standing, detail);
        let (standing, detail) = match clock(&db).await {
            Ok(apart) if apart.abs() > CLOCKS_APART_MS => (
                Standing::Warning,
                format!("this machine's clock and the database's are {} s apart; leases do not care, logs do", apart / 1000),
            ),
            Ok(apart) => (Standing::Ok, format!("{apart} ms apart")),
            Err(error) => refused(&error),
        };
        found("clock", standing, detail);
    }
    let (standing, detail) = match files.conditional_writes_hold().await {
        Ok(trial) if trial.holds() => {
            (Standing::Ok, format!("{} keeps its word: of {} writers one wins", files.address(), trial.writers))
        }
        Ok(trial) => (
            Standing::Warning,
            format!(
                "{}: of {} writers of one name {} were told to have won; plimsoll relies on names reserved in the database alone",
                files.address(),
                trial.writers,
                trial.put_winners.max(trial.copy_winners)
            ),
        ),
        Err(error) => (Standing::Failed, error.to_string()),
    };
    found("files", standing, detail);
    if is_there && let Ok(workers) = queue::workers(&db).await {
        let live: Vec<_> = workers.iter().filter(|worker| worker.live).collect();
        let mut versions: Vec<&str> = live.iter().map(|worker| worker.ffmpeg.as_str()).collect();
        versions.sort_unstable();
        versions.dedup();
        let (standing, detail) = match versions.as_slice() {
            [] => (Standing::Warning, "no worker is there".to_owned()),
            [one] => (Standing::Ok, format!("{one} on all {} workers", live.len())),
            several => {
                (Standing::Warning, format!("workers have different ones ({}); their outputs may differ", several.join(", ")))
            }
        };
        found("ffmpeg", standing, detail);
        for worker in live.iter().filter(|worker| worker.clock_ms.abs() > CLOCKS_APART_MS) {
            found("clock", Standing::Warning, format!("{} is {} s apart from the database", worker.r#box, worker.clock_ms / 1000));
        }
        for worker in live.iter().filter(|worker| worker.stands_down.is_some()) {
            let why = worker.stands_down.clone().unwrap_or_default();
            found("worker", Standing::Warning, format!("{} takes nothing for now: {why}", worker.r#box));
        }
    }
    let has_failed = findings.iter().any(|finding| finding.standing == Standing::Failed);
    if as_json {
        write_json(&findings)?;
        return Ok(u8::from(has_failed));
    }
    for Finding { what, standing, detail } in &findings {
        let mark = match standing {
            Standing::Ok => "ok     ",
            Standing::Warning => "warning",
            Standing::Failed => "failed ",
        };
        write_out(format!("{mark}  {what:<9} {detail}\n").as_bytes())?;
    }
    Ok(u8::from(has_failed))
}

/// Rights that are missing.
async fn rights(db: &Database) -> Result<Vec<String>, QueueError> {
    let statement = "
        SELECT format('%s %s', privilege, name)
        FROM (VALUES ('plimsoll.job'), ('plimsoll.worker'), ('plimsoll.output'), ('plimsoll.event'), ('plimsoll.fleet')) AS t (name),
             (VALUES ('SELECT'), ('INSERT'), ('UPDATE')) AS p (privilege)
        WHERE to_regclass(name) IS NOT NULL AND NOT has_table_privilege(name, privilege)";
    Ok(db.rows(statement, &[]).await?.iter().map(|row| row.get(0)).collect())
}

/// By how many milliseconds this machine's clock is ahead.
async fn clock(db: &Database) -> Result<i64, QueueError> {
    let row = db.row("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", &[]).await?;
    let theirs: i64 = row.map_or(0, |row| row.get(0));
    Ok(jiff::Timestamp::now().as_millisecond() - theirs)
}
