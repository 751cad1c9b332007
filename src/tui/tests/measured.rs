//! What is measured while each profile is in force.

use super::*;
use crate::domain::state::State;

#[test]
fn each_profile_is_measured_while_it_is_in_force() {
    let mut story = Story::new(true);
    story.queue(1, "a", 1).queue(2, "b", 1).start(1, 1);
    for second in 1..=30 {
        story.at(second * 1000).sample(if second > 20 { 1600 } else { 900 }, &[(1, 500)]);
    }
    story.finish(1, Outcome::Done, 500, 30.0, None);
    story.select(profiles()[2].clone());
    story.start(2, 1).at(40_000).sample(300, &[(2, 200)]).finish(2, Outcome::OutOfMemory, 1, 1.0, None);
    let mut state = State::default();
    story.events.iter().for_each(|event| state.apply(event));
    let measurements = &state.measured;
    let balanced = measurements.get("balanced").expect("tried");
    assert_eq!((balanced.peak, balanced.done, balanced.bad), (Bytes::mib(1600), 1, 0));
    assert_eq!((balanced.over.as_secs(), balanced.busy.as_secs()), (9, 30));
    assert!(balanced.per_minute().is_some_and(|rate| (2.0..2.2).contains(&rate)));
    let safe = measurements.get("safe").expect("tried");
    assert_eq!((safe.peak, safe.bad, safe.busy.as_secs(), safe.per_minute()), (Bytes::mib(300), 1, 10, None));
    assert_eq!(measurements.get("fast"), None);
}

#[test]
fn what_another_profile_had_let_in_is_not_measured_as_of_the_one_in_force() {
    let mut story = Story::new(true);
    story.queue(1, "a", 1).queue(2, "b", 1).start(1, 1).at(1000).sample(900, &[(1, 500)]);
    story.select(profiles()[2].clone());
    story.at(2000).sample(1000, &[(1, 600)]).finish(1, Outcome::Done, 600, 2.0, None);
    story.start(2, 1).at(3000).sample(300, &[(2, 200)]);
    let mut state = State::default();
    story.events.iter().for_each(|event| state.apply(event));
    let measurements = &state.measured;
    let safe = measurements.get("safe").expect("tried");
    assert_eq!((safe.peak, safe.done), (Bytes::mib(300), 0));
}

#[test]
fn jobs_a_minute_are_those_of_the_time_that_counts() {
    let mut story = Story::new(true);
    story.queue(1, "a", 1).start(1, 1).at(1000);
    story.select(profiles()[2].clone());
    // While one of the profile before runs, neither its time counts nor what ends beside it.
    for id in 2..=5 {
        story.queue(id, "b", 1).start(id, 1).at(id * 1000).finish(id, Outcome::Done, 100, 1.0, None);
    }
    story.at(10_000).finish(1, Outcome::Done, 100, 10.0, None);
    story.queue(6, "c", 1).start(6, 1).at(30_000).finish(6, Outcome::Done, 100, 20.0, None);
    // An hour in which the operator has paused the only job is no time of work.
    story.queue(7, "d", 1).start(7, 1).emit(EventKind::JobPaused { job: JobId(7), by_governor: false });
    story.at(3_630_000).emit(EventKind::JobContinued { job: JobId(7), by_governor: false });
    story.at(3_650_000).finish(7, Outcome::Done, 100, 40.0, None);
    let mut state = State::default();
    story.events.iter().for_each(|event| state.apply(event));
    let safe = state.measured.get("safe").expect("tried");
    assert_eq!((safe.done, safe.timed, safe.busy.as_secs()), (6, 2, 40));
    assert!(safe.per_minute().is_some_and(|rate| (2.9..3.1).contains(&rate)), "{safe:?}");
}
