//! How much longer everything takes on this machine just now: limits of time grow with it, so that a test beside others, or
//! beside somebody's encoder, asks no more of plimsoll than the machine gives.

use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

/// What the control takes on a quiet machine of two cores: 25 ms; a third of that is not counted as a delay.
const QUIET: Duration = Duration::from_millis(35);
/// Few enough that a limit still means something.
const MOST: f64 = 60.0;

/// The limit that holds for what takes at most `quiet` on a quiet machine: as many times longer as a control takes at this
/// moment, which starts a shell that counts, and writes a file to the disk.
pub fn at_most(quiet: Duration) -> Duration {
    Meter(Duration::ZERO).limit(quiet)
}

/// The pace of the machine from before something is done: the others may have had the processors then, and be gone after it.
pub struct Meter(Duration);

impl Meter {
    pub fn begin() -> Self {
        Self(worst())
    }

    /// As [`at_most`], by the slower of then and now.
    pub fn limit(&self, quiet: Duration) -> Duration {
        let control = self.0.max(worst());
        let slower = (control.as_secs_f64() / QUIET.as_secs_f64()).clamp(1.0, MOST);
        quiet.mul_f64(slower)
    }
}

fn worst() -> Duration {
    (0..3).map(|_| control()).max().unwrap_or_default()
}

fn control() -> Duration {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let began = Instant::now();
    let counted = Command::new("sh").args(["-c", "i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done"]).status();
    assert!(counted.expect("a shell").success());
    let mut file = std::fs::File::create(folder.path().join("written")).expect("a file");
    file.write_all(&vec![7; 64 * 1024]).and_then(|()| file.sync_all()).expect("written");
    began.elapsed()
}
