//! `plan --fleet`: when the queue of a fleet would be done with the boxes that are there, and with more or larger ones.

use std::collections::BTreeMap;

use color_eyre::eyre::Result;

use super::{block_on, open_queue, told};
use crate::cli::args::{FleetPlanArgs, PlanArgs};
use crate::cli::options::Resolved;
use crate::cli::{Usage, write_out};
use crate::domain::fleet::FleetWorker;
use crate::domain::fleet_plan::{Addition, FinishedFleetJob, FleetPlan, FleetWay, Homeless};
use crate::domain::profile::{Mark, MemoryMarks, Profile, Slots};
use crate::domain::units::Bytes;
use crate::headless::fleet_plan::{json, text};
use crate::host::fleet::db::Database;
use crate::host::fleet::outlook::{self, Unfinished};
use crate::host::fleet::{queue, schema};
use crate::runtime::clock::Clock;
use crate::sim::fleet::{FleetBox, budget_for, largest};
use crate::sim::fleet_forecast::{FleetForecaster, QueuedFleetJob};

/// Jobs that a run works off; of a longer queue evenly chosen ones stand for all.
const MOST: u64 = 1000;
/// With more boxes so many for each of their slots, so that what is left over at the end counts for little.
const A_SLOT: u64 = 10;
/// Jobs over all runs of a way, and its fewest runs.
const JOB_RUNS: u64 = 10_000;
const FEWEST_RUNS: u32 = 3;
/// Slots of added boxes whose profile decides that itself, where none is there to be like.
const SLOTS: u32 = 2;
/// Jobs that fit nowhere and are named.
const NAMED: i64 = 10;

/// What is known of the queue and its boxes.
struct Facts {
    waiting: u64,
    workers: Vec<FleetWorker>,
    jobs: Vec<Unfinished>,
    running: u64,
    finished: Vec<FinishedFleetJob>,
}

/// Foretells; returns the exit status.
pub fn run(args: &PlanArgs, resolved: &Resolved) -> Result<u8> {
    let profile = resolved.load_profile()?;
    let profiles = resolved.all_profiles(&profile);
    let db = open_queue(&args.fleet.queue)?;
    let plan = block_on(plan(&db, args, (&profile, &profiles)))?;
    let told = if args.json { json(&plan).to_string() + "\n" } else { text(&plan, Clock::start().now().wall) };
    write_out(told.as_bytes())
}

async fn plan(db: &Database, args: &PlanArgs, (profile, profiles): (&Profile, &[Profile])) -> Result<FleetPlan> {
    schema::check(db).await.map_err(told)?;
    let FleetPlanArgs { add, .. } = &args.fleet;
    let facts = facts(db, add).await?;
    let there: Vec<FleetBox> = facts.workers.iter().map(|worker| standing(worker, (profile, profiles))).collect();
    let added = Profile { max_concurrent: slots(profile, &facts.workers).into(), large: None, ..profile.clone() };
    let of = |addition: &Addition| {
        let one = FleetBox { profile: added.clone(), budget: addition.budget, takes: true };
        std::iter::repeat_n(one, addition.boxes as usize)
    };
    let places: BTreeMap<&str, usize> = facts.workers.iter().zip(0..).map(|(worker, at)| (worker.worker.as_str(), at)).collect();
    let queued = |job: &Unfinished| QueuedFleetJob {
        kind: job.kind.clone(),
        size: job.size,
        needs: job.needs,
        waited: job.waited,
        // Whose worker is lost waits again soon.
        on: job.on.as_ref().and_then(|(worker, done)| Some((*places.get(worker.as_str())?, *done))),
    };
    let jobs: Vec<QueuedFleetJob> = facts.jobs.iter().map(queued).collect();
    let all = facts.waiting + facts.running;
    let forecaster = FleetForecaster::new(&jobs, &facts.finished, all as f64 / jobs.len().max(1) as f64);
    let runs = args.runs.min(((JOB_RUNS / jobs.len().max(1) as u64) as u32).max(FEWEST_RUNS));
    let mut ways: Vec<FleetWay> = vec![forecaster.forecast((&there, &[]), runs, args.seed)];
    // Each by itself, and all of them where there are several.
    let several = (add.len() > 1).then(|| add.clone());
    for additions in add.iter().map(|addition| vec![*addition]).chain(several) {
        let boxes: Vec<FleetBox> = there.iter().cloned().chain(additions.iter().flat_map(of)).collect();
        ways.push(forecaster.forecast((&boxes, &additions), runs, args.seed));
    }
    let most = there.iter().filter(|one| one.takes).map(|one| largest(&one.profile, one.budget)).max().unwrap_or_default();
    let (homeless, homeless_jobs) =
        if most > Bytes::ZERO { outlook::too_large(db, most, NAMED).await.map_err(told)? } else { (Vec::new(), 0) };
    let homeless = homeless.into_iter().map(|job| Homeless {
        job: job.job,
        input: job.input,
        needs: job.needs,
        budget: budget_for(profile, job.needs),
    });
    Ok(FleetPlan {
        queue: db.address().to_owned(),
        waiting: facts.waiting,
        running: facts.running,
        simulated: jobs.len(),
        learned_from: forecaster.learned_from(),
        guesses: forecaster.guesses(),
        profile: (profile.name.clone(), added.max_concurrent.fixed().unwrap_or(SLOTS)),
        runs,
        seed: args.seed,
        ways,
        homeless: homeless.collect(),
        homeless_jobs,
    })
}

/// Asks the queue.
async fn facts(db: &Database, add: &[Addition]) -> Result<Facts> {
    let workers: Vec<FleetWorker> =
        queue::workers(db).await.map_err(told)?.into_iter().filter(|worker| worker.live && worker.line_bytes > 0).collect();
    let waiting = queue::counts(db).await.map_err(told)?.queued.max(0) as u64;
    let slots: u64 = workers.iter().map(|worker| u64::from(worker.slots.max(1) as u32)).sum();
    let more: u64 = add.iter().map(|addition| u64::from(addition.boxes * SLOTS)).sum();
    let every = waiting.div_ceil(MOST.max((slots + more) * A_SLOT)).max(1);
    let mut jobs = outlook::running(db).await.map_err(told)?;
    let running = jobs.len() as u64;
    jobs.extend(outlook::waiting(db, every as i64).await.map_err(told)?);
    if jobs.is_empty() {
        let why = format!("no job waits or runs in {}; `plimsoll fleet add` queues some", db.address());
        return Err(Usage(why).into());
    }
    let finished = outlook::done(db).await.map_err(told)?;
    Ok(Facts { waiting, workers, jobs, running, finished })
}

/// A box as its worker has told of it: its line, its slots, and the memory that follows from the largest job it could take. The
/// rest is of the profile of that name here, else of the one in force.
fn standing(worker: &FleetWorker, (in_force, profiles): (&Profile, &[Profile])) -> FleetBox {
    let bytes = |bytes: i64| Bytes(bytes.max(0) as u64);
    let known = profiles.iter().find(|profile| profile.name == worker.profile).unwrap_or(in_force);
    let line = bytes(worker.line_bytes);
    let budget = budget_for(known, bytes(worker.largest_bytes)).max(line);
    let memory = MemoryMarks {
        budget: Some(budget),
        high_water: Mark::Bytes(line),
        low_water: Mark::Bytes(line.scale(0.87)),
        ..known.memory
    };
    let slots = Slots::Fixed(worker.slots.max(1) as u32);
    let profile = Profile { max_concurrent: slots, large: None, memory, ..known.clone() };
    FleetBox { profile, budget, takes: !worker.drained && worker.stands_down.is_none() }
}

/// Slots of a box that is added: those of the profile, or as many as the boxes that are there have, if it decides that itself.
fn slots(profile: &Profile, workers: &[FleetWorker]) -> u32 {
    let mut usual: Vec<i32> = workers.iter().map(|worker| worker.slots).collect();
    usual.sort_unstable();
    let like_them = usual.get(usual.len() / 2).map(|slots| (*slots).max(1) as u32);
    profile.max_concurrent.fixed().or(like_them).unwrap_or(SLOTS)
}
