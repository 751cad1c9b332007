//! `plimsoll demo`: clips of its own, a budget under which the line is crossed, and the main job on them.

use std::ffi::OsString;
use std::path::PathBuf;

use color_eyre::eyre::{Context as _, Result};

use crate::cli::Usage;
use crate::cli::args::DemoArgs;
use crate::cli::commands::install::{self, ProvideOptions};
use crate::cli::commands::neighbour::Neighbour;
use crate::cli::commands::remote::Connected;
use crate::cli::commands::remote::serve::{self, Started};
use crate::cli::commands::run;
use crate::cli::options::Resolved;
use crate::cli::session::window::{self, Kind, Window};
use crate::cli::session::{has_terminal, refused};
use crate::domain::command::Command;
use crate::domain::places::cache_folder;
use crate::domain::text::path_text;
use crate::host::demo::clips::{self, DEMO_BUDGET};
use crate::host::demo::load_job;
use crate::host::media::ffmpeg::Ffmpeg;
use crate::host::process::instance::Instance;
use crate::wire::client::Door;

/// Who asks for the budget of the demonstration and of its clips.
pub const ITS_BUDGET: &str = "plimsoll's demonstration";

/// Runs the demonstration; returns the exit status. Files over a limit and a broken one belong to it, so jobs that were
/// rejected do not make it a failure.
///
/// On a terminal it is a server of its own, and a window on it; elsewhere it is one process that tells lines.
pub fn run(args: &DemoArgs, mut resolved: Resolved) -> Result<u8> {
    let is_server = args.ready_fd.is_some();
    let ready = args.ready_fd.map(serve::of_its_own);
    let has_window = !is_server && has_terminal() && !args.headless && !args.json;
    let ffmpeg = if args.load_jobs {
        None
    } else if is_server {
        // Whoever has started it has seen to it that there is one.
        Some(resolved.ffmpeg()?)
    } else {
        find_ffmpeg(args, &resolved)?
    };
    let folder = demo_folder(args.clips.as_deref())?;
    if !resolved.is_out_given() {
        resolved.settings.out = folder.join("out");
        resolved.settings.overwrite = true;
    }
    resolved.ask_budget(DEMO_BUDGET, ITS_BUDGET);
    resolved.check_out()?;
    if !is_server {
        // Before minutes are spent on clips; beside a run that is at work the figures would mean nothing.
        drop(Instance::claim(&resolved.state_dir).map_err(|error| refused(&error))?);
    }
    let comparisons = crate::cli::commands::compare::comparison_log::lookup(&resolved.state_dir);
    // A queue of its own: what waits in the operator's is none of the demonstration's business, nor the other way round.
    resolved.state_dir.push(FOLDER);
    if has_window && let Ok(connected) = Connected::if_there(&resolved)? {
        // One whose window has gone: its terminal hung up.
        return window(args, &resolved, connected, ffmpeg.is_none());
    }
    let (paths, load_jobs) = match &ffmpeg {
        Some(ffmpeg) => (make_clips(ffmpeg, &folder)?, None),
        None => (make_load_clips(&folder)?, Some(crate::cli::own_program()?)),
    };
    if !is_server {
        let budget = resolved.budget.as_ref().and_then(|budget| budget.bytes);
        let budget = budget.map_or_else(|| "all there is here".to_owned(), |bytes| format!("{bytes}, as on a small box"));
        let out = path_text(&resolved.settings.out);
        crate::cli::write_stderr(&format!(
            "demo: outputs go to {out}; the budget is {budget}\n\
             demo: now and then a neighbour takes part of it for some seconds, as others on a small box do\n"
        ));
    }
    if has_window {
        return match start(args, &resolved, load_jobs.is_some())? {
            Started::Ready(child) => {
                serve::see_off(child);
                let connected = Connected::to(Door::Here(resolved.state_dir.clone()), false)?;
                window(args, &resolved, connected, load_jobs.is_some())
            }
            Started::Failed { status, why } => {
                crate::cli::write_stderr(&why);
                Ok(status)
            }
        };
    }
    let lines = if is_server { serve::stays(&resolved) } else { run::lines(&resolved, args.json) };
    let mut session = run::session(&resolved, ffmpeg, load_jobs, vec![Command::enqueue(paths, None)], lines)?;
    session.host.restore = false;
    if let Some(serves) = &mut session.serves {
        serves.lookup.comparisons = Some(comparisons);
        // Its clips are compared by `plimsoll compare` without a path.
        (serves.lookup.compare, serves.facts.compares) = (None, false);
        (serves.exit_when_idle, serves.ready) = (is_server.then_some(serve::LINGERS), ready);
    }
    let mut neighbour = Neighbour::start()?;
    session.host.guests.push(neighbour.pid());
    session.watch = Some(Box::new(neighbour.steer()));
    session.run_as_demo()
}

/// Its state folder, below the operator's.
const FOLDER: &str = "demo";

/// Starts its server, as this command line has it. `load_jobs`: there is no ffmpeg, whoever asked for what.
fn start(args: &DemoArgs, resolved: &Resolved, load_jobs: bool) -> Result<Started> {
    let mut more: Vec<OsString> = Vec::new();
    more.extend(load_jobs.then(|| "--load-jobs".into()));
    if let Some(clips) = &args.clips {
        more.extend(["--clips".into(), clips.clone().into_os_string()]);
    }
    serve::start("demo", resolved, &more)
}

/// The window on its server.
fn window(args: &DemoArgs, resolved: &Resolved, connected: Connected, load_jobs: bool) -> Result<u8> {
    let (again, with) = (args.clone(), resolved.clone());
    let start_server = serve::again(move || start(&again, &with, load_jobs));
    let window = Window { host: None, view: false, commands: Vec::new(), kind: Kind::Demo { start_server } };
    window::show(resolved, connected, &window)
}

/// The ffmpeg there is, or one provided now; `None` = there is none to be had, and the load jobs stand in for it.
fn find_ffmpeg(args: &DemoArgs, resolved: &Resolved) -> Result<Option<Ffmpeg>> {
    let found = crate::cli::converse(|console| {
        let options = ProvideOptions::detect(resolved.settings.ffmpeg.clone(), args.yes, console.terminal);
        install::ensure(&options, console)
    })?;
    match found {
        Ok(ffmpeg) => Ok(Some(ffmpeg)),
        // One that somebody has named and that is wrong is a mistake to be told, not to be worked around.
        Err(_) if resolved.settings.ffmpeg.is_some() => {
            Err(resolved.mistake("ffmpeg", &"the ffmpeg that was named cannot be used").into())
        }
        Err(_) => {
            crate::cli::write_stderr("demo: there is no ffmpeg and no way to get one here: built-in load jobs stand in for it.\n");
            crate::cli::write_stderr("demo: they really take and free memory along a curve, but make no video.\n");
            Ok(None)
        }
    }
}

/// The clips, made now unless they are there, and the demonstration's folder.
pub(in crate::cli) fn clips_for_comparison(
    resolved: &Resolved,
    clips: Option<&std::path::Path>,
) -> Result<(Vec<PathBuf>, PathBuf)> {
    let (ffmpeg, folder) = (resolved.ffmpeg()?, demo_folder(clips)?);
    Ok((make_clips(&ffmpeg, &folder)?, folder))
}

fn demo_folder(clips: Option<&std::path::Path>) -> Result<PathBuf, Usage> {
    let folder = match clips {
        Some(folder) => folder.to_owned(),
        None => cache_folder(|name| std::env::var_os(name))
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
            crate::cli::write_stderr(&format!("demo: clip {} of {}: {}\n", progress.ready, progress.total, progress.name));
        }
    });
    Ok(clips.wrap_err("cannot make the clips")?.into_iter().map(|clip| clip.path).collect())
}

fn make_load_clips(folder: &std::path::Path) -> Result<Vec<PathBuf>> {
    load_job::make_load_clips(&folder.join("load")).wrap_err("cannot make the load jobs")
}
