//! The names of outputs: in the folder of the outputs, in the shape of the folder that was searched, none given twice.
//!
//! Looks at names that are there; makes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use crate::domain::preset::Preset;
use crate::host::jobstore::{Destination, InputKey};
use crate::host::media::mark;
use crate::host::store::{OutputRecord, Records, preset_hash};

/// Longest file name that Linux and macOS file systems take, in bytes.
const NAME_MAX: usize = 255;
/// Room kept in a name for `-99999`, so that numbering never has to cut a stem further.
const NUMBER_ROOM: usize = 6;

/// The key of the file at `path`: the same for every way to it.
pub fn input_key(path: &Path) -> InputKey {
    let canonical = path.canonicalize();
    let hash = blake3::hash(canonical.as_deref().unwrap_or(path).as_os_str().as_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&hash.as_bytes()[..16]);
    InputKey(key)
}

/// An input that is to get the name of its output.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    pub path: &'a Path,
    pub key: InputKey,
    /// The folder it was found in, below the one that was searched; empty for a file that was given.
    pub below: &'a Path,
}

/// Numbers tried for a folder whose name is taken by something else.
const FOLDERS_TRIED: u32 = 1000;

/// Names that are looked at for what was made of an input before, where others have its first ones.
const OWN_TRIED: u32 = 64;

/// First names that two inputs want, whose next number is remembered; more than that are looked for from the first again.
const NUMBERS_KEPT: usize = 4096;

/// Names of outputs, none given twice. The queue itself knows which are taken; here stands only what is not handed over yet.
#[derive(Debug)]
pub struct NameBook {
    /// Where what is named now goes.
    destination: Destination,
    /// Every folder of outputs in use: without links, and as it was spelled first.
    known: BTreeMap<PathBuf, PathBuf>,
    /// Outputs and inputs that were named and are not in the queue yet.
    outputs: BTreeSet<PathBuf>,
    pub(in crate::host) inputs: BTreeSet<InputKey>,
    /// The number that the next input with this first name tries first.
    next: BTreeMap<PathBuf, u32>,
    /// All outputs go into one folder.
    is_flat: bool,
    /// The folder that was asked for last and where it came to be: files of one folder come one after the other.
    last: Option<(PathBuf, PathBuf)>,
}

impl NameBook {
    /// A book for outputs in the folder `out`, absolute. With `overwrite` a file that is there does not take a name.
    pub fn new(out: impl Into<PathBuf>, overwrite: bool) -> Self {
        let destination = Destination { out: out.into(), overwrite };
        Self {
            known: BTreeMap::from([(real(&destination.out), destination.out.clone())]),
            destination,
            outputs: BTreeSet::new(),
            inputs: BTreeSet::new(),
            next: BTreeMap::new(),
            is_flat: false,
            last: None,
        }
    }

    /// The same book, with all outputs in one folder if `is_flat`.
    #[must_use]
    pub fn flat(self, is_flat: bool) -> Self {
        Self { is_flat, ..self }
    }

    /// These folders are in use too.
    pub fn know(&mut self, outs: impl IntoIterator<Item = PathBuf>) {
        for out in outs {
            self.known.entry(real(&out)).or_insert(out);
        }
    }

    /// What is named from now on goes there, in the shape of the folders searched unless `is_flat`. A folder that is in use
    /// under another spelling keeps that one: otherwise two outputs in it could get the same name.
    pub fn turn_to(&mut self, wished: Destination, is_flat: bool) {
        let place = real(&wished.out);
        let known = self.known.get(&place).filter(|known| real(known) == place).cloned();
        let out = known.unwrap_or(wished.out);
        self.known.insert(place, out.clone());
        self.destination = Destination { out, overwrite: wished.overwrite };
        self.is_flat = is_flat;
        self.begin_anew();
    }

    /// Where what is named now goes.
    pub const fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Every folder of outputs in use.
    pub fn outs(&self) -> Vec<PathBuf> {
        self.known.values().cloned().collect()
    }

    /// What was named is in the queue now, or never will be.
    pub fn handed_over(&mut self) {
        self.outputs.clear();
        self.inputs.clear();
    }

    /// Gives an input the name that it had before; false where another has that meanwhile.
    pub fn give_back(&mut self, output: &Path, key: InputKey, preset: &str, records: &dyn Records) -> bool {
        if self.outputs.contains(output) || records.is_taken(output, &key, preset) {
            return false;
        }
        self.inputs.insert(key);
        self.outputs.insert(output.to_owned())
    }

    /// Names may have become free again: jobs were taken off the list.
    pub fn begin_anew(&mut self) {
        self.next.clear();
        self.last = None;
    }

    /// The output of an input: the name that what was made of it has, else the first of its names that no other input of the
    /// queue has, that no file has which was not made from these bytes with this preset, and that is not an input itself. It
    /// stands in the folder `below` that of the outputs, as the input does below the folder that was searched.
    pub fn name(&mut self, named: &Named<'_>, preset: &Preset, records: &dyn Records) -> PathBuf {
        let Named { path: input, key, below } = *named;
        let folder = self.folder(below);
        let first = output_path(&folder, input, preset, 1);
        let start = self.next.get(&first).copied().unwrap_or(1);
        self.inputs.insert(key);
        // What is done stays done, whoever else of its stem has come since.
        if let Some(own) = self.own(named, (&folder, start), preset, records) {
            self.outputs.insert(own.clone());
            return own;
        }
        let mut number = start;
        let path = loop {
            let path = output_path(&folder, input, preset, number);
            let is_taken = self.outputs.contains(&path) || records.is_taken(&path, &key, &preset.name);
            if !is_taken && self.is_free(&path, (input, key), preset, records) {
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

    /// The output in this folder that was made of the input as it is now, with this preset; names before `start` are those that
    /// others of its stem were given in this scan, or have passed. What is to be made anew takes the first name that was ever its own.
    fn own(&self, input: &Named<'_>, (folder, start): (&Path, u32), preset: &Preset, records: &dyn Records) -> Option<PathBuf> {
        let Named { path: input, key, .. } = *input;
        let is_own = |path: &PathBuf| {
            let is_there = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file());
            is_there
                && !self.outputs.contains(path)
                && !records.is_taken(path, &key, &preset.name)
                && match records.lookup(path) {
                    Some(record) if self.destination.overwrite => input_key(&record.input) == key,
                    record => is_current(path, record.as_ref(), input, preset),
                }
        };
        let made =
            records.made_last(&key, &preset.name).filter(|path| !self.destination.overwrite && path.parent() == Some(folder));
        let passed = (1..start.min(OWN_TRIED)).map(|number| output_path(folder, input, preset, number));
        made.into_iter().chain(passed).find(is_own)
    }

    fn folder(&mut self, below: &Path) -> PathBuf {
        if self.is_flat || below.as_os_str().is_empty() {
            return self.destination.out.clone();
        }
        if let Some((_, folder)) = self.last.as_ref().filter(|(asked, _)| asked == below) {
            return folder.clone();
        }
        let folder = folder_below(&self.destination.out, below);
        self.last = Some((below.to_owned(), folder.clone()));
        folder
    }

    fn is_free(&self, path: &Path, (input, key): (&Path, InputKey), preset: &Preset, records: &dyn Records) -> bool {
        let Ok(meta) = std::fs::symlink_metadata(path) else { return true };
        if !meta.is_file() {
            return false;
        }
        // Reading fails only if the input is gone by now; the probe will say so, under any name.
        let record = records.lookup(path);
        match &record {
            // What was made of another film, which is still there, stays that one's: a copy of it is a film of its own.
            Some(record) if input_key(&record.input) != key && record.input.exists() => return false,
            _ if is_current(path, record.as_ref(), input, preset) => return true,
            // Made of the half of this file that was there then: what is made of the whole takes that place.
            Some(record) if record.is_of_a_part(input, &preset_hash(preset)) => return true,
            _ => {}
        }
        self.destination.overwrite && !self.is_input(path, records)
    }

    fn is_input(&self, path: &Path, records: &dyn Records) -> bool {
        let key = input_key(path);
        self.inputs.contains(&key) || records.is_input(&key)
    }
}

/// What stands at `output` was made of the same bytes with the same preset, by its record; without one a run with a record of
/// its own may have made it, which its mark tells.
pub fn is_current(output: &Path, record: Option<&OutputRecord>, input: &Path, preset: &Preset) -> bool {
    match record {
        Some(record) => record.is_current(input, &preset_hash(preset)).unwrap_or(false),
        None => mark::of(input, preset).is_ok_and(|mark| mark::carries(output, &mark)),
    }
}

/// A folder without links, as far as it is there.
fn real(folder: &Path) -> PathBuf {
    let there = folder.ancestors().find_map(|there| Some((there, there.canonicalize().ok()?)));
    let missing = there.as_ref().and_then(|(there, _)| folder.strip_prefix(there).ok());
    match there.as_ref().zip(missing) {
        Some(((_, real), missing)) if !missing.as_os_str().is_empty() => real.join(missing),
        Some(((_, real), _)) => real.clone(),
        None => folder.to_owned(),
    }
}

/// The folder `below` the folder `out`, which it never leaves: steps up are left out, and where a link or a file has the name
/// of one of its folders, that one gets a number, `-2` and so on.
fn folder_below(out: &Path, below: &Path) -> PathBuf {
    let mut folder = out.to_owned();
    for part in below.components() {
        let Component::Normal(name) = part else { continue };
        let numbered = |number: u32| match number {
            1 => folder.join(name),
            _ => folder.join([name, OsStr::new(&format!("-{number}"))].into_iter().collect::<OsString>()),
        };
        let is_usable = |path: &Path| std::fs::symlink_metadata(path).map_or(true, |meta| meta.is_dir());
        folder = (1..=FOLDERS_TRIED).map(numbered).find(|path| is_usable(path)).unwrap_or(folder);
    }
    folder
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

#[cfg(test)]
#[path = "naming_tests.rs"]
mod tests;
