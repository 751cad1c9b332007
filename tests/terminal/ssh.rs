//! The console over a real sshd on loopback, in the terminals that operators have, and what happens when the line drops.
//!
//! Needs OpenSSH's server and client; run it by `just ssh`, which gets them.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // deadlines need the clock

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::kernel::{children, is_alive, time_to_death};
use crate::support::pty::{PATIENCE, Terminal};
use crate::support::server::at_work;
use crate::support::{Said, World, files_below, say};

const SSHD: &str = "/usr/sbin/sshd";

/// A server of our own: its keys, its port, its log.
struct Sshd {
    server: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Sshd {
    fn start(locale: &str) -> Self {
        assert!(Path::new(SSHD).is_file(), "there is no {SSHD}; run this by `just ssh`, which gets it");
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        for key in ["host", "user"] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at(key)).status();
            assert!(made.is_ok_and(|status| status.success()), "ssh-keygen makes a key");
        }
        fs::copy(at("user.pub"), at("authorized_keys")).expect("copied");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).expect("ours alone");
        // Privilege separation wants this folder, which a service file would make.
        let _ = fs::create_dir_all("/run/sshd");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nPrintMotd no\nPrintLastLog no\n\
             SetEnv LANG={locale} LC_ALL={locale}\n",
            at("host").display(),
            at("authorized_keys").display(),
        );
        fs::write(at("sshd_config"), config).expect("written");
        Self { server: listen(&folder, port), folder, port }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `ssh -tt` into it from a terminal of this kind, running this line.
    fn connect(&self, term: &str, home: &Path, line: &str) -> Terminal {
        let (options, target) = (self.options(), target());
        let arguments = [&["ssh", "-tt"][..], &options.iter().map(String::as_str).collect::<Vec<_>>(), &[&target, line]].concat();
        Terminal::start_program(&arguments, (120, 36), home, &[("TERM", term)])
    }

    /// What it says to a command without a terminal, as a script would run it.
    fn script(&self, line: &str) -> Said {
        let mut command = Command::new("ssh");
        command.args(self.options()).args([&target(), line]).stdin(Stdio::null());
        say(command)
    }

    /// What ssh needs to know of it.
    fn options(&self) -> Vec<String> {
        let (key, port) = (self.at("user"), self.port.to_string());
        let words = ["-q", "-F", "none", "-p", &port, "-i", key.to_str().expect("a plain path"), "-o", "StrictHostKeyChecking=no"];
        let more = ["-o", "UserKnownHostsFile=/dev/null", "-o", "IdentitiesOnly=yes"];
        words.iter().chain(&more).map(|word| (*word).to_owned()).collect()
    }

    /// Takes no more logins; those that are there stay.
    fn close(&mut self) {
        self.server.kill().and_then(|()| self.server.wait()).expect("it ends");
    }

    /// Takes logins, from now on or again.
    fn open(&mut self) {
        self.server = listen(&self.folder, self.port);
    }
}

/// The user of this test, there.
fn target() -> String {
    let user = String::from_utf8(Command::new("id").arg("-un").output().expect("id").stdout).expect("a name");
    format!("{}@127.0.0.1", user.trim())
}

/// Starts the server of this folder, and waits until it takes connections.
fn listen(folder: &tempfile::TempDir, port: u16) -> Child {
    let at = |name: &str| folder.path().join(name);
    let log = fs::File::create(at("log")).expect("a log");
    let server = Command::new(SSHD).args(["-D", "-e", "-f"]).arg(at("sshd_config")).stdin(Stdio::null()).stderr(log).spawn();
    let began = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < PATIENCE, "sshd does not listen: {}", fs::read_to_string(at("log")).unwrap_or_default());
        std::thread::park_timeout(Duration::from_millis(20));
    }
    server.expect("sshd starts")
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A home with clips, and the line that runs the console there.
fn console(world: &World, clips: u32, seconds: u32) -> String {
    let folder = world.path("home/clips");
    fs::create_dir(&folder).expect("made");
    for number in 1..=clips {
        let made = Command::new(crate::support::tool("ffmpeg"))
            .args(["-loglevel", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25", "-t", &seconds.to_string()])
            .args(["-c:v", "libx264", "-preset", "ultrafast"])
            .arg(folder.join(format!("clip-{number}.mp4")))
            .status();
        assert!(made.is_ok_and(|status| status.success()), "a clip is made");
    }
    line(world, "exec", "clips")
}

/// The line that runs plimsoll with these arguments in that home, in an environment of its own.
fn line(world: &World, exec: &str, arguments: &str) -> String {
    format!(
        "cd {home} && PATH={path} HOME={home} XDG_STATE_HOME={home}/state XDG_RUNTIME_DIR={home}/run {exec} {program} {arguments}",
        home = world.path("home").display(),
        path = crate::support::tool_path().to_str().expect("a plain path"),
        program = crate::support::PLIMSOLL,
    )
}

/// Leaves the console and ends the server.
fn stop(terminal: &mut Terminal) {
    // Once: a second one would be the answer.
    terminal.send("q");
    terminal.wait_for("leave it running");
    terminal.send("s");
    terminal.end();
}

#[test]
#[ignore = "needs an sshd: run it by `just ssh`"]
fn the_screen_is_right_over_ssh_in_every_usual_terminal() {
    let sshd = Sshd::start("C.UTF-8");
    for term in ["xterm-256color", "tmux-256color", "linux"] {
        let world = World::new();
        let mut terminal = sshd.connect(term, &world.path("home"), &console(&world, 2, 120));
        let screen = terminal.wait_for("2 running");
        assert!(screen.contains("1 Memory") && screen.contains("4 Log") && screen.contains("╭"), "{term}:\n{screen}");
        let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
        assert!(!raw.contains("38;2;"), "{term}: colours of 24 bits though COLORTERM does not pass an ssh");
        terminal.send("?");
        terminal.wait_for("hold, release the queue");
        terminal.send("\x1b");
        terminal.wait("help closed", |screen| !screen.contains("hold, release the queue"));
        stop(&mut terminal);
        terminal.with_screen(|screen| {
            assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste(), "{term}: restored");
        });
    }
}

#[test]
#[ignore = "needs an sshd: run it by `just ssh`"]
fn without_utf_8_the_screen_is_plain_ascii_over_ssh() {
    let sshd = Sshd::start("C");
    let world = World::new();
    let mut terminal = sshd.connect("xterm-256color", &world.path("home"), &console(&world, 2, 120));
    let screen = terminal.wait_for("2 running");
    assert!(screen.contains("1 Memory") && screen.is_ascii(), "{screen}");
    stop(&mut terminal);
    assert!(terminal.raw().is_ascii(), "not one byte that such a terminal does not know");
}

#[test]
#[ignore = "needs an sshd: run it by `just ssh`"]
fn a_dumb_terminal_gets_lines_over_ssh() {
    let sshd = Sshd::start("C.UTF-8");
    let world = World::new();
    let mut terminal = sshd.connect("dumb", &world.path("home"), &console(&world, 1, 2));
    terminal.wait_for("Memory usage before processing");
    terminal.end();
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    assert!(!raw.contains('\x1b'), "no escape sequence: {raw:?}");
    assert!(raw.contains("1 done"), "{raw}");
}

#[test]
#[ignore = "needs an sshd: run it by `just ssh`"]
fn when_the_line_drops_the_queue_goes_on_and_a_new_login_attaches_to_it() {
    let sshd = Sshd::start("C.UTF-8");
    let world = World::new();
    let terminal = sshd.connect("xterm-256color", &world.path("home"), &console(&world, 4, 12));
    terminal.wait_for("2 running");
    let server = server(&world);
    let window = windows(&world, server);
    assert_eq!(window.len(), 1);
    // The client dies without a word, as when a laptop is closed and the connection times out.
    drop(terminal);
    assert!(time_to_death(&window, PATIENCE).is_some(), "the window outlives its login");
    let mut again = sshd.connect("xterm-256color", &world.path("home"), &line(&world, "exec", "attach"));
    again.wait("the queue done", |screen| screen.contains("all done") && screen.contains("✔ 4"));
    assert_eq!(self::server(&world), server, "the same one");
    again.send("q");
    assert_eq!(again.end().exit_code(), 0);
    let out = files_below(&world.path("home/plimsoll-out"));
    assert_eq!(out.iter().filter(|file| file.extension().is_some_and(|end| end == "mp4")).count(), 4, "{out:?}");
}

/// The process of the server.
fn server(world: &World) -> u32 {
    let found = at_work(world.dir.path());
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].1
}

/// The processes that stand in this home and run plimsoll, the server left out.
fn windows(world: &World, server: u32) -> Vec<u32> {
    let home = world.path("home");
    let stands_there = |pid: &u32| fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == home);
    all_called("plimsoll").into_iter().filter(|pid| *pid != server && stands_there(pid)).collect()
}

fn all_called(program: &str) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("proc").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_it = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == program);
    pids.filter(is_it).filter(|pid| is_alive(*pid)).collect()
}

/// The sshd that carries `plimsoll wire` for this world.
fn carrier(world: &World) -> u32 {
    let home = world.path("home");
    let is_wire = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let ours = format!("HOME={}", home.display());
        line.split(|byte| *byte == 0).any(|word| word == b"wire")
            && environment.split(|byte| *byte == 0).any(|word| word == ours.as_bytes())
    };
    let wires: Vec<u32> = all_called("plimsoll").into_iter().filter(is_wire).collect();
    assert_eq!(wires.len(), 1, "{wires:?}");
    let mut pid = wires[0];
    loop {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
        if field("Name:").is_some_and(|name| name.starts_with("sshd")) {
            return pid;
        }
        pid = field("PPid:").and_then(|pid| pid.parse().ok()).expect("a parent");
        assert!(pid > 1, "no sshd carries it");
    }
}

/// `plimsoll attach` on this machine as the machine at hand, with an ssh that knows the way to `sshd`.
fn from_afar(sshd: &Sshd, world: &World) -> Terminal {
    let ssh = format!("#!/bin/sh\nexec /usr/bin/ssh {} \"$@\"\n", sshd.options().join(" "));
    let there = format!("#!/bin/sh\n{} \"$@\"\n", line(world, "exec", ""));
    for (name, text) in [("near/ssh", &ssh), ("far/plimsoll", &there)] {
        let path = world.write(name, text);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("executable");
    }
    let (near, far) = (world.path("near"), world.path("far/plimsoll"));
    let path = format!("{}:{}", near.display(), crate::support::tool_path().to_str().expect("a plain path"));
    let far = far.to_str().expect("a plain path");
    let home = world.path("away");
    fs::create_dir(&home).expect("made");
    let words = [crate::support::PLIMSOLL, "attach", &target(), "--remote-command", far];
    Terminal::start_program(&words, (120, 36), &home, &[("PATH", &path)])
}

#[test]
#[ignore = "needs an sshd: run it by `just ssh`"]
fn an_operators_day() {
    let mut sshd = Sshd::start("C.UTF-8");
    let world = World::new();
    let home = world.path("home");
    let run = world.path("home/run");
    fs::create_dir(&run).expect("made");
    let start = console(&world, 3, 20);
    // A quarter of an hour each: they are at work for the whole of this day.
    for number in 1..=3 {
        let (short, long) = (home.join(format!("clips/clip-{number}.mp4")), home.join(format!("clips/long-{number}.mp4")));
        let mut repeat = Command::new(crate::support::tool("ffmpeg"));
        repeat.args(["-loglevel", "error", "-nostdin", "-stream_loop", "39", "-i"]).arg(&short).args(["-c", "copy"]).arg(&long);
        assert!(repeat.status().is_ok_and(|status| status.success()), "a long clip is made");
        fs::remove_file(short).expect("removed");
    }

    // In the morning: started in one login, and left running.
    let mut first = sshd.connect("xterm-256color", &home, &start);
    first.wait("jobs at work", |screen| screen.contains("2 running") && screen.contains(" fps"));
    let server = server(&world);
    let window = windows(&world, server);
    first.send("q");
    first.wait_for("leave it running");
    first.send("\r");
    assert_eq!(first.end().exit_code(), 0);
    assert!(first.screen().contains("`plimsoll attach` comes back"), "{}", first.screen());
    // Logged out: nothing of the login is left, nor the folder that goes with the last one.
    assert!(time_to_death(&window, PATIENCE).is_some());
    let listener = sshd.server.id();
    let logins = children(listener, "sshd");
    assert!(time_to_death(&logins, PATIENCE).is_some(), "{logins:?}");
    fs::remove_dir_all(&run).expect("removed");

    // Another login, back at the same jobs: what one of them does is told, with its log.
    let mut second = sshd.connect("tmux-256color", &home, &line(&world, "exec", "attach"));
    second.wait_for("2 running");
    assert_eq!(self::server(&world), server);
    second.send("g\r");
    second.wait("its page", |screen| {
        screen.contains("Job #1 long-1.mp4") && screen.contains("h264 640x360 25 fps") && screen.contains("left  frame")
    });
    second.send("o");
    second.wait_for("whole file");
    second.send("g");
    second.wait("its log", |screen| screen.contains("job 1, try 1: ") && screen.contains("ffmpeg -hide_banner"));
    second.press("\x1b");
    second.wait_for("2 Queue");

    // A script beside it.
    let paused = sshd.script(&line(&world, "", "pause 1"));
    assert_eq!((paused.code, paused.out.as_str()), (Some(0), "paused #1\n"), "{}", paused.err);
    second.wait("what the script did", |screen| screen.contains("paused #1: ") && screen.contains("‖ paused"));

    // A console drawn elsewhere sees it too.
    let mut afar = from_afar(&sshd, &world);
    afar.wait("the same queue", |screen| screen.contains("‖ paused") && screen.contains("▶ 1") && screen.contains("+1"));
    second.wait("the other one", |screen| screen.contains("+1"));
    // Its line is cut in the middle, and for a while there is no other.
    let cut = carrier(&world);
    sshd.close();
    // SAFETY: a plain system call with a process of this test's sshd.
    assert_eq!(unsafe { libc::kill(cut as i32, libc::SIGKILL) }, 0);
    let lost = afar.wait_for("trying again in");
    assert!(lost.contains("as of ") && lost.contains("‖ paused"), "the screen stays: {lost}");
    second.wait("it gone", |screen| !screen.lines().next().is_some_and(|header| header.contains("+1")));
    second.send("S");
    second.wait_for("queue held");
    sshd.open();
    afar.wait("it again, with what happened meanwhile", |screen| !screen.contains("as of ") && screen.contains("queue held"));
    // It asks, and not only shows.
    afar.send("S");
    second.wait("what was done afar", |screen| !screen.contains("queue held") && screen.contains("released the queue: "));

    // In the evening.
    let stopped = sshd.script(&line(&world, "", "stop"));
    assert!(stopped.code == Some(0) && stopped.out.contains("3 jobs kept in the queue"), "{}{}", stopped.out, stopped.err);
    for window in [&mut second, &mut afar] {
        assert_eq!(window.end().exit_code(), 1, "{}", window.screen());
        assert!(window.screen().contains("the next start goes on with it"), "{}", window.screen());
        window.with_screen(|screen| assert!(!screen.alternate_screen() && !screen.hide_cursor()));
    }
    assert!(time_to_death(&[server], PATIENCE).is_some());
    // The next morning nothing has been lost.
    let mut third = sshd.connect("xterm-256color", &home, &line(&world, "exec", ""));
    third.wait("the same queue", |screen| screen.contains("3 jobs") && screen.contains("2 running"));
    stop(&mut third);
}
