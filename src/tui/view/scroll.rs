//! What tells that a list has more rows than are seen: a bar in the right edge of its frame, and `1-7 of 30` in the lower one.
//!
//! ```text
//! │○ queued   9 talk.mp4                       █
//! ╰────────────────────────────── 1–7 of 30 ───╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Scrollbar, ScrollbarOrientation, ScrollbarState, StatefulWidget as _};

use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::pen::Line;

/// What part of a list is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Rows above the first one seen.
    pub above: usize,
    /// Rows seen.
    pub rows: usize,
    /// All rows.
    pub of: usize,
}

/// Draws both into the frame that stands at `area`; nothing when every row is seen.
pub fn draw(theme: &Theme, seen: Seen, area: Rect, buf: &mut Buffer) {
    let area = area.intersection(buf.area);
    let Seen { above, rows, of } = seen;
    if of <= rows || area.height < 4 || area.width < 24 {
        return;
    }
    let bar = Rect { x: area.right() - 1, y: area.y + 1, width: 1, height: area.height - 2 };
    // The widget's positions are those of the first row, of which there are as many as rows can be scrolled.
    let mut state = ScrollbarState::new(of - rows + 1).position(above).viewport_content_length(rows);
    let (thumb, track) = (if theme.symbols.ascii { "#" } else { "█" }, theme.symbols.frame[5]);
    Scrollbar::new(ScrollbarOrientation::VerticalRight)
        .symbols(ratatui::symbols::scrollbar::Set { track, thumb, begin: track, end: track })
        .begin_symbol(None)
        .end_symbol(None)
        .thumb_style(theme.style(Role::Focus))
        .track_style(theme.style(Role::Frame))
        .render(bar, buf, &mut state);
    let to = if theme.symbols.ascii { "-" } else { "–" };
    let words = format!(" {}{to}{} of {of} ", above + 1, above + rows);
    let width = words.chars().count() as u16;
    let line = Rect { x: area.right().saturating_sub(width + 2), y: area.bottom() - 1, width, height: 1 };
    Line::new(buf, line, 0).put(words, theme.style(Role::Dim));
}
