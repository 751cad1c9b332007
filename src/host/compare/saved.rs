//! The folder in which comparisons are kept: one file each, replaced as a whole while the comparison goes on.
//!
//! It must not know how a comparison is made or shown; what is written comes as a text.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::domain::comparison::saved::{ComparisonId, ComparisonList, Heading, SavedComparison, Standing};
use crate::domain::text::{error_words, path_text, sanitise};
use crate::host::files::fsops::make_private;
use crate::host::process::orphans::ProcessIdentity;

/// Name of the folder within the state folder.
pub const FOLDER: &str = "comparisons";
/// So many are kept, the latest.
pub const KEPT: usize = 20;
/// No comparison writes more.
const LARGEST: u64 = 64 << 20;
/// Figures are bytes, seconds and counts: a number beyond this is none of ours, and could not be added up.
const LARGEST_NUMBER: f64 = 9e15;
/// Deeper than any comparison.
const DEEPEST: usize = 32;

const ENDING: &str = "json";
const UNFINISHED: &str = ".part";

/// A comparison cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {}", path_text(path), error_words(source))]
pub struct KeepError {
    path: PathBuf,
    source: io::Error,
}

/// Writes one comparison.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    id: ComparisonId,
}

impl Writer {
    /// Makes the folder; of what is in it, only the latest stay, and nothing that was not written to its end.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn begin(state_dir: &Path, id: ComparisonId) -> Result<Self, KeepError> {
        let folder = state_dir.join(FOLDER);
        make_private(&folder).map_err(|source| KeepError { path: folder.clone(), source })?;
        clear(&folder);
        Ok(Self { folder, id })
    }

    /// Puts this text in place of what was kept before. Whoever reads meanwhile reads one or the other.
    ///
    /// # Errors
    /// It cannot be written; what was kept before stays.
    pub fn write(&self, text: &[u8]) -> Result<(), KeepError> {
        let to = self.folder.join(format!("{}.{ENDING}", self.id));
        // Named by the comparison, so that the next one knows whose it was. For its owner alone, as `tempfile` makes all.
        let (name, mut part) = (self.id.to_string(), tempfile::Builder::new());
        let part = part.prefix(&name).suffix(UNFINISHED).rand_bytes(0);
        let write = || -> io::Result<()> {
            let mut file = part.tempfile_in(&self.folder)?;
            file.write_all(text)?;
            file.as_file().sync_all()?;
            file.persist(&to)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|source| KeepError { path: to.clone(), source })
    }
}

/// What tells this process from all others, also from one that has its number later.
pub fn maker() -> String {
    ProcessIdentity::own().to_string()
}

/// Whoever has said this of itself still lives.
fn is_alive(maker: &str) -> bool {
    let Ok(life) = maker.parse::<ProcessIdentity>() else { return false };
    #[cfg(target_os = "linux")]
    let is_alive = life.is_alive();
    // Beginnings are not told here: the number has to do.
    #[cfg(not(target_os = "linux"))]
    let is_alive = i32::try_from(life.pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok());
    is_alive
}

/// The files of a folder whose names are those of comparisons with this ending, the newest first.
fn named(folder: &Path, ending: &str) -> io::Result<Vec<(ComparisonId, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(ending));
        if let Some(id) = name.and_then(|name| name.parse().ok()) {
            found.push((id, path));
        }
    }
    found.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
    Ok(found)
}

/// Makes room for one more. A comparison that is still being made stays, however old it is.
fn clear(folder: &Path) {
    for (_, path) in named(folder, &format!(".{ENDING}")).unwrap_or_default().into_iter().skip(KEPT - 1) {
        if !read(&path).is_ok_and(|kept| kept.progress.standing == Standing::UnderWay) {
            let _ = fs::remove_file(path);
        }
    }
    for (id, path) in named(folder, UNFINISHED).unwrap_or_default() {
        // A number that somebody has again spares the file until the next time.
        if ProcessIdentity::of(id.pid).is_none() {
            let _ = fs::remove_file(path);
        }
    }
}

/// Reads one file; the reason in words where that is not possible.
fn read(path: &Path) -> Result<SavedComparison, String> {
    let why = |error: io::Error| error_words(&error);
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path).map_err(why)?;
    let mut text = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut text).map_err(why)?;
    if text.len() as u64 > LARGEST {
        return Err(format!("is larger than {} MB, which no comparison is", LARGEST >> 20));
    }
    of_text(&text)
}

/// What stands in such a text. All words in it are foreign by now.
///
/// # Errors
/// The text is none that was written for a comparison, in words.
pub fn of_text(text: &[u8]) -> Result<SavedComparison, String> {
    let mut value: Value = serde_json::from_slice(text).map_err(|error| format!("is no comparison: {error}"))?;
    clean(&mut value, 0)?;
    let mut kept: SavedComparison = serde_json::from_value(value).map_err(|error| format!("is no comparison: {error}"))?;
    if kept.progress.standing == Standing::UnderWay && !is_alive(&kept.progress.maker) {
        kept.progress.standing = Standing::BrokenOff;
        kept.progress.run = None;
    }
    Ok(kept)
}

fn clean(value: &mut Value, depth: usize) -> Result<(), String> {
    if depth > DEEPEST {
        return Err("is no comparison: too deep".to_owned());
    }
    match value {
        Value::String(text) => *text = sanitise(text.as_bytes()),
        Value::Number(number) if number.as_f64().is_none_or(|number| number.abs() > LARGEST_NUMBER) => {
            return Err(format!("is no comparison: the number {number} makes no sense"));
        }
        Value::Array(values) => values.iter_mut().try_for_each(|value| clean(value, depth + 1))?,
        Value::Object(fields) => fields.values_mut().try_for_each(|value| clean(value, depth + 1))?,
        _ => {}
    }
    Ok(())
}

/// What a file was when it was read: inode, length, time of change in nanoseconds.
type Stamp = (u64, u64, i64, i64);

/// Reads what is kept, again and again; what has not changed is not read again.
#[derive(Debug)]
pub struct Library {
    folder: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    headings: BTreeMap<ComparisonId, (Stamp, Result<Heading, String>)>,
    /// The one that was asked for last.
    open: Option<(ComparisonId, Stamp, Arc<SavedComparison>)>,
}

impl Library {
    /// What is kept in this state folder.
    pub fn new(state_dir: &Path) -> Self {
        Self { folder: state_dir.join(FOLDER), known: Mutex::default() }
    }

    /// All that is kept, the newest first. What cannot be read is told. Where nothing was kept yet there is nothing.
    ///
    /// # Errors
    /// The folder cannot be read, in words that name it.
    pub fn list(&self) -> Result<ComparisonList, String> {
        let ending = format!(".{ENDING}");
        let files = match named(&self.folder, &ending) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(format!("cannot read {}: {}", path_text(&self.folder), error_words(&error))),
            Ok(files) => files,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut known.headings);
        let mut comparisons = ComparisonList::default();
        for (id, path) in files {
            // One that is gone by now was made room for.
            let Ok(stamp) = stamp(&path) else { continue };
            let unchanged = before.remove(&id).filter(|(known, heading)| {
                // Whoever makes it may die without changing the file.
                *known == stamp && !heading.as_ref().is_ok_and(|heading| heading.standing == Standing::UnderWay)
            });
            let (_, heading) = unchanged.unwrap_or_else(|| (stamp, read(&path).map(|kept| kept.heading(id))));
            match &heading {
                Ok(heading) => comparisons.kept.push(heading.clone()),
                Err(why) => comparisons.unreadable.push((name_of(&path), why.clone())),
            }
            known.headings.insert(id, (stamp, heading));
        }
        Ok(comparisons)
    }

    /// One comparison.
    ///
    /// # Errors
    /// It cannot be read, in words that name the file.
    pub fn open(&self, id: ComparisonId) -> Result<Arc<SavedComparison>, String> {
        let path = self.folder.join(format!("{id}.{ENDING}"));
        let wrong = |why: String| format!("cannot read {}: {why}", path_text(&path));
        let stamp = stamp(&path).map_err(|error| wrong(error_words(&error)))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, at, kept)) = &known.open
            && (*of, *at) == (id, stamp)
            && kept.progress.standing != Standing::UnderWay
        {
            return Ok(Arc::clone(kept));
        }
        let kept = Arc::new(read(&path).map_err(wrong)?);
        known.open = Some((id, stamp, Arc::clone(&kept)));
        Ok(kept)
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

fn name_of(path: &Path) -> String {
    path_text(Path::new(&path.file_name().map(OsString::from).unwrap_or_default()))
}

#[cfg(test)]
#[path = "saved_tests.rs"]
mod tests;
