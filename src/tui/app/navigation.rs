//! Getting about in what is shown: the selection, scrolling, finding, copying, the mouse.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use crate::domain::job::JobId;
use crate::domain::text::path_text;
use crate::tui::app::{App, shown};
use crate::tui::input::action::{Act, Effect};
use crate::tui::input::keymap::KeyMode;
use crate::tui::layout::Pane;
use crate::tui::pages::Page;

impl App {
    /// The filter hides the selected job: select the first shown.
    pub(in crate::tui) fn select_shown(&mut self) {
        if self.queue.select_shown(shown(self.frozen.as_deref(), &self.state)) {
            self.log.turn_to_job();
        }
    }

    pub(in crate::tui) fn select(&mut self, id: Option<JobId>) {
        if self.queue.select(id) {
            self.log.turn_to_job();
        }
    }

    /// Whose log is shown; `None` = that of the run.
    pub fn log_of(&self) -> Option<JobId> {
        self.log.job(self.queue.selected)
    }

    /// The log of the run instead of the selected job's, and back.
    pub(in crate::tui) fn toggle_run_log(&mut self) {
        self.log.of_run = !self.log.of_run;
        self.log.bottom = None;
        let words = if self.log.of_run { "the log pane shows the log of the run" } else { "the log pane shows the log of the job" };
        self.say(words.to_owned(), false);
    }

    /// Selects what is at work, as if nothing had been chosen yet.
    pub(in crate::tui) fn follow_what_works(&mut self) {
        self.queue.is_chosen = false;
        (self.log.of_run, self.log.bottom) = (false, None);
        // It was asked for: a screen that stands still does not hinder it.
        let before = self.queue.selected;
        if self.queue.keep_selection(&self.state, false) {
            self.log.file = None;
        }
        if self.frozen.is_some() && self.queue.selected.is_some_and(|id| !self.shown().jobs.contains_key(&id)) {
            self.queue.selected = before;
        }
        // The page of a job stays with it when that ends.
        let is_page = self.page == Page::Job;
        self.queue.is_chosen = is_page;
        match self.queue.selected.filter(|id| self.state.index.active.contains(id)) {
            Some(id) if is_page => self.say(format!("#{id} is at work, and this is its page"), false),
            Some(id) => self.say(format!("#{id} is at work and selected; when it ends the next one is"), false),
            None if !self.state.index.active.is_empty() => {
                let freeze = self.key_label(Act::Freeze);
                self.note(format!("what is at work was not there when the screen was frozen; {freeze} lets it run again"));
            }
            None if is_page => self.note("no job is at work".to_owned()),
            None => self.note("no job is at work; the next one that is will be selected".to_owned()),
        }
    }

    /// The filter hides this job, and its page is not open either. Whether the list is on the screen does not matter.
    pub(in crate::tui) fn is_out_of_sight(&self, id: JobId) -> bool {
        self.page != Page::Job && self.rows().find(id).is_none()
    }

    /// How a job is chosen that the filter shows, in words.
    pub(super) fn way_to_what_is_seen(&self) -> String {
        if self.layout(self.size.0, self.size.1).pane(Pane::Queue).is_none() {
            return format!("{} shows the list", self.key_label(Act::PaneQueue));
        }
        let (down, up, back) = (self.key_label(Act::Down), self.key_label(Act::Up), self.key_label(Act::Back));
        format!("choose one with {down} and {up}, or {back} clears the filter")
    }

    /// The page of the next job of the list, or of the one before; after the last one comes the first.
    pub(in crate::tui) fn next_job(&mut self, forward: bool) {
        let before = self.queue.selected;
        self.scroll_queue(if forward { 1 } else { -1 });
        if self.queue.selected != before {
            return;
        }
        self.scroll_queue(if forward { i64::MIN } else { i64::MAX });
        let words = match (self.queue.selected == before, forward) {
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

    /// Lines of a pane, as the screen is.
    fn rows_of(&self, pane: Pane) -> usize {
        self.layout(self.size.0, self.size.1).rows(pane)
    }

    pub(in crate::tui) fn scroll_queue(&mut self, by: i64) {
        let height = self.rows_of(Pane::Queue).max(1);
        if self.queue.scroll(shown(self.frozen.as_deref(), &self.state), height, by) {
            self.log.turn_to_job();
        }
    }

    pub(in crate::tui) fn scroll_cleanups(&mut self, by: i64) {
        let rows = self.rows_of(Pane::Cleanups);
        self.cleanups.scroll(shown(self.frozen.as_deref(), &self.state), rows, by);
    }

    pub(in crate::tui) fn scroll_log(&mut self, by: i64) {
        let rows = self.rows_of(Pane::Log);
        self.log.scroll(shown(self.frozen.as_deref(), &self.state), self.queue.selected, rows, by);
    }

    pub(in crate::tui) fn next_match(&mut self, forward: bool) {
        // Beside the page of a job there is no list: its keys are about the log.
        let is_list = self.page == Page::Dashboard && self.focus != Pane::Log;
        if is_list && self.queue.filter.is_some() {
            self.scroll_queue(if forward { 1 } else { -1 });
        } else if is_list || self.log.search.is_empty() {
            self.note(format!("nothing is looked for; {} does so", self.key_label(Act::Filter)));
        } else if !self.log.find(shown(self.frozen.as_deref(), &self.state), self.queue.selected, forward) {
            self.note(format!("no {} line with {}", if forward { "further" } else { "earlier" }, self.log.search));
        }
    }

    pub(in crate::tui) fn copy_line(&mut self) -> Vec<Effect> {
        let text = match self.focus {
            Pane::Log => self.log().and_then(|(lines, bottom)| {
                let at = bottom.checked_sub(lines.before() + 1)?;
                lines.get(at as usize).map(|line| line.text.clone())
            }),
            _ => self.queue.selected.and_then(|id| self.shown().jobs.get(&id)).map(|job| path_text(&job.input)),
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
                    let state = shown(self.frozen.as_deref(), &self.state);
                    if line.is_some_and(|line| self.queue.select_line(state, line, rows)) {
                        self.log.turn_to_job();
                    }
                }
            }
            _ => {}
        }
        Vec::new()
    }
}
