//! A thousand films in every way at once, with lost events and a restart in the middle: `just watch`.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

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

#[test]
#[ignore = "a thousand jobs; see `just watch`"]
fn of_a_thousand_films_none_is_taken_half_none_is_missed_and_none_is_taken_twice() {
    let short = ShortQueue::new();
    if let Err(error) = &short {
        return crate::support::skip::skip(crate::support::skip::INOTIFY_LIMITS, error);
    }
    let world = World::new();
    // A film is a second long there; to copy its streams takes what a process takes.
    let preset =
        world.write("copy.yaml", "name: copy\nvideo: { codec: copy }\naudio: { codec: copy }\ncontainer: mp4\nthreads: 1\n");
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
    let write = |path: &Path, bytes: &[u8]| {
        OpenOptions::new().create(true).append(true).open(path).expect("opened").write_all(bytes).expect("written");
    };
    let has_rsync = std::thread::scope(|scope| {
        // Four pieces with pauses of seconds, the file closed in between.
        scope.spawn(|| {
            for piece in clip.chunks(clip.len().div_ceil(4)) {
                for number in 0..EACH {
                    write(&folder.join(name("slow", number)), piece);
                }
                std::thread::sleep(Duration::from_secs(5));
            }
        });
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
        server.until("some that are done", LIMIT, |status| status["jobs"]["done"].as_u64() >= Some(60));
        server.ok(&["stop"]);
        std::thread::sleep(Duration::from_secs(2));
        server.start_again(&args);
        synced.join().expect("copied").is_some()
    });
    let all = EACH * if has_rsync { 4 } else { 3 } + MOVED_OPEN;
    let written = began.elapsed();
    let mut known = 0;
    let deadline = Instant::now() + LIMIT;
    loop {
        let status = server.status();
        let idle = status["jobs"]["running"] == 0 && status["jobs"]["queued"] == 0 && status["watched"][0]["waiting"] == 0;
        let jobs = server.ok(&["jobs", "--json"]).lines().count();
        // Nothing more has come since the last look, which is longer ago than any film waits.
        if idle && jobs >= all && jobs == known {
            break;
        }
        assert!(Instant::now() < deadline, "{jobs} of {all} jobs: {status}");
        known = jobs;
        std::thread::sleep(if jobs >= all { Duration::from_secs(12) } else { Duration::from_secs(1) });
    }
    let inputs = server.inputs("in");
    let twice: Vec<_> = inputs.iter().filter(|(_, times)| **times != 1).collect();
    assert!(twice.is_empty(), "taken more than once: {twice:?}");
    assert_eq!(inputs.len(), all, "missed");
    // One preset and the same bytes: the same outputs. One that was taken half would differ.
    assert_eq!(all_alike(&world.path("out"), ".copy.mp4"), all);
    println!(
        "{all} films in {:.0} s, written for {:.0} s: none half, none missed, none twice",
        began.elapsed().as_secs_f64(),
        written.as_secs_f64()
    );
}
