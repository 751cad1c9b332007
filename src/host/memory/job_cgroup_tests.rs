//! Real v1 groups where they can be made; v2 in recorded trees, which say what is written and not what the kernel does.

use std::process::Command;

use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::domain::job::Exit;
use crate::engine::port::{ExitReport, Input, JobReport};
use crate::host::memory::cgroup::tests::Tree;
use crate::host::process::spawner::{self, SpawnRequest, SpawnedChild};
use crate::host::process::supervisor::{Launch, Supervisor, SupervisorConfig};

fn real() -> Option<JobGroups> {
    match JobGroups::open(&Roots::default()) {
        Ok(groups) if groups.own.version == Version::V1 => Some(groups),
        other => {
            crate::host::skip::skip(crate::host::skip::MEMORY_GROUP, format!("no v1 groups: {other:?}"));
            None
        }
    }
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

/// Supervises with these groups until all `jobs` have ended.
fn ends(groups: JobGroups, jobs: Vec<(u64, Launch)>) -> Vec<(u64, ExitReport)> {
    let dir = tempfile::tempdir().expect("works");
    let (sender, mut inputs) = unbounded_channel();
    let config = SupervisorConfig { groups: Some(Arc::new(groups)), ..SupervisorConfig::new(dir.path().to_owned()) };
    let supervisor = Supervisor::new(config, sender).expect("works");
    let mut left = jobs.len();
    for (job, launch) in jobs {
        supervisor.start(JobId(job), 1, launch);
    }
    let mut exits = Vec::new();
    while left > 0 {
        match inputs.blocking_recv().expect("works") {
            Input::Job(job, JobReport::Exited(report)) => {
                exits.push((job.0, report));
                left -= 1;
            }
            Input::Job(_, JobReport::SpawnFailed { reason, .. }) => panic!("{reason}"),
            _ => {}
        }
    }
    exits
}

/// A process that runs until it is told to end, in this group, as long as the calling thread lives.
fn spawn(command: Command, group: Option<File>) -> SpawnedChild {
    spawner::spawn(SpawnRequest { command, max_file: None, group, sandbox: None }).expect("works")
}

fn end(child: &SpawnedChild) {
    // SAFETY: our own child, not reaped yet.
    unsafe {
        libc::kill(child.pid as libc::pid_t, libc::SIGKILL);
        libc::waitpid(child.pid as libc::pid_t, std::ptr::null_mut(), 0);
    }
}

#[test]
fn a_kill_in_a_jobs_own_group_is_certain_and_the_kernels_own_killer_is_told_from_anothers() {
    let Some(groups) = real() else { return };
    let limited = Launch { memory_limit: Some(Bytes::mib(24)), ..Launch::new(sh("exec tail -n 1 /dev/zero"), None) };
    // Killed by somebody while its neighbour runs out of memory: not to be blamed on that.
    let shot = Launch::new(sh("kill -KILL $$"), None);
    let exits = ends(groups, vec![(1, limited), (2, shot)]);
    for (job, exit) in exits {
        assert_eq!((exit.exit, exit.oom_killed), (Exit::Signal(libc::SIGKILL), Some(job == 1)), "job {job}");
    }
}

#[test]
fn a_job_is_in_its_group_before_its_program_runs_and_the_group_goes_with_it() {
    let Some(groups) = real() else { return };
    let group = groups.make(JobId(7), 3, Some(Bytes::mib(64))).unwrap();
    let dir = group.dir().to_owned();
    assert!(dir.ends_with("job-7.3"));
    assert_eq!(fs::read_to_string(dir.join("memory.limit_in_bytes")).unwrap().trim(), (64 << 20).to_string());
    let child = spawn(sh("kill -STOP $$"), Some(group.entrance().unwrap()));
    assert!(child.in_group);
    assert_eq!(fs::read_to_string(dir.join("cgroup.procs")).unwrap().trim(), child.pid.to_string());
    let twin = groups.make(JobId(7), 3, None).unwrap();
    assert_ne!(twin.dir(), dir, "a try whose group is still there gets another");
    twin.remove();
    end(&child);
    group.remove();
    assert!(!dir.exists());
    let base = groups.base.clone();
    drop(groups);
    assert!(!base.exists(), "nothing stays");
}

#[test]
fn a_group_that_lets_nobody_in_costs_the_job_nothing_but_the_group() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = spawn(sh("kill -STOP $$"), Some(full));
    assert!(!child.in_group);
    end(&child);
}

#[test]
fn what_a_dead_plimsoll_left_is_removed_and_what_a_living_one_has_stays() {
    let Some(groups) = real() else { return };
    let mut dead = sh("exit 0").spawn().unwrap();
    dead.wait().unwrap();
    let leftover = groups.own.dir.join(format!("{PREFIX}{}", dead.id()));
    fs::create_dir_all(leftover.join("job-1.1")).unwrap();
    let living = groups.own.dir.join(format!("{PREFIX}1"));
    fs::create_dir(&living).unwrap();
    let second = JobGroups::open(&Roots::default()).unwrap();
    let (is_gone, stays) = (!leftover.exists(), living.exists());
    fs::remove_dir(&living).unwrap();
    assert!(is_gone && stays);
    drop(second);
    // Somebody has tidied up who cannot see that we live.
    fs::remove_dir(&groups.base).unwrap();
    groups.make(JobId(1), 1, None).unwrap().remove();
}

/// v2: our group with one process in it, and what the kernel would put into the groups below.
fn v2(procs: &str) -> Tree {
    let tree = Tree::new(24_000);
    tree.write("proc/self/cgroup", "0::/box\n");
    tree.write("proc/self/mountinfo", "31 22 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    tree.write("sys/fs/cgroup/box/cgroup.procs", procs);
    tree.write("sys/fs/cgroup/box/cgroup.controllers", "cpu memory pids\n");
    tree
}

#[test]
fn v2_memory_control_is_handed_on_and_a_job_gets_both_limits_and_dies_as_one() {
    let tree = v2("1\n");
    let groups = JobGroups::open(&tree.roots()).unwrap();
    let base = groups.base.clone();
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    assert_eq!(read(&tree.path("sys/fs/cgroup/box/cgroup.subtree_control")), "+memory");
    assert_eq!(read(&base.join("cgroup.subtree_control")), "+memory");
    // What the kernel would put into the folder as it is made.
    let dir = base.join("job-4.1");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("cgroup.procs"), "").unwrap();
    fs::write(dir.join("memory.events"), "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\noom_group_kill 1\n").unwrap();
    let (procs, kills) = open_group(&dir, Version::V2).unwrap();
    let mut group = JobGroup { version: Version::V2, dir: dir.clone(), procs, kills, limited: Limited::default() };
    put_limit(group.version, &group.dir, Bytes::mib(160)).unwrap();
    let limit = |file: &str| read(&dir.join(file));
    assert_eq!(limit("memory.max"), (160 << 20).to_string());
    assert_eq!(limit("memory.high"), (150 << 20).to_string());
    assert_eq!(limit("memory.oom.group"), "1");
    assert_eq!(group.kills(), Some(2), "oom and max are no deaths");
}

#[test]
fn v2_only_whoever_is_alone_in_a_group_may_move_out_of_it() {
    let me = std::process::id();
    for (procs, alone) in [(format!("{me}\n"), true), (format!("1\n{me}\n"), false), ("0\n".to_owned(), false)] {
        let tree = v2(&procs);
        assert_eq!(is_alone(&tree.path("sys/fs/cgroup/box")), alone, "{procs:?}");
        let own = cgroup::find(&tree.roots()).unwrap();
        tree.write("sys/fs/cgroup/box/cgroup.subtree_control", "");
        match examine(&own) {
            Ok(()) => assert!(alone),
            Err(why) => assert!(!alone && why.to_string().contains("other processes live in it"), "{why}"),
        }
    }
}

#[test]
fn v2_without_the_memory_controller_says_so() {
    let tree = v2("1\n");
    tree.write("sys/fs/cgroup/box/cgroup.controllers", "hugetlb\n");
    let why = examine(&cgroup::find(&tree.roots()).unwrap()).unwrap_err().to_string();
    assert!(why.contains("it has none itself"), "{why}");
}

#[test]
fn v1_without_hierarchy_gets_no_groups_for_their_memory_would_escape_the_limit() {
    let tree = Tree::new(24_000);
    tree.write("proc/self/cgroup", "4:memory:/\n");
    tree.write("proc/self/mountinfo", "35 31 0:32 / /cg rw - cgroup cgroup rw,memory\n");
    tree.write("cg/memory.use_hierarchy", "0\n");
    let why = JobGroups::open(&tree.roots()).unwrap_err();
    assert!(matches!(why, NoGroups::Flat(_)), "{why}");
    assert_eq!(fs::read_dir(tree.path("cg")).unwrap().count(), 1, "nothing is made");
}
