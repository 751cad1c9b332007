//! What becomes of the demonstration when its window stands still, is told to end, or goes away. Its jobs take their time and no
//! processor: begun first, these tests wait beside all others.
#![cfg(target_os = "linux")]

use std::fs;
use std::process::Command;

use super::signals::{Console, child, wait_until};
use crate::support::kernel::{children, state_of, time_to_death};
use crate::support::server::at_work;
use crate::support::{PATIENCE, World};

/// `plimsoll demo`, a window on a server of its own, with jobs that need no clips.
fn demo(world: &World) -> Command {
    let mut command = world.command(["demo", "--load-jobs", "-o"]);
    command.arg(world.path("out")).arg("--state-dir").arg(world.path("state"));
    command.arg("--log-file").arg(world.path("run.log"));
    command
}

/// The process of its server.
fn demo_server(world: &World) -> u32 {
    let found = at_work(&world.path("state/demo"));
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].1
}

/// Times that a job of the demonstration has ended.
fn ended(world: &World) -> usize {
    let log = fs::read_to_string(world.path("run.log")).unwrap_or_default();
    log.matches("Memory usage after processing").count()
}

/// Ends the demonstration as its operator would.
fn quit(console: &mut Console) {
    console.press(b"q");
    console.read_until("Keep running");
    console.press(b"y");
}

#[test]
fn ctrl_z_in_the_demonstration_stops_its_window_alone_and_fg_brings_it_back() {
    let world = World::new();
    let inner = demo(&world);
    // Only a shell that waits for its job makes stopping it possible.
    let mut shell = Command::new("sh");
    let quote = |word: &std::ffi::OsStr| format!("'{}'", word.to_str().expect("UTF-8"));
    let words: Vec<String> = std::iter::once(inner.get_program()).chain(inner.get_args()).map(quote).collect();
    let script = format!("set -m; {}; echo stopped with $?; read answer; fg >/dev/null; echo ended with $?", words.join(" "));
    shell.args(["-c", &script]).env_clear().current_dir(world.path("work"));
    for (name, value) in inner.get_envs() {
        shell.env(name, value.expect("set"));
    }
    let mut console = Console::start(shell);
    console.read_until("1 running");
    let (window, server) = (child(console.pid(), "plimsoll"), demo_server(&world));
    let is_job = |pid: &u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains(".part"));
    // The one that the screen told of may have ended since.
    let jobs = std::cell::RefCell::new(Vec::new());
    wait_until("a job", || {
        jobs.replace(children(server, "plimsoll").into_iter().filter(is_job).collect::<Vec<u32>>());
        !jobs.borrow().is_empty()
    });
    let jobs = jobs.into_inner();
    // SAFETY: a plain system call with a process of this test.
    assert_eq!(unsafe { libc::kill(window as i32, libc::SIGTSTP) }, 0);
    // The alternate screen is left before the shell speaks.
    console.read_until("\x1b[?1049l");
    console.read_until("stopped with");
    assert!(!console.screen.screen().alternate_screen(), "it is the shell's");
    assert_eq!(state_of(window), Some('T'));
    assert!(state_of(server) != Some('T') && jobs.iter().all(|job| state_of(*job) != Some('T')));
    let before = ended(&world);
    wait_until("a job ends meanwhile", || ended(&world) > before);
    assert_eq!(state_of(window), Some('T'));
    console.press(b"go\n");
    console.read_until("\x1b[?1049h");
    console.read_until("running");
    quit(&mut console);
    console.read_until("ended with ");
    assert!(time_to_death(&[jobs, vec![server]].concat(), PATIENCE).is_some());
    world.assert_no_leftovers();
}

#[test]
fn after_a_hang_up_the_demonstration_goes_on_to_its_end_and_the_next_one_is_a_window_on_it() {
    let world = World::new();
    let mut console = Console::start(demo(&world));
    console.read_until("1 running");
    let before = demo_server(&world);
    console.hang_up();
    console.end(PATIENCE);
    let mut next = Console::start(demo(&world));
    next.read_until("running");
    assert_eq!(demo_server(&world), before);
    wait_until("all that can be done", || ended(&world) == 8);
    next.read_until("all done");
    // Nothing is left to ask about.
    next.press(b"q");
    assert_eq!(next.end(PATIENCE).code(), Some(0), "{}", next.screen.screen().contents());
    assert!(time_to_death(&[before], PATIENCE).is_some(), "it is there for its window");
    world.assert_no_leftovers();
}

#[test]
fn a_signal_to_the_window_of_the_demonstration_ends_both_and_tells_the_figures() {
    for plain in [false, true] {
        let world = World::new();
        let mut command = demo(&world);
        command.args(plain.then_some("--plain"));
        let mut console = Console::start(command);
        console.read_until(if plain { "started: try 1" } else { "1 running" });
        let server = demo_server(&world);
        console.signal(libc::SIGTERM);
        console.read_until("the run is over");
        assert_eq!(console.end(PATIENCE).code(), Some(143), "plain: {plain}");
        assert!(time_to_death(&[server], PATIENCE).is_some());
        world.assert_no_leftovers();
    }
}
