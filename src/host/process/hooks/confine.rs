//! How much of the machine a hook gets: memory, descriptors, processes. Not what it may touch: it is the operator's own program,
//! with the operator's rights.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::Arc;

use crate::domain::units::Bytes;
use crate::host::memory::job_cgroup::{JobGroup, JobGroups};
use crate::host::process::child::{ChildSetup, Limits};

/// The part of the memory budget that one hook may have. Four run at a time.
const SHARE: u64 = 8;
/// The most and the least of it: curl takes 15 MB, a Python program that speaks TLS and mail 25 MB.
const MOST: Bytes = Bytes::mib(256);
const LEAST: Bytes = Bytes::mib(64);
/// Without a group the kernel counts what is mapped to be written, stacks of threads included, and not what is in use.
const MAPPED: u64 = 4;
/// Open files of a hook.
const FILES: u64 = 1024;
/// Processes that hooks may start beside all that are there.
const PROCESSES: u64 = 256;

/// What hooks are held to.
#[derive(Debug, Clone)]
pub(in crate::host) struct Confinement {
    groups: Option<Arc<JobGroups>>,
    memory: Bytes,
}

impl Confinement {
    /// Each in a group of its own where there are groups, with a part of `budget`.
    pub(in crate::host) fn new(groups: Option<Arc<JobGroups>>, budget: Bytes) -> Self {
        Self { groups, memory: Bytes(budget.0 / SHARE).clamp(LEAST, MOST) }
    }

    /// Some may get groups.
    pub(super) const fn has_groups(&self) -> bool {
        self.groups.is_some()
    }

    /// The same without groups.
    pub(super) const fn without_groups(&self) -> Self {
        Self { groups: None, memory: self.memory }
    }

    /// What one of them may hold.
    pub(super) const fn memory(&self) -> Bytes {
        self.memory
    }

    /// Sets a command up to start confined.
    pub(super) fn apply_to(&self, command: &mut Command) -> Confined {
        let made = self.groups.as_ref().map(|groups| groups.make_helper("hook", self.memory));
        let group = made.and_then(|made| {
            let opened = made.and_then(|group| Ok((group.entrance()?, group)));
            opened.inspect_err(|error| tracing::warn!(%error, "no memory group of its own for a hook")).ok()
        });
        let (entrance, group): (Option<File>, _) = group.unzip();
        let setup = ChildSetup {
            parent: std::process::id() as libc::pid_t,
            progress: None,
            third: None,
            limits: Limits {
                data: group.is_none().then_some(self.memory.0 * MAPPED),
                files: Some(FILES),
                processes: threads_of_all().map(|there| there + PROCESSES),
                ..Limits::default()
            },
            group: entrance.as_ref().map(AsRawFd::as_raw_fd),
            sandbox: None,
        };
        // SAFETY: `apply` makes only calls that are safe between fork and exec, as its module says. The entrance stays open as
        // long as the command is there.
        unsafe {
            command.pre_exec(move || {
                let _open = &entrance;
                setup.apply()
            });
        }
        Confined(group)
    }
}

/// A hook that was set up.
pub(super) struct Confined(Option<JobGroup>);

impl Confined {
    /// After its end: ends what it has left running in its group. Tells whether the kernel killed there for want of memory.
    pub(super) fn end(self) -> bool {
        let Some(mut group) = self.0 else { return false };
        let was_killed = group.kills().is_some_and(|kills| kills > 0);
        group.remove();
        was_killed
    }
}

/// Threads on this machine: no user has more.
fn threads_of_all() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/loadavg").ok()?;
    told.split_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
}
