//! The subcommands, one file each.

pub mod catalog;
pub mod compare;
pub mod completion;
pub mod demo;
pub mod doctor;
#[cfg(feature = "fleet")]
pub mod fleet;
pub mod install;
pub mod manual;
pub mod neighbour;
pub mod plan;
pub mod remote;
pub mod replay;
pub mod run;
