//! The profile picker: the trade-off table, the guide's words above what this machine measured, and what switching would do
//! now.
//!
//! ```text
//! ╭ Profile  jobs at once, largest file ───────────────────────────────────────────╮
//! │   NAME        JOBS   FILE  LINE/BUDGET   MEMORY       SPEED        RELIABILITY │
//! │   fast           4 500 MB  1536/2048     High         Fast         Low         │
//! │                            measured      not tried here                        │
//! │ › balanced       2 200 MB  1536/2048     Medium       Medium       High        │
//! │                            measured      1618 MB peak 2.1 a min    1 of 14 bad │
//! │                                                                                │
//! │ now   in force                                                                 │
//! ╰────────────────────────────────────────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::profile::Profile;
use crate::tui::app::profiles::Switch;
use crate::tui::app::{App, Picker};
use crate::tui::terminal::theme::Role;
use crate::tui::view::pen::{Framed, Line, fit, mb, popup, spoken, wrap};

/// Columns of the guide's words.
const WORDS: u16 = 15;
/// Columns of name, jobs and file.
const LEAD: u16 = 26;

/// Draws it.
pub fn draw(app: &App, picker: &Picker, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let profiles = app.profiles();
    let place = popup(area, 92, profiles.len() as u16 * 2 + 8, buf);
    let title = vec![
        ("Profile".to_owned(), theme.style(Role::Accent)),
        ("  jobs at once, largest file".to_owned(), theme.style(Role::Dim)),
    ];
    let inner = Framed { theme, focused: true, title, right: Vec::new() }.draw(place, buf);
    let inner = Rect { x: inner.x + u16::from(inner.width > 0), width: inner.width.saturating_sub(2), ..inner };
    let dim = theme.style(Role::Dim);
    let columns = Columns::new(inner.width);
    let mut line = Line::new(buf, inner, 0);
    line.field("  NAME", 14, dim, theme.symbols).right("JOBS", 4, dim).right("FILE", 8, dim).gap(2);
    line.field("LINE/BUDGET", columns.marks, dim, theme.symbols);
    for name in ["MEMORY", "SPEED", if columns.words < 12 { "RELIABLE" } else { "RELIABILITY" }] {
        line.field(name, columns.words, dim, theme.symbols);
    }
    if profiles.is_empty() {
        Line::new(buf, inner, 2).put("no profiles were found", dim);
        return;
    }
    // The chosen row stays in sight however many profiles there are.
    // Without room for the guide's words there is none for what was measured: a row each, and more of them.
    let is_narrow = columns.words == 0;
    let (below, high) = if is_narrow { (3, 1) } else { (4, 2) };
    let room = (usize::from(inner.height.saturating_sub(1 + below)) / usize::from(high)).max(1);
    let first = (picker.row + 1).saturating_sub(room);
    for (at, profile) in profiles.iter().enumerate().skip(first).take(room) {
        let row = (at - first) as u16 * high + 1;
        let switch = picker.switches.get(at).copied().unwrap_or_default();
        let chosen = at == picker.row;
        draw_guide(
            app,
            &Row { profile, switch, chosen, columns: &columns },
            Rect { y: inner.y + row, height: inner.height.saturating_sub(row), ..inner },
            buf,
        );
        if !is_narrow {
            let below = Rect { y: inner.y + row + 1, height: inner.height.saturating_sub(row + 1), ..inner };
            draw_measured(app, profile, &columns, below, buf);
        }
        if chosen && row < inner.height {
            let height = high.min(inner.height - row);
            buf.set_style(Rect { y: inner.y + row, height, ..inner }, theme.selection());
        }
    }
    let after = profiles.len().min(room) as u16 * high + 2;
    let rest = Rect { y: inner.y + after, height: inner.height.saturating_sub(after), ..inner };
    if let (Some(profile), Some(switch)) = (profiles.get(picker.row), picker.switches.get(picker.row)) {
        let role = if switch.in_force { Role::Good } else { Role::Strong };
        let lines = wrap(&switch.words(profile), usize::from(rest.width.saturating_sub(6)));
        for (at, words) in lines.iter().take(2).enumerate() {
            let mut line = Line::new(buf, rest, at as u16);
            line.field(if at == 0 { "now" } else { "" }, 6, dim, theme.symbols).put(words, theme.style(role));
        }
        if is_narrow {
            return;
        }
        let guide = fit("words: the guide's; below them: measured here", usize::from(rest.width.saturating_sub(6)), theme.symbols);
        let row = lines.len().clamp(1, 2) as u16;
        Line::new(buf, rest, row).gap(6).put(guide, dim);
    }
}

struct Columns {
    marks: u16,
    words: u16,
}

impl Columns {
    const fn new(width: u16) -> Self {
        let marks = if width >= LEAD + 2 + 13 + 3 * WORDS { 13 } else { 0 };
        let left = width.saturating_sub(LEAD + 2 + marks);
        let words = left / 3;
        Self {
            marks,
            words: if words < 8 {
                0
            } else if words > WORDS {
                WORDS
            } else {
                words
            },
        }
    }
}

struct Row<'a> {
    profile: &'a Profile,
    switch: Switch,
    chosen: bool,
    columns: &'a Columns,
}

fn draw_guide(app: &App, row: &Row<'_>, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let Row { profile, switch, chosen, columns } = row;
    let name = theme.style(if switch.in_force { Role::Accent } else { Role::Text });
    let text = theme.style(Role::Text);
    let mut line = Line::new(buf, area, 0);
    line.put(if *chosen { theme.symbols.pointer } else { " " }, theme.style(Role::Accent)).gap(1);
    line.field(&profile.name, 12, name, theme.symbols).right(&profile.max_concurrent.to_string(), 4, text);
    line.right(&profile.max_file_size.to_string(), 8, text).gap(2);
    let marks = format!("{}/{}", mb(switch.lines.high_water), mb(switch.lines.budget));
    line.field(&marks, columns.marks, text, theme.symbols);
    for word in [&profile.guide.memory, &profile.guide.speed, &profile.guide.reliability] {
        line.field(word, columns.words, text, theme.symbols);
    }
}

fn draw_measured(app: &App, profile: &Profile, columns: &Columns, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let dim = theme.style(Role::Dim);
    let mut line = Line::new(buf, area, 0);
    line.gap(LEAD + 2);
    line.field("measured", columns.marks, dim, theme.symbols);
    let Some(measured) = app.measured(&profile.name) else {
        line.put("not tried here", dim);
        return;
    };
    let over = !measured.over.is_zero();
    let roomy = columns.words >= WORDS;
    let memory = if over && roomy {
        format!("{}, {} over", mb(measured.peak), spoken(measured.over))
    } else {
        format!("{} MB", mb(measured.peak))
    };
    line.field(&memory, columns.words, theme.style(if over { Role::Warn } else { Role::Good }), theme.symbols);
    let rate = measured
        .per_minute()
        .map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}{}", if roomy { " jobs/min" } else { "/min" }));
    line.field(&rate, columns.words, theme.style(Role::Running), theme.symbols);
    let (bad, all) = (measured.bad, measured.done + measured.bad);
    let words = if roomy { format!("{bad} of {all} bad") } else { format!("{bad}/{all} bad") };
    line.field(&words, columns.words, theme.style(if bad > 0 { Role::Warn } else { Role::Good }), theme.symbols);
}
