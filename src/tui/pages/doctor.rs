//! The page of what `plimsoll doctor` finds.

use crate::runtime::link::Checkup;
use crate::tui::pages::scroll::Scroll;

#[derive(Debug, Clone, Default)]
pub struct DoctorPage {
    /// `None` = it is being made.
    pub found: Option<Result<Checkup, String>>,
    /// Lines scrolled.
    pub scroll: Scroll,
}
