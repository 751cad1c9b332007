//! The order in which jobs stand as rows: running first, then those that wait for another try, the queued, the rejected, and
//! the ended with the latest first.

use crate::domain::job::{Job, JobId, Phase};
use crate::domain::state::State;

/// Place of a job among the rows; smaller stands higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    pub(super) section: Section,
    pub(super) major: i64,
    /// The job.
    pub id: JobId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Active,
    Backoff,
    Waiting,
    Rejected,
    Ended,
}

pub(super) const SECTIONS: [Section; 5] = [Section::Active, Section::Backoff, Section::Waiting, Section::Rejected, Section::Ended];

impl RowKey {
    /// Where `job` stands.
    pub fn of(job: &Job) -> Self {
        let (section, major) = match job.phase {
            Phase::Starting | Phase::Running { .. } | Phase::Stopping { .. } | Phase::Finalizing => (Section::Active, 0),
            Phase::Backoff { .. } => (Section::Backoff, 0),
            Phase::Queued => (Section::Waiting, job.rank),
            Phase::Rejected(_) => (Section::Rejected, 0),
            Phase::Finished(_) => (Section::Ended, -(job.ended_seq as i64)),
        };
        Self { section, major, id: job.id }
    }

    /// Where the job with this number stands.
    pub fn find(state: &State, id: JobId) -> Option<Self> {
        state.jobs.get(&id).map(Self::of)
    }
}
