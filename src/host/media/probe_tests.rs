#![allow(clippy::disallowed_methods)] // how long a rejection takes is what is tested

#[cfg(target_os = "linux")]
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
#[cfg(target_os = "linux")]
use std::time::Instant;

use super::further::{Hidden, hidden, length_of};
use super::*;
use crate::domain::preset::VideoPlan;
use crate::host::fixtures::{clip, clip_with, make, prober, quick, sheet, sound, truncated};
#[cfg(target_os = "linux")]
use rustix::event::{PollFd, PollFlags, Timespec, poll};
#[cfg(target_os = "linux")]
use std::os::fd::AsFd as _;
#[cfg(target_os = "linux")]
use std::os::unix::fs::OpenOptionsExt as _;

fn reject(path: &Path) -> Rejected {
    prober(path.parent().expect("a folder")).probe(path, &quick()).expect_err("rejected").rejected
}

#[test]
fn a_clip_tells_its_streams_and_its_duration() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("a.mp4");
    clip(&path, 2);
    let probed = prober(dir.path()).probe(&path, &quick()).expect("probed");
    assert_eq!(probed.media.demuxer, "mov");
    let video = probed.media.video.expect("video");
    assert_eq!((video.codec.as_str(), video.width, video.height, video.pixel_format.as_str()), ("h264", 128, 96, "yuv420p"));
    assert!((video.fps - 25.0).abs() < 0.01);
    let audio = probed.media.audio.expect("audio");
    assert_eq!((audio.codec.as_str(), audio.channels, audio.layout.as_str(), audio.index), ("aac", 1, "mono", 1));
    assert!(probed.media.duration.expect("told").abs_diff(Duration::from_secs(2)) < Duration::from_millis(100));
    assert_eq!(probed.id, FileId::of(&path).expect("stat"));
}

#[test]
fn the_brightness_that_only_the_pictures_tell_is_found_for_a_preset_that_keeps_it() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("pq.mp4");
    let x265 = "log-level=error:hdr10=1:max-cll=1000,400:\
                master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)";
    let made = ["-f", "lavfi", "-i", "color=gray:s=96x64:r=25:d=0.12", "-pix_fmt", "yuv420p10le", "-c:v", "libx265"];
    let colours = ["-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc", "-f", "mp4"];
    make(&path, &[&made[..], &["-preset", "ultrafast", "-x265-params", x265], &colours].concat());
    let colour = |preset: &Preset| {
        let media = prober(dir.path()).probe(&path, preset).expect("probed").media;
        media.video.expect("a picture").colour
    };
    assert_eq!(colour(&quick()).mastering, None, "not asked for what is not kept");
    let video = quick().video.map(|plan| VideoPlan { hdr: Hdr::Keep, ..plan });
    let kept = colour(&Preset { video, ..quick() });
    assert_eq!(kept.mastering.as_deref(), Some("G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"));
    assert_eq!(kept.light_level.as_deref(), Some("1000,400"));
}

#[test]
fn the_pictures_of_a_matroska_film_are_asked_whether_they_are_interlaced_and_only_where_they_may_be() {
    let dir = tempfile::tempdir().expect("folder");
    let is_interlaced = |name: &str, graph: &str, rate: &str, words: &[&str]| {
        let path = dir.path().join(name);
        let graph = format!("testsrc=s=720x576:r={rate}:d=0.2,{graph}");
        make(&path, &[&["-f", "lavfi", "-i", &graph, "-c:v", "libx264", "-preset", "ultrafast", "-f", "matroska"], words].concat());
        prober(dir.path()).probe(&path, &quick()).expect("probed").media.video.expect("a picture").is_interlaced
    };
    let fields = ["-flags", "+ildct+ilme", "-x264opts", "tff=1"];
    assert!(is_interlaced("fields.mkv", "tinterlace=interleave_top,setfield=tff", "50", &fields));
    assert!(!is_interlaced("whole.mkv", "null", "25", &[]));
}

#[test]
fn a_cover_picture_is_no_video() {
    let dir = tempfile::tempdir().expect("folder");
    let (cover, path) = (dir.path().join("c.jpg"), dir.path().join("a.m4a"));
    make(&cover, &["-f", "lavfi", "-i", "testsrc=d=1:s=64x64", "-frames:v", "1", "-f", "image2", "-update", "1"]);
    let cover = cover.to_str().expect("plain").to_owned();
    let song = ["-f", "lavfi", "-i", "sine=d=1", "-i", &cover, "-map", "0", "-map", "1", "-c:v", "mjpeg"];
    make(&path, &[&song[..], &["-disposition:v", "attached_pic", "-f", "ipod"]].concat());
    let rejected = reject(&path);
    assert_eq!(rejected.reason, RejectReason::NotAVideo);
    assert_eq!(
        rejected.detail,
        "not a video: it has sound but no picture, which the preset quick needs; audio-m4a takes the sound alone"
    );
    assert!(prober(dir.path()).probe(&path, &sound()).expect("sound is enough").media.video.is_none());
}

#[test]
fn a_silent_video_is_nothing_for_a_sound_preset() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("a.mp4");
    clip_with(&path, 1, &["-an"]);
    let rejected = prober(dir.path()).probe(&path, &sound()).expect_err("rejected");
    assert_eq!(
        (rejected.reason, rejected.detail.as_str()),
        (RejectReason::NotAVideo, "it has no sound, and the preset sound makes nothing else; choose one with video")
    );
    assert!(prober(dir.path()).probe(&path, &sheet()).is_ok());
}

#[test]
fn text_zeros_noise_and_nothing_are_rejected_in_plain_words() {
    let dir = tempfile::tempdir().expect("folder");
    let noise: Vec<u8> = (0..20_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 | 1).collect();
    for (name, bytes, reason, detail) in [
        (
            "t.mp4",
            b"shopping list\n".to_vec(),
            RejectReason::NotAVideo,
            "not a video: no known container format found (the file starts with plain text)",
        ),
        (
            "t",
            b"shopping list\n".to_vec(),
            RejectReason::NotAVideo,
            "not a video: no known container format found (the file starts with plain text)",
        ),
        (
            "z.mp4",
            vec![0; 9000],
            RejectReason::NotAVideo,
            "not a video: no known container format found (the file starts with zeros: it was perhaps never written)",
        ),
        ("n.mkv", noise, RejectReason::NotAVideo, "not a video: no known container format found"),
        ("e.mp4", Vec::new(), RejectReason::Empty, "the file is empty"),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        let rejected = reject(&path);
        assert_eq!(rejected.reason, reason, "{name}");
        assert!(rejected.detail.starts_with(&format!("{detail}; ")), "{name}: {}", rejected.detail);
    }
}

#[test]
fn a_truncated_file_is_rejected_with_the_reason() {
    let dir = tempfile::tempdir().expect("folder");
    let whole = dir.path().join("whole.mp4");
    clip(&whole, 1);
    let rejected = reject(&truncated(&whole, 0.6, &dir.path().join("cut.mp4")));
    assert_eq!(rejected.reason, RejectReason::Unreadable);
    assert!(
        rejected.detail.starts_with("the index (moov) is missing: the file is cut off or was not finished; "),
        "{}",
        rejected.detail
    );
}

#[test]
fn playlists_in_disguise_are_rejected_by_name() {
    let dir = tempfile::tempdir().expect("folder");
    let secret = dir.path().join("secret.txt");
    std::fs::write(&secret, "secret").expect("written");
    let secret = secret.display();
    for (name, text, kind) in [
        ("hls.mp4", format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n"), "hls"),
        ("bom.mp4", format!("\u{feff}#EXTM3U\n#EXTINF:9,\nfile://{secret}\n"), "hls"),
        ("concat.mp4", format!("ffconcat version 1.0\nfile '{secret}'\n"), "concat"),
        ("dash.mp4", format!("<?xml version=\"1.0\"?>\n<MPD><BaseURL>file://{secret}</BaseURL></MPD>"), "dash"),
        ("sdp.mp4", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n".to_owned(), "sdp"),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        let rejected = reject(&path);
        assert_eq!(rejected.reason, RejectReason::UnsupportedContainer, "{name}: {rejected:?}");
        assert!(rejected.detail.starts_with(&format!("not a supported container ({kind}): ")), "{name}: {}", rejected.detail);
    }
}

/// Counts how often the file at `path` is opened while `act` runs.
#[cfg(target_os = "linux")]
fn opened(path: &Path, act: impl FnOnce()) -> usize {
    use rustix::fs::inotify;
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).expect("inotify");
    inotify::add_watch(&watch, path, inotify::WatchFlags::OPEN | inotify::WatchFlags::ACCESS).expect("watched");
    act();
    let mut block = [std::mem::MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(&watch, &mut block);
    std::iter::from_fn(|| events.next().ok().map(|_| ())).count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_playlist_that_the_first_look_misses_is_still_refused_and_nothing_it_names_is_opened() {
    let dir = tempfile::tempdir().expect("folder");
    let clip_path = dir.path().join("secret.mp4");
    clip(&clip_path, 1);
    let secret = clip_path.display();
    assert!(opened(&clip_path, || drop(std::fs::read(&clip_path))) > 0, "the watch works");
    for (name, text, kind) in [
        ("hls.mp4", format!("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{secret}\n#EXT-X-ENDLIST\n"), "hls"),
        ("concat.mp4", format!("ffconcat version 1.0\nfile '{secret}'\n"), "concat"),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        let count = opened(&clip_path, || {
            let question = Question { formats: FORMATS, subject: Subject::Whole, long: false, timeout: TIMEOUT };
            let answer = prober(dir.path()).ask(&path, question).expect("ffprobe runs");
            let id = FileId::of(&path).expect("stat");
            let rejected = prober(dir.path()).judge(&answer, id, Head::Other).expect_err("rejected");
            assert_eq!(rejected.reason, RejectReason::UnsupportedContainer);
            assert!(rejected.detail.starts_with(&format!("not a supported container ({kind})")), "{}", rejected.detail);
        });
        assert_eq!(count, 0, "{name}");
        // The control: without the lists the file that is named is read.
        let count = opened(&clip_path, || {
            let _ =
                Command::new("ffprobe").args(["-v", "quiet", "-safe", "0"]).args(["-f", kind]).arg(&path).output().expect("runs");
        });
        assert!(count > 0, "{name}");
    }
}

#[test]
fn a_container_that_is_not_on_the_list_is_named() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("g.mp4");
    make(&path, &["-f", "lavfi", "-i", "testsrc=d=1:s=32x32", "-f", "apng"]);
    let rejected = reject(&path);
    assert_eq!(rejected.reason, RejectReason::UnsupportedContainer);
    assert!(rejected.detail.starts_with("not a supported container (apng); "), "{}", rejected.detail);
}

#[test]
fn a_huge_frame_is_rejected_with_its_size() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("huge.avi");
    make(&path, &["-f", "lavfi", "-i", "color=s=8192x4352:d=0.04:r=25", "-frames:v", "1", "-c:v", "mjpeg", "-f", "avi"]);
    let rejected = reject(&path);
    assert_eq!(rejected.reason, RejectReason::FrameTooLarge);
    assert!(rejected.detail.starts_with("frame 8192×4352 is over the limit of 35389440 pixels"), "{}", rejected.detail);
}

#[cfg(target_os = "linux")] // makes a FIFO
#[test]
fn what_is_no_regular_file_is_rejected_at_once() {
    let dir = tempfile::tempdir().expect("folder");
    let fifo = dir.path().join("f.mp4");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR, 0)
        .expect("made");
    let socket = dir.path().join("s.mp4");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
    let link = dir.path().join("l.mp4");
    std::os::unix::fs::symlink(&fifo, &link).expect("linked");
    let started = Instant::now();
    for (path, what) in [
        (fifo.as_path(), "a FIFO"),
        (&link, "a FIFO"),
        (&socket, "a socket"),
        (dir.path(), "a folder"),
        (Path::new("/dev/zero"), "a device"),
    ] {
        let rejected = prober(dir.path()).probe(path, &quick()).expect_err("rejected");
        assert_eq!(rejected.reason, RejectReason::NotAFile);
        assert!(rejected.detail.starts_with(&format!("not a regular file, but {what}; ")), "{}", rejected.detail);
    }
    // A read of a FIFO that nobody writes to would never end, one of /dev/zero would take all memory.
    assert!(started.elapsed() < Duration::from_mins(1));
}

#[test]
fn a_link_to_a_clip_is_the_clip() {
    let dir = tempfile::tempdir().expect("folder");
    let (path, link) = (dir.path().join("a.mp4"), dir.path().join("l"));
    clip(&path, 1);
    std::os::unix::fs::symlink(&path, &link).expect("linked");
    let probed = prober(dir.path()).probe(&link, &quick()).expect("probed");
    assert_eq!(probed.id, FileId::of(&path).expect("stat"));
}

#[test]
fn a_missing_file_and_a_missing_program_are_told_apart() {
    let dir = tempfile::tempdir().expect("folder");
    let gone = reject(&dir.path().join("gone.mp4"));
    assert_eq!(
        (gone.reason, gone.detail.as_str()),
        (RejectReason::Unreadable, "cannot be read: no such file or directory; check the file and its rights")
    );
    let path = dir.path().join("a.mp4");
    std::fs::write(&path, "bytes").expect("written");
    let rejected = Prober::new("/no/such/ffprobe", dir.path()).probe(&path, &quick()).expect_err("rejected");
    assert!(rejected.detail.starts_with("cannot run /no/such/ffprobe: no such file"), "{}", rejected.detail);
}

/// A program in place of ffprobe.
fn stand_in(dir: &Path, script: &str) -> Prober {
    let program = dir.join("ffprobe");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("written");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("set");
    Prober { timeout: Duration::from_millis(500), ..Prober::new(program, dir) }
}

#[cfg(target_os = "linux")] // makes a FIFO
#[test]
fn a_probe_that_hangs_is_ended_with_everything_it_started() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("a.mp4");
    std::fs::write(&path, "bytes").expect("written");
    // Whoever the stand-in started holds the FIFO open, and the reader sees its end only when all of them are gone.
    let fifo = dir.path().join("alive");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR, 0)
        .expect("made");
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let mut prober = stand_in(dir.path(), &format!("exec 9>'{}'; echo started >&9; sleep 600 & sleep 600", fifo.display()));
    // Where the machine is busy the stand-in has not come so far within half a second.
    for (limit, told) in [(500, "0.5 s"), (5_000, "5 s"), (60_000, "60 s")] {
        prober.timeout = Duration::from_millis(limit);
        let mut alive = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(&fifo).expect("opened");
        let started = Instant::now();
        let rejected = prober.read(&path).expect_err("rejected");
        // The stand-in would take ten minutes.
        assert!(started.elapsed() < Duration::from_mins(3));
        let mut said = Vec::new();
        while let Err(error) = alive.read_to_end(&mut said) {
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            // A killed process needs a moment to be gone; one that was not killed has minutes left.
            let mut wait = [PollFd::from_borrowed_fd(alive.as_fd(), PollFlags::IN)];
            let ready = poll(&mut wait, Some(&Timespec { tv_sec: 60, tv_nsec: 0 })).expect("polled");
            assert_eq!(ready, 1, "something it started lives on");
        }
        assert_eq!(rejected.detail, format!("the probe took longer than {told}"));
        if said == b"started\n" {
            return;
        }
    }
    panic!("the stand-in does not start within a minute");
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("a.mp4");
    std::fs::write(&path, "bytes").expect("written");
    let mut prober = stand_in(dir.path(), "yes '{' & yes x >&2");
    prober.timeout = Duration::from_secs(20);
    let rejected = prober.read(&path).expect_err("rejected");
    assert_eq!(rejected.detail, "the probe's answer is longer than 1 MiB");
}

#[test]
#[cfg(target_os = "linux")]
fn a_probe_runs_with_the_protections_of_a_job_and_narrower_ones() {
    let dir = tempfile::tempdir().expect("folder");
    let (path, facts) = (dir.path().join("a.mp4"), dir.path().join("scratch/facts"));
    clip(&path, 1);
    std::fs::create_dir(dir.path().join("scratch")).expect("made");
    std::fs::write(dir.path().join("secret"), "x").expect("written");
    // It may write no file at all, so it tells on its own stdout.
    let script = format!(
        "ulimit -a; echo umask $(umask); echo oom $(cat /proc/$$/oom_score_adj); echo io $(ionice -p $$); \
         echo stat $(cut -d')' -f2- /proc/$$/stat); while read -r key value; do test $key = NoNewPrivs: && echo $key $value; done < /proc/self/status; \
         cat {0}/secret && echo 'reads a secret'; echo x > {1} && echo 'writes a file'",
        dir.path().display(),
        facts.display()
    );
    let prober = stand_in(dir.path(), &script);
    let sandbox = SandboxBuilder::new(dir.path().join("scratch"), "/bin/sh");
    let is_sandboxed = sandbox.state().is_ok();
    let prober = Prober { timeout: Duration::from_secs(20), sandbox: Some(sandbox), ..prober };
    let question = Question { formats: FORMATS, subject: Subject::Head, long: false, timeout: prober.timeout };
    let answer = prober.ask(&path, question).expect("answered");
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    let value = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
    assert_eq!(value("umask"), "umask 0077");
    assert_eq!(value("oom"), "oom 500");
    assert_eq!(value("io"), "io best-effort: prio 7");
    for (limit, wanted) in [("file", "0"), ("coredump", "0"), ("vmemory", "1048576")] {
        assert_eq!(value(limit).rsplit(' ').next(), Some(wanted), "{text}");
    }
    let stat: Vec<&str> = value("stat").split(' ').collect();
    assert_eq!((stat[3], stat[17]), (stat[4], "10"), "leads its own session, at nice 10");
    assert!(!text.contains("writes a file"), "{text}");
    if is_sandboxed {
        assert_eq!(value("NoNewPrivs"), "NoNewPrivs: 1");
        assert!(!text.contains("reads a secret"), "{text}");
    } else {
        crate::host::skip::skip(crate::host::skip::LANDLOCK, "what a sandbox forbids is left out");
    }
}

#[test]
fn a_probe_sees_nothing_of_our_environment() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("a.mp4");
    std::fs::write(&path, "bytes").expect("written");
    let prober = stand_in(
        dir.path(),
        "env | sort | grep -v -e ^PATH= -e ^PWD= -e ^SHLVL= -e ^_= | tr '\\n' ' ' | sed 's/^/[error] /' >&2; exit 1",
    );
    let prober = Prober { timeout: Duration::from_secs(20), ..prober };
    let rejected = prober.read(&path).expect_err("rejected");
    let scratch = dir.path().display();
    let seen = format!("HOME={scratch} LC_ALL=C.UTF-8 TMPDIR={scratch}\u{201d}");
    assert!(rejected.detail.contains(&format!("\u{201c}{seen}")), "{}", rejected.detail);
}

#[test]
fn odd_names_are_probed_like_any_other() {
    let dir = tempfile::tempdir().expect("folder");
    let plain = dir.path().join("plain.mp4");
    clip(&plain, 1);
    for name in crate::host::media::arguments::tests::ODD_NAMES {
        let path = dir.path().join(std::ffi::OsStr::from_bytes(name));
        std::fs::copy(&plain, &path).expect("copied");
        let probed = prober(dir.path()).probe(&path, &quick());
        assert!(probed.is_ok(), "{}: {probed:?}", path.display());
    }
}

#[test]
fn foreign_numbers_and_text_never_panic() {
    let id = FileId { dev: 0, ino: 0, size: 0, mtime_ns: 0 };
    let judge_text = |json: &str, log: &[u8]| {
        let answer = Answer { status: std::process::ExitStatus::default(), stdout: json.into(), stderr: log.to_vec() };
        prober(Path::new("/")).judge(&answer, id, Head::Other)
    };
    for json in ["", "[]", "null", "{\"streams\":1}", "{\"streams\":[{\"width\":-1}]}", "{\"format\":{\"duration\":1}}"] {
        let _ = judge_text(json, b"\xff\xfe[error] \x1b");
    }
    let odd = r#"{"streams":[{"codec_type":"video","codec_name":"\u001b[31mx","width":4294967295,"height":1,"avg_frame_rate":"1/0"}],
        "format":{"format_name":"mov","duration":"1e400"}}"#;
    assert_eq!(judge_text(odd, b"").expect_err("too large").reason, RejectReason::FrameTooLarge);
    let odd = odd.replace("4294967295", "64");
    let probed = judge_text(&odd, b"").expect("read");
    let video = probed.media.video.expect("video");
    assert_eq!((video.codec.as_str(), video.fps), ("␛[31mx", 0.0));
    assert_eq!(probed.media.duration, None);
}

#[test]
fn a_probe_that_is_killed_is_asked_again_and_its_file_refused_only_when_that_happens_each_time() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("a.mp4");
    clip(&path, 1);
    // Folders, as a probe may not write a byte.
    let count = dir.path().join("count");
    let times = || std::fs::read_dir(&count).expect("there").count();
    let program = dir.path().join("ffprobe");
    let dying = |deaths: u32| {
        let _ = std::fs::remove_dir_all(&count);
        std::fs::create_dir(&count).expect("made");
        let body = format!("mkdir {0}/$$; [ $(ls {0} | wc -l) -gt {deaths} ] || kill -9 $$; exec ffprobe \"$@\"", count.display());
        crate::host::media::ffmpeg::fakes::script(&program, &body);
        Prober { pauses: &[Duration::ZERO; 2], ..Prober::new(&program, dir.path()) }.probe(&path, &quick())
    };
    assert_eq!(dying(2).expect("probed").media.demuxer, "mov");
    assert_eq!(times(), 3);
    let refused = dying(99).expect_err("refused");
    assert_eq!(times(), 3);
    assert!(refused.detail.contains("killed each of 3 times (signal 9)"), "{}", refused.detail);
}

#[test]
fn whatever_kills_every_probe_for_half_a_second_costs_no_file() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("a.mp4");
    clip(&path, 1);
    let program = dir.path().join("ffprobe");
    // Its first look is half a second ago, or it dies.
    let body = "mkdir FIRST 2>/dev/null; [ -n \"$(find FIRST ! -newermt '0.5 seconds ago')\" ] || kill -9 $$; exec ffprobe \"$@\"";
    let first = dir.path().join("first");
    crate::host::media::ffmpeg::fakes::script(&program, &body.replace("FIRST", first.to_str().expect("UTF-8")));
    assert_eq!(Prober::new(&program, dir.path()).probe(&path, &quick()).expect("probed").media.demuxer, "mov");
}

#[test]
fn a_film_that_is_too_long_to_be_measured_has_a_sheet_by_what_its_header_tells() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("a.ts");
    std::fs::write(&path, "\x47bytes").expect("written");
    let stream = r#"{"codec_type":"video","codec_name":"h264","width":64,"height":48,"pix_fmt":"yuv420p","duration":"86400.0"}"#;
    let answer = format!(r#"{{"streams":[{stream}],"format":{{"format_name":"mpegts","duration":"86400.0"}}}}"#);
    let mut prober = stand_in(dir.path(), &format!("case \"$*\" in *packet=*) exec yes 1.5;; *) echo '{answer}';; esac"));
    prober.timeout = Duration::from_secs(20);
    let probed = prober.probe(&path, &sheet()).expect("probed");
    assert_eq!(probed.media.video.and_then(|video| video.duration), Some(Duration::from_hours(24)));
}

/// A recording whose sound is announced at its beginning, and comes from second `at` on.
fn late_sound(path: &Path, at: u32, words: &[&str]) {
    let (at, picture) = (at.to_string(), format!("testsrc=d={}:s=64x48:r=5", at + 3));
    let mut all = vec!["-f", "lavfi", "-i", &picture, "-itsoffset", &at, "-f", "lavfi", "-i", "sine=d=2"];
    all.extend(["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]);
    all.extend(words);
    make(path, &all);
}

#[test]
fn sound_that_begins_behind_every_look_is_heard_where_it_begins() {
    let dir = tempfile::tempdir().expect("folder");
    let path = dir.path().join("late.ts");
    late_sound(&path, 110, &["-f", "mpegts"]);
    let audio = prober(dir.path()).probe(&path, &quick()).expect("probed").media.audio.expect("a sound");
    assert_eq!((audio.codec.as_str(), audio.channels, audio.layout.as_str()), ("aac", 1, "mono"));
    // The same, without any of its sound.
    let all = std::fs::read(&path).expect("read");
    let is_sound = |packet: &[u8]| (u16::from(packet[1]) << 8 | u16::from(packet[2])) & 0x1fff == 0x101;
    let silent: Vec<u8> = all.chunks(188).filter(|packet| !is_sound(packet)).flat_map(<[u8]>::to_vec).collect();
    assert!(silent.len() < all.len());
    std::fs::write(&path, silent).expect("written");
    let media = prober(dir.path()).probe(&path, &quick()).expect("probed").media;
    assert_eq!((media.audio, media.extras.sounds.len()), (None, 1));
}

#[test]
fn the_length_of_a_stream_is_the_sum_of_its_steps_where_times_begin_anew() {
    let times = |times: &[f64]| length_of(&times.iter().map(f64::to_string).collect::<Vec<_>>().join("\n"));
    assert_eq!(times(&[]), None);
    assert_eq!(times(&[1.0, 1.5, 2.0]), Some(Duration::from_millis(1500)));
    assert_eq!(times(&[1.0, 1.5, 2.0, 1.0, 1.5]), Some(Duration::from_millis(2500)), "joined");
    assert_eq!(times(&[1.0, 1.5, 95_000.0, 95_000.5]), Some(Duration::from_secs(2)), "a jump");
}

#[test]
fn pictures_that_are_not_shown_are_counted_in_front_of_those_that_are_and_behind_them() {
    let of = |packets: &str| {
        let Hidden { before, behind, has_several_parts } = hidden(packets);
        (before, behind, has_several_parts)
    };
    assert_eq!(of(""), (0, 0, false));
    assert_eq!(of("0.00,K_\n0.04,__\n0.08,__\n"), (0, 0, false));
    assert_eq!(of("0.00,KD\n0.04,_D\n0.08,__\n0.12,_D\n0.16,__\n"), (3, 0, false), "in the order of decoding");
    assert_eq!(of("N/A,KD_\n0.04,___\n0.08,_D_\n0.12,_D_\n"), (1, 2, false), "newer versions tell more flags");
    assert_eq!(of("0.00,K_\n2.36,__\n-0.28,KD\n2.40,__\n"), (1, 0, true), "two parts of a film");
}
