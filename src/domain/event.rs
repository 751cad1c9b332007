//! Facts, in the order they happened. The same events feed the state, the screen, the JSON lines and the store.
//!
//! Field names are the names of the JSON lines; a field may be added, never renamed or removed.
//!
//! The file is long because it is the whole list.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cleanup::{CleanupAction, CleanupId, CleanupTrigger, CleanupVerdict};
use super::job::{Damage, JobId, LogLevel, MediaInfo, Outcome, Rank, RejectReason, StopReason};
use super::memory::{ELEVATED_SHARE, Level, Lines, Scope};
use super::profile::{Profile, SlotLimit};
use super::refusal::Rejection;
use super::text::{as_text, as_text_option, path_text};
use super::time::{Mono, Wall, span_words};
use super::units::Bytes;
use super::watch::Watched;

/// Number of an event, rising by one from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

/// One fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub seq: Seq,
    /// When, by the wall clock.
    pub at: Wall,
    /// When, in milliseconds since the run began; never goes back.
    #[serde(rename = "elapsed_ms")]
    pub mono: Mono,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EventKind {
    /// The engine is up.
    RunStarted {
        /// plimsoll's version.
        version: String,
        /// False = the naive baseline: slots only, no line kept.
        governor: bool,
        /// Name of the preset that jobs get unless they name another.
        preset: String,
        /// Jobs of the state folder that had ended before this run.
        #[serde(default)]
        before: JobCounts,
    },
    /// A job is known and has a place in the queue.
    JobQueued {
        job: JobId,
        #[serde(with = "as_text")]
        input: PathBuf,
        /// Size of the input.
        size_bytes: Bytes,
        /// Name of the preset.
        preset: String,
        /// Where the output is to stand.
        #[serde(with = "as_text_option", default)]
        output: Option<PathBuf>,
        /// Its place: lower runs sooner.
        #[serde(default)]
        rank: Rank,
    },
    /// What a job that was just listed has behind it: it comes from an earlier run, stood at the end of the queue, or was put back.
    JobRestored {
        job: JobId,
        /// Tries so far.
        attempts: u32,
        /// The operator had let it in although it is over the size limit.
        allowed: bool,
    },
    /// A waiting job has gone behind jobs that are not listed; it is listed again when its turn comes nearer.
    JobParked {
        job: JobId,
    },
    /// How much waits in the store beyond the jobs that are listed.
    BacklogChanged {
        /// Jobs.
        jobs: u64,
        /// Σ size of their inputs.
        bytes: Bytes,
    },
    /// Jobs that an earlier run has left are queued again.
    QueueRestored {
        /// How many.
        jobs: u64,
        /// How many of them were at work when that run died.
        interrupted: u64,
    },
    /// The probe has read a job's input.
    JobInspected {
        job: JobId,
        /// What it found.
        media: Box<MediaInfo>,
        /// The peak that is expected of it.
        predicted_peak_bytes: Option<Bytes>,
        /// From how many finished jobs of its kind that is known; 0 = from the model alone.
        #[serde(default)]
        learned_from: u32,
        /// Pixels of the largest picture that it reads or makes; 0 where it works on none.
        #[serde(default)]
        pixels: u64,
        /// What its preset does with what an input may hold, as [`Preset::choices`](super::preset::Preset::choices) words it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        choices: String,
        /// The disk that its output goes to, by the place where that is mounted.
        #[serde(with = "as_text_option", default, skip_serializing_if = "Option::is_none")]
        disk: Option<PathBuf>,
    },
    /// A job is not let in.
    JobRejected {
        job: JobId,
        #[serde(with = "as_text")]
        input: PathBuf,
        /// Size of the input.
        size_bytes: Bytes,
        /// The limit that it is over, where one is.
        limit_bytes: Option<Bytes>,
        reason: RejectReason,
        /// The reason in words.
        #[serde(default)]
        detail: String,
    },
    /// A rejected job is let in, by the operator or by a profile with a larger limit.
    JobAllowed {
        job: JobId,
        /// By the operator: the size limit no longer applies to it.
        by_operator: bool,
    },
    /// A job has got a slot and is about to start. This is the durable start record.
    JobAdmitted {
        job: JobId,
        /// Which try, from 1.
        attempt: u32,
        /// Memory set aside for it.
        reserved_bytes: Bytes,
    },
    /// A job's process runs.
    JobStarted {
        job: JobId,
        /// Which try, from 1.
        attempt: u32,
        pid: u32,
        /// Peak of memory that the model expects.
        predicted_peak_bytes: Option<Bytes>,
        /// What the process was asked to do: its command line, safe to show, as a shell takes it back.
        #[serde(default)]
        command: Option<String>,
    },
    /// A running job has come further.
    JobProgressed {
        job: JobId,
        /// Share done, 0 to 1; null when the duration is not known.
        ratio: Option<f64>,
        /// Frames per second.
        fps: f64,
        /// Media seconds per second.
        speed: f64,
        /// Seconds left; null when it cannot be told.
        eta_seconds: Option<u64>,
        /// Its anonymous memory.
        memory_bytes: Bytes,
        /// Frames written.
        #[serde(default)]
        frame: u64,
        /// Media time written, in milliseconds.
        #[serde(default)]
        out_time_ms: u64,
        /// Bytes written.
        #[serde(default)]
        written_bytes: Bytes,
    },
    /// A line for a job's log, or for the log of the run.
    JobLogged {
        /// The job; null = the run as a whole.
        job: Option<JobId>,
        /// How much it matters.
        level: LogLevel,
        /// The line, sanitised.
        text: String,
        /// plimsoll says it; else the job's process does.
        #[serde(default)]
        own: bool,
    },
    /// A job's processes are stopped where they are.
    JobPaused {
        job: JobId,
        /// By the memory governor, which also lets it go on; else by the operator.
        #[serde(default)]
        by_governor: bool,
    },
    /// A paused job goes on.
    JobContinued {
        job: JobId,
        /// By the memory governor, which had stopped it; else by the operator.
        #[serde(default)]
        by_governor: bool,
    },
    /// A job has been told to end.
    JobStopping {
        job: JobId,
        /// Why.
        why: StopReason,
    },
    /// ffmpeg ended well; the output is being checked and put in place.
    JobFinalizing {
        job: JobId,
    },
    JobFinished {
        job: JobId,
        /// How.
        outcome: Outcome,
        /// The output, if there is one.
        #[serde(with = "as_text_option")]
        output: Option<PathBuf>,
        /// Highest anonymous memory seen, over all tries.
        peak_memory_bytes: Bytes,
        /// Run time of the last try.
        seconds: f64,
        /// Tries.
        attempts: u32,
        /// ffmpeg's exit code; null when a signal ended it or it never ran.
        exit_code: Option<i32>,
        /// The signal that ended ffmpeg.
        signal: Option<i32>,
        /// Why it did not end well.
        reason: Option<String>,
        /// What of the input could not be decoded, where the output was made all the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        damage: Option<Damage>,
        /// Streams and tags of the input that are not in the output, in words.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        left_out: Vec<String>,
    },
    /// A job goes back into the queue.
    JobRequeued {
        job: JobId,
        /// The try that ended; 0 = none has begun, its input could not be reached.
        attempt: u32,
        /// Why.
        reason: String,
        /// It waits this long before the next try.
        #[serde(default)]
        delay_ms: u64,
        /// The try does not count: it was not the job's fault.
        #[serde(default)]
        uncounted: bool,
        /// It waits for room on disk, and looks again after the wait.
        #[serde(default)]
        for_room: bool,
        /// Where its input lies, which cannot be reached; it looks again after the wait.
        #[serde(default, skip_serializing_if = "Option::is_none", with = "as_text_option")]
        away: Option<PathBuf>,
    },
    /// A job's wait for the next try is over.
    JobReady {
        job: JobId,
    },
    /// The operator runs an ended job again.
    JobRetried {
        job: JobId,
        /// Its new place: lower runs sooner.
        rank: Rank,
    },
    /// A waiting job has another place.
    JobMoved {
        job: JobId,
        /// Its place: lower runs sooner.
        rank: Rank,
    },
    /// A job is off the list.
    JobRemoved {
        job: JobId,
        /// Where its output stood or was to stand: that name is free again.
        #[serde(with = "as_text_option", default)]
        output: Option<PathBuf>,
    },
    /// Memory was measured.
    MemorySampled(MemoryFigures),
    /// The budget was read for the first time, or has changed.
    BudgetChanged {
        /// What may be used at most.
        budget_bytes: Bytes,
        /// Where that was read, or who said so.
        budget_source: String,
        /// What the container or the machine really has.
        available_bytes: Bytes,
        /// The operator has named a budget: profiles have no say.
        #[serde(default)]
        by_operator: bool,
        /// Where the marks stand under it.
        lines: Lines,
    },
    /// The level has changed.
    PressureChanged {
        /// It was.
        from: Level,
        /// It is.
        to: Level,
        /// What is held against the line: in a container usage without inactive file cache, else what cannot be dropped and the file
        /// cache of ended jobs.
        working_set_bytes: Bytes,
        /// What the kernel cannot drop.
        hard_bytes: Bytes,
    },
    /// The next job waits for memory.
    AdmissionHeld {
        job: JobId,
        /// What it needs.
        needs_bytes: Bytes,
        /// What is free under the line, without what is kept.
        free_bytes: Bytes,
        /// What is kept beside that for the console, and not used.
        #[serde(default)]
        kept_bytes: Bytes,
    },
    /// Nobody waits for memory any more.
    AdmissionResumed,
    /// There is no room for an output: told when room is first missing, and again every minute for as long as it is.
    RoomWanted(RoomWanted),
    /// What a job could not start or go on for want of is there, or the job wants it no more.
    RoomFound {
        job: JobId,
    },
    CleanupStarted {
        cleanup: CleanupId,
        /// Why.
        trigger: CleanupTrigger,
        /// The job it belongs to.
        job: Option<JobId>,
        /// What is done.
        action: CleanupAction,
        /// Memory in use: the number that crossed the mark, else usage.
        before_bytes: Bytes,
    },
    /// A cleanup is over and was measured.
    CleanupFinished {
        cleanup: CleanupId,
        /// What was done.
        action: CleanupAction,
        /// Usage just before.
        before_bytes: Bytes,
        /// Usage just after.
        after_bytes: Bytes,
        /// What the action itself freed, measured on what it acted on.
        freed_bytes: Bytes,
        /// How long it took.
        millis: u64,
        /// Did it help?
        verdict: CleanupVerdict,
    },
    /// The run goes on under this profile.
    ProfileSelected {
        name: String,
        /// Job slots; where they are decided while jobs run, the most that the processors allow for.
        max_concurrent: u32,
        /// They are decided while jobs run.
        #[serde(default)]
        auto: bool,
        /// Larger inputs are rejected.
        max_file_bytes: Bytes,
        profile: Box<Profile>,
    },
    /// A profile that decides its slots itself aims at another number of jobs at once, or for another reason.
    SlotsDecided {
        /// Name of the profile.
        profile: String,
        /// So many are at work at once, and no more are started.
        at_once: u32,
        /// What keeps it from starting another one.
        limit: SlotLimit,
        /// The same in words, with the figures.
        why: String,
    },
    /// No further jobs are started.
    QueuePaused,
    /// Jobs are started again.
    QueueResumed,
    /// What is queued still runs; nothing new is taken.
    DrainStarted,
    /// The operator took that back: new files are taken again.
    DrainStopped,
    /// The run is ending: nothing is started, what runs is being stopped.
    ShutdownStarted,
    /// A console compares what waits: nothing of the queue starts until that is over.
    ComparisonStarted {
        /// Inputs that are compared.
        inputs: u64,
    },
    /// A run of that comparison begins.
    ComparisonRun {
        /// Which, from 1.
        run: u32,
        /// Of so many.
        runs: u32,
        profile: String,
    },
    /// That comparison is over: the queue may go on.
    ComparisonEnded {
        /// Why it did not go to its end; null = it did, or was ended by an operator.
        reason: Option<String>,
    },
    WarningRaised {
        warning: String,
        evidence: String,
        /// What to do.
        advice: String,
        /// The profile that the advice names; null = it names none.
        #[serde(default)]
        profile: Option<String>,
    },
    WarningCleared {
        warning: String,
    },
    /// A path was given that could not be taken: it is not there, cannot be read, or is in the queue already.
    InputSkipped {
        #[serde(with = "as_text")]
        input: PathBuf,
        /// Why, in words.
        detail: String,
    },
    /// A folder is watched, or how it stands has changed; told at most once a second for each.
    WatchChanged(Watched),
    /// Trouble of the host.
    Fault {
        /// What could not be done.
        what: String,
        /// Why, and what to do.
        detail: String,
    },
    /// The run is over; the last event.
    RunFinished(RunSummary),
}

/// The figures of one memory sample.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MemoryFigures {
    /// Everything charged, page cache included.
    pub usage_bytes: Bytes,
    /// What is held against the line: in a container usage without inactive file cache, else what cannot be dropped and the file
    /// cache of ended jobs.
    pub working_set_bytes: Bytes,
    /// What the kernel cannot drop.
    pub hard_bytes: Bytes,
    /// This process's anonymous memory.
    pub console_bytes: Bytes,
    /// Somebody else's share of `hard_bytes`.
    pub foreign_bytes: Bytes,
    /// Each running job's anonymous memory.
    #[serde(with = "job_map")]
    pub jobs: BTreeMap<JobId, Bytes>,
    /// Σ of what is set aside for the running jobs.
    pub reserved_bytes: Bytes,
    /// What may be used at most.
    pub budget_bytes: Bytes,
    /// The load line.
    pub high_water_bytes: Bytes,
    /// How near memory is to the line.
    pub level: Level,
    /// Share of the last 10 s in which some task waited for memory, percent.
    pub psi_some_avg10: Option<f32>,
    /// File cache within `usage_bytes`.
    #[serde(default)]
    pub file_cache_bytes: Bytes,
    /// What counts against the line: the working set.
    #[serde(default)]
    pub counted_bytes: Bytes,
    /// Whose memory the sums count.
    #[serde(default)]
    pub scope: Scope,
}

/// Room for an output that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomWanted {
    /// The job that looked for it last.
    pub job: JobId,
    /// Where: the folder of its output.
    #[serde(with = "as_text")]
    pub folder: PathBuf,
    /// The disk, by the place where it is mounted; null = room is missing within what all unfinished outputs together may hold.
    #[serde(with = "as_text_option", default)]
    pub disk: Option<PathBuf>,
    /// What its output needs at least; null = not known.
    pub needs_bytes: Option<Bytes>,
    /// What is free there; null = not known.
    pub free_bytes: Option<Bytes>,
    /// What is missing where, and what to do, in words.
    pub reason: String,
    /// Since when room is missing, in milliseconds.
    pub waited_ms: u64,
    /// The run ends after so many milliseconds unless something gets on; null = it waits for as long as it takes.
    pub gives_up_ms: Option<u64>,
}

/// Room that is missing in this place, a disk, is missing for outputs on `disk`; without a place it is missing for all.
pub fn is_missing_for(place: Option<&Path>, disk: Option<&Path>) -> bool {
    place.is_none() || place == disk
}

impl RoomWanted {
    /// Where room is missing, in words: the disk, and else the folder.
    pub fn place(&self) -> String {
        self.disk.as_ref().map_or_else(|| path_text(&self.folder), |disk| format!("the disk at {}", path_text(disk)))
    }

    /// An output on this disk waits for it too.
    pub fn is_for(&self, disk: Option<&Path>) -> bool {
        is_missing_for(self.disk.as_deref(), disk)
    }

    /// What is needed and what is free, in words; empty where it is not known.
    pub fn figures(&self) -> String {
        match (self.needs_bytes, self.free_bytes) {
            (Some(needs), Some(free)) => format!("needs {}, {} free", needs.whole(), free.whole()),
            (Some(needs), None) => format!("needs {}", needs.whole()),
            (None, Some(free)) => format!("{} free", free.whole()),
            (None, None) => String::new(),
        }
    }

    /// How long it has waited, and when the run gives up, in words.
    pub fn patience(&self) -> String {
        let span = |ms: u64| span_words(Duration::from_millis(ms));
        let waited = if self.waited_ms < 1000 { String::new() } else { format!(" for {} now", span(self.waited_ms)) };
        let ends = match self.gives_up_ms {
            Some(0) => "; the run ends now".to_owned(),
            Some(ms) => format!("; the run ends in {} unless there is room", span(ms)),
            None => String::new(),
        };
        format!("waits{waited}{ends}")
    }
}

/// How a run went, in figures.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The profile at the end.
    pub profile: String,
    /// Other profiles that were in force before, each once, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_profiles: Vec<String>,
    /// What might be used at most.
    pub budget_bytes: Bytes,
    /// Where that was read, or who said so.
    pub budget_source: String,
    /// Jobs by outcome.
    pub jobs: JobCounts,
    /// Highest `hard` seen.
    pub peak_memory_bytes: Bytes,
    /// Highest usage seen, page cache included.
    pub peak_usage_bytes: Bytes,
    /// Highest working set seen, which is what is held against the line; the console's gauge shows it.
    #[serde(default)]
    pub peak_working_set_bytes: Bytes,
    /// How long the run took.
    pub seconds: f64,
    /// How long memory was over the line.
    pub seconds_over_high_water: f64,
    /// The last seconds of the run that the peaks and the time over the line are of, where memory was summed in another way
    /// before: another profile's budget came into force. Absent = all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_seconds: Option<f64>,
    /// Cleanups.
    pub cleanups: u64,
    /// Bytes that the cleanups freed.
    pub freed_bytes: Bytes,
    /// How many of the cleanups freed next to nothing: what is written as 0.0 MB.
    #[serde(default)]
    pub cleanups_without_gain: u64,
    /// Times that a job had to wait for memory.
    pub holds: u64,
    /// Times that a job was stopped where it was for want of memory.
    pub stops: u64,
    /// Times that a job went back into the queue.
    pub requeues: u64,
    /// Kills by the kernel for want of memory during the run.
    pub oom_kills: u64,
    /// What a profile that decides its slots itself chose for the longest part of the run, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_once: Option<String>,
}

/// Jobs by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobCounts {
    /// Output in place.
    pub done: u64,
    /// How many of those done are of inputs that could not be decoded as a whole.
    #[serde(default)]
    pub damaged: u64,
    /// Output was in place already.
    pub already_done: u64,
    /// Failed, timed out or stalled.
    pub failed: u64,
    /// Killed for want of memory.
    pub out_of_memory: u64,
    /// Not let in.
    pub rejected: u64,
    /// Cancelled by the operator.
    pub cancelled: u64,
    /// Still waiting when the run ended; they stay in the queue for the next run.
    #[serde(default)]
    pub unfinished: u64,
}

impl JobCounts {
    /// The word for those that are done: `done (2 of them with damage)`.
    pub fn done_word(&self) -> String {
        match self.damaged {
            0 => "done".to_owned(),
            damaged => format!("done ({damaged} of them with damage)"),
        }
    }

    /// How many there are of each, in words; `none` where there are none.
    pub fn words(&self) -> String {
        let done = self.done_word();
        let counts: Vec<String> = [
            (self.done, done.as_str()),
            (self.already_done, "already done"),
            (self.failed, "failed"),
            (self.out_of_memory, "out of memory"),
            (self.rejected, "rejected"),
            (self.cancelled, "cancelled"),
            (self.unfinished, "not finished"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
        if counts.is_empty() { "none".to_owned() } else { counts.join(", ") }
    }

    /// So many more ended like that.
    pub const fn add(&mut self, outcome: Outcome, count: u64) {
        let counted = match outcome {
            Outcome::Done => &mut self.done,
            Outcome::AlreadyDone => &mut self.already_done,
            Outcome::Failed | Outcome::TimedOut | Outcome::Stalled => &mut self.failed,
            Outcome::OutOfMemory => &mut self.out_of_memory,
            Outcome::Cancelled => &mut self.cancelled,
        };
        *counted += count;
    }
}

impl MemoryFigures {
    /// The level as the figures themselves show it: on its way down the level lags behind, and a screen must not say
    /// "over the line" beside a number that is under it.
    pub fn shown_level(&self) -> Level {
        let by_figures = if self.counted_bytes >= self.high_water_bytes {
            Level::High
        } else if self.counted_bytes >= self.high_water_bytes.scale(ELEVATED_SHARE) {
            Level::Elevated
        } else {
            Level::Normal
        };
        if self.level == Level::Critical { Level::Critical } else { by_figures.min(self.level) }
    }
}

impl EventKind {
    /// A job ends so, and nothing was run for it.
    pub const fn finished_without_run(job: JobId, outcome: Outcome, output: Option<PathBuf>) -> Self {
        Self::JobFinished {
            job,
            outcome,
            output,
            peak_memory_bytes: Bytes::ZERO,
            seconds: 0.0,
            attempts: 0,
            exit_code: None,
            signal: None,
            reason: None,
            damage: None,
            left_out: Vec::new(),
        }
    }

    /// Must be on disk before anything acts on it.
    pub const fn is_durable(&self) -> bool {
        matches!(
            self,
            Self::RunStarted { .. }
                | Self::JobQueued { .. }
                | Self::JobRejected { .. }
                | Self::JobAllowed { .. }
                | Self::JobAdmitted { .. }
                | Self::JobFinished { .. }
                | Self::JobRequeued { .. }
                | Self::JobMoved { .. }
                | Self::JobParked { .. }
                | Self::JobRetried { .. }
                | Self::JobRemoved { .. }
                | Self::ProfileSelected { .. }
                | Self::RunFinished(_)
        )
    }

    /// A job has looked for room on disk, or for its input, in vain, and waits for the next look: there is one after the other, and
    /// what is missing is told by itself when it begins.
    pub const fn only_looks_again(&self) -> bool {
        matches!(self, Self::JobRequeued { for_room: true, .. } | Self::JobRequeued { away: Some(_), .. })
    }

    /// It belongs to the story of a run, as people are told it; the rest is figures, log lines, and what leads there. `None` =
    /// it does not. What is long and is told elsewhere is left out.
    pub fn of_the_story(&self) -> Option<Self> {
        match self {
            Self::JobStarted { job, attempt, pid, predicted_peak_bytes, .. } => Some(Self::JobStarted {
                job: *job,
                attempt: *attempt,
                pid: *pid,
                predicted_peak_bytes: *predicted_peak_bytes,
                command: None,
            }),
            looks if looks.only_looks_again() => None,
            Self::JobRejected { .. }
            | Self::JobAllowed { .. }
            | Self::JobPaused { .. }
            | Self::JobContinued { .. }
            | Self::JobStopping { .. }
            | Self::JobFinished { .. }
            | Self::JobRequeued { .. }
            | Self::JobRetried { .. }
            | Self::JobRemoved { .. }
            | Self::QueueRestored { .. }
            | Self::RoomWanted(_)
            | Self::RoomFound { .. }
            | Self::PressureChanged { .. }
            | Self::AdmissionHeld { .. }
            | Self::CleanupFinished { .. }
            | Self::ProfileSelected { .. }
            | Self::SlotsDecided { .. }
            | Self::BudgetChanged { .. }
            | Self::QueuePaused
            | Self::QueueResumed
            | Self::ComparisonStarted { .. }
            | Self::ComparisonRun { .. }
            | Self::ComparisonEnded { .. }
            | Self::DrainStarted
            | Self::DrainStopped
            | Self::ShutdownStarted
            | Self::WarningRaised { .. }
            | Self::WarningCleared { .. }
            | Self::InputSkipped { .. }
            | Self::Fault { .. }
            | Self::RunFinished(_) => Some(self.clone()),
            _ => None,
        }
    }

    /// Trouble that it tells of, in words: `PATH: why`. A refusal with the same words tells nothing new.
    pub fn trouble(&self) -> Option<String> {
        match self {
            Self::InputSkipped { input, detail } => Some(Rejection::of_path(input, detail).why),
            Self::Fault { what, detail } => Some(format!("{what}: {detail}")),
            _ => None,
        }
    }

    /// The job that it is about.
    pub const fn job(&self) -> Option<JobId> {
        match self {
            Self::JobQueued { job, .. }
            | Self::JobRestored { job, .. }
            | Self::JobParked { job }
            | Self::JobInspected { job, .. }
            | Self::JobRejected { job, .. }
            | Self::JobAllowed { job, .. }
            | Self::JobAdmitted { job, .. }
            | Self::JobStarted { job, .. }
            | Self::JobProgressed { job, .. }
            | Self::JobPaused { job, .. }
            | Self::JobContinued { job, .. }
            | Self::JobStopping { job, .. }
            | Self::JobFinalizing { job }
            | Self::JobFinished { job, .. }
            | Self::JobRequeued { job, .. }
            | Self::JobMoved { job, .. }
            | Self::JobReady { job }
            | Self::JobRetried { job, .. }
            | Self::JobRemoved { job, .. }
            | Self::RoomFound { job }
            | Self::AdmissionHeld { job, .. } => Some(*job),
            Self::RoomWanted(wanted) => Some(wanted.job),
            Self::JobLogged { job, .. } | Self::CleanupStarted { job, .. } => *job,
            _ => None,
        }
    }
}

/// Job numbers as JSON keys; flattened enums lose serde's own conversion of number keys.
mod job_map {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::{Bytes, JobId};

    pub fn serialize<S: Serializer>(map: &BTreeMap<JobId, Bytes>, serializer: S) -> Result<S::Ok, S::Error> {
        map.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<JobId, Bytes>, D::Error> {
        BTreeMap::<String, Bytes>::deserialize(deserializer)?
            .into_iter()
            .map(|(key, bytes)| key.parse().map(|id| (JobId(id), bytes)).map_err(de::Error::custom))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_flat_json_object_and_reads_back() {
        let figures =
            MemoryFigures { jobs: BTreeMap::from([(JobId(17), Bytes(5))]), level: Level::High, ..MemoryFigures::default() };
        let event = Event {
            seq: Seq(17),
            at: Wall(1_795_349_038_120),
            mono: Mono::from_millis(5),
            kind: EventKind::MemorySampled(figures),
        };
        let json = serde_json::to_string(&event).expect("serialises");
        assert!(
            json.starts_with(
                r#"{"seq":17,"at":"2026-11-22T12:03:58.120Z","elapsed_ms":5,"event":"memory_sampled","usage_bytes":0"#
            ),
            "{json}"
        );
        assert!(json.contains(r#""jobs":{"17":5}"#) && json.contains(r#""level":"high""#), "{json}");
        assert_eq!(serde_json::from_str::<Event>(&json).expect("reads back"), event);
    }

    #[test]
    fn an_event_without_fields_has_a_name_all_the_same() {
        let event = Event { seq: Seq(1), at: Wall(0), mono: Mono::START, kind: EventKind::AdmissionResumed };
        let json = serde_json::to_string(&event).expect("serialises");
        assert!(json.ends_with(r#""event":"admission_resumed"}"#), "{json}");
    }
}
