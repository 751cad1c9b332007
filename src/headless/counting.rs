//! How many jobs there are, counted and told in one way wherever it is told: those of this run, and those that had ended before.

use crate::domain::event::JobCounts;
use crate::domain::state::State;

/// `this run: 3 queued, 1 running, 2 done; before: 5 done, 1 failed`.
pub fn words(state: &State) -> String {
    let done = state.job_counts().done_word();
    let told: Vec<String> = state
        .counts_by_state()
        .into_iter()
        .filter(|(name, count)| *count > 0 || matches!(*name, "queued" | "running"))
        .map(|(name, count)| match name {
            "done" => format!("{count} {done}"),
            _ => format!("{count} {}", name.replace('_', " ")),
        })
        .collect();
    format!("this run: {}{}", told.join(", "), before(&state.before, "; "))
}

/// `before: 5 done, 1 failed`, behind what separates it; nothing where nothing had ended before.
pub fn before(before: &JobCounts, behind: &str) -> String {
    match before {
        none if *none == JobCounts::default() => String::new(),
        some => format!("{behind}before: {}", some.words()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_run_is_told_apart_from_what_had_ended_before() {
        let mut state = State::default();
        assert_eq!(words(&state), "this run: 0 queued, 0 running");
        state.before = JobCounts { done: 5, failed: 1, ..JobCounts::default() };
        assert_eq!(words(&state), "this run: 0 queued, 0 running; before: 5 done, 1 failed");
    }
}
