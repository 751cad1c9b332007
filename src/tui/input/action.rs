//! What can happen to the console, and what it may ask for in turn.

use std::path::PathBuf;
use std::sync::Arc;

use crossterm::event::MouseEvent;
use tui_input::InputRequest;

use crate::domain::command::{Command, RequestId};
use crate::domain::comparison::saved::{ComparisonId, ComparisonList, SavedComparison};
use crate::domain::job::{JobId, WholeLog};
use crate::domain::plan::Plan;
use crate::domain::profile::Profile;
use crate::runtime::link::{Checkup, LookStep, QueueNow};

/// Something that happens to the console.
#[derive(Debug, Clone)]
pub enum Action {
    /// An action of the key table.
    Do(Act),
    /// An action that was asked for by a key of a layout without Latin letters: what was typed, and the key at its place.
    Foreign(Act, char, char),
    /// A key was typed that means nothing, and is on no Latin keyboard.
    Unknown(char),
    /// The line of a prompt, or the filter of the help page, is edited.
    Edit(InputRequest),
    /// Text was pasted.
    Paste(String),
    Mouse(MouseEvent),
    /// The terminal has this size, in columns and rows.
    Resize(u16, u16),
    /// The answer to [`Effect::Look`].
    Found(Box<Found>),
    /// The answer to [`Effect::Complete`]: the whole line, completed.
    Completed(crate::runtime::link::Completion),
}

/// An action that a key, a name after `:`, or both can start. One row of the key table each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Show the Memory pane's focus.
    PaneMemory,
    /// Focus the queue.
    PaneQueue,
    /// Focus the cleanups.
    PaneCleanups,
    /// Focus the log.
    PaneLog,
    /// Focus the next pane.
    NextPane,
    /// Focus the pane before.
    PrevPane,
    /// One down.
    Down,
    /// One up.
    Up,
    /// To the first.
    First,
    /// To the last.
    Last,
    /// Half a page down.
    HalfDown,
    /// Half a page up.
    HalfUp,
    PageDown,
    PageUp,
    /// Open the selected job's page; the answer of a dialog; the entry of a list.
    Enter,
    /// Back, close.
    Back,
    /// One pane full screen and back.
    Zoom,
    /// Start typing a filter.
    Filter,
    /// Next match.
    NextMatch,
    /// Match before.
    PrevMatch,
    /// Type the name of a command.
    CommandLine,
    /// Keep the screen as it is.
    Freeze,
    /// The chart goes back in time.
    ChartBack,
    /// The chart comes forward in time.
    ChartForward,
    /// The chart shows a longer time.
    ChartLonger,
    /// The chart shows a shorter time.
    ChartShorter,
    Theme,
    /// ASCII on and off.
    Ascii,
    /// Mouse on and off.
    Mouse,
    /// Copy a line.
    CopyLine,
    /// Copy the log.
    CopyLog,
    /// The log follows its end, or not.
    Follow,
    /// Long log lines go on in the next line, or not.
    Wrap,
    /// The whole log from its file, or the latest lines.
    WholeLog,
    /// The log of the run instead of the selected job's, and back.
    RunLog,
    /// Select what works, and go on to the next when that ends.
    Working,
    /// Add files or folders.
    Add,
    /// Pause or resume the selected job.
    PauseJob,
    /// Hold or release the queue.
    HoldQueue,
    /// Cancel the selected job, after asking.
    Cancel,
    /// Run the selected job again.
    Retry,
    /// Let the selected rejected job in.
    Allow,
    /// The selected job later.
    Later,
    /// The selected job sooner.
    Sooner,
    /// The selected job to the end.
    MoveLast,
    /// The selected job to the front.
    MoveFirst,
    /// Take the selected job off the list, after asking.
    Remove,
    /// Mark the selected job, or take its mark away.
    Mark,
    /// Mark all from the last marked one to the selected one.
    MarkRange,
    /// Mark all that is shown, or take all marks away.
    MarkAll,
    /// Take what has ended off the list, after asking.
    ClearFinished,
    /// Take the last deletion or move back.
    Undo,
    /// Order the rows by another column.
    Sort,
    /// Run what is queued, then finish.
    Drain,
    /// Choose another profile.
    Profiles,
    Warnings,
    /// Everything that happened.
    Events,
    /// What `plimsoll doctor` finds.
    Doctor,
    /// Show the watched folders.
    Watched,
    /// How the queue would run in other ways.
    WhatIf,
    /// What a plan rests on, or the plan again.
    Explain,
    /// Keep the chosen way as a profile.
    SaveAs,
    /// Look ahead again.
    Again,
    /// Kept comparisons.
    Compare,
    /// Compare what waits in the queue.
    CompareQueue,
    /// Clean up now.
    CleanNow,
    /// Stop the console and pause the jobs.
    Suspend,
    /// Draw everything again.
    Redraw,
    Help,
    /// Quit, after asking if jobs run.
    Quit,
    /// The other button of a dialog.
    OtherButton,
    /// Yes to the question of a dialog.
    Yes,
    /// Stop what runs, put it back into the queue, and end the server.
    EndNow,
    /// Complete the line of a prompt.
    Complete,
    /// Another preset for what is added.
    NextPreset,
    /// An older line of a prompt.
    Older,
    /// A newer line of a prompt.
    Newer,
}

impl Act {
    /// It is about the selected job, or about those that are marked.
    pub const fn is_about_jobs(self) -> bool {
        matches!(
            self,
            Self::PauseJob
                | Self::Cancel
                | Self::Retry
                | Self::Allow
                | Self::Later
                | Self::Sooner
                | Self::MoveFirst
                | Self::MoveLast
                | Self::Remove
                | Self::ClearFinished
                | Self::Undo
        )
    }
}

/// What is to be looked up.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// The whole log of this job's try.
    Log(JobId, u32),
    /// What `plimsoll doctor` finds.
    Checkup,
    /// How this queue would run in other ways; the number of the look.
    Ahead(u64, Box<QueueNow>),
    /// Keep this profile, with this comment on top of its file.
    Save(Box<Profile>, String),
    /// All comparisons that are kept.
    Comparisons,
    /// One of them.
    Comparison(ComparisonId),
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum Found {
    /// The whole log of this job's try.
    Log(JobId, u32, Result<WholeLog, String>),
    /// What `plimsoll doctor` finds.
    Checkup(Result<Checkup, String>),
    /// How far the look ahead of this number is.
    AheadSoFar(u64, LookStep),
    /// What came of it.
    Ahead(u64, Box<Result<Plan, String>>),
    /// Where this profile stands now.
    Saved(Box<Profile>, Result<std::path::PathBuf, String>),
    /// All comparisons that are kept.
    Comparisons(Result<ComparisonList, String>),
    /// One of them.
    Comparison(ComparisonId, Result<Arc<SavedComparison>, String>),
    /// The comparison that was asked for is over, or was refused.
    Compared(Result<(), String>),
    /// A line, completed by whoever knows the folders that are meant.
    Completed(crate::runtime::link::Completion),
    /// The server that had gone was started again, or why not.
    Started(Result<(), String>),
}

/// What the console asks for. Carried out by [`crate::tui::run()`].
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask the engine.
    Send(RequestId, Command),
    /// Copy to the clipboard of the terminal (OSC 52).
    Copy(String),
    /// Take or give back the mouse.
    Mouse(bool),
    /// Draw everything again.
    Redraw,
    /// Stop as Ctrl-Z does.
    Suspend,
    /// Look something up.
    Look(Look),
    /// Compare these inputs with this preset.
    Compare(Vec<PathBuf>, String),
    /// End the comparison that is being made.
    StopComparison,
    /// Give up looking ahead.
    LookAway,
    /// Complete the path at the end of this line.
    Complete(String),
    /// Start the server again that has gone.
    StartServer,
    /// End the console.
    Exit,
}
