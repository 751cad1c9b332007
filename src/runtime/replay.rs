//! Plays a recorded stream of events to front ends, over the same line that an engine would use: with pause, speed, and a
//! way back and forward in time.
//!
//! Nothing is run and nothing is decided: what a front end asks for is a matter of the playing, or refused.

use std::collections::BTreeSet;
use std::io::BufRead;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::clock::Clock;
use super::hub::Hub;
use super::link::{Control, Link, Playing, Retold};
use crate::domain::command::{Answer, ClientId, Command, MoveTo};
use crate::domain::event::{Event, EventKind};
use crate::domain::refusal::{Refusal, Rejection};
use crate::domain::state::State;
use crate::domain::time::Mono;

/// How far one step goes, back or forward.
const STEP: Duration = Duration::from_secs(10);
/// The slowest and the quickest playing.
const SPEEDS: (f64, f64) = (1.0 / 16.0, 256.0);
/// A line longer than this is no event.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// The events of one run, in their order. Their numbers may have gaps: what was thinned out is not there.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    pub events: Vec<Event>,
    /// Lines that are none: of a later version, or damaged.
    pub unreadable: usize,
    /// Its lines say which run of a comparison they are of.
    pub is_of_comparison: bool,
}

impl Recording {
    /// Reads JSON lines as `run --json` writes them. Of a comparison's stream, whose lines say which run they are of, the run
    /// with this number is taken; `None` there = the first that comes.
    pub fn read(lines: impl BufRead, run: Option<u64>) -> std::io::Result<Self> {
        let mut recording = Self::default();
        let (mut lines, mut line, mut wanted) = (lines, Vec::new(), run);
        loop {
            line.clear();
            if std::io::Read::take(&mut lines, LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
                // Whatever became of the file on its way: time goes forward.
                recording.events.sort_by_key(|event| (event.seq, event.mono));
                return Ok(recording);
            }
            if line.trim_ascii().is_empty() {
                continue;
            }
            let Ok(mut value) = serde_json::from_slice::<Value>(&line) else {
                recording.unreadable += 1;
                continue;
            };
            // A number under that name is a field of an event, as of `comparison_run`.
            let tag = value.get("run").filter(|tag| tag.is_object()).cloned();
            if let Some(tag) = &tag {
                recording.is_of_comparison = true;
                let number = tag["number"].as_u64().unwrap_or(1);
                if number != *wanted.get_or_insert(number) {
                    continue;
                }
                // The comparison counts on over its runs; the run itself began with 1.
                value["seq"] = tag["seq"].clone();
            }
            match serde_json::from_value::<Event>(value) {
                Ok(event) => recording.events.push(event),
                // What the comparison says of itself is no event of the run.
                Err(_) if tag.is_some() => {}
                Err(_) => recording.unreadable += 1,
            }
        }
    }

    /// The run began before the first of these: there is something of jobs that were never queued.
    pub fn begins_late(&self) -> bool {
        let mut known = BTreeSet::new();
        let is_new = |event: &Event| match &event.kind {
            EventKind::JobQueued { job, .. } => {
                known.insert(*job);
                false
            }
            kind => kind.job().is_some_and(|job| !known.contains(&job)),
        };
        !matches!(self.events.first(), Some(Event { kind: EventKind::RunStarted { .. }, .. })) || self.events.iter().any(is_new)
    }

    /// When the last event came.
    pub fn length(&self) -> Mono {
        self.events.last().map_or(Mono::START, |event| event.mono)
    }
}

/// Plays a recording.
#[derive(Debug)]
pub struct Player {
    events: Arc<Vec<Event>>,
    length: Mono,
    clock: Clock,
    /// What was told so far.
    state: State,
    next: usize,
    /// The time of the recording at `since`, by our clock.
    at: Mono,
    since: Mono,
    speed: f64,
    paused: bool,
    hub: Hub,
    control: mpsc::UnboundedReceiver<Control>,
}

/// Attaches front ends to a player, as to an engine.
#[derive(Debug, Clone)]
pub struct Stalls {
    control: mpsc::UnboundedSender<Control>,
}

impl Stalls {
    /// A front end's end of the line.
    pub fn attach(&self, client: ClientId) -> Link {
        Link::attach(client, self.control.clone())
    }
}

impl Player {
    /// Ready to play from the beginning. A speed of 1 is as it was; without end = at once.
    pub fn new(recording: Recording, speed: f64) -> (Self, Stalls) {
        let (sender, control) = mpsc::unbounded_channel();
        let player = Self {
            length: recording.length(),
            events: Arc::new(recording.events),
            clock: Clock::start(),
            state: State::default(),
            next: 0,
            at: Mono::START,
            since: Mono::START,
            speed,
            paused: false,
            hub: Hub::default(),
            control,
        };
        (player, Stalls { control: sender })
    }

    /// Plays until every front end has gone, or one asks to end. At the end of the recording it waits for what is asked.
    /// `alone`: nobody watches for pleasure, so it ends with the recording.
    pub async fn play(mut self, alone: bool) {
        // Whoever attached before the start sees it from the first event.
        while let Ok(control) = self.control.try_recv() {
            if !self.obey(control) {
                return;
            }
        }
        self.since = self.clock.now().mono;
        loop {
            self.publish_due();
            if alone && self.next == self.events.len() {
                return;
            }
            let due = self.next_due().map(|due| self.clock.instant_of(due));
            let timer = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                control = self.control.recv() => {
                    if !control.is_some_and(|control| self.obey(control)) {
                        return;
                    }
                }
                () = timer => {}
            }
        }
    }

    /// The time of the recording now.
    fn position(&self) -> Mono {
        if self.paused {
            return self.at;
        }
        if self.speed.is_infinite() {
            return self.length;
        }
        (self.at + self.clock.now().mono.since(self.since).mul_f64(self.speed)).min(self.length)
    }

    /// When the next event is due, by our clock; `None` = not by itself.
    fn next_due(&self) -> Option<Mono> {
        let next = self.events.get(self.next).filter(|_| !self.paused && self.speed.is_finite())?;
        Some(self.since + next.mono.since(self.at).div_f64(self.speed))
    }

    fn publish_due(&mut self) {
        let position = self.position();
        while let Some(event) = self.events.get(self.next).filter(|event| event.mono <= position) {
            self.state.apply(event);
            self.next += 1;
            self.hub.publish(event, &self.state, self.clock.now().mono);
        }
    }

    /// From here on with another speed, or standing still.
    fn go_on(&mut self, speed: f64, paused: bool) {
        self.at = self.position();
        self.since = self.clock.now().mono;
        (self.speed, self.paused) = (speed, paused);
        self.hub.send_playing(self.playing());
    }

    fn playing(&self) -> Playing {
        Playing { length: self.length, speed: self.speed, paused: self.paused }
    }

    /// To another time: everybody gets all that has led there, as if it had been played.
    fn seek(&mut self, to: Mono) {
        self.at = to.min(self.length);
        self.since = self.clock.now().mono;
        let retold = Retold::until(Arc::clone(&self.events), self.at);
        (self.next, self.state) = (retold.events().len(), retold.state());
        self.hub.send_retold(&retold);
    }

    /// Does what a front end asks; false when it asks to end, or the last one has gone.
    fn obey(&mut self, control: Control) -> bool {
        match control {
            Control::Attach(client, updates) => {
                self.hub.attach(client, updates, &self.state, self.clock.now().mono);
                self.hub.send_playing(self.playing());
                true
            }
            Control::Detach(client) => {
                self.hub.detach(client);
                !self.hub.is_empty()
            }
            Control::Request(client, request, command) => {
                let goes_on = command != Command::Shutdown;
                let answer = self.answer(&command);
                self.hub.reply(client, request, answer.map(|()| Answer::default()));
                if !goes_on {
                    self.end();
                }
                goes_on
            }
        }
    }

    fn answer(&mut self, command: &Command) -> Result<(), Rejection> {
        let position = self.position();
        match command {
            Command::Pause | Command::Resume | Command::PauseJob(_) | Command::ResumeJob(_) => {
                self.go_on(self.speed, !self.paused);
            }
            Command::Move(_, MoveTo::Sooner) => self.go_on((self.speed * 2.0).min(SPEEDS.1), self.paused),
            Command::Move(_, MoveTo::Later) => self.go_on((self.speed / 2.0).max(SPEEDS.0), self.paused),
            Command::Move(_, MoveTo::First) => self.seek(position - STEP),
            Command::Move(_, MoveTo::Last) => self.seek(position + STEP),
            // Ctrl-Z: nothing of ours has to be stopped.
            Command::Suspend | Command::Continue | Command::Drain | Command::Undrain | Command::Shutdown => return Ok(()),
            _ => {
                let words = "hold and pause stand still, sooner and later change the speed, first and last go 10 s";
                return Err(Refusal::Replay.because(format!("this is a replay, nothing is run: {words}")));
            }
        }
        // Told in the one way that is shown: there is no event for it, since none was recorded.
        let state = if self.paused { "stands still".to_owned() } else { format!("plays at {}x", self.speed) };
        let seconds = |time: Mono| time.0.as_secs();
        Err(Refusal::Replay.because(format!("the replay {state}, {} of {} s", seconds(self.at), seconds(self.length))))
    }

    /// A console that was asked to quit waits for the end of the run.
    fn end(&mut self) {
        let last = self.events.iter().rev().find(|event| matches!(event.kind, EventKind::RunFinished(_)));
        if let Some(last) = last.filter(|_| self.next < self.events.len()) {
            self.state.apply(last);
            self.hub.publish(last, &self.state, self.clock.now().mono);
        }
    }
}
