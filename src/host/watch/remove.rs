//! Removes the input of a job that is done, where that was wished for and nothing speaks against it.

use std::path::Path;
use std::time::Duration;

use super::candidate::Writers;
use super::root::Root;
use super::writers::writers;
use crate::domain::job::LogLevel;
use crate::domain::text::{error_words, path_text};
use crate::domain::watch::{DeleteInput, WatchState};
use crate::host::files::file_id::{Looks, same_file};
use crate::host::files::scan::input_key;
use crate::host::store::{OutputRecord, Store, preset_hash};

/// Longest wait for what was recorded before.
pub const FLUSH: Duration = Duration::from_secs(10);

/// Removes the input at `path` of the watched folder number `at`, if `record` tells that the output stands which was made and
/// checked of the very file that is there. What came of it in words; `None` = it stays, and nobody need know.
pub fn remove(roots: &[Root], at: usize, store: &Store, path: &Path, record: &OutputRecord) -> Option<(LogLevel, String)> {
    // The end of the job itself has to be on record.
    if !store.flush(FLUSH) || !may_go(roots, at, store, path, record).unwrap_or(false) {
        return None;
    }
    let (input, output) = (path_text(path), path_text(&record.path));
    Some(match std::fs::remove_file(path) {
        Ok(()) => (LogLevel::Info, format!("removed {input}: its output stands at {output}")),
        Err(error) => (LogLevel::Warning, format!("cannot remove {input}, which is done: {}", error_words(&error))),
    })
}

/// Nothing speaks against it; `None` = it cannot be told.
fn may_go(roots: &[Root], at: usize, store: &Store, path: &Path, record: &OutputRecord) -> Option<bool> {
    let root = &roots[at];
    let looks = Looks::of(path)?;
    // A link, and not what it leads to, would go.
    let is_plain = std::fs::symlink_metadata(path).ok()?.is_file();
    let is_wished = root.config.delete_input == DeleteInput::AfterDone && store.taken(&root.key(path, &looks)).ok()? == Some(true);
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
    let is_wanted = store.is_wanted(&key).ok()?;
    let is_written = root.state == WatchState::Watching && writers(path) == Writers::Some;
    Some(!is_wanted && !is_written)
}
