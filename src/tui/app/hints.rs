//! What the footer hints at: the keys that do something where the console now is. One that would do nothing is not offered.

use crate::domain::command::JobRequest;
use crate::domain::job::Job;
use crate::tui::app::palette::Does;
use crate::tui::app::scope::{COMPARISON_HINTS, REPLAY_HINTS};
use crate::tui::app::{App, Mode, applies};
use crate::tui::input::action::Act;
use crate::tui::input::keymap::KeyMode;
use crate::tui::pages::Page;

/// Hints of the page of a job.
const JOB_HINTS: &[(Act, &str)] = &[
    (Act::Back, "back"),
    (Act::NextPane, "next job"),
    (Act::Enter, "all facts"),
    (Act::Filter, "find"),
    (Act::WholeLog, "whole log"),
    (Act::Wrap, "wrap"),
    (Act::Zoom, "log only"),
    (Act::PauseJob, "pause"),
    (Act::Cancel, "cancel"),
    (Act::Retry, "retry"),
    (Act::Allow, "let it in"),
    (Act::Remove, "delete"),
    (Act::Help, "help"),
    (Act::Quit, "quit"),
];
const EVENTS_HINTS: &[(Act, &str)] = &[
    (Act::Back, "back"),
    (Act::Down, "older"),
    (Act::Enter, "open its job"),
    (Act::Filter, "filter"),
    (Act::CopyLine, "copy"),
    (Act::Help, "help"),
    (Act::Quit, "quit"),
];
const DOCTOR_HINTS: &[(Act, &str)] =
    &[(Act::Back, "back"), (Act::Down, "scroll"), (Act::Doctor, "look again"), (Act::Help, "help"), (Act::Quit, "quit")];

const WATCHED_HINTS: &[(Act, &str)] =
    &[(Act::Back, "back"), (Act::Down, "scroll"), (Act::Events, "events"), (Act::Help, "help"), (Act::Quit, "quit")];

impl App {
    /// What the footer hints at: key and word.
    pub fn hints(&self) -> Vec<(String, &'static str)> {
        let hinted: Vec<(Act, String, &'static str)> = match self.page() {
            _ if self.mode().is_some() => self.keys().hinted(self.key_mode()).collect(),
            Page::Dashboard if self.is_replay() => self.labelled(REPLAY_HINTS),
            Page::Dashboard if self.compares() => self.labelled(COMPARISON_HINTS),
            Page::Dashboard => self.keys().hinted(KeyMode::Normal).collect(),
            Page::Job => self.labelled(JOB_HINTS),
            Page::Compare => self.labelled(self.compare_hints()),
            Page::Events => self.labelled(EVENTS_HINTS),
            Page::Doctor => self.labelled(DOCTOR_HINTS),
            Page::Watched => self.labelled(WATCHED_HINTS),
        };
        let offered = hinted.into_iter().filter(|(act, ..)| self.does_something(*act));
        offered.map(|(act, key, word)| (key, if act == Act::PauseJob { self.pause_word(word) } else { word })).collect()
    }

    fn labelled(&self, words: &[(Act, &'static str)]) -> Vec<(Act, String, &'static str)> {
        words.iter().map(|(act, word)| (*act, self.key_label(*act), *word)).collect()
    }

    /// A hinted action would do something now.
    fn does_something(&self, act: Act) -> bool {
        match self.mode() {
            None => self.does_something_on_page(act),
            Some(Mode::Warnings(_)) => match act {
                Act::Enter => !self.shown().warnings.is_empty() && self.why_only_looks().is_none(),
                Act::Down => self.shown().warnings.len() > 1,
                _ => true,
            },
            Some(Mode::Profiles(_)) => match act {
                Act::Enter => !self.profiles().is_empty(),
                Act::Down => self.profiles().len() > 1,
                _ => true,
            },
            Some(Mode::Palette(palette)) => match act {
                Act::Enter => {
                    let entries = self.commands(palette);
                    let chosen = entries.get(palette.row).map(|entry| entry.does);
                    chosen.is_some_and(|does| matches!(does, Does::Act(_)) || self.why_only_looks().is_none())
                }
                Act::Down => self.commands(palette).len() > 1,
                _ => true,
            },
            Some(Mode::Help(page)) => act != Act::Down || page.scroll.is_longer(),
            Some(Mode::WhatIf) => self.fits_the_way(act),
            Some(Mode::Ask(_) | Mode::Leave(_) | Mode::Prompt(_)) => true,
        }
    }

    fn does_something_on_page(&self, act: Act) -> bool {
        if self.is_over() && Self::asks_the_engine(act) || self.why_only_looks().is_some() && !self.means_something(act) {
            return false;
        }
        let opened = self.compare_page().open.as_ref();
        match (self.page(), act) {
            // They are about the playing.
            (_, act) if self.is_replay() && act.is_about_jobs() => self.page() == Page::Dashboard,
            (Page::Dashboard | Page::Job, act) if act.is_about_jobs() => {
                !self.compares() && self.shows_jobs() && self.fits_a_job(act)
            }
            (Page::Job, Act::NextPane) => self.rows().len() > 1,
            (Page::Events, Act::Down) => self.entries().len() > 1,
            (Page::Events, Act::CopyLine) => !self.entries().is_empty(),
            (Page::Events, Act::Enter) => self.events.chosen_job(self.shown()).is_some(),
            (Page::Doctor, Act::Down) => self.doctor_page().scroll.is_longer(),
            (Page::Watched, Act::Down) => self.watched.scroll.is_longer(),
            (Page::Compare, Act::Down | Act::Enter) if opened.is_none() => {
                let kept = self
                    .compare_page()
                    .comparisons
                    .as_ref()
                    .and_then(|comparisons| comparisons.as_ref().ok())
                    .map_or(0, |comparisons| comparisons.kept.len());
                kept > usize::from(act == Act::Down)
            }
            (Page::Compare, Act::Down) => opened.is_some_and(|opened| opened.scroll.is_longer()),
            (Page::Dashboard, Act::HoldQueue) => self.present().paused,
            (Page::Compare, Act::NextMatch) => !self.is_over() && !self.compares(),
            (Page::Compare, Act::NextPane) => opened.is_some_and(|opened| opened.columns.is_longer()),
            _ => true,
        }
    }

    /// It can be done with the selected job, or with one of those that are marked, as far as they are in sight.
    fn fits_a_job(&self, act: Act) -> bool {
        let requests: &[JobRequest] = match act {
            Act::PauseJob => &[JobRequest::Pause, JobRequest::Resume],
            Act::Cancel => &[JobRequest::Cancel],
            Act::Retry => &[JobRequest::Retry],
            Act::Allow => &[JobRequest::Allow],
            Act::Remove => &[JobRequest::Remove],
            _ => return true,
        };
        let fits = |job: &Job| requests.iter().any(|request| applies(*request, job));
        if self.acts_on_marks() {
            return self.marked_in_sight().any(fits);
        }
        let selected = self.selected().filter(|id| !self.is_out_of_sight(*id));
        selected.and_then(|id| self.present().jobs.get(&id)).is_some_and(fits)
    }

    /// What the key that pauses does to a job that is paused already.
    fn pause_word(&self, usual: &'static str) -> &'static str {
        let selected = self.selected().and_then(|id| self.present().jobs.get(&id));
        let is_paused = selected.is_some_and(|job| job.phase.is_paused_by_operator());
        let is_paused = if self.acts_on_marks() {
            let may = |request| self.marked_in_sight().any(|job| applies(request, job));
            !may(JobRequest::Pause) && may(JobRequest::Resume)
        } else {
            is_paused
        };
        if is_paused && !self.is_replay() { "resume" } else { usual }
    }

    /// What the footer hints at on this page.
    fn compare_hints(&self) -> &'static [(Act, &'static str)] {
        match &self.compare.open {
            None if self.is_comparing() => &[
                (Act::Back, "back"),
                (Act::Down, "older"),
                (Act::Enter, "open"),
                (Act::Cancel, "end the one under way"),
                (Act::Help, "help"),
                (Act::Quit, "quit"),
            ],
            Some(opened) if self.is_comparing() && !opened.direct => &[
                (Act::Back, "all comparisons"),
                (Act::Down, "more below"),
                (Act::NextPane, "next columns"),
                (Act::Cancel, "end the one under way"),
                (Act::Help, "help"),
                (Act::Quit, "quit"),
            ],
            None => &[
                (Act::Back, "back"),
                (Act::Down, "older"),
                (Act::Enter, "open"),
                (Act::NextMatch, "compare what waits"),
                (Act::Help, "help"),
                (Act::Quit, "quit"),
            ],
            Some(opened) if opened.direct => &[
                (Act::Back, "dashboard"),
                (Act::Down, "more below"),
                (Act::NextPane, "next columns"),
                (Act::Compare, "all comparisons"),
                (Act::Help, "help"),
                (Act::Quit, "quit"),
            ],
            Some(_) => &[
                (Act::Back, "all comparisons"),
                (Act::Down, "more below"),
                (Act::NextPane, "next columns"),
                (Act::Help, "help"),
                (Act::Quit, "quit"),
            ],
        }
    }
}
