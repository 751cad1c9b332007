//! A plan of a fleet: when its queue would be done with the boxes that are there, and with more or larger ones.
//!
//! Facts. Knows nothing of how they are foretold, and nothing of how they are shown.

use std::time::Duration;

use super::units::Bytes;

/// Boxes of one size that are not there yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addition {
    /// How many.
    pub boxes: u32,
    /// Memory that each may use.
    pub budget: Bytes,
}

impl std::fmt::Display for Addition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.boxes, self.budget)
    }
}

/// A set of boxes, and what is to be expected of it.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetWay {
    /// What is added to the boxes that are there; nothing = those alone.
    pub added: Vec<Addition>,
    /// Boxes that take jobs.
    pub boxes: usize,
    /// Their slots together.
    pub slots: u32,
    /// Median of the time to the last end, in seconds; `None` = nothing ends.
    pub finish_p50: Option<f64>,
    /// The time that 19 of 20 runs need at most, in seconds.
    pub finish_p95: Option<f64>,
    /// Jobs that no box takes, median.
    pub left: u64,
}

impl FleetWay {
    /// What it is called: `now`, `+2x1 GB`.
    pub fn name(&self) -> String {
        if self.added.is_empty() {
            return "now".to_owned();
        }
        self.added.iter().map(|added| format!("+{added}")).collect::<Vec<_>>().join(" ")
    }
}

/// What a finished job took.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedFleetJob {
    /// What it has in common with like jobs: what its preset means.
    pub kind: String,
    /// Size of its input.
    pub size: Bytes,
    /// Memory at its peak.
    pub needs: Bytes,
    /// How long it took in a slot.
    pub took: Duration,
}

/// A job that no box can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Homeless {
    pub job: i64,
    /// Where its input is.
    pub input: String,
    /// What it needs at its peak.
    pub needs: Bytes,
    /// The smallest budget of a box that could take it.
    pub budget: Bytes,
}

/// How a fleet's queue would be worked off with several sets of boxes.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetPlan {
    /// The queue, without a password.
    pub queue: String,
    /// Jobs that wait.
    pub waiting: u64,
    /// Jobs at work.
    pub running: u64,
    /// Jobs of the queue that each run works off; the times are those of all.
    pub simulated: usize,
    /// Finished jobs that the plan rests on.
    pub learned_from: usize,
    /// Simulated jobs of whose kind none has finished.
    pub guesses: usize,
    /// Profile of the boxes that are added, and its slots.
    pub profile: (String, u32),
    /// Runs of each way.
    pub runs: u32,
    /// The same seed gives the same plan.
    pub seed: u64,
    /// With the boxes that are there first.
    pub ways: Vec<FleetWay>,
    /// Jobs that none of the boxes that are there can take, the largest first.
    pub homeless: Vec<Homeless>,
    /// How many those are in all.
    pub homeless_jobs: u64,
}
