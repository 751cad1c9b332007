//! Where the record is kept when nobody says where: at home, or, for a user without one, in a folder of the system.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use crate::cli::Usage;
use crate::domain::places::xdg_folder;
use crate::domain::text::{error_words, path_text};

/// The system's own folder, for a user without a home.
const SYSTEM: &str = "/var/lib/plimsoll";

/// The folder that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// The folder; only the last resort is made already.
    pub folder: PathBuf,
    /// Why it is not the usual one, and what to do; `None` for the usual one.
    pub remark: Option<String>,
}

/// Chooses: `$XDG_STATE_HOME/plimsoll`, `~/.local/state/plimsoll`, `/var/lib/plimsoll`, each if it can be written or made,
/// else `$TMPDIR/plimsoll-UID`, which is made for this user alone.
pub fn choose(variable: impl Fn(&str) -> Option<OsString>) -> Result<Chosen, Usage> {
    choose_from(&variable, Path::new(SYSTEM))
}

fn choose_from(variable: &dyn Fn(&str) -> Option<OsString>, system: &Path) -> Result<Chosen, Usage> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let usual = xdg_folder(variable, "XDG_STATE_HOME", ".local/state");
    let why = match &usual {
        Some(folder) => match usable(folder) {
            Ok(()) => return Ok(Chosen { folder: folder.clone(), remark: None }),
            Err(error) => format!("{} cannot be used ({})", path_text(folder), error_words(&error)),
        },
        None => "neither XDG_STATE_HOME nor HOME is set".to_owned(),
    };
    let remark = |folder: &Path, more: &str| {
        let folder = path_text(folder);
        Some(format!("{why}: the record is kept in {folder}{more}; choose another place with --state-dir or PLIMSOLL_STATE_DIR"))
    };
    if usable(system).is_ok() {
        return Ok(Chosen { folder: system.to_owned(), remark: remark(system, "") });
    }
    let temporary = absolute("TMPDIR").filter(|folder| folder.is_dir()).unwrap_or_else(|| PathBuf::from("/tmp"));
    let folder = temporary.join(format!("plimsoll-{}", rustix::process::geteuid().as_raw()));
    own(&folder).map_err(|error| {
        let folder = path_text(&folder);
        let error = error_words(&error);
        Usage(format!("{why}, and {folder} cannot be used either ({error}); say where to keep the record with --state-dir DIR"))
    })?;
    let more = ", which may be gone after a restart of the machine";
    Ok(Chosen { remark: remark(&folder, more), folder })
}

/// The folder can be written, or the nearest one above that is there can. Makes nothing.
fn usable(folder: &Path) -> io::Result<()> {
    // The place that systems name as the home of users who have none: not even root should make it.
    if folder.starts_with("/nonexistent") {
        return Err(io::ErrorKind::NotFound.into());
    }
    for there in folder.ancestors() {
        match std::fs::metadata(there) {
            Ok(meta) if meta.is_dir() => return Ok(rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK)?),
            Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
            // A link to nothing is nothing that could be made.
            Err(error) if error.kind() != io::ErrorKind::NotFound || std::fs::symlink_metadata(there).is_ok() => return Err(error),
            Err(_) => {}
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Makes a folder in a place that everybody writes to, and sees that it is a folder, this user's, and closed to all others.
fn own(folder: &Path) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let refused = |why| Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    let meta = std::fs::symlink_metadata(folder)?;
    if !meta.is_dir() {
        return refused("it is not a folder");
    }
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return refused("it belongs to another user");
    }
    if meta.mode() & 0o777 != 0o700 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A choice where `set` names the variables, and the system's folder is `system`.
    fn chosen(set: &[(&str, &Path)], system: &Path) -> Result<Chosen, Usage> {
        let set: Vec<(String, OsString)> = set.iter().map(|(name, path)| ((*name).to_owned(), path.into())).collect();
        let find = move |name: &str| set.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        choose_from(&find, system)
    }

    fn uid_folder(below: &Path) -> PathBuf {
        below.join(format!("plimsoll-{}", rustix::process::geteuid().as_raw()))
    }

    #[test]
    fn the_usual_places_are_taken_without_a_word_and_nothing_is_made_there() {
        let dir = tempfile::tempdir().expect("folder");
        let (home, state, nowhere) = (dir.path().join("home"), dir.path().join("state"), Path::new("/dev/null/nowhere"));
        let plain = |folder: PathBuf| Chosen { folder, remark: None };
        assert_eq!(chosen(&[("HOME", &home)], nowhere).expect("chosen"), plain(home.join(".local/state/plimsoll")));
        let both = [("HOME", home.as_path()), ("XDG_STATE_HOME", state.as_path())];
        assert_eq!(chosen(&both, nowhere).expect("chosen"), plain(state.join("plimsoll")));
        let relative = [("HOME", home.as_path()), ("XDG_STATE_HOME", Path::new("state"))];
        assert_eq!(chosen(&relative, nowhere).expect("chosen"), plain(home.join(".local/state/plimsoll")));
        assert!(!home.exists() && !state.exists());
    }

    #[test]
    fn a_user_without_a_home_gets_the_systems_folder_else_one_of_his_own_and_is_told() {
        let dir = tempfile::tempdir().expect("folder");
        let (system, nowhere) = (dir.path().join("lib/plimsoll"), Path::new("/dev/null/nowhere"));
        let first = chosen(&[], &system).expect("chosen");
        assert_eq!(first.folder, system);
        assert!(first.remark.expect("told").contains("neither XDG_STATE_HOME nor HOME is set"));
        for home in ["/nonexistent", "/dev/null/nobody", "/dev/null"] {
            let last = chosen(&[("HOME", Path::new(home)), ("TMPDIR", dir.path())], nowhere).expect("chosen");
            assert_eq!(last.folder, uid_folder(dir.path()), "{home}");
            let remark = last.remark.expect("told");
            for words in [home, "plimsoll-", "--state-dir"] {
                assert!(remark.contains(words), "{words} is missing in {remark}");
            }
            assert_eq!(std::fs::metadata(&last.folder).expect("made").mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_folder_of_the_last_resort_is_closed_and_what_somebody_planted_in_its_place_is_refused() {
        let dir = tempfile::tempdir().expect("folder");
        let (nowhere, folder) = (Path::new("/dev/null/nowhere"), uid_folder(dir.path()));
        std::fs::create_dir(&folder).expect("made");
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).expect("opened");
        chosen(&[("TMPDIR", dir.path())], nowhere).expect("ours");
        assert_eq!(std::fs::metadata(&folder).expect("there").mode() & 0o777, 0o700);
        std::fs::remove_dir(&folder).expect("removed");
        let victim = dir.path().join("victim");
        std::fs::create_dir(&victim).expect("made");
        std::os::unix::fs::symlink(&victim, &folder).expect("linked");
        let Usage(why) = chosen(&[("TMPDIR", dir.path())], nowhere).expect_err("a link");
        assert!(why.contains("it is not a folder") && why.contains("--state-dir"), "{why}");
    }
}
