//! One run from its start to its exit status: opens the host, drives the engine, tells it in lines, obeys signals. It owns no
//! terminal: a console is a window on it, in a process of its own.

pub mod descriptors;
pub(in crate::cli) mod diagnostics;
pub mod serving;
pub mod signals;
pub mod state_dir;
pub mod window;

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread::JoinHandle;
use std::time::Duration;

use color_eyre::eyre::{Context as _, Result, eyre};
use tokio::sync::mpsc;

use crate::cli::commands::compare::background_compare::BackgroundCompare;
use crate::cli::session::diagnostics::Diagnostics;
use crate::cli::session::serving::Serves;
use crate::cli::session::signals::Signals;
use crate::cli::{Busy, Usage};
use crate::domain::command::{Command, RequestId};
use crate::domain::event::{JobCounts, RunSummary};
use crate::domain::text::path_text;
use crate::engine::EngineConfig;
use crate::engine::port::Input;
use crate::headless::lines::LineStyle;
use crate::headless::{self, Report, Sinks, summary};
use crate::host::process::instance::{Instance, InstanceError};
use crate::host::process::log::joblog::LogReader;
use crate::host::process::orphans::ProcessIdentity;
use crate::host::{AtWork, HostConfig, HostError, RealHost};
use crate::runtime::clock::Clock;
use crate::runtime::driver::{Driver, Ended};
use crate::runtime::hub::Attacher;
use crate::runtime::link::{Link, ReadLog, Update};
use crate::wire::socket::Doors;

/// Everything a run follows from.
pub struct Session {
    /// For the engine.
    pub engine: EngineConfig,
    /// For the host.
    pub host: HostConfig,
    /// Asked first, in order.
    pub commands: Vec<Command>,
    /// How it is told.
    pub lines: RunLines,
    /// A comparison that a console may make beside it; it ends with the run.
    pub background_compare: BackgroundCompare,
    /// Log lines also go here.
    pub log_file: Option<PathBuf>,
    /// Somebody else who watches the run, on a thread of its own; not waited for.
    pub watch: Option<Watch>,
    /// Somebody who brings it jobs from elsewhere, on a thread of its own, and is waited for. What cannot be mended is told.
    pub agent: Option<Agent>,
    /// Jobs that fail as they were meant to do not count.
    pub is_demo: bool,
    /// What consoles and commands can reach of it.
    pub serves: Option<Serves>,
}

/// Follows a run through a link of its own.
pub type Watch = Box<dyn FnOnce(Link) + Send>;

/// Brings a run jobs from elsewhere; comes back when the run has ended and everything was handed on.
pub type Agent = Box<dyn FnOnce(&tokio::runtime::Runtime, Link) -> Result<()> + Send>;

/// A run in log lines on stderr, with its figures at the end.
#[derive(Debug, Clone, Copy)]
pub struct RunLines {
    /// JSON lines on stdout too.
    pub json: bool,
    /// With colours.
    pub color: bool,
    /// Ends when the queue is empty; else it waits for what is added.
    pub drains: bool,
}

impl Session {
    /// As [`Session::run`], for the demonstration: files over a limit and a broken one belong to it, so the status only
    /// tells of what must not happen: jobs out of memory, nothing done, or an end by a signal.
    pub fn run_as_demo(mut self) -> Result<u8> {
        self.is_demo = true;
        self.run()
    }

    /// Runs to the end; returns the exit status.
    ///
    /// Whoever writes to a terminal, a pipe or a file has a thread of its own, for such a write may stand still for ever;
    /// signals are obeyed all the same.
    pub fn run(self) -> Result<u8> {
        let log_file = self.log_file.as_deref().map(open_log).transpose()?;
        let remarks = log_file.as_ref().map(File::try_clone).transpose().wrap_err("cannot write the log file")?;
        let diagnostics = Diagnostics::start(self.lines.color, remarks)?;
        let state_dir = self.host.state_dir.clone();
        let (driver, logs, lock, hooks) = open_engine(self.engine, self.host)?;
        // What a worker's agent still stores is in that folder.
        let lock = self.agent.is_some().then_some(lock);
        let (attacher, visitors) = (driver.attacher(), driver.visitors());
        self.background_compare.beside(attacher.clone());
        let read_log: ReadLog = Arc::new(move |job, attempt| logs.read(job, attempt));
        // Whoever is attached before the start sees everything from the first event on.
        let link = attacher.attach();
        let signalled = watch_signals(&attacher, self.agent.is_some())?;
        let logger = log_file.map(|file| {
            let (link, sink): (Link, Box<dyn Write + Send>) = (attacher.attach(), Box::new(BufWriter::new(file)));
            let sinks = Sinks { log: Some((sink, LineStyle::file())), ..Sinks::default() };
            thread("log", Waits::Time, move |runtime| runtime.block_on(headless::follow(link, Vec::new(), sinks)))
        });
        let logger = logger.transpose()?;
        if let Some(watch) = self.watch {
            let link = attacher.attach();
            std::thread::Builder::new().name("watch".to_owned()).spawn(move || watch(link)).wrap_err("cannot start a thread")?;
        }
        let agent = self.agent.map(|agent| {
            // It goes on with what an earlier life has left, and has to be shown it.
            let (attacher, visitors) = (attacher.clone(), visitors.clone());
            thread("fleet", Waits::Signals, move |runtime| {
                let done = agent(runtime, visitors.attach());
                // Without it there is nothing to run for, also where it has given up.
                attacher.attach().requests.send(RequestId(0), Command::Shutdown);
                done
            })
        });
        let agent = agent.transpose()?;
        let (lines, mut commands) = (self.lines, self.commands);
        // Before anything of an earlier run is taken from the queue.
        if commands.first() == Some(&Command::Pause) {
            link.requests.send(RequestId(0), commands.remove(0));
        }
        let serves = self.serves.map(|mut serves| {
            serves.lookup.log = Some(read_log);
            serves
        });
        let life = ProcessIdentity::own().to_string().replace(' ', "-");
        let serving = serves
            .map(|serves| serving::start(serves, Box::new(move || hooks.is_some()), &state_dir, life, (&attacher, visitors)))
            .transpose()?
            .flatten();
        let (doors, told) = serving.map(|serving| (serving.doors, (serving.over, serving.ended))).unzip();
        let engine = start_engine(driver, doors)?;
        let queued = !commands.is_empty();
        let shown = thread("front", Waits::Time, move |runtime| runtime.block_on(show(lines, link, commands)))?;
        // The engine's thread closes the host: no child, no part is left when it has ended.
        let mut report = engine.join().map_err(|_| eyre!("the engine has panicked; the lines above say where"))?;
        let agent = agent.and_then(|agent| receive(&agent, &signalled));
        drop(lock);
        self.background_compare.end();
        if let Some(logger) = logger {
            report.lost.extend(receive(&logger, &signalled).into_iter().flat_map(|logged| logged.lost));
        }
        diagnostics.wait();
        // Whoever hears of the end finds the state folder free and the log whole. Nobody waits with it for a reader of lines.
        if let Some((over, told)) = told {
            let _ = over.send(());
            receive(&told, &signalled);
        }
        let shown = receive(&shown, &signalled);
        if let Some(shown) = shown {
            report.refused = shown.refused;
            report.lost.extend(shown.lost);
            if let Some(figures) = &report.summary {
                let text = if self.is_demo { summary::render(figures) } else { closing_words(figures) };
                receive(&thread("summary", Waits::Time, move |_| crate::cli::write_stderr(&text))?, &signalled);
            }
        }
        if !report.lost.is_empty() {
            let text = format!("plimsoll: {}\n", report.lost.join("\nplimsoll: "));
            receive(&thread("losses", Waits::Time, move |_| crate::cli::write_stderr(&text))?, &signalled);
        }
        agent.transpose()?;
        let signal = signalled.load(Ordering::Relaxed);
        if !lines.drains && signal == 0 && report.summary.is_some() {
            // What became of jobs is for those who have queued them.
            return Ok(u8::from(!report.lost.is_empty()));
        }
        let status = exit_status(signal, &report, queued);
        let is_shown =
            self.is_demo && report.lost.is_empty() && report.summary.as_ref().is_some_and(|figures| demo_went_well(&figures.jobs));
        Ok(if is_shown && status == 1 { 0 } else { status })
    }
}

/// The demonstration has shown what it is there to show. Files over a limit and a broken one belong to it.
fn demo_went_well(jobs: &JobCounts) -> bool {
    jobs.done > 0 && jobs.out_of_memory == 0
}

/// The figures of a run, and what becomes of what it has not finished.
fn closing_words(figures: &RunSummary) -> String {
    let mut text = summary::render(figures);
    if figures.jobs.unfinished > 0 {
        text.push_str("plimsoll: what is not finished is kept; the next start goes on with it\n");
    }
    text
}

/// The exit status of a run with these jobs: 0 = every one of them is done.
pub(in crate::cli) fn status_of(jobs: &JobCounts) -> u8 {
    u8::from(jobs.failed + jobs.out_of_memory + jobs.rejected + jobs.cancelled + jobs.unfinished > 0)
}

/// How long the end waits, after a signal, for what is still being written.
pub(in crate::cli) const AFTER_A_SIGNAL: Duration = Duration::from_secs(1);

/// What a thread waits for beside what other threads send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Waits {
    /// The clock. Takes no descriptors.
    Time,
    /// The clock and signals.
    Signals,
}

/// Does work on a thread with an event loop of its own; what comes of it is received.
pub(in crate::cli) fn thread<T: Send + 'static>(
    name: &str,
    waits: Waits,
    work: impl FnOnce(&tokio::runtime::Runtime) -> T + Send + 'static,
) -> Result<std::sync::mpsc::Receiver<T>> {
    thread_with(event_loop(waits)?, name, work)
}

/// An event loop for one thread.
pub(in crate::cli) fn event_loop(waits: Waits) -> Result<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let builder = if waits == Waits::Signals { builder.enable_all() } else { builder.enable_time() };
    builder.build().wrap_err("cannot start an event loop")
}

/// As [`thread`], with an event loop in which something lives already.
pub(in crate::cli) fn thread_with<T: Send + 'static>(
    runtime: tokio::runtime::Runtime,
    name: &str,
    work: impl FnOnce(&tokio::runtime::Runtime) -> T + Send + 'static,
) -> Result<std::sync::mpsc::Receiver<T>> {
    let (done, result) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || drop(done.send(work(&runtime))))
        .wrap_err("cannot start a thread")?;
    Ok(result)
}

/// `None` when the thread has panicked. After a signal nobody waits for a reader that does not read.
pub(in crate::cli) fn receive<T>(result: &std::sync::mpsc::Receiver<T>, signalled: &AtomicI32) -> Option<T> {
    loop {
        let was_signalled = signalled.load(Ordering::Relaxed) != 0;
        match result.recv_timeout(AFTER_A_SIGNAL) {
            Ok(value) => return Some(value),
            Err(RecvTimeoutError::Timeout) if !was_signalled => {}
            Err(_) => return None,
        }
    }
}

/// Tells the run to its end.
async fn show(lines: RunLines, link: Link, mut commands: Vec<Command>) -> Report {
    commands.extend(lines.drains.then_some(Command::Drain));
    headless::follow(link, commands, line_sinks(lines.json, lines.color)).await
}

fn open_engine(mut config: EngineConfig, host: HostConfig) -> Result<(Driver<RealHost>, LogReader, Instance, AtWork)> {
    let (inputs, results) = mpsc::unbounded_channel();
    let host = opened_host(host, inputs)?;
    // Estimates of this run begin with what earlier ones have taught.
    config.before = host.ended_before().wrap_err("cannot read what earlier runs have done")?;
    config.learned = host.learned().wrap_err("cannot read what earlier runs have taught")?;
    let (logs, lock, hooks) = (host.log_reader(), host.instance.clone(), host.hooks_at_work());
    Ok((Driver::new(config, host, results, Clock::start()), logs, lock, hooks))
}

/// The host; why there is none is told by its kind.
pub(super) fn opened_host(host: HostConfig, inputs: mpsc::UnboundedSender<Input>) -> Result<RealHost> {
    RealHost::open(host, inputs).map_err(|error| match error {
        HostError::Instance(error) => refused(&error),
        HostError::Store(error) => color_eyre::Report::new(Usage(error.to_string())),
        error @ HostError::Scratch { .. } => color_eyre::Report::new(Usage(error.to_string())),
        other => other.into(),
    })
}

/// A state folder that another works on is its own kind of refusal: trying again later helps.
pub(super) fn refused(error: &InstanceError) -> color_eyre::Report {
    match error {
        InstanceError::Taken { .. } => Busy(error.to_string()).into(),
        InstanceError::NoFolder { .. } | InstanceError::Unwritable { .. } => Usage(error.to_string()).into(),
    }
}

/// Runs the engine on a thread of its own, which tells the figures at the end. Before the host is closed, and the state folder free
/// for the next plimsoll, nobody can reach this one any more.
fn start_engine(driver: Driver<RealHost>, doors: Option<Doors>) -> Result<JoinHandle<Report>> {
    let runtime = event_loop(Waits::Time)?;
    std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || {
            let Ended { host, summary, skipped } = runtime.block_on(driver.run());
            drop(doors);
            host.close();
            Report { summary, skipped, ..Report::default() }
        })
        .wrap_err("cannot start the engine's thread")
}

pub(super) fn line_sinks(json: bool, color: bool) -> Sinks {
    let log: Box<dyn Write + Send> = Box::new(BufWriter::new(std::io::stderr()));
    let json = json.then(|| -> Box<dyn Write + Send> { Box::new(BufWriter::new(std::io::stdout())) });
    Sinks { log: Some((log, LineStyle::terminal(color))), json, ..Sinks::default() }
}

fn open_log(path: &std::path::Path) -> Result<File, Usage> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|error| {
        let (path, why) = (path_text(path), crate::domain::text::error_words(&error));
        Usage(format!("cannot write the log file {path}: {why}; choose another with --log-file"))
    })
}

/// SIGINT and SIGTERM end the run in order, a second one at once; where it `drains`, the first one lets it finish what it
/// does. SIGHUP ends nothing: the guard stays when the login goes. SIGTSTP stops the jobs first. Works for as long as the
/// process does.
fn watch_signals(attacher: &Attacher, drains: bool) -> Result<Arc<AtomicI32>> {
    let first = Arc::new(AtomicI32::new(0));
    let (told, attacher) = (Arc::clone(&first), attacher.clone());
    let (ready, is_ready) = std::sync::mpsc::channel();
    thread("signals", Waits::Signals, move |runtime| {
        runtime.block_on(async move {
            match Signals::listen(true) {
                Ok(signals) => {
                    let _ = ready.send(Ok(()));
                    obey(signals, attacher, &told, drains).await;
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        });
    })?;
    is_ready.recv().wrap_err("the thread of signals has ended")?.wrap_err("cannot listen for signals")?;
    Ok(first)
}

/// Obeys signals for as long as the process lives. Where it `drains`, the first one that is to end it lets it finish what it does.
async fn obey(mut signals: Signals, attacher: Attacher, told: &AtomicI32, mut drains: bool) {
    // A link for each request: between signals nothing of the run is followed.
    let ask = |command| {
        let link = attacher.attach();
        let _ = link.requests.send(THE_ONE, command);
        link
    };
    loop {
        match signals.next().await {
            libc::SIGHUP => {}
            libc::SIGTSTP => {
                let mut link = ask(Command::Suspend);
                // An engine that does not answer must not keep the operator from the shell.
                let jobs = async { drop(tokio::time::timeout(SUSPEND, answered(&mut link, THE_ONE)).await) };
                signals.stand_still(jobs).await;
                drop(ask(Command::Continue));
            }
            _ if std::mem::take(&mut drains) => drop(ask(Command::Drain)),
            signal => {
                let _ = told.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
                drop(ask(Command::Shutdown));
            }
        }
    }
}

/// The one request that is asked over a link.
const THE_ONE: RequestId = RequestId(1);

/// Longest wait for the jobs to be stopped before the process itself stops.
const SUSPEND: Duration = Duration::from_secs(3);

async fn answered(link: &mut Link, request: RequestId) {
    while let Some(update) = link.updates.recv().await {
        if matches!(&update, Update::Reply(id, _) if *id == request) {
            return;
        }
    }
}

/// 0 every job done; 1 some job was not, a path could not be taken, or what was asked for besides could not be written to the end; 2 nothing was run since nothing could be queued; 130 or 143 ended by a signal.
fn exit_status(signal: i32, report: &Report, queued: bool) -> u8 {
    if signal != 0 {
        return 128 + signal as u8;
    }
    let Some(RunSummary { jobs, .. }) = &report.summary else { return 1 };
    let bad = jobs.failed + jobs.out_of_memory + jobs.rejected + jobs.cancelled + jobs.unfinished + report.skipped;
    let all = bad - report.skipped + jobs.done + jobs.already_done;
    match (all, bad) {
        (0, _) if queued && !report.refused.is_empty() => 2,
        (_, 0) if report.lost.is_empty() && (report.refused.is_empty() || !queued) => 0,
        _ => 1,
    }
}

/// There is a terminal that a screen can be drawn on.
pub fn has_terminal() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && !is_dumb
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(jobs: JobCounts, refused: usize) -> Report {
        let summary = Some(RunSummary { jobs, ..RunSummary::default() });
        Report { summary, refused: vec![(RequestId(1), "no".to_owned()); refused], ..Report::default() }
    }

    #[test]
    fn the_exit_status_tells_how_the_run_went() {
        let counts = JobCounts { done: 2, already_done: 1, ..JobCounts::default() };
        assert_eq!(exit_status(0, &report(counts, 0), true), 0);
        assert_eq!(exit_status(0, &report(JobCounts { rejected: 1, ..counts }, 0), true), 1);
        assert_eq!(exit_status(0, &report(JobCounts::default(), 1), true), 2);
        assert_eq!(exit_status(0, &report(counts, 1), true), 1, "some of what was given could not be taken");
        assert_eq!(exit_status(0, &report(JobCounts::default(), 0), false), 0);
        assert_eq!(exit_status(2, &report(counts, 0), true), 130);
        assert_eq!(exit_status(15, &report(counts, 0), true), 143);
        let lost = Report { lost: vec!["the JSON lines".to_owned()], ..report(counts, 0) };
        assert_eq!(exit_status(0, &lost, true), 1, "whoever reads them later has to know");
        assert_eq!(exit_status(0, &Report::default(), true), 1);
    }
}
