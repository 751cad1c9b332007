//! Shows runs that others make to a front end, over the same line that an engine would use: one run after the other, each
//! beginning with a snapshot of nothing.
//!
//! Nothing is decided here: what would change a run is refused, and the end is wished for, not made.

use tokio::sync::mpsc;

use super::clock::Clock;
use super::hub::Hub;
use super::link::{Control, Link};
use crate::domain::command::{Answer, ClientId, Command, RequestId};
use crate::domain::event::{Event, EventKind, Seq};
use crate::domain::refusal::Refusal;
use crate::domain::state::State;

/// What the front end wants of whoever makes the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// End in order.
    End,
    /// Stand still: the terminal is about to stop us, once [`Relay::stopped`] tells that it is so.
    Stop,
    /// Go on after that.
    GoOn,
}

/// Tells one front end of runs.
#[derive(Debug)]
pub struct Relay {
    clock: Clock,
    state: State,
    hub: Hub,
    control: mpsc::UnboundedReceiver<Control>,
    /// Who waits for the runs to stand still.
    stopping: Vec<(ClientId, RequestId)>,
}

impl Relay {
    /// A relay, and the front end's end of its line.
    pub fn new() -> (Self, Link) {
        let (sender, control) = mpsc::unbounded_channel();
        let clock = Clock::start();
        let relay = Self { clock, state: nothing(clock), hub: Hub::default(), control, stopping: Vec::new() };
        (relay, Link::attach(ClientId(1), sender))
    }

    /// Another run begins.
    pub fn begin(&mut self) {
        self.state = nothing(self.clock);
        self.hub.send_snapshot(&self.state);
    }

    /// One fact of the run.
    pub fn emit(&mut self, event: &Event) {
        self.state.apply(event);
        self.hub.publish(event, &self.state, self.clock.now().mono);
    }

    /// The runs stand still.
    pub fn stopped(&mut self) {
        for (client, request) in std::mem::take(&mut self.stopping) {
            self.hub.reply(client, request, Ok(Answer::default()));
        }
    }

    /// Nothing will follow. `stays` = the front end may go on showing what it has; else it is told to end too.
    pub fn end(mut self, stays: bool) {
        if !stays && !self.state.shutting_down {
            let seq = Seq(self.state.seq.0 + 1);
            let last = Event { seq, at: self.state.wall, mono: self.state.now, kind: EventKind::ShutdownStarted };
            self.emit(&last);
        }
    }

    /// Waits for a request; everything else is answered. May be given up while it waits, nothing is lost.
    pub async fn next_request(&mut self) -> Request {
        loop {
            let Some(control) = self.control.recv().await else {
                // The front end has gone; the runs go on.
                return std::future::pending().await;
            };
            match control {
                Control::Attach(client, outbox) => self.hub.attach(client, outbox, &self.state, self.clock.now().mono),
                Control::Detach(client) => self.hub.detach(client),
                Control::Request(client, request, command) => {
                    let asked = match command {
                        Command::Shutdown => Some(Request::End),
                        Command::Suspend => Some(Request::Stop),
                        Command::Continue => Some(Request::GoOn),
                        _ => None,
                    };
                    let refusal =
                        || Refusal::Compared.because("this is a run of a comparison, which nobody changes on the way; q ends it");
                    if asked == Some(Request::Stop) {
                        self.stopping.push((client, request));
                    } else {
                        self.hub.reply(client, request, asked.map(|_| Answer::default()).ok_or_else(refusal));
                    }
                    if let Some(asked) = asked {
                        return asked;
                    }
                }
            }
        }
    }
}

/// What is known of a run before it has told anything: not even that nobody guards it.
fn nothing(clock: Clock) -> State {
    State { governor: true, wall: clock.now().wall, ..State::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::RunSummary;
    use crate::domain::time::{Mono, Wall};
    use crate::runtime::link::Update;

    fn event(seq: u64, kind: EventKind) -> Event {
        Event { seq: Seq(seq), at: Wall(0), mono: Mono::from_millis(seq), kind }
    }

    /// Serves what was asked so far; the requests among it.
    fn serve(relay: &mut Relay) -> Vec<Request> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a loop");
        let mut requests = Vec::new();
        runtime.block_on(async {
            loop {
                tokio::select! {
                    biased;
                    asked = relay.next_request() => requests.push(asked),
                    () = std::future::ready(()) => return,
                }
            }
        });
        requests
    }

    fn taken(link: &mut Link) -> Vec<Update> {
        std::iter::from_fn(|| link.updates.try_recv().ok()).collect()
    }

    /// Answers so far, with the reason where one is a refusal.
    fn replies(link: &mut Link) -> Vec<(u64, Option<String>)> {
        let told = taken(link).into_iter();
        told.filter_map(|update| match update {
            Update::Reply(id, reply) => Some((id.0, reply.err().map(|refused| refused.why))),
            _ => None,
        })
        .collect()
    }

    #[test]
    fn each_run_begins_with_a_snapshot_of_nothing_and_all_of_its_events_follow() {
        let (mut relay, mut link) = Relay::new();
        serve(&mut relay);
        for run in 0..2 {
            relay.begin();
            for seq in 1..=3 {
                relay.emit(&event(seq, EventKind::QueuePaused));
            }
            relay.emit(&event(4, EventKind::RunFinished(RunSummary::default())));
            let told = taken(&mut link);
            let first = told.iter().position(|update| matches!(update, Update::Event(_))).expect("events");
            assert!(
                matches!(&told[first - 1], Update::Snapshot(state) if state.seq == Seq(0) && state.governor),
                "run {run}: {told:?}"
            );
            assert_eq!(told.len() - first, 4, "run {run}");
        }
    }

    #[test]
    fn what_would_change_a_run_is_refused_and_the_end_is_wished_for() {
        let (mut relay, mut link) = Relay::new();
        link.requests.send(RequestId(1), Command::CleanNow);
        link.requests.send(RequestId(2), Command::Suspend);
        link.requests.send(RequestId(3), Command::Continue);
        link.requests.send(RequestId(4), Command::Shutdown);
        assert_eq!(serve(&mut relay), [Request::Stop, Request::GoOn, Request::End]);
        let replies = replies(&mut link);
        assert_eq!(replies.iter().map(|reply| reply.0).collect::<Vec<_>>(), [1, 3, 4]);
        assert!(replies[0].1.as_ref().is_some_and(|why| why.contains("comparison") && why.contains("q ends it")), "{replies:?}");
        assert!(replies[1..].iter().all(|(_, refusal)| refusal.is_none()), "{replies:?}");
    }

    #[test]
    fn who_wants_the_runs_to_stand_still_is_answered_when_they_do() {
        let (mut relay, mut link) = Relay::new();
        link.requests.send(RequestId(1), Command::Suspend);
        assert_eq!(serve(&mut relay), [Request::Stop]);
        assert_eq!(replies(&mut link), []);
        relay.stopped();
        assert_eq!(replies(&mut link), [(1, None)]);
        relay.stopped();
        assert_eq!(replies(&mut link), [], "once");
    }

    #[test]
    fn a_front_end_that_has_gone_is_not_missed() {
        let (mut relay, link) = Relay::new();
        drop(link);
        assert_eq!(serve(&mut relay), []);
        relay.begin();
        relay.emit(&event(1, EventKind::QueuePaused));
        assert!(relay.hub.is_empty());
    }

    #[test]
    fn at_the_end_a_front_end_stays_or_is_told_to_go() {
        for stays in [true, false] {
            let (mut relay, mut link) = Relay::new();
            serve(&mut relay);
            relay.begin();
            relay.end(stays);
            let told = taken(&mut link);
            let is_told =
                told.iter().any(|update| matches!(update, Update::Event(event) if event.kind == EventKind::ShutdownStarted));
            assert_eq!(is_told, !stays);
        }
    }
}
