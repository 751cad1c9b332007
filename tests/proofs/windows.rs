//! Random deaths of windows, of the server and of its children over one queue: windows change nothing for the jobs, and whatever
//! else is killed, nothing is lost, nothing is done twice, and no child lives on. A short form runs with the tests, the long one by
//! `just windows`.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // limits of time are measured with a clock

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::support::campaign::{Dice, EqualClips};
use crate::support::kernel::{ORPHANS, OrphansEnd, children, end_of_orphans, time_to_death};
use crate::support::pace::at_most;
use crate::support::pty::Terminal;
use crate::support::server::{Servers, at_work};
use crate::support::{PATIENCE, PLIMSOLL, World, say};
use serde_json::Value;

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Window,
    Server,
    Children,
}

/// What a campaign came to.
#[derive(Debug, Default)]
struct Toll {
    windows: u64,
    servers: u64,
    children: u64,
    slowest: OrphansEnd,
}

/// A queue of equal clips on a server: every output must be the same, byte by byte.
struct Campaign {
    _servers: Servers,
    world: World,
    jobs: usize,
    wanted: Vec<u8>,
    dice: Dice,
    windows: Vec<Terminal>,
    toll: Toll,
}

impl Campaign {
    fn new(jobs: usize, seed: u64) -> Self {
        let EqualClips { world, wanted } = EqualClips::new(jobs);
        let dice = Dice::new(seed);
        let servers = Servers::below(world.dir.path());
        let campaign = Self { _servers: servers, world, jobs, wanted, dice, windows: Vec::new(), toll: Toll::default() };
        campaign.start_server();
        campaign.ok(&["add", campaign.world.path("in").to_str().expect("plain")]);
        campaign
    }

    /// A command on the state folder; what it says on stdout.
    fn ok(&self, args: &[&str]) -> String {
        let mut command = self.world.command(args);
        command.arg("--state-dir").arg(self.world.path("state"));
        let said = say(command);
        assert_eq!(said.code, Some(0), "{args:?}: {}{}", said.out, said.err);
        said.out
    }

    fn start_server(&self) {
        let (out, log) = (self.world.path("out"), self.world.path("run.log"));
        let [out, log] = [&out, &log].map(|path| path.to_str().expect("plain"));
        self.ok(&[
            "serve",
            "--daemon",
            "--preset",
            "proxy-480p",
            "--retries",
            "99",
            "--budget",
            "2GB",
            "-o",
            out,
            "--log-file",
            log,
        ]);
    }

    fn server(&self) -> u32 {
        let found = at_work(self.world.dir.path());
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].1
    }

    fn open_window(&mut self) {
        let (path, state) = (crate::support::tool_path().to_str().expect("UTF-8"), self.world.path("state"));
        let line = [PLIMSOLL, "attach", "--state-dir", state.to_str().expect("plain")];
        self.windows.push(Terminal::start_program(&line, (120, 36), &self.world.path("home"), &[("PATH", path)]));
    }

    fn jobs_now(&self) -> Vec<Value> {
        self.ok(&["jobs", "--json"]).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    fn is_over(&self) -> bool {
        let ended = |job: &Value| matches!(job["state"].as_str(), Some("done" | "already_done"));
        self.jobs_now().iter().all(ended)
    }

    /// Strikes so often, at moments of the dice, or until the queue is done; then lets it come to its end.
    fn run(mut self, blows: u64, victims: &[Victim]) -> Toll {
        let kill = |pid: u32| {
            // SAFETY: a plain system call with a process that belongs to this test.
            unsafe { libc::kill(pid as i32, libc::SIGKILL) };
        };
        for blow in 0..blows {
            if blow > 0 && blow % 8 == 0 && self.is_over() {
                break;
            }
            while self.windows.len() < 2 {
                self.open_window();
            }
            std::thread::sleep(Duration::from_millis(self.dice.below(120)));
            match victims[self.dice.below(victims.len() as u64) as usize] {
                Victim::Window => {
                    let at = self.dice.below(self.windows.len() as u64) as usize;
                    let mut window = self.windows.swap_remove(at);
                    kill(window.pid());
                    window.end();
                    self.toll.windows += 1;
                }
                Victim::Children => {
                    let server = self.server();
                    let all = ["ffmpeg", "ffprobe"].iter().flat_map(|program| children(server, program));
                    all.for_each(kill);
                    self.toll.children += 1;
                }
                Victim::Server => {
                    let server = self.server();
                    let all: Vec<u32> = ["ffmpeg", "ffprobe"].iter().flat_map(|program| children(server, program)).collect();
                    kill(server);
                    self.toll.slowest.take(end_of_orphans(server, &all, PATIENCE).expect("children die with it"));
                    self.toll.servers += 1;
                    self.start_server();
                }
            }
            self.check_outputs(&format!("after {} blows", blow + 1));
        }
        self.end(victims)
    }

    /// Whatever stands under a final name is whole.
    fn check_outputs(&self, when: &str) -> usize {
        let files: Vec<_> = self.world.files("out").into_iter().filter(|file| !file.starts_with(".plimsoll")).collect();
        for file in &files {
            let bytes = fs::read(self.world.path("out").join(file)).expect("read");
            assert!(bytes == self.wanted, "{when}: {} is not whole: {} bytes", file.display(), bytes.len());
        }
        files.len()
    }

    fn end(self, victims: &[Victim]) -> Toll {
        let began = Instant::now();
        self.ok(&["wait", "--idle"]);
        let jobs = self.jobs_now();
        println!("the rest took {:?}", began.elapsed());
        let log = fs::read_to_string(self.world.path("run.log")).expect("read");
        let undone: Vec<&Value> =
            jobs.iter().filter(|job| !matches!(job["state"].as_str(), Some("done" | "already_done"))).collect();
        assert!(undone.is_empty(), "{undone:#?}\n{log}");
        assert_eq!(jobs.len(), self.jobs, "each film is queued once");
        assert_eq!(self.check_outputs("at the end"), self.jobs, "nothing is lost and nothing is there twice");
        let mut done: BTreeMap<&str, u32> = BTreeMap::new();
        for line in log.lines().filter(|line| line.contains("output in place: ")) {
            *done.entry(line.rsplit('/').next().unwrap_or_default()).or_default() += 1;
        }
        assert!(done.values().all(|times| *times == 1), "done twice: {done:?}");
        if victims == [Victim::Window] {
            assert!(
                jobs.iter().all(|job| job["attempts"] == 1 && job["state"] == "done"),
                "a window is nothing to a job: {jobs:?}"
            );
        }
        let server = self.server();
        self.ok(&["stop"]);
        assert!(time_to_death(&[server], PATIENCE).is_some());
        self.world.assert_no_leftovers();
        self.toll
    }
}

fn blows_or(default: u64) -> u64 {
    std::env::var("PLIMSOLL_CHAOS").ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Of a campaign that has failed and is run again.
fn first_seed() -> u64 {
    std::env::var("PLIMSOLL_CHAOS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(100)
}

#[test]
fn windows_that_are_killed_at_any_moment_are_nothing_to_the_jobs() {
    let toll = Campaign::new(6, 1).run(8, &[Victim::Window]);
    println!("{toll:?}");
    assert!(toll.windows >= 3, "{toll:?}");
}

#[test]
fn kills_of_windows_server_and_children_lose_nothing_and_do_nothing_twice() {
    let toll = Campaign::new(8, 2).run(8, &[Victim::Window, Victim::Server, Victim::Children]);
    println!("{toll:?}");
    assert!(toll.windows + toll.servers + toll.children >= 4, "{toll:?}");
    assert!(toll.servers > 0 && toll.slowest.alone < ORPHANS, "{toll:?}");
}

#[test]
#[ignore = "takes minutes; `just windows`"]
fn hundreds_of_kills_of_windows_server_and_children() {
    let (wanted, mut struck, mut seed, mut slowest) = (blows_or(300), 0, first_seed(), OrphansEnd::default());
    while struck < wanted {
        let victims: &[Victim] =
            if seed % 3 == 0 { &[Victim::Window] } else { &[Victim::Window, Victim::Server, Victim::Children] };
        let toll = Campaign::new(40, seed).run(wanted - struck, victims);
        println!("seed {seed}: {toll:?}");
        struck += toll.windows + toll.servers + toll.children;
        slowest.take(toll.slowest);
        seed += 1;
    }
    println!("{struck} kills, children struck and gone after at most {slowest:?}");
    // Before that their parent has to die itself, which it does as soon as a busy machine lets it.
    assert!(slowest.alone < ORPHANS && slowest.struck < at_most(ORPHANS), "{slowest:?}");
}
