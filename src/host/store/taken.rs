//! Which files of watched folders were taken, so that no start takes them again: each state of a file once for a preset and a
//! folder of outputs.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Store, StoreError};
use crate::host::jobstore::{Taken, TakenKey};

/// Made where it is not there: a record of an earlier plimsoll goes on as it is.
pub(super) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS taken (no INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, delete_input INTEGER NOT NULL);
";
/// Files remembered; more than a folder is likely to hold. The oldest are forgotten first.
const KEPT: i64 = 1_000_000;

pub(super) fn insert(connection: &Connection, taken: &Taken) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT OR IGNORE INTO taken (key, delete_input) VALUES (?1, ?2)")?;
    insert.execute(params![taken.key.0, taken.delete_input])?;
    Ok(())
}

pub(super) fn retain(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM taken WHERE no <= (SELECT max(no) FROM taken) - ?1")?.execute([KEPT])?;
    Ok(())
}

impl Store {
    /// The file was taken; with whether it was to be removed after it is done.
    pub fn taken(&self, key: &TakenKey) -> Result<Option<bool>, StoreError> {
        self.read(|reader| {
            let mut query = reader.prepare_cached("SELECT delete_input FROM taken WHERE key = ?1")?;
            query.query_row([key.0], |row| row.get(0)).optional()
        })
    }

    /// These need not be looked at again. Returns when that is on disk.
    pub fn remember_taken(&self, taken: Vec<Taken>) -> Result<(), StoreError> {
        self.change(Box::new(move |connection| taken.iter().try_for_each(|taken| insert(connection, taken))))
    }
}
