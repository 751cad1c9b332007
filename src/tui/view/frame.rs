//! The frame that every pane, page and popup stands in: a `Block` with titles, and a `Scrollbar` where more is there than seen.
//!
//! ```text
//! ╭ 2 Queue 12 jobs, 1.5 GB ──────────── right ╮
//! │○ queued   9 talk.mp4                       █
//! ╰───────────────────────────────── 1–7 of 30 ╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Margin, Rect};
use ratatui::symbols::scrollbar;
use ratatui::text::{Line, Span};
use ratatui::widgets::{
    Block, Clear, Padding, Scrollbar, ScrollbarOrientation, ScrollbarState, StatefulWidget as _, Tabs, Widget as _,
};
use unicode_width::UnicodeWidthStr;

use crate::tui::app::App;
use crate::tui::layout::Pane;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::names;
use crate::tui::view::text::{fit, left};

/// What part of a list is seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Rows above the first one seen.
    pub above: usize,
    /// Rows seen.
    pub rows: usize,
    /// All rows.
    pub of: usize,
}

/// A frame with its titles.
pub struct Framed<'a> {
    theme: &'a Theme,
    is_focused: bool,
    title: Vec<Span<'a>>,
    right: Vec<Span<'a>>,
    tabs: Option<Tabs<'a>>,
    seen: Seen,
    padding: Padding,
}

impl<'a> Framed<'a> {
    /// A frame that has the keys, with its title.
    pub fn new(theme: &'a Theme, title: Vec<Span<'a>>) -> Self {
        Self { theme, is_focused: true, title, right: Vec::new(), tabs: None, seen: Seen::default(), padding: Padding::ZERO }
    }

    /// The frame of a pane: its number and name, what is to be said of it.
    pub fn pane(app: &'a App, pane: Pane, said: impl Into<String>) -> Self {
        let (theme, is_focused) = (app.theme(), app.focus() == pane);
        let (number, name) = if is_focused { (Role::Accent, Role::Accent) } else { (Role::Focus, Role::Strong) };
        let mut title = vec![theme.span(format!("{} ", pane.number()), number), theme.span(pane.name(), name)];
        let said = said.into();
        if !said.is_empty() {
            title.extend([theme.span(" ", Role::Dim), theme.span(said, Role::Dim)]);
        }
        Self { is_focused, ..Self::new(theme, title) }
    }

    /// One that has not the keys.
    #[must_use]
    pub const fn beside(mut self) -> Self {
        self.is_focused = false;
        self
    }

    /// What stands at the right of the title, if it fits.
    #[must_use]
    pub fn right(mut self, right: Vec<Span<'a>>) -> Self {
        self.right = right;
        self
    }

    /// Pages that a key leads through, at the right of the title: the key and their names, of which one is shown.
    #[must_use]
    pub fn tabs(mut self, key: &'a str, names: &[&'static str], shown: usize) -> Self {
        let theme = self.theme;
        let divider = theme.span(format!(" {} ", theme.symbols.bar), Role::Frame);
        let width: usize = names.iter().map(|name| name.width()).sum::<usize>() + divider.width() * (names.len() - 1);
        let tabs = Tabs::new(names.iter().copied())
            .select(shown)
            .padding("", "")
            .divider(divider)
            .style(theme.style(Role::Dim))
            .highlight_style(theme.style(Role::Accent));
        self.tabs = Some(tabs);
        self.right = vec![theme.span(key, Role::Dim), " ".into(), " ".repeat(width).into()];
        self
    }

    /// What part of its list is seen.
    #[must_use]
    pub const fn seen(mut self, seen: Seen) -> Self {
        self.seen = seen;
        self
    }

    /// A free column at either side.
    #[must_use]
    pub const fn padded(mut self) -> Self {
        self.padding = Padding::horizontal(1);
        self
    }

    /// Draws it and returns what is inside.
    pub fn draw(self, area: Rect, buf: &mut Buffer) -> Rect {
        let theme = self.theme;
        let area = area.intersection(buf.area);
        let seen = Some(self.seen).filter(|seen| seen.of > seen.rows && area.height >= 4 && area.width >= 24);
        let mut block = Block::bordered()
            .border_set(theme.symbols.frame)
            .border_style(theme.style(if self.is_focused { Role::Focus } else { Role::Frame }))
            .padding(self.padding);
        let room = area.width.saturating_sub(2);
        let width_of = |spans: &[Span<'_>]| spans.iter().map(Span::width).sum::<usize>();
        let (title, right) = (width_of(&self.title), width_of(&self.right));
        if !self.title.is_empty() && room > 4 {
            block = block.title_top(title_line(theme, self.title, room));
        }
        // A block would let one title cover the other.
        let has_right = !self.right.is_empty() && title + right + 4 < usize::from(room);
        let tabs_width = self.right.last().map_or(0, |last| last.width() as u16);
        if has_right {
            block = block.title_top(spaced(self.right).right_aligned());
        }
        if let Some(Seen { above, rows, of }) = seen {
            let to = if theme.symbols.ascii { "-" } else { "–" };
            let words = theme.span(format!("{}{to}{} of {of}", above + 1, above + rows), Role::Dim);
            block = block.title_bottom(spaced(vec![words]).right_aligned());
        }
        let inner = block.inner(area);
        block.render(area, buf);
        if let Some(tabs) = self.tabs.filter(|_| has_right) {
            // In place of the blanks that were left for them.
            tabs.render(Rect { x: area.right() - 2 - tabs_width, width: tabs_width, height: 1, ..area }, buf);
        }
        if let Some(seen) = seen {
            draw_scrollbar(theme, seen, area.inner(Margin::new(0, 1)), buf);
        }
        inner
    }
}

/// With a blank at either side that looks as the frame does.
fn spaced(spans: Vec<Span<'_>>) -> Line<'_> {
    let mut line = Line::from(" ");
    line.spans.extend(spans);
    line.push_span(" ");
    line
}

/// The title, cut so that the frame's corner stays. What begins with the number of a job ends with the name of its input.
fn title_line<'a>(theme: &Theme, title: Vec<Span<'a>>, room: u16) -> Line<'a> {
    let mut line = Line::from(" ");
    for span in title {
        let cut = if span.content.starts_with('#') { names::fit_name } else { fit };
        let text = cut(&span.content, left(&line, room).saturating_sub(1), theme.symbols).into_owned();
        line.push_span(Span::styled(text, span.style));
    }
    line.push_span(" ");
    line
}

/// A bar in the right edge of a frame.
fn draw_scrollbar(theme: &Theme, Seen { above, rows, of }: Seen, area: Rect, buf: &mut Buffer) {
    // The widget's positions are those of the first row, of which there are as many as rows can be scrolled.
    let mut state = ScrollbarState::new(of - rows + 1).position(above).viewport_content_length(rows);
    let (thumb, track) = (theme.symbols.eighths[7], theme.symbols.frame.vertical_right);
    Scrollbar::new(ScrollbarOrientation::VerticalRight)
        .symbols(scrollbar::Set { track, thumb, begin: track, end: track })
        .begin_symbol(None)
        .end_symbol(None)
        .thumb_style(theme.style(Role::Focus))
        .track_style(theme.style(Role::Frame))
        .render(area, buf, &mut state);
}

/// Clears the middle of the screen for something of this size and returns where it stands.
pub fn popup(area: Rect, width: u16, height: u16, buf: &mut Buffer) -> Rect {
    // The last line tells the keys: it stays in sight where there is room for both, and always on a screen that is not very
    // small. An odd line or column is left free at the end.
    let room = |all: u16, wanted: u16, is_kept: bool| all - u16::from(all > 0 && (is_kept || wanted < all));
    let place = Rect { width: room(area.width, width, false), height: room(area.height, height, area.height > 12), ..area }
        .centered(Constraint::Length(width), Constraint::Length(height));
    Clear.render(place, buf);
    // A wide character that is cut in half would push the line.
    if place.x > area.x {
        for y in place.y..place.bottom() {
            let before = &mut buf[(place.x - 1, y)];
            if before.symbol().width() > 1 {
                before.reset();
            }
        }
    }
    place
}
