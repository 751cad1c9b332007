//! `plimsoll add`: queues with the server.

use color_eyre::eyre::Result;
use serde_json::json;

use super::{ask_and_hear, open, rows, snapshot, wait};
use crate::cli::args::AddArgs;
use crate::cli::commands::run;
use crate::cli::options::Resolved;
use crate::cli::write_out;
use crate::domain::command::Queued;
use crate::domain::event::EventKind;
use crate::domain::stored::RowsWanted;
use crate::domain::text::many;
use crate::runtime::link::Update;

/// `plimsoll add`.
pub fn add(resolved: &Resolved, args: &AddArgs) -> Result<u8> {
    let commands = run::with_wishes(run::commands(&args.paths, resolved)?, resolved, args.front)?;
    let mut opened = open(resolved, true)?;
    let mut state = snapshot(&mut opened.link)?;
    let mut queued = Vec::new();
    let mut refused = 0;
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
            Err(why) if told.contains(&why.0) => {}
            Err(why) => told.push(why.0),
        }
        refused += told.len();
        for why in told {
            crate::cli::tell(&format!("plimsoll: {why}\n"));
        }
    }
    let mut jobs = Vec::new();
    for Queued { batch, .. } in &queued {
        rows::each(&opened.ask, &RowsWanted { batch: Some(*batch), ..RowsWanted::default() }, |row| jobs.push(row.job))?;
    }
    let known: u64 = queued.iter().map(|queued| queued.known).sum();
    if args.json {
        let batch = queued.first().map(|queued| queued.batch);
        write_out(format!("{}\n", json!({ "batch": batch, "jobs": jobs, "known": known })).as_bytes())?;
    } else {
        let known = if known > 0 { format!(", {known} waited already") } else { String::new() };
        write_out(format!("{} queued{known}\n", many(jobs.len() as u64, "job")).as_bytes())?;
    }
    let mut status = u8::from(refused > 0);
    if args.wait && !queued.is_empty() {
        let mut waited = wait::Waited::default();
        for Queued { batch, jobs, .. } in &queued {
            if *jobs > 0 {
                waited.extend(wait::of_batch(&opened, *batch)?);
            }
        }
        status = status.max(wait::until(opened.link, *state, Some(waited), None)?);
    }
    Ok(status)
}
