//! The log pane: whose log it shows, how far it is scrolled, and what is looked for in it.

use crate::domain::job::{JobId, WholeLog};
use crate::domain::state::State;
use crate::tui::pages::log::lines::{FileLog, LogLines};

pub(in crate::tui) mod lines;

#[derive(Debug, Clone, Default)]
pub struct LogPane {
    /// Number of the last line shown; `None` = the log's end.
    pub(in crate::tui) bottom: Option<u64>,
    /// What is looked for; empty = nothing.
    pub(in crate::tui) search: String,
    /// Long lines go on in the next line.
    pub(in crate::tui) wraps: bool,
    /// The file that was asked for.
    pub(in crate::tui) file: Option<FileLog>,
    /// It is the log of the run, whatever job is selected.
    pub(in crate::tui) of_run: bool,
}

impl LogPane {
    /// Another job is selected: its log is shown, from its end.
    pub fn turn_to_job(&mut self) {
        (self.of_run, self.bottom, self.file) = (false, None, None);
    }

    /// Whose log is shown, while `selected` is the selected job; `None` = that of the run.
    pub const fn job(&self, selected: Option<JobId>) -> Option<JobId> {
        if self.of_run { None } else { selected }
    }

    /// The file of the log that is shown, if it was asked for.
    pub(in crate::tui) fn file_of(&self, selected: Option<JobId>) -> Option<&FileLog> {
        self.file.as_ref().filter(|file| Some(file.job) == self.job(selected))
    }

    /// The log shown, and the number of its last line shown, counted from the first line ever written.
    pub(in crate::tui) fn shown<'a>(&'a self, state: &'a State, selected: Option<JobId>) -> Option<(LogLines<'a>, u64)> {
        let lines = if let Some(Ok(log)) = self.file_of(selected).and_then(|file| file.read.as_ref()) {
            LogLines::File(log)
        } else {
            let ring = state.logs.get(&self.job(selected))?;
            LogLines::Latest(&ring.lines, ring.total - ring.lines.len() as u64)
        };
        let (first, total) = (lines.before(), lines.total());
        let bottom = self.bottom.unwrap_or(total).clamp((first + 1).min(total), total);
        Some((lines, bottom))
    }

    /// What was read of the file of a try; something else may be shown by now. Where it was read before, that stays rather than
    /// nothing.
    pub fn read(&mut self, job: JobId, attempt: u32, read: Result<WholeLog, String>) {
        let keeps = read.is_err() && self.has_read();
        if let Some(file) = self.file.as_mut().filter(|file| (file.job, file.attempt) == (job, attempt) && !keeps) {
            file.read = Some(read);
        }
    }

    /// The file that was asked for is there.
    pub const fn has_read(&self) -> bool {
        matches!(&self.file, Some(FileLog { read: Some(Ok(_)), .. }))
    }

    /// Something was written to the log of a try of this job that is not at work any more.
    pub fn note_more(&mut self, job: JobId) {
        if let Some(file) = self.file.as_mut().filter(|file| file.job == job) {
            file.has_more = true;
        }
    }

    /// Another try of this job may have begun: what was read of its file knows nothing of that.
    pub fn outdate(&mut self, job: JobId) {
        if let Some(file) = self.file.as_mut().filter(|file| file.job == job) {
            file.is_old = true;
        }
    }

    /// Shows the latest lines again where the file is of an earlier try.
    pub fn drop_outdated(&mut self) {
        if self.file.as_ref().is_some_and(|file| file.is_old) {
            self.file = None;
            // A place in the file is none among the lines.
            self.bottom = self.bottom.filter(|_| self.of_run);
        }
    }

    /// Moves by so many lines of a pane that shows `rows`.
    pub fn scroll(&mut self, state: &State, selected: Option<JobId>, rows: usize, by: i64) {
        let Some((lines, bottom)) = self.shown(state, selected) else { return };
        let total = lines.total();
        // Wrapped lines may fill the pane each by itself.
        let least = if self.wraps { 1 } else { rows as u64 };
        let lowest = (lines.before() + least.min(lines.len() as u64)).min(total);
        let to = (bottom as i64).saturating_add(by).clamp(lowest as i64, total as i64) as u64;
        self.bottom = (to < total).then_some(to);
    }

    /// Stays where it is, or follows its end again.
    pub fn toggle_follow(&mut self, state: &State, selected: Option<JobId>) {
        self.bottom = match self.bottom {
            None => self.shown(state, selected).map(|(_, bottom)| bottom),
            Some(_) => None,
        };
    }

    /// Goes to the next line with what is looked for, or to the one before; false = there is none.
    pub fn find(&mut self, state: &State, selected: Option<JobId>, forward: bool) -> bool {
        let Some(hit) = self.next_hit(state, selected, forward) else { return false };
        self.bottom = Some(hit);
        true
    }

    /// The number of the next line with what is looked for, or of the one before.
    fn next_hit(&self, state: &State, selected: Option<JobId>, forward: bool) -> Option<u64> {
        let wanted = self.search.to_lowercase();
        let (lines, bottom) = self.shown(state, selected)?;
        let first = lines.before();
        let hits = lines.iter().enumerate().filter(|(_, line)| line.text.to_lowercase().contains(&wanted));
        let mut numbers = hits.map(|(at, _)| first + at as u64 + 1);
        if forward {
            numbers.find(|number| *number > bottom)
        } else {
            numbers.rfind(|number| *number < bottom || (self.bottom.is_none() && *number == bottom))
        }
    }
}
