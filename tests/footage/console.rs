//! The console beside names of every writing, keys of another layout, and pasted text.

use unicode_width::UnicodeWidthChar as _;

use crate::clip::{Clip, QUICK, film};
use crate::support::pty::Terminal;
use crate::support::{World, patient_ffmpeg};

const NAMES: [&str; 5] = [
    "日本語の動画ファイル名前とても長い名前です.mp4",
    "👨‍👩‍👧‍👦 family 🏖️ ♻️ trip.mp4",
    "é combining e\u{301}.mp4",
    "العربية فيديو.mp4",
    "ไทย ทดสอบ.mp4",
];

/// Escape, as a terminal sends it that tells it from Alt: on a busy machine the next key may be read together with it.
const ESCAPE: &str = "\x1b[27u";

/// The jobs over it last for as long as the tests want.
fn tiny() -> Clip {
    film("mp4", &format!("-f lavfi -i testsrc2=s=160x120:r=25:d=1 {QUICK}"))
}

/// A console at 100×30 over films with these names.
fn console(world: &World) -> Terminal {
    for (number, name) in (1_usize..).zip(NAMES) {
        let mut content = std::fs::read(tiny().path).expect("read");
        content.extend(vec![0; number]);
        world.write(&format!("in/{name}"), content);
    }
    let place = |name: &str| world.path(name).to_str().expect("UTF-8").to_owned();
    let (state, out, films) = (place("state"), place("out"), place("in"));
    let tools = patient_ffmpeg(world);
    let tools = tools.to_str().expect("UTF-8");
    let args = ["--ffmpeg", tools, "--preset", "web-720p", "--state-dir", &state, "-o", &out, &films];
    let terminal = Terminal::start(100, 30, &world.path("home"), &args);
    wait_for(&terminal, "2 running");
    terminal
}

/// Columns at which a frame's right side stands, where a row ends with one.
fn right_sides(screen: &str) -> Vec<usize> {
    let rows = screen.lines().map(str::trim_end).filter(|row| row.ends_with(['│', '┃', '╮', '╯', '┐', '┘']));
    rows.map(|row| row.chars().map(|c| c.width().unwrap_or(0)).sum()).collect()
}

#[test]
fn names_of_every_writing_leave_the_frames_straight() {
    let world = World::new();
    let terminal = console(&world);
    let screen = terminal.wait("all jobs", |screen| screen.contains("queued   5"));
    let sides = right_sides(&screen);
    assert!(sides.len() > 10, "no frames:\n{screen}");
    assert!(sides.iter().all(|at| *at == 100), "frames end at columns {sides:?}:\n{screen}");
}

#[test]
fn names_that_are_too_long_keep_their_ending() {
    let world = World::new();
    let terminal = console(&world);
    let screen = terminal.wait("all jobs", |screen| screen.contains("queued   5"));
    let rows: Vec<&str> =
        screen.lines().filter(|row| ["▶ run", "▶ start", "○ queued"].iter().any(|word| row.contains(word))).collect();
    let cut = rows.iter().filter(|row| row.contains('…')).count();
    let whole = rows.iter().filter(|row| row.contains("mp4")).count();
    assert!(cut > 0 && whole >= 5, "{cut} names are cut, {whole} endings are to be seen:\n{screen}");
}

#[test]
fn keys_of_another_layout_act_as_those_at_their_place() {
    let world = World::new();
    let mut terminal = console(&world);
    // The key of q on a Russian keyboard, and that of w on a Greek one.
    for (key, comes) in [("й", "leave it running"), ("ς", "PEAK p50")] {
        terminal.send(key);
        wait_for(&terminal, comes);
        terminal.press(ESCAPE);
        terminal.wait("it gone", |screen| !screen.contains(comes));
    }
    assert!(String::from_utf8_lossy(&terminal.raw()).contains("layout"), "nothing tells of the layout:\n{}", terminal.screen());
}

fn wait_for(terminal: &Terminal, text: &str) -> String {
    terminal.wait(&format!("`{text}`"), |screen| screen.contains(text))
}

fn paste(terminal: &mut Terminal, text: &str) {
    terminal.press(&format!("\x1b[200~{text}\x1b[201~"));
}

#[test]
fn pasted_text_acts_as_no_key_and_a_pasted_path_with_blanks_is_one_path() {
    let world = World::new();
    let mut terminal = console(&world);
    paste(&mut terminal, "qyxCA S\nq\n");
    // A prompt may have come up with it. What is pressed behind it shows that all has been read.
    terminal.press(ESCAPE);
    terminal.send("?");
    wait_for(&terminal, "hold, release the queue");
    let screen = terminal.screen();
    assert!(!screen.contains("leave it running") && !screen.contains("Cancel the job"), "{screen}");
    terminal.send(ESCAPE);
    terminal.wait("help closed", |screen| !screen.contains("hold, release the queue"));

    let film = world.write("far/My holiday film.mp4", std::fs::read(tiny().path).expect("read"));
    terminal.press("a");
    paste(&mut terminal, film.to_str().expect("UTF-8"));
    terminal.send("\r");
    wait_for(&terminal, "My holiday film");
    let two = ["far/one more.mp4", "far/and another.mp4"].map(|name| world.write(name, [7; 4000]));
    terminal.press("a");
    paste(&mut terminal, &two.map(|path| path.to_str().expect("UTF-8").to_owned()).join("\n"));
    terminal.send("\r");
    terminal.wait("both are judged", |screen| screen.contains("2 rejected"));
}

#[test]
fn the_console_lives_through_every_size() {
    let world = World::new();
    let mut terminal = console(&world);
    for (columns, rows) in [(1, 1), (5, 2), (20, 5), (300, 80), (40, 10)] {
        terminal.resize(columns, rows);
        // The key makes it draw, whatever the size shows of it.
        terminal.press("?");
        terminal.press(ESCAPE);
    }
    terminal.resize(100, 30);
    terminal.press("?");
    terminal.wait("the help at its last size", |screen| screen.contains("tab keys") && right_sides(screen).len() > 10);
    terminal.press(ESCAPE);
    terminal.wait("its usual screen", |screen| {
        !screen.contains("tab keys") && right_sides(screen).len() > 10 && right_sides(screen).iter().all(|at| *at == 100)
    });
    terminal.send("q");
    wait_for(&terminal, "leave it running");
    terminal.send("s");
    terminal.end();
}
