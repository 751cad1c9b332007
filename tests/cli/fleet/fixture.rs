//! What the tests of a fleet stand on: a queue of their own, and workers that end with the test.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use plimsoll::host::fleet::postgres::PrivatePostgres;
use serde_json::Value;

use crate::postgres;
use crate::support::cage::Cage;
use crate::support::{PATIENCE, Said, World, files_below, say};

/// A queue, a place for the files, and the workers that were started on them.
pub(super) struct Fleet<'w> {
    pub(super) world: &'w World,
    pub(super) postgres: PrivatePostgres,
    /// What all its processes have in their environment: where the files are, and what opens that place.
    pub(super) files: Vec<(&'static str, String)>,
}

/// A worker; it is killed with the test.
pub(super) struct Worker {
    pub(super) child: Child,
    pub(super) log: PathBuf,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Worker {
    pub(super) fn signal(&self, signal: i32) {
        // SAFETY: kill on our own child, which has not been waited for.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0, "the signal is sent");
    }

    /// Tells it to finish what it has and to end, which it does without a fault.
    pub(super) fn drain(self) {
        self.signal(libc::SIGTERM);
        assert_eq!(self.end(), Some(0), "drained");
    }

    /// Waits for its end.
    pub(super) fn end(mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) {
            assert!(Instant::now() < deadline, "the worker goes on: {}", std::fs::read_to_string(&self.log).unwrap_or_default());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.child.wait().expect("ended").code()
    }
}

impl<'w> Fleet<'w> {
    /// With its files in a folder, and a lease of this length; `None` = there is no PostgreSQL, which was told.
    pub(super) fn new(world: &'w World, lease: &str) -> Option<Self> {
        let files = world.path("files").to_string_lossy().into_owned();
        Self::with_files(world, lease, vec![("PLIMSOLL_FILES", files)])
    }

    /// As [`Fleet::new`], with its files where this environment says.
    pub(super) fn with_files(world: &'w World, lease: &str, files: Vec<(&'static str, String)>) -> Option<Self> {
        let fleet = Self { world, postgres: postgres::start()?, files };
        let told = fleet.ok(&["init", "--lease", lease]);
        assert!(told.contains("a fleet was made"), "{told}");
        Some(fleet)
    }

    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command.env("PLIMSOLL_QUEUE", self.postgres.address()).envs(self.files.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(super) fn say(&self, args: &[&str]) -> Said {
        say(self.command(&[&["fleet"], args].concat()))
    }

    pub(super) fn ok(&self, args: &[&str]) -> String {
        let said = self.say(args);
        assert_eq!(said.code, Some(0), "{args:?}: {}{}", said.out, said.err);
        said.out
    }

    pub(super) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).expect("JSON")
    }

    pub(super) fn jobs(&self) -> Vec<Value> {
        self.ok(&["jobs", "--json"]).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    pub(super) fn job(&self, job: i64) -> Value {
        self.jobs().into_iter().find(|row| row["job"] == job).expect("the job")
    }

    /// Waits until a job is as wanted.
    pub(super) fn until(&self, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        self.until_within(PATIENCE, what, wanted)
    }

    /// The same, for longer.
    pub(super) fn until_within(&self, at_most: Duration, what: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + at_most;
        loop {
            let jobs = self.jobs();
            if wanted(&jobs) {
                return jobs;
            }
            assert!(Instant::now() < deadline, "waited too long for: {what}\n{jobs:#?}\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until the box of this name has a job's process.
    pub(super) fn until_it_runs(&self, name: &str) {
        let children = self.world.path(name).join("children");
        let has_one = || std::fs::read_to_string(&children).is_ok_and(|told| told.lines().any(|line| line.starts_with('+')));
        self.until("it runs", |_| has_one());
    }

    pub(super) fn logs(&self) -> String {
        let logs = std::fs::read_dir(self.world.path("work")).expect("a folder").flatten();
        let logs = logs.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "log"));
        logs.fold(String::new(), |told, entry| {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            told + "== " + &entry.file_name().to_string_lossy() + "\n" + &text
        })
    }

    /// Starts a worker with a state folder of its own.
    pub(super) fn worker(&self, name: &str, more: &[&str]) -> Worker {
        self.worker_with(name, more, &[])
    }

    /// A worker with something else in its environment.
    pub(super) fn worker_with(&self, name: &str, more: &[&str], environment: &[(&str, &str)]) -> Worker {
        self.worker_by(name, more, environment, |command| command.spawn().expect("a worker"))
    }

    /// A worker that is kept in a box.
    pub(super) fn worker_in(&self, name: &str, cage: &Cage) -> Worker {
        self.worker_by(name, &[], &[], |command| cage.spawn(command))
    }

    fn worker_by(
        &self,
        name: &str,
        more: &[&str],
        environment: &[(&str, &str)],
        start: impl FnOnce(&mut Command) -> Child,
    ) -> Worker {
        let log = self.world.path(format!("work/{name}.log"));
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log");
        let mut command = self.command(&["worker", "-p", "balanced", "--state-dir"]);
        command.arg(self.world.path(name)).args(more).envs(environment.iter().copied()).stdout(Stdio::null()).stderr(file);
        Worker { child: start(&mut command), log }
    }

    pub(super) fn add(&self, paths: &[PathBuf]) -> Vec<i64> {
        let mut command = self.command(&["fleet", "add", "--json"]);
        command.args(paths);
        let said = say(command);
        assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
        let told: Value = serde_json::from_str(&said.out).expect("JSON");
        told["jobs"].as_array().expect("jobs").iter().map(|job| job.as_i64().expect("a number")).collect()
    }

    /// The outputs in the folder, with what the queue says of their bytes checked.
    pub(super) fn outputs(&self) -> Vec<PathBuf> {
        for job in self.jobs().iter().filter(|job| job["state"] == "done") {
            let file = self.world.path("files").join(job["output"].as_str().expect("a key"));
            let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            assert_eq!(blake3::hash(&bytes).to_hex().as_str(), job["blake3"], "{job}");
        }
        files_below(&self.world.path("files/out"))
    }
}

pub(super) fn all_done(jobs: &[Value]) -> bool {
    jobs.iter().all(|job| job["state"] == "done")
}
