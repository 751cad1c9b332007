//! Real jobs, real kernels, faults made on purpose. The long campaigns are ignored here; the justfile runs them.

#[path = "../support/mod.rs"]
mod support;

mod acts;
mod adaptive;
mod boxes;
mod chaos;
mod figures;
mod fuzz;
mod hostile;
mod peaks;
mod queue_options;
mod real_jobs;
mod short_films;
mod windows;
