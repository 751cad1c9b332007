//! The part file of an output, made before a job starts: in a folder of its own beside the output, where there is room for it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::domain::job::JobId;
use crate::domain::media::MediaInfo;
use crate::domain::preset::{AudioCodec, Preset, VideoCodec};
use crate::domain::text::{error_words as words, path_text};
use crate::domain::units::Bytes;
use crate::host::files::file_id::same_file;
use crate::host::files::fsops::{disk_of, free_space};
use crate::host::files::scratch::WORK_FOLDER;

/// Free space asked for beside the expected size: an index, a log, rounding.
const SPACE_MARGIN: Bytes = Bytes::mib(8);
/// What an output by rate factor may be expected to take at least of its input's size. A guess, kept low: a job is only held
/// back when it can hardly succeed; a disk that fills up all the same fails the job with that reason.
const LEAST_SHARE: f64 = 0.05;
/// Bytes that a second of a film or a sound takes at the least: a telephone's voice.
const LEAST_BYTES_A_SECOND: f64 = 500.0;
/// Names tried for a part or an output.
pub(super) const NAMES_TRIED: u32 = 10_000;

/// Why a job cannot start to write. Says what, where and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrepareError {
    /// Too little room on the output's disk.
    #[error(
        "disk full: {folder} has {free} free and the output needs about {needed}; free some space or choose another folder with --out"
    )]
    NoSpace {
        /// Folder of the output.
        folder: String,
        /// What is free there.
        free: Bytes,
        /// What is needed, margin included.
        needed: Bytes,
    },
    /// Too little is left of what unfinished outputs may hold.
    #[error(
        "disk: {folder} needs about {needed}, {left} left of the scratch limit of {limit}; \
         wait for other jobs, or raise `scratch_limit` in the profile"
    )]
    OverScratch {
        /// Folder of the output.
        folder: String,
        /// What is needed.
        needed: Bytes,
        /// What is left.
        left: Bytes,
        limit: Bytes,
    },
    /// The output is the input under another name.
    #[error("the output {0} is its own input; choose another folder with --out")]
    SameFile(String),
    /// The folder for parts belongs to somebody else, or is no folder.
    #[error("{0} is not a folder of this user; remove it or choose another folder with --out")]
    NotOurs(String),
    /// The folder or the part cannot be made.
    #[error("{reason}")]
    Io {
        /// What failed, where and why.
        reason: String,
        /// What may be hoped of another try.
        retryability: Retryability,
    },
}

/// What may be hoped of another try to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retryability {
    /// Nothing.
    Never,
    /// It may work.
    Later,
    /// It will work once there is room.
    Room,
}

impl PrepareError {
    /// What may be hoped of another try, later.
    pub const fn retryability(&self) -> Retryability {
        match self {
            Self::NoSpace { .. } => Retryability::Room,
            // What is over the whole of it never fits.
            Self::OverScratch { needed, limit, .. } if needed.0 <= limit.0 => Retryability::Room,
            Self::OverScratch { .. } | Self::SameFile(_) | Self::NotOurs(_) => Retryability::Never,
            Self::Io { retryability, .. } => *retryability,
        }
    }

    /// What is needed and what is free, where that is what is wrong.
    pub const fn figures(&self) -> Option<(Bytes, Bytes)> {
        match self {
            Self::NoSpace { free, needed, .. } => Some((*needed, *free)),
            Self::OverScratch { needed, left, .. } => Some((*needed, *left)),
            Self::SameFile(_) | Self::NotOurs(_) | Self::Io { .. } => None,
        }
    }

    pub(super) fn io(what: &str, path: &Path, error: &io::Error) -> Self {
        let retryability = match (is_full(error), is_transient(error)) {
            (true, _) => Retryability::Room,
            (false, true) => Retryability::Later,
            (false, false) => Retryability::Never,
        };
        Self::Io { reason: io_reason(what, path, error), retryability }
    }
}

/// A folder, and the disk that it is on.
fn with_disk(folder: &Path) -> String {
    match disk_of(folder) {
        Some(disk) if disk != folder => format!("{} (on the disk at {})", path_text(folder), path_text(&disk)),
        _ => path_text(folder),
    }
}

/// What is to be made room for.
#[derive(Debug, Clone, Copy)]
pub struct PrepareOrder<'a> {
    pub job: JobId,
    /// Which try, from 1.
    pub attempt: u32,
    pub input: &'a Path,
    /// Where its output is to stand.
    pub output: &'a Path,
    /// Folder of the work folder with the part: that of all outputs, or one below it; see [`crate::host::files::workplace::home`].
    pub home: &'a Path,
    /// See [`space_needed`].
    pub needed: Bytes,
    /// What unfinished outputs may hold together; `None` = no limit.
    pub scratch: Option<Scratch>,
}

/// The limit of what unfinished outputs may hold on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scratch {
    pub limit: Bytes,
    /// What the other jobs' parts hold, or are expected to.
    pub taken: Bytes,
}

impl Scratch {
    /// What one more part may hold.
    pub fn left(self) -> Bytes {
        self.limit - self.taken
    }
}

/// A part file, created empty and locked while this value lives, so that a second plimsoll leaves it alone.
#[derive(Debug)]
pub struct Part {
    path: PathBuf,
    pub(super) file: File,
}

impl Part {
    /// The file for ffmpeg to write.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was written so far.
    pub fn size(&self) -> Bytes {
        Bytes(self.file.metadata().map_or(0, |meta| meta.len()))
    }

    /// Removes it. Its blocks are given back at once, even if somebody still has it open.
    pub fn discard(self) -> io::Result<()> {
        let _ = self.file.set_len(0);
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Room that an output may be expected to take at least: all of it where streams are copied, bitrate × duration where a
/// bitrate is asked for, a small share of the input for encodings by rate factor.
pub fn space_needed(preset: &Preset, media: &MediaInfo, input: Bytes) -> Bytes {
    if preset.container.is_still() {
        return Bytes::mib(1);
    }
    // A header may promise days over a second of packets.
    let most = input.0 as f64 / LEAST_BYTES_A_SECOND;
    let seconds = media.duration.map_or(0.0, |duration| duration.as_secs_f64()).min(most);
    let by_rate = |bitrate: u64| Bytes((bitrate as f64 / 8.0 * seconds) as u64);
    let video = match (&preset.video, &media.video) {
        (Some(plan), Some(_)) if plan.codec == VideoCodec::Copy => input,
        (Some(plan), Some(_)) => plan.bitrate.map_or_else(|| input.scale(LEAST_SHARE), by_rate),
        _ => Bytes::ZERO,
    };
    let audio = match (&preset.audio, &media.audio) {
        (Some(plan), Some(_)) if plan.codec != AudioCodec::Copy => plan.bitrate.map_or(Bytes::ZERO, by_rate),
        _ => Bytes::ZERO,
    };
    Bytes(video.0.saturating_add(audio.0))
}

/// Makes the folder of the outputs if it is missing, sees that there is room, and creates
/// `<home>/.plimsoll/<job>.<attempt>.part`.
pub fn prepare(order: &PrepareOrder<'_>) -> Result<Part, PrepareError> {
    let folder = order.home;
    std::fs::create_dir_all(folder).map_err(|error| PrepareError::io("cannot make the folder", folder, &error))?;
    if same_file(order.input, order.output).unwrap_or(false) {
        return Err(PrepareError::SameFile(path_text(order.output)));
    }
    let needed = Bytes(order.needed.0.saturating_add(SPACE_MARGIN.0));
    let free = free_space(folder).map_err(|error| PrepareError::io("cannot read the free space of", folder, &error))?;
    if free < needed {
        return Err(PrepareError::NoSpace { folder: with_disk(folder), free, needed });
    }
    if let Some(scratch) = order.scratch.filter(|scratch| order.needed > scratch.left()) {
        let (needed, left, limit) = (order.needed, scratch.left(), scratch.limit);
        return Err(PrepareError::OverScratch { folder: path_text(folder), needed, left, limit });
    }
    let work = folder.join(WORK_FOLDER);
    let handle = work_folder(&work)?;
    create_part(&handle, &work, order)
}

/// Opens the folder for parts, made if it is missing. It must be a folder and this user's: otherwise somebody else could put
/// a link there that ffmpeg then writes through.
pub(super) fn work_folder(work: &Path) -> Result<File, PrepareError> {
    match std::fs::DirBuilder::new().mode(0o700).create(work) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(PrepareError::io("cannot make the folder", work, &error));
        }
        _ => {}
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle: File = match rustix::fs::open(work, flags, Mode::empty()) {
        Ok(handle) => handle.into(),
        Err(Errno::NOTDIR | Errno::LOOP) => return Err(PrepareError::NotOurs(path_text(work))),
        Err(error) => return Err(PrepareError::io("cannot open the folder", work, &error.into())),
    };
    let meta = handle.metadata().map_err(|error| PrepareError::io("cannot read the folder", work, &error))?;
    if meta.uid() != rustix::process::geteuid().as_raw() {
        return Err(PrepareError::NotOurs(path_text(work)));
    }
    if meta.mode() & 0o077 != 0 {
        // A file system without rights (FAT) refuses; whoever mounted it so has decided.
        let _ = handle.set_permissions(std::fs::Permissions::from_mode(0o700));
    }
    Ok(handle)
}

pub(super) fn create_part(handle: &File, work: &Path, order: &PrepareOrder<'_>) -> Result<Part, PrepareError> {
    for number in 1..=NAMES_TRIED {
        let name = match number {
            1 => format!("{}.{}.part", order.job, order.attempt),
            _ => format!("{}.{}-{number}.part", order.job, order.attempt),
        };
        let path = work.join(&name);
        // A leftover of a run that died goes; one that a living plimsoll writes stays, and another name is taken.
        if !remove_leftover(handle.as_fd(), &name).map_err(|error| PrepareError::io("cannot remove", &path, &error))? {
            continue;
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(handle, &name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => {
                // Without locks (some network file systems) the exclusive creation has to do.
                let _ = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
                return Ok(Part { path, file: file.into() });
            }
            Err(Errno::EXIST) => {}
            Err(error) => return Err(PrepareError::io("cannot create", &path, &error.into())),
        }
    }
    let reason = format!("cannot create a part in {}: every name for it is taken; remove that folder", path_text(work));
    Err(PrepareError::Io { reason, retryability: Retryability::Never })
}

/// Removes a part that nobody holds a lock on. True if the name is free now.
pub(super) fn remove_leftover(work: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::openat(work, name, flags, Mode::empty()) {
        Ok(file) => {
            if rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
                return Ok(false);
            }
        }
        Err(Errno::NOENT) => return Ok(true),
        // A link or a FIFO in our place: no part of ours.
        Err(_) => {}
    }
    match rustix::fs::unlinkat(work, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// What [`tidy`] removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Parts that belonged to no living plimsoll.
    pub parts: u32,
    /// Their blocks on disk.
    pub freed: Bytes,
}

/// Removes parts in `<out>/.plimsoll` that no living plimsoll holds, and the folder when nothing is left in it. For the
/// start of a run, after one that died, and for its end.
pub fn tidy(out: &Path) -> io::Result<Tidied> {
    let work = out.join(WORK_FOLDER);
    let mut tidied = Tidied::default();
    if std::fs::symlink_metadata(&work).is_err() {
        return Ok(tidied);
    }
    let handle = match work_folder(&work) {
        Ok(handle) => handle,
        Err(error) => return Err(io::Error::other(error.to_string())),
    };
    for entry in std::fs::read_dir(&work)? {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        if Path::new(&name).extension().is_none_or(|extension| extension != "part") {
            continue;
        }
        let blocks = entry.metadata().map_or(0, |meta| meta.blocks() * 512);
        if remove_leftover(handle.as_fd(), &name)? {
            tidied.parts += 1;
            tidied.freed.0 += blocks;
        }
    }
    match std::fs::remove_dir(&work) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound) => Err(error),
        _ => Ok(tidied),
    }
}

/// The disk is full, or this user's share of it.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

pub(super) fn io_reason(what: &str, path: &Path, error: &io::Error) -> String {
    let path = path_text(path);
    match error.kind() {
        io::ErrorKind::StorageFull => format!("disk full: {what} {path}; free some space there"),
        io::ErrorKind::QuotaExceeded => format!("disk full: {what} {path}: this user's quota is used up"),
        io::ErrorKind::ReadOnlyFilesystem => format!("{what} {path}: the file system is read-only"),
        _ => format!("{what} {path}: {}", words(error)),
    }
}

pub(super) fn is_transient(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        code,
        Some(
            Errno::NOSPC
                | Errno::DQUOT
                | Errno::MFILE
                | Errno::NFILE
                | Errno::NOMEM
                | Errno::IO
                | Errno::NOENT
                | Errno::STALE
                | Errno::AGAIN
                | Errno::INTR
                | Errno::BUSY
                | Errno::TIMEDOUT
        )
    )
}
