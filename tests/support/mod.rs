//! The built program in a world of its own: folders, clips, events as they come, and what the kernel says meanwhile.
//! Waits for events, never for time.
#![allow(dead_code, clippy::disallowed_methods)] // every test file uses its part of this, and time is what limits are made of

#[cfg(target_os = "linux")]
pub mod cage;
pub mod campaign;
pub mod clips;
pub mod greeting;
pub mod kernel;
pub mod modelled;
pub mod pace;
pub mod pty;
pub mod server;
pub mod skip;
pub mod stream;

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use plimsoll::host::process::command::until_granted;
use serde_json::Value;

/// The program under test.
pub const PLIMSOLL: &str = env!("CARGO_BIN_EXE_plimsoll");
/// Where the tests' programs keep what can be had again: what ffmpeg says of itself, the clips of demonstrations. One for all.
pub const CACHE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/cache");
/// How long an event may take on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// The search path with an ffmpeg on it. Where there is none it is provided as the README says.
pub fn tool_path() -> &'static OsStr {
    static PATH: OnceLock<OsString> = OnceLock::new();
    PATH.get_or_init(|| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if on_path(&path, "ffmpeg").is_some() && on_path(&path, "ffprobe").is_some() {
            return path;
        }
        let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("data");
        let fixed = Command::new(PLIMSOLL).args(["doctor", "--fix", "--yes"]).env("XDG_DATA_HOME", &data).output().expect("runs");
        assert!(fixed.status.success(), "no ffmpeg to be had: {}", String::from_utf8_lossy(&fixed.stderr));
        let mut folders = vec![data.join("plimsoll/bin")];
        folders.extend(std::env::split_paths(&path));
        std::env::join_paths(folders).expect("a path")
    })
}

pub fn on_path(path: &OsStr, program: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// ffmpeg or ffprobe.
pub fn tool(program: &str) -> PathBuf {
    on_path(tool_path(), program).expect("a tool on the path")
}

/// Folders that nobody else has: inputs, outputs, record, home. No server outlives it that works below it.
pub struct World {
    pub dir: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        server::end_all_below(self.dir.path());
    }
}

impl World {
    pub fn new() -> Self {
        let world = Self { dir: tempfile::tempdir().expect("a temporary folder") };
        for folder in ["in", "home", "work"] {
            std::fs::create_dir(world.path(folder)).expect("a folder");
        }
        world
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(&path, text).expect("written");
        path
    }

    /// Copies a clip in.
    pub fn put(&self, clip: &Path, name: impl AsRef<Path>) -> PathBuf {
        let to = self.path("in").join(name);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        std::fs::copy(clip, &to).expect("copied");
        to
    }

    /// plimsoll with nothing of ours in its environment, standing in `work`.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(PLIMSOLL);
        command.args(args).current_dir(self.path("work")).env_clear().stdin(Stdio::null());
        command.env("PATH", tool_path()).env("HOME", self.path("home")).env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        command.env("XDG_CACHE_HOME", CACHE);
        command
    }

    /// `run --json` with the outputs in `out` and the record in `state`.
    pub fn run_command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.command(["run", "--json"]);
        command.arg("-o").arg(self.path("out")).arg("--state-dir").arg(self.path("state")).args(args);
        command
    }

    /// [`World::run_command`] on everything in `in`, to its end.
    pub fn run(&self, args: &[&str]) -> Finished {
        let mut command = self.run_command(args);
        command.arg(self.path("in"));
        Live::start(command).finish()
    }

    /// The files below a folder, relative to it, sorted.
    pub fn files(&self, folder: &str) -> Vec<PathBuf> {
        files_below(&self.path(folder))
    }

    /// Nothing unfinished is left in `out`.
    pub fn assert_no_leftovers(&self) {
        let left: Vec<PathBuf> =
            self.files("out").into_iter().filter(|file| file.to_string_lossy().contains(".plimsoll")).collect();
        assert!(left.is_empty() && !self.path("out/.plimsoll").exists(), "left behind: {left:?}, or an empty folder for parts");
    }
}

/// The files below a folder, relative to it, sorted.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let walk = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok).filter(|entry| !entry.file_type().is_dir());
    let mut files: Vec<PathBuf> = walk.map(|entry| entry.path().strip_prefix(folder).expect("below").to_owned()).collect();
    files.sort();
    files
}

/// Lets jobs do their work together, however long one start comes after the other: none begins before so many have come. The number
/// is shell, and may depend on `$TMPDIR`, the scratch folder of the run. Nobody waits for ever.
pub fn gathering_ffmpeg(world: &World, number: &str) -> PathBuf {
    let lines = format!(
        "mktemp \"$TMPDIR/came-XXXXXX\" > /dev/null\nall_came() {{ set -- \"$TMPDIR\"/came-*; test $# -ge {number}; }}\n\
         looks=0\nwhile ! all_came && test $looks -lt 2000; do sleep 0.02; looks=$((looks + 1)); done"
    );
    stand_ins(world, &lines, "")
}

/// Slow enough for everything that is to happen meanwhile, done with a file called `go`.
pub fn patient_ffmpeg(world: &World) -> PathBuf {
    stand_ins(world, ": > \"$TMPDIR/waits\"; while ! test -e \"$TMPDIR/go\"; do sleep 0.05; done", "")
}

/// An ffmpeg and an ffprobe that run these lines of a shell script before they do their work. What they are is told without
/// the lines, and without a start of the real ones, which takes a tenth of a second.
pub fn stand_ins(world: &World, ffmpeg: &str, ffprobe: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    static VERSIONS: OnceLock<[String; 2]> = OnceLock::new();
    let versions = VERSIONS.get_or_init(|| {
        ["ffmpeg", "ffprobe"].map(|name| {
            let told = Command::new(tool(name)).args(["-hide_banner", "-version"]).output().expect("it runs").stdout;
            String::from_utf8(told).expect("UTF-8").replace('\'', "'\\''")
        })
    });
    for ((name, lines), version) in [("ffmpeg", ffmpeg), ("ffprobe", ffprobe)].into_iter().zip(versions) {
        let text = format!(
            "#!/bin/sh\ncase \"$*\" in\n*-version*) printf '%s' '{version}'; exit;;\n*-encoders*|*-muxers*) exec {real} \"$@\";;\nesac\n\
             {lines}\nexec {real} \"$@\"\n",
            real = tool(name).display()
        );
        let path = world.write(&format!("tools/{name}"), text);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    }
    world.path("tools")
}

/// With [`patient_ffmpeg`], lets the jobs of so many runs of a comparison go on, as they come. Each waits in a scratch folder of
/// its own, below the folder that the comparison makes in `folder`. A run that begins empties that folder, so nobody is let go
/// before it waits.
pub fn let_runs_go(folder: &Path, runs: usize) {
    let deadline = Instant::now() + PATIENCE;
    let mut freed = std::collections::BTreeSet::new();
    while freed.len() < runs {
        assert!(Instant::now() < deadline, "{} of {runs} runs came", freed.len());
        let runs = walkdir::WalkDir::new(folder).min_depth(2).max_depth(2).into_iter().filter_map(Result::ok);
        for run in runs.map(walkdir::DirEntry::into_path) {
            let scratch = run.join("state/scratch");
            if scratch.join("waits").exists() && std::fs::write(scratch.join("go"), "").is_ok() {
                freed.insert(run);
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How a command that runs no jobs ended.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs a command to its end.
pub fn say(mut command: Command) -> Said {
    // A program that a test has just written may be held open by what another one is starting.
    let output = until_granted(PATIENCE, || command.output()).expect("runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// plimsoll while it runs, its events read as they come.
pub struct Live {
    pub child: Child,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
    /// The events read so far.
    pub events: Vec<Value>,
}

/// plimsoll after its end.
pub struct Finished {
    pub status: ExitStatus,
    pub events: Vec<Value>,
    pub stderr: String,
}

impl Live {
    pub fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = until_granted(PATIENCE, || command.spawn()).expect("plimsoll starts");
        let stdout = child.stdout.take().expect("a pipe");
        let mut stderr = child.stderr.take().expect("a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            loop {
                let mut line = String::new();
                if !stdout.read_line(&mut line).is_ok_and(|read| read > 0) || sender.send(line).is_err() {
                    return;
                }
            }
        });
        let stderr = std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = stderr.read_to_end(&mut text);
            String::from_utf8(text).expect("stderr is UTF-8")
        });
        Self { child, lines, stderr: Some(stderr), events: Vec::new() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next event; `None` when stdout has ended.
    pub fn next(&mut self) -> Option<Value> {
        match self.lines.recv_timeout(PATIENCE) {
            // One that is killed may be in the middle of a line.
            Ok(line) if !line.ends_with('\n') && self.was_killed() => None,
            Ok(line) => {
                assert!(line.ends_with('\n'), "a line without its end: {line}");
                let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("no JSON: {error} in {line}"));
                assert!(event.is_object(), "not an object: {line}");
                self.events.push(event.clone());
                Some(event)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing was told for {PATIENCE:?}; the last was {:?}", self.events.last()),
        }
    }

    /// It has ended by SIGKILL; waits for the end.
    fn was_killed(&mut self) -> bool {
        use std::os::unix::process::ExitStatusExt as _;
        self.child.wait().expect("waited for").signal() == Some(libc::SIGKILL)
    }

    /// Reads on to the first event that is wanted.
    pub fn until(&mut self, what: &str, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "waited too long for: {what}");
            match self.next() {
                Some(event) if wanted(&event) => return event,
                Some(_) => {}
                None => panic!(
                    "the run ended before: {what}\n{}",
                    self.stderr.take().map_or_else(String::new, |t| t.join().expect("read"))
                ),
            }
        }
    }

    /// Reads on to the first event of this name.
    pub fn until_event(&mut self, name: &str) -> Value {
        self.until(name, |event| event["event"] == name)
    }

    pub fn signal(&self, signal: i32) {
        // SAFETY: kill on our own child, which has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0, "the signal is sent");
    }

    /// Reads everything to the end.
    pub fn finish(mut self) -> Finished {
        while self.next().is_some() {}
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("waits") {
                break status;
            }
            assert!(Instant::now() < deadline, "stdout is closed and the process goes on");
            std::thread::sleep(Duration::from_millis(1));
        };
        let stderr = self.stderr.take().expect("once").join().expect("read");
        Finished { status, events: std::mem::take(&mut self.events), stderr }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // Only after a failed test: its children die with it.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Finished {
    /// The exit status; a death by a signal is none.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// All events of this name.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["event"] == name)
    }

    /// The last event.
    pub fn summary(&self) -> &Value {
        self.events.last().expect("an event")
    }

    /// Number of the job with this input, by the file's name as it is shown.
    pub fn job_of(&self, name: &str) -> u64 {
        let ends = |event: &&Value| event["input"].as_str().is_some_and(|input| input.rsplit('/').next() == Some(name));
        let queued = self.named("job_queued").find(ends).unwrap_or_else(|| panic!("{name} was not queued"));
        queued["job"].as_u64().expect("a number")
    }

    /// How the job with this input ended: `done`, `too_large`, …
    pub fn end_of(&self, name: &str) -> &str {
        let end = self.end_event_of(name);
        end["outcome"].as_str().or(end["reason"].as_str()).expect("an end")
    }

    /// The `job_finished` or `job_rejected` of the job with this input.
    pub fn end_event_of(&self, name: &str) -> &Value {
        let job = self.job_of(name);
        let mut ends = self.named("job_finished").chain(self.named("job_rejected")).filter(|event| event["job"] == job);
        let end = ends.next().unwrap_or_else(|| panic!("{name} has no end"));
        assert!(ends.next().is_none(), "{name} ended twice");
        end
    }

    /// The ends of all jobs, in order.
    pub fn ends(&self) -> Vec<&str> {
        let is_end = |event: &&Value| event["event"] == "job_finished" || event["event"] == "job_rejected";
        self.events
            .iter()
            .filter(is_end)
            .map(|event| event["outcome"].as_str().or(event["reason"].as_str()).expect("an end"))
            .collect()
    }
}
