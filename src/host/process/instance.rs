//! One plimsoll on one state folder: a lock that the kernel gives back when its holder ends, however it ends.
//!
//! It must not know what stands in the folder.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::domain::text::{error_words, path_text};
use crate::host::files::fsops::make_private;
use crate::host::process::orphans::ProcessIdentity;

/// Name of the file that is locked, within the state folder. It stays there; what counts is the lock.
pub const FILE_NAME: &str = "lock";
/// A child of a console that was killed may hold the lock for as long as it takes to die.
const LAST_BREATHS: u32 = 100;
/// Between two tries.
const BREATH: Duration = Duration::from_millis(10);
/// No holder writes more.
const MOST_READ: u64 = 256;

/// The lock. Held as long as this or a copy of it lives.
#[derive(Debug, Clone)]
pub struct Instance {
    _lock: Arc<Lock>,
}

#[derive(Debug)]
struct Lock {
    /// Its description in the kernel carries the lock.
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A child that is just being forked has the description too, until it runs its program: closing ours is not enough.
        let _ = rustix::fs::flock(&self.file, FlockOperation::Unlock);
    }
}

/// Why the folder is not ours.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// Another plimsoll works on it.
    #[error(
        "another plimsoll{} works on the state folder {folder}; hand it files with `plimsoll add`, or wait for it where it is a `plimsoll run`, which takes nothing new and ends with its queue; end it with `plimsoll stop`, or choose another folder with --state-dir",
        holder.map_or_else(String::new, |pid| format!(" (process {pid})"))
    )]
    Taken {
        folder: String,
        /// The other's process, where it can be told.
        holder: Option<u32>,
    },
    /// What is to be the folder is a file.
    #[error("cannot write the state file {file}: {folder} is a file; give a folder with --state-dir")]
    NoFolder { file: String, folder: String },
    /// The lock cannot be made.
    #[error(
        "cannot write the state file {file}: {why}; make its folder writable, free some space there, or choose another with --state-dir"
    )]
    Unwritable {
        file: String,
        /// Why.
        why: String,
    },
}

impl Instance {
    /// Takes the state folder, which is made if it is missing.
    ///
    /// # Errors
    /// Another process holds it, or the lock cannot be made there.
    pub fn claim(state_dir: &Path) -> Result<Self, InstanceError> {
        let path = state_dir.join(FILE_NAME);
        let unwritable = |error: &io::Error| InstanceError::Unwritable { file: path_text(&path), why: error_words(error) };
        make_private(state_dir).map_err(|error| {
            let in_the_way = state_dir.ancestors().find(|path| path.exists()).filter(|path| !path.is_dir());
            in_the_way.map_or_else(
                || unwritable(&error),
                |file| InstanceError::NoFolder { file: path_text(&path), folder: path_text(file) },
            )
        })?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let mut file = options.open(&path).map_err(|error| unwritable(&error))?;
        for breath in 0.. {
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => {
                    let holder = holder(&mut file);
                    // Its number is written right after the lock is taken, and stays when it has been killed.
                    let settles = holder.is_none_or(|life| !life.is_alive());
                    if !settles || breath >= LAST_BREATHS {
                        let holder = holder.map(|life| life.pid);
                        return Err(InstanceError::Taken { folder: path_text(state_dir), holder });
                    }
                    std::thread::sleep(BREATH);
                }
                // A file system without locks: the number in the file has to do.
                Err(Errno::NOSYS | Errno::NOTSUP | Errno::NOLCK | Errno::INVAL) => {
                    if let Some(other) = holder(&mut file).filter(|life| life.pid != std::process::id() && life.is_alive()) {
                        return Err(InstanceError::Taken { folder: path_text(state_dir), holder: Some(other.pid) });
                    }
                    break;
                }
                Err(error) => return Err(unwritable(&error.into())),
            }
        }
        // A disk that is full is told by the record, which needs more; the lock holds all the same.
        let _ = write_holder(&mut file);
        Ok(Self { _lock: Arc::new(Lock { file }) })
    }
}

/// A living plimsoll works on the state folder, as far as can be told without touching the lock: whoever asks only looks.
pub fn is_held(state_dir: &Path) -> bool {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let file = options.open(state_dir.join(FILE_NAME));
    file.ok().and_then(|mut file| holder(&mut file)).is_some_and(|life| life.is_alive())
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(format!("{}\n", ProcessIdentity::own()).as_bytes())
}

fn holder(file: &mut File) -> Option<ProcessIdentity> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(MOST_READ).read_to_string(&mut text).ok()?;
    text.trim_end().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(dir: &Path) -> String {
        Instance::claim(dir).expect_err("refused").to_string()
    }

    #[test]
    fn a_folder_has_one_holder_at_a_time_and_a_second_is_told_who_it_is() {
        let dir = tempfile::tempdir().expect("folder");
        let state = dir.path().join("new/state");
        assert!(!is_held(&state));
        let first = Instance::claim(&state).expect("free");
        assert!(is_held(&state));
        let text = refusal(&state);
        for words in [&format!("process {}", std::process::id()), "ends with its queue", "--state-dir", "new/state"] {
            assert!(text.contains(words), "{words} is missing in {text}");
        }
        Instance::claim(&dir.path().join("other")).expect("another folder is another matter");
        // A child has such a copy from its fork up to its exec.
        let Instance { _lock: lock } = &first;
        let _copy = lock.file.try_clone().expect("copied");
        drop(first);
        Instance::claim(&state).expect("given back with its holder, whoever has a copy");
    }

    #[test]
    fn what_a_dead_holder_left_in_the_file_keeps_nobody_out() {
        let dir = tempfile::tempdir().expect("folder");
        for left in ["", "1 1 of-another-boot\n", "no number at all", &"9".repeat(10_000), &format!("{}\n", ProcessIdentity::own())]
        {
            std::fs::write(dir.path().join(FILE_NAME), left).expect("written");
            Instance::claim(dir.path()).expect("nobody holds the lock");
            let text = std::fs::read_to_string(dir.path().join(FILE_NAME)).expect("read");
            assert_eq!(text, format!("{}\n", ProcessIdentity::own()));
        }
    }

    #[test]
    fn a_link_or_a_fifo_in_the_place_of_the_lock_is_refused_at_once() {
        let dir = tempfile::tempdir().expect("folder");
        let (lock, victim) = (dir.path().join(FILE_NAME), dir.path().join("victim"));
        std::fs::write(&victim, "precious").expect("written");
        std::os::unix::fs::symlink(&victim, &lock).expect("linked");
        assert!(refusal(dir.path()).contains("cannot write the state file"));
        assert_eq!(std::fs::read_to_string(&victim).expect("read"), "precious");
    }
}
