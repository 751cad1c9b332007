//! The fan-out: every attached front end gets a snapshot and then every event after it, taken at one point of the order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::link::{Control, Link, Update};
use crate::domain::command::{ClientId, Rejection, RequestId};
use crate::domain::event::Event;
use crate::domain::state::State;

/// The attached front ends.
#[derive(Debug, Default)]
pub(super) struct Hub {
    clients: BTreeMap<ClientId, mpsc::UnboundedSender<Update>>,
}

impl Hub {
    pub(super) fn attach(&mut self, client: ClientId, updates: mpsc::UnboundedSender<Update>, state: &State) {
        if updates.send(Update::Snapshot(Box::new(state.clone()))).is_ok() {
            self.clients.insert(client, updates);
        }
    }

    pub(super) fn detach(&mut self, client: ClientId) {
        self.clients.remove(&client);
    }

    pub(super) fn publish(&mut self, event: &Event) {
        self.clients.retain(|_, updates| updates.send(Update::Event(Box::new(event.clone()))).is_ok());
    }

    pub(super) fn reply(&mut self, client: ClientId, request: RequestId, result: Result<(), Rejection>) {
        if let Some(updates) = self.clients.get(&client) {
            // A front end that has gone does not miss its answer.
            let _ = updates.send(Update::Reply(request, result));
        }
    }
}

/// Attaches front ends to a running engine, from any thread.
#[derive(Debug, Clone)]
pub struct Attacher {
    pub(super) control: mpsc::UnboundedSender<Control>,
    pub(super) last_client: Arc<AtomicU64>,
}

impl Attacher {
    /// A new line to the engine; its first update is a snapshot.
    pub fn attach(&self) -> Link {
        let client = ClientId(1 + self.last_client.fetch_add(1, Ordering::Relaxed));
        Link::attach(client, self.control.clone())
    }
}
