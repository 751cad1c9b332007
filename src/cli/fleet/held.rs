//! What a worker holds: each claim with how far it is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio::task::AbortHandle;

use crate::domain::job::JobId;
use crate::host::fleet::claim::Claimed;
use crate::host::fleet::spool::Place;

/// How far a claim is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its input is on its way.
    Fetching,
    /// The engine was asked to queue it.
    Queueing,
    /// It is a job of the engine's.
    Here,
    /// It has ended here; the queue is being told, and its output stored.
    Ending,
}

#[derive(Debug)]
pub struct Held {
    pub claimed: Claimed,
    /// Where its files are.
    pub place: Place,
    /// How far it is.
    pub stage: Stage,
    /// What fetches its input, while that is on its way.
    pub fetch: Option<AbortHandle>,
    /// The engine's job, once there is one.
    pub job: Option<JobId>,
    /// Its output, once it is verified.
    pub output: Option<PathBuf>,
    /// Somebody has cancelled it in the queue.
    pub cancelled: bool,
}

/// All of them, by their number in the queue.
#[derive(Debug, Default)]
pub struct Holding {
    held: BTreeMap<i64, Held>,
}

impl Holding {
    /// Takes a claim in.
    pub fn insert(&mut self, held: Held) {
        self.held.insert(held.claimed.hold.job, held);
    }

    /// One of them.
    pub fn get(&mut self, job: i64) -> Option<&mut Held> {
        self.held.get_mut(&job)
    }

    /// Holds it no more.
    pub fn remove(&mut self, job: i64) -> Option<Held> {
        self.held.remove(&job)
    }

    /// The one whose input lies there.
    pub fn of_input(&mut self, input: &Path) -> Option<&mut Held> {
        self.held.values_mut().find(|held| input.starts_with(held.place.inputs()))
    }

    /// The one that is this job of the engine's.
    pub fn of_job(&mut self, job: JobId) -> Option<&mut Held> {
        self.held.values_mut().find(|held| held.job == Some(job))
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Held> {
        self.held.values()
    }

    pub fn jobs(&self) -> Vec<i64> {
        self.held.keys().copied().collect()
    }

    /// None is held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}
