//! What the kernel says of processes and memory groups, and file systems of a size of our choice.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// Anonymous memory of a process; `None` once it is gone.
pub fn rss_anon(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// What the kernel says, read fifty times a second until this is dropped: what a program tells late, or what a test hears late, is
/// held against what was there when it was measured.
pub struct Readings<T> {
    taken: Arc<Mutex<Vec<Taken<T>>>>,
    /// Ends the thread when it is dropped.
    goes_on: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A reading, and from when to when it was taken.
struct Taken<T> {
    began: SystemTime,
    ended: SystemTime,
    value: T,
}

impl<T: Copy + Send + 'static> Readings<T> {
    /// Reads until there is nothing to read any more.
    pub fn of(read: impl Fn() -> Option<T> + Send + 'static) -> Self {
        let taken = Arc::<Mutex<Vec<Taken<T>>>>::default();
        let (goes_on, over) = mpsc::channel();
        let readings = Arc::clone(&taken);
        let thread = std::thread::spawn(move || {
            while over.recv_timeout(Duration::from_millis(20)) == Err(mpsc::RecvTimeoutError::Timeout) {
                let began = SystemTime::now();
                let Some(value) = read() else { return };
                readings.lock().expect("no panic").push(Taken { began, ended: SystemTime::now(), value });
            }
        });
        Self { taken, goes_on: Some(goes_on), thread: Some(thread) }
    }

    /// Those of this span, with the last one before it and the first one behind it, which is waited for.
    pub fn around(&self, from: SystemTime, to: SystemTime) -> Vec<T> {
        let deadline = Instant::now() + super::PATIENCE;
        loop {
            let is_over = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
            let taken = self.taken.lock().expect("no panic");
            let behind = taken.iter().position(|reading| reading.began >= to);
            if behind.is_some() || is_over {
                let first = taken.iter().rposition(|reading| reading.ended <= from).unwrap_or(0);
                let last = behind.map_or(taken.len(), |place| place + 1);
                return taken[first.min(last)..last].iter().map(|reading| reading.value).collect();
            }
            drop(taken);
            assert!(Instant::now() < deadline, "nothing is read any more");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl<T> Drop for Readings<T> {
    fn drop(&mut self) {
        self.goes_on = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The least and the most of these readings.
pub fn range(readings: impl Iterator<Item = u64> + Clone) -> [u64; 2] {
    [readings.clone().min().expect("a reading"), readings.max().expect("a reading")]
}

/// A process's state as the kernel's one letter for it; `None` once it is gone.
pub fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(')').next()?.trim().chars().next()
}

/// The process is there and not dead already.
pub fn is_alive(pid: u32) -> bool {
    !matches!(state_of(pid), None | Some('Z' | 'X'))
}

/// The process does nothing of its own any more: it is dead, or the kernel has been told to end it, and what is left is the
/// kernel's. That part takes as long as the process's own rank lets it, and jobs have a low one: beside others with work, tens of
/// milliseconds for each.
pub fn is_struck(pid: u32) -> bool {
    const EXITING: u64 = 0x4;
    const KILLED: u64 = 1 << (libc::SIGKILL - 1);
    let (Ok(stat), Ok(status)) =
        (std::fs::read_to_string(format!("/proc/{pid}/stat")), std::fs::read_to_string(format!("/proc/{pid}/status")))
    else {
        return true;
    };
    let pending = ["SigPnd:", "ShdPnd:"].iter().any(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & KILLED != 0)
    });
    let flags = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(6)?.parse::<u64>().ok());
    pending || flags.is_none_or(|flags| flags & EXITING != 0) || !is_alive(pid)
}

/// What became of the children of a process that was killed, in the order in which it must happen.
#[derive(Debug, Clone, Copy, Default)]
pub struct OrphansEnd {
    /// From now until none of them did anything of its own any more.
    pub struck: Duration,
    /// How long after the end of their parent's last thread some of them were still seen to do something. The kernel ends them
    /// from within that end, so it is next to nothing, however late a busy machine lets us look.
    pub alone: Duration,
    /// From now until all of them had gone.
    pub gone: Duration,
}

/// What a child may go on doing after its parent was killed.
pub const ORPHANS: Duration = Duration::from_millis(150);

impl OrphansEnd {
    /// Keeps the longer of each.
    pub fn take(&mut self, other: Self) {
        self.struck = self.struck.max(other.struck);
        self.alone = self.alone.max(other.alone);
        self.gone = self.gone.max(other.gone);
    }
}

/// Follows the children of a process that was killed just now to their end; `None` = some of them outlive it by `limit`.
pub fn end_of_orphans(parent: u32, orphans: &[u32], limit: Duration) -> Option<OrphansEnd> {
    let began = Instant::now();
    let has_threads = |pid: u32| std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|tasks| tasks.count() > 1);
    let (mut bereft, mut struck, mut unstruck) = (None, None, Duration::ZERO);
    while struck.is_none() || bereft.is_none() {
        if began.elapsed() > limit {
            return None;
        }
        // In this order: what is seen of them afterwards is younger.
        if bereft.is_none() && !is_alive(parent) && !has_threads(parent) {
            bereft = Some(began.elapsed());
        }
        let look = began.elapsed();
        if orphans.iter().all(|pid| is_struck(*pid)) {
            struck = struck.or_else(|| Some(began.elapsed()));
        } else {
            unstruck = look;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let (bereft, struck) = (bereft?, struck?);
    time_to_death(orphans, limit)?;
    Some(OrphansEnd { struck, alone: unstruck.saturating_sub(bereft), gone: began.elapsed() })
}

/// The children of a process that run a program of this name, as many as live at one moment: a look takes its time, and who is
/// seen early in it may have ended before another one began.
pub fn children(parent: u32, program: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("/proc").filter_map(Result::ok) {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        let (Some(open), Some(close)) = (stat.find('('), stat.rfind(')')) else { continue };
        let mut rest = stat[close + 1..].split_whitespace();
        let (state, of) = (rest.next(), rest.next().and_then(|of| of.parse::<u32>().ok()));
        if &stat[open + 1..close] == program && of == Some(parent) && !matches!(state, Some("Z" | "X")) {
            found.push(pid);
        }
    }
    found.retain(|pid| is_alive(*pid));
    found
}

/// The jobs of a server, as soon as so many have their process: a screen calls a job running already while it is being started.
pub fn jobs_of(server: u32, count: usize) -> Vec<u32> {
    let began = Instant::now();
    loop {
        let jobs = children(server, "ffmpeg");
        if jobs.len() == count {
            return jobs;
        }
        assert!(began.elapsed() < super::PATIENCE, "{count} jobs wanted of {server}, there are {jobs:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How long these processes go on living, at most `limit`.
pub fn time_to_death(pids: &[u32], limit: Duration) -> Option<Duration> {
    time_until(pids, limit, |pid| !is_alive(pid))
}

/// How long these processes go on doing something, at most `limit`.
pub fn time_to_blow(pids: &[u32], limit: Duration) -> Option<Duration> {
    time_until(pids, limit, is_struck)
}

fn time_until(pids: &[u32], limit: Duration, has_come: impl Fn(u32) -> bool) -> Option<Duration> {
    let began = Instant::now();
    while !pids.iter().all(|pid| has_come(*pid)) {
        if began.elapsed() > limit {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Some(began.elapsed())
}

/// A mount that goes when it is dropped.
pub struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

fn mount(args: &[&str], from: &Path, at: &Path) -> Result<Mounted, String> {
    std::fs::create_dir_all(at).expect("a folder");
    let done = Command::new("mount").args(args).arg(from).arg(at).output().map_err(|error| error.to_string())?;
    if done.status.success() { Ok(Mounted(at.to_owned())) } else { Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()) }
}

/// A file system in memory of this size; `Err` = why there is none.
pub fn tmpfs(at: &Path, size: &str) -> Result<Mounted, String> {
    mount(&["-t", "tmpfs", "-o", &format!("size={size}")], Path::new("tmpfs"), at)
}

/// The folder `from`, not to be written, at `at`.
pub fn read_only(from: &Path, at: &Path) -> Result<Mounted, String> {
    let bound = mount(&["--bind"], from, at)?;
    let done = Command::new("mount").args(["-o", "remount,bind,ro"]).arg(at).output().map_err(|error| error.to_string())?;
    if done.status.success() { Ok(bound) } else { Err(String::from_utf8_lossy(&done.stderr).trim().to_owned()) }
}

/// A memory group below ours, with a limit. Goes when it is dropped.
pub struct MemoryGroup {
    pub dir: PathBuf,
}

impl MemoryGroup {
    /// `Err` = why there can be none here.
    pub fn with_limit(bytes: u64, name: &str) -> Result<Self, String> {
        let own = std::fs::read_to_string("/proc/self/cgroup").map_err(|error| error.to_string())?;
        let memory =
            own.lines().find(|line| line.split(':').nth(1).is_some_and(|names| names.split(',').any(|name| name == "memory")));
        let below = memory.and_then(|line| line.splitn(3, ':').nth(2)).ok_or("no memory group of version 1")?;
        let root = Path::new("/sys/fs/cgroup/memory");
        let parent = root.join(below.trim_start_matches('/'));
        let dir = parent.join(format!("plimsoll-test-{}-{name}", std::process::id()));
        std::fs::create_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        let group = Self { dir };
        std::fs::write(group.file("memory.limit_in_bytes"), bytes.to_string()).map_err(|error| error.to_string())?;
        Ok(group)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// [`MemoryGroup::sums`] as they come.
    pub fn readings(&self) -> Readings<[u64; 3]> {
        let group = self.dir.clone();
        Readings::of(move || Some(sums_of(&group)))
    }

    /// Usage, what of it is not inactive file cache, and what of it the kernel cannot drop.
    pub fn sums(&self) -> [u64; 3] {
        sums_of(&self.dir)
    }

    /// The command, started within the group.
    pub fn enter(&self, command: &mut Command) {
        use std::io::Write as _;
        use std::os::unix::process::CommandExt as _;
        let file = std::fs::OpenOptions::new().write(true).open(self.file("cgroup.procs")).expect("opens");
        // SAFETY: one write to a descriptor that is open, of bytes that are there before the fork.
        unsafe {
            command.pre_exec(move || (&file).write_all(b"0"));
        }
    }
}

/// What [`MemoryGroup::sums`] tells, of the group at this folder.
pub fn sums_of(group: &Path) -> [u64; 3] {
    let read = |name: &str| std::fs::read_to_string(group.join(name)).expect("read");
    let usage: u64 = read("memory.usage_in_bytes").trim().parse().expect("a number");
    let stat = read("memory.stat");
    let field = |key: &str| -> u64 { stat.lines().find_map(|line| line.strip_prefix(key)?.trim().parse().ok()).expect("a field") };
    let working_set = usage.saturating_sub(field("total_inactive_file "));
    [usage, working_set, working_set.saturating_sub(field("total_active_file "))]
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while std::fs::remove_dir(&self.dir).is_err() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
