//! What lies over the dashboard or a page, and has the keys.

use crate::domain::job::JobId;
use crate::tui::app::palette::Palette;
use crate::tui::app::prompt::Prompt;
use crate::tui::pages::help::Help;
use crate::tui::pages::profiles::Picker;

/// A question with two buttons; the first one changes nothing and is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What is asked.
    pub question: Question,
    /// The second button is chosen.
    pub yes: bool,
}

/// What a dialog asks. The job under question is fixed while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Cancel this job?
    Cancel(JobId),
    /// Take this job off the list?
    Remove(JobId),
    /// Cancel as many jobs as that? They are fixed while it is asked, as [`crate::tui::app::App`] has them.
    CancelMany(usize),
    /// Take as many jobs as that off the list?
    RemoveMany(usize),
    /// Take as many jobs as that, which have ended, off the list?
    ClearFinished(usize),
    /// End the server, which has nothing to do?
    EndIdle,
    /// Stop what runs and quit?
    Quit,
    /// Kill what is being stopped?
    Kill,
    /// End the comparison that this console shows or makes?
    EndComparison,
    /// End the comparison of what waits, and stay?
    StopComparison,
    /// Start the server again that has gone?
    StartServer,
}

/// What lies over the dashboard.
#[derive(Debug, Clone)]
pub enum Mode {
    Help(Help),
    Ask(Ask),
    /// What becomes of the server when this window is left; the chosen row.
    Leave(usize),
    Profiles(Picker),
    /// The warning signs; the chosen one.
    Warnings(usize),
    /// The ways to run the queue: see [`crate::tui::app::App::what_if`].
    WhatIf,
    /// The commands by name.
    Palette(Palette),
    /// A line that is being typed.
    Prompt(Box<Prompt>),
}
