//! What is happening to a job, in the words of the list.

use crate::domain::job::{Damage, Job, Outcome, Phase, StopReason};
use crate::domain::state::State;
use crate::domain::text::file_name_text;
use crate::tui::pages::queue::waiting;
use crate::tui::terminal::theme::{self, Role, Symbols, Theme};

/// Symbol, word and look of what is happening to a job.
pub fn state_of(theme: &Theme, state: &State, job: &Job) -> (&'static str, &'static str, Role) {
    state_with(theme.symbols, state, job)
}

/// The states that a filter asks for by `state:`, in small letters: the word of the row and those that people use for it.
pub fn state_words(state: &State, job: &Job) -> Vec<&'static str> {
    let word = state_with(&theme::UNICODE, state, job).1;
    let mut words = vec![word];
    // Held as well, for room instead of memory.
    words.extend(job.lack_of_room().map(|_| "held"));
    words.extend_from_slice(match &job.phase {
        Phase::Starting | Phase::Running { .. } | Phase::Stopping { .. } | Phase::Finalizing => &["running", "active"],
        Phase::Queued | Phase::Backoff { .. } => &["queued", "waiting"],
        Phase::Rejected(_) => &["rejected", "ended"],
        Phase::Finished(finished) => match finished.outcome {
            Outcome::Done => &["done", "finished", "ended"],
            Outcome::AlreadyDone => &["there", "already", "finished", "ended"],
            Outcome::Failed | Outcome::OutOfMemory | Outcome::TimedOut | Outcome::Stalled => &["failed", "finished", "ended"],
            Outcome::Cancelled => &["cancelled", "finished", "ended"],
        },
    });
    words
}

/// Everything that the row of a job shows of it in words (`view/queue.rs`): state, number, name, preset, reason. A filter of plain
/// words looks here.
pub fn shown_words(state: &State, job: &Job) -> String {
    let word = state_with(&theme::UNICODE, state, job).1;
    let reason = match &job.phase {
        _ if let Some(lack) = job.lack_of_room() => lack.to_owned(),
        Phase::Backoff { reason, .. } => reason.clone(),
        Phase::Rejected(why) => why.detail.clone(),
        Phase::Finished(finished) => {
            let damage = finished.damage.as_ref().map_or_else(String::new, Damage::words);
            format!("{} {damage}", finished.reason.as_deref().unwrap_or_default())
        }
        Phase::Queued => waiting::reason(state, job.id).unwrap_or_default(),
        _ => String::new(),
    };
    format!("{word} #{} {} {} {reason}", job.id, file_name_text(&job.input), job.preset)
}

fn state_with(symbols: &'static Symbols, state: &State, job: &Job) -> (&'static str, &'static str, Role) {
    match &job.phase {
        Phase::Backoff { .. } if job.waits_for_input().is_some() => (symbols.held, "away", Role::Warn),
        phase if job.wants_room.is_some() && phase.is_waiting() => (symbols.held, "no room", Role::Warn),
        Phase::Queued if state.held.is_some_and(|held| held.job == job.id) => (symbols.held, "held", Role::Warn),
        Phase::Queued => (symbols.queued, "queued", Role::Dim),
        Phase::Backoff { .. } => (symbols.retry, "retry", Role::Warn),
        Phase::Starting => (symbols.run, "start", Role::Running),
        Phase::Running { paused: true, for_memory: true, .. } => (symbols.held, "stopped", Role::Warn),
        Phase::Running { paused: true, .. } => (symbols.held, "paused", Role::Warn),
        Phase::Running { .. } => (symbols.run, "run", Role::Running),
        Phase::Stopping { why: StopReason::Timeout, .. } => (symbols.run, "timeout", Role::Warn),
        Phase::Stopping { why: StopReason::Stall, .. } => (symbols.run, "stalled", Role::Warn),
        Phase::Stopping { .. } => (symbols.run, "stop", Role::Warn),
        Phase::Finalizing => (symbols.run, "check", Role::Running),
        Phase::Rejected(_) => (symbols.rejected, "reject", Role::Warn),
        Phase::Finished(finished) if finished.is_damaged() => (symbols.damaged, "damaged", Role::Warn),
        Phase::Finished(finished) => match finished.outcome {
            Outcome::Done => (symbols.done, "done", Role::Good),
            Outcome::AlreadyDone => (symbols.done, "there", Role::Good),
            Outcome::Failed => (symbols.bad, "failed", Role::Bad),
            Outcome::OutOfMemory => (symbols.bad, "no mem", Role::Bad),
            Outcome::TimedOut => (symbols.bad, "timeout", Role::Bad),
            Outcome::Stalled => (symbols.bad, "stall", Role::Bad),
            Outcome::Cancelled => (symbols.minus, "cancel", Role::Dim),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::EventKind;
    use crate::domain::job::JobId;
    use crate::tui::tests::fixture::Story;

    fn requeued(for_room: bool, reason: &str) -> EventKind {
        let reason = reason.to_owned();
        EventKind::JobRequeued { job: JobId(2), attempt: 1, reason, delay_ms: 5000, uncounted: for_room, for_room, away: None }
    }

    fn word_after(kinds: Vec<EventKind>) -> (&'static str, String) {
        let mut story = Story::new(true);
        // Another job was the one that told of it.
        story.queue(1, "a.mp4", 10).queue(2, "b.mp4", 10).start(1, 1).start(2, 1).progress(2, 0.4, 1.0, 20, 300);
        for kind in kinds {
            story.emit(kind);
        }
        let mut state = State::default();
        story.events.iter().for_each(|event| state.apply(event));
        let job = &state.jobs[&JobId(2)];
        (state_with(&theme::UNICODE, &state, job).1, shown_words(&state, job))
    }

    #[test]
    fn a_job_that_had_begun_and_filled_the_disk_is_held_with_its_reason_until_it_works_again() {
        let full = || requeued(true, "disk full after 12 MB");
        let (word, shown) = word_after(vec![full()]);
        assert_eq!(word, "no room");
        assert!(shown.contains("disk full after 12 MB"), "{shown}");
        let (word, shown) = word_after(vec![full(), EventKind::JobReady { job: JobId(2) }]);
        assert!(word == "no room" && shown.contains("disk full"), "its wait is over, and it has not looked yet: {word} {shown}");
        let again = EventKind::JobAdmitted { job: JobId(2), attempt: 1, reserved_bytes: crate::domain::units::Bytes::ZERO };
        assert_eq!(word_after(vec![full(), again]).0, "start");
        assert_eq!(word_after(vec![full(), EventKind::RoomFound { job: JobId(2) }]).0, "retry");
        assert_eq!(word_after(vec![requeued(false, "no memory")]).0, "retry");
    }
}
