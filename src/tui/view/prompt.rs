//! A line that is being typed, in place of the footer, with what completion offers above it.
//!
//! ```text
//!  cam one.mp4  cam two.mp4
//!  add files or folders: ~/videos/cam█
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Clear, Paragraph, Widget as _};
use unicode_width::UnicodeWidthStr;

use crate::tui::app::App;
use crate::tui::app::prompt::{Prompt, PromptKind};
use crate::tui::input::action::Act;
use crate::tui::input::keymap::KeyMode;
use crate::tui::terminal::theme::Role;
use crate::tui::view::text::{left, typed, wrap};

/// Draws it and returns where the cursor stands.
pub fn draw(app: &App, prompt: &Prompt, area: Rect, buf: &mut Buffer) -> Option<Position> {
    if area.is_empty() {
        return None;
    }
    let theme = app.theme();
    let [above, row] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(area);
    Clear.render(row, buf);
    let label = 1 + prompt.kind.label().width() as u16;
    // The preset stands at the end of the line, where there is room for it and for a path.
    let preset = preset_words(app, prompt).filter(|words| usize::from(row.width.saturating_sub(label)) > words.width() + 24);
    let preset = preset.unwrap_or_default();
    let gap = u16::from(!preset.is_empty());
    let [label_at, typed_at, _, preset_at, _] = Layout::horizontal([
        Constraint::Length(label),
        Constraint::Fill(1),
        Constraint::Length(gap),
        Constraint::Length(preset.width() as u16),
        Constraint::Length(gap),
    ])
    .areas(row);
    Line::from(vec![" ".into(), theme.span(prompt.kind.label(), Role::Accent)]).render(label_at, buf);
    theme.span(preset, Role::Dim).render(preset_at, buf);
    // The cursor stands behind the last character.
    let room = usize::from(typed_at.width).saturating_sub(usize::from(gap == 0));
    let (seen, skipped) = typed(&prompt.input, room);
    theme.span(seen, Role::Text).render(typed_at, buf);
    draw_above(app, prompt, above, buf);
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

/// What is wrong with the line, or what it may become, above it.
fn draw_above(app: &App, prompt: &Prompt, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let text: Text<'_> = if let Some(error) = &prompt.error {
        let lines = wrap(error, usize::from(area.width.saturating_sub(3))).into_iter().enumerate();
        let mark = |at| if at == 0 { theme.symbols.bad } else { " " };
        lines.map(|(at, text)| Line::from(vec![" ".into(), theme.span(format!("{} {text}", mark(at)), Role::Warn)])).collect()
    } else if prompt.offers.is_empty() {
        return;
    } else {
        let mut line = Line::from(" ");
        for offer in &prompt.offers {
            if left(&line, area.width) < offer.width() + 2 {
                line.push_span(theme.span(theme.symbols.more, Role::Dim));
                break;
            }
            line.spans.extend([theme.span(offer, Role::Running), "  ".into()]);
        }
        line.into()
    };
    let height = (text.height() as u16).min(area.height);
    let place = Rect { y: area.bottom() - height, height, ..area };
    Clear.render(place, buf);
    Paragraph::new(text).render(place, buf);
}
