//! Which file is it, and has it changed? By what `stat` tells, and by a hash of its bytes.
//!
//! Knows nothing of media, jobs or presets.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::fsops::fill;

/// Bytes read at a time while hashing: large enough for the vector code of blake3, small enough for a small box.
const HASH_BLOCK: usize = 128 * 1024;

/// What `stat` tells of a file: two readings are equal if it is the same file and nobody has written to it in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileId {
    /// The file system.
    pub dev: u64,
    /// The file's number on it.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Last write, in nanoseconds since 1970; saturates in the year 2262.
    pub mtime_ns: i64,
}

impl FileId {
    /// Reads the identity of what `path` leads to, symbolic links followed.
    pub fn of(path: &Path) -> io::Result<Self> {
        std::fs::metadata(path).map(|meta| Self::from(&meta))
    }

    /// The same file, whatever was written to it: device and inode agree.
    pub const fn is_file(&self, other: &Self) -> bool {
        self.dev == other.dev && self.ino == other.ino
    }
}

impl From<&Metadata> for FileId {
    fn from(meta: &Metadata) -> Self {
        let mtime_ns = meta.mtime().saturating_mul(1_000_000_000).saturating_add(meta.mtime_nsec());
        Self { dev: meta.dev(), ino: meta.ino(), size: meta.len(), mtime_ns }
    }
}

/// How a file looks: two readings are equal if nobody has touched it in between, and no other file has its name now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    /// Which file it is, its size and its last write.
    pub id: FileId,
    /// When it was made, in nanoseconds since 1970; 0 where the file system does not tell.
    pub made_ns: i64,
}

impl Looks {
    /// Reads it of a file; `None` where there is none at `path`. Symbolic links are followed.
    pub fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().filter(Metadata::is_file).map(|meta| Self::from(&meta))
    }
}

impl From<&Metadata> for Looks {
    fn from(meta: &Metadata) -> Self {
        let made = meta.created().ok().and_then(|made| made.duration_since(std::time::UNIX_EPOCH).ok());
        let made_ns = made.map_or(0, |made| i64::try_from(made.as_nanos()).unwrap_or(i64::MAX));
        Self { id: FileId::from(meta), made_ns }
    }
}

/// Do both paths lead to one file, through links of any kind? A path that leads nowhere is no file's twin.
pub fn same_file(a: &Path, b: &Path) -> io::Result<bool> {
    let read = |path| match FileId::of(path) {
        Ok(id) => Ok(Some(id)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    Ok(matches!((read(a)?, read(b)?), (Some(a), Some(b)) if a.is_file(&b)))
}

/// The blake3 hash of a file's bytes, as 64 hexadecimal digits. Reads it once, front to back, in blocks of 128 KiB.
pub fn hash(path: &Path) -> io::Result<String> {
    hash_first(path, u64::MAX)
}

/// As [`hash`], of the first `length` bytes alone.
pub fn hash_first(path: &Path, length: u64) -> io::Result<String> {
    let file = File::open(path)?;
    advise_sequential(&file);
    let mut file = file.take(length);
    let mut hasher = blake3::Hasher::new();
    let mut block = vec![0; HASH_BLOCK];
    loop {
        match file.read(&mut block) {
            Ok(0) => return Ok(hasher.finalize().to_hex().to_string()),
            Ok(read) => {
                hasher.update(&block[..read]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Opens a regular file for reading. Whatever else has that name is refused: a FIFO would be waited for without end.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = (rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY).bits() as i32;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")) }
}

/// Bytes of each place that [`sample`] reads.
const SAMPLE: u64 = 64 * 1024;

/// A hash of a file's size and of its beginning, its middle and its end: the same wherever the file lies and whatever its date
/// is. Cheap for a file of any size; [`hash`] is what tells two files apart for certain.
pub fn sample(path: &Path) -> io::Result<[u8; 32]> {
    let file = open_regular(path)?;
    let size = file.metadata()?.len();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&size.to_le_bytes());
    let mut block = vec![0; SAMPLE as usize];
    for at in [0, (size / 2).saturating_sub(SAMPLE / 2), size.saturating_sub(SAMPLE)] {
        let read = fill(&file, &mut block, at)?;
        hasher.update(&block[..read]);
    }
    Ok(*hasher.finalize().as_bytes())
}

/// Tells the kernel that the file will be read front to back, so that it need not keep what lies behind.
#[cfg(target_os = "linux")]
fn advise_sequential(file: &File) {
    // Advice only: a file system that does not take it reads as well without.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Sequential);
}

#[cfg(not(target_os = "linux"))]
const fn advise_sequential(_file: &File) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_every_kind_lead_to_the_same_file_and_copies_do_not() {
        let dir = tempfile::tempdir().expect("folder");
        let (file, hard, soft, copy) = (dir.path().join("f"), dir.path().join("h"), dir.path().join("s"), dir.path().join("c"));
        std::fs::write(&file, b"bytes").expect("written");
        std::fs::hard_link(&file, &hard).expect("linked");
        std::os::unix::fs::symlink(&file, &soft).expect("linked");
        std::fs::copy(&file, &copy).expect("copied");
        assert!(same_file(&file, &hard).expect("stat"));
        assert!(same_file(&file, &soft).expect("stat"));
        assert!(same_file(&file, &dir.path().join(".").join("f")).expect("stat"));
        assert!(!same_file(&file, &copy).expect("stat"));
        assert!(!same_file(&file, &dir.path().join("missing")).expect("stat"));
    }

    #[test]
    fn a_write_changes_the_identity_and_reading_does_not() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("f");
        std::fs::write(&path, b"bytes").expect("written");
        let before = FileId::of(&path).expect("stat");
        std::fs::read(&path).expect("read");
        assert_eq!(FileId::of(&path).expect("stat"), before);
        std::fs::write(&path, b"bytes and more").expect("written");
        let after = FileId::of(&path).expect("stat");
        assert_ne!(after, before);
        assert!(after.is_file(&before));
    }

    #[test]
    fn the_hash_is_that_of_all_bytes_also_beyond_one_block() {
        let dir = tempfile::tempdir().expect("folder");
        let path = dir.path().join("f");
        let bytes: Vec<u8> = (0..HASH_BLOCK * 2 + 7).map(|n| (n % 251) as u8).collect();
        std::fs::write(&path, &bytes).expect("written");
        assert_eq!(hash(&path).expect("read"), blake3::hash(&bytes).to_hex().to_string());
        std::fs::write(&path, b"").expect("written");
        assert_eq!(hash(&path).expect("read"), blake3::hash(b"").to_hex().to_string());
    }
}
