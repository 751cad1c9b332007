//! What if: each way to run the queue with what is to be expected of it, what switching would do now, signs and advice.
//!
//! ```text
//! ╭ What if ─────────────────────────────────────────────────────── 60 runs of each way ╮
//! │ 8 jobs, 756 MB. Learned from 31 finished jobs on this machine.                      │
//! │                                                                                     │
//! │   PLAN                PEAK p50 to p95  LINE AT 1536 MB       TAKES  REJ             │
//! │   now: 2/200          1.29 - 1.60 GB   ▲ crossed in 18 %       7 s    1             │
//! │ › 4/500 fast          2.05 - 2.71 GB   ✖ out of memory 71 %    4 s    0             │
//! │   2/200, 1 thread    ~0.98 - 1.20 GB   ● never crossed        ~8 s    1             │
//! │                                                                                     │
//! │ Switch        2 more may start                                                      │
//! │ Warning signs ▲ over the line: 41 s of the last 5 min                               │
//! │ Advice        balanced, 3 slots: about the same finish (7.1 s -> 7.4 s), a peak … │
//! │ Why           …                                                                     │
//! │ enter apply   e explain   s save as profile   r look again   esc close              │
//! ╰─────────────────────────────────────────────────────────────────────────────────────╯
//! ```

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{HighlightSpacing, Paragraph, Row, StatefulWidget, Table, TableState, Widget as _, Wrap};
use unicode_width::UnicodeWidthStr as _;

use crate::domain::plan::{AS_QUICK_WORDS, Change, Forecast, Kind, Plan, SELDOM, SURE_FROM, Way};
use crate::domain::text::many;
use crate::domain::time::span_words;
use crate::domain::units::{Bytes, GIB};
use crate::runtime::link::LookStep;
use crate::tui::app::App;
use crate::tui::input::keymap::KeyMode;
use crate::tui::pages::what_if::Looking;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::frame::{Framed, Seen, popup};
use crate::tui::view::text::{fit, mb, widths, wrap};

/// Widest frame.
const WIDTH: u16 = 84;
/// Columns inside from which on peaks are told in full.
const ROOMY: u16 = 70;
/// Least rows of the table, however little room there is.
const LEAST_ROWS: usize = 4;

/// A part below the table. Where there is too little room the least wanted goes first.
#[derive(Default)]
struct Block {
    wanted: u8,
    lines: Vec<Line<'static>>,
}

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let area = if area.height >= 16 { Rect { y: area.y + 1, height: area.height - 2, ..area } } else { area };
    let (theme, what_if) = (app.theme(), app.what_if());
    let width = area.width.min(WIDTH);
    let inside = width.saturating_sub(4);
    if what_if.explains {
        let lines = explained(app, inside);
        let (place, frame) = framed(app, (area, width, lines.len()), "What if: what it rests on", buf);
        let (rows, of) = (usize::from(place.height.saturating_sub(2)), lines.len());
        let above = what_if.scroll.seen(of, rows);
        let inner = frame.seen(Seen { above, rows: rows.min(of), of }).draw(place, buf);
        return Paragraph::new(lines).scroll((above as u16, 0)).render(inner, buf);
    }
    let summary = summary(app, inside);
    let ways = what_if.found().map_or_else(|| app.profiles().len().max(1), |plan| plan.ways.len());
    let mut blocks = blocks(app, inside);
    let tall = |blocks: &[Block]| blocks.iter().map(|block| block.lines.len()).sum::<usize>();
    // Summary, head and rows, with a blank line before and after, and one before the keys.
    let height = summary.len() + ways + tall(&blocks) + 4;
    let (place, frame) = framed(app, (area, width, height), "What if", buf);
    let inner = frame.draw(place, buf);
    let room = usize::from(inner.height);
    let fixed = summary.len() + 1 + ways.min(LEAST_ROWS);
    while fixed + tall(&blocks) > room {
        let Some(least) = blocks.iter().enumerate().min_by_key(|(_, block)| block.wanted).map(|(at, _)| at) else { break };
        blocks.remove(least);
    }
    let rows = room.saturating_sub(summary.len() + 1 + tall(&blocks)).min(ways);
    // Where there is room, blank lines: below the table, above the keys, below the summary.
    let spare = room.saturating_sub(summary.len() + 1 + tall(&blocks) + rows);
    let keys = blocks.pop().unwrap_or_default();
    let [summary_at, _, table_at, _, below_at, _, keys_at] = Layout::vertical([
        Constraint::Length(summary.len() as u16),
        Constraint::Length(u16::from(spare > 2)),
        Constraint::Length(1 + rows as u16),
        Constraint::Length(u16::from(spare > 0)),
        Constraint::Length(tall(&blocks) as u16),
        Constraint::Length(u16::from(spare > 1)),
        Constraint::Length(keys.lines.len() as u16),
    ])
    .areas(inner);
    Paragraph::new(summary).render(summary_at, buf);
    if let Some(Err(why)) = &what_if.plan {
        let room = Rect { height: inner.bottom().saturating_sub(table_at.y), ..table_at };
        return Paragraph::new(theme.span(why, Role::Warn)).wrap(Wrap { trim: true }).render(room, buf);
    }
    draw_table(app, table_at, buf);
    Paragraph::new(blocks.into_iter().flat_map(|block| block.lines).collect::<Vec<_>>()).render(below_at, buf);
    Paragraph::new(keys.lines).render(keys_at, buf);
}

/// Its frame, and where that stands.
fn framed<'a>(app: &'a App, (area, width, lines): (Rect, u16, usize), title: &'a str, buf: &mut Buffer) -> (Rect, Framed<'a>) {
    let theme = app.theme();
    let place = popup(area, width, lines.min(200) as u16 + 2, buf);
    let more = theme.symbols.more;
    let right = match app.what_if().looking {
        Looking::No if app.what_if().is_outdated(app.shown()) => Some(theme.span("the queue has changed since", Role::Warn)),
        Looking::No => {
            let runs = app.what_if().found().map(|plan| format!("{} of each way", many(plan.runs.into(), "run")));
            runs.map(|runs| theme.span(runs, Role::Dim))
        }
        Looking::Asked => Some(theme.span(format!("looking ahead{more}"), Role::Running)),
        Looking::At(step) => {
            let (what, done, of) = match step {
                LookStep::Probed { done, of } => ("file", done, of),
                LookStep::Foretold { done, of } => ("way", done, of),
            };
            Some(theme.span(format!("looking ahead{more} {what} {} of {of}", done + 1), Role::Running))
        }
    };
    let title = vec![theme.span(title, Role::Accent)];
    (place, Framed::new(theme, title).right(right.into_iter().collect()).padded())
}

/// Text broken into lines of one look.
fn lines_of(theme: &Theme, text: &str, width: u16, role: Role) -> Vec<Line<'static>> {
    wrap(text, width.into()).into_iter().map(|line| theme.span(line, role).into()).collect()
}

/// What it is about, and what it rests on.
fn summary(app: &App, width: u16) -> Vec<Line<'static>> {
    let theme = app.theme();
    let Some(plan) = app.what_if().found() else {
        let words = if app.what_if().looks() { "The queue as it is now is being looked at." } else { "Nothing was foretold." };
        return lines_of(theme, words, width, Role::Dim);
    };
    let jobs = if plan.jobs == 1 { "1 job".to_owned() } else { format!("{} jobs", plan.jobs) };
    let done = if plan.done > 0 { format!(", {} already done", plan.done) } else { String::new() };
    let more = if plan.left_out > 0 { format!(" and {} more that were not looked at", plan.left_out) } else { String::new() };
    let learned = match (plan.learned_from, plan.guesses) {
        (0, _) => "No such job has finished here: all of it is guessed.".to_owned(),
        (known, 0) => format!("Learned from {} on this machine.", many(known as u64, "finished job")),
        (known, guesses) => format!(
            "Learned from {}; {guesses} of the queue {} of kinds hardly seen.",
            many(known as u64, "finished job"),
            if guesses == 1 { "is" } else { "are" }
        ),
    };
    lines_of(theme, &format!("{jobs}, {}{done}{more}. {learned}", plan.bytes), width, Role::Text)
}

/// The columns of the table: plan, peak, line, finish, rejected.
struct Columns {
    all: [Constraint; 5],
    widths: Vec<u16>,
    full: bool,
}

impl Columns {
    /// For a table of this width, of which the pointer has two columns.
    fn new(width: u16) -> Self {
        let [peak, line, finish, rejected] = match width {
            ROOMY.. => [17, 20, 11, 5],
            48.. => [9, 9, 11, 5],
            _ => [8, 8, 7, 0],
        }
        .map(Constraint::Length);
        let all = [Constraint::Fill(1), peak, line, finish, rejected];
        Self { all, widths: widths(&all, width.saturating_sub(2)), full: width >= ROOMY }
    }
}

fn draw_table(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state, what_if) = (app.theme(), app.shown(), app.what_if());
    let columns = Columns::new(area.width);
    let line_at = what_if.found().and_then(Plan::now).map_or(state.lines.high_water, |now| now.forecast.high_water);
    let (peak, line) =
        if columns.full { ("PEAK p50 to p95", format!("LINE AT {} MB", mb(line_at))) } else { ("P95", "LINE".to_owned()) };
    let [takes, rejected] = ["TAKES", "REJ"].map(|head| Line::from(head).right_aligned());
    let head = Row::new([Line::from("PLAN"), Line::from(peak), Line::from(line), takes, rejected]);
    let rows: Vec<Row<'_>> = match what_if.found() {
        Some(plan) => plan.ways.iter().map(|way| way_row(app, plan, way, &columns)).collect(),
        None => waiting_rows(app, &columns),
    };
    let chosen = what_if.found().map(|_| what_if.row);
    let mut selected = TableState::new().with_selected(chosen);
    let table = Table::new(rows, columns.all)
        .header(head.style(theme.style(Role::Dim)))
        .column_spacing(0)
        .highlight_symbol(theme.span(format!("{} ", theme.symbols.pointer), Role::Accent))
        .highlight_spacing(HighlightSpacing::Always)
        .row_highlight_style(theme.selection());
    StatefulWidget::render(table, area, buf, &mut selected);
}

/// The ways that are being foretold.
fn waiting_rows<'a>(app: &'a App, columns: &Columns) -> Vec<Row<'a>> {
    let (theme, state) = (app.theme(), app.shown());
    let in_force = state.profile.as_deref();
    let others = app.profiles().iter().filter(|profile| in_force.is_none_or(|now| now.name != profile.name));
    let names = in_force.map(|now| format!("now: {}", now.short())).into_iter();
    let names = names.chain(others.map(|profile| format!("{} {}", profile.short(), profile.name)));
    let row = |name: String| {
        let name = fit(&name, columns.widths[0].into(), theme.symbols).into_owned();
        let more = Line::from(theme.symbols.more);
        Row::new([Line::from(name), more.clone(), more.clone(), more.right_aligned()]).style(theme.style(Role::Dim))
    };
    names.map(row).collect()
}

fn way_row<'a>(app: &'a App, plan: &Plan, way: &Way, columns: &Columns) -> Row<'a> {
    let theme = app.theme();
    let guess = way.guesses > 0;
    // What is guessed is dim, and so is what is being foretold anew.
    let faint = guess || app.what_if().looks();
    let span = |text: String, role| theme.span(text, if faint { Role::Dim } else { role });
    let is_best = plan.best().is_some_and(|best| best.forecast.name == way.forecast.name);
    let role = match way.change {
        Change::None => Role::Accent,
        _ if is_best => Role::Strong,
        _ => Role::Text,
    };
    // The mark of a guess stands in front of the figure, so that figures stay in line.
    let wide = usize::from(columns.widths[0].saturating_sub(1));
    let label = way.label();
    let label = fit(&label, wide, theme.symbols);
    let free = " ".repeat(wide.saturating_sub(label.width()));
    let mark = if guess { "~" } else { " " };
    let forecast = &way.forecast;
    let (symbol, of_line, words) = crossing(theme, way, columns.full);
    let words = fit(&words, usize::from(columns.widths[2].saturating_sub(2)), theme.symbols).into_owned();
    let finish = in_words(forecast.finish_p50, usize::from(columns.widths[3]).saturating_sub(1 + mark.trim().len()));
    let of_rejected = if forecast.rejected > 0 { Role::Warn } else { Role::Text };
    Row::new([
        Line::from(vec![span(label.into_owned(), role), free.into(), span(mark.to_owned(), Role::Warn)]),
        Line::from(span(peak(forecast, columns.full), Role::Text)),
        Line::from(vec![span(symbol.to_owned(), of_line), " ".into(), span(words, of_line)]),
        Line::from(span(format!("{}{finish}", mark.trim()), Role::Text)).right_aligned(),
        Line::from(span(forecast.rejected.to_string(), of_rejected)).right_aligned(),
    ])
}

/// `3 min 7 s`; where there is less room its first part, `3 min`.
fn in_words(seconds: f64, room: usize) -> String {
    let words = span_words(Duration::try_from_secs_f64(seconds.round()).unwrap_or_default());
    if words.len() <= room {
        return words;
    }
    words.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ")
}

/// `1.29 - 1.60 GB`, `680 - 840 MB`; where there is little room the second alone.
fn peak(forecast: &Forecast, full: bool) -> String {
    let (p50, p95) = (forecast.peak_p50, forecast.peak_p95);
    let gb = |bytes: Bytes| bytes.0 as f64 / GIB as f64;
    match (full, p95.0 >= GIB) {
        (true, true) => format!("{:.2} - {:.2} GB", gb(p50), gb(p95)),
        (true, false) => format!("{} - {} MB", mb(p50), mb(p95)),
        (false, true) => format!("{:.2} GB", gb(p95)),
        (false, false) => format!("{} MB", mb(p95)),
    }
}

/// Symbol, look and words of how a way stands to the line.
fn crossing(theme: &Theme, way: &Way, full: bool) -> (&'static str, Role, String) {
    let forecast = &way.forecast;
    // A share that is not nothing is never shown as nothing.
    let percent = |share: f64| format!("{:.0} %", (share * 100.0).max(1.0));
    let words = |long: &str, share| if full { format!("{long} {}", percent(share)) } else { percent(share) };
    if forecast.out_of_memory > 0.0 {
        (theme.symbols.bad, Role::Bad, words("out of memory", forecast.out_of_memory))
    } else if forecast.crossed_now {
        (theme.symbols.over, Role::Warn, if full { "crossed now" } else { "now" }.to_owned())
    } else if forecast.crosses > SELDOM {
        (theme.symbols.over, Role::Warn, words("crossed in", forecast.crosses))
    } else if forecast.crosses > 0.0 {
        (theme.symbols.under, Role::Good, words("crossed in", forecast.crosses))
    } else if way.change == Change::Budget && full {
        (theme.symbols.under, Role::Good, format!("line at {}", mb(forecast.high_water)))
    } else {
        (theme.symbols.under, Role::Good, if full { "never crossed" } else { "never" }.to_owned())
    }
}

/// What stands below the table, from top to bottom.
fn blocks(app: &App, width: u16) -> Vec<Block> {
    let (theme, state, what_if) = (app.theme(), app.shown(), app.what_if());
    let lead = if width >= 60 { 14_usize } else { 8 };
    let part = |wanted: u8, label: &str, most: usize, words: &str, role: Role| {
        let lines = wrap(words, usize::from(width).saturating_sub(lead).max(8));
        let lines = lines.into_iter().take(most).enumerate().map(|(at, line)| {
            let label = if at == 0 { fit(label, lead - 1, theme.symbols) } else { "".into() };
            Line::from(vec![theme.span(format!("{label:<lead$}"), Role::Dim), theme.span(line, role)])
        });
        Block { wanted, lines: lines.collect() }
    };
    let mut blocks = Vec::new();
    if let Some(plan) = what_if.found() {
        match app.switch_words() {
            Some(Ok(words)) => blocks.push(part(5, "Switch", 2, &words, Role::Strong)),
            Some(Err(words)) => blocks.push(part(5, "Switch", 3, &words, Role::Warn)),
            None => {}
        }
        let signs: Vec<String> = state.warnings.iter().map(|(name, sign)| format!("{name}: {}", sign.evidence)).collect();
        let signs = signs.into_iter().map(|sign| format!("{} {sign}", theme.symbols.over)).collect::<Vec<_>>().join("  ");
        let (signs, look) = if signs.is_empty() { ("none seen".to_owned(), Role::Dim) } else { (signs, Role::Warn) };
        blocks.push(part(3, if lead > 8 { "Warning signs" } else { "Signs" }, 2, &signs, look));
        let mut advice = plan.advice();
        // Who has never been over the line, and is not expected to be, needs no way down.
        let is_near = state.totals.crossings > 0 || plan.now().is_none_or(|now| now.forecast.crosses > 0.0);
        if let Some(down) = plan.step_down().filter(|_| is_near) {
            advice.extend([". If still over the line, step down to ", &down.forecast.short, "."]);
        }
        blocks.push(part(4, "Advice", 6, &advice, Role::Text));
        let why = format!(
            "p95 of jobs of like size, codec and preset, in virtual time; with under {SURE_FROM} such jobs finished a row is dim and marked ~. \
             Ends within {AS_QUICK_WORDS} of each other count as the same."
        );
        blocks.push(part(1, "Why", 3, &why, Role::Dim));
    }
    let mut keys: Vec<Span<'_>> = Vec::new();
    for (_, key, word) in app.keys().hinted(KeyMode::WhatIf).filter(|(act, ..)| app.fits_the_way(*act)) {
        keys.extend([theme.span(key, Role::Accent), theme.span(format!(" {word}   "), Role::Dim)]);
    }
    blocks.push(Block { wanted: 0, lines: vec![keys.into()] });
    blocks
}

/// What a plan rests on.
fn explained(app: &App, width: u16) -> Vec<Line<'static>> {
    let theme = app.theme();
    let Some(plan) = app.what_if().found() else { return lines_of(theme, "Nothing was foretold yet.", width, Role::Dim) };
    let mut lines = Vec::new();
    let mut add = |words: &str, indent: usize, role: Role| {
        let broken = wrap(words, usize::from(width).saturating_sub(indent).max(8)).into_iter();
        lines.extend(broken.map(|line| Line::from(vec![" ".repeat(indent).into(), theme.span(line, role)])));
    };
    add("The jobs, kind by kind", 0, Role::Strong);
    for kind in &plan.kinds {
        let jobs = if kind.jobs == 1 { "1 job: ".to_owned() } else { format!("{} jobs: ", kind.jobs) };
        add(&(jobs + &kind.what), 1, Role::Text);
        add(&known_of(kind), 3, Role::Dim);
    }
    if plan.skipped > 0 {
        let files = if plan.skipped == 1 { "1 file".to_owned() } else { format!("{} files", plan.skipped) };
        add(&format!("{files} would be rejected in every way (REJ), not being what the preset needs"), 1, Role::Warn);
    }
    if plan.left_out > 0 {
        add(&format!("{} further back not looked at", many(plan.left_out, "job")), 1, Role::Warn);
    }
    if let Some(way) = app.what_if().way() {
        let forecast = &way.forecast;
        add("", 0, Role::Dim);
        add(&format!("The chosen way: {}", forecast.name), 0, Role::Strong);
        let words = format!(
            "ends after {}, in 19 of 20 runs within {}; peak {}, in 19 of 20 runs within {}; {} waits for memory; line at {} of {}",
            in_words(forecast.finish_p50, usize::MAX),
            in_words(forecast.finish_p95, usize::MAX),
            forecast.peak_p50.whole(),
            forecast.peak_p95.whole(),
            forecast.holds,
            forecast.high_water.whole(),
            forecast.budget
        );
        add(&words, 1, Role::Text);
        if way.guesses > plan.guesses {
            add(
                "With these threads too few have finished: concluded from those with the threads of now, by the memory model.",
                1,
                Role::Dim,
            );
        }
    }
    add("", 0, Role::Dim);
    add("What is assumed", 0, Role::Strong);
    for words in [
        format!(
            "The engine itself decides, {} in virtual time; jobs take courses drawn from those above (seed {}).",
            many(plan.runs.into(), "time"),
            plan.seed
        ),
        "Jobs at work go on in every way: they count with what is left of them, and hold at least what they hold now.".to_owned(),
        "Jobs rejected for their size count where another limit would let them in.".to_owned(),
        format!("Nobody else uses the memory or what the jobs share: {}.", many(plan.cores as u64, "processor")),
        format!("The budget is {}: {}.", plan.budget, plan.budget_source),
    ] {
        add(&words, 1, Role::Text);
    }
    lines
}

fn known_of(kind: &Kind) -> String {
    let peaks = kind.peaks.map(|(low, high)| {
        if mb(low) == mb(high) { format!("peak {}", low.whole()) } else { format!("peak {} to {}", mb(low), high.whole()) }
    });
    match (kind.finished, peaks, kind.cpu) {
        (0, Some(peaks), _) => format!("~ none has finished here: {peaks} by the memory model, time by a rule of thumb"),
        (0, None, _) => "~ none has finished here, and no model knows it: memory and time are rules of thumb".to_owned(),
        (finished, peaks, cpu) => {
            let mark = if finished < SURE_FROM { "~ only " } else { "" };
            let cpu = cpu.map_or_else(String::new, |cpu| format!(", {cpu:.2} processor seconds for a second of media"));
            format!("{mark}{finished} finished here: {}{cpu}", peaks.unwrap_or_default())
        }
    }
}
