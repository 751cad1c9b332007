//! The first line: what runs, how near the line memory is, how many jobs are where, the time.
//!
//! ```text
//!  ⊖ plimsoll │ 2/200 balanced │ ● 1312 MB │ ▶ 2 running  ○ 6 queued  ✔ 14 done  ⊘ 1 rejected        12:04:31
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::state::State;
use crate::domain::time::Mono;
use crate::tui::app::App;
use crate::tui::layout::{Layout, Size};
use crate::tui::theme::Role;
use crate::tui::view::pen::{Line, time_of_day};

/// Draws it.
pub fn draw(app: &App, layout: &Layout, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let (symbols, full) = (theme.symbols, layout.size == Size::Full);
    let area = layout.header;
    let time = if app.attached() { time_of_day(state.wall, app.time_zone(), false) } else { String::new() };
    Line::new(buf, Rect { width: area.width.saturating_sub(1), ..area }, 0).at_end(&time, theme.style(Role::Dim));
    let room = Rect { x: area.x + 1, width: area.width.saturating_sub(3 + time.len() as u16), ..area };
    let mut line = Line::new(buf, room, 0);
    let bar = |line: &mut Line<'_>| {
        line.put(format!(" {} ", symbols.bar), theme.style(Role::Frame));
    };
    line.put(format!("{} ", symbols.brand), theme.style(Role::Focus));
    if app.is_replay() {
        line.put(replay(app, full), theme.style(Role::Warn));
    } else {
        line.put("plimsoll", theme.style(Role::Accent));
    }
    if !app.attached() {
        bar(&mut line);
        line.put("waiting for the engine", theme.style(Role::Dim));
        return;
    }
    if !state.governor {
        bar(&mut line);
        line.put(if full { " NAIVE: no line is kept " } else { " NAIVE " }, theme.style(Role::Alarm));
    }
    if let Some(profile) = state.profile.as_ref().filter(|_| full || !app.is_replay()) {
        bar(&mut line);
        line.put(profile.short(), theme.style(Role::Strong));
        if full {
            line.put(format!(" {}", profile.name), theme.style(Role::Dim));
        }
    }
    bar(&mut line);
    let (role, symbol) = theme.level(state.memory.shown_level());
    line.put(format!("{symbol} {}", state.memory.counted_bytes.whole()), theme.style(role));
    bar(&mut line);
    let badges = badges(app, state);
    for (text, role) in &badges {
        line.put(text, theme.style(*role)).put("  ", theme.style(Role::Text));
    }
    let mut counts = counts(app, state);
    let words = |count: u64, word: &str| if full && badges.is_empty() { format!("{count} {word}") } else { count.to_string() };
    // Half a number would be a wrong one; what went wrong is told before what goes well.
    for gone in ["cancelled", "done", "rejected", "queued", "failed"] {
        let needs: usize = counts.iter().map(|(_, count, word, _)| words(*count, word).chars().count() + 4).sum();
        if needs <= line.left() + 2 {
            break;
        }
        counts.retain(|(_, _, word, _)| *word != gone);
    }
    for (symbol, count, word, role) in counts {
        let words = words(count, word);
        if line.left() < words.chars().count() + 2 {
            break;
        }
        line.put(format!("{symbol} "), theme.style(role));
        if full && badges.is_empty() {
            line.put(count.to_string(), theme.style(role)).put(format!(" {word}"), theme.style(Role::Dim));
        } else {
            line.put(words, theme.style(role));
        }
        line.gap(2);
    }
}

/// That a recording is shown, how quickly, and where in it: `replay, 2x, 0:12 of 3:40`.
fn replay(app: &App, full: bool) -> String {
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
    let pace = if playing.paused {
        "paused".to_owned()
    } else if at >= playing.length {
        "at its end".to_owned()
    } else {
        format!("{}x", playing.speed)
    };
    format!("{word}, {pace}, {} of {}", clock(at), clock(playing.length))
}

/// What must not be overlooked: stopping, all done, no room on disk, held, frozen.
pub fn badges(app: &App, state: &State) -> Vec<(String, Role)> {
    let mut badges = Vec::new();
    let symbols = app.theme().symbols;
    let idle = state.index.active.is_empty() && state.waiting() == 0;
    if app.frozen() {
        badges.push(("FROZEN".to_owned(), Role::Warn));
    }
    if state.shutting_down || app.quitting() {
        badges.push(("stopping".to_owned(), Role::Warn));
    } else if idle && !state.jobs.is_empty() {
        badges.push(("all done".to_owned(), Role::Good));
    }
    if state.room.is_some() && !state.shutting_down {
        badges.push((format!("{} no room", symbols.bad), Role::Bad));
    }
    if state.paused {
        badges.push((format!("{} queue held", symbols.held), Role::Warn));
    }
    if state.draining && !idle {
        badges.push(("draining".to_owned(), Role::Warn));
    }
    badges
}

/// Symbol, number, word and look of each kind of job that there is.
pub fn counts(app: &App, state: &State) -> Vec<(&'static str, u64, &'static str, Role)> {
    let symbols = app.theme().symbols;
    let counts = state.job_counts();
    let running = state.index.active.len() as u64;
    let waiting = state.waiting();
    let done = counts.done + counts.already_done;
    let all = [
        (symbols.run, running, "running", if running > 0 { Role::Running } else { Role::Dim }),
        (symbols.queued, waiting, "queued", Role::Text),
        (symbols.done, done, "done", if done > 0 { Role::Good } else { Role::Dim }),
        (symbols.rejected, counts.rejected, "rejected", Role::Warn),
        (symbols.bad, counts.failed + counts.out_of_memory, "failed", Role::Bad),
        (symbols.minus, counts.cancelled, "cancelled", Role::Dim),
    ];
    all.into_iter().enumerate().filter(|(at, (_, count, ..))| *at < 3 || *count > 0).map(|(_, entry)| entry).collect()
}
