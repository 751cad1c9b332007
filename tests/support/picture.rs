//! The screen of a terminal as a picture.

#[path = "svg.rs"]
#[allow(dead_code)] // the other papers are for the looks of every theme
mod svg;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

/// The screen as SVG.
pub fn svg(screen: &vt100::Screen, title: &str) -> String {
    svg::render(&buffer(screen), title)
}

/// Screens one after the other as one moving SVG, each for so many seconds; `still` is shown where nothing may move.
pub fn moving(frames: Vec<(Buffer, f64)>, still: usize, title: &str) -> String {
    let frames: Vec<svg::Frame> = frames.into_iter().map(|(screen, seconds)| svg::Frame { screen, seconds }).collect();
    svg::animate(svg::DARK, &frames, still, title)
}

fn color(color: vt100::Color) -> Color {
    match color {
        vt100::Color::Default => Color::Reset,
        vt100::Color::Idx(index) => Color::Indexed(index),
        vt100::Color::Rgb(red, green, blue) => Color::Rgb(red, green, blue),
    }
}

/// What stands in the cells of the screen.
pub fn buffer(screen: &vt100::Screen) -> Buffer {
    let (rows, columns) = screen.size();
    let mut buffer = Buffer::empty(Rect::new(0, 0, columns.get(), rows.get()));
    for row in 0..rows.get() {
        for column in 0..columns.get() {
            let Some(seen) = screen.cell(row, column) else { continue };
            let cell = &mut buffer[(column, row)];
            if seen.has_contents() {
                cell.set_symbol(seen.contents());
            }
            cell.set_fg(color(seen.fgcolor())).set_bg(color(seen.bgcolor()));
            for (on, modifier) in [
                (seen.bold(), Modifier::BOLD),
                (seen.dim(), Modifier::DIM),
                (seen.underline(), Modifier::UNDERLINED),
                (seen.inverse(), Modifier::REVERSED),
            ] {
                if on {
                    cell.modifier |= modifier;
                }
            }
        }
    }
    buffer
}
