//! A preset from YAML, every mistake named, and back to YAML.
//!
//! Lets pass only what ffmpeg can make and what cannot make it read or write further files. Knows nothing of where presets
//! lie; building ffmpeg's command line is the host's work.

use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_yaml::Value;

use super::de::{texts, whole};
use super::read::{NAME_RULE, Reader, check_name};
use super::yaml::{ConfigError, Document, join, quoted};
use crate::domain::preset::{
    AudioCodec, AudioPlan, Container, Deinterlace, Hdr, Location, OnDamage, PixelAspect, PixelFormat, Preset, SpeedPreset,
    Subtitles, Tile, Tracks, VideoCodec, VideoPlan,
};

mod extra;
mod write;

pub use write::{bitrate_yaml, to_yaml};

/// Most threads: what the memory model was fitted to, and more than small boxes have.
const MAX_THREADS: u32 = 64;

/// Reads a preset.
///
/// # Errors
/// Every mistake of the file, in its order; only the first where it is no YAML or was refused by the guard.
pub fn parse(file: &Path, text: &str) -> Result<Preset, Vec<ConfigError>> {
    let document = Document::read(file, text).map_err(|error| vec![error])?;
    let mut reader = Reader::new(&document);
    for part in ["video", "audio"] {
        if reader.raw(part).and_then(Value::as_str) == Some("none") {
            reader.skip(part);
        }
    }
    let read = reader.root().and_then(|written| preset(&mut reader, written));
    reader.finish(read)
}

/// A preset as it is written.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    #[serde(deserialize_with = "name")]
    name: Option<String>,
    video: Option<Video>,
    audio: Option<Audio>,
    container: Option<Container>,
    #[serde(deserialize_with = "threads")]
    threads: Option<u32>,
    #[serde(rename = "extra")]
    _extra: IgnoredAny,
    on_damage: Option<OnDamage>,
    subtitles: Subtitles,
    location: Location,
    /// The old name of `on_damage`.
    #[serde(deserialize_with = "tolerant")]
    tolerant: Option<bool>,
    // These belong to the picture and may stand at either place.
    hdr: Option<Hdr>,
    deinterlace: Option<Deinterlace>,
    pixel_aspect: Option<PixelAspect>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Video {
    codec: Option<VideoCodec>,
    preset: Option<SpeedPreset>,
    #[serde(deserialize_with = "number")]
    crf: Option<String>,
    #[serde(deserialize_with = "video_bitrate")]
    bitrate: Option<u64>,
    #[serde(deserialize_with = "height")]
    height: Option<u32>,
    #[serde(deserialize_with = "fps")]
    fps: Option<f64>,
    pixel_format: Option<PixelFormat>,
    #[serde(deserialize_with = "raster")]
    tile: Option<Tile>,
    hdr: Hdr,
    deinterlace: Deinterlace,
    pixel_aspect: PixelAspect,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Audio {
    codec: Option<AudioCodec>,
    #[serde(deserialize_with = "number")]
    bitrate: Option<String>,
    tracks: Tracks,
}

texts! {
    name: String = NAME_RULE, check_name;
    threads: u32 = &threads_rule(), |text| whole(text, 1..=MAX_THREADS, "threads");
    tolerant: bool = "true or false", |text| text.parse().map_err(|_| format!("`{}` is not allowed here", quoted(text)));
    // What is allowed depends on the codec.
    number: String = "a number", |text| Ok(text.to_owned());
    video_bitrate: u64 = "bits per second from 10k to 200M, such as 2500k", |text| bitrate(text, 10_000, 200_000_000);
    height: u32 = "an even number of pixels from 16 to 4320", |text| match text.parse() {
        Ok(height) if (16..=4320).contains(&height) && height % 2 == 0 => Ok(height),
        _ => Err(format!("a height of {}", quoted(text))),
    };
    fps: f64 = "frames per second from 1 to 240, such as 25 or 29.97", |text| match text.parse() {
        Ok(fps) if (1.0..=240.0).contains(&fps) => Ok(fps),
        _ => Err(format!("{} frames per second", quoted(text))),
    };
    raster: Tile = "columns x rows, each 1 to 10, such as 4x4", tile;
}

fn threads_rule() -> String {
    format!("a whole number from 1 to {MAX_THREADS}; it is always pinned, because it decides the bits of the output")
}

/// Checks what can be told only of the whole; `None` where a part is missing or wrong, which has been told of.
fn preset(reader: &mut Reader<'_>, written: Written) -> Option<Preset> {
    reader.require("name", NAME_RULE);
    reader.require("container", &list(Container::ALL));
    reader.require("threads", &threads_rule());
    let is_wrong = |part: &str, is_read: bool| !is_read && reader.raw(part).is_some_and(|value| value.as_str() != Some("none"));
    let (wrong_video, wrong_audio) = (is_wrong("video", written.video.is_some()), is_wrong("audio", written.audio.is_some()));
    let video = written.video.map(|video| self::video(reader, video));
    let audio = written.audio.map(|audio| self::audio(reader, audio));
    let (wrong_video, wrong_audio) = (wrong_video || matches!(video, Some(None)), wrong_audio || matches!(audio, Some(None)));
    let (video, audio) = (video.flatten(), audio.flatten());
    let made = extra::Made {
        container: extra::Part::of(written.container, written.container.is_none()),
        video: extra::Part::of(video.as_ref().map(|plan| plan.codec), wrong_video),
        audio: extra::Part::of(audio.as_ref().map(|plan| plan.codec), wrong_audio),
    };
    let extra = extra::read(reader, &made);
    if reader.has("on_damage") && reader.has("tolerant") {
        reader.wrong("tolerant", "is the old name of on_damage, which stands beside it", "one of the two");
    }
    let tolerant = written.tolerant.map(|tolerant| if tolerant { OnDamage::Keep } else { OnDamage::Fail });

    // Whether the parts fit each other can be told only where the parts are known.
    if wrong_video || wrong_audio {
        return None;
    }
    let mut video = video;
    picture_keys(reader, (written.hdr, written.deinterlace, written.pixel_aspect), video.as_mut());
    if let Some(plan) = &video {
        check_hdr(reader, plan);
    }
    check_subtitles(reader, written.subtitles, written.container, video.is_some());
    if video.is_none() && audio.is_none() {
        let field = if reader.has("video") { "video" } else { "audio" };
        reader.wrong(field, "there is neither video nor audio", "at least one of video and audio");
    }
    let container = written.container?;
    fit(reader, container, video.as_ref(), audio.as_ref());
    Some(Preset {
        name: written.name?,
        video,
        audio,
        container,
        threads: written.threads?,
        extra,
        on_damage: written.on_damage.or(tolerant).unwrap_or_default(),
        subtitles: written.subtitles,
        location: written.location,
    })
}

/// The keys of the picture that stand beside `video` instead of in it.
fn picture_keys(
    reader: &mut Reader<'_>,
    (hdr, deinterlace, pixel_aspect): (Option<Hdr>, Option<Deinterlace>, Option<PixelAspect>),
    plan: Option<&mut VideoPlan>,
) {
    let given: Vec<&str> = ["hdr", "deinterlace", "pixel_aspect"].into_iter().filter(|key| reader.has(key)).collect();
    let Some(plan) = plan else {
        for key in given {
            reader.wrong(key, "there is no picture", &format!("no {key} without video"));
        }
        return;
    };
    let is_default = |key: &str| match key {
        "hdr" => plan.hdr == Hdr::default(),
        "deinterlace" => plan.deinterlace == Deinterlace::default(),
        _ => plan.pixel_aspect == PixelAspect::default(),
    };
    for key in given.iter().filter(|key| !is_default(key)) {
        reader.wrong(key, "is given twice, here and in video", "once");
    }
    if plan.codec == VideoCodec::Copy {
        for key in given {
            reader.wrong(key, "the stream is copied, not encoded", &format!("no {key} with codec copy"));
        }
    }
    plan.hdr = hdr.unwrap_or(plan.hdr);
    plan.deinterlace = deinterlace.unwrap_or(plan.deinterlace);
    plan.pixel_aspect = pixel_aspect.unwrap_or(plan.pixel_aspect);
}

/// High dynamic range needs 10 bits: with 8 it shows bands.
fn check_hdr(reader: &mut Reader<'_>, plan: &VideoPlan) {
    if plan.hdr == Hdr::Keep && !plan.pixel_format.is_some_and(PixelFormat::is_deep) {
        let field = if reader.has("hdr") { "hdr" } else { "video.hdr" };
        reader.wrong(field, "8 bits cannot hold high dynamic range", "hdr: keep with pixel_format: yuv420p10le or yuv422p10le");
    }
}

fn check_subtitles(reader: &mut Reader<'_>, subtitles: Subtitles, container: Option<Container>, has_picture: bool) {
    let Some(container) = container.filter(|_| subtitles == Subtitles::Keep) else { return };
    if !has_picture {
        reader.wrong("subtitles", "there is no picture to show them on", "no subtitles: keep without video");
    } else if !matches!(container, Container::Mp4 | Container::Mov | Container::Mkv | Container::Webm) {
        reader.wrong("subtitles", &format!("{container} holds none"), "subtitles: keep with container mp4, mov, mkv or webm");
    }
}

fn video(reader: &mut Reader<'_>, video: Video) -> Option<VideoPlan> {
    reader.require("video.codec", &list(VideoCodec::ALL));
    let Video { codec, preset, crf, bitrate, height, fps, pixel_format, tile, hdr, deinterlace, pixel_aspect } = video;
    let most = codec.and_then(crf_limit).unwrap_or(63);
    let crf = crf.and_then(|text| match text.parse::<u8>() {
        Ok(crf) if crf <= most => Some(crf),
        number => {
            let problem =
                number.map_or_else(|_| format!("`{}` is not allowed here", quoted(&text)), |crf| format!("{crf} is too large"));
            reader.wrong("video.crf", &problem, &format!("a whole number from 0 (best) to {most} (smallest)"));
            None
        }
    });

    let codec = codec?;
    if codec == VideoCodec::Copy {
        const OF_ENCODERS: [&str; 10] =
            ["preset", "crf", "bitrate", "height", "fps", "pixel_format", "tile", "hdr", "deinterlace", "pixel_aspect"];
        for key in OF_ENCODERS {
            let field = join("video", key);
            if reader.has(&field) {
                reader.wrong(&field, "the stream is copied, not encoded", &format!("no {key} with codec copy"));
            }
        }
    } else {
        if reader.has("video.preset") && !matches!(codec, VideoCodec::X264 | VideoCodec::X265) {
            let allowed = if codec == VideoCodec::SvtAv1 {
                "none here; for libsvtav1 write extra: [\"-preset\", \"8\"]"
            } else {
                "none here; it belongs to libx264 and libx265"
            };
            reader.wrong("video.preset", &format!("{codec} has no such presets"), allowed);
        }
        if reader.has("video.crf") && crf_limit(codec).is_none() {
            reader.wrong(
                "video.crf",
                &format!("{codec} has no crf"),
                "no crf; it belongs to libx264, libx265, libvpx-vp9 and libsvtav1",
            );
        }
        if reader.has("video.bitrate") && codec == VideoCodec::Mjpeg {
            reader.wrong("video.bitrate", "a still picture has no bitrate", "extra: [\"-q:v\", \"4\"]");
        }
        if reader.has("video.crf") && reader.has("video.bitrate") {
            reader.wrong("video.bitrate", "stands beside crf, and only one can be kept", "one of crf and bitrate");
        }
        if let Some(format) = pixel_format.filter(|format| !pixel_formats(codec).contains(format)) {
            reader.wrong("video.pixel_format", &format!("{codec} cannot encode {format}"), &list(pixel_formats(codec)));
        }
    }
    if reader.has("video.tile") && reader.has("video.fps") {
        reader.wrong("video.fps", "a contact sheet has no frame rate", "no fps beside tile");
    }
    Some(VideoPlan { codec, preset, crf, bitrate, height, fps, pixel_format, tile, hdr, deinterlace, pixel_aspect })
}

fn audio(reader: &mut Reader<'_>, Audio { codec, bitrate, tracks }: Audio) -> Option<AudioPlan> {
    reader.require("audio.codec", &list(AudioCodec::ALL));
    let (rule, highest) = match codec {
        Some(AudioCodec::Mp3) => ("bits per second from 8k to 320k, such as 128k", 320_000),
        _ => ("bits per second from 8k to 510k, such as 128k", 510_000),
    };
    let bitrate = bitrate.and_then(|text| {
        self::bitrate(&text, 8_000, highest).map_err(|problem| reader.wrong("audio.bitrate", &problem, rule)).ok()
    });
    let codec = codec?;
    if reader.has("audio.bitrate") && matches!(codec, AudioCodec::Copy | AudioCodec::Flac) {
        let why = if codec == AudioCodec::Copy {
            "the stream is copied, not encoded"
        } else {
            "flac loses nothing and takes what it needs"
        };
        reader.wrong("audio.bitrate", why, &format!("no bitrate with codec {codec}"));
    }
    Some(AudioPlan { codec, bitrate, tracks })
}

/// Checks that the container can hold what is made.
fn fit(reader: &mut Reader<'_>, container: Container, video: Option<&VideoPlan>, audio: Option<&AudioPlan>) {
    if let Some(plan) = video {
        let can = video_codecs(container);
        if can.is_empty() {
            reader.wrong("video", &format!("{container} holds sound only"), "no video, or another container");
        } else if !can.contains(&plan.codec) {
            reader.wrong("video.codec", &format!("{container} cannot hold {}", plan.codec), &list(can));
        }
        if plan.tile.is_some() && !container.is_still() {
            reader.wrong(
                "video.tile",
                &format!("a contact sheet is a still picture, and {container} is none"),
                "container: jpg with tile",
            );
        }
        if plan.tile.is_none() && container.is_still() {
            reader.wrong(
                "container",
                "a film does not fit into one still picture",
                "video with tile, such as tile: 4x4, or another container",
            );
        }
    }
    if let Some(plan) = audio {
        let can = audio_codecs(container);
        if can.is_empty() {
            reader.wrong("audio", &format!("{container} holds no sound"), "no audio, or another container");
        } else if !can.contains(&plan.codec) {
            reader.wrong("audio.codec", &format!("{container} cannot hold {}", plan.codec), &list(can));
        }
    }
}

/// What each container can hold in ffmpeg 5.1: found by writing and probing each pair. Streams that `mpegts` would only
/// label as private data are left out.
fn video_codecs(container: Container) -> &'static [VideoCodec] {
    use VideoCodec::{Copy, Mjpeg, Mpeg4, SvtAv1, Vp9, X264, X265};
    match container {
        Container::Mp4 => &[X264, X265, Vp9, SvtAv1, Mpeg4, Copy],
        Container::M4a => &[],
        Container::Mkv => &[X264, X265, Vp9, SvtAv1, Mpeg4, Mjpeg, Copy],
        Container::Webm => &[Vp9, SvtAv1, Copy],
        Container::Mov => &[X264, X265, Mpeg4, Mjpeg, Copy],
        Container::Ts => &[X264, X265, Mpeg4, Copy],
        Container::Jpg => &[Mjpeg],
    }
}

/// As [`video_codecs`], for sound. FLAC in MP4 is experimental there.
fn audio_codecs(container: Container) -> &'static [AudioCodec] {
    use AudioCodec::{Aac, Copy, Flac, Mp3, Opus};
    match container {
        Container::Mp4 => &[Aac, Opus, Mp3, Copy],
        Container::M4a => &[Aac, Copy],
        Container::Mkv => &[Aac, Opus, Mp3, Flac, Copy],
        Container::Webm => &[Opus, Copy],
        Container::Mov => &[Aac, Mp3, Copy],
        Container::Ts => &[Aac, Opus, Mp3, Copy],
        Container::Jpg => &[],
    }
}

/// Of the pixel formats that presets know, those that the encoder takes (`ffmpeg -h encoder=NAME`).
fn pixel_formats(codec: VideoCodec) -> &'static [PixelFormat] {
    use PixelFormat::{Yuv420p, Yuv420p10, Yuv422p, Yuv422p10, Yuv444p, Yuvj420p};
    match codec {
        VideoCodec::X264 | VideoCodec::X265 => &[Yuv420p, Yuv422p, Yuv444p, Yuv420p10, Yuv422p10, Yuvj420p],
        VideoCodec::Vp9 => &[Yuv420p, Yuv422p, Yuv444p, Yuv420p10, Yuv422p10],
        VideoCodec::SvtAv1 => &[Yuv420p, Yuv420p10],
        VideoCodec::Mpeg4 => &[Yuv420p],
        VideoCodec::Mjpeg => &[Yuvj420p],
        VideoCodec::Copy => &[],
    }
}

/// The largest crf of an encoder that has one.
fn crf_limit(codec: VideoCodec) -> Option<u8> {
    match codec {
        VideoCodec::X264 | VideoCodec::X265 => Some(51),
        VideoCodec::Vp9 | VideoCodec::SvtAv1 => Some(63),
        VideoCodec::Mpeg4 | VideoCodec::Mjpeg | VideoCodec::Copy => None,
    }
}

fn list<T: std::fmt::Display>(all: &[T]) -> String {
    all.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

/// Bits per second: `128k`, `2.5M` or a bare number; k and M are thousands here, as ffmpeg counts bits.
fn bitrate(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let error = || format!("`{}` is not a bitrate", quoted(text));
    let (number, factor) = match text.trim().char_indices().last() {
        Some((at, 'k' | 'K')) => (&text.trim()[..at], 1e3),
        Some((at, 'm' | 'M')) => (&text.trim()[..at], 1e6),
        _ => (text.trim(), 1.0),
    };
    if number.is_empty() || !number.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return Err(error());
    }
    let bits = number.parse::<f64>().map_err(|_| error())? * factor;
    if bits < least as f64 || bits > most as f64 {
        return Err(format!("`{}` is out of range", quoted(text)));
    }
    Ok(bits.round() as u64)
}

fn tile(text: &str) -> Result<Tile, String> {
    let side = |text: &str| text.parse::<u32>().ok().filter(|side| (1..=10).contains(side) && text.len() <= 2);
    let sides = text.split_once('x').and_then(|(columns, rows)| Some((side(columns)?, side(rows)?)));
    let (columns, rows) = sides.ok_or_else(|| format!("`{}` is not a raster", quoted(text)))?;
    Ok(Tile { columns, rows })
}

/// Whether a preset that comes from no file could stand in one: all that [`parse`] checks holds for it.
///
/// # Errors
/// The first mistake, in words.
pub fn check(preset: &Preset) -> Result<(), String> {
    match parse(Path::new(&preset.name), &to_yaml(preset)) {
        Ok(read) if read == *preset => Ok(()),
        Ok(_) => Err("it says something that no preset file can say".to_owned()),
        Err(mistakes) => Err(mistakes
            .first()
            .map_or_else(String::new, |mistake| format!("{}: {}; allowed: {}", mistake.field, mistake.problem, mistake.allowed))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WEB: &str = include_str!("../../presets/web-720p.yaml");

    fn told(from: &str, to: &str) -> String {
        assert!(WEB.contains(from), "{from}");
        match parse(Path::new("x.yaml"), &WEB.replacen(from, to, 1)) {
            Ok(preset) => format!("ok: {preset:?}"),
            Err(mistakes) => super::super::search::lines(&mistakes),
        }
    }

    #[test]
    fn the_example_reads_as_it_is_written() {
        let preset = parse(Path::new("web-720p.yaml"), WEB).expect("valid");
        let video = preset.video.expect("video");
        assert_eq!((video.codec, video.preset, video.crf), (VideoCodec::X264, Some(SpeedPreset::Medium), Some(23)));
        assert_eq!((video.height, video.pixel_format), (Some(720), Some(PixelFormat::Yuv420p)));
        assert_eq!(preset.audio, Some(AudioPlan { codec: AudioCodec::Aac, bitrate: Some(128_000), tracks: Tracks::Best }));
        assert_eq!((preset.container, preset.threads), (Container::Mp4, 2));
        assert_eq!(preset.extra, ["-movflags", "+faststart"]);
        assert_eq!(preset.on_damage, OnDamage::Keep);
    }

    #[test]
    fn each_mistake_is_told_with_its_place_its_field_and_what_is_allowed() {
        for (from, to, message) in [
            (
                "crf: 23",
                "crv: 23",
                "5:42: video.crv: unknown key; did you mean `crf`?; allowed: codec, preset, crf, bitrate, height, fps, pixel_format, tile, hdr, deinterlace, pixel_aspect",
            ),
            (
                "libx264",
                "libx265x",
                "5:17: video.codec: unknown codec `libx265x`; did you mean `libx265`?; allowed: libx264, libx265, libvpx-vp9, libsvtav1, mpeg4, mjpeg, copy",
            ),
            (
                "libx264",
                "h264_nvenc",
                "5:17: video.codec: unknown codec `h264_nvenc`; allowed: libx264, libx265, libvpx-vp9, libsvtav1, mpeg4, mjpeg, copy",
            ),
            (
                "codec: libx264, ",
                "",
                "5:8: video.codec: is missing; allowed: libx264, libx265, libvpx-vp9, libsvtav1, mpeg4, mjpeg, copy",
            ),
            (
                "preset: medium",
                "preset: placebo",
                "5:34: video.preset: unknown preset `placebo`; allowed: ultrafast, superfast, veryfast, faster, fast, medium, slow, slower, veryslow",
            ),
            ("crf: 23", "crf: 52", "5:47: video.crf: 52 is too large; allowed: a whole number from 0 (best) to 51 (smallest)"),
            (
                "crf: 23",
                "crf: -1",
                "5:47: video.crf: `-1` is not allowed here; allowed: a whole number from 0 (best) to 51 (smallest)",
            ),
            (
                "crf: 23",
                "crf: 23, bitrate: 1M",
                "5:60: video.bitrate: stands beside crf, and only one can be kept; allowed: one of crf and bitrate",
            ),
            (
                "height: 720",
                "height: 721",
                "5:59: video.height: a height of 721; allowed: an even number of pixels from 16 to 4320",
            ),
            (
                "height: 720",
                "fps: 0",
                "5:56: video.fps: 0 frames per second; allowed: frames per second from 1 to 240, such as 25 or 29.97",
            ),
            (
                "height: 720",
                "fps: .nan",
                "5:56: video.fps: .nan frames per second; allowed: frames per second from 1 to 240, such as 25 or 29.97",
            ),
            (
                "yuv420p }",
                "rgb24 }",
                "5:78: video.pixel_format: unknown pixel format `rgb24`; allowed: yuv420p, yuv422p, yuv444p, yuv420p10le, yuv422p10le, yuvj420p",
            ),
            (
                "height: 720",
                "tile: 4x4",
                "5:57: video.tile: a contact sheet is a still picture, and mp4 is none; allowed: container: jpg with tile",
            ),
            (
                "height: 720",
                "tile: 0x4",
                "5:57: video.tile: `0x4` is not a raster; allowed: columns x rows, each 1 to 10, such as 4x4",
            ),
            (
                "codec: libx264, preset: medium, crf: 23, height: 720, pixel_format: yuv420p",
                "codec: copy, crf: 23",
                "5:28: video.crf: the stream is copied, not encoded; allowed: no crf with codec copy",
            ),
            (
                "codec: libx264, preset: medium, crf: 23",
                "codec: mpeg4, crf: 23",
                "5:29: video.crf: mpeg4 has no crf; allowed: no crf; it belongs to libx264, libx265, libvpx-vp9 and libsvtav1",
            ),
            (
                "libx264",
                "libsvtav1",
                "5:36: video.preset: libsvtav1 has no such presets; allowed: none here; for libsvtav1 write extra: [\"-preset\", \"8\"]",
            ),
            (
                "codec: aac",
                "codec: libvorbis",
                "6:17: audio.codec: unknown codec `libvorbis`; allowed: aac, libopus, libmp3lame, flac, copy",
            ),
            ("codec: aac", "codec: flac", "6:17: audio.codec: mp4 cannot hold flac; allowed: aac, libopus, libmp3lame, copy"),
            (
                "codec: aac",
                "codec: copy",
                "6:32: audio.bitrate: the stream is copied, not encoded; allowed: no bitrate with codec copy",
            ),
            (
                "128k",
                "128 kbit",
                "6:31: audio.bitrate: `128 kbit` is not a bitrate; allowed: bits per second from 8k to 510k, such as 128k",
            ),
            ("128k", "5", "6:31: audio.bitrate: `5` is out of range; allowed: bits per second from 8k to 510k, such as 128k"),
            (
                "container: mp4",
                "container: webm",
                "5:17: video.codec: webm cannot hold libx264; allowed: libvpx-vp9, libsvtav1, copy",
            ),
            ("container: mp4", "container: m4a", "5:8: video: m4a holds sound only; allowed: no video, or another container"),
            (
                "container: mp4",
                "container: avi",
                "7:12: container: unknown container `avi`; allowed: mp4, m4a, mkv, webm, mov, ts, jpg",
            ),
            ("container: mp4\n", "", "4:1: container: is missing; allowed: mp4, m4a, mkv, webm, mov, ts, jpg"),
            (
                "threads: 2",
                "threads: 0",
                "8:10: threads: 0 threads; allowed: a whole number from 1 to 64; it is always pinned, because it decides the bits of the output",
            ),
            (
                "threads: 2",
                "tolerant: no",
                "4:1: threads: is missing; allowed: a whole number from 1 to 64; it is always pinned, because it decides the bits of the output",
            ),
            (
                "threads: 2",
                "threads: auto",
                "8:10: threads: `auto` is not allowed here; allowed: a whole number from 1 to 64; it is always pinned, because it decides the bits of the output",
            ),
            (
                "\"-movflags\", \"+faststart\"",
                "\"-tune\"",
                "9:9: extra[0]: -tune has no value; allowed: film, animation, grain, stillimage, fastdecode, zerolatency",
            ),
            ("\"-movflags\"", "\"-row-mt\"", "9:9: extra[0]: -row-mt has no meaning here; allowed: -row-mt with libvpx-vp9"),
            (
                "+faststart\"]",
                "+faststart+frag_custom\"]",
                "9:22: extra[1]: `+faststart+frag_custom` is no value of -movflags; allowed: +faststart",
            ),
            (
                "\"+faststart\"]",
                "\"+faststart\", \"-movflags\", \"+faststart\"]",
                "9:36: extra[2]: -movflags is given twice; allowed: each option once",
            ),
            (
                "[\"-movflags\", \"+faststart\"]",
                "-movflags +faststart",
                "9:8: extra: is not a list; allowed: a list of options and values in turn, such as [\"-movflags\", \"+faststart\"]",
            ),
        ] {
            let told = told(from, to);
            let first = told.lines().next().unwrap_or_default();
            assert_eq!(first, format!("x.yaml:{message}"), "{from} -> {to}");
        }
    }

    #[test]
    fn a_wrong_option_is_told_together_with_what_is_wrong_beside_it() {
        for (right, wrong) in
            [("codec: libx264", "codec: x265"), ("codec: aac", "codec: wma"), ("container: mp4", "container: avi")]
        {
            let text = WEB.replacen("-movflags", "-vf", 1).replacen(right, wrong, 1);
            let told = parse(Path::new("x.yaml"), &text).expect_err("two mistakes");
            let told: Vec<String> = told.iter().map(ToString::to_string).collect();
            assert_eq!(told.len(), 2, "{told:?}");
            assert!(told[1].contains("extra[0]: the option `-vf` is not on the allow list"), "{told:?}");
        }
        // What the codec is for is not known: nothing is said of an option that may belong to it.
        let text =
            WEB.replacen("codec: libx264", "codec: x265", 1).replacen("[\"-movflags\", \"+faststart\"]", "[\"-bf\", \"2\"]", 1);
        assert_eq!(parse(Path::new("x.yaml"), &text).expect_err("one mistake").len(), 1);
    }

    #[test]
    fn options_that_could_reach_files_or_filters_are_not_on_the_allow_list() {
        for option in [
            "-i",
            "-f",
            "-vf",
            "-filter_complex",
            "-map",
            "-attach",
            "-dump_attachment",
            "-passlogfile",
            "-pass",
            "-x264-params",
            "-x264opts",
            "-stats",
            "-progress",
            "-report",
            "-y",
            "-threads",
            "-fs",
            "-vstats_file",
            "-sdp_file",
            "-init_hw_device",
            "/etc/passwd",
            "-protocol_whitelist",
            "-metadata",
            "-bsf:v",
            "-enc_time_base",
            "-vpre",
            "-fpre",
        ] {
            let told = told("\"-movflags\"", &format!("\"{option}\""));
            assert!(told.contains(&format!("9:9: extra[0]: the option `{option}` is not on the allow list")), "{told}");
            assert!(told.contains("; allowed: -movflags, -tune, "), "{told}");
        }
    }

    #[test]
    fn a_preset_that_makes_nothing_is_refused() {
        let told = parse(Path::new("x.yaml"), "name: x\ncontainer: mp4\nthreads: 1\n").expect_err("nothing");
        assert_eq!(
            told[0].to_string(),
            "x.yaml:1:1: audio: there is neither video nor audio; allowed: at least one of video and audio"
        );
        let silent = "name: x\nvideo: { codec: libx264 }\naudio: none\ncontainer: mp4\nthreads: 1\n";
        assert_eq!(parse(Path::new("x.yaml"), silent).expect("valid").audio, None);
        let film = "name: x\nvideo: { codec: mjpeg }\ncontainer: jpg\nthreads: 1\n";
        let told = parse(Path::new("x.yaml"), film).expect_err("a film in a still");
        assert!(told[0].to_string().starts_with("x.yaml:3:12: container: a film does not fit"), "{}", told[0]);
    }

    #[test]
    fn bitrates_count_in_thousands() {
        for (text, bits) in [("128k", 128_000), ("2.5M", 2_500_000), ("64000", 64_000), ("96K", 96_000)] {
            assert_eq!(bitrate(text, 1, 1 << 40), Ok(bits), "{text}");
        }
        for text in ["", "k", "-1k", "1e5", "12kb", "nan", "1.2.3k", "é"] {
            assert!(bitrate(text, 1, 1 << 40).is_err(), "{text}");
        }
    }

    #[test]
    fn every_shipped_preset_written_as_yaml_reads_back_the_same() {
        use super::super::search::Kind as _;
        for (name, text) in Preset::BUILT_IN {
            let preset = parse(Path::new(name), text).expect(name);
            assert_eq!(parse(Path::new(name), &to_yaml(&preset)), Ok(preset), "{name}");
        }
    }

    #[test]
    fn a_preset_that_comes_from_no_file_is_held_against_the_same_rules() {
        let sound = parse(Path::new("x.yaml"), WEB).expect("sound");
        assert_eq!(check(&sound), Ok(()));
        let smuggler = Preset { extra: vec!["-i".to_owned(), "/etc/passwd".to_owned()], ..sound.clone() };
        assert!(check(&smuggler).is_err_and(|why| why.starts_with("extra[0]: the option `-i` is not on the allow list")));
        let nowhere = Preset { name: "../../x".to_owned(), ..sound.clone() };
        assert!(check(&nowhere).is_err_and(|why| why.starts_with("name: ")), "{:?}", check(&nowhere));
        let greedy = Preset { threads: 4096, ..sound };
        assert!(check(&greedy).is_err_and(|why| why.starts_with("threads: ")), "{:?}", check(&greedy));
    }

    proptest! {
        #[test]
        fn a_mutated_preset_is_read_or_refused_with_a_reason(at in 0..WEB.len(), cut in 0..30_usize, put in "[-a-z0-9:{}\\[\\],&*!#|>'\"%@ \n\t\u{85}é\0]{0,6}") {
            let text = format!("{}{put}{}", &WEB[..at], &WEB[(at + cut).min(WEB.len())..]);
            match parse(Path::new("x.yaml"), &text) {
                Ok(preset) => prop_assert_eq!(parse(Path::new("x.yaml"), &to_yaml(&preset)), Ok(preset)),
                Err(mistakes) => {
                    prop_assert!(!mistakes.is_empty());
                    for mistake in mistakes {
                        prop_assert!(mistake.line >= 1 && mistake.column >= 1 && !mistake.allowed.is_empty(), "{mistake}");
                    }
                }
            }
        }
    }
}
