//! ffprobe's answer, field by field, as far as it is asked for.

use std::collections::BTreeMap;

use serde::Deserialize;

/// ffprobe's JSON; every field may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::host::media) struct Report {
    pub programs: Vec<Program>,
    pub streams: Vec<Stream>,
    /// Decoded pictures or blocks of sound, where they were asked for.
    pub frames: Vec<Frame>,
    pub chapters: Vec<Chapter>,
    pub format: Format,
}

/// One of the programmes that a broadcaster sends together.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::host::media) struct Program {
    pub streams: Vec<Member>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::host::media) struct Member {
    pub index: u32,
}

/// A picture or a block of sound that was decoded.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::host::media) struct Frame {
    pub stream_index: u32,
    pub channels: u32,
    pub channel_layout: String,
    #[serde(rename = "interlaced_frame")]
    pub interlaced: u8,
    pub side_data_list: Vec<SideData>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::host::media) struct Stream {
    pub index: u32,
    pub codec_type: String,
    pub codec_name: String,
    pub codec_tag_string: String,
    pub width: u32,
    pub height: u32,
    pub pix_fmt: String,
    pub avg_frame_rate: String,
    pub r_frame_rate: String,
    pub sample_aspect_ratio: String,
    pub field_order: String,
    pub has_b_frames: u32,
    pub color_range: String,
    pub color_space: String,
    pub color_transfer: String,
    pub color_primaries: String,
    pub channels: u32,
    pub channel_layout: String,
    pub sample_rate: String,
    pub duration: String,
    pub nb_frames: String,
    pub nb_read_packets: String,
    pub disposition: BTreeMap<String, u8>,
    pub tags: BTreeMap<String, String>,
    pub side_data_list: Vec<SideData>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::host::media) struct SideData {
    #[serde(rename = "side_data_type")]
    pub kind: String,
    pub rotation: Option<f64>,
    pub displaymatrix: String,
    pub red_x: String,
    pub red_y: String,
    pub green_x: String,
    pub green_y: String,
    pub blue_x: String,
    pub blue_y: String,
    pub white_point_x: String,
    pub white_point_y: String,
    pub min_luminance: String,
    pub max_luminance: String,
    pub max_content: Option<u32>,
    pub max_average: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::host::media) struct Chapter {
    pub end_time: String,
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::host::media) struct Format {
    #[serde(rename = "format_name")]
    pub names: String,
    pub duration: String,
    pub start_time: String,
    pub tags: BTreeMap<String, String>,
}
