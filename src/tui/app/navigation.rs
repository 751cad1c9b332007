//! Getting about in what is shown: the selection, scrolling, finding, copying, the mouse.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use crate::domain::job::JobId;
use crate::domain::text::path_text;
use crate::tui::app::App;
use crate::tui::app::pages::Page;
use crate::tui::input::action::{Act, Effect};
use crate::tui::input::keymap::KeyMode;
use crate::tui::layout::Pane;

impl App {
    /// The filter hides the selected job: select the first shown.
    pub(in crate::tui) fn select_shown(&mut self) {
        if self.filter.is_some() && self.selected.is_none_or(|id| self.rows().find(id).is_none()) {
            let first = self.rows().first().map(|key| key.id);
            self.select(first);
        }
    }

    pub(in crate::tui) fn select(&mut self, id: Option<JobId>) {
        self.chosen = true;
        if id.is_some() && id != self.selected {
            self.selected = id;
            self.run_log = false;
            self.log_bottom = None;
            self.file_log = None;
        }
    }

    /// Whose log is shown; `None` = that of the run.
    pub fn log_of(&self) -> Option<JobId> {
        if self.run_log { None } else { self.selected }
    }

    /// The log of the run instead of the selected job's, and back.
    pub(in crate::tui) fn toggle_run_log(&mut self) {
        self.run_log = !self.run_log;
        self.log_bottom = None;
        let words = if self.run_log { "the log pane shows the log of the run" } else { "the log pane shows the log of the job" };
        self.say(words.to_owned(), false);
    }

    /// Selects what is at work, as if nothing had been chosen yet.
    pub(in crate::tui) fn follow_what_works(&mut self) {
        self.chosen = false;
        (self.run_log, self.log_bottom) = (false, None);
        self.keep_selection();
        match self.selected.filter(|id| self.state.index.active.contains(id)) {
            Some(id) => self.say(format!("#{id} is at work and selected; when it ends the next one is"), false),
            None => self.note("no job is at work; the next one that is will be selected".to_owned()),
        }
    }

    /// The list is on the screen, and this job is not in it.
    pub(in crate::tui) fn is_out_of_sight(&self, id: JobId) -> bool {
        self.lists_jobs() && self.rows().find(id).is_none()
    }

    /// The list of jobs is on the screen.
    pub(super) fn lists_jobs(&self) -> bool {
        self.page == Page::Dashboard && self.layout(self.size.0, self.size.1).pane(Pane::Queue).is_some()
    }

    /// The page of the next job of the list, or of the one before; after the last one comes the first.
    pub(in crate::tui) fn next_job(&mut self, forward: bool) {
        let before = self.selected;
        self.scroll_queue(if forward { 1 } else { -1 });
        if self.selected != before {
            return;
        }
        self.scroll_queue(if forward { i64::MIN } else { i64::MAX });
        let words = match (self.selected == before, forward) {
            (true, _) => "there is no other job on the list",
            (false, true) => "that was the last job: this is the first",
            (false, false) => "that was the first job: this is the last",
        };
        self.note(words.to_owned());
    }

    pub(in crate::tui) fn page_rows(&self) -> i64 {
        self.layout(self.size.0, self.size.1).rows(self.focus).max(2) as i64
    }

    pub(in crate::tui) fn scroll(&mut self, by: i64) {
        match self.focus {
            Pane::Queue | Pane::Memory => self.scroll_queue(by),
            Pane::Cleanups => self.scroll_cleanups(by),
            Pane::Log => self.scroll_log(by),
        }
    }

    pub(in crate::tui) fn scroll_queue(&mut self, by: i64) {
        let height = self.layout(self.size.0, self.size.1).rows(Pane::Queue).max(1);
        let line = self.window(height).line.unwrap_or(0);
        let rows = self.rows();
        let current = self.selected.and_then(|id| rows.find(id));
        let mut moved = 0_i64;
        let target = match (by, current) {
            (i64::MIN, _) => rows.first(),
            (i64::MAX, _) => rows.last(),
            (_, None) => rows.first(),
            (by, Some(start)) => {
                let mut key = start;
                for _ in 0..by.unsigned_abs() {
                    let next = if by > 0 { rows.after(key) } else { rows.before(key) };
                    let Some(next) = next else { break };
                    key = next;
                    moved += by.signum();
                }
                Some(key)
            }
        };
        let id = target.map(|key| key.id);
        self.row = match by {
            i64::MIN => 0,
            i64::MAX => height - 1,
            _ => (line as i64 + moved).clamp(0, height as i64 - 1) as usize,
        };
        self.select(id);
    }

    pub(in crate::tui) fn scroll_cleanups(&mut self, by: i64) {
        let all = self.shown().cleanups.len() as i64;
        let rows = self.layout(self.size.0, self.size.1).rows(Pane::Cleanups) as i64;
        let skipped = (self.cleanups_skipped() as i64).saturating_add(by).clamp(0, (all - rows).max(0));
        self.cleanup_top =
            if skipped == 0 { None } else { self.shown().cleanups.get((all - 1 - skipped) as usize).map(|record| record.id) };
    }

    pub(in crate::tui) fn scroll_log(&mut self, by: i64) {
        let Some((lines, bottom)) = self.log() else { return };
        let rows = self.layout(self.size.0, self.size.1).rows(Pane::Log) as u64;
        let total = lines.total();
        // Wrapped lines may fill the pane each by itself.
        let least = if self.wrap { 1 } else { rows };
        let lowest = (lines.before() + least.min(lines.len() as u64)).min(total);
        let to = (bottom as i64).saturating_add(by).clamp(lowest as i64, total as i64) as u64;
        self.log_bottom = (to < total).then_some(to);
    }

    pub(in crate::tui) fn next_match(&mut self, forward: bool) {
        if self.focus != Pane::Log || self.search.is_empty() {
            if self.filter.is_some() {
                self.scroll_queue(if forward { 1 } else { -1 });
            }
            return;
        }
        let wanted = self.search.to_lowercase();
        let Some((lines, bottom)) = self.log() else { return };
        let first = lines.before();
        let from_end = self.log_bottom.is_none();
        let hit = {
            let hits = lines.iter().enumerate().filter(|(_, line)| line.text.to_lowercase().contains(&wanted));
            let mut numbers = hits.map(|(at, _)| first + at as u64 + 1);
            if forward {
                numbers.find(|number| *number > bottom)
            } else {
                numbers.rfind(|number| *number < bottom || (from_end && *number == bottom))
            }
        };
        match hit {
            Some(number) => self.log_bottom = Some(number),
            None => self.note(format!("no {} line with {}", if forward { "further" } else { "earlier" }, self.search)),
        }
    }

    pub(in crate::tui) fn copy_line(&mut self) -> Vec<Effect> {
        let text = match self.focus {
            Pane::Log => self.log().and_then(|(lines, bottom)| {
                let at = bottom.checked_sub(lines.before() + 1)?;
                lines.get(at as usize).map(|line| line.text.clone())
            }),
            _ => self.selected.and_then(|id| self.shown().jobs.get(&id)).map(|job| path_text(&job.input)),
        };
        self.copy(text)
    }

    pub(in crate::tui) fn copy_log(&mut self) -> Vec<Effect> {
        let text = self
            .log()
            .map(|(lines, _)| lines.iter().map(|line| format!("{} {}", line.at, line.text)).collect::<Vec<_>>().join("\n"));
        self.copy(text)
    }

    pub(in crate::tui) fn copy(&mut self, text: Option<String>) -> Vec<Effect> {
        let Some(text) = text else {
            self.say("nothing to copy here".to_owned(), true);
            return Vec::new();
        };
        self.say(format!("copied {} characters", text.chars().count()), false);
        vec![Effect::Copy(text)]
    }

    pub(in crate::tui) fn on_mouse(&mut self, event: MouseEvent) -> Vec<Effect> {
        let layout = self.layout(self.size.0, self.size.1);
        let pane = layout.pane_at(event.column, event.row);
        match (event.kind, pane) {
            (MouseEventKind::ScrollDown | MouseEventKind::ScrollUp, pane) => {
                let by = if event.kind == MouseEventKind::ScrollDown { 3 } else { -3 };
                match (self.modes.last(), pane) {
                    (None, _) if self.page != Page::Dashboard => self.scroll_page(by),
                    (None, Some(Pane::Cleanups)) => self.scroll_cleanups(by),
                    (None, Some(Pane::Log)) => self.scroll_log(by),
                    (None, Some(_)) => self.scroll_queue(by.signum()),
                    (None, None) => {}
                    (Some(_), _) => {
                        if matches!(
                            self.key_mode(),
                            KeyMode::Help
                                | KeyMode::Leave
                                | KeyMode::Profiles
                                | KeyMode::Palette
                                | KeyMode::Warnings
                                | KeyMode::WhatIf
                        ) {
                            return self.act(if by > 0 { Act::Down } else { Act::Up });
                        }
                    }
                }
            }
            (MouseEventKind::Down(MouseButton::Left), Some(pane)) if self.modes.is_empty() && self.page == Page::Dashboard => {
                self.focus = pane;
                if let (Pane::Queue, Some(area)) = (pane, layout.pane(Pane::Queue)) {
                    let rows = layout.rows(Pane::Queue);
                    let line = usize::from(event.row).checked_sub(usize::from(area.y) + 2).filter(|line| *line < rows);
                    let id = line.and_then(|line| self.window(rows).ids.get(line).copied());
                    if let Some(line) = line.filter(|_| id.is_some()) {
                        self.row = line;
                        self.select(id);
                    }
                }
            }
            _ => {}
        }
        Vec::new()
    }
}
