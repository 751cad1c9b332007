//! The page of everything that happened, the latest first.

use crate::domain::job::JobId;
use crate::domain::state::State;
use crate::tui::pages::events::chronicle::{Chronicle, Entry};
use crate::tui::view::names::input_name;

pub(in crate::tui) mod chronicle;

/// The page. What happened is kept whether it is open or not.
#[derive(Debug, Clone, Default)]
pub struct EventsPage {
    /// What happened.
    pub(in crate::tui) chronicle: Chronicle,
    /// The number of the chosen entry; `None` = the latest, whichever that is.
    pub selected: Option<u64>,
    /// Only entries with all of these words.
    pub filter: String,
}

impl EventsPage {
    /// The run is known anew: the same list with what the console itself has answered, and the same entry chosen.
    pub(in crate::tui) fn on_snapshot(&mut self, state: &State) {
        let chosen = self.selected.and_then(|number| self.chronicle.entries().iter().find(|entry| entry.number == number).cloned());
        let told = Chronicle::of(state).with_answers_of(&self.chronicle);
        self.selected = chosen.and_then(|chosen| {
            let is_same = |entry: &&Entry| (entry.at, entry.job, &entry.text) == (chosen.at, chosen.job, &chosen.text);
            let entries = told.entries();
            let found = entries.iter().find(is_same).or_else(|| entries.iter().rev().find(|entry| entry.at <= chosen.at));
            found.map(|entry| entry.number)
        });
        self.chronicle = told;
    }

    /// Entries that are not kept any more.
    pub const fn happened_before(&self) -> u64 {
        self.chronicle.left_out()
    }

    /// How many entries there are.
    pub fn happened(&self) -> usize {
        self.chronicle.entries().len()
    }

    /// What the filter lets through, the latest first.
    pub(in crate::tui) fn entries(&self, state: &State) -> Vec<&Entry> {
        let words: Vec<String> = self.filter.split_whitespace().map(str::to_lowercase).collect();
        let passes = |entry: &&Entry| {
            words.is_empty() || {
                let text = format!("{} {} {}", entry.topic.word(), name_of(state, entry), entry.text).to_lowercase();
                words.iter().all(|word| text.contains(word))
            }
        };
        self.chronicle.entries().iter().rev().filter(passes).collect()
    }

    /// What happened to one job, the latest first.
    pub(in crate::tui) fn story(&self, id: JobId) -> impl Iterator<Item = &Entry> {
        self.chronicle.entries().iter().rev().filter(move |entry| entry.job == Some(id))
    }

    /// The row of the chosen entry among these.
    pub(in crate::tui) fn row(&self, entries: &[&Entry]) -> usize {
        let Some(number) = self.selected else { return 0 };
        // Newer entries stand higher; one that is gone or filtered out gives way to the next older.
        entries.iter().position(|entry| entry.number <= number).unwrap_or(entries.len().saturating_sub(1))
    }

    pub(in crate::tui) fn chosen(&self, state: &State) -> Option<&Entry> {
        let entries = self.entries(state);
        entries.get(self.row(&entries)).copied()
    }

    /// The job of the chosen entry, if it is still on the list.
    pub(in crate::tui) fn chosen_job(&self, state: &State) -> Option<JobId> {
        self.chosen(state)?.job.filter(|id| state.jobs.contains_key(id))
    }

    /// Chooses another entry, so many rows further down.
    pub(in crate::tui) fn scroll(&mut self, state: &State, by: i64) {
        let entries = self.entries(state);
        let last = entries.len().saturating_sub(1) as i64;
        let row = (self.row(&entries) as i64).saturating_add(by).clamp(0, last);
        // The first row stays the latest, whatever comes.
        self.selected = if row == 0 { None } else { entries.get(row as usize).map(|entry| entry.number) };
    }
}

/// Number and name of an entry's job; empty when it has none.
pub(in crate::tui) fn name_of(state: &State, entry: &Entry) -> String {
    let Some(id) = entry.job else { return String::new() };
    state.jobs.get(&id).map_or_else(|| format!("#{id}"), |job| format!("#{id} {}", input_name(job)))
}
