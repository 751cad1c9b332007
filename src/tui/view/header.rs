//! The first line: what runs, how near the line memory is, how many jobs are where, the time.
//!
//! ```text
//!  ⊖ plimsoll │ 2/200 balanced │ ● 1312 MB │ ▶ 2 running  ○ 6 queued  ✔ 14 done  ⊘ 1 rejected        12:04:31
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{self, Constraint};
use ratatui::text::Line;
use ratatui::widgets::Widget as _;
use unicode_width::UnicodeWidthStr;

use crate::domain::event::JobCounts;
use crate::domain::job::{Job, Phase};
use crate::domain::state::State;
use crate::domain::text::sanitise;
use crate::domain::time::Mono;
use crate::tui::app::App;
use crate::tui::layout::{Layout, Size};
use crate::tui::terminal::theme::Role;
use crate::tui::view::text::{left, time_of_day};

/// Columns from which on the place in a replay is told in words.
const WIDE: u16 = 76;

/// Draws it.
pub fn draw(app: &App, layout: &Layout, buf: &mut Buffer) {
    let theme = app.theme();
    let time = if app.attached() { time_of_day(app.shown().wall, app.time_zone(), false) } else { String::new() };
    let [_, parts, _, clock, _] = layout::Layout::horizontal([
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
        Constraint::Length(time.len() as u16),
        Constraint::Length(1),
    ])
    .areas(layout.header);
    line(app, layout, parts.width).render(parts, buf);
    theme.span(time, Role::Dim).render(clock, buf);
}

/// What stands at the left of the time, in this many columns.
fn line(app: &App, layout: &Layout, width: u16) -> Line<'static> {
    let (theme, state) = (app.theme(), app.shown());
    let (symbols, full) = (theme.symbols, layout.size == Size::Full);
    let bar = theme.span(format!(" {} ", symbols.bar), Role::Frame);
    let mut line = Line::from(theme.span(format!("{} ", symbols.brand), Role::Focus));
    line.push_span(if app.is_replay() {
        theme.span(replay(app, full, layout.header.width >= WIDE), Role::Warn)
    } else {
        theme.span("plimsoll", Role::Accent)
    });
    if let Some(host) = app.window_on().and_then(|window| window.host.as_ref()) {
        line.push_span(theme.span(format!(" on {}", sanitise(host.as_bytes())), Role::Warn));
    }
    if let (others @ 1.., true) = (app.others(), full) {
        line.push_span(theme.span(format!(" +{others}"), Role::Dim));
    }
    if !app.attached() {
        line.spans.extend([bar, theme.span("waiting for the engine", Role::Dim)]);
        return line;
    }
    if !state.governor {
        line.push_span(bar.clone());
        line.push_span(theme.span(if full { " NAIVE: no line is kept " } else { " NAIVE " }, Role::Urgent));
    }
    let (role, symbol) = theme.level(state.memory.shown_level());
    let memory = format!("{symbol} {}", state.memory.counted_bytes.whole());
    let (mut badges, counts) = (badges(app, state), counts(app, state));
    let behind = |badges: &[(String, Role)]| memory.width() + 6 + badges.iter().map(|(text, _)| text.width() + 2).sum::<usize>();
    let present: Vec<Count> = counts.iter().copied().filter(|count| count.number + count.already > 0).collect();
    if !full && (app.is_replay() || behind(&badges) + needs(&present, Form::Close) > left(&line, width) + 2) {
        // The counts say so too, and with them what was not done.
        badges.retain(|(text, _)| text != "all done");
    }
    // What must stand behind the profile: memory and badges, and of the counts those that are told to the last.
    let kept = behind(&badges);
    let last: Vec<Count> = counts.iter().copied().filter(|count| matches!(count.word, "done" | "failed")).collect();
    if let Some(profile) = state.profile.as_ref().filter(|_| full || !app.is_replay()) {
        let (short, name) = (profile.short(), format!(" {}", profile.name));
        if left(&line, width) + 1 >= 3 + short.width() + kept + needs(&last, Form::Close) {
            line.spans.extend([bar.clone(), theme.span(short, Role::Strong)]);
        }
        // Its name gives way to the words of the counts, where these find room by that.
        let with_words = kept + needs(&counts, Form::Words);
        let is_in_the_way = badges.is_empty() && (with_words..with_words + name.width()).contains(&(left(&line, width) + 2));
        if full && !is_in_the_way {
            line.push_span(theme.span(name, Role::Dim));
        }
    }
    line.spans.extend([bar.clone(), theme.span(memory, role), bar]);
    for (text, role) in badges {
        line.spans.extend([theme.span(text, role), "  ".into()]);
    }
    push_counts(app, counts, full, width, &mut line);
    let before = before_words(&state.before);
    if full && !before.is_empty() && left(&line, width) >= before.width() {
        line.push_span(theme.span(before, Role::Dim));
    }
    line
}

/// What had ended before this run, whose jobs the counts are of: `before: 5 done, 1 failed`.
pub fn before_words(before: &JobCounts) -> String {
    if *before == JobCounts::default() { String::new() } else { format!("before: {}", before.words()) }
}

/// The counts with their words, where there is room for them; else the numbers alone, then closer together. Only then are
/// some left out: how many have ended, well or not, is told to the last.
fn push_counts(app: &App, mut counts: Vec<Count>, with_words: bool, width: u16, line: &mut Line<'_>) {
    let theme = app.theme();
    let forms = [Form::Words, Form::Numbers, Form::Close];
    let room = left(line, width);
    let fits =
        |counts: &[Count]| forms[usize::from(!with_words)..].iter().copied().find(|form| needs(counts, *form) <= room + form.gap());
    let mut form = fits(&counts);
    if form.is_none() {
        // What there is none of can be missed.
        counts.retain(|count| count.number + count.already > 0 || count.word == "done");
        form = fits(&counts);
    }
    for gone in ["cancelled", "rejected", "paused", "queued", "running"] {
        if form.is_some() {
            break;
        }
        counts.retain(|count| count.word != gone);
        form = fits(&counts);
    }
    let form = form.unwrap_or(Form::Close);
    for count in counts {
        // Half a number would be a wrong one.
        if left(line, width) < count.width(form) {
            break;
        }
        let gap = if form == Form::Close { "" } else { " " };
        line.push_span(theme.span(format!("{}{gap}", count.symbol), count.role));
        if form == Form::Words {
            line.push_span(theme.span(count.number.to_string(), count.role));
            line.push_span(theme.span(count.words_after(), Role::Dim));
        } else {
            line.push_span(theme.span(count.figures(), count.role));
        }
        line.push_span(" ".repeat(form.gap()));
    }
}

/// Columns of these counts, the gap behind the last one included.
fn needs(counts: &[Count], form: Form) -> usize {
    counts.iter().map(|count| count.width(form) + form.gap()).sum()
}

/// How much room a count takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `✔ 14 done`
    Words,
    /// `✔ 14`
    Numbers,
    /// `✔14`
    Close,
}

impl Form {
    /// Columns behind it.
    const fn gap(self) -> usize {
        if matches!(self, Self::Close) { 1 } else { 2 }
    }
}

/// How many jobs there are of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    pub symbol: &'static str,
    /// How many.
    pub number: u64,
    /// Of those done: how many more were done already.
    pub already: u64,
    pub word: &'static str,
    pub role: Role,
}

impl Count {
    /// The number alone; of those done, `20+2` where two more were done already.
    pub fn figures(&self) -> String {
        if self.already > 0 { format!("{}+{}", self.number, self.already) } else { self.number.to_string() }
    }

    fn words_after(&self) -> String {
        if self.already > 0 { format!(" {}, {} already {0}", self.word, self.already) } else { format!(" {}", self.word) }
    }

    fn width(&self, form: Form) -> usize {
        let symbol = self.symbol.width();
        match form {
            Form::Words => symbol + 1 + self.number.to_string().len() + self.words_after().len(),
            Form::Numbers => symbol + 1 + self.figures().len(),
            Form::Close => symbol + self.figures().len(),
        }
    }
}

/// That a recording is shown, how quickly, and where in it: `plimsoll replay, 2x, 0:12 of 3:40`, `replay 2x 0:12/3:40`.
fn replay(app: &App, full: bool, wide: bool) -> String {
    let clock = |time: Mono| {
        let seconds = time.0.as_secs();
        match seconds / 3600 {
            0 => format!("{}:{:02}", seconds / 60, seconds % 60),
            hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
        }
    };
    let word = if full { "plimsoll replay" } else { "replay" };
    let Some(playing) = app.playing() else { return word.to_owned() };
    let at = app.shown().now.min(playing.length);
    if !wide {
        // Where there is little room for the counts.
        let pace = if playing.paused { app.theme().symbols.held.to_owned() } else { format!("{}x", playing.speed) };
        let is_at_end = !playing.paused && at >= playing.length;
        return if is_at_end {
            format!("{word}, at its end")
        } else {
            format!("{word} {pace} {}/{}", clock(at), clock(playing.length))
        };
    }
    let pace = if playing.paused {
        "paused".to_owned()
    } else if at >= playing.length {
        "at its end".to_owned()
    } else {
        format!("{}x", playing.speed)
    };
    format!("{word}, {pace}, {} of {}", clock(at), clock(playing.length))
}

/// Columns from which on a header has room for when the line is tried again.
const WIDE_ENOUGH: u16 = 80;

/// What must not be overlooked: stopping, all done, no room on disk, held, frozen.
pub fn badges(app: &App, state: &State) -> Vec<(String, Role)> {
    let mut badges = Vec::new();
    let symbols = app.theme().symbols;
    if let Some(lost) = app.lost() {
        let as_of = time_of_day(lost.as_of, app.time_zone(), false);
        let (width, height) = app.layout_size();
        let is_full = app.layout(width, height).size == Size::Full;
        let again = match lost.again_in.as_secs() {
            // That what is shown is of the past counts more.
            _ if !is_full && width < WIDE_ENOUGH => String::new(),
            // How long a try takes nobody knows.
            0 => ", trying again".to_owned(),
            seconds if is_full => format!(", trying again in {seconds} s"),
            seconds => format!(", again in {seconds} s"),
        };
        badges.push((format!("as of {as_of}{again}"), Role::Warn));
    }
    if app.is_view() {
        badges.push(("looks only".to_owned(), Role::Dim));
    }
    if app.frozen() {
        badges.push(("FROZEN".to_owned(), Role::Warn));
    }
    if state.shutting_down || app.quitting() {
        badges.push(("stopping".to_owned(), Role::Warn));
    } else if app.is_over() {
        let roomy = app.layout(app.layout_size().0, app.layout_size().1).size == Size::Full;
        badges.push((if roomy { app.over_words() } else { "run over".to_owned() }, Role::Good));
    } else if state.is_idle() && !state.jobs.is_empty() {
        badges.push(("all done".to_owned(), Role::Good));
    }
    if !state.rooms.is_empty() && !state.shutting_down {
        badges.push((format!("{} no room", symbols.bad), Role::Bad));
    }
    if let Some(comparison) = &state.comparison {
        let run = if comparison.run > 0 { format!(" {}/{}", comparison.run, comparison.runs) } else { String::new() };
        badges.push((format!("{} comparing{run}", symbols.run), Role::Running));
    }
    if state.paused {
        badges.push((format!("{} queue held", symbols.held), Role::Warn));
    }
    if state.draining && !state.is_idle() {
        badges.push(("draining".to_owned(), Role::Warn));
    }
    badges
}

/// How many jobs there are of each kind.
pub fn counts(app: &App, state: &State) -> Vec<Count> {
    let symbols = app.theme().symbols;
    let counts = state.job_counts();
    let is_paused = |job: &&Job| matches!(job.phase, Phase::Running { paused: true, .. });
    let paused = state.index.active.iter().filter_map(|id| state.jobs.get(id)).filter(is_paused).count() as u64;
    let running = state.index.active.len() as u64 - paused;
    let waiting = state.waiting();
    let (done, already) = (counts.done, counts.already_done);
    let all = [
        (symbols.run, running, "running", if running > 0 { Role::Running } else { Role::Dim }),
        (symbols.held, paused, "paused", Role::Warn),
        (symbols.queued, waiting, "queued", Role::Text),
        (symbols.done, done, "done", if done + already > 0 { Role::Good } else { Role::Dim }),
        (symbols.rejected, counts.rejected, "rejected", Role::Warn),
        (symbols.bad, counts.failed + counts.out_of_memory, "failed", Role::Bad),
        (symbols.minus, counts.cancelled, "cancelled", Role::Dim),
    ];
    let there = all.into_iter().filter(|(_, number, word, _)| *number > 0 || matches!(*word, "running" | "queued" | "done"));
    let count =
        |(symbol, number, word, role)| Count { symbol, number, already: if word == "done" { already } else { 0 }, word, role };
    there.map(count).collect()
}
