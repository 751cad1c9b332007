//! Runs a short helper program to its end: cleared environment, no stdin, bounded output, a time limit.
//!
//! For questions such as `ffmpeg -version`. Knows nothing of what it runs; jobs are run elsewhere.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::domain::text::path_text;
use crate::host::process::lifeline::end_with_parent;

/// Longest answer of a tool on each of its outputs, in bytes.
const MAX_OUTPUT: usize = 1024 * 1024;

/// How long a program may take and how much it may say.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Killed, with all it started, after this long.
    pub limit: Duration,
    /// Longest standard output, in bytes.
    pub stdout: usize,
    /// Longest standard error, in bytes.
    pub stderr: usize,
    /// What becomes of longer ones.
    pub beyond: Beyond,
}

/// What becomes of outputs that are longer than they may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// The begin counts: a program with a longer standard output is killed, the rest of a longer standard error is thrown away.
    Refused,
    /// The end counts: the oldest is thrown away, and the program goes on.
    Forgotten,
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Tool {
    /// The program, absolute.
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// The whole environment it gets.
    pub env: Vec<(OsString, OsString)>,
    /// Killed, with all it started, after this long.
    pub limit: Duration,
}

/// What it answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// How it ended.
    pub status: ExitStatus,
    /// Its whole standard output.
    pub stdout: Vec<u8>,
    /// The beginning of its standard error.
    pub stderr: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It could not be started.
    #[error("cannot run {}: {source}", path_text(.program))]
    Start {
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It did not end in time and was killed.
    #[error("{} did not answer within {} s and was stopped", path_text(.program), .limit.as_secs_f64())]
    TimedOut {
        program: PathBuf,
        /// How long it had.
        limit: Duration,
    },
    /// It did not stop talking and was killed.
    #[error("{} answered more than {} MiB and was stopped", path_text(.program), .longest >> 20)]
    TooLong {
        program: PathBuf,
        /// The longest answer that was expected, in bytes.
        longest: usize,
    },
}

impl Tool {
    /// `program` with `args`, an environment of PATH (from ours) and a plain UTF-8 locale, and 10 s to answer.
    pub fn new(program: &Path, args: &[&str]) -> Self {
        let mut env = vec![(OsString::from("LC_ALL"), OsString::from("C.UTF-8"))];
        if let Some(path) = std::env::var_os("PATH") {
            env.push((OsString::from("PATH"), path));
        }
        Self { program: program.to_owned(), args: args.iter().map(OsString::from).collect(), env, limit: Duration::from_secs(10) }
    }

    /// Runs it and waits for its end.
    pub fn run(&self) -> Result<Answer, ToolError> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).env_clear().envs(self.env.iter().map(|(key, value)| (key, value)));
        run(&mut command, self.limit)
    }
}

/// Between two looks whether a program has ended although its outputs are open, or is given up.
const LOOK: Duration = Duration::from_millis(100);
/// Reads of what is left in the outputs of a program that has ended: more than pipes hold.
const MOST_LEFT_TO_READ: u32 = 128;
/// Longest wait for what the system refuses for a moment: on a busy machine others keep their files open for some seconds.
pub const GRANTED_WITHIN: Duration = Duration::from_secs(10);
/// Between two tries of what the system refuses for a moment.
const REFUSED_WAIT: Duration = Duration::from_millis(20);

/// Tries again and again, for `limit` at most, while the system refuses for a moment: too many files are open, which others close
/// all the time; or a program is being written, and any child that its writer forks holds it open until that child's exec.
#[allow(clippy::disallowed_methods)] // the host reads clocks
pub fn until_granted<T>(limit: Duration, mut work: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        match work() {
            Err(error) if is_for_a_moment(&error) && Instant::now() < deadline => thread::sleep(REFUSED_WAIT),
            result => return result,
        }
    }
}

fn is_for_a_moment(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ETXTBSY))
}

/// Runs a command that is set up already, in a process group of its own, and waits for its end; `limit` as in [`Tool`]. It dies
/// with this process: nobody would hear its answer any more.
pub fn run(command: &mut Command, limit: Duration) -> Result<Answer, ToolError> {
    command.process_group(0);
    end_with_parent(command, libc::SIGKILL);
    run_bounded(command, Bounds { limit, stdout: MAX_OUTPUT, stderr: MAX_OUTPUT, beyond: Beyond::Refused })
}

/// The same for a command that leads its process group by its own set-up. Standard input is empty, both outputs are read here.
pub fn run_bounded(command: &mut Command, bounds: Bounds) -> Result<Answer, ToolError> {
    run_fed(command, Stdio::null(), bounds, None)
}

/// The same with something on its standard input. Once `given_up` is set it is killed as if its time were over.
#[allow(clippy::disallowed_methods)] // the host reads clocks
pub fn run_fed(command: &mut Command, input: Stdio, bounds: Bounds, given_up: Option<&AtomicBool>) -> Result<Answer, ToolError> {
    let program = PathBuf::from(command.get_program());
    let is_given_up = || given_up.is_some_and(|given_up| given_up.load(Ordering::Relaxed));
    command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped());
    let deadline = Instant::now() + bounds.limit;
    let failed = |source: io::Error| ToolError::Start { program: program.clone(), source };
    let timed_out = || ToolError::TimedOut { program: program.clone(), limit: bounds.limit };
    let mut child = Killed { child: until_granted(bounds.limit, || command.spawn()).map_err(failed)?, is_reaped: false };
    let mut out = child.child.stdout.take().map(|pipe| File::from(OwnedFd::from(pipe)));
    let mut err = child.child.stderr.take().map(|pipe| File::from(OwnedFd::from(pipe)));
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    // One byte more tells that it is too long.
    let longest_out = bounds.stdout + usize::from(bounds.beyond == Beyond::Refused);
    let mut block = vec![0; 16 * 1024];
    let mut looked = Instant::now();
    while out.is_some() || err.is_some() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() || is_given_up() {
            return Err(timed_out());
        }
        let (out_is_ready, err_is_ready) = ready(out.as_ref(), err.as_ref(), left.min(LOOK)).map_err(failed)?;
        if out_is_ready {
            take(&mut out, &mut block, &mut stdout, longest_out, bounds.beyond).map_err(failed)?;
        }
        if err_is_ready {
            take(&mut err, &mut block, &mut stderr, bounds.stderr, bounds.beyond).map_err(failed)?;
        }
        if stdout.len() > bounds.stdout {
            return Err(ToolError::TooLong { program, longest: bounds.stdout });
        }
        // What it has left running may keep the outputs open, and is not waited for.
        if looked.elapsed() >= LOOK {
            if has_ended(child.pid()) {
                break;
            }
            looked = Instant::now();
        }
    }
    // Both outputs are closed, which is the end of nearly every program; one that lingers is asked again.
    while !has_ended(child.pid()) {
        if Instant::now() >= deadline || is_given_up() {
            return Err(timed_out());
        }
        thread::sleep(Duration::from_millis(1));
    }
    // Whatever it has left running goes with it, as long as the number of its group is its own.
    kill_members(&child.child);
    // What it said itself stands in the pipes. Whoever has left its group may go on writing.
    for _ in 0..MOST_LEFT_TO_READ {
        let (out_is_ready, err_is_ready) = ready(out.as_ref(), err.as_ref(), Duration::ZERO).map_err(failed)?;
        if out_is_ready {
            take(&mut out, &mut block, &mut stdout, longest_out, bounds.beyond).map_err(failed)?;
        }
        if err_is_ready {
            take(&mut err, &mut block, &mut stderr, bounds.stderr, bounds.beyond).map_err(failed)?;
        }
        if !out_is_ready && !err_is_ready {
            break;
        }
    }
    let status = child.reap().map_err(failed)?;
    if stdout.len() > bounds.stdout {
        return Err(ToolError::TooLong { program, longest: bounds.stdout });
    }
    Ok(Answer { status, stdout, stderr })
}

/// The child has ended; it stays unreaped, so that its number is its own.
pub fn has_ended(pid: libc::pid_t) -> bool {
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: waitid fills the struct or leaves it zeroed, which is a valid value of it.
    unsafe {
        let result = libc::waitid(libc::P_PID, pid as libc::id_t, info.as_mut_ptr(), libc::WEXITED | libc::WNOHANG | libc::WNOWAIT);
        // An error means that there is no such child any more.
        result != 0 || info.assume_init().si_pid() != 0
    }
}

/// Waits until one of the pipes can be read.
fn ready(out: Option<&File>, err: Option<&File>, left: Duration) -> io::Result<(bool, bool)> {
    let pipes = [out, err].into_iter().flatten();
    let mut fds: Vec<PollFd<'_>> = pipes.map(|pipe| PollFd::from_borrowed_fd(pipe.as_fd(), PollFlags::IN)).collect();
    let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) as _ };
    match poll(&mut fds, Some(&left)) {
        Ok(_) => {}
        Err(rustix::io::Errno::INTR) => return Ok((false, false)),
        Err(error) => return Err(error.into()),
    }
    let mut events = fds.iter().map(|fd| !fd.revents().is_empty());
    let out_is_ready = out.is_some() && events.next().unwrap_or(false);
    let err_is_ready = err.is_some() && events.next().unwrap_or(false);
    Ok((out_is_ready, err_is_ready))
}

/// Reads once, and keeps `keep` bytes at most. The pipe is `None` after its end.
fn take(pipe: &mut Option<File>, block: &mut [u8], into: &mut Vec<u8>, keep: usize, beyond: Beyond) -> io::Result<()> {
    match pipe.as_mut().map_or(Ok(0), |pipe| pipe.read(block)) {
        Ok(0) => *pipe = None,
        Ok(read) if beyond == Beyond::Forgotten => {
            into.extend_from_slice(&block[..read]);
            into.drain(..into.len().saturating_sub(keep));
        }
        Ok(read) => into.extend_from_slice(&block[..read.min(keep.saturating_sub(into.len()))]),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// A child that is gone, with all it started, whichever way it is left.
struct Killed {
    child: Child,
    is_reaped: bool,
}

impl Killed {
    fn pid(&self) -> libc::pid_t {
        self.child.id() as libc::pid_t
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.is_reaped = true;
        Ok(status)
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // Once it was reaped, its number may be somebody else's; as long as it was not, it leads its group, also where it has ended.
        if !self.is_reaped {
            kill_group(&mut self.child);
        }
    }
}

/// Kills a child that leads its process group, with the whole group, and reaps it.
pub fn kill_group(child: &mut Child) {
    kill_members(child);
    let _ = child.kill();
    let _ = child.wait();
}

fn kill_members(leader: &Child) {
    if let Some(pid) = i32::try_from(leader.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Tool {
        Tool::new(Path::new("/bin/sh"), &["-c", script])
    }

    #[test]
    fn both_outputs_and_the_exit_code_come_back() {
        let answer = shell("echo out; echo err >&2; exit 3").run().unwrap();
        assert_eq!((answer.stdout.as_slice(), answer.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!(answer.status.code(), Some(3));
    }

    #[test]
    fn nothing_of_our_environment_is_passed_but_the_path() {
        let answer = shell("/usr/bin/env").run().unwrap();
        let text = String::from_utf8(answer.stdout).unwrap();
        let names: Vec<&str> = text.lines().filter_map(|line| line.split('=').next()).collect();
        assert!(names.contains(&"LC_ALL") && !names.contains(&"HOME") && !names.contains(&"CARGO_MANIFEST_DIR"), "{names:?}");
    }

    #[test]
    fn a_program_that_is_open_for_writing_is_started_once_it_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        crate::host::media::ffmpeg::fakes::script(&program, "echo written");
        let mut writer = Some(std::fs::OpenOptions::new().append(true).open(&program).unwrap());
        let mut tries = 0;
        let answer = until_granted(Duration::from_secs(10), || {
            tries += 1;
            let answer = Command::new(&program).output();
            drop(writer.take());
            answer
        });
        assert_eq!(answer.unwrap().stdout, b"written\n");
        assert!(tries > 1, "the first one is refused");
    }

    #[test]
    fn a_program_that_hangs_is_stopped_with_all_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        let mut tool = shell(&format!("sleep 600 & echo $! > {}; wait", pid_file.display()));
        // Where the machine is busy it has not come so far within half a second.
        let started = |limit: u64| {
            tool.limit = Duration::from_millis(limit);
            assert!(matches!(tool.run(), Err(ToolError::TimedOut { .. })));
            std::fs::read_to_string(&pid_file).ok()?.trim().parse::<i32>().ok()
        };
        let pid = [500, 5_000, 60_000].into_iter().find_map(started).expect("it starts within a minute");
        assert!(is_gone(rustix::process::Pid::from_raw(pid).unwrap()), "the sleeping grandchild is alive");
    }

    #[test]
    fn a_program_that_has_ended_is_answered_for_and_what_it_left_running_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        // The sleeper keeps both outputs open.
        let mut tool = shell(&format!("sleep 600 & echo $! > {}; echo started; exit 3", pid_file.display()));
        tool.limit = Duration::from_mins(1);
        let answer = tool.run().unwrap();
        assert_eq!((answer.stdout.as_slice(), answer.status.code()), (&b"started\n"[..], Some(3)));
        let pid: i32 = std::fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
        assert!(is_gone(rustix::process::Pid::from_raw(pid).unwrap()), "what it left running is alive");
    }

    #[test]
    fn a_program_that_is_given_up_after_its_end_goes_with_what_it_left_running() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "sleep 600 & echo $!"]).stdout(Stdio::piped()).process_group(0);
        let mut child = Killed { child: command.spawn().unwrap(), is_reaped: false };
        let mut said = std::io::BufReader::new(child.child.stdout.take().unwrap());
        let mut line = String::new();
        std::io::BufRead::read_line(&mut said, &mut line).unwrap();
        while !has_ended(child.pid()) {
            thread::sleep(Duration::from_millis(1));
        }
        drop(child);
        assert!(is_gone(rustix::process::Pid::from_raw(line.trim().parse().unwrap()).unwrap()), "what it left running is alive");
    }

    /// The process ends within a minute, or has ended; one that was not killed has ten.
    #[cfg(target_os = "linux")]
    fn is_gone(pid: rustix::process::Pid) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let Ok(handle) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else {
            return true;
        };
        let limit = Timespec { tv_sec: 60, tv_nsec: 0 };
        poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&limit)).unwrap() == 1
    }

    #[cfg(not(target_os = "linux"))]
    fn is_gone(pid: rustix::process::Pid) -> bool {
        (0..500).any(|_| {
            thread::sleep(Duration::from_millis(10));
            rustix::process::test_kill_process(pid).is_err()
        })
    }

    #[test]
    fn endless_output_is_refused_and_endless_complaints_are_cut() {
        let error = shell("cat /dev/zero").run().unwrap_err();
        assert_eq!(error.to_string(), "/bin/sh answered more than 1 MiB and was stopped");
        let answer = shell("head -c 5000000 /dev/zero >&2").run().unwrap();
        assert_eq!(answer.stderr.len(), MAX_OUTPUT);
        assert!(answer.status.success());
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Tool::new(Path::new("/no/such/tool"), &[]).run().unwrap_err();
        assert!(error.to_string().starts_with("cannot run /no/such/tool: "), "{error}");
    }
}
