//! Whether a file that cannot be read may come back by itself: its share or its disk is away, or descriptors are short.
//!
//! Looks at the file and at the folders above it. Knows nothing of what is in files.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::domain::text::{error_words, path_text};
use crate::engine::port::Absence;
use crate::host::files::{file_id, fsops};

/// Links that lead from one to the next are followed so far.
const MOST_LINKS: usize = 8;

/// Errors of the process or of the machine, whatever file is asked for.
fn is_of_the_machine(errno: i32) -> bool {
    matches!(errno, libc::EMFILE | libc::ENFILE)
}

/// Errors of a file system that cannot be reached.
fn is_of_the_share(errno: i32) -> bool {
    matches!(
        errno,
        libc::EIO
            | libc::ESTALE
            | libc::ENOTCONN
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::ECONNRESET
            | libc::ETIMEDOUT
            | libc::ENODEV
    )
}

/// Reads the beginning of a file; what came in the way, if that may pass. A file that can be read, and one that is simply not
/// there, are not away.
pub(in crate::host) fn look(path: &Path) -> Option<Absence> {
    let read = file_id::open_regular(path).and_then(|mut file| file.read(&mut [0; 1]));
    judge(path, read.err()?.raw_os_error()?)
}

/// What to wait for where `path` could not be read for this error; `None` = it will not pass by itself.
pub(in crate::host) fn judge(path: &Path, errno: i32) -> Option<Absence> {
    if is_of_the_machine(errno) {
        let why = format!("waits until files can be opened again: {}", words(errno));
        return Some(Absence { place: PathBuf::from("/"), why, may_be_gone: false });
    }
    if errno == libc::ENOENT {
        return missing_folder(path, MOST_LINKS);
    }
    if !is_of_the_share(errno) {
        return None;
    }
    let folder = fsops::parent(path);
    if let Some((place, _)) = first_away(folder) {
        return Some(absence(place, errno));
    }
    // A disk that fails in one place says this of one file; all else is said of the whole share.
    let is_one_file = errno == libc::EIO && is_readable(folder);
    let place = if is_one_file { path } else { folder };
    Some(Absence { may_be_gone: is_one_file, ..absence(place.to_owned(), errno) })
}

/// The folder that is missing, or cannot be read, where a file is not there; of a link that leads nowhere, where it leads to.
fn missing_folder(path: &Path, links: usize) -> Option<Absence> {
    let folder = fsops::parent(path);
    if let Some((place, errno)) = first_away(folder) {
        return Some(absence(place, errno));
    }
    let target = std::fs::read_link(path).ok().filter(|_| links > 0)?;
    missing_folder(&folder.join(target), links - 1)
}

/// The uppermost of a folder and those above it that is not there, or cannot be read for a reason that may pass.
fn first_away(folder: &Path) -> Option<(PathBuf, i32)> {
    let above: Vec<&Path> = folder.ancestors().collect();
    for place in above.into_iter().rev() {
        let read = if place == folder { list(place) } else { std::fs::metadata(place).map(drop) };
        let Err(error) = read else { continue };
        let errno = error.raw_os_error()?;
        return (errno == libc::ENOENT || is_of_the_share(errno)).then(|| (place.to_owned(), errno));
    }
    None
}

fn list(folder: &Path) -> io::Result<()> {
    std::fs::read_dir(folder)?.next().transpose().map(drop)
}

fn is_readable(folder: &Path) -> bool {
    list(folder).is_ok()
}

fn absence(place: PathBuf, errno: i32) -> Absence {
    let why = format!("waits for {}, which cannot be reached: {}", path_text(&place), words(errno));
    Absence { place, why, may_be_gone: errno == libc::ENOENT }
}

fn words(errno: i32) -> String {
    error_words(&io::Error::from_raw_os_error(errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_whose_folder_is_there_is_missing_and_one_whose_folder_is_not_is_away() {
        let dir = tempfile::tempdir().expect("folder");
        let share = dir.path().join("share");
        let film = share.join("season/film.mp4");
        // The uppermost folder that is missing is what all wait for.
        assert_eq!(look(&film).expect("away").place, share);
        assert!(look(&film).expect("away").may_be_gone, "it may have been deleted");
        assert!(look(&film).expect("away").why.contains("share, which cannot be reached: no such file or directory"));
        std::fs::create_dir_all(film.parent().expect("folder")).expect("folder");
        assert_eq!(look(&film), None, "it is simply not there");
        std::fs::write(&film, b"film").expect("written");
        assert_eq!(look(&film), None);
    }

    #[test]
    fn a_link_into_a_folder_that_is_away_waits_for_that_folder() {
        let dir = tempfile::tempdir().expect("folder");
        let link = dir.path().join("film.mp4");
        std::os::unix::fs::symlink(dir.path().join("nas/films/film.mp4"), &link).expect("linked");
        assert_eq!(look(&link).expect("away").place, dir.path().join("nas"));
        std::fs::create_dir_all(dir.path().join("nas/films")).expect("folder");
        assert_eq!(look(&link), None, "the folder is there, the film is not");
    }

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        let dir = tempfile::tempdir().expect("folder");
        let film = dir.path().join("film.mp4");
        std::fs::write(&film, b"film").expect("written");
        let place = |errno| judge(&film, errno).map(|absence| absence.place);
        for errno in [libc::ESTALE, libc::ENOTCONN, libc::EHOSTDOWN, libc::ETIMEDOUT] {
            assert_eq!(place(errno), Some(dir.path().to_owned()), "the share of all its files: {errno}");
        }
        assert_eq!(place(libc::EIO), Some(film.clone()), "its folder can be read: only this file is waited for");
        let may_be_gone = |errno| judge(&film, errno).expect("away").may_be_gone;
        assert!(may_be_gone(libc::EIO) && !may_be_gone(libc::ESTALE) && !may_be_gone(libc::EMFILE));
        assert_eq!(place(libc::EMFILE), Some(PathBuf::from("/")), "no file can be opened");
        assert_eq!(place(libc::ENFILE), Some(PathBuf::from("/")));
        for errno in [libc::EACCES, libc::EISDIR, libc::ELOOP, libc::ENAMETOOLONG, libc::ENOENT] {
            assert_eq!(place(errno), None, "{errno}");
        }
    }
}
