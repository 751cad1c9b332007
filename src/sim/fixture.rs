//! What tests of forecasts begin with: a row of the trade-off table, and a preset for pictures of 720 lines.

use std::collections::BTreeMap;

use crate::domain::preset::{Container, Location, OnDamage, PixelFormat, Preset, SpeedPreset, Subtitles, VideoCodec, VideoPlan};
use crate::domain::profile::{GUIDE_MARKS, GuideWords, Profile};
use crate::domain::units::Bytes;

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
        name: "p".to_owned(),
        video: Some(VideoPlan {
            preset: Some(SpeedPreset::Medium),
            height: Some(720),
            pixel_format: Some(PixelFormat::Yuv420p),
            crf: Some(23),
            ..VideoPlan::new(VideoCodec::X264)
        }),
        audio: None,
        container: Container::Mp4,
        threads,
        extra: Vec::new(),
        on_damage: OnDamage::Keep,
        subtitles: Subtitles::Drop,
        location: Location::Drop,
    };
    BTreeMap::from([("p".to_owned(), preset)])
}
