//! What processes say: it is cut into lines, judged, thinned out for the events, and kept whole in a file for each try of a job.
//!
//! It must not know how processes are started and ended.

pub mod diagnose;
pub mod joblog;
pub mod logread;
pub mod old_logs;
pub mod ownlines;
pub mod progress;
pub mod rate_limit;
