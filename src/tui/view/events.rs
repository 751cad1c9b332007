//! Everything that happened, the latest first.
//!
//! ```text
//! ╭ Events 214 ───────────────────────────────────────────── filter cleanup ╮
//! │12:04:21 ◆ cleanup  #18 match-cam2.mov   trim heap before the job: …     │
//! │12:03:58 ▲ memory                        over the line (working set …)   │
//! ╰─────────────────────────────────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use crate::tui::app::App;
use crate::tui::app::chronicle::{Entry, Topic};
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::pen::{Framed, Line, fit_words, time_of_day, wrap};
use crate::tui::view::scroll::{self, Seen};

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let (dim, text) = (theme.style(Role::Dim), theme.style(Role::Text));
    let entries = app.entries();
    let filter = &app.events_page().filter;
    let title = vec![("Events ".to_owned(), theme.style(Role::Accent)), (app.happened().to_string(), dim)];
    let right = if filter.is_empty() {
        vec![("latest first".to_owned(), dim)]
    } else {
        vec![("filter ".to_owned(), dim), (format!("{filter}, {}", entries.len()), theme.style(Role::Accent))]
    };
    let inner = Framed { theme, focused: true, title, right }.draw(area, buf);
    if entries.is_empty() {
        let words = if filter.is_empty() { "nothing has happened yet" } else { "no event has all of these words; / changes them" };
        Line::new(buf, inner, 1).gap(1).put(words, dim);
        return;
    }
    let chosen = app.entry_row(&entries);
    let job = match inner.width {
        110.. => 28,
        76.. => 22,
        _ => 6,
    };
    // What is cut in its row is told whole below the list.
    let before = if inner.width < 60 { 6 } else { 9 } + 2 + 9 + job;
    let room = usize::from(inner.width.saturating_sub(before));
    // An event of no job has the room of a name too.
    let room_of = |entry: &Entry| if entry.job.is_none() { room + usize::from(job) } else { room };
    let whole = entries
        .get(chosen)
        .filter(|entry| entry.text.width() > room_of(entry))
        .map(|entry| wrap(&entry.text, usize::from(inner.width.saturating_sub(2))));
    let whole = whole.unwrap_or_default();
    let below = (whole.len() as u16).min(inner.height / 2);
    let list = Rect { height: inner.height - below, ..inner };
    for (at, words) in whole.iter().take(below.into()).enumerate() {
        let mark = if at == 0 { theme.symbols.pointer } else { " " };
        Line::new(buf, inner, list.height + at as u16).put(format!("{mark} "), theme.style(Role::Accent)).put(words, text);
    }
    let inner = list;
    let rows = usize::from(inner.height);
    // The chosen row stays in sight, in the middle of a long list.
    let first = chosen.saturating_sub(rows / 2).min(entries.len().saturating_sub(rows));
    scroll::draw(theme, Seen { above: first, rows: rows.min(entries.len()), of: entries.len() }, area, buf);
    for (at, entry) in entries.iter().skip(first).take(rows).enumerate() {
        let mut line = Line::new(buf, inner, at as u16);
        line.put(time_of_day(entry.at, app.time_zone(), inner.width < 60), dim).gap(1);
        line.put(symbol(theme, entry), theme.style(entry.role)).gap(1);
        line.field(entry.topic.word(), 9, dim, theme.symbols);
        let name = app.name_of(entry);
        // Where there is no room for a name, the number alone.
        let name = if job < 10 { name.split(' ').next().unwrap_or_default() } else { &name };
        if entry.job.is_some() || entry.text.width() <= room {
            line.name(name, job - 1, text, theme.symbols).gap(1);
        }
        let left = line.left();
        line.put(fit_words(&entry.text, left, theme.symbols), theme.style(ink(entry)));
        if first + at == chosen {
            buf.set_style(Rect { y: inner.y + at as u16, height: 1, ..inner }, theme.selection());
        }
    }
}

/// The symbol of an entry.
pub fn symbol(theme: &Theme, entry: &Entry) -> &'static str {
    let symbols = theme.symbols;
    match (entry.topic, entry.role) {
        (Topic::Cleanup, _) => symbols.cleanup,
        (Topic::Rejection, _) => symbols.rejected,
        (_, Role::Bad) => symbols.bad,
        (Topic::Memory, Role::Warn) if entry.job.is_some() => symbols.held,
        (Topic::Memory | Topic::Warning, Role::Warn) => symbols.over,
        (Topic::Memory | Topic::Warning, _) => symbols.under,
        (Topic::Job, Role::Running) => symbols.run,
        (_, Role::Good) => symbols.done,
        (Topic::Job, Role::Warn) if entry.text.starts_with("done") => symbols.damaged,
        (Topic::Job, Role::Warn) => symbols.retry,
        (_, Role::Warn) => "!",
        _ => " ",
    }
}

/// Colour appears where something matters; the rest is plain text.
pub const fn ink(entry: &Entry) -> Role {
    match entry.role {
        Role::Running | Role::Good => Role::Text,
        role => role,
    }
}
