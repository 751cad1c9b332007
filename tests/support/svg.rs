//! A screen as a picture: a ratatui buffer written as SVG, for documents.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
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
    let mut out = window(paper, buf.area, title, "");
    for y in 0..buf.area.height {
        render_row(paper, buf, y, &mut out);
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// What a moving picture shows for a while.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The screen.
    pub screen: Buffer,
    /// For so long.
    pub seconds: f64,
}

/// Screens of one size one after the other, again and again, as one SVG document without a script: every row is drawn once for
/// as long as it stays the same. Whoever wants nothing to move, or cannot show it, sees the
/// frame `still`.
pub fn animate(paper: Paper, frames: &[Frame], still: usize, title: &str) -> String {
    let whole: f64 = frames.iter().map(|frame| frame.seconds).sum();
    let from = |frame: usize| frames[..frame].iter().fold(0.0, |sum, frame| sum + frame.seconds) / whole * 100.0;
    let (mut rows, mut times) = (String::new(), BTreeSet::new());
    let area = frames.first().map_or(Rect::ZERO, |frame| frame.screen.area);
    for y in 0..area.height {
        let row = |frame: usize| {
            let mut row = String::new();
            render_row(paper, &frames[frame].screen, y, &mut row);
            row
        };
        let mut begin = 0;
        while begin < frames.len() {
            let shown = row(begin);
            let end = (begin + 1..frames.len()).find(|next| row(*next) != shown).unwrap_or(frames.len());
            if !shown.is_empty() {
                let _ = if (begin, end) == (0, frames.len()) {
                    write!(rows, "{shown}")
                } else {
                    times.insert((begin, end));
                    writeln!(rows, "<g class=\"f{begin}-{end}\">\n{shown}</g>")
                };
            }
            begin = end;
        }
    }
    let mut style = "<style>g[class]{visibility:hidden}".to_owned();
    for (begin, end) in times {
        let (name, from, to) = (format!("f{begin}-{end}"), from(begin), from(end));
        // Hidden, shown from its time on, and hidden again: nothing in between.
        let before = if begin == 0 { String::new() } else { "0%{visibility:hidden}".to_owned() };
        let after = if end == frames.len() { String::new() } else { format!("{to:.2}%{{visibility:hidden}}") };
        let last = if end == frames.len() { "visible" } else { "hidden" };
        let _ = write!(style, "@keyframes {name}{{{before}{from:.2}%{{visibility:visible}}{after}100%{{visibility:{last}}}}}");
        let stays = if (begin..end).contains(&still) { "visibility:visible;" } else { "" };
        let _ = write!(style, "g.{name}{{{stays}animation:{name} {whole:.1}s step-end infinite}}");
    }
    style.push_str("@media(prefers-reduced-motion:reduce){g[class]{animation:none!important}}</style>\n");
    let mut out = window(paper, area, title, &style);
    out.push_str(&rows);
    out.push_str("</g>\n</svg>\n");
    out
}

/// The beginning of a document: a window with a title, and the group that the screen's cells stand in.
fn window(paper: Paper, area: Rect, title: &str, style: &str) -> String {
    let (columns, rows) = (f64::from(area.width), f64::from(area.height));
    let (width, height) = (columns * CELL_WIDTH + 2.0 * PADDING, rows * CELL_HEIGHT + 2.0 * PADDING + BAR);
    let mut out = String::new();
    let _ = writeln!(
        out,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.1} {height:.1}">"#
    );
    out.push_str(style);
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
    let _ = writeln!(out, r#"<g {font} font-size="14" fill="{}" xml:space="preserve">"#, paper.ink);
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
        // Symbols come from fallback fonts with widths of their own: each stands by itself, unless it is drawn as one shape.
        let joins = |text: &str| {
            (cell.symbol().is_ascii() && text.is_ascii()) || (WIDE.contains(&cell.symbol()) && text.ends_with(cell.symbol()))
        };
        match runs.last_mut() {
            Some(run) if joins(&run.text) && run.ink == ink && run.ground == ground && run.modifier == cell.modifier => {
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
        if run.cells > 1 {
            let _ = write!(style, r#" textLength="{:.1}""#, f64::from(run.cells) * CELL_WIDTH);
        }
        if run.ink != paper.ink {
            let _ = write!(style, r#" fill="{}""#, run.ink);
        }
        let _ = writeln!(out, r#"<text x="{left:.1}" y="{:.1}"{style}>{}</text>"#, top + 13.6, escape(&run.text));
    }
}

/// What makes one shape with its neighbours of the same kind.
const WIDE: [&str; 5] = ["█", "░", "▒", "▓", "─"];

/// Blocks, braille and the load line as shapes: fonts leave gaps between them, and some have none of them.
fn block(text: &str, left: f64, top: f64, ink: &str) -> Option<String> {
    let c = text.chars().next()?;
    if text.chars().any(|other| other != c) {
        return None;
    }
    let across = CELL_WIDTH * text.chars().count() as f64;
    let rect = |x: f64, y: f64, width: f64, height: f64| {
        format!(r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{ink}"/>"#) + "\n"
    };
    match c {
        '█' => Some(rect(left, top + 1.0, across + 0.5, CELL_HEIGHT - 2.0)),
        '░' | '▒' | '▓' => {
            let share = f64::from(c as u32 - 0x2590) * 0.25;
            let (width, height) = (across + 0.1, CELL_HEIGHT - 2.0);
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
        '─' => Some(rect(left, top + CELL_HEIGHT / 2.0 - 0.5, across + 0.1, 1.0)),
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
            let dot = |(_, (x, y)): (usize, &(i32, i32))| {
                let (x, y) = (left + CELL_WIDTH * (0.25 + 0.5 * f64::from(*x)), top + CELL_HEIGHT * (0.125 + 0.25 * f64::from(*y)));
                format!("M{x:.1} {y:.1}h0")
            };
            let dots: String = shown.map(dot).collect();
            Some(format!(r#"<path d="{dots}" stroke="{ink}" stroke-width="2.5" stroke-linecap="round"/>"#) + "\n")
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
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn a_picture_holds_the_text_its_colours_and_nothing_that_breaks_xml() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 12, 2));
        buf.set_string(0, 0, "a<b & c", Style::new().fg(Color::Rgb(1, 2, 3)).add_modifier(Modifier::BOLD));
        buf.set_string(0, 1, "█⠒", Style::new().fg(Color::Green));
        let svg = render(&buf, "t<t");
        assert!(svg.contains("a&lt;b &amp; c") && svg.contains("#010203") && svg.contains("font-weight=\"bold\""), "{svg}");
        assert!(svg.contains("t&lt;t") && !svg.contains('█') && svg.matches("h0").count() == 2, "{svg}");
    }

    #[test]
    fn a_moving_picture_draws_what_stays_once_and_what_changes_in_its_time() {
        let screen = |text: &str| {
            let mut buf = Buffer::empty(Rect::new(0, 0, 12, 2));
            buf.set_string(0, 0, "it stays", Style::new());
            buf.set_string(0, 1, text, Style::new());
            buf
        };
        let frame = |text: &str, seconds| Frame { screen: screen(text), seconds };
        let frames = [frame("first", 1.0), frame("second", 2.0), frame("second", 1.0), frame("first", 1.0)];
        let svg = animate(DARK, &frames, 1, "title");
        assert_eq!((svg.matches("it stays").count(), svg.matches(">second").count(), svg.matches(">first").count()), (1, 1, 2));
        assert!(svg.contains("@keyframes f1-3{0%{visibility:hidden}20.00%{visibility:visible}80.00%{visibility:hidden}"), "{svg}");
        assert!(
            svg.contains(".f1-3{visibility:visible;animation:f1-3 5.0s step-end infinite}") && !svg.contains("<script"),
            "{svg}"
        );
        assert!(svg.contains("@keyframes f0-1{0.00%{visibility:visible}20.00%{visibility:hidden}"), "{svg}");
        assert!(!svg.contains(".f0-1{visibility:visible"), "of the others nothing stays: {svg}");
    }
}
