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
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget as _};

use crate::domain::job::{LogLevel, LogLine, Phase};
use crate::domain::text::many;
use crate::domain::units::Bytes;
use crate::tui::app::{App, job_name};
use crate::tui::layout::Pane;
use crate::tui::pages::Page;
use crate::tui::pages::log::lines::LogLines;
use crate::tui::terminal::theme::{Role, Theme};
use crate::tui::view::frame::Framed;
use crate::tui::view::names::head;
use crate::tui::view::text::{fit, time_of_day, wrap};

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let log = app.log();
    let inner = Framed::pane(app, Pane::Log, said(app)).right(right_of_title(app, log)).draw(area, buf);
    let Some((lines, bottom)) = log else {
        let words = vec![Line::default(), theme.span(" no lines", Role::Dim).into()];
        return Paragraph::new(words).render(inner, buf);
    };
    let live = if app.follows() && !lines.is_file() { live_line(app) } else { None };
    let short = inner.width < 60;
    let lead = |at, mark: &'static str, role| {
        let time = theme.span(format!("{} ", time_of_day(at, app.time_zone(), short)), Role::Dim);
        vec![time, theme.span(mark, role), " ".into()]
    };
    let prefix = if short { 8 } else { 11 };
    let room = usize::from(inner.width.saturating_sub(prefix));
    let height = usize::from(inner.height).saturating_sub(usize::from(live.is_some() && inner.height > 1));
    // From the last line upwards, until the pane is full.
    let end = (bottom - lines.before()) as usize;
    let mut blocks: Vec<(&LogLine, Vec<String>)> = Vec::new();
    let mut used = 0;
    for at in (0..end).rev() {
        let Some(line) = lines.get(at).filter(|_| used < height) else { break };
        let rows = if app.wraps() { wrap(&line.text, room) } else { vec![fit(&line.text, room, theme.symbols).into_owned()] };
        used += rows.len();
        blocks.push((line, rows));
    }
    // A line that is gone to and is longer than the pane is read from its beginning.
    if let Some((_, rows)) = blocks.first_mut().filter(|(_, rows)| !app.follows() && rows.len() > height) {
        rows.truncate(height);
        if let Some(last) = rows.last_mut() {
            *last = format!("{}{}", head(last.trim_end(), room.saturating_sub(1)), theme.symbols.more);
        }
        used = rows.len();
        blocks.truncate(1);
    }
    let wanted = app.search().to_lowercase();
    let chosen = blocks.first().map_or(0, |(_, rows)| rows.len());
    let mut text: Vec<Line<'_>> = Vec::new();
    for (line, rows) in blocks.into_iter().rev() {
        let (mark, role) = look(theme, line.level);
        let found = !wanted.is_empty() && line.text.to_lowercase().contains(&wanted);
        for (at, row) in rows.into_iter().enumerate() {
            let mut spans = if at == 0 { lead(line.at, mark, role) } else { vec![" ".repeat(prefix.into()).into()] };
            spans.push(theme.span(row, if found { Role::Accent } else { role }));
            text.push(spans.into());
        }
    }
    // Of the first of them its end is seen.
    let text = text.split_off(used.saturating_sub(height));
    let shown = text.len() as u16;
    let text_at = Rect { height: shown, ..inner };
    Paragraph::new(text).render(text_at, buf);
    if !app.follows() && app.focus() == Pane::Log {
        let chosen = (chosen as u16).min(shown);
        buf.set_style(Rect { y: text_at.bottom() - chosen, height: chosen, ..text_at }, theme.selection());
    }
    if let Some(live) = live {
        let mut spans = lead(state.wall, live.symbol, live.role);
        spans.push(theme.span(fit(&live.text, room, theme.symbols), Role::Text));
        // In a pane of one line it stands over the last one.
        let y = text_at.bottom().min(inner.bottom().saturating_sub(1));
        Line::from(spans).render(Rect { y, ..inner }, buf);
    }
}

/// Mark and look of a line.
const fn look(theme: &Theme, level: LogLevel) -> (&'static str, Role) {
    match level {
        LogLevel::Info => (" ", Role::Text),
        LogLevel::Memory => (theme.symbols.cleanup, Role::Cleanup),
        LogLevel::Warning => ("!", Role::Warn),
        LogLevel::Error => (theme.symbols.bad, Role::Bad),
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
fn right_of_title(app: &App, log: Option<(LogLines<'_>, u64)>) -> Vec<Span<'static>> {
    let (theme, mut right) = (app.theme(), Vec::new());
    let Some((lines, bottom)) = log else { return right };
    if !app.search().is_empty() {
        right.push(theme.span(format!("find {}  ", app.search()), Role::Accent));
    }
    match app.file_log().map(|file| &file.read) {
        Some(None) => right.push(theme.span("reading the file  ", Role::Dim)),
        Some(Some(Err(_))) => right.push(theme.span("no file  ", Role::Warn)),
        Some(Some(Ok(log))) if log.left_out > Bytes::ZERO => {
            right.push(theme.span(format!("file, its last {}  ", Bytes::mib(8)), Role::Accent));
        }
        Some(Some(Ok(_))) => right.push(theme.span("whole file  ", Role::Accent)),
        None => {}
    }
    if app.follows() {
        let word = if lines.is_file() { "end" } else { "follow" };
        right.push(theme.span(format!("{} {word} ", theme.symbols.follow), Role::Focus));
        // The live line is one of those that are seen.
        let live = u64::from(!lines.is_file() && live_line(app).is_some());
        right.push(theme.span(many(lines.total() + live, "line"), Role::Dim));
    } else {
        right.push(theme.span(format!("line {bottom} of {}", lines.total()), Role::Warn));
    }
    if let (older @ 1.., false) = (lines.before(), lines.is_file()) {
        right.push(theme.span(format!(", {older} older left out"), Role::Dim));
    }
    right
}

/// Where a running job is: one line that changes in place, however often ffmpeg reports; of one that stands still without a pace.
fn live_line(app: &App) -> Option<LiveLine> {
    let job = app.shown().jobs.get(&app.log_of()?)?;
    let Phase::Running { paused, .. } = job.phase else { return None };
    let progress = job.progress?;
    let seconds = progress.out_time.as_secs();
    let time = format!("time {:02}:{:02}:{:02}  {}", seconds / 3600, seconds / 60 % 60, seconds % 60, progress.written.whole());
    let frame = progress.frame;
    Some(if paused {
        LiveLine { symbol: app.theme().symbols.held, role: Role::Warn, text: format!("frame {frame}  {time}  stands still") }
    } else {
        let (fps, speed) = (progress.fps, progress.speed);
        LiveLine {
            symbol: app.theme().symbols.run,
            role: Role::Running,
            text: format!("frame {frame}  {fps:.0} fps  {time}  {speed:.1}x"),
        }
    })
}

/// A line that tells where a job is.
struct LiveLine {
    symbol: &'static str,
    role: Role,
    text: String,
}
