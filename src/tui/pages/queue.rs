//! The list of jobs: which one is chosen, which the filter lets through, which are marked.

use std::collections::BTreeSet;

use crate::domain::job::JobId;
use crate::domain::state::State;
use crate::tui::pages::queue::filter::Filter;
use crate::tui::pages::queue::rows::{Rows, Window};

pub mod filter;
pub(in crate::tui) mod job_words;
pub mod row_key;
pub(in crate::tui) mod rows;
pub(in crate::tui) mod waiting;

#[derive(Debug, Clone, Default)]
pub struct QueuePane {
    pub(in crate::tui) selected: Option<JobId>,
    /// The operator has chosen what is selected.
    pub(in crate::tui) is_chosen: bool,
    /// The line on which the selected job stands.
    row: usize,
    /// What is let through, and in which order.
    pub(in crate::tui) filter: Option<Filter>,
    /// Jobs that are marked.
    pub(in crate::tui) marked: BTreeSet<JobId>,
    /// The one marked last, where a range begins.
    last_mark: Option<JobId>,
}

impl QueuePane {
    pub const fn rows<'a>(&'a self, state: &'a State) -> Rows<'a> {
        Rows::new(state, self.filter.as_ref())
    }

    /// The jobs that fill `height` lines.
    pub fn window(&self, state: &State, height: usize) -> Window {
        let rows = self.rows(state);
        // Until the operator moves, the top stays: there stands what runs.
        let top = if self.is_chosen { Window::default() } else { rows.top(self.selected, height) };
        // What is selected is seen: keys act on it.
        if top.line.is_some() || (!self.is_chosen && self.selected.is_none()) {
            return top;
        }
        let window = rows.window(self.selected, self.row, height);
        // What runs is seen too, above the part of the list that is shown, where none of it would be.
        let active = &state.index.active;
        if window.ids.iter().any(|id| active.contains(id)) {
            return window;
        }
        let above: Vec<JobId> = active.iter().copied().filter(|id| rows.find(*id).is_some()).take(height / 2).collect();
        let rest = rows.window(self.selected, self.row.saturating_sub(above.len()), height - above.len());
        Window {
            line: rest.line.map(|line| line + above.len()),
            kept_in_sight: above.len(),
            ids: above.into_iter().chain(rest.ids).collect(),
        }
    }

    /// The operator chooses a job. Returns whether it is another one than before.
    pub fn select(&mut self, id: Option<JobId>) -> bool {
        self.is_chosen = true;
        let is_another = id.is_some() && id != self.selected;
        if is_another {
            self.selected = id;
        }
        is_another
    }

    /// The operator chooses what stands on this line of `height`. Returns whether it is another job than before.
    pub fn select_line(&mut self, state: &State, line: usize, height: usize) -> bool {
        let Some(id) = self.window(state, height).ids.get(line).copied() else { return false };
        self.row = line;
        self.select(Some(id))
    }

    /// The filter hides the selected job: the first that is shown is chosen. Returns whether it is another job than before.
    pub fn select_shown(&mut self, state: &State) -> bool {
        if self.filter.is_none() || self.selected.is_some_and(|id| self.rows(state).find(id).is_some()) {
            return false;
        }
        let first = self.rows(state).first().map(|key| key.id);
        self.select(first)
    }

    /// Chooses the job so many rows further down, in a pane of `height` lines. Returns whether it is another one than before.
    pub fn scroll(&mut self, state: &State, height: usize, by: i64) -> bool {
        let line = self.window(state, height).line.unwrap_or(0);
        let rows = self.rows(state);
        let current = self.selected.and_then(|id| rows.find(id));
        let mut moved = 0_i64;
        let target = match (by, current) {
            (i64::MIN, _) => rows.first(),
            (i64::MAX, _) => rows.last(),
            (_, None) => rows.first(),
            (by, Some(start)) => {
                let mut key = start;
                for _ in 0..by.unsigned_abs() {
                    let next = if by > 0 { rows.after(key) } else { rows.before(key) };
                    let Some(next) = next else { break };
                    key = next;
                    moved += by.signum();
                }
                Some(key)
            }
        };
        let id = target.map(|key| key.id);
        self.row = match by {
            i64::MIN => 0,
            i64::MAX => height - 1,
            _ => (line as i64 + moved).clamp(0, height as i64 - 1) as usize,
        };
        self.select(id)
    }

    /// Until somebody has chosen a job, one that is at work is selected: when it ends, the first one that still works. What is
    /// being read is not changed under the reader's eyes. Returns whether it is another job than before.
    pub fn keep_selection(&mut self, state: &State, is_read: bool) -> bool {
        let works = self.selected.is_some_and(|id| state.index.active.contains(&id));
        if self.is_chosen || works || (is_read && self.selected.is_some()) {
            return false;
        }
        if let Some(first) = state.index.active.first() {
            self.selected = Some(*first);
            return true;
        }
        self.drop_unknown(state);
        false
    }

    /// Nothing is selected that is not there.
    pub fn drop_unknown(&mut self, state: &State) {
        self.selected = self.selected.filter(|id| state.jobs.contains_key(id));
    }

    /// The filter lets through what is there now.
    pub fn rebuild_filter(&mut self, state: &State) {
        if let Some(filter) = self.filter.take() {
            self.filter = Some(Filter::ordered(filter.text().to_owned(), filter.order(), state));
        }
    }

    /// Every row is shown again, in the order that was chosen.
    pub fn show_all(&mut self, state: &State) {
        let filter = self.filter.take().map(|filter| Filter::ordered(String::new(), filter.order(), state));
        self.filter = filter.filter(|filter| !filter.is_idle());
    }

    /// Orders the rows by the next column. Returns the order in words.
    pub fn sort(&mut self, state: &State) -> &'static str {
        let (text, order) = self.filter.as_ref().map_or_else(Default::default, |filter| (filter.text().to_owned(), filter.order()));
        let filter = Filter::ordered(text, order.next(), state);
        self.filter = (!filter.is_idle()).then_some(filter);
        order.next().label()
    }

    /// The selected job is marked, or not any more.
    pub fn mark(&mut self, id: JobId) {
        if !self.marked.remove(&id) {
            self.marked.insert(id);
        }
        self.last_mark = Some(id);
    }

    /// All from the last mark to this job are marked; false = there is no last mark.
    pub fn mark_to(&mut self, state: &State, id: JobId) -> bool {
        let rows = self.rows(state);
        let (Some(from), Some(to)) = (self.last_mark.and_then(|id| rows.find(id)), rows.find(id)) else { return false };
        let (first, last) = (from.min(to), from.max(to));
        let range = std::iter::successors(Some(first), |key| rows.after(*key)).take_while(|key| *key <= last);
        let ids: Vec<JobId> = range.map(|key| key.id).collect();
        self.marked.extend(ids);
        self.last_mark = Some(id);
        true
    }

    /// All that is shown is marked; where it is already, none of it any more. What the filter hides keeps its marks.
    pub fn mark_all(&mut self, state: &State) {
        let rows = self.rows(state);
        let all = std::iter::successors(rows.first(), |key| rows.after(*key)).map(|key| key.id);
        let all: BTreeSet<JobId> = all.collect();
        if all.is_subset(&self.marked) {
            self.marked.retain(|id| !all.contains(id));
        } else {
            self.marked.extend(all);
        }
    }
}
