//! Another plimsoll as a child: its lines as they come, how it ended, and what it cost.
//!
//! The child has a process group of its own, so that a Ctrl-C of the terminal reaches it once, through us. When we die it
//! is told to end, and its jobs die with it. Knows nothing of what the lines mean.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::domain::text::sanitise;
use crate::host::process::child::start_within;
use crate::host::process::command::{GRANTED_WITHIN, until_granted};
use crate::host::process::lifeline::end_with_parent;

/// Lines of stderr that are kept.
const LAST_LINES: usize = 20;
/// A line longer than this is no event.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// Longest wait for a child to stand still. One that hears of it later still has heard of its going on before it stops, and does
/// not.
const STOP: Duration = Duration::from_millis(2500);
/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// What is to be run.
#[derive(Debug)]
pub struct RunCommand {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// The entrance of the memory cgroup that it is to live in.
    pub entrance: Option<File>,
}

/// What comes from the child.
#[derive(Debug)]
pub enum Output {
    /// A line of its stdout.
    Line(String),
    /// It has ended; nothing comes after this.
    Ended(Ending),
}

/// How a child ended.
#[derive(Debug, Clone)]
pub struct Ending {
    pub status: ExitStatus,
    /// Processor time of it and of its children.
    pub cpu: Duration,
    /// The last lines of its stderr.
    pub last_lines: Vec<String>,
}

impl Ending {
    /// How it ended, in words; `None` when it ended by itself, whatever its status.
    pub fn death(&self) -> Option<String> {
        self.status.signal().map(|signal| format!("the run was killed by signal {signal}"))
    }
}

/// Sends signals to a child, from any thread, for as long as it lives.
#[derive(Debug, Clone)]
pub struct ChildHandle(Arc<Mutex<Option<libc::pid_t>>>);

impl ChildHandle {
    /// Sends the child a signal; nothing when it has ended.
    pub fn signal(&self, signal: i32) {
        let pid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = *pid {
            // SAFETY: plain numbers; the process has not been reaped, so the number is its own.
            unsafe { libc::kill(pid, signal) };
        }
    }

    /// Asks the child to stop with its jobs (SIGTSTP) and waits until it stands still, but not for ever: a child that does
    /// not hear must not keep the operator from the shell.
    pub fn stop(&self) {
        self.signal(libc::SIGTSTP);
        let mut waited = Duration::ZERO;
        while waited < STOP && !self.stands_still() {
            std::thread::sleep(LOOK);
            waited += LOOK;
        }
    }

    /// Lets a child that was stopped go on.
    pub fn go_on(&self) {
        self.signal(libc::SIGCONT);
    }

    /// It is stopped, or it is no more.
    fn stands_still(&self) -> bool {
        let pid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pid) = *pid else { return true };
        // SAFETY: waitid fills the structure or leaves it zeroed, which is a valid value of it; nothing is reaped by it.
        unsafe {
            let mut info = std::mem::zeroed::<libc::siginfo_t>();
            let wanted = libc::WSTOPPED | libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            libc::waitid(libc::P_PID, pid as libc::id_t, &raw mut info, wanted) != 0 || info.si_pid() != 0
        }
    }
}

/// A child at work. Dropping it kills it if it has not ended.
#[derive(Debug)]
pub struct ChildRun {
    /// What comes from it.
    pub said: UnboundedReceiver<Output>,
    /// The process, until it is reaped: after that the number may be somebody else's.
    handle: ChildHandle,
}

impl ChildRun {
    /// Starts it. The calling thread has to live as long as the child is to.
    pub fn start(command: &RunCommand) -> io::Result<Self> {
        let mut child = Command::new(&command.program);
        child.args(&command.args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        end_with_parent(&mut child, libc::SIGTERM);
        if let Some(entrance) = &command.entrance {
            start_within(&mut child, entrance.try_clone()?);
        }
        let mut child = until_granted(GRANTED_WITHIN, || child.spawn())?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let number = child.id() as libc::pid_t;
        let pid = Arc::new(Mutex::new(Some(number)));
        let (sender, said) = unbounded_channel();
        let errors =
            std::thread::Builder::new().name("stderr".to_owned()).spawn(move || stderr.map(last_lines).unwrap_or_default())?;
        let reaped = Arc::clone(&pid);
        std::thread::Builder::new().name("stdout".to_owned()).spawn(move || {
            let mut reader = stdout.map(BufReader::new);
            let mut line = Vec::new();
            while let Some(reader) = &mut reader {
                line.clear();
                match reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
                    Ok(1..) => {
                        let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                        // When nobody listens any more the child is still to be reaped.
                        let _ = sender.send(Output::Line(text));
                    }
                    _ => break,
                }
            }
            let (status, cpu) = reap(number, &reaped);
            let last_lines = errors.join().unwrap_or_default();
            let _ = sender.send(Output::Ended(Ending { status, cpu, last_lines }));
        })?;
        Ok(Self { said, handle: ChildHandle(pid) })
    }

    /// Sends the child a signal; nothing when it has ended.
    pub fn signal(&self, signal: i32) {
        self.handle.signal(signal);
    }

    /// The same for somebody else.
    pub fn handle(&self) -> ChildHandle {
        self.handle.clone()
    }
}

impl Drop for ChildRun {
    fn drop(&mut self) {
        self.signal(libc::SIGKILL);
    }
}

/// Waits for the child to end, then reaps it while nobody may signal it. Its processor time is that of its children too.
fn reap(pid: libc::pid_t, number: &Mutex<Option<libc::pid_t>>) -> (ExitStatus, Duration) {
    loop {
        // SAFETY: the structure is filled by the call; WNOWAIT leaves the child to be reaped below.
        let waited = unsafe {
            let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::uninit();
            libc::waitid(libc::P_PID, pid as libc::id_t, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT)
        };
        if waited == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            break;
        }
    }
    let mut number = number.lock().unwrap_or_else(PoisonError::into_inner);
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both are written by the call when it returns the child; zeroed, the usage is valid in any case.
    let usage = unsafe {
        libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr());
        usage.assume_init()
    };
    *number = None;
    (ExitStatus::from_raw(status), time(usage.ru_utime) + time(usage.ru_stime))
}

fn time(value: libc::timeval) -> Duration {
    let (seconds, micros) = (u64::try_from(value.tv_sec).unwrap_or(0), u64::try_from(value.tv_usec).unwrap_or(0));
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}

fn last_lines(stderr: impl Read) -> Vec<String> {
    let mut last = VecDeque::with_capacity(LAST_LINES);
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(1..) => {
                if last.len() == LAST_LINES {
                    last.pop_front();
                }
                last.push_back(sanitise(line.trim_ascii_end()));
            }
            _ => return last.into(),
        }
    }
}
