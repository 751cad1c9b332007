//! Which processes are ours: a life is a process number, the moment it began and the boot it began in. The children of this
//! run are kept in a file, so that what an earlier run has left behind is known for what it is and can be ended.
//!
//! It must not know what the processes do.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Name of the file within the state folder.
pub const FILE_NAME: &str = "children";
/// Most that is read of a file that should hold some lines.
const MOST_READ: u64 = 1 << 20;
/// The file is written anew when it has grown to this, in bytes.
const LONG: u64 = 64 << 10;

/// One life of a process number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessIdentity {
    pub pid: u32,
    /// When it began, in clock ticks since the boot.
    start: u64,
    /// Which boot, shortened.
    boot: u64,
}

impl ProcessIdentity {
    /// The process of this number that is there now; `None` where there is none, or where the system does not tell.
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, start: started(pid)?, boot: boot() })
    }

    /// This process.
    pub fn own() -> Self {
        let pid = std::process::id();
        Self::of(pid).unwrap_or(Self { pid, start: 0, boot: boot() })
    }

    /// Number, beginning and boot are those of a process that is there. One that has ended and was not reaped is not.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }
}

impl fmt::Display for ProcessIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:016x}", self.pid, self.start, self.boot)
    }
}

impl FromStr for ProcessIdentity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = text.split(' ');
        let mut word = || words.next().ok_or(());
        let pid = word()?.parse().map_err(drop)?;
        let start = word()?.parse().map_err(drop)?;
        let boot = u64::from_str_radix(word()?, 16).map_err(drop)?;
        // 0 and 1 stand for everybody and for the first process.
        if words.next().is_none() && pid > 1 && i32::try_from(pid).is_ok() { Ok(Self { pid, start, boot }) } else { Err(()) }
    }
}

/// When a process began, by field 22 of its `stat`; `None` for one that is gone or dead already.
fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, blanks and brackets too.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

/// The first 64 bits of the kernel's identifier of this boot; 0 where it has none.
fn boot() -> u64 {
    static BOOT: OnceLock<u64> = OnceLock::new();
    *BOOT.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let digits: String = text.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        u64::from_str_radix(&digits, 16).unwrap_or(0)
    })
}

/// What an earlier run has left behind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leftovers {
    /// Children that still lived, and were killed with the group that each of them led.
    pub killed: Vec<ProcessIdentity>,
    /// Folders in which it had parts.
    pub folders: Vec<PathBuf>,
}

/// The list of living children, in memory and in the file. Clones are cheap and show the same.
#[derive(Debug, Clone)]
pub struct ChildRegistry(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    /// `None` = it cannot be written any more. What dies with us dies all the same.
    file: Option<File>,
    living: BTreeMap<u32, ProcessIdentity>,
    /// Those that hold parts.
    folders: BTreeSet<PathBuf>,
}

impl ChildRegistry {
    /// Kills what the file says an earlier run has left behind, and begins it anew. `out` is the folder of the parts. The
    /// caller must hold the state folder: the children of a living run would be killed too.
    pub fn begin(state_dir: &Path, out: &Path) -> (Self, Leftovers) {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let mut file = options.open(state_dir.join(FILE_NAME)).ok();
        let leftovers = file.as_mut().map(end_leftovers).unwrap_or_default();
        let mut inner = Inner { file, living: BTreeMap::new(), folders: BTreeSet::from([out.to_owned()]) };
        inner.rewrite();
        (Self(Arc::new(Mutex::new(inner))), leftovers)
    }

    /// Parts are written to this folder too from now on.
    pub fn writes_to(&self, folder: &Path) {
        self.with(|inner| {
            if inner.folders.insert(folder.to_owned()) {
                inner.append(&folder_line(folder));
            }
        });
    }

    /// A child has begun. To be called before it is reaped.
    pub fn begun(&self, pid: u32) {
        let Some(life) = ProcessIdentity::of(pid) else { return };
        self.with(|inner| {
            inner.living.insert(pid, life);
            inner.append(format!("+{life}\n").as_bytes());
        });
    }

    /// A child has been reaped: its number may soon be somebody else's.
    pub fn ended(&self, pid: u32) {
        self.with(|inner| {
            if inner.living.remove(&pid).is_none() {
                return;
            }
            let is_long = inner.file.as_mut().and_then(|file| file.stream_position().ok()).is_some_and(|size| size > LONG);
            if inner.living.is_empty() || is_long {
                inner.rewrite();
            } else {
                inner.append(format!("-{pid}\n").as_bytes());
            }
        });
    }

    fn with(&self, change: impl FnOnce(&mut Inner)) {
        // The list is whole after every statement.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Inner {
    fn append(&mut self, line: &[u8]) {
        // Not synced: after a crash of the machine there is nothing left to be killed.
        if self.file.as_mut().is_some_and(|file| file.write_all(line).is_err()) {
            self.file = None;
        }
    }

    fn rewrite(&mut self) {
        let begun = self.file.as_mut().is_none_or(|file| file.set_len(0).and_then(|()| file.rewind()).is_ok());
        if !begun {
            self.file = None;
        }
        for folder in self.folders.clone() {
            self.append(&folder_line(&folder));
        }
        for life in self.living.clone().into_values() {
            self.append(format!("+{life}\n").as_bytes());
        }
    }
}

/// A folder as it stands in the file.
fn folder_line(folder: &Path) -> Vec<u8> {
    let mut line = vec![b'@'];
    for byte in folder.as_os_str().as_bytes() {
        match byte {
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\\' => line.extend_from_slice(b"\\\\"),
            byte => line.push(*byte),
        }
    }
    line.push(b'\n');
    line
}

fn end_leftovers(file: &mut File) -> Leftovers {
    let mut bytes = Vec::new();
    let is_regular = file.metadata().is_ok_and(|meta| meta.is_file());
    if !is_regular || file.take(MOST_READ).read_to_end(&mut bytes).is_err() {
        return Leftovers::default();
    }
    let (mut living, mut folders) = (BTreeMap::new(), Vec::new());
    // The last line may be cut off; half a line is none.
    for line in bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\n")) {
        let text = || std::str::from_utf8(&line[1..]).ok();
        match line.first() {
            Some(b'+') => {
                if let Some(life) = text().and_then(|text| text.parse::<ProcessIdentity>().ok()) {
                    living.insert(life.pid, life);
                }
            }
            Some(b'-') => {
                if let Some(pid) = text().and_then(|text| text.parse::<u32>().ok()) {
                    living.remove(&pid);
                }
            }
            Some(b'@') => folders.push(unescaped(&line[1..])),
            _ => {}
        }
    }
    folders.retain(|folder| folder.is_absolute());
    Leftovers { killed: living.into_values().filter(kill).collect(), folders }
}

fn unescaped(line: &[u8]) -> PathBuf {
    let (mut bytes, mut rest) = (Vec::new(), line.iter());
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' => bytes.extend(rest.next().map(|byte| if *byte == b'n' { b'\n' } else { *byte })),
            byte => bytes.push(*byte),
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// Kills a process that is the one recorded, and its group if it leads one. Tells whether it was.
#[cfg(target_os = "linux")]
fn kill(life: &ProcessIdentity) -> bool {
    use rustix::process::{Pid, PidfdFlags, Signal, getpgid, kill_process_group, pidfd_open, pidfd_send_signal};
    let Some(pid) = i32::try_from(life.pid).ok().and_then(Pid::from_raw) else { return false };
    // Opened first, looked at then: the number cannot change hands in between.
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    if !life.is_alive() {
        return false;
    }
    let leads = getpgid(Some(pid)) == Ok(pid);
    // Stopped first, so that it is still there, and its group with it, when the group is named.
    let _ = pidfd_send_signal(&handle, Signal::STOP);
    if leads && life.is_alive() {
        let _ = kill_process_group(pid, Signal::KILL);
    }
    pidfd_send_signal(&handle, Signal::KILL).is_ok()
}

/// Where the beginning of a process cannot be told, nothing is killed.
#[cfg(not(target_os = "linux"))]
const fn kill(_life: &ProcessIdentity) -> bool {
    false
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("600").process_group(0).spawn().expect("sleep runs")
    }

    fn begin(dir: &Path) -> (ChildRegistry, Leftovers) {
        ChildRegistry::begin(dir, Path::new("/some/out"))
    }

    fn end(mut child: Child) {
        let _ = child.kill();
        let _ = child.wait();
    }

    #[test]
    fn a_child_that_an_earlier_run_left_behind_is_killed_and_told() {
        let dir = tempfile::tempdir().expect("folder");
        let (lives, before) = begin(dir.path());
        assert_eq!(before, Leftovers::default());
        let (mut left, reaped) = (sleeper(), sleeper());
        lives.begun(left.id());
        lives.begun(reaped.id());
        lives.ended(reaped.id());
        let (_, found) = begin(dir.path());
        assert_eq!(found.killed.iter().map(|life| life.pid).collect::<Vec<_>>(), [left.id()]);
        assert_eq!(found.folders, [Path::new("/some/out")]);
        assert!(!left.wait().expect("ended").success());
        assert!(ProcessIdentity::of(reaped.id()).is_some(), "what was taken off the list is left alone");
        end(reaped);
        assert_eq!(begin(dir.path()).1.killed, [], "once");
    }

    #[test]
    fn every_folder_that_parts_were_written_to_is_told_to_the_next_run() {
        let dir = tempfile::tempdir().expect("folder");
        let (lives, _) = begin(dir.path());
        let other = Path::new("/some/o\\th\ner");
        lives.writes_to(other);
        lives.writes_to(other);
        assert_eq!(begin(dir.path()).1.folders, [Path::new("/some/out"), other]);
        // Written anew once no child is left.
        let (lives, _) = begin(dir.path());
        lives.writes_to(other);
        let child = sleeper();
        lives.begun(child.id());
        lives.ended(child.id());
        end(child);
        assert_eq!(begin(dir.path()).1.folders, [other, Path::new("/some/out")]);
    }

    #[test]
    fn a_process_is_left_alone_unless_number_beginning_and_boot_all_match() {
        let dir = tempfile::tempdir().expect("folder");
        let other = sleeper();
        let life = ProcessIdentity::of(other.id()).expect("there");
        let wrong = [ProcessIdentity { start: life.start + 1, ..life }, ProcessIdentity { boot: life.boot ^ 1, ..life }];
        for wrong in wrong {
            std::fs::write(dir.path().join(FILE_NAME), format!("+{wrong}\n")).expect("written");
            assert_eq!(begin(dir.path()).1.killed, [], "{wrong}");
        }
        // Half a line, nonsense, and numbers that stand for many.
        std::fs::write(dir.path().join(FILE_NAME), format!("+0 0 0\n+-1 1 1\n+1 1 1\nx\n\n+{life}")).expect("written");
        assert_eq!(begin(dir.path()).1.killed, []);
        assert!(life.is_alive());
        std::fs::write(dir.path().join(FILE_NAME), format!("+{life}\n")).expect("written");
        assert_eq!(begin(dir.path()).1.killed, [life], "and all of this is a fair trial");
        end(other);
    }

    #[test]
    fn the_group_of_a_leftover_goes_with_it() {
        let dir = tempfile::tempdir().expect("folder");
        let (lives, _) = begin(dir.path());
        let note = dir.path().join("pid");
        let script = format!("sleep 60 & echo $! > {0}.new; mv {0}.new {0}; wait", note.display());
        let mut shell = Command::new("sh").args(["-c", &script]).process_group(0).spawn().expect("sh runs");
        let inner: u32 = loop {
            match std::fs::read_to_string(&note) {
                Ok(text) => break text.trim().parse().expect("a number"),
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(5)),
            }
        };
        let inner = ProcessIdentity::of(inner).expect("there");
        lives.begun(shell.id());
        assert_eq!(begin(dir.path()).1.killed.len(), 1);
        shell.wait().expect("ended");
        for _ in 0..12_000 {
            if !inner.is_alive() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("the grandchild lives on");
    }

    #[test]
    fn odd_folders_are_kept_byte_by_byte_and_the_file_stays_short() {
        let dir = tempfile::tempdir().expect("folder");
        let odd = PathBuf::from(OsString::from_vec(b"/a\nb\\n\xff/ c".to_vec()));
        let (lives, _) = ChildRegistry::begin(dir.path(), &odd);
        let (stays, child) = (sleeper(), sleeper());
        lives.begun(stays.id());
        for _ in 0..5000 {
            lives.begun(child.id());
            lives.ended(child.id());
        }
        assert!(std::fs::metadata(dir.path().join(FILE_NAME)).expect("there").len() < 2 * LONG);
        let found = begin(dir.path()).1;
        assert_eq!((found.folders, found.killed.len()), (vec![odd], 1));
        end(stays);
        end(child);
    }
}
