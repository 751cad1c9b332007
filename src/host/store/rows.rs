//! The rows of the queue, for whoever asks what has become of jobs. Only reads, beside whoever may be at work in the folder.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::error::StoreError;
use super::jobs::{CLAIMED, ENDED, REJECTED, REMOVED, WAITING};
use super::{path_of, peek};
use crate::domain::job::JobId;
use crate::domain::stored::{JobRow, RowState, RowsWanted};
use crate::domain::units::Bytes;

/// Rows told at once at most.
const MOST: u32 = 1000;
/// Jobs that can be named at once.
const NAMED: usize = 1000;

/// The rows that are wanted, lowest number first; none where there is no record yet.
///
/// # Errors
/// The record cannot be read, or another version of plimsoll has written it.
pub fn rows(state_dir: &Path, wanted: &RowsWanted) -> Result<Vec<JobRow>, StoreError> {
    let mut conditions = vec!["id > ?1".to_owned(), format!("state != {REMOVED}")];
    let mut values: Vec<Value> = vec![number(wanted.after)];
    if let Some(batch) = wanted.batch {
        values.push(number(batch));
        conditions.push(format!("scan = ?{} AND run = (SELECT max(run) FROM runs)", values.len()));
    }
    if let Some(state) = wanted.state {
        values.push(Value::Integer(value_of(state)));
        conditions.push(format!("state = ?{}", values.len()));
    }
    if !wanted.jobs.is_empty() {
        let ids: Vec<String> = wanted.jobs.iter().take(NAMED).map(|job| job.0.to_string()).collect();
        conditions.push(format!("id IN ({})", ids.join(",")));
    }
    let query = format!(
        "SELECT id, input, output, size, preset, state, attempts, outcome, reason FROM jobs WHERE {} ORDER BY id LIMIT {}",
        conditions.join(" AND "),
        wanted.limit.min(MOST),
    );
    peek(state_dir, |connection| {
        let mut query = connection.prepare(&query)?;
        query.query_map(params_from_iter(values), row)?.collect()
    })
}

fn number(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

const fn value_of(state: RowState) -> i64 {
    match state {
        RowState::Waiting => WAITING,
        RowState::Running => CLAIMED,
        RowState::Ended => ENDED,
        RowState::Rejected => REJECTED,
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<JobRow> {
    let outcome: Option<String> = row.get(7)?;
    let state = match row.get(5)? {
        WAITING => RowState::Waiting,
        CLAIMED => RowState::Running,
        ENDED => RowState::Ended,
        _ => RowState::Rejected,
    };
    Ok(JobRow {
        job: JobId(row.get::<_, i64>(0)? as u64),
        input: path_of(row.get(1)?),
        output: path_of(row.get(2)?),
        size_bytes: Bytes(row.get::<_, i64>(3)? as u64),
        preset: row.get(4)?,
        state,
        attempts: row.get(6)?,
        // One that a later version has written is not known here.
        outcome: outcome.and_then(|name| serde_json::from_value(serde_json::Value::String(name)).ok()),
        reason: row.get(8)?,
    })
}
