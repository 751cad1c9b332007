//! Text for the widgets: cut to a width with a mark where something is left out, which no widget does; and words for times
//! and sizes.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use tui_input::Input;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr};

use crate::domain::time::Wall;
use crate::domain::units::{Bytes, MIB};
use crate::tui::terminal::theme::{Role, Symbols, Theme};
use crate::tui::view::names::head;

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

/// A line of spans in `width` columns: the one that reaches beyond is cut with a mark.
pub fn fit_line<'a>(spans: Vec<Span<'a>>, width: u16, symbols: &Symbols) -> Line<'a> {
    let mut line = Line::default();
    for span in spans {
        let content = fit(&span.content, left(&line, width), symbols).into_owned();
        line.push_span(Span::styled(content, span.style));
    }
    line
}

/// Text broken between words into lines of at most `width` columns; a longer word is broken too. For lines that are counted,
/// indented or cut before they are drawn; a `Paragraph` breaks any other text.
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
            let wide = c.width().unwrap_or(0);
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

/// Columns of `width` that are left behind a line.
pub fn left(line: &Line<'_>, width: u16) -> usize {
    usize::from(width).saturating_sub(line.width())
}

/// The widths that a `Table` without spacing gives its columns: what is cut for its cell has to know them.
pub fn widths(columns: &[Constraint], width: u16) -> Vec<u16> {
    Layout::horizontal(columns).split(Rect::new(0, 0, width, 1)).iter().map(|column| column.width).collect()
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

/// The local time of day: `12:04:31`, or `12:04` when there is little room.
pub fn time_of_day(wall: Wall, zone: &TimeZone, short: bool) -> String {
    let Ok(at) = Timestamp::from_millisecond(wall.0) else { return "--:--".to_owned() };
    let time = at.to_zoned(zone.clone()).time();
    if short {
        format!("{:02}:{:02}", time.hour(), time.minute())
    } else {
        format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second())
    }
}

/// A bar of `width` columns within a line of text, where no gauge can stand: its filled part in this look, and the rest.
pub fn bar<'a>(theme: &Theme, ratio: f64, width: u16, role: Role) -> [Span<'a>; 2] {
    let eighths = (ratio * f64::from(width) * 8.0).round() as usize;
    let (whole, part) = (eighths / 8, eighths % 8);
    let mut full = theme.symbols.eighths[7].repeat(whole);
    if part > 0 {
        full.push_str(theme.symbols.eighths[part - 1]);
    }
    let used = whole + usize::from(part > 0);
    let rest = theme.symbols.empty.repeat(usize::from(width).saturating_sub(used));
    [Span::styled(full, theme.shape(role)), theme.span(rest, Role::Dim)]
}

/// A large number with commas, as a person reads it.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// So many times as fast as it plays, in five characters at most: `1.8x`, `123x`, `46kx`.
pub fn pace(speed: f64) -> String {
    match speed {
        ..99.95 => format!("{speed:.1}x"),
        99.95..9999.5 => format!("{speed:.0}x"),
        _ => format!("{:.0}kx", speed / 1000.0),
    }
}

/// What is seen of a line that is being typed in `room` columns: whole characters, scrolled until the cursor is in sight. With
/// the columns that were left out before it.
pub fn typed(input: &Input, room: usize) -> (String, usize) {
    let scroll = input.visual_scroll(room);
    let mut skipped = 0;
    let seen = input.value().chars().skip_while(|c| {
        let skip = skipped < scroll;
        if skip {
            skipped += c.width().unwrap_or(0);
        }
        skip
    });
    (seen.collect(), skipped)
}
