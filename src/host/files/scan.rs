//! From paths to inputs: what the walk finds is held against the queue, counts once, and gets the name of its output.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::domain::job::LogLevel;
use crate::domain::preset::Preset;
use crate::domain::text::path_text;
use crate::domain::units::Bytes;
use crate::domain::watch::{DeleteInput, WatchTake};
use crate::engine::port::ScanId;
use crate::host::files::file_id::Looks;
use crate::host::files::naming::Named;
pub use crate::host::files::naming::{NameBook, input_key, output_path};
pub use crate::host::files::walk::{Found, Request, find};
use crate::host::files::walk::{Judged, judge};
use crate::host::jobstore::{InputKey, NewJob, Once, Taken, TakenKey};
use crate::host::store::{OutputRecord, Records, Standing};

/// Inputs handed over at a time.
const BATCH: usize = 256;

/// What a scan works for.
#[derive(Debug, Clone, Copy)]
pub struct ScanOrder<'a> {
    pub scan: ScanId,
    /// Files and folders, absolute.
    pub paths: &'a [PathBuf],
    /// What is to be made of them.
    pub preset: &'a Preset,
    /// They are files of this watched folder.
    pub watch: Option<&'a WatchTake>,
}

/// What came of a scan, beyond what was handed over.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// The paths that cannot be taken, with the reason.
    pub refused: Vec<(PathBuf, String)>,
    /// Inputs that are in the queue already: not queued a second time.
    pub known: u64,
    /// What else the operator should know: what was passed over, links.
    pub notes: Vec<(LogLevel, String)>,
    /// Inputs that were handed over.
    pub queued: u64,
    /// Files of a watched folder that need no further look: they are in the queue, or will never be.
    pub settled: Vec<Taken>,
    /// Files of a watched folder of which a job works on an earlier state.
    pub at_work: Vec<PathBuf>,
    /// The queue did not take them all.
    pub is_broken: bool,
}

/// Hands over the inputs that [`find`] finds, in groups of 256; where that fails, the scan ends.
pub fn scan(
    order: ScanOrder<'_>,
    book: &mut NameBook,
    records: &dyn Records,
    hand_over: &mut dyn FnMut(Vec<NewJob>) -> Result<(), String>,
) -> Scanned {
    book.begin_anew();
    let (out, others) = (book.destination().out.clone(), book.outs());
    let mut scan = Scan {
        order,
        book,
        records,
        hand_over,
        batch: Vec::new(),
        scanned: Scanned::default(),
        known: BTreeSet::new(),
        is_broken: false,
    };
    let record = |path: &Path| records.lookup(path).as_ref().map(looks);
    let request = Request { paths: order.paths, preset: order.preset, out: &out, others: &others, record: &record };
    let mut tell = |path: &Path, found: Result<Found<'_>, String>| match found {
        Ok(found) => scan.file(path, found),
        Err(why) => scan.refuse(path, why),
    };
    let mut passed_over = Vec::new();
    let passed = match order.watch {
        None => find(&request, &mut tell),
        Some(take) => judge(&request, &take.folder, &mut tell, &mut |path, judged| {
            passed_over.extend((judged == Judged::Passed).then(|| path.to_owned()));
        }),
    };
    scan.flush();
    scan.scanned.settled.extend(passed_over.iter().filter_map(|path| taken(order, path)));
    scan.scanned.is_broken = scan.is_broken;
    let mut scanned = scan.scanned;
    scanned.notes = passed.notes();
    scanned
}

/// The state in which a file of a watched folder is now.
fn taken(order: ScanOrder<'_>, path: &Path) -> Option<Taken> {
    let take = order.watch?;
    let key = TakenKey::of(path, &Looks::of(path)?, &order.preset.name, &take.out);
    Some(Taken { key, delete_input: take.delete_input == DeleteInput::AfterDone })
}

/// Size and inode of a recorded output.
const fn looks(record: &OutputRecord) -> (u64, u64) {
    (record.size, record.ino)
}

struct Scan<'a> {
    order: ScanOrder<'a>,
    book: &'a mut NameBook,
    records: &'a dyn Records,
    hand_over: &'a mut dyn FnMut(Vec<NewJob>) -> Result<(), String>,
    batch: Vec<NewJob>,
    scanned: Scanned,
    /// What was found to be in the queue already: each counts once, however it is reached.
    known: BTreeSet<InputKey>,
    /// The queue does not take anything: nothing more is looked for.
    is_broken: bool,
}

impl Scan<'_> {
    fn file(&mut self, path: &Path, found: Found<'_>) {
        let key = input_key(path);
        // The same file twice in one scan counts once, without a word.
        if self.is_broken || self.book.inputs.contains(&key) {
            return;
        }
        let once = Once { input: key, preset: &self.order.preset.name, out: &self.book.destination().out };
        let taken = taken(self.order, path);
        if self.order.watch.is_some() && self.records.is_at_work(once) {
            return self.scanned.at_work.push(path.to_owned());
        }
        match self.records.standing(self.order.scan, once) {
            Standing::New => {}
            Standing::Seen => return,
            // Whoever runs it reads the file as it is then.
            Standing::Queued if self.order.watch.is_some() => return self.scanned.settled.extend(taken),
            Standing::Queued => {
                self.scanned.known += u64::from(self.known.insert(key));
                return;
            }
        }
        let output = self.book.name(&Named { path, key, below: found.below }, self.order.preset, self.records);
        self.batch.push(NewJob { input: path.to_owned(), key, size: Bytes(found.size), output, place: None, taken });
        if self.batch.len() >= BATCH {
            self.flush();
        }
    }

    fn refuse(&mut self, path: &Path, reason: String) {
        self.scanned.refused.push((path.to_owned(), reason));
    }

    /// The queue does not take this input, nor what comes after it.
    fn refuse_the_rest(&mut self, first: &Path, why: &str) {
        // Files of a watched folder are looked at again anyway.
        if self.order.watch.is_some() {
            return self.refuse(first, why.to_owned());
        }
        let paths = self.order.paths;
        let at = paths.iter().position(|path| first.starts_with(path));
        let given = at.map_or(first, |at| &paths[at]);
        let what = if given == first {
            "it was not queued".to_owned()
        } else {
            format!("the rest of it was not looked at from {} on", path_text(first))
        };
        let others = match at.map_or(0, |at| paths.len() - at - 1) {
            0 => String::new(),
            1 => ", nor was the path given after it".to_owned(),
            many => format!(", nor were the {many} paths given after it"),
        };
        let words = format!("{why}; {what}{others}; add it again, what is queued is not queued twice");
        self.refuse(given, words);
    }

    fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        let (first, number) = (batch[0].input.clone(), batch.len() as u64);
        match (self.hand_over)(batch) {
            Ok(()) => self.scanned.queued += number,
            Err(why) => {
                self.refuse_the_rest(&first, &why);
                self.is_broken = true;
            }
        }
        self.book.handed_over();
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
