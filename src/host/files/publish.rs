//! From a part file to a whole file under its final name: made room for before the start, checked after it, put in place so
//! that no crash, no full disk and no second writer leaves half a file there or replaces what is not ours.
//!
//! Knows nothing of the process that writes the part.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use crate::domain::account::Account;
use crate::domain::job::{Damage, JobId, MediaInfo, RejectReason};
use crate::domain::preset::{AudioCodec, Container, OnDamage, Preset, VideoCodec};
use crate::domain::text::path_text;
use crate::domain::time::Wall;
use crate::domain::units::Bytes;
use crate::engine::port::{Cause, Failure, Published};
use crate::host::files::file_id::{self, FileId, same_file};
use crate::host::files::fsops::{disk_of, free_space, parent, rename_new, sync_folder};
use crate::host::files::intent::{Intent, rename};
use crate::host::files::naming::output_path;
use crate::host::files::scratch::WORK_FOLDER;
use crate::host::media::damage;
use crate::host::media::probe::{Prober, words};
use crate::host::media::tracks;
use crate::host::media::verify::{self, MadeKind, NotWhole};
use crate::host::store::{OutputRecord, Records as _, Store, StoreError, preset_hash};

/// Free space asked for beside the expected size: an index, a log, rounding.
const SPACE_MARGIN: Bytes = Bytes::mib(8);
/// What an output by rate factor may be expected to take at least of its input's size. A guess, kept low: a job is only held
/// back when it can hardly succeed; a disk that fills up all the same fails the job with that reason.
const LEAST_SHARE: f64 = 0.05;
/// Bytes that a second of a film or a sound takes at the least: a telephone's voice.
const LEAST_BYTES_A_SECOND: f64 = 500.0;
/// Names tried for a part or an output.
const NAMES_TRIED: u32 = 10_000;

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
        /// The limit.
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

    fn io(what: &str, path: &Path, error: &io::Error) -> Self {
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
    /// The job.
    pub job: JobId,
    /// Which try, from 1.
    pub attempt: u32,
    /// Its input.
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
    /// The limit.
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
    file: File,
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
fn work_folder(work: &Path) -> Result<File, PrepareError> {
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

fn create_part(handle: &File, work: &Path, order: &PrepareOrder<'_>) -> Result<Part, PrepareError> {
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
fn remove_leftover(work: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
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

/// Everything that checking and publishing a part follows from.
#[derive(Debug, Clone, Copy)]
pub struct FinalizeOrder<'a> {
    /// What ffmpeg wrote.
    pub part: &'a Part,
    /// Its input.
    pub input: &'a Path,
    /// The input as it was when it was probed.
    pub input_id: FileId,
    /// Where the output was planned.
    pub output: &'a Path,
    /// What was asked for.
    pub preset: &'a Preset,
    /// What the probe found in the input.
    pub media: &'a MediaInfo,
    /// What ffmpeg told of its work.
    pub account: &'a Account,
    /// A file under the planned name is replaced.
    pub overwrite: bool,
    /// Reads the part; `None` for a load job's, which is no film.
    pub prober: Option<&'a Prober>,
    /// Where the output is recorded.
    pub store: &'a Store,
    /// The time to record.
    pub now: Wall,
}

/// Checks a part that ffmpeg ended well on, and puts it under its final name, on disk before this returns. The part is only
/// gone from its place when that has worked.
pub fn finalize(order: &FinalizeOrder<'_>) -> Result<Published, Failure> {
    let part = check_part_file(order.part)?;
    let damage = check_content(order)?;
    let input_hash = check_input(order)?;

    order.part.file.set_permissions(std::fs::Permissions::from_mode(0o666 & !umask())).or_else(|error| {
        // A file system without rights.
        if error.kind() == io::ErrorKind::PermissionDenied {
            Ok(())
        } else {
            Err(host("cannot set the rights of", order.part.path(), &error))
        }
    })?;
    if let Some(recorded) = order.media.extras.created.as_deref().and_then(recorded_at) {
        // A file system that keeps no dates is no reason to fail.
        let _ = order.part.file.set_modified(recorded);
    }
    let record = OutputRecord {
        path: PathBuf::new(),
        input: order.input.to_owned(),
        input_id: order.input_id,
        input_hash,
        preset: order.preset.name.clone(),
        preset_hash: preset_hash(order.preset),
        size: part.size,
        ino: part.ino,
        made_at: order.now,
    };
    let output = put_in_place(order, &record)?;
    let left_out = tracks::choose(order.preset, order.media).map(|chosen| chosen.left_out).unwrap_or_default();
    Ok(Published { output, size: Bytes(part.size), damage, left_out })
}

/// When a film was recorded, as its file says it; nothing for a time that cannot be, such as that of a clock never set.
fn recorded_at(text: &str) -> Option<SystemTime> {
    const CLOCKS_NEVER_SET: u64 = 2 * 365 * 24 * 3600;
    let recorded: SystemTime = text.parse::<jiff::Timestamp>().ok()?.into();
    let is_plausible = recorded > SystemTime::UNIX_EPOCH + Duration::from_secs(CLOCKS_NEVER_SET)
        && recorded < SystemTime::from(jiff::Timestamp::now());
    is_plausible.then_some(recorded)
}

/// The part is there, is the file that we created, and has something in it.
fn check_part_file(part: &Part) -> Result<FileId, Failure> {
    let failed = |error: &io::Error| host("cannot read", part.path(), error);
    let named = std::fs::symlink_metadata(part.path()).map_err(|error| failed(&error))?;
    let id = FileId::from(&part.file.metadata().map_err(|error| failed(&error))?);
    if !named.is_file() || !FileId::from(&named).is_file(&id) {
        let reason = format!("{} was replaced while ffmpeg wrote to it", path_text(part.path()));
        return Err(Failure { cause: Cause::Host, reason });
    }
    if id.size == 0 {
        return Err(Failure { cause: Cause::Unknown, reason: "ffmpeg ended well but wrote nothing".to_owned() });
    }
    Ok(id)
}

/// Opens the part as a reader would: every stream is there, whole, and holds what ffmpeg says that it wrote. Tells what of the
/// input is missing in it.
fn check_content(order: &FinalizeOrder<'_>) -> Result<Option<Damage>, Failure> {
    let still = order.preset.container.is_still();
    let path = order.part.path();
    let Some(prober) = order.prober else {
        let whole = crate::host::demo::load_job::probe_load(path).map(|_| None);
        return whole.map_err(|error| Failure { cause: Cause::Unknown, reason: format!("the output is not whole: {error}") });
    };
    let account = order.account;
    let wrote_nothing = |is_video: bool| account.written.values().any(|stream| stream.is_video == is_video && stream.packets == 0);
    let wants_video = order.preset.video.is_some() && order.media.video.is_some();
    let wants_audio = !still && order.preset.audio.is_some() && order.media.audio.is_some();
    let cause = || account.first_complaint.clone().unwrap_or_else(|| "nothing in it could be decoded".to_owned());
    if wants_video && wrote_nothing(true) {
        let reason = format!("no picture of the input could be decoded: {}; another copy of it is needed", cause());
        return Err(Failure { cause: Cause::Input, reason });
    }
    if !wants_video && wants_audio && wrote_nothing(false) {
        let reason = format!("no sound of the input could be decoded: {}; another copy of it is needed", cause());
        return Err(Failure { cause: Cause::Input, reason });
    }
    let made = what_was_made(prober, path, order.preset.container)?;
    if wants_video && made.pictures == Some(0) {
        return Err(Failure { cause: Cause::Unknown, reason: "the output has no picture; retry it".to_owned() });
    }
    if wants_audio && !made.has_sound && !wrote_nothing(false) {
        return Err(Failure { cause: Cause::Unknown, reason: "the output has no sound; retry it".to_owned() });
    }
    let wrote = account.written.values().filter(|stream| stream.is_video).map(|stream| stream.packets).sum::<u64>();
    if let Some(pictures) = made.pictures.filter(|pictures| wants_video && wrote > 0 && *pictures != wrote && !still) {
        let reason = format!("the output is not whole: {wrote} pictures were written and {pictures} are in it; retry it");
        return Err(Failure { cause: Cause::Host, reason });
    }
    if still {
        return Ok(None);
    }
    let damage = damage::of(&damage::Evidence {
        media: order.media,
        account,
        wants_video,
        lost_sound: wants_audio && wrote_nothing(false),
        made: made.duration,
    })?;
    match damage {
        Some(damage) if order.preset.on_damage == OnDamage::Fail => {
            let reason = format!(
                "the input is damaged: {}; a preset with `on_damage: keep` (the default, once `tolerant`) takes what is there",
                damage.cause
            );
            Err(Failure { cause: Cause::Input, reason })
        }
        damage => Ok(damage),
    }
}

/// What was found in a part.
struct Content {
    /// Pictures; `None` where they were not counted.
    pictures: Option<u64>,
    has_sound: bool,
    duration: Duration,
}

/// Reads the part to its end, by ourselves where its container is one that we know, else by ffprobe.
fn what_was_made(prober: &Prober, path: &Path, container: Container) -> Result<Content, Failure> {
    let not_whole = |cause, why: &str| Failure { cause, reason: format!("the output is not whole: {why}; retry it") };
    let own = verify::read(path, container).map_err(|error| {
        let cause = if matches!(error, NotWhole::Damaged(_)) { Cause::Unknown } else { Cause::Host };
        not_whole(cause, &error.to_string())
    })?;
    if let Some(made) = own {
        let of = |kind| made.streams.iter().filter(move |stream| stream.kind == kind);
        let duration = made.duration.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        return Ok(Content {
            pictures: Some(of(MadeKind::Video).map(|stream| stream.packets).sum()),
            has_sound: of(MadeKind::Audio).any(|stream| stream.packets > 0),
            duration: duration.unwrap_or_default(),
        });
    }
    let read = prober.read_output(path, container.is_still()).map_err(|rejected| {
        let cause = if rejected.reason == RejectReason::Empty { Cause::Host } else { Cause::Unknown };
        not_whole(cause, &rejected.detail)
    })?;
    if read.packets_missing {
        return Err(not_whole(Cause::Host, "its index lists more than is in it"));
    }
    Ok(Content {
        pictures: if read.media.video.is_some() { None } else { Some(0) },
        has_sound: read.media.audio.is_some(),
        duration: read.media.duration.unwrap_or_default(),
    })
}

/// Nobody wrote to the input since it was probed; its hash, for the record.
fn check_input(order: &FinalizeOrder<'_>) -> Result<String, Failure> {
    let failed = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => Failure { cause: Cause::Input, reason: format!("the input {} is gone", path_text(order.input)) },
        _ => host("cannot read the input", order.input, error),
    };
    let changed = || Failure { cause: Cause::Input, reason: "input changed while it was read".to_owned() };
    let id = |path| FileId::of(path).map_err(|error| failed(&error));
    if id(order.input)? != order.input_id {
        return Err(changed());
    }
    let hash = file_id::hash(order.input).map_err(|error| failed(&error))?;
    if id(order.input)? != order.input_id {
        return Err(changed());
    }
    Ok(hash)
}

/// One step of putting a part in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::host) enum Step {
    /// What was written is on disk.
    SyncPart,
    /// The part's name is on disk.
    SyncWork,
    /// What is about to be done is on record.
    Intend,
    /// The part gets its final name.
    Rename,
    /// The final name is on disk.
    SyncFolder,
    /// The output is on record, and the intent is not any more.
    Settle,
}

/// The order in which nothing is lost and nothing half made counts as whole, wherever the power goes: a test goes through
/// every such moment.
pub(in crate::host) const ORDER: [Step; 6] =
    [Step::SyncPart, Step::SyncWork, Step::Intend, Step::Rename, Step::SyncFolder, Step::Settle];

/// Puts the part in its place under the first name that is free, in the steps of [`ORDER`].
fn put_in_place(order: &FinalizeOrder<'_>, record: &OutputRecord) -> Result<PathBuf, Failure> {
    let (part, work) = (order.part.path(), parent(order.part.path()));
    let mut names = Names::of(order);
    let mut intent = Intent { part: part.to_owned(), replaces: false, record: record.clone() };
    for step in ORDER {
        match step {
            Step::SyncPart => order.part.file.sync_all().map_err(|error| host("cannot write", part, &error))?,
            Step::SyncWork => sync_folder(work).map_err(|error| host("cannot write the folder", work, &error))?,
            Step::Intend => intend(&mut intent, &mut names, order.store)?,
            Step::Rename => {
                while let Err(error) = rename(&intent) {
                    order.store.withdraw(part).map_err(|error| recorded(&error))?;
                    if error.kind() != io::ErrorKind::AlreadyExists {
                        return Err(host("cannot put the output in place as", &intent.record.path, &error));
                    }
                    // Taken in the last instant: the next name.
                    intend(&mut intent, &mut names, order.store)?;
                }
            }
            Step::SyncFolder => {
                let folder = parent(&intent.record.path);
                if let Err(error) = sync_folder(folder) {
                    // Not there for good: back to where another try or a cleanup finds it.
                    let _ = rename_new(&intent.record.path, part);
                    order.store.withdraw(part).map_err(|error| recorded(&error))?;
                    return Err(host("cannot write the folder", folder, &error));
                }
            }
            Step::Settle => {
                // It stands and the intent says so: should the record fail here, the next start completes it.
                if let Err(error) = order.store.settle(&intent) {
                    tracing::warn!(%error, "an output is in place and will be recorded at the next start");
                }
            }
        }
    }
    Ok(intent.record.path)
}

/// Takes the next name and puts on record that the part is to have it.
fn intend(intent: &mut Intent, names: &mut Names<'_, '_>, store: &Store) -> Result<(), Failure> {
    (intent.record.path, intent.replaces) = names.next()?;
    store.intend(intent).map_err(|error| recorded(&error))
}

/// The names that an output may have, in order.
struct Names<'a, 'o> {
    order: &'a FinalizeOrder<'o>,
    number: u32,
}

impl<'a, 'o> Names<'a, 'o> {
    const fn of(order: &'a FinalizeOrder<'o>) -> Self {
        Self { order, number: 0 }
    }

    /// The next name that nobody has, and whether it replaces a file that may be replaced.
    fn next(&mut self) -> Result<(PathBuf, bool), Failure> {
        let Self { order, number } = self;
        let folder = parent(order.output);
        while *number < NAMES_TRIED {
            *number += 1;
            let number = *number;
            let output = if number == 1 { order.output.to_owned() } else { output_path(folder, order.input, order.preset, number) };
            if number > 1 && output == order.output {
                continue;
            }
            let found = std::fs::symlink_metadata(&output).ok();
            let is_of_a_part = || {
                let record = order.store.lookup(&output);
                record.is_some_and(|record| record.is_of_a_part(order.input, &preset_hash(order.preset)))
            };
            let is_file = found.as_ref().is_some_and(|meta| !meta.is_dir());
            let replace = number == 1 && is_file && (order.overwrite || is_of_a_part());
            if replace && same_file(order.input, &output).unwrap_or(false) {
                let reason = PrepareError::SameFile(path_text(&output)).to_string();
                return Err(Failure { cause: Cause::Input, reason });
            }
            if found.is_none() || replace {
                return Ok((output, replace));
            }
        }
        let reason = format!("every name like {} is taken; choose another folder with --out", path_text(order.output));
        Err(Failure { cause: Cause::Host, reason })
    }
}

fn recorded(error: &StoreError) -> Failure {
    Failure { cause: Cause::Host, reason: error.to_string() }
}

/// The rights that this process takes from new files. Asking the system would set them for a moment, for every thread.
fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    line.and_then(|text| u32::from_str_radix(text.trim(), 8).ok()).unwrap_or(0o022)
}

/// A failure of the host in words that name the side.
fn host(what: &str, path: &Path, error: &io::Error) -> Failure {
    let cause = if is_full(error) { Cause::Room } else { Cause::Host };
    Failure { cause, reason: io_reason(what, path, error) }
}

/// The disk is full, or this user's share of it.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn io_reason(what: &str, path: &Path, error: &io::Error) -> String {
    let path = path_text(path);
    match error.kind() {
        io::ErrorKind::StorageFull => format!("disk full: {what} {path}; free some space there"),
        io::ErrorKind::QuotaExceeded => format!("disk full: {what} {path}: this user's quota is used up"),
        io::ErrorKind::ReadOnlyFilesystem => format!("{what} {path}: the file system is read-only"),
        _ => format!("{what} {path}: {}", words(error)),
    }
}

fn is_transient(error: &io::Error) -> bool {
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

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
