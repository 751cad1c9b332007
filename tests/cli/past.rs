//! A past run is read back from the state folder as it was: the same jobs, the same sums, the same end; cut off where it was
//! cut off; and whoever looks disturbs nobody.
#![allow(clippy::disallowed_methods)] // deadlines

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::clips::clips;
use crate::support::{Live, PATIENCE, World, say, tool};
use plimsoll::domain::command::Command;
use plimsoll::domain::event::{Event, EventKind};
use plimsoll::domain::job::{JobId, Phase};
use plimsoll::domain::state::{HistoryPoint, State};
use plimsoll::domain::time::Mono;
use plimsoll::domain::units::Bytes;
use plimsoll::engine::EngineConfig;
use plimsoll::host::store::history::History;
use plimsoll::host::store::{Ending, Store, past_events, past_runs};
use plimsoll::sim::world::{Fate, SimJob};
use plimsoll::sim::{End, Sim};
use serde_json::Value;

/// A crowded run of the engine in virtual time: jobs that outgrow what was foreseen, fail, are stopped and are refused. Its
/// events as they are told, to the millisecond.
fn crowded() -> Vec<Event> {
    let config = EngineConfig {
        retries: 1,
        ..crate::support::modelled::config(crate::support::modelled::profile("three", 3, 200), crate::support::modelled::sound())
    };
    let job = |seconds: u64, peak: u64, size: u64, fate: Fate| SimJob {
        size: Bytes::mib(size),
        length: Duration::from_secs(seconds),
        peak: Bytes::mib(peak),
        ramp: Duration::from_secs(seconds / 3),
        picture: (1280, 720),
        cache: Bytes::mib(60),
        fate,
    };
    let mut jobs = vec![
        job(40, 900, 5, Fate::Good),
        job(60, 700, 5, Fate::KilledFirst(1)),
        job(9, 100, 900, Fate::Good),
        job(15, 100, 5, Fate::AlreadyDone),
        job(90, 650, 5, Fate::Good),
    ];
    jobs.extend((0..12).map(|nth| job(20 + nth * 3, 200 + nth * 40, 5, Fate::Good)));
    let mut sim = Sim::new(config, jobs);
    sim.enqueue_all();
    sim.ask(Command::Drain);
    assert_eq!(sim.run_until(Mono::START + Duration::from_hours(2)), End::Over);
    let told = |event: &Event| serde_json::from_str(&serde_json::to_string(event).expect("JSON")).expect("an event");
    sim.events.iter().map(told).collect()
}

/// Puts a run on record as the host does, and reads back what is kept of it.
fn on_record(events: &[Event]) -> Vec<Event> {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), tokio::sync::mpsc::unbounded_channel().0).expect("opened");
    let mut course = History::default();
    for event in events {
        if event.kind.is_durable() {
            store.persist(event.clone());
        }
        for event in course.keep(event) {
            store.note(event);
        }
    }
    let run = store.run();
    drop(store);
    let past = past_events(folder.path(), run).expect("read");
    assert_eq!(past.unreadable, 0);
    past.events
}

fn fold(events: &[Event]) -> State {
    let mut state = State::default();
    for event in events {
        state.apply(event);
    }
    state
}

/// What a second of the chart shows: the last point at or before it.
fn at(history: &[HistoryPoint], second: u64) -> Option<&HistoryPoint> {
    history[..history.partition_point(|point| point.second <= second)].last()
}

#[test]
fn a_run_read_back_from_its_record_ends_in_the_state_that_it_ended_in() {
    let told = crowded();
    let kept = on_record(&told);
    let (mut whole, mut again) = (fold(&told), fold(&kept));
    assert!(whole.totals.crossings > 0 && whole.totals.requeues > 0 && whole.totals.cleanups > 5, "{:?}", whole.totals);
    let samples = |events: &[Event]| events.iter().filter(|event| matches!(event.kind, EventKind::MemorySampled(_))).count();
    println!("{} of {} events kept, {} of {} samples", kept.len(), told.len(), samples(&kept), samples(&told));
    assert!(samples(&kept) < samples(&told), "nothing was thinned");

    // The chart: every second shows what it showed, to within a MB or a hundredth.
    let (before, after): (Vec<_>, Vec<_>) = (whole.history.drain(..).collect(), again.history.drain(..).collect());
    for point in &before {
        let shown = at(&after, point.second).expect("a point");
        for (was, is) in [(point.hard, shown.hard), (point.counted, shown.counted)] {
            // Samples stand still between jobs: then the last is shown on.
            let most = Bytes::mib(1).0.max(was.0 / 100);
            assert!(was.0.abs_diff(is.0) <= most, "second {}: {was} was shown, {is} is", point.second);
        }
    }
    // What was measured under the profile: the same but for the time over the line, which is seen from sample to sample.
    let (before, after) = (std::mem::take(&mut whole.measured), std::mem::take(&mut again.measured));
    let (was, is) = (before.get("three").expect("measured"), after.get("three").expect("measured"));
    assert_eq!((was.peak, was.done, was.bad), (is.peak, is.done, is.bad));
    assert_eq!(was.busy, is.busy);
    assert!(was.over.abs_diff(is.over) <= was.over / 20, "{:?} over the line, {:?} on record", was.over, is.over);
    // Everything else to the last bit: jobs, sums, cleanups, warnings, the summary.
    assert_eq!(again, whole);
    assert!(whole.summary.is_some());
}

#[test]
fn at_every_moment_a_run_read_back_tells_of_the_same_jobs() {
    let told = crowded();
    let kept = on_record(&told);
    for seconds in (5..250).step_by(7) {
        let until = |events: &[Event]| {
            let passed = events.partition_point(|event| event.mono <= Mono::START + Duration::from_secs(seconds));
            fold(&events[..passed])
        };
        let (whole, again) = (until(&told), until(&kept));
        let table = |state: &State| -> Vec<(JobId, Phase, u32)> {
            state.jobs.values().map(|job| (job.id, job.phase.clone(), job.attempts)).collect()
        };
        assert_eq!(table(&again), table(&whole), "after {seconds} s");
        assert_eq!(again.index, whole.index, "after {seconds} s");
        assert_eq!(again.memory.level, whole.memory.level, "after {seconds} s");
        assert_eq!(again.cleanups.len(), whole.cleanups.len(), "after {seconds} s");
        for (was, is) in whole.cleanups.iter().zip(&again.cleanups) {
            assert_eq!(is, was, "after {seconds} s");
        }
        assert_eq!((again.paused, again.draining), (whole.paused, whole.draining));
    }
}

fn events(lines: &[Value]) -> Vec<Event> {
    lines.iter().map(|line| serde_json::from_value(line.clone()).expect("an event")).collect()
}

fn replay(world: &World, args: &[&str]) -> crate::support::Said {
    let mut command = world.command(["replay", "--state-dir"]);
    command.arg(world.path("state")).args(args);
    say(command)
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_past_run_is_listed_and_shown_again_as_it_was() {
    let world = World::new();
    world.put(&clips().tiny(), "tiny.mp4");
    world.put(&clips().other(), "other.mp4");
    world.write("in/text.mp4", "no video");
    let run = world.run(&[]);
    assert_eq!(run.code(), Some(1), "{}", run.stderr);

    let list = replay(&world, &[]);
    assert_eq!((list.code, list.err.as_str()), (Some(0), ""), "{}", list.out);
    assert!(
        list.out.contains("2 done, 1 rejected") && list.out.contains("balanced") && list.out.contains("in order"),
        "{}",
        list.out
    );
    assert!(list.out.contains("plimsoll replay --past 1"), "{}", list.out);
    let list = json_lines(&replay(&world, &["--json"]).out);
    assert_eq!((list.len(), &list[0]["run"], &list[0]["ending"]), (1, &Value::from(1), &Value::from("over")));
    assert_eq!((&list[0]["jobs"]["done"], &list[0]["began"]), (&Value::from(2), &run.events[0]["at"]));

    for which in [&["--past", "--json"][..], &["--past", "last", "--json"], &["--past", "1", "--json"]] {
        let said = replay(&world, which);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let again = json_lines(&said.out);
        assert_eq!(list[0]["events"], again.len());
        assert!(again.is_sorted_by_key(|event| event["seq"].as_u64()), "in their order");
        assert!(again.iter().all(|event| run.events.contains(event)), "each as it was told");
        let (whole, again) = (fold(&events(&run.events)), fold(&events(&again)));
        assert_eq!(again.jobs, whole.jobs);
        assert_eq!((&again.summary, &again.totals, &again.memory), (&whole.summary, &whole.totals, &whole.memory));
        assert_eq!((&again.cleanups, &again.lines, &again.index), (&whole.cleanups, &whole.lines, &whole.index));
        assert!(!again.history.is_empty());
        assert!(said.err.contains("tiny.mp4") && said.err.contains("2 done, 1 rejected"), "{}", said.err);
    }
}

/// ffmpeg, but its work reports a little progress and then waits for as long as there is a file `hold` in the world.
fn held_tools(world: &World) {
    for name in ["ffmpeg", "ffprobe"] {
        let (real, hold) = (tool(name), world.path("hold"));
        let script = format!(
            "#!/bin/sh\ncase \" $* \" in *pipe:3*) ;; *) exec {real} \"$@\" ;; esac\n\
             printf 'frame=3\\nfps=25\\nout_time_us=120000\\nspeed=1x\\nprogress=continue\\n' >&3\n\
             while [ -e '{hold}' ]; do sleep 0.05; done\nexec {real} \"$@\"\n",
            real = real.display(),
            hold = hold.display()
        );
        let path = world.write(&format!("tools/{name}"), script);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    }
    world.write("hold", "");
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited too long for: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_run_at_work_and_one_that_was_killed_are_shown_to_where_they_are() {
    let world = World::new();
    world.put(&clips().tiny(), "a.mp4");
    world.put(&clips().other(), "b.mp4");
    held_tools(&world);
    let state = world.path("state");
    let mut command = world.run_command(["-p", "safe", "--ffmpeg"]);
    command.arg(world.path("tools")).arg(world.path("in"));
    let mut live = Live::start(command);
    let progressed = live.until_event("job_progressed");

    // Beside whoever is at work there, again and again, until what was told is on record.
    let of = |kind: fn(&EventKind) -> bool| past_events(&state, 1).expect("read").events.iter().any(|event| kind(&event.kind));
    wait_for("the start on record", || of(|kind| matches!(kind, EventKind::JobStarted { .. })));
    wait_for("its progress on record", || of(|kind| matches!(kind, EventKind::JobProgressed { .. })));
    assert_eq!(past_runs(&state).expect("read")[0].ending, Ending::AtWork);
    let said = replay(&world, &["--past", "--json"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("run 1: it is at work: shown as far as it is on record"), "{}", said.err);
    assert!(json_lines(&said.out).contains(&progressed));

    live.signal(libc::SIGKILL);
    live.child.wait().expect("gone");
    let list = replay(&world, &[]).out;
    assert!(list.contains("cut off") && list.contains("2 not finished") && list.contains("safe"), "{list}");
    let said = replay(&world, &["--past", "1", "--json"]);
    assert!(said.err.contains("it was cut off") && said.err.contains("ends before the run did"), "{}", said.err);
    let state = fold(&events(&json_lines(&said.out)));
    let job = &state.jobs[&JobId(1)];
    assert!(matches!(job.phase, Phase::Running { .. }), "{job:?}");
    assert_eq!(job.progress.as_ref().map(|progress| progress.frame), Some(3), "{job:?}");
    assert!(
        matches!(state.jobs[&JobId(2)].phase, Phase::Queued) && state.memory.hard_bytes > Bytes::ZERO && state.summary.is_none()
    );

    // The next run is another one, and the one before stays what it was.
    std::fs::remove_file(world.path("hold")).expect("gone");
    let mut command = world.run_command(["--ffmpeg"]);
    command.arg(world.path("tools"));
    assert_eq!(Live::start(command).finish().code(), Some(0));
    let runs = past_runs(&world.path("state")).expect("read");
    assert_eq!(runs.iter().map(|run| (run.run, run.ending)).collect::<Vec<_>>(), [(1, Ending::CutOff), (2, Ending::Over)]);
    assert_eq!(fold(&past_events(&world.path("state"), 1).expect("read").events).jobs, state.jobs);
}

#[test]
fn what_is_not_there_is_said_with_what_to_do() {
    let world = World::new();
    for args in [&[][..], &["--past"], &["--past", "3"], &["--json"]] {
        let said = replay(&world, args);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{args:?}");
        assert!(said.err.contains("plimsoll.db") && said.err.contains("--state-dir"), "{}", said.err);
    }
    assert!(!world.path("state").exists(), "looking makes nothing");
    world.put(&clips().tiny(), "tiny.mp4");
    world.run(&[]);
    let said = replay(&world, &["--past", "3"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("there is no run 3") && said.err.contains("the runs from 1 to 1 are kept"), "{}", said.err);
    let said = replay(&world, &["--past", "run.jsonl"]);
    assert!(said.code == Some(2) && said.err.contains("the number of a run, or last"), "{}", said.err);
    world.write("state/plimsoll.db", "this is no record at all, and as long as one has to be to be looked at");
    assert!(replay(&world, &[]).err.contains("is damaged"));
}

#[test]
fn in_the_console_a_past_run_shows_its_memory_its_jobs_and_their_whole_logs() {
    let world = World::new();
    world.put(&clips().tiny(), "tiny.mp4");
    let run = world.run(&[]);
    assert_eq!(run.code(), Some(0), "{}", run.stderr);
    let home = world.path("home");
    let state = world.path("state");
    let shown = ["replay", "--past", "--speed", "1000", "--state-dir", state.to_str().expect("UTF-8")];
    let mut terminal = crate::support::pty::Terminal::start(120, 36, &home, &shown);
    terminal.wait_for("all done");
    terminal.wait("the budget of the run", |screen| screen.contains("under the line") && screen.contains("balanced"));
    terminal.press("g");
    terminal.press("\r");
    terminal.wait_for("tiny.mp4");
    terminal.press_until("o", "job 1, try 1");
    terminal.press("q");
    assert!(terminal.end().success());
    assert!(!Path::new(&home).join(".local/state").exists(), "looking makes nothing");
}
