//! How a server in a test greets.
#![allow(dead_code)] // not every test file has a server

use plimsoll::domain::time::Wall;
use plimsoll::wire::message::{SPOKEN, ServerHello};

/// What a server in a test says of itself.
pub fn hello(state_dir: &std::path::Path) -> ServerHello {
    ServerHello {
        protocol: SPOKEN,
        version: "test".to_owned(),
        life: "life".to_owned(),
        pid: std::process::id(),
        host: "here".to_owned(),
        state_dir: state_dir.to_owned(),
        since: Wall(0),
        features: Vec::new(),
    }
}
