//! A memory cgroup for a whole run of plimsoll and its jobs: with a limit of its own where one is wanted, and read from
//! outside while the run goes on.
//!
//! Knows nothing of what is run in it. Where no group can be made, [`crate::host::memory::job_cgroup`] tells why.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::domain::comparison::CurvePoint;
use crate::domain::units::Bytes;
use crate::host::memory::cgroup::{GroupReader, MemoryCgroup, Roots, Version};
use crate::host::memory::job_cgroup::{JobGroups, NoGroups};
use crate::host::process::child::start_within;

/// How often a run's group is read: a job grows by 20 to 40 MB meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How often an empty group is tried to be removed.
const REMOVALS: u32 = 100;
const REMOVE_PAUSE: Duration = Duration::from_millis(20);

/// The place where groups for runs are made.
#[derive(Debug)]
pub struct RunGroups(JobGroups);

impl RunGroups {
    /// Finds our own group and makes the place; see [`JobGroups::open`].
    pub fn open(roots: &Roots) -> Result<Self, NoGroups> {
        JobGroups::open(roots).map(Self)
    }

    /// Makes the group of one run, with `limit` as the most that it may hold, swap not to be used.
    pub fn make(&self, number: u32, limit: Option<Bytes>) -> io::Result<RunGroup> {
        let own = self.0.make_group(&format!("run-{number}"))?;
        let group = RunGroup { own };
        if let Some(limit) = limit {
            group.limit(limit)?;
        }
        Ok(group)
    }
}

/// The group of one run. Whatever lives in it is killed when it is dropped, and it is removed.
#[derive(Debug)]
pub struct RunGroup {
    own: MemoryCgroup,
}

impl RunGroup {
    fn limit(&self, limit: Bytes) -> io::Result<()> {
        let put = |file: &str, value: String| fs::write(self.own.dir.join(file), value);
        match self.own.version {
            Version::V1 => {
                put("memory.limit_in_bytes", limit.0.to_string())?;
                // Swap would hide what the limit is there to show. Not every kernel counts it.
                let _ = put("memory.memsw.limit_in_bytes", limit.0.to_string());
                let _ = put("memory.swappiness", "0".to_owned());
            }
            Version::V2 => {
                put("memory.max", limit.0.to_string())?;
                let _ = put("memory.swap.max", "0".to_owned());
            }
        }
        Ok(())
    }

    /// The command starts within the group.
    pub fn holds(&self, command: &mut Command) -> io::Result<()> {
        start_within(command, self.entrance()?);
        Ok(())
    }

    /// Whoever writes `0` to this file is in the group from then on.
    pub fn entrance(&self) -> io::Result<File> {
        OpenOptions::new().write(true).open(self.own.dir.join("cgroup.procs"))
    }

    /// Reads the group again and again from now on, on a thread of its own.
    pub fn watch(&self) -> Option<GroupWatch> {
        let mut reader = GroupReader::open(&self.own, &self.own.dir).ok()?;
        let (stop, stopped) = channel::<()>();
        let highest = self.own.dir.join(match self.own.version {
            Version::V1 => "memory.max_usage_in_bytes",
            Version::V2 => "memory.peak",
        });
        let seen: Arc<Mutex<GroupSeen>> = Arc::default();
        let so_far = Arc::clone(&seen);
        let look = move || {
            let began = now();
            let note = |change: &dyn Fn(&mut GroupSeen)| change(&mut seen.lock().unwrap_or_else(PoisonError::into_inner));
            loop {
                if let Ok(sums) = reader.sums() {
                    let point = CurvePoint { seconds: began.elapsed().as_secs_f64(), hard_bytes: sums.hard };
                    note(&|seen| {
                        seen.peak_usage = seen.peak_usage.max(sums.usage);
                        seen.curve.push(point);
                    });
                }
                if !matches!(stopped.recv_timeout(LOOK_EVERY), Err(RecvTimeoutError::Timeout)) {
                    break;
                }
            }
            // The kernel's own high-water mark misses nothing between two looks; older kernels of v2 have none.
            let told = fs::read_to_string(&highest).ok().and_then(|text| text.trim().parse().ok()).map(Bytes);
            note(&|seen| seen.peak_usage = seen.peak_usage.max(told.unwrap_or_default()));
        };
        let thread = std::thread::Builder::new().name("group".to_owned()).spawn(look).ok()?;
        Some(GroupWatch { stop, thread, seen: so_far })
    }
}

#[allow(clippy::disallowed_methods)] // the floor that reads clocks
fn now() -> Instant {
    Instant::now()
}

impl Drop for RunGroup {
    fn drop(&mut self) {
        for _ in 0..REMOVALS {
            let mut dirs = folders(&self.own.dir);
            for dir in &dirs {
                let procs = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
                for pid in procs.lines().filter_map(|pid| pid.parse::<libc::pid_t>().ok()).filter(|pid| *pid > 0) {
                    // SAFETY: plain numbers; whoever lives in this group was started by the run.
                    unsafe { libc::kill(pid, libc::SIGKILL) };
                }
            }
            dirs.reverse();
            // What was killed leaves when the kernel has taken it apart.
            if dirs.iter().filter(|dir| fs::remove_dir(dir).is_err()).count() == 0 {
                return;
            }
            std::thread::sleep(REMOVE_PAUSE);
        }
        tracing::warn!(group = %self.own.dir.display(), "the group of a run could not be removed");
    }
}

/// The folder and all below it, outermost first.
fn folders(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    let mut next = 0;
    while next < found.len() {
        let entries = fs::read_dir(&found[next]).into_iter().flatten().flatten();
        let inner: Vec<PathBuf> =
            entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect();
        found.extend(inner);
        next += 1;
    }
    found
}

/// What was read of a group so far goes on being read.
#[derive(Debug)]
pub struct GroupWatch {
    stop: Sender<()>,
    thread: JoinHandle<()>,
    seen: Arc<Mutex<GroupSeen>>,
}

/// What was read of a group.
#[derive(Debug, Clone, Default)]
pub struct GroupSeen {
    /// Highest usage, page cache included.
    pub peak_usage: Bytes,
    /// What it held that the kernel cannot drop.
    pub curve: Vec<CurvePoint>,
}

impl GroupWatch {
    /// What was read so far.
    pub fn so_far(&self) -> GroupSeen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends it; returns what was read.
    pub fn finish(self) -> GroupSeen {
        drop(self.stop);
        let _ = self.thread.join();
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
