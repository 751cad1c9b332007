//! Questions beside the stream of events, as they go over the wire: each is one of [`Lookup`]'s, answered at the server.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::comparison::saved::{ComparisonId, SavedComparison};
use crate::domain::job::{JobId, WholeLog};
use crate::domain::profile::Profile;
use crate::domain::stored::RowsWanted;
use crate::runtime::link::{Compare, Comparisons, LookStep, Lookup, QueueNow};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// The whole log of a try.
    Log {
        job: JobId,
        /// Which try.
        attempt: u32,
    },
    /// What `plimsoll doctor` finds there.
    Checkup,
    /// How a queue would run in other ways.
    Ahead(Box<QueueNow>),
    /// Keep a profile there.
    Save {
        profile: Box<Profile>,
        /// Put on top of its file.
        comment: String,
    },
    /// The comparisons that are kept there.
    Comparisons,
    /// One of them, by its name.
    Comparison(String),
    /// Make one.
    Compare {
        /// Of these files there.
        #[serde(with = "crate::domain::text::as_exact_list")]
        inputs: Vec<PathBuf>,
        /// With this preset.
        preset: String,
    },
    /// End the one being made.
    StopComparison,
    /// Rows of the stored queue.
    Rows(RowsWanted),
    /// Complete the path at the end of a line, from the folders there.
    Complete(String),
}

impl Look {
    /// Changes something, or takes the machine's time: not for those who only look.
    pub(super) const fn is_for_control(&self) -> bool {
        match self {
            Self::Log { .. } | Self::Comparisons | Self::Comparison(_) | Self::Rows(_) => false,
            Self::Checkup
            | Self::Ahead(_)
            | Self::Save { .. }
            | Self::Compare { .. }
            | Self::StopComparison
            | Self::Complete(_) => true,
        }
    }

    /// Its answer may be megabytes.
    pub(super) const fn is_long(&self) -> bool {
        matches!(self, Self::Log { .. } | Self::Comparison(_))
    }

    /// Answers at the server, as JSON. Blocks. `on_step` tells how far it is, and says whether the answer is still wanted.
    pub(super) fn answer(self, lookup: &Lookup, on_step: &dyn Fn(LookStep) -> bool) -> Result<String, String> {
        match self {
            Self::Log { job, attempt } => json(&have(lookup.log.as_ref())?(job, attempt)?),
            Self::Checkup => json(&have(lookup.checkup.as_ref())?()?),
            Self::Ahead(queue) => json(&have(lookup.ahead.as_ref())?(&queue, on_step)?),
            Self::Save { profile, comment } => {
                let path = have(lookup.save.as_ref())?(&profile, &comment)?;
                json(&path.to_string_lossy())
            }
            Self::Comparisons => json(&(have(lookup.comparisons.as_ref())?.list)()?),
            Self::Comparison(id) => json(&*(have(lookup.comparisons.as_ref())?.open)(id.parse()?)?),
            Self::Compare { inputs, preset } => json(&(have(lookup.compare.as_ref())?.make)(&inputs, &preset)?),
            Self::StopComparison => json(&(have(lookup.compare.as_ref())?.stop)()),
            Self::Rows(wanted) => json(&have(lookup.rows.as_ref())?(&wanted)?),
            Self::Complete(line) => json(&have(lookup.complete.as_ref())?(&line)),
        }
    }
}

fn have<T>(there: Option<T>) -> Result<T, String> {
    there.ok_or_else(|| "this plimsoll cannot tell".to_owned())
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, String> {
    serde_json::to_string(value).map_err(|error| format!("the answer cannot be written: {error}"))
}

/// Asks the server a question and waits for the answer.
pub type Ask = Arc<dyn Fn(Look, &dyn Fn(LookStep) -> bool) -> Result<Value, String> + Send + Sync>;

/// Looks everything up at the server.
pub fn over(ask: &Ask, compares: bool) -> Lookup {
    let compare = Compare {
        make: {
            let ask = Arc::clone(ask);
            Arc::new(move |inputs, preset| get(&ask, Look::Compare { inputs: inputs.to_vec(), preset: preset.to_owned() }))
        },
        stop: {
            let ask = Arc::clone(ask);
            Arc::new(move || drop(get::<()>(&ask, Look::StopComparison)))
        },
    };
    let comparisons = Comparisons {
        list: {
            let ask = Arc::clone(ask);
            Arc::new(move || get(&ask, Look::Comparisons))
        },
        open: {
            let ask = Arc::clone(ask);
            Arc::new(move |id: ComparisonId| get::<SavedComparison>(&ask, Look::Comparison(id.to_string())).map(Arc::new))
        },
    };
    Lookup {
        log: {
            let ask = Arc::clone(ask);
            Some(Arc::new(move |job, attempt| get::<WholeLog>(&ask, Look::Log { job, attempt })))
        },
        checkup: {
            let ask = Arc::clone(ask);
            Some(Arc::new(move || get(&ask, Look::Checkup)))
        },
        ahead: {
            let ask = Arc::clone(ask);
            Some(Arc::new(move |queue: &QueueNow, on_step: &dyn Fn(LookStep) -> bool| {
                let answer = ask(Look::Ahead(Box::new(queue.clone())), on_step)?;
                serde_json::from_value(answer).map_err(|error| unreadable(&error))
            }))
        },
        save: {
            let ask = Arc::clone(ask);
            Some(Arc::new(move |profile: &Profile, comment: &str| {
                get(&ask, Look::Save { profile: Box::new(profile.clone()), comment: comment.to_owned() })
            }))
        },
        comparisons: Some(comparisons),
        compare: compares.then_some(compare),
        rows: {
            let ask = Arc::clone(ask);
            Some(Arc::new(move |wanted: &RowsWanted| get(&ask, Look::Rows(wanted.clone()))))
        },
        complete: {
            let ask = Arc::clone(ask);
            Some(Arc::new(move |line: &str| get(&ask, Look::Complete(line.to_owned())).unwrap_or_default()))
        },
        start_server: None,
    }
}

fn get<T: for<'de> Deserialize<'de>>(ask: &Ask, look: Look) -> Result<T, String> {
    serde_json::from_value(ask(look, &|_| true)?).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> String {
    format!("the server's answer cannot be read: {error}")
}
