//! A screen as a picture: a ratatui buffer written as SVG, for documents.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

const CELL_WIDTH: f64 = 8.4;
const CELL_HEIGHT: f64 = 18.0;
const PADDING: f64 = 14.0;
const BAR: f64 = 30.0;

/// The terminal's own colours.
#[derive(Debug, Clone, Copy)]
pub struct Paper {
    ground: &'static str,
    ink: &'static str,
    /// What stands beside the screen: its title.
    title: &'static str,
}

/// Light ink on a dark ground.
pub const DARK: Paper = Paper { ground: "#1e1e2e", ink: "#cdd6f4", title: "#8a8fa8" };
/// Dark ink on a light ground.
pub const LIGHT: Paper = Paper { ground: "#fbfbf8", ink: "#262a36", title: "#6a6f80" };
/// White ink on black.
pub const BLACK: Paper = Paper { ground: "#000000", ink: "#ffffff", title: "#d0d0d0" };

/// The buffer as a complete SVG document on dark paper, in a window with `title`.
pub fn render(buf: &Buffer, title: &str) -> String {
    render_on(DARK, buf, title)
}

/// The buffer as a complete SVG document, in a window with `title`.
pub fn render_on(paper: Paper, buf: &Buffer, title: &str) -> String {
    let (columns, rows) = (f64::from(buf.area.width), f64::from(buf.area.height));
    let (width, height) = (columns * CELL_WIDTH + 2.0 * PADDING, rows * CELL_HEIGHT + 2.0 * PADDING + BAR);
    let mut out = String::new();
    let _ = writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.1} {height:.1}">"#
    );
    let _ = writeln!(out, r#"<rect width="100%" height="100%" rx="9" fill="{}"/>"#, paper.ground);
    for (at, color) in ["#f38ba8", "#f9e2af", "#a6e3a1"].iter().enumerate() {
        let _ = writeln!(out, r#"<circle cx="{}" cy="17" r="5.5" fill="{color}"/>"#, 20 + at * 19);
    }
    let font = "font-family=\"'JetBrains Mono','DejaVu Sans Mono',Menlo,Consolas,monospace\"";
    let _ = writeln!(
        out,
        r#"<text x="50%" y="21" text-anchor="middle" {font} font-size="12" fill="{}">{}</text>"#,
        paper.title,
        escape(title)
    );
    let _ = writeln!(out, r#"<g {font} font-size="14" xml:space="preserve">"#);
    for y in 0..buf.area.height {
        render_row(paper, buf, y, &mut out);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// A run of cells that look the same.
struct Run {
    x: u16,
    cells: u16,
    text: String,
    ink: String,
    ground: Option<String>,
    modifier: Modifier,
}

fn render_row(paper: Paper, buf: &Buffer, y: u16, out: &mut String) {
    let mut runs: Vec<Run> = Vec::new();
    let mut x = 0;
    while x < buf.area.width {
        let cell = &buf[(buf.area.x + x, buf.area.y + y)];
        let wide = (cell.symbol().width() as u16).max(1);
        let (ink, ground) = colors(paper, cell);
        // Symbols come from fallback fonts with widths of their own: each stands by itself.
        let alone = !cell.symbol().is_ascii();
        match runs.last_mut() {
            Some(run)
                if !alone && run.text.is_ascii() && run.ink == ink && run.ground == ground && run.modifier == cell.modifier =>
            {
                run.text.push_str(cell.symbol());
                run.cells += wide;
            }
            _ => runs.push(Run { x, cells: wide, text: cell.symbol().to_owned(), ink, ground, modifier: cell.modifier }),
        }
        x += wide;
    }
    let top = PADDING + BAR + f64::from(y) * CELL_HEIGHT;
    for run in &runs {
        if let Some(ground) = &run.ground {
            let (left, width) = (PADDING + f64::from(run.x) * CELL_WIDTH, f64::from(run.cells) * CELL_WIDTH);
            let _ =
                writeln!(out, r#"<rect x="{left:.1}" y="{top:.1}" width="{width:.1}" height="{CELL_HEIGHT}" fill="{ground}"/>"#);
        }
    }
    for run in runs.iter().filter(|run| !run.text.trim().is_empty()) {
        let left = PADDING + f64::from(run.x) * CELL_WIDTH;
        if let Some(shape) = block(&run.text, left, top, &run.ink) {
            out.push_str(&shape);
            continue;
        }
        let mut style = String::new();
        if run.modifier.contains(Modifier::BOLD) {
            style.push_str(r#" font-weight="bold""#);
        }
        if run.modifier.contains(Modifier::DIM) {
            style.push_str(r#" opacity="0.6""#);
        }
        if run.modifier.contains(Modifier::UNDERLINED) {
            style.push_str(r#" text-decoration="underline""#);
        }
        let length = f64::from(run.cells) * CELL_WIDTH;
        let _ = writeln!(
            out,
            r#"<text x="{left:.1}" y="{:.1}" textLength="{length:.1}" fill="{}"{style}>{}</text>"#,
            top + 13.6,
            run.ink,
            escape(&run.text)
        );
    }
}

/// Blocks, braille and the load line as shapes: fonts leave gaps between them, and some have none of them.
fn block(text: &str, left: f64, top: f64, ink: &str) -> Option<String> {
    let mut chars = text.chars();
    let (c, None) = (chars.next()?, chars.next()) else { return None };
    let rect = |x: f64, y: f64, width: f64, height: f64| {
        format!(r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{ink}"/>"#) + "\n"
    };
    match c {
        '█' => Some(rect(left, top + 1.0, CELL_WIDTH + 0.5, CELL_HEIGHT - 2.0)),
        '░' | '▒' | '▓' => {
            let share = f64::from(c as u32 - 0x2590) * 0.25;
            let (width, height) = (CELL_WIDTH + 0.1, CELL_HEIGHT - 2.0);
            let place = format!(r#"x="{left:.1}" y="{:.1}" width="{width:.1}" height="{height:.1}""#, top + 1.0);
            Some(format!(r#"<rect {place} fill="{ink}" opacity="{share:.2}"/>"#) + "\n")
        }
        '▞' => {
            let (half, high) = (CELL_WIDTH / 2.0, CELL_HEIGHT / 2.0 - 1.0);
            Some(rect(left + half, top + 1.0, half, high) + &rect(left, top + 1.0 + high, half, high))
        }
        '▁'..='▇' => {
            let share = f64::from(c as u32 - 0x2580) / 8.0;
            Some(rect(left, top + CELL_HEIGHT * (1.0 - share), CELL_WIDTH + 0.5, CELL_HEIGHT * share))
        }
        '▉'..='▏' => Some(rect(left, top + 1.0, CELL_WIDTH * f64::from(0x2590 - c as u32) / 8.0, CELL_HEIGHT - 2.0)),
        '─' => Some(rect(left, top + CELL_HEIGHT / 2.0 - 0.5, CELL_WIDTH + 0.1, 1.0)),
        '│' => Some(rect(left + CELL_WIDTH / 2.0 - 0.5, top, 1.0, CELL_HEIGHT + 0.1)),
        '┃' => Some(rect(left + CELL_WIDTH / 2.0 - 1.0, top, 2.0, CELL_HEIGHT + 0.1)),
        '·' => Some(rect(left + CELL_WIDTH / 2.0 - 0.7, top + CELL_HEIGHT / 2.0 - 0.7, 1.4, 1.4)),
        '╭' | '╮' | '╯' | '╰' | '└' => {
            let (middle_x, middle_y) = (left + CELL_WIDTH / 2.0, top + CELL_HEIGHT / 2.0);
            let x = if matches!(c, '╭' | '╰' | '└') { left + CELL_WIDTH } else { left };
            let y = if matches!(c, '╭' | '╮') { top + CELL_HEIGHT } else { top };
            Some(
                format!(
                    r#"<path d="M{middle_x:.1} {y:.1}Q{middle_x:.1} {middle_y:.1} {x:.1} {middle_y:.1}" fill="none" stroke="{ink}"/>"#
                ) + "\n",
            )
        }
        '\u{2800}'..='\u{28ff}' => {
            let bits = c as u32 - 0x2800;
            let dots = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
            let shown = dots.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1);
            let circle = |(_, (x, y)): (usize, &(i32, i32))| {
                let (x, y) = (left + CELL_WIDTH * (0.25 + 0.5 * f64::from(*x)), top + CELL_HEIGHT * (0.125 + 0.25 * f64::from(*y)));
                format!(r#"<circle cx="{x:.1}" cy="{y:.1}" r="1.25" fill="{ink}"/>"#)
            };
            Some(shown.map(circle).collect::<String>() + "\n")
        }
        _ => None,
    }
}

fn colors(paper: Paper, cell: &Cell) -> (String, Option<String>) {
    let (ink, ground) = (hex(cell.fg), hex(cell.bg));
    if cell.modifier.contains(Modifier::REVERSED) {
        (ground.unwrap_or_else(|| paper.ground.to_owned()), Some(ink.unwrap_or_else(|| paper.ink.to_owned())))
    } else {
        (ink.unwrap_or_else(|| paper.ink.to_owned()), ground)
    }
}

/// `None` = the terminal's own colour.
fn hex(color: Color) -> Option<String> {
    let text = match color {
        Color::Reset => return None,
        Color::Rgb(r, g, b) => return Some(format!("#{r:02x}{g:02x}{b:02x}")),
        Color::Black => "#45475a",
        Color::Red | Color::LightRed => "#f38ba8",
        Color::Green | Color::LightGreen => "#a6e3a1",
        Color::Yellow | Color::LightYellow => "#f9e2af",
        Color::Blue | Color::LightBlue => "#89b4fa",
        Color::Magenta | Color::LightMagenta => "#cba6f7",
        Color::Cyan | Color::LightCyan => "#94e2d5",
        Color::DarkGray => "#6c7086",
        _ => DARK.ink,
    };
    Some(text.to_owned())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn a_picture_holds_the_text_its_colours_and_nothing_that_breaks_xml() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 12, 2));
        buf.set_string(0, 0, "a<b & c", Style::new().fg(Color::Rgb(1, 2, 3)).add_modifier(Modifier::BOLD));
        buf.set_string(0, 1, "█⠒", Style::new().fg(Color::Green));
        let svg = render(&buf, "t<t");
        assert!(svg.contains("a&lt;b &amp; c") && svg.contains("#010203") && svg.contains("font-weight=\"bold\""), "{svg}");
        assert!(svg.contains("t&lt;t") && !svg.contains('█') && svg.matches("<circle").count() == 3 + 2, "{svg}");
    }
}
