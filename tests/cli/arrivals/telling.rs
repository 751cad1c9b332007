//! What is told of watched folders, what is refused, and what they cost while nothing happens.

use std::time::Duration;

use super::Server;
use crate::support::{PATIENCE, World, say};

#[test]
fn a_mistake_names_what_is_wrong_and_what_is_allowed() {
    let world = World::new();
    let file = world.write("in/film.mp4", "x");
    let file = file.to_str().expect("plain");
    for (word, why) in [(file, "it is a file; give a folder"), ("in=no-such", "no-such"), ("=x", "DIR=PRESET")] {
        for action in [&["serve"][..], &["serve", "unit"]] {
            let said = say(world.command(action.iter().copied().chain(["--state-dir", "state", "--watch", word])));
            assert_eq!(said.code, Some(2), "{word}: {}{}", said.out, said.err);
            assert!(said.err.contains(why), "{word}: {}", said.err);
        }
    }
    world.write("home/.config/plimsoll/settings.yaml", "watch:\n  - { folder: in, delete_input: always }\n");
    let said = say(world.command(["serve", "--state-dir", "state"]));
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(
        said.err.contains("settings.yaml:2:33: watch[0].delete_input: unknown delete input `always`; allowed: never, after_done"),
        "{}",
        said.err
    );
}

#[test]
fn a_unit_means_the_folders_and_files_that_were_given_from_wherever_it_is_started() {
    let world = World::new();
    let watch = ["--watch", "in=proxy-480p", "--watch", "two words"];
    let said =
        say(world.command([&["serve", "--hold", "unit", "--state-dir", "state", "--log-file", "p.log"][..], &watch].concat()));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let work = world.path("work");
    let (one, two) = (format!("--watch={}/in=proxy-480p", work.display()), format!("\"--watch={}/two words\"", work.display()));
    let line = said.out.lines().find(|line| line.starts_with("ExecStart=")).expect("a command");
    assert!(line.contains(&one) && line.contains(&two), "{line}");
    let log = format!("--log-file={}/p.log", work.display());
    assert!(line.contains(&log) && line.contains(" --hold"), "{line}");
}

#[test]
fn folders_in_which_nothing_happens_wake_nobody() {
    let world = World::new();
    for number in 0..50 {
        std::fs::create_dir_all(world.path(format!("in/{number}/deep"))).expect("made");
    }
    let folder = world.path("in");
    let server = Server::start(&world, &["--watch", folder.to_str().expect("plain")]);
    let status = server.until("the folder", PATIENCE, |status| status["watched"][0]["state"] == "watching");
    let pid = status["server"]["pid"].as_u64().expect("a process");
    let switches = || {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("alive");
        let of = |task: std::path::PathBuf| {
            let name = std::fs::read_to_string(task.join("comm")).ok()?;
            let told = std::fs::read_to_string(task.join("status")).ok()?;
            let line = told.lines().find(|line| line.starts_with("voluntary_ctxt_switches"))?;
            let number = line.split_whitespace().nth(1)?.parse::<u64>().ok()?;
            let is_ours = ["watched", "notify-rs", "mounts"].iter().any(|ours| name.starts_with(ours));
            is_ours.then(|| (name.trim().to_owned(), number))
        };
        let mut found: Vec<(String, u64)> = tasks.filter_map(|task| of(task.ok()?.path())).collect();
        found.sort();
        found
    };
    // Somebody else may mount something meanwhile.
    let quiet = (0..5).any(|_| {
        let before = switches();
        assert_eq!(before.len(), 3, "{before:?}");
        std::thread::sleep(Duration::from_secs(3));
        before == switches()
    });
    assert!(quiet, "{:?}", switches());
}
