//! How near memory is to the line: a bar of its parts with the line in it, and a scale of MB below.
//!
//! ```text
//! ███████████████████████▓▒▒▒▒░░···┃··········
//! 0          512        1024       ┃1536  2048
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;
use unicode_width::UnicodeWidthStr;

use crate::domain::units::Bytes;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::text::mb;

/// What is there of something and would vanish in the bar has one cell from this size on.
const LEAST_SEEN: Bytes = Bytes::mib(8);

/// A part of the bar.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// What its cells show.
    pub symbol: &'static str,
    pub style: Style,
    pub bytes: Bytes,
    /// It is in use, and not only set aside: however small, it is seen.
    pub is_used: bool,
}

/// The gauge. The first line of its area is the bar, the second one the scale.
#[derive(Debug, Clone, Copy)]
pub struct LoadGauge<'a> {
    pub theme: &'a Theme,
    /// The parts, from the left.
    pub parts: &'a [Part],
    pub line: Bytes,
    /// Memory at the right end.
    pub end: Bytes,
}

impl Widget for LoadGauge<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let [bar, scale] = Layout::vertical([Constraint::Length(1), Constraint::Length(1)]).areas(area);
        if bar.is_empty() {
            return;
        }
        let last = area.width - 1;
        let mark = ((self.line.share_of(self.end) * f64::from(area.width)).floor() as u16).min(last);
        self.bar(area.width).render(bar, buf);
        let at_mark = Rect { x: bar.x + mark, width: 1, ..bar };
        self.theme.span(self.theme.symbols.line, Role::Line).render(at_mark, buf);
        self.draw_scale(mark, scale, buf);
    }
}

impl LoadGauge<'_> {
    fn bar(&self, width: u16) -> Line<'static> {
        let mut line = Line::default();
        let (mut sum, mut taken) = (Bytes::ZERO, 0_u16);
        for part in self.parts {
            sum += part.bytes;
            let upto = (sum.share_of(self.end).min(1.0) * f64::from(width)).round() as u16;
            let least = u16::from(part.bytes >= LEAST_SEEN && part.is_used);
            let cells = upto.saturating_sub(taken).max(least).min(width - taken);
            taken += cells;
            line.push_span(Span::styled(part.symbol.repeat(cells.into()), part.style));
        }
        line.push_span(self.theme.span(self.theme.symbols.empty.repeat((width - taken).into()), Role::Dim));
        line
    }

    /// The numbers under the bar: those that fit, the line's own first.
    fn draw_scale(&self, mark: u16, area: Rect, buf: &mut Buffer) {
        let last = mb(self.end);
        let (symbol, number) = (self.theme.symbols.line, mb(self.line));
        let wide = (symbol.width() + number.len()) as u16;
        // The label stands right of the mark; or left of it, so that the end of the scale has room; or with its end at the
        // mark.
        let last_at = area.width.saturating_sub(last.len() as u16);
        let left_at = (mark + 1).saturating_sub(wide);
        let (line_at, line_label) = if mark + wide < last_at {
            (mark, format!("{symbol}{number}"))
        } else if mark + 1 < last_at {
            (left_at, format!("{number}{symbol}"))
        } else {
            // The mark itself stands over the last label.
            (last_at.saturating_sub(number.len() as u16 + 1).min(left_at), number)
        };
        let mut labels = vec![(line_label, line_at, Role::Line), ("0".to_owned(), 0, Role::Dim), (last, last_at, Role::Dim)];
        labels.extend([1, 2, 3].map(|quarter| {
            let at = u32::from(area.width) * quarter / 4;
            (mb(Bytes(self.end.0 / 4 * u64::from(quarter))), at as u16, Role::Dim)
        }));
        let mut taken: Vec<(u16, u16)> = Vec::new();
        for (label, from, role) in labels {
            let to = from + label.width() as u16;
            let is_free = taken.iter().all(|(start, end)| to < *start || from > *end);
            if taken.is_empty() || (is_free && to <= area.width) {
                let width = area.width.saturating_sub(from);
                self.theme.span(label, role).render(Rect { x: area.x + from, width, ..area }, buf);
                taken.push((from, to));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::terminal::theme::{ColorMode, ThemeName};

    /// The gauge of a budget of 2048 MB in 44 columns.
    fn drawn(parts: &[(&'static str, u64, bool)], line: u64) -> Buffer {
        let theme = Theme::new(ThemeName::Dark, ColorMode::Mono, false);
        let parts: Vec<Part> = parts
            .iter()
            .map(|(symbol, mb, is_used)| Part { symbol, style: Style::new(), bytes: Bytes::mib(*mb), is_used: *is_used })
            .collect();
        let mut buf = Buffer::empty(Rect::new(0, 0, 44, 2));
        LoadGauge { theme: &theme, parts: &parts, line: Bytes::mib(line), end: Bytes::gib(2) }.render(buf.area, &mut buf);
        buf.set_style(buf.area, Style::reset());
        buf
    }

    #[test]
    fn parts_stand_side_by_side_up_to_the_line_and_beyond() {
        let expected = ["██████████████████████▓▓▓▓▓▓░░░░░┃··········", "0          512        1024       ┃1536  2048"];
        let mut expected = Buffer::with_lines(expected);
        expected.set_style(expected.area, Style::reset());
        assert_eq!(drawn(&[("█", 1024, true), ("▓", 256, true), ("░", 256, false)], 1536), expected);
    }

    #[test]
    fn what_is_used_is_seen_however_small_and_what_is_set_aside_need_not_be() {
        let bar = |used| drawn(&[("█", 512, true), ("▓", 9, used)], 1536)[(11, 0)].symbol().to_owned();
        assert_eq!((bar(true).as_str(), bar(false).as_str()), ("▓", "·"));
    }

    #[test]
    fn the_number_of_the_line_is_told_wherever_the_line_is() {
        for line in (0..=2048).step_by(16) {
            let buf = drawn(&[], line);
            let scale: String = (0..44).map(|x| buf[(x, 1)].symbol()).collect();
            assert!(scale.contains(&line.to_string()), "{line}: {scale}");
        }
    }
}
