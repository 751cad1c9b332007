//! What `plimsoll doctor` finds, within the console.
//!
//! ```text
//! ╭ Doctor  Ready, with 1 warning. ─────────────────────────╮
//! │ ✔ ffmpeg         5.1.9 at /usr/bin/ffmpeg               │
//! │ ▲ cgroup         not writable                           │
//! │                  → jobs share one group                 │
//! ╰─────────────────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use crate::runtime::link::{Checkup, FindingStatus};
use crate::tui::app::App;
use crate::tui::terminal::theme::Role;
use crate::tui::view::pen::{Framed, Line, wrap};

/// A line: its indent and pieces.
type Row = Vec<(u16, String, Role)>;

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let page = app.doctor_page();
    let mut title = vec![("Doctor".to_owned(), theme.style(Role::Accent))];
    if let Some(Ok(checkup)) = &page.found {
        let (role, words) = verdict(checkup);
        title.push((format!("  {words}"), theme.style(role)));
    }
    let rows = rows(app, area.width);
    let room = usize::from(area.height.saturating_sub(2));
    let scroll = page.scroll.min(rows.len().saturating_sub(room));
    let right = if rows.len() > room {
        vec![(format!("{}-{} of {}", scroll + 1, (scroll + room).min(rows.len()), rows.len()), theme.style(Role::Dim))]
    } else {
        Vec::new()
    };
    let inner = Framed { theme, focused: true, title, right }.draw(area, buf);
    for (at, row) in rows.iter().skip(scroll).take(room).enumerate() {
        for (x, text, role) in row {
            Line::new(buf, inner, at as u16).gap(*x).put(text, theme.style(*role));
        }
    }
}

/// Lines that the page has at this width of the screen.
pub fn lines(app: &App, width: u16) -> usize {
    rows(app, width).len()
}

fn verdict(checkup: &Checkup) -> (Role, String) {
    let count = |status| checkup.findings.iter().filter(|finding| finding.status == status).count();
    let plural = |n: usize, word: &str| if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") };
    match (count(FindingStatus::Failing), count(FindingStatus::Lacking)) {
        (0, 0) => (Role::Good, "everything is in order".to_owned()),
        (0, warnings) => (Role::Warn, format!("ready, with {}", plural(warnings, "warning"))),
        (failures, warnings) => (Role::Bad, format!("not ready: {}, {}", plural(failures, "failure"), plural(warnings, "warning"))),
    }
}

fn rows(app: &App, width: u16) -> Vec<Row> {
    let symbols = app.theme().symbols;
    let checkup = match &app.doctor_page().found {
        None => {
            return vec![
                Vec::new(),
                vec![(2, "looking at ffmpeg, memory, rights, folders and the terminal".to_owned(), Role::Dim)],
            ];
        }
        Some(Err(reason)) => {
            let lines = wrap(reason, usize::from(width.saturating_sub(6)));
            return lines.into_iter().map(|line| vec![(2, line, Role::Bad)]).collect();
        }
        Some(Ok(checkup)) => checkup,
    };
    let names = checkup.findings.iter().map(|finding| finding.name.width()).max().unwrap_or(0) as u16;
    let indent = 5 + names;
    let room = usize::from(width.saturating_sub(indent + 3));
    let mut rows: Vec<Row> = Vec::new();
    for finding in &checkup.findings {
        let (symbol, role) = match finding.status {
            FindingStatus::Fine => (symbols.done, Role::Good),
            FindingStatus::Lacking => (symbols.over, Role::Warn),
            FindingStatus::Failing => (symbols.bad, Role::Bad),
        };
        for (at, text) in wrap(&finding.value, room).into_iter().enumerate() {
            let mut row: Row = Vec::new();
            if at == 0 {
                row.push((1, symbol.to_owned(), role));
                row.push((3, finding.name.clone(), Role::Strong));
            }
            row.push((indent, text, if finding.status == FindingStatus::Fine { Role::Text } else { role }));
            rows.push(row);
        }
        let arrow = if symbols.ascii { "-> " } else { "→ " };
        for (at, text) in finding.advice.iter().flat_map(|advice| wrap(advice, room.saturating_sub(3))).enumerate() {
            let lead = if at == 0 { arrow } else { "  " };
            rows.push(vec![(indent, format!("{lead}{text}"), Role::Dim)]);
        }
    }
    if !checkup.settings.is_empty() {
        rows.push(Vec::new());
        rows.push(vec![(1, "SETTING".to_owned(), Role::Dim), (indent, "VALUE, AND WHO SAYS SO".to_owned(), Role::Dim)]);
        for setting in &checkup.settings {
            let text = format!("{}  ({})", setting.value, setting.origin);
            for (at, line) in wrap(&text, room).into_iter().enumerate() {
                let mut row: Row = vec![(indent, line, Role::Text)];
                if at == 0 {
                    row.insert(0, (3, setting.name.clone(), Role::Text));
                }
                rows.push(row);
            }
        }
    }
    rows
}
