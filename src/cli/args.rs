//! The command line: what may be typed, with help texts that teach.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueHint};

use crate::config::settings::{BudgetChoice, Settings, path_parser};
use crate::domain::units::Bytes;

mod catalog;
#[cfg(feature = "fleet")]
mod fleet;
mod mistakes;
pub mod remote;

pub use catalog::{ExportTarget, PresetsAction, ProfilesAction};
#[cfg(feature = "fleet")]
pub use fleet::{
    FleetAction, FleetAddArgs, FleetArgs, FleetDemoArgs, FleetFiles, FleetJobsArgs, FleetJobsNamed, FleetPlanArgs, FleetQueue,
    WorkerArgs,
};
pub use mistakes::{blamed_variable, misspelt_variable, not_utf8};
pub use remote::{
    AddArgs, AttachArgs, JobRange, JobsArgs, JobsNamed, JobsOrAll, LogsArgs, MoveArgs, MoveWhere, ServeAction, ServeArgs,
    StatusArgs, Telling, WaitArgs,
};

/// Runs a queue of ffmpeg jobs on a small-memory box right up to the load line and never over it.
///
/// Without a command: the console, with the given files, folders and queue files (*.yaml) queued.
/// Where there is no terminal it behaves as `plimsoll run`.
#[derive(Debug, Parser)]
#[command(name = "plimsoll", version, subcommand_negates_reqs = true, max_term_width = 100)]
#[command(after_help = "\
Sizes: MB and GB mean 1024² and 1024³ bytes. Every option is also PLIMSOLL_… in the environment and a key in \
settings.yaml; a flag wins over the environment, the environment over the file. `plimsoll doctor` shows where that file \
is and which one won.

Exit status: 0 every job is done; 1 some job failed, was rejected or was cancelled; 2 wrong usage or configuration, \
nothing was run; 75 another plimsoll works on the same state folder, nothing was run; 130 ended by SIGINT, \
143 by SIGTERM.")]
pub struct Cli {
    /// What to do; without it, the console.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Video files, folders (recursively), queue files (*.yaml).
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,

    /// Open the console with the queue held: nothing starts until S releases it.
    #[arg(long)]
    pub hold: bool,

    /// Options of all commands that run jobs.
    #[command(flatten)]
    pub options: Settings,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run jobs without a screen: log lines on stderr, with --json JSON lines on stdout.
    Run(RunArgs),
    /// Make clips and show the memory behaviour with them; a console on a terminal, log lines elsewhere.
    Demo(DemoArgs),
    /// Run the same queue under each profile, one after the other, and show what was measured side by side.
    Compare(CompareArgs),
    /// Foretell how a queue would run under each profile: peak, chance of crossing the line, finish; runs nothing.
    Plan(PlanArgs),
    /// Show a past or a recorded run again, in the console on a terminal, as log lines elsewhere; runs nothing.
    Replay(ReplayArgs),
    /// Run a server without a screen that consoles attach to and commands talk to: log lines on stderr.
    Serve(ServeArgs),
    /// Open a console on a server that runs, here or on another machine over ssh. Leaving it changes nothing for the jobs.
    Attach(AttachArgs),
    /// Queue files with the server; where none runs, for the next one that does.
    Add(AddArgs),
    /// Show how the server, its memory and its queue stand.
    Status(StatusArgs),
    /// List the jobs of the queue.
    Jobs(JobsArgs),
    /// Show the log of a job.
    Logs(LogsArgs),
    /// Stop running jobs where they are; their memory stays.
    Pause(JobsOrAll),
    /// Let paused jobs go on.
    Resume(JobsOrAll),
    /// End jobs for good.
    Cancel(JobsNamed),
    /// Run jobs that have ended again.
    Retry(JobsNamed),
    /// Let jobs in that were rejected for their size.
    Allow(JobsNamed),
    /// Change the place of waiting jobs.
    Move(MoveArgs),
    /// Start no further jobs; those at work go on.
    Hold(Telling),
    /// Start jobs again.
    Release(Telling),
    /// Run what is queued, take nothing new, then end the server.
    Drain {
        /// Take it back: the server takes new jobs again, and stays.
        #[arg(long)]
        undo: bool,
        /// How it is told.
        #[command(flatten)]
        telling: Telling,
    },
    /// Run the harmless cleanups now.
    Clean(Telling),
    /// Go on under another profile.
    Profile {
        /// A name (see `plimsoll profiles`) or a file.
        #[arg(value_name = "NAME|FILE")]
        name: String,
        /// How it is told.
        #[command(flatten)]
        telling: Telling,
    },
    /// End the server: what runs is stopped and goes back into the queue.
    Stop(Telling),
    /// Wait until jobs have ended.
    Wait(WaitArgs),
    /// Carry standard input and output to the server's socket: the far end of `attach HOST`.
    #[command(hide = true)]
    Wire {
        /// Only look.
        #[arg(long)]
        view: bool,
    },
    /// Work for a fleet: claim jobs of one queue for many machines that fit here, convert them, store what comes of them.
    #[cfg(feature = "fleet")]
    Worker(WorkerArgs),
    /// One queue for many machines: set it up, fill it, look at it.
    #[cfg(feature = "fleet")]
    Fleet(FleetArgs),
    /// The trade-off profiles: how many jobs at once, how large a file, where the load line is.
    #[command(subcommand_required = false)]
    Profiles {
        /// What to do; without it, the list.
        #[command(subcommand)]
        action: Option<ProfilesAction>,
    },
    /// The presets: what ffmpeg is asked to make.
    Presets {
        /// What to do; without it, the list.
        #[command(subcommand)]
        action: Option<PresetsAction>,
    },
    /// Show ffmpeg, the memory budget and where it was read, rights, disk, terminal and settings.
    Doctor(DoctorArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print a manual page: of plimsoll, or of one of its commands.
    Man(ManArgs),
    /// A load job: allocates and frees memory along a curve. Stands in for ffmpeg where there is none.
    #[command(hide = true)]
    LoadJob(LoadJobArgs),
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Video files, folders (recursively), queue files (*.yaml); none = what an earlier run has left in the queue.
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// One JSON object a line on stdout, as the event happens.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `demo`.
#[allow(clippy::struct_excessive_bools)] // flags of a command line, each with its own meaning
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Install ffmpeg without asking, if it is missing.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Where the clips are made and kept.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, value_parser = path_parser())]
    pub clips: Option<PathBuf>,
    /// Log lines instead of the console, even on a terminal.
    #[arg(long)]
    pub headless: bool,
    /// One JSON object a line on stdout (implies --headless).
    #[arg(long)]
    pub json: bool,
    /// Use the built-in load jobs even where there is ffmpeg.
    #[arg(long)]
    pub load_jobs: bool,
    /// Be its server, and tell through this descriptor when it can be reached; given by the plimsoll that starts it.
    #[arg(long, hide = true, value_name = "N")]
    pub ready_fd: Option<i32>,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without FILE and without --past: the list of the past runs of the state folder, of which the last twenty are kept.

In the console: S or space stands still and goes on, K and J double and halve the speed, { and } go 10 s back and forward \
(they act on the playing, not on the selected job), q ends. Everything else looks, and works as ever.")]
pub struct ReplayArgs {
    /// What `plimsoll run --json` has written, or `plimsoll compare --json`.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// A past run of the state folder by its number, or `last` [default: last].
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "last", value_parser = parse_past,
          conflicts_with_all = ["file", "run"])]
    pub past: Option<PastChoice>,
    /// 1 = as it was, 10 = ten times as quick [default: 1 in the console, else at once].
    #[arg(long, value_name = "N", value_parser = parse_speed)]
    pub speed: Option<f64>,
    /// Which run of a comparison [default: the first].
    #[arg(long, value_name = "N", requires = "file")]
    pub run: Option<u64>,
    /// Log lines instead of the console, even on a terminal.
    #[arg(long)]
    pub headless: bool,
    /// The events again as JSON lines on stdout (implies --headless); of the list one JSON object a run.
    #[arg(long)]
    pub json: bool,
}

/// Which of the past runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastChoice {
    /// The latest.
    Last,
    /// The one with this number.
    Run(i64),
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Video files, folders (recursively), queue files (*.yaml); without any, the queue of the server at work on the state folder
    /// as it is now, as `w` in the console tells it (--budget and --profile vary from that), else the jobs that wait there.
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// Runs in virtual time for each way to run the queue.
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub runs: u32,
    /// The same seed gives the same forecast.
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,
    /// The forecast as one JSON object on stdout.
    #[arg(long)]
    pub json: bool,
    /// The queue of a fleet instead.
    #[cfg(feature = "fleet")]
    #[command(flatten)]
    pub fleet: FleetPlanArgs,
}

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_help = "\
Each run is fresh: a record and an output folder of its own, removed afterwards, and inputs taken out of the file cache. \
Where memory cgroups can be made each run is measured in its own. --no-governor adds the naive baseline: slots and sizes \
only, no further tries. --profile has no meaning here.

On a terminal a console shows it while it goes on; q ends it (asks), and what was measured by then is printed. The latest 20 \
comparisons are kept in the state folder: c shows them in the console.

Exit status: 0 every run went to its end, no governed job was lost and all outputs hold the same bytes (rejected files and \
what the naive baseline loses belong to the comparison); 1 otherwise, or when --json could not be written to its end; after q \
the same of the runs that were made; 2, 130 and 143 as for every command.")]
pub struct CompareArgs {
    /// Video files, folders (recursively), queue files (*.yaml); without any, the demo's clips.
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath)]
    pub paths: Vec<PathBuf>,
    /// The profiles: names or files.
    #[arg(long, value_name = "A,B,C", value_delimiter = ',', default_value = "fast,balanced,safe")]
    pub profiles: Vec<String>,
    /// Runs of the queue under each profile; more than one gives median and spread.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Lines instead of the console, even on a terminal.
    #[arg(long)]
    pub headless: bool,
    /// One JSON object a line on stdout: the events of all runs, each with its run, and the comparison at the end (implies
    /// --headless).
    #[arg(long)]
    pub json: bool,
    /// Write report.md, report.json and memory.svg there.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, value_parser = path_parser())]
    pub report: Option<PathBuf>,
    /// Put each run in a memory cgroup with this limit, so that running out of memory is real.
    #[arg(long, value_name = "SIZE", value_parser = parse_limit)]
    pub limit: Option<Bytes>,
    /// Where the demo's clips are made and kept.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, value_parser = path_parser())]
    pub clips: Option<PathBuf>,
    /// End the comparison that a console has begun beside its queue (`V`); what was measured before is kept.
    #[arg(long, conflicts_with_all = ["paths", "headless", "json", "report", "limit", "clips"])]
    pub stop: bool,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Provide ffmpeg: by the system's package manager, else by download. Asks first.
    #[arg(long)]
    pub fix: bool,
    /// Do not ask.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// The findings as JSON on stdout.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The command, such as `run` or `profiles show`; none = plimsoll itself.
    #[arg(value_name = "COMMAND")]
    pub command: Vec<String>,
    /// Write the pages of all commands to this folder, as plimsoll.1, plimsoll-run.1, … (for `man plimsoll-run`).
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, value_parser = path_parser(), conflicts_with = "command")]
    pub all: Option<PathBuf>,
}

/// Arguments of the hidden load job.
#[derive(Debug, Args)]
pub struct LoadJobArgs {
    /// Points of the memory curve: SECONDS:MB,…
    #[arg(long, required_unless_present = "steered", default_value = "")]
    pub curve: String,
    /// Hold as many MB as the last line on stdin says, until it ends.
    #[arg(long, conflicts_with_all = ["curve", "seconds", "part", "progress_fd"])]
    pub steered: bool,
    /// How long it runs.
    #[arg(long)]
    pub seconds: Option<f64>,
    /// The part file to write.
    #[arg(long)]
    pub part: Option<PathBuf>,
    /// The descriptor to report progress on.
    #[arg(long)]
    pub progress_fd: Option<i32>,
}

fn parse_speed(text: &str) -> Result<f64, String> {
    let speed = text.trim_end_matches('x').parse().ok().filter(|speed| (0.01..=1000.0).contains(speed));
    speed.ok_or_else(|| "give a number from 0.01 to 1000".to_owned())
}

fn parse_past(text: &str) -> Result<PastChoice, String> {
    match text.parse() {
        _ if text == "last" => Ok(PastChoice::Last),
        Ok(run) if run > 0 => Ok(PastChoice::Run(run)),
        _ => Err("give the number of a run, or last; `plimsoll replay` lists them".to_owned()),
    }
}

fn parse_limit(text: &str) -> Result<Bytes, String> {
    match text.parse() {
        Ok(BudgetChoice::Size(bytes)) => Ok(bytes),
        Ok(BudgetChoice::Auto) => Err("give a size such as 512MB".to_owned()),
        Err(problem) => Err(format!("{problem}; give a size of 32MB or more, such as 1.5GB")),
    }
}

/// The command line as it is read: a variable that is set to nothing says nothing.
pub fn command() -> clap::Command {
    Cli::command().mut_args(|arg| {
        let is_empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        if is_empty { arg.env(None::<&'static str>) } else { arg }
    })
}

/// Commands that ask a server for something, and run no jobs themselves.
const ASKING: [&str; 16] = [
    "status", "jobs", "logs", "pause", "resume", "cancel", "retry", "allow", "move", "hold", "release", "drain", "clean",
    "profile", "stop", "wait",
];

/// The options of all commands that a command heeds which runs no jobs itself.
fn heeded(command: &str) -> &'static [&'static str] {
    match command {
        "wait" => &["state_dir", "timeout"],
        "add" => &["preset", "out", "flat", "overwrite", "state_dir"],
        "attach" => &["state_dir", "color", "theme", "ascii", "plain"],
        _ => &["state_dir"],
    }
}

/// The same for help texts: commands that ask a server show only those options of all commands that they heed.
pub fn for_help(program: clap::Command) -> clap::Command {
    let options: Vec<clap::Arg> = program.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    ASKING.into_iter().chain(["add", "attach"]).fold(program, |program, name| {
        program.mut_subcommand(name, |command| {
            options.iter().fold(command, |command, option| {
                let is_heeded = heeded(name).contains(&option.get_id().as_str());
                let shown = option.clone().help_heading(None::<&'static str>).hide(!is_heeded);
                // The same option with another meaning: here it is no limit of a job, and only the command line says it.
                command.arg(if name == "wait" && option.get_id() == "timeout" {
                    shown.help("Wait this long at most, e.g. 30m").hide_env(true)
                } else {
                    shown
                })
            })
        })
    })
}

/// Whoever typed this line asks for help.
pub fn asks_for_help(line: &[OsString]) -> bool {
    line.get(1).is_some_and(|first| first == "help") || line.iter().any(|word| word == "--help" || word == "-h")
}

/// The same without the environment: for commands that need no options and must work whatever stands there.
pub fn command_alone() -> clap::Command {
    Cli::command().mut_args(|arg| arg.env(None::<&'static str>))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Retries;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_a_command_that_runs_no_jobs_is_about_what_it_does() {
        let program = for_help(Cli::command());
        program.clone().debug_assert();
        for name in ASKING {
            let error = program.clone().try_get_matches_from(["plimsoll", name, "--help"]).expect_err("help");
            let help = error.to_string();
            assert!(help.contains("--state-dir") && !help.contains("--preset"), "{name}:\n{help}");
            assert!(!help.contains("commands that run jobs"), "{name}:\n{help}");
            assert_eq!(help.contains("--timeout"), name == "wait", "{name}:\n{help}");
            assert!(!help.contains("PLIMSOLL_TIMEOUT") && !help.contains("A job may run"), "{name}:\n{help}");
            let is_hidden = program.clone().try_get_matches_from(["plimsoll", "status", "--preset", "remux"]);
            assert!(is_hidden.is_ok(), "what is not shown is taken as before");
        }
        let help = |name| program.clone().try_get_matches_from(["plimsoll", name, "--help"]).expect_err("help").to_string();
        let (add, attach) = (help("add"), help("attach"));
        assert!(add.contains("--preset") && !add.contains("--budget") && !add.contains("--theme"), "{add}");
        assert!(attach.contains("--theme") && !attach.contains("--preset") && !attach.contains("--budget"), "{attach}");
    }

    #[test]
    fn the_paragraphs_of_the_help_are_wrapped_by_nobody_before_they_are_shown() {
        fn check(command: &clap::Command) {
            let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for paragraph in text.split("\n\n") {
                assert!(!paragraph.contains('\n'), "{}: {paragraph:?}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }

    #[test]
    fn options_are_taken_before_and_after_a_command() {
        for line in [["plimsoll", "-p", "fast", "run", "a.mp4"], ["plimsoll", "run", "a.mp4", "-p", "fast"]] {
            let cli = Cli::try_parse_from(line).expect("parses");
            assert_eq!(cli.options.profile.as_deref(), Some("fast"), "{line:?}");
        }
    }

    #[test]
    fn a_replay_is_of_a_file_or_of_a_past_run_or_lists_them() {
        let past = |line: &[&str]| match Cli::try_parse_from([&["plimsoll", "replay"], line].concat()).map(|cli| cli.command) {
            Ok(Some(Command::Replay(args))) => Ok((args.file, args.past)),
            Ok(_) => panic!("another command"),
            Err(error) => Err(error.to_string()),
        };
        assert_eq!(past(&[]), Ok((None, None)));
        assert_eq!(past(&["--past"]), Ok((None, Some(PastChoice::Last))));
        assert_eq!(past(&["--past", "last"]), Ok((None, Some(PastChoice::Last))));
        assert_eq!(past(&["--past", "--json"]), Ok((None, Some(PastChoice::Last))));
        assert_eq!(past(&["--past=7"]), Ok((None, Some(PastChoice::Run(7)))));
        assert_eq!(past(&["a.jsonl"]), Ok((Some("a.jsonl".into()), None)));
        for wrong in
            [&["--past", "a.jsonl"][..], &["--past", "0"], &["a.jsonl", "--past"], &["--past", "--run", "1"], &["--run", "1"]]
        {
            assert!(past(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_setting_is_read_by_its_kind_and_a_switch_may_say_no() {
        let read = |line: &[&str]| Cli::try_parse_from([&["plimsoll"], line].concat()).map(|cli| cli.options);
        let said = read(&["--retries", "100", "--flat", "--ascii=no", "--budget", "600MB", "a.mp4"]).expect("parses");
        assert_eq!((said.retries, said.flat, said.ascii, said.plain), (Some(Retries(100)), Some(true), Some(false), None));
        assert_eq!(said.budget, Some(BudgetChoice::Size(Bytes::mib(600))));
        for (wrong, told) in [
            ("--retries=-1", "0 to 100"),
            ("--retries=101", "0 to 100"),
            ("--flat=maybe", "give yes or no"),
            ("--budget=0", "too little"),
            ("--budget=lots", "not a size"),
            ("--theme=drak", "'dark'"),
            ("--out=~/films", "the ~ of a shell is not known here; give the path in full"),
            ("--state-dir=~", "the ~ of a shell"),
            ("--preset=~/mine.yaml", "the ~ of a shell"),
        ] {
            let error = read(&[wrong]).expect_err(wrong).to_string();
            assert!(error.contains(told), "{wrong}: {error}");
        }
        assert_eq!(read(&["--out=./~/films"]).expect("parses").out, Some("./~/films".into()), "a name like any other");
    }
}
