//! The workers: a row for each, with its memory against its line.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, StatefulWidget, TableState};
use unicode_width::UnicodeWidthStr as _;

use super::columns::{Column, Placed, place, table};
use super::{AROUND, first_seen, framed, say_none};
use crate::domain::fleet::FleetWorker;
use crate::domain::memory::Level;
use crate::domain::text::many;
use crate::domain::time::span_words;
use crate::domain::units::Bytes;
use crate::tui::fleet::state::{Board, Pane, is_lost};
use crate::tui::terminal::theme::{Role, Symbols, Theme};
use crate::tui::view::frame::Seen;
use crate::tui::view::names::{head, tail};
use crate::tui::view::text::{bar, fit, fit_words, mb};

/// A clock that is further off than this is told.
const CLOCK_OFF: i64 = 5_000;
/// Columns of the numbers behind the gauge.
const NUMBERS: u16 = 10;

#[derive(Debug, Clone, Copy)]
enum Fact {
    Box,
    Memory,
    Jobs,
    State,
    Heard,
    Largest,
    Profile,
    Version,
    Ffmpeg,
}

const COLUMNS: [Column<Fact>; 9] = [
    Column { key: Fact::Box, name: "BOX", needs: 15, grows: 3, comes: 0 },
    Column { key: Fact::Memory, name: "MEMORY OF LINE MB", needs: 18, grows: 1, comes: 0 },
    Column { key: Fact::Jobs, name: "JOBS", needs: 6, grows: 0, comes: 0 },
    Column { key: Fact::State, name: "STATE", needs: 20, grows: 3, comes: 0 },
    Column { key: Fact::Heard, name: "HEARD", needs: 7, grows: 0, comes: 1 },
    Column { key: Fact::Largest, name: "LARGEST", needs: 8, grows: 0, comes: 2 },
    Column { key: Fact::Profile, name: "PROFILE", needs: 10, grows: 0, comes: 3 },
    Column { key: Fact::Version, name: "VERSION", needs: 8, grows: 0, comes: 4 },
    Column { key: Fact::Ffmpeg, name: "FFMPEG", needs: 9, grows: 0, comes: 5 },
];

/// Draws them.
pub fn draw(board: &Board, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let workers = &board.facts.workers;
    let rows = usize::from(area.height.saturating_sub(AROUND));
    let above = first_seen(board.above[0].get(), board.worker_at(), rows, workers.len());
    board.above[0].set(above);
    let seen = Seen { above, rows: rows.min(workers.len()), of: workers.len() };
    // What is cut in the row of the selected one stands in the frame.
    let said = match board.selected_worker().filter(|_| board.focus == Pane::Workers) {
        Some(worker) => format!("{} {}", worker.r#box, standing(worker, theme).2),
        None => String::new(),
    };
    let inner = framed(board, theme, Pane::Workers, &said).seen(seen).draw(area, buf);
    if workers.is_empty() {
        return say_none(board, "no worker is there; on each box: plimsoll worker --queue … --files …", theme, inner, buf);
    }
    let placed = place(&COLUMNS, inner.width);
    let columns = &placed.0;
    let shown = workers.iter().skip(above).take(rows);
    let shown = shown.map(|worker| Row::new(columns.iter().map(|column| cell(worker, column, theme)).collect::<Vec<_>>()));
    let table = table(&placed, shown, board.focus == Pane::Workers, theme);
    let mut state = TableState::new().with_selected(board.worker_at().map(|at| at - above.min(at)));
    StatefulWidget::render(table, inner, buf, &mut state);
}

fn cell<'a>(worker: &'a FleetWorker, column: &Placed<Fact>, theme: &'a Theme) -> Line<'a> {
    let width = usize::from(column.width);
    let role = if worker.live { Role::Text } else { Role::Dim };
    let text = match column.key {
        Fact::Memory => return memory(worker, column.width, theme),
        Fact::State => {
            let (role, symbol, words) = standing(worker, theme);
            let text = format!("{symbol} {words}");
            return Line::from(theme.span(fit_words(&text, width, theme.symbols).into_owned(), role));
        }
        Fact::Box => return Line::from(theme.span(short_box(&worker.r#box, width, theme.symbols), role)),
        Fact::Jobs if worker.live => format!("{}/{}", worker.jobs, worker.slots),
        Fact::Jobs => worker.jobs.to_string(),
        Fact::Heard => ago(worker.silent_ms.max(0) as u64 / 1000),
        Fact::Largest => bytes(worker.largest_bytes).short(),
        Fact::Profile => worker.profile.clone(),
        Fact::Version => worker.version.clone(),
        Fact::Ffmpeg => worker.ffmpeg.clone(),
    };
    Line::from(theme.span(fit(&text, width, theme.symbols).into_owned(), role))
}

/// What counts against the line, as a bar whose end is the line, and in MB.
fn memory<'a>(worker: &FleetWorker, width: u16, theme: &Theme) -> Line<'a> {
    if !worker.live {
        return Line::from(theme.span("-", Role::Dim));
    }
    let (counted, line) = (bytes(worker.counted_bytes), bytes(worker.line_bytes));
    let (role, _) = theme.level(level(worker));
    let numbers = format!("{}/{}", mb(counted), mb(line));
    let gauge = width.saturating_sub(NUMBERS.max(numbers.len() as u16 + 1));
    let mut spans: Vec<Span<'a>> = Vec::new();
    if gauge >= 4 {
        spans.extend(bar(theme, counted.share_of(line).min(1.0), gauge, role));
        spans.push(theme.span(theme.symbols.line, Role::Line));
    }
    spans.push(theme.span(numbers, Role::Text));
    Line::from(spans)
}

/// How it stands: what it takes, and why not.
fn standing(worker: &FleetWorker, theme: &Theme) -> (Role, &'static str, String) {
    let symbols = theme.symbols;
    if is_lost(worker) {
        return (Role::Bad, symbols.bad, "lost: its lease ran out".to_owned());
    }
    if !worker.live {
        return (Role::Dim, symbols.minus, worker.ended_why.clone().unwrap_or_else(|| "ended".to_owned()));
    }
    if let Some(why) = &worker.stands_down {
        return (Role::Warn, symbols.held, format!("takes nothing: {why}"));
    }
    if worker.drained {
        let words = match worker.jobs {
            0 => "drained".to_owned(),
            jobs => format!("drained, {} left", many(jobs.max(0) as u64, "job")),
        };
        return (Role::Warn, symbols.held, words);
    }
    if worker.clock_ms.abs() > CLOCK_OFF {
        let way = if worker.clock_ms > 0 { "ahead" } else { "behind" };
        let off = span_words(Duration::from_millis(worker.clock_ms.unsigned_abs()));
        return (Role::Warn, symbols.near, format!("its clock is {off} {way}"));
    }
    let (role, symbol) = theme.level(level(worker));
    (role, symbol, level(worker).label().to_owned())
}

fn level(worker: &FleetWorker) -> Level {
    Level::ALL.into_iter().find(|level| level.name() == worker.level).unwrap_or_default()
}

fn bytes(bytes: i64) -> Bytes {
    Bytes(bytes.max(0) as u64)
}

/// `41 s`, `3 min`, `2 h`, `5 d`.
fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A box in little room: its machine and the name of its folder, which tell boxes apart.
pub(super) fn short_box(text: &str, width: usize, symbols: &Symbols) -> String {
    let (Some((host, path)), true) = (text.split_once(':'), text.width() > width) else { return middle(text, width, symbols) };
    let name = path.rsplit('/').next().unwrap_or(path);
    let shorter = format!("{host}:{}/{name}", symbols.more);
    if shorter.width() <= width { shorter } else { middle(&format!("{host}:{name}"), width, symbols) }
}

/// Cut in the middle: what tells names apart stands at their beginning or at their end.
pub(super) fn middle(text: &str, width: usize, symbols: &Symbols) -> String {
    if text.width() <= width || width < 5 {
        return fit(text, width, symbols).into_owned();
    }
    let left = (width - 1) / 2;
    format!("{}{}{}", head(text, left), symbols.more, tail(text, width - 1 - left))
}
