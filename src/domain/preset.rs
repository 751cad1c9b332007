//! A preset: what ffmpeg is asked to make of an input. Only enumerated choices, so that no file can smuggle arguments in.
//!
//! Same input and same preset give the same bytes; that is why `threads` is always a number.

use serde::{Deserialize, Serialize};

use super::spelled::spelled;

/// A recipe for one kind of output, validated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preset {
    /// Short name, as given to `--preset`; part of every output's file name.
    pub name: String,
    /// The picture; `None` = no picture in the output.
    pub video: Option<VideoPlan>,
    /// The sound; `None` = no sound in the output.
    pub audio: Option<AudioPlan>,
    /// The file format written.
    pub container: Container,
    /// Threads of the decoder and of the encoder, 1 to 64.
    pub threads: u32,
    /// Further output options, each from the allow list of `config::preset`.
    pub extra: Vec<String>,
    /// What becomes of a job whose input is damaged in places.
    #[serde(default)]
    pub on_damage: OnDamage,
    /// What becomes of the input's subtitles.
    #[serde(default)]
    pub subtitles: Subtitles,
    /// What becomes of the place where the input was filmed.
    #[serde(default)]
    pub location: Location,
}

impl Preset {
    /// Its picture is taken as it is, without encoding.
    pub fn copies_picture(&self) -> bool {
        self.video.as_ref().is_some_and(|plan| plan.codec == VideoCodec::Copy)
    }

    /// A preset that makes neither picture nor sound yet, with what a file says where it says nothing.
    pub fn new(name: &str, container: Container, threads: u32) -> Self {
        Self {
            name: name.to_owned(),
            video: None,
            audio: None,
            container,
            threads,
            extra: Vec::new(),
            on_damage: OnDamage::default(),
            subtitles: Subtitles::default(),
            location: Location::default(),
        }
    }

    /// What it does with what an input may hold, by the keys and words of a preset file: `hdr tonemap, tracks best, ...`.
    /// Keys that say nothing about its kind of output are left out.
    pub fn choices(&self) -> String {
        let mut parts = Vec::new();
        if let Some(plan) = self.video.as_ref().filter(|plan| plan.codec != VideoCodec::Copy) {
            parts.extend([
                format!("hdr {}", plan.hdr),
                format!("deinterlace {}", plan.deinterlace),
                format!("pixel_aspect {}", plan.pixel_aspect),
            ]);
        }
        parts.extend(self.audio.as_ref().map(|plan| format!("tracks {}", plan.tracks)));
        if !self.container.is_still() {
            parts.extend([format!("subtitles {}", self.subtitles), format!("location {}", self.location)]);
        }
        parts.push(format!("on_damage {}", self.on_damage));
        parts.join(", ")
    }
}

/// How the picture is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VideoPlan {
    pub codec: VideoCodec,
    /// The encoder's speed preset (x264 and x265).
    pub preset: Option<SpeedPreset>,
    /// Constant rate factor, 0 to 63.
    pub crf: Option<u8>,
    /// Average bitrate in bits per second, instead of `crf`.
    pub bitrate: Option<u64>,
    /// Most pixels on the short side of the output: the height of a landscape film, the width of a portrait one. Smaller
    /// inputs are left as they are. `None` = as the input.
    pub height: Option<u32>,
    /// Frames per second of the output; `None` = as the input.
    pub fps: Option<f64>,
    /// Pixel format.
    pub pixel_format: Option<PixelFormat>,
    /// One contact sheet of evenly spaced frames instead of a film.
    pub tile: Option<Tile>,
    /// What becomes of high dynamic range (PQ and HLG).
    #[serde(default)]
    pub hdr: Hdr,
    /// What becomes of interlaced pictures.
    #[serde(default)]
    pub deinterlace: Deinterlace,
    /// What becomes of pixels that are not square.
    #[serde(default)]
    pub pixel_aspect: PixelAspect,
}

impl VideoPlan {
    /// The plan of an encoder with nothing further said.
    pub const fn new(codec: VideoCodec) -> Self {
        Self {
            codec,
            preset: None,
            crf: None,
            bitrate: None,
            height: None,
            fps: None,
            pixel_format: None,
            tile: None,
            hdr: Hdr::Tonemap,
            deinterlace: Deinterlace::Auto,
            pixel_aspect: PixelAspect::Square,
        }
    }
}

/// The raster of a contact sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    /// Frames side by side, 1 to 10.
    pub columns: u32,
    /// Frames one above the other, 1 to 10.
    pub rows: u32,
}

/// How the sound is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioPlan {
    pub codec: AudioCodec,
    /// Bits per second.
    pub bitrate: Option<u64>,
    /// Which of several sound tracks are kept.
    #[serde(default)]
    pub tracks: Tracks,
}

impl AudioPlan {
    /// The plan of an encoder with nothing further said.
    pub const fn new(codec: AudioCodec) -> Self {
        Self { codec, bitrate: None, tracks: Tracks::Best }
    }
}

spelled! {
    VideoCodec {
        /// H.264 by x264.
        X264 = "libx264",
        /// H.265 by x265.
        X265 = "libx265",
        /// VP9 by libvpx.
        Vp9 = "libvpx-vp9",
        /// AV1 by SVT.
        SvtAv1 = "libsvtav1",
        /// MPEG-4 part 2, ffmpeg's own.
        Mpeg4 = "mpeg4",
        /// Motion JPEG, for stills.
        Mjpeg = "mjpeg",
        /// The stream as it is, not encoded again.
        Copy = "copy",
    }
}

spelled! {
    AudioCodec {
        /// AAC, ffmpeg's own.
        Aac = "aac",
        /// Opus by libopus.
        Opus = "libopus",
        /// MP3 by LAME.
        Mp3 = "libmp3lame",
        /// Lossless FLAC.
        Flac = "flac",
        /// The stream as it is, not encoded again.
        Copy = "copy",
    }
}

spelled! {
    /// Speed preset of x264 and x265, fastest first.
    SpeedPreset {
        /// Fastest.
        Ultrafast = "ultrafast",
        /// Very much faster than medium.
        Superfast = "superfast",
        /// Much faster than medium.
        Veryfast = "veryfast",
        /// Faster than medium.
        Faster = "faster",
        /// A little faster than medium.
        Fast = "fast",
        /// The encoders' default.
        Medium = "medium",
        /// Slower than medium.
        Slow = "slow",
        /// Much slower than medium.
        Slower = "slower",
        /// Slowest worth using.
        Veryslow = "veryslow",
    }
}

spelled! {
    PixelFormat {
        /// 8-bit 4:2:0.
        Yuv420p = "yuv420p",
        /// 8-bit 4:2:2.
        Yuv422p = "yuv422p",
        /// 8-bit 4:4:4.
        Yuv444p = "yuv444p",
        /// 10-bit 4:2:0.
        Yuv420p10 = "yuv420p10le",
        /// 10-bit 4:2:2.
        Yuv422p10 = "yuv422p10le",
        /// 8-bit 4:2:0, full range, for stills.
        Yuvj420p = "yuvj420p",
    }
}

spelled! {
    /// An output file format.
    Container {
        /// MPEG-4.
        Mp4 = "mp4",
        /// MPEG-4, audio only.
        M4a = "m4a",
        /// Matroska.
        Mkv = "mkv",
        /// `WebM`.
        Webm = "webm",
        /// `QuickTime`.
        Mov = "mov",
        /// MPEG transport stream.
        Ts = "ts",
        /// A still picture.
        Jpg = "jpg",
    }
}

spelled! {
    /// What becomes of a job whose input is damaged in places.
    #[derive(Default)]
    OnDamage {
        /// The output is made of what can be decoded, and the damage is told.
        #[default]
        Keep = "keep",
        /// The job fails.
        Fail = "fail",
    }
}

spelled! {
    /// What becomes of the input's subtitles.
    #[derive(Default)]
    Subtitles {
        /// They are left out, and that is told.
        #[default]
        Drop = "drop",
        /// Those that the container can hold are kept.
        Keep = "keep",
    }
}

spelled! {
    /// What becomes of the place (GPS position) where the input was filmed.
    #[derive(Default)]
    Location {
        /// It is left out: whoever gets the film need not know where the camera was.
        #[default]
        Drop = "drop",
        /// It is kept.
        Keep = "keep",
    }
}

spelled! {
    /// Which of several sound tracks are kept.
    #[derive(Default)]
    Tracks {
        /// The one that a player would play: the default track, no commentary, no description for the blind.
        #[default]
        Best = "best",
        All = "all",
    }
}

spelled! {
    /// What becomes of high dynamic range.
    #[derive(Default)]
    Hdr {
        /// It is mapped to standard range, BT.709.
        #[default]
        Tonemap = "tonemap",
        /// It is kept; needs a pixel format of 10 bits.
        Keep = "keep",
    }
}

spelled! {
    /// What becomes of interlaced pictures.
    #[derive(Default)]
    Deinterlace {
        /// Pictures that are flagged as interlaced are deinterlaced.
        #[default]
        Auto = "auto",
        /// They stay as they are.
        Off = "off",
    }
}

spelled! {
    /// What becomes of pixels that are not square.
    #[derive(Default)]
    PixelAspect {
        /// The picture is stretched to square pixels.
        #[default]
        Square = "square",
        /// The pixels stay as they are, and the output says what shape they have.
        Keep = "keep",
    }
}

impl PixelFormat {
    /// It has 10 bits, which high dynamic range needs.
    pub const fn is_deep(self) -> bool {
        matches!(self, Self::Yuv420p10 | Self::Yuv422p10)
    }
}

impl Container {
    /// The muxer's name, given to ffmpeg with `-f` since a part file has no telling extension.
    pub const fn muxer(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::M4a => "ipod",
            Self::Mkv => "matroska",
            Self::Webm => "webm",
            Self::Mov => "mov",
            Self::Ts => "mpegts",
            Self::Jpg => "image2",
        }
    }

    /// The file name extension, without a dot.
    pub const fn extension(self) -> &'static str {
        self.as_str()
    }

    /// A still picture made of several frames, not a stream with a duration.
    pub const fn is_still(self) -> bool {
        matches!(self, Self::Jpg)
    }
}
