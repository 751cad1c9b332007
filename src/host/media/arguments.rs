//! ffmpeg's command line for one job: only what the preset enumerates, with every door shut that a file could open.
//!
//! Builds and shows commands; starts nothing and looks at no file.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ffmpeg_sidecar::command::FfmpegCommand;

use crate::domain::media::{MediaInfo, VideoStream};
use crate::domain::preset::{AudioCodec, Container, Hdr, Location, PixelFormat, Preset, VideoCodec, VideoPlan};
use crate::domain::text::{one_line, sanitise};
use crate::host::media::picture;
use crate::host::media::sound;
use crate::host::media::tracks::{self, Chosen, Unfit};

/// Demuxers that may read an input: those that open no other file by themselves.
pub const FORMATS: &str = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,wav,mp3,aac,flac,mxf,dv,gif,h264,hevc,\
    av1,obu,ivf,m4v,mpegvideo,vc1,yuv4mpegpipe,wtv,nut,rm,ac3,eac3,dts,dtshd,truehd,amr,aiff,au,caf,w64,wv,ape,tta";
/// Largest frame, in pixels, that a decoder may allocate: 8192 × 4320. It also bounds the predicted memory.
pub const MAX_PIXELS: u64 = 35_389_440;
/// What ffmpeg reads of a file to find its streams, where its usual look does not tell of all: bytes, and media time in µs.
pub const LONG_LOOK: [&str; 4] = ["-probesize", "50000000", "-analyzeduration", "90000000"];
/// What may wait in memory until the first of the sound is decoded, in bytes: two minutes of a camera's picture. ffmpeg's own
/// limit of 50 MB is half a minute of it.
const LATE_SOUND: &str = "268435456";
/// Parts of a second that the times of pictures are told in: a multiple of all usual frame rates, so that each keeps its moment.
const TIME_BASE: u32 = 240_000;
/// The same for MPEG-4, whose time base ends at 65535.
const COARSE_TIME_BASE: u32 = 60_000;
/// More parts than this between two pictures are more than a muxer can hold.
const LONGEST_STEP: u32 = i32::MAX as u32;
/// Quantiser of MPEG-4 and Motion JPEG where a preset asks for none: ffmpeg's own choice needs a frame rate, and is the worst without.
const GOOD_QUALITY: &str = "4";
/// Pictures a second of which SVT takes no more; it is told of so many, and each keeps its moment all the same.
const MOST_AV1_FPS: f64 = 240.0;
/// Longest title or name of a track that is carried over, in bytes.
const LONGEST_TEXT: usize = 400;
/// The tag of HEVC that `QuickTime` players ask for.
const QUICKTIME_TAG: [&str; 2] = ["-tag:v", "hvc1"];
/// Where programs are looked for when the environment names no place.
const PLAIN_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// What the ffmpeg at hand can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// `-fps_mode` is known (5.1 and later); older ones get `-vsync`.
    pub has_fps_mode: bool,
    /// It has the filter zscale, which maps colours in linear light.
    pub has_zscale: bool,
}

/// Everything that one try's command line follows from.
#[derive(Debug, Clone, Copy)]
pub struct JobCommand<'a> {
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
    /// What that ffmpeg can do.
    pub abilities: Abilities,
    /// What the output is marked with, so that no later run takes it for an input or makes it again; see [`crate::host::media::mark::of`].
    pub mark: &'a str,
}

/// All that there is to be able to, for tests.
#[cfg(test)]
pub const ABLE: Abilities = Abilities { has_fps_mode: true, has_zscale: true };

/// Why no command line can be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// The preset makes nothing of this input.
    #[error(transparent)]
    Unfit(#[from] Unfit),
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
    let chosen = tracks::choose(preset, job.media)?;
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
    // Its closing lines at this level tell how much was read, decoded and written. How much damage is too much is ours to say.
    ffmpeg.args(["-loglevel", "level+verbose", "-max_error_rate", "1", "-stats_period", "0.5", "-progress"]);
    ffmpeg.arg(format!("pipe:{}", job.progress_fd));
    // The part was created by us, in a folder that nobody else can write to.
    ffmpeg.overwrite();
    // Scaling splits a frame among threads as well.
    ffmpeg.args(["-filter_threads", &threads]);

    ffmpeg.args(["-protocol_whitelist", "file", "-format_whitelist", FORMATS, "-max_pixels", &MAX_PIXELS.to_string()]);
    if job.media.extras.long_look {
        ffmpeg.args(LONG_LOOK);
    }
    if preset.copies_picture() {
        // Copied pictures need times that some containers do not hold. Those that are decoded get them from the decoder, which knows
        // their order.
        ffmpeg.args(["-fflags", "+genpts"]);
    }
    if let (Some(plan), Some(stream)) = (&preset.video, &job.media.video)
        && plan.codec != VideoCodec::Copy
        && picture::keeps_filters(plan, stream)
    {
        // A turn that only a picture on the way asks for would be done in front of the filters, once for all.
        ffmpeg.args(["-reinit_filter:v", "0", "-noautorotate"]);
    }
    ffmpeg.args(["-threads", &threads]).format(&job.media.demuxer).input(file_url(job.input));

    video(&mut ffmpeg, job, &chosen);
    audio(&mut ffmpeg, job, &chosen);
    subtitles(&mut ffmpeg, &chosen);
    about(&mut ffmpeg, job, &chosen);
    if chosen.picture.is_some() && !chosen.sounds.is_empty() {
        ffmpeg.args(["-muxing_queue_data_threshold", LATE_SOUND]);
    }
    ffmpeg.args(["-dn", "-threads", &threads]);
    // Without it Matroska writes random identifiers, and equal inputs would not give equal bytes.
    ffmpeg.args(["-fflags", "+bitexact"]);
    ffmpeg.args(&preset.extra);
    if preset.container.is_still() {
        // A `%` in the folder's name is no pattern for a series of pictures.
        ffmpeg.frames(1).args(["-update", "1"]);
    }
    if is_for_quicktime(preset.container) && job.media.extras.is_spatial && chosen.picture.is_some() {
        // The boxes for it are not of the standard's first edition.
        ffmpeg.args(["-strict", "unofficial"]);
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

fn video(ffmpeg: &mut FfmpegCommand, job: &JobCommand<'_>, chosen: &Chosen<'_>) {
    let (Some(plan), Some(stream), Some(index)) = (&job.preset.video, &job.media.video, chosen.picture) else {
        ffmpeg.no_video();
        return;
    };
    ffmpeg.map(format!("0:{index}"));
    ffmpeg.codec_video(plan.codec.as_str());
    if plan.codec == VideoCodec::Copy {
        if job.media.demuxer == "avi" && stream.codec == "mpeg4" {
            // Two pictures in one packet, as such files have them, are not for other containers.
            ffmpeg.args(["-bsf:v", "mpeg4_unpack_bframes"]);
        }
        // One from a file of its own family keeps its tag, which tells where its parameters lie. In broadcasts they may change on
        // the way, and have to stay where they are.
        let is_kept_apart = matches!(job.media.demuxer.as_str(), "matroska" | "flv");
        if stream.codec == "hevc" && is_for_quicktime(job.preset.container) && is_kept_apart {
            ffmpeg.args(QUICKTIME_TAG);
        }
        return;
    }
    let filters = picture::filters(plan, job.media, stream, job.abilities.has_zscale);
    ffmpeg.args(["-vf", &filters.join(",")]);
    if let Some(format) = plan.pixel_format {
        ffmpeg.pix_fmt(format.as_str());
    } else if plan.codec == VideoCodec::Mjpeg {
        ffmpeg.pix_fmt("yuvj420p");
    }
    // Two frames far apart stay two frames, and each keeps its moment.
    ffmpeg.args([if job.abilities.has_fps_mode { "-fps_mode" } else { "-vsync" }, "vfr"]);
    if plan.tile.is_none() {
        ffmpeg.arg("-enc_time_base").arg(format!("1:{}", time_base(plan.codec, job.media.duration)));
    }
    encoder(ffmpeg, plan, stream, job.preset);
}

/// A film that is longer than the longest step may hold one that is as long as itself: it has coarser parts of a second.
fn time_base(codec: VideoCodec, duration: Option<Duration>) -> u32 {
    let mut base = if codec == VideoCodec::Mpeg4 { COARSE_TIME_BASE } else { TIME_BASE };
    let seconds = duration.map_or(0.0, |duration| duration.as_secs_f64());
    while base > 1000 && seconds * f64::from(base) > f64::from(LONGEST_STEP) {
        base /= 2;
    }
    base
}

const fn is_for_quicktime(container: Container) -> bool {
    matches!(container, Container::Mp4 | Container::Mov)
}

fn encoder(ffmpeg: &mut FfmpegCommand, plan: &VideoPlan, stream: &VideoStream, preset: &Preset) {
    if let (VideoCodec::X264 | VideoCodec::X265, Some(speed)) = (plan.codec, plan.preset) {
        ffmpeg.preset(speed.as_str());
    }
    let fps = plan.fps.unwrap_or(stream.fps);
    let is_too_quick = plan.codec == VideoCodec::SvtAv1 && fps > MOST_AV1_FPS;
    if let Some(bitrate) = plan.bitrate {
        // It reckons the bits of a picture by the rate that it is told.
        let bitrate = if is_too_quick { (bitrate as f64 * MOST_AV1_FPS / fps) as u64 } else { bitrate };
        ffmpeg.args(["-b:v", &bitrate.to_string()]);
        if plan.codec == VideoCodec::Mpeg4 {
            // Its rate control takes each part of a second for a picture. By this tolerance it makes up for that, half a second late.
            let tolerance = bitrate as f64 * fps.max(1.0) / 2.0 / f64::from(COARSE_TIME_BASE);
            ffmpeg.args(["-bt", &tolerance.max(1.0).round().to_string()]);
        }
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
    } else if matches!(plan.codec, VideoCodec::Mpeg4 | VideoCodec::Mjpeg) && !preset.extra.iter().any(|option| option == "-q:v") {
        ffmpeg.args(["-q:v", GOOD_QUALITY]);
    }
    let threads = preset.threads;
    match plan.codec {
        // With more than one thread its lookahead runs ahead on one of its own, and on a busy machine some outputs in a hundred
        // are then not the same, byte for byte.
        VideoCodec::X264 if threads > 1 => {
            ffmpeg.args(["-x264-params", "sync-lookahead=0"]);
        }
        // Both have thread pools of their own that follow no `-threads`.
        VideoCodec::X265 => {
            let mut parameters = format!("pools={threads}:log-level=warning");
            if stream.is_hdr() && plan.hdr == Hdr::Keep {
                // For PQ in the plain form alone: x265 complains of it elsewhere.
                if stream.colour.transfer == "smpte2084" && plan.pixel_format == Some(PixelFormat::Yuv420p10) {
                    parameters.push_str(":hdr10-opt=1");
                }
                parameters.push_str(":repeat-headers=1");
                for (name, value) in [("master-display", &stream.colour.mastering), ("max-cll", &stream.colour.light_level)] {
                    if let Some(value) = value {
                        let _ = write!(parameters, ":{name}={value}");
                    }
                }
            }
            ffmpeg.args(["-x265-params", &parameters]);
            if is_for_quicktime(preset.container) {
                ffmpeg.args(QUICKTIME_TAG);
            }
        }
        VideoCodec::SvtAv1 => {
            let mut parameters = format!("lp={threads}");
            if fps > 0.0 {
                // Of films whose pictures come as they like ffmpeg would tell a rate in the thousands, and SVT takes no such film.
                let _ = write!(parameters, ":fps-num={:.0}:fps-denom=1000", fps.min(MOST_AV1_FPS) * 1000.0);
            }
            ffmpeg.args(["-svtav1-params", &parameters]);
        }
        VideoCodec::Vp9 => {
            ffmpeg.args(["-deadline", "good", "-cpu-used", "4"]);
        }
        _ => {}
    }
}

fn audio(ffmpeg: &mut FfmpegCommand, job: &JobCommand<'_>, chosen: &Chosen<'_>) {
    let plan = match &job.preset.audio {
        // Options for a sound that is not there would make ffmpeg warn.
        Some(plan) if !chosen.sounds.is_empty() => plan,
        _ => {
            ffmpeg.no_audio();
            return;
        }
    };
    for sound in &chosen.sounds {
        ffmpeg.map(format!("0:{}", sound.index));
    }
    ffmpeg.codec_audio(plan.codec.as_str());
    if plan.codec == AudioCodec::Copy {
        return;
    }
    if let Some(bitrate) = plan.bitrate {
        let each: Vec<u64> = chosen.sounds.iter().map(|sound| sound::bitrate(plan.codec, bitrate, sound, job.preset)).collect();
        if each.iter().all(|one| *one == each[0]) {
            ffmpeg.args(["-b:a", &each[0].to_string()]);
        } else {
            for (number, one) in each.iter().enumerate() {
                ffmpeg.arg(format!("-b:a:{number}")).arg(one.to_string());
            }
        }
    }
    for (number, sound) in chosen.sounds.iter().enumerate() {
        ffmpeg.arg(format!("-filter:a:{number}")).arg(sound::filters(plan.codec, sound, job.preset));
    }
}

fn subtitles(ffmpeg: &mut FfmpegCommand, chosen: &Chosen<'_>) {
    if chosen.subtitles.is_empty() {
        ffmpeg.arg("-sn");
        return;
    }
    for (subtitle, _) in &chosen.subtitles {
        ffmpeg.map(format!("0:{}", subtitle.index));
    }
    for (number, (_, codec)) in chosen.subtitles.iter().enumerate() {
        ffmpeg.arg(format!("-c:s:{number}")).arg(codec);
    }
}

/// Titles, languages, dates, chapters and the mark. Each is set by name: nothing else of the input's goes along.
fn about(ffmpeg: &mut FfmpegCommand, job: &JobCommand<'_>, chosen: &Chosen<'_>) {
    let (preset, extras) = (job.preset, &job.media.extras);
    // By kinds, so that chapters keep their names.
    ffmpeg.args(["-map_metadata:g", "-1", "-map_metadata:s", "-1"]);
    ffmpeg.args(["-map_chapters", if chosen.chapters { "0" } else { "-1" }]);
    let mut set = |place: &str, name: &str, value: Option<&str>| {
        if let Some(value) = value.and_then(carried) {
            ffmpeg.arg(format!("-metadata{place}")).arg(format!("{name}={value}"));
        }
    };
    if preset.container.is_still() {
        return;
    }
    for (name, value) in &extras.tags {
        set("", name, Some(value));
    }
    set("", "creation_time", extras.created.as_deref());
    if preset.location == Location::Keep {
        set("", "location", extras.location.as_deref());
    }
    let (place, tag) = mark_place(preset.container);
    set(place, tag, Some(job.mark));
    let is_copied = preset.video.as_ref().is_some_and(|plan| plan.codec == VideoCodec::Copy);
    if is_copied && matches!(preset.container, Container::Mkv | Container::Webm) {
        // Its muxer asks this tag whether to tell players of the second picture that is in each packet.
        let has_alpha = chosen.picture.is_some() && job.media.video.as_ref().is_some_and(|video| video.has_alpha);
        set(":s:v:0", "alpha_mode", has_alpha.then_some("1"));
    }
    if chosen.picture.is_some() {
        set(":s:v:0", "language", job.media.video.as_ref().and_then(|video| video.language.as_deref()));
    }
    for (number, sound) in chosen.sounds.iter().enumerate() {
        let place = format!(":s:a:{number}");
        set(&place, "language", sound.language.as_deref());
        set(&place, "title", sound.title.as_deref());
    }
    for (number, (subtitle, _)) in chosen.subtitles.iter().enumerate() {
        let place = format!(":s:s:{number}");
        set(&place, "language", subtitle.language.as_deref());
        set(&place, "title", subtitle.title.as_deref());
    }
    if chosen.sounds.len() > 1 {
        for (number, sound) in chosen.sounds.iter().enumerate() {
            ffmpeg.arg(format!("-disposition:a:{number}")).arg(marks(number == 0, false, &sound.flags));
        }
    }
    for (number, (subtitle, _)) in chosen.subtitles.iter().enumerate() {
        let marks = marks(subtitle.is_default, subtitle.is_forced, &subtitle.flags);
        ffmpeg.arg(format!("-disposition:s:{number}")).arg(marks);
    }
}

/// What a track is marked as, in ffmpeg's form; `0` = nothing.
fn marks(is_default: bool, is_forced: bool, others: &[String]) -> String {
    let first = [(is_default, "default"), (is_forced, "forced")];
    let set = first.iter().filter(|(is_set, _)| *is_set).map(|(_, name)| *name).chain(others.iter().map(String::as_str));
    let all = set.collect::<Vec<_>>().join("+");
    if all.is_empty() { "0".to_owned() } else { all }
}

/// Where a muxer writes the mark under `+bitexact`, found by trying each: the place and the tag. [`crate::host::media::mark`] reads it there.
const fn mark_place(container: Container) -> (&'static str, &'static str) {
    match container {
        Container::Mp4 | Container::M4a => ("", "encoding_tool"),
        Container::Mov => (":s", "handler_name"),
        Container::Mkv | Container::Webm => ("", "encoded_by"),
        Container::Ts => ("", "service_provider"),
        // A picture is never taken for an input.
        Container::Jpg => ("", "comment"),
    }
}

/// Foreign text as it is passed on: on one line, and not longer than a title is.
fn carried(text: &str) -> Option<String> {
    let mut safe = one_line(text.trim());
    safe.truncate(safe.floor_char_boundary(LONGEST_TEXT));
    (!safe.is_empty()).then_some(safe)
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

#[cfg(test)]
#[path = "arguments_tests.rs"]
pub(in crate::host) mod tests;
