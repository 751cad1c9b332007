//! The last line: what keys do now, from the key table; or what was refused, for a while.
//!
//! ```text
//!  ? help  : command  p profile  a add  space pause  x cancel  r retry  / filter  f freeze  q quit
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::app::App;
use crate::tui::theme::Role;
use crate::tui::view::pen::{Line, fit};

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let mut line = Line::new(buf, area, 0);
    line.gap(1);
    if let Some(toast) = app.toast() {
        let (symbol, role) = if toast.is_error { (theme.symbols.bad, Role::Warn) } else { (theme.symbols.done, Role::Good) };
        let room = line.left().saturating_sub(3);
        line.put(format!("{symbol} "), theme.style(role)).put(fit(&toast.text, room, theme.symbols), theme.style(role));
        return;
    }
    let hints = app.hints();
    let width = |hints: &[(String, &str)]| hints.iter().map(|(key, word)| key.chars().count() + word.len() + 3).sum::<usize>();
    // The last hint (the way out) always stays; others give way from the right.
    let (last, mut shown) = (hints.last().cloned(), hints);
    while width(&shown) > line.left() && shown.len() > 1 {
        shown.remove(shown.len() - 2);
    }
    debug_assert!(shown.last() == last.as_ref(), "the way out is hinted at");
    for (key, word) in shown {
        line.put(key, theme.style(Role::Accent)).put(format!(" {word}  "), theme.style(Role::Dim));
    }
}
