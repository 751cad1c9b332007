//! What a process and its children hold and have used. Linux: `/proc`; elsewhere sysinfo, which knows resident memory only.
//!
//! Knows processes by number; whose job they are is the caller's business.

use std::path::Path;

use crate::domain::units::Bytes;

/// Anonymous memory of one process (`RssAnon` of `/proc/PID/status`); `None` when it is gone.
pub fn rss_anon(proc: &Path, pid: u32) -> Option<Bytes> {
    imp::rss_anon(proc, pid)
}

/// Anonymous memory of this process.
pub fn own_rss_anon(proc: &Path) -> Option<Bytes> {
    imp::rss_anon(proc, std::process::id())
}

/// A job's processes: `pid`, its children and theirs. `pid` comes first, and alone where children are not told.
pub fn tree(proc: &Path, pid: u32) -> Vec<u32> {
    imp::tree(proc, pid)
}

/// Offset at which the processes of `pid`'s tree read `file`: the smallest, when several have it open; `None` when none
/// has. Offsets of reads that carry their own position (`pread`, mappings) are not told by the kernel: they show as 0.
pub fn read_position(proc: &Path, pid: u32, file: &Path) -> Option<u64> {
    imp::read_position(proc, pid, file)
}

pub use imp::TreeReader;

#[cfg(target_os = "linux")]
mod imp {
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};

    use super::Bytes;
    use crate::domain::units::KIB;
    use crate::host::memory::kernel_file::{KeptFile, fields};

    /// Processes followed below one job; more than any honest ffmpeg has.
    const MAX_TREE: usize = 256;

    pub fn rss_anon(proc: &Path, pid: u32) -> Option<Bytes> {
        let status = std::fs::read(proc.join(pid.to_string()).join("status")).ok()?;
        fields(&status, ["RssAnon"])[0].map(|kib| Bytes(kib.saturating_mul(KIB)))
    }

    pub fn tree(proc: &Path, pid: u32) -> Vec<u32> {
        let mut found = vec![pid];
        let mut next = 0;
        while next < found.len() && found.len() < MAX_TREE {
            let tasks = proc.join(found[next].to_string()).join("task");
            for task in std::fs::read_dir(tasks).into_iter().flatten().flatten() {
                let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
                for child in children.split_ascii_whitespace().filter_map(|word| word.parse().ok()) {
                    if !found.contains(&child) {
                        found.push(child);
                    }
                }
            }
            next += 1;
        }
        found
    }

    pub fn read_position(proc: &Path, pid: u32, file: &Path) -> Option<u64> {
        let wanted = std::fs::metadata(file).map(|file| (file.dev(), file.ino())).ok()?;
        let positions = tree(proc, pid).into_iter().flat_map(|pid| {
            let base = proc.join(pid.to_string());
            std::fs::read_dir(base.join("fd")).into_iter().flatten().flatten().filter_map(move |entry| {
                let open = std::fs::metadata(entry.path()).ok()?;
                let same = (open.dev(), open.ino()) == wanted;
                let info = same.then(|| std::fs::read(base.join("fdinfo").join(entry.file_name())).ok())??;
                fields(&info, ["pos"])[0]
            })
        });
        positions.min()
    }

    /// Reads one job's processes again and again; their files stay open, so a number that is given out anew is never
    /// taken for the old process.
    #[derive(Debug)]
    pub struct TreeReader {
        proc: PathBuf,
        pid: u32,
        members: Vec<Member>,
    }

    #[derive(Debug)]
    struct Member {
        pid: u32,
        statm: KeptFile,
        stat: KeptFile,
    }

    impl TreeReader {
        /// Opens `pid`; `None` when it is gone.
        pub fn open(proc: &Path, pid: u32) -> Option<Self> {
            let leader = Member::open(proc, pid)?;
            let mut reader = Self { proc: proc.to_owned(), pid, members: vec![leader] };
            reader.refresh();
            Some(reader)
        }

        /// The process at the top.
        pub const fn pid(&self) -> u32 {
            self.pid
        }

        /// Looks for children that have come or gone. Reads a file for every thread: once a second is enough.
        pub fn refresh(&mut self) {
            let present = tree(&self.proc, self.pid);
            self.members.retain(|member| member.pid == self.pid || present.contains(&member.pid));
            for pid in present {
                if !self.members.iter().any(|member| member.pid == pid) {
                    self.members.extend(Member::open(&self.proc, pid));
                }
            }
        }

        /// Anonymous memory of all of them; `None` when the top one is gone. Taken as resident − shared of `statm`, which
        /// is how the kernel makes `shared`, at a tenth of the cost of `status`.
        pub fn anon(&mut self) -> Option<Bytes> {
            let page = rustix::param::page_size() as u64;
            let mut sum = Bytes::ZERO;
            for (index, member) in self.members.iter_mut().enumerate() {
                match member.anon_pages() {
                    Some(pages) => sum += Bytes(pages.saturating_mul(page)),
                    None if index == 0 => return None,
                    None => {}
                }
            }
            Some(sum)
        }

        /// Anonymous memory of the top one alone; `None` when it is gone.
        pub fn leader_anon(&mut self) -> Option<Bytes> {
            let pages = self.members.first_mut()?.anon_pages()?;
            Some(Bytes(pages.saturating_mul(rustix::param::page_size() as u64)))
        }

        /// CPU time of all that run now, user and system, in milliseconds; `None` when the top one is gone.
        pub fn cpu_ms(&mut self) -> Option<u64> {
            let per_second = rustix::param::clock_ticks_per_second().max(1);
            let mut ticks = 0_u64;
            for (index, member) in self.members.iter_mut().enumerate() {
                match member.cpu_ticks() {
                    Some(more) => ticks = ticks.saturating_add(more),
                    None if index == 0 => return None,
                    None => {}
                }
            }
            Some(ticks.saturating_mul(1000) / per_second)
        }
    }

    impl Member {
        fn open(proc: &Path, pid: u32) -> Option<Self> {
            let base = proc.join(pid.to_string());
            Some(Self { pid, statm: KeptFile::open(base.join("statm")).ok()?, stat: KeptFile::open(base.join("stat")).ok()? })
        }

        fn anon_pages(&mut self) -> Option<u64> {
            let text = std::str::from_utf8(self.statm.read().ok()?).ok()?;
            let mut words = text.split_ascii_whitespace().skip(1).map(|word| word.parse::<u64>().ok());
            let (resident, shared) = (words.next()??, words.next()??);
            Some(resident.saturating_sub(shared))
        }

        /// Fields 14 and 15 of `stat`; the name before them may hold anything, brackets and blanks too.
        fn cpu_ticks(&mut self) -> Option<u64> {
            let text = self.stat.read().ok()?;
            let name_end = text.iter().rposition(|byte| *byte == b')')?;
            let rest = std::str::from_utf8(&text[name_end + 1..]).ok()?;
            let mut words = rest.split_ascii_whitespace().skip(11).map(|word| word.parse::<u64>().ok());
            Some(words.next()??.saturating_add(words.next()??))
        }
    }
}

/// Compiled for tests too, so that it cannot rot on Linux.
#[cfg(any(test, not(target_os = "linux")))]
#[cfg_attr(target_os = "linux", allow(dead_code))]
mod portable {
    use std::path::Path;

    use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

    use super::Bytes;

    /// Resident memory: what a process holds without its file pages is not told here, so this is the cautious figure.
    pub fn rss_anon(_proc: &Path, pid: u32) -> Option<Bytes> {
        TreeReader::open(Path::new(""), pid)?.anon()
    }

    pub fn tree(_proc: &Path, pid: u32) -> Vec<u32> {
        vec![pid]
    }

    pub fn read_position(_proc: &Path, _pid: u32, _file: &Path) -> Option<u64> {
        None
    }

    /// Reads one job's process again and again.
    #[derive(Debug)]
    pub struct TreeReader {
        pid: u32,
        system: System,
    }

    impl TreeReader {
        /// Opens `pid`; `None` when it is gone.
        pub fn open(_proc: &Path, pid: u32) -> Option<Self> {
            let mut reader = Self { pid, system: System::new().ok()? };
            reader.anon().is_some().then_some(reader)
        }

        pub const fn pid(&self) -> u32 {
            self.pid
        }

        /// Children are not followed here.
        #[allow(clippy::unused_self)] // the same call as on Linux
        pub const fn refresh(&mut self) {}

        /// Resident memory; `None` when it is gone.
        pub fn anon(&mut self) -> Option<Bytes> {
            self.look().map(|process| Bytes(process.memory()))
        }

        /// As [`TreeReader::anon`].
        pub fn leader_anon(&mut self) -> Option<Bytes> {
            self.anon()
        }

        /// CPU time, user and system, in milliseconds; `None` when it is gone.
        pub fn cpu_ms(&mut self) -> Option<u64> {
            self.look().map(sysinfo::Process::accumulated_cpu_time)
        }

        fn look(&mut self) -> Option<&sysinfo::Process> {
            let pid = Pid::from_u32(self.pid);
            let kind = ProcessRefreshKind::nothing().with_memory().with_cpu().without_tasks();
            self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, kind);
            self.system.process(pid)
        }
    }
}

#[cfg(not(target_os = "linux"))]
use portable as imp;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::*;
    use crate::domain::units::MIB;

    const PROC: &str = "/proc";

    /// A shell that prints a line once `script` has come that far, and ends when it is dropped.
    struct Shell(Child);

    impl Shell {
        fn run(script: &str) -> Self {
            let mut child =
                Command::new("/bin/sh").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
            let mut line = String::new();
            BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("reads");
            assert_eq!(line.trim(), "ready");
            Self(child)
        }
    }

    impl Drop for Shell {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn anonymous_memory_by_statm_is_that_of_status_and_follows_growth() {
        let proc = Path::new(PROC);
        let mut reader = TreeReader::open(proc, std::process::id()).expect("we run");
        let held = vec![1_u8; 64 * MIB as usize];
        std::hint::black_box(&held);
        let (by_statm, by_status) = (reader.anon().expect("we run"), own_rss_anon(proc).expect("we run"));
        assert!(by_status >= Bytes::mib(64), "{by_status}");
        // Other tests run in this process and move it meanwhile.
        let shell = Shell::run("echo ready; read line");
        let mut quiet = TreeReader::open(proc, shell.0.id()).expect("runs");
        let difference = quiet.anon().expect("runs").0.abs_diff(rss_anon(proc, shell.0.id()).expect("runs").0);
        assert!(difference <= 256 * 1024, "{difference}");
        assert!(by_statm >= Bytes::mib(64), "{by_statm}");
    }

    #[test]
    fn children_and_their_children_belong_to_the_job() {
        let shell = Shell::run("exec 3<&0; (sh -c 'echo ready; read line <&3'; true) & wait");
        let found = tree(Path::new(PROC), shell.0.id());
        assert_eq!(found[0], shell.0.id());
        assert!(found.len() >= 3, "{found:?}");
        let mut reader = TreeReader::open(Path::new(PROC), shell.0.id()).expect("runs");
        let leader = rss_anon(Path::new(PROC), shell.0.id()).expect("runs");
        assert!(reader.anon().expect("runs") > leader);
    }

    #[test]
    fn a_process_that_is_gone_has_no_figures_even_if_its_number_comes_again() {
        let mut shell = Shell::run("echo ready; read line");
        let mut reader = TreeReader::open(Path::new(PROC), shell.0.id()).expect("runs");
        shell.0.kill().expect("kills");
        shell.0.wait().expect("reaps");
        assert_eq!(reader.anon(), None);
        assert_eq!(reader.cpu_ms(), None);
        assert!(TreeReader::open(Path::new(PROC), shell.0.id()).is_none());
    }

    #[test]
    fn cpu_time_rises_with_work() {
        // A process of its own: other tests run in this one, and have children.
        let shell = Shell::run("echo ready; while :; do :; done");
        let mut reader = TreeReader::open(Path::new(PROC), shell.0.id()).expect("runs");
        let before = reader.cpu_ms().expect("runs");
        let mut earlier = before;
        while earlier < before + 20 {
            std::thread::yield_now();
            earlier = reader.cpu_ms().expect("runs");
        }
        let there = portable::TreeReader::open(Path::new(""), shell.0.id()).and_then(|mut reader| reader.cpu_ms()).expect("runs");
        let later = reader.cpu_ms().expect("runs");
        // The kernel counts in hundredths of a second, user and system apart.
        assert!((earlier.saturating_sub(20)..=later + 20).contains(&there), "{earlier} {there} {later}");
    }

    #[test]
    fn the_position_of_a_reader_is_told() {
        let dir = tempfile::tempdir().expect("tempdir");
        let file = dir.path().join("a (b) c");
        std::fs::write(&file, vec![0; MIB as usize]).expect("writes");
        let shell = Shell::run(&format!("exec 5<'{}'; head -c 65536 <&5 >/dev/null; echo ready; read line", file.display()));
        assert_eq!(read_position(Path::new(PROC), shell.0.id(), &file), Some(65536));
        assert_eq!(read_position(Path::new(PROC), shell.0.id(), Path::new("/etc/passwd")), None);
    }
}
