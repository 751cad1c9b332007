//! Folders and the terminal.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use rustix::fs::Access;

use super::Check;
use crate::domain::hook::{Hook, HookAction};
use crate::domain::text::{path_text, sanitise};
use crate::domain::units::Bytes;
use crate::host::files::fsops::free_space;
use crate::host::media::ffmpeg::on_path;

/// The queue's records are small; less than this is a disk about to be full.
const STATE_SPACE: Bytes = Bytes::mib(64);
/// What the guide gives the disk.
const OUTPUT_SPACE: Bytes = Bytes::gib(2);

/// What is known of the terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TerminalReport {
    /// Standard output is one.
    pub is_terminal: bool,
    /// `TERM`.
    pub term: Option<OsString>,
    /// Columns and rows.
    pub size: Option<(u16, u16)>,
    /// `COLORTERM` promises 24-bit colour.
    pub truecolor: bool,
    /// `NO_COLOR` is set.
    pub no_color: bool,
    /// The locale's name for characters: `LC_ALL`, else `LC_CTYPE`, else `LANG`.
    pub locale: Option<OsString>,
}

impl TerminalReport {
    /// Looks at standard output and the environment.
    pub fn detect() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let stdout = rustix::stdio::stdout();
        Self {
            is_terminal: rustix::termios::isatty(stdout),
            term: set("TERM"),
            size: rustix::termios::tcgetwinsize(stdout).ok().map(|size| (size.ws_col, size.ws_row)),
            truecolor: set("COLORTERM").is_some_and(|value| value == "truecolor" || value == "24bit"),
            no_color: set("NO_COLOR").is_some(),
            locale: set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG")),
        }
    }

    /// The locale's characters are UTF-8.
    pub fn is_utf8(&self) -> bool {
        let name = self.locale.as_ref().map(|locale| locale.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        name.contains("utf-8") || name.contains("utf8")
    }
}

/// The folder the queue is kept in.
pub fn state_folder(folder: &Path) -> Check {
    const NAME: &str = "state folder";
    match writable(folder) {
        Err(why) => Check::fail(NAME, why, "the queue must be kept somewhere: give another with --state-dir DIR"),
        Ok((words, Some(free))) if free < STATE_SPACE => Check::warn(NAME, words, "nearly full: the queue may not be recorded"),
        Ok((words, _)) => Check::ok(NAME, words),
    }
}

/// The folder outputs go to.
pub fn output_folder(folder: &Path) -> Check {
    const NAME: &str = "output folder";
    match writable(folder) {
        Err(why) => Check::fail(NAME, why, "give another with --out DIR"),
        Ok((words, Some(free))) if free < OUTPUT_SPACE => {
            Check::warn(NAME, words, format!("{OUTPUT_SPACE} or more is advised; starts are held when the disk is full"))
        }
        Ok((words, _)) => Check::ok(NAME, words),
    }
}

/// A folder that a server watches. One that is not there yet stops nothing.
pub fn watched_folder(folder: &Path) -> Check {
    const NAME: &str = "watched folder";
    let shown = path_text(folder);
    match fs::read_dir(folder) {
        Ok(_) => Check::ok(NAME, shown),
        Err(error) => Check::warn(
            NAME,
            format!("{shown} cannot be read: {error}"),
            "a server looks for it every 10 s, and takes nothing of it before it can be read",
        ),
    }
}

/// The program of a hook; `None` where an address is posted to, which is not tried.
pub fn hook(hook: Hook, action: &HookAction) -> Option<Check> {
    let HookAction::Command(words) = action else { return None };
    let (program, path) = (words.first()?, std::env::var_os("PATH").unwrap_or_default());
    let name = format!("hook {}", hook.name());
    if let Some(found) = on_path(&path, program.as_ref()) {
        return Some(Check::ok(&name, path_text(&found)));
    }
    let what = if program.contains('/') { "is no program that can be run" } else { "is in no folder of PATH" };
    Some(Check::warn(&name, format!("{program} {what}"), "correct it in the settings file; jobs run without it"))
}

/// That `folder` can be written to or made, in words, and what is free on its disk; else why not.
fn writable(folder: &Path) -> Result<(String, Option<Bytes>), String> {
    let shown = path_text(folder);
    let absolute = std::path::absolute(folder).map_err(|error| format!("{shown}: {error}"))?;
    // Where it is not there, what counts is the nearest folder that is.
    let existing = absolute.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
    let meta = fs::metadata(existing).map_err(|error| format!("{}: {error}", path_text(existing)))?;
    if !meta.is_dir() {
        return Err(format!("{} is not a folder", path_text(existing)));
    }
    rustix::fs::access(existing, Access::WRITE_OK | Access::EXEC_OK)
        .map_err(|error| format!("{} cannot be written to: {}", path_text(existing), io::Error::from(error)))?;
    if existing == absolute {
        try_to_write(existing).map_err(|error| format!("{shown} cannot be written to: {error}"))?;
    }
    let free = free_space(existing).ok();
    let state = if existing == absolute { "" } else { " (will be made)" };
    let space = free.map(|free| format!(", {free} free")).unwrap_or_default();
    Ok((format!("{shown}{state}{space}"), free))
}

/// Makes an empty file and removes it: rights alone do not tell of quotas and odd file systems.
fn try_to_write(folder: &Path) -> io::Result<()> {
    let trial = folder.join(format!(".plimsoll-doctor-{}", std::process::id()));
    fs::OpenOptions::new().write(true).create_new(true).open(&trial)?;
    fs::remove_file(&trial)
}

/// Writes a file that is more than a name, brings it to disk, and removes it: a full disk takes empty files still.
pub fn takes_files(folder: &Path) -> io::Result<()> {
    let mut trial = tempfile::tempfile_in(folder)?;
    trial.write_all(&vec![0; 64 * 1024])?;
    trial.sync_all()
}

/// The terminal and its characters.
pub fn terminal(report: &TerminalReport) -> Vec<Check> {
    const NAME: &str = "terminal";
    let term = report.term.as_ref().map(|term| sanitise(term.as_encoded_bytes()));
    let size = report.size.filter(|(columns, rows)| *columns > 0 && *rows > 0);
    let terminal = match (&term, size) {
        _ if !report.is_terminal => Check::ok(NAME, "none: `plimsoll` behaves as `plimsoll run`"),
        (None, _) => Check::warn(NAME, "TERM is not set", "set TERM, or use `plimsoll run`"),
        (Some(term), _) if term == "dumb" => Check::warn(NAME, "TERM is dumb", "use `plimsoll run` or --plain"),
        (Some(term), None) => Check::warn(NAME, format!("{term}, size unknown"), "set it with `stty rows 36 cols 120`"),
        (Some(term), Some((columns, rows))) => {
            let colours = match (report.no_color, report.truecolor) {
                (true, _) => "no colour (NO_COLOR)",
                (_, true) => "24-bit colour",
                _ => "16 colours",
            };
            let value = format!("{term}, {columns}x{rows}, {colours}");
            if columns < 60 || rows < 16 {
                Check::warn(NAME, value, "below 60x16 only three lines are shown")
            } else {
                Check::ok(NAME, value)
            }
        }
    };
    let locale = report.locale.as_ref().map_or_else(|| "not set".to_owned(), |locale| sanitise(locale.as_encoded_bytes()));
    let characters = if report.is_utf8() {
        Check::ok("characters", locale)
    } else {
        Check::warn("characters", format!("{locale}: no UTF-8"), "screens are drawn in ASCII; LC_ALL=C.UTF-8 gives the full ones")
    };
    vec![terminal, characters]
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_folder_that_will_be_made_is_fine_and_one_that_cannot_be_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let there = state_folder(folder.path());
        assert!(there.status == Status::Ok && there.value.contains(" free"), "{there:?}");
        let below = state_folder(&folder.path().join("a/b"));
        assert!(below.status == Status::Ok && below.value.contains("(will be made)"), "{below:?}");
        assert!(!folder.path().join("a").exists(), "looking makes nothing");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let blocked = output_folder(&file.join("out"));
        assert!(blocked.status == Status::Fail && blocked.value.ends_with("file is not a folder"), "{blocked:?}");
        let nowhere = state_folder(Path::new("/proc"));
        assert_eq!(nowhere.status, Status::Fail, "root may write there, the file system does not let it: {nowhere:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the trial file is removed");
    }

    #[test]
    fn a_watched_folder_that_is_missing_and_a_hook_that_cannot_run_are_told_and_stop_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(watched_folder(folder.path()).status, Status::Ok);
        let missing = watched_folder(&folder.path().join("in"));
        assert!(missing.status == Status::Warn && missing.value.contains("in cannot be read: No such file"), "{missing:?}");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(watched_folder(&file).status, Status::Warn);

        let command = |program: &str| hook(Hook::OnDone, &HookAction::Command(vec![program.to_owned(), "-q".to_owned()]));
        let found = command("sh").expect("a command is looked for");
        assert!(found.status == Status::Ok && found.value.ends_with("/sh") && found.name == "hook on_done", "{found:?}");
        let unable = command(file.to_str().unwrap()).expect("a command is looked for");
        assert!(unable.status == Status::Warn && unable.value.ends_with("file is no program that can be run"), "{unable:?}");
        let unknown = command("no-such-program").expect("a command is looked for");
        assert_eq!(unknown.value, "no-such-program is in no folder of PATH");
        assert_eq!(hook(Hook::OnIdle, &HookAction::Url("https://example.org/idle".to_owned())), None);
    }

    #[test]
    fn the_terminal_is_described_with_what_to_do_about_it() {
        let good = TerminalReport {
            is_terminal: true,
            term: Some("xterm-256color".into()),
            size: Some((120, 36)),
            truecolor: true,
            no_color: false,
            locale: Some("en_GB.UTF-8".into()),
        };
        let checks = terminal(&good);
        assert_eq!(checks[0], Check::ok("terminal", "xterm-256color, 120x36, 24-bit colour"));
        assert_eq!(checks[1], Check::ok("characters", "en_GB.UTF-8"));
        let poor = TerminalReport { size: Some((50, 20)), no_color: true, locale: Some("C".into()), ..good.clone() };
        let checks = terminal(&poor);
        assert!(checks[0].value.contains("NO_COLOR") && checks[0].status == Status::Warn);
        assert!(checks[1].advice.as_ref().unwrap().contains("C.UTF-8"));
        let odd = TerminalReport { term: Some("x\x1b[31m".into()), ..good.clone() };
        assert!(terminal(&odd)[0].value.starts_with("x␛[31m"));
        assert!(terminal(&TerminalReport { is_terminal: false, ..good })[0].value.starts_with("none"));
    }
}
