//! A disk without room for outputs: who waits, what is told and how often, and when a run that nobody watches ends.

use std::time::Duration;

use plimsoll::domain::account::Account;
use plimsoll::domain::command::Command;
use plimsoll::domain::event::{EventKind, RoomWanted};
use plimsoll::domain::job::{Exit, JobId, Outcome, Phase};
use plimsoll::domain::media::VideoStream;
use plimsoll::domain::time::{Mono, Now, Wall};
use plimsoll::domain::units::Bytes;
use plimsoll::engine::EngineConfig;
use plimsoll::engine::port::{Cause, ExitReport, Failure, Input, JobReport};
use plimsoll::sim::world::{Fate, SimJob};
use plimsoll::sim::{End, Sim};
use proptest::prelude::*;

use crate::support::modelled::job;

const MINUTE: Duration = Duration::from_mins(1);
/// More looks for room than any run has time for.
const NEVER: u32 = u32::MAX;

fn config(slots: u32, disk_wait: Option<Duration>) -> EngineConfig {
    EngineConfig {
        disk_wait,
        ..crate::support::modelled::config(crate::support::modelled::profile("room", slots, 200), crate::support::modelled::sound())
    }
}

/// A run whose queue is drained, up to its end or this long.
fn run(config: EngineConfig, jobs: Vec<SimJob>, most: Duration) -> (Sim, End) {
    let mut sim = Sim::new(config, jobs);
    sim.enqueue_all();
    sim.ask(Command::Drain);
    let end = sim.run_until(Mono(most));
    (sim, end)
}

fn outcomes(sim: &Sim) -> Vec<Option<Outcome>> {
    let outcome = |phase: &Phase| match phase {
        Phase::Finished(finished) => Some(finished.outcome),
        _ => None,
    };
    sim.engine.state().jobs.values().map(|job| outcome(&job.phase)).collect()
}

fn wanted(sim: &Sim) -> Vec<(Duration, RoomWanted)> {
    let told = sim.events.iter().filter_map(|event| match &event.kind {
        EventKind::RoomWanted(wanted) => Some((event.mono.0, wanted.clone())),
        _ => None,
    });
    told.collect()
}

fn count(sim: &Sim, what: impl Fn(&EventKind) -> bool) -> usize {
    sim.events.iter().filter(|event| what(&event.kind)).count()
}

#[test]
fn missing_room_is_told_at_once_and_every_minute_and_a_run_that_nobody_watches_ends_and_keeps_its_queue() {
    let (sim, end) = run(config(2, Some(MINUTE * 10)), vec![job(Fate::NoRoomFirst(NEVER), 3); 3], MINUTE * 60);
    assert_eq!(end, End::Over);
    let told = wanted(&sim);
    assert_eq!(told.len(), 10, "at once and nine times more: {told:#?}");
    assert!(told[0].0 < Duration::from_secs(10), "{:?}", told[0]);
    assert!(told.windows(2).all(|pair| pair[1].0.abs_diff(pair[0].0 + MINUTE) < Duration::from_secs(1)), "{told:#?}");
    let first = &told[0].1;
    assert_eq!((first.needs_bytes, first.free_bytes, first.waited_ms), (Some(Bytes::mib(8)), Some(Bytes::mib(6)), 0));
    assert_eq!(first.gives_up_ms, Some(600_000));
    let ended = sim.events.last().expect("events").mono.0;
    assert!(ended.abs_diff(told[0].0 + MINUTE * 10) < Duration::from_secs(6), "ended at {ended:?}");
    let why = |kind: &EventKind| matches!(kind, EventKind::Fault { what, .. } if what == "no room for the next output for 10 min");
    assert_eq!(count(&sim, why), 1);
    assert_eq!(sim.engine.state().job_counts().unfinished, 3, "all of them stay in the queue");
    assert!(sim.engine.state().jobs.values().all(|job| job.attempts == 0), "waiting was no try");
}

#[test]
fn whoever_looks_on_is_told_for_as_long_as_it_takes() {
    let (sim, end) = run(config(1, None), vec![job(Fate::NoRoomFirst(NEVER), 3)], MINUTE * 120);
    assert_ne!(end, End::Over);
    let told = wanted(&sim);
    assert!((115..=121).contains(&told.len()), "{} times in two hours", told.len());
    assert!(told.iter().all(|(_, wanted)| wanted.gives_up_ms.is_none()));
    assert!(!sim.engine.state().rooms.is_empty(), "it is shown");
}

#[test]
fn waiting_for_room_cleans_up_once_and_not_at_every_look() {
    let (sim, _) = run(config(1, None), vec![job(Fate::NoRoomFirst(NEVER), 3)], MINUTE * 30);
    let looks = count(&sim, |kind| matches!(kind, EventKind::JobRequeued { .. }));
    let cleanups = count(&sim, |kind| matches!(kind, EventKind::CleanupStarted { .. }));
    assert!(looks > 300, "{looks} looks");
    assert!(cleanups < 6, "{cleanups} cleanups");
    let lines = count(&sim, |kind| matches!(kind, EventKind::JobLogged { .. }));
    assert!(lines < 6, "{lines} lines in the log");
}

#[test]
fn once_there_is_room_the_job_runs_and_nothing_is_said_to_be_missing_any_more() {
    let (sim, end) = run(config(1, Some(MINUTE * 10)), vec![job(Fate::NoRoomFirst(4), 3), job(Fate::Good, 3)], MINUTE * 60);
    assert_eq!((end, outcomes(&sim)), (End::Over, vec![Some(Outcome::Done); 2]));
    assert_eq!(wanted(&sim).len(), 1, "20 s were no minute");
    assert_eq!(count(&sim, |kind| matches!(kind, EventKind::RoomFound { .. })), 1);
    assert_eq!(sim.engine.state().rooms, []);
    let order: Vec<u64> = sim.world.starts.iter().map(|(_, job, _)| job.0).collect();
    assert_eq!(order, [1, 1, 1, 1, 1, 2], "nobody overtakes it so soon");
}

#[test]
fn after_a_minute_others_that_may_need_less_get_their_turn_and_the_run_ends_when_only_the_large_one_is_left() {
    let mut jobs = vec![job(Fate::NoRoomFirst(NEVER), 3)];
    jobs.extend(vec![job(Fate::Good, 60); 5]);
    let (sim, end) = run(config(1, Some(MINUTE * 2)), jobs, MINUTE * 120);
    assert_eq!(end, End::Over);
    let done = outcomes(&sim).iter().filter(|outcome| **outcome == Some(Outcome::Done)).count();
    assert_eq!((done, sim.engine.state().job_counts().unfinished), (5, 1));
}

#[test]
fn a_job_that_fills_the_disk_has_used_no_try_and_asks_for_more_room_next_time() {
    let fate = Fate::FillsDiskFirst(vec![Bytes::mib(100), Bytes::mib(200), Bytes::mib(300), Bytes::mib(400), Bytes::mib(500)]);
    let (sim, end) = run(config(1, Some(MINUTE)), vec![job(fate, 30)], MINUTE * 60);
    assert_eq!((end, outcomes(&sim)), (End::Over, vec![Some(Outcome::Done)]), "each try got further than the one before");
    assert_eq!(sim.engine.state().jobs[&JobId(1)].attempts, 1);
    assert_eq!(sim.world.parts.len(), 0, "what it had written is gone");
}

#[test]
fn a_job_that_fills_the_disk_again_and_again_does_not_go_on_for_ever() {
    let fate = Fate::FillsDiskFirst(vec![Bytes::mib(100); 10_000]);
    let (sim, end) = run(config(1, Some(MINUTE * 10)), vec![job(fate, 30)], MINUTE * 120);
    assert_eq!(end, End::Over);
    let ended = sim.events.last().expect("events").mono.0;
    assert!(ended < MINUTE * 12, "ended after {ended:?}");
    assert_eq!(sim.engine.state().job_counts().unfinished, 1);
    assert!(wanted(&sim).len() <= 12, "told {} times", wanted(&sim).len());
}

#[test]
fn a_run_does_not_give_up_while_something_is_at_work_nor_because_of_the_time_that_it_took() {
    // The first starts, the second finds no room for as long as the first runs.
    let jobs = vec![job(Fate::Good, 1800), job(Fate::NoRoomFirst(25), 3)];
    let (sim, end) = run(config(2, Some(MINUTE * 5)), jobs, MINUTE * 120);
    assert_eq!((end, outcomes(&sim)), (End::Over, vec![Some(Outcome::Done); 2]));
    let failure = Failure { cause: Cause::Input, reason: "broken".to_owned() };
    let jobs = vec![job(Fate::FailsFirst(9, failure), 1800), job(Fate::NoRoomFirst(NEVER), 3)];
    let (sim, end) = run(config(2, Some(MINUTE * 5)), jobs, MINUTE * 120);
    assert_eq!((end, outcomes(&sim)[0]), (End::Over, Some(Outcome::Failed)));
    let ended = sim.events.last().expect("events").mono.0;
    assert!(ended > MINUTE * 34, "five minutes after the first had failed, not at once: {ended:?}");
}

#[test]
fn a_wait_of_zero_ends_at_once_and_without_further_tries_the_job_fails() {
    let (sim, end) = run(config(1, Some(Duration::ZERO)), vec![job(Fate::NoRoomFirst(NEVER), 3)], MINUTE * 60);
    assert_eq!((end, sim.engine.state().job_counts().unfinished), (End::Over, 1));
    assert!(sim.events.last().expect("events").mono.0 < Duration::from_secs(10));
    let strict = EngineConfig { retries: 0, ..config(1, Some(MINUTE)) };
    for fate in [Fate::NoRoomFirst(1), Fate::FillsDiskFirst(vec![Bytes::mib(9)])] {
        let (sim, _) = run(strict.clone(), vec![job(fate, 3)], MINUTE * 60);
        assert_eq!(outcomes(&sim), [Some(Outcome::Failed)]);
    }
}

#[test]
fn each_of_several_jobs_that_filled_the_disk_says_that_it_waits_for_room() {
    let full = || job(Fate::FillsDiskFirst(vec![Bytes::mib(100); 100]), 30);
    let mut sim = Sim::new(config(2, None), vec![full(), full()]);
    sim.enqueue_all();
    // Both were at work; by then both have ended for want of room, and wait for their next look.
    sim.run_for(Duration::from_secs(33));
    let state = sim.engine.state();
    let waiting: Vec<&_> = state.jobs.values().filter(|job| job.phase.is_waiting()).collect();
    assert_eq!((state.jobs.len(), waiting.len()), (2, 2), "{:?}", state.jobs);
    for job in waiting {
        assert!(job.lack_of_room().is_some_and(|why| why.contains("was full after 100 MB")), "{job:?}");
    }
}

#[test]
fn a_job_that_waits_for_room_can_be_cancelled_and_is_then_wanted_no_more() {
    let mut sim = Sim::new(config(1, None), vec![job(Fate::NoRoomFirst(NEVER), 3)]);
    sim.enqueue_all();
    sim.run_for(MINUTE);
    assert!(!sim.engine.state().rooms.is_empty());
    sim.ask(Command::Cancel(JobId(1)));
    sim.run_for(Duration::from_secs(20));
    assert_eq!((outcomes(&sim), sim.engine.state().rooms.len()), (vec![Some(Outcome::Cancelled)], 0));
}

/// Random runs of a property: so many, or as many as `just governor` asks for.
fn cases(few: u32) -> u32 {
    std::env::var("GOVERNOR_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(few)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(24), ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_disk_does_the_run_ends_within_its_patience_and_loses_no_job(
        slots in 1..4_u32,
        minutes in 0..20_u64,
        jobs in prop::collection::vec(
            (prop_oneof![
                Just(Fate::Good),
                (1..500_u32).prop_map(Fate::NoRoomFirst),
                Just(Fate::NoRoomFirst(NEVER)),
                prop::collection::vec((0..900_u64).prop_map(Bytes::mib), 1..12).prop_map(Fate::FillsDiskFirst),
            ], 1..60_u64),
            1..8,
        ),
    ) {
        let all = jobs.len();
        let jobs = jobs.into_iter().map(|(fate, seconds)| job(fate, seconds)).collect();
        let (sim, end) = run(config(slots, Some(Duration::from_mins(minutes))), jobs, MINUTE * 60 * 24);
        prop_assert_eq!(end, End::Over);
        let counts = sim.engine.state().job_counts();
        prop_assert_eq!((counts.done + counts.unfinished) as usize, all, "{:?}", counts);
        prop_assert_eq!(counts.failed, 0, "want of room is nobody's failure");
        let told = wanted(&sim);
        let long = sim.events.last().map_or(Duration::ZERO, |event| event.mono.0);
        prop_assert!(told.len() as u64 <= long.as_secs() / 5 + 2);
    }
}

/// Films for a disk that is full for so many looks, before films for another one that has room.
fn two_disks(slots: u32, full: Vec<(u32, u64)>, free: Vec<u64>) -> Sim {
    let count = full.len();
    let mut jobs: Vec<SimJob> = full.into_iter().map(|(looks, seconds)| job(Fate::NoRoomFirst(looks), seconds)).collect();
    jobs.extend(free.into_iter().map(|seconds| job(Fate::Good, seconds)));
    let all = jobs.len();
    let mut sim = Sim::new(config(slots, None), jobs);
    let disk = |at: usize| std::path::PathBuf::from(if at < count { "/full" } else { "/free" });
    sim.world.disks = (0..all).map(|at| (at, disk(at))).collect();
    sim.enqueue_all();
    sim
}

/// When a job was started for the first time so that it ran.
fn began(sim: &Sim, id: u64) -> Option<Duration> {
    let started = |kind: &EventKind| matches!(kind, EventKind::JobStarted { job, .. } if job.0 == id);
    sim.events.iter().find(|event| started(&event.kind)).map(|event| event.mono.0)
}

#[test]
fn a_full_disk_holds_up_nobody_whose_output_goes_to_another_one_and_says_which_it_is() {
    let mut sim = two_disks(1, vec![(NEVER, 3), (NEVER, 3)], vec![20; 6]);
    sim.run_for(MINUTE * 3);
    let done = outcomes(&sim).iter().filter(|outcome| **outcome == Some(Outcome::Done)).count();
    assert_eq!(done, 6, "{:?}", outcomes(&sim));
    let last = (3..=8).filter_map(|id| began(&sim, id)).max().expect("they began");
    assert!(last < Duration::from_secs(125), "one after the other, without a pause: {last:?}");
    let rooms = &sim.engine.state().rooms;
    assert_eq!(rooms.len(), 1, "{rooms:?}");
    assert_eq!((rooms[0].place(), rooms[0].figures()), ("the disk at /full".to_owned(), "needs 8 MB, 6 MB free".to_owned()));
    let state = sim.engine.state();
    assert!([1, 2].iter().all(|id| state.room_for(&state.jobs[&JobId(*id)]).is_some()));
}

#[test]
fn a_full_disk_holds_up_nobody_however_many_jobs_wait_for_it() {
    let mut sim = two_disks(2, vec![(NEVER, 3); 60], vec![3; 20]);
    sim.run_for(MINUTE * 5);
    let done = outcomes(&sim).iter().filter(|outcome| **outcome == Some(Outcome::Done)).count();
    assert_eq!(done, 20, "{:?}", outcomes(&sim));
}

#[test]
fn whoever_was_passed_looks_before_each_start_behind_him_so_that_he_starts_as_soon_as_there_is_room() {
    // Room comes at its sixth look; jobs for the other disk never leave the only slot free for long.
    let mut sim = two_disks(1, vec![(5, 3)], vec![7; 40]);
    sim.run_for(MINUTE * 10);
    let (own, looks) = (began(&sim, 1).expect("it began"), sim.world.starts.iter().filter(|(_, id, _)| id.0 == 1).count());
    assert_eq!(looks, 6);
    assert!(own < Duration::from_secs(7 * 8 + 10), "it looks whenever the slot is free: {own:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(16), ..ProptestConfig::default() })]

    #[test]
    fn jobs_of_a_disk_with_room_run_as_if_the_full_one_were_not_there_and_nobody_starves(
        slots in 1..4_u32,
        full in prop::collection::vec((1..30_u32, 1..20_u64), 1..4),
        free in prop::collection::vec(1..20_u64, 1..12),
    ) {
        let (waiting, others) = (full.len() as u64, free.len() as u64);
        let longest = free.iter().sum::<u64>() + full.iter().map(|(_, seconds)| seconds).sum::<u64>();
        let mut sim = two_disks(slots, full.iter().map(|(_, seconds)| (NEVER, *seconds)).collect(), free.clone());
        sim.run_for(MINUTE * 5);
        let state = sim.engine.state();
        prop_assert_eq!(state.job_counts().done, others, "all of the other disk are done: {:?}", outcomes(&sim));
        let last = (waiting + 1..=waiting + others).filter_map(|id| began(&sim, id)).max().unwrap_or_default();
        prop_assert!(last.as_secs() <= free.iter().sum::<u64>() + 3 * others + 10, "without waiting for the full disk: {:?}", last);
        // Where room comes, everything is done in the end.
        let mut sim = two_disks(slots, full.clone(), free);
        sim.ask(Command::Drain);
        prop_assert_eq!(sim.run_for(MINUTE * 60 * 3), End::Over);
        prop_assert_eq!(sim.engine.state().job_counts().done, waiting + others, "{} s of work", longest);
        prop_assert!(sim.engine.state().rooms.is_empty());
    }
}

#[test]
fn a_film_that_is_made_anew_in_a_larger_picture_still_goes_to_its_disk() {
    let mut sim = two_disks(1, vec![], vec![60]);
    sim.run_for(Duration::from_secs(5));
    assert!(began(&sim, 1).is_some(), "it runs");
    let larger = VideoStream { width: 3840, height: 2160, ..VideoStream::default() };
    let account = Account { grown: Some(Box::new(larger)), ..Account::default() };
    let exit = Exit::Signal(9);
    let ended = ExitReport { exit, peak: Bytes::mib(50), failure: None, oom_killed: Some(false), cpu: Duration::ZERO, account };
    let now = Now { mono: sim.now(), wall: Wall(0) };
    sim.engine.step(now, Input::Job(JobId(1), JobReport::Exited(ended)));
    let job = &sim.engine.state().jobs[&JobId(1)];
    assert_eq!(job.media.as_ref().and_then(|media| media.video.as_ref()).map(|video| video.width), Some(3840));
    assert_eq!(job.disk.as_deref(), Some(std::path::Path::new("/free")));
}

#[test]
fn a_job_that_outgrows_the_scratch_limit_is_told_so_and_blames_no_disk() {
    let mut sim = two_disks(1, vec![], vec![60]);
    sim.run_for(Duration::from_secs(5));
    let words = "the output outgrew what the other unfinished outputs leave of the scratch limit";
    let failure = Some(Failure { cause: Cause::Scratch, reason: words.to_owned() });
    let (exit, account) = (Exit::Signal(25), Account::default());
    let ended = ExitReport { exit, peak: Bytes::mib(50), failure, oom_killed: Some(false), cpu: Duration::ZERO, account };
    sim.engine.step(Now { mono: sim.now(), wall: Wall(0) }, Input::Job(JobId(1), JobReport::Exited(ended)));
    let state = sim.engine.state();
    let reason = state.jobs[&JobId(1)].reason().expect("it waits");
    assert!(reason.starts_with(words) && reason.contains("it had written") && !reason.contains("full"), "{reason}");
    assert_eq!(state.jobs[&JobId(1)].attempts, 0, "it was no try");
    assert_eq!(state.rooms.iter().map(|room| &room.disk).collect::<Vec<_>>(), [&None], "no disk is waited for");
}
