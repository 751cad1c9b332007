//! What must hold of every stream of events, whatever was run.

use std::collections::{BTreeMap, BTreeSet};

use std::time::SystemTime;

use serde_json::Value;

use super::Finished;

/// The fields that each event promises.
const FIELDS: &[(&str, &str)] = &[
    ("job_queued", "job input size_bytes preset"),
    ("job_rejected", "job input size_bytes limit_bytes reason"),
    ("job_started", "job attempt pid predicted_peak_bytes"),
    ("job_progressed", "job ratio fps speed eta_seconds memory_bytes"),
    ("job_finished", "job outcome output peak_memory_bytes seconds attempts exit_code signal reason"),
    ("job_requeued", "job attempt reason"),
    ("admission_held", "job needs_bytes free_bytes"),
    ("admission_resumed", ""),
    (
        "memory_sampled",
        "usage_bytes working_set_bytes hard_bytes console_bytes foreign_bytes jobs reserved_bytes budget_bytes high_water_bytes level psi_some_avg10",
    ),
    ("pressure_changed", "from to working_set_bytes hard_bytes"),
    ("cleanup_started", "cleanup trigger action before_bytes"),
    ("cleanup_finished", "cleanup action before_bytes after_bytes freed_bytes millis"),
    ("profile_selected", "name max_concurrent max_file_bytes"),
    ("slots_decided", "profile at_once limit why"),
    ("warning_raised", "warning evidence advice"),
    ("fault", "what detail"),
    (
        "run_finished",
        "profile budget_bytes budget_source jobs peak_memory_bytes peak_usage_bytes seconds seconds_over_high_water cleanups freed_bytes holds stops requeues oom_kills",
    ),
];
const OUTCOMES: &[&str] = &["done", "already_done", "failed", "out_of_memory", "timed_out", "stalled", "cancelled"];

pub fn name(event: &Value) -> &str {
    event["event"].as_str().expect("every event has a name")
}

pub fn number(event: &Value, field: &str) -> u64 {
    event[field].as_u64().unwrap_or_else(|| panic!("{field} is no number in {event}"))
}

/// When an event was told.
pub fn time(event: &Value) -> SystemTime {
    let at: jiff::Timestamp = event["at"].as_str().and_then(|at| at.parse().ok()).unwrap_or_else(|| panic!("no time in {event}"));
    at.into()
}

/// When samples were told. One is measured before it is told, and where the engine is late, before the one before it is.
#[derive(Default)]
pub struct Told([Option<SystemTime>; 2]);

impl Told {
    /// The time in which this one was measured, once two were told before it.
    pub fn span(&mut self, event: &Value) -> Option<(SystemTime, SystemTime)> {
        let now = time(event);
        let [from, last] = self.0;
        self.0 = [last, Some(now)];
        Some((from?, now))
    }
}

/// Checks what holds of every run; `slots` is the most that may run at once. Returns how many ran at once at most.
pub fn check(run: &Finished, slots: usize) -> usize {
    check_each(&run.events);
    check_cleanups(run);
    let most = check_slots(&run.events, slots);
    check_summary(run);
    most
}

fn check_each(events: &[Value]) {
    let mut at = "";
    for (place, event) in (1..).zip(events) {
        assert_eq!(number(event, "seq"), place, "seq rises by one from 1");
        let time = event["at"].as_str().expect("a time");
        assert!(time.len() == 24 && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
        assert!(at <= time, "{time} is before {at}");
        at = time;
        let name = name(event);
        let Some((_, fields)) = FIELDS.iter().find(|(known, _)| *known == name) else { continue };
        for field in fields.split_whitespace() {
            assert!(event.get(field).is_some(), "{field} is missing in {event}");
        }
        if name == "job_finished" {
            assert!(OUTCOMES.contains(&event["outcome"].as_str().expect("a word")), "{event}");
        }
        if name == "memory_sampled" {
            let sums = ["hard_bytes", "working_set_bytes", "usage_bytes"].map(|field| number(event, field));
            assert!(sums.is_sorted(), "hard <= working set <= usage: {event}");
            assert!(["normal", "elevated", "high", "critical"].contains(&event["level"].as_str().expect("a word")), "{event}");
        }
    }
    assert_eq!(events.first().map(name), Some("run_started"));
    assert_eq!(events.iter().filter(|event| name(event) == "run_finished").count(), 1);
    assert_eq!(events.last().map(name), Some("run_finished"));
}

fn check_slots(events: &[Value], slots: usize) -> usize {
    let mut running = BTreeSet::new();
    let mut most = 0;
    for event in events {
        match name(event) {
            "job_started" => assert!(running.insert(number(event, "job")), "started twice: {event}"),
            "job_finished" | "job_requeued" => {
                running.remove(&number(event, "job"));
            }
            _ => {}
        }
        most = most.max(running.len());
        assert!(running.len() <= slots, "{} at once with {slots} slots: {event}", running.len());
    }
    assert!(running.is_empty(), "started and never ended: {running:?}");
    most
}

/// Every cleanup that begins ends, with figures; every try has one before it and one after it, and the lines with them.
fn check_cleanups(run: &Finished) {
    let mut open: BTreeMap<u64, &Value> = BTreeMap::new();
    let mut before: BTreeSet<u64> = BTreeSet::new();
    let mut line_before: BTreeSet<u64> = BTreeSet::new();
    let mut wanted_after: BTreeMap<u64, &str> = BTreeMap::new();
    // Jobs whose process has run and whose end is not told yet.
    let mut ran: BTreeSet<u64> = BTreeSet::new();
    let mut line_after: BTreeSet<u64> = BTreeSet::new();
    for event in &run.events {
        match name(event) {
            "cleanup_started" => {
                // What is done with jobs in an emergency waits for no cleanup in hand.
                let is_emergency =
                    |event: &Value| matches!(event["action"].as_str(), Some("hold_starts" | "stop_job" | "kill_job"));
                assert!(is_emergency(event) || open.values().all(|other| is_emergency(other)), "one at a time: {event}");
                open.insert(number(event, "cleanup"), event);
            }
            "cleanup_finished" => {
                let started = open.remove(&number(event, "cleanup")).expect("it began");
                assert_eq!(started["action"], event["action"]);
                for field in ["before_bytes", "after_bytes"] {
                    assert!(number(event, field) > 0, "measured: {event}");
                }
                number(event, "freed_bytes");
                let trigger = started["trigger"].as_str().expect("a word");
                if let Some(job) = started["job"].as_u64() {
                    if trigger == "before_job" {
                        before.insert(job);
                    } else if wanted_after.get(&job) == Some(&trigger) {
                        wanted_after.remove(&job);
                    }
                }
            }
            "job_logged" => {
                let (job, text) = (event["job"].as_u64(), event["text"].as_str().expect("a text"));
                if text.starts_with("Memory usage before processing: ") {
                    line_before.insert(job.expect("a job"));
                } else if text.starts_with("Memory usage after processing: ") {
                    line_after.remove(&job.expect("a job"));
                }
            }
            "job_started" => {
                let job = number(event, "job");
                assert!(before.remove(&job), "no cleanup before {event}");
                assert!(line_before.remove(&job), "no line before {event}");
                ran.insert(job);
            }
            "job_finished" | "job_requeued" if event["attempts"].as_u64() != Some(0) => {
                let job = number(event, "job");
                let trigger = if event["outcome"] == "done" { "after_job" } else { "after_failure" };
                if event["uncounted"] != true {
                    wanted_after.insert(job, trigger);
                }
                if ran.remove(&job) && event["uncounted"] != true {
                    line_after.insert(job);
                }
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "never ended: {open:?}");
    assert!(wanted_after.is_empty(), "no cleanup after jobs {wanted_after:?}");
    assert!(line_after.is_empty(), "no line after jobs {line_after:?}");
}

fn check_summary(run: &Finished) {
    let summary = run.summary();
    let outcomes = |words: &[&str]| {
        run.named("job_finished").filter(|event| words.contains(&event["outcome"].as_str().expect("a word"))).count()
    };
    let jobs = &summary["jobs"];
    for (field, count) in [
        ("done", outcomes(&["done"])),
        ("already_done", outcomes(&["already_done"])),
        ("failed", outcomes(&["failed", "timed_out", "stalled"])),
        ("out_of_memory", outcomes(&["out_of_memory"])),
        ("cancelled", outcomes(&["cancelled"])),
        ("rejected", run.named("job_rejected").count()),
    ] {
        assert_eq!(jobs[field].as_u64(), Some(count as u64), "{field} in {summary}");
    }
    assert_eq!(number(summary, "cleanups"), run.named("cleanup_finished").count() as u64);
    let freed: u64 = run.named("cleanup_finished").map(|event| number(event, "freed_bytes")).sum();
    assert_eq!(number(summary, "freed_bytes"), freed);
    assert_eq!(number(summary, "requeues"), run.named("job_requeued").count() as u64);
    let peak = |field: &str| run.named("memory_sampled").map(|event| number(event, field)).max().unwrap_or(0);
    assert_eq!(number(summary, "peak_memory_bytes"), peak("hard_bytes"));
    assert_eq!(number(summary, "peak_usage_bytes"), peak("usage_bytes"));
    assert!(!summary["budget_source"].as_str().expect("a text").is_empty());
}

/// The number in a log line that consists, behind whatever prefix, of these words word for word.
pub fn mb_of(line: &str, begin: &str, end: &str) -> Option<f64> {
    let at = line.find(begin)?;
    let figure = line[at + begin.len()..].strip_suffix(end)?;
    let (whole, tenth) = figure.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(whole) && digits(tenth) && tenth.len() == 1).then(|| figure.parse().ok())?
}
