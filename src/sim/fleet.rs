//! A fleet in virtual time: the engine of each box as it is, over one queue in memory that hands jobs out by the rules of the
//! real one.
//!
//! Fetching and storing take no time here, since they go on beside the work. Nothing is lost, and nobody else uses the boxes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::Sim;
use super::forecast::{CONSOLE, LONGEST, engine_config};
use super::world::{Curve, Fate, SimJob};
use crate::domain::command::Command;
use crate::domain::event::EventKind;
use crate::domain::job::{JobId, MediaInfo, Outcome, RejectReason, VideoStream};
use crate::domain::memory::Lines;
use crate::domain::preset::{Container, Preset, VideoCodec, VideoPlan};
use crate::domain::profile::Profile;
use crate::domain::time::Mono;
use crate::domain::units::Bytes;
use crate::engine::EngineConfig;
use crate::engine::estimate::predicted_peak;
use crate::engine::offer::{self, Offer, PATIENCE};

/// The stand-in of every job's preset: only what a job needs bears on where it goes.
const PRESET: &str = "any";
/// A box has measured its memory by then.
const MEASURED: Duration = Duration::from_millis(10);
/// Kills for want of memory that end a job.
const MOST_DEATHS: u32 = 3;
/// Widest picture of a stand-in, in steps of 16 by 9 pixels.
const WIDEST: u32 = 4000;

/// A job of the queue, next first.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetJob {
    /// Size of its input.
    pub size: Bytes,
    /// Memory that it is found to need once a box has looked at it.
    pub needs: Bytes,
    /// The queue knows that already.
    pub is_known: bool,
    /// Share of that which it really holds, at most 1.
    pub holds: f64,
    /// How long it takes in a slot.
    pub length: Duration,
    /// How long it has waited.
    pub waited: Duration,
    /// The box that has it already, by its place.
    pub on: Option<usize>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FleetBox {
    /// Its profile, with a fixed number of slots.
    pub profile: Profile,
    /// Memory that it may use.
    pub budget: Bytes,
    /// It takes more than what it has.
    pub takes: bool,
}

/// How the queue was worked off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FleetRun {
    /// When each job ended; `None` = no box takes it.
    pub ends: Vec<Option<Duration>>,
}

impl FleetRun {
    /// When the last job ended; `None` = none did.
    pub fn finish(&self) -> Option<Duration> {
        self.ends.iter().flatten().max().copied()
    }

    /// Jobs that no box takes.
    pub fn left(&self) -> usize {
        self.ends.iter().filter(|end| end.is_none()).count()
    }
}

/// Peak of the largest job that a box with this profile and budget takes.
pub fn largest(profile: &Profile, budget: Bytes) -> Bytes {
    offer::largest_under(&Lines::new(&profile.memory, budget), CONSOLE)
}

/// The smallest budget of a box with this profile that takes a job of this peak, to the megabyte.
pub fn budget_for(profile: &Profile, peak: Bytes) -> Bytes {
    let (mut low, mut high) = (peak.0 >> 20, (peak.0 >> 20) * 2 + 64);
    while low < high {
        let middle = low.midpoint(high);
        if largest(profile, Bytes::mib(middle)) >= peak { high = middle } else { low = middle + 1 }
    }
    Bytes::mib(low)
}

/// Works the queue off.
pub fn run(boxes: &[FleetBox], jobs: &[FleetJob]) -> FleetRun {
    let mut fleet = Fleet {
        jobs,
        queue: Queue::default(),
        boxes: boxes.iter().map(Worker::new).collect(),
        ends: vec![None; jobs.len()],
        deaths: vec![0; jobs.len()],
        now: Mono::START + MEASURED,
    };
    for (at, job) in jobs.iter().enumerate() {
        match job.on.and_then(|on| fleet.boxes.get_mut(on)) {
            Some(worker) => worker.begin(at, job, job.is_known.then_some(job.needs), Mono::START + MEASURED),
            None => fleet.queue.put(at, job.is_known.then_some(job.needs)),
        }
    }
    fleet.run();
    FleetRun { ends: fleet.ends }
}

struct Fleet<'a> {
    jobs: &'a [FleetJob],
    queue: Queue,
    boxes: Vec<Worker>,
    ends: Vec<Option<Duration>>,
    deaths: Vec<u32>,
    now: Mono,
}

impl Fleet<'_> {
    fn run(&mut self) {
        loop {
            self.hand_out();
            let next = |worker: &Worker| if worker.held.is_empty() { None } else { worker.sim.next_at() };
            let first = self.boxes.iter().enumerate().filter_map(|(at, worker)| Some((next(worker)?, at))).min();
            let Some((next, at)) = first.filter(|(next, _)| *next <= Mono::START + LONGEST) else { return };
            self.now = self.now.max(next);
            self.step(at);
        }
    }

    /// The boxes ask in turns, until none that wants a job gets one.
    fn hand_out(&mut self) {
        while self.boxes.iter().any(|worker| worker.wants) {
            for at in 0..self.boxes.len() {
                if !self.boxes[at].wants {
                    continue;
                }
                match self.boxes[at].claim(&mut self.queue, (at, self.now), self.jobs) {
                    Some((job, needs)) => self.boxes[at].begin(job, &self.jobs[job], needs, self.now),
                    None => self.boxes[at].wants = false,
                }
            }
        }
    }

    /// The next thing that happens on a box, and what its worker makes of it.
    fn step(&mut self, at: usize) {
        let worker = &mut self.boxes[at];
        worker.sim.step();
        let mut is_back = false;
        for event in std::mem::take(&mut worker.sim.events) {
            match event.kind {
                EventKind::JobQueued { job, input, .. } => worker.knows(job, &input),
                EventKind::JobInspected { job, .. } => {
                    // It is known now what is left beside it.
                    if let Some(held) = worker.held.iter_mut().find(|held| held.id == Some(job)) {
                        held.needs = Some(self.jobs[held.job].needs);
                        worker.wants = true;
                    }
                }
                EventKind::JobRejected { job, input, reason, .. } => {
                    worker.knows(job, &input);
                    let Some(held) = worker.drop(job) else { continue };
                    let needs = Some(self.jobs[held.job].needs);
                    match reason {
                        RejectReason::NeverFits => {
                            let above = worker.largest() + Bytes(1);
                            self.queue.put(held.job, needs.max(Some(above)));
                        }
                        RejectReason::TooLarge => {
                            self.queue.avoid.insert((held.job, at));
                            self.queue.put(held.job, needs);
                        }
                        _ => {}
                    }
                    is_back = true;
                }
                EventKind::JobFinished { job, outcome, .. } => {
                    let Some(held) = worker.drop(job) else { continue };
                    if outcome == Outcome::OutOfMemory && self.deaths[held.job] + 1 < MOST_DEATHS {
                        self.deaths[held.job] += 1;
                        self.queue.put(held.job, Some(self.jobs[held.job].needs.scale(1.25)));
                        is_back = true;
                    } else {
                        self.ends[held.job] = Some(self.now.since(Mono::START));
                    }
                }
                _ => {}
            }
        }
        if is_back {
            self.boxes.iter_mut().for_each(|worker| worker.wants = true);
        }
    }
}

/// What waits.
#[derive(Default)]
struct Queue {
    /// By what is known of its need, in its order.
    waiting: BTreeMap<Option<Bytes>, BTreeSet<usize>>,
    /// Jobs that a box is kept free for, with that box.
    reserved: BTreeMap<usize, usize>,
    /// Jobs with the boxes whose profile does not let them in.
    avoid: BTreeSet<(usize, usize)>,
}

impl Queue {
    fn put(&mut self, job: usize, needs: Option<Bytes>) {
        self.waiting.entry(needs).or_default().insert(job);
    }

    /// The first job that fits.
    fn claim(&mut self, at: usize, offer: Offer) -> Option<(usize, Option<Bytes>)> {
        let own = self.reserved.iter().find(|(_, on)| **on == at).map(|(job, _)| *job);
        let may = |job: &usize| match own {
            Some(own) => *job == own,
            None => !self.reserved.contains_key(job) && !self.avoid.contains(&(*job, at)),
        };
        let fits = self.waiting.range(..=Some(offer.room)).filter(|(needs, _)| needs.is_some() || offer.unknown);
        let (job, needs) = fits.filter_map(|(needs, jobs)| Some((jobs.iter().copied().find(may)?, *needs))).min()?;
        self.reserved.remove(&job);
        let jobs = self.waiting.get_mut(&needs)?;
        jobs.remove(&job);
        if jobs.is_empty() {
            self.waiting.remove(&needs);
        }
        Some((job, needs))
    }

    /// Keeps a box free for the first job that has waited for long and fits there, but not beside what is at work.
    fn reserve(&mut self, (at, now): (usize, Mono), offer: Offer, jobs: &[FleetJob]) {
        if self.reserved.values().any(|on| *on == at) || offer.room >= offer.largest {
            return;
        }
        let above = (std::ops::Bound::Excluded(Some(offer.room)), std::ops::Bound::Included(Some(offer.largest)));
        let is_due = |job: &usize| now.since(Mono::START) + jobs[*job].waited > PATIENCE;
        let may = |job: &&usize| is_due(job) && !self.reserved.contains_key(job) && !self.avoid.contains(&(**job, at));
        let first = self.waiting.range(above).filter_map(|(_, jobs)| jobs.iter().find(may)).min().copied();
        self.reserved.extend(first.map(|job| (job, at)));
    }
}

/// A job that a box has claimed.
struct Held {
    job: usize,
    /// Its place in the modelled world of the box.
    local: usize,
    id: Option<JobId>,
    needs: Option<Bytes>,
}

/// The worker of a box, with its engine.
struct Worker {
    sim: Sim,
    held: Vec<Held>,
    taken: usize,
    takes: bool,
    /// It is to ask for a job.
    wants: bool,
}

impl Worker {
    fn new(spec: &FleetBox) -> Self {
        let config = EngineConfig {
            presets: BTreeMap::from([(PRESET.to_owned(), preset())]),
            preset: PRESET.to_owned(),
            ..engine_config(&spec.profile)
        };
        let mut sim = Sim::new(config, Vec::new());
        (sim.world.console, sim.world.memory, sim.world.asked) = (CONSOLE, spec.budget, Some(spec.budget));
        sim.run_until(Mono::START + MEASURED);
        sim.world.sparing = true;
        sim.events.clear();
        Self { sim, held: Vec::new(), taken: 0, takes: spec.takes, wants: spec.takes }
    }

    fn largest(&self) -> Bytes {
        offer::largest(self.sim.engine.state())
    }

    /// Asks for one more where there is a slot for it, or one job waits ahead of the next free one.
    fn claim(&mut self, queue: &mut Queue, here: (usize, Mono), jobs: &[FleetJob]) -> Option<(usize, Option<Bytes>)> {
        let state = self.sim.engine.state();
        if !self.takes || self.held.len() > offer::slots(state) as usize {
            return None;
        }
        let offer = offer::offer(state, self.held.iter().map(|held| held.needs));
        queue.reserve(here, offer, jobs);
        queue.claim(here.0, offer)
    }

    /// A claim goes to the engine.
    fn begin(&mut self, job: usize, spec: &FleetJob, needs: Option<Bytes>, now: Mono) {
        let sim = SimJob {
            size: spec.size,
            length: spec.length.max(Duration::from_millis(1)),
            peak: spec.needs.scale(spec.holds),
            ramp: Duration::ZERO,
            picture: (0, 0),
            cache: Bytes::ZERO,
            fate: Fate::Good,
        };
        let course = Curve { media: stand_in(spec.needs), parallelism: 1.0, points: Vec::new(), done: 0.0 };
        let path = self.sim.world.add(sim, course);
        self.held.push(Held { job, local: self.taken, id: None, needs });
        self.taken += 1;
        self.sim.set_now(now);
        self.sim.ask(Command::enqueue(vec![path], None));
    }

    /// The number that the engine has given to the job of this input.
    fn knows(&mut self, id: JobId, input: &Path) {
        let local = input.file_name().and_then(|name| name.to_str()?.parse::<usize>().ok());
        if let Some(held) = self.held.iter_mut().find(|held| Some(held.local) == local) {
            held.id = Some(id);
        }
    }

    /// Holds a job no more, and has room for another one.
    fn drop(&mut self, id: JobId) -> Option<Held> {
        let at = self.held.iter().position(|held| held.id == Some(id))?;
        self.wants = true;
        Some(self.held.swap_remove(at))
    }
}

/// What every job is made into.
fn preset() -> Preset {
    Preset { video: Some(VideoPlan::new(VideoCodec::X264)), ..Preset::new(PRESET, Container::Mp4, 1) }
}

/// The media of a job that the engine expects to need so much, or a little less: with the largest picture that does not need
/// more.
fn stand_in(needs: Bytes) -> MediaInfo {
    let of = |step: u32| {
        let (width, height) = (16 * step, 9 * step);
        let video = VideoStream { width, height, codec: "h264".to_owned(), fps: 25.0, ..VideoStream::default() };
        MediaInfo { duration: Some(Duration::from_hours(1)), video: Some(video), ..MediaInfo::default() }
    };
    let preset = preset();
    let fits = |step: u32| predicted_peak(&of(step), &preset).is_some_and(|peak| peak <= needs);
    let (mut low, mut high) = (1, WIDEST);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    of(low)
}

#[cfg(test)]
#[path = "fleet_tests.rs"]
mod tests;
