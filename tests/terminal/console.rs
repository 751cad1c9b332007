//! The console in a real pseudo-terminal over real jobs, which are the server's: keys work, nothing garbles, memory is told as
//! it is, and the terminal is given back on every way out.
#![allow(clippy::disallowed_methods)] // a test watches the real clock

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::kernel::{children, is_alive, jobs_of, state_of};
use crate::support::pty::{PATIENCE, Terminal};
use crate::support::server::Servers;
use crate::support::tool;
use tempfile::TempDir;

/// Seconds of clips whose jobs last longer than a test of many steps takes on a machine that is busy.
const LASTS: u32 = 180;

/// A folder with clips that keep two slots busy for as long as they are, and the processors hardly: see [`unhurried`].
fn home(clips: u32, seconds: u32) -> TempDir {
    home_of("320x180", clips, seconds)
}

fn home_of(size: &str, clips: u32, seconds: u32) -> TempDir {
    provide_ffmpeg();
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("clips");
    fs::create_dir(&folder).expect("made");
    // A few seconds of picture, as often as it takes: only what is new has to be encoded.
    let (piece, first) = (home.path().join("piece.mp4"), folder.join("clip-1.mp4"));
    let encode = format!("-loglevel error -y -f lavfi -i testsrc2=s={size}:r=25 -t 5 -c:v libx264 -preset ultrafast -crf 40");
    ffmpeg(&encode.split(' ').map(OsStr::new).chain([piece.as_os_str()]).collect::<Vec<_>>());
    let copy = format!("-loglevel error -y -stream_loop -1 -t {seconds} -i");
    let copy = copy.split(' ').map(OsStr::new).chain([piece.as_os_str(), OsStr::new("-c"), OsStr::new("copy"), first.as_os_str()]);
    ffmpeg(&copy.collect::<Vec<_>>());
    fs::remove_file(piece).expect("removed");
    for number in 2..=clips {
        fs::copy(&first, folder.join(format!("clip-{number}.mp4"))).expect("copied");
    }
    fs::write(folder.join("note.mp4"), "only text\n").expect("written");
    let tools = home.path().join("tools");
    fs::create_dir(&tools).expect("made");
    std::os::unix::fs::symlink(tool("ffprobe"), tools.join("ffprobe")).expect("a link");
    unhurried(home.path(), 1.0);
    home
}

/// In this home, an ffmpeg that reads so many times as fast as a player does: its jobs are real ones, and they last without taking
/// the processors from the tests beside.
fn unhurried(home: &Path, speed: f64) {
    let (program, real) = (home.join("tools/ffmpeg"), tool("ffmpeg"));
    let paced =
        format!("for word; do shift; test \"$word\" = -i && set -- \"$@\" -readrate {speed}; set -- \"$@\" \"$word\"; done");
    fs::write(&program, format!("#!/bin/sh\n{paced}\nexec {} \"$@\"\n", real.display())).expect("written");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("executable");
}

/// The console on a home's clips, with its [`unhurried`] ffmpeg.
fn console(size: (u16, u16), home: &Path, args: &[&str], variables: &[(&str, &str)]) -> Terminal {
    let args = [&["--ffmpeg", "tools", "clips"], args].concat();
    Terminal::start_with(size.0, size.1, home, &args, variables)
}

fn ffmpeg(args: &[&OsStr]) {
    assert!(Command::new("ffmpeg").args(args).status().expect("ffmpeg runs").success(), "{args:?}");
}

/// As the README says: the program provides it.
fn provide_ffmpeg() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        if Command::new("ffmpeg").arg("-version").output().is_err() {
            let done = Command::new(env!("CARGO_BIN_EXE_plimsoll")).args(["doctor", "--fix", "--yes"]).status();
            assert!(done.is_ok_and(|status| status.success()), "ffmpeg is provided");
        }
    });
}

/// Anonymous memory of the processes below `parent`, in MB, and how many there are.
fn memory_below(parent: u32) -> Vec<(u32, f64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("proc").flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { continue };
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name))?;
            line.split_whitespace().nth(1)?.parse::<f64>().ok()
        };
        if field("PPid:") == Some(f64::from(parent)) {
            found.push((pid, field("RssAnon:").unwrap_or(0.0) / 1024.0));
        }
    }
    found
}

/// What the gauge's legend says of the jobs, in MB.
fn jobs_in_the_gauge(screen: &str) -> Option<f64> {
    let legend = screen.lines().find(|line| line.contains("jobs ") && line.contains("others "))?;
    legend.split("jobs ").nth(1)?.split_whitespace().next()?.parse().ok()
}

/// The terminal is as a shell wants it: everything that was switched on is switched off.
fn assert_restored(terminal: &Terminal) {
    terminal.with_screen(|screen| {
        assert!(!screen.alternate_screen(), "the alternate screen is left");
        assert!(!screen.hide_cursor(), "the cursor is back");
        assert!(!screen.bracketed_paste(), "bracketed paste is off");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is free");
    });
    let raw = terminal.raw();
    let count = |what: &[u8]| raw.windows(what.len()).filter(|window| *window == what).count();
    assert_eq!(count(b"\x1b[?1049h"), 1, "entered once");
    assert_eq!(count(b"\x1b[?1049l"), 1, "left once");
}

/// Ends the server from its window while jobs run; the window's exit status.
fn quit(terminal: &mut Terminal) -> u32 {
    terminal.send("q");
    terminal.wait_for("leave it running");
    terminal.send("s");
    let status = terminal.end();
    assert_restored(terminal);
    terminal.wait_for_no_server();
    status.exit_code()
}

fn assert_nothing_left(home: &Path) {
    let out = home.join("plimsoll-out");
    assert!(!out.join(".plimsoll").exists(), "no part is left");
    for entry in fs::read_dir(out).into_iter().flatten().flatten() {
        let probe = Command::new("ffprobe").args(["-v", "error"]).arg(entry.path()).output().expect("ffprobe runs");
        assert!(probe.status.success(), "{} is whole", entry.path().display());
    }
}

#[test]
fn every_important_key_does_its_work_at_120x36_while_jobs_run() {
    let home = home(5, LASTS);
    let mut terminal = console((120, 36), home.path(), &[], &[]);
    terminal.wait_for("2 running");
    let screen = terminal.wait_for("1 rejected");
    assert!(screen.contains("2/200 balanced"), "{screen}");
    assert!(screen.contains("1 Memory") && screen.contains("2 Queue") && screen.contains("3 Cleanups") && screen.contains("4 Log"));
    assert!(screen.contains("not a video"), "the text file is told from a video:\n{screen}");

    terminal.send("?");
    terminal.wait_for("hold, release the queue");
    terminal.send("\x1b");
    terminal.wait("help closed", |screen| !screen.contains("hold, release the queue"));

    terminal.send("w");
    terminal.wait_for("PEAK p50 to p95");
    terminal.send("\x1b");
    terminal.wait("what-if closed", |screen| !screen.contains("PEAK p50"));

    // Cancelling asks, and the answer that changes nothing is the default.
    terminal.send("gx");
    terminal.wait_for("Cancel the job");
    terminal.send("\r");
    terminal.wait("the question gone", |screen| !screen.contains("Cancel the job"));
    assert!(terminal.screen().contains("2 running"), "nothing was cancelled:\n{}", terminal.screen());

    // A profile with more slots starts more jobs at once; back again, those that run go on.
    terminal.send("p");
    terminal.wait_for("jobs at once, largest file");
    terminal.send("k\r");
    terminal.wait_for("4/500 fast");
    terminal.wait_for("4 running");
    terminal.send("p");
    terminal.wait_for("jobs at once, largest file");
    terminal.send("j\r");
    terminal.wait_for("2/200 balanced");
    assert!(terminal.screen().contains("4 running"), "fewer slots never kill:\n{}", terminal.screen());

    // Pausing stops the process itself.
    terminal.send("g ");
    // The key does the opposite once the console knows that the job is paused.
    terminal.wait_for("space resume");
    let stopped = |pid: u32| fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") T "));
    let began = Instant::now();
    let server = terminal.server();
    while !memory_below(server).iter().any(|(pid, _)| stopped(*pid)) {
        assert!(began.elapsed() < PATIENCE, "no process was stopped");
        std::thread::sleep(Duration::from_millis(20));
    }
    terminal.send(" ");
    let began = Instant::now();
    while memory_below(server).iter().any(|(pid, _)| stopped(*pid)) {
        assert!(began.elapsed() < PATIENCE, "the process was not continued");
        std::thread::sleep(Duration::from_millis(20));
    }

    // Cancelling for real.
    terminal.send("gx");
    terminal.wait_for("Cancel the job");
    terminal.send("y");
    terminal.wait_for("cancelled by the operator");

    // Adding by path, with completion.
    fs::copy(home.path().join("clips/clip-1.mp4"), home.path().join("late.mp4")).expect("copied");
    terminal.send("a");
    terminal.wait_for("add files or folders:");
    terminal.send("lat\t");
    terminal.wait_for("late.mp4");
    terminal.send("\r");
    terminal.wait("the added job", |screen| screen.contains("late.mp4") && screen.contains("7 jobs"));

    terminal.send("/late\r");
    terminal.wait("the filter", |screen| screen.contains("late.mp4") && !screen.contains("clip-2.mp4"));
    terminal.send("\x1b");
    terminal.wait("no filter", |screen| screen.contains("clip-2.mp4"));

    terminal.send("4z");
    terminal.wait("the log in full", |screen| screen.contains("4 Log") && !screen.contains("2 Queue"));
    terminal.send("z");
    terminal.wait_for("2 Queue");

    // Leaving asks while jobs run, and can be thought better of.
    terminal.send("q");
    terminal.wait_for("leave it running");
    terminal.press("\x1b");
    terminal.wait("the question gone", |screen| !screen.contains("leave it running"));
    let jobs = memory_below(server);
    assert!(jobs.len() >= 2, "{jobs:?}");
    assert_eq!(quit(&mut terminal), 1, "jobs were left");
    assert!(!jobs.iter().any(|(pid, _)| Path::new(&format!("/proc/{pid}")).exists()), "a job outlives its server");
    assert_nothing_left(home.path());
}

#[test]
fn the_memory_shown_agrees_with_proc() {
    let home = home_of("1280x720", 2, LASTS);
    let mut terminal = console((120, 36), home.path(), &[], &[]);
    terminal.wait_for("2 running");
    // Once both have grown to their full size the figures stand still, and can be held against each other.
    let began = Instant::now();
    loop {
        let shown = terminal.wait("the gauge", |screen| jobs_in_the_gauge(screen).is_some_and(|mb| mb > 100.0));
        let shown = jobs_in_the_gauge(&shown).expect("a number");
        let real: f64 = memory_below(terminal.server()).iter().map(|(_, mb)| mb).sum();
        if real > 100.0 && (shown - real).abs() / real < 0.05 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "shown {shown} MB, in /proc {real} MB");
        std::thread::park_timeout(Duration::from_millis(50));
    }
    quit(&mut terminal);
}

#[test]
fn small_terminals_show_the_same_and_any_size_is_survived() {
    let home = home(3, LASTS);
    for (columns, rows) in [(80, 24), (40, 10)] {
        let mut terminal = console((columns, rows), home.path(), &["--overwrite"], &[]);
        let is_running = |screen: &str| screen.contains("▶ 2") || screen.contains("▶2");
        terminal.wait("running jobs", is_running);
        for (columns, rows) in [(1, 1), (300, 100), (2, 50), (120, 3), (59, 15), (60, 16), (10, 4), (200, 60), (columns, rows)] {
            terminal.resize(columns, rows);
        }
        terminal.wait("the screen again", is_running);
        terminal.press_until("?", "MOVE");
        terminal.send("\x1b");
        terminal.wait("help closed", |screen| !screen.contains("MOVE"));
        assert_eq!(quit(&mut terminal), 1, "jobs were left");
        let told = String::from_utf8_lossy(&terminal.raw()).into_owned();
        assert!(told.contains("the run is over") && told.contains("not finished"), "{told}");
        assert!(told.contains("the next start goes on with it"), "{told}");
    }
    assert_nothing_left(home.path());
}

#[test]
fn the_linear_mode_tells_lines_takes_commands_and_never_draws() {
    let home = home(3, LASTS);
    let mut terminal = console((100, 60), home.path(), &["--plain", "--color", "never"], &[]);
    terminal.wait_for("started: try 1");
    terminal.send("status\n");
    terminal.wait_for("profile balanced: 2 at once");
    terminal.send("cancel 1\n");
    terminal.wait_for("cancelled by the operator");
    terminal.send("sing\n");
    terminal.wait_for("no command is called `sing`");
    terminal.send("stop\n");
    let status = terminal.end();
    assert_eq!(status.exit_code(), 1, "jobs were left");
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    let drawing = |c: char| matches!(c, '\u{2500}'..='\u{259f}' | '\u{2800}'..='\u{28ff}');
    assert!(!raw.contains('\x1b') && !raw.chars().any(drawing), "lines alone:\n{raw}");
    // Nothing is drawn over: a line is ended by its feed, never gone back to.
    assert!(!raw.replace("\r\n", "").contains('\r'), "{raw:?}");
    assert_nothing_left(home.path());
}

#[test]
fn the_linear_mode_is_a_window_too_that_can_be_left_and_come_back_to() {
    let home = home(3, LASTS);
    let mut terminal = console((120, 60), home.path(), &["--plain", "--color", "never"], &[]);
    terminal.wait_for("started: try 1");
    let server = terminal.server();
    terminal.send("hold\n");
    terminal.send("leave\n");
    assert_eq!(terminal.end().exit_code(), 0, "{}", terminal.screen());
    let told = terminal.screen();
    assert!(told.contains(&format!("plimsoll goes on without this window (process {server})")), "{told}");
    let line = [crate::support::PLIMSOLL, "attach", "--plain"];
    // To quit is to leave it: jobs at work go on.
    let mut quits = Terminal::start_program(&line, (120, 60), home.path(), &[]);
    quits.wait_for("linear mode");
    quits.send("quit\n");
    assert_eq!(quits.end().exit_code(), 0, "{}", quits.screen());
    assert!(quits.screen().contains("plimsoll goes on without this window"), "{}", quits.screen());
    assert_eq!(terminal.server(), server, "it goes on");
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let mut again = Terminal::start_program(&line, (120, 60), home.path(), &[]);
        again.wait_for("linear mode");
        again.send("status\n");
        again.wait_for("the queue is held");
        // SAFETY: a plain system call with a process that this test has started.
        assert_eq!(unsafe { libc::kill(again.pid() as i32, signal) }, 0);
        assert_eq!(again.end().exit_code(), 128 + signal as u32, "{}", again.screen());
        assert_eq!(terminal.server(), server, "it goes on");
    }
    // Whoever only looks can change nothing, and leaves as well by the end of what he types.
    let mut view = Terminal::start_program(&[line[0], "attach", "--plain", "--view"], (120, 60), home.path(), &[]);
    view.wait_for("linear mode");
    view.send("stop\n");
    view.wait_for("refused: this is a window to look through");
    view.send("\x04");
    assert_eq!(view.end().exit_code(), 0, "{}", view.screen());
    let mut last = Terminal::start_program(&line, (120, 60), home.path(), &[]);
    last.wait_for("linear mode");
    last.send("stop\n");
    assert_eq!(last.end().exit_code(), 1, "jobs were left: {}", last.screen());
    terminal.wait_for_no_server();
    assert_nothing_left(home.path());
}

#[test]
fn pages_open_over_real_jobs_and_tell_what_is_really_so() {
    let home = home(3, LASTS);
    let settings = home.path().join(".config/plimsoll");
    fs::create_dir_all(&settings).expect("made");
    fs::write(settings.join("settings.yaml"), "keys: { events: f5, doctor: O }\n").expect("written");
    let mut terminal = console((120, 36), home.path(), &[], &[]);
    terminal.wait_for("2 running");
    terminal.send("g");
    // A page that opens before the first line looks for the file by itself.
    terminal.wait_for("Memory usage");
    terminal.send("\r");
    let page = terminal.wait("its command", |screen| screen.contains("asked") && screen.contains("-c:v libx264"));
    assert!(page.contains("h264 320x180 25 fps") && page.contains("What happened") && page.contains("started, try 1"), "{page}");
    terminal.wait("its memory", |screen| screen.contains("MB now") && screen.contains("reserved"));
    terminal.send("o");
    terminal.wait("the file", |screen| screen.contains("whole file"));
    terminal.send("g");
    terminal.wait("its first line", |screen| screen.contains("job 1, try 1: "));
    terminal.send("\x1b");
    terminal.wait_for("2 Queue");
    // The keys of the settings file.
    terminal.send("O");
    terminal.wait("what doctor finds", |screen| {
        screen.contains("memory budget") && screen.contains("keys: ") | screen.contains("SETTING")
    });
    terminal.send("\x1b[15~");
    terminal.wait("the events", |screen| screen.contains("latest first") && screen.contains("started, try 1"));
    terminal.send("/not let in\r");
    terminal.wait("one event", |screen| screen.contains("filter not let in, 1"));
    terminal.send("\r");
    terminal.wait("the job of the event", |screen| screen.contains("note.mp4") && screen.contains("not let in"));
    quit(&mut terminal);
}

/// The label of the way in the table of what-if that the pointer is at.
fn pointed_at(screen: &str) -> Option<&str> {
    let (_, row) = screen.lines().find_map(|line| line.split_once("› "))?;
    row.split("  ").next()
}

/// Moves to the row of this label in the table of what-if, one row after the other: what else is drawn meanwhile is no move.
fn choose(terminal: &mut Terminal, label: &str) {
    let rows = 16;
    terminal.send(&"k".repeat(rows));
    terminal.wait("the first way", |screen| screen.lines().any(|line| line.contains("› now: ")));
    for _ in 0..rows {
        let screen = terminal.screen();
        let before = pointed_at(&screen).unwrap_or_else(|| panic!("nothing is pointed at:\n{screen}"));
        if before.contains(label) {
            return;
        }
        terminal.send("j");
        terminal.wait("the next way", |screen| pointed_at(screen).is_some_and(|now| now != before));
    }
    panic!("no way is called {label}:\n{}", terminal.screen());
}

/// Opens what-if and waits for the forecast.
fn look_ahead(terminal: &mut Terminal) -> String {
    terminal.send("w");
    // Hundreds of runs in virtual time, beside encodes, by a program that checks itself: it takes its time.
    let patience = 5 * PATIENCE;
    terminal.wait_at_most(patience, "the forecast", |screen| screen.contains("runs of each way") && screen.contains("now: "))
}

#[test]
fn what_if_looks_ahead_at_the_running_queue_switches_to_a_way_and_keeps_it_as_a_profile() {
    let home = home(6, 60);
    // The forecast is that of a minute; the jobs last longer than the test.
    unhurried(home.path(), 0.25);
    let mut terminal = console((120, 36), home.path(), &[], &[]);
    terminal.wait_for("2 running");
    terminal.wait_for("1 rejected");
    let table = look_ahead(&mut terminal);
    assert!(table.contains("6 jobs, ") && table.contains("now: 2/200") && table.contains("4/500 fast"), "{table}");
    terminal.send("e");
    terminal.wait("what it rests on", |screen| screen.contains("h264 320x180 to web-720p") && screen.contains("What is assumed"));
    terminal.send("e");
    terminal.wait_for("REJ");
    // A larger budget cannot be switched to.
    choose(&mut terminal, "budget 4 GB");
    terminal.send("\r");
    terminal.wait("the reason", |screen| screen.contains("no switch") && screen.contains("budget: 4GB"));
    // A variation that stands in no file.
    choose(&mut terminal, "3/200");
    terminal.send("\r");
    terminal.wait("the variation in force", |screen| {
        screen.lines().next().is_some_and(|header| header.contains("3/200 balanced-3")) && !screen.contains("What if")
    });
    terminal.wait_for("3 running");
    terminal.send("e");
    terminal.wait("its event", |screen| screen.contains("latest first") && screen.contains("balanced-3"));
    terminal.send("\x1b");
    terminal.wait_for("2 Queue");
    let table = look_ahead(&mut terminal);
    assert!(table.contains("now: 3/200") && table.contains("2/200 balanced"), "{table}");
    choose(&mut terminal, "now: 3/200");
    terminal.send("s");
    terminal.wait_for("save as profile: balanced-3");
    terminal.send("\r");
    terminal.wait_for("saved balanced-3: ");
    let file = home.path().join(".config/plimsoll/profiles/balanced-3.yaml");
    let text = fs::read_to_string(&file).expect("it stands there");
    assert!(text.starts_with("# as it was in force, saved in the console from what-if, 20"), "{text}");
    let plimsoll = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_plimsoll"));
        command.args(args).current_dir(home.path()).env("HOME", home.path()).env_remove("XDG_CONFIG_HOME");
        let output = command.output().expect("runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (status, told) = plimsoll(&["profiles", "check", file.to_str().expect("a plain path")]);
    assert!(status == Some(0) && told.contains("the profile `balanced-3` (3/200"), "{told}");
    assert_eq!(plimsoll(&["profiles", "show", "balanced-3"]).0, Some(0), "it is found by its name");
    // What is there is never written over.
    choose(&mut terminal, "now: 3/200");
    terminal.send("s");
    terminal.wait_for("save as profile: balanced-3-2");
    terminal.send("\x15balanced-3\r");
    terminal.wait_for("choose another name");
    assert_eq!(fs::read_to_string(&file).expect("it stands there"), text);
    terminal.press("\x1b");
    terminal.wait("the prompt gone", |screen| !screen.contains("save as profile:"));
    terminal.press("\x1b");
    terminal.wait("the popup gone", |screen| !screen.contains("What if"));
    quit(&mut terminal);
}

/// Processor time of a process so far, in the kernel's ticks.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a line").split_whitespace().collect();
    fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number")
}

#[test]
fn under_a_shell_ctrl_z_stops_the_window_alone_and_the_terminal_is_afterwards_as_before() {
    let home = home(2, LASTS);
    let servers = Servers::below(home.path());
    let shell = ["bash", "--norc", "--noprofile", "-i"];
    let variables = [("PS1", "ready> "), ("PLIMSOLL", env!("CARGO_BIN_EXE_plimsoll"))];
    let mut terminal = Terminal::start_program(&shell, (120, 36), home.path(), &variables);
    // What is typed before the prompt is back may be swallowed: the shell sets the terminal up anew for each.
    let at_prompt = |screen: &str| screen.trim_end().lines().last().is_some_and(|line| line.trim_end() == "ready>");
    terminal.wait("the prompt", at_prompt);
    terminal.send("stty -a > before; \"$PLIMSOLL\" --ffmpeg tools clips\r");
    // When the last is probed, whoever is below the server is a job.
    terminal.wait("running jobs", |screen| screen.contains("2 running") && screen.contains("1 rejected"));
    let server = servers.only();
    terminal.send("\x1a");
    terminal.wait("the shell", |screen| screen.contains("Stopped") && !screen.contains("1 Memory") && at_prompt(screen));
    assert!(terminal.with_screen(|screen| !screen.alternate_screen() && !screen.hide_cursor()), "the shell has its screen");
    terminal.send("stty -a > stopped; jobs -p > pid; echo told\r");
    terminal.wait("the pid", |screen| screen.lines().any(|line| line.trim() == "told") && at_prompt(screen));
    let window: u32 = fs::read_to_string(home.path().join("pid")).expect("written").trim().parse().expect("a number");
    assert_eq!(state_of(window), Some('T'), "the window stands still");
    assert_ne!(state_of(server), Some('T'), "the server does not");
    // What is at work goes on working.
    let before: Vec<(u32, u64)> = jobs_of(server, 2).into_iter().map(|pid| (pid, ticks(pid))).collect();
    let began = Instant::now();
    while !before.iter().all(|(pid, used)| state_of(*pid).is_some_and(|state| state != 'T') && ticks(*pid) > used + 5) {
        assert!(began.elapsed() < PATIENCE, "the jobs are stopped with the window");
        std::thread::park_timeout(Duration::from_millis(20));
    }
    terminal.send("fg\r");
    terminal.wait("the console again", |screen| screen.contains("1 Memory") && screen.contains("2 running"));
    terminal.send("q");
    terminal.wait_for("leave it running");
    terminal.send("\r");
    terminal.wait("the shell again", |screen| at_prompt(screen) && !screen.contains("1 Memory"));
    let screen = terminal.screen();
    assert!(screen.contains("plimsoll goes on without this window") && screen.contains("2 jobs at work"), "{screen}");
    terminal.send("echo status $?; stty -a > after\r");
    terminal.wait("its status", |screen| screen.contains("status 0") && at_prompt(screen));
    terminal.send("exit\r");
    terminal.end();
    assert_eq!(children(server, "ffmpeg").len(), 2, "they go on without a window");
    let read = |name: &str| fs::read_to_string(home.path().join(name)).expect("written");
    assert_eq!(read("stopped"), read("before"));
    assert_eq!(read("after"), read("before"));
    terminal.with_screen(|screen| {
        assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    });
}

#[test]
fn a_signal_to_the_window_gives_the_terminal_back_and_changes_nothing_for_the_jobs() {
    let home = home(2, LASTS);
    let first = console((120, 36), home.path(), &[], &[]);
    first.wait_for("2 running");
    // By now nothing is probed any more: whoever is below it is a job.
    first.wait_for("1 rejected");
    let server = first.server();
    let jobs = jobs_of(server, 2);
    let mut windows = vec![first];
    for (signal, status) in [(libc::SIGTERM, 143), (libc::SIGINT, 130), (libc::SIGHUP, 129)] {
        let window = windows.last_mut().expect("one");
        // SAFETY: a plain system call with a process that this test started and has not reaped.
        unsafe { libc::kill(window.pid() as i32, signal) };
        assert_eq!(window.end().exit_code(), status);
        assert_restored(window);
        // Who hangs up does not read on.
        let told = window.screen();
        assert_eq!(told.contains("plimsoll goes on without this window"), signal != libc::SIGHUP, "{told}");
        let next = Terminal::start(120, 36, home.path(), &["attach"]);
        next.wait_for("2 running");
        assert_eq!((next.server(), children(server, "ffmpeg")), (server, jobs.clone()), "the same jobs of the same server");
        windows.push(next);
    }
    assert_eq!(quit(windows.last_mut().expect("one")), 1);
    for pid in jobs {
        assert!(!Path::new(&format!("/proc/{pid}")).exists(), "job {pid} is gone");
    }
    assert_nothing_left(home.path());
}

#[test]
fn without_colour_and_unicode_the_screen_is_plain_ascii() {
    let home = home(1, 15);
    let variables = [("NO_COLOR", "1"), ("LANG", "C")];
    let mut terminal = console((120, 36), home.path(), &[], &variables);
    let screen = terminal.wait_for("1 running");
    assert!(screen.is_ascii(), "{screen}");
    let raw = String::from_utf8_lossy(&terminal.raw()).into_owned();
    assert!(!raw.contains("\x1b[38;") && !raw.contains("\x1b[48;"), "no colour at all");
    terminal.wait_for("all done");
    terminal.send("q");
    // Nothing is left to do: the window closes at once, and the server follows when nobody has come for a while.
    // The note among the clips was rejected, which the status tells.
    assert_eq!(terminal.end().exit_code(), 1);
    assert_restored(&terminal);
    assert!(is_alive(terminal.server()));
}
