//! Films: what a file holds, what ffmpeg is asked to make of it, and whether the output is whole.

pub mod arguments;
pub mod curves;
pub mod damage;
pub mod ffmpeg;
pub(in crate::host) mod index;
pub mod install;
pub mod mark;
pub mod picture;
pub mod probe;
mod report;
pub mod sniff;
pub mod sound;
pub mod structure;
pub mod tally;
pub mod tracks;
pub mod verify;

pub(in crate::host) mod peak;
