//! The console as a window on an engine in another process: its line there, the others who look, and what leaving it does.

use std::time::Duration;

use crate::domain::command::Command;
use crate::domain::time::{Mono, Wall};
use crate::runtime::link::{Attached, HELD_THE_QUEUE, LineNews, LineStatus};
use crate::tui::app::{App, Ask, Mode, Question};
use crate::tui::input::action::{Act, Effect};

/// Where the engine is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowOn {
    /// The machine; `None` = this one.
    pub host: Option<String>,
    /// It only looks.
    pub view: bool,
    /// It can start the server again when that has gone.
    pub can_start: bool,
    /// What it shows is there for it, and is ended when its operator closes it: the demonstration.
    pub ends_it: bool,
}

/// What is known of the line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LineState {
    /// The consoles that are attached, this one included.
    consoles: Vec<Attached>,
    lost: Option<Lost>,
    status: LineStatus,
    /// It was asked whether the server that has gone is to be started again.
    has_asked: bool,
    /// Who has held the queue, when that was told.
    held_by: Option<(String, Mono)>,
}

impl LineState {
    pub(super) const fn is_lost(&self) -> bool {
        self.lost.is_some()
    }
}

/// What another does and the event of it are told within this time of each other.
const SAME_MOMENT: Duration = Duration::from_secs(2);

/// A line that is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Why.
    pub why: String,
    /// Until the next try.
    pub again_in: Duration,
    /// What is shown is of this time.
    pub as_of: Wall,
}

/// What leaving can do, in the order in which it is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// The server goes on.
    LeaveRunning,
    /// It ends when the queue is empty.
    EndAfterQueue,
    /// It ends now; what runs goes back into the queue.
    EndNow,
    /// Nothing.
    Stay,
}

impl Leaving {
    pub const ALL: [Self; 4] = [Self::LeaveRunning, Self::EndAfterQueue, Self::EndNow, Self::Stay];
}

impl App {
    /// Where the engine is, if it is in another process.
    pub const fn window_on(&self) -> Option<&WindowOn> {
        self.settings.window.as_ref()
    }

    /// Ends the run, and the console with it.
    pub(super) fn end_the_run(&mut self) -> Effect {
        let effect = self.ask("quit", Command::Shutdown);
        if let Effect::Send(id, _) = &effect {
            self.quitting = Some(*id);
        }
        effect
    }

    /// It looks at the engine, and may ask for nothing.
    pub fn is_view(&self) -> bool {
        self.settings.window.as_ref().is_some_and(|window| window.view)
    }

    /// How many other consoles are attached.
    pub fn others(&self) -> usize {
        self.line.consoles.iter().filter(|console| !console.own).count()
    }

    pub const fn lost(&self) -> Option<&Lost> {
        self.line.lost.as_ref()
    }

    /// How the line stands.
    pub const fn line_status(&self) -> LineStatus {
        self.line.status
    }

    /// News of the line.
    pub(super) fn on_line(&mut self, news: LineNews) {
        self.line.status.on_news(&news);
        match news {
            LineNews::Attached(consoles) => self.on_consoles(consoles),
            LineNews::Did { who, what } => self.on_others_act(&who, &what),
            LineNews::Lost { why, again_in, gone } => {
                let is_new = self.line.lost.is_none();
                self.line.consoles.clear();
                self.line.lost = Some(Lost { why, again_in, as_of: self.state.wall });
                let can_start = self.settings.window.as_ref().is_some_and(|window| window.can_start);
                if gone && can_start && !self.line.has_asked && !self.quitting() {
                    self.line.has_asked = true;
                    self.modes.push(Mode::Ask(Ask { question: Question::StartServer, yes: true }));
                } else if gone && is_new {
                    self.note("the server has gone; once one is started again (`plimsoll serve`), this window is back".to_owned());
                } else if is_new {
                    self.note("the line to the server is cut; what is shown is of the past".to_owned());
                }
                self.close_leaving();
            }
            LineNews::Back { anew } => {
                (self.line.lost, self.line.has_asked) = (None, false);
                // What was asked of one server, or was about to be, is not meant for the next.
                self.quitting = self.quitting.filter(|_| !anew);
                self.modes.retain(|mode| match mode {
                    Mode::Ask(ask) => match ask.question {
                        Question::StartServer => false,
                        Question::Quit | Question::Kill | Question::EndComparison => !anew,
                        _ => true,
                    },
                    _ => true,
                });
                self.note("the line to the server is there again".to_owned());
            }
        }
    }

    /// What leaving offers cannot be asked any more.
    fn close_leaving(&mut self) {
        let open = self.modes.len();
        self.modes.retain(|mode| !matches!(mode, Mode::Leave(_)));
        if self.modes.len() < open {
            let quit = self.key_label(Act::Quit);
            self.note(format!("the line to the server is cut: nothing can be asked of it; {quit} leaves this window"));
        }
    }

    /// What another has done. That the queue is held is an event too, which comes before this or after it.
    fn on_others_act(&mut self, who: &str, what: &str) {
        let is_hold = what == HELD_THE_QUEUE;
        if is_hold {
            self.line.held_by = Some((who.to_owned(), self.state.now));
        }
        if is_hold && self.state.paused { self.note_held() } else { self.note(format!("{what}: {who}")) }
    }

    /// Nothing is started any more, and who has seen to it.
    pub(super) fn note_held(&mut self) {
        let way = match self.why_only_looks() {
            Some(_) => "it is released".to_owned(),
            None => format!("{} releases it", self.key_label(Act::HoldQueue)),
        };
        let now = self.state.now;
        // Told within a moment of the event it belongs to it; the next one may be this console's own.
        let by = self.line.held_by.take().filter(|(_, at)| now.since(*at) < SAME_MOMENT);
        let by = by.map_or_else(|| "the queue is held".to_owned(), |(who, _)| format!("{HELD_THE_QUEUE}: {who}"));
        self.note(format!("{by}: nothing is started until {way}"));
    }

    /// Who has come and who has gone since the last time.
    fn on_consoles(&mut self, consoles: Vec<Attached>) {
        let others = |consoles: &[Attached]| -> Vec<String> {
            consoles.iter().filter(|console| !console.own).map(|console| console.who.clone()).collect()
        };
        let (before, now) = (others(&self.line.consoles), others(&consoles));
        let knew = !self.line.consoles.is_empty();
        self.line.consoles = consoles;
        if now.len() > before.len()
            && let Some(who) = now.last()
        {
            let came = if knew { "has attached" } else { "is attached too" };
            self.note(format!("{who} {came}"));
        }
    }

    /// Something was asked, and is not answered.
    pub(in crate::tui) fn is_waiting_for_an_answer(&self) -> bool {
        !self.pending.is_empty()
    }

    /// A second has gone while the line is cut.
    pub(in crate::tui) fn count_down(&mut self) {
        if let Some(lost) = &mut self.line.lost {
            lost.again_in = lost.again_in.saturating_sub(Duration::from_secs(1));
        }
    }

    /// Leaves the window; asks where something is at work or waits.
    pub(super) fn leave(&mut self) -> Vec<Effect> {
        let waits = self.state.unended() > 0 || self.is_comparing();
        let may_end = self.settings.window.is_some() && !self.is_view() && self.line.lost.is_none();
        if !waits || !may_end {
            return vec![Effect::Exit];
        }
        self.modes.push(Mode::Leave(0));
        Vec::new()
    }

    pub(super) fn act_on_leave(&mut self, act: Act, row: usize) -> Vec<Effect> {
        let last = Leaving::ALL.len() - 1;
        let leaving = match act {
            Act::Down => return self.move_in_leave((row + 1).min(last)),
            Act::Up => return self.move_in_leave(row.saturating_sub(1)),
            Act::Enter => Leaving::ALL[row.min(last)],
            Act::Quit => Leaving::LeaveRunning,
            Act::Drain => Leaving::EndAfterQueue,
            Act::EndNow => Leaving::EndNow,
            _ => Leaving::Stay,
        };
        self.modes.pop();
        match leaving {
            Leaving::LeaveRunning => vec![Effect::Exit],
            Leaving::EndAfterQueue if self.state.draining => vec![Effect::Exit],
            Leaving::EndAfterQueue => vec![self.ask("end when the queue is empty", Command::Drain), Effect::Exit],
            Leaving::EndNow => vec![self.end_the_run()],
            Leaving::Stay => Vec::new(),
        }
    }

    fn move_in_leave(&mut self, row: usize) -> Vec<Effect> {
        self.modes.pop();
        self.modes.push(Mode::Leave(row));
        Vec::new()
    }
}
