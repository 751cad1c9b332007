//! The demonstration, act by act, with load jobs: they take memory and time and no processor. Begun first, it waits beside all else.

use crate::support::stream::{self, mb_of, number};
use crate::support::{Live, World};
use serde_json::Value;

const MIB: u64 = 1024 * 1024;

#[test]
fn a_demo_without_ffmpeg_runs_load_jobs_that_cross_the_mark_and_are_cleaned_up_after() {
    let world = World::new();
    let empty = world.path("empty");
    std::fs::create_dir(&empty).expect("made");
    let mut command = world.command(["demo", "--load-jobs", "--headless", "--json"]);
    command.arg("-o").arg(world.path("out")).env("PATH", &empty);
    let run = Live::start(command).finish();
    assert_eq!(run.code(), Some(0), "{}", run.stderr);
    stream::check(&run, 2);
    let jobs = &run.summary()["jobs"];
    assert!(number(jobs, "done") >= 4 && number(jobs, "rejected") >= 1, "{jobs}");
    assert_eq!((number(jobs, "failed"), number(jobs, "out_of_memory")), (0, 0), "{jobs}");
    let mark = run.named("memory_sampled").map(|event| number(event, "high_water_bytes")).max().expect("a mark");
    let high = run.stderr.lines().find_map(|line| mb_of(line, "High memory usage detected: ", "MB - forcing cleanup"));
    assert!(high.is_some_and(|high| high * MIB as f64 >= mark as f64 - 0.1 * MIB as f64), "{high:?} and {mark}");
    let trigger =
        |id: &Value| run.named("cleanup_started").find(|event| event["cleanup"] == *id).map(|event| event["trigger"].clone());
    let by_mark = run.named("cleanup_finished").filter(|event| trigger(&event["cleanup"]) == Some("high_water".into())).count();
    assert!(by_mark >= 1, "no cleanup at the mark");
    let freed: u64 = run.named("cleanup_finished").map(|event| number(event, "freed_bytes")).sum();
    assert!(freed > 10 * MIB, "freed {freed}");
}
