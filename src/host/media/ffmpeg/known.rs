//! What an ffmpeg said of itself at an earlier start, so that it need not be run for that again: a start of it costs a tenth of
//! a second of processor time, and a second where its hundred libraries come from a disk.
//!
//! It is believed as long as the two programs and the system's list of libraries are the same files, and nobody has written to
//! them. What stands before another program, as a script does, is never believed: that one may change behind it.
//!
//! It is kept for the user, not in a state folder: most of the state folders that a comparison or a script makes are new.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
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
/// As many trials of the sandbox are remembered of each: a service and a shell have different search paths.
const MOST_TRIALS: usize = 4;

/// What `stat` tells of a file: two readings are equal if nobody has touched it in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Untouched {
    file: FileId,
    /// Last change of its bytes or its inode (`ctime`), in nanoseconds since 1970. Nobody can set it: a copy that keeps the date
    /// of its original changes it too.
    changed_ns: i64,
}

impl Untouched {
    fn of(path: &Path) -> io::Result<Self> {
        let meta = std::fs::metadata(path)?;
        let changed_ns = meta.ctime().saturating_mul(1_000_000_000).saturating_add(meta.ctime_nsec());
        Ok(Self { file: FileId::from(&meta), changed_ns })
    }
}

/// What tells that an ffmpeg is the one that was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    ffmpeg: Untouched,
    ffprobe: Untouched,
    libraries: Option<Untouched>,
}

impl Fingerprint {
    /// Of these two programs as they are now; `None` = they have to be asked each time.
    pub(super) fn of(ffmpeg: &Path, ffprobe: &Path) -> Option<Self> {
        (is_program_itself(ffmpeg, "ffmpeg") && is_program_itself(ffprobe, "ffprobe")).then_some(())?;
        let libraries = Untouched::of(Path::new(LIBRARIES)).ok();
        Some(Self { ffmpeg: Untouched::of(ffmpeg).ok()?, ffprobe: Untouched::of(ffprobe).ok()?, libraries })
    }
}

/// No script, and no program that stands for many.
fn is_program_itself(path: &Path, name: &str) -> bool {
    let mut begin = [0; 2];
    let is_script = File::open(path).and_then(|mut file| file.read_exact(&mut begin)).map_or(true, |()| begin == *b"#!");
    let real = std::fs::canonicalize(path).ok();
    !is_script && real.is_some_and(|real| real.file_name().and_then(|own| own.to_str()).is_some_and(|own| own.contains(name)))
}

/// A trial of the sandbox that went well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The version of Landlock.
    abi: i64,
    /// Hash of the search path, whose folders stand open in the sandbox.
    path: Option<String>,
}

impl Trial {
    /// One of now.
    fn passed(abi: i64) -> Self {
        Self { abi, path: search_path() }
    }

    /// The version of Landlock, if a trial of now would be the same.
    fn of_now(&self) -> Option<i64> {
        (self.path == search_path()).then_some(self.abi)
    }

    /// The version of Landlock of the one that would be the same now.
    pub(super) fn known(trials: &[Self]) -> Option<i64> {
        trials.iter().find_map(Self::of_now)
    }

    /// These and one of now, the latest first.
    pub(super) fn with_one_of_now(trials: &[Self], abi: i64) -> Vec<Self> {
        let others = trials.iter().filter(|trial| trial.of_now().is_none()).cloned();
        std::iter::once(Self::passed(abi)).chain(others).take(MOST_TRIALS).collect()
    }
}

fn search_path() -> Option<String> {
    std::env::var_os("PATH").map(|path| blake3::hash(path.as_bytes()).to_hex().to_string())
}

/// What is kept of one ffmpeg.
#[derive(Serialize, Deserialize)]
struct Entry {
    /// The plimsoll that has understood the answers: another one may read them otherwise.
    own: FileId,
    ffmpeg: Ffmpeg,
}

/// This program.
fn own() -> Option<FileId> {
    static OWN: OnceLock<Option<FileId>> = OnceLock::new();
    *OWN.get_or_init(|| FileId::of(&std::env::current_exe().ok()?).ok())
}

fn is_ours(meta: &Metadata) -> bool {
    meta.uid() == rustix::process::geteuid().as_raw()
}

/// What the file in `folder` tells, the latest first; nothing where it is not ours.
fn read(folder: &Path) -> Option<Vec<Entry>> {
    let mut text = Vec::new();
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(folder.join(FILE_NAME)).ok()?;
    // Somebody else could make an ffmpeg look like another one.
    file.metadata().is_ok_and(|meta| is_ours(&meta)).then_some(())?;
    file.take(MOST_READ).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

/// What these programs said, if they are those that were asked.
pub(super) fn recall(folder: &Path, ffmpeg: &Path, ffprobe: &Path, now: Fingerprint) -> Option<Ffmpeg> {
    let own = own()?;
    let is_it = |known: &Ffmpeg| known.fingerprint == Some(now) && known.ffmpeg == ffmpeg && known.ffprobe == ffprobe;
    read(folder)?.into_iter().find(|kept| kept.own == own && is_it(&kept.ffmpeg)).map(|kept| kept.ffmpeg)
}

/// Keeps it for the next start, in the place of what was known of this ffmpeg. Of two who do so at once the later one wins.
///
/// # Errors
/// It cannot be written: the next start asks again.
pub(super) fn keep(folder: &Path, ffmpeg: &Ffmpeg) -> io::Result<()> {
    let (Some(_), Some(own)) = (ffmpeg.fingerprint, own()) else { return Ok(()) };
    let others = read(folder).unwrap_or_default();
    let others = others.into_iter().filter(|kept| kept.own != own || kept.ffmpeg.ffmpeg != ffmpeg.ffmpeg);
    let all = std::iter::once(Entry { own, ffmpeg: ffmpeg.clone() }).chain(others).take(MOST_KEPT);
    let text = serde_json::to_vec(&all.collect::<Vec<_>>())?;
    make(folder)?;
    // Never seen half-written, and with a name that no other writer has.
    let mut unfinished = tempfile::Builder::new().prefix(FILE_NAME).tempfile_in(folder)?;
    unfinished.write_all(&text)?;
    unfinished.persist(folder.join(FILE_NAME))?;
    Ok(())
}

/// Forgets what was said at earlier starts: an ffmpeg may have broken although its files are the same.
pub fn forget(folder: &Path) {
    // Where it cannot be removed it could not be written either.
    let _ = std::fs::remove_file(folder.join(FILE_NAME));
}

/// Makes the folder, and the one above it. Root makes nothing in the home of somebody else, and nobody makes a home.
fn make(folder: &Path) -> io::Result<()> {
    let refused = |why| io::Error::new(io::ErrorKind::PermissionDenied, why);
    let may_make_below = |above: &Metadata| is_ours(above) || !rustix::process::geteuid().is_root();
    for folder in folder.parent().into_iter().chain([folder]) {
        if !folder.exists() {
            let above = folder.parent().and_then(|above| std::fs::metadata(above).ok());
            above.filter(may_make_below).ok_or_else(|| refused("the folder above it is not there, or is somebody else's"))?;
            DirBuilder::new().mode(0o700).create(folder).or_else(|error| if folder.is_dir() { Ok(()) } else { Err(error) })?;
        }
    }
    let made = std::fs::symlink_metadata(folder)?;
    if made.is_dir() && is_ours(&made) { Ok(()) } else { Err(refused("its folder is a link, or is somebody else's")) }
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

    /// Whatever it is run for, it fails; its size and the date of its last write are as before.
    fn spoil(program: &Path) {
        let written = std::fs::metadata(program).and_then(|meta| meta.modified()).expect("told");
        let file = File::options().write(true).open(program).expect("ours");
        std::os::unix::fs::FileExt::write_all_at(&file, &[0; 64], 0).expect("written");
        file.set_modified(written).expect("set");
    }

    /// It has another date, and does what it did.
    fn touch(program: &Path) {
        let file = File::options().write(true).open(program).expect("ours");
        file.set_modified(std::time::UNIX_EPOCH).expect("set");
    }

    /// The same answers of another version: whoever tells it has run nothing.
    fn remember_otherwise(search: &Search) {
        let folder = search.memory.as_deref().expect("given");
        let mut known = read(folder).expect("kept");
        known[0].ffmpeg.version = "remembered".to_owned();
        std::fs::write(folder.join(FILE_NAME), serde_json::to_vec(&known).expect("JSON")).expect("written");
    }

    #[test]
    fn what_is_known_is_not_run_again_and_what_was_changed_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let search = copies(folder.path());
        let asked = locate(&search).expect("it answers");
        remember_otherwise(&search);
        assert_eq!(locate(&search).expect("nothing was run").version, "remembered");
        let anew = Search { memory: None, ..search.clone() };
        assert_eq!(locate(&anew).expect("whoever does not ask for what is known runs it").version, asked.version);
        spoil(&folder.path().join("ffprobe"));
        let why = locate(&search).expect_err("it was run").to_string();
        assert!(why.contains("does not work: it is damaged"), "{why}");
    }

    #[test]
    fn what_is_forgotten_is_asked_again_and_what_was_kept_of_an_ffmpeg_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let search = copies(folder.path());
        let memory = search.memory.as_deref().expect("given");
        let asked = locate(&search).expect("it answers");
        remember_otherwise(&search);
        forget(memory);
        assert_eq!(locate(&search).expect("asked again").version, asked.version);
        touch(&folder.path().join("ffprobe"));
        assert_ne!(locate(&search).expect("asked again").fingerprint, asked.fingerprint);
        assert_eq!(read(memory).expect("kept").len(), 1, "what was known of it before can never be true again");
    }

    #[test]
    fn two_plimsolls_keep_what_each_has_asked() {
        let folder = tempfile::tempdir().expect("a folder");
        let search = copies(folder.path());
        let memory = search.memory.as_deref().expect("given");
        locate(&search).expect("it answers");
        let mut known = read(memory).expect("kept");
        known[0].own.ino += 1;
        std::fs::write(memory.join(FILE_NAME), serde_json::to_vec(&known).expect("JSON")).expect("written");
        remember_otherwise(&search);
        assert_ne!(locate(&search).expect("asked").version, "remembered", "another one has understood that");
        let versions: Vec<String> = read(memory).expect("kept").into_iter().map(|kept| kept.ffmpeg.version).collect();
        assert!(versions.len() == 2 && versions[1] == "remembered", "{versions:?}");
    }

    #[test]
    fn the_trial_of_the_sandbox_is_remembered_with_the_program_and_two_programs_do_not_displace_each_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let search = copies(folder.path());
        let system = Search { memory: search.memory.clone(), ..Search::from_env(None) };
        let scratch = folder.path().join("scratch");
        std::fs::create_dir(&scratch).expect("made");
        let first = locate(&search).expect("it answers");
        assert_eq!(first.trials, [], "it was not tried yet");
        let Ok(abi) = first.sandbox(&scratch).state() else { return skip(LANDLOCK, "no sandbox holds here") };
        locate(&system).expect("it answers");
        let known = locate(&search).expect("known");
        assert_eq!(Trial::known(&known.trials), Some(abi));
        spoil(&known.ffmpeg);
        assert_eq!(known.sandbox(&scratch).state(), Ok(abi), "it is not run again");
        let elsewhere = Trial { path: Some("another hash".into()), abi };
        assert_eq!(elsewhere.of_now(), None, "other folders stand open behind it");
        let both = Trial::with_one_of_now(std::slice::from_ref(&elsewhere), abi);
        assert_eq!(both, [Trial::passed(abi), elsewhere], "a service and a shell do not displace each other");
        assert_eq!(Trial::with_one_of_now(&both, abi), both);
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
