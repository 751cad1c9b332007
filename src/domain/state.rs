//! Everything that is known, as the sum of the events so far. [`State::apply`] is the only thing that changes it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::cleanup::{CleanupRecord, CleanupResult};
use super::comparison::under_way::UnderWay;
use super::event::{Event, EventKind, JobCounts, MemoryFigures, RoomWanted, RunSummary, Seq};
use super::job::{Exit, Finished, Job, JobId, KERNEL_KILL, LogLevel, LogLine, Outcome, Phase, Progress, Rank, Rejected};
use super::measured::Measurements;
use super::memory::Lines;
use super::profile::Profile;
use super::time::{Mono, Wall};
use super::units::Bytes;
use super::watch::Watched;

mod changes;
mod figures;
mod parts;

pub use self::parts::{Decided, Held, HistoryPoint, LogRing, Notice, Totals, Warning};

/// Log lines kept in memory for one job; the whole log is a file.
pub const LOG_LINES: usize = 2000;
/// Jobs whose log lines are kept in memory; the longest untouched goes first.
const LOGS_KEPT: usize = 48;
/// Cleanups listed.
const CLEANUPS_KEPT: usize = 500;
/// Seconds of memory history: two hours.
const HISTORY_SECONDS: usize = 7200;
/// Ended jobs listed, and rejected ones; the oldest goes first. The counts know of all.
pub const ENDED_KEPT: usize = 1000;
/// Events of the story kept, for consoles that come later.
pub const STORY_KEPT: usize = 1000;
/// Notices kept: faults, warnings, what the operator ought to know.
const NOTICES_KEPT: usize = 200;

/// Everything that is known.
#[allow(clippy::struct_excessive_bools)] // independent facts: each may be true without the others
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The last event applied.
    pub seq: Seq,
    /// Its time since the run began.
    pub now: Mono,
    /// Its wall-clock time.
    pub wall: Wall,
    /// False = the naive baseline.
    pub governor: bool,
    /// Preset of jobs that name none.
    pub default_preset: String,
    /// Jobs of the state folder that had ended before this run.
    #[serde(default)]
    pub before: JobCounts,
    pub profile: Option<Box<Profile>>,
    /// The jobs that are listed, by number: those at work, the next of those that wait, the latest of those that have ended.
    pub jobs: BTreeMap<JobId, Job>,
    /// Jobs by what is happening to them.
    pub index: Index,
    /// The command lines of the jobs at work.
    #[serde(default)]
    pub commands: BTreeMap<JobId, String>,
    /// What waits beyond the jobs listed.
    pub backlog: Backlog,
    /// New jobs are not started.
    pub paused: bool,
    /// A comparison has the machine: nothing of the queue starts until it is over.
    #[serde(default)]
    pub comparison: Option<UnderWay>,
    /// Nothing new is taken.
    pub draining: bool,
    pub shutting_down: bool,
    /// The last memory sample.
    pub memory: MemoryFigures,
    /// Where the marks stand.
    pub lines: Lines,
    /// Who set the budget, in plain words.
    pub budget_source: String,
    /// The operator has named it: profiles have no say.
    #[serde(default)]
    pub budget_by_operator: bool,
    /// What the container or the machine really has.
    pub available: Bytes,
    /// The job that waits for memory.
    pub held: Option<Held>,
    /// The room for outputs that is missing, one entry for each disk; told last comes last.
    #[serde(default)]
    pub rooms: Vec<RoomWanted>,
    /// The one that was told last, for consoles of an earlier version.
    #[serde(default)]
    pub room: Option<RoomWanted>,
    /// What a profile that decides its slots itself aims at.
    #[serde(default)]
    pub decided: Option<Decided>,
    /// Memory over time, one point a second, oldest first.
    pub history: VecDeque<HistoryPoint>,
    /// Cleanups, oldest first.
    pub cleanups: VecDeque<CleanupRecord>,
    /// Warning signs now seen, by name.
    pub warnings: BTreeMap<String, Warning>,
    /// The folders that are watched, by their number.
    #[serde(default)]
    pub watched: BTreeMap<u32, Watched>,
    /// Faults and other things the operator ought to know, oldest first.
    pub notices: VecDeque<Notice>,
    /// What has happened, as people are told it, oldest first: a console that comes later shows it too.
    #[serde(default)]
    pub story: VecDeque<Event>,
    /// Events of the story that are not kept any more.
    #[serde(default)]
    pub story_left_out: u64,
    /// Log lines of the latest jobs.
    pub logs: BTreeMap<Option<JobId>, LogRing>,
    /// Sums over the whole run.
    pub totals: Totals,
    /// What was measured while each profile was in force.
    #[serde(default)]
    pub measured: Measurements,
    /// The last event's figures, once the run is over.
    pub summary: Option<RunSummary>,
}

/// Jobs by what is happening to them, kept in step by [`State::apply`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Holding a slot.
    pub active: BTreeSet<JobId>,
    /// Waiting for the next try.
    pub backoff: BTreeSet<JobId>,
    /// Waiting for a slot, next first.
    pub waiting: BTreeSet<(Rank, JobId)>,
    /// Not let in.
    pub rejected: BTreeSet<JobId>,
    /// Ended, latest last.
    pub ended: BTreeSet<(u64, JobId)>,
    /// How many ended with each outcome, those that are not listed any more included.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// How many of those that ended well are of damaged inputs, those that are not listed any more included.
    #[serde(default)]
    pub damaged: u64,
    /// Rejected jobs that are not listed any more.
    #[serde(default)]
    pub rejected_unlisted: u64,
    /// Σ size of the waiting.
    pub waiting_bytes: Bytes,
}

/// Jobs that wait and are not listed: a queue may be longer than memory should hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backlog {
    /// How many.
    pub jobs: u64,
    /// Σ size of their inputs.
    pub bytes: Bytes,
}

/// The names of all warning signs: the three of a queue that is too much for its box, and memory that is not ours.
pub const SIGNS: [&str; 4] = ["over the line", "frequent cleanups", "jobs fail", "memory of others"];

impl State {
    /// Adds one fact. Events about jobs that are not known are ignored, so that a stream may begin anywhere.
    pub fn apply(&mut self, event: &Event) {
        let (seq, now, wall) = (event.seq, event.mono, event.at);
        self.seq = seq;
        self.now = now;
        self.wall = wall;
        self.add_to_story(event);
        match &event.kind {
            EventKind::RunStarted { governor, preset, before, .. } => {
                self.before = *before;
                self.governor = *governor;
                self.default_preset.clone_from(preset);
            }
            EventKind::JobQueued { job, input, size_bytes, preset, output, rank } => {
                self.totals.cleared_rejected.remove(job);
                self.jobs.insert(
                    *job,
                    Job {
                        id: *job,
                        input: input.clone(),
                        size: *size_bytes,
                        preset: preset.clone(),
                        output: output.clone(),
                        phase: Phase::Queued,
                        rank: *rank,
                        attempts: 0,
                        allowed: false,
                        media: None,
                        pixels: 0,
                        choices: String::new(),
                        predicted_peak: None,
                        reserved: Bytes::ZERO,
                        memory: Bytes::ZERO,
                        peak: Bytes::ZERO,
                        progress: None,
                        queued_at: now,
                        started_at: None,
                        wants_room: None,
                        away: None,
                        disk: None,
                        ended_seq: 0,
                    },
                );
                self.index.waiting.insert((*rank, *job));
                self.index.waiting_bytes += *size_bytes;
            }
            EventKind::JobRestored { job, attempts, allowed } => {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.attempts = *attempts;
                    job.allowed = *allowed;
                }
            }
            EventKind::JobParked { job } => {
                if let Some(known) = self.forget(*job) {
                    self.backlog.jobs += 1;
                    self.backlog.bytes += known.size;
                }
            }
            EventKind::WatchChanged(watched) => drop(self.watched.insert(watched.watch, watched.clone())),
            EventKind::BacklogChanged { jobs, bytes } => self.backlog = Backlog { jobs: *jobs, bytes: *bytes },
            EventKind::QueueRestored { jobs, interrupted } => self.notice(restored_words(*jobs, *interrupted)),
            EventKind::JobInspected { job, media, predicted_peak_bytes, pixels, choices, disk, .. } => {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.choices.clone_from(choices);
                    job.media = Some(media.as_ref().clone());
                    job.pixels = *pixels;
                    job.disk.clone_from(disk);
                    job.predicted_peak = *predicted_peak_bytes;
                }
            }
            EventKind::JobRejected { job, limit_bytes, reason, detail, .. } => {
                let rejected = Rejected { reason: *reason, limit: *limit_bytes, detail: detail.clone() };
                self.set_phase(*job, Phase::Rejected(rejected));
            }
            EventKind::JobAllowed { job, by_operator } => {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.allowed |= *by_operator;
                }
                self.set_phase(*job, Phase::Queued);
            }
            EventKind::JobAdmitted { job, attempt, reserved_bytes } => {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.attempts = *attempt;
                    job.reserved = *reserved_bytes;
                    job.progress = None;
                }
                self.set_phase(*job, Phase::Starting);
            }
            EventKind::JobStarted { job, pid, predicted_peak_bytes, command, .. } => {
                if let (Some(command), true) = (command, self.jobs.contains_key(job)) {
                    self.commands.insert(*job, command.clone());
                }
                if let Some(job) = self.jobs.get_mut(job) {
                    job.started_at = Some(now);
                    job.wants_room = None;
                    job.predicted_peak = predicted_peak_bytes.or(job.predicted_peak);
                }
                self.set_phase(*job, Phase::Running { pid: *pid, paused: false, for_memory: false });
            }
            EventKind::JobProgressed { job, ratio, fps, speed, eta_seconds, memory_bytes, frame, out_time_ms, written_bytes } => {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.progress = Some(Progress {
                        ratio: *ratio,
                        frame: *frame,
                        fps: *fps,
                        speed: *speed,
                        out_time: Duration::from_millis(*out_time_ms),
                        written: *written_bytes,
                        eta_seconds: *eta_seconds,
                    });
                    job.peak = job.peak.max(*memory_bytes);
                }
            }
            EventKind::JobLogged { job, level, text, .. } => {
                let line = LogLine { at: wall, level: *level, text: text.clone() };
                // What memory did while a job ran belongs to its story too.
                if job.is_none() && *level == LogLevel::Memory {
                    for id in self.index.active.clone() {
                        self.log(Some(id), line.clone());
                    }
                }
                self.log(*job, line);
            }
            EventKind::JobPaused { job, by_governor } => {
                self.totals.stops += u64::from(*by_governor);
                self.set_paused(*job, true, *by_governor);
            }
            EventKind::JobContinued { job, .. } => self.set_paused(*job, false, false),
            EventKind::JobStopping { job, why } => {
                if let Some(pid) = self.jobs.get(job).and_then(|job| job.phase.pid()) {
                    self.set_phase(*job, Phase::Stopping { pid, why: *why, since: now });
                }
            }
            EventKind::JobFinalizing { job } => self.set_phase(*job, Phase::Finalizing),
            EventKind::JobFinished {
                job,
                outcome,
                output,
                peak_memory_bytes,
                seconds,
                attempts,
                exit_code,
                signal,
                reason,
                damage,
                left_out,
            } => {
                if let Some(job) = self.jobs.get_mut(job) {
                    job.attempts = *attempts;
                    job.peak = job.peak.max(*peak_memory_bytes);
                    job.memory = Bytes::ZERO;
                    if output.is_some() {
                        job.output.clone_from(output);
                    }
                }
                let is_kill = *outcome == Outcome::OutOfMemory && reason.as_ref().is_some_and(|why| why.contains(KERNEL_KILL));
                self.totals.oom_kills += u64::from(is_kill);
                let exit = exit_code.map(Exit::Code).or(signal.map(Exit::Signal));
                let took = Duration::try_from_secs_f64(*seconds).unwrap_or_default();
                let (reason, damage, left_out) = (reason.clone(), damage.clone(), left_out.clone());
                let finished = Finished { outcome: *outcome, took, exit, reason, at: wall, damage, left_out };
                self.set_phase(*job, Phase::Finished(finished));
            }
            EventKind::JobRequeued { job, reason, delay_ms, uncounted, for_room, away, .. } => {
                self.totals.requeues += 1;
                self.totals.retries += u64::from(!*uncounted);
                self.totals.oom_kills += u64::from(reason.contains(KERNEL_KILL));
                if let Some(job) = self.jobs.get_mut(job) {
                    job.memory = Bytes::ZERO;
                    job.progress = None;
                    job.started_at = None;
                    job.wants_room = for_room.then(|| reason.clone());
                    job.away.clone_from(away);
                    // One whose input could not be looked at had not begun a try.
                    if *uncounted && job.phase.holds_slot() {
                        job.attempts = job.attempts.saturating_sub(1);
                    }
                }
                let phase = if *delay_ms == 0 {
                    Phase::Queued
                } else {
                    Phase::Backoff { until: now + Duration::from_millis(*delay_ms), reason: reason.clone() }
                };
                self.set_phase(*job, phase);
            }
            EventKind::JobReady { job } => self.set_phase(*job, Phase::Queued),
            EventKind::JobRetried { job, rank } => {
                if let Some(known) = self.jobs.get_mut(job) {
                    known.attempts = 0;
                    known.wants_room = None;
                    known.progress = None;
                    known.started_at = None;
                    // Its file may be another one by now: what was wrong with it may have been mended.
                    (known.media, known.predicted_peak, known.pixels) = (None, None, 0);
                }
                self.set_rank(*job, *rank);
                self.set_phase(*job, Phase::Queued);
            }
            EventKind::JobMoved { job, rank } => self.set_rank(*job, *rank),
            EventKind::JobRemoved { job, .. } => {
                let cleared = self.forget(*job).map(|job| job.phase);
                match cleared {
                    Some(Phase::Finished(finished)) => {
                        let counts = &mut self.totals.cleared;
                        counts.add(finished.outcome, 1);
                        counts.damaged += u64::from(finished.is_damaged());
                    }
                    Some(Phase::Rejected(_)) => drop(self.totals.cleared_rejected.insert(*job)),
                    _ => {}
                }
            }
            EventKind::MemorySampled(figures) => self.sample(figures),
            EventKind::BudgetChanged { budget_source, available_bytes, by_operator, lines, .. } => {
                self.budget_source.clone_from(budget_source);
                self.budget_by_operator = *by_operator;
                self.available = *available_bytes;
                self.lines = *lines;
            }
            EventKind::PressureChanged { to, .. } => self.memory.level = *to,
            EventKind::AdmissionHeld { job, needs_bytes, free_bytes, kept_bytes } => {
                if self.held.is_none_or(|held| held.job != *job) {
                    self.totals.holds += 1;
                }
                self.held = Some(Held { job: *job, needs: *needs_bytes, free: *free_bytes, kept: *kept_bytes });
            }
            EventKind::AdmissionResumed => self.held = None,
            EventKind::RoomWanted(wanted) => {
                self.rooms.retain(|known| known.disk != wanted.disk);
                self.rooms.push(wanted.clone());
                self.room = Some(wanted.clone());
            }
            EventKind::RoomFound { job } => {
                let disk = self.jobs.get(job).and_then(|job| job.disk.clone());
                // Whoever looked last was not always the one that was told.
                self.rooms.retain(|known| known.job != *job && !known.is_for(disk.as_deref()));
                self.room = self.rooms.last().cloned();
                if let Some(job) = self.jobs.get_mut(job) {
                    job.wants_room = None;
                }
            }
            EventKind::CleanupStarted { cleanup, trigger, job, action, before_bytes } => {
                if self.cleanups.len() == CLEANUPS_KEPT {
                    self.cleanups.pop_front();
                }
                self.cleanups.push_back(CleanupRecord {
                    id: *cleanup,
                    at: now,
                    wall,
                    trigger: *trigger,
                    job: *job,
                    action: *action,
                    before: *before_bytes,
                    result: None,
                });
                self.history_point().cleanup = true;
            }
            EventKind::CleanupFinished { cleanup, before_bytes, after_bytes, freed_bytes, millis, verdict, .. } => {
                self.totals.cleanups += 1;
                self.totals.freed += *freed_bytes;
                self.totals.cleanups_without_gain += u64::from(freed_bytes.is_next_to_nothing());
                let result = CleanupResult {
                    before: *before_bytes,
                    after: *after_bytes,
                    freed: *freed_bytes,
                    millis: *millis,
                    verdict: *verdict,
                };
                if let Some(record) = self.cleanup_mut(*cleanup) {
                    record.result = Some(result);
                }
            }
            EventKind::ProfileSelected { profile, .. } => {
                let before = self.profile.replace(profile.clone()).map(|before| before.name);
                let earlier = &mut self.totals.earlier_profiles;
                earlier.retain(|name| *name != profile.name && before.as_ref() != Some(name));
                earlier.extend(before.filter(|before| *before != profile.name));
                self.decided = None;
            }
            EventKind::SlotsDecided { at_once, limit, why, .. } => {
                self.decided = Some(Decided { at_once: *at_once, limit: *limit, why: why.clone() });
            }
            EventKind::QueuePaused => self.paused = true,
            EventKind::QueueResumed => self.paused = false,
            EventKind::ComparisonStarted { inputs } => {
                self.comparison = Some(UnderWay { since: wall, began: now, inputs: *inputs, ..UnderWay::default() });
            }
            EventKind::ComparisonRun { run, runs, profile } => {
                if let Some(known) = &mut self.comparison {
                    (known.run, known.runs) = (*run, *runs);
                    known.profile.clone_from(profile);
                }
            }
            EventKind::ComparisonEnded { .. } => self.comparison = None,
            EventKind::DrainStarted => self.draining = true,
            EventKind::DrainStopped => self.draining = false,
            EventKind::ShutdownStarted => self.shutting_down = true,
            EventKind::WarningRaised { warning, evidence, advice, profile } => {
                self.notice(format!("{warning}: {evidence}"));
                let since = self.warnings.get(warning).map_or(now, |known| known.since);
                let (evidence, advice, profile) = (evidence.clone(), advice.clone(), profile.clone());
                self.warnings.insert(warning.clone(), Warning { evidence, advice, profile, since });
            }
            EventKind::WarningCleared { warning } => {
                self.warnings.remove(warning);
            }
            kind @ (EventKind::InputSkipped { .. } | EventKind::Fault { .. }) => {
                self.notice(kind.trouble().unwrap_or_default());
            }
            EventKind::RunFinished(summary) => self.summary = Some(summary.clone()),
        }
        if let Some(profile) = &self.profile {
            let is_paused = |id: &JobId| self.jobs.get(id).is_some_and(|job| job.phase.is_paused_by_operator());
            let works = self.index.active.iter().any(|id| !is_paused(id));
            self.measured.on_event(event, &profile.name, (&self.index.active, works), self.lines.high_water);
        }
    }
}

/// The words for jobs of an earlier run.
pub fn restored_words(jobs: u64, interrupted: u64) -> String {
    let jobs = match jobs {
        1 => "1 job of an earlier run is queued again".to_owned(),
        many => format!("{many} jobs of an earlier run are queued again"),
    };
    match interrupted {
        0 => jobs,
        1 => format!("{jobs}, 1 of which was at work when it died"),
        many => format!("{jobs}, {many} of which were at work when it died"),
    }
}
