//! The same engine against a modelled world in virtual time: no process, no file, no clock; the same seed gives the same run.

#[cfg(test)]
pub mod fixture;
pub mod fleet;
pub mod fleet_forecast;
pub mod forecast;
#[cfg(test)]
mod traffic;
pub mod world;

use std::time::Duration;

use crate::domain::command::{Answer, ClientId, Command, RequestId};
use crate::domain::event::Event;
use crate::domain::job::{JobId, Phase};
use crate::domain::memory::Level;
use crate::domain::refusal::Rejection;
use crate::domain::state::State;
use crate::domain::time::{Mono, Now, Wall};
use crate::engine::port::{Effect, Host as _, Input};
use crate::engine::{Engine, EngineConfig};

use world::{SimJob, World};

/// 2026-01-01T00:00:00Z: where virtual wall clocks begin.
const EPOCH: i64 = 1_767_225_600_000;

/// One run of the engine in the modelled world.
pub struct Sim {
    pub engine: Engine,
    /// The world that carries out its orders.
    pub world: World,
    /// Every event, in order; none where nobody wants them.
    pub events: Vec<Event>,
    /// Events are kept.
    pub keeps_events: bool,
    /// Every answer to a request.
    pub replies: Vec<(RequestId, Result<Answer, Rejection>)>,
    requests: u64,
    now: Mono,
}

/// Why a simulated run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The engine said so.
    Over,
    /// The virtual time given was used up.
    OutOfTime,
}

impl Sim {
    /// A run at its start, with the jobs that scans will find.
    pub fn new(config: EngineConfig, jobs: Vec<SimJob>) -> Self {
        let mut sim = Self {
            engine: Engine::new(config),
            world: World::new(jobs),
            events: Vec::new(),
            keeps_events: true,
            replies: Vec::new(),
            requests: 0,
            now: Mono::START,
        };
        let effects = sim.engine.start(now(Mono::START));
        sim.carry_out(effects);
        sim
    }

    /// The virtual time.
    pub fn now(&self) -> Mono {
        self.now
    }

    /// Asks something, now.
    pub fn ask(&mut self, command: Command) -> RequestId {
        self.requests += 1;
        let request = RequestId(self.requests);
        self.give(Input::Command(ClientId(1), request, command));
        request
    }

    /// Queues every job of the world in one request.
    pub fn enqueue_all(&mut self) {
        let paths = self.world.paths();
        self.ask(Command::enqueue(paths, None));
    }

    /// Lets virtual time pass until `until` or until the run is over.
    pub fn run_until(&mut self, until: Mono) -> End {
        while !self.engine.is_over() {
            let Some(next) = self.next_at().filter(|next| *next <= until) else {
                self.now = self.now.max(until);
                return End::OutOfTime;
            };
            self.step_to(next);
        }
        End::Over
    }

    /// When something happens next by itself.
    pub fn next_at(&self) -> Option<Mono> {
        self.engine.wake_at().into_iter().chain(self.world.next_at()).min()
    }

    /// What happens next by itself.
    pub fn step(&mut self) {
        if let Some(next) = self.next_at() {
            self.step_to(next);
        }
    }

    fn step_to(&mut self, next: Mono) {
        self.now = self.now.max(next);
        match self.world.take(self.now) {
            Some(input) => self.give(input),
            None if self.engine.wake_at().is_some_and(|wake| wake <= self.now) => self.give(Input::Wake),
            None => {}
        }
    }

    /// It is this late by now, whether something has happened here or not.
    pub fn set_now(&mut self, now: Mono) {
        self.now = self.now.max(now);
    }

    /// Lets this much virtual time pass.
    pub fn run_for(&mut self, time: Duration) -> End {
        self.run_until(self.now + time)
    }

    fn give(&mut self, input: Input) {
        let is_wake = matches!(input, Input::Wake);
        let effects = self.engine.step(now(self.now), input);
        // What follows from time alone wants to be looked at as much as what the world tells; and so does memory that a job waits
        // for, when the engine has not seen it for long.
        let is_news = is_wake && (!effects.is_empty() || self.engine.state().held.is_some());
        self.carry_out(effects);
        if self.world.sparing {
            self.world.watch(is_news, needs_samples(self.engine.state()));
        }
    }

    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Publish(event) if self.keeps_events => self.events.push(event),
                Effect::Publish(_) => {}
                Effect::Reply(_, request, result) => self.replies.push((request, result)),
                Effect::Exit => {}
                other => {
                    self.world.set_now(self.now);
                    self.world.perform(other);
                }
            }
        }
    }
}

/// Something is decided by how memory goes on, though nothing happens.
fn needs_samples(state: &State) -> bool {
    let is_stopped = |id: &JobId| matches!(state.jobs.get(id).map(|job| &job.phase), Some(Phase::Running { for_memory: true, .. }));
    state.memory.level != Level::Normal || state.index.active.iter().any(is_stopped)
}

fn now(mono: Mono) -> Now {
    Now { mono, wall: Wall(EPOCH + mono.as_millis() as i64) }
}
