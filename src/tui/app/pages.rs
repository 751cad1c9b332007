//! What keys do on the pages that cover the four panes, and what becomes of what was looked up for them.

use crate::domain::job::{Job, JobId};
use crate::tui::app::prompt::PromptKind;
use crate::tui::app::{App, shown};
use crate::tui::input::action::{Act, Action, Effect, Found, Look};
use crate::tui::layout::{Layout, Pane, Size};
use crate::tui::pages::Page;
use crate::tui::pages::doctor::DoctorPage;
use crate::tui::pages::events::EventsPage;
use crate::tui::pages::events::chronicle::Entry;
use crate::tui::pages::job::details::Detail;
use crate::tui::pages::log::lines::FileLog;
use crate::tui::pages::scroll::Scroll;
use crate::tui::pages::watched::WatchedPage;

impl App {
    /// What is known of a job beside the state.
    pub(in crate::tui) fn detail(&self, id: JobId) -> Option<&Detail> {
        self.job.details.get(id)
    }

    pub const fn events_page(&self) -> &EventsPage {
        &self.events
    }

    pub const fn doctor_page(&self) -> &DoctorPage {
        &self.doctor
    }

    /// The page of watched folders.
    pub const fn watched_page(&self) -> &WatchedPage {
        &self.watched
    }

    /// The file of the selected job's log, if it was asked for.
    pub(in crate::tui) fn file_log(&self) -> Option<&FileLog> {
        self.log.file_of(self.queue.selected)
    }

    /// What happened, the latest first, as far as the filter lets it through.
    pub(in crate::tui) fn entries(&self) -> Vec<&Entry> {
        self.events.entries(self.shown())
    }

    pub(in crate::tui) fn open_page(&mut self, page: Page) {
        if page == Page::Events && self.page != Page::Events {
            // It begins with the latest, as its title says.
            self.events.selected = None;
        }
        if self.page == Page::Dashboard {
            self.before = (self.focus, self.zoom);
        }
        let was = std::mem::replace(&mut self.page, page);
        self.zoom = false;
        if page == Page::Job {
            self.log.of_run = false;
            self.job.opened_facts = None;
            self.job.is_of_an_event = was == Page::Events;
            self.focus = Pane::Log;
            // The page stays with its job when that ends.
            self.queue.is_chosen = true;
        }
    }

    pub(in crate::tui) fn close_page(&mut self) {
        self.page = Page::Dashboard;
        (self.focus, self.zoom) = self.before;
        self.log.search.clear();
        // The job of the page may have left the list: there is no row of it that could be chosen.
        if self.queue.selected.is_some_and(|id| !self.shown().jobs.contains_key(&id)) {
            (self.queue.selected, self.queue.is_chosen) = (None, false);
            self.log.turn_to_job();
            self.keep_selection();
        }
    }

    /// Opens the page of the selected job; without one, the log of the run full screen.
    pub(in crate::tui) fn open_job(&mut self) -> Vec<Effect> {
        if self.focus == Pane::Log && self.queue.selected.is_none_or(|id| !self.shown().jobs.contains_key(&id)) {
            self.zoom = true;
            return Vec::new();
        }
        if self.queue.selected.is_none() {
            self.say(self.no_job_is_selected(), true);
            return Vec::new();
        }
        self.open_page(Page::Job);
        self.look_for_log()
    }

    /// Asks for the file where the state has not all lines any more. Of a job at work the latest lines matter, which no file that
    /// was read once has.
    fn look_for_log(&mut self) -> Vec<Effect> {
        let is_whole = self
            .queue
            .selected
            .and_then(|id| self.shown().logs.get(&Some(id)))
            .is_some_and(|ring| ring.total == ring.lines.len() as u64);
        let job = self.queue.selected.and_then(|id| self.shown().jobs.get(&id));
        let was_run = job.is_some_and(|job| job.attempts > 0 && !job.phase.holds_slot());
        if is_whole || !was_run || self.file_log().is_some() { self.look_for_command() } else { self.ask_for_log() }
    }

    /// What a job was asked to do that was started before this console came stands at the top of its log.
    fn look_for_command(&self) -> Vec<Effect> {
        let job = self.queue.selected.and_then(|id| self.shown().jobs.get(&id));
        let is_unknown = |job: &&Job| self.detail(job.id).is_none_or(|detail| detail.command.is_none());
        let job = job.filter(|job| job.attempts > 0).filter(is_unknown);
        job.map(|job| Effect::Look(Look::Log(job.id, job.attempts))).into_iter().collect()
    }

    fn ask_for_log(&mut self) -> Vec<Effect> {
        let Some(job) = self.log_of().and_then(|id| self.shown().jobs.get(&id)) else {
            self.say("the log of the run has no file here: see --log-file".to_owned(), true);
            return Vec::new();
        };
        let (id, attempt) = (job.id, job.attempts);
        if attempt == 0 {
            self.say(format!("#{id} was never started: there is no log of it"), true);
            return Vec::new();
        }
        self.log.file = Some(FileLog { job: id, attempt, read: None, is_old: false, has_more: false });
        vec![Effect::Look(Look::Log(id, attempt))]
    }

    /// Asks once more for the file that is shown where it may have grown; not for a screen that stands still.
    pub(super) fn look_for_more_of_log(&mut self) -> Vec<Effect> {
        let is_frozen = self.frozen.is_some();
        let file = self.log.file.as_mut().filter(|file| file.has_more && !is_frozen);
        file.map(|file| {
            file.has_more = false;
            Effect::Look(Look::Log(file.job, file.attempt))
        })
        .into_iter()
        .collect()
    }

    pub(in crate::tui) fn toggle_whole_log(&mut self) -> Vec<Effect> {
        self.log.bottom = None;
        if self.log.file.take().is_some_and(|file| Some(file.job) == self.log_of()) { Vec::new() } else { self.ask_for_log() }
    }

    pub(in crate::tui) fn open_doctor(&mut self) -> Vec<Effect> {
        self.open_page(Page::Doctor);
        self.doctor = DoctorPage::default();
        vec![Effect::Look(Look::Checkup)]
    }

    pub(in crate::tui) fn found(&mut self, found: Found) {
        match found {
            Found::Log(job, attempt, read) => {
                let is_shown = self.log.file.as_ref().is_some_and(|file| (file.job, file.attempt) == (job, attempt));
                match &read {
                    Ok(log) => self.job.details.learn_from_log(job, log),
                    Err(reason) if is_shown && !self.log.has_read() => self.say(reason.clone(), true),
                    // Without it the page says where it stands, or shows what was read before.
                    Err(_) => {}
                }
                self.log.read(job, attempt, read);
            }
            Found::Checkup(found) => self.doctor.found = Some(found),
            Found::AheadSoFar(number, step) => self.what_if.looked_so_far(number, step),
            Found::Ahead(number, plan) => self.what_if.looked(number, *plan),
            Found::Saved(profile, saved) => self.saved(*profile, saved),
            Found::Comparisons(found) => self.compare.found_list(found),
            Found::Comparison(id, found) => self.compare.found(id, found),
            Found::Compared(ended) => self.compared(ended),
            Found::Completed(completion) => drop(self.update(Action::Completed(completion))),
            Found::Started(Ok(())) => self.note("the server is started; the line to it is made again".to_owned()),
            Found::Started(Err(why)) => self.say(format!("the server cannot be started: {why}"), true),
        }
    }

    /// Keys while no dialog is open.
    pub(in crate::tui) fn act_on_page(&mut self, act: Act) -> Vec<Effect> {
        let is_tiny = self.layout(self.size.0, self.size.1).size == Size::Tiny;
        if self.page == Page::Compare
            && let Some(effects) = self.act_on_compare(act)
        {
            return effects;
        }
        // A look ahead is refused with its own reason, where it is shown.
        if (act != Act::WhatIf || self.is_view()) && !self.means_something(act) && self.refuses_changes() {
            return Vec::new();
        }
        if self.is_over() && Self::asks_the_engine(act) {
            self.note(self.over_words());
            return Vec::new();
        }
        if act.is_about_jobs() && !self.settings.replay && !self.shows_jobs() {
            self.say(self.no_jobs_here(), true);
            return Vec::new();
        }
        if self.page == Page::Dashboard || is_tiny && act != Act::Back {
            return self.act_on_dashboard(act);
        }
        let page = self.page;
        if !self.means_something(act) && !self.is_replay() {
            let (help, back) = (self.key_label(Act::Help), self.key_label(Act::Back));
            self.note(format!("this means nothing on this page; {help} tells its keys, {back} leads back"));
            return Vec::new();
        }
        if page == Page::Job && self.job.opened_facts.is_some() && !self.zoom && self.scroll_facts(act) {
            return Vec::new();
        }
        match (page, act) {
            (_, Act::Back) if self.zoom => self.zoom = false,
            (Page::Job, Act::Back) if self.job.opened_facts.is_some() => self.job.opened_facts = None,
            // The list of events is where it was.
            (Page::Job, Act::Back) if self.job.is_of_an_event => {
                self.close_page();
                self.page = Page::Events;
            }
            (_, Act::Back) => self.close_page(),
            (_, Act::PaneMemory | Act::PaneQueue | Act::PaneCleanups | Act::PaneLog) => {
                self.close_page();
                self.zoom = false;
                return self.act_on_dashboard(act);
            }
            (Page::Job, Act::NextPane | Act::PrevPane) => {
                self.next_job(act == Act::NextPane);
                return self.look_for_log();
            }
            (Page::Job, Act::Enter) => {
                // They stand beside no log that is full screen.
                self.zoom = false;
                self.job.opened_facts = if self.job.opened_facts.is_some() { None } else { Some(Scroll::default()) }
            }
            (Page::Events, Act::Filter) => self.open(PromptKind::Events, self.events.filter.clone()),
            (Page::Events, Act::Enter) => match self.events.chosen_job(self.shown()) {
                Some(id) => {
                    self.select(Some(id));
                    return self.open_job();
                }
                None => self.say("no job of the list belongs to this event".to_owned(), true),
            },
            (Page::Events, Act::CopyLine) => {
                let text = self.events.chosen(self.shown()).map(|entry| format!("{} {}", entry.at, entry.text));
                return self.copy(text);
            }
            (Page::Events | Page::Doctor | Page::Watched, Act::Down) => self.scroll_page(1),
            (Page::Events | Page::Doctor | Page::Watched, Act::Up) => self.scroll_page(-1),
            (Page::Events | Page::Doctor | Page::Watched, Act::HalfDown) => self.scroll_page(self.page_height() / 2),
            (Page::Events | Page::Doctor | Page::Watched, Act::HalfUp) => self.scroll_page(-(self.page_height() / 2)),
            (Page::Events | Page::Doctor | Page::Watched, Act::PageDown) => self.scroll_page(self.page_height()),
            (Page::Events | Page::Doctor | Page::Watched, Act::PageUp) => self.scroll_page(-self.page_height()),
            (Page::Events | Page::Doctor | Page::Watched, Act::First) => self.scroll_page(i64::MIN),
            (Page::Events | Page::Doctor | Page::Watched, Act::Last) => self.scroll_page(i64::MAX),
            (Page::Events | Page::Doctor | Page::Watched, Act::NextPane | Act::PrevPane | Act::Zoom)
            | (Page::Doctor | Page::Watched, Act::Enter) => {}
            (Page::Events, Act::Events) | (Page::Watched, Act::Watched) => self.close_page(),
            _ => return self.act_on_dashboard(act),
        }
        Vec::new()
    }

    /// What a key does to the opened facts of a job; false = nothing, and what is about the log leads back to it.
    fn scroll_facts(&mut self, act: Act) -> bool {
        let height = self.page_height();
        let by = match act {
            Act::Down => 1,
            Act::Up => -1,
            Act::HalfDown => height / 2,
            Act::HalfUp => -(height / 2),
            Act::PageDown => height,
            Act::PageUp => -height,
            Act::First => i64::MIN,
            Act::Last => i64::MAX,
            Act::Filter | Act::WholeLog | Act::Wrap | Act::Zoom | Act::Follow | Act::NextMatch | Act::PrevMatch => {
                self.job.opened_facts = None;
                return false;
            }
            Act::NextPane | Act::PrevPane => {
                self.job.opened_facts = Some(Scroll::default());
                return false;
            }
            _ => return false,
        };
        if let Some(scroll) = &mut self.job.opened_facts {
            scroll.by(by);
        }
        true
    }

    /// The jobs, or the log of the selected one, are on the screen: what keys do to a job is seen there.
    pub(super) fn shows_jobs(&self) -> bool {
        let layout = self.layout(self.size.0, self.size.1);
        let has_pane = layout.pane(Pane::Queue).is_some() || layout.pane(Pane::Log).is_some() || layout.job[0].is_some();
        matches!(self.page, Page::Dashboard | Page::Job) && has_pane
    }

    fn no_jobs_here(&self) -> String {
        let back = self.key_label(Act::Back);
        match self.page {
            _ if self.layout(self.size.0, self.size.1).size == Size::Tiny => {
                "no job is seen on so small a screen: at 60x16 the keys act on jobs".to_owned()
            }
            Page::Events => {
                format!("this page acts on no job: {} opens the job of an event, {back} leads back", self.key_label(Act::Enter))
            }
            Page::Doctor | Page::Compare | Page::Watched => format!("this page shows no jobs: {back} leads back to them"),
            // A pane full screen, or the only one that has room.
            Page::Dashboard | Page::Job => {
                let way = if self.zoom { back } else { self.key_label(Act::PaneQueue) };
                format!("no job is seen here: {way} leads back to them")
            }
        }
    }

    pub(in crate::tui) fn page_height(&self) -> i64 {
        i64::from(Layout::new(self.size.0, self.size.1, Pane::Log, true).body().height.saturating_sub(2)).max(2)
    }

    pub(in crate::tui) fn scroll_page(&mut self, by: i64) {
        match self.page {
            Page::Events => self.events.scroll(shown(self.frozen.as_deref(), &self.state), by),
            Page::Doctor => self.doctor.scroll.by(by),
            Page::Watched => self.watched.scroll.by(by),
            Page::Compare => self.compare.scroll(by),
            Page::Job if self.job.opened_facts.is_some() && !self.zoom => {
                self.job.opened_facts.iter_mut().for_each(|scroll| scroll.by(by));
            }
            Page::Dashboard | Page::Job => self.scroll(by),
        }
    }
}
