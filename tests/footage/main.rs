//! Real footage comes out right: recordings, phones, cameras, screens, conferences, and what people's folders hold. Every film is
//! made with ffmpeg once, run with the built program, and held against what a player shows of it.
//!
//! `just footage` also runs the long ones: every film under every profile, and a second reader for every output.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, clippy::too_many_arguments)] // limits of time are measured with a clock

#[path = "../support/mod.rs"]
mod support;

mod clip;
mod facts;
mod reading;
mod table;

mod checkers;
mod console;
mod copies;
mod folders;
mod kept;
mod losses;
mod pictures;
mod places;
mod profiles;
mod reasons;
mod recordings;
mod sound;
mod sources;
mod times;
