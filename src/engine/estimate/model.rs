//! The model of one job's memory: ffmpeg itself, the decoder's frames, the filters' and the encoder's.
//!
//! Each part is a number of frames times a frame's bytes. The numbers come from how the libraries are built where that is
//! known, and were fitted to `tests/data/peaks.txt`. Pure; knows nothing of what jobs really took.

use super::chain;
use super::pixels::{Pixels, Sampling};
use super::x264::{self, Queue, number};
use crate::domain::media::{MediaInfo, VideoStream};
use crate::domain::picture;
use crate::domain::preset::{Preset, SpeedPreset, VideoCodec, VideoPlan};
use crate::domain::units::{Bytes, MIB};

/// ffmpeg with a demuxer, a muxer and a sound encoder, in MB.
const BASE_MB: f64 = 10.4;
/// Stack and heap of one thread of each pool, in MB.
const THREAD_MB: f64 = 2.2;

/// Packets that a long look at the beginning of a file keeps until they are decoded, at most, in MB.
const LONG_LOOK_MB: f64 = 47.7;

/// Options of presets that do not bear on memory.
pub const IDLE_OPTIONS: &[&str] =
    &["-movflags", "-level", "-maxrate", "-bufsize", "-q:v", "-tag:v", "-keyint_min", "-ar", "-ac", "-vbr", "-compression_level"];

/// Peak of anonymous memory that the job is expected to reach; `None` where nothing is known of the picture.
pub fn peak(media: &MediaInfo, preset: &Preset) -> Option<Bytes> {
    let threads = f64::from(preset.threads.max(1));
    let Some(plan) = &preset.video else {
        return Some(mb(BASE_MB + 2.0 * THREAD_MB));
    };
    let stream = media.video.as_ref()?;
    let input = Pixels { width: stream.width, height: stream.height };
    if plan.codec == VideoCodec::Copy {
        // Packets that wait to be written beside the sound's.
        return Some(mb(BASE_MB + COPY_MB_PER_MEGAPIXEL * input.count() / 1e6));
    }
    let output = output_of(plan, stream);
    let from = Sampling::of(&stream.pixel_format);
    let to = plan.pixel_format.map_or(from, |format| Sampling::of(format.as_str()));
    let frames = frames(media, plan).unwrap_or(u64::MAX);
    let decoder = from.frame(input) * chain::held_for(stream, threads);
    let filters = chain::filter_bytes(plan, stream, from.frame(input), output);
    let tiles = plan.tile.map_or(0.0, |tile| to.frame(output) * f64::from(tile.columns * tile.rows) * TILE_FRAMES);
    let encoder = encoder_bytes(preset, plan, Made { size: output, sampling: to, frames });
    let looked = if media.extras.long_look { LONG_LOOK_MB } else { 0.0 };
    Some(mb(BASE_MB + looked + THREAD_MB * threads + (decoder + filters + tiles + encoder) / MIB as f64))
}

/// Packets of a copied stream in MB for a megapixel.
const COPY_MB_PER_MEGAPIXEL: f64 = 2.5;
/// Contact sheets that the filter and the encoder hold at a time.
const TILE_FRAMES: f64 = 2.0;

/// Size of the picture that a plan makes of a stream; of one without a size, none.
pub fn output_of(plan: &VideoPlan, stream: &VideoStream) -> Pixels {
    if stream.width == 0 || stream.height == 0 {
        return Pixels { width: 0, height: 0 };
    }
    let made = picture::output(plan, stream);
    Pixels { width: made.width, height: made.height }
}

/// Pixels of the largest picture that a job reads or makes; 0 where it works on none, as with sound alone and copied streams.
pub fn pixels(media: &MediaInfo, preset: &Preset) -> u64 {
    let Some((plan, stream)) = preset.video.as_ref().zip(media.video.as_ref()) else { return 0 };
    if plan.codec == VideoCodec::Copy {
        return 0;
    }
    let made = output_of(plan, stream);
    let count = |width: u32, height: u32| u64::from(width) * u64::from(height);
    count(stream.width, stream.height).max(count(made.width, made.height))
}

/// Processors that a job of the preset keeps busy when it is alone, 1 at the least. Measured with x264: one thread kept one
/// busy, two kept 1.5, for parts of the work are not shared out. What only copies streams or picks frames keeps about one.
pub fn parallelism(preset: &Preset) -> f64 {
    let encodes = |plan: &VideoPlan| plan.codec != VideoCodec::Copy && plan.tile.is_none();
    if preset.video.as_ref().is_some_and(encodes) { f64::midpoint(1.0, f64::from(preset.threads.max(1))) } else { 1.0 }
}

/// Frames that will be written, where the duration is known.
pub fn frames(media: &MediaInfo, plan: &VideoPlan) -> Option<u64> {
    let fps = plan.fps.or(media.video.as_ref().map(|stream| stream.fps)).filter(|fps| fps.is_finite() && *fps > 0.0)?;
    Some((media.duration?.as_secs_f64() * fps).ceil() as u64)
}

/// Frames after which a job's memory grows no further: the encoder's queue, and what the decoder reorders.
pub fn frames_held(preset: &Preset) -> u64 {
    /// Of the decoder's.
    const REORDERED: u64 = 10;
    let Some(plan) = &preset.video else { return 0 };
    let queue = match plan.codec {
        VideoCodec::X264 => Queue::of(preset, plan.preset).delay() + 9,
        VideoCodec::X265 => x265_queue(preset, plan.preset).0 as u64 + 10,
        VideoCodec::Vp9 => 25,
        VideoCodec::SvtAv1 => 64,
        VideoCodec::Mpeg4 | VideoCodec::Mjpeg | VideoCodec::Copy => 0,
    };
    queue + REORDERED + u64::from(preset.threads)
}

/// What the encoder is to make.
#[derive(Debug, Clone, Copy)]
struct Made {
    size: Pixels,
    sampling: Sampling,
    frames: u64,
}

fn encoder_bytes(preset: &Preset, plan: &VideoPlan, made: Made) -> f64 {
    let threads = f64::from(preset.threads.max(1));
    let megapixels = made.size.count() / 1e6;
    // 8-bit 4:2:0 counts 1.
    let depth = made.sampling.bytes * (1.0 + made.sampling.chroma) / 1.5;
    let mb = match plan.codec {
        VideoCodec::X264 => return x264::bytes(&Queue::of(preset, plan.preset), made.size, made.sampling, made.frames),
        VideoCodec::X265 => {
            // Tables, frames in the queue and the reference frames, and rows of blocks that each thread works on.
            let (lookahead, _) = x265_queue(preset, plan.preset);
            let queued = made.sampling.frame(made.size) * (4.2 * lookahead + 19.7).min(4.2 * made.frames as f64 + 19.7);
            return 32.0 * MIB as f64 + queued + made.size.count() * (16.5 + 15.8 * threads);
        }
        VideoCodec::Vp9 => 23.0 + megapixels * depth * (128.0 + 7.0 * threads),
        VideoCodec::SvtAv1 => {
            // Its own scale of speeds, from 13 (fastest) down; each picture processed at a time has frames of its own.
            let speed = match number(preset, "-preset").unwrap_or(10) {
                ..8 => 1.2,
                8..12 => 1.0,
                12.. => 0.9,
            };
            25.0 + megapixels * depth * speed * (100.0 + 54.0 * threads.min(16.0))
        }
        VideoCodec::Mpeg4 => megapixels * 20.0,
        VideoCodec::Mjpeg => 0.0,
        VideoCodec::Copy => 0.0,
    };
    mb * MIB as f64
}

/// Frames that x265 looks ahead, and its reference frames.
fn x265_queue(preset: &Preset, speed: Option<SpeedPreset>) -> (f64, f64) {
    let (lookahead, b_frames, references) = match speed.unwrap_or(SpeedPreset::Medium) {
        SpeedPreset::Ultrafast => (5, 3, 1),
        SpeedPreset::Superfast => (10, 3, 1),
        SpeedPreset::Veryfast => (15, 4, 2),
        SpeedPreset::Faster => (15, 4, 2),
        SpeedPreset::Fast => (15, 4, 3),
        SpeedPreset::Medium => (20, 4, 3),
        SpeedPreset::Slow => (25, 4, 4),
        SpeedPreset::Slower => (40, 8, 5),
        SpeedPreset::Veryslow => (40, 8, 5),
    };
    let b_frames = number(preset, "-bf").unwrap_or(b_frames);
    let references = number(preset, "-refs").unwrap_or(references);
    (lookahead.max(b_frames) as f64, references as f64)
}

fn mb(value: f64) -> Bytes {
    Bytes(MIB).scale(value)
}
