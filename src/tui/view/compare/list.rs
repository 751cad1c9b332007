//! The comparisons that are kept, the newest first.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::comparison::kept::{Heading, Shelf, Standing};
use crate::domain::text::file_name_text;
use crate::tui::app::App;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::pen::{Framed, Line, fit, wrap};

const WHEN: u16 = 13;
const STATE: u16 = 14;
const RUNS: u16 = 7;
/// Names of three profiles, and what is left of them where there is little room.
const PROFILES: u16 = 28;
/// How one comes into the list.
const HOW: &str = "plimsoll compare PATH... runs the same queue under each profile and keeps what was measured: it is shown here";

/// Draws the list.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let (dim, text) = (theme.style(Role::Dim), theme.style(Role::Text));
    let mut title = vec![("Comparisons".to_owned(), theme.style(Role::Accent))];
    let shelf = app.compare_page().shelf.as_ref();
    if let Some(Ok(shelf)) = shelf.filter(|shelf| shelf.as_ref().is_ok_and(|shelf| !shelf.kept.is_empty())) {
        title.push((format!("  {} kept, the newest first", shelf.kept.len()), dim));
    }
    let inner = Framed { theme, focused: true, title, right: Vec::new() }.draw(area, buf);
    let say = |row: u16, words: &str, role: Role, buf: &mut Buffer| {
        for (at, line) in wrap(words, usize::from(inner.width.saturating_sub(2))).iter().enumerate() {
            Line::new(buf, inner, row + at as u16).gap(1).put(line, theme.style(role));
        }
    };
    let shelf = match shelf {
        None => return say(1, "looking for comparisons", Role::Dim, buf),
        Some(Err(why)) => return say(1, why, Role::Bad, buf),
        Some(Ok(shelf)) => shelf,
    };
    if shelf.kept.is_empty() {
        say(1, "no comparison is kept yet", Role::Text, buf);
        say(3, HOW, Role::Dim, buf);
        draw_unreadable(theme, shelf, Rect { y: inner.y + 6, height: inner.height.saturating_sub(6), ..inner }, buf);
        return;
    }
    let mut line = Line::new(buf, inner, 0);
    line.gap(2).field("WHEN", WHEN, dim, theme.symbols).field("STATE", STATE, dim, theme.symbols);
    line.field("RUNS", RUNS, dim, theme.symbols).field("PROFILES", PROFILES, dim, theme.symbols).put("WHAT", dim);
    let below = shelf.unreadable.len().min(3) as u16;
    let rows = usize::from(inner.height.saturating_sub(1 + below));
    let chosen = app.compare_page().row();
    let first = chosen.saturating_sub(rows / 2).min(shelf.kept.len().saturating_sub(rows));
    for (at, heading) in shelf.kept.iter().enumerate().skip(first).take(rows) {
        let row = (at - first) as u16 + 1;
        let (symbol, role) = look(theme, heading.standing);
        let mut line = Line::new(buf, inner, row);
        line.put(if at == chosen { theme.symbols.pointer } else { " " }, theme.style(Role::Accent)).gap(1);
        line.field(&when(heading, app.time_zone()), WHEN, text, theme.symbols);
        line.field(&format!("{symbol} {}", heading.standing.words()), STATE, theme.style(role), theme.symbols);
        line.field(&format!("{}/{}", heading.done, heading.of), RUNS, text, theme.symbols);
        let profiles = heading.columns.join(", ");
        let wide = usize::from(PROFILES) - 1;
        let what = what(heading);
        if line.left() > wide + 12 {
            line.field(&fit(&profiles, wide, theme.symbols), PROFILES, text, theme.symbols);
            let left = line.left();
            line.put(fit(&what, left, theme.symbols), dim);
        } else {
            let left = line.left();
            line.put(fit(&profiles, left, theme.symbols), text);
        }
        if at == chosen {
            buf.set_style(Rect { y: inner.y + row, height: 1, ..inner }.intersection(inner), theme.selection());
        }
    }
    draw_unreadable(theme, shelf, Rect { y: inner.bottom().saturating_sub(below), height: below, ..inner }, buf);
}

fn draw_unreadable(theme: &Theme, shelf: &Shelf, area: Rect, buf: &mut Buffer) {
    let hidden = shelf.unreadable.len().saturating_sub(area.height.into());
    for (at, (name, why)) in shelf.unreadable.iter().take(area.height.into()).enumerate() {
        let mut line = Line::new(buf, area, at as u16);
        let more = if hidden > 0 && at + 1 == usize::from(area.height) { format!(", and {hidden} more") } else { String::new() };
        let words = format!("{} {name} {why}{more}", theme.symbols.bad);
        let room = line.left().saturating_sub(1);
        line.gap(1).put(fit(&words, room, theme.symbols), theme.style(Role::Warn));
    }
}

fn look(theme: &Theme, standing: Standing) -> (&'static str, Role) {
    let symbols = theme.symbols;
    match standing {
        Standing::UnderWay => (symbols.run, Role::Running),
        Standing::Finished => (symbols.done, Role::Good),
        Standing::Interrupted => (symbols.held, Role::Warn),
        Standing::BrokenOff => (symbols.bad, Role::Bad),
    }
}

/// `11-22 12:03`, in the operator's time zone.
fn when(heading: &Heading, zone: &TimeZone) -> String {
    let Ok(at) = Timestamp::from_millisecond(heading.id.begun.0) else { return "--".to_owned() };
    let at = at.to_zoned(zone.clone());
    format!("{:02}-{:02} {:02}:{:02}", at.month(), at.day(), at.hour(), at.minute())
}

/// `8 inputs, clips, web-720p`.
fn what(heading: &Heading) -> String {
    let subject = &heading.subject;
    let inputs = if subject.inputs == 1 { "1 input".to_owned() } else { format!("{} inputs", subject.inputs) };
    let names: Vec<String> = subject.paths.iter().map(|path| file_name_text(path.as_ref())).collect();
    let from = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
    format!("{inputs}{from}")
}

/// Draws the list on a very small screen: what it is in the first line, then a line for each.
pub fn draw_tiny(app: &App, area: Rect, room: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let page = app.compare_page();
    let mut line = Line::new(buf, area, 0);
    let left = line.left();
    let mut head = |words: &str, role: Role| {
        line.put(fit(words, left, theme.symbols), theme.style(role));
    };
    let shelf = match &page.shelf {
        None => return head("looking for comparisons", Role::Dim),
        Some(Err(why)) => return head(why, Role::Bad),
        Some(Ok(shelf)) => shelf,
    };
    if shelf.kept.is_empty() {
        head("no comparison is kept yet", Role::Text);
        for (at, words) in wrap("plimsoll compare PATH... makes one", room.width.into()).iter().enumerate() {
            Line::new(buf, room, at as u16).put(words, theme.style(Role::Dim));
        }
        return;
    }
    let unreadable = if shelf.unreadable.is_empty() { String::new() } else { format!(", {} unreadable", shelf.unreadable.len()) };
    head(&format!("{} comparisons{unreadable}", shelf.kept.len()), Role::Strong);
    let (rows, chosen) = (usize::from(room.height), page.row());
    let first = chosen.saturating_sub(rows / 2).min(shelf.kept.len().saturating_sub(rows));
    for (row, (at, heading)) in shelf.kept.iter().enumerate().skip(first).take(rows).enumerate() {
        let (symbol, role) = look(theme, heading.standing);
        let mut line = Line::new(buf, room, row as u16);
        line.put(if at == chosen { theme.symbols.pointer } else { " " }, theme.style(Role::Accent));
        line.put(when(heading, app.time_zone()), theme.style(Role::Text)).gap(1);
        let words = format!("{symbol} {}/{} {}", heading.done, heading.of, heading.columns.join(","));
        let left = line.left();
        line.put(fit(&words, left, theme.symbols), theme.style(role));
    }
}
