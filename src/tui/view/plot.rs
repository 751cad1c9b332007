//! A curve of memory in a rectangle: braille dots, or three letters a row where only ASCII may be shown. Marks are dashes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::units::Bytes;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::pen::Line;

/// A curve.
pub struct Plot<'a> {
    /// The looks.
    pub theme: &'a Theme,
    /// Memory at the upper edge.
    pub end: Bytes,
    /// Dashes stand here, and from here on the curve warns.
    pub mark: Bytes,
}

impl Plot<'_> {
    /// Values wanted for a rectangle of this width.
    pub fn columns(&self, width: u16) -> usize {
        if self.theme.symbols.ascii { width.into() } else { usize::from(width) * 2 }
    }

    /// The row that stands for `bytes` among `rows`.
    pub fn row_of(&self, bytes: Bytes, rows: u16) -> u16 {
        ((1.0 - bytes.share_of(self.end).min(1.0)) * f64::from(rows.saturating_sub(1))).round() as u16
    }

    /// Draws `values`, one for each of [`Plot::columns`].
    pub fn draw(&self, values: &[Option<Bytes>], area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        if area.is_empty() || self.end == Bytes::ZERO {
            return;
        }
        if self.theme.symbols.ascii {
            self.draw_in_ascii(values, area, buf);
        } else {
            self.draw_in_braille(values, area, buf);
        }
    }

    fn role(&self, is_over: bool) -> Role {
        if is_over && self.mark > Bytes::ZERO { Role::Warn } else { Role::Running }
    }

    /// Four by two dots to a cell: the curve as a line, the mark as dashes behind it.
    fn draw_in_braille(&self, values: &[Option<Bytes>], area: Rect, buf: &mut Buffer) {
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        let dots = height * 4;
        // Aligned with labels, which stand in the middle of the first and the last row.
        let y_of = |bytes: Bytes| {
            let span = (height - 1) * 4;
            (((1.0 - bytes.share_of(self.end).min(1.0)) * span as f64).round() as usize + 2).min(dots - 1)
        };
        let mut curve = vec![0_u8; width * height];
        let mut over = vec![false; width * height];
        let mut previous = None;
        for (x, value) in values.iter().enumerate().take(width * 2) {
            let Some(value) = value else { continue };
            let y = y_of(*value);
            let from = previous.unwrap_or(y);
            let (top, bottom) = if from < y { (from + 1, y) } else { (y, from.max(y + 1) - 1) };
            for y in top..=bottom.max(top) {
                let cell = y / 4 * width + x / 2;
                curve[cell] |= dot(x % 2, y % 4);
                over[cell] |= *value >= self.mark;
            }
            previous = Some(y);
        }
        let mark = y_of(self.mark);
        for row in 0..height {
            for column in 0..width {
                let cell = row * width + column;
                let (bits, role) = if curve[cell] != 0 {
                    (curve[cell], self.role(over[cell]))
                } else if self.mark > Bytes::ZERO && mark / 4 == row && column % 2 == 0 {
                    (dot(0, mark % 4) | dot(1, mark % 4), Role::Line)
                } else {
                    continue;
                };
                let symbol = char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' ');
                Line::new(buf, area, row as u16).gap(column as u16).put(symbol.to_string(), self.theme.style(role));
            }
        }
    }

    fn draw_in_ascii(&self, values: &[Option<Bytes>], area: Rect, buf: &mut Buffer) {
        if self.mark > Bytes::ZERO {
            let row = self.row_of(self.mark, area.height);
            for x in (0..area.width).step_by(2) {
                Line::new(buf, area, row).gap(x).put("-", self.theme.style(Role::Line));
            }
        }
        let thirds = f64::from((area.height - 1) * 3);
        for (x, value) in values.iter().enumerate() {
            let Some(value) = value else { continue };
            let third = ((1.0 - value.share_of(self.end).min(1.0)) * thirds).round() as u16 + 1;
            let symbol = ["'", "o", "."][usize::from(third % 3)];
            let style = self.theme.style(self.role(*value >= self.mark));
            Line::new(buf, area, (third / 3).min(area.height - 1)).gap(x as u16).put(symbol, style);
        }
    }
}

/// The bit of a braille pattern: Unicode numbers the dots down the left column, then the right, and the lowest row last.
pub(super) const fn dot(x: usize, y: usize) -> u8 {
    match (x, y) {
        (0, 3) => 0x40,
        (_, 3) => 0x80,
        (0, y) => 1 << y,
        (_, y) => 8 << y,
    }
}
