//! Proofs in a real box: a memory cgroup with a limit, real ffmpeg jobs in it, and the kernel as the judge.
//!
//! Needs the right to make v1 memory cgroups, or a delegated v2 one. Where that is missing each test says so and proves
//! nothing. What takes long is ignored by default: `just box` runs it all.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // deadlines and measurements need the clock

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::cage::Cage;
use crate::support::pace::at_most;
use crate::support::skip::{DISK_READS, MEMORY_GROUP, PRESSURE, skip};
use plimsoll::domain::cleanup::{CleanupAction, CleanupId};
use plimsoll::domain::job::{Exit, JobId};
use plimsoll::domain::units::{Bytes, MIB};
use plimsoll::engine::port::{CleanOrder, Input, JobReport};
use plimsoll::host::memory::cgroup::Roots;
use plimsoll::host::memory::cleanup::{Cleaner, CleanerConfig};
use plimsoll::host::memory::file_ledger::FileLedger;
use plimsoll::host::memory::job_cgroup::JobGroups;
use plimsoll::host::memory::sampler::{SampleSource, Sampler, SamplerConfig};
use plimsoll::host::process::supervisor::{Launch, Supervisor, SupervisorConfig};
use serde_json::Value;
use tempfile::TempDir;

/// Longest time a run may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(5);

/// One real clip, and further names for it: what a job reads is the same each time, what it costs too.
fn clips(dir: &Path, count: u32, size: &str, frames: u32) -> PathBuf {
    let folder = dir.join("clips");
    fs::create_dir_all(&folder).expect("made");
    let first = folder.join("clip-01.mp4");
    let made = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-nostdin", "-y", "-f", "lavfi", "-i", &format!("testsrc2=s={size}:r=25")])
        .args(["-frames:v", &frames.to_string(), "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"])
        .arg(&first)
        .status()
        .expect("ffmpeg runs");
    assert!(made.success());
    for number in 2..=count {
        fs::copy(&first, folder.join(format!("clip-{number:02}.mp4"))).expect("copied");
    }
    folder
}

/// A preset of x264 medium at this height.
fn preset(dir: &Path, height: u32, threads: u32) -> PathBuf {
    let path = dir.join(format!("box-{height}p.yaml"));
    let text = format!(
        "name: box-{height}p\nvideo: {{ codec: libx264, preset: medium, crf: 23, height: {height}, pixel_format: yuv420p }}\n\
         container: mp4\nthreads: {threads}\n"
    );
    fs::write(&path, text).expect("written");
    path
}

/// What a run in a box came to.
struct Outcome {
    code: Option<i32>,
    events: Vec<Value>,
    /// Kills by the kernel in the box, jobs' own groups included, as the machine counts them.
    kernel_kills: u64,
    /// Highest anonymous memory in the box, looked at from outside.
    seen_anon: u64,
    stderr: String,
}

impl Outcome {
    fn of(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["event"] == kind).collect()
    }

    /// The last outcome of every job.
    fn outcomes(&self) -> Vec<String> {
        self.of("job_finished").iter().filter_map(|event| event["outcome"].as_str().map(str::to_owned)).collect()
    }

    fn count(&self, outcome: &str) -> usize {
        self.outcomes().iter().filter(|known| *known == outcome).count()
    }

    fn finish(&self) -> &Value {
        self.of("run_finished").pop().unwrap_or_else(|| panic!("no run_finished: {}", self.stderr))
    }

    fn figures(&self, name: &str) {
        let finish = self.finish();
        println!(
            "{name}: exit {:?}, kernel kills {}, done {}, out_of_memory {}, failed {}, peak hard {:.0} MB of {:.0}, outside peak anon {:.0} MB, \
             {} s, holds {}, stops {}, requeues {}, oom_kills {}",
            self.code,
            self.kernel_kills,
            self.count("done"),
            self.count("out_of_memory"),
            self.count("failed"),
            mb(&finish["peak_memory_bytes"]),
            mb(&finish["budget_bytes"]),
            self.seen_anon as f64 / MIB as f64,
            finish["seconds"],
            finish["holds"],
            finish["stops"],
            finish["requeues"],
            finish["oom_kills"],
        );
    }

    /// Everything that a governed run promises.
    fn assert_all_done(&self, jobs: usize) {
        assert_eq!(self.kernel_kills, 0, "the kernel had to kill: {}", self.stderr);
        assert_eq!((self.count("done"), self.code), (jobs, Some(0)), "{:?}: {}", self.outcomes(), self.stderr);
        let finish = self.finish();
        let (peak, budget) = (finish["peak_memory_bytes"].as_u64(), finish["budget_bytes"].as_u64());
        assert!(peak.is_some() && peak <= budget, "hard peaked at {peak:?} of {budget:?}");
    }
}

fn mb(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN) / MIB as f64
}

/// Starts `plimsoll run --json` in the box.
fn start(cage: &Cage, home: &Path, args: &[&std::ffi::OsStr]) -> Child {
    let mut command = plimsoll_on_the_path();
    command.args(["run", "--json", "--state-dir"]).arg(home.join("state")).arg("-o").arg(home.join("out")).args(args);
    command.env("HOME", home).env_remove("XDG_STATE_HOME").env_remove("XDG_CACHE_HOME").current_dir(home);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    cage.spawn(&mut command)
}

/// plimsoll, with itself on the search path: a job may run what is there, and nothing else.
fn plimsoll_on_the_path() -> Command {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_plimsoll"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(program.parent().map(std::path::Path::to_owned));
    let mut command = Command::new(program);
    command.env("PATH", std::env::join_paths(folders).expect("a path"));
    command
}

/// An ffmpeg that, for inputs with `greedy` in their name, holds memory along a curve instead of doing what it is told.
fn ffmpeg_with_a_greedy_one(dir: &Path, curve: &str, seconds: u32) -> PathBuf {
    let which = |tool: &str| {
        let said = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().expect("asked");
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    };
    let tools = dir.join("tools");
    fs::create_dir_all(&tools).expect("made");
    std::os::unix::fs::symlink(which("ffprobe"), tools.join("ffprobe")).expect("linked");
    let path = tools.join("ffmpeg");
    let (plimsoll, ffmpeg) = (env!("CARGO_BIN_EXE_plimsoll"), which("ffmpeg"));
    let go = may_grow(dir);
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in *greedy*) while [ ! -e '{}' ]; do sleep 0.05; done\n\
         exec '{plimsoll}' load-job --curve {curve} --seconds {seconds};; esac\nexec '{ffmpeg}' \"$@\"\n",
        go.display()
    );
    fs::write(&path, text).expect("written");
    fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("made executable");
    path
}

/// Once this file is there, a greedy one grows.
fn may_grow(dir: &Path) -> PathBuf {
    dir.join("tools/go")
}

/// As [`run`] for a folder of clips and a preset, with these options.
fn run_with(cage: &Cage, home: &Path, options: &[&str], preset: &Path, folder: &Path) -> Outcome {
    let options = options.iter().map(std::ffi::OsStr::new);
    let args: Vec<_> = options.chain([std::ffi::OsStr::new("--preset"), preset.as_os_str(), folder.as_os_str()]).collect();
    run(cage, home, &args)
}

/// Runs `plimsoll run --json` in the box, to its end.
fn run(cage: &Cage, home: &Path, args: &[&std::ffi::OsStr]) -> Outcome {
    let mut child = start(cage, home, args);
    let (out, err) = (reader(child.stdout.take()), reader(child.stderr.take()));
    let deadline = Instant::now() + PATIENCE;
    let mut seen_anon = 0;
    let code = loop {
        seen_anon = seen_anon.max(cage.anon());
        if let Some(status) = child.try_wait().expect("waits") {
            break status.code();
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("it does not end: {}", err.recv().unwrap_or_default());
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let lines = out.recv().expect("read");
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    let kernel_kills = cage.kills();
    Outcome { code, events, kernel_kills, seen_anon, stderr: err.recv().expect("read") }
}

/// Reads a pipe to its end, aside.
fn reader(pipe: Option<impl std::io::Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    let mut pipe = pipe.expect("piped");
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.read_to_end(&mut text);
        let _ = sender.send(String::from_utf8_lossy(&text).into_owned());
    });
    receiver
}

/// A process of somebody else's in the box, holding memory along a curve; ended when dropped.
struct Stranger(Child);

impl Stranger {
    fn new(cage: &Cage, curve: &str, seconds: u32) -> Self {
        let mut command = plimsoll_on_the_path();
        command.args(["load-job", "--curve", curve, "--seconds", &seconds.to_string()]);
        Self(cage.spawn(&mut command))
    }

    /// Waits until it holds this much.
    fn holding(self, mib: u64) -> Self {
        let deadline = Instant::now() + PATIENCE;
        while crate::support::cage::anon_of(self.0.id()) < mib * MIB * 9 / 10 {
            assert!(Instant::now() < deadline, "the stranger never grew");
            std::thread::sleep(Duration::from_millis(20));
        }
        self
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn without_the_governor_every_kill_in_a_small_box_is_named_and_the_console_lives() {
    let Some(cage) = Cage::of("naive", Bytes::mib(400)) else { return };
    let home = tempfile::tempdir().expect("a folder");
    let folder = clips(home.path(), 4, "1920x1080", 60);
    // The four grow in step, and where the machine is quick the kernel may take all of them at once. The fifth starts when
    // the first of them has ended, and is done before it is large.
    let later = clips(&home.path().join("later"), 1, "1920x1080", 5);
    let preset = preset(home.path(), 720, 2);
    let args = ["-p", "fast", "--no-governor", "--retries", "0", "--preset"].map(std::ffi::OsStr::new);
    let args: Vec<_> = args.into_iter().chain([preset.as_os_str(), folder.as_os_str(), later.as_os_str()]).collect();
    let ran = run(&cage, home.path(), &args);
    ran.figures("naive, 400 MB, four at once");
    assert!(ran.kernel_kills > 0, "the box is too roomy to prove anything");
    assert_eq!(ran.code, Some(1), "the console lived to say so: {}", ran.stderr);
    let finished = ran.of("job_finished");
    assert_eq!(finished.len(), 5, "every job ends once");
    assert_eq!(ran.count("out_of_memory") as u64, ran.kernel_kills, "each kill is one job's, and each is named");
    assert_eq!(ran.count("done") + ran.count("out_of_memory"), 5, "{:?}", ran.outcomes());
    assert!(ran.count("done") > 0, "whoever is not over the limit lives");
    for killed in finished.iter().filter(|event| event["outcome"] == "out_of_memory") {
        let reason = killed["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("killed by the kernel") && !reason.contains("probably"), "{reason}");
        assert!(mb(&killed["peak_memory_bytes"]) > 50.0, "{killed}");
        assert_eq!(killed["signal"], 9);
    }
    assert_eq!(ran.finish()["oom_kills"].as_u64(), Some(ran.kernel_kills), "the run's own count");
    assert!(cage.is_clean(), "no group is left behind");
}

#[test]
fn ten_jobs_four_at_once_all_get_done_in_a_box_of_512_mb() {
    let Some(cage) = Cage::of("governed", Bytes::mib(512)) else { return };
    let home = tempfile::tempdir().expect("a folder");
    // The encoder looks 40 pictures ahead: with those and a few more it holds all that it ever does.
    let folder = clips(home.path(), 10, "1920x1080", 55);
    let preset = preset(home.path(), 720, 2);
    let ran = run_with(&cage, home.path(), &["-p", "fast"], &preset, &folder);
    ran.figures("governed, 512 MB, ten jobs");
    ran.assert_all_done(10);
}

#[test]
#[ignore = "takes long: loses most of ten jobs, for comparison with the governed run"]
fn ten_jobs_four_at_once_in_a_box_of_512_mb_without_the_governor() {
    let Some(cage) = Cage::of("naive10", Bytes::mib(512)) else { return };
    let home = tempfile::tempdir().expect("a folder");
    let folder = clips(home.path(), 10, "1920x1080", 75);
    let preset = preset(home.path(), 720, 2);
    let ran = run_with(&cage, home.path(), &["-p", "fast", "--no-governor", "--retries", "0"], &preset, &folder);
    ran.figures("naive, 512 MB, ten jobs");
    assert_eq!(ran.of("job_finished").len(), 10);
    assert_eq!(ran.count("out_of_memory") as u64, ran.kernel_kills);
}

#[test]
#[ignore = "takes long: `just box`"]
fn beside_a_stranger_four_large_jobs_fit_into_2_gb_without_a_kill() {
    let Some(cage) = Cage::of("stranger", Bytes::gib(2)) else { return };
    let home = tempfile::tempdir().expect("a folder");
    let folder = clips(home.path(), 4, "1920x1080", 100);
    let preset = preset(home.path(), 1080, 2);
    let _stranger = Stranger::new(&cage, "0:250", 600).holding(250);
    let ran = run_with(&cage, home.path(), &["-p", "fast"], &preset, &folder);
    ran.figures("governed, 2 GB with a stranger of 250 MB, four 1080p");
    ran.assert_all_done(4);
}

/// Two jobs of which one alone comes to three quarters of the box, beside somebody else's 250 MB.
fn two_jobs_of_4k_beside_a_stranger(profile: &str) {
    let Some(cage) = Cage::of(profile, Bytes::gib(2)) else { return };
    let home = tempfile::tempdir().expect("a folder");
    let folder = clips(home.path(), 2, "3840x2160", 60);
    let preset = preset(home.path(), 2160, 2);
    let _stranger = Stranger::new(&cage, "0:250", 600).holding(250);
    let ran = run_with(&cage, home.path(), &["-p", profile], &preset, &folder);
    ran.figures(&format!("governed, 2 GB with a stranger of 250 MB, two 4K, {profile}"));
    ran.assert_all_done(2);
}

#[test]
#[ignore = "takes long: `just box`"]
fn two_jobs_of_4k_fit_into_2_gb_beside_a_stranger() {
    ["fast", "balanced", "safe"].into_iter().for_each(two_jobs_of_4k_beside_a_stranger);
}

/// Plain ffmpeg with what the preset asks for, alone in a box of this size: it comes to its end.
fn plain_ffmpeg_ends_well(limit: Bytes, folder: &Path, height: u32) -> Option<bool> {
    let cage = Cage::of("plain", limit)?;
    let mut command = Command::new("ffmpeg");
    command.args(["-loglevel", "error", "-nostdin", "-y", "-filter_threads", "2", "-threads", "2", "-i"]);
    command.arg(folder.join("clip-01.mp4")).args(["-vf", &format!("scale=-2:{height}"), "-c:v", "libx264", "-preset", "medium"]);
    command.args(["-crf", "23", "-pix_fmt", "yuv420p", "-threads", "2"]).arg(folder.with_file_name("plain.mp4"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Some(cage.spawn(&mut command).wait().expect("waits").success())
}

/// A film alone in a small box: what plain ffmpeg does there is done there, and what it cannot do is tried once at most.
fn a_film_alone_in_a_small_box(mib: u64, size: &str, height: u32) {
    let home = tempfile::tempdir().expect("a folder");
    // The encoder's queue is full after 60.
    let folder = clips(home.path(), 1, size, 75);
    let Some(is_possible) = plain_ffmpeg_ends_well(Bytes::mib(mib), &folder, height) else { return };
    let Some(cage) = Cage::of("small", Bytes::mib(mib)) else { return };
    let preset = preset(home.path(), height, 2);
    let ran = run_with(&cage, home.path(), &["-p", "safe"], &preset, &folder);
    let tries = ran.of("job_started").len();
    println!("{mib} MB, {size} to {height}p: plain ffmpeg {is_possible}, ours {:?} after {tries} tries", ran.outcomes());
    assert!(ran.code.is_some(), "the program itself was killed: {}", ran.stderr);
    if is_possible {
        ran.figures("a film alone in a small box");
        assert_eq!((ran.count("done"), ran.code), (1, Some(0)), "{:?}: {}", ran.outcomes(), ran.stderr);
    } else {
        assert!(tries <= 1, "a second try has no more than the first: {}", ran.stderr);
    }
    assert!(cage.is_clean(), "no group is left behind");
}

#[test]
fn a_film_of_360p_is_made_in_a_box_of_128_mb() {
    a_film_alone_in_a_small_box(128, "640x360", 360);
}

#[test]
#[ignore = "takes long: `just box`"]
fn what_plain_ffmpeg_does_alone_in_a_small_box_is_done_there() {
    let films = [("640x360", 360), ("854x480", 480), ("1280x720", 720), ("1920x1080", 720), ("3840x2160", 720)];
    for mib in [128, 192, 256, 384, 512] {
        for (size, height) in films {
            a_film_alone_in_a_small_box(mib, size, height);
        }
    }
}

#[test]
fn a_job_that_overruns_its_share_is_killed_alone_by_the_limit_of_its_own_group() {
    let Some(cage) = Cage::of("share", Bytes::mib(512)) else { return };
    let home = tempfile::tempdir().expect("a folder");
    let folder = clips(home.path(), 3, "320x180", 200);
    fs::rename(folder.join("clip-03.mp4"), folder.join("clip-00-greedy.mp4")).expect("renamed");
    let preset = preset(home.path(), 180, 1);
    // Far beyond the whole box.
    let ffmpeg = ffmpeg_with_a_greedy_one(home.path(), "0:5,0.6:700", 30);
    let args: Vec<_> = ["-p", "fast", "--ffmpeg"].map(std::ffi::OsStr::new).into_iter().chain([ffmpeg.as_os_str()]).collect();
    let args: Vec<_> = args.into_iter().chain([std::ffi::OsStr::new("--preset"), preset.as_os_str(), folder.as_os_str()]).collect();
    let mut child = start(&cage, home.path(), &args);
    let (out, err) = (BufReader::new(child.stdout.take().expect("piped")), reader(child.stderr.take()));
    let plimsoll = rustix::process::Pid::from_child(&child);
    let send = |signal| rustix::process::kill_process(plimsoll, signal).expect("sent");
    let mut events: Vec<Value> = Vec::new();
    for line in out.lines().map_while(Result::ok) {
        let event: Value = serde_json::from_str(&line).expect("a JSON line");
        if event["event"] == "job_started" && event["job"] == 1 && event["attempt"] == 1 {
            // Its first try grows while nobody can look, however slowly that is on a busy machine: the kernel has to act.
            let greedy = u32::try_from(event["pid"].as_u64().expect("a process")).expect("a process");
            send(rustix::process::Signal::STOP);
            fs::write(may_grow(home.path()), "").expect("written");
            let deadline = Instant::now() + PATIENCE;
            while !crate::support::cage::has_ended(greedy) {
                assert!(Instant::now() < deadline, "nobody stops it");
                std::thread::sleep(Duration::from_millis(20));
            }
            send(rustix::process::Signal::CONT);
        }
        events.push(event);
    }
    let code = child.wait().expect("waits").code();
    let stderr = err.recv().expect("read");
    let ran = Outcome { code, events, kernel_kills: cage.kills(), seen_anon: cage.anon(), stderr };
    ran.figures("governed, 512 MB, one of three takes all it can get");
    let finished = ran.of("job_finished");
    assert_eq!(finished.len(), 3, "{}", ran.stderr);
    for event in &finished {
        let greedy = event["outcome"] == "out_of_memory";
        assert!(greedy || (event["outcome"] == "done" && event["attempts"] == 1), "nobody else noticed: {event}");
    }
    assert_eq!((ran.count("out_of_memory"), ran.count("done"), ran.code), (1, 2, Some(1)));
    let first = ran.of("job_requeued")[0];
    let reason = first["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("killed by the kernel") && !reason.contains("probably"), "{reason}");
    // The limit is what the reserves of the others left, so that the box itself is never full.
    let limit = reason.split("its limit was ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    assert!(limit.is_some_and(|limit| (200..512).contains(&limit)), "{reason}");
    assert!(reason.contains("next time"), "it gets more: {reason}");
    let reserved: Vec<u64> = ran
        .of("job_admitted")
        .iter()
        .filter(|event| event["job"] == first["job"])
        .filter_map(|event| event["reserved_bytes"].as_u64())
        .collect();
    assert!(reserved.len() >= 2 && reserved.is_sorted_by(|earlier, later| earlier < later), "{reserved:?}");
    assert!(cage.is_clean(), "no group is left behind");
}

#[test]
fn a_container_that_is_resized_during_the_run_has_its_new_size_within_ten_seconds() {
    const LONGEST_PACE: u64 = 250;
    let Some(cage) = Cage::of("resized", Bytes::mib(512)) else { return };
    let home = tempfile::tempdir().expect("a folder");
    let folder = clips(home.path(), 1, "320x180", 50);
    fs::rename(folder.join("clip-01.mp4"), folder.join("greedy.mp4")).expect("renamed");
    let preset = preset(home.path(), 180, 1);
    let ffmpeg = ffmpeg_with_a_greedy_one(home.path(), "0:20", 120);
    fs::write(may_grow(home.path()), "").expect("written");
    let args = [std::ffi::OsStr::new("--ffmpeg"), ffmpeg.as_os_str(), std::ffi::OsStr::new("--preset"), preset.as_os_str()];
    let mut child = start(&cage, home.path(), &[&args[..], &[folder.as_os_str()]].concat());
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let err = reader(child.stderr.take());
    // In milliseconds, from sample to sample: what one is later than its time is the machine's.
    let (mut waited, mut last_sample) = (0, 0);
    let (mut started, mut resized, mut told) = (false, false, Vec::new());
    for line in out.lines().map_while(Result::ok) {
        let event: Value = serde_json::from_str(&line).expect("a JSON line");
        started |= event["event"] == "job_started";
        if event["event"] == "memory_sampled" {
            let at = event["elapsed_ms"].as_u64().expect("a time");
            waited += (at - last_sample).min(LONGEST_PACE);
            last_sample = at;
        }
        if event["event"] == "budget_changed" {
            let budget = event["budget_bytes"].as_u64().unwrap_or(0);
            told.push((budget / MIB, event["lines"]["high_water"].as_u64().unwrap_or(0) / MIB, resized.then_some(waited)));
            // Smaller at first, then larger than it was.
            match told.len() {
                3 => break,
                2 => cage.resize(Bytes::mib(768)).expect("resized"),
                _ => {}
            }
            waited = 0;
        }
        if started && told.len() == 1 {
            started = false;
            cage.resize(Bytes::mib(300)).expect("resized");
            (resized, waited) = (true, 0);
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    println!("a resized container: {told:?}");
    let sizes: Vec<(u64, u64)> = told.iter().map(|(budget, line, _)| (*budget, *line)).collect();
    assert_eq!(sizes, [(512, 384), (300, 225), (768, 576)], "{}", err.recv().unwrap_or_default());
    for (.., after) in &told[1..] {
        assert!(after.is_some_and(|waited| waited < 15_000), "{told:?}");
    }
}

#[test]
#[ignore = "takes long: `just box`"]
fn a_stranger_that_grows_and_shrinks_is_told_of_and_costs_no_job() {
    let Some(cage) = Cage::of("tide", Bytes::gib(1)) else { return };
    let home = tempfile::tempdir().expect("a folder");
    let folder = clips(home.path(), 8, "1920x1080", 75);
    let preset = preset(home.path(), 720, 2);
    let _stranger = Stranger::new(&cage, "0:50,3:50,6:600,14:600,16:50", 600).holding(50);
    let ran = run_with(&cage, home.path(), &["-p", "fast"], &preset, &folder);
    ran.figures("governed, 1 GB, a stranger of up to 600 MB");
    ran.assert_all_done(8);
    assert!(!ran.of("admission_held").is_empty(), "that jobs were held is told");
    let foreign = ran.of("memory_sampled").iter().map(|event| event["foreign_bytes"].as_u64().unwrap_or(0)).max();
    assert!(foreign >= Some(500 * MIB), "whose memory it was is told: {foreign:?}");
}

/// The real cleaner over files of our own.
struct Cleaning {
    ledger: FileLedger,
    cleaner: Cleaner,
    inputs: tokio::sync::mpsc::UnboundedReceiver<Input>,
    dir: TempDir,
}

impl Cleaning {
    fn new() -> Self {
        let ledger = FileLedger::default();
        let samples = SampleSource::new(SamplerConfig::new(ledger.clone()));
        let (sender, inputs) = tokio::sync::mpsc::unbounded_channel();
        let config = CleanerConfig { roots: Roots::default(), ledger: ledger.clone(), samples, scratch_dirs: Vec::new() };
        let cleaner = Cleaner::spawn(config, sender).expect("starts");
        // On disk, whatever TMPDIR says: what lies in memory is no cache.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        Self { ledger, cleaner, inputs, dir }
    }

    fn drop_cache(&mut self, job: JobId) -> plimsoll::domain::cleanup::CleanupResult {
        let action = CleanupAction::DropFileCache;
        self.cleaner.clean(CleanOrder { id: CleanupId(1), action, job: Some(job), running: BTreeSet::new() });
        match self.inputs.blocking_recv() {
            Some(Input::CleanupDone(_, result)) => result,
            other => panic!("{other:?}"),
        }
    }

    /// A video of about this many MB that can be copied stream by stream.
    fn video(&self, mib: u64) -> PathBuf {
        let path = self.dir.path().join("in.mkv");
        // One second of noise is about 16 MB; looped by copying.
        let seed = self.dir.path().join("seed.mkv");
        let made = Command::new("ffmpeg")
            .args([
                "-loglevel",
                "error",
                "-nostdin",
                "-y",
                "-f",
                "lavfi",
                "-i",
                "nullsrc=s=1280x720:r=12,geq=random(1)*255:128:128",
            ])
            .args(["-frames:v", "12", "-c:v", "rawvideo", "-pix_fmt", "yuv420p"])
            .arg(&seed)
            .status()
            .expect("ffmpeg runs");
        assert!(made.success());
        let size = fs::metadata(&seed).expect("there").len();
        let looped = Command::new("ffmpeg")
            .args(["-loglevel", "error", "-nostdin", "-y", "-stream_loop", &(mib * MIB / size).to_string(), "-i"])
            .arg(&seed)
            .args(["-c", "copy"])
            .arg(&path)
            .status()
            .expect("ffmpeg runs");
        assert!(looped.success());
        fs::File::open(&path).and_then(|file| file.sync_all()).expect("synced");
        path
    }
}

#[test]
fn a_cleanup_after_a_real_conversion_of_300_mb_frees_its_cache_at_once() {
    let mut cleaning = Cleaning::new();
    let input = cleaning.video(300);
    let output = cleaning.dir.path().join("out.mkv");
    let converted = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-nostdin", "-y", "-i"])
        .arg(&input)
        .args(["-c", "copy"])
        .arg(&output)
        .status()
        .expect("ffmpeg runs");
    assert!(converted.success());
    // A job's output is on disk before it is called done.
    fs::File::open(&output).and_then(|file| file.sync_all()).expect("synced");
    let job = JobId(1);
    cleaning.ledger.started(job, 1, input.clone(), cleaning.dir.path().join("1.1.part"));
    cleaning.ledger.published(job, output.clone());
    cleaning.ledger.ended(job);
    let cached = || crate::support::cage::resident(&input) + crate::support::cage::resident(&output);
    let before = cached();
    let began = Instant::now();
    let result = cleaning.drop_cache(job);
    let took = began.elapsed();
    let after = cached();
    println!(
        "cleanup: {before} cached, {after} left, said to be freed {}, {} ms (with the answer {took:.0?})",
        result.freed, result.millis
    );
    assert!(before >= Bytes::mib(500), "both files were in memory: {before}");
    assert!(after.0 * 10 <= before.0, "{before} before, {after} after");
    // The kernel may take pages by itself between the two looks: those are gone as well, and are not to be claimed.
    let gone = before - after;
    assert!(result.freed.0 <= gone.0 + MIB, "{} is claimed, {gone} are gone", result.freed);
    assert!(result.freed.0 * 10 >= gone.0 * 9, "{} is claimed, {gone} are gone", result.freed);
    // Under 150 ms for 300 MB, and these are two files of that size.
    let limit = at_most(Duration::from_millis(150 * before.0.div_ceil(300 * MIB)));
    assert!(Duration::from_millis(result.millis) < limit, "{result:?}, {limit:?}");
}

#[test]
fn a_cleanup_behind_a_live_job_makes_it_read_nothing_again() {
    let mut cleaning = Cleaning::new();
    let input = cleaning.video(160);
    let size = fs::metadata(&input).expect("there").len();
    let read_in_all = |clean: bool, cleaning: &mut Cleaning| {
        crate::support::cage::drop_cache(&input);
        // Paced, so that there is time to clean while it reads; copied, so that all of it is read.
        let mut child = Command::new("ffmpeg")
            .args(["-loglevel", "error", "-nostdin", "-readrate", "5", "-i"])
            .arg(&input)
            .args(["-c", "copy", "-f", "null", "-"])
            .stdout(Stdio::null())
            .spawn()
            .expect("ffmpeg runs");
        let job = JobId(1);
        cleaning.ledger.started(job, child.id(), input.clone(), cleaning.dir.path().join("1.1.part"));
        let (mut cleanups, mut freed) = (0, Bytes::ZERO);
        let mut last = 0;
        // Its figures are there until it is reaped.
        while !crate::support::cage::has_ended(child.id()) {
            last = crate::support::cage::read_bytes(child.id()).unwrap_or(last);
            if clean {
                freed += cleaning.drop_cache(job).freed;
                cleanups += 1;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let read = crate::support::cage::read_bytes(child.id()).unwrap_or(last);
        assert!(child.wait().expect("ends").success());
        cleaning.ledger.ended(job);
        (read, cleanups, freed)
    };
    let (plain, ..) = read_in_all(false, &mut cleaning);
    let (mut cleaned, mut cleanups, mut freed) = read_in_all(true, &mut cleaning);
    // What ffmpeg is made of is read too, when others on the machine have pushed it out. What the cleanups cost is read
    // each time.
    for _ in 0..2 {
        if cleaned as f64 > plain as f64 * 1.02 {
            (cleaned, cleanups, freed) = read_in_all(true, &mut cleaning);
        }
    }
    println!(
        "live job: {} MB, read {} MB without and {} MB with {cleanups} cleanups that freed {freed}",
        size / MIB,
        plain / MIB,
        cleaned / MIB
    );
    if plain < size / 2 {
        return skip(DISK_READS, "reads from this disk are not counted in /proc/PID/io");
    }
    assert!(freed >= Bytes(size / 2), "the cleanups were real: {freed} of {size}");
    assert!(cleaned as f64 <= plain as f64 * 1.02, "{cleaned} after {plain}");
}

#[test]
fn sampling_ten_times_a_second_with_four_jobs_costs_next_to_nothing() {
    const SAMPLES: usize = 50;
    let _turn = crate::support::cage::turn_to_sample();
    let ledger = FileLedger::default();
    let dir = tempfile::tempdir().expect("a folder");
    let mut jobs: Vec<Child> = (1..=4)
        .map(|_| {
            let mut command = plimsoll_on_the_path();
            command.args(["load-job", "--curve", "0:30", "--seconds", "600"]).spawn().expect("starts")
        })
        .collect();
    for (number, job) in jobs.iter().enumerate() {
        ledger.started(JobId(number as u64), job.id(), dir.path().join("in"), dir.path().join(format!("{number}.1.part")));
    }
    let (sender, mut inputs) = tokio::sync::mpsc::unbounded_channel();
    let pace = Duration::from_millis(100);
    let config = SamplerConfig { pace, ..SamplerConfig::new(ledger) };
    let sampler = Sampler::spawn(config, sender).expect("starts");
    // By its first sample the thread has its name.
    inputs.blocking_recv().expect("a sample");
    let first = crate::support::cage::thread_cpu("sampler").expect("there");
    let (mut times, mut widest) = (vec![Instant::now()], 0);
    while times.len() <= SAMPLES {
        if let Input::Sample(sample) = inputs.blocking_recv().expect("a sample") {
            times.push(Instant::now());
            widest = widest.max(sample.jobs.len());
        }
    }
    let last = crate::support::cage::thread_cpu("sampler").expect("there");
    // Of the time that they take at their pace: where others have the processors they come later, and cost no more.
    let share = last.saturating_sub(first).as_secs_f64() / (pace * SAMPLES as u32).as_secs_f64();
    let shortest = times.windows(2).map(|pair| pair[1] - pair[0]).min().expect("several");
    drop(sampler);
    for job in &mut jobs {
        let _ = job.kill();
        let _ = job.wait();
    }
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!("sampling: {SAMPLES} samples of {widest} jobs, {:.3} % of a core ({build} build)", share * 100.0);
    assert_eq!(widest, 4);
    assert!(shortest <= pace + Duration::from_millis(5), "one of them at least is in time: {shortest:?}");
    // An unoptimised build takes several times as long, and more beside other tests; a look at smaps for each job would take half
    // of a processor.
    let most = if cfg!(debug_assertions) { 0.05 } else { 0.003 };
    assert!(share < most, "{share}");
}

#[test]
fn pressure_brings_a_sample_before_its_time() {
    let _turn = crate::support::cage::turn_to_sample();
    let psi = fs::OpenOptions::new().read(true).write(true).open("/proc/pressure/memory");
    let Some(cage) = Cage::of("pressure", Bytes::mib(32)).filter(|_| psi.is_ok()) else {
        return skip(PRESSURE, format!("it cannot be watched or made here: {psi:?}"));
    };
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let file = dir.path().join("large");
    fs::write(&file, vec![1; (128 * MIB) as usize]).expect("written");
    fs::File::open(&file).and_then(|file| file.sync_all()).expect("synced");
    // What is in memory on our account costs the box nothing.
    crate::support::cage::drop_cache(&file);
    let (sender, mut inputs) = tokio::sync::mpsc::unbounded_channel();
    // Without pressure the next sample would come in ten minutes.
    let config = SamplerConfig { pace: Duration::from_mins(10), ..SamplerConfig::new(FileLedger::default()) };
    let _sampler = Sampler::spawn(config, sender).expect("starts");
    assert!(matches!(inputs.blocking_recv(), Some(Input::Sample(_))));
    // Pages are read back as fast as they are taken away.
    let mut thrash = Command::new("/bin/sh");
    thrash.args(["-c", "for n in 1 2 3 4; do while :; do cat \"$0\" > /dev/null; done & done; wait"]).arg(&file);
    let began = Instant::now();
    let mut thrashing = cage.spawn(&mut thrash);
    let woken = loop {
        match inputs.try_recv() {
            Ok(Input::Sample(_)) => break true,
            _ if began.elapsed() > Duration::from_secs(20) => break false,
            _ => std::thread::sleep(Duration::from_millis(10)),
        }
    };
    let took = began.elapsed();
    drop(cage);
    let _ = thrashing.wait();
    println!("pressure: a sample {} after {took:.1?} of it", if woken { "came" } else { "did not come" });
    assert!(woken);
}

/// An output that is as large as its input, by copying; a profile that has no room for it.
#[test]
fn an_output_that_the_scratch_limit_has_no_room_for_is_refused_with_the_figures() {
    let home = tempfile::tempdir().expect("a folder");
    let clip = home.path().join("noise.mp4");
    let made = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "nullsrc=s=1280x720:r=12,geq=random(1)*255:128:128"])
        .args(["-frames:v", "24", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "4", "-pix_fmt", "yuv420p"])
        .arg(&clip)
        .status()
        .expect("ffmpeg runs");
    assert!(made.success());
    let size = fs::metadata(&clip).expect("there").len();
    assert!(size > 4 * MIB, "{size}");
    fs::write(home.path().join("copy.yaml"), "name: copy\nvideo: { codec: copy }\ncontainer: mp4\nthreads: 1\n").expect("written");
    let with_limit = |limit: &str| {
        let profile = home.path().join("tight.yaml");
        let text = format!(
            "name: tight\ntitle: no room\nmax_concurrent: 1\nmax_file_size: 500MB\n\
             memory: {{ budget: auto, high_water: 75%, low_water: 65%, reserve: 64MB }}\nscratch_limit: {limit}\n\
             guide: {{ memory: Low, speed: Slow, reliability: High }}\n"
        );
        fs::write(&profile, text).expect("written");
        let mut command = plimsoll_on_the_path();
        command.args([
            "run",
            "--json",
            "--overwrite",
            "--preset",
            "copy.yaml",
            "-p",
            "tight.yaml",
            "--state-dir",
            "state",
            "-o",
            "out",
        ]);
        let output = command.arg("noise.mp4").env("HOME", home.path()).current_dir(home.path()).output().expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    };
    let (code, said) = with_limit("2MB");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("disk: ") && said.contains("left of the scratch limit of 2 MB"), "{said}");
    assert!(!said.contains("\"event\":\"job_requeued\""), "it can never fit: {said}");
    let (code, said) = with_limit("500MB");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn twenty_kills_in_jobs_own_groups_are_twenty_named_and_the_neighbours_live() {
    const KILLS: u64 = 20;
    const NEIGHBOURS: u64 = 2;
    let groups = match JobGroups::open(&Roots::default()) {
        Ok(groups) => Arc::new(groups),
        Err(why) => return skip(MEMORY_GROUP, why),
    };
    let dir = tempfile::tempdir().expect("a folder");
    let (sender, mut inputs) = tokio::sync::mpsc::unbounded_channel();
    let config = SupervisorConfig { groups: Some(groups), ..SupervisorConfig::new(dir.path().to_owned()) };
    let supervisor = Supervisor::new(config, sender).expect("starts");
    let launch = |curve: &str, seconds: &str, limit: Option<u64>| {
        let mut command = plimsoll_on_the_path();
        command.args(["load-job", "--curve", curve, "--seconds", seconds]);
        Launch { memory_limit: limit.map(Bytes::mib), ..Launch::new(command, None) }
    };
    for neighbour in 0..NEIGHBOURS {
        supervisor.start(JobId(1000 + neighbour), 1, launch("0:20", "120", None));
    }
    let mut next = 0;
    let start = |next: &mut u64| {
        if *next < KILLS {
            supervisor.start(JobId(*next), 1, launch("0:5,0.3:90", "30", Some(48)));
            *next += 1;
        }
    };
    (0..4).for_each(|_| start(&mut next));
    let mut named = 0;
    let mut peaks = Vec::new();
    while named < KILLS {
        match inputs.blocking_recv().expect("reports") {
            Input::Job(job, JobReport::Exited(report)) => {
                assert!(job.0 < KILLS, "a neighbour died: {report:?}");
                assert_eq!((report.exit, report.oom_killed), (Exit::Signal(libc::SIGKILL), Some(true)), "job {job}");
                named += 1;
                peaks.push(report.peak.as_mb());
                start(&mut next);
            }
            Input::Job(_, JobReport::SpawnFailed { reason, .. }) => panic!("{reason}"),
            _ => {}
        }
    }
    peaks.sort_by(f64::total_cmp);
    println!("{named} kills of {KILLS} named with certainty; peaks seen {:.0}–{:.0} MB of 48", peaks[0], peaks[peaks.len() - 1]);
    assert_eq!(supervisor.slots.running().len() as u64, NEIGHBOURS, "they run on");
    supervisor.slots.kill_all();
    let mut left = NEIGHBOURS;
    while left > 0 {
        if let Input::Job(_, JobReport::Exited(report)) = inputs.blocking_recv().expect("reports") {
            assert_eq!(report.oom_killed, Some(false), "that was us");
            left -= 1;
        }
    }
}
