//! Inputs that are away for a while, with their share or their disk: who waits, who looks, and that nobody is lost for it.

use std::path::PathBuf;
use std::time::Duration;

use plimsoll::domain::command::Command;
use plimsoll::domain::event::EventKind;
use plimsoll::domain::job::{JobId, Outcome, Phase};
use plimsoll::domain::time::Mono;
use plimsoll::engine::EngineConfig;
use plimsoll::engine::port::{Cause, Failure};
use plimsoll::sim::world::{Fate, Share, SimJob};
use plimsoll::sim::{End, Sim};

const MINUTE: Duration = Duration::from_mins(1);

fn job(seconds: u64) -> SimJob {
    crate::support::modelled::job(Fate::Good, seconds)
}

fn config() -> EngineConfig {
    crate::support::modelled::config(crate::support::modelled::profile("away", 1, 200), crate::support::modelled::sound())
}

fn at(seconds: u64) -> Mono {
    Mono(Duration::from_secs(seconds))
}

/// A run with these jobs, the first `on_share` of them on a share that is away in this span of seconds.
fn begin(config: EngineConfig, jobs: Vec<SimJob>, on_share: usize, away: (u64, u64)) -> Sim {
    let mut sim = Sim::new(config, jobs);
    for index in 0..on_share {
        sim.world
            .shares
            .insert(index, Share { folder: PathBuf::from("/mnt/share"), away: (at(away.0), at(away.1)), may_be_gone: false });
    }
    sim.enqueue_all();
    sim
}

fn outcome(sim: &Sim, id: u64) -> Option<Outcome> {
    match &sim.engine.state().jobs[&JobId(id)].phase {
        Phase::Finished(finished) => Some(finished.outcome),
        _ => None,
    }
}

fn requeues(sim: &Sim) -> Vec<(u64, u64, bool)> {
    let told = sim.events.iter().filter_map(|event| match &event.kind {
        EventKind::JobRequeued { job, delay_ms, uncounted, .. } => Some((job.0, *delay_ms / 1000, *uncounted)),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_share_that_is_away_rejects_nobody_is_looked_at_ever_less_often_and_holds_up_no_other_job() {
    let mut sim = begin(config(), vec![job(3); 40], 38, (0, 300));
    sim.run_for(Duration::from_secs(200));
    assert_eq!((outcome(&sim, 39), outcome(&sim, 40)), (Some(Outcome::Done), Some(Outcome::Done)), "their files are there");
    let state = sim.engine.state();
    assert_eq!(state.index.rejected.len(), 0);
    assert!((38..=40).contains(&(state.index.waiting.len() + state.index.backoff.len())), "the others wait");
    // 0, 10, 30, 70, 130, 190: one look each, not 38.
    let looks = sim.world.probes.iter().filter(|(_, id)| id.0 <= 38).count();
    assert_eq!(looks, 6, "{:?}", sim.world.probes);
    assert_eq!(requeues(&sim).iter().map(|(_, wait, _)| *wait).collect::<Vec<_>>(), [10, 20, 40, 60, 60, 60]);
    let waiting = state.jobs.values().find_map(|job| match &job.phase {
        Phase::Backoff { reason, .. } => Some(reason.as_str()),
        _ => None,
    });
    assert_eq!(waiting, Some("waits for /mnt/share, which cannot be reached: stale file handle"));
    assert!(sim.run_for(Duration::from_secs(170)) != End::Over);
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(MINUTE * 20), End::Over);
    for id in 1..=40 {
        assert_eq!(outcome(&sim, id), Some(Outcome::Done), "{id}");
        assert_eq!(sim.engine.state().jobs[&JobId(id)].attempts, 1, "no look was a try");
    }
    assert_eq!(sim.engine.state().totals.retries, 0);
    // All go on as soon as one was reached, also those that had looked and were to wait longer.
    let back = sim.world.starts.iter().find(|(_, id, _)| id.0 <= 38).expect("started").0;
    assert!(back.0 < Duration::from_secs(365), "{back:?}");
}

#[test]
fn a_job_whose_share_goes_before_its_next_start_keeps_its_tries_and_starts_when_it_is_back() {
    let failure = Failure { cause: Cause::Host, reason: "input/output error".to_owned() };
    let jobs = vec![SimJob { fate: Fate::FailsFirst(1, failure), ..job(5) }];
    // It begins while the share is there, fails with it, and finds it away at its next start.
    let mut sim = begin(config(), jobs, 1, (3, 100));
    sim.run_for(MINUTE);
    assert_eq!(outcome(&sim, 1), None, "it waits");
    assert_eq!(sim.engine.state().jobs[&JobId(1)].attempts, 1, "only the try that ran counts");
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(MINUTE * 5), End::Over);
    assert_eq!(outcome(&sim, 1), Some(Outcome::Done));
    assert_eq!(sim.engine.state().jobs[&JobId(1)].attempts, 2);
    let uncounted: Vec<bool> = requeues(&sim).iter().map(|(_, _, uncounted)| *uncounted).collect();
    assert_eq!(uncounted.iter().filter(|uncounted| !**uncounted).count(), 1, "{uncounted:?}");
}

#[test]
fn what_may_be_gone_for_good_is_waited_for_an_hour_and_then_its_jobs_end_one_after_the_other() {
    let mut sim = begin(config(), vec![job(3); 40], 38, (0, 1_000_000));
    sim.world.shares.values_mut().for_each(|share| share.may_be_gone = true);
    sim.run_for(MINUTE * 59);
    assert_eq!(sim.engine.state().index.rejected.len(), 0);
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(MINUTE * 3), End::Over, "nobody waits for ever");
    let state = sim.engine.state();
    assert_eq!((state.index.rejected.len(), state.job_counts().done), (38, 2));
    let Phase::Rejected(why) = &state.jobs[&JobId(38)].phase else { panic!("rejected") };
    assert_eq!(why.detail, "waited 1 h for /mnt/share, which cannot be reached: stale file handle");
}

#[test]
fn a_share_that_came_back_has_no_part_in_the_end_of_a_run() {
    let patient = EngineConfig { disk_wait: Some(MINUTE * 10), ..config() };
    // It is there again at the second start, which is killed for want of memory a quarter of an hour later.
    let mut sim = begin(patient, vec![SimJob { fate: Fate::KilledFirst(2), ..job(900) }], 1, (800, 1000));
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(MINUTE * 90), End::Over);
    assert_eq!(outcome(&sim, 1), Some(Outcome::Done));
}

#[test]
fn a_job_that_is_cancelled_while_its_share_is_away_stays_cancelled_and_the_others_look_in_its_place() {
    let mut sim = begin(config(), vec![job(3); 3], 3, (0, 30));
    sim.run_for(Duration::from_secs(5));
    let looked: Vec<u64> = sim.world.probes.iter().map(|(_, id)| id.0).collect();
    assert_eq!(looked, [1]);
    sim.ask(Command::Cancel(JobId(1)));
    sim.run_for(MINUTE);
    assert_eq!(outcome(&sim, 1), Some(Outcome::Cancelled));
    assert_eq!((outcome(&sim, 2), outcome(&sim, 3)), (Some(Outcome::Done), Some(Outcome::Done)));
}

#[test]
fn who_retries_a_job_that_waits_for_its_share_has_it_looked_at_now() {
    let mut sim = begin(config(), vec![job(3)], 1, (0, 35));
    // Looks at 0, 10 and 30; the next would be at 70.
    sim.run_for(Duration::from_secs(40));
    assert_eq!(sim.world.probes.len(), 3);
    sim.ask(Command::Retry(JobId(1)));
    sim.run_for(Duration::from_secs(10));
    assert_eq!(outcome(&sim, 1), Some(Outcome::Done));
}

#[test]
fn a_run_that_nobody_watches_gives_up_when_all_its_inputs_stay_away_and_keeps_its_queue() {
    let patient = EngineConfig { disk_wait: Some(MINUTE * 10), ..config() };
    let mut sim = begin(patient, vec![job(3), job(400)], 1, (0, 100_000));
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(MINUTE * 60), End::Over);
    assert_eq!(outcome(&sim, 1), None);
    assert_eq!(outcome(&sim, 2), Some(Outcome::Done));
    let told = sim.events.iter().find_map(|event| match &event.kind {
        EventKind::Fault { what, detail } => Some((event.mono.0.as_secs(), what.as_str(), detail.as_str())),
        _ => None,
    });
    let (when, what, detail) = told.expect("told");
    assert!((1000..1010).contains(&when), "ten minutes after the other job has ended: {when}");
    assert_eq!(what, "the inputs that wait cannot be reached for 10 min");
    assert!(detail.starts_with("waits for /mnt/share, which cannot be reached"), "{detail}");
}
