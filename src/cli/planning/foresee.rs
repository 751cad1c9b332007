//! The making of a plan: the ways to run a queue, each foretold by the engine in virtual time.
//!
//! One function for `plimsoll plan` and for the console. Knows nothing of where the queue came from or how it is shown.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::curve::JobCurve;
use crate::domain::job::MediaInfo;
use crate::domain::plan::{Change, Kind, Plan, Way};
use crate::domain::preset::{Preset, VideoCodec};
use crate::domain::profile::check::{MAX_SLOTS, is_name};
use crate::domain::profile::{GuideWords, LargeRule, Picture, Profile, Slots};
use crate::domain::text::many;
use crate::domain::units::Bytes;
use crate::engine::estimate::{RecipeKey, parallelism, pixels, predicted_peak};
use crate::host::store::Lessons;
use crate::sim::forecast::{Forecaster, QueuedJob, Variant};

/// Heights of pictures by which jobs are told to be large, the largest first.
const HEIGHTS: [u32; 7] = [4320, 2160, 1440, 1080, 720, 480, 360];

/// What a plan is made of.
#[derive(Debug)]
pub struct Foresight<'a> {
    /// The queue, next first.
    pub jobs: &'a [QueuedJob],
    /// Every preset that a job names.
    pub presets: &'a BTreeMap<String, Preset>,
    /// What finished jobs have taught.
    pub lessons: &'a Lessons,
    pub now: &'a Profile,
    /// The profiles that can be switched to.
    pub profiles: &'a [Profile],
    /// The memory that may be used.
    pub budget: &'a BudgetRule,
    /// What the kernel cannot drop now, and what counts against the line now.
    pub held: (Bytes, Bytes),
    /// Processors.
    pub cores: usize,
    /// Runs of each way.
    pub runs: u32,
    /// The same seed gives the same plan.
    pub seed: u64,
}

/// The memory that may be used under each profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetRule {
    /// Under the profile in force.
    pub now: Bytes,
    /// Who says so.
    pub source: String,
    /// What there is.
    pub available: Bytes,
    /// The operator has named the budget: profiles have no say.
    pub is_fixed: bool,
}

impl BudgetRule {
    fn of(&self, profile: &Profile) -> Bytes {
        if self.is_fixed { self.now } else { profile.memory.budget.map_or(self.available, |bytes| bytes.min(self.available)) }
    }
}

/// A way to be foretold.
#[derive(Debug, Clone)]
struct Candidate {
    change: Change,
    name: String,
    profile: Profile,
    budget: Bytes,
}

/// Foretells every way; `go_on` hears how many of how many are done, and ends the work by a no: then there is no plan.
pub fn foresee(sight: &Foresight<'_>, go_on: &dyn Fn(usize, usize) -> bool) -> Option<Plan> {
    let Foresight { jobs, presets, lessons, cores, runs, seed, .. } = *sight;
    let forecaster = Forecaster::new(jobs, presets, (&lessons.learned, &lessons.curves), cores as f64);
    let (guesses, learned_from) = (forecaster.guesses(), forecaster.learned_from());
    let candidates = candidates(sight);
    let mut ways = Vec::new();
    for (done, Candidate { change, name, profile, budget }) in candidates.iter().cloned().enumerate() {
        if !go_on(done, candidates.len()) {
            return None;
        }
        let variant = Variant { name, profile, budget };
        let (forecast, guesses) = match change {
            Change::Threads(threads) => {
                let others = with_threads(presets, threads);
                // What is known of jobs with these threads goes before what is concluded from jobs with others.
                let known = Forecaster::new(jobs, &others, (&lessons.learned, &lessons.curves), cores as f64).guesses();
                let curves = concluded(jobs, (presets, &others), &lessons.curves);
                let forecaster = Forecaster::new(jobs, &others, (&lessons.learned, &curves), cores as f64);
                (forecaster.forecast(&variant, runs, seed), known)
            }
            _ => (forecaster.forecast(&variant, runs, seed), guesses),
        };
        ways.push(Way { change, profile: variant.profile, guesses, forecast: forecast.from_now(sight.held) });
    }
    Some(Plan {
        jobs: jobs.len(),
        bytes: jobs.iter().map(|job| job.size).sum(),
        skipped: 0,
        left_out: 0,
        done: 0,
        learned_from,
        guesses,
        budget: sight.budget.now,
        budget_source: sight.budget.source.clone(),
        available: sight.budget.available,
        cores,
        runs,
        seed,
        kinds: kinds(jobs, presets, &lessons.curves),
        ways,
    })
}

/// The profile in force first, then the others, then variations of the first: as many slots as processors and one more,
/// large jobs one at a time, other threads, and half and twice the budget. No way stands there twice.
fn candidates(sight: &Foresight<'_>) -> Vec<Candidate> {
    let Foresight { now, profiles, budget, cores, .. } = *sight;
    let mut list =
        vec![Candidate { change: Change::None, name: format!("now: {}", now.name), profile: now.clone(), budget: budget.now }];
    for profile in profiles.iter().filter(|profile| profile.name != now.name) {
        let (name, budget) = (profile.name.clone(), budget.of(profile));
        list.push(Candidate { change: Change::Profile, name, profile: profile.clone(), budget });
    }
    let one_more = now.max_concurrent.fixed().map(|slots| slots + 1);
    for slots in [Some(cores as u32), Some(cores as u32 + 1), one_more].into_iter().flatten() {
        let slots = slots.clamp(1, MAX_SLOTS);
        let profile = variation(sight, &slots.to_string(), slots.into(), now.large);
        let is_known = |known: &Candidate| {
            let rules = |profile: &Profile| (profile.max_concurrent, profile.max_file_size, profile.large);
            rules(&known.profile) == rules(&profile)
        };
        if !list.iter().any(is_known) {
            let name = format!("{}, {}", now.name, many(slots.into(), "slot"));
            list.push(Candidate { change: Change::Slots, name, profile, budget: budget.now });
        }
    }
    if let Some(from) = large_from(sight) {
        let rule = Some(LargeRule { from, at_once: 1 });
        let profile = variation(sight, &from.to_string(), now.max_concurrent, rule);
        list.push(Candidate { change: Change::Large, name: format!("{}, one {from}", now.name), profile, budget: budget.now });
    }
    for (threads, slots) in other_threads(sight) {
        let profile = variation(sight, &format!("{threads}t"), slots.into(), now.large);
        let word = if threads == 1 { "thread" } else { "threads" };
        let name = format!("{}, {threads} {word} x {slots}", now.name);
        list.push(Candidate { change: Change::Threads(threads), name, profile, budget: budget.now });
    }
    for budget in [budget.now.scale(0.5), budget.now.scale(2.0)] {
        let name = format!("{}, budget {budget}", now.name);
        let mut profile = now.clone();
        // A larger plan comes with marks of its own: in bytes they only ever scale down by themselves.
        if now.memory.budget.is_some_and(|own| own < budget) {
            profile.memory = now.memory.for_budget(budget);
        }
        list.push(Candidate { change: Change::Budget, name, profile, budget });
    }
    list
}

/// The picture from which on jobs of this queue could take turns: of the largest size that two jobs have and not all.
fn large_from(sight: &Foresight<'_>) -> Option<Picture> {
    if sight.now.large.is_some() || sight.now.max_concurrent == Slots::Fixed(1) {
        return None;
    }
    let of = |job: &QueuedJob| sight.presets.get(&job.preset).map_or(0, |preset| pixels(&job.media, preset));
    let pixels: Vec<u64> = sight.jobs.iter().map(of).collect();
    HEIGHTS.into_iter().map(Picture::of_height).find(|from| {
        let large = pixels.iter().filter(|pixels| **pixels >= from.pixels()).count();
        large >= 2 && large < pixels.len()
    })
}

/// The profile in force with other slots or another rule for large jobs, under a name that is free.
fn variation(sight: &Foresight<'_>, mark: &str, slots: Slots, large: Option<LargeRule>) -> Profile {
    let now = sight.now;
    let name = free_name(&format!("{}-{mark}", stem(now, sight.profiles)), sight.profiles);
    let turns = large.map_or_else(String::new, |rule| format!(", {}", rule.words()));
    let title = format!("{}, {}{turns}", slots.words(), now.max_file_size);
    // What the guide says of the profile in force it does not say of this one.
    Profile { name, title, max_concurrent: slots, large, guide: GuideWords::default(), ..now.clone() }
}

/// The name that variations are called after: of a variation, that of the profile it varies.
fn stem<'a>(now: &'a Profile, profiles: &[Profile]) -> &'a str {
    let origin = now.name.rsplit_once('-').map(|(stem, _)| stem);
    origin.filter(|stem| profiles.iter().any(|profile| profile.name == **stem)).unwrap_or(&now.name)
}

/// This name, or the next one like it that no profile has.
fn free_name(wanted: &str, profiles: &[Profile]) -> String {
    let is_free = |name: &String| is_name(name) && !profiles.iter().any(|profile| profile.name == *name);
    // A name of 32 letters leaves no room for a mark.
    let short: String = wanted.chars().rev().take(28).collect::<Vec<_>>().into_iter().rev().collect();
    let short = short.trim_start_matches(['.', '_', '-']).to_owned();
    let numbered = (2..100).map(|number| format!("{short}-{number}"));
    [wanted.to_owned(), short.clone()].into_iter().chain(numbered).find(is_free).unwrap_or(short)
}

/// Other numbers of threads with as many slots as keep the processors busy, where the presets of the queue have pictures to
/// encode and other threads now.
fn other_threads(sight: &Foresight<'_>) -> Vec<(u32, u32)> {
    let names: BTreeSet<&str> = sight.jobs.iter().map(|job| job.preset.as_str()).collect();
    let encodes =
        |preset: &&Preset| preset.video.as_ref().is_some_and(|plan| plan.codec != VideoCodec::Copy && plan.tile.is_none());
    let threads: BTreeSet<u32> =
        names.into_iter().filter_map(|name| sight.presets.get(name)).filter(encodes).map(|preset| preset.threads).collect();
    let cores = (sight.cores as u32).clamp(1, MAX_SLOTS);
    let wanted: BTreeSet<u32> = [1, 2, cores].into_iter().filter(|threads| *threads <= cores).collect();
    // Presets with different threads: each of the numbers is another one for some of them.
    let is_other = |count: &u32| threads.iter().any(|known| known != count);
    wanted.into_iter().filter(is_other).map(|count| (count, (cores / count).max(1))).collect()
}

fn with_threads(presets: &BTreeMap<String, Preset>, threads: u32) -> BTreeMap<String, Preset> {
    let changed = |preset: &Preset| Preset { threads, ..preset.clone() };
    presets.iter().map(|(name, preset)| (name.clone(), changed(preset))).collect()
}

/// The known courses, and for kinds of which none is known with these threads those with the present ones: the same work, a
/// peak that differs as the memory model says, and no more processors kept busy than the threads can.
fn concluded(
    jobs: &[QueuedJob],
    (present, others): (&BTreeMap<String, Preset>, &BTreeMap<String, Preset>),
    curves: &[JobCurve],
) -> Vec<JobCurve> {
    let mut all = curves.to_vec();
    let mut seen = BTreeSet::new();
    for job in jobs {
        let Some((before, after)) = present.get(&job.preset).zip(others.get(&job.preset)) else { continue };
        let key = |preset| RecipeKey::of(&job.media, preset).map(|key| key.as_str().to_owned());
        let Some((from, to)) = key(before).zip(key(after)) else { continue };
        if from == to || !seen.insert(to.clone()) || curves.iter().any(|curve| curve.recipe == to) {
            continue;
        }
        let modelled = predicted_peak(&job.media, before).zip(predicted_peak(&job.media, after));
        let factor = modelled.map_or(1.0, |(before, after)| after.share_of(before));
        let busy = parallelism(after);
        for curve in curves.iter().filter(|curve| curve.recipe == from) {
            let parallelism = curve.parallelism().min(busy).max(0.1);
            let wall_ms = (curve.cpu_ms as f64 / parallelism) as u64;
            all.push(JobCurve { recipe: to.clone(), peak: curve.peak.scale(factor), wall_ms, ..curve.clone() });
        }
    }
    all
}

/// The kinds of job in the queue, the most frequent first.
fn kinds(jobs: &[QueuedJob], presets: &BTreeMap<String, Preset>, curves: &[JobCurve]) -> Vec<Kind> {
    let mut kinds: Vec<(String, Kind)> = Vec::new();
    for job in jobs {
        let preset = presets.get(&job.preset);
        let what = words(&job.media, &job.preset);
        let recipe = preset.and_then(|preset| RecipeKey::of(&job.media, preset));
        let key = recipe.as_ref().map_or_else(|| what.clone(), |recipe| recipe.as_str().to_owned());
        if let Some((_, kind)) = kinds.iter_mut().find(|(known, _)| *known == key) {
            kind.jobs += 1;
            continue;
        }
        let known: Vec<&JobCurve> = curves.iter().filter(|curve| curve.recipe == key).collect();
        let peaks = known.iter().map(|curve| curve.peak);
        let modelled = preset.and_then(|preset| predicted_peak(&job.media, preset)).map(|peak| (peak, peak));
        let mut cpu: Vec<f64> = known.iter().map(|curve| curve.cpu_ms as f64 / curve.media_ms.max(1) as f64).collect();
        cpu.sort_by(f64::total_cmp);
        let kind = Kind {
            what,
            jobs: 1,
            finished: known.len(),
            peaks: peaks.clone().min().zip(peaks.max()).or(modelled),
            cpu: cpu.get(cpu.len() / 2).copied(),
        };
        kinds.push((key, kind));
    }
    kinds.sort_by_key(|(_, kind)| std::cmp::Reverse(kind.jobs));
    kinds.into_iter().map(|(_, kind)| kind).collect()
}

/// `h264 1920x1080 to web-720p`.
fn words(media: &MediaInfo, preset: &str) -> String {
    let input = match (&media.video, &media.audio) {
        (Some(video), _) => format!("{} {}x{}", video.codec, video.width, video.height),
        (None, Some(audio)) => format!("{} sound", audio.codec),
        (None, None) => "media not known".to_owned(),
    };
    format!("{input} to {preset}")
}

#[cfg(test)]
#[path = "foresee_tests.rs"]
mod tests;
