//! One queue for several workers: the built program on a real PostgreSQL, with real ffmpeg, and broken on purpose.
#![allow(clippy::disallowed_methods)] // a deadline needs the clock

mod agents;
mod faults;
mod fixture;
mod plan;
mod s3;
mod webapp;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use fixture::{Fleet, Worker, all_done};
use plimsoll::domain::units::Bytes;
use serde_json::Value;

use crate::support::cage::Cage;
use crate::support::clips::{clips, make_clips};
use crate::support::kernel::is_alive;
use crate::support::{PATIENCE, World, files_below, patient_ffmpeg, say};

#[test]
fn two_workers_share_a_queue_that_was_filled_from_here_and_drain_in_order() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "60s") else { return };
    make_clips(&world, 4, "320x180", 20);
    let none = fleet.ok(&["status"]);
    assert!(none.contains("0 workers, 0 queued"), "{none}");
    let jobs = fleet.add(&[world.path("in")]);
    assert_eq!(jobs.len(), 4);
    assert!(fleet.job(jobs[0])["reason"].as_str().is_some_and(|why| why == "no worker is there"), "{}", fleet.job(jobs[0]));
    let (first, second) = (fleet.worker("first", &[]), fleet.worker("second", &["--no-listen"]));
    fleet.until("all are done", all_done);
    assert_eq!(fleet.outputs().len(), 4, "one output each, with the bytes that the queue tells of");
    let status = fleet.json(&["status", "--json"]);
    assert_eq!((status["jobs"]["done"].as_i64(), status["workers"].as_array().map(Vec::len)), (Some(4), Some(2)), "{status}");
    let checked = fleet.json(&["check", "--json"]);
    assert!(checked.as_array().expect("findings").iter().all(|finding| finding["standing"] == "ok"), "{checked}");
    let told = fleet.ok(&["logs", &jobs[0].to_string()]);
    for part in ["queued: in/", "claimed on", "done on", "Memory usage before processing"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    [first, second].into_iter().for_each(Worker::drain);
    let left: Vec<PathBuf> = ["first", "second"].iter().flat_map(|name| files_below(&world.path(name).join("fleet"))).collect();
    assert_eq!(left, Vec::<PathBuf>::new(), "nothing of a claim stays");
    assert!(fleet.ok(&["status"]).contains("0 workers, 0 queued, 0 running, 4 done"), "{}", fleet.ok(&["status"]));
}

#[test]
fn the_job_of_a_worker_that_is_killed_is_done_by_another_and_has_one_output() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "2s") else { return };
    let tools = patient_ffmpeg(&world).to_string_lossy().into_owned();
    let job = fleet.add(&[world.put(&clips().tiny(), "film.mp4")])[0];
    let mut killed = fleet.worker("killed", &["--ffmpeg", &tools]);
    fleet.until_it_runs("killed");
    let children = std::fs::read_to_string(world.path("killed/children")).unwrap_or_default();
    killed.child.kill().expect("killed");
    let _ = killed.child.wait();
    let other = fleet.worker("other", &[]);
    let jobs = fleet.until("another has done it", all_done);
    assert_eq!((jobs[0]["losses"].as_i64(), jobs[0]["deaths"].as_i64()), (Some(1), Some(0)), "a loss is not the job's fault");
    assert_eq!(fleet.outputs().len(), 1);
    let pids = children.lines().filter_map(|line| line.split_whitespace().next()?.parse::<u32>().ok());
    assert!(pids.into_iter().all(|pid| !is_alive(pid)), "its ffmpeg went with it: {children}");
    // Its box begins anew: what it had is somebody else's by now.
    let again = fleet.worker("killed", &[]);
    fleet.until("it is there", |_| fleet.ok(&["status"]).starts_with(&format!("{}: 2 workers", shown(&fleet))));
    let deadline = Instant::now() + PATIENCE;
    while !files_below(&world.path("killed/fleet")).is_empty() {
        assert!(Instant::now() < deadline, "it tidies up: {:?}\n{}", files_below(&world.path("killed/fleet")), fleet.logs());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(fleet.outputs().len(), 1);
    assert_eq!(fleet.job(job)["attempts"], 2);
    [again, other].into_iter().for_each(Worker::drain);
}

#[test]
fn a_worker_that_is_started_again_goes_on_with_the_input_that_it_had() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "60s") else { return };
    let tools = patient_ffmpeg(&world).to_string_lossy().into_owned();
    fleet.add(&[world.put(&clips().tiny(), "film.mp4")]);
    let mut killed = fleet.worker("box", &["--ffmpeg", &tools]);
    fleet.until_it_runs("box");
    killed.child.kill().expect("killed");
    let _ = killed.child.wait();
    // It could not be brought a second time.
    std::fs::remove_dir_all(world.path("files/in")).expect("removed");
    let again = fleet.worker("box", &[]);
    let jobs = fleet.until("it is done", |jobs| jobs[0]["state"] != "running");
    assert_eq!((&jobs[0]["state"], &jobs[0]["reason"]), (&Value::from("done"), &Value::Null), "{}", fleet.logs());
    assert_eq!((jobs[0]["attempts"].as_i64(), jobs[0]["losses"].as_i64()), (Some(1), Some(0)));
    assert_eq!(fleet.outputs().len(), 1);
    again.drain();
}

#[test]
fn a_box_whose_ffmpeg_does_not_run_any_more_fails_no_job() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "60s") else { return };
    let tools = patient_ffmpeg(&world).to_string_lossy().into_owned();
    let broken = fleet.worker("broken", &["--ffmpeg", &tools]);
    fleet.until("it is there", |_| fleet.ok(&["status"]).contains("1 worker,"));
    for name in ["ffmpeg", "ffprobe"] {
        world.write(&format!("tools/{name}"), "#!/bin/sh\necho 'error while loading shared libraries: libx.so.9' >&2\nexit 127\n");
    }
    fleet.add(&[world.put(&clips().tiny(), "film.mp4")]);
    let is_told = |job: &Value| job["reason"].as_str().is_some_and(|why| why.contains("does not work: "));
    let jobs = fleet.until("it goes back", |jobs| is_told(&jobs[0]));
    assert_eq!((jobs[0]["state"].as_str(), jobs[0]["attempts"].as_i64()), (Some("queued"), Some(0)), "{jobs:?}");
    let well = fleet.worker("well", &[]);
    fleet.until("another does it", all_done);
    [broken, well].into_iter().for_each(Worker::drain);
}

fn shown(fleet: &Fleet<'_>) -> String {
    fleet.json(&["status", "--json"])["queue"].as_str().expect("an address").to_owned()
}

#[test]
fn a_worker_that_stands_still_past_its_lease_changes_nothing_when_it_wakes() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "2s") else { return };
    let tools = patient_ffmpeg(&world).to_string_lossy().into_owned();
    fleet.add(&[world.put(&clips().tiny(), "film.mp4")]);
    let stopped = fleet.worker("stopped", &["--ffmpeg", &tools]);
    fleet.until_it_runs("stopped");
    stopped.signal(libc::SIGSTOP);
    // Its ffmpeg goes on and ends well; nobody takes notice.
    std::fs::write(world.path("stopped/scratch/go"), "").expect("written");
    let other = fleet.worker("other", &[]);
    let jobs = fleet.until("another has done it", all_done);
    let before = jobs[0].clone();
    stopped.signal(libc::SIGCONT);
    let deadline = Instant::now() + PATIENCE;
    while !files_below(&world.path("stopped/fleet")).is_empty() {
        assert!(Instant::now() < deadline, "it gives it up: {}", fleet.logs());
        std::thread::sleep(Duration::from_millis(20));
    }
    let after = fleet.jobs().remove(0);
    for fact in ["state", "worker", "output", "blake3", "ended_at"] {
        assert_eq!(before[fact], after[fact], "{fact}");
    }
    fleet.ok(&["gc", "--older-than", "0s"]);
    assert_eq!(fleet.outputs().len(), 1, "one output is left, with the right bytes");
    [stopped, other].into_iter().for_each(Worker::drain);
}

#[test]
fn jobs_go_on_while_the_database_is_away_and_their_outputs_are_committed_afterwards() {
    let world = World::new();
    let Some(mut fleet) = Fleet::new(&world, "2s") else { return };
    let tools = patient_ffmpeg(&world).to_string_lossy().into_owned();
    fleet.add(&[world.put(&clips().tiny(), "film.mp4")]);
    let worker = fleet.worker("worker", &["--ffmpeg", &tools]);
    fleet.until_it_runs("worker");
    fleet.postgres.down();
    let away = fleet.say(&["status"]);
    assert_eq!(away.code, Some(69), "{}{}", away.out, away.err);
    assert!(away.err.contains("cannot be reached"), "{}", away.err);
    std::fs::write(world.path("worker/scratch/go"), "").expect("written");
    // Its output is made, with nobody to tell it to, for longer than the lease.
    let made =
        |world: &World| files_below(&world.path("worker/fleet")).iter().any(|file| file.to_string_lossy().contains("/out/film"));
    let deadline = Instant::now() + PATIENCE;
    while !made(&world) {
        assert!(Instant::now() < deadline, "{}", fleet.logs());
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(3));
    fleet.postgres.up().expect("up again");
    let jobs = fleet.until("it is committed", all_done);
    assert_eq!((jobs[0]["losses"].as_i64(), jobs[0]["attempts"].as_i64()), (Some(0), Some(1)), "nobody was given up");
    assert_eq!(fleet.outputs().len(), 1);
    worker.drain();
}

#[test]
fn a_job_that_does_not_fit_goes_to_the_box_that_can_take_it_or_it_is_told_that_none_can() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "60s") else { return };
    let large = world.put(&clips().of_height(1080), "large.mp4");
    let [small_job, large_job] = fleet.add(&[world.put(&clips().tiny(), "small.mp4"), large])[..] else { panic!("two jobs") };
    let small = fleet.worker("small", &["--budget", "96MB"]);
    let jobs = fleet.until("it is told", |jobs| {
        let of = |job: i64| jobs.iter().find(|row| row["job"] == job).expect("a job");
        of(small_job)["state"] == "done" && of(large_job)["reason"].as_str().is_some_and(|why| why.contains("the largest box"))
    });
    assert!(jobs.iter().all(|job| job["deaths"] == 0), "{jobs:?}");
    let box_of = |job: &Value| job["worker"].as_str().expect("a box").to_owned();
    let big = fleet.worker("big", &["--budget", "1500MB"]);
    fleet.until("the large one is done", all_done);
    assert!(box_of(&fleet.job(large_job)).ends_with("/big"), "{}", fleet.job(large_job));
    [small, big].into_iter().for_each(Worker::drain);
}

#[test]
fn what_a_film_needs_is_known_before_any_worker_has_looked_and_is_what_a_worker_finds() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "60s") else { return };
    // One from here, one that lies in the store, and one that is no film: what is wrong with it a worker tells.
    let film = world.put(&clips().tiny(), "film.mp4");
    world.write("files/raw/film.mp4", std::fs::read(&film).expect("read"));
    let broken = world.write("in/broken.mp4", "this is no film");
    let jobs = fleet.add(&[film, "raw/film.mp4".into(), broken]);
    let needs = |job: i64| fleet.job(job)["needs_bytes"].as_i64();
    let known = [needs(jobs[0]), needs(jobs[1]), needs(jobs[2])];
    // A path is taken before a key.
    assert!(known[0].is_some() && known == [known[0], None, known[0]], "{known:?}");
    let worker = fleet.worker("worker", &[]);
    fleet.until("they have ended", |jobs| jobs.iter().all(|job| job["state"] == "done" || job["state"] == "rejected"));
    // The first that is looked at: those after it may be told by what it has taken.
    assert_eq!(needs(jobs[0]), known[0]);
    worker.drain();
}

#[test]
#[ignore = "films of 4K, one after the other (five minutes); `just fleet` runs it"]
fn two_boxes_of_512_mb_work_off_films_of_every_size_and_the_kernel_kills_nothing() {
    let world = World::new();
    let boxes = ["one", "two"].map(|name| Cage::of(&format!("fleet-{name}"), Bytes::mib(512)));
    let [Some(first), Some(second)] = boxes else { return };
    let Some(fleet) = Fleet::new(&world, "60s") else { return };
    let sizes = ["640x360", "854x480", "1280x720", "1920x1080", "2560x1440", "3840x2160"];
    // The last is more than either box takes.
    let films = sizes.iter().chain(&sizes).map(|size| (*size, 100)).chain([("7680x4320", 10)]);
    for (number, (size, frames)) in films.enumerate() {
        make_clips(&world, 1, size, frames);
        let made = world.path("in/clip-01.mp4");
        std::fs::rename(made, world.path(format!("in/{number:02}-{size}.mp4"))).expect("renamed");
    }
    let jobs = fleet.add(&[world.path("in")]);
    assert_eq!(jobs.len(), 2 * sizes.len() + 1);
    let workers = [fleet.worker_in("one", &first), fleet.worker_in("two", &second)];
    let largest = || {
        let status = fleet.json(&["status", "--json"]);
        let workers = status["workers"].as_array().expect("workers").clone();
        workers.iter().filter_map(|worker| worker["largest_bytes"].as_i64()).max().unwrap_or(0)
    };
    let is_told = |job: &Value| job["reason"].as_str().is_some_and(|why| why.contains("the largest box that is there can take"));
    let began = Instant::now();
    let ended = fleet.until_within(Duration::from_mins(20), "each is done, or told that none can take it", |jobs| {
        // A box that has just come takes nothing yet, and says so.
        let works = jobs.iter().any(|job| job["state"] == "done");
        works && jobs.iter().all(|job| job["state"] == "done" || (job["state"] == "queued" && is_told(job)))
    });
    let largest = largest();
    for job in &ended {
        let needs = job["needs_bytes"].as_i64().expect("known from the first moment");
        println!("{} needs {} MB: {} on {}", job["input"], needs >> 20, job["state"], job["worker"]);
        assert_eq!(job["state"] == "queued", needs > largest, "where it fits it is done: {job}");
        assert_eq!((&job["deaths"], &job["losses"]), (&0.into(), &0.into()), "{job}");
    }
    assert_eq!(ended.iter().filter(|job| job["state"] == "queued").count(), 1, "the largest is told");
    let at = |name: &str| ended.iter().filter(|job| job["worker"].as_str().is_some_and(|at| at.ends_with(name))).count();
    assert!(at("/one") > 0 && at("/two") > 0, "both work: {ended:#?}");
    workers.into_iter().for_each(Worker::drain);
    let kills = [first.kills(), second.kills()];
    println!(
        "{} films, the largest box takes {} MB, {:.0} s, kernel kills {kills:?}",
        ended.len(),
        largest >> 20,
        began.elapsed().as_secs_f64()
    );
    assert_eq!(kills, [0, 0]);
}

#[test]
fn a_job_is_cancelled_while_it_runs_and_may_be_tried_again() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "60s") else { return };
    let tools = patient_ffmpeg(&world).to_string_lossy().into_owned();
    let job = fleet.add(&[world.put(&clips().tiny(), "film.mp4")])[0].to_string();
    let worker = fleet.worker("worker", &["--ffmpeg", &tools]);
    fleet.until_it_runs("worker");
    assert!(fleet.ok(&["cancel", &job]).contains("is being cancelled"));
    fleet.until("it is cancelled", |jobs| jobs[0]["state"] == "cancelled");
    assert_eq!(fleet.say(&["cancel", &job]).code, Some(1), "it has ended already");
    std::fs::write(world.path("worker/scratch/go"), "").expect("written");
    assert!(fleet.ok(&["retry", &job]).contains("waits again"));
    fleet.until("it is done", all_done);
    // A wrong film is told, and is nobody else's trouble.
    let broken = world.write("in/broken.mp4", "this is no film");
    fleet.add(&[broken]);
    let jobs = fleet.until("it is rejected", |jobs| jobs.iter().any(|job| job["state"] == "rejected"));
    assert!(jobs[1]["reason"].as_str().is_some_and(|why| !why.is_empty()), "{jobs:?}");
    worker.drain();
}

#[test]
fn what_is_wrong_with_the_queue_or_the_files_is_told_before_anything_runs() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "60s") else { return };
    let mut without = world.command(["worker"]);
    without.env("PLIMSOLL_FILES", "/tmp/x");
    let said = say(without);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("--queue postgres://USER@HOST/DATABASE, or in PLIMSOLL_QUEUE"), "{}", said.err);
    // A database without a fleet: the worker ends, with what to do.
    let mut stray = fleet.command(&["worker", "--state-dir"]);
    stray.arg(world.path("stray")).env("PLIMSOLL_QUEUE", fleet.postgres.address_of("template1"));
    let said = say(stray);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("plimsoll fleet init"), "{}", said.err);
    let missing = fleet.say(&["add", "in/nothing.mp4"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.err.contains("in/nothing.mp4 is not there"), "{}", missing.err);
    let twice = fleet.say(&["add", "--target", "a.mp4", "x.mp4", "y.mp4"]);
    assert_eq!(twice.code, Some(2), "{}", twice.err);
    let secret = say(world.command(["fleet", "status", "--queue", "postgres://anna:secret@127.0.0.1:1/films"]));
    assert_eq!(secret.code, Some(69));
    assert!(secret.err.contains("can be seen by all users") && !secret.err.contains("secret@"), "{}", secret.err);
}

#[test]
fn an_output_gets_the_name_that_was_wished_for_and_what_stands_there_is_not_replaced() {
    let world = World::new();
    let Some(fleet) = Fleet::new(&world, "60s") else { return };
    world.put(&clips().tiny(), "film.mp4");
    let film = world.path("in/film.mp4").to_string_lossy().into_owned();
    fleet.ok(&["add", "--target", "films/ä 1.mp4", &film]);
    std::fs::create_dir_all(world.path("files/films")).expect("made");
    std::fs::write(world.path("files/films/taken.mp4"), "somebody's").expect("written");
    fleet.ok(&["add", "--target", "films/taken.mp4", &film]);
    let worker = fleet.worker("worker", &[]);
    let jobs = fleet.until("both are done", |jobs| all_done(jobs) && jobs[0]["output"] == "films/ä 1.mp4");
    assert!(world.path("files/films/ä 1.mp4").is_file());
    assert_eq!(std::fs::read_to_string(world.path("files/films/taken.mp4")).expect("read"), "somebody's");
    assert!(jobs[1]["output"].as_str().is_some_and(|key| key.starts_with("out/")), "{jobs:?}");
    worker.drain();
}

#[test]
fn a_job_that_is_cancelled_while_its_output_waits_to_be_stored_is_not_left_running() {
    let world = World::new();
    let Some(mut fleet) = Fleet::new(&world, "60s") else { return };
    let tools = patient_ffmpeg(&world).to_string_lossy().into_owned();
    let job = fleet.add(&[world.put(&clips().tiny(), "film.mp4")])[0].to_string();
    let worker = fleet.worker("worker", &["--ffmpeg", &tools]);
    fleet.until_it_runs("worker");
    // Its output is made while nobody can be told; it hears of the end and of the cancelling together.
    fleet.postgres.down();
    std::fs::write(world.path("worker/scratch/go"), "").expect("written");
    let is_made = || files_below(&world.path("worker/fleet")).iter().any(|file| file.to_string_lossy().contains("/out/film"));
    let deadline = Instant::now() + PATIENCE;
    while !is_made() {
        assert!(Instant::now() < deadline, "{}", fleet.logs());
        std::thread::sleep(Duration::from_millis(20));
    }
    worker.signal(libc::SIGSTOP);
    fleet.postgres.up().expect("up again");
    fleet.ok(&["cancel", &job]);
    worker.signal(libc::SIGCONT);
    fleet.until("it is cancelled", |jobs| jobs[0]["state"] == "cancelled");
    assert_eq!(fleet.outputs(), Vec::<PathBuf>::new());
    worker.drain();
}

#[test]
fn a_worker_whose_queue_cannot_be_reached_ends_when_it_is_told_to() {
    let world = World::new();
    std::fs::create_dir_all(world.path("files")).expect("made");
    for by_command in [false, true] {
        let mut command = world.command(["worker", "--queue", "postgres://nobody@127.0.0.1:1/films", "--files"]);
        command.arg(world.path("files")).arg("--state-dir").arg(world.path("state"));
        let mut worker = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(worker.stderr.take().expect("piped")).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("trying again")), "it says that it waits for its queue");
        if by_command {
            let stopped = say({
                let mut stop = world.command(["stop", "--state-dir"]);
                stop.arg(world.path("state"));
                stop
            });
            assert_eq!(stopped.code, Some(0), "{}", stopped.err);
        } else {
            rustix::process::kill_process(rustix::process::Pid::from_child(&worker), rustix::process::Signal::TERM).expect("sent");
        }
        let rest: Vec<String> = lines.collect();
        assert_eq!(worker.wait().expect("ends").code(), Some(0), "{rest:?}");
    }
}
