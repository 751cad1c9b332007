//! What goes in and out of the engine: inputs, effects, and the port that a host implements.
//!
//! Results come back as [`Input`]s, never as return values of effects.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::account::Account;
use crate::domain::cleanup::{CleanupAction, CleanupId, CleanupResult};
use crate::domain::command::{Answer, ClientId, Command, QueueOptions, RequestId};
use crate::domain::event::{Event, Seq};
use crate::domain::job::{Damage, Exit, JobId, LogLevel, MediaInfo, Progress, Rank, Rejected};
use crate::domain::memory::MemorySample;
use crate::domain::preset::Preset;
use crate::domain::refusal::Rejection;
use crate::domain::state::Backlog;
use crate::domain::units::Bytes;
use crate::domain::watch::Watched;

use super::estimate::learned::RecipeKey;

/// Something the engine is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A front end asks.
    Command(ClientId, RequestId, Command),
    /// Files were found for an [`Effect::Scan`], and stand durably in the queue.
    Found(ScanId, Arrived),
    /// An [`Effect::Scan`] is over; the paths that could not be taken, with the reason.
    ScanDone(ScanId, Vec<(PathBuf, String)>),
    /// Answer to [`Effect::Page`].
    Paged(Page),
    /// Memory was measured.
    Sample(MemorySample),
    /// Something happened to a job.
    Job(JobId, JobReport),
    CleanupDone(CleanupId, CleanupResult),
    /// Every durable event up to this one is on disk.
    Persisted(Seq),
    /// Trouble of the host that belongs to no job.
    Fault {
        /// What could not be done.
        what: String,
        /// Why, and what to do.
        detail: String,
    },
    /// Something of the host that the operator should know, and that is no trouble.
    Note {
        /// How much it matters.
        level: LogLevel,
        /// A line for the log of the run.
        text: String,
    },
    /// So many commands of the operator's (hooks) run or wait: a drained run ends after them, as long as they take no longer than
    /// they may.
    Hooks(usize),
    /// How a watched folder stands.
    Watched(Watched),
    /// The time of `Engine::wake_at` has come.
    Wake,
}

/// Number of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScanId(pub u64);

/// What a part of a scan has added to the stored queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arrived {
    /// New jobs.
    pub jobs: u64,
    /// Σ size of their inputs.
    pub bytes: Bytes,
    /// Inputs that are in the queue already: not added a second time.
    pub known: u64,
    /// Highest rank in the queue now.
    pub last_rank: Rank,
}

/// The next jobs of the stored queue, in its order. Each is told once in a run, until [`EventKind::JobParked`] gives it back.
///
/// [`EventKind::JobParked`]: crate::domain::event::EventKind::JobParked
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The jobs, next first.
    pub jobs: Vec<StoredJob>,
    /// What waits beyond them.
    pub backlog: Backlog,
    /// Highest rank in the queue.
    pub last_rank: Rank,
    /// Only with the first answer of a run: how many of the waiting were at work when the run before died.
    pub interrupted: u64,
}

/// A waiting job of the stored queue.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredJob {
    /// Its number, which no other job of this state folder has or had.
    pub id: JobId,
    /// The input, absolute.
    pub input: PathBuf,
    /// Its size when it was queued.
    pub size: Bytes,
    /// Where its output is to stand.
    pub output: PathBuf,
    /// Name of the preset.
    pub preset: String,
    /// What that name meant when the job was queued, where it means something else now, or nothing.
    pub definition: Option<Box<Preset>>,
    /// Its place: lower runs sooner.
    pub rank: Rank,
    /// Tries so far.
    pub attempts: u32,
    /// The operator let it in although it is over the size limit.
    pub allowed: bool,
    /// How many times in a row plimsoll died while it was at work.
    pub deaths: u32,
}

/// What happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum JobReport {
    /// Answer to [`Effect::Inspect`].
    Inspected(Inspection),
    /// Answer to [`Effect::Spawn`]: the process runs.
    Spawned {
        /// Its process, also the leader of its process group.
        pid: u32,
        /// What it was asked to do: its command line, safe to show, as a shell takes it back.
        command: String,
    },
    /// Answer to [`Effect::Spawn`]: it could not be started.
    SpawnFailed {
        /// Why, in words.
        reason: String,
        /// A later try may help (no descriptors, no memory, disk full).
        transient: bool,
    },
    /// Answer to [`Effect::Spawn`]: there is no room for its output for now. Nothing was tried.
    NoRoom(Lack),
    /// Answer to [`Effect::Spawn`]: its input cannot be reached for now. Nothing was tried.
    InputAway(Absence),
    /// ffmpeg reported how far it is.
    Progress(Progress),
    /// Lines of its log, sanitised, oldest first.
    Log(Vec<(LogLevel, String)>),
    /// The process has ended and was reaped, its pipes are drained.
    Exited(ExitReport),
    /// Answer to [`Effect::Finalize`].
    Finalized(Result<Published, Failure>),
}

/// Answer to [`Effect::Inspect`].
#[derive(Debug, Clone, PartialEq)]
pub enum Inspection {
    /// It can be run.
    Ready {
        /// What is in it.
        media: Box<MediaInfo>,
        /// The disk that its output goes to, by the place where that is mounted; `None` where that cannot be told.
        disk: Option<PathBuf>,
    },
    /// Its output is in place, made from the same bytes with the same preset.
    AlreadyDone { output: PathBuf },
    /// It cannot be run.
    Rejected(Rejected),
    /// It cannot be reached for now, which says nothing of the file.
    Later(Absence),
}

/// An input that cannot be reached for now: a share or a disk that is away, or a machine without free descriptors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// What is waited for: all inputs that are this file, or lie below this folder, cannot be reached.
    pub place: PathBuf,
    /// What is waited for and why, in words.
    pub why: String,
    /// It may be gone for good: a folder that is missing may have been deleted, and a disk may be spoilt where one file lies.
    pub may_be_gone: bool,
}

/// How a job's process ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ExitReport {
    /// Exit code or signal.
    pub exit: Exit,
    /// Highest anonymous memory the host saw.
    pub peak: Bytes,
    /// If it did not end well: what ffmpeg said of it.
    pub failure: Option<Failure>,
    /// The kernel killed it for want of memory: `Some(true)` certain, `Some(false)` certainly not, `None` = cannot be told.
    pub oom_killed: Option<bool>,
    /// Processor time that it took.
    pub cpu: Duration,
    /// What it told of its work.
    pub account: Account,
}

/// Why a job failed, in words, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What decides whether another try makes sense.
    pub cause: Cause,
    /// In words a person understands.
    pub reason: String,
}

/// Room for an output that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// Where: the folder of the output.
    pub folder: PathBuf,
    /// The disk of that folder, by the place where it is mounted; `None` = it is missing wherever outputs go.
    pub disk: Option<PathBuf>,
    /// What the output needs at least; `None` = not known.
    pub needs: Option<Bytes>,
    /// What is free there; `None` = not known.
    pub free: Option<Bytes>,
    /// What is missing where, and what to do, in words.
    pub reason: String,
}

/// Kind of cause of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The input is damaged, has changed, or the preset does not fit it: another try gives the same.
    Input,
    /// I/O error, folder gone, no memory: another try may work.
    Host,
    /// The disk or a quota is full: nothing is wrong with the job, it will work once there is room.
    Room,
    /// What all unfinished outputs together may hold is used up: as [`Cause::Room`], but no disk is to blame.
    Scratch,
    /// ffmpeg failed and said nothing that tells why: another try may work.
    Unknown,
}

/// An output in its final place.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Its final path; another number than planned if the name was taken meanwhile.
    pub output: PathBuf,
    pub size: Bytes,
    /// What of the input could not be decoded.
    pub damage: Option<Damage>,
    /// Streams and tags of the input that are not in it, in words.
    pub left_out: Vec<String>,
}

/// How hard to end a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// SIGTERM, and SIGCONT so that a stopped one hears it.
    Term,
    /// SIGKILL to the whole process group.
    Kill,
}

/// Everything the host needs to start a job.
#[derive(Debug, Clone, PartialEq)]
pub struct SpawnOrder {
    pub job: JobId,
    /// Which try, from 1.
    pub attempt: u32,
    /// The input, absolute.
    pub input: PathBuf,
    /// Where the output is to stand.
    pub output: PathBuf,
    /// Name of the preset.
    pub preset: String,
    /// What the probe found.
    pub media: MediaInfo,
    /// The profile's environment for the child.
    pub env: BTreeMap<String, String>,
    /// The most memory that its processes may hold, file cache included, where the kernel can see to that; `None` = no limit
    /// of its own.
    pub memory_limit: Option<Bytes>,
    /// What all unfinished outputs together may hold on disk; `None` = no limit.
    pub scratch_limit: Option<Bytes>,
    /// An earlier try had written this much when there was no room for more: the output needs more than that. Zero = not known.
    pub room_known: Bytes,
}

/// What a cleanup acts on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanOrder {
    pub id: CleanupId,
    /// What to do.
    pub action: CleanupAction,
    /// The job that it is limited to; `None` = the files of all jobs: parts of those that do not run, and what all have in the page cache.
    pub job: Option<JobId>,
    /// The jobs that hold a slot: their parts are not touched.
    pub running: BTreeSet<JobId>,
}

impl CleanOrder {
    /// Whether the part of this job is meant.
    pub fn is_for(&self, job: JobId) -> bool {
        self.job.is_none_or(|only| only == job) && !self.running.contains(&job)
    }
}

/// An order of the engine.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Put a durable event on disk; answered by [`Input::Persisted`].
    Persist(Event),
    /// Keep the peak of a job that ended well, for the estimates of like jobs in later runs.
    RememberPeak(RecipeKey, Bytes),
    /// Tell every front end.
    Publish(Event),
    /// Answer a request.
    Reply(ClientId, RequestId, Result<Answer, Rejection>),
    /// Look for inputs; answered by [`Input::Found`] and [`Input::ScanDone`].
    Scan {
        scan: ScanId,
        /// Files and folders, absolute.
        paths: Vec<PathBuf>,
        /// Name of the preset.
        preset: String,
        /// What is wished for these inputs alone. A definition is there only where the name means something else, or nothing,
        /// to the run.
        options: QueueOptions,
    },
    /// Queue jobs again that were taken off the list, at these places; answered as [`Effect::Scan`] is.
    PutBack {
        scan: ScanId,
        /// The jobs, each with its place.
        jobs: Vec<(JobId, Rank)>,
    },
    /// Tell the next of the waiting jobs that were not told yet; answered by [`Input::Paged`].
    Page {
        /// At most so many.
        limit: usize,
    },
    /// Probe an input; answered by [`JobReport::Inspected`].
    Inspect {
        job: JobId,
        /// The input, absolute.
        input: PathBuf,
        /// Where the output is to stand.
        output: PathBuf,
        /// Name of the preset.
        preset: String,
    },
    /// Start a job; answered by [`JobReport::Spawned`], [`JobReport::SpawnFailed`], [`JobReport::NoRoom`] or [`JobReport::InputAway`].
    Spawn(Box<SpawnOrder>),
    /// End a job's processes; answered by [`JobReport::Exited`].
    Stop(JobId, StopMode),
    /// SIGSTOP a job's process group.
    Suspend(JobId),
    /// SIGCONT a job's process group.
    Continue(JobId),
    /// The most that a running job's processes may hold has changed, see [`SpawnOrder::memory_limit`].
    Limit(JobId, Bytes),
    /// Check a finished part and put it in its final place; answered by [`JobReport::Finalized`].
    Finalize {
        job: JobId,
        /// Which try.
        attempt: u32,
    },
    /// Remove what a try left behind (its part file), where no cleanup does it.
    Discard {
        job: JobId,
        /// Which try.
        attempt: u32,
    },
    /// Give memory back; answered by [`Input::CleanupDone`].
    Clean(CleanOrder),
    /// Sample memory at this pace from now on.
    SamplePace(Duration),
    /// The budget of the profile in force; `None` = what there is. The sampler reads the budget anew.
    SetProfileBudget(Option<Bytes>),
    /// The run is over; nothing follows.
    Exit,
}

/// What carries out effects: the real world, or a model of it. Must not block: results come back as inputs.
pub trait Host {
    /// Carries out one effect. [`Effect::Publish`], [`Effect::Reply`] and [`Effect::Exit`] never come here.
    fn perform(&mut self, effect: Effect);

    /// Sees what every front end is told, durable or not, in its order: to keep of it what is worth keeping. Nothing hangs on
    /// it.
    fn on_event(&mut self, _event: &Event) {}
}
