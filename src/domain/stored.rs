//! Rows of the stored queue: it knows of more jobs than are listed, and for longer.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::job::{Damage, JobId, Outcome, Rank};
use super::text::as_text;
use super::time::Wall;
use super::units::Bytes;

/// Which rows of the stored queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsWanted {
    /// Those queued together, by their number within this run.
    #[serde(default)]
    pub batch: Option<u64>,
    /// In this state.
    #[serde(default)]
    pub state: Option<RowState>,
    /// These jobs; empty = all.
    #[serde(default)]
    pub jobs: Vec<JobId>,
    /// With a higher number than this.
    #[serde(default)]
    pub after: u64,
    /// At most so many, lowest number first.
    pub limit: u32,
}

/// A row of the stored queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    pub job: JobId,
    #[serde(with = "as_text")]
    pub input: PathBuf,
    /// Where its output stands or is to stand.
    #[serde(with = "as_text")]
    pub output: PathBuf,
    /// Size of the input when it was queued.
    pub size_bytes: Bytes,
    /// Name of its preset.
    pub preset: String,
    /// What is with it.
    pub state: RowState,
    /// Tries so far.
    pub attempts: u32,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Why it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it ended, or was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Wall>,
    /// What of its input could not be decoded, where its output was made of the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
    /// Its place among those that wait: the smallest is next; of two that are equal, the lower number.
    #[serde(default)]
    pub rank: Rank,
}

/// What is with a job of the stored queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowState {
    /// It waits.
    Waiting,
    /// It is at work.
    Running,
    /// It has ended.
    Ended,
    /// It was not let in.
    Rejected,
}
