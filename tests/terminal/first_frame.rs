//! How long a console takes to its first frame, and what it does not wait for.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // what is measured is time

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::pty::Terminal;
use crate::support::server::Servers;
use crate::support::{PLIMSOLL, World, tool, tool_path};

/// What a start may take until its first frame, and what a console of a server that is there may take, where nobody else wants
/// the machine.
const STARTS: Duration = Duration::from_millis(250);
const ATTACHES: Duration = Duration::from_millis(150);

/// The median of what a console takes from its start to its first frame, and the longest.
fn told(what: &str, mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    let median = times[times.len() / 2];
    println!("{what}: median {median:?}, most {:?}", times[times.len() - 1]);
    median
}

#[test]
#[ignore = "needs a machine with nothing else to do; `just windows`"]
fn the_first_frame_is_there_soon_whether_a_server_is_there_or_not() {
    let path = tool_path().to_str().expect("UTF-8");
    let (mut first, mut later, mut attached) = (Vec::new(), Vec::new(), Vec::new());
    let mut tools = Vec::new();
    for _ in 0..9 {
        let world = World::new();
        let home = world.path("home");
        // Of its own: what is in it is measured.
        let cache = home.join(".cache");
        let servers = Servers::below(&home);
        // What the first server on a state folder waits for before it is ready, in the same moments: both tell their version at
        // once. Later ones know it.
        let began = Instant::now();
        let ask = |name| {
            let mut command = Command::new(tool(name));
            command.arg("-version").stdout(std::process::Stdio::null()).spawn().expect("it runs")
        };
        for mut child in [ask("ffmpeg"), ask("ffprobe")] {
            assert!(child.wait().expect("it ends").success());
        }
        tools.push(began.elapsed());
        let console = || {
            let began = Instant::now();
            let variables = [("PATH", path), ("XDG_CACHE_HOME", cache.to_str().expect("UTF-8"))];
            let mut terminal = Terminal::start_program(&[PLIMSOLL], (120, 36), &home, &variables);
            terminal.wait_for("1 Memory");
            let took = began.elapsed();
            terminal.send("q");
            terminal.end();
            took
        };
        first.push(console());
        attached.push(console());
        let mut stop = Command::new(PLIMSOLL);
        stop.arg("stop").env_clear().env("HOME", &home).stdout(std::process::Stdio::null());
        assert!(stop.status().expect("it runs").success());
        servers.wait_for_none();
        later.push(console());
    }
    let ffmpeg = told("ffmpeg and ffprobe tell their version", tools);
    let first = told("the first console on a state folder, which begins the server", first);
    let later = told("a later one that begins the server", later);
    let attached = told("one on a server that is there", attached);
    assert!(first <= STARTS && later <= STARTS && attached <= ATTACHES, "{first:?}, of it {ffmpeg:?}, {later:?}, {attached:?}");
}

/// Replaces what is in the programs, so that they cannot be run, and leaves them the look of those that were there: the dates that
/// nobody can set are changed in the record of them instead.
fn spoil_unseen(tools: &Path, home: &Path) {
    let record = home.join(".cache/plimsoll/ffmpeg.json");
    let mut known: serde_json::Value = serde_json::from_slice(&std::fs::read(&record).expect("kept")).expect("JSON");
    for name in ["ffmpeg", "ffprobe"] {
        let program = tools.join(name);
        let written = std::fs::metadata(&program).and_then(|meta| meta.modified()).expect("told");
        let file = std::fs::File::options().write(true).open(&program).expect("ours");
        std::os::unix::fs::FileExt::write_all_at(&file, &[0; 64], 0).expect("written");
        file.set_modified(written).expect("set");
        let meta = file.metadata().expect("told");
        known[0]["ffmpeg"]["fingerprint"][name]["changed_ns"] = (meta.ctime() * 1_000_000_000 + meta.ctime_nsec()).into();
    }
    std::fs::write(record, known.to_string()).expect("written");
}

#[test]
fn a_console_that_comes_back_waits_for_no_ffmpeg() {
    let world = World::new();
    let (home, tools) = (world.path("home"), world.path("tools"));
    std::fs::create_dir_all(&tools).expect("made");
    for name in ["ffmpeg", "ffprobe"] {
        // By another process: what this one writes could not be run while any of its tests forks.
        assert!(Command::new("cp").arg(tool(name)).arg(tools.join(name)).status().expect("cp runs").success());
    }
    let servers = Servers::below(&home);
    // Of its own: what is in it is changed.
    let cache = home.join(".cache");
    let [path, cache] = [&tools, &cache].map(|path| path.to_str().expect("UTF-8"));
    let start = || Terminal::start_program(&[PLIMSOLL], (120, 36), &home, &[("PATH", path), ("XDG_CACHE_HOME", cache)]);
    let mut terminal = start();
    terminal.wait_for("1 Memory");
    terminal.send("q");
    terminal.end();
    let mut stop = Command::new(PLIMSOLL);
    assert!(stop.arg("stop").env_clear().env("HOME", &home).output().expect("it runs").status.success());
    servers.wait_for_none();
    // Whoever ran them now would have no first frame.
    spoil_unseen(&tools, &home);
    let mut terminal = start();
    terminal.wait_for("1 Memory");
    terminal.send("q");
    terminal.end();
    assert!(Command::new(PLIMSOLL).arg("stop").env_clear().env("HOME", &home).output().expect("it runs").status.success());
    servers.wait_for_none();
    // One that may be another is run, and told as ever.
    std::fs::File::options()
        .write(true)
        .open(tools.join("ffmpeg"))
        .and_then(|file| file.set_modified(std::time::UNIX_EPOCH))
        .expect("set");
    let mut terminal = start();
    assert_eq!(terminal.end().exit_code(), 2);
    let screen = terminal.screen();
    assert!(screen.contains("does not work") && screen.contains("plimsoll doctor"), "{screen}");
    assert!(servers.is_none());
}
