//! Everything that happened, in words, the latest last: what the event list and the job page show. Bounded.

use std::collections::VecDeque;
use std::time::Duration;

use crate::domain::cleanup::{CleanupAction, CleanupRecord, CleanupTrigger};
use crate::domain::event::{Event, EventKind};
use crate::domain::job::{Damage, JobId, Outcome, StopReason};
use crate::domain::memory::Level;
use crate::domain::state::{Held, State, restored_words};
use crate::domain::text::many;
use crate::domain::time::Wall;
use crate::tui::terminal::theme::Role;

/// Entries kept.
const KEPT: usize = 2000;

/// What an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    Job,
    /// A job that was not let in.
    Rejection,
    /// How near memory is to the line; who waits for it.
    Memory,
    Cleanup,
    /// The profile or the budget.
    Profile,
    /// The queue as a whole.
    Queue,
    Warning,
    /// Trouble of the host.
    Fault,
    /// What the console answered the operator.
    Answer,
}

impl Topic {
    /// The word that the list shows, and that a filter finds.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Job | Self::Rejection => "job",
            Self::Memory => "memory",
            Self::Cleanup => "cleanup",
            Self::Profile => "profile",
            Self::Queue => "queue",
            Self::Warning => "warning",
            Self::Fault => "fault",
            Self::Answer => "answer",
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number, rising.
    pub number: u64,
    /// When, for people.
    pub at: Wall,
    /// What about.
    pub topic: Topic,
    /// The job, if one.
    pub job: Option<JobId>,
    /// How it looks.
    pub role: Role,
    pub text: String,
}

/// What an entry is about, its job, how it looks, its words.
pub type Told = (Topic, Option<JobId>, Role, String);

#[derive(Debug, Clone, Default)]
pub struct Chronicle {
    entries: VecDeque<Entry>,
    told: u64,
    left_out: u64,
}

impl Chronicle {
    /// What happened before a snapshot: the same as whoever was there from the beginning has heard.
    pub fn of(state: &State) -> Self {
        let mut chronicle = Self { left_out: state.story_left_out, ..Self::default() };
        for event in &state.story {
            chronicle.on_event(event, state, None);
        }
        chronicle
    }

    /// The same with what the console has answered the operator by another list, each at its time: no snapshot tells of that.
    #[must_use]
    pub fn with_answers_of(self, other: &Self) -> Self {
        let is_answer = |entry: &&Entry| entry.topic == Topic::Answer;
        let mut answers = other.entries.iter().filter(is_answer).cloned().peekable();
        if answers.peek().is_none() {
            return self;
        }
        let mut all = Self { left_out: self.left_out, ..Self::default() };
        let mut add = |entry: Entry| all.add(entry.at, (entry.topic, entry.job, entry.role, entry.text));
        for entry in self.entries {
            while let Some(answer) = answers.next_if(|answer| answer.at < entry.at) {
                add(answer);
            }
            add(entry);
        }
        answers.for_each(add);
        all
    }

    /// Entries that are not kept any more.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The entries, oldest first.
    pub const fn entries(&self) -> &VecDeque<Entry> {
        &self.entries
    }

    /// An entry of this second has these words already.
    pub fn has_just_told(&self, at: Wall, words: &str) -> bool {
        let latest = self.entries.iter().rev().take_while(|entry| at.0 - entry.at.0 < 1000).take(32);
        latest.filter(|entry| entry.topic == Topic::Fault).any(|entry| entry.text.contains(words) || words.contains(&entry.text))
    }

    /// Adds an entry.
    pub fn add(&mut self, at: Wall, (topic, job, role, text): Told) {
        if self.entries.len() == KEPT {
            self.entries.pop_front();
            self.left_out += 1;
        }
        self.told += 1;
        self.entries.push_back(Entry { number: self.told, at, topic, job, role, text });
    }

    /// Adds what an event tells, if it is worth a line; `state` has heard it already, `was_held` is who waited before.
    pub fn on_event(&mut self, event: &Event, state: &State, was_held: Option<JobId>) {
        use Role::{Bad, Cleanup, Dim, Good, Running, Text, Warn};
        let told = match &event.kind {
            EventKind::JobStarted { job, attempt, .. } => (Topic::Job, Some(*job), Running, format!("started, try {attempt}")),
            EventKind::JobRejected { job, detail, .. } => (Topic::Rejection, Some(*job), Warn, format!("not let in: {detail}")),
            EventKind::JobAllowed { job, by_operator } => {
                let who = if *by_operator { "the operator" } else { "the profile's limit" };
                (Topic::Job, Some(*job), Text, format!("let in by {who}"))
            }
            EventKind::JobPaused { job, by_governor: true } => {
                (Topic::Memory, Some(*job), Warn, "stopped where it is, for want of memory".to_owned())
            }
            EventKind::JobPaused { job, .. } => (Topic::Job, Some(*job), Warn, "paused".to_owned()),
            EventKind::JobContinued { job, .. } => (Topic::Job, Some(*job), Text, "goes on".to_owned()),
            EventKind::JobStopping { job, why } => {
                let why = match why {
                    StopReason::Cancel => "cancelled by the operator",
                    StopReason::Timeout => "it ran too long",
                    StopReason::Stall => "it made no progress",
                    StopReason::Shutdown => "the run ends",
                    StopReason::Memory => "memory ran short",
                };
                (Topic::Job, Some(*job), Warn, format!("being stopped: {why}"))
            }
            EventKind::JobFinished { job, outcome, seconds, reason, damage, left_out, .. } => {
                let took = Duration::try_from_secs_f64(*seconds).unwrap_or_default();
                let (role, text) = ended(*outcome, took, reason.as_deref(), damage.as_ref(), left_out);
                (Topic::Job, Some(*job), role, text)
            }
            looks if looks.only_looks_again() => return,
            EventKind::RoomWanted(wanted) => {
                (Topic::Fault, Some(wanted.job), Bad, format!("no room: {}; {}", wanted.reason, wanted.patience()))
            }
            EventKind::RoomFound { job } => (Topic::Queue, Some(*job), Text, "waits for room no more".to_owned()),
            EventKind::JobRequeued { job, reason, .. } => {
                (Topic::Job, Some(*job), Warn, format!("goes back into the queue: {reason}"))
            }
            EventKind::JobRetried { job, .. } => (Topic::Job, Some(*job), Text, "queued again by the operator".to_owned()),
            EventKind::JobRemoved { job, .. } => (Topic::Job, Some(*job), Dim, "taken off the list".to_owned()),
            EventKind::PressureChanged { from, to, working_set_bytes, .. } => {
                let role = match to {
                    Level::Normal => Good,
                    Level::Elevated | Level::High => Warn,
                    Level::Critical => Bad,
                };
                let words = if from > to { "back " } else { "" };
                (Topic::Memory, None, role, format!("{words}{} (working set {})", to.label(), working_set_bytes.whole()))
            }
            EventKind::AdmissionHeld { job, needs_bytes, free_bytes, kept_bytes } if was_held != Some(*job) => {
                let held = Held { job: *job, needs: *needs_bytes, free: *free_bytes, kept: *kept_bytes };
                (Topic::Memory, Some(*job), Warn, format!("waits for memory: {}", held.words()))
            }
            EventKind::QueueRestored { jobs, interrupted } => (Topic::Queue, None, Text, restored_words(*jobs, *interrupted)),
            EventKind::CleanupFinished { cleanup: id, .. } => {
                let Some(record) = state.cleanups.iter().rev().find(|record| record.id == *id) else { return };
                (Topic::Cleanup, record.job, Cleanup, cleanup(record))
            }
            EventKind::ProfileSelected { name, profile, max_file_bytes, .. } => {
                let text = format!("{name}: {}, files up to {max_file_bytes}", profile.max_concurrent.words());
                (Topic::Profile, None, Text, text)
            }
            EventKind::SlotsDecided { profile, at_once, why, .. } => {
                (Topic::Profile, None, Text, format!("{profile}: {at_once} at once: {why}"))
            }
            EventKind::BudgetChanged { budget_bytes, budget_source, lines, .. } => {
                let line = lines.line_words();
                (Topic::Profile, None, Text, format!("budget {budget_bytes}: {budget_source}; the line at {line}"))
            }
            EventKind::QueuePaused => (Topic::Queue, None, Warn, "held: nothing more is started".to_owned()),
            EventKind::QueueResumed => (Topic::Queue, None, Text, "released".to_owned()),
            EventKind::ComparisonStarted { inputs } => {
                (Topic::Queue, None, Text, format!("waits for a comparison of {}", many(*inputs, "input")))
            }
            EventKind::ComparisonRun { run, runs, profile } => {
                (Topic::Queue, None, Dim, format!("comparison: run {run} of {runs}, {profile}"))
            }
            EventKind::ComparisonEnded { reason } => {
                let why = reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
                (Topic::Queue, None, Text, format!("the comparison is over{why}"))
            }
            EventKind::DrainStarted => (Topic::Queue, None, Text, "ends after what is queued".to_owned()),
            EventKind::DrainStopped => (Topic::Queue, None, Text, "takes new files again, and stays open".to_owned()),
            EventKind::ShutdownStarted => (Topic::Queue, None, Warn, "ending: what runs is being stopped".to_owned()),
            EventKind::WarningRaised { warning, evidence, advice, .. } => {
                (Topic::Warning, None, Warn, format!("{warning}: {evidence}; {advice}"))
            }
            EventKind::WarningCleared { warning } => (Topic::Warning, None, Good, format!("{warning}: no longer seen")),
            kind @ EventKind::InputSkipped { .. } => (Topic::Fault, None, Warn, kind.trouble().unwrap_or_default()),
            kind @ EventKind::Fault { .. } => (Topic::Fault, None, Bad, kind.trouble().unwrap_or_default()),
            EventKind::RunFinished(_) => (Topic::Queue, None, Text, "the run is over".to_owned()),
            _ => return,
        };
        self.add(event.at, told);
    }
}

/// How a job ended, in words, with what of its input is not in its output.
pub fn ended(
    outcome: Outcome,
    took: Duration,
    reason: Option<&str>,
    damage: Option<&Damage>,
    left_out: &[String],
) -> (Role, String) {
    let (role, mut text) = how_ended(outcome, took, reason);
    if let Some(damage) = damage {
        text = format!("{text}, damaged: {}", damage.words());
    }
    if !left_out.is_empty() {
        text = format!("{text}; left out: {}", left_out.join(", "));
    }
    (if damage.is_some() && role == Role::Good { Role::Warn } else { role }, text)
}

fn how_ended(outcome: Outcome, took: Duration, reason: Option<&str>) -> (Role, String) {
    let seconds = took.as_secs_f64();
    let after = if took.is_zero() { String::new() } else { format!(" after {seconds:.1} s") };
    match outcome {
        Outcome::Done => (Role::Good, format!("done{after}")),
        Outcome::AlreadyDone => (Role::Good, "was done already".to_owned()),
        Outcome::Cancelled => (Role::Dim, format!("{}{after}", reason.unwrap_or("cancelled"))),
        other => (Role::Bad, format!("{}{after}: {}", other.word(), reason.unwrap_or("no reason was told"))),
    }
}

fn cleanup(record: &CleanupRecord) -> String {
    let why = match record.trigger {
        CleanupTrigger::BeforeJob => "before the job".to_owned(),
        CleanupTrigger::AfterJob => "after the job".to_owned(),
        CleanupTrigger::AfterFailure => "after the failure".to_owned(),
        CleanupTrigger::HighWater => format!("at {}", record.before.whole()),
        CleanupTrigger::Operator => "by hand".to_owned(),
    };
    let freed =
        record.result.map_or_else(String::new, |result| format!(": freed {} in {} ms", result.freed.whole(), result.millis));
    let frees = !matches!(record.action, CleanupAction::HoldStarts | CleanupAction::StopJob);
    let freed = if frees { freed } else { String::new() };
    format!("{} {why}{freed}", record.action.label())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::fixture::{busy, over};

    fn told(events: &[Event]) -> (Chronicle, State) {
        let (mut chronicle, mut state) = (Chronicle::default(), State::default());
        for event in events {
            let was_held = state.held.map(|held| held.job);
            state.apply(event);
            chronicle.on_event(event, &state, was_held);
        }
        (chronicle, state)
    }

    #[test]
    fn every_kind_of_thing_that_happens_is_told_once_in_words() {
        let (chronicle, _) = told(&over().events);
        let texts: Vec<&str> = chronicle.entries().iter().map(|entry| entry.text.as_str()).collect();
        for wanted in [
            "drop file cache at 1610 MB: freed 291 MB in 84 ms",
            "done after 112.0 s",
            "failed after 4.0 s: exit 1, no moov",
            "goes back into the queue: no disk space",
            "over the line (working set 1702 MB)",
            "waits for memory: needs 562 MB, 0 MB free",
            "stopped where it is, for want of memory",
            "balanced: 2 at once, files up to 200 MB",
        ] {
            assert_eq!(texts.iter().filter(|text| **text == wanted).count(), 1, "{wanted} in {texts:#?}");
        }
    }

    #[test]
    fn a_console_that_comes_later_shows_what_one_that_was_there_from_the_beginning_shows() {
        for story in [busy(true), over()] {
            let (chronicle, state) = told(&story.events);
            let later = Chronicle::of(&state);
            assert_eq!(later.entries(), chronicle.entries());
            assert!(later.entries().iter().any(|entry| entry.text.starts_with("started, try")));
        }
    }

    #[test]
    fn what_is_older_than_is_kept_is_counted() {
        let mut story = busy(true);
        for _ in 0..1500 {
            story.emit(EventKind::QueuePaused);
        }
        let (_, state) = told(&story.events);
        let later = Chronicle::of(&state);
        let all = story.events.iter().filter(|event| event.kind.of_the_story().is_some()).count() as u64;
        assert!(later.left_out() >= 500 && later.left_out() <= all - later.entries().len() as u64, "{}", later.left_out());
    }

    #[test]
    fn it_keeps_the_latest_and_no_more_than_there_is_room_for() {
        let mut chronicle = Chronicle::default();
        for number in 0..5000 {
            chronicle.add(Wall(number), (Topic::Answer, None, Role::Text, String::new()));
        }
        assert_eq!(chronicle.entries().len(), KEPT);
        assert_eq!(chronicle.entries().back().map(|entry| entry.number), Some(5000));
    }
}
