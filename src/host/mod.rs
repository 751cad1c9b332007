//! The real world: processes, files, memory, kernels and clocks. Carries out what the engine decides and reports what came
//! of it; decides nothing itself and knows nothing of screens.

pub mod compare;
pub mod demo;
pub mod doctor;
pub mod files;
pub mod jobstore;
pub mod media;
pub mod memory;
pub mod process;
pub mod real;
pub mod store;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
#[path = "../../tests/support/skip.rs"]
mod skip;
