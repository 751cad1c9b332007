//! The whole log of each try of a job, in a file with a size cap.
//!
//! One thread writes for all jobs, so that a slow or hung disk never holds up the reader of a job's stderr. A log that cannot
//! be written is told once and never fails a job. It must not know what the lines mean.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use crate::domain::job::{JobId, LogLevel, LogLine, WholeLog};
use crate::domain::text::{many, path_text, sanitise};
use crate::domain::time::Wall;
use crate::domain::units::Bytes;
use crate::host::files::fsops::make_private;
use crate::host::process::log::logread::Classified;
use crate::host::process::log::ownlines;

/// Lines are handed over in blocks of about this size.
const BLOCK: usize = 64 << 10;
/// Bytes that may wait for a slow disk, of all jobs together; what comes on top is left out and counted.
const MOST_WAITING: usize = 8 << 20;

/// Where the log of a job's try stands, within the run's log folder.
pub fn log_path(dir: &Path, job: JobId, attempt: u32) -> PathBuf {
    dir.join(format!("{job}.{attempt}.log"))
}

/// The wall clock, for the time in front of lines.
#[allow(clippy::disallowed_methods)] // the log is the host's own, and people read its times
pub(in crate::host) fn wall_now() -> Wall {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Wall(since.map_or_else(|before| -(before.duration().as_millis() as i64), |after| after.as_millis() as i64))
}

/// Told when a log cannot be written: what, and why. Called on the writing thread.
pub type OnFault = Box<dyn Fn(String, String) + Send>;

enum Order {
    /// A try begins, at this time; of what stands in its file already so much is kept.
    Begin(JobFile, Wall, u64),
    /// A line of ours, for a file that is being written or stands closed.
    Own(JobFile, String),
    Write(JobFile, Vec<u8>),
    Close(JobFile),
    Flush(mpsc::SyncSender<()>),
}

/// A job's file as both sides know it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct JobFile(PathBuf);

/// The thread that writes every job's log. It ends, after having written all, when the keeper and all logs are gone.
#[derive(Debug, Clone)]
pub struct LogKeeper {
    orders: mpsc::Sender<Order>,
    waiting: Arc<AtomicUsize>,
}

impl LogKeeper {
    /// Starts the thread.
    pub fn new(on_fault: OnFault) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let still_waiting = Arc::clone(&waiting);
        let work = move || write_all(inbox, &still_waiting, &on_fault);
        std::thread::Builder::new().name("job-logs".to_owned()).stack_size(256 << 10).spawn(work)?;
        Ok(Self { orders, waiting })
    }

    /// Opens the log of a try, of which at most `most` are kept. An earlier try may have had its number: one that did not count,
    /// or one before the operator's retry. Its text stays above a line that says so, up to as much again.
    pub fn open(&self, path: PathBuf, most: Bytes) -> JobLog {
        let room = usize::try_from(most.0).unwrap_or(usize::MAX);
        let _ = self.orders.send(Order::Begin(JobFile(path.clone()), wall_now(), most.0));
        JobLog { keeper: self.clone(), file: JobFile(path), block: Vec::new(), lines: 0, room, full: false, left_out: 0, lost: 0 }
    }

    /// Adds a line of plimsoll's own to the log of a try, whether its process still writes there or has ended. Its time stands
    /// in front.
    pub fn add(&self, path: PathBuf, line: String) {
        let _ = self.orders.send(Order::Own(JobFile(path), line));
    }

    /// Waits until everything handed over so far is written, at most `at_most`; tells whether it is.
    pub fn flush(&self, at_most: Duration) -> bool {
        let (done, written) = mpsc::sync_channel(1);
        self.orders.send(Order::Flush(done)).is_ok() && written.recv_timeout(at_most).is_ok()
    }
}

/// At most so much of a log is read, from its end.
const MOST_READ: u64 = 8 << 20;
/// How long a reader waits for what is being written.
const READER_WAITS: Duration = Duration::from_secs(1);

/// Reads the logs of a run's jobs.
#[derive(Debug, Clone)]
pub struct LogReader {
    keeper: LogKeeper,
    dir: PathBuf,
}

impl LogReader {
    /// Reads logs below `dir` that `keeper` writes.
    pub const fn new(keeper: LogKeeper, dir: PathBuf) -> Self {
        Self { keeper, dir }
    }

    /// The log of a try, up to what is being written now. Blocks on the disk.
    ///
    /// # Errors
    /// It is not there or cannot be read: which file, and why.
    pub fn read(&self, job: JobId, attempt: u32) -> Result<WholeLog, String> {
        self.keeper.flush(READER_WAITS);
        read_log(&self.dir, job, attempt)
    }
}

/// The log of a try, as it stands in the run's log folder, or in that of the latest earlier run that has one: a job keeps its
/// number from run to run. Blocks on the disk.
///
/// # Errors
/// It is not there or cannot be read: which file, and why.
pub fn read_log(dir: &Path, job: JobId, attempt: u32) -> Result<WholeLog, String> {
    let own = log_path(dir, job, attempt);
    let earlier = || earlier_log(dir.parent()?, run_number(dir)?, job, attempt);
    let path = if own.exists() { own } else { earlier().unwrap_or(own) };
    read_found(&path)
}

/// The number of the run whose folder of logs this is.
fn run_number(folder: &Path) -> Option<u64> {
    folder.file_name()?.to_str()?.parse().ok()
}

/// The log of this try in the folder of a run before `run`, the latest first; `dir` has the folders of all runs.
fn earlier_log(dir: &Path, run: u64, job: JobId, attempt: u32) -> Option<PathBuf> {
    let runs = std::fs::read_dir(dir).ok()?.flatten().filter_map(|entry| Some((run_number(&entry.path())?, entry.path())));
    let mut earlier: Vec<(u64, PathBuf)> = runs.filter(|(number, _)| *number < run).collect();
    earlier.sort_unstable_by_key(|(run, _)| std::cmp::Reverse(*run));
    // A try that was under way when its run was killed is counted anew by the next one: its log is that of the try before.
    let tries = [Some(attempt), attempt.checked_sub(1)];
    tries
        .into_iter()
        .flatten()
        .find_map(|attempt| earlier.iter().map(|(_, folder)| log_path(folder, job, attempt)).find(|path| path.exists()))
}

/// The log of a try from the latest run that has one, below the folder of all of them, for whoever has no run of its own.
///
/// # Errors
/// It is not there any more, or cannot be read.
pub fn read_latest_log(dir: &Path, job: JobId, attempt: u32) -> Result<WholeLog, String> {
    let found = earlier_log(dir, u64::MAX, job, attempt);
    read_found(&found.ok_or_else(|| format!("the log of job #{job} is not there any more ({})", path_text(dir)))?)
}

fn read_found(path: &Path) -> Result<WholeLog, String> {
    read_whole(path)
        .map_err(|error| format!("cannot read the log {}: {}", path_text(path), crate::host::media::probe::words(&error)))
}

fn read_whole(path: &Path) -> io::Result<WholeLog> {
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path)?;
    let size = file.metadata()?.len();
    let left_out = size.saturating_sub(MOST_READ);
    file.seek(io::SeekFrom::Start(left_out))?;
    let mut bytes = Vec::new();
    file.take(MOST_READ).read_to_end(&mut bytes)?;
    let mut rest = &bytes[..];
    if left_out > 0 {
        // It begins in the middle of a line.
        let begin = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        rest = &rest[begin..];
    }
    let mut last = Wall(0);
    let lines = rest.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(|line| {
        // Whoever can write there could have written anything.
        let text = sanitise(line);
        let (at, text) = match text.split_once(' ').map(|(time, rest)| (time.parse::<Wall>(), rest)) {
            Some((Ok(at), rest)) => (at, rest.to_owned()),
            _ => (last, text),
        };
        last = at;
        if let Some((level, text)) = ownlines::read(&text) {
            return LogLine { at, level, text: text.to_owned() };
        }
        let classified = Classified::of(&text);
        let mut shown = String::new();
        classified.shown(&mut shown);
        LogLine { at, level: classified.level, text: shown }
    });
    // Our own lines come another way than the process's: a few stand some milliseconds beside their place.
    let mut lines: Vec<LogLine> = lines.collect();
    lines.sort_by_key(|line| line.at);
    Ok(WholeLog { lines, left_out: Bytes(left_out) })
}

/// One log being written. Never blocks, never fails.
#[derive(Debug)]
pub struct JobLog {
    keeper: LogKeeper,
    file: JobFile,
    block: Vec<u8>,
    lines: u64,
    room: usize,
    full: bool,
    left_out: u64,
    lost: u64,
}

impl JobLog {
    /// Adds a line: the time, then `text`, which must be sanitised. Once the file is full, lines are only counted.
    pub fn line(&mut self, at: Wall, text: &str) {
        if self.full {
            self.left_out += 1;
            return;
        }
        let before = self.block.len();
        let _ = writeln!(self.block, "{at} {text}");
        let length = self.block.len() - before;
        if length > self.room {
            self.block.truncate(before);
            self.full = true;
            self.left_out = 1;
            let _ = writeln!(self.block, "{at} log full; what follows is counted, not kept");
        } else {
            self.room -= length;
            self.lines += 1;
        }
        if self.block.len() >= BLOCK {
            self.hand_over();
        }
    }

    /// Hands the lines so far to the disk's thread.
    pub fn hand_over(&mut self) {
        if self.block.is_empty() {
            return;
        }
        let block = std::mem::take(&mut self.block);
        let lines = std::mem::take(&mut self.lines);
        let size = block.len();
        if self.keeper.waiting.fetch_add(size, Ordering::Relaxed) + size > MOST_WAITING {
            self.keeper.waiting.fetch_sub(size, Ordering::Relaxed);
            self.lost += lines;
        } else if self.keeper.orders.send(Order::Write(self.file.clone(), block)).is_err() {
            self.lost += lines;
        }
    }

    /// Writes the counts of what was left out, then `last`, and closes the file.
    pub fn close(mut self, at: Wall, last: &str) {
        if self.left_out > 0 {
            let _ = writeln!(self.block, "{at} log full, {} left out", many(self.left_out, "line"));
        }
        self.hand_over();
        if self.lost > 0 {
            let _ = writeln!(self.block, "{at} disk too slow, {} left out", many(self.lost, "line"));
        }
        let _ = writeln!(self.block, "{at} {last}");
        self.hand_over();
        let _ = self.keeper.orders.send(Order::Close(self.file));
    }
}

/// The writing thread. Files open by path: a handful at most, one for each running job.
fn write_all(inbox: mpsc::Receiver<Order>, waiting: &AtomicUsize, on_fault: &OnFault) {
    // `None` = given up, told already.
    let mut open: std::collections::BTreeMap<JobFile, Option<File>> = std::collections::BTreeMap::new();
    for order in inbox {
        match order {
            Order::Begin(file, at, most) => {
                let begun = told(begin(&file.0, at, most), &file.0, on_fault);
                open.insert(file, begun);
            }
            Order::Own(file, line) => {
                // A disk that took no line before is not asked again: that was told.
                let written = match open.get_mut(&file) {
                    Some(handle) => handle.as_mut().map_or(Ok(()), |to| to.write_all(line.as_bytes())),
                    None => create(&file.0).and_then(|mut to| to.write_all(line.as_bytes())),
                };
                let _ = told(written, &file.0, on_fault);
            }
            Order::Write(file, block) => {
                let path = file.0.clone();
                let handle = open.entry(file).or_insert_with_key(|file| told(create(&file.0), &file.0, on_fault));
                if let Some(to) = handle {
                    let written = to.write_all(&block);
                    if written.is_err() {
                        *handle = None;
                        let _ = told(written, &path, on_fault);
                    }
                }
                waiting.fetch_sub(block.len(), Ordering::Relaxed);
            }
            Order::Close(file) => {
                open.remove(&file);
            }
            Order::Flush(done) => {
                let _ = done.try_send(());
            }
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        make_private(dir)?;
    }
    let mut options = OpenOptions::new();
    options.append(true).read(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options.open(path)
}

/// Opens the file for a try. What an earlier one has written there is kept, of much of it the end.
fn begin(path: &Path, at: Wall, most: u64) -> io::Result<File> {
    let mut file = create(path)?;
    let size = file.metadata()?.len();
    if size > most {
        keep_end(&mut file, size - most)?;
    }
    if size > 0 {
        let line = ownlines::line(at, LogLevel::Info, ANOTHER_TRY);
        file.write_all(format!("{line}\n").as_bytes())?;
    }
    Ok(file)
}

/// Says what stands above it.
const ANOTHER_TRY: &str = "a try begins that has the number of an earlier one, whose log stands above";

/// Removes what stands before this place, and the rest of the line that is cut there.
fn keep_end(file: &mut File, from: u64) -> io::Result<()> {
    let mut end = Vec::new();
    file.seek(io::SeekFrom::Start(from))?;
    file.read_to_end(&mut end)?;
    let line = end.iter().position(|byte| *byte == b'\n').map_or(end.len(), |at| at + 1);
    file.set_len(0)?;
    file.write_all(&end[line..])
}

fn told<T>(result: io::Result<T>, path: &Path, on_fault: &OnFault) -> Option<T> {
    result
        .map_err(|error| {
            let what = format!("cannot write the log {}", path_text(path));
            let why = crate::host::media::probe::words(&error);
            on_fault(what, format!("{why}; the job goes on without it; free space or check the folder's rights"));
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    type Faults = Arc<Mutex<Vec<String>>>;

    fn keeper() -> (LogKeeper, Faults) {
        let faults = Faults::default();
        let sink = Arc::clone(&faults);
        let keeper = LogKeeper::new(Box::new(move |what, detail| sink.lock().unwrap().push(format!("{what}: {detail}")))).unwrap();
        (keeper, faults)
    }

    fn read(path: &Path) -> Vec<String> {
        std::fs::read_to_string(path).unwrap().lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    #[test]
    fn lines_stand_in_the_file_with_their_time() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, faults) = keeper();
        let path = log_path(&dir.path().join("logs/run"), JobId(3), 2);
        assert!(path.ends_with("logs/run/3.2.log"));
        let mut log = keeper.open(path.clone(), Bytes::mib(1));
        log.line(Wall(0), "[warning] odd");
        log.close(Wall(1), "ended");
        assert!(keeper.flush(PATIENCE));
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "1970-01-01T00:00:00.000Z [warning] odd\n1970-01-01T00:00:00.001Z ended\n");
        assert!(faults.lock().unwrap().is_empty());
    }

    #[test]
    fn the_log_of_a_job_that_ended_in_an_earlier_run_is_found_there() {
        let dir = tempfile::tempdir().unwrap();
        let runs = dir.path().join("logs");
        for (run, attempt, text) in [(8, 1, "eight"), (9, 1, "nine"), (9, 2, "second"), (12, 1, "later")] {
            let path = log_path(&runs.join(run.to_string()), JobId(3), attempt);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("1970-01-01T00:00:00.000Z {text}\n")).unwrap();
        }
        std::fs::create_dir(runs.join("x")).unwrap();
        let text =
            |run: u64, attempt| read_log(&runs.join(run.to_string()), JobId(3), attempt).map(|log| log.lines[0].text.clone());
        assert_eq!(text(11, 1).as_deref(), Ok("nine"), "the latest before this run");
        assert_eq!(text(11, 3).as_deref(), Ok("second"), "a try that was never begun again has the log of the one before");
        assert_eq!(text(12, 1).as_deref(), Ok("later"));
        assert!(text(7, 1).unwrap_err().contains("logs/7/3.1.log"), "what comes later is another job's");
    }

    #[test]
    fn the_latest_log_of_a_job_is_that_of_the_latest_run_and_one_that_is_gone_is_told_with_the_folder_of_all_runs() {
        let dir = tempfile::tempdir().unwrap();
        let runs = dir.path().join("logs");
        for run in [8, 9] {
            let path = log_path(&runs.join(run.to_string()), JobId(3), 1);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("1970-01-01T00:00:00.000Z run {run}\n")).unwrap();
        }
        assert_eq!(read_latest_log(&runs, JobId(3), 1).unwrap().lines[0].text, "run 9");
        let told = read_latest_log(&runs, JobId(1), 1).unwrap_err();
        assert_eq!(told, format!("the log of job #1 is not there any more ({})", path_text(&runs)));
    }

    #[test]
    fn a_log_is_read_back_while_it_is_written_and_nothing_foreign_gets_through() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, _) = keeper();
        let reader = LogReader::new(keeper.clone(), dir.path().to_owned());
        let missing = reader.read(JobId(7), 1).unwrap_err();
        assert!(missing.contains("7.1.log") && !missing.contains("os error"), "{missing}");
        let mut log = keeper.open(log_path(dir.path(), JobId(7), 1), Bytes::mib(1));
        log.line(Wall(5), "job 7, try 1: ffmpeg");
        log.line(Wall(9), "[h264 @ 0x55] [error] no frame!");
        log.hand_over();
        assert!(keeper.flush(Duration::from_mins(1)));
        let read = reader.read(JobId(7), 1).unwrap();
        let line = |at, level, text: &str| LogLine { at: Wall(at), level, text: text.to_owned() };
        let expected = [line(5, LogLevel::Info, "job 7, try 1: ffmpeg"), line(9, LogLevel::Error, "[h264] no frame!")];
        assert_eq!(read, WholeLog { lines: expected.to_vec(), left_out: Bytes::ZERO });
        std::fs::write(log_path(dir.path(), JobId(8), 1), b"no time\x1b[2J\n\xff\n").unwrap();
        let texts: Vec<String> = reader.read(JobId(8), 1).unwrap().lines.into_iter().map(|line| line.text).collect();
        assert_eq!(texts, ["no time␛[2J", "\\xFF"]);
    }

    #[test]
    fn our_own_lines_stand_in_the_file_in_their_place_in_time_those_after_the_end_too() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, _) = keeper();
        let path = log_path(dir.path(), JobId(7), 1);
        let mut log = keeper.open(path.clone(), Bytes::mib(1));
        log.line(Wall(5), "job 7, try 1: ffmpeg");
        let own = |at, text: &str| keeper.add(path.clone(), format!("{} plimsoll [memory] {text}\n", Wall(at)));
        own(7, "Memory usage before processing: 1.0MB");
        log.line(Wall(6), "ffmpeg said this a little sooner");
        log.close(Wall(9), "ended");
        own(11, "Memory usage after processing: 1.0MB");
        assert!(keeper.flush(Duration::from_mins(1)));
        let read = LogReader::new(keeper, dir.path().to_owned()).read(JobId(7), 1).unwrap();
        let line = |at, level, text: &str| LogLine { at: Wall(at), level, text: text.to_owned() };
        let expected = [
            line(5, LogLevel::Info, "job 7, try 1: ffmpeg"),
            line(6, LogLevel::Info, "ffmpeg said this a little sooner"),
            line(7, LogLevel::Memory, "Memory usage before processing: 1.0MB"),
            line(9, LogLevel::Info, "ended"),
            line(11, LogLevel::Memory, "Memory usage after processing: 1.0MB"),
        ];
        assert_eq!(read.lines, expected);
    }

    #[test]
    fn the_log_of_an_earlier_try_with_the_same_number_stays_above_that_of_the_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, faults) = keeper();
        let path = log_path(dir.path(), JobId(7), 1);
        let cap = Bytes(200);
        for text in ["the disk was full", "it failed", "it failed again"] {
            let mut log = keeper.open(path.clone(), cap);
            log.line(wall_now(), text);
            log.close(wall_now(), "ended");
        }
        assert!(keeper.flush(Duration::from_mins(1)));
        let reader = LogReader::new(keeper.clone(), dir.path().to_owned());
        let texts: Vec<String> = reader.read(JobId(7), 1).unwrap().lines.into_iter().map(|line| line.text).collect();
        // Of the earlier ones as much is kept as one may have, from a whole line on.
        let kept = ["it failed", "ended", ANOTHER_TRY, "it failed again", "ended"];
        assert_eq!(texts[texts.len() - 5..], kept, "{texts:?}");
        assert!(!texts.contains(&"the disk was full".to_owned()), "{texts:?}");
        assert!(faults.lock().unwrap().is_empty());
    }

    #[test]
    fn of_a_huge_log_the_end_is_read_from_a_whole_line_on() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, _) = keeper();
        let line = format!("1970-01-01T00:00:00.000Z {}\n", "x".repeat(999));
        let path = log_path(dir.path(), JobId(1), 1);
        std::fs::write(&path, line.repeat(10_000)).unwrap();
        let read = LogReader::new(keeper, dir.path().to_owned()).read(JobId(1), 1).unwrap();
        assert!(read.left_out > Bytes::ZERO && read.lines.iter().all(|line| line.text.len() == 999));
        assert_eq!(read.lines.len() as u64, MOST_READ / line.len() as u64);
    }

    #[test]
    fn one_line_that_was_left_out_is_told_as_one() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, _) = keeper();
        let path = dir.path().join("1.1.log");
        let line = "a line";
        let mut log = keeper.open(path.clone(), Bytes(line.len() as u64));
        log.line(Wall(0), line);
        log.close(Wall(0), "ended");
        assert!(keeper.flush(PATIENCE));
        assert_eq!(read(&path)[1], "log full, 1 line left out");
    }

    #[test]
    fn a_full_log_says_how_many_lines_it_left_out_and_how_the_job_ended() {
        let dir = tempfile::tempdir().unwrap();
        let (keeper, _) = keeper();
        let path = dir.path().join("1.1.log");
        let mut log = keeper.open(path.clone(), Bytes(300));
        for n in 0..100 {
            log.line(Wall(0), &format!("line {n:03}"));
        }
        log.close(Wall(0), "ended");
        assert!(keeper.flush(PATIENCE));
        let lines = read(&path);
        let kept = lines.iter().filter(|line| line.starts_with("line ")).count();
        assert_eq!(kept, 300 / "1970-01-01T00:00:00.000Z line 000\n".len());
        assert_eq!(
            lines[kept..],
            [
                "log full; what follows is counted, not kept".to_owned(),
                format!("log full, {} lines left out", 100 - kept),
                "ended".to_owned()
            ]
        );
    }

    #[test]
    fn a_log_that_cannot_be_written_is_told_once_and_harms_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let (keeper, faults) = keeper();
        let mut log = keeper.open(dir.path().join("file/1.1.log"), Bytes::mib(16));
        for _ in 0..10_000 {
            log.line(Wall(0), "a line of text that has to go somewhere");
        }
        log.close(Wall(0), "ended");
        assert!(keeper.flush(PATIENCE));
        let faults = faults.lock().unwrap();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("file/1.1.log") && faults[0].contains("goes on"), "{}", faults[0]);
    }

    #[test]
    fn a_symlink_in_the_place_of_a_log_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join("1.1.log")).unwrap();
        let (keeper, faults) = keeper();
        keeper.open(dir.path().join("1.1.log"), Bytes::mib(1)).close(Wall(0), "ended");
        assert!(keeper.flush(PATIENCE));
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
        assert_eq!(faults.lock().unwrap().len(), 1);
    }
}
