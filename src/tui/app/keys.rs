//! What keys do on the dashboard and to jobs; on a page or in a popup they come here where it has nothing of its own to do.

use crate::domain::command::{Command, JobRequest, MoveTo};
use crate::domain::state::State;
use crate::tui::app::palette::Palette;
use crate::tui::app::prompt::PromptKind;
use crate::tui::app::{App, Ask, Mode, Question, applies, shown};
use crate::tui::input::action::{Act, Effect};
use crate::tui::layout::Pane;
use crate::tui::pages::Page;
use crate::tui::pages::help::Help;
use crate::tui::pages::queue::filter::Filter;
use crate::tui::terminal::theme::Theme;

impl App {
    pub(super) fn act(&mut self, act: Act) -> Vec<Effect> {
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
            Act::Filter if self.focus == Pane::Log => self.open(PromptKind::Search, self.log.search.clone()),
            Act::Filter => {
                let text = self.filter().map_or_else(String::new, |filter| filter.text().to_owned());
                self.open(PromptKind::Filter, text);
            }
            Act::NextMatch => self.next_match(true),
            Act::PrevMatch => self.next_match(false),
            Act::CommandLine => self.modes.push(Mode::Palette(Palette::default())),
            Act::Add => self.open(PromptKind::Add, String::new()),
            Act::Freeze => {
                let frozen = if self.frozen.is_some() { None } else { Some(Box::new(self.state.clone())) };
                self.freeze(frozen);
            }
            Act::ChartBack => self.chart.back(shown(self.frozen.as_deref(), &self.state)),
            Act::ChartForward => self.chart.forward(shown(self.frozen.as_deref(), &self.state)),
            Act::ChartLonger | Act::ChartShorter => {
                self.chart.resize(shown(self.frozen.as_deref(), &self.state), act == Act::ChartLonger);
            }
            Act::Theme => {
                self.theme = self.theme.next(self.settings.color);
                self.say(format!("theme: {}", self.theme.name.label()), false);
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
                self.log.wraps = !self.log.wraps;
                let words = if self.log.wraps { "long log lines go on in the next line" } else { "long log lines are cut" };
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
            Act::Follow => self.log.toggle_follow(shown(self.frozen.as_deref(), &self.state), self.queue.selected),
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
            Act::Drain if self.state.is_idle() && !self.settings.replay => {
                self.modes.push(Mode::Ask(Ask { question: Question::EndIdle, yes: false }));
                return Vec::new();
            }
            Act::Drain => ("drain", Command::Drain),
            Act::CleanNow => ("clean up", Command::CleanNow),
            _ => return self.act_on_job(act),
        };
        vec![self.ask_undoable(what, command)]
    }

    /// Commands about the selected job, or about those that are marked; on the page of a job about that one.
    fn act_on_job(&mut self, act: Act) -> Vec<Effect> {
        match act {
            Act::Undo => return self.take_back(),
            Act::ClearFinished => return self.clear_finished(),
            _ if self.acts_on_marks() && !self.settings.replay => return self.act_on_marked(act),
            _ => {}
        }
        if self.settings.replay {
            return self.play(act);
        }
        let Some(job) = self.queue.selected.and_then(|id| self.state.jobs.get(&id)) else {
            let words = match self.queue.selected.filter(|_| self.page == Page::Job) {
                Some(id) => format!("#{id} is no longer on the list: {} leads back to it", self.key_label(Act::Back)),
                None => self.no_job_is_selected(),
            };
            self.say(words, true);
            return Vec::new();
        };
        let id = job.id;
        if self.is_out_of_sight(id) {
            self.say(format!("#{id} is selected, and the filter hides it: {}", self.way_to_what_is_seen()), true);
            return Vec::new();
        }
        let (what, command) = match act {
            // One that the governor has stopped is taken over: from then on it is the operator who lets it go on.
            Act::PauseJob if job.phase.is_paused_by_operator() => ("resume", Command::ResumeJob(id)),
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
            Act::Remove if !applies(JobRequest::Remove, job) => {
                let cancel = self.key_label(Act::Cancel);
                self.say(format!("delete #{id}: it is at work; {cancel} cancels it, and then it can be deleted"), true);
                return Vec::new();
            }
            Act::Remove => {
                self.modes.push(Mode::Ask(Ask { question: Question::Remove(id), yes: false }));
                return Vec::new();
            }
            _ => return Vec::new(),
        };
        let is_move = matches!(command, Command::Move(..));
        let effect = self.ask_undoable(format!("{what} #{id}"), command);
        // In the order of the queue its row moves.
        if let (true, Effect::Send(request, _)) = (is_move && (self.queue.filter.is_some() || self.frozen.is_some()), &effect) {
            self.moved.insert(*request, id);
        }
        vec![effect]
    }

    pub(super) fn quit(&mut self) -> Vec<Effect> {
        if self.settings.replay || (self.ended && (self.closed || !self.compares())) {
            return vec![Effect::Exit];
        }
        // Nobody can be asked to end anything: a console that waited for that could not be left.
        if self.line.is_lost() {
            return vec![Effect::Exit];
        }
        if self.settings.window.as_ref().is_some_and(|window| !window.ends_it) && !self.quitting() {
            return self.leave();
        }
        let question = match (self.quitting(), self.state.index.active.is_empty()) {
            (false, _) if self.compares() => Question::EndComparison,
            (false, true) if self.is_comparing() => Question::EndComparison,
            (false, true) => return vec![self.end_the_run()],
            (false, false) => Question::Quit,
            (true, _) => Question::Kill,
        };
        self.modes.push(Mode::Ask(Ask { question, yes: false }));
        Vec::new()
    }

    /// There are jobs, and the filter lets none of them through.
    pub(super) fn hides_every_row(&self) -> bool {
        !self.shown().jobs.is_empty() && self.filter().is_some_and(Filter::is_empty)
    }

    /// Shows what was until further notice, or lets the screen run again: all its panes show the present then.
    fn freeze(&mut self, frozen: Option<Box<State>>) {
        self.frozen = frozen;
        self.chart.to_present();
        if self.frozen.is_none() {
            self.drop_outdated_log();
        }
        self.rebuild_filter();
        self.queue.drop_unknown(shown(self.frozen.as_deref(), &self.state));
    }

    fn back(&mut self) {
        if self.hides_every_row() && self.layout(self.size.0, self.size.1).pane(Pane::Queue).is_some() {
            // As it says in the place of the rows.
            self.queue.filter = None;
        } else if self.zoom {
            self.zoom = false;
        } else if !self.queue.marked.is_empty() {
            self.queue.marked.clear();
        } else if self.queue.filter.is_some() {
            self.queue.filter = None;
        } else if !self.log.search.is_empty() {
            self.log.search.clear();
        } else if self.log.bottom.is_some() {
            self.log.bottom = None;
        } else if self.frozen.is_some() {
            self.freeze(None);
        } else if self.log.of_run {
            self.log.of_run = false;
        } else {
            // What is selected stays so: the next key may act on it.
            self.note("nothing is open that could be closed".to_owned());
        }
    }
}
