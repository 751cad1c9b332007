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
use ratatui::text::{Line, Text};
use ratatui::widgets::{Paragraph, Widget as _};
use unicode_width::UnicodeWidthStr;

use crate::runtime::link::{Checkup, FindingStatus};
use crate::tui::app::App;
use crate::tui::terminal::theme::Role;
use crate::tui::view::frame::Framed;
use crate::tui::view::text::wrap;

/// Draws it.
pub fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let theme = app.theme();
    let page = app.doctor_page();
    let mut title = vec![theme.span("Doctor", Role::Accent)];
    if let Some(Ok(checkup)) = &page.found {
        let (role, words) = verdict(checkup);
        title.push(theme.span(format!("  {words}"), role));
    }
    let text = text(app, area.width);
    let (lines, room) = (text.height(), usize::from(area.height.saturating_sub(2)));
    let scroll = page.scroll.seen(lines, room);
    let right = if lines > room {
        vec![theme.span(format!("{}-{} of {lines}", scroll + 1, (scroll + room).min(lines)), Role::Dim)]
    } else {
        Vec::new()
    };
    let inner = Framed::new(theme, title).right(right).draw(area, buf);
    Paragraph::new(text).scroll((scroll as u16, 0)).render(inner, buf);
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

/// All of the page, for a screen of this width.
fn text(app: &App, width: u16) -> Text<'static> {
    let theme = app.theme();
    let symbols = theme.symbols;
    let checkup = match &app.doctor_page().found {
        None => {
            let words = "  looking at ffmpeg, memory, rights, folders and the terminal";
            return Text::from(vec![Line::default(), theme.span(words, Role::Dim).into()]);
        }
        Some(Err(reason)) => {
            let lines = wrap(reason, usize::from(width.saturating_sub(6))).into_iter();
            return lines.map(|line| Line::from(vec!["  ".into(), theme.span(line, Role::Bad)])).collect();
        }
        Some(Ok(checkup)) => checkup,
    };
    let names = checkup.findings.iter().map(|finding| finding.name.width()).max().unwrap_or(0);
    let room = usize::from(width).saturating_sub(names + 8);
    // A name in its column, and what is said of it in lines beside it.
    let beside = |lead: Line<'static>, words: &str, role| {
        let mut lead = Some(lead);
        wrap(words, room).into_iter().map(move |words| {
            let mut line = lead.take().unwrap_or_default();
            line.push_span(" ".repeat((names + 5).saturating_sub(line.width())));
            line.push_span(theme.span(words, role));
            line
        })
    };
    let mut text = Text::default();
    for finding in &checkup.findings {
        let (symbol, role) = match finding.status {
            FindingStatus::Fine => (symbols.done, Role::Good),
            FindingStatus::Lacking => (symbols.over, Role::Warn),
            FindingStatus::Failing => (symbols.bad, Role::Bad),
        };
        let lead = vec![" ".into(), theme.span(symbol, role), " ".into(), theme.span(finding.name.clone(), Role::Strong)];
        let of_value = if finding.status == FindingStatus::Fine { Role::Text } else { role };
        text.extend(beside(Line::from(lead), &finding.value, of_value));
        let arrow = if symbols.ascii { "-> " } else { "→ " };
        for (at, words) in finding.advice.iter().flat_map(|advice| wrap(advice, room.saturating_sub(3))).enumerate() {
            let lead = if at == 0 { arrow } else { "  " };
            text.extend(beside(Line::default(), &format!("{lead}{words}"), Role::Dim));
        }
    }
    if !checkup.settings.is_empty() {
        text.push_line("");
        text.extend(beside(theme.span(" SETTING", Role::Dim).into(), "VALUE, AND WHO SAYS SO", Role::Dim));
        for setting in &checkup.settings {
            let words = format!("{}  ({})", setting.value, setting.origin);
            text.extend(beside(theme.span(format!("   {}", setting.name), Role::Text).into(), &words, Role::Text));
        }
    }
    text
}
