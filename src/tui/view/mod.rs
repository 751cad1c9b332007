//! Draws the console. Reads the [`App`] and cannot change it, but for telling it how long what scrolls is.

mod cleanups;
mod compare;
mod dashboard;
mod dialog;
mod doctor;
mod events;
mod footer;
pub(in crate::tui) mod frame;
mod header;
mod help;
mod job;
mod leave;
mod log;
mod memory;
pub mod names;
mod palette;
mod profiles;
mod prompt;
mod queue;
pub(in crate::tui) mod text;
mod tiny;
mod warnings;
mod watched;
mod what_if;
mod widgets;
mod words;

pub use text::mb;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};

use crate::tui::app::prompt::PromptKind;
use crate::tui::app::{App, Mode};
use crate::tui::layout::Size;
use crate::tui::pages::Page;

/// Draws everything.
pub fn draw(app: &App, frame: &mut Frame<'_>) {
    let area = frame.area();
    if let Some(cursor) = render(app, area, frame.buffer_mut()) {
        frame.set_cursor_position(cursor);
    }
}

/// Draws everything into a buffer; returns where the cursor of a prompt stands.
pub fn render(app: &App, area: Rect, buf: &mut Buffer) -> Option<Position> {
    if let Some(job) = app.selected().and_then(|id| app.shown().jobs.get(&id)).filter(|_| app.page() == Page::Job) {
        app.facts_need(job::reason_lines(app, job, area.width));
    }
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
            Page::Watched => watched::draw(app, layout.body(), buf),
            Page::Compare => compare::draw(app, layout.body(), buf),
        }
    }
    if layout.size != Size::Tiny || area.height >= 5 {
        footer::draw_toast(app, area, buf);
    }
    if app.lost().is_some() {
        // What is shown is of the past.
        buf.set_style(area, Style::new().add_modifier(Modifier::DIM));
    }
    let cursor = draw_popup(app, area, buf);
    // What keys do is known when all that they scroll is drawn.
    if layout.size != Size::Tiny && !matches!(app.mode(), Some(Mode::Prompt(_))) {
        footer::draw(app, layout.footer, buf);
    }
    if app.theme().symbols.ascii {
        only_ascii(buf);
    }
    cursor
}

/// Draws what lies over the page; returns where the cursor of a prompt stands.
fn draw_popup(app: &App, area: Rect, buf: &mut Buffer) -> Option<Position> {
    match app.mode() {
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
        Some(Mode::Leave(row)) => {
            leave::draw(app, *row, area, buf);
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
    }
}

/// Whatever a name or a log line brings: nothing but ASCII reaches a terminal that can show nothing else.
pub(in crate::tui) fn only_ascii(buf: &mut Buffer) {
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
