//! Arguments of `worker` and `fleet`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueHint};

use super::remote::parse_span;
use crate::domain::fleet_plan::Addition;
use crate::domain::units::Bytes;

/// Where the queue of a fleet is.
#[derive(Debug, Clone, Args)]
pub struct FleetQueue {
    /// The PostgreSQL database that holds the queue, such as `postgres://USER@HOST/DATABASE`. A password belongs into the
    /// variable, where nobody sees it in the list of processes.
    #[arg(long, global = true, value_name = "ADDRESS", env = "PLIMSOLL_QUEUE", hide_env_values = true)]
    pub queue: Option<String>,
}

/// Where the files of a fleet are.
#[derive(Debug, Clone, Args)]
pub struct FleetFiles {
    /// Where inputs and outputs are: `s3://BUCKET/PREFIX`, `gs://…`, `az://…`, or a folder that all boxes share. Credentials are taken
    /// from the environment (`AWS_ACCESS_KEY_ID`, …).
    #[arg(long, global = true, value_name = "ADDRESS", env = "PLIMSOLL_FILES")]
    pub files: Option<String>,
}

/// Arguments of `worker`.
#[derive(Debug, Args)]
#[command(after_help = "\
SIGTERM or SIGINT lets it take nothing more and end when its jobs are done; a second one ends it at once, and its jobs wait \
again. `plimsoll attach` opens its console, as of every server.

Exit status: 0 drained; 2 wrong usage (nothing was run), or the queue refuses it; 75 another plimsoll works on the same \
state folder.")]
pub struct WorkerArgs {
    /// The queue.
    #[command(flatten)]
    pub queue: FleetQueue,
    /// The files.
    #[command(flatten)]
    pub files: FleetFiles,
    /// Look at the queue every 15 s instead of being woken by it: for poolers that cannot LISTEN.
    #[arg(long)]
    pub no_listen: bool,
    /// Refuse to work beside workers with another ffmpeg, whose outputs may differ. Without this it is only told.
    #[arg(long)]
    pub same_ffmpeg: bool,
    /// One JSON object a line on stdout, as the event happens.
    #[arg(long)]
    pub json: bool,
}

/// What `plan` needs to know of a fleet.
#[derive(Debug, Args)]
pub struct FleetPlanArgs {
    /// The queue of a fleet: when it would be done with the boxes that work on it now, and with those of --add.
    #[arg(long, conflicts_with = "paths")]
    pub fleet: bool,
    /// So many boxes more, each with so much memory, under the profile of --profile; several times: each, and all together.
    #[arg(long, value_name = "NxSIZE", requires = "fleet", value_parser = parse_addition)]
    pub add: Vec<Addition>,
    /// The queue.
    #[command(flatten)]
    pub queue: FleetQueue,
}

/// Most boxes of one size that a plan adds, and the least memory of one.
const MOST_ADDED: u32 = 1000;
const LEAST_ADDED: Bytes = Bytes::mib(64);

fn parse_addition(text: &str) -> Result<Addition, String> {
    let wrong = || format!("`{text}` is not a number of boxes with their memory; write it as 2x1GB");
    let (boxes, budget) = text.split_once(['x', 'X']).ok_or_else(wrong)?;
    let boxes: u32 = boxes.trim().parse().map_err(|_| wrong())?;
    let budget: Bytes = budget.parse().map_err(|error| format!("{}: {error}", wrong()))?;
    if !(1..=MOST_ADDED).contains(&boxes) {
        return Err(format!("{boxes} boxes cannot be added; 1 to {MOST_ADDED} can"));
    }
    if budget < LEAST_ADDED {
        return Err(format!("a box with {budget} takes no job; it needs {LEAST_ADDED} at least"));
    }
    Ok(Addition { boxes, budget })
}

/// Arguments of `fleet`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 done; 1 something could not be done; 2 wrong usage; 69 the queue cannot be reached.")]
pub struct FleetArgs {
    /// The queue.
    #[command(flatten)]
    pub queue: FleetQueue,
    /// The files.
    #[command(flatten)]
    pub files: FleetFiles,
    /// What to do; without it the fleet console on a terminal, else how the fleet stands.
    #[command(subcommand)]
    pub action: Option<FleetAction>,
}

/// What `fleet` does.
#[derive(Debug, Subcommand)]
pub enum FleetAction {
    /// Make the tables of the queue in the database, or bring them to this version, and say what presets mean from now on. A shared
    /// folder that is named is made if it is missing, and marked as the fleet's.
    Init {
        /// A worker that says nothing for so long is given up.
        #[arg(long, value_name = "DUR", default_value = "60s", value_parser = parse_span)]
        lease: Duration,
    },
    /// Check the database, its clock, the store and the workers.
    Check {
        /// The findings as JSON on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Show it: a private database and store, two workers, twenty clips, and a worker that is killed on the way.
    Demo(FleetDemoArgs),
    /// Queue files: paths here are stored first, keys and addresses of the store are taken as they are.
    Add(FleetAddArgs),
    /// Show how the fleet stands: its workers and its queue.
    Status {
        /// One JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
    /// List the jobs of the queue.
    Jobs(FleetJobsArgs),
    /// Show what happened to a job, and the end of its log.
    Logs {
        /// The job's number.
        #[arg(value_name = "JOB")]
        job: i64,
        /// One JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
    /// End jobs for good.
    Cancel(FleetJobsNamed),
    /// Run jobs that have ended again, on any box.
    Retry(FleetJobsNamed),
    /// Let a worker take nothing more; what it does it finishes.
    Drain {
        /// Its box, its machine, or the beginning of its number, as `plimsoll fleet status` shows them.
        #[arg(value_name = "WORKER")]
        worker: String,
        /// Let it take jobs again.
        #[arg(long)]
        undo: bool,
        /// One JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
    /// Remove what nobody records: outputs of workers that were given up, uploads that were never queued (after a day),
    /// half uploads.
    Gc {
        /// Only what is older than this.
        #[arg(long, value_name = "DUR", default_value = "24h", value_parser = parse_span)]
        older_than: Duration,
        /// Only tell what would be removed.
        #[arg(long)]
        dry_run: bool,
        /// One JSON object on stdout.
        #[arg(long)]
        json: bool,
    },
}

/// Arguments of `fleet add`.
#[derive(Debug, Args)]
pub struct FleetAddArgs {
    /// Files and folders here, or keys below the store, or `s3://BUCKET/KEY`.
    #[arg(value_name = "PATH|KEY", required = true, value_hint = ValueHint::AnyPath)]
    pub inputs: Vec<PathBuf>,
    /// The key that the output is to have; for one input.
    #[arg(long, value_name = "KEY")]
    pub target: Option<String>,
    /// One JSON object on stdout: the jobs.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `fleet demo`.
#[derive(Debug, Args)]
pub struct FleetDemoArgs {
    /// Install ffmpeg and PostgreSQL without asking, if they are missing.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// So many clips.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub clips: u32,
    /// Lines instead of the console, even on a terminal.
    #[arg(long)]
    pub headless: bool,
}

/// Arguments of `fleet jobs`.
#[derive(Debug, Args)]
pub struct FleetJobsArgs {
    /// Only jobs in this state.
    #[arg(long, value_name = "STATE", value_parser = PossibleValuesParser::new(STATES))]
    pub state: Option<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    pub limit: i64,
    /// One JSON object a line on stdout.
    #[arg(long)]
    pub json: bool,
}

/// States of a fleet's jobs.
const STATES: [&str; 7] = ["queued", "running", "done", "failed", "out_of_memory", "rejected", "cancelled"];

/// Some jobs of a fleet.
#[derive(Debug, Args)]
pub struct FleetJobsNamed {
    /// Their numbers.
    #[arg(value_name = "JOB", required = true)]
    pub jobs: Vec<i64>,
    /// One JSON object on stdout.
    #[arg(long)]
    pub json: bool,
}
