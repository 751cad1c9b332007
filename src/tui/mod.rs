//! The console: a dashboard over [`crate::domain::state::State`], driven by a [`crate::runtime::link::Link`].
//!
//! Keys become [`input::action::Action`]s, actions change the [`app::App`] or ask the engine, events change the state, and
//! [`view::draw`] shows what is: it cannot change anything, but tells how long what scrolls is. Nothing here knows how jobs are
//! run or memory is measured.

pub mod app;
#[cfg(feature = "fleet")]
pub mod fleet;
pub mod input;
pub mod layout;
pub mod pages;
pub mod terminal;
pub mod view;

pub use app::line::WindowOn;
pub use input::keymap::{KeyChange, KeyMistake, Keymap};
pub use terminal::event_loop::{Closed, TuiError, TuiExit, TuiOptions, run};
pub use terminal::theme::{ColorChoice, ColorMode, ThemeName};

#[cfg(test)]
#[path = "../../tests/support/svg.rs"]
#[allow(dead_code)] // the moving ones are for the pictures of the README
mod svg;
#[cfg(test)]
#[allow(clippy::result_large_err)] // a step of a random walk is a key or an event
mod tests;
