//! Runs a short helper program to its end: cleared environment, no stdin, bounded output, a time limit.
//!
//! For questions such as `ffmpeg -version`. Knows nothing of what it runs; jobs are run elsewhere.

use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::domain::text::path_text;

/// Most that is kept of each output stream, in bytes; the rest is read and thrown away.
const MAX_OUTPUT: usize = 1024 * 1024;

/// What to run.
#[derive(Debug, Clone)]
pub struct Tool {
    /// The program, absolute.
    pub program: PathBuf,
    /// Its arguments.
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
    /// Its standard output, at most 1 MiB.
    pub stdout: Vec<u8>,
    /// Its standard error, at most 1 MiB.
    pub stderr: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// It could not be started.
    #[error("cannot run {}: {source}", path_text(.program))]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It did not end in time and was killed.
    #[error("{} did not answer within {} s and was stopped", path_text(.program), .limit.as_secs_f64())]
    TimedOut {
        /// The program.
        program: PathBuf,
        /// How long it had.
        limit: Duration,
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

/// Between two tries to start a program while too many files are open.
const DESCRIPTORS_WAIT: Duration = Duration::from_millis(50);

/// Tries again and again, for `limit` at most, while too many files are open: others give some back all the time.
#[allow(clippy::disallowed_methods)] // the host reads clocks
pub fn with_descriptors<T>(limit: Duration, mut work: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        match work() {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) && Instant::now() < deadline => {
                thread::sleep(DESCRIPTORS_WAIT);
            }
            result => return result,
        }
    }
}

/// Runs a command that is set up already, in a process group of its own, and waits for its end; `limit` as in [`Tool`].
/// Standard input is empty, both outputs are read here.
#[allow(clippy::disallowed_methods)] // the host reads clocks
pub fn run(command: &mut Command, limit: Duration) -> Result<Answer, ToolError> {
    let program = PathBuf::from(command.get_program());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let deadline = Instant::now() + limit;
    let started = with_descriptors(limit, || command.spawn());
    let mut child = started.map_err(|source| ToolError::Start { program: program.clone(), source })?;
    let (sender, receiver) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        read_aside(stdout, false, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        read_aside(stderr, true, sender.clone());
    }
    drop(sender);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok((false, bytes)) => stdout = bytes,
            Ok((true, bytes)) => stderr = bytes,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => return Err(timed_out(&mut child, program, limit)),
        }
    }
    // Both outputs are closed, which is the end of nearly every program; one that lingers is asked again.
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(Answer { status, stdout, stderr }),
            Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(2)),
            Ok(None) => return Err(timed_out(&mut child, program, limit)),
            Err(source) => return Err(ToolError::Start { program, source }),
        }
    }
}

fn timed_out(child: &mut Child, program: PathBuf, limit: Duration) -> ToolError {
    kill_group(child);
    ToolError::TimedOut { program, limit }
}

/// Kills a child that leads its process group, with the whole group, and reaps it.
pub fn kill_group(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn read_aside(mut from: impl Read + Send + 'static, is_stderr: bool, to: mpsc::Sender<(bool, Vec<u8>)>) {
    thread::spawn(move || {
        let mut kept = Vec::new();
        let _ = from.by_ref().take(MAX_OUTPUT as u64).read_to_end(&mut kept);
        let _ = io::copy(&mut from, &mut io::sink());
        let _ = to.send((is_stderr, kept));
    });
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
    fn a_program_that_hangs_is_stopped_with_all_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        let mut tool = shell(&format!("sleep 600 & echo $! > {}; wait", pid_file.display()));
        tool.limit = Duration::from_millis(500);
        assert!(matches!(tool.run(), Err(ToolError::TimedOut { .. })));
        let pid: i32 = std::fs::read_to_string(pid_file).unwrap().trim().parse().unwrap();
        assert!(is_gone(rustix::process::Pid::from_raw(pid).unwrap()), "the sleeping grandchild is alive");
    }

    /// The process ends within 5 s, or has ended.
    #[cfg(target_os = "linux")]
    fn is_gone(pid: rustix::process::Pid) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let Ok(handle) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else {
            return true;
        };
        let limit = Timespec { tv_sec: 5, tv_nsec: 0 };
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
    fn endless_output_is_cut_and_does_not_block() {
        let answer = shell("head -c 5000000 /dev/zero").run().unwrap();
        assert_eq!(answer.stdout.len(), MAX_OUTPUT);
        assert!(answer.status.success());
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Tool::new(Path::new("/no/such/tool"), &[]).run().unwrap_err();
        assert!(error.to_string().starts_with("cannot run /no/such/tool: "), "{error}");
    }
}
