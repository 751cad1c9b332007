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
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Sparkline, SparklineBar, Widget as _, Wrap};
use unicode_width::UnicodeWidthStr;

use crate::domain::memory::{Level, Scope};
use crate::domain::state::State;
use crate::domain::units::Bytes;
use crate::tui::app::App;
use crate::tui::input::action::Act;
use crate::tui::layout::Pane;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::frame::Framed;
use crate::tui::view::text::{left, mb, spoken, time_of_day};
use crate::tui::view::widgets::{Curve, LoadChart, LoadGauge, Part, quarters};

/// Least lines and columns of the chart.
const CHART: (u16, u16) = (5, 16);

/// Draws the pane.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let room = usize::from(area.width).saturating_sub(14);
    let warned = state.warnings.len();
    let said =
        if state.budget_source.is_empty() || (warned > 0 && !app.zoom()) { String::new() } else { budget_words(state, room) };
    let mut frame = Framed::pane(app, Pane::Memory, said);
    if warned > 0 {
        let signs = if warned == 1 { "1 warning".to_owned() } else { format!("{warned} warnings") };
        let signs = theme.span(format!("{} {signs}", theme.symbols.over), Role::Warn);
        frame = frame.right(vec![signs, theme.span(format!(", {} tells", app.key_label(Act::Warnings)), Role::Dim)]);
    }
    let inner = frame.draw(area, buf);
    let [number, gauge, parts, rest] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(2), Constraint::Length(3), Constraint::Fill(1)]).areas(inner);
    number_line(theme, state).render(number, buf);
    draw_gauge(theme, state, gauge, buf);
    Paragraph::new(vec![legend(theme, state, inner), room_line(theme, state, inner), peak_line(app, inner.width)])
        .render(parts, buf);
    let details = Paragraph::new(if app.zoom() { details(theme, state) } else { Vec::new() }).wrap(Wrap { trim: false });
    let most = rest.height.saturating_sub(CHART.0 + 1);
    let lines = if app.zoom() { details.line_count(rest.width).min(most.into()) } else { 0 };
    let [details_at, chart] = Layout::vertical([Constraint::Length(lines as u16), Constraint::Fill(1)]).areas(rest);
    details.render(details_at, buf);
    draw_chart(app, chart, buf);
}

/// Draws four lines without a frame: number, gauge and scale, and the last minutes as small bars beside them.
pub fn draw_compact(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let least = if area.width >= 76 { 51 } else { 44 };
    let left = (area.width * 55 / 100).clamp(least, 60);
    let [load, _, beside] = Layout::horizontal([Constraint::Length(left), Constraint::Length(2), Constraint::Fill(1)]).areas(area);
    // Without colours the rule is dim; what stands in it is not.
    let rule = || {
        let title = Style::new().remove_modifier(Modifier::DIM);
        Block::new().borders(Borders::TOP).border_set(theme.symbols.frame).title_style(title)
    };
    let frame = theme.style(if app.focus() == Pane::Memory { Role::Focus } else { Role::Frame });

    let parts = Parts::of(state);
    let mut legend = names(&parts, theme, &NAMES);
    let width = |legend: &[Span<'_>]| legend.iter().map(|name| name.width() + 1).sum::<usize>();
    let upto = usize::from(left).saturating_sub(10);
    if width(&legend) > upto {
        legend = names(&parts, theme, &SHORT_NAMES);
    }
    // What is used is named first: what is only set aside stands last, and goes first.
    while width(&legend) > upto {
        legend.pop();
    }
    let legend: Line<'_> = legend.into_iter().flat_map(|name| [" ".into(), name]).collect();
    let title = Line::from(vec![theme.span(" 1 ", Role::Focus), theme.span("Memory ", Role::Strong)]);
    let block = rule().border_style(frame).title_top(title).title_top(legend.right_aligned());
    let [number, gauge] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(block.inner(load));
    block.render(load, buf);
    number_line(theme, state).render(number, buf);
    draw_gauge(theme, state, gauge, buf);

    let (length, back) = app.chart();
    let title = match (state.warnings.len(), back) {
        (0, 0) => theme.span(format!(" last {} ", minutes(length)), Role::Dim),
        (0, back) => theme.span(format!(" {} ago ", minutes(back)), Role::Warn),
        (many, _) => theme.span(format!(" {} {many} warned ", theme.symbols.over), Role::Warn),
    };
    let values = series(app, beside.width.into()).values;
    let end = chart_end(state, &values);
    Sparkline::default()
        .block(rule().border_style(frame).title_top(title))
        .bar_set(theme.symbols.sparks.clone())
        .max(end.0)
        .data(values.into_iter().map(|value| bar(theme, state, value)))
        .render(beside, buf);
}

/// A bar of the sparkline. Blank cells above it have its look too: an underline would show there.
fn bar(theme: &Theme, state: &State, value: Option<Bytes>) -> SparklineBar {
    let is_over = value.is_some_and(|value| value >= state.lines.high_water);
    let mut style = theme.shape(if is_over { Role::Warn } else { Role::Running });
    style.add_modifier.remove(Modifier::UNDERLINED);
    SparklineBar::from(value.map(|value| value.0)).style(style)
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

/// What is counted, of what, and what that means.
fn number_line(theme: &Theme, state: &State) -> Line<'static> {
    let (memory, budget) = (&state.memory, state.lines.budget);
    if budget == Bytes::ZERO {
        return theme.span("measuring memory", Role::Dim).into();
    }
    let (role, symbol) = theme.level(memory.shown_level());
    let share = memory.counted_bytes.share_of(budget);
    Line::from(vec![
        theme.span(mb(memory.counted_bytes), Role::Strong),
        theme.span(format!(" of {} MB  ", mb(budget)), Role::Dim),
        theme.span(format!("{:.0} %", share * 100.0), Role::Strong),
        "  ".into(),
        theme.span(format!("{symbol} {}", memory.shown_level().label()), role),
    ])
}

fn draw_gauge(theme: &Theme, state: &State, area: Rect, buf: &mut Buffer) {
    if state.lines.budget == Bytes::ZERO {
        return;
    }
    let parts = Parts::of(state);
    let part = |at| Part {
        symbol: theme.symbols.parts[at],
        style: parts.style(at, theme),
        bytes: parts.bytes(at),
        is_used: at < parts.used.len(),
    };
    // The budget, or what is used where a smaller budget has come into force.
    let end = state.lines.budget.max(state.memory.counted_bytes);
    LoadGauge { theme, parts: &[0, 1, 2, 3, 4].map(part), line: state.lines.high_water, end }.render(area, buf);
}

/// What is set aside, and what of it and beside it is free.
fn room_line(theme: &Theme, state: &State, area: Rect) -> Line<'static> {
    let parts = Parts::of(state);
    let mut line = Line::from(vec![
        Span::styled(theme.symbols.parts[4], parts.style(4, theme)),
        theme.span(format!("{}reserved ", roomy(area)), Role::Dim),
        theme.span(mb(state.memory.reserved_bytes), Role::Text),
        theme.span(format!("  {}", mb(parts.beyond)), Role::Text),
        theme.span(" unused", Role::Dim),
        theme.span(format!("  {}", mb(parts.room)), Role::Text),
        theme.span(" free", Role::Dim),
    ]);
    // Named where it is more than nothing: with it the sum is that of the line.
    let kept = mb(parts.kept);
    if parts.kept >= Bytes::mib(1) && left(&line, area.width) >= kept.len() + 7 {
        line.push_span(theme.span(format!("  {kept}"), Role::Text));
        line.push_span(theme.span(" kept", Role::Dim));
    }
    line
}

/// The highest memory of the run, and how often and how long it was over the line.
fn peak_line(app: &App, width: u16) -> Line<'static> {
    let (theme, state) = (app.theme(), app.shown());
    let totals = &state.totals;
    let crossed = totals.crossings > 0;
    let peak = theme.span(mb(totals.peak_counted), if crossed { Role::Warn } else { Role::Text });
    let mut line = Line::from(vec![theme.span("peak ", Role::Dim), peak]);
    // Both figures of the line are of the same part of the run.
    if let Some((_, since)) = totals.measured_since {
        line.push_span(theme.span(format!(" since {}", time_of_day(since, app.time_zone(), false)), Role::Dim));
    }
    let forms = if crossed {
        let times = if totals.crossings == 1 { "once".to_owned() } else { format!("{} times", totals.crossings) };
        line.push_span(theme.span(format!(" {}", theme.symbols.over), Role::Warn));
        let took = spoken(state.time_over_line());
        vec![format!("  over the line {times}, {took}"), format!("  over {times}, {took}"), format!("  over {took}")]
    } else {
        vec!["  never over the line".to_owned(), "  never over it".to_owned()]
    };
    let room = left(&line, width);
    line.push_span(theme.span(forms.into_iter().find(|words| words.width() <= room).unwrap_or_default(), Role::Dim));
    line
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
}

/// Symbol and name of every part that there is.
fn names(parts: &Parts, theme: &Theme, names: &[&str; 5]) -> Vec<Span<'static>> {
    let there = (0..5).filter(|part| parts.bytes(*part) >= Bytes::mib(1));
    there.map(|part| Span::styled(format!("{}{}", theme.symbols.parts[part], names[part]), parts.style(part, theme))).collect()
}

/// Blanks between a part's symbol and its name: by the pane's width alone, so that nothing jumps when a number grows.
const fn roomy(area: Rect) -> &'static str {
    if area.width >= 54 { " " } else { "" }
}

/// Symbol, name and size of the parts; where there is little room, of those that are there, by short names. A part that has
/// no room even then is left out whole, the smallest first: half a figure would be a wrong one.
fn legend(theme: &Theme, state: &State, area: Rect) -> Line<'static> {
    let (parts, roomy) = (Parts::of(state), roomy(area));
    let fits = |shown: &[usize], names: &[&str; 5]| {
        let one = |part: &usize| names[*part].len() + mb(parts.bytes(*part)).len() + 3 + 2 * roomy.len();
        shown.iter().map(one).sum::<usize>() <= usize::from(area.width) + 1 + roomy.len()
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
    let part = |part| {
        [
            Span::styled(theme.symbols.parts[part], parts.style(part, theme)),
            theme.span(format!("{roomy}{} ", names[part]), Role::Dim),
            theme.span(format!("{} {roomy}", mb(parts.bytes(part))), Role::Text),
        ]
    };
    shown.into_iter().flat_map(part).collect()
}

/// Memory at the upper edge of a chart of these values: nothing of a larger budget before is cut off.
fn chart_end(state: &State, values: &[Option<Bytes>]) -> Bytes {
    let highest = values.iter().flatten().copied().max().unwrap_or_default();
    state.lines.budget.max(highest)
}

/// Full screen only: the three sums, reservations, the budget, and every warning with its advice.
fn details(theme: &Theme, state: &State) -> Vec<Line<'static>> {
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
            lines_at.line_words(),
            whole(lines_at.low_water)
        ),
        format!(
            "Near the limit when {} cannot be dropped. Kept for the console itself: {}. All there is here: {}.",
            whole(lines_at.critical),
            whole(lines_at.reserve),
            whole(state.available)
        ),
    ];
    let [sums, marks, limit] = facts;
    let mut lines: Vec<Line<'_>> =
        [(sums, Role::Text), (marks, Role::Dim), (limit, Role::Dim)].map(|(fact, role)| theme.span(fact, role).into()).to_vec();
    for (name, warning) in &state.warnings {
        lines.push(theme.span(format!("{} {name}: {}", theme.symbols.over, warning.evidence), Role::Warn).into());
        lines.push(theme.span(format!("  {}", warning.advice), Role::Text).into());
    }
    lines
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

fn draw_chart(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    if area.height < CHART.0 || area.width < CHART.1 {
        return;
    }
    let (length, back) = app.chart();
    let symbols = theme.symbols;
    let ago = |seconds: u64| match seconds {
        0 => "now".to_owned(),
        1..120 => format!("{}{seconds}s", symbols.minus),
        120..7200 => format!("{}{}m", symbols.minus, seconds / 60),
        _ => format!("{}{}h", symbols.minus, seconds / 3600),
    };
    let legend = vec![theme.span(symbols.cleanup, Role::Cleanup), theme.span(" cleanup", Role::Dim)];
    let newest = theme.span(ago(back), if back > 0 { Role::Warn } else { Role::Dim });
    let end =
        if state.lines.budget == Bytes::ZERO { Bytes::ZERO } else { chart_end(state, &series(app, area.width.into()).values) };
    LoadChart {
        theme,
        curves: vec![Curve {
            values: Box::new(|columns| series(app, columns).values),
            style: theme.style(Role::Running),
            over: theme.style(Role::Warn),
            dashes: (1, 0),
            letter: None,
            ends: String::new(),
        }],
        line: state.lines.high_water,
        end,
        labels: quarters(end),
        time: [theme.span(ago(length + back), Role::Dim).into(), Line::from(legend), newest.into()],
        marks: &|columns| series(app, columns).cleanups,
    }
    .render(area, buf);
}
