//! Our files in memory, counted on a thread of its own: a share that hangs must not stop the samples.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use super::narrow::OurCache;
use crate::domain::job::JobId;
use crate::domain::units::Bytes;
use crate::host::files::scratch;
use crate::host::memory::file_ledger::FileLedger;
use crate::host::memory::page_cache;

/// How long a sample waits for the count; after that the last one counts.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long it waits where somebody wants to know what was freed just now.
const LONG_PATIENCE: Duration = Duration::from_secs(2);

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// Folders for parts.
    scratch_dirs: BTreeSet<PathBuf>,
    /// The running jobs: the parts of these are counted elsewhere.
    running: BTreeSet<JobId>,
    /// `None` where the page cache does not count as ours.
    cached: Option<Cached>,
}

/// Files whose pages in the cache are ours.
#[derive(Debug)]
struct Cached {
    finished: Vec<PathBuf>,
    streaming: BTreeSet<PathBuf>,
}

/// What the files hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Parts on a tmpfs that belong to no running job.
    pub(super) stray_scratch: Bytes,
    pub(super) cache: OurCache,
}

impl Files {
    /// Those of the ledger now, and the parts in `scratch_dirs`.
    pub(super) fn of(ledger: &FileLedger, scratch_dirs: BTreeSet<PathBuf>, counts_cache: bool) -> Self {
        let running = ledger.running();
        let jobs = running.keys().copied().collect();
        let cached = counts_cache.then(|| Cached {
            finished: ledger.finished().into_iter().map(|file| file.path).collect(),
            streaming: running.into_values().flat_map(|job| [job.input, job.written]).collect(),
        });
        Self { scratch_dirs, running: jobs, cached }
    }

    /// Asks the kernel. Waits as long as the slowest of the file systems.
    fn count(&self) -> Counted {
        let is_stray = |job: JobId| !self.running.contains(&job);
        Counted {
            stray_scratch: self.scratch_dirs.iter().map(|dir| scratch::held_in_memory(dir, is_stray)).sum(),
            cache: self.cached.as_ref().map_or_else(OurCache::default, |files| OurCache {
                finished: files.finished.iter().map(|path| cached(path)).sum(),
                streaming: files.streaming.iter().map(|path| cached(path)).sum(),
            }),
        }
    }
}

/// What of a file is in the page cache; nothing for a file on a tmpfs, which is no cache, or one that is gone.
fn cached(path: &Path) -> Bytes {
    let resident = |file| if page_cache::file_is_in_memory(&file) { None } else { page_cache::resident(&file, 0) };
    page_cache::open(path).ok().and_then(resident).unwrap_or_default()
}

/// Counts when asked, and remembers the last count. Its thread ends with it; one that waits for a file system ends when that answers.
#[derive(Debug, Default)]
pub(super) struct Counter {
    thread: Option<(SyncSender<Files>, Receiver<Counted>)>,
    is_asked: bool,
    last: Counted,
}

impl Counter {
    pub(super) const fn last(&self) -> Counted {
        self.last
    }

    /// Counts anew. Where that takes longer than [`PATIENCE`], or longer than [`LONG_PATIENCE`] where it has to be `new`, the last
    /// count stays, and nothing more is asked until the answer is there. Where one was late the next one is not waited for.
    pub(super) fn renew(&mut self, files: Files, new: bool) {
        let patience = match (new, self.is_asked) {
            (true, _) => LONG_PATIENCE,
            (false, true) => Duration::ZERO,
            (false, false) => PATIENCE,
        };
        self.renew_by(files, patience, Files::count);
    }

    fn renew_by(&mut self, files: Files, patience: Duration, count: impl Fn(&Files) -> Counted + Send + 'static) {
        if self.thread.is_none() {
            self.thread = start(count);
        }
        let Some((ask, answers)) = &self.thread else { return };
        if self.is_asked {
            let Ok(late) = answers.try_recv() else { return };
            (self.last, self.is_asked) = (late, false);
        }
        self.is_asked = ask.send(files).is_ok();
        if let Ok(counted) = answers.recv_timeout(patience) {
            (self.last, self.is_asked) = (counted, false);
        }
    }
}

/// `None` where the system gives no thread now.
fn start(count: impl Fn(&Files) -> Counted + Send + 'static) -> Option<(SyncSender<Files>, Receiver<Counted>)> {
    let (ask, asked) = sync_channel::<Files>(1);
    let (answer, answers) = sync_channel(1);
    let thread = std::thread::Builder::new().name("files-in-memory".to_owned());
    let counts = move || {
        while let Ok(files) = asked.recv() {
            if answer.send(count(&files)).is_err() {
                return;
            }
        }
    };
    thread.spawn(counts).ok().map(|_| (ask, answers))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, mpsc};

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn stray(bytes: u64) -> Counted {
        Counted { stray_scratch: Bytes(bytes), ..Counted::default() }
    }

    #[test]
    fn a_file_system_that_hangs_leaves_the_last_count_and_is_asked_again_when_it_has_answered() {
        let (answer, answers) = mpsc::channel::<Counted>();
        let asked = Arc::new(Mutex::new(0));
        let count = {
            let asked = Arc::clone(&asked);
            let answers = Mutex::new(answers);
            move |_: &Files| {
                *asked.lock().expect("whole") += 1;
                answers.lock().expect("whole").recv().expect("the test answers")
            }
        };
        let mut counter = Counter::default();
        answer.send(stray(1)).expect("waits for it");
        counter.renew_by(Files::default(), LONG, count);
        assert_eq!(counter.last(), stray(1));
        let unused = |_: &Files| stray(9);
        // It hangs now: nobody waits for it twice.
        counter.renew_by(Files::default(), Duration::ZERO, unused);
        counter.renew_by(Files::default(), LONG, unused);
        counter.renew_by(Files::default(), LONG, unused);
        assert_eq!(counter.last(), stray(1));
        answer.send(stray(2)).expect("waits for it");
        answer.send(stray(3)).expect("waits for it");
        // The late answer, or the one after it, as soon as they are there.
        while counter.last() != stray(3) {
            counter.renew_by(Files::default(), LONG, unused);
        }
        assert_eq!(*asked.lock().expect("whole"), 3);
    }
}
