//! A profile: how many jobs at once, how large a file, where the load line is. One row of the trade-off table.
//!
//! Plain facts after validation; reading and checking YAML is `config`'s work.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::units::Bytes;

pub mod check;

/// The budget that marks given in bytes are meant for where a profile names none: the guide's 2 GB box.
pub const REFERENCE_BUDGET: Bytes = Bytes::gib(2);

/// One row of the trade-off table, validated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Short name, as given to `--profile`.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Job slots.
    pub max_concurrent: Slots,
    /// Larger inputs are rejected unless the operator lets them in.
    pub max_file_size: Bytes,
    /// How many jobs of large pictures may be at work at once; `None` = no rule of their own.
    #[serde(default)]
    pub large: Option<LargeRule>,
    /// The load line.
    pub memory: MemoryMarks,
    /// What parts and scratch files may hold on disk together; `None` = no limit.
    pub scratch_limit: Option<Bytes>,
    /// Environment of the children.
    pub env: BTreeMap<String, String>,
    /// The guide's words for this row.
    pub guide: GuideWords,
}

/// How many jobs may be at work at once. In JSON a number, or `"auto"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "WrittenSlots", into = "WrittenSlots")]
pub enum Slots {
    /// So many, 1 to 64.
    Fixed(u32),
    /// As many as memory has room for and the processors have work for.
    Auto,
}

/// The word for slots that are decided while jobs run.
const AUTO: &str = "auto";

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenSlots {
    Number(u32),
    Word(String),
}

impl TryFrom<WrittenSlots> for Slots {
    type Error = String;

    fn try_from(written: WrittenSlots) -> Result<Self, String> {
        match written {
            WrittenSlots::Number(slots) => Ok(Self::Fixed(slots)),
            WrittenSlots::Word(word) if word == AUTO => Ok(Self::Auto),
            WrittenSlots::Word(word) => Err(format!("job slots are a number or `{AUTO}`, not `{word}`")),
        }
    }
}

impl From<Slots> for WrittenSlots {
    fn from(slots: Slots) -> Self {
        match slots {
            Slots::Fixed(slots) => Self::Number(slots),
            Slots::Auto => Self::Word(AUTO.to_owned()),
        }
    }
}

impl From<u32> for Slots {
    fn from(slots: u32) -> Self {
        Self::Fixed(slots)
    }
}

impl Slots {
    /// Their number; `None` where it is decided while jobs run.
    pub const fn fixed(self) -> Option<u32> {
        match self {
            Self::Fixed(slots) => Some(slots),
            Self::Auto => None,
        }
    }

    /// `2 at once`, or what decides.
    pub fn words(self) -> String {
        match self {
            Self::Fixed(slots) => format!("{slots} at once"),
            Self::Auto => "as many at once as fit".to_owned(),
        }
    }
}

/// The number, or `auto`.
impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(slots) => slots.fmt(f),
            Self::Auto => f.pad(AUTO),
        }
    }
}

/// What keeps a profile that decides its slots itself from starting another job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotLimit {
    /// The jobs at work keep every processor busy.
    Processors,
    /// The next job does not fit under the load line.
    Memory,
    /// What waits are large jobs, and as many of them are at work as may be.
    Large,
}

/// Jobs of large pictures take turns: a rule beside the slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeRule {
    /// A job is large whose picture has at least as many pixels.
    pub from: Picture,
    /// So many large ones may be at work at once, 1 to 64.
    pub at_once: u32,
}

impl LargeRule {
    /// `one large at a time`.
    pub fn words(&self) -> String {
        if self.at_once == 1 { "one large at a time".to_owned() } else { format!("{} large at a time", self.at_once) }
    }
}

/// Size of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

impl Picture {
    /// The picture of 16 to 9 with this height: `1080p` is 1920 by 1080. Even across, as films are.
    pub const fn of_height(height: u32) -> Self {
        Self { width: (height.saturating_mul(16).div_ceil(9)).next_multiple_of(2), height }
    }

    pub const fn pixels(self) -> u64 {
        self.width as u64 * self.height as u64
    }
}

/// `1080p`, or `1440x1080` where it is not 16 to 9.
impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::of_height(self.height) {
            write!(f, "{}p", self.height)
        } else {
            write!(f, "{}x{}", self.width, self.height)
        }
    }
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

impl MemoryMarks {
    /// The budget that marks in bytes are meant for: the profile's own, else the guide's.
    pub fn meant_for(&self) -> Bytes {
        self.budget.unwrap_or(REFERENCE_BUDGET)
    }

    /// The same marks for another budget: those in bytes keep their share of it, up as well as down.
    #[must_use]
    pub fn for_budget(&self, budget: Bytes) -> Self {
        let factor = budget.share_of(self.meant_for());
        let scaled = |mark| match mark {
            Mark::Bytes(bytes) => Mark::Bytes(bytes.scale(factor)),
            share @ Mark::Share(_) => share,
        };
        Self { budget: Some(budget), high_water: scaled(self.high_water), low_water: scaled(self.low_water), ..*self }
    }
}

/// The guide's marks on its 2 GB box, to the megabyte as the shipped profiles have them, under all there is.
pub const GUIDE_MARKS: MemoryMarks = MemoryMarks {
    budget: None,
    high_water: Mark::Bytes(Bytes::mib(1536)),
    low_water: Mark::Bytes(Bytes::mib(1331)),
    reserve: Bytes::mib(64),
};

/// A mark: bytes, scaled down where the budget is smaller than the one they are meant for, or a share of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Bytes of the budget that the profile names, else of 2 GB.
    Bytes(Bytes),
    /// Share of the budget, above 0 and at most 1.
    Share(f64),
}

impl Mark {
    /// The mark in bytes under `budget`; bytes are `meant_for` that one.
    pub fn under(self, budget: Bytes, meant_for: Bytes) -> Bytes {
        match self {
            Self::Share(share) => budget.scale(share),
            Self::Bytes(bytes) if budget < meant_for => bytes.scale(budget.share_of(meant_for)),
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
    /// `2/200` or `auto/2048`: slots and largest file in MB, the short name that header and title show.
    pub fn short(&self) -> String {
        format!("{}/{}", self.max_concurrent, self.max_file_size.0 / super::units::MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_a_number_or_a_word_in_json_and_nothing_else() {
        let read = serde_json::from_str::<Slots>;
        assert_eq!((read("2").ok(), read("\"auto\"").ok()), (Some(Slots::Fixed(2)), Some(Slots::Auto)));
        assert!(read("\"many\"").is_err() && read("-1").is_err() && read("null").is_err());
        let written = [Slots::Fixed(4), Slots::Auto].map(|slots| serde_json::to_string(&slots).expect("written"));
        assert_eq!(written, ["4", "\"auto\""]);
    }

    #[test]
    fn a_picture_is_named_by_its_height_where_that_says_it_all() {
        let pictures = [360, 480, 720, 1080, 2160].map(Picture::of_height);
        assert_eq!(pictures.map(|picture| picture.width), [640, 854, 1280, 1920, 3840]);
        assert_eq!(pictures[3].to_string(), "1080p");
        assert_eq!(Picture { width: 1440, height: 1080 }.to_string(), "1440x1080");
        assert_eq!(pictures[3].pixels(), 2_073_600);
    }

    #[test]
    fn marks_in_bytes_scale_down_with_a_smaller_budget_and_never_up() {
        let mark = Mark::Bytes(Bytes::mib(1536));
        let two = Bytes::gib(2);
        assert_eq!(mark.under(two, two), Bytes::mib(1536));
        assert_eq!(mark.under(Bytes::mib(512), two), Bytes::mib(384));
        assert_eq!(mark.under(Bytes::gib(24), two), Bytes::mib(1536));
        assert_eq!(Mark::Share(0.75).under(Bytes::gib(24), two), Bytes::gib(18));
    }
}
