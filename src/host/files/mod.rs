//! Files: which are inputs, what outputs are called, and how an output gets its place.

pub(in crate::host) mod away;
pub mod file_id;
pub mod intent;
pub mod naming;
pub mod prepare;
pub mod publish;
pub mod scan;
pub mod scratch;
pub mod walk;
pub mod workplace;

pub mod fsops;
