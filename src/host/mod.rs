//! The real world: processes, files, memory, clocks. Carries out the engine's effects and knows nothing of screens.

pub mod diagnose;
pub mod joblog;
pub mod loggate;
pub mod logread;
pub mod progress;
pub mod spawner;
pub mod supervisor;

mod child;
mod peak;
mod watch;
