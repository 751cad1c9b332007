//! Memory over time: one curve or several against the line, with axes. Curves are painted on a `Canvas` of braille dots, or of
//! letters where only ASCII may be shown.
//!
//! ```text
//! 2048│
//! 1536│⠒ ⠒ ⠒ ⠒ ⠒⡔⠟⠶⡄⠒ ⠒ ⠒ ⠒ ⠒ ⠒ ⠒ ⠒ ⠒ ⠒ ⠒ ⠒
//! 0   │     ◆      ◆  ◆      ◆ ◆      ◆ ◆   ◆
//!     └──────────────────────────────────────
//!     −5m             ◆ cleanup           now
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::canvas::{Canvas, Painter, Shape};
use ratatui::widgets::{Block, Borders, Widget};
use unicode_width::UnicodeWidthStr;

use crate::domain::units::Bytes;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::text::mb;

/// Rows from which on there is room for an axis of the time.
const ROOM_FOR_TIME: u16 = 5;
/// Rows that words at the end of a curve may stand beside it.
const NEAR: usize = 6;

/// One curve.
pub struct Curve<'a> {
    /// The values in each of so many equal parts of the time shown; `None` = not known.
    pub values: Box<dyn Fn(usize) -> Vec<Option<Bytes>> + 'a>,
    pub style: Style,
    /// Its look from the line on.
    pub over: Style,
    /// As many dots drawn, as many left out.
    pub dashes: (usize, usize),
    /// Tells it from others, where it cannot be dashed and at its end.
    pub letter: Option<char>,
    /// What stands at its end where there is room; else its letter does.
    pub ends: String,
}

pub struct LoadChart<'a> {
    pub theme: &'a Theme,
    /// The curves; the first lies on top.
    pub curves: Vec<Curve<'a>>,
    /// The load line; zero = none.
    pub line: Bytes,
    /// Memory at the upper edge.
    pub end: Bytes,
    /// Figures at the left besides the line's; those that are dim are ticks of the scale.
    pub labels: Vec<(Bytes, Role)>,
    /// Begin, middle and end of the time axis.
    pub time: [Line<'a>; 3],
    /// The columns with a mark at the bottom, of so many.
    pub marks: &'a dyn Fn(usize) -> Vec<bool>,
}

/// The ticks of a scale that ends here, what matters most first.
pub fn quarters(end: Bytes) -> Vec<(Bytes, Role)> {
    [4, 0, 2, 1, 3].map(|quarter| (Bytes(end.0 / 4 * quarter), Role::Dim)).to_vec()
}

impl Widget for LoadChart<'_> {
    fn render(self, area: Rect, buf: &mut Buffer) {
        let theme = self.theme;
        let area = area.intersection(buf.area);
        let has_time = area.height >= ROOM_FOR_TIME;
        let [chart, time] = Layout::vertical([Constraint::Fill(1), Constraint::Length(u16::from(has_time))]).areas(area);
        let labels = (mb(self.end).len() as u16).max(4);
        let [labels, chart] = Layout::horizontal([Constraint::Length(labels), Constraint::Fill(1)]).areas(chart);
        let axes = Block::new()
            .borders(if has_time { Borders::LEFT | Borders::BOTTOM } else { Borders::LEFT })
            .border_set(theme.symbols.axes)
            .border_style(theme.style(Role::Frame));
        let plot = axes.inner(chart);
        if plot.is_empty() || self.end == Bytes::ZERO {
            return;
        }
        axes.render(chart, buf);
        self.draw_labels(Rect { height: plot.height, ..labels }, buf);
        let time = Rect { x: chart.x, width: chart.width, ..time };
        let [begin, middle, end] = &self.time;
        begin.render(time, buf);
        if begin.width().max(end.width()) * 2 + middle.width() + 2 <= time.width.into() {
            middle.clone().centered().render(time, buf);
        }
        end.clone().right_aligned().render(time, buf);
        self.draw_curves(plot, buf);
        for (x, _) in (0..plot.width).zip((self.marks)(plot.width.into())).filter(|(_, is_marked)| *is_marked) {
            let mark = Rect { x: plot.x + x, y: plot.bottom() - 1, width: 1, height: 1 };
            theme.span(theme.symbols.cleanup, Role::Cleanup).render(mark, buf);
        }
        self.draw_ends(plot, buf);
    }
}

impl LoadChart<'_> {
    /// The row that stands for `bytes` among `rows`, each of which has so many steps.
    fn row_of(&self, bytes: Bytes, rows: u16, steps: u16) -> usize {
        let span = usize::from(rows.saturating_sub(1)) * usize::from(steps);
        ((1.0 - bytes.share_of(self.end).min(1.0)) * span as f64).round() as usize
    }

    fn draw_labels(&self, area: Rect, buf: &mut Buffer) {
        let mut taken: Vec<usize> = Vec::new();
        let line = Some((self.line, Role::Line)).filter(|(line, _)| *line > Bytes::ZERO);
        for (bytes, role) in line.into_iter().chain(self.labels.iter().copied()) {
            let row = self.row_of(bytes, area.height, 1);
            // A tick keeps a free row to what stands there; a figure has its own.
            let least = if role == Role::Dim { 2 } else { 1 };
            if taken.iter().all(|known| known.abs_diff(row) >= least) {
                let place = Rect { y: area.y + row as u16, height: 1, ..area };
                self.theme.span(mb(bytes), role).render(place, buf);
                taken.push(row);
            }
        }
    }

    /// A canvas knows colours and no weights, which are all that there is without colours: each stands for a style here.
    fn draw_curves(&self, plot: Rect, buf: &mut Buffer) {
        let curves = self.curves.iter().flat_map(|curve| [curve.style, curve.over]);
        let styles: Vec<Style> = [self.theme.style(Role::Line)].into_iter().chain(curves).collect();
        let color = |style: usize| Color::Indexed(style as u8);
        let ascii = self.theme.symbols.ascii;
        Canvas::default()
            .paint(|ctx| {
                if self.line > Bytes::ZERO {
                    ctx.marker(if ascii { Marker::Custom('-') } else { Marker::Braille });
                    ctx.draw(&self.dashes(plot, color(0)));
                    ctx.layer();
                }
                for (at, curve) in self.curves.iter().enumerate().rev() {
                    let color = |bytes: Bytes| color(at * 2 + if bytes >= self.line && self.line > Bytes::ZERO { 2 } else { 1 });
                    if !ascii {
                        ctx.draw(&self.stroke(curve, plot, color));
                        continue;
                    }
                    // A letter, or how high in its row a value stands.
                    let symbols = curve.letter.map_or(['\'', 'o', '.'], |letter| [letter.to_ascii_lowercase(); 3]);
                    for (third, symbol) in symbols.into_iter().enumerate() {
                        ctx.marker(Marker::Custom(symbol));
                        ctx.draw(&self.points(curve, plot, third, color));
                    }
                }
            })
            .render(plot, buf);
        for position in plot.positions() {
            let cell = &mut buf[position];
            if let Color::Indexed(style) = cell.fg
                && let Some(style) = styles.get(usize::from(style))
            {
                cell.set_fg(Color::Reset).set_style(*style);
            }
        }
    }

    /// The line: a dash in every other cell.
    fn dashes(&self, plot: Rect, color: Color) -> Dots {
        let cells = (0..usize::from(plot.width)).step_by(2);
        if self.theme.symbols.ascii {
            let row = self.row_of(self.line, plot.height, 1);
            return Dots(cells.map(|x| (x, row, color)).collect());
        }
        let y = self.dot_of(self.line, plot);
        Dots(cells.flat_map(|x| [(x * 2, y, color), (x * 2 + 1, y, color)]).collect())
    }

    /// Aligned with the labels, which stand in the middle of the first and the last row.
    fn dot_of(&self, bytes: Bytes, plot: Rect) -> usize {
        (self.row_of(bytes, plot.height, 4) + 2).min(usize::from(plot.height) * 4 - 1)
    }

    /// A curve of braille dots: from each value upright to the next one.
    fn stroke(&self, curve: &Curve<'_>, plot: Rect, color: impl Fn(Bytes) -> Color) -> Dots {
        let (on, off) = curve.dashes;
        // Of what shares a cell, what lies over the line gives it its look: it is painted last.
        let (mut below, mut over) = (Vec::new(), Vec::new());
        let (mut previous, mut drawn) = (None, 0);
        for (x, value) in (curve.values)(usize::from(plot.width) * 2).into_iter().enumerate() {
            let Some(value) = value else { continue };
            let y = self.dot_of(value, plot);
            let from = previous.unwrap_or(y);
            let (top, bottom) = if from < y { (from + 1, y) } else { (y, from.max(y + 1) - 1) };
            for y in top..=bottom.max(top) {
                // Dashes are counted along the curve, so that steep parts have them too.
                if drawn % (on + off) < on {
                    let dots = if value >= self.line { &mut over } else { &mut below };
                    dots.push((x, y, color(value)));
                }
                drawn += 1;
            }
            previous = Some(y);
        }
        below.append(&mut over);
        Dots(below)
    }

    /// The values of a curve that stand in this third of their row.
    fn points(&self, curve: &Curve<'_>, plot: Rect, third: usize, color: impl Fn(Bytes) -> Color) -> Dots {
        let last = usize::from(plot.height) - 1;
        let points = (curve.values)(plot.width.into()).into_iter().enumerate().filter_map(|(x, value)| {
            let value = value?;
            let at = self.row_of(value, plot.height, 3) + 1;
            (at % 3 == third).then(|| (x, (at / 3).min(last), color(value)))
        });
        Dots(points.collect())
    }

    /// What stands at the curves' ends: all of it where there is room, else the letter.
    fn draw_ends(&self, plot: Rect, buf: &mut Buffer) {
        // Rows, first and last column of what stands there already.
        let mut taken: Vec<(u16, u16, u16)> = Vec::new();
        for curve in &self.curves {
            let Some(letter) = curve.letter else { continue };
            let values = (curve.values)(plot.width.into());
            let Some((x, value)) = values.iter().enumerate().rev().find_map(|(x, value)| Some((x as u16, (*value)?))) else {
                continue;
            };
            let row = self.row_of(value, plot.height, 1) as u16;
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
                rows.take(NEAR).find(free).map(|row| (row, from, width))
            };
            // With a blank at either side, so that no curve runs into the words.
            let words = [format!(" {} ", curve.ends), format!(" {letter} ")];
            let placed = words.into_iter().find_map(|text| Some((place_of(&text)?, text)));
            let Some(((row, from, width), text)) = placed else { continue };
            let place = Rect { x: plot.x + from, y: plot.y + row, width, height: 1 };
            Span::styled(text, curve.style.add_modifier(Modifier::BOLD)).render(place, buf);
            taken.push((row, from, from + width));
        }
    }
}

/// Points of a canvas by their places in its grid, each with its colour.
struct Dots(Vec<(usize, usize, Color)>);

impl Shape for Dots {
    fn draw(&self, painter: &mut Painter<'_, '_>) {
        for (x, y, color) in &self.0 {
            painter.paint(*x, *y, *color);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::terminal::theme::{ColorMode, ThemeName};

    fn curve<'a>(letter: Option<char>, dashes: (usize, usize), mb: impl Fn(usize, usize) -> Option<u64> + 'a) -> Curve<'a> {
        Curve {
            values: Box::new(move |columns| (0..columns).map(|at| mb(at, columns).map(Bytes::mib)).collect()),
            style: Style::new(),
            over: Style::new().add_modifier(Modifier::BOLD),
            dashes,
            letter,
            ends: letter.map_or_else(String::new, |letter| format!("{letter} ends 00:50")),
        }
    }

    fn drawn(curves: Vec<Curve<'_>>, ascii: bool, width: u16, height: u16) -> Buffer {
        let theme = Theme::new(ThemeName::Dark, ColorMode::Mono, ascii);
        let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
        let chart = LoadChart {
            theme: &theme,
            curves,
            line: Bytes::mib(1536),
            end: Bytes::gib(2),
            labels: quarters(Bytes::gib(2)),
            time: ["begin", "middle", "end"].map(Line::from),
            marks: &|columns| (0..columns).map(|at| at == 3).collect(),
        };
        chart.render(buf.area, &mut buf);
        buf
    }

    fn rows(buf: &Buffer) -> Vec<String> {
        let row = |y| (0..buf.area.width).map(|x| buf[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..buf.area.height).map(row).collect()
    }

    #[test]
    fn a_curve_stands_against_the_line_with_its_axes_labels_and_marks() {
        let step = |at: usize, columns: usize| Some(if at * 2 < columns { 0 } else { 1024 });
        let one = || vec![curve(None, (1, 0), step)];
        let expected = [
            "2048│",
            "    │",
            "1536│⠤ ⠤ ⠤ ⠤ ⠤ ⠤",
            "    │",
            "1024│      ⡤⠤⠤⠤⠤⠤",
            "    │      ⡇",
            "512 │      ⡇",
            "    │      ⡇",
            "0   │⠤⠤⠤◆⠤⠤⠃",
            "    └────────────",
            "    begin     end",
        ];
        assert_eq!(rows(&drawn(one(), false, 17, 11)), expected);
        let expected = [
            "2048|",
            "    |",
            "1536|- - - - - -",
            "    |",
            "1024|      oooooo",
            "    |",
            "512 |",
            "    |",
            "0   |ooo*oo",
            "    +------------",
            "    begin     end",
        ];
        assert_eq!(rows(&drawn(one(), true, 17, 11)), expected);
    }

    #[test]
    fn what_lies_over_the_line_has_another_look_without_any_colour() {
        let buf = drawn(vec![curve(None, (1, 0), |at, columns| Some(if at * 2 < columns { 1024 } else { 2048 }))], false, 25, 7);
        let weight = |x, y| buf[(x, y)].modifier.contains(Modifier::BOLD);
        assert!(!weight(6, 2) && weight(20, 0));
        assert!(buf.content.iter().all(|cell| cell.fg == Color::Reset), "no colour is left of the painting");
    }

    #[test]
    fn curves_are_told_apart_by_their_dashes() {
        let row = |dashes| rows(&drawn(vec![curve(None, dashes, |_, _| Some(1024))], false, 60, 7))[2].clone();
        assert!(row((1, 0)) != row((3, 2)) && row((3, 2)) != row((1, 2)));
    }

    #[test]
    fn words_at_the_ends_do_not_cover_each_other() {
        let half = |at: usize, columns: usize| (at * 2 < columns).then_some(500);
        let curves = ['A', 'B', 'C', 'D'].map(|letter| curve(Some(letter), (1, 0), half));
        let text = rows(&drawn(curves.into(), false, 60, 12)).concat();
        for letter in ['A', 'B', 'C', 'D'] {
            assert!(text.contains(&format!("{letter} ends 00:50")), "{letter}");
        }
    }

    #[test]
    fn no_size_is_too_small() {
        for (width, height) in (0..20).flat_map(|width| (0..9).map(move |height| (width, height))) {
            drawn(vec![curve(Some('A'), (6, 3), |at, _| Some(at as u64 * 900))], width % 2 == 0, width, height);
        }
    }
}
