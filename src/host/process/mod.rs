//! Child processes: how one is started, watched, sandboxed and ended, and what it says.

pub mod childrun;
pub mod command;
pub mod instance;
pub mod lane;
pub mod lifeline;
pub mod log;
pub mod orphans;
pub mod priority;
pub mod sandbox;
pub mod spawner;
pub mod standstill;
pub mod supervisor;

pub mod child;
pub(in crate::host) mod hooks;
pub(in crate::host) mod slots;
pub(in crate::host) mod watch;
mod webhook;
