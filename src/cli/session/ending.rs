//! Waits for the end of a server on this machine: when it has told how the run ended it still has to tidy up.

use std::time::Duration;

/// Longest wait: it ends its children, and writes its record.
const AT_MOST: Duration = Duration::from_secs(15);

/// A server whose end can be awaited.
#[derive(Debug)]
pub struct Ending {
    #[cfg(target_os = "linux")]
    process: Option<std::os::fd::OwnedFd>,
}

impl Ending {
    /// Of this process; to be asked for while it lives, so that no other process is meant.
    #[cfg(target_os = "linux")]
    pub fn of(pid: u32) -> Self {
        use rustix::process::{Pid, PidfdFlags, pidfd_open};

        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        // A kernel without them (before 5.3): nobody waits then.
        Self { process: pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) }
    }

    /// Of this process; nothing can be awaited here.
    #[cfg(not(target_os = "linux"))]
    pub fn of(_pid: u32) -> Self {
        Self {}
    }

    /// Waits for it, at most some seconds.
    #[cfg(target_os = "linux")]
    pub fn wait(&self) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};

        if let Some(process) = &self.process {
            let at_most = Timespec { tv_sec: AT_MOST.as_secs() as i64, tv_nsec: 0 };
            // Interrupted by a signal it is not waited for.
            let _ = poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&at_most));
        }
    }

    /// Does not wait.
    #[cfg(not(target_os = "linux"))]
    pub fn wait(&self) {
        let _ = AT_MOST;
    }
}
