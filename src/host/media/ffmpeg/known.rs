//! What an ffmpeg said of itself at an earlier start, so that it need not be run for that again: a start of it costs a tenth of
//! a second of processor time, and a second where its hundred libraries come from a disk.
//!
//! It is believed as long as the two programs and the system's list of libraries are the same files, and nobody has written to
//! them. What stands before another program, as a script does, is never believed: that one may change behind it.
//!
//! It is kept for the user, not in a state folder: most of the state folders that a comparison or a script makes are new.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::Ffmpeg;
use crate::host::files::file_id::FileId;

/// Name of the file within its folder.
const FILE_NAME: &str = "ffmpeg.json";
/// Changes whenever libraries are installed or removed.
const LIBRARIES: &str = "/etc/ld.so.cache";
/// Nothing of ours is longer.
const MOST_READ: u64 = 64 * 1024;
/// As many ffmpegs are remembered, the latest first.
const MOST_KEPT: usize = 8;

/// What tells that an ffmpeg is the one that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    ffmpeg: FileId,
    ffprobe: FileId,
    libraries: Option<FileId>,
}

impl Fingerprint {
    /// Of these two programs as they are now; `None` = they have to be asked each time.
    pub(super) fn of(ffmpeg: &Path, ffprobe: &Path) -> Option<Self> {
        (is_program_itself(ffmpeg, "ffmpeg") && is_program_itself(ffprobe, "ffprobe")).then_some(())?;
        let libraries = FileId::of(Path::new(LIBRARIES)).ok();
        Some(Self { ffmpeg: FileId::of(ffmpeg).ok()?, ffprobe: FileId::of(ffprobe).ok()?, libraries })
    }
}

/// No script, and no program that stands for many.
fn is_program_itself(path: &Path, name: &str) -> bool {
    let mut begin = [0; 2];
    let is_script = File::open(path).and_then(|mut file| file.read_exact(&mut begin)).map_or(true, |()| begin == *b"#!");
    let real = std::fs::canonicalize(path).ok();
    !is_script && real.is_some_and(|real| real.file_name().and_then(|own| own.to_str()).is_some_and(|own| own.contains(name)))
}

/// A trial of the fence that went well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The version of Landlock.
    abi: i64,
    /// The search path, whose folders stand open behind the fence.
    path: Option<OsString>,
}

impl Trial {
    /// One of now.
    pub(super) fn passed(abi: i64) -> Self {
        Self { abi, path: std::env::var_os("PATH") }
    }

    /// The version of Landlock, if a trial of now would be the same.
    pub(super) fn of_now(&self) -> Option<i64> {
        (self.path == std::env::var_os("PATH")).then_some(self.abi)
    }
}

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The plimsoll that has understood the answers: another one may read them otherwise.
    own: FileId,
    /// The latest first.
    ffmpegs: Vec<Ffmpeg>,
}

/// This program.
fn own() -> Option<FileId> {
    static OWN: OnceLock<Option<FileId>> = OnceLock::new();
    *OWN.get_or_init(|| FileId::of(&std::env::current_exe().ok()?).ok())
}

fn is_ours(meta: &Metadata) -> bool {
    meta.uid() == rustix::process::geteuid().as_raw()
}

/// What the file in `folder` tells; nothing where it is not ours, or another plimsoll's.
fn read(folder: &Path) -> Option<Vec<Ffmpeg>> {
    let mut text = Vec::new();
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(folder.join(FILE_NAME)).ok()?;
    // Somebody else could make an ffmpeg look like another one.
    file.metadata().is_ok_and(|meta| is_ours(&meta)).then_some(())?;
    file.take(MOST_READ).read_to_end(&mut text).ok()?;
    let kept: Kept = serde_json::from_slice(&text).ok()?;
    (Some(kept.own) == own()).then_some(kept.ffmpegs)
}

/// What these programs said, if they are those that were asked.
pub(super) fn recall(folder: &Path, ffmpeg: &Path, ffprobe: &Path, now: Fingerprint) -> Option<Ffmpeg> {
    let is_it = |known: &Ffmpeg| known.fingerprint == Some(now) && known.ffmpeg == ffmpeg && known.ffprobe == ffprobe;
    read(folder)?.into_iter().find(is_it)
}

/// Keeps it for the next start. Of two who do so at once the later one wins.
///
/// # Errors
/// It cannot be written: the next start asks again.
pub(super) fn keep(folder: &Path, ffmpeg: &Ffmpeg) -> io::Result<()> {
    let (Some(_), Some(own)) = (ffmpeg.fingerprint, own()) else { return Ok(()) };
    let mut ffmpegs = read(folder).unwrap_or_default();
    ffmpegs.retain(|known| known.fingerprint != ffmpeg.fingerprint || known.ffmpeg != ffmpeg.ffmpeg);
    ffmpegs.insert(0, ffmpeg.clone());
    ffmpegs.truncate(MOST_KEPT);
    let text = serde_json::to_vec(&Kept { own, ffmpegs })?;
    make(folder)?;
    // Never seen half-written, and with a name that no other writer has.
    let mut unfinished = tempfile::Builder::new().prefix(FILE_NAME).tempfile_in(folder)?;
    unfinished.write_all(&text)?;
    unfinished.persist(folder.join(FILE_NAME))?;
    Ok(())
}

/// Makes the folder, and the one above it, in what is this user's own: root makes nothing in the home of somebody else, and no home.
fn make(folder: &Path) -> io::Result<()> {
    let not_ours = || io::Error::new(io::ErrorKind::PermissionDenied, "the folder above it is not there, or is somebody else's");
    for folder in folder.parent().into_iter().chain([folder]) {
        if !folder.exists() {
            let above = folder.parent().and_then(|above| std::fs::metadata(above).ok());
            above.filter(is_ours).ok_or_else(not_ours)?;
            DirBuilder::new().mode(0o700).create(folder).or_else(|error| if folder.is_dir() { Ok(()) } else { Err(error) })?;
        }
    }
    let made = std::fs::symlink_metadata(folder)?;
    if made.is_dir() && is_ours(&made) { Ok(()) } else { Err(not_ours()) }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::super::{Found, Search, fakes, locate};
    use super::*;
    use crate::host::skip::{LANDLOCK, ROOT, skip};

    /// The ffmpeg and ffprobe of the system, copied to where they can be spoilt.
    fn copies(folder: &Path) -> Search {
        let real = locate(&Search::from_env(None)).expect("these tests need ffmpeg on PATH");
        for (program, name) in [(&real.ffmpeg, "ffmpeg"), (&real.ffprobe, "ffprobe")] {
            // By another process: what this one writes could not be run while any of its tests forks.
            let copied = std::process::Command::new("cp").arg(program).arg(folder.join(name)).status();
            assert!(copied.expect("cp runs").success());
        }
        Search { path: folder.into(), memory: Some(folder.join("cache")), ..Search::default() }
    }

    /// Whatever it is run for, it fails; it looks as before to `stat`.
    fn spoil_unseen(program: &Path) {
        let written = std::fs::metadata(program).and_then(|meta| meta.modified()).expect("told");
        let file = File::options().write(true).open(program).expect("ours");
        std::os::unix::fs::FileExt::write_all_at(&file, &[0; 64], 0).expect("written");
        file.set_modified(written).expect("set");
    }

    #[test]
    fn what_is_known_is_not_run_again_and_what_was_changed_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let search = copies(folder.path());
        let asked = locate(&search).expect("it answers");
        for name in ["ffmpeg", "ffprobe"] {
            spoil_unseen(&folder.path().join(name));
        }
        assert_eq!(locate(&search).expect("nothing was run"), asked);
        let anew = Search { memory: None, ..search.clone() };
        let why = locate(&anew).expect_err("whoever does not ask for what is known runs it").to_string();
        assert!(why.contains("does not work: it is damaged"), "{why}");
        // Another date alone: it may be another program.
        let file = File::options().write(true).open(folder.path().join("ffprobe")).expect("ours");
        file.set_modified(std::time::UNIX_EPOCH).expect("set");
        let why = locate(&search).expect_err("it was run").to_string();
        assert!(why.contains("does not work"), "{why}");
    }

    #[test]
    fn the_trial_of_the_fence_is_remembered_with_the_program_and_two_programs_do_not_displace_each_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let search = copies(folder.path());
        let system = Search { memory: search.memory.clone(), ..Search::from_env(None) };
        let scratch = folder.path().join("scratch");
        std::fs::create_dir(&scratch).expect("made");
        let first = locate(&search).expect("it answers");
        assert_eq!(first.fence, None, "it was not tried yet");
        let Ok(abi) = first.fences(&scratch).state() else { return skip(LANDLOCK, "no fence holds here") };
        locate(&system).expect("it answers");
        let known = locate(&search).expect("known");
        assert_eq!(known.fence.as_ref().and_then(Trial::of_now), Some(abi));
        spoil_unseen(&known.ffmpeg);
        assert_eq!(known.fences(&scratch).state(), Ok(abi), "it is not run again");
        assert_eq!(Trial { path: Some("/elsewhere".into()), abi }.of_now(), None, "other folders stand open behind it");
    }

    #[test]
    fn nothing_is_made_where_there_is_no_home_or_in_that_of_somebody_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let no_home = folder.path().join("nonexistent/.cache/plimsoll");
        assert!(make(&no_home).is_err() && !folder.path().join("nonexistent").exists());
        let home = folder.path().join("home");
        std::fs::create_dir(&home).expect("made");
        make(&home.join(".cache/plimsoll")).expect("made in our own");
        assert!(home.join(".cache/plimsoll").is_dir());
        std::os::unix::fs::symlink(&home, home.join(".cache/linked")).expect("linked");
        assert!(make(&home.join(".cache/linked")).is_err(), "a link may lead anywhere");
        let Ok(()) = std::os::unix::fs::chown(&home, Some(12_345), None) else { return skip(ROOT, "no folder of another user") };
        assert!(make(&home.join(".local/plimsoll")).is_err() && !home.join(".local").exists());
    }

    #[test]
    fn what_another_user_has_written_is_not_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let search = copies(folder.path());
        let asked = locate(&search).expect("it answers");
        let file = search.memory.as_deref().expect("given").join(FILE_NAME);
        assert!(read(file.parent().expect("a folder")).is_some_and(|known| known.len() == 1));
        let Ok(()) = std::os::unix::fs::chown(&file, Some(12_345), None) else { return skip(ROOT, "no file of another user") };
        assert!(read(file.parent().expect("a folder")).is_none());
        assert_eq!(locate(&search).expect("asked again"), asked);
    }

    #[test]
    fn another_ffmpeg_earlier_on_the_path_is_the_one_that_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let search = copies(folder.path());
        locate(&search).expect("it answers");
        let first: PathBuf = folder.path().join("first");
        fakes::ffmpeg_in(&first, "7.0", "61.1.1");
        let path = std::env::join_paths([first.as_path(), folder.path()]).expect("plain");
        let found = locate(&Search { path, ..search.clone() }).expect("found");
        assert_eq!((found.version.as_str(), found.source), ("7.0", Found::Path));
        let explicit = Search { explicit: Some(folder.path().join("ffmpeg")), ..search };
        assert_eq!(locate(&explicit).expect("known").source, Found::Explicit, "where it was found is told as it is now");
    }

    #[test]
    fn what_stands_before_another_program_is_asked_each_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let scripts = folder.path().join("scripts");
        fakes::ffmpeg_in(&scripts, "7.0", "61.1.1");
        let search = Search { path: scripts.clone().into(), memory: Some(folder.path().join("cache")), ..Search::default() };
        assert_eq!(locate(&search).expect("it answers").version, "7.0");
        assert!(!folder.path().join("cache").exists());
        // As snap does: one program under all names.
        let one = folder.path().join("one");
        std::fs::write(&one, "\x7fELF").expect("written");
        for name in ["ffmpeg", "ffprobe"] {
            symlink(&one, folder.path().join(name)).expect("linked");
        }
        assert_eq!(Fingerprint::of(&folder.path().join("ffmpeg"), &folder.path().join("ffprobe")), None);
    }
}
