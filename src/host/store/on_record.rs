//! What is on record, for those who only look: the queue as it is stored, and which outputs were made of what.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::error::{StoreError, explain};
use super::jobs;
use super::outputs::{self, OutputRecord};
use super::{FILE_NAME, Records, Standing, look_into, path_of};
use crate::domain::job::JobId;
use crate::domain::preset::Preset;
use crate::domain::units::Bytes;
use crate::engine::port::ScanId;
use crate::host::jobstore::{InputKey, Once};

/// No run has this number: what was queued by any is of another one.
const NO_RUN: i64 = -1;

/// The record of a state folder, which another plimsoll may be at work in.
#[derive(Debug)]
pub struct OnRecord {
    path: PathBuf,
    /// None where there is no record yet.
    connection: Option<Connection>,
}

/// A job that waits, or is at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingJob {
    pub id: JobId,
    pub input: PathBuf,
    /// Size of the input when it was queued.
    pub size: Bytes,
    /// Where its output is to stand.
    pub output: PathBuf,
    /// Name of its preset.
    pub preset: String,
    /// The operator has let it in.
    pub allowed: bool,
}

impl OnRecord {
    /// Opens it.
    pub fn open(state_dir: &Path) -> Result<Self, StoreError> {
        Ok(Self { path: state_dir.join(FILE_NAME), connection: look_into(state_dir)? })
    }

    fn read<T: Default>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.connection.as_ref().map_or_else(|| Ok(T::default()), read).map_err(|error| explain(&self.path, &error))
    }

    /// The queue, next first.
    pub fn waiting(&self) -> Result<Vec<WaitingJob>, StoreError> {
        self.read(|connection| {
            let mut query = connection.prepare(
                "SELECT id, input, size, output, preset, allowed FROM jobs WHERE state <= 1 ORDER BY state DESC, rank, id",
            )?;
            let rows = query.query_map([], |row| {
                Ok(WaitingJob {
                    id: JobId(row.get::<_, i64>(0)? as u64),
                    input: path_of(row.get(1)?),
                    size: Bytes(row.get::<_, i64>(2)? as u64),
                    output: path_of(row.get(3)?),
                    preset: row.get(4)?,
                    allowed: row.get(5)?,
                })
            })?;
            rows.collect()
        })
    }

    /// The presets of the queue by their names, as they were when jobs were queued with them.
    pub fn presets(&self) -> Result<BTreeMap<String, Preset>, StoreError> {
        self.read(|connection| {
            let mut query = connection.prepare(
                "SELECT DISTINCT presets.definition FROM jobs JOIN presets ON presets.hash = jobs.definition WHERE jobs.state <= 1",
            )?;
            let definitions = query.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
            let read = definitions.iter().filter_map(|definition| serde_json::from_str::<Preset>(definition).ok());
            Ok(read.map(|preset| (preset.name.clone(), preset)).collect())
        })
    }

    /// A job of the queue makes this output anew, whatever stands there.
    pub fn overwrites(&self, output: &Path) -> bool {
        let overwrites = self.read(|connection| {
            let mut query =
                connection.prepare_cached("SELECT 1 FROM jobs WHERE output = ?1 AND state <= 1 AND overwrite LIMIT 1")?;
            query.exists([output.as_os_str().as_bytes()])
        });
        overwrites.unwrap_or(false)
    }
}

impl Records for OnRecord {
    fn lookup(&self, path: &Path) -> Option<OutputRecord> {
        self.read(|connection| outputs::find(connection, path)).ok().flatten()
    }

    fn standing(&self, _: ScanId, _: Once<'_>) -> Standing {
        Standing::New
    }

    fn is_taken(&self, output: &Path, key: &InputKey, preset: &str) -> bool {
        self.read(|connection| jobs::is_taken(connection, NO_RUN, output, key, preset)).unwrap_or(false)
    }

    fn is_input(&self, key: &InputKey) -> bool {
        self.read(|connection| jobs::is_input(connection, NO_RUN, key)).unwrap_or(false)
    }

    fn made_last(&self, input: &InputKey, preset: &str) -> Option<PathBuf> {
        self.read(|connection| jobs::output_of(connection, input, preset)).ok().flatten()
    }
}
