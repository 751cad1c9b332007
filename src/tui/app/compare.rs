//! What keys do on the page of comparisons, and how a comparison of what waits is begun.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::domain::comparison::saved::ComparisonId;
use crate::domain::comparison::under_way::JOBS_AT_WORK;
use crate::tui::app::{App, Ask, Mode, Question};
use crate::tui::input::action::{Act, Effect};
use crate::tui::pages::Page;
use crate::tui::pages::comparisons::ComparePage;

impl App {
    pub const fn compare_page(&self) -> &ComparePage {
        &self.compare
    }

    /// What waits is being compared, at the wish of this console or of another; or this one has just asked for it.
    pub fn is_comparing(&self) -> bool {
        self.compare.making || self.state.comparison.is_some()
    }

    /// How a comparison under way is ended from here, in words.
    pub fn way_to_end_it(&self) -> String {
        format!("{} shows it, and {} there ends it", self.key_label(Act::Compare), self.key_label(Act::Cancel))
    }

    /// This console shows a comparison that is under way, and is closed with it.
    pub const fn compares(&self) -> bool {
        self.settings.comparison.is_some()
    }

    /// Opens the page: the comparison that this console is there for, else the list.
    pub fn open_compare(&mut self) -> Vec<Effect> {
        self.open_page(Page::Compare);
        self.compare.open = None;
        match self.settings.comparison {
            Some(id) => self.open_comparison(id, true),
            None => self.look_at_comparisons(),
        }
    }

    fn open_comparison(&mut self, id: ComparisonId, direct: bool) -> Vec<Effect> {
        self.compare.open(id, direct);
        self.look_at_comparisons()
    }

    /// Compares what waits in the queue, which nothing may be taken from meanwhile.
    pub(in crate::tui) fn compare_queue(&mut self) -> Vec<Effect> {
        match self.comparable() {
            Err(why) => {
                self.say(format!("compare what waits: {why}"), true);
                Vec::new()
            }
            Ok((inputs, preset)) => {
                let all = match (inputs.len(), self.state.backlog.jobs) {
                    (1, 0) => "1 input is".to_owned(),
                    (count, 0) => format!("{count} inputs are"),
                    // What is far from its turn is not listed.
                    (count, _) => format!("the first {count} inputs are"),
                };
                self.note(format!("{all} compared under each profile, one run after the other; the queue waits"));
                self.compare.making = true;
                self.open_page(Page::Compare);
                (self.compare.open, self.compare.selected) = (None, None);
                let mut effects = vec![Effect::Compare(inputs, preset)];
                effects.extend(self.look_at_comparisons());
                effects
            }
        }
    }

    /// The inputs that wait and the preset of all of them; or why they are not to be compared now, and what to do.
    fn comparable(&self) -> Result<(Vec<PathBuf>, String), String> {
        let state = &self.state;
        if self.is_over() {
            return Err(self.over_words());
        }
        if self.compares() {
            return Err("this console is there for a comparison that is under way".to_owned());
        }
        if self.is_comparing() {
            return Err(format!("one is being made; {}", self.way_to_end_it()));
        }
        if !state.paused {
            return Err(format!(
                "hold the queue first ({}), wait for the jobs at work, then again",
                self.key_label(Act::HoldQueue)
            ));
        }
        if !state.index.active.is_empty() {
            return Err(JOBS_AT_WORK.to_owned());
        }
        let waiting = state.index.waiting.iter().filter_map(|(_, id)| state.jobs.get(id));
        let (mut inputs, mut presets) = (Vec::new(), BTreeSet::new());
        for job in waiting {
            inputs.push(job.input.clone());
            presets.insert(job.preset.clone());
        }
        let mut presets = presets.into_iter();
        match (presets.next(), presets.next()) {
            (None, _) => Err(format!("nothing waits; {} adds files or folders", self.key_label(Act::Add))),
            (Some(preset), None) => Ok((inputs, preset)),
            (Some(one), Some(other)) => {
                Err(format!("jobs wait with presets {one} and {other}; plimsoll compare with a queue file takes both"))
            }
        }
    }

    /// The comparison of what waited is over.
    pub(in crate::tui) fn compared(&mut self, ended: Result<(), String>) {
        self.compare.making = false;
        match ended {
            Ok(()) if self.state.paused => {
                self.say(format!("the comparison is over; {} releases the queue", self.key_label(Act::HoldQueue)), false);
            }
            Ok(()) => self.say("the comparison is over; the queue goes on".to_owned(), false),
            Err(why) => self.say(format!("compare what waits: {why}"), true),
        }
    }

    /// Something on the screen may change without anybody telling.
    pub fn polls(&self) -> bool {
        self.page == Page::Compare || self.lost().is_some() || self.toast().is_some()
    }

    /// Asks anew for what may have changed, unless the answer to the last time is still to come.
    pub fn look_at_comparisons(&mut self) -> Vec<Effect> {
        self.compare.look().map(Effect::Look).into_iter().collect()
    }

    /// A second has gone: what is asked anew by the page that is open.
    pub(in crate::tui) fn ask_anew(&mut self) -> Vec<Effect> {
        if self.page == Page::Compare && self.lost().is_none() { self.look_at_comparisons() } else { Vec::new() }
    }

    /// Keys of the page; `None` = what they mean everywhere.
    pub(in crate::tui) fn act_on_compare(&mut self, act: Act) -> Option<Vec<Effect>> {
        let is_direct = self.compare.open.as_ref().map(|opened| opened.direct);
        // Neither is for those who only look, which is said as everywhere. A console that shows a comparison has its own words.
        if matches!(act, Act::NextMatch | Act::Cancel) && self.why_only_looks().is_some() && !self.compares() {
            return None;
        }
        match (act, is_direct) {
            (Act::Back, Some(false)) | (Act::Compare, Some(_)) => {
                self.compare.close();
                return Some(self.look_at_comparisons());
            }
            (Act::Compare, None) => self.close_page(),
            (Act::Enter, None) => {
                let chosen = self.compare.chosen().map(|heading| heading.id);
                return Some(chosen.map_or_else(Vec::new, |id| self.open_comparison(id, false)));
            }
            (Act::NextMatch, _) => return Some(self.compare_queue()),
            (Act::Cancel, _) if self.is_comparing() => {
                self.modes.push(Mode::Ask(Ask { question: Question::StopComparison, yes: false }));
            }
            (Act::Cancel, _) if self.compares() => {
                self.note(format!("{} ends the comparison, and this console with it", self.key_label(Act::Quit)));
            }
            (Act::Enter | Act::Zoom, _) => {}
            (Act::NextPane | Act::ChartForward, Some(_)) => self.compare.shift(1),
            (Act::PrevPane | Act::ChartBack, Some(_)) => self.compare.shift(-1),
            (Act::NextPane | Act::PrevPane, None) => {}
            (Act::Down, _) => self.scroll_page(1),
            (Act::Up, _) => self.scroll_page(-1),
            (Act::HalfDown, _) => self.scroll_page(self.page_height() / 2),
            (Act::HalfUp, _) => self.scroll_page(-(self.page_height() / 2)),
            (Act::PageDown, _) => self.scroll_page(self.page_height()),
            (Act::PageUp, _) => self.scroll_page(-self.page_height()),
            (Act::First, _) => self.scroll_page(i64::MIN),
            (Act::Last, _) => self.scroll_page(i64::MAX),
            _ => return None,
        }
        Some(Vec::new())
    }
}
