//! Our scratch folders: which files in them are ours, what they hold of memory, and removing those that nobody needs.
//!
//! Acts only on names of our own form, `<job>.<attempt>.part` or `<job>.<attempt>-<number>.part`, on regular files of our own user, and never through a
//! symbolic link.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Dir, FileType, FlockOperation, Mode, OFlags, Stat};

use crate::domain::job::JobId;
use crate::domain::units::Bytes;
use crate::host::files::fsops::make_private;
use crate::host::memory::page_cache;

/// Folder of the part files, within the folder of the outputs, so that a rename is all it takes.
pub const WORK_FOLDER: &str = ".plimsoll";
/// A part of a job that this process never started is left alone until nobody has written it for so long: another
/// console may be putting it in its place.
pub const STRANGER_AGE: Duration = Duration::from_secs(10);

/// The job and the attempt that a part is named for; `None` for any other name.
pub fn parse_part_name(name: &OsStr) -> Option<(JobId, u32)> {
    let stem = name.to_str()?.strip_suffix(".part")?;
    let (job, attempt) = stem.split_once('.')?;
    // A further name of the same try, where the first was taken.
    let (attempt, further) = attempt.split_once('-').map_or((attempt, None), |(attempt, further)| (attempt, Some(further)));
    let (job, attempt): (u64, u32) = (job.parse().ok()?, attempt.parse().ok()?);
    let further = match further {
        Some(number) => format!("-{}", number.parse::<u32>().ok()?),
        None => String::new(),
    };
    // Numbers are written plainly: `+1.1.part` and `01.1.part` are not ours.
    (format!("{job}.{attempt}{further}") == stem).then_some((JobId(job), attempt))
}

/// Makes a folder for the jobs' own temporary files that is ours, open to nobody else, and empty: whatever an earlier run
/// has left there goes. The caller must hold the state folder. A link in its place is refused, and so is a folder of
/// somebody else; files of others in it stay, and links are removed, never followed.
pub fn make_empty(dir: &Path) -> io::Result<()> {
    make_private(dir)?;
    let meta = std::fs::symlink_metadata(dir)?;
    let me = rustix::process::geteuid().as_raw();
    if !meta.is_dir() || meta.uid() != me {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is not a folder of this user; remove it"));
    }
    if meta.mode() & 0o077 != 0 {
        // A file system without rights (FAT) refuses; whoever mounted it so has decided.
        let _ = std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700));
    }
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.metadata().is_ok_and(|meta| meta.uid() != me) {
            continue;
        }
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        // What cannot be removed is in nobody's way.
        let _ = if is_folder { std::fs::remove_dir_all(entry.path()) } else { std::fs::remove_file(entry.path()) };
    }
    Ok(())
}

/// What removing came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Files removed.
    pub files: u64,
    /// Memory that they held: all of a file on a tmpfs, of a file on disk its pages in the cache.
    pub freed: Bytes,
    /// Memory of files that could not be removed.
    pub left: Bytes,
    /// For some file removed it could not be told what it held.
    pub is_partly_unknown: bool,
}

/// Removes the parts in `dir` that belong to nobody. `is_needed` says of a job that its parts stay, `is_ours` that this
/// process has started it. A folder that is not there holds nothing; a part that somebody writes stays.
pub fn remove_strays(dir: &Path, is_needed: impl Fn(JobId) -> bool, is_ours: impl Fn(JobId) -> bool) -> io::Result<Removed> {
    let mut removed = Removed::default();
    let Some(folder) = open_folder(dir)? else { return Ok(removed) };
    let in_memory = page_cache::is_in_memory(dir);
    for part in parts(&folder)? {
        if is_needed(part.job) || (!is_ours(part.job) && age(&part.stat).is_none_or(|age| age < STRANGER_AGE)) {
            continue;
        }
        // For writing: some network file systems give the lock to no other.
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::openat(&folder, part.name.as_c_str(), flags, Mode::empty()).map(File::from) else { continue };
        let held = if in_memory { Some(blocks(&part.stat)) } else { page_cache::resident(&file, 0) };
        let is_only_name = part.stat.st_nlink == 1;
        if is_written(&file) || rustix::fs::unlinkat(&folder, part.name.as_c_str(), AtFlags::empty()).is_err() {
            removed.left += held.unwrap_or_default();
            continue;
        }
        removed.files += 1;
        // Behind another name the file goes on holding what it holds.
        match held {
            Some(bytes) if is_only_name => removed.freed += bytes,
            Some(_) => {}
            None => removed.is_partly_unknown = true,
        }
    }
    Ok(removed)
}

/// Memory held by the parts in `dir` whose job `counts`, if it lies on a tmpfs; zero for a folder on disk.
pub fn held_in_memory(dir: &Path, counts: impl Fn(JobId) -> bool) -> Bytes {
    if !page_cache::is_in_memory(dir) {
        return Bytes::ZERO;
    }
    let Ok(Some(folder)) = open_folder(dir) else { return Bytes::ZERO };
    parts(&folder).unwrap_or_default().iter().filter(|part| counts(part.job)).map(|part| blocks(&part.stat)).sum()
}

/// What the parts in `dir` whose job `counts` take of the file system, sparse pieces left out.
pub fn held_on_disk(dir: &Path, counts: impl Fn(JobId) -> bool) -> Bytes {
    let Ok(Some(folder)) = open_folder(dir) else { return Bytes::ZERO };
    parts(&folder).unwrap_or_default().iter().filter(|part| counts(part.job)).map(|part| blocks(&part.stat)).sum()
}

/// Memory held by one file on a tmpfs, sparse parts left out; zero when it is gone.
pub fn held_by_file(path: &Path) -> Bytes {
    rustix::fs::lstat(path).map_or(Bytes::ZERO, |stat| blocks(&stat))
}

struct Part {
    job: JobId,
    name: std::ffi::CString,
    stat: Stat,
}

fn open_folder(dir: &Path) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match rustix::fs::openat(rustix::fs::CWD, dir, flags, Mode::empty()) {
        Ok(folder) => Ok(Some(folder)),
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn parts(folder: impl AsFd) -> io::Result<Vec<Part>> {
    let me = rustix::process::geteuid().as_raw();
    let mut found = Vec::new();
    for entry in Dir::read_from(folder.as_fd())? {
        let entry = entry?;
        let name: &CStr = entry.file_name();
        let Some((job, _)) = parse_part_name(OsStr::from_bytes(name.to_bytes())) else { continue };
        let Ok(stat) = rustix::fs::statat(folder.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_uid == me {
            found.push(Part { job, name: name.to_owned(), stat });
        }
    }
    Ok(found)
}

const fn blocks(stat: &Stat) -> Bytes {
    Bytes((stat.st_blocks as u64).saturating_mul(512))
}

/// `None` when the clock says that it was written in the future.
#[allow(clippy::disallowed_methods)] // file times are wall-clock times
fn age(stat: &Stat) -> Option<Duration> {
    #[allow(clippy::unnecessary_cast)] // the field's type differs between platforms
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(stat.st_mtime as i64).ok()?);
    SystemTime::now().duration_since(written).ok()
}

/// Somebody writes this part: whoever makes one holds a lock on it for as long (`prepare::create_part`). Where there are no locks,
/// no.
fn is_written(file: &File) -> bool {
    rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn always(_: JobId) -> bool {
        true
    }

    fn never(_: JobId) -> bool {
        false
    }

    #[test]
    fn only_plain_names_of_our_form_are_parts() {
        assert_eq!(parse_part_name(OsStr::new("17.2.part")), Some((JobId(17), 2)));
        assert_eq!(parse_part_name(OsStr::new("17.2-3.part")), Some((JobId(17), 2)), "its first name was taken");
        for name in [
            "17.2-.part",
            "17.2-03.part",
            "17.2-3-4.part",
            "17.-3.part",
            "17.part",
            "a.1.part",
            "17.2.part.mp4",
            "+1.1.part",
            "01.1.part",
            "1.1.1.part",
            ".part",
            "1.-1.part",
            "movie.mp4",
        ] {
            assert_eq!(parse_part_name(OsStr::new(name)), None, "{name}");
        }
    }

    #[test]
    fn parts_of_nobody_go_and_everything_else_stays() {
        let out = tempfile::tempdir().expect("tempdir");
        let dir = out.path().join(".plimsoll");
        std::fs::create_dir(&dir).expect("makes it");
        let victim = out.path().join("victim");
        std::fs::write(&victim, "precious").expect("writes");
        std::os::unix::fs::symlink(&victim, dir.join("5.1.part")).expect("links");
        std::fs::create_dir(dir.join("6.1.part")).expect("makes it");
        for name in ["1.1.part", "2.1.part", "2.2.part", "notes.txt", "3.part"] {
            std::fs::write(dir.join(name), vec![0; 8192]).expect("writes");
        }
        let removed = remove_strays(&dir, |job| job == JobId(2), always).expect("reads the folder");
        assert_eq!(removed.files, 1);
        assert!(!dir.join("1.1.part").exists());
        for name in ["2.1.part", "2.2.part", "notes.txt", "3.part", "5.1.part", "6.1.part"] {
            assert!(dir.join(name).exists(), "{name}");
        }
        assert_eq!(std::fs::read(&victim).expect("reads"), b"precious");
    }

    #[test]
    fn the_folder_for_temporary_files_is_made_empty_and_nothing_beyond_a_link_is_touched() {
        let state = tempfile::tempdir().expect("tempdir");
        let (dir, victim) = (state.path().join("scratch"), state.path().join("victims"));
        std::fs::create_dir_all(victim.join("sub")).expect("makes it");
        std::fs::write(victim.join("sub/file"), "precious").expect("writes");
        make_empty(&dir).expect("made");
        std::fs::create_dir(dir.join("sub")).expect("makes it");
        std::fs::write(dir.join("sub/old"), "old").expect("writes");
        std::fs::write(dir.join("old"), "old").expect("writes");
        std::os::unix::fs::symlink(&victim, dir.join("link")).expect("links");
        std::os::unix::fs::symlink(&victim, dir.join("sub/link")).expect("links");
        make_empty(&dir).expect("emptied");
        assert_eq!(std::fs::read_dir(&dir).expect("reads").count(), 0);
        assert_eq!(std::fs::metadata(&dir).expect("there").mode() & 0o777, 0o700);
        std::fs::remove_dir(&dir).expect("removed");
        std::os::unix::fs::symlink(&victim, &dir).expect("links");
        assert!(make_empty(&dir).is_err(), "a link in its place");
        assert_eq!(std::fs::read(victim.join("sub/file")).expect("reads"), b"precious");
    }

    #[test]
    fn a_scratch_folder_that_is_a_link_is_not_entered() {
        let out = tempfile::tempdir().expect("tempdir");
        let elsewhere = out.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).expect("makes it");
        std::fs::write(elsewhere.join("1.1.part"), "x").expect("writes");
        let dir = out.path().join(".plimsoll");
        std::os::unix::fs::symlink(&elsewhere, &dir).expect("links");
        assert!(remove_strays(&dir, never, always).is_err());
        assert!(elsewhere.join("1.1.part").exists());
        assert_eq!(remove_strays(&out.path().join("gone"), never, always).expect("holds nothing"), Removed::default());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn on_a_tmpfs_the_blocks_are_what_was_freed() {
        let dir = tempfile::tempdir_in("/dev/shm").expect("tempdir");
        std::fs::write(dir.path().join("1.1.part"), vec![1; Bytes::mib(4).0 as usize]).expect("writes");
        let sparse = File::create(dir.path().join("2.1.part")).expect("makes it");
        sparse.set_len(1 << 30).expect("grows");
        drop(sparse);
        assert_eq!(held_in_memory(dir.path(), always), Bytes::mib(4));
        let remove = || remove_strays(dir.path(), never, always).expect("reads the folder");
        let mut removed = remove();
        // A child that another test is just starting has a copy of every descriptor until its exec.
        while removed.files < 2 {
            std::thread::yield_now();
            let more = remove();
            removed = Removed { files: removed.files + more.files, freed: removed.freed + more.freed, ..more };
        }
        assert_eq!(removed, Removed { files: 2, freed: Bytes::mib(4), left: Bytes::ZERO, is_partly_unknown: false });
        assert_eq!(held_in_memory(dir.path(), always), Bytes::ZERO);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_part_that_somebody_writes_stays_and_so_does_a_fresh_one_of_a_stranger() {
        let dir = tempfile::tempdir().expect("tempdir");
        let held = File::create(dir.path().join("1.1.part")).expect("makes it");
        // As whoever makes a part does.
        rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive).expect("locks it");
        std::fs::write(dir.path().join("2.1.part"), "fresh").expect("writes");
        let removed = remove_strays(dir.path(), never, |job| job == JobId(1)).expect("reads the folder");
        assert_eq!(removed.files, 0);
        drop(held);
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        File::options().write(true).open(dir.path().join("2.1.part")).expect("opens").set_modified(old).expect("sets the time");
        assert_eq!(remove_strays(dir.path(), never, never).expect("reads the folder").files, 1);
        assert!(dir.path().join("1.1.part").exists(), "it has just been written and is not ours");
        // A child that another test is just starting has a copy of the lock until it is another program.
        while remove_strays(dir.path(), never, always).expect("reads the folder").files == 0 {
            std::thread::yield_now();
        }
        assert!(!dir.path().join("1.1.part").exists());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_part_that_somebody_only_reads_goes() {
        let dir = tempfile::tempdir().expect("tempdir");
        std::fs::write(dir.path().join("1.1.part"), "left").expect("writes");
        let _backup = File::open(dir.path().join("1.1.part")).expect("opens");
        assert_eq!(remove_strays(dir.path(), never, always).expect("reads the folder").files, 1);
    }
}
