//! The command line of the built program: what is refused before anything runs, what is printed, which setting wins.
#![allow(clippy::disallowed_methods)] // as the helpers

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::clips::clips;
use crate::support::{PLIMSOLL, Said, World, say, tool_path};
use serde_json::Value;

/// A world with one good clip, so that only what is tested is wrong.
fn with_a_clip() -> (World, PathBuf) {
    let world = World::new();
    let clip = world.put(&clips().tiny(), "a.mp4");
    (world, clip)
}

/// The command was refused: status 2, these words on stderr, nothing on stdout, nothing run and nothing made.
fn assert_refused(world: &World, command: Command, words: &[&str]) -> Said {
    let before = crate::support::files_below(world.dir.path());
    let said = say(command);
    assert_eq!(said.code, Some(2), "{words:?}\n{}{}", said.out, said.err);
    assert_eq!(said.out, "", "{words:?}");
    for word in words {
        assert!(said.err.contains(word), "`{word}` is missing in:\n{}", said.err);
    }
    assert!(!said.err.contains("os error") && !said.err.contains("panicked"), "{}", said.err);
    let after = crate::support::files_below(world.dir.path());
    assert_eq!(before, after, "something was made: {words:?}");
    assert!(!world.path("out").exists() && !world.path("state").exists(), "a folder was made: {words:?}");
    said
}

#[test]
fn a_wrong_name_is_refused_with_the_likely_one_and_all_there_are() {
    let (world, clip) = with_a_clip();
    let run = |args: &[&str]| {
        let mut command = world.run_command(args);
        command.arg(&clip);
        command
    };
    assert_refused(
        &world,
        run(&["-p", "balancd"]),
        &["no profile is called `balancd`", "did you mean `balanced`?", "fast, balanced, safe"],
    );
    assert_refused(
        &world,
        run(&["--preset", "web-720"]),
        &["no preset is called `web-720`", "did you mean `web-720p`?", "audio-m4a"],
    );
    assert_refused(&world, run(&["--no-such-flag"]), &["unexpected argument '--no-such-flag'", "--help"]);
    assert_refused(&world, run(&["--overwrit"]), &["unexpected argument '--overwrit'", "'--overwrite'"]);
    let mut gone = world.run_command(&[] as &[&str]);
    gone.arg(world.path("in/gone.mp4"));
    assert_refused(&world, gone, &["in/gone.mp4: no such file or directory", "give video files, folders or queue files"]);
    assert_refused(&world, world.command(["run"]), &["no path was given", "nothing waits in the queue", "give video files"]);
    assert_refused(&world, world.command(&[] as &[&str]), &["nothing to run", "no terminal", "give video files"]);
}

#[test]
fn a_wrong_value_is_refused_with_what_is_allowed_and_where_it_comes_from() {
    let (world, clip) = with_a_clip();
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("--budget", "PLIMSOLL_BUDGET", "lots", &["'lots'", "give a size of 32MB or more, such as 1.5GB, or auto"]),
        ("--budget", "PLIMSOLL_BUDGET", "1KB", &["too little for any job", "or auto"]),
        ("--timeout", "PLIMSOLL_TIMEOUT", "soon", &["'soon'", "such as 90s, 5m or 1h30m"]),
        ("--stall", "PLIMSOLL_STALL", "-5s", &["'-5s'", "such as 90s, 5m or 1h30m"]),
        ("--disk-wait", "PLIMSOLL_DISK_WAIT", "later", &["'later'", "such as 90s, 5m or 1h30m"]),
        ("--retries", "PLIMSOLL_RETRIES", "-1", &["'-1'", "a whole number from 0 to 100"]),
        ("--retries", "PLIMSOLL_RETRIES", "many", &["'many'", "a whole number from 0 to 100"]),
        ("--color", "PLIMSOLL_COLOR", "pink", &["'pink'", "auto, always, never"]),
    ];
    for (flag, variable, value, words) in cases {
        let mut by_flag = world.run_command([format!("{flag}={value}")]);
        by_flag.arg(&clip);
        let said = assert_refused(&world, by_flag, words);
        assert!(said.err.contains(flag) && !said.err.contains("environment"), "{}", said.err);
        let mut by_variable = world.run_command([&clip]);
        by_variable.env(variable, value);
        assert_refused(&world, by_variable, &[words, &["comes from the environment", *variable][..]].concat());
    }
    let mut switch = world.run_command([&clip]);
    switch.env("PLIMSOLL_OVERWRITE", "maybe");
    assert_refused(&world, switch, &["'maybe'", "give yes or no", "comes from the environment", "PLIMSOLL_OVERWRITE"]);
    let mut name = world.run_command([&clip]);
    name.env("PLIMSOLL_PROFILE", "sfae");
    assert_refused(&world, name, &["no profile is called `sfae`", "did you mean `safe`?", "comes from PLIMSOLL_PROFILE"]);
}

#[test]
fn a_broken_file_is_refused_with_line_column_field_and_what_is_allowed() {
    let (world, clip) = with_a_clip();
    let profile = world.write(
        "wrong.yaml",
        "name: wrong\nmax_concurrent: 0\nmax_file_size: 10MB\nmemory: { high_water: 1GB, low_water: 2GB }\nslots: 3\n",
    );
    let mut command = world.run_command(["-p"]);
    command.arg(&profile).arg(&clip);
    let mistakes = [
        "wrong.yaml:2:17: max_concurrent: 0 job slots; allowed: a whole number from 1 to 64",
        "wrong.yaml:4:39: memory.low_water: 2GB is above high_water (1GB); allowed: at most high_water",
        "wrong.yaml:5:1: slots: unknown key; allowed: name, ",
    ];
    assert_refused(&world, command, &mistakes);
    let mut check = world.command(["profiles", "check"]);
    check.arg(&profile);
    assert_refused(&world, check, &[&mistakes[..], &["3 mistakes"][..]].concat());

    let mut gone = world.run_command(["-p", "./gone.yaml"]);
    gone.arg(&clip);
    assert_refused(&world, gone, &["gone.yaml: cannot read it", "allowed: a file that may be read"]);
    let bomb = world.write("bomb.yaml", "name: &a x\ntitle: *a\n");
    let mut command = world.run_command(["-p"]);
    command.arg(bomb).arg(&clip);
    assert_refused(&world, command, &["bomb.yaml:1:7"]);

    let preset = |text: &str| {
        let mut command = world.run_command(["--preset"]);
        command.arg(world.write("mine.yaml", text)).arg(&clip);
        command
    };
    let codec = preset("name: mine\nvideo: { codec: libx999 }\ncontainer: mp4\nthreads: 2\n");
    assert_refused(&world, codec, &["mine.yaml:2:17: video.codec: unknown codec `libx999`", "allowed: libx264, "]);
    let extra = preset("name: mine\nvideo: { codec: libx264 }\ncontainer: mp4\nthreads: 2\nextra: [\"-f\", \"tee\"]\n");
    assert_refused(&world, extra, &["mine.yaml:5:9: extra[0]: ", "`-f`", "allowed: ", "-movflags"]);
}

/// The checks of a doctor who ends with status 1 and has found all of this.
fn doctor_finds(world: &World, words: &[&str]) -> Vec<Value> {
    let said = say(world.command(["doctor", "--json"]));
    assert_eq!(said.code, Some(1), "{}{}", said.out, said.err);
    let report: Value = serde_json::from_str(&said.out).expect("JSON");
    let checks = report["checks"].as_array().expect("a list").clone();
    for word in words {
        let is_told =
            checks.iter().any(|check| check["status"] == "fail" && check["value"].as_str().is_some_and(|v| v.contains(word)));
        assert!(is_told, "{word} is missing in {checks:?}");
    }
    checks
}

#[test]
fn doctor_tells_faulty_profiles_and_presets_beside_everything_else_and_mistakes_of_keys_with_the_others() {
    let (world, clip) = with_a_clip();
    world.write("home/.config/plimsoll/profiles/mine.yaml", "name: mine\nmax_concurrent: 0\nmax_file_size: 1MB\n");
    world.write("home/.config/plimsoll/presets/odd.yaml", "name: odd\ncontainer: mp5\nthreads: 1\n");
    world.write("home/.config/plimsoll/settings.yaml", "profile: mine\nretries: 7\nbudgt: 1GB\nkeys: { cancle: x }\n");
    let words = ["settings.yaml:3:1: budgt: ", "settings.yaml:4:9: keys.cancle: ", "mine.yaml:2:17: max_concurrent: 0 job slots"];
    let checks = doctor_finds(&world, &words);
    let has = |name: &str, status: &str| checks.iter().any(|check| check["name"] == name && check["status"] == status);
    assert!(has("ffmpeg", "ok") && has("memory budget", "ok") && has("preset", "warn"), "{checks:?}");
    assert_refused(&world, world.run_command([&clip]), &words[..2]);
}

#[test]
fn a_misspelt_command_and_the_number_of_a_run_are_told_by_what_was_meant() {
    let (world, clip) = with_a_clip();
    for (line, meant) in [
        (&["runn", "film.mp4"][..], "did you mean `plimsoll run`?"),
        (&["runn", "--json"], "did you mean `plimsoll run`?"),
        (&["replay", "2"], "did you mean `plimsoll replay --past 2`?"),
        (&["profiles", "fast"], "did you mean `plimsoll profiles show fast`?"),
        (&["man", "rnu"], "did you mean `run`?"),
        (&["run", "fast"], "did you mean `--profile fast`?"),
    ] {
        let said = say(world.command(line));
        assert_eq!(said.code, Some(2), "{line:?}");
        assert!(said.err.contains(meant), "{line:?}: {}", said.err);
    }
    let said = say(world.command(["run", "--profil", "safe"]));
    assert!(said.err.contains("'--profile'") && !said.err.contains("there is no command"), "the command was right: {}", said.err);
    // A file of that name is a file.
    std::fs::copy(clip, world.path("work/runn")).expect("copied");
    let said = say(world.command(["runn"]));
    assert_eq!(said.code, Some(0), "{}", said.err);
}

#[test]
fn lines_of_a_comparison_that_are_lost_are_told_and_give_status_1() {
    let (world, clip) = with_a_clip();
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a device that is always full");
    let mut command = world.command(["compare", "--json", "--profiles", "safe", "-o"]);
    command.arg(world.path("out")).arg("--state-dir").arg(world.path("state")).arg(clip).stdout(full).stderr(Stdio::piped());
    let ended = command.spawn().expect("starts").wait_with_output().expect("ends");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(told.contains("the JSON lines on stdout could not be written to the end: no space left"), "{told}");
    assert_eq!(ended.status.code(), Some(1), "{told}");
}

#[test]
fn a_variable_that_is_no_text_is_refused_by_its_name() {
    use std::os::unix::ffi::OsStrExt as _;
    let (world, clip) = with_a_clip();
    let wrong = std::ffi::OsStr::from_bytes(b"f\xff");
    for variable in ["PLIMSOLL_PROFILE", "PLIMSOLL_RETRIES", "PLIMSOLL_FLAT"] {
        let mut command = world.run_command([&clip]);
        command.env(variable, wrong);
        assert_refused(&world, command, &[variable, "is not valid UTF-8"]);
    }
    // One of a command alone too, and of a path what is wrong with it.
    #[cfg(feature = "fleet")]
    {
        let mut command = world.command(["fleet", "check"]);
        command.env("PLIMSOLL_FILES", wrong);
        assert_refused(&world, command, &["the variable PLIMSOLL_FILES is not valid UTF-8"]);
    }
    let mut command = world.run_command([&clip]);
    command.arg("--preset").arg(std::ffi::OsStr::from_bytes(b"caf\xe9.yaml"));
    assert_refused(&world, command, &["the value of --preset has to be", "where it is a file"]);
}

#[test]
fn a_shell_that_asks_is_offered_own_profiles_themes_and_past_runs() {
    let (world, clip) = with_a_clip();
    world.write("home/.config/plimsoll/profiles/mine.yaml", "name: mine\nmax_concurrent: 1\nmax_file_size: 1MB\n");
    let state = world.path("home/.local/state/plimsoll");
    let mut run = world.command(["run", "-o"]);
    run.arg(world.path("out")).arg("--state-dir").arg(&state).arg(clip);
    assert_eq!(say(run).code, Some(0));
    let offered = |line: &[&str]| {
        let mut command = world.command(["--", "plimsoll"]);
        command.args(line).env("PLIMSOLL_COMPLETE", "fish").env("PLIMSOLL_STATE_DIR", &state).env("PLIMSOLL_BUDGET", "a lot");
        let said = say(command);
        assert_eq!(said.code, Some(0), "{}", said.err);
        said.out.lines().filter_map(|line| line.split('\t').next().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(offered(&["run", "-p", "m"]), ["mine"]);
    assert_eq!(offered(&["--preset", "web"]), ["web-720p"]);
    assert_eq!(offered(&["--theme", ""]), ["dark", "light", "high-contrast", "mono"]);
    assert_eq!(offered(&["replay", "--past", ""])[..2], ["last", "1"]);
    assert_eq!(offered(&["repl"]), ["replay"]);
}

#[test]
fn a_broken_settings_file_is_refused_and_doctor_tells_it_too() {
    let (world, clip) = with_a_clip();
    world.write("home/.config/plimsoll/settings.yaml", "budgt: 2GB\nretries: many\n");
    let words =
        ["plimsoll/settings.yaml:1:1: budgt: unknown key; did you mean `budget`?", "settings.yaml:2:10: retries: ", "0 to 100"];
    assert_refused(&world, world.run_command([&clip]), &words);
    let checks = doctor_finds(&world, &words);
    assert!(checks.iter().any(|check| check["name"] == "ffmpeg" && check["status"] == "ok"), "the rest is told too: {checks:?}");
    // What needs no settings works without them.
    assert_eq!(say(world.command(["completions", "bash"])).code, Some(0));
    assert_eq!(say(world.command(["profiles"])).code, Some(0));
}

#[test]
fn a_queue_file_that_cannot_be_read_or_names_what_is_not_there_is_refused() {
    let (world, _) = with_a_clip();
    let queue = |name: &str| {
        let mut command = world.run_command(&[] as &[&str]);
        command.arg(world.path(name));
        command
    };
    std::fs::create_dir(world.path("folder.yaml")).expect("made");
    assert_refused(&world, queue("folder.yaml"), &["folder.yaml: not a regular file"]);
    world.write("bytes.yaml", b"jobs: [\xff\xfe]\n");
    assert_refused(&world, queue("bytes.yaml"), &["bytes.yaml:1:8", "UTF-8"]);
    world.write("typo.yaml", "jobs:\n  - { inptu: a.mp4 }\n");
    assert_refused(&world, queue("typo.yaml"), &["typo.yaml:2:7: jobs[0].inptu: unknown key; did you mean `input`?"]);
    world.write("gone.yaml", "jobs:\n  - in/a.mp4\n  - gone.mp4\n  - { input: in/a.mp4, preset: web-721p }\n");
    let said = assert_refused(
        &world,
        queue("gone.yaml"),
        &["gone.yaml:3:5: ", "gone.mp4: no such file or directory", "gone.yaml:4:14: there is no preset `web-721p`"],
    );
    assert_eq!(said.err.lines().count(), 2, "both at once: {}", said.err);
    world.write("all.yaml", "jobs:\n  - gone.mp4\n  - { inptu: a.mp4 }\n  - { input: in/a.mp4, preset: web-721p }\n");
    let said = assert_refused(
        &world,
        queue("all.yaml"),
        &["all.yaml:2:5: ", "all.yaml:3:7: jobs[1].inptu: unknown key", "all.yaml:4:14: there is no preset `web-721p`"],
    );
    assert_eq!(said.err.lines().count(), 3, "faults of every kind at once: {}", said.err);
    world.write("none.yaml", "jobs: []\n");
    assert_refused(&world, queue("none.yaml"), &["no jobs in", "none.yaml"]);
}

#[test]
fn a_folder_without_videos_is_refused_by_name() {
    let world = World::new();
    world.write("in/notes.txt", "none here");
    let mut command = world.run_command(&[] as &[&str]);
    command.arg(world.path("in"));
    let said = say(command);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains(&format!("no video files were found in {}", world.path("in").display())), "{}", said.err);
    assert!(!world.path("out").exists());
}

#[test]
fn a_number_that_is_none_is_refused_with_what_is_allowed() {
    let world = World::new();
    assert_refused(&world, world.command(["wait", "--batch", "x"]), &["'x'", "--batch", "give the number of a batch"]);
    let workers = ["profiles", "export", "render", "safe", "--workers", "0"];
    assert_refused(&world, world.command(workers), &["'0'", "--workers", "from 1 to 65535"]);
}

#[test]
fn an_output_or_state_folder_or_log_file_that_cannot_be_written_is_refused() {
    let (world, clip) = with_a_clip();
    let file = world.write("file", "");
    let run = |flag: &str, path: PathBuf| {
        let mut command = world.command(["run"]);
        // Whatever is not tested is in order.
        for (name, folder) in [("-o", "out"), ("--state-dir", "state")] {
            if name != flag {
                command.arg(name).arg(world.path(folder));
            }
        }
        command.arg(flag).arg(path).arg(&clip);
        command
    };
    assert_refused(&world, run("-o", file.clone()), &["cannot write outputs to", "/file: it is not a folder", "--out"]);
    assert_refused(&world, run("-o", file.join("below")), &["/file/below: it is not a folder", "--out"]);
    assert_refused(
        &world,
        run("--state-dir", file.clone()),
        &["cannot write the state file", "/file/", "/file is a file; give a folder", "--state-dir"],
    );
    assert_refused(
        &world,
        run("--log-file", world.path("gone/run.log")),
        &["cannot write the log file", "gone/run.log", "--log-file"],
    );
    world.write("state/plimsoll.db", "this is no database, but thirty bytes and more of text");
    let damaged = say(run("--log-file", world.path("run.log")));
    assert_eq!(damaged.code, Some(2), "{}", damaged.err);
    assert!(damaged.err.contains("state/plimsoll.db"), "{}", damaged.err);
}

#[test]
#[cfg(target_os = "linux")]
fn an_output_folder_on_a_read_only_file_system_is_refused() {
    let (world, clip) = with_a_clip();
    std::fs::create_dir(world.path("disk")).expect("made");
    let _disk = match crate::support::kernel::read_only(&world.path("disk"), &world.path("locked")) {
        Ok(disk) => disk,
        Err(why) => return crate::support::skip::skip(crate::support::skip::MOUNT, why),
    };
    for folder in ["locked", "locked/below"] {
        let mut command = world.command(["run", "-o"]);
        command.arg(world.path(folder)).arg(&clip);
        assert_refused(&world, command, &["cannot write outputs to", folder, "read-only file system", "--out"]);
    }
    let mut command = world.command(["run", "--state-dir"]);
    command.arg(world.path("locked/state")).arg(&clip);
    assert_refused(&world, command, &["locked/state", "read-only", "--state-dir"]);
}

#[test]
fn without_ffmpeg_a_run_is_refused_with_the_way_to_get_one() {
    let (world, clip) = with_a_clip();
    std::fs::create_dir(world.path("empty")).expect("made");
    let mut command = world.run_command([&clip]);
    command.env("PATH", world.path("empty"));
    assert_refused(&world, command, &["ffmpeg was not found", "plimsoll doctor --fix", "--ffmpeg PATH"]);
    let mut command = world.run_command(["--ffmpeg", "/nowhere/ffmpeg"]);
    command.arg(&clip);
    let said = assert_refused(&world, command, &["at /nowhere/ffmpeg: no such file", "give the ffmpeg binary"]);
    assert!(!said.err.contains("comes from"), "{}", said.err);
    let comes_from = "The ffmpeg comes from PLIMSOLL_FFMPEG";
    let mut command = world.run_command([&clip]);
    command.env("PLIMSOLL_FFMPEG", "/nowhere/ffmpeg");
    let said = assert_refused(&world, command, &["at /nowhere/ffmpeg: no such file", comes_from]);
    assert!(!said.err.contains("--ffmpeg"), "{}", said.err);
    let mut demo = world.command(["demo", "--yes"]);
    demo.env("PLIMSOLL_FFMPEG", "/nowhere/ffmpeg");
    assert_refused(&world, demo, &["the ffmpeg that was named cannot be used", comes_from]);
    let mut doctor = world.command(["doctor", "--json"]);
    doctor.env("PATH", world.path("empty"));
    let said = say(doctor);
    assert_eq!(said.code, Some(1), "{}", said.err);
    let report: Value = serde_json::from_str(&said.out).expect("JSON");
    assert_eq!((&report["checks"][0]["name"], &report["checks"][0]["status"]), (&"ffmpeg".into(), &"fail".into()), "{report}");
    assert!(report["checks"][0]["advice"].as_str().is_some_and(|advice| advice.contains("plimsoll doctor --fix")), "{report}");
}

/// Value and origin of a setting, as `doctor --json` tells them.
fn setting(world: &World, name: &str, variable: Option<&str>, flag: Option<&str>) -> (String, String) {
    let mut command = world.command(["doctor", "--json"]);
    command.args(flag.map(|value| format!("--{name}={value}")));
    if let Some(value) = variable {
        command.env(format!("PLIMSOLL_{}", name.replace('-', "_").to_uppercase()), value);
    }
    let said = say(command);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    let report: Value = serde_json::from_str(&said.out).expect("JSON");
    let settings = report["settings"].as_array().expect("a list");
    let found = settings.iter().find(|setting| setting["name"] == name).unwrap_or_else(|| panic!("no {name} in {settings:?}"));
    let text = |field: &str| found[field].as_str().expect("a text").to_owned();
    (text("value"), text("origin"))
}

#[test]
fn keys_of_the_console_that_clash_or_mean_nothing_are_refused_with_their_place() {
    let (world, clip) = with_a_clip();
    world.write(
        "home/.config/plimsoll/settings.yaml",
        "theme: light\nkeys:\n  cancle: X\n  cancel: [X, r]\n  help: hyper-q\n  ask-yes: [n]\n  prompt-enter: x\n",
    );
    let words = [
        "plimsoll/settings.yaml:3:3: keys.cancle: there is no such action; allowed: help, ",
        "settings.yaml:4:15: keys.cancel: r means retry already; allowed: a key that is free, or give retry another one",
        "settings.yaml:5:9: keys.help: `hyper-q` is no key; allowed: one character, ^ and a letter, ",
        "settings.yaml:6:13: keys.ask-yes: n means ask-back already; allowed: a key that is free, or give ask-back another one",
        "settings.yaml:7:17: keys.prompt-enter: x is typed there; allowed: a key that is no character, or one with ^",
    ];
    assert_refused(&world, world.run_command([&clip]), &words);
    doctor_finds(&world, &words);
    world.write(
        "home/.config/plimsoll/settings.yaml",
        "theme: light\nkeys: { cancel: r, retry: x, ask-yes: n, ask-back: [y, esc] }\n",
    );
    let (value, origin) = setting(&world, "theme", None, None);
    assert!(value == "light" && origin.ends_with("settings.yaml"), "{value} {origin}");
}

#[test]
fn a_flag_wins_over_the_environment_the_environment_over_the_file_and_the_file_over_the_default() {
    let world = World::new();
    let is = |found: (String, String), value: &str, origin: &str| {
        assert!(found.0 == value && found.1.ends_with(origin), "{found:?} is not {value} from {origin}");
    };
    is(setting(&world, "retries", None, None), "2", "default");
    world.write("home/.config/plimsoll/settings.yaml", "retries: 5\nprofile: safe\nbudget: 2GB\noverwrite: true\n");
    for (name, by_file, by_env, by_flag) in
        [("retries", "5", "4", "3"), ("profile", "safe", "fast", "balanced"), ("budget", "2 GB", "1 GB", "512 MB")]
    {
        let variable = format!("PLIMSOLL_{}", name.to_uppercase());
        is(setting(&world, name, None, None), by_file, "settings.yaml");
        is(setting(&world, name, Some(""), None), by_file, "settings.yaml");
        is(setting(&world, name, Some(&by_env.replace(' ', "")), None), by_env, &variable);
        is(setting(&world, name, Some(&by_env.replace(' ', "")), Some(&by_flag.replace(' ', ""))), by_flag, &format!("--{name}"));
    }
    is(setting(&world, "overwrite", None, None), "yes", "settings.yaml");
    is(setting(&world, "budget", Some("auto"), None), "auto", "PLIMSOLL_BUDGET");
    is(setting(&world, "overwrite", Some("no"), None), "no", "PLIMSOLL_OVERWRITE");
    is(setting(&world, "no-governor", Some("1"), None), "yes", "PLIMSOLL_NO_GOVERNOR");
}

#[test]
fn a_settings_file_that_is_a_link_to_nothing_is_told_and_not_passed_over() {
    let world = World::new();
    let file = world.write("home/.config/plimsoll/settings.yaml", "");
    std::fs::remove_file(&file).expect("removed");
    std::os::unix::fs::symlink("gone.yaml", &file).expect("made");
    let said = say(world.command(["plan", "."]));
    assert!(said.code == Some(2) && said.err.contains("settings.yaml: cannot read it: "), "{:?} {}", said.code, said.err);
    doctor_finds(&world, &["settings.yaml: cannot read it: "]);
}

#[test]
fn doctor_tells_ffmpeg_budget_folders_and_terminal_and_ends_well_where_jobs_can_run() {
    let world = World::new();
    let said = say(world.command(["doctor", "--budget", "600MB"]));
    assert_eq!(said.code, Some(0), "{}", said.out);
    for words in
        ["ffmpeg ", "ffprobe ", "encoders ", "memory budget", "600 MB", "--budget", "state folder", "output folder", "terminal"]
    {
        assert!(said.out.contains(words), "{words} is missing in\n{}", said.out);
    }
    assert_eq!(crate::support::files_below(&world.path("home")), Vec::<PathBuf>::new(), "looking changes nothing");
    assert!(!world.path("work/plimsoll-out").exists());
}

#[test]
fn profiles_are_listed_shown_checked_and_exported() {
    let world = World::new();
    let list = say(world.command(["profiles"]));
    assert_eq!((list.code, list.err.as_str()), (Some(0), ""));
    assert_eq!(list.out, say(world.command(["profiles", "list"])).out);
    for row in ["fast        4     500 MB", "balanced *  2     200 MB", "safe        1     100 MB", "adaptive    auto  2 GB"] {
        assert!(list.out.contains(row), "{row} is missing in\n{}", list.out);
    }
    // `auto` is all there is, as in a profile file: the budget of the profile has no say.
    let budget = |list: &str, name: &str| {
        let row = list.lines().find(|line| line.starts_with(name)).expect("a row");
        row.split("  ").filter(|cell| !cell.is_empty()).nth(6).unwrap_or_default().trim().to_owned()
    };
    let all = say(world.command(["profiles", "--budget", "auto"])).out;
    assert!(!budget(&all, "adaptive ").is_empty(), "{all}");
    for name in ["fast ", "balanced ", "safe "] {
        assert_eq!(budget(&all, name), budget(&list.out, "adaptive "), "{name}: {all}");
    }
    // What is shown is a profile file again.
    let shown = say(world.command(["profiles", "show", "safe"]));
    assert_eq!(shown.code, Some(0));
    let file = world.write("work/profiles/safe.yaml", shown.out.replace("max_concurrent: 1", "max_concurrent: 3"));
    let mut check = world.command(["profiles", "check"]);
    check.arg(&file);
    let checked = say(check);
    assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""));
    assert!(checked.out.contains("safe.yaml: ok"), "{}", checked.out);
    let list = say(world.command(["profiles"])).out;
    assert!(list.contains("safe        3     100 MB") && list.contains("profiles/safe.yaml (instead of: built in)"), "{list}");

    let block = say(world.command(["profiles", "export", "render", "balanced"]));
    assert_eq!(block.code, Some(0));
    let yaml: serde_yaml::Value = serde_yaml::from_str(&block.out).expect("YAML");
    let text = serde_yaml::to_string(&yaml).expect("YAML");
    for words in ["key: PLIMSOLL_PROFILE", "value: balanced", "key: MALLOC_TRIM_THRESHOLD_", "value: '100000'", "sizeGB: 2"] {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }
    let fleet = say(world.command(["profiles", "export", "render", "balanced", "--workers", "2"]));
    let yaml: serde_yaml::Value = serde_yaml::from_str(&fleet.out).expect("YAML");
    assert_eq!((&yaml["databases"][0]["name"], &yaml["services"][0]["numInstances"]), (&"plimsoll-queue".into(), &2.into()));
    assert_refused(&world, world.command(["profiles", "export", "render", "balanced", "--workers", "0"]), &["--workers"]);
    assert_refused(&world, world.command(["profiles", "show", "saef"]), &["no profile is called `saef`", "did you mean `safe`?"]);
}

#[test]
fn presets_are_listed_shown_and_checked() {
    let world = World::new();
    let list = say(world.command(["presets"]));
    assert_eq!(list.code, Some(0));
    for name in ["web-720p *", "proxy-480p", "audio-m4a", "thumbnails"] {
        assert!(list.out.contains(&format!("\n{name} ")), "{name} is missing in\n{}", list.out);
    }
    for name in ["web-720p", "proxy-480p", "audio-m4a", "thumbnails"] {
        let shown = say(world.command(["presets", "show", name]));
        assert_eq!(shown.code, Some(0), "{}", shown.err);
        let file = world.write(&format!("{name}.yaml"), &shown.out);
        let mut check = world.command(["presets", "check"]);
        check.arg(file);
        let checked = say(check);
        assert_eq!(checked.code, Some(0), "{}", checked.err);
        assert!(checked.out.contains(&format!("{name}.yaml: ok")), "{}", checked.out);
    }
    assert_refused(&world, world.command(["presets", "show", "web"]), &["no preset is called `web`", "web-720p"]);
}

#[test]
fn completions_and_the_manual_are_whole_and_a_reader_may_stop_early() {
    let world = World::new();
    for (shell, words) in [
        ("bash", "-F _clap_complete_plimsoll plimsoll"),
        ("zsh", "#compdef plimsoll"),
        ("fish", "--command plimsoll"),
        ("elvish", "edit:completion:arg-completer[plimsoll]"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let said = say(world.command(["completions", shell]));
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
        assert!(said.out.contains(words) && said.out.contains("PLIMSOLL_COMPLETE"), "{shell}: {}", said.out);
    }
    let man = say(world.command(["man"]));
    assert_eq!(man.code, Some(0));
    assert!(man.out.contains(".TH plimsoll 1") && man.out.contains(".SH SYNOPSIS"), "{}", &man.out[..200]);
    assert_eq!(say(world.command(["--version"])).out, concat!("plimsoll ", env!("CARGO_PKG_VERSION"), "\n"));
    let help = say(world.command(["--help"]));
    assert!(help.code == Some(0) && help.out.contains("Exit status: 0 every job is done"), "{}", help.out);
    for command in [["completions", "bash"], ["profiles", "list"]] {
        let mut child = Command::new(PLIMSOLL).args(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        drop(child.stdout.take());
        let ended = child.wait_with_output().expect("ends");
        assert!(ended.status.success() && ended.stderr.is_empty(), "{command:?}: {}", String::from_utf8_lossy(&ended.stderr));
    }
    let full = std::fs::File::options().write(true).open("/dev/full");
    if let Ok(full) = full {
        let mut command = world.command(["profiles"]);
        command.stdout(full);
        let ended = command.output().expect("runs");
        assert_eq!(ended.status.code(), Some(1), "what could not be written is no success");
        assert!(String::from_utf8_lossy(&ended.stderr).contains("cannot write to stdout"));
    }
}

#[test]
fn a_wrong_value_in_the_environment_stops_neither_completions_nor_the_manual() {
    let world = World::new();
    for (args, wanted) in [(&["completions", "bash"][..], "_plimsoll"), (&["man"][..], ".TH")] {
        let mut command = world.command(args);
        command.env("PLIMSOLL_BUDGET", "a lot").env("PLIMSOLL_OVERWRITE", "perhaps");
        let said = say(command);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{args:?}");
        assert!(said.out.contains(wanted), "{args:?}");
    }
    let mut doctor = world.command(["doctor"]);
    doctor.env("PLIMSOLL_BUDGET", "a lot");
    let said = say(doctor);
    assert!(said.code == Some(2) && said.err.contains("PLIMSOLL_BUDGET"), "{}", said.err);
    assert_eq!(say(world.command(["man", "--budget", "a lot"])).code, Some(2), "what is typed is still read");
}

#[test]
fn an_ffmpeg_can_be_named_by_its_folder() {
    let (world, clip) = with_a_clip();
    let folder = crate::support::tool("ffmpeg").parent().expect("a folder").to_owned();
    std::fs::create_dir(world.path("empty")).expect("made");
    let mut command = world.run_command(["--ffmpeg"]);
    command.arg(folder).arg(clip).env("PATH", world.path("empty"));
    assert_eq!(say(command).code, Some(0));
    assert!(!tool_path().is_empty());
}
