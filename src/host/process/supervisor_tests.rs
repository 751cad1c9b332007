#![allow(clippy::disallowed_methods)] // tests measure real time

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::domain::job::{Exit, LogLevel, Progress};
use crate::engine::port::{Cause, ExitReport, StopMode};
use crate::host::process::child::{ChildSetup, Limits, channel};

/// Long enough for a machine under load; reached only when something is broken.
const PATIENCE: Duration = Duration::from_mins(1);
const JOB: JobId = JobId(1);

struct Rig {
    supervisor: Supervisor,
    inputs: UnboundedReceiver<Input>,
    dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    seen: Vec<JobReport>,
}

impl Rig {
    fn new() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut SupervisorConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = SupervisorConfig::new(dir.path().join("logs"));
        change(&mut config);
        let (tx, inputs) = unbounded_channel();
        let supervisor = Supervisor::new(config, tx).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { supervisor, inputs, dir, runtime, seen: Vec::new() }
    }

    /// A shell script that runs in the rig's folder.
    fn script(&self, text: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", text]).env_clear().env("PATH", "/usr/bin:/bin").current_dir(self.dir.path());
        command
    }

    fn start(&self, text: &str) {
        self.supervisor.start(JOB, 1, Launch::new(self.script(text), Some(Duration::from_secs(10))));
    }

    fn next(&mut self) -> Input {
        let received = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, self.inputs.recv()).await });
        received.unwrap_or_else(|_| panic!("nothing came after {:?}", self.seen)).expect("the supervisor lives")
    }

    /// The next report of the job that `want` takes.
    fn await_report<T>(&mut self, want: impl Fn(&JobReport) -> Option<T>) -> T {
        loop {
            let Input::Job(JOB, report) = self.next() else { continue };
            let found = want(&report);
            self.seen.push(report);
            if let Some(found) = found {
                return found;
            }
        }
    }

    fn pid(&mut self) -> u32 {
        self.await_report(|r| if let JobReport::Spawned { pid, .. } = r { Some(*pid) } else { None })
    }

    /// Waits for a line of the log and gives what stands behind `start` in it.
    fn line(&mut self, start: &str) -> String {
        self.await_report(|r| match r {
            JobReport::Log(lines) => lines.iter().find_map(|(_, text)| text.strip_prefix(start).map(str::to_owned)),
            _ => None,
        })
    }

    fn exit(&mut self) -> ExitReport {
        self.await_report(|r| if let JobReport::Exited(exit) = r { Some(exit.clone()) } else { None })
    }

    fn log_file(&self) -> String {
        assert!(self.supervisor.flush_logs(PATIENCE));
        fs::read_to_string(self.supervisor.log_path(JOB, 1)).unwrap()
    }

    fn lines(&self) -> Vec<(LogLevel, String)> {
        self.seen.iter().filter_map(|r| if let JobReport::Log(lines) = r { Some(lines.clone()) } else { None }).flatten().collect()
    }

    fn progress(&self) -> Vec<Progress> {
        self.seen.iter().filter_map(|r| if let JobReport::Progress(p) = r { Some(*p) } else { None }).collect()
    }
}

/// State letter of a process; `None` when there is none.
fn state_of(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

fn is_dead(pid: u32) -> bool {
    matches!(state_of(pid), None | Some('Z' | 'X'))
}

/// Waits for what no event tells of.
fn within(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while start.elapsed() < limit {
        if done() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    done()
}

/// Runs the calling test again in a process of its own and asserts that it passes there; true in that process.
fn in_own_process(name: &str) -> bool {
    const KEY: &str = "PLIMSOLL_TEST_ALONE";
    if std::env::var_os(KEY).is_some_and(|value| value == name) {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("host::process::supervisor::tests::{name}"), "--nocapture", "--test-threads=1"])
        .env(KEY, name);
    let out = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success() && text.contains("1 passed"), "{text}");
    for line in text.lines().filter(|line| line.starts_with("measured")) {
        eprintln!("{line}");
    }
    false
}

/// Processor time of this process so far: what a busy machine does not change much.
fn own_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Highest resident memory of this process so far, in bytes.
fn own_peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn reports_come_in_order_with_the_start_first_and_the_end_last_and_once() {
    let mut rig = Rig::new();
    rig.start("echo '[x @ 0x1] [warning] hello' >&2; printf 'frame=3\\nout_time_us=5000000\\nprogress=continue\\n' >&3; exit 3");
    let exit = rig.exit();
    assert_eq!(exit.exit, Exit::Code(3));
    assert_eq!(exit.failure.as_ref().map(|f| f.cause), Some(Cause::Unknown));
    assert!(matches!(rig.seen.first(), Some(JobReport::Spawned { pid, .. }) if *pid > 1), "{:?}", rig.seen);
    assert_eq!(rig.lines(), [(LogLevel::Warning, "[x] hello".to_owned())]);
    assert_eq!(rig.progress().iter().map(|p| (p.frame, p.ratio)).collect::<Vec<_>>(), [(3, Some(0.5))]);

    let Rig { supervisor, mut inputs, .. } = rig;
    drop(supervisor);
    assert_eq!(inputs.blocking_recv(), None, "nothing may follow the end");
}

#[test]
fn a_program_that_is_not_there_is_named_and_not_retried() {
    let mut rig = Rig::new();
    rig.supervisor.start(JOB, 1, Launch::new(Command::new("/nowhere/ffmpeg"), None));
    let input = rig.next();
    let Input::Job(JOB, JobReport::SpawnFailed { reason, transient: false }) = input else { panic!("{input:?}") };
    assert!(reason.starts_with("cannot run /nowhere/ffmpeg: no such file"), "{reason}");
    rig.start("exit 0");
    assert_eq!(rig.exit().exit, Exit::Code(0), "the job can be started again");
}

#[test]
fn a_program_that_may_not_be_run_is_named_and_not_retried() {
    let mut rig = Rig::new();
    let path = rig.dir.path().join("ffmpeg");
    fs::write(&path, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    rig.supervisor.start(JOB, 1, Launch::new(Command::new(&path), None));
    let input = rig.next();
    let Input::Job(JOB, JobReport::SpawnFailed { reason, transient: false }) = input else { panic!("{input:?}") };
    assert!(reason.contains("permission denied"), "{reason}");
}

#[test]
fn want_of_descriptors_is_transient() {
    if !in_own_process("want_of_descriptors_is_transient") {
        return;
    }
    let mut rig = Rig::new();
    rig.start("exit 0");
    rig.exit();
    let open = fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let few = libc::rlimit { rlim_cur: open, rlim_max: 4096 };
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const few) }, 0);
    rig.start("exit 0");
    let reason = loop {
        match rig.next() {
            Input::Job(JOB, JobReport::SpawnFailed { reason, transient: true }) => break reason,
            // Its log may want the descriptor first; a job does without.
            Input::Fault { what, .. } if what.contains("cannot write the log") => {}
            other => panic!("{other:?}"),
        }
    };
    assert!(reason.contains("too many open files"), "{reason}");
}

#[test]
fn a_stopped_child_hears_term_and_its_own_exit_code_is_kept() {
    let mut rig = Rig::new();
    rig.start("trap 'exit 7' TERM; echo ready >&2; kill -STOP $$; exit 1");
    let pid = rig.pid();
    rig.line("ready");
    assert!(within(PATIENCE, || state_of(pid) == Some('T')));
    assert_eq!(rig.supervisor.slots.running(), [(JOB, pid)]);
    rig.supervisor.slots.stop(JOB, StopMode::Term);
    let exit = rig.exit();
    assert_eq!(exit.exit, Exit::Code(7));
    assert_eq!(exit.failure.unwrap().reason, "stopped, as asked (SIGTERM)");
    assert_eq!(rig.supervisor.slots.running(), []);
}

#[test]
fn a_child_ended_by_term_is_told_apart_from_one_that_exits() {
    let mut rig = Rig::new();
    rig.start("echo ready >&2; kill -STOP $$; exit 1");
    rig.line("ready");
    rig.supervisor.slots.stop(JOB, StopMode::Term);
    let exit = rig.exit();
    assert_eq!((exit.exit, exit.oom_killed), (Exit::Signal(libc::SIGTERM), Some(false)));
}

#[test]
fn a_stop_that_comes_before_the_start_is_not_lost() {
    let mut rig = Rig::new();
    for mode in [StopMode::Term, StopMode::Kill] {
        rig.start("kill -STOP $$; exit 1");
        rig.supervisor.slots.stop(JOB, mode);
        let expected = if mode == StopMode::Term { libc::SIGTERM } else { libc::SIGKILL };
        assert_eq!(rig.exit().exit, Exit::Signal(expected));
    }
}

#[test]
fn a_suspended_job_stands_still_until_it_is_resumed() {
    let mut rig = Rig::new();
    rig.start("mkfifo go; echo ready >&2; read x < go; exit 0");
    let pid = rig.pid();
    rig.line("ready");
    rig.supervisor.slots.suspend(JOB);
    assert!(within(PATIENCE, || state_of(pid) == Some('T')));
    let fifo = rig.dir.path().join("go");
    let writer = std::thread::spawn(move || fs::write(fifo, "on\n"));
    rig.supervisor.slots.resume(JOB);
    assert_eq!(rig.exit().exit, Exit::Code(0));
    writer.join().unwrap().unwrap();
}

#[test]
fn killing_a_job_kills_its_grandchildren() {
    let mut rig = Rig::new();
    rig.start("sh -c 'echo grandchild $$ >&2; kill -STOP $$' & kill -STOP $$");
    let grandchild: u32 = rig.line("grandchild ").parse().unwrap();
    assert!(!is_dead(grandchild));
    rig.supervisor.slots.stop(JOB, StopMode::Kill);
    let exit = rig.exit();
    assert_eq!((exit.exit, exit.oom_killed), (Exit::Signal(libc::SIGKILL), Some(false)));
    assert!(within(PATIENCE, || is_dead(grandchild)));
}

#[test]
fn what_a_job_leaves_behind_in_its_group_is_killed() {
    let mut rig = Rig::new();
    rig.start("sh -c 'echo grandchild $$ >&2; kill -STOP $$' & kill -STOP $$; exit 0");
    let grandchild: u32 = rig.line("grandchild ").parse().unwrap();
    // The leader alone goes on; the group's SIGCONT would let the grandchild end by itself.
    let pid = rig.supervisor.slots.running()[0].1;
    assert!(within(PATIENCE, || state_of(pid) == Some('T') && state_of(grandchild) == Some('T')));
    assert_eq!(unsafe { libc::kill(pid as libc::pid_t, libc::SIGCONT) }, 0);
    assert_eq!(rig.exit().exit, Exit::Code(0));
    assert!(within(PATIENCE, || is_dead(grandchild)));
}

#[test]
fn a_grandchild_that_keeps_the_pipes_open_does_not_hold_up_the_end() {
    let mut rig = Rig::new();
    rig.start("setsid sh -c 'echo grandchild $$ >&2; kill -STOP $$' & kill -STOP $$; exit 0");
    let grandchild: u32 = rig.line("grandchild ").parse().unwrap();
    let pid = rig.supervisor.slots.running()[0].1;
    assert!(within(PATIENCE, || state_of(pid) == Some('T') && state_of(grandchild) == Some('T')));
    let start = Instant::now();
    rig.supervisor.slots.resume(JOB);
    assert_eq!(rig.exit().exit, Exit::Code(0));
    let took = start.elapsed();
    let escaped = !is_dead(grandchild);
    unsafe { libc::kill(grandchild as libc::pid_t, libc::SIGKILL) };
    assert!(escaped, "the grandchild left the group, or this proves nothing");
    // It was waited for a while, and not for ever: the grandchild stands still until it is killed.
    assert!(took >= Duration::from_millis(900), "{took:?}");
}

#[test]
fn words_said_right_before_the_end_are_not_lost() {
    let mut rig = Rig::new();
    rig.start("seq -f '[warning] line %g' 1 5000 >&2; echo '[error] in.mp4: Invalid data found when processing input' >&2; exit 1");
    let exit = rig.exit();
    let failure = exit.failure.unwrap();
    assert_eq!(failure.cause, Cause::Input);
    assert!(failure.reason.starts_with("the input is damaged: "), "{}", failure.reason);
    let lines = rig.lines();
    assert!(lines.iter().any(|(level, text)| *level == LogLevel::Error && text.starts_with("in.mp4")), "{lines:?}");
    let file = rig.log_file();
    assert_eq!(file.lines().filter(|line| line.contains("Z [warning] line ")).count(), 5000, "the file has all of them");
    assert!(file.lines().next().unwrap().contains("job 1, try 1: /bin/sh -c '"), "{file:.200}");
    assert!(file.lines().last().unwrap().contains("ended with exit code 1"), "{}", file.lines().last().unwrap());
}

#[test]
fn a_last_line_without_its_end_is_read_too() {
    let mut rig = Rig::new();
    rig.start("printf '[error] cut off' >&2; exit 1");
    let reason = rig.exit().failure.unwrap().reason;
    assert!(reason.contains("cut off"), "{reason}");
    assert_eq!(rig.lines(), [(LogLevel::Error, "cut off".to_owned())]);
}

#[test]
fn a_title_that_looks_like_progress_is_only_a_title() {
    let mut rig = Rig::new();
    rig.start("printf 'title: x\\nframe=9\\nout_time_us=9000000\\nspeed=1x\\nprogress=end\\n' >&2; echo progress=continue >&3");
    rig.exit();
    assert_eq!(rig.progress(), [Progress { ratio: Some(0.0), ..Progress::default() }]);
}

#[test]
fn exit_code_zero_with_a_complaint_of_the_input_is_well_and_told_and_with_one_of_the_host_it_is_not() {
    let mut rig = Rig::new();
    rig.start("echo '[error] File ended prematurely' >&2; exit 0");
    let exit = rig.exit();
    assert_eq!((exit.exit, exit.failure), (Exit::Code(0), None));
    assert_eq!(exit.account.first_complaint.as_deref(), Some("the file ends too early"));
    let mut rig = Rig::new();
    rig.start("echo '[error] file:/in.mp4: Input/output error' >&2; exit 0");
    assert_eq!(rig.exit().failure.unwrap().cause, Cause::Host);
}

#[test]
fn a_second_start_of_a_job_that_runs_is_refused() {
    let mut rig = Rig::new();
    rig.start("kill -STOP $$");
    rig.start("exit 0");
    let refused = (0..2).any(|_| matches!(rig.next(), Input::Fault { what, .. } if what.contains("second time")));
    assert!(refused);
    rig.supervisor.slots.kill_all();
    assert_eq!(rig.exit().exit, Exit::Signal(libc::SIGKILL));
}

#[test]
fn dropping_the_supervisor_kills_what_runs_and_still_reports_it() {
    let mut rig = Rig::new();
    rig.start("echo ready >&2; kill -STOP $$");
    rig.line("ready");
    let Rig { supervisor, mut inputs, .. } = rig;
    drop(supervisor);
    let mut last = None;
    while let Some(input) = inputs.blocking_recv() {
        last = Some(input);
    }
    assert!(matches!(last, Some(Input::Job(JOB, JobReport::Exited(e))) if e.exit == Exit::Signal(libc::SIGKILL)));
}

#[test]
fn a_log_that_cannot_be_written_is_a_fault_and_the_job_goes_on() {
    let mut rig = Rig::with(|config| config.log_dir = "/dev/null/logs".into());
    rig.start("echo hello >&2; exit 0");
    let mut faults = 0;
    let exit = loop {
        match rig.next() {
            Input::Fault { what, .. } => {
                assert!(what.contains("/dev/null/logs/1.1.log"), "{what}");
                faults += 1;
            }
            Input::Job(_, JobReport::Exited(exit)) => break exit,
            _ => {}
        }
    };
    assert_eq!(exit.exit, Exit::Code(0));
    assert!(rig.supervisor.flush_logs(PATIENCE));
    while let Ok(Input::Fault { .. }) = rig.inputs.try_recv() {
        faults += 1;
    }
    assert_eq!(faults, 1);
}

#[test]
fn without_a_group_of_its_own_a_sigkill_may_be_put_down_to_memory_only_when_the_counter_rose_and_never_for_sure() {
    for (before, after, expected) in [(Some(3), Some(4), None), (Some(3), Some(3), Some(false)), (None, None, None)] {
        let counter = Arc::new(AtomicU64::new(before.unwrap_or(0)));
        let read = Arc::clone(&counter);
        let mut rig = Rig::with(|c| c.oom_kills = Arc::new(move || before.map(|_| read.load(Ordering::SeqCst))));
        rig.start("echo ready >&2; kill -STOP $$");
        let pid = rig.pid();
        rig.line("ready");
        counter.store(after.unwrap_or(0), Ordering::SeqCst);
        assert_eq!(unsafe { libc::kill(pid as libc::pid_t, libc::SIGKILL) }, 0);
        let exit = rig.exit();
        assert_eq!((exit.exit, exit.oom_killed), (Exit::Signal(libc::SIGKILL), expected));
    }
}

#[test]
fn a_child_outlives_the_thread_that_asked_for_it() {
    let mut rig = Rig::new();
    let command = rig.script("echo ready >&2; kill -STOP $$; exit 0");
    std::thread::scope(|scope| {
        scope.spawn(|| rig.supervisor.start(JOB, 1, Launch::new(command, None))).join().unwrap();
    });
    let pid = rig.pid();
    rig.line("ready");
    assert!(within(PATIENCE, || state_of(pid) == Some('T')));
    rig.supervisor.slots.resume(JOB);
    assert_eq!(rig.exit().exit, Exit::Code(0));
}

#[test]
fn a_child_runs_as_promised() {
    // A descriptor that a careless library left open across exec.
    let careless = File::open("/dev/null").unwrap();
    let leaked = unsafe { OwnedFd::from_raw_fd(libc::fcntl(careless.as_raw_fd(), libc::F_DUPFD, 20)) };
    let mut rig = Rig::with(|config| config.max_file = Some(Bytes::mib(7)));
    let mut command = rig.script(
        "kill -STOP $$; exec > facts; echo umask $(umask); echo oom $(cat /proc/$$/oom_score_adj); \
         echo stat $(cut -d')' -f2- /proc/$$/stat); echo io $(ionice -p $$); \
         grep -E 'core|file size' /proc/$$/limits; echo in $(readlink /proc/$$/fd/0); echo env $(env)",
    );
    command.env("MALLOC_TRIM_THRESHOLD_", "100000");
    rig.supervisor.start(JOB, 1, Launch::new(command, None));
    let pid = rig.pid();
    assert!(within(PATIENCE, || state_of(pid) == Some('T')));
    let fds = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(|fd| fd.unwrap().file_name().into_string().unwrap());
    assert_eq!(fds.collect::<std::collections::BTreeSet<_>>(), ["0", "1", "2", "3"].map(str::to_owned).into());
    // Read from outside while it stands still: a shell that waits for a child blocks signals itself.
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let signals = |name: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap()
    };
    // 32 and 33 belong to the C library, which refuses to have them changed.
    assert_eq!((signals("SigBlk:"), signals("SigIgn:") & !(3 << 31)), (0, 0));
    rig.supervisor.slots.resume(JOB);
    assert_eq!(rig.exit().exit, Exit::Code(0));
    drop(leaked);
    let facts = fs::read_to_string(rig.dir.path().join("facts")).unwrap();
    let fact = |name: &str| {
        let line = facts.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {facts}")).split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(fact("umask"), ["0077"]);
    assert_eq!(fact("oom"), ["500"]);
    let stat = fact("stat");
    let own = pid.to_string();
    assert_eq!((stat[2], stat[3]), (own.as_str(), own.as_str()), "leader of its own group and session");
    assert_eq!(stat[16], "10", "nice");
    assert_eq!(fact("io"), ["best-effort:", "prio", "7"]);
    assert_eq!(fact("in"), ["/dev/null"]);
    assert_eq!(fact("Max core file size")[..2], ["0", "0"]);
    assert_eq!(fact("Max file size")[..2], ["7340032", "7340032"]);
    let env = fact("env");
    assert!(env.contains(&"MALLOC_TRIM_THRESHOLD_=100000") && !env.iter().any(|v| v.starts_with("CARGO")), "{env:?}");
}

#[test]
fn an_output_over_its_limit_ends_the_job_by_name() {
    let mut rig = Rig::with(|config| config.max_file = Some(Bytes::mib(1)));
    rig.start("exec head -c 5000000 /dev/zero > big");
    // head's stdout is the file; everything else is as for any job.
    let exit = rig.exit();
    assert_eq!(exit.exit, Exit::Signal(libc::SIGXFSZ));
    assert_eq!(exit.failure.unwrap().reason, "the output grew over its size limit (SIGXFSZ)");
    assert_eq!(fs::metadata(rig.dir.path().join("big")).unwrap().len(), 1 << 20);
}

#[test]
fn an_output_that_others_leave_too_little_room_is_worth_another_try() {
    let mut rig = Rig::new();
    let limit = FileLimit { bytes: Bytes::mib(1), may_rise: true };
    let command = rig.script("exec head -c 5000000 /dev/zero > big");
    rig.supervisor.start(JOB, 1, Launch { max_file: Some(limit), ..Launch::new(command, None) });
    let failure = rig.exit().failure.unwrap();
    assert_eq!(failure.cause, Cause::Scratch);
    assert!(!failure.reason.contains("disk") && failure.reason.contains("scratch limit"), "{}", failure.reason);
}

#[test]
fn the_peak_is_the_memory_of_the_child_and_not_of_its_parent() {
    let ballast = vec![1_u8; 64 << 20];
    let mut rig = Rig::new();
    rig.start("kill -STOP $$; exit 0");
    let pid = rig.pid();
    assert!(within(PATIENCE, || state_of(pid) == Some('T')));
    std::thread::sleep(Duration::from_millis(250)); // two samples at the slowest pace
    rig.supervisor.slots.resume(JOB);
    let peak = rig.exit().peak;
    assert!(peak > Bytes(30_000) && peak < Bytes::mib(8), "{peak}");
    drop(ballast);
}

#[test]
fn progress_arrives_when_the_pipe_already_has_number_three() {
    if !in_own_process("progress_arrives_when_the_pipe_already_has_number_three") {
        return;
    }
    let (read, write) = std::io::pipe().unwrap();
    let (mut read, write) = (File::from(out_of_the_way(&read.into())), out_of_the_way(&write.into()));
    assert_eq!(unsafe { libc::dup2(write.as_raw_fd(), 3) }, 3);
    drop(write);
    unsafe { libc::fcntl(3, libc::F_SETFD, libc::FD_CLOEXEC) };
    let setup = ChildSetup {
        parent: std::process::id() as i32,
        progress: Some(3),
        third: None,
        limits: Limits::default(),
        group: None,
        sandbox: None,
    };
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "echo hello >&3"]);
    unsafe { command.pre_exec(move || setup.apply()) };
    assert!(command.status().unwrap().success());
    unsafe { libc::close(3) };
    let mut text = String::new();
    read.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello\n");
}

#[test]
fn the_pipe_that_tells_of_exec_is_never_taken_for_number_three() {
    if !in_own_process("the_pipe_that_tells_of_exec_is_never_taken_for_number_three") {
        return;
    }
    let (read, write) = std::io::pipe().unwrap();
    let (_read, write) = (out_of_the_way(&read.into()), out_of_the_way(&write.into()));
    let fork = || {
        let (progress, third) = (write.as_raw_fd(), channel(3));
        let setup = ChildSetup {
            parent: std::process::id() as i32,
            progress: Some(progress),
            third,
            limits: Limits::default(),
            group: None,
            sandbox: None,
        };
        let mut command = Command::new("/bin/true");
        command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
        unsafe { command.pre_exec(move || setup.apply()) };
        command.status().map(|status| status.success()).map_err(|error| error.raw_os_error())
    };
    assert_eq!(fork(), Ok(true));
    // With 0 and 3 the lowest free numbers, the write end of std's pipe becomes 3.
    assert_eq!(unsafe { libc::fcntl(3, libc::F_GETFD) }, -1, "something else has 3 in this process: the case cannot be made");
    unsafe { libc::close(0) };
    assert_eq!(fork(), Err(Some(libc::EAGAIN)));
}

/// The same file under a number that no test cares for.
fn out_of_the_way(fd: &OwnedFd) -> OwnedFd {
    let moved = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 30) };
    assert!(moved >= 30);
    unsafe { OwnedFd::from_raw_fd(moved) }
}

#[test]
fn a_million_lines_neither_slow_nor_bloat() {
    if !in_own_process("a_million_lines_neither_slow_nor_bloat") {
        return;
    }
    let mut rig = Rig::new();
    rig.start("echo ready >&2; kill -STOP $$; exec seq -f '[warning] this is line number %.0f of very many' 1 1000000 >&2");
    let pid = rig.pid();
    rig.line("ready");
    assert!(within(PATIENCE, || state_of(pid) == Some('T')));
    let (before, start, cpu) = (own_peak(), Instant::now(), own_cpu());
    rig.supervisor.slots.resume(JOB);
    let exit = rig.exit();
    let (took, cpu, grown) = (start.elapsed(), own_cpu().saturating_sub(cpu), own_peak() - before);
    println!("\nmeasured: a million lines in {took:?}, {cpu:?} of a processor, {} KB more memory", grown / 1024);
    assert_eq!(exit.exit, Exit::Code(0));
    assert!(grown < 16 << 20, "grew by {grown}");
    // What it costs, not how long it waits for a processor.
    assert!(cpu < Duration::from_secs(30), "{cpu:?}");
    let told = rig.lines().len() as f64;
    assert!(told <= 60.0 * (took.as_secs_f64() + 2.0), "{told} lines in {took:?}");
    let file = rig.log_file();
    let kept = file.lines().filter(|line| line.contains("Z [warning] this is line number")).count();
    // A busy disk may be too slow for some of them.
    let counted = |line: &str| ["log full, ", "disk too slow, "].iter().find_map(|why| Some(line.split_once(why)?.1.to_owned()));
    let left_out: usize = file.lines().filter_map(|line| counted(line)?.split(' ').next()?.parse::<usize>().ok()).sum();
    assert_eq!(kept + left_out, 1_000_000, "every line is kept or counted");
    assert!(kept > 100_000, "{kept}");
    assert!(file.len() < (16 << 20) + 1000, "{}", file.len());
}

#[test]
fn a_line_of_a_hundred_megabytes_costs_less_than_ten() {
    if !in_own_process("a_line_of_a_hundred_megabytes_costs_less_than_ten") {
        return;
    }
    let mut rig = Rig::new();
    rig.start(
        "echo ready >&2; kill -STOP $$; head -c 104857600 /dev/zero | tr '\\0' x >&2; echo >&2; echo '[error] after' >&2; exit 1",
    );
    let pid = rig.pid();
    rig.line("ready");
    assert!(within(PATIENCE, || state_of(pid) == Some('T')));
    let before = own_peak();
    rig.supervisor.slots.resume(JOB);
    let exit = rig.exit();
    let grown = own_peak() - before;
    println!("\nmeasured: a line of 100 MB costs {} KB", grown / 1024);
    let reason = exit.failure.unwrap().reason;
    assert!(reason.contains("after"), "{reason}");
    assert!(grown < 10 << 20, "grew by {grown}");
    let lines = rig.lines();
    assert!(lines.iter().any(|(_, text)| text.ends_with(&format!("xx … (+{} bytes)", 104_857_600 - 4096))), "{}", lines.len());
}

#[test]
fn the_children_of_a_killed_console_are_dead_at_once() {
    const KEY: &str = "PLIMSOLL_TEST_CONSOLE";
    if std::env::var_os(KEY).is_some() {
        let mut rig = Rig::new();
        rig.start("mkfifo never; echo ready >&2; read x < never");
        let pid = rig.pid();
        rig.line("ready");
        println!("\nchild {pid}");
        loop {
            std::thread::park();
        }
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let name = "host::process::supervisor::tests::the_children_of_a_killed_console_are_dead_at_once";
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(KEY, "1").stdout(Stdio::piped());
    let mut console = command.spawn().unwrap();
    let mut lines = BufReader::new(console.stdout.take().unwrap()).lines();
    let pid: u32 = lines.find_map(|line| line.unwrap().strip_prefix("child ")?.parse().ok()).unwrap();
    assert!(!is_dead(pid));
    console.kill().unwrap();
    let start = Instant::now();
    let dead = within(PATIENCE, || is_dead(pid));
    let took = start.elapsed();
    console.wait().unwrap();
    println!("\nmeasured: the child was dead {took:?} after its console");
    // Milliseconds where the machine is quiet. The child itself would wait for ever, so that it is dead at all is the proof.
    assert!(dead, "{took:?}");
}

#[test]
fn every_start_goes_well_while_other_threads_open_and_close_pipes_with_the_number_of_the_progress_pipe() {
    if !in_own_process("every_start_goes_well_while_other_threads_open_and_close_pipes_with_the_number_of_the_progress_pipe") {
        return;
    }
    let mut rig = Rig::new();
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    let _pipe = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
                    std::thread::yield_now();
                }
            });
        }
        for _ in 0..300 {
            rig.supervisor.start(JOB, 1, Launch::new(Command::new("/bin/true"), None));
            let report = rig.await_report(|report| match report {
                JobReport::SpawnFailed { .. } | JobReport::Exited(_) => Some(report.clone()),
                _ => None,
            });
            if !matches!(&report, JobReport::Exited(exit) if exit.exit == Exit::Code(0)) {
                is_over.store(true, std::sync::atomic::Ordering::Relaxed);
                panic!("{report:?}");
            }
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn starting_takes_milliseconds() {
    if !in_own_process("starting_takes_milliseconds") {
        return;
    }
    let mut rig = Rig::new();
    let (mut micros, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..51 {
        let command = Command::new("/bin/true");
        let start = Instant::now();
        rig.supervisor.start(JOB, 1, Launch::new(command, None));
        rig.pid();
        micros.push(start.elapsed().as_micros());
        rig.exit();
        // What the machine takes at that very time for a process without anything around it.
        let start = Instant::now();
        Command::new("/bin/true").status().unwrap();
        plain.push(start.elapsed().as_micros());
    }
    micros.sort_unstable();
    plain.sort_unstable();
    println!("\nmeasured: from start to Spawned: median {} µs, worst {}; plain {} µs", micros[25], micros[50], plain[25]);
    assert!(micros[25] < 50_000 + 10 * plain[25], "{micros:?} against {plain:?}");
}

fn ffmpeg(out: &Path) -> Command {
    let mut command = Command::new("ffmpeg");
    command
        .args("-hide_banner -nostdin -nostats -xerror -loglevel level+warning -stats_period 0.1 -progress pipe:3 -y".split(' '))
        .args("-f lavfi -i testsrc=duration=2:size=320x240:rate=25 -c:v libx264 -preset veryfast -threads 1 -f mp4".split(' '))
        .arg(out)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

#[test]
fn a_real_encode_reports_rising_progress_that_ends_at_one() {
    let mut rig = Rig::new();
    let out = rig.dir.path().join("out.mp4");
    rig.supervisor.start(JOB, 1, Launch::new(ffmpeg(&out), Some(Duration::from_secs(2))));
    let exit = rig.exit();
    assert_eq!((exit.exit, &exit.failure), (Exit::Code(0), &None), "{:?}", rig.lines());
    let ratios: Vec<f64> = rig.progress().iter().filter_map(|p| p.ratio).collect();
    assert!(!ratios.is_empty() && ratios.windows(2).all(|w| w[0] <= w[1]), "{ratios:?}");
    assert!((ratios[ratios.len() - 1] - 1.0).abs() < f64::EPSILON, "{ratios:?}");
    assert_eq!(rig.progress().last().map(|p| p.frame), Some(50));
    assert!(exit.peak > Bytes::mib(1), "{}", exit.peak);
    assert!(out.exists());
}

#[test]
fn a_real_ffmpeg_without_the_encoder_says_so() {
    let mut rig = Rig::new();
    let mut command = ffmpeg(Path::new("unused.mp4"));
    command.args(["-c:v", "libnosuch", "other.mp4"]).current_dir(rig.dir.path());
    rig.supervisor.start(JOB, 1, Launch::new(command, None));
    let failure = rig.exit().failure.unwrap();
    assert_eq!(failure.reason, "this ffmpeg has no encoder libnosuch; see plimsoll doctor");
    assert_eq!(failure.cause, Cause::Input);
}

#[test]
fn a_real_ffmpeg_on_a_full_disk_says_so() {
    let mut rig = Rig::new();
    let mut command = ffmpeg(Path::new("/dev/full"));
    command.current_dir(rig.dir.path());
    rig.supervisor.start(JOB, 1, Launch::new(command, None));
    let failure = rig.exit().failure.unwrap();
    assert_eq!((failure.cause, failure.reason.starts_with("disk full")), (Cause::Room, true), "{}", failure.reason);
}
