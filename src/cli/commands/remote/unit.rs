//! `plimsoll serve unit`: the systemd unit of a server, with the paths of this machine.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use color_eyre::eyre::Result;

use crate::cli::Usage;
use crate::cli::args::ServeArgs;
use crate::cli::options::Resolved;
use crate::cli::write_out;
use crate::config::is_file_name;
use crate::wire::peer::user_name;

/// The unit as it is shipped.
const UNIT: &str = include_str!("../../../../packaging/plimsoll.service");

/// What differs from machine to machine.
struct Place<'a> {
    /// The words of the command line, the program first.
    words: Vec<&'a OsStr>,
    state_dir: &'a Path,
    out: &'a Path,
    /// Who runs it, where it is a service of the system.
    user: Option<String>,
}

/// Prints the unit; `own` = a service of the user who asks, not of the system.
pub(super) fn print(resolved: &Resolved, args: &ServeArgs, own: bool) -> Result<u8> {
    let program = crate::cli::own_program()?;
    let metrics = args.metrics.map(|address| address.to_string());
    let span = args.exit_when_idle.map(|span| format!("{}ms", span.as_millis()));
    // What cannot be watched is told now, not when the service starts.
    crate::cli::commands::remote::watch::folders(resolved, &args.watch)?;
    let watched = crate::cli::commands::remote::watch::words(&args.watch)?;
    let mut words = vec![program.as_os_str(), OsStr::new("serve")];
    words.extend([OsStr::new("--state-dir"), resolved.state_dir.as_os_str()]);
    words.extend([OsStr::new("--out"), resolved.settings.out.as_os_str()]);
    let is_told = |word: &OsStr| [&b"--state-dir="[..], b"--out="].iter().any(|told| word.as_bytes().starts_with(told));
    let here = super::watch::here()?;
    let given: Vec<OsString> = resolved.given.iter().filter(|word| !is_told(word)).map(|word| placed(word, &here)).collect();
    words.extend(given.iter().map(OsString::as_os_str));
    words.extend(args.hold.then_some(OsStr::new("--hold")));
    for (option, value) in [("--metrics", &metrics), ("--exit-when-idle", &span)] {
        words.extend(value.iter().flat_map(|value| [OsStr::new(option), OsStr::new(value)]));
    }
    words.extend(watched.iter().map(OsString::as_os_str));
    let uid = rustix::process::getuid().as_raw();
    let user = (!own).then(|| user_name(uid)).map(|name| if name.contains(' ') { uid.to_string() } else { name });
    let unit = unit(&Place { words, state_dir: &resolved.state_dir, out: &resolved.settings.out, user })?;
    write_out(unit.as_bytes())
}

/// An option as it is taken in whatever folder the service starts: files are named from the root. The name of a profile, of a preset or
/// of an ffmpeg that is to be looked for stays one.
fn placed(word: &OsStr, here: &Path) -> OsString {
    let bytes = word.as_bytes();
    let Some(at) = bytes.iter().position(|byte| *byte == b'=') else { return word.to_owned() };
    let (option, value) = (&bytes[..at], OsStr::from_bytes(&bytes[at + 1..]));
    let is_file = match option {
        b"--log-file" => true,
        b"--ffmpeg" => Path::new(value).components().count() > 1 || here.join(value).exists(),
        b"--profile" | b"--preset" => is_file_name(value),
        _ => false,
    };
    if !is_file {
        return word.to_owned();
    }
    let mut placed = OsStr::from_bytes(&bytes[..=at]).to_owned();
    placed.push(here.join(value).components().collect::<PathBuf>());
    placed
}

fn unit(place: &Place) -> Result<String, Usage> {
    let words = place.words.iter().map(|word| quoted(word, true)).collect::<Result<Vec<_>, _>>()?.join(" ");
    let mounts = [place.state_dir, place.out].map(|path| quoted(path.as_os_str(), false));
    let [state_dir, out] = mounts;
    let mounts = format!("{} {}", state_dir?, out?);
    let mut is_left_out = false;
    let mut lines = Vec::new();
    // What says how to use it, for whoever reads the shipped one.
    for line in UNIT.lines().skip_while(|line| line.starts_with('#')) {
        let (key, _) = line.split_once('=').unwrap_or((line, ""));
        match (key, &place.user) {
            ("# [system]", user) => is_left_out = user.is_none(),
            // For the folders and the user that the package makes.
            ("# [package]", _) => is_left_out = true,
            ("# [/system]" | "# [/package]", _) => is_left_out = false,
            _ if is_left_out => {}
            ("RequiresMountsFor", _) => lines.push(format!("RequiresMountsFor={mounts}")),
            ("ExecStart", _) => lines.push(format!("ExecStart={words}")),
            ("User", Some(user)) => lines.push(format!("User={user}")),
            // Films and outputs may lie anywhere.
            ("ProtectSystem", _) => lines.push("ProtectSystem=full".to_owned()),
            _ if line.starts_with("# Only /var/lib/plimsoll can be written") => {}
            // Whoever lets root do it wants films of all users to be read.
            ("CapabilityBoundingSet", Some(user)) if user == "root" => {}
            // The folder is there, and is told.
            ("StateDirectory", _) | ("# The user whose films these are." | "User", None) => {}
            ("WantedBy", None) => lines.push("WantedBy=default.target".to_owned()),
            _ => lines.push(line.to_owned()),
        }
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}

/// A word as systemd reads it back. In a command line `$` begins a variable; `%` begins a specifier everywhere.
fn quoted(word: &OsStr, is_command: bool) -> Result<String, Usage> {
    let text = word.to_str().filter(|text| !text.contains(char::is_control));
    let text = text.ok_or_else(|| {
        Usage(format!(
            "{} cannot stand in a unit: name it without control characters and in UTF-8",
            crate::domain::text::path_text(Path::new(word))
        ))
    })?;
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '"' | '\\' => safe.extend(['\\', c]),
            '%' => safe.push_str("%%"),
            '$' if is_command => safe.push_str("$$"),
            _ => safe.push(c),
        }
    }
    let is_plain = !safe.is_empty() && safe.chars().all(|c| c.is_alphanumeric() || "/._-=:,+@%$[]".contains(c));
    Ok(if is_plain { safe } else { format!("\"{safe}\"") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(user: Option<&str>) -> Place<'static> {
        let words = ["/opt/my tools/plimsoll", "serve", "--out", "/srv/50% \"off\" $x\\y"].map(OsStr::new).to_vec();
        let (state_dir, out) = (Path::new("/var/lib/p"), Path::new("/srv/films $1"));
        Place { words, state_dir, out, user: user.map(str::to_owned) }
    }

    #[test]
    fn the_unit_names_this_program_its_folders_and_its_user() {
        let unit = unit(&place(Some("anna"))).expect("plain");
        let line = r#"ExecStart="/opt/my tools/plimsoll" serve --out "/srv/50%% \"off\" $$x\\y""#;
        for line in [line, "User=anna", r#"RequiresMountsFor=/var/lib/p "/srv/films $1""#, "Type=notify", "ProtectSystem=full"] {
            assert!(unit.lines().any(|told| told == line), "{line}\n{unit}");
        }
        assert!(unit.starts_with("[Unit]") && unit.contains("WantedBy=multi-user.target"), "{unit}");
        for word in [
            "StateDirectory=",
            "system]",
            "package]",
            "PrivateTmp=",
            "ProtectHome=",
            "/etc/default",
            "=strict",
            "/var/lib/plimsoll",
        ] {
            assert!(!unit.contains(word), "{word}\n{unit}");
        }
    }

    #[test]
    fn the_unit_names_files_from_the_root_and_keeps_names() {
        let of = |word: &str| placed(OsStr::new(word), Path::new("/srv/p")).into_string().expect("plain");
        for (word, in_unit) in [
            ("--preset=./phone.yaml", "--preset=/srv/p/phone.yaml"),
            ("--preset=phone.yaml", "--preset=/srv/p/phone.yaml"),
            ("--profile=safe", "--profile=safe"),
            ("--log-file=p.log", "--log-file=/srv/p/p.log"),
            ("--ffmpeg=./bin/ffmpeg", "--ffmpeg=/srv/p/bin/ffmpeg"),
            ("--ffmpeg=/opt/ffmpeg", "--ffmpeg=/opt/ffmpeg"),
            ("--ffmpeg=ffmpeg-7", "--ffmpeg=ffmpeg-7"),
            ("--retries=3", "--retries=3"),
        ] {
            assert_eq!(of(word), in_unit);
        }
    }

    #[test]
    fn the_unit_of_a_user_has_nothing_that_only_the_system_may_do() {
        let unit = unit(&place(None)).expect("plain");
        assert!(unit.contains("WantedBy=default.target") && unit.contains("NoNewPrivileges=yes"), "{unit}");
        for key in ["User=", "CapabilityBoundingSet=", "ProtectSystem=full\n", "PrivateDevices=", "StateDirectory="] {
            assert!(!unit.contains(key), "{key}\n{unit}");
        }
    }

    #[test]
    fn root_keeps_the_right_to_read_films_of_all_users() {
        let has = |user| unit(&place(Some(user))).expect("plain").lines().any(|line| line == "CapabilityBoundingSet=");
        assert_eq!((has("anna"), has("root")), (true, false));
    }

    #[test]
    fn a_path_that_no_unit_can_hold_is_refused() {
        let path = OsStr::from_bytes(b"/srv/\xff");
        let why = quoted(path, true).expect_err("no UTF-8").to_string();
        assert!(why.contains(r"/srv/\xFF") || why.contains(r"/srv/\xff"), "{why}");
        assert!(quoted(OsStr::new("/srv/a\nExecStart=x"), true).is_err());
    }
}
