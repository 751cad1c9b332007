//! ffmpeg's command line for one job: only what the preset enumerates, with every door shut that a file could open.
//!
//! Builds and shows commands; starts nothing and looks at no file.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use ffmpeg_sidecar::command::FfmpegCommand;

use crate::domain::job::MediaInfo;
use crate::domain::preset::{AudioCodec, AudioPlan, Container, Preset, Tile, VideoCodec, VideoPlan};
use crate::domain::text::sanitise;

/// Demuxers that may read an input: those that open no other file by themselves.
pub const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,wav,mp3,aac,flac";
/// Largest frame, in pixels, that a decoder may allocate: 8192 × 4320. It also bounds the predicted memory.
pub const MAX_PIXELS: u64 = 35_389_440;
/// Seconds between two frames of a contact sheet when the duration is not known.
const BLIND_TILE_STEP: u32 = 10;
/// Where programs are looked for when the environment names no place.
const PLAIN_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Everything that one try's command line follows from.
#[derive(Debug, Clone, Copy)]
pub struct JobCommand<'a> {
    /// The ffmpeg program.
    pub ffmpeg: &'a Path,
    /// What to make.
    pub preset: &'a Preset,
    /// What the probe found.
    pub media: &'a MediaInfo,
    /// The input, absolute.
    pub input: &'a Path,
    /// The part file to write, absolute.
    pub part: &'a Path,
    /// The descriptor that the child finds its progress pipe under.
    pub progress_fd: i32,
    /// `-fps_mode` is known (ffmpeg 5.1 and later); older ones get `-vsync`.
    pub has_fps_mode: bool,
}

/// Why no command line can be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// The preset makes nothing of this input.
    #[error("{0}")]
    NoStream(String),
    /// A relative path could be read as a protocol or an option.
    #[error("{0} is not an absolute path")]
    NotAbsolute(String),
    /// A demuxer that is not on the list of allowed ones.
    #[error("{0} is not a supported container")]
    Demuxer(String),
}

/// The URL of an absolute path: neither a colon nor a leading dash in it means anything to ffmpeg.
pub fn file_url(path: &Path) -> OsString {
    let mut url = OsString::from("file:");
    url.push(path);
    url
}

/// Builds the command that makes the part. Its environment is cleared; see [`environment`]. Its pipes are the caller's to set.
pub fn command(job: &JobCommand<'_>) -> Result<Command, ArgumentError> {
    let preset = job.preset;
    if let Some(missing) = missing_stream(preset, job.media) {
        return Err(ArgumentError::NoStream(missing));
    }
    for path in [job.input, job.part] {
        if !path.is_absolute() {
            return Err(ArgumentError::NotAbsolute(crate::domain::text::path_text(path)));
        }
    }
    if !FORMATS.split(',').any(|format| format == job.media.demuxer) {
        return Err(ArgumentError::Demuxer(sanitise(job.media.demuxer.as_bytes())));
    }
    let threads = preset.threads.to_string();

    let mut ffmpeg = FfmpegCommand::new_with_path(job.ffmpeg);
    ffmpeg.hide_banner().args(["-nostdin", "-nostats"]);
    if !preset.tolerant {
        ffmpeg.arg("-xerror");
    }
    ffmpeg.args(["-loglevel", "level+warning", "-stats_period", "0.5", "-progress"]).arg(format!("pipe:{}", job.progress_fd));
    // The part was created by us, in a folder that nobody else can write to.
    ffmpeg.overwrite();
    // Scaling splits a frame among threads as well.
    ffmpeg.args(["-filter_threads", &threads]);

    ffmpeg.args(["-protocol_whitelist", "file", "-format_whitelist", FORMATS, "-max_pixels", &MAX_PIXELS.to_string()]);
    if preset.tolerant {
        ffmpeg.args(["-err_detect", "ignore_err"]);
    }
    ffmpeg.args(["-threads", &threads]).format(&job.media.demuxer).input(file_url(job.input));

    video(&mut ffmpeg, job);
    audio(&mut ffmpeg, job);
    ffmpeg.args(["-map_metadata", "-1", "-sn", "-dn", "-threads", &threads]);
    // Without it Matroska writes random identifiers, and equal inputs would not give equal bytes.
    ffmpeg.args(["-fflags", "+bitexact"]);
    ffmpeg.args(&preset.extra);
    if preset.container.is_still() {
        // A `%` in the folder's name is no pattern for a series of pictures.
        ffmpeg.frames(1).args(["-update", "1"]);
    }
    ffmpeg.format(preset.container.muxer()).output(file_url(job.part));
    Ok(unwrap(&mut ffmpeg))
}

/// The same program and arguments as a plain command, with nothing of this process's environment.
fn unwrap(ffmpeg: &mut FfmpegCommand) -> Command {
    let built = ffmpeg.as_inner();
    let mut command = Command::new(built.get_program());
    // The builder begins with a log level of its own; ours follows further on.
    let own_level = built.get_args().next().is_some_and(|first| first == "-loglevel");
    command.args(built.get_args().skip(if own_level { 2 } else { 0 }));
    command.env_clear();
    command
}

fn video(ffmpeg: &mut FfmpegCommand, job: &JobCommand<'_>) {
    let Some(plan) = &job.preset.video else {
        ffmpeg.no_video();
        return;
    };
    // A capital V leaves cover pictures out.
    ffmpeg.map("0:V:0");
    ffmpeg.codec_video(plan.codec.as_str());
    if plan.codec == VideoCodec::Copy {
        return;
    }
    let filters = filters(plan, job.media);
    if !filters.is_empty() {
        ffmpeg.args(["-vf", &filters.join(",")]);
    }
    if let Some(format) = plan.pixel_format {
        ffmpeg.pix_fmt(format.as_str());
    } else if plan.codec == VideoCodec::Mjpeg {
        ffmpeg.pix_fmt("yuvj420p");
    }
    // Two frames far apart stay two frames.
    ffmpeg.args([if job.has_fps_mode { "-fps_mode" } else { "-vsync" }, "vfr"]);
    encoder(ffmpeg, plan, job.preset);
}

fn encoder(ffmpeg: &mut FfmpegCommand, plan: &VideoPlan, preset: &Preset) {
    if let (VideoCodec::X264 | VideoCodec::X265, Some(speed)) = (plan.codec, plan.preset) {
        ffmpeg.preset(speed.as_str());
    }
    if let Some(bitrate) = plan.bitrate {
        ffmpeg.args(["-b:v", &bitrate.to_string()]);
    } else if let Some(crf) = plan.crf {
        match plan.codec {
            // These two know a quantiser from 1 to 31 and no rate factor.
            VideoCodec::Mpeg4 | VideoCodec::Mjpeg => {
                ffmpeg.args(["-q:v", &crf.clamp(1, 31).to_string()]);
            }
            VideoCodec::Vp9 => {
                ffmpeg.args(["-crf:v", &crf.to_string(), "-b:v", "0"]);
            }
            _ => {
                ffmpeg.crf(u32::from(crf));
            }
        }
    }
    let threads = preset.threads;
    match plan.codec {
        // Both have thread pools of their own that follow no `-threads`.
        VideoCodec::X265 => {
            ffmpeg.args(["-x265-params", &format!("pools={threads}:log-level=warning")]);
            if matches!(preset.container, Container::Mp4 | Container::Mov) {
                // The tag that QuickTime players ask for.
                ffmpeg.args(["-tag:v", "hvc1"]);
            }
        }
        VideoCodec::SvtAv1 => {
            ffmpeg.args(["-svtav1-params", &format!("lp={threads}")]);
        }
        VideoCodec::Vp9 => {
            ffmpeg.args(["-deadline", "good", "-cpu-used", "4"]);
        }
        _ => {}
    }
}

/// The chain of filters between decoder and encoder.
fn filters(plan: &VideoPlan, media: &MediaInfo) -> Vec<String> {
    let mut chain = Vec::new();
    if let Some(tile) = plan.tile {
        chain.push(evenly_spaced(tile, media));
    } else if let Some(fps) = plan.fps {
        chain.push(format!("fps={fps}"));
    }
    // The encoders' 4:2:0 wants even sizes; never larger than the input, and never none.
    match plan.height {
        Some(height) => chain.push(format!("scale=w=-2:h='max(2,trunc(min({height},ih)/2)*2)'")),
        None => chain.push("scale=w='max(2,trunc(iw/2)*2)':h='max(2,trunc(ih/2)*2)'".to_owned()),
    }
    if let Some(Tile { columns, rows }) = plan.tile {
        chain.push(format!("tile={columns}x{rows}"));
    }
    chain
}

/// Picks the first frame after the middle of each of `columns × rows` equal shares of the duration.
fn evenly_spaced(tile: Tile, media: &MediaInfo) -> String {
    match media.duration {
        Some(duration) if !duration.is_zero() => {
            let step = duration.as_secs_f64() / f64::from((tile.columns * tile.rows).max(1));
            format!("select='gte(t,(selected_n+0.5)*{step:.6})'")
        }
        _ => format!("select='isnan(prev_selected_t)+gte(t-prev_selected_t,{BLIND_TILE_STEP})'"),
    }
}

fn audio(ffmpeg: &mut FfmpegCommand, job: &JobCommand<'_>) {
    let plan = match &job.preset.audio {
        // Options for a sound that is not there would make ffmpeg warn.
        Some(plan) if !job.preset.container.is_still() && job.media.audio.is_some() => plan,
        _ => {
            ffmpeg.no_audio();
            return;
        }
    };
    ffmpeg.map("0:a:0");
    ffmpeg.codec_audio(plan.codec.as_str());
    let AudioPlan { codec, bitrate } = plan;
    if let (Some(bitrate), true) = (bitrate, *codec != AudioCodec::Copy) {
        ffmpeg.args(["-b:a", &bitrate.to_string()]);
    }
    match codec {
        // Opus takes none of the "side" layouts of broadcast sound.
        AudioCodec::Opus => {
            ffmpeg.args(["-af", "aformat=channel_layouts=7.1|6.1|5.1|quad|stereo|mono"]);
        }
        AudioCodec::Mp3 if job.media.audio.as_ref().is_some_and(|audio| audio.channels > 2) => {
            ffmpeg.args(["-ac", "2"]);
        }
        _ => {}
    }
}

/// The whole environment of a child: the profile's entries, and four that no profile changes. Nothing of ours leaks, and
/// `FFREPORT` cannot make ffmpeg write a file.
pub fn environment(profile: &BTreeMap<String, String>, scratch: &Path) -> Vec<(OsString, OsString)> {
    let fixed: [(&str, OsString); 4] = [
        ("PATH", std::env::var_os("PATH").unwrap_or_else(|| PLAIN_PATH.into())),
        ("LC_ALL", "C.UTF-8".into()),
        ("HOME", scratch.into()),
        ("TMPDIR", scratch.into()),
    ];
    profile
        .iter()
        .filter(|(name, _)| !name.is_empty() && !name.contains(['=', '\0']))
        .filter(|(name, value)| fixed.iter().all(|(own, _)| own != name) && *name != "FFREPORT" && !value.contains('\0'))
        .map(|(name, value)| (name.into(), value.into()))
        .chain(fixed.iter().map(|(name, value)| (name.into(), value.clone())))
        .collect()
}

/// A command line as text that is safe to show and that a shell (bash, zsh) takes back byte by byte.
pub fn shown(command: &Command) -> String {
    let words: Vec<String> = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted).collect();
    words.join(" ")
}

fn quoted(word: &OsStr) -> String {
    let bytes = word.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./:=,+@%".contains(byte);
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && bytes.iter().all(plain) => text.to_owned(),
        // Whatever the choke point for foreign text leaves as it is.
        Ok(text) if bytes.len() <= crate::domain::text::MAX_LINE_BYTES && sanitise(bytes) == text => {
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        _ => {
            let escaped: String = bytes
                .iter()
                .map(|&byte| match byte {
                    b'\'' | b'\\' => format!("\\{}", char::from(byte)),
                    b' '..=b'~' => char::from(byte).to_string(),
                    _ => format!("\\x{byte:02x}"),
                })
                .collect();
            // Bash ends `\xNN` after two digits, so a digit may follow.
            format!("$'{escaped}'")
        }
    }
}

/// The words for a stream that `preset` needs and `media` has not; `None` when all is there.
pub fn missing_stream(preset: &Preset, media: &MediaInfo) -> Option<String> {
    let (video, audio) = (media.video.is_some(), media.audio.is_some());
    let name = sanitise(preset.name.as_bytes());
    if !video && !audio {
        Some("not a video: it has neither picture nor sound".to_owned())
    } else if preset.video.is_some() && !video {
        Some(format!("not a video: it has sound but no picture, which the preset {name} needs"))
    } else if preset.video.is_none() && !audio {
        Some(format!("it has no sound, and the preset {name} makes nothing else"))
    } else {
        None
    }
}

#[cfg(test)]
#[path = "arguments_tests.rs"]
pub(super) mod tests;
