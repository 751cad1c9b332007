//! Records the course of running jobs: at each word of progress, what the job holds then.
//!
//! Only what ends well is kept, by others; a job that was paused has only taken longer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::domain::curve::JobCurve;
use crate::domain::job::{Exit, JobId, Progress};
use crate::domain::units::Bytes;
use crate::engine::port::ExitReport;
use crate::host::memory::procfs;

/// Points of a job before they are thinned out.
const MOST_SEEN: usize = 512;

#[derive(Debug)]
struct Recording {
    pid: u32,
    began: Instant,
    seen: Vec<(u64, Bytes)>,
    frames: u64,
}

/// The jobs at work.
#[derive(Debug)]
pub struct CurveBook {
    proc: PathBuf,
    courses: BTreeMap<JobId, Recording>,
}

impl Default for CurveBook {
    fn default() -> Self {
        Self { proc: PathBuf::from("/proc"), courses: BTreeMap::new() }
    }
}

impl CurveBook {
    /// A job's process runs.
    pub fn started(&mut self, job: JobId, pid: u32) {
        self.courses.insert(job, Recording { pid, began: now(), seen: Vec::new(), frames: 0 });
    }

    /// A job has come further.
    pub fn progressed(&mut self, job: JobId, progress: &Progress) {
        let Some(course) = self.courses.get_mut(&job) else { return };
        course.frames = progress.frame;
        let Some(held) = procfs::rss_anon(&self.proc, course.pid) else { return };
        course.seen.push((progress.out_time.as_millis() as u64, held));
        if course.seen.len() >= MOST_SEEN {
            // Of each pair the higher one stays.
            course.seen = course.seen.chunks(2).filter_map(|pair| pair.iter().copied().max_by_key(|(_, held)| *held)).collect();
        }
    }

    /// A job has ended: its course, if it ended well and was seen at all. The recipe is the caller's to add.
    pub fn ended(&mut self, job: JobId, report: &ExitReport, media: Option<Duration>) -> Option<JobCurve> {
        let course = self.courses.remove(&job)?;
        if report.exit != Exit::Code(0) || report.peak == Bytes::ZERO {
            return None;
        }
        let told = course.seen.last().map_or(0, |(at, _)| *at);
        let mut curve = JobCurve {
            recipe: String::new(),
            media_ms: media.map_or(told, |media| media.as_millis() as u64),
            frames: course.frames,
            cpu_ms: report.cpu.as_millis() as u64,
            wall_ms: course.began.elapsed().as_millis() as u64,
            peak: report.peak,
            points: Vec::new(),
        };
        curve.set_points(&course.seen);
        (curve.cpu_ms > 0).then_some(curve)
    }
}

#[allow(clippy::disallowed_methods)] // the floor that reads clocks
fn now() -> Instant {
    Instant::now()
}
