//! The queue's filter and the order of its rows. Each word of the filter must occur in what is shown of a job, just as it is
//! typed but for letter case; one with a `/` is looked for in the whole path; `state:failed` asks for a state. The rows that
//! pass are kept, and kept in step by event.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::job::{Job, JobId};
use crate::domain::state::State;
use crate::domain::text::path_text;
use crate::tui::pages::queue::job_words::{shown_words, state_words};
use crate::tui::pages::queue::row_key::{Order, RowKey};

/// A filter and the rows that pass it.
#[derive(Debug, Clone)]
pub struct Filter {
    text: String,
    order: Order,
    rows: BTreeSet<RowKey>,
    keys: BTreeMap<JobId, RowKey>,
}

impl Filter {
    /// Filters every job of `state` by `text`.
    pub fn new(text: String, state: &State) -> Self {
        Self::ordered(text, Order::default(), state)
    }

    /// Filters every job of `state` by `text`; the rows stand in this order.
    pub fn ordered(text: String, order: Order, state: &State) -> Self {
        let mut filter = Self { text, order, rows: BTreeSet::new(), keys: BTreeMap::new() };
        for job in state.jobs.values() {
            filter.insert(state, job);
        }
        filter
    }

    /// The order of the rows.
    pub const fn order(&self) -> Order {
        self.order
    }

    /// Every row passes, in the usual order.
    pub fn is_idle(&self) -> bool {
        self.text.trim().is_empty() && self.order == Order::default()
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The rows that pass, in order.
    pub const fn rows(&self) -> &BTreeSet<RowKey> {
        &self.rows
    }

    /// The row of this job, if it passes.
    pub fn key(&self, id: JobId) -> Option<RowKey> {
        self.keys.get(&id).copied()
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
        if let Some(key) = self.keys.remove(&id) {
            self.rows.remove(&key);
        }
        if let Some(job) = state.jobs.get(&id) {
            self.insert(state, job);
        }
    }

    /// Further letters: looks only at what passed before when they follow the old ones.
    #[must_use]
    pub fn retype(self, text: String, state: &State) -> Self {
        // A colon makes another question of the word before it, and so does a slash.
        if !text.starts_with(&self.text) || text.contains([':', '/']) {
            return Self::ordered(text, self.order, state);
        }
        let mut filter = Self { text, order: self.order, rows: BTreeSet::new(), keys: BTreeMap::new() };
        for id in self.keys.keys() {
            if let Some(job) = state.jobs.get(id) {
                filter.insert(state, job);
            }
        }
        filter
    }

    fn insert(&mut self, state: &State, job: &Job) {
        if passes(&self.text, state, job) {
            let key = RowKey::ordered(job, self.order);
            self.rows.insert(key);
            self.keys.insert(job.id, key);
        }
    }
}

/// Every word of the filter fits the job.
fn passes(text: &str, state: &State, job: &Job) -> bool {
    let shown = shown_words(state, job).to_lowercase();
    text.split_whitespace().all(|word| {
        let word = word.to_lowercase();
        match word.strip_prefix("state:") {
            Some(wanted) => state_words(state, job).iter().any(|known| known.starts_with(wanted)),
            None if word.contains('/') => path_text(&job.input).to_lowercase().contains(&word),
            None => shown.contains(&word),
        }
    })
}

/// Every word of `pattern` occurs in `text`; letter case does not matter.
pub fn has_words(pattern: &str, text: &str) -> bool {
    let text = text.to_lowercase();
    pattern.split_whitespace().all(|word| text.contains(&word.to_lowercase()))
}

/// The letters of `pattern` occur in `text` in this order; spaces and letter case do not matter.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut letters = text.chars().flat_map(char::to_lowercase);
    pattern.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).all(|wanted| letters.any(|c| c == wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::text::file_name_text;

    #[test]
    fn a_filter_finds_states_and_reasons_and_keeps_in_step_with_them() {
        let mut story = crate::tui::tests::fixture::busy(true);
        let mut state = State::default();
        story.events.iter().for_each(|event| state.apply(event));
        let found = |text: &str, state: &State| {
            let filter = Filter::new(text.to_owned(), state);
            filter.rows().iter().map(|key| key.id.0).collect::<Vec<_>>()
        };
        assert_eq!(found("state:fail", &state), [13]);
        assert_eq!(found("state:running", &state), [17, 18]);
        assert_eq!(found("moov", &state), [13], "a word of the reason");
        assert_eq!(found("state:run lecture", &state), [17]);
        assert!(found("state:nothing", &state).is_empty());
        let mut failed = Filter::new("state:failed".to_owned(), &state);
        story.finish(18, crate::domain::job::Outcome::Failed, 1, 1.0, Some("exit 1"));
        state.apply(story.events.last().expect("told"));
        failed.refresh(&state, JobId(18));
        assert_eq!(failed.len(), 2, "what fails while it is open passes too");
    }

    #[test]
    fn rows_are_ordered_by_a_column_with_what_runs_first() {
        let story = crate::tui::tests::fixture::busy(true);
        let mut state = State::default();
        story.events.iter().for_each(|event| state.apply(event));
        let by_size = Filter::ordered(String::new(), Order::Size, &state);
        let jobs: Vec<&Job> = by_size.rows().iter().filter_map(|key| state.jobs.get(&key.id)).collect();
        assert_eq!(jobs.len(), state.jobs.len());
        let running = jobs.iter().take_while(|job| job.phase.holds_slot()).count();
        assert_eq!(running, state.index.active.len());
        assert!(jobs[running..].windows(2).all(|pair| pair[0].size >= pair[1].size));
        let by_name = Filter::ordered(String::new(), Order::Name, &state);
        let names: Vec<String> = by_name
            .rows()
            .iter()
            .skip(running)
            .filter_map(|key| state.jobs.get(&key.id))
            .map(|job| file_name_text(&job.input))
            .collect();
        assert!(names.windows(2).all(|pair| pair[0] <= pair[1]), "{names:?}");
    }

    #[test]
    fn episodes_of_a_series_with_a_long_name_stand_in_their_order() {
        let mut story = crate::tui::tests::fixture::Story::new(true);
        for (id, episode) in [(1, 10), (2, 2), (3, 1)] {
            story.queue(id, &format!("The.Very.Long.Name.Of.A.Series.S01E{episode:02}.1080p.mkv"), 1);
        }
        let mut state = State::default();
        story.events.iter().for_each(|event| state.apply(event));
        let by_name = Filter::ordered(String::new(), Order::Name, &state);
        assert_eq!(by_name.rows().iter().map(|key| key.id.0).collect::<Vec<_>>(), [3, 2, 1]);
    }

    #[test]
    fn a_filter_lets_through_what_has_its_words_and_nothing_that_only_has_their_letters() {
        let mut story = crate::tui::tests::fixture::Story::new(true);
        story.queue(1, "flipped.mkv", 1).queue(2, "film-of-a-long-trip.mkv", 1).queue(3, "Flip book.mkv", 1);
        let mut state = State::default();
        story.events.iter().for_each(|event| state.apply(event));
        let found = |text: &str| {
            let filter = Filter::new(text.to_owned(), &state);
            filter.rows().iter().map(|key| key.id.0).collect::<Vec<_>>()
        };
        assert_eq!(found("flip"), [1, 3]);
        assert_eq!(found("FLIP book"), [3], "all of several words, in any order");
        assert_eq!(found("book flip"), [3]);
        assert_eq!(found("lipp"), [1]);
        assert!(found("flp").is_empty());
        assert_eq!(found("/v/film"), [2], "the folder is looked at where a slash is typed");
        assert_eq!(found("#3"), [3]);
        let narrowed = Filter::new("fli".to_owned(), &state).retype("flip bo".to_owned(), &state);
        assert_eq!(narrowed.len(), 1);
    }

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
