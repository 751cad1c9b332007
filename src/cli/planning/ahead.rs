//! The look ahead at a queue as it is now, for `plimsoll plan` and for the console, and the keeping of a profile that came of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::cli::options::Resolved;
use crate::cli::planning::foresee::{BudgetRule, Foresight, foresee};
use crate::cli::planning::probing::Probing;
use crate::config::save::save_profile;
use crate::domain::job::MediaInfo;
use crate::domain::plan::Plan;
use crate::domain::preset::Preset;
use crate::domain::units::Bytes;
use crate::engine::estimate::parallelism;
use crate::host::files::naming;
use crate::host::media::probe::Prober;
use crate::host::memory::machine::processors;
use crate::host::process::priority::step_back;
use crate::host::store::{OnRecord, Records as _, exact_inputs, lessons};
use crate::runtime::link::{JobNow, LookAhead, LookStep, QueueNow, SaveProfile};
use crate::sim::forecast::QueuedJob;

/// Runs of each way for a queue of few jobs, and for one of many: an operator waits for it.
const RUNS: (u32, u32) = (60, 20);
/// Runs of jobs in one way, over all its runs.
const JOB_RUNS: u32 = 2000;
/// The seed of every look: what differs between two looks is the queue.
const SEED: u64 = 7;

/// What probes have found, for the next look: media of an input as it was, under a preset; `None` = no video for it.
pub type Probed = Mutex<BTreeMap<(PathBuf, Bytes, String), Option<MediaInfo>>>;

/// Which queue is looked ahead at, and how.
#[derive(Debug, Clone, Copy)]
pub struct LookOrder<'a> {
    pub queue: &'a QueueNow,
    /// It is that of the state folder: its jobs keep the presets that they were queued with.
    pub is_stored: bool,
    /// Runs of each way; `None` = fewer the more jobs there are.
    pub runs: Option<u32>,
    /// See [`Foresight::seed`].
    pub seed: u64,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum NoPlan {
    /// The queue has no job that is to be done, is at work or is done already.
    #[error("no job waits or is at work: there is nothing to look ahead to")]
    Nothing,
    /// Whoever asked does not want it any more.
    #[error("given up")]
    GivenUp,
    /// Presets, ffmpeg or the record cannot be read; in words.
    #[error("{0}")]
    Trouble(String),
}

impl NoPlan {
    fn of(error: impl std::fmt::Display) -> Self {
        Self::Trouble(error.to_string())
    }
}

/// How to look ahead with these options.
pub fn look_ahead(resolved: Resolved) -> LookAhead {
    let probed = Probed::default();
    Arc::new(move |queue, go_on| {
        step_back();
        let order = LookOrder { queue, is_stored: true, runs: None, seed: SEED };
        look(&resolved, &probed, order, go_on).map_err(|why| why.to_string())
    })
}

/// Nobody looks ahead here, and this is why.
pub fn no_look_ahead(why: &'static str) -> LookAhead {
    Arc::new(move |_, _| Err(why.to_owned()))
}

/// How to keep a profile among the operator's own.
pub fn keep_profile(resolved: &Resolved) -> SaveProfile {
    let paths = resolved.paths.clone();
    Arc::new(move |profile, comment| save_profile(&paths, profile, comment).map_err(|error| error.to_string()))
}

/// Looks ahead; `go_on` hears how far it is, and ends the work by a no.
pub fn look(resolved: &Resolved, probed: &Probed, order: LookOrder<'_>, go_on: &dyn Fn(LookStep) -> bool) -> Result<Plan, NoPlan> {
    let queue = &with_exact_inputs(resolved, order)?;
    let (_, mut presets) = resolved.load_presets().map_err(NoPlan::of)?;
    let record = OnRecord::open(&resolved.state_dir).map_err(NoPlan::of)?;
    if order.is_stored {
        presets.extend(record.presets().map_err(NoPlan::of)?);
    }
    let (done, to_do): (Vec<&JobNow>, Vec<&JobNow>) = queue.jobs.iter().partition(|job| is_done(job, &presets, &record));
    let media = media(resolved, probed, (&to_do, &presets), go_on)?;
    let company = company(queue, &presets);
    let (mut jobs, mut skipped, mut bytes) = (Vec::new(), 0, Bytes::ZERO);
    for (job, media) in to_do.into_iter().zip(media) {
        match media {
            Some(media) if presets.contains_key(&job.preset) => {
                bytes += job.size;
                jobs.push(queued(job, media, company));
            }
            _ => skipped += 1,
        }
    }
    if jobs.is_empty() && done.is_empty() {
        return Err(NoPlan::Nothing);
    }
    let lessons = lessons(&resolved.state_dir).map_err(NoPlan::of)?;
    let rule = BudgetRule {
        now: queue.budget,
        source: queue.budget_source.clone(),
        available: queue.available,
        is_fixed: queue.budget_by_operator,
    };
    let sight = Foresight {
        jobs: &jobs,
        presets: &presets,
        lessons: &lessons,
        now: &queue.profile,
        profiles: &queue.profiles,
        budget: &rule,
        held: (queue.held, queue.counted),
        cores: processors(),
        runs: order.runs.unwrap_or_else(|| (JOB_RUNS / jobs.len().max(1) as u32).clamp(RUNS.1, RUNS.0)),
        seed: order.seed,
    };
    let plan = foresee(&sight, &|done, of| go_on(LookStep::Foretold { done, of })).ok_or(NoPlan::GivenUp)?;
    Ok(Plan { bytes, left_out: queue.left_out, done: done.len(), ..plan.with_skipped(skipped) })
}

/// The queue with the inputs as the record has them, where it is that of the record.
fn with_exact_inputs(resolved: &Resolved, order: LookOrder<'_>) -> Result<QueueNow, NoPlan> {
    let mut queue = order.queue.clone();
    if order.is_stored {
        let inputs = queue.jobs.iter().map(|job| job.input.clone()).collect();
        let exact = exact_inputs(&resolved.state_dir, inputs).map_err(NoPlan::of)?;
        for (job, input) in queue.jobs.iter_mut().zip(exact) {
            job.input = input;
        }
    }
    Ok(queue)
}

/// A run would find it done already.
fn is_done(job: &JobNow, presets: &BTreeMap<String, Preset>, record: &OnRecord) -> bool {
    let Some((output, preset)) = job.output.as_deref().zip(presets.get(&job.preset)) else { return false };
    let stands = || output.symlink_metadata().is_ok() && !record.overwrites(output);
    stands() && naming::is_current(output, record.lookup(output).as_ref(), &job.input, preset)
}

/// How much slower the jobs at work come on beside each other than each would alone.
fn company(queue: &QueueNow, presets: &BTreeMap<String, Preset>) -> f64 {
    let at_work = queue.jobs.iter().filter(|job| job.seconds_left.is_some()).filter_map(|job| presets.get(&job.preset));
    (at_work.map(parallelism).sum::<f64>() / processors() as f64).max(1.0)
}

/// What is left of a job, as the forecast takes it.
fn queued(job: &JobNow, media: MediaInfo, company: f64) -> QueuedJob {
    // What is in is not held against the limit any more.
    let size = if job.is_in { job.size.min(Bytes(1)) } else { job.size };
    let measured = job.seconds_left.map(|seconds| Duration::from_secs_f64(seconds as f64 / company));
    QueuedJob { size, media, preset: job.preset.clone(), left: job.left.clamp(0.0, 1.0), measured, holds: job.holds }
}

/// The media of each job: as the run has found it, else by a probe; `None` = no video.
fn media(
    resolved: &Resolved,
    probed: &Probed,
    (jobs, presets): (&[&JobNow], &BTreeMap<String, Preset>),
    go_on: &dyn Fn(LookStep) -> bool,
) -> Result<Vec<Option<MediaInfo>>, NoPlan> {
    let unknown = jobs.iter().filter(|job| job.media.is_none()).count();
    let mut probes = Probes { resolved, probed, probing: None };
    let (mut found, mut done) = (Vec::new(), 0);
    for job in jobs {
        if job.media.is_some() {
            found.push(job.media.clone());
            continue;
        }
        if !go_on(LookStep::Probed { done, of: unknown }) {
            return Err(NoPlan::GivenUp);
        }
        done += 1;
        found.push(presets.get(&job.preset).map(|preset| probes.media(job, preset)).transpose()?.flatten());
    }
    Ok(found)
}

/// Probes files that the run has not probed yet, each once.
struct Probes<'a> {
    resolved: &'a Resolved,
    probed: &'a Probed,
    probing: Option<Probing>,
}

impl Probes<'_> {
    fn media(&mut self, job: &JobNow, preset: &Preset) -> Result<Option<MediaInfo>, NoPlan> {
        let key = (job.input.clone(), job.size, job.preset.clone());
        if let Some(known) = self.probed.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(known.clone());
        }
        let media = self.prober()?.probe(&job.input, preset).ok().map(|probed| probed.media);
        self.probed.lock().unwrap_or_else(PoisonError::into_inner).insert(key, media.clone());
        Ok(media)
    }

    fn prober(&mut self) -> Result<&Prober, NoPlan> {
        let probing = match &mut self.probing {
            Some(known) => known,
            none @ None => {
                let ffmpeg = self.resolved.ffmpeg().map_err(NoPlan::of)?;
                none.insert(Probing::new(&ffmpeg).map_err(NoPlan::of)?)
            }
        };
        Ok(&probing.prober)
    }
}
