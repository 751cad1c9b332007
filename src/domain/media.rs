//! What is in a media file, as far as a job is decided by it.
//!
//! Facts that a probe found; chooses nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::text::as_shown;
use super::time::as_seconds_option;

/// What the probe found in an input.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaInfo {
    /// The demuxer that reads it, as ffmpeg names it.
    pub demuxer: String,
    /// Duration, in seconds; `None` when it is not told.
    #[serde(with = "as_seconds_option")]
    pub duration: Option<Duration>,
    /// The video stream that a player would show: the first that is no cover picture.
    pub video: Option<VideoStream>,
    /// The sound track that a player would play.
    pub audio: Option<AudioStream>,
    /// What else is in it.
    #[serde(default)]
    pub extras: Extras,
}

/// What a file holds beside its picture and its sound.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own
pub struct Extras {
    /// Every sound track, the chosen one included, in the order of the file.
    pub sounds: Vec<AudioStream>,
    /// Subtitles.
    pub subtitles: Vec<SubtitleStream>,
    /// Video streams beside the chosen one that are no cover pictures.
    pub further_pictures: u32,
    pub cover: Option<VideoStream>,
    /// Attached files, such as fonts.
    pub attachments: u32,
    /// Streams of other data: time codes, GPS tracks and the like.
    pub data: u32,
    /// Chapters.
    pub chapters: u32,
    /// When the last chapter ends, where it is told.
    #[serde(with = "as_seconds_option")]
    pub chapters_end: Option<Duration>,
    /// Every chapter has a name.
    pub chapters_are_named: bool,
    /// Title, artist and the like, by ffmpeg's names. Foreign text: it passes `domain::text` before it is shown.
    #[serde(serialize_with = "as_shown::map::serialize")]
    pub tags: BTreeMap<String, String>,
    /// When it was recorded, as the file says it.
    pub created: Option<String>,
    /// Where it was recorded (ISO 6709).
    pub location: Option<String>,
    /// Its streams are told only by a long look at its beginning, with these limits for ffmpeg's own look.
    pub long_look: bool,
    /// Its outer structure says that it goes on behind the end of the file.
    pub ends_early: bool,
    /// What share of the bytes that it promises is there, where it is cut off and its length is reckoned from them.
    pub share_there: Option<f64>,
    /// Another file stands behind it, joined to it byte by byte.
    pub is_joined: bool,
    /// The picture's duration is how long it is shown, and not, as elsewhere in Matroska, when it ends.
    pub tells_length: bool,
    /// When it begins, where it counts from another moment than that. Durations count from here.
    #[serde(with = "as_seconds_option")]
    pub begins: Option<Duration>,
    /// Its pictures come in another order than they are shown, and have no times of their own.
    pub lacks_times: bool,
    /// It tells how its picture is to be seen in space: in 3D, or all around.
    pub is_spatial: bool,
    /// Its duration is a guess from the bitrate.
    pub duration_is_guess: bool,
    /// Packets that the index lists for the chosen video stream.
    pub listed_pictures: Option<u64>,
    /// Its first pictures are not shown: it was trimmed without encoding. Only told where the picture is to be copied.
    pub hides_beginning: bool,
    /// The same of its last pictures, or of some between those that are shown.
    pub hides_end: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own
pub struct VideoStream {
    /// ffmpeg's name of the codec.
    pub codec: String,
    /// Pixels across, as stored.
    pub width: u32,
    /// Pixels down, as stored.
    pub height: u32,
    /// ffmpeg's name of the pixel format.
    pub pixel_format: String,
    /// Average frames per second.
    pub fps: f64,
    /// Number of the stream in the file.
    #[serde(default)]
    pub index: u32,
    /// Shape of a pixel, width by height; 0 by 0 where it is not told.
    #[serde(default)]
    pub pixel_shape: (u32, u32),
    /// It is to be turned by 90 degrees, one way or the other, before it is shown.
    #[serde(default)]
    pub is_turned: bool,
    /// It is to be turned, by any angle, or mirrored before it is shown.
    #[serde(default)]
    pub has_matrix: bool,
    /// Its edges are to be cut off before it is shown, by the word of its container.
    #[serde(default)]
    pub is_cropped: bool,
    /// Its frames may be interlaced.
    #[serde(default)]
    pub is_interlaced: bool,
    /// Of its two fields the lower one comes first, by the word of its container.
    #[serde(default)]
    pub is_bottom_first: bool,
    /// It has places that can be seen through, kept beside its picture (VP8 and VP9 in Matroska and `WebM`).
    #[serde(default)]
    pub has_alpha: bool,
    /// It is a picture that goes along with sound or with a film, and not a film.
    #[serde(default)]
    pub is_cover: bool,
    /// How its numbers stand for colours.
    #[serde(default)]
    pub colour: Colour,
    /// Duration of this stream alone, in seconds, where it is told.
    #[serde(default, with = "as_seconds_option")]
    pub duration: Option<Duration>,
    /// Name of the track's language.
    #[serde(default)]
    pub language: Option<String>,
}

/// How the numbers of a picture stand for colours, in ffmpeg's words. Empty = not told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Colour {
    /// `tv` (limited) or `pc` (full).
    pub range: String,
    /// The matrix between RGB and YUV.
    pub space: String,
    /// The transfer function.
    pub transfer: String,
    pub primaries: String,
    /// Mastering display, in x265's form.
    pub mastering: Option<String>,
    /// Brightest pixel and brightest average of a frame, in nits, in x265's form.
    pub light_level: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioStream {
    /// ffmpeg's name of the codec; empty where this ffmpeg does not know it.
    pub codec: String,
    /// Channels.
    pub channels: u32,
    /// ffmpeg's name of their layout; empty where it is not told.
    #[serde(default)]
    pub layout: String,
    /// Samples per second.
    #[serde(default)]
    pub sample_rate: u32,
    /// Number of the stream in the file.
    #[serde(default)]
    pub index: u32,
    /// Language, as ISO 639 code.
    #[serde(default)]
    pub language: Option<String>,
    /// Title, foreign text as it stands in the file.
    #[serde(default, serialize_with = "as_shown::serialize")]
    pub title: Option<String>,
    /// The file marks it as the one to play.
    #[serde(default)]
    pub is_default: bool,
    /// A commentary, a description for the blind, or another track beside the main sound.
    #[serde(default)]
    pub is_aside: bool,
    /// What else the file marks it as, by ffmpeg's names: `comment`, `original`, `dub` and the like.
    #[serde(default)]
    pub flags: Vec<String>,
    /// It belongs to another programme of the recording than the picture.
    #[serde(default)]
    pub is_of_other_program: bool,
    /// Duration of this stream alone, in seconds, where it is told.
    #[serde(default, with = "as_seconds_option")]
    pub duration: Option<Duration>,
    /// The tag that the file has for the codec, for one that is not known.
    #[serde(default)]
    pub tag: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SubtitleStream {
    /// ffmpeg's name of the codec.
    pub codec: String,
    /// Number of the stream in the file.
    pub index: u32,
    /// Language, as ISO 639 code.
    pub language: Option<String>,
    /// Title, foreign text as it stands in the file.
    #[serde(serialize_with = "as_shown::serialize")]
    pub title: Option<String>,
    /// The file marks it as shown by default.
    pub is_default: bool,
    /// Shown even where subtitles are off: translations of signs and the like.
    pub is_forced: bool,
    /// What else the file marks it as, by ffmpeg's names: `hearing_impaired` and the like.
    pub flags: Vec<String>,
    /// It belongs to another programme of the recording than the picture.
    pub is_of_other_program: bool,
}

impl VideoStream {
    /// High dynamic range: PQ or HLG.
    pub fn is_hdr(&self) -> bool {
        self.colour.transfer == "smpte2084" || self.is_hlg()
    }

    /// High dynamic range by hybrid log-gamma (ARIB STD-B67).
    pub fn is_hlg(&self) -> bool {
        self.colour.transfer == "arib-std-b67"
    }
}
