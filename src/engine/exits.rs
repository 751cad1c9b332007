//! What hosts report of jobs, and every way a job ends.

use std::path::Path;
use std::time::Duration;

use super::port::{Cause, Effect, ExitReport, Failure, Inspection, JobReport, Lack, Published};
use super::stall::Alive;
use super::{Engine, left, retry};
use crate::domain::event::EventKind;
use crate::domain::job::{Exit, JobId, KERNEL_KILL, LogLevel, Outcome, Phase, StopReason};
use crate::domain::media::{MediaInfo, VideoStream};
use crate::domain::memory::JobVitals;
use crate::domain::text::path_text;
use crate::domain::units::Bytes;

/// Linux and macOS agree on this one.
const SIGKILL: i32 = 9;

/// How a try ended, before it is decided what follows.
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    pub(super) reason: String,
    pub(super) cause: Cause,
    pub(super) exit: Option<Exit>,
}

impl Engine {
    pub(super) fn report(&mut self, id: JobId, report: JobReport) {
        if let JobReport::Inspected(inspection) = report {
            return self.inspected(id, inspection);
        }
        if !self.active.contains_key(&id) {
            return;
        }
        match report {
            JobReport::Spawned { pid, command } => self.spawned(id, pid, command),
            JobReport::SpawnFailed { reason, transient } => {
                // It was to end anyway.
                if let Some(why) = self.active.get(&id).and_then(|active| active.doomed_why) {
                    return self.end_stopped(id, why, None);
                }
                let cause = if transient { Cause::Host } else { Cause::Input };
                self.end_failed(id, Ending { outcome: Outcome::Failed, reason, cause, exit: None });
            }
            JobReport::NoRoom(lack) => self.no_room(id, lack),
            JobReport::InputAway(absence) => {
                if let Some(why) = self.active.get(&id).and_then(|active| active.doomed_why) {
                    self.end_stopped(id, why, None);
                } else if self.state.shutting_down {
                    self.requeue_uncounted(id, "plimsoll is ending");
                } else {
                    self.wait_for_input(id, absence);
                }
            }
            JobReport::Progress(progress) => {
                let memory_bytes = self.job(id).map_or(Bytes::ZERO, |job| job.memory);
                let (worked, been_there) = self.spans_of(id);
                let progress = left::without_pauses(progress, worked, been_there);
                self.emit(EventKind::JobProgressed {
                    job: id,
                    ratio: progress.ratio,
                    fps: progress.fps,
                    speed: progress.speed,
                    eta_seconds: left::seconds(worked, &progress),
                    memory_bytes,
                    frame: progress.frame,
                    out_time_ms: progress.out_time.as_millis() as u64,
                    written_bytes: progress.written,
                });
                self.note_progress(id);
                self.room_for_more(id);
            }
            JobReport::Log(lines) => {
                for (level, text) in lines {
                    self.emit(EventKind::JobLogged { job: Some(id), level, text, own: false });
                }
            }
            JobReport::Exited(exit) => self.exited(id, exit),
            JobReport::Finalized(result) => self.finalized(id, result),
            JobReport::Inspected(_) => {}
        }
    }

    /// How long the process of a job has worked, and how long it has been there, pauses included.
    fn spans_of(&self, id: JobId) -> (Duration, Duration) {
        let now = self.now.mono;
        self.active.get(&id).map_or_else(Default::default, |active| (active.worked(now), active.been_there(now)))
    }

    fn spawned(&mut self, id: JobId, pid: u32, command: String) {
        let Some(job) = self.job(id) else { return };
        // Jobs that ended since it was probed may have taught better.
        let (predicted_peak_bytes, attempt) = (self.expected(id).map(|estimate| estimate.peak), job.attempts);
        let line = format!("Memory usage before processing: {:.1}MB", self.state.memory.working_set_bytes.as_mb());
        self.log(Some(id), LogLevel::Memory, line);
        self.after_lines.insert(id, None);
        self.emit(EventKind::JobStarted { job: id, attempt, pid, predicted_peak_bytes, command: Some(command) });
        self.room_at_start(id);
        self.input_is_there(id);
        let now = self.now.mono;
        let Some(active) = self.active.get_mut(&id) else { return };
        active.clock_from = now;
        active.grown = Some((Bytes::ZERO, now));
        active.alive = Some(Alive { at: now, vitals: JobVitals::default() });
        if let Some(why) = active.doomed_why.take() {
            self.stop(id, why, super::STOP_GRACE);
        } else if self.stands_still {
            self.suspend_one(id);
        }
    }

    fn exited(&mut self, id: JobId, report: ExitReport) {
        let was_stopping = match self.job(id).map(|job| &job.phase) {
            Some(Phase::Stopping { why, .. }) => Some(*why),
            _ => None,
        };
        self.note_peak(id, report.peak);
        self.governor.note_reaped(id, self.now.mono);
        // One that was done before it could be killed for want of memory has lost nothing.
        let is_done = was_stopping == Some(StopReason::Memory) && Self::is_good(&report);
        if let Some(why) = was_stopping.filter(|_| !is_done) {
            self.discard(id);
            self.end_stopped(id, why, Some(report));
            return;
        }
        if Self::is_good(&report) {
            let Some(attempt) = self.job(id).map(|job| job.attempts) else { return };
            let now = self.now.mono;
            if let Some(active) = self.active.get_mut(&id) {
                active.exit = Some(report);
                active.ran = active.worked(now);
            }
            // Before its slot's memory is given to the next one like it.
            self.learn_from(id);
            self.emit(EventKind::JobFinalizing { job: id });
            self.effects.push(Effect::Finalize { job: id, attempt });
            return;
        }
        self.discard(id);
        if let Some(larger) = report.account.grown {
            return self.start_anew(id, *larger);
        }
        let ending = self.ending_of(id, report);
        if self.config.governor && ending.outcome == Outcome::OutOfMemory && !self.state.shutting_down {
            return self.end_for_memory(id, &ending.reason, ending.exit);
        }
        self.end_failed(id, ending);
    }

    /// Exit code 0, and nothing said that makes its output worthless. What of the input could not be decoded is judged with
    /// the output. One that ended before it could be stopped for a picture that grew is not: the output would hang on the moment.
    fn is_good(report: &ExitReport) -> bool {
        report.exit == Exit::Code(0) && report.failure.is_none() && report.account.grown.is_none()
    }

    fn ending_of(&self, id: JobId, report: ExitReport) -> Ending {
        let exit = Some(report.exit);
        if report.exit == Exit::Signal(SIGKILL) && report.oom_killed != Some(false) {
            let peak = self.job(id).map_or(report.peak, |job| job.peak.max(report.peak));
            // Only where the group has a counter of its own is there a limit of its own that could have done it.
            let limit = self.active.get(&id).and_then(|active| active.limit).filter(|_| report.oom_killed == Some(true));
            let limit = limit.map(|limit| format!(", its limit was {}", limit.whole())).unwrap_or_default();
            let (certainty, doubt) = match report.oom_killed {
                Some(true) => ("", ""),
                _ => ("probably ", " (SIGKILL that was not ours; no memory group of its own counts its kills)"),
            };
            let reason = format!(
                "out of memory: {certainty}{KERNEL_KILL} at {} of its own{limit}, budget {}{doubt}",
                peak.whole(),
                self.state.lines.budget
            );
            return Ending { outcome: Outcome::OutOfMemory, reason, cause: Cause::Host, exit };
        }
        let said = report.failure.unwrap_or_else(|| Failure { cause: Cause::Unknown, reason: "ffmpeg did not say why".to_owned() });
        let reason = match report.exit {
            // The number says nothing beside a reason that lies with the disk.
            Exit::Code(code) if code == 0 || said.cause == Cause::Room => said.reason,
            // The signal is how the kernel keeps to the limit.
            Exit::Signal(_) if said.cause == Cause::Scratch => said.reason,
            Exit::Code(code) => {
                let number = format!("(exit code {code})");
                if said.reason.contains(&number) { said.reason } else { format!("{} {number}", said.reason) }
            }
            Exit::Signal(signal) => format!("ended by signal {signal}: {}", said.reason),
        };
        Ending { outcome: Outcome::Failed, reason, cause: said.cause, exit }
    }

    fn finalized(&mut self, id: JobId, result: Result<Published, Failure>) {
        match result {
            Ok(published) => {
                let exit = self.active.get(&id).and_then(|active| active.exit.as_ref()).map(|report| report.exit);
                let line = format!("output in place: {} ({})", path_text(&published.output), published.size);
                self.log(Some(id), LogLevel::Info, line);
                self.finish(
                    id,
                    Ending { outcome: Outcome::Done, reason: String::new(), cause: Cause::Input, exit },
                    Some(published),
                );
            }
            Err(failure) => {
                self.discard(id);
                let exit = self.active.get(&id).and_then(|active| active.exit.as_ref()).map(|report| report.exit);
                self.end_failed(id, Ending { outcome: Outcome::Failed, reason: failure.reason, cause: failure.cause, exit });
            }
        }
    }

    /// A full disk is no try: the job waits in its place and looks again. Only where no second try is wanted it ends.
    fn no_room(&mut self, id: JobId, lack: Lack) {
        if let Some(why) = self.active.get(&id).and_then(|active| active.doomed_why) {
            return self.end_stopped(id, why, None);
        }
        if self.config.retries == 0 || self.state.shutting_down {
            let ending = Ending { outcome: Outcome::Failed, reason: lack.reason, cause: Cause::Room, exit: None };
            return self.end_failed(id, ending);
        }
        self.wait_for_room(id, lack, false);
    }

    /// A try has failed: another one, or the end.
    pub(super) fn end_failed(&mut self, id: JobId, ending: Ending) {
        let Some(job) = self.job(id) else { return };
        let attempt = job.attempts;
        let counted = attempt.saturating_sub(self.governor.memory_tries(id) + self.window.deaths(id));
        if self.state.shutting_down {
            return self.requeue_uncounted(id, "plimsoll is ending");
        }
        if matches!(ending.cause, Cause::Room | Cause::Scratch) && self.config.retries > 0 {
            // What it had written is thrown away, but the disk is to blame, or what the others hold.
            let folder = job.output.as_deref().and_then(Path::parent).unwrap_or(Path::new(".")).to_owned();
            let written = job.progress.map_or(Bytes::ZERO, |progress| progress.written).whole();
            let (reason, disk) = if ending.cause == Cause::Scratch {
                (format!("{} (it had written {written})", ending.reason), None)
            } else {
                (format!("{} ({} was full after {written})", ending.reason, path_text(&folder)), job.disk.clone())
            };
            self.log(Some(id), LogLevel::Warning, reason.clone());
            return self.wait_for_room(id, Lack { folder, disk, needs: None, free: None, reason }, true);
        }
        self.room_not_missing();
        if retry::is_worth_it(ending.cause, counted, self.config.retries) {
            let delay = retry::backoff(counted);
            let (reason, delay_ms) = (ending.reason, delay.as_millis() as u64);
            self.log(
                Some(id),
                LogLevel::Warning,
                format!("try {counted} of {} failed: {reason}; next try in {} s", self.config.retries + 1, delay.as_secs()),
            );
            self.active.remove(&id);
            self.emit(EventKind::JobRequeued { job: id, attempt, reason, delay_ms, uncounted: false, for_room: false, away: None });
            self.clean_after(id, false);
        } else {
            self.finish(id, ending, None);
        }
    }

    /// A job that was told to end has ended, or never began.
    pub(super) fn end_stopped(&mut self, id: JobId, why: StopReason, report: Option<ExitReport>) {
        let exit = report.map(|report| report.exit);
        let ending = |outcome, reason: String, cause| Ending { outcome, reason, cause, exit };
        match why {
            StopReason::Shutdown => self.requeue_uncounted(id, "plimsoll is ending"),
            StopReason::Memory if self.state.shutting_down => self.requeue_uncounted(id, "plimsoll is ending"),
            StopReason::Memory => {
                let why = self.active.get_mut(&id).and_then(|active| active.memory_why.take()).unwrap_or_default();
                self.end_for_memory(id, &why, exit);
            }
            StopReason::Cancel => {
                self.finish(id, ending(Outcome::Cancelled, "cancelled by the operator".to_owned(), Cause::Input), None);
            }
            StopReason::Timeout => {
                let limit = self.config.timeout.unwrap_or_default().as_secs_f64();
                let reason = format!("ran longer than the limit of {limit} s (--timeout)");
                self.finish(id, ending(Outcome::TimedOut, reason, Cause::Input), None);
            }
            StopReason::Stall => {
                let limit = self.config.stall.unwrap_or_default().as_secs_f64();
                let reason = format!("made no progress and used no CPU for {limit} s (--stall)");
                self.end_failed(id, ending(Outcome::Stalled, reason, Cause::Host));
            }
        }
    }

    /// The picture became larger than the output was planned for: the whole is made again in the larger size, which needs
    /// more memory too. That is no failed try.
    fn start_anew(&mut self, id: JobId, larger: VideoStream) {
        let known = self.job(id).and_then(|job| Some((job.media.clone()?, job.disk.clone())));
        let Some((media, disk)) = known else { return };
        let reason = format!("its picture becomes {}x{} on the way: it starts anew in that size", larger.width, larger.height);
        self.requeue_uncounted(id, &reason);
        if !self.state.shutting_down {
            let media = Box::new(MediaInfo { video: Some(larger), ..media });
            self.inspected(id, Inspection::Ready { media, disk });
        }
        self.clean_after(id, false);
    }

    fn requeue_uncounted(&mut self, id: JobId, reason: &str) {
        self.active.remove(&id);
        let Some(attempt) = self.job(id).map(|job| job.attempts) else { return };
        let reason = reason.to_owned();
        self.emit(EventKind::JobRequeued { job: id, attempt, reason, delay_ms: 0, uncounted: true, for_room: false, away: None });
    }

    pub(super) fn finish_failed(&mut self, id: JobId, outcome: Outcome, reason: String, exit: Option<Exit>) {
        self.finish(id, Ending { outcome, reason, cause: Cause::Host, exit }, None);
    }

    /// A reason that begins with how the job ended says that once. What the operator wanted is no error.
    fn log_bad_end(&mut self, id: JobId, outcome: Outcome, reason: &str) {
        let (word, is_wanted) = (outcome.word(), outcome == Outcome::Cancelled);
        let text = if reason.starts_with(word) { reason.to_owned() } else { format!("{word}: {reason}") };
        self.log(Some(id), if is_wanted { LogLevel::Warning } else { LogLevel::Error }, text);
    }

    fn finish(&mut self, id: JobId, ending: Ending, published: Option<Published>) {
        let active = self.active.remove(&id).unwrap_or_default();
        self.forget_room(id);
        let Some(job) = self.job(id) else { return };
        let seconds = job.started_at.map_or(0.0, |_| active.worked(self.now.mono).as_secs_f64());
        let (peak_memory_bytes, attempts) = (job.peak.max(active.host_peak), job.attempts);
        let is_success = ending.outcome.is_success();
        self.governor.forget(id);
        self.note_ended(ending.outcome);
        if !is_success {
            self.log_bad_end(id, ending.outcome, &ending.reason);
        }
        let (exit_code, signal) = ending.exit.map_or((None, None), Exit::code_and_signal);
        let (output, damage, left_out) =
            published.map_or((None, None, Vec::new()), |made| (Some(made.output), made.damage, made.left_out));
        self.emit(EventKind::JobFinished {
            job: id,
            outcome: ending.outcome,
            output,
            peak_memory_bytes,
            seconds,
            attempts,
            exit_code,
            signal,
            reason: (!is_success).then_some(ending.reason),
            damage,
            left_out,
        });
        self.clean_after(id, is_success);
    }

    /// Removes what the try left behind: nothing partial may stay. Where cleanups run, the one after a failure does it
    /// and tells what it freed.
    fn discard(&mut self, id: JobId) {
        if self.config.governor && !self.state.shutting_down {
            return;
        }
        if let Some(attempt) = self.job(id).map(|job| job.attempts) {
            self.effects.push(Effect::Discard { job: id, attempt });
        }
    }
}
