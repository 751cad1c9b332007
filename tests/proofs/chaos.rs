//! Random deaths over a queue: whatever is killed, whenever, nothing is lost, nothing is there twice, nothing half made has a
//! final name, no child lives on, and the order is kept. A short form runs with the tests, the long one by `just chaos`.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // limits of time are measured with a clock

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::campaign::{Dice, EqualClips};
use crate::support::clips::{clips, probe};
use crate::support::kernel::{ORPHANS, OrphansEnd, children, end_of_orphans, tmpfs};
use crate::support::pace::at_most;
use crate::support::skip::{MOUNT, skip};
use crate::support::stream::{name, number};
use crate::support::{Live, PATIENCE, World, tool, tool_path};
use serde_json::Value;

/// What strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    Console,
    Job,
    Both,
    Term,
    Int,
    Hup,
}

/// What a campaign came to.
#[derive(Debug, Default)]
struct Toll {
    blows: u64,
    lives: u64,
    slowest: OrphansEnd,
    slowest_end: Duration,
}

/// A queue of equal clips: every output must be the same, byte by byte.
struct Campaign {
    world: World,
    jobs: usize,
    wanted: Vec<u8>,
    dice: Dice,
    toll: Toll,
    started: Vec<u64>,
    done: BTreeMap<u64, u32>,
}

impl Campaign {
    fn new(jobs: usize, seed: u64) -> Self {
        let EqualClips { world, wanted } = EqualClips::new(jobs);
        let (dice, toll) = (Dice::new(seed), Toll::default());
        Self { world, jobs, wanted, dice, toll, started: Vec::new(), done: BTreeMap::new() }
    }

    /// Starts plimsoll, the first time with the folder, then with nothing: the queue is on record.
    fn start(&mut self) -> Live {
        let mut command = self.world.run_command(["--preset", "proxy-480p", "--retries", "99"]);
        if self.toll.lives == 0 {
            command.arg(self.world.path("in"));
        }
        self.toll.lives += 1;
        let mut live = Live::start(command);
        if self.toll.lives == 1 {
            // What is told was on record before; all of the folder comes in one piece.
            let first = live.until_event("job_queued");
            self.note(&first);
        }
        live
    }

    fn note(&mut self, event: &Value) {
        match name(event) {
            // Its turn, on record; the process may be struck before it is told of.
            "job_admitted" => {
                let job = number(event, "job");
                if !self.started.contains(&job) {
                    self.started.push(job);
                }
            }
            "job_finished" => {
                let outcome = event["outcome"].as_str().expect("an outcome");
                assert!(matches!(outcome, "done" | "already_done"), "{event}");
                *self.done.entry(number(event, "job")).or_default() += u32::from(outcome == "done");
            }
            _ => {}
        }
    }

    /// Reads some events; false when the run is over.
    fn read(&mut self, live: &mut Live, count: u64) -> bool {
        for _ in 0..count {
            let Some(event) = live.next() else { return false };
            self.note(&event);
        }
        true
    }

    /// Whatever stands under a final name is whole.
    fn check_outputs(&self, when: &str) -> usize {
        let files: BTreeSet<_> = self.world.files("out").into_iter().filter(|file| !file.starts_with(".plimsoll")).collect();
        for file in &files {
            let bytes = fs::read(self.world.path("out").join(file)).expect("read");
            assert!(bytes == self.wanted, "{when}: {} is not whole: {} bytes", file.display(), bytes.len());
        }
        files.len()
    }

    /// Strikes so often, and then lets the queue come to its end.
    fn run(mut self, blows: u64, kinds: &[Blow]) -> Toll {
        let mut is_over = false;
        while self.toll.blows < blows && !is_over {
            let mut live = self.start();
            let pid = live.pid();
            // The first moments of a life are as good as any.
            loop {
                let wait = self.dice.below(25);
                if !self.read(&mut live, wait) {
                    is_over = true;
                    break;
                }
                let kind = kinds[self.dice.below(kinds.len() as u64) as usize];
                let jobs: Vec<u32> = ["ffmpeg", "ffprobe"].iter().flat_map(|program| children(pid, program)).collect();
                self.toll.blows += 1;
                // SAFETY: plain numbers, of processes that belong to this test.
                let strike = |pid: u32, signal| unsafe { libc::kill(pid as i32, signal) };
                match kind {
                    Blow::Job | Blow::Both => {
                        for job in &jobs {
                            strike(*job, libc::SIGKILL);
                        }
                    }
                    Blow::Console => {}
                    Blow::Term => drop(strike(pid, libc::SIGTERM)),
                    Blow::Int => drop(strike(pid, libc::SIGINT)),
                    Blow::Hup => drop(strike(pid, libc::SIGHUP)),
                }
                match kind {
                    Blow::Console | Blow::Both => {
                        live.signal(libc::SIGKILL);
                        self.toll.slowest.take(end_of_orphans(pid, &jobs, PATIENCE).expect("children die with it"));
                        while let Some(event) = live.next() {
                            self.note(&event);
                        }
                        break;
                    }
                    Blow::Term | Blow::Int => {
                        let struck = Instant::now();
                        while let Some(event) = live.next() {
                            self.note(&event);
                        }
                        let run = live.finish();
                        // One that was over already ended as it would have; one that had hardly begun takes no orders yet.
                        let wanted = if kind == Blow::Term { 143 } else { 130 };
                        let had_begun = !run.events.is_empty();
                        // The life before has done the last job, and has not told it any more.
                        is_over = run.code() == Some(2) && !had_begun && run.stderr.contains("there is nothing to run");
                        assert!(
                            is_over || run.code().map_or(!had_begun, |code| code == wanted || code == 0),
                            "{:?}: {}",
                            run.code(),
                            run.stderr
                        );
                        self.toll.slowest_end = self.toll.slowest_end.max(struck.elapsed());
                        break;
                    }
                    Blow::Job | Blow::Hup if self.toll.blows >= blows => {
                        live.signal(libc::SIGKILL);
                        while let Some(event) = live.next() {
                            self.note(&event);
                        }
                        break;
                    }
                    Blow::Job | Blow::Hup => {}
                }
            }
            self.check_outputs(&format!("after {} blows", self.toll.blows));
        }
        self.end()
    }

    /// The last life: nobody strikes.
    fn end(mut self) -> Toll {
        let mut live = self.start();
        while self.read(&mut live, 1) {}
        let run = live.finish();
        // With nothing left to do there is nothing to run.
        assert!(matches!(run.code(), Some(0 | 2)), "{:?}: {}", run.code(), run.stderr);
        let count = self.check_outputs("at the end");
        assert_eq!(count, self.jobs, "nothing is lost and nothing is there twice: {:?}: {}", run.code(), run.stderr);
        assert!(self.done.values().all(|times| *times <= 1), "done twice: {:?}", self.done);
        // What a killed life did last it may have had no time to tell; the record knows it.
        let nothing_left = Live::start(self.world.run_command([] as [&str; 0])).finish();
        assert_eq!(nothing_left.code(), Some(2), "every job has come to its end: {}", nothing_left.stderr);
        assert!(self.started.is_sorted(), "the order is kept: {:?}", self.started);
        self.world.assert_no_leftovers();
        self.toll
    }
}

fn blows_or(default: u64) -> u64 {
    std::env::var("PLIMSOLL_CHAOS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn random_deaths_of_console_and_jobs_lose_nothing_and_make_nothing_twice() {
    let toll = Campaign::new(10, 1).run(8, &[Blow::Console, Blow::Job, Blow::Both]);
    println!("{toll:?}");
    assert!(toll.blows >= 5, "{toll:?}");
}

#[test]
fn random_signals_lose_nothing_and_end_in_time() {
    let toll = Campaign::new(8, 2).run(6, &[Blow::Term, Blow::Int, Blow::Hup]);
    println!("{toll:?}");
    assert!(toll.blows >= 4 && toll.slowest_end < Duration::from_mins(1), "{toll:?}");
}

/// What the campaigns must be able to see: a runner that writes under the final name and takes a file that is there for done.
#[test]
fn a_naive_runner_is_caught_with_half_a_file_under_a_final_name() {
    let campaign = Campaign::new(4, 3);
    fs::create_dir(campaign.world.path("out")).expect("made");
    for file in campaign.world.files("in") {
        let to = campaign.world.path("out").join(&file);
        let mut command = Command::new(tool("ffmpeg"));
        command.env("PATH", tool_path()).args(["-nostdin", "-v", "error", "-re", "-i"]).arg(campaign.world.path("in").join(&file));
        let mut child = command.args(["-c:v", "libx264"]).arg(&to).spawn().expect("ffmpeg runs");
        let deadline = Instant::now() + PATIENCE;
        while !to.exists() {
            assert!(Instant::now() < deadline, "it never begins");
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| campaign.check_outputs("naive")));
    assert!(caught.is_err(), "the campaign would not have seen it");
}

#[test]
#[ignore = "takes minutes; `just chaos`"]
fn two_hundred_kills_over_queues_of_sixty() {
    let (wanted, mut struck, mut seed) = (blows_or(200), 0, 100);
    let mut slowest = OrphansEnd::default();
    while struck < wanted {
        let toll = Campaign::new(60, seed).run(wanted - struck, &[Blow::Console, Blow::Job, Blow::Both]);
        println!("seed {seed}: {toll:?}");
        struck += toll.blows;
        slowest.take(toll.slowest);
        seed += 1;
    }
    println!("{struck} kills, children struck and gone after at most {slowest:?}");
    // Before that their parent has to die itself, which it does as soon as a busy machine lets it.
    assert!(slowest.alone < ORPHANS && slowest.struck < at_most(ORPHANS), "{slowest:?}");
}

#[test]
#[ignore = "takes minutes; `just chaos`"]
fn fifty_each_of_hup_term_and_int_over_queues_of_sixty() {
    for kind in [Blow::Hup, Blow::Term, Blow::Int] {
        let (wanted, mut struck, mut seed) = (blows_or(50), 0, 200);
        while struck < wanted {
            let toll = Campaign::new(60, seed).run(wanted - struck, &[kind]);
            println!("{kind:?}, seed {seed}: {toll:?}");
            struck += toll.blows;
            seed += 1;
        }
    }
}

#[test]
#[ignore = "takes minutes; `just chaos`"]
fn a_disk_of_any_size_gives_whole_files_or_none() {
    let (mut done, mut failed) = (0, 0);
    for container in ["mp4", "mov", "mkv", "webm", "m4a"] {
        let world = World::new();
        world.put(&clips().noise(), "noise.mp4");
        let streams = match container {
            "m4a" => "audio: { codec: aac, bitrate: 320k }",
            "webm" => "video: { codec: libvpx-vp9, bitrate: 60M }\naudio: { codec: libopus, bitrate: 128k }",
            _ => "video: { codec: libx264, preset: ultrafast, crf: 0 }\naudio: { codec: aac, bitrate: 128k }",
        };
        let preset = world.write("p.yaml", format!("name: p\n{streams}\ncontainer: {container}\nthreads: 2\n"));
        for step in 0..24_u64 {
            let size = format!("{}k", 8200 + step * step * 40);
            let _disk = match tmpfs(&world.path("out"), &size) {
                Ok(disk) => disk,
                Err(why) => return skip(MOUNT, why),
            };
            let mut command = world.run_command(["--retries", "0", "--preset"]);
            command.arg(&preset).arg(world.path("in"));
            let run = Live::start(command).finish();
            let files = world.files("out");
            if run.code() == Some(0) {
                done += 1;
                assert_eq!(files.len(), 1, "{container}, {size}");
                assert!(whole(&world.path("out").join(&files[0])), "{container}, {size}: not whole");
            } else {
                failed += 1;
                assert!(files.is_empty(), "{container}, {size}: {files:?}");
                let end = run.end_event_of("noise.mp4");
                assert!(end["reason"].as_str().is_some_and(|reason| reason.starts_with("disk")), "{container}, {size}: {end}");
            }
            world.assert_no_leftovers();
        }
    }
    println!("{done} done and whole, {failed} failed for want of room");
    assert!(done > 0 && failed > 0, "both sides were seen");
}

/// Lets reads of inputs, or writes of parts, fail with EIO once so many bytes have passed.
const EIO: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static int is(int fd, const char *part) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    return n > 0 && (path[n] = 0, strstr(path, part) != NULL);
}
static int due(int fd, const char *name, const char *part, long *passed, size_t n) {
    const char *after = getenv(name);
    if (!after || !is(fd, part)) return 0;
    if (*passed >= atol(after)) { errno = EIO; return 1; }
    *passed += n;
    return 0;
}
ssize_t read(int fd, void *to, size_t n) {
    static long passed;
    ssize_t (*real)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
    return due(fd, "EIO_READ", "noise.mp4", &passed, n) ? -1 : real(fd, to, n);
}
ssize_t write(int fd, const void *from, size_t n) {
    static long passed;
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    return due(fd, "EIO_WRITE", "part", &passed, n) ? -1 : real(fd, from, n);
}
"#;

#[test]
#[ignore = "takes minutes; `just chaos`"]
fn an_io_error_on_either_side_is_a_failure_that_names_the_side_and_leaves_no_output() {
    let mut naive_successes = 0;
    for container in ["mp4", "mkv", "mov"] {
        for (variable, after) in [("EIO_READ", 400_000), ("EIO_WRITE", 1), ("EIO_WRITE", 400_000)] {
            let world = World::new();
            let input = world.put(&clips().noise(), "noise.mp4");
            let (source, library) = (world.write("tools/eio.c", EIO), world.path("tools/eio.so"));
            let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").status();
            assert!(built.is_ok_and(|status| status.success()), "a C compiler is there");
            for (name, shim) in [("ffmpeg", true), ("ffprobe", false)] {
                // A sandboxed child reads nothing from here but its program: the library comes along in it.
                let coded = Command::new("base64").arg("-w0").arg(&library).output().expect("base64 runs").stdout;
                let coded = String::from_utf8(coded).expect("plain");
                let shim = if shim {
                    format!(
                        "so=\"${{TMPDIR:-/tmp}}/eio.$$.so\"; echo '{coded}' | base64 -d >\"$so\"\n\
                         export {variable}={after} LD_PRELOAD=\"$so\""
                    )
                } else {
                    String::new()
                };
                let script = format!("#!/bin/sh\n{shim}\nexec {} \"$@\"\n", tool(name).display());
                let path = world.write(&format!("tools/{name}"), script);
                fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
            }
            let preset = world.write(
                "p.yaml",
                format!("name: p\nvideo: {{ codec: libx264, preset: ultrafast, crf: 0 }}\ncontainer: {container}\nthreads: 2\n"),
            );
            let mut command = world.run_command(["--retries", "0", "--ffmpeg"]);
            command.arg(world.path("tools")).arg("--preset").arg(&preset).arg(world.path("in"));
            let run = Live::start(command).finish();
            let end = run.end_event_of("noise.mp4");
            println!("{container}, {variable} after {after}: {}", end["reason"]);
            assert_eq!((run.code(), end["outcome"].as_str()), (Some(1), Some("failed")), "{container}, {variable}: {end}");
            assert!(world.files("out").is_empty(), "{container}, {variable}: {:?}", world.files("out"));
            let side = if variable == "EIO_READ" { "input" } else { "output" };
            assert!(end["reason"].as_str().is_some_and(|reason| reason.contains(side)), "{container}, {variable}: {end}");
            world.assert_no_leftovers();
            // As it goes without: exit 0, and a file that is short.
            let plain = Command::new(world.path("tools/ffmpeg"))
                .args(["-nostdin", "-v", "quiet", "-y", "-i"])
                .arg(&input)
                .args([
                    "-c:v",
                    "libx264",
                    "-preset",
                    "ultrafast",
                    "-crf",
                    "0",
                    "-f",
                    if container == "mkv" { "matroska" } else { container },
                ])
                .arg(world.path("naive.part"))
                .status();
            naive_successes += u32::from(plain.is_ok_and(|status| status.success()));
        }
    }
    println!("ffmpeg alone: exit 0 in {naive_successes} of 9");
    assert!(naive_successes > 0, "the cases would not fool anybody");
}

fn whole(path: &Path) -> bool {
    probe(path).is_some()
}
