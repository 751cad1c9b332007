//! The comparisons that are kept, the newest first.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Text};
use ratatui::widgets::{HighlightSpacing, List, ListState, Paragraph, Row, StatefulWidget, Table, TableState, Widget as _, Wrap};

use crate::domain::comparison::saved::{ComparisonList, Heading, Standing};
use crate::domain::text::file_name_text;
use crate::tui::app::App;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::frame::Framed;
use crate::tui::view::text::{fit, widths};

/// Columns behind the pointer: when, state, runs, and the names of three profiles.
const COLUMNS: [u16; 4] = [13, 14, 7, 28];
/// Least columns for what was compared; without them the profiles have all of the room.
const LEAST_WHAT: u16 = 13;
/// Lines of those that cannot be read, at most.
const UNREADABLE: usize = 3;
/// How one comes into the list.
const HOW: &str = "plimsoll compare PATH... runs the same queue under each profile and keeps what was measured: it is shown here";

/// Draws the list.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let mut title = vec![theme.span("Comparisons", Role::Accent)];
    let page = app.compare_page();
    if let Some(Ok(comparisons)) =
        page.comparisons.as_ref().filter(|comparisons| comparisons.as_ref().is_ok_and(|comparisons| !comparisons.kept.is_empty()))
    {
        title.push(theme.span(format!("  {} kept, the newest first", comparisons.kept.len()), Role::Dim));
    }
    let inner = Framed::new(theme, title).draw(area, buf);
    let [padded] = Layout::vertical([Constraint::Fill(1)]).horizontal_margin(1).areas(inner);
    let mut text = Text::from("");
    match &page.comparisons {
        None => text.push_line(theme.span("looking for comparisons", Role::Dim)),
        Some(Err(why)) => text.push_line(theme.span(why, Role::Bad)),
        Some(Ok(comparisons)) if comparisons.kept.is_empty() => {
            text.extend([theme.span("no comparison is kept yet", Role::Text), "".into(), theme.span(HOW, Role::Dim), "".into()]);
            text.extend(unreadable(theme, comparisons, usize::from(padded.height), padded.width));
        }
        Some(Ok(comparisons)) => {
            let below = comparisons.unreadable.len().min(UNREADABLE);
            let [list, below_at] = Layout::vertical([Constraint::Fill(1), Constraint::Length(below as u16)]).areas(inner);
            draw_table(app, comparisons, list, buf);
            let lines = unreadable(theme, comparisons, below, padded.width);
            text = Text::from(lines);
            Paragraph::new(text).render(Rect { y: below_at.y, height: below_at.height, ..padded }, buf);
            return;
        }
    }
    Paragraph::new(text).wrap(Wrap { trim: true }).render(padded, buf);
}

fn draw_table(app: &App, comparisons: &ComparisonList, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let [when_wide, state, runs, profiles] = COLUMNS;
    let room = area.width.saturating_sub(2);
    let has_what = room >= when_wide + state + runs + profiles + LEAST_WHAT;
    let names = if has_what { Constraint::Length(profiles) } else { Constraint::Fill(1) };
    let what_wide = if has_what { Constraint::Fill(1) } else { Constraint::Length(0) };
    let columns = [Constraint::Length(when_wide), Constraint::Length(state), Constraint::Length(runs), names, what_wide];
    let wide = widths(&columns, room);
    let head = Row::new(["WHEN", "STATE", "RUNS", "PROFILES", "WHAT"]).style(theme.style(Role::Dim));
    // The chosen row stays in the middle of a long list.
    let rows = usize::from(area.height.saturating_sub(1));
    let chosen = app.compare_page().row();
    let first = chosen.saturating_sub(rows / 2).min(comparisons.kept.len().saturating_sub(rows));
    let rows = comparisons.kept.iter().skip(first).take(rows).map(|heading| {
        let (symbol, role) = look(theme, heading.standing);
        let fitting = |text: &str, width: u16| fit(text, width.into(), theme.symbols).into_owned();
        Row::new([
            theme.span(when(heading, app.time_zone()), Role::Text),
            theme.span(format!("{symbol} {}", heading.standing.label()), role),
            theme.span(format!("{}/{}", heading.done, heading.of), Role::Text),
            theme.span(fitting(&heading.columns.join(", "), wide[3].saturating_sub(u16::from(has_what))), Role::Text),
            theme.span(fitting(&what(heading), wide[4]), Role::Dim),
        ])
    });
    let mut state = TableState::new().with_selected(chosen - first);
    let table = Table::new(rows, columns)
        .header(head)
        .column_spacing(0)
        .highlight_symbol(theme.span(format!("{} ", theme.symbols.pointer), Role::Accent))
        .highlight_spacing(HighlightSpacing::Always)
        .row_highlight_style(theme.selection());
    StatefulWidget::render(table, area, buf, &mut state);
}

/// Those that cannot be read, in so many lines.
fn unreadable(theme: &Theme, comparisons: &ComparisonList, lines: usize, width: u16) -> Vec<Line<'static>> {
    let hidden = comparisons.unreadable.len().saturating_sub(lines);
    let line = |(at, (name, why)): (usize, &(String, String))| {
        let more = if hidden > 0 && at + 1 == lines { format!(", and {hidden} more") } else { String::new() };
        let words = format!("{} {name} {why}{more}", theme.symbols.bad);
        Line::from(theme.span(fit(&words, width.into(), theme.symbols).into_owned(), Role::Warn))
    };
    comparisons.unreadable.iter().take(lines).enumerate().map(line).collect()
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
    let fitting = |text: &str, width: usize, role| theme.span(fit(text, width, theme.symbols).into_owned(), role);
    let head = |words: &str, role, buf: &mut Buffer| fitting(words, area.width.into(), role).render(area, buf);
    let comparisons = match &page.comparisons {
        None => return head("looking for comparisons", Role::Dim, buf),
        Some(Err(why)) => return head(why, Role::Bad, buf),
        Some(Ok(comparisons)) => comparisons,
    };
    if comparisons.kept.is_empty() {
        head("no comparison is kept yet", Role::Text, buf);
        let how = theme.span("plimsoll compare PATH... makes one", Role::Dim);
        return Paragraph::new(how).wrap(Wrap { trim: true }).render(room, buf);
    }
    let unreadable =
        if comparisons.unreadable.is_empty() { String::new() } else { format!(", {} unreadable", comparisons.unreadable.len()) };
    head(&format!("{} comparisons{unreadable}", comparisons.kept.len()), Role::Strong, buf);
    let (rows, chosen) = (usize::from(room.height), page.row());
    let first = chosen.saturating_sub(rows / 2).min(comparisons.kept.len().saturating_sub(rows));
    let lines = comparisons.kept.iter().skip(first).take(rows).map(|heading| {
        let (symbol, role) = look(theme, heading.standing);
        let when = format!("{} ", when(heading, app.time_zone()));
        let words = format!("{symbol} {}/{} {}", heading.done, heading.of, heading.columns.join(","));
        let left = usize::from(room.width).saturating_sub(when.len() + 1);
        Line::from(vec![theme.span(when, Role::Text), fitting(&words, left, role)])
    });
    let mut state = ListState::default().with_selected(Some(chosen - first));
    let names = List::new(lines)
        .highlight_symbol(theme.span(theme.symbols.pointer, Role::Accent))
        .highlight_spacing(HighlightSpacing::Always);
    StatefulWidget::render(names, room, buf, &mut state);
}
