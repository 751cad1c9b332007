//! `plimsoll fleet` and `plimsoll worker`: one queue for many machines.

mod add;
mod change;
mod check;
mod console;
mod demo;
mod gc;
mod look;
mod needs;
pub mod plan;
pub mod worker;

use color_eyre::eyre::Result;

use crate::cli::args::{FleetAction, FleetArgs, FleetFiles, FleetQueue};
use crate::cli::commands::remote::NO_SERVER;
use crate::cli::options::Resolved;
use crate::cli::session::{Waits, event_loop, has_terminal};
use crate::cli::{Unavailable, Usage, write_out};
use crate::host::fleet::db::{Database, QueueError};
use crate::host::fleet::files::Files;
use crate::host::fleet::schema;

/// `plimsoll fleet`.
pub fn run(resolved: &Resolved, args: &FleetArgs) -> Result<u8> {
    let queue = || open_queue(&args.queue);
    let Some(action) = &args.action else {
        // On a terminal there is more to see, and something to do.
        return if has_terminal() && !resolved.settings.plain {
            console::run(resolved, queue()?)
        } else {
            block_on(look::status(queue()?, false))
        };
    };
    match action {
        FleetAction::Init { lease } => {
            let files = args.files.files.as_ref().map(|_| open_files(&args.files)).transpose()?;
            block_on(init(resolved, queue()?, files, *lease))
        }
        FleetAction::Demo(demo) => demo::run(resolved, demo),
        FleetAction::Check { json } => block_on(check::check(queue()?, open_files(&args.files)?, *json)),
        FleetAction::Add(add) => {
            let (db, files) = (queue()?, open_files(&args.files)?);
            block_on(add::add(resolved, db, files, add))
        }
        FleetAction::Status { json } => block_on(look::status(queue()?, *json)),
        FleetAction::Jobs(jobs) => block_on(look::jobs(queue()?, jobs)),
        FleetAction::Logs { job, json } => block_on(look::logs(queue()?, *job, *json)),
        FleetAction::Cancel(named) => block_on(change::jobs(queue()?, named, change::Verb::Cancel)),
        FleetAction::Retry(named) => block_on(change::jobs(queue()?, named, change::Verb::Retry)),
        FleetAction::Drain { worker, undo, json } => block_on(change::drain(queue()?, worker, *undo, *json)),
        FleetAction::Gc { older_than, dry_run, json } => {
            block_on(gc::gc(queue()?, open_files(&args.files)?, *older_than, *dry_run, *json))
        }
    }
}

/// Makes or updates the tables, and tells what came of it.
async fn init(resolved: &Resolved, db: Database, files: Option<Files>, lease: std::time::Duration) -> Result<u8> {
    let (_, presets) = resolved.load_presets()?;
    if let Some(files) = &files {
        files.make().await.map_err(|error| Usage(error.to_string()))?;
    }
    let made = schema::init(&db, lease, &presets).await.map_err(told)?;
    let what = match made.from {
        0 => "a fleet was made",
        from if from == made.to => "the fleet was there already; its presets and its lease are as said now",
        _ => "the fleet's tables were brought to this version",
    };
    let where_files = files.map(|files| format!("; its files are in {}", files.address())).unwrap_or_default();
    let (tables, presets, lease) = (made.to, presets.len(), lease.as_secs_f64());
    write_out(format!("{what} in {} (tables {tables}, {presets} presets, lease {lease} s){where_files}\n", db.address()).as_bytes())
}

/// The queue that was named.
fn open_queue(queue: &FleetQueue) -> Result<Database> {
    let missing =
        "there is no queue to work with; name its database with --queue postgres://USER@HOST/DATABASE, or in PLIMSOLL_QUEUE";
    let address = queue.queue.as_deref().ok_or_else(|| Usage(missing.to_owned()))?;
    warn_of_passwords(address);
    Database::new(address).map_err(told)
}

/// The files that were named.
fn open_files(files: &FleetFiles) -> Result<Files> {
    let missing =
        "there is no place for the files; name it with --files s3://BUCKET/PREFIX or a shared folder, or in PLIMSOLL_FILES";
    let address = files.files.as_deref().ok_or_else(|| Usage(missing.to_owned()))?;
    Ok(Files::open(address).map_err(|error| Usage(error.to_string()))?)
}

/// A password on the command line can be read by everybody on this machine.
fn warn_of_passwords(address: &str) {
    let has_password =
        address.split_once("://").and_then(|(_, rest)| rest.split_once('@')).is_some_and(|(user, _)| user.contains(':'));
    if has_password && std::env::args().any(|word| word.contains(address)) {
        crate::cli::write_stderr(
            "plimsoll: the password on the command line can be seen by all users of this machine (ps); give the address in PLIMSOLL_QUEUE\n",
        );
    }
}

/// What the queue says, with the exit status that belongs to it.
fn told(error: QueueError) -> color_eyre::Report {
    match error {
        away @ QueueError::Away { .. } => Unavailable { status: NO_SERVER, why: away.to_string() }.into(),
        QueueError::Refused(why) => Usage(why).into(),
    }
}

/// Runs something of the network on this thread.
fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = event_loop(Waits::Signals)?;
    runtime.block_on(work)
}

/// One JSON object as a line on stdout.
fn write_json(value: &impl serde::Serialize) -> Result<u8> {
    let mut text = serde_json::to_string(value)?;
    text.push('\n');
    write_out(text.as_bytes())
}
