//! Files and names that are meant to hurt, all in one queue: each ends as it should and says why, and nothing is opened or
//! connected to that is not the queue's. `just hostile` runs the same under strace and looks at every single open.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // limits of time are measured with a clock

use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::clips::{clips, probe};
use crate::support::{Finished, Live, World, say, stand_ins, tool, tool_path};
use rustix::fs::inotify;

/// Nobody's output, log or event may hold this.
const SECRET: &str = "canary-5f1c0d";

/// What a hostile file is to come to.
#[derive(Debug, Clone)]
struct Case {
    name: OsString,
    end: &'static str,
    /// Words of the reason.
    says: &'static str,
}

/// The queue, and what it must not touch.
struct Trap {
    world: World,
    cases: Vec<Case>,
    secret: PathBuf,
    web: TcpListener,
    rtp: UdpSocket,
    _socket: std::os::unix::net::UnixListener,
}

impl Trap {
    fn new() -> Self {
        let world = World::new();
        let web = TcpListener::bind("127.0.0.1:0").expect("bound");
        web.set_nonblocking(true).expect("set");
        let rtp = UdpSocket::bind("127.0.0.1:0").expect("bound");
        rtp.set_nonblocking(true).expect("set");
        // A film that plays, with the canary in its title: whoever opens it could publish it.
        let secret = world.path("private/secret.mp4");
        fs::create_dir(world.path("private")).expect("made");
        let mut make = ffmpeg();
        make.arg("-i").arg(clips().tiny()).args(["-c", "copy", "-metadata", &format!("title={SECRET}")]).arg(&secret);
        assert!(make.status().expect("ffmpeg runs").success());
        let socket = std::os::unix::net::UnixListener::bind(world.path("in/socket.mp4")).expect("bound");
        let mut trap = Self { world, cases: Vec::new(), secret, web, rtp, _socket: socket };
        trap.playlists();
        trap.special_files();
        trap.damaged();
        trap.bombs();
        trap.names();
        trap.metadata();
        trap
    }

    fn add(&mut self, name: impl Into<OsString>, end: &'static str, says: &'static str) -> PathBuf {
        let name = name.into();
        let path = self.world.path("in").join(&name);
        self.cases.push(Case { name, end, says });
        path
    }

    fn text(&mut self, name: &str, end: &'static str, says: &'static str, text: &str) {
        let text = text
            .replace("SECRET", self.secret.to_str().expect("UTF-8"))
            .replace("WEB", &format!("http://{}", self.web.local_addr().expect("bound")))
            .replace("RTP", &self.rtp.local_addr().expect("bound").port().to_string());
        fs::write(self.add(name, end, says), text).expect("written");
    }

    fn playlists(&mut self) {
        let reject = "unsupported_container";
        let hls = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n";
        self.text("hls.mp4", reject, "(hls)", &format!("{hls}file://SECRET\n#EXT-X-ENDLIST\n"));
        self.text("hls-relative.mkv", reject, "(hls)", &format!("{hls}../private/secret.mp4\n#EXT-X-ENDLIST\n"));
        self.text("hls-bom.mp4", reject, "(hls)", &format!("\u{feff}{hls}file://SECRET\n"));
        self.text("hls-blank.mp4", reject, "(hls)", &format!("\n\n {hls}file://SECRET\n"));
        self.text("hls-web.mp4", reject, "(hls)", &format!("{hls}WEB/a.ts\n#EXT-X-ENDLIST\n"));
        self.text("hls-subfile.mp4", reject, "(hls)", &format!("{hls}subfile,,start,0,end,99,,:SECRET\n"));
        self.text(
            "hls-key.mp4",
            reject,
            "(hls)",
            &format!("#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"WEB/key\"\n{hls}file://SECRET\n"),
        );
        self.text("concat.mp4", reject, "(concat)", "ffconcat version 1.0\nfile 'SECRET'\n");
        self.text("concat-web.mp4", reject, "(concat)", "ffconcat version 1.0\nfile 'WEB/a.mp4'\n");
        self.text("dash.mp4", reject, "(dash)", "<?xml version=\"1.0\"?>\n<MPD><Period><BaseURL>WEB/</BaseURL></Period></MPD>\n");
        self.text("smooth.mp4", reject, "(smooth streaming)", "<SmoothStreamingMedia Duration=\"9\"></SmoothStreamingMedia>");
        self.text(
            "sdp.mp4",
            reject,
            "(sdp)",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video RTP RTP/AVP 96\n",
        );
        self.text("pls.mp4", reject, "(pls)", "[playlist]\nFile1=WEB/a.mp4\nNumberOfEntries=1\n");
        let text = "not_a_video";
        self.text("late-hls.mp4", text, "plain text", &format!("{}\n{hls}file://SECRET\n", "# no list yet".repeat(500)));
        self.text("asx.mp4", text, "", "<ASX version=\"3\"><ENTRY><REF HREF=\"WEB/a.mp4\"/></ENTRY></ASX>\n");
        self.text("script.mp4", text, "", "#!/bin/sh\ncat SECRET > ../out/leak.mp4\n");
        self.text("avisynth.mp4", text, "", "Import(\"SECRET\")\nAviSource(\"SECRET\")\n");
        self.text("link.mp4", text, "", "RTSPtext\nrtsp://127.0.0.1:RTP/a\n");
        self.text("page.mp4", text, "", "<html><img src=\"WEB/a.png\"></html>\n");
    }

    fn special_files(&mut self) {
        let not_a_file = "not_a_file";
        let fifo = self.add("fifo.mp4", not_a_file, "a FIFO");
        let rights = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, rights, 0).expect("made");
        self.add("socket.mp4", not_a_file, "a socket");
        let device = self.add("device.mp4", not_a_file, "a device");
        std::os::unix::fs::symlink("/dev/zero", device).expect("linked");
        let through = self.add("through.mp4", not_a_file, "a FIFO");
        let pipe = self.world.path("far-pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rights, 0).expect("made");
        std::os::unix::fs::symlink(pipe, through).expect("linked");
        let honest = self.add("honest-link.mp4", "done", "");
        let far = self.world.write("far/away.mp4", fs::read(clips().other()).expect("read"));
        std::os::unix::fs::symlink(far, honest).expect("linked");
    }

    fn damaged(&mut self) {
        let whole = fs::read(clips().tiny()).expect("read");
        fs::write(self.add("cut.mp4", "unreadable", "moov"), &whole[..whole.len() / 2]).expect("written");
        fs::write(self.add("empty.mp4", "empty", "empty"), "").expect("written");
        fs::write(self.add("zeros.mp4", "not_a_video", "zeros"), vec![0; 100_000]).expect("written");
        let mut seed = 1_u32;
        let noise = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        });
        let noise = noise.take(200_000).collect::<Vec<u8>>();
        fs::write(self.add("noise.mp4", "not_a_video", ""), noise).expect("written");
        fs::copy(clips().torn(), self.add("torn.mkv", "failed", "the file ends too early")).expect("copied");
        // The index in front promises what is not there.
        let front = self.world.path("front.mp4");
        let mut make = ffmpeg();
        make.arg("-i").arg(clips().of_height(480)).args(["-c", "copy", "-movflags", "+faststart"]).arg(&front);
        assert!(make.status().expect("ffmpeg runs").success());
        let bytes = fs::read(&front).expect("read");
        fs::write(self.add("promises.mp4", "done", ""), &bytes[..bytes.len() * 6 / 10]).expect("written");
    }

    /// Films of VP8 whose frames say that they are 16000×16000: all of them, and only the last.
    fn bombs(&mut self) {
        let small = self.world.path("small.mkv");
        let mut make = ffmpeg();
        make.args(["-f", "lavfi", "-i", "testsrc=s=160x120:r=5:d=2", "-c:v", "libvpx", "-g", "1"]).arg(&small);
        assert!(make.status().expect("ffmpeg runs").success());
        let bytes = fs::read(&small).expect("read");
        let starts: Vec<usize> =
            bytes.windows(7).enumerate().filter(|(_, w)| **w == [0x9d, 1, 0x2a, 160, 0, 120, 0]).map(|(at, _)| at).collect();
        assert!(starts.len() >= 5, "{}", starts.len());
        let blown = |at: &[usize]| {
            let mut bytes = bytes.clone();
            for at in at {
                bytes[at + 3..at + 7].copy_from_slice(&[0x80, 0x3e, 0x80, 0x3e]);
            }
            bytes
        };
        fs::write(self.add("bomb.mkv", "failed", "over the limit"), blown(&starts)).expect("written");
        fs::write(self.add("growing-frame.mkv", "done", ""), blown(&starts[starts.len() - 2..])).expect("written");
        let huge = self.add("huge.avi", "frame_too_large", "8192×4352");
        let mut make = ffmpeg();
        make.args(["-f", "lavfi", "-i", "color=s=8192x4352:r=25", "-frames:v", "1", "-c:v", "mjpeg", "-f", "avi"]).arg(huge);
        assert!(make.status().expect("ffmpeg runs").success());
        let apart = self.add("far-apart.mkv", "done", "");
        let mut make = ffmpeg();
        make.args(["-f", "lavfi", "-i", "testsrc=s=160x120:r=25", "-frames:v", "2", "-vf", "setpts=N*1080/TB", "-vsync", "vfr"]);
        make.args(["-c:v", "libx264", "-bf", "0"]).arg(apart);
        assert!(make.status().expect("ffmpeg runs").success());
    }

    fn names(&mut self) {
        let clip = fs::read(clips().tiny()).expect("read");
        let long = format!("{}.mp4", "n".repeat(251));
        let odd: [OsString; 14] = [
            "concat:a|b.mp4".into(),
            "subfile,,start,0,end,9,,:a.mp4".into(),
            "data:video.mp4".into(),
            "http:localhost.mp4".into(),
            "-vf.mp4".into(),
            "-.mp4".into(),
            "%d.mp4".into(),
            "%03d-[0-9]*?.mp4".into(),
            "esc\u{1b}[2J\u{9b}31m.mp4".into(),
            "line\nbreak\rback.mp4".into(),
            "'quote\"$(touch pwned)`touch pwned`;&.mp4".into(),
            "right\u{202e}4pm.mp4".into(),
            OsString::from_vec(b"caf\xe9-\xff\xfe.mp4".to_vec()),
            long.into(),
        ];
        for name in odd {
            fs::write(self.add(name, "done", ""), &clip).expect("written");
        }
    }

    fn metadata(&mut self) {
        let escape = "\u{1b}]0;owned\u{7}\u{1b}[31m\u{9b}2J\u{202e}";
        let progress = "x\nprogress=end\nout_time_us=99999999\nframe=7\n[error] forged\n";
        for (name, title) in [("escapes.mkv", escape), ("forged.mkv", progress)] {
            let path = self.add(name, "done", "");
            let mut make = ffmpeg();
            make.arg("-i").arg(clips().tiny()).args(["-c", "copy"]);
            for key in ["title", "artist", "comment"] {
                make.arg("-metadata").arg(format!("{key}={title}")).arg("-metadata:s:v").arg(format!("{key}={title}"));
            }
            assert!(make.arg(path).status().expect("ffmpeg runs").success());
        }
    }

    /// Every file by its name, in the order of the cases.
    fn command(&self) -> Command {
        let mut command = self.world.run_command(["--retries", "0", "--preset", "proxy-480p"]);
        command.arg("--log-file").arg(self.world.path("run.log"));
        command.args(self.cases.iter().map(|case| self.world.path("in").join(&case.name)));
        command
    }

    /// Runs the queue; every file has come to what it should.
    fn run(&self, command: Command) -> Finished {
        let run = Live::start(command).finish();
        assert_eq!(run.code(), Some(1), "{}", run.stderr);
        let mut wrong = Vec::new();
        for (job, case) in (1_u64..).zip(&self.cases) {
            let end = run
                .events
                .iter()
                .find(|event| event["job"] == job && matches!(event["event"].as_str(), Some("job_finished" | "job_rejected")));
            let Some(end) = end else {
                wrong.push(format!("{case:?} has no end"));
                continue;
            };
            let came_to = end["outcome"].as_str().or(end["reason"].as_str()).unwrap_or_default();
            let said = format!("{} {}", end["detail"].as_str().unwrap_or_default(), end["reason"].as_str().unwrap_or_default());
            if came_to != case.end || !said.contains(case.says) {
                wrong.push(format!("{case:?}: {end}"));
            }
            if came_to != "done" && said.trim().is_empty() {
                wrong.push(format!("{case:?} says nothing: {end}"));
            }
        }
        assert!(wrong.is_empty(), "{} of {}:\n{}\n{}", wrong.len(), self.cases.len(), wrong.join("\n"), run.stderr);
        run
    }

    fn connections(&self) -> usize {
        let mut count = 0;
        while self.web.accept().is_ok() {
            count += 1;
        }
        count + usize::from(self.rtp.recv_from(&mut [0; 64]).is_ok())
    }
}

fn ffmpeg() -> Command {
    let mut command = Command::new(tool("ffmpeg"));
    command.env("PATH", tool_path()).args(["-nostdin", "-v", "error", "-y"]);
    command
}

/// Counts how often the file is opened or read while `act` runs.
fn opened<T>(path: &Path, act: impl FnOnce() -> T) -> (usize, T) {
    let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).expect("inotify");
    inotify::add_watch(&watch, path, inotify::WatchFlags::OPEN | inotify::WatchFlags::ACCESS).expect("watched");
    let came = act();
    let mut block = [std::mem::MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(&watch, &mut block);
    (std::iter::from_fn(|| events.next().ok().map(|_| ())).count(), came)
}

/// Where a forbidden character stands in text that goes to a terminal.
fn unsafe_character(text: &str) -> Option<char> {
    text.chars().find(|&c| {
        (c.is_control() && c != '\n') || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

fn holds(haystack: &[u8], needle: &str) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[test]
fn every_hostile_file_ends_as_it_should_and_nothing_it_names_is_touched() {
    let trap = Trap::new();
    assert!(trap.cases.len() >= 30, "{}", trap.cases.len());
    let began = Instant::now();
    let (opens, run) = opened(&trap.secret, || trap.run(trap.command()));
    assert_eq!((opens, trap.connections()), (0, 0), "the secret was opened, or somebody called");
    assert!(began.elapsed() < Duration::from_mins(15), "nobody hangs: {:?}", began.elapsed());
    println!("{} files in {:?}", trap.cases.len(), began.elapsed());

    // Nothing of the secret, and nothing that moves a cursor, in any text; no file where none belongs.
    let log = fs::read_to_string(trap.world.path("run.log")).expect("read");
    let told = run.events.iter().map(|event| format!("{event:#}")).collect::<Vec<_>>().join("\n");
    let values = |event: &serde_json::Value| event.to_string();
    for (what, text) in [("the log", &log), ("stderr", &run.stderr), ("the events", &told)] {
        assert_eq!(unsafe_character(text), None, "in {what}");
        assert!(!text.contains(SECRET), "in {what}");
    }
    assert!(run.events.iter().all(|event| !values(event).contains("\\u001b")), "not even escaped in JSON");
    for file in trap.world.files("out").iter().map(|file| trap.world.path("out").join(file)) {
        assert!(!holds(&fs::read(&file).expect("read"), SECRET), "{}", file.display());
        assert!(probe(&file).is_some(), "{} is whole", file.display());
    }
    let done = trap.cases.iter().filter(|case| case.end == "done").count();
    assert_eq!(trap.world.files("out").len(), done, "{:?}", trap.world.files("out"));
    assert_eq!(trap.world.files("work"), Vec::<PathBuf>::new());
    assert!(trap.world.files("home").is_empty(), "{:?}", trap.world.files("home"));
    trap.world.assert_no_leftovers();
    // Two frames stay two, and no frame that blows itself up gets its memory.
    let frames = run.events.iter().filter_map(|event| event["frame"].as_u64()).max();
    assert!(frames.is_none_or(|frames| frames < 100), "{frames:?}");
    let peak = run.named("job_finished").filter_map(|event| event["peak_memory_bytes"].as_u64()).max().expect("ends");
    assert!(peak < 300 << 20, "{peak}");
}

#[test]
fn the_traps_snap_at_a_reader_that_is_not_careful() {
    let trap = Trap::new();
    let hls = trap.world.path("in/hls.mp4");
    let naive = |url: &Path| {
        let mut command = ffmpeg();
        command.args(["-protocol_whitelist", "file,http,tcp", "-f", "hls", "-i"]).arg(url).args(["-c", "copy", "-f", "matroska"]);
        command.arg(trap.world.path("stolen.mkv"));
        let _ = command.output().expect("ffmpeg runs");
    };
    let (opens, ()) = opened(&trap.secret, || naive(&hls));
    assert!(opens > 0, "the secret is read");
    assert!(holds(&fs::read(trap.world.path("stolen.mkv")).expect("made"), SECRET) || opens > 1);
    // Answers nothing, so the naive one is not waited for.
    let mut caller = Command::new(tool("ffprobe"));
    caller.args(["-v", "quiet", "-protocol_whitelist", "file,http,tcp", "-f", "hls", "-i"]).arg(trap.world.path("in/hls-web.mp4"));
    let mut child = caller.spawn().expect("ffprobe runs");
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut called = false;
    while !called && Instant::now() < deadline {
        called = trap.connections() > 0;
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
    assert!(called, "somebody calls");
}

#[test]
fn a_file_that_grows_or_is_swapped_while_it_is_read_is_not_done() {
    let world = World::new();
    let input = world.put(&clips().of_height(1080), "growing.mp4");
    // So slowly that it takes ten seconds.
    let tools = stand_ins(&world, "set -- -readrate 0.1 \"$@\"", "");
    let mut command = world.run_command(["--retries", "0", "--ffmpeg"]);
    command.arg(tools).arg(&input);
    let mut live = Live::start(command);
    live.until_event("job_started");
    fs::write(&input, fs::read(clips().of_height(720)).expect("read")).expect("written");
    let run = live.finish();
    let end = run.end_event_of("growing.mp4");
    assert_eq!((run.code(), end["outcome"].as_str()), (Some(1), Some("failed")), "{end}");
    assert_eq!(world.files("out"), Vec::<PathBuf>::new());
    world.assert_no_leftovers();
}

#[test]
fn presets_profiles_queues_and_settings_that_are_meant_to_hurt_are_refused_at_once() {
    let world = World::new();
    let clip = world.put(&clips().tiny(), "a.mp4");
    let aliases = |first: &str| {
        let levels = (1..30).map(|level| format!("a{level}: &a{level} [*a{0}, *a{0}]", level - 1)).collect::<Vec<_>>();
        format!("a0: &a0 [{first}]\n{}\n", levels.join("\n"))
    };
    let scalar = format!("a: &a {}\nb: [{}]\n", "x".repeat(20_000), "*a, ".repeat(2000));
    let deep = "[".repeat(100_000);
    let nested = format!("name: x\nvideo: {}1{}\n", "{a: ".repeat(30), "}".repeat(30));
    let fat = format!("name: {}\n", "x".repeat(2 << 20));
    let tag = "name: !!python/object/apply:os.system [touch pwned]\n".to_owned();
    let bombs = [aliases("x"), scalar, deep, nested, fat, tag, "\u{1}\u{2}".to_owned(), "a: 1\n---\nb: 2\n".to_owned()];
    let refused = |command: Command, what: &str| {
        let began = Instant::now();
        let said = say(command);
        assert_eq!(said.code, Some(2), "{what}: {}", said.err);
        assert!(began.elapsed() < crate::support::pace::at_most(Duration::from_secs(5)), "{what} took {:?}", began.elapsed());
        assert!(said.err.contains(".yaml"), "{what} names the file: {}", said.err);
        assert_eq!(unsafe_character(&said.err), None, "{what}");
        assert!(said.err.len() < 20_000, "{what} is told in a few lines");
    };
    for (number, bomb) in bombs.iter().enumerate() {
        let file = world.write("bomb.yaml", bomb);
        for options in [&["--profile"][..], &["--preset"]] {
            let mut command = world.run_command(options);
            command.arg(&file).arg(&clip);
            refused(command, &format!("{options:?} {number}"));
        }
        let mut command = world.run_command::<&OsStr>([]);
        command.arg(&file);
        refused(command, &format!("queue {number}"));
        let settings = world.write("home/.config/plimsoll/settings.yaml", bomb);
        let mut command = world.run_command::<&OsStr>([]);
        command.arg(&clip);
        refused(command, &format!("settings {number}"));
        fs::remove_file(settings).expect("removed");
    }
    let secret = world.write("private/secret.txt", SECRET);
    let base = "name: x\nvideo: { codec: libx264 }\ncontainer: mp4\nthreads: 1\n";
    for hurtful in [
        format!("{base}extra: [\"-i\", \"{}\"]\n", secret.display()),
        format!("{base}extra: [\"-f\", \"tee\", \"-map\", \"0\"]\n"),
        format!("{base}extra: [\"-filter_complex\", \"movie={}\"]\n", secret.display()),
        format!("{base}extra: [\"-metadata\", \"title=x\", \"/tmp/pwned\"]\n"),
        format!("{base}extra: [\"-report\"]\n"),
        format!("{base}extra: [\"-movflags\", \"+faststart\", \"-dump_attachment:t\", \"pwned\"]\n"),
        base.replace("mp4", "tee"),
        base.replace("mp4", "hls"),
        base.replace("libx264", "libx264 -i x"),
        base.replace("threads: 1", "threads: 1000000"),
        base.replace("name: x", "name: ../../x"),
        format!("{base}vf: movie=x\n"),
    ] {
        let file = world.write("hurtful.yaml", &hurtful);
        let mut command = world.run_command(["--preset"]);
        command.arg(&file).arg(&clip);
        refused(command, &hurtful);
    }
    for hurtful in [
        "memory: { low_water: 9GB, high_water: 1GB }",
        "max_concurrent: 0",
        "max_concurrent: 99999999999999999999",
        "max_file_size: -1",
    ] {
        let file = world.write("hurtful.yaml", format!("name: x\n{hurtful}\n"));
        let mut command = world.run_command(["--profile"]);
        command.arg(&file).arg(&clip);
        refused(command, hurtful);
    }
    // What a profile may set in the environment of children cannot load code into them or make them write.
    let file = world.write(
        "env.yaml",
        "name: x\nenv: { FFREPORT: \"file=pwned\", LD_PRELOAD: /nowhere/pwned.so, HOME: /pwned, TMPDIR: /pwned, PATH: /pwned }\n",
    );
    let mut command = world.run_command(["--retries", "0", "--profile"]);
    command.arg(&file).arg(&clip);
    let said = say(command);
    assert!(!said.out.contains(SECRET) && !world.path("work/pwned").exists(), "{}", said.err);
    assert!(!world.path("out").exists() || world.files("out").len() <= 1);
}

#[test]
#[ignore = "needs strace; `just hostile`"]
fn under_strace_not_one_open_or_connection_goes_beyond_the_queues_own_files() {
    let trap = Trap::new();
    let plain = trap.command();
    let trace = trap.world.path("trace");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-s", "4096", "-e", "trace=open,openat,openat2,creat,connect,bind,sendto,execve", "-o"]).arg(&trace);
    command.arg(plain.get_program()).args(plain.get_args()).current_dir(trap.world.path("work")).env_clear();
    for (name, value) in plain.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    trap.run(command);
    let trace = fs::read(&trace).expect("traced");
    let trace = String::from_utf8_lossy(&trace);
    let own = trap.world.dir.path().to_str().expect("UTF-8");
    let system = ["/usr/", "/lib", "/etc/", "/proc/", "/sys/", "/dev/null", "/dev/zero", "/dev/urandom", "/bin/", "/opt/"];
    // Pids of plimsoll's children: what ffmpeg and ffprobe open.
    let mut foreign = Vec::new();
    let mut opens = 0;
    for line in trace.lines() {
        // Opened only to be named, not to be read: the paths that a sandbox allows.
        if line.contains("O_PATH") {
            continue;
        }
        if line.contains("AF_INET") {
            foreign.push(line.to_owned());
        }
        let Some(path) = line.split('"').nth(1).filter(|_| line.contains("open") || line.contains("creat(")) else { continue };
        opens += 1;
        if line.contains("secret.mp4") {
            foreign.push(line.to_owned());
        }
        let is_own = path.starts_with(own) || !path.starts_with('/');
        let is_target = path.starts_with(env!("CARGO_MANIFEST_DIR"))
            || tool_path().as_bytes().split(|b| *b == b':').any(|folder| path.as_bytes().starts_with(folder));
        if !(is_own || is_target || system.iter().any(|prefix| path.starts_with(prefix)) || path == "/") {
            foreign.push(line.to_owned());
        }
    }
    println!("{} files, {opens} opens looked at", trap.cases.len());
    assert!(opens > 1000, "{opens}");
    assert!(foreign.is_empty(), "{}:\n{}", foreign.len(), foreign[..foreign.len().min(30)].join("\n"));
    assert_eq!(trap.connections(), 0);
}
