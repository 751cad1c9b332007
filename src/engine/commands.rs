//! What front ends ask, and why it may be refused.

use super::port::{Effect, StopMode};
use super::{Active, Engine};
use crate::domain::command::{Answer, ClientId, Command, JobRequest, MoveTo, RequestId};
use crate::domain::comparison::under_way::{END_IT, JOBS_AT_WORK, Step};
use crate::domain::event::EventKind;
use crate::domain::job::{JobId, LogLevel, Outcome, Phase, Rank, RejectReason, StopReason};
use crate::domain::profile::Profile;
use crate::domain::refusal::{Refusal, Rejection};

impl Engine {
    pub(super) fn command(&mut self, client: ClientId, request: RequestId, command: Command) {
        let starts_jobs = command.starts_jobs();
        let result = match command {
            // The scan answers when it is over.
            Command::Enqueue { paths, preset, options } => match self.enqueue((client, request), paths, preset, options) {
                Ok(()) => return,
                Err(rejection) => Err(rejection),
            },
            Command::PutBack(jobs) => match self.put_back((client, request), jobs) {
                Ok(()) => return,
                Err(rejection) => Err(rejection),
            },
            Command::Cancel(job) => self.cancel(job),
            Command::Retry(job) => self.retry(job),
            Command::Allow(job) => self.allow(job),
            Command::Move(job, to) => self.move_job(job, to),
            Command::Remove(job) => self.remove(job),
            Command::Each(jobs, asked) => self.each(jobs, asked),
            Command::Place(places) => self.place(places),
            Command::PauseJob(job) => self.pause_job(job),
            Command::ResumeJob(job) => self.resume_job(job),
            Command::Pause => {
                self.toggle(self.state.paused, EventKind::QueuePaused, (Refusal::HeldAlready, "the queue is held already"))
            }
            Command::Resume => {
                self.toggle(!self.state.paused, EventKind::QueueResumed, (Refusal::NotHeld, "the queue is not held"))
            }
            Command::SelectProfile(profile) => {
                self.select_profile(*profile);
                Ok(())
            }
            Command::UseProfile(profile) => self.use_profile(*profile),
            Command::CleanNow if !self.config.governor => {
                Err(Refusal::NoGovernor.because("the governor is off (--no-governor): nothing is cleaned"))
            }
            Command::CleanNow => {
                self.clean_now();
                Ok(())
            }
            Command::Drain => self.toggle(
                self.state.draining,
                EventKind::DrainStarted,
                (Refusal::DrainingAlready, "the queue is draining already"),
            ),
            Command::Undrain => self.toggle(
                !self.state.draining,
                EventKind::DrainStopped,
                (Refusal::NotDraining, "the queue is not draining; there is nothing to take back"),
            ),
            Command::Shutdown => {
                self.shutdown();
                Ok(())
            }
            Command::Suspend => {
                self.suspend_all();
                // Whoever asks is about to stop us too: a job that is being started has to be stopped first.
                self.suspending.push((client, request));
                return;
            }
            Command::Continue => {
                self.continue_all();
                Ok(())
            }
            Command::Comparison(step) => self.comparison(step),
        };
        let later = self.later().filter(|_| starts_jobs);
        self.effects.push(Effect::Reply(client, request, result.map(|()| Answer { later, ..Answer::default() })));
    }

    /// Does the same with each of these jobs.
    fn each(&mut self, mut jobs: Vec<JobId>, asked: JobRequest) -> Result<(), Rejection> {
        jobs.sort_by_key(|id| (self.job(*id).map_or(i64::MAX, |job| job.rank), *id));
        jobs.dedup();
        // Who stands behind goes first where all go the other way, so that nobody passes another one of them.
        if matches!(asked, JobRequest::Move(MoveTo::First | MoveTo::Later)) {
            jobs.reverse();
        }
        let all = jobs.len();
        let mut refused: Vec<Rejection> = Vec::new();
        for (at, id) in jobs.iter().copied().enumerate() {
            // At the end of the queue already: whoever stands next to it among them stays too.
            let blocked = matches!(asked, JobRequest::Move(MoveTo::Sooner | MoveTo::Later))
                && jobs[..at].iter().any(|other| self.are_neighbours(*other, id));
            let result = match asked {
                JobRequest::Move(_) if blocked => Ok(()),
                JobRequest::Cancel => self.cancel(id),
                JobRequest::Retry => self.retry(id),
                JobRequest::Allow => self.allow(id),
                JobRequest::Remove => self.remove(id),
                JobRequest::Pause => self.pause_job(id),
                JobRequest::Resume => self.resume_job(id),
                JobRequest::Move(to) => self.move_job(id, to),
            };
            refused.extend(result.err());
        }
        match (refused.len(), refused.into_iter().next()) {
            (_, None) => Ok(()),
            (count, Some(first)) => Err(first.code.because(format!("not for {count} of {all} jobs: {first}"))),
        }
    }

    /// Both wait, and nobody stands between them.
    fn are_neighbours(&self, one: JobId, other: JobId) -> bool {
        let place = |id| self.job(id).map(|job| (job.rank, id));
        let (Some(one), Some(other)) = (place(one), place(other)) else { return false };
        let (first, last) = (one.min(other), one.max(other));
        self.state.index.waiting.contains(&first) && self.state.index.waiting.range(first..=last).count() == 2
    }

    /// Gives waiting jobs the places that they had.
    fn place(&mut self, places: Vec<(JobId, Rank)>) -> Result<(), Rejection> {
        let (waiting, gone): (Vec<_>, Vec<_>) =
            places.into_iter().partition(|(id, _)| matches!(self.known(*id), Ok(Phase::Queued)));
        for (job, rank) in waiting {
            self.emit(EventKind::JobMoved { job, rank });
        }
        match gone.first() {
            None => Ok(()),
            Some((id, _)) => {
                Err(Refusal::NotWaiting.because(format!("job {id} does not wait in the list any more; it stays where it is")))
            }
        }
    }

    fn known(&self, id: JobId) -> Result<&Phase, Rejection> {
        self.job(id).map(|job| &job.phase).ok_or_else(|| Rejection::unknown_job(id))
    }

    /// What a comparison under way tells of itself. It has the machine for itself: what runs beside it would be measured too.
    fn comparison(&mut self, step: Step) -> Result<(), Rejection> {
        match step {
            Step::Begin { .. } if self.state.comparison.is_some() => {
                Err(Refusal::Comparing.because(format!("another one is being made; {END_IT}")))
            }
            Step::Begin { .. } if self.state.shutting_down => Err(Refusal::Ending.because("plimsoll is ending")),
            Step::Begin { .. } if !self.state.paused => Err(Refusal::NotHeld.because("the queue is not held; hold it first")),
            Step::Begin { .. } if !self.active.is_empty() => Err(Refusal::JobsAtWork.because(JOBS_AT_WORK)),
            Step::Begin { inputs } => {
                self.emit(EventKind::ComparisonStarted { inputs });
                Ok(())
            }
            Step::Run { run, runs, profile } => {
                self.emit(EventKind::ComparisonRun { run, runs, profile });
                Ok(())
            }
            Step::End(reason) => {
                self.emit(EventKind::ComparisonEnded { reason });
                Ok(())
            }
        }
    }

    /// What would start jobs starts them later, and after what.
    pub(super) fn later(&self) -> Option<String> {
        self.state.comparison.as_ref().map(|comparison| comparison.waits_words(self.now.mono))
    }

    fn toggle(&mut self, is_so_already: bool, event: EventKind, refusal: (Refusal, &str)) -> Result<(), Rejection> {
        if is_so_already {
            let (code, why) = refusal;
            return Err(code.because(why));
        }
        self.emit(event);
        Ok(())
    }

    /// A profile that comes from no file has to be as sound as one, and may not pass for another.
    fn use_profile(&mut self, profile: Profile) -> Result<(), Rejection> {
        profile.check().map_err(|why| Refusal::BadProfile.because(format!("such a profile cannot be used: {why}")))?;
        if self.config.profiles.iter().any(|known| known.name == profile.name && *known != profile) {
            let name = &profile.name;
            return Err(Refusal::ProfileTaken
                .because(format!("there is a profile {name} already, and it says something else; choose another name")));
        }
        self.select_profile(profile);
        Ok(())
    }

    fn cancel(&mut self, id: JobId) -> Result<(), Rejection> {
        match self.known(id)? {
            Phase::Queued | Phase::Backoff { .. } => {
                self.finish_without_run(id, Outcome::Cancelled, "cancelled before it ran");
                Ok(())
            }
            Phase::Starting => {
                self.doom(id, StopReason::Cancel);
                Ok(())
            }
            Phase::Running { .. } => {
                self.stop(id, StopReason::Cancel, super::STOP_GRACE);
                Ok(())
            }
            // It would run once more.
            Phase::Stopping { why: StopReason::Stall | StopReason::Memory, .. } => {
                self.emit(EventKind::JobStopping { job: id, why: StopReason::Cancel });
                Ok(())
            }
            Phase::Stopping { .. } => Err(Refusal::Stopping.because(format!("job {id} is being stopped already"))),
            Phase::Finalizing => {
                Err(Refusal::Finishing.because(format!("job {id} is done; its output is just being put in place")))
            }
            Phase::Rejected(_) | Phase::Finished(_) => {
                Err(Refusal::Ended.because(format!("job {id} has ended; there is nothing to cancel")))
            }
        }
    }

    fn retry(&mut self, id: JobId) -> Result<(), Rejection> {
        match self.known(id)? {
            Phase::Finished(finished) if finished.outcome.is_success() => Err(Refusal::Done.because(format!(
                "job {id} is done; there is nothing to retry (`plimsoll add --overwrite` with its file makes it anew)"
            ))),
            Phase::Rejected(rejected) if rejected.reason == RejectReason::TooLarge => Err(Refusal::TooLarge.because(format!(
                "job {id} is over the size limit; `plimsoll allow` lets it in, `plimsoll profile` changes the limit"
            ))),
            Phase::Backoff { .. } => {
                self.look_for_input(id);
                self.emit(EventKind::JobReady { job: id });
                Ok(())
            }
            Phase::Rejected(_) | Phase::Finished(_) => {
                let rank = self.rank_at_end();
                self.window.forget_deaths(id);
                self.emit(EventKind::JobRetried { job: id, rank });
                self.park_behind_backlog(id);
                Ok(())
            }
            _ => Err(Refusal::NotEnded.because(format!("job {id} has not ended; there is nothing to retry"))),
        }
    }

    fn allow(&mut self, id: JobId) -> Result<(), Rejection> {
        match self.known(id)? {
            Phase::Rejected(rejected) if rejected.reason == RejectReason::TooLarge => {
                self.emit(EventKind::JobAllowed { job: id, by_operator: true });
                Ok(())
            }
            Phase::Rejected(rejected) => {
                let detail = &rejected.detail;
                Err(Refusal::NotAllowed
                    .because(format!("job {id} cannot be let in: {detail}; mend that, then `plimsoll retry` looks at it again")))
            }
            _ => Err(Refusal::NotRejected.because(format!("job {id} was not rejected"))),
        }
    }

    fn move_job(&mut self, id: JobId, to: MoveTo) -> Result<(), Rejection> {
        if !matches!(self.known(id)?, Phase::Queued) {
            return Err(
                Refusal::NotWaiting.because(format!("job {id} is not waiting; only waiting jobs have a place in the queue"))
            );
        }
        let Some(rank) = self.job(id).map(|job| job.rank) else { return Ok(()) };
        let waiting = &self.state.index.waiting;
        let neighbour = match to {
            MoveTo::Sooner => waiting.range(..(rank, id)).next_back().copied(),
            MoveTo::Later => waiting.range((rank, id)..).nth(1).copied(),
            MoveTo::First => waiting.first().copied().filter(|(_, first)| *first != id),
            MoveTo::Last => waiting.last().copied().filter(|(_, last)| *last != id),
        };
        if neighbour.is_none() && to == MoveTo::Later && self.has_backlog() {
            return Err(Refusal::NotListed
                .because(format!("what follows job {id} is not listed yet; move it to the end, or wait a little")));
        }
        // The last of those listed is not the last of all.
        let neighbour = neighbour.or_else(|| (to == MoveTo::Last && self.has_backlog()).then_some((rank, id)));
        let Some((other_rank, other)) = neighbour else {
            let end = if matches!(to, MoveTo::First | MoveTo::Sooner) { "front" } else { "end" };
            return Err(Refusal::AtEnd.because(format!("job {id} is at the {end} of the queue already")));
        };
        match to {
            MoveTo::Sooner | MoveTo::Later => {
                self.emit(EventKind::JobMoved { job: id, rank: other_rank });
                self.emit(EventKind::JobMoved { job: other, rank });
            }
            MoveTo::First => {
                let rank = self.rank_at_front();
                self.emit(EventKind::JobMoved { job: id, rank });
            }
            MoveTo::Last => {
                let rank = self.rank_at_end();
                self.emit(EventKind::JobMoved { job: id, rank });
                self.park_behind_backlog(id);
            }
        }
        Ok(())
    }

    fn remove(&mut self, id: JobId) -> Result<(), Rejection> {
        if self.known(id)?.holds_slot() {
            return Err(Refusal::Running.because(format!("job {id} is running; `plimsoll cancel` ends it")));
        }
        self.after_lines.remove(&id);
        self.governor.forget(id);
        let output = self.job(id).and_then(|job| job.output.clone());
        self.emit(EventKind::JobRemoved { job: id, output });
        Ok(())
    }

    fn pause_job(&mut self, id: JobId) -> Result<(), Rejection> {
        match self.known(id)? {
            Phase::Running { paused: false, .. } => {
                self.effects.push(Effect::Suspend(id));
                self.note_paused(id);
                self.emit(EventKind::JobPaused { job: id, by_governor: false });
                Ok(())
            }
            // From now on it is the operator who lets it go on.
            Phase::Running { .. } if self.governor.has_stopped(id) => {
                self.governor.release(id);
                self.emit(EventKind::JobPaused { job: id, by_governor: false });
                Ok(())
            }
            Phase::Running { .. } => Err(Refusal::PausedAlready.because(format!("job {id} is paused already"))),
            _ => Err(Refusal::NotRunning.because(format!("job {id} is not running; only running jobs can be paused"))),
        }
    }

    fn resume_job(&mut self, id: JobId) -> Result<(), Rejection> {
        match self.known(id)? {
            Phase::Running { paused: true, .. } => {
                self.effects.push(Effect::Continue(id));
                self.note_resumed(id);
                self.governor.release(id);
                self.emit(EventKind::JobContinued { job: id, by_governor: false });
                Ok(())
            }
            _ => Err(Refusal::NotPaused.because(format!("job {id} is not paused"))),
        }
    }

    fn suspend_all(&mut self) {
        self.stands_still = true;
        let running: Vec<JobId> = self.active.keys().copied().collect();
        for id in running {
            self.suspend_one(id);
        }
    }

    /// Stops a job because the console is stopped; only what runs and was not paused before. One that the governor has
    /// stopped stays the governor's.
    pub(super) fn suspend_one(&mut self, id: JobId) {
        if !self.governor.has_stopped(id) && self.pause_job(id).is_ok() {
            self.suspended.insert(id);
        }
    }

    /// Answers those who asked for everything to be stopped, once no process is being started any more.
    pub(super) fn answer_suspending(&mut self) {
        let starts = |(id, active): (&JobId, &Active)| {
            active.spawn_ordered && matches!(self.job(*id).map(|job| &job.phase), Some(Phase::Starting))
        };
        if self.suspending.is_empty() || (!self.over && self.active.iter().any(starts)) {
            return;
        }
        for (client, request) in std::mem::take(&mut self.suspending) {
            self.reply(client, request, Ok(()));
        }
    }

    fn continue_all(&mut self) {
        self.stands_still = false;
        self.room_not_missing();
        for id in std::mem::take(&mut self.suspended) {
            // It may have been resumed or have ended meanwhile; then there is nothing to do.
            let _ = self.resume_job(id);
        }
    }

    pub(super) fn shutdown(&mut self) {
        let first = !self.state.shutting_down;
        if first {
            self.emit(EventKind::ShutdownStarted);
        }
        let active: Vec<JobId> = self.active.keys().copied().collect();
        self.hurries = !first;
        for id in active {
            match self.job(id).map(|job| &job.phase) {
                Some(Phase::Starting) => self.doom(id, StopReason::Shutdown),
                Some(Phase::Running { .. }) => self.stop(id, StopReason::Shutdown, super::SHUTDOWN_GRACE),
                // Asked for a second time: no more patience.
                Some(Phase::Stopping { .. }) if !first => self.effects.push(Effect::Stop(id, StopMode::Kill)),
                _ => {}
            }
        }
    }

    /// A job that is about to start ends instead: at once if its process was not ordered yet, else when it runs.
    fn doom(&mut self, id: JobId, why: StopReason) {
        let Some(active) = self.active.get_mut(&id) else { return };
        if active.spawn_ordered {
            // One that is cancelled does not go back into the queue.
            active.doomed_why = active.doomed_why.filter(|known| *known == StopReason::Cancel).or(Some(why));
            return;
        }
        self.active.remove(&id);
        self.end_stopped(id, why, None);
    }

    pub(super) fn stop(&mut self, id: JobId, why: StopReason, grace: std::time::Duration) {
        self.governor.release(id);
        self.emit(EventKind::JobStopping { job: id, why });
        self.effects.push(Effect::Stop(id, StopMode::Term));
        if let Some(active) = self.active.get_mut(&id) {
            active.kill_at = Some(self.now.mono + grace);
        }
    }

    pub(super) fn finish_without_run(&mut self, id: JobId, outcome: Outcome, reason: &str) {
        let Some(job) = self.job(id) else { return };
        let (peak_memory_bytes, attempts) = (job.peak, job.attempts);
        self.governor.forget(id);
        self.log(Some(id), LogLevel::Warning, reason.to_owned());
        self.emit(EventKind::JobFinished {
            job: id,
            outcome,
            output: None,
            peak_memory_bytes,
            seconds: 0.0,
            attempts,
            exit_code: None,
            signal: None,
            reason: Some(reason.to_owned()),
            damage: None,
            left_out: Vec::new(),
        });
    }
}
