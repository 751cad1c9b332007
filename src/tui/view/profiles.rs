//! The profile picker: the trade-off table, the guide's words above what this machine measured, and what switching would do
//! now.
//!
//! ```text
//! ╭ Profile  jobs at once, largest file ───────────────────────────────────────────╮
//! │   NAME        JOBS   FILE  LINE/BUDGET   MEMORY       SPEED        RELIABILITY │
//! │   fast           4 500 MB  1536/2048     High         Fast         Low         │
//! │                            measured      not tried yet                         │
//! │ › balanced       2 200 MB  1536/2048     Medium       Medium       High        │
//! │                            measured      1618 MB peak 2.1 a min    1 of 14 bad │
//! │                                                                                │
//! │ now   in force                                                                 │
//! ╰────────────────────────────────────────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, HighlightSpacing, Paragraph, Row, StatefulWidget, Table, TableState, Widget as _};

use crate::domain::profile::Profile;
use crate::tui::app::App;
use crate::tui::pages::profiles::{Picker, Switch};
use crate::tui::terminal::theme::Role;
use crate::tui::view::frame::{Framed, popup};
use crate::tui::view::text::{fit, mb, spoken, wrap};

/// Columns of the guide's words.
const WORDS: u16 = 15;
/// Columns of name, jobs and file.
const LEAD: u16 = 26;

/// What is said in place of figures.
const NOT_TRIED: &str = "not tried yet";

/// Draws it.
pub fn draw(app: &App, picker: &Picker, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let profiles = app.profiles();
    let place = popup(area, 92, profiles.len() as u16 * 2 + 8, buf);
    let title = vec![theme.span("Profile", Role::Accent), theme.span("  jobs at once, largest file", Role::Dim)];
    let inner = Framed::new(theme, title).padded().draw(place, buf);
    let columns = Columns::new(inner.width);
    // Without room for the guide's words there is none for what was measured: a row each, and more of them.
    let is_narrow = columns.words == 0;
    let (below, high) = if is_narrow { (3, 1) } else { (4, 2) };
    // As many whole rows as there are, or as there is room for; then what switching would do.
    let room = (inner.height.saturating_sub(1 + below) / high).max(1);
    let rows = room.min(profiles.len() as u16) * high;
    let [table_at, _, rest] =
        Layout::vertical([Constraint::Length(1 + rows), Constraint::Length(1), Constraint::Fill(1)]).areas(inner);
    let reliability = if columns.words < 12 { "RELIABLE" } else { "RELIABILITY" };
    let mut head = vec![Line::from("NAME"), Line::from("JOBS").right_aligned(), Line::from("FILE").right_aligned()];
    head.extend(["", "LINE/BUDGET", "MEMORY", "SPEED", reliability].map(Line::from));
    let rows = profiles.iter().enumerate().map(|(at, profile)| {
        let switch = picker.switches.get(at).copied().unwrap_or_default();
        row(app, profile, switch, &columns).height(high)
    });
    let mut state = TableState::new().with_selected(picker.row);
    let table = Table::new(rows, columns.all())
        .header(Row::new(head).style(theme.style(Role::Dim)))
        .column_spacing(0)
        .highlight_symbol(theme.span(format!("{} ", theme.symbols.pointer), Role::Accent))
        .highlight_spacing(HighlightSpacing::Always)
        .row_highlight_style(theme.selection());
    StatefulWidget::render(table, table_at, buf, &mut state);
    if profiles.is_empty() {
        Paragraph::new(theme.span("no profiles were found", Role::Dim)).render(rest, buf);
    }
    if let (Some(profile), Some(switch)) = (profiles.get(picker.row), picker.switches.get(picker.row)) {
        let role = if switch.in_force { Role::Good } else { Role::Strong };
        let [label, words_at] = Layout::horizontal([Constraint::Length(6), Constraint::Fill(1)]).areas(rest);
        theme.span("now", Role::Dim).render(label, buf);
        let lines = wrap(&switch.words(profile), words_at.width.into()).into_iter().take(2);
        let mut text: Text<'_> = lines.map(|line| Line::from(theme.span(line, role))).collect();
        if !is_narrow {
            let guide = fit("words: the table's; below them: measured here", words_at.width.into(), theme.symbols);
            text.push_line(theme.span(guide, Role::Dim));
        }
        Paragraph::new(text).render(words_at, buf);
    }
}

struct Columns {
    marks: u16,
    words: u16,
}

impl Columns {
    /// Name, jobs, file, a gap, line and budget, and the three that the guide has words for.
    fn all(&self) -> [Constraint; 8] {
        [12, 4, 8, 2, self.marks, self.words, self.words, self.words].map(Constraint::Length)
    }

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

/// What the guide says of a profile, above what was measured of it here.
fn row<'a>(app: &'a App, profile: &'a Profile, switch: Switch, columns: &Columns) -> Row<'a> {
    let theme = app.theme();
    let words = |text: &'a str| theme.span(fit(text, columns.words.into(), theme.symbols), Role::Text);
    let (guide, measured) = (&profile.guide, measured(app, profile, columns));
    let both = |above: Span<'a>, below: Span<'a>| Cell::from(Text::from(vec![above.into(), Line::from(below)]));
    let right = |text: String| Cell::from(Line::from(theme.span(text, Role::Text)).right_aligned());
    let name = theme.span(fit(&profile.name, 12, theme.symbols), if switch.in_force { Role::Accent } else { Role::Text });
    let marks = format!("{}/{}", mb(switch.lines.high_water), mb(switch.lines.budget));
    let marks = theme.span(fit(&marks, columns.marks.into(), theme.symbols).into_owned(), Role::Text);
    let [memory, speed, reliability] = measured;
    Row::new([
        Cell::from(name),
        right(profile.max_concurrent.to_string()),
        right(profile.max_file_size.to_string()),
        Cell::new(""),
        both(marks, theme.span("measured", Role::Dim)),
        both(words(&guide.memory), memory),
        both(words(&guide.speed), speed),
        both(words(&guide.reliability), reliability),
    ])
}

/// Memory, speed and reliability as they were measured here.
fn measured<'a>(app: &App, profile: &Profile, columns: &Columns) -> [Span<'a>; 3] {
    let theme = app.theme();
    let Some(measured) = app.measured(&profile.name) else {
        // It runs on into the next column: a cell cannot span two of them in one of its lines alone.
        let (begin, rest) = NOT_TRIED.split_at(NOT_TRIED.len().min(columns.words.into()));
        return [theme.span(begin, Role::Dim), theme.span(rest, Role::Dim), Span::default()];
    };
    let over = !measured.over.is_zero();
    let roomy = columns.words >= WORDS;
    let memory = if over && roomy {
        format!("{}, {} over", mb(measured.peak), spoken(measured.over))
    } else {
        format!("{} MB", mb(measured.peak))
    };
    let rate = measured
        .per_minute()
        .map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}{}", if roomy { " jobs/min" } else { "/min" }));
    let (bad, all) = (measured.bad, measured.done + measured.bad);
    let words = if roomy { format!("{bad} of {all} bad") } else { format!("{bad}/{all} bad") };
    let span = |text: &str, role| theme.span(fit(text, columns.words.into(), theme.symbols).into_owned(), role);
    [
        span(&memory, if over { Role::Warn } else { Role::Good }),
        span(&rate, Role::Running),
        span(&words, if bad > 0 { Role::Warn } else { Role::Good }),
    ]
}
