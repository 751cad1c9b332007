//! Runs of a comparison: their memory groups, and what is kept of them.

pub mod comparisons;
pub mod rungroup;
