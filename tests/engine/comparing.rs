//! A comparison beside a queue: it has the machine for itself, whatever is asked of the queue meanwhile.

use std::time::Duration;

use plimsoll::domain::command::{Answer, Command, JobRequest};
use plimsoll::domain::comparison::under_way::Step;
use plimsoll::domain::event::EventKind;
use plimsoll::domain::job::{JobId, Outcome};
use plimsoll::domain::time::Mono;
use plimsoll::domain::units::Bytes;
use plimsoll::engine::port::{Cause, Failure};
use plimsoll::sim::world::{Fate, SimJob};
use plimsoll::sim::{End, Sim};

use crate::support::modelled;

const MINUTE: Duration = Duration::from_mins(1);

fn job(fate: Fate) -> SimJob {
    SimJob {
        size: Bytes::mib(10),
        length: Duration::from_secs(10),
        peak: Bytes::mib(100),
        ramp: Duration::ZERO,
        picture: (1280, 720),
        cache: Bytes::mib(10),
        fate,
    }
}

/// A held queue: one job has failed, one was too large, one waits; and a comparison of it is under way.
fn compared() -> Sim {
    let bad = Failure { cause: Cause::Input, reason: "no moov".to_owned() };
    let large = SimJob { size: Bytes::mib(300), ..job(Fate::Good) };
    let jobs = vec![job(Fate::FailsFirst(1, bad)), large, job(Fate::Good)];
    let mut sim = Sim::new(modelled::config(modelled::profile("two", 1, 200), modelled::sound()), jobs);
    sim.enqueue_all();
    sim.run_for(Duration::from_secs(8));
    sim.ask(Command::Pause);
    sim.run_for(MINUTE);
    let request = sim.ask(Command::Comparison(Step::Begin { inputs: 1 }));
    assert!(sim.replies.contains(&(request, Ok(Answer::default()))), "{:?}", sim.replies);
    sim.ask(Command::Comparison(Step::Run { run: 2, runs: 3, profile: "fast".to_owned() }));
    sim
}

fn starts(sim: &Sim) -> usize {
    sim.events.iter().filter(|event| matches!(event.kind, EventKind::JobAdmitted { .. })).count()
}

fn answer(sim: &mut Sim, command: Command) -> String {
    let request = sim.ask(command);
    sim.run_for(Duration::from_secs(5));
    let (_, answer) = sim.replies.iter().find(|(id, _)| *id == request).expect("answered");
    answer.clone().expect("taken").later.unwrap_or_default()
}

#[test]
fn nothing_starts_beside_a_comparison_whatever_would_start_it_and_all_of_it_is_told_when_it_begins() {
    let wider = modelled::profile("wider", 3, 500);
    let film = || vec!["/v/new.mp4".into()];
    let asked: [Vec<Command>; 6] = [
        vec![Command::Resume],
        vec![Command::Resume, Command::Retry(JobId(1))],
        vec![Command::Resume, Command::Allow(JobId(2))],
        vec![Command::Resume, Command::Each(vec![JobId(1)], JobRequest::Retry)],
        vec![Command::Resume, Command::SelectProfile(Box::new(wider))],
        vec![Command::Resume, Command::enqueue(film(), None)],
    ];
    for commands in asked {
        let mut sim = compared();
        let before = starts(&sim);
        for command in commands.clone() {
            let is_add = matches!(command, Command::Enqueue { .. });
            if is_add {
                let paths = sim.world.paths();
                // What waits already is known, and told all the same.
                let said = answer(&mut sim, Command::enqueue(paths, None));
                assert!(said.contains("after the comparison"), "{said}");
                continue;
            }
            let said = answer(&mut sim, command);
            assert!(said.starts_with("jobs begin after the comparison under way (run 2 of 3, fast, for "), "{commands:?}: {said}");
        }
        sim.run_for(10 * MINUTE);
        assert_eq!(starts(&sim), before, "{commands:?}");
        sim.ask(Command::Comparison(Step::End(None)));
        sim.run_for(MINUTE);
        assert!(starts(&sim) > before, "{commands:?}: the queue goes on by itself");
    }
}

#[test]
fn a_drain_waits_for_the_comparison_and_a_second_one_is_refused() {
    let mut sim = compared();
    let second = sim.ask(Command::Comparison(Step::Begin { inputs: 1 }));
    let why = |sim: &Sim, id| sim.replies.iter().find(|(known, _)| *known == id).and_then(|(_, answer)| answer.clone().err());
    assert!(why(&sim, second).is_some_and(|refused| refused.why.contains("plimsoll compare --stop")));
    for job in [1, 2, 3] {
        sim.ask(Command::Remove(JobId(job)));
    }
    sim.ask(Command::Drain);
    assert_eq!(sim.run_for(10 * MINUTE), End::OutOfTime, "what is measured is measured to its end");
    sim.ask(Command::Comparison(Step::End(None)));
    assert_eq!(sim.run_for(MINUTE), End::Over);
}

#[test]
fn a_comparison_begins_only_while_the_queue_is_held_and_nothing_is_at_work() {
    let mut sim = Sim::new(modelled::config(modelled::profile("one", 1, 200), modelled::sound()), vec![job(Fate::Good)]);
    sim.enqueue_all();
    sim.run_until(Mono(Duration::from_secs(3)));
    let refused = |sim: &mut Sim| {
        let id = sim.ask(Command::Comparison(Step::Begin { inputs: 1 }));
        sim.replies.iter().find(|(known, _)| *known == id).and_then(|(_, answer)| answer.clone().err()).map(|refused| refused.why)
    };
    assert!(refused(&mut sim).is_some_and(|why| why.contains("not held")));
    sim.ask(Command::Pause);
    assert!(refused(&mut sim).is_some_and(|why| why.contains("jobs are at work")));
    sim.run_for(MINUTE);
    assert_eq!(sim.engine.state().index.outcomes.get(&Outcome::Done), Some(&1));
    assert_eq!(refused(&mut sim), None);
}
