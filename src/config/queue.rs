//! A queue file: what to run, one after the other, each with a preset of its own where it names one.
//!
//! Does not look whether the inputs are there; that is told for each of them when it is queued.

use std::path::{Path, PathBuf};

use serde_yaml::Value;

use super::read::{NAME_RULE, Reader, Section, check_name};
use super::settings::path;
use super::yaml::{ConfigError, Document, MAX_QUEUE_FILE, read_text};

/// One line of a queue file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEntry {
    /// A file or a folder; relative ones have been joined to the queue file's folder.
    pub input: PathBuf,
    /// The preset's name; `None` = the run's.
    pub preset: Option<String>,
}

/// Reads the queue file at `file`, at most [`MAX_QUEUE_FILE`].
///
/// # Errors
/// It cannot be read, or every mistake in it.
pub fn load(file: &Path) -> Result<Vec<QueueEntry>, Vec<ConfigError>> {
    parse(file, &read_text(file, MAX_QUEUE_FILE).map_err(|error| vec![error])?)
}

/// Reads a queue file; an empty list of jobs is no mistake.
///
/// # Errors
/// Every mistake of the file, in its order; only the first where it is no YAML or was refused by the guard.
pub fn parse(file: &Path, text: &str) -> Result<Vec<QueueEntry>, Vec<ConfigError>> {
    let document = Document::read(file, text).map_err(|error| vec![error])?;
    let mut reader = Reader::new(&document);
    let folder = file.parent().unwrap_or(Path::new(""));
    let read = reader.document(&["jobs"]).and_then(|root| entries(&mut reader, &root, folder));
    reader.finish(read)
}

fn entries<'d>(reader: &mut Reader<'d>, root: &Section<'d>, folder: &Path) -> Option<Vec<QueueEntry>> {
    const FORM: &str = "a list of paths, or of {input: PATH, preset: NAME}";
    const INPUT: &str = "a path written in full, or relative to the folder of this file";
    reader.require(root, "jobs", FORM);
    let Value::Sequence(items) = reader.raw(root, "jobs")? else {
        reader.wrong("jobs", "is not a list", FORM);
        return None;
    };
    let input = |text: &str| path(text).map(|path| folder.join(path));
    let mut entries = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = format!("jobs[{index}]");
        if !item.is_mapping() {
            entries.extend(reader.parsed_at(&at, item, FORM, input).map(|input| QueueEntry { input, preset: None }));
            continue;
        }
        let Some(entry) = reader.item("jobs", index, item, &["input", "preset"]) else { continue };
        reader.require(&entry, "input", INPUT);
        let preset = reader.parsed(&entry, "preset", NAME_RULE, check_name);
        entries.extend(reader.parsed(&entry, "input", INPUT, input).map(|input| QueueEntry { input, preset }));
    }
    Some(entries)
}
