//! Carries what the front end asks to the server and what the server tells to the front end, over one line after the other.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::StreamExt as _;
use tokio_util::codec::LinesCodecError;

use super::dial::{self, Line};
use super::{Door, OpenError, Order, Question, QuestionReply};
use crate::domain::command::{Command, RequestId};
use crate::domain::event::{EventKind, Seq};
use crate::domain::refusal::Refusal;
use crate::runtime::link::{Control, LineNews, Outbox, Update};
use crate::wire::CLIENT_LINE;
use crate::wire::message::{self, ClientHello, ClientLine, Read, SERVER_NAMES, ServerLine};
use crate::wire::snapshot::Receiving;

/// Seconds between two tries to make a line again; the last is kept.
const TRIES: [u64; 6] = [1, 2, 4, 8, 16, 30];
/// Longest answer that is taken.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;

/// One front end's line.
struct Pump {
    door: Door,
    hello: ClientHello,
    control: mpsc::UnboundedReceiver<Control>,
    orders: mpsc::UnboundedReceiver<Order>,
    outbox: Outbox,
    /// The server that was last there.
    life: String,
    /// The last event that is known.
    seq: Seq,
    /// It has told all that it knows.
    is_told: bool,
    receiving: Receiving,
    /// So many lines in a row, up to the last, have ended with something that is not understood.
    strange: usize,
    /// Asked, and not answered.
    unanswered: BTreeMap<u64, Command>,
    questions: BTreeMap<u64, (Question, String)>,
    last_question: u64,
    end: RunEnd,
    /// The front end has gone.
    is_left: bool,
}

/// How far the end of the run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum RunEnd {
    NotYet,
    /// It has finished: a line that ends then is not cut.
    Finished,
    /// The server has said that this was all: its state folder is free for the next one.
    Over,
}

/// Carries for the front end that attaches first: over this line, and over those that are made when it is cut.
pub(super) async fn carry(
    door: Door,
    hello: ClientHello,
    mut control: mpsc::UnboundedReceiver<Control>,
    orders: mpsc::UnboundedReceiver<Order>,
    line: Line,
) {
    // Nothing is taken from the line before there is somebody to tell.
    let Some(Control::Attach(_, outbox)) = control.recv().await else { return };
    let pump = Pump {
        door,
        hello,
        control,
        orders,
        outbox,
        life: String::new(),
        seq: Seq(0),
        is_told: false,
        receiving: Receiving::default(),
        strange: 0,
        unanswered: BTreeMap::new(),
        questions: BTreeMap::new(),
        last_question: 0,
        end: RunEnd::NotYet,
        is_left: false,
    };
    pump.run(line).await;
}

/// Something that woke it.
enum Woken {
    Control(Option<Control>),
    Order(Option<Order>),
    Line(Option<String>),
    TooLong,
}

impl Pump {
    /// Carries until the front end has gone, the run is over, or a line is cut that is not made again.
    async fn run(mut self, first: Line) {
        let mut line = first;
        loop {
            if self.life != line.hello.life {
                // Another server's events are counted anew.
                self.is_told = false;
                self.life.clone_from(&line.hello.life);
            }
            let seq = self.seq;
            self.strange = if self.carry(line).await { self.strange + 1 } else { 0 };
            for (question, _) in std::mem::take(&mut self.questions).into_values() {
                let _ = question.answer.send(QuestionReply::Answer(Err("the line to the server was cut; ask again".to_owned())));
            }
            // A script that was suspended for minutes finds its line cut. Where this one brought it nothing, the next would not either.
            let may_go_on = self.hello.console || (self.hello.follow && self.is_told && self.seq != seq);
            if self.is_left || self.end > RunEnd::NotYet || !may_go_on {
                return;
            }
            match self.again().await {
                Some(next) => line = next,
                None => return,
            }
        }
    }

    /// Carries over one line to its end; true = to something that is not understood.
    async fn carry(&mut self, mut line: Line) -> bool {
        loop {
            let woken = tokio::select! {
                control = self.control.recv() => Woken::Control(control),
                order = self.orders.recv() => Woken::Order(order),
                text = line.input.next() => match text {
                    // What is longer than anything may be is no accident on the way.
                    Some(Err(LinesCodecError::MaxLineLengthExceeded)) => Woken::TooLong,
                    text => Woken::Line(text.and_then(Result::ok)),
                },
            };
            let said = match woken {
                Woken::Control(None | Some(Control::Detach(_) | Control::Attach(..))) => {
                    self.is_left = true;
                    return false;
                }
                Woken::Control(Some(Control::Request(_, id, command))) => {
                    let asked = ClientLine::Request { number: id.0, command: command.clone() };
                    // The server would cut the line for it, and again when it is asked again.
                    if serde_json::to_string(&asked).is_ok_and(|text| text.len() > CLIENT_LINE) {
                        let why = "it is longer than a server reads; ask for less at a time";
                        self.send(Update::Reply(id, Err(Refusal::Other.because(why))));
                        None
                    } else {
                        self.unanswered.insert(id.0, command);
                        Some(asked)
                    }
                }
                // Nobody is left who could ask; the updates are still wanted.
                Woken::Order(None) => {
                    self.orders.close();
                    None
                }
                Woken::Order(Some(Order::Ask(question))) => {
                    self.last_question += 1;
                    let look = question.look.clone();
                    self.questions.insert(self.last_question, (question, String::new()));
                    Some(ClientLine::Look { number: self.last_question, look })
                }
                Woken::Order(Some(Order::GiveUp(number))) => Some(ClientLine::GiveUp { number }),
                Woken::Line(None) => return false,
                Woken::TooLong => {
                    self.is_told = false;
                    return true;
                }
                Woken::Line(Some(text)) => {
                    match message::read(&text, SERVER_NAMES) {
                        Read::Line(said) => self.take(said),
                        Read::Unknown => {}
                        // What it told cannot be trusted any more: a new line begins with a snapshot. The session is the same,
                        // so that what was asked is asked again and not done twice.
                        how @ (Read::Strange(_) | Read::Unreadable) => {
                            self.is_told = false;
                            return matches!(how, Read::Strange(_));
                        }
                    }
                    if self.end == RunEnd::Over {
                        return false;
                    }
                    None
                }
            };
            if let Some(said) = said
                && !say(&mut line, &said).await
            {
                return false;
            }
        }
    }

    fn take(&mut self, line: ServerLine) {
        let line = match self.receiving.take(line) {
            Ok(None) => return,
            Ok(Some(state)) => {
                self.seq = state.seq;
                let ends = state.summary.is_some();
                self.send(Update::Snapshot(state));
                self.is_told = true;
                if ends {
                    self.end = RunEnd::Finished;
                }
                return;
            }
            Err(line) => *line,
        };
        match line {
            ServerLine::Event(event) => {
                self.seq = event.seq;
                if matches!(event.kind, EventKind::RunFinished(_)) {
                    self.end = RunEnd::Finished;
                }
                self.send(Update::Event(event));
            }
            ServerLine::Reply { number, result } => {
                // One that is told again, after a snapshot, was taken before.
                if self.unanswered.remove(&number).is_some() {
                    self.send(Update::Reply(RequestId(number), result));
                }
            }
            ServerLine::Consoles(consoles) => self.send(Update::Line(LineNews::Attached(consoles))),
            ServerLine::Did { who, what } => self.send(Update::Line(LineNews::Did { who, what })),
            ServerLine::Step { number, step } => {
                if let Some((question, _)) = self.questions.get(&number) {
                    let _ = question.answer.send(QuestionReply::Step(number, step));
                }
            }
            ServerLine::Piece { number, text } => {
                if let Some((_, answer)) = self.questions.get_mut(&number)
                    && answer.len() + text.len() <= LONGEST_ANSWER
                {
                    answer.push_str(&text);
                }
            }
            ServerLine::Answered { number, error } => {
                if let Some((question, answer)) = self.questions.remove(&number) {
                    let answer = error.map_or(Ok(answer), Err);
                    let _ = question.answer.send(QuestionReply::Answer(answer));
                }
            }
            ServerLine::Bye => self.end = RunEnd::Over,
            ServerLine::Resumed(_)
            | ServerLine::Hello(_)
            | ServerLine::Refused(_)
            | ServerLine::Facts(_)
            | ServerLine::Head(_)
            | ServerLine::Jobs(_)
            | ServerLine::Story(_)
            | ServerLine::Points(_)
            | ServerLine::Log { .. }
            | ServerLine::End(_) => {}
        }
    }

    fn send(&mut self, update: Update) {
        self.is_left |= !self.outbox.send(update);
    }

    /// Makes the line again: a console's for as long as it takes, a script's at once or not at all. `None` when the front end has
    /// gone, or there is no line any more.
    async fn again(&mut self) -> Option<Line> {
        let (mut why, mut gone) = (String::new(), false);
        // Once it may have been an accident on the way; twice, and the next line would end alike.
        if self.strange > 1 {
            why.push_str("the server says something that this plimsoll does not understand");
            self.hello.session = dial::session();
            self.give_up_unanswered("its answer cannot be understood; look whether it was done");
        }
        // At once, and then less and less often.
        let waits = std::iter::once(0).chain(TRIES).chain(std::iter::repeat(TRIES[TRIES.len() - 1]));
        let tries = if self.hello.console { usize::MAX } else { 1 };
        for seconds in waits.skip(self.strange.saturating_sub(1).min(TRIES.len())).take(tries) {
            if seconds > 0 {
                let wait = Duration::from_secs(seconds);
                self.send(Update::Line(LineNews::Lost { why: std::mem::take(&mut why), again_in: wait, gone }));
                self.idle_until(Instant::now() + wait).await;
            }
            if self.is_left {
                return None;
            }
            let hello = if self.is_told && !self.life.is_empty() {
                dial::resumed(&self.hello, &self.life, self.seq)
            } else {
                self.hello.clone()
            };
            match dial::dial(&self.door, &hello, true).await {
                Ok(mut line) => {
                    self.send(Update::Line(LineNews::Back { anew: line.hello.life != self.life }));
                    self.ask_again(&mut line).await;
                    return Some(line);
                }
                Err(OpenError::NoServer(told)) => (why, gone) = (told, true),
                Err(error) => (why, gone) = (error.to_string(), false),
            }
        }
        None
    }

    /// What was asked and not answered before the line was cut: the same server knows whether it was done.
    async fn ask_again(&mut self, line: &mut Line) {
        if line.hello.life == self.life {
            for (number, command) in self.unanswered.clone() {
                say(line, &ClientLine::Request { number, command }).await;
            }
            return;
        }
        self.give_up_unanswered("the server was started anew; look whether it was done before");
    }

    fn give_up_unanswered(&mut self, why: &str) {
        for number in std::mem::take(&mut self.unanswered).into_keys() {
            self.send(Update::Reply(RequestId(number), Err(Refusal::Cut.because(why))));
        }
    }

    /// Waits, and answers the front end meanwhile.
    async fn idle_until(&mut self, moment: Instant) {
        while !self.is_left {
            tokio::select! {
                () = sleep_until(moment) => return,
                control = self.control.recv() => match control {
                    None | Some(Control::Detach(_) | Control::Attach(..)) => self.is_left = true,
                    Some(Control::Request(_, id, _)) => {
                        let why = "the line to the server is cut; it was not asked";
                        self.send(Update::Reply(id, Err(Refusal::Cut.because(why))));
                    }
                },
                Some(order) = self.orders.recv() => {
                    if let Order::Ask(question) = order {
                        let why = "the line to the server is cut".to_owned();
                        let _ = question.answer.send(QuestionReply::Answer(Err(why)));
                    }
                }
            }
        }
    }
}

async fn say(line: &mut Line, said: &ClientLine) -> bool {
    let Ok(mut text) = serde_json::to_string(said) else { return true };
    text.push('\n');
    line.output.write_all(text.as_bytes()).await.is_ok() && line.output.flush().await.is_ok()
}
