//! Arguments of the commands that start a server or talk to one.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};

use crate::domain::time::parse_duration;

/// Arguments of `serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 ended by `stop`, `drain` or --exit-when-idle; 2 wrong usage, nothing was run; 75 another plimsoll works on the \
same state folder; 130 and 143 ended by SIGINT and SIGTERM, after a clean stop that lost nothing.")]
pub struct ServeArgs {
    /// Go into the background once the server can be reached, or say why it cannot.
    #[arg(long)]
    pub daemon: bool,
    /// End once nobody is attached, nothing is left to do, and this long has gone, e.g. 10m.
    #[arg(long, value_name = "DUR", value_parser = parse_span)]
    pub exit_when_idle: Option<Duration>,
    /// Tell metrics in OpenMetrics format over HTTP, at /metrics. ADDR is an address with its port, or a port of this machine alone.
    #[arg(long, global = true, value_name = "ADDR", value_parser = parse_listen)]
    pub metrics: Option<SocketAddr>,
    /// Queue what comes into this folder, and what is there already, once it is whole; with a preset of its own where one is
    /// named. May be given several times; `watch` in the settings can say more of each.
    #[arg(long, global = true, value_name = "DIR[=PRESET]", value_hint = ValueHint::DirPath, value_parser = clap::builder::ValueParser::os_string())]
    pub watch: Vec<OsString>,
    /// Start with the queue held: nothing runs before `plimsoll release`.
    #[arg(long)]
    pub hold: bool,
    /// Tell through this descriptor when the server can be reached; given by the plimsoll that starts it.
    #[arg(long, hide = true, value_name = "N")]
    pub ready_fd: Option<i32>,
    /// Something else than to serve.
    #[command(subcommand)]
    pub action: Option<ServeAction>,
}

/// What `serve` does instead of serving.
#[derive(Debug, Subcommand)]
pub enum ServeAction {
    /// Print a systemd unit that runs this server on this machine, with the options given here; runs nothing.
    Unit {
        /// A service of your own, which starts with your login, not one of the system.
        #[arg(long)]
        user: bool,
    },
}

/// Arguments of `attach`.
#[derive(Debug, Args)]
#[command(after_help = "\
Over ssh plimsoll has to be installed on both machines; whatever ssh asks for is asked before the console opens.

Exit status: 0 the console was left; 69 no server there; 76 the two versions do not understand each other; 77 it belongs to \
another user.")]
pub struct AttachArgs {
    /// The machine to attach to over ssh; none = the server of the state folder here.
    #[arg(value_name = "[USER@]HOST", value_parser = parse_host)]
    pub host: Option<String>,
    /// Only look: nothing can be asked for.
    #[arg(long)]
    pub view: bool,
    /// How plimsoll is called on the other machine.
    #[arg(long, value_name = "PROGRAM", default_value = "plimsoll", requires = "host")]
    pub remote_command: String,
}

/// Arguments of `add`.
#[derive(Debug, Args)]
#[command(after_help = "\
--preset, --out, --flat and --overwrite are facts of the jobs that are added; without them the server's own hold.

Exit status: 0 everything is queued; 1 something could not be taken, or with --wait some job did not end well; 2 wrong usage.")]
pub struct AddArgs {
    /// Video files, folders (recursively), queue files (*.yaml).
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath, required = true)]
    pub paths: Vec<PathBuf>,
    /// Before all that waits.
    #[arg(long)]
    pub front: bool,
    /// Come back when all that was added has ended.
    #[arg(long)]
    pub wait: bool,
    /// One JSON object on stdout: the batch, its jobs, how many were queued already, and what was refused.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// One JSON object on stdout.
    #[arg(long)]
    pub json: bool,
    /// One page of HTML on stdout, complete in itself: gauge, chart, warnings and queue, to be published or mailed.
    #[arg(long, conflicts_with = "json")]
    pub html: bool,
}

/// Arguments of `jobs`.
#[derive(Debug, Args)]
pub struct JobsArgs {
    /// One JSON object a line on stdout.
    #[arg(long)]
    pub json: bool,
    /// Only jobs in this state.
    #[arg(long, value_name = "STATE", value_parser = clap::builder::PossibleValuesParser::new(JOB_STATES))]
    pub state: Option<String>,
}

/// Word for the jobs that are done though something of their input could not be decoded.
pub const DAMAGED: &str = "damaged";

/// States of jobs, as `jobs` and `status` name them, and [`DAMAGED`].
pub const JOB_STATES: [&str; 12] = [
    "queued",
    "running",
    "paused",
    "done",
    DAMAGED,
    "already_done",
    "failed",
    "out_of_memory",
    "timed_out",
    "stalled",
    "rejected",
    "cancelled",
];

/// States that `status` counts.
pub const COUNTED_STATES: [&str; 9] =
    ["queued", "running", "paused", "done", "already_done", "failed", "out_of_memory", "rejected", "cancelled"];

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// The job's number.
    #[arg(value_name = "JOB", value_parser = parse_job)]
    pub job: u64,
    /// Go on with what comes, until the job has ended.
    #[arg(long, short = 'f')]
    pub follow: bool,
    /// Only the last N lines.
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
}

/// Some jobs.
#[derive(Debug, Args)]
pub struct JobsNamed {
    /// Numbers of jobs, and ranges of them such as 3-7.
    #[arg(value_name = "JOB", required = true, value_parser = parse_jobs)]
    pub jobs: Vec<JobRange>,
    /// How it is told.
    #[command(flatten)]
    pub telling: Telling,
}

/// How what was done is told.
#[derive(Debug, Args)]
pub struct Telling {
    /// One JSON object on stdout: what was done with which jobs, what was refused and why.
    #[arg(long)]
    pub json: bool,
}

/// Some jobs, or all of them.
#[derive(Debug, Args)]
pub struct JobsOrAll {
    /// Numbers of jobs, and ranges of them such as 3-7; none = all that it can be done with.
    #[arg(value_name = "JOB", value_parser = parse_jobs)]
    pub jobs: Vec<JobRange>,
    /// How it is told.
    #[command(flatten)]
    pub telling: Telling,
}

/// A number of a job, or a range of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRange(pub std::ops::RangeInclusive<u64>);

/// Arguments of `move`.
#[derive(Debug, Args)]
pub struct MoveArgs {
    /// Numbers of jobs, and ranges of them such as 3-7.
    #[arg(value_name = "JOB", required = true, value_parser = parse_jobs)]
    pub jobs: Vec<JobRange>,
    /// Where to.
    #[command(flatten)]
    pub to: MoveWhere,
    /// How it is told.
    #[command(flatten)]
    pub telling: Telling,
}

/// Where to move jobs.
#[allow(clippy::struct_excessive_bools)] // one of the four is given
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct MoveWhere {
    /// To the front of the queue.
    #[arg(long)]
    pub first: bool,
    /// To its end.
    #[arg(long)]
    pub last: bool,
    /// One place up.
    #[arg(long)]
    pub sooner: bool,
    /// One place down.
    #[arg(long)]
    pub later: bool,
}

/// Arguments of `wait`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 all of them are done; 1 some are not, or the server ended before; 69 no server; 124 the time is up.")]
pub struct WaitArgs {
    /// Numbers of jobs, and ranges of them such as 3-7; none = until nothing is left to do.
    #[arg(value_name = "JOB", value_parser = parse_jobs, conflicts_with_all = ["batches", "idle"])]
    pub jobs: Vec<JobRange>,
    /// All jobs of this batch, or of several with commas between, as `add --json` tells them.
    #[arg(long = "batch", value_name = "N", value_delimiter = ',', value_parser = parse_batch, conflicts_with = "idle")]
    pub batches: Vec<u64>,
    /// Until nothing is left to do.
    #[arg(long)]
    pub idle: bool,
}

pub(super) fn parse_span(text: &str) -> Result<Duration, String> {
    parse_duration(text)
}

/// An address with its port. A port alone is one of this machine, that others cannot reach.
fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let here = |port: &str| Some(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse::<u16>().ok()?)));
    let address = text.parse().ok().or_else(|| here(text.strip_prefix("localhost:").unwrap_or(text)));
    address
        .ok_or_else(|| "give a port, such as 9464, or an IP address with its port, such as 127.0.0.1:9464 or [::1]:9464".to_owned())
}

/// What ssh would take for an option is no host.
fn parse_host(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('-') {
        return Err("give a host as ssh takes it, such as anna@box".to_owned());
    }
    Ok(text.to_owned())
}

fn parse_job(text: &str) -> Result<u64, String> {
    let number = text.trim_start_matches('#').parse().ok().filter(|job| *job > 0);
    number.ok_or_else(|| "give the number of a job; `plimsoll jobs` lists them".to_owned())
}

fn parse_batch(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "give the number of a batch, or several with commas between; `plimsoll add --json` tells them".to_owned())
}

/// Jobs that one range may name.
const MOST_JOBS: u64 = 100_000;

fn parse_jobs(text: &str) -> Result<JobRange, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (parse_job(first)?, parse_job(last)?);
    if last < first {
        return Err(format!("{first} to {last} is no range of jobs; the lower number comes first"));
    }
    if last - first >= MOST_JOBS {
        return Err(format!("{first} to {last} are too many jobs for one range, {MOST_JOBS} at most; give several ranges"));
    }
    Ok(JobRange(first..=last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_that_cannot_be_taken_is_told_why() {
        assert_eq!(parse_jobs("3-7"), Ok(JobRange(3..=7)));
        assert_eq!(parse_jobs("1-100000"), Ok(JobRange(1..=100_000)));
        let why = |text: &str| parse_jobs(text).expect_err(text);
        assert!(why("7-3").contains("the lower number comes first"));
        assert!(why("1-100001").contains("100000 at most"));
    }
}
