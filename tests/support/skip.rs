//! Tests that cannot prove anything here, for want of a right or of something of the kernel's, say so where a person sees it:
//! one line each in a file below `target`, which `.ci/run` prints and holds against `.ci/skips-allowed`.
//!
//! Used by the tests in `tests/` and by those in `src/host/`.
#![allow(dead_code)] // every test file uses its part of this

use std::fmt::Display;
use std::io::Write as _;
use std::path::PathBuf;

/// What a test may lack, in the words of `.ci/skips-allowed`.
pub const MEMORY_GROUP: &str = "memory cgroup";
pub const MOUNT: &str = "mount";
pub const LANDLOCK: &str = "Landlock";
pub const PRESSURE: &str = "pressure file";
pub const DISK_READS: &str = "disk reads";
pub const METRICS_PARSER: &str = "Prometheus parser";
pub const SYSTEMD: &str = "systemd-analyze";
pub const POSTGRES: &str = "PostgreSQL";
pub const HADOLINT: &str = "hadolint";
pub const TRACING: &str = "thread tracing";
pub const LEASE: &str = "file leases";
pub const RSYNC: &str = "rsync";
pub const INOTIFY_LIMITS: &str = "limits of inotify";
pub const NOT_ROOT: &str = "a user other than root";
pub const ROOT: &str = "the rights of root";

/// Notes that the test which is running needs this, and does not have it for this reason. The caller returns then.
pub fn skip(need: &str, why: impl Display) {
    // The test harness calls each test's thread by the test's name.
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let why = why.to_string().replace('\n', " ");
    let line = format!("{need}\t{test}: {why}\n");
    print!("skipped: {line}");
    let noted =
        std::fs::OpenOptions::new().create(true).append(true).open(file()).and_then(|mut file| file.write_all(line.as_bytes()));
    noted.expect("a skipped test can be noted");
}

/// `target/tmp/skips`, found from where cargo puts test programs: `target/PROFILE/deps/NAME`.
fn file() -> PathBuf {
    let program = std::env::current_exe().expect("a program knows where it is");
    let target = program.ancestors().nth(3).expect("a test program lies in target/PROFILE/deps");
    let folder = target.join("tmp");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder.join("skips")
}
