//! A memory cgroup of its own for each job: its kills are counted apart, and a limit of its share hits it alone.
//!
//! `<our group>/plimsoll-<pid>/job-<id>.<attempt>`; further places of one process are `plimsoll-<pid>.2` and so on.
//! Whether the group's limit is wise, and what a kill means, others decide.
//! Where no groups can be made the reason is told, and jobs stay in our own group.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::domain::job::JobId;
use crate::domain::text::path_text;
use crate::domain::units::Bytes;
use crate::host::memory::cgroup::{self, MemoryCgroup, Roots, Version};
use crate::host::memory::kernel_file::KeptFile;

/// How the folder of one plimsoll's groups begins; its process number follows.
const PREFIX: &str = "plimsoll-";
/// Where plimsoll itself goes when it has to leave its group so that memory control can be handed on (v2).
const CONSOLE: &str = "console";
/// Places made by this process so far.
static PLACES: AtomicU32 = AtomicU32::new(0);
/// How often an empty group is tried to be removed: what was killed leaves it when the kernel has taken it apart.
const REMOVALS: u32 = 60;
/// The same at the end of plimsoll.
const LAST_REMOVALS: u32 = 15;
/// Pause between those tries.
const REMOVE_PAUSE: Duration = Duration::from_millis(20);
/// v2: throttling and reclaim begin this part of the limit below it.
const HIGH_BELOW: u64 = 16;

/// Why jobs get no groups of their own.
#[derive(Debug, thiserror::Error)]
pub enum NoGroups {
    /// No cgroup file system, or none with memory.
    #[error("there is no memory cgroup")]
    NoCgroup,
    /// v1 without hierarchy: a child's memory would not be held against our limit.
    #[error("groups within {0} would not be counted towards it (memory.use_hierarchy is 0)")]
    Flat(String),
    /// The system refuses to make one.
    #[error("no group can be made in {folder}: {}", words(source))]
    Make {
        /// Our own group.
        folder: String,
        /// What the system said.
        source: io::Error,
    },
    /// Memory control cannot be switched on for groups within ours.
    #[error("groups in {folder} get no memory control: {why}")]
    NoControl {
        /// Our own group.
        folder: String,
        /// Who refuses, in words.
        why: String,
    },
}

fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::EROFS) => "the cgroup file system is mounted read-only here".to_owned(),
        Some(libc::EACCES | libc::EPERM) => "permission denied; it is not delegated to this user".to_owned(),
        _ => error.to_string(),
    }
}

/// The place where this process makes groups for its jobs. Dropping it removes what is empty.
#[derive(Debug)]
pub struct JobGroups {
    own: MemoryCgroup,
    base: PathBuf,
    /// We have moved into [`CONSOLE`], out of `own`.
    has_moved: bool,
    limited: Limited,
}

/// The groups that were given a limit, by the job that lives in them.
type Limited = Arc<Mutex<BTreeMap<JobId, PathBuf>>>;

fn lock(limited: &Limited) -> MutexGuard<'_, BTreeMap<JobId, PathBuf>> {
    // Entries are independent; after a panic elsewhere each is still whole.
    limited.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The group of one try of one job. It is removed when its owner says so.
#[derive(Debug)]
pub struct JobGroup {
    version: Version,
    dir: PathBuf,
    procs: File,
    kills: KeptFile,
    limited: Limited,
}

impl JobGroups {
    /// Finds our own group, removes what dead plimsolls have left there, and makes the place for our jobs' groups.
    ///
    /// On v2 memory control is switched on for the groups within ours. The kernel refuses that while processes live in
    /// it; if we are the only one, we move into a group of our own below it, else there are no groups.
    pub fn open(roots: &Roots) -> Result<Self, NoGroups> {
        let own = cgroup::find(roots).ok_or(NoGroups::NoCgroup)?;
        remove_leftovers(&own.dir);
        refuse_flat(&own)?;
        let base = own.dir.join(match PLACES.fetch_add(1, Ordering::Relaxed) {
            0 => format!("{PREFIX}{}", std::process::id()),
            earlier => format!("{PREFIX}{}.{}", std::process::id(), earlier + 1),
        });
        let mut groups = Self { own, base, has_moved: false, limited: Arc::default() };
        groups.raise()?;
        Ok(groups)
    }

    /// The place, with memory control in it.
    fn raise(&mut self) -> Result<(), NoGroups> {
        make_dir(&self.base).map_err(|source| NoGroups::Make { folder: path_text(&self.own.dir), source })?;
        if self.own.version == Version::V2 {
            if !self.base.join("memory.max").exists() {
                self.hand_memory_on()?;
            }
            enable_memory(&self.base).map_err(|error| self.no_control(&words(&error)))?;
        } else if !self.base.join("memory.limit_in_bytes").exists() {
            return Err(self.no_control("the kernel gave it none"));
        }
        Ok(())
    }

    fn no_control(&self, why: &str) -> NoGroups {
        NoGroups::NoControl { folder: path_text(&self.own.dir), why: why.to_owned() }
    }

    /// v2: switches memory control on for the groups within ours.
    fn hand_memory_on(&mut self) -> Result<(), NoGroups> {
        match enable_memory(&self.own.dir) {
            Ok(()) => return Ok(()),
            Err(error) if error.raw_os_error() != Some(libc::EBUSY) => return Err(self.no_control(&words(&error))),
            Err(_) => {}
        }
        if !is_alone(&self.own.dir) {
            return Err(self.no_control(SHARED));
        }
        let console = self.base.join(CONSOLE);
        make_dir(&console).map_err(|source| NoGroups::Make { folder: path_text(&self.base), source })?;
        enter(&console).map_err(|error| self.no_control(&words(&error)))?;
        self.has_moved = true;
        enable_memory(&self.own.dir).map_err(|error| self.no_control(&words(&error)))
    }

    /// Makes the group of one try, with `limit` as the most its processes may hold, page cache included (the kernel drops
    /// cache first). `None` = no limit of its own.
    pub fn make(&self, job: JobId, attempt: u32, limit: Option<Bytes>) -> io::Result<JobGroup> {
        let dir = self.make_named(&format!("job-{job}.{attempt}"))?;
        let opened = open_group(&dir, self.own.version).inspect_err(|_| drop(fs::remove_dir(&dir)));
        let (procs, kills) = opened?;
        let group = JobGroup { version: self.own.version, dir, procs, kills, limited: Arc::clone(&self.limited) };
        match limit.map(|limit| put_limit(group.version, &group.dir, limit)) {
            None => {}
            Some(Ok(())) => drop(lock(&self.limited).insert(job, group.dir.clone())),
            Some(Err(error)) => {
                tracing::warn!(group = %path_text(&group.dir), %error, "the job runs without its memory limit");
            }
        }
        Ok(group)
    }

    /// Makes the group of a helper that is no job: what the kernel kills there is in none of the counts of jobs.
    ///
    /// # Errors
    /// It cannot be made, or the limit cannot be put on it: without one it would be of no use.
    pub fn make_helper(&self, name: &str, limit: Bytes) -> io::Result<JobGroup> {
        let version = self.own.version;
        let dir = self.make_named(name)?;
        let opened = put_limit(version, &dir, limit).and_then(|()| open_group(&dir, version));
        let (procs, kills) = opened.inspect_err(|_| drop(fs::remove_dir(&dir)))?;
        Ok(JobGroup { version, dir, procs, kills, limited: Limited::default() })
    }

    /// Makes a group without a limit for something that is no job.
    pub fn make_group(&self, name: &str) -> io::Result<MemoryCgroup> {
        let dir = self.make_named(name)?;
        Ok(MemoryCgroup { version: self.own.version, dir, mount: self.own.mount.clone() })
    }

    /// Gives the group of a job another limit. Nothing happens where it was made without one, or is gone. May take as long as
    /// it takes the kernel to drop the file cache that is too much.
    pub fn limit(&self, job: JobId, limit: Bytes) {
        let dir = lock(&self.limited).get(&job).cloned();
        if let Some(Err(error)) = dir.map(|dir| put_limit(self.own.version, &dir, limit)) {
            tracing::debug!(%job, %error, "the job keeps its last memory limit");
        }
    }

    fn make_named(&self, name: &str) -> io::Result<PathBuf> {
        let mut dir = self.base.join(name);
        let mut number = 1;
        loop {
            number += 1;
            match fs::create_dir(&dir) {
                // An earlier run of the same try whose group could not be removed yet.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 100 => {
                    dir = self.base.join(format!("{name}-{number}"));
                }
                // Whoever tidies up takes an empty place for nobody's.
                Err(error) if error.kind() == io::ErrorKind::NotFound && number < 4 => self.rebuild()?,
                result => return result.map(|()| dir),
            }
        }
    }

    fn rebuild(&self) -> io::Result<()> {
        make_dir(&self.base)?;
        if self.own.version == Version::V2 { enable_memory(&self.base) } else { Ok(()) }
    }
}

impl Drop for JobGroups {
    fn drop(&mut self) {
        // Jobs that were killed a moment ago may not have left theirs.
        for _ in 0..LAST_REMOVALS {
            let dirs = folders_in(&self.base);
            let is_left = |dir: &PathBuf| fs::remove_dir(dir).is_err() && !dir.ends_with(CONSOLE);
            if dirs.iter().filter(|dir| is_left(dir)).count() == 0 {
                break;
            }
            std::thread::sleep(REMOVE_PAUSE);
        }
        if self.has_moved {
            // Processes may only live in a group that hands nothing on.
            let _ = fs::write(self.base.join(SUBTREE), "-memory");
            let _ = fs::write(self.own.dir.join(SUBTREE), "-memory");
            if enter(&self.own.dir).is_ok() {
                let _ = fs::remove_dir(self.base.join(CONSOLE));
            }
        }
        let _ = fs::remove_dir(&self.base);
    }
}

impl JobGroup {
    /// Whoever writes `0` to this file is in the group from then on.
    pub fn entrance(&self) -> io::Result<File> {
        self.procs.try_clone()
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Kills for want of memory in it so far; `None` where the kernel does not count them.
    pub fn kills(&mut self) -> Option<u64> {
        self.kills.fields(["oom_kill"]).ok().map(|[kills]| kills)
    }

    /// Ends what is left in the group, and removes it. For the end of the thread that has it: takes a second at the most, and
    /// rarely any time; what stays is removed with the place.
    pub fn remove(self) {
        lock(&self.limited).retain(|_, dir| *dir != self.dir);
        for _ in 0..REMOVALS {
            match fs::remove_dir(&self.dir) {
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {
                    end_members(self.version, &self.dir);
                    std::thread::sleep(REMOVE_PAUSE);
                }
                _ => return,
            }
        }
    }
}

/// Kills whatever lives in a group.
fn end_members(version: Version, dir: &Path) {
    match version {
        Version::V2 => drop(fs::write(dir.join("cgroup.kill"), "1")),
        Version::V1 => {
            let members = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
            for pid in members.lines().filter_map(|line| rustix::process::Pid::from_raw(line.parse().ok()?)) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

fn put_limit(version: Version, dir: &Path, limit: Bytes) -> io::Result<()> {
    let put = |file: &str, value: u64| fs::write(dir.join(file), value.to_string());
    match version {
        Version::V1 => put("memory.limit_in_bytes", limit.0),
        Version::V2 => {
            put("memory.high", limit.0 - limit.0 / HIGH_BELOW)?;
            put("memory.max", limit.0)?;
            put("memory.oom.group", 1)
        }
    }
}

const SUBTREE: &str = "cgroup.subtree_control";
const SHARED: &str = "other processes live in it, and on cgroup v2 only an empty group can hand memory control on; start \
                      plimsoll in a group of its own, for example with systemd-run --scope -p Delegate=yes";

fn refuse_flat(own: &MemoryCgroup) -> Result<(), NoGroups> {
    let is_flat =
        own.version == Version::V1 && fs::read_to_string(own.dir.join("memory.use_hierarchy")).is_ok_and(|text| text.trim() == "0");
    if is_flat { Err(NoGroups::Flat(path_text(&own.dir))) } else { Ok(()) }
}

/// Whether jobs of a plimsoll in this group get groups of their own. Leaves everything as it was.
pub fn examine(own: &MemoryCgroup) -> Result<(), NoGroups> {
    refuse_flat(own)?;
    let folder = || path_text(&own.dir);
    let trial = own.dir.join(format!("plimsoll-doctor-{}", std::process::id()));
    let made = make_dir(&trial).map(|()| {
        let file = if own.version == Version::V2 { "memory.max" } else { "memory.limit_in_bytes" };
        let has_memory = trial.join(file).exists();
        let _ = fs::remove_dir(&trial);
        has_memory
    });
    if made.map_err(|source| NoGroups::Make { folder: folder(), source })? {
        return Ok(());
    }
    let why = if own.version == Version::V1 {
        "the kernel gave it none".to_owned()
    } else if !fs::read_to_string(own.dir.join("cgroup.controllers"))
        .is_ok_and(|text| text.split_whitespace().any(|name| name == "memory"))
    {
        "it has none itself".to_owned()
    } else if let Err(error) = OpenOptions::new().write(true).open(own.dir.join(SUBTREE)) {
        words(&error)
    } else if is_alone(&own.dir) || is_empty(&own.dir) {
        return Ok(());
    } else {
        SHARED.to_owned()
    };
    Err(NoGroups::NoControl { folder: folder(), why })
}

/// Opens what is needed of a job's group.
fn open_group(dir: &Path, version: Version) -> io::Result<(File, KeptFile)> {
    let kills = match version {
        Version::V1 => "memory.oom_control",
        Version::V2 => "memory.events",
    };
    let procs = OpenOptions::new().write(true).open(dir.join("cgroup.procs"))?;
    let kills = KeptFile::open(dir.join(kills)).map_err(|error| error.source)?;
    Ok((procs, kills))
}

fn make_dir(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn enable_memory(dir: &Path) -> io::Result<()> {
    fs::write(dir.join(SUBTREE), "+memory")
}

fn enter(dir: &Path) -> io::Result<()> {
    fs::write(dir.join("cgroup.procs"), "0")
}

/// We are the only process in the group. One of another process namespace is listed as 0.
fn is_alone(dir: &Path) -> bool {
    fs::read_to_string(dir.join("cgroup.procs")).is_ok_and(|text| text.trim() == std::process::id().to_string())
}

fn is_empty(dir: &Path) -> bool {
    fs::read_to_string(dir.join("cgroup.procs")).is_ok_and(|text| text.trim().is_empty())
}

fn folders_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

/// Removes a plimsoll's place and the groups in it, as far as they are empty.
fn remove_tree(base: &Path) {
    for dir in folders_in(base) {
        let _ = fs::remove_dir(dir);
    }
    let _ = fs::remove_dir(base);
}

/// Removes the places of plimsolls that do not live any more. A group with a process in it cannot be removed, so the worst
/// that a number of another process namespace can do is that a place without jobs goes.
fn remove_leftovers(own: &Path) {
    for dir in folders_in(own) {
        let pid =
            dir.file_name().and_then(|name| name.to_str()?.strip_prefix(PREFIX)?.split('.').next()?.parse::<libc::pid_t>().ok());
        if pid.is_some_and(|pid| pid > 0 && !is_alive(pid)) {
            remove_tree(&dir);
        }
    }
}

fn is_alive(pid: libc::pid_t) -> bool {
    // SAFETY: signal 0 sends nothing.
    let answer = unsafe { libc::kill(pid, 0) };
    answer == 0 || io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

#[cfg(all(test, target_os = "linux"))]
#[path = "job_cgroup_tests.rs"]
mod tests;
