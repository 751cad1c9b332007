//! The front ends without a screen: log lines for people, JSON lines for programs, a summary at the end; metrics
//! over HTTP; what a service manager is told.
//!
//! It only reads the stream of events; what it cannot write it drops, the run goes on.

pub mod comparison;
pub mod counting;
pub mod fleet_plan;
mod fold;
pub mod linear;
pub mod lines;
pub mod metrics;
pub mod page;
pub mod plan;
pub mod service;
pub mod summary;

use std::collections::BTreeSet;
use std::io::{self, Write};

use crate::domain::command::{Command, RequestId};
use crate::domain::event::{Event, EventKind, RunSummary};
use crate::domain::text::error_words;
use crate::runtime::link::{Link, Update};

use lines::{LineStyle, Lines};

/// Troubles remembered as told, for the refusals that say the same.
const TOLD_KEPT: usize = 1024;

/// Where a run without a screen writes, and how.
#[derive(Default)]
pub struct Sinks {
    /// Log lines for people, in this style.
    pub log: Option<(Box<dyn Write + Send>, LineStyle)>,
    /// One JSON object a line.
    pub json: Option<Box<dyn Write + Send>>,
    /// See [`Report::lost`].
    pub lost: Vec<String>,
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Report {
    /// The figures of the run; `None` when the engine went away without them.
    pub summary: Option<RunSummary>,
    /// Requests that were refused, with the reason.
    pub refused: Vec<(RequestId, String)>,
    /// Paths that could not be taken.
    pub skipped: u64,
    /// What could not be written to its end, and why. A reader that went away by itself is no such thing.
    pub lost: Vec<String>,
}

/// Follows a run to its end, writing every event to the sinks. The commands given are asked first, in order.
pub async fn follow(mut link: Link, commands: Vec<Command>, mut sinks: Sinks) -> Report {
    let mut report = Report::default();
    for (number, command) in (1..).zip(commands) {
        // When the engine is gone the updates end, below.
        let _ = link.requests.send(RequestId(number), command);
    }
    // A file keeps everything; a terminal shows what somebody wants to see pass by.
    let verbose = sinks.log.as_ref().is_some_and(|(_, style)| style.full_time);
    let mut lines = Lines::default();
    lines.verbose = verbose;
    let mut told = BTreeSet::new();
    while let Some(update) = link.updates.recv().await {
        match update {
            Update::Snapshot(state) => {
                lines.learn(&state);
                // Whoever could not write for long has missed the end itself.
                if let Some(summary) = state.summary {
                    report.summary = Some(summary);
                    break;
                }
            }
            Update::Event(event) => {
                sinks.write(&event, &mut lines);
                told.extend(event.kind.trouble().filter(|_| told.len() < TOLD_KEPT));
                report.skipped += u64::from(matches!(event.kind, EventKind::InputSkipped { .. }));
                if let EventKind::RunFinished(summary) = event.kind {
                    report.summary = Some(summary);
                    break;
                }
            }
            Update::Reply(request, Err(rejection)) => {
                // What an event has told already is told once.
                if !told.remove(&rejection.why) {
                    sinks.line(&format!("refused: {rejection}"));
                }
                report.refused.push((request, rejection.why));
            }
            // Nobody goes back and forward here.
            Update::Retold(retold) => lines.learn(&retold.state()),
            Update::Reply(_, Ok(_)) | Update::Playing(_) | Update::Line(_) => {}
        }
        // Everything that has come is written before anything is flushed: one system call for a burst.
        if link.updates.is_empty() {
            sinks.flush();
        }
    }
    sinks.flush();
    report.lost = sinks.lost;
    report
}

impl Sinks {
    fn write(&mut self, event: &Event, lines: &mut Lines) {
        if let Some(json) = &mut self.json {
            // A reader that has gone (`| head`) must not end the run.
            let line = serde_json::to_writer(&mut *json, event).map_err(io::Error::from);
            let written = line.and_then(|()| json.write_all(b"\n"));
            self.lose_json(written);
        }
        if let Some((log, style)) = &mut self.log {
            for line in lines.of(event) {
                let written = writeln!(log, "{}", style.render(&line));
                if written.is_err() {
                    self.lose_log(written);
                    break;
                }
            }
        }
    }

    fn line(&mut self, text: &str) {
        if let Some((log, _)) = &mut self.log {
            let _ = writeln!(log, "{text}");
        }
    }

    fn flush(&mut self) {
        let flushed = self.json.as_mut().map_or(Ok(()), Write::flush);
        self.lose_json(flushed);
        let flushed = self.log.as_mut().map_or(Ok(()), |(log, _)| log.flush());
        self.lose_log(flushed);
    }

    fn lose_json(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.json = None;
            self.lose("the JSON lines on stdout", &error);
        }
    }

    fn lose_log(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            // A terminal that is gone is no loss, and where it was is nobody to tell.
            let is_file = self.log.take().is_some_and(|(_, style)| style.full_time);
            if is_file {
                self.lose("the log file", &error);
            }
        }
    }

    fn lose(&mut self, what: &str, error: &io::Error) {
        if error.kind() != io::ErrorKind::BrokenPipe {
            self.lost.push(format!("{what} could not be written to the end: {}", error_words(error)));
        }
    }
}
