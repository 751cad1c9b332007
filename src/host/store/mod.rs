//! The durable record: the queue, the journal of events, which output was made from which bytes with which preset, and what
//! memory finished jobs took.
//!
//! One `SQLite` file, written by one thread of its own that groups what came meanwhile into one commit, so that nobody
//! waits for a disk but that thread. Every durable event is folded into the queue in the commit that journals it. Knows
//! nothing of how jobs are run.

mod curves;
mod error;
pub mod history;
mod jobs;
mod journal;
mod on_record;
mod outputs;
mod past;
mod peaks;
mod rows;
mod schema;
mod taken;
mod writer;

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::mpsc::UnboundedSender;

pub use error::StoreError;
pub use jobs::Standing;
pub use outputs::{OutputRecord, preset_hash};
pub use past::{Ending, Past, PastRun, past_events, past_runs};
pub use rows::{Counts, counts, exact_inputs, on_record, rows};

use super::files::fsops::make_private;
use super::jobstore::{Batch, Destination, InputKey, Once, Removed, Return};
use crate::domain::curve::JobCurve;
use crate::domain::event::{Event, Seq};
use crate::domain::job::{JobId, Rank};
use crate::domain::preset::Preset;
use crate::domain::text::path_text;
use crate::domain::units::Bytes;
use crate::engine::estimate::{Learned, RecipeKey};
use crate::engine::port::{Arrived, Input, ScanId};
pub use curves::{Lessons, lessons};
use error::explain;
use journal::read_journal;
pub use on_record::{OnRecord, WaitingJob};
pub(super) use outputs::{columns, insert_record, record};
use peaks::read_peaks;
use schema::{Begun, Format, begin_run, connect, prepare};
use writer::{Answer, Change, Definitions, Order, Writer};

/// Name of the file within the state folder.
pub const FILE_NAME: &str = "plimsoll.db";

/// What naming outputs asks of the record and of the queue. What cannot be read counts as not there.
pub trait Records {
    /// What is recorded of the output at `path`.
    fn lookup(&self, path: &Path) -> Option<OutputRecord>;

    /// How what was found by `scan` stands in the queue.
    fn standing(&self, scan: ScanId, once: Once<'_>) -> Standing;

    /// Another input's job in the queue has this output.
    fn is_taken(&self, output: &Path, key: &InputKey, preset: &str) -> bool;

    /// The file is an input in the queue.
    fn is_input(&self, key: &InputKey) -> bool;

    /// The output that was made last of an input with a preset, whether it still stands or not.
    fn made_last(&self, _input: &InputKey, _preset: &str) -> Option<PathBuf> {
        None
    }

    /// A job works on it now.
    fn is_at_work(&self, _once: Once<'_>) -> bool {
        false
    }
}

/// How many jobs an earlier run has left in the queue of a state folder; none where there is no record yet. For whoever has
/// to decide whether there is anything to do, before the record is opened.
pub fn waiting(state_dir: &Path) -> Result<u64, StoreError> {
    let number: i64 =
        peek(state_dir, |connection| connection.query_row("SELECT count(*) FROM jobs WHERE state <= 1", [], |row| row.get(0)))?;
    Ok(number as u64)
}

/// Reads what is kept in a state folder, which another plimsoll may be at work in; the default where there is no record yet.
fn peek<T: Default>(state_dir: &Path, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
    let Some(connection) = look_into(state_dir)? else { return Ok(T::default()) };
    read(&connection).map_err(|error| explain(&state_dir.join(FILE_NAME), &error))
}

/// Opens what is kept in a state folder for reading; `None` where there is no record yet.
fn look_into(state_dir: &Path) -> Result<Option<Connection>, StoreError> {
    let path = state_dir.join(FILE_NAME);
    if !path.exists() {
        return Ok(None);
    }
    let look = || {
        // As a writer would: what is still in the log beside the file belongs to it.
        let connection = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        connection.busy_timeout(schema::BUSY)?;
        Ok((schema::format(&connection)?, connection))
    };
    match look().map_err(|error| explain(&path, &error))? {
        (Format::Ours, connection) => Ok(Some(connection)),
        (Format::Empty, _) => Ok(None),
        (Format::Other(found), _) => Err(StoreError::OtherFormat { path: path_text(&path), found }),
    }
}

/// The open record. Clones share it; the last one dropped closes it after everything is written.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    run: i64,
    orders: Option<mpsc::Sender<Order>>,
    reader: Mutex<Connection>,
    writer: Option<JoinHandle<()>>,
    closing: Arc<AtomicBool>,
    interrupted_outputs: Vec<(PathBuf, PathBuf)>,
    /// Presets that jobs were queued with, by their hash; there are few.
    presets: Mutex<BTreeMap<String, Arc<Preset>>>,
}

impl Store {
    /// Opens or creates the record in `state_dir`, begins a new run in it, and drops the journal of runs long past. From now
    /// on `inputs` is told [`Input::Persisted`] after each commit, and [`Input::Fault`] when the journal cannot be written.
    pub fn open(state_dir: &Path, inputs: UnboundedSender<Input>) -> Result<Self, StoreError> {
        let path = state_dir.join(FILE_NAME);
        make_private(state_dir)
            .map_err(|error| StoreError::Unwritable { path: path_text(&path), detail: super::media::probe::words(&error) })?;
        let explain = |error: rusqlite::Error| explain(&path, &error);
        let mut connection = connect(&path)?;
        prepare(&mut connection, &path)?;
        let Begun { run, interrupted, interrupted_outputs } = begin_run(&mut connection).map_err(explain)?;
        connection.execute_batch(jobs::HANDED_OUT).map_err(explain)?;
        let reader = connect(&path)?;
        let (orders, received) = mpsc::channel();
        let closing = Arc::new(AtomicBool::new(false));
        let writer = Writer {
            connection,
            path: path.clone(),
            run,
            inputs,
            closing: Arc::clone(&closing),
            interrupted,
            events: 0,
            notes: Vec::new(),
            notes_due: None,
        };
        let thread =
            std::thread::Builder::new().name("store".to_owned()).spawn(move || writer.serve(&received)).map_err(|error| {
                StoreError::Unwritable {
                    path: path_text(&path),
                    detail: format!("no thread for it: {}", super::media::probe::words(&error)),
                }
            })?;
        Ok(Self(Arc::new(Inner {
            path,
            run,
            orders: Some(orders),
            reader: Mutex::new(reader),
            writer: Some(thread),
            closing,
            interrupted_outputs,
            presets: Mutex::default(),
        })))
    }

    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Number of the current run, rising from 1.
    pub fn run(&self) -> i64 {
        self.0.run
    }

    /// Adds an event to the journal. Returns at once; [`Input::Persisted`] follows when it is on disk: as soon as can be for
    /// an admission, which a start waits for, and within some 20 ms for the rest.
    pub fn persist(&self, event: Event) {
        if let Some(orders) = &self.0.orders {
            let _ = orders.send(Order::Persist(Box::new(event)));
        }
    }

    /// Adds an event to the course of the run, see [`history`]. Returns at once; it is written with whatever comes
    /// next, or within seconds, and lost when it cannot be.
    pub fn note(&self, event: Event) {
        if let Some(orders) = &self.0.orders {
            let _ = orders.send(Order::Note(Box::new(event)));
        }
    }

    /// Adds inputs to the queue. Returns when they are on disk; [`Input::Found`] was told then.
    pub fn enqueue(&self, batch: Batch) -> Result<Arrived, StoreError> {
        self.ask(|answer| Order::Enqueue(Box::new(batch), answer))
    }

    /// Hands out the next waiting jobs, by [`Input::Paged`], in step with everything ordered before. `known` are the hashes of
    /// what preset names mean now.
    pub fn page(&self, limit: usize, known: Definitions) {
        if let Some(orders) = &self.0.orders {
            let _ = orders.send(Order::Page { limit, known });
        }
    }

    /// Forgets every job that has not ended. For a run that is to begin with nothing.
    pub fn forget_queue(&self) -> Result<(), StoreError> {
        self.ask(Order::ForgetQueue)
    }

    /// The preset as it was when the job was queued.
    pub fn preset_of(&self, job: JobId) -> Result<Option<Arc<Preset>>, StoreError> {
        self.read(|reader| {
            let Some(hash) = jobs::definition_of(reader, job)? else { return Ok(None) };
            let mut presets = self.0.presets.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(preset) = presets.get(&hash) {
                return Ok(Some(Arc::clone(preset)));
            }
            let preset = jobs::definition(reader, &hash)?.map(Arc::new);
            if let Some(preset) = &preset {
                presets.insert(hash, Arc::clone(preset));
            }
            Ok(preset)
        })
    }

    /// What was wished for a job's output; `None` for one that is not stored.
    pub fn destination_of(&self, job: JobId) -> Result<Option<Destination>, StoreError> {
        self.read(|reader| jobs::destination_of(reader, job))
    }

    /// A job that was taken off the list in this run; `None` where there is no such.
    pub fn removed(&self, job: JobId) -> Result<Option<Removed>, StoreError> {
        self.read(|reader| jobs::removed(reader, job))
    }

    /// Puts jobs back that were taken off the list. Returns when they are on disk; [`Input::Found`] was told then.
    pub fn put_back(&self, back: Return) -> Result<Arrived, StoreError> {
        self.ask(|answer| Order::PutBack(back, answer))
    }

    /// The folders of outputs that jobs have which are unfinished, or of this run.
    pub fn outs(&self) -> Result<Vec<PathBuf>, StoreError> {
        self.read(|reader| jobs::outs(reader, self.0.run))
    }

    /// The lowest rank of what waits; `None` where nothing does.
    pub fn first_rank(&self) -> Result<Option<Rank>, StoreError> {
        self.read(jobs::first_rank)
    }

    /// Where the outputs were to stand of the jobs that were at work when an earlier run died: each time the folder of the
    /// outputs, and the output.
    pub fn interrupted_outputs(&self) -> &[(PathBuf, PathBuf)] {
        &self.0.interrupted_outputs
    }

    /// A job that has not ended has this input, whatever its preset.
    pub fn is_wanted(&self, input: &InputKey) -> Result<bool, StoreError> {
        self.read(|reader| jobs::is_wanted(reader, input))
    }

    /// The output of the last job that was done of this input with this preset, where that is still on record.
    pub fn output_of(&self, input: &InputKey, preset: &str) -> Result<Option<PathBuf>, StoreError> {
        self.read(|reader| jobs::output_of(reader, input, preset))
    }

    /// The last job that was done of this input with this preset found nothing of it damaged.
    pub fn is_whole(&self, input: &InputKey, preset: &str) -> Result<bool, StoreError> {
        self.read(|reader| jobs::is_whole(reader, input, preset))
    }

    /// Reads from the file.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner);
        read(&reader).map_err(|error| explain(&self.0.path, &error))
    }

    /// Adds the peak of a finished job to what its recipe is known to need. Returns at once: a peak that is lost costs an
    /// estimate, not an output.
    pub fn remember_peak(&self, recipe: RecipeKey, peak: Bytes) {
        if let Some(orders) = &self.0.orders {
            let _ = orders.send(Order::Peak(recipe, peak));
        }
    }

    /// Adds the course of a finished job. Returns at once, as for its peak.
    pub fn remember_curve(&self, curve: JobCurve) {
        if let Some(orders) = &self.0.orders {
            let _ = orders.send(Order::Curve(Box::new(curve)));
        }
    }

    /// The peaks of finished jobs of this and of earlier runs.
    pub fn learned(&self) -> Result<Learned, StoreError> {
        self.read(read_peaks)
    }

    /// Waits until everything ordered so far is on disk, at most `at_most`; tells whether it is. A run that ends calls it:
    /// its last facts would be lost with the process.
    pub fn flush(&self, at_most: Duration) -> bool {
        let (answer, received) = mpsc::sync_channel(1);
        let is_asked = self.0.orders.as_ref().is_some_and(|orders| orders.send(Order::Flush(answer)).is_ok());
        is_asked && matches!(received.recv_timeout(at_most), Ok(Ok(())))
    }

    /// What is recorded of the output at `path`.
    pub fn find(&self, path: &Path) -> Result<Option<OutputRecord>, StoreError> {
        self.read(|reader| outputs::find(reader, path))
    }

    /// The journal of a run, in order, with the paths of its inputs and outputs byte for byte. Lines that cannot be read are
    /// left out and counted.
    pub fn journal(&self, run: i64) -> Result<(Vec<Event>, usize), StoreError> {
        self.read(|reader| read_journal(reader, run, Seq(0), usize::MAX))
    }

    /// Makes a change. Returns when it is on disk.
    pub(super) fn change(&self, change: Change) -> Result<(), StoreError> {
        self.ask(|answer| Order::Change(change, answer))
    }

    fn ask<T>(&self, order: impl FnOnce(Answer<T>) -> Order) -> Result<T, StoreError> {
        let closed = || StoreError::Closed { path: path_text(&self.0.path) };
        let (answer, received) = mpsc::sync_channel(1);
        self.0.orders.as_ref().ok_or_else(closed)?.send(order(answer)).map_err(|_| closed())?;
        received.recv().map_err(|_| closed())?
    }
}

impl Records for Store {
    /// A record that cannot be read counts as none: the output is then somebody else's, and is not touched.
    fn lookup(&self, path: &Path) -> Option<OutputRecord> {
        self.find(path).ok().flatten()
    }

    fn standing(&self, scan: ScanId, once: Once<'_>) -> Standing {
        self.read(|reader| jobs::standing(reader, self.0.run, scan, once)).unwrap_or(Standing::New)
    }

    fn is_taken(&self, output: &Path, key: &InputKey, preset: &str) -> bool {
        self.read(|reader| jobs::is_taken(reader, self.0.run, output, key, preset)).unwrap_or(false)
    }

    fn is_input(&self, key: &InputKey) -> bool {
        self.read(|reader| jobs::is_input(reader, self.0.run, key)).unwrap_or(false)
    }

    fn made_last(&self, input: &InputKey, preset: &str) -> Option<PathBuf> {
        self.output_of(input, preset).ok().flatten()
    }

    fn is_at_work(&self, once: Once<'_>) -> bool {
        self.read(|reader| jobs::is_at_work(reader, once)).unwrap_or(false)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.orders = None;
        self.closing.store(true, Ordering::Release);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

pub(super) fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod queue_tests;
#[cfg(test)]
mod tests;
