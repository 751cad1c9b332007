//! Folders of which the kernel tells nothing, because its limit of watches is used up: they are looked through again and again.

use std::fs;
use std::process::Command;

use super::{Server, once};
use crate::support::clips::clips;
use crate::support::skip::{INOTIFY_LIMITS, skip};
use crate::support::{PATIENCE, World, say, tool_path};

/// A user namespace of its own has limits of its own, which its root may lower.
fn with_watches(most: u32, program: &Command) -> Command {
    let mut command = Command::new("unshare");
    let script = format!("echo {most} > /proc/sys/user/max_inotify_watches && exec \"$@\"");
    command.args(["--user", "--map-root-user", "sh", "-c", &script, "sh"]).arg(program.get_program()).args(program.get_args());
    command.env_clear().env("PATH", tool_path());
    for (name, value) in program.get_envs() {
        value.map(|value| command.env(name, value));
    }
    if let Some(folder) = program.get_current_dir() {
        command.current_dir(folder);
    }
    command
}

#[test]
fn a_folder_of_which_the_kernel_may_tell_no_more_is_told_and_polled_and_its_films_are_taken_all_the_same() {
    let trial = say(with_watches(3, &Command::new("true")));
    if trial.code != Some(0) {
        return skip(INOTIFY_LIMITS, trial.err);
    }
    let world = World::new();
    let clip = clips().tiny();
    for number in 0..6 {
        world.put(&clip, format!("{number}/there.mp4"));
    }
    // Without the time that a film has to look the same this takes as long as one look at the folder comes after the other.
    let settings = format!("watch: [{{ folder: '{}', quiet: 0 }}]\n", world.path("in").display());
    world.write("home/.config/plimsoll/settings.yaml", settings);
    let server = Server { world: &world };
    let mut serve = server.command(&["serve", "--daemon"]);
    serve.arg("-o").arg(world.path("out")).arg("--log-file").arg(world.path("log"));
    let said = say(with_watches(3, &serve));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let status = server.until("polling", PATIENCE, |status| status["watched"][0]["state"] == "polling");
    let folder = &status["watched"][0];
    assert_eq!(folder["every_seconds"], 10, "{status}");
    let why = "the kernel's limit of watched folders (inotify) is reached; raise it: sysctl fs.inotify.max_user_watches=";
    assert!(folder["why"].as_str().is_some_and(|told| told.starts_with(why)), "{status}");
    server.until_done(6);
    // Into folders that the kernel was asked about, and into those that it refused.
    for number in 0..6 {
        fs::write(world.path("work/new.mp4"), fs::read(&clip).expect("read")).expect("written");
        fs::rename(world.path("work/new.mp4"), world.path(format!("in/{number}/later.mp4"))).expect("moved");
    }
    server.until_done(12);
    let names: Vec<String> = (0..6).flat_map(|number| [format!("{number}/there.mp4"), format!("{number}/later.mp4")]).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(server.inputs("in"), once(&names));
    let log = fs::read_to_string(world.path("log")).expect("a log");
    let told = log.lines().filter(|line| line.contains(why)).collect::<Vec<_>>();
    assert_eq!(told.len(), 1, "told once: {log}");
    assert!(told[0].contains("it is looked through every 10 s until then"), "{}", told[0]);
}
