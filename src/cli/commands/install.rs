//! `plimsoll doctor --fix`, and every command that finds no ffmpeg: asks, installs, tells.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use crate::host::media::ffmpeg::{Ffmpeg, Search};
use crate::host::media::install::{Consent, Machine, Plan, ProvideError, Provided, provide};

/// Where a conversation with the operator takes place. Questions and progress go to `err`, so that `out` stays clean.
pub struct Console<'a> {
    /// Answers.
    pub input: &'a mut dyn BufRead,
    /// Results.
    pub out: &'a mut dyn Write,
    /// Everything else.
    pub err: &'a mut dyn Write,
    /// Somebody is there to answer.
    pub terminal: bool,
}

/// Asks a question that only `y` or `yes` affirms; no answer, another answer and the end of input are a no.
pub fn ask(question: &str, input: &mut dyn BufRead, err: &mut dyn Write) -> io::Result<bool> {
    write!(err, "{question} [y/N] ")?;
    err.flush()?;
    let mut answer = Vec::new();
    let read = io::Read::take(input, 1024).read_until(b'\n', &mut answer)?;
    if read == 0 {
        writeln!(err)?;
    }
    let answer = String::from_utf8_lossy(&answer).trim().to_ascii_lowercase();
    Ok(answer == "y" || answer == "yes")
}

/// How to provide ffmpeg.
#[derive(Debug, Clone)]
pub struct ProvideOptions {
    /// Where to look for it.
    pub search: Search,
    /// The machine to install it on.
    pub machine: Machine,
    /// `--yes`: do not ask.
    pub yes: bool,
}

impl ProvideOptions {
    /// For this machine, with what `--ffmpeg` gave.
    pub fn detect(explicit: Option<PathBuf>, yes: bool, terminal: bool) -> Self {
        let search = Search::from_env(explicit);
        let machine = Machine::detect(&search, terminal);
        Self { search, machine, yes }
    }
}

/// Makes sure that there is an ffmpeg: `Err` carries the exit status, after the reason was told. Exit status 2: nothing
/// was run for want of an ffmpeg or of consent; 1: installing it was tried and failed.
pub fn ensure(options: &ProvideOptions, console: &mut Console<'_>) -> io::Result<Result<Ffmpeg, u8>> {
    let Console { input, err, terminal, .. } = console;
    // Both closures write; whichever comes first must let go of it before the other.
    let err = std::cell::RefCell::new(err);
    let mut trouble = None;
    let mut keep = |result: io::Result<()>| {
        if let Err(error) = result {
            trouble.get_or_insert(error);
        }
    };
    let mut asked = Ok(false);
    let mut question = |plan: &Plan| {
        let mut err = err.borrow_mut();
        asked = write!(err, "ffmpeg was not found.\n{plan}").and_then(|()| ask("Go on?", &mut **input, &mut ***err));
        matches!(asked, Ok(true))
    };
    let consent = match (options.yes, *terminal) {
        (true, _) => Consent::Given,
        (false, true) => Consent::Ask(&mut question),
        (false, false) => Consent::Nobody,
    };
    let result = provide(&options.search, &options.machine, consent, &mut |line| keep(writeln!(err.borrow_mut(), "{line}")));
    asked?;
    if let Some(error) = trouble {
        return Err(error);
    }
    let mut err = err.borrow_mut();
    match result {
        Ok(Provided::Already(ffmpeg)) => Ok(Ok(ffmpeg)),
        Ok(Provided::Installed { ffmpeg, by }) => {
            writeln!(err, "ffmpeg {} is ready ({by})", ffmpeg.version)?;
            Ok(Ok(ffmpeg))
        }
        Err(error) => {
            writeln!(err, "{}", error.to_string().trim_end())?;
            Ok(Err(if matches!(error, ProvideError::Failed { .. }) { 1 } else { 2 }))
        }
    }
}

#[cfg(test)]
pub(in crate::cli) mod tests {
    use super::*;
    use crate::host::media::ffmpeg::fakes::script;
    use std::path::Path;

    /// Runs `body` with a console that answers `answer`; gives its result, and what was printed on out and err.
    pub fn talk<T>(answer: &str, terminal: bool, body: impl FnOnce(&mut Console<'_>) -> T) -> (T, String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let result = body(&mut Console { input: &mut answer.as_bytes(), out: &mut out, err: &mut err, terminal });
        (result, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    /// A machine whose path is this folder: with an apt-get that puts an ffmpeg there, or one that fails.
    pub fn machine(folder: &Path, apt_works: bool, yes: bool) -> ProvideOptions {
        let bin = folder.join("bin");
        for name in ["ffmpeg", "ffprobe"] {
            script(&folder.join("ready").join(name), &format!("echo '{name} version 7.1 Copyright'"));
        }
        let end = if apt_works { format!("cp {}/ready/* {}", folder.display(), bin.display()) } else { "exit 100".to_owned() };
        script(&bin.join("apt-get"), &format!("echo 'Reading package lists'; {end}"));
        ProvideOptions {
            search: Search { path: bin.clone().into(), ..Search::default() },
            machine: Machine {
                path: bin.into(),
                root: true,
                terminal: false,
                apt_lists_age: Some(std::time::Duration::ZERO),
                pacman_synced: false,
                data: None,
                download: None,
            },
            yes,
        }
    }

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        for (answer, yes) in
            [("y\n", true), ("YES\n", true), ("y", true), ("\n", false), ("n\n", false), ("", false), ("yup\n", false)]
        {
            let (result, _, err) = talk(answer, true, |console| ask("Go on?", console.input, console.err).unwrap());
            assert_eq!(result, yes, "{answer:?}");
            assert!(err.starts_with("Go on? [y/N] "));
        }
    }

    #[test]
    fn the_plan_is_shown_and_a_no_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let options = machine(folder.path(), true, false);
        let (result, out, err) = talk("\n", true, |console| ensure(&options, console).unwrap());
        assert_eq!((result, out.as_str()), (Err(2), ""));
        assert!(err.contains("apt-get install -y --no-install-recommends ffmpeg\n") && err.contains("Go on? [y/N]"), "{err}");
        assert!(!err.contains("Reading package lists") && !folder.path().join("bin/ffmpeg").exists());
    }

    #[test]
    fn a_yes_installs_and_tells_each_line() {
        let folder = tempfile::tempdir().unwrap();
        let options = machine(folder.path(), true, false);
        let (result, out, err) = talk("y\n", true, |console| ensure(&options, console).unwrap());
        assert_eq!(result.unwrap().version, "7.1");
        assert!(out.is_empty() && err.contains("Reading package lists\n"), "{err}");
        assert!(err.ends_with("ffmpeg 7.1 is ready (package manager apt-get)\n"), "{err}");
    }

    #[test]
    fn without_a_terminal_only_yes_on_the_command_line_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (result, _, err) = talk("y\n", false, |console| ensure(&machine(folder.path(), true, false), console).unwrap());
        assert_eq!(result, Err(2));
        assert!(err.contains("no terminal to ask on") && err.contains("apt-get install"), "{err}");
        let (result, _, _) = talk("", false, |console| ensure(&machine(folder.path(), true, true), console).unwrap());
        assert!(result.is_ok());
    }

    #[test]
    fn a_failed_installation_is_told_with_what_was_printed() {
        let folder = tempfile::tempdir().unwrap();
        let (result, _, err) = talk("", false, |console| ensure(&machine(folder.path(), false, true), console).unwrap());
        assert_eq!(result, Err(1));
        assert!(err.contains("exit status: 100\n    Reading package lists\n"), "{err}");
    }
}
