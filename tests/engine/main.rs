//! The engine in virtual time, and the floor plan.

#[path = "../support/modules.rs"]
mod modules;
#[path = "../support/mod.rs"]
mod support;

mod away;
mod comparing;
mod crowd;
mod governor;
mod layering;
mod learning;
mod requests;
mod room;
mod sim;
mod threads;
mod wire;
