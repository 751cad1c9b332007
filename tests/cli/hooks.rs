//! Commands of the operator's that a server runs.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // a deadline needs the clock

use std::process::Child;
use std::time::{Duration, Instant};

use crate::support::clips::clips;
use crate::support::{PATIENCE, World, patient_ffmpeg, say};
use serde_json::Value;

/// Between two looks: the processors are for what is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// Killed when the test ends early.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads what hooks have written so far, until it is as wanted.
fn until(world: &World, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(world.path("told")).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let told: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect();
        if wanted(&told) {
            return told;
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::sleep(LOOK);
    }
}

#[test]
fn hooks_get_the_event_and_one_that_hangs_holds_neither_the_queue_nor_the_end() {
    let world = World::new();
    let film = world.put(&clips().tiny(), "a.mp4");
    let (told, hung) = (world.path("told"), world.path("hung"));
    let tell = format!("[sh, -c, \"cat >> '{}'; echo as told; echo twice >&2\"]", told.display());
    let hang = format!("[sh, -c, \"echo $$ >> '{}'; exec sleep 1000\"]", hung.display());
    let settings = format!("on_done: {tell}\non_failed: {tell}\non_idle: {hang}\non_warning: [./not-there]\n");
    world.write("home/.config/plimsoll/settings.yaml", settings);
    let command = |args: &[&str]| {
        let mut command = world.command(args);
        command.arg("--state-dir").arg(world.path("state"));
        command
    };
    let ok = |args: &[&str]| {
        let said = say(command(args));
        assert_eq!(said.code, Some(0), "{args:?}: {}{}", said.out, said.err);
    };
    let mut serve = command(&["serve", "--timeout", "20s", "--retries", "0"]);
    serve
        .arg("-o")
        .arg(world.path("out"))
        .arg("--ffmpeg")
        .arg(patient_ffmpeg(&world))
        .stderr(std::fs::File::create(world.path("said")).expect("a file"));
    let mut server = Ends(serve.spawn().expect("started"));
    let deadline = Instant::now() + PATIENCE;
    while say(command(&["status"])).code != Some(0) {
        assert!(Instant::now() < deadline, "no server");
        std::thread::sleep(LOOK);
    }
    // ffmpeg waits until it is let go: the first try takes too long.
    ok(&["add", film.to_str().expect("plain")]);
    let events = until(&world, |told| told.len() == 1);
    assert_eq!((&events[0]["hook"], &events[0]["outcome"]), (&"on_failed".into(), &"timed_out".into()), "{events:?}");
    assert_eq!(events[0]["input"].as_str(), film.to_str());
    std::fs::write(world.path("state/scratch/go"), "").expect("written");
    // By now one that hangs is at work, or about to be.
    ok(&["retry", "1"]);
    ok(&["wait"]);
    let events = until(&world, |told| told.len() == 2);
    assert_eq!(
        (&events[1]["hook"], &events[1]["event"], &events[1]["job"]),
        (&"on_done".into(), &"job_finished".into(), &1.into())
    );
    assert!(events[1]["output"].as_str().is_some_and(|output| std::path::Path::new(output).exists()), "{events:?}");
    let pids = || std::fs::read_to_string(&hung).unwrap_or_default();
    let deadline = Instant::now() + PATIENCE;
    while pids().lines().count() < 2 {
        assert!(Instant::now() < deadline, "none hangs: {}", pids());
        std::thread::sleep(LOOK);
    }
    for line in ["hook on_failed for job 1: done: twice; as told", "hook on_done for job 1: done: twice; as told"] {
        while !std::fs::read_to_string(world.path("said")).expect("read").contains(line) {
            assert!(Instant::now() < deadline, "{line} is not told");
            std::thread::sleep(LOOK);
        }
    }
    ok(&["stop"]);
    assert_eq!(server.0.wait().expect("ended").code(), Some(0));
    for pid in pids().lines() {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(!stat.contains("(sleep)") || stat.contains(") Z"), "it lives on: {stat}");
    }
}

#[test]
fn a_command_that_is_none_is_refused_with_where_and_what_is_allowed() {
    let world = World::new();
    for (text, at) in
        [("on_done: tell", "1:10"), ("on_idle: []", "1:10"), ("on_failed: {a: b}", "1:12"), ("on_failed: {url: ftp://x}", "1:1")]
    {
        world.write("home/.config/plimsoll/settings.yaml", text);
        let said = say(world.command(["serve", "--state-dir", "state"]));
        assert_eq!(said.code, Some(2), "{text}: {}", said.err);
        assert!(
            said.err.contains(&format!("settings.yaml:{at}")) && said.err.contains("a list of the program"),
            "{text}: {}",
            said.err
        );
    }
}

/// A server with these options whose hook of a job that is done takes two seconds; its lines after its end. Where nothing is said
/// then, it ends by itself, perhaps before anybody can say anything: it finds its job in the queue.
fn lines_with_a_slow_hook(options: &[&str], then: &[&str]) -> String {
    let world = World::new();
    let film = world.put(&clips().tiny(), "a.mp4");
    let hook = format!("on_done: [sh, -c, \"cat > /dev/null; sleep 2; echo sent; touch '{}'\"]\n", world.path("sent").display());
    world.write("home/.config/plimsoll/settings.yaml", hook);
    let command = |args: &[&str]| {
        let mut command = world.command(args);
        command.arg("--state-dir").arg(world.path("state"));
        command
    };
    let out = world.path("out");
    let ok = |args: &[&str]| {
        let said = say(command(args));
        assert_eq!(said.code, Some(0), "{args:?}: {}{}", said.out, said.err);
    };
    let add = ["add", "-o", out.to_str().expect("plain"), film.to_str().expect("plain")];
    if then.is_empty() {
        ok(&add);
    }
    let mut serve = command(&["serve"]);
    serve.args(options).arg("-o").arg(&out);
    let mut server = Ends(serve.stderr(std::fs::File::create(world.path("said")).expect("a file")).spawn().expect("started"));
    let deadline = Instant::now() + PATIENCE;
    if !then.is_empty() {
        while say(command(&["status"])).code != Some(0) {
            assert!(Instant::now() < deadline, "no server");
            std::thread::sleep(LOOK);
        }
        ok(&add);
        ok(then);
    }
    let deadline = Instant::now() + PATIENCE;
    while server.0.try_wait().expect("asked").is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(LOOK);
    }
    assert!(world.path("sent").exists(), "the hook came to its end");
    std::fs::read_to_string(world.path("said")).expect("read")
}

#[test]
fn a_server_that_ends_by_itself_lets_its_last_hooks_end_and_tells_how() {
    let told = "hook on_done for job 1: done: sent";
    let idle = lines_with_a_slow_hook(&["--exit-when-idle", "1s"], &[]);
    assert!(idle.contains(told), "{idle}");
    let drained = lines_with_a_slow_hook(&[], &["drain"]);
    assert!(drained.contains(told), "{drained}");
}
