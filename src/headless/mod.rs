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
pub mod standing;
pub mod summary;

use std::collections::BTreeSet;
use std::io::{self, Write};

use crate::domain::command::{Command, RequestId};
use crate::domain::event::{Event, EventKind, RunSummary, Seq};
use crate::domain::job::LogLevel;
use crate::domain::state::State;
use crate::domain::text::{error_words, many};
use crate::runtime::link::{Link, Update};

use lines::{Line, LineStyle, Lines};

/// Troubles remembered as told, for the refusals that say the same.
const TOLD_KEPT: usize = 1024;

const JSON_LINES: &str = "the JSON lines on stdout";
const LOG_FILE: &str = "the log file";
/// Why events were not kept until they could be written.
const TOO_LONG: &str = "nothing could be written for too long";

/// Where a run without a screen writes, and how.
#[derive(Default)]
pub struct Sinks {
    /// Log lines for people, in this style. Each is written as a whole, since others write there too.
    pub log: Option<(Box<dyn Write + Send>, LineStyle)>,
    /// One JSON object a line.
    pub json: Option<Box<dyn Write + Send>>,
    /// See [`Report::lost`].
    pub lost: Vec<String>,
    /// Events that came too late to be kept until they could be written: for the JSON lines, and for the log file.
    pub missed: (u64, u64),
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
    let mut known: Option<Seq> = None;
    while let Some(update) = link.updates.recv().await {
        match update {
            Update::Snapshot(state) => {
                lines.learn(&state);
                sinks.catch_up(known.replace(state.seq), &state, &mut lines);
                // Whoever could not write for long has missed the end itself.
                if let Some(summary) = state.summary {
                    report.summary = Some(summary);
                    break;
                }
            }
            Update::Event(event) => {
                sinks.write(&event, &mut lines);
                known = Some(event.seq);
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
            Update::Retold(retold) => {
                let state = retold.state();
                lines.learn(&state);
                known = Some(state.seq);
            }
            Update::Reply(_, Ok(_)) | Update::Playing(_) | Update::Line(_) => {}
        }
        // Everything that has come is written before anything is flushed: one system call for a burst.
        if link.updates.is_empty() {
            sinks.flush();
        }
    }
    sinks.flush();
    report.lost = sinks.all_lost();
    report
}

impl Sinks {
    /// A snapshot has come in place of the events after `known`, which are lost; `None` = it is the first. The end of a run is in the
    /// snapshot, and is written: whoever reads the lines later waits for it.
    fn catch_up(&mut self, known: Option<Seq>, state: &State, lines: &mut Lines) {
        let Some(new) = known.and_then(|known| state.seq.0.checked_sub(known.0)).filter(|new| *new > 0) else { return };
        let missed = new - u64::from(state.summary.is_some());
        if missed > 0 {
            self.missed.0 += if self.json.is_some() { missed } else { 0 };
            if let Some((log, style)) = &mut self.log {
                self.missed.1 += if style.full_time { missed } else { 0 };
                let text = format!("{} before this could not be told: {TOO_LONG}", many(missed, "event"));
                let line = Line { at: state.wall, level: LogLevel::Warning, job: None, text };
                let written = log.write_all(format!("{}\n", style.render(&line)).as_bytes());
                self.lose_log(written);
            }
        }
        if let Some(summary) = state.summary.clone() {
            let kind = EventKind::RunFinished(summary);
            self.write(&Event { seq: state.seq, at: state.wall, mono: state.now, kind }, lines);
        }
    }

    /// Everything that is missing in what was written.
    fn all_lost(mut self) -> Vec<String> {
        for (missed, what) in [(self.missed.0, JSON_LINES), (self.missed.1, LOG_FILE)] {
            if missed > 0 {
                self.lost.push(format!("{} could not be told in {what}: {TOO_LONG}", many(missed, "event")));
            }
        }
        self.lost
    }

    fn write(&mut self, event: &Event, lines: &mut Lines) {
        if let Some(json) = &mut self.json {
            // A reader that has gone (`| head`) must not end the run.
            let line = serde_json::to_writer(&mut *json, event).map_err(io::Error::from);
            let written = line.and_then(|()| json.write_all(b"\n"));
            self.lose_json(written);
        }
        if let Some((log, style)) = &mut self.log {
            for line in lines.of(event) {
                let written = log.write_all(format!("{}\n", style.render(&line)).as_bytes());
                if written.is_err() {
                    self.lose_log(written);
                    break;
                }
            }
        }
    }

    fn line(&mut self, text: &str) {
        if let Some((log, _)) = &mut self.log {
            let _ = log.write_all(format!("{text}\n").as_bytes());
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
            self.lose(JSON_LINES, &error);
        }
    }

    fn lose_log(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            // A terminal that is gone is no loss, and where it was is nobody to tell.
            let is_file = self.log.take().is_some_and(|(_, style)| style.full_time);
            if is_file {
                self.lose(LOG_FILE, &error);
            }
        }
    }

    fn lose(&mut self, what: &str, error: &io::Error) {
        if error.kind() != io::ErrorKind::BrokenPipe {
            self.lost.push(format!("{what} could not be written to the end: {}", error_words(error)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::sync::mpsc;

    use super::*;
    use crate::domain::command::ClientId;
    use crate::domain::time::{Mono, Wall};
    use crate::runtime::link::Control;

    /// What was written, for whoever looks later.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("UTF-8")
        }
    }

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn event(seq: u64, kind: EventKind) -> Event {
        Event { seq: Seq(seq), at: Wall(1_795_349_038_120), mono: Mono::START, kind }
    }

    /// What is written to both, and what is said to be lost, of a run that told this.
    fn followed(updates: Vec<Update>, style: LineStyle) -> (Vec<serde_json::Value>, String, Report) {
        let (control, mut asked) = mpsc::unbounded_channel();
        let link = Link::attach(ClientId(1), control);
        let Ok(Control::Attach(_, outbox)) = asked.try_recv() else { panic!("it attaches itself") };
        for update in updates {
            assert!(outbox.send(update));
        }
        drop(outbox);
        let (log, json) = (Written::default(), Written::default());
        let sinks = Sinks { log: Some((Box::new(log.clone()), style)), json: Some(Box::new(json.clone())), ..Sinks::default() };
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("an event loop");
        let report = runtime.block_on(follow(link, Vec::new(), sinks));
        let lines = json.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        (lines, log.text(), report)
    }

    fn snapshot(seq: u64, summary: Option<RunSummary>) -> Update {
        Update::Snapshot(Box::new(State { seq: Seq(seq), summary, ..State::default() }))
    }

    #[test]
    fn events_that_could_not_be_kept_until_they_could_be_written_are_counted_and_the_end_is_written_all_the_same() {
        let told = |seq| Update::Event(Box::new(event(seq, EventKind::QueuePaused)));
        let late = vec![snapshot(3, None), told(4), snapshot(9, None), told(10), snapshot(13, Some(RunSummary::default()))];
        let (lines, log, report) = followed(late, LineStyle::file());
        let seqs: Vec<_> = lines.iter().map(|line| line["seq"].as_u64().expect("a number")).collect();
        assert_eq!(seqs, [4, 10, 13]);
        assert_eq!(lines[2]["event"], "run_finished");
        assert!(report.summary.is_some());
        let lost = |what| format!("7 events could not be told in {what}: nothing could be written for too long");
        assert_eq!(report.lost, [lost(JSON_LINES), lost(LOG_FILE)]);
        assert!(log.contains("5 events before this could not be told") && log.contains("2 events before this"), "{log}");
    }

    #[test]
    fn a_run_that_is_followed_from_its_first_event_to_its_last_loses_nothing() {
        let end = event(1, EventKind::RunFinished(RunSummary::default()));
        let (lines, _, report) = followed(vec![snapshot(0, None), Update::Event(Box::new(end))], LineStyle::file());
        assert_eq!((lines.len(), report.lost), (1, Vec::new()));
        // Its end alone came in a snapshot: it is written, so nothing is missing.
        let (lines, log, report) = followed(vec![snapshot(4, None), snapshot(5, Some(RunSummary::default()))], LineStyle::file());
        assert_eq!((lines.len(), log.as_str(), report.lost), (1, "", Vec::new()));
        // What passes by on a terminal is no record of the run.
        let (_, _, report) = followed(vec![snapshot(0, None), snapshot(9, None)], LineStyle::terminal(false));
        assert_eq!(report.lost, [format!("9 events could not be told in {JSON_LINES}: {TOO_LONG}")]);
    }
}
