//! plimsoll runs a queue of ffmpeg jobs on a small-memory box right up to the load line and never over it.
//!
//! `ARCHITECTURE.md` is the floor plan; `tests/engine/layering.rs` keeps it.

pub mod cli;
pub mod config;
pub mod domain;
pub mod engine;
pub mod headless;
pub mod host;
pub mod runtime;
pub mod sim;
pub mod tui;
pub mod wire;
