//! `plimsoll add`: queues with the server; where none runs, for the next one.

use color_eyre::eyre::Result;
use serde_json::json;
use tokio::sync::mpsc;

use super::{ask_and_hear, open_if_there, rows, snapshot, wait};
use crate::cli::args::AddArgs;
use crate::cli::commands::run;
use crate::cli::options::Resolved;
use crate::cli::session::opened_host;
use crate::cli::{Usage, write_out};
use crate::domain::command::{Command, Queued};
use crate::domain::event::EventKind;
use crate::domain::job::JobId;
use crate::domain::stored::RowsWanted;
use crate::domain::text::{many, path_text};
use crate::engine::port::{Input, ScanId};
use crate::host::store;
use crate::runtime::link::Update;
use crate::wire::client::{Caller, Opened};

/// `plimsoll add`.
pub fn add(resolved: &Resolved, args: &AddArgs) -> Result<u8> {
    let commands = run::with_wishes(run::commands(&args.paths, resolved)?, resolved, args.front)?;
    match open_if_there(resolved, Caller { follow: true, ..Caller::default() })? {
        Ok(opened) => with_server(opened, commands, args),
        Err(none) if args.wait => Err(none.into()),
        Err(_) => without_server(resolved, commands, args),
    }
}

/// What was queued.
#[derive(Debug, Default)]
struct Added {
    batch: Option<u64>,
    jobs: Vec<JobId>,
    known: u64,
    /// What could not be taken, in words.
    refused: Vec<String>,
}

impl Added {
    /// Tells it; the exit status.
    fn tell(&self, as_json: bool, more: &str) -> Result<u8> {
        for why in &self.refused {
            crate::cli::tell(&format!("plimsoll: {why}\n"));
        }
        if as_json {
            let told = json!({ "batch": self.batch, "jobs": self.jobs, "known": self.known });
            write_out(format!("{told}\n").as_bytes())?;
        } else if self.refused.is_empty() || self.known > 0 || !self.jobs.is_empty() {
            let known = if self.known > 0 { format!(", {} waited already", self.known) } else { String::new() };
            let more = if self.jobs.is_empty() { "" } else { more };
            write_out(format!("{} queued{known}{more}\n", many(self.jobs.len() as u64, "job")).as_bytes())?;
        }
        Ok(u8::from(!self.refused.is_empty()))
    }
}

fn with_server(mut opened: Opened, commands: Vec<Command>, args: &AddArgs) -> Result<u8> {
    let mut state = snapshot(&mut opened.link)?;
    let (mut added, mut queued) = (Added::default(), Vec::new());
    for (number, command) in (1..).zip(commands) {
        let mut told = Vec::new();
        let answer = ask_and_hear(&mut opened.link, number, command, |update| match update {
            Update::Event(event) => {
                told.extend(event.kind.trouble().filter(|_| matches!(event.kind, EventKind::InputSkipped { .. })));
                state.apply(&event);
            }
            Update::Snapshot(anew) => state = anew,
            _ => {}
        })?;
        match answer {
            Ok(answer) => queued.extend(answer.queued),
            // What an event has told already is told once.
            Err(why) if told.contains(&why.0) => {}
            Err(why) => told.push(why.0),
        }
        added.refused.extend(told);
    }
    for Queued { batch, known, .. } in &queued {
        rows::each(&opened.ask, &RowsWanted { batch: Some(*batch), ..RowsWanted::default() }, |row| added.jobs.push(row.job))?;
        added.known += known;
    }
    added.batch = queued.first().map(|queued| queued.batch);
    let status = added.tell(args.json, "")?;
    if !args.wait || added.jobs.is_empty() {
        return Ok(status);
    }
    let mut waited = wait::Waited::default();
    for Queued { batch, .. } in queued.iter().filter(|queued| queued.jobs > 0) {
        waited.extend(wait::of_batch(&opened, *batch)?);
    }
    Ok(status.max(wait::until(opened, *state, Some(waited), None)?))
}

/// Queues into the record of the state folder, whose lock is held meanwhile.
fn without_server(resolved: &Resolved, commands: Vec<Command>, args: &AddArgs) -> Result<u8> {
    let session = run::session(resolved, None, None, Vec::new(), run::lines(resolved, false))?;
    let default = session.engine.preset;
    let (inputs, mut told) = mpsc::unbounded_channel();
    let host = opened_host(session.host, inputs)?;
    let mut added = Added::default();
    for (scan, command) in (1..).zip(commands) {
        let Command::Enqueue { paths, preset, wishes } = command else { continue };
        host.queue(ScanId(scan), &paths, preset.as_ref().unwrap_or(&default), &wishes);
        let mut found = 0;
        while let Ok(input) = told.try_recv() {
            match input {
                Input::Found(_, arrived) => {
                    added.known += arrived.known;
                    found += arrived.jobs + arrived.known;
                }
                Input::ScanDone(_, refused) => {
                    let is_told = !refused.is_empty();
                    added.refused.extend(refused.into_iter().map(|(path, why)| format!("{}: {why}", path_text(&path))));
                    if found == 0 && !is_told {
                        let searched: Vec<String> = paths.iter().map(|path| path_text(path)).collect();
                        added.refused.push(format!("no video files were found in {}", searched.join(", ")));
                    }
                }
                Input::Fault { what, detail } => added.refused.push(format!("{what}: {detail}")),
                _ => {}
            }
        }
        let read = |wanted: &RowsWanted| Ok(store::rows(&resolved.state_dir, wanted).map_err(|error| Usage(error.to_string()))?);
        rows::paged(read, &RowsWanted { batch: Some(scan), ..RowsWanted::default() }, |row| added.jobs.push(row.job))?;
    }
    host.close();
    let nobody = format!(
        "; nobody works on {}: `plimsoll`, `plimsoll serve` or `plimsoll run` goes on with it",
        path_text(&resolved.state_dir)
    );
    added.tell(args.json, &nobody)
}
