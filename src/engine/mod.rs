//! Pure decisions: `step(now, input) -> effects`. No clock, no I/O, no async, no randomness.

pub mod port;
