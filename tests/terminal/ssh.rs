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

use crate::support::pty::{PATIENCE, Terminal};

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
        let log = fs::File::create(at("log")).expect("a log");
        let server = Command::new(SSHD).args(["-D", "-e", "-f"]).arg(at("sshd_config")).stdin(Stdio::null()).stderr(log).spawn();
        let sshd = Self { server: server.expect("sshd starts"), folder, port };
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "sshd does not listen: {}", fs::read_to_string(sshd.at("log")).unwrap_or_default());
            std::thread::park_timeout(Duration::from_millis(20));
        }
        sshd
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `ssh -tt` into it from a terminal of this kind, running this line.
    fn connect(&self, term: &str, home: &Path, line: &str) -> Terminal {
        let (key, port) = (self.at("user"), self.port.to_string());
        let user = String::from_utf8(Command::new("id").arg("-un").output().expect("id").stdout).expect("a name");
        let target = format!("{}@127.0.0.1", user.trim());
        let arguments = [
            "ssh",
            "-tt",
            "-q",
            "-F",
            "none",
            "-p",
            &port,
            "-i",
            key.to_str().expect("a plain path"),
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "IdentitiesOnly=yes",
            &target,
            line,
        ];
        Terminal::start_program(&arguments, (120, 36), home, &[("TERM", term)])
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A home with clips, and the line that runs the console there.
fn console(world: &crate::support::World, clips: u32, seconds: u32) -> String {
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
    format!(
        "cd {home} && PATH={path} HOME={home} XDG_STATE_HOME={home}/state exec {program} clips",
        home = world.path("home").display(),
        path = crate::support::tool_path().to_str().expect("a plain path"),
        program = crate::support::PLIMSOLL,
    )
}

#[test]
#[ignore = "needs an sshd: run it by `just ssh`"]
fn the_screen_is_right_over_ssh_in_every_usual_terminal() {
    let sshd = Sshd::start("C.UTF-8");
    for term in ["xterm-256color", "tmux-256color", "linux"] {
        let world = crate::support::World::new();
        let mut terminal = sshd.connect(term, &world.path("home"), &console(&world, 2, 120));
        let screen = terminal.wait_for("2 running");
        assert!(screen.contains("1 Memory") && screen.contains("4 Log") && screen.contains("╭"), "{term}:\n{screen}");
        let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
        assert!(!raw.contains("38;2;"), "{term}: colours of 24 bits though COLORTERM does not pass an ssh");
        terminal.send("?");
        terminal.wait_for("hold, release the queue");
        terminal.send("\x1b");
        terminal.wait("help closed", |screen| !screen.contains("hold, release the queue"));
        // Once: a second one would be the answer.
        terminal.send("q");
        terminal.wait_for("Keep running");
        terminal.send("y");
        terminal.end();
        terminal.with_screen(|screen| {
            assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste(), "{term}: restored");
        });
    }
}

#[test]
#[ignore = "needs an sshd: run it by `just ssh`"]
fn without_utf_8_the_screen_is_plain_ascii_over_ssh() {
    let sshd = Sshd::start("C");
    let world = crate::support::World::new();
    let mut terminal = sshd.connect("xterm-256color", &world.path("home"), &console(&world, 2, 120));
    let screen = terminal.wait_for("2 running");
    assert!(screen.contains("1 Memory") && screen.is_ascii(), "{screen}");
    terminal.send("q");
    terminal.wait_for("Keep running");
    terminal.send("y");
    terminal.end();
    assert!(terminal.raw().is_ascii(), "not one byte that such a terminal does not know");
}

#[test]
#[ignore = "needs an sshd: run it by `just ssh`"]
fn a_dumb_terminal_gets_lines_over_ssh() {
    let sshd = Sshd::start("C.UTF-8");
    let world = crate::support::World::new();
    let mut terminal = sshd.connect("dumb", &world.path("home"), &console(&world, 1, 2));
    terminal.wait_for("Memory usage before processing");
    terminal.end();
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    assert!(!raw.contains('\x1b'), "no escape sequence: {raw:?}");
    assert!(raw.contains("1 done"), "{raw}");
}

#[test]
#[ignore = "needs an sshd: run it by `just ssh`"]
fn when_the_line_drops_the_queue_runs_to_its_end_without_a_screen() {
    let sshd = Sshd::start("C.UTF-8");
    let world = crate::support::World::new();
    let terminal = sshd.connect("xterm-256color", &world.path("home"), &console(&world, 4, 12));
    terminal.wait_for("2 running");
    // The client dies without a word, as when a laptop is closed and the connection times out.
    drop(terminal);
    let out = world.path("home/plimsoll-out");
    let began = Instant::now();
    while crate::support::files_below(&out).iter().filter(|file| file.extension().is_some_and(|end| end == "mp4")).count() < 4 {
        assert!(began.elapsed() < crate::support::PATIENCE, "not all done: {:?}", crate::support::files_below(&out));
        std::thread::park_timeout(Duration::from_millis(100));
    }
    let began = Instant::now();
    while is_running(&world.path("home")) {
        assert!(began.elapsed() < PATIENCE, "it does not end");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// Some plimsoll stands in this folder.
fn is_running(home: &Path) -> bool {
    let processes = fs::read_dir("/proc").expect("proc").flatten();
    processes.filter_map(|entry| fs::read_link(entry.path().join("cwd")).ok()).any(|cwd| cwd == home)
}
