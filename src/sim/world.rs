//! A model of the world: jobs with a size, a length, a peak and a fate; memory that is their sum, what others use in
//! waves, and a kernel that kills the largest process when there is none left.
//!
//! It also watches the orders it is given and keeps what a test wants to know of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::account::Account;
use crate::domain::cleanup::{CleanupAction, CleanupResult, CleanupVerdict};
use crate::domain::curve::{Point, held_at};
use crate::domain::event::{Event, EventKind, Seq};
use crate::domain::job::{Exit, JobId, MediaInfo, Progress, Rank, Rejected, VideoStream};
use crate::domain::memory::{Budget, JobVitals, MemorySample, Scope};
use crate::domain::state::Backlog;
use crate::domain::time::Mono;
use crate::domain::units::Bytes;
use crate::engine::port::{
    Arrived, Cause, CleanOrder, Effect, ExitReport, Failure, Host, Input, Inspection, JobReport, Lack, Page, Published, ScanId,
    SpawnOrder, StopMode, StoredJob,
};

/// A job of the model.
#[derive(Debug, Clone)]
pub struct SimJob {
    /// Size of its input.
    pub size: Bytes,
    /// Run time of a try that goes to its end.
    pub length: Duration,
    /// Memory it holds while it runs.
    pub peak: Bytes,
    /// Run time over which its memory grows to the peak; zero = at once.
    pub ramp: Duration,
    /// Pixels of its picture, which its predicted peak follows from.
    pub picture: (u32, u32),
    /// Page cache that its files leave behind.
    pub cache: Bytes,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a job.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It ends well.
    Good,
    /// Its output is there already.
    AlreadyDone,
    /// The probe does not let it in.
    Unfit(Rejected),
    /// Its first tries fail in this way, then it ends well.
    FailsFirst(u32, Failure),
    /// Its first tries cannot be started, then it ends well.
    SpawnFailsFirst(u32),
    /// Its first starts find no room on disk, then it ends well. Each counts, whatever the number of the try.
    NoRoomFirst(u32),
    /// Its first tries each write so much and find the disk full, then it ends well.
    FillsDiskFirst(Vec<Bytes>),
    /// Its output cannot be put in place.
    Unpublishable(Failure),
    /// The kernel kills its first tries.
    KilledFirst(u32),
    /// It stops making progress, uses no CPU, and does not hear SIGTERM.
    Hangs,
}

/// What a recorded or foretold course adds to a job: its media, its memory over its work, and the processors it keeps busy.
#[derive(Debug, Clone, Default)]
pub struct Curve {
    /// What a probe finds.
    pub media: MediaInfo,
    /// Processors that it keeps busy when it is alone; its length is meant for that.
    pub parallelism: f64,
    /// Its memory over its work, in shares of its peak.
    pub points: Vec<Point>,
}

#[derive(Debug)]
struct Process {
    index: usize,
    attempt: u32,
    /// When it began.
    began: Mono,
    /// How fast it comes on, in shares of how it would alone.
    rate: f64,
    /// Time run, up to `since`, as it would be alone.
    ran: Duration,
    /// Running since; `None` while stopped.
    since: Option<Mono>,
    generation: u64,
    /// It has told how far it is.
    told: bool,
}

/// Memory of others that comes and goes: none for the first half of the period, all of it for the second.
#[derive(Debug, Clone, Copy)]
pub struct Wave {
    /// How much.
    pub height: Bytes,
    /// From one beginning to the next.
    pub period: Duration,
}

#[derive(Debug)]
enum Coming {
    Input(Input),
    /// A process has something to tell, unless it was stopped or ended since.
    Tick(JobId, u64),
    Sample,
    /// Found jobs stand in the stored queue now.
    Arrive(ScanId, String, Vec<usize>, bool),
    /// Jobs that were taken off the list stand in the stored queue again.
    PutBack(ScanId, Vec<(JobId, Rank)>),
    /// The next of the stored queue are told.
    Page(usize),
    /// The kernel looks whether there is memory left.
    Kernel,
}

/// The modelled world.
#[derive(Debug)]
pub struct World {
    jobs: Vec<SimJob>,
    index_of: BTreeMap<JobId, usize>,
    /// Every job that was stored, and the places of those that wait and were not told.
    stored: BTreeMap<JobId, StoredJob>,
    /// Those that were taken off the list.
    removed: BTreeSet<JobId>,
    untold: BTreeSet<(Rank, JobId)>,
    now: Mono,
    coming: BTreeMap<(Mono, u64), Coming>,
    order: u64,
    processes: BTreeMap<JobId, Process>,
    cache: BTreeMap<usize, Bytes>,
    persisted: Seq,
    /// The courses of the jobs, by their index; those without one have their ramp and need no processor.
    pub courses: Vec<Curve>,
    /// Processors that jobs with a course share; infinite = nobody is in anybody's way.
    pub cores: f64,
    /// How often the kernel looks, and how often a job tells how far it is: seldom is quick.
    pub kernel_every: Duration,
    /// See `kernel_every`.
    pub progress_every: Duration,
    /// Memory is sampled, and the kernel looks, when something happens and not by the clock; only near the line by the clock
    /// too. A forecast is no proof, and has to be quick. Wants courses: what bends a course is what happens.
    pub sparing: bool,
    /// What this console holds itself.
    pub console: Bytes,
    /// Processors that a job without a course keeps busy, as its exit tells; zero = it does not tell.
    pub keeps_busy: f64,
    /// Highest memory that the kernel cannot drop, as far as it was looked at.
    pub highest: Bytes,
    /// Memory there is.
    pub memory: Bytes,
    /// What the profile in force wants of it; `None` = all.
    pub profile_budget: Option<Bytes>,
    /// The disks that outputs of jobs go to, by their index, where it matters.
    pub disks: BTreeMap<usize, PathBuf>,
    /// What others use.
    pub foreign: Bytes,
    /// What others use on top, in waves.
    pub wave: Option<Wave>,
    /// No sample comes from the first of these moments to the second.
    pub blind: Vec<(Mono, Mono)>,
    /// Processes that the kernel has killed.
    pub oom_kills: u64,
    /// The kernel kills; without it memory may go beyond what there is.
    pub kernel: bool,
    watched: bool,
    /// When memory was last sampled, when it will be, and how long after that again, in a sparing world.
    sampled: Option<Mono>,
    sample_due: Option<Mono>,
    sample_wait: Duration,
    /// Highest rank that was given.
    last_rank: Rank,
    /// ffmpeg's name of the pixel format of every picture; where it is empty nobody can learn from a job.
    pub pixel_format: String,
    /// Samples come at this pace; zero = never.
    pub sample_every: Duration,
    /// Time that a durable record takes.
    pub persist_takes: Duration,
    /// Most processes at once.
    pub most_processes: usize,
    /// Every start, in order.
    pub starts: Vec<(Mono, JobId, u32)>,
    /// Every order to end a process, in order.
    pub stops: Vec<(Mono, JobId, StopMode)>,
    /// What must never happen, when it happened.
    pub violations: Vec<String>,
    /// The kernel's limits of processes.
    pub limits: BTreeMap<JobId, Bytes>,
    /// Parts that a try has left and nobody has removed or published.
    pub parts: BTreeSet<(JobId, u32)>,
    admitted: BTreeMap<JobId, Seq>,
}

/// This console's own memory.
const CONSOLE: Bytes = Bytes::mib(10);
/// Distance of the ranks of jobs stored one after the other.
const RANK_STEP: Rank = 1 << 20;
const KERNEL_EVERY: Duration = Duration::from_millis(20);
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// How far a job of a sparing world is when it tells so.
const TOLD_AT: f64 = 0.5;
/// The course of a job that has none: all of its memory from a tenth of the way on.
const STEEP: &[Point] = &[Point { done: 100, held: 1000 }];
/// Longest time between two samples of a sparing world in which something is decided by how memory goes on.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

impl World {
    /// A world with these jobs to be found, 2 GB of memory and nobody else in it.
    pub fn new(jobs: Vec<SimJob>) -> Self {
        let mut world = Self {
            jobs,
            index_of: BTreeMap::new(),
            stored: BTreeMap::new(),
            removed: BTreeSet::new(),
            untold: BTreeSet::new(),
            now: Mono::START,
            coming: BTreeMap::new(),
            order: 0,
            processes: BTreeMap::new(),
            cache: BTreeMap::new(),
            persisted: Seq(0),
            courses: Vec::new(),
            cores: f64::INFINITY,
            kernel_every: KERNEL_EVERY,
            progress_every: PROGRESS_EVERY,
            sparing: false,
            console: CONSOLE,
            keeps_busy: 0.0,
            highest: Bytes::ZERO,
            memory: Bytes::gib(2),
            profile_budget: None,
            disks: BTreeMap::new(),
            foreign: Bytes::ZERO,
            wave: None,
            blind: Vec::new(),
            oom_kills: 0,
            kernel: true,
            watched: false,
            sampled: None,
            sample_due: None,
            sample_wait: Duration::ZERO,
            last_rank: 0,
            pixel_format: String::new(),
            sample_every: Duration::from_millis(250),
            persist_takes: Duration::from_millis(1),
            most_processes: 0,
            starts: Vec::new(),
            stops: Vec::new(),
            violations: Vec::new(),
            limits: BTreeMap::new(),
            parts: BTreeSet::new(),
            admitted: BTreeMap::new(),
        };
        world.after(Duration::from_millis(5), Coming::Sample);
        world
    }

    /// One more job to be found, with its course; the path under which it is. Every job of this world has a course then.
    pub fn add(&mut self, job: SimJob, course: Curve) -> PathBuf {
        self.jobs.push(job);
        self.courses.push(course);
        PathBuf::from(format!("/sim/{}", self.jobs.len() - 1))
    }

    /// The paths under which scans find the jobs.
    pub fn paths(&self) -> Vec<PathBuf> {
        (0..self.jobs.len()).map(|index| PathBuf::from(format!("/sim/{index}"))).collect()
    }

    /// When the next thing happens by itself.
    pub fn next_at(&self) -> Option<Mono> {
        self.coming.keys().next().map(|(at, _)| *at)
    }

    /// Samples come again, at this pace.
    pub fn sample_again(&mut self, pace: Duration) {
        self.sample_every = pace;
        self.after(pace, Coming::Sample);
    }

    /// Processes that live.
    pub fn alive(&self) -> usize {
        self.processes.len()
    }

    pub(super) fn set_now(&mut self, now: Mono) {
        self.now = now;
    }

    /// What has happened up to `now`, one thing at a time.
    pub(super) fn take(&mut self, now: Mono) -> Option<Input> {
        self.now = now;
        while let Some((at, _)) = self.coming.keys().next().copied() {
            if at > now {
                return None;
            }
            // What is decided now is decided on a sample of now.
            if self.sparing && self.is_news() && self.sampled.is_none_or(|at| now.since(at) >= self.sample_every) {
                return self.sample();
            }
            let (_, coming) = self.coming.pop_first()?;
            let input = match coming {
                Coming::Input(input) => {
                    if let Input::Persisted(seq) = input {
                        self.persisted = seq;
                    }
                    // The line after the last job waits for it, and the end of the run for that line.
                    if self.sparing && self.processes.is_empty() && matches!(input, Input::CleanupDone(..)) {
                        self.sample_in(self.sample_every);
                    }
                    Some(input)
                }
                Coming::Tick(job, generation) => self.tick(job, generation),
                Coming::Arrive(scan, preset, found, is_front) => Some(self.arrive(scan, &preset, found, is_front)),
                Coming::PutBack(scan, jobs) => Some(self.put_back(scan, jobs)),
                Coming::Page(limit) => Some(self.page(limit)),
                Coming::Sample if self.sparing && self.sample_due != Some(at) => None,
                Coming::Sample => self.sample(),
                Coming::Kernel => self.kernel_looks(),
            };
            if input.is_some() {
                return input;
            }
        }
        None
    }

    /// What comes next is told to the engine, or shows in memory.
    fn is_news(&self) -> bool {
        match self.coming.values().next() {
            None | Some(Coming::Sample | Coming::Kernel) => false,
            Some(Coming::Tick(job, generation)) => self.processes.get(job).is_some_and(|known| known.generation == *generation),
            Some(Coming::Input(_) | Coming::Arrive(..) | Coming::PutBack(..) | Coming::Page(_)) => true,
        }
    }

    /// In a sparing world: memory is sampled a little later if there is `news`, and again and again, ever more seldom, as
    /// long as something is decided by how it goes on.
    pub(super) fn watch(&mut self, news: bool, goes_on: bool) {
        if news || !goes_on {
            self.sample_wait = self.sample_every;
        }
        if news || goes_on {
            self.sample_in(self.sample_wait);
        }
    }

    fn sample_in(&mut self, delay: Duration) {
        let at = self.now + delay;
        if self.sample_due.is_none_or(|due| due > at || due < self.now) {
            self.sample_due = Some(at);
            self.after(delay, Coming::Sample);
        }
    }

    fn after(&mut self, delay: Duration, coming: Coming) {
        self.order += 1;
        self.coming.insert((self.now + delay, self.order), coming);
    }

    fn tell(&mut self, delay_ms: u64, input: Input) {
        self.after(Duration::from_millis(delay_ms), Coming::Input(input));
    }

    fn report(&mut self, delay_ms: u64, job: JobId, report: JobReport) {
        self.tell(delay_ms, Input::Job(job, report));
    }

    fn arrive(&mut self, scan: ScanId, preset: &str, found: Vec<usize>, is_front: bool) -> Input {
        let mut arrived = Arrived::default();
        let first = self.stored.values().map(|job| job.rank).min().unwrap_or(0) - RANK_STEP * found.len() as Rank;
        for (index, ahead) in found.into_iter().zip(0..) {
            let id = JobId(self.stored.len() as u64 + 1);
            self.index_of.insert(id, index);
            let rank = if is_front { first + RANK_STEP * ahead } else { self.last_rank + RANK_STEP };
            self.last_rank = self.last_rank.max(rank);
            let size = self.jobs[index].size;
            let job = StoredJob {
                id,
                input: PathBuf::from(format!("/sim/{index}")),
                size,
                output: PathBuf::from(format!("/out/{index}.mp4")),
                preset: preset.to_owned(),
                definition: None,
                rank,
                attempts: 0,
                allowed: false,
                deaths: 0,
            };
            self.stored.insert(id, job);
            self.untold.insert((rank, id));
            arrived.jobs += 1;
            arrived.bytes += size;
        }
        arrived.last_rank = self.last_rank;
        Input::Found(scan, arrived)
    }

    fn put_back(&mut self, scan: ScanId, jobs: Vec<(JobId, Rank)>) -> Input {
        let mut arrived = Arrived::default();
        for (id, rank) in jobs {
            let Some(job) = self.stored.get_mut(&id).filter(|_| self.removed.remove(&id)) else { continue };
            job.rank = rank;
            self.last_rank = self.last_rank.max(rank);
            self.untold.insert((rank, id));
            arrived.jobs += 1;
            arrived.bytes += job.size;
        }
        arrived.last_rank = self.last_rank;
        Input::Found(scan, arrived)
    }

    fn page(&mut self, limit: usize) -> Input {
        let told: Vec<(Rank, JobId)> = self.untold.iter().take(limit).copied().collect();
        for place in &told {
            self.untold.remove(place);
        }
        let jobs = told.iter().filter_map(|(_, id)| self.stored.get(id).cloned()).collect();
        let sizes = self.untold.iter().filter_map(|(_, id)| self.stored.get(id)).map(|job| job.size);
        let backlog = Backlog { jobs: self.untold.len() as u64, bytes: sizes.sum() };
        Input::Paged(Page { jobs, backlog, last_rank: self.last_rank, interrupted: 0 })
    }

    /// What a store would keep of an event.
    fn keep(&mut self, event: &Event) {
        match &event.kind {
            EventKind::JobAdmitted { job, .. } => {
                self.admitted.insert(*job, event.seq);
            }
            EventKind::JobMoved { job, rank } | EventKind::JobRetried { job, rank } => {
                if let Some(stored) = self.stored.get_mut(job) {
                    stored.rank = *rank;
                    self.last_rank = self.last_rank.max(*rank);
                }
            }
            EventKind::JobRemoved { job, .. } => {
                self.removed.insert(*job);
            }
            EventKind::JobParked { job } => {
                if let Some(stored) = self.stored.get(job) {
                    self.untold.insert((stored.rank, *job));
                }
            }
            _ => {}
        }
    }

    fn sample(&mut self) -> Option<Input> {
        if self.sample_every == Duration::ZERO {
            return None;
        }
        self.sampled = Some(self.now);
        if self.sparing {
            self.highest = self.highest.max(self.hard());
            self.sample_due = None;
            self.sample_wait = (self.sample_wait * 3 / 2).clamp(self.sample_every, LONGEST_WAIT);
        } else {
            self.after(self.sample_every, Coming::Sample);
        }
        if self.blind.iter().any(|(from, to)| (*from..*to).contains(&self.now)) {
            return None;
        }
        let jobs: BTreeMap<JobId, JobVitals> = self
            .processes
            .iter()
            .map(|(id, process)| {
                let spec = &self.jobs[process.index];
                let ran = self.ran(process);
                let works = !matches!(spec.fate, Fate::Hangs);
                let cpu_ms = if works { ran.as_millis() as u64 } else { 0 };
                (*id, JobVitals { anon: self.anon(process), cpu_ms })
            })
            .collect();
        let anon: Bytes = jobs.values().map(|vitals| vitals.anon).sum();
        let console = self.console;
        let hard = anon + console + self.foreign_now();
        let cache = self.cache.values().copied().sum();
        Some(Input::Sample(MemorySample {
            scope: Scope::Machine,
            usage: hard + cache,
            working_set: hard + cache,
            hard,
            console,
            file_cache: cache,
            jobs,
            budget: Some(Budget::whole_machine(self.memory).under(self.profile_budget)),
            ..MemorySample::default()
        }))
    }

    /// What others use now.
    pub fn foreign_now(&self) -> Bytes {
        let wave = self.wave.filter(|wave| {
            let period = wave.period.as_millis().max(1);
            self.now.0.as_millis() % period >= period / 2
        });
        self.foreign + wave.map_or(Bytes::ZERO, |wave| wave.height)
    }

    /// Memory of a process: it grows while it runs, and stays while it is stopped.
    fn anon(&self, process: &Process) -> Bytes {
        let spec = &self.jobs[process.index];
        let ran = self.ran(process);
        if let Some(course) = self.courses.get(process.index) {
            return spec.peak.scale(held_at(&course.points, ran.as_secs_f64() / spec.length.as_secs_f64().max(1e-6)));
        }
        if ran >= spec.ramp { spec.peak } else { spec.peak.scale(ran.as_secs_f64() / spec.ramp.as_secs_f64()) }
    }

    /// Memory in use that cannot be dropped.
    pub fn hard(&self) -> Bytes {
        self.processes.values().map(|process| self.anon(process)).sum::<Bytes>() + self.console + self.foreign_now()
    }

    /// Kills whoever is over its own limit, and the largest process when there is no memory left. Looks often enough for what grows by 1 GB/s.
    fn kernel_looks(&mut self) -> Option<Input> {
        self.watched = !self.processes.is_empty();
        if self.watched {
            self.after(self.kernel_every, Coming::Kernel);
        }
        self.kernel_kills()
    }

    fn kernel_kills(&mut self) -> Option<Input> {
        self.highest = self.highest.max(self.hard());
        if !self.kernel {
            return None;
        }
        let is_over = |id: &JobId, process: &Process| self.limits.get(id).is_some_and(|limit| self.anon(process) > *limit);
        let over = self.processes.iter().find(|(id, process)| is_over(id, process));
        let largest = || self.processes.iter().max_by_key(|(_, process)| self.anon(process));
        let victim = over.or_else(|| if self.hard() > self.memory { largest() } else { None }).map(|(id, _)| *id)?;
        self.oom_kills += 1;
        Some(self.end(victim, Exit::Signal(9), None, Some(true)))
    }

    fn ran(&self, process: &Process) -> Duration {
        process.ran + process.since.map_or(Duration::ZERO, |since| self.now.since(since).mul_f64(process.rate))
    }

    /// The processors are shared by those that run: who is in nobody's way comes on as if alone, else all are slowed alike.
    /// What was foretold of their ends no longer holds when that changes.
    fn share_processors(&mut self) {
        // Memory goes another way from here on: it is looked at soon again.
        self.sample_wait = self.sample_every;
        if self.courses.is_empty() {
            return;
        }
        let wants = |process: &Process| self.courses.get(process.index).map_or(0.0, |course| course.parallelism);
        let wanted: f64 = self.processes.values().filter(|process| process.since.is_some()).map(wants).sum();
        let rate = if wanted > self.cores { self.cores / wanted } else { 1.0 };
        let running: Vec<JobId> = self.processes.iter().filter(|(_, process)| process.since.is_some()).map(|(id, _)| *id).collect();
        for id in running {
            let Some(ran) = self.processes.get(&id).map(|process| self.ran(process)) else { continue };
            self.order += 1;
            let (now, generation) = (self.now, self.order);
            if let Some(process) = self.processes.get_mut(&id).filter(|process| process.generation != u64::MAX) {
                (process.ran, process.since, process.rate, process.generation) = (ran, Some(now), rate, generation);
                self.next_tick(id);
            }
        }
    }

    fn tick(&mut self, id: JobId, generation: u64) -> Option<Input> {
        let process = self.processes.get(&id).filter(|process| process.generation == generation)?;
        let (spec, ran, attempt) = (self.jobs[process.index].clone(), self.ran(process), process.attempt);
        // As ffmpeg counts: over all the time since its start, whether it stood still or not.
        let speed = ran.as_secs_f64() / self.now.since(process.began).as_secs_f64().max(1e-3);
        let is_at_end = ran >= spec.length && !matches!(spec.fate, Fate::Hangs);
        if self.sparing && !is_at_end {
            let input = self.kernel_kills().or_else(|| self.tell_once(id, ran));
            self.next_tick(id);
            return input;
        }
        self.highest = self.highest.max(self.hard());
        if !is_at_end {
            self.next_tick(id);
            let ratio = if matches!(spec.fate, Fate::Hangs) { 0.0 } else { ran.as_secs_f64() / spec.length.as_secs_f64() };
            let frame = (ratio * 1000.0) as u64;
            let written = match &spec.fate {
                Fate::FillsDiskFirst(tries) => self.starts_of(id).checked_sub(1).and_then(|at| tries.get(at)).copied(),
                _ => None,
            };
            let written = written.unwrap_or_default();
            let progress = Progress {
                ratio: Some(ratio.min(1.0)),
                frame,
                fps: 25.0,
                speed,
                written,
                out_time: if ratio > 0.0 { ran } else { Duration::ZERO },
                eta_seconds: (speed > 0.0).then(|| (spec.length.saturating_sub(ran).as_secs_f64() / speed) as u64),
            };
            return Some(Input::Job(id, JobReport::Progress(progress)));
        }
        let (exit, failure, oom_killed) = match &spec.fate {
            Fate::FailsFirst(times, failure) if attempt <= *times => (Exit::Code(1), Some(failure.clone()), Some(false)),
            Fate::FillsDiskFirst(tries) if self.starts_of(id) <= tries.len() => {
                let full = Failure { cause: Cause::Room, reason: "disk full while writing the output".to_owned() };
                (Exit::Code(1), Some(full), Some(false))
            }
            Fate::KilledFirst(times) if attempt <= *times => (Exit::Signal(9), None, Some(true)),
            _ => (Exit::Code(0), None, Some(false)),
        };
        Some(self.end(id, exit, failure, oom_killed))
    }

    /// How far a job of a sparing world is, told once on its way: the engine learns from jobs that have come far enough.
    fn tell_once(&mut self, id: JobId, ran: Duration) -> Option<Input> {
        let process = self.processes.get_mut(&id)?;
        let ratio = ran.as_secs_f64() / self.jobs[process.index].length.as_secs_f64().max(1e-6);
        if process.told || ratio < TOLD_AT {
            return None;
        }
        process.told = true;
        let media = self.courses.get(process.index).map(|course| &course.media);
        let frames = media.and_then(|media| Some(media.duration?.as_secs_f64() * media.video.as_ref()?.fps)).unwrap_or(0.0);
        let progress =
            Progress { ratio: Some(ratio), frame: (frames * ratio) as u64, fps: 25.0, speed: 1.0, ..Progress::default() };
        Some(Input::Job(id, JobReport::Progress(progress)))
    }

    /// Starts of a job so far, those that came to nothing included.
    fn starts_of(&self, id: JobId) -> usize {
        self.starts.iter().filter(|(_, job, _)| *job == id).count()
    }

    fn end(&mut self, id: JobId, exit: Exit, failure: Option<Failure>, oom_killed: Option<bool>) -> Input {
        let peak = self.processes.get(&id).map_or(Bytes::ZERO, |process| match self.courses.get(process.index) {
            // Whoever looked all the time has seen the highest of the course, not what is held at its end.
            Some(_) if self.ran(process) >= self.jobs[process.index].length => self.jobs[process.index].peak,
            _ => self.anon(process),
        });
        let cpu = self.processes.remove(&id).map_or(Duration::ZERO, |process| self.ran(&process).mul_f64(self.keeps_busy));
        self.limits.remove(&id);
        self.share_processors();
        Input::Job(id, JobReport::Exited(ExitReport { exit, peak, failure, oom_killed, cpu, account: Account::default() }))
    }

    fn next_tick(&mut self, id: JobId) {
        let Some(process) = self.processes.get(&id) else { return };
        let spec = &self.jobs[process.index];
        let ran = self.ran(process);
        let left = spec.length.saturating_sub(ran).div_f64(process.rate.max(1e-6));
        let delay = match &spec.fate {
            Fate::Hangs => self.progress_every,
            _ if self.sparing => left.min(self.bend_after(process, ran).div_f64(process.rate.max(1e-6))),
            _ => left.min(self.progress_every),
        };
        let generation = process.generation;
        self.after(delay.max(Duration::from_millis(1)), Coming::Tick(id, generation));
    }

    /// Work left to the next bend of a job's course, or to where it tells how far it is.
    fn bend_after(&self, process: &Process, ran: Duration) -> Duration {
        let length = self.jobs[process.index].length;
        let done = ran.as_secs_f64() / length.as_secs_f64().max(1e-6);
        let points = self.courses.get(process.index).map_or(&[][..], |course| &course.points);
        let points = if points.is_empty() { STEEP } else { points };
        // What lies a rounding away is reached.
        let next = points.iter().map(|point| f64::from(point.done) / 1000.0).find(|at| *at > done + 1e-6).unwrap_or(1.0);
        let next = if !process.told && done < TOLD_AT { next.min(TOLD_AT + 1e-6) } else { next };
        length.mul_f64((next - done).max(0.0))
    }

    fn spawn(&mut self, order: &SpawnOrder) {
        let id = order.job;
        if self.admitted.get(&id).is_none_or(|seq| *seq > self.persisted) {
            self.violations.push(format!("job {id} was started before its start was on disk"));
        }
        if self.processes.contains_key(&id) {
            self.violations.push(format!("job {id} was started while it runs"));
        }
        let Some(index) = self.index_of.get(&id).copied() else { return };
        self.starts.push((self.now, id, order.attempt));
        if matches!(self.jobs[index].fate, Fate::SpawnFailsFirst(times) if order.attempt <= times) {
            self.report(1, id, JobReport::SpawnFailed { reason: "no more processes".to_owned(), transient: true });
            return;
        }
        if matches!(self.jobs[index].fate, Fate::NoRoomFirst(times) if self.starts_of(id) <= times as usize) {
            let (needs, free) = (Some(Bytes::mib(8)), Some(Bytes::mib(6)));
            let disk = self.disks.get(&index).cloned();
            let lack = Lack { folder: PathBuf::from("/out"), disk, needs, free, reason: "disk full: /out".to_owned() };
            self.report(1, id, JobReport::NoRoom(lack));
            return;
        }
        self.parts.insert((id, order.attempt));
        self.limits.extend(order.memory_limit.map(|limit| (id, limit)));
        *self.cache.entry(index).or_default() += self.jobs[index].cache;
        let process = Process {
            index,
            attempt: order.attempt,
            began: self.now,
            rate: 1.0,
            ran: Duration::ZERO,
            since: Some(self.now),
            generation: self.order,
            told: false,
        };
        self.processes.insert(id, process);
        self.most_processes = self.most_processes.max(self.processes.len());
        if !self.watched && !self.sparing {
            self.watched = true;
            self.after(self.kernel_every, Coming::Kernel);
        }
        self.share_processors();
        // A fork takes its time: the engine knows a little later.
        self.report(1, id, JobReport::Spawned { pid: 1000 + id.0 as u32, command: format!("modelled {id}") });
        self.next_tick(id);
    }

    fn stop(&mut self, id: JobId, mode: StopMode) {
        self.stops.push((self.now, id, mode));
        let Some(process) = self.processes.get_mut(&id) else { return };
        let is_deaf = matches!(self.jobs[process.index].fate, Fate::Hangs);
        if mode == StopMode::Term && is_deaf {
            return;
        }
        // Whatever it was about to tell is not told any more.
        process.generation = u64::MAX;
        let (delay, signal) = match mode {
            StopMode::Term => (100, 15),
            StopMode::Kill => (20, 9),
        };
        let input = self.end(id, Exit::Signal(signal), None, Some(false));
        self.tell(delay, input);
    }

    fn pause(&mut self, id: JobId, pause: bool) {
        let now = self.now;
        let order = self.order;
        let Some(process) = self.processes.get_mut(&id) else { return };
        if pause {
            let rate = process.rate;
            process.ran += process.since.take().map_or(Duration::ZERO, |since| now.since(since).mul_f64(rate));
            process.generation = u64::MAX;
        } else {
            process.since.get_or_insert(now);
            process.generation = order;
            self.next_tick(id);
        }
        self.share_processors();
    }

    fn clean(&mut self, order: &CleanOrder) {
        let before = self.cache.values().copied().sum();
        let running: BTreeSet<usize> = order.running.iter().filter_map(|id| self.index_of.get(id).copied()).collect();
        if order.action == CleanupAction::RemoveScratch {
            let is_stray = |job: &JobId| order.job.is_none_or(|only| only == *job) && !order.running.contains(job);
            self.parts.retain(|(job, _)| !is_stray(job));
        }
        match order.job {
            Some(job) => {
                if let Some(index) = self.index_of.get(&job) {
                    self.cache.remove(index);
                }
            }
            None => self.cache.retain(|index, _| running.contains(index)),
        }
        let after = self.cache.values().copied().sum();
        let freed = before - after;
        let verdict = if freed == Bytes::ZERO { CleanupVerdict::Futile } else { CleanupVerdict::Effective };
        self.tell(3, Input::CleanupDone(order.id, CleanupResult { before, after, freed, millis: 3, verdict }));
    }
}

impl Host for World {
    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Persist(event) => {
                self.keep(&event);
                // Only starts wait for the disk, and what is written later says the same of all before it.
                if !self.sparing || matches!(event.kind, EventKind::JobAdmitted { .. }) {
                    self.after(self.persist_takes, Coming::Input(Input::Persisted(event.seq)));
                }
            }
            Effect::Page { limit } => self.after(Duration::from_millis(1), Coming::Page(limit)),
            Effect::PutBack { scan, jobs } => {
                self.after(Duration::from_millis(1), Coming::PutBack(scan, jobs));
                self.tell(2, Input::ScanDone(scan, Vec::new()));
            }
            Effect::Scan { scan, paths, preset, wishes } => {
                let mut found = Vec::new();
                let mut errors = Vec::new();
                for path in paths {
                    let index = path.file_name().and_then(|name| name.to_str()?.parse::<usize>().ok());
                    match index.filter(|index| *index < self.jobs.len()) {
                        Some(index) => found.push(index),
                        None => errors.push((path, "no such file".to_owned())),
                    }
                }
                self.after(Duration::from_millis(1), Coming::Arrive(scan, preset, found, wishes.front));
                self.tell(2, Input::ScanDone(scan, errors));
            }
            Effect::Inspect { job, .. } => {
                let Some(spec) = self.index_of.get(&job).map(|index| &self.jobs[*index]) else { return };
                let inspection = match &spec.fate {
                    Fate::Unfit(rejected) => Inspection::Rejected(rejected.clone()),
                    Fate::AlreadyDone => Inspection::AlreadyDone { output: PathBuf::from("/out/there.mp4") },
                    _ if self.index_of.get(&job).is_some_and(|index| *index < self.courses.len()) => {
                        Inspection::Ready(Box::new(self.courses[self.index_of[&job]].media.clone()))
                    }
                    _ => Inspection::Ready(Box::new(MediaInfo {
                        demuxer: "mov".to_owned(),
                        duration: Some(spec.length),
                        video: Some(VideoStream {
                            width: spec.picture.0,
                            height: spec.picture.1,
                            pixel_format: self.pixel_format.clone(),
                            ..VideoStream::default()
                        }),
                        ..MediaInfo::default()
                    })),
                };
                if let Some(disk) = self.index_of.get(&job).and_then(|index| self.disks.get(index)).cloned() {
                    self.report(30, job, JobReport::OutputOn(disk));
                }
                self.report(30, job, JobReport::Inspected(inspection));
            }
            Effect::Spawn(order) => self.spawn(&order),
            Effect::Stop(job, mode) => self.stop(job, mode),
            Effect::Suspend(job) => self.pause(job, true),
            Effect::Continue(job) => self.pause(job, false),
            Effect::Limit(job, limit) => {
                if let Some(known) = self.limits.get_mut(&job) {
                    *known = limit;
                }
            }
            Effect::Finalize { job, attempt } => {
                let Some(spec) = self.index_of.get(&job).map(|index| &self.jobs[*index]) else { return };
                let result = if let Fate::Unpublishable(failure) = &spec.fate {
                    Err(failure.clone())
                } else {
                    self.parts.remove(&(job, attempt));
                    Ok(Published {
                        output: PathBuf::from(format!("/out/{job}.mp4")),
                        size: Bytes::mib(1),
                        damage: None,
                        left_out: Vec::new(),
                    })
                };
                self.report(5, job, JobReport::Finalized(result));
            }
            Effect::Discard { job, attempt } => {
                self.parts.remove(&(job, attempt));
            }
            Effect::Clean(order) => self.clean(&order),
            // A sampler that is gone does not come back.
            Effect::SamplePace(pace) if self.sample_every > Duration::ZERO => self.sample_every = pace,
            Effect::SetProfileBudget(budget) => self.profile_budget = budget,
            // A modelled run has no later ones.
            Effect::RememberPeak(..) => {}
            Effect::SamplePace(_) | Effect::Publish(_) | Effect::Reply(..) | Effect::Exit => {}
        }
    }
}
