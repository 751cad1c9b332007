//! What each pane, page and popup of the console holds, and what it does with it: one file for each.
//!
//! A page knows its own data and the state that it is given; it knows neither the keys nor the engine. [`crate::tui::app::App`]
//! turns keys into calls of pages, and what they answer into words and requests; [`crate::tui::view`] draws them.

pub mod cleanups;
pub mod comparisons;
pub mod doctor;
pub mod events;
pub mod help;
pub mod job;
pub mod log;
pub mod memory;
pub mod profiles;
pub mod queue;
pub mod scroll;
pub mod watched;
pub mod what_if;

/// What covers the panes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Page {
    /// Nothing: the four panes.
    #[default]
    Dashboard,
    Job,
    /// Everything that happened.
    Events,
    /// What `plimsoll doctor` finds.
    Doctor,
    /// Kept comparisons, or one of them.
    Compare,
    /// The folders that are watched.
    Watched,
}
