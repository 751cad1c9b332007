//! The order of the queue's rows, and the few of them that fit on the screen.
//!
//! Running first, then those that wait for another try, the queued, the rejected, the ended with the latest first. Never
//! walks the whole queue: each step is a look-up in the state's index, or in the filter's.

use std::ops::Bound::{Excluded, Unbounded};

use crate::domain::job::JobId;
use crate::domain::state::State;
use crate::tui::pages::queue::filter::Filter;
use crate::tui::pages::queue::row_key::{RowKey, SECTIONS, Section};

/// The rows of a queue: those of a filter, or all.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    state: &'a State,
    filter: Option<&'a Filter>,
}

impl<'a> Rows<'a> {
    /// The rows of `state` that `filter` lets through.
    pub const fn new(state: &'a State, filter: Option<&'a Filter>) -> Self {
        Self { state, filter }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.filter.map_or(self.state.jobs.len(), Filter::len)
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// This job's row, if it is shown.
    pub fn find(&self, id: JobId) -> Option<RowKey> {
        match self.filter {
            Some(filter) => filter.key(id),
            None => RowKey::find(self.state, id),
        }
    }

    pub fn first(&self) -> Option<RowKey> {
        match self.filter {
            Some(filter) => filter.rows().first().copied(),
            None => SECTIONS.iter().find_map(|section| self.edge(*section, false)),
        }
    }

    pub fn last(&self) -> Option<RowKey> {
        match self.filter {
            Some(filter) => filter.rows().last().copied(),
            None => SECTIONS.iter().rev().find_map(|section| self.edge(*section, true)),
        }
    }

    /// The row below `key`; `key` itself need not exist any more.
    pub fn after(&self, key: RowKey) -> Option<RowKey> {
        if let Some(filter) = self.filter {
            return filter.rows().range((Excluded(key), Unbounded)).next().copied();
        }
        self.neighbour(key, false)
            .or_else(|| SECTIONS.iter().filter(|section| **section > key.section).find_map(|section| self.edge(*section, false)))
    }

    /// The row above `key`; `key` itself need not exist any more.
    pub fn before(&self, key: RowKey) -> Option<RowKey> {
        if let Some(filter) = self.filter {
            return filter.rows().range(..key).next_back().copied();
        }
        self.neighbour(key, true).or_else(|| {
            SECTIONS.iter().rev().filter(|section| **section < key.section).find_map(|section| self.edge(*section, true))
        })
    }

    /// How many rows stand above `key`. Counts within one section only.
    pub fn above(&self, key: RowKey) -> usize {
        if let Some(filter) = self.filter {
            return filter.rows().range(..key).count();
        }
        let index = &self.state.index;
        let sizes = [index.active.len(), index.backoff.len(), index.waiting.len(), index.rejected.len()];
        let before: usize = sizes.iter().take(key.section as usize).sum();
        before
            + match key.section {
                Section::Active => index.active.range(..key.id).count(),
                Section::Backoff => index.backoff.range(..key.id).count(),
                Section::Rejected => index.rejected.range(..key.id).count(),
                Section::Waiting => index.waiting.range(..(key.major as i64, key.id)).count(),
                Section::Ended => index.ended.range((Excluded((key.major.unsigned_abs() as u64, key.id)), Unbounded)).count(),
            }
    }

    /// The rows that fill `height` lines from the first one; the selected one need not be among them.
    pub fn top(&self, selected: Option<JobId>, height: usize) -> Window {
        let first = self.first().map(|key| key.id);
        let window = self.window(first, 0, height);
        let line = selected.and_then(|id| window.ids.iter().position(|shown| *shown == id));
        Window { line, ..window }
    }

    /// First or last row of a section.
    fn edge(&self, section: Section, last: bool) -> Option<RowKey> {
        let index = &self.state.index;
        let ids = |set: &std::collections::BTreeSet<JobId>| if last { set.last().copied() } else { set.first().copied() };
        match section {
            Section::Active => ids(&index.active).map(|id| RowKey::new(section, 0, id)),
            Section::Backoff => ids(&index.backoff).map(|id| RowKey::new(section, 0, id)),
            Section::Rejected => ids(&index.rejected).map(|id| RowKey::new(section, 0, id)),
            Section::Waiting => {
                let entry = if last { index.waiting.last() } else { index.waiting.first() };
                entry.map(|(rank, id)| RowKey::new(section, i128::from(*rank), *id))
            }
            // The latest stands first.
            Section::Ended => {
                let entry = if last { index.ended.first() } else { index.ended.last() };
                entry.map(|(seq, id)| RowKey::new(section, -i128::from(*seq), *id))
            }
        }
    }

    /// The row next to `key` in its own section.
    fn neighbour(&self, key: RowKey, above: bool) -> Option<RowKey> {
        let index = &self.state.index;
        let section = key.section;
        let ids = |set: &std::collections::BTreeSet<JobId>| {
            let found = if above { set.range(..key.id).next_back() } else { set.range((Excluded(key.id), Unbounded)).next() };
            found.map(|id| RowKey::new(section, 0, *id))
        };
        match section {
            Section::Active => ids(&index.active),
            Section::Backoff => ids(&index.backoff),
            Section::Rejected => ids(&index.rejected),
            Section::Waiting => {
                let place = (key.major as i64, key.id);
                let found = if above {
                    index.waiting.range(..place).next_back()
                } else {
                    index.waiting.range((Excluded(place), Unbounded)).next()
                };
                found.map(|(rank, id)| RowKey::new(section, i128::from(*rank), *id))
            }
            Section::Ended => {
                let place = (key.major.unsigned_abs() as u64, key.id);
                let found = if above {
                    index.ended.range((Excluded(place), Unbounded)).next()
                } else {
                    index.ended.range(..place).next_back()
                };
                found.map(|(seq, id)| RowKey::new(section, -i128::from(*seq), *id))
            }
        }
    }

    /// The rows that fill `height` lines, with the selected one as near as can be to line `wanted`.
    pub fn window(&self, selected: Option<JobId>, wanted: usize, height: usize) -> Window {
        let selected = selected.and_then(|id| self.find(id));
        let Some(start) = selected.or_else(|| self.first()) else { return Window::default() };
        if height == 0 {
            return Window::default();
        }
        let mut above = Vec::new();
        let mut key = start;
        while above.len() < height - 1 {
            let Some(found) = self.before(key) else { break };
            above.push(found.id);
            key = found;
        }
        let mut below = Vec::new();
        let mut key = start;
        while below.len() < height - 1 {
            let Some(found) = self.after(key) else { break };
            below.push(found.id);
            key = found;
        }
        let line = wanted.max((height - 1).saturating_sub(below.len())).min(above.len());
        let mut ids: Vec<JobId> = above[..line].iter().rev().copied().collect();
        ids.push(start.id);
        ids.extend(below.iter().take(height - 1 - line));
        Window { line: selected.map(|_| line), ids, kept_in_sight: 0 }
    }
}

/// What of the rows is on the screen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    /// The jobs, from the top.
    pub ids: Vec<JobId>,
    /// The line of the selected one.
    pub line: Option<usize>,
    /// So many of the jobs stand above the part of the list that is shown, because they run.
    pub kept_in_sight: usize,
}
