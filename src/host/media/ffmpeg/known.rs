//! What an ffmpeg said of itself at an earlier start, so that it need not be run for that again: a start of it costs a tenth of
//! a second of processor time, and a second where its hundred libraries come from a disk.
//!
//! It is believed as long as the two programs and the system's list of libraries are the same files, and nobody has written to
//! them. What stands before another program, as a script does, is never believed: that one may change behind it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Ffmpeg;
use crate::host::files::file_id::FileId;

/// Name of the file within the state folder, and while it is written.
const FILE_NAME: &str = "ffmpeg.json";
const UNFINISHED: &str = "ffmpeg.json.new";
/// Changes whenever libraries are installed or removed.
const LIBRARIES: &str = "/etc/ld.so.cache";
/// Nothing of ours is longer.
const MOST_READ: u64 = 64 * 1024;

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

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The version of plimsoll that has understood the answer.
    version: String,
    ffmpeg: Ffmpeg,
}

/// What these programs said, if they are those that were asked.
pub(super) fn recall(state_dir: &Path, ffmpeg: &Path, ffprobe: &Path, now: Fingerprint) -> Option<Ffmpeg> {
    let mut text = Vec::new();
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(state_dir.join(FILE_NAME));
    file.ok()?.take(MOST_READ).read_to_end(&mut text).ok()?;
    let kept: Kept = serde_json::from_slice(&text).ok()?;
    let is_it = kept.version == env!("CARGO_PKG_VERSION")
        && kept.ffmpeg.fingerprint == Some(now)
        && (kept.ffmpeg.ffmpeg.as_path(), kept.ffmpeg.ffprobe.as_path()) == (ffmpeg, ffprobe);
    is_it.then_some(kept.ffmpeg)
}

/// Keeps it for the next start. The caller must hold the state folder.
///
/// # Errors
/// It cannot be written: the next start asks again.
pub fn keep(state_dir: &Path, ffmpeg: &Ffmpeg) -> io::Result<()> {
    let Some(fingerprint) = ffmpeg.fingerprint else { return Ok(()) };
    if recall(state_dir, &ffmpeg.ffmpeg, &ffmpeg.ffprobe, fingerprint).is_some() {
        return Ok(());
    }
    let text = serde_json::to_vec(&Kept { version: env!("CARGO_PKG_VERSION").to_owned(), ffmpeg: ffmpeg.clone() })?;
    let unfinished = state_dir.join(UNFINISHED);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
    options.open(&unfinished)?.write_all(&text)?;
    std::fs::rename(&unfinished, state_dir.join(FILE_NAME))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use super::super::{Found, Search, fakes, locate};
    use super::*;

    /// The ffmpeg and ffprobe of the system, copied to where they can be spoilt.
    fn copies(folder: &Path) -> Search {
        let real = locate(&Search::from_env(None)).expect("these tests need ffmpeg on PATH");
        for (program, name) in [(&real.ffmpeg, "ffmpeg"), (&real.ffprobe, "ffprobe")] {
            // By another process: what this one writes could not be run while any of its tests forks.
            let copied = std::process::Command::new("cp").arg(program).arg(folder.join(name)).status();
            assert!(copied.expect("cp runs").success());
        }
        Search { path: folder.into(), memory: Some(folder.join("state")), ..Search::default() }
    }

    /// Whatever it is run for, it fails; it looks as before to `stat`.
    fn spoil_unseen(program: &Path) {
        let written = std::fs::metadata(program).and_then(|meta| meta.modified()).expect("told");
        let file = File::options().write(true).open(program).expect("ours");
        std::os::unix::fs::FileExt::write_all_at(&file, &[0; 64], 0).expect("written");
        file.set_modified(written).expect("set");
    }

    fn kept(search: &Search) -> Ffmpeg {
        let state = search.memory.as_deref().expect("given");
        std::fs::create_dir_all(state).expect("made");
        let found = locate(search).expect("it answers");
        keep(state, &found).expect("written");
        found
    }

    #[test]
    fn what_is_known_is_not_run_again_and_what_was_changed_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let search = copies(folder.path());
        let asked = kept(&search);
        for name in ["ffmpeg", "ffprobe"] {
            spoil_unseen(&folder.path().join(name));
        }
        assert_eq!(locate(&search).expect("nothing was run"), asked);
        let anew = Search { memory: None, ..search.clone() };
        assert!(locate(&anew).is_err(), "whoever does not ask for what is known runs it");
        // Another date alone: it may be another program.
        let file = File::options().write(true).open(folder.path().join("ffprobe")).expect("ours");
        file.set_modified(std::time::UNIX_EPOCH).expect("set");
        let why = locate(&search).expect_err("it was run").to_string();
        assert!(why.contains("does not work"), "{why}");
    }

    #[test]
    fn another_ffmpeg_earlier_on_the_path_is_the_one_that_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let search = copies(folder.path());
        kept(&search);
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
        let search = Search { path: scripts.clone().into(), memory: Some(folder.path().join("state")), ..Search::default() };
        assert_eq!(kept(&search).version, "7.0");
        assert!(!folder.path().join("state").join(FILE_NAME).exists());
        // As snap does: one program under all names.
        let one = folder.path().join("one");
        std::fs::write(&one, "\x7fELF").expect("written");
        for name in ["ffmpeg", "ffprobe"] {
            symlink(&one, folder.path().join(name)).expect("linked");
        }
        assert_eq!(Fingerprint::of(&folder.path().join("ffmpeg"), &folder.path().join("ffprobe")), None);
    }
}
