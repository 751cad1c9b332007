//! What the console says to the operator in its last line: done, refused, or only to be known.

use crate::domain::command::{Command, JobRequest};
use crate::domain::job::JobId;
use crate::tui::app::App;
use crate::tui::app::many::are;
use crate::tui::input::action::{Act, Effect};

/// Seconds for which a message stays. They are the operator's, not those of the run: a recording is played at any pace, and a run
/// that begins anew counts from its start.
const TOAST: u8 = 8;

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
    pub text: String,
    /// What it is.
    pub tone: Tone,
    seconds: u8,
}

impl Toast {
    /// Something was refused or went wrong.
    pub fn is_refusal(&self) -> bool {
        self.tone == Tone::Refused
    }
}

impl App {
    pub const fn toast(&self) -> Option<&Toast> {
        self.toast.as_ref()
    }

    /// A second has gone. Returns whether that is seen.
    pub(in crate::tui) fn tick(&mut self) -> bool {
        self.count_down();
        let gone = self.toast.take_if(|toast| {
            toast.seconds = toast.seconds.saturating_sub(1);
            toast.seconds == 0
        });
        gone.is_some() || self.lost().is_some()
    }

    /// Says that something is done, or that it was refused.
    pub(in crate::tui) fn say(&mut self, text: String, is_error: bool) {
        self.show_toast(text, if is_error { Tone::Refused } else { Tone::Done });
    }

    /// Says something that is neither done nor refused.
    pub(in crate::tui) fn note(&mut self, text: String) {
        self.show_toast(text, Tone::Note);
    }

    fn show_toast(&mut self, text: String, tone: Tone) {
        self.toast = Some(Toast { text, tone, seconds: TOAST });
    }

    /// Says this once the engine has done what `effect` asks for.
    pub(super) fn promise(&mut self, effect: &Effect, text: String) {
        if let Effect::Send(id, _) = effect {
            self.promised.insert(*id, text);
        }
    }

    /// What is said when this is done, where the screen alone does not show it; with the way back.
    pub(super) fn done_words(&self, command: &Command) -> Option<String> {
        let (retry, undo) = (self.key_label(Act::Retry), self.key_label(Act::Undo));
        let back = |ids: &[JobId]| match ids.iter().filter(|id| !self.had_ended(**id)).count() {
            0 => String::new(),
            some if some == ids.len() => format!("; {undo} puts {} back", if some == 1 { "it" } else { "them" }),
            some => format!("; {undo} puts the {some} that had not ended back"),
        };
        match command {
            Command::Cancel(id) => Some(format!("#{id} is cancelled; {retry} runs it from its start")),
            Command::Each(ids, JobRequest::Cancel) => {
                Some(format!("{} cancelled; {retry} runs one from its start", are(ids.len())))
            }
            Command::Remove(id) => Some(format!("#{id} is off the list{}", back(&[*id]))),
            Command::Each(ids, JobRequest::Remove) => Some(format!("{} off the list{}", are(ids.len()), back(ids))),
            Command::Drain => Some(format!(
                "nothing new is taken, and the end comes with the last job{}; {} takes that back",
                if self.state.paused {
                    format!(", but the queue is held: {} releases it", self.key_label(Act::HoldQueue))
                } else {
                    String::new()
                },
                self.key_label(Act::Drain)
            )),
            Command::Undrain => Some("the drain is taken back: jobs are taken again".to_owned()),
            // The screen shows it, unless it shows what was.
            Command::Pause if self.frozen() => Some("the queue is held".to_owned()),
            Command::Resume if self.frozen() => Some("the queue is released".to_owned()),
            _ => None,
        }
    }

    pub(super) fn no_job_is_selected(&self) -> String {
        format!("no job is selected: choose one with {} and {}", self.key_label(Act::Down), self.key_label(Act::Up))
    }
}
