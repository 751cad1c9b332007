//! Runs of a comparison: their memory groups, and what is kept of them.

pub mod run_group;
pub mod saved;
