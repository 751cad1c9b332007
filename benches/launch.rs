//! What it costs to start jobs: one alone, a whole queue of trivial ones, and a step of the engine behind a long queue.
//!
//! Everything is real but the length of the jobs: the record is on disk and synced, processes are forked and reaped, outputs
//! are checked, synced and renamed.

use std::alloc::{GlobalAlloc, Layout, System};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use divan::Bencher;
use divan::counter::ItemsCount;
use plimsoll::domain::command::{Command, RequestId};
use plimsoll::domain::event::{Event, EventKind, Seq};
use plimsoll::domain::job::JobId;
use plimsoll::domain::memory::Asked;
use plimsoll::domain::time::{Mono, Wall};
use plimsoll::domain::units::Bytes;
use plimsoll::engine::port::{Input, JobReport};
use plimsoll::host::process::supervisor::{Launch, Supervisor, SupervisorConfig};
use plimsoll::host::store::Store;
use plimsoll::host::{HostConfig, RealHost};
use plimsoll::runtime::clock::Clock;
use plimsoll::runtime::driver::Driver;
use plimsoll::runtime::link::{Link, Update};
use tempfile::TempDir;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use yard::Yard;

#[path = "support/yard.rs"]
#[allow(dead_code)] // shared with the other benches
mod yard;

/// Jobs in a queue of trivial ones.
const TRIVIAL: usize = 40;
/// Jobs in a long queue.
const LONG: u64 = 100_000;

#[global_allocator]
static COUNTED: Counted = Counted;
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, with the bytes asked of it counted.
struct Counted;

// SAFETY: every call is passed on as it came.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as asked of us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as asked of us.
        unsafe { System.dealloc(at, layout) }
    }
}

fn main() {
    divan::main();
    if std::env::args().any(|word| word == "--bench") {
        print_queues();
        print_memory();
    }
}

/// A folder on the disk that the build is on, so that syncing costs what it costs. `PLIMSOLL_BENCH_DIR` names another: on a
/// tmpfs, where syncing costs nothing, what remains is our own.
fn folder() -> TempDir {
    let parent = std::env::var_os("PLIMSOLL_BENCH_DIR").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    tempfile::tempdir_in(parent).expect("a folder")
}

// One job.

struct Launcher {
    store: Store,
    supervisor: Supervisor,
    inputs: UnboundedReceiver<Input>,
    last: u64,
    _folder: TempDir,
}

impl Launcher {
    fn new() -> Self {
        let folder = folder();
        let (sender, inputs) = mpsc::unbounded_channel();
        let store = Store::open(&folder.path().join("state"), sender.clone()).expect("a record");
        let supervisor = Supervisor::new(SupervisorConfig::new(folder.path().join("logs")), sender).expect("a supervisor");
        Self { store, supervisor, inputs, last: 0, _folder: folder }
    }

    fn record(&mut self) {
        self.last += 1;
        let kind = EventKind::JobAdmitted { job: JobId(self.last), attempt: 1, reserved_bytes: Bytes::mib(283) };
        self.store.persist(Event { seq: Seq(self.last), at: Wall(0), mono: Mono::START, kind });
        let seq = Seq(self.last);
        self.wait(|input| *input == Input::Persisted(seq));
    }

    fn run(&mut self) {
        let job = JobId(self.last);
        self.supervisor.start(job, 1, Launch::new(Process::new("/bin/true"), None));
        self.wait(|input| matches!(input, Input::Job(_, JobReport::Spawned { .. })));
        self.wait(|input| matches!(input, Input::Job(_, JobReport::Exited(_))));
    }

    fn wait(&mut self, wanted: impl Fn(&Input) -> bool) {
        while !wanted(&self.inputs.blocking_recv().expect("an answer")) {}
    }
}

/// The start is on disk before the process is forked; its end is told after it was reaped and its pipes were drained.
#[divan::bench(sample_count = 200, sample_size = 1)]
fn one_job_recorded_run_and_reaped(bencher: Bencher) {
    let mut launcher = Launcher::new();
    bencher.bench_local(|| {
        launcher.record();
        launcher.run();
    });
}

#[divan::bench(sample_count = 200, sample_size = 1)]
fn one_job_recorded_only(bencher: Bencher) {
    let mut launcher = Launcher::new();
    bencher.bench_local(|| launcher.record());
}

#[divan::bench(sample_count = 200, sample_size = 1)]
fn one_job_run_and_reaped_only(bencher: Bencher) {
    let mut launcher = Launcher::new();
    launcher.record();
    bencher.bench_local(|| launcher.run());
}

#[divan::bench(sample_count = 200, sample_size = 1)]
fn one_process_by_hand(bencher: Bencher) {
    bencher.bench_local(|| Process::new("/bin/true").status().expect("it runs"));
}

// A queue.

/// What passed between the parts of a job's life, summed over the jobs of a queue.
#[derive(Debug, Default, Clone, Copy)]
struct Parts {
    /// From the first admission to the last end.
    whole: Duration,
    /// Admission to the report that the process runs: record, cleanup, part, fork.
    start: Duration,
    /// The process, until its end is reported.
    run: Duration,
    /// Its output is checked and put in place.
    finish: Duration,
}

static QUEUES: Mutex<Vec<(&'static str, Parts)>> = Mutex::new(Vec::new());

struct Queue {
    runtime: tokio::runtime::Runtime,
    link: Link,
    engine: Option<JoinHandle<()>>,
    clips: Vec<PathBuf>,
    _folder: TempDir,
}

impl Queue {
    /// A host and an engine that have measured memory and wait for jobs.
    fn new(slots: u32, governor: bool) -> Self {
        let folder = folder();
        let clips = make_clips(&folder.path().join("clips"));
        let config = yard::config(slots, governor);
        let host = HostConfig {
            state_dir: folder.path().join("state"),
            out: folder.path().join("out"),
            flat: false,
            overwrite: false,
            presets: config.presets.clone(),
            ffmpeg: None,
            load_jobs: Some(PathBuf::from(env!("CARGO_BIN_EXE_plimsoll"))),
            restore: true,
            guests: Vec::new(),
            windows: plimsoll::host::memory::sampler::Windows::default(),
            budget: Some(Asked { bytes: Some(Bytes::gib(2)), by: "the benchmark".to_owned() }),
            profile_budget: None,
            hooks: plimsoll::domain::hook::Hooks::new(),
            watch: Vec::new(),
            read_list: |_, _| None,
        };
        let (inputs, results) = mpsc::unbounded_channel();
        let host = RealHost::open(host, inputs).expect("a host");
        let driver = Driver::new(config, host, results, Clock::start());
        let attacher = driver.attacher();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let link = runtime.block_on(async { attacher.attach() });
        let own = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let engine = std::thread::spawn(move || own.block_on(driver.run()).host.close());
        let mut queue = Self { runtime, link, engine: Some(engine), clips, _folder: folder };
        queue.next(|kind| matches!(kind, EventKind::MemorySampled(_)));
        queue
    }

    fn next(&mut self, wanted: impl Fn(&EventKind) -> bool) -> Box<Event> {
        self.runtime.block_on(async {
            loop {
                match self.link.updates.recv().await.expect("the run goes on") {
                    Update::Event(event) if wanted(&event.kind) => return event,
                    Update::Reply(_, Err(rejection)) => panic!("refused: {rejection}"),
                    _ => {}
                }
            }
        })
    }

    fn ask(&mut self, command: Command) {
        assert!(self.link.requests.send(RequestId(1), command), "the engine listens");
    }

    /// Runs the queue to the end of its last job.
    fn run(&mut self) -> Parts {
        let clips = self.clips.clone();
        self.ask(Command::enqueue(clips, None));
        let mut parts = Parts::default();
        let (mut first, mut ended) = (None, 0);
        let mut since = std::collections::BTreeMap::new();
        while ended < TRIVIAL {
            let event = self.next(|kind| kind.job().is_some());
            let Some(job) = event.kind.job() else { continue };
            let passed = since.get(&job).map(|since| event.mono.since(*since));
            match &event.kind {
                EventKind::JobAdmitted { .. } => {
                    first.get_or_insert(event.mono);
                }
                EventKind::JobStarted { .. } => parts.start += passed.expect("it was admitted"),
                EventKind::JobFinalizing { .. } => parts.run += passed.expect("it was started"),
                EventKind::JobFinished { outcome, reason, .. } => {
                    assert!(outcome.is_success(), "{reason:?}");
                    parts.finish += passed.expect("it was finalized");
                    ended += 1;
                    parts.whole = event.mono.since(first.expect("one was admitted"));
                }
                _ => continue,
            }
            since.insert(job, event.mono);
        }
        parts
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.ask(Command::Shutdown);
        while self.runtime.block_on(self.link.updates.recv()).is_some() {}
        if let Some(engine) = self.engine.take() {
            let _ = engine.join();
        }
    }
}

/// Load jobs that hold no memory and last a millisecond.
fn make_clips(folder: &Path) -> Vec<PathBuf> {
    std::fs::create_dir_all(folder).expect("a folder");
    let clips: Vec<PathBuf> = (0..TRIVIAL).map(|number| folder.join(format!("clip-{number:02}.load"))).collect();
    for clip in &clips {
        std::fs::write(clip, "plimsoll-load 1\nseconds 0.001\ncurve 0:0\nbody 0\n\n").expect("a clip");
        // Inputs have been on the disk for long; one that has yet to go there would hold up the cleanup that drops it.
        std::fs::File::open(clip).and_then(|file| file.sync_all()).expect("on disk");
    }
    clips
}

fn queue(bencher: Bencher, name: &'static str, slots: u32, governor: bool) {
    bencher.counter(ItemsCount::new(TRIVIAL)).with_inputs(|| Queue::new(slots, governor)).bench_local_values(|mut queue| {
        let parts = queue.run();
        QUEUES.lock().expect("whole").push((name, parts));
        // Given back, so that its end is not measured.
        queue
    });
}

#[divan::bench(sample_count = 9, sample_size = 1)]
fn queue_of_40_at_1_slot(bencher: Bencher) {
    queue(bencher, "1 slot", 1, true);
}

#[divan::bench(sample_count = 9, sample_size = 1)]
fn queue_of_40_at_2_slots(bencher: Bencher) {
    queue(bencher, "2 slots", 2, true);
}

#[divan::bench(sample_count = 9, sample_size = 1)]
fn queue_of_40_at_2_slots_without_governor(bencher: Bencher) {
    queue(bencher, "2 slots, no governor", 2, false);
}

/// The same processes, two at a time and as nice as jobs are, with nothing around them: what of the above is the jobs' own.
#[divan::bench(sample_count = 9, sample_size = 1)]
fn the_same_40_by_hand_2_at_once(bencher: Bencher) {
    bencher.counter(ItemsCount::new(TRIVIAL)).with_inputs(folder).bench_local_values(|folder| {
        let next = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= TRIVIAL as u64 {
                            return;
                        }
                        let mut process = Process::new(env!("CARGO_BIN_EXE_plimsoll"));
                        process.args(["load-job", "--curve", "0:0", "--seconds", "0.001", "--part"]);
                        process.arg(folder.path().join(number.to_string())).stdin(Stdio::null()).stdout(Stdio::null());
                        // SAFETY: a system call on plain numbers.
                        unsafe {
                            process.pre_exec(|| {
                                libc::setpriority(libc::PRIO_PROCESS, 0, 10);
                                Ok(())
                            })
                        };
                        assert!(process.status().expect("it runs").success());
                    }
                });
            }
        });
        folder
    });
}

/// The median queue of each kind, by job.
fn print_queues() {
    let all = QUEUES.lock().expect("whole");
    let mut names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    names.dedup();
    println!("\nms per job of a queue of {TRIVIAL}; start, run and finish overlap between slots");
    for name in names {
        let mut queues: Vec<Parts> = all.iter().filter(|(of, _)| *of == name).map(|(_, parts)| *parts).collect();
        queues.sort_by_key(|parts| parts.whole);
        let Parts { whole, start, run, finish } = queues[queues.len() / 2];
        let ms = |time: Duration| time.as_secs_f64() * 1e3 / TRIVIAL as f64;
        println!(
            "  {name:<22} {:5.2} in all; each started in {:5.2}, ran {:5.2}, put in place in {:5.2}",
            ms(whole),
            ms(start),
            ms(run),
            ms(finish)
        );
    }
}

// The engine.

#[divan::bench(sample_count = 2000, sample_size = 1)]
fn step_sample_behind_100_000_jobs(bencher: Bencher) {
    let yard = std::cell::RefCell::new(Yard::new(LONG));
    bencher
        .with_inputs(|| {
            let mut yard = yard.borrow_mut();
            let input = yard.sample();
            (yard.now(), input)
        })
        .bench_local_values(|(now, input)| yard.borrow_mut().engine.step(now, input));
}

#[divan::bench(sample_count = 2000, sample_size = 1)]
fn step_progress_behind_100_000_jobs(bencher: Bencher) {
    let yard = std::cell::RefCell::new(Yard::new(LONG));
    let job = yard.borrow().running()[0];
    bencher
        .with_inputs(|| {
            let mut yard = yard.borrow_mut();
            let input = yard.progress(job);
            (yard.now(), input)
        })
        .bench_local_values(|(now, input)| yard.borrow_mut().engine.step(now, input));
}

/// The one step in which a job ends and the next is admitted.
#[divan::bench(sample_count = 2000, sample_size = 1)]
fn step_end_and_next_admission_behind_100_000_jobs(bencher: Bencher) {
    let yard = std::cell::RefCell::new(Yard::new(LONG));
    bencher
        .with_inputs(|| {
            let mut yard = yard.borrow_mut();
            // What came of the last one is settled first.
            let sample = yard.sample();
            yard.settle(sample);
            yard.events.clear();
            let job = yard.running()[0];
            let now = yard.now();
            // Its finalizing is answered by hand, in the measured step.
            drop(yard.engine.step(now, Yard::exit(job)));
            (yard.now(), Yard::finalized(job))
        })
        .bench_local_values(|(now, input)| {
            let mut yard = yard.borrow_mut();
            let effects = yard.engine.step(now, input);
            yard.carry_out(effects);
        });
}

/// Every step from a job's end until the next one runs, and a sample.
#[divan::bench(sample_count = 1000, sample_size = 1)]
fn steps_of_a_jobs_whole_life_behind_100_000_jobs(bencher: Bencher) {
    let mut yard = Yard::new(LONG);
    bencher.bench_local(|| {
        let job = yard.running()[0];
        yard.end(job);
        yard.events.clear();
    });
}

fn print_memory() {
    let before = ALLOCATED.load(Ordering::Relaxed);
    let mut yard = Yard::new(LONG);
    yard.events = Vec::new();
    let engine = ALLOCATED.load(Ordering::Relaxed) - before;
    let copy = Box::new(yard.engine.state().clone());
    let both = ALLOCATED.load(Ordering::Relaxed) - before;
    println!("\nbytes per job of {LONG}: engine {}, a console's copy {}", engine / LONG as usize, (both - engine) / LONG as usize);
    drop(copy);
}
