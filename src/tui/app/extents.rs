//! How long what is drawn is. The drawing tells it, so that the app knows nothing of how anything is drawn.

use crate::domain::job::Job;
use crate::tui::app::{App, Help};

/// Lines and columns of what scrolls, asked of the drawing.
#[derive(Debug, Clone, Copy)]
pub struct Extents {
    /// Lines that the facts of a job need beyond the usual on a page of this width.
    pub reason: fn(&App, &Job, u16) -> u16,
    /// All lines of the facts of the selected job on a page of this width.
    pub facts: fn(&App, u16) -> usize,
    /// All columns of the open comparison, and how many of them stand side by side on a screen of this width.
    pub comparison_columns: fn(&App, u16) -> (usize, usize),
    /// All lines of the open comparison, and how many of them are seen on a screen of this width and height.
    pub comparison_lines: fn(&App, u16, u16) -> (usize, usize),
    /// Lines of what `doctor` finds on a page of this width.
    pub doctor: fn(&App, u16) -> usize,
    /// Lines that explain a forecast.
    pub explained: fn(&App) -> usize,
    /// Whether this page of the help is longer than its popup.
    pub is_help_longer: fn(&App, &Help) -> bool,
}
