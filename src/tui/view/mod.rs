//! Draws the console. Reads the [`App`] and cannot change it.

mod cleanups;
mod compare;
mod dashboard;
mod dialog;
mod doctor;
mod events;
mod footer;
mod frame;
mod header;
mod help;
mod job;
mod log;
mod memory;
pub mod names;
mod palette;
pub(in crate::tui) mod pen;
mod plot;
mod profiles;
mod prompt;
mod queue;
mod scroll;
mod tiny;
mod warnings;
mod what_if;
mod words;

pub use pen::mb;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::tui::app::extents::Extents;
use crate::tui::app::pages::Page;
use crate::tui::app::prompt::PromptKind;
use crate::tui::app::{App, Mode};
use crate::tui::layout::Size;

/// How long what is drawn is; the app scrolls by these.
pub const EXTENTS: Extents = Extents {
    reason: job::reason_lines,
    facts: job::all_lines,
    comparison_columns: compare::columns,
    comparison_lines: compare::lines,
    doctor: doctor::lines,
    explained: what_if::explained_lines,
    is_help_longer: help::scrolls,
};

/// Draws everything.
pub fn draw(app: &App, frame: &mut Frame<'_>) {
    let area = frame.area();
    if let Some(cursor) = render(app, area, frame.buffer_mut()) {
        frame.set_cursor_position(cursor);
    }
}

/// Draws everything into a buffer; returns where the cursor of a prompt stands.
pub fn render(app: &App, area: Rect, buf: &mut Buffer) -> Option<Position> {
    let layout = app.layout(area.width, area.height);
    if layout.size == Size::Tiny && app.page() == Page::Compare {
        compare::draw_tiny(app, area, buf);
    } else if layout.size == Size::Tiny {
        tiny::draw(app, area, buf);
    } else {
        header::draw(app, &layout, buf);
        match app.page() {
            Page::Dashboard => dashboard::draw(app, &layout, buf),
            Page::Job => job::draw(app, &layout, buf),
            Page::Events => events::draw(app, layout.body(), buf),
            Page::Doctor => doctor::draw(app, layout.body(), buf),
            Page::Compare => compare::draw(app, layout.body(), buf),
        }
        footer::draw(app, layout.footer, buf);
    }
    if layout.size != Size::Tiny || area.height >= 5 {
        footer::draw_toast(app, area, buf);
    }
    let cursor = match app.mode() {
        None => None,
        Some(Mode::Help(page)) => {
            help::draw(app, page, area, buf);
            None
        }
        Some(Mode::Ask(ask)) => {
            dialog::draw(app, ask, area, buf);
            None
        }
        Some(Mode::Profiles(picker)) => {
            profiles::draw(app, picker, area, buf);
            None
        }
        Some(Mode::Warnings(row)) => {
            warnings::draw(app, *row, area, buf);
            None
        }
        Some(Mode::WhatIf) => {
            what_if::draw(app, area, buf);
            None
        }
        Some(Mode::Palette(list)) => palette::draw(app, list, area, buf),
        Some(Mode::Prompt(line)) => {
            // What is about to be kept stays in sight while its name is typed.
            if line.kind == PromptKind::SaveProfile {
                what_if::draw(app, area, buf);
            }
            prompt::draw(app, line, area, buf)
        }
    };
    if app.theme().symbols.ascii {
        only_ascii(buf);
    }
    cursor
}

/// Whatever a name or a log line brings: nothing but ASCII reaches a terminal that can show nothing else.
fn only_ascii(buf: &mut Buffer) {
    for cell in &mut buf.content {
        if !cell.symbol().is_ascii() {
            let replacement = match cell.symbol() {
                "…" => "~",
                "−" | "–" | "—" => "-",
                "·" => ".",
                "↓" => "v",
                "↑" => "^",
                "←" => "<",
                "→" => ">",
                _ => "?",
            };
            cell.set_symbol(replacement);
        }
    }
}
