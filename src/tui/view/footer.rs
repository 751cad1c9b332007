//! The last line: what keys do now, from the key table; or what was refused, for a while.
//!
//! ```text
//!  ? help  : command  p profile  a add  space pause  x cancel  r retry  / filter  f freeze  q quit
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};
use ratatui::widgets::{Block, Clear, Padding, Paragraph, Widget as _};

use crate::tui::app::{App, Tone};
use crate::tui::terminal::theme::Role;
use crate::tui::view::text::{fit_words, wrap};

/// Hints that give way first where there is little room: those of what can be found by `:` and in the help.
const FIRST_TO_GO: [&str; 11] =
    ["freeze", "what-if", "compare", "profile", "log only", "wrap", "whole log", "command", "filter", "find", "next job"];
/// Lines of the longest message.
const MOST_LINES: usize = 6;

/// Draws what was refused or done, if it is still to be told: in as many lines as it needs, upwards from the last one.
pub fn draw_toast(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let Some(toast) = app.toast() else { return };
    let (symbol, role) = match toast.tone {
        Tone::Done => (theme.symbols.done, Role::Good),
        Tone::Note => (theme.symbols.pointer, Role::Text),
        Tone::Refused => (theme.symbols.bad, Role::Warn),
    };
    let room = usize::from(area.width.saturating_sub(3));
    let mut lines = wrap(&toast.text, room);
    let most = MOST_LINES.min(usize::from(area.height) / 2).max(1);
    if lines.len() > most {
        let rest = lines[most - 1..].concat();
        lines.truncate(most - 1);
        lines.push(fit_words(&rest, room, theme.symbols).into_owned());
    }
    let height = lines.len() as u16;
    let place = Rect { y: area.bottom().saturating_sub(height), height, ..area }.intersection(area);
    Clear.render(place, buf);
    let text: Text<'_> = lines
        .iter()
        .enumerate()
        .map(|(at, text)| Line::from(theme.span(format!("{} {}", if at == 0 { symbol } else { " " }, text.trim_end()), role)))
        .collect();
    Paragraph::new(text).block(Block::new().padding(Padding::left(1))).render(place, buf);
}

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let room = usize::from(area.width.saturating_sub(1));
    if app.toast().is_some() {
        return;
    }
    let hints = app.hints();
    let width = |hints: &[(String, &str)]| hints.iter().map(|(key, word)| key.chars().count() + word.len() + 3).sum::<usize>();
    // The last hint (the way out) always stays, and what acts on jobs as long as it can.
    let (last, mut shown) = (hints.last().cloned(), hints);
    for word in &FIRST_TO_GO {
        if width(&shown) > room {
            shown.retain(|(_, known)| *known != *word);
        }
    }
    while width(&shown) > room && shown.len() > 1 {
        shown.remove(shown.len() - 2);
    }
    debug_assert!(shown.last() == last.as_ref(), "the way out is hinted at");
    let mut line = Line::from(" ");
    for (key, word) in shown {
        line.spans.extend([theme.span(key, Role::Accent), theme.span(format!(" {word}  "), Role::Dim)]);
    }
    line.render(area, buf);
}
