//! The folders that the server watches, and how each stands.
//!
//! ```text
//! ╭ Watched folders 2 ───────────────────────────────────────────╮
//! │   STATE                TAKEN  WAIT  PRESET       FOLDER      │
//! │ ✔ watching               998     2  web-720p     /srv/in     │
//! │                        outputs  /srv/out                     │
//! │                       12:03:58  a.mp4 waits to be complete   │
//! │ ▲ not there                0     0  proxy-480p   /mnt/nas/in │
//! │                            why  no such file or directory    │
//! ╰──────────────────────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Constraint, Rect};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table, Widget as _};
use unicode_width::UnicodeWidthStr as _;

use crate::domain::text::{many, path_text};
use crate::domain::watch::{DeleteInput, WatchState, Watched};
use crate::tui::app::App;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::frame::{Framed, Seen};
use crate::tui::view::text::{fit, fit_words, time_of_day, wrap};

/// Columns of the state, and of what is said of a folder below it.
const STATE: u16 = 19;
const TAKEN: u16 = 7;
const WAIT: u16 = 6;
const PRESET: u16 = 13;

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let watched = &app.shown().watched;
    let title = vec![theme.span("Watched folders ", Role::Accent), theme.span(watched.len().to_string(), Role::Dim)];
    if watched.is_empty() {
        let inner = Framed::new(theme, title).draw(area, buf);
        let words = "no folder is watched; `plimsoll serve --watch DIR` does so, or `watch` in the settings of the server";
        let lines = wrap(words, usize::from(inner.width.saturating_sub(2))).into_iter();
        let lines: Text<'_> = lines.map(|line| Line::from(vec![" ".into(), theme.span(line, Role::Dim)])).collect();
        Paragraph::new(lines).render(Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner }, buf);
        return;
    }
    let lines: Vec<Vec<Cell<'_>>> = watched.values().flat_map(|watched| rows(app, watched, area.width.saturating_sub(2))).collect();
    // The head stands still.
    let room = usize::from(area.height.saturating_sub(3));
    let above = app.watched_page().scroll.seen(lines.len(), room);
    let seen = Seen { above, rows: room.min(lines.len()), of: lines.len() };
    let inner = Framed::new(theme, title).seen(seen).draw(area, buf);
    let head = ["", "STATE", "TAKEN", "WAIT", "  PRESET", "FOLDER"].into_iter().enumerate().map(|(at, word)| {
        let text = Text::from(theme.span(word, Role::Dim));
        Cell::from(if at == 2 || at == 3 { text.alignment(Alignment::Right) } else { text })
    });
    let columns = [
        Constraint::Length(3),
        Constraint::Length(STATE),
        Constraint::Length(TAKEN),
        Constraint::Length(WAIT),
        Constraint::Length(PRESET + 2),
        Constraint::Fill(1),
    ];
    let rows = lines.into_iter().skip(above).take(room).map(Row::new);
    ratatui::widgets::Widget::render(Table::new(rows, columns).header(Row::new(head)).column_spacing(0), inner, buf);
}

/// A folder in its row, and what else is to be said of it in rows below.
fn rows<'a>(app: &'a App, watched: &'a Watched, width: u16) -> Vec<Vec<Cell<'a>>> {
    let theme = app.theme();
    let (symbol, role) = look(theme, watched.state);
    let of_state = if watched.state == WatchState::Missing { role } else { Role::Text };
    let number = |number: u64, role| Cell::from(Text::from(theme.span(number.to_string(), role)).alignment(Alignment::Right));
    let waits = if watched.waiting > 0 { Role::Strong } else { Role::Dim };
    let folder = path_text(&watched.folder);
    let room = usize::from(width.saturating_sub(3 + STATE + TAKEN + WAIT + PRESET + 2));
    let is_cut = folder.width() > room;
    let mut rows = vec![vec![
        Line::from(vec![" ".into(), theme.span(symbol, role)]).into(),
        theme.span(watched.state_words(), of_state).into(),
        number(watched.taken, Role::Text),
        number(watched.waiting, waits),
        theme.span(format!("  {}", fit(&watched.preset, usize::from(PRESET) - 1, theme.symbols)), Role::Text).into(),
        theme.span(fit_words(&folder, room, theme.symbols).into_owned(), Role::Strong).into(),
    ]];
    let room = usize::from(width.saturating_sub(3 + STATE + 1));
    let mut say = |lead: &str, words: &str, role| {
        for (at, words) in wrap(words, room).into_iter().enumerate() {
            let lead = if at == 0 { lead.to_owned() } else { String::new() };
            rows.push(vec![
                Cell::from(""),
                Text::from(theme.span(format!("{lead}  "), Role::Dim)).alignment(Alignment::Right).into(),
                Cell::from(theme.span(words, role)).column_span(4),
            ]);
        }
    };
    // What has no room in its row is read below it.
    if is_cut {
        say("folder", &folder, Role::Strong);
    }
    if let Some(why) = &watched.why {
        say("why", why, if watched.state == WatchState::Missing { role } else { Role::Text });
    }
    say("outputs", &path_text(&watched.out), Role::Text);
    if watched.delete_input == DeleteInput::AfterDone {
        say("inputs", "removed when they are done", Role::Text);
    }
    for file in &watched.first {
        let since = time_of_day(file.since, app.time_zone(), false);
        say(&since, &format!("{} waits to be complete", file.name), Role::Text);
    }
    let more = watched.waiting.saturating_sub(watched.first.len() as u64);
    if more > 0 {
        say("", &format!("and {} more", many(more, "file")), Role::Dim);
    }
    rows
}

const fn look(theme: &Theme, state: WatchState) -> (&'static str, Role) {
    match state {
        WatchState::Watching => (theme.symbols.done, Role::Good),
        WatchState::Polling => (theme.symbols.retry, Role::Text),
        WatchState::Missing => (theme.symbols.over, Role::Warn),
    }
}
