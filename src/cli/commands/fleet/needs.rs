//! What a film needs of memory, told to the queue by whoever fills it where the film can be read from here: then no worker claims
//! in vain what does not fit.

use std::path::Path;

use crate::cli::options::Resolved;
use crate::cli::planning::probing::Probing;
use crate::domain::preset::Preset;
use crate::engine::estimate::predicted_peak;
use crate::host::media::ffmpeg::Ffmpeg;

/// Looks at films; without ffprobe it knows nothing of any.
pub(super) struct Needs(Option<Probing>);

impl Needs {
    /// With the tools of the settings.
    pub(super) fn new(resolved: &Resolved) -> Self {
        Self(resolved.ffmpeg().ok().and_then(|ffmpeg| Probing::new(&ffmpeg).ok()))
    }

    /// With these tools.
    pub(super) fn with(ffmpeg: &Ffmpeg) -> Self {
        Self(Probing::new(ffmpeg).ok())
    }

    /// The peak of its job, in bytes; `None` = it cannot be told. What is wrong with a film a worker tells.
    pub(super) fn of(&self, film: &Path, preset: Option<&Preset>) -> Option<i64> {
        let preset = preset?;
        let media = self.0.as_ref()?.prober.probe(film, preset).ok()?.media;
        i64::try_from(predicted_peak(&media, preset)?.0).ok()
    }
}
