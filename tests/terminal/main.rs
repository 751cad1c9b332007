//! The console in a real pseudo-terminal, and what signals and a lost line do.

#[path = "../support/picture.rs"]
mod picture;
#[cfg(all(feature = "fleet", target_os = "linux"))]
#[path = "../support/postgres.rs"]
mod postgres;
#[path = "../support/mod.rs"]
mod support;
#[path = "../support/tape.rs"]
mod tape;

mod away;
mod comparisons;
mod console;
mod demo_tape;
mod first_frame;
#[cfg(all(feature = "fleet", target_os = "linux"))]
mod fleet;
mod idle;
mod latency;
mod signals;
mod ssh;
mod window;
