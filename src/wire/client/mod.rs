//! A front end's end of the wire: connects, and gives a [`Link`] that behaves as one within the process would.
//!
//! A console carries its line itself while it waits for updates; a script, which blocks, has a thread that does so. A line that
//! is cut is made again, and what happened meanwhile is told: a console's for as long as it takes, that of a script that follows
//! at once or not at all.

mod dial;
mod pump;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::mpsc;

use super::look::{Ask, Look};
use super::message::{Facts, ServerHello};
use crate::domain::command::ClientId;
use crate::runtime::link::{Link, LookStep};

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// On this machine, by its state folder.
    Here(PathBuf),
    /// On another machine, over ssh.
    Ssh {
        /// `[USER@]HOST`, as ssh takes it.
        host: String,
        /// How plimsoll is called there.
        program: String,
        /// The state folder there; `None` = the usual one.
        state_dir: Option<PathBuf>,
    },
}

/// Who calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Caller {
    /// A person sits there: it is listed, told of others, and its line is made again for as long as it takes.
    pub console: bool,
    /// Everything that is known is wanted, and every event after it.
    pub follow: bool,
    /// It only looks.
    pub view: bool,
}

/// A line to a server.
pub struct Opened {
    /// Who is there.
    pub hello: ServerHello,
    /// What it offers.
    pub facts: Facts,
    /// Requests and updates.
    pub link: Link,
    /// Questions beside them.
    pub ask: Ask,
}

/// Why there is no line, in words that say what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Nobody works there.
    #[error("{0}")]
    NoServer(String),
    /// The two versions do not understand each other.
    #[error("{0}")]
    Versions(String),
    /// It does not talk to this user.
    #[error("{0}")]
    Refused(String),
    /// Too many talk to it already.
    #[error("{0}")]
    Busy(String),
    /// There is no way to it.
    #[error("{0}")]
    Failed(String),
}

/// A question that waits for its answer.
struct Question {
    look: Look,
    answer: std::sync::mpsc::Sender<QuestionReply>,
}

/// What comes back for a question.
enum QuestionReply {
    /// How far it is, and under which number it can be given up.
    Step(u64, LookStep),
    Answer(Result<String, String>),
}

/// From the thread that asks to the one that has the line.
enum Order {
    Ask(Question),
    GiveUp(u64),
}

/// Connects, within the event loop that waits for the updates: whoever does so carries the line. Comes back when the server has
/// said who it is; over ssh that may take as long as a password.
pub async fn connect(door: Door, caller: Caller) -> Result<Opened, OpenError> {
    // One hello for all lines: what was asked is counted within its session.
    let own_hello = dial::hello(caller);
    let line = dial::dial(&door, &own_hello, false).await?;
    let (hello, facts) = (line.hello.clone(), line.facts.clone());
    let (control, controlled) = mpsc::unbounded_channel();
    let (orders, ordered) = mpsc::unbounded_channel();
    let link = Link::attach(ClientId(0), control).carried_by(pump::carry(door, own_hello, controlled, ordered, line));
    let ask: Ask = Arc::new(move |look, on_step: &dyn Fn(LookStep) -> bool| ask(&orders, look, on_step));
    Ok(Opened { hello, facts, link, ask })
}

/// As [`connect`], with a thread that carries the line: for whoever blocks until something is told or answered.
pub fn open(door: Door, caller: Caller) -> Result<Opened, OpenError> {
    let failed = |what: &str, error: &std::io::Error| OpenError::Failed(format!("{what}: {error}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed("cannot start an event loop", &error))?;
    let mut opened = runtime.block_on(connect(door, caller))?;
    let carrier = opened.link.updates.give_carrier();
    let work = move || {
        if let Some(carrier) = carrier {
            runtime.block_on(carrier);
        }
        // A program at the other end of a pipe may not let go of it.
        runtime.shutdown_background();
    };
    std::thread::Builder::new().name("wire".to_owned()).spawn(work).map_err(|error| failed("cannot start a thread", &error))?;
    Ok(opened)
}

/// Asks and waits, on a thread that may block.
fn ask(orders: &mpsc::UnboundedSender<Order>, look: Look, on_step: &dyn Fn(LookStep) -> bool) -> Result<Value, String> {
    let gone = || "the line to the server has ended".to_owned();
    let (answer, replies) = std::sync::mpsc::channel();
    orders.send(Order::Ask(Question { look, answer })).map_err(|_| gone())?;
    loop {
        match replies.recv().map_err(|_| gone())? {
            QuestionReply::Step(number, step) => {
                if !on_step(step) {
                    let _ = orders.send(Order::GiveUp(number));
                }
            }
            QuestionReply::Answer(answer) => {
                return serde_json::from_str(&answer?).map_err(|error| format!("the server's answer is no JSON: {error}"));
            }
        }
    }
}
