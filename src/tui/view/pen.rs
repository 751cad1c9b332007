//! Small tools of the drawing: a line that is written from left to right, frames, popups, words for times and sizes.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use crate::domain::time::Wall;
use crate::domain::units::{Bytes, MIB};
use crate::tui::terminal::theme::{Role, Symbols, Theme};
use crate::tui::view::names::{self, head};

/// One line of the screen, written from left to right and never beyond its end.
pub struct Line<'b> {
    buf: &'b mut Buffer,
    x: u16,
    end: u16,
    y: u16,
}

impl<'b> Line<'b> {
    /// Line `row` of `area`; nothing is written when it lies outside.
    pub fn new(buf: &'b mut Buffer, area: Rect, row: u16) -> Self {
        let area = area.intersection(buf.area);
        let inside = row < area.height;
        Self { buf, x: area.x, end: if inside { area.right() } else { area.x }, y: area.y + row.min(area.height.saturating_sub(1)) }
    }

    /// Columns left.
    pub const fn left(&self) -> usize {
        (self.end.saturating_sub(self.x)) as usize
    }

    /// Writes text; what does not fit is cut off.
    pub fn put(&mut self, text: impl AsRef<str>, style: Style) -> &mut Self {
        if self.left() > 0 {
            (self.x, _) = self.buf.set_stringn(self.x, self.y, text.as_ref(), self.left(), style);
        }
        self
    }

    /// Leaves columns free.
    pub fn gap(&mut self, columns: u16) -> &mut Self {
        self.x = self.x.saturating_add(columns).min(self.end);
        self
    }

    /// Writes text in a field of `width` columns, at its left; the rest stays free.
    pub fn field(&mut self, text: &str, width: u16, style: Style, symbols: &Symbols) -> &mut Self {
        let width = width.min(self.end.saturating_sub(self.x));
        let next = self.x + width;
        self.put(fit(text, width.into(), symbols), style);
        self.x = next;
        self
    }

    /// Writes a text in a field of `width` columns, at its left; where it is cut, it is cut between words.
    pub fn phrase(&mut self, text: &str, width: u16, style: Style, symbols: &Symbols) -> &mut Self {
        let room = usize::from(width.min(self.end.saturating_sub(self.x)));
        let cut = fit_words(text, room, symbols);
        self.field(&cut, width, style, symbols)
    }

    /// Writes the name of a file in a field of `width` columns; where it is cut, its number and its ending stay.
    pub fn name(&mut self, name: &str, width: u16, style: Style, symbols: &Symbols) -> &mut Self {
        let room = usize::from(width.min(self.end.saturating_sub(self.x)));
        let name = names::fit_name(name, room, symbols);
        self.field(&name, width, style, symbols)
    }

    /// Writes text in a field of `width` columns, at its right.
    pub fn right(&mut self, text: &str, width: u16, style: Style) -> &mut Self {
        let free = width.saturating_sub(text.width() as u16);
        self.gap(free).put(text, style)
    }

    /// Writes text so that it ends at the line's end, if it fits.
    pub fn at_end(&mut self, text: &str, style: Style) -> &mut Self {
        let width = text.width() as u16;
        if width <= self.end.saturating_sub(self.x) {
            self.x = self.end - width;
            self.put(text, style);
        }
        self
    }
}

/// Text cut to `width` columns, with a mark where something is left out.
pub fn fit<'a>(text: &'a str, width: usize, symbols: &Symbols) -> Cow<'a, str> {
    // A text of few bytes cannot be wide.
    if text.len() <= width || text.width() <= width {
        return Cow::Borrowed(text);
    }
    if width == 0 {
        return Cow::Borrowed("");
    }
    let mut out = head(text, width - 1).to_owned();
    out.push_str(symbols.more);
    Cow::Owned(out)
}

/// As [`fit`], cut between words where the text has any: half a number would be a wrong one.
pub fn fit_words<'a>(text: &'a str, width: usize, symbols: &Symbols) -> Cow<'a, str> {
    if text.width() <= width || width < 2 {
        return fit(text, width, symbols);
    }
    // The blank behind the last word that fits.
    let whole = head(text, width);
    match whole.rfind(' ').map(|at| text[..at].trim_end_matches([',', ';', ':', ' '])) {
        Some(words) if !words.is_empty() => Cow::Owned(format!("{}{}", head(words, width - 1), symbols.more)),
        _ => fit(text, width, symbols),
    }
}

/// Text broken between words into lines of at most `width` columns; a longer word is broken too.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        if used > 0 && used + word.trim_end().width() > width {
            lines.push(String::new());
            used = 0;
        }
        for c in word.chars() {
            let wide = unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
            if used + wide > width {
                if c == ' ' {
                    continue;
                }
                lines.push(String::new());
                used = 0;
            }
            used += wide;
            if let Some(line) = lines.last_mut() {
                line.push(c);
            }
        }
    }
    lines
}

/// A piece of text and its look.
pub type Span = (String, Style);

/// A frame with its title and what stands at the right of the title.
pub struct Framed<'a> {
    /// The looks.
    pub theme: &'a Theme,
    /// It has the keys.
    pub focused: bool,
    /// The title.
    pub title: Vec<Span>,
    /// At the right of the title, if it fits.
    pub right: Vec<Span>,
}

impl Framed<'_> {
    /// Draws the frame and returns what is inside.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) -> Rect {
        let area = area.intersection(buf.area);
        if area.width < 2 || area.height < 2 {
            return Rect::ZERO;
        }
        let [tl, tr, br, bl, across, down] = self.theme.symbols.frame;
        let style = self.theme.style(if self.focused { Role::Focus } else { Role::Frame });
        for x in area.x + 1..area.right() - 1 {
            buf.set_string(x, area.y, across, style);
            buf.set_string(x, area.bottom() - 1, across, style);
        }
        for y in area.y + 1..area.bottom() - 1 {
            buf.set_string(area.x, y, down, style);
            buf.set_string(area.right() - 1, y, down, style);
        }
        for (x, y, corner) in [
            (area.x, area.y, tl),
            (area.right() - 1, area.y, tr),
            (area.right() - 1, area.bottom() - 1, br),
            (area.x, area.bottom() - 1, bl),
        ] {
            buf.set_string(x, y, corner, style);
        }
        let width_of = |spans: &[Span]| spans.iter().map(|(text, _)| text.width()).sum::<usize>();
        let inner = usize::from(area.width - 2);
        let (title, right) = (width_of(&self.title) + 2, width_of(&self.right) + 2);
        if !self.title.is_empty() && inner > 4 {
            let mut line = Line::new(buf, Rect { x: area.x + 1, width: area.width - 2, ..area }, 0);
            line.put(" ", style);
            for (text, look) in &self.title {
                let room = line.left().saturating_sub(1);
                // What begins with the number of a job ends with the name of its input.
                let is_job = text.starts_with('#');
                let cut = if is_job { names::fit_name } else { fit };
                line.put(cut(text, room, self.theme.symbols), *look);
            }
            line.put(" ", style);
        }
        if !self.right.is_empty() && title + right < inner {
            let x = area.right() - 1 - right as u16;
            let mut line = Line::new(buf, Rect { x, width: right as u16, ..area }, 0);
            line.put(" ", style);
            for (text, look) in &self.right {
                line.put(text, *look);
            }
            line.put(" ", style);
        }
        Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2)
    }
}

/// Clears the middle of the screen for something of this size and returns where it stands.
pub fn popup(area: Rect, width: u16, height: u16, buf: &mut Buffer) -> Rect {
    // The last line tells the keys: it stays in sight where there is room for both.
    let most = area.height - u16::from(area.height > 12);
    let (width, height) = (width.min(area.width), height.min(most));
    let y = area.y + ((area.height - height) / 2).min(most - height);
    let place = Rect::new(area.x + (area.width - width) / 2, y, width, height);
    for y in place.y..place.bottom() {
        for x in place.x..place.right() {
            buf[(x, y)].reset();
        }
        // A wide character that is cut in half would push the line.
        if place.x > area.x && buf[(place.x - 1, y)].symbol().width() > 1 {
            buf[(place.x - 1, y)].reset();
        }
    }
    place
}

/// `41 s`, `3 min 20 s`, `2 h 5 min`.
pub fn spoken(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// The number of whole MB, without its unit.
pub fn mb(bytes: Bytes) -> String {
    (bytes.0.saturating_add(MIB / 2) / MIB).to_string()
}

/// The local time of day: `12:04:31`, or its last five characters when there is little room.
pub fn time_of_day(wall: Wall, zone: &TimeZone, short: bool) -> String {
    let Ok(at) = Timestamp::from_millisecond(wall.0) else { return "--:--".to_owned() };
    let time = at.to_zoned(zone.clone()).time();
    if short {
        format!("{:02}:{:02}", time.minute(), time.second())
    } else {
        format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
    }
}

/// A bar of `width` cells: its filled part, and the rest.
pub fn bar(theme: &Theme, ratio: f64, width: u16) -> (String, String) {
    let eighths = (ratio * f64::from(width) * 8.0).round() as usize;
    let (whole, part) = (eighths / 8, eighths % 8);
    let mut full = theme.symbols.eighths[7].repeat(whole);
    if part > 0 {
        full.push_str(theme.symbols.eighths[part - 1]);
    }
    let used = whole + usize::from(part > 0);
    (full, theme.symbols.empty.repeat(usize::from(width).saturating_sub(used)))
}
