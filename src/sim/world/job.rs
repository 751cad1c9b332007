//! A job of the modelled world: what it takes, and what becomes of it.

use std::time::Duration;

use crate::domain::curve::Point;
use crate::domain::job::{MediaInfo, Rejected};
use crate::domain::time::Mono;
use crate::domain::units::Bytes;
use crate::engine::port::Failure;

#[derive(Debug, Clone)]
pub struct SimJob {
    /// Size of its input.
    pub size: Bytes,
    /// Run time of a try that goes to its end.
    pub length: Duration,
    /// Memory it holds while it runs.
    pub peak: Bytes,
    /// Run time over which its memory grows to the peak; zero = at once.
    pub ramp: Duration,
    /// Pixels of its picture, which its predicted peak follows from.
    pub picture: (u32, u32),
    /// Page cache that its files leave behind.
    pub cache: Bytes,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a job.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It ends well.
    Good,
    /// Its output is there already.
    AlreadyDone,
    /// The probe does not let it in.
    Unfit(Rejected),
    /// Its first tries fail in this way, then it ends well.
    FailsFirst(u32, Failure),
    /// Its first tries cannot be started, then it ends well.
    SpawnFailsFirst(u32),
    /// Its first starts find no room on disk, then it ends well. Each counts, whatever the number of the try.
    NoRoomFirst(u32),
    /// Its first tries each write so much and find the disk full, then it ends well.
    FillsDiskFirst(Vec<Bytes>),
    /// Its output cannot be put in place.
    Unpublishable(Failure),
    /// The kernel kills its first tries.
    KilledFirst(u32),
    /// It stops making progress, uses no CPU, and does not hear SIGTERM.
    Hangs,
}

/// What a recorded or foretold course adds to a job: its media, its memory over its work, and the processors it keeps busy.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    /// What a probe finds.
    pub media: MediaInfo,
    /// Processors that it keeps busy when it is alone; its length is meant for that.
    pub parallelism: f64,
    /// Its memory over its work, in shares of its peak.
    pub points: Vec<Point>,
    /// The share of it that is done when it starts.
    pub done: f64,
}

#[derive(Debug)]
pub(super) struct Process {
    pub(super) index: usize,
    pub(super) attempt: u32,
    /// When it began.
    pub(super) began: Mono,
    /// How fast it comes on, in shares of how it would alone.
    pub(super) rate: f64,
    /// Time run, up to `since`, as it would be alone.
    pub(super) ran: Duration,
    /// Running since; `None` while stopped.
    pub(super) since: Option<Mono>,
    pub(super) generation: u64,
    /// It has told how far it is.
    pub(super) told: bool,
}
