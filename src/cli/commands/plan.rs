//! `plimsoll plan`: how a queue would run under each profile and some variations, foretold from what finished jobs of each
//! kind took. Runs nothing but ffprobe.

use std::path::PathBuf;

use color_eyre::eyre::{Result, eyre};

use crate::cli::Usage;
use crate::cli::args::PlanArgs;
use crate::cli::commands::remote::{open_if_there, snapshot};
use crate::cli::commands::run;
use crate::cli::options::Resolved;
use crate::cli::planning::ahead::{LookOrder, NoPlan, Probed, look};
use crate::domain::profile::Profile;
use crate::domain::state::State;
use crate::domain::text::path_text;
use crate::domain::units::Bytes;
use crate::headless::plan::{json, text};
use crate::host::files::naming::NameBook;
use crate::host::memory::budget::survey;
use crate::host::memory::cgroup::Roots;
use crate::host::store::{OnRecord, WaitingJob};
use crate::runtime::link::{JobNow, QueueNow};
use crate::wire::client::Caller;

/// Foretells; returns the exit status.
pub fn run(args: &PlanArgs, resolved: &Resolved) -> Result<u8> {
    #[cfg(feature = "fleet")]
    if args.fleet.fleet {
        return crate::cli::commands::fleet::plan::run(args, resolved);
    }
    let (queue, whose) = if args.paths.is_empty() { stored(resolved)? } else { (found(&args.paths, resolved)?, String::new()) };
    let order = LookOrder { queue: &queue, is_stored: args.paths.is_empty(), runs: Some(args.runs), seed: args.seed };
    let plan = look(resolved, &Probed::default(), order, &|_| true).map_err(|why| {
        let which = match args.paths.as_slice() {
            [] => format!("the queue of {}", path_text(&resolved.state_dir)),
            paths => paths.iter().map(|path| path_text(path)).collect::<Vec<_>>().join(", "),
        };
        Usage(if let NoPlan::Nothing = why { format!("there is nothing to plan: no video in {which}") } else { why.to_string() })
    })?;
    let told = if args.json { json(&plan).to_string() + "\n" } else { whose + &text(&plan) };
    crate::cli::write_out(told.as_bytes())
}

/// What a run of these paths would begin with.
fn found(paths: &[PathBuf], resolved: &Resolved) -> Result<QueueNow> {
    let record = OnRecord::open(&resolved.state_dir).map_err(|error| Usage(error.to_string()))?;
    let settings = &resolved.settings;
    let mut names = NameBook::new(&settings.out, settings.overwrite).flat(settings.flat);
    let mut files = Vec::new();
    let refused = run::find(paths, resolved, &mut |named, size, preset| {
        let output = names.name(named, preset, &record);
        files.push(waits(named.path.to_owned(), size, preset.name.clone(), (!settings.overwrite).then_some(output)));
    })?;
    run::Inputs { files: Vec::new(), refused }.print_refused("plan");
    queue_here(resolved, files)
}

/// The queue of the state folder, and whose it is: that of the server at work on it as it is now, else what waits there.
fn stored(resolved: &Resolved) -> Result<(QueueNow, String)> {
    let on_record = || {
        let waiting = OnRecord::open(&resolved.state_dir).and_then(|record| record.waiting());
        waiting.map_err(|error| Usage(error.to_string()))
    };
    let (queue, whose) = match open_if_there(resolved, Caller { follow: true, ..Caller::default() })? {
        Ok(mut opened) => {
            let state = snapshot(&mut opened.link)?;
            let in_force = state.profile.as_ref().map(|profile| profile.name.clone()).unwrap_or_default();
            let whose = format!(
                "the queue of the server (process {}) as it is now; profile {in_force} is in force there\n",
                opened.hello.pid
            );
            (varied(served(&state, &opened.facts.profiles, on_record()?)?, resolved)?, whose)
        }
        Err(_) => (queue_here(resolved, on_record()?.into_iter().map(waiting).collect())?, String::new()),
    };
    if queue.jobs.is_empty() {
        let folder = path_text(&resolved.state_dir);
        return Err(Usage(format!("no jobs wait in {folder}; give video files, folders or queue files (*.yaml)")).into());
    }
    Ok((queue, whose))
}

/// The queue as its server knows it, with those that only its record lists.
fn served(state: &State, profiles: &[Profile], on_record: Vec<WaitingJob>) -> Result<QueueNow> {
    let queue =
        QueueNow::of(state, profiles, usize::MAX).ok_or_else(|| eyre!("the server has no profile in force yet; ask again"))?;
    let listed: Vec<JobNow> = queue.jobs;
    let rest = on_record.into_iter().filter(|job| !state.jobs.contains_key(&job.id)).map(waiting);
    Ok(QueueNow { jobs: listed.into_iter().chain(rest).collect(), left_out: 0, ..queue })
}

/// The same queue under the profile and the budget that are given on the command line.
fn varied(queue: QueueNow, resolved: &Resolved) -> Result<QueueNow> {
    let (profile_given, budget_given) = (resolved.is_flag("profile"), resolved.is_flag("budget"));
    let profile = if profile_given { resolved.load_profile()? } else { queue.profile.clone() };
    if !budget_given && (queue.budget_by_operator || !profile_given) {
        return Ok(QueueNow { profile, ..queue });
    }
    let asked = resolved.budget.as_ref().filter(|_| budget_given);
    let budget = survey(&Roots::default(), asked, profile.memory.budget).budget;
    Ok(QueueNow {
        budget: budget.bytes.min(queue.available),
        budget_source: budget.words(&profile.name),
        budget_by_operator: budget.asked.is_some(),
        profile,
        ..queue
    })
}

/// These jobs in a run that would begin here and now.
fn queue_here(resolved: &Resolved, jobs: Vec<JobNow>) -> Result<QueueNow> {
    let profile = resolved.load_profile()?;
    let budget = survey(&Roots::default(), resolved.budget.as_ref(), profile.memory.budget).budget;
    Ok(QueueNow {
        profiles: resolved.all_profiles(&profile),
        budget: budget.bytes,
        budget_source: budget.words(&profile.name),
        budget_by_operator: budget.asked.is_some(),
        available: budget.available,
        profile,
        jobs,
        held: Bytes::ZERO,
        counted: Bytes::ZERO,
        left_out: 0,
    })
}

fn waiting(job: WaitingJob) -> JobNow {
    JobNow { is_in: job.allowed, ..waits(job.input, job.size, job.preset, Some(job.output)) }
}

fn waits(input: PathBuf, size: Bytes, preset: String, output: Option<PathBuf>) -> JobNow {
    JobNow { input, size, preset, media: None, output, left: 1.0, is_in: false, seconds_left: None, holds: None }
}
