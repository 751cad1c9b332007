//! The command line as a user types it: the built program, real files, real ffmpeg.

#[path = "../support/declarations.rs"]
mod declarations;
#[cfg(all(feature = "fleet", target_os = "linux"))]
#[path = "../support/gate.rs"]
mod gate;
#[path = "../support/markdown.rs"]
mod markdown;
#[cfg(all(feature = "fleet", target_os = "linux"))]
#[path = "../support/postgres.rs"]
mod postgres;
#[cfg(all(feature = "fleet", target_os = "linux"))]
#[path = "../support/s3.rs"]
mod s3;
#[path = "../support/mod.rs"]
mod support;

mod arrivals;
mod compare;
mod cut_lines;
mod docs;
#[cfg(all(feature = "fleet", target_os = "linux"))]
mod fleet;
mod hooks;
mod intake;
mod metrics;
mod packaging;
mod past;
mod plan;
mod queue;
mod replay;
mod served;
mod service;
mod usage;
