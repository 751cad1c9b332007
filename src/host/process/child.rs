//! What a child does between fork and exec. Runs in a copy of a process with many threads, so it only makes calls that are
//! safe in a signal handler: no allocation, no lock, nothing of std beyond `io::Error`.

use std::fs::File;
use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

#[cfg(target_os = "linux")]
use crate::host::process::lifeline::die_with_parent;
use crate::host::process::sandbox::{self, PROGRESS_FD};

/// Niceness of jobs: the console and sshd come first.
const NICE: libc::c_int = 10;
/// Descriptors closed one by one where the kernel cannot close a range.
const MOST_FDS: u64 = 65_536;
/// Jobs die before the console, the console before sshd.
#[cfg(target_os = "linux")]
const OOM_SCORE_ADJ: &[u8] = b"500";

/// The command starts within the memory group whose `cgroup.procs` this is.
pub fn start_within(command: &mut Command, procs: File) {
    // SAFETY: a system call on a descriptor that is open as long as the command is there, and on a constant.
    unsafe {
        command.pre_exec(move || rustix::io::write(&procs, b"0").map(drop).map_err(Into::into));
    }
}

/// Device and inode of an open file.
pub(in crate::host) type Identity = (libc::dev_t, libc::ino_t);

/// Limits that the kernel keeps for a process and for each that it starts; `None` = as they are. One that is lower already stays.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::host) struct Limits {
    /// No file may grow over this many bytes.
    pub(in crate::host) max_file: Option<u64>,
    /// It may map no more than this many bytes.
    pub(in crate::host) address_space: Option<u64>,
    /// It may hold no more than this many bytes of memory that it writes to.
    pub(in crate::host) data: Option<u64>,
    /// Open files.
    pub(in crate::host) files: Option<u64>,
    /// Processes and threads of its user, those that are there already included. Holds nobody who may set limits at will.
    pub(in crate::host) processes: Option<u64>,
}

/// The set-up of one child; everything it needs was looked up before the fork.
#[derive(Debug, Clone, Copy)]
pub(in crate::host) struct ChildSetup {
    /// The process that forks.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(in crate::host) parent: libc::pid_t,
    /// Write end of the progress pipe; `None` = it tells no progress.
    pub(in crate::host) progress: Option<RawFd>,
    /// What was on descriptor 3 before the fork, if it was a pipe or a socket.
    pub(in crate::host) third: Option<Identity>,
    /// What it may use of the system at most.
    pub(in crate::host) limits: Limits,
    /// The sandbox to enter; see [`crate::host::process::sandbox`].
    pub(in crate::host) sandbox: Option<RawFd>,
    /// The open `cgroup.procs` of the group to run in.
    pub(in crate::host) group: Option<RawFd>,
}

/// Device and inode of a pipe or socket on this descriptor; `None` when it is anything else, or nothing.
pub(in crate::host) fn channel(fd: RawFd) -> Option<Identity> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: fstat writes the whole struct when it returns 0, and accepts any number as a descriptor.
    let stat = unsafe {
        if libc::fstat(fd, stat.as_mut_ptr()) != 0 {
            return None;
        }
        stat.assume_init()
    };
    matches!(stat.st_mode & libc::S_IFMT, libc::S_IFIFO | libc::S_IFSOCK).then_some((stat.st_dev, stat.st_ino))
}

impl ChildSetup {
    /// Carries it out. Only what a job cannot run without is an error; the rest is done as far as the system lets it.
    pub(in crate::host) fn apply(&self) -> io::Result<()> {
        // SAFETY: all of these are system calls on plain numbers and on memory of this stack frame.
        unsafe {
            if libc::setsid() < 0 {
                return Err(io::Error::last_os_error());
            }
            #[cfg(target_os = "linux")]
            die_with_parent(self.parent, libc::SIGKILL)?;
            // Before anything is allocated, so that all of it is the group's.
            self.enter_group()?;
            default_signals();
            libc::umask(0o077);
            let nice = libc::getpriority(libc::PRIO_PROCESS as _, 0);
            libc::setpriority(libc::PRIO_PROCESS as _, 0, nice.max(NICE));
            #[cfg(target_os = "linux")]
            yield_disk_and_memory();
            self.limits.lower();
            if let Some(progress) = self.progress {
                self.place_progress(progress)?;
                close_on_exec_from(PROGRESS_FD + 1);
            } else {
                close_on_exec_from(PROGRESS_FD);
            }
            // Last: nothing of the above is allowed behind it.
            if let Some(sandbox) = self.sandbox {
                sandbox::enter(sandbox)?;
            }
        }
        Ok(())
    }

    /// Moves into its group: `0` stands for whoever writes it.
    unsafe fn enter_group(&self) -> io::Result<()> {
        let Some(procs) = self.group else { return Ok(()) };
        // SAFETY: a constant of one byte, and a descriptor that the parent holds open across the fork.
        if unsafe { libc::write(procs, b"0".as_ptr().cast(), 1) } == 1 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Puts the progress pipe on descriptor 3, open across exec.
    unsafe fn place_progress(&self, progress: RawFd) -> io::Result<()> {
        // SAFETY: plain numbers; both descriptors belong to this process alone.
        unsafe {
            if progress == PROGRESS_FD {
                // dup2 onto itself would leave it to be closed by exec.
                if libc::fcntl(PROGRESS_FD, libc::F_SETFD, 0) < 0 {
                    return Err(io::Error::last_os_error());
                }
                return Ok(());
            }
            // std makes a pipe or a pair of sockets right before the fork, on which the child tells that exec failed. Other
            // threads open and close files all the time, so it may have got number 3; overwritten, a failed start would
            // look like a success.
            let there = channel(PROGRESS_FD);
            if there.is_some() && there != self.third {
                return Err(io::Error::from_raw_os_error(libc::EAGAIN));
            }
            if libc::dup2(progress, PROGRESS_FD) < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }
}

/// Ignored signals and the signal mask go through exec; whatever the console ignores, the job must hear.
unsafe fn default_signals() {
    // SAFETY: the set is initialised by sigemptyset before use; unknown signal numbers are refused by the call.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}

/// I/O priority best-effort 7 (the last), and first in line for the kernel's out-of-memory killer.
#[cfg(target_os = "linux")]
unsafe fn yield_disk_and_memory() {
    const WHO_PROCESS: libc::c_int = 1;
    const BEST_EFFORT_7: libc::c_int = (2 << 13) | 7;
    // SAFETY: plain numbers, a string with its zero, and a constant slice with its length.
    unsafe {
        libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, BEST_EFFORT_7);
        let file = libc::open(c"/proc/self/oom_score_adj".as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file >= 0 {
            libc::write(file, OOM_SCORE_ADJ.as_ptr().cast(), OOM_SCORE_ADJ.len());
            libc::close(file);
        }
    }
}

impl Limits {
    /// Lowers each of them, soft and hard.
    unsafe fn lower(&self) {
        // No core dumps: they would hold what a film or its owner keeps to themselves.
        let wanted = [
            (libc::RLIMIT_CORE, Some(0)),
            (libc::RLIMIT_FSIZE, self.max_file),
            (libc::RLIMIT_AS, self.address_space),
            (libc::RLIMIT_DATA, self.data),
            (libc::RLIMIT_NOFILE, self.files),
            (libc::RLIMIT_NPROC, self.processes),
        ];
        for (which, most) in wanted {
            let Some(most) = most else { continue };
            // SAFETY: getrlimit fills the struct or fails, and then it is not read.
            unsafe {
                let mut now = std::mem::MaybeUninit::<libc::rlimit>::uninit();
                if libc::getrlimit(which, now.as_mut_ptr()) != 0 {
                    continue;
                }
                let now = now.assume_init();
                let lower = libc::rlimit { rlim_cur: now.rlim_cur.min(most), rlim_max: now.rlim_max.min(most) };
                libc::setrlimit(which, &raw const lower);
            }
        }
    }
}

/// Marks every descriptor from `first` on to be closed by exec: std does it for its own, other libraries may not have.
/// Marked and not closed, because std's pipe that tells the outcome of exec is among them.
unsafe fn close_on_exec_from(first: RawFd) {
    // SAFETY: plain numbers; getrlimit fills the struct or fails, and then it is not read.
    unsafe {
        #[cfg(target_os = "linux")]
        {
            const CLOSE_RANGE_CLOEXEC: libc::c_uint = 1 << 2;
            if libc::syscall(libc::SYS_close_range, first as libc::c_uint, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) == 0 {
                return;
            }
        }
        let mut most = std::mem::MaybeUninit::<libc::rlimit>::uninit();
        let most =
            if libc::getrlimit(libc::RLIMIT_NOFILE, most.as_mut_ptr()) == 0 { most.assume_init().rlim_cur } else { MOST_FDS };
        for fd in first..most.min(MOST_FDS) as RawFd {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}
