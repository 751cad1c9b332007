//! Makes the demonstration's clips with ffmpeg's own test pictures: a queue that loads a small budget up to the line
//! and has one of everything that goes wrong.
//!
//! Clips are kept and used again. Knows nothing of the queue they are for.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ffmpeg_sidecar::command::FfmpegCommand;
use serde::{Deserialize, Serialize};
use tempfile::TempPath;

use crate::domain::text::{path_text, sanitise};
use crate::domain::units::{Bytes, MIB};
use crate::host::files::fsops::free_space;
use crate::host::media::ffmpeg::{Ffmpeg, FfmpegError};
use crate::host::memory::page_cache;
use crate::host::process::command::{self, ToolError};

/// The budget of the demonstration. Two 1080p jobs that make 720p fit under its line (75 %, 630 MB): each is expected to
/// hold 220 MB and is given 15 % more. A neighbour who takes up to [`DEMO_NEIGHBOUR`] beside them crosses the line.
pub const DEMO_BUDGET: Bytes = Bytes::mib(840);
/// The most that somebody else on the box takes for a while while two jobs are at work.
pub const DEMO_NEIGHBOUR: Bytes = Bytes::mib(300);

/// What the finished set takes on disk; the padding of the oversized clips is a hole and takes nothing.
const DISK_NEEDED: Bytes = Bytes::mib(900);

/// Part of the recipe: raise it when the way clips are made changes, so that old ones are made anew.
const RECIPE_VERSION: u32 = 1;

/// Name of the list of what was made here.
const LIST: &str = ".plimsoll-clips.json";

/// One clip that is in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    /// The file, absolute.
    pub path: PathBuf,
    pub size: Bytes,
    /// What it is there to show.
    pub role: Role,
}

/// What a clip is there to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An honest video.
    Video,
    /// A playable video made larger than this limit by padding.
    Over(Bytes),
    /// A video cut off in the middle: no program can read it.
    Truncated,
    /// Text under the name of a video.
    Text,
}

/// How far the making is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClipProgress<'a> {
    /// The clip that is ready now.
    pub name: &'a str,
    /// Clips ready, this one included.
    pub ready: usize,
    /// Clips in all.
    pub total: usize,
    /// It was there already.
    pub reused: bool,
}

/// Why the clips could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// A file could not be written or read.
    #[error("cannot {verb} {}: {source}; choose another folder for the demo's clips", path_text(.path))]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Something else has the name of a clip.
    #[error("{} is there but was not made by plimsoll; move it away or choose another folder for the demo's clips", path_text(.path))]
    Foreign { path: PathBuf },
    /// The disk is too full.
    #[error("{} has {free} free, the demo's clips need {need}", path_text(.folder))]
    Space {
        folder: PathBuf,
        /// What is free.
        free: Bytes,
        /// What is needed.
        need: Bytes,
    },
    /// ffmpeg cannot tell what it can do.
    #[error(transparent)]
    Ffmpeg(#[from] FfmpegError),
    /// ffmpeg could not be run.
    #[error(transparent)]
    Tool(#[from] ToolError),
    /// ffmpeg failed.
    #[error("ffmpeg could not make {name} ({status}): {said}")]
    Failed {
        name: String,
        /// How ffmpeg ended.
        status: String,
        /// Its last line.
        said: String,
    },
}

/// How a clip is made.
struct Recipe {
    name: &'static str,
    /// ffmpeg's lavfi graph of the picture.
    picture: &'static str,
    /// Frequency of the tone, Hz.
    tone: u32,
    seconds: f64,
    codec: Codec,
    role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    /// H.264 as fast as it goes: small files.
    Small,
    /// Lossless and quick: about 0.85 MB a frame at 1080p, so that the input fills the file cache.
    Large,
    /// No video at all.
    None,
}

const RECIPES: &[Recipe] = &[
    Recipe {
        name: "01-buoy-480p.mp4",
        picture: "testsrc2=size=854x480:rate=25",
        tone: 220,
        seconds: 10.0,
        codec: Codec::Small,
        role: Role::Video,
    },
    Recipe {
        name: "02-pier-720p.mp4",
        picture: "testsrc2=size=1280x720:rate=25,hue=h=60",
        tone: 247,
        seconds: 10.0,
        codec: Codec::Small,
        role: Role::Video,
    },
    Recipe {
        name: "03-freighter-1080p.mkv",
        picture: "testsrc2=size=1920x1080:rate=25",
        tone: 262,
        seconds: 9.2,
        codec: Codec::Large,
        role: Role::Video,
    },
    Recipe {
        name: "04-tanker-1080p.mkv",
        picture: "testsrc2=size=1920x1080:rate=25,hflip",
        tone: 294,
        seconds: 9.2,
        codec: Codec::Large,
        role: Role::Video,
    },
    Recipe {
        name: "05-torn-sail.mp4",
        picture: "testsrc2=size=854x480:rate=25",
        tone: 330,
        seconds: 4.0,
        codec: Codec::Small,
        role: Role::Truncated,
    },
    Recipe { name: "06-bill-of-lading.mp4", picture: "", tone: 0, seconds: 0.0, codec: Codec::None, role: Role::Text },
    Recipe {
        name: "07-whirlpool-720p.mp4",
        picture: "mandelbrot=size=480x270:rate=25,scale=1280:720",
        tone: 349,
        seconds: 6.0,
        codec: Codec::Small,
        role: Role::Video,
    },
    Recipe {
        name: "08-lighthouse-1080p.mp4",
        picture: "testsrc2=size=1920x1080:rate=25,hue=h=200",
        tone: 392,
        seconds: 10.0,
        codec: Codec::Small,
        role: Role::Video,
    },
    Recipe {
        name: "09-over-100mb-480p.mp4",
        picture: "testsrc2=size=854x480:rate=25,hue=h=120",
        tone: 440,
        seconds: 6.0,
        codec: Codec::Small,
        role: Role::Over(Bytes::mib(100)),
    },
    Recipe {
        name: "10-over-200mb-720p.mp4",
        picture: "testsrc2=size=1280x720:rate=25,hue=h=240",
        tone: 494,
        seconds: 4.0,
        codec: Codec::Small,
        role: Role::Over(Bytes::mib(200)),
    },
    Recipe {
        name: "11-over-500mb-480p.mp4",
        picture: "testsrc2=size=854x480:rate=25,vflip",
        tone: 523,
        seconds: 4.0,
        codec: Codec::Small,
        role: Role::Over(Bytes::mib(500)),
    },
    Recipe {
        name: "12-barge-1080p.mkv",
        picture: "testsrc2=size=1920x1080:rate=25,vflip",
        tone: 587,
        seconds: 9.2,
        codec: Codec::Large,
        role: Role::Video,
    },
    Recipe {
        name: "13-ferry-1080p.mkv",
        picture: "testsrc2=size=1920x1080:rate=25,negate",
        tone: 659,
        seconds: 9.2,
        codec: Codec::Large,
        role: Role::Video,
    },
    Recipe {
        name: "14-regatta-480p.mp4",
        picture: "testsrc2=size=854x480:rate=25,hue=h=300",
        tone: 698,
        seconds: 16.0,
        codec: Codec::Small,
        role: Role::Video,
    },
];

/// Makes the demo's clips in `folder`, or uses those that are there. Takes about 15 s on two cores the first time, and 800 MB of the disk.
/// `on_progress` hears of every clip as it is ready.
pub fn make_clips(ffmpeg: &Ffmpeg, folder: &Path, on_progress: &mut dyn FnMut(ClipProgress<'_>)) -> Result<Vec<Clip>, ClipError> {
    make(ffmpeg, folder, 1.0, on_progress)
}

/// As [`make_clips`], every clip shortened to `length` (0 to 1) of its seconds, a third of a second at least.
fn make(
    ffmpeg: &Ffmpeg,
    folder: &Path,
    length: f64,
    on_progress: &mut dyn FnMut(ClipProgress<'_>),
) -> Result<Vec<Clip>, ClipError> {
    let folder = &std::path::absolute(folder).map_err(io_error("find", folder))?;
    fs::create_dir_all(folder).map_err(io_error("make the folder", folder))?;
    sweep(folder);
    let mut list = read_list(folder);
    let wanted = |recipe: &Recipe| fingerprint(recipe, length);
    let is_made = |recipe: &Recipe, list: &List| {
        let size = fs::symlink_metadata(folder.join(recipe.name)).ok().filter(fs::Metadata::is_file).map(|meta| meta.len());
        list.get(recipe.name).is_some_and(|made| made.recipe == wanted(recipe) && Some(made.size) == size)
    };
    if RECIPES.iter().any(|recipe| !is_made(recipe, &list)) {
        check_space(folder, DISK_NEEDED.scale(length))?;
    }
    let encoders = ffmpeg.encoders()?;
    let h264 = if encoders.contains("libx264") { "libx264" } else { "mpeg4" };
    let mut clips = Vec::new();
    for recipe in RECIPES {
        let path = folder.join(recipe.name);
        let reused = is_made(recipe, &list);
        if !reused {
            if path.symlink_metadata().is_ok() && !list.contains_key(recipe.name) {
                return Err(ClipError::Foreign { path });
            }
            let temporary = TempPath::try_from_path(folder.join(format!(".{}.{}.tmp", recipe.name, std::process::id())))
                .map_err(io_error("make", &path))?;
            make_one(ffmpeg, recipe, &temporary, Making { length, h264 })?;
            let size = fs::metadata(&temporary).map_err(io_error("read", &temporary))?.len();
            // What was just written is in memory still, and would count before the first job has begun. A hint: no harm without.
            if let Ok(file) = page_cache::open(&temporary) {
                page_cache::drop_cache(&file, size, true);
            }
            // The list first: a clip that stands under its name is then always one that the list knows.
            list.insert(recipe.name.to_owned(), Made { recipe: wanted(recipe), size });
            write_list(folder, &list)?;
            temporary.persist(&path).map_err(|error| io_error("rename to", &path)(error.error))?;
        }
        let size = Bytes(fs::metadata(&path).map_err(io_error("read", &path))?.len());
        clips.push(Clip { path, size, role: recipe.role });
        on_progress(ClipProgress { name: recipe.name, ready: clips.len(), total: RECIPES.len(), reused });
    }
    Ok(clips)
}

#[derive(Clone, Copy)]
struct Making<'a> {
    length: f64,
    h264: &'a str,
}

fn make_one(ffmpeg: &Ffmpeg, recipe: &Recipe, to: &Path, how: Making<'_>) -> Result<(), ClipError> {
    if recipe.codec == Codec::None {
        let text = "Bill of lading\n\n1 case of ship's biscuit, 2 coils of rope, 1 chronometer.\nThis is no video, whatever its name says.\n";
        return fs::write(to, text).map_err(io_error("write", to));
    }
    encode(ffmpeg, recipe, to, how)?;
    match recipe.role {
        Role::Video | Role::Text => Ok(()),
        Role::Over(limit) => pad(to, limit + Bytes::mib(4)),
        Role::Truncated => {
            let file = OpenOptions::new().write(true).open(to).map_err(io_error("open", to))?;
            // mp4 has its index at the end: half of it is as good as nothing.
            let size = file.metadata().map_err(io_error("read", to))?.len();
            file.set_len(size / 2).map_err(io_error("cut", to))
        }
    }
}

fn encode(ffmpeg: &Ffmpeg, recipe: &Recipe, to: &Path, how: Making<'_>) -> Result<(), ClipError> {
    let seconds = format!("{:.2}", (recipe.seconds * how.length).max(0.36));
    let mut output = std::ffi::OsString::from("file:");
    output.push(to);
    let mut builder = FfmpegCommand::new_with_path(&ffmpeg.ffmpeg);
    builder.hide_banner().args(["-nostdin", "-nostats", "-loglevel", "error"]).overwrite();
    builder.format("lavfi").input(recipe.picture);
    builder.format("lavfi").input(format!("sine=frequency={}:sample_rate=48000", recipe.tone));
    builder.duration(seconds).pix_fmt("yuv420p").codec_audio("aac").args(["-b:a", "96k"]);
    match recipe.codec {
        Codec::Large => builder.codec_video("ffvhuff").format("matroska"),
        Codec::Small | Codec::None => {
            builder.codec_video(how.h264);
            if how.h264 == "libx264" {
                builder.preset("ultrafast").crf(20);
            } else {
                builder.args(["-q:v", "3"]);
            }
            builder.format("mp4")
        }
    };
    builder.output(output);
    let command = builder.as_inner_mut();
    command.env_clear().env("LC_ALL", "C.UTF-8");
    let answer = command::run(command, Duration::from_mins(3))?;
    if answer.status.success() {
        return Ok(());
    }
    let said = answer.stderr.split(|b| *b == b'\n').rfind(|line| !line.is_empty()).unwrap_or(b"it said nothing");
    Err(ClipError::Failed { name: recipe.name.to_owned(), status: answer.status.to_string(), said: sanitise(said) })
}

/// Makes an mp4 `size` bytes long with a `free` box at its end, which players skip. The box is a hole in the file.
fn pad(path: &Path, size: Bytes) -> Result<(), ClipError> {
    let mut file = OpenOptions::new().write(true).open(path).map_err(io_error("open", path))?;
    let end = file.seek(SeekFrom::End(0)).map_err(io_error("read", path))?;
    let Ok(length) = u32::try_from(size.0.saturating_sub(end)) else { return Ok(()) };
    if length < 8 {
        return Ok(());
    }
    let mut header = [0; 8];
    header[..4].copy_from_slice(&length.to_be_bytes());
    header[4..].copy_from_slice(b"free");
    file.write_all(&header).and_then(|()| file.set_len(size.0)).map_err(io_error("pad", path))
}

fn check_space(folder: &Path, need: Bytes) -> Result<(), ClipError> {
    let free = free_space(folder).map_err(io_error("ask for the free space of", folder))?;
    if free < need { Err(ClipError::Space { folder: folder.to_owned(), free, need }) } else { Ok(()) }
}

fn io_error(verb: &'static str, path: &Path) -> impl Fn(io::Error) -> ClipError + use<> {
    let path = path.to_owned();
    move |source| ClipError::Io { verb, path: path.clone(), source }
}

/// A clip as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    recipe: String,
    size: u64,
}

type List = BTreeMap<String, Made>;

fn fingerprint(recipe: &Recipe, length: f64) -> String {
    let Recipe { name, picture, tone, seconds, codec, role } = recipe;
    let text = format!("{RECIPE_VERSION} {name} {picture} {tone} {seconds} {length} {codec:?} {role:?} {MIB}");
    blake3::hash(text.as_bytes()).to_hex().as_str()[..16].to_owned()
}

fn read_list(folder: &Path) -> List {
    fs::read(folder.join(LIST)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn write_list(folder: &Path, list: &List) -> Result<(), ClipError> {
    let path = folder.join(LIST);
    let temporary = folder.join(format!("{LIST}.{}.tmp", std::process::id()));
    let write = || {
        let temporary = TempPath::try_from_path(temporary)?;
        let mut file = File::create(&temporary)?;
        serde_json::to_writer_pretty(&mut file, list)?;
        file.write_all(b"\n")?;
        temporary.persist(&path).map_err(|error| error.error)
    };
    write().map_err(io_error("write", &path))
}

/// Removes what a maker that is dead left half made: `.NAME.PID.tmp`.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_prefix('.')?.strip_suffix(".tmp")) else { continue };
        let Some((made, pid)) = stem.rsplit_once('.') else { continue };
        let ours = made == &LIST[1..] || RECIPES.iter().any(|recipe| recipe.name == made);
        let alive = pid.parse().ok().and_then(rustix::process::Pid::from_raw).map(rustix::process::test_kill_process);
        if ours && matches!(alive, Some(Err(rustix::io::Errno::SRCH))) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::media::ffmpeg::{Search, locate};
    use crate::host::process::command::Tool;

    fn ffmpeg() -> Ffmpeg {
        locate(&Search::from_env(None)).expect("these tests need ffmpeg on PATH")
    }

    fn make_short(folder: &Path) -> (Vec<Clip>, usize) {
        let mut made = 0;
        let clips = make(&ffmpeg(), folder, 0.04, &mut |progress| made += usize::from(!progress.reused)).unwrap();
        (clips, made)
    }

    /// What ffprobe says of the streams: `h264,854,480`; `None` when it cannot read the file.
    fn probe(path: &Path) -> Option<Vec<String>> {
        let args = ["-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0"];
        let mut tool = Tool::new(&ffmpeg().ffprobe, &args);
        tool.args.push(path.into());
        let answer = tool.run().unwrap();
        let text = String::from_utf8(answer.stdout).unwrap();
        answer.status.success().then(|| text.lines().map(str::to_owned).collect())
    }

    #[test]
    fn the_set_has_playable_videos_oversized_ones_and_what_no_program_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let (clips, made) = make_short(folder.path());
        assert_eq!((clips.len(), made), (RECIPES.len(), RECIPES.len()));
        for clip in &clips {
            assert_eq!(fs::metadata(&clip.path).unwrap().len(), clip.size.0);
            let streams = probe(&clip.path);
            let name = path_text(&clip.path);
            match clip.role {
                Role::Video | Role::Over(_) => {
                    let streams = streams.unwrap_or_else(|| panic!("{name} cannot be read"));
                    assert_eq!(streams.len(), 2, "{name}: picture and sound, {streams:?}");
                    let height = name.rsplit('-').next().unwrap().split('p').next().unwrap();
                    assert!(streams[0].ends_with(&format!(",{height}")), "{name} is {streams:?}");
                }
                Role::Truncated | Role::Text => assert_eq!(streams, None, "{name} can be read"),
            }
            if let Role::Over(limit) = clip.role {
                assert!(clip.size > limit, "{name} has {}", clip.size);
            } else {
                assert!(clip.size < Bytes::mib(100), "{name} has {}", clip.size);
            }
        }
        let limits: Vec<Bytes> =
            clips.iter().filter_map(|clip| if let Role::Over(limit) = clip.role { Some(limit) } else { None }).collect();
        assert_eq!(limits, [Bytes::mib(100), Bytes::mib(200), Bytes::mib(500)], "one over the limit of each shipped profile");

        // A padded clip is converted like any other.
        let mut tool = Tool::new(&ffmpeg().ffmpeg, &["-v", "error", "-nostdin", "-xerror", "-i"]);
        let padded = clips.iter().find(|clip| clip.role == Role::Over(Bytes::mib(500))).unwrap();
        tool.args.push(padded.path.clone().into());
        tool.args.extend(["-f", "null", "-"].map(Into::into));
        let answer = tool.run().unwrap();
        assert!(answer.status.success() && answer.stderr.is_empty(), "{}", sanitise(&answer.stderr));

        // The second time nothing is made; what was damaged since is made anew, and a dead maker's leftovers go.
        fs::write(&clips[0].path, "short").unwrap();
        let leftover = folder.path().join(format!(".{}.{}.tmp", RECIPES[1].name, i32::MAX));
        fs::write(&leftover, "half").unwrap();
        let (again, made) = make_short(folder.path());
        assert_eq!((again.len(), made), (RECIPES.len(), 1));
        assert!(probe(&again[0].path).is_some() && !leftover.exists());
    }

    #[test]
    fn a_file_of_somebody_else_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join(RECIPES[0].name);
        fs::write(&theirs, "holiday").unwrap();
        let error = make(&ffmpeg(), folder.path(), 0.04, &mut |_| {}).unwrap_err();
        assert!(matches!(&error, ClipError::Foreign { path } if *path == theirs), "{error}");
        assert_eq!(fs::read(theirs).unwrap(), b"holiday");
    }

    #[test]
    fn a_failing_ffmpeg_leaves_no_clip_and_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let fake = folder.path().join("bin/ffmpeg");
        let body = "case \"$*\" in *-encoders*) exit 0;; esac; echo 'Unknown encoder' >&2; exit 8";
        crate::host::media::ffmpeg::fakes::script(&fake, body);
        let clips = folder.path().join("clips");
        let error = make(&Ffmpeg { ffmpeg: fake, ..ffmpeg() }, &clips, 0.04, &mut |_| {}).unwrap_err().to_string();
        assert!(error.contains("01-buoy-480p.mp4") && error.contains("Unknown encoder"), "{error}");
        assert_eq!(fs::read_dir(clips).unwrap().count(), 0);
    }

    #[test]
    fn two_jobs_of_the_set_fit_under_the_line_of_the_demo_budget_and_cross_it_with_the_neighbour() {
        let line = DEMO_BUDGET.scale(0.75);
        // Figures measured with x264 medium, 2 threads, 1080p to 720p; a lossless frame takes 0.89 MB of the disk.
        let (peak, reserve, console) = (Bytes::mib(216), Bytes::mib(231).scale(1.15), Bytes::mib(5));
        let large: Vec<&Recipe> = RECIPES.iter().filter(|recipe| recipe.codec == Codec::Large).collect();
        let input = Bytes((large[0].seconds * 25.0 * 890_000.0) as u64);
        assert!(large.len() >= 2 && input < Bytes::mib(200), "balanced takes it: {input}");
        assert!(reserve + reserve + Bytes::mib(64) <= line, "two are let in together, also when their peaks are known");
        assert!(peak + peak + console < line, "by themselves they stay under the line");
        assert!(peak + peak + console + DEMO_NEIGHBOUR > line, "with the neighbour they cross it");
    }

    #[test]
    #[ignore = "makes the whole set, about 800 MB: for measuring; PLIMSOLL_CLIPS names the folder"]
    #[allow(clippy::disallowed_methods)] // measures
    fn the_whole_set_is_made_quickly() {
        let folder = PathBuf::from(std::env::var_os("PLIMSOLL_CLIPS").expect("PLIMSOLL_CLIPS=folder"));
        let started = std::time::Instant::now();
        let clips = make_clips(&ffmpeg(), &folder, &mut |p| eprintln!("{p:?} {:?}", started.elapsed())).unwrap();
        assert_eq!(clips.len(), RECIPES.len());
        assert!(started.elapsed() < Duration::from_secs(25));
    }
}
