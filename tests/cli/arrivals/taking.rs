//! What is taken, when, and how often.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use super::{Server, all_alike, once, rsync};
use crate::support::clips::clips;
use crate::support::{PATIENCE, World, tool};

/// Both halves of a clip.
fn halves(clip: &Path) -> (Vec<u8>, Vec<u8>) {
    let mut bytes = fs::read(clip).expect("read");
    let second = bytes.split_off(bytes.len() / 2);
    (bytes, second)
}

#[test]
fn a_film_of_a_stem_that_is_taken_gets_a_name_of_its_own_and_what_is_done_stays_as_it_is() {
    let world = World::new();
    let folder = world.path("in");
    world.put(&clips().tiny(), "a.mov");
    let args = ["--watch", folder.to_str().expect("plain")];
    let server = Server::start(&world, &args);
    server.until_done(1);
    let made = world.path("out/a.web-720p.mp4");
    let before = fs::metadata(&made).expect("made").modified().expect("a time");
    fs::copy(clips().other(), world.path("work.mkv")).expect("copied");
    fs::rename(world.path("work.mkv"), folder.join("a.mkv")).expect("moved");
    server.until_done(2);
    // A restart looks through the folder anew.
    server.ok(&["stop"]);
    server.start_again(&args);
    server.until("the folder", PATIENCE, |status| status["watched"][0]["state"] == "watching");
    assert_eq!(server.inputs("in"), once(&["a.mov", "a.mkv"]));
    assert_eq!(fs::metadata(&made).expect("there").modified().expect("a time"), before);
    assert!(world.path("out/a-2.web-720p.mp4").exists() && world.files("out").len() == 2, "{:?}", world.files("out"));
}

#[test]
fn films_are_taken_once_and_whole_whatever_way_they_come() {
    let world = World::new();
    let clip = clips().tiny();
    let (first, second) = halves(&clip);
    let put = |name: &str| world.put(&clip, name);
    put("there.mp4");
    let folder = world.path("in");
    // The outputs lie below the watched folder: they are none of its films.
    let out = folder.join("made");
    let args = ["--watch", folder.to_str().expect("plain"), "-o", out.to_str().expect("plain")];
    let server = Server::start(&world, &args);
    server.until("the folder", PATIENCE, |status| status["watched"][0]["state"] == "watching");

    // A slow copy by somebody who keeps the file open, one who does not, and one whose file is moved in meanwhile.
    let mut open = fs::File::create(folder.join("slow.mp4")).expect("made");
    open.write_all(&first).expect("written");
    world.write("work/half.mp4", &first);
    let mut moved = OpenOptions::new().append(true).open(world.path("work/half.mp4")).expect("opened");
    fs::rename(world.path("work/half.mp4"), folder.join("moved-open.mp4")).expect("moved");
    // What is renamed into place is whole already.
    fs::copy(&clip, world.path("work/moved.mp4")).expect("copied");
    fs::rename(world.path("work/moved.mp4"), folder.join("moved.mp4")).expect("moved");
    fs::write(folder.join("ftp.mp4.part"), &first).expect("written");
    // A folder that is made and filled at once, before anybody can have looked at it.
    fs::create_dir_all(folder.join("new/deep")).expect("made");
    fs::copy(&clip, folder.join("new/deep/filled.mp4")).expect("copied");
    // A folder that comes with its films.
    fs::create_dir(world.path("work/card")).expect("made");
    fs::copy(&clip, world.path("work/card/shot.mp4")).expect("copied");
    fs::rename(world.path("work/card"), folder.join("card")).expect("moved");
    // None of these is a film of the operator's, or whole.
    fs::write(folder.join("notes.txt"), "x").expect("written");
    for name in [".hidden.mp4", "draft.mp4~", "load.mp4.crdownload", "load.filepart", ".trash/film.mp4", "plimsoll-out/old.mp4"] {
        put(name);
    }
    let mut names = vec!["there.mp4", "moved.mp4", "new/deep/filled.mp4", "card/shot.mp4"];
    if rsync(&clip, &folder.join("synced.mp4")).is_some() {
        names.push("synced.mp4");
    } else {
        crate::support::skip::skip(crate::support::skip::RSYNC, "it is not installed");
    }
    // By now those that are written would have been taken, had nobody known of the writers.
    server.until_done(names.len() as u64);
    // What waits is told once a second.
    server.until("those that are written as the ones that wait", PATIENCE, |status| {
        let waiting: Vec<&str> =
            status["watched"][0]["first"].as_array().expect("a list").iter().filter_map(|file| file["name"].as_str()).collect();
        waiting.contains(&"slow.mp4") && waiting.contains(&"moved-open.mp4")
    });
    assert_eq!(server.inputs("in"), once(&names));

    open.write_all(&second).expect("written");
    moved.write_all(&second).expect("written");
    drop((open, moved));
    fs::OpenOptions::new().append(true).open(folder.join("ftp.mp4.part")).expect("opened").write_all(&second).expect("written");
    fs::rename(folder.join("ftp.mp4.part"), folder.join("ftp.mp4")).expect("renamed");
    names.extend(["slow.mp4", "moved-open.mp4", "ftp.mp4"]);
    server.until_done(names.len() as u64);
    assert_eq!(server.inputs("in"), once(&names));
    // One preset and the same bytes: the same outputs, in the shape of the folder.
    assert_eq!(all_alike(&out, ".web-720p.mp4"), names.len());
    assert!(out.join("new/deep/filled.web-720p.mp4").exists() && out.join("card/shot.web-720p.mp4").exists());

    // A restart takes nothing twice, with or without its input, and what came meanwhile.
    server.ok(&["stop"]);
    fs::remove_file(folder.join("moved.mp4")).expect("removed");
    fs::rename(folder.join("made/there.web-720p.mp4"), folder.join("made/there.mp4")).expect("renamed");
    put("meanwhile.mp4");
    server.start_again(&args);
    names.push("meanwhile.mp4");
    server.until("the new one", PATIENCE, |status| {
        status["jobs"]["done"].as_u64() >= Some(1) && status["watched"][0]["waiting"] == 0
    });
    server.ok(&["wait"]);
    assert_eq!(server.inputs("in"), once(&names));
}

#[test]
fn a_film_that_is_written_anew_is_made_anew_and_a_folder_that_comes_late_or_goes_is_taken_up() {
    let world = World::new();
    let late = world.path("late/in");
    let server = Server::start(&world, &["--watch", late.to_str().expect("plain")]);
    let missing = server.until("the folder", PATIENCE, |status| status["watched"][0]["state"] == "missing");
    assert_eq!(missing["watched"][0]["why"], "no such file or directory");
    fs::create_dir_all(&late).expect("made");
    fs::copy(clips().tiny(), late.join("a.mp4")).expect("copied");
    server.until_done(1);
    // Another film under the same name.
    fs::copy(clips().other(), world.path("work/a.mp4")).expect("copied");
    fs::rename(world.path("work/a.mp4"), late.join("a.mp4")).expect("moved");
    server.until_done(2);
    fs::rename(world.path("late"), world.path("gone")).expect("moved");
    fs::create_dir(world.path("late")).expect("made");
    server.until("the loss", PATIENCE, |status| status["watched"][0]["state"] == "missing");
    fs::rename(world.path("gone/in"), &late).expect("moved back");
    fs::copy(clips().tiny(), late.join("b.mp4")).expect("copied");
    server.until_done(3);
    let mut expected = once(&["b.mp4"]);
    expected.insert("a.mp4".into(), 2);
    assert_eq!(server.inputs("late/in"), expected);
}

#[test]
fn an_input_is_removed_when_all_that_was_to_be_made_of_it_is_done_and_stays_in_every_other_case() {
    let world = World::new();
    let settings = "watch:\n\
        - { folder: ../../../in/a, preset: proxy-480p, delete_input: after_done }\n\
        - { folder: ../../../in/a, preset: audio-m4a }\n\
        - { folder: ../../../in/b, preset: proxy-480p }\n";
    world.write("home/.config/plimsoll/settings.yaml", settings);
    world.put(&clips().of_height(480), "a/film.mp4");
    world.put(&clips().torn(), "a/torn.mkv");
    world.put(&clips().tiny(), "b/film.mp4");
    world.write("in/a/notes.txt", "x");
    // Some of its pictures cannot be decoded; an output comes of it all the same.
    let make = "-v error -f lavfi -i testsrc2=s=320x180:r=25:d=4 -f lavfi -i sine=d=4 -c:v libx264 -g 25 -c:a aac -bsf:v noise=amount=20000";
    let made = Command::new(tool("ffmpeg")).args(make.split(' ')).arg(world.path("in/a/spoilt.ts")).status();
    assert!(made.expect("ffmpeg runs").success());
    let server = Server::start(&world, &[]);
    server.until("the jobs", PATIENCE, |status| {
        let jobs = &status["jobs"];
        let ended: u64 = ["done", "failed", "rejected"].iter().filter_map(|state| jobs[state].as_u64()).sum();
        ended == 7 && jobs["running"] == 0 && jobs["queued"] == 0
    });
    server.until("the removal", PATIENCE, |_| !world.path("in/a/film.mp4").exists());
    let out = |name: &str| world.path("out").join(name).exists();
    assert!(server.ok(&["jobs", "--state", "damaged"]).contains("spoilt.ts") && out("spoilt.proxy-480p.mp4"));
    assert!(out("film.proxy-480p.mp4") && out("film.audio-m4a.m4a") && out("film-2.proxy-480p.mp4"), "{:?}", world.files("out"));
    let left = ["in/a/torn.mkv", "in/a/spoilt.ts", "in/a/notes.txt", "in/b/film.mp4"];
    for kept in left {
        assert!(world.path(kept).exists(), "{kept}");
    }
    // A start looks at all of it again, and comes to the same.
    server.ok(&["stop"]);
    server.start_again(&[]);
    server.until("a look", PATIENCE, |status| {
        status["watched"].as_array().is_some_and(|all| all.len() == 3 && all.iter().all(|one| one["state"] == "watching"))
    });
    assert!(left.iter().all(|kept| world.path(kept).exists()), "{:?}", world.files("in"));
    server.ok(&["wait"]);
}
