//! Reads a guarded document by serde and keeps every mistake, so that one run tells them all.
//!
//! Knows how a mistake is worded; what a field means and what is allowed is its caller's knowledge.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_yaml::{Mapping, Value};

use super::de::At;
use super::spell::nearest;
use super::yaml::{ConfigError, Document, Place, join, quoted};
pub(super) use crate::domain::profile::check::NAME_RULE;
use crate::domain::profile::check::is_name;
use crate::domain::text::sanitise;

/// Most wrong values of one document that are told: whoever has that many has given the wrong file.
const MOST_MISTAKES: usize = 100;

/// A document being read, with the mistakes found so far.
pub(super) struct Reader<'d> {
    document: &'d Document,
    mistakes: Vec<ConfigError>,
    /// Fields that a misspelt key most likely stands for.
    meant: Vec<String>,
}

/// A mapping of the document: the whole file, or one of its sections.
#[derive(Clone)]
pub(super) struct Section<'d> {
    path: String,
    fields: &'d Mapping,
}

impl Section<'_> {
    /// The path of one of its fields.
    pub(super) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// Is the key there, whatever its value?
    pub(super) fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    /// Its keys, in the order of the file.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.fields.keys().filter_map(Value::as_str)
    }
}

impl<'d> Reader<'d> {
    pub(super) fn new(document: &'d Document) -> Self {
        Self { document, mistakes: Vec::new(), meant: Vec::new() }
    }

    /// A value as what serde makes of it. A field that is wrong is told and passed over, so that the others are read too: what
    /// may be left out is missing then. `None` where the whole of it is wrong.
    pub(super) fn value<T: DeserializeOwned>(&mut self, path: &str, value: &'d Value) -> Option<T> {
        let document = self.document;
        let skipped = RefCell::new(BTreeSet::new());
        let unknown = RefCell::new(Vec::new());
        let note = |parent: &str, key: &str, known| unknown.borrow_mut().push((parent.to_owned(), key.to_owned(), known));
        let mut read = None;
        for _ in 0..MOST_MISTAKES {
            let at = At { document, value, path: path.to_owned(), skipped: &skipped, unknown: &note };
            let refusal = match T::deserialize(at) {
                Ok(value) => {
                    read = Some(value);
                    break;
                }
                Err(refusal) => refusal,
            };
            let field = refusal.path.unwrap_or_else(|| path.to_owned());
            let mut problem = refusal.problem;
            if !refusal.known.is_empty() {
                // The key names what it holds, but for this one.
                let key = field.rsplit('.').next().unwrap_or_default();
                let what = if key == "on_damage" { "choice".to_owned() } else { key.replace('_', " ") };
                let meant = nearest(document.written(&field).unwrap_or_default(), refusal.known.iter().copied());
                let meant = meant.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                problem = format!("unknown {what} {problem}{meant}");
            }
            self.wrong(&field, &problem, &refusal.allowed);
            if field == path || !skipped.borrow_mut().insert(field) {
                break;
            }
        }
        for (parent, key, known) in unknown.into_inner() {
            self.unknown(&parent, &key, known);
        }
        read
    }

    /// The document as a whole, which must be a mapping with no other keys than `keys`.
    pub(super) fn document(&mut self, keys: &[&str]) -> Option<Section<'d>> {
        let document = self.document;
        match document.root() {
            Value::Mapping(fields) => Some(self.checked(Section { path: String::new(), fields }, keys)),
            other => {
                let what = if other.is_null() { "the file is empty" } else { "the file is not a mapping" };
                self.wrong("", what, &format!("`key: value` lines; the keys are {}", keys.join(", ")));
                None
            }
        }
    }

    /// The section `key`, which must be a mapping with no other keys than `keys`; `None` where it is not there, or wrong.
    pub(super) fn section(&mut self, parent: &Section<'d>, key: &str, keys: &[&str]) -> Option<Section<'d>> {
        let section = self.mapping(parent, key, &format!("a mapping with the keys {}", keys.join(", ")))?;
        Some(self.checked(section, keys))
    }

    /// As [`Reader::section`], with keys of any name.
    pub(super) fn mapping(&mut self, parent: &Section<'d>, key: &str, allowed: &str) -> Option<Section<'d>> {
        let path = parent.path_of(key);
        match parent.fields.get(key)? {
            Value::Mapping(fields) => Some(Section { path, fields }),
            other => {
                let problem = self.describe(&path, other);
                self.wrong(&path, &format!("{problem} is not a mapping"), allowed);
                None
            }
        }
    }

    /// The mapping at item `index` of the list `key`, with no other keys than `keys`.
    pub(super) fn item(&mut self, list: &str, index: usize, value: &'d Value, keys: &[&str]) -> Option<Section<'d>> {
        let path = format!("{list}[{index}]");
        let Value::Mapping(fields) = value else {
            let problem = self.describe(&path, value);
            self.wrong(&path, &format!("{problem} is not a mapping"), &format!("a mapping with the keys {}", keys.join(", ")));
            return None;
        };
        Some(self.checked(Section { path, fields }, keys))
    }

    /// The value of `key`, of any kind.
    #[allow(clippy::unused_self)] // one way to ask for every field
    pub(super) fn raw(&self, section: &Section<'d>, key: &str) -> Option<&'d Value> {
        section.fields.get(key)
    }

    /// Notes that a key is missing which must be there; a misspelt one has been told of already.
    pub(super) fn require(&mut self, section: &Section<'d>, key: &str, allowed: &str) {
        let path = section.path_of(key);
        if !section.has(key) && !self.meant.contains(&path) {
            self.wrong(&path, "is missing", allowed);
        }
    }

    /// The value of `key` as a `T`, checked by `check`, which answers what is wrong with it.
    pub(super) fn typed<T: DeserializeOwned>(
        &mut self,
        section: &Section<'d>,
        key: &str,
        allowed: &str,
        check: impl FnOnce(&T) -> Result<(), String>,
    ) -> Option<T> {
        let value = section.fields.get(key)?;
        let path = section.path_of(key);
        let Ok(typed) = serde_yaml::from_value::<T>(value.clone()) else {
            let problem = self.describe(&path, value);
            self.wrong(&path, &format!("{problem} is not allowed here"), allowed);
            return None;
        };
        match check(&typed) {
            Ok(()) => Some(typed),
            Err(problem) => {
                self.wrong(&path, &problem, allowed);
                None
            }
        }
    }

    /// The value of `key` as it is written (a number need not be quoted), turned by `parse` into what it means. `parse`
    /// answers what is wrong with it.
    pub(super) fn parsed<T>(
        &mut self,
        section: &Section<'d>,
        key: &str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let value = section.fields.get(key)?;
        let path = section.path_of(key);
        self.parsed_at(&path, value, allowed, parse)
    }

    /// As [`Reader::parsed`], for a value that is already in hand.
    pub(super) fn parsed_at<T>(
        &mut self,
        path: &str,
        value: &Value,
        allowed: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let written = self.document.written(path).filter(|_| value.is_string() || value.is_number() || value.is_bool());
        let Some(written) = written.map(str::to_owned) else {
            let problem = self.describe(path, value);
            self.wrong(path, &format!("{problem} is not allowed here"), allowed);
            return None;
        };
        match parse(&written) {
            Ok(parsed) => Some(parsed),
            Err(problem) => {
                self.wrong(path, &problem, allowed);
                None
            }
        }
    }

    /// One line of text for people, at most `limit` characters, made safe to show.
    pub(super) fn line(&mut self, section: &Section<'d>, key: &str, limit: usize) -> Option<String> {
        self.parsed(section, key, &format!("one line of text, at most {limit} characters"), |text| {
            let count = text.chars().count();
            if count > limit {
                return Err(format!("has {count} characters"));
            }
            Ok(sanitise(text.as_bytes()))
        })
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

    /// The value as a message names it.
    fn describe(&self, path: &str, value: &Value) -> String {
        match value {
            Value::Null => "an empty value".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
            Value::Sequence(_) => "a list".to_owned(),
            _ => format!("`{}`", quoted(self.document.written(path).unwrap_or_default())),
        }
    }

    fn checked(&mut self, section: Section<'d>, keys: &[&str]) -> Section<'d> {
        for key in section.keys().filter(|key| !keys.contains(key)) {
            self.unknown(&section.path, key, keys);
        }
        section
    }

    fn unknown(&mut self, parent: &str, key: &str, known: &[&str]) {
        let near = nearest(key, known.iter().copied());
        let meant = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        self.meant.extend(near.map(|near| join(parent, near)));
        self.wrong_key(&join(parent, key), &format!("unknown key{meant}"), &known.join(", "));
    }
}

/// As [`is_name`], with what to tell where it is none.
pub(super) fn check_name(text: &str) -> Result<String, String> {
    if is_name(text) { Ok(text.to_owned()) } else { Err(format!("`{}` is not a name", quoted(text))) }
}

/// Is this the name of a file, not of a profile or preset? It is if it has a slash or a YAML ending.
pub fn is_file_name(wanted: &std::ffi::OsStr) -> bool {
    let bytes = wanted.as_encoded_bytes();
    bytes.contains(&b'/') || bytes.ends_with(b".yaml") || bytes.ends_with(b".yml")
}
