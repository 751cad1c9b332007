//! What a worker has to offer, read from what its engine tells.

use crate::domain::state::State;
use crate::domain::units::Bytes;
use crate::host::fleet::claim::Offer;
use crate::host::fleet::lease::Standing;

/// Set aside for a job of which nobody knows yet what it takes.
const UNKNOWN: Bytes = Bytes::mib(96);

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
    state.lines.last() - state.memory.console_bytes
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

/// What the queue is told with each renewal of the lease.
pub fn standing(state: &State, stands_down: Option<String>, progress: Vec<(i64, f32)>) -> Standing {
    Standing {
        profile: state.profile.as_ref().map_or_else(String::new, |profile| profile.name.clone()),
        largest_bytes: largest(state).0 as i64,
        line_bytes: state.lines.high_water.0 as i64,
        counted_bytes: state.memory.counted_bytes.0 as i64,
        level: state.memory.level.name().to_owned(),
        slots: slots(state) as i32,
        stands_down,
        progress,
    }
}
