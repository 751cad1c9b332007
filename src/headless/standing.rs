//! What keeps a server from starting jobs or from taking new ones, told in one way wherever it is told.

use super::lines::LineStyle;
use crate::domain::comparison::under_way::END_IT;
use crate::domain::state::State;

/// A sentence for each reason; none where it goes on as ever.
pub fn words(state: &State) -> Vec<String> {
    let comparison = state.comparison.as_ref().map(|comparison| {
        let (since, run) = (LineStyle::terminal(false).time_and_day(comparison.since), comparison.run_words());
        format!("a comparison has the machine since {since} ({run}); the queue waits for it; {END_IT}")
    });
    let others = [
        (state.paused, "the queue is held: nothing is started; `plimsoll release` starts jobs again"),
        (state.draining, "it takes nothing new, and ends when the queue is empty"),
        (state.shutting_down, "it is ending"),
    ];
    let others = others.into_iter().filter(|(is_so, _)| *is_so).map(|(_, words)| words.to_owned());
    comparison.into_iter().chain(others).collect()
}
