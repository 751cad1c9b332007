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
use ratatui::text::{Line, Text};
use ratatui::widgets::{Paragraph, Widget as _};

use crate::domain::time::Wall;
use crate::tui::app::App;
use crate::tui::terminal::theme::Role;
use crate::tui::view::frame::{Framed, popup};
use crate::tui::view::text::{left, time_of_day, wrap};

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
    let width = area.width.min(72);
    let inside = width.saturating_sub(4);
    let room = usize::from(inside.saturating_sub(4));
    let indented = |text: &str, role| wrap(text, room).into_iter().map(move |line| theme.span(format!("    {line}"), role));
    let mut text = Text::default();
    // Up to where it is to be seen: the chosen sign stays in sight.
    let mut upto = 0;
    for (at, (name, warning)) in state.warnings.iter().enumerate() {
        let pointer = if at == row { theme.symbols.pointer } else { " " };
        let began = Wall(state.wall.0 - state.now.since(warning.since).as_millis() as i64);
        let since = format!("since {}", time_of_day(began, app.time_zone(), false));
        let mut title = Line::from(theme.span(format!("{pointer} {} {name}", theme.symbols.over), Role::Warn));
        if let Some(gap) = left(&title, inside).checked_sub(since.len()) {
            title.spans.extend([" ".repeat(gap).into(), theme.span(since, Role::Dim)]);
        }
        text.push_line(title);
        if at == row {
            upto = text.height() + 2;
        }
        text.extend(indented(&warning.evidence, Role::Text).chain(indented(&warning.advice, Role::Strong)));
        text.push_line("");
    }
    if state.warnings.is_empty() {
        text.push_line(theme.span(format!("{} no warning sign is seen", theme.symbols.under), Role::Good));
        text.push_line(theme.span("  These are watched for:", Role::Dim));
        text.extend(WATCHED.iter().flat_map(|sign| indented(sign, Role::Dim)));
    } else if app.why_only_looks().is_none() {
        let advised = app.advised(row).and_then(|at| app.profiles().get(at));
        let what = advised.map_or_else(|| "see the profiles".to_owned(), |profile| format!("choose profile {}", profile.name));
        text.push_line(theme.span(format!("enter  {what}"), Role::Accent));
    }
    let place = popup(area, width, text.height() as u16 + 2, buf);
    let right = vec![theme.span(format!("{} seen", state.warnings.len()), Role::Dim)];
    let inner = Framed::new(theme, vec![theme.span("Warning signs", Role::Accent)]).right(right).padded().draw(place, buf);
    let above = upto.saturating_sub(inner.height.into()) as u16;
    Paragraph::new(text).scroll((above, 0)).render(inner, buf);
}
