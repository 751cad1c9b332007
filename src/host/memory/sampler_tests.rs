//! Samples of recorded and of real machines, their pace, their cost, and what happens when nothing can be read.

use std::io::BufRead as _;
use std::process::{Child, Command, Stdio};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::narrow::OurCache;
use super::*;
use crate::domain::memory::{Asked, BudgetSource};
use crate::domain::units::MIB;
use crate::host::memory::cgroup::tests::{Tree, v2_with_a_limited_ancestor};

fn config(roots: Roots) -> SamplerConfig {
    SamplerConfig { roots, ..SamplerConfig::new(FileLedger::default()) }
}

fn next(inputs: &mut UnboundedReceiver<Input>) -> Input {
    inputs.blocking_recv().expect("the sampler runs")
}

fn next_sample(inputs: &mut UnboundedReceiver<Input>) -> MemorySample {
    match next(inputs) {
        Input::Sample(sample) => sample,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_container_is_measured_where_its_limit_is() {
    let tree = v2_with_a_limited_ancestor();
    let sample = SampleSource::new(config(tree.roots())).sample_now().expect("measures");
    assert_eq!(sample.scope, Scope::Container);
    // The group is recorded, this process is real: beside other tests it may hold more than the group.
    let sums = [700, 300, 50].map(|sum| Bytes::mib(sum).max(sample.console));
    assert_eq!([sample.usage, sample.working_set, sample.hard], sums);
    assert!(sample.console > Bytes::ZERO);
    assert_eq!(sample.budget.map(|budget| budget.bytes), Some(Bytes::gib(2)));
}

#[test]
fn what_attached_consoles_hold_is_the_consoles_own() {
    // A process with far more memory than ours may change by meanwhile.
    let hold = "x=$(head -c 64000000 /dev/zero | tr '\\0' a); echo held; read line";
    let mut other = Command::new("sh").args(["-c", hold]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("starts");
    let mut held = String::new();
    std::io::BufReader::new(other.stdout.take().expect("a pipe")).read_line(&mut held).expect("it tells");
    let windows = Windows::default();
    let source = SampleSource::new(SamplerConfig { windows: windows.clone(), ..config(Roots::default()) });
    let console = |pids: Vec<u32>| {
        windows.set(pids);
        source.sample_now().expect("measures").console
    };
    // Other tests run in this process and move what it holds: between two readings that are alike it is this one alone.
    let is_counted = (0..200).any(|_| {
        let (before, with, after) = (console(Vec::new()), console(vec![other.id()]), console(Vec::new()));
        with >= before.max(after) + Bytes::mib(40)
    });
    assert!(is_counted, "what it holds is not counted");
    drop(other.stdin.take());
    other.wait().expect("ended");
}

#[test]
fn sums_that_the_kernel_counts_late_are_never_less_than_the_parts_that_were_read() {
    let jobs = BTreeMap::from([(JobId(1), JobVitals { anon: Bytes::mib(150), cpu_ms: 0 })]);
    let sample = |hard, working_set, usage| {
        let [hard, working_set, usage] = [hard, working_set, usage].map(Bytes::mib);
        let (console, jobs) = (Bytes::mib(30), jobs.clone());
        let mut sample = MemorySample { usage, working_set, hard, console, jobs, ..MemorySample::default() };
        cover_parts(&mut sample, Bytes::mib(10));
        [sample.hard, sample.working_set, sample.usage].map(|sum| sum.0 / MIB)
    };
    assert_eq!(sample(200, 210, 220), [200, 210, 220]);
    assert_eq!(sample(140, 200, 220), [160, 200, 220]);
    assert_eq!(sample(140, 141, 142), [160, 160, 160], "20 MB of consoles may live in another group");
}

#[test]
fn a_smaller_budget_counts_ours_and_what_others_hold_beyond_the_rest() {
    let sample = || MemorySample {
        scope: Scope::Own,
        hard: Bytes::mib(1000),
        console: Bytes::mib(10),
        scratch: Bytes::mib(40),
        jobs: BTreeMap::from([(JobId(1), JobVitals { anon: Bytes::mib(150), cpu_ms: 0 })]),
        ..MemorySample::default()
    };
    let cache = OurCache { finished: Bytes::mib(30), streaming: Bytes::mib(70) };
    let mut roomy = sample();
    narrow_to_own(&mut roomy, Others { spare: Bytes::mib(900), ..Others::default() }, cache);
    assert_eq!((roomy.hard, roomy.working_set, roomy.usage), (Bytes::mib(200), Bytes::mib(230), Bytes::mib(300)));
    assert_eq!((roomy.foreign(), roomy.file_cache), (Bytes::ZERO, Bytes::mib(100)));
    let mut tight = sample();
    narrow_to_own(&mut tight, Others { spare: Bytes::mib(500), ..Others::default() }, cache);
    assert_eq!((tight.hard, tight.foreign()), (Bytes::mib(500), Bytes::mib(300)), "800 of others, 500 of room beside us");
}

#[test]
fn samples_come_at_the_pace_that_is_set_and_a_new_budget_brings_one_at_once() {
    let tree = v2_with_a_limited_ancestor();
    let (sender, mut inputs) = unbounded_channel();
    let sampler = Sampler::spawn(SamplerConfig { pace: Duration::from_hours(1), ..config(tree.roots()) }, sender).expect("starts");
    assert_eq!(next_sample(&mut inputs).scope, Scope::Container);
    // Each of these would wait for an hour if it did not wake the thread.
    sampler.set_profile_budget(Some(Bytes::mib(512)));
    let sample = next_sample(&mut inputs);
    let budget = sample.budget.expect("is there");
    assert_eq!((sample.scope, budget.bytes, budget.source), (Scope::Own, Bytes::mib(512), BudgetSource::Profile));
    assert_eq!(budget.available, Bytes::gib(2));
    sampler.set_pace(Duration::from_millis(20));
    for _ in 0..5 {
        next_sample(&mut inputs);
    }
    sampler.set_pace(Duration::from_hours(1));
    drop(sampler);
    while inputs.try_recv().is_ok() {}
    assert!(inputs.is_closed() || inputs.blocking_recv().is_none(), "the thread is gone");
}

#[test]
fn when_memory_cannot_be_read_one_fault_says_so_and_samples_return_by_themselves() {
    let tree = Tree::new(1024);
    let meminfo = std::fs::read_to_string(tree.path("proc/meminfo")).expect("reads");
    std::fs::write(tree.path("proc/meminfo"), "").expect("writes");
    let (sender, mut inputs) = unbounded_channel();
    let _sampler =
        Sampler::spawn(SamplerConfig { pace: Duration::from_millis(10), ..config(tree.roots()) }, sender).expect("starts");
    let Input::Fault { what, detail } = next(&mut inputs) else { panic!("a fault comes first") };
    assert!(what.contains("memory") && detail.contains("meminfo"), "{what}: {detail}");
    // Several more tries fail in this time; that nothing comes of them can only be waited for.
    std::thread::sleep(Duration::from_millis(80));
    std::fs::write(tree.path("proc/meminfo"), meminfo).expect("writes");
    assert!(matches!(next(&mut inputs), Input::Sample(_)), "no second fault in between");
}

#[test]
fn a_changed_limit_is_seen_when_the_budget_is_read_again() {
    let tree = v2_with_a_limited_ancestor();
    let source = SampleSource::new(config(tree.roots()));
    source.lock().sample(Freshness::AsKept).expect("measures");
    tree.write("sys/fs/cgroup/box/inner/memory.max", "1073741824\n");
    source.set_profile_budget(None);
    let budget = source.lock().sample(Freshness::AsKept).expect("measures").budget.expect("is there");
    assert_eq!(budget.bytes, Bytes::gib(1));
}

/// A process that does nothing until it is dropped.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("/bin/sh").args(["-c", "read line"]).stdin(Stdio::piped()).spawn().expect("starts"))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn jobs_of_the_ledger_appear_with_their_memory_and_leave_with_their_process() {
    let ledger = FileLedger::default();
    let source = SampleSource::new(SamplerConfig::new(ledger.clone()));
    let mut child = Sleeper::start();
    let shm = tempfile::tempdir_in("/dev/shm").expect("tempdir");
    let part = shm.path().join("7.1.part");
    std::fs::write(&part, vec![1; 3 * MIB as usize]).expect("writes");
    std::fs::write(shm.path().join("8.1.part"), vec![1; MIB as usize]).expect("writes");
    ledger.started(JobId(7), child.0.id(), "/nowhere".into(), part);
    let sample = source.sample_now().expect("measures");
    assert!(sample.jobs[&JobId(7)].anon > Bytes::ZERO);
    assert_eq!(sample.scratch, Bytes::mib(4), "the part that grows and the one that nobody needs");
    assert!(sample.hard >= sample.scratch && sample.hard <= sample.working_set && sample.working_set <= sample.usage, "{sample:?}");
    child.0.kill().expect("kills");
    child.0.wait().expect("reaps");
    assert!(source.sample_now().expect("measures").jobs.is_empty());
}

#[test]
fn under_a_smaller_budget_cached_files_of_ended_jobs_count_and_streamed_ones_only_in_usage() {
    let ledger = FileLedger::default();
    let operator_budget = Some(Asked { bytes: Some(Bytes::mib(64)), by: "--budget".to_owned() });
    let source = SampleSource::new(SamplerConfig { operator_budget, ..SamplerConfig::new(ledger.clone()) });
    let dir = tempfile::tempdir().expect("tempdir");
    for (name, mib) in [("in1", 5), ("in2", 11)] {
        std::fs::write(dir.path().join(name), vec![1; mib * MIB as usize]).expect("writes");
    }
    let child = Sleeper::start();
    ledger.started(JobId(1), child.0.id(), dir.path().join("in1"), dir.path().join("1.1.part"));
    ledger.started(JobId(2), child.0.id(), dir.path().join("in2"), dir.path().join("2.1.part"));
    ledger.ended(JobId(1));
    let sample = source.sample_now().expect("measures");
    assert_eq!(sample.scope, Scope::Own);
    assert_eq!(sample.working_set - sample.hard, Bytes::mib(5));
    assert_eq!(sample.usage - sample.working_set, Bytes::mib(11));
}

/// What this thread has taken of a processor: how long it waits for one is no cost.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Prints what a sample costs with four jobs; see it with `--nocapture`, and `--release` for the real figure.
#[test]
fn a_sample_of_four_jobs_costs_little() {
    let ledger = FileLedger::default();
    let children: Vec<Sleeper> = (0..4).map(|_| Sleeper::start()).collect();
    for (job, child) in (1..).zip(&children) {
        ledger.started(JobId(job), child.0.id(), format!("/nowhere/{job}").into(), format!("/nowhere/{job}.1.part").into());
    }
    let cost = |what: &str, source: &SampleSource| {
        let mut costs: Vec<Duration> = (0..1000)
            .map(|_| {
                let began = processor_time();
                assert_eq!(source.lock().sample(Freshness::AsKept).expect("measures").jobs.len(), 4);
                processor_time().saturating_sub(began)
            })
            .collect();
        costs.sort_unstable();
        println!("sample of 4 jobs, {what}: median {:?}, 99 % {:?}, worst {:?}", costs[500], costs[990], costs[999]);
        costs[500]
    };
    let machine = SampleSource::new(SamplerConfig::new(ledger.clone()));
    let own = SampleSource::new(SamplerConfig {
        operator_budget: Some(Asked { bytes: Some(Bytes::mib(64)), by: "--budget".to_owned() }),
        ..SamplerConfig::new(ledger.clone())
    });
    let slowest = cost("machine", &machine).max(cost("smaller budget", &own));
    assert!(slowest < Duration::from_millis(2), "{slowest:?}");
    if let Some(group) = crate::host::memory::cgroup::tests::RealGroup::make("cost") {
        group.limit(Bytes::mib(512));
        let proc = group.proc_of(std::process::id());
        let roots = Roots { root: "/".into(), proc: proc.path().to_owned() };
        // The group is not ours: its own recorded membership points the reading at it.
        let in_group = SampleSource::new(SamplerConfig { roots, ..SamplerConfig::new(ledger) });
        assert_eq!(in_group.lock().sample(Freshness::AsKept).expect("measures").scope, Scope::Container);
        cost("v1 cgroup", &in_group);
    }
}
