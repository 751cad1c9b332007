//! A server and the commands that talk to it: what scripts rely on.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // a deadline needs the clock

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::clips::clips;
use crate::support::greeting::hello;
use crate::support::{PATIENCE, PLIMSOLL, Said, World, patient_ffmpeg, say};
use plimsoll::host::process::instance::Instance;
use plimsoll::wire::message::Facts;
use plimsoll::wire::socket::CONTROL;
use serde_json::Value;

/// Between two looks: the processors are for what is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// A server in a world; it ends with the test.
pub struct Server<'w> {
    pub world: &'w World,
}

impl<'w> Server<'w> {
    /// Starts it in the background. Its jobs wait for [`Server::let_go`].
    pub fn start(world: &'w World, args: &[&str]) -> Self {
        let mut command = world.command(["serve", "--daemon", "-p", "balanced"]);
        command.arg("--state-dir").arg(world.path("state")).arg("-o").arg(world.path("out"));
        command.arg("--ffmpeg").arg(patient_ffmpeg(world)).args(args);
        let said = say(command);
        assert_eq!(said.code, Some(0), "{}", said.err);
        Self { world }
    }

    /// The same with one job, which is at work.
    pub fn at_work(world: &'w World) -> Self {
        let film = world.put(&clips().tiny(), "a.mp4");
        let server = Self::start(world, &[]);
        server.ok(&["add", film.to_str().expect("plain")]);
        server.until_running(1);
        server
    }

    /// The ffmpegs that wait go on, and those that come do not wait.
    pub fn let_go(&self) {
        std::fs::write(self.world.path("state/scratch/go"), "").expect("written");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command.arg("--state-dir").arg(self.world.path("state"));
        command
    }

    fn say(&self, args: &[&str]) -> Said {
        say(self.command(args))
    }

    /// The same, where it goes well.
    pub fn ok(&self, args: &[&str]) -> String {
        let said = self.say(args);
        assert_eq!(said.code, Some(0), "{args:?}: {}{}", said.out, said.err);
        said.out
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).expect("one JSON object")
    }

    /// Waits until `status` tells so.
    fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.json(&["status", "--json"]);
            if wanted(&status) {
                return;
            }
            assert!(Instant::now() < deadline, "{what} did not come: {status}");
            std::thread::sleep(LOOK);
        }
    }

    /// Waits until so many jobs have a process; before that they are at work too, and can be neither paused nor killed.
    pub fn until_running(&self, count: usize) {
        let has_process = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["pid"].is_u64();
        let deadline = Instant::now() + PATIENCE;
        while self.ok(&["jobs", "--json", "--state", "running"]).lines().filter(|line| has_process(line)).count() != count {
            assert!(Instant::now() < deadline, "{count} jobs did not run");
            std::thread::sleep(LOOK);
        }
    }
}

impl Server<'_> {
    /// Waits until the log of this job says which it is: the first line comes soon after the process.
    fn until_logged(&self, job: u32) {
        let deadline = Instant::now() + PATIENCE;
        while !self.ok(&["logs", &job.to_string()]).contains(&format!("job {job}, try 1")) {
            assert!(Instant::now() < deadline, "job {job} has no log");
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // Where the test has ended it already there is none.
        let _ = self.command(&["stop"]).output();
    }
}

#[test]
fn a_script_queues_looks_changes_and_waits() {
    let world = World::new();
    for name in ["a.mp4", "b.mp4", "c.mp4", "d.mp4"] {
        world.put(&clips().tiny(), name);
    }
    let server = Server::start(&world, &[]);
    let input = world.path("in");
    let added = server.json(&["add", "--json", input.to_str().expect("plain")]);
    assert_eq!(
        (added["batch"].as_u64(), added["jobs"].as_array().map(Vec::len), added["known"].as_u64()),
        (Some(1), Some(4), Some(0))
    );
    let again = server.say(&["add", "--json", input.to_str().expect("plain")]).out;
    let again: Value = serde_json::from_str(&again).expect("JSON");
    assert!(again["batch"].is_null() && again["batches"] == serde_json::json!([]), "nothing new: {again}");
    server.until_running(2);
    let status = server.json(&["status", "--json"]);
    assert_eq!(status["jobs"]["queued"], 2);
    assert_eq!(status["profile"]["name"], "balanced");
    assert_eq!(status["server"]["state_dir"].as_str(), world.path("state").to_str());
    assert!(
        status["memory"]["budget_bytes"].as_u64().is_some_and(|bytes| bytes > 0) && status["consoles"] == 0,
        "{status}{}",
        server.ok(&["jobs"])
    );
    assert!(server.ok(&["status"]).contains("2 queued, 2 running"));
    let page = server.ok(&["status", "--html"]);
    assert!(
        page.starts_with("<!doctype html>") && page.contains("this run: 2 queued, 2 running") && !page.contains("src="),
        "{page}"
    );

    assert_eq!(server.ok(&["pause"]), "paused #1\npaused #2\n");
    let paused = server.ok(&["jobs", "--json", "--state", "paused"]);
    let paused: Vec<Value> = paused.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(paused.iter().map(|job| job["job"].as_u64()).collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert!(paused.iter().all(|job| job["input"].as_str().is_some_and(|input| input.contains("mp4")) && job["pid"].is_u64()));
    assert_eq!(server.ok(&["resume", "1-2"]), "resumed #1\nresumed #2\n");
    assert_eq!(server.ok(&["move", "4", "--first"]), "moved to the front #4\n");
    let refused = server.say(&["cancel", "3", "99"]);
    assert_eq!((refused.code, refused.out.as_str()), (Some(1), "cancelled #3\n"));
    assert!(refused.err.contains("there is no job 99"), "{}", refused.err);
    let not_done = server.say(&["wait", "3"]);
    assert!(not_done.code == Some(1) && not_done.err.contains("not done: #3;"), "{:?} {}", not_done.code, not_done.err);
    assert_eq!(server.ok(&["retry", "3"]), "queued again #3\n");

    server.ok(&["hold"]);
    assert!(server.ok(&["drain"]).contains("it is held and nothing starts"));
    let more = world.put(&clips().tiny(), "more.mp4");
    let refused = server.say(&["add", more.to_str().expect("plain")]);
    assert!(refused.out.is_empty() && refused.err.contains("`plimsoll drain --undo`"), "{} {}", refused.out, refused.err);
    assert!(server.ok(&["drain", "--undo"]).contains("taken back"));
    assert_eq!(server.json(&["status", "--json"])["held"], true);
    let again = server.say(&["hold"]);
    assert!(again.code == Some(1) && again.err.contains("held already"), "{}", again.err);
    server.ok(&["release"]);
    assert!(server.ok(&["profile", "fast"]).contains("the profile is fast"));
    assert_eq!(server.json(&["status", "--json"])["profile"]["max_concurrent"], 4);
    assert_eq!(server.say(&["profile", "nosuch"]).code, Some(2));

    let late = server.say(&["wait", "--batch", "1", "--timeout", "300ms"]);
    assert!(late.code == Some(124) && late.err.contains("4 jobs left"), "{:?} {}", late.code, late.err);
    server.let_go();
    for args in [&["wait", "--batch", "1"][..], &["wait", "1-4"], &["wait", "--idle"], &["wait"]] {
        server.ok(args);
    }
    assert_eq!(server.ok(&["jobs", "--json", "--state", "done"]).lines().count(), 4);
    let log = server.ok(&["logs", "1"]);
    assert!(log.contains("ffmpeg") && log.contains("job 1, try 1"), "{log}");
    assert_eq!(server.ok(&["logs", "1", "-n", "1"]).lines().count(), 1);
    assert_eq!(server.say(&["logs", "77"]).code, Some(2));
    assert!(server.ok(&["stop"]).contains("has ended"));
    let gone = server.say(&["status"]);
    assert_eq!(gone.code, Some(69));
    let words = format!("no plimsoll works on {}; start one with `plimsoll serve`", world.path("state").display());
    assert!(gone.err.contains(&words) && gone.out.contains("before: 4 done"), "{}{}", gone.err, gone.out);
    world.assert_no_leftovers();
}

#[test]
fn a_plan_without_paths_is_that_of_the_queue_of_the_server_as_it_is_now() {
    let world = World::new();
    for name in ["a.mp4", "b.mp4", "c.mp4"] {
        world.put(&clips().tiny(), name);
    }
    let mine = world.write(
        "mine.yaml",
        "name: mine\nvideo: { codec: libx264, preset: ultrafast, crf: 30, height: 120 }\ncontainer: mp4\nthreads: 1\n",
    );
    let server = Server::start(&world, &["--budget", "1GB"]);
    let input = world.path("in");
    server.ok(&["add", "--preset", mine.to_str().expect("plain"), input.to_str().expect("plain")]);
    server.until_running(2);
    let plan = |args: &[&str]| {
        let plan = server.json(&[&["plan", "--json", "--runs", "10"], args].concat());
        let budget = plan["budget_bytes"].as_u64().expect("a number") >> 20;
        assert_eq!((&plan["jobs"], &plan["not_accepted"], plan["runs"].as_u64()), (&3.into(), &0.into(), Some(10)), "{plan}");
        (plan["plans"][0]["name"].as_str().expect("a name").to_owned(), budget)
    };
    assert_eq!(plan(&[]), ("now: balanced".to_owned(), 1024));
    server.ok(&["profile", "safe"]);
    assert_eq!(plan(&[]), ("now: safe".to_owned(), 1024));
    // What is given varies from that.
    assert_eq!(plan(&["--budget", "600MB"]), ("now: safe".to_owned(), 600));
    assert_eq!(plan(&["-p", "fast"]), ("now: fast".to_owned(), 1024));
    let told = server.ok(&["plan", "--runs", "10"]);
    assert!(told.starts_with("the queue of the server (process ") && told.contains("; profile safe is in force there\n"), "{told}");
    // Without a server what waits is planned as a run here would take it.
    server.ok(&["stop"]);
    let waits = server.json(&["plan", "--json", "--runs", "10", "--budget", "2GB"]);
    assert_eq!((&waits["jobs"], &waits["plans"][0]["name"]), (&3.into(), &"now: balanced".into()), "{waits}");
}

#[test]
fn what_is_added_keeps_its_own_folder_preset_and_overwriting() {
    let world = World::new();
    let film = world.put(&clips().tiny(), "a.mp4");
    let film = film.to_str().expect("plain");
    let mine = world.write(
        "mine.yaml",
        "name: mine\nvideo: { codec: libx264, preset: ultrafast, crf: 30, height: 120 }\naudio: { codec: aac, bitrate: 64k }\ncontainer: mp4\nthreads: 1\n",
    );
    let elsewhere = world.path("elsewhere");
    let server = Server::start(&world, &[]);
    server.let_go();
    server.ok(&["add", "--wait", film]);
    server.ok(&["add", "--wait", "-o", elsewhere.to_str().expect("plain"), "--preset", mine.to_str().expect("plain"), film]);
    assert!(world.path("out/a.web-720p.mp4").exists() && elsewhere.join("a.mine.mp4").exists());
    let written = |path: &std::path::Path| std::fs::metadata(path).and_then(|meta| meta.modified()).expect("there");
    let first = written(&world.path("out/a.web-720p.mp4"));
    server.ok(&["add", "--wait", film]);
    assert_eq!(written(&world.path("out/a.web-720p.mp4")), first, "it was done already");
    server.ok(&["add", "--wait", "--overwrite", film]);
    assert!(written(&world.path("out/a.web-720p.mp4")) > first);
    let refused = server.say(&["add", world.path("work").to_str().expect("plain")]);
    assert!(refused.code == Some(1) && refused.err.contains("no video files were found"), "{}", refused.err);
}

#[test]
fn what_is_added_where_nobody_works_waits_for_the_next_run() {
    let world = World::new();
    let film = world.put(&clips().tiny(), "a.mp4");
    let add = |args: &[&str]| {
        let mut command = world.command(["add", "--state-dir"]);
        command.arg(world.path("state")).arg("-o").arg(world.path("out")).args(args);
        say(command)
    };
    let film = film.to_str().expect("plain");
    let added = add(&[film]);
    assert!(added.code == Some(0) && added.out.contains("1 job queued; nobody works on"), "{}{}", added.out, added.err);
    let again = add(&["--json", film]);
    assert_eq!(serde_json::from_str::<Value>(&again.out).expect("JSON")["known"], 1, "{}", again.err);
    assert_eq!(add(&["--wait", film]).code, Some(69), "nobody would ever end it");
    let mut jobs = world.command(["jobs", "--state-dir"]);
    jobs.arg(world.path("state"));
    let jobs = say(jobs);
    assert!(jobs.out.contains("queued") && jobs.err.contains("start one with `plimsoll serve`"), "{}{}", jobs.out, jobs.err);
    let run = world.run(&[]);
    assert!(run.status.success() && world.path("out/a.web-720p.mp4").exists(), "{}", run.stderr);
}

#[test]
fn every_command_that_changes_something_tells_it_in_one_object() {
    let world = World::new();
    let films: Vec<String> = ["a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4"]
        .map(|name| world.put(&clips().tiny(), name).to_str().expect("plain").to_owned())
        .to_vec();
    let server = Server::start(&world, &[]);
    let object = |args: &[&str]| {
        let said = server.say(args);
        let lines: Vec<&str> = said.out.lines().collect();
        assert_eq!(lines.len(), 1, "{args:?}: {}{}", said.out, said.err);
        let object: Value = serde_json::from_str(lines[0]).expect("JSON");
        for field in ["command", "jobs", "refused", "later", "error"] {
            assert!(object.get(field).is_some(), "{args:?}: no {field} in {object}");
        }
        assert_eq!(object["command"], args[0], "{object}");
        (said.code, object)
    };
    let done = |args: &[&str]| {
        let (code, object) = object(args);
        assert!(
            code == Some(0) && object["error"].is_null() && object["refused"].as_array().is_some_and(Vec::is_empty),
            "{object}"
        );
        object
    };
    assert_eq!(done(&["add", "--json", &films[0], &films[1], &films[2]])["jobs"], serde_json::json!([1, 2, 3]));
    let status = server.json(&["status", "--json"]);
    assert_eq!((&status["profile"]["max_concurrent"], &status["profile"]["auto"]), (&2.into(), &false.into()), "{status}");
    let again = done(&["add", "--json", &films[2]]);
    assert_eq!((&again["known"], &again["jobs"]), (&1.into(), &serde_json::json!([])), "what waits already is no fault: {again}");
    server.until_running(2);
    let (code, at_work) = object(&["add", "--json", "--wait", &films[0]]);
    assert_eq!((code, &at_work["known"]), (Some(1), &1.into()), "what was queued before is not waited for: {at_work}");
    assert_eq!(at_work["refused"][0]["code"], "queued_already", "{at_work}");
    assert_eq!(done(&["pause", "--json"])["jobs"], serde_json::json!([1, 2]));
    let (code, twice) = object(&["pause", "--json", "1", "3", "99"]);
    let codes: Vec<&Value> = twice["refused"].as_array().expect("a list").iter().map(|refused| &refused["code"]).collect();
    assert_eq!((code, codes), (Some(1), vec![&"paused_already".into(), &"not_running".into(), &"unknown_job".into()]));
    assert_eq!(done(&["resume", "--json", "1"])["jobs"], serde_json::json!([1]));
    done(&["hold", "--json"]);
    let (code, held) = object(&["hold", "--json"]);
    assert_eq!((code, &held["error"]["code"]), (Some(1), &"held_already".into()), "{held}");
    done(&["release", "--json"]);
    assert_eq!(done(&["profile", "--json", "safe"])["profile"], "safe");
    let (code, unknown) = object(&["profile", "--json", "nosuch"]);
    assert_eq!((code, &unknown["error"]["code"]), (Some(2), &"usage".into()), "{unknown}");
    done(&["clean", "--json"]);
    done(&["drain", "--json"]);
    done(&["drain", "--undo", "--json"]);
    let (_, first) = object(&["move", "--json", "3", "--first"]);
    assert_eq!(first["refused"][0]["code"], "at_end", "{first}");
    let order = || {
        let rows = server.ok(&["jobs", "--json", "--state", "queued"]);
        let mut rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).expect("a row")).collect();
        rows.sort_by_key(|row| row["rank"].as_i64());
        rows.iter().map(|row| row["job"].as_u64().expect("a number")).collect::<Vec<_>>()
    };
    done(&["add", "--json", &films[3], &films[4]]);
    assert_eq!(order(), [3, 4, 5]);
    done(&["move", "--json", "3", "4", "--later"]);
    assert_eq!(order(), [5, 3, 4], "none of them passes the other");
    done(&["move", "--json", "3", "4", "--sooner"]);
    assert_eq!(order(), [3, 4, 5]);
    let (code, front) = object(&["move", "--json", "4", "3", "--sooner"]);
    assert_eq!((code, order()), (Some(1), vec![3, 4, 5]), "who stands behind one that is first already does not pass it");
    assert_eq!([&front["refused"][0]["job"], &front["refused"][1]["job"]], [&3, &4], "{front}");
    done(&["move", "--json", "5", "--first"]);
    done(&["move", "--json", "3", "5", "--first"]);
    assert_eq!(order(), [5, 3, 4], "in the order of the queue, not of their numbers");
    done(&["move", "--json", "5", "--last"]);
    assert_eq!(done(&["cancel", "--json", "4-5"])["jobs"], serde_json::json!([4, 5]));
    assert_eq!(done(&["cancel", "--json", "3"])["jobs"], serde_json::json!([3]));
    assert_eq!(done(&["retry", "--json", "3"])["jobs"], serde_json::json!([3]));
    let (_, allowed) = object(&["allow", "--json", "3"]);
    assert_eq!(allowed["refused"][0]["code"], "not_rejected", "{allowed}");
    let stopped = done(&["stop", "--json"]);
    assert_eq!((&stopped["jobs"], &stopped["kept"]), (&serde_json::json!([1, 2]), &3.into()), "{stopped}");
    for (args, field, nothing) in [
        (vec!["stop", "--json"], "kept", Value::Null),
        (vec!["profile", "--json", "fast"], "profile", "fast".into()),
        (vec!["add", "--json", "--wait", &films[0]], "batches", serde_json::json!([])),
        (vec!["add", "--json", "/nowhere/x.mp4"], "batches", serde_json::json!([])),
    ] {
        let (_, told) = object(&args);
        assert!(told[field] == nothing && !told["error"].is_null() || told["refused"] != serde_json::json!([]), "{told}");
    }
    let (code, gone) = object(&["hold", "--json"]);
    assert_eq!((code, &gone["error"]["code"]), (Some(69), &"no_server".into()), "{gone}");
}

#[test]
fn of_a_line_that_is_cut_a_script_is_told_which_job_was_asked_for_and_which_was_not() {
    let world = World::new();
    let state = world.path("state");
    std::fs::create_dir(&state).expect("made");
    std::fs::set_permissions(&state, std::fs::Permissions::from_mode(0o700)).expect("set");
    let listener = UnixListener::bind(state.join(CONTROL)).expect("listens");
    let hello = serde_json::json!({ "hello": hello(&state) }).to_string();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("connected");
        let mut lines = BufReader::new(stream.try_clone().expect("a copy")).lines();
        lines.next();
        writeln!(stream, "{hello}\n{}", serde_json::json!({ "facts": Facts::default() })).expect("greeted");
        // It hears the first request, and dies.
        lines.next();
    });
    let mut command = world.command(["cancel", "--json", "1", "2"]);
    command.arg("--state-dir").arg(&state);
    let said = say(command);
    let object: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err));
    let refused = object["refused"].as_array().expect("a list");
    assert!(said.code == Some(1) && refused.len() == 2 && refused.iter().all(|one| one["code"] == "cut"), "{object}");
    let why = |at: usize| refused[at]["why"].as_str().unwrap_or_default().to_owned();
    assert!(why(0).contains("look whether it was done") && why(1).contains("it was not asked"), "{object}");
}

#[test]
fn a_log_that_is_followed_goes_on_to_the_end_of_its_job_and_no_line_comes_twice() {
    let world = World::new();
    let film = world.put(&clips().tiny(), "a.mp4");
    let server = Server::start(&world, &[]);
    server.ok(&["hold"]);
    server.ok(&["add", film.to_str().expect("plain")]);
    let follow = || server.command(&["logs", "-f", "1"]).stdout(Stdio::piped()).spawn().expect("starts");
    // One has its lines as they are told, the other the first ones from the file.
    let early = follow();
    server.ok(&["release"]);
    server.until("it at work", |status| status["jobs"]["running"] == 1);
    let late = follow();
    server.let_go();
    for follower in [early, late] {
        let followed = follower.wait_with_output().expect("it ends");
        assert!(followed.status.success());
        hold_followed(&server, &String::from_utf8(followed.stdout).expect("UTF-8"));
    }
}

/// What was followed of the log of job 1 against the whole of it.
fn hold_followed(server: &Server<'_>, followed: &str) {
    // The time of a line is when the log was written, or when the line was told.
    let texts = |log: &str| log.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())).collect::<Vec<_>>();
    assert!(!followed.is_empty());
    // Lines are told at once; where the disk is busy the file has them later.
    let deadline = Instant::now() + PATIENCE;
    let whole = loop {
        let whole = server.ok(&["logs", "1"]);
        let written = texts(&whole);
        if texts(followed).iter().all(|line| written.contains(line)) {
            break whole;
        }
        assert!(Instant::now() < deadline, "a line is told and never written:\n{followed}\nthe whole log:\n{whole}");
        std::thread::sleep(LOOK);
    };
    for line in texts(followed) {
        let count = |log: &str| texts(log).iter().filter(|text| **text == line).count();
        assert!(count(followed) <= count(&whole), "{line} comes twice:\n{followed}\nthe whole log:\n{whole}");
    }
}

#[test]
fn a_log_that_nobody_reads_any_more_is_not_followed_to_the_end_of_its_job() {
    let world = World::new();
    let server = Server::at_work(&world);
    server.until_logged(1);
    let mut follower: Child = server.command(&["logs", "-f", "1"]).stdout(Stdio::piped()).spawn().expect("starts");
    drop(follower.stdout.take());
    assert!(follower.wait().expect("it ends").success());
    assert_eq!(server.json(&["status", "--json"])["jobs"]["running"], 1);
    server.let_go();
}

#[test]
fn the_sockets_are_for_their_owner_and_a_second_server_is_told_of_the_first() {
    let world = World::new();
    let server = Server::start(&world, &[]);
    for (name, mode) in [("control.sock", 0o600), ("view.sock", 0o660)] {
        let meta = std::fs::symlink_metadata(world.path("state").join(name)).expect("there");
        assert!(meta.file_type().is_socket() && meta.permissions().mode() & 0o777 == mode, "{name}");
    }
    let second = server.say(&["serve", "--daemon"]);
    assert!(second.code == Some(75) && second.err.contains("another plimsoll (process"), "{:?} {}", second.code, second.err);
    let faulty = server.say(&["serve", "--daemon", "-p", "nosuch"]);
    assert!(faulty.code == Some(2) && faulty.err.contains("nosuch"), "{:?} {}", faulty.code, faulty.err);
    server.ok(&["stop"]);
    assert!(!world.path("state/control.sock").exists() && !world.path("state/view.sock").exists());
}

#[test]
fn somebody_else_is_told_to_look_only_where_that_would_work() {
    const SOMEBODY: u32 = 12345;
    if !rustix::process::getuid().is_root() {
        return crate::support::skip::skip(crate::support::skip::ROOT, "somebody else cannot be played");
    }
    let world = World::new();
    let server = Server::start(&world, &[]);
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
    };
    std::fs::copy(PLIMSOLL, world.path("plimsoll")).expect("copied");
    for path in [world.dir.path(), &world.path("plimsoll"), &world.path("state"), &world.path("work")] {
        open(path, 0o755);
    }
    let ask = || {
        let mut command = Command::new(world.path("plimsoll"));
        command.args(["status", "--state-dir"]).arg(world.path("state")).current_dir(world.path("work"));
        say({
            command.env_clear().uid(SOMEBODY).gid(SOMEBODY);
            command
        })
    };
    let closed = ask();
    assert!(closed.code == Some(77) && closed.err.contains("belongs to root"), "{:?} {}", closed.code, closed.err);
    assert!(!closed.err.contains("--view"), "it would be refused too: {}", closed.err);
    std::os::unix::fs::chown(world.path("state/view.sock"), None, Some(SOMEBODY)).expect("given");
    let may_look = ask();
    assert!(may_look.code == Some(77) && may_look.err.contains("`plimsoll attach --view` looks at it"), "{}", may_look.err);
    drop(server);
}

#[test]
fn a_server_that_was_killed_leaves_no_child_and_its_queue_goes_on_with_the_next() {
    let world = World::new();
    for name in ["a.mp4", "b.mp4", "c.mp4"] {
        world.put(&clips().tiny(), name);
    }
    let server = Server::start(&world, &[]);
    server.ok(&["add", world.path("in").to_str().expect("plain")]);
    server.until_running(2);
    let pid = server.json(&["status", "--json"])["server"]["pid"].as_u64().expect("a number") as i32;
    let jobs: Vec<i32> = server
        .ok(&["jobs", "--json", "--state", "running"])
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["pid"].as_i64().expect("a process") as i32)
        .collect();
    // What is asked of the log after its end has to be there before it.
    server.until_logged(1);
    // SAFETY: kill on the server that this test has started.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
    let deadline = Instant::now() + PATIENCE;
    while jobs.iter().any(|job| std::path::Path::new("/proc").join(job.to_string()).join("exe").read_link().is_ok()) {
        assert!(Instant::now() < deadline, "a child of a server that is gone lives on");
        std::thread::sleep(LOOK);
    }
    // A thread that goes takes its children along before the last one lets go of what the process has locked.
    let lock = std::fs::File::open(world.path("state/lock")).expect("opens");
    while lock.try_lock().is_err() {
        assert!(Instant::now() < deadline, "a server that is gone holds its folder");
        std::thread::sleep(LOOK);
    }
    lock.unlock().expect("unlocks");
    let stale = server.say(&["status"]);
    assert_eq!(stale.code, Some(69), "the socket is there, nobody listens: {}", stale.err);
    // What is on record is told, and that nothing runs.
    assert!(stale.err.contains("; the last one was cut off ") && stale.err.contains("goes on with what waits"), "{}", stale.out);
    assert!(stale.out.contains("3 queued (2 were at work when it was cut off)"), "{}", stale.out);
    let told: Value = serde_json::from_str(&server.say(&["status", "--json"]).out).expect("one JSON object");
    assert_eq!(
        (&told["server"], &told["jobs"]["queued"], &told["jobs"]["running"]),
        (&Value::Null, &3.into(), &0.into()),
        "{told}"
    );
    assert!(told["stopped_at"].is_string(), "{told}");
    let listed = server.say(&["jobs", "--json"]);
    assert_eq!(listed.code, Some(0), "{}", listed.err);
    let states: Vec<Value> =
        listed.out.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["state"].clone()).collect();
    assert_eq!(states, ["queued"; 3]);
    assert!(listed.err.contains("start one with `plimsoll serve`"), "{}", listed.err);
    assert!(server.ok(&["logs", "1"]).contains("job 1, try 1"));
    let next = Server::start(&world, &[]);
    next.let_go();
    next.ok(&["wait"]);
    assert_eq!(next.ok(&["jobs", "--json", "--state", "done"]).lines().count(), 3);
}

/// Inputs and outputs of the jobs, by their numbers, with how they stand.
fn made(server: &Server<'_>, world: &World) -> Vec<(String, String, String)> {
    let name = |path: &Value| path.as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned();
    let told = server.ok(&["jobs", "--json"]);
    let jobs = told.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let state = |job: &Value| job["state"].as_str().unwrap_or_default().to_owned();
    assert!(world.path("out").exists());
    jobs.map(|job| (name(&job["input"]), state(&job), name(&job["output"]))).collect()
}

#[test]
fn a_film_that_is_done_is_not_made_again_when_another_of_its_stem_joins_by_add_or_in_a_later_run() {
    let world = World::new();
    world.put(&clips().tiny(), "a.mov");
    let folder = world.path("in").to_str().expect("plain").to_owned();
    let server = Server::start(&world, &[]);
    server.let_go();
    server.ok(&["add", "--wait", &folder]);
    world.put(&clips().other(), "a.mkv");
    server.ok(&["add", "--wait", &folder]);
    let expected =
        [("a.mov", "done", "a.web-720p.mp4"), ("a.mkv", "done", "a-2.web-720p.mp4"), ("a.mov", "already_done", "a.web-720p.mp4")];
    let expected = expected.map(|(input, state, output)| (input.to_owned(), state.to_owned(), output.to_owned()));
    assert_eq!(made(&server, &world), expected);
    server.ok(&["stop"]);
    drop(server);
    // In a later run nothing is left to do, with the record and without it; a third one gets a third name.
    world.put(&clips().of_height(480), "a.avi");
    let server = Server::start(&world, &[]);
    server.let_go();
    server.ok(&["add", "--wait", &folder]);
    let later = made(&server, &world).split_off(3);
    let expected = [
        ("a.avi", "done", "a-3.web-720p.mp4"),
        ("a.mkv", "already_done", "a-2.web-720p.mp4"),
        ("a.mov", "already_done", "a.web-720p.mp4"),
    ];
    let expected = expected.map(|(input, state, output)| (input.to_owned(), state.to_owned(), output.to_owned()));
    assert_eq!(later, expected);
    server.ok(&["stop"]);
    drop(server);
    std::fs::remove_dir_all(world.path("state")).expect("removed");
    let run = world.run(&[]);
    assert_eq!(run.ends(), ["already_done"; 3], "{}", run.stderr);
    assert_eq!(world.files("out").len(), 3, "{:?}", world.files("out"));
}

#[test]
fn what_was_damaged_the_order_of_the_queue_and_why_there_is_no_log_are_told_with_a_server_and_without() {
    let world = World::new();
    let whole = std::fs::read(clips().whole()).expect("read");
    let films = [
        world.write("in/torn.mkv", &whole[..whole.len() * 9 / 10]),
        world.write("in/text.mp4", "no film"),
        world.put(&clips().tiny(), "a.mp4"),
    ];
    let more = [world.put(&clips().tiny(), "b.mp4"), world.put(&clips().other(), "c.mp4")];
    let name = |film: &std::path::PathBuf| film.to_str().expect("plain").to_owned();
    let server = Server::start(&world, &[]);
    server.let_go();
    let first: Vec<String> = films.iter().map(name).collect();
    server.say(&["add", "--wait", &first[0], &first[1], &first[2]]);
    server.ok(&["hold"]);
    server.ok(&["add", &name(&more[0]), &name(&more[1])]);
    server.ok(&["move", "--first", "5"]);
    let status = server.ok(&["status"]);
    assert!(status.contains("2 done (1 of them with damage)"), "{status}{}", server.ok(&["jobs"]));
    let tells = || {
        let damaged = server.ok(&["jobs", "--state", "damaged"]);
        assert!(damaged.lines().count() == 1 && damaged.contains("torn.mkv") && damaged.contains("(damaged: "), "{damaged}");
        let jobs = server.ok(&["jobs", "--json"]);
        let of = |job: u64| {
            let line = jobs.lines().nth(job as usize - 1).expect("listed");
            serde_json::from_str::<Value>(line).expect("JSON")
        };
        assert!(of(1)["damage"]["frames"].as_u64().is_some() && of(3)["damage"].is_null(), "{jobs}");
        assert!(of(5)["rank"].as_i64() < of(4)["rank"].as_i64() && of(3)["rank"].is_null(), "{jobs}");
        let none = server.say(&["logs", "2"]);
        assert!(none.code == Some(2) && none.err.contains("job #2 has no log, it never ran: rejected: "), "{}", none.err);
    };
    tells();
    server.ok(&["stop"]);
    tells();
    std::fs::remove_dir_all(world.path("state/logs")).expect("removed");
    let gone = server.say(&["logs", "3"]);
    assert!(gone.code == Some(1) && gone.err.contains("the log of job #3 is not there any more ("), "{}", gone.err);
    // The next server counts it too, and begins held where that is asked.
    drop(server);
    let server = Server::start(&world, &["--hold"]);
    let status = server.json(&["status", "--json"]);
    assert_eq!((&status["jobs_before"]["done"], &status["jobs_before"]["damaged"]), (&2.into(), &1.into()), "{status}");
    let held = server.ok(&["status"]);
    assert!(held.contains("held") && status["jobs"]["queued"] == 2, "{held}");
    // What is not on record, as docs/scripting.md has it.
    for (unknown, code) in [(&["logs", "99"][..], 2), (&["wait", "99"], 2), (&["wait", "--batch", "77"], 2), (&["cancel", "99"], 1)]
    {
        let told = server.say(unknown);
        assert_eq!(told.code, Some(code), "{unknown:?}: {}", told.err);
    }
}

#[test]
fn where_outputs_cannot_be_written_nothing_is_queued_with_a_server_and_without() {
    let world = World::new();
    let film = world.put(&clips().tiny(), "a.mp4");
    let out = world.write("file", "in the way").join("out");
    let add = ["add", "--out", out.to_str().expect("plain"), film.to_str().expect("plain")];
    let server = Server::start(&world, &[]);
    let refuses = || {
        let told = server.say(&add);
        assert!(
            told.code == Some(2) && told.err.contains("cannot write outputs to ") && told.err.contains("--out"),
            "{}",
            told.err
        );
        assert_eq!(server.ok(&["jobs"]).matches("a.mp4").count(), 0);
    };
    refuses();
    server.ok(&["stop"]);
    refuses();
}

#[test]
fn what_add_cannot_give_its_jobs_is_refused_with_both_values_and_told_where_there_is_no_server() {
    let world = World::new();
    let film = world.put(&clips().tiny(), "a.mp4");
    let film = film.to_str().expect("plain");
    let server = Server::start(&world, &["--hold", "--timeout", "5m"]);
    let refused = server.say(&["add", "--timeout", "10m", film]);
    let both = "timeout is 10 min here (from --timeout), and 5 min for the plimsoll that is at work";
    assert!(refused.code == Some(2) && refused.err.contains(both), "{}", refused.err);
    let refused = server.say(&["add", "--budget", "1GB", film]);
    let both = "budget is 1 GB here (from --budget), and the profile's for the plimsoll that is at work";
    assert!(refused.code == Some(2) && refused.err.contains(both), "{}", refused.err);
    let refused = server.say(&["add", "-p", "safe", film]);
    assert!(refused.code == Some(2) && refused.err.contains("`plimsoll profile safe` switches"), "{}", refused.err);
    assert_eq!(server.ok(&["jobs"]).matches("a.mp4").count(), 0, "nothing was queued");
    server.ok(&["add", "--timeout", "5m", film]);
    server.ok(&["stop"]);
    let told = server.say(&["add", "--timeout", "10m", "--preset", "remux", film]);
    assert_eq!(told.code, Some(2), "there is no such preset: {}", told.err);
    let told = server.say(&["add", "--timeout", "10m", "--preset", "audio-m4a", film]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(told.err.contains("jobs do not keep --timeout: give it"), "{}", told.err);
    let told = server.say(&["add", "--timeout", "10m", "--retries", "3", "--preset", "audio-m4a", film]);
    assert!(told.err.contains("jobs do not keep --retries, --timeout: give them to"), "{}", told.err);
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a device that is always full");
    let lost = server.command(&["jobs"]).stdout(full).output().expect("runs");
    assert!(String::from_utf8_lossy(&lost.stderr).contains("cannot write to stdout: "), "{lost:?}");
}

#[test]
fn a_mistake_in_the_settings_keeps_nobody_from_looking_at_a_server_and_ending_it() {
    let world = World::new();
    let film = world.put(&clips().tiny(), "a.mp4");
    let server = Server::start(&world, &[]);
    let settings = "home/.config/plimsoll/settings.yaml";
    world.write(settings, "stall: never\nkeys: { fly: x }\n");
    let told = server.say(&["status"]);
    assert_eq!(told.code, Some(0), "{}", told.err);
    assert!(told.err.contains("passed over: ") && told.err.contains("settings.yaml:1:8: stall: "), "{}", told.err);
    assert_eq!(server.say(&["hold"]).code, Some(0));
    // What jobs are made with has to be right, and whose server is meant has to be known.
    let refused = server.say(&["add", film.to_str().expect("plain")]);
    assert!(refused.code == Some(2) && refused.err.contains("stall: "), "{}", refused.err);
    world.write(settings, "state_dir: [a]\n");
    let refused = say(world.command(["stop"]));
    assert!(refused.code == Some(2) && refused.err.contains("state_dir: "), "{}", refused.err);
    assert_eq!(server.say(&["stop"]).code, Some(0), "named on the command line");
}

#[test]
fn what_had_ended_before_is_counted_apart_in_the_same_words_everywhere() {
    let world = World::new();
    let film = |name: &str| world.put(&clips().tiny(), name).to_str().expect("plain").to_owned();
    let server = Server::start(&world, &[]);
    server.ok(&["add", &film("a.mp4"), &film("b.mp4")]);
    server.let_go();
    server.ok(&["wait"]);
    server.ok(&["stop"]);
    drop(server);
    let server = Server::start(&world, &[]);
    server.let_go();
    server.ok(&["add", &film("c.mp4")]);
    server.ok(&["wait"]);
    let words = "this run: 0 queued, 0 running, 1 done; before: 2 done";
    assert!(server.ok(&["status"]).contains(words));
    let listed = server.say(&["jobs"]);
    assert!(listed.err.contains(words) && listed.out.matches("(before this run)").count() == 2, "{}{}", listed.out, listed.err);
    let told = server.json(&["status", "--json"]);
    assert_eq!((&told["jobs"]["done"], &told["jobs_before"]["done"]), (&1.into(), &2.into()));
    let jobs = server.ok(&["jobs", "--json"]);
    let earlier = jobs.lines().filter(|line| serde_json::from_str::<Value>(line).expect("JSON")["earlier"] == true).count();
    assert_eq!(earlier, 2);
    assert!(server.ok(&["status", "--html"]).contains(words));
}

#[test]
fn a_run_in_the_foreground_can_be_looked_at_too() {
    let world = World::new();
    world.put(&clips().tiny(), "a.mp4");
    let mut command = world.run_command(["--ffmpeg"]);
    command.arg(patient_ffmpeg(&world)).arg(world.path("in"));
    let mut live = crate::support::Live::start(command);
    live.until_event("job_started");
    let server = Server { world: &world };
    assert_eq!(server.json(&["status", "--json"])["jobs"]["running"], 1);
    assert_eq!(server.ok(&["pause", "1"]), "paused #1\n");
    live.until_event("job_paused");
    server.ok(&["resume", "1"]);
    server.let_go();
    assert!(live.finish().status.success());
}

#[test]
fn what_is_no_number_of_a_job_or_no_host_is_wrong_usage() {
    let world = World::new();
    for args in [
        &["cancel"][..],
        &["cancel", "x"],
        &["cancel", "7-3"],
        &["move", "1"],
        &["move", "1", "--first", "--last"],
        &["wait", "--batch", "1", "--idle"],
        &["wait", "--timeout", "soon"],
        &["jobs", "--state", "sleepy"],
        &["attach", "--", "-oProxyCommand=touch"],
        &["attach", "--remote-command", "x"],
    ] {
        let said = say(world.command(args));
        assert_eq!(said.code, Some(2), "{args:?}: {}", said.err);
    }
    let no_terminal = say(world.command(["attach", "example.org"]));
    assert!(no_terminal.code == Some(2) && no_terminal.err.contains("there is no terminal"), "{}", no_terminal.err);
    let no_server = say(world.command(["attach"]));
    assert!(no_server.code == Some(69) && no_server.err.contains("start one with `plimsoll serve`"), "{}", no_server.err);
}

#[test]
fn the_examples_for_scripts_do_what_they_say() {
    let world = World::new();
    std::fs::create_dir_all(world.path("home/videos")).expect("made");
    std::fs::copy(clips().tiny(), world.path("home/videos/a.mp4")).expect("copied");
    let folder = std::path::Path::new(crate::support::PLIMSOLL).parent().expect("a folder");
    let path = std::env::join_paths(std::iter::once(folder.to_owned()).chain(std::env::split_paths(crate::support::tool_path())));
    let blocks: Vec<_> = crate::markdown::page("docs/scripting.md").blocks();
    let scripts: Vec<_> = blocks.iter().filter(|block| block.info == "sh server").collect();
    assert!(!scripts.is_empty());
    for script in scripts {
        let mut shell = Command::new("sh");
        shell.args(["-e", "-c", &script.text]).current_dir(world.path("work")).env_clear().stdin(Stdio::null());
        shell.env("PATH", path.as_ref().expect("a path")).env("HOME", world.path("home")).env("LC_ALL", "C.UTF-8");
        let said = say(shell);
        let output = world.path("work/films/a.web-720p.mp4");
        assert_eq!(said.code, Some(0), "{}: {}{}", script.at, said.out, said.err);
        assert!(said.out.contains("done") && output.exists(), "{}", said.out);
        assert!(said.out.contains("has ended"), "{}", said.out);
    }
}

#[test]
fn a_list_with_several_presets_and_thousands_of_films_is_queued_and_waited_for_by_its_batches() {
    let world = World::new();
    let film = world.put(&clips().tiny(), "a.mp4");
    let server = Server::start(&world, &[]);
    // More than one line of the wire may hold: a long path, which is there once.
    let deep = world.path("in").join("x".repeat(200)).join("y".repeat(200));
    std::fs::create_dir_all(&deep).expect("made");
    std::fs::rename(&film, deep.join("a.mp4")).expect("moved");
    let path = deep.join("a.mp4");
    let path = path.to_str().expect("plain");
    let many = format!("inputs:\n{}", format!("  - {path}\n").repeat(1500));
    assert!(2 * many.len() > plimsoll::wire::CLIENT_LINE, "else this proves nothing");
    let lists = [
        world.write("one.yaml", many.clone()),
        world.write("two.yaml", many + &format!("  - {{ input: {path}, preset: audio-m4a }}\n")),
    ];
    let [one, two] = lists.each_ref().map(|list| list.to_str().expect("plain"));
    server.ok(&["hold"]);
    let other = world.put(&clips().other(), "b.mp4");
    server.ok(&["add", other.to_str().expect("plain")]);
    let said = server.say(&["add", "--json", "--front", one, two]);
    let added: Value = serde_json::from_str(&said.out).expect("JSON");
    let rows = server.ok(&["jobs", "--json"]);
    let mut rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).expect("a row")).collect();
    rows.sort_by_key(|row| row["rank"].as_i64());
    let order: Vec<(&str, bool)> = rows.iter().map(|row| (row["preset"].as_str().expect("a name"), row["job"] == 1)).collect();
    assert_eq!(order, [("web-720p", false), ("audio-m4a", false), ("web-720p", true)], "as the list has them, before what waited");
    let batches: Vec<String> =
        added["batches"].as_array().expect("a list").iter().map(|batch| batch.as_u64().expect("a number").to_string()).collect();
    assert_eq!((batches.len(), &added["jobs"]), (2, &serde_json::json!([2, 3])));
    assert_eq!(added["batch"].to_string(), batches[0]);
    server.ok(&["release"]);
    server.let_go();
    server.ok(&["wait", "--batch", &batches.join(",")]);
    let done = |name: &str| world.path("out").join(name).exists();
    assert!(done("a.web-720p.mp4") && done("a.audio-m4a.m4a"), "{:?}", world.files("out"));
}

#[test]
fn who_comes_while_another_is_just_beginning_waits_for_it() {
    let world = World::new();
    let film = world.put(&clips().tiny(), "a.mp4");
    let state = world.path("state");
    std::fs::create_dir(&state).expect("made");
    // It has the folder, and cannot be reached yet.
    let other = Instance::claim(&state).expect("free");
    let lock = std::ffi::CString::new(state.join("lock").as_os_str().as_encoded_bytes()).expect("no zero");
    // SAFETY: plain system calls with a string that lives.
    let watch = unsafe {
        let watch = libc::inotify_init1(libc::IN_CLOEXEC);
        assert!(watch >= 0 && libc::inotify_add_watch(watch, lock.as_ptr(), libc::IN_CLOSE_WRITE) >= 0);
        watch
    };
    let mut command = world.command(["add", "--state-dir"]);
    command.arg(&state).arg("-o").arg(world.path("out")).arg(&film).stdout(Stdio::piped()).stderr(Stdio::piped());
    let adding = command.spawn().expect("starts");
    // It has been turned away, and has closed the lock.
    let mut poll = libc::pollfd { fd: watch, events: libc::POLLIN, revents: 0 };
    // SAFETY: one entry, which lives; the descriptor is this test's own.
    unsafe {
        assert_eq!(libc::poll(&raw mut poll, 1, PATIENCE.as_millis() as i32), 1, "it never looked at the lock");
        libc::close(watch);
    }
    drop(other);
    let added = adding.wait_with_output().expect("ends");
    let (out, err) = (String::from_utf8_lossy(&added.stdout), String::from_utf8_lossy(&added.stderr));
    assert!(added.status.success() && out.contains("1 job queued"), "{out}{err}");
}

#[test]
fn settings_that_cannot_be_read_are_told_in_the_object_of_every_command_with_all_its_fields() {
    let world = World::new();
    world.write("home/.config/plimsoll/settings.yaml", "budget: [\n");
    let film = world.path("in").to_str().expect("plain").to_owned();
    for (args, fields) in [
        (vec!["add", &film], vec![("batch", Value::Null), ("batches", serde_json::json!([])), ("known", 0.into())]),
        (vec!["hold"], vec![]),
        (vec!["cancel", "1"], vec![]),
        (vec!["profile", "safe"], vec![("profile", "safe".into())]),
        (vec!["stop"], vec![("pid", Value::Null), ("kept", Value::Null)]),
    ] {
        let said = say(world.command([args.as_slice(), &["--json"]].concat()));
        let object: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err));
        assert_eq!((said.code, &object["error"]["code"]), (Some(2), &"usage".into()), "{object}");
        assert_eq!(object["command"], args[0], "{object}");
        for (field, value) in fields {
            assert_eq!(object.get(field), Some(&value), "{args:?}: {object}");
        }
        assert!(said.err.contains("settings.yaml:"), "{}", said.err);
    }
}
