//! What the linear mode tells when it is asked: everything in words, nothing in columns.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::job::{Job, JobId, Phase};
use crate::domain::state::State;
use crate::domain::text::{file_name_text, path_text, percent};
use crate::domain::time::span_words;
use crate::domain::units::Bytes;
use crate::headless::counting;

/// Jobs and log lines told at most, unless all are asked for.
const TOLD: usize = 20;

pub(super) fn status(state: &State) -> String {
    let memory = &state.memory;
    let jobs: Bytes = memory.jobs.values().copied().sum();
    let mut out: Vec<String> = Vec::new();
    if let Some(profile) = &state.profile {
        let slots = profile.max_concurrent.words();
        let decided = state.decided.as_ref().map(|now| format!("; now {}: {}", now.at_once, now.why)).unwrap_or_default();
        out.push(format!("profile {}: {slots}, files up to {}{decided}", profile.name, profile.max_file_size));
    }
    let (counted, end) = (memory.counted_bytes.whole(), state.lines.budget);
    out.push(format!(
        "memory {counted} of {}, {}; the line is at {}; budget {end}: {}",
        end.whole(),
        memory.shown_level().label(),
        state.lines.high_water.whole(),
        state.budget_source
    ));
    out.push(format!(
        "jobs hold {}, the console {}, {} are reserved",
        jobs.whole(),
        memory.console_bytes.whole(),
        memory.reserved_bytes.whole()
    ));
    if let Some(held) = &state.held {
        out.push(format!("job {} waits for memory: {}", held.job, held.words()));
    }
    for wanted in &state.rooms {
        out.push(format!("job {} {}: {}", wanted.job, wanted.patience(), wanted.reason));
    }
    if let Some(comparison) = &state.comparison {
        let since = span_words(state.now.since(comparison.began));
        out.push(format!(
            "a comparison has the machine, for {since} now ({}); the queue waits for it; uncompare ends it",
            comparison.run_words()
        ));
    }
    if state.paused {
        out.push("the queue is held".to_owned());
    }
    out.push(counting::words(state));
    out.join("\n")
}

/// What is happening to a job, in words.
fn phase(job: &Job, state: &State) -> String {
    match &job.phase {
        _ if let Some(lack) = job.lack_of_room() => format!("waits for room: {lack}"),
        Phase::Queued if state.held.is_some_and(|held| held.job == job.id) => "waits for memory".to_owned(),
        Phase::Queued if state.comparison.is_some() => "queued, waits for the comparison".to_owned(),
        Phase::Queued => "queued".to_owned(),
        Phase::Backoff { reason, .. } if job.waits_for_input().is_some() => reason.clone(),
        Phase::Backoff { reason, .. } => format!("waits for another try: {reason}"),
        Phase::Starting => "starting".to_owned(),
        Phase::Running { paused: true, for_memory: true, .. } => "stopped for memory".to_owned(),
        Phase::Running { paused: true, .. } => "paused".to_owned(),
        Phase::Running { .. } => {
            let progress = job.progress.unwrap_or_default();
            let done = progress.ratio.map_or_else(String::new, |ratio| format!(", {} percent", percent(ratio)));
            let left = progress
                .eta_seconds
                .map_or_else(String::new, |seconds| format!(", {} left", span_words(Duration::from_secs(seconds))));
            format!("running{done}{left}")
        }
        Phase::Stopping { .. } => "being stopped".to_owned(),
        Phase::Finalizing => "its output is being checked".to_owned(),
        Phase::Rejected(why) => format!("not let in: {}", why.detail),
        Phase::Finished(finished) if finished.is_damaged() => format!("{}, damaged", finished.outcome.word()),
        Phase::Finished(finished) => match &finished.reason {
            Some(reason) => format!("{}: {reason}", finished.outcome.word()),
            None => finished.outcome.word().to_owned(),
        },
    }
}

fn line_of(job: &Job, state: &State) -> String {
    format!("job {}, {}: {}", job.id, file_name_text(&job.input), phase(job, state))
}

pub(super) fn jobs(state: &State, all: bool) -> String {
    let index = &state.index;
    let waiting = index.waiting.iter().map(|(_, id)| id);
    let ended = index.ended.iter().rev().map(|(_, id)| id);
    let order = index.active.iter().chain(&index.backoff).chain(waiting).chain(&index.rejected).chain(ended);
    let mut lines: VecDeque<String> = order.filter_map(|id| state.jobs.get(id)).map(|job| line_of(job, state)).collect();
    let count = lines.len();
    if count == 0 {
        return "no jobs; add PATH queues one".to_owned();
    }
    if !all && count > TOLD {
        lines.truncate(TOLD);
        lines.push_back(format!("and {} more; jobs all tells them", count - TOLD));
    }
    lines.make_contiguous().join("\n")
}

pub(super) fn job(job: &Job, state: &State) -> String {
    let mut out = vec![line_of(job, state)];
    out.push(format!("input {}, {}, preset {}", path_text(&job.input), job.size, job.preset));
    if let Some(output) = &job.output {
        out.push(format!("output {}", path_text(output)));
    }
    let mut memory = format!("memory {} now, {} at its peak", job.memory.whole(), job.peak.whole());
    if let Some(expected) = job.predicted_peak {
        memory = format!("{memory}, {} expected", expected.whole());
    }
    if job.phase.holds_slot() {
        memory = format!("{memory}, {} reserved", job.reserved.whole());
    }
    out.push(memory);
    if let Phase::Finished(finished) = &job.phase {
        out.extend(finished.damage.as_ref().map(|damage| format!("damage: {}", damage.words())));
        if !finished.left_out.is_empty() {
            out.push(format!("left out: {}", finished.left_out.join(", ")));
        }
    }
    out.join("\n")
}

pub(super) fn log(id: JobId, state: &State) -> String {
    let Some(ring) = state.logs.get(&Some(id)).filter(|ring| !ring.lines.is_empty()) else {
        return format!("there is no log of job {id} yet");
    };
    let from = ring.lines.len().saturating_sub(TOLD);
    ring.lines.range(from..).map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
}

pub(super) fn warnings(state: &State) -> String {
    if state.warnings.is_empty() {
        return "no warning sign is seen".to_owned();
    }
    let line =
        |(name, warning): (&String, &crate::domain::state::Warning)| format!("{name}: {}; {}", warning.evidence, warning.advice);
    state.warnings.iter().map(line).collect::<Vec<_>>().join("\n")
}
