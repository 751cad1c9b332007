//! A console on an engine in another process: what it shows, and what is told when it is left.

use std::sync::Arc;

use color_eyre::eyre::Result;

use super::{Front, Waits, receive, thread};
use crate::cli::commands::remote::serve::{self, Started};
use crate::cli::commands::run::{OutputMode, front};
use crate::cli::options::Resolved;
use crate::domain::command::Command;
use crate::domain::state::State;
use crate::domain::text::many;
use crate::headless::summary;
use crate::runtime::link::StartServer;
use crate::tui::app::complete::Places;
use crate::tui::{self, TuiExit, WindowOn};
use crate::wire::client::Opened;
use crate::wire::look;

/// What is asked of a console.
pub struct Window {
    /// The machine, as it was given to ssh; `None` = this one.
    pub host: Option<String>,
    /// It only looks.
    pub view: bool,
    /// Asked first, in order.
    pub commands: Vec<Command>,
}

/// Shows the console until it is left, or until the run is over.
pub fn show(resolved: &Resolved, opened: Opened, window: Window) -> Result<u8> {
    let Opened { hello, facts, link, ask } = opened;
    let profile = resolved.load_profile()?;
    let mut lookup = look::over(&ask, facts.compares && !window.view);
    let mut front = front(resolved, &profile, OutputMode::Console);
    let is_here = window.host.is_none();
    if is_here {
        // What is typed here means the folders here.
        lookup.complete = None;
        if !window.view {
            lookup.start_server = Some(start_server(resolved.clone()));
        }
    }
    let place = if is_here { None } else { Some(hello.host.clone()) };
    let on = WindowOn { host: place, view: window.view };
    let (exit, state) = match &mut front {
        Front::Console(options) => {
            options.profiles = facts.profiles;
            options.presets = facts.presets;
            options.lookup = lookup;
            options.commands = window.commands;
            options.window = Some(on);
            if !is_here {
                options.places = Places { cwd: facts.folder, home: facts.home };
            }
            let options = options.as_ref().clone();
            let shown = thread("front", Waits::Signals, move |runtime| runtime.block_on(tui::run(link, options)))?;
            let none = Arc::default();
            let ended = receive(&shown, &none).ok_or_else(|| color_eyre::eyre::eyre!("the console has failed"))??;
            (ended.exit, ended.state)
        }
        Front::Linear(linear) => {
            let typed = crate::headless::linear::typed(std::io::BufReader::new(std::io::stdin()));
            let (linear, commands) = (linear.as_ref().clone(), window.commands);
            let shown = thread("front", Waits::Signals, move |runtime| {
                runtime.block_on(crate::headless::linear::follow(link, commands, linear, typed, std::io::stdout()));
            })?;
            receive(&shown, &Arc::default());
            return Ok(0);
        }
        Front::Lines { .. } => return Ok(0),
    };
    let where_it_is = window.host.as_ref().map_or_else(String::new, |host| format!(" {host}"));
    match (exit, &state.summary) {
        (TuiExit::TerminalGone, _) => {}
        (_, Some(figures)) => {
            let mut text = summary::render(figures);
            if figures.jobs.unfinished > 0 {
                text.push_str("plimsoll: what is not finished is kept; the next start goes on with it\n");
            }
            crate::cli::tell(&text);
        }
        (TuiExit::Left | TuiExit::Finished, None) => crate::cli::tell(&left_words(&state, hello.pid, &where_it_is)),
    }
    Ok(0)
}

/// Starts the server again that has gone.
fn start_server(resolved: Resolved) -> StartServer {
    Arc::new(move || match serve::start(&resolved, &[]).map_err(|error| error.to_string())? {
        Started::Ready(mut child) => {
            // It outlives this console, or this one hears of its end.
            let wait = move || drop(child.wait());
            let _ = std::thread::Builder::new().name("server".to_owned()).spawn(wait);
            Ok(())
        }
        Started::Failed { why, .. } => Err(why.trim().trim_start_matches("plimsoll: ").to_owned()),
    })
}

/// That the server goes on, with what, and how to come back.
fn left_words(state: &State, pid: u32, place: &str) -> String {
    let index = &state.index;
    let waits = (index.waiting.len() + index.backoff.len()) as u64 + state.backlog.jobs;
    let at_work = index.active.len() as u64;
    format!(
        "plimsoll goes on without this window (process {pid}): {} at work, {waits} waiting; `plimsoll attach{place}` comes back\n",
        many(at_work, "job"),
    )
}
