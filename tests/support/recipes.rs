//! The table of measured peaks: what was made of what, and how much memory that took, for two clips of other content.

use super::domain::preset::{
    AudioCodec, AudioPlan, Container, Location, OnDamage, PixelFormat, Preset, SpeedPreset, Subtitles, Tile, VideoCodec, VideoPlan,
};

/// The table, see its head.
pub const TABLE: &str = include_str!("../data/peaks.txt");

/// A row of the table.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The row's text before its figures.
    pub text: String,
    /// ffmpeg's name of the input's codec.
    pub input: String,
    /// Width and height of the input.
    pub size: (u32, u32),
    /// The input's pixel format.
    pub format: String,
    /// What is made of it.
    pub preset: Preset,
    /// Peaks measured in MB, one for each clip; none in a row not yet measured.
    pub peaks: Vec<f64>,
}

impl Recipe {
    /// How far the model may be from a measured peak, as a share of it.
    pub fn bound(&self) -> f64 {
        let is_x264 = self.preset.video.as_ref().is_some_and(|plan| plan.codec == VideoCodec::X264);
        if is_x264 { 0.15 } else { 0.25 }
    }

    /// What one run taught (`expected`, in MB) is near enough what another took. SVT-AV1 holds as many pictures as its
    /// threads happen to work on; in small processes a few MB one way or the other are a large share.
    pub fn is_learned(&self, expected: f64, took: f64) -> bool {
        let is_svt = self.preset.video.as_ref().is_some_and(|plan| plan.codec == VideoCodec::SvtAv1);
        let bound = if is_svt { 0.25 } else { 0.12 };
        (expected - took).abs() <= (took * bound).max(8.0)
    }
}

/// Frames of the clips that were measured. The encoders' queues are full after 20 to 70.
pub const FRAMES: u32 = 100;
/// Frames per second of the clips.
pub const FPS: u32 = 25;

/// Every row of the table.
pub fn recipes() -> Vec<Recipe> {
    let rows = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|line| read(line).unwrap_or_else(|| panic!("tests/data/peaks.txt: {line}"))).collect()
}

fn read(line: &str) -> Option<Recipe> {
    let (text, figures) = line.split_once('|')?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let [input, size, format, encoder, speed, height, threads, extra @ ..] = words.as_slice() else { return None };
    let (width, lines) = size.split_once('x')?;
    let peaks = figures.split_whitespace().map(|figure| figure.parse().ok()).collect::<Option<_>>()?;
    let speed = SpeedPreset::ALL.iter().copied().find(|known| known.as_str() == *speed);
    let codec = VideoCodec::ALL.iter().copied().find(|codec| codec.as_str() == *encoder);
    let still = codec == Some(VideoCodec::Mjpeg);
    let mut pixel_format = Some(if still { PixelFormat::Yuvj420p } else { PixelFormat::Yuv420p });
    let mut options = Vec::new();
    for word in extra {
        match word.strip_prefix("pixel_format=") {
            Some("-") => pixel_format = None,
            Some(format) => pixel_format = PixelFormat::ALL.iter().copied().find(|known| known.as_str() == format),
            None => options.push((*word).to_owned()),
        }
    }
    let video = codec.map(|codec| VideoPlan {
        preset: speed,
        crf: matches!(codec, VideoCodec::X264 | VideoCodec::X265 | VideoCodec::Vp9 | VideoCodec::SvtAv1).then_some(35),
        height: height.parse().ok(),
        pixel_format,
        tile: still.then_some(Tile { columns: 4, rows: 4 }),
        ..VideoPlan::new(codec)
    });
    Some(Recipe {
        text: words.join(" "),
        input: (*input).to_owned(),
        size: (width.parse().ok()?, lines.parse().ok()?),
        format: (*format).to_owned(),
        preset: Preset {
            name: "peak".to_owned(),
            audio: (!still).then_some(AudioPlan { bitrate: Some(96_000), ..AudioPlan::new(AudioCodec::Aac) }),
            container: if still { Container::Jpg } else { Container::Mkv },
            video,
            threads: threads.parse().ok()?,
            extra: options,
            on_damage: OnDamage::Keep,
            subtitles: Subtitles::Drop,
            location: Location::Drop,
        },
        peaks,
    })
}
