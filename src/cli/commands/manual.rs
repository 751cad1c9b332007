//! The manual pages, made of the same words as `--help`: one of plimsoll, one of each command.

use std::path::Path;

use clap::CommandFactory as _;
use color_eyre::eyre::Result;

use crate::cli::args::{self, Cli};
use crate::cli::{Usage, write_stderr};
use crate::config::spell::nearest;
use crate::domain::text::{error_words, path_text};

/// The page of plimsoll (no words), or of the command with these words, such as `profiles show`.
pub(in crate::cli) fn page(words: &[String]) -> Result<Vec<u8>> {
    let mut command = program();
    for word in words {
        let known: Vec<&str> =
            command.get_subcommands().filter(|known| !known.is_hide_set()).map(clap::Command::get_name).collect();
        let Some(found) = command.find_subcommand(word).filter(|found| !found.is_hide_set()) else {
            let meant = nearest(word, known.iter().copied()).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            let there = if known.is_empty() { "has no commands".to_owned() } else { format!("has {}", known.join(", ")) };
            let name = command.get_bin_name().unwrap_or("plimsoll");
            let word = crate::domain::text::sanitise(word.as_bytes());
            return Err(Usage(format!("there is no command `{word}`{meant}; `{name}` {there}")).into());
        };
        command = found.clone();
    }
    let mut page = Vec::new();
    manual(command).render(&mut page)?;
    Ok(page)
}

/// The page of a command, which says what program and version it is of.
fn manual(command: clap::Command) -> clap_mangen::Man {
    clap_mangen::Man::new(command).source(concat!("plimsoll ", env!("CARGO_PKG_VERSION")))
}

/// Writes every page to the folder, which is made where it is missing; returns the exit status.
pub(in crate::cli) fn write_all(folder: &Path) -> Result<u8> {
    let shown = path_text(folder);
    let wrong = |error: std::io::Error| Usage(format!("cannot write manual pages to {shown}: {}", error_words(&error)));
    std::fs::create_dir_all(folder).map_err(wrong)?;
    let written = write_below(&program(), folder).map_err(wrong)?;
    write_stderr(&format!("plimsoll: {written} pages are in {shown}; `man -l {shown}/plimsoll.1` shows one\n"));
    Ok(0)
}

fn write_below(command: &clap::Command, folder: &Path) -> std::io::Result<usize> {
    let man = manual(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    std::fs::write(folder.join(man.get_filename()), page)?;
    command
        .get_subcommands()
        .filter(|known| !known.is_hide_set() && known.get_name() != "help")
        .try_fold(1, |count, known| Ok(count + write_below(known, folder)?))
}

/// The command line with all that clap adds by itself: options of all commands at each, full names.
fn program() -> clap::Command {
    let mut program = args::for_help(Cli::command()).disable_help_subcommand(true);
    program.build();
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn each_command_has_a_page_under_the_name_that_man_looks_for() {
        let text = |name: &str| String::from_utf8(page(&words(name)).expect("a page")).expect("UTF-8");
        for (name, title, option) in [
            ("", "plimsoll", "\\-\\-budget"),
            ("run", "plimsoll-run", "\\-\\-json"),
            ("profiles show", "plimsoll-profiles-show", "profile"),
        ] {
            let page = text(name);
            let head = page.lines().find(|line| line.starts_with(".TH")).expect("a head");
            assert!(head.starts_with(&format!(".TH {title} 1")) && page.contains(option), "{page}");
            assert!(head.contains(concat!("\"plimsoll ", env!("CARGO_PKG_VERSION"))), "{head}");
        }
        let folder = tempfile::tempdir().expect("tempdir");
        assert_eq!(write_all(&folder.path().join("new")).expect("written"), 0);
        for name in ["plimsoll.1", "plimsoll-run.1", "plimsoll-profiles-export-render.1"] {
            assert!(folder.path().join("new").join(name).exists(), "{name}");
        }
        assert!(!folder.path().join("new/plimsoll-load-job.1").exists());
    }

    #[test]
    fn a_command_that_is_not_there_is_told_with_the_one_that_was_meant() {
        let told = page(&words("rnu")).expect_err("unknown").to_string();
        assert!(told.starts_with("there is no command `rnu`; did you mean `run`?; `plimsoll` has run, demo, "), "{told}");
        assert!(page(&words("load-job")).is_err());
        assert!(page(&words("run fast")).expect_err("unknown").to_string().ends_with("`plimsoll run` has no commands"));
    }
}
