//! The page of one job: its facts, its memory over time, its story and its log.

use std::cell::Cell;

use crate::tui::pages::job::details::Details;
use crate::tui::pages::scroll::Scroll;

pub(in crate::tui) mod details;

/// The page. What is known of jobs beside the state is kept whether it is open or not.
#[derive(Debug, Clone, Default)]
pub struct JobPage {
    /// What is known of jobs beside the state.
    pub(in crate::tui) details: Details,
    /// It was opened from the list of events, and leads back to it.
    pub(in crate::tui) is_of_an_event: bool,
    /// The facts fill the page, and are scrolled.
    pub opened_facts: Option<Scroll>,
    /// Lines that the facts need beyond the usual, as they were drawn.
    pub(in crate::tui) more_facts: Cell<u16>,
}
