//! Three lines for a very small screen: memory, state, counts.
//!
//! ```text
//! ● 1312/2048 MB 64 % under the line
//! 2/200 balanced, 2 running
//! ▶2 ○6 ✔14 ⊘1 ✖1
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget as _};

use crate::tui::app::App;
use crate::tui::terminal::theme::Role;
use crate::tui::view::footer;
use crate::tui::view::header::{badges, counts};
use crate::tui::view::text::{fit, left, mb};

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let memory = &state.memory;
    let (role, symbol) = theme.level(memory.shown_level());
    let end = state.lines.budget;
    let percent = (memory.counted_bytes.share_of(end) * 100.0).round() as u64;
    let mut load = Line::from(theme.span(format!("{symbol} {}/{} MB {percent} % ", mb(memory.counted_bytes), mb(end)), role));
    load.push_span(theme.span(memory.shown_level().label(), role));

    let mut standing = Line::default();
    if !state.governor && app.attached() {
        standing.spans.extend([theme.span("NAIVE", Role::Urgent), " ".into()]);
    }
    if let Some(profile) = &state.profile {
        standing.push_span(theme.span(profile.short(), Role::Strong));
        standing.push_span(theme.span(format!(" {}", profile.name), Role::Dim));
    } else {
        standing.push_span(theme.span("plimsoll", Role::Strong));
    }
    for (text, role) in badges(app, state) {
        standing.spans.extend([theme.span(", ", Role::Dim), theme.span(text, role)]);
    }
    if let Some(held) = &state.held {
        let text = format!(", #{} waits for {} MB", held.job, mb(held.needs));
        let room = left(&standing, area.width);
        standing.push_span(theme.span(fit(&text, room, theme.symbols).into_owned(), Role::Warn));
    }

    let counts = counts(app, state).into_iter();
    let counts: Line<'_> = counts.map(|count| theme.span(format!("{}{} ", count.symbol, count.figures()), count.role)).collect();

    let [lines, last] = Layout::vertical([Constraint::Fill(1), Constraint::Length(u16::from(area.height >= 5))]).areas(area);
    Paragraph::new(vec![load, standing, counts]).render(lines, buf);
    footer::draw(app, last, buf);
}
