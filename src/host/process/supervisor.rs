//! Runs jobs' processes: starts them, signals them, and reports what becomes of each.
//!
//! For every job the reports come in one order: `Spawned` (or `SpawnFailed`, and then nothing more), any number of `Progress`
//! and `Log`, and `Exited`, once and last. It must not know why a job is started or stopped, nor what its output is for.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Pid;
use tokio::sync::mpsc::UnboundedSender;

use crate::domain::job::{JobId, first_line};
use crate::domain::units::Bytes;
use crate::engine::port::{Input, JobReport};
use crate::host::memory::job_cgroup::JobGroups;
use crate::host::process::log::joblog::{self, LogKeeper, LogReader, log_path};
use crate::host::process::log::ownlines::OwnLine;
use crate::host::process::orphans::ChildRegistry;
use crate::host::process::slots::Reports;
pub use crate::host::process::slots::{Listener, OomCounter, Slots};
use crate::host::process::spawner::{SpawnError, SpawnRequest, restore_sigchld, spawn};
pub use crate::host::process::watch::Planned;
use crate::host::process::watch::{self, Watched};

/// What a supervisor is told at its start.
#[derive(Clone)]
pub struct SupervisorConfig {
    /// Folder of this run's job logs; made when the first is written.
    pub log_dir: PathBuf,
    /// Size cap of one job's log.
    pub max_log: Bytes,
    /// No file that a job writes may grow over this; `None` = no limit. A [`Launch`] may set a smaller one.
    pub max_file: Option<Bytes>,
    /// The out-of-memory kills so far.
    pub oom_kills: OomCounter,
    /// Where jobs get groups of their own; `None` = they stay in ours.
    pub groups: Option<Arc<JobGroups>>,
    /// Where living children are kept on record; `None` = nowhere.
    pub lives: Option<ChildRegistry>,
}

impl SupervisorConfig {
    /// Logs in `log_dir`, 16 MB each; no limit to files; no groups; out-of-memory kills cannot be told.
    pub fn new(log_dir: PathBuf) -> Self {
        Self { log_dir, max_log: Bytes::mib(16), max_file: None, oom_kills: Arc::new(|| None), groups: None, lives: None }
    }
}

impl std::fmt::Debug for SupervisorConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { log_dir, max_log, max_file, oom_kills: _, groups, lives: _ } = self;
        let mut out = f.debug_struct("SupervisorConfig");
        out.field("log_dir", log_dir)
            .field("max_log", max_log)
            .field("max_file", max_file)
            .field("groups", groups)
            .finish_non_exhaustive()
    }
}

/// A process to be run for a job.
#[derive(Debug)]
pub struct Launch {
    /// The program with its arguments, folder and environment; its standard streams and descriptor 3 (progress) are set by
    /// the supervisor.
    pub command: Command,
    /// How long the input plays, for the ratio of the progress.
    pub duration: Option<Duration>,
    /// No file that it writes may grow over this; `None` = as the supervisor was told at its start.
    pub max_file: Option<FileLimit>,
    /// Most memory of its group, where it gets one; `None` = no limit of its own.
    pub memory_limit: Option<Bytes>,
    /// What keeps it to its own files; `None` = nothing does.
    pub sandbox: Option<OwnedFd>,
    /// The picture that the output was planned for; `None` = none is made anew.
    pub planned: Option<Planned>,
    /// The input and its size, for the progress of a film that does not tell how long it is.
    pub input: Option<(PathBuf, u64)>,
    /// Hears what it reports before the engine does.
    pub listener: Option<Box<dyn Listener>>,
}

impl Launch {
    /// Without limits of its own.
    pub const fn new(command: Command, duration: Option<Duration>) -> Self {
        Self { command, duration, max_file: None, memory_limit: None, sandbox: None, planned: None, input: None, listener: None }
    }
}

/// How far a file may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimit {
    /// The largest size.
    pub bytes: Bytes,
    /// It is this low only because of what others hold now: a later try may get further.
    pub may_rise: bool,
}

/// Supervises the processes of all jobs. Dropping it kills them; their `Exited` still comes.
#[derive(Debug)]
pub struct Supervisor {
    config: SupervisorConfig,
    /// The processes, to be signalled.
    pub slots: Arc<Slots>,
    logs: LogKeeper,
}

impl Supervisor {
    /// Starts the thread that writes logs. Reports go to `inputs`.
    pub fn new(config: SupervisorConfig, inputs: UnboundedSender<Input>) -> Result<Self, SpawnError> {
        let faults = inputs.clone();
        let on_fault = Box::new(move |what, detail| drop(faults.send(Input::Fault { what, detail })));
        let logs = LogKeeper::new(on_fault).map_err(SpawnError::Thread)?;
        let slots = Arc::new(Slots::new(inputs, (config.oom_kills)(), config.lives.clone()));
        restore_sigchld();
        Ok(Self { config, slots, logs })
    }

    /// Where the log of a job's try stands, or will.
    pub fn log_path(&self, job: JobId, attempt: u32) -> PathBuf {
        log_path(&self.config.log_dir, job, attempt)
    }

    /// Reads the logs of this run's jobs.
    pub fn log_reader(&self) -> LogReader {
        LogReader::new(self.logs.clone(), self.config.log_dir.clone())
    }

    /// Adds a line of plimsoll's own to the log of a try.
    pub fn log_own(&self, line: OwnLine) {
        self.logs.add(self.log_path(line.job, line.attempt), line.text + "\n");
    }

    /// Waits until the logs are written, at most `at_most`; tells whether they are.
    pub fn flush_logs(&self, at_most: Duration) -> bool {
        self.logs.flush(at_most)
    }

    /// Starts a job's process. Answered by reports.
    pub fn start(&self, job: JobId, attempt: u32, launch: Launch) {
        if !self.slots.begin(job) {
            let what = format!("cannot start job {job} a second time");
            return self.slots.fault(what, "it still runs; its end has to be reported first".to_owned());
        }
        let Launch { command, duration, max_file: own_limit, memory_limit, sandbox, planned, input, listener } = launch;
        let mut reports = Reports { job, slots: Arc::clone(&self.slots), listener };
        let mut log = self.logs.open(self.log_path(job, attempt), self.config.max_log);
        let words = crate::host::media::arguments::shown(&command);
        log.line(joblog::wall_now(), &first_line(job, attempt, &words));
        // The command stands first, before what we say of the start ourselves.
        log.hand_over();
        let oom_kills = Arc::clone(&self.config.oom_kills);
        let overall = self.config.max_file.map(|bytes| FileLimit { bytes, may_rise: false });
        let file_limit = own_limit.into_iter().chain(overall).min_by_key(|limit| limit.bytes);
        let mut request = SpawnRequest { command, max_file: file_limit.map(|limit| limit.bytes), group: None, sandbox };
        let groups = self.config.groups.clone();
        let work = move || {
            let made = groups.map(|groups| groups.make(job, attempt, memory_limit)).and_then(|made| {
                // Without one it runs all the same, and its end is told from the counter of our own group.
                made.inspect_err(|error| tracing::warn!(%job, %error, "no group of its own for the job")).ok()
            });
            request.group = made.as_ref().and_then(|group| group.entrance().ok());
            let oom_before = oom_kills();
            let child = match spawn(request) {
                Ok(child) => child,
                Err(error) => {
                    log.close(joblog::wall_now(), &error.to_string());
                    reports.slots.forget(job);
                    if let Some(group) = made {
                        group.remove();
                    }
                    reports.send(JobReport::SpawnFailed { reason: error.to_string(), transient: error.is_transient() });
                    return;
                }
            };
            if let Some(pid) = Pid::from_raw(child.pid as i32) {
                reports.slots.runs(job, pid);
            }
            reports.send(JobReport::Spawned { pid: child.pid, command: words });
            let may_rise = file_limit.is_some_and(|limit| limit.may_rise);
            let group = made;
            watch::watch(Watched { reports, child, duration, log, oom_kills, oom_before, group, may_rise, planned, input });
        };
        let thread = std::thread::Builder::new().name(format!("job-{job}")).stack_size(512 << 10);
        if let Err(source) = thread.spawn(work) {
            let error = SpawnError::Thread(source);
            self.slots.forget(job);
            self.slots.report(job, JobReport::SpawnFailed { reason: error.to_string(), transient: error.is_transient() });
        }
    }

    /// Gives a running job another memory limit, see [`JobGroups::limit`].
    pub fn limit(&self, job: JobId, limit: Bytes) {
        if let Some(groups) = &self.config.groups {
            groups.limit(job, limit);
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.slots.kill_all();
    }
}

// The tests look at children through /proc.
#[cfg(test)]
#[cfg(target_os = "linux")]
#[path = "supervisor_tests.rs"]
mod tests;
