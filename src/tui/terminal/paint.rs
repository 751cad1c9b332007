//! Changed cells as the fewest bytes that do it: one sequence for a whole change of look, short moves of the cursor, and no
//! change of colour for a blank. A line over SSH is slow, and what is not sent cannot be torn.

use std::io::Write as _;

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

/// What shows in a blank too.
const SHOWS_IN_A_BLANK: Modifier = Modifier::UNDERLINED.union(Modifier::REVERSED).union(Modifier::CROSSED_OUT);
/// Modifiers, the code that sets each, and the code that takes it away.
const CODES: [(Modifier, u8, u8); 9] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::RAPID_BLINK, 6, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];
/// Lines up to which line feeds are shorter than a full address.
const FEEDS: u16 = 3;

/// Appends what shows `cells` to `out`: row by row, each from left to right. Begins and ends with the terminal's own look.
pub fn paint<'a>(out: &mut Vec<u8>, cells: impl Iterator<Item = (u16, u16, &'a Cell)>) {
    let mut writer = CellWriter { out, fg: Color::Reset, bg: Color::Reset, weight: Modifier::empty(), at: None };
    for (x, y, cell) in cells {
        writer.go(x, y);
        writer.take(cell);
        let symbol = cell.symbol();
        writer.out.extend_from_slice(symbol.as_bytes());
        // Terminals disagree on the width of what is not plainly one column wide: the next cell is addressed.
        writer.at = Some((if symbol.width() == 1 { Some(x + 1) } else { None }, y));
    }
    if (writer.fg, writer.bg, writer.weight) != (Color::Reset, Color::Reset, Modifier::empty()) {
        writer.out.extend_from_slice(b"\x1b[m");
    }
}

struct CellWriter<'o> {
    out: &'o mut Vec<u8>,
    fg: Color,
    bg: Color,
    weight: Modifier,
    /// Where the cursor stands, as far as it is known: its column, its row.
    at: Option<(Option<u16>, u16)>,
}

impl CellWriter<'_> {
    fn go(&mut self, x: u16, y: u16) {
        // Writing to memory does not fail.
        let _ = match self.at {
            Some((Some(column), row)) if (column, row) == (x, y) => Ok(()),
            Some((Some(column), row)) if row == y && column < x => self.forward(x - column),
            Some((_, row)) if row == y => write!(self.out, "\x1b[{}G", x + 1),
            Some((_, row)) if row < y && y - row <= FEEDS => {
                self.out.push(b'\r');
                self.out.extend((row..y).map(|_| b'\n'));
                if x > 0 { self.forward(x) } else { Ok(()) }
            }
            _ => write!(self.out, "\x1b[{};{}H", y + 1, x + 1),
        };
    }

    fn forward(&mut self, columns: u16) -> std::io::Result<()> {
        if columns == 1 { self.out.write_all(b"\x1b[C") } else { write!(self.out, "\x1b[{columns}C") }
    }

    /// Changes the look to the cell's, as far as it shows.
    fn take(&mut self, cell: &Cell) {
        let is_blank = cell.symbol() == " ";
        let (mut fg, mut weight) = (cell.fg, cell.modifier);
        if is_blank {
            weight = (weight & SHOWS_IN_A_BLANK) | (self.weight - SHOWS_IN_A_BLANK);
            if !weight.intersects(SHOWS_IN_A_BLANK) {
                fg = self.fg;
            }
        }
        let mut codes: Vec<u8> = Vec::new();
        let mut add = |code: &str| {
            if !codes.is_empty() {
                codes.push(b';');
            }
            codes.extend_from_slice(code.as_bytes());
        };
        let gone = self.weight - weight;
        let mut kept = self.weight & weight;
        let mut last = 0;
        for (modifier, _, off) in CODES {
            if gone.contains(modifier) {
                if last != off {
                    add(&off.to_string());
                }
                last = off;
                // 22 takes bold and dim away together, 25 both kinds of blinking.
                for (other, _, its) in CODES {
                    if its == off {
                        kept.remove(other);
                    }
                }
            }
        }
        for (modifier, on, _) in CODES {
            if (weight - kept).contains(modifier) {
                add(&on.to_string());
            }
        }
        if fg != self.fg {
            add(&code_of(fg, 30));
        }
        if cell.bg != self.bg {
            add(&code_of(cell.bg, 40));
        }
        if !codes.is_empty() {
            self.out.extend_from_slice(b"\x1b[");
            self.out.extend_from_slice(&codes);
            self.out.push(b'm');
        }
        (self.fg, self.bg, self.weight) = (fg, cell.bg, weight);
    }
}

/// A colour as SGR has it; `base` is 30 for the foreground, 40 for the background.
fn code_of(color: Color, base: u8) -> String {
    let plain = |number: u8| if number < 8 { (base + number).to_string() } else { (base + 52 + number).to_string() };
    match color {
        Color::Reset => (base + 9).to_string(),
        Color::Black => plain(0),
        Color::Red => plain(1),
        Color::Green => plain(2),
        Color::Yellow => plain(3),
        Color::Blue => plain(4),
        Color::Magenta => plain(5),
        Color::Cyan => plain(6),
        Color::Gray => plain(7),
        Color::DarkGray => plain(8),
        Color::LightRed => plain(9),
        Color::LightGreen => plain(10),
        Color::LightYellow => plain(11),
        Color::LightBlue => plain(12),
        Color::LightMagenta => plain(13),
        Color::LightCyan => plain(14),
        Color::White => plain(15),
        Color::Indexed(number) => format!("{};5;{number}", base + 8),
        Color::Rgb(r, g, b) => format!("{};2;{r};{g};{b}", base + 8),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    const SIZE: (u16, u16) = (24, 6);

    fn screen(bytes: &[u8]) -> vt100::Parser {
        let mut parser = vt100::Parser::new(SIZE.1.try_into().expect("rows"), SIZE.0.try_into().expect("columns"), 0);
        parser.process(bytes);
        parser
    }

    fn color(color: vt100::Color) -> Color {
        match color {
            vt100::Color::Default => Color::Reset,
            vt100::Color::Idx(index) => Color::Indexed(index),
            vt100::Color::Rgb(r, g, b) => Color::Rgb(r, g, b),
        }
    }

    fn assert_shown(parser: &vt100::Parser, buf: &Buffer) {
        let mut covered = 0;
        for y in 0..SIZE.1 {
            for x in 0..SIZE.0 {
                if covered > 0 {
                    covered -= 1;
                    continue;
                }
                let (cell, seen) = (&buf[(x, y)], parser.screen().cell(y, x).expect("a cell"));
                covered = cell.symbol().width().saturating_sub(1);
                let text = if seen.has_contents() { seen.contents() } else { " " };
                assert_eq!(text, cell.symbol(), "at {x},{y}");
                assert_eq!(color(seen.bgcolor()), cell.bg, "bg at {x},{y}");
                assert_eq!(seen.inverse(), cell.modifier.contains(Modifier::REVERSED), "reversed at {x},{y}");
                assert_eq!(seen.underline(), cell.modifier.contains(Modifier::UNDERLINED), "underlined at {x},{y}");
                if cell.symbol() != " " {
                    assert_eq!(color(seen.fgcolor()), cell.fg, "fg at {x},{y}");
                    assert_eq!(seen.bold(), cell.modifier.contains(Modifier::BOLD), "bold at {x},{y}");
                    assert_eq!(seen.dim(), cell.modifier.contains(Modifier::DIM), "dim at {x},{y}");
                }
            }
        }
    }

    #[test]
    fn a_change_of_look_is_one_sequence_and_blanks_need_no_ink() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 9, 2));
        let blue = Style::new().fg(Color::Rgb(1, 2, 3)).add_modifier(Modifier::BOLD);
        buf.set_string(0, 0, "ab", blue);
        buf.set_string(2, 0, " ", Style::new());
        buf.set_string(3, 0, "c", blue);
        buf.set_string(2, 1, "d", Style::new());
        let cells = [(0, 0), (1, 0), (2, 0), (3, 0), (2, 1)];
        let mut out = Vec::new();
        paint(&mut out, cells.iter().map(|(x, y)| (*x, *y, &buf[(*x, *y)])));
        assert_eq!(String::from_utf8_lossy(&out), "\x1b[1;1H\x1b[1;38;2;1;2;3mab c\r\n\x1b[2C\x1b[22;39md");
    }

    #[test]
    fn what_follows_a_wide_character_is_addressed() {
        let mut buf = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
        buf.set_string(1, 1, "日本 a", Style::new());
        let mut bytes = b"\x1b[H\x1b[2J".to_vec();
        paint(&mut bytes, Buffer::empty(buf.area).diff(&buf).into_iter());
        assert_shown(&screen(&bytes), &buf);
        assert!(String::from_utf8_lossy(&bytes).contains("日\x1b[4G本\x1b[7Ga"), "{bytes:?}");
    }

    fn any_style() -> impl Strategy<Value = Style> {
        let color =
            || prop_oneof![Just(Color::Reset), Just(Color::Rgb(9, 8, 7)), Just(Color::Indexed(77)), Just(Color::Indexed(3))];
        let weight = prop::sample::select(vec![
            Modifier::empty(),
            Modifier::BOLD,
            Modifier::DIM,
            Modifier::UNDERLINED,
            Modifier::REVERSED,
            Modifier::BOLD.union(Modifier::UNDERLINED),
        ]);
        (color(), color(), weight).prop_map(|(fg, bg, weight)| Style::new().fg(fg).bg(bg).add_modifier(weight))
    }

    proptest! {
        #[test]
        fn a_terminal_shows_what_was_painted_frame_after_frame(
            frames in prop::collection::vec(
                prop::collection::vec((0..SIZE.0, 0..SIZE.1, "[a-c é█]{1,8}", any_style()), 0..14),
                1..5,
            ),
        ) {
            let area = Rect::new(0, 0, SIZE.0, SIZE.1);
            let (mut shown, mut bytes) = (Buffer::empty(area), b"\x1b[H\x1b[2J".to_vec());
            for frame in frames {
                let mut next = Buffer::empty(area);
                for (x, y, text, style) in &frame {
                    for x in *x..SIZE.0.min(x + 8) {
                        next[(x, *y)].reset();
                    }
                    next.set_stringn(*x, *y, text, usize::from(SIZE.0 - x), *style);
                }
                paint(&mut bytes, shown.diff(&next).into_iter());
                assert_shown(&screen(&bytes), &next);
                shown = next;
            }
        }
    }
}
