//! The queue outlives the program: what waited waits again in its order, what was at work runs again, what was done stays
//! done, and a long queue costs neither time at the start nor memory.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // what is measured is time

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::support::clips::{clips, probe};
use crate::support::{Finished, Live, World, pace, say, stand_ins};
use plimsoll::config::search::{self, SearchPaths};
use plimsoll::domain::event::EventKind;
use plimsoll::domain::preset::Preset;
use plimsoll::domain::time::Wall;
use plimsoll::domain::units::Bytes;
use plimsoll::engine::port::ScanId;
use plimsoll::host::jobstore::{Batch, Destination, InputKey, NewJob};
use plimsoll::host::store::{self, Store};
use serde_json::Value;

/// Jobs of a long queue.
const LONG: u64 = 100_000;
/// How long the program may take until it works on a long queue, on a quiet machine; what it takes is printed, and is a tenth of
/// it without optimisation.
const READY: Duration = Duration::from_secs(10);
/// Most memory that it may ever have had with a long queue, without the pages of the program itself: all of a long one in memory
/// would be that much several times over.
const MOST_KIB: u64 = 30 * 1024;

/// ffmpeg, but its work waits while there is a file `hold` in the world.
fn held_tools(world: &World) -> PathBuf {
    stand_ins(world, &format!("while [ -e '{}' ]; do sleep 0.05; done", world.path("hold").display()), "")
}

fn start(world: &World, args: &[&OsStr]) -> Live {
    let tools = world.path("tools");
    let mut command = world.run_command([OsStr::new("-p"), OsStr::new("balanced")]);
    if tools.exists() {
        command.arg("--ffmpeg").arg(tools);
    }
    command.args(args);
    Live::start(command)
}

fn kill(mut live: Live) {
    live.signal(libc::SIGKILL);
    live.child.wait().expect("gone");
}

fn inputs(run: &[Value], event: &str) -> Vec<String> {
    let names: BTreeMap<u64, &str> = run
        .iter()
        .filter(|told| told["event"] == "job_queued")
        .filter_map(|told| Some((told["job"].as_u64()?, told["input"].as_str()?.rsplit('/').next()?)))
        .collect();
    let of_kind = run.iter().filter(|told| told["event"] == event);
    of_kind.map(|told| names[&told["job"].as_u64().expect("a number")].to_owned()).collect()
}

fn put_clips(world: &World, names: &[&str]) {
    for name in names {
        world.put(&clips().tiny(), name);
    }
}

/// Starts of each job over all runs, as the journal tells.
fn starts(world: &World, runs: i64) -> BTreeMap<u64, usize> {
    let store = Store::open(&world.path("state"), tokio::sync::mpsc::unbounded_channel().0).expect("opened");
    let mut starts = BTreeMap::new();
    for run in 1..=runs {
        for event in store.journal(run).expect("read").0 {
            if let EventKind::JobAdmitted { job, .. } = event.kind {
                *starts.entry(job.0).or_default() += 1;
            }
        }
    }
    starts
}

fn assert_all_whole(world: &World, folder: &str, count: usize) {
    let outputs = world.files(folder);
    assert_eq!(outputs.len(), count, "{outputs:?}");
    for output in outputs {
        assert!(probe(&world.path(folder).join(&output)).is_some(), "{} is not whole", output.display());
    }
}

#[test]
fn after_kill_9_the_next_run_without_a_path_finishes_everything_in_order_and_nothing_twice() {
    let world = World::new();
    let names = ["a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4", "f.mp4"];
    put_clips(&world, &names);
    // The first two that come pass, as long as the others are held.
    let [first, second] = [1, 2].map(|pass| format!("mkdir \"$TMPDIR/{pass}\" 2> /dev/null"));
    let held = format!("while [ -e '{}' ]; do sleep 0.05; done", world.path("hold").display());
    stand_ins(&world, &format!("{first} || {second} || {held}"), "");
    world.write("hold", "");
    let input = world.path("in");
    let mut live = start(&world, &[input.as_os_str()]);
    // Two are done, two are at work.
    let mut done = 0;
    live.until("two ends", |event| {
        done += usize::from(event["event"] == "job_finished");
        done == 2
    });
    let mut open = 0_i64;
    for event in &live.events {
        open += i64::from(event["event"] == "job_started") - i64::from(event["event"] == "job_finished");
    }
    live.until("two at work", |event| {
        open += i64::from(event["event"] == "job_started") - i64::from(event["event"] == "job_finished");
        open == 2
    });
    let before = inputs(&live.events, "job_finished");
    assert_eq!(before.len(), 2, "the others are held: {before:?}");
    kill(live);
    std::fs::remove_file(world.path("hold")).expect("let go");

    let live = start(&world, &[]);
    let run = live.finish();
    assert_eq!(run.code(), Some(0), "{}", run.stderr);
    let restored: Vec<String> = inputs(&run.events, "job_queued");
    assert!(restored.is_sorted(), "the order is kept: {restored:?}");
    let told = run.named("queue_restored").next().expect("told");
    assert_eq!(told["jobs"].as_u64().expect("a number") as usize, restored.len());
    assert!(run.stderr.contains("of an earlier run are queued again"), "{}", run.stderr);
    let mut all = [before, inputs(&run.events, "job_finished")].concat();
    all.sort();
    // One whose output was put in place and whose end was not told is found to be done.
    all.dedup();
    assert_eq!(all, names);
    assert_all_whole(&world, "out", names.len());
    world.assert_no_leftovers();

    // Nothing is left to do.
    let over = start(&world, &[]).finish();
    assert_eq!(over.code(), Some(2), "{}", over.stderr);
    let starts = starts(&world, 2);
    assert!(starts.values().all(|count| *count <= 2), "{starts:?}");
    let twice = starts.values().filter(|count| **count == 2).count();
    assert!(twice <= 2, "only what was at work runs again: {starts:?}");
}

#[test]
fn the_same_folder_given_again_after_a_crash_is_not_doubled_and_nothing_is_complained_of() {
    let world = World::new();
    put_clips(&world, &["a.mp4", "b.mp4", "c.mp4"]);
    held_tools(&world);
    world.write("hold", "");
    let input = world.path("in");
    let mut live = start(&world, &[input.as_os_str()]);
    live.until_event("job_started");
    kill(live);
    std::fs::remove_file(world.path("hold")).expect("let go");
    put_clips(&world, &["d.mp4"]);
    let run = start(&world, &[input.as_os_str()]).finish();
    assert_eq!(run.code(), Some(0), "{}", run.stderr);
    assert_eq!(inputs(&run.events, "job_queued"), ["a.mp4", "b.mp4", "c.mp4", "d.mp4"]);
    assert_eq!(run.named("input_skipped").count(), 0);
    assert!(!run.stderr.contains("refused"), "{}", run.stderr);
    assert_eq!(run.summary()["jobs"]["done"], 4);
    assert_all_whole(&world, "out", 4);
}

#[test]
fn what_a_signal_leaves_waits_for_the_next_start_and_keeps_its_place_its_output_and_its_preset() {
    let world = World::new();
    put_clips(&world, &["a.mp4", "b.mp4"]);
    held_tools(&world);
    world.write("hold", "");
    let preset = |height: u32| {
        format!(
            "name: mine\nvideo: {{ codec: libx264, preset: ultrafast, crf: 30, height: {height}, pixel_format: yuv420p }}\n\
             container: mp4\nthreads: 1\n"
        )
    };
    let file = world.write("mine.yaml", preset(64));
    let (input, flag) = (world.path("in"), OsStr::new("--preset"));
    let mut live = start(&world, &[flag, file.as_os_str(), input.as_os_str()]);
    live.until_event("job_started");
    live.signal(libc::SIGINT);
    let stopped = live.finish();
    assert_eq!(stopped.code(), Some(130));
    assert_eq!(stopped.summary()["jobs"]["unfinished"], 2);
    std::fs::remove_file(world.path("hold")).expect("let go");
    // The name means something else by now, and outputs go elsewhere: for what is queued from now on.
    std::fs::write(&file, preset(128)).expect("written");
    let mut command = world.command(["run", "--json", "-o"]);
    command.arg(world.path("elsewhere")).arg("--state-dir").arg(world.path("state")).arg("--preset").arg(&file);
    let run = Live::start(command).finish();
    assert_eq!(run.code(), Some(0), "{}", run.stderr);
    assert_eq!(inputs(&run.events, "job_finished").len(), 2);
    assert!(!world.path("elsewhere").exists());
    assert_all_whole(&world, "out", 2);
    let streams = probe(&world.path("out/a.mine.mp4"));
    assert!(format!("{streams:?}").contains("64"), "{streams:?}");
    world.assert_no_leftovers();
}

#[test]
fn a_job_that_was_at_work_each_of_three_times_plimsoll_died_is_told_of_and_run_again() {
    let world = World::new();
    put_clips(&world, &["a.mp4", "b.mp4"]);
    held_tools(&world);
    world.write("hold", "");
    let input = world.path("in/a.mp4");
    for death in 0..3 {
        let path = [input.as_os_str()];
        let mut live = start(&world, if death == 0 { &path } else { &[] });
        live.until_event("job_started");
        kill(live);
    }
    std::fs::remove_file(world.path("hold")).expect("let go");
    let other = world.path("in/b.mp4");
    let run: Finished = start(&world, &[other.as_os_str()]).finish();
    assert_eq!(run.code(), Some(0), "{}", run.stderr);
    assert_eq!((run.end_of("a.mp4"), run.end_of("b.mp4")), ("done", "done"));
    let told: Vec<&Value> = run.named("fault").collect();
    assert!(told.iter().any(|fault| fault["what"] == "job 1 was at work each of the last 3 times plimsoll died"), "{told:?}");
}

/// A figure of a process's memory, in KiB; `None` once it is gone.
fn kib(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The most memory that a process has ever had, without the pages of the program itself: those are not what a queue takes, and a
/// debug build has many. The kernel takes them out of memory where that is short, and the peak still has them, so what counts is the
/// most of them that was seen.
struct Peak {
    pid: u32,
    ends: Sender<()>,
    most_of_program: JoinHandle<u64>,
}

impl Peak {
    fn watch(pid: u32) -> Self {
        let (ends, ended) = channel();
        let most_of_program = std::thread::spawn(move || {
            let mut most = 0;
            while ended.recv_timeout(Duration::from_millis(20)) == Err(RecvTimeoutError::Timeout) {
                most = most.max(kib(pid, "RssFile:").unwrap_or(0));
            }
            most
        });
        Self { pid, ends, most_of_program }
    }

    fn kib(self) -> u64 {
        let (peak, now) = (kib(self.pid, "VmHWM:").expect("it runs"), kib(self.pid, "RssFile:").expect("it runs"));
        drop(self.ends);
        peak - self.most_of_program.join().expect("watched").max(now)
    }
}

/// A queue of so many jobs over one input, which counts as another each time.
fn fill(state: &Path, input: &Path, out: &Path, jobs: u64) {
    let paths = SearchPaths::new(|_| None, None);
    let preset: Preset = search::find(&paths, "web-720p").expect("a shipped preset").value;
    let store = Store::open(state, tokio::sync::mpsc::unbounded_channel().0).expect("opened");
    let numbers: Vec<u64> = (0..jobs).collect();
    for part in numbers.chunks(5000) {
        let job = |number: &u64| {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&number.to_le_bytes());
            NewJob {
                input: input.to_owned(),
                key: InputKey(key),
                size: Bytes(1000),
                output: out.join(format!("{number:06}.mp4")),
                place: None,
                taken: None,
            }
        };
        let jobs = part.iter().map(job).collect();
        let destination = Destination { out: out.to_owned(), overwrite: false };
        store.enqueue(Batch { scan: ScanId(1), preset: preset.clone(), destination, jobs, at: Wall(0) }).expect("queued");
    }
}

#[test]
fn a_hundred_thousand_jobs_are_ready_at_once_and_cost_no_memory() {
    let world = World::new();
    put_clips(&world, &["a.mp4"]);
    held_tools(&world);
    world.write("hold", "");
    let began = Instant::now();
    fill(&world.path("state"), &world.path("in/a.mp4"), &world.path("out"), LONG);
    println!("{LONG} jobs queued in {:.1} s", began.elapsed().as_secs_f64());
    assert_eq!(store::waiting(&world.path("state")), Ok(LONG));

    let began = Instant::now();
    let mut live = start(&world, &[]);
    let peak = Peak::watch(live.pid());
    let backlog = live.until_event("backlog_changed");
    let ready = began.elapsed();
    let limit = pace::at_most(READY);
    assert_eq!(live.events.iter().filter(|event| event["event"] == "job_queued").count(), 1000, "a page of them is listed");
    assert_eq!(backlog["jobs"], LONG - 1000);
    assert_eq!(backlog["bytes"], (LONG - 1000) * 1000);
    live.until_event("job_started");
    let at_work = began.elapsed();
    let peak = peak.kib();
    println!(
        "{LONG} jobs: the first page is known after {} ms, the first job runs after {} ms, {:.1} MB at most",
        ready.as_millis(),
        at_work.as_millis(),
        peak as f64 / 1024.0
    );
    assert!(ready < limit, "{ready:?} of {limit:?}");
    assert!(peak < MOST_KIB, "{peak} KiB");
    live.signal(libc::SIGTERM);
    let run = live.finish();
    assert_eq!(run.code(), Some(143));
    assert_eq!(run.summary()["jobs"]["unfinished"], LONG, "all of them are left, and counted");
    assert_eq!(store::waiting(&world.path("state")), Ok(LONG));
}

#[test]
fn a_share_that_is_away_when_its_films_are_looked_at_costs_none_of_them_and_holds_up_no_other() {
    let world = World::new();
    for film in ["share/season/1.mp4", "share/season/2.mp4", "zz/here.mp4", "zz/gone.mp4"] {
        world.put(&clips().tiny(), film);
    }
    let said = say({
        let mut command = world.command(["add", "--state-dir"]);
        command.arg(world.path("state")).arg("-o").arg(world.path("out")).arg(world.path("in"));
        command
    });
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let (share, away) = (world.path("in/share"), world.path("unplugged"));
    std::fs::rename(&share, &away).expect("moved");
    std::fs::remove_file(world.path("in/zz/gone.mp4")).expect("removed");
    let mut live = Live::start(world.run_command(["-p", "safe"]));
    let mut held = Vec::new();
    let mut here = false;
    live.until("the one that is there is done", |event| {
        match event["event"].as_str() {
            Some("job_requeued") => held.push(event.clone()),
            Some("job_finished") => here |= event["outcome"] == "done",
            _ => {}
        }
        here
    });
    let reason = format!("waits for {}, which cannot be reached: no such file or directory", share.display());
    assert!(!held.is_empty(), "its films were looked at");
    for look in &held {
        assert_eq!((look["reason"].as_str(), look["uncounted"].as_bool()), (Some(reason.as_str()), Some(true)));
    }
    // Where the one that is there takes long, somebody looks again, but not before the wait that was announced is over.
    for looks in held.windows(2) {
        let [began, wait, next] =
            [&looks[0]["elapsed_ms"], &looks[0]["delay_ms"], &looks[1]["elapsed_ms"]].map(|ms| ms.as_u64().expect("a number"));
        assert!(wait > 0 && next >= began + wait, "one look is enough for both: {held:?}");
    }
    std::fs::rename(&away, &share).expect("moved back");
    let run = live.finish();
    assert_eq!(run.code(), Some(1), "one was missing: {}", run.stderr);
    assert_eq!(run.end_of("gone.mp4"), "unreadable", "its folder is there, it is not");
    for film in ["1.mp4", "2.mp4", "here.mp4"] {
        assert_eq!(run.end_of(film), "done", "{}", run.stderr);
        assert_eq!(run.end_event_of(film)["attempts"], 1);
    }
    assert!(run.stderr.contains(&reason), "{}", run.stderr);
}
