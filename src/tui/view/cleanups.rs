//! What was done to give memory back, the latest first.
//!
//! ```text
//! ╭ 3 Cleanups 11, freed 969 MB ───────────────╮
//! │TIME  WHY          WHAT               FREED │
//! │04:21 ◆ before #18 trim heap            38 MB│
//! ╰────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Table, Widget as _};

use crate::domain::cleanup::{CleanupAction, CleanupRecord, CleanupTrigger, CleanupVerdict};
use crate::domain::units::Bytes;
use crate::tui::app::App;
use crate::tui::layout::Pane;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::frame::{Framed, Seen};
use crate::tui::view::text::{fit, mb, time_of_day, widths};

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let skipped = app.cleanups_skipped();
    let count = state.totals.cleanups.to_string();
    let forms =
        [format!("{count}, freed {}", state.totals.freed.whole()), format!("{count}, {}", state.totals.freed.short()), count];
    // A figure is told whole or not at all.
    let room = usize::from(area.width).saturating_sub(16);
    let said = forms.into_iter().find(|words| words.len() <= room).unwrap_or_default();
    let right = if skipped > 0 { vec![theme.span(format!("{skipped} later"), Role::Dim)] } else { Vec::new() };
    let rows = usize::from(area.height.saturating_sub(3));
    let all = state.cleanups.len();
    let seen = Seen { above: skipped, rows: rows.min(all.saturating_sub(skipped)), of: all };
    let inner = Framed::pane(app, Pane::Cleanups, said).right(right).seen(seen).draw(area, buf);
    let inner = Rect { width: inner.width.saturating_sub(1), ..inner };
    // Time, why, what, took, freed.
    let wide = inner.width >= 50;
    let time = if wide { 9 } else { 6 };
    let what = if inner.width >= 42 { 16 } else { 0 };
    let took = if inner.width >= 62 { 9 } else { 0 };
    let why = inner.width.saturating_sub(time + what + took + 8).min(22);
    let columns = [time, why, what, took].map(Constraint::Length);
    let columns = [columns[0], columns[1], columns[2], columns[3], Constraint::Fill(1)];
    let head =
        ["TIME", "WHY", "WHAT"].map(Line::from).into_iter().chain(["TOOK", "FREED"].map(|name| Line::from(name).right_aligned()));
    let room = usize::from(widths(&columns, inner.width)[1].saturating_sub(2));
    let rows = state.cleanups.iter().rev().skip(skipped).take(rows).map(|record| {
        let role = if record.trigger == CleanupTrigger::HighWater { Role::Warn } else { Role::Cleanup };
        let reason = reason(record, theme.symbols.over);
        let reason = format!("{} {}", theme.symbols.cleanup, fit(&reason, room, theme.symbols));
        let took = record.result.map_or_else(String::new, |result| format!("{} ms", result.millis));
        let right = |span: Span<'static>| Line::from(span).right_aligned();
        Row::new([
            theme.span(time_of_day(record.wall, app.time_zone(), !wide), Role::Dim).into(),
            theme.span(reason, role).into(),
            theme.span(record.action.label(), Role::Text).into(),
            right(theme.span(took, Role::Dim)),
            right(freed(theme, record)),
        ])
    });
    Table::new(rows, columns).header(Row::new(head).style(theme.style(Role::Dim))).column_spacing(0).render(inner, buf);
    if state.cleanups.is_empty() {
        let below = Rect { y: inner.y + 2, height: inner.height.saturating_sub(2), ..inner };
        Paragraph::new(theme.span(" none yet", Role::Dim)).render(below, buf);
    }
}

fn freed(theme: &Theme, record: &CleanupRecord) -> Span<'static> {
    match record.result {
        None => theme.span(theme.symbols.more, Role::Dim),
        // They are no attempts to free anything: a hold starts nothing, a stop keeps what is held.
        Some(_) if matches!(record.action, CleanupAction::HoldStarts | CleanupAction::StopJob) => theme.span("-", Role::Dim),
        Some(result) if result.verdict == CleanupVerdict::Unverifiable => theme.span("?", Role::Dim),
        Some(result) => theme.span(result.freed.whole(), if result.freed == Bytes::ZERO { Role::Dim } else { Role::Good }),
    }
}

fn reason(record: &CleanupRecord, over: &str) -> String {
    let job = record.job.map_or_else(String::new, |job| format!(" #{job}"));
    match record.trigger {
        CleanupTrigger::BeforeJob => format!("before{job}"),
        CleanupTrigger::AfterJob => format!("after{job}"),
        CleanupTrigger::AfterFailure => format!("error{job}"),
        CleanupTrigger::HighWater => format!("{over} {}", mb(record.before)),
        CleanupTrigger::Operator => "by hand".to_owned(),
    }
}
