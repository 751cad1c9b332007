//! The table of measured peaks: what was made of what, and how much memory that took, for two clips of other content.

use std::time::Duration;

use super::domain::media::{AudioStream, Colour, Extras, MediaInfo, VideoStream};
use super::domain::preset::{
    AudioCodec, AudioPlan, Container, Hdr, Location, OnDamage, PixelFormat, Preset, SpeedPreset, Subtitles, Tile, Tracks,
    VideoCodec, VideoPlan,
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
    /// What else is said of the input.
    pub film: Film,
    /// What is made of it.
    pub preset: Preset,
    /// Peaks measured in MB, one for each clip; none in a row not yet measured.
    pub peaks: Vec<f64>,
}

/// What an input is beside its codec, size and pixel format.
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own
#[derive(Debug, Clone, PartialEq)]
pub struct Film {
    /// ffmpeg's name of the transfer function, for films of high dynamic range; their primaries and matrix are BT.2020's.
    pub transfer: Option<&'static str>,
    /// Wide colours of standard range.
    pub is_wide: bool,
    /// To be turned by 90 degrees, and made as phones do: one reference frame, no B-frames.
    pub is_phone: bool,
    /// Interlaced, the upper field first.
    pub is_interlaced: bool,
    /// Film grain is described, for the decoder to make.
    pub has_grain: bool,
    /// Shape of a pixel.
    pub pixel_shape: (u32, u32),
    /// Sound tracks, all of which are kept.
    pub sounds: u32,
}

impl Recipe {
    /// What a probe finds of its clips, as far as the model asks.
    pub fn media(&self) -> MediaInfo {
        let told = |text: &str| text.to_owned();
        let film = &self.film;
        let colour = match (film.transfer, film.is_wide) {
            (None, false) => Colour::default(),
            (transfer, _) => Colour {
                range: told("tv"),
                space: told("bt2020nc"),
                transfer: told(transfer.unwrap_or("bt2020-10")),
                primaries: told("bt2020"),
                ..Colour::default()
            },
        };
        let sound = AudioStream { codec: told("aac"), channels: 1, ..AudioStream::default() };
        MediaInfo {
            demuxer: told("matroska"),
            duration: Some(Duration::from_secs_f64(f64::from(FRAMES) / f64::from(FPS))),
            video: Some(VideoStream {
                codec: self.input.clone(),
                width: self.size.0,
                height: self.size.1,
                pixel_format: self.format.clone(),
                fps: f64::from(FPS),
                pixel_shape: film.pixel_shape,
                is_turned: film.is_phone,
                is_interlaced: film.is_interlaced,
                colour,
                ..VideoStream::default()
            }),
            audio: Some(sound.clone()),
            extras: Extras { sounds: vec![sound; film.sounds as usize], ..Extras::default() },
        }
    }

    /// What was foretold (in MB) is near enough what was held: within 15 % with x264, else within 25 %. In small processes 4 MB are a
    /// large share.
    pub fn is_predicted(&self, predicted: f64, held: f64) -> bool {
        let is_x264 = self.preset.video.as_ref().is_some_and(|plan| plan.codec == VideoCodec::X264);
        let bound = if is_x264 { 0.15 } else { 0.25 };
        (predicted - held).abs() <= (held * bound).max(4.0)
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
    let mut hdr = Hdr::Tonemap;
    let mut film = Film {
        transfer: None,
        is_wide: false,
        is_phone: false,
        is_interlaced: false,
        has_grain: false,
        pixel_shape: (1, 1),
        sounds: 1,
    };
    for word in extra {
        match word.split_once('=') {
            Some(("pixel_format", "-")) => pixel_format = None,
            Some(("pixel_format", format)) => {
                pixel_format = PixelFormat::ALL.iter().copied().find(|known| known.as_str() == format);
            }
            Some(("from", "pq")) => film.transfer = Some("smpte2084"),
            Some(("from", "hlg")) => film.transfer = Some("arib-std-b67"),
            Some(("from", "wide")) => film.is_wide = true,
            Some(("from", "phone")) => film.is_phone = true,
            Some(("from", "interlaced")) => film.is_interlaced = true,
            Some(("from", "grain")) => film.has_grain = true,
            Some(("pixels", shape)) => {
                let (across, down) = shape.split_once(':')?;
                film.pixel_shape = (across.parse().ok()?, down.parse().ok()?);
            }
            Some(("hdr", "keep")) => hdr = Hdr::Keep,
            Some(("sounds", count)) => film.sounds = count.parse().ok()?,
            Some(_) => return None,
            None => options.push((*word).to_owned()),
        }
    }
    let tracks = if film.sounds > 1 { Tracks::All } else { Tracks::Best };
    let video = codec.map(|codec| VideoPlan {
        preset: speed,
        crf: matches!(codec, VideoCodec::X264 | VideoCodec::X265 | VideoCodec::Vp9 | VideoCodec::SvtAv1).then_some(35),
        height: height.parse().ok(),
        pixel_format,
        tile: still.then_some(Tile { columns: 4, rows: 4 }),
        hdr,
        ..VideoPlan::new(codec)
    });
    Some(Recipe {
        text: words.join(" "),
        input: (*input).to_owned(),
        size: (width.parse().ok()?, lines.parse().ok()?),
        format: (*format).to_owned(),
        film,
        preset: Preset {
            name: "peak".to_owned(),
            audio: (!still).then_some(AudioPlan { bitrate: Some(96_000), tracks, ..AudioPlan::new(AudioCodec::Aac) }),
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
