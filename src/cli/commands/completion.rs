//! What a shell offers after tab: commands and options, the profiles and presets there are, themes, past runs, files.
//!
//! The script that `plimsoll completions SHELL` prints asks plimsoll itself each time, so that own profiles and presets and
//! the past runs are offered. It reads them where they lie by default, and where the environment says; options on the line
//! before the cursor are not looked at.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _};
use clap_complete::env::{CompleteEnv, Shells};
use color_eyre::eyre::Result;

use crate::cli::args::{Cli, command_alone};
use crate::cli::session::state_dir;
use crate::config::search::{self, Kind};
use crate::domain::preset::Preset;
use crate::domain::profile::Profile;
use crate::host::store;

/// The variable by which a script asks.
const VARIABLE: &str = "PLIMSOLL_COMPLETE";

/// Answers a shell that asks, and ends the program then.
pub(in crate::cli) fn answer() {
    if std::env::var_os(VARIABLE).is_some() {
        CompleteEnv::with_factory(command).var(VARIABLE).bin("plimsoll").completer("plimsoll").complete();
    }
}

/// The script of a shell, to be read by it at its start.
pub(in crate::cli) fn script(shell: Shell) -> Result<Vec<u8>> {
    let mut script = Vec::new();
    let name = shell.to_string();
    match Shells::builtins().completer(&name) {
        Some(shell) => shell.write_registration(VARIABLE, "plimsoll", "plimsoll", "plimsoll", &mut script)?,
        // A shell that cannot ask: commands and options alone.
        None => clap_complete::generate(shell, &mut Cli::command(), "plimsoll", &mut script),
    }
    Ok(script)
}

/// The command line, with what completes each value. The environment is left out: a wrong value there is not the shell's
/// business.
fn command() -> clap::Command {
    let mut program = command_alone();
    program = program.mut_args(|arg| match arg.get_id().as_str() {
        "profile" => arg.add(ArgValueCompleter::new(names_or_files::<Profile>)),
        "preset" => arg.add(ArgValueCompleter::new(names_or_files::<Preset>)),
        "budget" => {
            arg.add(ArgValueCompleter::new(|typed: &OsStr| beginning(typed, std::iter::once(CompletionCandidate::new("auto")))))
        }
        _ => arg,
    });
    program
        .mut_subcommand("replay", |replay| replay.mut_arg("past", |arg| arg.add(ArgValueCompleter::new(past_runs))))
        .mut_subcommand("profile", |profile| {
            profile.mut_arg("name", |arg| arg.add(ArgValueCompleter::new(names_or_files::<Profile>)))
        })
        .mut_subcommand("compare", |compare| {
            compare.mut_arg("profiles", |arg| arg.add(ArgValueCompleter::new(names_or_files::<Profile>)))
        })
        .mut_subcommand("profiles", |profiles| {
            profiles
                .mut_subcommand("show", |show| {
                    show.mut_arg("profile", |arg| arg.add(ArgValueCompleter::new(names_or_files::<Profile>)))
                })
                .mut_subcommand("export", |export| {
                    export.mut_subcommand("render", |render| {
                        render.mut_arg("profile", |arg| arg.add(ArgValueCompleter::new(names_or_files::<Profile>)))
                    })
                })
        })
        .mut_subcommand("presets", |presets| {
            presets.mut_subcommand("show", |show| {
                show.mut_arg("preset", |arg| arg.add(ArgValueCompleter::new(names_or_files::<Preset>)))
            })
        })
        .mut_subcommand("man", |man| man.mut_arg("command", |arg| arg.add(ArgValueCompleter::new(commands))))
}

fn beginning(typed: &OsStr, candidates: impl Iterator<Item = CompletionCandidate>) -> Vec<CompletionCandidate> {
    let typed = typed.as_encoded_bytes();
    candidates.filter(|candidate| candidate.get_value().as_encoded_bytes().starts_with(typed)).collect()
}

/// The names of profiles or presets that are there and right, else YAML files and folders.
fn names_or_files<T: Kind + Described>(typed: &OsStr) -> Vec<CompletionCandidate> {
    let listed = search::list::<T>(&crate::cli::search_paths(std::env::current_dir().ok())).into_iter();
    let right = listed.filter_map(|listed| Some((listed.name, listed.read.ok()?)));
    let named = right.map(|(name, value)| CompletionCandidate::new(name).help(Some(value.words().into())));
    let is_yaml = |path: &std::path::Path| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    let offered = beginning(typed, named);
    // Files are what is meant once a path is begun, or where no name begins so.
    if offered.is_empty() || typed.as_encoded_bytes().contains(&b'/') {
        return PathCompleter::file().filter(is_yaml).complete(typed);
    }
    offered
}

/// What stands beside a name.
trait Described {
    fn words(&self) -> String;
}

impl Described for Profile {
    fn words(&self) -> String {
        format!("{}, files up to {}", self.max_concurrent.words(), self.max_file_size)
    }
}

impl Described for Preset {
    fn words(&self) -> String {
        format!("makes {}", self.container.extension())
    }
}

/// The runs that the state folder keeps, the latest first.
fn past_runs(typed: &OsStr) -> Vec<CompletionCandidate> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = variable("PLIMSOLL_STATE_DIR").map(PathBuf::from);
    let folder = folder.or_else(|| state_dir::choose(|name| std::env::var_os(name)).ok().map(|chosen| chosen.folder));
    let runs = folder.filter(|folder| folder.join(store::FILE_NAME).exists()).and_then(|folder| store::past_runs(&folder).ok());
    let told = runs.unwrap_or_default().into_iter().rev().map(|run| {
        let jobs = run.jobs.words();
        CompletionCandidate::new(run.run.to_string()).help(Some(format!("{}, {}, jobs: {jobs}", run.began, run.profile).into()))
    });
    beginning(typed, std::iter::once(CompletionCandidate::new("last")).chain(told))
}

fn commands(typed: &OsStr) -> Vec<CompletionCandidate> {
    let program = Cli::command();
    let shown = program.get_subcommands().filter(|known| !known.is_hide_set());
    beginning(typed, shown.map(|known| CompletionCandidate::new(known.get_name()).help(known.get_about().cloned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(candidates: &[CompletionCandidate]) -> Vec<String> {
        candidates.iter().map(|candidate| candidate.get_value().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn the_command_line_of_the_completion_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn profiles_are_offered_wherever_one_is_named() {
        for line in [&["plimsoll", "profile", "ba"][..], &["plimsoll", "profiles", "show", "ba"], &["plimsoll", "run", "-p", "ba"]]
        {
            let words = line.iter().map(std::ffi::OsString::from).collect();
            let candidates = clap_complete::engine::complete(&mut command(), words, line.len() - 1, None).expect("candidates");
            assert!(offered(&candidates).contains(&"balanced".to_owned()), "{line:?}: {candidates:?}");
        }
    }

    #[test]
    fn names_are_offered_by_their_beginning_with_what_they_are() {
        let candidates = names_or_files::<Profile>(OsStr::new("ba"));
        assert!(offered(&candidates).contains(&"balanced".to_owned()), "{candidates:?}");
        assert!(candidates[0].get_help().is_some_and(|help| help.to_string().contains("files up to 200 MB")), "{candidates:?}");
        assert!(offered(&names_or_files::<Preset>(OsStr::new("web"))).contains(&"web-720p".to_owned()));
        assert!(offered(&commands(OsStr::new("repl"))) == ["replay"]);
    }
}
