//! The help page, made from the key table.
//!
//! ```text
//! ╭ Help  type to filter ─────────────────────────────╮
//! │ MOVE                      JOBS                    │
//! │  j k ↓ ↑  down, up         x       cancel (asks)  │
//! ╰───────────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget as _};

use crate::tui::app::App;
use crate::tui::input::keymap::Section;
use crate::tui::pages::Page;
use crate::tui::pages::help::Help;
use crate::tui::pages::queue::filter::has_words;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::frame::{Framed, Seen, popup};
use crate::tui::view::text::{fit, wrap};
use crate::tui::view::words::WORDS;

const LEFT: [Section; 3] = [Section::Move, Section::Find, Section::Look];
const RIGHT: [Section; 3] = [Section::Jobs, Section::Memory, Section::Console];
const KEYS: usize = 10;
/// Columns of the words that are explained.
const WORD: usize = 13;
/// Columns of the screen from which on keys stand side by side.
const TWO: u16 = 76;
/// Widest page of the words.
const WIDEST: u16 = 86;

/// Draws it.
pub fn draw(app: &App, page: &Help, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let columns = columns(app, page, area.width);
    let (name, width) = match columns.len() {
        _ if page.words => ("Words", WIDEST),
        2 => (place_of(app), 82),
        _ => (place_of(app), 44),
    };
    let lines = columns.iter().map(Vec::len).max().unwrap_or(0);
    let place = popup(room(area), width.min(area.width), lines.max(3) as u16 + 2, buf);
    let visible = usize::from(place.height.saturating_sub(2));
    let above = page.scroll.seen(lines, visible);
    let said = if page.filter.value().is_empty() { "type to filter" } else { page.filter.value() };
    let title = vec![theme.span(name, Role::Accent), theme.span(format!("  {said}"), Role::Dim)];
    let inner = Framed::new(theme, title)
        .tabs("tab", &["keys", "words"], usize::from(page.words))
        .seen(Seen { above, rows: visible.min(lines), of: lines })
        .draw(place, buf);
    let places = Layout::horizontal(vec![Constraint::Fill(1); columns.len()]).split(inner);
    for (lines, place) in columns.into_iter().zip(places.iter()) {
        Paragraph::new(lines).scroll((above as u16, 0)).render(*place, buf);
    }
}

/// What the footer says stays readable beside a page that is not as wide as the screen.
fn room(area: Rect) -> Rect {
    Rect { height: area.height.saturating_sub(u16::from(area.height > 12)), ..area }
}

/// The lines of the page, in one or two columns.
fn columns(app: &App, page: &Help, width: u16) -> Vec<Vec<Line<'static>>> {
    let filter = page.filter.value().to_lowercase();
    let columns = if page.words {
        vec![explained(app.theme(), &filter, width.min(WIDEST))]
    } else if width >= TWO {
        vec![keys(app, &LEFT, &filter), keys(app, &RIGHT, &filter)]
    } else {
        vec![keys(app, &[LEFT, RIGHT].concat(), &filter)]
    };
    or_nothing(app.theme(), columns)
}

/// What stands in place of lines where nothing has the filter's words.
fn or_nothing(theme: &Theme, columns: Vec<Vec<Line<'static>>>) -> Vec<Vec<Line<'static>>> {
    if columns.iter().any(|lines| !lines.is_empty()) {
        return columns;
    }
    vec![vec![theme.span(" nothing has these letters", Role::Dim).into()]]
}

/// Whose keys they are.
fn place_of(app: &App) -> &'static str {
    match app.page() {
        _ if app.is_replay() => "Help: replay",
        Page::Dashboard if app.compares() => "Help: run of a comparison",
        Page::Dashboard => "Help",
        Page::Job => "Help: job",
        Page::Events => "Help: events",
        Page::Doctor => "Help: doctor",
        Page::Watched => "Help: watched folders",
        Page::Compare => "Help: comparisons",
    }
}

/// The words and figures of the screen that have the filter's words, each with its meaning in lines of a page of this width.
fn explained(theme: &Theme, filter: &str, width: u16) -> Vec<Line<'static>> {
    let room = usize::from(width).saturating_sub(WORD + 4);
    let mut lines = Vec::new();
    for (word, meaning) in WORDS {
        if has_words(filter, &format!("{word} {meaning}")) {
            for (at, meaning) in wrap(meaning, room).into_iter().enumerate() {
                let word = if at == 0 { fit(word, WORD - 1, theme.symbols) } else { "".into() };
                lines.push(Line::from(vec![theme.span(format!(" {word:<WORD$}"), Role::Accent), theme.span(meaning, Role::Text)]));
            }
        }
    }
    lines
}

/// The keys of these sections that have the filter's words.
fn keys(app: &App, sections: &[Section], filter: &str) -> Vec<Line<'static>> {
    let theme = app.theme();
    let mut lines = Vec::new();
    for section in sections {
        let mut keys = app.keys().help(*section, |binding| app.meaning(binding));
        keys.retain(|(keys, help)| has_words(filter, help) || keys.split(' ').any(|key| key.to_lowercase() == filter));
        if keys.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(Line::default());
        }
        lines.push(theme.span(format!(" {}", section.title()), Role::Strong).into());
        lines.extend(keys.into_iter().map(|(keys, help)| {
            Line::from(vec![theme.span(format!("  {keys:<KEYS$}"), Role::Accent), theme.span(help, Role::Text)])
        }));
    }
    lines
}
