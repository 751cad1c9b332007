//! The warning signs that are seen: each with its figures and the way out.
//!
//! ```text
//! ╭ Warning signs ───────────────────────────────────────── 1 seen ╮
//! │ › ▲ over the line                              since 12:01:03  │
//! │     154 s of the last 5 min over 1.5 GB                        │
//! │     try profile safe (1 at once, 100 MB)                       │
//! │                                                                │
//! │ enter  choose profile safe                                     │
//! ╰────────────────────────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::time::Wall;
use crate::tui::app::App;
use crate::tui::terminal::theme::Role;
use crate::tui::view::pen::{Framed, Line, popup, time_of_day, wrap};

/// What is looked for, for an operator who sees no sign.
const WATCHED: [&str; 4] = [
    "over the line for more than half of 5 minutes",
    "3 cleanups at the line or more within 10 minutes",
    "stalls, time-outs or failures above 10 % of the last 20 jobs",
    "others over the line by themselves",
];

/// Draws it; `row` is the chosen sign.
pub fn draw(app: &App, row: usize, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let (dim, text) = (theme.style(Role::Dim), theme.style(Role::Text));
    let width = area.width.min(72);
    let room = usize::from(width.saturating_sub(8));
    let mut lines: Vec<(u16, String, ratatui::style::Style, String)> = Vec::new();
    for (at, (name, warning)) in state.warnings.iter().enumerate() {
        let pointer = if at == row { theme.symbols.pointer } else { " " };
        let began = Wall(state.wall.0 - state.now.since(warning.since).as_millis() as i64);
        let since = format!("since {}", time_of_day(began, app.time_zone(), false));
        let title = format!("{pointer} {} {name}", theme.symbols.over);
        lines.push((0, title, theme.style(Role::Warn), since));
        lines.extend(wrap(&warning.evidence, room).into_iter().map(|line| (4, line, text, String::new())));
        lines.extend(wrap(&warning.advice, room).into_iter().map(|line| (4, line, theme.style(Role::Strong), String::new())));
        lines.push((0, String::new(), dim, String::new()));
    }
    if state.warnings.is_empty() {
        lines.push((0, format!("{} no warning sign is seen", theme.symbols.under), theme.style(Role::Good), String::new()));
        lines.push((0, "  These are watched for:".to_owned(), dim, String::new()));
        lines.extend(WATCHED.iter().map(|sign| (4, (*sign).to_owned(), dim, String::new())));
    } else {
        let advised = app.advised(row).and_then(|at| app.profiles().get(at));
        let what = advised.map_or_else(|| "see the profiles".to_owned(), |profile| format!("choose profile {}", profile.name));
        lines.push((0, format!("enter  {what}"), theme.style(Role::Accent), String::new()));
    }
    let place = popup(area, width, lines.len() as u16 + 2, buf);
    let title = vec![("Warning signs".to_owned(), theme.style(Role::Accent))];
    let right = vec![(format!("{} seen", state.warnings.len()), dim)];
    let inner = Framed { theme, focused: true, title, right }.draw(place, buf);
    let inner = Rect { x: inner.x + u16::from(inner.width > 2), width: inner.width.saturating_sub(2), ..inner };
    // The chosen sign stays in sight.
    let upto = lines.iter().position(|(_, text, ..)| text.starts_with(theme.symbols.pointer)).unwrap_or(0) + 3;
    let skipped = upto.saturating_sub(inner.height.into());
    for (at, (indent, words, style, right)) in lines.iter().skip(skipped).take(inner.height.into()).enumerate() {
        Line::new(buf, inner, at as u16).gap(*indent).put(words, *style).at_end(right, dim);
    }
}
