//! One queue for many machines.

pub mod files;
