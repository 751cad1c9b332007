//! Reports made up and real.

use super::*;
use crate::domain::memory::There;
use crate::domain::preset::{AudioPlan, Container, VideoPlan};
use crate::host::media::ffmpeg::{Found, Search, fakes, locate};

fn preset(name: &str, video: Option<VideoCodec>, audio: Option<AudioCodec>, container: Container) -> Preset {
    Preset { video: video.map(VideoPlan::new), audio: audio.map(AudioPlan::new), ..Preset::new(name, container, 2) }
}

fn shipped() -> Vec<Preset> {
    vec![
        preset("web-720p", Some(VideoCodec::X264), Some(AudioCodec::Aac), Container::Mp4),
        preset("audio-m4a", None, Some(AudioCodec::Aac), Container::M4a),
        preset("thumbnails", Some(VideoCodec::Mjpeg), None, Container::Jpg),
        preset("remux", Some(VideoCodec::Copy), Some(AudioCodec::Copy), Container::Mkv),
    ]
}

fn made_up() -> Report {
    Report {
        checks: vec![
            Check::ok("ffmpeg", "5.1.9-0+deb12u1 at /usr/bin/ffmpeg (PATH)"),
            Check::ok(
                "memory budget",
                "2 GB, from /sys/fs/cgroup/memory/docker/0123456789abcdef0123456789abcdef/memory.limit_in_bytes",
            ),
            Check::warn(
                "cgroup",
                "v2, /sys/fs/cgroup; no group can be made: Read-only file system (os error 30)",
                "jobs share plimsoll's group: a kill by the kernel is then only told as probable",
            ),
            Check::fail("output folder", "/media/été is not a folder", "give another with --out DIR"),
        ],
        settings: vec![
            Setting { name: "profile".into(), value: "balanced".into(), origin: "default".into() },
            Setting { name: "budget".into(), value: "2 GB".into(), origin: "PLIMSOLL_BUDGET".into() },
        ],
    }
}

#[test]
fn the_text_is_aligned_within_80_columns() {
    let expected = "\
Checks
  ✔ ffmpeg         5.1.9-0+deb12u1 at /usr/bin/ffmpeg (PATH)
  ✔ memory budget  2 GB, from
                   /sys/fs/cgroup/memory/docker/0123456789abcdef0123456789abcdef
                   /memory.limit_in_bytes
  ▲ cgroup         v2, /sys/fs/cgroup; no group can be made: Read-only file
                   system (os error 30)
                   → jobs share plimsoll's group: a kill by the kernel is then
                   only told as probable
  ✖ output folder  /media/été is not a folder
                   → give another with --out DIR

Settings
    profile  balanced  default
    budget   2 GB      PLIMSOLL_BUDGET

Not ready: 1 failure, 1 warning.
";
    assert_eq!(text(&made_up(), false), expected);
}

#[test]
fn the_ascii_text_has_no_other_character_and_the_same_lines() {
    let (plain, full) = (text(&made_up(), true), text(&made_up(), false));
    assert!(plain.is_ascii());
    assert!(plain.contains("  + ffmpeg ") && plain.contains("  ^ cgroup ") && plain.contains("  X output folder "), "{plain}");
    assert!(plain.contains("-> give another"));
    assert_eq!(plain.lines().count(), full.lines().count());
}

#[test]
fn the_json_has_every_check_and_setting() {
    let value = json(&made_up());
    assert_eq!(value["status"], "fail");
    assert_eq!(value["checks"][2]["status"], "warn");
    assert_eq!(value["checks"][0]["advice"], serde_json::Value::Null);
    assert_eq!(value["settings"][1]["origin"], "PLIMSOLL_BUDGET");
}

#[test]
fn a_missing_ffmpeg_fails_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let error = locate(&Search { path: folder.path().into(), ..Search::default() }).unwrap_err();
    let checks = ffmpeg(Err(&error), &shipped(), &BTreeSet::new());
    assert_eq!(checks.len(), 1);
    assert_eq!(checks[0].status, Status::Fail);
    assert!(checks[0].value.starts_with("ffmpeg was not found; searched PATH"), "{checks:?}");
    assert_eq!(checks[0].advice.as_deref(), Some("run `plimsoll doctor --fix`, or name it with --ffmpeg PATH"));
}

#[test]
fn an_encoder_that_is_missing_is_named_with_the_presets_that_want_it() {
    let folder = tempfile::tempdir().unwrap();
    fakes::script(
        &folder.path().join("ffmpeg"),
        "case \"$*\" in\n*-encoders) printf ' ------\\n A....D aac  AAC\\n V....D mjpeg  MJPEG\\n';;\n\
         *-muxers) printf ' --\\n  E mp4  MP4\\n  E ipod  iPod\\n  E image2  stills\\n  E matroska  Matroska\\n';; esac",
    );
    let found = Ffmpeg {
        ffmpeg: folder.path().join("ffmpeg"),
        ffprobe: folder.path().join("ffprobe"),
        version: "4.4.2".into(),
        major: Some(4),
        minor: Some(4),
        source: Found::Path,
        fingerprint: None,
        trials: Vec::new(),
        memory: None,
    };
    let checks = ffmpeg(Ok(&found), &shipped(), &BTreeSet::from(["web-720p".to_owned()]));
    let of = |name: &str| checks.iter().find(|check| check.name == name).unwrap();
    assert_eq!(of("ffmpeg").status, Status::Fail, "too old");
    assert!(of("ffmpeg").advice.as_ref().unwrap().contains("5.1 or newer"));
    assert_eq!((of("encoders").value.as_str(), of("encoders").status), ("missing: libx264 (wanted by web-720p)", Status::Fail));
    assert_eq!(of("formats"), &Check::ok("formats", "image2, ipod, matroska, mp4"));
    // What only presets want that nobody has chosen keeps no job from running.
    let checks = ffmpeg(Ok(&found), &shipped(), &BTreeSet::from(["audio-m4a".to_owned()]));
    let encoders = checks.iter().find(|check| check.name == "encoders").unwrap();
    assert_eq!((encoders.value.as_str(), encoders.status), ("missing: libx264 (wanted by web-720p)", Status::Warn));
    assert!(encoders.advice.as_ref().is_some_and(|advice| advice.starts_with("jobs with other presets can run")), "{encoders:?}");
}

#[test]
fn a_budget_says_where_it_was_read_and_warns_when_it_is_tight() {
    let report = |profile| {
        let budget = Budget::new((Bytes::gib(24), There::Machine), None, None).under(Some(Bytes::mib(profile)));
        BudgetReport { budget, profile: "balanced".to_owned(), group: None }
    };
    let check = budget(Ok(&report(2048)));
    assert_eq!(check, Check::ok("memory budget", "2 GB: profile balanced; the machine has 24 GB"));
    assert_eq!(budget(Ok(&report(256))).status, Status::Warn);
    assert_eq!(budget(Err("cannot read /proc/meminfo")).status, Status::Fail);
}

#[test]
fn this_machine_can_be_examined() {
    let folder = tempfile::tempdir().unwrap();
    let found = locate(&Search::from_env(None)).expect("these tests need ffmpeg on PATH");
    let report = BudgetReport {
        budget: Budget::new((Bytes::gib(2), There::Machine), None, None),
        profile: "balanced".to_owned(),
        group: None,
    };
    let checks = examine(&Request {
        ffmpeg: Ok(&found),
        presets: &shipped(),
        in_use: &BTreeSet::new(),
        budget: Ok(&report),
        state_dir: folder.path(),
        out_dir: folder.path(),
        watched: &[],
        hooks: &Hooks::new(),
        terminal: Some(&TerminalReport::detect()),
    });
    let names: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
    for name in
        ["ffmpeg", "encoders", "memory budget", "cgroup", "allocator", "state folder", "output folder", "terminal", "processors"]
    {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    let text = text(&Report { checks, settings: Vec::new() }, false);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    eprintln!("{text}");
}
