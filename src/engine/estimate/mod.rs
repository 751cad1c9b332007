//! The peak of memory that a job will need: from what finished jobs of its kind took, else from a model.
//!
//! File size says nothing: a 20 MB 4K file peaks ten times higher than a 223 MB one in 480p. What counts is the number of
//! pixels, the decoder and the encoder, its speed preset and its threads. The model was fitted to ffmpeg 5.1 on synthetic
//! clips; every job that ends well corrects it for the next ones like it.

mod learned;
mod model;
mod x264;

pub use learned::{Course, KEPT, Learned, RecipeKey};
pub use model::{output_size, peak as predicted_peak};

use super::Engine;
use super::port::Effect;
use crate::domain::job::{Job, JobId, MediaInfo};
use crate::domain::preset::Preset;
use crate::domain::units::Bytes;

/// What a job is expected to need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Peak of anonymous memory.
    pub peak: Bytes,
    /// From how many finished jobs of its kind that is known; 0 = from the model alone.
    pub learned_from: u32,
}

/// Estimates a job; `None` where nothing is known of its picture.
pub fn estimate(media: &MediaInfo, preset: &Preset, learned: &Learned) -> Option<Estimate> {
    let known = RecipeKey::of(media, preset).and_then(|key| learned.expected(&key));
    match known {
        Some((peak, learned_from)) => Some(Estimate { peak, learned_from }),
        None => predicted_peak(media, preset).map(|peak| Estimate { peak, learned_from: 0 }),
    }
}

impl Engine {
    /// What a job that was probed is expected to need, by all that is known now; jobs that ended since its probe may have
    /// taught better than its event tells.
    pub(super) fn estimate_of(&self, job: &Job) -> Option<Estimate> {
        estimate(job.media.as_ref()?, self.preset_of(job)?, &self.config.learned)
    }

    /// Keeps the peak of a job that has ended well, if its run tells anything of its kind.
    pub(super) fn learn_from(&mut self, id: JobId) {
        let (Some(job), Some(active)) = (self.job(id), self.active.get(&id)) else { return };
        let (Some(media), Some(preset)) = (&job.media, self.preset_of(job)) else { return };
        let frames = job.progress.map_or(0, |progress| progress.frame);
        let course = Course { peak: active.host_peak, frames, ran: active.ran };
        let Some(key) = RecipeKey::of(media, preset).filter(|_| course.is_telling(preset)) else { return };
        self.config.learned.remember(key.clone(), course.peak);
        self.effects.push(Effect::RememberPeak(key, course.peak));
    }
}

#[cfg(test)]
mod tests;
