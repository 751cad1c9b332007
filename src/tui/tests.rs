//! Whole screens as they look, and what keys do to them.

use std::fmt::Write as _;

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use crate::domain::command::{Command, MoveTo, Rejection};
use crate::domain::comparison::kept::{Kept, RunUnderWay, Shelf, Standing};
use crate::domain::comparison::{Column, CurvePoint, RunFigures, RunTag};
use crate::domain::event::{Event, EventKind};
use crate::domain::job::{JobId, LogLevel, LogLine, Outcome, StopReason, WholeLog};
use crate::domain::profile::Profile;
use crate::domain::text::path_text;
use crate::domain::time::Wall;
use crate::domain::units::Bytes;
use crate::runtime::link::{LookStep, QueueNow, Update};
use crate::tui::action::{Action, Effect, Found, Look};
use crate::tui::app::{App, Settings};
use crate::tui::complete::Completion;
use crate::tui::fixture::{Story, all_done, busy, checkup, hear, over, plan, press, profiles, run_finished, settings};
use crate::tui::fixture_compared::{compared, id, naive, shelf, under_way};
use crate::tui::keymap::{KeyChange, KeyMode, Keymap};
use crate::tui::theme::{ColorMode, ThemeName};
use crate::tui::{svg, view};

const SIZES: [(u16, u16); 5] = [(120, 36), (80, 24), (60, 16), (40, 10), (200, 60)];
const SCREENS: [&str; 31] = [
    "busy",
    "empty",
    "over",
    "naive",
    "help",
    "cancel",
    "quit",
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
    let settings = settings(color, ascii);
    let mut app = match name {
        "empty" => Story::new(true).app(settings),
        "over" | "warnings" | "job_held" | "events" | "what_if" => over().app(settings),
        "naive" => busy(false).app(settings),
        "all_done" => all_done().app(settings),
        _ => busy(true).app(settings),
    };
    if name != "empty" {
        press(&mut app, "gk");
    }
    match name {
        "busy" | "naive" | "all_done" => drop(press(&mut app, "g")),
        "help" => drop(press(&mut app, "?")),
        "cancel" => drop(press(&mut app, "x")),
        "quit" => drop(press(&mut app, "q")),
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
        "compare" => open(&mut app, compared()),
        "compare_live" => open(&mut app, under_way()),
        "compare_naive" => {
            open(&mut app, naive());
            draw(&mut app, 120, 36);
            press(&mut app, "<tab>");
        }
        "comparisons" | "comparisons_none" => {
            press(&mut app, "c");
            let found = if name == "comparisons" { shelf() } else { Shelf::default() };
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

/// Asks what if, is answered, and presses further keys.
fn foretold(app: &mut App, guessed: bool, keys: &str) {
    let effects = press(app, "w");
    let Some(Effect::Look(Look::Ahead(number, _))) = effects.last() else { panic!("{effects:?}") };
    app.update(Action::Found(Box::new(Found::Ahead(*number, Box::new(Ok(plan(guessed)))))));
    press(app, keys);
}

/// The newest comparison of the list, opened.
fn open(app: &mut App, kept: Kept) {
    assert_eq!(press(app, "c"), vec![Effect::Look(Look::Comparisons)]);
    app.update(Action::Found(Box::new(Found::Comparisons(Ok(shelf())))));
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
            let ink = if cell.symbol() == " " { "-".to_owned() } else { color(cell.fg) };
            let look = format!("{ink}/{} {weights}", color(cell.bg));
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
    story.tell(EventKind::MemorySampled(figures));
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
        for binding in crate::tui::keymap::TABLE.iter().filter(|binding| !binding.help.is_empty() && !binding.name.is_empty()) {
            assert!(page.contains(binding.help), "{name}: {} of {}:\n{page}", binding.help, binding.name);
        }
    }
}

#[test]
fn a_narrow_header_tells_what_failed_before_what_is_done() {
    let header = |width| text(&draw(&mut screen("busy", ColorMode::True, false), width, 16)).lines().next().map(str::to_owned);
    assert!(header(80).is_some_and(|line| line.contains("▶ 2  ○ 6  ✔ 2  ⊘ 1  ✖ 1")));
    assert!(header(60).is_some_and(|line| line.contains("▶ 2  ○ 6  ✖ 1")), "{:?}", header(60));
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
fn names_that_are_not_ascii_stay_off_an_ascii_screen() {
    let mut story = Story::new(true);
    story.queue(1, "видео–日本語…😀.mp4", 10).log(None, LogLevel::Info, "→ é");
    let mut app = story.app(settings(ColorMode::Mono, true));
    assert!(text(&draw(&mut app, 120, 36)).is_ascii());
}

/// Looks of a whole screen, each with the ground that it is meant for.
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

#[test]
fn every_letter_of_every_screen_stands_out_from_its_ground() {
    assert!((contrast((0, 0, 0), (255, 255, 255)) - 21.0).abs() < 1e-9);
    assert!((contrast((0x76, 0x76, 0x76), (255, 255, 255)) - 4.54).abs() < 0.01);
    // The terminal's own colours, as terminals come: ink and ground.
    let (dark, light) = (((0xcd, 0xd6, 0xf4), (0x1e, 0x1e, 0x2e)), ((0x26, 0x2a, 0x36), (0xfb, 0xfb, 0xf8)));
    let (black, white) = (((0xff, 0xff, 0xff), (0, 0, 0)), ((0, 0, 0), (0xff, 0xff, 0xff)));
    let mut poor = std::collections::BTreeMap::new();
    for (theme, terminals) in
        [(ThemeName::Dark, [dark, black]), (ThemeName::Light, [light, white]), (ThemeName::HighContrast, [black, black])]
    {
        for name in SCREENS {
            let mut app = screen(name, ColorMode::True, false);
            app.set_theme(theme);
            let buf = draw(&mut app, 120, 36);
            for (at, cell) in buf.content.iter().enumerate() {
                // Frames and dots are there to be overlooked; blocks are no letters.
                let is_text = cell.symbol().chars().any(|c| c.is_alphanumeric() || "▶○✔↻‖⊘◆✖▲◐●".contains(c));
                if !is_text {
                    continue;
                }
                for (own_ink, own_ground) in terminals {
                    let rgb = |color: Color, own| if let Color::Rgb(r, g, b) = color { (r, g, b) } else { own };
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

/// What was asked of whoever looks ahead.
fn asked_ahead(effects: &[Effect]) -> (u64, &QueueNow) {
    match effects {
        [Effect::Look(Look::Ahead(number, queue))] => (*number, queue),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_if_looks_at_what_is_left_of_the_queue_and_at_what_another_limit_would_let_in() {
    let mut app = screen("busy", ColorMode::True, false);
    let effects = press(&mut app, "w");
    let (_, queue) = asked_ahead(&effects);
    let names: Vec<String> = queue.jobs.iter().map(|job| path_text(&job.input)).collect();
    let expected =
        ["lecture-04", "match-cam2", "drone-raw", "keynote", "podcast", "tutorial-a", "tutorial-b", "site-walk", "wedding"];
    assert_eq!(names.len(), expected.len());
    for (name, wanted) in names.iter().zip(expected) {
        assert!(name.contains(wanted), "{names:?}");
    }
    let (running, waiting, rejected) = (&queue.jobs[0], &queue.jobs[3], &queue.jobs[8]);
    assert!((running.left - 0.37).abs() < 1e-9 && running.is_in && running.media.is_some(), "{running:?}");
    assert!((waiting.left - 1.0).abs() < 1e-9 && !waiting.is_in && waiting.media.is_some(), "{waiting:?}");
    assert!(!rejected.is_in && rejected.media.is_none() && rejected.size == Bytes::mib(412), "{rejected:?}");
    assert_eq!((queue.budget, queue.profile.name.as_str(), queue.profiles.len()), (Bytes::gib(2), "balanced", 3));
    assert!(text(&draw(&mut app, 120, 36)).contains("looking ahead"), "the frame does not wait for it");
    assert_eq!(press(&mut app, "<esc>"), vec![Effect::LookAway], "closing gives it up");
    // What comes all the same is not shown, and opening looks anew.
    app.update(Action::Found(Box::new(Found::Ahead(1, Box::new(Ok(plan(false)))))));
    assert!(app.what_if().found().is_none());
    let effects = press(&mut app, "w");
    assert_eq!(asked_ahead(&effects).0, 2);
    app.update(Action::Found(Box::new(Found::Ahead(1, Box::new(Err("late".to_owned()))))));
    assert!(app.what_if().looks(), "an answer to an earlier look is none to this one");
    app.update(Action::Found(Box::new(Found::Ahead(2, Box::new(Err("nobody here can look ahead".to_owned()))))));
    assert!(text(&draw(&mut app, 120, 36)).contains("nobody here can look ahead"));
    assert_eq!(press(&mut app, "<enter>s"), vec![], "without a plan there is nothing to apply and nothing to keep");
    assert_eq!(press(&mut app, "<esc>"), vec![], "nothing is under way");
    assert!(app.mode().is_none());
}

#[test]
fn a_way_is_applied_if_the_same_box_and_the_same_bytes_allow_it_else_it_is_told_what_to_do() {
    let apply = |keys: &str| {
        let mut app = screen("what_if", ColorMode::True, false);
        let effects = press(&mut app, &format!("kkkkkkkk{keys}<enter>"));
        (effects, text(&draw(&mut app, 120, 36)))
    };
    assert!(apply("").1.contains("balanced is in force"));
    let (effects, _) = apply("j");
    assert!(matches!(&effects[..], [Effect::Send(_, Command::SelectProfile(profile))] if profile.name == "fast"), "{effects:?}");
    let (effects, screen) = apply("jjj");
    let [Effect::Send(_, Command::UseProfile(profile))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((profile.name.as_str(), profile.max_concurrent), ("balanced-3", 3.into()));
    assert!(!screen.contains("What if"), "it closes");
    let (effects, _) = apply("jjjj");
    assert!(matches!(&effects[..], [Effect::Send(_, Command::UseProfile(profile))] if profile.large.is_some()), "{effects:?}");
    for (keys, told) in [("jjjjj", "threads: 1"), ("jjjjjj", "--budget 1GB"), ("jjjjjjj", "with 4 GB")] {
        let (effects, screen) = apply(keys);
        assert_eq!(effects, vec![], "{keys}");
        assert!(screen.contains("no switch") && screen.contains(told) && screen.contains("What if"), "{screen}");
    }
}

#[test]
fn the_advised_way_is_chosen_until_the_operator_chooses_and_stays_so_when_it_is_looked_again() {
    let mut app = screen("busy", ColorMode::True, false);
    foretold(&mut app, false, "");
    assert_eq!(app.what_if().way().map(|way| way.forecast.name.as_str()), Some("balanced, 3 slots"));
    assert!(text(&draw(&mut app, 120, 36)).contains("1 more may start"), "what switching would do now");
    press(&mut app, "jjjj");
    let effects = press(&mut app, "r");
    let number = asked_ahead(&effects).0;
    assert!(text(&draw(&mut app, 120, 36)).contains("balanced, 3 slots"), "what was foretold stays until then");
    let mut fewer = plan(false);
    fewer.ways.remove(1);
    app.update(Action::Found(Box::new(Found::Ahead(number, Box::new(Ok(fewer))))));
    assert_eq!(app.what_if().way().map(|way| way.forecast.name.as_str()), Some("balanced, 4 GB box"));
}

#[test]
fn a_way_is_kept_as_a_profile_under_a_name_that_is_checked_and_is_offered_from_then_on() {
    let mut app = screen("what_if_save", ColorMode::True, false);
    assert!(text(&draw(&mut app, 120, 36)).contains("save as profile: balanced-3"));
    assert_eq!(press(&mut app, "/x<enter>"), vec![]);
    assert!(text(&draw(&mut app, 120, 36)).contains("a name has 1 to 32 of a-z"));
    let effects = press(&mut app, "<c-u>calm<enter>");
    let [Effect::Look(Look::Save(profile, comment))] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((profile.name.as_str(), profile.max_concurrent), ("calm", 3.into()));
    assert_eq!(comment, "a variation of balanced, saved in the console from what-if, 2026-11-22");
    assert_eq!(press(&mut app, "<enter>"), vec![], "it is being kept already");
    let taken = Err("there is a profile calm already: /c/calm.yaml; choose another name".to_owned());
    app.update(Action::Found(Box::new(Found::Saved(profile.clone(), taken))));
    assert!(text(&draw(&mut app, 120, 36)).contains("choose another name"));
    assert_eq!(press(&mut app, "r<enter>").len(), 1);
    let profile = Box::new(Profile { name: "calmr".to_owned(), ..(**profile).clone() });
    app.update(Action::Found(Box::new(Found::Saved(profile, Ok("/c/profiles/calmr.yaml".into())))));
    let screen = text(&draw(&mut app, 120, 36));
    assert!(screen.contains("saved calmr: /c/profiles/calmr.yaml") && screen.contains("What if"), "{screen}");
    assert!(app.profiles().iter().any(|profile| profile.name == "calmr"));
    let effects = press(&mut app, "<esc>:calmr<enter>");
    assert!(matches!(&effects[..], [Effect::Send(_, Command::SelectProfile(profile))] if profile.name == "calmr"), "{effects:?}");
    // A box or other threads are no part of a profile.
    foretold(&mut app, false, "jjjs");
    assert!(app.key_mode() == KeyMode::WhatIf && text(&draw(&mut app, 120, 36)).contains("no switch"));
}

#[test]
fn a_profile_that_was_used_can_be_gone_back_to() {
    let mut app = screen("busy", ColorMode::True, false);
    let mut story = busy(true);
    let used = Profile { name: "balanced-3".to_owned(), max_concurrent: 3.into(), ..profiles()[1].clone() };
    for profile in [used, profiles()[0].clone()] {
        story.tell(EventKind::ProfileSelected {
            name: profile.name.clone(),
            max_concurrent: 3,
            auto: false,
            max_file_bytes: profile.max_file_size,
            profile: Box::new(profile),
        });
        hear(&mut app, &story.events[story.events.len() - 1]);
    }
    let names: Vec<&str> = app.profiles().iter().map(|profile| profile.name.as_str()).collect();
    assert_eq!(names, ["fast", "balanced", "safe", "balanced-3"]);
}

#[test]
fn a_job_that_the_governor_stopped_is_told_from_one_that_the_operator_paused() {
    let mut app = screen("over", ColorMode::Mono, false);
    let row = |app: &mut App| text(&draw(app, 120, 36)).lines().find(|line| line.contains("match-cam2")).map(str::to_owned);
    let stopped = row(&mut app).expect("shown");
    assert!(stopped.contains("‖ stopped") && stopped.contains("for memory") && !stopped.contains("paused"), "{stopped}");
    let mut story = over();
    story.tell(EventKind::JobPaused { job: JobId(18), by_governor: false });
    hear(&mut app, &story.events[story.events.len() - 1]);
    let paused = row(&mut app).expect("shown");
    assert!(paused.contains("‖ paused") && paused.contains("by you"), "{paused}");
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
    app.update(Action::Update(Box::new(Update::Reply(id, Err(Rejection("not now".to_owned()))))));
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
    story.tell(EventKind::QueuePaused);
    hear(&mut app, &story.events[story.events.len() - 1]);
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
        assert!(page.contains("Very High") && page.contains("not tried here"), "{page}");
        assert!(page.contains("/min") && (page.contains("1 of 3 bad") || page.contains("1/3 bad")), "{page}");
    }
}

#[test]
fn a_comparison_shows_the_figures_of_its_reports_and_whether_the_guides_words_hold() {
    let mut app = screen("compare", ColorMode::True, false);
    let page = text(&draw(&mut app, 120, 36));
    let row = |name: &str| page.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}:\n{page}")).to_owned();
    for (name, figures) in [
        ("peak memory", ["2010 MB ✖", "1618 MB ▲", "874 MB ●"]),
        ("makespan", ["11:20", "14:22", "22:51"]),
        ("done / of 24", ["22", "21", "13"]),
        ("OOM kills", ["2 ✖", "0", "0"]),
        ("the guide says", ["High / Fast / Low", "Medium / Medium / High", "Low / Slow / Very High"]),
        ("measured", ["✔ agrees", "✔ agrees", "✔ agrees"]),
    ] {
        let row = row(name);
        let places: Vec<Option<usize>> = figures.iter().map(|figure| row.find(figure)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{name}: {row}");
    }
    for end in ["A ends 11:20, 2 OOM kills", "B ends 14:22", "C ends 22:51"] {
        assert!(page.contains(end), "{end}:\n{page}");
    }
    // Below stand the reasons.
    press(&mut app, "G");
    let below = text(&draw(&mut app, 120, 36));
    assert!(below.contains("same bytes under every profile: yes") && below.contains("fast, memory: High agrees"), "{below}");
    assert!(below.contains("A 4/500 fast"), "the columns' names stay: {below}");
    press(&mut app, "g");
    assert_eq!(text(&draw(&mut app, 120, 36)), page);
}

#[test]
fn what_was_not_run_yet_is_not_shown_as_nothing() {
    let mut app = screen("compare_live", ColorMode::True, false);
    let page = text(&draw(&mut app, 120, 36));
    let row = |name: &str| page.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}:\n{page}")).to_owned();
    assert!(page.contains("run 2 of 3: balanced, 00:41; about"), "{page}");
    assert!(row("peak memory").contains("1102 MB ●"), "the figures so far: {page}");
    let makespan = row("OOM kills");
    let cells: Vec<&str> = makespan.split_whitespace().filter(|word| ["0", "2", "-"].contains(word)).collect();
    assert_eq!(cells, ["2", "0", "-"], "{makespan}");
    assert!(page.contains("B now") && !page.contains("C ends"), "{page}");
}

#[test]
fn columns_that_have_no_room_are_reached_sideways() {
    let mut app = screen("busy", ColorMode::True, false);
    open(&mut app, naive());
    let page = text(&draw(&mut app, 80, 24));
    assert!(page.contains("columns A-C of 6") && !page.contains("naive"), "{page}");
    press(&mut app, "<tab><tab><tab><tab><tab>");
    let page = text(&draw(&mut app, 80, 24));
    assert!(page.contains("columns D-F of 6") && page.contains("D 4/500 naive fast"), "{page}");
    let wide = text(&draw(&mut app, 200, 60));
    assert!(wide.contains("A 4/500 fast") && wide.contains("F 1/100 naive safe"), "{wide}");
}

#[test]
fn the_list_leads_to_a_comparison_and_back_and_tells_what_cannot_be_read() {
    let mut app = screen("comparisons", ColorMode::True, false);
    let page = text(&draw(&mut app, 120, 36));
    for words in ["▶ under way", "✔ finished", "‖ interrupted", "✖ broken off", "2026-11-20", "is no comparison"] {
        assert!(page.contains(words), "{words}:\n{page}");
    }
    // The second line was chosen.
    assert_eq!(press(&mut app, "<enter>"), vec![Effect::Look(Look::Comparison(id(1)))]);
    assert!(text(&draw(&mut app, 120, 36)).contains("reading it"));
    app.update(Action::Found(Box::new(Found::Comparison(id(1), Err("cannot read it: gone".to_owned())))));
    assert!(text(&draw(&mut app, 120, 36)).contains("cannot read it: gone"));
    app.update(Action::Found(Box::new(Found::Comparison(id(1), Ok(compared().into())))));
    assert!(text(&draw(&mut app, 120, 36)).contains("A ends 11:20"));
    press(&mut app, "<esc>");
    assert!(text(&draw(&mut app, 120, 36)).contains("Comparisons"), "back to the list");
    press(&mut app, "<esc>");
    assert!(text(&draw(&mut app, 120, 36)).contains("2 Queue"), "and to the panes");
}

#[test]
fn only_what_may_change_is_asked_for_again_and_only_while_the_page_is_open() {
    let mut app = screen("busy", ColorMode::True, false);
    assert!(!app.polls());
    open(&mut app, under_way());
    assert!(app.polls());
    assert_eq!(app.look_at_comparisons(), vec![Effect::Look(Look::Comparison(id(0)))]);
    assert_eq!(app.look_at_comparisons(), vec![], "the answer has not come yet");
    app.update(Action::Found(Box::new(Found::Comparison(id(0), Ok(compared().into())))));
    assert_eq!(app.look_at_comparisons(), vec![], "it is finished");
    press(&mut app, "<esc><esc>");
    assert!(!app.polls());
}

#[test]
fn what_waits_is_compared_only_while_the_queue_is_held_and_nothing_is_at_work() {
    let mut app = screen("busy", ColorMode::True, false);
    assert_eq!(press(&mut app, "V"), vec![]);
    assert!(text(&draw(&mut app, 120, 36)).contains("hold the queue first (S), wait for the jobs at work, then again"));
    let mut story = busy(true);
    let mut tell = |app: &mut App, kind| {
        story.tell(kind);
        hear(app, &story.events[story.events.len() - 1]);
    };
    tell(&mut app, EventKind::QueuePaused);
    assert_eq!(press(&mut app, "cn"), vec![Effect::Look(Look::Comparisons)]);
    assert!(text(&draw(&mut app, 120, 36)).contains("jobs are at work"));
    for job in [17, 18] {
        let requeued =
            EventKind::JobRequeued { job: JobId(job), attempt: 1, reason: "x".to_owned(), delay_ms: 900, uncounted: true };
        tell(&mut app, requeued);
    }
    let effects = press(&mut app, "n");
    let [Effect::Compare(inputs, preset)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((inputs.len(), inputs[0].to_str(), preset.as_str()), (5, Some("/v/keynote-q3.mp4"), "web-720p"));
    assert_eq!(press(&mut app, "<esc>:compare-q<enter>"), vec![]);
    assert!(text(&draw(&mut app, 120, 36)).contains("one is being made"));
    // It ends with the console, which asks.
    assert_eq!(press(&mut app, "q"), vec![]);
    assert!(text(&draw(&mut app, 120, 36)).contains("End it and quit"));
    press(&mut app, "<esc>");
    app.update(Action::Found(Box::new(Found::Compared(Err("no disk".to_owned())))));
    assert!(text(&draw(&mut app, 120, 36)).contains("compare what waits: no disk"));
    assert!(matches!(press(&mut app, "q")[..], [Effect::Send(_, Command::Shutdown)]), "nothing is lost any more");
}

#[test]
fn a_console_that_shows_a_comparison_asks_before_it_ends_it_and_stays_with_the_result() {
    let settings = || Settings { comparison: Some(id(0)), ..settings(ColorMode::True, false) };
    let mut app = busy(true).app(settings());
    assert_eq!(app.open_compare(), vec![Effect::Look(Look::Comparison(id(0)))]);
    app.update(Action::Found(Box::new(Found::Comparison(id(0), Ok(under_way().into())))));
    press(&mut app, "<esc>");
    assert!(text(&draw(&mut app, 120, 36)).contains("2 Queue"), "the run under way is on the dashboard");
    // The end of one run is not the end: q still asks.
    let mut story = busy(true);
    story.tell(run_finished());
    assert_eq!(hear(&mut app, &story.events[story.events.len() - 1]), vec![]);
    assert_eq!(press(&mut app, "q"), vec![]);
    assert!(text(&draw(&mut app, 120, 36)).contains("End it and quit"));
    press(&mut app, "<esc>");
    // The next run begins with nothing.
    app.update(Action::Update(Box::new(Update::Snapshot(Box::default()))));
    assert_eq!(app.shown().jobs.len(), 0);
    // It is over: what is shown stays until it was seen.
    app.update(Action::Found(Box::new(Found::Comparison(id(0), Ok(compared().into())))));
    assert_eq!(app.closed(), vec![]);
    assert_eq!(press(&mut app, "q"), vec![Effect::Exit]);

    let mut late = busy(true).app(settings());
    press(&mut late, "q");
    assert_eq!(late.closed(), vec![]);
    assert_eq!(press(&mut late, "y"), vec![Effect::Exit], "it has ended while the question stood");

    let mut ended = busy(true).app(settings());
    assert!(matches!(press(&mut ended, "qy")[..], [Effect::Send(_, Command::Shutdown)]));
    assert_eq!(hear(&mut ended, &story.events[story.events.len() - 1]), vec![], "the table is still to be made");
    assert_eq!(ended.closed(), vec![Effect::Exit]);
}

#[test]
fn changed_keys_work_and_are_what_help_and_hints_tell() {
    let change = |action: &str, key: &str| KeyChange { action: action.to_owned(), keys: vec![key.to_owned()] };
    let keys = Keymap::with(&[change("cancel", "X"), change("events", "f5")]).expect("they fit");
    let mut app = busy(true).app(Settings { keys, ..settings(ColorMode::True, false) });
    press(&mut app, "gx");
    assert!(app.mode().is_none(), "its old key means nothing");
    assert!(text(&draw(&mut app, 120, 36)).contains("X cancel"));
    press(&mut app, "X");
    assert!(text(&draw(&mut app, 120, 36)).contains("Cancel the job"));
    press(&mut app, "<esc>?");
    let help = text(&draw(&mut app, 120, 36));
    assert!(help.contains("X         cancel (asks)") && help.contains("f5        everything that happened"), "{help}");
}

#[test]
fn the_keys_of_dialogs_can_be_changed_and_the_dialogs_tell_the_new_ones() {
    let change = |action: &str, key: &str| KeyChange { action: action.to_owned(), keys: vec![key.to_owned()] };
    let changes = [change("ask-yes", "J"), change("ask-back", "N"), change("ask-quit", "Q"), change("profiles-enter", "s")];
    let mut app = busy(true).app(Settings { keys: Keymap::with(&changes).expect("fits"), ..settings(ColorMode::True, false) });
    press(&mut app, "gx");
    let asked = text(&draw(&mut app, 120, 36));
    assert!(asked.contains("J yes") && asked.contains("N no"), "{asked}");
    assert_eq!(press(&mut app, "y"), vec![]);
    assert!(app.mode().is_some(), "the old key means nothing");
    press(&mut app, "N");
    assert!(app.mode().is_none());
    assert!(matches!(press(&mut app, "xJ")[..], [Effect::Send(_, Command::Cancel(JobId(17)))]));
    press(&mut app, "q");
    assert!(text(&draw(&mut app, 120, 36)).contains("Q again stops them too."));
    assert!(matches!(press(&mut app, "Q")[..], [Effect::Send(_, Command::Shutdown)]));
    let mut app = busy(true).app(Settings { keys: Keymap::with(&changes).expect("fits"), ..settings(ColorMode::True, false) });
    assert!(matches!(press(&mut app, "p<down>s")[..], [Effect::Send(_, Command::SelectProfile(_))]));
}

#[test]
fn cancelling_asks_and_the_default_answer_changes_nothing() {
    let mut app = screen("busy", ColorMode::True, false);
    assert_eq!(app.selected(), Some(JobId(17)));
    assert_eq!(press(&mut app, "x<enter>"), vec![]);
    assert_eq!(press(&mut app, "x<esc>"), vec![]);
    let effects = press(&mut app, "x<left><enter>");
    assert!(matches!(effects[..], [Effect::Send(_, Command::Cancel(JobId(17)))]), "{effects:?}");
}

#[test]
fn the_job_under_question_stays_the_same_while_the_dialog_is_open() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "x");
    let mut story = busy(true);
    story.finish(17, Outcome::Done, 600, 9.0, None).tell(EventKind::JobRemoved { job: JobId(17), output: None });
    for event in &story.events[story.events.len() - 2..] {
        hear(&mut app, event);
    }
    press(&mut app, "jjj");
    let effects = press(&mut app, "y");
    assert!(matches!(effects[..], [Effect::Send(_, Command::Cancel(JobId(17)))]), "{effects:?}");
}

#[test]
fn nothing_changes_before_the_engine_says_so_and_refusals_are_shown() {
    let mut app = screen("busy", ColorMode::True, false);
    let before = text(&draw(&mut app, 120, 36));
    let effects = press(&mut app, " ");
    let [Effect::Send(id, Command::PauseJob(JobId(17)))] = effects[..] else { panic!("{effects:?}") };
    assert_eq!(text(&draw(&mut app, 120, 36)), before);
    app.update(Action::Update(Box::new(Update::Reply(id, Err(Rejection("it has just ended".to_owned()))))));
    assert!(text(&draw(&mut app, 120, 36)).contains("pause #17: it has just ended"));
}

#[test]
fn every_command_has_a_key() {
    let mut app = screen("busy", ColorMode::True, false);
    let asked = |app: &mut App, keys: &str| match press(app, keys).pop() {
        Some(Effect::Send(_, command)) => command,
        other => panic!("{keys}: {other:?}"),
    };
    assert_eq!(asked(&mut app, "r"), Command::Retry(JobId(17)));
    assert_eq!(asked(&mut app, "A"), Command::Allow(JobId(17)));
    assert_eq!(asked(&mut app, "J"), Command::Move(JobId(17), MoveTo::Later));
    assert_eq!(asked(&mut app, "K"), Command::Move(JobId(17), MoveTo::Sooner));
    assert_eq!(asked(&mut app, "{"), Command::Move(JobId(17), MoveTo::First));
    assert_eq!(asked(&mut app, "}"), Command::Move(JobId(17), MoveTo::Last));
    assert_eq!(asked(&mut app, "Dy"), Command::Remove(JobId(17)));
    assert_eq!(asked(&mut app, "S"), Command::Pause);
    assert_eq!(asked(&mut app, "C"), Command::CleanNow);
    assert_eq!(asked(&mut app, "E"), Command::Drain);
    assert_eq!(asked(&mut app, ":clean<enter>"), Command::CleanNow);
    assert!(matches!(asked(&mut app, "p<down><enter>"), Command::SelectProfile(profile) if profile.name == "safe"));
    let paths = vec!["/v/a b.mp4".into(), "/home/me/c.mov".into()];
    assert_eq!(asked(&mut app, "a'a b.mp4' ~/c.mov<enter>"), Command::Enqueue { paths, preset: None });
    assert_eq!(asked(&mut app, "qq"), Command::Shutdown);
    assert_eq!(asked(&mut app, "qy"), Command::Shutdown);
}

#[test]
fn quitting_asks_while_jobs_run_and_waits_for_the_run_to_end() {
    let mut app = screen("busy", ColorMode::True, false);
    assert_eq!(press(&mut app, "q<enter>"), vec![], "the default is to stay");
    assert!(matches!(press(&mut app, "q<left><enter>")[..], [Effect::Send(_, Command::Shutdown)]));
    assert!(text(&draw(&mut app, 120, 36)).contains("stopping"));
    let mut story = busy(true);
    story
        .tell(EventKind::ShutdownStarted)
        .tell(EventKind::JobStopping { job: JobId(17), why: StopReason::Shutdown })
        .tell(run_finished());
    let last: Vec<Event> = story.events[story.events.len() - 3..].to_vec();
    assert_eq!(hear(&mut app, &last[0]), vec![]);
    assert_eq!(hear(&mut app, &last[1]), vec![]);
    assert_eq!(hear(&mut app, &last[2]), vec![Effect::Exit]);
}

#[test]
fn with_nothing_running_quit_needs_no_question_and_the_console_stays_open_until_then() {
    let mut app = screen("all_done", ColorMode::True, false);
    assert!(text(&draw(&mut app, 120, 36)).contains("all done"));
    assert!(matches!(press(&mut app, "q")[..], [Effect::Send(_, Command::Shutdown)]));
}

#[test]
fn a_frozen_screen_stays_as_it_is_and_catches_up_afterwards() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "f");
    let frozen = text(&draw(&mut app, 120, 36));
    let mut story = busy(true);
    story.at(425_000).progress(17, 0.99, 2.0, 1, 612).sample(400, &[]);
    for event in &story.events[story.events.len() - 2..] {
        hear(&mut app, event);
    }
    assert_eq!(text(&draw(&mut app, 120, 36)), frozen);
    press(&mut app, "f");
    let thawed = text(&draw(&mut app, 120, 36));
    assert!(thawed.contains("99%") && thawed.contains("400 of 2048 MB"), "{thawed}");
}

#[test]
fn a_filter_is_kept_in_step_with_the_queue() {
    let mut app = screen("busy", ColorMode::True, false);
    press(&mut app, "/tut<enter>");
    assert_eq!(app.selected(), Some(JobId(22)));
    let mut story = busy(true);
    story
        .queue(25, "tutorial-c.mp4", 9)
        .finish(22, Outcome::Done, 1, 1.0, None)
        .tell(EventKind::JobRemoved { job: JobId(23), output: None });
    for event in &story.events[story.events.len() - 3..] {
        hear(&mut app, event);
    }
    assert_eq!(app.window(10).ids, vec![JobId(25), JobId(22)]);
    assert_eq!(app.selected(), Some(JobId(22)));
    press(&mut app, "<esc>");
    assert_eq!(app.rows().len(), 12);
}

#[test]
fn the_log_follows_until_it_is_scrolled_and_then_stands_still() {
    let mut story = Story::new(true);
    story.queue(1, "a.mp4", 1).start(1, 1);
    for line in 0..100 {
        story.log(Some(1), LogLevel::Info, &format!("line {line:03}."));
    }
    let mut app = story.app(settings(ColorMode::True, false));
    assert!(text(&draw(&mut app, 120, 36)).contains("line 099."));
    press(&mut app, "4kkk");
    assert!(!text(&draw(&mut app, 120, 36)).contains("line 099."));
    story.log(Some(1), LogLevel::Info, "line 100.");
    hear(&mut app, &story.events[story.events.len() - 1]);
    let scrolled = text(&draw(&mut app, 120, 36));
    assert!(scrolled.contains("line 096.") && !scrolled.contains("line 097."), "{scrolled}");
    press(&mut app, "/line 012<enter>");
    assert!(text(&draw(&mut app, 120, 36)).contains("line 012."));
    let effects = press(&mut app, "y");
    assert!(matches!(&effects[..], [Effect::Copy(text)] if text == "line 012."), "{effects:?}");
    press(&mut app, "L");
    assert!(text(&draw(&mut app, 120, 36)).contains("line 100."));
}

#[test]
fn a_click_selects_the_row_under_it_and_the_wheel_scrolls() {
    use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
    let mut app = screen("busy", ColorMode::True, false);
    let buf = draw(&mut app, 120, 36);
    let row = (0..36).find(|y| (0..120).map(|x| buf[(x, *y)].symbol()).collect::<String>().contains("keynote")).expect("shown");
    let mouse = |kind, row| Action::Mouse(MouseEvent { kind, column: 70, row, modifiers: KeyModifiers::NONE });
    app.update(mouse(MouseEventKind::Down(MouseButton::Left), row));
    assert_eq!(app.selected(), Some(JobId(19)));
    app.update(mouse(MouseEventKind::ScrollDown, row));
    assert_eq!(app.selected(), Some(JobId(21)));
    app.update(mouse(MouseEventKind::Down(MouseButton::Left), 2));
    assert_eq!(app.selected(), Some(JobId(21)), "the heading selects nothing");
}

#[test]
fn hints_and_help_fit_and_name_the_way_out() {
    let mut app = screen("busy", ColorMode::True, false);
    for width in [60, 80, 100, 120] {
        let text = text(&draw(&mut app, width, 30));
        assert!(text.lines().last().is_some_and(|line| line.contains("q quit")), "{width}: {text}");
    }
}

fn many() -> App {
    let mut story = Story::new(true);
    for id in 1..=100_000 {
        story.queue(id, &format!("clip-{id:06}.mp4"), 20 + id % 300);
    }
    for id in 1..=30_000 {
        story.finish(id, if id % 50 == 0 { Outcome::Failed } else { Outcome::Done }, 300, 12.0, Some("no moov"));
    }
    for id in [40_000, 40_001, 40_002, 40_003] {
        story.start(id, 1).progress(id, 0.4, 1.2, 30, 300);
    }
    for second in 0..3600 {
        story.at(second * 1000).sample(900 + second % 700, &[(40_000, 300)]);
    }
    for line in 0..3000 {
        story.log(Some(40_000), LogLevel::Info, &format!("frame= {line} fps= 51 size= 19456kB time=00:01:17 speed=1.7x"));
    }
    story.app(settings(ColorMode::True, false))
}

#[test]
fn a_frame_with_a_hundred_thousand_jobs_is_quick() {
    let mut app = many();
    let area = Rect::new(0, 0, 200, 60);
    app.update(Action::Resize(200, 60));
    for (what, keys) in
        [("top", "g"), ("middle", "g<c-d><c-d>"), ("filtered", "/99<enter>"), ("end", "<esc>G"), ("chart of 2 h", ">>>>")]
    {
        press(&mut app, keys);
        let mut times: Vec<std::time::Duration> = (0..40)
            .map(|_| {
                #[allow(clippy::disallowed_methods)] // a measurement
                let begun = std::time::Instant::now();
                let mut buf = Buffer::empty(area);
                view::render(&app, area, &mut buf);
                begun.elapsed()
            })
            .collect();
        times.sort();
        println!("frame 200x60, 100,000 jobs, {what}: median {:?}", times[20]);
        let limit = if cfg!(debug_assertions) { 60 } else { 5 };
        assert!(times[20] < std::time::Duration::from_millis(limit), "{what}: {:?}", times[20]);
    }
}

#[test]
fn rows_stand_in_order_from_either_end() {
    let app = screen("busy", ColorMode::True, false);
    let rows = app.rows();
    let mut down = vec![rows.first().expect("a row")];
    while let Some(next) = rows.after(down[down.len() - 1]) {
        down.push(next);
    }
    let mut up = vec![rows.last().expect("a row")];
    while let Some(next) = rows.before(up[up.len() - 1]) {
        up.push(next);
    }
    up.reverse();
    assert_eq!(down, up);
    let ids: Vec<u64> = down.iter().map(|key| key.id.0).collect();
    assert_eq!(ids, [17, 18, 15, 19, 21, 22, 23, 24, 20, 16, 13, 14]);
}

fn any_event() -> impl Strategy<Value = EventKind> {
    let job = (1_u64..40).prop_map(JobId);
    prop_oneof![
        (1_u64..40, -5_i64..5).prop_map(|(id, rank)| EventKind::JobQueued {
            job: JobId(id),
            input: format!("/v/clip {id} ä.mp4").into(),
            size_bytes: crate::domain::units::Bytes::mib(id),
            preset: "p".to_owned(),
            output: None,
            rank,
        }),
        job.clone().prop_map(|job| EventKind::JobStarted { job, attempt: 1, pid: 5, predicted_peak_bytes: None, command: None }),
        job.clone().prop_map(|job| EventKind::JobFinished {
            job,
            outcome: Outcome::Failed,
            output: None,
            peak_memory_bytes: crate::domain::units::Bytes(7),
            seconds: -1.0,
            attempts: 1,
            exit_code: None,
            signal: Some(9),
            reason: None
        }),
        job.clone().prop_map(|job| EventKind::JobRequeued {
            job,
            attempt: 1,
            reason: "x".to_owned(),
            delay_ms: 900,
            uncounted: true
        }),
        job.clone().prop_map(|job| EventKind::JobRemoved { job, output: None }),
        (job.clone(), -9_i64..9).prop_map(|(job, rank)| EventKind::JobMoved { job, rank }),
        job.clone().prop_map(|job| EventKind::JobLogged {
            job: Some(job),
            level: LogLevel::Memory,
            text: "日本語 line".repeat(20)
        }),
        (job, any::<f64>()).prop_map(|(job, ratio)| EventKind::JobProgressed {
            job,
            ratio: Some(ratio),
            fps: ratio,
            speed: ratio,
            eta_seconds: Some(u64::MAX),
            memory_bytes: crate::domain::units::Bytes(u64::MAX),
            frame: 1,
            out_time_ms: 1,
            written_bytes: crate::domain::units::Bytes(1)
        }),
        Just(EventKind::ShutdownStarted),
        Just(EventKind::QueuePaused),
    ]
}

/// A comparison with figures that nobody measured.
fn any_kept() -> impl Strategy<Value = Kept> {
    let number = || prop_oneof![Just(0_u64), 0..100_u64, 0..9_000_000_000_000_000_u64];
    let time = || prop_oneof![Just(0.0_f64), -1e3..1e4, -1e15..1e15];
    let run = (time(), number(), number(), number(), prop::collection::vec((time(), number()), 0..30)).prop_map(
        |(seconds, peak, line, count, points)| RunFigures {
            whole: count % 3 > 0,
            peak_memory_bytes: Bytes(peak),
            high_water_bytes: Bytes(line),
            budget_bytes: Bytes(line / 2 + count),
            seconds,
            throughput: -seconds,
            done: count,
            unfinished: count / 2,
            oom_kills: peak % 5,
            curve: points.into_iter().map(|(seconds, bytes)| CurvePoint { seconds, hard_bytes: Bytes(bytes) }).collect(),
            ..RunFigures::default()
        },
    );
    let columns = prop::collection::vec((prop::collection::vec(run.clone(), 0..3), any::<bool>(), "\\PC{0,12}"), 0..9);
    let standing = prop::sample::select(vec![Standing::UnderWay, Standing::Finished, Standing::Interrupted, Standing::BrokenOff]);
    (columns, any::<u32>(), number(), standing, prop::option::of((run, time()))).prop_map(
        |(columns, rounds, inputs, standing, live)| {
            let mut kept = compared();
            let words = kept.comparison.columns[0].clone();
            let column = |(runs, governor, profile)| Column { profile, governor, runs, ..words.clone() };
            kept.comparison.columns = columns.into_iter().map(column).collect();
            kept.comparison.rounds = rounds;
            kept.subject.inputs = inputs;
            kept.progress.standing = standing;
            kept.progress.run = live.map(|(figures, seconds)| {
                let first = kept.comparison.columns.first();
                let profile = first.map_or_else(String::new, |column| column.profile.clone());
                let run = RunTag { number: rounds, of: 1, round: 0, profile, governor: first.is_none_or(|column| column.governor) };
                RunUnderWay { run, seconds, figures }
            });
            kept
        },
    )
}

const KEYS: &str = "1234jkgG z/nNfabcc[]<>tTmyYLSxrJKDA{}EpC?q :\tedoWlws";

#[test]
fn what_waits_beyond_the_list_is_counted_in_the_title_and_the_header() {
    let mut app = screen("busy", ColorMode::True, false);
    let mut story = busy(true);
    let before = text(&draw(&mut app, 120, 36));
    let queued = app.shown().waiting();
    for kind in [
        EventKind::QueueRestored { jobs: 98_000 + queued, interrupted: 2 },
        EventKind::BacklogChanged { jobs: 98_000, bytes: Bytes::gib(900) },
    ] {
        story.tell(kind);
        hear(&mut app, &story.events[story.events.len() - 1]);
    }
    let screen = text(&draw(&mut app, 120, 36));
    assert!(!before.contains("98,000 more") && screen.contains("98,000 more"), "{screen}");
    assert!(screen.contains(&(98_000 + queued).to_string()), "{screen}");
    assert!(screen.contains("of an earlier run are queued again"), "{screen}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_size_and_no_keys_make_it_panic(
        width in 1_u16..300, height in 1_u16..100,
        steps in prop::collection::vec(prop_oneof![
            (0..KEYS.len()).prop_map(|at| Ok(KEYS.as_bytes()[at] as char)),
            Just(Ok('\u{1b}')), Just(Ok('\n')), Just(Ok('é')),
            any_event().prop_map(Err),
        ], 0..60),
        name in prop::sample::select(SCREENS.to_vec()), ascii: bool,
    ) {
        let mut app = screen(name, ColorMode::True, ascii);
        let mut story = busy(true);
        draw(&mut app, width, height);
        for step in steps {
            match step {
                Ok('\u{1b}') => drop(press(&mut app, "<esc>")),
                Ok('\n') => drop(press(&mut app, "<enter>")),
                Ok('\t') => drop(press(&mut app, "<tab>")),
                Ok(key) => drop(press(&mut app, &key.to_string())),
                Err(kind) => {
                    story.tell(kind);
                    hear(&mut app, &story.events[story.events.len() - 1]);
                }
            }
            let area = Rect::new(0, 0, width, height);
            view::render(&app, area, &mut Buffer::empty(area));
        }
        draw(&mut app, height, width.min(100));
    }

    #[test]
    fn a_comparison_of_any_figures_is_drawn_at_any_size(
        kept in any_kept(), width in 1_u16..220, height in 1_u16..70, keys in "[jkgGc\t\\[\\]]{0,12}", ascii: bool,
    ) {
        let mut app = busy(true).app(settings(ColorMode::Mono, ascii));
        open(&mut app, kept);
        draw(&mut app, width, height);
        for key in keys.chars() {
            press(&mut app, &if key == '\t' { "<tab>".to_owned() } else { key.to_string() });
            let buf = draw(&mut app, width, height);
            prop_assert!(!ascii || text(&buf).is_ascii());
        }
    }

    #[test]
    fn the_selection_stays_on_its_job_whatever_happens(
        moves in 0_usize..9,
        events in prop::collection::vec(any_event(), 1..80),
    ) {
        let mut app = screen("busy", ColorMode::True, false);
        press(&mut app, &"j".repeat(moves));
        let chosen = app.selected().expect("a job is selected");
        let mut story = busy(true);
        for kind in events {
            let removed = matches!(kind, EventKind::JobRemoved { job, .. } if job == chosen);
            story.tell(kind);
            hear(&mut app, &story.events[story.events.len() - 1]);
            if removed {
                break;
            }
            prop_assert_eq!(app.selected(), Some(chosen));
            let window = app.window(12);
            prop_assert_eq!(window.line.map(|line| window.ids[line]), Some(chosen));
        }
    }
}
