//! The durable record: the journal of events, which output was made from which bytes with which preset, and what memory
//! finished jobs took.
//!
//! One `SQLite` file, written by one thread of its own that groups what came meanwhile into one commit, so that nobody
//! waits for a disk but that thread. Knows nothing of how jobs are run.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};
use tokio::sync::mpsc::UnboundedSender;

use super::fileid::{self, FileId};
use crate::domain::event::{Event, EventKind};
use crate::domain::preset::Preset;
use crate::domain::text::path_text;
use crate::domain::time::Wall;
use crate::domain::units::Bytes;
use crate::engine::estimate::{KEPT as PEAKS_OF_ONE, Learned, RecipeKey};
use crate::engine::port::Input;

/// Name of the file within the state folder.
pub const FILE_NAME: &str = "plimsoll.db";
/// Version of the tables, in `user_version`.
const VERSION: i64 = 3;
/// Runs whose journal is kept, the current one included.
const RUNS_KEPT: i64 = 20;
/// Largest group of one commit.
const GROUP: usize = 4096;
/// How long to wait for another process that writes.
const BUSY: Duration = Duration::from_secs(5);
/// How long facts that nobody waits for may wait for company: each commit is a wait for the disk, and whoever needs one then
/// would first have to wait for theirs.
const LINGER: Duration = Duration::from_millis(20);
/// Between two tries to write a journal that could not be written.
const RETRY: Duration = Duration::from_secs(1);
/// Rows of the table of peaks that are kept, over all recipes.
const PEAKS_KEPT: i64 = 4096;
/// A file up to this size is checked as a whole when it is opened.
const CHECKED_BYTES: u64 = 16 * 1024 * 1024;

/// What makes each version of the tables from the one before, the first from an empty file.
const STEPS: [&str; VERSION as usize] = [VERSION_1, VERSION_2, super::intent::TABLE];

const VERSION_1: &str = "
CREATE TABLE runs (run INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE events (
    run INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, job INTEGER, json TEXT NOT NULL,
    input BLOB, output BLOB,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE TABLE outputs (
    path BLOB PRIMARY KEY, input BLOB NOT NULL, input_dev INTEGER NOT NULL, input_ino INTEGER NOT NULL,
    input_size INTEGER NOT NULL, input_mtime_ns INTEGER NOT NULL, input_hash TEXT NOT NULL,
    preset TEXT NOT NULL, preset_hash TEXT NOT NULL, size INTEGER NOT NULL, ino INTEGER NOT NULL, made_at INTEGER NOT NULL
) WITHOUT ROWID;
";

const VERSION_2: &str = "
CREATE TABLE peaks (id INTEGER PRIMARY KEY AUTOINCREMENT, recipe TEXT NOT NULL, bytes INTEGER NOT NULL);
CREATE INDEX peaks_by_recipe ON peaks (recipe, id);
";

/// What may go wrong with the record. Each says which file and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The file is no database, or its pages are broken.
    #[error(
        "the state file {path} is damaged ({detail}); move it out of the way, for example `mv '{path}' '{path}.damaged'`, and start again: finished outputs stay, only the record of them is lost"
    )]
    Damaged {
        /// The file.
        path: String,
        /// What `SQLite` says.
        detail: String,
    },
    /// The file or its folder cannot be written.
    #[error(
        "cannot write the state file {path}: {detail}; make its folder writable, free some space there, or choose another with --state-dir"
    )]
    Unwritable {
        /// The file.
        path: String,
        /// What the system says.
        detail: String,
    },
    /// A later plimsoll has written it.
    #[error(
        "the state file {path} was written by a later plimsoll (version {found}, this one knows {VERSION}); use that one, or choose another folder with --state-dir"
    )]
    TooNew {
        /// The file.
        path: String,
        /// Its version.
        found: i64,
    },
    /// The thread that writes has ended.
    #[error("the state file {path} is closed")]
    Closed {
        /// The file.
        path: String,
    },
}

/// Which output was made from what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputRecord {
    /// The output, absolute.
    pub path: PathBuf,
    /// The input it was made from, absolute.
    pub input: PathBuf,
    /// The input as it was then.
    pub input_id: FileId,
    /// blake3 of the input's bytes.
    pub input_hash: String,
    /// Name of the preset.
    pub preset: String,
    /// See [`preset_hash`].
    pub preset_hash: String,
    /// Size of the output.
    pub size: u64,
    /// Inode of the output.
    pub ino: u64,
    /// When it was made.
    pub made_at: Wall,
}

impl OutputRecord {
    /// Does the output still stand, made with this definition of the preset from these very bytes? The input is only read
    /// if `stat` says that it is another file, or was touched, while its size is the same.
    pub fn is_current(&self, input: &Path, preset_hash: &str) -> io::Result<bool> {
        if self.preset_hash != preset_hash || !self.stands() {
            return Ok(false);
        }
        let id = FileId::of(input)?;
        if id == self.input_id {
            return Ok(true);
        }
        Ok(id.size == self.input_size() && fileid::hash(input)? == self.input_hash)
    }

    /// The output is the file that was recorded: same size, same inode.
    pub fn stands(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|meta| {
            let id = FileId::from(&meta);
            meta.is_file() && id.size == self.size && id.ino == self.ino
        })
    }

    const fn input_size(&self) -> u64 {
        self.input_id.size
    }
}

/// Hash of a preset's whole definition: another definition under the same name makes other bytes.
pub fn preset_hash(preset: &Preset) -> String {
    // A preset is plain data with text keys, which always has a JSON form; an empty one would match nothing that is recorded.
    let definition = serde_json::to_vec(preset).unwrap_or_default();
    blake3::hash(&definition).to_hex().to_string()
}

/// What naming and "already done" ask of the record.
pub trait Records {
    /// What is recorded of the output at `path`.
    fn lookup(&self, path: &Path) -> Option<OutputRecord>;
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
}

type Answer = mpsc::SyncSender<Result<(), StoreError>>;

enum Order {
    Persist(Box<Event>),
    Remember(Box<OutputRecord>, Answer),
    Forget { path: PathBuf, ino: u64, answer: Answer },
    Peak(RecipeKey, Bytes),
    Change(Change, Answer),
    Flush(Answer),
}

/// A change of tables that others of this floor have in the file, made within one commit.
pub(super) type Change = Box<dyn Fn(&Connection) -> rusqlite::Result<()> + Send>;

impl Order {
    /// Somebody does nothing until it is on disk: a job is started only when its admission is.
    fn is_awaited(&self) -> bool {
        match self {
            Self::Persist(event) => matches!(event.kind, EventKind::JobAdmitted { .. }),
            Self::Remember(..) | Self::Forget { .. } | Self::Change(..) | Self::Flush(_) => true,
            Self::Peak(..) => false,
        }
    }
}

impl Store {
    /// Opens or creates the record in `state_dir`, begins a new run in it, and drops the journal of runs long past. From now
    /// on `inputs` is told [`Input::Persisted`] after each commit, and [`Input::Fault`] when the journal cannot be written.
    pub fn open(state_dir: &Path, inputs: UnboundedSender<Input>) -> Result<Self, StoreError> {
        let path = state_dir.join(FILE_NAME);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(state_dir)
            .map_err(|error| StoreError::Unwritable { path: path_text(&path), detail: super::probe::words(&error) })?;
        let explain = |error: rusqlite::Error| explain(&path, &error);
        let mut connection = connect(&path)?;
        prepare(&mut connection, &path)?;
        let run = begin_run(&mut connection).map_err(explain)?;
        let reader = connect(&path)?;
        let (orders, received) = mpsc::channel();
        let closing = Arc::new(AtomicBool::new(false));
        let writer = Writer { connection, path: path.clone(), run, inputs, closing: Arc::clone(&closing) };
        let thread =
            std::thread::Builder::new().name("store".to_owned()).spawn(move || writer.serve(&received)).map_err(|error| {
                StoreError::Unwritable {
                    path: path_text(&path),
                    detail: format!("no thread for it: {}", super::probe::words(&error)),
                }
            })?;
        Ok(Self(Arc::new(Inner { path, run, orders: Some(orders), reader: Mutex::new(reader), writer: Some(thread), closing })))
    }

    /// The file.
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

    /// Records an output, in place of what was recorded under its path. Returns when it is on disk.
    pub fn remember(&self, record: OutputRecord) -> Result<(), StoreError> {
        self.ask(|answer| Order::Remember(Box::new(record), answer))
    }

    /// Takes a record back, if it is still of the file with this inode. Returns when that is on disk.
    pub fn forget(&self, path: &Path, ino: u64) -> Result<(), StoreError> {
        self.ask(|answer| Order::Forget { path: path.to_owned(), ino, answer })
    }

    /// Adds the peak of a finished job to what its recipe is known to need. Returns at once: a peak that is lost costs an
    /// estimate, not an output.
    pub fn remember_peak(&self, recipe: RecipeKey, peak: Bytes) {
        if let Some(orders) = &self.0.orders {
            let _ = orders.send(Order::Peak(recipe, peak));
        }
    }

    /// The peaks of finished jobs of this and of earlier runs.
    pub fn learned(&self) -> Result<Learned, StoreError> {
        let reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner);
        read_peaks(&reader).map_err(|error| explain(&self.0.path, &error))
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
        let reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let found = reader
            .prepare_cached("SELECT * FROM outputs WHERE path = ?1")
            .and_then(|mut query| query.query_row([path.as_os_str().as_bytes()], record).optional());
        found.map_err(|error| explain(&self.0.path, &error))
    }

    /// The journal of a run, in order, with the paths of its inputs and outputs byte for byte. Lines that cannot be read are
    /// left out and counted.
    pub fn journal(&self, run: i64) -> Result<(Vec<Event>, usize), StoreError> {
        let reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner);
        read_journal(&reader, run).map_err(|error| explain(&self.0.path, &error))
    }

    /// Makes a change. Returns when it is on disk.
    pub(super) fn change(&self, change: Change) -> Result<(), StoreError> {
        self.ask(|answer| Order::Change(change, answer))
    }

    /// Reads from the file.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner);
        read(&reader).map_err(|error| explain(&self.0.path, &error))
    }

    fn ask(&self, order: impl FnOnce(Answer) -> Order) -> Result<(), StoreError> {
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

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let open = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY)?;
        // A small box: 512 KiB of pages, and nothing mapped. A short log is written over sooner, and writing over is quicker
        // to get on disk than appending.
        connection.execute_batch(
            "PRAGMA cache_size = -512; PRAGMA mmap_size = 0; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 100;",
        )?;
        Ok(connection)
    };
    open().map_err(|error: rusqlite::Error| explain(path, &error))
}

/// Sets the file up: journal mode, tables, version. A damaged one is noticed here.
fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let explain = |error: rusqlite::Error| explain(path, &error);
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(explain)?;
    if version > VERSION {
        return Err(StoreError::TooNew { path: path_text(path), found: version });
    }
    if std::fs::metadata(path).is_ok_and(|meta| meta.len() <= CHECKED_BYTES) {
        let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(explain)?;
        if verdict != "ok" {
            return Err(StoreError::Damaged { path: path_text(path), detail: verdict });
        }
    }
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(explain)?;
    let mut set_up = || {
        let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        // Another process may have been first.
        let version: i64 = change.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if version < VERSION {
            for step in &STEPS[version.max(0) as usize..] {
                change.execute_batch(step)?;
            }
            change.pragma_update(None, "user_version", VERSION)?;
        }
        change.commit()
    };
    set_up().map_err(explain)
}

fn begin_run(connection: &mut Connection) -> rusqlite::Result<i64> {
    let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    change.execute("INSERT INTO runs DEFAULT VALUES", [])?;
    let run = change.last_insert_rowid();
    change.execute("DELETE FROM events WHERE run <= ?1", [run - RUNS_KEPT])?;
    change.execute("DELETE FROM runs WHERE run <= ?1", [run - RUNS_KEPT])?;
    change.execute("DELETE FROM peaks WHERE id <= (SELECT max(id) FROM peaks) - ?1", [PEAKS_KEPT])?;
    change.commit()?;
    Ok(run)
}

fn explain(path: &Path, error: &rusqlite::Error) -> StoreError {
    let path = path_text(path);
    let detail = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Damaged { path, detail },
        // Tables that are not ours under our version number.
        Some(ErrorCode::Unknown) | None => StoreError::Damaged { path, detail },
        _ => StoreError::Unwritable { path, detail },
    }
}

/// The thread that writes.
struct Writer {
    connection: Connection,
    path: PathBuf,
    run: i64,
    inputs: UnboundedSender<Input>,
    closing: Arc<AtomicBool>,
}

impl Writer {
    fn serve(mut self, orders: &mpsc::Receiver<Order>) {
        while let Ok(first) = orders.recv() {
            self.write(group(first, orders), orders);
        }
        // The file is left whole and without its companions when nobody else has it open.
        let _ = self.connection.execute_batch("PRAGMA optimize;");
    }

    /// Commits a group, and then tells whoever waits. A journal that cannot be written is tried again until it can: what
    /// hangs on it must not go on before. Orders that come meanwhile join the group, so that nobody waits for an answer
    /// longer than one try takes: a job that is being put in place would keep the whole run from ending.
    fn write(&mut self, mut group: Vec<Order>, orders: &mpsc::Receiver<Order>) {
        let mut told = false;
        loop {
            match commit(&mut self.connection, self.run, &group) {
                Ok(()) => break,
                Err(error) => {
                    let error = explain(&self.path, &error);
                    // Those who wait for an answer get it; they decide for themselves.
                    group.retain(|order| match order {
                        Order::Persist(_) | Order::Peak(..) => true,
                        Order::Remember(_, answer)
                        | Order::Forget { answer, .. }
                        | Order::Change(_, answer)
                        | Order::Flush(answer) => {
                            let _ = answer.send(Err(error.clone()));
                            false
                        }
                    });
                    if group.is_empty() {
                        return;
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
        }
        let mut last = None;
        for order in group {
            match order {
                Order::Persist(event) => last = last.max(Some(event.seq)),
                Order::Peak(..) => {}
                Order::Remember(_, answer) | Order::Forget { answer, .. } | Order::Change(_, answer) | Order::Flush(answer) => {
                    let _ = answer.send(Ok(()));
                }
            }
        }
        if let Some(seq) = last {
            let _ = self.inputs.send(Input::Persisted(seq));
        }
    }
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

fn commit(connection: &mut Connection, run: i64, group: &[Order]) -> rusqlite::Result<()> {
    let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for order in group {
        match order {
            Order::Persist(event) => insert_event(&change, run, event)?,
            Order::Remember(record, _) => insert_record(&change, record)?,
            Order::Forget { path, ino, .. } => {
                let mut delete = change.prepare_cached("DELETE FROM outputs WHERE path = ?1 AND ino = ?2")?;
                delete.execute(params![path.as_os_str().as_bytes(), *ino as i64])?;
            }
            Order::Peak(recipe, peak) => insert_peak(&change, recipe, *peak)?,
            Order::Change(change_more, _) => change_more(&change)?,
            Order::Flush(_) => {}
        }
    }
    change.commit()
}

fn insert_event(connection: &Connection, run: i64, event: &Event) -> rusqlite::Result<()> {
    let json = serde_json::to_value(event).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let kind = json.get("event").and_then(serde_json::Value::as_str).unwrap_or_default();
    // JSON shows paths; these are the paths.
    let (input, output) = match &event.kind {
        EventKind::JobQueued { input, output, .. } => (Some(input.as_path()), output.as_deref()),
        EventKind::JobRejected { input, .. } => (Some(input.as_path()), None),
        EventKind::JobFinished { output, .. } => (None, output.as_deref()),
        _ => (None, None),
    };
    let bytes = |path: Option<&Path>| path.map(|path| path.as_os_str().as_bytes().to_vec());
    let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    insert.execute(params![
        run,
        event.seq.0 as i64,
        event.at.0,
        kind,
        event.kind.job().map(|job| job.0 as i64),
        json.to_string(),
        bytes(input),
        bytes(output),
    ])?;
    Ok(())
}

pub(super) fn insert_record(connection: &Connection, record: &OutputRecord) -> rusqlite::Result<()> {
    let mut insert =
        connection.prepare_cached("INSERT OR REPLACE INTO outputs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")?;
    insert.execute(params![
        record.path.as_os_str().as_bytes(),
        record.input.as_os_str().as_bytes(),
        record.input_id.dev as i64,
        record.input_id.ino as i64,
        record.input_id.size as i64,
        record.input_id.mtime_ns,
        record.input_hash,
        record.preset,
        record.preset_hash,
        record.size as i64,
        record.ino as i64,
        record.made_at.0,
    ])?;
    Ok(())
}

fn insert_peak(connection: &Connection, recipe: &RecipeKey, peak: Bytes) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO peaks (recipe, bytes) VALUES (?1, ?2)")?;
    insert.execute(params![recipe.as_str(), peak.0 as i64])?;
    let mut drop_older = connection.prepare_cached(
        "DELETE FROM peaks WHERE recipe = ?1
         AND id NOT IN (SELECT id FROM peaks WHERE recipe = ?1 ORDER BY id DESC LIMIT ?2)",
    )?;
    drop_older.execute(params![recipe.as_str(), PEAKS_OF_ONE as i64])?;
    Ok(())
}

fn read_peaks(connection: &Connection) -> rusqlite::Result<Learned> {
    let mut query = connection.prepare_cached("SELECT recipe, bytes FROM peaks ORDER BY id")?;
    let mut rows = query.query([])?;
    let mut learned = Learned::default();
    while let Some(row) = rows.next()? {
        learned.remember(RecipeKey::from_text(row.get(0)?), Bytes(row.get::<_, i64>(1)?.max(0) as u64));
    }
    Ok(learned)
}

pub(super) fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<OutputRecord> {
    let number = |name| row.get::<_, i64>(name).map(|number| number as u64);
    Ok(OutputRecord {
        path: path_of(row.get("path")?),
        input: path_of(row.get("input")?),
        input_id: FileId {
            dev: number("input_dev")?,
            ino: number("input_ino")?,
            size: number("input_size")?,
            mtime_ns: row.get("input_mtime_ns")?,
        },
        input_hash: row.get("input_hash")?,
        preset: row.get("preset")?,
        preset_hash: row.get("preset_hash")?,
        size: number("size")?,
        ino: number("ino")?,
        made_at: Wall(row.get("made_at")?),
    })
}

fn read_journal(connection: &Connection, run: i64) -> rusqlite::Result<(Vec<Event>, usize)> {
    let mut query = connection.prepare_cached("SELECT json, input, output FROM events WHERE run = ?1 ORDER BY seq")?;
    let mut rows = query.query([run])?;
    let (mut events, mut unreadable) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let Ok(mut event) = serde_json::from_str::<Event>(&row.get::<_, String>(0)?) else {
            unreadable += 1;
            continue;
        };
        let (stored_input, stored_output) = (row.get::<_, Option<Vec<u8>>>(1)?, row.get::<_, Option<Vec<u8>>>(2)?);
        let stored_output = stored_output.map(path_of);
        match &mut event.kind {
            EventKind::JobQueued { input, output, .. } => {
                *output = stored_output;
                restore(input, stored_input);
            }
            EventKind::JobRejected { input, .. } => restore(input, stored_input),
            EventKind::JobFinished { output, .. } => *output = stored_output,
            _ => {}
        }
        events.push(event);
    }
    Ok((events, unreadable))
}

fn restore(path: &mut PathBuf, stored: Option<Vec<u8>>) {
    if let Some(bytes) = stored {
        *path = PathBuf::from(OsStr::from_bytes(&bytes));
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
