//! Joins the engine to a host: the driver loop, the fan-out to front ends, the clock, the signals.

pub mod link;
