//! `plimsoll doctor`: examines, prints, and with `--fix` provides what is missing. A faulty file of the operator's is one of
//! its findings and hides none of the others.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use crate::cli::commands::install::{Console, ProvideOptions, ensure};
use crate::domain::hook::Hooks;
use crate::domain::preset::Preset;
use crate::host::doctor::{BudgetReport, Check, Report, Request, Setting, Status, TerminalReport, examine, json, text};
use crate::host::media::ffmpeg::{Ffmpeg, FfmpegError, Search, locate};
use crate::runtime::link::{Checkup, Finding, FindingStatus, SettingInForce};

/// How to examine and what to print.
#[derive(Debug, Clone)]
pub struct DoctorOptions {
    /// `--fix`: provide ffmpeg where it is missing.
    pub fix: bool,
    /// `--json`: print JSON.
    pub json: bool,
    /// `--ascii`, or no UTF-8 locale: print nothing else.
    pub ascii: bool,
    /// Where to look for ffmpeg, and how to install it; `yes` = do not ask.
    pub provide: ProvideOptions,
}

/// What the floors above found out before.
#[derive(Debug, Clone)]
pub struct DoctorInputs {
    /// What is wrong with the operator's own files: settings, profiles, presets.
    pub files: Vec<Check>,
    /// The budget, or why it cannot be read.
    pub budget: Result<BudgetReport, String>,
    /// The presets that ffmpeg must be able to carry out.
    pub presets: Vec<Preset>,
    /// Names of those in force, for what is queued and for what comes into watched folders.
    pub in_use: BTreeSet<String>,
    /// Where the queue is kept.
    pub state_dir: PathBuf,
    /// Where outputs go.
    pub out_dir: PathBuf,
    /// The folders that a server watches.
    pub watched: Vec<PathBuf>,
    /// What a server runs for what happens.
    pub hooks: Hooks,
    /// The terminal, where there is one to ask about.
    pub terminal: Option<TerminalReport>,
    /// The settings that won.
    pub settings: Vec<Setting>,
}

/// Examines and prints. Exit status: 0 jobs can run, 1 something stands in their way.
pub fn run(options: &DoctorOptions, inputs: DoctorInputs, console: &mut Console<'_>) -> io::Result<u8> {
    // What came of it shows in the report; a refusal or failure has been told by then.
    let fixed = if options.fix { ensure(&options.provide, console)?.map(drop) } else { Ok(()) };
    let report = report(locate(&options.provide.search).as_ref(), inputs);
    let words = if options.json { format!("{}\n", json(&report)) } else { text(&report, options.ascii) };
    match console.out.write_all(words.as_bytes()).and_then(|()| console.out.flush()) {
        // Whoever read there has read enough; how it came out is told by the status all the same.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written?,
    }
    Ok(u8::from(report.worst() == Status::Fail || fixed.is_err()))
}

/// Examines for the console's own page.
pub fn checkup(search: &Search, inputs: DoctorInputs) -> Checkup {
    let report = report(locate(search).as_ref(), inputs);
    let findings = report.checks.into_iter().map(|check| Finding {
        name: check.name,
        status: match check.status {
            Status::Ok => FindingStatus::Fine,
            Status::Warn => FindingStatus::Lacking,
            Status::Fail => FindingStatus::Failing,
        },
        value: check.value,
        advice: check.advice,
    });
    let settings = report.settings.into_iter().map(|Setting { name, value, origin }| SettingInForce { name, value, origin });
    Checkup { findings: findings.collect(), settings: settings.collect() }
}

fn report(found: Result<&Ffmpeg, &FfmpegError>, inputs: DoctorInputs) -> Report {
    let mut checks = inputs.files;
    checks.extend(examine(&Request {
        ffmpeg: found,
        presets: &inputs.presets,
        in_use: &inputs.in_use,
        budget: inputs.budget.as_ref().map_err(String::as_str),
        state_dir: &inputs.state_dir,
        out_dir: &inputs.out_dir,
        watched: &inputs.watched,
        hooks: &inputs.hooks,
        terminal: inputs.terminal.as_ref(),
    }));
    Report { checks, settings: inputs.settings }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::commands::install::tests::{machine, talk};
    use crate::domain::memory::{Budget, There};
    use crate::domain::units::Bytes;
    use std::path::Path;

    fn inputs(folder: &Path) -> DoctorInputs {
        let budget = Budget::new((Bytes::gib(2), There::Machine), None, None);
        DoctorInputs {
            files: Vec::new(),
            budget: Ok(BudgetReport { budget, profile: "balanced".to_owned(), group: None }),
            presets: Vec::new(),
            in_use: BTreeSet::new(),
            state_dir: folder.join("state"),
            out_dir: folder.join("out"),
            watched: Vec::new(),
            hooks: Hooks::new(),
            terminal: Some(TerminalReport::default()),
            settings: vec![Setting { name: "profile".into(), value: "safe".into(), origin: "--profile".into() }],
        }
    }

    #[test]
    fn a_missing_ffmpeg_gives_exit_status_1_and_nothing_is_installed_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let options = DoctorOptions { fix: false, json: false, ascii: true, provide: machine(folder.path(), true, true) };
        let (status, out, err) = talk("y\n", true, |console| run(&options, inputs(folder.path()), console).unwrap());
        assert_eq!((status, err.as_str()), (1, ""));
        assert!(out.contains("X ffmpeg") && out.contains("plimsoll doctor --fix") && out.contains("Not ready: 1 failure"), "{out}");
        assert!(out.contains("profile  safe  --profile") && out.is_ascii(), "{out}");
    }

    #[test]
    fn a_reader_that_goes_is_no_trouble_of_the_machines() {
        struct Gone;
        impl io::Write for Gone {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let folder = tempfile::tempdir().unwrap();
        for json in [true, false] {
            let options = DoctorOptions { fix: json, json, ascii: true, provide: machine(folder.path(), true, true) };
            let (status, _, _) = talk("", false, |console| {
                let console = &mut Console { input: console.input, out: &mut Gone, err: console.err, terminal: false };
                run(&options, inputs(folder.path()), console)
            });
            assert_eq!(status.expect("no error"), 0, "with the ffmpeg that was provided first");
        }
    }

    #[test]
    fn fix_installs_it_and_then_examines_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let options = DoctorOptions { fix: true, json: true, ascii: false, provide: machine(folder.path(), true, true) };
        let (status, out, err) = talk("", false, |console| run(&options, inputs(folder.path()), console).unwrap());
        assert_eq!(status, 0, "{out}{err}");
        assert!(err.contains("Reading package lists"));
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(report["checks"][0]["name"], "ffmpeg");
        assert!(report["checks"][0]["value"].as_str().unwrap().starts_with("7.1 at "), "{out}");
    }

    #[test]
    fn a_fix_that_was_refused_is_no_success() {
        let folder = tempfile::tempdir().unwrap();
        let options = DoctorOptions { fix: true, json: false, ascii: true, provide: machine(folder.path(), true, false) };
        let (status, out, err) = talk("n\n", true, |console| run(&options, inputs(folder.path()), console).unwrap());
        assert_eq!(status, 1);
        assert!(err.contains("not agreed to") && out.contains("X ffmpeg"), "{out}{err}");
    }
}
