//! Comparisons: the list of those that are kept, or one of them with its figures side by side and its curves overlaid.
//!
//! ```text
//! ╭ Compare  24 inputs, web-720p, budget 2 GB, line 1536 MB, 3 runs each, median ──────────────╮
//! │▶ run 3 of 9: safe, 00:41; about 04:10 left                                  lines 1-20 of 31│
//! │                 A 4/500  fast                      B 2/200  balanced                        │
//! │peak memory      2048 MB ✖    █████████████████     1618 MB ▲    █████████████▍···           │
//! │2048│   ⢠⡄            ⣠               ✖ A ends 11:20                                         │
//! ╰─────────────────────────────────────────────────────────────────────────────────────────────╯
//! ```

mod curves;
mod figures;
mod list;
mod sheet;

use std::fmt::Write as _;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget as _, Wrap};

use crate::domain::comparison::saved::{SavedComparison, Standing};
use crate::domain::time::span_words;
use crate::domain::units::Bytes;
use crate::tui::app::App;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::footer;
use crate::tui::view::frame::Framed;
use crate::tui::view::text::{fit, fit_line};

use figures::duration;
use sheet::{LABEL, Sheet};

/// Draws the page.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let Some(opened) = &app.compare_page().open else { return list::draw(app, area, buf) };
    let theme = app.theme();
    let mut title = vec![theme.span("Compare", Role::Accent)];
    let kept = match &opened.kept {
        Some(Ok(kept)) => kept,
        other => {
            let inner = Framed::new(theme, title).padded().draw(area, buf);
            let text = vec![Line::default(), trouble(theme, other.as_ref())];
            return Paragraph::new(text).wrap(Wrap { trim: true }).render(inner, buf);
        }
    };
    title.push(theme.span(format!("  {}", subject(kept)), Role::Dim));
    let inner = Framed::new(theme, title).draw(area, buf);
    let [standing, rest] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(inner);
    let room = Rect { y: rest.y + 1, height: rest.height.saturating_sub(1), ..rest };
    let sheet = Sheet::new(app, kept, &opened.columns, room);
    let scroll = opened.scroll.seen(sheet.lines(), room.height.into());
    draw_standing(theme, kept, &sheet.seen(scroll, room), standing, buf);
    sheet.draw(scroll, rest, buf);
}

/// Why there is nothing to be shown.
fn trouble<'a>(theme: &Theme, kept: Option<&'a Result<Arc<SavedComparison>, String>>) -> Line<'a> {
    match kept {
        Some(Err(why)) => theme.span(why, Role::Bad).into(),
        _ => theme.span("reading it", Role::Dim).into(),
    }
}

fn opened(app: &App) -> Option<&SavedComparison> {
    let opened = app.compare_page().open.as_ref()?;
    opened.kept.as_ref()?.as_ref().ok().map(AsRef::as_ref)
}

/// What was compared, under what: `8 inputs, web-720p, budget 2 GB, line 1536 MB, 3 runs each, median`.
fn subject(kept: &SavedComparison) -> String {
    let (comparison, subject) = (&kept.comparison, &kept.subject);
    let inputs = if subject.inputs == 1 { "1 input".to_owned() } else { format!("{} inputs", subject.inputs) };
    let mut text = format!("{inputs}, {}", subject.preset);
    match sheet::same_bounds(sheet::all_runs(kept)) {
        Some((line, budget)) => {
            let _ = write!(text, ", budget {budget}, line {}", line.whole());
        }
        None if sheet::all_runs(kept).any(|run| run.budget_bytes > Bytes::ZERO) => text.push_str(", budgets differ"),
        None => {}
    }
    if comparison.rounds > 1 {
        let _ = write!(text, ", {} runs each, median", comparison.rounds);
    }
    text
}

/// Symbol, words and look of where it stands. `roomy` = in a full line.
fn standing(theme: &Theme, kept: &SavedComparison, roomy: bool) -> (&'static str, String, Role) {
    let symbols = theme.symbols;
    let (done, of) = (kept.done(), kept.of());
    match (kept.progress.standing, &kept.progress.run) {
        (Standing::UnderWay, run) => {
            let left = kept.seconds_left().map(|seconds| span_words(duration(seconds)));
            let left = match (left, roomy) {
                (Some(left), true) => format!("; about {left} left"),
                (Some(left), false) => format!(", {left} left"),
                (None, _) => String::new(),
            };
            let words = run.as_ref().map(|now| {
                let name = if now.run.governor { now.run.profile.clone() } else { format!("naive {}", now.run.profile) };
                let took = span_words(duration(now.seconds));
                if roomy {
                    format!("run {} of {of}: {name}, {took}", now.run.number)
                } else {
                    format!("{}/{of} {name} {took}", now.run.number)
                }
            });
            (symbols.run, format!("{}{left}", words.unwrap_or_else(|| format!("{done} of {of} runs made"))), Role::Running)
        }
        (Standing::Finished, _) => {
            let troubles = kept.comparison.troubles();
            if troubles.is_empty() {
                (symbols.done, "finished: no job lost, same bytes under every profile".to_owned(), Role::Good)
            } else {
                (symbols.over, format!("finished; {}", troubles.join("; ")), Role::Warn)
            }
        }
        (Standing::Interrupted, _) => (symbols.held, format!("interrupted after {done} of {of} runs"), Role::Warn),
        (Standing::BrokenOff, _) => (symbols.bad, format!("broken off after {done} of {of} runs"), Role::Bad),
    }
}

/// Where it stands, and how much of the sheet is seen.
fn draw_standing(theme: &Theme, kept: &SavedComparison, seen: &str, area: Rect, buf: &mut Buffer) {
    let (symbol, words, role) = standing(theme, kept, true);
    // What is more than fits stands in the notes below; how much of the sheet is seen stands nowhere else.
    let [words_at, _, seen_at] =
        Layout::horizontal([Constraint::Fill(1), Constraint::Length(2), Constraint::Length(seen.len() as u16)]).areas(area);
    let words = format!("{symbol} {words}");
    theme.span(fit(&words, words_at.width.into(), theme.symbols), role).render(words_at, buf);
    theme.span(seen, Role::Dim).render(seen_at, buf);
}

/// Lines for columns, or for comparisons, on a very small screen.
const fn tiny_room(height: u16) -> u16 {
    height.saturating_sub(if height >= 5 { 2 } else { 1 })
}

/// Draws the page on a very small screen: where it stands, then a line for each column.
pub fn draw_tiny(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let room = Rect { y: area.y + 1, height: tiny_room(area.height), ..area };
    let page = app.compare_page();
    match (&page.open, opened(app)) {
        (None, _) => list::draw_tiny(app, area, room, buf),
        (Some(opened), Some(kept)) => {
            let (symbol, words, role) = standing(theme, kept, false);
            let words = format!("{symbol} {words}");
            theme.span(fit(&words, area.width.into(), theme.symbols), role).render(area, buf);
            let scroll = opened.scroll.seen(kept.comparison.columns.len(), room.height.into());
            Sheet::new(app, kept, &opened.columns, Rect { width: LABEL, ..room }).draw_tiny(scroll, room, buf);
        }
        (Some(opened), None) => {
            let why = trouble(theme, opened.kept.as_ref());
            fit_line(why.spans, area.width, theme.symbols).render(area, buf);
        }
    }
    if area.height >= 5 {
        footer::draw(app, Rect { y: area.bottom() - 1, height: 1, ..area }, buf);
    }
}
