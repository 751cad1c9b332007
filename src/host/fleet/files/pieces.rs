//! Files on this box, read and written piece by piece off the async threads.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::host::files::file_id::FileId;
use crate::host::files::fsops;

/// Bytes that are gathered before they are written, and that are read at a time where nobody needs more.
pub(super) const PIECE: usize = 1024 * 1024;

/// Does what may block on a thread for that.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// What tells one state of a file from another on every box: its time and its size. Inodes differ from mount to mount, and not
/// every way to a share knows parts of a second.
pub(super) fn etag_of(meta: &std::fs::Metadata) -> String {
    format!("{:x}-{:x}", meta.mtime(), meta.len())
}

/// Reads a regular file from its beginning.
pub(super) struct Reader {
    work: Option<(File, blake3::Hasher)>,
    at: u64,
    pub(super) meta: std::fs::Metadata,
}

impl Reader {
    pub(super) async fn open(path: PathBuf) -> io::Result<Self> {
        blocking(move || {
            // A pipe would hold whoever opens it until somebody writes.
            let file = File::options().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
            let meta = file.metadata()?;
            if !meta.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
            }
            Ok(Self { work: Some((file, blake3::Hasher::new())), at: 0, meta })
        })
        .await
    }

    /// The next bytes, as many as asked for unless the file ends.
    pub(super) async fn piece(&mut self, bytes: usize) -> io::Result<Vec<u8>> {
        let (file, mut hasher) = self.work.take().ok_or_else(broken)?;
        let at = self.at;
        let (work, piece) = blocking(move || {
            let mut piece = vec![0; bytes];
            let read = fsops::fill(&file, &mut piece, at)?;
            piece.truncate(read);
            hasher.update(&piece);
            Ok(((file, hasher), piece))
        })
        .await?;
        self.work = Some(work);
        self.at += piece.len() as u64;
        Ok(piece)
    }

    /// The file is still the one that was opened, unchanged.
    pub(super) async fn is_unchanged(&mut self) -> io::Result<bool> {
        let (file, hasher) = self.work.take().ok_or_else(broken)?;
        let (file, meta) = blocking(move || file.metadata().map(|meta| (file, meta))).await?;
        self.work = Some((file, hasher));
        Ok(FileId::from(&meta) == FileId::from(&self.meta))
    }

    /// Of all that was read.
    pub(super) fn hash(&self) -> io::Result<blake3::Hash> {
        self.work.as_ref().map(|(_, hasher)| hasher.finalize()).ok_or_else(broken)
    }
}

/// A new file that is written from its beginning, and that goes again unless it is kept.
pub(super) struct Sink {
    work: Option<(File, blake3::Hasher)>,
    gathered: Vec<u8>,
    path: PathBuf,
    is_kept: bool,
}

impl Sink {
    /// Makes the file, which must not be there; open to nobody else with mode 0600.
    pub(super) async fn create(path: &Path, mode: u32) -> io::Result<Self> {
        let new = path.to_owned();
        blocking(move || {
            let file = File::options().write(true).create_new(true).mode(mode).open(&new)?;
            let work = Some((file, blake3::Hasher::new()));
            Ok(Self { work, gathered: Vec::new(), path: new, is_kept: false })
        })
        .await
    }

    pub(super) async fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.gathered.capacity() == 0 {
                self.gathered.reserve_exact(PIECE);
            }
            let (now, later) = rest.split_at(rest.len().min(PIECE - self.gathered.len()));
            self.gathered.extend_from_slice(now);
            rest = later;
            if self.gathered.len() == PIECE {
                self.write(false).await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, to_disk: bool) -> io::Result<()> {
        let (mut file, mut hasher) = self.work.take().ok_or_else(broken)?;
        let mut gathered = std::mem::take(&mut self.gathered);
        let (work, gathered) = blocking(move || {
            file.write_all(&gathered)?;
            hasher.update(&gathered);
            gathered.clear();
            if to_disk {
                file.sync_all()?;
            }
            Ok(((file, hasher), gathered))
        })
        .await?;
        (self.work, self.gathered) = (Some(work), gathered);
        Ok(())
    }

    /// Writes what is left, waits for the disk if asked, and keeps the file.
    pub(super) async fn finish(mut self, to_disk: bool) -> io::Result<blake3::Hash> {
        self.write(to_disk).await?;
        let (_, hasher) = self.work.take().ok_or_else(broken)?;
        self.is_kept = true;
        Ok(hasher.finalize())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if !self.is_kept {
            // What cannot be removed now is found by the cleanup of the folder.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Nothing is read or written after a failure.
fn broken() -> io::Error {
    io::Error::other("an earlier step has failed")
}
