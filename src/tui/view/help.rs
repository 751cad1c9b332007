//! The help page, made from the key table.
//!
//! ```text
//! ╭ Help  type to filter ─────────────────────────────╮
//! │ MOVE                      JOBS                    │
//! │  j k ↓ ↑  down, up         x       cancel (asks)  │
//! ╰───────────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::tui::app::filter::has_words;
use crate::tui::app::pages::Page;
use crate::tui::app::{App, Help};
use crate::tui::input::keymap::Section;
use crate::tui::terminal::theme::Role;
use crate::tui::view::pen::{Framed, Line, popup, wrap};
use crate::tui::view::scroll::{self, Seen};
use crate::tui::view::words::WORDS;

const LEFT: [Section; 3] = [Section::Move, Section::Find, Section::Look];
const RIGHT: [Section; 3] = [Section::Jobs, Section::Memory, Section::Console];
const KEYS: u16 = 10;
/// Columns of the words that are explained.
const WORD: u16 = 13;

enum Entry {
    Heading(&'static str),
    Key(String, &'static str),
    Blank,
}

/// Draws it.
pub fn draw(app: &App, page: &Help, area: Rect, buf: &mut Buffer) {
    if page.words {
        return draw_words(app, page, area, buf);
    }
    let theme = app.theme();
    let filter = page.filter.value().to_lowercase();
    let two = area.width >= 76;
    let (left, right) = if two {
        (entries(app, &LEFT, &filter), entries(app, &RIGHT, &filter))
    } else {
        (entries(app, &[LEFT, RIGHT].concat(), &filter), Vec::new())
    };
    let lines = left.len().max(right.len());
    let width = if two { 82 } else { 44 };
    // What the footer says stays readable beside a page that is not as wide as the screen.
    let area = Rect { height: area.height.saturating_sub(u16::from(area.height > 12)), ..area };
    let place = popup(area, width, lines.max(3) as u16 + 2, buf);
    let visible = usize::from(place.height.saturating_sub(2));
    let scroll = page.scroll.min(lines.saturating_sub(visible));
    let said = if filter.is_empty() { "  type to filter".to_owned() } else { format!("  {}", page.filter.value()) };
    let right_title = vec![("tab explains the words".to_owned(), theme.style(Role::Dim))];
    let title = vec![(place_of(app).to_owned(), theme.style(Role::Accent)), (said, theme.style(Role::Dim))];
    let inner = Framed { theme, focused: true, title, right: right_title }.draw(place, buf);
    scroll::draw(theme, Seen { above: scroll, rows: visible.min(lines), of: lines }, place, buf);
    let half = inner.width / 2;
    let columns = if two {
        vec![(left, Rect { width: half, ..inner }), (right, Rect { x: inner.x + half, width: inner.width - half, ..inner })]
    } else {
        vec![(left, inner)]
    };
    for (entries, area) in columns {
        for (at, entry) in entries.iter().skip(scroll).take(visible).enumerate() {
            let mut line = Line::new(buf, area, at as u16);
            match entry {
                Entry::Heading(title) => line.gap(1).put(title, theme.style(Role::Strong)),
                Entry::Key(keys, help) => {
                    line.gap(2).field(keys, KEYS, theme.style(Role::Accent), theme.symbols).put(help, theme.style(Role::Text))
                }
                Entry::Blank => &mut line,
            };
        }
    }
}

/// The page is longer than what is seen of it.
pub fn scrolls(app: &App, page: &Help) -> bool {
    let (width, height) = app.layout_size();
    let filter = page.filter.value().to_lowercase();
    let lines = if page.words {
        explained(&filter, width.min(86)).len()
    } else if width >= 76 {
        entries(app, &LEFT, &filter).len().max(entries(app, &RIGHT, &filter).len())
    } else {
        entries(app, &[LEFT, RIGHT].concat(), &filter).len()
    };
    lines + 2 > usize::from(height.saturating_sub(u16::from(height > 12)))
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
        Page::Compare => "Help: comparisons",
    }
}

/// The words and figures of the screen, explained.
fn draw_words(app: &App, page: &Help, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let filter = page.filter.value().to_lowercase();
    let area = Rect { height: area.height.saturating_sub(u16::from(area.height > 12)), ..area };
    let width = area.width.min(86);
    let lines = explained(&filter, width);
    let place = popup(area, width, lines.len().max(3) as u16 + 2, buf);
    let visible = usize::from(place.height.saturating_sub(2));
    let first = page.scroll.min(lines.len().saturating_sub(visible));
    let said = if filter.is_empty() { "  type to filter".to_owned() } else { format!("  {}", page.filter.value()) };
    let title = vec![("Words".to_owned(), theme.style(Role::Accent)), (said, theme.style(Role::Dim))];
    let right = vec![("tab shows the keys".to_owned(), theme.style(Role::Dim))];
    let inner = Framed { theme, focused: true, title, right }.draw(place, buf);
    scroll::draw(theme, Seen { above: first, rows: visible.min(lines.len()), of: lines.len() }, place, buf);
    for (at, (word, meaning)) in lines.iter().skip(first).take(visible).enumerate() {
        let mut line = Line::new(buf, inner, at as u16);
        line.gap(1).field(word, WORD, theme.style(Role::Accent), theme.symbols).put(meaning, theme.style(Role::Text));
    }
}

/// The words that have the filter's, each with its meaning in lines of a page of this width.
fn explained(filter: &str, width: u16) -> Vec<(&'static str, String)> {
    let room = usize::from(width.saturating_sub(WORD + 4));
    let mut lines: Vec<(&str, String)> = Vec::new();
    for (word, meaning) in WORDS {
        if has_words(filter, &format!("{word} {meaning}")) {
            let wrapped = wrap(meaning, room).into_iter().enumerate();
            lines.extend(wrapped.map(|(at, line)| (if at == 0 { *word } else { "" }, line)));
        }
    }
    lines
}

fn entries(app: &App, sections: &[Section], filter: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    for section in sections {
        let keys: Vec<Entry> = app
            .keys()
            .help(*section, |binding| app.meaning(binding))
            .into_iter()
            .filter(|(keys, help)| has_words(filter, help) || keys.split(' ').any(|key| key.to_lowercase() == filter))
            .map(|(keys, help)| Entry::Key(keys, help))
            .collect();
        if keys.is_empty() {
            continue;
        }
        if !entries.is_empty() {
            entries.push(Entry::Blank);
        }
        entries.push(Entry::Heading(section.title()));
        entries.extend(keys);
    }
    entries
}
