//! What the decoder and the filters between it and the encoder hold, in frames.
//!
//! Fitted to `tests/data/peaks.txt`, by how the libraries are built where that is known. Knows nothing of encoders.

use super::pixels::Pixels;
use crate::domain::media::VideoStream;
use crate::domain::preset::{Deinterlace, Hdr, VideoPlan};

/// Frames that the deinterlacer keeps beside the one that passes: the one before and the one behind, and one more that it makes
/// where a frame is flagged as interlaced. Whether any is, is not known before the start: half a frame stands for the third.
const DEINTERLACED: f64 = 2.5;
/// Frames of the output's size in linear light that the mapping of high dynamic range keeps: each filter its own.
const LINEAR_FRAMES: f64 = 4.0;
/// Bytes of such a pixel: three numbers of 4 bytes.
const LINEAR_PIXEL: f64 = 12.0;

/// A film that is to be turned is a phone's: its one reference frame is what others have three of, and as many fewer frames have
/// vectors to keep.
const FEWER_REFERENCES: f64 = 1.0;
const FEWER_OF_HEVC: f64 = 2.0;

/// Frames that a decoder holds for a stream.
pub fn held_for(stream: &VideoStream, threads: f64) -> f64 {
    let held = decoder_frames(&stream.codec, threads);
    match (stream.is_turned, stream.codec.as_str()) {
        (false, _) => held,
        (true, "hevc") => held - FEWER_OF_HEVC,
        (true, _) => held - FEWER_REFERENCES,
    }
}

/// Frames that a decoder holds, with the few that the scaler behind it does.
fn decoder_frames(codec: &str, threads: f64) -> f64 {
    match codec {
        // Every frame for itself.
        "prores" | "mjpeg" | "rawvideo" | "dnxhd" | "ffv1" | "huffyuv" | "ffvhuff" | "utvideo" | "png" | "v210" | "dvvideo" => {
            0.5 + threads
        }
        // Threads share a frame.
        "mpeg2video" | "mpeg1video" => 3.5,
        // dav1d works on as many frames at a time as the root of its threads says, rounded up, and keeps the coefficients
        // of each besides; and up to eight references.
        "av1" => 4.5 + 5.5 * threads.sqrt().ceil() + 0.3 * threads,
        // Three references that are often the same.
        "vp8" => 2.0 + threads,
        "vp9" => 4.4 + 1.6 * threads,
        // As h264, and the vectors of every frame.
        "hevc" => 5.9 + 2.13 * threads,
        // One reference, or two around a frame that looks both ways.
        "mpeg4" => 1.5 + 2.13 * threads,
        // h264, and those that nothing was measured of.
        _ => 4.9 + 2.13 * threads,
    }
}

/// Bytes that the filters hold, for an input frame of so many bytes.
pub fn filter_bytes(plan: &VideoPlan, stream: &VideoStream, input_frame: f64, output: Pixels) -> f64 {
    let deinterlacer = if is_deinterlaced(plan, stream) { DEINTERLACED * input_frame } else { 0.0 };
    // What an ffmpeg without zscale does instead needs less.
    let mapping = if is_tonemapped(plan, stream) { LINEAR_FRAMES * LINEAR_PIXEL * output.count() } else { 0.0 };
    deinterlacer + mapping
}

fn is_deinterlaced(plan: &VideoPlan, stream: &VideoStream) -> bool {
    plan.deinterlace == Deinterlace::Auto && stream.is_interlaced
}

fn is_tonemapped(plan: &VideoPlan, stream: &VideoStream) -> bool {
    plan.hdr == Hdr::Tonemap && stream.is_hdr()
}

/// The filters of a job that hold much memory, by a word for each: jobs with them are of another kind.
pub fn heavy_filters(plan: &VideoPlan, stream: &VideoStream) -> Vec<&'static str> {
    let known = [(is_deinterlaced(plan, stream), "deinterlaced"), (is_tonemapped(plan, stream), "tonemapped")];
    known.into_iter().filter(|(is_used, _)| *is_used).map(|(_, word)| word).collect()
}
