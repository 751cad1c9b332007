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

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::comparison::kept::{Kept, Standing};
use crate::domain::time::span_words;
use crate::tui::app::App;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::footer;
use crate::tui::view::pen::{Framed, Line, fit, wrap};

use figures::duration;
use sheet::{LABEL, Sheet};

/// Draws the page.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let Some(opened) = &app.compare_page().open else { return list::draw(app, area, buf) };
    let theme = app.theme();
    let dim = theme.style(Role::Dim);
    let mut title = vec![("Compare".to_owned(), theme.style(Role::Accent))];
    let kept = match &opened.kept {
        Some(Ok(kept)) => kept,
        other => {
            let inner = Framed { theme, focused: true, title, right: Vec::new() }.draw(area, buf);
            let (text, role) = match other {
                Some(Err(why)) => (why.as_str(), Role::Bad),
                _ => ("reading it", Role::Dim),
            };
            for (at, line) in wrap(text, usize::from(inner.width.saturating_sub(2))).iter().enumerate() {
                Line::new(buf, inner, at as u16 + 1).gap(1).put(line, theme.style(role));
            }
            return;
        }
    };
    title.push((format!("  {}", subject(kept)), dim));
    let inner = Framed { theme, focused: true, title, right: Vec::new() }.draw(area, buf);
    let room = Rect { y: inner.y + 2, height: inner.height.saturating_sub(2), ..inner };
    let sheet = Sheet::new(app, kept, opened.first, room);
    let lines = sheet.lines();
    let scroll = opened.scroll.min(lines.saturating_sub(usize::from(room.height)));
    let seen = sheet.seen(scroll, room);
    draw_standing(theme, kept, &seen, inner, buf);
    sheet.draw_heads(Rect { y: inner.y + 1, height: inner.height.saturating_sub(1).min(1), ..inner }, buf);
    sheet.draw(scroll, room, buf);
}

/// How many columns the comparison has, and for how many of them there is room.
pub fn columns(app: &App, width: u16) -> (usize, usize) {
    let Some(kept) = opened(app) else { return (0, 0) };
    let all = kept.comparison.columns.len();
    (all, sheet::room_for(all, width.saturating_sub(2)))
}

/// How many lines the opened comparison has on a screen of this size, and how many of them are seen at once.
pub fn lines(app: &App, width: u16, height: u16) -> (usize, usize) {
    let Some(kept) = opened(app) else { return (0, 0) };
    if is_tiny(width, height) {
        return (kept.comparison.columns.len(), usize::from(tiny_room(height)));
    }
    let room = Rect::new(0, 0, width.saturating_sub(2), height.saturating_sub(6));
    (Sheet::new(app, kept, 0, room).lines(), room.height.into())
}

fn opened(app: &App) -> Option<&Kept> {
    let opened = app.compare_page().open.as_ref()?;
    opened.kept.as_ref()?.as_ref().ok().map(AsRef::as_ref)
}

/// What was compared, under what: `8 inputs, web-720p, budget 2 GB, line 1536 MB, 3 runs each, median`.
fn subject(kept: &Kept) -> String {
    let (comparison, subject) = (&kept.comparison, &kept.subject);
    let inputs = if subject.inputs == 1 { "1 input".to_owned() } else { format!("{} inputs", subject.inputs) };
    let mut text = format!("{inputs}, {}", subject.preset);
    if let Some(run) = sheet::any_run(kept) {
        let _ = write!(text, ", budget {}, line {}", run.budget_bytes, run.high_water_bytes.whole());
    }
    if comparison.rounds > 1 {
        let _ = write!(text, ", {} runs each, median", comparison.rounds);
    }
    text
}

/// Symbol, words and look of where it stands. `roomy` = in a full line.
fn standing(theme: &Theme, kept: &Kept, roomy: bool) -> (&'static str, String, Role) {
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
fn draw_standing(theme: &Theme, kept: &Kept, seen: &str, area: Rect, buf: &mut Buffer) {
    let (symbol, words, role) = standing(theme, kept, true);
    let mut line = Line::new(buf, area, 0);
    line.put(format!("{symbol} "), theme.style(role));
    // What is more than fits stands in the notes below; how much of the sheet is seen stands nowhere else.
    let left = line.left().saturating_sub(seen.len() + 2);
    line.put(fit(&words, left, theme.symbols), theme.style(role)).gap(2);
    line.at_end(seen, theme.style(Role::Dim));
}

fn is_tiny(width: u16, height: u16) -> bool {
    width < 60 || height < 16
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
            let mut line = Line::new(buf, area, 0);
            let left = line.left().saturating_sub(2);
            line.put(format!("{symbol} "), theme.style(role)).put(fit(&words, left, theme.symbols), theme.style(role));
            Sheet::new(app, kept, 0, Rect { width: LABEL, ..room }).draw_tiny(opened.scroll, room, buf);
        }
        (Some(opened), None) => {
            let (text, role) = match &opened.kept {
                Some(Err(why)) => (why.as_str(), Role::Bad),
                _ => ("reading it", Role::Dim),
            };
            let mut line = Line::new(buf, area, 0);
            let left = line.left();
            line.put(fit(text, left, theme.symbols), theme.style(role));
        }
    }
    if area.height >= 5 {
        footer::draw(app, Rect { y: area.bottom() - 1, height: 1, ..area }, buf);
    }
}
