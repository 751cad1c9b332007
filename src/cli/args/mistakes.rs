//! What is said of a command line or a variable that cannot be taken, beside what clap says of it.

use std::ffi::OsString;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue};

use super::Cli;
use crate::config::spell::nearest;

/// What to say where something is not UTF-8 that has to be: by the option that it is the value of, by its variable, else by the first
/// such word.
pub fn not_utf8(line: &[OsString]) -> Option<String> {
    let command = Cli::command();
    let kind = |arg: &clap::Arg| arg.get_value_parser().type_id();
    let paths = [clap::builder::ValueParser::path_buf(), clap::builder::ValueParser::os_string()].map(|parser| parser.type_id());
    let texts: Vec<&clap::Arg> =
        all_arguments(&command).filter(|arg| arg.get_action().takes_values() && !paths.contains(&kind(arg))).collect();
    let text_option = |flag: &[u8]| {
        let flags = texts.iter().flat_map(|arg| {
            let (long, short) = (arg.get_long().map(|long| format!("--{long}")), arg.get_short().map(|short| format!("-{short}")));
            long.into_iter().chain(short)
        });
        flags.into_iter().find(|known| known.as_bytes() == flag)
    };
    let option_of = |at: usize| match line[at].as_encoded_bytes() {
        word if word.starts_with(b"--") => text_option(word.split(|byte| *byte == b'=').next()?),
        word if word.starts_with(b"-") => text_option(word.get(..2)?),
        _ => text_option(line[at.checked_sub(1)?].as_encoded_bytes()),
    };
    let wrong: Vec<usize> = (0..line.len()).filter(|at| line[*at].to_str().is_none()).collect();
    let shown = |at: usize| crate::domain::text::path_text(std::path::Path::new(&line[at]));
    if let Some((at, option)) = wrong.iter().find_map(|at| Some((*at, option_of(*at)?))) {
        return Some(format!("`{}` is not valid UTF-8; the value of {option} has to be, also where it is a file", shown(at)));
    }
    let is_wrong = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|value| value.to_str().is_none());
    if let Some(name) = texts.iter().filter_map(|arg| arg.get_env()).find(|name| is_wrong(name)) {
        return Some(format!("the variable {} is not valid UTF-8; correct or unset it", name.to_string_lossy()));
    }
    let at = *wrong.first()?;
    Some(format!(
        "`{}` is not valid UTF-8; films and folders may be called anything, profiles, presets and keys may not",
        shown(at)
    ))
}

/// The arguments of plimsoll, of its commands, and of theirs.
fn all_arguments(command: &clap::Command) -> impl Iterator<Item = &clap::Arg> {
    std::iter::once(command)
        .chain(command.get_subcommands())
        .chain(command.get_subcommands().flat_map(clap::Command::get_subcommands))
        .flat_map(clap::Command::get_arguments)
}

/// What to say of a variable that was meant for plimsoll and is passed over, because its name is not quite right.
pub fn misspelt_variable(variables: impl Iterator<Item = (OsString, OsString)>) -> Option<String> {
    const PREFIX: &str = "PLIMSOLL_";
    // Mostly there are none, and the whole command line need not be built to know the right names.
    let given: Vec<String> =
        variables.filter_map(|(name, _)| name.into_string().ok()).filter(|name| name.starts_with(PREFIX)).collect();
    if given.is_empty() {
        return None;
    }
    let command = Cli::command();
    let known: Vec<&str> = all_arguments(&command).filter_map(|arg| arg.get_env()?.to_str()?.strip_prefix(PREFIX)).collect();
    given.iter().find_map(|name| {
        let wanted = name.strip_prefix(PREFIX).filter(|wanted| !known.contains(wanted))?;
        let meant = nearest(wanted, known.iter().copied())?;
        Some(format!("the variable {name} has no meaning; did you mean {PREFIX}{meant}?"))
    })
}

/// The variable of the environment that a value which was refused comes from.
pub fn blamed_variable(error: &clap::Error, line: &[OsString]) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let flag = text(ContextKind::InvalidArg)?.split([' ', '=', '[']).next()?;
    let value = text(ContextKind::InvalidValue)?;
    let is_flag = |word: &OsString| word.to_str().is_some_and(|word| word.split('=').next() == Some(flag));
    if line.iter().any(is_flag) {
        return None;
    }
    let command = Cli::command();
    let arg = command.get_arguments().find(|arg| arg.get_long().is_some_and(|long| flag.strip_prefix("--") == Some(long)))?;
    let variable = arg.get_env()?;
    (std::env::var_os(variable)? == *value).then(|| variable.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_nearly_one_of_plimsolls_is_told() {
        let of = |name: &str| misspelt_variable([(name.into(), "x".into())].into_iter());
        assert_eq!(
            of("PLIMSOLL_BUDGTE").as_deref(),
            Some("the variable PLIMSOLL_BUDGTE has no meaning; did you mean PLIMSOLL_BUDGET?")
        );
        for name in ["PLIMSOLL_BUDGET", "PLIMSOLL_CLIPS", "PLIMSOLL_TEST_PACE", "PLIMSOLL_LOG", "BUDGTE"] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn what_has_to_be_utf8_is_told_by_its_option_and_a_film_is_never_blamed_for_it() {
        use std::os::unix::ffi::OsStringExt as _;
        let told = |line: &[&[u8]]| {
            let line: Vec<OsString> = line.iter().map(|word| OsString::from_vec(word.to_vec())).collect();
            not_utf8(&line).expect("told")
        };
        let (film, preset): (&[u8], &[u8]) = (b"f\xfflm.mp4", b"caf\xe9.yaml");
        let by_flag = told(&[b"plimsoll", b"run", film, b"--preset", preset]);
        assert!(by_flag.contains("caf\\xE9.yaml`") && by_flag.contains("the value of --preset has to be"), "{by_flag}");
        assert!(told(&[b"plimsoll", b"run", film, b"-pcaf\xe9"]).contains("the value of -p has to be"));
        assert!(told(&[b"plimsoll", b"fleet", b"check", b"--files=caf\xe9"]).contains("the value of --files has to be"));
        // Folders and films may be anything, so it can only be the word that is left.
        let lone = told(&[b"plimsoll", b"profile", preset, b"--out", b"\xff"]);
        assert!(lone.contains("`caf") && lone.contains("profiles, presets and keys may not"), "{lone}");
        #[cfg(feature = "fleet")]
        {
            let add = [&b"plimsoll"[..], b"fleet", b"add", film].map(|word| OsString::from_vec(word.to_vec()));
            assert!(Cli::command().try_get_matches_from(add).is_ok(), "a film of a fleet may be called anything too");
        }
    }
}
