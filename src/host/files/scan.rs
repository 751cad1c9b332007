//! From paths to inputs: what the walk finds is held against the queue, counts once, and gets the name of its output.

use std::path::{Path, PathBuf};

use crate::domain::job::LogLevel;
use crate::domain::preset::Preset;
use crate::domain::units::Bytes;
use crate::engine::port::ScanId;
use crate::host::files::naming::Named;
pub use crate::host::files::naming::{NameBook, input_key, output_path};
pub use crate::host::files::walk::{Found, Request, find};
use crate::host::jobstore::{NewJob, Once};
use crate::host::store::{OutputRecord, Records, Standing};

/// Inputs handed over at a time.
const BATCH: usize = 256;

/// What a scan works for.
#[derive(Debug, Clone, Copy)]
pub struct ScanOrder<'a> {
    /// Its number.
    pub scan: ScanId,
    /// Files and folders, absolute.
    pub paths: &'a [PathBuf],
    /// What is to be made of them.
    pub preset: &'a Preset,
}

/// What came of a scan, beyond what was handed over.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// The paths that cannot be taken, with the reason.
    pub refused: Vec<(PathBuf, String)>,
    /// Inputs that an earlier run had queued already, and that still wait.
    pub known: u64,
    /// What else the operator should know: what was passed over, links.
    pub notes: Vec<(LogLevel, String)>,
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
    let mut scan = Scan { order, book, records, hand_over, batch: Vec::new(), scanned: Scanned::default(), is_broken: false };
    let record = |path: &Path| records.lookup(path).as_ref().map(looks);
    let request = Request { paths: order.paths, preset: order.preset, out: &out, others: &others, record: &record };
    let passed = find(&request, &mut |path, found| match found {
        Ok(found) => scan.file(path, found),
        Err(why) => scan.refuse(path, why),
    });
    scan.flush();
    let mut scanned = scan.scanned;
    scanned.notes = passed.notes();
    scanned
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
        match self.records.standing(self.order.scan, once) {
            Standing::New => {}
            Standing::Seen => return,
            Standing::Queued => return self.refuse(path, "it is in the queue already".to_owned()),
            Standing::FromEarlier => {
                self.scanned.known += 1;
                return;
            }
        }
        let output = self.book.name(&Named { path, key, below: found.below }, self.order.preset, self.records);
        self.batch.push(NewJob { input: path.to_owned(), key, size: Bytes(found.size), output, place: None });
        if self.batch.len() >= BATCH {
            self.flush();
        }
    }

    fn refuse(&mut self, path: &Path, reason: String) {
        self.scanned.refused.push((path.to_owned(), reason));
    }

    fn flush(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        let first = batch[0].input.clone();
        if let Err(why) = (self.hand_over)(batch) {
            self.refuse(&first, why);
            self.is_broken = true;
        }
        self.book.handed_over();
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
