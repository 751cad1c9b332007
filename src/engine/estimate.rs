//! The peak of memory that a job will need, from what its input is and what its preset asks for.
//!
//! File size says nothing: a 20 MB 4K file peaks ten times higher than a 223 MB one in 480p. What counts is the number
//! of pixels, the encoder, its speed preset and its threads. The figures were measured with ffmpeg 5.1 and x264 on
//! synthetic clips; they are a start, good to about a seventh for x264.

use crate::domain::job::MediaInfo;
use crate::domain::preset::{Preset, SpeedPreset, VideoCodec, VideoPlan};
use crate::domain::units::{Bytes, MIB};

/// Demuxer, audio and the program itself.
const BASE_MB: f64 = 20.0;
/// Decoder's frames for one input pixel in MB per megapixel, one thread.
const DECODE_MB: f64 = 18.0;
/// The same for each further thread.
const DECODE_PER_THREAD_MB: f64 = 6.0;

/// Peak of anonymous memory that the job is expected to reach; `None` where nothing is known of the picture.
pub fn predicted_peak(media: &MediaInfo, preset: &Preset) -> Option<Bytes> {
    let threads = f64::from(preset.threads.max(1));
    let Some(plan) = &preset.video else {
        return Some(mb(BASE_MB + 10.0));
    };
    let stream = media.video.as_ref()?;
    let input_mp = megapixels(stream.width, stream.height);
    if plan.codec == VideoCodec::Copy {
        return Some(mb(BASE_MB + 39.0));
    }
    let (width, height) = output_size(plan, stream.width, stream.height);
    let output_mp = megapixels(width, height);
    let decode = input_mp * (DECODE_MB + DECODE_PER_THREAD_MB * (threads - 1.0));
    let encode = output_mp * encoder_mb_per_megapixel(plan) * thread_factor(threads) * depth_factor(plan, &stream.pixel_format);
    // Scaling needs a few frames of both sizes on top.
    let scaling = if (output_mp - input_mp).abs() > f64::EPSILON { 1.5 * 3.0 * (input_mp + output_mp) } else { 0.0 };
    Some(mb(BASE_MB + 35.0 + decode + encode + scaling))
}

/// Width and height of the output: as high as the plan says, never larger than the input, even numbers.
pub fn output_size(plan: &VideoPlan, width: u32, height: u32) -> (u32, u32) {
    let Some(limit) = plan.height.filter(|limit| *limit < height && height > 0) else {
        return (width, height);
    };
    let scaled = (u64::from(width) * u64::from(limit) / u64::from(height)) as u32;
    (scaled.max(2) & !1, limit)
}

/// MB per megapixel of output with one thread, without the decoder's share.
fn encoder_mb_per_megapixel(plan: &VideoPlan) -> f64 {
    match plan.codec {
        VideoCodec::X264 => 140.0 * speed_factor(plan.preset),
        VideoCodec::X265 => 160.0 * speed_factor(plan.preset),
        VideoCodec::Vp9 => 120.0,
        VideoCodec::SvtAv1 => 150.0,
        VideoCodec::Mpeg4 | VideoCodec::Mjpeg => 8.0,
        VideoCodec::Copy => 0.0,
    }
}

/// How much less or more than `medium` a speed preset holds: lookahead and reference frames.
fn speed_factor(preset: Option<SpeedPreset>) -> f64 {
    match preset.unwrap_or(SpeedPreset::Medium) {
        SpeedPreset::Ultrafast => 0.08,
        SpeedPreset::Superfast => 0.20,
        SpeedPreset::Veryfast => 0.39,
        SpeedPreset::Faster => 0.60,
        SpeedPreset::Fast => 0.80,
        SpeedPreset::Medium => 1.0,
        SpeedPreset::Slow => 1.25,
        SpeedPreset::Slower => 1.7,
        SpeedPreset::Veryslow => 2.2,
    }
}

/// Each further thread holds further frames: 415, 470, 533, 657, 909 MB at 1, 2, 4, 8, 16 threads.
fn thread_factor(threads: f64) -> f64 {
    1.0 + 0.085 * (threads - 1.0)
}

fn depth_factor(plan: &VideoPlan, input_format: &str) -> f64 {
    let format = plan.pixel_format.map_or(input_format, |format| format.as_str());
    let depth = if format.contains("10") || format.contains("12") { 1.6 } else { 1.0 };
    let chroma = if format.contains("444") {
        2.0
    } else if format.contains("422") {
        1.33
    } else {
        1.0
    };
    depth * chroma
}

fn megapixels(width: u32, height: u32) -> f64 {
    f64::from(width) * f64::from(height) / 1e6
}

fn mb(value: f64) -> Bytes {
    Bytes(MIB).scale(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::job::VideoStream;
    use crate::domain::preset::{AudioPlan, Container, PixelFormat};

    fn preset(codec: VideoCodec, speed: SpeedPreset, height: Option<u32>, threads: u32) -> Preset {
        Preset {
            name: "t".into(),
            video: Some(VideoPlan {
                codec,
                preset: Some(speed),
                crf: Some(23),
                bitrate: None,
                height,
                fps: None,
                pixel_format: Some(PixelFormat::Yuv420p),
                tile: None,
            }),
            audio: None::<AudioPlan>,
            container: Container::Mp4,
            threads,
            extra: Vec::new(),
            tolerant: false,
        }
    }

    fn clip(width: u32, height: u32) -> MediaInfo {
        let video = VideoStream { codec: "h264".into(), width, height, pixel_format: "yuv420p".into(), fps: 30.0 };
        MediaInfo { video: Some(video), ..MediaInfo::default() }
    }

    #[test]
    fn x264_peaks_are_predicted_within_a_quarter_of_what_was_measured() {
        use SpeedPreset::{Medium, Ultrafast, Veryfast};
        for (speed, size, out, threads, measured) in [
            (Medium, (640, 360), None, 1, 105.0),
            (Medium, (854, 480), None, 1, 135.0),
            (Medium, (1280, 720), None, 1, 225.0),
            (Medium, (1920, 1080), None, 1, 415.0),
            (Medium, (2560, 1440), None, 1, 652.0),
            (Medium, (3840, 2160), None, 1, 1380.0),
            (Veryfast, (1920, 1080), None, 1, 216.0),
            (Ultrafast, (1920, 1080), None, 1, 97.0),
            (Medium, (1920, 1080), None, 2, 470.0),
            (Medium, (1920, 1080), None, 4, 533.0),
            (Medium, (1920, 1080), Some(720), 1, 233.0),
            (Medium, (3840, 2160), Some(1080), 1, 448.0),
        ] {
            let preset = preset(VideoCodec::X264, speed, out, threads);
            let predicted = predicted_peak(&clip(size.0, size.1), &preset).expect("a picture").as_mb();
            let error = (predicted - measured) / measured;
            assert!(error.abs() < 0.25, "{speed} {size:?} -> {out:?} x{threads}: {predicted:.0} for {measured} ({error:+.2})");
        }
    }

    #[test]
    fn outputs_are_never_enlarged_and_have_even_sides() {
        let plan = preset(VideoCodec::X264, SpeedPreset::Medium, Some(720), 1).video.expect("video");
        assert_eq!(output_size(&plan, 1920, 1080), (1280, 720));
        assert_eq!(output_size(&plan, 640, 480), (640, 480));
        assert_eq!(output_size(&plan, 853, 1080), (568, 720));
        assert_eq!(output_size(&plan, 0, 0), (0, 0));
    }
}
