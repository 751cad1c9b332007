//! The same with the files in a bucket, on a real S3 server in the test process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hyper::Method;
use plimsoll::host::fleet::files::{Files, ObjectAddress, Patience, Settings};
use serde_json::Value;

use super::fixture::{Fleet, Worker, all_done};
use crate::s3::{ACCESS_KEY, SECRET_KEY, Server};
use crate::support::clips::{clips, make_clips, probe};
use crate::support::{PATIENCE, World, patient_ffmpeg, say, tool, tool_path};

/// A store cuts what is larger into parts.
const PART: u64 = 8 * 1024 * 1024;

/// What opens the bucket of a server, as a process of the fleet has it in its environment.
pub(super) fn environment(server: &Server) -> Vec<(&'static str, String)> {
    vec![
        ("PLIMSOLL_FILES", "s3://films/prod".to_owned()),
        ("AWS_ENDPOINT_URL", server.endpoint()),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
    ]
}

/// The bucket as somebody else reads it who has the keys.
struct Reader {
    files: Files,
    runtime: tokio::runtime::Runtime,
}

impl Reader {
    fn new(server: &Server) -> Self {
        let settings: Settings = environment(server).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let files = Files::open_with("s3://films/prod", settings, Patience::default()).expect("a store");
        Self { files, runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop") }
    }

    /// Fetches an object; its hash.
    fn fetch(&self, key: &str, into: &Path) -> String {
        let object = ObjectAddress::parse(key).expect("a key");
        let mut on = |_| std::ops::ControlFlow::Continue(());
        let fetched = self.runtime.block_on(self.files.fetch(&object, None, into, &mut on));
        fetched.unwrap_or_else(|error| panic!("{key}: {error}")).blake3.to_hex().to_string()
    }

    /// The keys below this one.
    fn keys(&self, under: &str) -> Vec<String> {
        let mut keys = Vec::new();
        let mut listing = self.files.list(under).expect("a listing");
        while let Some(page) = self.runtime.block_on(listing.next_page()).expect("a page") {
            keys.extend(page.into_iter().map(|object| object.key));
        }
        keys
    }

    /// Every output is there once, playable, with the hash and the size that the queue tells of it, and nothing else is.
    fn check_outputs(&self, fleet: &Fleet<'_>) {
        let jobs = fleet.jobs();
        let into = fleet.world.path("fetched.mp4");
        for job in jobs.iter().filter(|job| job["state"] == "done") {
            let key = job["output"].as_str().expect("a key");
            assert_eq!(self.fetch(key, &into).as_str(), job["blake3"], "{job}");
            assert_eq!(std::fs::metadata(&into).expect("fetched").len(), job["output_bytes"].as_u64().expect("a size"), "{job}");
            assert!(probe(&into).is_some(), "it plays: {job}");
            std::fs::remove_file(&into).expect("removed");
        }
        assert_eq!(self.keys("out").len(), jobs.iter().filter(|job| job["state"] == "done").count(), "one output each");
        let unrecorded = fleet.json(&["gc", "--dry-run", "--json", "--older-than", "0s"]);
        assert_eq!(unrecorded["removed"], Value::Array(Vec::new()), "all are recorded");
    }
}

/// Noise, of which an output has more than a part.
fn noise(world: &World) -> PathBuf {
    let to = world.path("in/noise.mp4");
    let made = Command::new(tool("ffmpeg"))
        .env("PATH", tool_path())
        .args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "color=gray:size=640x360:rate=10,noise=alls=100:allf=t"])
        .args(["-t", "8", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"])
        .arg(&to)
        .status();
    assert!(made.expect("ffmpeg runs").success());
    to
}

fn until(fleet: &Fleet<'_>, what: &str, mut wanted: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !wanted() {
        assert!(Instant::now() < deadline, "waited too long for: {what}\n{:#?}\n{}", fleet.jobs(), fleet.logs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn films_from_here_from_the_bucket_and_from_another_one_are_converted_into_the_bucket() {
    let (world, server) = (World::new(), Server::start());
    server.manners.honest.store(true, Ordering::SeqCst);
    let Some(fleet) = Fleet::with_files(&world, "60s", environment(&server)) else { return };
    make_clips(&world, 2, "320x180", 20);
    noise(&world);
    let own = server.file("prod/incoming/a b.mp4");
    std::fs::create_dir_all(own.parent().expect("a folder")).expect("made");
    std::fs::copy(clips().tiny(), own).expect("copied");
    std::fs::copy(clips().other(), server.make_bucket("other-bucket").join("ü #1.mp4")).expect("copied");
    let jobs = fleet.add(&[world.path("in"), "incoming/a b.mp4".into(), "s3://other-bucket/ü #1.mp4".into()]);
    assert_eq!(jobs.len(), 5);
    fleet.ok(&["add", "--target", "ready/a b.mp4", "incoming/a b.mp4"]);
    let missing = fleet.say(&["add", "incoming/nothing.mp4", "s3://other-bucket/nothing.mp4", "s3://no-bucket/a.mp4"]);
    assert_eq!(missing.code, Some(1), "{}", missing.err);
    for what in ["s3://films/prod/incoming/nothing.mp4", "s3://other-bucket/nothing.mp4", "s3://no-bucket/a.mp4"] {
        assert!(missing.err.contains(&format!("{what} is not there")), "{what}: {}", missing.err);
    }
    server.requests();
    let workers = [fleet.worker("first", &[]), fleet.worker("second", &["--no-listen"])];
    let done = fleet.until("all are done", |jobs| all_done(jobs) && jobs.iter().any(|job| job["output"] == "ready/a b.mp4"));
    assert_eq!(done.len(), 6);
    let checked = fleet.json(&["check", "--json"]);
    assert!(checked.as_array().expect("findings").iter().all(|finding| finding["standing"] == "ok"), "{checked}");

    let large = done.iter().find(|job| job["input"].as_str().is_some_and(|input| input.ends_with("noise.mp4"))).expect("a job");
    assert!(large["output_bytes"].as_u64().expect("a size") > PART, "{large}");
    let sent = server.requests();
    let parts = sent.iter().filter(|(method, path, _)| *method == Method::PUT && path.contains("partNumber=")).count();
    assert!(parts >= 2, "the large one was sent in parts: {sent:#?}");
    assert_eq!(server.parts(), 0, "and they are one object now");
    let reader = Reader::new(&server);
    assert_eq!(reader.keys("ready"), ["ready/a b.mp4"]);
    reader.check_outputs(&fleet);
    workers.into_iter().for_each(Worker::drain);
}

#[test]
fn a_worker_with_a_wrong_secret_takes_nothing_and_says_why() {
    const WRONG: [(&str, &str); 1] = [("AWS_SECRET_ACCESS_KEY", "wrong")];
    let (world, server) = (World::new(), Server::start());
    let Some(fleet) = Fleet::with_files(&world, "60s", environment(&server)) else { return };
    make_clips(&world, 3, "160x90", 5);
    fleet.add(&[world.path("in")]);
    let wrong = fleet.worker_with("wrong", &[], &WRONG);
    let why = "takes nothing for now: the store refuses s3://films/prod/.plimsoll/";
    until(&fleet, "it stands down", || fleet.ok(&["status"]).contains(why));
    let told = fleet.ok(&["status"]);
    assert!(told.contains("the secret key is wrong: check AWS_SECRET_ACCESS_KEY"), "{told}");
    for job in fleet.jobs() {
        assert_eq!((job["state"].as_str(), job["attempts"].as_i64()), (Some("queued"), Some(0)), "nobody has touched it: {job}");
    }
    let mut check = fleet.command(&["fleet", "check"]);
    check.envs(WRONG);
    let checked = say(check);
    assert_eq!(checked.code, Some(1), "{}{}", checked.out, checked.err);
    assert!(checked.out.lines().any(|line| line.starts_with("failed   files") && line.contains("secret key")), "{}", checked.out);
    let checked = fleet.ok(&["check"]);
    assert!(checked.lines().any(|line| line.starts_with("warning  worker") && line.contains("secret key")), "{checked}");

    // A box with the right one does them, and so does the same box when it is mended.
    let right = fleet.worker("right", &[]);
    fleet.until("another has done them", all_done);
    right.drain();
    wrong.drain();
    let wrong = fleet.worker_with("wrong", &[], &WRONG);
    fleet.add(&[world.put(&clips().tiny(), "later.mp4")]);
    until(&fleet, "it stands down", || fleet.ok(&["status"]).contains(why));
    wrong.drain();
    let mended = fleet.worker("wrong", &[]);
    fleet.until("it is done by the box that was mended", all_done);
    Reader::new(&server).check_outputs(&fleet);
    mended.drain();
}

#[test]
fn a_store_that_dies_while_a_film_is_converted_or_half_stored_costs_nothing_but_time() {
    let (world, mut server) = (World::new(), Server::start());
    let Some(fleet) = Fleet::with_files(&world, "60s", environment(&server)) else { return };
    let tools = patient_ffmpeg(&world).to_string_lossy().into_owned();
    fleet.add(&[noise(&world)]);
    let worker = fleet.worker("worker", &["--ffmpeg", &tools]);
    fleet.until_it_runs("worker");
    server.down();
    // Whoever knocks at its door meanwhile is not let in.
    let knocks = server.port();
    std::fs::write(world.path("worker/scratch/go"), "").expect("written");
    drop(knocks.accept().expect("the output is about to be stored"));
    drop(knocks);
    // Again when all parts are there and only the last word is missing.
    server.manners.hang_at_completion.store(true, Ordering::SeqCst);
    server.up();
    until(&fleet, "its parts are stored", || !server.manners.hang_at_completion.load(Ordering::SeqCst));
    assert!(server.parts() >= 2);
    assert_eq!(Reader::new(&server).keys("out"), Vec::<String>::new(), "nothing half is to be seen");
    server.down();
    assert_eq!(fleet.jobs()[0]["state"], "running");
    server.up();
    let jobs = fleet.until("it is stored", all_done);
    assert_eq!((jobs[0]["attempts"].as_i64(), jobs[0]["losses"].as_i64()), (Some(1), Some(0)), "it was converted once");
    assert_eq!(server.parts(), 0);
    Reader::new(&server).check_outputs(&fleet);
    worker.drain();
}

#[test]
#[ignore = "the store is away for longer than the minute in which it is asked again; `just fleet` runs it"]
fn an_output_is_kept_while_the_store_is_away_for_longer_than_it_is_asked() {
    let (world, mut server) = (World::new(), Server::start());
    let Some(fleet) = Fleet::with_files(&world, "60s", environment(&server)) else { return };
    let tools = patient_ffmpeg(&world).to_string_lossy().into_owned();
    fleet.add(&[world.put(&clips().tiny(), "film.mp4")]);
    let worker = fleet.worker("worker", &["--ffmpeg", &tools]);
    fleet.until_it_runs("worker");
    server.down();
    let knocks = server.port();
    std::fs::write(world.path("worker/scratch/go"), "").expect("written");
    // It asks with growing pauses of 16 s at most, and gives up after a minute; then all that begins again.
    knocks.set_nonblocking(true).expect("a listener");
    let first = Instant::now();
    while first.elapsed() < Duration::from_secs(100) {
        until(&fleet, "it asks", || knocks.accept().map(drop).is_ok());
    }
    assert_eq!(fleet.jobs()[0]["state"], "running", "it is not given back: {}", fleet.logs());
    drop(knocks);
    server.up();
    let jobs = fleet.until("it is stored", all_done);
    assert_eq!(jobs[0]["attempts"], 1, "it was converted once");
    Reader::new(&server).check_outputs(&fleet);
    worker.drain();
}
