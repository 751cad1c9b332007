//! The line between a front end and the engine: requests go one way, one ordered stream of updates comes back.

use tokio::sync::mpsc;

use crate::domain::command::{Command, Rejection, RequestId};
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

/// A front end's end of the line. Dropping it detaches.
#[derive(Debug)]
pub struct Link {
    /// Requests to the engine.
    pub requests: mpsc::UnboundedSender<(RequestId, Command)>,
    /// Updates from it. Closed when the run is over.
    pub updates: mpsc::UnboundedReceiver<Update>,
}
