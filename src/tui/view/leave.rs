//! What becomes of the server when its window is left.
//!
//! ```text
//! ╭ Leave ─────────────────────────────────────────╮
//! │ 2 jobs at work, 14 waiting                     │
//! │                                                │
//! │ › enter  leave it running                      │
//! │   e      end when the queue is empty           │
//! │   s      stop now; jobs go back into the queue │
//! │   esc    back                                  │
//! ╰────────────────────────────────────────────────╯
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Text};
use ratatui::widgets::{Paragraph, Widget as _};

use crate::domain::text::many;
use crate::tui::app::App;
use crate::tui::app::line::Leaving;
use crate::tui::input::action::Act;
use crate::tui::input::keymap::KeyMode;
use crate::tui::terminal::theme::Role;
use crate::tui::view::frame::{Framed, popup};
use crate::tui::view::text::wrap;

/// Draws it; `row` is the chosen one.
pub fn draw(app: &App, row: usize, area: Rect, buf: &mut Buffer) {
    let (theme, state) = (app.theme(), app.present());
    let at_work = state.index.active.len() as u64;
    let mut text = Text::from(theme.span(format!("{} at work, {} waiting", many(at_work, "job"), state.waiting()), Role::Strong));
    if let Some(comparison) = &state.comparison {
        let words = format!("a comparison has the machine ({}); it goes on without this window", comparison.run_words());
        for words in wrap(&words, usize::from(area.width.saturating_sub(4))) {
            text.push_line(theme.span(words, Role::Running));
        }
    }
    if state.paused && state.waiting() > 0 {
        text.push_line(theme.span("the queue is held: what waits does not start", Role::Warn));
    }
    text.push_line("");
    let key = |act| app.keys().label_in(KeyMode::Leave, act);
    let width = Leaving::ALL.iter().map(|leaving| key(act_of(*leaving)).chars().count()).max().unwrap_or(0);
    for (at, leaving) in Leaving::ALL.into_iter().enumerate() {
        let pointer = if at == row { theme.symbols.pointer } else { " " };
        let role = if at == row { Role::Strong } else { Role::Text };
        let mut line = Line::from(theme.span(format!("{pointer} "), Role::Focus));
        line.push_span(theme.span(format!("{:width$}  ", key(act_of(leaving))), Role::Accent));
        line.push_span(theme.span(label(leaving, area.width < 60), role));
        text.push_line(line);
    }
    let width = text.width() as u16 + 4;
    let place = popup(area, width.min(area.width), text.height() as u16 + 2, buf);
    let inner = Framed::new(theme, vec![theme.span("Leave", Role::Accent)]).padded().draw(place, buf);
    Paragraph::new(text).render(inner, buf);
}

const fn act_of(leaving: Leaving) -> Act {
    match leaving {
        Leaving::LeaveRunning => Act::Enter,
        Leaving::EndAfterQueue => Act::Drain,
        Leaving::EndNow => Act::EndNow,
        Leaving::Stay => Act::Back,
    }
}

const fn label(leaving: Leaving, short: bool) -> &'static str {
    match (leaving, short) {
        (Leaving::LeaveRunning, _) => "leave it running",
        (Leaving::EndAfterQueue, _) => "end when the queue is empty",
        (Leaving::EndNow, false) => "stop now; jobs go back into the queue",
        (Leaving::EndNow, true) => "stop now; jobs stay queued",
        (Leaving::Stay, _) => "back",
    }
}
