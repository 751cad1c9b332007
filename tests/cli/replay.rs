//! `plimsoll replay`: a recorded run comes out as it went in, at any speed and after any way back and forward.

#![allow(clippy::disallowed_methods)] // deadlines

use std::sync::Arc;
use std::time::Duration;

use crate::support::clips::clips;
use crate::support::{World, say};
use plimsoll::domain::command::{ClientId, Command, MoveTo, RequestId};
use plimsoll::domain::event::{Event, EventKind, Seq};
use plimsoll::domain::job::JobId;
use plimsoll::domain::state::State;
use plimsoll::domain::time::Mono;
use plimsoll::domain::units::Bytes;
use plimsoll::engine::EngineConfig;
use plimsoll::runtime::link::{Link, Retold, Update};
use plimsoll::runtime::replay::{Player, Recording};
use plimsoll::sim::world::{Fate, SimJob};
use plimsoll::sim::{End, Sim};

/// A run of the engine in virtual time, with what becomes of it: its stream as text, and the state it ended in.
fn recorded() -> (String, State) {
    let config = EngineConfig {
        retries: 1,
        ..crate::support::modelled::config(crate::support::modelled::profile("two", 2, 200), crate::support::modelled::sound())
    };
    let job = |seconds: u64, mb: u64, fate: Fate| SimJob {
        size: Bytes::mib(mb),
        length: Duration::from_secs(seconds),
        peak: Bytes::mib(100),
        ramp: Duration::from_secs(1),
        picture: (1280, 720),
        cache: Bytes::mib(20),
        fate,
    };
    let jobs =
        vec![job(12, 5, Fate::Good), job(20, 5, Fate::KilledFirst(1)), job(9, 900, Fate::Good), job(15, 5, Fate::AlreadyDone)];
    let mut sim = Sim::new(config, jobs);
    sim.enqueue_all();
    sim.ask(Command::Drain);
    assert_eq!(sim.run_until(Mono::START + Duration::from_hours(1)), End::Over);
    let lines: Vec<String> = sim.events.iter().map(|event| serde_json::to_string(event).expect("JSON")).collect();
    (lines.join("\n"), sim.engine.state().clone())
}

fn recording(text: &str) -> Recording {
    Recording::read(text.as_bytes(), None).expect("read")
}

/// What a front end knows at the end of a playing.
async fn seen(mut link: Link, mut asked: Vec<Command>) -> State {
    let mut state = State::default();
    let mut number = 0;
    while let Some(update) = link.updates.recv().await {
        match update {
            Update::Snapshot(snapshot) => state = *snapshot,
            Update::Event(event) => state.apply(&event),
            Update::Retold(retold) => state = retold.state(),
            Update::Reply(..) | Update::Playing(_) | Update::Line(_) => {}
        }
        if !asked.is_empty() && state.seq.0 > 10 {
            number += 1;
            link.requests.send(RequestId(number), asked.remove(0));
        }
        if state.summary.is_some() && asked.is_empty() {
            break;
        }
    }
    state
}

fn play(text: &str, speed: f64, asked: Vec<Command>) -> State {
    let (player, stalls) = Player::new(recording(text), speed);
    let link = stalls.attach(ClientId(1));
    drop(stalls);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a loop");
    runtime.block_on(async { tokio::join!(player.play(false), seen(link, asked)).1 })
}

#[test]
fn a_replay_ends_in_the_state_of_the_run_that_made_it_at_any_speed() {
    let (text, ended) = recorded();
    for speed in [f64::INFINITY, 1000.0, 50.0] {
        assert_eq!(play(&text, speed, Vec::new()), ended, "at {speed}x");
    }
}

#[test]
fn going_back_and_forward_and_standing_still_changes_nothing_of_the_end() {
    let (text, ended) = recorded();
    let id = JobId(1);
    let asked = vec![
        Command::Move(id, MoveTo::Last),
        Command::Move(id, MoveTo::First),
        Command::Move(id, MoveTo::First),
        Command::Pause,
        Command::Pause,
        Command::CleanNow,
        Command::Move(id, MoveTo::Sooner),
    ];
    assert_eq!(play(&text, 100.0, asked), ended);
}

#[test]
fn whoever_goes_forward_is_told_every_event_up_to_there_as_if_it_had_been_played() {
    let (text, _) = recorded();
    let (player, stalls) = Player::new(recording(&text), 1.0);
    let mut link = stalls.attach(ClientId(1));
    drop(stalls);
    let watch = async move {
        let mut asked = false;
        while let Some(update) = link.updates.recv().await {
            if !asked {
                asked = link.requests.send(RequestId(1), Command::Move(JobId(1), MoveTo::Last));
            }
            if let Update::Retold(retold) = update {
                return retold.events().to_vec();
            }
        }
        Vec::new()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a loop");
    let told = runtime.block_on(async { tokio::join!(player.play(false), watch).1 });
    let all = recording(&text).events;
    assert!(told.len() > 10 && told.len() < all.len(), "{} of {}", told.len(), all.len());
    assert_eq!(told, all[..told.len()], "none is missing");
    assert!(all[told.len()].mono >= Mono::from_millis(10_000), "ten seconds on");
}

/// What a front end is told that is shown this moment.
fn told_by(recording: &Recording, at: Mono) -> Retold {
    Retold::until(Arc::new(recording.events.clone()), at)
}

#[test]
fn any_moment_is_what_was_known_then() {
    let (text, _) = recorded();
    let recording = recording(&text);
    let retold = told_by(&recording, Mono::from_millis(5000));
    let (early, passed) = (retold.state(), retold.events().len());
    assert!(early.summary.is_none() && early.now <= Mono::from_millis(5000));
    assert_eq!(early.seq, recording.events[passed - 1].seq);
    assert!(recording.events[passed].mono > Mono::from_millis(5000));
}

#[test]
fn damaged_lines_are_counted_and_left_out() {
    let (text, ended) = recorded();
    let torn = format!("{{\"seq\":1,\n{text}\n{{\"seq\":999,\"event\":\"of_a_later_version\"}}\n{{\"half");
    let recording = recording(&torn);
    assert_eq!(recording.unreadable, 3);
    assert_eq!(told_by(&recording, recording.length()).state(), ended);
}

#[test]
fn lines_that_have_come_out_of_order_are_played_in_theirs() {
    let (text, ended) = recorded();
    let backwards: Vec<&str> = text.lines().rev().collect();
    assert_eq!(play(&backwards.join("\n"), f64::INFINITY, Vec::new()), ended);
}

#[test]
fn a_recorded_run_is_shown_again_without_a_terminal() {
    let world = World::new();
    world.put(&clips().tiny(), "tiny.mp4");
    let run = world.run(&[]);
    let lines: Vec<String> = run.events.iter().map(ToString::to_string).collect();
    let file = world.write("work/run.jsonl", lines.join("\n"));
    let said = say(world.command([std::ffi::OsStr::new("replay"), file.as_os_str(), "--json".as_ref()]));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let again: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(again, run.events);
    assert!(said.err.contains("tiny.mp4") && said.err.contains("1 done"), "{}", said.err);

    let said = say(world.command(["replay", "nosuch.jsonl"]));
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("cannot read the recording nosuch.jsonl"), "{}", said.err);
}

#[test]
fn one_run_of_a_comparison_is_taken_by_its_number() {
    let (text, ended) = recorded();
    let mut seq = 0;
    let tagged: Vec<String> = [1, 2]
        .into_iter()
        .flat_map(|number| text.lines().map(move |line| (number, line)))
        .map(|(number, line)| {
            seq += 1;
            let mut event: serde_json::Value = serde_json::from_str(line).expect("JSON");
            event["run"] = serde_json::json!({ "number": number, "seq": event["seq"] });
            event["seq"] = seq.into();
            event.to_string()
        })
        .collect();
    let tagged = tagged.join("\n");
    for run in [None, Some(1), Some(2)] {
        let recording = Recording::read(tagged.as_bytes(), run).expect("read");
        assert_eq!(told_by(&recording, recording.length()).state(), ended, "run {run:?}");
    }
    assert!(Recording::read(tagged.as_bytes(), Some(3)).expect("read").events.is_empty());
}

#[test]
fn an_event_that_has_a_number_of_a_run_is_no_line_of_a_comparison() {
    let (text, ended) = recorded();
    let comparison = EventKind::ComparisonRun { run: 2, runs: 3, profile: "safe".to_owned() };
    let event = Event { seq: Seq(ended.seq.0 + 1), at: ended.wall, mono: ended.now, kind: comparison };
    let text = format!("{text}\n{}", serde_json::to_string(&event).expect("JSON"));
    let recording = recording(&text);
    assert_eq!(recording.events.last(), Some(&event));
    assert_eq!((recording.unreadable, recording.is_of_comparison), (0, false));
}

/// A console that plays the recorded run.
fn replayed(home: &std::path::Path) -> crate::support::pty::Terminal {
    let file = home.join("run.jsonl");
    std::fs::write(&file, recorded().0).expect("written");
    let terminal = crate::support::pty::Terminal::start(120, 36, home, &["replay", file.to_str().expect("UTF-8")]);
    terminal.wait_for("▶ run");
    terminal
}

#[test]
fn in_the_console_a_replay_stands_still_changes_its_speed_goes_forward_and_ends() {
    let home = tempfile::tempdir().expect("a folder");
    let mut terminal = replayed(home.path());
    // No queue waits here: there is nothing to look ahead to.
    terminal.press("w");
    terminal.wait_for("this is a replay, no queue waits to be run");
    terminal.press("\x1b");
    terminal.wait("what-if closed", |screen| !screen.contains("What if"));
    terminal.press("S");
    let told = terminal.wait_for("the replay stands still");
    assert!(!told.contains("hold the queue"), "it is no fault: {told}");
    terminal.press("K");
    terminal.wait_for("the replay stands still");
    terminal.press("S");
    terminal.wait_for("the replay plays at 2x");
    // The run ends, the console stays until it is told to go.
    terminal.press_until("}", "all done");
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn a_replay_is_left_without_a_question_for_nothing_runs() {
    let home = tempfile::tempdir().expect("a folder");
    let mut terminal = replayed(home.path());
    terminal.press("q");
    assert!(terminal.end().success());
}
