//! The widgets that ratatui has not: memory by its parts against the line, and memory over time against the line.

mod chart;
mod gauge;

pub use chart::{Curve, LoadChart, quarters};
pub use gauge::{LoadGauge, Part};
