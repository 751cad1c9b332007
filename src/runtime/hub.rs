//! The fan-out: every attached front end gets a snapshot and then every event after it, taken at one point of the order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::link::{Control, Link, Outbox, Playing, Retold, Update};
use crate::domain::command::{Answer, ClientId, RequestId};
use crate::domain::event::{Event, EventKind, Seq};
use crate::domain::refusal::Rejection;
use crate::domain::state::State;
use crate::domain::time::Mono;

/// Unread updates of a front end that does not read any more; what follows is not kept for it.
const MOST_UNREAD: u64 = 4096;
/// One that has taken nothing for so long does not read. A burst alone, however large, is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The attached front ends.
#[derive(Debug, Default)]
pub(super) struct Hub {
    clients: BTreeMap<ClientId, Client>,
}

#[derive(Debug)]
struct Client {
    outbox: Outbox,
    /// How many it had taken when it was last seen to take one, and when that was.
    seen: (u64, Mono),
    /// It has not been told everything: the next that it gets is a snapshot.
    missed: bool,
    /// What its last snapshot holds already.
    knows: Seq,
}

impl Client {
    fn publish(&mut self, event: &Event, state: &State, now: Mono) -> bool {
        let (taken, unread) = self.outbox.standing();
        if taken != self.seen.0 || unread == 0 {
            self.seen = (taken, now);
        }
        self.missed |= unread >= MOST_UNREAD && now.since(self.seen.1) >= PATIENCE;
        // The end of the run is told to everybody: whoever reads on later must find it.
        let is_last = matches!(event.kind, EventKind::RunFinished(_));
        if self.missed && (unread == 0 || is_last) {
            (self.missed, self.knows) = (false, state.seq);
            return self.outbox.send(Update::Snapshot(Box::new(state.clone())));
        }
        self.missed || event.seq <= self.knows || self.outbox.send(Update::Event(Box::new(event.clone())))
    }
}

impl Hub {
    pub(super) fn attach(&mut self, client: ClientId, outbox: Outbox, state: &State, now: Mono) {
        let joined = Client { outbox, seen: (0, now), missed: false, knows: state.seq };
        if joined.outbox.send(Update::Snapshot(Box::new(state.clone()))) {
            self.clients.insert(client, joined);
        }
    }

    pub(super) fn detach(&mut self, client: ClientId) {
        self.clients.remove(&client);
    }

    /// Tells everybody of an event, which `state` holds already.
    pub(super) fn publish(&mut self, event: &Event, state: &State, now: Mono) {
        self.clients.retain(|_, client| client.publish(event, state, now));
    }

    /// Tells everybody all that is known now: what was told before does not lead there.
    pub(super) fn send_snapshot(&mut self, state: &State) {
        self.replace(state.seq, || Update::Snapshot(Box::new(state.clone())));
    }

    /// Tells everybody all that has led to another time of a recording.
    pub(super) fn send_retold(&mut self, retold: &Retold) {
        let knows = retold.events().last().map_or(Seq(0), |event| event.seq);
        self.replace(knows, || Update::Retold(retold.clone()));
    }

    /// Tells everybody what takes the place of all that was told, and holds every event up to `knows`.
    fn replace(&mut self, knows: Seq, update: impl Fn() -> Update) {
        self.clients.retain(|_, client| {
            (client.knows, client.missed) = (knows, false);
            client.outbox.send(update())
        });
    }

    /// Tells everybody how a recording is played from now on.
    pub(super) fn send_playing(&mut self, playing: Playing) {
        self.clients.retain(|_, client| client.outbox.send(Update::Playing(playing)));
    }

    /// Nobody is attached.
    pub(super) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    pub(super) fn reply(&mut self, client: ClientId, request: RequestId, result: Result<Answer, Rejection>) {
        if let Some(client) = self.clients.get_mut(&client) {
            // A front end that has gone does not miss its answer.
            client.outbox.send(Update::Reply(request, result));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::RunSummary;
    use crate::domain::time::Wall;

    struct Rig {
        hub: Hub,
        state: State,
        link: Link,
        at: Mono,
    }

    impl Rig {
        fn new() -> Self {
            let (control, mut asked) = mpsc::unbounded_channel();
            let link = Link::attach(ClientId(1), control);
            let Ok(Control::Attach(client, outbox)) = asked.try_recv() else { panic!("it attaches itself") };
            let (mut hub, state) = (Hub::default(), State::default());
            hub.attach(client, outbox, &state, Mono::START);
            Self { hub, state, link, at: Mono::START }
        }

        fn publish(&mut self, kind: EventKind) {
            let event = Event { seq: Seq(self.state.seq.0 + 1), at: Wall(0), mono: self.at, kind };
            self.state.apply(&event);
            self.hub.publish(&event, &self.state, self.at);
        }

        /// As many events as that, one each 100 ms.
        fn many(&mut self, count: u64) {
            for number in 0..count {
                self.at = self.at + Duration::from_millis(100);
                self.publish(if number % 2 == 0 { EventKind::QueuePaused } else { EventKind::QueueResumed });
            }
        }

        /// Reads all there is; how many events, and the state that follows from it.
        fn read(&mut self) -> (usize, usize, Option<State>) {
            let (mut events, mut snapshots, mut known) = (0, 0, None::<State>);
            while let Ok(update) = self.link.updates.try_recv() {
                match update {
                    Update::Snapshot(state) => {
                        snapshots += 1;
                        known = Some(*state);
                    }
                    Update::Event(event) => {
                        events += 1;
                        if let Some(known) = &mut known {
                            assert!(event.seq > known.seq, "none twice");
                            known.apply(&event);
                        }
                    }
                    Update::Reply(..) | Update::Playing(_) | Update::Retold(_) | Update::Line(_) => {}
                }
            }
            (events, snapshots, known)
        }
    }

    #[test]
    fn a_front_end_that_reads_gets_every_event_however_many_come_at_once() {
        let mut rig = Rig::new();
        for _ in 0..50_000 {
            rig.publish(EventKind::QueuePaused);
        }
        let (events, snapshots, known) = rig.read();
        assert_eq!((events, snapshots), (50_000, 1));
        assert_eq!(known.map(|state| state.seq), Some(rig.state.seq));
    }

    #[test]
    fn one_that_hangs_holds_a_bounded_number_and_gets_a_new_snapshot_when_it_reads_again() {
        let mut rig = Rig::new();
        rig.many(100_000);
        let (events, snapshots, known) = rig.read();
        assert!((events as u64) <= MOST_UNREAD && snapshots == 1, "{events} events, {snapshots} snapshots");
        assert!(known.is_some_and(|known| known.seq < rig.state.seq));
        rig.many(3);
        let (events, snapshots, known) = rig.read();
        assert_eq!((events, snapshots), (2, 1));
        let known = known.expect("a snapshot");
        assert_eq!((known.seq, known.paused), (rig.state.seq, rig.state.paused));
    }

    #[test]
    fn one_that_hangs_to_the_end_finds_how_it_ended() {
        let mut rig = Rig::new();
        rig.many(100_000);
        rig.publish(EventKind::RunFinished(RunSummary::default()));
        let (events, snapshots, known) = rig.read();
        assert!((events as u64) <= MOST_UNREAD + 1 && snapshots == 2, "{events}, {snapshots}");
        assert!(known.is_some_and(|known| known.summary.is_some()));
    }
}
