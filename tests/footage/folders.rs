//! Folders as people have them: links, trees with the same names, outputs beside inputs, files that are no films, files that are
//! still being copied.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::clip::{Clip, PICTURE, QUICK, film};
use crate::reading::Reading;
use crate::support::{Finished, Live, World, files_below, stand_ins};
use crate::table::{assert_all, row, why};

/// A small film, other bytes for every number.
fn tiny(number: u32) -> Clip {
    film("mp4", &format!("-f lavfi -i testsrc2=s=160x120:r=25:d=1,hue=h={} {QUICK}", number * 20))
}

fn run_of(world: &World, out: &Path, state: &str, args: &[&str], paths: &[&Path]) -> Command {
    let mut command = world.command(["run", "--json", "--retries", "0", "--preset", "proxy-480p", "--state-dir"]);
    command.arg(world.path(state)).arg("-o").arg(out).args(args).args(paths);
    command
}

fn run_to(world: &World, out: &Path, state: &str, args: &[&str], paths: &[&Path]) -> Finished {
    Live::start(run_of(world, out, state, args, paths)).finish()
}

fn names(run: &Finished, event: &str) -> Vec<String> {
    let mut names: Vec<String> =
        run.named(event).filter_map(|event| Some(event["input"].as_str()?.rsplit('/').next()?.to_owned())).collect();
    names.sort();
    names
}

/// All that was said, without the paths of this world, which could hold any word.
fn said(run: &Finished, world: &World) -> String {
    let events: Vec<String> = run.events.iter().map(Value::to_string).collect();
    let all = format!("{}\n{}", events.join("\n"), run.stderr);
    let all = all.replace(world.dir.path().to_str().expect("UTF-8"), "");
    // Names of the files of these tests hold the word too.
    ["linked-folder", "linked.mp4"].iter().fold(all, |all, name| all.replace(name, "")).to_lowercase()
}

fn link(target: impl AsRef<Path>, at: PathBuf) {
    std::os::unix::fs::symlink(target, at).expect("linked");
}

#[test]
fn linked_films_are_converted_once_each_and_loops_and_broken_links_do_no_harm() {
    let world = World::new();
    let store = world.path("store");
    fs::create_dir_all(&store).expect("made");
    fs::copy(tiny(1).path, store.join("real.mp4")).expect("copied");
    world.put(&tiny(2).path, "plain.mp4");
    fs::create_dir(world.path("in/sub")).expect("made");
    link("../store/real.mp4", world.path("in/linked.mp4"));
    link(&store, world.path("in/linked-folder"));
    link("nowhere.mp4", world.path("in/broken.mp4"));
    link("..", world.path("in/sub/loop"));
    let run = run_to(&world, &world.path("out"), "state", &[], &[&world.path("in")]);
    assert_eq!(world.files("out").len(), 2, "each film once: {:?}\n{}", world.files("out"), run.stderr);
    assert!(said(&run, &world).contains("link"), "nothing tells of links: {}", run.stderr);
    assert_eq!(run.code(), Some(0), "{}", run.stderr);
}

#[test]
fn a_folder_of_nothing_but_links_is_converted() {
    let world = World::new();
    let store = world.write("store/real.mp4", fs::read(tiny(1).path).expect("read"));
    link(&store, world.path("in/linked.mp4"));
    link("linked.mp4", world.path("in/second-name.mp4"));
    let run = run_to(&world, &world.path("out"), "state", &[], &[&world.path("in")]);
    assert_eq!((run.code(), world.files("out").len()), (Some(0), 1), "the same file is converted once: {}", run.stderr);
}

/// What three nights make of a folder whose outputs lie in it.
fn three_nights(world: &World, same_record: bool) {
    for night in 1..=3 {
        let state = if same_record { "state".to_owned() } else { format!("state-{night}") };
        let run = run_to(world, &world.path("in"), &state, &[], &[&world.path("in")]);
        assert_eq!(run.code(), Some(0), "night {night}: {}", run.stderr);
    }
}

#[test]
fn three_nights_in_a_row_with_outputs_beside_the_films_make_one_output_of_each_film() {
    for same_record in [true, false] {
        let world = World::new();
        world.put(&tiny(1).path, "a.mp4");
        world.put(&film("mkv", &format!("{PICTURE}1 {QUICK}")).path, "sub/b.mkv");
        three_nights(&world, same_record);
        let files = world.files("in");
        assert_eq!(files.len(), 4, "with {}: {files:?}", if same_record { "one record" } else { "a new record each night" });
    }
}

#[test]
fn outputs_of_another_preset_or_another_folder_are_no_inputs_either() {
    let world = World::new();
    world.put(&tiny(1).path, "a.mp4");
    let both = |preset: &str, state: &str| {
        let mut command = world.command(["run", "--json", "--preset", preset, "--state-dir"]);
        command.arg(world.path(state)).arg("-o").arg(world.path("in/plimsoll-out")).arg(world.path("in"));
        Live::start(command).finish()
    };
    for (preset, state) in [("proxy-480p", "1"), ("web-720p", "2"), ("audio-m4a", "3"), ("thumbnails", "4"), ("proxy-480p", "5")] {
        both(preset, state);
    }
    let made = files_below(&world.path("in/plimsoll-out"));
    assert_eq!(made.len(), 3, "one for each preset that makes a picture: {made:?}");
    // Somebody moves the output elsewhere under another name.
    fs::rename(world.path("in/plimsoll-out").join(&made[0]), world.path("in/moved.mp4")).expect("moved");
    let run = run_to(&world, &world.path("out"), "6", &[], &[&world.path("in")]);
    assert!(!names(&run, "job_queued").contains(&"moved.mp4".to_owned()), "{:?}", names(&run, "job_queued"));
}

#[test]
fn an_output_named_as_a_file_on_purpose_is_converted() {
    let world = World::new();
    world.put(&tiny(1).path, "a.mp4");
    let first = run_to(&world, &world.path("out"), "state", &[], &[&world.path("in")]);
    let output = PathBuf::from(first.end_event_of("a.mp4")["output"].as_str().expect("a path"));
    let second = run_to(&world, &world.path("out2"), "state", &[], &[&output]);
    assert_eq!((second.code(), second.ends()), (Some(0), vec!["done"]), "{}", second.stderr);
}

#[test]
fn a_tree_with_the_same_names_keeps_its_folders_and_nothing_is_overwritten() {
    let world = World::new();
    for number in 1..=3 {
        world.put(&tiny(number).path, format!("s{number}/e01.mp4"));
    }
    run_to(&world, &world.path("out"), "state", &[], &[&world.path("in")]);
    let wanted = ["s1/e01.proxy-480p.mp4", "s2/e01.proxy-480p.mp4", "s3/e01.proxy-480p.mp4"].map(PathBuf::from);
    assert_eq!(world.files("out"), wanted);
    let flat = run_to(&world, &world.path("flat"), "state-flat", &["--flat"], &[&world.path("in")]);
    assert_eq!(flat.code(), Some(0), "{}", flat.stderr);
    let files = world.files("flat");
    assert!(files.len() == 3 && files.iter().all(|file| file.components().count() == 1), "{files:?}");
}

#[test]
fn what_is_no_film_is_passed_over_in_a_folder_without_failing_the_run() {
    let world = World::new();
    world.put(&tiny(1).path, "film.mp4");
    for (name, text) in [
        ("site/src/index.ts", "export const a = 1;\n"),
        ("site/src/x.d.ts", "declare module \"x\";\n"),
        ("@eaDir/film.mp4/SYNOVIDEO_FILM_M.mp4.jpg", "jpg"),
        ("notes.mod", "module example.org/a\n\ngo 1.22\n"),
        ("list.m3u", "#EXTM3U\nfilm.mp4\n"),
        (".DS_Store", "\0\0\0\u{1}Bud1"),
        ("Thumbs.db", "\u{b}\u{11}"),
        ("film.mp4.part", "half"),
        ("film.nfo", "<movie/>"),
    ] {
        world.write(&format!("in/{name}"), text);
    }
    let noise: Vec<u8> = (0..4096_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    world.write("in/._film.mp4", noise);
    world.write("in/picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    let run = run_to(&world, &world.path("out"), "state", &[], &[&world.path("in")]);
    assert_eq!((run.code(), run.ends()), (Some(0), vec!["done"]), "{:?}\n{}", names(&run, "job_queued"), run.stderr);
}

#[test]
fn a_file_given_by_name_is_always_judged() {
    let world = World::new();
    let source = world.write("in/index.ts", "export const a = 1;\n");
    let run = run_to(&world, &world.path("out"), "state", &[], &[&source]);
    assert_eq!(run.code(), Some(1), "{}", run.stderr);
    assert!(why(run.end_event_of("index.ts")).contains("text"), "{}", run.stderr);
}

/// A camera card and a recorder's disk: names, and what lies behind them.
fn cards() -> Vec<(&'static str, Clip)> {
    let dvd = film("vob", "-f lavfi -i testsrc2=s=720x576:r=25:d=2 -f lavfi -i sine=440:d=2 -c:v mpeg2video -b:v 3M -c:a ac3");
    let ts = film("ts", &format!("{PICTURE}2 {QUICK}"));
    let mp4 = film("mp4", &format!("{PICTURE}2 {QUICK}"));
    let raw = |codec: &str, ending: &str| film(ending, &format!("{PICTURE}1 {codec}"));
    vec![
        ("MOV001.MOD", dvd.clone()),
        ("MOV002.TOD", ts.clone()),
        ("VR_MOVIE.VRO", dvd),
        ("rec.trp", ts.clone()),
        ("rec.tp", ts),
        ("GX010001.LRV", mp4.clone()),
        ("VID_001.insv", mp4),
        ("clip.mxf", film("mxf", "-f lavfi -i testsrc2=s=720x576:r=25:d=2 -c:v mpeg2video -b:v 8M")),
        ("tape.dv", film("dv", "-f lavfi -i testsrc2=s=720x576:r=25:d=1 -f lavfi -i sine=440:d=1:r=48000 -ac 2 -target pal-dv")),
        ("old.rm", film("rm", "-f lavfi -i testsrc2=s=320x176:r=25:d=1 -c:v rv10")),
        ("mce.wtv", film("wtv", "-f lavfi -i testsrc2=s=320x180:r=25:d=1 -f lavfi -i sine=440:d=1 -c:v mpeg2video -c:a mp2")),
        ("any.nut", raw("-c:v ffv1", "nut")),
        ("anim.gif", raw("", "gif")),
        ("raw.h264", raw(QUICK, "h264")),
        ("raw.hevc", raw("-c:v libx265 -preset ultrafast -x265-params log-level=error", "hevc")),
        ("raw.obu", raw("-c:v libsvtav1 -preset 12", "obu")),
        ("raw.ivf", raw("-c:v libvpx -deadline realtime -cpu-used 8", "ivf")),
        ("raw.m2v", raw("-c:v mpeg2video -f mpeg2video", "m2v")),
    ]
}

#[test]
fn the_films_of_cameras_and_recorders_are_found_in_their_folder() {
    let world = World::new();
    // A GIF in a folder is a picture more often than a film.
    let cards: Vec<_> = cards().into_iter().filter(|(name, _)| *name != "anim.gif").collect();
    for (name, clip) in &cards {
        world.put(&clip.path, name);
    }
    // Found is enough: the test below converts them all. The run is ended once it has named every one.
    let mut live = Live::start(run_of(&world, &world.path("out"), "state", &[], &[&world.path("in")]));
    let mut missing: BTreeSet<&str> = cards.iter().map(|(name, _)| *name).collect();
    while !missing.is_empty()
        && let Some(event) = live.next()
    {
        let name = event["input"].as_str().and_then(|input| input.rsplit('/').next()).unwrap_or_default();
        if event["event"] == "job_queued" {
            missing.remove(name);
        }
    }
    assert!(missing.is_empty(), "not found: {missing:?}");
}

#[test]
fn the_films_of_cameras_and_recorders_are_converted_when_given_by_name() {
    let rows: Vec<_> = cards().into_iter().map(|(name, clip)| row(name, clip, &[crate::facts::Fact::Decodes])).collect();
    assert_all("proxy-480p", &rows);
}

fn recording() -> Clip {
    film("ts", &format!("{PICTURE}20 -f lavfi -i sine=440:d=20 -c:v mpeg2video -b:v 1M -g 12 -c:a mp2"))
}

#[test]
fn a_film_whose_copy_was_half_there_is_converted_anew_when_it_is_whole() {
    let world = World::new();
    let whole = fs::read(recording().path).expect("read");
    let half = whole.len() / 188 / 2 * 188;
    let path = world.write("in/film.ts", &whole[..half]);
    run_to(&world, &world.path("out"), "state", &[], &[&path]);
    fs::write(&path, &whole).expect("written");
    let second = run_to(&world, &world.path("out"), "state", &[], &[&path]);
    assert_eq!(second.end_of("film.ts"), "done", "{}", second.stderr);
    let output = Reading::of(&world.path("out/film.proxy-480p.mp4"));
    assert!((output.seconds() - 20.0).abs() < 0.7, "the good name holds {} s: {:?}", output.seconds(), world.files("out"));
}

#[test]
fn a_film_that_grows_while_it_is_read_is_never_called_done_with_a_part_of_it() {
    let world = World::new();
    let whole = fs::read(recording().path).expect("read");
    let path = world.write("in/film.ts", &whole[..whole.len() / 3]);
    // As slowly as it would be watched: there are seven seconds to let it grow in.
    let tools = stand_ins(&world, "set -- -readrate 1 \"$@\"", "");
    let mut command = world.run_command(["--retries", "0", "--preset", "proxy-480p", "--ffmpeg"]);
    command.arg(tools).arg(&path);
    let mut live = Live::start(command);
    live.until_event("job_started");
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, &whole[whole.len() / 3..]))
        .expect("grown");
    let run = live.finish();
    let end = run.end_event_of("film.ts");
    let seconds = end["output"].as_str().map_or(0.0, |output| Reading::of(Path::new(output)).seconds());
    assert!(end["outcome"] != "done" || seconds > 19.0, "done with {seconds} s of 20: {end}");
    assert!(end["outcome"] == "done" || why(end).contains("chang") || why(end).contains("grow"), "{end}");
}
