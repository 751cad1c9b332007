//! The page of comparisons: the list of those that are kept, and one of them opened.

use std::sync::Arc;

use crate::domain::comparison::saved::{ComparisonId, ComparisonList, Heading, SavedComparison, Standing};
use crate::tui::input::action::Look;
use crate::tui::pages::scroll::Scroll;

#[derive(Debug, Clone, Default)]
pub struct ComparePage {
    /// What is kept; `None` = it is being looked up for the first time.
    pub comparisons: Option<Result<ComparisonList, String>>,
    /// The chosen line of the list; `None` = the newest, whichever that is.
    pub selected: Option<ComparisonId>,
    /// The one that is opened; `None` = the list is shown.
    pub open: Option<Opened>,
    /// A comparison of what waits here is being made.
    pub making: bool,
    /// The list was asked for, and has not come.
    asked: bool,
}

#[derive(Debug, Clone)]
pub struct Opened {
    /// Which one.
    pub id: ComparisonId,
    /// What was read of it last; `None` = it is being read for the first time.
    pub kept: Option<Result<Arc<SavedComparison>, String>>,
    /// The first column shown.
    pub columns: Scroll,
    /// Lines scrolled.
    pub scroll: Scroll,
    /// It was opened without the list, and closing it leads to where the operator came from.
    pub(in crate::tui) direct: bool,
    /// It was asked for, and has not come.
    asked: bool,
}

impl ComparePage {
    /// The row of the chosen line.
    pub fn row(&self) -> usize {
        let (Some(Ok(comparisons)), Some(id)) = (&self.comparisons, self.selected) else { return 0 };
        // Newer ones stand higher; one that is gone gives way to the next older.
        let found = comparisons.kept.iter().position(|heading| heading.id <= id);
        found.unwrap_or(comparisons.kept.len().saturating_sub(1))
    }

    /// The chosen line of the list.
    pub fn chosen(&self) -> Option<&Heading> {
        let Some(Ok(comparisons)) = &self.comparisons else { return None };
        comparisons.kept.get(self.row())
    }

    /// What to look up: what may have changed, unless the answer to the last time is still to come.
    pub(in crate::tui) fn look(&mut self) -> Option<Look> {
        match &mut self.open {
            Some(opened) => {
                // What is over does not change any more.
                let is_over = matches!(&opened.kept, Some(Ok(kept)) if kept.progress.standing != Standing::UnderWay);
                if is_over || opened.asked {
                    return None;
                }
                opened.asked = true;
                Some(Look::Comparison(opened.id))
            }
            None if self.asked => None,
            None => {
                self.asked = true;
                Some(Look::Comparisons)
            }
        }
    }

    /// Opens one; `direct` = not from the list.
    pub fn open(&mut self, id: ComparisonId, direct: bool) {
        self.open = Some(Opened { id, kept: None, columns: Scroll::default(), scroll: Scroll::default(), direct, asked: false });
    }

    /// Closes the one that is opened: the list is shown, with it chosen.
    pub fn close(&mut self) {
        self.selected = self.open.take().map(|opened| opened.id);
    }

    /// The list has come.
    pub fn found_list(&mut self, found: Result<ComparisonList, String>) {
        self.asked = false;
        self.comparisons = Some(found);
    }

    /// One has come; another one may be open by now.
    pub fn found(&mut self, id: ComparisonId, found: Result<Arc<SavedComparison>, String>) {
        if let Some(opened) = self.open.as_mut().filter(|opened| opened.id == id) {
            opened.asked = false;
            opened.kept = Some(found);
        }
    }

    /// Other columns, where not all have room.
    pub fn shift(&mut self, by: i64) {
        if let Some(opened) = &mut self.open {
            opened.columns.by(by);
        }
    }

    /// Moves in the list, or in the one that is opened.
    pub fn scroll(&mut self, by: i64) {
        if let Some(opened) = &mut self.open {
            return opened.scroll.by(by);
        }
        let Some(Ok(comparisons)) = &self.comparisons else { return };
        let last = comparisons.kept.len().saturating_sub(1) as i64;
        let row = (self.row() as i64).saturating_add(by).clamp(0, last);
        // The first row stays the newest, whatever comes.
        self.selected = if row == 0 { None } else { comparisons.kept.get(row as usize).map(|heading| heading.id) };
    }
}
