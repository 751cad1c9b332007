//! Whole screens as they look, and what keys do to them.

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use crate::domain::command::{Command, MoveTo};
use crate::domain::comparison::saved::{ComparisonList, RunUnderWay, SavedComparison, Standing};
use crate::domain::comparison::{Column, CurvePoint, RunFigures, RunTag};
use crate::domain::event::{Event, EventKind};
use crate::domain::job::{JobId, LogLevel, LogLine, Outcome, StopReason, WholeLog};
use crate::domain::profile::Profile;
use crate::domain::text::path_text;
use crate::domain::time::{Mono, Wall};
use crate::domain::units::Bytes;
use crate::runtime::link::Completion;
use crate::runtime::link::{Attached, LineNews, LookStep, Playing, QueueNow, Update};
use crate::tui::app::line::WindowOn;
use crate::tui::app::{App, Settings};
use crate::tui::input::action::{Action, Effect, Found, Look};
use crate::tui::input::keymap::{KeyChange, KeyMode, Keymap};
use crate::tui::terminal::theme::{ColorMode, ThemeName};
use crate::tui::tests::fixture::{
    Story, all_done, apply_from, busy, checkup, damaged, no_room, on_event, over, plan, press, profiles, run_finished, settings,
};
use crate::tui::tests::fixture_compared::{compared, comparisons, id, naive, under_way};
use crate::tui::{svg, view};

mod any;
mod comparisons;
#[allow(clippy::too_many_arguments)] // a story is told in one line a fact
pub(in crate::tui) mod fixture;
pub(in crate::tui) mod fixture_compared;
mod fresh;
mod frozen;
mod in_sight;
mod keys;
mod line;
mod looks_only;
mod measured;
mod on_a_terminal;
mod operator;
mod pages;
mod states;
mod traced;
mod undone;
mod watched;
mod what_if;

const SIZES: [(u16, u16); 5] = [(120, 36), (80, 24), (60, 16), (40, 10), (200, 60)];
const SCREENS: [&str; 48] = [
    "damaged",
    "job_damaged",
    "no_room",
    "events_damaged",
    "busy",
    "empty",
    "over",
    "naive",
    "help",
    "help_words",
    "marked",
    "replay",
    "cancel",
    "quit",
    "leave",
    "leave_end",
    "lost",
    "start_server",
    "kill",
    "delete",
    "end_comparison",
    "release",
    "profiles",
    "add",
    "filter",
    "log",
    "memory",
    "all_done",
    "warnings",
    "job",
    "job_held",
    "job_failed",
    "events",
    "doctor",
    "watched",
    "watched_none",
    "whole_log",
    "palette",
    "compare",
    "compare_live",
    "compare_naive",
    "comparisons",
    "comparisons_none",
    "what_if",
    "what_if_looking",
    "what_if_guesses",
    "what_if_explain",
    "what_if_save",
];

fn screen(name: &str, color: ColorMode, ascii: bool) -> App {
    let window = match name {
        "leave" | "leave_end" | "start_server" => Some(WindowOn { can_start: true, ..WindowOn::default() }),
        "lost" => Some(WindowOn { host: Some("encoder".to_owned()), ..WindowOn::default() }),
        _ => None,
    };
    let settings = Settings { replay: name == "replay", window, ..settings(color, ascii) };
    let mut app = match name {
        "empty" => Story::new(true).app(settings),
        "over" | "warnings" | "job_held" | "events" | "what_if" => over().app(settings),
        "naive" => busy(false).app(settings),
        "all_done" => all_done().app(settings),
        "damaged" | "job_damaged" | "events_damaged" => damaged().app(settings),
        "no_room" => no_room().app(settings),
        "end_comparison" | "release" => comparing(settings),
        "watched" => watched::watching().app(settings),
        _ => busy(true).app(settings),
    };
    if name != "empty" {
        press(&mut app, "gk");
    }
    match name {
        "replay" => {
            let playing = Playing { length: Mono::from_millis(1_000_000), speed: 2.0, paused: false };
            app.on_update(Update::Playing(playing));
            press(&mut app, "g");
        }
        "busy" | "naive" | "all_done" => drop(press(&mut app, "g")),
        "help" => drop(press(&mut app, "?")),
        "help_words" => drop(press(&mut app, "?<tab>")),
        "marked" => drop(press(&mut app, "jjjjv.jjj.D")),
        "cancel" => drop(press(&mut app, "x")),
        "quit" | "leave" => drop(press(&mut app, "q")),
        "leave_end" => {
            let consoles = [("me on pts/3", true), ("root over ssh", false)];
            let attached = |(who, own): (&str, bool)| Attached { who: who.to_owned(), view: false, own };
            app.on_update(Update::Line(LineNews::Attached(consoles.map(attached).to_vec())));
            press(&mut app, "q<down>");
        }
        "lost" | "start_server" => {
            let gone = name == "start_server";
            let why = if gone { "no plimsoll works there" } else { "ssh cannot connect to encoder" }.to_owned();
            let lost = LineNews::Lost { why, again_in: Duration::from_secs(4), gone };
            app.on_update(Update::Line(lost));
        }
        "kill" => drop(press(&mut app, "qyq")),
        "delete" => drop(press(&mut app, "GD")),
        "end_comparison" => drop(press(&mut app, "q")),
        "release" => drop(press(&mut app, "S<tab>")),
        "profiles" => drop(press(&mut app, "p<down>")),
        "add" => {
            press(&mut app, "al");
            let offers = ["lecture-03.mp4".to_owned(), "lecture-04.mp4".to_owned()].to_vec();
            app.update(Action::Completed(Completion { asked: "l".to_owned(), line: "lecture-0".to_owned(), offers }));
        }
        "filter" => drop(press(&mut app, "/tut")),
        "log" => drop(press(&mut app, "4z/<up>frame<enter>")),
        "memory" => drop(press(&mut app, "1z")),
        "warnings" => drop(press(&mut app, "W")),
        "damaged" => drop(press(&mut app, "Gkkk")),
        "job_damaged" => drop(press(&mut app, "Gkkk<enter>")),
        "events_damaged" => drop(press(&mut app, "e")),
        "job" => drop(press(&mut app, "g<enter>")),
        "job_held" => drop(press(&mut app, "gjjj<enter>")),
        "job_failed" => drop(press(&mut app, "Gk<enter>")),
        "events" => drop(press(&mut app, "ejj")),
        "palette" => drop(press(&mut app, ":cl<down>")),
        "what_if" => foretold(&mut app, false, ""),
        "what_if_looking" => {
            press(&mut app, "w");
            app.update(Action::Found(Box::new(Found::AheadSoFar(1, LookStep::Probed { done: 3, of: 6 }))));
        }
        "what_if_guesses" => foretold(&mut app, true, "jj"),
        "what_if_explain" => foretold(&mut app, true, "e"),
        "what_if_save" => foretold(&mut app, false, "s"),
        "doctor" => {
            press(&mut app, "d");
            app.update(Action::Found(Box::new(Found::Checkup(Ok(checkup())))));
        }
        "watched" | "watched_none" => drop(press(&mut app, "i")),
        "compare" => open(&mut app, compared()),
        "compare_live" => open(&mut app, under_way()),
        "compare_naive" => {
            open(&mut app, naive());
            draw(&mut app, 120, 36);
            press(&mut app, "<tab>");
        }
        "comparisons" | "comparisons_none" => {
            press(&mut app, "c");
            let found = if name == "comparisons" { comparisons() } else { ComparisonList::default() };
            app.update(Action::Found(Box::new(Found::Comparisons(Ok(found)))));
            press(&mut app, "j");
        }
        "whole_log" => {
            press(&mut app, "g<enter>zol");
            app.update(Action::Found(Box::new(Found::Log(JobId(17), 1, Ok(whole_log())))));
            press(&mut app, "/retried<enter>");
        }
        _ => {}
    }
    app
}

/// The queue is held, nothing is at work any more, and a comparison of what waits is being made.
fn comparing(settings: Settings) -> App {
    let mut story = busy(true);
    story.emit(EventKind::QueuePaused);
    for job in [17, 18] {
        let reason = "x".to_owned();
        story.emit(EventKind::JobRequeued {
            job: JobId(job),
            attempt: 1,
            reason,
            delay_ms: 900,
            uncounted: true,
            for_room: false,
            away: None,
        });
    }
    let mut app = story.app(settings);
    assert!(matches!(press(&mut app, "V")[0], Effect::Compare(..)));
    press(&mut app, "c");
    app
}

/// Asks what if, is answered, and presses further keys.
fn foretold(app: &mut App, guessed: bool, keys: &str) {
    let effects = press(app, "w");
    let Some(Effect::Look(Look::Ahead(number, _))) = effects.last() else { panic!("{effects:?}") };
    app.update(Action::Found(Box::new(Found::Ahead(*number, Box::new(Ok(plan(guessed)))))));
    press(app, keys);
}

/// The newest comparison of the list, opened.
fn open(app: &mut App, kept: SavedComparison) {
    assert_eq!(press(app, "c"), vec![Effect::Look(Look::Comparisons)]);
    app.update(Action::Found(Box::new(Found::Comparisons(Ok(comparisons())))));
    assert_eq!(press(app, "<enter>"), vec![Effect::Look(Look::Comparison(id(0)))]);
    app.update(Action::Found(Box::new(Found::Comparison(id(0), Ok(kept.into())))));
}

/// The file of a chatty job.
fn whole_log() -> WholeLog {
    let line = |at: i64, level, text: String| LogLine { at: Wall(1_795_348_900_000 + at * 1000), level, text };
    let mut lines =
        vec![line(0, LogLevel::Info, format!("job 17, try 1: /usr/bin/ffmpeg -hide_banner {}", "-an -option value ".repeat(14)))];
    for at in 1..3000 {
        let (level, text) = match at % 700 {
            0 => (LogLevel::Error, format!("[h264] error while decoding MB {at} 30, bytestream -7; retried")),
            350 => (LogLevel::Warning, format!("[mov,mp4] timestamp discontinuity at {at}")),
            _ => (LogLevel::Info, format!("[libx264] frame {at} QP 21.4 size {}", at * 37 % 9000)),
        };
        lines.push(line(at / 20, level, text));
    }
    WholeLog { lines, left_out: Bytes::ZERO }
}

fn draw(app: &mut App, width: u16, height: u16) -> Buffer {
    app.update(Action::Resize(width, height));
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal.draw(|frame| view::draw(app, frame)).expect("draws");
    terminal.backend().buffer().clone()
}

fn text(buf: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buf.area.height {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..buf.area.width {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = buf[(x, y)].symbol();
            skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// The look of each run of cells: `y x+length colour weights`.
fn styles(buf: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buf.area.height {
        let mut runs: Vec<(u16, u16, String)> = Vec::new();
        for x in 0..buf.area.width {
            let cell = &buf[(x, y)];
            let color = |color| match color {
                Color::Reset => "-".to_owned(),
                Color::Rgb(r, g, b) => format!("{r:02x}{g:02x}{b:02x}"),
                other => other.to_string(),
            };
            let weights: String =
                [(Modifier::BOLD, 'b'), (Modifier::DIM, 'd'), (Modifier::UNDERLINED, 'u'), (Modifier::REVERSED, 'r')]
                    .into_iter()
                    .filter_map(|(modifier, letter)| cell.modifier.contains(modifier).then_some(letter))
                    .collect();
            let fg = if cell.symbol() == " " { "-".to_owned() } else { color(cell.fg) };
            let look = format!("{fg}/{} {weights}", color(cell.bg));
            match runs.last_mut() {
                Some((_, length, known)) if *known == look => *length += 1,
                _ => runs.push((x, 1, look)),
            }
        }
        let _ = write!(out, "{y:>2}");
        for (x, length, look) in runs.iter().filter(|(_, _, look)| look != "-/- ") {
            let _ = write!(out, " {x}+{length} {}", look.trim_end());
        }
        out.push('\n');
    }
    out
}

#[test]
fn every_screen_looks_as_reviewed_at_every_size() {
    for name in SCREENS {
        for (width, height) in SIZES {
            let colour = text(&draw(&mut screen(name, ColorMode::True, false), width, height));
            let sixteen = text(&draw(&mut screen(name, ColorMode::Sixteen, false), width, height));
            let mono = draw(&mut screen(name, ColorMode::Mono, false), width, height);
            let ascii = text(&draw(&mut screen(name, ColorMode::True, true), width, height));
            assert_eq!(colour, sixteen, "{name} {width}x{height}: colours change looks, not words");
            assert_eq!(colour, text(&mono), "{name} {width}x{height}: colours change looks, not words");
            for cell in &mono.content {
                assert!(cell.fg == Color::Reset && cell.bg == Color::Reset, "{name} {width}x{height}: a colour in monochrome");
            }
            assert!(ascii.is_ascii(), "{name} {width}x{height}: not ASCII: {ascii}");
            let mut reviewed = format!("{colour}\n=== ascii\n{ascii}");
            if height >= 16 {
                let buf = draw(&mut screen(name, ColorMode::True, false), width, height);
                let _ = write!(reviewed, "\n=== looks, truecolor\n{}\n=== looks, monochrome\n{}", styles(&buf), styles(&mono));
            }
            insta::assert_snapshot!(format!("{name}_{width}x{height}"), reviewed);
        }
    }
}

#[test]
fn bars_are_seen_without_colours_too() {
    // Memory at the limit, whose meaning is a reversed one.
    let mut story = busy(true);
    let Some(EventKind::MemorySampled(figures)) =
        story.events.iter().rev().map(|event| event.kind.clone()).find(|kind| matches!(kind, EventKind::MemorySampled(_)))
    else {
        panic!("no sample")
    };
    let figures = crate::domain::event::MemoryFigures {
        level: crate::domain::memory::Level::Critical,
        counted_bytes: figures.budget_bytes,
        hard_bytes: figures.budget_bytes,
        ..figures
    };
    story.emit(EventKind::MemorySampled(figures));
    let mut limit = story.app(settings(ColorMode::Mono, false));
    press(&mut limit, "G");
    for (name, app) in [("compare", &mut screen("compare", ColorMode::Mono, false)), ("limit", &mut limit)] {
        let buf = draw(app, 120, 36);
        let bars: Vec<usize> = (0..buf.content.len()).filter(|at| buf.content[*at].symbol() == "█").collect();
        assert!(bars.len() > 20, "{name}: {}", text(&buf));
        for at in bars {
            let place = (at % 120, at / 120);
            assert!(!buf.content[at].modifier.contains(Modifier::REVERSED), "{name} at {place:?}:\n{}", text(&buf));
        }
    }
}

#[test]
fn nothing_of_the_help_is_cut_off() {
    let page = text(&draw(&mut screen("help", ColorMode::True, false), 200, 60));
    let narrow = text(&draw(&mut screen("help", ColorMode::True, false), 80, 60));
    for (name, page) in [("wide", page), ("narrow", narrow)] {
        for binding in
            crate::tui::input::keymap::TABLE.iter().filter(|binding| !binding.help.is_empty() && !binding.name.is_empty())
        {
            assert!(page.contains(binding.help), "{name}: {} of {}:\n{page}", binding.help, binding.name);
        }
    }
}

#[test]
fn a_narrow_header_tells_its_counts_closer_together() {
    let header = |width| text(&draw(&mut screen("busy", ColorMode::True, false), width, 16)).lines().next().map(str::to_owned);
    assert!(header(80).is_some_and(|line| line.contains("▶ 2  ○ 6  ✔ 2  ⊘ 1  ✖ 1")));
    assert!(header(60).is_some_and(|line| line.contains("▶2 ○6 ✔2 ⊘1 ✖1")), "{:?}", header(60));
}

#[test]
fn a_question_is_read_to_its_end_however_narrow_the_screen() {
    for width in [120, 80, 60, 44] {
        let shown = text(&draw(&mut screen("cancel", ColorMode::True, false), width, 16));
        let words: Vec<&str> = shown.split_whitespace().collect();
        assert!(words.contains(&"thrown") && words.contains(&"away."), "{width}:\n{shown}");
    }
}

#[test]
fn the_looks_of_sixteen_colours_are_as_reviewed() {
    let buf = draw(&mut screen("busy", ColorMode::Sixteen, false), 80, 24);
    insta::assert_snapshot!("looks_sixteen_80x24", styles(&buf));
}

#[test]
fn with_sixteen_colours_nothing_is_said_in_those_that_terminals_show_next_to_unreadable() {
    for (theme, poor) in [
        (ThemeName::Dark, [Color::Blue, Color::DarkGray, Color::Black, Color::Gray]),
        (ThemeName::Light, [Color::Yellow, Color::Green, Color::Cyan, Color::DarkGray]),
    ] {
        for name in SCREENS {
            let mut app = screen(name, ColorMode::Sixteen, false);
            app.set_theme(theme);
            for cell in &draw(&mut app, 120, 36).content {
                assert!(!poor.contains(&cell.fg), "{name}, {theme:?}: {:?} {:?}", cell.fg, cell.symbol());
            }
        }
    }
}

#[test]
fn names_that_are_not_ascii_stay_off_an_ascii_screen() {
    let mut story = Story::new(true);
    story.queue(1, "видео–日本語…😀.mp4", 10).log(None, LogLevel::Info, "→ é");
    let mut app = story.app(settings(ColorMode::Mono, true));
    assert!(text(&draw(&mut app, 120, 36)).is_ascii());
}

/// Looks of a whole screen, each with the background that it is meant for.
const LOOKS: [(&str, ThemeName, ColorMode, bool, svg::Paper); 6] = [
    ("dark", ThemeName::Dark, ColorMode::True, false, svg::DARK),
    ("light", ThemeName::Light, ColorMode::True, false, svg::LIGHT),
    ("contrast", ThemeName::HighContrast, ColorMode::True, false, svg::BLACK),
    ("mono", ThemeName::Mono, ColorMode::True, false, svg::DARK),
    ("ascii", ThemeName::Dark, ColorMode::True, true, svg::DARK),
    ("sixteen", ThemeName::Dark, ColorMode::Sixteen, false, svg::DARK),
];

#[test]
#[ignore = "draws some five hundred pictures: `just looks DIR`"]
fn every_screen_is_drawn_as_a_picture_in_every_look_and_size() {
    let folder = std::env::var_os("PLIMSOLL_LOOKS").expect("PLIMSOLL_LOOKS names the folder for them");
    for (look, theme, mode, ascii, paper) in LOOKS {
        for name in SCREENS {
            for (width, height) in SIZES {
                let mut app = screen(name, mode, ascii);
                app.set_theme(theme);
                let buf = draw(&mut app, width, height);
                let file = std::path::Path::new(&folder).join(format!("{look}-{width}x{height}-{name}.svg"));
                std::fs::write(file, svg::render_on(paper, &buf, &app.title())).expect("written");
            }
        }
    }
}

/// Contrast of two colours, 1 to 21, as WCAG 2.2 defines it.
fn contrast(one: (u8, u8, u8), other: (u8, u8, u8)) -> f64 {
    let luminance = |(r, g, b): (u8, u8, u8)| {
        let linear = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// A colour of the cube or of the greys of 256.
fn of_256(number: u8) -> (u8, u8, u8) {
    let level = |step: u8| if step == 0 { 0 } else { 55 + step * 40 };
    match number.checked_sub(16).expect("none of the terminal's own") {
        at @ 0..216 => (level(at / 36), level(at / 6 % 6), level(at % 6)),
        grey => (8 + (grey - 216) * 10, 8 + (grey - 216) * 10, 8 + (grey - 216) * 10),
    }
}

#[test]
fn every_letter_of_every_screen_stands_out_from_its_ground() {
    assert!((contrast((0, 0, 0), (255, 255, 255)) - 21.0).abs() < 1e-9);
    assert!((contrast((0x76, 0x76, 0x76), (255, 255, 255)) - 4.54).abs() < 0.01);
    // The terminal's own colours, as terminals come: foreground and background.
    let (dark, light) = (((0xcd, 0xd6, 0xf4), (0x1e, 0x1e, 0x2e)), ((0x26, 0x2a, 0x36), (0xfb, 0xfb, 0xf8)));
    let (black, white) = (((0xff, 0xff, 0xff), (0, 0, 0)), ((0, 0, 0), (0xff, 0xff, 0xff)));
    let mut poor = std::collections::BTreeMap::new();
    let themes = [(ThemeName::Dark, [dark, black]), (ThemeName::Light, [light, white]), (ThemeName::HighContrast, [black, black])];
    let modes = [ColorMode::True, ColorMode::Indexed];
    for ((theme, terminals), mode) in themes.into_iter().flat_map(|theme| modes.map(|mode| (theme, mode))) {
        for name in SCREENS {
            let mut app = screen(name, mode, false);
            app.set_theme(theme);
            let buf = draw(&mut app, 120, 36);
            for (at, cell) in buf.content.iter().enumerate() {
                // Frames and dots are there to be overlooked; blocks are no letters.
                let is_text = cell.symbol().chars().any(|c| c.is_alphanumeric() || "▶○✔↻‖⊘◆✖▲◐●".contains(c));
                if !is_text {
                    continue;
                }
                for (own_ink, own_ground) in terminals {
                    let rgb = |color: Color, own| match color {
                        Color::Rgb(r, g, b) => (r, g, b),
                        Color::Indexed(number) => of_256(number),
                        _ => own,
                    };
                    let found = contrast(rgb(cell.fg, own_ink), rgb(cell.bg, own_ground));
                    if found < 4.5 {
                        let place = (at % 120, at / 120);
                        poor.entry(format!("{theme:?} {:?} on {:?}", cell.fg, cell.bg))
                            .or_insert(format!("{found:.2} on {own_ground:02x?} at {place:?} of {name}"));
                    }
                }
            }
        }
    }
    assert!(poor.is_empty(), "{poor:#?}");
}

#[test]
fn a_warning_leads_to_the_profile_that_it_advises() {
    let mut app = screen("over", ColorMode::True, false);
    assert!(text(&draw(&mut app, 120, 36)).contains("1 warning, W tells"));
    press(&mut app, "W");
    let page = text(&draw(&mut app, 120, 36));
    assert!(page.contains("4 cleanups at the line within 10 min") && page.contains("try profile safe"), "{page}");
    assert_eq!(press(&mut app, "<enter>"), vec![]);
    let effects = press(&mut app, "<enter>");
    assert!(matches!(&effects[..], [Effect::Send(_, Command::SelectProfile(profile))] if profile.name == "safe"), "{effects:?}");
    let mut calm = screen("busy", ColorMode::True, false);
    press(&mut calm, "W");
    assert!(text(&draw(&mut calm, 120, 36)).contains("no warning sign is seen"));
    assert_eq!(press(&mut calm, "<enter>"), vec![]);
    assert!(calm.mode().is_none(), "without a sign there is nothing to choose");
}

#[test]
fn a_job_that_the_governor_stopped_is_told_from_one_that_the_operator_paused() {
    let mut app = screen("over", ColorMode::Mono, false);
    let row = |app: &mut App| text(&draw(app, 120, 36)).lines().find(|line| line.contains("match-cam2")).map(str::to_owned);
    let stopped = row(&mut app).expect("shown");
    assert!(stopped.contains("‖ stopped") && stopped.contains("for memory") && !stopped.contains("paused"), "{stopped}");
    let mut story = over();
    story.emit(EventKind::JobPaused { job: JobId(18), by_governor: false });
    on_event(&mut app, &story.events[story.events.len() - 1]);
    let paused = row(&mut app).expect("shown");
    assert!(paused.contains("‖ paused") && paused.contains("by hand"), "{paused}");
}

#[test]
fn the_gauge_shows_every_part_by_a_symbol_of_its_own_with_and_without_colours() {
    for (mode, ascii) in [(ColorMode::True, false), (ColorMode::Mono, false), (ColorMode::True, true)] {
        let mut app = screen("busy", mode, ascii);
        let screen = text(&draw(&mut app, 120, 36));
        let gauge: Vec<char> = screen.lines().nth(3).expect("the gauge").chars().skip(1).take(44).collect();
        let count = |symbol: &str| gauge.iter().filter(|c| symbol.contains(**c)).count();
        let [jobs, console, _, cache, reserved] = app.theme().symbols.parts;
        // 1102 MB of jobs, 38 of the console, 172 of cache, and 118 of 720 + 500 reserved: 46 MB a cell.
        assert_eq!([jobs, console, cache, reserved].map(count), [24, 1, 3, 3], "{screen}");
        assert_eq!(count(app.theme().symbols.line), 1, "{screen}");
        assert!(screen.contains("jobs 1102") && screen.contains("console 38") && screen.contains("cache 172"), "{screen}");
        assert!(screen.contains("reserved 1220  118 unused  252 free"), "{screen}");
    }
}

#[test]
fn the_page_of_a_job_tells_what_was_asked_how_far_it_is_and_what_happened() {
    let mut app = screen("job", ColorMode::True, false);
    let page = text(&draw(&mut app, 120, 36));
    for wanted in ["#17 lecture-04.mp4", "-c:v libx264 -preset medium", "63 %", "612 MB now", "reserved 720 MB", "expected 626 MB"]
    {
        assert!(page.contains(wanted), "{wanted}:\n{page}");
    }
    assert!(page.contains("started, try 1") && page.contains("h264 1920x1080 29.97 fps"), "{page}");
    // The next row, and back to the panes with the keys where they were.
    press(&mut app, "<tab>");
    assert_eq!(app.selected(), Some(JobId(18)));
    press(&mut app, "<esc>");
    assert!(text(&draw(&mut app, 120, 36)).contains("2 Queue"));
    let mut held = screen("job_held", ColorMode::True, false);
    let page = text(&draw(&mut held, 120, 36));
    assert!(page.contains("needs 562 MB, 0 MB free; runs when #17 ends"), "{page}");
}

#[test]
fn a_log_with_lines_that_are_no_longer_kept_is_read_from_its_file() {
    let mut story = Story::new(true);
    story.queue(1, "a.mp4", 1).start(1, 1);
    for line in 0..2500 {
        story.log(Some(1), LogLevel::Info, &format!("line {line:04}."));
    }
    // Of one at work the latest lines are shown, and the file only where it is asked for.
    assert_eq!(press(&mut story.app(settings(ColorMode::True, false)), "g<enter>"), vec![]);
    story.finish(1, Outcome::Done, 300, 9.0, None);
    let mut app = story.app(settings(ColorMode::True, false));
    draw(&mut app, 120, 36);
    assert_eq!(press(&mut app, "g<enter>"), vec![Effect::Look(Look::Log(JobId(1), 1))]);
    let line = |text: &str| LogLine { at: Wall(0), level: LogLevel::Info, text: text.to_owned() };
    let mut lines = vec![line("the very first line")];
    lines.extend((0..2500).map(|at| line(&format!("line {at:04}."))));
    app.update(Action::Found(Box::new(Found::Log(JobId(1), 1, Ok(WholeLog { lines, left_out: Bytes::ZERO })))));
    press(&mut app, "g");
    assert!(text(&draw(&mut app, 120, 36)).contains("the very first line"));
    press(&mut app, "o");
    let latest = text(&draw(&mut app, 120, 36));
    assert!(latest.contains("line 2499.") && latest.contains("2500 lines"), "{latest}");
    // What cannot be read is told, and what is kept stays on the screen.
    assert_eq!(press(&mut app, "o"), vec![Effect::Look(Look::Log(JobId(1), 1))]);
    app.update(Action::Found(Box::new(Found::Log(JobId(1), 1, Err("cannot read it".to_owned())))));
    let told = text(&draw(&mut app, 120, 36));
    assert!(told.contains("cannot read it") && told.contains("line 2499."), "{told}");
}

#[test]
fn the_event_list_is_filtered_leads_to_the_job_and_keeps_what_was_refused() {
    let mut app = screen("events", ColorMode::True, false);
    press(&mut app, "/no moov<enter>g");
    let filtered = text(&draw(&mut app, 120, 36));
    assert!(filtered.contains("filter no moov, 1") && filtered.contains("failed after 4.0 s: exit 1, no moov"), "{filtered}");
    press(&mut app, "<enter>");
    assert_eq!(app.selected(), Some(JobId(13)));
    assert!(text(&draw(&mut app, 120, 36)).contains("Job #13 phone-vert.3gp"));
    let effects = press(&mut app, "r");
    let [Effect::Send(id, Command::Retry(JobId(13)))] = effects[..] else { panic!("{effects:?}") };
    app.on_update(Update::Reply(id, Err(crate::domain::refusal::Refusal::Other.because("not now".to_owned()))));
    press(&mut app, "e/<c-u>answer<enter>");
    assert!(text(&draw(&mut app, 120, 36)).contains("retry #13: not now"));
    // The chosen entry stays chosen while new ones come.
    press(&mut app, "/<c-u><enter>gjj");
    let row = |app: &mut App| {
        let buf = draw(app, 120, 36);
        let selected = (0..36).find(|y| buf[(3, *y)].bg != Color::Reset).expect("a chosen row");
        (selected, (0..120).map(|x| buf[(x, selected)].symbol()).collect::<String>())
    };
    let (before, words) = row(&mut app);
    let mut story = over();
    story.emit(EventKind::QueuePaused);
    on_event(&mut app, &story.events[story.events.len() - 1]);
    assert_eq!(row(&mut app), (before + 1, words));
}

#[test]
fn long_log_lines_are_wrapped_on_demand_and_nothing_of_them_is_lost() {
    let mut story = Story::new(true);
    let long: Vec<String> = (0..60).map(|at| format!("word{at:02}")).collect();
    story.queue(1, "a.mp4", 1).start(1, 1).log(Some(1), LogLevel::Info, &long.join(" ")).log(Some(1), LogLevel::Info, "the end.");
    let mut app = story.app(settings(ColorMode::True, false));
    press(&mut app, "g");
    assert!(!text(&draw(&mut app, 80, 24)).contains("word59"));
    press(&mut app, "4zl");
    let wrapped = text(&draw(&mut app, 80, 24));
    for word in &long {
        assert!(wrapped.contains(word.as_str()), "{word}:\n{wrapped}");
    }
    assert!(wrapped.contains("the end."));
}

#[test]
fn commands_are_found_by_a_few_letters_and_profiles_by_their_name() {
    let mut app = screen("busy", ColorMode::True, false);
    assert_eq!(press(&mut app, ":zzz<enter>"), vec![], "nothing to choose");
    assert!(text(&draw(&mut app, 120, 36)).contains("no command has these letters"));
    press(&mut app, "<esc>:evn<enter>");
    assert!(text(&draw(&mut app, 120, 36)).contains("latest first"), "evn finds events");
    let effects = press(&mut app, "<esc>:fast<enter>");
    assert!(matches!(&effects[..], [Effect::Send(_, Command::SelectProfile(profile))] if profile.name == "fast"), "{effects:?}");
}

#[test]
fn the_picker_shows_what_was_measured_beside_the_guides_words() {
    let mut app = screen("profiles", ColorMode::True, false);
    for (width, height) in [(120, 36), (80, 24), (60, 16)] {
        let page = text(&draw(&mut app, width, height));
        assert!(page.contains("Very High") && page.contains("not tried yet"), "{page}");
        assert!(page.contains("/min") && (page.contains("1 of 3 bad") || page.contains("1/3 bad")), "{page}");
    }
}

#[test]
fn hints_and_help_fit_and_name_the_way_out() {
    let mut app = screen("busy", ColorMode::True, false);
    for width in [60, 80, 100, 120] {
        let text = text(&draw(&mut app, width, 30));
        assert!(text.lines().last().is_some_and(|line| line.contains("q quit")), "{width}: {text}");
    }
}
