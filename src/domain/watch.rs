//! Folders that a server watches: what is said of each, and how it stands.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::preset::Preset;
use super::text::{as_text, many, path_text};
use super::time::Wall;

/// What becomes of an input that came from a watched folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeleteInput {
    /// It stays.
    #[default]
    Never,
    /// It is removed once an output that was made of it, and checked, stands in its place.
    AfterDone,
}

impl DeleteInput {
    pub const ALL: [Self; 2] = [Self::Never, Self::AfterDone];

    /// Its name in the settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::AfterDone => "after_done",
        }
    }
}

/// A folder that is to be watched.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchFolder {
    /// The folder, absolute. It need not be there yet.
    pub folder: PathBuf,
    /// What is made of what comes into it.
    pub preset: Preset,
    /// Folder of the outputs, absolute.
    pub out: PathBuf,
    /// What becomes of the inputs.
    pub delete_input: DeleteInput,
    /// How long a file has to look the same before it is taken.
    pub quiet: Duration,
}

impl WatchFolder {
    /// How long a file has to look the same where nothing else is said.
    pub const QUIET: Duration = Duration::from_secs(10);
}

/// Files of a watched folder, as they are handed over to be queued. Only the server itself says this of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchTake {
    /// Which of the watched folders.
    pub watch: u32,
    /// The folder: outputs keep the shape of what is below it.
    pub folder: PathBuf,
    /// Folder of the outputs, as it was given.
    pub out: PathBuf,
    /// What becomes of the inputs.
    pub delete_input: DeleteInput,
}

/// How news of a watched folder come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchState {
    /// The kernel tells what changes.
    Watching,
    /// It is looked through from time to time: the kernel does not tell what others do there, or may not tell more.
    Polling,
    /// It is not there, or cannot be read; it is taken up when it is back.
    Missing,
}

/// How a watched folder stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watched {
    /// Its number in this run, from 1.
    pub watch: u32,
    #[serde(with = "as_text")]
    pub folder: PathBuf,
    /// Name of the preset.
    pub preset: String,
    /// Folder of the outputs.
    #[serde(with = "as_text")]
    pub out: PathBuf,
    /// What becomes of the inputs.
    pub delete_input: DeleteInput,
    /// How news of it come.
    pub state: WatchState,
    /// Seconds between two looks, where it is polled; null = the kernel tells.
    pub every_seconds: Option<u64>,
    /// Why it is polled or not there; null = it is watched.
    pub why: Option<String>,
    /// Files that wait to be complete.
    pub waiting: u64,
    /// The first few of them.
    pub first: Vec<WaitingFile>,
    /// Files that were queued in this run.
    pub taken: u64,
    /// How often the kernel lost changes in this run, after each of which it was looked through.
    #[serde(default)]
    pub overflows: u64,
}

/// A file that waits to be complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingFile {
    /// Its path below the watched folder, as text that is safe to show.
    pub name: String,
    /// Since when it waits.
    pub since: Wall,
}

impl Watched {
    /// Its state in words: `watching`, `polling every 10 s`, `not there`, without the reason.
    pub fn state_words(&self) -> String {
        match (self.state, self.every_seconds) {
            (WatchState::Watching, _) => "watching".to_owned(),
            (WatchState::Polling, Some(seconds)) => format!("polling every {seconds} s"),
            (WatchState::Polling, None) => "polling".to_owned(),
            (WatchState::Missing, _) => "not there".to_owned(),
        }
    }

    /// All of it in one line.
    pub fn words(&self) -> String {
        let why = self.why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        let text = format!("{} ({}): {}{why}", path_text(&self.folder), self.preset, self.state_words());
        let (files, s) = (many(self.waiting, "file"), if self.waiting == 1 { "s" } else { "" });
        let waiting = if self.waiting > 0 { format!("; {files} wait{s} to be complete") } else { String::new() };
        let lost = if self.overflows > 0 { format!("; changes were lost {}", many(self.overflows, "time")) } else { String::new() };
        format!("{text}{waiting}; {} taken{lost}", self.taken)
    }
}
