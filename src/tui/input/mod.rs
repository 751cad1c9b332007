//! What comes in from the operator: keys, mouse and pastes, and what they mean.

pub mod action;
pub(in crate::tui) mod foreign;
pub mod keymap;
pub mod reader;
