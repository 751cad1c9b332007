//! A console on an engine in another process: what it shows, and what is told when it is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use color_eyre::eyre::{Result, eyre};
use tokio::sync::mpsc;

use super::signals::Signals;
use super::{Waits, closing_words, demo_went_well, receive, thread, thread_with};
use crate::cli::commands::remote::{self, Connected};
use crate::cli::commands::run::console_options;
use crate::cli::options::Resolved;
use crate::domain::command::{Command, RequestId};
use crate::domain::comparison::under_way::END_IT;
use crate::domain::event::{EventKind, JobCounts, RunSummary};
use crate::domain::state::State;
use crate::domain::text::many;
use crate::headless::linear::{self, Linear};
use crate::headless::lines::LineStyle;
use crate::headless::summary;
use crate::host::memory::heap;
use crate::runtime::link::{LineStatus, Link, StartServer, Update};
use crate::tui::app::complete::Places;
use crate::tui::{self, Closed, TuiExit, WindowOn};
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
    /// What it is to the server.
    pub kind: Kind,
}

/// What a window is to its server.
pub enum Kind {
    /// Its own, which it has found or begun.
    Own {
        /// Starts it again when it has gone.
        start_server: StartServer,
    },
    /// Somebody else's jobs are looked at: how they went is not for the exit status to tell.
    Visit,
    /// The demonstration, which ends with its window.
    Demo {
        /// Starts it again when it has gone.
        start_server: StartServer,
    },
}

impl Kind {
    fn start_server(&self) -> Option<StartServer> {
        match self {
            Self::Own { start_server } | Self::Demo { start_server } => Some(Arc::clone(start_server)),
            Self::Visit => None,
        }
    }

    /// The exit status of a run that is over.
    fn status(&self, jobs: &JobCounts) -> u8 {
        match self {
            Self::Demo { .. } => u8::from(!demo_went_well(jobs)),
            Self::Own { .. } | Self::Visit => super::status_of(jobs),
        }
    }
}

/// Longest wait for the end of a server that has told how its run ended: it ends its children, and writes its record.
const GOODBYE: Duration = Duration::from_secs(15);

/// How it was left.
struct Shown {
    exit: TuiExit,
    state: Box<State>,
    /// Something of what was asked first was refused.
    is_refused: bool,
    line: LineStatus,
}

/// Shows the console until it is left, or until the run is over.
pub fn show(resolved: &Resolved, connected: Connected, window: &Window) -> Result<u8> {
    let (host, kind) = (window.host.clone(), &window.kind);
    let pid = connected.opened.hello.pid;
    // What was needed to get here is given back: the window stays for as long as the queue does.
    heap::trim();
    let (signalled, signals) = watch_signals()?;
    let shown = if resolved.settings.plain {
        show_lines(resolved, connected, window, signals)?
    } else {
        show_screen(resolved, connected, window)?
    };
    let Some(Shown { exit, state, is_refused, line }) = receive(&shown, &signalled).transpose()? else {
        return match signalled.load(Ordering::Relaxed) {
            0 => Err(eyre!("the console has failed")),
            // It waits for a terminal that takes nothing more: what was to be written goes with it, but keys are to be echoed again.
            signal => {
                let _ = crossterm::terminal::disable_raw_mode();
                Ok(128 + signal as u8)
            }
        };
    };
    let (status, words) = match (exit, &state.summary) {
        (TuiExit::TerminalGone, _) => return Ok(0),
        (_, Some(figures)) => {
            // A console that was only looked at has nothing to tell.
            let is_worth_it = figures.jobs != JobCounts::default();
            let words = || if matches!(kind, Kind::Demo { .. }) { summary::render(figures) } else { closing_words(figures) };
            (kind.status(&figures.jobs), is_worth_it.then(words))
        }
        (TuiExit::Left(Some(libc::SIGINT | libc::SIGTERM)), None) if matches!(kind, Kind::Demo { .. }) => {
            let figures = end_the_demonstration(resolved);
            // The status is that of the signal.
            (1, figures.as_ref().map(summary::render))
        }
        (TuiExit::Left(signal), None) => {
            let (waits, jobs) = (state.unended() > 0, state.job_counts());
            let words = if waits {
                Some(left_words(&state, pid, host.as_deref(), line))
            } else {
                (jobs != JobCounts::default()).then(|| summary::render_so_far(&state.figures_so_far()))
            };
            let status = match kind {
                Kind::Visit => 0,
                _ if is_refused && jobs == JobCounts::default() => 2,
                _ if waits => 0,
                _ => kind.status(&jobs),
            };
            // Who hangs up does not read on.
            (status, words.filter(|_| signal != Some(libc::SIGHUP)))
        }
        (TuiExit::Finished, None) => (1, None),
    };
    if let Some(words) = words {
        print_farewell(words, &signalled)?;
    }
    let signal = match exit {
        TuiExit::Left(signal) if state.summary.is_none() => signal.unwrap_or_else(|| signalled.load(Ordering::Relaxed)),
        _ => 0,
    };
    Ok(if signal == 0 { status } else { 128 + signal as u8 })
}

/// Asks for the end of the run whose window a signal has ended; its figures when it has.
fn end_the_demonstration(resolved: &Resolved) -> Option<RunSummary> {
    let mut link = remote::open(resolved, true).ok()?.link;
    link.requests.send(RequestId(1), Command::Shutdown);
    let mut figures = None;
    while let Some(update) = link.updates.blocking_recv() {
        match update {
            Update::Event(event) => {
                if let EventKind::RunFinished(summary) = event.kind {
                    figures = Some(summary);
                }
            }
            Update::Snapshot(state) => figures = figures.or(state.summary),
            _ => {}
        }
    }
    figures
}

/// What comes back from the thread that shows it.
type OnItsWay = std::sync::mpsc::Receiver<Result<Shown>>;

/// The full console, on a thread of its own.
fn show_screen(resolved: &Resolved, connected: Connected, window: &Window) -> Result<OnItsWay> {
    let Connected { runtime, opened: Opened { hello, facts, mut link, ask } } = connected;
    let mut options = console_options(resolved, &resolved.load_profile()?);
    options.lookup = look::over(&ask, facts.compares && !window.view);
    if window.host.is_none() {
        // What is typed here means the folders here.
        options.lookup.complete = None;
        options.lookup.start_server = window.kind.start_server();
    } else {
        options.places = Places { cwd: facts.folder, home: facts.home, is_elsewhere: true };
    }
    options.profiles = facts.profiles;
    options.presets = facts.presets;
    options.commands.clone_from(&window.commands);
    options.before = facts.before;
    let place = window.host.is_some().then_some(hello.host);
    options.window = Some(WindowOn {
        host: place,
        view: window.view,
        can_start: options.lookup.start_server.is_some() && !window.view,
        ends_it: matches!(window.kind, Kind::Demo { .. }),
    });
    thread_with(runtime, "front", move |runtime| {
        let Closed { exit, state, line } = runtime.block_on(tui::run(&mut link, options))?;
        if state.summary.is_some() {
            // Whoever starts the next one finds nothing of this one: the line ends with the server's goodbye.
            let goodbye = async { while link.updates.recv().await.is_some() {} };
            let _ = runtime.block_on(async { tokio::time::timeout(GOODBYE, goodbye).await });
        }
        Ok(Shown { exit, state, is_refused: false, line })
    })
}

/// The linear console, on a thread of its own.
fn show_lines(
    resolved: &Resolved,
    connected: Connected,
    window: &Window,
    signals: mpsc::UnboundedReceiver<i32>,
) -> Result<OnItsWay> {
    let Connected { runtime, opened: Opened { facts, link, ask, .. } } = connected;
    let is_demo = matches!(window.kind, Kind::Demo { .. });
    let linear = Linear {
        profiles: facts.profiles,
        cwd: if window.host.is_none() { std::env::current_dir().unwrap_or_default() } else { facts.folder },
        style: LineStyle::terminal(resolved.line_color()),
        until_done: is_demo || window.commands.iter().any(|command| matches!(command, Command::Enqueue { .. })),
        ends_it: is_demo,
        start_server: window.kind.start_server(),
        stop_comparison: look::over(&ask, facts.compares && !window.view).compare.map(|compare| compare.stop),
    };
    let commands = window.commands.clone();
    let follow = async move |link: Link| {
        let typed = linear::typed(std::io::BufReader::new(std::io::stdin()));
        let asked = linear::Asking { commands, typed, signals };
        let left = linear::follow(link, asked, linear, std::io::stdout()).await;
        let exit = if left.state.summary.is_some() { TuiExit::Finished } else { TuiExit::Left(left.signal) };
        Shown { exit, state: Box::new(left.state), is_refused: left.is_refused, line: left.line }
    };
    thread_with(runtime, "front", move |runtime| Ok(runtime.block_on(follow(link))))
}

/// Notes the first signal that ends the window, and hands on each. The full console obeys signals itself; where that waits for a
/// terminal which takes nothing, what is noted ends the wait. Works for as long as the process does.
fn watch_signals() -> Result<(Arc<AtomicI32>, mpsc::UnboundedReceiver<i32>)> {
    let first = Arc::new(AtomicI32::new(0));
    let (told, (tell, signals)) = (Arc::clone(&first), mpsc::unbounded_channel());
    let (ready, is_ready) = std::sync::mpsc::channel();
    thread("signals", Waits::Signals, move |runtime| {
        runtime.block_on(async move {
            let listening = Signals::listen(false);
            let _ = ready.send(());
            // Without them the console alone obeys.
            let Ok(mut signals) = listening else { return };
            loop {
                let signal = signals.next().await;
                let _ = told.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
                let _ = tell.send(signal);
            }
        });
    })?;
    // Whoever sees the first line may send one at once.
    let _ = is_ready.recv();
    Ok((first, signals))
}

/// Says something at the end. After a signal nobody waits for a reader that does not read.
fn print_farewell(text: String, signalled: &AtomicI32) -> Result<()> {
    receive(&thread("farewell", Waits::Time, move |_| crate::cli::write_stderr(&text))?, signalled);
    Ok(())
}

/// That the server goes on, with what, and how to come back; or that it does not, or that nobody knows.
fn left_words(state: &State, pid: u32, host: Option<&str>, line: LineStatus) -> String {
    let place = host.map_or_else(String::new, |host| format!(" {host}"));
    let jobs = format!("{} at work, {} waiting", many(state.index.active.len() as u64, "job"), state.waiting());
    let compares = state
        .comparison
        .as_ref()
        .map_or_else(String::new, |comparison| format!(" (a comparison has the machine, {}; {END_IT})", comparison.run_words()));
    let held = if state.paused { " (the queue is held: nothing starts until `plimsoll release`)" } else { "" };
    match line {
        LineStatus::Whole => {
            format!(
                "plimsoll goes on without this window (process {pid}): {jobs}{compares}{held}; `plimsoll attach{place}` comes back\n"
            )
        }
        // It may be another process by now.
        LineStatus::Renewed => {
            format!("plimsoll goes on without this window: {jobs}{compares}{held}; `plimsoll attach{place}` comes back\n")
        }
        LineStatus::Cut => {
            format!("plimsoll cannot be reached just now; when last heard of it had {jobs}; `plimsoll attach{place}` tries again\n")
        }
        LineStatus::Gone => format!(
            "no plimsoll works there any more: {} kept in the queue; `plimsoll serve` goes on with them\n",
            many(state.unended(), "job")
        ),
    }
}
