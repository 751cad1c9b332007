//! Starts the process of a job, with its pipes, limits, group and sandbox.
//!
//! The kernel's promise to kill a child when its parent dies follows the *thread* that forked it. So whoever calls [`spawn`]
//! stays until the child has ended. It must not know what the children are for.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rustix::io::FdFlags;

use crate::domain::text::path_text;
use crate::domain::units::Bytes;
use crate::host::process::child::{ChildSetup, Identity, Limits, channel};
use crate::host::process::command::{GRANTED_WITHIN, until_granted};
use crate::host::process::sandbox::PROGRESS_FD;

#[derive(Debug)]
pub struct SpawnRequest {
    /// The program, its arguments, folder and environment. Standard streams are set by [`spawn`].
    pub command: Command,
    /// No file that it writes may grow over this (`RLIMIT_FSIZE`, ended by SIGXFSZ).
    pub max_file: Option<Bytes>,
    /// The `cgroup.procs` of the group that it is to run in, opened for writing.
    pub group: Option<File>,
    /// The sandbox that it enters.
    pub sandbox: Option<OwnedFd>,
}

/// A process that runs: leader of its own session and process group, not reaped until its owner does so.
#[derive(Debug)]
pub struct SpawnedChild {
    /// Its number, also that of its process group.
    pub pid: u32,
    /// Becomes readable when it has ended; `None` where the kernel has no such thing.
    pub pidfd: Option<OwnedFd>,
    /// What it writes on stderr. Does not block.
    pub stderr: OwnedFd,
    /// What it writes on descriptor 3. Does not block.
    pub progress: OwnedFd,
    /// It runs in the group that was asked for.
    pub in_group: bool,
}

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The program could not be run.
    #[error("cannot run {program}: {}", words(source))]
    Run {
        /// Its path, as shown.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// No pipe to it could be made.
    #[error("cannot run {program}: no pipe to it can be made: {}", words(source))]
    Pipe {
        /// Its path, as shown.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// No thread could be started.
    #[error("cannot start a thread for processes: {}", words(.0))]
    Thread(io::Error),
}

impl SpawnError {
    /// A later try may help: descriptors, memory or process slots ran out for now.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Run { source, .. } | Self::Pipe { source, .. } | Self::Thread(source) => matches!(
                source.raw_os_error(),
                Some(libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::EINTR | libc::ETXTBSY)
            ),
        }
    }
}

/// What the system said, and what to do.
fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOENT) => "no such file; install it or give its path".to_owned(),
        Some(libc::EACCES) => "permission denied; it must be a file that may be executed".to_owned(),
        Some(libc::ENOEXEC) => "not a program for this machine".to_owned(),
        Some(libc::EAGAIN) => "too many processes for now".to_owned(),
        Some(libc::ENOMEM) => "no memory for another process for now".to_owned(),
        Some(libc::EMFILE | libc::ENFILE) => "too many open files for now".to_owned(),
        _ => error.to_string(),
    }
}

/// A console started with SIGCHLD ignored would never learn how its children ended: the kernel reaps them itself.
pub fn restore_sigchld() {
    // SAFETY: the struct is filled by sigaction before it is read; setting the default has no memory to get wrong.
    unsafe {
        let mut now = std::mem::MaybeUninit::<libc::sigaction>::uninit();
        if libc::sigaction(libc::SIGCHLD, std::ptr::null(), now.as_mut_ptr()) == 0
            && now.assume_init().sa_sigaction == libc::SIG_IGN
        {
            libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        }
    }
}

/// Starts a process. On Linux it dies with the calling thread.
pub fn spawn(request: SpawnRequest) -> Result<SpawnedChild, SpawnError> {
    let mut command = request.command;
    let program = path_text(command.get_program().as_ref());
    let run_error = |source| SpawnError::Run { program: program.clone(), source };
    let pipe_error = |source| SpawnError::Pipe { program: program.clone(), source };

    let (progress, progress_end) = pipe_in_time().map_err(pipe_error)?;
    let (stderr, stderr_end) = pipe_in_time().map_err(pipe_error)?;
    let setup = ChildSetup {
        parent: std::process::id() as libc::pid_t,
        progress: Some(progress_end.as_raw_fd() as RawFd),
        third: None,
        limits: Limits { max_file: request.max_file.map(|bytes| bytes.0), ..Limits::default() },
        sandbox: request.sandbox.as_ref().map(|sandbox| sandbox.as_raw_fd() as RawFd),
        group: request.group.as_ref().map(|file| file.as_raw_fd() as RawFd),
    };
    let with_group = Arc::new(AtomicBool::new(setup.group.is_some()));
    let third = Arc::new(Third::default());
    // One for both: descriptors may be few.
    let nothing = until_granted(GRANTED_WITHIN, || File::options().read(true).write(true).open("/dev/null"));
    command.stdin(nothing.map_err(pipe_error)?).stdout(Stdio::inherit()).stderr(Stdio::from(stderr_end));
    // SAFETY: `dup2` may be called between fork and exec, and so may all that `apply` calls, as its module says.
    unsafe {
        use std::os::unix::process::CommandExt as _;
        let (with_group, third) = (Arc::clone(&with_group), Arc::clone(&third));
        command.pre_exec(move || {
            if libc::dup2(libc::STDIN_FILENO, libc::STDOUT_FILENO) < 0 {
                return Err(io::Error::last_os_error());
            }
            let group = setup.group.filter(|_| with_group.load(Ordering::Relaxed));
            ChildSetup { group, third: third.get(), ..setup }.apply()
        });
    }
    // The handle is dropped without waiting: whoever owns the answer reaps by number.
    let mut started = until_granted(GRANTED_WITHIN, || third.start(&mut command, &progress_end));
    if started.is_err() && with_group.swap(false, Ordering::Relaxed) {
        // It may be the group that refuses, and a job can do without: what else is wrong shows again.
        started = third.start(&mut command, &progress_end);
    }
    let pid = started.map_err(run_error)?.id();
    // Our copies of the write ends are closed here, or the read ends would never see the end.
    drop(command);
    drop(progress_end);
    Ok(SpawnedChild { pid, pidfd: pidfd(pid), stderr, progress, in_group: with_group.load(Ordering::Relaxed) })
}

/// What has the number of the progress pipe in this process, as the child is to find it: anything else there is the pipe on which
/// it tells that exec failed, and must not be overwritten.
#[derive(Default)]
struct Third {
    dev: AtomicU64,
    ino: AtomicU64,
}

impl Third {
    /// As often a start is tried where the child finds something else: another thread has closed what had the number.
    const TRIES: u32 = 10;

    fn get(&self) -> Option<Identity> {
        let there = (self.dev.load(Ordering::Relaxed), self.ino.load(Ordering::Relaxed));
        (there != (0, 0)).then_some((there.0 as libc::dev_t, there.1 as libc::ino_t))
    }

    fn start(&self, command: &mut Command, progress: &OwnedFd) -> io::Result<Child> {
        let mut tries = 0;
        loop {
            // Where the number is free it is ours until the fork. Only when that is wanted: descriptors may be few.
            let held = (tries > 0).then(|| rustix::io::fcntl_dupfd_cloexec(progress, PROGRESS_FD));
            let (dev, ino) = channel(PROGRESS_FD).unwrap_or_default();
            #[allow(clippy::unnecessary_cast)] // of another width elsewhere than on Linux
            let (dev, ino) = (dev as u64, ino as u64);
            self.dev.store(dev, Ordering::Relaxed);
            self.ino.store(ino, Ordering::Relaxed);
            let started = command.spawn();
            drop(held);
            tries += 1;
            match started {
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) && tries < Self::TRIES => {}
                started => return started,
            }
        }
    }
}

fn pipe_in_time() -> io::Result<(OwnedFd, OwnedFd)> {
    until_granted(GRANTED_WITHIN, || Ok(pipe()?))
}

/// A pipe that no other child inherits and whose read end does not block.
fn pipe() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    #[cfg(target_os = "linux")]
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    #[cfg(not(target_os = "linux"))]
    let (read, write) = rustix::pipe::pipe()?;
    if cfg!(not(target_os = "linux")) {
        rustix::io::fcntl_setfd(&read, FdFlags::CLOEXEC)?;
        rustix::io::fcntl_setfd(&write, FdFlags::CLOEXEC)?;
    }
    let flags = rustix::fs::fcntl_getfl(&read)?;
    rustix::fs::fcntl_setfl(&read, flags | rustix::fs::OFlags::NONBLOCK)?;
    Ok((read, write))
}

#[cfg(target_os = "linux")]
fn pidfd(pid: u32) -> Option<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid as i32)?;
    rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn pidfd(_pid: u32) -> Option<OwnedFd> {
    None
}
