//! A comparison as it is kept, while it goes on and afterwards: what it is of, its figures so far, and how far it is.
//!
//! It must not know where it is kept.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Column, Comparison, RunFigures, RunTag, Subject};
use crate::domain::time::Wall;

/// Which comparison: when it began, and the process that made it. Ordered by time. Written as
/// `2026-11-22T12-03-58.120Z-4711`, which every file system takes as a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ComparisonId {
    /// When it began.
    pub begun: Wall,
    pub pid: u32,
}

/// Places of the colons in the text of a time.
const COLONS: [usize; 2] = [13, 16];

impl fmt::Display for ComparisonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.begun.to_string().replace(':', "-"), self.pid)
    }
}

impl From<ComparisonId> for String {
    fn from(id: ComparisonId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for ComparisonId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for ComparisonId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let error = || format!("`{text}` names no comparison");
        let (time, pid) = text.rsplit_once('-').ok_or_else(error)?;
        if !time.is_ascii() || COLONS.iter().any(|at| time.as_bytes().get(*at) != Some(&b'-')) {
            return Err(error());
        }
        let mut time = time.to_owned();
        for at in COLONS {
            time.replace_range(at..=at, ":");
        }
        let id = Self { begun: time.parse().map_err(|_| error())?, pid: pid.parse().map_err(|_| error())? };
        // One comparison has one name.
        if id.to_string() == text { Ok(id) } else { Err(error()) }
    }
}

/// Where a comparison stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Runs are being made.
    #[default]
    UnderWay,
    /// All runs were made.
    Finished,
    /// It was ended before its end, in order.
    Interrupted,
    /// Whoever made it died before its end.
    BrokenOff,
}

impl Standing {
    pub const fn label(self) -> &'static str {
        match self {
            Self::UnderWay => "under way",
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
            Self::BrokenOff => "broken off",
        }
    }
}

/// The run that is being made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunUnderWay {
    /// Which one.
    pub run: RunTag,
    /// Since its beginning, in seconds.
    pub seconds: f64,
    /// Its figures so far, with its curve.
    pub figures: RunFigures,
}

/// How far a comparison is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Where it stands.
    pub standing: Standing,
    /// The life of the process that makes it, as the host tells lives apart.
    pub maker: String,
    /// The run that is being made; `None` = between two runs, or at the end.
    pub run: Option<RunUnderWay>,
}

/// What is kept: the object of `report.json`, and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedComparison {
    /// What it is of.
    #[serde(flatten)]
    pub subject: Subject,
    #[serde(flatten)]
    pub comparison: Comparison,
    /// How far it is.
    #[serde(default)]
    pub progress: Progress,
}

/// A line of the list of kept comparisons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    /// Which one.
    pub id: ComparisonId,
    /// What it is of.
    pub subject: Subject,
    pub columns: Vec<String>,
    /// Where it stands.
    pub standing: Standing,
    /// Runs that were made.
    pub done: u32,
    /// Runs in all.
    pub of: u32,
}

/// All that is kept, the newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparisonList {
    pub kept: Vec<Heading>,
    /// Files that cannot be read: the name and the reason.
    pub unreadable: Vec<(String, String)>,
}

impl SavedComparison {
    /// Runs that were made.
    pub fn done(&self) -> u32 {
        self.comparison.columns.iter().map(|column| column.runs.len() as u32).sum()
    }

    /// Runs in all.
    pub fn of(&self) -> u32 {
        self.comparison.rounds.saturating_mul(self.comparison.columns.len() as u32)
    }

    /// Its line in the list.
    pub fn heading(&self, id: ComparisonId) -> Heading {
        Heading {
            id,
            subject: self.subject.clone(),
            columns: self.comparison.columns.iter().map(Column::name).collect(),
            standing: self.progress.standing,
            done: self.done(),
            of: self.of(),
        }
    }

    /// The column that a run belongs to.
    pub fn column_of(&self, run: &RunTag) -> Option<usize> {
        self.comparison.columns.iter().position(|column| column.profile == run.profile && column.governor == run.governor)
    }

    /// About how many seconds it still takes; `None` before anything is known to reckon by, and when it is over.
    ///
    /// A run takes as long as earlier ones of its column did on the average, or as those of all columns where it has none.
    /// The one under way, as the first of all, takes its time so far × its jobs / those that have ended.
    pub fn seconds_left(&self) -> Option<f64> {
        if self.progress.standing != Standing::UnderWay {
            return None;
        }
        let mean = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
        let known = |column: &Column| mean(&column.runs.iter().filter(|run| run.whole).map(|run| run.seconds).collect::<Vec<_>>());
        let columns = &self.comparison.columns;
        let now = self.progress.run.as_ref();
        let at = now.and_then(|now| self.column_of(&now.run));
        let of_now = now.and_then(|now| {
            let by_jobs = || {
                let ended = now.figures.taken() - now.figures.unfinished;
                (ended > 0).then(|| now.seconds * now.figures.taken() as f64 / ended as f64)
            };
            at.and_then(|at| known(&columns[at])).or_else(by_jobs)
        });
        let all: Vec<f64> = columns.iter().filter_map(known).chain(of_now).collect();
        let any = mean(&all)?;
        let to_come = columns.iter().enumerate().map(|(index, column)| {
            let made = column.runs.len() as u32 + u32::from(at == Some(index));
            f64::from(self.comparison.rounds.saturating_sub(made))
                * known(column).or(of_now.filter(|_| at == Some(index))).unwrap_or(any)
        });
        let of_this = now.map_or(0.0, |now| (of_now.unwrap_or(any) - now.seconds).max(0.0));
        Some(to_come.sum::<f64>() + of_this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::profile::GuideWords;
    use crate::domain::units::Bytes;

    fn column(profile: &str, seconds: &[f64]) -> Column {
        let run = |seconds: &f64| RunFigures { whole: true, seconds: *seconds, ..RunFigures::default() };
        Column {
            profile: profile.to_owned(),
            short: "2/200".to_owned(),
            governor: true,
            guide: GuideWords::default(),
            runs: seconds.iter().map(run).collect(),
        }
    }

    fn kept(columns: Vec<Column>, rounds: u32, run: Option<RunUnderWay>) -> SavedComparison {
        SavedComparison {
            subject: Subject { inputs: 3, preset: "web-720p".to_owned(), ..Subject::default() },
            comparison: Comparison {
                columns,
                rounds,
                limit_bytes: Some(Bytes::mib(512)),
                limit_refused: None,
                interrupted: false,
                cores: 2,
                load_before: Some(0.25),
            },
            progress: Progress { standing: Standing::UnderWay, maker: "1 2 3".to_owned(), run },
        }
    }

    fn under_way(profile: &str, seconds: f64, done: u64, unfinished: u64) -> RunUnderWay {
        let run = RunTag { number: 2, of: 4, round: 1, profile: profile.to_owned(), governor: true };
        RunUnderWay { run, seconds, figures: RunFigures { done, unfinished, ..RunFigures::default() } }
    }

    #[test]
    fn a_comparison_has_one_name_that_is_read_back() {
        let id = ComparisonId { begun: Wall(1_795_348_651_120), pid: 4711 };
        assert_eq!(id.to_string(), "2026-11-22T11-57-31.120Z-4711");
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "x", "2026-11-22T11:57:31.120Z-1", "2026-11-22T11-57-31.120Z-01", "2026-11-22T11-57-31.120Z", "é-1"] {
            assert!(wrong.parse::<ComparisonId>().is_err(), "{wrong}");
        }
        let later = ComparisonId { begun: Wall(1_795_348_651_121), pid: 1 };
        assert!(later > id, "the newest is the last");
    }

    #[test]
    fn what_is_left_is_reckoned_from_the_runs_that_were_made() {
        let left = |kept: SavedComparison| kept.seconds_left().map(f64::round);
        // 10 s for the other run of a, 20 s each for those of b of which one has taken 5 s.
        let columns = || vec![column("a", &[10.0]), column("b", &[])];
        assert_eq!(left(kept(columns(), 2, Some(under_way("b", 5.0, 1, 3)))), Some(10.0 + 15.0 + 20.0));
        // No job of b has ended yet: it may take as long as a did.
        assert_eq!(left(kept(columns(), 2, Some(under_way("b", 4.0, 0, 4)))), Some(10.0 + 6.0 + 10.0));
        assert_eq!(left(kept(columns(), 2, None)), Some(30.0));
        assert_eq!(left(kept(vec![column("a", &[])], 1, Some(under_way("a", 5.0, 0, 4)))), None, "nothing to reckon by");
        let mut over = kept(columns(), 1, None);
        over.progress.standing = Standing::Finished;
        assert_eq!(left(over), None);
    }

    #[test]
    fn a_run_that_takes_longer_than_the_others_is_soon_over_and_never_before_its_time() {
        let kept = kept(vec![column("a", &[10.0])], 2, Some(under_way("a", 60.0, 1, 1)));
        assert_eq!(kept.seconds_left(), Some(0.0));
    }
}
