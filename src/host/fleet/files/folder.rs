//! A folder that all boxes share, in place of a bucket.
//!
//! An object is a file of the same name. It is written in the work folder below the root, brought to disk, and renamed, so that
//! nothing half is visible and nothing that was told as stored goes with the power. Links within the folder are
//! followed: whoever may make them in it decides what lies there.

use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD};
use tokio::time::timeout;

use super::address::{Key, ObjectAddress};
use super::error::FilesError;
use super::patience::Patience;
use super::pieces::{PIECE, Reader, Sink, blocking, etag_of};
use super::{Fetched, Found, OnBytes, Publish, Stored, stopped};
use crate::domain::text::{error_words, path_text};
use crate::domain::time::Wall;
use crate::host::files::fsops;
use crate::host::files::scratch::WORK_FOLDER;

/// A file of this name stands in the folder of a fleet from the beginning; the one that a share is mounted on is empty.
pub(super) const MARK: &str = ".plimsoll-fleet";
const MARK_TEXT: &[u8] = b"The files of a fleet are kept in this folder. Where it is empty, plimsoll takes it for not mounted.\n";

/// A shared folder. It is looked for with each step: a share may be mounted later, go, and come back.
pub(super) struct Folder {
    root: PathBuf,
    patience: Patience,
}

impl Folder {
    pub(super) const fn new(root: PathBuf, patience: Patience) -> Self {
        Self { root, patience }
    }

    /// Makes the folder if it is missing, and says that it is a fleet's.
    pub(super) async fn make(&self) -> Result<(), FilesError> {
        let (root, mark) = (self.root.clone(), self.mark());
        let work = move || {
            std::fs::create_dir_all(&root)?;
            let new = std::fs::File::options().write(true).create_new(true).open(&mark);
            match new.and_then(|mut file| file.write_all(MARK_TEXT).and_then(|()| file.sync_all())) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                _ => fsops::sync_folder(&root),
            }
        };
        let made = timeout(self.patience.assemble, blocking(work)).await;
        let denied = |why: String| FilesError::Denied {
            what: self.address(),
            why: format!("the folder cannot be made or written: {why}; check its name and its rights"),
        };
        made.map_err(|_| denied("no answer".to_owned()))?.map_err(|error| denied(error_words(&error)))
    }

    fn mark(&self) -> PathBuf {
        self.root.join(MARK)
    }

    /// A check to run before a step: an error if the folder is missing, or empty, as a mount point is while nothing is mounted on
    /// it; [`Folder::fault`] puts that into words. Any file in it is as good a sign as the mark.
    pub(super) fn is_there(&self) -> impl FnOnce() -> io::Result<()> + Send + use<> {
        let (root, mark) = (self.root.clone(), self.mark());
        move || match std::fs::metadata(mark) {
            Ok(_) => Ok(()),
            Err(error) => std::fs::read_dir(root)?.next().map_or(Err(error), |entry| entry.map(drop)),
        }
    }

    pub(super) fn address(&self) -> String {
        path_text(&self.root)
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    pub(super) fn object_path(&self, object: &ObjectAddress) -> Result<PathBuf, FilesError> {
        match object {
            ObjectAddress::Below(key) => Ok(self.path(key)),
            ObjectAddress::InBucket { .. } => {
                let why = format!("the files of this fleet lie in the folder {}; name it by its path within", self.address());
                Err(FilesError::refused(object, why))
            }
        }
    }

    /// A failure of the system at a file of the store.
    pub(super) fn fault(&self, path: &Path, error: &io::Error) -> FilesError {
        use io::ErrorKind as Io;
        let (what, why) = (path_text(path), error_words(error));
        match error.kind() {
            Io::NotFound | Io::IsADirectory | Io::NotADirectory | Io::InvalidInput if self.is_there()().is_err() => {
                let why =
                    "it is missing or empty; is it mounted? If it is the right folder, `plimsoll fleet init` puts a mark into it"
                        .to_owned();
                unreachable(&self.root, why)
            }
            Io::NotFound | Io::NotADirectory => FilesError::NotFound { what },
            Io::IsADirectory | Io::InvalidInput => FilesError::NotFound { what: format!("a regular file {what}") },
            Io::AlreadyExists => FilesError::Taken { what },
            Io::PermissionDenied | Io::ReadOnlyFilesystem => {
                FilesError::Denied { what, why: format!("{why}; check the rights of the folder for this user") }
            }
            Io::InvalidFilename => FilesError::refused(what, "the file system does not take this name; choose a shorter one"),
            _ => unreachable(path, why),
        }
    }

    /// Gives a step on the shared folder so long: a server of files that is gone holds whoever asks it.
    async fn within<T>(&self, path: &Path, limit: Duration, step: impl Future<Output = io::Result<T>>) -> Result<T, FilesError> {
        match timeout(limit, Box::pin(step)).await {
            Ok(result) => result.map_err(|error| self.fault(path, &error)),
            Err(_) => Err(unreachable(path, format!("no answer for {} s", limit.as_secs_f64()))),
        }
    }

    pub(super) async fn look(&self, object: &ObjectAddress) -> Result<Found, FilesError> {
        self.look_at(&self.object_path(object)?).await
    }

    async fn look_at(&self, path: &Path) -> Result<Found, FilesError> {
        let asked = path.to_owned();
        let meta = self.within(path, self.patience.answer, blocking(move || std::fs::metadata(asked))).await?;
        if !meta.is_file() {
            return Err(self.fault(path, &io::Error::from(io::ErrorKind::InvalidInput)));
        }
        Ok(Found { size: meta.len(), etag: Some(etag_of(&meta)), modified: modified(&meta) })
    }

    pub(super) async fn fetch(
        &self,
        object: &ObjectAddress,
        etag: Option<&str>,
        into: &Path,
        on_bytes: OnBytes<'_>,
    ) -> Result<Fetched, FilesError> {
        let path = self.object_path(object)?;
        let mut reader = self.within(&path, self.patience.answer, Reader::open(path.clone())).await?;
        let (size, found) = (reader.meta.len(), etag_of(&reader.meta));
        let changed = |why: String| FilesError::Changed { what: path_text(&path), why };
        if let Some(etag) = etag.filter(|etag| *etag != found) {
            return Err(changed(format!("it was version {etag} and is {found} now")));
        }
        let mut sink = Sink::create(into, 0o600).await.map_err(|error| FilesError::disk(into, error))?;
        let mut taken = 0;
        loop {
            let piece = self.within(&path, self.patience.answer, reader.piece(PIECE)).await?;
            if piece.is_empty() {
                break;
            }
            sink.take(&piece).await.map_err(|error| FilesError::disk(into, error))?;
            taken += piece.len() as u64;
            stopped(on_bytes(taken), &path_text(&path))?;
        }
        let is_whole = self.within(&path, self.patience.answer, reader.is_unchanged()).await?;
        if !is_whole || taken != size {
            return Err(changed("it was written to while it was read".to_owned()));
        }
        let blake3 = sink.finish(false).await.map_err(|error| FilesError::disk(into, error))?;
        Ok(Fetched { size, etag: Some(found), blake3 })
    }

    /// A name in the work folder that nobody else has.
    async fn new_part(&self) -> Result<PathBuf, FilesError> {
        let (folder, is_there) = (self.root.join(WORK_FOLDER), self.is_there());
        let part = folder.join(format!("{}.stored", uuid::Uuid::new_v4()));
        let work = move || is_there().and_then(|()| std::fs::create_dir_all(folder));
        self.within(&part, self.patience.answer, blocking(work)).await?;
        Ok(part)
    }

    pub(super) async fn store(&self, from: &Path, key: &Key, on_bytes: OnBytes<'_>) -> Result<Stored, FilesError> {
        let path = self.path(key);
        let mut reader = Reader::open(from.to_owned()).await.map_err(|error| FilesError::disk(from, error))?;
        let part = self.new_part().await?;
        let copied = async {
            let mut sink = self.within(&part, self.patience.answer, Sink::create(&part, 0o666)).await?;
            let mut taken = 0;
            loop {
                let piece = reader.piece(PIECE).await.map_err(|error| FilesError::disk(from, error))?;
                if piece.is_empty() {
                    break;
                }
                self.within(&part, self.patience.answer, sink.take(&piece)).await?;
                taken += piece.len() as u64;
                stopped(on_bytes(taken), &path_text(&path))?;
            }
            let blake3 = self.within(&part, self.patience.assemble, sink.finish(true)).await?;
            Ok::<_, FilesError>((taken, blake3))
        };
        let (size, blake3) = Box::pin(copied).await?;
        self.place(&part, &path, true).await?;
        let found = self.look_at(&path).await?;
        if found.size != size {
            let why = format!("{} bytes are there of {size}", found.size);
            return Err(FilesError::Damaged { what: path_text(&path), why });
        }
        Ok(Stored { size, etag: found.etag, blake3 })
    }

    /// Gives a part its name, or removes it.
    async fn place(&self, part: &Path, path: &Path, may_replace: bool) -> Result<(), FilesError> {
        let (part, to, is_there) = (part.to_owned(), path.to_owned(), self.is_there());
        let work = move || {
            let done = is_there().and_then(|()| put_in_place(&part, &to, may_replace));
            // It is there still if it could not be renamed, or had been the same file as the one in place.
            let _ = std::fs::remove_file(&part);
            done
        };
        self.within(path, self.patience.answer, blocking(work)).await
    }

    pub(super) async fn publish(&self, key: &Key, wished: &Key, how: Publish) -> Result<(), FilesError> {
        let (from, to) = (self.path(key), self.path(wished));
        let part = self.new_part().await?;
        let linked = {
            let (from, part) = (from.clone(), part.clone());
            let link = blocking(move || match rustix::fs::linkat(CWD, &from, CWD, &part, AtFlags::SYMLINK_FOLLOW) {
                Ok(()) => Ok(true),
                // Without links, or with too many of them, the bytes are copied.
                Err(error) if io::Error::from(error).kind() != io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error.into()),
            });
            self.within(&self.path(key), self.patience.answer, link).await?
        };
        if !linked {
            let mut reader = self.within(&from, self.patience.answer, Reader::open(from.clone())).await?;
            let mut sink = self.within(&part, self.patience.answer, Sink::create(&part, 0o666)).await?;
            loop {
                let piece = self.within(&from, self.patience.answer, reader.piece(PIECE)).await?;
                if piece.is_empty() {
                    break;
                }
                self.within(&part, self.patience.answer, sink.take(&piece)).await?;
            }
            self.within(&part, self.patience.assemble, sink.finish(true)).await?;
        }
        self.place(&part, &to, how == Publish::Reserved).await
    }

    /// Puts a small object only if there is none of that name; whether it was put.
    pub(super) async fn put_new(&self, key: &Key, bytes: Vec<u8>) -> Result<bool, FilesError> {
        let part = self.new_part().await?;
        let mut sink = self.within(&part, self.patience.answer, Sink::create(&part, 0o666)).await?;
        self.within(&part, self.patience.answer, sink.take(&bytes)).await?;
        self.within(&part, self.patience.answer, sink.finish(true)).await?;
        match self.place(&part, &self.path(key), false).await {
            Ok(()) => Ok(true),
            Err(FilesError::Taken { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn remove(&self, key: &Key) -> Result<(), FilesError> {
        let (root, path) = (self.root.clone(), self.path(key));
        let removed = path.clone();
        let work = move || {
            std::fs::remove_file(&removed)?;
            // Folders that hold nothing any more; one that holds something stays.
            let above = removed.ancestors().skip(1).take_while(|folder| *folder != root);
            let _ = above.map(std::fs::remove_dir).find(Result::is_err);
            Ok(())
        };
        match self.within(&path, self.patience.answer, blocking(work)).await {
            Err(FilesError::NotFound { .. }) => Ok(()),
            result => result,
        }
    }

    /// Removes what uploads that were killed have left in the work folder, if nobody has written it for so long. How many.
    pub(super) async fn remove_leftovers(&self, age: Duration) -> Result<u64, FilesError> {
        let folder = self.root.join(WORK_FOLDER);
        let path = folder.clone();
        let work = move || {
            let entries = match std::fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
                entries => entries?,
            };
            let mut removed = 0;
            for entry in entries {
                let entry = entry?;
                let is_part = entry.path().extension().is_some_and(|ending| ending == "stored");
                let meta = entry.metadata();
                let is_old = meta.is_ok_and(|meta| {
                    meta.is_file() && meta.modified().is_ok_and(|time| time.elapsed().is_ok_and(|past| past > age))
                });
                if is_part && is_old && std::fs::remove_file(entry.path()).is_ok() {
                    removed += 1;
                }
            }
            Ok(removed)
        };
        self.within(&path, self.patience.assemble, blocking(work)).await
    }
}

fn unreachable(path: &Path, why: String) -> FilesError {
    FilesError::Unreachable { what: path_text(path), why, tries: 1, waited: Duration::ZERO }
}

/// Makes the folders above, renames, and brings the name to disk.
fn put_in_place(part: &Path, path: &Path, may_replace: bool) -> io::Result<()> {
    let folder = fsops::parent(path);
    // Somebody may remove an empty folder between the two.
    let mut tries = 0;
    loop {
        std::fs::create_dir_all(folder)?;
        let renamed = if may_replace { std::fs::rename(part, path) } else { fsops::rename_new(part, path) };
        match renamed {
            Err(error) if error.kind() == io::ErrorKind::NotFound && tries < 3 => tries += 1,
            Err(error) => return Err(error),
            Ok(()) => return fsops::sync_folder(folder),
        }
    }
}

/// When a file was last written.
pub(super) fn modified(meta: &std::fs::Metadata) -> Wall {
    Wall(meta.mtime().saturating_mul(1000).saturating_add(meta.mtime_nsec() / 1_000_000))
}
