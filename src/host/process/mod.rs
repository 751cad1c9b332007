//! Child processes: how one is started, watched, fenced in and ended, and what it says.

pub mod childrun;
pub mod diagnose;
pub mod fence;
pub mod instance;
pub mod joblog;
pub mod lane;
pub mod lives;
pub mod loggate;
pub mod logread;
pub mod progress;
pub mod rank;
pub mod spawner;
pub mod standstill;
pub mod supervisor;
pub mod tool;

pub(in crate::host) mod child;
pub(in crate::host) mod slots;
pub(in crate::host) mod watch;
