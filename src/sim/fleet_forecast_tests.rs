use super::*;
use crate::sim::fixture::profile;

fn finished(kind: &str, mb: u64, needs: u64, seconds: u64) -> FinishedFleetJob {
    let (size, needs) = (Bytes::mib(mb), Bytes::mib(needs));
    FinishedFleetJob { kind: kind.to_owned(), size, needs, took: Duration::from_secs(seconds) }
}

fn queued(kind: &str, mb: u64) -> QueuedFleetJob {
    QueuedFleetJob { kind: kind.to_owned(), size: Some(Bytes::mib(mb)), needs: None, waited: Duration::ZERO, on: None }
}

fn boxes(count: usize, mb: u64) -> Vec<FleetBox> {
    vec![FleetBox { profile: profile("p", 1, 4000), budget: Bytes::mib(mb), takes: true }; count]
}

#[test]
fn jobs_take_what_like_jobs_took_by_their_size() {
    let seen = vec![finished("web", 10, 200, 100); 3];
    let jobs: Vec<QueuedFleetJob> = (0..10).map(|_| queued("web", 20)).collect();
    let of = |count| FleetForecaster::new(&jobs, &seen, 1.0).forecast((&boxes(count, 1024), &[]), 10, 7);
    let (one, two) = (of(1), of(2));
    let (one_takes, two_take) = (one.finish_p50.expect("an end"), two.finish_p50.expect("an end"));
    assert!((1900.0..2100.0).contains(&one_takes) && (950.0..1150.0).contains(&two_take), "{one:?} {two:?}");
    assert!(one.finish_p95 >= one.finish_p50);
    // A sample of a queue that is ten times as long takes ten times as long.
    let long = FleetForecaster::new(&jobs, &seen, 10.0).forecast((&boxes(1, 1024), &[]), 10, 7);
    assert!((long.finish_p50.expect("an end") / one_takes - 10.0).abs() < 1e-9);
}

#[test]
fn what_a_job_is_found_to_need_is_drawn_from_like_jobs_and_what_was_never_seen_is_a_guess() {
    let seen = vec![finished("large", 10, 1500, 10); 3];
    let jobs = vec![queued("large", 10), queued("other", 10)];
    let forecaster = FleetForecaster::new(&jobs, &seen, 1.0);
    assert_eq!((forecaster.guesses(), forecaster.learned_from()), (1, 3));
    assert_eq!(forecaster.forecast((&boxes(1, 1024), &[]), 5, 7).left, 1, "the large one does not fit");
    assert_eq!(forecaster.forecast((&boxes(1, 2048), &[]), 5, 7).left, 0);
    let nobody = forecaster.forecast((&[], &[]), 5, 7);
    assert_eq!((nobody.finish_p50, nobody.left, nobody.boxes), (None, 2, 0));
}

#[test]
fn the_same_seed_gives_the_same_plan_and_of_a_job_at_work_only_the_rest_counts() {
    let seen = vec![finished("web", 10, 200, 100), finished("web", 10, 300, 400)];
    let jobs = vec![queued("web", 10); 5];
    let of = |jobs: &[QueuedFleetJob], seed| FleetForecaster::new(jobs, &seen, 1.0).forecast((&boxes(2, 1024), &[]), 9, seed);
    assert_eq!(of(&jobs, 7), of(&jobs, 7));
    assert_ne!(of(&jobs, 7).finish_p50, of(&jobs, 8).finish_p50);
    let half = vec![QueuedFleetJob { needs: Some(Bytes::mib(200)), on: Some((0, 0.9)), ..queued("web", 10) }];
    let whole = vec![QueuedFleetJob { needs: Some(Bytes::mib(200)), ..queued("web", 10) }];
    let (half, whole) = (of(&half, 7).finish_p50.expect("an end"), of(&whole, 7).finish_p50.expect("an end"));
    assert!(half < 0.2 * whole, "{half} {whole}");
}
