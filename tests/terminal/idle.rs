//! The built program costs next to nothing while it waits: no loop may spin, in the window or in its server.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::pty::Terminal;

/// How long is looked on.
const LOOK: Duration = Duration::from_secs(3);
/// Looks before it is certain: a busy machine charges a process for more than it does, but hardly every time.
const LOOKS: usize = 5;
/// Most of one core that may be used meanwhile: some three times of what the built program uses without optimisation, and a
/// thirtieth of what a loop that spins uses.
const MOST: f64 = 0.03;

/// A thread that wants a core for so much of the time spins; one that is idle and has to wait for a core each time that it
/// wakes wants less.
const SPINS: f64 = 0.7;

/// Most where nobody is attached: nothing is drawn, nothing is told.
const MOST_ALONE: f64 = 0.01;

/// Processor time of a process so far, all its threads together.
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    // The name, in brackets, may hold anything; after it the state is field 3, user time 14, system time 15.
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a line").split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().expect("a number") + fields[12].parse::<u64>().expect("a number");
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// How long each thread of a process has run so far, or has waited for a core that others had.
fn wanted(pid: u32) -> BTreeMap<OsString, Duration> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").flatten();
    let of = |task: &Path| {
        let text = std::fs::read_to_string(task.join("schedstat")).ok()?;
        text.split_whitespace().take(2).map(|nanos| nanos.parse().ok().map(Duration::from_nanos)).sum::<Option<Duration>>()
    };
    let wanted: BTreeMap<_, _> = tasks.filter_map(|task| Some((task.file_name(), of(&task.path())?))).collect();
    assert!(!wanted.is_empty(), "the kernel tells of no thread of {pid} how long it has waited (CONFIG_SCHED_INFO)");
    wanted
}

/// The share of one core that processes use together while they are looked on, and the largest that one thread would have used
/// of a core of its own.
fn share(pids: &[u32], look: Duration) -> (f64, f64) {
    let all = || pids.iter().map(|pid| cpu(*pid)).sum::<Duration>();
    let each = || pids.iter().map(|pid| wanted(*pid)).collect::<Vec<_>>();
    let (before, wanted) = (all(), each());
    std::thread::sleep(look);
    let used = all().saturating_sub(before).as_secs_f64() / look.as_secs_f64();
    let more = each().into_iter().zip(wanted).flat_map(|(after, before)| {
        after.into_iter().map(move |(task, after)| after.saturating_sub(before.get(&task).copied().unwrap_or_default()))
    });
    let most = more.max().unwrap_or_default().as_secs_f64() / look.as_secs_f64();
    println!("processes {pids:?}: {:.2} % of a core, one thread wants {:.0} %", used * 100.0, most * 100.0);
    (used, most)
}

/// Whether processes use next to nothing together: in one look of a few, for what is really idle is so most of the time, and a
/// loop that spins never is. Where others leave it no core it hardly runs, but wants one all the time.
fn idle(pids: &[u32]) -> bool {
    (0..LOOKS).any(|_| {
        let (used, wanted) = share(pids, LOOK);
        used < MOST && wanted < SPINS
    })
}

#[test]
fn a_loop_that_spins_is_seen() {
    let mut spinning = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("a shell");
    let idle = idle(&[spinning.id()]);
    spinning.kill().and_then(|()| spinning.wait()).expect("gone");
    assert!(!idle, "a loop that spins looks idle");
}

#[test]
fn a_console_with_nothing_to_do_uses_next_to_nothing() {
    let home = tempfile::tempdir().expect("a home");
    let mut terminal = Terminal::start(120, 36, home.path(), &["--budget", "2GB"]);
    terminal.wait_for("under the line");
    assert!(idle(&[terminal.pid(), terminal.server()]), "they are at work with nothing to do");
    terminal.send("q");
    assert_eq!(terminal.end().exit_code(), 0);
}

#[test]
fn a_server_whose_window_was_left_uses_even_less() {
    let home = tempfile::tempdir().expect("a home");
    let mut terminal = Terminal::start(120, 36, home.path(), &["--budget", "2GB"]);
    terminal.wait_for("under the line");
    let server = terminal.server();
    terminal.press("q");
    assert_eq!(terminal.end().exit_code(), 0);
    // It stays for a minute, in case somebody comes back.
    assert_eq!(terminal.server(), server);
    let is_idle = |(used, wanted): (f64, f64)| used < MOST_ALONE && wanted < SPINS;
    assert!((0..LOOKS).any(|_| is_idle(share(&[server], 2 * LOOK))), "it is at work with nobody to tell");
}

#[test]
fn a_console_that_shows_the_list_of_comparisons_uses_next_to_nothing() {
    let home = tempfile::tempdir().expect("a home");
    let mut terminal = Terminal::start(120, 36, home.path(), &["--budget", "2GB"]);
    terminal.wait_for("under the line");
    terminal.press("c");
    terminal.wait_for("no comparison is kept yet");
    let before = terminal.raw().len();
    assert!(idle(&[terminal.pid(), terminal.server()]), "they are at work with nothing to do");
    println!("{} bytes meanwhile", terminal.raw().len() - before);
    terminal.send("q");
    assert_eq!(terminal.end().exit_code(), 0);
}

#[test]
fn a_run_that_waits_for_one_long_job_uses_next_to_nothing() {
    let home = tempfile::tempdir().expect("a home");
    let ffmpeg = slow_ffmpeg(home.path());
    let clip = home.path().join("clip.mp4");
    let source = ["-v", "error", "-f", "lavfi", "-i", "testsrc=duration=1:size=64x64:rate=5", "-pix_fmt", "yuv420p"];
    let made = Command::new("ffmpeg").args(source).arg(&clip).status().expect("ffmpeg runs");
    assert!(made.success());
    let mut run = Command::new(env!("CARGO_BIN_EXE_plimsoll"))
        .args(["run", "--budget", "2GB", "--stall", "0", "--ffmpeg"])
        .arg(&ffmpeg)
        .arg(&clip)
        .current_dir(home.path())
        .env("HOME", home.path())
        .env_remove("XDG_STATE_HOME")
        .env_remove("XDG_CACHE_HOME")
        .env_remove("XDG_CONFIG_HOME")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("plimsoll starts");
    // A job may write nowhere else.
    let begun = home.path().join(".local/state/plimsoll/scratch/begun");
    while !begun.exists() {
        assert!(run.try_wait().expect("waits").is_none(), "it ended before its job began");
        std::thread::sleep(Duration::from_millis(20));
    }
    let idle = idle(&[run.id()]);
    let pid = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it hears");
    assert_eq!(run.wait().expect("it ends").code(), Some(143));
    assert!(idle, "it is at work while its job sleeps");
}

/// An ffmpeg that is as long at work as anybody waits, and reports its progress twice a second as ffmpeg does; it answers
/// what it is asked about itself.
fn slow_ffmpeg(home: &Path) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let tools = home.join("tools");
    std::fs::create_dir(&tools).expect("a folder");
    let (ffmpeg, ffprobe) = (tools.join("ffmpeg"), tools.join("ffprobe"));
    let script = "#!/bin/sh\ncase \" $* \" in *pipe:3*) ;; *) exec ffmpeg \"$@\" ;; esac\n: > \"$TMPDIR/begun\"\nframe=0\nwhile :; do\n\
         frame=$((frame + 12))\nprintf 'frame=%d\\nfps=25\\nout_time_us=%d0000\\nspeed=1x\\nprogress=continue\\n' $frame $frame >&3\n\
         sleep 0.5\ndone\n";
    for (path, text) in [(&ffmpeg, script), (&ffprobe, "#!/bin/sh\nexec ffprobe \"$@\"\n")] {
        std::fs::write(path, text).expect("written");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    }
    ffmpeg
}
