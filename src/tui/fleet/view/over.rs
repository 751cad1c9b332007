//! What lies over the screen: the help, a question, a job's events and log, a text.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget as _, Wrap};

use super::events;
use super::queue::state_of;
use crate::tui::fleet::keys::table;
use crate::tui::fleet::state::{Board, JobPage, Over, Question, Visit};
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::frame::{Framed, Seen, popup};
use crate::tui::view::text::wrap;

/// Columns of the keys in the help.
const KEYS: usize = 11;
/// Columns of the widest question or text.
const WIDEST: u16 = 100;

/// Draws it.
pub fn draw(board: &Board, theme: &Theme, area: Rect, buf: &mut Buffer) {
    match &board.over {
        Over::Nothing => {}
        Over::Help => draw_help(board, theme, area, buf),
        Over::Ask(question) => draw_question(board, question, theme, area, buf),
        Over::Job(page) => draw_job(board, page, theme, area, buf),
        Over::Text(title, lines) => {
            let lines: Vec<Line<'_>> = lines.iter().map(|line| Line::from(theme.span(line.as_str(), Role::Text))).collect();
            draw_lines(title, lines, theme, area, buf);
        }
    }
}

fn draw_help(board: &Board, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let row = |keys: &'static str, help: &'static str| {
        Line::from(vec![theme.span(format!("{keys:<KEYS$}"), Role::Accent), theme.span(help, Role::Text)])
    };
    let lines: Vec<Line<'_>> = table(board).map(|binding| row(binding.keys, binding.help)).collect();
    let place = popup(area, 60, lines.len() as u16 + 2, buf);
    let inner = Framed::new(theme, vec![theme.span("Help: fleet", Role::Accent)]).padded().draw(place, buf);
    // On a screen that is too low for all the most important ones, which stand last, are seen.
    let above = lines.len().saturating_sub(inner.height.into());
    Paragraph::new(lines).scroll((above as u16, 0)).render(inner, buf);
}

fn draw_question(board: &Board, question: &Question, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let name = |job: i64| board.job(job).map_or_else(|| format!("job {job}"), |row| format!("job {job} {}", row.input));
    let is_at_work = |job: i64| board.job(job).is_some_and(|row| row.state == "running");
    let (title, lines) = match question {
        Question::Cancel(job) if is_at_work(*job) => {
            ("Cancel", vec![format!("Cancel {}?", name(*job)), "What its worker has made so far is thrown away.".to_owned()])
        }
        Question::Cancel(job) => ("Cancel", vec![format!("Cancel {}?", name(*job)), "It has not started yet.".to_owned()]),
        Question::Retry(job) => ("Run again", vec![format!("Run {} again?", name(*job)), "Any box may take it.".to_owned()]),
        Question::Visit(visit) => {
            ("Its console", vec![format!("Open the console of {} over ssh?", visit.r#box), command_line(visit)])
        }
    };
    let mut lines: Vec<Line<'_>> = lines
        .into_iter()
        .enumerate()
        .map(|(at, line)| Line::from(theme.span(line, if at == 0 { Role::Strong } else { Role::Text })))
        .collect();
    lines.push(Line::default());
    lines.push(Line::from(vec![
        theme.span("y", Role::Accent),
        theme.span(" yes   ", Role::Text),
        theme.span("n", Role::Accent),
        theme.span(" no, and every other way out", Role::Text),
    ]));
    draw_lines(title, lines, theme, area, buf);
}

/// How a console is opened by hand.
pub fn command_line(visit: &Visit) -> String {
    let folder = quoted(&visit.state_dir);
    match &visit.host {
        None => format!("plimsoll attach --state-dir {folder}"),
        Some(host) => format!("plimsoll attach --remote-command {} {host}", quoted(&format!("plimsoll --state-dir {folder}"))),
    }
}

/// As one word of a shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

fn draw_lines(title: &str, lines: Vec<Line<'_>>, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let widest = lines.iter().map(Line::width).max().unwrap_or(0).max(30) as u16 + 4;
    let width = widest.min(WIDEST).min(area.width);
    let text = Paragraph::new(lines).wrap(Wrap { trim: false });
    let height = text.line_count(width.saturating_sub(4)) as u16 + 2;
    let place = popup(area, width, height, buf);
    let inner = Framed::new(theme, vec![theme.span(title, Role::Warn)]).padded().draw(place, buf);
    text.render(inner, buf);
}

fn draw_job(board: &Board, page: &JobPage, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let place = popup(area, area.width.saturating_sub(4).min(160), area.height.saturating_sub(2), buf);
    let width = place.width.saturating_sub(4);
    let mut title: Vec<Span<'_>> = vec![theme.span(format!("Job {} ", page.job), Role::Accent)];
    let mut lines: Vec<Line<'_>> = Vec::new();
    let told = |text: &str, role: Role, lines: &mut Vec<Line<'_>>| {
        lines.extend(wrap(text, width.into()).into_iter().map(|line| Line::from(theme.span(line, role))));
    };
    if let Some(job) = board.job(page.job) {
        let (role, symbol, words) = state_of(&job.state, theme);
        title.push(theme.span(format!("{symbol} {words}"), role));
        told(&format!("{}, {}", job.input, job.preset), Role::Strong, &mut lines);
        for (name, value) in [("on", &job.worker), ("output", &job.output), ("why", &job.reason)] {
            if let Some(value) = value {
                told(&format!("{name} {value}"), Role::Text, &mut lines);
            }
        }
        lines.push(Line::default());
    }
    match &page.found {
        None => lines.push(Line::from(theme.span("asking the queue", Role::Dim))),
        Some(Err(why)) => told(why, Role::Bad, &mut lines),
        Some(Ok(record)) => {
            lines.extend(record.events.iter().map(|event| events::line(event, false, &board.zone, width, theme)));
            lines.push(Line::default());
            if record.log.is_empty() {
                lines.push(Line::from(theme.span("no log yet: it comes with the end of a try", Role::Dim)));
            }
            for line in &record.log {
                told(line, Role::Text, &mut lines);
            }
        }
    }
    let rows = usize::from(place.height.saturating_sub(2));
    page.extent.set((lines.len(), rows));
    let above = page.top.min(lines.len().saturating_sub(rows));
    let seen = Seen { above, rows: rows.min(lines.len()), of: lines.len() };
    let inner = Framed::new(theme, title).padded().seen(seen).draw(place, buf);
    let seen: Vec<Line<'_>> = lines.into_iter().skip(above).take(rows).collect();
    Paragraph::new(seen).render(inner, buf);
}
