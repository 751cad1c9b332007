//! The loop that joins the engine to a host: inputs in, effects out. It never waits for the disk or for a front end.
#![allow(clippy::disallowed_methods)] // bounds a wait

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::clock::Clock;
use super::hub::{Attacher, Hub};
use super::link::Control;
use crate::domain::event::{EventKind, RunSummary};
use crate::domain::time::Now;
use crate::engine::port::{Effect, Host, Input};
use crate::engine::{Engine, EngineConfig};

/// Visitors wait for the queue so long at most: a disk may hang.
const QUEUE_IS_READ_WITHIN: Duration = Duration::from_secs(10);

/// An engine with a host, ready to run.
#[derive(Debug)]
pub struct Driver<H> {
    engine: Engine,
    host: H,
    hub: Hub,
    clock: Clock,
    inputs: mpsc::UnboundedReceiver<Input>,
    control: mpsc::UnboundedReceiver<Control>,
    visits: mpsc::UnboundedReceiver<Control>,
    /// Kept so that the lines to front ends stay open while nobody is attached.
    attacher: Attacher,
    visitors: Attacher,
    skipped: u64,
}

/// What is left of a run that is over.
#[derive(Debug)]
pub struct Ended<H> {
    /// The host, to be closed.
    pub host: H,
    /// The figures of the run.
    pub summary: Option<RunSummary>,
    /// Paths that could not be taken.
    pub skipped: u64,
}

impl<H: Host> Driver<H> {
    /// Joins an engine to a host that sends its results through `inputs`.
    pub fn new(config: EngineConfig, host: H, inputs: mpsc::UnboundedReceiver<Input>, clock: Clock) -> Self {
        let (control_sender, control) = mpsc::unbounded_channel();
        let (visit_sender, visits) = mpsc::unbounded_channel();
        let last_client = Arc::new(AtomicU64::new(0));
        let attacher = Attacher { control: control_sender, last_client: Arc::clone(&last_client) };
        let visitors = Attacher { control: visit_sender, last_client };
        let (engine, hub) = (Engine::new(config), Hub::default());
        Self { engine, host, hub, clock, inputs, control, visits, attacher, visitors, skipped: 0 }
    }

    /// Attaches the front ends of the run itself: those that are there before it begins are told everything.
    pub fn attacher(&self) -> Attacher {
        self.attacher.clone()
    }

    /// Attaches those who come from outside, whenever they come. They wait until the queue is read: before that they would be
    /// shown an empty one, and might take it for one that is done.
    pub fn visitors(&self) -> Attacher {
        self.visitors.clone()
    }

    /// Runs until the engine says that the run is over.
    pub async fn run(mut self) -> Ended<H> {
        // Front ends that attached before the start see it from the first event; what they ask comes after it.
        let mut asked = Vec::new();
        while let Ok(control) = self.control.try_recv() {
            match control {
                Control::Attach(..) => self.control(control),
                Control::Request(..) | Control::Detach(_) => asked.push(control),
            }
        }
        self.step(Engine::start);
        for control in asked {
            self.control(control);
        }
        let (mut is_read, latest) = (false, Instant::now() + QUEUE_IS_READ_WITHIN);
        while !self.engine.is_over() {
            let wake = self.engine.wake_at().map(|at| self.clock.instant_of(at));
            let timer = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(input) = self.inputs.recv() => {
                    // Trouble is shown to whoever looks for it.
                    is_read |= matches!(input, Input::Paged(_) | Input::Fault { .. });
                    self.step(|engine, now| engine.step(now, input));
                }
                Some(control) = self.control.recv() => self.control(control),
                Some(control) = self.visits.recv(), if is_read => self.control(control),
                () = tokio::time::sleep_until(latest), if !is_read => is_read = true,
                () = timer => self.step(|engine, now| engine.step(now, Input::Wake)),
            }
        }
        Ended { summary: self.engine.state().summary.clone(), skipped: self.skipped, host: self.host }
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::Attach(client, updates) => self.hub.attach(client, updates, self.engine.state(), self.clock.now().mono),
            Control::Request(client, request, command) => {
                self.step(|engine, now| engine.step(now, Input::Command(client, request, command)));
            }
            Control::Detach(client) => self.hub.detach(client),
        }
    }

    /// Carries out what the engine decides.
    fn step(&mut self, decide: impl FnOnce(&mut Engine, Now) -> Vec<Effect>) {
        let effects = decide(&mut self.engine, self.clock.now());
        let now = self.clock.now().mono;
        for effect in effects {
            match effect {
                Effect::Publish(event) => {
                    self.skipped += u64::from(matches!(event.kind, EventKind::InputSkipped { .. }));
                    self.host.on_event(&event);
                    self.hub.publish(&event, self.engine.state(), now);
                }
                Effect::Reply(client, request, result) => self.hub.reply(client, request, result),
                Effect::Exit => {}
                other => self.host.perform(other),
            }
        }
    }
}
