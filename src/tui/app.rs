//! The console's own state: what is shown of the run, where the keys go, what was asked and not yet answered.
//!
//! Never optimistic: a command changes nothing here; the event that follows it does.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::tz::TimeZone;
use tui_input::Input;

use crate::domain::cleanup::CleanupId;
use crate::domain::command::{Command, MoveTo, RequestId};
use crate::domain::comparison::kept::ComparisonId;
use crate::domain::event::{Event, EventKind};
use crate::domain::job::{Job, JobId, Phase};
use crate::domain::measured::Measured;
use crate::domain::profile::Profile;
use crate::domain::state::{State, restored_words};
use crate::domain::text::{path_text, sanitise};
use crate::runtime::link::{Playing, Update};
use crate::tui::app::chronicle::{Chronicle, Topic};
use crate::tui::app::compare::ComparePage;
use crate::tui::app::complete::Places;
use crate::tui::app::details::Details;
use crate::tui::app::filter::Filter;
use crate::tui::app::line::{LineState, WindowOn};
use crate::tui::app::loglines::{FileLog, LogLines};
use crate::tui::app::pages::{DoctorPage, EventsPage, Page};
use crate::tui::app::palette::Palette;
use crate::tui::app::profiles::Switch;
use crate::tui::app::prompt::{Prompt, PromptKind};
use crate::tui::app::rows::{Rows, Window};
use crate::tui::app::what_if::WhatIf;
use crate::tui::input::action::{Act, Action, Effect};
use crate::tui::input::keymap::{KeyMode, Keymap};
use crate::tui::layout::{Layout, Pane};
use crate::tui::terminal::theme::{ColorMode, Role, Theme, ThemeName};
use crate::tui::view::names::input_name;
use scroll::Scroll;

pub(in crate::tui) mod chronicle;
pub mod compare;
pub mod complete;
pub(in crate::tui) mod details;
mod dialogs;
pub mod filter;
pub(in crate::tui) mod glob;
pub mod hints;
pub(in crate::tui) mod job_words;
pub mod line;
pub(in crate::tui) mod loglines;
mod many;
mod navigation;
mod notes;
mod over;
pub mod pages;
pub mod palette;
pub mod profiles;
pub mod prompt;
pub mod row_key;
pub(in crate::tui) mod rows;
mod scope;
pub mod scroll;
mod undo;
pub(in crate::tui) mod waiting;
pub mod what_if;

pub(super) use many::applies;
pub use notes::{Toast, Tone};

/// Lengths of the chart that can be chosen, in seconds.
pub const CHART_SECONDS: [u64; 6] = [60, 300, 900, 1800, 3600, 7200];
/// Lengths while a run is younger than the usual length, in seconds.
const SHORT_CHARTS: [u64; 4] = [30, 60, 120, 180];
/// A question with two buttons; the first one changes nothing and is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What is asked.
    pub question: Question,
    /// The second button is chosen.
    pub yes: bool,
}

/// What a dialog asks. The job under question is fixed while it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Cancel this job?
    Cancel(JobId),
    /// Take this job off the list?
    Remove(JobId),
    /// Cancel as many jobs as that? They are fixed while it is asked, as [`App`] has them.
    CancelMany(usize),
    /// Take as many jobs as that off the list?
    RemoveMany(usize),
    /// Take as many jobs as that, which have ended, off the list?
    ClearFinished(usize),
    /// Stop what runs and quit?
    Quit,
    /// Kill what is being stopped?
    Kill,
    /// End the comparison that this console shows or makes?
    EndComparison,
    /// End the comparison of what waits, and stay?
    StopComparison,
    /// Start the server again that has gone?
    StartServer,
}

/// The help page.
#[derive(Debug, Clone, Default)]
pub struct Help {
    /// Lines scrolled.
    pub scroll: Scroll,
    /// Only lines with this text.
    pub filter: Input,
    /// The words of the screen are explained, instead of the keys.
    pub words: bool,
}

/// The profile picker.
#[derive(Debug, Clone, Default)]
pub struct Picker {
    /// The chosen row.
    pub row: usize,
    /// What switching would do, for each profile.
    pub switches: Vec<Switch>,
}

/// What lies over the dashboard.
#[derive(Debug, Clone)]
pub enum Mode {
    /// The help page.
    Help(Help),
    /// A question.
    Ask(Ask),
    /// What becomes of the server when this window is left; the chosen row.
    Leave(usize),
    /// The profile picker.
    Profiles(Picker),
    /// The warning signs; the chosen one.
    Warnings(usize),
    /// The ways to run the queue: see [`App::what_if`].
    WhatIf,
    /// The commands by name.
    Palette(Palette),
    /// A line that is being typed.
    Prompt(Box<Prompt>),
}

/// What the caller decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The palette.
    pub theme: ThemeName,
    /// The most colours that the terminal can show.
    pub color: ColorMode,
    /// Only ASCII.
    pub ascii: bool,
    /// The keys.
    pub keys: Keymap,
    /// The profiles that the picker offers.
    pub profiles: Vec<Profile>,
    /// Names of the presets that files can be added with; empty = only the run's own.
    pub presets: Vec<String>,
    /// What the run before did, told with what it has left in the queue.
    pub before: Option<String>,
    /// Where typed paths lead.
    pub places: Places,
    /// The operator's time zone.
    pub time_zone: TimeZone,
    /// The comparison under way that the console is there to show; `None` = a run of its own.
    pub comparison: Option<ComparisonId>,
    /// What is shown is a recording.
    pub replay: bool,
    /// The engine is in another process, and this console is one of its windows.
    pub window: Option<WindowOn>,
}

/// The console.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // independent switches of the operator, no states of one machine
pub struct App {
    /// Lines that the facts of the shown job need beyond the usual, as they were drawn.
    facts: Cell<u16>,
    pub(super) state: State,
    pub(super) frozen: Option<Box<State>>,
    attached: bool,
    pub(super) modes: Vec<Mode>,
    pub(super) focus: Pane,
    pub(super) zoom: bool,
    pub(super) selected: Option<JobId>,
    /// The operator has chosen what is selected.
    pub(super) chosen: bool,
    row: usize,
    pub(super) filter: Option<Filter>,
    /// Number of the last log line shown; `None` = the log's end.
    pub(super) log_bottom: Option<u64>,
    pub(super) search: String,
    /// Long log lines go on in the next line.
    wrap: bool,
    pub(super) file_log: Option<FileLog>,
    pub(super) page: Page,
    /// Where the keys went before a page was opened, and whether that pane was full screen.
    pub(super) before: (Pane, bool),
    pub(super) details: Details,
    pub(super) chronicle: Chronicle,
    /// The facts of the job's page are opened, and scrolled.
    pub(super) opened_facts: Option<Scroll>,
    pub(super) events: EventsPage,
    pub(super) doctor: DoctorPage,
    pub(super) watched: Scroll,
    pub(super) what_if: WhatIf,
    pub(super) compare: ComparePage,
    cleanup_top: Option<CleanupId>,
    chart: usize,
    /// The operator has chosen that length; until then it grows with the run.
    chart_chosen: bool,
    chart_back: u64,
    theme: Theme,
    pub(super) settings: Settings,
    mouse: bool,
    pub(super) size: (u16, u16),
    next_request: u64,
    pub(super) pending: BTreeMap<RequestId, String>,
    /// What is being added, in words, until the engine has taken it.
    pub(super) adding: BTreeMap<RequestId, String>,
    toast: Option<Toast>,
    history: Vec<String>,
    /// It was told that keys of another layout act as those at their place.
    foreign_told: bool,
    pub(super) quitting: bool,
    ended: bool,
    /// The line to the engine is closed.
    closed: bool,
    /// Jobs that are marked, and the one marked last.
    pub(super) marked: BTreeSet<JobId>,
    last_mark: Option<JobId>,
    /// The jobs that a question about several of them is about.
    asked_about: Vec<JobId>,
    /// What can be taken back, the latest last.
    undo: VecDeque<undo::Step>,
    /// What is said once the engine has done what was asked for.
    promised: BTreeMap<RequestId, String>,
    /// The log pane shows the log of the run, whatever job is selected.
    pub(super) run_log: bool,
    /// How the recording that is shown is played.
    playing: Option<Playing>,
    pub(super) line: LineState,
}

impl App {
    /// A console that has not heard of a run yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            facts: Cell::new(0),
            state: State::default(),
            frozen: None,
            attached: false,
            modes: Vec::new(),
            focus: Pane::Queue,
            zoom: false,
            selected: None,
            chosen: false,
            row: 0,
            filter: None,
            log_bottom: None,
            search: String::new(),
            wrap: false,
            file_log: None,
            page: Page::Dashboard,
            before: (Pane::Queue, false),
            details: Details::default(),
            chronicle: Chronicle::default(),
            opened_facts: None,
            events: EventsPage::default(),
            doctor: DoctorPage::default(),
            watched: Scroll::default(),
            what_if: WhatIf::default(),
            compare: ComparePage::default(),
            cleanup_top: None,
            chart: 1,
            chart_chosen: false,
            chart_back: 0,
            theme: Theme::new(settings.theme, settings.color, settings.ascii),
            settings,
            mouse: true,
            size: (80, 24),
            next_request: 1,
            pending: BTreeMap::new(),
            adding: BTreeMap::new(),
            toast: None,
            history: Vec::new(),
            foreign_told: false,
            quitting: false,
            ended: false,
            closed: false,
            marked: BTreeSet::new(),
            last_mark: None,
            asked_about: Vec::new(),
            undo: VecDeque::new(),
            promised: BTreeMap::new(),
            run_log: false,
            playing: None,
            line: LineState::default(),
        }
    }

    // What is drawn.

    /// What is shown: the run as it is, or as it was when it was frozen.
    pub fn shown(&self) -> &State {
        self.frozen.as_deref().unwrap_or(&self.state)
    }

    /// A snapshot has come.
    pub const fn attached(&self) -> bool {
        self.attached
    }

    /// The screen is frozen.
    pub const fn frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// What lies on top.
    pub fn mode(&self) -> Option<&Mode> {
        self.modes.last()
    }

    /// The pane that has the keys.
    pub const fn focus(&self) -> Pane {
        self.focus
    }

    /// That pane is full screen.
    pub const fn zoom(&self) -> bool {
        self.zoom
    }

    /// The selected job.
    pub const fn selected(&self) -> Option<JobId> {
        self.selected
    }

    /// The queue's filter.
    pub const fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// What is looked for in the log; empty = nothing.
    pub fn search(&self) -> &str {
        &self.search
    }

    /// The chart's length in seconds, and how many seconds before now it ends.
    pub fn chart(&self) -> (u64, u64) {
        let chosen = CHART_SECONDS[self.chart];
        if self.chart_chosen {
            return (chosen, self.chart_back);
        }
        // A run that has just begun fills its chart too.
        let state = self.shown();
        let now = state.now.0.as_secs();
        let known = now - state.history.front().map_or(now, |point| point.second.min(now));
        let fits = SHORT_CHARTS.into_iter().find(|length| known <= *length && *length < chosen);
        (fits.unwrap_or(chosen), self.chart_back)
    }

    /// Looks and symbols.
    pub const fn theme(&self) -> &Theme {
        &self.theme
    }

    /// Shows everything in another palette.
    pub const fn set_theme(&mut self, name: ThemeName) {
        self.theme = Theme::new(name, self.settings.color, self.theme.symbols.ascii);
    }

    /// The profiles that the picker offers.
    pub fn profiles(&self) -> &[Profile] {
        &self.settings.profiles
    }

    /// What was measured under a profile; `None` = it was not tried in this run.
    pub fn measured(&self, profile: &str) -> Option<&Measured> {
        self.shown().measured.get(profile)
    }

    /// The operator's time zone.
    pub const fn time_zone(&self) -> &TimeZone {
        &self.settings.time_zone
    }

    /// How the recording that is shown is played.
    pub const fn playing(&self) -> Option<Playing> {
        self.playing
    }

    /// What is shown is a recording.
    pub const fn is_replay(&self) -> bool {
        self.settings.replay
    }

    /// The console is waiting for the run to end.
    pub const fn quitting(&self) -> bool {
        self.quitting
    }

    /// The last event has come, or the line is closed.
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// Where everything stands.
    pub const fn layout_size(&self) -> (u16, u16) {
        self.size
    }

    /// Where the facts of the job's page are scrolled to, if they are opened.
    pub fn opened_facts(&self) -> Option<&Scroll> {
        self.opened_facts.as_ref()
    }

    /// Told when the page of a job is drawn: how many lines its facts need beyond the usual.
    pub fn facts_need(&self, more: u16) {
        self.facts.set(more);
    }

    /// Where everything stands on a screen of this size.
    pub fn layout(&self, width: u16, height: u16) -> Layout {
        if self.page == Page::Job {
            if self.opened_facts.is_some() && !self.zoom {
                return Layout::facts(width, height);
            }
            return Layout::job(width, height, self.zoom, self.facts.get());
        }
        Layout::new(width, height, self.focus, self.zoom)
    }

    /// The jobs that fill `height` lines of the queue.
    pub fn window(&self, height: usize) -> Window {
        let rows = self.rows();
        // Until the operator moves, the top stays: there stands what runs.
        let top = if self.chosen { Window::default() } else { rows.top(self.selected, height) };
        // What is selected is seen: keys act on it.
        if top.line.is_some() || (!self.chosen && self.selected.is_none()) {
            return top;
        }
        let window = rows.window(self.selected, self.row, height);
        // What runs is seen too, above the part of the list that is shown, where none of it would be.
        let active = &self.shown().index.active;
        if window.ids.iter().any(|id| active.contains(id)) {
            return window;
        }
        let above: Vec<JobId> = active.iter().copied().filter(|id| rows.find(*id).is_some()).take(height / 2).collect();
        let rest = rows.window(self.selected, self.row.saturating_sub(above.len()), height - above.len());
        Window {
            line: rest.line.map(|line| line + above.len()),
            kept_in_sight: above.len(),
            ids: above.into_iter().chain(rest.ids).collect(),
        }
    }

    /// The rows of the queue.
    pub fn rows(&self) -> Rows<'_> {
        Rows::new(self.shown(), self.filter.as_ref())
    }

    /// The log shown, and the number of its last line shown, counted from the first line ever written.
    pub fn log(&self) -> Option<(LogLines<'_>, u64)> {
        let file = self.file_log();
        let lines = if let Some(Ok(log)) = file.and_then(|file| file.read.as_ref()) {
            LogLines::File(log)
        } else {
            let ring = self.shown().logs.get(&self.log_of())?;
            LogLines::Latest(&ring.lines, ring.total - ring.lines.len() as u64)
        };
        let (first, total) = (lines.before(), lines.total());
        let bottom = self.log_bottom.unwrap_or(total).clamp((first + 1).min(total), total);
        Some((lines, bottom))
    }

    /// Long log lines go on in the next line.
    pub const fn wraps(&self) -> bool {
        self.wrap
    }

    /// What covers the panes.
    pub const fn page(&self) -> Page {
        self.page
    }

    /// The log follows its end.
    pub const fn follows(&self) -> bool {
        self.log_bottom.is_none()
    }

    /// Cleanups shown, latest first, from here.
    pub fn cleanups_skipped(&self) -> usize {
        let Some(top) = self.cleanup_top else { return 0 };
        self.shown().cleanups.iter().rev().take_while(|record| record.id > top).count()
    }

    /// What the terminal's title says: `plimsoll 2/200 · 1312 MB · 14/24`.
    pub fn title(&self) -> String {
        let state = &self.state;
        let dot = if self.theme.symbols.ascii { "-" } else { "·" };
        let profile = state.profile.as_ref().map_or_else(String::new, |profile| format!(" {}", profile.short()));
        let memory = state.memory.counted_bytes.whole();
        format!("plimsoll{profile} {dot} {memory} {dot} {}/{}", state.ended(), state.ended() + state.unended())
    }

    /// Share of the jobs that have ended, percent, for the taskbar; `None` = nothing to show.
    pub fn taskbar(&self) -> Option<u8> {
        let (ended, all) = (self.state.ended(), self.state.ended() + self.state.unended());
        (all > 0 && ended < all).then(|| (ended * 100 / all) as u8)
    }

    /// The keys.
    pub const fn keys(&self) -> &Keymap {
        &self.settings.keys
    }

    /// The first key of an action, as help and hints write it.
    pub fn key_label(&self, act: Act) -> String {
        self.settings.keys.label_of(act)
    }

    /// What keys mean now.
    pub fn key_mode(&self) -> KeyMode {
        match self.modes.last() {
            None => KeyMode::Normal,
            Some(Mode::Help(_)) => KeyMode::Help,
            Some(Mode::Ask(_)) => KeyMode::Ask,
            Some(Mode::Profiles(_)) => KeyMode::Profiles,
            Some(Mode::Leave(_)) => KeyMode::Leave,
            Some(Mode::Warnings(_)) => KeyMode::Warnings,
            Some(Mode::WhatIf) => KeyMode::WhatIf,
            Some(Mode::Palette(_)) => KeyMode::Palette,
            Some(Mode::Prompt(_)) => KeyMode::Prompt,
        }
    }

    // What changes it.

    /// Something happened. Returns what is to be done.
    pub fn update(&mut self, action: Action) -> Vec<Effect> {
        let effects = self.take(action);
        self.without_requests_to_nobody(effects)
    }

    fn take(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Do(act) => {
                if !matches!(act, Act::Older | Act::Newer | Act::Complete) {
                    self.toast = None;
                }
                self.act(act)
            }
            Action::Foreign(act, typed, latin) => {
                let effects = self.update(Action::Do(act));
                // Told once; what the action itself has to say comes first.
                if !self.foreign_told && self.toast.is_none() {
                    self.foreign_told = true;
                    self.note(format!("keys of another layout: {} acts as {latin}", sanitise(typed.to_string().as_bytes())));
                }
                effects
            }
            Action::Unknown(typed) => {
                let typed = sanitise(typed.to_string().as_bytes());
                if self.key_mode() == KeyMode::Ask {
                    let key = |act| self.keys().label_in(KeyMode::Ask, act);
                    let (yes, no) = (key(Act::Yes), self.keys().labels_in(KeyMode::Ask, Act::Back));
                    self.note(format!("{typed} answers nothing: only Latin letters do, {yes} for yes, {no} for no"));
                    return Vec::new();
                }
                self.note(format!("{typed} means nothing here; {} tells the keys", self.key_label(Act::Help)));
                Vec::new()
            }
            Action::Edit(request) => self.edit(request),
            Action::Paste(text) => self.paste(&text),
            Action::Mouse(event) => self.on_mouse(event),
            Action::Resize(width, height) => {
                self.size = (width, height);
                Vec::new()
            }
            Action::Update(update) => self.on_update(*update),
            Action::Found(found) => {
                self.found(*found);
                Vec::new()
            }
            Action::Completed(completion) => {
                if let Some(Mode::Prompt(prompt)) = self.modes.last_mut() {
                    prompt.complete(completion);
                }
                Vec::new()
            }
        }
    }

    /// The line to the engine is closed. Returns what is to be done.
    pub fn closed(&mut self) -> Vec<Effect> {
        (self.ended, self.closed) = (true, true);
        // Of a run that has told its end there is something to look at, and of a comparison in any case.
        let is_cut_off = self.shown().summary.is_none() && !self.compares();
        if self.quitting || self.shown().shutting_down || is_cut_off { vec![Effect::Exit] } else { Vec::new() }
    }

    /// Asks the engine; `what` names it should it be refused.
    pub fn ask(&mut self, what: impl Into<String>, command: Command) -> Effect {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.pending.insert(id, what.into());
        Effect::Send(id, command)
    }

    fn on_update(&mut self, update: Update) -> Vec<Effect> {
        match update {
            Update::Snapshot(state) => {
                self.attached = true;
                if state.seq < self.state.seq && state.jobs.is_empty() {
                    // Another run begins: its jobs have the numbers of other ones.
                    self.details = Details::default();
                    self.toast = None;
                }
                self.state = *state;
                self.details.learn(&self.state);
                self.chronicle = Chronicle::of(&self.state);
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
                let promised = self.promised.remove(&id);
                self.close_step(id, reply.is_ok());
                let done = added.map(|added| format!("added: {added}")).or(promised);
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
                    if !self.chronicle.has_just_told(self.state.wall, &reason.0) {
                        self.say(format!("{what}: {reason}"), true);
                        self.chronicle.add(self.state.wall, (Topic::Answer, None, Role::Warn, format!("{what}: {reason}")));
                    }
                }
            }
        }
        // The end of one run is not that of a comparison.
        let is_over = self.ended && (self.closed || !self.compares()) && !self.settings.replay;
        if is_over && (self.quitting || self.state.shutting_down || self.state.draining) { vec![Effect::Exit] } else { Vec::new() }
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
        // Another time of a recording need not know the chosen job.
        self.chosen &= self.selected.is_none_or(|id| self.state.jobs.contains_key(&id));
        self.keep_selection();
    }

    /// A recording is at another time: all that led there is heard as if it had been played.
    fn retell(&mut self, events: &[Event]) {
        self.state = State::default();
        (self.details, self.chronicle) = Default::default();
        for event in events {
            let was_held = self.state.held.map(|held| held.job);
            self.state.apply(event);
            self.note_beside_state(event, was_held);
        }
    }

    /// What the console keeps beside the state, which has heard of the event.
    fn note_beside_state(&mut self, event: &Event, was_held: Option<JobId>) {
        self.details.on_event(event);
        self.chronicle.on_event(event, &self.state, was_held);
    }

    fn on_event(&mut self, event: &Event) {
        let mut leaving = self.may_leave(&event.kind);
        let next_selection = self.selected.filter(|id| leaving.contains(id)).and_then(|id| {
            let rows = Rows::new(&self.state, self.filter.as_ref());
            let key = rows.find(id)?;
            rows.after(key).or_else(|| rows.before(key)).map(|key| key.id)
        });
        let was_held = self.state.held.map(|held| held.job);
        self.remember(&event.kind);
        self.state.apply(event);
        leaving.retain(|id| !self.state.jobs.contains_key(id));
        self.marked.retain(|id| !leaving.contains(id));
        self.note_beside_state(event, was_held);
        match &event.kind {
            EventKind::JobProgressed { .. } | EventKind::JobLogged { .. } => return,
            EventKind::RunFinished(_) => self.ended = true,
            EventKind::InputSkipped { input, detail } => self.say(format!("{}: {detail}", path_text(input)), true),
            EventKind::QueueRestored { jobs, interrupted } => {
                let before = self.settings.before.as_ref().map_or_else(String::new, |before| format!("; {before}"));
                let hold =
                    if self.state.paused { format!("; {} starts them", self.key_label(Act::HoldQueue)) } else { String::new() };
                self.note(format!("{}{before}{hold}", restored_words(*jobs, *interrupted)));
            }
            EventKind::QueuePaused if !self.settings.replay && !self.compares() => self.tell_held(),
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
        if let Some(id) = event.kind.job() {
            if let (None, Some(filter)) = (&self.frozen, &mut self.filter) {
                leaving.iter().chain([&id]).for_each(|id| filter.refresh(&self.state, *id));
            }
            if let Some(Mode::Profiles(_)) = self.modes.last() {
                self.preview();
            }
        }
        if self.selected.is_some_and(|id| leaving.contains(&id)) && self.frozen.is_none() {
            self.selected = next_selection;
            self.log_bottom = None;
        }
        self.keep_selection();
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
    fn keep_selection(&mut self) {
        let is_read = self.frozen.is_some() || self.log_bottom.is_some();
        let works = self.selected.is_some_and(|id| self.state.index.active.contains(&id));
        if self.chosen || works || (is_read && self.selected.is_some()) {
            return;
        }
        if let Some(first) = self.state.index.active.first() {
            self.selected = Some(*first);
            self.file_log = None;
        } else if self.selected.is_some_and(|id| !self.state.jobs.contains_key(&id)) {
            self.selected = None;
        }
    }

    fn rebuild_filter(&mut self) {
        if let Some(filter) = self.filter.take() {
            self.filter = Some(Filter::ordered(filter.text().to_owned(), filter.order(), self.shown()));
        }
    }

    fn act(&mut self, act: Act) -> Vec<Effect> {
        match self.modes.last() {
            None => self.act_on_page(act),
            Some(Mode::Help(_)) => self.act_on_help(act),
            Some(Mode::Ask(_)) => self.act_on_question(act),
            Some(Mode::Profiles(_)) => self.act_on_picker(act),
            Some(Mode::Leave(row)) => {
                let row = *row;
                self.act_on_leave(act, row)
            }
            Some(Mode::Warnings(row)) => {
                let row = *row;
                self.act_on_warnings(act, row);
                Vec::new()
            }
            Some(Mode::WhatIf) => self.act_on_what_if(act),
            Some(Mode::Palette(_)) => self.act_on_palette(act),
            Some(Mode::Prompt(_)) => self.act_on_prompt(act),
        }
    }

    pub(super) fn act_on_dashboard(&mut self, act: Act) -> Vec<Effect> {
        match act {
            Act::PaneMemory => self.focus = Pane::Memory,
            Act::PaneQueue => self.focus = Pane::Queue,
            Act::PaneCleanups => self.focus = Pane::Cleanups,
            Act::PaneLog => self.focus = Pane::Log,
            Act::NextPane => self.focus = Pane::ALL[(self.focus as usize + 1) % 4],
            Act::PrevPane => self.focus = Pane::ALL[(self.focus as usize + 3) % 4],
            Act::Down => self.scroll(1),
            Act::Up => self.scroll(-1),
            Act::HalfDown => self.scroll(self.page_rows() / 2),
            Act::HalfUp => self.scroll(-(self.page_rows() / 2)),
            Act::PageDown => self.scroll(self.page_rows()),
            Act::PageUp => self.scroll(-self.page_rows()),
            Act::First => self.scroll(i64::MIN),
            Act::Last => self.scroll(i64::MAX),
            Act::Enter => return self.open_job(),
            Act::Back => self.back(),
            Act::Zoom => self.zoom = !self.zoom,
            Act::Filter if self.focus == Pane::Log => self.open(PromptKind::Search, self.search.clone()),
            Act::Filter => {
                let text = self.filter.as_ref().map_or_else(String::new, |filter| filter.text().to_owned());
                self.open(PromptKind::Filter, text);
            }
            Act::NextMatch => self.next_match(true),
            Act::PrevMatch => self.next_match(false),
            Act::CommandLine => self.modes.push(Mode::Palette(Palette::default())),
            Act::Add => self.open(PromptKind::Add, String::new()),
            Act::Freeze => {
                self.frozen = if self.frozen.is_some() { None } else { Some(Box::new(self.state.clone())) };
                // A screen that runs again shows the present in all its panes.
                self.chart_back = 0;
                self.rebuild_filter();
                if self.selected.is_some_and(|id| !self.shown().jobs.contains_key(&id)) {
                    self.selected = None;
                }
            }
            Act::ChartBack => {
                let length = self.chart().0;
                let oldest = self
                    .state
                    .history
                    .front()
                    .map_or(0, |point| self.state.now.0.as_secs() - point.second.min(self.state.now.0.as_secs()));
                self.chart_back = (self.chart_back + length / 5).min(oldest);
            }
            Act::ChartForward => self.chart_back = self.chart_back.saturating_sub(self.chart().0 / 5),
            Act::ChartLonger | Act::ChartShorter => {
                let now = self.chart().0;
                let at = if act == Act::ChartLonger {
                    CHART_SECONDS.iter().position(|length| *length > now).unwrap_or(CHART_SECONDS.len() - 1)
                } else {
                    CHART_SECONDS.iter().rposition(|length| *length < now).unwrap_or(0)
                };
                (self.chart, self.chart_chosen) = (at, true);
            }
            Act::Theme => {
                self.theme = self.theme.next(self.settings.color);
                self.say(format!("theme: {}", self.theme.name.words()), false);
            }
            Act::Ascii => self.theme = Theme::new(self.theme.name, self.settings.color, !self.theme.symbols.ascii),
            Act::Mouse => {
                self.mouse = !self.mouse;
                let words = if self.mouse { "mouse on" } else { "mouse off: the terminal's own selection works" };
                self.say(words.to_owned(), false);
                return vec![Effect::Mouse(self.mouse)];
            }
            Act::CopyLine => return self.copy_line(),
            Act::CopyLog => return self.copy_log(),
            Act::Wrap => {
                self.wrap = !self.wrap;
                let words = if self.wrap { "long log lines go on in the next line" } else { "long log lines are cut" };
                self.say(words.to_owned(), false);
            }
            Act::WholeLog => return self.toggle_whole_log(),
            Act::RunLog => self.toggle_run_log(),
            Act::Working => self.follow_what_works(),
            Act::Events => self.open_page(Page::Events),
            Act::Doctor => return self.open_doctor(),
            Act::Watched => self.open_page(Page::Watched),
            Act::Compare => return self.open_compare(),
            Act::CompareQueue => return self.compare_queue(),
            Act::Follow => {
                self.log_bottom = match self.log_bottom {
                    None => self.log().map(|(_, bottom)| bottom),
                    Some(_) => None,
                };
            }
            Act::Mark | Act::MarkRange | Act::MarkAll => self.mark(act),
            Act::Sort => self.sort(),
            Act::Help => self.modes.push(Mode::Help(Help::default())),
            Act::Profiles => self.open_picker(None),
            Act::Warnings => self.modes.push(Mode::Warnings(0)),
            Act::WhatIf => return self.open_what_if(),
            Act::Suspend => return vec![Effect::Suspend],
            Act::Redraw => return vec![Effect::Redraw],
            Act::Quit => return self.quit(),
            _ => return self.act_on_jobs(act),
        }
        Vec::new()
    }

    /// Commands to the engine.
    fn act_on_jobs(&mut self, act: Act) -> Vec<Effect> {
        let (what, command) = match act {
            Act::HoldQueue if self.state.paused => ("release the queue", Command::Resume),
            Act::HoldQueue => ("hold the queue", Command::Pause),
            Act::Drain if self.state.draining => ("take the drain back", Command::Undrain),
            Act::Drain => ("drain", Command::Drain),
            Act::CleanNow => ("clean up", Command::CleanNow),
            _ => return self.act_on_job(act),
        };
        vec![self.ask_undoable(what, command)]
    }

    /// Commands about the selected job, or about those that are marked.
    fn act_on_job(&mut self, act: Act) -> Vec<Effect> {
        match act {
            Act::Undo => return self.take_back(),
            Act::ClearFinished => return self.clear_finished(),
            _ if !self.marked.is_empty() && !self.settings.replay => return self.act_on_marked(act),
            _ => {}
        }
        if self.settings.replay {
            return self.play(act);
        }
        let Some(job) = self.selected.and_then(|id| self.state.jobs.get(&id)) else {
            self.say(self.no_job_is_selected(), true);
            return Vec::new();
        };
        let id = job.id;
        if self.is_out_of_sight(id) {
            let (down, up, back) = (self.key_label(Act::Down), self.key_label(Act::Up), self.key_label(Act::Back));
            self.say(
                format!("#{id} is selected, and the filter hides it: choose one with {down} and {up}, or {back} clears the filter"),
                true,
            );
            return Vec::new();
        }
        let (what, command) = match act {
            // One that the governor has stopped is taken over: from then on it is the operator who lets it go on.
            Act::PauseJob if matches!(job.phase, Phase::Running { paused: true, for_memory: false, .. }) => {
                ("resume", Command::ResumeJob(id))
            }
            Act::PauseJob => ("pause", Command::PauseJob(id)),
            Act::Retry => ("retry", Command::Retry(id)),
            Act::Allow => ("let in", Command::Allow(id)),
            Act::Later => ("move", Command::Move(id, MoveTo::Later)),
            Act::Sooner => ("move", Command::Move(id, MoveTo::Sooner)),
            Act::MoveFirst => ("move", Command::Move(id, MoveTo::First)),
            Act::MoveLast => ("move", Command::Move(id, MoveTo::Last)),
            Act::Cancel if job.phase.is_terminal() => {
                self.say(format!("cancel #{id}: it has ended already"), true);
                return Vec::new();
            }
            Act::Cancel => {
                self.modes.push(Mode::Ask(Ask { question: Question::Cancel(id), yes: false }));
                return Vec::new();
            }
            Act::Remove => {
                self.modes.push(Mode::Ask(Ask { question: Question::Remove(id), yes: false }));
                return Vec::new();
            }
            _ => return Vec::new(),
        };
        vec![self.ask_undoable(format!("{what} #{id}"), command)]
    }

    pub(super) fn quit(&mut self) -> Vec<Effect> {
        if self.settings.replay || (self.ended && (self.closed || !self.compares())) {
            return vec![Effect::Exit];
        }
        if self.settings.window.as_ref().is_some_and(|window| !window.ends_it) && !self.quitting {
            return self.leave();
        }
        let question = match (self.quitting, self.state.index.active.is_empty()) {
            (false, _) if self.compares() => Question::EndComparison,
            (false, true) if self.is_comparing() => Question::EndComparison,
            (false, true) => return vec![self.end_the_run()],
            (false, false) => Question::Quit,
            (true, _) => Question::Kill,
        };
        self.modes.push(Mode::Ask(Ask { question, yes: false }));
        Vec::new()
    }

    fn back(&mut self) {
        if self.zoom {
            self.zoom = false;
        } else if !self.marked.is_empty() {
            self.marked.clear();
        } else if self.filter.is_some() {
            self.filter = None;
        } else if !self.search.is_empty() {
            self.search.clear();
        } else if self.log_bottom.is_some() {
            self.log_bottom = None;
        } else if self.frozen.is_some() {
            self.frozen = None;
        } else if self.run_log {
            self.run_log = false;
        } else {
            // What is selected stays so: the next key may act on it.
            self.note("nothing is open that could be closed".to_owned());
        }
    }

    pub(super) fn open(&mut self, kind: PromptKind, text: String) {
        self.modes.push(Mode::Prompt(Box::new(Prompt::new(kind, text))));
    }
}

/// The job's name for questions and titles: `#17 lecture-04.mp4`.
pub fn job_name(job: &Job) -> String {
    format!("#{} {}", job.id, input_name(job))
}
