//! One run from its start to its exit status: opens the host, drives the engine, shows it on a front end, obeys signals.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::JoinHandle;

use color_eyre::eyre::{Context as _, Result, eyre};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::Usage;
use crate::domain::command::{Command, RequestId};
use crate::domain::event::{JobCounts, RunSummary};
use crate::domain::text::path_text;
use crate::engine::EngineConfig;
use crate::headless::lines::LineStyle;
use crate::headless::{self, Report, Sinks, summary};
use crate::host::real::{HostConfig, HostError, RealHost};
use crate::runtime::clock::Clock;
use crate::runtime::driver::Driver;
use crate::runtime::hub::Attacher;
use crate::runtime::link::Link;
use crate::tui::{self, TuiExit, TuiOptions};

/// Everything a run follows from.
pub struct Session {
    /// For the engine.
    pub engine: EngineConfig,
    /// For the host.
    pub host: HostConfig,
    /// Asked first, in order.
    pub commands: Vec<Command>,
    /// Where it is shown.
    pub front: Front,
    /// Log lines also go here.
    pub log_file: Option<PathBuf>,
    /// Jobs that fail as they were meant to do not count.
    pub is_demo: bool,
}

/// Where a run is shown.
pub enum Front {
    /// The console. It stays open when the queue is empty.
    Console(Box<TuiOptions>),
    /// Log lines on stderr; ends when the queue is empty.
    Lines {
        /// JSON lines on stdout too.
        json: bool,
        /// With colours.
        color: bool,
        /// The figures of the run on stderr at its end.
        summary: bool,
    },
}

impl Session {
    /// Runs to the end; returns the exit status.
    pub fn run(self) -> Result<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().wrap_err("cannot start the event loop")?;
        runtime.block_on(self.run_within())
    }

    /// As [`Session::run`], for the demonstration: files over a limit and a broken one belong to it, so the status only
    /// tells of what must not happen: jobs out of memory, nothing done, or an end by a signal.
    pub fn run_as_demo(mut self) -> Result<u8> {
        self.is_demo = true;
        self.run()
    }

    async fn run_within(self) -> Result<u8> {
        let log_file = self.log_file.as_deref().map(open_log).transpose()?;
        let driver = open_engine(self.engine, self.host)?;
        let attacher = driver.attacher();
        // Whoever is attached before the start sees everything from the first event on.
        let first = attacher.attach();
        let signalled = watch_signals(&attacher)?;
        let logger = log_file.map(|file| {
            let sinks = Sinks { log: Some((Box::new(BufWriter::new(file)), LineStyle::file())), json: None };
            tokio::spawn(headless::follow(attacher.attach(), Vec::new(), sinks))
        });
        let engine = start_engine(driver)?;
        let queued = !self.commands.is_empty();
        let (report, tell_summary) = match self.front {
            Front::Lines { json, color, summary } => {
                let mut commands = self.commands;
                commands.push(Command::Drain);
                (headless::follow(first, commands, line_sinks(json, color)).await, summary)
            }
            Front::Console(options) => (console(&attacher, first, self.commands, *options).await?, false),
        };
        // The engine's thread closes the host: no child, no part is left when it has ended.
        engine.join().map_err(|_| eyre!("the engine has panicked; the lines above say where"))?;
        if let Some(logger) = logger {
            let _ = logger.await;
        }
        if let (true, Some(figures)) = (tell_summary, &report.summary) {
            super::tell(&summary::render(figures));
        }
        let status = exit_status(signalled.load(Ordering::Relaxed), &report, queued);
        let went_well = |jobs: &JobCounts| jobs.done > 0 && jobs.out_of_memory == 0;
        let is_shown = self.is_demo && report.summary.as_ref().is_some_and(|figures| went_well(&figures.jobs));
        Ok(if is_shown && status == 1 { 0 } else { status })
    }
}

fn open_engine(config: EngineConfig, host: HostConfig) -> Result<Driver<RealHost>> {
    let (inputs, results) = mpsc::unbounded_channel();
    let host = RealHost::open(host, inputs).map_err(|error| match error {
        HostError::Store(error) => color_eyre::Report::new(Usage(error.to_string())),
        other => other.into(),
    })?;
    Ok(Driver::new(config, host, results, Clock::start()))
}

fn start_engine(driver: Driver<RealHost>) -> Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().wrap_err("cannot start the engine's loop")?;
    std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || runtime.block_on(driver.run()).close())
        .wrap_err("cannot start the engine's thread")
}

/// The console; when its terminal goes away the run goes on without it, to the end of the queue.
async fn console(attacher: &Attacher, watcher: Link, commands: Vec<Command>, options: TuiOptions) -> Result<Report> {
    let link = attacher.attach();
    for (number, command) in (1..).zip(commands) {
        let _ = link.requests.send((RequestId(number), command));
    }
    let ended = tokio::spawn(headless::follow(watcher, Vec::new(), Sinks::default()));
    if let TuiExit::TerminalGone = tui::run(link, options).await? {
        let drain = attacher.attach();
        let _ = drain.requests.send((RequestId(1), Command::Drain));
        return Ok(ended.await?);
    }
    Ok(ended.await?)
}

fn line_sinks(json: bool, color: bool) -> Sinks {
    let log: Box<dyn Write + Send> = Box::new(BufWriter::new(std::io::stderr()));
    let json = json.then(|| -> Box<dyn Write + Send> { Box::new(BufWriter::new(std::io::stdout())) });
    Sinks { log: Some((log, LineStyle::terminal(color))), json }
}

fn open_log(path: &std::path::Path) -> Result<File, Usage> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map_err(|error| {
        let (path, why) = (path_text(path), crate::domain::text::error_words(&error));
        Usage(format!("cannot write the log file {path}: {why}; choose another with --log-file"))
    })
}

/// SIGINT and SIGTERM end the run in order, a second one at once. SIGHUP ends nothing: the guard stays when the screen goes.
fn watch_signals(attacher: &Attacher) -> Result<Arc<AtomicI32>> {
    let first = Arc::new(AtomicI32::new(0));
    let mut interrupt = signal(SignalKind::interrupt()).wrap_err("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).wrap_err("cannot listen for SIGTERM")?;
    let mut hang_up = signal(SignalKind::hangup()).wrap_err("cannot listen for SIGHUP")?;
    let link = attacher.attach();
    let told = Arc::clone(&first);
    tokio::spawn(async move {
        let mut link = link;
        let mut number = 0;
        loop {
            let signal = tokio::select! {
                _ = interrupt.recv() => 2,
                _ = terminate.recv() => 15,
                _ = hang_up.recv() => continue,
                // Updates are not for us, but must not pile up; their end is the end of the run.
                update = link.updates.recv() => match update {
                    Some(_) => continue,
                    None => return,
                },
            };
            let _ = told.compare_exchange(0, signal, Ordering::Relaxed, Ordering::Relaxed);
            number += 1;
            let _ = link.requests.send((RequestId(number), Command::Shutdown));
        }
    });
    Ok(first)
}

/// 0 every job done; 1 some job was not; 2 nothing was run since nothing could be queued; 130 or 143 ended by a signal.
fn exit_status(signal: i32, report: &Report, queued: bool) -> u8 {
    if signal != 0 {
        return 128 + signal as u8;
    }
    let Some(RunSummary { jobs, .. }) = &report.summary else { return 1 };
    let bad = jobs.failed + jobs.out_of_memory + jobs.rejected + jobs.cancelled + jobs.unfinished;
    let all = bad + jobs.done + jobs.already_done;
    match (all, bad) {
        (0, _) if queued && !report.refused.is_empty() => 2,
        (_, 0) => 0,
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
        Report { summary, refused: vec![(RequestId(1), "no".to_owned()); refused] }
    }

    #[test]
    fn the_exit_status_tells_how_the_run_went() {
        let counts = JobCounts { done: 2, already_done: 1, ..JobCounts::default() };
        assert_eq!(exit_status(0, &report(counts, 0), true), 0);
        assert_eq!(exit_status(0, &report(JobCounts { rejected: 1, ..counts }, 0), true), 1);
        assert_eq!(exit_status(0, &report(JobCounts::default(), 1), true), 2);
        assert_eq!(exit_status(0, &report(JobCounts::default(), 0), false), 0);
        assert_eq!(exit_status(2, &report(counts, 0), true), 130);
        assert_eq!(exit_status(15, &report(counts, 0), true), 143);
        assert_eq!(exit_status(0, &Report::default(), true), 1);
    }
}
