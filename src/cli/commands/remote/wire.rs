//! `plimsoll wire`: carries its own streams to the server's socket and back. What is said it does not read.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use color_eyre::eyre::Result;

use super::{NO_SERVER, REFUSED};
use crate::cli::Unavailable;
use crate::domain::text::{error_words, path_text};
use crate::wire::socket::{self, CONTROL, VIEW, no_server};

/// Carries until one of both ends.
pub fn carry(state_dir: &Path, view: bool) -> Result<u8> {
    let name = if view { VIEW } else { CONTROL };
    let stream = socket::connect_blocking(state_dir, name).map_err(|error| {
        let folder = path_text(state_dir);
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => {
                Unavailable { status: REFUSED, why: format!("the plimsoll on {folder} belongs to another user") }
            }
            std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused => {
                Unavailable { status: NO_SERVER, why: no_server(state_dir) }
            }
            _ => Unavailable { status: 1, why: format!("cannot connect to {folder}: {}", error_words(&error)) },
        }
    })?;
    let mut to_server = stream.try_clone()?;
    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        copy(&mut std::io::stdin().lock(), &mut to_server);
        // Whoever asks no more wants to hear no more: ssh has ended.
        let _ = to_server.shutdown(std::net::Shutdown::Both);
    })?;
    let mut from_server: UnixStream = stream;
    copy(&mut from_server, &mut std::io::stdout().lock());
    Ok(0)
}

/// Copies what comes as it comes, until either end has gone.
fn copy(from: &mut impl Read, to: &mut impl Write) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match from.read(&mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                if to.write_all(&bytes[..count]).and_then(|()| to.flush()).is_err() {
                    return;
                }
            }
        }
    }
}
