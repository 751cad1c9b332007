//! Carries out cleanups, one at a time and in order, on a thread of its own, and measures what each really freed.
//!
//! Which cleanup, and when, the engine decides.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use crate::domain::cleanup::{CleanupAction, CleanupResult, CleanupVerdict};
use crate::domain::job::JobId;
use crate::domain::units::{Bytes, MIB};
use crate::engine::port::{CleanOrder, Input};
use crate::host::files::scratch;
use crate::host::memory::cgroup::Roots;
use crate::host::memory::file_ledger::{FileLedger, RunningJob};
use crate::host::memory::heap;
use crate::host::memory::page_cache;
use crate::host::memory::procfs;
use crate::host::memory::sampler::SampleSource;

pub use crate::host::memory::heap::limit_arenas;

/// What is left cached behind a running job's read position, so that it is not read from disk again.
pub const BEHIND_READER: u64 = 2 * MIB;

/// What a cleaner starts with.
#[derive(Debug, Clone)]
pub struct CleanerConfig {
    /// Where `/proc` is.
    pub roots: Roots,
    /// Whose files are whose.
    pub ledger: FileLedger,
    /// Measures before and after each action.
    pub samples: SampleSource,
    /// Folders for parts, those of earlier runs included; folders of the ledger are added by themselves.
    pub scratch_dirs: Vec<PathBuf>,
}

/// The cleaner's thread. Dropping it lets the action in hand finish (parts of a second) and leaves the rest undone.
#[derive(Debug)]
pub struct Cleaner {
    orders: Option<mpsc::Sender<CleanOrder>>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Cleaner {
    /// Starts the thread. Each order is answered by one [`Input::CleanupDone`].
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn(config: CleanerConfig, inputs: UnboundedSender<Input>) -> io::Result<Self> {
        let (orders, queue) = mpsc::channel::<CleanOrder>();
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new().name("cleaner".to_owned()).spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                let mut last_usage = Bytes::ZERO;
                for order in queue {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let result = carry_out(&config, &order, &mut last_usage);
                    if inputs.send(Input::CleanupDone(order.id, result)).is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok(Self { orders: Some(orders), is_over, thread: Some(thread) })
    }

    /// Queues an order; does not wait.
    pub fn clean(&self, order: CleanOrder) {
        if let Some(orders) = &self.orders {
            // Fails only when nobody listens to the results any more.
            let _ = orders.send(order);
        }
    }
}

impl Drop for Cleaner {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What an action went for and got.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Outcome {
    /// What it acted on held before.
    target: Bytes,
    /// What that gave back.
    freed: Bytes,
    /// Something was measured.
    is_measured: bool,
    /// Something could not be measured.
    is_partly_unknown: bool,
}

impl Outcome {
    /// Effective from nine tenths of what it went for; what could be measured of a mixed lot decides.
    fn verdict(self) -> CleanupVerdict {
        match self {
            Self { is_measured: false, is_partly_unknown: true, .. } => CleanupVerdict::Unverifiable,
            Self { freed: Bytes::ZERO, .. } => CleanupVerdict::Futile,
            Self { freed, target, .. } if freed >= target.scale(0.9) => CleanupVerdict::Effective,
            _ => CleanupVerdict::Partial,
        }
    }

    fn add(&mut self, dropped: Option<page_cache::Dropped>) {
        match dropped {
            Some(dropped) => {
                self.target += dropped.before;
                self.freed += dropped.freed();
                self.is_measured = true;
            }
            None => self.is_partly_unknown = true,
        }
    }
}

/// A usage that cannot be measured is taken to be the last one that could.
#[allow(clippy::disallowed_methods)] // how long the action took
fn carry_out(config: &CleanerConfig, order: &CleanOrder, last_usage: &mut Bytes) -> CleanupResult {
    let mut usage = || {
        if let Ok(sample) = config.samples.sample_now() {
            *last_usage = sample.usage;
        }
        *last_usage
    };
    let before = usage();
    let began = Instant::now();
    let outcome = match order.action {
        CleanupAction::DropFileCache => drop_file_cache(config, order),
        CleanupAction::RemoveScratch => remove_scratch(config, order),
        CleanupAction::TrimHeap => trim_heap(config),
        // Done to jobs, not to files or the heap: the engine orders those itself and never here.
        CleanupAction::HoldStarts | CleanupAction::StopJob | CleanupAction::KillJob => Outcome::default(),
    };
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    CleanupResult { before, after: usage(), freed: outcome.freed, millis, verdict: outcome.verdict() }
}

fn drop_file_cache(config: &CleanerConfig, order: &CleanOrder) -> Outcome {
    let mut outcome = Outcome::default();
    for file in config.ledger.finished() {
        if order.job.is_none_or(|job| job == file.job) {
            match open_cached(&file.path) {
                Ok(Some(open)) => {
                    let dropped = page_cache::drop_cache(&open, 0, file.written);
                    outcome.add(dropped);
                    // What cannot be measured has been dropped as far as it goes; a second time gives no more.
                    if dropped.is_none_or(|dropped| dropped.after <= dropped.before.scale(0.1)) {
                        config.ledger.dropped(&file.path);
                    }
                }
                // Gone, or memory of another kind: nothing to drop, now or later.
                Ok(None) => config.ledger.dropped(&file.path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => config.ledger.dropped(&file.path),
                Err(_) => outcome.is_partly_unknown = true,
            }
        }
    }
    let running = config.ledger.running();
    let readers: Vec<&RunningJob> = match order.job {
        Some(job) => running.get(&job).into_iter().collect(),
        None => running.values().collect(),
    };
    let inputs: BTreeSet<&Path> = readers.iter().map(|job| job.input.as_path()).collect();
    for input in inputs {
        drop_behind_readers(config, input, running.values().filter(|job| job.input == input), &mut outcome);
    }
    outcome
}

/// Drops of `input` what every one of its `readers` has passed. Without a known position nothing is dropped.
fn drop_behind_readers<'a>(
    config: &CleanerConfig,
    input: &Path,
    readers: impl Iterator<Item = &'a RunningJob>,
    outcome: &mut Outcome,
) {
    let positions = readers.map(|job| procfs::read_position(&config.roots.proc, job.pid, input));
    let slowest = positions.min().flatten();
    let passed = slowest.unwrap_or(0).saturating_sub(BEHIND_READER);
    if passed > 0
        && let Ok(Some(open)) = open_cached(input)
    {
        outcome.add(page_cache::drop_cache(&open, passed, false));
    }
}

/// `None` for a file whose pages are no cache.
fn open_cached(path: &Path) -> io::Result<Option<File>> {
    let file = page_cache::open(path)?;
    Ok(if page_cache::file_is_in_memory(&file) { None } else { Some(file) })
}

fn remove_scratch(config: &CleanerConfig, order: &CleanOrder) -> Outcome {
    let running = config.ledger.running();
    let is_needed = |job: JobId| running.contains_key(&job) || !order.is_for(job);
    let mut dirs = config.ledger.scratch_dirs();
    dirs.extend(config.scratch_dirs.iter().cloned());
    let mut outcome = Outcome::default();
    for dir in dirs {
        let is_ours = |job| config.ledger.has_started(job);
        match scratch::remove_strays(&dir, is_needed, is_ours) {
            Ok(removed) => {
                outcome.target += removed.freed + removed.left;
                outcome.freed += removed.freed;
                outcome.is_measured |= removed.freed > Bytes::ZERO;
                outcome.is_partly_unknown |= removed.is_partly_unknown;
            }
            Err(error) => tracing::warn!(dir = %crate::domain::text::path_text(&dir), %error, "scratch folder cannot be read"),
        }
    }
    outcome
}

fn trim_heap(config: &CleanerConfig) -> Outcome {
    let anon = || procfs::own_rss_anon(&config.roots.proc);
    let before = anon();
    let has_given = heap::trim();
    match before.zip(anon()) {
        // Somebody else's freeing in the same moment is not ours to claim.
        Some((before, after)) if has_given => {
            Outcome { target: before - after, freed: before - after, is_measured: true, is_partly_unknown: false }
        }
        None if has_given => Outcome { is_partly_unknown: true, ..Outcome::default() },
        _ => Outcome { is_measured: true, ..Outcome::default() },
    }
}

#[cfg(all(test, target_os = "linux"))]
#[path = "cleanup_tests.rs"]
mod tests;
