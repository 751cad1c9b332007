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
use plimsoll::host::media::arguments::{self, Abilities, JobCommand};
use plimsoll::host::media::probe::Prober;
use recipes::{FPS, FRAMES, Recipe, recipes};

#[path = "../support/recipes.rs"]
#[allow(dead_code)] // the measured figures are for the model's own tests
mod recipes;

/// Between two looks at a process.
const PACE: Duration = Duration::from_millis(10);

/// A clip is a part of its length, as many times.
const REPEATED: u32 = 4;

/// What the two clips of a recipe show.
const CONTENTS: [&str; 2] = ["patterns", "fractal"];

/// A clip of the recipe's input, made once.
fn clip(folder: &Path, recipe: &Recipe, content: &str) -> PathBuf {
    let (width, height) = recipe.size;
    let film = &recipe.film;
    let kind: Vec<&str> =
        recipe.text.split(' ').filter(|word| ["from=", "pixels=", "sounds="].iter().any(|of| word.starts_with(of))).collect();
    let kind = kind.join("-").replace(':', "x");
    // A turned film needs a container that says so.
    let ending = if film.is_phone { "mov" } else { "mkv" };
    let path = folder.join(format!("{}-{width}x{height}-{}-{kind}-{content}.{ending}", recipe.input, recipe.format));
    if path.exists() {
        return path;
    }
    // A part is encoded, and repeated without encoding: what a decoder holds shows within the part.
    let part = folder.join("new-part.mkv");
    let made = folder.join(format!("new.{ending}"));
    ffmpeg(Command::new("ffmpeg").args(["-v", "error", "-nostdin", "-y"]).args(picture(recipe, content)).arg(&part));
    let again = (REPEATED - 1).to_string();
    let mut repeat = Command::new("ffmpeg");
    repeat.args(["-v", "error", "-nostdin", "-y", "-stream_loop", &again, "-i"]).arg(&part).args(["-map", "0", "-c", "copy"]);
    if film.is_phone {
        repeat.args(["-metadata:s:v:0", "rotate=90"]);
    }
    ffmpeg(repeat.arg(&made));
    fs::rename(made, &path).expect("renamed");
    path
}

fn ffmpeg(command: &mut Command) {
    let ended = command.status().expect("ffmpeg runs");
    assert!(ended.success(), "{command:?}");
}

/// What makes a clip.
fn picture(recipe: &Recipe, content: &str) -> Vec<String> {
    let (width, height) = recipe.size;
    let film = &recipe.film;
    // Large pictures are drawn at a quarter of their size: noise is slow to make.
    let (drawn_width, drawn_height) = if width * height > 2_500_000 { (width / 4, height / 4) } else { (width, height) };
    let mut picture = match content {
        "patterns" => format!("testsrc2=s={drawn_width}x{drawn_height}:r={FPS},noise=alls=6:allf=t"),
        _ => format!("mandelbrot=s=640x360:r={FPS}:maxiter=500,scale={drawn_width}x{drawn_height},noise=alls=20:allf=t"),
    };
    let (across, down) = film.pixel_shape;
    let _ = write!(picture, ",scale={width}x{height},setsar={across}/{down}");
    let mut args: Vec<String> = ["-f", "lavfi", "-i", &picture].map(str::to_owned).to_vec();
    let mut add = |words: &[&str]| args.extend(words.iter().map(|word| (*word).to_owned()));
    add(&["-f", "lavfi", "-i", "sine", "-map", "0:v"]);
    (0..film.sounds).for_each(|_| add(&["-map", "1:a"]));
    let seconds = f64::from(FRAMES / REPEATED) / f64::from(FPS);
    add(&["-t", &seconds.to_string(), "-pix_fmt", &recipe.format, "-c:a", "aac"]);
    // As broad as what cameras and other people's encoders make: several reference frames, B-frames.
    let (references, b_frames) = if film.is_phone { ("1", "0") } else { ("3", "4") };
    let mut x265 = format!("log-level=error:ref={references}:bframes={b_frames}");
    if film.transfer.is_some() {
        x265.push_str(":hdr10=1:repeat-headers=1");
    }
    match recipe.input.as_str() {
        "h264" => add(&["-c:v", "libx264", "-preset", "veryfast", "-refs", references, "-bf", b_frames, "-crf", "30"]),
        "hevc" => add(&["-c:v", "libx265", "-preset", "ultrafast", "-crf", "34", "-x265-params", &x265]),
        "vp8" => add(&["-c:v", "libvpx", "-threads", "2", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "3M"]),
        "vp9" => {
            add(&["-c:v", "libvpx-vp9", "-threads", "2", "-deadline", "realtime", "-cpu-used", "8", "-row-mt", "1", "-b:v", "3M"]);
        }
        "av1" => add(&["-c:v", "libsvtav1", "-preset", "12", "-crf", "40"]),
        "prores" => add(&["-c:v", "prores_ks", "-profile:v", if recipe.format.contains("444") { "4" } else { "3" }]),
        "rawvideo" => add(&["-c:v", "rawvideo"]),
        other => add(&["-c:v", other, "-q:v", "6"]),
    }
    if recipe.input == "av1" && film.has_grain {
        add(&["-svtav1-params", "film-grain=10"]);
    }
    if film.is_interlaced {
        add(&["-flags", "+ildct+ilme", "-top", "1"]);
    }
    if let Some(transfer) = film.transfer.or(film.is_wide.then_some("bt2020-10")) {
        add(&["-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc", "-color_range", "tv"]);
    }
    args
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
        mark: "plimsoll",
    };
    let mut command = arguments::command(&job).expect("built");
    command.envs(arguments::environment(&BTreeMap::new(), scratch));
    (media, command)
}

/// What the model said and what was seen, once for each content.
struct Row {
    text: String,
    is_predicted: bool,
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
            is_predicted: recipe.is_predicted(predicted.peak.as_mb(), peaks[0].max(peaks[1])),
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
    // Clips stay for the next time in a folder that is named; without one they are made anew.
    let kept = std::env::var_os("PLIMSOLL_PEAKS_CLIPS").map(PathBuf::from);
    let fleeting = tempfile::tempdir().expect("a folder");
    let folder = kept.as_deref().unwrap_or(fleeting.path());
    // Only rows with one of these words in their text.
    let wanted = std::env::var("PLIMSOLL_PEAKS").unwrap_or_default();
    let is_wanted = |recipe: &&Recipe| wanted.is_empty() || wanted.split(',').any(|word| recipe.text.contains(word));
    println!(
        "{:62} {:>9} {:>8} {:>6} {:>8} {:>8} {:>6}",
        "recipe", "predicted", "observed", "error", "learned", "observed", "error"
    );
    let rows: Vec<Row> = recipes()
        .iter()
        .filter(is_wanted)
        .map(|recipe| {
            let row = Row::measure(folder, recipe);
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
    let off: Vec<&str> = rows.iter().filter(|row| !row.is_predicted).map(|row| row.text.as_str()).collect();
    assert!(off.is_empty(), "the model is off for {off:#?}");
    let off: Vec<&str> = rows.iter().filter(|row| !row.is_learned).map(|row| row.text.as_str()).collect();
    assert!(off.is_empty(), "learning does not help {off:#?}");
}
