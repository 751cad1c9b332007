//! A profile written to a file among the operator's own: a new file always, never in the place of one that is there.

use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::profile::{parse, to_yaml};
use super::search::{Kind as _, SearchPaths, list};
use crate::domain::profile::Profile;
use crate::domain::text::{error_words, path_text, sanitise};

/// Why a profile was not written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// There is no folder for it.
    #[error("there is no folder for profiles: neither XDG_CONFIG_HOME nor HOME is set; set one of them")]
    NoFolder,
    /// It is not sound.
    #[error("{0}")]
    Unsound(String),
    /// The name is taken.
    #[error("there is a profile {name} already: {origin}; choose another name")]
    Taken {
        name: String,
        /// Where the other one comes from.
        origin: String,
    },
    /// It cannot be written.
    #[error("cannot write {path}: {why}")]
    Unwritable {
        path: String,
        /// What the system says.
        why: String,
    },
}

/// Writes a profile as `profiles/NAME.yaml` of the operator's settings folder, which is made if need be, with a comment on
/// top; returns where. From then on it is found by its name.
///
/// # Errors
/// It is not sound, its name is taken, wherever by, or the file cannot be written. Then nothing is left behind.
pub fn save_profile(paths: &SearchPaths, profile: &Profile, comment: &str) -> Result<PathBuf, SaveError> {
    profile.check().map_err(SaveError::Unsound)?;
    let folder = paths.config_dir.as_ref().ok_or(SaveError::NoFolder)?.join(Profile::FOLDER);
    let file = folder.join(format!("{}.yaml", profile.name));
    if let Some(known) = list::<Profile>(paths).into_iter().find(|listed| listed.name == profile.name) {
        return Err(SaveError::Taken { name: profile.name.clone(), origin: known.origin.to_string() });
    }
    let mut text = String::new();
    for line in comment.lines() {
        text.extend(["# ", &sanitise(line.as_bytes()), "\n"]);
    }
    text.push_str(&to_yaml(profile));
    // What could not be read back would be in the way of every later start.
    match parse(&file, &text) {
        Ok(read) if read == *profile => {}
        Ok(_) => return Err(SaveError::Unsound(format!("{} would read back as another profile", profile.name))),
        Err(mistakes) => return Err(SaveError::Unsound(super::search::lines(&mistakes))),
    }
    let unwritable = |path: &Path, error: &io::Error| SaveError::Unwritable { path: path_text(path), why: error_words(error) };
    std::fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, &error))?;
    match write_new(&folder, &file, &text) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(SaveError::Taken { name: profile.name.clone(), origin: path_text(&file) })
        }
        Err(error) => Err(unwritable(&file, &error)),
        Ok(()) => Ok(file),
    }
}

/// The whole file or none: written aside, synced, then given its name, which nobody may have.
fn write_new(folder: &Path, file: &Path, text: &str) -> io::Result<()> {
    // As any file that is made: what the umask leaves.
    let mut new = tempfile::Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    new.persist_noclobber(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::search::find;
    use super::*;
    use crate::domain::units::Bytes;

    fn profile(name: &str) -> Profile {
        let mut profile = find::<Profile>(&SearchPaths::default(), "balanced").expect("built in").value;
        (profile.name, profile.max_concurrent) = (name.to_owned(), 3.into());
        profile
    }

    fn paths(folder: &Path) -> SearchPaths {
        SearchPaths { config_dir: Some(folder.join("config/plimsoll")), work_dir: Some(folder.join("work")), share_dir: None }
    }

    #[test]
    fn what_is_saved_is_found_by_its_name_and_says_where_it_came_from() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = paths(folder.path());
        let file = save_profile(&paths, &profile("mine-3"), "a variation of balanced\n\u{1b}[31m").expect("saved");
        assert_eq!(file, folder.path().join("config/plimsoll/profiles/mine-3.yaml"));
        assert_eq!(find::<Profile>(&paths, "mine-3").expect("found").value, profile("mine-3"));
        let text = std::fs::read_to_string(&file).expect("there");
        assert!(text.starts_with("# a variation of balanced\n# ␛[31m\nname: mine-3\n"), "{text}");
        assert_eq!(std::fs::read_dir(file.parent().expect("a folder")).expect("read").count(), 1, "nothing else is left");
    }

    #[test]
    fn nothing_that_is_there_is_written_over_or_hidden() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = paths(folder.path());
        let own = save_profile(&paths, &profile("mine"), "").expect("saved");
        let before = std::fs::read_to_string(&own).expect("there");
        let other = Profile { max_file_size: Bytes::mib(1), ..profile("mine") };
        let told = save_profile(&paths, &other, "").expect_err("taken").to_string();
        assert!(told.contains("there is a profile mine already") && told.contains("mine.yaml"), "{told}");
        assert_eq!(std::fs::read_to_string(&own).expect("there"), before);
        let told = save_profile(&paths, &profile("safe"), "").expect_err("taken").to_string();
        assert_eq!(told, "there is a profile safe already: built in; choose another name");
        // A broken file of that name is somebody's too, and so is what is no profile at all.
        std::fs::write(own.with_file_name("odd.yaml"), "no profile").expect("written");
        assert!(matches!(save_profile(&paths, &profile("odd"), ""), Err(SaveError::Taken { .. })));
        std::os::unix::fs::symlink("nowhere", own.with_file_name("link.yaml")).expect("made");
        assert!(matches!(save_profile(&paths, &profile("link"), ""), Err(SaveError::Taken { .. })));
    }

    #[test]
    fn an_unsound_profile_or_name_and_a_folder_that_is_none_are_refused_with_the_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut paths = paths(folder.path());
        for name in ["../mine", "Mine", "", "mine.yaml"] {
            let told = save_profile(&paths, &profile(name), "").expect_err("refused").to_string();
            assert!(told.contains("is not a name"), "{name}: {told}");
        }
        assert!(!folder.path().join("config").exists(), "nothing was made");
        std::fs::write(folder.path().join("config"), "a file").expect("written");
        let told = save_profile(&paths, &profile("mine"), "").expect_err("no folder").to_string();
        assert!(told.starts_with("cannot write ") && told.contains("config/plimsoll/profiles: "), "{told}");
        paths.config_dir = None;
        assert!(matches!(save_profile(&paths, &profile("mine"), ""), Err(SaveError::NoFolder)));
    }
}
