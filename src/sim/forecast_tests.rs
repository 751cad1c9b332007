use super::*;
use crate::domain::curve::held_at;
use crate::domain::profile::Slots;
use crate::sim::fixture::{self, curves, presets, profile};

fn way(slots: u32) -> Variant {
    Variant { name: String::new(), profile: profile(&format!("p{slots}"), slots, 200), budget: Bytes::gib(2) }
}

fn job(seconds: u64, mb: u64) -> QueuedJob {
    fixture::job((1280, 720), seconds, mb)
}

fn forecast(jobs: &[QueuedJob], curves: &[JobCurve], way: &Variant, seed: u64) -> Forecast {
    let (presets, learned) = (presets(2), Learned::default());
    Forecaster::new(jobs, &presets, (&learned, curves), 2.0).forecast(way, 20, seed)
}

#[test]
fn two_processors_are_the_bound_and_more_slots_only_take_more_memory() {
    let jobs = vec![job(10, 5); 8];
    let curves = curves(&jobs[0], &presets(2));
    let of = |slots| forecast(&jobs, &curves, &way(slots), 7);
    let (one, two, four) = (of(1), of(2), of(4));
    // 8 jobs of 20 processor seconds on two processors: 80 s at the least; alone a job keeps 1.5 of them busy: 107 s.
    assert!((102.0..115.0).contains(&one.finish_p50), "{one:?}");
    assert!((78.0..90.0).contains(&two.finish_p50), "{two:?}");
    assert!((78.0..90.0).contains(&four.finish_p50), "{four:?}");
    let mb = |way: &Forecast| way.peak_p50.as_mb();
    assert!((200.0..220.0).contains(&mb(&one)) && (395.0..425.0).contains(&mb(&two)) && (780.0..830.0).contains(&mb(&four)));
    assert!(four.crosses == 0.0 && four.out_of_memory == 0.0 && four.rejected == 0);
}

#[test]
fn the_same_seed_gives_the_same_forecast_and_another_one_another() {
    let jobs: Vec<QueuedJob> = (3..9).map(|seconds| job(seconds, 5)).collect();
    let curves = curves(&jobs[0], &presets(2));
    let of = |seed| forecast(&jobs, &curves, &way(2), seed);
    assert_eq!(of(7), of(7));
    assert_ne!(of(7), of(8));
}

#[test]
fn jobs_wait_under_a_small_budget_and_what_is_too_large_is_rejected() {
    let mut jobs = vec![job(10, 5); 6];
    jobs.push(job(10, 900));
    let curves = curves(&jobs[0], &presets(2));
    let small = Variant { budget: Bytes::mib(600), ..way(4) };
    let (small, large) = (forecast(&jobs, &curves, &small, 7), forecast(&jobs, &curves, &way(4), 7));
    assert_eq!((small.rejected, large.rejected), (1, 1));
    assert!(small.holds > 0 && large.holds == 0, "{small:?}");
    assert!(small.peak_p95 <= small.high_water && small.peak_p95 < large.peak_p50, "{small:?}");
    assert!(small.finish_p50 >= large.finish_p50, "{small:?} {large:?}");
}

#[test]
fn a_budget_above_the_profiles_own_moves_no_line_that_is_written_in_bytes() {
    let jobs = vec![job(10, 5); 4];
    let mut way = way(2);
    way.profile.memory.budget = Some(Bytes::gib(2));
    let of = |way: &Variant, budget| {
        let way = Variant { budget, ..way.clone() };
        let foretold = forecast(&jobs, &curves(&jobs[0], &presets(2)), &way, 7);
        (foretold.budget, foretold.high_water)
    };
    assert_eq!(of(&way, Bytes::gib(4)), (Bytes::gib(4), Bytes::mib(1536)));
    assert_eq!(of(&way, Bytes::gib(2)), (Bytes::gib(2), Bytes::mib(1536)));
    assert_eq!(of(&way, Bytes::gib(1)), (Bytes::gib(1), Bytes::mib(768)));
    // What is asked for goes before what the profile says.
    way.profile.memory.budget = Some(Bytes::mib(256));
    let large = vec![fixture::job((3840, 2160), 10, 5)];
    let rejected = |budget| forecast(&large, &[], &Variant { budget, ..way.clone() }, 7).rejected;
    assert_eq!((rejected(Bytes::mib(256)), rejected(Bytes::gib(2))), (1, 0));
}

#[test]
fn a_job_that_is_let_in_alone_and_is_ended_for_want_of_memory_is_told() {
    let jobs = [job(20, 5)];
    let curves = curves(&jobs[0], &presets(2));
    let of = |budget| forecast(&jobs, &curves, &Variant { budget: Bytes::mib(budget), ..way(1) }, 7);
    let (small, large) = (of(205), of(250));
    assert!(small.out_of_memory > 0.5 && small.rejected == 0, "{small:?}");
    assert!(large.out_of_memory <= 0.0 && large.rejected == 0, "{large:?}");
}

#[test]
fn of_a_job_at_work_only_what_is_left_takes_time_and_it_stays_of_its_kind() {
    let whole = vec![job(60, 5); 2];
    let curves = curves(&whole[0], &presets(2));
    let half = vec![QueuedJob { left: 0.05, ..job(60, 5) }; 2];
    let (whole, half) = (forecast(&whole, &curves, &way(1), 7), forecast(&half, &curves, &way(1), 7));
    assert!(half.finish_p50 < 0.2 * whole.finish_p50, "{half:?} {whole:?}");
    assert!(half.peak_p50 > whole.peak_p50.scale(0.9), "{half:?} {whole:?}");
}

#[test]
fn what_runs_now_goes_on_whatever_is_switched_to_and_is_let_in_by_no_rule() {
    let at_work = QueuedJob { left: 0.5, holds: Some(Bytes::mib(300)), ..job(20, 900) };
    let jobs = [at_work.clone(), at_work.clone(), job(20, 5)];
    let curves = curves(&jobs[2], &presets(2));
    let alone = forecast(&jobs[2..], &curves, &way(1), 7);
    let of = |slots, budget| forecast(&jobs, &curves, &Variant { budget: Bytes::mib(budget), ..way(slots) }, 7);
    // They hold more than their kind does, are too large for the profile, and are more than it has slots.
    let (one, small) = (of(1, 2048), of(1, 520));
    assert!((600.0..620.0).contains(&one.peak_p50.as_mb()) && one.rejected == 0, "{one:?}");
    // Two halves at once, on two processors, and then the one that waits.
    assert!((18.0..24.0).contains(&(one.finish_p50 - alone.finish_p50)), "{one:?} {alone:?}");
    assert!(small.peak_p50 >= Bytes::mib(600) && small.crosses > 0.99 && small.out_of_memory <= 0.0, "{small:?}");
    // None of them begins anew under more slots either.
    let three = of(3, 2048);
    assert!(three.finish_p50 < one.finish_p50 && three.peak_p50 > Bytes::mib(700), "{three:?}");
}

#[test]
fn what_was_never_seen_is_a_guess_and_what_was_is_none() {
    let jobs = vec![job(10, 5); 3];
    let (presets, learned) = (presets(2), Learned::default());
    let curves = curves(&jobs[0], &presets);
    let known = Forecaster::new(&jobs, &presets, (&learned, &curves), 2.0);
    assert_eq!((known.guesses(), known.learned_from()), (0, 4));
    let unknown = Forecaster::new(&jobs, &presets, (&learned, &[]), 2.0);
    assert_eq!((unknown.guesses(), unknown.learned_from()), (3, 0));
    let guess = unknown.forecast(&way(2), 20, 7);
    assert!(guess.finish_p50 > 0.0 && guess.peak_p50 > Bytes::mib(100), "{guess:?}");
}

#[test]
fn how_many_threads_share_the_runs_changes_nothing() {
    let jobs: Vec<QueuedJob> = (3..9).map(|seconds| job(seconds, 5)).collect();
    let (presets, learned) = (presets(2), Learned::default());
    let curves = curves(&jobs[0], &presets);
    let forecaster = Forecaster::new(&jobs, &presets, (&learned, &curves), 2.0);
    let finishes = |runs| forecaster.runs(&way(2), runs, 7).iter().map(|run| run.summary.seconds).collect::<Vec<_>>();
    let few: Vec<f64> = (0..40).step_by(7).filter_map(|first| finishes(first + 1).last().copied()).collect();
    let many = finishes(40);
    assert_eq!(many.len(), 40);
    assert_eq!(few, (0..40).step_by(7).map(|at| many[at]).collect::<Vec<_>>());
}

#[test]
fn a_thinned_course_keeps_its_peak_and_strays_little() {
    let wave = |at: u16| 700 + (f64::from(at) / 40.0).sin().mul_add(100.0, if at == 510 { 200.0 } else { 0.0 }) as u16;
    let points: Vec<Point> =
        (1..=100).map(|at| Point { done: at * 10, held: if at < 6 { at * 100 } else { wave(at * 10) } }).collect();
    let thin = thinned(&points);
    assert!(thin.len() < 60 && thin.last() == points.last(), "{}", thin.len());
    let highest = |points: &[Point]| points.iter().map(|point| point.held).max();
    assert_eq!(highest(&thin), highest(&points));
    for at in 1..=1000 {
        let done = f64::from(at) / 1000.0;
        let apart = (held_at(&thin, done) - held_at(&points, done)).abs();
        assert!(apart <= STRAYS / 1000.0 + 1e-9, "{apart} at {done}");
    }
    assert_eq!(thinned(&[]), []);
    let flat: Vec<Point> = (1..=48).map(|at| Point { done: at * 20, held: 1000 - at % 3 }).collect();
    assert!(thinned(&flat).len() <= 4, "{:?}", thinned(&flat));
}

#[test]
fn a_forecast_agrees_with_a_world_that_is_sampled_by_the_clock() {
    let mut jobs: Vec<QueuedJob> = (0..12).map(|number| job(5 + number % 9, 5)).collect();
    jobs.push(job(40, 5));
    let (presets, learned) = (presets(2), Learned::default());
    let curves = curves(&jobs[0], &presets);
    let forecaster = Forecaster::new(&jobs, &presets, (&learned, &curves), 2.0);
    for (slots, budget) in [(1, 2048), (2, 2048), (4, 2048), (4, 700), (4, 512)] {
        let way = Variant { budget: Bytes::mib(budget), ..way(slots) };
        let (quick, slow) = (forecaster.once(&way, &mut Dice(5), true), forecaster.once(&way, &mut Dice(5), false));
        let apart = |a: f64, b: f64| (a - b).abs() / b;
        let (times, peaks) = ((quick.summary.seconds, slow.summary.seconds), (quick.highest, slow.highest));
        assert_eq!(quick.summary.jobs, slow.summary.jobs);
        let holds = (quick.summary.holds, slow.summary.holds);
        assert!(holds.0.abs_diff(holds.1) <= 2, "{slots} slots in {budget} MB: {holds:?} waits for memory");
        assert!(apart(times.0, times.1) < 0.02, "{slots} slots in {budget} MB: {times:?}");
        assert!(apart(peaks.0.as_mb(), peaks.1.as_mb()) < 0.03, "{slots} slots in {budget} MB: {peaks:?}");
    }
}

/// Prints what a thousand runs of fifty jobs take; no limit, since machines differ.
#[test]
#[ignore = "a measurement: cargo test --release --lib forecast -- --ignored --nocapture"]
#[allow(clippy::disallowed_methods)] // it measures
fn a_thousand_runs_of_fifty_jobs() {
    let jobs: Vec<QueuedJob> = (0..50).map(|number| job(5 + number % 9, 5)).collect();
    let (presets, learned) = (presets(2), Learned::default());
    let curves = curves(&jobs[0], &presets);
    let forecaster = Forecaster::new(&jobs, &presets, (&learned, &curves), 2.0);
    let auto = Variant { profile: Profile { max_concurrent: Slots::Auto, ..way(1).profile }, ..way(1) };
    let tight = Variant { budget: Bytes::mib(512), ..way(4) };
    for (name, way) in [("2 slots", way(2)), ("slots by processors", auto), ("4 slots in 512 MB", tight)] {
        let began = std::time::Instant::now();
        let forecast = forecaster.forecast(&way, 1000, 7);
        println!("1000 runs of 50 jobs, {name}: {:.2?}, finish {:.0} s", began.elapsed(), forecast.finish_p50);
    }
}

#[test]
fn a_job_at_work_is_foretold_by_its_own_pace_and_those_of_its_kind_too_where_none_has_finished() {
    let at_work = QueuedJob { left: 0.5, measured: Some(Duration::from_mins(5)), ..job(60, 5) };
    let waiting = job(60, 5);
    let of = |jobs: &[QueuedJob], known: &[JobCurve]| forecast(jobs, known, &way(1), 7).finish_p50;
    // Half a minute of media takes it five minutes, however quick others of its kind were.
    let curves = curves(&waiting, &presets(2));
    for known in [&curves[..], &[]] {
        let own = of(std::slice::from_ref(&at_work), known);
        assert!((270.0..331.0).contains(&own), "{own}");
    }
    // A guess would be far off: the next one of the kind takes twice as long as the half that is left.
    let both = of(&[at_work.clone(), waiting.clone()], &[]);
    assert!((800.0..1000.0).contains(&both), "{both}");
    // What has finished is known better than by one that runs.
    let both = of(&[at_work, waiting], &curves);
    assert!(both < 500.0, "{both}");
}
