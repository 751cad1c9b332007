//! Tiny clips and presets for the tests of this floor.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::domain::preset::{AudioCodec, AudioPlan, Container, PixelFormat, Preset, SpeedPreset, Tile, VideoCodec, VideoPlan};

use super::media::probe::Prober;
use super::media::tally::Tally;
use super::process::log::logread::Classified;
use crate::domain::account::Account;

/// Small and quick: x264 ultrafast at 64 lines, AAC.
pub fn quick() -> Preset {
    Preset {
        video: Some(VideoPlan {
            preset: Some(SpeedPreset::Ultrafast),
            crf: Some(30),
            height: Some(64),
            pixel_format: Some(PixelFormat::Yuv420p),
            ..VideoPlan::new(VideoCodec::X264)
        }),
        audio: Some(AudioPlan { bitrate: Some(64_000), ..AudioPlan::new(AudioCodec::Aac) }),
        extra: vec!["-movflags".to_owned(), "+faststart".to_owned()],
        ..Preset::new("quick", Container::Mp4, 1)
    }
}

/// Sound only.
pub fn sound() -> Preset {
    Preset { name: "sound".to_owned(), video: None, container: Container::M4a, extra: Vec::new(), ..quick() }
}

/// A contact sheet of three by two frames, each 30 lines high.
pub fn sheet() -> Preset {
    let tile = Some(Tile { columns: 3, rows: 2 });
    let video = quick().video.map(|plan| VideoPlan {
        codec: VideoCodec::Mjpeg,
        preset: None,
        crf: Some(4),
        height: Some(30),
        pixel_format: Some(PixelFormat::Yuvj420p),
        tile,
        ..plan
    });
    Preset { name: "sheet".to_owned(), video, audio: None, container: Container::Jpg, extra: Vec::new(), ..quick() }
}

pub fn prober(scratch: &Path) -> Prober {
    Prober::new("ffprobe", scratch)
}

/// Runs ffmpeg with these arguments before the output.
pub fn make(output: &Path, arguments: &[&str]) {
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y"])
        .args(arguments)
        .arg(super::media::arguments::file_url(output))
        .stdout(Stdio::null())
        .status()
        .expect("ffmpeg runs");
    assert!(status.success(), "ffmpeg {arguments:?} {}", output.display());
}

/// A clip of `seconds` with picture (128×96) and sound.
pub fn clip(output: &Path, seconds: u32) {
    clip_with(output, seconds, &[]);
}

/// [`clip`] with further output options.
pub fn clip_with(output: &Path, seconds: u32, options: &[&str]) {
    let (picture, tone) = (format!("testsrc=d={seconds}:s=128x96:r=25"), format!("sine=d={seconds}"));
    let mut arguments = vec!["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &tone, "-pix_fmt", "yuv420p"];
    arguments.extend(["-c:v", "libx264", "-preset", "ultrafast", "-g", "5", "-c:a", "aac", "-f", "mp4"]);
    arguments.extend(options);
    make(output, &arguments);
}

/// The first `share` of a file's bytes under another name.
pub fn truncated(whole: &Path, share: f64, to: &Path) -> PathBuf {
    let bytes = std::fs::read(whole).expect("read");
    std::fs::write(to, &bytes[..(bytes.len() as f64 * share) as usize]).expect("written");
    to.to_owned()
}

/// What ffmpeg told of its work, from all that it wrote.
pub fn account(stderr: &[u8]) -> Account {
    let mut tally = Tally::default();
    for line in String::from_utf8_lossy(stderr).lines() {
        tally.observe(&Classified::of(line));
    }
    tally.into_account()
}
