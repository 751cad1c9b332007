//! What was about to happen to a part when its output was put in place, kept on record so that the next start can complete
//! it, and the completing.
//!
//! Knows nothing of jobs: a part, the name it is to have, and what the file looks like by size and inode.

use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};

use crate::host::files::file_id::FileId;
use crate::host::files::fsops::{parent, rename_new, sync_folder};
use crate::host::store::{OutputRecord, Store, StoreError, columns, insert_record, path_of, record};

/// A part that is whole and on disk, and is about to get its final name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    pub part: PathBuf,
    /// A file under the final name may be replaced.
    pub replaces: bool,
    /// What will be recorded of the output; its `path` is the final name.
    pub record: OutputRecord,
}

/// What is to be done about an intent that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// The part is there as it was: it gets its name.
    Rename,
    /// It has its name already: only the record is missing.
    Record,
    /// Neither: the job runs again.
    Again,
}

/// Inode and size of a regular file.
pub type Looks = (u64, u64);

/// Decides by what stands under both names; `None` = no regular file.
pub fn decide(wanted: Looks, part: Option<Looks>, output: Option<Looks>) -> Completion {
    // After a crash both names may lead to the file: the final one counts, the other is swept.
    if output == Some(wanted) {
        Completion::Record
    } else if part == Some(wanted) {
        Completion::Rename
    } else {
        Completion::Again
    }
}

/// How intents of an earlier run were settled.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completed {
    /// Outputs that are in place and on record now.
    pub outputs: Vec<PathBuf>,
    /// Intents that came to nothing: their jobs run again.
    pub dropped: usize,
}

/// Gives the part its final name.
pub(in crate::host) fn rename(intent: &Intent) -> io::Result<()> {
    let (from, to) = (&intent.part, &intent.record.path);
    if intent.replaces { std::fs::rename(from, to) } else { rename_new(from, to) }
}

impl Store {
    /// Puts an intent on record, in place of an earlier one for the same part. Returns when it is on disk.
    pub(in crate::host) fn intend(&self, intent: &Intent) -> Result<(), StoreError> {
        let intent = intent.clone();
        self.change(Box::new(move |connection| insert(connection, &intent)))
    }

    /// Takes an intent back. Returns when that is on disk.
    pub(in crate::host) fn withdraw(&self, part: &Path) -> Result<(), StoreError> {
        let part = part.to_owned();
        self.change(Box::new(move |connection| delete(connection, &part)))
    }

    /// The output stands: records it and takes the intent off, in one commit.
    pub(in crate::host) fn settle(&self, intent: &Intent) -> Result<(), StoreError> {
        let intent = intent.clone();
        self.change(Box::new(move |connection| {
            insert_record(connection, &intent.record)?;
            delete(connection, &intent.part)
        }))
    }

    /// The intents on record.
    pub fn intents(&self) -> Result<Vec<Intent>, StoreError> {
        self.read(|connection| {
            let mut query = connection.prepare("SELECT * FROM intents")?;
            query.query_map([], intent)?.collect()
        })
    }
}

fn insert(connection: &Connection, intent: &Intent) -> rusqlite::Result<()> {
    let Intent { part, replaces, record } = intent;
    let mut insert = connection
        .prepare_cached("INSERT OR REPLACE INTO intents VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)")?;
    let own = [Value::from(part.as_os_str().as_bytes().to_vec()), Value::from(i64::from(*replaces))];
    insert.execute(params_from_iter(own.into_iter().chain(columns(record))))?;
    Ok(())
}

fn delete(connection: &Connection, part: &Path) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM intents WHERE part = ?1")?.execute([part.as_os_str().as_bytes()])?;
    Ok(())
}

fn intent(row: &Row<'_>) -> rusqlite::Result<Intent> {
    Ok(Intent { part: path_of(row.get("part")?), replaces: row.get("replaces")?, record: record(row)? })
}

fn looks(path: &Path) -> Option<Looks> {
    let meta = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let id = FileId::from(&meta);
    Some((id.ino, id.size))
}

/// Completes what an earlier run was about to put in place, before its parts are swept. An intent that cannot be completed
/// is dropped: its job runs again.
pub fn complete(store: &Store) -> Result<Completed, StoreError> {
    let mut completed = Completed::default();
    for intent in store.intents()? {
        let record = &intent.record;
        let decision = decide((record.ino, record.size), looks(&intent.part), looks(&record.path));
        let stands = match decision {
            // A name that somebody else has taken meanwhile stays theirs.
            Completion::Rename => rename(&intent).is_ok(),
            Completion::Record => true,
            Completion::Again => false,
        };
        if stands && sync_folder(parent(&record.path)).is_ok() {
            store.settle(&intent)?;
            completed.outputs.push(record.path.clone());
        } else {
            store.withdraw(&intent.part)?;
            completed.dropped += 1;
        }
    }
    Ok(completed)
}

#[cfg(test)]
#[path = "intent_tests.rs"]
mod tests;
