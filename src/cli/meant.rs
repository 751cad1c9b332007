//! "Did you mean": what the operator most likely wanted by a word that is neither a file nor a command.
//!
//! Only words that name no file and have no slash are looked at; a path is never taken for a slip of the finger.

use std::ffi::OsString;
use std::path::Path;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::args::Cli;
use crate::config::search::{self, Kind, SearchPaths};
use crate::config::spell::nearest;
use crate::domain::preset::Preset;
use crate::domain::profile::Profile;

/// The word, if it can only be one: there is no file of that name, and it is no path.
fn lone(path: &Path) -> Option<&str> {
    let word = path.to_str()?;
    (!word.contains('/') && std::fs::symlink_metadata(path).is_err()).then_some(word)
}

/// A command that the first word of the line is near to: the whole message.
pub(super) fn command(first: &Path) -> Option<String> {
    let word = lone(first)?;
    let program = Cli::command();
    let known: Vec<&str> = program.get_subcommands().filter(|known| !known.is_hide_set()).map(clap::Command::get_name).collect();
    // A command that is there was meant as it stands: what is wrong stands behind it.
    if known.contains(&word) {
        return None;
    }
    let near = nearest(word, known.into_iter().chain(["help"]))?;
    Some(format!(
        "there is no command and no file `{word}`; did you mean `plimsoll {near}`? For a file of that name write ./{word}"
    ))
}

/// The option that a word belongs to which is the name of a profile or of a preset; else, of a word without an ending, that it is no
/// command.
pub(super) fn name(word: &Path, paths: &SearchPaths) -> Option<String> {
    let word = lone(word)?;
    if is_one::<Profile>(word, paths) {
        return Some(format!("`{word}` is a profile: did you mean `--profile {word}`?"));
    }
    if is_one::<Preset>(word, paths) {
        return Some(format!("`{word}` is a preset: did you mean `--preset {word}`?"));
    }
    let is_bare = !word.contains('.');
    is_bare.then(|| "there is no command of that name either: `plimsoll help` lists them".to_owned())
}

fn is_one<T: Kind>(word: &str, paths: &SearchPaths) -> bool {
    search::list::<T>(paths).iter().any(|listed| listed.name == word)
}

/// The past run that somebody wanted who gave its number where a recording is wanted.
pub(super) fn past_run(file: &Path) -> Option<String> {
    let word = lone(file)?;
    let which = match word.trim_start_matches('#') {
        "last" | "past" => "",
        number if number.parse::<u32>().is_ok_and(|number| number > 0) => number,
        _ => return None,
    };
    let command = format!("plimsoll replay --past {which}");
    Some(format!("there is no file `{word}`; did you mean `{}`?", command.trim_end()))
}

/// What to add to a complaint of the parser: a command that was misspelt (its own options are then unknown too), or the name
/// of a profile or preset where an action stands.
pub(super) fn of_refusal(error: &clap::Error, line: &[OsString], paths: &SearchPaths) -> Option<String> {
    match error.kind() {
        ErrorKind::UnknownArgument => command(Path::new(line.get(1).filter(|word| !word.as_encoded_bytes().starts_with(b"-"))?)),
        ErrorKind::InvalidSubcommand => {
            let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return None };
            let is_behind = |command: &str| line.iter().any(|word| word == command);
            let show = |command: &str| format!("did you mean `plimsoll {command} show {word}`?");
            if is_behind("profiles") && is_one::<Profile>(word, paths) {
                return Some(show("profiles"));
            }
            (is_behind("presets") && is_one::<Preset>(word, paths)).then(|| show("presets"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_near_a_command_is_told_by_it_and_a_file_is_never_taken_for_one() {
        for (word, near) in [("runn", "run"), ("dcotor", "doctor"), ("presest", "presets"), ("hlep", "help")] {
            let told = command(Path::new(word)).unwrap_or_else(|| panic!("{word} is near something"));
            assert!(told.contains(&format!("did you mean `plimsoll {near}`?")), "{told}");
        }
        for word in ["videos", "./runn", "/tmp/runn", "load-jobs", "run", ""] {
            assert_eq!(command(Path::new(word)), None, "{word}");
        }
        // Cargo runs tests where `tests` is: a folder that is there, and one letter off a word of no command.
        assert_eq!(lone(Path::new("tests")), None);
    }

    #[test]
    fn the_number_of_a_run_is_no_recording() {
        let told = |word: &str| past_run(Path::new(word));
        assert_eq!(told("2").as_deref(), Some("there is no file `2`; did you mean `plimsoll replay --past 2`?"));
        assert_eq!(told("last").as_deref(), Some("there is no file `last`; did you mean `plimsoll replay --past`?"));
        assert_eq!((told("run.jsonl"), told("0"), told("./2")), (None, None, None));
    }

    #[test]
    fn names_of_profiles_and_presets_are_known_by_their_option() {
        let nowhere = SearchPaths::default();
        assert!(name(Path::new("fast"), &nowhere).is_some_and(|hint| hint.ends_with("did you mean `--profile fast`?")));
        assert!(name(Path::new("web-720p"), &nowhere).is_some_and(|hint| hint.ends_with("did you mean `--preset web-720p`?")));
        assert_eq!(name(Path::new("film.mp4"), &nowhere), None);
        assert!(name(Path::new("film"), &nowhere).is_some_and(|hint| hint.starts_with("there is no command of that name")));
    }
}
