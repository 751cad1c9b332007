//! Recorded machines of every kind, and real v1 groups where they can be made.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::*;
use crate::domain::units::MIB;

/// A recorded machine in a folder of its own.
pub struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    /// A bare host with `mib` MB of memory.
    pub fn new(mib: u64) -> Self {
        let tree = Self { dir: tempfile::tempdir().expect("tempdir") };
        let total = mib * 1024;
        let free = total / 2;
        let meminfo = format!(
            "MemTotal: {total} kB\nMemFree: {free} kB\nMemAvailable: {} kB\nActive(file): 1024 kB\nInactive(file): 2048 kB\n",
            free + 3072
        );
        tree.write("proc/meminfo", &meminfo);
        tree.write("proc/self/mountinfo", "22 1 0:21 / /proc rw - proc proc rw\n");
        tree.write("proc/self/cgroup", "");
        tree
    }

    pub fn roots(&self) -> Roots {
        Roots::under(self.dir.path())
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    pub fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("has a parent")).expect("makes folders");
        std::fs::write(path, text).expect("writes");
        self
    }

    fn limit(&self) -> Option<Limit> {
        find(&self.roots()).expect("a cgroup is found").limit(crate::host::memory::machine::total(&self.roots()))
    }
}

const V1_NONE: &str = "9223372036854771712\n";

/// v2, two levels down; the upper one is limited to 2 GB and holds 700 MB, of which 650 can be dropped or nearly so.
pub fn v2_with_a_limited_ancestor() -> Tree {
    let tree = Tree::new(24_000);
    tree.write("proc/self/cgroup", "0::/box/inner\n");
    tree.write(
        "proc/self/mountinfo",
        "22 1 0:21 / /proc rw - proc proc rw\n31 22 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
    );
    for (group, limit) in [("box", "2147483648\n"), ("box/inner", "max\n")] {
        let base = format!("sys/fs/cgroup/{group}");
        tree.write(&format!("{base}/memory.max"), limit);
        tree.write(&format!("{base}/memory.current"), &format!("{}\n", 700 * MIB));
        let stat = format!(
            "anon {}\nfile {}\nactive_file {}\ninactive_file {}\nslab_reclaimable {}\n",
            40 * MIB,
            600 * MIB,
            200 * MIB,
            400 * MIB,
            50 * MIB
        );
        tree.write(&format!("{base}/memory.stat"), &stat);
        tree.write(&format!("{base}/memory.events"), "low 0\nhigh 0\nmax 40\noom 9\noom_kill 2\noom_group_kill 0\n");
    }
    tree.write("sys/fs/cgroup/memory.stat", "anon 1\n");
    tree
}

/// v1, in the group `/box/inner` seen from outside, with this limit on each level.
fn v1(inner: &str, outer: &str) -> Tree {
    let tree = Tree::new(24_000);
    tree.write("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/box/inner\n0::/\n");
    tree.write(
        "proc/self/mountinfo",
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n35 31 0:32 / /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,cpu,memory\n",
    );
    for (group, limit) in [("", V1_NONE), ("/box", outer), ("/box/inner", inner)] {
        let base = format!("sys/fs/cgroup/memory{group}");
        tree.write(&format!("{base}/memory.limit_in_bytes"), limit);
        tree.write(&format!("{base}/memory.usage_in_bytes"), &format!("{}\n", 700 * MIB));
        let stat = format!("active_file 1\ninactive_file 1\ntotal_inactive_file {}\ntotal_active_file {}\n", 400 * MIB, 200 * MIB);
        tree.write(&format!("{base}/memory.stat"), &stat);
        tree.write(&format!("{base}/memory.oom_control"), "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
    }
    tree
}

#[test]
fn v2_the_smallest_limit_of_all_ancestors_binds() {
    let tree = v2_with_a_limited_ancestor();
    let limit = tree.limit().expect("is limited");
    assert_eq!(limit.bytes, Bytes::mib(2048));
    assert_eq!(limit.file, tree.path("sys/fs/cgroup/box/memory.max"));
    tree.write("sys/fs/cgroup/box/inner/memory.max", "1073741824\n");
    let limit = tree.limit().expect("is limited");
    assert_eq!((limit.bytes, limit.group), (Bytes::gib(1), tree.path("sys/fs/cgroup/box/inner")));
}

#[test]
fn v2_hard_leaves_out_file_cache_and_reclaimable_slab() {
    let tree = v2_with_a_limited_ancestor();
    let own = find(&tree.roots()).expect("found");
    let mut reader = GroupReader::open(&own, &tree.path("sys/fs/cgroup/box")).expect("opens");
    let sums = reader.sums().expect("reads");
    let expected = Sums { usage: Bytes::mib(700), working_set: Bytes::mib(300), hard: Bytes::mib(50), file_cache: Bytes::mib(600) };
    assert_eq!(sums, expected);
    assert_eq!(reader.oom_kills(), Some(2), "oom and max are no deaths");
}

#[test]
fn v2_at_the_root_has_no_limit_and_is_treated_as_the_machine() {
    let tree = v2_with_a_limited_ancestor();
    tree.write("proc/self/cgroup", "0::/\n");
    let own = find(&tree.roots()).expect("found");
    assert_eq!(own.dir, tree.path("sys/fs/cgroup"));
    assert_eq!(tree.limit(), None);
}

#[test]
fn v2_in_a_namespace_the_mount_point_is_our_own_group() {
    let tree = v2_with_a_limited_ancestor();
    tree.write("proc/self/cgroup", "0::/\n").write("sys/fs/cgroup/memory.max", "536870912\n");
    assert_eq!(tree.limit().map(|limit| limit.bytes), Some(Bytes::mib(512)));
}

#[test]
fn v1_huge_numbers_are_no_limit() {
    for none in [V1_NONE, "9223372036854775807\n", "18446744073709551615\n", "18446744073709547520\n"] {
        assert_eq!(v1(none, none).limit(), None, "{none}");
    }
    let total = format!("{}\n", 24_000 * MIB);
    assert_eq!(v1(&total, V1_NONE).limit(), None, "a limit of all there is limits nothing");
}

#[test]
fn v1_the_limit_of_an_ancestor_binds_and_totals_are_read() {
    let tree = v1(V1_NONE, "536870912\n");
    let limit = tree.limit().expect("is limited");
    assert_eq!(limit.bytes, Bytes::mib(512));
    assert_eq!(limit.file, tree.path("sys/fs/cgroup/memory/box/memory.limit_in_bytes"));
    let own = find(&tree.roots()).expect("found");
    let mut reader = GroupReader::open(&own, &limit.group).expect("opens");
    let expected =
        Sums { usage: Bytes::mib(700), working_set: Bytes::mib(300), hard: Bytes::mib(100), file_cache: Bytes::mib(600) };
    assert_eq!(reader.sums().expect("reads"), expected);
    assert_eq!(reader.oom_kills(), Some(2), "one in the ancestor, one in our own group; not the root's");
}

#[test]
fn v1_a_limit_out_of_sight_is_told_by_the_kernel() {
    let tree = v1(V1_NONE, V1_NONE);
    tree.write(
        "sys/fs/cgroup/memory/box/inner/memory.stat",
        "hierarchical_memory_limit 268435456\ntotal_active_file 0\ntotal_inactive_file 0\n",
    );
    let limit = tree.limit().expect("is limited");
    assert_eq!(limit.bytes, Bytes::mib(256));
    assert!(limit.file.ends_with("box/inner/memory.stat"));
}

#[test]
fn v1_a_container_that_sees_only_its_own_part_finds_itself() {
    let tree = v1(V1_NONE, V1_NONE);
    tree.write("proc/self/cgroup", "4:memory:/docker/abc/inner\n");
    tree.write("proc/self/mountinfo", "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
    tree.write("sys/fs/cgroup/memory/inner/memory.limit_in_bytes", V1_NONE);
    tree.write("sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n");
    let own = find(&tree.roots()).expect("found");
    assert_eq!(own.dir, tree.path("sys/fs/cgroup/memory/inner"));
    assert_eq!(tree.limit().map(|limit| limit.bytes), Some(Bytes::mib(128)));
}

#[test]
fn a_group_outside_our_namespace_falls_back_to_what_is_mounted() {
    let tree = v1(V1_NONE, V1_NONE);
    tree.write("proc/self/cgroup", "4:memory:/../../elsewhere\n")
        .write("sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n");
    assert_eq!(find(&tree.roots()).expect("found").dir, tree.path("sys/fs/cgroup/memory"));
    assert_eq!(tree.limit().map(|limit| limit.bytes), Some(Bytes::mib(128)));
}

#[test]
fn in_a_hybrid_the_hierarchy_with_the_memory_controller_wins() {
    let tree = v1(V1_NONE, "536870912\n");
    let mounts = std::fs::read_to_string(tree.path("proc/self/mountinfo")).expect("reads");
    tree.write("proc/self/mountinfo", &format!("41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n{mounts}"));
    tree.write("sys/fs/cgroup/unified/cgroup.controllers", "");
    assert_eq!(find(&tree.roots()).expect("found").version, Version::V1);
    assert_eq!(tree.limit().map(|limit| limit.bytes), Some(Bytes::mib(512)));
    // The same with memory on the unified side: the v1 mounts hold other controllers.
    let tree = v2_with_a_limited_ancestor();
    let mounts = std::fs::read_to_string(tree.path("proc/self/mountinfo")).expect("reads");
    tree.write("proc/self/mountinfo", &format!("33 31 0:30 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n{mounts}"));
    tree.write("proc/self/cgroup", "3:cpu:/\n0::/box/inner\n");
    assert_eq!(find(&tree.roots()).expect("found").version, Version::V2);
    assert_eq!(tree.limit().map(|limit| limit.bytes), Some(Bytes::gib(2)));
}

#[test]
fn a_bare_host_has_no_group() {
    assert_eq!(find(&Tree::new(1024).roots()), None);
}

#[test]
fn escaped_mount_points_and_groups_that_are_gone_are_understood() {
    let tree = Tree::new(24_000);
    tree.write("proc/self/cgroup", "0::/gone/group (deleted)\n");
    tree.write("proc/self/mountinfo", "31 22 0:27 / /my\\040cg\\134x rw - cgroup2 cgroup2 rw\n");
    tree.write("my cg\\x/gone/memory.max", "268435456\n");
    assert_eq!(tree.limit().map(|limit| limit.file), Some(tree.path("my cg\\x/gone/memory.max")));
}

#[test]
fn nonsense_in_foreign_files_is_skipped() {
    let tree = Tree::new(24_000);
    tree.write("proc/self/cgroup", "\n:::\nx\n0::/a\n")
        .write("proc/self/mountinfo", "\n- \n1 2 3 - cgroup2\n- cgroup a\n1 2 3 / - cgroup\n");
    assert_eq!(find(&tree.roots()), None);
}

#[test]
fn pressure_is_read_from_the_group_else_from_the_machine_else_not_at_all() {
    let tree = v2_with_a_limited_ancestor();
    let group = tree.path("sys/fs/cgroup/box");
    let read = |version| {
        let mut file = open_pressure(&tree.roots(), Some((version, Path::new(&group))))?;
        psi_some_avg10(file.read().expect("reads"))
    };
    assert_eq!(read(Version::V2), None);
    tree.write(
        "proc/pressure/memory",
        "some avg10=1.50 avg60=0.00 avg300=0.00 total=0\nfull avg10=9.00 avg60=0 avg300=0 total=0\n",
    );
    assert_eq!(read(Version::V2), Some(1.5));
    tree.write("sys/fs/cgroup/box/memory.pressure", "some avg10=2.25 avg60=0.00 avg300=0.00 total=0\n");
    assert_eq!(read(Version::V2), Some(2.25));
    assert_eq!(read(Version::V1), Some(1.5));
}

/// A real v1 memory cgroup below our own; removed when dropped.
pub struct RealGroup {
    dir: PathBuf,
    /// Its path as `/proc/PID/cgroup` names it.
    name: PathBuf,
}

impl RealGroup {
    /// `None`, with the reason printed, where such a group cannot be made.
    pub fn make(tag: &str) -> Option<Self> {
        let own = match find(&Roots::default()) {
            Some(own) if own.version == Version::V1 => own,
            other => {
                crate::host::skip::skip(crate::host::skip::MEMORY_GROUP, format!("needs a v1 one, found {other:?}"));
                return None;
            }
        };
        let dir = own.dir.join(format!("plimsoll-test-{tag}-{}", std::process::id()));
        if let Err(error) = std::fs::create_dir(&dir) {
            crate::host::skip::skip(crate::host::skip::MEMORY_GROUP, format!("cannot make {}: {error}", dir.display()));
            return None;
        }
        let name = Path::new("/").join(dir.strip_prefix(&own.mount).expect("is below the mount"));
        Some(Self { dir, name })
    }

    pub fn limit(&self, bytes: Bytes) {
        std::fs::write(self.dir.join("memory.limit_in_bytes"), bytes.0.to_string()).expect("sets the limit");
    }

    fn number(&self, file: &str) -> u64 {
        parse_number(&std::fs::read(self.dir.join(file)).expect("reads")).expect("is a number")
    }

    /// A `/proc` in which we are in this group and everything else is real.
    pub fn proc_of(&self, pid: u32) -> tempfile::TempDir {
        let proc = tempfile::tempdir().expect("tempdir");
        std::fs::create_dir(proc.path().join("self")).expect("makes it");
        std::fs::copy("/proc/self/mountinfo", proc.path().join("self/mountinfo")).expect("copies");
        let membership = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("reads");
        let is_memory = |line: &&str| line.split(':').nth(1).is_some_and(|names| names.split(',').any(|name| name == "memory"));
        let mut lines: Vec<&str> = membership.lines().filter(|line| !is_memory(line)).collect();
        let ours = format!("4:memory:{}", self.name.display());
        lines.push(&ours);
        std::fs::write(proc.path().join("self/cgroup"), lines.join("\n")).expect("writes");
        for entry in std::fs::read_dir("/proc").expect("reads").flatten().filter(|entry| entry.file_name() != "self") {
            std::os::unix::fs::symlink(entry.path(), proc.path().join(entry.file_name())).expect("links");
        }
        proc
    }

    /// Runs a shell inside the group; it has said `ready` once.
    fn run(&self, script: &str) -> Child {
        let mut child = Command::new("/bin/sh")
            .args(["-c", &format!("read line; {script}; echo ready; read line")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        std::fs::write(self.dir.join("cgroup.procs"), child.id().to_string()).expect("moves the child");
        child.stdin.as_mut().expect("piped").write_all(b"go\n").expect("writes");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("reads");
        assert_eq!(line.trim(), "ready");
        child
    }
}

impl Drop for RealGroup {
    fn drop(&mut self) {
        let members = std::fs::read_to_string(self.dir.join("cgroup.procs")).unwrap_or_default();
        for pid in members.split_whitespace().filter_map(|word| word.parse().ok()).filter_map(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        // What was killed leaves the group when the kernel has taken it apart.
        for _ in 0..100 {
            if std::fs::remove_dir(&self.dir).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

#[test]
fn a_real_v1_group_is_found_from_its_member_and_its_figures_are_read() {
    let Some(group) = RealGroup::make("figures") else { return };
    group.limit(Bytes::mib(256));
    let dir = tempfile::tempdir().expect("tempdir");
    let shm = tempfile::tempdir_in("/dev/shm").expect("tempdir");
    let script = format!(
        "head -c 50M /dev/zero > '{0}/cached'; head -c 20M /dev/zero > '{1}/shared'",
        dir.path().display(),
        shm.path().display()
    );
    let mut child = group.run(&script);
    // What the child's own files of /proc say, not what we made up.
    let proc = group.proc_of(child.id());
    std::fs::copy(format!("/proc/{}/cgroup", child.id()), proc.path().join("self/cgroup")).expect("copies");
    let roots = Roots { root: "/".into(), proc: proc.path().to_owned() };
    let own = find(&roots).expect("found");
    assert_eq!(own.dir, group.dir);
    let limit = own.limit(crate::host::memory::machine::total(&roots)).expect("is limited");
    assert_eq!((limit.bytes, limit.group.as_path()), (Bytes::mib(256), group.dir.as_path()));
    let mut reader = GroupReader::open(&own, &limit.group).expect("opens");
    let sums = reader.sums().expect("reads");
    println!("real v1 group: {sums:?}");
    let slack = 2 * MIB;
    assert!(sums.usage.0.abs_diff(group.number("memory.usage_in_bytes")) < slack);
    assert!(sums.usage >= Bytes::mib(70), "{sums:?}");
    assert!(sums.file_cache >= Bytes::mib(49) && sums.file_cache <= Bytes::mib(56), "{sums:?}");
    assert!(sums.hard >= Bytes::mib(20) && sums.hard < Bytes::mib(30), "shared memory is hard, page cache is not: {sums:?}");
    assert_eq!(reader.oom_kills(), Some(0));
    drop(child.stdin.take());
    child.wait().expect("ends");
}

#[test]
fn a_real_kill_for_want_of_memory_is_counted() {
    let Some(group) = RealGroup::make("kill") else { return };
    group.limit(Bytes::mib(24));
    let proc = group.proc_of(std::process::id());
    let roots = Roots { root: "/".into(), proc: proc.path().to_owned() };
    let own = find(&roots).expect("found");
    let mut reader = GroupReader::open(&own, &own.dir).expect("opens");
    assert_eq!(reader.oom_kills(), Some(0));
    // `tail` keeps the last line, which has no end.
    let mut child = group.run("head -c 100M /dev/zero | tail -n 1 > /dev/null");
    assert_eq!(reader.oom_kills(), Some(1));
    drop(child.stdin.take());
    let _ = child.wait();
}
