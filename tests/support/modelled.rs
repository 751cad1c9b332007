//! What runs of the engine in virtual time begin with: a profile, a preset for sound, the settings. It needs nothing but the pure
//! floors: `tests/mutants.sh` builds these alone.
#![allow(dead_code)] // every test file uses its part of this

use std::collections::BTreeMap;
use std::time::Duration;

use plimsoll::domain::event::JobCounts;
use plimsoll::domain::job::JobId;
use plimsoll::domain::preset::{AudioCodec, AudioPlan, Container, Preset};
use plimsoll::domain::profile::{GUIDE_MARKS, GuideWords, Profile};
use plimsoll::domain::units::Bytes;
use plimsoll::engine::EngineConfig;
use plimsoll::engine::estimate::Learned;
use plimsoll::engine::port::StoredJob;
use plimsoll::sim::world::{Fate, SimJob};

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

/// A job of 720p that takes 100 MB at once, and so long.
pub fn job(fate: Fate, seconds: u64) -> SimJob {
    SimJob {
        size: Bytes::mib(10),
        length: Duration::from_secs(seconds),
        peak: Bytes::mib(100),
        ramp: Duration::ZERO,
        picture: (1280, 720),
        cache: Bytes::mib(10),
        fate,
    }
}

/// A job that waits in the stored queue, in the order of its number.
pub fn stored(number: u64, preset: &str) -> StoredJob {
    StoredJob {
        id: JobId(number),
        input: format!("/in/{number}").into(),
        size: Bytes::mib(1),
        output: format!("/out/{number}").into(),
        preset: preset.to_owned(),
        definition: None,
        rank: number as i64,
        attempts: 0,
        allowed: false,
        deaths: 0,
    }
}

/// A run under this profile alone, its jobs made with one preset; nothing is known of like jobs.
pub fn config(profile: Profile, preset: Preset) -> EngineConfig {
    EngineConfig {
        profile,
        profiles: Vec::new(),
        preset: preset.name.clone(),
        check_preset: |_| Ok(()),
        presets: BTreeMap::from([(preset.name.clone(), preset)]),
        retries: 2,
        timeout: None,
        stall: None,
        disk_wait: None,
        governor: true,
        version: "test".to_owned(),
        before: JobCounts::default(),
        learned: Learned::default(),
        cores: 2.0,
    }
}

/// Sound alone: nothing of its memory follows from pictures.
pub fn sound() -> Preset {
    Preset { audio: Some(AudioPlan::new(AudioCodec::Aac)), ..Preset::new("sound", Container::M4a, 1) }
}
