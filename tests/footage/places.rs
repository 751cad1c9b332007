//! Odd places to run in: a loop of a shell, a container without a home, a full disk.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::clip::{QUICK, film};
use crate::support::kernel::tmpfs;
use crate::support::skip::{MOUNT, skip};
use crate::support::{Live, PLIMSOLL, Said, World, say, tool_path};

fn tiny() -> std::path::PathBuf {
    film("mp4", &format!("-f lavfi -i testsrc2=s=160x120:r=25:d=1 {QUICK}")).path
}

#[test]
fn a_loop_of_a_shell_over_a_list_loses_no_line_of_it() {
    let world = World::new();
    let list: Vec<String> = (1..=3)
        .map(|number| {
            let clip = film("mp4", &format!("-f lavfi -i testsrc2=s=160x120:r=25:d={number} {QUICK}"));
            world.put(&clip.path, format!("{number}.mp4")).display().to_string()
        })
        .collect();
    let list = world.write("list", list.join("\n") + "\n");
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(
        "c=0; while read -r f; do c=$((c+1)); \"$P\" run --state-dir \"$W/state\" -o \"$W/out\" --preset proxy-480p \"$f\" || exit 9; \
         done <\"$L\"; echo loops $c",
    );
    shell.env("P", PLIMSOLL).env("W", world.dir.path()).env("L", list).env("PATH", tool_path()).env("HOME", world.path("home"));
    let told = say(shell);
    assert_eq!((told.code, told.out.lines().last()), (Some(0), Some("loops 3")), "{}", told.err);
    assert_eq!(world.files("out").len(), 3);
}

/// A folder for everybody, with a program that everybody may run.
fn open_world() -> World {
    let world = World::new();
    let everybody = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    everybody(world.dir.path(), 0o755);
    fs::copy(PLIMSOLL, world.path("plimsoll")).expect("copied");
    everybody(&world.path("plimsoll"), 0o755);
    let film = world.put(&tiny(), "a.mp4");
    everybody(&film, 0o644);
    everybody(&world.path("in"), 0o755);
    everybody(&world.path("work"), 0o777);
    fs::create_dir(world.path("tmp")).expect("made");
    everybody(&world.path("tmp"), 0o777);
    world
}

/// Runs as somebody without a name, with these variables and no others.
fn as_nobody(world: &World, variables: &[(&str, &str)], args: &[&str], descriptors: Option<u64>) -> Said {
    let mut command = Command::new(world.path("plimsoll"));
    command.args(["run", "--preset", "proxy-480p"]).args(args).arg(world.path("in"));
    command.current_dir(world.path("work")).env_clear().envs(variables.iter().copied());
    if rustix::process::getuid().is_root() {
        command.uid(12345).gid(12345);
    }
    if let Some(most) = descriptors {
        let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
        // SAFETY: setrlimit is async-signal-safe and reads a value that lives in the closure.
        unsafe {
            command.pre_exec(move || {
                if libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) == 0 {
                    Ok(())
                } else {
                    Err(std::io::Error::last_os_error())
                }
            });
        }
    }
    say(command)
}

#[test]
fn a_run_without_a_home_works_or_names_the_option_it_needs() {
    let path = tool_path().to_str().expect("UTF-8");
    for (what, home) in
        [("no HOME", None), ("HOME=/", Some("/")), ("HOME of nobody", Some("/nonexistent")), ("an empty HOME", Some(""))]
    {
        let world = open_world();
        let temporary = world.path("tmp");
        let mut variables = vec![("PATH", path), ("TMPDIR", temporary.to_str().expect("UTF-8"))];
        variables.extend(home.map(|home| ("HOME", home)));
        let told = as_nobody(&world, &variables, &[], None);
        assert_eq!(told.code, Some(0), "{what}: {}", told.err);
        assert_eq!(world.files("work/plimsoll-out").len(), 1, "{what}: {}", told.err);
    }
}

#[test]
fn a_run_with_an_empty_environment_finds_ffmpeg_at_the_standard_places() {
    let world = open_world();
    let told = as_nobody(&world, &[], &["--state-dir", world.path("work/state").to_str().expect("UTF-8")], None);
    let standard = ["/usr/bin", "/usr/local/bin", "/bin"].iter().any(|folder| Path::new(folder).join("ffmpeg").is_file());
    assert!(told.code == Some(0) || !standard && told.err.contains("ffmpeg"), "{}", told.err);
}

#[test]
fn a_run_with_few_descriptors_works_or_says_so() {
    for most in [40, 24] {
        let world = open_world();
        let path = tool_path().to_str().expect("UTF-8");
        let state = world.path("work/state");
        let told = as_nobody(&world, &[("PATH", path)], &["--state-dir", state.to_str().expect("UTF-8")], Some(most));
        let is_told = told.err.contains("descriptor") || told.err.contains("files open");
        assert!(told.code == Some(0) || is_told, "{most} descriptors: status {:?}: {}", told.code, told.err);
    }
}

#[test]
fn a_run_that_no_service_gave_a_terminal_or_an_input_works() {
    let world = open_world();
    let mut command = Command::new(world.path("plimsoll"));
    command.args(["run", "--preset", "proxy-480p"]).arg(world.path("in")).current_dir(world.path("work")).env_clear();
    command.env("PATH", tool_path()).env("HOME", world.path("home")).env("SHELL", "/bin/sh").stdin(std::process::Stdio::null());
    let told = say(command);
    assert_eq!((told.code, world.files("work/plimsoll-out").len()), (Some(0), 1), "{}", told.err);
}

#[test]
fn a_full_disk_is_told_at_once_and_the_run_ends_and_keeps_its_queue() {
    let world = World::new();
    let disk = match tmpfs(&world.path("small"), "6m") {
        Ok(disk) => disk,
        Err(why) => return skip(MOUNT, why),
    };
    world.put(&tiny(), "a.mp4");
    let run = |args: &[&str]| {
        let mut command = world.command(["run", "--json", "--preset", "proxy-480p", "--state-dir"]);
        command.arg(world.path("state")).arg("-o").arg(world.path("small")).args(args).arg(world.path("in"));
        Live::start(command).finish()
    };
    let full = run(&["--disk-wait", "2s"]);
    assert_eq!(full.code(), Some(1), "{}", full.stderr);
    let told = full.stderr.to_lowercase();
    assert!(told.contains("small"), "where there is no room is not told: {}", full.stderr);
    assert!(["disk", "no room", "space"].iter().any(|word| told.contains(word)), "{}", full.stderr);
    assert!(told.contains("free"), "what is free, or what to free, is not told: {}", full.stderr);
    let idle = told.lines().filter(|line| line.contains("freed 0.0mb")).count();
    assert!(idle <= 3, "{idle} lines tell of cleanups that freed nothing");
    // With room the same command does the work.
    drop(disk);
    let room = run(&[]);
    assert_eq!((room.code(), room.ends()), (Some(0), vec!["done"]), "{}", room.stderr);
}
