//! A profile: how many jobs at once, how large a file, where the load line is. One row of the trade-off table.
//!
//! Plain facts after validation; reading and checking YAML is `config`'s work.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::units::Bytes;

pub mod check;

/// The budget that marks given in bytes are meant for: the guide's 2 GB box.
pub const REFERENCE_BUDGET: Bytes = Bytes::gib(2);

/// One row of the trade-off table, validated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Short name, as given to `--profile`.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Job slots, 1 to 64.
    pub max_concurrent: u32,
    /// Larger inputs are rejected unless the operator lets them in.
    pub max_file_size: Bytes,
    /// The load line.
    pub memory: MemoryMarks,
    /// What parts and scratch files may hold on disk together; `None` = no limit.
    pub scratch_limit: Option<Bytes>,
    /// Environment of the children.
    pub env: BTreeMap<String, String>,
    /// The guide's words for this row.
    pub guide: GuideWords,
}

/// Where the marks stand, before they are scaled to a real budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MemoryMarks {
    /// What may be used at most; `None` = what the container or the machine has.
    pub budget: Option<Bytes>,
    /// Cleanup starts here.
    pub high_water: Mark,
    /// The alarm ends here.
    pub low_water: Mark,
    /// Kept for the console itself and for sshd.
    pub reserve: Bytes,
}

/// The guide's marks on its 2 GB box, to the megabyte as the shipped profiles have them.
pub const GUIDE_MARKS: MemoryMarks = MemoryMarks {
    budget: None,
    high_water: Mark::Bytes(Bytes::mib(1536)),
    low_water: Mark::Bytes(Bytes::mib(1331)),
    reserve: Bytes::mib(64),
};

/// A mark: bytes, meant for a 2 GB budget and scaled down with a smaller one, or a share of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Bytes of a 2 GB budget.
    Bytes(Bytes),
    /// Share of the budget, above 0 and at most 1.
    Share(f64),
}

impl Mark {
    /// The mark in bytes under `budget`.
    pub fn under(self, budget: Bytes) -> Bytes {
        match self {
            Self::Share(share) => budget.scale(share),
            Self::Bytes(bytes) if budget < REFERENCE_BUDGET => bytes.scale(budget.share_of(REFERENCE_BUDGET)),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// The guide's judgement of a profile, shown beside what was measured.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuideWords {
    /// "Memory Usage" of the guide's table.
    pub memory: String,
    /// "Processing Speed" of the guide's table.
    pub speed: String,
    /// "Reliability" of the guide's table.
    pub reliability: String,
}

impl Profile {
    /// `2/200`: slots and largest file in MB, the short name that header and title show.
    pub fn short(&self) -> String {
        format!("{}/{}", self.max_concurrent, self.max_file_size.0 / super::units::MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_in_bytes_scale_down_with_a_smaller_budget_and_never_up() {
        let mark = Mark::Bytes(Bytes::mib(1536));
        assert_eq!(mark.under(Bytes::gib(2)), Bytes::mib(1536));
        assert_eq!(mark.under(Bytes::mib(512)), Bytes::mib(384));
        assert_eq!(mark.under(Bytes::gib(24)), Bytes::mib(1536));
        assert_eq!(Mark::Share(0.75).under(Bytes::gib(24)), Bytes::gib(18));
    }
}
