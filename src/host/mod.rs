//! The real world: processes, files, kernels and clocks. Knows nothing of profiles on disk, of screens or of the driver loop.

pub mod clips;
pub mod doctor;
pub mod ffmpeg;
pub mod loadjob;
pub mod provide;
pub mod tool;
