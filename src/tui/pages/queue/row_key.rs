//! The order in which jobs stand as rows: running first, then those that wait for another try, the queued, the rejected, and
//! the ended with the latest first; or what runs, and then the others by a column.

use crate::domain::job::{Job, JobId, Phase};
use crate::domain::state::State;
use crate::domain::text::file_name_text;

/// Place of a job among the rows; smaller stands higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    pub(in crate::tui) section: Section,
    pub(in crate::tui) major: i128,
    /// The letters of the name, where rows are ordered by it.
    letters: [u8; LETTERS],
    pub id: JobId,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::tui) enum Section {
    Active,
    Backoff,
    Waiting,
    Rejected,
    Ended,
}

pub(in crate::tui) const SECTIONS: [Section; 5] =
    [Section::Active, Section::Backoff, Section::Waiting, Section::Rejected, Section::Ended];

/// The column that rows are ordered by. What runs stands first in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// As the queue goes: see the module.
    #[default]
    State,
    /// By number.
    Id,
    /// By the name of the input.
    Name,
    /// The largest input first.
    Size,
    /// The highest memory first: what was measured, else what is expected.
    Peak,
}

impl Order {
    /// The next column.
    #[must_use]
    pub const fn next(self) -> Self {
        match self {
            Self::State => Self::Id,
            Self::Id => Self::Name,
            Self::Name => Self::Size,
            Self::Size => Self::Peak,
            Self::Peak => Self::State,
        }
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Id => "number",
            Self::Name => "name",
            Self::Size => "size",
            Self::Peak => "peak",
        }
    }
}

/// Letters of a name that decide its place; names that begin alike in as many stand by number.
const LETTERS: usize = 120;

impl RowKey {
    /// A place in the usual order.
    pub(in crate::tui) const fn new(section: Section, major: i128, id: JobId) -> Self {
        Self { section, major, letters: [0; LETTERS], id }
    }

    /// Where `job` stands.
    pub fn of(job: &Job) -> Self {
        let (section, major) = match job.phase {
            Phase::Starting | Phase::Running { .. } | Phase::Stopping { .. } | Phase::Finalizing => (Section::Active, 0),
            Phase::Backoff { .. } => (Section::Backoff, 0),
            Phase::Queued => (Section::Waiting, i128::from(job.rank)),
            Phase::Rejected(_) => (Section::Rejected, 0),
            Phase::Finished(_) => (Section::Ended, -i128::from(job.ended_seq)),
        };
        Self::new(section, major, job.id)
    }

    /// Where `job` stands in this order.
    pub fn ordered(job: &Job, order: Order) -> Self {
        let usual = Self::of(job);
        if order == Order::State || usual.section == Section::Active {
            return usual;
        }
        let major = match order {
            Order::State | Order::Id | Order::Name => 0,
            Order::Size => -i128::from(job.size.0),
            Order::Peak => -i128::from(job.peak.max(job.predicted_peak.unwrap_or_default()).0),
        };
        let mut key = Self::new(Section::Backoff, major, job.id);
        if order == Order::Name {
            let name = file_name_text(&job.input).to_lowercase();
            key.letters.iter_mut().zip(name.bytes()).for_each(|(letter, byte)| *letter = byte);
        }
        key
    }

    /// Where the job with this number stands.
    pub fn find(state: &State, id: JobId) -> Option<Self> {
        state.jobs.get(&id).map(Self::of)
    }
}
