//! What ffprobe and ffmpeg say of a file, in the figures that the facts are made of.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::clip::ffmpeg;
use crate::support::tool;

/// A file as readers see it. Each reader is asked once, when it is first needed.
pub struct Reading {
    pub path: PathBuf,
    shown: OnceLock<Value>,
    decoded: OnceLock<(Value, Vec<String>)>,
    samples: OnceLock<Vec<f32>>,
    /// Pictures by their moments.
    pictures: RefCell<Vec<(f64, Picture)>>,
}

/// Three bytes for each pixel: red, green, blue.
struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Picture {
    /// The mean of two by two pixels at this place; none where the picture is missing or of another size.
    fn colour(&self, place: (f64, f64)) -> Option<[i32; 3]> {
        if self.width < 2 || self.height < 2 || self.pixels.len() != self.width * self.height * 3 {
            return None;
        }
        let at = |of: usize, share: f64| ((of as f64 * share) as usize).min(of - 2);
        let (left, top) = (at(self.width, place.0), at(self.height, place.1));
        let value = |x: usize, y: usize, channel: usize| i32::from(self.pixels[(y * self.width + x) * 3 + channel]);
        let mean = |channel: usize| {
            let sum: i32 = [(0, 0), (1, 0), (0, 1), (1, 1)].iter().map(|(x, y)| value(left + x, top + y, channel)).sum();
            (sum + 2) / 4
        };
        Some([mean(0), mean(1), mean(2)])
    }
}

impl Reading {
    pub fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            shown: OnceLock::new(),
            decoded: OnceLock::new(),
            samples: OnceLock::new(),
            pictures: RefCell::default(),
        }
    }

    fn shown(&self) -> &Value {
        match self.decoded.get() {
            Some((shown, _)) => shown,
            None => self.shown.get_or_init(|| probe(&self.path, &[]).0),
        }
    }

    /// Length in seconds by the container; 0 when it tells none.
    pub fn seconds(&self) -> f64 {
        figure(&self.shown()["format"]["duration"])
    }

    /// A tag of the whole file.
    pub fn tag(&self, name: &str) -> String {
        word(&self.shown()["format"]["tags"][name])
    }

    /// The streams of this kind: `video`, `audio`, `subtitle`.
    pub fn streams(&self, kind: &str) -> Vec<&Value> {
        streams_of(self.shown(), kind)
    }

    /// A field of the first stream of this kind.
    pub fn field(&self, kind: &str, name: &str) -> String {
        self.streams(kind).first().map(|stream| word(&stream[name])).unwrap_or_default()
    }

    /// A tag of the first stream of this kind.
    pub fn stream_tag(&self, kind: &str, name: &str) -> String {
        self.streams(kind).first().map(|stream| word(&stream["tags"][name])).unwrap_or_default()
    }

    /// Width and height of the picture as it is stored.
    pub fn size(&self) -> (u64, u64) {
        let picture = self.streams("video").first().copied().unwrap_or(&Value::Null);
        (picture["width"].as_u64().unwrap_or(0), picture["height"].as_u64().unwrap_or(0))
    }

    /// Width by height as a player shows it, rotated as the file says.
    pub fn shape(&self) -> f64 {
        let (width, height) = self.size();
        let ratio = self.field("video", "sample_aspect_ratio");
        let pixel = ratio.split_once(':').and_then(|(a, b)| Some((a.parse::<f64>().ok()?, b.parse::<f64>().ok()?)));
        let pixel = pixel.filter(|(a, b)| *a > 0.0 && *b > 0.0).map_or(1.0, |(a, b)| a / b);
        let shape = width as f64 / height as f64 * pixel;
        if self.rotation() % 180 == 0 { shape } else { 1.0 / shape }
    }

    /// Degrees that a player turns the picture by.
    pub fn rotation(&self) -> i64 {
        let picture = self.streams("video").first().copied().unwrap_or(&Value::Null);
        let sides = picture["side_data_list"].as_array().map(Vec::as_slice).unwrap_or_default();
        sides.iter().find_map(|side| side["rotation"].as_i64()).unwrap_or(0)
    }

    /// Names and beginnings of the chapters.
    pub fn chapters(&self) -> Vec<(String, f64)> {
        let all = self.shown()["chapters"].as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter().map(|chapter| (word(&chapter["tags"]["title"]), figure(&chapter["start_time"]))).collect()
    }

    /// When the first stream of this kind begins, in seconds.
    pub fn begins(&self, kind: &str) -> f64 {
        figure(&self.streams(kind).first().copied().unwrap_or(&Value::Null)["start_time"])
    }

    /// Pictures that come out of a decoder, and what decoders complain about meanwhile, those of sound too. Asked for first, it
    /// answers all that is shown of the file as well: a start of ffprobe less.
    pub fn decoded(&self) -> (u64, &[String]) {
        let (shown, complaints) = self.decoded.get_or_init(|| probe(&self.path, &["-count_frames"]));
        let frames = streams_of(shown, "video").first().and_then(|stream| word(&stream["nb_read_frames"]).parse().ok());
        (frames.unwrap_or(0), complaints)
    }

    /// Moments of the packets of the first stream of this kind, in seconds, in order.
    pub fn moments(&self, kind: &str) -> Vec<f64> {
        let told = Command::new(tool("ffprobe"))
            .args(["-v", "error", "-select_streams", &format!("{}:0", &kind[..1]), "-show_entries", "packet=pts_time"])
            .args(["-of", "csv=p=0"])
            .arg(&self.path)
            .output()
            .expect("ffprobe runs");
        let text = String::from_utf8_lossy(&told.stdout).into_owned();
        let mut moments: Vec<f64> = text.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect();
        moments.sort_by(f64::total_cmp);
        moments
    }

    /// Red, green and blue that a player shows at this moment, at this place (shares of width and height).
    pub fn colour(&self, seconds: f64, place: (f64, f64)) -> [i32; 3] {
        self.with_picture(seconds, |picture| picture.colour(place).unwrap_or([-999; 3]))
    }

    /// Hands over the picture of this moment, which is decoded once however many places of it are asked for.
    fn with_picture<T>(&self, seconds: f64, use_it: impl FnOnce(&Picture) -> T) -> T {
        let mut pictures = self.pictures.borrow_mut();
        let known = pictures.iter().position(|(moment, _)| (moment - seconds).abs() < f64::EPSILON);
        let at = known.unwrap_or_else(|| {
            pictures.push((seconds, self.picture(seconds)));
            pictures.len() - 1
        });
        use_it(&pictures[at].1)
    }

    /// The picture of this moment as a player shows it. A player follows the tags of the file; without one it takes BT.709 from
    /// 720 lines on, BT.601 below.
    fn picture(&self, seconds: f64) -> Picture {
        let (width, height) = self.size();
        let space = self.field("video", "color_space");
        let matrix = match space.as_str() {
            "bt709" => "bt709",
            "smpte170m" | "bt470bg" => "bt601",
            _ if width.min(height) >= 720 => "bt709",
            _ => "bt601",
        };
        let is_still = matches!(self.path.extension().and_then(|e| e.to_str()), Some("jpg" | "png"));
        let matrix = if is_still { "bt601" } else { matrix };
        let graph = format!("scale=in_color_matrix={matrix}:flags=accurate_rnd,format=rgb24");
        let seek = if seconds > 0.0 { vec!["-ss".to_owned(), seconds.to_string()] } else { Vec::new() };
        let mut command = ffmpeg();
        command.args(seek).arg("-i").arg(&self.path).args(["-frames:v", "1", "-vf", &graph, "-f", "rawvideo", "-"]);
        let pixels = command.output().expect("ffmpeg runs").stdout;
        let (width, height) = if self.rotation() % 180 == 0 { (width, height) } else { (height, width) };
        Picture { width: width as usize, height: height as usize, pixels }
    }

    /// Samples of the first sound, mono at 8000 Hz, one after the other as a player plays that counts samples.
    pub fn samples(&self) -> &[f32] {
        self.samples.get_or_init(|| {
            let words = ["-map", "0:a:0", "-f", "f32le", "-ac", "1", "-ar", "8000", "-"];
            let mut command = ffmpeg();
            let out = command.arg("-i").arg(&self.path).args(words).stderr(Stdio::null()).output().expect("ffmpeg runs").stdout;
            out.chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect()
        })
    }

    /// Pictures that show two moments at once, of all pictures.
    pub fn combed(&self) -> (u64, u64) {
        let mut command = ffmpeg();
        command.args(["-v", "info"]).arg("-i").arg(&self.path).args(["-vf", "idet", "-an", "-f", "null", "-"]);
        let told = String::from_utf8_lossy(&command.output().expect("ffmpeg runs").stderr).into_owned();
        let line = told.lines().rfind(|line| line.contains("Multi frame detection")).unwrap_or_default().to_owned();
        let counts: Vec<u64> = line.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
        // The address of the filter stands in front of the four counts: top first, bottom first, progressive, undetermined.
        let counts = &counts[counts.len().saturating_sub(4)..];
        (counts.first().unwrap_or(&0) + counts.get(1).unwrap_or(&0), counts.iter().sum())
    }

    /// How like this is to `reference` after `graph`, by structure: 1 is the same.
    pub fn likeness(&self, reference: &Path, graph: &str) -> f64 {
        let mut command = ffmpeg();
        command.args(["-v", "info"]).arg("-i").arg(&self.path).arg("-i").arg(reference);
        command.args(["-lavfi", &format!("[1:v]{graph}[r];[0:v][r]ssim"), "-f", "null", "-"]);
        let told = String::from_utf8_lossy(&command.output().expect("ffmpeg runs").stderr).into_owned();
        let all = told.rsplit("All:").next().and_then(|rest| rest.split_whitespace().next()).map(str::to_owned);
        all.and_then(|figure| figure.parse().ok()).unwrap_or(0.0)
    }
}

/// What ffprobe shows of a file, and the lines it complains with.
fn probe(path: &Path, more: &[&str]) -> (Value, Vec<String>) {
    let mut command = Command::new(tool("ffprobe"));
    command.args(["-v", "error", "-threads", "1", "-show_format", "-show_streams", "-show_chapters", "-of", "json"]);
    let told = command.args(more).arg(path).output().expect("ffprobe runs");
    let complaints = String::from_utf8_lossy(&told.stderr).lines().map(str::to_owned).collect();
    (serde_json::from_slice(&told.stdout).unwrap_or(Value::Null), complaints)
}

fn streams_of<'a>(shown: &'a Value, kind: &str) -> Vec<&'a Value> {
    let all = shown["streams"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter(|stream| stream["codec_type"] == kind && stream["disposition"]["attached_pic"] != 1).collect()
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}

fn figure(value: &Value) -> f64 {
    word(value).parse().unwrap_or(0.0)
}
