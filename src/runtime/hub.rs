//! The fan-out: every attached front end gets a snapshot and then every event after it, taken at one point of the order.

use std::collections::BTreeMap;

use tokio::sync::mpsc;

use super::link::{Link, Update};
use crate::domain::command::{ClientId, Command, Rejection, RequestId};
use crate::domain::event::Event;
use crate::domain::state::State;

/// What front ends send to the driver.
#[derive(Debug)]
pub(super) enum Control {
    Attach(ClientId, mpsc::UnboundedSender<Update>),
    Request(ClientId, RequestId, Command),
    Detach(ClientId),
}

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
    pub(super) last_client: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Attacher {
    /// A new line to the engine; its first update is a snapshot. Must be called within a tokio runtime, which carries
    /// the requests.
    pub fn attach(&self) -> Link {
        let client = ClientId(1 + self.last_client.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        let (update_sender, updates) = mpsc::unbounded_channel();
        let (requests, mut asked) = mpsc::unbounded_channel::<(RequestId, Command)>();
        let control = self.control.clone();
        // When the engine is gone the updates end, which tells the front end.
        let _ = control.send(Control::Attach(client, update_sender));
        tokio::spawn(async move {
            while let Some((request, command)) = asked.recv().await {
                if control.send(Control::Request(client, request, command)).is_err() {
                    return;
                }
            }
            let _ = control.send(Control::Detach(client));
        });
        Link { requests, updates }
    }
}
