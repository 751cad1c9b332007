//! Facts and words: what everything else is about. Uses std, serde and jiff, knows no clock, no file and no screen.

pub mod account;
pub mod cleanup;
pub mod command;
pub mod comparison;
pub mod curve;
pub mod event;
#[cfg(feature = "fleet")]
pub mod fleet;
pub mod fleet_plan;
pub mod hook;
pub mod job;
pub mod measured;
pub mod media;
pub mod memory;
pub mod picture;
pub mod places;
pub mod plan;
pub mod preset;
pub mod profile;
pub mod refusal;
pub mod screen;
mod spelled;
pub mod state;
pub mod stored;
pub mod text;
pub mod time;
pub mod units;
pub mod watch;
