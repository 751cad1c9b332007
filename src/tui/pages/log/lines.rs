//! The log that is shown: the latest lines that the state keeps, or the whole file once it was read.

use std::collections::VecDeque;

use crate::domain::job::{JobId, LogLine, WholeLog};

/// The file of a try's log.
#[derive(Debug, Clone)]
pub struct FileLog {
    pub job: JobId,
    /// Which try.
    pub attempt: u32,
    /// `None` = it is being read.
    pub read: Option<Result<WholeLog, String>>,
    /// Another try of the job may have begun since: the file is dropped as soon as the screen is not frozen.
    pub is_old: bool,
    /// It may have grown since it was read: the try has ended, or something was written after its end. It is asked for again.
    pub has_more: bool,
}

/// Lines of a log, oldest first.
#[derive(Debug, Clone, Copy)]
pub enum LogLines<'a> {
    /// The latest lines; before them, so many are not kept.
    Latest(&'a VecDeque<LogLine>, u64),
    File(&'a WholeLog),
}

impl<'a> LogLines<'a> {
    /// Lines that can be shown.
    pub fn len(&self) -> usize {
        match self {
            Self::Latest(lines, _) => lines.len(),
            Self::File(log) => log.lines.len(),
        }
    }

    /// Lines before the first that can be shown.
    pub const fn before(&self) -> u64 {
        match self {
            Self::Latest(_, before) => *before,
            Self::File(_) => 0,
        }
    }

    /// Lines ever written, as far as is known.
    pub fn total(&self) -> u64 {
        self.before() + self.len() as u64
    }

    /// The whole file is shown.
    pub const fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// A line, counted from the first that can be shown.
    pub fn get(&self, at: usize) -> Option<&'a LogLine> {
        match self {
            Self::Latest(lines, _) => lines.get(at),
            Self::File(log) => log.lines.get(at),
        }
    }

    pub fn iter(self) -> impl DoubleEndedIterator<Item = &'a LogLine> + ExactSizeIterator {
        (0..self.len()).map(move |at| match self {
            Self::Latest(lines, _) => &lines[at],
            Self::File(log) => &log.lines[at],
        })
    }
}
