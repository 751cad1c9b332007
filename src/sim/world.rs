//! A model of the world: jobs with a size, a length, a peak and a fate; memory that is their sum, what others use in
//! waves, and a kernel that kills the largest process when there is none left.
//!
//! It also watches the orders it is given and keeps what a test wants to know of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::cleanup::{CleanupResult, CleanupVerdict};
use crate::domain::curve::Point;
use crate::domain::event::{EventKind, Seq};
use crate::domain::job::{JobId, MediaInfo, Rank, VideoStream};
use crate::domain::time::Mono;
use crate::domain::units::Bytes;
use crate::engine::port::{CleanOrder, Effect, Host, Input, Inspection, JobReport, Published, ScanId, StopMode, StoredJob};

mod job;
mod memory;
mod processes;
mod queue;
mod shares;

use job::Process;
pub use job::{Curve, Fate, SimJob};
pub use shares::Share;

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
    /// What the kernel has beyond it before it kills.
    pub beyond: Bytes,
    /// What the operator wants of it, whatever the profile says; `None` = what that says.
    pub asked: Option<Bytes>,
    /// What the profile in force wants of it; `None` = all.
    pub profile_budget: Option<Bytes>,
    /// The disks that outputs of jobs go to, by their index, where it matters.
    pub disks: BTreeMap<usize, PathBuf>,
    /// The folders that inputs lie in, by the index of their job, where it matters.
    pub shares: BTreeMap<usize, Share>,
    /// Every look at an input, in order.
    pub probes: Vec<(Mono, JobId)>,
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
            beyond: Bytes::ZERO,
            asked: None,
            profile_budget: None,
            disks: BTreeMap::new(),
            shares: BTreeMap::new(),
            probes: Vec::new(),
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

    /// The file of a job is another one from now on.
    pub fn replace(&mut self, index: usize, job: SimJob) {
        self.jobs[index] = job;
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

    fn send(&mut self, delay_ms: u64, input: Input) {
        self.after(Duration::from_millis(delay_ms), Coming::Input(input));
    }

    fn report(&mut self, delay_ms: u64, job: JobId, report: JobReport) {
        self.send(delay_ms, Input::Job(job, report));
    }

    fn clean(&mut self, order: &CleanOrder) {
        let before = self.cache.values().copied().sum();
        let running: BTreeSet<usize> = order.running.iter().filter_map(|id| self.index_of.get(id).copied()).collect();
        if order.action.removes_parts() {
            self.parts.retain(|(job, _)| !order.is_for(*job));
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
        self.send(3, Input::CleanupDone(order.id, CleanupResult { before, after, freed, millis: 3, verdict }));
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
                self.send(2, Input::ScanDone(scan, Vec::new()));
            }
            Effect::Scan { scan, paths, preset, options } => {
                let mut found = Vec::new();
                let mut errors = Vec::new();
                for path in paths {
                    let index = path.file_name().and_then(|name| name.to_str()?.parse::<usize>().ok());
                    match index.filter(|index| *index < self.jobs.len()) {
                        Some(index) => found.push(index),
                        None => errors.push((path, "no such file".to_owned())),
                    }
                }
                self.after(Duration::from_millis(1), Coming::Arrive(scan, preset, found, options.front));
                self.send(2, Input::ScanDone(scan, errors));
            }
            Effect::Inspect { job, .. } => {
                let Some(index) = self.index_of.get(&job).copied() else { return };
                self.probes.push((self.now, job));
                if let Some(absence) = self.absence(index) {
                    return self.report(30, job, JobReport::Inspected(Inspection::Later(absence)));
                }
                let (spec, disk) = (&self.jobs[index], self.disks.get(&index).cloned());
                let inspection = match &spec.fate {
                    Fate::Unfit(rejected) => Inspection::Rejected(rejected.clone()),
                    Fate::AlreadyDone => Inspection::AlreadyDone { output: PathBuf::from("/out/there.mp4") },
                    _ if index < self.courses.len() => {
                        Inspection::Ready { media: Box::new(self.courses[index].media.clone()), disk }
                    }
                    _ => {
                        let media = Box::new(MediaInfo {
                            demuxer: "mov".to_owned(),
                            duration: Some(spec.length),
                            video: Some(VideoStream {
                                width: spec.picture.0,
                                height: spec.picture.1,
                                pixel_format: self.pixel_format.clone(),
                                ..VideoStream::default()
                            }),
                            ..MediaInfo::default()
                        });
                        Inspection::Ready { media, disk }
                    }
                };
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
