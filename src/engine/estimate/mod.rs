//! The peak of memory that a job will need: from what finished jobs of its kind took, else from a model.
//!
//! File size says nothing: a 20 MB 4K file peaks ten times higher than a 223 MB one in 480p. What counts is the number of
//! pixels, the decoder and the encoder, its speed preset and its threads. The model was fitted to ffmpeg 5.1 on synthetic
//! clips; every job that ends well corrects it for the next ones like it.

mod chain;
pub(in crate::engine) mod learned;
mod model;
mod pixels;
mod x264;

pub use learned::{FinishedRun, KEPT, Learned, RecipeKey};
pub use model::{output_of, parallelism, peak as predicted_peak, pixels};

use std::time::Duration;

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
    expect(media, preset, learned).map(|expected| expected.estimate)
}

/// An estimate, with the kind of jobs that teach of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expected {
    pub estimate: Estimate,
    /// What the model alone says.
    pub modelled: Option<Bytes>,
    /// `None` where nobody teaches.
    pub key: Option<RecipeKey>,
}

/// As [`estimate`], with the job's kind.
pub(super) fn expect(media: &MediaInfo, preset: &Preset, learned: &Learned) -> Option<Expected> {
    let (key, modelled) = (RecipeKey::of(media, preset), predicted_peak(media, preset));
    let estimate = match key.as_ref().and_then(|key| learned.expected(key)) {
        Some((peak, learned_from)) => Estimate { peak, learned_from },
        None => Estimate { peak: modelled?, learned_from: 0 },
    };
    Some(Expected { estimate, modelled, key })
}

impl Engine {
    /// What a job that was probed is expected to need, by all that is known now; jobs that ended since its probe may have
    /// taught better than its event tells.
    pub(super) fn estimate_of(&self, job: &Job) -> Option<Estimate> {
        estimate(job.media.as_ref()?, self.preset_of(job)?, &self.config.learned)
    }

    /// Keeps the peak of a job whose process has ended well, if its run tells anything of its kind.
    pub(super) fn learn_from(&mut self, id: JobId) {
        let (Some(job), Some(active)) = (self.job(id), self.active.get(&id)) else { return };
        let (Some(media), Some(preset)) = (&job.media, self.preset_of(job)) else { return };
        let frames = job.progress.map_or(0, |progress| progress.frame);
        let course = FinishedRun { peak: active.host_peak, frames, ran: active.ran };
        let known = self.expected.get(&id).and_then(|expected| expected.key.clone());
        let Some(key) = known.or_else(|| RecipeKey::of(media, preset)) else { return };
        let cpu = active.exit.as_ref().map_or(Duration::ZERO, |exit| exit.cpu);
        let is_telling = course.is_telling(preset);
        self.note_busy(&key, cpu, course.ran);
        if is_telling {
            self.learn(key, course.peak);
        }
    }

    /// A try that ended for want of memory shows how much its kind needs at least: the next like it, in this run and in
    /// later ones, is given more from the start.
    pub(super) fn learn_from_overrun(&mut self, id: JobId, seen: Bytes) {
        let Some(job) = self.job(id) else { return };
        let (Some(media), Some(preset)) = (&job.media, self.preset_of(job)) else { return };
        let is_news = self.expected(id).is_some_and(|expected| seen > expected.peak);
        if let Some(key) = RecipeKey::of(media, preset).filter(|_| is_news) {
            self.learn(key, seen);
        }
    }

    fn learn(&mut self, key: RecipeKey, peak: Bytes) {
        self.config.learned.remember(key.clone(), peak);
        // What waits is looked at with other eyes from now on; what runs keeps at least what it was promised.
        if let Some((peak, learned_from)) = self.config.learned.expected(&key) {
            let like_it = self.expected.iter_mut().filter(|(_, expected)| expected.key.as_ref() == Some(&key));
            for (id, expected) in like_it {
                if peak >= expected.estimate.peak || !self.active.contains_key(id) {
                    expected.estimate = Estimate { peak, learned_from };
                }
            }
        }
        self.effects.push(Effect::RememberPeak(key, peak));
    }

    /// What a job is expected to need, by all that is known now.
    pub(super) fn expected(&self, id: JobId) -> Option<Estimate> {
        let job = self.job(id)?;
        let told = || job.predicted_peak.map(|peak| Estimate { peak, learned_from: 0 });
        self.expected.get(&id).map(|expected| expected.estimate).or_else(|| self.estimate_of(job)).or_else(told)
    }

    /// What the model alone expects of a job; `None` where nothing is known of its picture.
    pub(super) fn modelled(&self, id: JobId) -> Option<Bytes> {
        // Asked for at every step while a job waits for memory.
        if let Some(expected) = self.expected.get(&id) {
            return expected.modelled;
        }
        let job = self.job(id)?;
        predicted_peak(job.media.as_ref()?, self.preset_of(job)?)
    }

    /// Keeps the estimate of a job that may start soon or runs: it is asked for at every sample.
    pub(super) fn keep_expected(&mut self, id: JobId, expected: Option<Expected>) {
        match expected {
            Some(expected) => drop(self.expected.insert(id, expected)),
            None => drop(self.expected.remove(&id)),
        }
    }
}

#[cfg(test)]
mod tests;
