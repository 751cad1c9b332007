//! The pane of the cleanups, the latest on top.

use crate::domain::cleanup::CleanupId;
use crate::domain::state::State;

/// Where the list is scrolled to.
#[derive(Debug, Clone, Copy, Default)]
pub struct CleanupsPane {
    /// The first that is shown; `None` = the latest, whichever that is.
    top: Option<CleanupId>,
}

impl CleanupsPane {
    /// How many later ones stand above the first that is shown.
    pub fn skipped(&self, state: &State) -> usize {
        let Some(top) = self.top else { return 0 };
        state.cleanups.iter().rev().take_while(|record| record.id > top).count()
    }

    /// Moves by so many lines of a pane that shows `rows`.
    pub fn scroll(&mut self, state: &State, rows: usize, by: i64) {
        let (all, rows) = (state.cleanups.len() as i64, rows as i64);
        let skipped = (self.skipped(state) as i64).saturating_add(by).clamp(0, (all - rows).max(0));
        self.top = if skipped == 0 { None } else { state.cleanups.get((all - 1 - skipped) as usize).map(|record| record.id) };
    }
}
