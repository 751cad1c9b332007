//! Waiting that can be cut short: by another thread, or by the kernel's word that tasks wait for memory (PSI).
//!
//! The kernel's word is never needed: it only makes whoever waits look sooner.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::host::memory::cgroup::{self, Roots, Version};
use crate::host::memory::kernel_file;

/// What the kernel is asked to tell: some task waited for memory for 150 ms within a second; without privilege only windows
/// of whole twos of seconds are allowed.
const TRIGGERS: [&str; 2] = ["some 150000 1000000", "some 300000 2000000"];

/// A trigger of the kernel, armed as long as this lives.
#[derive(Debug)]
pub(in crate::host) struct PsiTrigger {
    file: File,
}

impl PsiTrigger {
    /// Arms the trigger of our own v2 group, else of the machine; `None` where neither can be, or descriptors are few.
    pub(in crate::host) fn arm(roots: &Roots) -> Option<Self> {
        if !kernel_file::may_keep() {
            return None;
        }
        let of_group = cgroup::find(roots).filter(|own| own.version == Version::V2).map(|own| own.dir.join("memory.pressure"));
        of_group.into_iter().chain([roots.proc.join("pressure/memory")]).find_map(|path| Self::arm_file(&path))
    }

    fn arm_file(path: &Path) -> Option<Self> {
        // Each opened file takes one trigger.
        let arm = |trigger: &str| {
            let mut file = OpenOptions::new().read(true).write(true).open(path).ok()?;
            // The kernel's files have no size; anything else would be written to.
            file.metadata().ok().filter(|meta| meta.len() == 0)?;
            file.write_all(format!("{trigger}\0").as_bytes()).ok()?;
            // A file without a trigger would be in error all the time, and end every wait at once.
            poll_now(&file).is_some_and(|told| !told.contains(PollFlags::ERR)).then_some(Self { file })
        };
        TRIGGERS.into_iter().find_map(arm)
    }
}

/// What a file has to tell now.
fn poll_now(file: &File) -> Option<PollFlags> {
    let mut fds = [PollFd::new(file, PollFlags::PRI)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).ok()?;
    Some(fds[0].revents())
}

/// Wakes one waiting thread.
#[derive(Debug)]
pub(in crate::host) struct Wake {
    read_end: OwnedFd,
    write_end: OwnedFd,
}

impl Wake {
    /// Nobody has been woken yet.
    pub(in crate::host) fn new() -> io::Result<Self> {
        let (read_end, write_end) = rustix::pipe::pipe()?;
        for end in [&read_end, &write_end] {
            rustix::io::fcntl_setfd(end, rustix::io::FdFlags::CLOEXEC)?;
            let flags = rustix::fs::fcntl_getfl(end)?;
            rustix::fs::fcntl_setfl(end, flags | rustix::fs::OFlags::NONBLOCK)?;
        }
        Ok(Self { read_end, write_end })
    }

    /// Ends the wait, or the next one.
    pub(in crate::host) fn notify(&self) {
        // A pipe that is full wakes too.
        let _ = rustix::io::write(&self.write_end, b"!");
    }

    /// Waits for `at_most`, for a notice or for the alarm; tells whether the alarm rang. An alarm whose group has gone is
    /// put away. May return early.
    pub(in crate::host) fn wait(&self, at_most: Duration, alarm: &mut Option<PsiTrigger>) -> bool {
        let mut fds = vec![PollFd::new(&self.read_end, PollFlags::IN)];
        fds.extend(alarm.as_ref().map(|alarm| PollFd::new(&alarm.file, PollFlags::PRI)));
        let timeout = Timespec { tv_sec: at_most.as_secs() as i64, tv_nsec: i64::from(at_most.subsec_nanos()) as _ };
        if let Err(error) = poll(&mut fds, Some(&timeout)) {
            if error != Errno::INTR {
                std::thread::sleep(at_most);
            }
            return false;
        }
        let notices = fds[0].revents();
        let rang = fds.get(1).map_or(PollFlags::empty(), PollFd::revents);
        drop(fds);
        if !notices.is_empty() {
            let mut bin = [0; 64];
            while rustix::io::read(&self.read_end, &mut bin).is_ok_and(|length| length == bin.len()) {}
        }
        if rang.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) {
            *alarm = None;
            return false;
        }
        rang.contains(PollFlags::PRI)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_ends_the_wait_and_is_used_up() {
        let wake = Wake::new().unwrap();
        wake.notify();
        wake.notify();
        // Would be a minute.
        assert!(!wake.wait(Duration::from_mins(1), &mut None));
        let fds = &mut [PollFd::new(&wake.read_end, PollFlags::IN)];
        assert_eq!(poll(fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0), "both notices are used up");
    }

    #[test]
    fn a_file_that_takes_no_trigger_is_no_alarm() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("memory");
        std::fs::write(&path, "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n").unwrap();
        assert!(PsiTrigger::arm_file(&path).is_none());
        assert!(PsiTrigger::arm_file(&dir.path().join("missing")).is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernels_own_file_takes_the_trigger_and_is_quiet_without_pressure() {
        let roots = Roots::default();
        let path = roots.proc.join("pressure/memory");
        if OpenOptions::new().read(true).write(true).open(&path).is_err() {
            return crate::host::skip::skip(crate::host::skip::PRESSURE, format!("{} cannot be written", path.display()));
        }
        let mut alarm = PsiTrigger::arm(&roots);
        assert!(alarm.is_some());
        Wake::new().unwrap().wait(Duration::from_millis(5), &mut alarm);
        assert!(alarm.is_some(), "it stays armed");
    }
}
