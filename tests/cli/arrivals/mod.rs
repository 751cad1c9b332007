//! Watched folders: whatever way a film comes into one, it is queued once, and when it is whole. Tests run in the order of their names:
//! these, which mostly wait, come first so that others work meanwhile.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods)] // a deadline needs the clock

mod many;
mod polling;
mod taking;
mod telling;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Said, World, on_path, say, tool_path};
use serde_json::Value;

/// A server that watches folders of a world; it ends with the test.
pub struct Server<'w> {
    pub world: &'w World,
}

impl<'w> Server<'w> {
    /// Starts it in the background, with the outputs in `out` unless that is given.
    pub fn start(world: &'w World, args: &[&str]) -> Self {
        let server = Self { world };
        server.start_again(args);
        server
    }

    pub fn start_again(&self, args: &[&str]) {
        let mut command = self.command(&["serve", "--daemon"]);
        if !args.contains(&"-o") {
            command.arg("-o").arg(self.world.path("out"));
        }
        let said = say({
            command.args(args);
            command
        });
        assert_eq!(said.code, Some(0), "{}", said.err);
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command.arg("--state-dir").arg(self.world.path("state"));
        command
    }

    pub fn say(&self, args: &[&str]) -> Said {
        say(self.command(args))
    }

    /// The same, where it goes well.
    pub fn ok(&self, args: &[&str]) -> String {
        let said = self.say(args);
        assert_eq!(said.code, Some(0), "{args:?}: {}{}", said.out, said.err);
        said.out
    }

    pub fn status(&self) -> Value {
        serde_json::from_str(&self.ok(&["status", "--json"])).expect("one JSON object")
    }

    /// Waits until `status` tells so.
    pub fn until(&self, what: &str, at_most: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + at_most;
        loop {
            let status = self.status();
            if wanted(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "{what} did not come: {status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until so many jobs are done and nothing is at work.
    pub fn until_done(&self, jobs: u64) {
        self.until(&format!("{jobs} jobs done"), PATIENCE, |status| {
            status["jobs"]["done"] == jobs && status["jobs"]["running"] == 0 && status["jobs"]["queued"] == 0
        });
    }

    /// How often each input stands in the queue, below a folder of the world; every job is done.
    pub fn inputs(&self, below: &str) -> BTreeMap<PathBuf, usize> {
        let mut inputs = BTreeMap::new();
        for line in self.ok(&["jobs", "--json"]).lines() {
            let job: Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(job["state"], "done", "{job}");
            let input = Path::new(job["input"].as_str().expect("a path"));
            *inputs.entry(input.strip_prefix(self.world.path(below)).expect("below").to_owned()).or_default() += 1;
        }
        inputs
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        // Where the test has ended it already there is none.
        let _ = self.command(&["stop"]).output();
    }
}

/// Each of these, once.
pub fn once(names: &[&str]) -> BTreeMap<PathBuf, usize> {
    names.iter().map(|name| (PathBuf::from(name), 1)).collect()
}

/// rsync from one path to another; none where the program is not there.
pub fn rsync(from: &Path, to: &Path) -> Option<()> {
    let program = on_path(tool_path(), "rsync")?;
    let status = Command::new(program).arg("-a").arg(from).arg(to).status().expect("runs");
    assert!(status.success());
    Some(())
}

/// All files below a folder that have this ending hold the same bytes; how many there are.
pub fn all_alike(folder: &Path, ending: &str) -> usize {
    let mut first: Option<(PathBuf, Vec<u8>)> = None;
    let mut number = 0;
    for entry in walkdir::WalkDir::new(folder) {
        let path = entry.expect("read").into_path();
        if !path.is_file() || !path.to_string_lossy().ends_with(ending) {
            continue;
        }
        let bytes = std::fs::read(&path).expect("read");
        number += 1;
        match &first {
            None => first = Some((path, bytes)),
            Some((other, known)) => assert!(*known == bytes, "{} is not as {}", path.display(), other.display()),
        }
    }
    number
}
