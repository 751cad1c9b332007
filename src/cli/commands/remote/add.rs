//! `plimsoll add`: queues with the server; where none runs, for the next one.

use color_eyre::eyre::Result;
use tokio::sync::mpsc;

use super::console::fits;
use super::told::{self, Told, telling};
use super::{Patience, ask_and_hear, open_if_there, rows, snapshot, wait};
use crate::cli::args::AddArgs;
use crate::cli::commands::run;
use crate::cli::options::Resolved;
use crate::cli::session::opened_host;
use crate::cli::{Busy, Usage};
use crate::domain::command::{Command, Queued};
use crate::domain::event::EventKind;
use crate::domain::job::JobId;
use crate::domain::refusal::{Refusal, Rejection};
use crate::domain::state::State;
use crate::domain::stored::RowsWanted;
use crate::domain::text::{many, path_text, paths_text};
use crate::engine::port::{Input, ScanId};
use crate::host::store;
use crate::runtime::link::Update;
use crate::wire::client::{Caller, Opened};

/// `plimsoll add`.
pub fn add(resolved: &Resolved, args: &AddArgs) -> Result<u8> {
    let mut waits = None;
    let status = telling("add", args.json, |told| queue(resolved, args, told, &mut waits))?;
    match waits {
        Some((opened, state, waited)) => Ok(status.max(wait::until(opened, *state, Some(waited), None)?)),
        None => Ok(status),
    }
}

/// Settings that jobs keep, that have been followed to find the server, or that can do nothing to them.
const HEEDED: [&str; 9] = ["preset", "out", "flat", "overwrite", "state-dir", "color", "theme", "ascii", "plain"];

/// What is waited for once it is told what was queued.
type Waits = Option<(Opened, Box<State>, wait::Waited)>;

fn queue(resolved: &Resolved, args: &AddArgs, told: &mut Told, waits: &mut Waits) -> Result<()> {
    if resolved.is_out_given() {
        resolved.check_out()?;
    }
    let mut commands = run::with_queue_options(run::commands(&args.paths, resolved)?, resolved, args.front)?;
    if args.front {
        // Each goes before what waits: the last one stands first.
        commands.reverse();
    }
    let mut patience = Patience::default();
    loop {
        match open_if_there(resolved, Caller { follow: true, ..Caller::default() })? {
            Ok(opened) => {
                fits(resolved, &opened, |name| resolved.is_flag(name) && !HEEDED.contains(&name))?;
                return with_server(opened, commands, args, told, waits);
            }
            Err(none) if args.wait => return Err(none.into()),
            Err(_) => match without_server(resolved, commands.clone(), told) {
                Err(error) if error.is::<Busy>() && patience.waits() => {}
                done => return done,
            },
        }
    }
}

/// What was queued.
#[derive(Debug, Default)]
struct Added {
    /// The batches in which there are new jobs.
    batches: Vec<u64>,
    jobs: Vec<JobId>,
    known: u64,
    /// What could not be taken.
    refused: Vec<Rejection>,
}

impl Added {
    /// Tells it.
    fn report(self, told: &mut Told, later: Option<String>, more: &str) -> Result<()> {
        for why in &self.refused {
            told.refuse_path(why);
        }
        told.more("batch", self.batches.first().copied().into());
        told.more("batches", self.batches.clone().into());
        told.more("known", self.known.into());
        if self.refused.is_empty() || self.known > 0 || !self.jobs.is_empty() {
            let known = if self.known > 0 { format!(", {} in the queue already", self.known) } else { String::new() };
            let more = if self.jobs.is_empty() { "" } else { more };
            told.line(&format!("{} queued{known}{more}", many(self.jobs.len() as u64, "job")))?;
        }
        told.jobs(self.jobs, later);
        Ok(())
    }
}

/// A path that was not taken, if the event tells of one.
fn not_taken(event: &EventKind) -> Option<Rejection> {
    let EventKind::InputSkipped { input, detail } = event else { return None };
    Some(Rejection::of_path(input, detail))
}

fn with_server(mut opened: Opened, commands: Vec<Command>, args: &AddArgs, told: &mut Told, waits: &mut Waits) -> Result<()> {
    let mut state = snapshot(&mut opened.link)?;
    let (mut added, mut queued, mut later) = (Added::default(), Vec::new(), None);
    for (number, command) in (1..).zip(commands) {
        let mut heard = Vec::new();
        let answer = ask_and_hear(&mut opened.link, number, command, |update| match update {
            Update::Event(event) => {
                heard.extend(not_taken(&event.kind));
                state.apply(&event);
            }
            Update::Snapshot(anew) => state = anew,
            _ => {}
        });
        match answer {
            Ok(answer) => {
                queued.extend(answer.queued);
                later = answer.later;
            }
            // What an event has told already is told once.
            Err(why) if heard.iter().any(|told| told.why == why.why) => {}
            Err(why) => heard.push(why),
        }
        added.refused.extend(heard);
    }
    for Queued { batch, jobs, known } in queued {
        added.known += known;
        if jobs > 0 {
            rows::each(&opened.ask, &RowsWanted { batch: Some(batch), ..RowsWanted::default() }, |row| added.jobs.push(row.job))?;
            added.batches.push(batch);
        }
    }
    if args.wait && added.known > 0 {
        let why = format!("{} in the queue already: not waited for; `plimsoll wait` waits for all", many(added.known, "input"));
        added.refused.push(Refusal::QueuedAlready.because(why));
    }
    let batches = added.batches.clone();
    let is_any = !added.jobs.is_empty();
    let words = told::later(later.as_ref());
    added.report(told, later, &words)?;
    if !args.wait || !is_any {
        return Ok(());
    }
    let waited = wait::of_batches(&opened, &batches)?;
    *waits = Some((opened, state, waited));
    Ok(())
}

/// Queues into the record of the state folder, whose lock is held meanwhile.
fn without_server(resolved: &Resolved, commands: Vec<Command>, told: &mut Told) -> Result<()> {
    let session = run::session(resolved, None, None, Vec::new(), run::lines(resolved, false))?;
    let default = session.engine.preset;
    let (inputs, mut heard) = mpsc::unbounded_channel();
    let host = opened_host(session.host, inputs)?;
    let mut added = Added::default();
    for (scan, command) in (1..).zip(commands) {
        let Command::Enqueue { paths, preset, options } = command else { continue };
        host.queue(ScanId(scan), &paths, preset.as_ref().unwrap_or(&default), &options);
        let mut found = 0;
        while let Ok(input) = heard.try_recv() {
            match input {
                Input::Found(_, arrived) => {
                    added.known += arrived.known;
                    found += arrived.jobs + arrived.known;
                }
                Input::ScanDone(_, refused) => {
                    let is_told = !refused.is_empty();
                    added.refused.extend(refused.iter().map(|(path, why)| Rejection::of_path(path, why)));
                    if found == 0 && !is_told {
                        let nothing = format!("no video files were found in {}", paths_text(&paths));
                        added.refused.push(Refusal::NothingFound.because(nothing));
                    }
                }
                Input::Fault { what, detail } => added.refused.push(Refusal::Other.because(format!("{what}: {detail}"))),
                _ => {}
            }
        }
        let read = |wanted: &RowsWanted| Ok(store::rows(&resolved.state_dir, wanted).map_err(|error| Usage(error.to_string()))?);
        rows::paged(read, &RowsWanted { batch: Some(scan), ..RowsWanted::default() }, |row| added.jobs.push(row.job))?;
    }
    host.close();
    let flags = resolved.origins.iter().map(|(name, ..)| name.as_str());
    let lost: Vec<String> =
        flags.filter(|name| resolved.is_flag(name) && !HEEDED.contains(name)).map(|name| format!("--{name}")).collect();
    if !lost.is_empty() {
        let (them, lost) = (if lost.len() == 1 { "it" } else { "them" }, lost.join(", "));
        crate::cli::write_stderr(&format!("plimsoll: jobs do not keep {lost}: give {them} to the plimsoll that is to run them\n"));
    }
    let nobody = format!(
        "; nobody works on {}: `plimsoll`, `plimsoll serve` or `plimsoll run` goes on with it",
        path_text(&resolved.state_dir)
    );
    added.report(told, None, &nobody)
}
