//! The help page: the keys, or the words of the screen.

use tui_input::Input;

use crate::tui::pages::scroll::Scroll;

#[derive(Debug, Clone, Default)]
pub struct Help {
    /// Lines scrolled.
    pub scroll: Scroll,
    /// Only lines with this text.
    pub filter: Input,
    /// The words of the screen are explained, instead of the keys.
    pub words: bool,
}
