//! One budget everywhere: real jobs under each kind of budget, every place that tells of memory held against the kernel's
//! counters and against the others.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // limits of time are measured with a clock

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::clips::clips;
use crate::support::kernel::{MemoryGroup, Readings, range, sums_of};
use crate::support::pty::Terminal;
use crate::support::skip::{MEMORY_GROUP, skip};
use crate::support::stream::{Told, mb_of, number};
use crate::support::{Finished, Live, World, say};
use plimsoll::domain::memory::There;
use plimsoll::domain::units::{Bytes, MIB};
use plimsoll::host::memory::budget::survey;
use plimsoll::host::memory::cgroup::Roots;
use serde_json::Value;

/// A limit that is none.
const NONE: u64 = 1 << 60;
/// The kernel brings the counters of `memory.stat` up to date at least this often (every two seconds, and the way here).
const FLUSH: Duration = Duration::from_millis(2500);
/// Samples that are held against the kernel.
const CHECKED: usize = 10;
/// The budget of the table profiles.
const TWO_GB: u64 = 2048 * MIB;

/// A kind of budget: what is there, what is asked for, and what comes of it.
struct Situation {
    name: &'static str,
    options: &'static [&'static str],
    budget: u64,
    /// Who set it, in plain words.
    words: String,
    /// The sums are those of plimsoll and its jobs.
    is_own: bool,
}

/// One at a time: the jobs of each keep both cores of a small machine busy.
fn turn() -> std::sync::MutexGuard<'static, ()> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A group with this limit; `None`, with the reason noted, where none can be made or something else limits us already.
fn group(name: &str, limit: u64) -> Option<(MemoryGroup, Bytes)> {
    let there = survey(&Roots::default(), None, None).budget;
    if there.there != There::Machine || there.bytes <= Bytes(TWO_GB) {
        skip(MEMORY_GROUP, format!("this needs a machine with more than 2 GB and no limit, and there is {}", there.words("-")));
        return None;
    }
    match MemoryGroup::with_limit(limit, name) {
        Ok(group) => Some((group, there.bytes)),
        Err(why) => {
            skip(MEMORY_GROUP, why);
            None
        }
    }
}

/// Within 5 % of what was there before and after, and two megabytes for what moves in between.
fn is_near(told: u64, before: u64, after: u64) -> bool {
    let (low, high) = (before.min(after) as f64, before.max(after) as f64);
    let slack = (2 * MIB) as f64;
    (low * 0.95 - slack..=high * 1.05 + slack).contains(&(told as f64))
}

/// What the kernel counts, in the way that the figures count: usage, working set, hard.
fn kernel(situation: &Situation, group: &MemoryGroup) -> Readings<[u64; 3]> {
    let (is_own, dir) = (situation.is_own, group.dir.clone());
    Readings::of(move || Some(if is_own { own_sums(&dir) } else { sums_of(&dir) }))
}

fn own_sums(group: &Path) -> [u64; 3] {
    let stat = std::fs::read_to_string(group.join("memory.stat")).expect("read");
    let anon = stat.lines().find_map(|line| line.strip_prefix("total_rss ")?.trim().parse().ok()).expect("a field");
    // Our own sums have the cache of files that nobody needs in the working set, and that of all our files in the usage: the
    // kernel does not tell files apart.
    [sums_of(group)[0], anon, anon]
}

fn command(world: &World, group: &MemoryGroup, first: &[&str], situation: &Situation) -> Command {
    let mut command = world.command(first);
    command.arg("-o").arg(world.path("out")).arg("--state-dir").arg(world.path("state")).args(situation.options);
    group.enter(&mut command);
    command
}

/// A job that holds as much as any and keeps one processor busy, not all: there are other tests. It is watched, not waited for.
const ONE_THREAD: &str = "name: one-thread\nvideo: { codec: libx264, preset: medium, crf: 23 }\ncontainer: mp4\nthreads: 1\n";

fn job_bytes(event: &Value) -> u64 {
    event["jobs"].as_object().expect("jobs").values().filter_map(Value::as_u64).sum()
}

/// The run, its samples against the kernel's counters, and its own figures against each other.
fn hold_run(situation: &Situation, group: &MemoryGroup) {
    let world = World::new();
    let input = world.put(&clips().long(), "long.mp4");
    let mut run = command(&world, group, &["run", "--json"], situation);
    run.arg("--preset").arg(world.write("one-thread.yaml", ONE_THREAD)).arg(&input);
    let mut live = Live::start(run);
    live.until_event("job_started");
    let (readings, mut spans, mut checked) = (kernel(situation, group), Told::default(), Vec::new());
    while checked.len() < CHECKED {
        let event = live.until_event("memory_sampled");
        if let Some(span) = spans.span(&event)
            && job_bytes(&event) > 60 * MIB
        {
            checked.push((event, span));
        }
    }
    for (event, (from, to)) in &checked {
        // The kernel's counters follow late.
        let window = readings.around(*from, *to + FLUSH);
        for (field, counter) in [("hard_bytes", 2), ("usage_bytes", 0), ("working_set_bytes", 1)] {
            if field != "hard_bytes" && situation.is_own {
                continue;
            }
            let [low, high] = range(window.iter().map(|reading| reading[counter]));
            assert!(is_near(number(event, field), low, high), "{} {field}: {low} to {high}: {event}", situation.name);
        }
    }
    live.signal(libc::SIGTERM);
    let run = live.finish();
    assert_eq!(run.code(), Some(143), "{}", run.stderr);
    let samples: Vec<&Value> = run.named("memory_sampled").collect();
    for sample in &samples {
        assert_eq!(number(sample, "budget_bytes"), situation.budget, "{}: {sample}", situation.name);
        let parts: u64 = sample["jobs"].as_object().expect("jobs").values().filter_map(Value::as_u64).sum();
        let parts = parts + number(sample, "console_bytes") + number(sample, "foreign_bytes");
        assert!(parts <= number(sample, "hard_bytes") + MIB, "the parts are more than the sum: {sample}");
    }
    let most = |field: &str| samples.iter().map(|sample| number(sample, field)).max().expect("a sample");
    let end = run.summary();
    assert_eq!(number(end, "budget_bytes"), situation.budget);
    assert_eq!(end["budget_source"].as_str(), Some(situation.words.as_str()));
    assert_eq!(number(end, "peak_memory_bytes"), most("hard_bytes"), "{end}");
    assert_eq!(number(end, "peak_usage_bytes"), most("usage_bytes"), "{end}");
    assert_eq!(end["oom_kills"], 0, "{end}");
    hold_lines(situation, &run);
}

/// The log lines of the run against its stream.
fn hold_lines(situation: &Situation, run: &Finished) {
    let budget = format!("budget {}: {}", Bytes(situation.budget), situation.words);
    assert!(run.stderr.contains(&budget), "{budget} is missing in {}", run.stderr);
    let before = run.stderr.lines().find_map(|line| mb_of(line, "Memory usage before processing: ", "MB")).expect("the line");
    let started = run.events.iter().position(|event| event["event"] == "job_started").expect("started");
    let sample = run.events[..started].iter().rfind(|event| event["event"] == "memory_sampled").expect("a sample");
    let told = number(sample, "working_set_bytes") as f64 / MIB as f64;
    assert!((before - told).abs() < 0.1, "{before} in the log, {told} in the stream");
    let of = |field: &str| Bytes(number(run.summary(), field)).whole();
    let peak = format!(
        "{} of {} ({} cannot be dropped; {} with file cache)",
        of("peak_working_set_bytes"),
        Bytes(situation.budget).whole(),
        of("peak_memory_bytes"),
        of("peak_usage_bytes")
    );
    assert!(run.stderr.contains(&peak), "{peak} is missing in {}", run.stderr);
}

/// The number on the console's gauge against the kernel's, and its peak against the figures on leaving.
fn hold_gauge(situation: &Situation, group: &MemoryGroup) {
    let world = World::new();
    let input = world.put(&clips().long(), "long.mp4");
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let enter = format!("echo $$ > {} && exec \"$@\"", text(&group.file("cgroup.procs")));
    let (home, out, state, input) = (world.path("home"), text(&world.path("out")), text(&world.path("state")), text(&input));
    let preset = text(&world.write("one-thread.yaml", ONE_THREAD));
    let mut line = vec!["/bin/sh", "-c", &enter, "sh", crate::support::PLIMSOLL, "-o", &out, "--state-dir", &state];
    line.extend(["--preset", &preset]);
    line.extend(situation.options.iter().chain([&input.as_str()]));
    let path = crate::support::tool_path().to_str().expect("UTF-8");
    let readings = kernel(situation, group);
    let mut terminal = Terminal::start_program(&line, (160, 50), &home, &[("PATH", path)]);
    let title = format!("{}: {}", Bytes(situation.budget), situation.words);
    // The pane tells as much of it as it has room for, cut by its meaning.
    let first = situation.words.split([';', '(']).next().unwrap_or_default().trim();
    let shown = format!("{}: {first}", Bytes(situation.budget));
    let end = format!(" of {} MB", situation.budget / MIB);
    let gauge = |screen: &str| -> Option<u64> {
        let before = screen.split(&end).next().filter(|before| before.len() < screen.len())?;
        before.rsplit(|sign: char| !sign.is_ascii_digit()).next()?.parse().ok()
    };
    // What the jobs hold, in the line below: a file that waits is cache, and nobody else's job.
    let held = |screen: &str| -> Option<u64> { screen.split("jobs ").find_map(|rest| rest.split(' ').next()?.parse().ok()) };
    terminal.wait("the budget and the gauge", |screen| screen.contains(&shown) && gauge(screen).is_some());
    // A screen shows the last sample, and the kernel brings its counters up to date late. Where the processors are taken either is
    // older: they are held against each other when the counters have held still for as long as they may be late.
    terminal.wait("a gauge that says what the kernel says", |screen| {
        let now = SystemTime::now();
        let read = readings.around(now - FLUSH, now - Duration::from_millis(200));
        let [low, high] = range(read.iter().map(|sums| sums[1]));
        let is_still = (high - low) * 50 < high && held(screen).is_some_and(|megabytes| megabytes > 60);
        is_still && gauge(screen).is_some_and(|megabytes| is_near(megabytes * MIB, low, high))
    });
    let peak = |screen: &str| -> Option<u64> { screen.split("peak ").nth(1)?.split(' ').next()?.parse().ok() };
    let on_the_gauge = peak(&terminal.screen()).expect("a peak");
    // The window is told of it, and leaves with the figures.
    let mut stop = world.command(["stop", "--state-dir"]);
    stop.arg(&state);
    assert_eq!(say(stop).code, Some(0));
    terminal.end();
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    let told = raw.rsplit("the run is over").next().expect("figures");
    assert!(told.contains(&title), "{title} is missing in {told}");
    let (_, figures) = told.split_once(" peak ").expect("a peak");
    assert!(figures.contains(&end), "{figures}");
    let on_leaving: u64 = figures.trim_start().split(' ').next().and_then(|word| word.parse().ok()).expect("a number");
    // The same figure, to the very end of the run.
    assert!(on_leaving >= on_the_gauge, "{on_the_gauge} on the gauge, {told}");
}

/// What is foretold rests on the same budget, and varies it by half and twice.
fn hold_plan(situation: &Situation, group: &MemoryGroup) {
    let world = World::new();
    let input = world.put(&clips().tiny(), "tiny.mp4");
    let mut plan = world.command(["plan", "--json"]);
    plan.arg("--state-dir").arg(world.path("state")).args(situation.options).arg(input);
    group.enter(&mut plan);
    let told = say(plan);
    assert_eq!(told.code, Some(0), "{}", told.err);
    let plan: Value = serde_json::from_str(&told.out).expect("JSON");
    assert_eq!((number(&plan, "budget_bytes"), plan["budget_source"].as_str()), (situation.budget, Some(situation.words.as_str())));
    let ways = plan["plans"].as_array().expect("ways");
    let budgets = |change: &str| -> Vec<u64> {
        ways.iter().filter(|way| way["change"] == change).map(|way| number(way, "budget_bytes")).collect()
    };
    assert_eq!(budgets("none"), [situation.budget]);
    let varied = budgets("budget");
    for (told, wanted) in varied.iter().zip([situation.budget / 2, situation.budget * 2]) {
        assert!(told.abs_diff(wanted) <= 1, "{varied:?} of {}", situation.budget);
    }
    let line = |change: &str, place: usize| {
        number(ways.iter().filter(|way| way["change"] == change).nth(place).expect("a way"), "high_water_bytes")
    };
    assert!(line("budget", 0) < line("none", 0) && line("none", 0) < line("budget", 1), "the line moves along: {plan}");
}

/// A comparison's runs have that budget too.
fn hold_comparison(situation: &Situation, group: &MemoryGroup) {
    let world = World::new();
    let input = world.put(&clips().tiny(), "tiny.mp4");
    let mut compare = command(&world, group, &["compare", "--json", "--profiles", "balanced"], situation);
    compare.arg("--report").arg(world.path("report")).arg(input);
    let told = say(compare);
    assert_eq!(told.code, Some(0), "{}", told.err);
    let report = std::fs::read_to_string(world.path("report/report.json")).expect("a report");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let mut budgets = Vec::new();
    collect(&report, "budget_bytes", &mut budgets);
    assert!(!budgets.is_empty() && budgets.iter().all(|budget| budget.as_u64() == Some(situation.budget)), "{report}");
    let mut sources = Vec::new();
    collect(&report, "budget_source", &mut sources);
    assert!(sources.iter().all(|source| source.as_str() == Some(situation.words.as_str())), "{sources:?}");
}

/// Every value under this key, however deep.
fn collect(value: &Value, key: &str, into: &mut Vec<Value>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == key {
                    into.push(field.clone());
                }
                collect(field, key, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, key, into)),
        _ => {}
    }
}

fn hold(situation: &Situation, group: &MemoryGroup) {
    hold_plan(situation, group);
    hold_comparison(situation, group);
    hold_run(situation, group);
    hold_gauge(situation, group);
}

#[test]
fn on_a_machine_larger_than_the_profiles_budget_every_figure_is_of_that_budget() {
    let _turn = turn();
    let Some((group, machine)) = group("bare", NONE) else { return };
    let words = format!("profile balanced; the machine has {machine}");
    hold(&Situation { name: "bare", options: &[], budget: TWO_GB, words, is_own: true }, &group);
}

#[test]
fn in_a_box_smaller_than_the_profiles_budget_every_figure_is_of_the_box() {
    let _turn = turn();
    let limit = 700 * MIB;
    let Some((group, _)) = group("smaller", limit) else { return };
    let words = format!("the container's limit (memory.limit_in_bytes of {})", group.dir.display());
    hold(&Situation { name: "smaller", options: &[], budget: limit, words, is_own: false }, &group);
}

#[test]
fn in_a_box_of_the_profiles_budget_every_figure_is_of_the_box() {
    let _turn = turn();
    let Some((group, _)) = group("equal", TWO_GB) else { return };
    let words = format!("the container's limit (memory.limit_in_bytes of {})", group.dir.display());
    hold(&Situation { name: "equal", options: &[], budget: TWO_GB, words, is_own: false }, &group);
}

#[test]
fn with_a_budget_of_the_operators_every_figure_is_of_that_budget() {
    let _turn = turn();
    let Some((group, _)) = group("asked", NONE) else { return };
    let words = "--budget".to_owned();
    let options = &["--budget", "840MB"];
    hold(&Situation { name: "asked", options, budget: 840 * MIB, words, is_own: true }, &group);
}

#[test]
fn a_budget_from_the_environment_or_the_settings_says_so_and_one_that_is_too_large_says_what_it_became() {
    let world = World::new();
    let input = world.put(&clips().tiny(), "tiny.mp4");
    let source = |variable: Option<&str>, flag: Option<&str>| {
        let mut plan = world.command(["plan", "--json"]);
        plan.arg("--state-dir").arg(world.path("state")).args(flag).arg(&input);
        if let Some(size) = variable {
            plan.env("PLIMSOLL_BUDGET", size);
        }
        let told = say(plan);
        let plan: Value = serde_json::from_str(&told.out).unwrap_or_else(|_| panic!("{}", told.err));
        plan["budget_source"].as_str().expect("a text").to_owned()
    };
    assert_eq!(source(Some("100MB"), None), "PLIMSOLL_BUDGET");
    assert_eq!(source(Some("100MB"), Some("--budget=101MB")), "--budget");
    let became = source(None, Some("--budget=900000GB"));
    assert!(became.ends_with("; --budget asks for 900000 GB, more than there is"), "{became}");
    world.write("home/.config/plimsoll/settings.yaml", "budget: 100MB\n");
    let settings = source(None, None);
    assert!(settings.ends_with("plimsoll/settings.yaml"), "{settings}");
}
