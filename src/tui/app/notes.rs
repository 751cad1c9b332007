//! What the console says to the operator in its last line: done, refused, or only to be known.

use std::time::Duration;

use crate::domain::time::Mono;
use crate::tui::app::App;
use crate::tui::input::action::{Act, Effect};

/// How long a message stays.
const TOAST: Duration = Duration::from_secs(8);

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// What was asked for is done.
    Done,
    /// Something to know: nothing was done, and nothing went wrong.
    Note,
    /// Something was refused or went wrong.
    Refused,
}

/// A message that goes away by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// The text.
    pub text: String,
    /// What it is.
    pub tone: Tone,
    until: Mono,
}

impl Toast {
    /// Something was refused or went wrong.
    pub fn is_refusal(&self) -> bool {
        self.tone == Tone::Refused
    }
}

impl App {
    /// The message to show.
    pub fn toast(&self) -> Option<&Toast> {
        self.toast.as_ref().filter(|toast| self.state.now <= toast.until)
    }

    /// Says that something is done, or that it was refused.
    pub(in crate::tui) fn say(&mut self, text: String, is_error: bool) {
        self.tell(text, if is_error { Tone::Refused } else { Tone::Done });
    }

    /// Says something that is neither done nor refused.
    pub(in crate::tui) fn note(&mut self, text: String) {
        self.tell(text, Tone::Note);
    }

    fn tell(&mut self, text: String, tone: Tone) {
        self.toast = Some(Toast { text, tone, until: self.state.now + TOAST });
    }

    /// Says this once the engine has done what `effect` asks for.
    pub(super) fn promise(&mut self, effect: &Effect, text: String) {
        if let Effect::Send(id, _) = effect {
            self.promised.insert(*id, text);
        }
    }

    pub(super) fn no_job_is_selected(&self) -> String {
        format!("no job is selected: choose one with {} and {}", self.key_label(Act::Down), self.key_label(Act::Up))
    }
}
