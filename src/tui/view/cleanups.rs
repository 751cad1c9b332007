//! What was done to give memory back, the latest first.
//!
//! ```text
//! ╭ 3 Cleanups 11, freed 969 MB ───────────────╮
//! │TIME  WHY          WHAT               FREED │
//! │04:21 ◆ before #18 trim heap            38 MB│
//! ╰────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::cleanup::{CleanupAction, CleanupRecord, CleanupTrigger, CleanupVerdict};
use crate::domain::units::Bytes;
use crate::tui::app::App;
use crate::tui::layout::Pane;
use crate::tui::terminal::theme::Role;
use crate::tui::view::frame;
use crate::tui::view::pen::{Line, mb, time_of_day};
use crate::tui::view::scroll::{self, Seen};

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
    let right = if skipped > 0 { vec![(format!("{skipped} later"), theme.style(Role::Dim))] } else { Vec::new() };
    let inner = frame::frame(app, Pane::Cleanups, &said, right).draw(area, buf);
    let inner = Rect { width: inner.width.saturating_sub(1), ..inner };
    let wide = inner.width >= 50;
    let time = if wide { 9 } else { 6 };
    let what = if inner.width >= 42 { 16 } else { 0 };
    let took = if inner.width >= 62 { 9 } else { 0 };
    let why = inner.width.saturating_sub(time + what + took + 8).min(22);
    let dim = theme.style(Role::Dim);
    let mut line = Line::new(buf, inner, 0);
    line.field("TIME", time, dim, theme.symbols).field("WHY", why, dim, theme.symbols);
    line.field(if what > 0 { "WHAT" } else { "" }, what, dim, theme.symbols)
        .right(if took > 0 { "TOOK" } else { "" }, took, dim)
        .at_end("FREED", dim);
    if state.cleanups.is_empty() {
        Line::new(buf, inner, 2).gap(1).put("none yet", dim);
    }
    let rows = usize::from(inner.height.saturating_sub(1));
    let all = state.cleanups.len();
    scroll::draw(theme, Seen { above: skipped, rows: rows.min(all.saturating_sub(skipped)), of: all }, area, buf);
    for (at, record) in state.cleanups.iter().rev().skip(skipped).take(rows).enumerate() {
        let mut line = Line::new(buf, inner, at as u16 + 1);
        let over = record.trigger == CleanupTrigger::HighWater;
        line.field(&time_of_day(record.wall, app.time_zone(), !wide), time, dim, theme.symbols);
        line.put(format!("{} ", theme.symbols.cleanup), theme.style(if over { Role::Warn } else { Role::Cleanup }));
        let reason = reason(record, theme.symbols.over);
        line.field(&reason, why.saturating_sub(2), theme.style(if over { Role::Warn } else { Role::Cleanup }), theme.symbols);
        line.field(record.action.words(), what, theme.style(Role::Text), theme.symbols);
        if let (Some(result), true) = (record.result, took > 0) {
            line.right(&format!("{} ms", result.millis), took, dim);
        }
        let (freed, role) = match record.result {
            None => (theme.symbols.more.to_owned(), Role::Dim),
            // They are no attempts to free anything: a hold starts nothing, a stop keeps what is held.
            Some(_) if matches!(record.action, CleanupAction::HoldStarts | CleanupAction::StopJob) => ("-".to_owned(), Role::Dim),
            Some(result) if result.verdict == CleanupVerdict::Unverifiable => ("?".to_owned(), Role::Dim),
            Some(result) => (result.freed.whole(), if result.freed == Bytes::ZERO { Role::Dim } else { Role::Good }),
        };
        line.at_end(&freed, theme.style(role));
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
