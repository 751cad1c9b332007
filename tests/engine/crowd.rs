//! Eight consoles at once, two of which stand still: what they cost the server. Measured in a process of its own, which plays the
//! server, with consoles in processes of theirs.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // a deadline needs the clock

use std::cell::Cell;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use plimsoll::domain::event::Event;
use plimsoll::domain::memory::MemorySample;
use plimsoll::engine::port::{Effect, Host, Input};
use plimsoll::runtime::clock::Clock;
use plimsoll::runtime::driver::Driver;
use plimsoll::runtime::link::{Link, Lookup, Update};
use plimsoll::wire::client::{self, Caller, Door};
use plimsoll::wire::message::Facts;
use plimsoll::wire::server::{self, Service};
use plimsoll::wire::socket;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::support::modelled;

/// What a process of this test plays: `server EVENTS`, or `console FOLDER`.
const ROLE: &str = "PLIMSOLL_CROWD_ROLE";
/// Consoles, and how many of them are stopped.
const CONSOLES: usize = 8;
const STOPPED: usize = 2;
/// What the server may grow by.
const MOST: f64 = 24.0;
/// Longest wait for a console on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A host that does nothing but to note when the engine has decided, before anybody is told of it.
struct Stopwatch(Rc<Cell<Duration>>);

impl Host for Stopwatch {
    fn perform(&mut self, _effect: Effect) {}

    fn on_event(&mut self, _event: &Event) {
        self.0.set(processor_time());
    }
}

/// This program again, in this role.
fn play(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["crowd::plays_its_role_in_a_process_of_its_own", "--exact", "--ignored", "--nocapture"]).env(ROLE, role);
    command
}

/// What the server's process has measured with so many events.
fn measured(events: u64) -> Value {
    let output = play(&format!("server {events}")).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures = said.lines().find_map(|line| serde_json::from_str::<Value>(line.trim()).ok().filter(Value::is_object));
    let figures = figures.unwrap_or_else(|| panic!("no figures: {said}{}", String::from_utf8_lossy(&output.stderr)));
    println!("{figures}");
    figures
}

#[test]
fn consoles_of_which_two_stand_still_cost_the_server_little_memory() {
    let figures = measured(80_000);
    assert!(figures["grown_mib"].as_f64().is_some_and(|grown| grown <= MOST), "{figures}");
}

#[test]
#[ignore = "needs a machine with nothing else to do; `just windows`"]
fn a_hundred_thousand_events_for_eight_consoles_cost_the_engine_no_time() {
    let figures = measured(100_000);
    assert!(figures["grown_mib"].as_f64().is_some_and(|grown| grown <= MOST), "{figures}");
    let p99 = |when: &str| figures[when]["p99_us"].as_f64().expect("measured");
    assert!(p99("with") <= p99("without") * 1.1, "a step of the engine takes longer while consoles look on: {figures}");
}

#[test]
#[ignore = "played by the tests above in processes of its own"]
fn plays_its_role_in_a_process_of_its_own() {
    let Ok(role) = std::env::var(ROLE) else { return };
    match role.split_once(' ').expect("a role") {
        ("console", folder) => look_on(Path::new(folder)),
        (_, events) => serve(events.parse().expect("a number")),
    }
}

/// A console that reads all there is.
fn look_on(folder: &Path) {
    let caller = Caller { console: true, follow: true, view: false };
    let mut opened = client::open(Door::Here(folder.to_owned()), caller).expect("connected");
    while let Some(update) = opened.link.updates.blocking_recv() {
        if matches!(update, Update::Snapshot(_)) {
            println!("knows");
        }
    }
}

/// Consoles that end with the test.
struct Crowd(Vec<Child>);

impl Crowd {
    /// All of them know what there is; the first two are stopped.
    fn gather(folder: &Path) -> Self {
        let start = |_| {
            let mut command = play(&format!("console {}", folder.display()));
            let mut child = command.stdout(Stdio::piped()).spawn().expect("a console");
            let mut said = BufReader::new(child.stdout.take().expect("piped"));
            let mut line = String::new();
            while !line.contains("knows") {
                line.clear();
                assert!(said.read_line(&mut line).expect("read") > 0, "the console has ended");
            }
            // What it says later is for nobody, and must not stop it.
            std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
            child
        };
        let crowd = Self((0..CONSOLES).map(start).collect());
        for child in &crowd.0[..STOPPED] {
            // SAFETY: a plain system call with our own child.
            assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGSTOP) }, 0);
        }
        crowd
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Plays the server, measures itself, and tells the figures.
fn serve(events: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let (inputs, results) = tokio::sync::mpsc::unbounded_channel();
    let config = modelled::config(modelled::profile("balanced", 2, 200), modelled::sound());
    let decided = Rc::new(Cell::new(Duration::ZERO));
    let driver = Driver::new(config, Stopwatch(Rc::clone(&decided)), results, Clock::start());
    let attacher = driver.attacher();
    let (_doors, listeners) = socket::open(folder.path(), None).expect("open");
    let hello = modelled::hello(folder.path());
    let attaches = attacher.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let attach = Box::new(move || attaches.attach());
        let (lookup, facts, on_consoles) = (Lookup::default(), Facts::default(), Box::new(drop));
        let service = Service { attach, lookup, hello, facts, on_consoles, exit_when_idle: None };
        let never = std::future::pending();
        tokio::task::LocalSet::new().block_on(&runtime, server::serve(listeners, service, never)).expect("served");
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let measure = async {
            let mut link = attacher.attach();
            // What the engine keeps of events has grown before anything is measured.
            step_often(&inputs, &mut link, &decided, events).await;
            let without = step_often(&inputs, &mut link, &decided, events).await;
            let before = anonymous();
            let place = folder.path().to_owned();
            let gathering = std::thread::spawn(move || Crowd::gather(&place));
            let began = Instant::now();
            while !gathering.is_finished() {
                assert!(began.elapsed() < PATIENCE, "the consoles do not come");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let crowd = gathering.join().expect("gathered");
            let with = step_often(&inputs, &mut link, &decided, events).await;
            drop(crowd);
            let grown = with.most_memory - before;
            json!({
                "events": events, "grown_mib": (grown * 10.0).round() / 10.0, "without": without.told(), "with": with.told(),
            })
        };
        tokio::select! {
            biased;
            figures = measure => println!("\n{figures}"),
            _ = driver.run() => panic!("the run is over"),
        }
    });
}

/// Processor time of steps until the engine has decided, and until everybody is told; and the most memory seen meanwhile.
struct Steps {
    decided: Vec<Duration>,
    told: Vec<Duration>,
    most_memory: f64,
}

impl Steps {
    fn told(mut self) -> Value {
        self.decided.sort_unstable();
        self.told.sort_unstable();
        let at = |times: &[Duration], share: usize| (times[times.len() * share / 100].as_secs_f64() * 1e7).round() / 10.0;
        json!({
            "median_us": at(&self.decided, 50), "p99_us": at(&self.decided, 99),
            "told_median_us": at(&self.told, 50), "told_p99_us": at(&self.told, 99),
        })
    }
}

/// Lets the loop of the engine take so many samples of memory, one after the other, each until everybody is told. The loop runs on
/// this thread: its processor time is what a step costs, whoever else uses the processors.
async fn step_often(
    inputs: &tokio::sync::mpsc::UnboundedSender<Input>,
    link: &mut Link,
    decided: &Cell<Duration>,
    events: u64,
) -> Steps {
    let mut steps = Steps { decided: Vec::new(), told: Vec::new(), most_memory: anonymous() };
    for number in 0..events {
        // What else was told is not what this step is waited for by.
        while link.updates.try_recv().is_ok() {}
        let began = processor_time();
        inputs.send(Input::Sample(MemorySample::default())).expect("the engine listens");
        while !matches!(link.updates.recv().await, Some(Update::Event(_))) {}
        steps.decided.push(decided.get().saturating_sub(began));
        steps.told.push(processor_time().saturating_sub(began));
        if number % 1000 == 0 {
            steps.most_memory = steps.most_memory.max(anonymous());
        }
    }
    steps.most_memory = steps.most_memory.max(anonymous());
    steps
}

/// Of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Anonymous memory of this process, MiB.
fn anonymous() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("read");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("told");
    let kb: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kb / 1024.0
}
