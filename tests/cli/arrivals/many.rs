//! A thousand films in every way at once, with lost events and a restart in the middle: `just watch`. The same without the time
//! that a film has to look the same, which must be found out.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Server, all_alike, rsync};
use crate::support::World;
use crate::support::clips::clips;

/// Films of each way, and those whose writer is still at work when they are moved in.
const EACH: usize = 240;
const MOVED_OPEN: usize = 40;
const LIMIT: Duration = Duration::from_mins(15);

/// The kernel's queue of events, made so short that it overflows, for as long as this lives.
struct ShortQueue(String);

const QUEUE: &str = "/proc/sys/fs/inotify/max_queued_events";

impl ShortQueue {
    fn new() -> std::io::Result<Self> {
        let usual = fs::read_to_string(QUEUE)?;
        fs::write(QUEUE, "8")?;
        Ok(Self(usual))
    }
}

impl Drop for ShortQueue {
    fn drop(&mut self) {
        let _ = fs::write(QUEUE, &self.0);
    }
}

/// What is made of the films: to copy the streams of a second takes what a process takes.
fn preset(world: &World) -> std::path::PathBuf {
    world.write("copy.yaml", "name: copy\nvideo: { codec: copy }\naudio: { codec: copy }\ncontainer: mp4\nthreads: 1\n")
}

/// Adds to a file.
fn write(path: &Path, bytes: &[u8]) {
    OpenOptions::new().create(true).append(true).open(path).expect("opened").write_all(bytes).expect("written");
}

/// Films written in four pieces with pauses of seconds, the file closed in between.
fn write_slowly(clip: &[u8], paths: &[std::path::PathBuf]) {
    for piece in clip.chunks(clip.len().div_ceil(4)) {
        for path in paths {
            write(path, piece);
        }
        std::thread::sleep(Duration::from_secs(5));
    }
}

/// Waits until so many films, or more, are taken and nothing comes any more. What is wrong with any: taken twice, or not well.
fn faults(server: &Server<'_>, all: usize) -> Vec<String> {
    let mut known = 0;
    let deadline = Instant::now() + LIMIT;
    let jobs = loop {
        let status = server.status();
        let idle = status["jobs"]["running"] == 0 && status["jobs"]["queued"] == 0 && status["watched"][0]["waiting"] == 0;
        let jobs = server.ok(&["jobs", "--json"]);
        let number = jobs.lines().count();
        // Nothing more has come since the last look, which is longer ago than any film waits.
        if idle && number >= all && number == known {
            break jobs;
        }
        assert!(Instant::now() < deadline, "{number} of {all} jobs: {status}");
        known = number;
        std::thread::sleep(if number >= all { Duration::from_secs(12) } else { Duration::from_secs(1) });
    };
    let mut by_input: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in jobs.lines() {
        let job: Value = serde_json::from_str(line).expect("JSON");
        let text = |field: &str| job[field].as_str().unwrap_or_default().to_owned();
        by_input.entry(text("input")).or_default().push(text("state"));
    }
    assert_eq!(by_input.len(), all, "missed");
    let wrong = by_input.into_iter().filter(|(_, states)| *states != ["done"]);
    wrong.map(|(input, states)| format!("{input}: {}", states.join(", "))).collect()
}

#[test]
#[ignore = "half a minute; see `just watch`"]
fn without_the_time_that_a_film_has_to_look_the_same_films_are_taken_half_and_that_is_found() {
    let world = World::new();
    let preset = preset(&world);
    let (folder, preset) = (world.path("in"), preset.display().to_string());
    fs::create_dir_all(&folder).expect("made");
    let settings = format!("watch: [{{ folder: '{}', preset: '{preset}', quiet: 0 }}]\n", folder.display());
    world.write("home/.config/plimsoll/settings.yaml", settings);
    let server = Server::start(&world, &["-p", "fast"]);
    let paths: Vec<_> = (0..20).map(|number| folder.join(format!("film-{number:02}.mp4"))).collect();
    write_slowly(&fs::read(clips().tiny()).expect("read"), &paths);
    let faults = faults(&server, paths.len());
    println!("without quiet time {} of {} films are taken half, such as {:?}", faults.len(), paths.len(), faults.first());
    assert!(faults.len() >= paths.len() / 2, "the campaign would not find films that are taken half: {faults:?}");
}

#[test]
#[ignore = "a thousand jobs; see `just watch`"]
fn of_a_thousand_films_none_is_taken_half_none_is_missed_and_none_is_taken_twice() {
    let short = ShortQueue::new();
    if let Err(error) = &short {
        return crate::support::skip::skip(crate::support::skip::INOTIFY_LIMITS, error);
    }
    let world = World::new();
    let preset = preset(&world);
    let clip = fs::read(clips().tiny()).expect("read");
    let folder = world.path("in");
    let watch = format!("{}={}", folder.display(), preset.display());
    let args = ["--watch", &watch, "-p", "fast"];
    let server = Server::start(&world, &args);
    let began = Instant::now();
    let name = |kind: &str, number: usize| format!("{kind}-{}/film-{number:03}.mp4", number % 5);
    for kind in ["slow", "synced", "moved", "ftp", "open"] {
        for number in 0..5 {
            fs::create_dir(folder.join(format!("{kind}-{number}"))).expect("made");
        }
    }
    let lost = |status: &Value| status["watched"][0]["overflows"].as_u64().expect("a number");
    let (has_rsync, lost_at_first) = std::thread::scope(|scope| {
        scope.spawn(|| write_slowly(&clip, &(0..EACH).map(|number| folder.join(name("slow", number))).collect::<Vec<_>>()));
        scope.spawn(|| {
            for number in 0..EACH {
                let from = world.write(&format!("work/{number}.mp4"), &clip);
                fs::rename(from, folder.join(name("moved", number))).expect("moved");
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        scope.spawn(|| {
            for number in 0..EACH {
                let to = folder.join(name("ftp", number));
                let part = to.with_extension("mp4.filepart");
                write(&part, &clip[..clip.len() / 2]);
                std::thread::sleep(Duration::from_millis(50));
                write(&part, &clip[clip.len() / 2..]);
                fs::rename(part, to).expect("renamed");
            }
        });
        scope.spawn(|| {
            let mut open = Vec::new();
            for number in 0..MOVED_OPEN {
                let from = world.write(&format!("work/open-{number}.mp4"), &clip[..clip.len() / 2]);
                open.push(OpenOptions::new().append(true).open(&from).expect("opened"));
                fs::rename(from, folder.join(name("open", number))).expect("moved");
            }
            std::thread::sleep(Duration::from_secs(15));
            for mut writer in open {
                writer.write_all(&clip[clip.len() / 2..]).expect("written");
            }
        });
        let synced = scope.spawn(|| {
            for number in 0..EACH {
                world.write(&format!("from/{}", name("synced", number)), &clip);
            }
            rsync(&world.path("from/"), &folder).or_else(|| {
                crate::support::skip::skip(crate::support::skip::RSYNC, "it is not installed");
                None
            })
        });
        // In the middle of it the server goes, and comes back with films in every state.
        let status = server.until("some that are done", LIMIT, |status| status["jobs"]["done"].as_u64() >= Some(60));
        server.ok(&["stop"]);
        std::thread::sleep(Duration::from_secs(2));
        server.start_again(&args);
        (synced.join().expect("copied").is_some(), lost(&status))
    });
    let all = EACH * if has_rsync { 4 } else { 3 } + MOVED_OPEN;
    let written = began.elapsed();
    let faults = faults(&server, all);
    assert!(faults.is_empty(), "taken twice, or not well: {faults:?}");
    // One preset and the same bytes: the same outputs. One that was taken half would differ.
    assert_eq!(all_alike(&world.path("out"), ".copy.mp4"), all);
    let lost = lost_at_first + lost(&server.status());
    assert!(lost > 0, "no event was lost: nothing is proved of lost ones");
    println!(
        "{all} films in {:.0} s, written for {:.0} s: none half, none missed, none twice; events were lost {lost} times",
        began.elapsed().as_secs_f64(),
        written.as_secs_f64()
    );
}
