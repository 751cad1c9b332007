//! A preset from YAML, every mistake named, and back to YAML.
//!
//! Lets pass only what ffmpeg can make and what cannot make it read or write further files. Knows nothing of where presets
//! lie; building ffmpeg's command line is the host's work.

use std::fmt::Write as _;
use std::path::Path;

use serde_yaml::Value;

use super::profile::text_yaml;
use super::read::{NAME_RULE, Reader, Section, check_name};
use super::yaml::{ConfigError, Document, quoted};
use crate::domain::preset::{AudioCodec, AudioPlan, Container, PixelFormat, Preset, SpeedPreset, Tile, VideoCodec, VideoPlan};

mod extra;

const KEYS: &[&str] = &["name", "video", "audio", "container", "threads", "extra", "tolerant"];
const VIDEO_KEYS: &[&str] = &["codec", "preset", "crf", "bitrate", "height", "fps", "pixel_format", "tile"];
const AUDIO_KEYS: &[&str] = &["codec", "bitrate"];
/// Most threads: what the memory model was fitted to, and more than small boxes have.
const MAX_THREADS: u32 = 64;

/// Reads a preset.
///
/// # Errors
/// Every mistake of the file, in its order; only the first where it is no YAML or was refused by the guard.
pub fn parse(file: &Path, text: &str) -> Result<Preset, Vec<ConfigError>> {
    let document = Document::read(file, text).map_err(|error| vec![error])?;
    let mut reader = Reader::new(&document);
    let read = reader.document(KEYS).and_then(|root| preset(&mut reader, &root));
    reader.finish(read)
}

fn preset<'d>(reader: &mut Reader<'d>, root: &Section<'d>) -> Option<Preset> {
    reader.require(root, "name", NAME_RULE);
    let name = reader.parsed(root, "name", NAME_RULE, check_name);
    let container = choice(reader, root, "container", Container::ALL, Container::as_str);
    reader.require(root, "container", &list(Container::ALL));
    let video = plan(reader, root, "video", VIDEO_KEYS, video);
    let audio = plan(reader, root, "audio", AUDIO_KEYS, audio);

    let threads_rule =
        format!("a whole number from 1 to {MAX_THREADS}; it is always pinned, because it decides the bits of the output");
    reader.require(root, "threads", &threads_rule);
    let threads = reader.typed::<u32>(root, "threads", &threads_rule, |threads| {
        if (1..=MAX_THREADS).contains(threads) { Ok(()) } else { Err(format!("{threads} threads")) }
    });
    let tolerant = reader.typed::<bool>(root, "tolerant", "true or false", |_| Ok(()));

    // Whether the parts fit each other can be told only where the parts are known.
    let (video, audio) = (video?, audio?);
    if video.is_none() && audio.is_none() {
        let field = if root.has("video") { "video" } else { "audio" };
        reader.wrong(field, "there is neither video nor audio", "at least one of video and audio");
    }
    let container = container?;
    fit(reader, container, video.as_ref(), audio.as_ref());
    let made =
        extra::Made { container, video: video.as_ref().map(|plan| plan.codec), audio: audio.as_ref().map(|plan| plan.codec) };
    let extra = extra::read(reader, root, &made);
    Some(Preset { name: name?, video, audio, container, threads: threads?, extra, tolerant: tolerant.unwrap_or(false) })
}

/// A section that may be left out, or be the word `none`: `Some(None)` then; `None` where it is wrong.
fn plan<'d, T>(
    reader: &mut Reader<'d>,
    root: &Section<'d>,
    key: &str,
    keys: &[&str],
    read: impl FnOnce(&mut Reader<'d>, &Section<'d>) -> Option<T>,
) -> Option<Option<T>> {
    match reader.raw(root, key) {
        None => Some(None),
        Some(Value::String(word)) if word == "none" => Some(None),
        Some(_) => reader.section(root, key, keys).and_then(|section| read(reader, &section)).map(Some),
    }
}

fn video<'d>(reader: &mut Reader<'d>, section: &Section<'d>) -> Option<VideoPlan> {
    reader.require(section, "codec", &list(VideoCodec::ALL));
    let codec = choice(reader, section, "codec", VideoCodec::ALL, VideoCodec::as_str);
    let preset = choice(reader, section, "preset", SpeedPreset::ALL, SpeedPreset::as_str);
    let crf_max = codec.and_then(crf_limit).unwrap_or(63);
    let crf_rule = format!("a whole number from 0 (best) to {crf_max} (smallest)");
    let crf = reader
        .typed::<u8>(section, "crf", &crf_rule, |crf| if *crf <= crf_max { Ok(()) } else { Err(format!("{crf} is too large")) });
    let bitrate = reader
        .parsed(section, "bitrate", "bits per second from 10k to 200M, such as 2500k", |text| bitrate(text, 10_000, 200_000_000));
    let height = reader.typed::<u32>(section, "height", "an even number of pixels from 16 to 4320", |height| {
        if (16..=4320).contains(height) && height % 2 == 0 { Ok(()) } else { Err(format!("a height of {height}")) }
    });
    let fps = reader.typed::<f64>(section, "fps", "frames per second from 1 to 240, such as 25 or 29.97", |fps| {
        if (1.0..=240.0).contains(fps) { Ok(()) } else { Err(format!("{fps} frames per second")) }
    });
    let pixel_format = choice(reader, section, "pixel_format", PixelFormat::ALL, PixelFormat::as_str);
    let tile = reader.parsed(section, "tile", "columns x rows, each 1 to 10, such as 4x4", tile);

    let codec = codec?;
    if codec == VideoCodec::Copy {
        for key in section.keys().filter(|key| *key != "codec" && VIDEO_KEYS.contains(key)) {
            reader.wrong(&section.path_of(key), "the stream is copied, not encoded", &format!("no {key} with codec copy"));
        }
    } else {
        if section.has("preset") && !matches!(codec, VideoCodec::X264 | VideoCodec::X265) {
            let allowed = if codec == VideoCodec::SvtAv1 {
                "none here; for libsvtav1 write extra: [\"-preset\", \"8\"]"
            } else {
                "none here; it belongs to libx264 and libx265"
            };
            reader.wrong("video.preset", &format!("{codec} has no such presets"), allowed);
        }
        if section.has("crf") && crf_limit(codec).is_none() {
            reader.wrong(
                "video.crf",
                &format!("{codec} has no crf"),
                "no crf; it belongs to libx264, libx265, libvpx-vp9 and libsvtav1",
            );
        }
        if section.has("bitrate") && codec == VideoCodec::Mjpeg {
            reader.wrong("video.bitrate", "a still picture has no bitrate", "extra: [\"-q:v\", \"4\"]");
        }
        if section.has("crf") && section.has("bitrate") {
            reader.wrong("video.bitrate", "stands beside crf, and only one can be kept", "one of crf and bitrate");
        }
        if let Some(format) = pixel_format.filter(|format| !pixel_formats(codec).contains(format)) {
            reader.wrong("video.pixel_format", &format!("{codec} cannot encode {format}"), &list(pixel_formats(codec)));
        }
    }
    if section.has("tile") && section.has("fps") {
        reader.wrong("video.fps", "a contact sheet has no frame rate", "no fps beside tile");
    }
    Some(VideoPlan { codec, preset, crf, bitrate, height, fps, pixel_format, tile })
}

fn audio<'d>(reader: &mut Reader<'d>, section: &Section<'d>) -> Option<AudioPlan> {
    reader.require(section, "codec", &list(AudioCodec::ALL));
    let codec = choice(reader, section, "codec", AudioCodec::ALL, AudioCodec::as_str);
    let (rule, highest) = match codec {
        Some(AudioCodec::Mp3) => ("bits per second from 8k to 320k, such as 128k", 320_000),
        _ => ("bits per second from 8k to 510k, such as 128k", 510_000),
    };
    let bitrate = reader.parsed(section, "bitrate", rule, |text| bitrate(text, 8_000, highest));
    let codec = codec?;
    if section.has("bitrate") && matches!(codec, AudioCodec::Copy | AudioCodec::Flac) {
        let why = if codec == AudioCodec::Copy {
            "the stream is copied, not encoded"
        } else {
            "flac loses nothing and takes what it needs"
        };
        reader.wrong("audio.bitrate", why, &format!("no bitrate with codec {codec}"));
    }
    Some(AudioPlan { codec, bitrate })
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

/// One of an enumeration's choices, by its spelling.
fn choice<'d, T: Copy + std::fmt::Display>(
    reader: &mut Reader<'d>,
    section: &Section<'d>,
    key: &str,
    all: &[T],
    spelling: impl Fn(T) -> &'static str,
) -> Option<T> {
    reader.parsed(section, key, &list(all), |text| {
        all.iter().copied().find(|one| spelling(*one) == text).ok_or_else(|| {
            let meant = super::spell::nearest(text, all.iter().map(|one| spelling(*one)));
            let meant = meant.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            format!("unknown {} `{}`{meant}", key.replace('_', " "), quoted(text))
        })
    })
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

/// The preset as YAML that [`parse`] reads back to the same preset.
pub fn to_yaml(preset: &Preset) -> String {
    let mut out = format!("name: {}\n", text_yaml(&preset.name));
    // Writing to a String cannot fail.
    if let Some(video) = &preset.video {
        let _ = writeln!(out, "video:\n  codec: {}", video.codec);
        let mut field = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = writeln!(out, "  {key}: {value}");
            }
        };
        field("preset", video.preset.map(|preset| preset.to_string()));
        field("crf", video.crf.map(|crf| crf.to_string()));
        field("bitrate", video.bitrate.map(bitrate_yaml));
        field("height", video.height.map(|height| height.to_string()));
        field("fps", video.fps.map(|fps| fps.to_string()));
        field("pixel_format", video.pixel_format.map(|format| format.to_string()));
        field("tile", video.tile.map(|tile| format!("{}x{}", tile.columns, tile.rows)));
    }
    if let Some(audio) = &preset.audio {
        let _ = writeln!(out, "audio:\n  codec: {}", audio.codec);
        if let Some(bitrate) = audio.bitrate {
            let _ = writeln!(out, "  bitrate: {}", bitrate_yaml(bitrate));
        }
    }
    let _ = writeln!(out, "container: {}\nthreads: {}", preset.container, preset.threads);
    if !preset.extra.is_empty() {
        let quoted: Vec<String> = preset.extra.iter().map(|word| format!("\"{word}\"")).collect();
        let _ = writeln!(out, "extra: [{}]", quoted.join(", "));
    }
    if preset.tolerant {
        out.push_str("tolerant: true\n");
    }
    out
}

/// Bits per second as a preset writes them: `128k`, else the bare number.
pub fn bitrate_yaml(bits: u64) -> String {
    if bits.is_multiple_of(1000) { format!("{}k", bits / 1000) } else { bits.to_string() }
}
