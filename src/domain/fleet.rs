//! A fleet as its queue knows it: jobs, workers, events and counts, as they are told and shown. The queue is the only one that
//! knows them; what is here is of the moment at which it was asked.

use serde::{Deserialize, Serialize};

use super::time::Wall;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetJob {
    pub job: i64,
    /// `queued`, `running`, `done`, `failed`, `out_of_memory`, `rejected` or `cancelled`.
    pub state: String,
    /// Where its input is.
    pub input: String,
    /// Name of its preset.
    pub preset: String,
    /// The key that was wished for its output.
    pub target: Option<String>,
    /// Size of the input.
    pub size_bytes: Option<i64>,
    /// Memory that it takes at its peak, where that is known.
    pub needs_bytes: Option<i64>,
    /// How far it is, 0 to 1.
    pub progress: Option<f32>,
    /// Claims that count.
    pub attempts: i32,
    /// Times that it was killed for want of memory.
    pub deaths: i32,
    /// Times that its worker was lost.
    pub losses: i32,
    /// The box that has it, or had it last.
    pub worker: Option<String>,
    /// When it was queued.
    pub queued_at: Wall,
    /// When it ended.
    pub ended_at: Option<Wall>,
    /// Key of the output.
    pub output: Option<String>,
    pub output_bytes: Option<i64>,
    /// BLAKE3 of its bytes.
    pub blake3: Option<String>,
    /// Why it is where it is.
    pub reason: Option<String>,
}

/// A worker, as the queue knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetWorker {
    /// The name of this life: a worker that is started again has another one.
    pub worker: String,
    /// The box: host and state folder.
    pub r#box: String,
    pub host: String,
    pub pid: i32,
    /// plimsoll's version.
    pub version: String,
    /// ffmpeg's version.
    pub ffmpeg: String,
    pub profile: String,
    /// It has a lease.
    pub live: bool,
    /// Since its last word, in milliseconds, by the database's clock.
    pub silent_ms: i64,
    /// It takes nothing more.
    pub drained: bool,
    /// Why it takes nothing, if the fault is its own.
    pub stands_down: Option<String>,
    /// Peak of the largest job that it could ever take.
    pub largest_bytes: i64,
    /// Its load line.
    pub line_bytes: i64,
    /// What counts against the line.
    pub counted_bytes: i64,
    /// How near memory is to the line.
    pub level: String,
    /// Jobs at once.
    pub slots: i32,
    /// Jobs that it holds.
    pub jobs: i64,
    /// By how much its clock is ahead of the database's, in milliseconds.
    pub clock_ms: i64,
    /// When it ended.
    pub ended_at: Option<Wall>,
    /// Why.
    pub ended_why: Option<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetEvent {
    /// Its number, rising.
    pub event: i64,
    /// When.
    pub at: Wall,
    /// What: `queued`, `claimed`, `done`, `failed`, `lost`, `worker_started`, ….
    pub kind: String,
    pub job: Option<i64>,
    pub worker: Option<String>,
    /// More of it, in words.
    pub detail: String,
}

/// How many jobs are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetCounts {
    /// Waiting.
    pub queued: i64,
    /// At work.
    pub running: i64,
    /// Done.
    pub done: i64,
    /// Failed.
    pub failed: i64,
    /// Killed for want of memory too often.
    pub out_of_memory: i64,
    /// Not let in.
    pub rejected: i64,
    /// Cancelled.
    pub cancelled: i64,
}
