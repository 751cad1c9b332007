//! Every command by name, and the letters that choose among them.
//!
//! ```text
//! ╭ Commands ──────────────────────────────────────────── 2 of 52 ╮
//! │ :clean                                                        │
//! │ › clean            C      clean up now                        │
//! │   cleanups         3      choose a pane                       │
//! ╰───────────────────────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::{HighlightSpacing, Paragraph, Row, StatefulWidget, Table, TableState, Widget as _};

use crate::tui::app::App;
use crate::tui::app::palette::Palette;
use crate::tui::terminal::theme::Role;
use crate::tui::view::frame::{Framed, popup};
use crate::tui::view::text::{fit, typed, widths};

/// Rows of the list where there is room.
const ROWS: u16 = 14;

/// Draws it and returns where the cursor stands.
pub fn draw(app: &App, palette: &Palette, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let theme = app.theme();
    let entries = app.commands(palette);
    // Always of one size: a list that jumps while one types cannot be read.
    let place = popup(area, 72, ROWS + 3, buf);
    let right = vec![theme.span(format!("{} found", entries.len()), Role::Dim)];
    let inner = Framed::new(theme, vec![theme.span("Commands", Role::Accent)]).right(right).draw(place, buf);
    if inner.is_empty() {
        return None;
    }
    let [line, list] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(inner);
    // The cursor stands behind the last character.
    let (seen, skipped) = typed(&palette.input, usize::from(line.width.saturating_sub(3)));
    Line::from(vec![" ".into(), theme.span(":", Role::Accent), theme.span(seen, Role::Strong)]).render(line, buf);
    if entries.is_empty() {
        Paragraph::new(theme.span("  no command has these letters", Role::Dim)).render(list, buf);
    }
    let columns = [Constraint::Length(20), Constraint::Length(7), Constraint::Fill(1)];
    let room = usize::from(widths(&columns, list.width.saturating_sub(2))[2]);
    let rows = entries.iter().map(|entry| {
        Row::new([
            theme.span(fit(&entry.name, 19, theme.symbols), Role::Text),
            theme.span(&entry.key, Role::Accent),
            theme.span(fit(&entry.help, room, theme.symbols), Role::Dim),
        ])
    });
    let mut state = TableState::new().with_selected(palette.row);
    let table = Table::new(rows, columns)
        .column_spacing(0)
        .highlight_symbol(theme.span(format!("{} ", theme.symbols.pointer), Role::Accent))
        .highlight_spacing(HighlightSpacing::Always)
        .row_highlight_style(theme.selection());
    StatefulWidget::render(table, list, buf, &mut state);
    let x = inner.x + 2 + (palette.input.visual_cursor().saturating_sub(skipped) as u16).min(inner.width.saturating_sub(3));
    Some(Position { x, y: inner.y })
}
