//! Everything that happened, the latest first.
//!
//! ```text
//! ╭ Events 214 ───────────────────────────────────────────── filter cleanup ╮
//! │12:04:21 ◆ cleanup  #18 match-cam2.mov   trim heap before the job: …     │
//! │12:03:58 ▲ memory                        over the line (working set …)   │
//! ╰─────────────────────────────────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Paragraph, Row, StatefulWidget, Table, TableState, Widget as _};
use unicode_width::UnicodeWidthStr;

use crate::tui::app::App;
use crate::tui::input::action::Act;
use crate::tui::pages::events::chronicle::{Entry, Topic};
use crate::tui::pages::events::name_of;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::frame::{Framed, Seen};
use crate::tui::view::names::fit_name;
use crate::tui::view::text::{fit_words, time_of_day, widths, wrap};

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let entries = app.entries();
    let filter = &app.events_page().filter;
    let title = vec![theme.span("Events ", Role::Accent), theme.span(app.events_page().happened().to_string(), Role::Dim)];
    let frame = Framed::new(theme, title).right(if filter.is_empty() {
        let older = match app.events_page().happened_before() {
            0 => String::new(),
            older => format!("{older} older left out, "),
        };
        vec![theme.span(format!("{older}latest first"), Role::Dim)]
    } else {
        vec![theme.span("filter ", Role::Dim), theme.span(format!("{filter}, {}", entries.len()), Role::Accent)]
    });
    if entries.is_empty() {
        let inner = frame.draw(area, buf);
        let words = if filter.is_empty() {
            "nothing has happened yet".to_owned()
        } else {
            format!("no event has all of these words; {} changes them", app.key_label(Act::Filter))
        };
        Paragraph::new(vec![Line::default(), theme.span(format!(" {words}"), Role::Dim).into()]).render(inner, buf);
        return;
    }
    let (width, height) = (area.width.saturating_sub(2), area.height.saturating_sub(2));
    let short = width < 60;
    let job = match width {
        110.. => 28,
        76.. => 22,
        _ => 6,
    };
    // Time, symbol, topic, job, what happened.
    let columns = [Constraint::Length(if short { 6 } else { 9 }), Constraint::Length(2), Constraint::Length(9)];
    let columns = [columns[0], columns[1], columns[2], Constraint::Length(job), Constraint::Fill(1)];
    let room = usize::from(widths(&columns, width)[4]);
    // An event of no job has the room of a name too.
    let room_of = |entry: &Entry| if entry.job.is_none() { room + usize::from(job) } else { room };
    let chosen = app.events_page().row(&entries);
    // What is cut in its row is told whole below the list.
    let whole = entries.get(chosen).filter(|entry| entry.text.width() > room_of(entry));
    let whole = whole.map_or_else(Vec::new, |entry| wrap(&entry.text, usize::from(width.saturating_sub(2))));
    let below = (whole.len() as u16).min(height / 2);
    let rows = usize::from(height - below);
    // The chosen row stays in sight, in the middle of a long list.
    let first = chosen.saturating_sub(rows / 2).min(entries.len().saturating_sub(rows));
    let seen = Seen { above: first, rows: rows.min(entries.len()), of: entries.len() };
    let [list, whole_at] =
        Layout::vertical([Constraint::Fill(1), Constraint::Length(below)]).areas(frame.seen(seen).draw(area, buf));
    let rows = entries.iter().skip(first).take(rows).map(|entry| {
        let name = name_of(app.shown(), entry);
        // Where there is no room for a name, the number alone.
        let name = if job < 10 { name.split(' ').next().unwrap_or_default() } else { &name };
        let name = fit_name(name, usize::from(job) - 1, theme.symbols).into_owned();
        let words = |room| theme.span(fit_words(&entry.text, room, theme.symbols), role_of(entry));
        let mut cells: Vec<Cell<'_>> = vec![
            theme.span(time_of_day(entry.at, app.time_zone(), short), Role::Dim).into(),
            theme.span(symbol(theme, entry), entry.role).into(),
            theme.span(entry.topic.word(), Role::Dim).into(),
        ];
        if entry.job.is_some() || entry.text.width() <= room {
            cells.extend([theme.span(name, Role::Text).into(), words(room).into()]);
        } else {
            cells.push(Cell::from(words(room_of(entry))).column_span(2));
        }
        Row::new(cells)
    });
    let mut state = TableState::new().with_selected(chosen - first);
    let table = Table::new(rows, columns).column_spacing(0).row_highlight_style(theme.selection());
    StatefulWidget::render(table, list, buf, &mut state);
    let mark = |at| theme.span(format!("{} ", if at == 0 { theme.symbols.pointer } else { " " }), Role::Accent);
    let whole = whole.into_iter().enumerate();
    let whole: Text<'_> = whole.map(|(at, words)| Line::from(vec![mark(at), theme.span(words, Role::Text)])).collect();
    Paragraph::new(whole).render(whole_at, buf);
}

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
pub const fn role_of(entry: &Entry) -> Role {
    match entry.role {
        Role::Running | Role::Good => Role::Text,
        role => role,
    }
}
