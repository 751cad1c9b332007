//! The rows of the queue, for whoever asks what has become of jobs. Only reads, beside whoever may be at work in the folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::error::StoreError;
use super::jobs::{CLAIMED, ENDED, REJECTED, REMOVED, WAITING};
use super::{path_of, peek};
use crate::domain::event::JobCounts;
use crate::domain::job::{JobId, Outcome};
use crate::domain::stored::{JobRow, RowState, RowsWanted};
use crate::domain::text::path_text;
use crate::domain::time::Wall;
use crate::domain::units::Bytes;
use crate::host::process::log::old_logs::OnRecord;

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
        "SELECT id, input, output, size, preset, state, attempts, outcome, reason, ended_at, damage, rank FROM jobs WHERE {} ORDER BY id LIMIT {}",
        conditions.join(" AND "),
        wanted.limit.min(MOST),
    );
    peek(state_dir, |connection| {
        let mut query = connection.prepare(&query)?;
        query.query_map(params_from_iter(values), row)?.collect()
    })
}

/// How many jobs of the stored queue there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// By how they ended.
    pub ended: JobCounts,
    /// They wait, those that were at work included.
    pub waiting: u64,
    /// Of these: they were at work when somebody last wrote here.
    pub interrupted: u64,
}

/// Counts the jobs; none where there is no record yet.
///
/// # Errors
/// As [`rows`].
pub fn counts(state_dir: &Path) -> Result<Counts, StoreError> {
    peek(state_dir, |connection| {
        let mut query = connection.prepare("SELECT state, outcome, count(*), count(damage) FROM jobs GROUP BY state, outcome")?;
        let groups = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let mut counts = Counts::default();
        for group in groups {
            let (state, outcome, count, damaged): (i64, Option<String>, i64, i64) = group?;
            let count = count as u64;
            match state {
                WAITING => counts.waiting += count,
                CLAIMED => {
                    counts.waiting += count;
                    counts.interrupted += count;
                }
                ENDED => {
                    counts.ended.add(outcome_of(outcome).unwrap_or(Outcome::Failed), count);
                    counts.ended.damaged += damaged as u64;
                }
                REJECTED => counts.ended.rejected += count,
                _ => {}
            }
        }
        Ok(counts)
    })
}

/// The inputs that these paths name. What came over a line is the text of a path, which does not tell every byte of it: one that
/// leads to nothing is looked for among the inputs of the stored queue, by its text.
///
/// # Errors
/// As [`rows`].
pub fn exact_inputs(state_dir: &Path, inputs: Vec<PathBuf>) -> Result<Vec<PathBuf>, StoreError> {
    let leads_nowhere = |path: &Path| path.symlink_metadata().is_err();
    if !inputs.iter().any(|input| leads_nowhere(input)) {
        return Ok(inputs);
    }
    let known: BTreeMap<String, PathBuf> = peek(state_dir, |connection| {
        let mut query = connection.prepare(&format!("SELECT input FROM jobs WHERE state != {REMOVED}"))?;
        let inputs = query.query_map([], |row| Ok(path_of(row.get(0)?)))?;
        inputs.map(|input| input.map(|input| (path_text(&input), input))).collect()
    })?;
    let exact = |input: PathBuf| match known.get(&path_text(&input)) {
        Some(exact) if leads_nowhere(&input) => exact.clone(),
        _ => input,
    };
    Ok(inputs.into_iter().map(exact).collect())
}

/// Whose logs can be asked for.
///
/// # Errors
/// As [`rows`].
pub fn on_record(state_dir: &Path) -> Result<OnRecord, StoreError> {
    peek(state_dir, |connection| {
        let runs =
            connection.prepare("SELECT DISTINCT run FROM events")?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut jobs = connection.prepare("SELECT id FROM jobs")?;
        let jobs = jobs.query_map([], |row| row.get::<_, i64>(0).map(|id| id as u64))?.collect::<Result<_, _>>()?;
        Ok(OnRecord { runs, jobs })
    })
}

/// One that a later version has written is not known here.
fn outcome_of(name: Option<String>) -> Option<Outcome> {
    name.and_then(|name| serde_json::from_value(serde_json::Value::String(name)).ok())
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
        outcome: outcome_of(outcome),
        reason: row.get(8)?,
        ended_at: row.get::<_, Option<i64>>(9)?.map(Wall),
        damage: row.get::<_, Option<String>>(10)?.and_then(|damage| serde_json::from_str(&damage).ok()),
        rank: row.get(11)?,
    })
}
