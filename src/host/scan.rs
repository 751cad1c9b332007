//! From paths to inputs: folders are searched, each file counts once, and each gets the name of its output.
//!
//! Reads folders and file sizes; never opens a media file unless the record says that its output may already be there.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::jobstore::{InputKey, NewJob};
use super::probe::words;
use super::scratch::WORK_FOLDER;
use super::store::{Records, Standing, preset_hash};
use crate::domain::preset::Preset;
use crate::domain::text::path_text;
use crate::domain::units::Bytes;
use crate::engine::port::ScanId;

/// Inputs handed over at a time.
const BATCH: usize = 256;
/// Longest file name that Linux and macOS file systems take, in bytes.
const NAME_MAX: usize = 255;
/// Room kept in a name for `-99999`, so that numbering never has to cut a stem further.
const NUMBER_ROOM: usize = 6;

/// Extensions that a file in a searched folder must have, when the preset makes a picture.
const VIDEO_EXTENSIONS: &[&str] = &[
    "mp4", "m4v", "mov", "qt", "mkv", "webm", "avi", "ts", "m2ts", "mts", "m2t", "mpg", "mpeg", "mpe", "vob", "flv", "f4v", "ogv",
    "ogm", "ogg", "asf", "wmv", "3gp", "3gpp", "3g2", "mj2", "divx",
];
/// Further ones when it makes only sound.
const AUDIO_EXTENSIONS: &[&str] = &["wav", "m4a", "m4b", "mp3", "flac", "aac", "oga", "opus", "wma", "mka", "weba"];

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
}

/// The key of the file at `path`: the same for every way to it.
pub fn input_key(path: &Path) -> InputKey {
    let canonical = path.canonicalize();
    let hash = blake3::hash(canonical.as_deref().unwrap_or(path).as_os_str().as_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&hash.as_bytes()[..16]);
    InputKey(key)
}

/// First names that two inputs want, whose next number is remembered; more than that are looked for from the first again.
const NUMBERS_KEPT: usize = 4096;

/// Names of outputs, none given twice. The queue itself knows which are taken; here stands only what is not handed over yet.
#[derive(Debug)]
pub struct NameBook {
    out: PathBuf,
    overwrite: bool,
    /// Outputs and inputs that were named and are not in the queue yet.
    outputs: BTreeSet<PathBuf>,
    inputs: BTreeSet<InputKey>,
    /// The number that the next input with this first name tries first.
    next: BTreeMap<PathBuf, u32>,
}

impl NameBook {
    /// A book for outputs in the folder `out`, absolute. With `overwrite` a file that is there does not take a name.
    pub fn new(out: impl Into<PathBuf>, overwrite: bool) -> Self {
        Self { out: out.into(), overwrite, outputs: BTreeSet::new(), inputs: BTreeSet::new(), next: BTreeMap::new() }
    }

    /// The folder of the outputs.
    pub fn out(&self) -> &Path {
        &self.out
    }

    /// What was named is in the queue now, or never will be.
    pub fn handed_over(&mut self) {
        self.outputs.clear();
        self.inputs.clear();
    }

    /// Names may have become free again: jobs were taken off the list.
    pub fn begin_anew(&mut self) {
        self.next.clear();
    }

    /// The output of `input`: the first of its names that no other input of the queue has, that no file has which was not
    /// made from these bytes with this preset, and that is not an input itself.
    pub fn name(&mut self, input: &Path, key: InputKey, preset: &Preset, records: &dyn Records) -> PathBuf {
        let first = output_path(&self.out, input, preset, 1);
        let start = self.next.get(&first).copied().unwrap_or(1);
        let definition = preset_hash(preset);
        self.inputs.insert(key);
        let mut number = start;
        let path = loop {
            let path = output_path(&self.out, input, preset, number);
            let is_taken = self.outputs.contains(&path) || records.is_taken(&path, &key, &preset.name);
            if !is_taken && self.is_free(&path, input, &definition, records) {
                break path;
            }
            number += 1;
        };
        // A hundred thousand equal stems stay quick; a stem of its own is not remembered.
        if number > 1 {
            if self.next.len() >= NUMBERS_KEPT {
                self.next.clear();
            }
            self.next.insert(first, number + 1);
        }
        self.outputs.insert(path.clone());
        path
    }

    fn is_free(&self, path: &Path, input: &Path, definition: &str, records: &dyn Records) -> bool {
        let Ok(meta) = std::fs::symlink_metadata(path) else { return true };
        if !meta.is_file() {
            return false;
        }
        // Reading fails only if the input is gone by now; the probe will say so, under any name.
        if records.lookup(path).is_some_and(|record| record.is_current(input, definition).unwrap_or(false)) {
            return true;
        }
        self.overwrite && !self.is_input(path, records)
    }

    fn is_input(&self, path: &Path, records: &dyn Records) -> bool {
        let key = input_key(path);
        self.inputs.contains(&key) || records.is_input(&key)
    }
}

/// `<out>/<stem>.<preset>.<ext>`, from the second on `<out>/<stem>-<number>.<preset>.<ext>`. The stem keeps whatever bytes it
/// has, and is cut where the name would be longer than a file system takes.
pub fn output_path(out: &Path, input: &Path, preset: &Preset, number: u32) -> PathBuf {
    let stem = input.file_stem().unwrap_or(OsStr::new("output")).as_bytes();
    let label: String = preset.name.chars().map(|c| if matches!(c, '/' | '\0') { '_' } else { c }).collect();
    let tail = format!(".{label}.{}", preset.container.extension());
    let mut name = cut(stem, NAME_MAX.saturating_sub(tail.len() + NUMBER_ROOM)).to_vec();
    if number > 1 {
        name.extend_from_slice(format!("-{number}").as_bytes());
    }
    name.extend_from_slice(tail.as_bytes());
    out.join(OsString::from_vec(name))
}

/// At most `room` bytes, not ending within a character.
fn cut(stem: &[u8], room: usize) -> &[u8] {
    if stem.len() <= room {
        return stem;
    }
    let mut end = room.max(1);
    while end > 1 && end > room.saturating_sub(4) && stem[end] & 0xC0 == 0x80 {
        end -= 1;
    }
    &stem[..end]
}

/// Hands over the inputs that [`find`] finds, in groups of 256; where that fails, the scan ends.
pub fn scan(
    order: ScanOrder<'_>,
    book: &mut NameBook,
    records: &dyn Records,
    hand_over: &mut dyn FnMut(Vec<NewJob>) -> Result<(), String>,
) -> Scanned {
    book.begin_anew();
    let out = book.out().to_owned();
    let mut scan = Scan { order, book, records, hand_over, batch: Vec::new(), scanned: Scanned::default(), is_broken: false };
    find(order.paths, order.preset, &out, &mut |path, found| match found {
        Ok(size) => scan.file(path, size),
        Err(why) => scan.refuse(path, why),
    });
    scan.flush();
    scan.scanned
}

/// What is told of each file found: its size, or why it cannot be taken.
type Tell<'a> = &'a mut dyn FnMut(&Path, Result<u64, String>);

/// Finds the inputs under the given paths: files as they are, whatever their name; folders recursively, in the order of
/// names, without hidden entries, without following symbolic links, without the folder `out` of the outputs, and only files
/// with the extension of a medium that the preset can use.
pub fn find(paths: &[PathBuf], preset: &Preset, out: &Path, tell: Tell<'_>) {
    for path in paths {
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => find_below(path, preset, out, tell),
            Ok(meta) => tell(path, Ok(meta.len())),
            Err(error) => tell(path, Err(words(&error))),
        }
    }
}

fn find_below(root: &Path, preset: &Preset, out: &Path, tell: Tell<'_>) {
    let own = out.canonicalize().ok();
    let canonical_root = root.canonicalize().ok();
    // Somebody who names the output folder itself means it.
    let skipped = own.filter(|own| canonical_root.as_ref() != Some(own));
    let walk = WalkDir::new(root).sort_by_file_name().into_iter();
    let entries = walk.filter_entry(|entry| {
        let hidden = entry.depth() > 0 && entry.file_name().as_bytes().starts_with(b".");
        !hidden && entry.file_name() != WORK_FOLDER && !is_folder(entry, skipped.as_deref())
    });
    for entry in entries {
        match entry {
            Ok(entry) if entry.file_type().is_file() && is_candidate(entry.path(), preset) => {
                let size = entry.metadata().map(|meta| meta.len()).map_err(|error| walk_words(&error));
                tell(entry.path(), size);
            }
            Ok(_) => {}
            Err(error) => tell(error.path().unwrap_or(root), Err(walk_words(&error))),
        }
    }
}

fn is_candidate(path: &Path, preset: &Preset) -> bool {
    let Some(extension) = path.extension() else { return false };
    let is_in = |list: &[&str]| list.iter().any(|known| extension.as_bytes().eq_ignore_ascii_case(known.as_bytes()));
    is_in(VIDEO_EXTENSIONS) || (preset.video.is_none() && is_in(AUDIO_EXTENSIONS))
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
    fn file(&mut self, path: &Path, size: u64) {
        let key = input_key(path);
        // The same file twice in one scan counts once, without a word.
        if self.is_broken || self.book.inputs.contains(&key) {
            return;
        }
        match self.records.standing(self.order.scan, &key, &self.order.preset.name) {
            Standing::New => {}
            Standing::Seen => return,
            Standing::Queued => return self.refuse(path, "it is in the queue already".to_owned()),
            Standing::FromEarlier => {
                self.scanned.known += 1;
                return;
            }
        }
        let output = self.book.name(path, key, self.order.preset, self.records);
        self.batch.push(NewJob { input: path.to_owned(), key, size: Bytes(size), output });
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

fn is_folder(entry: &DirEntry, folder: Option<&Path>) -> bool {
    let Some(folder) = folder else { return false };
    // Only folders of that name are worth a look at the whole path.
    entry.file_type().is_dir()
        && entry.depth() > 0
        && Some(entry.file_name()) == folder.file_name()
        && entry.path().canonicalize().is_ok_and(|path| path == folder)
}

fn walk_words(error: &walkdir::Error) -> String {
    match (error.io_error(), error.loop_ancestor()) {
        (Some(error), _) => words(error),
        (None, Some(ancestor)) => format!("a link back to {}", path_text(ancestor)),
        (None, None) => "it cannot be read".to_owned(),
    }
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
