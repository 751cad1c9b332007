//! What a front end may look up beside the stream of updates: what is too long or too rare for it.
//!
//! Whoever puts the program together says how; it blocks, so it is asked on a thread of its own.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::domain::comparison::saved::{ComparisonId, ComparisonList, SavedComparison};
use crate::domain::job::{Job, JobId, MediaInfo, Phase, WholeLog};
use crate::domain::plan::Plan;
use crate::domain::profile::Profile;
use crate::domain::state::State;
use crate::domain::stored::{JobRow, RowsWanted};
use crate::domain::text::{as_exact, as_exact_option};
use crate::domain::units::Bytes;

/// How to read the log of a job's try.
pub type ReadLog = Arc<dyn Fn(JobId, u32) -> Result<WholeLog, String> + Send + Sync>;
/// How to examine what plimsoll depends on.
pub type Examine = Arc<dyn Fn() -> Result<Checkup, String> + Send + Sync>;
/// How to look ahead at a queue. The function given hears how far it is, and gives it up by a no.
pub type LookAhead = Arc<dyn Fn(&QueueNow, &dyn Fn(LookStep) -> bool) -> Result<Plan, String> + Send + Sync>;
/// How to keep a profile among the operator's own, with a comment on top; tells where.
pub type SaveProfile = Arc<dyn Fn(&Profile, &str) -> Result<PathBuf, String> + Send + Sync>;

/// How to read rows of the stored queue.
pub type ReadRows = Arc<dyn Fn(&RowsWanted) -> Result<Vec<JobRow>, String> + Send + Sync>;
/// How to start a server again.
pub type StartServer = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;
/// How to complete the path at the end of a line.
pub type Complete = Arc<dyn Fn(&str) -> Completion + Send + Sync>;

/// How to read what is kept of comparisons.
#[derive(Clone)]
pub struct Comparisons {
    /// All that is kept, the newest first.
    pub list: Arc<dyn Fn() -> Result<ComparisonList, String> + Send + Sync>,
    /// One of them.
    pub open: Arc<dyn Fn(ComparisonId) -> Result<Arc<SavedComparison>, String> + Send + Sync>,
}

/// Compares inputs with a preset under each profile: comes back when that is over.
pub type MakeComparison = Arc<dyn Fn(&[PathBuf], &str) -> Result<(), String> + Send + Sync>;

/// How to make comparisons.
#[derive(Clone)]
pub struct Compare {
    /// Makes one.
    pub make: MakeComparison,
    /// Asks the one at work to end: its run is stopped, what was measured before is kept. Comes back at once.
    pub stop: Arc<dyn Fn() + Send + Sync>,
}

/// Does what blocks on a thread of its own, and waits for what comes of it; `None` = there was no thread, or it has failed.
pub async fn aside<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, came) = oneshot::channel();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || drop(done.send(work()))).ok()?;
    came.await.ok()
}

/// What can be looked up; `None` = nobody can say.
#[derive(Clone, Default)]
pub struct Lookup {
    /// The whole log of a try.
    pub log: Option<ReadLog>,
    /// What `plimsoll doctor` finds.
    pub checkup: Option<Examine>,
    /// How the queue would run in other ways.
    pub ahead: Option<LookAhead>,
    /// Keeps a profile.
    pub save: Option<SaveProfile>,
    /// Kept comparisons.
    pub comparisons: Option<Comparisons>,
    /// Makes another one.
    pub compare: Option<Compare>,
    /// The stored queue.
    pub rows: Option<ReadRows>,
    /// Completes paths; `None` = the front end's own folders are meant.
    pub complete: Option<Complete>,
    /// Starts the server again that has gone; comes back when it can be reached.
    pub start_server: Option<StartServer>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// The line that was asked for.
    pub asked: String,
    /// The line with all added that is certain.
    pub line: String,
    /// The names that the next letter chooses from; empty when only one fits.
    pub offers: Vec<String>,
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookup")
            .field("log", &self.log.is_some())
            .field("checkup", &self.checkup.is_some())
            .field("comparisons", &self.comparisons.is_some())
            .field("compare", &self.compare.is_some())
            .field("ahead", &self.ahead.is_some())
            .field("save", &self.save.is_some())
            .field("rows", &self.rows.is_some())
            .field("complete", &self.complete.is_some())
            .field("start_server", &self.start_server.is_some())
            .finish()
    }
}

/// What `plimsoll doctor` finds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkup {
    /// What was looked at, in the order to show.
    pub findings: Vec<Finding>,
    pub settings: Vec<SettingInForce>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub name: String,
    /// How it came out.
    pub status: FindingStatus,
    /// What was found.
    pub value: String,
    /// What to do, or what it means.
    pub advice: Option<String>,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingStatus {
    /// As it should be.
    Fine,
    /// Works, with something missing.
    Lacking,
    /// Jobs cannot run.
    Failing,
}

/// A setting, and who decided it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingInForce {
    /// Its name, as the flag is called without dashes.
    pub name: String,
    pub value: String,
    /// Where it came from.
    pub origin: String,
}

/// A queue as it is at one moment, to be looked ahead at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueNow {
    pub profile: Profile,
    /// The profiles that can be switched to.
    pub profiles: Vec<Profile>,
    /// The memory that may be used.
    pub budget: Bytes,
    /// Who says so, in plain words.
    pub budget_source: String,
    /// The operator does: profiles have no say.
    pub budget_by_operator: bool,
    /// The memory there is.
    pub available: Bytes,
    /// The jobs at work, those that wait, and those rejected for their size, which another profile may let in.
    pub jobs: Vec<JobNow>,
    /// What the kernel cannot drop now, as far as it counts against the line.
    #[serde(default)]
    pub held: Bytes,
    /// What counts against the line now.
    #[serde(default)]
    pub counted: Bytes,
    /// Jobs that wait and are not among these.
    pub left_out: u64,
}

/// A job of such a queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobNow {
    #[serde(with = "as_exact")]
    pub input: PathBuf,
    /// Size of the input.
    pub size: Bytes,
    /// Name of its preset.
    pub preset: String,
    /// What the run's probe found, if it was probed.
    pub media: Option<MediaInfo>,
    /// Where its output is to stand, as long as nobody has looked whether it does already.
    #[serde(default, with = "as_exact_option")]
    pub output: Option<PathBuf>,
    /// The share that is still to be done, 0 to 1.
    pub left: f64,
    /// It is not held against the size limit any more: it is at work, or was let in.
    pub is_in: bool,
    /// Of one at work: the seconds that are left at the pace that was measured of it, beside those at work with it.
    #[serde(default)]
    pub seconds_left: Option<u64>,
    /// Of one at work: the memory that it holds.
    #[serde(default)]
    pub holds: Option<Bytes>,
}

impl QueueNow {
    /// The queue as it is: those at work first, then those that wait in their order, then those that only their size keeps
    /// out; at most so many of each. None while no profile is in force.
    pub fn of(state: &State, profiles: &[Profile], most: usize) -> Option<Self> {
        let profile = state.profile.as_deref()?.clone();
        let index = &state.index;
        let too_large = |job: &&Job| job.phase.is_too_large();
        let at_work = index.active.iter().chain(&index.backoff).filter_map(|id| state.jobs.get(id));
        let waiting = index.waiting.iter().filter_map(|(_, id)| state.jobs.get(id));
        let kept_out = index.rejected.iter().filter_map(|id| state.jobs.get(id)).filter(too_large);
        let all = (index.active.len() + index.backoff.len() + index.waiting.len()) as u64 + state.backlog.jobs;
        let jobs: Vec<JobNow> = at_work.chain(waiting).take(most).chain(kept_out.take(most)).map(job_now).collect();
        let looked_at = (all - state.backlog.jobs).min(most as u64);
        Some(Self {
            profile,
            profiles: profiles.to_vec(),
            budget: state.lines.budget,
            budget_source: state.budget_source.clone(),
            budget_by_operator: state.budget_by_operator,
            available: state.available,
            jobs,
            held: state.memory.hard_bytes.min(state.memory.counted_bytes),
            counted: state.memory.counted_bytes,
            left_out: all - looked_at,
        })
    }
}

fn job_now(job: &Job) -> JobNow {
    let done = match &job.phase {
        Phase::Running { .. } | Phase::Stopping { .. } | Phase::Finalizing => {
            job.progress.and_then(|progress| progress.ratio).filter(|ratio| ratio.is_finite()).unwrap_or(0.0)
        }
        _ => 0.0,
    };
    JobNow {
        input: job.input.clone(),
        size: job.size,
        preset: job.preset.clone(),
        media: job.media.clone(),
        output: job.output.clone().filter(|_| job.media.is_none()),
        left: (1.0 - done).clamp(0.0, 1.0),
        is_in: job.allowed || job.phase.holds_slot(),
        seconds_left: job.progress.filter(|_| job.phase.pid().is_some()).and_then(|progress| progress.eta_seconds),
        holds: job.phase.holds_slot().then_some(job.memory),
    }
}

/// How far a look ahead is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LookStep {
    /// Files probed.
    Probed {
        /// So many.
        done: usize,
        /// Of so many.
        of: usize,
    },
    /// Ways foretold.
    Foretold {
        /// So many.
        done: usize,
        /// Of so many.
        of: usize,
    },
}
