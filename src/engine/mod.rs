//! Pure decisions: `step(now, input) -> effects`. No clock, no I/O, no async, no randomness.
//!
//! Commands ask, events are facts, effects are orders. The engine keeps its knowledge in [`State`], which only
//! [`State::apply`] changes; beside it stands only what is not a fact yet (timers, answers awaited).

pub mod admission;
mod away;
pub mod cleanup_plan;
mod commands;
pub mod estimate;
mod exits;
mod governor;
pub mod left;
pub mod levels;
pub mod offer;
pub mod port;
pub mod retry;
mod room;
mod samples;
mod slots;
mod timers;
mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::command::{Answer, ClientId, RequestId};
use crate::domain::event::{Event, EventKind, JobCounts, RunSummary, Seq};
use crate::domain::job::{Job, JobId, LogLevel, RANK_STEP, Rank, StopReason};
use crate::domain::memory::MemorySample;
use crate::domain::preset::Preset;
use crate::domain::profile::Profile;
use crate::domain::refusal::Rejection;
use crate::domain::state::State;
use crate::domain::time::{Mono, Now};
use crate::domain::units::Bytes;

use cleanup_plan::CleanupPlan;
use governor::Governor;
use levels::Levels;
use port::{Effect, Input, ScanId};

/// How a run is to go, fixed from its start but for the profile.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The profile to begin with.
    pub profile: Profile,
    /// The profiles that can be switched to: a warning advises the next safer of them.
    pub profiles: Vec<Profile>,
    /// Every preset that a job may name.
    pub presets: BTreeMap<String, Preset>,
    /// The preset of jobs that name none.
    pub preset: String,
    /// Whether a preset that comes with a request is as sound as one from a file; if not, why, in words.
    pub check_preset: fn(&Preset) -> Result<(), String>,
    /// Further tries after a failure that may pass.
    pub retries: u32,
    /// A job may run this long; `None` = as long as it wants.
    pub timeout: Option<Duration>,
    /// A job may go this long without progress, CPU use and growth; `None` = as long as it wants.
    pub stall: Option<Duration>,
    /// A run that could start nothing for want of room on disk for this long, with nothing at work, ends and keeps its queue;
    /// `None` = it waits for as long as it takes.
    pub disk_wait: Option<Duration>,
    /// False = the naive baseline: slots and sizes only, no cleanups.
    pub governor: bool,
    /// plimsoll's version, for the record.
    pub version: String,
    /// Jobs of the state folder that had ended before this run.
    pub before: JobCounts,
    /// What the jobs of earlier runs have taught of peaks; what this run's jobs teach is added.
    pub learned: estimate::Learned,
    /// Processors that jobs may keep busy; a quota counts with its fraction. Less than one counts as one.
    pub cores: f64,
}

/// Time between asking a process to end and killing it.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// The same when plimsoll itself is ending: it promises to be gone within 3 s, and what a job writes on its way out is
/// thrown away in any case.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);
/// A job starts without its cleanup when that takes longer than this.
const CLEANUP_PATIENCE: Duration = Duration::from_secs(2);
/// A drained run waits so long for the commands of the operator's: one that runs may take as long, and tells how it ended.
const HOOKS_WAIT: Duration = Duration::from_secs(35);
/// Without a memory sample for this long a naive run is blind, and so is any at its start; the governor looks closer.
const BLIND_AFTER: Duration = Duration::from_secs(2);

/// What is known of a job that holds a slot, beyond its facts.
#[derive(Debug, Default)]
struct Active {
    /// Its admission must be on disk up to here before it is spawned.
    admitted: Seq,
    /// It waits for this cleanup no longer than until then.
    cleaning_until: Option<Mono>,
    /// The order to spawn it was given.
    spawn_ordered: bool,
    /// It is to end as soon as it runs, and why.
    doomed_why: Option<StopReason>,
    /// When its process began, with the time it was paused added.
    clock_from: Mono,
    /// Since when it is paused.
    paused_since: Option<Mono>,
    /// How long it was paused before, in all.
    paused_for: Duration,
    /// When it last made progress, and its vital signs then.
    alive: Option<stall::Alive>,
    /// It is killed at this moment unless it has ended.
    kill_at: Option<Mono>,
    /// Frame and media time of its last progress.
    last_mark: Option<(u64, Duration)>,
    /// Highest memory that the host saw, between samples too.
    host_peak: Bytes,
    /// How its process ended, while its output is put in place.
    exit: Option<port::ExitReport>,
    /// The most it was seen to hold in this try, and when that last rose.
    grown: Option<(Bytes, Mono)>,
    /// Why it was killed for want of memory.
    memory_why: Option<String>,
    /// How long that process ran, pauses left out.
    ran: Duration,
    /// Processors that it keeps busy.
    parallelism: f64,
    /// How far all memory may go while it runs alone, where that is beyond the critical mark.
    may_reach: Option<Bytes>,
    /// The kernel's limit of its processes, as last told, and the round of jobs coming and going that it belongs to.
    limit: Option<Bytes>,
    limit_round: u64,
}

impl Active {
    /// How long its process has worked: pauses are no work.
    fn worked(&self, now: Mono) -> Duration {
        self.paused_since.unwrap_or(now).since(self.clock_from)
    }

    /// How long its process has been there, pauses included.
    fn been_there(&self, now: Mono) -> Duration {
        now.since(self.clock_from) + self.paused_for
    }
}

mod stall {
    use crate::domain::memory::JobVitals;
    use crate::domain::time::Mono;

    /// A moment at which a job was seen alive.
    #[derive(Debug, Clone, Copy)]
    pub struct Alive {
        pub at: Mono,
        pub vitals: JobVitals,
    }
}

#[derive(Debug)]
struct Scan {
    client: ClientId,
    request: RequestId,
    /// What is searched, as it is shown.
    searched: String,
    /// What it finds runs before some of what waits.
    is_ahead: bool,
    /// What is said where nothing came of it.
    nothing: String,
    found: u64,
    /// Inputs that are in the queue already.
    known: u64,
}

/// The heart: decides everything, touches nothing.
#[allow(clippy::struct_excessive_bools)] // independent facts: each may be true without the others
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    state: State,
    now: Now,
    effects: Vec<Effect>,
    next_scan: u64,
    last_rank: Rank,
    scans: BTreeMap<ScanId, Scan>,
    window: window::Window,
    inspecting: BTreeSet<JobId>,
    /// Nobody is to be probed before something changes in the queue.
    is_probed: bool,
    /// Estimates of the jobs that were probed and have not ended.
    expected: BTreeMap<JobId, estimate::Expected>,
    active: BTreeMap<JobId, Active>,
    persisted: Seq,
    sample: Option<(Mono, MemorySample)>,
    levels: Levels,
    cleanup_plan: CleanupPlan,
    governor: Governor,
    slots: slots::Decisions,
    /// Jobs that have told their "before processing"; when its try has ended, since when the "after" one waits for a newer sample.
    after_lines: BTreeMap<JobId, Option<Mono>>,
    /// Jobs stopped because the console is stopped.
    suspended: BTreeSet<JobId>,
    /// The console is stopped: nothing is started that nobody would watch.
    stands_still: bool,
    /// Who waits to be told that everything is stopped.
    suspending: Vec<(ClientId, RequestId)>,
    /// Room for outputs that is missing, by where.
    lacking: BTreeMap<room::Place, room::Lacking>,
    /// Where inputs cannot be reached for now.
    away: BTreeMap<PathBuf, away::Away>,
    /// How much a try of a job had written when the disk was full.
    filled: BTreeMap<JobId, Bytes>,
    /// Commands of the operator's that run or wait, and until when a drained run waits for them.
    hooks: usize,
    hooks_until: Option<Mono>,
    /// Asked to end a second time: what only tidies, checks or is about to start is not waited for.
    hurries: bool,
    over: bool,
    /// When time alone makes something due, as of the last step.
    wake_at: Option<Mono>,
}

impl Engine {
    /// An engine at the start of a run. Nothing happens before [`Engine::start`].
    pub fn new(config: EngineConfig) -> Self {
        Self {
            config,
            state: State::default(),
            now: Now::default(),
            effects: Vec::new(),
            next_scan: 1,
            last_rank: 0,
            scans: BTreeMap::new(),
            window: window::Window::default(),
            inspecting: BTreeSet::new(),
            is_probed: false,
            expected: BTreeMap::new(),
            active: BTreeMap::new(),
            persisted: Seq(0),
            sample: None,
            levels: Levels::default(),
            cleanup_plan: CleanupPlan::default(),
            governor: Governor::default(),
            slots: slots::Decisions::default(),
            after_lines: BTreeMap::new(),
            suspended: BTreeSet::new(),
            stands_still: false,
            suspending: Vec::new(),
            lacking: BTreeMap::new(),
            away: BTreeMap::new(),
            filled: BTreeMap::new(),
            hooks: 0,
            hooks_until: None,
            hurries: false,
            over: false,
            wake_at: None,
        }
    }

    /// Begins the run: tells what it runs under.
    pub fn start(&mut self, now: Now) -> Vec<Effect> {
        self.now = now;
        self.emit(EventKind::RunStarted {
            version: self.config.version.clone(),
            governor: self.config.governor,
            preset: self.config.preset.clone(),
            before: self.config.before,
        });
        let profile = self.config.profile.clone();
        self.select_profile(profile);
        self.ask_page();
        self.wake_at = self.next_timer();
        std::mem::take(&mut self.effects)
    }

    /// Takes one input and tells what is to be done about it.
    pub fn step(&mut self, now: Now, input: Input) -> Vec<Effect> {
        self.now = Now { mono: self.now.mono.max(now.mono), wall: now.wall };
        if self.over {
            return Vec::new();
        }
        match input {
            Input::Command(client, request, command) => self.command(client, request, command),
            Input::Found(scan, arrived) => self.found(scan, arrived),
            Input::Paged(page) => self.paged(page),
            Input::ScanDone(scan, errors) => self.scan_done(scan, errors),
            Input::Sample(sample) => self.sampled(sample),
            Input::Job(job, report) => self.report(job, report),
            Input::CleanupDone(cleanup, result) => self.cleanup_done(cleanup, result),
            Input::Persisted(seq) => self.persisted = self.persisted.max(seq),
            Input::Fault { what, detail } => self.emit(EventKind::Fault { what, detail }),
            Input::Note { level, text } => self.log(None, level, text),
            Input::Hooks(at_work) => self.hooks = at_work,
            Input::Watched(watched) => self.emit(EventKind::WatchChanged(watched)),
            Input::Wake => {}
        }
        self.timers();
        self.admit();
        self.refill();
        self.adjust_limits();
        self.clean();
        self.set_pace();
        self.finish_if_over();
        self.answer_suspending();
        #[cfg(debug_assertions)]
        self.check_invariants();
        self.wake_at = if self.over { None } else { self.next_timer() };
        std::mem::take(&mut self.effects)
    }

    /// Everything that is known.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The moment at which [`Input::Wake`] is wanted, if nothing else comes first.
    pub fn wake_at(&self) -> Option<Mono> {
        self.wake_at
    }

    /// The run is over: [`Effect::Exit`] was given.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Makes a fact: applies it, and orders it to be stored and told.
    fn emit(&mut self, kind: EventKind) {
        let event = Event { seq: Seq(self.state.seq.0 + 1), at: self.now.wall, mono: self.now.mono, kind };
        self.state.apply(&event);
        let is_of_the_queue = !matches!(
            event.kind,
            EventKind::MemorySampled(_)
                | EventKind::JobProgressed { .. }
                | EventKind::JobLogged { .. }
                | EventKind::CleanupStarted { .. }
                | EventKind::CleanupFinished { .. }
        );
        self.is_probed &= !is_of_the_queue;
        if let EventKind::JobFinished { job, .. }
        | EventKind::JobRejected { job, .. }
        | EventKind::JobRemoved { job, .. }
        | EventKind::JobParked { job } = &event.kind
        {
            self.expected.remove(job);
        }
        if event.kind.is_durable() {
            self.effects.push(Effect::Persist(event.clone()));
        }
        self.effects.push(Effect::Publish(event));
    }

    fn log(&mut self, job: Option<JobId>, level: LogLevel, text: String) {
        self.emit(EventKind::JobLogged { job, level, text, own: true });
    }

    fn reply(&mut self, client: ClientId, request: RequestId, result: Result<(), Rejection>) {
        self.effects.push(Effect::Reply(client, request, result.map(|()| Answer::default())));
    }

    fn job(&self, id: JobId) -> Option<&Job> {
        self.state.jobs.get(&id)
    }

    fn rank_at_end(&mut self) -> Rank {
        self.last_rank += RANK_STEP;
        self.last_rank
    }

    /// Below the rank of every listed job that has not ended, so that whoever comes back into the queue stands behind it too.
    fn rank_at_front(&self) -> Rank {
        let index = &self.state.index;
        let back = index.active.iter().chain(&index.backoff).filter_map(|id| self.job(*id)).map(|job| job.rank);
        let lowest = back.chain(index.waiting.first().map(|(rank, _)| *rank)).min();
        lowest.unwrap_or_default() - RANK_STEP
    }

    /// Some job has a process that was not reaped yet, as far as is known.
    fn has_process(&self) -> bool {
        self.state.index.active.iter().any(|id| self.job(*id).is_some_and(|job| job.phase.pid().is_some()))
    }

    fn finish_if_over(&mut self) {
        let idle = if self.hurries { !self.has_process() } else { self.active.is_empty() };
        let nothing_waits = self.nothing_waits();
        let is_compared = self.state.comparison.is_some();
        let wanted = self.state.shutting_down || (self.state.draining && nothing_waits && !is_compared);
        let tidy = self.all_is_told() && self.cleanup_plan.is_idle() && self.governor.is_tidy();
        if !(wanted && idle && (tidy || self.hurries || self.blind())) {
            self.hooks_until = None;
            return;
        }
        // How they end belongs to the log of the run.
        if self.hooks > 0 && !self.state.shutting_down {
            let until = *self.hooks_until.get_or_insert(self.now.mono + HOOKS_WAIT);
            if self.now.mono < until {
                return;
            }
        }
        self.emit_backlog();
        let summary =
            RunSummary { seconds: self.now.mono.0.as_secs_f64(), at_once: self.decided_mostly(), ..self.state.figures_so_far() };
        self.emit(EventKind::RunFinished(summary));
        self.effects.push(Effect::Exit);
        self.over = true;
    }

    /// Recomputes what must hold after every step; small queues only, since it looks at every job.
    #[cfg(debug_assertions)]
    fn check_invariants(&self) {
        let state = &self.state;
        if state.jobs.len() > 300 {
            return;
        }
        for job in state.jobs.values() {
            assert_eq!(state.index.active.contains(&job.id), job.phase.holds_slot(), "{job:?}");
            assert_eq!(self.active.contains_key(&job.id), job.phase.holds_slot(), "{job:?}");
            let waits = matches!(job.phase, crate::domain::job::Phase::Queued);
            assert_eq!(state.index.waiting.contains(&(job.rank, job.id)), waits, "{job:?}");
        }
        assert_eq!(
            state.index.waiting.len()
                + state.index.backoff.len()
                + state.index.active.len()
                + state.index.rejected.len()
                + state.index.ended.len(),
            state.jobs.len()
        );
    }
}
