//! Removes the input of a job that is done, where that was wished for and nothing speaks against it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::candidate::Writers;
use super::root::Root;
use crate::domain::job::LogLevel;
use crate::domain::text::{error_words, path_text};
use crate::domain::watch::DeleteInput;
use crate::host::files::file_id::{Looks, same_file};
use crate::host::files::scan::input_key;
use crate::host::store::{OutputRecord, Store, preset_hash};

/// Longest wait for what was recorded before.
pub const FLUSH: Duration = Duration::from_secs(10);

/// Where nobody can tell who writes a file, somebody may: one that has stopped for so long will not go on.
const LONG: Duration = Duration::from_hours(1);

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone or cannot be removed, in words.
    Told(LogLevel, String),
    /// It stays, and nobody need know.
    Stays,
    /// It may go after this time, if nobody writes it meanwhile.
    Later(Duration),
}

/// Removes the input at `path` of the watched folder number `at`, if `record` tells that the output stands which was made and
/// checked of the very file that is there.
pub fn remove(roots: &[Root], at: usize, store: &Store, path: &Path, record: &OutputRecord) -> Removal {
    if roots[at].config.delete_input != DeleteInput::AfterDone {
        return Removal::Stays;
    }
    match still_written(roots[at].writers(path), quiet_for(path)) {
        Some(Duration::ZERO) => return Removal::Stays,
        Some(wait) => return Removal::Later(wait),
        None => {}
    }
    // The end of the job itself has to be on record.
    if !store.flush(FLUSH) || !is_done_with(roots, at, store, path, record).unwrap_or(false) {
        return Removal::Stays;
    }
    let (input, output) = (path_text(path), path_text(&record.path));
    match std::fs::remove_file(path) {
        Ok(()) => Removal::Told(LogLevel::Info, format!("removed {input}: its output stands at {output}")),
        Err(error) => Removal::Told(LogLevel::Warning, format!("cannot remove {input}, which is done: {}", error_words(&error))),
    }
}

/// How long it is at least until nobody writes it any more, zero where that is not known; `None` = nobody does.
fn still_written(who: Writers, quiet_for: Duration) -> Option<Duration> {
    match who {
        Writers::None => None,
        Writers::Some => Some(Duration::ZERO),
        Writers::Unknown => LONG.checked_sub(quiet_for).filter(|wait| !wait.is_zero()),
    }
}

/// For how long nothing of a file has changed, by this machine's clock.
#[allow(clippy::disallowed_methods)] // the host reads clocks
fn quiet_for(path: &Path) -> Duration {
    let changed = std::fs::metadata(path).map_or(i64::MAX, |meta| meta.mtime().max(meta.ctime()));
    let changed = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(changed.max(0).cast_unsigned()));
    changed.and_then(|changed| SystemTime::now().duration_since(changed).ok()).unwrap_or_default()
}

/// Nothing speaks against it but who may write the file; `None` = it cannot be told.
fn is_done_with(roots: &[Root], at: usize, store: &Store, path: &Path, record: &OutputRecord) -> Option<bool> {
    let root = &roots[at];
    let looks = Looks::of(path)?;
    // A link, and not what it leads to, would go.
    let is_plain = std::fs::symlink_metadata(path).ok()?.is_file();
    let is_wished = store.taken(&root.key(path, &looks)).ok()? == Some(true);
    let is_made_of_it = record.input == path
        && record.input_id == looks.id
        && record.preset_hash == preset_hash(&root.config.preset)
        && record.stands()
        && !same_file(&record.path, path).ok()?;
    if !(is_plain && is_wished && is_made_of_it) {
        return Some(false);
    }
    // Somebody may still want it: a watched folder whose job of it is not done or found it damaged, or any job that has not ended.
    let key = input_key(path);
    for other in roots.iter().filter(|other| other.may_take(path)) {
        let is_taken = store.taken(&other.key(path, &looks)).ok()?.is_some();
        if !is_taken || !store.is_whole(&key, &other.config.preset.name).ok()? {
            return Some(false);
        }
    }
    store.is_wanted(&key).ok().map(|is_wanted| !is_wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_of_which_nobody_can_tell_who_writes_it_goes_an_hour_after_its_last_change() {
        let minutes = Duration::from_mins;
        assert_eq!(still_written(Writers::Unknown, minutes(5)), Some(minutes(55)));
        assert_eq!(still_written(Writers::Unknown, minutes(60)), None);
        assert_eq!(still_written(Writers::None, Duration::ZERO), None, "the kernel says so");
        assert_eq!(still_written(Writers::Some, minutes(90)), Some(Duration::ZERO), "however long it pauses");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("film.ts");
        let file = std::fs::File::create(&path).expect("made");
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        file.set_modified(long_ago).expect("set");
        assert!(quiet_for(&path) < minutes(30), "a date that was copied says nothing of the last write");
        assert_eq!(quiet_for(&folder.path().join("missing")), Duration::ZERO);
    }
}
