//! What is kept of comparisons, and `plimsoll compare` on a terminal: live while it runs, shown until it was seen, printed at
//! the end, and to be opened again in the console. Waits for events and screens, never for time.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // deadlines need the clock

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::clips::clips;
use crate::support::kernel::children;
use crate::support::{Live, World, let_runs_go, patient_ffmpeg};
use plimsoll::domain::comparison::saved::{SavedComparison, Standing};
use plimsoll::host::compare::saved::Library;
use serde_json::Value;

fn compare(world: &World, args: &[&str]) -> Command {
    let mut command = world.command(["compare", "--json", "--budget", "2GB"]);
    command.arg("--state-dir").arg(world.path("state")).args(args).arg(world.path("in"));
    command
}

fn only_one(state: &Path) -> (SavedComparison, PathBuf) {
    let library = Library::new(state);
    let shelf = library.list().expect("listed");
    assert!(shelf.unreadable.is_empty() && shelf.kept.len() == 1, "{shelf:?}");
    let id = shelf.kept[0].id;
    (library.open(id).expect("read").as_ref().clone(), state.join(format!("comparisons/{id}.json")))
}

#[test]
fn what_is_kept_is_the_report_and_how_far_it_is() {
    let world = World::new();
    world.put(&clips().tiny(), "tiny.mp4");
    let report = world.path("report");
    let args = ["--profiles", "fast,safe", "--report", report.to_str().expect("UTF-8")];
    let finished = Live::start(compare(&world, &args)).finish();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    let (kept, file) = only_one(&world.path("state"));
    assert_eq!((kept.progress.standing, kept.done(), kept.of(), &kept.progress.run), (Standing::Finished, 2, 2, &None));
    let read = |path: &Path| -> Value { serde_json::from_slice(&fs::read(path).expect("there")).expect("JSON") };
    let (mut whole, report) = (read(&file), read(&report.join("report.json")));
    assert!(whole.as_object_mut().expect("an object").remove("progress").is_some());
    assert_eq!(whole, report, "the same object");
    assert_eq!(kept.subject.inputs, 1);
    assert!(kept.comparison.columns.iter().all(|column| !column.runs[0].curve.is_empty()), "with its curves");
}

#[test]
fn while_a_run_goes_on_its_figures_so_far_are_kept_and_an_interrupt_marks_it() {
    let world = World::new();
    world.put(&clips().long(), "long.mp4");
    let mut live = Live::start(compare(&world, &["--profiles", "fast"]));
    live.until_event("job_started");
    let state = world.path("state");
    // The next note comes within a second; samples come all the time.
    live.until("a note of the job at work", |_| {
        let (kept, _) = only_one(&state);
        kept.progress.run.is_some_and(|now| now.figures.most_at_once == 1 && !now.figures.curve.is_empty() && now.seconds > 0.0)
    });
    let (kept, _) = only_one(&state);
    let now = kept.progress.run.expect("under way");
    assert_eq!((kept.progress.standing, now.run.number, now.run.of), (Standing::UnderWay, 1, 1));
    assert_eq!((now.run.profile.as_str(), now.figures.done, now.figures.unfinished), ("fast", 0, 1));
    live.signal(libc::SIGINT);
    let finished = live.finish();
    assert_eq!(finished.code(), Some(130), "{}", finished.stderr);
    let (kept, _) = only_one(&state);
    assert_eq!((kept.progress.standing, kept.comparison.interrupted, kept.done()), (Standing::Interrupted, true, 0));
}

#[test]
fn a_comparison_that_was_killed_is_shown_as_broken_off() {
    let world = World::new();
    world.put(&clips().long(), "long.mp4");
    let mut live = Live::start(compare(&world, &["--profiles", "fast"]));
    live.until_event("job_started");
    live.signal(libc::SIGKILL);
    live.child.wait().expect("reaped");
    let (kept, _) = only_one(&world.path("state"));
    assert_eq!(kept.progress.standing, Standing::BrokenOff);
}

#[test]
fn where_nothing_can_be_kept_the_comparison_is_made_all_the_same() {
    let world = World::new();
    world.put(&clips().tiny(), "tiny.mp4");
    world.write("state/comparisons", "in the way");
    let finished = Live::start(compare(&world, &["--profiles", "safe"])).finish();
    assert_eq!(finished.code(), Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains("this comparison is not kept: cannot write"), "{}", finished.stderr);
}

/// `plimsoll compare` on a terminal, in a world where ffmpeg is found.
fn on_a_terminal(world: &World, size: (u16, u16), args: &[&str]) -> crate::support::pty::Terminal {
    let mut line = vec![crate::support::PLIMSOLL];
    line.extend(args);
    let path = crate::support::tool_path().to_str().expect("UTF-8").to_owned();
    crate::support::pty::Terminal::start_program(&line, size, &world.path("home"), &[("PATH", &path), ("TZ", "UTC")])
}

fn assert_restored(terminal: &crate::support::pty::Terminal) {
    terminal.with_screen(|screen| {
        assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is free");
    });
}

#[test]
fn on_a_terminal_it_is_live_stays_with_its_result_and_is_opened_again_in_the_console() {
    let world = World::new();
    for name in ["a.mp4", "b.mp4"] {
        world.put(&clips().tiny(), name);
    }
    let ffmpeg = patient_ffmpeg(&world);
    let input = world.path("in");
    let input = input.to_str().expect("UTF-8");
    let ffmpeg = ["--ffmpeg", ffmpeg.to_str().expect("UTF-8")];
    let args = ["compare", "--profiles", "fast,safe", "--budget", "2GB", "-o", "out", ffmpeg[0], ffmpeg[1], input];
    let mut terminal = on_a_terminal(&world, (120, 60), &args);
    terminal.wait("the run under way", |screen| screen.contains("run 1 of 2: fast") && screen.contains("A ▶ 4/500 fast"));
    // Its jobs are on the dashboard, where nothing can be changed.
    terminal.press("\x1b");
    terminal.wait("the dashboard", |screen| screen.contains("2 Queue") && screen.contains("1 Memory"));
    terminal.press("C");
    terminal.wait_for("this is a run of a comparison, which nobody changes on the way");
    terminal.press("c");
    terminal.wait_for("A ▶ 4/500 fast");
    let_runs_go(&world.path("home/out"), 2);
    let page = terminal.wait("the result", |screen| screen.contains("✔ finished: no job lost, same bytes under every profile"));
    assert!(page.contains("A ends") && page.contains("B ends") && page.contains("done / of 2"), "{page}");
    terminal.press("q");
    let status = terminal.end();
    assert_eq!(status.exit_code(), 0);
    assert_restored(&terminal);
    let printed = terminal.screen();
    assert!(printed.contains("the table says of safe") && printed.contains("yes, 4 outputs of 2 inputs"), "{printed}");
    assert!(!printed.contains("run 1 of 2"), "the screen is gone: {printed}");

    let mut console = on_a_terminal(&world, (120, 36), &["--budget", "2GB"]);
    console.wait_for("under the line");
    console.press("c");
    console.wait("the list", |screen| screen.contains("1 kept") && screen.contains("fast, safe") && screen.contains("2/2"));
    console.press("\r");
    let again = console.wait_for("✔ finished: no job lost");
    let figures = |screen: &str, row: &str| screen.lines().find(|line| line.contains(row)).map(str::to_owned);
    assert_eq!(figures(&again, "makespan"), figures(&page, "makespan"), "{again}");
    console.press("\x1b");
    console.wait_for("1 kept");
    console.press("\x1b");
    console.wait_for("2 Queue");
    console.press("q");
    assert_eq!(console.end().exit_code(), 0);
}

#[test]
fn ended_from_its_screen_it_stops_its_run_and_prints_what_it_has() {
    let world = World::new();
    world.put(&clips().long(), "long.mp4");
    let input = world.path("in");
    let args = ["compare", "--profiles", "fast,safe", "--budget", "2GB", "-o", "out", input.to_str().expect("UTF-8")];
    let mut terminal = on_a_terminal(&world, (80, 24), &args);
    terminal.wait("a job at work", |screen| screen.contains("run 1 of 2") && screen.contains("▶ 1"));
    terminal.press("q");
    terminal.wait_for("End it and quit");
    // The default changes nothing.
    terminal.press("\r");
    terminal.wait("the question gone", |screen| !screen.contains("End it and quit"));
    terminal.press("q");
    terminal.wait_for("End it and quit");
    terminal.press("y");
    // Nothing was measured by then; what ended it is the operator's wish and no signal.
    assert_eq!(terminal.end().exit_code(), 1);
    assert_restored(&terminal);
    assert!(terminal.screen().contains("ended before its end: runs are missing"), "{}", terminal.screen());
    let (kept, _) = only_one(&world.path("home/.local/state/plimsoll"));
    assert_eq!(kept.progress.standing, Standing::Interrupted);
    let left: Vec<_> = fs::read_dir(world.path("home/out")).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

#[test]
fn a_console_compares_what_waits_in_its_queue_and_the_comparison_ends_with_the_server() {
    let world = World::new();
    // The second name has a character that no terminal shows, and that is left out where paths are told as text.
    for name in ["a.mp4", "b\u{200c}.mp4"] {
        world.put(&clips().tiny(), name);
    }
    let (home, ffmpeg) = (world.path("home"), patient_ffmpeg(&world));
    let mut console = on_a_terminal(&world, (120, 36), &["--budget", "2GB", "--ffmpeg", ffmpeg.to_str().expect("UTF-8")]);
    console.wait_for("under the line");
    console.press("S");
    console.wait_for("queue held");
    console.press("V");
    console.wait_for("nothing waits");
    console.press("a");
    console.wait_for("add files or folders:");
    console.send(&format!("{}\r", world.path("in").display()));
    console.wait_for("2 queued");
    console.press("V");
    console.wait("it in the list", |screen| screen.contains("▶ under way") && screen.contains("0/3"));
    console.press("\r");
    console.wait("its jobs", |screen| screen.contains("run 1 of 3: fast") && screen.contains("most at once     2"));
    let_runs_go(&home, 3);
    console.wait_for("✔ finished: no job lost, same bytes under every profile");
    console.press("\x1b");
    console.wait("it in the list", |screen| screen.contains("✔ finished") && screen.contains("3/3"));

    // Another one, and the server is ended meanwhile.
    console.press_until("n", "▶ under way");
    console.press("q");
    console.wait_for("leave it running");
    console.press("s");
    console.end();
    let servers = crate::support::server::Servers::below(&home);
    servers.wait_for_none();
    let shelf = Library::new(&home.join(".local/state/plimsoll")).list().expect("listed");
    let standings: Vec<Standing> = shelf.kept.iter().map(|heading| heading.standing).collect();
    assert_eq!(standings, [Standing::Interrupted, Standing::Finished]);
    let left: Vec<_> = fs::read_dir(&home).expect("there").flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("compare")), "left behind: {left:?}");
}

/// A shell that starts this on a terminal, and `fg`s it when a line is typed after it was stopped.
fn under_a_shell(world: &World, args: &[&str]) -> crate::support::pty::Terminal {
    let script = "set -m; \"$@\"; echo stopped with $?; read answer; fg >/dev/null; echo ended with $?";
    let mut line = vec!["sh", "-c", script, "sh", crate::support::PLIMSOLL];
    line.extend(args);
    let path = crate::support::tool_path().to_str().expect("UTF-8").to_owned();
    crate::support::pty::Terminal::start_program(&line, (120, 36), &world.path("home"), &[("PATH", &path), ("TZ", "UTC")])
}

/// The processes below the shell, whatever they run: plimsoll, the comparison it makes, the run of that, its jobs.
fn all_below(parent: u32) -> Vec<u32> {
    let mut found = vec![parent];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        for program in ["plimsoll", "ffmpeg", "ffprobe"] {
            found.extend(children(parent, program));
        }
        next += 1;
    }
    found.split_off(1)
}

/// It runs ffmpeg or ffprobe, as a job or for a moment.
fn is_ffmpeg(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with("ff"))
}

/// Stops what runs on this terminal by Ctrl-Z, sees that all of it stands still, and brings it back.
fn stop_and_bring_back(terminal: &mut crate::support::pty::Terminal, processes: usize) {
    let state = |pid: &u32| crate::support::kernel::state_of(*pid);
    let shell = terminal.pid();
    // A probe is gone in a moment: only a job that writes its part is there to be stopped.
    let is_job =
        |pid: &u32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.windows(5).any(|part| part == b".part"));
    let at_work = || all_below(shell).into_iter().filter(|pid| is_job(pid) || !is_ffmpeg(*pid)).collect::<Vec<_>>();
    terminal.wait("all of it at work", |_| at_work().len() >= processes && at_work().iter().any(is_job));
    let all = at_work();
    terminal.press("\x1a");
    terminal.wait_for("stopped with 148");
    assert_restored(terminal);
    // They were told before; each of their threads stops when it next looks.
    terminal.wait("all of it standing still", |_| all.iter().all(|pid| state(pid) == Some('T')));
    terminal.send("\r");
    terminal.wait("all of it going on", |_| all.iter().all(|pid| matches!(state(pid), Some('R' | 'S' | 'D'))));
}

#[test]
fn ctrl_z_stops_a_comparison_with_its_run_and_that_runs_jobs_and_fg_brings_all_of_them_back() {
    let world = World::new();
    world.put(&clips().long(), "long.mp4");
    let input = world.path("in");
    let args = ["compare", "--profiles", "fast", "--budget", "2GB", "-o", "out", input.to_str().expect("UTF-8")];
    let mut terminal = under_a_shell(&world, &args);
    terminal.wait("a job at work", |screen| screen.contains("run 1 of 1") && screen.contains("▶ 1"));
    // The comparison, its run, and the job of that.
    stop_and_bring_back(&mut terminal, 3);
    terminal.wait_for("run 1 of 1");
    terminal.press("q");
    terminal.wait_for("End it and quit");
    terminal.press("y");
    terminal.wait_for("ended with 1");
}

#[test]
fn a_comparison_that_was_begun_in_a_window_goes_on_when_that_is_left() {
    let world = World::new();
    let (home, input) = (world.path("home"), world.path("in"));
    world.put(&clips().tiny(), "tiny.mp4");
    let ffmpeg = patient_ffmpeg(&world);
    let mut console = on_a_terminal(&world, (120, 36), &["--budget", "2GB", "--ffmpeg", ffmpeg.to_str().expect("UTF-8")]);
    console.wait_for("under the line");
    console.press("S");
    console.wait_for("queue held");
    console.press("a");
    console.wait_for("add files or folders:");
    console.send(&format!("{}\r", input.display()));
    console.wait_for("tiny.mp4");
    console.press_until("V", "▶ under way");
    console.wait("which run it is in the header", |screen| screen.contains("comparing 1/3"));
    console.press("\x1b");
    console.wait("what the queue waits for", |screen| {
        screen.contains("comparing 1/3") && screen.contains("ends it") && screen.contains("after the comparison")
    });
    // A shell is told the same, and its release starts nothing beside it.
    let shell = |args: &[&str]| {
        let mut command = world.command(args);
        command.env("HOME", &home);
        crate::support::say(command)
    };
    let status = shell(&["status"]).out;
    assert!(status.contains("a comparison has the machine since ") && status.contains("(run 1 of 3, fast)"), "{status}");
    assert!(status.contains("`plimsoll compare --stop` ends it"), "{status}");
    let told: Value = serde_json::from_str(&shell(&["status", "--json"]).out).expect("JSON");
    assert_eq!((&told["comparison"]["run"], &told["comparison"]["runs"]), (&1.into(), &3.into()), "{told}");
    let released = shell(&["release"]);
    assert!(
        released.code == Some(0) && released.out.contains("jobs begin after the comparison under way (run 1 of 3"),
        "{}",
        released.out
    );
    assert!(shell(&["jobs"]).out.contains("queued"), "it waits all the same");
    assert_eq!(shell(&["hold"]).code, Some(0));
    console.press("q");
    console.wait_for("leave it running");
    console.press("\r");
    let left = console.end();
    assert_eq!(left.exit_code(), 0);
    assert_restored(&console);
    let_runs_go(&home, 3);
    let mut again = on_a_terminal(&world, (120, 36), &["attach"]);
    again.wait_for("queue held");
    again.press("c");
    again.wait("it in the list", |screen| screen.contains("✔ finished") && screen.contains("3/3"));
    let (kept, _) = only_one(&home.join(".local/state/plimsoll"));
    assert_eq!(kept.progress.standing, Standing::Finished);
}

#[test]
fn lines_instead_of_the_screen_are_to_be_had_on_a_terminal_too() {
    let world = World::new();
    world.put(&clips().tiny(), "tiny.mp4");
    let input = world.path("in");
    let input = input.to_str().expect("UTF-8");
    for way in ["--headless", "--plain"] {
        let mut terminal = on_a_terminal(&world, (100, 60), &["compare", way, "--profiles", "safe", "-o", "out", input]);
        assert_eq!(terminal.end().exit_code(), 0);
        let said = terminal.screen();
        assert!(said.contains("compare: run 1 of 1: safe 1/100") && said.contains("the table says of safe"), "{said}");
        assert!(!String::from_utf8_lossy(&terminal.raw()).contains('\x1b'), "{way}: nothing is drawn");
    }
}
