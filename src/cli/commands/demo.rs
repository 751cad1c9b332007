//! `plimsoll demo`: clips of its own, a budget under which the line is crossed, and the main job on them.

use std::path::PathBuf;

use color_eyre::eyre::{Context as _, Result};

use crate::cli::Usage;
use crate::cli::args::DemoArgs;
use crate::cli::commands::install::{self, ProvideOptions};
use crate::cli::commands::neighbour::Neighbour;
use crate::cli::commands::run::{OutputMode, session};
use crate::cli::options::Resolved;
use crate::cli::session::{Front, refused};
use crate::domain::command::Command;
use crate::domain::places::xdg_folder;
use crate::domain::text::path_text;
use crate::domain::units::Bytes;
use crate::host::demo::clips::{self, DEMO_BUDGET};
use crate::host::demo::load_job;
use crate::host::media::ffmpeg::{Ffmpeg, Search, locate};
use crate::host::process::instance::Instance;

/// Who asks for the budget of the demonstration and of its clips.
pub const ITS_BUDGET: &str = "plimsoll's demonstration";

/// Runs the demonstration; returns the exit status. Files over a limit and a broken one belong to it, so jobs that were
/// rejected do not make it a failure.
pub fn run(args: &DemoArgs, mut resolved: Resolved) -> Result<u8> {
    let ffmpeg = if args.load_jobs { None } else { find_ffmpeg(args, &resolved)? };
    let folder = demo_folder(args.clips.as_deref())?;
    if !resolved.is_out_given() {
        resolved.settings.out = folder.join("out");
        resolved.settings.overwrite = true;
    }
    resolved.ask_budget(DEMO_BUDGET, ITS_BUDGET);
    resolved.check_out()?;
    // Before minutes are spent on clips; beside a run that is at work the figures would mean nothing.
    drop(Instance::claim(&resolved.state_dir).map_err(|error| refused(&error))?);
    let comparisons = crate::cli::commands::compare::board::lookup(&resolved.state_dir);
    // A queue of its own: what waits in the operator's is none of the demonstration's business, nor the other way round.
    resolved.state_dir.push("demo");
    let mode = if args.headless || args.json { OutputMode::Lines { json: args.json, summary: true } } else { OutputMode::Console };
    let (paths, load_jobs) = match &ffmpeg {
        Some(ffmpeg) => (make_clips(ffmpeg, &folder)?, None),
        None => (make_load_clips(&folder)?, Some(crate::cli::own_program()?)),
    };
    let commands = vec![Command::enqueue(paths, None)];
    let budget = resolved.budget.as_ref().map_or(Bytes::ZERO, |budget| budget.bytes);
    crate::cli::tell(&format!(
        "demo: outputs go to {}; the budget is {budget}, as on a small box\n",
        path_text(&resolved.settings.out)
    ));
    let mut session = session(&resolved, ffmpeg, load_jobs, commands, mode)?;
    session.host.restore = false;
    if let Front::Console(options) = &mut session.front {
        options.lookup.comparisons = Some(comparisons);
        // Its clips are compared by `plimsoll compare` without a path.
        options.lookup.compare = None;
    }
    let mut neighbour = Neighbour::start()?;
    session.host.guests.push(neighbour.pid());
    session.watch = Some(Box::new(neighbour.steer()));
    crate::cli::tell("demo: now and then a neighbour takes part of it for some seconds, as others on a small box do\n");
    session.run_as_demo()
}

/// The ffmpeg there is, or one provided now; `None` = there is none to be had, and the load jobs stand in for it.
fn find_ffmpeg(args: &DemoArgs, resolved: &Resolved) -> Result<Option<Ffmpeg>> {
    let found = crate::cli::converse(|console| {
        let options = ProvideOptions::detect(resolved.settings.ffmpeg.clone(), args.yes, console.terminal);
        install::ensure(&options, console)
    })?;
    match found {
        Ok(ffmpeg) => Ok(Some(ffmpeg)),
        // A wrong --ffmpeg is a mistake to be told, not to be worked around.
        Err(_) if resolved.settings.ffmpeg.is_some() => {
            Err(Usage("the ffmpeg given with --ffmpeg cannot be used".to_owned()).into())
        }
        Err(_) => {
            crate::cli::tell("demo: there is no ffmpeg and no way to get one here: built-in load jobs stand in for it.\n");
            crate::cli::tell("demo: they really take and free memory along a curve, but make no video.\n");
            Ok(None)
        }
    }
}

/// The clips, made now unless they are there, and the demonstration's folder.
pub(in crate::cli) fn clips_for_comparison(
    resolved: &Resolved,
    clips: Option<&std::path::Path>,
) -> Result<(Vec<PathBuf>, PathBuf)> {
    let ffmpeg = locate(&Search::from_env(resolved.settings.ffmpeg.clone())).map_err(|error| Usage(error.to_string()))?;
    let folder = demo_folder(clips)?;
    Ok((make_clips(&ffmpeg, &folder)?, folder))
}

fn demo_folder(clips: Option<&std::path::Path>) -> Result<PathBuf, Usage> {
    let folder = match clips {
        Some(folder) => folder.to_owned(),
        None => xdg_folder(|name| std::env::var_os(name), "XDG_CACHE_HOME", ".cache")
            .ok_or_else(|| {
                Usage("neither XDG_CACHE_HOME nor HOME is set; say where to make the clips with --clips DIR".to_owned())
            })?
            .join("demo"),
    };
    std::path::absolute(&folder).map_err(|error| Usage(format!("{}: {error}", path_text(&folder))))
}

fn make_clips(ffmpeg: &Ffmpeg, folder: &std::path::Path) -> Result<Vec<PathBuf>> {
    let clips = clips::make_clips(ffmpeg, &folder.join("clips"), &mut |progress| {
        if !progress.reused {
            crate::cli::tell(&format!("demo: clip {} of {}: {}\n", progress.ready, progress.total, progress.name));
        }
    });
    Ok(clips.wrap_err("cannot make the clips")?.into_iter().map(|clip| clip.path).collect())
}

fn make_load_clips(folder: &std::path::Path) -> Result<Vec<PathBuf>> {
    load_job::make_load_clips(&folder.join("load")).wrap_err("cannot make the load jobs")
}
