//! Joins the engine to a host: the driver loop, the fan-out to front ends, the clock.

pub mod clock;
pub mod driver;
pub mod hub;
pub mod link;
pub mod lookup;
pub mod relay;
pub mod replay;
