//! The console's own state: what is shown of the run, where the keys go, what was asked and not yet answered.
//!
//! Never optimistic: a command changes nothing here; the event that follows it does.

use std::collections::BTreeMap;
use std::time::Duration;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use jiff::tz::TimeZone;
use tui_input::{Input, InputRequest};

use crate::domain::cleanup::CleanupId;
use crate::domain::command::{Command, MoveTo, RequestId};
use crate::domain::event::{Event, EventKind};
use crate::domain::job::{Job, JobId, Phase};
use crate::domain::profile::Profile;
use crate::domain::state::{State, restored_words};
use crate::domain::text::{file_name_text, path_text};
use crate::domain::time::Mono;
use crate::runtime::link::Update;
use crate::tui::action::{Act, Action, Effect};
use crate::tui::chronicle::{Chronicle, Topic};
use crate::tui::complete::{self, Places};
use crate::tui::details::Details;
use crate::tui::filter::Filter;
use crate::tui::keymap::{KeyMode, Keymap};
use crate::tui::layout::{Layout, Pane};
use crate::tui::loglines::{FileLog, LogLines};
use crate::tui::measured::{Measured, Measurements};
use crate::tui::pages::{DoctorPage, EventsPage, Page};
use crate::tui::palette::{Does, Palette};
use crate::tui::profiles::Switch;
use crate::tui::prompt::{Prompt, PromptKind};
use crate::tui::rows::{Rows, Window};
use crate::tui::theme::{ColorMode, Role, Theme, ThemeName};

/// Lengths of the chart that can be chosen, in seconds.
pub const CHART_SECONDS: [u64; 6] = [60, 300, 900, 1800, 3600, 7200];
/// How long a message stays.
const TOAST: Duration = Duration::from_secs(8);

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
    /// Stop what runs and quit?
    Quit,
    /// Kill what is being stopped?
    Kill,
}

/// The help page.
#[derive(Debug, Clone, Default)]
pub struct Help {
    /// Lines scrolled.
    pub scroll: usize,
    /// Only lines with this text.
    pub filter: Input,
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
    /// The profile picker.
    Profiles(Picker),
    /// The warning signs; the chosen one.
    Warnings(usize),
    /// The commands by name.
    Palette(Palette),
    /// A line that is being typed.
    Prompt(Box<Prompt>),
}

/// A message that goes away by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// The text.
    pub text: String,
    /// Something was refused.
    pub is_error: bool,
    until: Mono,
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
    /// Where typed paths lead.
    pub places: Places,
    /// The operator's time zone.
    pub time_zone: TimeZone,
}

/// The console.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools)] // independent switches of the operator, no states of one machine
pub struct App {
    pub(super) state: State,
    pub(super) frozen: Option<Box<State>>,
    attached: bool,
    pub(super) modes: Vec<Mode>,
    pub(super) focus: Pane,
    pub(super) zoom: bool,
    pub(super) selected: Option<JobId>,
    chosen: bool,
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
    measurements: Measurements,
    pub(super) events: EventsPage,
    pub(super) doctor: DoctorPage,
    cleanup_top: Option<CleanupId>,
    chart: usize,
    chart_back: u64,
    theme: Theme,
    settings: Settings,
    mouse: bool,
    pub(super) size: (u16, u16),
    next_request: u64,
    pending: BTreeMap<RequestId, String>,
    toast: Option<Toast>,
    history: Vec<String>,
    quitting: bool,
    ended: bool,
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
            measurements: Measurements::default(),
            events: EventsPage::default(),
            doctor: DoctorPage::default(),
            cleanup_top: None,
            chart: 1,
            chart_back: 0,
            theme: Theme::new(settings.theme, settings.color, settings.ascii),
            settings,
            mouse: true,
            size: (80, 24),
            next_request: 1,
            pending: BTreeMap::new(),
            toast: None,
            history: Vec::new(),
            quitting: false,
            ended: false,
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
    pub const fn chart(&self) -> (u64, u64) {
        (CHART_SECONDS[self.chart], self.chart_back)
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

    /// What was measured under a profile; `None` = it was not tried here.
    pub fn measured(&self, profile: &str) -> Option<&Measured> {
        self.measurements.get(profile)
    }

    /// The operator's time zone.
    pub const fn time_zone(&self) -> &TimeZone {
        &self.settings.time_zone
    }

    /// The message to show.
    pub fn toast(&self) -> Option<&Toast> {
        self.toast.as_ref().filter(|toast| self.state.now <= toast.until)
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

    /// Where everything stands on a screen of this size.
    pub fn layout(&self, width: u16, height: u16) -> Layout {
        if self.page == Page::Job {
            return Layout::job(width, height, self.zoom);
        }
        Layout::new(width, height, self.focus, self.zoom)
    }

    /// The jobs that fill `height` lines of the queue.
    pub fn window(&self, height: usize) -> Window {
        self.rows().window(self.selected, self.row, height)
    }

    /// The rows of the queue.
    pub fn rows(&self) -> Rows<'_> {
        Rows::new(self.shown(), self.filter.as_ref())
    }

    /// The log shown, and the number of its last line shown, counted from the first line ever written.
    pub fn log(&self) -> Option<(LogLines<'_>, u64)> {
        let file = self.file_log.as_ref().filter(|file| Some(file.job) == self.selected);
        let lines = if let Some(Ok(log)) = file.and_then(|file| file.read.as_ref()) {
            LogLines::File(log)
        } else {
            let ring = self.shown().logs.get(&self.selected)?;
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

    /// Footer hints of what the keys go to.
    pub(super) fn mode_hints(&self) -> Vec<(String, &'static str)> {
        self.settings.keys.hints(self.key_mode())
    }

    /// What keys mean now.
    pub fn key_mode(&self) -> KeyMode {
        match self.modes.last() {
            None => KeyMode::Normal,
            Some(Mode::Help(_)) => KeyMode::Help,
            Some(Mode::Ask(_)) => KeyMode::Ask,
            Some(Mode::Profiles(_)) => KeyMode::Profiles,
            Some(Mode::Warnings(_)) => KeyMode::Warnings,
            Some(Mode::Palette(_)) => KeyMode::Palette,
            Some(Mode::Prompt(_)) => KeyMode::Prompt,
        }
    }

    // What changes it.

    /// Something happened. Returns what is to be done.
    pub fn update(&mut self, action: Action) -> Vec<Effect> {
        match action {
            Action::Do(act) => {
                if !matches!(act, Act::Older | Act::Newer | Act::Complete) {
                    self.toast = None;
                }
                self.act(act)
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

    /// The line to the engine is closed.
    pub fn closed(&mut self) {
        self.ended = true;
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
                self.state = *state;
                self.chronicle = Chronicle::of(&self.state);
                self.ended = self.state.summary.is_some();
                if self.frozen.is_none() {
                    self.rebuild_filter();
                }
                self.keep_selection();
            }
            Update::Event(event) => self.on_event(&event),
            Update::Reply(id, reply) => {
                if let (Some(what), Err(reason)) = (self.pending.remove(&id), reply) {
                    self.say(format!("{what}: {reason}"), true);
                    self.chronicle.add(self.state.wall, (Topic::Answer, None, Role::Warn, format!("{what}: {reason}")));
                }
            }
        }
        if self.ended && (self.quitting || self.state.shutting_down) { vec![Effect::Exit] } else { Vec::new() }
    }

    fn on_event(&mut self, event: &Event) {
        let mut leaving = self.may_leave(&event.kind);
        let heir = self.selected.filter(|id| leaving.contains(id)).and_then(|id| {
            let rows = Rows::new(&self.state, self.filter.as_ref());
            let key = rows.find(id)?;
            rows.after(key).or_else(|| rows.before(key)).map(|key| key.id)
        });
        let was_held = self.state.held.map(|held| held.job);
        self.state.apply(event);
        leaving.retain(|id| !self.state.jobs.contains_key(id));
        self.details.hear(event);
        self.measurements.hear(event, &self.state);
        self.chronicle.hear(event, &self.state, was_held);
        match &event.kind {
            EventKind::JobProgressed { .. } | EventKind::JobLogged { .. } => return,
            EventKind::RunFinished(_) => self.ended = true,
            EventKind::InputSkipped { input, detail } => self.say(format!("{}: {detail}", path_text(input)), true),
            EventKind::QueueRestored { jobs, interrupted } => self.say(restored_words(*jobs, *interrupted), false),
            EventKind::Fault { what, detail } => self.say(format!("{what}: {detail}"), true),
            EventKind::WarningRaised { evidence, advice, .. } => self.say(format!("{evidence}: {advice}"), true),
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
            self.selected = heir;
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

    /// Until somebody has chosen a job, the first one that runs is selected, and stays so.
    fn keep_selection(&mut self) {
        if !self.chosen && self.selected.is_none() {
            self.selected = self.state.index.active.first().copied();
        }
    }

    fn rebuild_filter(&mut self) {
        if let Some(filter) = self.filter.take() {
            self.filter = Some(Filter::new(filter.text().to_owned(), self.shown()));
        }
    }

    pub(super) fn say(&mut self, text: String, is_error: bool) {
        self.toast = Some(Toast { text, is_error, until: self.state.now + TOAST });
    }

    fn act(&mut self, act: Act) -> Vec<Effect> {
        match self.modes.last() {
            None => self.act_on_page(act),
            Some(Mode::Help(_)) => self.act_on_help(act),
            Some(Mode::Ask(_)) => self.act_on_question(act),
            Some(Mode::Profiles(_)) => self.act_on_picker(act),
            Some(Mode::Warnings(row)) => {
                let row = *row;
                self.act_on_warnings(act, row);
                Vec::new()
            }
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
                self.rebuild_filter();
                if self.selected.is_some_and(|id| !self.shown().jobs.contains_key(&id)) {
                    self.selected = None;
                }
            }
            Act::ChartBack => {
                let length = CHART_SECONDS[self.chart];
                let oldest = self
                    .state
                    .history
                    .front()
                    .map_or(0, |point| self.state.now.0.as_secs() - point.second.min(self.state.now.0.as_secs()));
                self.chart_back = (self.chart_back + length / 5).min(oldest);
            }
            Act::ChartForward => self.chart_back = self.chart_back.saturating_sub(CHART_SECONDS[self.chart] / 5),
            Act::ChartLonger => self.chart = (self.chart + 1).min(CHART_SECONDS.len() - 1),
            Act::ChartShorter => self.chart = self.chart.saturating_sub(1),
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
            Act::Events => self.open_page(Page::Events),
            Act::Doctor => return self.open_doctor(),
            Act::Follow => {
                self.log_bottom = match self.log_bottom {
                    None => self.log().map(|(_, bottom)| bottom),
                    Some(_) => None,
                };
            }
            Act::Help => self.modes.push(Mode::Help(Help::default())),
            Act::Profiles => self.open_picker(None),
            Act::Warnings => self.modes.push(Mode::Warnings(0)),
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
            Act::Drain => ("drain", Command::Drain),
            Act::CleanNow => ("clean up", Command::CleanNow),
            _ => return self.act_on_job(act),
        };
        vec![self.ask(what, command)]
    }

    /// Commands about the selected job.
    fn act_on_job(&mut self, act: Act) -> Vec<Effect> {
        let Some(job) = self.selected.and_then(|id| self.state.jobs.get(&id)) else {
            self.say("no job is selected: choose one with j and k".to_owned(), true);
            return Vec::new();
        };
        let id = job.id;
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
        vec![self.ask(format!("{what} #{id}"), command)]
    }

    fn quit(&mut self) -> Vec<Effect> {
        if self.ended {
            return vec![Effect::Exit];
        }
        let question = match (self.quitting, self.state.index.active.is_empty()) {
            (false, true) => {
                self.quitting = true;
                return vec![self.ask("quit", Command::Shutdown)];
            }
            (false, false) => Question::Quit,
            (true, _) => Question::Kill,
        };
        self.modes.push(Mode::Ask(Ask { question, yes: false }));
        Vec::new()
    }

    fn back(&mut self) {
        if self.zoom {
            self.zoom = false;
        } else if self.filter.is_some() {
            self.filter = None;
        } else if !self.search.is_empty() {
            self.search.clear();
        } else if self.log_bottom.is_some() {
            self.log_bottom = None;
        } else if self.frozen.is_some() {
            self.frozen = None;
        } else if self.selected.is_some() {
            self.selected = None;
            self.chosen = true;
        }
    }

    pub(super) fn open(&mut self, kind: PromptKind, text: String) {
        self.modes.push(Mode::Prompt(Box::new(Prompt::new(kind, text))));
    }

    /// Opens the profile picker at this row, else at the profile in force.
    fn open_picker(&mut self, row: Option<usize>) {
        let in_force = self.state.profile.as_ref().map(|profile| profile.name.as_str());
        let is_in_force = |profile: &Profile| Some(profile.name.as_str()) == in_force;
        let row = row.or_else(|| self.settings.profiles.iter().position(is_in_force)).unwrap_or(0);
        self.modes.push(Mode::Profiles(Picker { row, switches: Vec::new() }));
        self.preview();
    }

    fn preview(&mut self) {
        if let Some(Mode::Profiles(picker)) = self.modes.last_mut() {
            picker.switches = self.settings.profiles.iter().map(|profile| Switch::preview(&self.state, profile)).collect();
        }
    }

    /// The row of the picker that a warning sign advises, by the sign's place in the list.
    pub fn advised(&self, sign: usize) -> Option<usize> {
        let (_, warning) = self.shown().warnings.iter().nth(sign)?;
        let name = warning.profile.as_deref()?;
        self.settings.profiles.iter().position(|profile| profile.name == name)
    }

    fn act_on_warnings(&mut self, act: Act, row: usize) {
        let last = self.shown().warnings.len().saturating_sub(1);
        self.modes.pop();
        match act {
            Act::Down => self.modes.push(Mode::Warnings((row + 1).min(last))),
            Act::Up => self.modes.push(Mode::Warnings(row.saturating_sub(1))),
            Act::Enter if !self.shown().warnings.is_empty() => self.open_picker(self.advised(row)),
            _ => {}
        }
    }

    fn act_on_help(&mut self, act: Act) -> Vec<Effect> {
        let page = usize::from(self.size.1 / 2).max(1);
        let Some(Mode::Help(help)) = self.modes.last_mut() else { return Vec::new() };
        match act {
            Act::Down => help.scroll += 1,
            Act::Up => help.scroll = help.scroll.saturating_sub(1),
            Act::HalfDown => help.scroll += page,
            Act::HalfUp => help.scroll = help.scroll.saturating_sub(page),
            _ => {
                self.modes.pop();
            }
        }
        if let Some(Mode::Help(help)) = self.modes.last_mut() {
            help.scroll = help.scroll.min(100);
        }
        Vec::new()
    }

    fn act_on_question(&mut self, act: Act) -> Vec<Effect> {
        let Some(Mode::Ask(ask)) = self.modes.last_mut() else { return Vec::new() };
        let question = ask.question;
        let quits = matches!(question, Question::Quit | Question::Kill);
        let confirmed = match act {
            Act::OtherButton => {
                ask.yes = !ask.yes;
                return Vec::new();
            }
            Act::Enter => ask.yes,
            Act::Yes => true,
            Act::Quit => quits,
            _ => false,
        };
        self.modes.pop();
        if !confirmed {
            return Vec::new();
        }
        let (what, command) = match question {
            Question::Cancel(id) => (format!("cancel #{id}"), Command::Cancel(id)),
            Question::Remove(id) => (format!("delete #{id}"), Command::Remove(id)),
            Question::Quit | Question::Kill => {
                self.quitting = true;
                ("quit".to_owned(), Command::Shutdown)
            }
        };
        vec![self.ask(what, command)]
    }

    fn act_on_picker(&mut self, act: Act) -> Vec<Effect> {
        let last = self.settings.profiles.len().saturating_sub(1);
        let Some(Mode::Profiles(picker)) = self.modes.last_mut() else { return Vec::new() };
        match act {
            Act::Down => picker.row = (picker.row + 1).min(last),
            Act::Up => picker.row = picker.row.saturating_sub(1),
            Act::Enter => {
                let row = picker.row;
                self.modes.pop();
                return self.switch_to(row);
            }
            _ => {
                self.modes.pop();
            }
        }
        Vec::new()
    }

    fn act_on_palette(&mut self, act: Act) -> Vec<Effect> {
        let Some(Mode::Palette(palette)) = self.modes.last_mut() else { return Vec::new() };
        let entries = palette.entries(&self.settings.keys, &self.settings.profiles);
        match act {
            Act::Down => palette.row = (palette.row + 1).min(entries.len().saturating_sub(1)),
            Act::Up => palette.row = palette.row.saturating_sub(1),
            Act::Enter => {
                // Nothing to choose: the letters stay, to be corrected.
                let Some(does) = entries.get(palette.row).map(|entry| entry.does) else { return Vec::new() };
                self.modes.pop();
                return match does {
                    Does::Act(act) => self.act(act),
                    Does::Profile(at) => self.switch_to(at),
                };
            }
            _ => drop(self.modes.pop()),
        }
        Vec::new()
    }

    fn switch_to(&mut self, row: usize) -> Vec<Effect> {
        let Some(profile) = self.settings.profiles.get(row).cloned() else { return Vec::new() };
        vec![self.ask(format!("profile {}", profile.name), Command::SelectProfile(Box::new(profile)))]
    }

    fn act_on_prompt(&mut self, act: Act) -> Vec<Effect> {
        let Some(Mode::Prompt(prompt)) = self.modes.last_mut() else { return Vec::new() };
        let line = prompt.input.value().to_owned();
        match (act, prompt.kind) {
            (Act::Enter, kind) => return self.take_line(kind, &line),
            (Act::Complete, PromptKind::Add) => return vec![Effect::Complete(line)],
            (Act::Older, PromptKind::Add) => prompt.recall(&self.history, true),
            (Act::Newer, PromptKind::Add) => prompt.recall(&self.history, false),
            (Act::Back, kind) => {
                self.modes.pop();
                match kind {
                    PromptKind::Filter => self.filter = None,
                    PromptKind::Events => self.events.filter.clear(),
                    _ => {}
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// Enter in a prompt.
    fn take_line(&mut self, kind: PromptKind, line: &str) -> Vec<Effect> {
        match kind {
            PromptKind::Filter => {
                self.modes.pop();
                if self.filter.as_ref().is_some_and(|filter| filter.text().is_empty()) {
                    self.filter = None;
                }
                self.select_shown();
            }
            PromptKind::Events => {
                self.modes.pop();
                line.trim().clone_into(&mut self.events.filter);
            }
            PromptKind::Search => {
                self.modes.pop();
                line.clone_into(&mut self.search);
                self.next_match(false);
            }
            PromptKind::Add => match complete::words(line) {
                Ok(words) if words.is_empty() => {
                    self.modes.pop();
                }
                Ok(words) => {
                    self.modes.pop();
                    self.history.retain(|known| known != line);
                    self.history.push(line.to_owned());
                    let paths = words.iter().map(|word| complete::absolute(word, &self.settings.places)).collect();
                    return vec![self.ask("add", Command::Enqueue { paths, preset: None })];
                }
                Err(reason) => self.prompt_error(reason),
            },
        }
        Vec::new()
    }

    fn prompt_error(&mut self, reason: String) {
        if let Some(Mode::Prompt(prompt)) = self.modes.last_mut() {
            prompt.error = Some(reason);
        }
    }

    fn edit(&mut self, request: InputRequest) -> Vec<Effect> {
        match self.modes.last_mut() {
            Some(Mode::Help(help)) => {
                help.filter.handle(request);
                help.scroll = 0;
            }
            Some(Mode::Palette(palette)) => {
                palette.input.handle(request);
                palette.row = 0;
            }
            Some(Mode::Prompt(prompt)) => {
                prompt.edit(request);
                if prompt.kind == PromptKind::Events {
                    prompt.input.value().clone_into(&mut self.events.filter);
                } else if prompt.kind == PromptKind::Filter {
                    let text = prompt.input.value().to_owned();
                    let shown = self.frozen.as_deref().unwrap_or(&self.state);
                    self.filter = Some(match self.filter.take() {
                        Some(filter) => filter.retype(text, shown),
                        None => Filter::new(text, shown),
                    });
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// Files dropped onto a terminal arrive as pasted paths: outside a prompt they open the one for adding.
    fn paste(&mut self, text: &str) -> Vec<Effect> {
        if self.modes.is_empty() {
            self.open(PromptKind::Add, String::new());
        }
        if let Some(Mode::Palette(palette)) = self.modes.last_mut() {
            for c in text.chars().filter(|c| !c.is_control()) {
                palette.input.handle(InputRequest::InsertChar(c));
            }
            palette.row = 0;
        }
        if let Some(Mode::Prompt(prompt)) = self.modes.last_mut() {
            prompt.paste(text);
            if prompt.kind == PromptKind::Filter {
                let text = prompt.input.value().to_owned();
                self.filter = Some(Filter::new(text, self.shown()));
            }
        }
        Vec::new()
    }

    /// The filter hides the selected job: select the first shown.
    fn select_shown(&mut self) {
        if self.filter.is_some() && self.selected.is_none_or(|id| self.rows().find(id).is_none()) {
            let first = self.rows().first().map(|key| key.id);
            self.select(first);
        }
    }

    pub(super) fn select(&mut self, id: Option<JobId>) {
        self.chosen = true;
        if id.is_some() && id != self.selected {
            self.selected = id;
            self.log_bottom = None;
            self.file_log = None;
        }
    }

    pub(super) fn page_rows(&self) -> i64 {
        self.layout(self.size.0, self.size.1).rows(self.focus).max(2) as i64
    }

    pub(super) fn scroll(&mut self, by: i64) {
        match self.focus {
            Pane::Queue | Pane::Memory => self.scroll_queue(by),
            Pane::Cleanups => self.scroll_cleanups(by),
            Pane::Log => self.scroll_log(by),
        }
    }

    pub(super) fn scroll_queue(&mut self, by: i64) {
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

    fn scroll_cleanups(&mut self, by: i64) {
        let all = self.shown().cleanups.len() as i64;
        let rows = self.layout(self.size.0, self.size.1).rows(Pane::Cleanups) as i64;
        let skipped = (self.cleanups_skipped() as i64).saturating_add(by).clamp(0, (all - rows).max(0));
        self.cleanup_top =
            if skipped == 0 { None } else { self.shown().cleanups.get((all - 1 - skipped) as usize).map(|record| record.id) };
    }

    fn scroll_log(&mut self, by: i64) {
        let Some((lines, bottom)) = self.log() else { return };
        let rows = self.layout(self.size.0, self.size.1).rows(Pane::Log) as u64;
        let total = lines.total();
        let lowest = (lines.before() + rows.min(lines.len() as u64)).min(total);
        let to = (bottom as i64).saturating_add(by).clamp(lowest as i64, total as i64) as u64;
        self.log_bottom = (to < total).then_some(to);
    }

    fn next_match(&mut self, forward: bool) {
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
            None => self.say(format!("no {} line with {}", if forward { "further" } else { "earlier" }, self.search), false),
        }
    }

    fn copy_line(&mut self) -> Vec<Effect> {
        let text = match self.focus {
            Pane::Log => self.log().and_then(|(lines, bottom)| {
                let at = bottom.checked_sub(lines.before() + 1)?;
                lines.get(at as usize).map(|line| line.text.clone())
            }),
            _ => self.selected.and_then(|id| self.shown().jobs.get(&id)).map(|job| path_text(&job.input)),
        };
        self.copy(text)
    }

    fn copy_log(&mut self) -> Vec<Effect> {
        let text = self
            .log()
            .map(|(lines, _)| lines.iter().map(|line| format!("{} {}", line.at, line.text)).collect::<Vec<_>>().join("\n"));
        self.copy(text)
    }

    pub(super) fn copy(&mut self, text: Option<String>) -> Vec<Effect> {
        let Some(text) = text else {
            self.say("nothing to copy here".to_owned(), true);
            return Vec::new();
        };
        self.say(format!("copied {} characters", text.chars().count()), false);
        vec![Effect::Copy(text)]
    }

    fn on_mouse(&mut self, event: MouseEvent) -> Vec<Effect> {
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
                        if matches!(self.key_mode(), KeyMode::Help | KeyMode::Profiles | KeyMode::Palette | KeyMode::Warnings) {
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

/// The job's name for questions and titles: `#17 lecture-04.mp4`.
pub fn job_name(job: &Job) -> String {
    format!("#{} {}", job.id, file_name_text(&job.input))
}
