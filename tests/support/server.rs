//! The servers that consoles leave behind: which process each is, and that none outlives its test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::kernel::{is_alive, time_to_death};
use super::pty::PATIENCE;

/// An end in order takes as long as jobs need to be stopped; afterwards there is no mercy.
const IN_ORDER: Duration = Duration::from_secs(30);

/// Ends every server whose state folder lies below a folder, when it is dropped: after the test, and before the folder goes.
pub struct Servers(PathBuf);

impl Servers {
    pub fn below(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The one that works there, as soon as it does.
    pub fn only(&self) -> u32 {
        let began = Instant::now();
        loop {
            let found = at_work(&self.0);
            assert!(found.len() < 2, "several servers: {found:?}");
            if let Some((_, pid)) = found.first() {
                return *pid;
            }
            assert!(began.elapsed() < PATIENCE, "no server works below {}", self.0.display());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until none is at work there any more.
    pub fn wait_for_none(&self) {
        let began = Instant::now();
        while !at_work(&self.0).is_empty() {
            assert!(began.elapsed() < PATIENCE, "still at work: {:?}", at_work(&self.0));
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// None is at work there now.
    pub fn is_none(&self) -> bool {
        at_work(&self.0).is_empty()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        end_all_below(&self.0);
    }
}

/// State folders below a folder that a living plimsoll holds, and its process.
pub fn at_work(below: &Path) -> Vec<(PathBuf, u32)> {
    let files = walkdir::WalkDir::new(below).into_iter().filter_map(Result::ok);
    let locks = files.filter(|entry| entry.file_name() == "lock" && entry.file_type().is_file());
    let holder = |lock: PathBuf| {
        let pid = std::fs::read_to_string(&lock).ok()?.split_whitespace().next()?.parse::<u32>().ok()?;
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        let state_dir = lock.parent()?.to_owned();
        (name.trim() == "plimsoll" && is_alive(pid)).then_some((state_dir, pid))
    };
    locks.map(walkdir::DirEntry::into_path).filter_map(holder).collect()
}

/// Ends them in order, and those that do not end at once.
pub fn end_all_below(folder: &Path) {
    for (state_dir, pid) in at_work(folder) {
        let mut stop = Command::new(super::PLIMSOLL);
        stop.args(["stop", "--state-dir"]).arg(&state_dir).env_clear().env("HOME", folder);
        let stopping = stop.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let is_gone = stopping.is_ok_and(|mut stopping| {
            let began = Instant::now();
            // Whoever stands still hears nothing, and a run may be ending by itself.
            while matches!(stopping.try_wait(), Ok(None)) && began.elapsed() < IN_ORDER {
                std::thread::sleep(Duration::from_millis(10));
            }
            let _ = stopping.kill();
            let _ = stopping.wait();
            time_to_death(&[pid], Duration::from_secs(5)).is_some()
        });
        if !is_gone {
            // SAFETY: a plain system call with the process that holds a folder of this test.
            unsafe { libc::kill(pid as i32, libc::SIGKILL) };
            let _ = time_to_death(&[pid], IN_ORDER);
        }
    }
}
