//! Finds ffmpeg and ffprobe and asks them what they can do.
//!
//! Order: the path the operator gave, PATH, our own data folder, the folder of our own binary. What it said at an earlier start
//! is believed where that is asked for (`known`). Installing it is the business of `install`; running jobs is somebody else's.

pub mod known;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use serde::{Deserialize, Serialize};

use crate::domain::places::xdg_folder;
use crate::domain::text::{path_text, sanitise};
use crate::host::media::probe::words;
use crate::host::process::command::{Tool, ToolError};
use crate::host::process::sandbox::SandboxBuilder;
use known::{Fingerprint, Trial};

/// The oldest ffmpeg that understands every option plimsoll gives it (`-fps_mode` came with it).
pub const OLDEST: (u32, u32) = (5, 1);

/// Where programs stand on the systems that there are.
const STANDARD_PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin:/snap/bin:/opt/homebrew/bin";

/// An ffmpeg that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ffmpeg {
    /// The binary, absolute.
    pub ffmpeg: PathBuf,
    /// The ffprobe that goes with it, absolute.
    pub ffprobe: PathBuf,
    /// Its version as it says it: `5.1.9-0+deb12u1`, `N-109468-gd39b34123d`.
    pub version: String,
    /// Major number; for a build from the development branch that of the release which has the same libavcodec.
    pub major: Option<u32>,
    /// Minor number; `None` for a build from the development branch.
    pub minor: Option<u32>,
    /// Where it was found.
    pub source: Found,
    /// By what it is known again; `None` = it has to be asked each time.
    pub fingerprint: Option<Fingerprint>,
    /// The trials of the sandbox that it has passed, the latest first.
    pub trials: Vec<Trial>,
    /// Where all this is kept for the next start.
    #[serde(skip)]
    pub memory: Option<PathBuf>,
}

/// Where an ffmpeg was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Found {
    /// The operator named it.
    Explicit,
    /// In a folder of PATH.
    Path,
    /// In our own data folder, where `doctor --fix` puts a download.
    Data,
    /// Beside our own binary.
    Beside,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Explicit => "--ffmpeg",
            Self::Path => "PATH",
            Self::Data => "plimsoll's data folder",
            Self::Beside => "beside plimsoll",
        })
    }
}

/// Where to look.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// `--ffmpeg`: the binary or its folder. When given, nothing else is searched.
    pub explicit: Option<PathBuf>,
    /// The search path, as in PATH.
    pub path: OsString,
    /// Our own data folder's `bin`.
    pub data: Option<PathBuf>,
    /// The ffmpeg beside our own binary.
    pub beside: Option<PathBuf>,
    /// The folder where what an ffmpeg said at an earlier start is kept and believed; `None` = it is asked.
    pub memory: Option<PathBuf>,
}

impl Search {
    /// The places this process's environment names.
    pub fn from_env(explicit: Option<PathBuf>) -> Self {
        Self {
            explicit,
            // An environment without it, as of some schedulers, means the usual places.
            path: std::env::var_os("PATH").filter(|path| !path.is_empty()).unwrap_or_else(|| STANDARD_PATH.into()),
            data: data_bin(|name| std::env::var_os(name)),
            beside: ffmpeg_sidecar::paths::sidecar_path().ok(),
            memory: None,
        }
    }
}

/// The folder our own ffmpeg is kept in: `$XDG_DATA_HOME/plimsoll/bin`, else `~/.local/share/plimsoll/bin`.
pub fn data_bin(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    Some(xdg_folder(variable, "XDG_DATA_HOME", ".local/share")?.join("bin"))
}

/// Why there is no ffmpeg.
#[derive(Debug, thiserror::Error)]
pub enum FfmpegError {
    /// None in any place.
    #[error("ffmpeg was not found; searched {searched}; run `plimsoll doctor --fix`, or name it with --ffmpeg PATH", searched = list(.searched))]
    Missing {
        /// The places searched, each with what was wrong with it, in order.
        searched: Vec<String>,
    },
    /// The operator named something that is no ffmpeg.
    #[error("no ffmpeg can be used at {}: {reason}; give the ffmpeg binary or the folder it is in", path_text(.path))]
    Explicit {
        /// What was given.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is an ffmpeg, but no ffprobe.
    #[error("{} is there, but no ffprobe beside it or on PATH; both are needed; run `plimsoll doctor --fix`", path_text(.ffmpeg))]
    NoFfprobe { ffmpeg: PathBuf },
    /// It is there but does not work.
    #[error("{} does not work: {reason}; run `plimsoll doctor`", path_text(.program))]
    Broken {
        /// The binary.
        program: PathBuf,
        /// What it did.
        reason: String,
    },
}

fn list(places: &[String]) -> String {
    if places.is_empty() { "no place (PATH is empty)".to_owned() } else { places.join(", ") }
}

/// Finds ffmpeg and ffprobe and runs `-version`, unless what they say is known. A binary on PATH that does not run is passed
/// over for the next one.
pub fn locate(search: &Search) -> Result<Ffmpeg, FfmpegError> {
    if let Some(given) = &search.explicit {
        return explicit(given, search);
    }
    let mut searched = Vec::new();
    let mut first_trouble = None;
    let path_folders = path_folders(&search.path);
    if !path_folders.is_empty() {
        searched.push(format!("PATH ({})", path_folders.iter().map(|p| path_text(p)).collect::<Vec<_>>().join(":")));
    }
    let on_path = path_folders.iter().map(|folder| (folder.join("ffmpeg"), Found::Path));
    let data = search.data.iter().map(|folder| (folder.join("ffmpeg"), Found::Data));
    let beside = search.beside.iter().map(|binary| (binary.clone(), Found::Beside));
    for (candidate, source) in on_path.chain(data).chain(beside) {
        if source != Found::Path {
            searched.push(path_text(candidate.parent().unwrap_or(&candidate)));
        }
        if !is_program(&candidate) {
            continue;
        }
        match open(&candidate, source, search) {
            Ok(found) => return Ok(found),
            Err(error) => {
                first_trouble.get_or_insert(error);
            }
        }
    }
    Err(first_trouble.unwrap_or(FfmpegError::Missing { searched }))
}

fn explicit(given: &Path, search: &Search) -> Result<Ffmpeg, FfmpegError> {
    let error = |reason: String| FfmpegError::Explicit { path: given.to_owned(), reason };
    let absolute = std::path::absolute(given).map_err(|e| error(words(&e)))?;
    let binary = match std::fs::metadata(&absolute) {
        Ok(meta) if meta.is_dir() => {
            let binary = absolute.join("ffmpeg");
            if !is_program(&binary) {
                return Err(error("the folder has no executable file `ffmpeg`".to_owned()));
            }
            binary
        }
        Ok(_) if is_program(&absolute) => absolute,
        Ok(_) => return Err(error("is not an executable file".to_owned())),
        // A bare name such as `ffmpeg-7` is meant as a shell would take it.
        Err(e) if given.components().count() == 1 => {
            on_path(&search.path, given.as_os_str()).ok_or_else(|| error(format!("{}, and PATH has no such program", words(&e))))?
        }
        Err(e) => return Err(error(words(&e))),
    };
    open(&binary, Found::Explicit, search)
}

fn open(binary: &Path, source: Found, search: &Search) -> Result<Ffmpeg, FfmpegError> {
    let Some(ffprobe) = ffprobe_of(binary, search) else {
        return Err(FfmpegError::NoFfprobe { ffmpeg: binary.to_owned() });
    };
    // Before they are asked: whoever replaces them meanwhile is noticed at the next start.
    let fingerprint = Fingerprint::of(binary, &ffprobe);
    let memory = search.memory.clone();
    if let Some(known) = memory.as_deref().zip(fingerprint).and_then(|(folder, now)| known::recall(folder, binary, &ffprobe, now)) {
        return Ok(Ffmpeg { source, memory, ..known });
    }
    // Each takes a tenth of a second to be linked: both at once.
    let version = |program: &Path| ask(program, &["-hide_banner", "-version"]);
    let (banner, probe_banner) = std::thread::scope(|scope| {
        let probe = scope.spawn(|| version(&ffprobe));
        (version(binary), probe.join())
    });
    let banner = banner?;
    let Some(version) = version_of(&banner) else {
        return Err(FfmpegError::Broken {
            program: binary.to_owned(),
            reason: format!("`-version` printed `{}`", banner.lines().next().unwrap_or_default()),
        });
    };
    let probe_banner = probe_banner.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    if !probe_banner.starts_with("ffprobe version ") {
        return Err(FfmpegError::Broken {
            program: ffprobe,
            reason: format!("`-version` printed `{}`", probe_banner.lines().next().unwrap_or_default()),
        });
    }
    let (major, minor) = numbers(&version, &banner);
    let asked =
        Ffmpeg { ffmpeg: binary.to_owned(), ffprobe, version, major, minor, source, fingerprint, trials: Vec::new(), memory };
    asked.keep();
    Ok(asked)
}

/// The ffprobe of the same build: `ffmpeg-7` has `ffprobe-7` beside it. A link is looked through; PATH comes last.
fn ffprobe_of(ffmpeg: &Path, search: &Search) -> Option<PathBuf> {
    let real = std::fs::canonicalize(ffmpeg).ok();
    for binary in std::iter::once(ffmpeg).chain(real.as_deref()) {
        let named = binary.file_name().and_then(OsStr::to_str).map(|name| name.replacen("ffmpeg", "ffprobe", 1));
        for name in named.iter().map(String::as_str).chain(std::iter::once("ffprobe")) {
            let probe = binary.with_file_name(name);
            if probe != binary && is_program(&probe) {
                return Some(probe);
            }
        }
    }
    on_path(&search.path, OsStr::new("ffprobe"))
}

/// The first program `name` in the folders of `path`. Empty and relative folders are skipped: what lies in the folder
/// one happens to stand in must not be run.
pub fn on_path(path: &OsStr, name: &OsStr) -> Option<PathBuf> {
    path_folders(path).into_iter().map(|folder| folder.join(name)).find(|program| is_program(program))
}

fn path_folders(path: &OsStr) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for folder in std::env::split_paths(path) {
        if folder.is_absolute() && !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    folders
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file()) && rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

/// Neither a program of Linux nor a text: what the kernel cannot run is handed to a shell, which would take its bytes for commands.
fn is_damaged(program: &Path) -> bool {
    let mut begin = Vec::new();
    let read = std::fs::File::open(program).and_then(|file| file.take(64).read_to_end(&mut begin));
    cfg!(target_os = "linux") && read.is_ok() && !begin.starts_with(b"\x7fELF") && begin.contains(&0)
}

fn ask(program: &Path, args: &[&str]) -> Result<String, FfmpegError> {
    let broken = |reason: String| FfmpegError::Broken { program: program.to_owned(), reason };
    if is_damaged(program) {
        return Err(broken("it is damaged: neither a program for Linux nor a script".to_owned()));
    }
    let answer = Tool::new(program, args).run().map_err(|error| match error {
        ToolError::Start { source, .. } => broken(source.to_string()),
        ToolError::TimedOut { .. } | ToolError::TooLong { .. } => broken(error.to_string()),
    })?;
    if !answer.status.success() {
        let said = answer.stderr.split(|b| *b == b'\n').rfind(|line| !line.is_empty()).unwrap_or_default();
        return Err(broken(format!("`{}` ended with {}: {}", args.join(" "), answer.status, sanitise(said))));
    }
    let lines: Vec<String> = answer.stdout.split(|b| *b == b'\n').map(sanitise).collect();
    Ok(lines.join("\n"))
}

/// The word after `ffmpeg version ` in the banner.
fn version_of(banner: &str) -> Option<String> {
    let rest = banner.lines().next()?.strip_prefix("ffmpeg version ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// Major and minor number of a version such as `5.1.9-0+deb12u1`, `7.0`, `n6.1.1`, `2:4.4.2`. A development build
/// (`N-109468-gd39b34123d`, `git-2024-…`) is placed by its libavcodec: 58 came with 4, 59 with 5, and so on.
fn numbers(version: &str, banner: &str) -> (Option<u32>, Option<u32>) {
    let plain = version.rsplit_once(':').map_or(version, |(_, after)| after);
    let plain = plain.strip_prefix('n').or_else(|| plain.strip_prefix('v')).unwrap_or(plain);
    let mut parts = plain.split(|c: char| !c.is_ascii_digit());
    // A date or a bare revision is no release number.
    if let Some(major) = parts.next().and_then(|part| part.parse::<u32>().ok()).filter(|major| *major < 1000) {
        return (Some(major), Some(parts.next().and_then(|part| part.parse().ok()).unwrap_or(0)));
    }
    let libavcodec = banner.lines().find_map(|line| line.strip_prefix("libavcodec"));
    let major = libavcodec.and_then(|rest| rest.split('.').next()?.trim().parse::<u32>().ok());
    (major.and_then(|major| major.checked_sub(54)), None)
}

impl Ffmpeg {
    /// Keeps what it said for the next start; where that cannot be, the next start asks again.
    fn keep(&self) {
        if let Some(Err(error)) = self.memory.as_deref().map(|folder| known::keep(folder, self)) {
            tracing::info!(%error, "the next start has to ask ffmpeg again");
        }
    }

    /// Sandboxes for what it and its ffprobe are started for, with this scratch folder.
    pub fn sandbox(&self, scratch: &Path) -> SandboxBuilder {
        let asked = self.clone();
        let passed = move |abi| Self { trials: Trial::with_one_of_now(&asked.trials, abi), ..asked.clone() }.keep();
        SandboxBuilder::remembered(scratch, &self.ffmpeg, Trial::known(&self.trials), passed)
    }

    /// It is of this release or newer; `None` when its version does not tell.
    pub fn at_least(&self, major: u32, minor: u32) -> Option<bool> {
        match (self.major, self.minor) {
            (Some(own), Some(own_minor)) => Some((own, own_minor) >= (major, minor)),
            // A development build stands behind the release that shares its libavcodec, give or take a minor number.
            (Some(own), None) if own != major => Some(own > major),
            _ => None,
        }
    }

    /// Whether both programs still run: they may have been replaced or removed since they were found.
    pub fn try_again(&self) -> Result<(), FfmpegError> {
        for program in [&self.ffmpeg, &self.ffprobe] {
            ask(program, &["-hide_banner", "-version"])?;
        }
        Ok(())
    }

    /// The encoders it was built with, by ffmpeg's names.
    pub fn encoders(&self) -> Result<BTreeSet<String>, FfmpegError> {
        Ok(names_in_table(&ask(&self.ffmpeg, &["-hide_banner", "-encoders"])?))
    }

    /// The filters it was built with, by ffmpeg's names.
    pub fn filters(&self) -> Result<BTreeSet<String>, FfmpegError> {
        let table = ask(&self.ffmpeg, &["-hide_banner", "-filters"])?;
        Ok(table.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect())
    }

    /// The muxers it was built with, by ffmpeg's names.
    pub fn muxers(&self) -> Result<BTreeSet<String>, FfmpegError> {
        Ok(names_in_table(&ask(&self.ffmpeg, &["-hide_banner", "-muxers"])?))
    }
}

/// The second column of ffmpeg's tables, below the rule of dashes.
fn names_in_table(text: &str) -> BTreeSet<String> {
    let is_rule = |line: &&str| line.trim().len() > 1 && line.trim().bytes().all(|b| b == b'-');
    text.lines()
        .skip_while(|line| !is_rule(line))
        .skip(1)
        .filter_map(|line| line.split_whitespace().nth(1))
        .flat_map(|names| names.split(','))
        .map(str::to_owned)
        .collect()
}

/// Stand-ins for ffmpeg that tests put into folders.
#[cfg(test)]
pub(crate) mod fakes {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    /// Writes an executable shell script.
    pub fn script(path: &Path, body: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Written under another name and renamed: a script still open for writing cannot be executed.
        let temporary = path.with_extension("new");
        fs::write(&temporary, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&temporary, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(temporary, path).unwrap();
    }

    /// An ffmpeg and an ffprobe that know only their version.
    pub fn ffmpeg_in(folder: &Path, version: &str, libavcodec: &str) {
        for name in ["ffmpeg", "ffprobe"] {
            let body = format!(
                "echo '{name} version {version} Copyright (c) 2000-2026 the FFmpeg developers'\necho 'built with gcc 12'\necho 'libavcodec     {libavcodec} / {libavcodec}'"
            );
            script(&folder.join(name), &body);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn search_path(folder: &Path) -> Search {
        Search { path: folder.as_os_str().to_owned(), ..Search::default() }
    }

    #[test]
    fn odd_version_strings_are_read() {
        for (version, major, minor) in [
            ("N-109-gabc", Some(6), None),
            ("5.1.9-0+deb12u1", Some(5), Some(1)),
            ("7.0", Some(7), Some(0)),
            ("n7.1-3-gfe5d8a9", Some(7), Some(1)),
            ("7:4.4.2-0ubuntu0.22.04.1", Some(4), Some(4)),
            ("2024-03-04-git-e30369bc1c", Some(6), None),
            ("8", Some(8), Some(0)),
        ] {
            let folder = tempfile::tempdir().unwrap();
            fakes::ffmpeg_in(folder.path(), version, "60.  3.100");
            let found = locate(&search_path(folder.path())).unwrap();
            assert_eq!((found.version.as_str(), found.major, found.minor), (version, major, minor));
            assert_eq!(found.source, Found::Path);
        }
    }

    #[test]
    fn an_old_release_is_told_from_a_new_one() {
        let of = |major, minor| Ffmpeg {
            ffmpeg: "/f".into(),
            ffprobe: "/p".into(),
            version: String::new(),
            major,
            minor,
            source: Found::Path,
            fingerprint: None,
            trials: Vec::new(),
            memory: None,
        };
        assert_eq!(of(Some(4), Some(4)).at_least(5, 1), Some(false));
        assert_eq!(of(Some(5), Some(1)).at_least(5, 1), Some(true));
        assert_eq!(of(Some(10), Some(0)).at_least(5, 1), Some(true));
        assert_eq!(of(Some(7), None).at_least(5, 1), Some(true));
        assert_eq!(of(Some(5), None).at_least(5, 1), None);
        assert_eq!(of(None, None).at_least(5, 1), None);
    }

    #[test]
    fn a_missing_ffmpeg_names_every_place_and_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let (on_path, data) = (folder.path().join("bin"), folder.path().join("data"));
        let search = Search { path: on_path.clone().into(), data: Some(data.clone()), ..Search::default() };
        let text = locate(&search).unwrap_err().to_string();
        assert!(text.starts_with("ffmpeg was not found; searched PATH ("), "{text}");
        for part in [on_path.to_str().unwrap(), data.to_str().unwrap(), "run `plimsoll doctor --fix`", "--ffmpeg PATH"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn the_operators_path_wins_and_may_be_the_binary_or_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let (mine, other) = (folder.path().join("mine"), folder.path().join("other"));
        fakes::ffmpeg_in(&mine, "7.0", "61.1.1");
        fakes::ffmpeg_in(&other, "6.0", "60.1.1");
        for given in [mine.clone(), mine.join("ffmpeg")] {
            let search = Search { explicit: Some(given), ..search_path(&other) };
            let found = locate(&search).unwrap();
            assert_eq!((found.version.as_str(), found.source), ("7.0", Found::Explicit));
            assert_eq!(found.ffprobe, mine.join("ffprobe"));
        }
        let gone = Search { explicit: Some(folder.path().join("gone/ffmpeg")), ..search_path(&other) };
        let text = locate(&gone).unwrap_err().to_string();
        assert!(text.contains("gone/ffmpeg: no such file") && text.contains("folder it is in"), "{text}");
        let plain = folder.path().join("plain");
        fs::write(&plain, "x").unwrap();
        let text = locate(&Search { explicit: Some(plain), ..Search::default() }).unwrap_err().to_string();
        assert!(text.contains("is not an executable file"), "{text}");
    }

    #[test]
    fn a_bare_name_is_looked_up_on_the_path_with_its_own_ffprobe() {
        let folder = tempfile::tempdir().unwrap();
        fakes::ffmpeg_in(folder.path(), "8.0", "62.1.1");
        fs::rename(folder.path().join("ffmpeg"), folder.path().join("ffmpeg-8")).unwrap();
        fs::rename(folder.path().join("ffprobe"), folder.path().join("ffprobe-8")).unwrap();
        let search = Search { explicit: Some("ffmpeg-8".into()), ..search_path(folder.path()) };
        let found = locate(&search).unwrap();
        assert_eq!(found.ffprobe, folder.path().join("ffprobe-8"));
    }

    #[test]
    fn a_broken_ffmpeg_early_on_the_path_is_passed_over_for_a_working_one() {
        let folder = tempfile::tempdir().unwrap();
        let (broken, good) = (folder.path().join("a"), folder.path().join("b"));
        fakes::ffmpeg_in(&broken, "7.0", "61.1.1");
        fakes::script(&broken.join("ffmpeg"), "echo 'libx264.so.164: cannot open shared object file' >&2; exit 127");
        let only_broken = locate(&search_path(&broken)).unwrap_err().to_string();
        assert!(only_broken.contains("does not work") && only_broken.contains("libx264.so.164"), "{only_broken}");
        fakes::ffmpeg_in(&good, "6.0", "60.1.1");
        let path = std::env::join_paths([&broken, &good]).unwrap();
        assert_eq!(locate(&Search { path, ..Search::default() }).unwrap().ffmpeg, good.join("ffmpeg"));
    }

    #[test]
    fn an_ffmpeg_without_ffprobe_is_not_enough() {
        let folder = tempfile::tempdir().unwrap();
        fakes::ffmpeg_in(folder.path(), "7.0", "61.1.1");
        fs::remove_file(folder.path().join("ffprobe")).unwrap();
        assert!(matches!(locate(&search_path(folder.path())), Err(FfmpegError::NoFfprobe { .. })));
    }

    #[test]
    fn what_lies_in_the_current_folder_is_never_run() {
        assert_eq!(path_folders(OsStr::new("::relative:/usr/bin:.:/usr/bin")), [PathBuf::from("/usr/bin")]);
    }

    #[test]
    fn the_data_folder_follows_xdg() {
        let bin = |xdg: Option<&str>, home: Option<&str>| data_bin(|name| if name == "HOME" { home } else { xdg }.map(Into::into));
        assert_eq!(bin(Some("/x"), Some("/h")), Some("/x/plimsoll/bin".into()));
        assert_eq!(bin(Some("relative"), Some("/h")), Some("/h/.local/share/plimsoll/bin".into()));
        assert_eq!(bin(None, None), None);
    }

    #[test]
    fn a_download_in_the_data_folder_is_found_when_the_path_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        fakes::ffmpeg_in(&data, "n9.0-latest", "63.1.1");
        let search = Search { path: folder.path().into(), data: Some(data), ..Search::default() };
        let found = locate(&search).unwrap();
        assert_eq!((found.source, found.major), (Found::Data, Some(9)));
    }

    #[test]
    fn the_real_ffmpeg_lists_what_the_shipped_presets_need() {
        let found = locate(&Search::from_env(None)).expect("these tests need ffmpeg on PATH");
        let (encoders, muxers) = (found.encoders().unwrap(), found.muxers().unwrap());
        for encoder in ["aac", "mjpeg", "mpeg4"] {
            assert!(encoders.contains(encoder), "{encoder}");
        }
        for muxer in ["mp4", "ipod", "matroska", "image2"] {
            assert!(muxers.contains(muxer), "{muxer}");
        }
        assert!(!encoders.contains("=") && !muxers.contains("="), "the legend is no encoder");
    }
}
