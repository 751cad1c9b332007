//! The queue's filter: letters that must occur in this order. The rows that pass are kept, and kept in step by event.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::job::{Job, JobId};
use crate::domain::state::State;
use crate::domain::text::file_name_text;
use crate::tui::row_key::RowKey;

/// A filter and the rows that pass it.
#[derive(Debug, Clone)]
pub struct Filter {
    text: String,
    rows: BTreeSet<RowKey>,
    keys: BTreeMap<JobId, RowKey>,
}

impl Filter {
    /// Filters every job of `state` by `text`.
    pub fn new(text: String, state: &State) -> Self {
        let mut filter = Self { text, rows: BTreeSet::new(), keys: BTreeMap::new() };
        for job in state.jobs.values() {
            filter.insert(job);
        }
        filter
    }

    /// The letters.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The rows that pass, in order.
    pub const fn rows(&self) -> &BTreeSet<RowKey> {
        &self.rows
    }

    /// How many pass.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// None passes.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Something happened to this job.
    pub fn refresh(&mut self, state: &State, id: JobId) {
        let known = self.keys.remove(&id);
        if let Some(key) = known {
            self.rows.remove(&key);
        }
        if let Some(job) = state.jobs.get(&id) {
            if known.is_some() {
                self.put(job);
            } else {
                self.insert(job);
            }
        }
    }

    /// Further letters: looks only at what passed before when they follow the old ones.
    #[must_use]
    pub fn retype(self, text: String, state: &State) -> Self {
        if !text.starts_with(&self.text) {
            return Self::new(text, state);
        }
        let mut filter = Self { text, rows: BTreeSet::new(), keys: BTreeMap::new() };
        for id in self.keys.keys() {
            if let Some(job) = state.jobs.get(id) {
                filter.insert(job);
            }
        }
        filter
    }

    fn insert(&mut self, job: &Job) {
        if matches(&self.text, &format!("#{} {}", job.id, file_name_text(&job.input))) {
            self.put(job);
        }
    }

    fn put(&mut self, job: &Job) {
        let key = RowKey::of(job);
        self.rows.insert(key);
        self.keys.insert(job.id, key);
    }
}

/// The letters of `pattern` occur in `text` in this order; spaces and letter case do not matter.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut letters = text.chars().flat_map(char::to_lowercase);
    pattern.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).all(|wanted| letters.any(|c| c == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_match_in_order_and_only_in_order() {
        assert!(matches("lct4", "#17 lecture-04.mp4"));
        assert!(matches("LEC", "#17 lecture-04.mp4"));
        assert!(matches("#17", "#17 lecture-04.mp4"));
        assert!(matches("", "x"));
        assert!(!matches("cel", "#17 lecture"));
        assert!(!matches("lecture5", "#17 lecture-04.mp4"));
    }
}
