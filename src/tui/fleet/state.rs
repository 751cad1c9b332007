//! What the fleet console shows, and where the operator is in it.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::domain::fleet::{FleetCounts, FleetEvent, FleetJob, FleetWorker};
use crate::domain::text::sanitise;
use crate::domain::time::Wall;

/// The smallest screen that has panes.
pub const LEAST: (u16, u16) = (50, 14);
/// A queue that has said nothing for so many seconds, although it was not said to be away, is told to be silent.
const SILENT: u64 = 5;
/// Seconds for which a note stands in the last line.
const NOTE: u8 = 8;
/// Rows that a page key moves.
const PAGE: isize = 10;

/// What the queue told at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// How many jobs are in which state.
    pub counts: FleetCounts,
    pub workers: Vec<FleetWorker>,
    /// The foremost jobs: those at work, those that wait, those that ended last.
    pub jobs: Vec<FleetJob>,
    /// The latest events, the latest last.
    pub events: Vec<FleetEvent>,
    /// When that was, by the clock of this machine.
    pub as_of: Wall,
}

/// A part of the screen that can have the keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pane {
    #[default]
    Workers,
    Queue,
    Events,
}

impl Pane {
    /// In the order of the screen.
    pub const ALL: [Self; 3] = [Self::Workers, Self::Queue, Self::Events];

    /// The pane so many places further, round and round.
    #[must_use]
    pub const fn next(self, by: usize) -> Self {
        Self::ALL[(self as usize + by) % Self::ALL.len()]
    }
}

/// How the line to the queue stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Connection {
    /// Nothing has been told yet.
    #[default]
    Opening,
    /// The queue answers.
    Open,
    /// It does not, for this reason; it is asked again after that time.
    Away {
        /// In words.
        why: String,
        /// The time that is left.
        again_in: Duration,
    },
}

/// Somebody's console that is to be opened in place of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// The box, as the fleet names it.
    pub r#box: String,
    /// Its machine, if that is another one than this.
    pub host: Option<String>,
    /// The state folder of its worker.
    pub state_dir: String,
}

/// What is asked before it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Cancel this job?
    Cancel(i64),
    /// Run this job again?
    Retry(i64),
    /// Open the console of another machine over ssh?
    Visit(Visit),
}

/// What lies over the screen.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Over {
    /// Nothing.
    #[default]
    Nothing,
    /// The keys.
    Help,
    Ask(Question),
    /// The events and the log of a job.
    Job(JobPage),
    /// A text that was too long for the last line: its title and its lines.
    Text(String, Vec<String>),
}

/// Events and log of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPage {
    pub job: i64,
    /// What was found of it, or why nothing was; `None` = it is being looked up.
    pub found: Option<Result<JobRecord, String>>,
    /// Lines above the first one that is seen.
    pub top: usize,
    /// Lines that there are, and that are seen at once, as they were drawn last.
    pub extent: Cell<(usize, usize)>,
}

/// What the queue has of a job beside its row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobRecord {
    /// What happened to it, the latest last.
    pub events: Vec<FleetEvent>,
    /// The end of the log of its last try.
    pub log: Vec<String>,
}

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something is under way.
    Asked,
    /// Something was done.
    Done,
    /// Something was not.
    Refused,
}

/// What the operator wants of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// End this job for good.
    Cancel(i64),
    /// Run this ended job again.
    Retry(i64),
    /// Let the worker of this name take nothing more, or jobs again.
    Drain {
        worker: String,
        /// Its box, for people.
        r#box: String,
        /// Nothing more.
        drained: bool,
    },
    /// Read the events and the log of this job.
    LookUp(i64),
}

/// What keys ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask the queue.
    Ask(Ask),
    /// Open that console in place of this one, and come back.
    Visit(Visit),
    /// Draw everything again.
    Redraw,
    /// Stop this process as Ctrl-Z does.
    Suspend,
    /// Leave.
    Leave,
}

/// The state of the screen.
#[derive(Debug)]
pub struct Board {
    /// Where the queue is, without a password.
    pub address: String,
    /// This machine's name: the workers that have it can be opened without ssh.
    pub here: String,
    /// The zone in which times are shown.
    pub zone: TimeZone,
    /// What was told last.
    pub facts: Facts,
    /// How the line stands.
    pub connection: Connection,
    /// Who has the keys.
    pub focus: Pane,
    /// Only that one is shown.
    pub zoomed: bool,
    /// What lies over the screen.
    pub over: Over,
    /// What the demonstration tells, below the head; `None` = this is a real fleet, which goes on without the console.
    pub story: Option<String>,
    /// What was done or refused, in words.
    pub note: Option<(Tone, String)>,
    note_left: u8,
    /// Seconds since something was told.
    silent: u64,
    worker: Option<String>,
    job: Option<i64>,
    /// The operator was in the queue's pane: until then its first row is the selected one, whichever that is.
    was_in_queue: bool,
    /// Events below the last one that is seen.
    events_below: usize,
    /// Rows of events, as they were drawn last.
    pub event_rows: Cell<usize>,
    /// Nothing but the head had room when it was drawn last: what keys act on is not seen.
    pub is_tiny: Cell<bool>,
    /// Rows above the first one that is seen, of workers and of jobs, as they were drawn last.
    pub above: [Cell<usize>; 2],
}

impl Board {
    /// A board on the queue at this address, looked at from the machine of this name.
    pub fn new(address: String, here: String, zone: TimeZone) -> Self {
        Self {
            address,
            here,
            zone,
            facts: Facts::default(),
            connection: Connection::default(),
            focus: Pane::default(),
            zoomed: false,
            over: Over::default(),
            story: None,
            note: None,
            note_left: 0,
            silent: 0,
            worker: None,
            job: None,
            was_in_queue: false,
            events_below: 0,
            event_rows: Cell::new(1),
            is_tiny: Cell::new(false),
            above: [Cell::new(0), Cell::new(0)],
        }
    }

    /// Takes over what the queue tells; what has to be asked for now.
    pub fn told(&mut self, mut facts: Facts) -> Vec<Effect> {
        clean(&mut facts);
        // A box that came back has one row, and one that was lost some times too.
        let mut seen = BTreeSet::new();
        facts.workers.retain(|worker| (worker.live || is_lost(worker)) && seen.insert(worker.r#box.clone()));
        let is_follows = self.events_below == 0;
        let newest = self.facts.events.last().map_or(0, |event| event.event);
        if !is_follows {
            // What is looked at stays where it is.
            let new = facts.events.iter().filter(|event| event.event > newest).count();
            self.events_below = (self.events_below + new).min(self.most_below(facts.events.len()));
        }
        let of = |facts: &Facts, job: i64| facts.jobs.iter().find(|row| row.job == job).cloned();
        let changed = match &self.over {
            Over::Job(page) if of(&facts, page.job) != of(&self.facts, page.job) => Some(page.job),
            _ => None,
        };
        // A row that has gone gives its place to the one that is there now.
        let (worker, job) = (self.worker_at().unwrap_or(0), self.job_at().unwrap_or(0));
        self.facts = facts;
        if self.worker_at().is_none() {
            self.worker = at(&self.facts.workers, worker).map(|worker| worker.worker.clone());
        }
        self.was_in_queue |= self.focus == Pane::Queue;
        if !self.was_in_queue {
            self.job = self.facts.jobs.first().map(|job| job.job);
        } else if self.job_at().is_none() {
            self.job = at(&self.facts.jobs, job).map(|job| job.job);
        }
        self.connection = Connection::Open;
        self.silent = 0;
        changed.map(Ask::LookUp).map(Effect::Ask).into_iter().collect()
    }

    /// The queue cannot be asked.
    pub fn away(&mut self, why: &str, again_in: Duration) {
        self.connection = Connection::Away { why: sanitise(why.as_bytes()), again_in };
        self.silent = 0;
    }

    /// What was found of a job. What belongs to a page that was closed is dropped.
    pub fn found(&mut self, job: i64, found: Result<JobRecord, String>) {
        if let Over::Job(page) = &mut self.over
            && page.job == job
        {
            page.found = Some(found.map(|record| {
                let mut facts = Facts { events: record.events, ..Facts::default() };
                clean(&mut facts);
                let log = record.log.iter().map(|line| sanitise(line.as_bytes())).collect();
                JobRecord { events: facts.events, log }
            }));
        }
    }

    /// Says something in the last line for a while.
    pub fn say(&mut self, tone: Tone, text: impl Into<String>) {
        self.note = Some((tone, text.into()));
        self.note_left = NOTE;
    }

    /// Shows a text of some lines.
    pub fn show_text(&mut self, title: impl Into<String>, text: &str) {
        let lines = text.lines().map(|line| sanitise(line.as_bytes())).filter(|line| !line.trim().is_empty()).collect();
        self.over = Over::Text(title.into(), lines);
    }

    /// A second has gone; whether that is seen.
    pub fn tick(&mut self) -> bool {
        self.silent += 1;
        let has_note = self.note.is_some();
        self.note_left = self.note_left.saturating_sub(1);
        if self.note_left == 0 {
            self.note = None;
        }
        if let Connection::Away { again_in, .. } = &mut self.connection {
            *again_in = again_in.saturating_sub(Duration::from_secs(1));
            return true;
        }
        self.silence().is_some() || has_note != self.note.is_some()
    }

    /// For how many seconds a queue that is not said to be away has said nothing; `None` = not for long.
    pub fn silence(&self) -> Option<u64> {
        (self.connection == Connection::Open && self.silent >= SILENT).then_some(self.silent)
    }

    /// What is shown is of the past.
    pub fn is_of_the_past(&self) -> bool {
        matches!(self.connection, Connection::Away { .. }) || self.silence().is_some()
    }

    /// Place of the selected worker.
    pub fn worker_at(&self) -> Option<usize> {
        self.facts.workers.iter().position(|worker| Some(&worker.worker) == self.worker.as_ref())
    }

    /// Place of the selected job.
    pub fn job_at(&self) -> Option<usize> {
        self.facts.jobs.iter().position(|job| Some(job.job) == self.job)
    }

    pub fn selected_worker(&self) -> Option<&FleetWorker> {
        self.worker_at().map(|at| &self.facts.workers[at])
    }

    pub fn selected_job(&self) -> Option<&FleetJob> {
        self.job_at().map(|at| &self.facts.jobs[at])
    }

    /// A job by its number, if it is among those that are shown.
    pub fn job(&self, job: i64) -> Option<&FleetJob> {
        self.facts.jobs.iter().find(|row| row.job == job)
    }

    /// Events below the last one that is seen.
    pub const fn events_below(&self) -> usize {
        self.events_below
    }

    /// So many of these events can lie below the last one that is seen: the first ones stay where there is room for more.
    fn most_below(&self, events: usize) -> usize {
        events.saturating_sub(self.event_rows.get().max(1))
    }

    /// Moves in the pane that has the keys, by rows or, with `pages`, by pages.
    pub fn move_by(&mut self, by: isize, pages: bool) {
        let by = if pages { by * PAGE } else { by };
        match self.focus {
            Pane::Workers => {
                let to = self.worker_at().map_or(0, |at| at.saturating_add_signed(by));
                self.worker = at(&self.facts.workers, to).map(|worker| worker.worker.clone());
            }
            Pane::Queue => {
                let to = self.job_at().map_or(0, |at| at.saturating_add_signed(by));
                self.job = at(&self.facts.jobs, to).map(|job| job.job);
            }
            Pane::Events => {
                let most = self.most_below(self.facts.events.len());
                self.events_below = self.events_below.min(most).saturating_add_signed(-by).min(most);
            }
        }
    }

    /// The visit to a worker's own console, if its box can be understood.
    pub fn visit_to(&self, worker: &FleetWorker) -> Option<Visit> {
        let state_dir = worker.r#box.strip_prefix(&worker.host)?.strip_prefix(':')?;
        let host = (worker.host != self.here).then(|| worker.host.clone());
        Some(Visit { r#box: worker.r#box.clone(), host, state_dir: state_dir.to_owned() })
    }
}

impl JobPage {
    /// The page of a job of which nothing is known yet.
    pub const fn of(job: i64) -> Self {
        Self { job, found: None, top: 0, extent: Cell::new((0, 0)) }
    }

    /// Moves by lines, or by pages, up to the first and the last.
    pub fn move_by(&mut self, by: isize, pages: bool) {
        let (lines, rows) = self.extent.get();
        let by = if pages { by.saturating_mul(rows.max(1) as isize) } else { by };
        self.top = self.top.saturating_add_signed(by).min(lines.saturating_sub(rows));
    }
}

/// Its lease has run out: nobody has heard of it.
pub fn is_lost(worker: &FleetWorker) -> bool {
    !worker.live && (worker.ended_at.is_none() || worker.ended_why.as_deref() == Some("its lease ran out"))
}

/// The row at this place, or the last one.
fn at<T>(rows: &[T], place: usize) -> Option<&T> {
    rows.get(place).or_else(|| rows.last())
}

/// Makes whatever others have written into the queue safe to show.
fn clean(facts: &mut Facts) {
    let clean = |text: &mut String| *text = sanitise(text.as_bytes());
    for worker in &mut facts.workers {
        for text in [&mut worker.r#box, &mut worker.host, &mut worker.version, &mut worker.ffmpeg, &mut worker.profile] {
            clean(text);
        }
        worker.stands_down.iter_mut().chain(&mut worker.ended_why).for_each(clean);
    }
    for job in &mut facts.jobs {
        for text in [&mut job.input, &mut job.preset, &mut job.state] {
            clean(text);
        }
        job.worker.iter_mut().chain(&mut job.output).chain(&mut job.reason).for_each(clean);
    }
    for event in &mut facts.events {
        clean(&mut event.kind);
        clean(&mut event.detail);
        event.worker.iter_mut().for_each(clean);
    }
}
