//! A line that is being typed, in place of the footer, with what completion offers above it.
//!
//! ```text
//!  cam one.mp4  cam two.mp4
//!  add files or folders: ~/videos/cam█
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::{Clear, Widget as _};
use unicode_width::UnicodeWidthStr;

use crate::tui::app::App;
use crate::tui::app::prompt::{Prompt, PromptKind};
use crate::tui::input::action::Act;
use crate::tui::input::keymap::KeyMode;
use crate::tui::terminal::theme::Role;
use crate::tui::view::pen::{Line, wrap};

/// Draws it and returns where the cursor stands.
pub fn draw(app: &App, prompt: &Prompt, area: Rect, buf: &mut Buffer) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    let theme = app.theme();
    let row = Rect { y: area.bottom() - 1, height: 1, ..area };
    clear(row, buf);
    let mut line = Line::new(buf, row, 0);
    line.gap(1).put(prompt.kind.label(), theme.style(Role::Accent));
    let label = 1 + prompt.kind.label().width() as u16;
    // The preset stands at the end of the line, where there is room for it and for a path.
    let preset = preset_words(app, prompt).filter(|words| line.left() > words.width() + 24);
    let kept = preset.as_ref().map_or(1, |words| words.width() + 2);
    if let Some(words) = &preset {
        let at = Rect { x: area.right().saturating_sub(words.width() as u16 + 1), width: words.width() as u16, ..row };
        Line::new(buf, at, 0).put(words, theme.style(Role::Dim));
        line = Line::new(buf, Rect { x: area.x + label, width: area.width.saturating_sub(label + kept as u16), ..row }, 0);
    }
    let room = if preset.is_some() { line.left() } else { line.left().saturating_sub(1) };
    let scroll = prompt.input.visual_scroll(room);
    // Skips whole characters until the cursor is in sight.
    let mut skipped = 0;
    let visible: String = prompt
        .input
        .value()
        .chars()
        .skip_while(|c| {
            let skip = skipped < scroll;
            if skip {
                skipped += unicode_width::UnicodeWidthChar::width(*c).unwrap_or(0);
            }
            skip
        })
        .collect();
    line.put(visible, theme.style(Role::Text));
    draw_above(app, prompt, area, buf);
    let column = label + (prompt.input.visual_cursor().saturating_sub(skipped)) as u16;
    Some(Position { x: column.min(area.width - 1), y: row.y })
}

/// With which preset files are added, and the key that takes another one.
fn preset_words(app: &App, prompt: &Prompt) -> Option<String> {
    if prompt.kind != PromptKind::Add || app.shown().default_preset.is_empty() {
        return None;
    }
    let preset = prompt.preset.as_ref().unwrap_or(&app.shown().default_preset);
    let key = app.keys().label_in(KeyMode::Prompt, Act::NextPreset);
    Some(format!("as {preset} ({key})"))
}

fn draw_above(app: &App, prompt: &Prompt, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    if area.height < 2 || (prompt.error.is_none() && prompt.offers.is_empty()) {
        return;
    }
    if let Some(error) = &prompt.error {
        let lines = wrap(error, usize::from(area.width.saturating_sub(3)));
        let height = (lines.len() as u16).min(area.height - 1);
        let place = Rect { y: area.bottom() - 1 - height, height, ..area };
        Clear.render(place, buf);
        for (at, text) in lines.iter().enumerate() {
            let mark = if at == 0 { theme.symbols.bad } else { " " };
            Line::new(buf, place, at as u16).gap(1).put(format!("{mark} {text}"), theme.style(Role::Warn));
        }
        return;
    }
    let above = Rect { y: area.bottom() - 2, height: 1, ..area };
    clear(above, buf);
    let mut line = Line::new(buf, above, 0);
    line.gap(1);
    for offer in &prompt.offers {
        if line.left() < offer.width() + 2 {
            line.put(theme.symbols.more, theme.style(Role::Dim));
            break;
        }
        line.put(offer, theme.style(Role::Running)).gap(2);
    }
}

fn clear(area: Rect, buf: &mut Buffer) {
    for x in area.x..area.right() {
        buf[(x, area.y)].reset();
    }
}
