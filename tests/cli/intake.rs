//! What a folder gives, and where its outputs go, by the built program: nights in a row, folders in folders, and machines
//! that lack what others have.

use std::collections::BTreeSet;
use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::Command;

use crate::support::clips::clips;
use crate::support::{Finished, Live, World};

fn outcomes(run: &Finished) -> Vec<String> {
    run.named("job_finished").filter_map(|event| event["outcome"].as_str().map(str::to_owned)).collect()
}

/// A run whose outputs go beside its inputs.
fn beside(world: &World) -> Finished {
    let mut command = world.command(["run", "--json", "--preset", "proxy-480p", "-o"]);
    command.arg(world.path("in")).arg("--state-dir").arg(world.path("state")).arg(world.path("in"));
    Live::start(command).finish()
}

#[test]
fn outputs_beside_their_inputs_are_not_converted_in_the_nights_to_come() {
    let world = World::new();
    world.put(&clips().tiny(), "a.mp4");
    world.put(&clips().other(), "s1/a.mp4");
    assert_eq!(outcomes(&beside(&world)), ["done", "done"]);
    let made = world.files("in");
    assert_eq!(made.len(), 4, "{made:?}");
    for night in 2..=3 {
        let run = beside(&world);
        assert_eq!((run.code(), outcomes(&run)), (Some(0), vec!["already_done".to_owned(); 2]), "night {night}: {}", run.stderr);
        assert!(run.stderr.contains("passed over: 2 files that plimsoll made ("), "{}", run.stderr);
        assert_eq!(world.files("in"), made);
    }
}

#[test]
fn outputs_keep_the_folders_of_their_inputs_and_failures_leave_none() {
    let world = World::new();
    for name in ["s1/e01.mp4", "s2/e01.mp4"] {
        world.put(&clips().tiny(), name);
    }
    world.write("in/s3/e01.mp4", "no film");
    let run = world.run(&["--preset", "proxy-480p", "--retries", "0"]);
    assert_eq!(run.code(), Some(1), "{}", run.stderr);
    assert_eq!(world.files("out"), [Path::new("s1/e01.proxy-480p.mp4"), Path::new("s2/e01.proxy-480p.mp4")]);
    assert!(!world.path("out/s3").exists());
    world.assert_no_leftovers();
    let flat = world.path("flat");
    let mut command = world.command(["run", "--json", "--flat", "--preset", "proxy-480p", "-o"]);
    command.arg(&flat).arg("--state-dir").arg(world.path("state-2")).arg(world.path("in"));
    Live::start(command).finish();
    assert_eq!(world.files("flat"), [Path::new("e01-2.proxy-480p.mp4"), Path::new("e01.proxy-480p.mp4")]);
}

#[test]
fn a_linked_folder_in_the_outputs_leads_no_output_elsewhere() {
    let world = World::new();
    world.put(&clips().tiny(), "a.mp4");
    let store = world.path("store");
    std::fs::create_dir(&store).expect("made");
    std::fs::copy(clips().other(), store.join("b.mp4")).expect("copied");
    std::os::unix::fs::symlink(&store, world.path("in/linked")).expect("linked");
    let run = beside(&world);
    assert_eq!((run.code(), outcomes(&run)), (Some(0), vec!["done".to_owned(); 2]), "{}", run.stderr);
    assert_eq!(std::fs::read_dir(&store).expect("read").count(), 1, "nothing is put beyond the link");
    assert!(world.path("in/linked-2/b.proxy-480p.mp4").is_file(), "{:?}", world.files("in"));
}

#[test]
fn what_stands_beside_films_in_real_folders_does_not_fail_a_run() {
    let world = World::new();
    world.put(&clips().tiny(), "camera/MOV001.MOD");
    world.put(&clips().other(), "noending");
    world.write("in/src/index.ts", "export const a = 1;\n");
    world.write("in/cover.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01");
    world.put(&clips().other(), "@eaDir/film.mp4/thumb.mp4");
    world.put(&clips().other(), "half.mp4.part");
    std::os::unix::fs::symlink("nowhere", world.path("in/broken.mp4")).expect("linked");
    let run = world.run(&["--preset", "proxy-480p"]);
    assert_eq!((run.code(), outcomes(&run).len()), (Some(0), 2), "{}", run.stderr);
    let told: BTreeSet<&str> = ["2 files that are no films", "1 half download", "1 broken link that leads nowhere"]
        .into_iter()
        .filter(|words| run.stderr.contains(words))
        .collect();
    assert_eq!(told.len(), 3, "{}", run.stderr);
}

#[test]
fn an_empty_environment_is_enough_and_it_is_told_where_the_record_is() {
    // Root would get the system's own folder, which is no place for a test.
    if rustix::process::geteuid().is_root() {
        return crate::support::skip::skip(crate::support::skip::NOT_ROOT, "this is root");
    }
    let world = World::new();
    let clip = world.put(&clips().tiny(), "a.mp4");
    let ffmpeg = crate::support::tool("ffmpeg");
    let mut command = world.command(["run", "--json", "--preset", "proxy-480p", "--ffmpeg"]);
    command.arg(&ffmpeg).arg("-o").arg(world.path("out")).arg(&clip).env_clear();
    command.env("HOME", "/nonexistent").env("XDG_STATE_HOME", "/dev/null/state").env("TMPDIR", world.path("work"));
    let run = Live::start(command).finish();
    assert_eq!((run.code(), outcomes(&run)), (Some(0), vec!["done".to_owned()]), "{}", run.stderr);
    assert!(run.stderr.contains("the record is kept in ") && run.stderr.contains("--state-dir"), "{}", run.stderr);
}

#[test]
fn a_film_that_is_named_twice_in_two_ways_is_converted_once_and_that_is_no_failure() {
    let world = World::new();
    let film = world.put(&clips().tiny(), "a.mp4");
    let list = world.write("films.yaml", format!("- {{ input: {}, preset: web-720p }}\n", film.display()));
    let mut command = world.run_command([&list, &film]);
    command.arg(world.path("in"));
    let run = Live::start(command).finish();
    assert_eq!((run.code(), outcomes(&run)), (Some(0), vec!["done".to_owned()]), "{}", run.stderr);
    assert!(run.stderr.contains(": 1 input in the queue already"), "{}", run.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn few_descriptors_are_enough_for_one_job_at_once_and_too_few_are_refused() {
    let world = World::new();
    for name in ["a.mp4", "b.mp4"] {
        world.put(&clips().tiny(), name);
    }
    let limited = |most: u32| {
        let inner = world.run_command(["--preset", "proxy-480p", "--retries", "0"]);
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit -n {most}; exec \"$0\" \"$@\"")).arg(inner.get_program()).args(inner.get_args());
        command.arg(world.path("in")).env_clear().stdin(std::process::Stdio::null());
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.output().expect("runs")
    };
    let few = limited(40);
    let told = String::from_utf8_lossy(&few.stderr);
    assert!(few.status.success() && told.contains("at most 1 at once"), "{told}");
    let too_few = limited(24);
    let told = String::from_utf8_lossy(&too_few.stderr);
    assert!(too_few.status.code() == Some(2) && told.contains("ulimit -n 1024"), "{told}");
}
