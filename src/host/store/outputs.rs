//! Which output was made from which bytes with which preset.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};

use super::path_of;
use crate::domain::preset::Preset;
use crate::domain::time::Wall;
use crate::host::files::file_id::{self, FileId};

/// Which output was made from what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputRecord {
    /// The output, absolute.
    pub path: PathBuf,
    /// The input it was made from, absolute.
    pub input: PathBuf,
    /// The input as it was then.
    pub input_id: FileId,
    /// blake3 of the input's bytes.
    pub input_hash: String,
    /// Name of the preset.
    pub preset: String,
    /// See [`preset_hash`].
    pub preset_hash: String,
    /// Size of the output.
    pub size: u64,
    /// Inode of the output.
    pub ino: u64,
    /// When it was made.
    pub made_at: Wall,
}

impl OutputRecord {
    /// Does the output still stand, made with this definition of the preset from these very bytes? The input is only read
    /// if `stat` says that it is another file, or was touched, while its size is the same.
    pub fn is_current(&self, input: &Path, preset_hash: &str) -> io::Result<bool> {
        if self.preset_hash != preset_hash || !self.stands() {
            return Ok(false);
        }
        let id = FileId::of(input)?;
        if id == self.input_id {
            return Ok(true);
        }
        Ok(id.size == self.input_size() && file_id::hash(input)? == self.input_hash)
    }

    /// The output was made with this preset of a part of the file at `input`, which was still being copied then: what is made of
    /// the whole takes its place. Only where the output is still the file that was recorded.
    pub fn is_of_a_part(&self, input: &Path, preset_hash: &str) -> bool {
        let has_grown = || FileId::of(input).is_ok_and(|id| id.size > self.input_size());
        let begins_alike = || file_id::hash_first(input, self.input_size()).is_ok_and(|hash| hash == self.input_hash);
        self.input == input && self.preset_hash == preset_hash && self.stands() && has_grown() && begins_alike()
    }

    /// The output is the file that was recorded: same size, same inode.
    pub fn stands(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|meta| {
            let id = FileId::from(&meta);
            meta.is_file() && id.size == self.size && id.ino == self.ino
        })
    }

    const fn input_size(&self) -> u64 {
        self.input_id.size
    }
}

/// Hash of a preset's whole definition: another definition under the same name makes other bytes.
pub fn preset_hash(preset: &Preset) -> String {
    // A preset is plain data with text keys, which always has a JSON form; an empty one would match nothing that is recorded.
    let definition = serde_json::to_vec(preset).unwrap_or_default();
    blake3::hash(&definition).to_hex().to_string()
}

pub(in crate::host) fn insert_record(connection: &Connection, record: &OutputRecord) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT OR REPLACE INTO outputs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")?;
    insert.execute(params_from_iter(columns(record)))?;
    Ok(())
}

/// A record as its columns, in the table's order.
pub(in crate::host) fn columns(record: &OutputRecord) -> [Value; 12] {
    let path = |path: &Path| Value::from(path.as_os_str().as_bytes().to_vec());
    [
        path(&record.path),
        path(&record.input),
        (record.input_id.dev as i64).into(),
        (record.input_id.ino as i64).into(),
        (record.input_id.size as i64).into(),
        record.input_id.mtime_ns.into(),
        record.input_hash.clone().into(),
        record.preset.clone().into(),
        record.preset_hash.clone().into(),
        (record.size as i64).into(),
        (record.ino as i64).into(),
        record.made_at.0.into(),
    ]
}

/// What is recorded of the output at `path`.
pub(super) fn find(connection: &Connection, path: &Path) -> rusqlite::Result<Option<OutputRecord>> {
    let mut query = connection.prepare_cached("SELECT * FROM outputs WHERE path = ?1")?;
    query.query_row([path.as_os_str().as_bytes()], record).optional()
}

pub(in crate::host) fn record(row: &Row<'_>) -> rusqlite::Result<OutputRecord> {
    let number = |name| row.get::<_, i64>(name).map(|number| number as u64);
    Ok(OutputRecord {
        path: path_of(row.get("path")?),
        input: path_of(row.get("input")?),
        input_id: FileId {
            dev: number("input_dev")?,
            ino: number("input_ino")?,
            size: number("input_size")?,
            mtime_ns: row.get("input_mtime_ns")?,
        },
        input_hash: row.get("input_hash")?,
        preset: row.get("preset")?,
        preset_hash: row.get("preset_hash")?,
        size: number("size")?,
        ino: number("ino")?,
        made_at: Wall(row.get("made_at")?),
    })
}
