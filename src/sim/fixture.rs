//! What tests of forecasts begin with: a row of the trade-off table, and a preset for pictures of 720 lines.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::curve::{JobCurve, Point};
use crate::domain::job::VideoStream;
use crate::domain::media::MediaInfo;
use crate::domain::preset::{Container, PixelFormat, Preset, SpeedPreset, VideoCodec, VideoPlan};
use crate::domain::profile::{GUIDE_MARKS, GuideWords, Profile};
use crate::domain::units::Bytes;
use crate::engine::estimate::RecipeKey;
use crate::sim::forecast::QueuedJob;

/// A job of the preset `p` whose input has pictures of this size.
pub fn job((width, height): (u32, u32), seconds: u64, mb: u64) -> QueuedJob {
    let video = VideoStream {
        codec: "h264".to_owned(),
        width,
        height,
        pixel_format: "yuv420p".to_owned(),
        fps: 25.0,
        ..VideoStream::default()
    };
    let media = MediaInfo { duration: Some(Duration::from_secs(seconds)), video: Some(video), ..MediaInfo::default() };
    QueuedJob { size: Bytes::mib(mb), media, preset: "p".to_owned(), left: 1.0, measured: None, holds: None }
}

/// What four jobs like this one left: 2 processor seconds for a second of media, 200 MB from a tenth of the way on.
///
/// # Panics
/// The preset `p` is missing, or its recipe is not known.
pub fn curves(job: &QueuedJob, presets: &BTreeMap<String, Preset>) -> Vec<JobCurve> {
    let recipe = RecipeKey::of(&job.media, &presets["p"]).expect("a recipe").as_str().to_owned();
    let curve = JobCurve {
        recipe,
        media_ms: 10_000,
        frames: 250,
        cpu_ms: 20_000,
        wall_ms: 13_300,
        peak: Bytes::mib(200),
        points: vec![Point { done: 100, held: 1000 }, Point { done: 1000, held: 1000 }],
    };
    vec![curve; 4]
}

/// A row of the trade-off table.
pub fn profile(name: &str, slots: u32, max_mb: u64) -> Profile {
    Profile {
        name: name.to_owned(),
        title: String::new(),
        max_concurrent: slots.into(),
        large: None,
        max_file_size: Bytes::mib(max_mb),
        memory: GUIDE_MARKS,
        scratch_limit: None,
        env: BTreeMap::new(),
        guide: GuideWords::default(),
    }
}

/// One preset, `p`, with so many threads.
pub fn presets(threads: u32) -> BTreeMap<String, Preset> {
    let preset = Preset {
        video: Some(VideoPlan {
            preset: Some(SpeedPreset::Medium),
            height: Some(720),
            pixel_format: Some(PixelFormat::Yuv420p),
            crf: Some(23),
            ..VideoPlan::new(VideoCodec::X264)
        }),
        ..Preset::new("p", Container::Mp4, threads)
    };
    BTreeMap::from([("p".to_owned(), preset)])
}
