//! The fleet console: one screen over the queue that many machines share. Workers, jobs and events, as the queue tells of them.
//!
//! [`state::Board`] holds what was told last and where the operator is in it, [`keys::press`] changes it and says what is to be
//! done, [`view::draw`] shows it. Whoever asks the queue, and does what keys ask for, stands outside.

pub mod keys;
pub mod state;
pub mod view;

#[cfg(test)]
mod tests;
