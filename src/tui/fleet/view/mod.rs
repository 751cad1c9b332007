//! Draws the fleet console: the head, the three panes, what lies over them, and the last line.

mod columns;
mod events;
mod head;
mod over;
mod queue;
mod workers;

pub use over::command_line;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::Span;
use ratatui::widgets::Widget as _;

use super::keys::table;
use super::state::{Board, Connection, Facts, LEAST, Pane, Tone};
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::frame::Framed;
use crate::tui::view::only_ascii;
use crate::tui::view::text::{fit, fit_words, wrap};

/// Most rows of the demonstration's story.
const STORY: u16 = 3;
/// Rows of a table's pane that are none of its list: frame and head.
const AROUND: u16 = 3;

/// Draws everything.
pub fn draw(board: &Board, theme: &Theme, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    board.is_tiny.set(area.width < LEAST.0 || area.height < LEAST.1);
    if board.is_tiny.get() {
        head::draw_tiny(board, theme, area, buf);
    } else {
        let is_away = matches!(board.connection, Connection::Away { .. });
        let story = wrap(board.story.as_deref().unwrap_or_default(), usize::from(area.width.saturating_sub(2)));
        let [head, banner, told, body, last] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(u16::from(is_away)),
            Constraint::Length(if board.story.is_some() { (story.len() as u16).min(STORY) } else { 0 }),
            Constraint::Fill(1),
            Constraint::Length(1),
        ])
        .areas(area);
        head::draw(board, theme, head, buf);
        if let Connection::Away { why, .. } = &board.connection {
            let text = format!(" {} {why}", theme.symbols.bad);
            theme.span(fit_words(&text, banner.width.into(), theme.symbols), Role::Bad).render(banner, buf);
        }
        for (line, row) in story.iter().zip(told.rows()) {
            let row = Rect { x: row.x + 1, width: row.width.saturating_sub(1), ..row };
            theme.span(line.as_str(), Role::Strong).render(row, buf);
        }
        draw_panes(board, theme, body, buf);
        if board.is_of_the_past() {
            buf.set_style(body, Style::new().add_modifier(Modifier::DIM));
        }
        draw_last_line(board, theme, last, buf);
        over::draw(board, theme, area, buf);
    }
    if theme.symbols.ascii {
        only_ascii(buf);
    }
}

fn draw_panes(board: &Board, theme: &Theme, body: Rect, buf: &mut Buffer) {
    let mut draw_pane = |pane, area| match pane {
        Pane::Workers => workers::draw(board, theme, area, buf),
        Pane::Queue => queue::draw(board, theme, area, buf),
        Pane::Events => events::draw(board, theme, area, buf),
    };
    if board.zoomed {
        return draw_pane(board.focus, body);
    }
    let rows = board.facts.workers.len().max(1) as u16;
    let workers = (rows + AROUND).min((body.height * 2 / 5).max(AROUND + 1));
    let events = (body.height / 5).max(4);
    let areas: [Rect; 3] =
        Layout::vertical([Constraint::Length(workers), Constraint::Fill(1), Constraint::Length(events)]).areas(body);
    for (pane, area) in Pane::ALL.into_iter().zip(areas) {
        draw_pane(pane, area);
    }
}

/// The frame of a pane: its number and name, what is to be said of it.
fn framed<'a>(board: &Board, theme: &'a Theme, pane: Pane, said: &str) -> Framed<'a> {
    let is_focused = board.focus == pane;
    let (number, name) = if is_focused { (Role::Accent, Role::Accent) } else { (Role::Focus, Role::Strong) };
    let words = match pane {
        Pane::Workers => "Workers",
        Pane::Queue => "Queue",
        Pane::Events => "Events",
    };
    let mut title: Vec<Span<'a>> = vec![theme.span(format!("{} ", pane as usize + 1), number), theme.span(words, name)];
    if !said.is_empty() {
        title.push(theme.span(format!(" {said}"), Role::Dim));
    }
    let framed = Framed::new(theme, title);
    if is_focused { framed } else { framed.beside() }
}

/// Says that a list is empty, once anything is known of it.
fn say_none(board: &Board, words: &str, theme: &Theme, area: Rect, buf: &mut Buffer) {
    if board.facts != Facts::default() {
        theme.span(fit_words(words, area.width.into(), theme.symbols), Role::Dim).render(area, buf);
    }
}

/// Rows above the first one that is seen: as before, but so that the selected one is seen.
fn first_seen(before: usize, selected: Option<usize>, rows: usize, of: usize) -> usize {
    let above = before.min(of.saturating_sub(rows));
    match selected {
        Some(at) if at < above => at,
        Some(at) if rows > 0 && at >= above + rows => at + 1 - rows,
        _ => above,
    }
}

/// What was done or refused, or else what keys do here.
fn draw_last_line(board: &Board, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let room = usize::from(area.width.saturating_sub(1));
    if let Some((tone, text)) = &board.note {
        let (symbol, role) = match tone {
            Tone::Asked => (theme.symbols.pointer, Role::Text),
            Tone::Done => (theme.symbols.done, Role::Good),
            Tone::Refused => (theme.symbols.bad, Role::Warn),
        };
        let text = format!(" {symbol} {text}");
        return theme.span(fit_words(&text, room, theme.symbols), role).render(area, buf);
    }
    let hints = table(board).filter(|row| !row.hint.is_empty() && row.pane.is_none_or(|pane| pane == board.focus));
    let mut at = area.x + 1;
    for row in hints {
        for (text, role) in [(row.keys, Role::Accent), (row.hint, Role::Dim)] {
            let left = area.right().saturating_sub(at);
            let span = theme.span(fit(text, left.into(), theme.symbols), role);
            let width = span.width() as u16;
            span.render(Rect { x: at, width: left, ..area }, buf);
            at += width + 1;
        }
        at += 1;
    }
}
