//! Our place among the memory cgroups: where it is, the smallest limit above it, and the figures of a group.
//!
//! Both hierarchies are read: version 1 (a `memory` controller of its own) and version 2 (unified). Where both are
//! mounted, the one that holds the memory controller counts. Nothing is written here.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::domain::units::Bytes;
use crate::host::memory::kernel_file::{KeptFile, ReadError, fields, parse_number};

/// Where the kernel's files are found: the real ones, or a recorded tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// What stands for `/`: mount points are looked up below it.
    pub root: PathBuf,
    /// What stands for `/proc`.
    pub proc: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { root: PathBuf::from("/"), proc: PathBuf::from("/proc") }
    }
}

impl Roots {
    /// A recorded tree: `dir` stands for `/`, `dir/proc` for `/proc`.
    pub fn under(dir: &Path) -> Self {
        Self { root: dir.to_owned(), proc: dir.join("proc") }
    }

    fn locate(&self, mount_point: &Path) -> PathBuf {
        self.root.join(mount_point.strip_prefix("/").unwrap_or(mount_point))
    }
}

/// Which of the kernel's two cgroup interfaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// One hierarchy for each controller.
    V1,
    /// One hierarchy for all.
    V2,
}

/// Memory in use, in the three sums that are carried everywhere. `hard <= working_set <= usage`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Everything charged, page cache included.
    pub usage: Bytes,
    /// Usage without inactive file cache.
    pub working_set: Bytes,
    /// What the kernel cannot drop.
    pub hard: Bytes,
    /// File cache within `usage`.
    pub file_cache: Bytes,
}

/// The memory cgroup that this process is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryCgroup {
    /// Whose files it has.
    pub version: Version,
    pub dir: PathBuf,
    /// The top of what can be seen of the hierarchy.
    pub mount: PathBuf,
}

/// The limit that binds, and where it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    pub bytes: Bytes,
    /// The file that says so.
    pub file: PathBuf,
    /// The group it holds for: the figures of this group are what runs into it.
    pub group: PathBuf,
}

/// A line of `mountinfo` that mounts a hierarchy with the memory controller, or the unified one.
#[derive(Debug)]
struct Mount {
    version: Version,
    /// The group that is at the mount point.
    root: PathBuf,
    point: PathBuf,
}

/// The memory cgroup of this process; `None` where there is no cgroup file system.
pub fn find(roots: &Roots) -> Option<MemoryCgroup> {
    let mounts = parse_mountinfo(&std::fs::read(roots.proc.join("self/mountinfo")).ok()?);
    let membership = std::fs::read(roots.proc.join("self/cgroup")).ok()?;
    [Version::V1, Version::V2].into_iter().find_map(|version| {
        let path = membership_of(&membership, version)?;
        let mount = best_mount(&mounts, version, &path)?;
        let point = roots.locate(&mount.point);
        let dir = nearest_existing(&point, below(&mount.root, &path).as_deref());
        Some(MemoryCgroup { version, dir, mount: point })
    })
}

impl MemoryCgroup {
    /// The group and every ancestor up to the mount, nearest first.
    pub fn chain(&self) -> impl Iterator<Item = &Path> {
        self.dir.ancestors().take_while(|dir| dir.starts_with(&self.mount))
    }

    /// The smallest limit of the group and its ancestors; `None` when none is below `mem_total`. Of equal limits the
    /// outermost counts, since it covers more.
    pub fn limit(&self, mem_total: Bytes) -> Option<Limit> {
        let name = match self.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        let mut smallest: Option<Limit> = None;
        for group in self.chain() {
            let file = group.join(name);
            let Some(bytes) = std::fs::read(&file).ok().and_then(|text| parse_limit(&text, mem_total)) else { continue };
            if smallest.as_ref().is_none_or(|limit| bytes <= limit.bytes) {
                smallest = Some(Limit { bytes, file, group: group.to_owned() });
            }
        }
        if self.version == Version::V1 {
            // A container may not see the ancestor that limits it; the kernel tells the outcome here all the same.
            let file = self.dir.join("memory.stat");
            let told = std::fs::read(&file).ok().and_then(|text| fields(&text, ["hierarchical_memory_limit"])[0]);
            if let Some(bytes) = told.map(Bytes).filter(|bytes| *bytes < mem_total)
                && smallest.as_ref().is_none_or(|limit| bytes < limit.bytes)
            {
                smallest = Some(Limit { bytes, file, group: self.mount.clone() });
            }
        }
        smallest
    }
}

/// A limit as the kernel writes it. v2's `max`, v1's huge number and whatever is not below the machine's memory are none.
fn parse_limit(text: &[u8], mem_total: Bytes) -> Option<Bytes> {
    parse_number(text).map(Bytes).filter(|bytes| *bytes < mem_total)
}

/// The group that this process is in, as `/proc/self/cgroup` names it: `ID:controllers:path`.
fn membership_of(text: &[u8], version: Version) -> Option<PathBuf> {
    text.split(|byte| *byte == b'\n').find_map(|line| {
        let mut parts = line.splitn(3, |byte| *byte == b':');
        let (id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let ours = match version {
            Version::V1 => controllers.split(|byte| *byte == b',').any(|name| name == b"memory"),
            Version::V2 => id == b"0" && controllers.is_empty(),
        };
        ours.then(|| PathBuf::from(OsStr::from_bytes(path)))
    })
}

/// The cgroup mounts of a `mountinfo`: `id parent dev root point options [tags…] - type source super-options`.
fn parse_mountinfo(text: &[u8]) -> Vec<Mount> {
    let parse = |line: &[u8]| {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let dash = words.iter().position(|word| *word == b"-").filter(|dash| *dash >= 6)?;
        let version = match *words.get(dash + 1)? {
            b"cgroup" if words.get(dash + 3)?.split(|byte| *byte == b',').any(|option| option == b"memory") => Version::V1,
            b"cgroup2" => Version::V2,
            _ => return None,
        };
        Some(Mount { version, root: unescape(words.get(3)?), point: unescape(words.get(4)?) })
    };
    text.split(|byte| *byte == b'\n').filter_map(parse).collect()
}

/// Undoes the kernel's `\ooo` for blanks, tabs, line feeds and backslashes in paths.
fn unescape(word: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| first == b'\\').and_then(|digits| {
            digits.iter().try_fold(0_u32, |sum, digit| (b'0'..=b'7').contains(digit).then(|| sum * 8 + u32::from(digit - b'0')))
        });
        if let Some(byte) = octal.and_then(|value| u8::try_from(value).ok()) {
            out.push(byte);
            rest = &tail[3..];
        } else {
            out.push(first);
            rest = tail;
        }
    }
    PathBuf::from(OsStr::from_bytes(&out))
}

/// Of several mounts of one hierarchy the one that shows our group with the most ancestors; else any.
fn best_mount<'a>(mounts: &'a [Mount], version: Version, path: &Path) -> Option<&'a Mount> {
    let of_version = || mounts.iter().filter(|mount| mount.version == version);
    let showing = of_version().filter(|mount| below(&mount.root, path).is_some());
    showing.min_by_key(|mount| mount.root.components().count()).or_else(|| of_version().next())
}

/// What remains of `path` below the group at the mount point; `None` when it is not below it. A `..` in either means
/// that the group lies outside our cgroup namespace, where its name is not told.
fn below(mount_root: &Path, path: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix(mount_root).ok()?;
    rest.components().all(|part| matches!(part, Component::Normal(_))).then(|| rest.to_owned())
}

/// The deepest directory on the way to `rest` below `point` that is there: a container may not see all of its own path.
fn nearest_existing(point: &Path, rest: Option<&Path>) -> PathBuf {
    let full =
        rest.map_or_else(|| point.to_owned(), |rest| if rest.as_os_str().is_empty() { point.to_owned() } else { point.join(rest) });
    let found = full.ancestors().take_while(|dir| dir.starts_with(point)).find(|dir| dir.is_dir());
    found.unwrap_or(point).to_owned()
}

/// Reads the figures of one group again and again; its files stay open.
#[derive(Debug)]
pub struct GroupReader {
    version: Version,
    usage: KeptFile,
    stat: KeptFile,
    /// v2: the group's `memory.events`, which covers what is below it. v1: the `memory.oom_control` of every group
    /// from this one down to ours, since each counts its own kills alone.
    kills: Vec<KeptFile>,
}

impl GroupReader {
    /// Opens the files of `group`, which is `own` or one of its ancestors.
    pub fn open(own: &MemoryCgroup, group: &Path) -> Result<Self, ReadError> {
        let (usage, kills) = match own.version {
            Version::V1 => {
                let between = own.chain().take_while(|dir| dir.starts_with(group));
                ("memory.usage_in_bytes", between.map(|dir| dir.join("memory.oom_control")).collect())
            }
            Version::V2 => ("memory.current", vec![group.join("memory.events")]),
        };
        Ok(Self {
            version: own.version,
            usage: KeptFile::open(group.join(usage))?,
            stat: KeptFile::open(group.join("memory.stat"))?,
            kills: kills.into_iter().filter_map(|file| KeptFile::open(file).ok()).collect(),
        })
    }

    /// The three sums. v2: `hard = memory.current − active_file − inactive_file − slab_reclaimable`; v1:
    /// `hard = memory.usage_in_bytes − total_active_file − total_inactive_file`.
    pub fn sums(&mut self) -> Result<Sums, ReadError> {
        let usage = Bytes(self.usage.number()?);
        let (active, inactive, slab) = match self.version {
            Version::V1 => {
                let [active, inactive] = self.stat.fields(["total_active_file", "total_inactive_file"])?;
                (active, inactive, 0)
            }
            Version::V2 => {
                let [active, inactive] = self.stat.fields(["active_file", "inactive_file"])?;
                // Without kernel memory accounting there is no such line, and nothing to take off.
                let [slab] = fields(self.stat.read()?, ["slab_reclaimable"]);
                (active, inactive, slab.unwrap_or(0))
            }
        };
        let file_cache = Bytes(active) + Bytes(inactive);
        let working_set = usage - Bytes(inactive);
        Ok(Sums { usage, working_set, hard: working_set - Bytes(active) - Bytes(slab), file_cache: file_cache.min(usage) })
    }

    /// Kills for want of memory in the group so far; `None` where the kernel does not count them.
    pub fn oom_kills(&mut self) -> Option<u64> {
        let counts: Vec<u64> =
            self.kills.iter_mut().filter_map(|file| file.fields(["oom_kill"]).ok()).map(|[kills]| kills).collect();
        (!counts.is_empty()).then(|| counts.into_iter().fold(0, u64::saturating_add))
    }
}

/// Opens the file that tells how long tasks wait for memory: of the v2 `group`, else of the machine; `None` without PSI.
pub fn open_pressure(roots: &Roots, group: Option<(Version, &Path)>) -> Option<KeptFile> {
    let of_group = group.filter(|(version, _)| *version == Version::V2).map(|(_, dir)| dir.join("memory.pressure"));
    let files = of_group.into_iter().chain([roots.proc.join("pressure/memory")]);
    files.filter_map(|file| KeptFile::open(file).ok()).find_map(|mut file| {
        // Opens but cannot be read where the kernel was started with psi=0.
        let readable = file.read().is_ok_and(|text| psi_some_avg10(text).is_some());
        readable.then_some(file)
    })
}

/// `some avg10` of a pressure file, percent.
pub fn psi_some_avg10(text: &[u8]) -> Option<f32> {
    let line = text.split(|byte| *byte == b'\n').find(|line| line.starts_with(b"some "))?;
    let word = line.split(|byte| *byte == b' ').find_map(|word| word.strip_prefix(b"avg10="))?;
    std::str::from_utf8(word).ok()?.parse().ok()
}

#[cfg(test)]
#[path = "cgroup_tests.rs"]
pub(crate) mod tests;
