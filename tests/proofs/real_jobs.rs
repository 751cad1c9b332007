//! Real jobs with the built program: what the contract of the README says, held against ffmpeg, the kernel and the disk.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // limits of time are measured with a clock

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use crate::support::clips::{clips, pad, pad_in_memory, probe};
use crate::support::kernel::{
    MemoryGroup, ORPHANS, Readings, children, end_of_orphans, is_alive, range, rss_anon, time_to_blow, time_to_death, tmpfs,
};
use crate::support::pace::{Meter, at_most};
use crate::support::skip::{MEMORY_GROUP, MOUNT, skip};
use crate::support::stream::{self, Told, mb_of, name, number};
use crate::support::{Finished, Live, PATIENCE, World, patient_ffmpeg, stand_ins};
use plimsoll::host::process::orphans::ProcessIdentity;
use serde_json::Value;

const MIB: u64 = 1024 * 1024;
/// What a clean end may take from the signal on.
const CLEAN_END: Duration = Duration::from_secs(3);
/// What the kernel takes to end children, which is some 50 ms at most (`just chaos`), and what it takes to notice that on a busy
/// machine. They would have work for longer.
const AT_ONCE: Duration = Duration::from_secs(1);

/// A folder with one of everything.
fn mixed_folder() -> World {
    let world = World::new();
    let tiny = clips().tiny();
    for height in [480, 720, 1080] {
        world.put(&clips().of_height(height), format!("clip-{height}p.mp4"));
    }
    for mib in [150, 300, 600] {
        pad(&world.put(&tiny, format!("large-{mib}.mp4")), mib);
    }
    world.write("in/text.mp4", "no video, whatever its name says\n");
    world.write("in/empty.mp4", "");
    let whole = std::fs::read(clips().of_height(480)).expect("read");
    world.write("in/truncated.mp4", &whole[..whole.len() / 2]);
    world.put(&clips().torn(), "torn.mkv");
    world.put(&tiny, "nested/deeper/inner.mp4");
    for odd in ODD_NAMES {
        world.put(&tiny, OsStr::from_bytes(odd));
    }
    world
}

const ODD_NAMES: &[&[u8]] =
    &[b"two  words.mp4", b"it's \"quoted\".mp4", b"-rf.mp4", b"%d%03d.mp4", b"concat:a|b.mp4", b"new\nline.mp4", b"caf\xe9.mp4"];
/// As they are shown.
const ODD_SHOWN: &[&str] =
    &["two  words.mp4", "it's \"quoted\".mp4", "-rf.mp4", "%d%03d.mp4", "concat:a|b.mp4", "new\u{240a}line.mp4", "caf\\xE9.mp4"];

/// Runs the folder under a profile, counting ffmpeg processes meanwhile. Returns the most seen at once.
fn run_profile(world: &World, profile: &str) -> (Finished, usize) {
    let mut command = world.command(["run", "--json", "-p", profile]);
    command.arg("-o").arg(world.path(format!("out-{profile}"))).arg("--state-dir").arg(world.path(format!("state-{profile}")));
    command.arg(world.path("in"));
    let live = Live::start(command);
    let (pid, over) = (live.pid(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(children(pid, "ffmpeg").len());
                std::thread::sleep(Duration::from_millis(5));
            }
            most
        });
        let run = live.finish();
        over.store(true, Ordering::Relaxed);
        (run, watch.join().expect("watched"))
    })
}

#[test]
fn every_profile_keeps_its_slots_and_its_limit_and_makes_the_same_bytes_of_everything_else() {
    let world = mixed_folder();
    let profiles = [("fast", 4, 500), ("balanced", 2, 200), ("safe", 1, 100)];
    let mut made: BTreeMap<PathBuf, Vec<(&str, Vec<u8>)>> = BTreeMap::new();
    for (profile, slots, limit_mib) in profiles {
        let (run, processes) = run_profile(&world, profile);
        assert_eq!(run.code(), Some(1), "some were rejected: {}", run.stderr);
        let at_once = stream::check(&run, slots);
        assert!(processes <= slots, "{processes} ffmpeg processes with {slots} slots");
        assert!(at_once == slots.min(2) || at_once > 2, "{profile} ran {at_once} at once");
        let selected = run.named("profile_selected").next().expect("told");
        assert_eq!((selected["name"].as_str(), number(selected, "max_concurrent")), (Some(profile), slots as u64));
        assert_eq!(number(selected, "max_file_bytes"), limit_mib * MIB);
        assert_eq!(run.summary()["profile"], profile);

        for mib in [150, 300, 600] {
            let name = format!("large-{mib}.mp4");
            if mib > limit_mib {
                let end = run.end_event_of(&name);
                assert_eq!(end["reason"], "too_large", "{end}");
                assert_eq!((number(end, "size_bytes"), number(end, "limit_bytes")), (mib * MIB, limit_mib * MIB));
                assert!(run.stderr.contains(&format!("{name}: rejected: {mib} MB is over the {limit_mib} MB limit")));
            } else {
                assert_eq!(run.end_of(&name), "done");
            }
        }
        for name in ["clip-480p.mp4", "clip-720p.mp4", "clip-1080p.mp4", "inner.mp4"].iter().chain(ODD_SHOWN) {
            let end = run.end_event_of(name);
            assert_eq!(end["outcome"], "done", "{name}: {end}");
            assert!(number(end, "peak_memory_bytes") > 0 && end["exit_code"] == 0 && end["reason"].is_null(), "{end}");
        }
        for (name, outcome, words) in [
            ("text.mp4", "not_a_video", "not a video"),
            ("empty.mp4", "empty", "the file is empty"),
            ("truncated.mp4", "unreadable", "the file is cut off or was not finished"),
            ("torn.mkv", "failed", "of what the input promises could be read: the file ends too early"),
        ] {
            let end = run.end_event_of(name);
            assert_eq!(run.end_of(name), outcome, "{end}");
            let told = end["detail"].as_str().or(end["reason"].as_str()).expect("a reason");
            assert!(told.contains(words), "{name}: {told}");
            assert!(run.stderr.lines().any(|line| line.contains(name) && line.contains(words)), "{}", run.stderr);
        }
        assert_guides_lines(&run);

        let out = world.path(format!("out-{profile}"));
        assert!(!out.join(".plimsoll").exists(), "parts left behind");
        for file in crate::support::files_below(&out) {
            let bytes = std::fs::read(out.join(&file)).expect("read");
            made.entry(file).or_default().push((profile, bytes));
        }
    }
    assert_eq!(made.len(), 13, "{:?}", made.keys());
    for (file, by_profile) in &made {
        assert!(by_profile.windows(2).all(|pair| pair[0].1 == pair[1].1), "{} differs between profiles", file.display());
        let streams = probe(&world.path(format!("out-{}", by_profile[0].0)).join(file));
        let streams = streams.unwrap_or_else(|| panic!("{} cannot be played", file.display()));
        assert_eq!(streams.len(), 2, "{}: picture and sound", file.display());
    }
    let size = |height: u32| probe(&world.path(format!("out-safe/clip-{height}p.web-720p.mp4"))).expect("plays")[0].clone();
    assert_eq!([size(480), size(720), size(1080)], ["h264,854,480", "h264,1280,720", "h264,1280,720"]);
    for odd in ODD_NAMES {
        let mut file = odd[..odd.len() - 4].to_vec();
        file.extend_from_slice(b".web-720p.mp4");
        assert_eq!(made[Path::new(OsStr::from_bytes(&file))].len(), 3, "the name is kept byte for byte");
    }
}

/// The two lines of every try stand on stderr word for word, with a figure that is the working set of a sample.
fn assert_guides_lines(run: &Finished) {
    let sets: Vec<String> =
        run.named("memory_sampled").map(|event| format!("{:.1}", number(event, "working_set_bytes") as f64 / MIB as f64)).collect();
    for begin in ["Memory usage before processing: ", "Memory usage after processing: "] {
        let figures: Vec<f64> = run.stderr.lines().filter_map(|line| mb_of(line, begin, "MB")).collect();
        assert_eq!(figures.len(), run.stderr.matches(begin).count(), "every one is well formed");
        assert!(!figures.is_empty(), "no `{begin}` in {}", run.stderr);
        for figure in figures {
            assert!(sets.contains(&format!("{figure:.1}")), "{figure} MB was never measured");
        }
    }
}

/// What a sample says, and what was read meanwhile.
fn agrees(told: u64, [low, high]: [u64; 2]) -> bool {
    let slack = (2 * MIB) as f64;
    (low as f64 * 0.95 - slack..=high as f64 * 1.05 + slack).contains(&(told as f64))
}

#[test]
fn memory_is_what_the_kernel_says_at_four_times_a_second_and_over_the_mark_a_cleanup_frees_it() {
    let world = World::new();
    let long = world.put(&clips().long(), "1-long.mp4");
    // Two files that wait, of 90 MB each in the page cache: together with the encoder they are over the mark. Where that begins late,
    // they may be so together with the long file.
    let waiting = ["2-waits.mp4", "3-waits.mp4"].map(|name| world.put(&clips().tiny(), name));
    for file in &waiting {
        pad_in_memory(file, 90);
    }
    // The long one is over the 100 MB of `safe`.
    let profile = world.write("roomy.yaml", "name: roomy\nmax_concurrent: 1\nmax_file_size: 200MB\n");
    let mut command = world.run_command(["--budget", "400MB", "-p"]);
    command.arg(profile).arg(long).args(&waiting);
    let mut live = Live::start(command);
    let console = live.pid();

    let (mut readings, mut spans, mut told_last) = (None::<Readings<(u64, u64)>>, Told::default(), 0);
    let (mut has_cleaned, mut checked, mut times) = (false, 0, Vec::new());
    while !(has_cleaned && checked >= 12) {
        let event = live.next().expect("goes on");
        match name(&event) {
            "job_started" => {
                assert_eq!(event["job"], 1, "the long one is over after {checked} readings, has cleaned: {has_cleaned}");
                let pid = number(&event, "pid") as u32;
                readings = Some(Readings::of(move || rss_anon(pid).zip(rss_anon(console))));
            }
            "memory_sampled" => {
                let Some(readings) = &readings else { continue };
                if let Some((from, to)) = spans.span(&event) {
                    let read = readings.around(from, to);
                    let own = range(read.iter().map(|(_, own)| *own));
                    assert!(agrees(number(&event, "console_bytes"), own), "{own:?}: {event}");
                    let told = event["jobs"]["1"].as_u64().expect("the job's memory");
                    let [low, high] = range(read.iter().map(|(job, _)| *job));
                    // Once it holds still in what is told and in what is read, which may come late: to the letter of five per cent.
                    if (high - low) * 50 < high && told.abs_diff(told_last) * 50 < told {
                        assert!(told * 20 >= low * 19 && told * 20 <= high * 21, "told {told}, read {low} to {high}");
                        checked += 1;
                    }
                    told_last = told;
                }
                times.push(number(&event, "elapsed_ms"));
                assert_eq!((number(&event, "budget_bytes"), number(&event, "high_water_bytes")), (400 * MIB, 400 * MIB * 3 / 4));
            }
            "cleanup_finished" => {
                let id = &event["cleanup"];
                let started = live.events.iter().find(|e| e["event"] == "cleanup_started" && e["cleanup"] == *id).expect("began");
                if started["trigger"] == "high_water" && started["action"] == "drop_file_cache" {
                    assert!(number(started, "before_bytes") >= 400 * MIB * 3 / 4, "{started}");
                    assert!(number(&event, "freed_bytes") >= 150 * MIB, "180 MB of it waited: {event}");
                    let (before, after) = (number(&event, "before_bytes"), number(&event, "after_bytes"));
                    // The encoder grows meanwhile, and longer where others have the processors.
                    let sampled = live.events.iter().filter(|e| e["event"] == "memory_sampled");
                    let held = sampled.map(|e| (number(e, "seq"), e["jobs"]["1"].as_u64().unwrap_or(0))).collect::<Vec<_>>();
                    let at_start =
                        held.iter().rfind(|(seq, _)| *seq < number(started, "seq")).expect("a sample crossed the line").1;
                    let grown = held.last().map_or(0, |(_, now)| now.saturating_sub(at_start));
                    assert!((before + grown).saturating_sub(after) >= 140 * MIB, "seen on the whole too: {event}, grown {grown}");
                    has_cleaned = true;
                }
            }
            _ => {}
        }
    }
    let mut gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    // Where others have the processors most samples are late. At a slower pace none would be in time.
    assert!(gaps[gaps.len() / 10] <= 260, "time between samples: {gaps:?} ms");

    let pace = Meter::begin();
    let signalled = Instant::now();
    live.signal(libc::SIGINT);
    let run = live.finish();
    assert_eq!(run.code(), Some(130));
    assert!(signalled.elapsed() < pace.limit(CLEAN_END), "{:?}", signalled.elapsed());
    let high = run.stderr.lines().find_map(|line| mb_of(line, "High memory usage detected: ", "MB - forcing cleanup"));
    let high = high.unwrap_or_else(|| panic!("no line in {}", run.stderr));
    assert!(high >= 262.5, "{high} is not over the mark");
    let changed = run.named("pressure_changed").find(|event| event["to"] == "high").expect("told");
    assert!(number(changed, "working_set_bytes") >= 400 * MIB * 3 / 4, "{changed}");
    assert_eq!(run.summary()["budget_source"], "--budget");
    stream::check(&run, 1);
    world.assert_no_leftovers();
}

#[test]
fn in_a_container_the_budget_is_its_limit_and_usage_is_what_the_kernel_charges_it() {
    let limit = 700 * MIB;
    let group = match MemoryGroup::with_limit(limit, "budget") {
        Ok(group) => group,
        Err(why) => return skip(MEMORY_GROUP, why),
    };
    let world = World::new();
    let input = world.put(&clips().long(), "long.mp4");
    // 100 MB of somebody's file in the group's page cache: what is used, and what can be dropped.
    let mut writer = Command::new("dd");
    writer
        .args(["if=/dev/zero", "bs=1M", "count=100", "conv=fsync", "status=none"])
        .arg(format!("of={}", world.path("cached").display()));
    group.enter(&mut writer);
    assert!(writer.status().expect("runs").success());
    let mut command = world.run_command([&input]);
    group.enter(&mut command);
    let mut live = Live::start(command);
    live.until_event("job_started");
    let (readings, mut spans, mut checked, mut beside) = (group.readings(), Told::default(), 0, 0);
    while checked < 12 {
        let event = live.until_event("memory_sampled");
        if let Some((from, to)) = spans.span(&event) {
            let read = readings.around(from, to);
            let sums = [0, 1, 2].map(|place| range(read.iter().map(|sums| sums[place])));
            let fields = ["usage_bytes", "working_set_bytes", "hard_bytes"];
            let agree = |place: usize| agrees(number(&event, fields[place]), sums[place]);
            assert!(read.iter().all(|sums| sums[0] > sums[2] + 50 * MIB), "the three sums are told apart: {read:?}");
            // A short-lived child may come and go between two readings of ours. A wrong sum is wrong each time.
            if (0..fields.len()).all(agree) {
                checked += 1;
            } else {
                beside += 1;
                assert!(beside <= 3, "{sums:?}: {event}");
            }
        }
        assert_eq!(number(&event, "budget_bytes"), limit);
    }
    live.signal(libc::SIGTERM);
    let run = live.finish();
    assert_eq!(run.code(), Some(143));
    let changed = run.named("budget_changed").next().expect("told");
    let source = format!("the container's limit (memory.limit_in_bytes of {})", group.dir.display());
    for told in [changed, run.summary()] {
        assert_eq!((number(told, "budget_bytes"), told["budget_source"].as_str()), (limit, Some(source.as_str())));
    }
    stream::check(&run, 2);
}

#[test]
fn a_job_that_the_kernel_kills_for_want_of_memory_is_named_so_and_plimsoll_goes_on() {
    let group = match MemoryGroup::with_limit(110 * MIB, "kill") {
        Ok(group) => group,
        Err(why) => return skip(MEMORY_GROUP, why),
    };
    let world = World::new();
    let (large, small) = (world.put(&clips().long(), "1.mp4"), world.put(&clips().tiny(), "2.mp4"));
    // Without the governor, which would not let it in.
    let mut command = world.run_command(["-p", "balanced", "--no-governor", "--retries", "0"]);
    command.arg(large).arg(small);
    group.enter(&mut command);
    let run = Live::start(command).finish();
    assert_eq!(run.code(), Some(1), "{}", run.stderr);
    let end = run.end_event_of("1.mp4");
    assert_eq!((end["outcome"].as_str(), end["signal"].as_u64()), (Some("out_of_memory"), Some(9)), "{end}");
    assert!(end["reason"].as_str().is_some_and(|reason| reason.contains("killed by the kernel")), "{end}");
    assert_eq!(run.end_of("2.mp4"), "done", "its neighbour lives");
    assert!(number(run.summary(), "oom_kills") >= 1, "{}", run.summary());
    world.assert_no_leftovers();
}

/// The kinds of the journal of the last run.
fn journal(world: &World) -> Vec<String> {
    let connection = rusqlite::Connection::open(world.path("state/plimsoll.db")).expect("opens");
    let mut query =
        connection.prepare("SELECT kind FROM events WHERE run = (SELECT max(run) FROM runs) ORDER BY seq").expect("a query");
    let kinds = query.query_map([], |row| row.get(0)).expect("rows");
    kinds.collect::<Result<_, _>>().expect("read")
}

#[test]
fn what_is_done_is_not_made_again_until_its_bytes_change_and_is_never_replaced_unasked() {
    let world = World::new();
    world.put(&clips().tiny(), "a.mp4");
    world.put(&clips().tiny(), "sub/a.mp4");
    let b = world.put(&clips().other(), "b.mp4");
    let first = world.run(&[]);
    assert_eq!((first.code(), first.ends()), (Some(0), vec!["done"; 3]), "{}", first.stderr);
    stream::check(&first, 2);
    let names = ["a.web-720p.mp4", "b.web-720p.mp4", "sub/a.web-720p.mp4"].map(PathBuf::from);
    assert_eq!(world.files("out"), names);
    let read = |name: &str| std::fs::read(world.path("out").join(name)).expect("there");
    let was = read("b.web-720p.mp4");

    let again = world.run(&[]);
    assert_eq!((again.code(), again.ends()), (Some(0), vec!["already_done"; 3]), "{}", again.stderr);
    stream::check(&again, 2);
    assert_eq!(again.end_event_of("b.mp4")["output"].as_str(), world.path("out/b.web-720p.mp4").to_str());
    assert_eq!(again.named("job_started").count(), 0);
    let journal = journal(&world);
    assert_eq!(journal.iter().filter(|kind| *kind == "job_finished").count(), 3, "even a short run is on record: {journal:?}");
    assert_eq!(journal.last().map(String::as_str), Some("run_finished"));

    let file = std::fs::File::options().write(true).open(&b).expect("opens");
    file.set_modified(SystemTime::now() + Duration::from_secs(5)).expect("touched");
    assert_eq!(world.run(&[]).ends(), ["already_done"; 3], "another time and the same bytes");

    std::fs::copy(clips().tiny(), &b).expect("changed");
    let changed = world.run(&[]);
    assert_eq!((changed.code(), changed.end_of("b.mp4"), changed.end_of("a.mp4")), (Some(0), "done", "already_done"));
    assert_eq!(changed.end_event_of("b.mp4")["output"].as_str(), world.path("out/b-2.web-720p.mp4").to_str());
    assert!(read("b.web-720p.mp4") == was, "the old output stays");
    assert!(read("b-2.web-720p.mp4") != was);

    let replaced = world.run(&["--overwrite"]);
    assert_eq!((replaced.code(), replaced.ends()), (Some(0), vec!["done"; 3]));
    assert!(read("b.web-720p.mp4") == read("b-2.web-720p.mp4"), "made anew under the first name");
    assert_eq!(world.files("out").len(), 4, "{:?}", world.files("out"));

    // What is not ours keeps its name whatever it holds; a damaged output of ours is no output.
    std::fs::write(world.path("out/a.web-720p.mp4"), "mine").expect("written");
    let beside = world.run(&[]);
    assert_eq!((beside.code(), read("a.web-720p.mp4")), (Some(0), b"mine".to_vec()));
    assert!(beside.ends().contains(&"done"), "{:?}", beside.ends());
    world.assert_no_leftovers();
}

#[test]
fn a_signal_ends_a_run_in_order_and_the_next_run_completes_it() {
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143)] {
        let world = World::new();
        for name in ["1.mp4", "2.mp4", "3.mp4"] {
            world.put(&clips().long(), name);
        }
        let mut command = world.run_command(["-p", "balanced"]);
        command.arg(world.path("in"));
        let mut live = Live::start(command);
        let pids = [live.until_event("job_started"), live.until_event("job_started")].map(|event| number(&event, "pid") as u32);
        live.until("both at work", |event| {
            let is_large = |job: &Value| job.as_u64().is_some_and(|bytes| bytes > 40 * MIB);
            name(event) == "memory_sampled" && is_large(&event["jobs"]["1"]) && is_large(&event["jobs"]["2"])
        });
        let pace = Meter::begin();
        let signalled = Instant::now();
        live.signal(signal);
        let run = live.finish();
        assert_eq!(run.code(), Some(code), "{}", run.stderr);
        assert!(signalled.elapsed() < pace.limit(CLEAN_END), "took {:?}", signalled.elapsed());
        assert!(!pids.iter().any(|pid| is_alive(*pid)), "children outlive it");
        assert_eq!(world.files("out"), Vec::<PathBuf>::new(), "nothing partial under a final name, no part");
        world.assert_no_leftovers();
        stream::check(&run, 2);
        assert_eq!(run.ends(), Vec::<&str>::new(), "jobs that were stopped have not ended");
        assert_eq!(number(&run.summary()["jobs"], "unfinished"), 3);
        assert_eq!(journal(&world).last().map(String::as_str), Some("run_finished"));
        // Shorter work under the same names, to be done now.
        for name in ["1.mp4", "2.mp4", "3.mp4"] {
            world.put(&clips().tiny(), name);
        }
        let next = world.run(&[]);
        assert_eq!((next.code(), next.ends()), (Some(0), vec!["done"; 3]));
    }
}

/// A run whose ffmpeg does not listen to SIGTERM, from its `waits` on.
fn stubborn() -> (World, Live, Vec<u32>) {
    let world = World::new();
    world.put(&clips().tiny(), "a.mp4");
    let tools = stand_ins(&world, "trap '' TERM INT\n: > \"$TMPDIR/waits\"\nsleep 600", "");
    let mut command = world.run_command([OsStr::new("--ffmpeg"), tools.as_os_str()]);
    command.arg(world.path("in"));
    let mut live = Live::start(command);
    let pid = number(&live.until_event("job_started"), "pid") as u32;
    while !world.path("state/scratch/waits").exists() {
        live.next().expect("goes on");
    }
    (world, live, vec![pid])
}

#[test]
fn a_second_plimsoll_on_one_state_folder_is_told_who_has_it_and_runs_nothing() {
    let (world, first, pids) = stubborn();
    let again = |args: &[&str]| {
        let mut command = world.command(args);
        command.arg("--state-dir").arg(world.path("state")).arg("-o").arg(world.path("elsewhere"));
        crate::support::say(command)
    };
    let clip = world.path("in/a.mp4");
    for args in [&["run", clip.to_str().expect("UTF-8")][..], &["demo", "--load-jobs", "--headless"][..]] {
        let said = again(args);
        assert_eq!(said.code, Some(75), "{}", said.err);
        for words in [&format!("(process {})", first.pid()), "state", "--state-dir"] {
            assert!(said.err.contains(words), "{words} is missing in {}", said.err);
        }
    }
    assert!(!world.path("elsewhere").exists());
    assert!(is_alive(pids[0]), "the first one's job goes on");
    // However the first one ends, the folder is free.
    first.signal(libc::SIGKILL);
    drop(first);
    let mut command = world.run_command::<&OsStr>([]);
    command.arg(world.path("in"));
    let run = Live::start(command).finish();
    assert_eq!((run.code(), run.ends()), (Some(0), vec!["done"]), "{}", run.stderr);
}

#[test]
fn what_a_dead_plimsoll_left_is_ended_completed_or_swept_and_nothing_else_is_touched() {
    let world = World::new();
    world.put(&clips().tiny(), "a.mp4");
    let tools = stand_ins(&world, "echo mine > \"$TMPDIR/inner\"; exec sleep 600", "");
    let mut command = world.command(["run", "--json", "--ffmpeg"]);
    command.arg(&tools).arg("-o").arg(world.path("earlier")).arg("--state-dir").arg(world.path("state")).arg(world.path("in"));
    let mut live = Live::start(command);
    let child = number(&live.until_event("job_started"), "pid") as u32;
    let inner = world.path("state/scratch/inner");
    while !inner.exists() {
        live.next();
    }
    let record = std::fs::read_to_string(world.path("state/children")).expect("kept");
    assert!(record.contains(&format!("+{}", ProcessIdentity::of(child).expect("alive"))), "{record}");
    live.signal(libc::SIGKILL);
    drop(live);
    assert_eq!(world.files("earlier"), [PathBuf::from(".plimsoll/1.1.part")], "left behind");
    assert!(time_to_death(&[child], PATIENCE).is_some(), "the kernel ends what it was promised to end");
    // Where the kernel does not: two processes of ours on record, one of them told to be of another time.
    let sleeper = || Command::new("sleep").arg("600").process_group(0).spawn().expect("sleeps");
    let (mut ours, mut stranger) = (sleeper(), sleeper());
    let [life, other] = [&ours, &stranger].map(|child| ProcessIdentity::of(child.id()).expect("alive").to_string());
    let other = other.rsplit_once(' ').map(|(rest, _)| format!("{rest} 0000000000000001")).expect("three words");
    std::fs::write(world.path("state/children"), format!("{record}+{life}\n+{other}\n")).expect("written");
    let (mine, theirs) = (world.write("earlier/.plimsoll/notes.txt", "mine"), world.write("state/children.bak", "mine"));

    let mut command = world.run_command::<&OsStr>([]);
    command.arg(world.path("in"));
    let run = Live::start(command).finish();
    assert_eq!((run.code(), run.ends()), (Some(0), vec!["done"; 2]), "{}", run.stderr);
    // The job was queued for the earlier folder, and is still meant for it; the film is wanted in another one besides.
    assert_eq!(world.files("out"), ["a.web-720p.mp4"].map(PathBuf::from));
    assert_eq!(world.files("earlier"), [".plimsoll/notes.txt", "a.web-720p.mp4"].map(PathBuf::from));
    assert!(mine.exists() && theirs.exists() && !inner.exists());
    let fault = run.named("fault").find(|fault| fault["what"].as_str().is_some_and(|what| what.contains("left 1 process")));
    assert!(fault.is_some_and(|fault| fault["detail"] == format!("killed: {}", ours.id())), "{:?}", run.stderr);
    assert!(!ours.wait().expect("ended").success() && is_alive(stranger.id()));
    let _ = stranger.kill();
    let _ = stranger.wait();
}

#[test]
fn a_child_that_does_not_listen_is_killed_within_the_time_for_a_clean_end() {
    let (world, live, pids) = stubborn();
    let pace = Meter::begin();
    let signalled = Instant::now();
    live.signal(libc::SIGINT);
    let run = live.finish();
    assert_eq!(run.code(), Some(130));
    assert!(signalled.elapsed() < pace.limit(CLEAN_END), "{:?}", signalled.elapsed());
    assert!(signalled.elapsed() > Duration::from_secs(1), "it was asked first");
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "children outlive it");
    world.assert_no_leftovers();
}

#[test]
fn a_second_signal_kills_at_once() {
    let (world, mut live, pids) = stubborn();
    live.signal(libc::SIGINT);
    live.until_event("job_stopping");
    let pace = Meter::begin();
    let again = Instant::now();
    live.signal(libc::SIGINT);
    let run = live.finish();
    assert_eq!(run.code(), Some(130));
    assert!(again.elapsed() < pace.limit(AT_ONCE), "{:?}", again.elapsed());
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "children outlive it");
    world.assert_no_leftovers();
}

#[test]
fn a_file_that_cannot_be_read_for_its_disk_hangs_does_not_hold_up_the_end() {
    let world = World::new();
    world.put(&clips().tiny(), "a.mp4");
    let tools = stand_ins(&world, "", "sleep 600");
    let mut command = world.run_command([OsStr::new("--ffmpeg"), tools.as_os_str()]);
    command.arg(world.path("in"));
    let mut live = Live::start(command);
    live.until_event("job_queued");
    while children(live.pid(), "ffprobe").is_empty() {
        live.until_event("memory_sampled");
    }
    let probes = children(live.pid(), "ffprobe");
    let pace = Meter::begin();
    let signalled = Instant::now();
    live.signal(libc::SIGTERM);
    let run = live.finish();
    assert_eq!(run.code(), Some(143));
    assert!(signalled.elapsed() < pace.limit(CLEAN_END), "{:?}", signalled.elapsed());
    assert!(time_to_blow(&probes, pace.limit(AT_ONCE)).is_some(), "the probe outlives it");
    assert!(time_to_death(&probes, PATIENCE).is_some(), "it does not go");
    assert_eq!(journal(&world).last().map(String::as_str), Some("run_finished"));
}

#[test]
fn a_tool_that_is_asked_something_dies_with_the_plimsoll_that_asks() {
    let world = World::new();
    world.put(&clips().tiny(), "a.mp4");
    let asked = world.path("asked");
    stand_ins(&world, "", "");
    let text = format!("#!/bin/sh\necho $$ > {0}.new\nmv {0}.new {0}\nexec sleep 600\n", asked.display());
    let path = world.write("tools/ffmpeg", text);
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let mut command = world.run_command([OsStr::new("--ffmpeg"), world.path("tools").as_os_str()]);
    let mut plimsoll = command.arg(world.path("in")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
    let deadline = Instant::now() + PATIENCE;
    while !asked.exists() {
        assert!(Instant::now() < deadline, "ffmpeg is never asked for its version");
        std::thread::sleep(Duration::from_millis(1));
    }
    let tool: u32 = std::fs::read_to_string(&asked).expect("read").trim().parse().expect("a number");
    plimsoll.kill().expect("killed");
    let end = end_of_orphans(plimsoll.id(), &[tool], PATIENCE);
    plimsoll.wait().expect("reaped");
    if end.is_none() {
        // SAFETY: a plain system call with a process of this test.
        unsafe { libc::kill(tool as i32, libc::SIGKILL) };
    }
    assert!(end.expect("the tool outlives it").alone < ORPHANS, "{end:?}");
}

#[test]
fn after_a_kill_no_child_lives_on_and_a_new_run_completes_everything() {
    let world = World::new();
    for (height, name) in [(1080, "1.mp4"), (720, "2.mp4"), (480, "3.mp4")] {
        world.put(&clips().of_height(height), name);
    }
    world.put(&clips().tiny(), "4.mp4");
    let mut command = world.run_command(["-p", "fast"]);
    command.arg(world.path("in"));
    let mut live = Live::start(command);
    let pids = [live.until_event("job_started"), live.until_event("job_started")].map(|event| number(&event, "pid") as u32);
    let all = children(live.pid(), "ffmpeg");
    live.child.kill().expect("killed");
    let end = end_of_orphans(live.pid(), &[&pids[..], &all[..]].concat(), PATIENCE).expect("children outlive it");
    assert!(end.alone < ORPHANS, "{end:?}");
    let run = live.finish();
    assert_eq!(run.code(), None, "{:?}", run.status);
    for file in world.files("out") {
        let is_part = file.starts_with(".plimsoll");
        assert!(is_part || probe(&world.path("out").join(&file)).is_some(), "half a file under a final name: {}", file.display());
    }

    let next = world.run(&["-p", "fast"]);
    assert_eq!(next.code(), Some(0), "{}", next.stderr);
    assert!(next.ends().iter().all(|end| ["done", "already_done"].contains(end)) && next.ends().len() == 4, "{:?}", next.ends());
    stream::check(&next, 4);
    world.assert_no_leftovers();
    let names = ["1.web-720p.mp4", "2.web-720p.mp4", "3.web-720p.mp4", "4.web-720p.mp4"].map(PathBuf::from);
    assert_eq!(world.files("out"), names, "none lost, none twice");
    for name in &names {
        assert!(probe(&world.path("out").join(name)).is_some(), "{} cannot be played", name.display());
    }
}

#[test]
fn what_cannot_be_written_to_its_end_is_told_and_harms_no_job() {
    let world = World::new();
    world.put(&clips().tiny(), "tiny.mp4");
    let run = world.run(&["--log-file", "/dev/full"]);
    assert_eq!((run.end_of("tiny.mp4"), run.code()), ("done", Some(1)), "{}", run.stderr);
    assert!(run.stderr.contains("the log file could not be written to the end"), "{}", run.stderr);

    let mut command = world.run_command(["--overwrite"]);
    let full = std::fs::File::options().write(true).open("/dev/full").expect("there");
    let run = command.arg(world.path("in")).stdout(full).output().expect("it runs");
    let told = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{told}");
    assert!(told.contains("the JSON lines on stdout could not be written to the end"), "{told}");
    assert!(told.contains("1 done"), "{told}");
}

#[test]
fn a_job_over_its_time_limit_is_timed_out_one_that_hangs_is_stalled_and_a_failure_that_may_pass_is_tried_again() {
    let world = World::new();
    let long = world.put(&clips().long(), "long.mp4");
    let mut command = world.run_command(["--timeout", "1s", "--retries", "3"]);
    command.arg(&long);
    let run = Live::start(command).finish();
    let end = run.end_event_of("long.mp4");
    assert_eq!((run.code(), end["outcome"].as_str(), number(end, "attempts")), (Some(1), Some("timed_out"), 1), "{end}");
    assert_eq!(end["reason"], "ran longer than the limit of 1 s (--timeout)");
    // It is asked to end, and has ten seconds for that: with the processors taken, its last frames take some of them.
    let longest = 11.0 + at_most(Duration::from_secs(2)).as_secs_f64();
    assert!((1.0..longest).contains(&end["seconds"].as_f64().expect("seconds")), "{end}");
    stream::check(&run, 2);
    world.assert_no_leftovers();

    let tools = stand_ins(&world, "exec sleep 60", "");
    let mut command = world.run_command(["--stall", "1s", "--retries", "0", "--ffmpeg"]);
    command.arg(&tools).arg(&long);
    let run = Live::start(command).finish();
    assert_eq!((run.code(), run.end_of("long.mp4")), (Some(1), "stalled"), "{}", run.stderr);
    stream::check(&run, 2);

    let tools = stand_ins(&world, "echo 'something odd' >&2; exit 7", "");
    let tiny = world.put(&clips().tiny(), "tiny.mp4");
    for retries in [0, 1] {
        let mut command = world.run_command(["--retries", &retries.to_string(), "--ffmpeg"]);
        command.arg(&tools).arg(&tiny);
        let run = Live::start(command).finish();
        let end = run.end_event_of("tiny.mp4");
        assert_eq!((run.code(), end["outcome"].as_str(), number(end, "attempts")), (Some(1), Some("failed"), retries + 1));
        assert_eq!((end["exit_code"].as_u64(), run.named("job_requeued").count() as u64), (Some(7), retries));
        assert!(end["reason"].as_str().is_some_and(|reason| reason.contains("something odd")), "{end}");
        stream::check(&run, 2);
        world.assert_no_leftovers();
    }
}

#[test]
fn a_job_that_is_to_be_tried_again_while_its_share_is_away_starts_when_it_is_back() {
    let world = World::new();
    world.put(&clips().tiny(), "share/tiny.mp4");
    // The first try ends when it is told to, as one whose share has gone.
    let work = "case \"$*\" in *.part*)\n\
                test -e \"$TMPDIR/first\" || {\n\
                : > \"$TMPDIR/first\"; while ! test -e \"$TMPDIR/go\"; do sleep 0.05; done\n\
                echo 'Input/output error' >&2; exit 5; };; esac";
    let tools = stand_ins(&world, work, "");
    let mut command = world.run_command([OsStr::new("--retries"), OsStr::new("1"), OsStr::new("--ffmpeg"), tools.as_os_str()]);
    command.arg(world.path("in"));
    let mut live = Live::start(command);
    live.until_event("job_started");
    let (share, away) = (world.path("in/share"), world.path("unplugged"));
    std::fs::rename(&share, &away).expect("moved");
    world.write("state/scratch/go", "");
    assert_eq!(live.until_event("job_requeued")["uncounted"], false, "that try has failed");
    let waits = live.until_event("job_requeued");
    assert_eq!(waits["uncounted"], true, "{waits}");
    assert!(waits["reason"].as_str().is_some_and(|why| why.starts_with(&format!("waits for {}", share.display()))), "{waits}");
    std::fs::rename(&away, &share).expect("moved back");
    let run = live.finish();
    assert_eq!((run.code(), run.end_of("tiny.mp4")), (Some(0), "done"), "{}", run.stderr);
    assert_eq!(run.end_event_of("tiny.mp4")["attempts"], 2);
    world.assert_no_leftovers();
}

#[test]
fn of_a_film_that_is_made_anew_in_a_larger_picture_the_first_part_is_gone_when_the_second_is_written() {
    let world = World::new();
    let tiny = world.put(&clips().tiny(), "tiny.mp4");
    let grows = "[graph 0 input from stream 0:0 @ 0x55] [verbose] w:1280 h:720 pixfmt:yuv420p tb:1/90000 fr:25/1 sar:1/1";
    let work = format!(
        "case \"$*\" in *.part*)\n\
         test -e \"$TMPDIR/first\" || {{ : > \"$TMPDIR/first\"; echo '{grows}' >&2; sleep 600; }}\n\
         while ! test -e \"$TMPDIR/go\"; do sleep 0.05; done;; esac"
    );
    let tools = stand_ins(&world, &work, "");
    let mut command = world.run_command([OsStr::new("--ffmpeg"), tools.as_os_str()]);
    command.arg(&tiny);
    let mut live = Live::start(command);
    live.until_event("job_requeued");
    live.until_event("job_started");
    assert_eq!(world.files("out"), [PathBuf::from(".plimsoll/1.1.part")], "one part, by its first name");
    world.write("state/scratch/go", "");
    let run = live.finish();
    assert_eq!((run.code(), run.end_of("tiny.mp4")), (Some(0), "done"), "{}", run.stderr);
    world.assert_no_leftovers();
}

#[test]
fn a_full_disk_fails_the_job_with_that_reason_and_leaves_nothing_half_made() {
    let world = World::new();
    let input = world.put(&clips().noise(), "noise.mp4");
    let preset = world
        .write("large.yaml", "name: large\nvideo: { codec: libx264, preset: ultrafast, crf: 0 }\ncontainer: mp4\nthreads: 2\n");
    // Too little for even a start, and too little for the end.
    for (size, tried) in [("1m", false), ("9m", true)] {
        let _disk = match tmpfs(&world.path("out"), size) {
            Ok(disk) => disk,
            Err(why) => return skip(MOUNT, why),
        };
        let mut command = world.run_command(["--retries", "0", "--preset"]);
        command.arg(&preset).arg(&input);
        let run = Live::start(command).finish();
        assert_eq!(run.code(), Some(1), "{}", run.stderr);
        let end = run.end_event_of("noise.mp4");
        assert_eq!(end["outcome"], "failed", "{end}");
        assert!(end["reason"].as_str().is_some_and(|reason| reason.starts_with("disk full")), "{end}");
        assert_eq!(run.named("job_started").count(), usize::from(tried));
        assert_eq!(world.files("out"), Vec::<PathBuf>::new());
        world.assert_no_leftovers();
        stream::check(&run, 2);
    }
}

#[test]
fn a_run_without_a_screen_ends_when_the_disk_stays_full_and_the_next_one_goes_on_once_there_is_room() {
    let world = World::new();
    let input = world.put(&clips().noise(), "noise.mp4");
    let preset = world
        .write("large.yaml", "name: large\nvideo: { codec: libx264, preset: ultrafast, crf: 0 }\ncontainer: mp4\nthreads: 2\n");
    let disk = match tmpfs(&world.path("out"), "9m") {
        Ok(disk) => disk,
        Err(why) => return skip(MOUNT, why),
    };
    let mut command = world.run_command(["--disk-wait", "1s", "--preset"]);
    command.arg(&preset).arg(&input);
    let run = Live::start(command).finish();
    assert_eq!(run.code(), Some(1), "{}", run.stderr);
    // It began, filled the disk, and was not begun again where so much was known not to be enough.
    assert_eq!((run.named("job_started").count(), run.named("job_finished").count()), (1, 0), "{}", run.stderr);
    let wanted: Vec<_> = run.named("room_wanted").collect();
    assert_eq!(wanted.len(), 1, "{wanted:?}");
    assert_eq!(wanted[0]["folder"], world.path("out").to_str().expect("UTF-8"), "{}", wanted[0]);
    let told = |words: &str| run.stderr.lines().filter(|line| line.contains(words)).count();
    assert_eq!((told("no room: disk full"), told("no room for the next output for 1 s")), (1, 1), "{}", run.stderr);
    assert!(told("free some space") >= 1 && told("what is not finished is kept") == 1, "{}", run.stderr);
    assert_eq!(told("freed 0.0MB"), 0, "{}", run.stderr);
    assert_eq!(run.summary()["jobs"]["unfinished"], 1);
    drop(disk);

    let run = Live::start(world.run_command([] as [&str; 0])).finish();
    assert_eq!((run.code(), run.end_of("noise.mp4")), (Some(0), "done"), "{}", run.stderr);
    assert_eq!(run.end_event_of("noise.mp4")["attempts"], 1, "the full disk has used no try");
    world.assert_no_leftovers();
}

#[test]
fn a_queue_waits_for_room_on_a_full_disk_and_goes_on_when_there_is_some() {
    let world = World::new();
    for name in ["1.mp4", "2.mp4", "3.mp4"] {
        world.put(&clips().tiny(), name);
    }
    let _disk = match tmpfs(&world.path("out"), "12m") {
        Ok(disk) => disk,
        Err(why) => return skip(MOUNT, why),
    };
    let fill = world.path("out/fill");
    assert!(std::fs::write(&fill, vec![1; 16 << 20]).is_err(), "it is full now");
    let mut command = world.run_command(["-p", "safe", "--retries", "1"]);
    command.arg(world.path("in"));
    let mut live = Live::start(command);
    // More often than there are tries, and one job at a time: nobody overtakes the first.
    let mut held = 0;
    live.until("the first job was held three times", |event| {
        if name(event) == "job_requeued" {
            assert_eq!(event["job"], 1, "{event}");
            assert!(event["reason"].as_str().is_some_and(|reason| reason.starts_with("disk full")), "{event}");
            held += 1;
        }
        held == 3
    });
    std::fs::remove_file(&fill).expect("removed");
    let run = live.finish();
    assert_eq!((run.code(), run.ends()), (Some(0), vec!["done"; 3]), "{}", run.stderr);
    assert!(run.named("job_finished").all(|end| end["attempts"] == 1), "waiting was no try");
    stream::check(&run, 1);
    world.assert_no_leftovers();
}

#[test]
fn a_full_disk_holds_up_no_job_whose_output_goes_to_another_one() {
    let world = World::new();
    world.put(&clips().tiny(), "a/waits.mp4");
    world.put(&clips().tiny(), "z.mp4");
    let disk = world.path("out/a");
    let _disk = match tmpfs(&disk, "12m") {
        Ok(disk) => disk,
        Err(why) => return skip(MOUNT, why),
    };
    let fill = disk.join("fill");
    assert!(std::fs::write(&fill, vec![1; 16 << 20]).is_err(), "it is full now");
    let mut command = world.run_command(["-p", "safe"]);
    command.arg(world.path("in"));
    let mut live = Live::start(command);
    let place = disk.to_str().expect("UTF-8").to_owned();
    let (mut waits, mut passed) = (None, None);
    live.until("the one waits and the other is done", |event| {
        match name(event) {
            "room_wanted" => {
                assert_eq!(event["disk"], place.as_str(), "{event}");
                assert!(event["needs_bytes"].as_u64() > event["free_bytes"].as_u64(), "{event}");
                assert!(event["reason"].as_str().is_some_and(|reason| reason.contains(&place)), "{event}");
                waits = Some(event["job"].clone());
            }
            "job_finished" => passed = Some((event["job"].clone(), event["outcome"].clone())),
            _ => {}
        }
        waits.is_some() && passed.is_some()
    });
    let (passed, outcome) = passed.expect("it has ended");
    assert!(outcome == "done" && waits.is_some_and(|waits| waits != passed), "the other disk has room");
    std::fs::remove_file(&fill).expect("removed");
    let run = live.finish();
    assert_eq!((run.code(), run.ends()), (Some(0), vec!["done"; 2]), "{}", run.stderr);
    stream::check(&run, 1);
}

#[test]
fn a_full_scratch_folder_harms_no_job_that_does_not_need_it() {
    let world = World::new();
    world.put(&clips().tiny(), "1.mp4");
    let _disk = match tmpfs(&world.path("state/scratch"), "64k") {
        Ok(disk) => disk,
        Err(why) => return skip(MOUNT, why),
    };
    // Whatever stands there is swept at the start, so it is filled while the job runs.
    let tools = stand_ins(&world, "head -c 1000000 /dev/zero > \"$TMPDIR/fill\" || true", "");
    let mut command = world.run_command([OsStr::new("--ffmpeg"), tools.as_os_str()]);
    command.arg(world.path("in"));
    let run = Live::start(command).finish();
    assert_eq!((run.code(), run.ends()), (Some(0), vec!["done"]), "{}", run.stderr);
    let free = rustix::fs::statvfs(world.path("state/scratch")).expect("told").f_bfree;
    assert_eq!(free, 0, "it was full");
}

#[test]
fn a_state_folder_that_is_full_is_told_before_anything_runs_and_one_that_fills_up_holds_the_queue_until_there_is_room() {
    let world = World::new();
    for name in ["1.mp4", "2.mp4", "3.mp4"] {
        world.put(&clips().tiny(), name);
    }
    let _disk = match tmpfs(&world.path("state"), "1m") {
        Ok(disk) => disk,
        Err(why) => return skip(MOUNT, why),
    };
    let fill = world.path("state/fill");
    let fill_up = || assert!(std::fs::write(&fill, vec![1; 2 << 20]).is_err(), "it is full now");
    fill_up();
    let refused = world.run(&[]);
    assert_eq!((refused.code(), refused.events.len()), (Some(2), 0), "{}", refused.stderr);
    for words in ["cannot write the state file", "disk is full", "--state-dir"] {
        assert!(refused.stderr.contains(words), "{words} is missing in {}", refused.stderr);
    }
    assert!(!world.path("out").exists(), "nothing was made");

    std::fs::remove_file(&fill).expect("removed");
    // The job does not end before the disk is full.
    let tools = patient_ffmpeg(&world);
    let mut command = world.run_command(["-p", "safe", "--retries", "5", "--ffmpeg"]);
    command.arg(tools).arg(world.path("in"));
    let mut live = Live::start(command);
    live.until_event("job_started");
    fill_up();
    // No more than a name, for which there is room.
    world.write("state/scratch/go", "");
    let fault = live.until("the journal's fault", |event| {
        event["what"].as_str().is_some_and(|what| what.starts_with("the journal cannot be written"))
    });
    assert!(fault["detail"].as_str().is_some_and(|detail| detail.contains("disk is full")), "{fault}");
    std::fs::remove_file(&fill).expect("removed");
    let run = live.finish();
    assert_eq!((run.code(), run.ends()), (Some(0), vec!["done"; 3]), "{}", run.stderr);
    stream::check(&run, 1);
    world.assert_no_leftovers();
}

#[test]
fn a_signal_ends_a_run_whose_record_cannot_be_written() {
    let world = World::new();
    for name in ["1.mp4", "2.mp4", "3.mp4"] {
        world.put(&clips().of_height(720), name);
    }
    let _disk = match tmpfs(&world.path("state"), "1m") {
        Ok(disk) => disk,
        Err(why) => return skip(MOUNT, why),
    };
    // No job ends before the disk is full.
    let tools = patient_ffmpeg(&world);
    let mut command = world.run_command(["-p", "balanced", "--ffmpeg"]);
    command.arg(tools).arg(world.path("in"));
    let mut live = Live::start(command);
    live.until_event("job_started");
    live.until_event("job_started");
    assert!(std::fs::write(world.path("state/fill"), vec![1; 2 << 20]).is_err(), "it is full now");
    world.write("state/scratch/go", "");
    // Both jobs are to be put in place, and that is to be recorded.
    let mut finalizing = 0;
    live.until("both are put in place", |event| {
        finalizing += u32::from(name(event) == "job_finalizing");
        finalizing == 2
    });
    let pace = Meter::begin();
    let signalled = Instant::now();
    live.signal(libc::SIGINT);
    let run = live.finish();
    assert_eq!(run.code(), Some(130), "{}", run.stderr);
    assert!(signalled.elapsed() < pace.limit(Duration::from_secs(5)), "{:?}", signalled.elapsed());
    assert_eq!(world.files("out"), Vec::<PathBuf>::new(), "nothing that is not on record stays under a final name");
    world.assert_no_leftovers();
}

#[test]
fn a_queue_file_names_inputs_and_presets_and_each_preset_makes_what_it_promises() {
    let world = World::new();
    world.put(&clips().of_height(720), "film.mp4");
    let queue = world.write(
        "in/night.yaml",
        "jobs:\n  - film.mp4\n  - { input: film.mp4, preset: audio-m4a }\n  - { input: film.mp4, preset: thumbnails }\n  - { input: ./film.mp4, preset: proxy-480p }\n",
    );
    let run = Live::start(world.run_command([&queue])).finish();
    assert_eq!((run.code(), run.ends()), (Some(0), vec!["done"; 4]), "{}", run.stderr);
    stream::check(&run, 2);
    let presets: Vec<&str> = run.named("job_queued").filter_map(|event| event["preset"].as_str()).collect();
    assert_eq!(presets, ["web-720p", "audio-m4a", "thumbnails", "proxy-480p"]);
    let streams = |name: &str| probe(&world.path("out").join(name)).unwrap_or_else(|| panic!("{name} cannot be read"));
    assert_eq!(streams("film.web-720p.mp4"), ["h264,1280,720", "aac"]);
    assert_eq!(streams("film.audio-m4a.m4a"), ["aac"]);
    assert_eq!(streams("film.thumbnails.jpg"), ["mjpeg,1280,720"], "four by four of 320x180");
    assert_eq!(streams("film.proxy-480p.mp4"), ["h264,854,480", "aac"]);
    assert_eq!(world.files("out").len(), 4);
    let again = Live::start(world.run_command([&queue])).finish();
    assert_eq!((again.code(), again.ends()), (Some(0), vec!["already_done"; 4]));
}

#[test]
fn without_a_terminal_the_console_command_runs_the_queue_and_log_lines_also_go_to_a_file() {
    let world = World::new();
    let input = world.put(&clips().tiny(), "a.mp4");
    let log = world.path("run.log");
    let mut command = world.command(["--log-file"]);
    command.arg(&log).arg(&input);
    let said = crate::support::say(command);
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{}", said.err);
    assert!(world.path("work/plimsoll-out/a.web-720p.mp4").is_file(), "beside where it was started");
    assert!(world.path("home/.local/state/plimsoll/plimsoll.db").is_file());
    assert!(said.err.contains("plimsoll: the run is over") && said.err.contains("1 done"), "{}", said.err);
    let log = std::fs::read_to_string(log).expect("written");
    for words in ["Memory usage before processing: ", "Memory usage after processing: ", "a.mp4: done: "] {
        assert!(said.err.contains(words) && log.contains(words), "{words}\n{}\n{log}", said.err);
    }
    assert!(log.lines().all(|line| line.as_bytes().get(10) == Some(&b'T')), "date and time in every line: {log}");
}

#[test]
fn a_reader_that_goes_away_does_not_stop_a_run() {
    let world = World::new();
    world.put(&clips().tiny(), "a.mp4");
    let mut command = world.run_command(["-p", "safe"]);
    command.arg(world.path("in")).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("starts");
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    assert_eq!(world.files("out"), [PathBuf::from("a.web-720p.mp4")]);
}
