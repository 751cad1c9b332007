//! Three lines for a very small screen: memory, state, counts.
//!
//! ```text
//! ● 1312/2048 MB 64 % under the line
//! 2/200 balanced, 2 running
//! ▶2 ○6 ✔14 ⊘1 ✖1
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::app::App;
use crate::tui::terminal::theme::Role;
use crate::tui::view::footer;
use crate::tui::view::header::{badges, counts};
use crate::tui::view::pen::{Line, fit, mb};

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let memory = &state.memory;
    let (role, symbol) = theme.level(memory.shown_level());
    let end = state.lines.budget;
    let percent = (memory.counted_bytes.share_of(end) * 100.0).round() as u64;
    let mut line = Line::new(buf, area, 0);
    line.put(format!("{symbol} {}/{} MB {percent} % ", mb(memory.counted_bytes), mb(end)), theme.style(role));
    line.put(memory.shown_level().words(), theme.style(role));

    let mut line = Line::new(buf, area, 1);
    if !state.governor && app.attached() {
        line.put("NAIVE", theme.style(Role::Alarm)).put(" ", theme.style(Role::Text));
    }
    if let Some(profile) = &state.profile {
        line.put(profile.short(), theme.style(Role::Strong)).put(format!(" {}", profile.name), theme.style(Role::Dim));
    } else {
        line.put("plimsoll", theme.style(Role::Strong));
    }
    for (text, role) in badges(app, state) {
        line.put(", ", theme.style(Role::Dim)).put(text, theme.style(role));
    }
    if let Some(held) = &state.held {
        let text = format!(", #{} waits for {} MB", held.job, mb(held.needs));
        let room = line.left();
        line.put(fit(&text, room, theme.symbols), theme.style(Role::Warn));
    }

    let mut line = Line::new(buf, area, 2);
    for count in counts(app, state) {
        line.put(format!("{}{} ", count.symbol, count.figures()), theme.style(count.role));
    }
    if area.height >= 5 {
        footer::draw(app, Rect { y: area.bottom() - 1, height: 1, ..area }, buf);
    }
}
