//! Which files of a watched folder are complete. Pure: it is told what was seen and when, and reads no clock and no disk.
//!
//! A file is complete when it has looked the same for long enough and nobody is known to write it; or at once when it was renamed
//! into place and nobody writes it for certain. A name that a program gives to what is not whole yet is no candidate; under such
//! a name nothing is waited for.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::time::{Mono, Wall};
use crate::host::files::file_id::Looks;
use crate::host::files::walk;

/// Between two looks at a file that somebody is known to write.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Names of waiting files that are told.
pub const TOLD: usize = 3;

/// Who writes a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writers {
    /// Nobody has it open for writing.
    None,
    /// Somebody has.
    Some,
    /// It cannot be told.
    Unknown,
}

/// What was seen at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is not there any more, or is no file.
    Gone,
    /// It looks so.
    There(Looks, Writers),
}

/// What follows from a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is not waited for any more.
    Dropped,
    /// It may not be whole yet.
    Waits,
    /// It is whole.
    Complete,
}

/// How a file came to notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// It was found, made or written.
    Changed,
    /// It was renamed into place, under a name that nobody waited for.
    MovedIn,
}

/// A file that may not be whole yet.
#[derive(Debug, Clone, Copy)]
struct Suspect {
    since: Wall,
    /// How it looked at the last look, and since when.
    looks: Option<(Looks, Mono)>,
    moved_in: bool,
    /// The next look.
    due: Mono,
}

/// The files that wait to be complete.
#[derive(Debug)]
pub struct Suspects {
    quiet: Duration,
    files: BTreeMap<PathBuf, Suspect>,
}

impl Suspects {
    /// None; each file that comes has to look the same for so long.
    pub const fn new(quiet: Duration) -> Self {
        Self { quiet, files: BTreeMap::new() }
    }

    /// A file has come to notice. One that waits already goes on waiting; what was written to it is seen at its next look.
    pub fn notice(&mut self, path: PathBuf, sign: Sign, at: (Mono, Wall)) {
        let moved_in = sign == Sign::MovedIn;
        let new = Suspect { since: at.1, looks: None, moved_in, due: at.0 };
        match self.files.get_mut(&path) {
            // Another file has its name now.
            Some(known) if moved_in => *known = Suspect { since: known.since, ..new },
            Some(_) => {}
            None => drop(self.files.insert(path, new)),
        }
    }

    /// A file has another name. Under which it is waited for as before; true if it was.
    pub fn renamed(&mut self, from: &Path, to: &Path, at: (Mono, Wall)) -> bool {
        let Some(known) = self.files.remove(from) else { return false };
        // It has to look the same for as long again: whoever renames a file may be the one who writes it.
        self.files.insert(to.to_owned(), Suspect { looks: None, moved_in: false, due: at.0, ..known });
        true
    }

    /// Nothing is waited for at this path and below it any more.
    pub fn forget(&mut self, path: &Path) {
        let gone: Vec<PathBuf> =
            self.files.range(path.to_owned()..).map(|(file, _)| file).take_while(|file| file.starts_with(path)).cloned().collect();
        for file in gone {
            self.files.remove(&file);
        }
    }

    /// The files that are to be looked at now.
    pub fn due(&self, now: Mono) -> Vec<PathBuf> {
        self.files.iter().filter(|(_, suspect)| suspect.due <= now).map(|(path, _)| path.clone()).collect()
    }

    /// When the next of them is to be looked at.
    pub fn next_look(&self) -> Option<Mono> {
        self.files.values().map(|suspect| suspect.due).min()
    }

    /// What was seen of a file that waits.
    pub fn looked(&mut self, path: &Path, now: Mono, seen: Seen) -> Verdict {
        let Some(suspect) = self.files.get_mut(path) else { return Verdict::Dropped };
        let Seen::There(looks, writers) = seen else {
            self.files.remove(path);
            return Verdict::Dropped;
        };
        let since = match suspect.looks {
            Some((known, since)) if known == looks => since,
            _ => now,
        };
        suspect.looks = Some((looks, since));
        let is_quiet = now.since(since) >= self.quiet && writers != Writers::Some;
        let is_moved = suspect.moved_in && writers == Writers::None;
        if is_quiet || is_moved {
            self.files.remove(path);
            return Verdict::Complete;
        }
        // One look at the end of the quiet time is enough: what changed before it is seen then.
        suspect.due = if now.since(since) < self.quiet { since + self.quiet } else { now + LOOK_AGAIN };
        Verdict::Waits
    }

    /// None waits.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// It waits.
    pub fn contains(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }

    /// The longest waiting, with since when.
    pub fn first(&self) -> Vec<(&Path, Wall)> {
        let mut files: Vec<(&Path, Wall)> = Vec::new();
        for (path, suspect) in &self.files {
            let at = files.partition_point(|(_, since)| *since <= suspect.since);
            if at < TOLD {
                files.insert(at, (path, suspect.since));
                files.truncate(TOLD);
            }
        }
        files
    }
}

/// The file below a watched folder may be an input by its name: it is not hidden, nothing on the way to it is passed over, and
/// it is none of the names that programs give to what is not whole.
pub fn may_be_input(below: &Path) -> bool {
    let Some(name) = below.file_name() else { return false };
    let is_draft = name.as_bytes().ends_with(b"~") || walk::is_half(below);
    let folders = below.parent().unwrap_or(Path::new("")).components();
    !is_draft && !is_hidden(name.as_bytes()) && folders.clone().all(|part| is_searched(part.as_os_str()))
}

/// A folder of this name is looked into.
pub fn is_searched(name: &std::ffi::OsStr) -> bool {
    !is_hidden(name.as_bytes()) && !walk::is_passed_name(name)
}

fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".")
}

#[cfg(test)]
#[path = "candidate_tests.rs"]
mod tests;
