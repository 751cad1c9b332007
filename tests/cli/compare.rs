//! `plimsoll compare` with real jobs: its figures against what the kernel says of the same runs, its stream, its reports,
//! and its end by a signal. What takes long is ignored by default: `just compare-proof` runs it all.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // deadlines and measurements need the clock

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::clips::{clips, make_clips, pad};
use crate::support::{Finished, Live, PATIENCE, World, gathering_ffmpeg, say};
use plimsoll::domain::units::Bytes;
use serde_json::Value;

/// One at a time: each of these tests keeps both cores of a small machine busy.
fn turn() -> std::sync::MutexGuard<'static, ()> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn compare(world: &World, args: &[&str]) -> Command {
    let mut command = world.command(["compare", "--json"]);
    command.arg("--state-dir").arg(world.path("state")).args(args).arg(world.path("in"));
    command
}

/// A run, and the highest anonymous memory that it and its jobs had.
struct Watched {
    run: u32,
    peak: u64,
}

/// Every run and its jobs, looked at in `/proc` while the comparison goes on.
struct Watcher {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Watched>>,
}

impl Watcher {
    fn of(comparison: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut all: Vec<Watched> = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                // It also asks ffmpeg for its version.
                for run in children(comparison).into_iter().filter(|pid| is_run(*pid)) {
                    let anon = crate::support::cage::anon_of(run)
                        + children(run).into_iter().map(crate::support::cage::anon_of).sum::<u64>();
                    let at = all.iter().position(|known| known.run == run).unwrap_or_else(|| {
                        all.push(Watched { run, peak: 0 });
                        all.len() - 1
                    });
                    all[at].peak = anon.max(all[at].peak);
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            all
        });
        Self { stop, thread }
    }

    /// What each run took, in their order.
    fn finish(self) -> Vec<Watched> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("watched")
    }
}

fn is_run(pid: u32) -> bool {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.split(|byte| *byte == 0).any(|word| word == b"run")
}

fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .flat_map(|task| {
            let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
        })
        .collect()
}

/// Processor seconds of all that this child of ours has waited for, as the kernel tells when it has ended and is not reaped yet.
fn seconds_of_children(child: u32) -> f64 {
    let pid = rustix::process::Pid::from_raw(child as i32).expect("a process");
    let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
    rustix::process::waitid(rustix::process::WaitId::Pid(pid), options).expect("it ends");
    let stat = fs::read_to_string(format!("/proc/{child}/stat")).expect("not reaped");
    // The name may hold anything; behind it stand the state and numbers. Its own two come first.
    let numbers = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = numbers.skip(13).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    // SAFETY: a number for a number.
    ticks as f64 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
}

#[track_caller]
fn assert_near(what: &str, told: f64, measured: f64, share: f64) {
    let apart = (told - measured).abs() / measured;
    println!("{what}: told {told:.3}, measured {measured:.3}, {:.1} % apart", apart * 100.0);
    assert!(apart <= share, "{what}: told {told}, measured {measured}, more than {:.0} % apart", share * 100.0);
}

/// A comparison to its end, held against what the kernel says of the same runs.
fn compared_and_measured(world: &World, args: &[&str]) -> Finished {
    let mut live = Live::start(compare(world, args));
    let watcher = Watcher::of(live.pid());
    let began = Instant::now();
    while live.next().is_some() {}
    let processor = seconds_of_children(live.pid());
    let finished = live.finish();
    let wall = began.elapsed().as_secs_f64();
    let watched = watcher.finish();
    let measured: Vec<&Value> = finished.named("run_measured").collect();
    assert_eq!(measured.len(), watched.len(), "one process for each run\n{}", finished.stderr);
    for (event, Watched { peak, .. }) in measured.iter().zip(&watched) {
        let (run, figures) = (&event["run"], &event["figures"]);
        let told = figures["peak_memory_bytes"].as_f64().expect("a number");
        assert_near(&format!("peak of {run}, bytes"), told, *peak as f64, 0.05);
    }
    let sum = |field: &str| measured.iter().map(|event| event["figures"][field].as_f64().expect("a number")).sum::<f64>();
    assert_near("processor time, s", sum("cpu_seconds"), processor, 0.05);
    assert!(sum("seconds") <= wall, "the runs took {} of {wall} s", sum("seconds"));
    finished
}

fn last(finished: &Finished) -> &Value {
    let last = finished.events.last().expect("an event");
    assert_eq!(last["event"], "comparison_finished", "{}", finished.stderr);
    last
}

fn column<'a>(comparison: &'a Value, profile: &str, governor: bool) -> &'a Value {
    let columns = comparison["columns"].as_array().expect("columns");
    columns.iter().find(|column| column["profile"] == profile && column["governor"] == governor).expect("the column")
}

fn median(column: &Value, figure: &str) -> f64 {
    column["median"][figure]["median"].as_f64().unwrap_or_else(|| panic!("no {figure} in {column}"))
}

fn assert_nothing_left(folder: &Path) {
    let left: Vec<PathBuf> = fs::read_dir(folder).expect("there").flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// `seq` rises by one over all runs, and each run's own number within it; every line says which run it is of.
fn assert_stream(finished: &Finished, runs: u64) {
    let mut own: BTreeMap<u64, u64> = BTreeMap::new();
    for (place, event) in (1..).zip(&finished.events) {
        assert_eq!(event["seq"], place, "{event}");
        assert!(event["at"].is_string() && event["event"].is_string(), "{event}");
        let Some(number) = event["run"]["number"].as_u64() else {
            assert_eq!(event["event"], "comparison_finished");
            continue;
        };
        if event["event"] != "run_measured" {
            let seq = own.entry(number).or_default();
            *seq += 1;
            assert_eq!(event["run"]["seq"], *seq, "{event}");
        }
    }
    assert_eq!(own.len() as u64, runs);
    assert_eq!(finished.named("run_finished").count() as u64, runs);
}

#[test]
fn half_the_slots_take_half_the_memory_and_every_figure_agrees_with_the_kernels() {
    let _turn = turn();
    let world = World::new();
    make_clips(&world, 4, "1280x720", 100);
    let preset = world.write("quick.yaml", crate::support::clips::QUICK_PRESET);
    let large = world.put(&clips().tiny(), "large.mp4");
    pad(&large, 250);
    let report = world.path("report");
    // As many as there are slots under the profile of the run: they are full at the same time only if none is done before the last
    // of them has begun.
    let tools = gathering_ffmpeg(&world, "$(case \"$TMPDIR\" in */run-1/*) echo 4;; *) echo 2;; esac)");
    let [preset, report_to, tools] = [&preset, &report, &tools].map(|path| path.to_str().expect("UTF-8"));
    let args = ["--profiles", "fast,balanced", "--budget", "2GB", "--preset", preset, "--report", report_to, "--ffmpeg", tools];
    let finished = compared_and_measured(&world, &args);
    assert_eq!(finished.code(), Some(0), "a file over a limit belongs to it: {}", finished.stderr);
    assert_stream(&finished, 2);

    let comparison = last(&finished);
    let (fast, balanced) = (column(comparison, "fast", true), column(comparison, "balanced", true));
    assert_eq!((median(fast, "done"), median(balanced, "done")), (5.0, 4.0));
    assert_eq!((median(fast, "too_large"), median(balanced, "too_large")), (0.0, 1.0));
    assert_eq!((median(fast, "most_at_once"), median(balanced, "most_at_once")), (4.0, 2.0));
    let cut = 1.0 - median(balanced, "peak_memory_bytes") / median(fast, "peak_memory_bytes");
    assert!(cut >= 0.45, "4 to 2 slots cut peak memory by {:.0} %", cut * 100.0);
    assert_eq!(comparison["same_bytes"]["inputs"], 4);
    assert_eq!(comparison["same_bytes"]["differing"].as_array().map(Vec::len), Some(0));

    let text = fs::read_to_string(report.join("report.md")).expect("written");
    assert!(text.contains("| peak memory |") && text.contains("same bytes under every profile: yes"), "{text}");
    let whole: Value = serde_json::from_slice(&fs::read(report.join("report.json")).expect("written")).expect("JSON");
    assert_eq!(whole["columns"][0]["median"], comparison["columns"][0]["median"]);
    let svg = fs::read_to_string(report.join("memory.svg")).expect("written");
    assert!(svg.contains("load line: 1536 MB") && svg.contains("balanced 2/200"), "{svg}");
    assert!(finished.stderr.contains("the table says of fast"), "{}", finished.stderr);
    assert_nothing_left(&world.path("work"));
}

#[test]
fn an_interrupt_ends_the_run_at_work_and_leaves_nothing_behind() {
    let _turn = turn();
    let world = World::new();
    world.put(&clips().long(), "long.mp4");
    let mut live = Live::start(compare(&world, &["--budget", "2GB"]));
    let pid = live.until_event("job_started")["pid"].as_u64().expect("a number") as u32;
    live.signal(libc::SIGINT);
    let finished = live.finish();
    assert_eq!(finished.code(), Some(130), "{}", finished.stderr);
    assert_eq!(last(&finished)["interrupted"], true);
    assert!(crate::support::cage::has_ended(pid), "the job has ended with its run");
    assert_nothing_left(&world.path("work"));
}

#[test]
fn what_a_killed_comparison_left_goes_with_the_next_one_and_its_run_ends_at_once() {
    let _turn = turn();
    let world = World::new();
    world.put(&clips().long(), "long.mp4");
    let mut live = Live::start(compare(&world, &["--budget", "2GB", "--profiles", "fast"]));
    let pid = live.until_event("job_started")["pid"].as_u64().expect("a number") as u32;
    let runs = children(live.pid());
    live.signal(libc::SIGKILL);
    live.child.wait().expect("reaped");
    let deadline = Instant::now() + PATIENCE;
    while !crate::support::cage::has_ended(pid) || runs.iter().any(|run| !crate::support::cage::has_ended(*run)) {
        assert!(Instant::now() < deadline, "the run goes on without anybody to report to");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(fs::read_dir(world.path("work")).expect("there").count(), 1, "a folder is left");

    fs::remove_file(world.path("in/long.mp4")).expect("removed");
    world.put(&clips().tiny(), "tiny.mp4");
    let finished = Live::start(compare(&world, &["--budget", "2GB", "--profiles", "fast"])).finish();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert_nothing_left(&world.path("work"));
}

#[test]
fn every_column_comes_first_once_and_the_figures_have_a_spread() {
    let _turn = turn();
    let world = World::new();
    world.put(&clips().tiny(), "tiny.mp4");
    let finished = Live::start(compare(&world, &["--budget", "2GB", "--profiles", "safe,fast", "--runs", "2"])).finish();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert_stream(&finished, 4);
    let order: Vec<&str> = finished.named("run_measured").map(|event| event["run"]["profile"].as_str().expect("text")).collect();
    assert_eq!(order, ["safe", "fast", "fast", "safe"]);
    let seconds = &column(last(&finished), "safe", true)["median"]["seconds"];
    let [least, middle, most] = ["min", "median", "max"].map(|field| seconds[field].as_f64().expect("a number"));
    assert!(least <= middle && middle <= most && least > 0.0, "{seconds}");
}

#[test]
fn a_job_that_fails_under_a_governed_profile_fails_the_comparison() {
    let _turn = turn();
    let world = World::new();
    world.put(&clips().tiny(), "tiny.mp4");
    world.put(&clips().torn(), "torn.mkv");
    let finished = Live::start(compare(&world, &["--budget", "2GB", "--profiles", "safe", "--retries", "0"])).finish();
    assert_eq!(finished.code(), Some(1), "{}", finished.stderr);
    let comparison = last(&finished);
    assert_eq!((median(column(comparison, "safe", true), "failed"), &comparison["well"]), (1.0, &Value::Bool(false)));
}

#[test]
fn mistakes_are_told_before_anything_runs() {
    let world = World::new();
    world.put(&clips().tiny(), "tiny.mp4");
    world.write("work/file", "in the way");
    for (args, words) in [
        (["--profiles", "fast,nosuch"], "nosuch"),
        (["--profiles", "fast,fast"], "given twice"),
        (["--report", "file"], "cannot write the report to"),
        (["--runs", "0"], "--runs"),
        (["--limit", "auto"], "give a size such as 512MB"),
    ] {
        let said = say(compare(&world, &args));
        assert_eq!(said.code, Some(2), "{args:?}: {}", said.err);
        assert!(said.err.contains(words), "{args:?}: {}", said.err);
        assert_eq!(said.out, "", "{args:?}");
    }
}

#[test]
#[ignore = "takes minutes: just compare-proof"]
fn eight_real_clips_under_the_three_profiles_halve_the_peak_and_make_the_same_bytes() {
    let _turn = turn();
    let world = World::new();
    make_clips(&world, 8, "1920x1080", 125);
    let finished = compared_and_measured(&world, &["--budget", "2GB"]);
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let comparison = last(&finished);
    let peak = |profile: &str| median(column(comparison, profile, true), "peak_memory_bytes");
    assert!(1.0 - peak("balanced") / peak("fast") >= 0.45, "{} of {}", peak("balanced"), peak("fast"));
    assert_eq!(comparison["same_bytes"]["outputs"], 24);
    assert_eq!(comparison["same_bytes"]["differing"].as_array().map(Vec::len), Some(0));
    println!("{}", finished.stderr);
}

#[test]
#[ignore = "takes minutes: just compare-proof"]
fn in_a_box_of_512_mb_the_naive_four_slots_lose_jobs_and_the_governed_ones_none() {
    let _turn = turn();
    if crate::support::cage::Cage::of("compare", Bytes::mib(64)).is_none() {
        return;
    }
    let world = World::new();
    make_clips(&world, 6, "1280x720", 75);
    let finished = Live::start(compare(&world, &["--profiles", "fast", "--limit", "512MB", "--no-governor"])).finish();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let comparison = last(&finished);
    assert_eq!(comparison["limit_refused"], Value::Null);
    let (governed, naive) = (column(comparison, "fast", true), column(comparison, "fast", false));
    assert_eq!((median(governed, "done"), median(governed, "oom_kills"), median(governed, "out_of_memory")), (6.0, 0.0, 0.0));
    assert!(median(naive, "oom_kills") >= 1.0 && median(naive, "out_of_memory") >= 1.0, "{naive}");
    assert!(median(naive, "peak_usage_bytes") <= Bytes::mib(512).0 as f64, "the kernel held it: {naive}");
    println!("{}", finished.stderr);
}
