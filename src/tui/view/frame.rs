//! The frame that every pane stands in.
//!
//! ```text
//! ╭ 2 Queue 12 jobs, 1.5 GB ──────────── right ╮
//! ╰─────────────────────────────────────────────╯
//! ```

use crate::tui::app::App;
use crate::tui::layout::Pane;
use crate::tui::terminal::theme::Role;
use crate::tui::view::pen::{Framed, Span};

/// The frame of a pane: its number and name, what is to be said of it, and what stands at the right.
pub fn frame<'a>(app: &'a App, pane: Pane, said: &str, right: Vec<Span>) -> Framed<'a> {
    let theme = app.theme();
    let focused = app.focus() == pane;
    let name = if focused { Role::Accent } else { Role::Strong };
    let mut title = vec![
        (format!("{} ", pane.number()), theme.style(if focused { Role::Accent } else { Role::Focus })),
        (pane.name().to_owned(), theme.style(name)),
    ];
    if !said.is_empty() {
        title.push((format!(" {said}"), theme.style(Role::Dim)));
    }
    Framed { theme, focused, title, right }
}
