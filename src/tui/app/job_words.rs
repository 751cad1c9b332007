//! What is happening to a job, in the words of the list.

use crate::domain::job::{Damage, Job, Outcome, Phase, StopReason};
use crate::domain::state::State;
use crate::domain::text::file_name_text;
use crate::tui::app::waiting;
use crate::tui::terminal::theme::{self, Role, Symbols, Theme};

/// Symbol, word and look of what is happening to a job.
pub fn state_of(theme: &Theme, state: &State, job: &Job) -> (&'static str, &'static str, Role) {
    state_with(theme.symbols, state, job)
}

/// The states that a filter asks for by `state:`, in small letters: the word of the row and those that people use for it.
pub fn state_words(state: &State, job: &Job) -> Vec<&'static str> {
    let word = state_with(&theme::UNICODE, state, job).1;
    let mut words = vec![word];
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

/// Everything that the row of a job shows of it in words: state, number, name, preset, reason.
pub fn shown_words(state: &State, job: &Job) -> String {
    let word = state_with(&theme::UNICODE, state, job).1;
    let reason = match &job.phase {
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
        Phase::Queued if state.held.is_some_and(|held| held.job == job.id) => (symbols.held, "held", Role::Warn),
        Phase::Queued => (symbols.queued, "queued", Role::Dim),
        Phase::Backoff { .. } if state.room.as_ref().is_some_and(|wanted| wanted.job == job.id) => {
            (symbols.held, "no room", Role::Warn)
        }
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
