//! What the queue of the state file takes and gives.
//!
//! A job waits, is *claimed* for a try, and is *finished* or *released*. What was claimed when plimsoll died waits again: it is
//! *reaped* at the next start.

use std::path::{Path, PathBuf};

use crate::domain::job::{Damage, JobId, Outcome, Rank};
use crate::domain::preset::Preset;
use crate::domain::time::Wall;
use crate::domain::units::Bytes;
use crate::engine::port::ScanId;
use crate::host::files::file_id::Looks;

/// Room for the ranks of what is queued at the front in one request, before what waits already.
pub const FRONT_ROOM: Rank = 1 << 40;
/// What tells whether two inputs are the same file: a hash of the canonical path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InputKey(pub [u8; 16]);

/// What is queued only once: an input, to be made with a preset into a folder of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Once<'a> {
    pub input: InputKey,
    /// Name of the preset.
    pub preset: &'a str,
    /// Folder of the outputs.
    pub out: &'a Path,
}

/// An input to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Absolute path, as it was given or found.
    pub input: PathBuf,
    /// See [`InputKey`].
    pub key: InputKey,
    pub size: Bytes,
    /// Where its output is to stand.
    pub output: PathBuf,
    /// Its place; `None` = at the end of the queue.
    pub place: Option<Rank>,
    /// It comes from a watched folder: in this state it is not taken again.
    pub taken: Option<Taken>,
}

/// A state of a file of a watched folder, for a preset and a folder of outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TakenKey(pub [u8; 16]);

impl TakenKey {
    /// Another file under the same name has another key, and so has one that was written to. Numbers of devices and inodes are
    /// no part of it: on network file systems they change from mount to mount. When a file was made is.
    pub fn of(path: &Path, looks: &Looks, preset: &str, out: &Path) -> Self {
        use std::os::unix::ffi::OsStrExt as _;

        let mut hasher = blake3::Hasher::new();
        for part in [path.as_os_str().as_bytes(), preset.as_bytes(), out.as_os_str().as_bytes()] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        for number in [looks.id.size as i64, looks.id.mtime_ns, looks.made_ns] {
            hasher.update(&number.to_le_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(key)
    }
}

/// A file that was taken from a watched folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Which state of it.
    pub key: TakenKey,
    /// It is to be removed when it is done.
    pub delete_input: bool,
}

/// Where a job's output goes, and at whose cost. A fact of each job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// Folder of the outputs, absolute. The output stands in it or below it.
    pub out: PathBuf,
    /// An output that is there is replaced.
    pub overwrite: bool,
}

/// A job that was taken off the list, as far as it can be put back.
#[derive(Debug, Clone, PartialEq)]
pub struct Removed {
    pub id: JobId,
    /// The input, absolute.
    pub input: PathBuf,
    /// See [`InputKey`].
    pub key: InputKey,
    /// Where its output was to stand.
    pub output: PathBuf,
    /// What was wished for its output.
    pub destination: Destination,
    /// The preset, as it was when the job was queued.
    pub preset: Preset,
}

/// Jobs to be put back together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    /// Under which number that is told.
    pub scan: ScanId,
    /// The jobs, each with its output and its place.
    pub jobs: Vec<(JobId, PathBuf, Rank)>,
}

/// Inputs that are queued together.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The scan that found them.
    pub scan: ScanId,
    /// What is to be made of them, kept with the jobs: they run with it whatever the name means by then.
    pub preset: Preset,
    /// What was wished for their outputs, kept with the jobs as well.
    pub destination: Destination,
    /// The inputs, in their order.
    pub jobs: Vec<NewJob>,
    /// When, for people.
    pub at: Wall,
}

/// How a claimed or waiting job ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    pub outcome: Outcome,
    /// Where its output stands, if that is known.
    pub output: Option<PathBuf>,
    /// Tries in all.
    pub attempts: u32,
    /// Why it did not end well.
    pub reason: Option<String>,
    /// When, for people.
    pub at: Wall,
    /// What of its input could not be decoded.
    pub damage: Option<Damage>,
}

/// A waiting job, as it is handed out.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Its number, never used twice in this store.
    pub id: JobId,
    /// The input, absolute.
    pub input: PathBuf,
    /// Its size when it was queued.
    pub size: Bytes,
    /// Where its output is to stand.
    pub output: PathBuf,
    /// Name of the preset.
    pub preset: String,
    /// Which definition of it; see [`super::store::preset_hash`].
    pub definition: String,
    /// Its place.
    pub rank: Rank,
    /// Tries so far.
    pub attempts: u32,
    /// Let in although it is over the size limit.
    pub allowed: bool,
    /// Claims in a row that were reaped.
    pub deaths: u32,
}
