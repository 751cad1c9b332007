//! Real footage comes out right: recordings, phones, cameras, screens, conferences, and what people's folders hold. Every film is
//! made with ffmpeg once, run with the built program, and held against what a player shows of it.
//!
//! `just footage` also runs the long ones: every film under every profile, and a second reader for every output.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, clippy::too_many_arguments)] // limits of time are measured with a clock

mod support;

#[path = "footage/clip.rs"]
mod clip;
#[path = "footage/facts.rs"]
mod facts;
#[path = "support/pty.rs"]
#[allow(dead_code)]
mod pty;
#[path = "footage/reading.rs"]
mod reading;
#[path = "footage/table.rs"]
mod table;

#[path = "footage/checkers.rs"]
mod checkers;
#[path = "footage/console.rs"]
mod console;
#[path = "footage/copies.rs"]
mod copies;
#[path = "footage/folders.rs"]
mod folders;
#[path = "footage/kept.rs"]
mod kept;
#[path = "footage/pictures.rs"]
mod pictures;
#[path = "footage/places.rs"]
mod places;
#[path = "footage/profiles.rs"]
mod profiles;
#[path = "footage/reasons.rs"]
mod reasons;
#[path = "footage/recordings.rs"]
mod recordings;
#[path = "footage/sound.rs"]
mod sound;
#[path = "footage/times.rs"]
mod times;
