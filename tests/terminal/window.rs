//! The console as a window on a server: what leaving it does, several at once, one that only looks, and a server that dies.
//! Waits for screens, never for time.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // limits of time are measured with a clock

use std::fs;
use std::time::{Duration, Instant};

use crate::support::clips::clips;
use crate::support::kernel::{is_alive, jobs_of, time_to_death};
use crate::support::pty::Terminal;
use crate::support::server::Servers;
use crate::support::{PATIENCE, Said, World, files_below, patient_ffmpeg, say, tool_path};

/// A folder with three films, and a server on it whose jobs last until [`Site::let_jobs_go`]. Two of them are at work at once.
struct Site {
    servers: Servers,
    world: World,
}

impl Site {
    fn new() -> Self {
        let world = World::new();
        for name in ["one.mp4", "two.mp4", "three.mp4"] {
            world.put(&clips().tiny(), name);
        }
        patient_ffmpeg(&world);
        Self { servers: Servers::below(world.dir.path()), world }
    }

    /// `plimsoll` with these arguments on a terminal.
    fn window(&self, args: &[&str]) -> Terminal {
        let path = tool_path().to_str().expect("UTF-8");
        let mut line = vec![crate::support::PLIMSOLL];
        line.extend(args);
        Terminal::start_program(&line, (120, 36), &self.world.path("home"), &[("PATH", path), ("TZ", "UTC")])
    }

    /// One that begins the server and hands over the films.
    fn first(&self) -> Terminal {
        let (tools, films) = (self.world.path("tools"), self.world.path("in"));
        let [tools, films] = [&tools, &films].map(|path| path.to_str().expect("UTF-8"));
        let window = self.window(&["--budget", "2GB", "--ffmpeg", tools, "-o", "out", films]);
        window.wait("two jobs at work, one waiting", |screen| screen.contains("2 running") && screen.contains("1 queued"));
        window
    }

    /// A command beside it, as a script would.
    fn script(&self, args: &[&str]) -> Said {
        let mut command = self.world.command(args);
        command.current_dir(self.world.path("home"));
        say(command)
    }

    fn let_jobs_go(&self) {
        fs::write(self.world.path("home/.local/state/plimsoll/scratch/go"), "").expect("written");
    }

    fn outputs(&self) -> usize {
        let is_output = |file: &std::path::PathBuf| !file.to_string_lossy().contains(".plimsoll");
        files_below(&self.world.path("home/out")).iter().filter(|file| is_output(file)).count()
    }
}

/// The window has ended with this status, and its terminal is as before.
fn assert_left(window: &mut Terminal, status: u32) {
    assert_eq!(window.end().exit_code(), status, "{}", window.screen());
    window.with_screen(|screen| {
        assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is free");
    });
}

/// Opens the question of leaving.
fn leave(window: &mut Terminal) -> String {
    window.send("q");
    window.wait_for("leave it running")
}

#[test]
fn leaving_it_running_is_what_enter_does_and_attach_comes_back_to_the_same_jobs() {
    let site = Site::new();
    let mut window = site.first();
    let servers = &site.servers;
    let server = servers.only();
    let jobs = jobs_of(server, 2);
    let question = leave(&mut window);
    assert!(question.contains("2 jobs at work, 1 waiting"), "{question}");
    // Thought better of, nothing has changed.
    window.press("\x1b");
    window.wait("the question gone", |screen| !screen.contains("leave it running") && screen.contains("2 running"));
    leave(&mut window);
    window.send("\r");
    assert_left(&mut window, 0);
    let told = window.screen();
    assert!(told.contains(&format!("plimsoll goes on without this window (process {server})")), "{told}");
    assert!(told.contains("2 jobs at work, 1 waiting") && told.contains("`plimsoll attach` comes back"), "{told}");
    assert!(jobs.iter().all(|pid| is_alive(*pid)), "its jobs go on");

    // What was told works, and so does the plain command; both find the server that is there.
    for args in [&["attach"][..], &[]] {
        let mut again = site.window(args);
        again.wait("the same queue", |screen| screen.contains("2 running") && screen.contains("1 queued"));
        assert_eq!(servers.only(), server);
        // Twice the key is as good as `enter`.
        leave(&mut again);
        again.send("q");
        assert_left(&mut again, 0);
    }
    assert!(jobs.iter().all(|pid| is_alive(*pid)));
    site.let_jobs_go();
    let waited = site.script(&["wait", "--idle"]);
    assert_eq!(waited.code, Some(0), "{}{}", waited.out, waited.err);
    assert_eq!(site.outputs(), 3);

    // What an ended job was asked to do is known in a window that came after it.
    let mut late = site.window(&["attach"]);
    late.wait_for("all done");
    late.send("g");
    late.press("\r");
    late.wait("what it was asked", |screen| screen.contains("asked") && screen.contains("-i "));
    assert!(!late.screen().contains("the first line of its log tells"), "{}", late.screen());
    late.send("q");
    assert_left(&mut late, 0);

    // With nothing left to do there is nothing to ask.
    let mut last = site.window(&["attach"]);
    last.wait_for("all done");
    last.send("q");
    assert_left(&mut last, 0);
    assert!(!last.screen().contains("goes on"), "{}", last.screen());
}

#[test]
fn left_with_e_the_server_does_what_waits_and_ends_by_itself() {
    let site = Site::new();
    let mut window = site.first();
    leave(&mut window);
    window.send("e");
    assert_left(&mut window, 0);
    let status = site.script(&["status"]);
    assert!(status.out.contains("ends when the queue is empty"), "{}{}", status.out, status.err);
    assert_eq!(site.outputs(), 0);
    site.let_jobs_go();
    site.servers.wait_for_none();
    assert_eq!(site.outputs(), 3, "what waited is done too");
}

#[test]
fn left_with_s_the_jobs_go_back_into_the_queue_and_the_next_start_goes_on_with_them() {
    let site = Site::new();
    let mut window = site.first();
    let server = site.servers.only();
    let jobs = jobs_of(server, 2);
    leave(&mut window);
    window.send("s");
    assert_left(&mut window, 1);
    let told = window.screen();
    assert!(told.contains("3 not finished") && told.contains("the next start goes on with it"), "{told}");
    // The folder is free by now: whoever starts at once is not turned away.
    let tools = site.world.path("tools");
    let mut again = site.window(&["--ffmpeg", tools.to_str().expect("UTF-8"), "--budget", "2GB", "-o", "out"]);
    again.wait("the same queue", |screen| screen.contains("2 running") && screen.contains("1 queued"));
    assert_ne!(site.servers.only(), server);
    assert!(time_to_death(&jobs, PATIENCE).is_some());
    site.let_jobs_go();
    again.wait_for("all done");
    again.send("q");
    assert_left(&mut again, 0);
    assert_eq!(site.outputs(), 3);
}

#[test]
fn a_row_of_the_question_can_be_chosen_with_the_arrows() {
    let site = Site::new();
    let mut window = site.first();
    leave(&mut window);
    for row in ["end when the queue is empty", "stop now"] {
        window.press("\x1b[B");
        window.wait(row, |screen| screen.lines().any(|line| line.contains('›') && line.contains(row)));
    }
    window.send("\r");
    assert_left(&mut window, 1);
    site.servers.wait_for_none();
}

#[test]
fn a_window_that_asks_for_other_settings_than_the_servers_is_told_both_and_does_not_open() {
    let site = Site::new();
    let first = site.first();
    for (line, told) in [
        (&["--log-file", "run.log"][..], "log-file is "),
        (&["attach", "--budget", "1GB"], "budget is 1 GB here (from --budget), and 2 GB for the plimsoll that is at work"),
        (&["attach", "-p", "safe"], "--profile safe switches nothing here"),
    ] {
        let mut window = site.window(line);
        assert_left(&mut window, 2);
        let screen = window.screen().replace('\n', " ");
        let screen: String = screen.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(screen.contains(told), "{told}: {screen}");
    }
    drop(first);
}

#[test]
fn a_second_window_sees_what_the_first_and_a_script_do_and_both_see_each_other() {
    let site = Site::new();
    let mut first = site.first();
    let second = site.window(&["attach"]);
    second.wait("both windows", |screen| screen.contains("2 running") && screen.contains("+1"));
    first.wait("the other one", |screen| screen.contains("+1") && screen.contains("has attached"));
    first.send("S");
    let held = second.wait("what the first did", |screen| screen.contains("queue held") && screen.contains("held the queue: "));
    assert!(held.contains(" on pts/") && held.contains("nothing is started until S releases it"), "who did it: {held}");
    first.send("S");
    second.wait("that taken back", |screen| !screen.contains("queue held") && screen.contains("released the queue: "));
    assert_eq!(site.script(&["pause", "1"]).out, "paused #1\n");
    for window in [&first, &second] {
        window.wait("what the script did", |screen| screen.contains("paused #1: ") && screen.contains("‖ paused"));
    }
    leave(&mut first);
    first.send("\r");
    assert_left(&mut first, 0);
    second.wait("it alone again", |screen| !screen.lines().next().is_some_and(|header| header.contains("+1")));
    // The first of two that wants an end brings it for both.
    let stopped = site.script(&["stop"]);
    assert!(stopped.code == Some(0) && stopped.out.contains("3 jobs kept in the queue"), "{}{}", stopped.out, stopped.err);
    let mut second = second;
    assert_left(&mut second, 1);
    assert!(second.screen().contains("the next start goes on with it"), "{}", second.screen());
}

#[test]
fn a_window_that_only_looks_changes_nothing_and_leaves_without_a_question() {
    let site = Site::new();
    let first = site.first();
    let server = site.servers.only();
    let mut view = site.window(&["attach", "--view"]);
    view.wait("the queue", |screen| screen.contains("▶ 2") && screen.contains("looks only"));
    for keys in ["S", "g ", "K"] {
        // A message about the run may replace it at once: then the key is pressed again.
        view.press_until(keys, "this is a window to look through");
        // What was said goes with a key.
        view.press("\x1b");
        view.wait("it gone", |screen| !screen.contains("this is a window to look through"));
    }
    assert!(first.screen().contains("2 running") && !first.screen().contains("queue held"), "{}", first.screen());
    view.send("q");
    assert_left(&mut view, 0);
    assert_eq!(site.servers.only(), server);
    assert!(site.script(&["status"]).out.contains("2 running"));
}

#[test]
fn a_window_with_other_settings_than_the_server_is_refused_with_both_values() {
    let site = Site::new();
    let _first = site.first();
    let mut other = site.window(&["--budget", "1GB"]);
    assert_left(&mut other, 2);
    let told = other.screen();
    assert!(told.contains("budget is 1 GB here") && told.contains("2 GB for the plimsoll that is at work"), "{told}");
}

#[test]
fn when_the_server_is_killed_the_window_says_so_at_once_and_enter_brings_the_queue_back() {
    let site = Site::new();
    let mut window = site.first();
    let servers = &site.servers;
    let server = servers.only();
    let jobs = jobs_of(server, 2);
    let began = Instant::now();
    // SAFETY: a plain system call with a process that was started by this test's program.
    assert_eq!(unsafe { libc::kill(server as i32, libc::SIGKILL) }, 0);
    let screen = window.wait_for("The server has gone");
    let took = began.elapsed();
    let limit = crate::support::pace::at_most(Duration::from_secs(2));
    assert!(took < limit, "{took:?} until it says so");
    assert!(screen.contains("Start it again") && screen.contains("trying again"), "{screen}");
    assert!(screen.contains("as of "), "what is shown is of the past: {screen}");
    assert!(time_to_death(&jobs, PATIENCE).is_some(), "its jobs died with it");
    window.send("\r");
    window.wait("the queue at work again", |screen| screen.contains("▶ 2") && screen.contains("○ 1") && !screen.contains("as of "));
    assert_ne!(servers.only(), server);
    site.let_jobs_go();
    window.wait_for("all done");
    window.send("q");
    assert_left(&mut window, 0);
    assert_eq!(site.outputs(), 3);
}
