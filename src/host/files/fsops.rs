//! File operations that several rest on: reading a piece whole, and what puts an output in its place.

use std::fs::File;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD};
use rustix::io::Errno;

use crate::domain::units::Bytes;

/// The folder that a file stands in; the current one where its path names none.
pub(in crate::host) fn parent(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a folder that nobody else may look into, with those above it. One that is there stays as it is.
pub fn make_private(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Reads from `at` on until `into` is full or the file has ended; how much was read.
pub(in crate::host) fn fill(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(&mut into[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Bytes that ordinary users may still write to the disk that holds `folder`.
pub fn free_space(folder: &Path) -> io::Result<Bytes> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(Bytes(stat.f_bavail.saturating_mul(stat.f_frsize)))
}

/// The disk that holds a folder, or will once it is made: the place where it is mounted. `None` = it cannot be told.
pub fn disk_of(folder: &Path) -> Option<PathBuf> {
    let mut above = folder.ancestors().filter_map(|folder| Some((folder, std::fs::metadata(folder).ok()?.dev())));
    let (mut place, disk) = above.next()?;
    // Links on the way may lead to other disks and back: only what is above without a break is the same one.
    for (folder, other) in above {
        if other != disk {
            break;
        }
        place = folder;
    }
    Some(place.to_owned())
}

/// Renames without ever replacing: `AlreadyExists` if the name is taken.
pub(in crate::host) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    match rustix::fs::renameat_with(CWD, from, CWD, to, rustix::fs::RenameFlags::NOREPLACE) {
        // A kernel or a file system that does not know the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        result => return result.map_err(Into::into),
    }
    rename_new_slowly(from, to)
}

/// [`rename_new`] where the system has no such call: a second link is never made over a name, and where there are no links
/// either, the name is claimed by an empty file first.
fn rename_new_slowly(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::linkat(CWD, from, CWD, to, AtFlags::empty()) {
        Ok(()) => return std::fs::remove_file(from),
        Err(Errno::PERM | Errno::NOSYS | Errno::NOTSUP) => {}
        Err(error) => return Err(error.into()),
    }
    File::options().write(true).create_new(true).open(to)?;
    std::fs::rename(from, to).inspect_err(|_| {
        let _ = std::fs::remove_file(to);
    })
}

/// Waits until the names in a folder are on disk.
pub(in crate::host) fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems have no such thing for folders.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rename = fn(&Path, &Path) -> io::Result<()>;

    #[test]
    fn a_name_taken_in_the_last_instant_is_never_replaced() {
        let dir = tempfile::tempdir().expect("folder");
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        for rename in [rename_new as Rename, rename_new_slowly as Rename] {
            std::fs::write(&from, "ours").expect("written");
            std::fs::write(&to, "theirs").expect("written");
            assert_eq!(rename(&from, &to).expect_err("refused").kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(
                (std::fs::read(&from).expect("read"), std::fs::read(&to).expect("read")),
                (b"ours".to_vec(), b"theirs".to_vec())
            );
            std::fs::remove_file(&to).expect("removed");
            rename(&from, &to).expect("renamed");
            assert!(!from.exists());
            assert_eq!(std::fs::read(&to).expect("read"), b"ours");
        }
    }
}
