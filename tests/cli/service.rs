//! A server as a service: what systemd is told, over its own protocol, and the unit that starts it.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // a deadline needs the clock

use std::io::{BufRead as _, BufReader};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use crate::support::clips::clips;
use crate::support::skip::{SYSTEMD, TRACING, skip};
use crate::support::{PATIENCE, World, patient_ffmpeg, say};

/// A server that a service manager has started, and what it tells there; killed when the test ends.
struct Service<'w> {
    world: &'w World,
    child: Child,
    socket: UnixDatagram,
}

/// How long after the last sign of life it is taken for dead.
const WATCHDOG: Duration = Duration::from_millis(600);

impl<'w> Service<'w> {
    fn start(world: &'w World, watchdog: bool) -> Self {
        let path = world.path("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        let mut command = world.command(["serve", "--state-dir"]);
        command.arg(world.path("state")).arg("-o").arg(world.path("out")).arg("--ffmpeg").arg(patient_ffmpeg(world));
        command.env("NOTIFY_SOCKET", &path).stderr(Stdio::null());
        if watchdog {
            command.env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
        }
        Self { world, child: command.spawn().expect("started"), socket }
    }

    fn say(&self, args: &[&str]) -> String {
        let mut command = self.world.command(args);
        command.arg("--state-dir").arg(self.world.path("state"));
        let said = say(command);
        assert_eq!(said.code, Some(0), "{args:?}: {}{}", said.out, said.err);
        said.out
    }

    /// The next message, if one comes so soon.
    fn next(&self, within: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(within)).expect("set");
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..length].to_vec()).expect("UTF-8"))
    }

    fn until(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.next(PATIENCE).unwrap_or_else(|| panic!("{text} did not come"));
            if told.contains(text) {
                return told;
            }
            assert!(Instant::now() < deadline, "{text} did not come");
        }
    }

    /// Signs of life that come in three times the span in which one is due.
    fn signs_of_life(&self) -> usize {
        let end = Instant::now() + WATCHDOG * 3;
        let mut signs = 0;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            signs += usize::from(self.next(left).is_some_and(|told| told.contains("WATCHDOG=1")));
        }
        signs
    }

    /// Whether signs of life cease to come. Some may have been on their way.
    fn falls_silent(&self) -> bool {
        (0..3).any(|_| self.signs_of_life() == 0) && self.signs_of_life() == 0
    }

    /// The thread of this name.
    fn thread(&self, name: &str) -> i32 {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it lives");
        let named =
            |entry: &std::fs::DirEntry| std::fs::read_to_string(entry.path().join("comm")).is_ok_and(|told| told.trim() == name);
        let found = threads.filter_map(Result::ok).find(named).unwrap_or_else(|| panic!("no thread {name}"));
        found.file_name().to_string_lossy().parse().expect("a number")
    }

    fn signal(&self, signal: i32) {
        // SAFETY: a signal to a process that this test has started and not yet waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A single thread of another process that is held still; it goes on when this is dropped, by the same thread that made it.
struct Frozen(i32);

impl Frozen {
    /// `None` where that is not allowed here.
    fn hold(thread: i32) -> Option<Self> {
        // SAFETY: these calls take numbers alone; the thread belongs to a process that the test has started.
        unsafe {
            if libc::ptrace(libc::PTRACE_SEIZE, thread, 0, 0) != 0 {
                return None;
            }
            let frozen = Self(thread);
            assert_eq!(libc::ptrace(libc::PTRACE_INTERRUPT, thread, 0, 0), 0);
            let mut status = 0;
            assert_eq!(libc::waitpid(thread, &raw mut status, libc::__WALL), thread);
            assert!(libc::WIFSTOPPED(status), "it stands still");
            Some(frozen)
        }
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // SAFETY: as above; where the process has gone there is nothing to let go.
        unsafe { libc::ptrace(libc::PTRACE_DETACH, self.0, 0, 0) };
    }
}

#[test]
fn a_service_is_told_ready_when_it_can_be_reached_then_its_status_and_that_it_stops() {
    let world = World::new();
    let film = world.put(&clips().tiny(), "a.mp4");
    let mut service = Service::start(&world, true);
    let first = service.next(PATIENCE).expect("a message");
    assert!(first.starts_with("READY=1\nSTATUS=0 jobs; memory "), "{first}");
    // Nothing is waited for: it can be reached from then on.
    service.say(&["status"]);
    service.say(&["add", film.to_str().expect("plain")]);
    let told = service.until("1 running");
    assert!(told.starts_with("STATUS=1 running; memory ") && told.contains(" of "), "{told}");
    service.until("WATCHDOG=1");
    service.signal(libc::SIGTERM);
    service.until("STOPPING=1");
    assert_eq!(service.child.wait().expect("ended").code(), Some(143));
    while let Some(told) = service.next(Duration::from_millis(10)) {
        assert!(!told.contains("STOPPING") && !told.contains("READY"), "told again: {told}");
    }
}

#[test]
fn no_sign_of_life_is_sent_where_none_is_wanted_and_an_end_by_stop_is_told() {
    let world = World::new();
    let mut service = Service::start(&world, false);
    service.until("READY=1");
    assert_eq!(service.signs_of_life(), 0);
    service.say(&["stop"]);
    service.until("STOPPING=1");
    assert_eq!(service.child.wait().expect("ended").code(), Some(0));
}

#[test]
fn a_server_that_is_stopped_gives_no_sign_of_life_until_it_goes_on() {
    let world = World::new();
    let service = Service::start(&world, true);
    service.until("WATCHDOG=1");
    service.signal(libc::SIGSTOP);
    assert!(service.falls_silent());
    service.signal(libc::SIGCONT);
    service.until("WATCHDOG=1");
}

#[test]
fn a_frozen_driver_loop_ends_the_signs_of_life_and_a_store_that_hangs_does_not() {
    let world = World::new();
    let film = world.put(&clips().tiny(), "a.mp4");
    let service = Service::start(&world, true);
    service.until("WATCHDOG=1");
    {
        let Some(_frozen) = Frozen::hold(service.thread("engine")) else {
            return skip(TRACING, std::io::Error::last_os_error());
        };
        assert!(service.falls_silent(), "the driver loop stands still");
    }
    service.until("WATCHDOG=1");
    let _frozen = Frozen::hold(service.thread("store")).expect("as before");
    // A job that can not be recorded: it waits, the loop does not.
    let mut add = world.command(["add", film.to_str().expect("plain"), "--state-dir"]);
    let mut adds = add.arg(world.path("state")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("started");
    // What was sent before is no sign that the loop goes on.
    while service.next(Duration::from_millis(1)).is_some() {}
    for _ in 0..4 {
        service.until("WATCHDOG=1");
    }
    let _ = adds.kill();
    let _ = adds.wait();
}

/// Starts a server as a service manager does that has listened for it: with the socket as descriptor 3.
fn activate(world: &World, socket: &UnixListener, state: &Path) -> Child {
    activate_after(0, world, socket, state)
}

/// The same, with so many seconds until the server begins.
fn activate_after(seconds: u32, world: &World, socket: &UnixListener, state: &Path) -> Child {
    let script = format!(r#"sleep {seconds}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@" 3<&0 0</dev/null"#);
    let mut command = Command::new("sh");
    command.args(["-c", &script, crate::support::PLIMSOLL, "serve", "--state-dir"]).arg(state);
    command.arg("-o").arg(world.path("out")).arg("--ffmpeg").arg(patient_ffmpeg(world)).env_clear();
    command.env("PATH", crate::support::tool_path()).env("HOME", world.path("home"));
    command.stdin(std::os::fd::OwnedFd::from(socket.try_clone().expect("cloned"))).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("started")
}

#[test]
fn a_command_that_comes_before_the_server_starts_it_through_the_socket_and_the_next_one_again() {
    let world = World::new();
    let state = world.path("state");
    std::fs::create_dir_all(&state).expect("made");
    let path = state.join("control.sock");
    let socket = UnixListener::bind(&path).expect("bound");
    let command = |args: &[&str]| {
        let mut command = world.command(args);
        command.arg("--state-dir").arg(&state);
        command
    };
    // The second takes longer to begin than a server that is there may take to answer.
    for seconds in [0, 6] {
        // It is connected before there is a server, as by systemd that starts one for it.
        let asks = command(&["status", "--json"]).stdout(Stdio::piped()).spawn().expect("started");
        let mut poll = libc::pollfd { fd: std::os::fd::AsRawFd::as_raw_fd(&socket), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, which lives.
        assert_eq!(unsafe { libc::poll(&raw mut poll, 1, PATIENCE.as_millis() as i32) }, 1, "somebody waits");
        let mut server = activate_after(seconds, &world, &socket, &state);
        let answer = asks.wait_with_output().expect("ended");
        assert!(answer.status.success(), "{:?}", answer.status);
        let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).expect("JSON");
        assert_eq!(answer["server"]["pid"].as_u64(), Some(u64::from(server.id())));
        assert_eq!(say(command(&["stop"])).code, Some(0));
        assert_eq!(server.wait().expect("ended").code(), Some(0));
        assert!(path.exists() && !state.join("view.sock").exists(), "the socket is the service manager's, and stays");
    }
}

#[test]
fn a_socket_for_another_state_folder_is_refused_with_the_right_one_and_nothing_is_run() {
    let world = World::new();
    let socket = UnixListener::bind(world.path("other.sock")).expect("bound");
    let state = world.path("state");
    let output = activate(&world, &socket, &state).wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let wanted = format!("it has to be ListenStream={}", state.join("control.sock").display());
    assert!(output.status.code() == Some(2) && said.contains(&wanted), "{:?} {said}", output.status);
    assert!(!state.join("plimsoll.db").exists());
}

/// What `systemd-analyze` has to say against a unit.
fn verify(world: &World, unit: &str, more: &[&str]) -> Option<String> {
    let path = world.write("unit/plimsoll.service", unit);
    let output = Command::new("systemd-analyze")
        .arg("verify")
        .args(more)
        .arg(path)
        .env("XDG_RUNTIME_DIR", world.dir.path())
        .output()
        .ok()?;
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some(if output.status.success() { said } else { format!("{}: {said}", output.status) })
}

#[test]
fn the_unit_that_is_printed_names_this_program_and_systemd_takes_it_and_the_shipped_one() {
    let world = World::new();
    let out = world.path("out 50%");
    let print = |more: &[&str]| {
        let mut command = world.command(["serve", "unit"]);
        command.args(more).arg("--state-dir").arg(world.path("state")).arg("-o").arg(&out);
        let said = say(command);
        assert_eq!(said.code, Some(0), "{}", said.err);
        said.out
    };
    let own = print(&["--user", "--metrics", "9464", "-p", "safe"]);
    let (program, state) = (crate::support::PLIMSOLL, world.path("state"));
    let folder = out.display().to_string().replace('%', "%%");
    let command = format!(
        "ExecStart={program} serve --state-dir {} --out \"{folder}\" --profile=safe --metrics 127.0.0.1:9464",
        state.display()
    );
    assert!(own.lines().any(|line| line == command), "{command}\n{own}");
    let system = print(&[]);
    assert!(!state.exists() && !out.exists(), "nothing is run");
    let shipped = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/plimsoll.service")).expect("read");
    let shipped = shipped.replace("/usr/bin/plimsoll", program);
    for (unit, more) in [(&own, &["--user"][..]), (&system, &[]), (&shipped, &[])] {
        for line in ["Type=notify", "WatchdogSec=60", "Restart=on-failure", "KillMode=mixed", "Delegate=yes", "#MemoryMax=2G"] {
            assert!(unit.lines().any(|told| told == line), "{line}\n{unit}");
        }
        match verify(&world, unit, more) {
            // It cannot do anything here, whatever the unit says.
            Some(said) if said.contains("Failed to initialize manager") => skip(SYSTEMD, said),
            Some(said) => assert_eq!(said, "", "{unit}"),
            None => return skip(SYSTEMD, "it is not installed"),
        }
    }
}

#[test]
fn what_goes_wrong_with_its_own_work_is_told_among_the_log_lines_and_in_the_log_file() {
    let world = World::new();
    let mut command = world.command(["serve", "--log-file"]);
    command.arg(world.path("log")).arg("--state-dir").arg(world.path("state")).arg("-o").arg(world.path("out"));
    command.arg("--ffmpeg").arg(patient_ffmpeg(&world)).env("NOTIFY_SOCKET", world.path("nobody"));
    let mut server = command.stderr(Stdio::piped()).spawn().expect("started");
    let told = "WARN  the service manager cannot be told how it stands: ";
    let said = BufReader::new(server.stderr.take().expect("piped"));
    let (found, is_found) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = said.lines().map_while(Result::ok);
        lines.find(|line| line.contains(told)).map(|line| found.send(line))
    });
    let Ok(line) = is_found.recv_timeout(PATIENCE) else {
        server.kill().and_then(|()| server.wait()).expect("ended");
        panic!("not told on stderr");
    };
    assert!(line.as_bytes()[2] == b':' && line.split(' ').nth(1) == Some("WARN"), "as every other line: {line}");
    let pid = Pid::from_raw(server.id() as i32).expect("a process");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("asked to end");
    assert_eq!(server.wait().expect("reaped").code(), Some(143));
    let log = std::fs::read_to_string(world.path("log")).expect("a log file");
    assert_eq!(log.lines().filter(|line| line.contains(told)).count(), 1, "{log}");
    assert!(log.lines().all(|line| line.starts_with("20") && line.contains("Z ")), "no line within another: {log}");
}
