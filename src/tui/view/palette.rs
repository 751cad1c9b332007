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
use ratatui::layout::{Position, Rect};

use crate::tui::app::App;
use crate::tui::app::palette::Palette;
use crate::tui::terminal::theme::Role;
use crate::tui::view::pen::{Framed, Line, fit, popup};

/// Rows of the list where there is room.
const ROWS: u16 = 14;

/// Draws it and returns where the cursor stands.
pub fn draw(app: &App, palette: &Palette, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let theme = app.theme();
    let dim = theme.style(Role::Dim);
    let entries = palette.entries(app.keys(), app.profiles());
    // Always of one size: a list that jumps while one types cannot be read.
    let place = popup(area, 72, ROWS + 3, buf);
    let title = vec![("Commands".to_owned(), theme.style(Role::Accent))];
    let right = vec![(format!("{} found", entries.len()), dim)];
    let inner = Framed { theme, focused: true, title, right }.draw(place, buf);
    if inner.is_empty() {
        return None;
    }
    let typed = palette.input.value();
    let room = usize::from(inner.width.saturating_sub(3));
    Line::new(buf, inner, 0)
        .gap(1)
        .put(":", theme.style(Role::Accent))
        .put(fit(typed, room, theme.symbols), theme.style(Role::Strong));
    let rows = usize::from(inner.height.saturating_sub(1));
    let first = (palette.row + 1).saturating_sub(rows);
    if entries.is_empty() {
        Line::new(buf, inner, 1).gap(2).put("no command has these letters", dim);
    }
    for (at, entry) in entries.iter().enumerate().skip(first).take(rows) {
        let row = (at - first) as u16 + 1;
        let chosen = at == palette.row;
        let mut line = Line::new(buf, inner, row);
        line.put(if chosen { theme.symbols.pointer } else { " " }, theme.style(Role::Accent)).gap(1);
        line.field(&entry.name, 19, theme.style(Role::Text), theme.symbols).gap(1);
        line.field(&entry.key, 7, theme.style(Role::Accent), theme.symbols);
        let left = line.left();
        line.put(fit(&entry.help, left, theme.symbols), dim);
        if chosen {
            buf.set_style(Rect { y: inner.y + row, height: 1, ..inner }, theme.selection());
        }
    }
    let x = inner.x + 2 + (palette.input.visual_cursor() as u16).min(inner.width.saturating_sub(3));
    Some(Position { x, y: inner.y })
}
