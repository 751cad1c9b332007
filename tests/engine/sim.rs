//! Properties of the engine over a modelled host in virtual time: random queues, random fates, random operators.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use plimsoll::domain::cleanup::CleanupTrigger;
use plimsoll::domain::command::{Answer, Command, JobRequest, MoveTo, QueueOptions};
use plimsoll::domain::event::{Event, EventKind};
use plimsoll::domain::job::{JobId, LogLevel, Outcome, Phase, RejectReason, Rejected};
use plimsoll::domain::preset::Preset;
use plimsoll::domain::profile::Profile;
use plimsoll::domain::state::State;
use plimsoll::domain::time::{Mono, Now, Wall};
use plimsoll::domain::units::Bytes;
use plimsoll::engine::EngineConfig;
use plimsoll::engine::port::{Cause, Failure, Input, StopMode};
use plimsoll::sim::world::{Fate, SimJob};
use plimsoll::sim::{End, Sim};
use proptest::prelude::*;

fn profile(slots: u32, max_mb: u64) -> Profile {
    crate::support::modelled::profile(&format!("p{slots}"), slots, max_mb)
}

fn config(slots: u32, max_mb: u64) -> EngineConfig {
    EngineConfig {
        stall: Some(Duration::from_mins(1)),
        check_preset: plimsoll::config::preset::check,
        ..crate::support::modelled::config(profile(slots, max_mb), crate::support::modelled::sound())
    }
}

fn good(mb: u64, seconds: u64) -> SimJob {
    SimJob {
        size: Bytes::mib(mb),
        length: Duration::from_secs(seconds),
        peak: Bytes::mib(100),
        ramp: Duration::ZERO,
        picture: (1280, 720),
        cache: Bytes::mib(mb),
        fate: Fate::Good,
    }
}

fn with_fate(fate: Fate) -> SimJob {
    SimJob { fate, ..good(10, 3) }
}

fn failure(cause: Cause) -> Failure {
    Failure { cause, reason: "it went wrong".to_owned() }
}

fn run(config: EngineConfig, jobs: Vec<SimJob>) -> Sim {
    let mut sim = Sim::new(config, jobs);
    sim.enqueue_all();
    sim.ask(Command::Drain);
    // A scan under way when draining begins still counts; the run must come to an end by itself.
    assert_eq!(sim.run_until(Mono::from_millis(24 * 3_600_000)), End::Over, "the run never ended");
    sim
}

fn outcome(sim: &Sim, job: u64) -> Option<Outcome> {
    match &sim.engine.state().jobs.get(&JobId(job))?.phase {
        Phase::Finished(finished) => Some(finished.outcome),
        _ => None,
    }
}

fn count(events: &[Event], what: impl Fn(&EventKind) -> bool) -> usize {
    events.iter().filter(|event| what(&event.kind)).count()
}

fn admissions(events: &[Event]) -> Vec<u64> {
    events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::JobAdmitted { job, .. } => Some(job.0),
            _ => None,
        })
        .collect()
}

/// What must hold of every run, whatever happened in it.
fn check_run(sim: &Sim) {
    assert_eq!(sim.world.violations, Vec::<String>::new());
    let mut folded = State::default();
    for (index, event) in sim.events.iter().enumerate() {
        assert_eq!(event.seq.0, index as u64 + 1, "seq rises by one");
        folded.apply(event);
    }
    assert_eq!(&folded, sim.engine.state(), "the events alone give the state");
    assert_eq!(sim.world.alive(), 0, "no process outlives the run");
    assert_eq!(sim.world.parts, BTreeSet::new(), "no part outlives the run");
    assert!(matches!(sim.events.last().map(|event| &event.kind), Some(EventKind::RunFinished(_))), "the last event ends the run");
    let mut ends: BTreeMap<JobId, usize> = BTreeMap::new();
    // Of those that were taken off the list after they had ended; a rejected one that is put back is looked at again.
    let (mut finished, mut cleared, mut cleared_rejected) = (BTreeSet::new(), 0, BTreeSet::new());
    for event in &sim.events {
        match event.kind {
            EventKind::JobFinished { job, .. } => drop(finished.insert(job)),
            EventKind::JobQueued { job, .. } => drop(cleared_rejected.remove(&job)),
            EventKind::JobRejected { job, .. } | EventKind::JobRetried { job, .. } => drop(finished.remove(&job)),
            _ => {}
        }
        match event.kind {
            EventKind::JobFinished { job, .. } | EventKind::JobRejected { job, .. } => *ends.entry(job).or_default() += 1,
            EventKind::JobAllowed { job, .. } | EventKind::JobRetried { job, .. } => *ends.entry(job).or_default() -= 1,
            EventKind::JobRemoved { job, .. } => match ends.remove(&job) {
                Some(1) if finished.contains(&job) => cleared += 1,
                Some(1) => drop(cleared_rejected.insert(job)),
                _ => {}
            },
            _ => {}
        }
    }
    for (job, count) in &ends {
        assert!(*count <= 1, "job {job} ended {count} times");
    }
    let ended = (ends.values().filter(|count| **count == 1).count() + cleared + cleared_rejected.len()) as u64;
    let counts = sim.engine.state().job_counts();
    let told = counts.done + counts.already_done + counts.failed + counts.out_of_memory + counts.rejected + counts.cancelled;
    assert_eq!(told, ended, "the summary counts what ended");
    // Slots: at no admission more jobs hold one than the profile in force has.
    let mut state = State::default();
    for event in &sim.events {
        state.apply(event);
        if let EventKind::JobAdmitted { job, .. } = event.kind {
            let profile = state.profile.as_ref().expect("a profile is in force");
            let slots = profile.max_concurrent.fixed().expect("a number of slots") as usize;
            assert!(state.index.active.len() <= slots, "more jobs than slots at {:?}", event.seq);
            let known = &state.jobs[&job];
            assert!(known.allowed || known.size <= profile.max_file_size, "job {job} is over the limit and was started");
            assert!(!state.paused && !state.shutting_down, "job {job} was started although starts are held");
        }
    }
}

#[test]
fn every_good_job_is_done_in_the_order_of_the_queue() {
    let sim = run(config(2, 200), (1..=20).map(|n| good(10, n % 4 + 1)).collect());
    check_run(&sim);
    assert_eq!(sim.engine.state().job_counts().done, 20);
    assert_eq!(admissions(&sim.events), (1..=20).collect::<Vec<_>>());
    assert_eq!(sim.world.most_processes, 2);
}

#[test]
fn a_file_over_the_limit_is_rejected_with_its_size_and_the_limit() {
    let sim = run(config(2, 200), vec![good(150, 1), good(201, 1), good(200, 1)]);
    check_run(&sim);
    let Phase::Rejected(rejected) = &sim.engine.state().jobs[&JobId(2)].phase else { panic!("not rejected") };
    assert_eq!((rejected.reason, rejected.limit), (RejectReason::TooLarge, Some(Bytes::mib(200))));
    assert_eq!(rejected.detail, "201 MB is over the 200 MB limit of profile p2; another profile or `plimsoll allow` lets it in");
    assert_eq!(sim.engine.state().job_counts().done, 2);
}

#[test]
fn the_operator_can_let_a_large_file_in() {
    let mut sim = Sim::new(config(2, 100), vec![good(300, 1)]);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(2));
    assert_eq!(sim.engine.state().job_counts().rejected, 1);
    sim.ask(Command::Allow(JobId(1)));
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_mins(1)), End::Over);
    check_run(&sim);
    assert_eq!(outcome(&sim, 1), Some(Outcome::Done));
}

#[test]
fn damaged_input_is_tried_once_and_host_trouble_again_with_growing_waits() {
    let jobs = vec![with_fate(Fate::FailsFirst(9, failure(Cause::Input))), with_fate(Fate::FailsFirst(2, failure(Cause::Host)))];
    let sim = run(config(2, 200), jobs);
    check_run(&sim);
    assert_eq!(outcome(&sim, 1), Some(Outcome::Failed));
    assert_eq!(outcome(&sim, 2), Some(Outcome::Done));
    let tries = |job: u64| sim.world.starts.iter().filter(|(_, id, _)| id.0 == job).map(|(at, ..)| *at).collect::<Vec<_>>();
    assert_eq!(tries(1).len(), 1);
    let second = tries(2);
    assert_eq!(second.len(), 3);
    let waits: Vec<u64> = second.windows(2).map(|pair| pair[1].since(pair[0]).as_secs()).collect();
    // Three seconds of run, then the wait of one and of two seconds.
    assert!(waits[0] >= 4 && waits[1] >= 5, "{waits:?}");
}

#[test]
fn a_job_that_keeps_failing_ends_as_failed_after_its_tries() {
    let sim = run(config(1, 200), vec![with_fate(Fate::FailsFirst(9, failure(Cause::Unknown)))]);
    check_run(&sim);
    assert_eq!(outcome(&sim, 1), Some(Outcome::Failed));
    assert_eq!(sim.world.starts.len(), 3);
    let last = sim.engine.state().jobs[&JobId(1)].attempts;
    assert_eq!(last, 3);
}

#[test]
fn a_kernel_kill_is_an_outcome_of_its_own() {
    let sim = run(config(1, 200), vec![with_fate(Fate::KilledFirst(9))]);
    check_run(&sim);
    assert_eq!(outcome(&sim, 1), Some(Outcome::OutOfMemory));
    assert_eq!(sim.engine.state().job_counts().out_of_memory, 1);
}

#[test]
fn an_output_that_cannot_be_put_in_place_fails_the_job_and_leaves_no_part() {
    let sim = run(config(1, 200), vec![with_fate(Fate::Unpublishable(failure(Cause::Input)))]);
    check_run(&sim);
    assert_eq!(outcome(&sim, 1), Some(Outcome::Failed));
}

#[test]
fn an_output_that_is_there_already_is_not_made_again() {
    let sim = run(config(1, 200), vec![with_fate(Fate::AlreadyDone), good(1, 1)]);
    check_run(&sim);
    assert_eq!(outcome(&sim, 1), Some(Outcome::AlreadyDone));
    assert_eq!(sim.world.starts.len(), 1);
}

#[test]
fn fewer_slots_drain_and_never_kill() {
    let mut sim = Sim::new(config(4, 500), (0..12).map(|_| good(50, 10)).collect());
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(3));
    assert_eq!(sim.world.alive(), 4);
    sim.ask(Command::SelectProfile(Box::new(profile(1, 100))));
    sim.run_for(Duration::from_secs(2));
    assert_eq!(sim.world.alive(), 4, "those that run go on");
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_mins(10)), End::Over);
    check_run(&sim);
    assert_eq!(sim.world.stops, vec![]);
    assert_eq!(sim.engine.state().job_counts().done, 12);
}

#[test]
fn every_other_profile_that_was_in_force_is_told_at_the_end_once_and_in_order() {
    let mut sim = Sim::new(config(2, 200), vec![good(10, 30)]);
    let first = sim.engine.state().profile.as_deref().expect("in force").name.clone();
    let mut earlier = |names: &[&str]| {
        for name in names {
            sim.ask(Command::SelectProfile(Box::new(Profile { name: (*name).to_owned(), ..profile(2, 200) })));
        }
        sim.engine.state().figures_so_far().earlier_profiles
    };
    assert_eq!(earlier(&[&first]), [] as [&str; 0], "the same again is no other");
    assert_eq!(earlier(&["b", &first]), ["b"]);
    assert_eq!(earlier(&["c", "c"]), ["b", &first]);
}

#[test]
fn a_profile_from_no_file_is_used_if_it_is_as_sound_as_one_and_passes_for_no_other() {
    let known = profile(2, 200);
    let mut sim = Sim::new(EngineConfig { profiles: vec![known.clone()], ..config(2, 200) }, vec![good(10, 30), good(10, 30)]);
    let mut used = |profile: Profile| {
        let request = sim.ask(Command::UseProfile(Box::new(profile)));
        let reply = sim.replies.iter().find(|(id, _)| *id == request).expect("answered").1.clone();
        (reply, sim.engine.state().profile.as_deref().expect("in force").name.clone())
    };
    let three = Profile { name: "mine-3".to_owned(), max_concurrent: 3.into(), ..known.clone() };
    assert_eq!(used(three.clone()), (Ok(Answer::default()), "mine-3".to_owned()));
    for (spoilt, why) in [
        (Profile { max_concurrent: 65.into(), ..three.clone() }, "65 job slots"),
        (Profile { name: "../mine".to_owned(), ..three.clone() }, "is not a name"),
        (Profile { name: known.name.clone(), ..three.clone() }, "says something else"),
        (Profile { env: [("LD_PRELOAD".to_owned(), "x".to_owned())].into(), ..three }, "foreign code"),
    ] {
        let (reply, in_force) = used(spoilt);
        assert!(reply.as_ref().is_err_and(|refused| refused.why.contains(why)), "{why}: {reply:?}");
        assert_eq!(in_force, "mine-3", "nothing changes");
    }
    let told = sim.events.iter().filter(|event| matches!(&event.kind, EventKind::ProfileSelected { name, .. } if name == "mine-3"));
    assert_eq!(told.count(), 1);
}

#[test]
fn a_profile_with_another_limit_measures_the_waiting_again() {
    let mut sim = Sim::new(config(1, 200), vec![good(10, 30), good(150, 1), good(300, 1)]);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(3));
    let rejected = |sim: &Sim| sim.engine.state().index.rejected.iter().map(|id| id.0).collect::<Vec<_>>();
    assert_eq!(rejected(&sim), [3]);
    sim.ask(Command::SelectProfile(Box::new(profile(1, 100))));
    assert_eq!(rejected(&sim), [2, 3]);
    sim.ask(Command::SelectProfile(Box::new(profile(4, 500))));
    assert_eq!(rejected(&sim), Vec::<u64>::new());
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_mins(2)), End::Over);
    check_run(&sim);
    assert_eq!(sim.engine.state().job_counts().done, 3);
}

#[test]
fn a_held_queue_starts_nothing_until_it_is_released() {
    let mut sim = Sim::new(config(2, 200), (0..4).map(|_| good(10, 5)).collect());
    sim.ask(Command::Pause);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(30));
    assert_eq!(sim.world.starts.len(), 0);
    sim.ask(Command::Resume);
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_mins(1)), End::Over);
    check_run(&sim);
}

#[test]
fn how_a_job_ended_is_said_once_and_a_wanted_end_is_no_error() {
    let silent = Failure { cause: Cause::Input, reason: "ffmpeg gave up without a word (exit code 1); try again".to_owned() };
    let mut sim = Sim::new(config(2, 200), vec![with_fate(Fate::FailsFirst(9, silent)), good(10, 600)]);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(10));
    sim.ask(Command::Cancel(JobId(2)));
    sim.run_for(Duration::from_secs(1));
    let logged = |id: u64| {
        let mut of_the_job = sim.events.iter().filter_map(|event| match &event.kind {
            EventKind::JobLogged { job: Some(job), level, text, own: true } if job.0 == id => Some((*level, text.as_str())),
            _ => None,
        });
        of_the_job.rfind(|(level, _)| *level >= LogLevel::Warning)
    };
    let silence = "failed: ffmpeg gave up without a word (exit code 1); try again";
    assert_eq!(logged(1), Some((LogLevel::Error, silence)));
    assert_eq!(logged(2), Some((LogLevel::Warning, "cancelled by the operator")));
}

#[test]
fn a_cancelled_job_is_asked_to_end_and_its_part_is_removed() {
    let mut sim = Sim::new(config(2, 200), vec![good(10, 600), good(10, 600), good(10, 600)]);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(5));
    sim.ask(Command::Cancel(JobId(1)));
    sim.ask(Command::Cancel(JobId(3)));
    sim.run_for(Duration::from_secs(1));
    assert_eq!(outcome(&sim, 1), Some(Outcome::Cancelled));
    assert_eq!(outcome(&sim, 3), Some(Outcome::Cancelled));
    assert_eq!(sim.world.stops.iter().map(|(_, id, mode)| (id.0, *mode)).collect::<Vec<_>>(), [(1, StopMode::Term)]);
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_mins(15)), End::Over);
    check_run(&sim);
}

#[test]
fn a_drained_run_ends_after_the_commands_of_the_operators_that_run_but_waits_for_none_that_never_ends() {
    let hooks = |sim: &mut Sim, at_work| {
        let now = Now { mono: sim.now(), wall: Wall(0) };
        sim.engine.step(now, Input::Hooks(at_work));
    };
    for ends in [true, false] {
        let mut sim = Sim::new(config(1, 200), vec![good(10, 5)]);
        sim.enqueue_all();
        sim.ask(Command::Drain);
        hooks(&mut sim, 1);
        assert_ne!(sim.run_for(Duration::from_secs(30)), End::Over, "how it ends is to be told");
        assert_eq!(outcome(&sim, 1), Some(Outcome::Done));
        if ends {
            hooks(&mut sim, 0);
            assert!(sim.engine.is_over());
        } else {
            assert_eq!(sim.run_for(Duration::from_secs(40)), End::Over);
        }
    }
}

#[test]
fn a_hung_job_is_stopped_as_stalled_killed_after_the_grace_and_tried_again() {
    let sim = run(config(1, 200), vec![with_fate(Fate::Hangs)]);
    check_run(&sim);
    assert_eq!(outcome(&sim, 1), Some(Outcome::Stalled));
    assert_eq!(sim.world.starts.len(), 3);
    let modes: Vec<StopMode> = sim.world.stops.iter().map(|(_, _, mode)| *mode).collect();
    assert_eq!(modes, [StopMode::Term, StopMode::Kill].repeat(3));
    let (first_start, first_stop) = (sim.world.starts[0].0, sim.world.stops[0].0);
    assert!((59..=63).contains(&first_stop.since(first_start).as_secs()), "{first_stop:?}");
    assert_eq!(sim.world.stops[1].0.since(first_stop).as_secs(), 10);
}

#[test]
fn a_job_that_is_cancelled_while_it_is_stopped_as_stalled_does_not_run_again() {
    let mut sim = Sim::new(config(1, 200), vec![with_fate(Fate::Hangs)]);
    sim.enqueue_all();
    while sim.world.stops.is_empty() {
        sim.step();
    }
    let request = sim.ask(Command::Cancel(JobId(1)));
    assert!(sim.replies.iter().any(|(id, reply)| *id == request && reply.is_ok()), "{:?}", sim.replies);
    sim.run_for(Duration::from_mins(5));
    assert_eq!((outcome(&sim, 1), sim.world.starts.len()), (Some(Outcome::Cancelled), 1));
}

#[test]
fn a_job_at_the_front_stays_before_one_that_comes_back_into_the_queue_and_can_be_passed_by_it() {
    let bad = Fate::FailsFirst(1, failure(Cause::Host));
    let mut sim = Sim::new(config(1, 200), vec![with_fate(bad), good(10, 60), good(10, 60), good(10, 60)]);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(1));
    sim.ask(Command::Move(JobId(4), MoveTo::First));
    sim.ask(Command::Pause);
    sim.run_for(Duration::from_secs(30));
    assert_eq!(waiting(&sim), [4, 1, 2, 3], "it went before all, the one at work too");
    sim.ask(Command::Move(JobId(1), MoveTo::Sooner));
    assert_eq!(waiting(&sim), [1, 4, 2, 3]);
    let request = sim.ask(Command::Move(JobId(1), MoveTo::Sooner));
    let reply = sim.replies.iter().find(|(id, _)| *id == request).expect("answered").1.clone();
    assert!(reply.is_err_and(|why| why.to_string() == "job 1 is at the front of the queue already"));
}

#[test]
fn nobody_is_called_stalled_for_a_time_that_nobody_saw() {
    let mut sim = Sim::new(config(1, 200), vec![with_fate(Fate::Hangs)]);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(5));
    assert_eq!(sim.world.alive(), 1);
    sim.world.sample_every = Duration::ZERO;
    sim.run_for(Duration::from_mins(10));
    assert_eq!(sim.world.stops, vec![], "blind, it judges nobody");
    sim.world.sample_again(Duration::from_millis(250));
    sim.run_for(Duration::from_secs(50));
    assert_eq!(sim.world.stops, vec![], "the silence is counted from now on");
    sim.run_for(Duration::from_secs(12));
    assert_eq!(sim.world.stops.len(), 1, "and then it is one");
}

#[test]
fn a_second_shutdown_waits_for_nothing_that_only_checks_or_tidies() {
    let mut sim = Sim::new(config(1, 200), vec![with_fate(Fate::Hangs), good(10, 5)]);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(5));
    sim.ask(Command::Shutdown);
    assert_eq!(sim.run_for(Duration::from_secs(1)), End::OutOfTime, "the first one is patient with a job that does not hear");
    sim.ask(Command::Shutdown);
    assert_eq!(sim.run_for(Duration::from_millis(100)), End::Over);
    assert_eq!(sim.world.alive(), 0);
}

#[test]
fn while_the_console_is_stopped_nothing_runs_and_nothing_starts() {
    let mut sim = Sim::new(config(2, 200), (0..6).map(|_| good(10, 3)).collect());
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(2));
    sim.ask(Command::Suspend);
    let (started, events) = (sim.world.starts.len(), count(&sim.events, |kind| matches!(kind, EventKind::JobProgressed { .. })));
    sim.run_for(Duration::from_mins(10));
    assert_eq!(sim.world.starts.len(), started);
    assert_eq!(count(&sim.events, |kind| matches!(kind, EventKind::JobProgressed { .. })), events, "nobody made progress");
    sim.ask(Command::Continue);
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_mins(1)), End::Over);
    check_run(&sim);
    assert_eq!(sim.engine.state().job_counts().done, 6);
}

#[test]
fn whoever_stops_the_console_is_answered_when_the_job_that_is_being_started_stands_still_too() {
    let mut sim = Sim::new(config(1, 200), vec![good(10, 3)]);
    sim.enqueue_all();
    while sim.world.starts.is_empty() {
        sim.run_for(Duration::from_micros(500));
    }
    let answers = sim.replies.len();
    sim.ask(Command::Suspend);
    assert!(matches!(sim.engine.state().jobs[&JobId(1)].phase, Phase::Starting));
    assert_eq!(sim.replies.len(), answers, "its process is not there yet, and cannot be stopped");
    while sim.replies.len() == answers {
        sim.run_for(Duration::from_micros(500));
    }
    assert!(matches!(sim.engine.state().jobs[&JobId(1)].phase, Phase::Running { paused: true, .. }));
    sim.ask(Command::Continue);
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_mins(1)), End::Over);
    check_run(&sim);
}

#[test]
fn a_job_cancelled_while_its_start_fails_is_cancelled() {
    let mut sim = Sim::new(config(1, 200), vec![with_fate(Fate::SpawnFailsFirst(9))]);
    sim.enqueue_all();
    while sim.world.starts.is_empty() {
        sim.run_for(Duration::from_micros(500));
    }
    sim.ask(Command::Cancel(JobId(1)));
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_mins(1)), End::Over);
    check_run(&sim);
    assert_eq!(outcome(&sim, 1), Some(Outcome::Cancelled));
    assert_eq!(sim.world.starts.len(), 1);
}

#[test]
fn a_job_over_its_time_limit_ends_as_timed_out_and_paused_time_does_not_count() {
    let mut config = config(2, 200);
    config.timeout = Some(Duration::from_secs(20));
    let mut sim = Sim::new(config, vec![good(10, 15), good(10, 500)]);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(5));
    sim.ask(Command::PauseJob(JobId(1)));
    sim.run_for(Duration::from_mins(1));
    assert_eq!(outcome(&sim, 2), Some(Outcome::TimedOut));
    sim.ask(Command::ResumeJob(JobId(1)));
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_mins(1)), End::Over);
    check_run(&sim);
    assert_eq!(outcome(&sim, 1), Some(Outcome::Done));
}

#[test]
fn a_shutdown_puts_what_ran_back_into_the_queue_and_ends() {
    let mut sim = Sim::new(config(2, 200), (0..5).map(|_| good(10, 100)).collect());
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(5));
    sim.ask(Command::Shutdown);
    assert_eq!(sim.run_for(Duration::from_secs(3)), End::Over);
    check_run(&sim);
    let counts = sim.engine.state().job_counts();
    assert_eq!((counts.unfinished, counts.cancelled, counts.failed), (5, 0, 0));
    assert_eq!(sim.engine.state().jobs[&JobId(1)].attempts, 0, "a try cut short does not count");
}

#[test]
fn jobs_can_change_places_while_they_wait() {
    let mut sim = Sim::new(config(1, 200), (0..5).map(|_| good(10, 5)).collect());
    sim.ask(Command::Pause);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(2));
    sim.ask(Command::Move(JobId(4), MoveTo::First));
    sim.ask(Command::Move(JobId(1), MoveTo::Last));
    sim.ask(Command::Move(JobId(2), MoveTo::Later));
    sim.ask(Command::Resume);
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_mins(2)), End::Over);
    check_run(&sim);
    assert_eq!(admissions(&sim.events), [4, 3, 2, 5, 1]);
}

#[test]
fn the_time_left_is_told_once_a_job_has_worked_long_enough_and_not_before() {
    let sim = run(config(1, 200), vec![good(10, 60)]);
    let started = sim.events.iter().find(|event| matches!(event.kind, EventKind::JobStarted { .. })).expect("it starts").mono;
    let told: Vec<(Duration, Option<u64>)> = sim
        .events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::JobProgressed { eta_seconds, .. } => Some((event.mono.since(started), eta_seconds)),
            _ => None,
        })
        .collect();
    let (early, later): (Vec<_>, Vec<_>) = told.into_iter().partition(|(after, _)| *after < Duration::from_secs(5));
    assert!(!early.is_empty() && early.iter().all(|(_, left)| left.is_none()), "{early:?}");
    assert!(!later.is_empty() && later.iter().all(|(_, left)| left.is_some_and(|left| left <= 55)), "{later:?}");
}

#[test]
fn memory_over_the_line_starts_a_cleanup_with_the_guides_words() {
    // Two jobs whose files fill the cache beyond the mark of 1536 MB.
    let mut jobs = vec![good(150, 20), good(150, 2), good(150, 20)];
    jobs[1].cache = Bytes::mib(1400);
    jobs[0].cache = Bytes::mib(900);
    let sim = run(config(2, 200), jobs);
    check_run(&sim);
    let high = |kind: &EventKind| matches!(kind, EventKind::CleanupStarted { trigger: CleanupTrigger::HighWater, .. });
    assert!(count(&sim.events, high) >= 1);
    let words = |kind: &EventKind| {
        matches!(kind, EventKind::JobLogged { job: None, text, .. }
            if text.starts_with("High memory usage detected: ") && text.ends_with("MB - forcing cleanup"))
    };
    assert!(count(&sim.events, words) >= 1);
}

#[test]
fn every_job_has_its_lines_before_and_after_in_the_guides_words() {
    let sim = run(config(2, 200), vec![good(10, 2), with_fate(Fate::FailsFirst(9, failure(Cause::Input)))]);
    check_run(&sim);
    for id in [1, 2] {
        let lines = memory_lines(&sim, id);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].starts_with("Memory usage before processing: ") && lines[0].ends_with("MB"), "{lines:?}");
        assert!(lines[1].starts_with("Memory usage after processing: ") && lines[1].ends_with("MB"), "{lines:?}");
    }
    let of =
        |trigger| count(&sim.events, |kind| matches!(kind, EventKind::CleanupStarted { trigger: seen, .. } if *seen == trigger));
    assert_eq!(of(CleanupTrigger::BeforeJob), 2);
    assert_eq!(of(CleanupTrigger::AfterJob), 1);
    assert_eq!(of(CleanupTrigger::AfterFailure), 3);
}

fn memory_lines(sim: &Sim, id: u64) -> Vec<&str> {
    let lines = sim.events.iter().filter_map(|event| match &event.kind {
        EventKind::JobLogged { job: Some(job), text, .. } if job.0 == id => Some(text.as_str()),
        _ => None,
    });
    lines.filter(|text| text.starts_with("Memory usage")).collect()
}

fn megabytes(line: &str) -> f64 {
    let figure = line.split_once(": ").expect("a figure").1;
    figure.split_once("MB").expect("in MB").0.parse().expect("a number")
}

#[test]
fn nothing_is_told_after_a_job_that_never_ran() {
    let sim = run(config(1, 200), vec![good(10, 5), with_fate(Fate::SpawnFailsFirst(99))]);
    assert_eq!((memory_lines(&sim, 1).len(), memory_lines(&sim, 2)), (2, vec![]));
}

#[test]
fn what_a_cleanup_comes_to_is_told_in_the_sum_that_crossed_the_line() {
    let mut sim = Sim::new(config(2, 200), vec![SimJob { peak: Bytes::mib(1700), ..good(10, 60) }, good(10, 60)]);
    sim.enqueue_all();
    sim.run_for(Duration::from_mins(1));
    let (mut counted, mut told) = (0.0, 0);
    for event in &sim.events {
        match &event.kind {
            EventKind::MemorySampled(figures) => counted = figures.counted_bytes.as_mb(),
            EventKind::JobLogged { text, .. } if text.starts_with("Memory usage after cleanup") => {
                told += 1;
                assert!((megabytes(text) - counted).abs() < 0.06, "{text}, and {counted} MB count");
            }
            _ => {}
        }
    }
    assert!(told > 2, "{told} lines");
}

#[test]
fn futile_cleanups_become_rarer() {
    // Somebody else holds memory over the mark, and nothing of ours can be dropped.
    let mut sim = Sim::new(config(1, 200), vec![SimJob { cache: Bytes::ZERO, ..good(10, 600) }]);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(5));
    sim.world.foreign = Bytes::mib(1700);
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_mins(15)), End::Over);
    check_run(&sim);
    let high = count(&sim.events, |kind| matches!(kind, EventKind::CleanupStarted { trigger: CleanupTrigger::HighWater, .. }));
    // Three steps, each at 0, 10, 30, 70, 130 s ... and then once a minute: far from one every five seconds (360).
    assert!((9..=42).contains(&high), "{high}");
}

#[test]
fn a_naive_run_cleans_nothing_and_says_that_it_is_naive() {
    let mut config = config(2, 200);
    config.governor = false;
    let sim = run(config, vec![good(10, 2), good(10, 2)]);
    check_run(&sim);
    assert_eq!(count(&sim.events, |kind| matches!(kind, EventKind::CleanupStarted { .. })), 0);
    assert!(matches!(sim.events[0].kind, EventKind::RunStarted { governor: false, .. }));
    assert!(!sim.engine.state().governor);
}

#[test]
fn without_samples_one_job_at_a_time_runs_and_the_run_ends() {
    let mut sim = Sim::new(config(4, 200), (0..3).map(|_| good(10, 2)).collect());
    sim.world.sample_every = Duration::ZERO;
    // The first sample is under way already; let it pass.
    sim.run_for(Duration::from_secs(5));
    sim.enqueue_all();
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_mins(2)), End::Over);
    check_run(&sim);
    assert_eq!(sim.world.most_processes, 1);
}

#[test]
fn nothing_is_spawned_before_its_start_is_on_disk() {
    let mut sim = Sim::new(config(1, 200), vec![good(10, 1)]);
    sim.world.persist_takes = Duration::from_secs(7);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(6));
    assert_eq!(sim.world.starts.len(), 0);
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_mins(1)), End::Over);
    check_run(&sim);
}

#[test]
fn a_drain_that_is_taken_back_lets_files_in_again_and_the_run_goes_on() {
    let mut sim = Sim::new(config(1, 200), vec![good(10, 60)]);
    sim.ask(Command::Drain);
    let refused = sim.ask(Command::enqueue(sim.world.paths(), None));
    assert!(sim.replies.iter().any(|(id, reply)| *id == refused && reply.is_err()), "a draining queue takes nothing");
    // Nothing waits and nothing runs: it would be over at once.
    let mut sim = Sim::new(config(1, 200), vec![good(10, 60)]);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(5));
    sim.ask(Command::Drain);
    sim.ask(Command::Undrain);
    assert_ne!(sim.run_for(Duration::from_mins(30)), End::Over, "it stays open");
    assert_eq!(outcome(&sim, 1), Some(Outcome::Done));
    let twice = sim.ask(Command::Undrain);
    let (_, reply) = sim.replies.iter().find(|(id, _)| *id == twice).expect("answered");
    assert!(reply.as_ref().is_err_and(|why| why.to_string().contains("is not draining")), "{reply:?}");
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_mins(1)), End::Over);
    check_run(&sim);
}

/// The numbers of the jobs that wait, next first.
fn waiting(sim: &Sim) -> Vec<u64> {
    sim.engine.state().index.waiting.iter().map(|(_, id)| id.0).collect()
}

#[test]
fn a_job_that_is_put_back_stands_where_it_stood_before_the_same_neighbour() {
    let mut sim = Sim::new(config(1, 200), (0..5).map(|_| good(10, 6000)).collect());
    sim.ask(Command::Pause);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(5));
    let known = sim.engine.state().jobs[&JobId(3)].clone();
    sim.ask(Command::Remove(JobId(3)));
    sim.run_for(Duration::from_secs(1));
    assert_eq!(waiting(&sim), [1, 2, 4, 5]);
    sim.ask(Command::PutBack(vec![(JobId(3), known.rank)]));
    sim.run_for(Duration::from_secs(1));
    assert_eq!(waiting(&sim), [1, 2, 3, 4, 5]);
    let back = &sim.engine.state().jobs[&JobId(3)];
    assert_eq!((&back.input, &back.output), (&known.input, &known.output));
    let twice = sim.ask(Command::PutBack(vec![(JobId(3), known.rank)]));
    sim.run_for(Duration::from_secs(1));
    let (_, reply) = sim.replies.iter().find(|(id, _)| *id == twice).expect("answered");
    assert!(reply.as_ref().is_err_and(|why| why.to_string().contains("not taken off the list")), "{reply:?}");
}

#[test]
fn several_jobs_are_moved_together_in_their_order_put_back_and_cancelled_at_once() {
    let mut sim = Sim::new(config(1, 200), (0..7).map(|_| good(10, 60)).collect());
    sim.ask(Command::Pause);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(5));
    assert_eq!(waiting(&sim), [1, 2, 3, 4, 5, 6, 7]);
    let places: Vec<(JobId, i64)> = sim.engine.state().jobs.values().map(|job| (job.id, job.rank)).collect();
    let each = |sim: &mut Sim, jobs: &[u64], asked| {
        let request = sim.ask(Command::Each(jobs.iter().copied().map(JobId).collect(), asked));
        let reply = sim.replies.iter().find(|(id, _)| *id == request).expect("answered").1.clone();
        (waiting(sim), reply.err().map(|why| why.to_string()))
    };
    assert_eq!(each(&mut sim, &[6, 3], JobRequest::Move(MoveTo::First)), (vec![3, 6, 1, 2, 4, 5, 7], None));
    assert_eq!(each(&mut sim, &[1, 6], JobRequest::Move(MoveTo::Later)), (vec![3, 2, 6, 1, 4, 5, 7], None));
    assert_eq!(each(&mut sim, &[6, 1], JobRequest::Move(MoveTo::Sooner)), (vec![3, 6, 1, 2, 4, 5, 7], None));
    assert_eq!(each(&mut sim, &[3, 1], JobRequest::Move(MoveTo::Last)), (vec![6, 2, 4, 5, 7, 3, 1], None));
    let top = each(&mut sim, &[6, 2], JobRequest::Move(MoveTo::Sooner));
    assert_eq!(top.0, [6, 2, 4, 5, 7, 3, 1], "whoever is first stays first, and the next one does not pass it");
    sim.ask(Command::Place(places));
    assert_eq!(waiting(&sim), [1, 2, 3, 4, 5, 6, 7], "every move is taken back");
    let (left, told) = each(&mut sim, &[7, 2, 99], JobRequest::Cancel);
    assert_eq!(left, [1, 3, 4, 5, 6]);
    assert_eq!(told.as_deref(), Some("not for 1 of 3 jobs: there is no job 99"), "the others are done all the same");
    let (_, told) = each(&mut sim, &[2, 7], JobRequest::Remove);
    assert_eq!((told, sim.engine.state().jobs.len()), (None, 5));
    sim.ask(Command::Resume);
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_hours(24)), End::Over);
    check_run(&sim);
}

#[test]
fn what_makes_no_sense_is_refused_and_says_why() {
    let mut sim = Sim::new(config(1, 200), vec![good(10, 60), good(10, 60)]);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(5));
    for (command, why) in [
        (Command::Cancel(JobId(99)), "there is no job 99"),
        (Command::Retry(JobId(1)), "job 1 has not ended"),
        (Command::Allow(JobId(2)), "job 2 was not rejected"),
        (Command::Remove(JobId(1)), "job 1 is running"),
        (Command::PauseJob(JobId(2)), "job 2 is not running"),
        (Command::Move(JobId(1), MoveTo::First), "job 1 is not waiting"),
        (Command::Resume, "the queue is not held"),
        (Command::enqueue(vec!["/nowhere".into()], None), "/nowhere: no such file"),
        (Command::enqueue(vec![], Some("nope".to_owned())), "there is no preset `nope`"),
    ] {
        let request = sim.ask(command);
        sim.run_for(Duration::from_millis(10));
        let (_, result) = sim.replies.iter().find(|(id, _)| *id == request).expect("answered");
        let text = result.as_ref().expect_err("refused").to_string();
        assert!(text.contains(why), "{text}");
    }
}

fn any_fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        6 => Just(Fate::Good),
        1 => Just(Fate::AlreadyDone),
        1 => Just(Fate::Unfit(Rejected { reason: RejectReason::NotAVideo, limit: None, detail: "not a video".to_owned() })),
        1 => (1..5_u32).prop_map(|n| Fate::FailsFirst(n, failure(Cause::Host))),
        1 => (1..5_u32).prop_map(|n| Fate::FailsFirst(n, failure(Cause::Input))),
        1 => (1..4_u32).prop_map(Fate::SpawnFailsFirst),
        1 => (1..20_u32).prop_map(Fate::NoRoomFirst),
        1 => prop::collection::vec((0..500_u64).prop_map(Bytes::mib), 1..5).prop_map(Fate::FillsDiskFirst),
        1 => Just(Fate::Unpublishable(failure(Cause::Input))),
        1 => (1..5_u32).prop_map(Fate::KilledFirst),
        1 => Just(Fate::Hangs),
    ]
}

fn any_job() -> impl Strategy<Value = SimJob> {
    (1..600_u64, 1..40_000_u64, 10..900_u64, 0..400_u64, any_fate()).prop_map(|(mb, ms, peak, cache, fate)| SimJob {
        size: Bytes::mib(mb),
        length: Duration::from_millis(ms),
        peak: Bytes::mib(peak),
        ramp: Duration::ZERO,
        picture: (1280, 720),
        cache: Bytes::mib(cache),
        fate,
    })
}

fn any_command() -> impl Strategy<Value = Command> {
    let job = || (1..14_u64).prop_map(JobId);
    prop_oneof![
        job().prop_map(Command::Cancel),
        job().prop_map(Command::Retry),
        job().prop_map(Command::Allow),
        (job(), prop_oneof![Just(MoveTo::Sooner), Just(MoveTo::Later), Just(MoveTo::First), Just(MoveTo::Last)])
            .prop_map(|(job, to)| Command::Move(job, to)),
        job().prop_map(Command::Remove),
        job().prop_map(Command::PauseJob),
        job().prop_map(Command::ResumeJob),
        Just(Command::Pause),
        Just(Command::Resume),
        (1..5_u32, prop_oneof![Just(100_u64), Just(200), Just(500)])
            .prop_map(|(slots, mb)| Command::SelectProfile(Box::new(profile(slots, mb)))),
        (0..70_u32).prop_map(|slots| Command::UseProfile(Box::new(profile(slots, 200)))),
        Just(Command::CleanNow),
        Just(Command::Suspend),
        Just(Command::Continue),
    ]
}

/// Random queues of each property; `just governor` takes more.
fn cases() -> u32 {
    std::env::var("GOVERNOR_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(70)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn every_job_of_any_queue_ends_exactly_once(slots in 1..6_u32, jobs in prop::collection::vec(any_job(), 0..24)) {
        let total = jobs.len();
        let sim = run(config(slots, 200), jobs);
        check_run(&sim);
        prop_assert_eq!(sim.engine.state().jobs.len(), total);
        prop_assert_eq!(sim.engine.state().job_counts().unfinished, 0);
        prop_assert!(sim.world.most_processes <= slots as usize);
    }

    #[test]
    fn any_operator_can_do_anything_at_any_time(
        slots in 1..5_u32,
        jobs in prop::collection::vec(any_job(), 1..14),
        asked in prop::collection::vec((0..20_000_u64, any_command()), 0..30),
        shut_down in any::<bool>(),
    ) {
        let mut sim = Sim::new(config(slots, 200), jobs);
        sim.enqueue_all();
        for (ms, command) in asked {
            sim.run_for(Duration::from_millis(ms));
            let waits = command == Command::Suspend;
            let request = sim.ask(command);
            if waits {
                // For what is being started.
                sim.run_for(Duration::from_millis(2));
            }
            prop_assert!(sim.replies.iter().any(|(id, _)| *id == request), "every request is answered");
        }
        if shut_down {
            sim.ask(Command::Shutdown);
            prop_assert_eq!(sim.run_for(Duration::from_secs(15)), End::Over, "a shutdown ends within its grace");
        } else {
            sim.ask(Command::Continue);
            for id in sim.engine.state().jobs.keys().copied().collect::<Vec<_>>() {
                sim.ask(Command::ResumeJob(id));
            }
            sim.ask(Command::Resume);
            sim.ask(Command::Drain);
            prop_assert_eq!(sim.run_for(Duration::from_hours(48)), End::Over);
            prop_assert_eq!(sim.engine.state().job_counts().unfinished, 0);
        }
        check_run(&sim);
    }

    #[test]
    fn the_same_run_twice_is_the_same_run(slots in 1..5_u32, jobs in prop::collection::vec(any_job(), 0..12)) {
        let (first, second) = (run(config(slots, 200), jobs.clone()), run(config(slots, 200), jobs));
        prop_assert_eq!(first.events, second.events);
    }
}

#[test]
fn a_queue_longer_than_what_is_listed_is_worked_off_in_order_and_counted_in_full() {
    const JOBS: usize = 4500;
    let job = SimJob { length: Duration::from_millis(40), peak: Bytes::mib(10), cache: Bytes::ZERO, ..good(1, 1) };
    let mut sim = Sim::new(config(4, 200), vec![job; JOBS]);
    sim.world.sample_every = Duration::from_secs(1);
    sim.enqueue_all();
    sim.ask(Command::Drain);
    let mut most = 0;
    while sim.run_for(Duration::from_secs(1)) == End::OutOfTime {
        let state = sim.engine.state();
        assert_eq!(state.ended() + state.unended(), JOBS as u64);
        most = most.max(state.jobs.len());
    }
    assert!((2000..=3100).contains(&most), "{most} jobs were listed");
    let counts = sim.engine.state().job_counts();
    assert_eq!((counts.done, counts.unfinished), (JOBS as u64, 0));
    assert_eq!(admissions(&sim.events), (1..=JOBS as u64).collect::<Vec<_>>());
    assert_eq!(sim.world.violations, [""; 0]);
}

#[test]
fn the_last_place_is_behind_what_is_not_listed_and_the_way_there_and_back_loses_nothing() {
    const JOBS: u64 = 2500;
    let mut sim = Sim::new(config(1, 200), vec![good(1, 1); JOBS as usize]);
    sim.ask(Command::Pause);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(1));
    let waiting = |sim: &Sim| (sim.engine.state().waiting(), sim.engine.state().waiting_bytes());
    let all = (JOBS, Bytes::mib(JOBS));
    assert_eq!(waiting(&sim), all);
    let last_listed = sim.engine.state().index.waiting.last().expect("jobs are listed").1;
    sim.ask(Command::Move(JobId(2), MoveTo::Last));
    let refused = sim.ask(Command::Move(last_listed, MoveTo::Later));
    sim.run_for(Duration::from_millis(10));
    assert!(!sim.engine.state().jobs.contains_key(&JobId(2)), "it stands behind jobs that are not listed");
    assert!(sim.replies.iter().any(|(request, reply)| *request == refused && reply.is_err()), "what follows is not known");
    assert_eq!(waiting(&sim), all);
    // Everything before it goes, so that its turn comes.
    for job in 1..=JOBS {
        if job != 2 {
            sim.ask(Command::Cancel(JobId(job)));
            sim.run_for(Duration::from_millis(5));
        }
    }
    assert_eq!(waiting(&sim), (1, Bytes::mib(1)));
    sim.ask(Command::Resume);
    sim.ask(Command::Drain);
    sim.run_for(Duration::from_mins(1));
    assert_eq!(admissions(&sim.events), [2]);
    assert_eq!(outcome(&sim, 2), Some(Outcome::Done));
    assert_eq!(sim.engine.state().job_counts().cancelled, JOBS - 1, "those that are not listed any more are counted");
}

#[test]
fn what_is_queued_at_the_front_runs_first_however_many_wait_and_no_more_is_listed_for_it() {
    const BEFORE: u64 = 3000;
    const FRONT: u64 = 2500;
    let mut sim = Sim::new(config(1, 200), vec![good(1, 1); BEFORE as usize]);
    sim.ask(Command::Pause);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(1));
    // One less than a page: the next one is listed as well.
    sim.ask(Command::Cancel(JobId(1)));
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.engine.state().index.waiting.len(), 1999);
    let options = QueueOptions { front: true, ..QueueOptions::default() };
    let paths = sim.world.paths()[..FRONT as usize].to_vec();
    sim.ask(Command::Enqueue { paths, preset: None, options });
    sim.run_for(Duration::from_secs(1));
    assert_eq!(sim.engine.state().index.waiting.len(), 2000, "no more than two pages");
    assert_eq!(sim.engine.state().waiting(), BEFORE - 1 + FRONT);
    sim.ask(Command::Remove(JobId(BEFORE + 2)));
    let place = sim.engine.state().index.waiting.iter().nth(500).expect("it is listed").0;
    sim.ask(Command::PutBack(vec![(JobId(BEFORE + 2), place)]));
    sim.ask(Command::Resume);
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(Duration::from_hours(24)), End::Over);
    let admitted = admissions(&sim.events);
    let mut expected: Vec<u64> = (BEFORE + 1..=BEFORE + FRONT).filter(|job| *job != BEFORE + 2).collect();
    // Of two with one place the lower number is first.
    expected.insert(500, BEFORE + 2);
    expected.extend(2..=BEFORE);
    assert_eq!(admitted, expected);
    assert_eq!(sim.world.violations, [""; 0]);
}

#[test]
fn a_preset_that_comes_with_a_request_is_checked_and_what_is_wished_has_to_make_sense() {
    let mut sim = Sim::new(config(1, 200), vec![good(10, 60)]);
    let known = crate::support::modelled::sound();
    let sound = |name: &str| Some(Box::new(Preset { name: name.to_owned(), ..known.clone() }));
    let path = || vec![std::path::PathBuf::from("/sim/0")];
    let mut ask = |paths, preset: Option<&str>, options| {
        let request = sim.ask(Command::Enqueue { paths, preset: preset.map(str::to_owned), options });
        sim.run_for(Duration::from_millis(10));
        let (_, result) = sim.replies.iter().find(|(id, _)| *id == request).expect("answered");
        (result.as_ref().err().map(ToString::to_string).unwrap_or_default(), sim.engine.state().jobs.len())
    };
    let refused = [
        (path(), None, QueueOptions { out: Some("out".into()), ..QueueOptions::default() }, "out: the path is not absolute"),
        (vec!["film.mp4".into()], None, QueueOptions::default(), "film.mp4: the path is not absolute"),
        (
            path(),
            Some("other"),
            QueueOptions { definition: sound("mine"), ..QueueOptions::default() },
            "the definition of another, `mine`",
        ),
        (
            path(),
            None,
            QueueOptions {
                definition: sound("mine").map(|preset| Box::new(Preset { extra: vec!["-i".into(), "/x".into()], ..*preset })),
                ..QueueOptions::default()
            },
            "such a preset cannot be used: extra[0]: the option `-i` is not on the allow list",
        ),
    ];
    for (paths, preset, options, why) in refused {
        let (told, jobs) = ask(paths, preset, options);
        assert!(told.contains(why) && jobs == 0, "{told}");
    }
    for (number, name) in [None, Some("mine")].into_iter().enumerate() {
        let (told, jobs) = ask(path(), name, QueueOptions { definition: sound("mine"), ..QueueOptions::default() });
        assert_eq!((told.as_str(), jobs), ("", number + 1));
    }
    assert!(sim.engine.state().jobs.values().all(|job| job.preset == "mine"));
}

#[test]
fn a_pause_is_no_work_in_the_pace_the_time_left_and_the_time_that_a_job_took() {
    let mut sim = Sim::new(config(1, 200), vec![good(10, 60)]);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(20));
    sim.ask(Command::PauseJob(JobId(1)));
    sim.run_for(Duration::from_mins(5));
    sim.ask(Command::ResumeJob(JobId(1)));
    sim.run_for(Duration::from_secs(20));
    let state = sim.engine.state();
    let progress = state.jobs[&JobId(1)].progress.expect("it works");
    assert!((0.95..1.06).contains(&progress.speed), "it plays as it did before the pause: {progress:?}");
    let left = progress.eta_seconds.expect("it can be told");
    assert!((15..30).contains(&left), "of 60 s about 40 are done: {progress:?}");
    sim.run_for(Duration::from_mins(2));
    let took = sim.events.iter().find_map(|event| match event.kind {
        EventKind::JobFinished { seconds, .. } => Some(seconds),
        _ => None,
    });
    assert!(took.is_some_and(|seconds| (59.0..62.0).contains(&seconds)), "{took:?}");
}
