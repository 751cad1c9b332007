//! What the console wants to know and its engine does not tell: looked up on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::runtime::link::Lookup;
use crate::tui::input::action::{Found, Look};

/// Looks things up on a thread of its own.
pub(super) struct LookupWorker {
    pub(super) lookup: Lookup,
    pub(super) tell: mpsc::UnboundedSender<Found>,
    /// The look ahead that is wanted; any other one is given up.
    pub(super) looking: Arc<AtomicU64>,
}

impl LookupWorker {
    /// Looks something up; blocks.
    pub(super) fn look_up(&self, look: Look) -> Found {
        let nobody = || "nobody here can look that up".to_owned();
        match look {
            Look::Log(job, attempt) => {
                Found::Log(job, attempt, self.lookup.log.as_ref().ok_or_else(nobody).and_then(|read| read(job, attempt)))
            }
            Look::Checkup => Found::Checkup(self.lookup.checkup.as_ref().ok_or_else(nobody).and_then(|examine| examine())),
            Look::Comparisons => {
                Found::Comparisons(self.lookup.comparisons.as_ref().ok_or_else(nobody).and_then(|kept| (kept.list)()))
            }
            Look::Comparison(id) => {
                Found::Comparison(id, self.lookup.comparisons.as_ref().ok_or_else(nobody).and_then(|kept| (kept.open)(id)))
            }
            Look::Ahead(number, queue) => {
                let go_on = |step| {
                    let _ = self.tell.send(Found::AheadSoFar(number, step));
                    self.looking.load(Ordering::Relaxed) == number
                };
                let nobody = || "nobody here can look ahead".to_owned();
                let plan = self.lookup.ahead.as_ref().ok_or_else(nobody).and_then(|look| look(&queue, &go_on));
                Found::Ahead(number, Box::new(plan))
            }
            Look::Save(profile, comment) => {
                let nobody = || "nobody here can keep a profile".to_owned();
                let saved = self.lookup.save.as_ref().ok_or_else(nobody).and_then(|save| save(&profile, &comment));
                Found::Saved(profile, saved)
            }
        }
    }
}

impl Look {
    /// What comes of it when it cannot even be asked.
    pub(super) fn without(self, why: String) -> Found {
        match self {
            Self::Log(job, attempt) => Found::Log(job, attempt, Err(why)),
            Self::Checkup => Found::Checkup(Err(why)),
            Self::Ahead(number, _) => Found::Ahead(number, Box::new(Err(why))),
            Self::Comparisons => Found::Comparisons(Err(why)),
            Self::Comparison(id) => Found::Comparison(id, Err(why)),
            Self::Save(profile, _) => Found::Saved(profile, Err(why)),
        }
    }
}
