//! Reads a guarded document by serde and keeps every mistake, so that one run tells them all.
//!
//! Knows how a mistake is worded; what a field means and what is allowed is its caller's knowledge.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_yaml::Value;

use super::de::{At, Refusal, by_text};
use super::spell::nearest;
use super::yaml::{ConfigError, Document, Place, join, quoted};
pub(super) use crate::domain::profile::check::NAME_RULE;
use crate::domain::profile::check::is_name;
use crate::domain::text::sanitise;

/// What a path in a file may be.
pub(super) const PATH_RULE: &str = "a path written in full, or relative to the folder of this file";

/// Most wrong values of one document that are told: whoever has that many has given the wrong file.
const MOST_MISTAKES: usize = 100;

/// A document being read, with the mistakes found so far.
pub(super) struct Reader<'d> {
    document: &'d Document,
    mistakes: Vec<ConfigError>,
    /// Fields that a misspelt key most likely stands for.
    meant: Vec<String>,
    /// Fields that are wrong, or that their caller reads.
    skipped: RefCell<BTreeSet<String>>,
}

impl<'d> Reader<'d> {
    pub(super) fn new(document: &'d Document) -> Self {
        Self { document, mistakes: Vec::new(), meant: Vec::new(), skipped: RefCell::default() }
    }

    /// The document as what serde makes of it, see [`Reader::value`].
    pub(super) fn root<T: DeserializeOwned>(&mut self) -> Option<T> {
        self.value("", self.document.root())
    }

    /// A value as what serde makes of it. A field that is wrong is told and passed over, so that the others are read too: what
    /// may be left out is missing then. `None` where the whole of it is wrong.
    pub(super) fn value<T: DeserializeOwned>(&mut self, path: &str, value: &'d Value) -> Option<T> {
        for _ in 0..MOST_MISTAKES {
            let (field, refusal) = match self.once(path, value, |at| T::deserialize(at)) {
                Ok(read) => return Some(read),
                Err(wrong) => wrong,
            };
            self.refused(&field, refusal);
            if field == path || !self.skipped.borrow_mut().insert(field) {
                return None;
            }
        }
        None
    }

    /// A value as it is written (a number need not be quoted), turned by `parse` into what it means. `parse` answers what is
    /// wrong with it.
    pub(super) fn text<T>(
        &mut self,
        path: &str,
        value: &'d Value,
        allowed: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.once(path, value, |at| by_text(at, allowed, parse)).map_err(|(field, refusal)| self.refused(&field, refusal)).ok()
    }

    /// One attempt; where it fails, the field that is wrong.
    fn once<T>(
        &mut self,
        path: &str,
        value: &'d Value,
        read: impl FnOnce(At<'_>) -> Result<T, Refusal>,
    ) -> Result<T, (String, Refusal)> {
        let unknown = RefCell::new(Vec::new());
        let note = |parent: &str, key: &str, known| unknown.borrow_mut().push((parent.to_owned(), key.to_owned(), known));
        let at = At { document: self.document, value, path: path.to_owned(), skipped: &self.skipped, unknown: &note };
        let read = read(at).map_err(|mut refusal| (refusal.path.take().unwrap_or_else(|| path.to_owned()), refusal));
        for (parent, key, known) in unknown.into_inner() {
            let near = nearest(&key, known.iter().copied());
            let meant = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            self.meant.extend(near.map(|near| join(&parent, near)));
            self.wrong_key(&join(&parent, &key), &format!("unknown key{meant}"), &known.join(", "));
        }
        read
    }

    fn refused(&mut self, field: &str, Refusal { mut problem, allowed, known, .. }: Refusal) {
        if !known.is_empty() {
            // The key names what it holds, but for this one.
            let key = field.rsplit('.').next().unwrap_or_default();
            let what = if key == "on_damage" { "choice".to_owned() } else { key.replace('_', " ") };
            let meant = nearest(self.document.written(field).unwrap_or_default(), known.iter().copied());
            let meant = meant.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            problem = format!("unknown {what} {problem}{meant}");
        }
        self.wrong(field, &problem, &allowed);
    }

    /// The value of a field at the top of the document, of any kind.
    pub(super) fn raw(&self, key: &str) -> Option<&'d Value> {
        self.document.root().get(key)
    }

    /// Passes over a field that means something else than its kind says.
    pub(super) fn skip(&mut self, field: &str) {
        self.skipped.borrow_mut().insert(field.to_owned());
    }

    /// Is the field there, whatever its value?
    pub(super) fn has(&self, field: &str) -> bool {
        self.document.has(field)
    }

    /// Notes that a field is missing which must be there; a misspelt one has been told of already.
    pub(super) fn require(&mut self, field: &str, allowed: &str) {
        if !self.has(field) && !self.meant.iter().any(|meant| meant == field) {
            self.wrong(field, "is missing", allowed);
        }
    }

    /// Where a field stands.
    pub(super) fn place(&self, field: &str) -> Place {
        self.document.place(field)
    }

    /// Notes a mistake at the value of `field`.
    pub(super) fn wrong(&mut self, field: &str, problem: &str, allowed: &str) {
        let at = self.document.place(field).value;
        self.note(at, field, problem, allowed);
    }

    /// Notes a mistake at the key of `field`.
    pub(super) fn wrong_key(&mut self, field: &str, problem: &str, allowed: &str) {
        let at = self.document.place(field).key;
        self.note(at, field, problem, allowed);
    }

    /// What was read, if nothing was wrong; else every mistake, in the order of the file.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<T, Vec<ConfigError>> {
        match read {
            Some(read) if self.mistakes.is_empty() => Ok(read),
            _ => Err(self.mistakes()),
        }
    }

    /// Every mistake, in the order of the file.
    pub(super) fn mistakes(mut self) -> Vec<ConfigError> {
        self.mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
        self.mistakes
    }

    fn note(&mut self, (line, column): (usize, usize), field: &str, problem: &str, allowed: &str) {
        self.mistakes.push(ConfigError {
            file: self.document.file().to_owned(),
            line,
            column,
            field: field.to_owned(),
            problem: problem.to_owned(),
            allowed: allowed.to_owned(),
        });
    }
}

/// One line of text for people, at most `limit` characters, made safe to show.
pub(super) fn line(text: &str, limit: usize) -> Result<String, String> {
    let count = text.chars().count();
    if count > limit { Err(format!("has {count} characters")) } else { Ok(sanitise(text.as_bytes())) }
}

/// As [`is_name`], with what to tell where it is none.
pub(super) fn check_name(text: &str) -> Result<String, String> {
    if is_name(text) { Ok(text.to_owned()) } else { Err(format!("`{}` is not a name", quoted(text))) }
}

/// A path; `~` is a shell's word and would become a folder of that name here.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.contains('\0') {
        return Err("holds a NUL".to_owned());
    }
    if has_tilde(text.as_ref()) {
        return Err(format!("`{}`: {NO_TILDE}", quoted(text)));
    }
    Ok(PathBuf::from(text))
}

/// The path begins with the home folder, as a shell writes it.
pub(super) fn has_tilde(path: &Path) -> bool {
    path.starts_with("~")
}

/// What is said of such a path.
pub(super) const NO_TILDE: &str = "the ~ of a shell is not known here";

/// Is this the name of a file, not of a profile or preset? It is if it has a slash or a YAML ending.
pub fn is_file_name(wanted: &std::ffi::OsStr) -> bool {
    let bytes = wanted.as_encoded_bytes();
    bytes.contains(&b'/') || bytes.ends_with(b".yaml") || bytes.ends_with(b".yml")
}

/// The name of a profile or preset as it is; one that is written as a file is taken from `folder`.
pub fn name_beside(name: String, folder: &std::path::Path) -> String {
    // Joined to a folder that is no UTF-8 it could not be kept as text; such a folder is left off.
    let joined = is_file_name(name.as_ref()).then(|| folder.join(&name).to_str().map(str::to_owned)).flatten();
    joined.unwrap_or(name)
}
