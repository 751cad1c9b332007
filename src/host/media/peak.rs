//! Highest anonymous memory of one process, by sampling. Cheap: one open file, one read a tenth of a second.
//!
//! `ru_maxrss` is no substitute: it counts mapped files, and it begins with the memory of the console that forked.

use std::fs::File;
use std::time::Duration;

use crate::domain::units::{Bytes, KIB};

/// Time between samples, once a process has settled.
const PACE: Duration = Duration::from_millis(100);
/// Time to the first sample; it doubles up to [`PACE`], so that short processes are seen too.
const FIRST: Duration = Duration::from_millis(2);

/// Samples one process. Its file stays bound to that process: a later one with the same number is not mistaken for it.
#[derive(Debug)]
pub(in crate::host) struct PeakSampler {
    status: Option<File>,
    peak: Bytes,
    pause: Duration,
    next: Duration,
}

impl PeakSampler {
    /// A sampler for an unreaped child.
    pub(in crate::host) fn new(pid: u32) -> Self {
        let status = if cfg!(target_os = "linux") { File::open(format!("/proc/{pid}/status")).ok() } else { None };
        Self { status, peak: Bytes::ZERO, pause: FIRST, next: FIRST }
    }

    /// Takes a sample if one is due at `now` (since the process's start).
    pub(in crate::host) fn tick(&mut self, now: Duration) {
        if now >= self.next {
            self.sample();
            self.pause = (self.pause * 2).min(PACE);
            self.next = now + self.pause;
        }
    }

    /// When the next sample is due.
    pub(in crate::host) const fn next(&self) -> Duration {
        self.next
    }

    /// Highest anonymous memory seen; zero if the process ended before the first sample.
    pub(in crate::host) const fn peak(&self) -> Bytes {
        self.peak
    }

    fn sample(&mut self) {
        use std::os::unix::fs::FileExt as _;
        let Some(file) = &self.status else { return };
        let mut text = [0; 4096];
        let length = file.read_at(&mut text, 0).unwrap_or(0);
        if let Some(bytes) = rss_anon(&text[..length]) {
            self.peak = self.peak.max(bytes);
        }
    }
}

/// The `RssAnon` line of `/proc/PID/status`, which counts in KiB; a process that has ended has none.
fn rss_anon(status: &[u8]) -> Option<Bytes> {
    let line = status.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"RssAnon:"))?;
    let text = std::str::from_utf8(line).ok()?.trim().strip_suffix("kB")?;
    text.trim().parse::<u64>().ok().map(|kib| Bytes(kib.saturating_mul(KIB)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anonymous_memory_is_read_in_kib() {
        assert_eq!(rss_anon(b"VmHWM:\t  900 kB\nRssAnon:\t  123 kB\nRssFile:\t 5 kB\n"), Some(Bytes(123 * 1024)));
        assert_eq!(rss_anon(b"Name:\tffmpeg\nState:\tZ (zombie)\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_follows_the_memory_of_a_process() {
        use std::io::Write as _;
        use std::process::{Command, Stdio};

        // A process of its own: this one's memory is shared with other tests. It keeps all of a line that does not end.
        let mut tail = Command::new("tail").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("tail runs");
        let mut sampler = PeakSampler::new(tail.id());
        sampler.tick(Duration::from_secs(1));
        let before = sampler.peak();
        let mut input = tail.stdin.take().expect("a pipe");
        input.write_all(&vec![0_u8; 32 << 20]).expect("it reads");
        sampler.tick(Duration::from_secs(2));
        assert!(sampler.peak() >= before + Bytes::mib(24), "{before} then {}", sampler.peak());
        drop(input);
        tail.wait().expect("it ends");
    }
}
