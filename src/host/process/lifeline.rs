//! The kernel ends a child when the thread that has started it ends, however that comes about.
//!
//! Whoever starts a child so must live as long as the child is to: wait for it, or be a thread that stays.

#[cfg(target_os = "linux")]
use std::io;
#[cfg(target_os = "linux")]
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// The kernel sends the child this signal when the thread that starts it ends, on Linux.
#[cfg_attr(not(target_os = "linux"), allow(unused_variables))]
pub fn end_with_parent(command: &mut Command, signal: libc::c_int) {
    #[cfg(target_os = "linux")]
    {
        let parent = rustix::process::getpid().as_raw_nonzero().get();
        // SAFETY: system calls on plain numbers, which are safe between fork and exec.
        unsafe { command.pre_exec(move || die_with_parent(parent, signal)) };
    }
}

/// The same between fork and exec. A parent that died before this call is noticed.
#[cfg(target_os = "linux")]
pub(super) unsafe fn die_with_parent(parent: libc::pid_t, signal: libc::c_int) -> io::Result<()> {
    // SAFETY: plain numbers.
    unsafe {
        if libc::prctl(libc::PR_SET_PDEATHSIG, signal as libc::c_ulong) != 0 {
            return Err(io::Error::last_os_error());
        }
        if libc::getppid() != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
    }
    Ok(())
}
