//! What the kernel offers: control groups, protections of children, ways to free memory, pressure figures.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::Access;

use super::{Check, GroupReport};
use crate::domain::text::{path_text, sanitise};
use crate::host::memory::cgroup::{MemoryCgroup, Version};
use crate::host::memory::job_cgroup;
use crate::host::memory::machine::processors;

/// All of these checks. `group`: our own memory cgroup.
pub fn checks(group: Option<&GroupReport>) -> Vec<Check> {
    let mut checks = cgroup(group);
    checks.push(pressure(group));
    checks.push(reclaim(group));
    checks.extend(protections());
    checks.push(Check::ok("processors", processors().to_string()));
    checks
}

fn cgroup(group: Option<&GroupReport>) -> Vec<Check> {
    const PROBABLY: &str = "jobs share plimsoll's group: a kill by the kernel is then only told as probable";
    let Some(GroupReport { version, folder }) = group else {
        return vec![Check::warn("cgroup", "none for memory", PROBABLY)];
    };
    let place = format!("v{version}, {}", path_text(folder));
    let own =
        MemoryCgroup { version: if *version == 2 { Version::V2 } else { Version::V1 }, dir: folder.clone(), mount: folder.clone() };
    let mut checks = vec![match job_cgroup::examine(&own) {
        Ok(()) => Check::ok("cgroup", place)
            .with("each job has a group of its own: a kill by the kernel is certain, and hits that job alone"),
        Err(why) => Check::warn("cgroup", format!("{place}; {why}"), PROBABLY),
    }];
    if *version == 2 {
        checks.extend(oom_group(folder));
    }
    checks
}

/// With `memory.oom.group` on a group, one process out of memory takes all of the group along.
fn oom_group(folder: &Path) -> Option<Check> {
    let set =
        folder.ancestors().find(|group| fs::read_to_string(group.join("memory.oom.group")).is_ok_and(|text| text.trim() == "1"))?;
    let advice = "one job out of memory takes plimsoll along; the queue is kept and goes on at the next start; \
                  Kubernetes sets it: see singleProcessOOMKill";
    Some(Check::warn("oom group", format!("memory.oom.group is set on {}", path_text(set)), advice))
}

fn pressure(group: Option<&GroupReport>) -> Check {
    let own = group.filter(|group| group.version == 2).map(|group| group.folder.join("memory.pressure"));
    let files = own.into_iter().chain(std::iter::once("/proc/pressure/memory".into()));
    let readable = files.into_iter().find(|file| fs::read_to_string(file).is_ok_and(|text| text.starts_with("some ")));
    match readable {
        Some(file) => Check::ok("pressure (PSI)", path_text(&file)),
        None => {
            Check::warn("pressure (PSI)", "not offered by this kernel", "the pressure figure is left out; nothing depends on it")
        }
    }
}

fn reclaim(group: Option<&GroupReport>) -> Check {
    const NAME: &str = "cache reclaim";
    const ELSE: &str = "caches are then dropped file by file (posix_fadvise), which does as much for jobs' files";
    let Some(GroupReport { version, folder }) = group else {
        return Check::ok(NAME, "no memory cgroup").with(ELSE);
    };
    let file = if *version == 2 { "memory.reclaim" } else { "memory.force_empty" };
    match rustix::fs::access(folder.join(file), Access::WRITE_OK) {
        Ok(()) => Check::ok(NAME, format!("{file} can be written")),
        Err(error) => Check::ok(NAME, format!("{file} cannot be written: {}", io::Error::from(error))).with(ELSE),
    }
}

#[cfg(target_os = "linux")]
fn protections() -> Vec<Check> {
    let release = rustix::system::uname().release().to_bytes().to_vec();
    let mut checks = vec![Check::ok("kernel", format!("Linux {}", sanitise(&release)))];
    checks.push(match rustix::process::parent_process_death_signal() {
        Ok(_) => Check::ok("orphans", "jobs die with plimsoll (PR_SET_PDEATHSIG)"),
        Err(error) => Check::warn("orphans", io::Error::from(error).to_string(), "jobs may outlive a killed plimsoll"),
    });
    checks.push(Check::ok("low rank", "jobs give way: nice 10, disk last (best-effort 7), no core dumps, files of 0600"));
    checks.push(match rustix::fs::access("/proc/self/oom_score_adj", Access::WRITE_OK) {
        Ok(()) => Check::ok("kill order", "a job dies before plimsoll and sshd (oom_score_adj)"),
        Err(error) => Check::warn(
            "kill order",
            format!("/proc/self/oom_score_adj cannot be written: {}", io::Error::from(error)),
            "out of memory, the kernel kills the largest process, whoever that is",
        ),
    });
    checks.push(match cachestat_works() {
        Ok(()) => Check::ok("cachestat", "what a cleanup freed of a file's cache is counted"),
        Err(error) => Check::ok("cachestat", format!("not offered: {error}"))
            .with("what a cleanup freed is told from the memory figures alone"),
    });
    checks
}

#[cfg(not(target_os = "linux"))]
fn protections() -> Vec<Check> {
    vec![Check::warn("kernel", sanitise(std::env::consts::OS.as_bytes()), "limits, kill order and confinement of jobs need Linux")]
}

/// Asks cachestat(2) about the first page of our own binary.
#[cfg(target_os = "linux")]
fn cachestat_works() -> io::Result<()> {
    use std::os::fd::AsRawFd as _;
    /// The same number on every architecture that has it.
    const SYS_CACHESTAT: libc::c_long = 451;
    let file = fs::File::open("/proc/self/exe")?;
    let range: [u64; 2] = [0, 4096];
    let mut counts = [0_u64; 5];
    // SAFETY: both pointers are to arrays laid out as the call's two structs and live across it.
    let result = unsafe { libc::syscall(SYS_CACHESTAT, file.as_raw_fd(), range.as_ptr(), counts.as_mut_ptr(), 0_u32) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn group(version: u8, folder: &Path) -> GroupReport {
        GroupReport { version, folder: folder.to_owned() }
    }

    #[test]
    fn a_group_without_memory_control_or_rights_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let found = cgroup(Some(&group(2, folder.path())));
        assert_eq!(found[0].status, Status::Warn);
        assert!(found[0].value.contains("get no memory control: it has none itself"), "{found:?}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "the trial group is removed");
        let gone = cgroup(Some(&group(1, &folder.path().join("gone"))));
        assert!(gone[0].value.contains("no group can be made in "), "{gone:?}");
        assert_eq!(cgroup(None)[0].status, Status::Warn);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_real_group_that_lets_children_in_is_fine_and_is_left_as_it_was() {
        let v1 = Path::new("/sys/fs/cgroup/memory");
        if rustix::fs::access(v1, Access::WRITE_OK).is_err() {
            return crate::host::skip::skip(crate::host::skip::MEMORY_GROUP, "no v1 group can be written");
        }
        let found = cgroup(Some(&group(1, v1)));
        assert_eq!((found[0].status, found[0].value.as_str()), (Status::Ok, "v1, /sys/fs/cgroup/memory"), "{found:?}");
        assert!(!v1.join(format!("plimsoll-doctor-{}", std::process::id())).exists());
    }

    #[test]
    fn an_oom_group_on_any_ancestor_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("pod/container");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("memory.oom.group"), "0\n").unwrap();
        assert_eq!(oom_group(&inner), None);
        fs::write(folder.path().join("pod/memory.oom.group"), "1\n").unwrap();
        let check = oom_group(&inner).unwrap();
        assert_eq!(check.status, Status::Warn);
        assert!(check.value.ends_with("/pod"), "{check:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_is_asked_and_answers() {
        let checks = protections();
        let value = |name: &str| &checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("no {name}")).value;
        assert!(value("kernel").starts_with("Linux "));
        assert!(value("orphans").contains("die with plimsoll"));
        assert!(value("low rank").contains("nice 10"));
        // The syscall must at least be known for what it is: a wrong number or layout would give EBADF or EFAULT.
        assert!(
            cachestat_works().is_ok_and(|()| true)
                || value("cachestat").contains("not implemented")
                || value("cachestat").contains("not permitted")
        );
    }
}
