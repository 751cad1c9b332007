//! A console on an engine in another process: what it shows, and what is told when it is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use color_eyre::eyre::Result;

use super::ending::Ending;
use super::signals::Signals;
use super::{Front, Waits, closing_words, receive, thread};
use crate::cli::commands::remote::serve::{self, Started};
use crate::cli::commands::run::{OutputMode, front};
use crate::cli::options::Resolved;
use crate::domain::command::Command;
use crate::domain::event::JobCounts;
use crate::domain::state::State;
use crate::domain::text::many;
use crate::headless::summary;
use crate::host::memory::heap;
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
    /// Somebody else's jobs are looked at: how they went is not for the exit status to tell.
    pub is_visit: bool,
}

/// Shows the console until it is left, or until the run is over.
pub fn show(resolved: &Resolved, opened: Opened, window: Window) -> Result<u8> {
    let Opened { hello, facts, link, ask } = opened;
    let ending = window.host.is_none().then(|| Ending::of(hello.pid));
    let profile = resolved.load_profile()?;
    let mut lookup = look::over(&ask, facts.compares && !window.view);
    let front = front(resolved, &profile, OutputMode::Console);
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
    // What was needed to get here is given back: the window stays for as long as the queue does.
    heap::trim();
    let signalled = watch_signals()?;
    let (exit, state) = match front {
        Front::Console(mut options) => {
            options.profiles = facts.profiles;
            options.presets = facts.presets;
            options.lookup = lookup;
            options.commands = window.commands;
            options.before = facts.before;
            options.window = Some(on);
            if !is_here {
                options.places = Places { cwd: facts.folder, home: facts.home };
            }
            let shown = thread("front", Waits::Signals, move |runtime| runtime.block_on(tui::run(link, *options)))?;
            let Some(ended) = receive(&shown, &signalled) else {
                return match signalled.load(Ordering::Relaxed) {
                    0 => Err(color_eyre::eyre::eyre!("the console has failed")),
                    // It waits for a terminal that takes nothing more.
                    signal => Ok(128 + signal as u8),
                };
            };
            let ended = ended?;
            (ended.exit, ended.state)
        }
        Front::Linear(linear) => {
            let typed = crate::headless::linear::typed(std::io::BufReader::new(std::io::stdin()));
            let commands = window.commands;
            let shown = thread("front", Waits::Signals, move |runtime| {
                runtime.block_on(crate::headless::linear::follow(link, commands, *linear, typed, std::io::stdout()));
            })?;
            receive(&shown, &signalled);
            return Ok(match signalled.load(Ordering::Relaxed) {
                0 => 0,
                signal => 128 + signal as u8,
            });
        }
        Front::Lines { .. } => return Ok(0),
    };
    let where_it_is = window.host.as_ref().map_or_else(String::new, |host| format!(" {host}"));
    match (exit, &state.summary) {
        (TuiExit::TerminalGone, _) => Ok(0),
        (_, Some(figures)) => {
            // Whoever starts the next one finds nothing of this one.
            ending.iter().for_each(Ending::wait);
            // A console that was only looked at has nothing to tell.
            if figures.jobs != JobCounts::default() {
                tell(closing_words(figures), &signalled)?;
            }
            Ok(super::status_of(&figures.jobs))
        }
        (TuiExit::Left(signal), None) => {
            let (waits, jobs) = (state.unended() > 0, state.job_counts());
            // Who hangs up does not read on.
            if signal != Some(libc::SIGHUP) && (waits || jobs != JobCounts::default()) {
                let words = if waits {
                    left_words(&state, hello.pid, &where_it_is)
                } else {
                    summary::render_so_far(&state.figures_so_far())
                };
                tell(words, &signalled)?;
            }
            let status = if waits || window.is_visit { 0 } else { super::status_of(&jobs) };
            let signal = signal.unwrap_or_else(|| signalled.load(Ordering::Relaxed));
            Ok(if signal == 0 { status } else { 128 + signal as u8 })
        }
        (TuiExit::Finished, None) => Ok(1),
    }
}

/// Notes the first signal that ends the window. The console obeys it; where that waits for a terminal which takes nothing, what
/// is noted ends the wait. Works for as long as the process does.
fn watch_signals() -> Result<Arc<AtomicI32>> {
    let first = Arc::new(AtomicI32::new(0));
    let told = Arc::clone(&first);
    thread("signals", Waits::Signals, move |runtime| {
        runtime.block_on(async move {
            // Without them the console alone obeys.
            let Ok(mut signals) = Signals::listen(false) else { return };
            loop {
                let signal = signals.next().await;
                let _ = told.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
            }
        });
    })?;
    Ok(first)
}

/// Says something at the end. After a signal nobody waits for a reader that does not read.
fn tell(text: String, signalled: &AtomicI32) -> Result<()> {
    receive(&thread("farewell", Waits::Time, move |_| crate::cli::tell(&text))?, signalled);
    Ok(())
}

/// Starts the server again that has gone.
fn start_server(resolved: Resolved) -> StartServer {
    Arc::new(move || match serve::start_for_console(&resolved, false).map_err(|error| error.to_string())? {
        Started::Ready(child) => {
            serve::see_off(child);
            Ok(())
        }
        Started::Failed { why, .. } => Err(why.trim().trim_start_matches("plimsoll: ").to_owned()),
    })
}

/// That the server goes on, with what, and how to come back.
fn left_words(state: &State, pid: u32, place: &str) -> String {
    format!(
        "plimsoll goes on without this window (process {pid}): {} at work, {} waiting; `plimsoll attach{place}` comes back\n",
        many(state.index.active.len() as u64, "job"),
        state.waiting(),
    )
}
