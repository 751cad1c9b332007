//! Clips, made with ffmpeg once and kept for the next time: tiny, and of every kind that a queue may meet.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::{World, tool, tool_path};

const MIB: u64 = 1024 * 1024;

/// As web-720p, by an encoder that takes a third of the processor: for runs that are about memory and time, and not about pictures.
pub const QUICK_PRESET: &str = "name: quick\nvideo: { codec: libx264, preset: veryfast, crf: 23, height: 720, pixel_format: yuv420p }\n\
container: mp4\nthreads: 2\n";

/// The clips by name.
pub struct Clips {
    folder: PathBuf,
}

impl Clips {
    fn at(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// 320×240, half a second, a few frames: for when the content does not matter.
    pub fn tiny(&self) -> PathBuf {
        self.at("tiny.mp4")
    }

    /// As tiny, other pictures.
    pub fn other(&self) -> PathBuf {
        self.at("other.mp4")
    }

    /// One second of this height, with sound.
    pub fn of_height(&self, height: u32) -> PathBuf {
        self.at(&format!("{height}p.mp4"))
    }

    /// Two minutes of 1080p in 120 MB: an encoder has a minute's work with it.
    pub fn long(&self) -> PathBuf {
        self.at("long.mp4")
    }

    /// Two seconds of Matroska, whole.
    pub fn whole(&self) -> PathBuf {
        self.at("whole.mkv")
    }

    /// A Matroska file that ends in its middle: it opens, and turns out to be damaged while it is read.
    pub fn torn(&self) -> PathBuf {
        self.at("torn.mkv")
    }

    /// Two seconds of noise, which no encoder makes small.
    pub fn noise(&self) -> PathBuf {
        self.at("noise.mp4")
    }
}

/// Clips of one kind, each with pictures of its own.
pub fn make_clips(world: &World, count: u32, size: &str, frames: u32) {
    for number in 1..=count {
        let graph = format!("testsrc2=s={size}:r=25,hue=h={}", number * 37);
        let made = Command::new(tool("ffmpeg"))
            .env("PATH", tool_path())
            .args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", &graph, "-frames:v", &frames.to_string()])
            .args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"])
            .arg(world.path(format!("in/clip-{number:02}.mp4")))
            .status()
            .expect("ffmpeg runs");
        assert!(made.success());
    }
}

/// The clips, made now unless they are there.
pub fn clips() -> &'static Clips {
    static CLIPS: OnceLock<Clips> = OnceLock::new();
    CLIPS.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clips-1");
        fs::create_dir_all(&folder).expect("a folder");
        let clips = Clips { folder };
        let picture = |size: &str, rate: u32| format!("testsrc2=size={size}:rate={rate}");
        let quick = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
        let lavfi = |name: &str, graph: &str, seconds: &str, more: &[&str]| {
            clips.make(name, |to| {
                let mut command = ffmpeg();
                command.args(["-f", "lavfi", "-i", graph, "-f", "lavfi", "-i", "sine=frequency=440", "-t", seconds]);
                command.args(quick).args(["-c:a", "aac"]).args(more).arg(to);
                command
            });
        };
        lavfi("tiny.mp4", &picture("320x240", 10), "0.5", &[]);
        lavfi("other.mp4", &format!("{},negate", picture("320x240", 10)), "0.5", &[]);
        for (height, size) in [(480, "854x480"), (720, "1280x720"), (1080, "1920x1080")] {
            lavfi(&format!("{height}p.mp4"), &picture(size, 12), "1", &[]);
        }
        lavfi("whole.mkv", &picture("320x240", 24), "2", &["-g", "12"]);
        lavfi("noise.mp4", "color=gray:size=1280x720:rate=10,noise=alls=100:allf=t", "2", &["-crf", "30"]);
        clips.make("long.mp4", |to| {
            let mut command = ffmpeg();
            command.args(["-stream_loop", "119", "-i"]).arg(clips.of_height(1080)).args(["-c", "copy"]).arg(to);
            command
        });
        let whole = fs::read(clips.whole()).expect("made");
        let torn = clips.at(&format!("torn.{}.tmp", std::process::id()));
        fs::write(&torn, &whole[..whole.len() / 2]).expect("written");
        fs::rename(torn, clips.torn()).expect("renamed");
        clips
    })
}

impl Clips {
    /// Under a name of its own first: another test process may be making the same clip.
    fn make(&self, name: &str, command: impl FnOnce(&Path) -> Command) {
        let (to, own) = (self.at(name), self.at(&format!("{}.{name}", std::process::id())));
        if to.exists() {
            return;
        }
        let made = command(&own).output().expect("ffmpeg runs");
        assert!(made.status.success(), "{name}: {}", String::from_utf8_lossy(&made.stderr));
        fs::rename(own, to).expect("renamed");
    }
}

fn ffmpeg() -> Command {
    let mut command = Command::new(tool("ffmpeg"));
    command.env("PATH", tool_path()).args(["-nostdin", "-v", "error", "-y"]);
    command
}

/// Makes a playable mp4 this many MB long: a `free` box, a hole on disk, at its end.
pub fn pad(path: &Path, mib: u64) {
    let mut file = OpenOptions::new().write(true).open(path).expect("opens");
    let end = file.seek(SeekFrom::End(0)).expect("seeks");
    let size = u32::try_from(mib * MIB - end).expect("fits a box");
    file.write_all(&size.to_be_bytes()).and_then(|()| file.write_all(b"free")).expect("written");
    file.set_len(mib * MIB).expect("grown");
}

/// As [`pad`], with bytes that are really there and in the page cache.
pub fn pad_in_memory(path: &Path, mib: u64) {
    let begin = fs::metadata(path).expect("there").len();
    pad(path, mib);
    let mut file = OpenOptions::new().write(true).open(path).expect("opens");
    file.seek(SeekFrom::Start(begin + 8)).expect("seeks");
    let block = vec![7_u8; MIB as usize];
    let mut left = mib * MIB - begin - 8;
    while left > 0 {
        let part = left.min(MIB);
        file.write_all(&block[..part as usize]).expect("written");
        left -= part;
    }
    file.sync_all().expect("on disk");
}

/// What ffprobe says of a file's streams: `h264,1280,720`; `None` when it cannot read it or cannot decode it whole.
pub fn probe(path: &Path) -> Option<Vec<String>> {
    let url = |path: &Path| {
        let mut url = std::ffi::OsString::from("file:");
        url.push(path);
        url
    };
    let shown = Command::new(tool("ffprobe"))
        .args(["-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0"])
        .arg(url(path))
        .output()
        .expect("ffprobe runs");
    let decoded = ffmpeg().arg("-xerror").arg("-i").arg(url(path)).args(["-f", "null", "-"]).output().expect("ffmpeg runs");
    let whole = shown.status.success() && decoded.status.success() && decoded.stderr.is_empty();
    whole.then(|| {
        String::from_utf8(shown.stdout).expect("UTF-8").lines().map(|line| line.trim_end_matches(',').to_owned()).collect()
    })
}
