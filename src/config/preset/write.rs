//! A preset back to YAML.

use serde::Serialize;

use crate::config::de::as_yaml;
use crate::domain::preset::{
    AudioCodec, Container, Deinterlace, Hdr, Location, OnDamage, PixelAspect, PixelFormat, Preset, SpeedPreset, Subtitles, Tracks,
    VideoCodec,
};

/// The preset as YAML that [`super::parse`] reads back to the same preset.
pub fn to_yaml(preset: &Preset) -> String {
    #[derive(Serialize)]
    struct Out<'a> {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        video: Option<OutVideo>,
        #[serde(skip_serializing_if = "Option::is_none")]
        audio: Option<OutAudio>,
        container: Container,
        threads: u32,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        extra: &'a [String],
        on_damage: OnDamage,
        subtitles: Subtitles,
        location: Location,
    }

    #[derive(Serialize)]
    struct OutVideo {
        codec: VideoCodec,
        #[serde(skip_serializing_if = "Option::is_none")]
        preset: Option<SpeedPreset>,
        #[serde(skip_serializing_if = "Option::is_none")]
        crf: Option<u8>,
        #[serde(skip_serializing_if = "Option::is_none")]
        bitrate: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        height: Option<u32>,
        #[serde(skip_serializing_if = "Option::is_none")]
        fps: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pixel_format: Option<PixelFormat>,
        #[serde(skip_serializing_if = "Option::is_none")]
        tile: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        hdr: Option<Hdr>,
        #[serde(skip_serializing_if = "Option::is_none")]
        deinterlace: Option<Deinterlace>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pixel_aspect: Option<PixelAspect>,
    }

    #[derive(Serialize)]
    struct OutAudio {
        codec: AudioCodec,
        #[serde(skip_serializing_if = "Option::is_none")]
        bitrate: Option<String>,
        tracks: Tracks,
    }

    let video = preset.video.as_ref().map(|plan| {
        let is_encoded = plan.codec != VideoCodec::Copy;
        OutVideo {
            codec: plan.codec,
            preset: plan.preset,
            crf: plan.crf,
            bitrate: plan.bitrate.map(bitrate_yaml),
            height: plan.height,
            fps: plan.fps,
            pixel_format: plan.pixel_format,
            tile: plan.tile.map(|tile| format!("{}x{}", tile.columns, tile.rows)),
            hdr: is_encoded.then_some(plan.hdr),
            deinterlace: is_encoded.then_some(plan.deinterlace),
            pixel_aspect: is_encoded.then_some(plan.pixel_aspect),
        }
    });
    as_yaml(&Out {
        name: &preset.name,
        video,
        audio: preset.audio.as_ref().map(|plan| OutAudio {
            codec: plan.codec,
            bitrate: plan.bitrate.map(bitrate_yaml),
            tracks: plan.tracks,
        }),
        container: preset.container,
        threads: preset.threads,
        extra: &preset.extra,
        on_damage: preset.on_damage,
        subtitles: preset.subtitles,
        location: preset.location,
    })
}

/// Bits per second as a preset writes them: `128k`, else the bare number.
pub fn bitrate_yaml(bits: u64) -> String {
    if bits.is_multiple_of(1000) { format!("{}k", bits / 1000) } else { bits.to_string() }
}
