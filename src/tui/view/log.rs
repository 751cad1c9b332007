//! The log of the selected job; without one, the log of the run.
//!
//! ```text
//! ╭ 4 Log #17 lecture-04.mp4 ───────────────────────── ▼ follow 1284 lines ╮
//! │12:03:58 ◆ High memory usage detected: 1618.2MB - forcing cleanup       │
//! │12:04:31 ▶ frame 3771  54 fps  time 00:02:05  33 MB  1.8x               │ the live line of a running job
//! ╰────────────────────────────────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::job::{LogLevel, LogLine, Phase};
use crate::domain::text::many;
use crate::domain::units::Bytes;
use crate::tui::app::loglines::LogLines;
use crate::tui::app::pages::Page;
use crate::tui::app::{App, job_name};
use crate::tui::layout::Pane;
use crate::tui::terminal::theme::Role;
use crate::tui::view::frame;
use crate::tui::view::names::head;
use crate::tui::view::pen::{Line, Span, fit, time_of_day, wrap};

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let log = app.log();
    let mut inner = frame::frame(app, Pane::Log, &said(app), right_of_title(app, log)).draw(area, buf);
    let is_file = log.is_some_and(|(lines, _)| lines.is_file());
    let live = if app.follows() && !is_file { live_line(app) } else { None };
    let Some((lines, bottom)) = log else {
        Line::new(buf, inner, 1).gap(1).put("no lines", theme.style(Role::Dim));
        return;
    };
    let short = inner.width < 60;
    if live.is_some() && inner.height > 1 {
        inner.height -= 1;
    }
    let prefix = if short { 8 } else { 11 };
    let room = usize::from(inner.width.saturating_sub(prefix));
    // From the last line upwards, until the pane is full.
    let end = (bottom - lines.before()) as usize;
    let mut blocks: Vec<(&LogLine, Vec<String>)> = Vec::new();
    let mut used = 0;
    for at in (0..end).rev() {
        let Some(line) = lines.get(at).filter(|_| used < usize::from(inner.height)) else { break };
        let rows = if app.wraps() { wrap(&line.text, room) } else { vec![fit(&line.text, room, theme.symbols).into_owned()] };
        used += rows.len();
        blocks.push((line, rows));
    }
    // A line that is gone to and is longer than the pane is read from its beginning.
    if let Some((_, rows)) = blocks.first_mut().filter(|(_, rows)| !app.follows() && rows.len() > inner.height.into()) {
        let room_of_last = room.saturating_sub(1);
        rows.truncate(inner.height.into());
        if let Some(last) = rows.last_mut() {
            *last = format!("{}{}", head(last.trim_end(), room_of_last), theme.symbols.more);
        }
        used = rows.len();
        blocks.truncate(1);
    }
    let mut skip = used.saturating_sub(inner.height.into());
    let wanted = app.search().to_lowercase();
    let mut y = 0;
    for (nth, (line, rows)) in blocks.iter().enumerate().rev() {
        let (mark, role) = match line.level {
            LogLevel::Info => (" ", Role::Text),
            LogLevel::Memory => (theme.symbols.cleanup, Role::Cleanup),
            LogLevel::Warning => ("!", Role::Warn),
            LogLevel::Error => (theme.symbols.bad, Role::Bad),
        };
        let found = !wanted.is_empty() && line.text.to_lowercase().contains(&wanted);
        for (at, text) in rows.iter().enumerate() {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let mut out = Line::new(buf, inner, y);
            if at == 0 {
                out.put(time_of_day(line.at, app.time_zone(), short), theme.style(Role::Dim)).gap(1);
                out.put(mark, theme.style(role)).gap(1);
            } else {
                out.gap(prefix);
            }
            out.put(text, theme.style(if found { Role::Accent } else { role }));
            if nth == 0 && !app.follows() && app.focus() == Pane::Log {
                buf.set_style(Rect { y: inner.y + y, height: 1, ..inner }, theme.selection());
            }
            y += 1;
        }
    }
    if let Some(text) = live {
        let mut out = Line::new(buf, Rect { height: inner.height + 1, ..inner }, y.min(inner.height));
        out.put(time_of_day(state.wall, app.time_zone(), short), theme.style(Role::Dim)).gap(1);
        out.put(theme.symbols.run, theme.style(Role::Running)).gap(1);
        let room = out.left();
        out.put(fit(&text, room, theme.symbols), theme.style(Role::Text));
    }
}

fn said(app: &App) -> String {
    let job = app.log_of().and_then(|id| app.shown().jobs.get(&id));
    match (job, app.page()) {
        (None, _) => "of the run".to_owned(),
        (Some(_), Page::Job) => String::new(),
        (Some(job), _) => job_name(job),
    }
}

/// What is looked for, whether the file is shown, and where in the log the pane stands.
fn right_of_title(app: &App, log: Option<(LogLines<'_>, u64)>) -> Vec<Span> {
    let theme = app.theme();
    let (dim, mut right) = (theme.style(Role::Dim), Vec::new());
    let Some((lines, bottom)) = log else { return right };
    if !app.search().is_empty() {
        right.push((format!("find {}  ", app.search()), theme.style(Role::Accent)));
    }
    match app.file_log().map(|file| &file.read) {
        Some(None) => right.push(("reading the file  ".to_owned(), dim)),
        Some(Some(Err(_))) => right.push(("no file  ".to_owned(), theme.style(Role::Warn))),
        Some(Some(Ok(log))) if log.left_out > Bytes::ZERO => {
            right.push((format!("file, its last {}  ", Bytes::mib(8)), theme.style(Role::Accent)));
        }
        Some(Some(Ok(_))) => right.push(("whole file  ".to_owned(), theme.style(Role::Accent))),
        None => {}
    }
    if app.follows() {
        let word = if lines.is_file() { "end" } else { "follow" };
        right.push((format!("{} {word} ", theme.symbols.follow), theme.style(Role::Focus)));
        // The live line is one of those that are seen.
        let live = u64::from(!lines.is_file() && live_line(app).is_some());
        right.push((many(lines.total() + live, "line"), dim));
    } else {
        right.push((format!("line {bottom} of {}", lines.total()), theme.style(Role::Warn)));
    }
    right
}

/// Where a running job is: one line that changes in place, however often ffmpeg reports.
fn live_line(app: &App) -> Option<String> {
    let job = app.shown().jobs.get(&app.log_of()?)?;
    let progress = job.progress.filter(|_| matches!(job.phase, Phase::Running { .. }))?;
    let seconds = progress.out_time.as_secs();
    Some(format!(
        "frame {}  {:.0} fps  time {:02}:{:02}:{:02}  {}  {:.1}x",
        progress.frame,
        progress.fps,
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        progress.written.whole(),
        progress.speed
    ))
}
