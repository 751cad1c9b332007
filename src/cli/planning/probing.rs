//! Probes for a look ahead: outside a run, with a scratch folder that goes with them, and sandboxed as those of a run are.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::cli::Usage;
use crate::domain::text::{error_words, path_text};
use crate::host::media::ffmpeg::Ffmpeg;
use crate::host::media::probe::Prober;

/// A prober, and the folder that it may write to; the folder goes when this is dropped.
#[derive(Debug)]
pub struct Probing {
    /// Probes.
    pub prober: Prober,
    folder: PathBuf,
}

impl Probing {
    /// With a folder of its own below the temporary folder.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(ffmpeg: &Ffmpeg) -> Result<Self, Usage> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("plimsoll-plan-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| {
            let (shown, why) = (path_text(&folder), error_words(&error));
            Usage(format!("cannot make the temporary folder {shown}: {why}; set TMPDIR to one that can be written to"))
        })?;
        let sandbox = Some(ffmpeg.sandbox(&folder));
        Ok(Self { prober: Prober { sandbox, ..Prober::new(&ffmpeg.ffprobe, &folder) }, folder })
    }
}

impl Drop for Probing {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
