use super::*;
use crate::domain::comparison::tally::thin;
use crate::domain::event::{Event, EventKind, JobCounts, MemoryFigures, RunSummary, Seq};
use crate::domain::job::{JobId, KERNEL_KILL, MediaInfo, Outcome, RejectReason};
use crate::domain::time::{Mono, Wall};
use std::time::Duration;

fn tally(kinds: Vec<(u64, EventKind)>) -> Tally {
    let mut tally = Tally::default();
    for (seq, (ms, kind)) in (1..).zip(kinds) {
        tally.apply(&Event { seq: Seq(seq), at: Wall(0), mono: Mono::from_millis(ms), kind });
    }
    tally
}

fn queued(job: u64) -> EventKind {
    EventKind::JobQueued {
        job: JobId(job),
        input: format!("/v/{job}.mp4").into(),
        size_bytes: Bytes::mib(1),
        preset: "web-720p".to_owned(),
        output: None,
        rank: 0,
    }
}

fn inspected(job: u64, seconds: u64) -> EventKind {
    let media = MediaInfo { duration: Some(Duration::from_secs(seconds)), ..MediaInfo::default() };
    EventKind::JobInspected {
        job: JobId(job),
        media: Box::new(media),
        predicted_peak_bytes: None,
        learned_from: 0,
        pixels: 0,
        disk: None,
        choices: String::new(),
    }
}

fn started(job: u64) -> EventKind {
    EventKind::JobStarted { job: JobId(job), attempt: 1, pid: 7, predicted_peak_bytes: None, command: None }
}

fn finished(job: u64, outcome: Outcome) -> EventKind {
    EventKind::JobFinished {
        job: JobId(job),
        outcome,
        output: outcome.is_success().then(|| format!("/o/{job}.mp4").into()),
        peak_memory_bytes: Bytes::mib(9),
        seconds: 1.0,
        attempts: 1,
        exit_code: Some(0),
        signal: None,
        reason: (outcome == Outcome::OutOfMemory).then(|| format!("out of memory: {KERNEL_KILL} at 9 MB of its own")),
        damage: None,
        left_out: Vec::new(),
    }
}

fn sampled(hard: u64, foreign: u64) -> EventKind {
    EventKind::MemorySampled(MemoryFigures {
        usage_bytes: Bytes::mib(hard + 50),
        hard_bytes: Bytes::mib(hard),
        foreign_bytes: Bytes::mib(foreign),
        ..MemoryFigures::default()
    })
}

fn a_run() -> Vec<(u64, EventKind)> {
    let rejected = EventKind::JobRejected {
        job: JobId(3),
        input: "/v/3.mp4".into(),
        size_bytes: Bytes::mib(300),
        limit_bytes: Some(Bytes::mib(200)),
        reason: RejectReason::TooLarge,
        detail: String::new(),
    };
    let summary = RunSummary {
        seconds: 10.0,
        jobs: JobCounts { done: 1, out_of_memory: 1, rejected: 1, ..JobCounts::default() },
        oom_kills: 4,
        ..RunSummary::default()
    };
    vec![
        (0, queued(1)),
        (0, queued(2)),
        (0, queued(3)),
        (1, inspected(1, 25)),
        (1, inspected(2, 60)),
        (1, rejected),
        (2, started(1)),
        (2, started(2)),
        (500, sampled(300, 40)),
        (900, sampled(200, 10)),
        (1000, finished(2, Outcome::OutOfMemory)),
        (2000, finished(1, Outcome::Done)),
        (10_000, EventKind::RunFinished(summary)),
    ]
}

#[test]
fn the_figures_of_a_run_are_those_of_its_events() {
    let tally = tally(a_run());
    let outputs = tally.outputs();
    assert_eq!(outputs.len(), 1);
    assert_eq!((outputs[0].input.as_str(), outputs[0].path.to_str()), ("/v/1.mp4", Some("/o/1.mp4")));
    let run = tally.finish(Outside { cpu_seconds: 7.5, ..Outside::default() }, Vec::new());
    assert!(run.whole && !run.measured_in_group);
    assert_eq!((run.done, run.out_of_memory, run.too_large, run.unfinished), (1, 1, 1, 0));
    assert_eq!(run.oom_kills, 1, "kills on the machine that were not of its jobs are not the run's");
    assert_eq!(run.peak_memory_bytes, Bytes::mib(260), "what others hold is not the run's");
    assert_eq!(run.peak_with_others_bytes, Bytes::mib(300));
    assert_eq!(run.peak_usage_bytes, Bytes::mib(350));
    assert_eq!((run.most_at_once, run.cpu_seconds, run.curve.len()), (2, 7.5, 2));
    assert!((run.throughput - 2.5).abs() < 1e-9, "only what was done counts: {}", run.throughput);
}

#[test]
fn a_job_whose_process_is_gone_is_not_at_work_beside_the_next() {
    let (one, two) = (EventKind::JobFinalizing { job: JobId(1) }, finished(1, Outcome::Done));
    let events = vec![(0, queued(1)), (0, queued(2)), (1, started(1)), (2, one), (2, started(2)), (3, two)];
    assert_eq!(tally(events).finish(Outside::default(), Vec::new()).most_at_once, 1);
}

#[test]
fn what_the_kernel_counted_in_the_runs_own_group_goes_before_the_samples() {
    let curve =
        vec![CurvePoint { seconds: 0.1, hard_bytes: Bytes::mib(100) }, CurvePoint { seconds: 0.2, hard_bytes: Bytes::mib(280) }];
    let outside = Outside { peak_usage: Some(Bytes::mib(700)), curve, ..Outside::default() };
    let run = tally(a_run()).finish(outside, Vec::new());
    assert!(run.measured_in_group);
    assert_eq!((run.peak_memory_bytes, run.peak_usage_bytes), (Bytes::mib(280), Bytes::mib(700)));
}

#[test]
fn the_peak_with_others_is_never_less_than_that_of_the_run_itself() {
    let curve = vec![CurvePoint { seconds: 0.1, hard_bytes: Bytes::mib(320) }];
    let run = tally(a_run()).finish(Outside { peak_usage: Some(Bytes::mib(700)), curve, ..Outside::default() }, Vec::new());
    assert_eq!((run.peak_memory_bytes, run.peak_with_others_bytes), (Bytes::mib(320), Bytes::mib(320)), "its samples saw 300 MB");
}

#[test]
fn a_run_that_was_cut_off_is_not_whole_and_its_jobs_are_not_ended() {
    let events: Vec<_> = a_run().into_iter().take(9).collect();
    let run = tally(events).finish(Outside { trouble: Some("killed by signal 9".to_owned()), ..Outside::default() }, Vec::new());
    assert!(!run.whole);
    assert_eq!((run.unfinished, run.done, run.too_large), (2, 0, 1));
    assert!((run.seconds - 0.5).abs() < 1e-9, "as far as it was seen");
}

#[test]
fn a_long_curve_is_thinned_and_keeps_its_peaks() {
    let mut curve: Vec<CurvePoint> =
        (0..5000).map(|at| CurvePoint { seconds: f64::from(at), hard_bytes: Bytes::mib(100) }).collect();
    curve[3333].hard_bytes = Bytes::mib(900);
    let thin = thin(curve);
    assert!(thin.len() <= CURVE_POINTS, "{}", thin.len());
    assert!(thin.iter().any(|point| point.hard_bytes == Bytes::mib(900)));
    assert!(thin.is_sorted_by(|a, b| a.seconds < b.seconds));
}

#[test]
fn the_median_lies_in_the_middle_and_the_spread_at_the_ends() {
    assert_eq!(Spread::of([3.0, 1.0, 2.0]), Spread { median: 2.0, min: 1.0, max: 3.0 });
    assert_eq!(Spread::of([4.0, 1.0]), Spread { median: 2.5, min: 1.0, max: 4.0 });
    assert_eq!(Spread::of([]), Spread::default());
}

fn column(profile: &str, words: [&str; 3], peak: u64, throughput: f64) -> Column {
    let [memory, speed, reliability] = words.map(str::to_owned);
    let hash = |input: &str| OutputHash { input: input.to_owned(), preset: "p".to_owned(), blake3: format!("hash of {input}") };
    let run = RunFigures {
        whole: true,
        peak_memory_bytes: Bytes::mib(peak),
        throughput,
        done: 2,
        outputs: vec![hash("/v/1.mp4"), hash("/v/2.mp4")],
        ..RunFigures::default()
    };
    let guide = GuideWords { memory, speed, reliability };
    Column { profile: profile.to_owned(), short: "2/200".to_owned(), governor: true, guide, runs: vec![run] }
}

fn comparison(columns: Vec<Column>) -> Comparison {
    Comparison { columns, rounds: 1, limit_bytes: None, limit_refused: None, interrupted: false, cores: 2, load_before: None }
}

fn three() -> Comparison {
    comparison(vec![
        column("fast", ["High", "Fast", "Low"], 1000, 2.02),
        column("balanced", ["Medium", "Medium", "High"], 500, 2.00),
        column("safe", ["Low", "Slow", "Very High"], 260, 1.5),
    ])
}

#[test]
fn the_guides_words_are_held_against_the_measured_order() {
    let verdicts = three().verdicts();
    let of = |profile: &str, aspect: Aspect| {
        verdicts.iter().find(|verdict| verdict.profile == profile && verdict.aspect == aspect).expect("there").clone()
    };
    assert!(["fast", "balanced", "safe"].iter().all(|profile| of(profile, Aspect::Memory).agrees == Some(true)));
    let fast = of("fast", Aspect::Speed);
    assert_eq!(fast.agrees, Some(false), "1 % is no difference");
    assert_eq!(fast.measured, "2.02 s/s; balanced 2.00 s/s");
    assert_eq!(of("safe", Aspect::Speed).agrees, Some(true));
    let flawless = of("fast", Aspect::Reliability);
    assert_eq!((flawless.agrees, flawless.label()), (None, "nothing to tell apart"), "nobody lost anything");
    let mut lossy = three();
    lossy.columns[0].runs[0].requeues = 1;
    let fast = lossy.verdicts().into_iter().find(|verdict| verdict.profile == "fast" && verdict.aspect == Aspect::Reliability);
    assert_eq!(fast.expect("there").agrees, Some(true));
}

#[test]
fn words_of_somebodys_own_and_a_single_profile_have_nothing_to_be_held_against() {
    let alone = comparison(vec![column("fast", ["High", "Fast", "Low"], 1000, 2.0)]);
    assert!(alone.verdicts().iter().all(|verdict| verdict.agrees.is_none()));
    let own =
        comparison(vec![column("mine", ["Plenty", "", "So-so"], 1000, 2.0), column("fast", ["High", "Fast", "Low"], 500, 2.0)]);
    assert!(own.verdicts().iter().all(|verdict| verdict.agrees.is_none()));
}

#[test]
fn a_profile_that_was_not_run_has_no_verdict_and_is_held_against_nobody() {
    let mut three = three();
    three.columns[0].runs.clear();
    let verdicts = three.verdicts();
    assert!(verdicts.iter().all(|verdict| verdict.profile != "fast" && !verdict.measured.contains("fast")), "{verdicts:?}");
    assert!(!three.is_well());
}

#[test]
fn outputs_that_differ_are_named_and_missing_ones_are_not_held_against_anybody() {
    let mut three = three();
    three.columns[2].runs[0].outputs.remove(0);
    assert_eq!(three.same_bytes(), SameBytes { inputs: 2, outputs: 5, differing: Vec::new() });
    assert!(three.is_well());
    three.columns[1].runs[0].outputs[1].blake3 = "another".to_owned();
    assert_eq!(three.same_bytes().differing, ["/v/2.mp4"]);
    assert!(!three.is_well());
}

#[test]
fn losses_of_the_naive_baseline_are_what_it_is_there_to_show() {
    let mut three = three();
    let mut naive = column("fast", ["High", "Fast", "Low"], 1000, 2.0);
    naive.governor = false;
    naive.runs[0].out_of_memory = 3;
    three.columns.push(naive);
    assert!(three.is_well());
    three.columns[0].runs[0].out_of_memory = 1;
    assert!(!three.is_well());
}
