//! Where the server listens: two sockets in its state folder, one to control and one to look.

use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use crate::domain::text::{error_words, path_text};

/// Name of the socket that takes requests: for the same user and root.
pub const CONTROL: &str = "control.sock";
/// Name of the socket that only shows: for the group too.
pub const VIEW: &str = "view.sock";
/// Longest path that the kernel takes as the name of a socket.
const LONGEST: usize = 107;

/// The two sockets of a server. Their files go when this is dropped; it must not outlive the lock of the state folder, or it
/// would take away those of the next server.
#[derive(Debug)]
pub struct Doors {
    paths: Vec<(PathBuf, u64)>,
}

/// The listening ends of the two sockets, before an event loop has them.
#[derive(Debug)]
pub struct Listeners {
    /// Takes requests.
    pub control: std::os::unix::net::UnixListener,
    /// Only shows.
    pub view: std::os::unix::net::UnixListener,
}

/// Opens both in a state folder whose lock the caller holds, in place of what a server that died has left there.
pub fn open(state_dir: &Path) -> Result<(Doors, Listeners), String> {
    let mut doors = Doors { paths: Vec::new() };
    let control = doors.listen(state_dir, CONTROL, 0o600)?;
    let view = doors.listen(state_dir, VIEW, 0o660)?;
    Ok((doors, Listeners { control, view }))
}

impl Doors {
    fn listen(&mut self, folder: &Path, name: &str, mode: u32) -> Result<std::os::unix::net::UnixListener, String> {
        let path = folder.join(name);
        let failed = |error: io::Error| {
            let (path, why) = (path_text(&path), error_words(&error));
            format!("cannot listen on {path}: {why}; consoles and commands cannot reach this plimsoll")
        };
        // Under another name first: whoever connects finds a socket with its final rights, or the old one.
        let new = format!("{name}.{}", std::process::id());
        let made = folder.join(&new);
        let _ = std::fs::remove_file(&made);
        let listener = short(folder, &new, |path| std::os::unix::net::UnixListener::bind(path)).map_err(failed)?;
        let placed = std::fs::set_permissions(&made, std::fs::Permissions::from_mode(mode))
            .and_then(|()| std::fs::rename(&made, &path))
            .and_then(|()| listener.set_nonblocking(true))
            .and_then(|()| std::fs::symlink_metadata(&path));
        let meta = placed.inspect_err(|_| drop(std::fs::remove_file(&made))).map_err(failed)?;
        self.paths.push((path, meta.ino()));
        Ok(listener)
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        for (path, inode) in &self.paths {
            // What somebody else has put there stays.
            if std::fs::symlink_metadata(path).is_ok_and(|meta| meta.ino() == *inode) {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

impl Listeners {
    /// Gives them to the event loop of this thread.
    pub(super) fn into_tokio(self) -> io::Result<(UnixListener, UnixListener)> {
        Ok((UnixListener::from_std(self.control)?, UnixListener::from_std(self.view)?))
    }
}

/// Connects to a socket of a state folder, without an event loop.
pub fn connect_blocking(state_dir: &Path, name: &str) -> io::Result<std::os::unix::net::UnixStream> {
    short(state_dir, name, |path| std::os::unix::net::UnixStream::connect(path))
}

/// Connects to a socket of a state folder.
pub fn connect(state_dir: &Path, name: &str) -> io::Result<UnixStream> {
    let stream = connect_blocking(state_dir, name)?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Does something with a socket by a path that the kernel takes: a longer one leads through the folder's descriptor.
fn short<T>(folder: &Path, name: &str, work: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = folder.join(name);
    if path.as_os_str().len() <= LONGEST {
        return work(&path);
    }
    let open = std::fs::File::open(folder)?;
    let through = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&open));
    work(&Path::new(&through).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_sockets_have_their_rights_take_the_place_of_old_ones_and_go_with_their_server() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join(CONTROL), "left by a server that died").expect("written");
        let (doors, listeners) = open(folder.path()).expect("open");
        for (name, mode) in [(CONTROL, 0o600), (VIEW, 0o660)] {
            let meta = std::fs::metadata(folder.path().join(name)).expect("there");
            assert_eq!(meta.mode() & 0o777, mode, "{name}");
        }
        let (control, _view) = listeners.into_tokio().expect("taken");
        let near = connect(folder.path(), CONTROL);
        assert!(near.is_ok() && control.accept().await.is_ok());
        drop(doors);
        assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 0);
    }

    #[tokio::test]
    async fn a_folder_with_a_path_longer_than_a_socket_may_have_works_all_the_same() {
        let folder = tempfile::tempdir().expect("folder");
        let deep = folder.path().join("d".repeat(120)).join("e".repeat(120));
        std::fs::create_dir_all(&deep).expect("made");
        let (_doors, listeners) = open(&deep).expect("open");
        let (control, _view) = listeners.into_tokio().expect("taken");
        let near = connect(&deep, CONTROL);
        assert!(near.is_ok() && control.accept().await.is_ok());
    }

    #[test]
    fn what_another_server_has_put_in_the_place_is_left_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let (first, _listeners) = open(folder.path()).expect("open");
        let (_second, _others) = open(folder.path()).expect("open");
        drop(first);
        assert!(folder.path().join(CONTROL).exists() && folder.path().join(VIEW).exists());
    }
}
