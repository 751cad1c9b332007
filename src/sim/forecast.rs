//! Forecasts of a queue: the same engine in virtual time, over the courses of finished jobs of each kind, or over the
//! memory model where none has finished yet.
//!
//! A forecast is many runs; in each a job takes the course of one of its kind, drawn by a seed, so that the same seed gives
//! the same forecast. Jobs share the processors. What others use meanwhile is not foretold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::world::{Curve, Fate, SimJob};
use super::{End, Sim};
use crate::domain::command::Command;
use crate::domain::curve::{JobCurve, Point};
use crate::domain::event::JobCounts;
use crate::domain::event::RunSummary;
use crate::domain::job::MediaInfo;
use crate::domain::plan::{Forecast, SURE_FROM};
use crate::domain::preset::{Preset, VideoCodec};
use crate::domain::profile::Profile;
use crate::domain::time::Mono;
use crate::domain::units::Bytes;
use crate::engine::EngineConfig;
use crate::engine::estimate::{Learned, RecipeKey, output_of, parallelism, predicted_peak};

/// Processor seconds of x264 `medium` for a frame of a megapixel, where nothing is known: measured on a virtual EPYC.
const CPU_PER_MEGAPIXEL: f64 = 0.03;
/// Processor seconds for a second of sound or of copied streams.
const CPU_PER_SECOND: f64 = 0.03;
/// What each job takes beside its encoder's work: the start of its process (20 ms), and at its end the check of the output, the
/// sync and the rename (65 ms). Measured where the above was. Counted as time of the encoder's own, which is a little much where
/// jobs wait for processors.
const HANDLING: Duration = Duration::from_millis(85);
/// How far guesses may be off, as factors of peak and of processor time: all jobs of a kind by the same.
const GUESS_PEAK: (f64, f64) = (0.75, 1.1);
const GUESS_CPU: (f64, f64) = (0.5, 1.6);
/// How far two jobs of one kind differ: other pictures.
const LIKE_PEAK: (f64, f64) = (0.97, 1.02);
const LIKE_CPU: (f64, f64) = (0.9, 1.1);
/// What plimsoll holds itself while it runs a queue without a screen.
pub(super) const CONSOLE: Bytes = Bytes::mib(4);
/// No queue takes longer than this.
pub(super) const LONGEST: Duration = Duration::from_hours(24 * 30);
/// A course may be drawn with fewer points as long as it strays from what was seen by no more than this, in thousandths of the
/// peak: each point costs a step in every run.
const STRAYS: f64 = 20.0;
/// Memory under which whatever runs now may start.
const AMPLE: Bytes = Bytes::gib(1024);
/// All that runs now has started by then.
const STARTED: Duration = Duration::from_mins(1);
/// Least share of a job that is still to be done: one that is done has ended.
const LEFT: f64 = 0.01;
/// Runs that are worth a thread of their own.
const RUNS_A_THREAD: u32 = 8;

#[derive(Debug, Clone)]
pub struct QueuedJob {
    /// Size of its input.
    pub size: Bytes,
    /// What the probe found.
    pub media: MediaInfo,
    /// Name of its preset.
    pub preset: String,
    /// The share of it that is still to be done: 1 of one that waits, less of one at work.
    pub left: f64,
    /// Of one at work: how long the rest takes it alone, by the pace that was measured of it.
    pub measured: Option<Duration>,
    /// Of one at work: what it holds now. Whatever is switched to, it goes on.
    pub holds: Option<Bytes>,
}

/// A way to run the queue.
#[derive(Debug, Clone)]
pub struct Variant {
    /// What it is called.
    pub name: String,
    pub profile: Profile,
    /// Memory to use at most.
    pub budget: Bytes,
}

/// What forecasts are made of.
#[derive(Debug)]
pub struct Forecaster<'a> {
    jobs: &'a [QueuedJob],
    presets: &'a BTreeMap<String, Preset>,
    /// What is known of the queue's kinds; of others nothing has to be carried along.
    learned: Learned,
    cores: f64,
    /// The courses known for each job of the queue.
    known: Vec<Vec<Known<'a>>>,
    /// The kind of each job of the queue, numbered by their first.
    kinds: Vec<usize>,
    /// What was measured of jobs at work, by kind: seconds that a second of media takes one alone.
    paces: BTreeMap<usize, f64>,
}

/// A course, and its points with those left out that tell nothing.
#[derive(Debug, Clone)]
struct Known<'a> {
    curve: &'a JobCurve,
    points: Arc<[Point]>,
}

/// How one run went.
struct Run {
    summary: RunSummary,
    /// How long it took.
    seconds: f64,
    /// The highest memory, between samples too.
    highest: Bytes,
    /// The load line.
    line: Bytes,
}

impl<'a> Forecaster<'a> {
    /// For this queue, on so many processors, with what finished jobs have taught.
    pub fn new(
        jobs: &'a [QueuedJob],
        presets: &'a BTreeMap<String, Preset>,
        (learned, curves): (&'a Learned, &'a [JobCurve]),
        cores: f64,
    ) -> Self {
        let mut by_recipe: BTreeMap<&str, Vec<Known<'a>>> = BTreeMap::new();
        for curve in curves {
            by_recipe.entry(&curve.recipe).or_default().push(Known { curve, points: thinned(&curve.points).into() });
        }
        let key_of = |job: &QueuedJob| RecipeKey::of(&job.media, presets.get(&job.preset)?);
        let keys: Vec<Option<RecipeKey>> = jobs.iter().map(key_of).collect();
        let of = |key: &Option<RecipeKey>| by_recipe.get(key.as_ref()?.as_str()).cloned();
        let known = keys.iter().map(|key| of(key).unwrap_or_default()).collect();
        let wanted: BTreeSet<&RecipeKey> = keys.iter().flatten().collect();
        let mut first: BTreeMap<&RecipeKey, usize> = BTreeMap::new();
        let mut kinds = Vec::with_capacity(keys.len());
        for (at, key) in keys.iter().enumerate() {
            kinds.push(key.as_ref().map_or(at, |key| *first.entry(key).or_insert(at)));
        }
        let mut paces = BTreeMap::new();
        for (job, kind) in jobs.iter().zip(&kinds) {
            if let (Some(measured), Some(media)) = (job.measured, job.media.duration)
                && job.left > 0.0
            {
                paces.entry(*kind).or_insert(measured.as_secs_f64() / (media.as_secs_f64() * job.left).max(0.1));
            }
        }
        Self { jobs, presets, learned: learned.only(|key| wanted.contains(key)), cores, known, kinds, paces }
    }

    /// Jobs whose kind has hardly been seen: what is foretold of them is a guess.
    pub fn guesses(&self) -> usize {
        self.known.iter().filter(|known| known.len() < SURE_FROM).count()
    }

    /// Finished jobs that the forecast of this queue rests on.
    pub fn learned_from(&self) -> usize {
        let mut used: Vec<*const JobCurve> = self.known.iter().flatten().map(|known| std::ptr::from_ref(known.curve)).collect();
        used.sort();
        used.dedup();
        used.len()
    }

    /// Runs the queue this often in virtual time, on every processor there is; how many those are changes nothing of it.
    pub fn forecast(&self, variant: &Variant, runs: u32, seed: u64) -> Forecast {
        let mut peaks = Vec::new();
        let mut times = Vec::new();
        let mut holds = Vec::new();
        let (mut crossed, mut killed, mut rejected) = (0_u32, 0_u32, 0);
        let mut high_water = Bytes::ZERO;
        for Run { summary, seconds, highest, line } in self.runs(variant, runs.max(1), seed) {
            high_water = line;
            peaks.push(highest.max(summary.peak_memory_bytes).0 as f64);
            times.push(seconds);
            holds.push(summary.holds as f64);
            crossed += u32::from(summary.seconds_over_high_water > 0.0 || highest > line);
            killed += u32::from(summary.oom_kills > 0 || summary.jobs.out_of_memory > 0);
            rejected = rejected.max(summary.jobs.rejected);
        }
        let share = |count: u32| f64::from(count) / f64::from(runs.max(1));
        Forecast {
            name: variant.name.clone(),
            short: variant.profile.short(),
            budget: variant.budget,
            high_water,
            peak_p50: Bytes(quantile(&mut peaks, 0.5) as u64),
            peak_p95: Bytes(quantile(&mut peaks, 0.95) as u64),
            crosses: share(crossed),
            crossed_now: false,
            out_of_memory: share(killed),
            finish_p50: quantile(&mut times, 0.5),
            finish_p95: quantile(&mut times, 0.95),
            rejected,
            holds: quantile(&mut holds, 0.5) as u64,
        }
    }

    /// All runs, in their order.
    fn runs(&self, variant: &Variant, runs: u32, seed: u64) -> Vec<Run> {
        // The same jobs take the same courses in every way to run the queue: only the way makes the difference.
        let dice = |run: u32| Dice(seed.wrapping_add(u64::from(run).wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        let one = |run: u32| self.once(variant, &mut dice(run), true);
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u32;
        let threads = processors.min(runs / RUNS_A_THREAD).max(1);
        let share = runs.div_ceil(threads);
        let part = |first: u32| (first..runs.min(first + share)).map(one).collect::<Vec<Run>>();
        if threads == 1 {
            return part(0);
        }
        std::thread::scope(|scope| {
            let part = &part;
            let parts: Vec<_> = (0..threads).map(|thread| scope.spawn(move || part(thread * share))).collect();
            let done = parts.into_iter().map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            done.flatten().collect()
        })
    }

    /// One run, in a sparing world or in one that is looked at by the clock. What is at work goes on, whatever the way.
    fn once(&self, variant: &Variant, dice: &mut Dice, sparing: bool) -> Run {
        let way = engine_config(&variant.profile);
        let at_work: Vec<usize> = (0..self.jobs.len()).filter(|at| self.jobs[*at].holds.is_some()).collect();
        let goes_on = !at_work.is_empty();
        let config = EngineConfig {
            presets: self.presets.clone(),
            preset: self.jobs.first().map(|job| job.preset.clone()).unwrap_or_default(),
            learned: self.learned.clone(),
            cores: self.cores,
            profile: if goes_on { letting_in(&way.profile, at_work.len()) } else { way.profile.clone() },
            ..way
        };
        let off: Vec<(f64, f64)> = self.jobs.iter().map(|_| (dice.between(GUESS_PEAK), dice.between(GUESS_CPU))).collect();
        let drawn = self.jobs.iter().zip(&self.known).zip(&self.kinds);
        let drawn = drawn.map(|((job, known), kind)| self.draw(job, *kind, (known.as_slice(), off[*kind]), dice));
        let (jobs, courses): (Vec<SimJob>, Vec<Curve>) = drawn.unzip();
        let come_to = at_work.iter().map(|at| jobs[*at].peak).sum::<Bytes>() + CONSOLE;
        let mut sim = Sim::new(config, jobs);
        sim.keeps_events = false;
        sim.world.sparing = sparing;
        sim.world.console = CONSOLE;
        sim.world.courses = courses;
        sim.world.cores = self.cores;
        (sim.world.memory, sim.world.asked) = if goes_on { (AMPLE, None) } else { (variant.budget, Some(variant.budget)) };
        self.enqueue(&mut sim, at_work.iter().copied());
        while sim.world.starts.len() < at_work.len() && sim.now() < Mono::START + STARTED {
            sim.step();
        }
        let began = sim.now();
        if goes_on {
            // What runs under a smaller budget has its room already.
            sim.world.asked = Some(variant.budget);
            sim.world.change_memory(variant.budget, come_to - variant.budget);
            sim.ask(Command::SelectProfile(Box::new(way.profile)));
        }
        self.enqueue(&mut sim, (0..self.jobs.len()).filter(|at| self.jobs[*at].holds.is_none()));
        sim.ask(Command::Drain);
        let end = sim.run_until(Mono::START + LONGEST);
        let unended = || RunSummary { seconds: LONGEST.as_secs_f64(), ..RunSummary::default() };
        let state = sim.engine.state();
        let summary = state.summary.clone().filter(|_| end == End::Over).unwrap_or_else(unended);
        let seconds = summary.seconds - began.since(Mono::START).as_secs_f64();
        Run { summary, seconds, highest: sim.world.highest, line: state.lines.high_water }
    }

    /// Queues these jobs, in their order.
    fn enqueue(&self, sim: &mut Sim, jobs: impl Iterator<Item = usize>) {
        let paths = sim.world.paths();
        let mut groups: Vec<(&str, Vec<PathBuf>)> = Vec::new();
        for at in jobs {
            let (preset, path) = (self.jobs[at].preset.as_str(), paths[at].clone());
            match groups.last_mut() {
                Some((known, paths)) if *known == preset => paths.push(path),
                _ => groups.push((preset, vec![path])),
            }
        }
        for (preset, paths) in groups {
            sim.ask(Command::enqueue(paths, Some(preset.to_owned())));
        }
    }

    /// The course that a job takes in one run; `off` is how far a guess is off for its kind.
    fn draw(&self, job: &QueuedJob, kind: usize, (known, off): (&[Known<'_>], (f64, f64)), dice: &mut Dice) -> (SimJob, Curve) {
        let preset = self.presets.get(&job.preset);
        let seconds = job.media.duration.unwrap_or(Duration::from_mins(1)).as_secs_f64() * job.left;
        let frames = job.media.video.as_ref().map_or(0.0, |video| seconds * video.fps.max(1.0));
        let (peak, cpu, points, seen) = if known.is_empty() {
            let peak = preset.and_then(|preset| predicted_peak(&job.media, preset)).unwrap_or(Bytes::mib(150));
            let cpu = preset.map_or(seconds, |preset| guessed_cpu(job, preset, (frames, seconds)));
            (peak.scale(off.0 * dice.between(LIKE_PEAK)), cpu * off.1 * dice.between(LIKE_CPU), Vec::new(), 0.0)
        } else {
            let Known { curve, points } = &known[dice.below(known.len())];
            let units = if curve.frames > 0 { frames.max(1.0) } else { seconds };
            let cpu = curve.cpu_per_unit() * units * dice.between(LIKE_CPU);
            let busiest = known.iter().map(|known| known.curve.parallelism()).fold(0.0, f64::max);
            (curve.peak.scale(dice.between(LIKE_PEAK)), cpu, points.to_vec(), busiest)
        };
        // What was seen beside other jobs may be less.
        let parallelism = preset.map_or(1.0, parallelism).max(seen).min(self.cores);
        let picture = job.media.video.as_ref().map_or((0, 0), |video| (video.width, video.height));
        // What is measured goes before what is known of others, and that before a guess.
        let by_pace = self.paces.get(&kind).filter(|_| known.is_empty()).map(|pace| pace * seconds);
        let measured = job.measured.map(|left| left.as_secs_f64()).or(by_pace).map(|seconds| seconds * dice.between(LIKE_CPU));
        let length = measured.unwrap_or(cpu / parallelism).clamp(0.01, LONGEST.as_secs_f64() / 1e3);
        // It is further on in the same course, and holds at least what it holds.
        let left = job.left.clamp(LEFT, 1.0);
        let (peak, points) = match job.holds {
            Some(holds) => (peak.max(holds), held_from_now(points, holds.share_of(peak.max(holds)))),
            None => (peak, points),
        };
        let sim = SimJob {
            size: job.size,
            length: (HANDLING + Duration::from_secs_f64(length)).div_f64(left),
            peak,
            ramp: Duration::ZERO,
            picture,
            cache: Bytes::ZERO,
            fate: Fate::Good,
        };
        (sim, Curve { media: job.media.clone(), parallelism, points, done: 1.0 - left })
    }
}

/// A profile under which this many jobs start at once, whatever they are and take.
fn letting_in(profile: &Profile, jobs: usize) -> Profile {
    Profile {
        max_concurrent: (jobs as u32).into(),
        max_file_size: Bytes(u64::MAX),
        large: None,
        memory: profile.memory.for_budget(AMPLE),
        ..profile.clone()
    }
}

/// The points of a course that never falls below this share of its peak.
fn held_from_now(points: Vec<Point>, share: f64) -> Vec<Point> {
    let least = (share * 1000.0).ceil() as u16;
    let points = if points.is_empty() { vec![Point { done: 100, held: 1000 }] } else { points };
    let raised = points.into_iter().map(|point| Point { held: point.held.max(least), ..point });
    std::iter::once(Point { done: 0, held: least }).chain(raised).collect()
}

/// The engine of a modelled box.
pub(super) fn engine_config(profile: &Profile) -> EngineConfig {
    EngineConfig {
        profile: profile.clone(),
        profiles: Vec::new(),
        presets: BTreeMap::new(),
        preset: String::new(),
        check_preset: |_| Ok(()),
        retries: 2,
        timeout: None,
        stall: None,
        disk_wait: None,
        governor: true,
        version: String::new(),
        before: JobCounts::default(),
        learned: Learned::default(),
        cores: f64::INFINITY,
    }
}

/// Processor seconds of a job of whose kind none has finished: from the pixels it makes and the encoder's speed preset.
fn guessed_cpu(job: &QueuedJob, preset: &Preset, (frames, seconds): (f64, f64)) -> f64 {
    let Some((plan, video)) = preset.video.as_ref().zip(job.media.video.as_ref()) else { return seconds * CPU_PER_SECOND };
    if plan.codec == VideoCodec::Copy {
        return seconds * CPU_PER_SECOND;
    }
    let megapixels = |(width, height): (u32, u32)| f64::from(width) * f64::from(height) / 1e6;
    let made = output_of(plan, video);
    let made = megapixels((made.width, made.height));
    let factor = plan.preset.map_or(1.0, |speed| match speed.to_string().as_str() {
        "ultrafast" => 0.15,
        "superfast" => 0.25,
        "veryfast" => 0.45,
        "faster" => 0.7,
        "fast" => 0.85,
        "slow" => 1.6,
        "slower" => 3.0,
        "veryslow" => 5.0,
        _ => 1.0,
    });
    // Decoding and scaling cost by what comes in.
    frames * CPU_PER_MEGAPIXEL * (made * factor + megapixels((video.width, video.height)) * 0.1)
}

/// The points without those that lie so near to the line between others that leaving them out changes little. The highest
/// stays: it is the peak.
fn thinned(points: &[Point]) -> Vec<Point> {
    let Some(top) = (0..points.len()).max_by_key(|at| points[*at].held) else { return Vec::new() };
    let mut kept = BTreeSet::from([top, points.len() - 1]);
    // From nothing at the start to the highest, and from there to the end.
    let mut stretches = vec![(None, top), (Some(top), points.len() - 1)];
    while let Some((from, to)) = stretches.pop() {
        let start = from.map_or((0.0, 0.0), |at: usize| (f64::from(points[at].done), f64::from(points[at].held)));
        let end = (f64::from(points[to].done), f64::from(points[to].held));
        let stray = |at: usize| {
            let (done, held) = (f64::from(points[at].done), f64::from(points[at].held));
            let way = if end.0 > start.0 { (done - start.0) / (end.0 - start.0) } else { 1.0 };
            (held - (start.1 + (end.1 - start.1) * way)).abs()
        };
        let farthest = (from.map_or(0, |at| at + 1)..to).max_by(|a, b| stray(*a).total_cmp(&stray(*b)));
        if let Some(at) = farthest.filter(|at| stray(*at) > STRAYS) {
            kept.insert(at);
            stretches.extend([(from, at), (Some(at), to)]);
        }
    }
    kept.into_iter().map(|at| points[at]).collect()
}

/// The value that this share of the values do not exceed.
pub(super) fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = ((values.len() as f64 * share).ceil() as usize).clamp(1, values.len().max(1));
    values.get(place - 1).copied().unwrap_or(0.0)
}

/// Splitmix64: the same seed gives the same numbers, everywhere.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        value ^ (value >> 31)
    }

    pub(super) fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }

    pub(super) fn between(&mut self, (low, high): (f64, f64)) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
#[path = "forecast_tests.rs"]
mod tests;
