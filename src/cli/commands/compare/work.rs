//! The folder that the runs of a comparison work in: made for them, removed with everything in it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::cli::Usage;
use crate::domain::text::{error_words, path_text};

/// How the folder of a comparison begins; our process number follows.
const WORK: &str = ".plimsoll-compare-";
/// The file in it that is locked as long as the comparison lives.
const LOCK: &str = "lock";

/// A folder for outputs and records of the runs; it is removed with everything in it.
pub struct WorkFolder {
    dir: PathBuf,
    /// Those that had to be made above it, innermost first.
    made: Vec<PathBuf>,
    _lock: File,
}

impl WorkFolder {
    /// Makes it below `home`. What comparisons that were killed have left there is removed.
    pub fn make(home: &Path) -> Result<Self, Usage> {
        let wrong = |error: std::io::Error| {
            let why = error_words(&error);
            Usage(format!("cannot make a folder for the runs in {}: {why}; choose another with --out", path_text(home)))
        };
        let made = home.ancestors().take_while(|dir| !dir.exists()).map(Path::to_owned).collect();
        fs::create_dir_all(home).map_err(wrong)?;
        remove_leftovers(home);
        let dir = home.join(format!("{WORK}{}", std::process::id()));
        fs::create_dir(&dir).map_err(wrong)?;
        let lock = File::create(dir.join(LOCK)).map_err(wrong)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| wrong(error.into()))?;
        Ok(Self { dir, made, _lock: lock })
    }

    /// A fresh folder for one run.
    pub fn of_run(&self, number: u32) -> std::io::Result<PathBuf> {
        let dir = self.dir.join(format!("run-{number}"));
        fs::create_dir(&dir).map(|()| dir)
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
        for dir in &self.made {
            let _ = fs::remove_dir(dir);
        }
    }
}

/// Removes the folders of comparisons that do not live any more: nobody holds their locks.
fn remove_leftovers(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| {
            name.strip_prefix(WORK).is_some_and(|pid| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()))
        });
        if is_ours
            && let Ok(lock) = File::open(entry.path().join(LOCK))
            && flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
