//! Looking ahead at a queue: the making of a plan, for `plimsoll plan` and for the console's what-if.

pub mod ahead;
pub mod foresee;
pub mod probing;
