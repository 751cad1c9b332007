//! How long a key takes to the screen of the built program while two encoders have the machine, and the server beside them,
//! from which the window learns what to show: less than an eye notices.
//! Held against a terminal in which `cat` gives each key back at the same time: a machine that is busy with other things too is
//! no fault of the console.
#![allow(clippy::disallowed_methods)] // what is measured is time

use std::process::Command;
use std::time::Duration;

use crate::support::pty::Terminal;
use crate::support::{World, tool, tool_path};

/// Most that half of the keys may take, beyond four times of what the machine itself takes for a key.
const MOST: Duration = Duration::from_millis(50);

/// Two clips of five minutes, of which each takes an encoder some minutes: a second that is repeated without being coded again.
fn long_clips(world: &World) {
    for name in ["first", "second"] {
        let (second, long) = (world.path("second.mp4"), world.path(format!("in/{name}.mp4")));
        let run = |args: &[&str], to: &std::path::Path| {
            let made = Command::new(tool("ffmpeg")).args(["-v", "error", "-nostdin", "-y"]).args(args).arg(to).status();
            assert!(made.expect("ffmpeg runs").success());
        };
        let graph = if name == "first" { "testsrc2=s=1280x720:r=25" } else { "testsrc2=s=1280x720:r=25,negate" };
        let coded = ["-t", "1", "-c:v", "libx264", "-preset", "ultrafast", "-qp", "30", "-pix_fmt", "yuv420p"];
        run(&[&["-f", "lavfi", "-i", graph][..], &coded].concat(), &second);
        run(&["-stream_loop", "299", "-i", second.to_str().expect("UTF-8"), "-c", "copy"], &long);
    }
}

#[test]
fn a_key_is_on_the_screen_within_50_ms_while_two_encoders_run() {
    let world = World::new();
    long_clips(&world);
    let preset = "name: heavy\nvideo: { codec: libx264, preset: slower, crf: 23 }\ncontainer: mp4\nthreads: 2\n";
    let (preset, inputs, home) = (world.write("heavy.yaml", preset), world.path("in"), world.path("home"));
    let args = [inputs.as_os_str(), "-p".as_ref(), "balanced".as_ref(), "--preset".as_ref(), preset.as_os_str()];
    let args = args.map(|arg: &std::ffi::OsStr| arg.to_str().expect("UTF-8"));
    let path = tool_path().to_str().expect("UTF-8");
    let mut terminal = Terminal::start_with(120, 36, &home, &args, &[("PATH", path)]);
    terminal.wait("two jobs with progress", |screen| screen.contains("2 running") && screen.contains(" fps"));
    terminal.press("g");
    terminal.wait("the log of the first", |screen| screen.contains("4 Log #1"));
    // Gives each key back, and does nothing else.
    let mut echo =
        Terminal::start_program(&["sh", "-c", "stty raw -echo; printf ready; exec cat"], (120, 36), &home, &[("PATH", path)]);
    echo.wait_for("ready");
    let (mut times, mut plain) = (Vec::new(), Vec::new());
    for round in 0..15 {
        for (nth, (keys, there, text)) in
            [("j", true, "4 Log #2"), ("k", true, "4 Log #1"), ("?", true, "half a page"), ("\x1b", false, "half a page")]
                .into_iter()
                .enumerate()
        {
            // At no fixed distance from the frames that the jobs' progress makes.
            std::thread::sleep(Duration::from_millis((round * 4 + nth as u64) * 37 % 150));
            let what = format!("{keys:?}: {text} {}", if there { "shown" } else { "gone" });
            times.push(terminal.time_to(keys, &what, |screen| screen.contains(text) == there));
            let line = format!("ready{}", "x".repeat(plain.len() + 1));
            plain.push(echo.time_to("x", "the letter", |screen| screen.contains(&line)));
        }
    }
    let screen = terminal.screen();
    assert!(screen.contains("2 running"), "both still run:\n{screen}");
    times.sort_unstable();
    plain.sort_unstable();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let (median, high, most) = (times[29], times[56], times[59]);
    println!("key to screen, two encoders running: median {:.1} ms, 95 % {:.1} ms, most {:.1} ms", ms(median), ms(high), ms(most));
    println!("a key that is only given back: median {:.1} ms", ms(plain[29]));
    assert!(median < MOST + 4 * plain[29], "median {median:?} beside {:?}, of {times:?}", plain[29]);
    terminal.press("q");
    terminal.press("s");
    terminal.end();
}
