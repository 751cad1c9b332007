//! How near memory is to the line, now and over time.
//!
//! ```text
//! ╭ 1 Memory ──────────────────────────────────╮
//! │1312 of 2048 MB  64 %  ● under the line     │
//! │███████████████████████▓▒▒▒▒░░···┃··········│
//! │0          512        1024       ┃1536  2048│
//! │█jobs 1102 ▓console 38 ▞others 0 ▒cache 172 │
//! │░reserved 1190  88 unused  300 free         │
//! │peak 1618 ▲  over the line 2 times, 41 s    │
//! │2048│                                       │
//! │1536│⠒ ⠒ ⠒ ⠒ ⠒⡔⠟⠶⡄⠒ ⠒ ⠒ ⠒ ⠒ ⠒ ⠒ ⠒ ⠒ ⠒ ⠒ ⠒ │
//! │0   │     ◆      ◆  ◆      ◆ ◆      ◆ ◆   ◆ │
//! │    └───────────────────────────────────────│
//! │  −5m               ◆ cleanup            now│
//! ╰────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use crate::domain::memory::{Level, Scope};
use crate::domain::state::State;
use crate::domain::units::Bytes;
use crate::tui::app::App;
use crate::tui::input::action::Act;
use crate::tui::layout::Pane;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::frame;
use crate::tui::view::pen::{Line, fit, mb, spoken, time_of_day, wrap};
use crate::tui::view::plot::Plot;

/// Draws the pane.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let room = usize::from(area.width).saturating_sub(14);
    let said = if state.budget_source.is_empty() { String::new() } else { budget_words(state, room) };
    let warned = state.warnings.len();
    let key = format!(", {} tells", app.key_label(Act::Warnings));
    let right = match warned {
        0 => Vec::new(),
        1 => vec![(format!("{} 1 warning", theme.symbols.over), theme.style(Role::Warn)), (key, theme.style(Role::Dim))],
        _ => vec![(format!("{} {warned} warnings", theme.symbols.over), theme.style(Role::Warn)), (key, theme.style(Role::Dim))],
    };
    let said = if warned > 0 && !app.zoom() { String::new() } else { said };
    let inner = frame::frame(app, Pane::Memory, &said, right).draw(area, buf);
    let mut used = draw_numbers(app, inner, buf);
    if app.zoom() {
        used += draw_details(theme, state, Rect { y: inner.y + used, height: inner.height.saturating_sub(used), ..inner }, buf);
    }
    let rest = Rect { y: inner.y + used, height: inner.height.saturating_sub(used), ..inner };
    draw_chart(app, rest, buf);
}

/// Draws four lines without a frame: number, gauge and scale, and the last minutes as small bars beside them.
pub fn draw_compact(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let frame = theme.style(if app.focus() == Pane::Memory { Role::Focus } else { Role::Frame });
    let across = theme.symbols.frame[4];
    let (length, back) = app.chart();
    let mut line = Line::new(buf, area, 0);
    line.put(" 1 ", theme.style(Role::Focus)).put("Memory ", theme.style(Role::Strong));
    let least = if area.width >= 76 { 51 } else { 44 };
    let left = (area.width * 55 / 100).clamp(least, 60).min(area.width);
    let beside = Rect { x: area.x + left + 2, width: area.width.saturating_sub(left + 2), ..area };
    let parts = Parts::of(state);
    let mut legend = names(&parts, theme, &NAMES);
    let width = |legend: &[(String, Style)]| legend.iter().map(|(text, _)| text.width() + 1).sum::<usize>();
    let upto = usize::from(left).saturating_sub(10);
    if width(&legend) > upto {
        legend = names(&parts, theme, &SHORT_NAMES);
    }
    // What is used is named first: what is only set aside stands last, and goes first.
    while width(&legend) > upto {
        legend.pop();
    }
    line.put(across.repeat(upto.saturating_sub(width(&legend))), frame);
    for (text, style) in legend {
        line.gap(1).put(text, style);
    }
    let mut title = Line::new(buf, beside, 0);
    let words = match (state.warnings.len(), back) {
        (0, 0) => (format!(" last {} ", minutes(length)), Role::Dim),
        (0, back) => (format!(" {} ago ", minutes(back)), Role::Warn),
        (many, _) => (format!(" {} {many} warned ", theme.symbols.over), Role::Warn),
    };
    title.put(words.0, theme.style(words.1));
    let room = title.left();
    title.put(across.repeat(room), frame);
    let gauge = Rect { y: area.y + 1, width: left, height: area.height.saturating_sub(1), ..area };
    draw_gauge(theme, state, gauge, buf);
    draw_bars(app, Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..beside }, buf);
}

/// The budget and whose it is, in as many whole parts as there is room for.
fn budget_words(state: &State, room: usize) -> String {
    let (budget, source) = (state.lines.budget, state.budget_source.as_str());
    // Of `profile balanced; the machine has 23.5 GB` the first part, of `the container's limit (FILE)` the words before.
    let short = source.split_once("; ").map_or(source, |(first, _)| first);
    let shorter = short.split_once(" (").map_or(short, |(first, _)| first);
    let forms = [source, short, shorter].map(|source| format!("{budget}: {source}"));
    forms.into_iter().find(|words| words.width() <= room).unwrap_or_else(|| budget.to_string())
}

fn minutes(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// Number, gauge, scale, parts and peak; returns the lines used.
fn draw_numbers(app: &App, area: Rect, buf: &mut Buffer) -> u16 {
    let (theme, state) = (app.theme(), app.shown());
    draw_gauge(theme, state, area, buf);
    let dim = theme.style(Role::Dim);
    let parts = Parts::of(state);
    draw_legend(theme, &parts, area, buf);
    let mut line = Line::new(buf, area, 4);
    let (symbol, style) = (theme.symbols.parts[4], parts.style(4, theme));
    let text = theme.style(Role::Text);
    line.put(symbol, style).gap(roomy(area)).put("reserved ", dim).put(mb(state.memory.reserved_bytes), text).gap(2);
    line.put(mb(parts.beyond), text).put(" unused", dim).gap(2).put(mb(parts.room), text).put(" free", dim);
    // Named where it is more than nothing: with it the sum is that of the line.
    let kept = mb(parts.kept);
    if parts.kept >= Bytes::mib(1) && line.left() >= kept.len() + 7 {
        line.gap(2).put(kept, text).put(" kept", dim);
    }
    let mut line = Line::new(buf, area, 5);
    let totals = &state.totals;
    let crossed = totals.crossings > 0;
    line.put("peak ", dim).put(mb(totals.peak_counted), theme.style(if crossed { Role::Warn } else { Role::Text }));
    // Both figures of the line are of the same part of the run.
    if let Some((_, since)) = totals.measured_since {
        line.put(format!(" since {}", time_of_day(since, app.time_zone(), false)), dim);
    }
    if crossed {
        let times = if totals.crossings == 1 { "once".to_owned() } else { format!("{} times", totals.crossings) };
        line.put(format!(" {}", theme.symbols.over), theme.style(Role::Warn)).gap(2);
        let took = spoken(state.time_over_line());
        let forms = [format!("over the line {times}, {took}"), format!("over {times}, {took}"), format!("over {took}")];
        let left = line.left();
        line.put(forms.iter().find(|words| words.width() <= left).map_or("", String::as_str), dim);
    } else {
        let left = line.left();
        let forms = ["  never over the line", "  never over it"];
        line.put(forms.into_iter().find(|words| words.width() <= left).unwrap_or_default(), dim);
    }
    6
}

/// What the counted memory is made of. The parts add up to it.
struct Parts {
    /// Jobs, the console, others, file cache.
    used: [Bytes; 4],
    /// What running jobs may still grow by within what is set aside for them.
    beyond: Bytes,
    /// What a further job may need and be let in.
    room: Bytes,
    /// What is kept for the console and not used: part of neither.
    kept: Bytes,
    level: Role,
}

const NAMES: [&str; 5] = ["jobs", "console", "others", "cache", "reserved"];
/// The same where there is little room.
const SHORT_NAMES: [&str; 5] = ["jobs", "own", "other", "cache", "reserved"];

impl Parts {
    fn of(state: &State) -> Self {
        let memory = &state.memory;
        let jobs: Bytes = memory.jobs.values().copied().sum();
        let others = memory.foreign_bytes;
        let mut left = memory.counted_bytes;
        let mut take = |part: Bytes| {
            let part = part.min(left);
            left = left - part;
            part
        };
        let (jobs, console, others) = (take(jobs), take(memory.console_bytes), take(others));
        let beyond = state.reserved_beyond_use();
        let kept = state.kept_unused();
        Self {
            used: [jobs, console, others, left],
            beyond,
            room: state.lines.high_water - (jobs + beyond + console + kept + others),
            kept,
            level: match memory.shown_level() {
                Level::Normal => Role::Good,
                Level::Elevated | Level::High => Role::Warn,
                Level::Critical => Role::Bad,
            },
        }
    }

    /// The look of a part; every part has a symbol of its own too.
    fn style(&self, part: usize, theme: &Theme) -> Style {
        theme.shape(match part {
            0 => self.level,
            1 => Role::Cleanup,
            2 => Role::Frame,
            3 => Role::Running,
            _ => Role::Dim,
        })
    }

    fn bytes(&self, part: usize) -> Bytes {
        self.used.get(part).copied().unwrap_or(self.beyond)
    }

    /// The gauge as runs of cells: the part and how many cells it has. What is there and would vanish has one cell.
    fn cells(&self, end: Bytes, width: u16) -> Vec<(usize, u16)> {
        let mut runs = Vec::new();
        let (mut sum, mut taken) = (Bytes::ZERO, 0_u16);
        for part in 0..5 {
            let bytes = self.bytes(part);
            sum += bytes;
            let upto = (sum.share_of(end).min(1.0) * f64::from(width)).round() as u16;
            let least = u16::from(bytes >= Bytes::mib(8) && part < 4);
            let cells = upto.saturating_sub(taken).max(least).min(width - taken);
            taken += cells;
            if cells > 0 {
                runs.push((part, cells));
            }
        }
        runs
    }
}

/// Symbol and name of every part that there is.
fn names(parts: &Parts, theme: &Theme, names: &[&str; 5]) -> Vec<(String, Style)> {
    let there = (0..5).filter(|part| parts.bytes(*part) >= Bytes::mib(1));
    there.map(|part| (format!("{}{}", theme.symbols.parts[part], names[part]), parts.style(part, theme))).collect()
}

/// Columns between a part's symbol and its name: by the pane's width alone, so that nothing jumps when a number grows.
fn roomy(area: Rect) -> u16 {
    u16::from(area.width >= 54)
}

/// Symbol, name and size of the parts; where there is little room, of those that are there, by short names. A part that has
/// no room even then is left out whole, the smallest first: half a figure would be a wrong one.
fn draw_legend(theme: &Theme, parts: &Parts, area: Rect, buf: &mut Buffer) {
    let roomy = roomy(area);
    let fits = |shown: &[usize], names: &[&str; 5]| {
        let one = |part: &usize| names[*part].len() + mb(parts.bytes(*part)).len() + 3 + 2 * usize::from(roomy);
        shown.iter().map(one).sum::<usize>() <= usize::from(area.width) + 1 + usize::from(roomy)
    };
    let mut shown: Vec<usize> = (0..4).collect();
    if !fits(&shown, &NAMES) {
        shown.retain(|part| parts.bytes(*part) >= Bytes::mib(1));
    }
    let names = if fits(&shown, &NAMES) { &NAMES } else { &SHORT_NAMES };
    while !fits(&shown, names) {
        let Some(least) = shown.iter().copied().min_by_key(|part| parts.bytes(*part)) else { break };
        shown.retain(|part| *part != least);
    }
    let mut line = Line::new(buf, area, 3);
    for part in shown {
        line.put(theme.symbols.parts[part], parts.style(part, theme)).gap(roomy);
        line.put(format!("{} ", names[part]), theme.style(Role::Dim));
        line.put(mb(parts.bytes(part)), theme.style(Role::Text)).gap(1 + roomy);
    }
}

fn draw_gauge(theme: &Theme, state: &State, area: Rect, buf: &mut Buffer) {
    let memory = &state.memory;
    let budget = state.lines.budget;
    let dim = theme.style(Role::Dim);
    let mut line = Line::new(buf, area, 0);
    if budget == Bytes::ZERO {
        line.put("measuring memory", dim);
        return;
    }
    let end = gauge_end(state);
    let (role, symbol) = theme.level(memory.shown_level());
    let share = memory.counted_bytes.share_of(budget);
    line.put(mb(memory.counted_bytes), theme.style(Role::Strong)).put(format!(" of {} MB", mb(budget)), dim).gap(2);
    line.put(format!("{:.0} %", share * 100.0), theme.style(Role::Strong)).gap(2);
    line.put(format!("{symbol} {}", memory.shown_level().words()), theme.style(role));

    let parts = Parts::of(state);
    let mut line = Line::new(buf, area, 1);
    for (part, cells) in parts.cells(end, area.width) {
        line.put(theme.symbols.parts[part].repeat(cells.into()), parts.style(part, theme));
    }
    let rest = line.left();
    line.put(theme.symbols.empty.repeat(rest), dim);
    let column =
        |bytes: Bytes| (bytes.share_of(end) * f64::from(area.width)).floor().min(f64::from(area.width.saturating_sub(1))) as u16;
    let mark = column(state.lines.high_water);
    if area.height > 1 {
        Line::new(buf, area, 1).gap(mark).put(theme.symbols.line, theme.style(Role::Line));
    }
    draw_scale(theme, state, area, mark, buf);
}

/// Memory at the right end of the gauge: the budget, or what is used where a smaller budget has come into force.
fn gauge_end(state: &State) -> Bytes {
    state.lines.budget.max(state.memory.counted_bytes)
}

/// Memory at the upper edge of a chart of these values: nothing of a larger budget before is cut off.
fn chart_end(state: &State, values: &[Option<Bytes>]) -> Bytes {
    let highest = values.iter().flatten().copied().max().unwrap_or_default();
    state.lines.budget.max(highest)
}

/// The numbers under the gauge: those that fit, the line's own first.
fn draw_scale(theme: &Theme, state: &State, area: Rect, mark: u16, buf: &mut Buffer) {
    let end = gauge_end(state);
    let dim = theme.style(Role::Dim);
    let last = mb(end);
    let (symbol, number) = (theme.symbols.line, mb(state.lines.high_water));
    let wide = (symbol.width() + number.len()) as u16;
    // The label stands right of the mark; or left of it, so that the end of the scale has room; or with its end at the mark.
    let last_at = area.width.saturating_sub(last.len() as u16);
    let left_at = (mark + 1).saturating_sub(wide);
    let (line_at, line_label) = if mark + wide < last_at {
        (mark, format!("{symbol}{number}"))
    } else if mark + 1 < last_at {
        (left_at, format!("{number}{symbol}"))
    } else {
        // The mark itself stands over the last label.
        (last_at.saturating_sub(number.len() as u16 + 1).min(left_at), number)
    };
    let mut taken = vec![(line_at, line_at + line_label.width() as u16)];
    Line::new(buf, area, 2).gap(line_at).put(&line_label, theme.style(Role::Line));
    let mut labels = vec![("0".to_owned(), 0), (last.clone(), last_at)];
    for quarter in [1, 2, 3] {
        let at = u32::from(area.width) * quarter / 4;
        labels.push((mb(Bytes(end.0 / 4 * u64::from(quarter))), at as u16));
    }
    for (label, at) in labels {
        let (from, to) = (at.saturating_sub(1), at + label.len() as u16 + 1);
        if at + label.len() as u16 <= area.width && taken.iter().all(|(start, end)| to <= *start || from >= *end) {
            Line::new(buf, area, 2).gap(at).put(&label, dim);
            taken.push((at, to - 1));
        }
    }
}

/// Full screen only: the three sums, reservations, the budget, and every warning with its advice.
fn draw_details(theme: &Theme, state: &State, area: Rect, buf: &mut Buffer) -> u16 {
    let dim = theme.style(Role::Dim);
    let memory = &state.memory;
    let scope = match memory.scope {
        Scope::Container => "the container",
        Scope::Machine => "the machine",
        Scope::Own => "plimsoll and its jobs",
    };
    let (lines_at, whole) = (&state.lines, |bytes: Bytes| format!("{} MB", mb(bytes)));
    let facts = [
        format!(
            "In use by {scope}: {}. Counted against the line, without file cache that is not in use: {}. Cannot be dropped: {}.",
            whole(memory.usage_bytes),
            whole(memory.working_set_bytes),
            whole(memory.hard_bytes)
        ),
        format!(
            "Near the line from {}; over it from {}: cleanups run, and starts may wait until it is under {}.",
            whole(lines_at.elevated),
            whole(lines_at.high_water),
            whole(lines_at.low_water)
        ),
        format!(
            "Near the limit when {} cannot be dropped. Kept for the console itself: {}. All there is here: {}.",
            whole(lines_at.critical),
            whole(lines_at.reserve),
            whole(state.available)
        ),
    ];
    let mut lines: Vec<(String, Role)> = Vec::new();
    for (at, fact) in facts.iter().enumerate() {
        let role = if at == 0 { Role::Text } else { Role::Dim };
        lines.extend(wrap(fact, area.width.into()).into_iter().map(|line| (line, role)));
    }
    for (name, warning) in &state.warnings {
        lines.push((format!("{} {name}: {}", theme.symbols.over, warning.evidence), Role::Warn));
        lines.push((format!("  {}", warning.advice), Role::Text));
    }
    let room = area.height.saturating_sub(6);
    let shown = lines.len().min(usize::from(room));
    for (at, (text, role)) in lines.iter().take(shown).enumerate() {
        let mut line = Line::new(buf, area, at as u16);
        let left = line.left();
        line.put(fit(text, left, theme.symbols), if *role == Role::Dim { dim } else { theme.style(*role) });
    }
    shown as u16
}

/// The highest counted memory, and whether a cleanup began, in each of `columns` equal parts of the time shown.
struct Series {
    values: Vec<Option<Bytes>>,
    cleanups: Vec<bool>,
}

fn series(app: &App, columns: usize) -> Series {
    let state = app.shown();
    let mut values = vec![None; columns];
    let mut cleanups = vec![false; columns];
    if columns == 0 {
        return Series { values, cleanups };
    }
    let (length, back) = app.chart();
    let step = length as f64 / columns as f64;
    // Parts are counted from the run's beginning, so that a curve moves by whole parts and does not shimmer.
    let part = |second: u64| (second as f64 / step).floor() as i64;
    let newest = part(state.now.0.as_secs().saturating_sub(back));
    let oldest = newest - columns as i64 + 1;
    let from = state.history.partition_point(|point| part(point.second) < oldest);
    let mut last = from.checked_sub(1).and_then(|at| state.history.get(at)).map(|point| point.counted);
    for point in state.history.range(from..) {
        let at = part(point.second) - oldest;
        let Ok(at) = usize::try_from(at) else { continue };
        if at >= columns {
            break;
        }
        values[at] = values[at].max(Some(point.counted));
        cleanups[at] |= point.cleanup;
    }
    // A second without a sample looks as the one before.
    let now = part(state.now.0.as_secs()) - oldest;
    for (at, value) in values.iter_mut().enumerate() {
        if value.is_none() && at as i64 <= now {
            *value = last;
        }
        last = value.or(last);
    }
    Series { values, cleanups }
}

/// Small bars for the compact form.
fn draw_bars(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let series = series(app, area.width.into());
    let end = chart_end(state, &series.values);
    for (x, value) in series.values.iter().enumerate() {
        let Some(value) = value else { continue };
        let eighths = (value.share_of(end).min(1.0) * f64::from(area.height) * 8.0).round() as u16;
        let role = if *value >= state.lines.high_water { Role::Warn } else { Role::Running };
        for row in 0..area.height {
            let level = eighths.saturating_sub((area.height - 1 - row) * 8).min(8);
            if level > 0 {
                let symbol = theme.symbols.sparks[usize::from(level) - 1];
                Line::new(buf, area, row).gap(x as u16).put(symbol, theme.style(role));
            }
        }
    }
}

fn draw_chart(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    if area.height < 5 || area.width < 16 || state.lines.budget == Bytes::ZERO {
        return;
    }
    let end = chart_end(state, &series(app, area.width.into()).values);
    let (dim, across, down) = (theme.style(Role::Dim), theme.symbols.frame[4], theme.symbols.bar);
    let labels = (mb(end).len() as u16).max(4);
    let plot = Rect::new(area.x + labels + 1, area.y, area.width - labels - 1, area.height - 2);
    let rows = plot.height;
    let row_of = |bytes: Bytes| ((1.0 - bytes.share_of(end).min(1.0)) * f64::from(rows - 1)).round() as u16;
    for y in 0..rows {
        Line::new(buf, area, y).gap(labels).put(down, theme.style(Role::Frame));
    }
    let mark = row_of(state.lines.high_water);
    let mut labelled = vec![mark];
    Line::new(buf, area, mark).put(mb(state.lines.high_water), theme.style(Role::Line));
    for quarter in [4_u64, 0, 2, 1, 3] {
        let bytes = Bytes(end.0 / 4 * quarter);
        let y = row_of(bytes);
        if labelled.iter().all(|known| known.abs_diff(y) > 1) {
            Line::new(buf, area, y).put(mb(bytes), dim);
            labelled.push(y);
        }
    }
    Line::new(buf, area, rows)
        .gap(labels)
        .put(theme.symbols.corner, theme.style(Role::Frame))
        .put(across.repeat(plot.width.into()), theme.style(Role::Frame));
    draw_time_axis(app, area, labels, buf);
    let curve = Plot { theme, end, mark: state.lines.high_water };
    curve.draw(&series(app, curve.columns(plot.width)).values, plot, buf);
    let marks = series(app, plot.width.into()).cleanups;
    for (x, _) in marks.iter().enumerate().filter(|(_, cleanup)| **cleanup) {
        Line::new(buf, plot, rows - 1).gap(x as u16).put(theme.symbols.cleanup, theme.style(Role::Cleanup));
    }
}

fn draw_time_axis(app: &App, area: Rect, labels: u16, buf: &mut Buffer) {
    let theme = app.theme();
    let dim = theme.style(Role::Dim);
    let (length, back) = app.chart();
    let (symbols, row) = (theme.symbols, area.height - 1);
    let ago = |seconds: u64| match seconds {
        0 => "now".to_owned(),
        1..120 => format!("{}{seconds}s", symbols.minus),
        120..7200 => format!("{}{}m", symbols.minus, seconds / 60),
        _ => format!("{}{}h", symbols.minus, seconds / 3600),
    };
    Line::new(buf, area, row).gap(labels.saturating_sub(2)).put(ago(length + back), dim);
    let legend = "cleanup";
    let middle = (area.width + labels).saturating_sub(legend.len() as u16 + 2) / 2;
    let mut line = Line::new(buf, area, row);
    line.gap(middle).put(symbols.cleanup, theme.style(Role::Cleanup)).gap(1).put(legend, dim);
    line.at_end(&ago(back), theme.style(if back > 0 { Role::Warn } else { Role::Dim }));
}
