//! `plimsoll plan`: how a queue would run under each profile and some variations, foretold from what finished jobs of each
//! kind took. Runs nothing but ffprobe.

use std::path::PathBuf;

use color_eyre::eyre::Result;

use crate::cli::Usage;
use crate::cli::args::PlanArgs;
use crate::cli::options::Resolved;
use crate::cli::planning::foresee::{BudgetRule, Foresight, foresee};
use crate::cli::planning::probing::Probing;
use crate::domain::text::path_text;
use crate::domain::units::Bytes;
use crate::headless::plan::{json, text};
use crate::host::memory::budget::survey;
use crate::host::memory::cgroup::Roots;
use crate::host::memory::machine::processors;
use crate::host::store::{lessons, waiting_inputs};
use crate::sim::forecast::QueuedJob;

/// Foretells; returns the exit status.
pub fn run(args: &PlanArgs, resolved: &Resolved) -> Result<u8> {
    #[cfg(feature = "fleet")]
    if args.fleet.fleet {
        return crate::cli::commands::fleet::plan::run(args, resolved);
    }
    let profile = resolved.load_profile()?;
    let (_, presets) = resolved.load_presets()?;
    let ffmpeg = resolved.ffmpeg()?;
    let inputs = inputs(args, resolved)?;
    let probing = Probing::new(&ffmpeg)?;
    let (mut jobs, mut skipped) = (Vec::new(), 0);
    for (input, preset) in inputs {
        let probed = presets.get(&preset).map(|preset| probing.prober.probe(&input, preset));
        match (probed, std::fs::metadata(&input)) {
            (Some(Ok(probed)), Ok(meta)) => {
                jobs.push(QueuedJob {
                    size: Bytes(meta.len()),
                    media: probed.media,
                    preset,
                    left: 1.0,
                    measured: None,
                    holds: None,
                });
            }
            _ => skipped += 1,
        }
    }
    drop(probing);
    if jobs.is_empty() {
        let which = args.paths.iter().map(|path| path_text(path)).collect::<Vec<_>>().join(", ");
        return Err(Usage(format!("there is nothing to plan: no video in {which}")).into());
    }
    let lessons = lessons(&resolved.state_dir).map_err(|error| Usage(error.to_string()))?;
    let budget = survey(&Roots::default(), resolved.budget.as_ref(), profile.memory.budget).budget;
    let rule = BudgetRule {
        now: budget.bytes,
        source: budget.words(&profile.name),
        available: budget.available,
        is_fixed: budget.asked.is_some(),
    };
    let sight = Foresight {
        jobs: &jobs,
        presets: &presets,
        lessons: &lessons,
        now: &profile,
        profiles: &resolved.all_profiles(&profile),
        budget: &rule,
        held: (Bytes::ZERO, Bytes::ZERO),
        cores: processors(),
        runs: args.runs,
        seed: args.seed,
    };
    let Some(plan) = foresee(&sight, &|_, _| true).map(|plan| plan.with_skipped(skipped)) else { return Ok(0) };
    let told = if args.json { json(&plan).to_string() + "\n" } else { text(&plan) };
    crate::cli::write_out(told.as_bytes())
}

/// The files of the queue, in its order, each with its preset.
fn inputs(args: &PlanArgs, resolved: &Resolved) -> Result<Vec<(PathBuf, String)>> {
    if args.paths.is_empty() {
        let waiting = waiting_inputs(&resolved.state_dir).map_err(|error| Usage(error.to_string()))?;
        if waiting.is_empty() {
            let folder = path_text(&resolved.state_dir);
            let why = format!("no jobs wait in {folder}; give video files, folders or queue files (*.yaml)");
            return Err(Usage(why).into());
        }
        return Ok(waiting);
    }
    let found = crate::cli::commands::run::inputs(&args.paths, resolved)?;
    found.tell_refused("plan");
    Ok(found.files)
}
