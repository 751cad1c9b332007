//! Where the server listens: two sockets in its state folder, one to control and one to look.

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use crate::domain::text::{error_words, path_text};

/// That nobody works on this state folder, and what to do, in words.
pub fn no_server(state_dir: &Path) -> String {
    format!("no plimsoll works on {}; start one with `plimsoll serve`", path_text(state_dir))
}

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

/// Opens both in a state folder whose lock the caller holds, in place of what a server that died has left there. A control
/// socket that was [`handed`] over is used as it is.
pub fn open(state_dir: &Path, handed: Option<std::os::unix::net::UnixListener>) -> Result<(Doors, Listeners), String> {
    let mut doors = Doors { paths: Vec::new() };
    let control = match handed {
        // Its file is the service manager's, and stays: the next console is to find it.
        Some(listener) => {
            let why = |error| format!("cannot listen on the control socket that was handed over: {}", error_words(&error));
            listener.set_nonblocking(true).map_err(why)?;
            listener
        }
        None => doors.listen(state_dir, CONTROL, 0o600)?,
    };
    let view = doors.listen(state_dir, VIEW, 0o660)?;
    Ok((doors, Listeners { control, view }))
}

/// Takes the control socket that a service manager has made and hands over as the descriptors `fds` (socket activation).
/// `None` where there are none. To be called once, before anything else opens descriptors.
///
/// # Errors
/// There is more than one, or it does not listen where the consoles of this state folder look for it.
pub fn handed(fds: impl IntoIterator<Item = RawFd>, state_dir: &Path) -> Result<Option<std::os::unix::net::UnixListener>, String> {
    // SAFETY: the service manager has opened them for this process, and says so.
    let mut all: Vec<OwnedFd> = fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).collect();
    let wanted = state_dir.join(CONTROL);
    let (count, shown) = (all.len(), path_text(&wanted));
    let Some(fd) = all.pop() else { return Ok(None) };
    if count > 1 {
        return Err(format!("the service manager hands over {count} sockets; there may be one, with ListenStream={shown}"));
    }
    let is_stream = rustix::net::sockopt::socket_type(&fd).is_ok_and(|kind| kind == rustix::net::SocketType::STREAM);
    let listener = std::os::unix::net::UnixListener::from(fd);
    let path = listener.local_addr().ok().and_then(|address| address.as_pathname().map(Path::to_owned));
    if is_stream && path.as_deref().is_some_and(|path| is_same_file(path, &wanted)) {
        return Ok(Some(listener));
    }
    let there = path.map_or_else(|| "elsewhere".to_owned(), |path| format!("on {}", path_text(&path)));
    Err(format!("the service manager hands over a socket that listens {there}; it has to be ListenStream={shown}"))
}

/// Both paths lead to one file, by whatever way.
fn is_same_file(path: &Path, other: &Path) -> bool {
    let key = |path: &Path| std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    key(path).is_ok_and(|key_here| key(other).is_ok_and(|key_there| key_here == key_there))
}

/// Whether somebody listens there who has made the socket by this very name: a service manager that waits for the first console
/// to start a server. A plimsoll makes its own under another name.
pub(super) fn is_kept(path: &Path) -> bool {
    /// In the list of sockets: it takes connections.
    const ACCEPTS: u64 = 0x1_0000;

    let Ok(sockets) = std::fs::read("/proc/net/unix") else { return false };
    // It has the name that the service manager was told, which may lead here by another way than ours.
    let real = path.parent().zip(path.file_name()).and_then(|(folder, name)| Some(std::fs::canonicalize(folder).ok()?.join(name)));
    let names = [Some(path), real.as_deref()].map(|name| name.map(|name| [b" ", name.as_os_str().as_bytes()].concat()));
    let is_it = |line: &[u8]| {
        // Number, references, protocol, flags, type, state, inode, path; the path may hold blanks, and is the last.
        let flags = line.split(u8::is_ascii_whitespace).nth(3).and_then(|flags| std::str::from_utf8(flags).ok());
        let accepts = flags.and_then(|flags| u64::from_str_radix(flags, 16).ok()).is_some_and(|flags| flags & ACCEPTS != 0);
        accepts && names.iter().flatten().any(|name| line.ends_with(name))
    };
    path.exists() && sockets.split(|byte| *byte == b'\n').any(is_it)
}

impl Doors {
    fn listen(&mut self, folder: &Path, name: &str, mode: u32) -> Result<std::os::unix::net::UnixListener, String> {
        let path = folder.join(name);
        let failed = |error: io::Error| {
            let (path, why) = (path_text(&path), error_words(&error));
            format!("cannot listen on {path}: {why}; consoles and commands cannot reach this plimsoll")
        };
        if is_kept(&path) {
            return Err(format!(
                "cannot listen on {}: a service manager listens there, to start its own plimsoll (plimsoll.socket); consoles and \
                 commands cannot reach this one",
                path_text(&path)
            ));
        }
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
        let (doors, listeners) = open(folder.path(), None).expect("open");
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
        let (_doors, listeners) = open(&deep, None).expect("open");
        let (control, _view) = listeners.into_tokio().expect("taken");
        let near = connect(&deep, CONTROL);
        assert!(near.is_ok() && control.accept().await.is_ok());
    }

    #[test]
    fn what_another_server_has_put_in_the_place_is_left_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let (first, _listeners) = open(folder.path(), None).expect("open");
        let (_second, _others) = open(folder.path(), None).expect("open");
        drop(first);
        assert!(folder.path().join(CONTROL).exists() && folder.path().join(VIEW).exists());
    }

    #[tokio::test]
    async fn a_socket_that_a_service_manager_keeps_is_used_and_stays_behind() {
        let folder = tempfile::tempdir().expect("folder");
        let kept = std::os::unix::net::UnixListener::bind(folder.path().join(CONTROL)).expect("bound");
        let inode = || std::fs::metadata(folder.path().join(CONTROL)).expect("there").ino();
        let before = inode();
        for _ in 0..2 {
            // Whoever comes before there is a server waits for it.
            let waiting = connect_blocking(folder.path(), CONTROL).expect("connected");
            let fd = OwnedFd::from(kept.try_clone().expect("cloned"));
            let listener = handed([std::os::fd::IntoRawFd::into_raw_fd(fd)], folder.path()).expect("the right one");
            let (doors, listeners) = open(folder.path(), listener).expect("open");
            let (control, _view) = listeners.into_tokio().expect("taken");
            assert!(control.accept().await.is_ok());
            assert!(folder.path().join(VIEW).exists());
            drop((doors, control, waiting));
            assert_eq!((inode(), folder.path().join(VIEW).exists()), (before, false));
        }
    }

    #[test]
    fn a_plimsoll_without_it_leaves_the_socket_of_a_service_manager_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(CONTROL);
        let kept = std::os::unix::net::UnixListener::bind(&path).expect("bound");
        let inode = std::fs::metadata(&path).expect("there").ino();
        let told = open(folder.path(), None).expect_err("it is kept");
        assert!(told.contains("a service manager listens there"), "{told}");
        assert_eq!(std::fs::metadata(&path).expect("there").ino(), inode);
        // By whatever way the folder is reached.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).expect("linked");
        for way in [link.clone(), link.join("."), folder.path().join("../").join(folder.path().file_name().expect("a name"))] {
            open(&way, None).expect_err("it is kept");
            assert_eq!(std::fs::metadata(&path).expect("there").ino(), inode, "{}", way.display());
        }
        // What it has left behind is nobody's.
        drop(kept);
        // A child that another test is just starting has it until it is another program.
        let (doors, _listeners) = loop {
            match open(folder.path(), None) {
                Ok(open) => break open,
                Err(told) => assert!(told.contains("a service manager listens there"), "{told}"),
            }
        };
        drop(doors);
        assert!(!path.exists());
    }

    #[test]
    fn sockets_that_are_not_the_one_of_this_state_folder_are_refused_with_the_right_one() {
        let folder = tempfile::tempdir().expect("folder");
        let raw = |fd: OwnedFd| std::os::fd::IntoRawFd::into_raw_fd(fd);
        let there = folder.path().join("other.sock");
        let listener = || {
            let _ = std::fs::remove_file(&there);
            raw(std::os::unix::net::UnixListener::bind(&there).expect("bound").into())
        };
        let wanted = format!("ListenStream={}", folder.path().join(CONTROL).display());
        let refused = |fds: Vec<RawFd>, word: &str| {
            let told = handed(fds, folder.path()).expect_err("refused");
            assert!(told.contains(word) && told.ends_with(&wanted), "{told}");
        };
        refused(vec![listener()], &format!("listens on {}", there.display()));
        refused(vec![listener(), listener()], "2 sockets");
        refused(vec![raw(std::net::TcpListener::bind("127.0.0.1:0").expect("bound").into())], "listens elsewhere");
        let datagram = std::os::unix::net::UnixDatagram::bind(folder.path().join(CONTROL)).expect("bound");
        refused(vec![raw(datagram.into())], "hands over a socket");
        assert!(handed([], folder.path()).expect("none").is_none());
    }
}
