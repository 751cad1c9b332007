//! The memory of the whole machine: how much there is, how much of it is used. Linux: `/proc/meminfo`; elsewhere sysinfo.
//!
//! Knows nothing of containers.

use crate::domain::units::{Bytes, KIB};
use crate::host::memory::cgroup::{Roots, Sums};
use crate::host::memory::kernel_file::{KeptFile, ReadError};

/// Memory that the machine has. Zero when neither `/proc/meminfo` nor sysinfo tells.
pub fn total(roots: &Roots) -> Bytes {
    let told = KeptFile::open(roots.proc.join("meminfo")).and_then(|mut file| file.fields(["MemTotal"]));
    told.map_or_else(|_| portable::total(), |[kib]| Bytes(kib.saturating_mul(KIB)))
}

/// Processors that this process may use, 1 at the least: also what a quota of the container leaves.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Tasks that ran or wanted to, as a mean over the last minute; `None` where the system does not tell.
pub fn load() -> Option<f64> {
    let mut means = [0.0_f64; 1];
    // SAFETY: the call writes at most as many numbers as it is told there is room for.
    let told = unsafe { libc::getloadavg(means.as_mut_ptr(), 1) };
    (told == 1).then_some(means[0])
}

/// Reads the machine's sums again and again.
#[derive(Debug)]
pub struct MachineReader {
    meminfo: Option<KeptFile>,
    vmstat: Option<KeptFile>,
}

impl MachineReader {
    /// Opens the files. On Linux a machine without a readable `/proc/meminfo` is an error.
    pub fn open(roots: &Roots) -> Result<Self, ReadError> {
        let meminfo = match KeptFile::open(roots.proc.join("meminfo")) {
            Ok(file) => Some(file),
            Err(error) if cfg!(target_os = "linux") => return Err(error),
            Err(_) => None,
        };
        Ok(Self { meminfo, vmstat: KeptFile::open(roots.proc.join("vmstat")).ok() })
    }

    /// The three sums: usage = total − free, working set = usage − inactive file cache, hard = total − available.
    ///
    /// `MemAvailable` also leaves out what the kernel keeps for itself, so *hard* may exceed the plain sums on a nearly
    /// idle machine; the larger sums are raised to it, for what cannot be dropped is in use.
    pub fn sums(&mut self) -> Result<Sums, ReadError> {
        let Some(meminfo) = &mut self.meminfo else { return Ok(portable::sums()) };
        let fields = meminfo.fields(["MemTotal", "MemFree", "MemAvailable", "Active(file)", "Inactive(file)"])?;
        let [total, free, available, active_file, inactive_file] = fields.map(|kib| Bytes(kib.saturating_mul(KIB)));
        let hard = total - available;
        let usage = (total - free).max(hard);
        Ok(Sums { usage, working_set: (usage - inactive_file).max(hard), hard, file_cache: active_file + inactive_file })
    }

    /// Kills for want of memory on the whole machine since boot; `None` where the kernel does not count them.
    pub fn oom_kills(&mut self) -> Option<u64> {
        self.vmstat.as_mut()?.fields(["oom_kill"]).ok().map(|[kills]| kills)
    }
}

/// What every platform tells.
mod portable {
    use super::{Bytes, Sums};

    fn memory() -> Option<sysinfo::System> {
        let mut system = sysinfo::System::new().ok()?;
        system.refresh_memory();
        Some(system)
    }

    pub fn total() -> Bytes {
        memory().map_or(Bytes::ZERO, |system| Bytes(system.total_memory()))
    }

    /// Without a finer account everything that is not available counts as hard.
    pub fn sums() -> Sums {
        let Some(system) = memory() else { return Sums::default() };
        let total = Bytes(system.total_memory());
        let hard = total - Bytes(system.available_memory());
        let usage = (total - Bytes(system.free_memory())).max(hard);
        Sums { usage, working_set: hard, hard, file_cache: usage - hard }
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn the_portable_sums_are_ordered_and_within_the_machine() {
            let sums = super::sums();
            assert!(sums.hard > super::Bytes::ZERO && sums.hard <= sums.working_set && sums.working_set <= sums.usage, "{sums:?}");
            assert!(sums.usage <= super::total(), "{sums:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::units::MIB;

    #[test]
    fn a_bare_host_counts_what_is_not_available_as_hard() {
        let dir = tempfile::tempdir().expect("tempdir");
        let roots = Roots::under(dir.path());
        std::fs::create_dir_all(&roots.proc).expect("makes proc");
        let meminfo = "MemTotal: 2097152 kB\nMemFree: 1048576 kB\nMemAvailable: 1572864 kB\nActive(file): 102400 kB\n\
            Inactive(file): 409600 kB\n";
        std::fs::write(roots.proc.join("meminfo"), meminfo).expect("writes");
        std::fs::write(roots.proc.join("vmstat"), "nr_free_pages 1\noom_kill 3\n").expect("writes");
        let mut machine = MachineReader::open(&roots).expect("opens");
        let sums = machine.sums().expect("reads");
        assert_eq!((sums.usage, sums.hard), (Bytes::mib(1024), Bytes::mib(512)));
        assert_eq!(sums.working_set, Bytes((1024 - 400) * MIB));
        assert_eq!(sums.file_cache, Bytes::mib(500));
        assert_eq!(machine.oom_kills(), Some(3));
        assert_eq!(total(&roots), Bytes::gib(2));
    }
}
