//! One queue for many machines: PostgreSQL holds it, an object store holds the files.
//!
//! A worker *claims* a job that fits under its own line now, under a *lease* that it renews, and with a *fence*: a number that
//! rises with every claim. Every later write names job, worker and fence, so that a worker that was given up in the meantime
//! changes nothing any more. Only the database's clock counts. The statements are in [`lease`], [`claim`], [`results`] and
//! [`queue`]; the schema is `migrations/1.sql`.

pub mod claim;
pub mod db;
pub mod files;
pub mod lease;
pub mod outlook;
pub mod postgres;
pub mod queue;
pub mod results;
pub mod schema;
pub mod spool;

#[cfg(test)]
mod control_tests;
#[cfg(test)]
mod load_tests;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};
use tokio_postgres::types::Type;
use uuid::Uuid;

use db::Value;

/// A claimed job as its later writes name it. Who holds none of it any more changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Hold {
    pub job: i64,
    /// The life of the worker that has claimed it.
    pub worker: Uuid,
    /// Of this claim.
    pub fence: i64,
}

impl Hold {
    /// The first three values of every fenced statement.
    fn values(&self) -> [Value<'_>; 3] {
        [(&self.job, Type::INT8), (&self.worker, Type::UUID), (&self.fence, Type::INT8)]
    }
}

/// Whether a fenced write was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Fenced {
    /// It was.
    Done,
    /// The job is somebody else's by now, or was cancelled: nothing was changed, stop and discard.
    Lost,
}

impl Fenced {
    fn of(rows: &[tokio_postgres::Row]) -> Self {
        if rows.is_empty() { Self::Lost } else { Self::Done }
    }
}
