//! The command line: what was asked for, turned into calls of the other floors and into text, and the exit status.
#![allow(clippy::disallowed_methods)] // leases, the ages of files and the moments of a beginning are read where they are needed

pub mod args;
pub mod commands;
#[cfg(feature = "fleet")]
pub mod fleet;
mod meant;
pub mod options;
pub mod planning;
pub mod session;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufReader, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::FromArgMatches as _;
use clap::error::ErrorKind;
use color_eyre::eyre::{Context as _, Result};

use crate::config::search::{self, Kind, SearchPaths};
use crate::config::settings::{self, Settings};
use crate::config::yaml::ConfigError;
use crate::domain::memory::{Asked, Budget};
use crate::domain::preset::Preset;
use crate::domain::profile::Profile;
use crate::host::demo::load_job::{self, LoadSpec};
use crate::host::doctor::{BudgetReport, Check, GroupReport, Setting, TerminalReport};
use crate::host::media::ffmpeg::Search;
use crate::host::memory::budget::survey;
use crate::host::memory::cgroup::{self, Roots, Version};
use crate::runtime::link::Examine;

use args::{Cli, Command, DoctorArgs, ExportTarget, JobRange, LoadJobArgs, PresetsAction, ProfilesAction, Telling};
use commands::doctor::{DoctorInputs, DoctorOptions};
use commands::install::{Console, ProvideOptions};
use commands::remote::{add, attach, console, control, look, serve, told, wait, wire};
use commands::{catalog, compare, completion, demo, doctor, manual, plan, replay, run};
use options::Resolved;

/// Wrong usage or configuration: nothing was run, exit status 2. Says what, where and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Another plimsoll works on the state folder: nothing was run, exit status 75 (`EX_TEMPFAIL` of sysexits.h: try later).
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Busy(pub String);

/// There is no way to the server: exit status of its own kind.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct Unavailable {
    pub status: u8,
    /// Why, and what to do.
    pub why: String,
}

/// Exit status of [`Usage`].
const USAGE: u8 = 2;
/// Exit status of [`Busy`].
pub const BUSY: u8 = 75;

/// Reads the command line, does what it says, and returns the exit status.
pub fn main() -> Result<u8> {
    // Does nothing and goes on unless a shell asks what may stand where its cursor is.
    completion::answer();
    let line: Vec<OsString> = std::env::args_os().collect();
    let program = if args::asks_for_help(&line) { args::for_help(args::command()) } else { args::command() };
    let matches = match program.try_get_matches_from(&line) {
        Ok(matches) => matches,
        Err(error) => match args::command_alone().try_get_matches_from(&line) {
            Ok(matches) if matches!(matches.subcommand_name(), Some("completions" | "man")) => matches,
            _ => return Ok(refuse(&error, &line)),
        },
    };
    let cli = Cli::from_arg_matches(&matches)?;
    match dispatch(cli, &matches) {
        Err(error) if error.is::<Usage>() => {
            write_stderr(&format!("plimsoll: {error}\n"));
            Ok(USAGE)
        }
        Err(error) if error.is::<Busy>() => {
            write_stderr(&format!("plimsoll: {error}\n"));
            Ok(BUSY)
        }
        Err(error) if error.is::<Unavailable>() => {
            write_stderr(&format!("plimsoll: {error}\n"));
            Ok(error.downcast_ref::<Unavailable>().map_or(1, |unavailable| unavailable.status))
        }
        Err(error) => {
            // A known trouble of the host is told in one line; the report with places is for what nobody expected.
            write_stderr(&format!("plimsoll: {error:#}\n"));
            Ok(1)
        }
        status => status,
    }
}

/// What clap has to say: help and version on stdout, a mistake on stderr with where it comes from.
fn refuse(error: &clap::Error, line: &[OsString]) -> u8 {
    if error.kind() == ErrorKind::InvalidUtf8 {
        let told = args::not_utf8(line).unwrap_or_else(|| "an argument is not valid UTF-8".to_owned());
        write_stderr(&format!("plimsoll: {told}\n"));
        return USAGE;
    }
    // A reader that has gone has read enough.
    let _ = error.print();
    if matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue)
        && let Some(variable) = args::blamed_variable(error, line)
    {
        write_stderr(&format!("The value comes from the environment: correct or unset {variable}.\n"));
    }
    if let Some(meant) = meant::of_refusal(error, line, &search_paths(std::env::current_dir().ok())) {
        write_stderr(&format!("plimsoll: {meant}\n"));
    }
    u8::try_from(error.exit_code()).unwrap_or(USAGE)
}

/// Writes to stderr. When nobody reads there any more, there is nobody to tell.
pub(crate) fn write_stderr(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn dispatch(cli: Cli, matches: &clap::ArgMatches) -> Result<u8> {
    if cli.command.is_some() && !cli.paths.is_empty() {
        let names: Vec<String> = cli.paths.iter().map(|path| crate::domain::text::path_text(path)).collect();
        return Err(Usage(format!("{} before a command has no meaning; put paths after the command", names.join(" "))).into());
    }
    if cli.command.is_some() && cli.hold {
        return Err(Usage("--hold belongs to the console alone: give it without a command".to_owned()).into());
    }
    match cli.command {
        // These need no options, and must work where settings are broken.
        Some(Command::Completions { shell }) => write_out(&completion::script(shell)?),
        Some(Command::Man(args)) => match &args.all {
            Some(folder) => manual::write_all(folder),
            None => write_out(&manual::page(&args.command)?),
        },
        Some(Command::LoadJob(args)) => load_job(&args),
        Some(Command::Profiles { action }) => profiles(action.unwrap_or(ProfilesAction::List), cli.options, matches),
        Some(Command::Presets { action }) => presets(action.unwrap_or(PresetsAction::List)),
        Some(Command::Doctor(args)) => {
            let (resolved, mistakes) = options::examine(cli.options, matches)?;
            print_remark(&resolved);
            examine(&args, &resolved, &mistakes)
        }
        Some(Command::Compare(args)) if args.stop => control::stop_comparison(&resolve(cli.options, matches)?),
        Some(Command::Compare(args)) => compare::run(&args, resolve(cli.options, matches)?),
        Some(Command::Plan(args)) => plan::run(&args, &resolve(cli.options, matches)?),
        Some(Command::Replay(args)) => replay::run(&args, &resolve(cli.options, matches)?),
        Some(Command::Demo(args)) => demo::run(&args, resolve(cli.options, matches)?),
        Some(Command::Run(args)) => run::run(&resolve(cli.options, matches)?, &args.paths, run::Caller::Run { json: args.json }),
        #[cfg(feature = "fleet")]
        Some(Command::Worker(args)) => commands::fleet::worker::run(&resolve(cli.options, matches)?, &args),
        #[cfg(feature = "fleet")]
        Some(Command::Fleet(args)) => commands::fleet::run(&resolve(cli.options, matches)?, &args),
        Some(command) => {
            // Jobs are made with what is said here; others only ask.
            let makes_jobs = matches!(&command, Command::Serve(_) | Command::Add(_));
            let resolved =
                if makes_jobs { resolve(cli.options, matches) } else { options::resolve_for_asking(cli.options, matches) };
            match resolved {
                Ok(resolved) => remote_command(command, &resolved),
                Err(error) => unresolved(&command, error),
            }
        }
        None => {
            if let Some(meant) = cli.paths.first().and_then(|first| meant::command(first)) {
                return Err(Usage(meant).into());
            }
            console::run(&resolve(cli.options, matches)?, &cli.paths, cli.hold)
        }
    }
}

/// A command whose settings cannot be read: whoever reads its answer as JSON gets one all the same.
fn unresolved(command: &Command, error: Usage) -> Result<u8> {
    let Some((name, json)) = telling_of(command) else { return Err(error.into()) };
    told::telling(name, json, |told| {
        if let Command::Profile { name, .. } = command {
            told.more("profile", name.as_str().into());
        }
        Err(error.into())
    })
}

/// The name of a command that tells what it has done, and whether it does so as JSON.
const fn telling_of(command: &Command) -> Option<(&'static str, bool)> {
    Some(match command {
        Command::Add(args) => ("add", args.json),
        Command::Pause(args) => ("pause", args.telling.json),
        Command::Resume(args) => ("resume", args.telling.json),
        Command::Cancel(args) => ("cancel", args.telling.json),
        Command::Retry(args) => ("retry", args.telling.json),
        Command::Allow(args) => ("allow", args.telling.json),
        Command::Move(args) => ("move", args.telling.json),
        Command::Hold(telling) => ("hold", telling.json),
        Command::Release(telling) => ("release", telling.json),
        Command::Drain { telling, .. } => ("drain", telling.json),
        Command::Clean(telling) => ("clean", telling.json),
        Command::Profile { telling, .. } => ("profile", telling.json),
        Command::Stop(telling) => ("stop", telling.json),
        _ => return None,
    })
}

/// The commands that start a server or talk to one.
fn remote_command(command: Command, resolved: &Resolved) -> Result<u8> {
    use crate::domain::command::Command as Ask;
    use control::JobVerb;

    let queue = |name, ask, done, telling: Telling| control::queue(resolved, name, ask, done, telling.json);
    let jobs = |verb, jobs: &[JobRange], telling: &Telling| control::jobs(resolved, verb, jobs, telling.json);
    match command {
        Command::Serve(args) => serve::serve(resolved, &args),
        Command::Attach(args) => attach::attach(resolved, &args),
        Command::Add(args) => add::add(resolved, &args),
        Command::Status(args) => look::status(resolved, &args),
        Command::Jobs(args) => look::jobs(resolved, &args),
        Command::Logs(args) => look::logs(resolved, &args),
        Command::Pause(args) => jobs(JobVerb::Pause, &args.jobs, &args.telling),
        Command::Resume(args) => jobs(JobVerb::Resume, &args.jobs, &args.telling),
        Command::Cancel(args) => jobs(JobVerb::Cancel, &args.jobs, &args.telling),
        Command::Retry(args) => jobs(JobVerb::Retry, &args.jobs, &args.telling),
        Command::Allow(args) => jobs(JobVerb::Allow, &args.jobs, &args.telling),
        Command::Move(args) => jobs(JobVerb::Move(control::place(&args.to)), &args.jobs, &args.telling),
        Command::Hold(telling) => queue("hold", Ask::Pause, "the queue is held", telling),
        Command::Release(telling) => queue("release", Ask::Resume, "the queue is released", telling),
        Command::Drain { undo: false, telling } => control::drain(resolved, telling.json),
        Command::Drain { undo: true, telling } => {
            queue("drain", Ask::Undrain, "the drain is taken back; the server takes jobs again", telling)
        }
        Command::Clean(telling) => queue("clean", Ask::CleanNow, "cleaning up; the log tells what each step frees", telling),
        Command::Profile { name, telling } => control::profile(resolved, &name, telling.json),
        Command::Stop(telling) => control::stop(resolved, telling.json),
        Command::Wait(args) => wait::wait(resolved, &args),
        Command::Wire { view } => wire::carry(&resolved.state_dir, view),
        #[cfg(feature = "fleet")]
        Command::Worker(_) | Command::Fleet(_) => Err(color_eyre::eyre::eyre!("this command has no server")),
        Command::Run(_)
        | Command::Demo(_)
        | Command::Compare(_)
        | Command::Plan(_)
        | Command::Replay(_)
        | Command::Profiles { .. }
        | Command::Presets { .. }
        | Command::Doctor(_)
        | Command::Completions { .. }
        | Command::Man(_)
        | Command::LoadJob(_) => Err(color_eyre::eyre::eyre!("this command has no server")),
    }
}

/// Every option with its value in force; what the operator should know of it is told at once.
fn resolve(options: Settings, matches: &clap::ArgMatches) -> Result<Resolved, Usage> {
    let resolved = options::resolve(options, matches)?;
    print_remark(&resolved);
    Ok(resolved)
}

fn print_remark(resolved: &Resolved) {
    if let Some(remark) = &resolved.remark {
        write_stderr(&format!("plimsoll: {remark}\n"));
    }
}

/// Where profiles and presets are looked for, by the environment and the place of this program.
fn search_paths(work_dir: Option<PathBuf>) -> SearchPaths {
    let paths = SearchPaths::new(|name| std::env::var_os(name), work_dir);
    own_program().map_or_else(|_| paths.clone(), |program| paths.clone().of_program(&program))
}

/// Prints a text of the catalogue; a mistake is wrong configuration.
fn print(text: Result<String, String>) -> Result<u8> {
    let mut text = text.map_err(Usage)?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    write_out(text.as_bytes())
}

fn write_out(bytes: &[u8]) -> Result<u8> {
    write_while_read(bytes).map(|_| 0)
}

/// Writes to stdout; false = whoever read there has gone (`| head`): he has read enough, and nothing more needs to be written.
fn write_while_read(bytes: &[u8]) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    while_read(out.write_all(bytes).and_then(|()| out.flush()))
}

/// What came of writing to stdout, as [`write_while_read`] tells it.
fn while_read(written: std::io::Result<()>) -> Result<bool> {
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).wrap_err("cannot write to stdout"),
    }
}

fn profiles(action: ProfilesAction, options: Settings, matches: &clap::ArgMatches) -> Result<u8> {
    let paths = search_paths(std::env::current_dir().ok());
    let here = budget_here(options, matches);
    match action {
        ProfilesAction::List => print(Ok(catalog::profiles_list(&paths, &here))),
        ProfilesAction::Show { profile } => print(catalog::profiles_show(&paths, profile, &here)),
        ProfilesAction::Check { file } => print(catalog::profiles_check(&file, &here)),
        ProfilesAction::Export(ExportTarget::Render { profile, workers }) => {
            print(catalog::profiles_export_render(&paths, profile, workers))
        }
    }
}

/// The budget here before a profile has its say. Settings that are broken say nothing.
fn budget_here(options: Settings, matches: &clap::ArgMatches) -> Budget {
    let given = options.budget.map(|choice| Asked { bytes: choice.size(), by: "--budget".to_owned() });
    let asked = options::resolve(options, matches).map_or(given, |resolved| resolved.budget);
    survey(&Roots::default(), asked.as_ref(), None).budget
}

fn presets(action: PresetsAction) -> Result<u8> {
    let paths = search_paths(std::env::current_dir().ok());
    match action {
        PresetsAction::List => print(Ok(catalog::presets_list(&paths))),
        PresetsAction::Show { preset } => print(catalog::presets_show(&paths, preset)),
        PresetsAction::Check { file } => print(catalog::presets_check(&file)),
    }
}

/// Talks with the operator on the standard streams.
fn converse<T>(talk: impl FnOnce(&mut Console<'_>) -> std::io::Result<T>) -> Result<T> {
    let mut input = BufReader::new(std::io::stdin().lock());
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    Ok(talk(&mut Console { input: &mut input, out: &mut out, err: &mut err, terminal })?)
}

fn examine(args: &DoctorArgs, resolved: &Resolved, mistakes: &[ConfigError]) -> Result<u8> {
    let inputs = doctor_inputs(resolved, mistakes);
    converse(|console| {
        let options = DoctorOptions {
            fix: args.fix,
            json: args.json,
            ascii: resolved.settings.ascii || !run::has_utf8_locale(),
            provide: ProvideOptions::detect(resolved.settings.ffmpeg.clone(), args.yes, console.terminal),
        };
        doctor::run(&options, inputs, console)
    })
}

/// What is known before anything is examined; `mistakes` are those of the settings file.
fn doctor_inputs(resolved: &Resolved, mistakes: &[ConfigError]) -> DoctorInputs {
    // Whatever is found out now, the next start is not to believe what was so before.
    options::forget_ffmpeg();
    let mut files: Vec<Check> = mistakes.iter().map(|mistake| Check::of_file("settings", mistake.to_string(), true)).collect();
    let profile = in_force::<Profile>(resolved, &resolved.settings.profile, &mut files);
    let preset = in_force::<Preset>(resolved, &resolved.settings.preset, &mut files);
    let mut presets: BTreeMap<String, Preset> = search::list::<Preset>(&resolved.paths)
        .into_iter()
        .filter_map(|listed| listed.read.ok())
        .map(|preset| (preset.name.clone(), preset))
        .collect();
    // What is wrong with one of a watched folder, whoever starts a server is told.
    let of_watched = resolved.watch.iter().filter_map(|watch| search::find(&resolved.paths, watch.preset.as_ref()?).ok());
    let chosen: Vec<Preset> = preset.into_iter().chain(of_watched.map(|found| found.value)).collect();
    let in_use = chosen.iter().map(|preset| preset.name.clone()).collect();
    presets.extend(chosen.into_iter().map(|preset| (preset.name.clone(), preset)));
    let own = profile.as_ref().and_then(|profile| profile.memory.budget);
    let budget = survey(&Roots::default(), resolved.budget.as_ref(), own).budget;
    let group = cgroup::find(&Roots::default()).map(|own| GroupReport {
        version: match own.version {
            Version::V1 => 1,
            Version::V2 => 2,
        },
        folder: own.dir,
    });
    let profile = profile.map_or_else(|| resolved.settings.profile.clone(), |profile| profile.name);
    DoctorInputs {
        files,
        budget: Ok(BudgetReport { budget, profile, group }),
        presets: presets.into_values().collect(),
        in_use,
        state_dir: resolved.state_dir.clone(),
        out_dir: resolved.settings.out.clone(),
        watched: resolved.watch.iter().filter_map(|watch| watch.folder.clone()).collect(),
        hooks: resolved.hooks.clone(),
        terminal: Some(TerminalReport::detect()),
        settings: settings_file(resolved)
            .into_iter()
            .chain(resolved.origins.iter().cloned().map(|(name, value, origin)| Setting { name, value, origin }))
            .chain(settings_without_flag(resolved))
            .collect(),
    }
}

/// What is said in the settings file alone.
fn settings_without_flag(resolved: &Resolved) -> Vec<Setting> {
    let origin = resolved.paths.settings_file().as_deref().map(crate::domain::text::path_text).unwrap_or_default();
    let folders = resolved.watch.iter().filter_map(|watch| Some(("watch", crate::domain::text::path_text(watch.folder.as_ref()?))));
    let hooks = resolved.hooks.keys().map(|hook| (hook.name(), "set".to_owned()));
    let told = folders.chain(hooks).map(|(name, value)| Setting { name: name.to_owned(), value, origin: origin.clone() });
    told.collect()
}

/// Where the settings file is, or would be.
fn settings_file(resolved: &Resolved) -> Option<Setting> {
    let file = resolved.paths.settings_file()?;
    let origin = match std::fs::File::open(&file) {
        Ok(_) => "read",
        Err(_) if settings::is_there(&file) => "cannot be read",
        Err(_) => "not there",
    };
    Some(Setting { name: "settings file".to_owned(), value: crate::domain::text::path_text(&file), origin: origin.to_owned() })
}

/// The profile or preset in force, where it is right. What is wrong with it, and with others that lie beside it, is added to
/// the findings.
fn in_force<T: Kind>(resolved: &Resolved, wanted: &str, findings: &mut Vec<Check>) -> Option<T> {
    let found = search::find::<T>(&resolved.paths, wanted);
    let value = match found {
        Ok(found) => Some(found.value),
        Err(error) => {
            // Where its name comes from stands among the settings.
            findings.extend(error.to_string().lines().map(|line| Check::of_file(T::NOUN, line, true)));
            None
        }
    };
    for listed in search::list::<T>(&resolved.paths).into_iter().filter(|listed| listed.name != wanted) {
        let mistakes = listed.read.err().into_iter().flatten();
        findings.extend(mistakes.map(|mistake| Check::of_file(T::NOUN, mistake.to_string(), false)));
    }
    value
}

/// The same examination for the console's own page.
fn checkup(resolved: Resolved) -> Examine {
    Arc::new(move || {
        // A server has none, and whoever looks at the page sees their own.
        let inputs = DoctorInputs { terminal: None, ..doctor_inputs(&resolved, &[]) };
        Ok(doctor::checkup(&Search::from_env(resolved.settings.ffmpeg.clone()), inputs))
    })
}

fn load_job(args: &LoadJobArgs) -> Result<u8> {
    if args.steered {
        load_job::run_steered(std::io::stdin())?;
        return Ok(0);
    }
    let mut spec = LoadSpec::new(&args.curve, args.seconds).map_err(|error| Usage(error.to_string()))?;
    spec.part.clone_from(&args.part);
    spec.progress_fd = args.progress_fd;
    load_job::run(&spec)?;
    Ok(0)
}

/// This program, to be run again as a load job.
fn own_program() -> Result<PathBuf> {
    Ok(std::env::current_exe()?)
}
