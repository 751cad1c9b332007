//! `plimsoll [PATH]…` on a terminal: finds the server of the state folder or starts one, hands over what was given, and opens a
//! window on it.

use std::path::{Path, PathBuf};

use color_eyre::eyre::Result;

use super::serve::{self, Started};
use super::{Connected, Patience};
use crate::cli::commands::run;
use crate::cli::options::Resolved;
use crate::cli::session::has_terminal;
use crate::cli::session::window::{self, Kind, Window};
use crate::cli::{BUSY, Usage};
use crate::domain::command::Command;
use crate::domain::text::path_text;
use crate::wire::client::{Door, Opened};

/// Settings that belong to the console, or to the jobs that are added, or have been followed to find the server.
const NOT_OF_THE_SERVER: [&str; 10] =
    ["profile", "preset", "out", "flat", "overwrite", "state-dir", "color", "theme", "ascii", "plain"];

/// Opens it, where there is a terminal that a screen can be drawn on; else runs as `plimsoll run` does. Returns the exit status.
pub fn run(resolved: &Resolved, paths: &[PathBuf], hold: bool) -> Result<u8> {
    if !has_terminal() {
        if hold {
            let why = "--hold opens the console without starting anything, and there is no terminal for it here";
            return Err(Usage(why.to_owned()).into());
        }
        return run::run(resolved, paths, run::Caller::Console);
    }
    let mut commands = run::commands(paths, resolved)?;
    let mut patience = Patience::default();
    let connected = loop {
        if let Ok(connected) = Connected::if_there(resolved)? {
            // A variable names the log file of whatever is started from here, wherever that is.
            let is_meant = |name: &str| resolved.is_given(name) && (name != "log-file" || resolved.is_flag(name));
            fits(resolved, &connected.opened, |name| is_meant(name) && !NOT_OF_THE_SERVER.contains(&name))?;
            commands = run::with_queue_options(commands, resolved, false)?;
            // One of the settings or of a variable is for whoever starts a server.
            let select = resolved.is_flag("profile").then(|| resolved.load_profile()).transpose()?;
            commands.splice(0..0, select.map(|profile| Command::SelectProfile(Box::new(profile))));
            commands.splice(0..0, hold.then_some(Command::Pause));
            break connected;
        }
        let before = run::done_before(resolved);
        match serve::start_for_console(resolved, hold)? {
            Started::Ready(child) => serve::see_off(child),
            // Another one was a little earlier, and can be reached soon.
            Started::Failed { status: BUSY, .. } if patience.waits() => continue,
            Started::Failed { status, why } => {
                crate::cli::write_stderr(&why);
                return Ok(status);
            }
        }
        let mut connected = Connected::to(Door::Here(resolved.state_dir.clone()), false)?;
        connected.opened.facts.before = before;
        break connected;
    };
    let again = {
        let resolved = resolved.clone();
        move || serve::start_for_console(&resolved, false)
    };
    let kind = Kind::Own { start_server: serve::again(again) };
    window::show(resolved, connected, &Window { host: None, view: false, commands, kind })
}

/// What was asked for here does not contradict what the server that is there was started with; `is_asked` tells which of the
/// settings by their names as flags.
pub(super) fn fits(resolved: &Resolved, opened: &Opened, is_asked: impl Fn(&str) -> bool) -> Result<(), Usage> {
    let here = std::env::current_dir().unwrap_or_default();
    for (name, value, origin) in resolved.origins.iter().filter(|(name, ..)| is_asked(name)) {
        let value = from(&here, name, value);
        let there = opened.facts.settings.iter().find(|(known, _)| known == name);
        let Some(there) = there.map(|(_, there)| from(&opened.facts.folder, name, there)).filter(|there| *there != value) else {
            continue;
        };
        let pid = opened.hello.pid;
        return Err(Usage(if name == "profile" {
            // It may have been switched since it was started.
            format!(
                "--profile {value} switches nothing here: leave it out; `plimsoll profile {value}` switches the plimsoll that is at \
                 work (process {pid})"
            )
        } else {
            format!(
                "{name} is {} here (from {origin}), and {} for the plimsoll that is at work (process {pid}); leave it out, or end \
                 that one first with `plimsoll stop`",
                in_words(name, &value),
                in_words(name, &there),
            )
        }));
    }
    Ok(())
}

/// What is in force where a setting is not set, instead of the sign that tables have for that.
fn in_words<'a>(name: &str, shown: &'a str) -> &'a str {
    match (name, shown) {
        ("budget", "-") => "the profile's",
        (_, "-") => "not set",
        _ => shown,
    }
}

/// A setting as it is shown; a path in full, for it is meant from where it was said.
fn from(folder: &Path, name: &str, shown: &str) -> String {
    let is_path = shown != "-" && (["log-file", "out"].contains(&name) || (name == "ffmpeg" && shown.contains('/')));
    // Parts that mean nothing, as `./`, are left out.
    if is_path { path_text(&folder.join(shown).components().collect::<PathBuf>()) } else { shown.to_owned() }
}
