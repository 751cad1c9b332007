//! The profile picker: the trade-off table, and what switching would do now.
//!
//! ```text
//! ╭ Profile ───────────────────────────────────────────────────────────────╮
//! │   NAME      JOBS   FILE  MEMORY  SPEED   RELIABLE   LINE / BUDGET      │
//! │   fast         4  500 MB  High    Fast    Low        1536 / 2048 MB    │
//! │ › balanced     2  200 MB  Medium  Medium  High       1536 / 2048 MB    │
//! │                                                                        │
//! │ in force                                                               │
//! ╰────────────────────────────────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::app::{App, Picker};
use crate::tui::theme::Role;
use crate::tui::view::pen::{Framed, Line, fit, mb, popup, spoken};

/// Draws it.
pub fn draw(app: &App, picker: &Picker, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let profiles = app.profiles();
    let place = popup(area, 78, profiles.len() as u16 + 8, buf);
    let title = vec![
        ("Profile".to_owned(), theme.style(Role::Accent)),
        ("  jobs at once, largest file".to_owned(), theme.style(Role::Dim)),
    ];
    let inner = Framed { theme, focused: true, title, right: Vec::new() }.draw(place, buf);
    let inner = Rect { x: inner.x + u16::from(inner.width > 0), width: inner.width.saturating_sub(2), ..inner };
    let dim = theme.style(Role::Dim);
    let wide = inner.width >= 70;
    let words = if wide { 10 } else { 0 };
    let heading = |text: &'static str| if wide { text } else { "" };
    let mut line = Line::new(buf, inner, 0);
    line.field("  NAME", 14, dim, theme.symbols).right("JOBS", 4, dim).right("FILE", 8, dim).gap(2);
    line.field(heading("MEMORY"), words, dim, theme.symbols).field(heading("SPEED"), words, dim, theme.symbols);
    line.field(heading("RELIABLE"), words + words / 5, dim, theme.symbols).put("LINE/BUDGET", dim);
    // The chosen row stays in sight however many profiles there are.
    let room = usize::from(inner.height.saturating_sub(5)).max(1);
    let first = (picker.row + 1).saturating_sub(room);
    for (at, profile) in profiles.iter().enumerate().skip(first).take(room) {
        let row = (at - first) as u16 + 1;
        let chosen = at == picker.row;
        let switch = picker.switches.get(at).copied().unwrap_or_default();
        let name = theme.style(if switch.in_force { Role::Accent } else { Role::Text });
        let text = theme.style(Role::Text);
        let mut line = Line::new(buf, inner, row);
        line.put(if chosen { theme.symbols.pointer } else { " " }, theme.style(Role::Accent)).gap(1);
        line.field(&profile.name, 12, name, theme.symbols).right(&profile.max_concurrent.to_string(), 4, text);
        line.right(&profile.max_file_size.to_string(), 8, text).gap(2);
        if wide {
            for (word, width) in
                [(&profile.guide.memory, words), (&profile.guide.speed, words), (&profile.guide.reliability, words + words / 5)]
            {
                line.field(word, width, dim, theme.symbols);
            }
        }
        line.put(format!("{}/{}", mb(switch.lines.high_water), mb(switch.lines.gauge_end())), text);
        if chosen && row < inner.height {
            buf.set_style(Rect { y: inner.y + row, height: 1, ..inner }, theme.selection());
        }
    }
    let below = profiles.len().min(room) as u16 + 2;
    if let (Some(profile), Some(switch)) = (profiles.get(picker.row), picker.switches.get(picker.row)) {
        let mut line = Line::new(buf, inner, below);
        line.put("now   ", dim);
        let left = line.left();
        line.put(
            fit(&switch.words(profile), left, theme.symbols),
            theme.style(if switch.in_force { Role::Good } else { Role::Strong }),
        );
        let measured = format!(
            "this run so far: peak {} MB, {} over the line, {} cleanups",
            mb(state.totals.peak_counted),
            spoken(state.time_over_line()),
            state.totals.cleanups
        );
        let mut line = Line::new(buf, inner, below + 1);
        line.put("seen  ", dim);
        let left = line.left();
        line.put(fit(&measured, left, theme.symbols), dim);
        let mut line = Line::new(buf, inner, below + 2);
        line.put("guide ", dim);
        let left = line.left();
        line.put(fit("memory, speed and reliability are the guide's words", left, theme.symbols), dim);
    } else {
        Line::new(buf, inner, 2).put("no profiles were found", dim);
    }
}
