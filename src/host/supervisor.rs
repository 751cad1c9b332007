//! Runs jobs' processes: starts them, signals them, and reports what becomes of each.
//!
//! For every job the reports come in one order: `Spawned` (or `SpawnFailed`, and then nothing more), any number of `Progress`
//! and `Log`, and `Exited`, once and last. It must not know why a job is started or stopped, nor what its output is for.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::mpsc::UnboundedSender;

use super::jobgroup::JobGroups;
use super::joblog::{LogKeeper, LogReader, log_path};
use super::spawner::{SpawnError, SpawnRequest, Spawner};
use super::watch::{self, Watched};
use crate::domain::job::JobId;
use crate::domain::units::Bytes;
use crate::engine::port::{Input, JobReport, StopMode};

/// Reads how often the kernel's out-of-memory killer has struck in the cgroup that jobs run in; `None` where that cannot be told.
pub type OomCounter = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

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
}

impl SupervisorConfig {
    /// Logs in `log_dir`, 16 MB each; no limit to files; no groups; out-of-memory kills cannot be told.
    pub fn new(log_dir: PathBuf) -> Self {
        Self { log_dir, max_log: Bytes::mib(16), max_file: None, oom_kills: Arc::new(|| None), groups: None }
    }
}

impl std::fmt::Debug for SupervisorConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { log_dir, max_log, max_file, oom_kills: _, groups } = self;
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
}

impl Launch {
    /// Without limits of its own.
    pub const fn new(command: Command, duration: Option<Duration>) -> Self {
        Self { command, duration, max_file: None, memory_limit: None }
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

/// A job that has been started and whose end has not been reported.
#[derive(Debug, Default)]
struct Slot {
    /// Its process: there from the moment it runs until it is reaped. A signal is sent only while it is there, under the
    /// table's lock, and reaping takes it away under the same lock: a number that was given to another process is never hit.
    pid: Option<Pid>,
    /// It has been told to end.
    stop: Option<StopMode>,
    /// It is to stand still.
    suspended: bool,
}

/// What the supervisor and the threads of its jobs share.
#[derive(Debug)]
pub(super) struct Shared {
    slots: Mutex<BTreeMap<JobId, Slot>>,
    inputs: UnboundedSender<Input>,
    oom: Mutex<OomLedger>,
}

/// Each out-of-memory kill explains the death of one process: once it is claimed, a later SIGKILL from elsewhere is not
/// blamed on it.
#[derive(Debug, Default)]
struct OomLedger {
    base: Option<u64>,
    claimed: u64,
}

impl OomLedger {
    /// Whether a process that ran while the counter went from `before` to `after`, and got a SIGKILL that we did not send,
    /// was killed for want of memory.
    fn claim(&mut self, before: Option<u64>, after: Option<u64>) -> Option<bool> {
        let (before, after) = (before?, after?);
        let unclaimed = after.saturating_sub(self.base.unwrap_or(before)) > self.claimed;
        let killed = after > before && unclaimed;
        self.claimed += u64::from(killed);
        Some(killed)
    }
}

impl Shared {
    fn slots(&self) -> MutexGuard<'_, BTreeMap<JobId, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a report. When nobody listens any more the run is over and it is lost, as it should be.
    pub(super) fn report(&self, job: JobId, report: JobReport) {
        let _ = self.inputs.send(Input::Job(job, report));
    }

    /// The process runs: what was asked of it meanwhile reaches it now.
    fn runs(&self, job: JobId, pid: Pid) {
        let mut slots = self.slots();
        let slot = slots.entry(job).or_default();
        slot.pid = Some(pid);
        match slot.stop {
            Some(mode) => send_stop(pid, mode),
            None if slot.suspended => signal(pid, Signal::STOP),
            None => {}
        }
    }

    /// Takes the process away from everybody who might signal it and gives it to `reap`, which must not wait for long.
    /// Tells how it had been told to end.
    pub(super) fn reap<T>(&self, job: JobId, reap: impl FnOnce() -> T) -> (T, Option<StopMode>) {
        let mut slots = self.slots();
        let reaped = reap();
        let slot = slots.entry(job).or_default();
        slot.pid = None;
        (reaped, slot.stop)
    }

    /// The job may be started again.
    pub(super) fn forget(&self, job: JobId) {
        self.slots().remove(&job);
    }

    /// See [`OomLedger::claim`].
    pub(super) fn claim_oom_kill(&self, before: Option<u64>, after: Option<u64>) -> Option<bool> {
        self.oom.lock().unwrap_or_else(PoisonError::into_inner).claim(before, after)
    }
}

/// Errors are of no use here: a process that has ended in the same moment is what was wanted.
fn signal(group: Pid, signal: Signal) {
    let _ = kill_process_group(group, signal);
}

fn send_stop(group: Pid, mode: StopMode) {
    match mode {
        StopMode::Term => {
            signal(group, Signal::TERM);
            signal(group, Signal::CONT);
        }
        StopMode::Kill => signal(group, Signal::KILL),
    }
}

/// Supervises the processes of all jobs. Dropping it kills them; their `Exited` still comes.
#[derive(Debug)]
pub struct Supervisor {
    config: SupervisorConfig,
    shared: Arc<Shared>,
    spawner: Spawner,
    logs: LogKeeper,
}

impl Supervisor {
    /// Starts the threads that fork and that write logs. Reports go to `inputs`.
    pub fn new(config: SupervisorConfig, inputs: UnboundedSender<Input>) -> Result<Self, SpawnError> {
        let faults = inputs.clone();
        let on_fault = Box::new(move |what, detail| drop(faults.send(Input::Fault { what, detail })));
        let logs = LogKeeper::new(on_fault).map_err(SpawnError::Thread)?;
        let oom = Mutex::new(OomLedger { base: (config.oom_kills)(), claimed: 0 });
        let shared = Arc::new(Shared { slots: Mutex::default(), inputs, oom });
        Ok(Self { config, shared, spawner: Spawner::new()?, logs })
    }

    /// Where the log of a job's try stands, or will.
    pub fn log_path(&self, job: JobId, attempt: u32) -> PathBuf {
        log_path(&self.config.log_dir, job, attempt)
    }

    /// Reads the logs of this run's jobs.
    pub fn log_reader(&self) -> LogReader {
        LogReader::new(self.logs.clone(), self.config.log_dir.clone())
    }

    /// Waits until the logs are written, at most `at_most`; tells whether they are.
    pub fn flush_logs(&self, at_most: Duration) -> bool {
        self.logs.flush(at_most)
    }

    /// Starts a job's process. Answered by reports.
    pub fn start(&self, job: JobId, attempt: u32, launch: Launch) {
        if self.shared.slots().contains_key(&job) {
            let what = format!("cannot start job {job} a second time");
            let detail = "it still runs; its end has to be reported first".to_owned();
            let _ = self.shared.inputs.send(Input::Fault { what, detail });
            return;
        }
        self.shared.slots().insert(job, Slot::default());

        let Launch { command, duration, max_file: own_limit, memory_limit } = launch;
        let shared = Arc::clone(&self.shared);
        let spawner = self.spawner.clone();
        let mut log = self.logs.open(self.log_path(job, attempt), self.config.max_log);
        let words = super::arguments::shown(&command);
        log.line(super::joblog::wall_now(), &format!("job {job}, try {attempt}: {words}"));
        let oom_kills = Arc::clone(&self.config.oom_kills);
        let overall = self.config.max_file.map(|bytes| FileLimit { bytes, may_rise: false });
        let file_limit = own_limit.into_iter().chain(overall).min_by_key(|limit| limit.bytes);
        let mut request = SpawnRequest { job, command, max_file: file_limit.map(|limit| limit.bytes), group: None };
        let groups = self.config.groups.clone();
        let work = move || {
            let made = groups.map(|groups| groups.make(job, attempt, memory_limit)).and_then(|made| {
                // Without one it runs all the same, and its end is told from the counter of our own group.
                made.inspect_err(|error| tracing::warn!(%job, %error, "no group of its own for the job")).ok()
            });
            request.group = made.as_ref().and_then(|group| group.entrance().ok());
            let oom_before = oom_kills();
            let (answer, answered) = mpsc::sync_channel(1);
            spawner.spawn(request, move |result| drop(answer.send(result)));
            // The spawner must be able to end while jobs still run.
            drop(spawner);
            let child = match answered.recv().unwrap_or(Err(SpawnError::Gone)) {
                Ok(child) => child,
                Err(error) => {
                    log.close(super::joblog::wall_now(), &error.to_string());
                    shared.forget(job);
                    if let Some(group) = made {
                        group.remove();
                    }
                    shared.report(job, JobReport::SpawnFailed { reason: error.to_string(), transient: error.is_transient() });
                    return;
                }
            };
            if let Some(pid) = Pid::from_raw(child.pid as i32) {
                shared.runs(job, pid);
            }
            shared.report(job, JobReport::Spawned { pid: child.pid, command: words });
            let may_rise = file_limit.is_some_and(|limit| limit.may_rise);
            watch::watch(Watched { job, child, duration, shared, log, oom_kills, oom_before, group: made, may_rise });
        };
        let thread = std::thread::Builder::new().name(format!("job-{job}")).stack_size(512 << 10);
        if let Err(source) = thread.spawn(work) {
            let error = SpawnError::Thread(source);
            self.shared.forget(job);
            self.shared.report(job, JobReport::SpawnFailed { reason: error.to_string(), transient: error.is_transient() });
        }
    }

    /// Tells a job's processes to end. Nothing happens if there are none; one that is being started is told once it runs.
    pub fn stop(&self, job: JobId, mode: StopMode) {
        if let Some(slot) = self.shared.slots().get_mut(&job) {
            if slot.stop != Some(StopMode::Kill) {
                slot.stop = Some(mode);
            }
            slot.suspended = false;
            if let Some(pid) = slot.pid {
                send_stop(pid, mode);
            }
        }
    }

    /// Makes a job's processes stand still (SIGSTOP). Their memory stays.
    pub fn suspend(&self, job: JobId) {
        if let Some(slot) = self.shared.slots().get_mut(&job)
            && slot.stop.is_none()
        {
            slot.suspended = true;
            if let Some(pid) = slot.pid {
                signal(pid, Signal::STOP);
            }
        }
    }

    /// Lets them go on (SIGCONT).
    pub fn resume(&self, job: JobId) {
        if let Some(slot) = self.shared.slots().get_mut(&job) {
            slot.suspended = false;
            if let Some(pid) = slot.pid {
                signal(pid, Signal::CONT);
            }
        }
    }

    /// The jobs whose process runs or has ended without being reaped yet, with its number.
    pub fn running(&self) -> Vec<(JobId, u32)> {
        let slots = self.shared.slots();
        slots.iter().filter_map(|(job, slot)| slot.pid.map(|pid| (*job, pid.as_raw_nonzero().get() as u32))).collect()
    }

    /// Kills the processes of all jobs, at once.
    pub fn kill_all(&self) {
        for slot in self.shared.slots().values_mut() {
            slot.stop = Some(StopMode::Kill);
            if let Some(pid) = slot.pid {
                send_stop(pid, StopMode::Kill);
            }
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.kill_all();
    }
}

// The tests look at children through /proc.
#[cfg(test)]
#[cfg(target_os = "linux")]
#[path = "supervisor_tests.rs"]
mod tests;
