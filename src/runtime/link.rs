//! The line between a front end and the engine: requests go one way, one ordered stream of updates comes back.

use std::cell::Cell;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

pub use super::lookup::{
    Checkup, Compare, Comparisons, Complete, Completion, Examine, Finding, FindingStatus, JobNow, LookAhead, LookStep, Lookup,
    QueueNow, ReadLog, ReadRows, SaveProfile, SettingInForce, StartServer, aside,
};

use crate::domain::command::{Answer, ClientId, Command, RequestId};
use crate::domain::event::Event;
use crate::domain::refusal::Rejection;
use crate::domain::state::State;
use crate::domain::time::Mono;

/// What a front end receives. A snapshot comes first, then every event after it, none missing, none twice. One that has not
/// read for long gets a new snapshot, in place of what it has missed, and then every event after that.
#[derive(Debug, Clone)]
pub enum Update {
    /// Everything that is known at this point of the event order.
    Snapshot(Box<State>),
    /// One fact more.
    Event(Box<Event>),
    /// The answer to a request: taken, or refused with the reason.
    Reply(RequestId, Result<Answer, Rejection>),
    /// What is told is a recording, and is played like this from now on.
    Playing(Playing),
    /// A recording is at another time now: in place of all that was told before.
    Retold(Retold),
    /// About the line itself, where the engine is in another process.
    Line(LineNews),
}

/// What a front end learns of its line to an engine in another process, and of the others that have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineNews {
    /// The consoles that are attached now, this one included.
    Attached(Vec<Attached>),
    /// Somebody else has done something.
    Did {
        /// Who.
        who: String,
        /// What, in words.
        what: String,
    },
    /// The line is cut: what is shown is of the past.
    Lost {
        /// Why.
        why: String,
        /// When it is tried again.
        again_in: Duration,
        /// Nobody works there any more, as far as can be told.
        gone: bool,
    },
    /// The line is there again.
    Back {
        /// Another server answers than before, to which nothing was said yet.
        anew: bool,
    },
}

/// How the line to an engine in another process stands, by the news of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LineStatus {
    /// It was never cut.
    #[default]
    Whole,
    /// It was cut and is there again; the engine may be another process.
    Renewed,
    /// It is cut, and who is at its other end goes on as far as is known.
    Cut,
    /// It is cut, and nobody works at its other end any more.
    Gone,
}

impl LineStatus {
    /// Nothing can be asked over it now.
    pub const fn is_lost(self) -> bool {
        matches!(self, Self::Cut | Self::Gone)
    }

    /// Takes in what the news tell.
    pub const fn on_news(&mut self, news: &LineNews) {
        match news {
            LineNews::Lost { gone: true, .. } => *self = Self::Gone,
            LineNews::Lost { .. } => *self = Self::Cut,
            LineNews::Back { .. } => *self = Self::Renewed,
            LineNews::Attached(_) | LineNews::Did { .. } => {}
        }
    }
}

/// What is told to others of whoever holds the queue.
pub const HELD_THE_QUEUE: &str = "held the queue";

/// A console that is attached to an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Whose, and where: `anna on pts/3`.
    pub who: String,
    /// It only looks.
    #[serde(default)]
    pub view: bool,
    /// It is the one that is told.
    #[serde(default)]
    pub own: bool,
}

/// The events of a recording up to a moment, as if it had been played from its beginning.
#[derive(Debug, Clone)]
pub struct Retold {
    events: Arc<Vec<Event>>,
    passed: usize,
}

impl Retold {
    /// The first `passed` of these events.
    pub fn new(events: Arc<Vec<Event>>, passed: usize) -> Self {
        let passed = passed.min(events.len());
        Self { events, passed }
    }

    /// Those of these events, which are in order of time, that have happened by then.
    pub fn until(events: Arc<Vec<Event>>, at: Mono) -> Self {
        let passed = events.partition_point(|event| event.mono <= at);
        Self::new(events, passed)
    }

    /// The events, oldest first.
    pub fn events(&self) -> &[Event] {
        &self.events[..self.passed]
    }

    /// Everything that is known after them.
    pub fn state(&self) -> State {
        let mut state = State::default();
        self.events().iter().for_each(|event| state.apply(event));
        state
    }
}

/// How a recording is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Playing {
    /// The time of its last event.
    pub length: Mono,
    /// 1 = as it was; infinite = at once.
    pub speed: f64,
    /// It stands still.
    pub paused: bool,
}

/// What front ends send to whoever drives the engine.
#[derive(Debug)]
pub enum Control {
    /// A front end is there and wants its snapshot.
    Attach(ClientId, Outbox),
    /// It asks.
    Request(ClientId, RequestId, Command),
    /// It has gone.
    Detach(ClientId),
}

/// A front end's end of the line. Dropping it detaches.
#[derive(Debug)]
pub struct Link {
    /// Requests to the engine.
    pub requests: Requests,
    /// Updates from it. Closed when the run is over.
    pub updates: Updates,
}

/// The engine's end of the updates of one front end.
#[derive(Debug, Clone)]
pub struct Outbox {
    updates: mpsc::UnboundedSender<Update>,
    sent: Cell<u64>,
    taken: Arc<AtomicU64>,
}

impl Outbox {
    /// Sends an update; false when the front end has gone.
    pub fn send(&self, update: Update) -> bool {
        self.sent.update(|sent| sent + 1);
        self.updates.send(update).is_ok()
    }

    /// How many updates the front end has taken so far, and how many it has not.
    pub fn standing(&self) -> (u64, u64) {
        let taken = self.taken.load(Ordering::Relaxed);
        (taken, self.sent.get() - taken)
    }
}

/// Does what brings updates, such as reading the line to an engine in another process, for as long as some may come.
pub type Carrier = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The front end's end of its updates.
pub struct Updates {
    inbox: mpsc::UnboundedReceiver<Update>,
    taken: Arc<AtomicU64>,
    /// Brings them within the task that waits for them; `None` = somebody else sends them.
    carrier: Option<Carrier>,
}

impl fmt::Debug for Updates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Updates").field("taken", &self.taken).finish_non_exhaustive()
    }
}

impl Updates {
    /// The next update; `None` when the run is over. May be given up while it waits, nothing is lost.
    pub async fn recv(&mut self) -> Option<Update> {
        let update = carrying(&mut self.carrier, self.inbox.recv()).await;
        self.taken.fetch_add(u64::from(update.is_some()), Ordering::Relaxed);
        update
    }

    /// Waits for something else, and lets requests and questions get to the engine meanwhile. Updates stay to be taken.
    pub async fn meanwhile<T>(&mut self, other: impl Future<Output = T>) -> T {
        carrying(&mut self.carrier, other).await
    }

    /// Gives away what brings them: whoever has it carries from now on.
    pub fn give_carrier(&mut self) -> Option<Carrier> {
        self.carrier.take()
    }

    /// As [`Updates::recv`], for a thread without an event loop. Somebody else has to carry.
    pub fn blocking_recv(&mut self) -> Option<Update> {
        let update = self.inbox.blocking_recv();
        self.taken.fetch_add(u64::from(update.is_some()), Ordering::Relaxed);
        update
    }

    /// An update that is there already.
    pub fn try_recv(&mut self) -> Result<Update, TryRecvError> {
        let update = self.inbox.try_recv()?;
        self.taken.fetch_add(1, Ordering::Relaxed);
        Ok(update)
    }

    /// Nothing waits to be taken.
    pub fn is_empty(&self) -> bool {
        self.inbox.is_empty()
    }
}

/// Waits for something, and carries meanwhile. What is there already is taken first: nothing is read ahead of who takes it.
async fn carrying<T>(carrier: &mut Option<Carrier>, wanted: impl Future<Output = T>) -> T {
    let mut wanted = pin!(wanted);
    poll_fn(|cx| {
        let there = wanted.as_mut().poll(cx);
        let Some(work) = carrier.as_mut().filter(|_| there.is_pending()) else { return there };
        if work.as_mut().poll(cx).is_ready() {
            *carrier = None;
        }
        wanted.as_mut().poll(cx)
    })
    .await
}

/// The way to the engine.
#[derive(Debug)]
pub struct Requests {
    client: ClientId,
    control: mpsc::UnboundedSender<Control>,
}

impl Link {
    /// Attaches a front end; its first update is a snapshot. Fails silently when the engine is gone: the updates end.
    pub fn attach(client: ClientId, control: mpsc::UnboundedSender<Control>) -> Self {
        let (sender, inbox) = mpsc::unbounded_channel();
        let taken = Arc::new(AtomicU64::new(0));
        let outbox = Outbox { updates: sender, sent: Cell::new(0), taken: Arc::clone(&taken) };
        let _ = control.send(Control::Attach(client, outbox));
        Self { requests: Requests { client, control }, updates: Updates { inbox, taken, carrier: None } }
    }

    /// The same link, where nobody else does what answers requests and sends updates: whoever waits for updates does it.
    #[must_use]
    pub fn carried_by(mut self, carrier: impl Future<Output = ()> + Send + 'static) -> Self {
        self.updates.carrier = Some(Box::pin(carrier));
        self
    }
}

impl Requests {
    /// Asks. Returns false when the engine is gone; then the updates have ended too.
    pub fn send(&self, id: RequestId, command: Command) -> bool {
        self.control.send(Control::Request(self.client, id, command)).is_ok()
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        let _ = self.control.send(Control::Detach(self.client));
    }
}
