//! The jobs whose processes run, as the supervisor and the threads that watch them share it: who may be signalled, who was
//! told to end, and which kill for want of memory explains whose death.
//!
//! It must not know how processes are started or watched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::mpsc::UnboundedSender;

use crate::domain::job::JobId;
use crate::engine::port::{Input, JobReport, StopMode};
use crate::host::process::orphans::ChildRegistry;

/// Reads how often the kernel's out-of-memory killer has struck in the cgroup that jobs run in; `None` where that cannot be told.
pub type OomCounter = Arc<dyn Fn() -> Option<u64> + Send + Sync>;

/// Hears what a job reports before the engine does, on the job's thread.
pub trait Listener: std::fmt::Debug + Send {
    fn on_report(&mut self, report: &JobReport);
}

/// Where the reports of one job go.
pub(in crate::host) struct Reports {
    pub(in crate::host) job: JobId,
    pub(in crate::host) slots: Arc<Slots>,
    pub(in crate::host) listener: Option<Box<dyn Listener>>,
}

impl Reports {
    pub(in crate::host) fn send(&mut self, report: JobReport) {
        if let Some(listener) = &mut self.listener {
            listener.on_report(&report);
        }
        self.slots.report(self.job, report);
    }
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
pub struct Slots {
    all: Mutex<BTreeMap<JobId, Slot>>,
    inputs: UnboundedSender<Input>,
    oom: Mutex<OomLedger>,
    lives: Option<ChildRegistry>,
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

impl Slots {
    /// Reports go to `inputs`; `oom_kills` have been counted so far.
    pub(in crate::host) fn new(inputs: UnboundedSender<Input>, oom_kills: Option<u64>, lives: Option<ChildRegistry>) -> Self {
        Self { all: Mutex::default(), inputs, oom: Mutex::new(OomLedger { base: oom_kills, claimed: 0 }), lives }
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<JobId, Slot>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a report. When nobody listens any more the run is over and it is lost, as it should be.
    pub(in crate::host) fn report(&self, job: JobId, report: JobReport) {
        let _ = self.inputs.send(Input::Job(job, report));
    }

    /// Tells of a trouble that belongs to no job.
    pub(in crate::host) fn fault(&self, what: String, detail: String) {
        let _ = self.inputs.send(Input::Fault { what, detail });
    }

    /// A job is being started; false if it still runs.
    pub(in crate::host) fn begin(&self, job: JobId) -> bool {
        let mut slots = self.slots();
        !slots.contains_key(&job) && slots.insert(job, Slot::default()).is_none()
    }

    /// The process runs: what was asked of it meanwhile reaches it now.
    pub(in crate::host) fn runs(&self, job: JobId, pid: Pid) {
        if let Some(lives) = &self.lives {
            lives.begun(pid.as_raw_nonzero().get() as u32);
        }
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
    pub(in crate::host) fn reap<T>(&self, job: JobId, reap: impl FnOnce() -> T) -> (T, Option<StopMode>) {
        let mut slots = self.slots();
        let reaped = reap();
        let slot = slots.entry(job).or_default();
        if let (Some(pid), Some(lives)) = (slot.pid.take(), &self.lives) {
            lives.ended(pid.as_raw_nonzero().get() as u32);
        }
        (reaped, slot.stop)
    }

    /// Tells a job's processes to end. Nothing happens if there are none; one that is being started is told once it runs.
    pub fn stop(&self, job: JobId, mode: StopMode) {
        if let Some(slot) = self.slots().get_mut(&job) {
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
        if let Some(slot) = self.slots().get_mut(&job)
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
        if let Some(slot) = self.slots().get_mut(&job) {
            slot.suspended = false;
            if let Some(pid) = slot.pid {
                signal(pid, Signal::CONT);
            }
        }
    }

    /// The jobs whose process runs or has ended without being reaped yet, with its number.
    pub fn running(&self) -> Vec<(JobId, u32)> {
        let slots = self.slots();
        slots.iter().filter_map(|(job, slot)| slot.pid.map(|pid| (*job, pid.as_raw_nonzero().get() as u32))).collect()
    }

    /// Kills the processes of all jobs, at once.
    pub fn kill_all(&self) {
        for slot in self.slots().values_mut() {
            slot.stop = Some(StopMode::Kill);
            if let Some(pid) = slot.pid {
                send_stop(pid, StopMode::Kill);
            }
        }
    }

    /// The job may be started again.
    pub(in crate::host) fn forget(&self, job: JobId) {
        self.slots().remove(&job);
    }

    /// See [`OomLedger::claim`].
    pub(in crate::host) fn claim_oom_kill(&self, before: Option<u64>, after: Option<u64>) -> Option<bool> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_out_of_memory_kill_explains_one_death() {
        let mut ledger = OomLedger { base: Some(10), claimed: 0 };
        assert_eq!(ledger.claim(Some(10), Some(11)), Some(true));
        assert_eq!(ledger.claim(Some(10), Some(11)), Some(false), "a neighbour killed by hand in the same span");
        assert_eq!(ledger.claim(Some(11), Some(11)), Some(false), "a job that started after the kill");
        assert_eq!(ledger.claim(Some(11), Some(12)), Some(true));
        assert_eq!(ledger.claim(None, Some(12)), None);
    }
}
