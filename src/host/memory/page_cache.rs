//! How much of a file is in the page cache, and getting it out of there.
//!
//! Works on open files only; which files, is the caller's business.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::domain::units::Bytes;

/// How long an output's dirty pages are waited for before what is left of them stays.
pub const SETTLE: Duration = Duration::from_millis(150);

/// Opens a file only to look at or drop its cached pages: never waits for a FIFO, takes regular files alone.
pub fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")) }
}

/// The file system of `path` lies in memory (tmpfs, ramfs): its files are no cache, they cannot be dropped.
pub fn is_in_memory(path: &Path) -> bool {
    imp::magic_of_path(path).is_some_and(imp::is_memory_magic)
}

/// As [`is_in_memory`], of an open file.
pub fn file_is_in_memory(file: &File) -> bool {
    imp::magic_of_file(file).is_some_and(imp::is_memory_magic)
}

/// Bytes of the first `length` bytes of `file` that are in memory (0 = of the whole file), counted in whole pages;
/// `None` where it cannot be told.
pub fn resident(file: &File, length: u64) -> Option<Bytes> {
    imp::resident(file, length)
}

/// What dropping a file from the page cache came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Resident before.
    pub before: Bytes,
    /// Resident after.
    pub after: Bytes,
}

impl Dropped {
    /// What was freed.
    pub fn freed(self) -> Bytes {
        self.before - self.after
    }
}

/// Drops the first `length` bytes of `file` (0 = the whole file) from the page cache. Pages that have yet to go to
/// disk are waited for no longer than [`SETTLE`]; those of a `written` file are all sent there first. `None`: dropped, but what that freed cannot be told.
pub fn drop_cache(file: &File, length: u64, written: bool) -> Option<Dropped> {
    imp::drop_cache(file, length, written)
}

#[cfg(target_os = "linux")]
mod imp {
    use std::fs::File;
    use std::num::NonZeroU64;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;
    use std::time::Instant;

    use rustix::fs::Advice;

    use super::{Bytes, Dropped, SETTLE};

    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    const OVERLAYFS: i64 = 0x794c_7630;
    /// Largest piece of a file mapped at once to ask `mincore`: 1 GB of file, 256 KB of answer.
    const WINDOW: u64 = 1 << 30;

    #[allow(clippy::unnecessary_cast)] // the field's type differs between platforms
    pub fn magic_of_path(path: &Path) -> Option<i64> {
        rustix::fs::statfs(path).ok().map(|stat| stat.f_type as i64)
    }

    #[allow(clippy::unnecessary_cast)] // the field's type differs between platforms
    pub fn magic_of_file(file: &File) -> Option<i64> {
        rustix::fs::fstatfs(file).ok().map(|stat| stat.f_type as i64)
    }

    pub const fn is_memory_magic(magic: i64) -> bool {
        matches!(magic, TMPFS | RAMFS)
    }

    pub fn resident(file: &File, length: u64) -> Option<Bytes> {
        look(file, length).map(|look| look.resident)
    }

    struct Look {
        resident: Bytes,
        /// Some of it has yet to go to disk; `None` where that is not told.
        is_unsettled: Option<bool>,
    }

    fn look(file: &File, length: u64) -> Option<Look> {
        let by_mapping = || by_mincore(file, length).map(|resident| Look { resident, is_unsettled: None });
        // An overlay file has no pages of its own; cachestat does not look through to the file below, a mapping does.
        if magic_of_file(file) == Some(OVERLAYFS) {
            return by_mapping();
        }
        match cachestat(file, length) {
            Ok(answer) => Some(Look {
                resident: Bytes(answer.cached.saturating_mul(rustix::param::page_size() as u64)),
                is_unsettled: Some(answer.dirty + answer.writeback > 0),
            }),
            Err(libc::ENOSYS | libc::EOPNOTSUPP) => by_mapping(),
            Err(_) => None,
        }
    }

    /// `struct cachestat_range` of `linux/mman.h`.
    #[repr(C)]
    struct CachestatRange {
        offset: u64,
        length: u64,
    }

    /// `struct cachestat` of `linux/mman.h`.
    #[repr(C)]
    #[derive(Default)]
    struct Cachestat {
        cached: u64,
        dirty: u64,
        writeback: u64,
        evicted: u64,
        recently_evicted: u64,
    }

    /// The same number on every architecture that has joined the common table.
    #[cfg(not(any(target_arch = "mips", target_arch = "mips64")))]
    const SYS_CACHESTAT: libc::c_long = 451;

    #[cfg(not(any(target_arch = "mips", target_arch = "mips64")))]
    fn cachestat(file: &File, length: u64) -> Result<Cachestat, i32> {
        let range = CachestatRange { offset: 0, length };
        let mut answer = Cachestat::default();
        // SAFETY: both structs are laid out as the kernel's and outlive the call, which writes only to `answer`.
        let result = unsafe { libc::syscall(SYS_CACHESTAT, file.as_raw_fd(), &raw const range, &raw mut answer, 0_u32) };
        if result == 0 { Ok(answer) } else { Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)) }
    }

    #[cfg(any(target_arch = "mips", target_arch = "mips64"))]
    fn cachestat(_file: &File, _length: u64) -> Result<Cachestat, i32> {
        Err(libc::ENOSYS)
    }

    /// As `resident`, by asking for every page. To somebody who could not write the file the kernel answers "all of it",
    /// so such a file is not asked about.
    pub(in crate::host) fn by_mincore(file: &File, length: u64) -> Option<Bytes> {
        let metadata = file.metadata().ok()?;
        if !may_ask(file, metadata.uid()) {
            return None;
        }
        let end = if length == 0 { metadata.len() } else { length.min(metadata.len()) };
        let page = rustix::param::page_size() as u64;
        let mut pages = 0_u64;
        let mut answer = Vec::new();
        let mut offset = 0;
        while offset < end {
            let size = (end - offset).min(WINDOW);
            answer.resize(size.div_ceil(page) as usize, 0_u8);
            ask_window(file, offset, size, &mut answer)?;
            pages += answer.iter().filter(|byte| **byte & 1 == 1).count() as u64;
            offset += size;
        }
        Some(Bytes(pages * page))
    }

    /// `answer` holds one byte for every page of `size`.
    fn ask_window(file: &File, offset: u64, size: u64, answer: &mut [u8]) -> Option<()> {
        use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
        let size = usize::try_from(size).ok()?;
        // SAFETY: a new shared mapping that is never read through, so it cannot fault; nothing points into it.
        let start = unsafe { mmap(std::ptr::null_mut(), size, ProtFlags::READ, MapFlags::SHARED, file, offset) }.ok()?;
        // SAFETY: the mapping is `size` bytes long and `answer` has a byte for each of its pages.
        let asked = unsafe { libc::mincore(start, size, answer.as_mut_ptr()) };
        // SAFETY: exactly the mapping made above, which nothing refers to.
        let unmapped = unsafe { munmap(start, size) };
        (asked == 0 && unmapped.is_ok()).then_some(())
    }

    fn may_ask(file: &File, owner: u32) -> bool {
        let me = rustix::process::geteuid();
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        me.is_root() || me.as_raw() == owner || rustix::fs::access(link, rustix::fs::Access::WRITE_OK).is_ok()
    }

    #[allow(clippy::disallowed_methods)] // bounds the wait for the disk
    pub fn drop_cache(file: &File, length: u64, written: bool) -> Option<Dropped> {
        let before = resident(file, length);
        let started = Instant::now();
        loop {
            if written {
                start_writing(file);
            }
            let _ = rustix::fs::fadvise(file, 0, NonZeroU64::new(length), Advice::DontNeed);
            let after = look(file, length);
            let is_done =
                after.as_ref().is_some_and(|after| after.resident == Bytes::ZERO || !after.is_unsettled.unwrap_or(written));
            if is_done || started.elapsed() >= SETTLE {
                return before.zip(after).map(|(before, after)| Dropped { before, after: after.resident });
            }
            // The disk tells nobody when it is done with a range, and waiting for it has no bound: look again.
            std::thread::sleep(SETTLE / 15);
        }
    }

    /// Starts writing the dirty pages without waiting for the disk.
    fn start_writing(file: &File) {
        // SAFETY: takes a descriptor and numbers, touches no memory of ours.
        let _ = unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::fs::File;
    use std::path::Path;

    use super::{Bytes, Dropped};

    pub fn magic_of_path(_path: &Path) -> Option<i64> {
        None
    }

    pub fn magic_of_file(_file: &File) -> Option<i64> {
        None
    }

    pub const fn is_memory_magic(_magic: i64) -> bool {
        false
    }

    pub fn resident(_file: &File, _length: u64) -> Option<Bytes> {
        None
    }

    /// There is no call that drops a file's pages here: nothing is freed, and that is told.
    #[allow(clippy::unnecessary_wraps)] // where it can be done it cannot always be measured
    pub fn drop_cache(_file: &File, _length: u64, _written: bool) -> Option<Dropped> {
        Some(Dropped::default())
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::domain::units::MIB;

    fn written_file(bytes: u64) -> (tempfile::NamedTempFile, File) {
        let mut file = tempfile::NamedTempFile::new().expect("makes a file");
        file.write_all(&vec![7; bytes as usize]).expect("writes");
        let reader = open(file.path()).expect("opens");
        (file, reader)
    }

    #[test]
    fn a_file_just_written_is_resident_and_both_ways_of_counting_agree() {
        let (_kept, file) = written_file(8 * MIB);
        assert_eq!(resident(&file, 0), Some(Bytes::mib(8)));
        assert_eq!(imp::by_mincore(&file, 0), Some(Bytes::mib(8)));
        assert_eq!(resident(&file, 3 * MIB), Some(Bytes::mib(3)));
        assert_eq!(imp::by_mincore(&file, 3 * MIB), Some(Bytes::mib(3)));
    }

    #[test]
    fn dropping_a_range_leaves_the_rest_resident() {
        let (kept, file) = written_file(8 * MIB);
        kept.as_file().sync_all().expect("syncs");
        let dropped = drop_cache(&file, 4 * MIB, false).expect("can be told");
        assert_eq!(dropped, Dropped { before: Bytes::mib(4), after: Bytes::ZERO });
        assert_eq!(resident(&file, 0), Some(Bytes::mib(4)));
    }

    #[test]
    fn files_in_shared_memory_are_known_not_to_be_cache() {
        assert!(is_in_memory(Path::new("/dev/shm")));
        assert!(!is_in_memory(Path::new("/proc")));
    }

    #[test]
    fn a_fifo_is_refused_at_once_instead_of_waited_for() {
        let dir = tempfile::tempdir().expect("tempdir");
        let fifo = dir.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).expect("makes a fifo");
        assert!(open(&fifo).is_err());
    }
}
