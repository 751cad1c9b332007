//! A worker of a fleet: an engine as on any single machine, and an agent beside it that claims jobs for it, brings their
//! inputs, and stores what comes of them. The engine knows nothing of it.

pub mod agent;
mod held;
mod standing;
mod steps;
