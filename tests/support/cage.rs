//! A memory cgroup with a limit, below our own, and what the kernel says of it and of processes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use plimsoll::domain::units::Bytes;
use plimsoll::host::memory::cgroup::{self, Roots, Version};
use plimsoll::host::memory::page_cache;

// Whoever uses this has it at hand: as a module of its own, or of the support that it uses.
use super::skip;

/// The box. Whatever lives in it is killed when it is dropped.
pub struct Cage {
    version: Version,
    dir: PathBuf,
    kills_before: u64,
    /// The kernel's log from the making of the box on, where it may be read, and who was ever in the box.
    log: Option<(fs::File, Members)>,
}

impl Cage {
    /// A box of this size; `None`, with the reason noted, where none can be made.
    pub fn of(tag: &str, limit: Bytes) -> Option<Self> {
        let skipped = |why: String| {
            skip::skip(skip::MEMORY_GROUP, why);
            None
        };
        let Some(own) = cgroup::find(&Roots::default()) else { return skipped("there is no memory cgroup".to_owned()) };
        let dir = own.dir.join(format!("plimsoll-box-{tag}-{}", std::process::id()));
        if let Err(error) = fs::create_dir(&dir) {
            return skipped(format!("cannot make {}: {error}", dir.display()));
        }
        let log = (own.version == Version::V1).then(kernel_log).flatten().map(|log| (log, Members::watch(&dir)));
        let cage = Self { version: own.version, dir, kills_before: machine_kills(), log };
        if let Err(error) = cage.resize(limit) {
            return skipped(format!("cannot set the limit of {}: {error}", cage.dir.display()));
        }
        // Swap would hide what the test is about.
        let _ = fs::write(cage.dir.join("memory.swappiness"), "0");
        let _ = fs::write(cage.dir.join("memory.swap.max"), "0");
        Some(cage)
    }

    /// Gives the box another size.
    pub fn resize(&self, limit: Bytes) -> std::io::Result<()> {
        let file = if self.version == Version::V1 { "memory.limit_in_bytes" } else { "memory.max" };
        fs::write(self.dir.join(file), limit.0.to_string())
    }

    /// Starts a process that is in the box before its program runs.
    pub fn spawn(&self, command: &mut Command) -> Child {
        let procs = fs::OpenOptions::new().write(true).open(self.dir.join("cgroup.procs")).expect("opens");
        // SAFETY: one write of a constant to an open file, which is safe between fork and exec.
        unsafe {
            command.pre_exec(move || rustix::io::write(&procs, b"0").map(drop).map_err(Into::into));
        }
        command.spawn().expect("starts in the box")
    }

    /// Kills by the kernel in the box since it was made, to be asked for once. Jobs' groups are gone by then, so on v1 the
    /// kernel's log is read; where it may not be read, it is the machine's count.
    pub fn kills(&self) -> u64 {
        match (self.version, &self.log) {
            (Version::V1, Some((log, members))) => self.kills_in(log, &members.seen()),
            (Version::V1, None) => machine_kills() - self.kills_before,
            (Version::V2, _) => field(&self.dir.join("memory.events"), "oom_kill").unwrap_or(0),
        }
    }

    /// The log names the group of a victim only ten times in five seconds on the whole machine; its number it tells always.
    fn kills_in(&self, mut log: &fs::File, members: &BTreeSet<u32>) -> u64 {
        let name = self.dir.file_name().map(|name| format!("/{}", name.to_string_lossy())).unwrap_or_default();
        let mut record = [0; 8192];
        let mut killed = BTreeSet::new();
        loop {
            match std::io::Read::read(&mut log, &mut record) {
                Ok(0) => break,
                Ok(length) => {
                    let text = String::from_utf8_lossy(&record[..length]);
                    if text.contains("oom-kill:constraint") && text.contains(&name) {
                        killed.extend(number_after(&text, "pid="));
                    }
                    killed.extend(number_after(&text, "Killed process ").filter(|pid| members.contains(pid)));
                }
                // Records that were overwritten before they could be read.
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {}
                Err(_) => break,
            }
        }
        killed.len() as u64
    }

    /// Anonymous memory in the box, in bytes.
    pub fn anon(&self) -> u64 {
        let name = if self.version == Version::V1 { "total_rss" } else { "anon" };
        field(&self.dir.join("memory.stat"), name).unwrap_or(0)
    }

    /// No group is left in it.
    pub fn is_clean(&self) -> bool {
        !fs::read_dir(&self.dir).expect("there").flatten().any(|entry| entry.path().is_dir())
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        for dir in folders(&self.dir) {
            for pid in processes(&dir) {
                // SAFETY: plain numbers; whoever is in the box was started by it.
                unsafe { libc::kill(pid as i32, libc::SIGKILL) };
            }
        }
        // What was killed leaves when the kernel has taken it apart.
        for _ in 0..200 {
            let mut dirs = folders(&self.dir);
            dirs.reverse();
            if dirs.iter().all(|dir| fs::remove_dir(dir).is_ok()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn number_after(text: &str, words: &str) -> Option<u32> {
    let (_, rest) = text.split_once(words)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Who was ever seen in a box: looked at 50 times a second. The kernel's log has the numbers of the first namespace, so elsewhere it
/// is nobody, and only kills count of which the log names the group.
struct Members {
    seen: Arc<Mutex<BTreeSet<u32>>>,
    /// Ends the watch when it is dropped.
    _watched: mpsc::Sender<()>,
}

impl Members {
    fn watch(dir: &Path) -> Self {
        let seen = Arc::<Mutex<BTreeSet<u32>>>::default();
        let (watched, goes_on) = mpsc::channel();
        let (found, dir) = (Arc::clone(&seen), dir.to_owned());
        let is_first = fs::read_link("/proc/self/ns/pid").is_ok_and(|namespace| namespace == Path::new("pid:[4026531836]"));
        std::thread::spawn(move || {
            while is_first && goes_on.recv_timeout(Duration::from_millis(20)) == Err(mpsc::RecvTimeoutError::Timeout) {
                found.lock().expect("no panic").extend(folders(&dir).iter().flat_map(|dir| processes(dir)));
            }
        });
        Self { seen, _watched: watched }
    }

    fn seen(&self) -> BTreeSet<u32> {
        self.seen.lock().expect("no panic").clone()
    }
}

/// The processes of a group, without those of the groups below it.
fn processes(dir: &Path) -> Vec<u32> {
    let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|pid| pid.parse().ok()).collect()
}

/// The folder and all below it, outermost first.
fn folders(dir: &Path) -> Vec<PathBuf> {
    let mut found = vec![dir.to_owned()];
    let mut next = 0;
    while next < found.len() {
        let inner =
            fs::read_dir(&found[next]).into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
        found.extend(inner.collect::<Vec<_>>());
        next += 1;
    }
    found
}

fn field(file: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The kernel's log from now on.
fn kernel_log() -> Option<fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut log = fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg").ok()?;
    std::io::Seek::seek(&mut log, std::io::SeekFrom::End(0)).ok()?;
    Some(log)
}

fn machine_kills() -> u64 {
    field(Path::new("/proc/vmstat"), "oom_kill").unwrap_or(0)
}

/// Anonymous memory of a process, in bytes.
pub fn anon_of(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// What a process has had read from disk, in bytes.
pub fn read_bytes(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("read_bytes: ")?.parse().ok())
}

/// The process has ended and is not reaped yet.
pub fn has_ended(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

/// What of a file is in memory.
pub fn resident(path: &Path) -> Bytes {
    page_cache::resident(&page_cache::open(path).expect("opens"), 0).expect("can be told")
}

/// Takes a file out of memory.
pub fn drop_cache(path: &Path) {
    page_cache::drop_cache(&page_cache::open(path).expect("opens"), 0, false);
    assert!(resident(path) <= Bytes::mib(1), "{} is out of memory", path.display());
}

/// For tests that have a sampler in their own process, one at a time: [`thread_cpu`] takes the first thread of its name.
pub fn turn_to_sample() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Processor time of the thread of ours that has this name.
pub fn thread_cpu(name: &str) -> Option<Duration> {
    for task in fs::read_dir("/proc/self/task").ok()?.flatten() {
        if fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim() == name) {
            // In nanoseconds, where `stat` counts in hundredths of a second.
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            return text.split(' ').next()?.parse().ok().map(Duration::from_nanos);
        }
    }
    None
}
