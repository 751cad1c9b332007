//! Which files each job reads and writes: what the cleaner may drop from memory and what the sampler counts as ours.
//!
//! A list only: it opens nothing and removes nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::job::JobId;
use crate::host::memory::page_cache;

/// Finished files remembered; the oldest is forgotten first.
pub const FINISHED_KEPT: usize = 64;

/// The list, shared: clones are cheap and show the same.
#[derive(Debug, Clone, Default)]
pub struct FileLedger(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    running: BTreeMap<JobId, RunningJob>,
    finished: VecDeque<FinishedFile>,
    scratch_dirs: BTreeSet<PathBuf>,
    ever_started: BTreeSet<JobId>,
}

/// A job whose process runs, or whose output is being put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningJob {
    /// Its process, leader of its group.
    pub pid: u32,
    /// What it reads.
    pub input: PathBuf,
    /// What it writes: the part, later the published output.
    pub written: PathBuf,
    /// The part lies in memory (tmpfs), so its size counts as memory that cannot be dropped.
    pub part_on_tmpfs: bool,
}

/// A file that a job has read or written and that may still be in the page cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinishedFile {
    pub job: JobId,
    pub path: PathBuf,
    /// It was written, so its pages may have to go to disk before they can be dropped.
    pub written: bool,
}

impl FileLedger {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The list is whole after every statement; a panic elsewhere while it was held takes nothing from it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A job's input has been read by a probe: its pages may be dropped even if the job never starts. Pushes nothing out,
    /// for a probe leaves little behind.
    pub fn inspected(&self, job: JobId, input: PathBuf) {
        let mut inner = self.lock();
        if inner.finished.len() < FINISHED_KEPT {
            inner.finish(FinishedFile { job, path: input, written: false });
        }
    }

    /// Parts are written to this folder from now on.
    pub fn writes_to(&self, folder: PathBuf) {
        self.lock().scratch_dirs.insert(folder);
    }

    /// A job's process runs; `part` is what it writes.
    pub fn started(&self, job: JobId, pid: u32, input: PathBuf, part: PathBuf) {
        let folder = part.parent().map(Path::to_owned);
        let part_on_tmpfs = folder.as_deref().is_some_and(page_cache::is_in_memory);
        let mut inner = self.lock();
        inner.scratch_dirs.extend(folder);
        inner.ever_started.insert(job);
        inner.running.insert(job, RunningJob { pid, input, written: part, part_on_tmpfs });
    }

    /// A job's part now stands at `output`. May come before or after [`FileLedger::ended`].
    pub fn published(&self, job: JobId, output: PathBuf) {
        let mut inner = self.lock();
        if let Some(running) = inner.running.get_mut(&job) {
            running.written = output;
            running.part_on_tmpfs = false;
        } else {
            inner.finished.retain(|file| !(file.job == job && file.written));
            inner.finish(FinishedFile { job, path: output, written: true });
        }
    }

    /// A job's process has been reaped: its number may soon be somebody else's.
    pub fn ended(&self, job: JobId) {
        let mut inner = self.lock();
        if let Some(running) = inner.running.remove(&job) {
            inner.finish(FinishedFile { job, path: running.input, written: false });
            inner.finish(FinishedFile { job, path: running.written, written: true });
        }
    }

    /// A finished file is out of the cache, or gone.
    pub fn dropped(&self, path: &Path) {
        self.lock().finished.retain(|file| file.path != path);
    }

    /// The jobs that run, with their files.
    pub fn running(&self) -> BTreeMap<JobId, RunningJob> {
        self.lock().running.clone()
    }

    /// Calls `each` for every running job without copying the list; `each` must be quick and must not call the ledger.
    pub fn each_running(&self, mut each: impl FnMut(JobId, &RunningJob)) {
        for (job, running) in &self.lock().running {
            each(*job, running);
        }
    }

    /// Finished files that no running job has open, oldest first.
    pub fn finished(&self) -> Vec<FinishedFile> {
        let inner = self.lock();
        let in_use = |path: &Path| inner.running.values().any(|job| job.input == path || job.written == path);
        inner.finished.iter().filter(|file| !in_use(&file.path)).cloned().collect()
    }

    /// Folders in which parts of this process have stood.
    pub fn scratch_dirs(&self) -> BTreeSet<PathBuf> {
        self.lock().scratch_dirs.clone()
    }

    /// This process has started the job at least once.
    pub fn has_started(&self, job: JobId) -> bool {
        self.lock().ever_started.contains(&job)
    }
}

impl Inner {
    fn finish(&mut self, file: FinishedFile) {
        let written = file.written || self.finished.iter().any(|known| known.path == file.path && known.written);
        self.finished.retain(|known| known.path != file.path);
        while self.finished.len() >= FINISHED_KEPT {
            self.finished.pop_front();
        }
        self.finished.push_back(FinishedFile { written, ..file });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(ledger: &FileLedger) -> Vec<String> {
        ledger.finished().iter().map(|file| file.path.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn an_ended_job_leaves_its_input_and_its_output_to_be_dropped() {
        for published_first in [true, false] {
            let ledger = FileLedger::default();
            ledger.started(JobId(1), 42, "/in".into(), "/out/.plimsoll/1.1.part".into());
            assert!(paths(&ledger).is_empty());
            if published_first {
                ledger.published(JobId(1), "/out/a.mp4".into());
                ledger.ended(JobId(1));
            } else {
                ledger.ended(JobId(1));
                ledger.published(JobId(1), "/out/a.mp4".into());
            }
            assert_eq!(paths(&ledger), ["/in", "/out/a.mp4"]);
            assert!(ledger.running().is_empty());
            ledger.dropped(Path::new("/in"));
            assert_eq!(paths(&ledger), ["/out/a.mp4"]);
        }
    }

    #[test]
    fn a_file_that_another_job_reads_is_not_among_the_finished() {
        let ledger = FileLedger::default();
        ledger.started(JobId(1), 1, "/in".into(), "/s/1.1.part".into());
        ledger.started(JobId(2), 2, "/in".into(), "/s/2.1.part".into());
        ledger.ended(JobId(1));
        assert_eq!(paths(&ledger), ["/s/1.1.part"]);
        ledger.ended(JobId(2));
        assert_eq!(paths(&ledger), ["/s/1.1.part", "/in", "/s/2.1.part"]);
    }

    #[test]
    fn the_list_of_finished_files_is_bounded_and_names_each_once() {
        let ledger = FileLedger::default();
        for job in 0..1000 {
            ledger.started(JobId(job), 1, "/same".into(), format!("/s/{job}.1.part").into());
            ledger.ended(JobId(job));
        }
        let finished = ledger.finished();
        assert_eq!(finished.len(), FINISHED_KEPT);
        assert_eq!(finished.iter().filter(|file| file.path == Path::new("/same")).count(), 1);
        assert!(finished.iter().any(|file| file.path == Path::new("/s/999.1.part")));
    }
}
