//! The four panes, side by side or one of them full screen.
//!
//! ```text
//! header
//! ╭ 1 Memory ──╮╭ 2 Queue ─────────────╮
//! ╰────────────╯╰──────────────────────╯
//! ╭ 3 Cleanups ╮╭ 4 Log ───────────────╮
//! ╰────────────╯╰──────────────────────╯
//! footer
//! ```

use ratatui::buffer::Buffer;

use crate::tui::app::App;
use crate::tui::layout::{Layout, Pane, Size};
use crate::tui::view::{cleanups, log, memory, queue};

/// Draws every pane that is shown.
pub fn draw(app: &App, layout: &Layout, buf: &mut Buffer) {
    if let Some(area) = layout.pane(Pane::Memory) {
        if layout.size == Size::Compact && !app.zoom() {
            memory::draw_compact(app, area, buf);
        } else {
            memory::draw(app, area, buf);
        }
    }
    if let Some(area) = layout.pane(Pane::Queue) {
        queue::draw(app, area, buf);
    }
    if let Some(area) = layout.pane(Pane::Cleanups) {
        cleanups::draw(app, area, buf);
    }
    if let Some(area) = layout.pane(Pane::Log) {
        log::draw(app, area, buf);
    }
}
