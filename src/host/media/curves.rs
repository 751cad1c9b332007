//! Records the memory curves of running jobs: at each word of progress, what the job holds then.
//!
//! Only what ends well is kept, by others; a job that was paused has only taken longer.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::domain::curve::JobCurve;
use crate::domain::job::{Exit, Progress};
use crate::domain::units::Bytes;
use crate::engine::port::ExitReport;
use crate::host::memory::procfs;

/// Points of a job before they are thinned out.
const MOST_SEEN: usize = 512;

/// Records the curve of a job at work.
#[derive(Debug)]
pub struct CurveRecorder {
    pid: u32,
    began: Instant,
    seen: Vec<(u64, Bytes)>,
    frames: u64,
}

impl CurveRecorder {
    /// Its process runs.
    #[allow(clippy::disallowed_methods)] // the floor that reads clocks
    pub fn begin(pid: u32) -> Self {
        Self { pid, began: Instant::now(), seen: Vec::new(), frames: 0 }
    }

    /// It has come further.
    pub fn progressed(&mut self, progress: &Progress) {
        self.frames = progress.frame;
        let Some(held) = procfs::rss_anon(Path::new("/proc"), self.pid) else { return };
        self.seen.push((progress.out_time.as_millis() as u64, held));
        if self.seen.len() >= MOST_SEEN {
            // Of each pair the higher one stays.
            self.seen = self.seen.chunks(2).filter_map(|pair| pair.iter().copied().max_by_key(|(_, held)| *held)).collect();
        }
    }

    /// It has ended: its curve, if it ended well and was seen at all. The recipe is the caller's to add.
    pub fn ended(self, report: &ExitReport, media: Option<Duration>) -> Option<JobCurve> {
        if report.exit != Exit::Code(0) || report.peak == Bytes::ZERO {
            return None;
        }
        let told = self.seen.last().map_or(0, |(at, _)| *at);
        let mut curve = JobCurve {
            recipe: String::new(),
            media_ms: media.map_or(told, |media| media.as_millis() as u64),
            frames: self.frames,
            cpu_ms: report.cpu.as_millis() as u64,
            wall_ms: self.began.elapsed().as_millis() as u64,
            peak: report.peak,
            points: Vec::new(),
        };
        curve.set_points(&self.seen);
        (curve.cpu_ms > 0).then_some(curve)
    }
}
