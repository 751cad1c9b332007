//! What the engine tells: snapshots, events, answers. The console follows; what it shows and what is selected follow with it.

use crate::domain::command::Queued;
use crate::domain::event::{Event, EventKind};
use crate::domain::job::{Job, JobId};
use crate::domain::refusal::Refusal;
use crate::domain::state::{State, restored_words};
use crate::domain::text::many;
use crate::runtime::link::Update;
use crate::tui::app::{App, Mode, Toast, shown};
use crate::tui::input::action::{Act, Effect};
use crate::tui::pages::Page;
use crate::tui::pages::events::EventsPage;
use crate::tui::pages::events::chronicle::Topic;
use crate::tui::pages::job::details::Details;
use crate::tui::terminal::theme::Role;

impl App {
    /// The engine has something to tell. Returns what is to be done.
    pub fn on_update(&mut self, update: Update) -> Vec<Effect> {
        match update {
            Update::Snapshot(state) => {
                self.attached = true;
                if state.seq < self.state.seq && state.jobs.is_empty() {
                    // Another run begins: its jobs have the numbers of other ones.
                    self.job.details = Details::default();
                    self.toast = None;
                    self.close_page_of_another_run();
                    self.events = EventsPage::default();
                    self.queue.marked.clear();
                }
                self.state = *state;
                self.job.details.learn(&self.state);
                self.events.on_snapshot(&self.state);
                self.look_anew();
            }
            Update::Retold(retold) => {
                self.attached = true;
                self.retell(retold.events());
                self.look_anew();
            }
            Update::Event(event) => self.on_event(&event),
            Update::Playing(playing) => self.playing = Some(playing),
            Update::Line(news) => self.on_line(news),
            Update::Reply(id, reply) => {
                let asked = self.pending.remove(&id);
                let added = self.adding.remove(&id);
                let promised = self.promised.remove(&id).or_else(|| self.moved.remove(&id).map(|job| self.state.moved_words(job)));
                self.close_step(id, reply.is_ok());
                if reply.is_err() && self.quitting == Some(id) {
                    self.quitting = None;
                }
                let known = reply.as_ref().ok().and_then(|answer| answer.queued).filter(|queued| queued.known > 0);
                let done = added.map(|added| match known {
                    None => format!("added: {added}"),
                    Some(Queued { jobs: 0, known, .. }) => format!("nothing new of {added}: {known} in the queue already"),
                    Some(Queued { jobs, known, .. }) => {
                        format!("added: {} of {added}; {known} in the queue already", many(jobs, "job"))
                    }
                });
                let done = done.or(promised);
                let done = match reply.as_ref().ok().and_then(|answer| answer.later.as_ref()) {
                    Some(later) => {
                        let what = done.or_else(|| asked.clone()).unwrap_or_default();
                        Some(format!("{what}: {later}; {}", self.way_to_end_it()))
                    }
                    None => done,
                };
                // What could not be taken beside it is told already, and matters more.
                if let (Some(done), Ok(_), false) = (done, &reply, self.toast().is_some_and(Toast::is_refusal)) {
                    self.say(done, false);
                }
                if let (true, Err(told)) = (self.settings.replay, &reply) {
                    // How the recording is played now, or that it cannot be changed: no fault of anybody.
                    self.note(told.to_string());
                } else if let (Some(what), Err(reason)) = (asked, reply) {
                    // What an event has told just now is not told once more, neither in the last line nor in the list.
                    if !self.events.chronicle.has_just_told(self.state.wall, &reason.why) {
                        let told = format!("{what}: {reason}{}", self.key_against(reason.code));
                        self.say(told.clone(), true);
                        self.events.chronicle.add(self.state.wall, (Topic::Answer, None, Role::Warn, told));
                    }
                }
            }
        }
        // The end of one run is not that of a comparison.
        let is_over = self.ended && (self.closed || !self.compares()) && !self.settings.replay;
        if is_over && (self.quitting() || self.state.shutting_down || self.state.draining) {
            vec![Effect::Exit]
        } else {
            let mut effects = self.look_ahead_anew();
            effects.extend(self.look_for_more_of_log());
            effects
        }
    }

    /// The key of this window for what a refusal names the command of.
    fn key_against(&self, refusal: Refusal) -> String {
        let (act, does) = match refusal {
            Refusal::Draining => (Act::Drain, "does so"),
            Refusal::TooLarge => (Act::Allow, "lets it in"),
            Refusal::NotAllowed => (Act::Retry, "does so"),
            Refusal::Running => (Act::Cancel, "does so"),
            _ => return String::new(),
        };
        format!(" (here {} {does})", self.key_label(act))
    }

    /// Everything is known anew: at another point of the order, or of a recording.
    fn look_anew(&mut self) {
        self.ended = self.state.summary.is_some();
        if let Some(profile) = self.state.profile.clone() {
            self.offer_used(&profile);
        }
        if self.frozen.is_none() {
            self.rebuild_filter();
        }
        self.queue.marked.retain(|id| self.state.jobs.contains_key(id));
        self.drop_outdated_log();
        // Another time of a recording need not know the chosen job. The page of a job stays with it all the same.
        let stays = self.page == Page::Job && !self.compares();
        self.queue.is_chosen &= stays || self.queue.selected.is_none_or(|id| self.state.jobs.contains_key(&id));
        self.keep_selection();
    }

    /// What was read of the log of a job's try gives way to the latest lines where another try may have begun since.
    pub(super) fn drop_outdated_log(&mut self) {
        if let Some(file) = &self.log.file {
            let (id, attempt) = (file.job, file.attempt);
            let is_of_this_try = |job: &Job| job.attempts == attempt && !job.phase.holds_slot();
            if self.state.jobs.get(&id).is_some_and(is_of_this_try) {
                self.log.note_more(id);
            } else {
                self.log.outdate(id);
            }
        }
        if self.frozen.is_none() {
            self.log.drop_outdated();
        }
    }

    /// A try has ended, or a line came after its end: the whole file of its log has more than what was read of it.
    fn note_more_of_log(&mut self, kind: &EventKind) {
        if let EventKind::JobFinished { job, .. } | EventKind::JobRequeued { job, .. } | EventKind::JobLogged { job: Some(job), .. } =
            kind
            && self.state.jobs.get(job).is_some_and(|job| !job.phase.holds_slot())
        {
            self.log.note_more(*job);
        }
    }

    /// A recording is at another time: all that led there is heard as if it had been played.
    fn retell(&mut self, events: &[Event]) {
        self.state = State::default();
        (self.job.details, self.events.chronicle) = Default::default();
        for event in events {
            let was_held = self.state.held.map(|held| held.job);
            self.state.apply(event);
            self.note_beside_state(event, was_held);
        }
    }

    /// What the console keeps beside the state, which has heard of the event.
    fn note_beside_state(&mut self, event: &Event, was_held: Option<JobId>) {
        self.job.details.on_event(event);
        self.events.chronicle.on_event(event, &self.state, was_held);
    }

    fn on_event(&mut self, event: &Event) {
        let mut leaving = self.may_leave(&event.kind);
        let next_selection = self.queue.selected.filter(|id| leaving.contains(id)).and_then(|id| {
            let rows = self.queue.rows(&self.state);
            let key = rows.find(id)?;
            rows.after(key).or_else(|| rows.before(key)).map(|key| key.id)
        });
        let was_held = self.state.held.map(|held| held.job);
        let is_told_by_others = self.is_told_by_others(&event.kind);
        self.remember(&event.kind);
        self.state.apply(event);
        leaving.retain(|id| !self.state.jobs.contains_key(id));
        self.queue.marked.retain(|id| !leaving.contains(id));
        self.note_beside_state(event, was_held);
        self.note_more_of_log(&event.kind);
        match &event.kind {
            EventKind::JobProgressed { .. } | EventKind::JobLogged { .. } => return,
            EventKind::RunFinished(_) => self.ended = true,
            EventKind::JobRetried { job, .. } | EventKind::JobAdmitted { job, .. } => {
                self.log.outdate(*job);
                if self.frozen.is_none() {
                    self.log.drop_outdated();
                }
            }
            kind @ EventKind::InputSkipped { .. } => self.say(kind.trouble().unwrap_or_default(), true),
            EventKind::QueueRestored { jobs, interrupted } => {
                let before = self.settings.before.as_ref().map_or_else(String::new, |before| format!("; {before}"));
                let is_ours = self.state.paused && self.why_only_looks().is_none();
                let hold = if is_ours { format!("; {} starts them", self.key_label(Act::HoldQueue)) } else { String::new() };
                self.note(format!("{}{before}{hold}", restored_words(*jobs, *interrupted)));
            }
            EventKind::QueuePaused if !self.settings.replay && !self.compares() => self.note_held(),
            EventKind::RoomWanted(wanted) => self.say(format!("no room: {}", wanted.reason), true),
            EventKind::Fault { what, detail } => self.say(format!("{what}: {detail}"), true),
            EventKind::WarningRaised { evidence, advice, .. } => self.say(format!("{evidence}: {advice}"), true),
            EventKind::ProfileSelected { profile, .. } => {
                // It was foretold for another profile.
                self.what_if.plan = None;
                self.offer_used(profile);
            }
            _ => {}
        }
        let has_words = self.queue.filter.as_ref().is_some_and(|filter| !filter.text().trim().is_empty());
        if is_told_by_others && has_words && self.frozen.is_none() {
            self.rebuild_filter();
        }
        if let Some(id) = event.kind.job() {
            if let (None, Some(filter)) = (&self.frozen, &mut self.queue.filter) {
                leaving.iter().chain([&id]).for_each(|id| filter.refresh(&self.state, *id));
            }
            if let Some(Mode::Profiles(_)) = self.modes.last() {
                self.preview();
            }
        }
        let gone = self.queue.selected.filter(|id| leaving.contains(id) && self.frozen.is_none());
        match gone {
            // The page stays with its job: on that of another one the next key would hit what nobody has chosen.
            Some(id) if self.page == Page::Job => self.note_gone(id, &event.kind),
            Some(_) => {
                self.queue.selected = next_selection;
                self.log.bottom = None;
            }
            None => {}
        }
        self.keep_selection();
    }

    /// The rows of jobs that an event is not about say something else after it: whom or what they wait for.
    fn is_told_by_others(&self, kind: &EventKind) -> bool {
        match kind {
            EventKind::JobProgressed { .. } | EventKind::JobLogged { .. } => false,
            EventKind::JobRequeued { away: Some(_), .. }
            | EventKind::RoomWanted(_)
            | EventKind::RoomFound { .. }
            | EventKind::AdmissionHeld { .. }
            | EventKind::AdmissionResumed
            | EventKind::QueuePaused
            | EventKind::QueueResumed
            | EventKind::ProfileSelected { .. }
            | EventKind::SlotsDecided { .. }
            | EventKind::ComparisonStarted { .. }
            | EventKind::ComparisonEnded { .. } => true,
            // Others wait with a job whose input is away, until it finds that.
            kind => kind.job().and_then(|id| self.state.jobs.get(&id)).is_some_and(|job| job.waits_for_input().is_some()),
        }
    }

    /// The job whose page is open has left the list, and why.
    fn note_gone(&mut self, id: JobId, kind: &EventKind) {
        let why = match kind {
            EventKind::JobParked { .. } => "it waits behind all that are listed",
            EventKind::JobRemoved { .. } => "it was taken off",
            _ => "later ones have taken its place",
        };
        let back = self.key_label(Act::Back);
        self.note(format!("#{id} is no longer on the list: {why}; {back} leads back"));
    }

    /// The jobs of another run have the numbers of those of this one: a page that is open would show another job under its number.
    /// A run of a comparison is like the one before it, and nothing is done to it from here.
    fn close_page_of_another_run(&mut self) {
        if self.page == Page::Job && !self.compares() {
            self.close_page();
            self.note("another run has begun: the page of the job is closed".to_owned());
        }
    }

    /// The jobs that an event may take off the list: the one it is about, or the oldest of the ended, for which there is no
    /// room any more.
    fn may_leave(&self, kind: &EventKind) -> Vec<JobId> {
        let index = &self.state.index;
        match kind {
            EventKind::JobRemoved { job, .. } | EventKind::JobParked { job } => vec![*job],
            EventKind::JobFinished { .. } => index.ended.first().map(|(_, id)| *id).into_iter().collect(),
            EventKind::JobRejected { job, .. } => index.rejected.first().copied().into_iter().chain([*job]).collect(),
            _ => Vec::new(),
        }
    }

    /// Until somebody has chosen a job, one that is at work is selected: when it ends, the first one that still works. A log
    /// that is being read, and a screen that stands still, are not changed under the reader's eyes.
    pub(super) fn keep_selection(&mut self) {
        let is_read = self.frozen.is_some() || self.log.bottom.is_some();
        if self.queue.keep_selection(&self.state, is_read) {
            self.log.file = None;
        }
    }

    pub(super) fn rebuild_filter(&mut self) {
        self.queue.rebuild_filter(shown(self.frozen.as_deref(), &self.state));
    }
}
