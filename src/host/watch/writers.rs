//! Does somebody write a file? Asked of the kernel by a lease.
//!
//! A lease for reading (`F_SETLEASE`) is given only while nobody has the file open for writing or mapped so, whoever that is and
//! whatever rights we have to look at them. `/proc/*/fd` tells less: it shows the files of our own user's processes alone, takes
//! longer the more processes there are, and a writer may come while it is read. A lease is to be had by the owner of a file
//! and by root (`CAP_LEASE`), on local file systems. Where there is none, a file that looks the same for long enough is taken.

use std::path::Path;

use super::candidate::Writers;

/// Who writes the file at `path`, on a local file system.
#[cfg(target_os = "linux")]
pub fn writers(path: &Path) -> Writers {
    use std::os::fd::AsRawFd as _;

    use crate::host::files::file_id::open_regular;

    /// `F_SETSIG` of fcntl.h, which the libc crate does not have everywhere.
    const F_SETSIG: libc::c_int = 10;
    let Ok(file) = open_regular(path) else { return Writers::Unknown };
    let fd = file.as_raw_fd();
    // A writer who comes while we have the lease would have us sent SIGIO, which ends a process. SIGURG is ignored.
    // SAFETY: the descriptor is open, and these calls take and give plain numbers.
    let leased = unsafe {
        if libc::fcntl(fd, F_SETSIG, libc::SIGURG) != 0 {
            return Writers::Unknown;
        }
        libc::fcntl(fd, libc::F_SETLEASE, libc::F_RDLCK)
    };
    if leased == 0 {
        // SAFETY: as above.
        unsafe { libc::fcntl(fd, libc::F_SETLEASE, libc::F_UNLCK) };
        return Writers::None;
    }
    match std::io::Error::last_os_error().raw_os_error() {
        Some(libc::EAGAIN | libc::EBUSY) => Writers::Some,
        _ => Writers::Unknown,
    }
}

/// Only Linux tells.
#[cfg(not(target_os = "linux"))]
pub fn writers(_path: &Path) -> Writers {
    Writers::Unknown
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_file_open_for_writing_is_noticed_and_readers_are_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("film.mp4");
        let writer = std::fs::File::create(&path).expect("made");
        if writers(&path) == Writers::Unknown {
            return crate::host::skip::skip(crate::host::skip::LEASE, "the file system gives no leases");
        }
        assert_eq!(writers(&path), Writers::Some);
        let moved = folder.path().join("moved.mp4");
        std::fs::rename(&path, &moved).expect("renamed");
        assert_eq!(writers(&moved), Writers::Some, "another name changes nothing");
        drop(writer);
        let _reader = std::fs::File::open(&moved).expect("opened");
        // A child that another test is just starting has it open until it is another program.
        while writers(&moved) != Writers::None {
            std::thread::yield_now();
        }
        assert!(std::fs::OpenOptions::new().append(true).open(&moved).is_ok(), "the lease is given back");
    }
}
