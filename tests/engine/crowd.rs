//! Eight consoles at once, two of which stand still: what they cost the server. Measured in a process of its own, which plays the
//! server, with consoles in processes of theirs.
//!
//! Two engines take their steps in turn, on one thread: one that nobody looks at, and one that the consoles look at. Whatever
//! else the machine does meets both alike, so that they can be held against each other on any machine.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // a deadline needs the clock

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plimsoll::domain::event::Event;
use plimsoll::domain::memory::MemorySample;
use plimsoll::engine::port::{Effect, Host, Input, Page};
use plimsoll::runtime::clock::Clock;
use plimsoll::runtime::driver::Driver;
use plimsoll::runtime::hub::Attacher;
use plimsoll::runtime::link::{Link, Lookup, Update};
use plimsoll::wire::client::{self, Caller, Door};
use plimsoll::wire::message::Facts;
use plimsoll::wire::server::{self, Service};
use plimsoll::wire::socket;
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::{greeting, modelled};

/// What a process of this test plays: `server EVENTS WRITES`, or `console FOLDER`.
const ROLE: &str = "PLIMSOLL_CROWD_ROLE";
/// Consoles, and how many of them are stopped.
const CONSOLES: usize = 8;
const STOPPED: usize = 2;
/// What the server may grow by.
const MOST: f64 = 24.0;
/// What a step of an engine that consoles look at may take, for one of an engine that nobody looks at.
const RATIO: f64 = 1.1;
/// Longest wait for a console on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
}

/// Counts what each thread asks of the allocator.
struct Counting;

// SAFETY: all of it is the system's; a counter of a thread allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = TAKEN.try_with(|taken| taken.set(taken.get() + 1));
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = TAKEN.try_with(|taken| taken.set(taken.get() + 1));
        // SAFETY: the caller keeps the contract.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// What a thread has spent.
#[derive(Debug, Clone, Copy, Default)]
struct Spent {
    processor: Duration,
    /// How often memory was asked for.
    taken: u64,
}

impl Spent {
    /// By this thread until now.
    fn now() -> Self {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Self { processor: Duration::new(time.tv_sec as u64, time.tv_nsec as u32), taken: TAKEN.get() }
    }

    fn since(self, before: Self) -> Self {
        Self { processor: self.processor.saturating_sub(before.processor), taken: self.taken - before.taken }
    }
}

/// A host that does nothing but to note when the engine has decided, before anybody is told of it.
struct Stopwatch {
    decided: Rc<Cell<Spent>>,
    /// As a server would that writes to so many consoles from within the engine's loop.
    writes: usize,
}

impl Host for Stopwatch {
    fn perform(&mut self, _effect: Effect) {}

    fn on_event(&mut self, event: &Event) {
        for _ in 0..self.writes {
            std::hint::black_box(serde_json::to_string(event).expect("JSON"));
        }
        self.decided.set(Spent::now());
    }
}

/// This program again, in this role.
fn play(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["crowd::plays_its_role_in_a_process_of_its_own", "--exact", "--ignored", "--nocapture"]).env(ROLE, role);
    command
}

/// What the server's process has measured with so many events; it writes to so many consoles from within the engine's loop.
fn measured(events: u64, writes: usize) -> Value {
    let output = play(&format!("server {events} {writes}")).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let figures = said.lines().find_map(|line| serde_json::from_str::<Value>(line.trim()).ok().filter(Value::is_object));
    let figures = figures.unwrap_or_else(|| panic!("no figures: {said}{}", String::from_utf8_lossy(&output.stderr)));
    println!("{figures}");
    figures
}

/// A figure with consoles, for the same without.
fn ratio(figures: &Value, name: &str) -> f64 {
    let of = |engine: &str| figures[engine][name].as_f64().expect("measured");
    of("with") / of("without")
}

#[test]
fn consoles_of_which_two_stand_still_cost_the_server_little_memory_and_the_engine_no_work() {
    let figures = measured(40_000, 0);
    assert!(figures["grown_mib"].as_f64().is_some_and(|grown| grown <= MOST), "{figures}");
    assert!((ratio(&figures, "allocations") - 1.0).abs() < 0.01, "the engine works for those who look on: {figures}");
}

#[test]
#[ignore = "takes a minute; `just windows`"]
fn a_hundred_thousand_events_for_eight_consoles_cost_the_engine_no_time() {
    let figures = measured(100_000, 0);
    assert!(figures["grown_mib"].as_f64().is_some_and(|grown| grown <= MOST), "{figures}");
    let (median, p99) = (ratio(&figures, "median_us"), ratio(&figures, "p99_us"));
    println!("a step while consoles look on: median x {median:.3}, p99 x {p99:.3}");
    assert!(median <= RATIO && p99 <= RATIO, "a step of the engine takes longer while consoles look on: {figures}");
}

/// What the tests above must be able to see.
#[test]
fn a_server_that_writes_to_consoles_from_within_the_engines_loop_is_caught() {
    let figures = measured(5_000, CONSOLES);
    assert!(ratio(&figures, "allocations") > RATIO, "{figures}");
    // Beside other tests the slowest steps are slow for the machine's reasons, with consoles and without.
    assert!(ratio(&figures, "median_us") > RATIO, "{figures}");
}

#[test]
#[ignore = "played by the tests above in processes of its own"]
fn plays_its_role_in_a_process_of_its_own() {
    let Ok(role) = std::env::var(ROLE) else { return };
    match role.split_once(' ').expect("a role") {
        ("console", folder) => look_on(Path::new(folder)),
        (_, wanted) => {
            let (events, writes) = wanted.split_once(' ').expect("two numbers");
            serve(events.parse().expect("a number"), writes.parse().expect("a number"));
        }
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

/// A console in the server's own process: what it has been told, the server has read from the engine. On a busy machine the server
/// may come to that late, and what waits for it is memory that no console has cost.
struct Follower(Arc<AtomicU64>);

impl Follower {
    fn new(folder: &Path) -> Self {
        let caller = Caller { console: true, follow: true, view: false };
        let opened = client::open(Door::Here(folder.to_owned()), caller).expect("connected");
        let told = Arc::<AtomicU64>::default();
        let follower = Self(Arc::clone(&told));
        std::thread::spawn(move || {
            // All of it: the line ends with any part.
            let mut opened = opened;
            while let Some(update) = opened.link.updates.blocking_recv() {
                match update {
                    Update::Snapshot(state) => told.store(state.seq.0, Ordering::SeqCst),
                    Update::Event(event) => told.store(event.seq.0, Ordering::SeqCst),
                    _ => {}
                }
            }
        });
        follower
    }

    async fn is_told(&self, seq: u64) {
        let began = Instant::now();
        while self.0.load(Ordering::SeqCst) < seq {
            assert!(began.elapsed() < PATIENCE, "the server does not keep up: {} of {seq}", self.0.load(Ordering::SeqCst));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// An engine, and who asks it.
struct Watched {
    inputs: UnboundedSender<Input>,
    link: Link,
    decided: Rc<Cell<Spent>>,
    /// Who is waited for now and then.
    follower: Option<Follower>,
}

impl Watched {
    fn new(writes: usize) -> (Self, Driver<Stopwatch>, Attacher) {
        let (inputs, results) = unbounded_channel();
        inputs.send(Input::Paged(Page::default())).expect("it is listened to");
        let config = modelled::config(modelled::profile("balanced", 2, 200), modelled::sound());
        let decided = Rc::new(Cell::new(Spent::default()));
        let stopwatch = Stopwatch { decided: Rc::clone(&decided), writes };
        let driver = Driver::new(config, stopwatch, results, Clock::start());
        let (link, visitors) = (driver.attacher().attach(), driver.visitors());
        (Self { inputs, link, decided, follower: None }, driver, visitors)
    }

    /// A step of it: one sample of memory, until everybody is told; the number of its event.
    async fn step(&mut self, steps: &mut Steps) -> u64 {
        // What else was told is not what this step is waited for by.
        while self.link.updates.try_recv().is_ok() {}
        let began = Spent::now();
        self.inputs.send(Input::Sample(MemorySample::default())).expect("the engine listens");
        let seq = loop {
            if let Update::Event(event) = self.link.updates.recv().await.expect("the engine runs") {
                break event.seq.0;
            }
        };
        steps.decided.push(self.decided.get().since(began));
        steps.told.push(Spent::now().since(began));
        seq
    }
}

/// Lets consoles connect to an engine, on a thread of its own.
fn open_doors(folder: &Path, attacher: Attacher) -> socket::Doors {
    let (doors, listeners) = socket::open(folder, None).expect("open");
    let hello = greeting::hello(folder);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let attach = Box::new(move || attacher.attach());
        let (lookup, facts, on_consoles) = (Lookup::default(), Facts::default(), Box::new(drop));
        let service = Service { attach, lookup, hello, facts, on_consoles, exit_when_idle: None, is_busy: Box::new(|| false) };
        let never = std::future::pending();
        tokio::task::LocalSet::new().block_on(&runtime, server::serve(listeners, service, never)).expect("served");
    });
    doors
}

/// Plays the server, measures itself, and tells the figures.
fn serve(events: u64, writes: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut alone, drives_alone, _attacher) = Watched::new(0);
    let (mut seen, drives_seen, attacher) = Watched::new(writes);
    let _doors = open_doors(folder.path(), attacher);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    // Each in a task of its own: nothing of the one is done while the other takes its step.
    let tasks = tokio::task::LocalSet::new();
    tasks.spawn_local(drives_alone.run());
    tasks.spawn_local(drives_seen.run());
    let figures = tasks.block_on(&runtime, async {
        // What the engines keep of events has grown before anything is measured, and what is noted here too.
        let (mut without, mut with) = (Steps::default(), Steps::default());
        step_in_turn((&mut alone, &mut without), (&mut seen, &mut with), events).await;
        (without, with) = (without.cleared(), with.cleared());
        let before = anonymous();
        let place = folder.path().to_owned();
        let gathering = std::thread::spawn(move || Crowd::gather(&place));
        let began = Instant::now();
        while !gathering.is_finished() {
            assert!(began.elapsed() < PATIENCE, "the consoles do not come");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let crowd = gathering.join().expect("gathered");
        let place = folder.path().to_owned();
        let following = std::thread::spawn(move || Follower::new(&place));
        while !following.is_finished() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        seen.follower = Some(following.join().expect("connected"));
        let most = step_in_turn((&mut alone, &mut without), (&mut seen, &mut with), events).await;
        drop(crowd);
        let grown = ((most - before) * 10.0).round() / 10.0;
        json!({ "events": events, "grown_mib": grown, "without": without.told(), "with": with.told() })
    });
    println!("\n{figures}");
}

/// What steps have cost until the engine had decided, and until everybody was told.
#[derive(Default)]
struct Steps {
    decided: Vec<Spent>,
    told: Vec<Spent>,
}

impl Steps {
    /// None, in the room that these took.
    fn cleared(mut self) -> Self {
        self.decided.clear();
        self.told.clear();
        self
    }

    fn told(self) -> Value {
        let at = |spent: &[Spent], share: usize| {
            let mut times: Vec<Duration> = spent.iter().map(|spent| spent.processor).collect();
            times.sort_unstable();
            (times[times.len() * share / 100].as_secs_f64() * 1e7).round() / 10.0
        };
        let allocations = self.decided.iter().map(|spent| spent.taken).sum::<u64>() as f64 / self.decided.len() as f64;
        json!({
            "median_us": at(&self.decided, 50), "p99_us": at(&self.decided, 99), "allocations": allocations,
            "told_median_us": at(&self.told, 50), "told_p99_us": at(&self.told, 99),
        })
    }
}

/// Lets the loops of both engines take so many samples of memory, one after the other, and now the one and now the other first;
/// the most memory seen meanwhile. The loops run on this thread: its processor time is what a step costs.
async fn step_in_turn((alone, without): (&mut Watched, &mut Steps), (seen, with): (&mut Watched, &mut Steps), events: u64) -> f64 {
    let mut most = anonymous();
    for number in 0..events {
        let seq = if number % 2 == 0 {
            alone.step(without).await;
            seen.step(with).await
        } else {
            let seq = seen.step(with).await;
            alone.step(without).await;
            seq
        };
        if number % 500 == 0
            && let Some(follower) = &seen.follower
        {
            follower.is_told(seq).await;
        }
        if number % 1000 == 0 {
            most = most.max(anonymous());
        }
    }
    most.max(anonymous())
}

/// Anonymous memory of this process, MiB.
fn anonymous() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("read");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("told");
    let kb: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kb / 1024.0
}
