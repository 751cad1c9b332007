//! The page of the watched folders. What stands there is part of the state.

use crate::tui::pages::scroll::Scroll;

#[derive(Debug, Clone, Default)]
pub struct WatchedPage {
    /// Lines scrolled.
    pub scroll: Scroll,
}
