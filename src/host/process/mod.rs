//! Child processes: how one is started, watched, fenced in and ended, and what it says.

pub mod childrun;
pub mod command;
pub mod diagnose;
pub mod instance;
pub mod joblog;
pub mod lane;
pub mod lifeline;
pub mod logread;
pub mod old_logs;
pub mod orphans;
pub mod ownlines;
pub mod priority;
pub mod progress;
pub mod rate_limit;
pub mod sandbox;
pub mod spawner;
pub mod standstill;
pub mod supervisor;

pub mod child;
pub(in crate::host) mod hooks;
pub(in crate::host) mod slots;
pub(in crate::host) mod watch;
mod webhook;
