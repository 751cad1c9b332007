//! What is known of the comparison that this process makes: kept in a file, and at hand for a console of this process.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::domain::comparison::saved::{ComparisonId, Progress, RunUnderWay, SavedComparison, Standing};
use crate::domain::comparison::{Comparison, Subject};
use crate::domain::time::Mono;
use crate::headless::comparison::json;
use crate::host::compare::saved::{self, Library, Writer};
use crate::runtime::clock::Clock;
use crate::runtime::link::Comparisons;

/// Least time between two notes of one run.
const PAUSE: Duration = Duration::from_secs(1);
/// A large comparison is written less often: it takes at most this share of the time.
const SHARE: u32 = 20;

/// What was noted last.
type Latest = Arc<Mutex<Option<Arc<SavedComparison>>>>;

/// Keeps one comparison.
pub struct ComparisonLog {
    id: ComparisonId,
    /// `None` = it cannot be kept, which was told.
    writer: Option<Writer>,
    maker: String,
    latest: Latest,
    clock: Clock,
    next: Mono,
}

impl ComparisonLog {
    /// A log of the comparison that begins now. Where it cannot be kept that is told, and it is made all the same.
    pub fn begin(state_dir: &Path, clock: Clock) -> Self {
        let id = ComparisonId { begun: clock.now().wall, pid: std::process::id() };
        let writer = Writer::begin(state_dir, id);
        let writer =
            writer.map_err(|error| crate::cli::write_stderr(&format!("compare: this comparison is not kept: {error}\n"))).ok();
        Self { id, writer, maker: saved::maker(), latest: Latest::default(), clock, next: Mono::START }
    }

    /// Which comparison.
    pub const fn id(&self) -> ComparisonId {
        self.id
    }

    /// When it is time to note how far the run under way is, by our clock.
    pub const fn due(&self) -> Mono {
        self.next
    }

    /// Notes how far it is.
    pub fn note(&mut self, subject: &Subject, comparison: &Comparison, standing: Standing, run: Option<RunUnderWay>) {
        let progress = Progress { standing, maker: self.maker.clone(), run };
        let kept = SavedComparison { subject: subject.clone(), comparison: comparison.clone(), progress };
        let began = self.clock.now().mono;
        if let Some(writer) = &self.writer {
            let written = serde_json::to_vec(&Value::Object(json::saved(&kept))).map_err(|error| error.to_string());
            if let Err(error) = written.and_then(|text| writer.write(&text).map_err(|error| error.to_string())) {
                tracing::warn!(error, "the comparison cannot be kept");
            }
        }
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(kept));
        let now = self.clock.now().mono;
        self.next = now + PAUSE.max(now.since(began) * SHARE);
    }

    /// Reads this comparison from the log, and what else is kept from its files.
    pub fn lookup(&self, state_dir: &Path) -> Comparisons {
        let (own, latest) = (self.id, Arc::clone(&self.latest));
        let at_hand = move || latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let files = lookup(state_dir);
        let (list, open) = (files.list, files.open);
        let shown = at_hand.clone();
        Comparisons {
            list: Arc::new(move || {
                let mut comparisons = list()?;
                if let Some(kept) = shown() {
                    comparisons.kept.retain(|heading| heading.id != own);
                    let at = comparisons.kept.partition_point(|heading| heading.id > own);
                    comparisons.kept.insert(at, kept.heading(own));
                }
                Ok(comparisons)
            }),
            open: Arc::new(move |id| match at_hand().filter(|_| id == own) {
                Some(kept) => Ok(kept),
                None => open(id),
            }),
        }
    }
}

/// Reads what is kept in a state folder.
pub fn lookup(state_dir: &Path) -> Comparisons {
    let library = Arc::new(Library::new(state_dir));
    let list = Arc::clone(&library);
    Comparisons { list: Arc::new(move || list.list()), open: Arc::new(move |id| library.open(id)) }
}
