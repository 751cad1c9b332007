//! The dashboard of the README, drawn by the program itself: the demo in a pseudo-terminal, its screen written as SVG.
#![allow(clippy::disallowed_methods)] // a test watches the real clock

#[path = "support/pty.rs"]
#[allow(dead_code)]
mod pty;

use plimsoll::tui::svg;
use pty::Terminal;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

fn color(color: vt100::Color) -> Color {
    match color {
        vt100::Color::Default => Color::Reset,
        vt100::Color::Idx(index) => Color::Indexed(index),
        vt100::Color::Rgb(red, green, blue) => Color::Rgb(red, green, blue),
    }
}

fn buffer(screen: &vt100::Screen) -> Buffer {
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

#[test]
#[ignore = "writes docs/dashboard.svg; run it by `just picture`"]
fn the_readmes_picture_is_the_demos_own_screen() {
    let home = tempfile::tempdir().expect("a home");
    let cache = std::env::var("XDG_CACHE_HOME").unwrap_or_else(|_| format!("{}/.cache", std::env::var("HOME").expect("a home")));
    let mut terminal = Terminal::start_with(120, 36, home.path(), &["demo", "--yes"], &[("XDG_CACHE_HOME", &cache)]);
    // A moment at which there is something to see of everything: two jobs at work, ends of each kind, the line crossed.
    terminal.wait_for("✔ 1 done");
    terminal.wait_for("2 running");
    terminal.send("g");
    terminal.wait("a telling screen", |screen| {
        screen.contains("2 running") && screen.contains("◆ ▲") && screen.contains("▲ over the line")
    });
    let picture = terminal.with_screen(|screen| svg::render(&buffer(screen), "plimsoll demo"));
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/dashboard.svg");
    std::fs::write(&path, picture).expect("written");
}
