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

use crate::domain::job::{LogLevel, Phase};
use crate::tui::app::{App, job_name};
use crate::tui::layout::Pane;
use crate::tui::theme::Role;
use crate::tui::view::frame;
use crate::tui::view::pen::{Line, time_of_day};

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.shown());
    let said = app.selected().and_then(|id| state.jobs.get(&id)).map_or_else(|| "of the run".to_owned(), job_name);
    let log = app.log();
    let right = log.map_or_else(Vec::new, |(ring, bottom)| {
        let mut right = Vec::new();
        if !app.search().is_empty() {
            right.push((format!("find {}  ", app.search()), theme.style(Role::Accent)));
        }
        if app.follows() {
            right.push((format!("{} follow ", theme.symbols.follow), theme.style(Role::Focus)));
            right.push((format!("{} lines", ring.total), theme.style(Role::Dim)));
        } else {
            right.push((format!("line {bottom} of {}", ring.total), theme.style(Role::Warn)));
        }
        right
    });
    let mut inner = frame::frame(app, Pane::Log, &said, right).draw(area, buf);
    let live = if app.follows() { live_line(app) } else { None };
    if let Some(text) = live.filter(|_| inner.height > 1) {
        let lines = log.map_or(0, |(ring, _)| ring.lines.len()).min(usize::from(inner.height) - 1) as u16;
        let mut out = Line::new(buf, inner, lines);
        out.put(time_of_day(state.wall, app.time_zone(), inner.width < 60), theme.style(Role::Dim)).gap(1);
        out.put(theme.symbols.run, theme.style(Role::Running)).gap(1);
        let room = out.left();
        out.put(super::pen::fit(&text, room, theme.symbols), theme.style(Role::Text));
        inner.height -= 1;
    }
    let Some((ring, bottom)) = log else {
        Line::new(buf, inner, 1).gap(1).put("no lines", theme.style(Role::Dim));
        return;
    };
    let first = ring.total - ring.lines.len() as u64;
    let end = (bottom - first) as usize;
    let start = end.saturating_sub(usize::from(inner.height));
    let short = inner.width < 60;
    let wanted = app.search().to_lowercase();
    for (at, line) in ring.lines.range(start..end).enumerate() {
        let (mark, role) = match line.level {
            LogLevel::Info => (" ", Role::Text),
            LogLevel::Memory => (theme.symbols.cleanup, Role::Cleanup),
            LogLevel::Warning => ("!", Role::Warn),
            LogLevel::Error => (theme.symbols.bad, Role::Bad),
        };
        let found = !wanted.is_empty() && line.text.to_lowercase().contains(&wanted);
        let mut out = Line::new(buf, inner, at as u16);
        out.put(time_of_day(line.at, app.time_zone(), short), theme.style(Role::Dim)).gap(1);
        out.put(mark, theme.style(role)).gap(1);
        let room = out.left();
        out.put(super::pen::fit(&line.text, room, theme.symbols), theme.style(if found { Role::Accent } else { role }));
        if !app.follows() && start + at + 1 == end && app.focus() == Pane::Log {
            buf.set_style(Rect { y: inner.y + at as u16, height: 1, ..inner }, theme.selection());
        }
    }
}

/// Where a running job is: one line that changes in place, however often ffmpeg reports.
fn live_line(app: &App) -> Option<String> {
    let job = app.shown().jobs.get(&app.selected()?)?;
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
