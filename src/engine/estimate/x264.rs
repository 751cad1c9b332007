//! What x264 holds, counted frame by frame as its source lays them out (`common/frame.c`, `encoder/encoder.c`,
//! `encoder/lookahead.c`): a queue of source frames for the lookahead, and the reference frames.

use super::pixels::{Pixels, Sampling};
use crate::domain::preset::{Preset, SpeedPreset};

/// The settings of a preset that decide how many frames are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Frames that rate control looks ahead.
    pub lookahead: u64,
    /// Longest run of B-frames.
    pub b_frames: u64,
    /// Reference frames.
    pub references: u64,
    /// Frames encoded at a time.
    pub at_once: u64,
}

impl Queue {
    /// The queue of a preset: x264's speed presets, what `extra` changes of them, and `-tune` as x264 applies it.
    pub fn of(preset: &Preset, speed: Option<SpeedPreset>) -> Self {
        let (mut lookahead, mut b_frames, mut references) = match speed.unwrap_or(SpeedPreset::Medium) {
            SpeedPreset::Ultrafast => (0, 0, 1),
            SpeedPreset::Superfast => (0, 3, 1),
            SpeedPreset::Veryfast => (10, 3, 1),
            SpeedPreset::Faster => (20, 3, 2),
            SpeedPreset::Fast => (30, 3, 2),
            SpeedPreset::Medium => (40, 3, 3),
            SpeedPreset::Slow => (50, 3, 5),
            SpeedPreset::Slower => (60, 3, 8),
            SpeedPreset::Veryslow => (60, 8, 16),
        };
        let mut at_once = u64::from(preset.threads.max(1));
        match option(preset, "-tune") {
            Some("animation") => {
                b_frames += 2;
                references = if references > 1 { references * 2 } else { 1 };
            }
            // Slices of one frame are encoded side by side instead of frames.
            Some("zerolatency") => (lookahead, b_frames, at_once) = (0, 0, 1),
            _ => {}
        }
        if option(preset, "-profile:v") == Some("baseline") {
            b_frames = 0;
        }
        lookahead = number(preset, "-rc-lookahead").unwrap_or(lookahead);
        b_frames = number(preset, "-bf").unwrap_or(b_frames);
        references = number(preset, "-refs").unwrap_or(references).clamp(1, 16);
        // It never looks further than one key frame.
        if let Some(interval) = number(preset, "-g") {
            lookahead = lookahead.min(interval);
        }
        Self { lookahead, b_frames, references, at_once }
    }

    /// Frames taken in before the first comes out.
    pub fn delay(&self) -> u64 {
        self.lookahead.max(self.b_frames) + self.at_once - 1
    }
}

/// Bytes held for an output of this size and sampling when `frames` have passed through.
pub fn bytes(queue: &Queue, size: Pixels, sampling: Sampling, frames: u64) -> f64 {
    let blocks = size.count() / 256.0;
    // Every plane has a border of 32 pixels.
    let padded = f64::from(size.width + 64) * f64::from(size.height + 64) * sampling.bytes;
    let b_frames = queue.b_frames as f64;
    // The frame, its four planes of half the size, and per block: costs of each pair of references, vectors, quantisers.
    let costs = 2.0 * (b_frames + 2.0).powi(2) + 16.0 * (b_frames + 1.0) + 14.0;
    let source = padded * (2.0 + sampling.chroma) + blocks * costs;
    let spare = if queue.lookahead + queue.b_frames > 0 { SPARE } else { SPARE_AT_ONCE };
    let sources = (queue.delay() as f64 + spare) * SOURCE_SHARE;
    // Luma three times more, for half and quarter pixels, and per block: vectors, references, types. With 4:4:4 chroma is
    // searched as luma is.
    let luma = if sampling.chroma >= 2.0 { 12.0 } else { 4.0 + sampling.chroma };
    let reference = padded * luma + blocks * 142.0;
    let references = (queue.references + u64::from(queue.b_frames > 0) + queue.at_once) as f64 * REFERENCE_SHARE;
    // A clip that ends before the queue is full never fills it.
    let frames = frames as f64;
    TABLES + source * sources.min(frames) + reference * references.min(frames)
}

/// Cost tables and what else has one size.
const TABLES: f64 = 6.0 * 1024.0 * 1024.0;
/// Source frames beyond the queue, where frames wait for a decision on their type.
const SPARE: f64 = 9.0;
/// The same where each frame is encoded as it comes.
const SPARE_AT_ONCE: f64 = 2.0;
/// Allocated and touched are not quite the same.
const SOURCE_SHARE: f64 = 1.01;
/// As [`SOURCE_SHARE`]; a reference's interpolated planes are touched only where vectors point.
const REFERENCE_SHARE: f64 = 0.77;
/// Value of one of the preset's further options.
pub fn option<'p>(preset: &'p Preset, name: &str) -> Option<&'p str> {
    let pair = preset.extra.chunks_exact(2).find(|pair| pair[0] == name)?;
    Some(&pair[1])
}

/// As [`option`], as a whole number.
pub fn number(preset: &Preset, name: &str) -> Option<u64> {
    option(preset, name)?.parse().ok()
}
