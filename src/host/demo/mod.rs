//! The demonstration: its clips, and jobs that stand in for ffmpeg.

pub mod clips;
pub mod load_job;
