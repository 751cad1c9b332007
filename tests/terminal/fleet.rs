//! The fleet console in a real pseudo-terminal, over a real PostgreSQL and a real worker.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use plimsoll::host::fleet::postgres::PrivatePostgres;
use serde_json::Value;

use crate::postgres;
use crate::support::clips::clips;
use crate::support::kernel::is_struck;
use crate::support::pty::Terminal;
use crate::support::{World, patient_ffmpeg, say};

/// A worker; it is killed with the test.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn fleet(world: &World, postgres: &PrivatePostgres, args: &[&str]) -> String {
    let mut command = world.command([&["fleet"], args].concat());
    command.env("PLIMSOLL_QUEUE", postgres.address()).env("PLIMSOLL_FILES", world.path("files"));
    let said = say(command);
    assert_eq!(said.code, Some(0), "{args:?}: {}{}", said.out, said.err);
    said.out
}

fn states(world: &World, postgres: &PrivatePostgres) -> Vec<String> {
    let out = fleet(world, postgres, &["jobs", "--json"]);
    let row = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["state"].as_str().expect("a state").to_owned();
    out.lines().map(row).collect()
}

/// The number of times that the terminal was taken over, and given back.
fn taken(terminal: &Terminal) -> (usize, usize) {
    let raw = terminal.raw();
    let count = |what: &[u8]| raw.windows(what.len()).filter(|window| *window == what).count();
    (count(b"\x1b[?1049h"), count(b"\x1b[?1049l"))
}

#[test]
fn a_fleet_is_watched_and_led_from_one_screen() {
    let world = World::new();
    let Some(mut postgres) = postgres::start() else { return };
    fleet(&world, &postgres, &["init"]);
    let tools = patient_ffmpeg(&world);
    for name in ["first.mp4", "second.mp4"] {
        let path = world.put(&clips().tiny(), name);
        fleet(&world, &postgres, &["add", &path.to_string_lossy()]);
    }
    let home = world.path("home");
    std::fs::create_dir_all(&home).expect("a folder");
    let address = postgres.address();
    let mut terminal = Terminal::start_with(120, 36, &home, &["fleet"], &[("PLIMSOLL_QUEUE", &address)]);
    let screen = terminal.wait_for("second.mp4");
    for part in ["plimsoll fleet", "0 workers", "2 queued", "no worker is there", "as of "] {
        assert!(screen.contains(part), "{part}:\n{screen}");
    }
    // A worker takes both, and its ffmpeg waits for a word.
    let mut command = world.command(["worker", "-p", "balanced", "--state-dir"]);
    command.arg(world.path("one")).arg("--ffmpeg").arg(&tools);
    command.env("PLIMSOLL_QUEUE", &address).env("PLIMSOLL_FILES", world.path("files"));
    let log = std::fs::File::create(world.path("worker.log")).expect("a log");
    let mut worker = Worker(command.stdout(Stdio::null()).stderr(log).spawn().expect("a worker"));
    terminal.wait_for("2 running");
    // Its own console, in place of this one, and back.
    terminal.send("\r");
    // It asks whether to leave them running once it knows of the jobs.
    terminal.wait("its console", |screen| screen.contains("1 Memory") && screen.contains("2 running"));
    terminal.send("q");
    terminal.wait_for("leave it running");
    terminal.send("\r");
    terminal.wait_for("plimsoll fleet");
    assert_eq!(taken(&terminal), (3, 2), "the terminal changed hands in order");
    // The second job is cancelled; a no before that changes nothing.
    terminal.send("2jx");
    terminal.wait_for("Cancel job 2");
    terminal.send("n");
    terminal.wait("the question gone", |screen| !screen.contains("Cancel job 2"));
    assert_eq!(states(&world, &postgres), ["running", "running"]);
    terminal.send("x");
    terminal.wait_for("Cancel job 2");
    terminal.send("y");
    terminal.wait_for("1 cancelled");
    std::fs::write(world.path("one/scratch/go"), "").expect("written");
    terminal.wait_for("1 done");
    assert_eq!(states(&world, &postgres), ["done", "cancelled"]);
    // What happened to the first one, and its log.
    terminal.send("g\r");
    terminal.wait_for("Job 1");
    terminal.wait_for("claimed on");
    terminal.send("\x1b");
    terminal.wait("the page closed", |screen| !screen.contains("Job 1"));
    // The database goes and comes back; the screen stays, and says so.
    postgres.down();
    let screen = terminal.wait_for("trying again");
    assert!(screen.contains("cannot be reached") && screen.contains("first.mp4"), "{screen}");
    terminal.send("?");
    terminal.wait_for("Help: fleet");
    terminal.send("?");
    postgres.up().expect("up again");
    terminal.wait("it is there again", |screen| !screen.contains("trying again") && !screen.contains("cannot be reached"));
    // A worker that is drained ends when it has nothing left to do, or stays and takes nothing.
    terminal.send("1d");
    terminal.wait_for("drained");
    terminal.send("q");
    assert_eq!(terminal.end().exit_code(), 0);
    assert_eq!(taken(&terminal), (3, 3), "given back");
    let _ = worker.0.kill();
}

/// What the demonstration leaves on this machine: processes below its folder or that of its database, and these folders. Those
/// that the kernel is taking apart already have been ended.
fn left_of_it(temporary: &std::path::Path) -> Vec<String> {
    let folders = std::fs::read_dir(temporary).expect("a folder").flatten().map(|entry| entry.file_name());
    let mut left: Vec<String> = folders.map(|name| name.to_string_lossy().into_owned()).collect();
    let marked = temporary.to_string_lossy().into_owned();
    for process in std::fs::read_dir("/proc").expect("processes").flatten() {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let pid = process.file_name().to_str().and_then(|name| name.parse().ok());
        if line.contains(&marked) && pid.is_some_and(|pid| !is_struck(pid)) {
            left.push(line);
        }
    }
    left
}

/// The demonstration in a terminal, with a folder of its own for what is temporary.
fn demo(world: &World, clips: &str) -> (Terminal, std::path::PathBuf) {
    let (home, temporary) = (world.path("home"), world.path("t"));
    for folder in [&home, &temporary] {
        std::fs::create_dir_all(folder).expect("a folder");
        // The database's own user has to come through.
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("open");
    }
    let temporary_text = temporary.to_string_lossy().into_owned();
    let args = ["fleet", "demo", "--yes", "--clips", clips];
    (Terminal::start_with(120, 36, &home, &args, &[("TMPDIR", &temporary_text)]), temporary)
}

#[test]
fn the_demonstration_kills_a_worker_before_your_eyes_loses_nothing_and_leaves_nothing() {
    let world = World::new();
    if postgres::start().is_none() {
        return;
    }
    let (mut terminal, temporary) = demo(&world, "8");
    let screen = terminal.wait_for("Demonstration: 8 clips, two workers of 600 MB");
    assert!(screen.contains("plimsoll fleet") && screen.contains("q end"), "{screen}");
    terminal.wait_for("was killed in the middle of job");
    terminal.wait_for("8 of 8 clips are done");
    terminal.send("q");
    assert_eq!(terminal.end().exit_code(), 0);
    assert_eq!(taken(&terminal), (1, 1), "the terminal is given back");
    let told = String::from_utf8_lossy(&terminal.raw()).into_owned();
    let told = told.rsplit("\x1b[?1049l").next().expect("what is told after the screen").to_owned();
    assert!(told.contains("8 of 8 clips are done, 8 outputs hold what the queue says of them"), "{told}");
    assert!(told.contains("lost with the killed worker and done by another") && !told.contains(" 0 jobs lost"), "{told}");
    assert!(told.contains("worker three"), "another one took its place: {told}");
    assert_eq!(left_of_it(&temporary), Vec::<String>::new());
}

#[test]
fn the_demonstration_is_ended_in_its_middle_by_a_key_or_a_signal_and_leaves_nothing() {
    if postgres::start().is_none() {
        return;
    }
    for (signal, status) in [(None, 0), (Some(libc::SIGHUP), 129), (Some(libc::SIGTERM), 143)] {
        let world = World::new();
        let (mut terminal, temporary) = demo(&world, "4");
        terminal.wait_for("running");
        match signal {
            None => terminal.send("\x03"),
            Some(signal) => terminal.signal(signal),
        }
        assert_eq!(terminal.end().exit_code(), status, "{signal:?}");
        assert_eq!(taken(&terminal), (1, 1), "{signal:?}");
        assert_eq!(left_of_it(&temporary), Vec::<String>::new(), "{signal:?}");
    }
    let world = World::new();
    let (mut terminal, temporary) = demo(&world, "1000");
    terminal.wait_for("1000 clips");
    terminal.signal(libc::SIGINT);
    assert_eq!((terminal.end().exit_code(), left_of_it(&temporary)), (130, Vec::new()), "while its clips are made");
}
