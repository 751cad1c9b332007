//! Several curves of memory in one chart, with the load line: braille dots, or the columns' letters where only ASCII may be
//! shown. Each curve has a colour, a way to be dashed and a letter at its end, so that any one of the three is enough.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use crate::domain::comparison::CurvePoint;
use crate::domain::units::Bytes;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::compare::figures::duration;
use crate::tui::view::pen::{Line, mb, spoken};
use crate::tui::view::plot::dot;

/// How curves are dashed, by their places: as many dots drawn, as many left out.
const DASHES: [(usize, usize); 8] = [(1, 0), (3, 2), (1, 2), (6, 3), (2, 1), (1, 4), (4, 4), (2, 5)];
/// The chart ends at the budget where the curves come so near to it.
const NEAR_BUDGET: f64 = 0.5;

/// One curve.
pub struct Curve<'a> {
    /// Its place among all: colour and dashes.
    pub place: usize,
    /// Its letter.
    pub letter: char,
    /// Its points, in the order of time.
    pub points: &'a [CurvePoint],
    /// What stands at its end.
    pub ends: String,
    /// It did not end well.
    pub is_bad: bool,
}

/// The chart.
pub struct Chart<'a> {
    /// The looks.
    pub theme: &'a Theme,
    /// The curves; the first lies on top.
    pub curves: &'a [Curve<'a>],
    /// The load line; zero = not known.
    pub line: Bytes,
    /// The budget; zero = not known.
    pub budget: Bytes,
}

/// The scales.
struct Scale {
    seconds: f64,
    bytes: Bytes,
}

impl Chart<'_> {
    fn scale(&self) -> Scale {
        let points = || self.curves.iter().flat_map(|curve| curve.points);
        let seconds = points().map(|point| point.seconds).filter(|seconds| seconds.is_finite()).fold(1.0, f64::max);
        let highest = points().map(|point| point.hard_bytes).max().unwrap_or_default().max(self.line);
        let near = highest >= self.budget.scale(NEAR_BUDGET) && self.budget > Bytes::ZERO;
        let bytes = if near { highest.max(self.budget) } else { highest.scale(1.1) };
        Scale { seconds, bytes: bytes.max(Bytes::mib(1)) }
    }

    /// Draws it with its axes.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) {
        let (theme, scale) = (self.theme, self.scale());
        let labels = (mb(scale.bytes).len() as u16).max(4);
        if area.height < 4 || area.width < labels + 12 {
            return;
        }
        let plot = Rect::new(area.x + labels + 1, area.y, area.width - labels - 1, area.height - 2);
        self.draw_axes(&scale, area, plot, buf);
        if self.curves.is_empty() {
            Line::new(buf, plot, plot.height / 2).gap(2).put("no curve yet", theme.style(Role::Dim));
            return;
        }
        if theme.symbols.ascii {
            self.draw_in_ascii(&scale, plot, buf);
        } else {
            self.draw_in_braille(&scale, plot, buf);
        }
        self.draw_ends(&scale, plot, buf);
    }

    fn draw_axes(&self, scale: &Scale, area: Rect, plot: Rect, buf: &mut Buffer) {
        let theme = self.theme;
        let labels = plot.x - area.x - 1;
        let (dim, frame) = (theme.style(Role::Dim), theme.style(Role::Frame));
        let rows = plot.height;
        for y in 0..rows {
            Line::new(buf, area, y).gap(labels).put(theme.symbols.bar, frame);
        }
        let mut labelled = Vec::new();
        if self.line > Bytes::ZERO {
            let mark = row_of(self.line, scale, rows);
            Line::new(buf, area, mark).put(mb(self.line), theme.style(Role::Line));
            labelled.push(mark);
        }
        for quarter in [4_u64, 0, 2, 1, 3] {
            let bytes = Bytes(scale.bytes.0 / 4 * quarter);
            let y = row_of(bytes, scale, rows);
            if labelled.iter().all(|known| known.abs_diff(y) > 1) {
                Line::new(buf, area, y).put(mb(bytes), dim);
                labelled.push(y);
            }
        }
        let across = theme.symbols.frame[4].repeat(plot.width.into());
        Line::new(buf, area, rows).gap(labels).put(theme.symbols.corner, frame).put(across, frame);
        let mut line = Line::new(buf, area, rows + 1);
        line.gap(labels).put("0 s", dim);
        let middle = tick(scale.seconds / 2.0, scale.seconds);
        let at = (plot.width / 2).saturating_sub(middle.width() as u16 / 2 + 2);
        line.gap(at).put(&middle, dim);
        line.at_end(&tick(scale.seconds, scale.seconds), dim);
    }

    /// Four by two dots to a cell, the load line as dashes behind the curves.
    fn draw_in_braille(&self, scale: &Scale, plot: Rect, buf: &mut Buffer) {
        let (width, height) = (usize::from(plot.width), usize::from(plot.height));
        // Aligned with labels, which stand in the middle of the first and the last row.
        let y_of = |bytes: Bytes| {
            let span = (height - 1) * 4;
            (((1.0 - bytes.share_of(scale.bytes).min(1.0)) * span as f64).round() as usize + 2).min(height * 4 - 1)
        };
        let mut bits = vec![0_u8; width * height];
        let mut owners: Vec<Option<usize>> = vec![None; width * height];
        for curve in self.curves.iter().rev() {
            let (on, off) = DASHES[curve.place % DASHES.len()];
            let (mut previous, mut drawn) = (None, 0);
            for (x, value) in sampled(curve.points, scale.seconds, width * 2).into_iter().enumerate() {
                let Some(value) = value else { continue };
                let y = y_of(value);
                let from = previous.unwrap_or(y);
                let (top, bottom) = if from < y { (from + 1, y) } else { (y, from.max(y + 1) - 1) };
                for y in top..=bottom.max(top) {
                    // Dashes are counted along the curve, so that steep parts have them too.
                    if drawn % (on + off) < on {
                        let cell = y / 4 * width + x / 2;
                        bits[cell] |= dot(x % 2, y % 4);
                        owners[cell] = Some(curve.place);
                    }
                    drawn += 1;
                }
                previous = Some(y);
            }
        }
        let mark = y_of(self.line);
        for row in 0..height {
            for column in 0..width {
                let cell = row * width + column;
                let (bits, style) = if let Some(place) = owners[cell] {
                    (bits[cell], self.theme.curve(place))
                } else if self.line > Bytes::ZERO && mark / 4 == row && column % 2 == 0 {
                    (dot(0, mark % 4) | dot(1, mark % 4), self.theme.style(Role::Line))
                } else {
                    continue;
                };
                let symbol = char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' ');
                Line::new(buf, plot, row as u16).gap(column as u16).put(symbol.to_string(), style);
            }
        }
    }

    fn draw_in_ascii(&self, scale: &Scale, plot: Rect, buf: &mut Buffer) {
        if self.line > Bytes::ZERO {
            let row = row_of(self.line, scale, plot.height);
            for x in (0..plot.width).step_by(2) {
                Line::new(buf, plot, row).gap(x).put("-", self.theme.style(Role::Line));
            }
        }
        for curve in self.curves.iter().rev() {
            let symbol = curve.letter.to_ascii_lowercase().to_string();
            for (x, value) in sampled(curve.points, scale.seconds, plot.width.into()).into_iter().enumerate() {
                let Some(value) = value else { continue };
                let row = row_of(value, scale, plot.height);
                Line::new(buf, plot, row).gap(x as u16).put(&symbol, self.theme.curve(curve.place));
            }
        }
    }

    /// What stands at the curves' ends: all of it where there is room, else the letter.
    fn draw_ends(&self, scale: &Scale, plot: Rect, buf: &mut Buffer) {
        let theme = self.theme;
        // Rows, first and last column of what stands there already.
        let mut taken: Vec<(u16, u16, u16)> = Vec::new();
        for curve in self.curves {
            let values = sampled(curve.points, scale.seconds, plot.width.into());
            let Some((x, value)) = values.iter().enumerate().rev().find_map(|(x, value)| Some((x as u16, (*value)?))) else {
                continue;
            };
            let row = row_of(value, scale, plot.height);
            // With a blank at either side, so that no curve runs into the words.
            let long = if curve.is_bad { format!(" {} {} ", theme.symbols.bad, curve.ends) } else { format!(" {} ", curve.ends) };
            let place_of = |text: &str| {
                let width = text.width() as u16;
                // Right of the end, or left of it where there is no room.
                let from = if x + 1 + width <= plot.width { x + 1 } else { x.saturating_sub(width) };
                let rows = (0..plot.height).flat_map(|by| [row.saturating_sub(by), row.saturating_add(by)]);
                let free = |row: &u16| {
                    *row < plot.height
                        && taken.iter().all(|(known, first, last)| known != row || from > last + 1 || from + width < *first)
                };
                (from + width <= plot.width).then_some(())?;
                rows.take(6).find(free).map(|row| (row, from, width))
            };
            let short = format!(" {} ", curve.letter);
            let found = place_of(&long).map(|place| (place, &long)).or_else(|| place_of(&short).map(|place| (place, &short)));
            let Some(((row, from, width), text)) = found else { continue };
            let style = theme.curve(curve.place).add_modifier(ratatui::style::Modifier::BOLD);
            Line::new(buf, plot, row).gap(from).put(text, style);
            taken.push((row, from, from + width));
        }
    }
}

/// A time on the axis. On an axis of a few seconds whole ones would be wrong, or the same twice.
fn tick(seconds: f64, whole: f64) -> String {
    if whole < 10.0 { format!("{seconds:.1} s") } else { spoken(duration(seconds)) }
}

fn row_of(bytes: Bytes, scale: &Scale, rows: u16) -> u16 {
    ((1.0 - bytes.share_of(scale.bytes).min(1.0)) * f64::from(rows.saturating_sub(1))).round() as u16
}

/// The highest value in each of `columns` equal parts of the time; a part without a point, between two that have one, looks as
/// the one before.
fn sampled(points: &[CurvePoint], seconds: f64, columns: usize) -> Vec<Option<Bytes>> {
    let mut values: Vec<Option<Bytes>> = vec![None; columns];
    let Some(last) = columns.checked_sub(1) else { return values };
    let mut end = 0;
    for point in points {
        let at = ((point.seconds / seconds * columns as f64) as usize).min(last);
        values[at] = values[at].max(Some(point.hard_bytes));
        end = end.max(at);
    }
    let mut before = None;
    for value in values.iter_mut().take(end + 1) {
        *value = value.or(before);
        before = *value;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::terminal::theme::{ColorMode, ThemeName};

    fn points(values: &[(f64, u64)]) -> Vec<CurvePoint> {
        values.iter().map(|(seconds, mb)| CurvePoint { seconds: *seconds, hard_bytes: Bytes::mib(*mb) }).collect()
    }

    #[test]
    fn each_part_of_the_time_has_its_highest_value_and_the_curve_ends_where_the_run_did() {
        let sampled = sampled(&points(&[(0.0, 10), (1.0, 30), (1.2, 20), (6.0, 5)]), 10.0, 5);
        let mb: Vec<Option<u64>> = sampled.iter().map(|value| value.map(|bytes| bytes.0 >> 20)).collect();
        assert_eq!(mb, [Some(30), Some(30), Some(30), Some(5), None]);
    }

    #[test]
    fn times_of_a_short_axis_are_told_with_tenths() {
        assert_eq!([0.75, 1.5].map(|at| tick(at, 1.5)), ["0.8 s", "1.5 s"]);
        assert_eq!([0.5, 1.0].map(|at| tick(at, 1.0)), ["0.5 s", "1.0 s"]);
        assert!(!tick(30.0, 60.0).contains('.'));
    }

    #[test]
    fn curves_are_told_apart_without_any_colour() {
        let theme = Theme::new(ThemeName::Dark, ColorMode::Mono, false);
        let flat = points(&(0..100).map(|at| (f64::from(at), 500)).collect::<Vec<_>>());
        let drawn = |place: usize| {
            let curves = [Curve { place, letter: 'A', points: &flat, ends: "A".to_owned(), is_bad: false }];
            let chart = Chart { theme: &theme, curves: &curves, line: Bytes::ZERO, budget: Bytes::ZERO };
            let area = Rect::new(0, 0, 70, 10);
            let mut buf = Buffer::empty(area);
            chart.draw(area, &mut buf);
            (0..70).map(|x| buf[(x, 1)].symbol().to_owned()).collect::<String>()
        };
        let all: Vec<String> = (0..DASHES.len()).map(drawn).collect();
        for (at, one) in all.iter().enumerate() {
            assert!(all[..at].iter().all(|other| other != one), "{at}: {one}");
        }
    }

    #[test]
    fn letters_at_the_ends_do_not_cover_each_other() {
        let theme = Theme::new(ThemeName::Dark, ColorMode::Mono, false);
        let flat = points(&[(0.0, 500), (50.0, 500)]);
        let curves: Vec<Curve<'_>> = ['A', 'B', 'C', 'D']
            .into_iter()
            .enumerate()
            .map(|(place, letter)| Curve { place, letter, points: &flat, ends: format!("{letter} ends 00:50"), is_bad: false })
            .collect();
        let area = Rect::new(0, 0, 60, 12);
        let mut buf = Buffer::empty(area);
        Chart { theme: &theme, curves: &curves, line: Bytes::mib(600), budget: Bytes::mib(700) }.draw(area, &mut buf);
        let text: String = buf.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        for letter in ['A', 'B', 'C', 'D'] {
            assert!(text.contains(&format!("{letter} ends 00:50")), "{letter}");
        }
    }

    #[test]
    fn foreign_points_are_no_trouble() {
        let theme = Theme::new(ThemeName::Dark, ColorMode::Mono, false);
        let wild = points(&[(f64::NAN, 1), (-5.0, u64::MAX >> 21), (1e300, 3), (f64::INFINITY, 0)]);
        let curves = [Curve { place: 99, letter: '?', points: &wild, ends: "?".to_owned(), is_bad: true }];
        for (width, height) in [(1, 1), (20, 4), (200, 60), (17, 3)] {
            let area = Rect::new(0, 0, width, height);
            let mut buf = Buffer::empty(area);
            Chart { theme: &theme, curves: &curves, line: Bytes(1), budget: Bytes(u64::MAX) }.draw(area, &mut buf);
        }
    }
}
