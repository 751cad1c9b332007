//! What a worker tells the queue with each renewal of its lease, read from what its engine tells.

use crate::domain::state::State;
use crate::engine::offer;
use crate::host::fleet::lease::Standing;

/// How it stands now.
pub fn standing(state: &State, stands_down: Option<String>, progress: Vec<(i64, f32)>) -> Standing {
    Standing {
        profile: state.profile.as_ref().map_or_else(String::new, |profile| profile.name.clone()),
        largest_bytes: offer::largest(state).0 as i64,
        line_bytes: state.lines.high_water.0 as i64,
        counted_bytes: state.memory.counted_bytes.0 as i64,
        level: state.memory.level.name().to_owned(),
        slots: offer::slots(state) as i32,
        stands_down,
        takes_nothing: takes_nothing(state),
        progress,
    }
}

/// It takes no jobs now: somebody holds its queue, it makes a comparison, or it is about to end.
pub const fn takes_nothing(state: &State) -> bool {
    state.paused || state.draining || state.shutting_down || state.comparison.is_some()
}
