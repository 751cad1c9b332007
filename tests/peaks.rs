//! The memory model against ffmpeg itself: makes clips, runs the program's own command lines, watches how much they hold.
//! Takes minutes, so it is run by `just peaks` alone. The figures it writes are the table that the model's own tests read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use plimsoll::domain;
use plimsoll::domain::units::Bytes;
use plimsoll::engine::estimate::{Learned, RecipeKey, estimate};
use plimsoll::host::arguments::{self, Abilities, JobCommand};
use plimsoll::host::probe::Prober;
use recipes::{FPS, FRAMES, Recipe, recipes};

#[path = "support/recipes.rs"]
#[allow(dead_code)] // the measured figures are for the model's own tests
mod recipes;

/// Between two looks at a process.
const PACE: Duration = Duration::from_millis(10);

/// What the two clips of a recipe show.
const CONTENTS: [&str; 2] = ["patterns", "fractal"];

/// A clip of the recipe's input, made once.
fn clip(folder: &Path, recipe: &Recipe, content: &str) -> PathBuf {
    let (width, height) = recipe.size;
    let path = folder.join(format!("{}-{width}x{height}-{}-{content}.mkv", recipe.input, recipe.format));
    if path.exists() {
        return path;
    }
    let picture = match content {
        "patterns" => format!("testsrc2=s={width}x{height}:r={FPS},noise=alls=6:allf=t"),
        _ => format!("mandelbrot=s=640x360:r={FPS},scale={width}x{height},noise=alls=20:allf=t"),
    };
    let encoder: &[&str] = match recipe.input.as_str() {
        // As broad as what cameras and other people's encoders make: several reference frames, B-frames.
        "h264" => &["libx264", "-preset", "veryfast", "-refs", "3", "-crf", "30"],
        "hevc" => &["libx265", "-preset", "ultrafast", "-crf", "34", "-x265-params", "log-level=error:ref=3:bframes=4"],
        "vp9" => &["libvpx-vp9", "-threads", "2", "-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1", "-b:v", "3M"],
        "av1" => &["libsvtav1", "-preset", "12", "-crf", "40"],
        "prores" => &["prores_ks", "-profile:v", "3"],
        other => &[other, "-q:v", "6"],
    };
    let seconds = f64::from(FRAMES) / f64::from(FPS);
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", "sine"])
        .args(["-t", &seconds.to_string(), "-pix_fmt", &recipe.format, "-c:v"])
        .args(encoder.iter().filter(|word| recipe.input != "rawvideo" || **word == "rawvideo"))
        .args(["-c:a", "aac"])
        .arg(&path)
        .status()
        .expect("ffmpeg runs");
    assert!(made.success(), "{}", path.display());
    path
}

/// Highest anonymous memory of one run in MB.
fn peak(mut command: Command) -> f64 {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("ffmpeg runs");
    let status = format!("/proc/{}/status", child.id());
    // A pipe that is full would hold the process up; what it says is a line at most unless it fails.
    let mut peak = 0.0_f64;
    let ended = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0);
        peak = peak.max(kib / 1024.0);
        if let Some(ended) = child.try_wait().expect("waited") {
            break ended;
        }
        std::thread::sleep(PACE);
    };
    if !ended.success() {
        let mut said = String::new();
        let _ = std::io::Read::read_to_string(&mut child.stderr.take().expect("piped"), &mut said);
        panic!("{said}");
    }
    peak
}

/// The program's own command line, and what its probe finds.
fn main_command(clip: &Path, part: &Path, recipe: &Recipe) -> (domain::job::MediaInfo, Command) {
    let scratch = part.parent().expect("a folder");
    let media = Prober::new("ffprobe", scratch).probe(clip, &recipe.preset).expect("probed").media;
    let preset = &recipe.preset;
    let job = JobCommand {
        ffmpeg: Path::new("ffmpeg"),
        preset,
        media: &media,
        input: clip,
        part,
        progress_fd: 1,
        abilities: Abilities { has_fps_mode: true, has_zscale: true },
    };
    let mut command = arguments::command(&job).expect("built");
    command.envs(arguments::environment(&BTreeMap::new(), scratch));
    (media, command)
}

/// What the model said and what was seen, once for each content.
struct Row {
    text: String,
    bound: f64,
    predicted: f64,
    peaks: [f64; 2],
    learned: f64,
    is_learned: bool,
}

impl Row {
    fn measure(folder: &Path, recipe: &Recipe) -> Self {
        let part = folder.join("part");
        let [(media, first), (_, second)] = CONTENTS.map(|content| main_command(&clip(folder, recipe, content), &part, recipe));
        let mut learned = Learned::default();
        let predicted = estimate(&media, &recipe.preset, &learned).expect("a picture");
        let peaks = [peak(first), peak(second)];
        learned.remember(RecipeKey::of(&media, &recipe.preset).expect("long enough"), Bytes::mib(1).scale(peaks[0]));
        let after = estimate(&media, &recipe.preset, &learned).expect("a picture");
        Self {
            text: recipe.text.clone(),
            bound: recipe.bound(),
            predicted: predicted.peak.as_mb(),
            peaks,
            learned: after.peak.as_mb(),
            is_learned: recipe.is_learned(after.peak.as_mb(), peaks[1]),
        }
    }

    /// Of the model, against the higher peak.
    fn before(&self) -> f64 {
        self.predicted / self.peaks[0].max(self.peaks[1]) - 1.0
    }

    /// Of what the first run taught, against the second.
    fn after(&self) -> f64 {
        self.learned / self.peaks[1] - 1.0
    }
}

#[test]
#[ignore = "takes minutes; run by `just peaks`"]
fn the_model_foretells_what_ffmpeg_holds() {
    let folder = tempfile::tempdir().expect("a folder");
    println!(
        "{:62} {:>9} {:>8} {:>6} {:>8} {:>8} {:>6}",
        "recipe", "predicted", "observed", "error", "learned", "observed", "error"
    );
    let rows: Vec<Row> = recipes()
        .iter()
        .map(|recipe| {
            let row = Row::measure(folder.path(), recipe);
            let (before, after) = (row.before() * 100.0, row.after() * 100.0);
            let [first, second] = row.peaks;
            let (text, predicted, learned) = (&row.text, row.predicted, row.learned);
            let highest = first.max(second);
            println!("{text:62} {predicted:9.0} {highest:8.0} {before:+5.1}% {learned:8.0} {second:8.0} {after:+5.1}%");
            row
        })
        .collect();
    let mut table = String::new();
    for line in recipes::TABLE.lines().filter(|line| line.starts_with('#')) {
        let _ = writeln!(table, "{line}");
    }
    for row in &rows {
        let _ = writeln!(table, "{} | {:.1} {:.1}", row.text, row.peaks[0], row.peaks[1]);
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peaks.txt");
    fs::write(&file, table).expect("written");
    println!("the table of this machine is in {}; compare it with tests/data/peaks.txt", file.display());
    let off: Vec<&str> = rows.iter().filter(|row| row.before().abs() > row.bound).map(|row| row.text.as_str()).collect();
    assert!(off.is_empty(), "the model is off for {off:#?}");
    let off: Vec<&str> = rows.iter().filter(|row| !row.is_learned).map(|row| row.text.as_str()).collect();
    assert!(off.is_empty(), "learning does not help {off:#?}");
}
