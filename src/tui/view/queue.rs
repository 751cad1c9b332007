//! The jobs, the ones that matter most first.
//!
//! ```text
//! ╭ 2 Queue 12 jobs, 431 MB waiting ──────────────────────────────────── filter lect, 2 of 12 ╮
//! │STATE     ID INPUT              SIZE  PEAK PROGRESS          SPEED   LEFT│
//! │▶ run     17 lecture-04.mp4     148M  612M ███████▌····  63%  1.8x  00:41│
//! │⊘ reject  20 wedding-full.mov   412M  412 MB, over the 200 MB limit      │
//! ╰─────────────────────────────────────────────────────────────────────────╯
//! ```

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use crate::domain::event::RoomWanted;
use crate::domain::job::{Damage, Job, JobId, Outcome, Phase, RejectReason};
use crate::domain::state::State;
use crate::domain::text::path_text;
use crate::domain::time::clock;
use crate::domain::units::Bytes;
use crate::tui::app::App;
use crate::tui::app::job_words::state_of;
use crate::tui::app::waiting;
use crate::tui::input::action::Act;
use crate::tui::layout::Pane;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::frame;
use crate::tui::view::names::input_name;
use crate::tui::view::pen::{Line, Span, bar};
use crate::tui::view::scroll::{self, Seen};

struct Columns {
    id: u16,
    input: u16,
    bar: u16,
    peak: u16,
}

impl Columns {
    fn new(width: u16, last: Option<JobId>) -> Self {
        let id = last.map_or(1, |id| id.0.max(1).ilog10() as u16 + 1).max(3);
        let peak = if width >= 54 { 6 } else { 0 };
        let bar = match width {
            70.. => 11,
            64.. => 6,
            _ => 0,
        };
        let rest = STATE + id + 2 + SIZE + peak + 1 + bar + PERCENT + SPEED + LEFT;
        // On a wide screen the names have enough room before the bars do.
        let more = width.saturating_sub(rest).saturating_sub(NAMES).min(if bar > 0 { 24 } else { 0 });
        Self { id, input: width.saturating_sub(rest + more), bar: bar + more, peak }
    }

    /// From the progress column to the speed column: room for a reason.
    const fn reason(&self) -> u16 {
        self.bar + PERCENT + SPEED
    }
}

const STATE: u16 = 9;
/// Names longer than this give way to longer bars.
const NAMES: u16 = 36;
/// Columns from which on a preset is told, cut, beside a name that has room.
const LEAST_PRESET: u16 = 7;
/// Columns that a name keeps beside the preset of its job.
const LEAST_NAME: u16 = 16;
const SIZE: u16 = 6;
const PERCENT: u16 = 5;
const SPEED: u16 = 6;
const LEFT: u16 = 8;

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let jobs = state.jobs.len();
    let mut said = format!("{jobs} {}", if jobs == 1 { "job" } else { "jobs" });
    if state.backlog.jobs > 0 {
        said = format!("{said}, {} more", thousands(state.backlog.jobs));
    }
    if state.waiting_bytes() > Bytes::ZERO {
        said = format!("{said}, {} waiting", state.waiting_bytes());
    }
    if app.marks() > 0 {
        said = format!("{jobs} {}, {} marked", if jobs == 1 { "job" } else { "jobs" }, app.marks());
    }
    let right = match (app.filter(), &state.held) {
        (None, _) if let Some(wanted) = &state.room => {
            let figures = wanted.figures();
            let place = format!(" in {}", path_text(&wanted.folder));
            let room = usize::from(area.width).saturating_sub(said.width() + 14);
            let mut text = format!("{} no room", theme.symbols.bad);
            for (more, sep) in [(figures, ": "), (place, "")] {
                if !more.is_empty() && text.width() + sep.len() + more.width() <= room {
                    text = format!("{text}{sep}{more}");
                }
            }
            vec![(text, theme.style(Role::Bad))]
        }
        (Some(filter), _) if filter.text().trim().is_empty() => {
            vec![("by ".to_owned(), theme.style(Role::Dim)), (filter.order().words().to_owned(), theme.style(Role::Accent))]
        }
        (Some(filter), _) => {
            vec![
                ("filter ".to_owned(), theme.style(Role::Dim)),
                (format!("{}, {} of {jobs}", filter.text(), filter.len()), theme.style(Role::Accent)),
            ]
        }
        (None, Some(held)) => {
            let way = waiting::way_in(state).unwrap_or_default();
            let long = format!("{} #{} runs {way}", theme.symbols.held, held.job);
            let fits = said.len() + long.len() + 14 < usize::from(area.width);
            let text = if fits { long } else { format!("{} #{} waits", theme.symbols.held, held.job) };
            vec![(text, theme.style(Role::Warn))]
        }
        (None, None) => next_steps(app, usize::from(area.width).saturating_sub(said.width() + 14)),
    };
    let inner = frame::frame(app, Pane::Queue, &said, right).draw(area, buf);
    let columns = Columns::new(inner.width, state.jobs.last_key_value().map(|(id, _)| *id));
    let dim = theme.style(Role::Dim);
    let mut line = Line::new(buf, inner, 0);
    line.field("STATE", STATE, dim, theme.symbols).right("ID", columns.id, dim).gap(1);
    line.field("INPUT", columns.input, dim, theme.symbols).right("SIZE", SIZE, dim).right(
        if columns.peak > 0 { "PEAK" } else { "" },
        columns.peak,
        dim,
    );
    // Without room for a bar it is a number alone.
    let progress = if columns.bar == 0 { "DONE" } else { "PROGRESS" };
    line.gap(1).field(progress, columns.bar + PERCENT, dim, theme.symbols).right("SPEED", SPEED, dim).right("LEFT", LEFT, dim);

    let window = app.window(usize::from(inner.height.saturating_sub(1)));
    if window.ids.is_empty() {
        let words = if jobs > 0 {
            "no job matches the filter; esc clears it".to_owned()
        } else if app.is_over() {
            app.over_words()
        } else if app.is_replay() {
            "nothing is queued yet".to_owned()
        } else {
            format!("nothing queued yet; {} adds files or folders", app.key_label(Act::Add))
        };
        Line::new(buf, inner, 2).gap(1).put(words, dim);
    }
    let rows = app.rows();
    let above = window.ids.first().and_then(|id| rows.find(*id)).map_or(0, |key| rows.above(key));
    scroll::draw(theme, Seen { above, rows: window.ids.len(), of: rows.len() }, area, buf);
    for (at, id) in window.ids.iter().enumerate() {
        let Some(job) = state.jobs.get(id) else { continue };
        let row = at as u16 + 1;
        let selected = window.line == Some(at);
        draw_row(&Row { theme, state, job, columns: &columns, selected, marked: app.is_marked(job.id) }, inner, row, buf);
        if selected && row < inner.height {
            buf.set_style(Rect { y: inner.y + row, height: 1, ..inner }, theme.selection());
        }
    }
}

/// What to do when everything has ended, in as many words as there is room for.
fn next_steps(app: &App, room: usize) -> Vec<Span> {
    let (theme, state) = (app.theme(), app.shown());
    if app.is_replay() || app.compares() {
        return Vec::new();
    }
    if app.is_over() {
        let words = Some(app.over_words()).filter(|words| words.width() <= room);
        return words.map(|words| (words, theme.style(Role::Accent))).into_iter().collect();
    }
    if state.unended() > 0 || state.ended() == 0 {
        return Vec::new();
    }
    let (add, retry, quit) = (app.key_label(Act::Add), app.key_label(Act::Retry), app.key_label(Act::Quit));
    let counts = state.job_counts();
    let bad = counts.failed + counts.out_of_memory;
    let again = if bad > 0 { format!("{retry} runs a failed one again, ") } else { String::new() };
    let ways = [
        format!("all ended: {again}{add} adds files, {quit} quits"),
        format!("{add} adds files, {quit} quits"),
        format!("{add} add, {quit} quit"),
    ];
    let words = ways.into_iter().find(|words| words.width() <= room);
    words.map(|words| (words, theme.style(Role::Accent))).into_iter().collect()
}

/// A large number with commas, as a person reads it.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

struct Row<'a> {
    theme: &'a Theme,
    state: &'a State,
    job: &'a Job,
    columns: &'a Columns,
    selected: bool,
    marked: bool,
}

fn draw_row(row: &Row<'_>, area: Rect, at: u16, buf: &mut Buffer) {
    let Row { theme, state, job, columns, .. } = row;
    let (symbol, word, role) = state_of(theme, state, job);
    let idle = job.phase.is_terminal() || matches!(job.phase, Phase::Queued);
    let text = theme.style(if idle && !row.selected { Role::Dim } else { Role::Text });
    let strong = theme.style(if matches!(job.phase, Phase::Running { .. }) { Role::Strong } else { Role::Text });
    let mut line = Line::new(buf, area, at);
    line.field(&format!("{symbol} {word}"), STATE, theme.style(role), theme.symbols);
    line.right(&job.id.to_string(), columns.id, theme.style(Role::Text));
    line.put(if row.marked { "*" } else { " " }, theme.style(Role::Accent));
    draw_name(row, &mut line);
    let size = if is_too_large(job) { theme.style(Role::Warn) } else { text };
    line.right(&job.size.short(), SIZE, size);

    if let Phase::Rejected(why) = &job.phase {
        let words = match (why.reason, why.limit) {
            (RejectReason::TooLarge, Some(limit)) => format!("{}, over the {limit} limit", job.size.whole()),
            _ => why.detail.clone(),
        };
        let room = columns.peak + 1 + columns.reason() + LEFT;
        line.gap(2).phrase(&words, room.saturating_sub(2), theme.style(Role::Dim), theme.symbols);
        return;
    }
    if columns.peak > 0 {
        match (job.peak, job.predicted_peak) {
            (Bytes::ZERO, Some(predicted)) => line.right(&format!("~{}", predicted.short()), columns.peak, theme.style(Role::Dim)),
            (Bytes::ZERO, None) => line.gap(columns.peak),
            (peak, _) => line.right(&peak.short(), columns.peak, text),
        };
    }
    line.gap(1);
    match &job.phase {
        Phase::Running { .. } | Phase::Stopping { .. } | Phase::Finalizing => draw_progress(row, strong, &mut line),
        phase if let Some(lack) = job.lack_of_room() => {
            let wanted = state.room.as_ref().filter(|wanted| wanted.job == job.id);
            let figures = wanted.map(RoomWanted::figures).filter(|figures| !figures.is_empty());
            line.phrase(figures.as_deref().unwrap_or(lack), columns.reason(), theme.style(Role::Warn), theme.symbols);
            if let Phase::Backoff { until, .. } = phase {
                line.right(&clock(until.since(state.now)), LEFT, text);
            }
        }
        Phase::Backoff { until, reason } => {
            let tries = format!("try {}", job.attempts + 1);
            line.phrase(reason, columns.bar + PERCENT, theme.style(Role::Dim), theme.symbols).right(&tries, SPEED, text);
            line.right(&clock(until.since(state.now)), LEFT, text);
        }
        Phase::Queued => {
            if let Some(mut words) = waiting::reason(state, job.id) {
                let is_held = state.held.is_some_and(|held| held.job == job.id);
                let room = columns.reason() + LEFT;
                if let (true, Some(way)) = (is_held, waiting::way_in(state))
                    && words.len() + way.len() + 2 <= usize::from(room)
                {
                    words = format!("{words}, {way}");
                } else if let (true, Some(short)) = (words.len() > usize::from(room), waiting::held_in_short(state, job.id)) {
                    words = short;
                }
                line.phrase(&words, room, theme.style(if is_held { Role::Warn } else { Role::Dim }), theme.symbols);
            }
        }
        Phase::Finished(finished) => {
            if finished.outcome.is_success() {
                let damage = finished.damage.as_ref().map(Damage::short);
                let role = if damage.is_some() { Role::Warn } else { Role::Dim };
                let took = (finished.took > Duration::ZERO).then(|| format!("took {}", clock(finished.took)));
                let room = columns.bar + PERCENT;
                // A time that is cut off tells nothing.
                let took = took.filter(|took| took.len() + damage.as_ref().map_or(0, |damage| damage.width() + 2) < room.into());
                let words = damage.into_iter().chain(took).collect::<Vec<_>>().join(", ");
                line.field(&words, room, theme.style(role), theme.symbols);
                let played = job.media.as_ref().and_then(|media| media.duration);
                let speed = played
                    .filter(|_| finished.took > Duration::ZERO)
                    .map(|played| played.as_secs_f64() / finished.took.as_secs_f64());
                line.right(&speed.map_or_else(String::new, |speed| format!("{speed:.1}x")), SPEED, text);
            } else {
                let reason = finished.reason.as_deref().unwrap_or(finished.outcome.word());
                let style = theme.style(if finished.outcome == Outcome::Cancelled { Role::Dim } else { Role::Bad });
                line.phrase(reason, columns.reason() + LEFT, style, theme.symbols);
            }
        }
        Phase::Starting | Phase::Rejected(_) => {}
    }
}

/// The name of the input, and the preset where it is not the usual one and there is room: it tells two jobs of one file apart.
fn draw_name(row: &Row<'_>, line: &mut Line<'_>) {
    let Row { theme, state, job, columns, .. } = row;
    let (name, style) = (input_name(job), theme.style(Role::Text));
    let own = name.width() as u16;
    let tag = if job.preset == state.default_preset { String::new() } else { format!(" {}", job.preset) };
    let wide = tag.width() as u16;
    let beside = match columns.input.saturating_sub(own) {
        _ if wide == 0 => 0,
        left if left >= wide.min(LEAST_PRESET) => left,
        // The name is cut for it where enough of both stays.
        _ if columns.input >= wide + LEAST_NAME => wide,
        _ => 0,
    };
    line.name(&name, columns.input - beside, style, theme.symbols);
    if beside > 0 {
        line.field(&tag, beside, theme.style(Role::Dim), theme.symbols);
    }
}

fn draw_progress(row: &Row<'_>, style: ratatui::style::Style, line: &mut Line<'_>) {
    let Row { theme, job, columns, .. } = row;
    let progress = job.progress.unwrap_or_default();
    let ratio = progress.ratio.map(|ratio| ratio.clamp(0.0, 1.0));
    if columns.bar > 0 {
        let (full, rest) = bar(theme, ratio.unwrap_or(0.0), columns.bar);
        line.put(full, theme.style(Role::Running)).put(rest, theme.style(Role::Dim));
    }
    let percent = ratio.map_or_else(|| "?".to_owned(), |ratio| format!("{}%", (ratio * 100.0) as u32));
    line.right(&percent, PERCENT, style);
    if let Phase::Running { paused: true, for_memory, .. } = job.phase {
        let words = if for_memory { "for memory" } else { "by you" };
        line.right(words, SPEED + LEFT, theme.style(if for_memory { Role::Warn } else { Role::Dim }));
        return;
    }
    let speed = if progress.speed > 0.0 { format!("{:.1}x", progress.speed) } else { String::new() };
    line.right(&speed, SPEED, style);
    // At work, and not long enough to tell.
    let unknown = if matches!(job.phase, Phase::Running { .. }) { theme.symbols.more } else { "" };
    let left = progress.eta_seconds.map_or_else(|| unknown.to_owned(), |seconds| clock(Duration::from_secs(seconds)));
    line.right(&left, LEFT, style);
}

fn is_too_large(job: &Job) -> bool {
    matches!(&job.phase, Phase::Rejected(why) if why.reason == RejectReason::TooLarge)
}
