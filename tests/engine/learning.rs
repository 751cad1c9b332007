//! The built program, twice over the same film: what the first run saw is what the second expects.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Long enough for every queue of the encoder to fill, with x264 at an unhurried preset so that there is time to look.
const PRESET: &str = "name: steady
video: { codec: libx264, preset: slow, crf: 24, pixel_format: yuv420p }
container: mp4
threads: 1
";

fn clip(path: &Path, picture: &str) {
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", picture, "-c:v", "libx264", "-preset", "veryfast"])
        .args(["-pix_fmt", "yuv420p"])
        .arg(path)
        .status()
        .expect("ffmpeg runs");
    assert!(made.success());
}

/// Runs a clip to its end; the events of the run.
fn run(home: &Path, clip: &Path) -> Vec<Value> {
    let program = env!("CARGO_BIN_EXE_plimsoll");
    let output = Command::new(program)
        .args(["run", "--json", "--preset"])
        .arg(home.join("steady.yaml"))
        .arg("--state-dir")
        .arg(home.join("state"))
        .arg("--out")
        .arg(home.join("out"))
        .arg(clip)
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn event<'e>(events: &'e [Value], name: &str) -> &'e Value {
    events.iter().find(|event| event["event"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn the_second_run_expects_what_the_first_one_took() {
    let home = tempfile::tempdir().expect("a folder");
    let (first, second) = (home.path().join("first.mp4"), home.path().join("second.mp4"));
    clip(&first, "testsrc2=s=480x270:r=25:d=8");
    clip(&second, "mandelbrot=s=480x270:r=25,trim=duration=8");
    fs::write(home.path().join("steady.yaml"), PRESET).expect("written");

    let events = run(home.path(), &first);
    assert_eq!(event(&events, "job_inspected")["learned_from"], 0);
    let took = event(&events, "job_finished")["peak_memory_bytes"].as_u64().expect("a figure");
    assert!(took > 20 << 20, "{took} bytes");

    let events = run(home.path(), &second);
    let inspected = event(&events, "job_inspected");
    assert_eq!(inspected["learned_from"], 1);
    let expected = inspected["predicted_peak_bytes"].as_u64().expect("a figure");
    assert_eq!(event(&events, "job_started")["predicted_peak_bytes"], expected);
    let ratio = expected as f64 / took as f64;
    assert!((1.0..1.1).contains(&ratio), "{expected} for {took}");
}
