//! `fleet cancel`, `fleet retry`, `fleet drain`.

use color_eyre::eyre::Result;
use serde_json::json;

use super::{told, write_json};
use crate::cli::args::FleetJobsNamed;
use crate::cli::commands::remote::told::error_json;
use crate::cli::write_out;
use crate::domain::text::many;
use crate::host::fleet::db::Database;
use crate::host::fleet::queue::{self, Asked};

/// What is asked for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Its end.
    Cancel,
    /// Another run.
    Retry,
}

/// Asks it for each of these jobs, and tells a line each.
pub async fn jobs(db: Database, named: &FleetJobsNamed, verb: Verb) -> Result<u8> {
    let (mut done, mut refused) = (Vec::new(), Vec::new());
    let mut away = None;
    for job in &named.jobs {
        let asked = match verb {
            Verb::Cancel => queue::cancel(&db, *job).await,
            Verb::Retry => queue::retry(&db, *job).await,
        };
        let asked = match asked {
            Ok(asked) => asked,
            // What is done already is told all the same.
            Err(error) => {
                away = Some(told(error));
                break;
            }
        };
        let words = match (asked, verb) {
            (Asked::Done, Verb::Cancel) => "is cancelled",
            (Asked::Told, _) => "is being cancelled: its worker is told",
            (Asked::Done, Verb::Retry) => "waits again",
            (Asked::Not, Verb::Cancel) => "is not there, or has ended already",
            (Asked::Not, Verb::Retry) => "is not there, or has not ended in vain",
        };
        let is_done = asked != Asked::Not;
        if is_done {
            done.push(*job);
        } else {
            refused.push(*job);
        }
        if !named.json {
            let line = format!("job {job} {words}\n");
            if is_done {
                write_out(line.as_bytes())?;
            } else {
                crate::cli::write_stderr(&format!("plimsoll: {line}"));
            }
        }
    }
    if named.json {
        let left = &named.jobs[done.len() + refused.len()..];
        write_json(&json!({ "done": done, "refused": refused, "left": left, "error": away.as_ref().map(error_json) }))?;
    }
    away.map_or_else(|| Ok(u8::from(!refused.is_empty())), Err)
}

/// Lets workers take nothing more, or again.
pub async fn drain(db: Database, worker: &str, undo: bool, as_json: bool) -> Result<u8> {
    let workers = queue::drain(&db, worker, !undo).await.map_err(told)?;
    if as_json {
        write_json(&json!({ "workers": workers }))?;
    } else if workers == 0 {
        crate::cli::write_stderr(&format!("plimsoll: no worker is called {worker}; `plimsoll fleet status` shows them\n"));
    } else {
        let what = if undo { "may take jobs again" } else { "will take nothing more" };
        write_out(format!("{} {what}\n", many(workers, "worker")).as_bytes())?;
    }
    Ok(u8::from(workers == 0))
}
