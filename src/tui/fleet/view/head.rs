//! The first line: where the queue is, how many jobs are where, of when that is.
//!
//! ```text
//!  ⊖ plimsoll fleet │ db.example.net/films │ 3 workers │ ▶ 2 running  ○ 6 queued  ✔ 14 done     as of 12:04:31
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget as _};
use unicode_width::UnicodeWidthStr as _;

use crate::domain::text::many;
use crate::domain::time::Wall;
use crate::tui::fleet::state::{Board, Connection, Tone};
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::text::{fit, time_of_day};

/// Draws it.
pub fn draw(board: &Board, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let (when, role) = when(board);
    let live = board.facts.workers.iter().filter(|worker| worker.live).count() as u64;
    let bar = || theme.span(format!(" {} ", theme.symbols.bar), Role::Frame);
    let room = usize::from(area.width).saturating_sub(when.width() + 2);
    // The address gives way first, then the words of the counts, then their blanks.
    let mut line = Line::default();
    for (form, with_address, with_name) in
        [(0, true, true), (0, false, true), (1, true, true), (1, false, true), (2, false, true), (2, false, false)]
    {
        line = Line::from(theme.span(format!("{} ", theme.symbols.brand), Role::Focus));
        line.push_span(theme.span(if with_name { "plimsoll fleet" } else { "fleet" }, Role::Accent));
        if with_address {
            line.extend([bar(), theme.span(board.address.as_str(), Role::Dim)]);
        }
        if board.connection != Connection::Opening {
            let workers = if with_name { many(live, "worker") } else { format!("{live}w") };
            line.extend([bar(), theme.span(workers, if live > 0 { Role::Text } else { Role::Warn }), bar()]);
            line.extend(counts(board, theme, form));
        }
        if line.width() <= room {
            break;
        }
    }
    // Half a number would be a wrong one.
    while line.width() > room && line.spans.len() > 2 {
        line.spans.pop();
    }
    line.render(Rect { width: area.width.min(room as u16), ..area }, buf);
    let at = area.right().saturating_sub(when.width() as u16).max(area.x);
    theme.span(fit(&when, area.width.into(), theme.symbols), role).render(Rect { x: at, width: area.right() - at, ..area }, buf);
}

/// Of when it is what is shown.
fn when(board: &Board) -> (String, Role) {
    let as_of = match board.facts.as_of {
        Wall(0) => None,
        wall => Some(format!("as of {}", time_of_day(wall, &board.zone, false))),
    };
    match (&board.connection, as_of) {
        (Connection::Away { again_in, .. }, as_of) => {
            let again = match again_in.as_secs() {
                0 => "trying again".to_owned(),
                seconds => format!("trying again in {seconds} s"),
            };
            (as_of.map(|as_of| format!("{as_of}, {again}")).unwrap_or(again), Role::Warn)
        }
        (_, None) => ("asking the queue".to_owned(), Role::Dim),
        (_, Some(as_of)) => match board.silence() {
            Some(seconds) => (format!("{as_of}, no answer for {seconds} s"), Role::Warn),
            None => (as_of, Role::Dim),
        },
    }
}

/// How many jobs are where: with words, with numbers alone, or those closer together. What there is none of is left out.
fn counts(board: &Board, theme: &Theme, form: u8) -> Vec<Span<'static>> {
    let (counts, symbols) = (board.facts.counts, theme.symbols);
    // Without words both kinds of failure have one symbol.
    let added = if form == 0 { 0 } else { counts.out_of_memory };
    let failed = counts.failed + added;
    let all = [
        (symbols.run, counts.running, "running", Role::Running),
        (symbols.queued, counts.queued, "queued", Role::Text),
        (symbols.done, counts.done, "done", Role::Good),
        (symbols.bad, failed, "failed", Role::Bad),
        (symbols.bad, counts.out_of_memory - added, "out of memory", Role::Bad),
        (symbols.rejected, counts.rejected, "rejected", Role::Warn),
        (symbols.minus, counts.cancelled, "cancelled", Role::Dim),
    ];
    let mut spans = Vec::new();
    for (symbol, number, word, role) in all {
        if number == 0 && !matches!(word, "running" | "queued" | "done") {
            continue;
        }
        let role = if number == 0 { Role::Dim } else { role };
        match form {
            0 => spans.extend([theme.span(format!("{symbol} {number}"), role), theme.span(format!(" {word}  "), Role::Dim)]),
            1 => spans.push(theme.span(format!("{symbol} {number}  "), role)),
            _ => spans.push(theme.span(format!("{symbol}{number} "), role)),
        }
    }
    spans
}

/// What a screen without room for panes shows.
pub fn draw_tiny(board: &Board, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let (when, role) = when(board);
    let live = board.facts.workers.iter().filter(|worker| worker.live).count() as u64;
    let lines = vec![
        Line::from(theme.span(format!("fleet, {}", many(live, "worker")), Role::Strong)),
        Line::from(counts(board, theme, 2)),
        match &board.note {
            Some((Tone::Refused, why)) => Line::from(theme.span(fit(why, area.width.into(), theme.symbols), Role::Warn)),
            _ => Line::from(theme.span(when, role)),
        },
    ];
    Paragraph::new(lines).render(area, buf);
}
