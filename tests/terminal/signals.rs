//! What becomes of a run when a terminal goes away, stands still or stops what stands on it: of the queue behind a window, and of
//! what is one process with its terminal. Waits for events, never for time.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // limits of time are measured with a clock

use std::fs;
use std::io::Read as _;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::support::clips::{clips, probe};
use crate::support::kernel::{children, is_alive, state_of, time_to_death};
use crate::support::server::at_work;
use crate::support::stream::number;
use crate::support::{Live, PATIENCE, Said, World, let_runs_go, patient_ffmpeg, say};

/// A console on a pseudo-terminal whose other end is in our hands, read or not.
pub(super) struct Console {
    child: Child,
    master: Option<fs::File>,
    pub(super) screen: vt100::Parser,
}

impl Console {
    pub(super) fn start(command: Command) -> Self {
        Self::start_with(command, None)
    }

    /// With its standard error elsewhere.
    fn start_with(mut command: Command, stderr: Option<Stdio>) -> Self {
        let size = libc::winsize { ws_row: 36, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        let (mut master, mut slave) = (0, 0);
        // SAFETY: both descriptors are written when the call returns 0; the size is read only.
        let made =
            unsafe { libc::openpty(&raw mut master, &raw mut slave, std::ptr::null_mut(), std::ptr::null(), &raw const size) };
        assert_eq!(made, 0, "a pseudo-terminal");
        // SAFETY: both were made right now and belong to nobody else.
        let (master, slave) = unsafe { (fs::File::from_raw_fd(master), OwnedFd::from_raw_fd(slave)) };
        rustix::io::fcntl_setfd(&master, rustix::io::FdFlags::CLOEXEC).expect("set");
        let end = || Stdio::from(slave.try_clone().expect("a copy"));
        command.env("TERM", "xterm-256color").stdin(end()).stdout(end()).stderr(stderr.unwrap_or_else(end));
        // SAFETY: system calls only.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        Self {
            child: command.spawn().expect("plimsoll starts"),
            master: Some(master),
            screen: vt100::Parser::new(36.try_into().expect("rows"), 120.try_into().expect("columns"), 0),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads the terminal until this text stands on it, or these bytes have come.
    pub(super) fn read_until(&mut self, text: &str) {
        let (mut seen, deadline) = (Vec::new(), Instant::now() + PATIENCE);
        let master = self.master.as_mut().expect("not hung up yet");
        let mut block = vec![0; 65536];
        while !seen.windows(text.len()).any(|window| window == text.as_bytes()) && !self.screen.screen().contents().contains(text) {
            assert!(Instant::now() < deadline, "{text} never came: {}", self.screen.screen().contents());
            let read = master.read(&mut block);
            let read = read.unwrap_or_else(|error| panic!("{text} never came: {error}; {}", self.screen.screen().contents()));
            seen.extend_from_slice(&block[..read]);
            self.screen.process(&block[..read]);
        }
    }

    pub(super) fn press(&self, keys: &[u8]) {
        use std::io::Write as _;
        let mut master = self.master.as_ref().expect("not hung up yet");
        master.write_all(keys).expect("typed");
    }

    /// The terminal has room for more, and nobody waits for it with what he writes.
    fn takes_more(&self) -> bool {
        let master = std::os::fd::AsRawFd::as_raw_fd(self.master.as_ref().expect("not hung up yet"));
        let mut name = [0_u8; 64];
        // SAFETY: the call writes no more than it is said that there is room for.
        assert_eq!(unsafe { libc::ptsname_r(master, name.as_mut_ptr().cast(), name.len()) }, 0);
        let name = std::ffi::CStr::from_bytes_until_nul(&name).expect("a name");
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        let slave = rustix::fs::open(name, flags, rustix::fs::Mode::empty()).expect("opens");
        let mut looked = [rustix::event::PollFd::new(&slave, rustix::event::PollFlags::OUT)];
        rustix::event::poll(&mut looked, Some(&rustix::time::Timespec::default())).expect("looks");
        looked[0].revents().contains(rustix::event::PollFlags::OUT)
    }

    pub(super) fn hang_up(&mut self) {
        self.master = None;
    }

    pub(super) fn signal(&self, signal: i32) {
        // SAFETY: our own child, not reaped yet.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    pub(super) fn end(&mut self, at_most: Duration) -> ExitStatus {
        let deadline = Instant::now() + at_most;
        loop {
            if let Some(status) = self.child.try_wait().expect("waits") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A window on the server of this world, which it starts, with everything in `in`.
fn console(world: &World) -> Command {
    let mut command = world.command([] as [&str; 0]);
    command.arg("-o").arg(world.path("out")).arg("--state-dir").arg(world.path("state"));
    command.arg("--log-file").arg(world.path("run.log")).arg(world.path("in"));
    command
}

/// Another window on it.
fn another(world: &World) -> Console {
    let mut command = world.command(["attach", "--state-dir"]);
    command.arg(world.path("state"));
    Console::start(command)
}

/// `plimsoll stop`.
fn stop(world: &World) -> Said {
    let mut command = world.command(["stop", "--state-dir"]);
    command.arg(world.path("state"));
    say(command)
}

/// The process of the server.
fn server(world: &World) -> u32 {
    let found = at_work(world.dir.path());
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].1
}

/// Processor time of a process, children left out.
fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
    let fields: Vec<&str> = stat.rsplit_once(") ").expect("a stat").1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number");
    Duration::from_millis(ticks * 10)
}

/// A process whose first thread hardly gets a processor, while its others do: signals that this thread is to take are taken
/// late, and what the others do too early is seen. Afterwards it is as it was before.
struct Starved {
    pid: libc::pid_t,
    glutton: Child,
    before: libc::cpu_set_t,
}

impl Starved {
    fn thread(pid: u32) -> Self {
        let pid = pid as libc::pid_t;
        let glutton = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("a shell");
        // SAFETY: zeroed sets are empty ones, and as long as they are said to be; the priority is a structure of one number.
        unsafe {
            let (mut before, mut one) = std::mem::zeroed::<(libc::cpu_set_t, libc::cpu_set_t)>();
            assert_eq!(libc::sched_getaffinity(pid, size_of::<libc::cpu_set_t>(), &raw mut before), 0);
            let first = (0..libc::CPU_SETSIZE as usize).find(|at| libc::CPU_ISSET(*at, &before)).expect("a processor");
            libc::CPU_SET(first, &mut one);
            for who in [pid, glutton.id() as libc::pid_t] {
                assert_eq!(libc::sched_setaffinity(who, size_of::<libc::cpu_set_t>(), &raw const one), 0);
            }
            let none = libc::sched_param { sched_priority: 0 };
            assert_eq!(libc::sched_setscheduler(pid, libc::SCHED_IDLE, &raw const none), 0);
            Self { pid, glutton, before }
        }
    }
}

impl Drop for Starved {
    fn drop(&mut self) {
        let _ = self.glutton.kill();
        let _ = self.glutton.wait();
        let none = libc::sched_param { sched_priority: 0 };
        // SAFETY: a set that the kernel gave, and a structure of one number. Where the process has gone there is nothing to do.
        unsafe {
            libc::sched_setaffinity(self.pid, size_of::<libc::cpu_set_t>(), &raw const self.before);
            libc::sched_setscheduler(self.pid, libc::SCHED_OTHER, &raw const none);
        }
    }
}

pub(super) fn wait_until(what: &str, mut wanted: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !wanted() {
        assert!(Instant::now() < deadline, "waited too long for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The child that runs this program, as soon as it does.
pub(super) fn child(parent: u32, program: &str) -> u32 {
    let mut found = None;
    wait_until(program, || {
        found = children(parent, program).first().copied();
        found.is_some()
    });
    found.expect("waited for")
}

fn outputs(world: &World) -> usize {
    world
        .files("out")
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "mp4") && !file.starts_with(".plimsoll"))
        .count()
}

#[test]
fn after_a_hang_up_the_server_goes_on_without_spinning_and_another_window_finds_it() {
    for by_signal in [false, true] {
        let world = World::new();
        for number in 0..4 {
            world.put(&clips().tiny(), format!("{number}.mp4"));
        }
        let mut command = console(&world);
        command.arg("--ffmpeg").arg(patient_ffmpeg(&world));
        let mut console = Console::start(command);
        console.read_until("2 running");
        let server = server(&world);
        if by_signal {
            console.signal(libc::SIGHUP);
            console.read_until("\x1b[?1049l");
        }
        console.hang_up();
        console.end(PATIENCE);
        // Long enough for a loop that spins to be seen, and the jobs wait meanwhile.
        let (before, began) = (cpu(server), Instant::now());
        std::thread::sleep(Duration::from_secs(2));
        let share = cpu(server).saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
        assert!(share < 0.25, "{share} of a processor for nothing");
        assert_eq!(outputs(&world), 0);
        let mut next = another(&world);
        next.read_until("2 running");
        fs::write(world.path("state/scratch/go"), "").expect("written");
        next.read_until("all done");
        next.press(b"q");
        assert_eq!(next.end(PATIENCE).code(), Some(0), "by signal: {by_signal}");
        assert_eq!(outputs(&world), 4);
        for file in world.files("out") {
            assert!(probe(&world.path("out").join(&file)).is_some(), "{}", file.display());
        }
        let read = || fs::read_to_string(world.path("run.log")).expect("read");
        // The lines of the last one may come after all are shown as done.
        wait_until("its log to the end", || read().matches("Memory usage after processing").count() >= 4);
        let log = read();
        assert_eq!(log.matches("output in place").count(), 4, "{log}");
        assert_eq!(log.matches("Memory usage after processing").count(), 4, "to its end: {log}");
        assert_eq!(stop(&world).code, Some(0));
        world.assert_no_leftovers();
    }
}

#[test]
fn a_window_that_is_killed_changes_nothing_for_the_jobs() {
    let world = World::new();
    world.put(&clips().long(), "long.mp4");
    let mut console = Console::start(console(&world));
    console.read_until("1 running");
    let server = server(&world);
    let job = child(server, "ffmpeg");
    console.signal(libc::SIGKILL);
    console.end(PATIENCE);
    let mut next = another(&world);
    next.read_until("1 running");
    assert_eq!(child(server, "ffmpeg"), job, "the same job");
    let said = stop(&world);
    assert!(said.code == Some(0) && said.out.contains("1 job stopped; 1 job kept in the queue"), "{} {}", said.out, said.err);
    assert!(time_to_death(&[job, server], PATIENCE).is_some());
    // It is told, and leaves with the figures.
    next.read_until("what is not finished is kept");
    assert_eq!(next.end(PATIENCE).code(), Some(1));
    world.assert_no_leftovers();
}

#[test]
fn a_window_that_nobody_reads_or_that_stands_still_stops_neither_the_queue_nor_its_end() {
    for stands_still in [false, true] {
        let world = World::new();
        for number in 0..6 {
            world.put(&clips().tiny(), format!("{number}.mp4"));
        }
        let mut console = Console::start(console(&world));
        if stands_still {
            console.read_until("running");
            console.signal(libc::SIGSTOP);
        } else {
            // A pseudo-terminal takes some KB, and nobody reads them: the help comes and goes until there is room for no more.
            let (mut keys, mut full_since) = ([b"?", b"\x1b"].into_iter().cycle(), None);
            wait_until("a window that waits for its terminal", || {
                console.press(keys.next().expect("endless"));
                std::thread::sleep(Duration::from_millis(30));
                full_since = if console.takes_more() { None } else { full_since.or_else(|| Some(Instant::now())) };
                full_since.is_some_and(|since| since.elapsed() > Duration::from_secs(1))
            });
        }
        wait_until("all outputs", || outputs(&world) == 6);
        let server = server(&world);
        let said = stop(&world);
        assert!(said.code == Some(0) && said.out.contains("has ended"), "{} {}", said.out, said.err);
        assert_eq!(stop(&world).code, Some(69), "nobody works there any more");
        // It may try for a moment to tell a window that does not listen.
        assert!(time_to_death(&[server], PATIENCE).is_some());
        if stands_still {
            console.signal(libc::SIGCONT);
            console.read_until("6 done");
            assert_eq!(console.end(PATIENCE).code(), Some(0), "it has heard how it ended");
        } else {
            // Whoever waits for this terminal waits for ever.
            assert!(console.child.try_wait().expect("waits").is_none());
            console.signal(libc::SIGTERM);
            assert_eq!(console.end(PATIENCE).code(), Some(143));
        }
        world.assert_no_leftovers();
    }
}

#[test]
fn a_run_that_is_stopped_stops_its_jobs_first_and_goes_on_with_them() {
    let world = World::new();
    world.put(&clips().long(), "long.mp4");
    let mut command = world.run_command(["--retries", "0"]);
    command.arg(world.path("in"));
    let mut live = Live::start(command);
    let job = number(&live.until_event("job_started"), "pid") as u32;
    live.until_event("job_progressed");
    let starved = Starved::thread(live.pid());
    live.signal(libc::SIGTSTP);
    wait_until("plimsoll stands still", || state_of(live.pid()) == Some('T'));
    // It was told so before, for now nobody is left to tell it; each of its threads stops when it next looks.
    wait_until("the job stands still", || state_of(job) == Some('T'));
    drop(starved);
    live.signal(libc::SIGCONT);
    wait_until("the job goes on", || matches!(state_of(job), Some('R' | 'S' | 'D')));
    live.until_event("job_progressed");
    live.signal(libc::SIGTERM);
    let run = live.finish();
    assert_eq!(run.code(), Some(143), "{}", run.stderr);
    assert!(!is_alive(job));
    world.assert_no_leftovers();
}

/// The write end of a pipe that takes nothing more, and the other end.
fn full_pipe() -> (fs::File, OwnedFd) {
    use std::io::Write as _;
    let (read, write) = rustix::pipe::pipe().expect("a pipe");
    let flags = rustix::fs::fcntl_getfl(&write).expect("told");
    rustix::fs::fcntl_setfl(&write, flags | rustix::fs::OFlags::NONBLOCK).expect("set");
    let mut file = fs::File::from(write);
    while file.write(&[b'x'; 4096]).is_ok() {}
    rustix::fs::fcntl_setfl(&file, flags).expect("set");
    (file, read)
}

#[test]
fn last_words_that_nobody_reads_do_not_keep_a_signal_from_ending_the_window() {
    let world = World::new();
    world.put(&clips().tiny(), "tiny.mp4");
    let (full, _nobody) = full_pipe();
    let mut command = console(&world);
    command.arg("--ffmpeg").arg(patient_ffmpeg(&world));
    let mut console = Console::start_with(command, Some(Stdio::from(full)));
    console.read_until("1 running");
    console.press(b"q");
    console.read_until("leave it running");
    console.press(b"\r");
    console.read_until("\x1b[?1049l");
    console.signal(libc::SIGTERM);
    assert_eq!(console.end(PATIENCE).code(), Some(143));
    assert!(is_alive(server(&world)));
}

#[test]
fn a_comparison_goes_on_to_its_report_when_its_terminal_is_gone() {
    let world = World::new();
    for number in 0..2 {
        world.put(&clips().tiny(), format!("{number}.mp4"));
    }
    let mut command = world.command(["compare", "--profiles", "fast,safe", "--budget", "2GB", "--report"]);
    command.arg(world.path("report")).arg("--state-dir").arg(world.path("state"));
    command.arg("--ffmpeg").arg(patient_ffmpeg(&world)).arg(world.path("in"));
    let mut console = Console::start(command);
    console.read_until("run 1 of 2");
    console.read_until("\u{25b6} 2");
    console.hang_up();
    let_runs_go(&world.path("work"), 2);
    assert_eq!(console.end(PATIENCE).code(), Some(0));
    let report = fs::read_to_string(world.path("report/report.md")).expect("written");
    assert!(report.contains("same bytes under every profile: yes, 4 outputs of 2 inputs"), "{report}");
}

#[test]
#[ignore = "needs strace; `just hostile`"]
fn nothing_is_written_to_a_terminal_that_is_gone() {
    let world = World::new();
    for number in 0..3 {
        world.put(&clips().tiny(), format!("{number}.mp4"));
    }
    let mut plain = console(&world);
    plain.arg("--ffmpeg").arg(patient_ffmpeg(&world));
    let trace = world.path("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "trace=write,writev,pwrite64", "-e", "signal=SIGHUP", "-o"]).arg(&trace);
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(world.path("work")).env_clear();
    for (name, value) in plain.get_envs() {
        command.env(name, value.expect("set"));
    }
    let mut console = Console::start(command);
    console.read_until("2 running");
    console.hang_up();
    std::thread::sleep(Duration::from_secs(1));
    fs::write(world.path("state/scratch/go"), "").expect("written");
    wait_until("all outputs", || outputs(&world) == 3);
    // The tracer ends with the last of both.
    assert_eq!(stop(&world).code, Some(0));
    console.end(PATIENCE);
    let trace = fs::read_to_string(trace).expect("traced");
    let gone = trace.lines().filter(|line| line.contains("write") && line.contains("EIO")).count();
    println!("{gone} writes to the terminal that is gone");
    assert!(gone <= 2, "a frame that was under way, and the terminal's modes: {gone}");
}
