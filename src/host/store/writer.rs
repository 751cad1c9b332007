//! The thread that writes: many orders in one commit, answers only after it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::mpsc::UnboundedSender;

use super::curves::insert_curve;
use super::error::{StoreError, explain};
use super::jobs::{self, Jobs};
use super::journal::{self, insert_event, insert_note};
use super::peaks::insert_peak;
use crate::domain::curve::JobCurve;
use crate::domain::event::{Event, EventKind};
use crate::domain::units::Bytes;
use crate::engine::estimate::RecipeKey;
use crate::engine::port::{Arrived, Input, Page, ScanId, StoredJob};
use crate::host::jobstore::{Batch, Return, Waiting};

/// Largest group of one commit.
const GROUP: usize = 4096;
/// How long facts that nobody waits for may wait for company: each commit is a wait for the disk, and whoever needs one then
/// would first have to wait for theirs.
const LINGER: Duration = Duration::from_millis(20);
/// How long the course of a run may wait for a commit that is made anyway: figures, and facts. At most it costs one commit of
/// its own in this time, and this much of it is lost with the process. A disk is not woken for it: nothing comes while
/// nothing happens.
const FIGURES_WAIT: Duration = Duration::from_secs(5);
const FACTS_WAIT: Duration = Duration::from_secs(1);
/// So many do not wait.
const MOST_NOTES: usize = 1024;
/// Between two tries to write a journal that could not be written.
const RETRY: Duration = Duration::from_secs(1);

pub(super) type Answer<T = ()> = mpsc::SyncSender<Result<T, StoreError>>;
/// What preset names mean now: their hashes.
pub(super) type Definitions = Arc<BTreeMap<String, String>>;

pub(super) enum Order {
    Persist(Box<Event>),
    /// For the course of the run; waits for company.
    Note(Box<Event>),
    Enqueue(Box<Batch>, Answer<Arrived>),
    PutBack(Return, Answer<Arrived>),
    Page {
        limit: usize,
        known: Definitions,
    },
    ForgetQueue(Answer),
    Peak(RecipeKey, Bytes),
    Curve(Box<JobCurve>),
    Change(Change, Answer),
    Flush(Answer),
}

/// A change of tables that others of this floor have in the file, made within one commit.
pub(in crate::host) type Change = Box<dyn Fn(&Connection) -> rusqlite::Result<()> + Send>;

/// What came of an order, to be told after the commit.
enum Done {
    Nothing,
    Arrived(Arrived),
    Page(Page),
}

impl Order {
    /// Somebody does nothing until it is on disk: a job is started only when its admission is.
    fn is_awaited(&self) -> bool {
        match self {
            Self::Persist(event) => matches!(event.kind, EventKind::JobAdmitted { .. }),
            Self::Note(_) | Self::Peak(..) | Self::Curve(_) => false,
            _ => true,
        }
    }

    /// Tells whoever waits for an answer that there is none to be had; false when it is to be tried again. A course that
    /// cannot be written is lost: no run is held up for it, and it must not pile up.
    fn fail(&self, error: &StoreError) -> bool {
        match self {
            Self::Note(_) => {}
            Self::Persist(_) | Self::Peak(..) | Self::Curve(_) | Self::Page { .. } => return false,
            Self::Enqueue(_, answer) | Self::PutBack(_, answer) => drop(answer.send(Err(error.clone()))),
            Self::Change(_, answer) | Self::Flush(answer) | Self::ForgetQueue(answer) => {
                drop(answer.send(Err(error.clone())));
            }
        }
        true
    }
}

pub(super) struct Writer {
    pub connection: Connection,
    pub path: PathBuf,
    pub run: i64,
    pub inputs: UnboundedSender<Input>,
    pub closing: Arc<AtomicBool>,
    /// Jobs that were at work when an earlier run died, until the first page has told of them.
    pub interrupted: u64,
    /// Events written since the journal was last cut.
    pub events: usize,
    /// What waits to be written with something else, and until when at most.
    pub notes: Vec<Order>,
    pub notes_due: Option<Instant>,
}

impl Writer {
    pub(super) fn serve(mut self, orders: &mpsc::Receiver<Order>) {
        loop {
            let first = match self.notes_due {
                None => orders.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
                Some(until) => orders.recv_timeout(until.saturating_duration_since(now())),
            };
            match first {
                Ok(Order::Note(event)) if self.notes.len() < MOST_NOTES => {
                    let due = now() + notes_wait(&event.kind);
                    self.notes_due = Some(self.notes_due.map_or(due, |known| known.min(due)));
                    self.notes.push(Order::Note(event));
                }
                Ok(first) => {
                    let mut whole = self.take_notes();
                    whole.extend(group(first, orders));
                    self.write(whole, orders);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            if self.notes_due.is_some_and(|due| now() >= due) {
                let notes = self.take_notes();
                self.write(notes, orders);
            }
        }
        let notes = self.take_notes();
        if !notes.is_empty() {
            self.write(notes, orders);
        }
        // The file is left whole and without its companions when nobody else has it open.
        let _ = self.connection.execute_batch("PRAGMA optimize;");
    }

    fn take_notes(&mut self) -> Vec<Order> {
        self.notes_due = None;
        std::mem::take(&mut self.notes)
    }

    /// Commits a group, and then tells whoever waits. A journal that cannot be written is tried again until it can: what
    /// hangs on it must not go on before. Orders that come meanwhile join the group, so that nobody waits for an answer
    /// longer than one try takes: a job that is being put in place would keep the whole run from ending.
    fn write(&mut self, mut group: Vec<Order>, orders: &mpsc::Receiver<Order>) {
        let mut told = false;
        let done = loop {
            match self.commit(&group) {
                Ok(done) => break done,
                Err(error) => {
                    let error = explain(&self.path, &error);
                    // Those who wait for an answer get it; they decide for themselves.
                    let all = group.len();
                    group.retain(|order| !order.fail(&error));
                    if group.is_empty() {
                        return;
                    }
                    // It may have been one of those that failed the rest.
                    if group.len() < all {
                        continue;
                    }
                    let what = "the journal cannot be written: nothing new is started until it can".to_owned();
                    if !std::mem::replace(&mut told, true)
                        && self.inputs.send(Input::Fault { what, detail: error.to_string() }).is_err()
                    {
                        return;
                    }
                    // At the end of a run a full disk must not keep the console from ending.
                    if self.closing.load(Ordering::Acquire) || self.inputs.is_closed() {
                        return;
                    }
                    match orders.recv_timeout(RETRY) {
                        Ok(order) => group.push(order),
                        Err(mpsc::RecvTimeoutError::Timeout) => {}
                        Err(mpsc::RecvTimeoutError::Disconnected) => return,
                    }
                }
            }
        };
        let mut last = None;
        for (order, done) in group.into_iter().zip(done) {
            match order {
                Order::Persist(event) => {
                    last = last.max(Some(event.seq));
                }
                Order::Enqueue(batch, answer) => self.report_arrived(batch.scan, &done, &answer),
                Order::PutBack(back, answer) => self.report_arrived(back.scan, &done, &answer),
                Order::Page { .. } => {
                    if let Done::Page(page) = done {
                        let _ = self.inputs.send(Input::Paged(page));
                    }
                    self.interrupted = 0;
                }
                Order::Note(_) | Order::Peak(..) | Order::Curve(_) => {}
                Order::Change(_, answer) | Order::Flush(answer) | Order::ForgetQueue(answer) => {
                    let _ = answer.send(Ok(()));
                }
            }
        }
        if let Some(seq) = last {
            let _ = self.inputs.send(Input::Persisted(seq));
        }
    }

    /// Told here and not by whoever asked, so that pages and arrivals are told in the order of their commits: what one counts
    /// the other does not count again.
    fn report_arrived(&self, scan: ScanId, done: &Done, answer: &Answer<Arrived>) {
        let arrived = if let Done::Arrived(arrived) = done { *arrived } else { Arrived::default() };
        let _ = self.inputs.send(Input::Found(scan, arrived));
        let _ = answer.send(Ok(arrived));
    }

    fn commit(&mut self, group: &[Order]) -> rusqlite::Result<Vec<Done>> {
        let change = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let mut queue = Jobs { connection: &change, run: self.run };
        let mut done = Vec::with_capacity(group.len());
        let mut events = self.events;
        for order in group {
            done.push(match order {
                Order::Persist(event) => {
                    insert_event(&change, self.run, event)?;
                    jobs::fold(&mut queue, event)?;
                    events += 1;
                    Done::Nothing
                }
                Order::Note(event) => {
                    insert_note(&change, self.run, event)?;
                    events += 1;
                    Done::Nothing
                }
                Order::Enqueue(batch, _) => Done::Arrived(queue.enqueue(batch)?),
                Order::PutBack(back, _) => Done::Arrived(queue.put_back(back)?),
                Order::Page { limit, known } => {
                    // Often enough for what grows with a long queue, and not often.
                    jobs::retain(&change)?;
                    Done::Page(page(&mut queue, *limit, known, self.interrupted)?)
                }
                Order::ForgetQueue(_) => {
                    jobs::forget_unfinished(&change)?;
                    Done::Nothing
                }
                Order::Peak(recipe, peak) => {
                    insert_peak(&change, recipe, *peak)?;
                    Done::Nothing
                }
                Order::Curve(curve) => {
                    insert_curve(&change, curve)?;
                    Done::Nothing
                }
                Order::Change(change_more, _) => {
                    change_more(&change)?;
                    Done::Nothing
                }
                Order::Flush(_) => Done::Nothing,
            });
        }
        if events >= journal::RETAIN_EVERY {
            journal::retain(&change)?;
            events = 0;
        }
        change.commit()?;
        self.events = events;
        Ok(done)
    }
}

const fn notes_wait(kind: &EventKind) -> Duration {
    match kind {
        EventKind::MemorySampled(_) | EventKind::JobProgressed { .. } | EventKind::JobLogged { .. } => FIGURES_WAIT,
        _ => FACTS_WAIT,
    }
}

#[allow(clippy::disallowed_methods)] // paces the notes
fn now() -> Instant {
    Instant::now()
}

fn page(queue: &mut Jobs<'_>, limit: usize, known: &Definitions, interrupted: u64) -> rusqlite::Result<Page> {
    let waiting = queue.page(limit)?;
    let mut definitions = BTreeMap::new();
    for job in &waiting {
        // What the name still means need not be told.
        if known.get(&job.preset) != Some(&job.definition) && !definitions.contains_key(&job.definition) {
            definitions.insert(job.definition.clone(), jobs::definition(queue.connection, &job.definition)?);
        }
    }
    let stored = |job: Waiting| StoredJob {
        id: job.id,
        definition: definitions.get(&job.definition).cloned().flatten().map(Box::new),
        input: job.input,
        size: job.size,
        output: job.output,
        preset: job.preset,
        rank: job.rank,
        attempts: job.attempts,
        allowed: job.allowed,
        deaths: job.deaths,
    };
    let jobs = waiting.into_iter().map(stored).collect();
    Ok(Page { jobs, backlog: queue.backlog()?, last_rank: queue.last_rank()?, interrupted })
}

/// What is committed together: what has come, and while nobody waits for any of it, what comes within [`LINGER`].
#[allow(clippy::disallowed_methods)] // bounds the wait
fn group(first: Order, orders: &mpsc::Receiver<Order>) -> Vec<Order> {
    let until = Instant::now() + LINGER;
    let mut group = vec![first];
    loop {
        group.extend(orders.try_iter().take(GROUP.saturating_sub(group.len())));
        if group.len() >= GROUP || group.iter().any(Order::is_awaited) {
            return group;
        }
        match orders.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(order) => group.push(order),
            Err(_) => return group,
        }
    }
}
