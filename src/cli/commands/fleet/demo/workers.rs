//! The workers of the demonstration: each a process of its own, held to its memory, gone when the demonstration is.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use color_eyre::eyre::{Context as _, Result};

use crate::domain::units::Bytes;
use crate::host::compare::run_group::{RunGroup, RunGroups};
use crate::host::memory::cgroup::Roots;
use crate::host::process::lifeline::end_with_parent;

/// Memory that each worker may use.
pub const BUDGET: Bytes = Bytes::mib(600);

/// What all of them are given.
pub struct Given {
    /// Where their state folders and logs are, and the files of the fleet.
    pub folder: PathBuf,
    pub queue: String,
    pub ffmpeg: PathBuf,
}

impl Given {
    /// The store of the fleet.
    pub fn files(&self) -> PathBuf {
        self.folder.join("files")
    }
}

/// All of them, by their names.
pub struct Workers {
    running: BTreeMap<&'static str, Running>,
    started: u32,
    groups: Option<RunGroups>,
    /// What keeps them to their memory, in words.
    pub held_by: String,
}

/// A worker; it is killed when this is dropped, then its group goes.
struct Running {
    process: Child,
    _group: Option<RunGroup>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Workers {
    /// None yet.
    pub fn new() -> Self {
        let (groups, held_by) = match RunGroups::open(&Roots::default()) {
            Ok(groups) => (Some(groups), "each in a memory group of its own".to_owned()),
            Err(why) => (None, format!("held by their budget alone: {why}")),
        };
        Self { running: BTreeMap::new(), started: 0, groups, held_by }
    }

    /// Starts one. It ends with the thread that calls this.
    pub fn start(&mut self, name: &'static str, given: &Given) -> Result<()> {
        let log = std::fs::File::create(given.folder.join(format!("{name}.log"))).wrap_err("cannot write a log")?;
        let mut command = Command::new(crate::cli::own_program()?);
        command.args(["worker", "--profile", "balanced", "--state-dir"]).arg(given.folder.join(name));
        command.arg("--ffmpeg").arg(&given.ffmpeg).arg("--budget").arg(BUDGET.0.to_string());
        command.env("PLIMSOLL_QUEUE", &given.queue).env("PLIMSOLL_FILES", given.files());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // Ctrl-C is for the demonstration, which ends them. Without it there is no queue that they could drain for.
        command.process_group(0);
        end_with_parent(&mut command, libc::SIGKILL);
        self.started += 1;
        let group = self.groups.as_ref().map(|groups| groups.make(self.started, Some(BUDGET))).transpose();
        let group = group.wrap_err("cannot make a memory group for a worker")?;
        if let Some(group) = &group {
            group.holds(&mut command).wrap_err("cannot open the memory group of a worker")?;
        }
        let process = command.spawn().wrap_err("cannot start a worker")?;
        self.running.insert(name, Running { process, _group: group });
        Ok(())
    }

    /// Kills the one whose box this is, as a machine that has lost its power; its name.
    pub fn kill(&mut self, r#box: &str) -> Option<&'static str> {
        let name = self.running.keys().find(|name| r#box.ends_with(&format!("/{name}"))).copied()?;
        self.running.remove(name);
        Some(name)
    }

    /// None is left.
    pub fn have_ended(&mut self) -> bool {
        self.running.values_mut().all(|worker| !matches!(worker.process.try_wait(), Ok(None)))
    }

    /// Everything that they have said.
    pub fn logs(folder: &Path) -> String {
        let logs = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let logs = logs.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "log"));
        logs.map(|entry| std::fs::read_to_string(entry.path()).unwrap_or_default()).collect()
    }
}
