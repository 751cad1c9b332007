//! What finished jobs have taught: the peaks of like jobs, which no model of an encoder can know as well.
//!
//! Pure and deterministic; the host keeps it across runs. Knows nothing of queues and of samples.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use super::{chain, model};
use crate::domain::job::MediaInfo;
use crate::domain::preset::{Preset, VideoCodec};
use crate::domain::units::Bytes;

/// Peaks kept of each recipe. Older ones are of another ffmpeg or another box sooner or later.
pub const KEPT: usize = 8;
/// On top of the highest peak seen: runs of one recipe differ by up to 4 %, and so do sizes that count as one.
const MARGIN: f64 = 1.05;
/// Frames before which no peak is taken for one, however small the encoder's queue.
const LEAST_FRAMES: u64 = 50;
/// Time that a process spends with its queue full, by its frames: it is looked at every 100 ms, and its peak has to be seen.
const LEAST_FULL: Duration = Duration::from_millis(250);
/// Time that a process runs where no frames are counted: streams copied, sound alone, contact sheets.
const LEAST_TIME_UNCOUNTED: Duration = Duration::from_secs(2);
/// Size classes in an octave of pixels: sizes of one class differ by 12 % at most, their peaks by less.
const CLASSES_PER_OCTAVE: f64 = 6.0;

/// What two jobs must have in common for one's peak to foretell the other's: the input's codec, pixel format and size
/// class, and all of the preset that bears on memory. Quality, bitrate and sound do not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecipeKey(String);

impl RecipeKey {
    /// The key of a job; `None` where nothing can be concluded from it or for it: the picture is not known, or the clip
    /// ends before the encoder's queue is full, so that its peak is one of its own.
    pub fn of(media: &MediaInfo, preset: &Preset) -> Option<Self> {
        let threads = preset.threads;
        let Some(plan) = &preset.video else {
            let codec = media.audio.as_ref().map_or("none", |audio| audio.codec.as_str());
            return Some(Self(format!("{codec} -> sound x{threads}")));
        };
        let stream = media.video.as_ref()?;
        if matches!(stream.pixel_format.as_str(), "" | "none" | "unknown") || stream.width == 0 || stream.height == 0 {
            return None;
        }
        if counts_frames(preset) && model::frames(media, plan).is_some_and(|frames| frames <= frames_to_settle(preset)) {
            return None;
        }
        let input = format!("{} {} {}", stream.codec, class(stream.width, stream.height), stream.pixel_format);
        if plan.codec == VideoCodec::Copy {
            return Some(Self(format!("{input} -> copy")));
        }
        let made = model::output_of(plan, stream);
        let mut words = vec![input, "->".to_owned(), plan.codec.to_string(), class(made.width, made.height)];
        words.extend(chain::heavy_filters(plan, stream).into_iter().map(str::to_owned));
        words.extend(media.extras.long_look.then(|| "long look".to_owned()));
        words.extend(plan.tile.map(|tile| format!("{}x{}", tile.columns, tile.rows)));
        words.extend(plan.preset.map(|speed| speed.to_string()));
        words.extend(plan.pixel_format.map(|format| format.to_string()));
        words.push(format!("x{threads}"));
        let bears = |pair: &&[String]| !model::IDLE_OPTIONS.contains(&pair[0].as_str());
        for pair in preset.extra.chunks(2).filter(bears) {
            words.extend_from_slice(pair);
        }
        Some(Self(words.join(" ")))
    }

    /// A key as it was kept, see [`RecipeKey::as_str`].
    pub fn from_text(text: String) -> Self {
        Self(text)
    }

    /// The key as text, such as `h264 2097152px yuv420p -> libx264 934287px veryfast yuv420p x2`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecipeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The size class, named by the pixels in its middle.
fn class(width: u32, height: u32) -> String {
    let pixels = f64::from(width.max(1)) * f64::from(height.max(1));
    let middle = ((pixels.log2() * CLASSES_PER_OCTAVE).round() / CLASSES_PER_OCTAVE).exp2();
    format!("{middle:.0}px")
}

/// ffmpeg counts frames that pass through an encoder one by one.
fn counts_frames(preset: &Preset) -> bool {
    preset.video.as_ref().is_some_and(|plan| plan.codec != VideoCodec::Copy && plan.tile.is_none())
}

fn frames_to_settle(preset: &Preset) -> u64 {
    model::frames_held(preset).max(LEAST_FRAMES)
}

/// A run that ended well, as far as its peak is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinishedRun {
    /// Highest anonymous memory that was seen.
    pub peak: Bytes,
    /// Frames written.
    pub frames: u64,
    /// How long its process ran, pauses left out.
    pub ran: Duration,
}

impl FinishedRun {
    /// It went on for long enough, and was looked at often enough, that its peak is the recipe's.
    pub fn is_telling(&self, preset: &Preset) -> bool {
        let long_enough = if counts_frames(preset) {
            let full = self.frames.saturating_sub(frames_to_settle(preset));
            full > 0 && self.ran.mul_f64(full as f64 / self.frames as f64) >= LEAST_FULL
        } else {
            self.ran >= LEAST_TIME_UNCOUNTED
        };
        long_enough && self.peak > Bytes::ZERO
    }
}

/// The peaks of finished jobs, by recipe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Learned(BTreeMap<RecipeKey, VecDeque<Bytes>>);

impl Learned {
    /// Adds a peak; of more than [`KEPT`] the oldest goes.
    pub fn remember(&mut self, key: RecipeKey, peak: Bytes) {
        let peaks = self.0.entry(key).or_default();
        peaks.push_back(peak);
        while peaks.len() > KEPT {
            peaks.pop_front();
        }
    }

    /// The peak to expect of a recipe and from how many jobs that is known; `None` of one that was not seen.
    pub fn expected(&self, key: &RecipeKey) -> Option<(Bytes, u32)> {
        let peaks = self.0.get(key)?;
        let highest = peaks.iter().max()?;
        Some((highest.scale(MARGIN), peaks.len() as u32))
    }

    /// What is known of these recipes alone.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(&RecipeKey) -> bool) -> Self {
        Self(self.0.iter().filter(|(key, _)| wanted(key)).map(|(key, peaks)| (key.clone(), peaks.clone())).collect())
    }

    /// Number of recipes known.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Nothing was learned yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
