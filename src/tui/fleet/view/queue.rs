//! The queue: the jobs at work, those that wait, those that ended last.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Row, StatefulWidget, TableState};

use super::columns::{Column, Placed, place, table};
use super::workers::{middle, short_box};
use super::{AROUND, first_seen, framed, say_none};
use crate::domain::fleet::FleetJob;
use crate::domain::text::percent;
use crate::tui::fleet::state::{Board, Pane};
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::frame::Seen;
use crate::tui::view::text::{bar, fit, fit_words};

/// Columns of ` 100 %`.
const PERCENT: u16 = 6;

#[derive(Debug, Clone, Copy)]
enum Fact {
    Job,
    State,
    Progress,
    Preset,
    Input,
    Worker,
    Reason,
}

const COLUMNS: [Column<Fact>; 7] = [
    Column { key: Fact::Job, name: "JOB", needs: 6, grows: 0, comes: 0 },
    Column { key: Fact::State, name: "STATE", needs: 11, grows: 0, comes: 0 },
    Column { key: Fact::Progress, name: "PROGRESS", needs: 14, grows: 0, comes: 2 },
    Column { key: Fact::Preset, name: "PRESET", needs: 11, grows: 0, comes: 3 },
    Column { key: Fact::Input, name: "INPUT", needs: 20, grows: 3, comes: 0 },
    Column { key: Fact::Worker, name: "WORKER", needs: 15, grows: 2, comes: 1 },
    Column { key: Fact::Reason, name: "REASON OR OUTPUT", needs: 20, grows: 4, comes: 0 },
];

/// Draws them.
pub fn draw(board: &Board, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let jobs = &board.facts.jobs;
    let rows = usize::from(area.height.saturating_sub(AROUND));
    let above = first_seen(board.above[1].get(), board.job_at(), rows, jobs.len());
    board.above[1].set(above);
    let seen = Seen { above, rows: rows.min(jobs.len()), of: jobs.len() };
    let counts = &board.facts.counts;
    let all =
        counts.queued + counts.running + counts.done + counts.failed + counts.out_of_memory + counts.rejected + counts.cancelled;
    let right = if all > jobs.len() as i64 {
        vec![theme.span(format!("the foremost {} of {all}", jobs.len()), Role::Dim)]
    } else {
        Vec::new()
    };
    // What is cut in the row of the selected one stands in the frame.
    let said = match board.selected_job().filter(|_| board.focus == Pane::Queue) {
        Some(job) => format!("#{} {} {}", job.job, job.input, job.reason.as_deref().unwrap_or_default()),
        None => String::new(),
    };
    let inner = framed(board, theme, Pane::Queue, said.trim_end()).right(right).seen(seen).draw(area, buf);
    if jobs.is_empty() {
        return say_none(board, "no job is there; plimsoll fleet add FILE…, or plimsoll.enqueue() in SQL", theme, inner, buf);
    }
    let placed = place(&COLUMNS, inner.width);
    let columns = &placed.0;
    let has_bar = columns.iter().any(|column| matches!(column.key, Fact::Progress));
    let shown = jobs.iter().skip(above).take(rows);
    let shown = shown.map(|job| Row::new(columns.iter().map(|column| cell(job, column, has_bar, theme)).collect::<Vec<_>>()));
    let table = table(&placed, shown, board.focus == Pane::Queue, theme);
    let mut state = TableState::new().with_selected(board.job_at().map(|at| at - above.min(at)));
    StatefulWidget::render(table, inner, buf, &mut state);
}

/// Look, symbol and words of a state.
pub(super) fn state_of<'a>(state: &'a str, theme: &Theme) -> (Role, &'static str, &'a str) {
    let symbols = theme.symbols;
    match state {
        "running" => (Role::Running, symbols.run, "running"),
        "queued" => (Role::Text, symbols.queued, "queued"),
        "done" => (Role::Good, symbols.done, "done"),
        "failed" => (Role::Bad, symbols.bad, "failed"),
        "out_of_memory" => (Role::Bad, symbols.bad, "no memory"),
        "rejected" => (Role::Warn, symbols.rejected, "rejected"),
        "cancelled" => (Role::Dim, symbols.minus, "cancelled"),
        other => (Role::Text, symbols.pointer, other),
    }
}

fn cell<'a>(job: &'a FleetJob, column: &Placed<Fact>, has_bar: bool, theme: &'a Theme) -> Line<'a> {
    let width = usize::from(column.width);
    let is_at_work = job.state == "running";
    let (role, text) = match column.key {
        Fact::Job => (Role::Dim, job.job.to_string()),
        Fact::State => {
            let (role, symbol, words) = state_of(&job.state, theme);
            // Where the bar has gone, how far it is stands here.
            let words = match job.progress {
                Some(ratio) if is_at_work && !has_bar => format!("{symbol} {} %", percent(ratio.into())),
                _ => format!("{symbol} {words}"),
            };
            (role, words)
        }
        Fact::Progress => match job.progress.filter(|_| is_at_work) {
            Some(ratio) => {
                let ratio = f64::from(ratio).clamp(0.0, 1.0);
                let mut line = Line::from_iter(bar(theme, ratio, column.width.saturating_sub(PERCENT), Role::Running));
                line.push_span(theme.span(format!("{:>4} %", percent(ratio)), Role::Text));
                return line;
            }
            None => (Role::Dim, String::new()),
        },
        Fact::Preset => (Role::Dim, job.preset.clone()),
        Fact::Input => return Line::from(theme.span(middle(&job.input, width, theme.symbols), Role::Text)),
        Fact::Worker => {
            let worker = job.worker.as_deref().unwrap_or_default();
            return Line::from(theme.span(short_box(worker, width, theme.symbols), Role::Dim));
        }
        Fact::Reason => match (&job.reason, &job.output) {
            (Some(reason), _) if job.state != "done" => {
                let role = if job.state == "queued" { Role::Warn } else { state_of(&job.state, theme).0 };
                return Line::from(theme.span(fit_words(reason, width, theme.symbols), role));
            }
            (_, Some(output)) => return Line::from(theme.span(middle(output, width, theme.symbols), Role::Dim)),
            (reason, None) => (Role::Dim, reason.clone().unwrap_or_default()),
        },
    };
    Line::from(theme.span(fit(&text, width, theme.symbols).into_owned(), role))
}
