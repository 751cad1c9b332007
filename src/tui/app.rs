//! The console's own state: what is shown of the run, where the keys go, what was asked and not yet answered.
//!
//! Never optimistic: a command changes nothing here; the event that follows it does.

use std::collections::{BTreeMap, VecDeque};

use jiff::tz::TimeZone;

use crate::domain::command::{Command, RequestId};
use crate::domain::comparison::saved::ComparisonId;
use crate::domain::job::{Job, JobId};
use crate::domain::measured::Measured;
use crate::domain::profile::Profile;
use crate::domain::state::State;
use crate::domain::text::sanitise;
use crate::runtime::link::Playing;
use crate::tui::app::complete::Places;
use crate::tui::app::line::{LineState, WindowOn};
use crate::tui::app::prompt::{Prompt, PromptKind};
use crate::tui::input::action::{Act, Action, Effect};
use crate::tui::input::keymap::{KeyMode, Keymap};
use crate::tui::layout::{Layout, Pane};
use crate::tui::pages::Page;
use crate::tui::pages::cleanups::CleanupsPane;
use crate::tui::pages::comparisons::ComparePage;
use crate::tui::pages::doctor::DoctorPage;
use crate::tui::pages::events::EventsPage;
use crate::tui::pages::job::JobPage;
use crate::tui::pages::log::LogPane;
use crate::tui::pages::log::lines::LogLines;
use crate::tui::pages::memory::Chart;
use crate::tui::pages::queue::QueuePane;
use crate::tui::pages::queue::filter::Filter;
use crate::tui::pages::queue::rows::{Rows, Window};
use crate::tui::pages::scroll::Scroll;
use crate::tui::pages::watched::WatchedPage;
use crate::tui::pages::what_if::WhatIf;
use crate::tui::terminal::theme::{ColorMode, Theme, ThemeName};
use crate::tui::view::names::input_name;

pub mod compare;
pub mod complete;
mod dialogs;
mod follow;
pub(in crate::tui) mod glob;
pub mod hints;
mod keys;
pub mod line;
mod many;
mod mode;
mod navigation;
mod notes;
mod over;
pub mod pages;
pub mod palette;
pub mod prompt;
mod scope;
mod undo;
pub mod what_if;

pub(super) use many::applies;
pub use mode::{Ask, Mode, Question};
pub use notes::{Toast, Tone};

/// What the caller decides.
#[derive(Debug, Clone)]
pub struct Settings {
    pub theme: ThemeName,
    /// The most colours that the terminal can show.
    pub color: ColorMode,
    /// Only ASCII.
    pub ascii: bool,
    pub keys: Keymap,
    /// The profiles that the picker offers.
    pub profiles: Vec<Profile>,
    /// Names of the presets that files can be added with; empty = only the run's own.
    pub presets: Vec<String>,
    /// What the run before did, told with what it has left in the queue.
    pub before: Option<String>,
    /// Where typed paths lead.
    pub places: Places,
    pub time_zone: TimeZone,
    /// The comparison under way that the console is there to show; `None` = a run of its own.
    pub comparison: Option<ComparisonId>,
    /// What is shown is a recording.
    pub replay: bool,
    /// The engine is in another process, and this console is one of its windows.
    pub window: Option<WindowOn>,
}

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // independent switches of the operator, no states of one machine
pub struct App {
    pub(super) state: State,
    pub(super) frozen: Option<Box<State>>,
    attached: bool,
    pub(super) modes: Vec<Mode>,
    pub(super) focus: Pane,
    pub(super) zoom: bool,
    pub(super) page: Page,
    /// Where the keys went before a page was opened, and whether that pane was full screen.
    pub(super) before: (Pane, bool),
    chart: Chart,
    pub(super) queue: QueuePane,
    cleanups: CleanupsPane,
    pub(super) log: LogPane,
    pub(super) job: JobPage,
    pub(super) events: EventsPage,
    pub(super) doctor: DoctorPage,
    pub(super) watched: WatchedPage,
    pub(super) what_if: WhatIf,
    pub(super) compare: ComparePage,
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
    /// The request to end the run, while it is not refused.
    pub(super) quitting: Option<RequestId>,
    ended: bool,
    /// The line to the engine is closed.
    closed: bool,
    /// The jobs that a question about several of them is about.
    asked_about: Vec<JobId>,
    /// What can be taken back, the latest last.
    undo: VecDeque<undo::Step>,
    /// What is said once the engine has done what was asked for.
    promised: BTreeMap<RequestId, String>,
    /// Jobs whose new place is said once they are moved, for the screen does not show it.
    moved: BTreeMap<RequestId, JobId>,
    /// How the recording that is shown is played.
    playing: Option<Playing>,
    pub(super) line: LineState,
}

impl App {
    /// A console that has not heard of a run yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            state: State::default(),
            frozen: None,
            attached: false,
            modes: Vec::new(),
            focus: Pane::Queue,
            zoom: false,
            page: Page::Dashboard,
            before: (Pane::Queue, false),
            chart: Chart::default(),
            queue: QueuePane::default(),
            cleanups: CleanupsPane::default(),
            log: LogPane::default(),
            job: JobPage::default(),
            events: EventsPage::default(),
            doctor: DoctorPage::default(),
            watched: WatchedPage::default(),
            what_if: WhatIf::default(),
            compare: ComparePage::default(),
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
            quitting: None,
            ended: false,
            closed: false,
            asked_about: Vec::new(),
            undo: VecDeque::new(),
            promised: BTreeMap::new(),
            moved: BTreeMap::new(),
            playing: None,
            line: LineState::default(),
        }
    }

    // What is drawn.

    /// What is shown: the run as it is, or as it was when it was frozen.
    pub fn shown(&self) -> &State {
        shown(self.frozen.as_deref(), &self.state)
    }

    /// The run as it is now, also while the screen is frozen: what is asked, and what keys would do, is about the present.
    pub const fn present(&self) -> &State {
        &self.state
    }

    /// A snapshot has come.
    pub const fn attached(&self) -> bool {
        self.attached
    }

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

    pub const fn selected(&self) -> Option<JobId> {
        self.queue.selected
    }

    pub const fn filter(&self) -> Option<&Filter> {
        self.queue.filter.as_ref()
    }

    /// What is looked for in the log; empty = nothing.
    pub fn search(&self) -> &str {
        &self.log.search
    }

    /// The chart's length in seconds, and how many seconds before now it ends.
    pub fn chart(&self) -> (u64, u64) {
        self.chart.window(self.shown())
    }

    /// Looks and symbols.
    pub const fn theme(&self) -> &Theme {
        &self.theme
    }

    /// Shows everything in another palette.
    #[cfg(test)]
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
        self.quitting.is_some()
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
        self.job.opened_facts.as_ref()
    }

    /// Told when the page of a job is drawn: how many lines its facts need beyond the usual.
    pub fn facts_need(&self, more: u16) {
        self.job.more_facts.set(more);
    }

    /// Where everything stands on a screen of this size.
    pub fn layout(&self, width: u16, height: u16) -> Layout {
        if self.page == Page::Job {
            if self.job.opened_facts.is_some() && !self.zoom {
                return Layout::facts(width, height);
            }
            return Layout::job(width, height, self.zoom, self.job.more_facts.get());
        }
        Layout::new(width, height, self.focus, self.zoom)
    }

    /// The jobs that fill `height` lines of the queue.
    pub fn window(&self, height: usize) -> Window {
        self.queue.window(self.shown(), height)
    }

    pub fn rows(&self) -> Rows<'_> {
        self.queue.rows(self.shown())
    }

    /// The log shown, and the number of its last line shown, counted from the first line ever written.
    pub fn log(&self) -> Option<(LogLines<'_>, u64)> {
        self.log.shown(self.shown(), self.queue.selected)
    }

    /// Long log lines go on in the next line.
    pub const fn wraps(&self) -> bool {
        self.log.wraps
    }

    /// What covers the panes.
    pub const fn page(&self) -> Page {
        self.page
    }

    /// The log follows its end.
    pub const fn follows(&self) -> bool {
        self.log.bottom.is_none()
    }

    /// Cleanups shown, latest first, from here.
    pub fn cleanups_skipped(&self) -> usize {
        self.cleanups.skipped(self.shown())
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
        let effects = match action {
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
                self.note(if self.key_mode() == KeyMode::Ask {
                    let (yes, no) = (self.keys().label_in(KeyMode::Ask, Act::Yes), self.keys().labels_in(KeyMode::Ask, Act::Back));
                    format!("{typed} answers nothing: only Latin letters do, {yes} for yes, {no} for no")
                } else {
                    format!("{typed} means nothing here; {} tells the keys", self.key_label(Act::Help))
                });
                Vec::new()
            }
            Action::Edit(request) => self.edit(request),
            Action::Paste(text) => self.paste(&text),
            Action::Mouse(event) => self.on_mouse(event),
            Action::Resize(width, height) => {
                self.size = (width, height);
                Vec::new()
            }
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
        };
        self.without_requests_to_nobody(effects)
    }

    /// The line to the engine is closed. Returns what is to be done.
    pub fn closed(&mut self) -> Vec<Effect> {
        (self.ended, self.closed) = (true, true);
        // Of a run that has told its end there is something to look at, and of a comparison in any case.
        let is_cut_off = self.shown().summary.is_none() && !self.compares();
        if self.quitting() || self.shown().shutting_down || is_cut_off { vec![Effect::Exit] } else { Vec::new() }
    }

    /// Asks the engine; `what` names it should it be refused.
    pub fn ask(&mut self, what: impl Into<String>, command: Command) -> Effect {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.pending.insert(id, what.into());
        Effect::Send(id, command)
    }

    pub(super) fn open(&mut self, kind: PromptKind, text: String) {
        self.modes.push(Mode::Prompt(Box::new(Prompt::new(kind, text))));
    }
}

/// What is shown of a run; as a function of the two it leaves the rest of the console free to be changed.
const fn shown<'a>(frozen: Option<&'a State>, state: &'a State) -> &'a State {
    match frozen {
        Some(frozen) => frozen,
        None => state,
    }
}

/// The job's name for questions and titles: `#17 lecture-04.mp4`.
pub fn job_name(job: &Job) -> String {
    format!("#{} {}", job.id, input_name(job))
}
