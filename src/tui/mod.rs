//! The console: a dashboard over [`crate::domain::state::State`], driven by a [`crate::runtime::link::Link`].
//!
//! Keys become [`action::Action`]s, actions change the [`app::App`] or ask the engine, events change the state, and
//! [`view::draw`] shows what is: it cannot change anything. Nothing here knows how jobs are run or memory is measured.

pub mod action;
pub mod app;
mod chronicle;
pub mod complete;
mod details;
pub mod filter;
mod foreign;
mod glob;
mod input;
mod job_words;
pub mod keymap;
pub mod layout;
mod loglines;
pub mod measured;
mod paint;
pub mod palette;
pub mod profiles;
pub mod prompt;
pub mod row_key;
mod rows;
pub mod run;
pub mod terminal;
pub mod theme;
pub mod view;
mod waiting;

pub use keymap::{KeyChange, KeyMistake, Keymap};
pub use run::{TuiError, TuiExit, TuiOptions, run};
pub use theme::{ColorChoice, ColorMode, ThemeName};

#[cfg(test)]
#[allow(clippy::too_many_arguments)] // a story is told in one line a fact
mod fixture;
#[cfg(test)]
mod fixture_compared;
#[cfg(test)]
mod on_a_terminal;
#[cfg(test)]
#[path = "../../tests/support/svg.rs"]
#[allow(dead_code)] // the moving ones are for the pictures of the README
mod svg;
#[cfg(test)]
#[allow(clippy::result_large_err)] // a step of a random walk is a key or an event
mod tests;
