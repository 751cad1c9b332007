//! The events, the latest last.

use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};
use ratatui::widgets::{Paragraph, Widget as _};

use super::framed;
use crate::domain::fleet::FleetEvent;
use crate::tui::fleet::state::{Board, Pane};
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::frame::Seen;
use crate::tui::view::text::{fit_line, time_of_day};

/// Draws them.
pub fn draw(board: &Board, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let events = &board.facts.events;
    let rows = usize::from(area.height.saturating_sub(2));
    board.event_rows.set(rows);
    let end = events.len() - board.events_below().min(events.len());
    // The first ones are not scrolled away where there is room for more.
    let end = end.max(rows.min(events.len()));
    let above = end.saturating_sub(rows);
    let seen = Seen { above, rows: end - above, of: events.len() };
    let said = if end < events.len() { format!("{} later ones below", events.len() - end) } else { String::new() };
    let inner = framed(board, theme, Pane::Events, &said).seen(seen).draw(area, buf);
    let lines: Text<'_> = events[above..end].iter().map(|event| line(event, true, &board.zone, inner.width, theme)).collect();
    Paragraph::new(lines).render(inner, buf);
}

/// An event in one line; with the number of its job where that does not stand elsewhere.
pub(super) fn line<'a>(event: &'a FleetEvent, with_job: bool, zone: &TimeZone, width: u16, theme: &Theme) -> Line<'a> {
    let role = match event.kind.as_str() {
        "failed" | "out_of_memory" | "lost" | "worker_lost" | "killed" => Role::Bad,
        "rejected" | "drained" | "stands_down" | "cancelling" => Role::Warn,
        "done" => Role::Good,
        "claimed" => Role::Running,
        _ => Role::Text,
    };
    let mut spans = vec![theme.span(format!("{}  ", time_of_day(event.at, zone, false)), Role::Dim)];
    if let Some(job) = event.job.filter(|_| with_job) {
        spans.push(theme.span(format!("#{job} "), Role::Dim));
    }
    spans.push(theme.span(event.kind.replace('_', " "), role));
    if let Some(worker) = &event.worker {
        spans.push(theme.span(format!(" on {worker}"), Role::Dim));
    }
    if !event.detail.is_empty() {
        spans.push(theme.span(format!(": {}", event.detail), Role::Text));
    }
    fit_line(spans, width, theme.symbols)
}
