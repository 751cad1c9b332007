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
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, StatefulWidget, Table, TableState, Widget as _};
use unicode_width::UnicodeWidthStr;

use crate::domain::event::RoomWanted;
use crate::domain::job::{Damage, Job, JobId, Outcome, Phase, RejectReason, Rejected};
use crate::domain::state::State;
use crate::domain::text::{many, path_text, percent};
use crate::domain::time::clock;
use crate::domain::units::Bytes;
use crate::tui::app::App;
use crate::tui::input::action::Act;
use crate::tui::layout::Pane;
use crate::tui::pages::queue::job_words::state_of;
use crate::tui::pages::queue::waiting;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::frame::{Framed, Seen};
use crate::tui::view::header::before_words;
use crate::tui::view::names::{fit_name, input_name};
use crate::tui::view::text::{bar, fit, fit_words, pace, thousands, time_of_day, widths};

/// Characters of the percent of the bar, and of the speed.
const PERCENT: u16 = 5;
const SPEED: u16 = 6;
/// Characters of the time left, without and with hours; one more where there are ten of them.
const LEFT: (u16, u16) = (6, 8);
/// Characters of sizes and of peaks, least and most; one more for a peak of a thousand MB that is expected.
const SIZE: (u16, u16) = (5, 6);
/// Characters of the bar where there is room for one, and the least that names leave of it.
const BAR: (u16, u16) = (6, 11);
/// A bar gets longer by so many characters at most.
const LONGER: u16 = 24;
/// Words in place of the progress ask for so many characters at most; longer ones are cut, and the job's page tells them whole.
const WORDS: u16 = 25;
/// Bars get longer only once names have so many characters, or as many as they need if that is more.
const NAMES: u16 = 36;
/// Characters from which on a preset is told, cut, beside a name that has room.
const LEAST_PRESET: u16 = 7;
/// Characters that a name keeps beside the preset of its job.
const LEAST_NAME: u16 = 16;

/// The columns of the table, and how wide they are here.
struct Columns {
    all: [Constraint; 9],
    input: u16,
    peak: u16,
    bar: u16,
    left: u16,
}

/// The columns that what is in sight wants.
#[derive(Debug, Clone, Copy, Default)]
struct Wanted {
    name: u16,
    size: u16,
    peak: u16,
    left: u16,
    /// Progress, speed and time left together, where words stand there.
    tail: u16,
}

impl Wanted {
    fn of<'a>(state: &State, jobs: impl Iterator<Item = &'a Job>) -> Self {
        let wide = |text: &str| text.width() as u16;
        let mut wanted = Self::default();
        for job in jobs {
            let tag = if job.preset == state.default_preset { 0 } else { wide(&job.preset) + 1 };
            let (peak, left, tail) = match &job.phase {
                // Its words stand in the place of the peak too.
                Phase::Rejected(_) => (0, 0, (wide(&rejected_words(job, WORDS)) + 2).saturating_sub(SIZE.1)),
                Phase::Queued if job.lack_of_room().is_none() => {
                    (wide(&peak_of(job)), 0, waiting::reason(state, job.id).map_or(0, |reason| wide(&reason) + 1))
                }
                Phase::Queued | Phase::Backoff { .. } => (wide(&peak_of(job)), LEFT.1, WORDS),
                Phase::Finished(finished) if finished.outcome.is_success() => {
                    let beside = finished.damage.as_ref().map_or(0, |damage| wide(&damage.short()) + 2);
                    let took = wide(&clock(finished.took)) + 7;
                    (wide(&peak_of(job)), 0, took + beside + SPEED + LEFT.0)
                }
                Phase::Finished(finished) => {
                    let reason = finished.reason.as_deref().unwrap_or(finished.outcome.word());
                    (wide(&peak_of(job)), 0, wide(reason) + 1)
                }
                _ => (wide(&peak_of(job)), wide(&left_of(job).unwrap_or_default()) + 1, 0),
            };
            wanted = Self {
                name: wanted.name.max(wide(&input_name(job)) + tag),
                size: wanted.size.max(wide(&job.size.short()) + 1),
                peak: wanted.peak.max(peak + 1),
                left: wanted.left.max(left),
                tail: wanted.tail.max(tail.min(WORDS)),
            };
        }
        wanted
    }
}

/// Why a job was not let in, in so many columns.
fn rejected_words(job: &Job, room: u16) -> String {
    match &job.phase {
        Phase::Rejected(Rejected { reason: RejectReason::TooLarge, limit: Some(limit), .. }) => {
            let long = format!("{}, over the {limit} limit", job.size.whole());
            // How large it is stands beside it.
            if long.width() <= room.into() { long } else { format!("over the {limit} limit") }
        }
        Phase::Rejected(why) => why.detail.clone(),
        _ => String::new(),
    }
}

/// The peak of a job as its row tells it: what was seen, else what is expected.
fn peak_of(job: &Job) -> String {
    match (job.peak, job.predicted_peak) {
        (Bytes::ZERO, Some(predicted)) => format!("~{}", predicted.short()),
        (Bytes::ZERO, None) => String::new(),
        (peak, _) => peak.short(),
    }
}

/// What is left of a job at work, once that can be told.
fn left_of(job: &Job) -> Option<String> {
    Some(clock(Duration::from_secs(job.progress?.eta_seconds?)))
}

impl Columns {
    /// State, number with a mark, input, size, peak, progress, speed, time left, and a free one before the frame. Names get what
    /// the other columns can spare; words in place of the progress keep what they ask for.
    fn new(width: u16, last: Option<JobId>, wanted: Wanted) -> Self {
        // A blank stands before the longest number: the state fills its column.
        let id = last.map_or(1, |id| id.0.max(1).ilog10() as u16 + 2).max(3);
        let mut peak = if width >= 54 { wanted.peak.clamp(SIZE.1, SIZE.1 + 1) } else { 0 };
        let (mut size, mut left) = (SIZE.1, wanted.left.clamp(LEFT.1, LEFT.1 + 1));
        let mut bar = match width {
            70.. => BAR.1,
            64.. => BAR.0,
            _ => 0,
        };
        let taken = |size, peak, bar, left| 9 + id + 1 + size + peak + 1 + bar + PERCENT + SPEED + left + 1;
        let mut free = width.saturating_sub(taken(size, peak, bar, left));
        // Each gives what it can spare, the bar last.
        let mut give = |column: &mut u16, least: u16| {
            let spare = wanted.name.saturating_sub(free).min(column.saturating_sub(least));
            (*column, free) = (*column - spare, free + spare);
        };
        give(&mut size, wanted.size.clamp(SIZE.0, SIZE.1));
        give(&mut peak, wanted.peak.clamp(SIZE.0, SIZE.1 + 1));
        let most = bar + PERCENT + SPEED + LEFT.1;
        let words = wanted.tail.min(most);
        give(&mut left, wanted.left.clamp(LEFT.0, LEFT.1 + 1).max(words.saturating_sub(bar + PERCENT + SPEED)));
        give(&mut bar, BAR.0.max(words.saturating_sub(PERCENT + SPEED + left)));
        // On a wide screen the names have enough room before the bars do.
        bar += free.saturating_sub(wanted.name.max(NAMES)).min(if bar > 0 { LONGER } else { 0 });
        let fixed = [9, id + 1, size, peak, 1 + bar + PERCENT, SPEED, left].map(Constraint::Length);
        let [state, id, size, peak_at, progress, speed, left_at] = fixed;
        let all = [state, id, Constraint::Fill(1), size, peak_at, progress, speed, left_at, Constraint::Length(1)];
        let widths = widths(&all, width);
        Self { all, input: widths[2], peak: widths[4], bar, left }
    }

    /// Columns of a reason in place of progress and speed; a blank stands before it.
    const fn reason(&self) -> u16 {
        self.bar + PERCENT + SPEED
    }

    /// The same with the time left.
    const fn long_reason(&self) -> u16 {
        self.reason() + self.left
    }
}

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let jobs = state.jobs.len();
    let mut said = many(jobs as u64, "job");
    if state.backlog.jobs > 0 {
        said = format!("{said}, {} more", thousands(state.backlog.jobs));
    }
    if state.waiting_bytes() > Bytes::ZERO {
        said = format!("{said}, {} waiting", state.waiting_bytes());
    }
    let before = before_words(&state.before);
    if !before.is_empty() && said.width() + before.width() + 6 <= usize::from(area.width) * 2 / 3 {
        said = format!("{said}; {before}");
    }
    let (marked, hidden) = app.marks();
    if marked > 0 {
        let out_of_sight = if hidden > 0 { format!(" ({hidden} hidden)") } else { String::new() };
        said = format!("{}, {marked} marked{out_of_sight}", many(jobs as u64, "job"));
    }
    let right = match (app.filter(), &state.held) {
        (None, _) if let Some(wanted) = state.rooms.last() => {
            let figures = wanted.figures();
            let more = state.rooms.len() - 1;
            let others = if more > 0 { format!(", and on {more} more") } else { String::new() };
            // Where it is missing comes first: how much stands in the row.
            let place = format!(" on {}", path_text(wanted.disk.as_ref().unwrap_or(&wanted.folder)));
            let room = usize::from(area.width).saturating_sub(said.width() + 14);
            let mut text = format!("{} no room", theme.symbols.bad);
            for (more, sep) in [(place, ""), (figures, ": "), (others, "")] {
                if !more.is_empty() && text.width() + sep.len() + more.width() <= room {
                    text = format!("{text}{sep}{more}");
                }
            }
            vec![theme.span(text, Role::Bad)]
        }
        (Some(filter), _) if filter.text().trim().is_empty() => {
            vec![theme.span("by ", Role::Dim), theme.span(filter.order().label(), Role::Accent)]
        }
        (Some(filter), _) => {
            let words = format!("{}, {} of {jobs}", filter.text(), filter.len());
            vec![theme.span("filter ", Role::Dim), theme.span(words, Role::Accent)]
        }
        (None, _) if let Some(comparison) = &state.comparison => {
            let room = usize::from(area.width).saturating_sub(said.width() + 14);
            let since = time_of_day(comparison.since, app.time_zone(), false);
            let run = comparison.run_words();
            let number = if comparison.run > 0 { format!(" {}/{}", comparison.run, comparison.runs) } else { String::new() };
            let (shows, ends) = (app.key_label(Act::Compare), app.key_label(Act::Cancel));
            let (long, short) = (format!("waits for the comparison since {since} ({run})"), format!("comparing{number}"));
            let only_looks = app.why_only_looks().is_some();
            let mut ways = if only_looks {
                vec![format!("{long}; {shows} shows it"), long, format!("{short} since {since}"), short]
            } else {
                vec![
                    format!("{long}; {}", app.way_to_end_it()),
                    format!("{long}; {shows} {ends} ends it"),
                    format!("{short} since {since}; {shows} {ends} ends it"),
                    format!("{short}; {shows} {ends} ends it"),
                ]
            };
            ways.push("waits for the comparison".to_owned());
            let words = ways.into_iter().find(|words| words.width() <= room);
            words.map(|words| theme.span(words, Role::Running)).into_iter().collect()
        }
        (None, Some(held)) => {
            let way = waiting::way_in(state).unwrap_or_default();
            let long = format!("{} #{} runs {way}", theme.symbols.held, held.job);
            let fits = said.len() + long.len() + 14 < usize::from(area.width);
            let text = if fits { long } else { format!("{} #{} waits", theme.symbols.held, held.job) };
            vec![theme.span(text, Role::Warn)]
        }
        (None, None) => next_steps(app, usize::from(area.width).saturating_sub(said.width() + 14)),
    };
    let window = app.window(rows_in(area));
    let rows = app.rows();
    let listed = &window.ids[window.kept_in_sight..];
    let above = listed.first().and_then(|id| rows.find(*id)).map_or(0, |key| rows.above(key));
    let seen = Seen { above, rows: listed.len(), of: rows.len() };
    let inner = Framed::pane(app, Pane::Queue, said).right(right).seen(seen).draw(area, buf);
    let in_sight = window.ids.iter().filter_map(|id| state.jobs.get(id));
    let columns = Columns::new(inner.width, state.jobs.last_key_value().map(|(id, _)| *id), Wanted::of(state, in_sight));
    let at_right = |text: &'static str| Line::from(text).right_aligned();
    // Without room for a bar it is a number alone.
    let progress = if columns.bar == 0 { " DONE" } else { " PROGRESS" };
    let peak = if columns.peak > 0 { "PEAK" } else { "" };
    let head = Row::new([
        Line::from("STATE"),
        at_right("ID "),
        Line::from("INPUT"),
        at_right("SIZE"),
        at_right(peak),
        Line::from(progress),
        at_right("SPEED"),
        at_right("LEFT"),
    ]);
    // However long the queue is, the rows that are seen are the only ones that are made.
    let jobs_seen = window.ids.iter().filter_map(|id| state.jobs.get(id)).enumerate();
    let rows = jobs_seen.map(|(at, job)| {
        let selected = window.line == Some(at);
        Entry { theme, state, job, columns: &columns, selected, marked: app.is_marked(job.id) }.row()
    });
    let mut chosen = TableState::new().with_selected(window.line);
    let table = Table::new(rows, columns.all)
        .header(head.style(theme.style(Role::Dim)))
        .column_spacing(0)
        .row_highlight_style(theme.selection());
    StatefulWidget::render(table, inner, buf, &mut chosen);
    if window.ids.is_empty() {
        let words = if jobs > 0 && state.backlog.jobs > 0 {
            let (more, back) = (state.backlog.jobs, app.key_label(Act::Back));
            let wait = if more == 1 { "waits" } else { "wait" };
            format!("no listed job matches; {} more {wait} behind the list; {back} clears it", thousands(more))
        } else if jobs > 0 {
            format!("no job matches the filter; {} clears it", app.key_label(Act::Back))
        } else if app.is_over() {
            app.over_words()
        } else if app.why_only_looks().is_some() {
            "nothing is queued yet".to_owned()
        } else {
            format!("nothing queued yet; {} adds files or folders", app.key_label(Act::Add))
        };
        let below = Rect { y: inner.y + 2, height: inner.height.saturating_sub(2), ..inner };
        Paragraph::new(theme.span(format!(" {words}"), Role::Dim)).render(below, buf);
    }
}

/// Rows within a frame and below the heads of the columns.
fn rows_in(area: Rect) -> usize {
    usize::from(area.height.saturating_sub(3))
}

/// What to do when everything has ended, in as many words as there is room for.
fn next_steps(app: &App, room: usize) -> Vec<Span<'static>> {
    let (theme, state) = (app.theme(), app.shown());
    if app.why_only_looks().is_some() {
        return Vec::new();
    }
    if app.is_over() {
        let words = Some(app.over_words()).filter(|words| words.width() <= room);
        return words.map(|words| theme.span(words, Role::Accent)).into_iter().collect();
    }
    if state.unended() > 0 || state.ended() == 0 {
        return Vec::new();
    }
    let (add, retry, quit) = (app.key_label(Act::Add), app.key_label(Act::Retry), app.key_label(Act::Quit));
    let counts = state.listed_counts();
    let bad = counts.failed + counts.out_of_memory;
    let again = if bad > 0 { format!("{retry} runs a failed one again, ") } else { String::new() };
    let ways = [
        format!("all ended: {again}{add} adds files, {quit} quits"),
        format!("{add} adds files, {quit} quits"),
        format!("{add} add, {quit} quit"),
    ];
    let words = ways.into_iter().find(|words| words.width() <= room);
    words.map(|words| theme.span(words, Role::Accent)).into_iter().collect()
}

/// A row of the table.
struct Entry<'a> {
    theme: &'a Theme,
    state: &'a State,
    job: &'a Job,
    columns: &'a Columns,
    selected: bool,
    marked: bool,
}

impl<'a> Entry<'a> {
    fn row(&self) -> Row<'a> {
        let (theme, job) = (self.theme, self.job);
        let (symbol, word, role) = state_of(theme, self.state, job);
        let mark = theme.span(if self.marked { "*" } else { " " }, Role::Accent);
        let size = if job.phase.is_too_large() { Role::Warn } else { self.text_role() };
        let mut cells = vec![
            Cell::from(theme.span(fit(&format!("{symbol} {word}"), 9, theme.symbols).into_owned(), role)),
            Cell::from(Line::from(vec![theme.span(job.id.to_string(), Role::Text), mark]).right_aligned()),
            Cell::from(self.name()),
            self.right(job.size.short(), size),
        ];
        if let Phase::Rejected(_) = &job.phase {
            let room = self.columns.peak + self.columns.long_reason();
            let words = rejected_words(job, room.saturating_sub(1));
            cells.push(self.phrase("  ", &words, room.saturating_sub(1), Role::Dim).column_span(4));
            return Row::new(cells);
        }
        cells.push(self.right(peak_of(job), if job.peak == Bytes::ZERO { Role::Dim } else { self.text_role() }));
        cells.extend(self.standing());
        Row::new(cells)
    }

    /// What is idle is dim; the chosen one never is.
    fn text_role(&self) -> Role {
        let idle = self.job.phase.is_terminal() || matches!(self.job.phase, Phase::Queued);
        if idle && !self.selected { Role::Dim } else { Role::Text }
    }

    fn right(&self, text: String, role: Role) -> Cell<'a> {
        Line::from(self.theme.span(text, role)).right_aligned().into()
    }

    /// Words behind a gap, cut between words to so many columns.
    fn phrase(&self, gap: &'static str, words: &str, room: u16, role: Role) -> Cell<'a> {
        let words = fit_words(words, room.into(), self.theme.symbols).into_owned();
        Line::from(vec![gap.into(), self.theme.span(words, role)]).into()
    }

    /// The name of the input, and the preset where it is not the usual one and there is room: it tells two jobs of one file
    /// apart.
    fn name(&self) -> Line<'a> {
        let (theme, job, room) = (self.theme, self.job, self.columns.input);
        let name = input_name(job);
        let tag = if job.preset == self.state.default_preset { String::new() } else { format!(" {}", job.preset) };
        let wide = tag.width() as u16;
        let beside = match room.saturating_sub(name.width() as u16) {
            _ if wide == 0 => 0,
            left if left >= wide.min(LEAST_PRESET) => left,
            // The name is cut for it where enough of both stays.
            _ if room >= wide + LEAST_NAME => wide,
            _ => 0,
        };
        let name = fit_name(&name, (room - beside).into(), theme.symbols).into_owned();
        let tag = fit(&tag, beside.into(), theme.symbols).into_owned();
        Line::from(vec![theme.span(name, Role::Text), theme.span(tag, Role::Dim)])
    }

    /// How far it is, how it ended, or why it waits: the cells of progress, speed and time left.
    fn standing(&self) -> Vec<Cell<'a>> {
        let Self { theme, state, job, columns, .. } = self;
        let progress = columns.bar + PERCENT;
        match &job.phase {
            Phase::Running { .. } | Phase::Stopping { .. } | Phase::Finalizing => self.progress(),
            phase if let Some(lack) = job.lack_of_room().or_else(|| job.waits_for_input().and(job.reason())) => {
                let wanted = state.room_for(job).filter(|_| job.wants_room.is_some());
                let figures = wanted.map(RoomWanted::figures).filter(|figures| !figures.is_empty());
                let words = self.phrase(" ", figures.as_deref().unwrap_or(lack), columns.reason(), Role::Warn).column_span(2);
                let left = if let Phase::Backoff { until, .. } = phase { clock(until.since(state.now)) } else { String::new() };
                vec![words, self.right(left, self.text_role())]
            }
            Phase::Backoff { until, reason } => {
                let left = self.right(clock(until.since(state.now)), self.text_role());
                let tries = self.right(format!("try {}", job.attempts + 1), self.text_role());
                vec![self.phrase(" ", reason, progress, Role::Dim), tries, left]
            }
            Phase::Queued => {
                let Some(mut words) = waiting::reason(state, job.id) else { return Vec::new() };
                let is_held = state.held.is_some_and(|held| held.job == job.id);
                let room = columns.long_reason();
                if let (true, Some(way)) = (is_held, waiting::way_in(state))
                    && words.len() + way.len() + 2 <= usize::from(room)
                {
                    words = format!("{words}, {way}");
                } else if let (true, Some(short)) = (words.len() > usize::from(room), waiting::held_in_short(state, job.id)) {
                    words = short;
                }
                vec![self.phrase(" ", &words, room, if is_held { Role::Warn } else { Role::Dim }).column_span(3)]
            }
            Phase::Finished(finished) if finished.outcome.is_success() => {
                let damage = finished.damage.as_ref().map(Damage::short);
                let role = if damage.is_some() { Role::Warn } else { Role::Dim };
                let took = (finished.took > Duration::ZERO).then(|| format!("took {}", clock(finished.took)));
                // A time that is cut off tells nothing.
                let beside = damage.as_ref().map_or(0, |damage| damage.width() + 2);
                let took = took.filter(|took| took.len() + beside < progress.into());
                let words = damage.into_iter().chain(took).collect::<Vec<_>>().join(", ");
                let words = theme.span(fit(&words, progress.into(), theme.symbols).into_owned(), role);
                let played = job.media.as_ref().and_then(|media| media.duration);
                let speed = played
                    .filter(|_| finished.took > Duration::ZERO)
                    .map(|played| played.as_secs_f64() / finished.took.as_secs_f64());
                let speed = speed.map_or_else(String::new, pace);
                vec![Line::from(vec![" ".into(), words]).into(), self.right(speed, self.text_role())]
            }
            Phase::Finished(finished) => {
                let reason = finished.reason.as_deref().unwrap_or(finished.outcome.word());
                let role = if finished.outcome == Outcome::Cancelled { Role::Dim } else { Role::Bad };
                vec![self.phrase(" ", reason, columns.long_reason(), role).column_span(3)]
            }
            Phase::Starting | Phase::Rejected(_) => Vec::new(),
        }
    }

    fn progress(&self) -> Vec<Cell<'a>> {
        let Self { theme, job, columns, .. } = self;
        let text_role = if matches!(job.phase, Phase::Running { .. }) { Role::Strong } else { Role::Text };
        let progress = job.progress.unwrap_or_default();
        let ratio = progress.ratio.map(|ratio| ratio.clamp(0.0, 1.0));
        let done = ratio.map_or_else(|| "?".to_owned(), |ratio| format!("{}%", percent(ratio)));
        let mut line = Line::from(" ");
        line.spans.extend(bar(theme, ratio.unwrap_or(0.0), columns.bar, Role::Running));
        line.push_span(theme.span(format!("{done:>wide$}", wide = usize::from(PERCENT)), text_role));
        if let Phase::Running { paused: true, for_memory, .. } = job.phase {
            let (words, role) = if for_memory { ("for memory", Role::Warn) } else { ("by hand", Role::Dim) };
            return vec![line.into(), self.right(words.to_owned(), role).column_span(2)];
        }
        let speed = if progress.speed > 0.0 { pace(progress.speed) } else { String::new() };
        // At work, and not long enough to tell.
        let unknown = if matches!(job.phase, Phase::Running { .. }) { theme.symbols.more } else { "" };
        let left = left_of(job).unwrap_or_else(|| unknown.to_owned());
        vec![line.into(), self.right(speed, text_role), self.right(left, text_role)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_get_what_other_columns_can_spare_and_no_more_than_they_want() {
        let id = Some(JobId(17));
        let usual = Columns::new(72, id, Wanted { name: 10, ..Wanted::default() });
        let wanted = Wanted { name: 40, size: 4, peak: 5, left: 6, tail: 0 };
        let long = Columns::new(72, id, wanted);
        assert!(long.input >= usual.input + 8, "{} instead of {}", long.input, usual.input);
        assert_eq!((long.bar, long.left), (BAR.0, LEFT.0));
        // Words in place of the progress go first.
        let words = Columns::new(72, id, Wanted { tail: WORDS, ..wanted });
        assert_eq!(words.long_reason(), WORDS);
        assert!(words.input > usual.input);
        // On a wide screen a bar is longer only as far as names let it.
        let (short, long) = (Columns::new(150, id, usual_names(20)), Columns::new(150, id, usual_names(70)));
        assert!(short.bar > long.bar && long.input >= 70, "{} {}", short.bar, long.bar);
    }

    #[test]
    fn figures_and_words_of_a_row_stand_apart_from_each_other() {
        use crate::domain::event::EventKind;
        use crate::tui::terminal::theme::ColorMode;
        use crate::tui::tests::fixture::{Story, press, settings};

        let mut story = Story::new(true);
        for id in 1..=123 {
            story.queue(id, "film.mp4", 412);
        }
        for (id, speed, left) in [(121, 123.4, 36_000), (122, 1234.5, 72_000), (123, 45_678.0, 90)] {
            story.inspect(id, 60, 1024).start(id, 1).progress(id, 0.63, speed, left, 0);
        }
        story.finish(120, Outcome::Done, 300, 1.0, None).emit(EventKind::JobPaused { job: JobId(123), by_governor: true });
        for width in [60, 80, 120] {
            let mut app = story.app(settings(ColorMode::True, false));
            press(&mut app, "g");
            let mut buf = Buffer::empty(Rect::new(0, 0, width, 40));
            crate::tui::view::render(&app, buf.area, &mut buf);
            let lines = (0..40).map(|y| (0..width).map(|x| buf[(x, y)].symbol()).collect::<String>());
            let rows: Vec<String> = lines.filter(|line| line.contains("film.mp4") && line.contains("63%")).collect();
            assert_eq!(rows.len(), 3, "{width}: {rows:#?}");
            let words = |row: &str| row.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert!(words(&rows[0]).iter().any(|word| word == "123x") && words(&rows[0]).iter().any(|word| word == "10:00:00"));
            assert!(words(&rows[1]).iter().any(|word| word == "1234x") && words(&rows[1]).iter().any(|word| word == "20:00:00"));
            assert!(
                words(&rows[2]).iter().any(|word| word.ends_with("stopped")) && words(&rows[2]).iter().any(|word| word == "123")
            );
            assert!(rows.iter().all(|row| words(row).iter().any(|word| word == "412M")), "{width}: {rows:#?}");
        }
        assert_eq!(
            (pace(99.94), pace(99.96), pace(9999.0), pace(45_678.0)),
            ("99.9x".into(), "100x".into(), "9999x".into(), "46kx".into())
        );
    }

    fn usual_names(name: u16) -> Wanted {
        Wanted { name, ..Wanted::default() }
    }
}
