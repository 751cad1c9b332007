//! The thread of one running job: reads its pipes, samples its memory, reaps it and reports.
//!
//! It never waits for anybody: reports go into an unbounded channel that floods cannot fill (log lines are thinned first), the
//! log file has a thread of its own, and after the process has ended nobody can hold it up for more than a second.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::domain::account::Account;
use crate::domain::job::{Exit, Progress};
use crate::domain::media::VideoStream;
use crate::domain::picture;
use crate::domain::preset::VideoPlan;
use crate::domain::time::Wall;
use crate::domain::units::{Bytes, KIB};
use crate::engine::port::{Cause, ExitReport, Failure, JobReport, StopMode};
use crate::host::media::peak::PeakSampler;
use crate::host::media::tally::{Arriving, Tally};
use crate::host::memory::job_cgroup::JobGroup;
use crate::host::memory::procfs;
use crate::host::process::command::has_ended;
use crate::host::process::log::diagnose::{Diagnosis, signal_name};
use crate::host::process::log::joblog::{JobLog, wall_now};
use crate::host::process::log::logread::{Classified, LineSplitter};
use crate::host::process::log::progress::ProgressReader;
use crate::host::process::log::rate_limit::LogGate;
use crate::host::process::slots::{OomCounter, Reports};
use crate::host::process::spawner::SpawnedChild;

/// Bytes read from a pipe at a time: what a pipe holds.
const CHUNK: usize = 64 << 10;
/// Chunks read from one pipe before the other gets its turn.
const TURN: usize = 8;
/// How long a process that has ended may keep its pipes open through others that hold them.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How often the end is looked for where the kernel does not tell of it.
const LOOK_FOR_END: Duration = Duration::from_millis(20);
/// How often counts of log lines come out, at the least.
const TICK: Duration = Duration::from_millis(100);

/// A process that runs, and everything its thread needs.
pub(in crate::host) struct Watched {
    pub(in crate::host) reports: Reports,
    pub(in crate::host) child: SpawnedChild,
    pub(in crate::host) duration: Option<Duration>,
    pub(in crate::host) log: JobLog,
    pub(in crate::host) oom_kills: OomCounter,
    /// The counter before the process was started.
    pub(in crate::host) oom_before: Option<u64>,
    /// The group that was made for it, whether it got into it or not.
    pub(in crate::host) group: Option<JobGroup>,
    /// Its files may grow further in a later try.
    pub(in crate::host) may_rise: bool,
    /// The picture that the output was planned for; `None` = none is made anew.
    pub(in crate::host) planned: Option<Planned>,
    /// The input and its size, for the progress of a film that does not tell how long it is.
    pub(in crate::host) input: Option<(PathBuf, u64)>,
}

/// What an output was planned for.
#[derive(Debug, Clone)]
pub struct Planned {
    /// What is to be made of the picture.
    pub plan: VideoPlan,
    /// The picture as the probe found it.
    pub stream: VideoStream,
}

impl Planned {
    /// The stream as it is now, if the output would be larger had it been so from the start.
    fn outgrown(&self, arriving: Arriving) -> Option<VideoStream> {
        let Arriving { width, height, pixel_shape, is_upright } = arriving;
        let stored = VideoStream { width, height, pixel_shape, ..self.stream.clone() };
        let larger = if is_upright && self.stream.is_turned {
            let (across, down) = pixel_shape;
            VideoStream { width: height, height: width, pixel_shape: (down, across), ..stored }
        } else {
            stored
        };
        let area = |stream: &VideoStream| {
            let made = picture::output(&self.plan, stream);
            u64::from(made.width) * u64::from(made.height)
        };
        (area(&larger) > area(&self.stream) * 21 / 20).then_some(larger)
    }
}

/// How far a process has read its input: the progress of a film that does not tell how long it is.
struct ByPosition {
    pid: u32,
    input: PathBuf,
    size: u64,
    started: Instant,
    highest: f64,
}

impl ByPosition {
    const fn new(pid: u32, input: PathBuf, size: u64, started: Instant) -> Self {
        Self { pid, input, size, started, highest: 0.0 }
    }

    /// Fills in the share that is done and the time left.
    #[allow(clippy::disallowed_methods)] // the host reads the clock
    fn add_to(&mut self, progress: Progress) -> Progress {
        let position = procfs::read_position(Path::new("/proc"), self.pid, &self.input).filter(|_| self.size > 0);
        let Some(position) = position else { return progress };
        // What was read ahead is not done yet: the end is told by the end.
        self.highest = self.highest.max((position as f64 / self.size as f64).min(0.99));
        let took = self.started.elapsed().as_secs_f64();
        let left = (self.highest > 0.01).then(|| (took * (1.0 - self.highest) / self.highest).round() as u64);
        Progress { ratio: Some(self.highest), eta_seconds: left, ..progress }
    }
}

/// What comes out of the pipes, and where it goes.
struct Pipes {
    reports: Reports,
    stderr: Option<OwnedFd>,
    progress: Option<OwnedFd>,
    splitter: LineSplitter,
    reader: ProgressReader,
    lines: Lines,
    /// For the progress of a film that does not tell how long it is.
    by_position: Option<ByPosition>,
    chunk: Vec<u8>,
}

/// How a process ended, and what it used.
struct Reaped {
    /// `None` = somebody else has reaped it.
    exit: Option<Exit>,
    /// Highest resident memory, mapped files and the console's at the fork included.
    max_rss: Bytes,
    cpu: Duration,
}

/// Watches a process to its end and reports it.
#[allow(clippy::disallowed_methods)] // the host reads the clock: the pace of log lines and samples is its own affair
pub(in crate::host) fn watch(watched: Watched) {
    let Watched { reports, child, duration, log, oom_kills, oom_before, mut group, may_rise, planned, input } = watched;
    let in_group = child.in_group;
    let started = Instant::now();
    let mut peak = PeakSampler::new(child.pid);
    let pid = child.pid as libc::pid_t;
    let (job, slots) = (reports.job, Arc::clone(&reports.slots));
    let mut pipes = Pipes {
        reports,
        stderr: Some(child.stderr),
        progress: Some(child.progress),
        splitter: LineSplitter::new(),
        reader: ProgressReader::new(duration),
        lines: Lines::into(log),
        by_position: input.filter(|_| duration.is_none()).map(|(path, size)| ByPosition::new(child.pid, path, size, started)),
        chunk: vec![0; CHUNK],
    };

    let mut grown = None;
    loop {
        let now = started.elapsed();
        peak.tick(now);
        let mut wait = TICK.min(peak.next().saturating_sub(now));
        if child.pidfd.is_none() {
            wait = wait.min(LOOK_FOR_END);
        }
        let told = pipes.wait(child.pidfd.as_ref(), wait, started);
        if told || (child.pidfd.is_none() && has_ended(pid)) {
            break;
        }
        if grown.is_none() {
            grown = pipes.outgrown(planned.as_ref());
            if grown.is_some() {
                // SAFETY: plain numbers; the process is not reaped yet, so the group is its own.
                unsafe { libc::kill(-pid, libc::SIGKILL) };
            }
        }
    }

    let oom_after = oom_kills();
    let (reaped, stop) = slots.reap(job, || {
        // While the leader is not reaped its number cannot be given to another group.
        // SAFETY: plain numbers.
        unsafe { libc::kill(-pid, libc::SIGKILL) };
        reap(pid)
    });
    let kills_in_group = group.as_mut().filter(|_| in_group).and_then(JobGroup::kills);
    let ended = started.elapsed();
    while pipes.are_open() {
        let left = (ended + LAST_WORDS).saturating_sub(started.elapsed());
        if left.is_zero() {
            break;
        }
        pipes.wait(None, left.min(TICK), started);
    }

    // One that was quick has said so among its last words.
    let grown = grown.or_else(|| pipes.outgrown(planned.as_ref()));

    let sampled = peak.peak();
    let peak = if sampled == Bytes::ZERO { reaped.max_rss } else { sampled };
    let exit = reaped.exit.unwrap_or(Exit::Code(-1));
    let mut failure = if reaped.exit.is_none() {
        let reason = "how it ended cannot be told: another part of the system has taken its exit status".to_owned();
        Some(Failure { cause: Cause::Unknown, reason })
    } else {
        pipes.diagnosis_of(exit, stop)
    };
    if let Some(failure) = failure.as_mut().filter(|_| may_rise && exit == Exit::Signal(libc::SIGXFSZ)) {
        let reason = "the output outgrew what the other unfinished outputs leave of the scratch limit (SIGXFSZ)".to_owned();
        *failure = Failure { cause: Cause::Scratch, reason };
    }
    let by_us = stop == Some(StopMode::Kill);
    let oom_killed = match exit {
        // The group held this try alone: its counter says whose kill it was.
        Exit::Signal(libc::SIGKILL) if !by_us && grown.is_none() => {
            // Without one, a kill in our own group may be somebody else's: then nothing is sure but that there was none.
            let claimed = || slots.claim_oom_kill(oom_before, oom_after).filter(|was_killed| !was_killed);
            kills_in_group.map_or_else(claimed, |kills| Some(kills > 0))
        }
        _ => Some(false),
    };
    let how = match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => signal_name(signal),
    };
    let (took, cpu, most) = (ended.as_secs_f64(), reaped.cpu.as_secs_f64(), peak.whole());
    let mut last = format!("ended with {how} after {took:.1} s, {cpu:.1} s of processor time, peak {most}");
    if let Some(failure) = &failure {
        last = format!("{last}: {}", failure.reason);
    }
    let (account, mut reports) = pipes.close(&last);
    let account = Account { grown: grown.map(Box::new), ..account };
    slots.forget(job);
    reports.send(JobReport::Exited(ExitReport { exit, peak, failure, oom_killed, cpu: reaped.cpu, account }));
    if let Some(group) = group {
        group.remove();
    }
}

impl Pipes {
    const fn are_open(&self) -> bool {
        self.stderr.is_some() || self.progress.is_some()
    }

    /// The picture that has come, if it is too large for what the output was planned for.
    fn outgrown(&mut self, planned: Option<&Planned>) -> Option<VideoStream> {
        let arriving = self.lines.tally.arriving()?;
        planned?.outgrown(arriving)
    }

    /// Waits for the pipes and the end of the process, at most `at_most`, and takes in what came. Tells whether it ended.
    #[allow(clippy::disallowed_methods)]
    fn wait(&mut self, pidfd: Option<&OwnedFd>, at_most: Duration, started: Instant) -> bool {
        let mut fds = Vec::with_capacity(3);
        for fd in [pidfd, self.stderr.as_ref(), self.progress.as_ref()].into_iter().flatten() {
            fds.push(PollFd::new(fd, PollFlags::IN));
        }
        let timeout = Timespec { tv_sec: at_most.as_secs() as i64, tv_nsec: i64::from(at_most.subsec_nanos()) as _ };
        // An interrupted wait is only a short one; on any other error the pace of the loop is kept by hand.
        if let Err(error) = poll(&mut fds, Some(&timeout))
            && error != Errno::INTR
        {
            std::thread::sleep(at_most.min(LOOK_FOR_END));
        }
        let ended = pidfd.is_some() && fds.first().is_some_and(|fd| !fd.revents().is_empty());
        drop(fds);

        let now = started.elapsed();
        self.take_progress();
        self.take_stderr(now);
        self.lines.gate.tick(now);
        self.pass_on();
        ended
    }

    fn take_progress(&mut self) {
        let (reports, reader) = (&mut self.reports, &mut self.reader);
        let mut by_position = self.by_position.as_mut();
        let take = |bytes: &[u8]| {
            reader.feed(bytes, |progress| {
                let progress = by_position.as_mut().map_or(progress, |position| position.add_to(progress));
                reports.send(JobReport::Progress(progress));
            });
        };
        if self.progress.as_ref().is_some_and(|fd| read_turn(fd, &mut self.chunk, take)) {
            self.progress = None;
        }
    }

    fn take_stderr(&mut self, now: Duration) {
        let Some(stderr) = &self.stderr else { return };
        let at = wall_now();
        let (splitter, lines) = (&mut self.splitter, &mut self.lines);
        if read_turn(stderr, &mut self.chunk, |bytes| splitter.feed(bytes, |line| lines.take(line, now, at))) {
            self.stderr = None;
        }
    }

    /// Sends what the gate let through, and hands the log to the disk.
    fn pass_on(&mut self) {
        let lines = self.lines.gate.take();
        if !lines.is_empty() {
            self.reports.send(JobReport::Log(lines));
        }
        self.lines.log.hand_over();
    }

    /// What ffmpeg said of its end; of an end that was asked for, that it was asked for.
    fn diagnosis_of(&mut self, exit: Exit, stop: Option<StopMode>) -> Option<Failure> {
        let at = wall_now();
        self.splitter.finish(|line| self.lines.take(line, Duration::MAX, at));
        let failure = self.lines.diagnosis.failure(exit)?;
        let asked = match stop {
            Some(StopMode::Term) => "stopped, as asked (SIGTERM)",
            Some(StopMode::Kill) => "killed, as asked (SIGKILL)",
            None => return Some(failure),
        };
        if exit == Exit::Code(0) { Some(failure) } else { Some(Failure { cause: Cause::Unknown, reason: asked.to_owned() }) }
    }

    fn close(mut self, last: &str) -> (Account, Reports) {
        self.lines.gate.finish();
        self.pass_on();
        self.lines.log.close(wall_now(), last);
        let account = self.lines.tally.into_account();
        (Account { dropped: self.reader.dropped(), ..account }, self.reports)
    }
}

/// Where the lines of stderr go.
struct Lines {
    diagnosis: Diagnosis,
    tally: Tally,
    gate: LogGate,
    log: JobLog,
    shown: String,
}

impl Lines {
    fn into(log: JobLog) -> Self {
        Self { diagnosis: Diagnosis::new(), tally: Tally::default(), gate: LogGate::new(), log, shown: String::new() }
    }

    fn take(&mut self, line: &str, now: Duration, at: Wall) {
        let classified = Classified::of(line);
        self.tally.observe(&classified);
        if classified.is_quiet {
            return;
        }
        self.log.line(at, line);
        self.diagnosis.observe(&classified);
        self.shown.clear();
        classified.shown(&mut self.shown);
        self.gate.offer(now, classified.level, &self.shown);
    }
}

/// Reads what is there, a turn's worth at most; tells whether the pipe has ended.
fn read_turn(fd: &OwnedFd, chunk: &mut [u8], mut take: impl FnMut(&[u8])) -> bool {
    for _ in 0..TURN {
        match rustix::io::read(fd.as_fd(), &mut *chunk) {
            Ok(0) => return true,
            Ok(length) => take(&chunk[..length]),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return false,
            Err(_) => return true,
        }
    }
    false
}

/// Reaps a process that has ended.
fn reap(pid: libc::pid_t) -> Reaped {
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both are valid for writing, and a zeroed rusage is a valid value of it.
    let (result, usage) = unsafe {
        let result = loop {
            let result = libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr());
            if result >= 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::EINTR) {
                break result;
            }
        };
        (result, usage.assume_init())
    };
    let exit = (result == pid).then(|| {
        if libc::WIFSIGNALED(status) { Exit::Signal(libc::WTERMSIG(status)) } else { Exit::Code(libc::WEXITSTATUS(status)) }
    });
    let unit = if cfg!(target_os = "macos") { 1 } else { KIB };
    let seconds = |time: libc::timeval| Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64);
    Reaped { exit, max_rss: Bytes(usage.ru_maxrss as u64 * unit), cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::fixtures::quick;

    #[test]
    fn an_output_is_outgrown_by_a_larger_picture_by_wider_pixels_and_by_none_that_was_only_turned() {
        let plan = VideoPlan { height: Some(720), ..quick().video.expect("a picture") };
        let stream = VideoStream { width: 720, height: 576, pixel_shape: (16, 15), ..VideoStream::default() };
        let planned = Planned { plan, stream };
        let arriving = |width, height, pixel_shape, is_upright| Arriving { width, height, pixel_shape, is_upright };
        assert_eq!(planned.outgrown(arriving(720, 576, (16, 15), false)), None);
        let wider = planned.outgrown(arriving(720, 576, (64, 45), true)).expect("wider as it is shown");
        assert_eq!((wider.width, wider.height, wider.pixel_shape), (720, 576, (64, 45)));

        let narrow = VideoStream { pixel_shape: (1, 2), is_turned: true, ..planned.stream.clone() };
        let turned = Planned { stream: narrow, ..planned };
        assert_eq!(turned.outgrown(arriving(576, 720, (2, 1), true)), None, "the same picture, upright");
        let larger = turned.outgrown(arriving(720, 960, (2, 1), true)).expect("larger");
        assert_eq!((larger.width, larger.height, larger.pixel_shape), (960, 720, (1, 2)), "as it is stored");
    }
}
