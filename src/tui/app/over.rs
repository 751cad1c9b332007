//! What keys do where there is no engine that could be asked: in a replay, and when the run is over.

use crate::domain::command::{Command, MoveTo};
use crate::domain::job::JobId;
use crate::tui::app::App;
use crate::tui::input::action::{Act, Effect};

impl App {
    /// The run is over: nobody is there to take a request. A replay is none, and a comparison has further runs.
    pub fn is_over(&self) -> bool {
        self.ended && !self.settings.replay && (self.closed || !self.compares())
    }

    /// That the run is over, and what is left to do.
    pub fn over_words(&self) -> String {
        format!("the run is over: {} quits", self.key_label(Act::Quit))
    }

    /// It asks the engine for something.
    pub(in crate::tui) const fn asks_the_engine(act: Act) -> bool {
        act.is_about_jobs()
            || matches!(
                act,
                Act::Add | Act::HoldQueue | Act::Drain | Act::CleanNow | Act::Profiles | Act::WhatIf | Act::CompareQueue
            )
    }

    /// When the run is over nothing is sent; what would have been is answered.
    pub(super) fn without_requests_to_nobody(&mut self, mut effects: Vec<Effect>) -> Vec<Effect> {
        let was = effects.len();
        if self.is_over() {
            effects.retain(|effect| match effect {
                Effect::Send(_, command) => *command == Command::Shutdown,
                Effect::Compare(..) => false,
                _ => true,
            });
        }
        if effects.len() < was {
            self.pending.clear();
            self.adding.clear();
            self.promised.clear();
            self.moved.clear();
            self.note(self.over_words());
        }
        effects
    }

    /// How a recording is played. It is about no job, whichever is selected.
    pub(super) fn play(&mut self, act: Act) -> Vec<Effect> {
        let none = JobId(0);
        let command = match act {
            Act::PauseJob => Command::PauseJob(none),
            Act::Later => Command::Move(none, MoveTo::Later),
            Act::Sooner => Command::Move(none, MoveTo::Sooner),
            Act::MoveFirst => Command::Move(none, MoveTo::First),
            Act::MoveLast => Command::Move(none, MoveTo::Last),
            _ => return Vec::new(),
        };
        vec![self.ask("replay", command)]
    }
}
