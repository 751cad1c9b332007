//! The line between a front end and the engine: requests go one way, one ordered stream of updates comes back.

use tokio::sync::mpsc;

pub use super::lookup::{Checkup, Examine, Finding, FindingStatus, Lookup, ReadLog, SettingInForce};

use crate::domain::command::{ClientId, Command, Rejection, RequestId};
use crate::domain::event::Event;
use crate::domain::state::State;

/// What a front end receives. A snapshot comes first, then every event after it, none missing, none twice.
#[derive(Debug, Clone)]
pub enum Update {
    /// Everything that is known at this point of the event order.
    Snapshot(Box<State>),
    /// One fact more.
    Event(Box<Event>),
    /// The answer to a request: taken, or refused with the reason.
    Reply(RequestId, Result<(), Rejection>),
}

/// What front ends send to whoever drives the engine.
#[derive(Debug)]
pub enum Control {
    /// A front end is there and wants its snapshot.
    Attach(ClientId, mpsc::UnboundedSender<Update>),
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
    pub updates: mpsc::UnboundedReceiver<Update>,
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
        let (sender, updates) = mpsc::unbounded_channel();
        let _ = control.send(Control::Attach(client, sender));
        Self { requests: Requests { client, control }, updates }
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
