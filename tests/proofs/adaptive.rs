//! Slots that are decided by memory and processors against every fixed number of them: foretold in virtual time on many
//! queues, and measured with real jobs in boxes of three sizes.

#![allow(clippy::disallowed_methods)] // real runs take real time

use std::collections::BTreeMap;
use std::time::Duration;

use crate::support::clips::make_clips;
use crate::support::{Live, World};
use plimsoll::config::search::{self, SearchPaths};
use plimsoll::domain::job::{MediaInfo, VideoStream};
use plimsoll::domain::plan::Forecast;
use plimsoll::domain::preset::{Preset, SpeedPreset};
use plimsoll::domain::profile::{Profile, Slots};
use plimsoll::domain::units::Bytes;
use plimsoll::engine::estimate::Learned;
use plimsoll::sim::forecast::{Forecaster, QueuedJob, Variant};
use serde_json::Value;

const SIZES: [(u32, u32); 4] = [(640, 360), (1280, 720), (1920, 1080), (3840, 2160)];

fn shipped<T: search::Kind>(name: &str) -> T {
    search::find(&SearchPaths::new(|_| None, None), name).expect("shipped").value
}

/// The shipped preset at the size of its input, with so many threads and at this speed.
fn presets() -> BTreeMap<String, Preset> {
    let web: Preset = shipped("web-720p");
    let preset = |name: &str, threads, speed, height| {
        let video = web.video.clone().map(|plan| plimsoll::domain::preset::VideoPlan { height, preset: Some(speed), ..plan });
        (name.to_owned(), Preset { name: name.to_owned(), video, threads, ..web.clone() })
    };
    BTreeMap::from([
        preset("one", 1, SpeedPreset::Veryfast, Some(720)),
        preset("two", 2, SpeedPreset::Medium, Some(720)),
        preset("whole", 2, SpeedPreset::Veryfast, None),
    ])
}

/// The shipped profile, with other slots: all else is the same, so that only they make the difference.
fn way(slots: Slots, budget: Bytes) -> Variant {
    let adaptive: Profile = shipped("adaptive");
    assert_eq!(adaptive.max_concurrent, Slots::Auto);
    Variant { name: slots.to_string(), profile: Profile { max_concurrent: slots, ..adaptive }, budget }
}

/// A queue of so many jobs, their pictures and presets in the turns given.
fn queue(jobs: u64, sizes: &[usize], presets: &[&str]) -> Vec<QueuedJob> {
    let job = |at: u64| {
        let (width, height) = SIZES[sizes[at as usize % sizes.len()]];
        let video = VideoStream {
            codec: "h264".to_owned(),
            width,
            height,
            pixel_format: "yuv420p".to_owned(),
            fps: 25.0,
            ..VideoStream::default()
        };
        let duration = Some(Duration::from_secs(20 + at * 37 % 41));
        let media = MediaInfo { duration, video: Some(video), ..MediaInfo::default() };
        QueuedJob {
            size: Bytes::mib(5 + at),
            media,
            preset: presets[at as usize % presets.len()].to_owned(),
            left: 1.0,
            measured: None,
            holds: None,
        }
    };
    (0..jobs).map(job).collect()
}

fn queues() -> Vec<(&'static str, Vec<QueuedJob>)> {
    vec![
        ("720p, two threads", queue(24, &[1], &["two"])),
        ("720p, one thread", queue(24, &[1], &["one"])),
        ("360p to 1080p, two threads", queue(24, &[0, 1, 2, 1], &["two"])),
        ("360p to 1080p, one and two", queue(24, &[0, 1, 2], &["one", "two"])),
        ("1080p whole, two threads", queue(16, &[2], &["whole"])),
        ("a 4K among 720p", queue(20, &[1, 1, 1, 3, 1], &["two"])),
        ("all kinds", queue(28, &[0, 3, 1, 2, 1, 0, 2], &["one", "two", "whole"])),
    ]
}

#[test]
fn decided_slots_end_as_soon_as_the_best_fixed_number_and_stay_under_the_line() {
    let (presets, learned) = (presets(), Learned::default());
    println!("{:<28}{:>8}{:>4}  {:>16}{:>16}{:>16}{:>16}", "queue", "budget", "cpu", "1 slot", "2 slots", "4 slots", "auto");
    for (name, jobs) in queues() {
        for cores in [2.0, 4.0] {
            let forecaster = Forecaster::new(&jobs, &presets, (&learned, &[]), cores);
            for budget in [512, 1024, 2048].map(Bytes::mib) {
                let of = |slots| forecaster.forecast(&way(slots, budget), 3, 11);
                let fixed = [1, 2, 4].map(|slots| of(Slots::Fixed(slots)));
                let auto = of(Slots::Auto);
                let cell = |way: &Forecast| format!("{:.0} s {:.0} MB", way.finish_p50, way.peak_p95.as_mb());
                let cells: Vec<String> = fixed.iter().chain([&auto]).map(|way| format!("{:>16}", cell(way))).collect();
                println!("{name:<28}{:>8}{cores:>4}  {}", budget.to_string(), cells.concat());
                let best = fixed.iter().map(|way| way.finish_p50).fold(f64::INFINITY, f64::min);
                assert!(
                    auto.finish_p50 <= best * 1.05,
                    "{name}, {budget}, {cores} processors: {} s, best {best} s",
                    auto.finish_p50
                );
                // A single job may be beyond the line; then it is so with one slot too.
                let line = auto.high_water.max(fixed[0].peak_p95);
                assert!(auto.peak_p95 <= line, "{name}, {budget}: {} over {line}", auto.peak_p95);
                assert!(auto.out_of_memory == 0.0 && auto.rejected == fixed[0].rejected, "{name}, {budget}: {auto:?}");
            }
        }
    }
}

#[test]
fn decided_slots_take_no_more_memory_than_the_processors_have_work_for() {
    let (presets, learned, jobs) = (presets(), Learned::default(), queue(24, &[1], &["two"]));
    let forecaster = Forecaster::new(&jobs, &presets, (&learned, &[]), 2.0);
    let of = |slots| forecaster.forecast(&way(slots, Bytes::gib(2)), 12, 11);
    let (auto, four) = (of(Slots::Auto), of(Slots::Fixed(4)));
    assert!(auto.peak_p50.as_mb() < 0.65 * four.peak_p50.as_mb(), "{auto:?} {four:?}");
}

/// Under the shipped adaptive profile with real jobs: it says what it chose.
#[test]
fn a_real_run_says_how_many_it_chose_and_why() {
    let world = World::new();
    make_clips(&world, 4, "320x240", 25);
    let run = world.run(&["-p", "adaptive", "--budget", "2GB"]);
    assert_eq!(run.code(), Some(0), "{}", run.stderr);
    crate::support::stream::check(&run, 64);
    let selected = run.named("profile_selected").next().expect("told");
    assert_eq!((selected["name"].as_str(), selected["auto"].as_bool()), (Some("adaptive"), Some(true)), "{selected}");
    assert!(selected["max_concurrent"].as_u64().is_some_and(|slots| (1..=64).contains(&slots)), "{selected}");
    assert_eq!(selected["profile"]["max_concurrent"], "auto");
    for decided in run.named("slots_decided") {
        let line = format!("adaptive: {} at once: {}", decided["at_once"], decided["why"].as_str().expect("words"));
        assert!(run.stderr.contains(&line), "{line} is not told:\n{}", run.stderr);
    }
}

fn median(column: &Value, figure: &str) -> f64 {
    column["median"][figure]["median"].as_f64().unwrap_or_else(|| panic!("no {figure} in {column}"))
}

/// Compares in boxes of these sizes and prints a table; every governed job has to be done and every output the same.
fn compare_in_boxes(world: &World, limits: &[&str]) {
    println!("load before: {:?}", plimsoll::host::memory::machine::load());
    println!(
        "{:<8}{:<12}{:>10}{:>12}{:>10}{:>10}{:>8}{:>8}",
        "box", "profile", "peak MB", "makespan s", "cpu s", "at once", "holds", "done"
    );
    for limit in limits {
        let mut command = world.command(["compare", "--json", "--profiles", "fast,balanced,safe,adaptive", "--limit", limit]);
        command.arg("--state-dir").arg(world.path("state")).arg(world.path("in"));
        let finished = Live::start(command).finish();
        assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
        let comparison = finished.events.last().expect("an event");
        for column in comparison["columns"].as_array().expect("columns") {
            let figure = |name| median(column, name);
            println!(
                "{limit:<8}{:<12}{:>10.0}{:>12.1}{:>10.1}{:>10.0}{:>8.0}{:>8.0}",
                column["profile"].as_str().expect("a name"),
                figure("peak_memory_bytes") / 1024.0 / 1024.0,
                figure("seconds"),
                figure("cpu_seconds"),
                figure("most_at_once"),
                figure("holds"),
                figure("done"),
            );
            assert!(figure("oom_kills") < 1.0, "{column}");
        }
        assert_eq!(comparison["same_bytes"]["differing"].as_array().map(Vec::len), Some(0));
    }
    println!("load after: {:?}", plimsoll::host::memory::machine::load());
}

#[test]
#[ignore = "needs a quiet machine and ten minutes: just adaptive-proof"]
fn adaptive_against_the_fixed_profiles() {
    let world = World::new();
    make_clips(&world, 6, "1280x720", 250);
    for (number, size) in [(7, "1920x1080"), (8, "640x360"), (9, "1920x1080"), (10, "640x360")] {
        let part = World::new();
        make_clips(&part, 1, size, 250);
        std::fs::rename(part.path("in/clip-01.mp4"), world.path(format!("in/clip-{number:02}.mp4"))).expect("moved");
    }
    compare_in_boxes(&world, &["512MB", "1GB", "2GB"]);
}

/// The same in small, so that it works when it is needed.
#[test]
#[ignore = "takes a minute: just adaptive-proof"]
fn the_four_profiles_can_be_compared_in_a_box() {
    let world = World::new();
    make_clips(&world, 2, "320x240", 25);
    compare_in_boxes(&world, &["512MB"]);
}
