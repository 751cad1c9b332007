//! From a part file to a whole file under its final name: made room for before the start, checked after it, put in place so
//! that no crash, no full disk and no second writer leaves half a file there or replaces what is not ours.
//!
//! Knows nothing of the process that writes the part.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::domain::account::{Account, StreamKind};
use crate::domain::job::{Damage, MediaInfo, RejectReason};
use crate::domain::preset::{Container, OnDamage, Preset};
use crate::domain::text::{many, path_text};
use crate::domain::time::Wall;
use crate::domain::units::Bytes;
use crate::engine::port::{Cause, Failure, Published};
use crate::host::files::file_id::{self, FileId, same_file};
use crate::host::files::fsops::{parent, rename_new, sync_folder};
use crate::host::files::intent::{Intent, rename};
use crate::host::files::naming::output_path;
use crate::host::files::prepare::{NAMES_TRIED, Part, PrepareError, io_reason, is_full};
use crate::host::media::damage;
use crate::host::media::probe::Prober;
use crate::host::media::tracks;
use crate::host::media::verify::{self, MadeKind, NotWhole};
use crate::host::store::{OutputRecord, Records as _, Store, StoreError, preset_hash};

/// Everything that checking and publishing a part follows from.
#[derive(Debug, Clone, Copy)]
pub struct FinalizeOrder<'a> {
    /// What ffmpeg wrote.
    pub part: &'a Part,
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
    let mut left_out = tracks::choose(order.preset, order.media).map(|chosen| chosen.left_out).unwrap_or_default();
    left_out.extend(not_made_of(order));
    Ok(Published { output, size: Bytes(part.size), damage, left_out })
}

/// The output is to have sound.
fn wants_audio(order: &FinalizeOrder<'_>) -> bool {
    !order.preset.container.is_still() && order.preset.audio.is_some() && order.media.audio.is_some()
}

/// Some of the sound that was taken was read, as far as that is told: one that is empty is no loss.
fn has_read_sound(order: &FinalizeOrder<'_>) -> bool {
    let sounds = tracks::choose(order.preset, order.media).map(|chosen| chosen.sounds).unwrap_or_default();
    let packets = |index| order.account.read.get(&index).map(|read| read.packets);
    sounds.iter().map(|sound| sound.index).any(|index| packets(index).is_none_or(|packets| packets > 0))
}

/// What ffmpeg came upon while it worked and what is not in the output, in words.
fn not_made_of(order: &FinalizeOrder<'_>) -> Vec<String> {
    let preset = order.preset;
    if preset.container.is_still() {
        return Vec::new();
    }
    let mut told = Vec::new();
    if wants_audio(order) && order.account.wrote_nothing(StreamKind::Audio) && !has_read_sound(order) {
        told.push("the sound track, which is empty".to_owned());
    }
    let (video, audio) = (preset.video.is_some(), preset.audio.is_some());
    for (kind, is_wanted, noun) in [
        (StreamKind::Audio, audio, "sound track"),
        (StreamKind::Video, video, "picture stream"),
        (StreamKind::Subtitle, video, "subtitle track"),
    ] {
        let late = order.account.late.iter().filter(|late| is_wanted && **late == kind).count();
        if late > 0 {
            told.push(format!("{}, found only long after the beginning", many(late as u64, noun)));
        }
    }
    told
}

/// When a film was recorded, as its file says it; nothing for a time that cannot be, such as that of a clock never set.
#[allow(clippy::disallowed_methods)] // the host reads clocks
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
        let reason = "the output is empty: ffmpeg found nothing in the input that it could convert, and complained of nothing; try another \
                      copy of the input, or another preset";
        return Err(Failure { cause: Cause::Unknown, reason: reason.to_owned() });
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
    let wants_video = order.preset.video.is_some() && order.media.video.is_some();
    let wants_audio = wants_audio(order);
    let cause = || account.first_complaint.clone().unwrap_or_else(|| "nothing in it could be decoded".to_owned());
    if wants_video && account.wrote_nothing(StreamKind::Video) {
        let reason = format!("no picture of the input could be decoded: {}; another copy of it is needed", cause());
        return Err(Failure { cause: Cause::Input, reason });
    }
    let has_lost_sound = wants_audio && account.wrote_nothing(StreamKind::Audio);
    if !wants_video && has_lost_sound {
        let reason = format!("no sound of the input could be decoded: {}; another copy of it is needed", cause());
        return Err(Failure { cause: Cause::Input, reason });
    }
    let made = what_was_made(prober, path, order.preset.container)?;
    if wants_video && made.pictures == Some(0) {
        return Err(Failure { cause: Cause::Unknown, reason: "the output has no picture; retry it".to_owned() });
    }
    let sounds = account.written_of(StreamKind::Audio).filter(|packets| *packets > 0).count();
    // Where nothing is told of what was written, there is one at the least.
    let sounds = if has_lost_sound { 0 } else { sounds.max(1) };
    if wants_audio && made.sounds < sounds {
        return Err(Failure { cause: Cause::Unknown, reason: "the output has no sound; retry it".to_owned() });
    }
    let wrote = account.written_of(StreamKind::Video).sum::<u64>();
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
        wants_audio,
        lost_sound: has_lost_sound && has_read_sound(order),
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
    /// Sound tracks that hold any.
    sounds: usize,
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
            sounds: of(MadeKind::Audio).filter(|stream| stream.packets > 0).count(),
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
        sounds: read.media.extras.sounds.len(),
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

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
