//! What keys do in questions, pickers, the palette and prompts, as far as it is the console's own state.

use tui_input::InputRequest;

use crate::domain::command::{Command, JobRequest};
use crate::domain::profile::Profile;
use crate::domain::text::file_name_text;
use crate::tui::app::palette::{Does, Entry, Palette};
use crate::tui::app::prompt::PromptKind;
use crate::tui::app::{App, Mode, Question, shown};
use crate::tui::app::{complete, prompt};
use crate::tui::input::action::{Act, Effect};
use crate::tui::pages::profiles::{Picker, Switch};
use crate::tui::pages::queue::filter::Filter;

impl App {
    /// Opens the profile picker at this row, else at the profile in force.
    pub(super) fn open_picker(&mut self, row: Option<usize>) {
        let in_force = self.state.profile.as_ref().map(|profile| profile.name.as_str());
        let is_in_force = |profile: &Profile| Some(profile.name.as_str()) == in_force;
        let row = row.or_else(|| self.settings.profiles.iter().position(is_in_force)).unwrap_or(0);
        self.modes.push(Mode::Profiles(Picker { row, switches: Vec::new() }));
        self.preview();
    }

    pub(super) fn preview(&mut self) {
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

    pub(super) fn act_on_warnings(&mut self, act: Act, row: usize) {
        let last = self.shown().warnings.len().saturating_sub(1);
        self.modes.pop();
        match act {
            Act::Down => self.modes.push(Mode::Warnings((row + 1).min(last))),
            Act::Up => self.modes.push(Mode::Warnings(row.saturating_sub(1))),
            Act::First => self.modes.push(Mode::Warnings(0)),
            Act::Last => self.modes.push(Mode::Warnings(last)),
            Act::Enter if !self.shown().warnings.is_empty() && !self.refuses_changes() => self.open_picker(self.advised(row)),
            _ => {}
        }
    }

    pub(super) fn act_on_help(&mut self, act: Act) -> Vec<Effect> {
        let page = i64::from(self.size.1 / 2).max(1);
        let Some(Mode::Help(help)) = self.modes.last_mut() else { return Vec::new() };
        match act {
            Act::Down => help.scroll.by(1),
            Act::Up => help.scroll.by(-1),
            Act::HalfDown => help.scroll.by(page),
            Act::HalfUp => help.scroll.by(-page),
            Act::First => help.scroll.reset(),
            Act::Last => help.scroll.by(i64::MAX),
            Act::NextPane => {
                help.words = !help.words;
                help.scroll.reset();
            }
            _ => {
                self.modes.pop();
            }
        }
        Vec::new()
    }

    pub(super) fn act_on_question(&mut self, act: Act) -> Vec<Effect> {
        let Some(Mode::Ask(ask)) = self.modes.last_mut() else { return Vec::new() };
        let question = ask.question;
        let quits = matches!(question, Question::Quit | Question::Kill | Question::EndComparison);
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
            Question::CancelMany(_) => ("cancel".to_owned(), self.each_marked(JobRequest::Cancel)),
            Question::RemoveMany(_) => ("delete".to_owned(), self.each_marked(JobRequest::Remove)),
            Question::ClearFinished(_) => ("clear what is finished".to_owned(), self.each_asked(JobRequest::Remove)),
            Question::EndIdle => ("drain".to_owned(), Command::Drain),
            Question::StopComparison if !self.is_comparing() => return Vec::new(),
            Question::StopComparison => {
                self.note("the comparison is being ended".to_owned());
                return vec![Effect::StopComparison];
            }
            Question::StartServer => return vec![Effect::StartServer],
            // It has ended by itself while the question stood, or cannot be asked any more.
            _ if quits && (self.closed || self.line.is_lost()) => return vec![Effect::Exit],
            Question::Quit | Question::Kill | Question::EndComparison => return vec![self.end_the_run()],
        };
        vec![self.ask_undoable(what, command)]
    }

    pub(super) fn act_on_picker(&mut self, act: Act) -> Vec<Effect> {
        let last = self.settings.profiles.len().saturating_sub(1);
        let Some(Mode::Profiles(picker)) = self.modes.last_mut() else { return Vec::new() };
        match act {
            Act::Down => picker.row = (picker.row + 1).min(last),
            Act::Up => picker.row = picker.row.saturating_sub(1),
            Act::First => picker.row = 0,
            Act::Last => picker.row = last,
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

    /// The commands that the letters of the palette leave. Where nothing can be changed those that would are left out.
    pub fn commands(&self, palette: &Palette) -> Vec<Entry> {
        let mut entries = palette.entries(&self.settings.keys, &self.settings.profiles);
        if self.why_only_looks().is_some() {
            entries.retain(|entry| if let Does::Act(act) = entry.does { self.means_something(act) } else { true });
        }
        entries
    }

    pub(super) fn act_on_palette(&mut self, act: Act) -> Vec<Effect> {
        let Some(Mode::Palette(palette)) = self.modes.last() else { return Vec::new() };
        let entries = self.commands(palette);
        let Some(Mode::Palette(palette)) = self.modes.last_mut() else { return Vec::new() };
        let typed = palette.paths().unwrap_or_default().to_owned();
        match act {
            Act::Down => palette.row = (palette.row + 1).min(entries.len().saturating_sub(1)),
            Act::Up => palette.row = palette.row.saturating_sub(1),
            Act::Enter => {
                // Nothing to choose: the letters stay, to be corrected.
                let Some(does) = entries.get(palette.row).map(|entry| entry.does) else { return Vec::new() };
                self.modes.pop();
                return match does {
                    Does::Act(act) => self.act(act),
                    Does::Add | Does::Profile(_) if self.refuses_changes() => Vec::new(),
                    Does::Add => {
                        // As a prompt would take it: what is wrong with it is told there, and can be corrected.
                        self.open(PromptKind::Add, typed.clone());
                        self.add_typed(&typed)
                    }
                    Does::Profile(at) => self.switch_to(at),
                };
            }
            _ => drop(self.modes.pop()),
        }
        Vec::new()
    }

    pub(super) fn switch_to(&mut self, row: usize) -> Vec<Effect> {
        let Some(profile) = self.settings.profiles.get(row).cloned() else { return Vec::new() };
        vec![self.ask(format!("profile {}", profile.name), Command::SelectProfile(Box::new(profile)))]
    }

    pub(super) fn act_on_prompt(&mut self, act: Act) -> Vec<Effect> {
        let Some(Mode::Prompt(prompt)) = self.modes.last_mut() else { return Vec::new() };
        let line = prompt.input.value().to_owned();
        match (act, prompt.kind) {
            (Act::Enter, kind) => return self.take_line(kind, &line),
            (Act::NextPreset, PromptKind::Add) => {
                let known = &self.settings.presets;
                let now = prompt.preset.as_ref().unwrap_or(&self.state.default_preset);
                let next = known.iter().position(|name| name == now).map_or(0, |at| at + 1);
                prompt.preset = known.get(next).or(known.first()).cloned();
            }
            (Act::Complete, PromptKind::Add) => return vec![Effect::Complete(line)],
            (Act::Older, PromptKind::Add) => prompt.recall(&self.history, true),
            (Act::Newer, PromptKind::Add) => prompt.recall(&self.history, false),
            (Act::Back, kind) => {
                self.modes.pop();
                match kind {
                    PromptKind::Filter => self.queue.show_all(shown(self.frozen.as_deref(), &self.state)),
                    PromptKind::Events => self.events.filter.clear(),
                    _ => {}
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// Enter in a prompt.
    pub(super) fn take_line(&mut self, kind: PromptKind, line: &str) -> Vec<Effect> {
        match kind {
            PromptKind::Filter => {
                self.modes.pop();
                if self.queue.filter.as_ref().is_some_and(Filter::is_idle) {
                    self.queue.filter = None;
                }
                self.select_shown();
            }
            PromptKind::Events => {
                self.modes.pop();
                line.trim().clone_into(&mut self.events.filter);
            }
            PromptKind::Search => {
                self.modes.pop();
                line.clone_into(&mut self.log.search);
                if !line.is_empty() {
                    self.next_match(false);
                }
            }
            PromptKind::SaveProfile => return self.save_as(line.trim()),
            PromptKind::Add => return self.add_typed(line),
        }
        Vec::new()
    }

    /// Adds what a line names, with the preset that was chosen beside it.
    pub(super) fn add_typed(&mut self, line: &str) -> Vec<Effect> {
        let paths = match complete::typed(line, &self.settings.places) {
            Ok(paths) => paths,
            Err(reason) => {
                self.prompt_error(reason);
                return Vec::new();
            }
        };
        let preset = match self.modes.pop() {
            Some(Mode::Prompt(prompt)) => prompt.preset,
            _ => None,
        };
        if paths.is_empty() {
            return Vec::new();
        }
        self.history.retain(|known| known != line);
        self.history.push(line.to_owned());
        // Said with the refusal that it leads to.
        let is_pattern = self.settings.places.is_elsewhere && line.contains(['*', '?']);
        let what = if is_pattern { "add (on another machine names are taken as they stand, patterns too)" } else { "add" };
        let mut effects = Vec::new();
        for request in Command::enqueue_all(paths, preset.as_deref()) {
            let Command::Enqueue { paths, .. } = &request else { continue };
            let added = match &paths[..] {
                [path] => file_name_text(path),
                paths => format!("{} paths", paths.len()),
            };
            let added = preset.as_ref().map_or_else(|| added.clone(), |preset| format!("{added} with {preset}"));
            let effect = self.ask(what, request);
            if let Effect::Send(id, _) = &effect {
                self.adding.insert(*id, added);
            }
            effects.push(effect);
        }
        effects
    }

    pub(in crate::tui) fn prompt_error(&mut self, reason: String) {
        if let Some(Mode::Prompt(prompt)) = self.modes.last_mut() {
            prompt.error = Some(reason);
        }
    }

    pub(super) fn edit(&mut self, request: InputRequest) -> Vec<Effect> {
        match self.modes.last_mut() {
            Some(Mode::Help(help)) => {
                help.filter.handle(request);
                help.scroll.reset();
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
                    let shown = shown(self.frozen.as_deref(), &self.state);
                    self.queue.filter = Some(match self.queue.filter.take() {
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
    pub(super) fn paste(&mut self, text: &str) -> Vec<Effect> {
        if self.modes.is_empty() {
            if !complete::looks_like_paths(text, &self.settings.places) {
                let add = self.key_label(Act::Add);
                self.note(format!("a paste means nothing here; {add} adds files, and takes pasted paths"));
                return Vec::new();
            }
            if self.refuses_changes() {
                return Vec::new();
            }
            self.open(PromptKind::Add, String::new());
        }
        if let Some(Mode::Palette(palette)) = self.modes.last_mut() {
            let text: String = text.chars().filter(|c| !c.is_control()).collect();
            prompt::insert(&mut palette.input, &text);
            palette.row = 0;
        }
        if let Some(Mode::Prompt(prompt)) = self.modes.last_mut() {
            if prompt.kind == PromptKind::Add {
                prompt.paste_paths(text, &self.settings.places);
            } else {
                prompt.paste(text);
            }
            if prompt.kind == PromptKind::Filter {
                let text = prompt.input.value().to_owned();
                let order = self.queue.filter.as_ref().map(Filter::order).unwrap_or_default();
                self.queue.filter = Some(Filter::ordered(text, order, self.shown()));
            }
        }
        Vec::new()
    }
}
