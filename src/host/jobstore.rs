//! What a store of jobs must be able to do, in the words of leases, and how events become such words.
//!
//! A job waits, is *claimed* by one owner until its lease runs out, and is *finished* or *released*. An owner that lives
//! renews its leases (*heartbeat*); what an owner that died had claimed waits again once it was *reaped*. Today one process
//! owns a file; the same words fit a database that several owners share, so nothing here knows of files or of `SQLite`.

use std::path::PathBuf;

use crate::domain::event::{Event, EventKind};
use crate::domain::job::{JobId, Outcome, Rank};
use crate::domain::preset::Preset;
use crate::domain::state::Backlog;
use crate::domain::time::Wall;
use crate::domain::units::Bytes;
use crate::engine::port::{Arrived, ScanId};

/// Distance of the ranks of jobs queued one after the other, so that one can be put between.
pub const RANK_STEP: Rank = 1 << 20;
/// How long a claim holds without a heartbeat, in milliseconds.
pub const LEASE_MS: i64 = 60_000;

/// What tells whether two inputs are the same file: a hash of the canonical path. With the name of the preset it is the key
/// under which a job is queued only once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputKey(pub [u8; 16]);

/// An input to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Absolute path, as it was given or found.
    pub input: PathBuf,
    /// See [`InputKey`].
    pub key: InputKey,
    /// Its size.
    pub size: Bytes,
    /// Where its output is to stand.
    pub output: PathBuf,
    /// Its place; `None` = at the end of the queue.
    pub place: Option<Rank>,
}

/// Inputs that are queued together.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The scan that found them.
    pub scan: ScanId,
    /// What is to be made of them, kept with the jobs: they run with it whatever the name means by then.
    pub preset: Preset,
    /// The inputs, in their order.
    pub jobs: Vec<NewJob>,
    /// When, for people.
    pub at: Wall,
}

/// Until when a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Which try the claim is for, from 1.
    pub attempt: u32,
    /// From when the lease counts.
    pub at: Wall,
}

/// How a claimed or waiting job ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The outcome.
    pub outcome: Outcome,
    /// Where its output stands, if that is known.
    pub output: Option<PathBuf>,
    /// Tries in all.
    pub attempts: u32,
    /// Why it did not end well.
    pub reason: Option<String>,
    /// When, for people.
    pub at: Wall,
}

/// A waiting job, as it is handed out.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Its number, never used twice in this store.
    pub id: JobId,
    /// The input, absolute.
    pub input: PathBuf,
    /// Its size when it was queued.
    pub size: Bytes,
    /// Where its output is to stand.
    pub output: PathBuf,
    /// Name of the preset.
    pub preset: String,
    /// Which definition of it; see [`super::store::preset_hash`].
    pub definition: String,
    /// Its place.
    pub rank: Rank,
    /// Tries so far.
    pub attempts: u32,
    /// Let in although it is over the size limit.
    pub allowed: bool,
    /// Claims in a row that were reaped.
    pub deaths: u32,
}

/// How many jobs there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Waiting, handed out or not.
    pub waiting: u64,
    /// Claimed.
    pub claimed: u64,
    /// Ended, as far as they are kept.
    pub ended: u64,
    /// Rejected, as far as they are kept.
    pub rejected: u64,
}

/// A store of jobs as one owner sees it. Each word is atomic; a word about a job that is not there does nothing, so that
/// telling it twice does no harm.
pub trait JobStore {
    /// What may go wrong with the store.
    type Error;

    /// Adds jobs at the end of the queue, in order, or at the places that they are given, with numbers and ranks that rise over the whole life of the store. An
    /// input that waits or is claimed with this preset already is not added.
    fn enqueue(&mut self, batch: &Batch) -> Result<Arrived, Self::Error>;

    /// Takes a waiting job for work. False when somebody else has it, or it does not wait.
    fn claim(&mut self, job: JobId, lease: Lease) -> Result<bool, Self::Error>;

    /// Renews the leases of everything that this owner has claimed; how many there are.
    fn heartbeat(&mut self, at: Wall) -> Result<u64, Self::Error>;

    /// The job has ended, for good unless it is retried.
    fn finish(&mut self, job: JobId, ended: &Ended) -> Result<(), Self::Error>;

    /// A claimed job waits again, at its old place. The try counts unless it was not the job's fault.
    fn release(&mut self, job: JobId, uncounted: bool) -> Result<(), Self::Error>;

    /// The job is not let in. It is not handed out again.
    fn reject(&mut self, job: JobId, reason: &str, at: Wall) -> Result<(), Self::Error>;

    /// A rejected job waits, at its old place.
    fn allow(&mut self, job: JobId, by_operator: bool) -> Result<(), Self::Error>;

    /// An ended or rejected job waits, as if it had never run.
    fn retry(&mut self, job: JobId, rank: Rank) -> Result<(), Self::Error>;

    /// Another place.
    fn reorder(&mut self, job: JobId, rank: Rank) -> Result<(), Self::Error>;

    /// This owner gives back a waiting job that was handed out to it.
    fn park(&mut self, job: JobId) -> Result<(), Self::Error>;

    /// The job is forgotten.
    fn remove(&mut self, job: JobId) -> Result<(), Self::Error>;

    /// Lets wait again what was claimed by an owner whose lease has run out, or which is known to be dead: everybody but this
    /// one when `all`. Each such job has seen one more death. How many there were.
    fn reap(&mut self, now: Wall, all: bool) -> Result<u64, Self::Error>;

    /// Hands out the next waiting jobs in order that were not handed out to this owner yet, at most `limit`.
    fn page(&mut self, limit: usize) -> Result<Vec<Waiting>, Self::Error>;

    /// What waits and was not handed out to this owner.
    fn backlog(&mut self) -> Result<Backlog, Self::Error>;

    /// Jobs by what is happening to them.
    fn counts(&mut self) -> Result<Counts, Self::Error>;
}

/// Keeps a store in step with an event. Whatever else the event means is for others.
pub fn fold<S: JobStore>(store: &mut S, event: &Event) -> Result<(), S::Error> {
    match &event.kind {
        EventKind::JobAdmitted { job, attempt, .. } => {
            store.claim(*job, Lease { attempt: *attempt, at: event.at })?;
        }
        EventKind::JobFinished { job, outcome, output, attempts, reason, .. } => {
            let (output, reason) = (output.clone(), reason.clone());
            store.finish(*job, &Ended { outcome: *outcome, output, attempts: *attempts, reason, at: event.at })?;
        }
        EventKind::JobRequeued { job, uncounted, .. } => store.release(*job, *uncounted)?,
        EventKind::JobRejected { job, detail, .. } => store.reject(*job, detail, event.at)?,
        EventKind::JobAllowed { job, by_operator } => store.allow(*job, *by_operator)?,
        EventKind::JobRetried { job, rank } => store.retry(*job, *rank)?,
        EventKind::JobMoved { job, rank } => store.reorder(*job, *rank)?,
        EventKind::JobParked { job } => store.park(*job)?,
        EventKind::JobRemoved { job, .. } => store.remove(*job)?,
        _ => {}
    }
    Ok(())
}
