//! The front end without a screen: log lines for people, JSON lines for programs, a summary at the end.
//!
//! It only reads the stream of events; what it cannot write it drops, the run goes on.

pub mod comparison;
pub mod linear;
pub mod lines;
pub mod plan;
pub mod summary;

use std::io::Write;

use crate::domain::command::{Command, RequestId};
use crate::domain::event::{Event, EventKind, RunSummary};
use crate::runtime::link::{Link, Update};

use lines::{LineStyle, Lines};

/// Where a run without a screen writes, and how.
#[derive(Default)]
pub struct Sinks {
    /// Log lines for people, in this style.
    pub log: Option<(Box<dyn Write + Send>, LineStyle)>,
    /// One JSON object a line.
    pub json: Option<Box<dyn Write + Send>>,
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
                report.skipped += u64::from(matches!(event.kind, EventKind::InputSkipped { .. }));
                if let EventKind::RunFinished(summary) = event.kind {
                    report.summary = Some(summary);
                    break;
                }
            }
            Update::Reply(request, Err(rejection)) => {
                sinks.line(&format!("refused: {rejection}"));
                report.refused.push((request, rejection.0));
            }
            Update::Reply(_, Ok(())) => {}
        }
        // Everything that has come is written before anything is flushed: one system call for a burst.
        if link.updates.is_empty() {
            sinks.flush();
        }
    }
    sinks.flush();
    report
}

impl Sinks {
    fn write(&mut self, event: &Event, lines: &mut Lines) {
        if let Some(json) = &mut self.json {
            // A reader that has gone (`| head`) must not end the run.
            let is_written = serde_json::to_writer(&mut *json, event).is_ok() && json.write_all(b"\n").is_ok();
            if !is_written {
                self.json = None;
            }
        }
        if let Some((log, style)) = &mut self.log {
            for line in lines.of(event) {
                if writeln!(log, "{}", style.render(&line)).is_err() {
                    self.log = None;
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
        if self.json.as_mut().is_some_and(|json| json.flush().is_err()) {
            self.json = None;
        }
        if self.log.as_mut().is_some_and(|(log, _)| log.flush().is_err()) {
            self.log = None;
        }
    }
}
