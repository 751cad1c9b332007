//! What a box has to offer to a queue that it shares with others, read from what its engine tells. Workers of a fleet and the
//! simulation of one ask here. Knows nothing of queues.

use std::time::Duration;

use crate::domain::memory::Lines;
use crate::domain::state::State;
use crate::domain::units::Bytes;

/// A job that has waited so long has a box kept free for it.
pub const PATIENCE: Duration = Duration::from_mins(10);
/// Set aside for a job of which nobody knows yet what it takes.
const UNKNOWN: Bytes = Bytes::mib(96);

/// What a box has to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// What is free under its line.
    pub room: Bytes,
    /// Peak of the largest job that it could ever take.
    pub largest: Bytes,
    /// It also takes one of which nobody knows yet what it takes.
    pub unknown: bool,
}

/// Jobs at once.
pub fn slots(state: &State) -> u32 {
    let fixed = state.profile.as_ref().and_then(|profile| profile.max_concurrent.fixed());
    fixed.or(state.decided.as_ref().map(|decided| decided.at_once)).unwrap_or(1).max(1)
}

/// What others hold of the budget, this program included.
fn others(state: &State) -> Bytes {
    let jobs = state.memory.jobs.values().copied().sum::<Bytes>();
    (state.memory.counted_bytes - jobs).max(state.memory.console_bytes)
}

/// Peak of the largest job that could ever be taken: what a job may come to that runs alone.
pub fn largest(state: &State) -> Bytes {
    largest_under(&state.lines, state.memory.console_bytes)
}

/// As [`largest`], of a box with these lines whose console holds so much.
pub fn largest_under(lines: &Lines, console: Bytes) -> Bytes {
    lines.last() - console
}

/// What is free, beside claims that need so much (`None` = not known). The engine is asked for nothing: it lets each job in
/// only when it fits, whatever was claimed.
pub fn offer(state: &State, claimed: impl Iterator<Item = Option<Bytes>>) -> Offer {
    let (mut room, mut unknown) = (state.lines.high_water - others(state), 0_u32);
    let mut is_alone = true;
    for needs in claimed {
        room = room - needs.unwrap_or(UNKNOWN);
        unknown += u32::from(needs.is_none());
        is_alone = false;
    }
    let largest = largest(state);
    // One that is alone may go beyond the line, as on a single machine.
    Offer { room: if is_alone { largest } else { room }, largest, unknown: unknown == 0 && (is_alone || room >= UNKNOWN) }
}
