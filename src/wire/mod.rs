//! The line between a front end and the engine over a socket: what [`crate::runtime::link`] is within one process.
//!
//! One JSON object a line, both ways. [`message`] defines them, `tests/data/wire` holds recorded conversations, [`server`] and
//! [`client`] are the two ends. Whatever comes in has a limit, and nothing that a client does or leaves undone slows the engine.
#![allow(clippy::disallowed_methods)] // how long nobody is connected, what is kept for how long: the clock of the socket's runtime

pub mod client;
pub mod look;
pub mod message;
pub mod peer;
mod ring;
pub mod server;
mod snapshot;
pub mod socket;

/// Longest line of a client. Longer ones end the connection.
pub const CLIENT_LINE: usize = 1024 * 1024;
/// Longest line of a server.
pub const SERVER_LINE: usize = 1024 * 1024;
/// Longest hello of a client, and the time it has for it.
const HELLO_LINE: usize = 4096;
/// How long either end waits for the other's hello.
const HELLO_WAIT: std::time::Duration = std::time::Duration::from_secs(5);
/// How long a client waits for a server that is just being started for it: it asks ffmpeg first, from whatever disk.
const START_WAIT: std::time::Duration = std::time::Duration::from_secs(90);
