//! The terminal: its set-up, the console's loop, the looks, and the bytes that go out.

pub mod event_loop;
mod lookup;
mod paint;
mod palette;
pub mod setup;
pub mod signals;
pub mod theme;
pub mod translate;
