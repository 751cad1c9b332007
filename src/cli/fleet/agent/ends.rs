//! How claims end: brought in vain, done and stored, failed, given back, cancelled, lost.

use std::time::Duration;

use tokio::time::Instant;

use super::{Done, FAULTS, LATER, LOG_LINES, REST, Storing, Worker};
use crate::cli::fleet::held::{Held, Stage};
use crate::cli::fleet::steps::{self, Brought, Ending, Made, Told};
use crate::domain::command::{Answer, Command, JobRequest, QueueOptions};
use crate::domain::job::{JobId, Outcome, Phase, RejectReason};
use crate::domain::refusal::{Refusal, Rejection};
use crate::domain::units::Bytes;
use crate::engine::offer;
use crate::host::doctor::{self, Unfit};
use crate::host::fleet::Hold;
use crate::host::fleet::db::QueueError;
use crate::host::fleet::files::FilesError;
use crate::host::fleet::results::{Back, End};
use crate::host::fleet::spool::Place;

impl Worker<'_> {
    pub(super) fn brought(&mut self, job: i64, place: &Place, brought: Brought) {
        // Of another claim of the same job, or of a life that has brought it before.
        let is_awaited = |held: &&mut Held| held.place == *place && held.stage == Stage::Fetching;
        let Some(held) = self.holding.get(job).filter(is_awaited) else { return };
        held.fetch = None;
        if held.cancelled {
            self.report_end(job, Ending::Fails(End::Cancelled), "cancelled".to_owned());
            return;
        }
        match brought {
            Brought::Here { path, etag } => {
                let Some(held) = self.holding.get(job) else { return };
                held.claimed.etag = held.claimed.etag.take().or(etag);
                held.stage = Stage::Queueing;
                let options = QueueOptions {
                    out: Some(held.place.outputs()),
                    flat: Some(true),
                    overwrite: Some(true),
                    film: true,
                    definition: Some(Box::new(held.claimed.definition.clone())),
                    ..QueueOptions::default()
                };
                let request = self.ask(Command::Enqueue { paths: vec![path], preset: None, options });
                self.queueing.push((request, job));
            }
            Brought::Not(error) => {
                let reason = error.to_string();
                let ending = match &error {
                    FilesError::NotFound { .. } | FilesError::Changed { .. } | FilesError::Refused { .. } => {
                        Ending::Fails(End::Rejected)
                    }
                    // The store is away: for others too, most likely.
                    error if error.is_temporary() => {
                        self.own_fault(&reason);
                        Ending::GoesBack(Back::Later(LATER))
                    }
                    // The disk, the rights: somebody else may have better ones.
                    _ => {
                        self.own_fault(&reason);
                        Ending::GoesBack(Back::BoxFault)
                    }
                };
                self.report_end(job, ending, reason);
            }
        }
    }

    /// What the engine says to an input that it was to queue. That it is queued it tells itself.
    pub(super) fn answered(&mut self, job: i64, answer: Result<Answer, Rejection>) {
        if self.holding.get(job).is_none_or(|held| held.stage != Stage::Queueing) {
            return;
        }
        let is_ending = self.state.draining || self.state.shutting_down;
        let (ending, reason) = match answer {
            Ok(answer) if answer.queued.is_none_or(|queued| queued.jobs > 0) => return,
            Ok(_) => (Ending::GoesBack(Back::BoxFault), "its engine has not queued it".to_owned()),
            Err(why) if is_ending => (Ending::GoesBack(Back::Drained), why.why),
            Err(why) if why.code == Refusal::BadPreset => (Ending::Fails(End::Rejected), why.why),
            // It is a file, and it is here: what is wrong with it is told later. So the engine cannot write down that it has it.
            Err(why) => (Ending::GoesBack(Back::BoxFault), why.why),
        };
        if matches!(ending, Ending::GoesBack(Back::BoxFault)) {
            self.own_fault(&reason);
        }
        self.report_end(job, ending, reason);
    }

    /// A claim whose job has failed here. Before it fails for good it is looked whether any film could be converted on this box.
    fn examine(&mut self, job: i64, end: End, reason: String) {
        let ffmpeg = self.agent.ffmpeg.clone();
        let Some(held) = self.holding.get(job) else { return };
        held.stage = Stage::Ending;
        let (place, preset) = (held.place.clone(), held.claimed.definition.clone());
        self.tasks.spawn_local(async move {
            let folder = place.outputs();
            let fault = tokio::task::spawn_blocking(move || doctor::unfit(&ffmpeg, &preset, &folder)).await;
            Done::Examined(job, place, (end, reason), fault.ok().flatten())
        });
    }

    pub(super) fn examined(&mut self, job: i64, place: &Place, (end, reason): (End, String), fault: Option<Unfit>) {
        if self.holding.get(job).is_none_or(|held| held.place != *place) {
            return;
        }
        match fault {
            None => self.report_end(job, Ending::Fails(end), reason),
            Some(Unfit::ForAll(why)) => {
                self.own_fault(&why);
                self.report_end(job, Ending::GoesBack(Back::BoxFault), why);
            }
            // It may work for others still.
            Some(Unfit::ForThese(why)) => {
                self.forgets_at.get_or_insert(Instant::now() + REST);
                self.report_end(job, Ending::GoesBack(Back::BoxFault), why);
            }
        }
    }

    /// A fault of the box's own; after three in a row it takes nothing for a while, and says so.
    pub(super) fn own_fault(&mut self, why: &str) {
        self.faults += 1;
        self.forgets_at.get_or_insert(Instant::now() + REST);
        if self.faults >= FAULTS {
            self.rests = Some((Instant::now() + REST, why.to_owned()));
            (self.renew_at, self.look_at) = (Instant::now(), Instant::now() + REST);
        }
    }

    /// Whether outputs can be stored from here is tried before anything is converted.
    pub(super) fn try_to_write(&mut self) {
        self.storing = match self.storing {
            Storing::Unknown => Storing::Tried,
            Storing::Refused => Storing::TriedAgain,
            Storing::Tried | Storing::TriedAgain | Storing::Works => return,
        };
        let files = self.agent.files.clone();
        self.tasks.spawn_local(async move { Done::Tried(files.try_to_write().await) });
    }

    pub(super) fn tried(&mut self, tried: Result<(), FilesError>) {
        match tried {
            Ok(()) => {
                if std::mem::replace(&mut self.storing, Storing::Works) == Storing::TriedAgain {
                    (self.faults, self.rests) = (0, None);
                }
                (self.renew_at, self.look_at) = (Instant::now(), Instant::now());
            }
            Err(error) => self.stand_down(&error),
        }
    }

    /// Outputs cannot be stored from here. It takes nothing until a trial shows that they can; a store that is away is tried again
    /// soon, a right that is missing is not given within a minute.
    fn stand_down(&mut self, error: &FilesError) {
        let again = Instant::now() + if error.is_temporary() { LATER } else { REST };
        self.storing = Storing::Refused;
        self.rests = Some((again, error.to_string()));
        (self.renew_at, self.look_at) = (Instant::now(), again);
    }

    /// The queue is told how a claim ended without an output.
    pub(super) fn report_end(&mut self, job: i64, ending: Ending, reason: String) {
        let log = self.log_of(job);
        let Some(held) = self.holding.get(job) else { return };
        held.stage = Stage::Ending;
        let (db, hold) = (self.agent.db.clone(), held.claimed.hold);
        self.tasks.spawn_local(async move { Done::Ended(job, hold, steps::report_end(db, hold, ending, reason, log).await) });
    }

    /// The output goes up.
    pub(super) fn store(&mut self, job: i64) {
        self.store_after(job, Duration::ZERO);
    }

    fn store_after(&mut self, job: i64, wait: Duration) {
        let log = self.log_of(job);
        let took = self.took(job);
        let Some(held) = self.holding.get(job) else { return };
        let Some(output) = held.output.clone() else { return };
        held.stage = Stage::Ending;
        let (db, files, claimed) = (self.agent.db.clone(), self.agent.files.clone(), held.claimed.clone());
        self.tasks.spawn_local(async move {
            tokio::time::sleep(wait).await;
            let hold = claimed.hold;
            Done::Ended(job, hold, steps::store(db, files, claimed, Made { output, log, took }).await)
        });
    }

    /// How long the try ran that made its output; `None` where an earlier life has made it.
    fn took(&mut self, job: i64) -> Option<Duration> {
        let local = self.holding.get(job)?.job?;
        match &self.state.jobs.get(&local)?.phase {
            Phase::Finished(end) if end.outcome == Outcome::Done => Some(end.took),
            _ => None,
        }
    }

    /// The last lines of a job's log.
    pub(super) fn log_of(&mut self, job: i64) -> String {
        let local = self.holding.get(job).and_then(|held| held.job);
        let Some(ring) = local.and_then(|local| self.state.logs.get(&Some(local))) else { return String::new() };
        let skip = ring.lines.len().saturating_sub(LOG_LINES);
        ring.lines.iter().skip(skip).fold(String::new(), |log, line| log + &line.text + "\n")
    }

    pub(super) fn ended(&mut self, job: i64, hold: Hold, told: Told) -> Result<(), QueueError> {
        self.look_at = Instant::now();
        let Some(held) = self.holding.get(job) else { return Ok(()) };
        match told {
            Told::Stored => {
                // Only that shows that everything of the box works: that an input comes says nothing of storing.
                (self.faults, self.rests) = (0, None);
                self.storing = Storing::Works;
                self.forget(job);
            }
            // It was of a claim before this one.
            Told::Done if held.claimed.hold != hold => {}
            Told::Done => self.forget(job),
            // It was adopted again meanwhile: once more, under the fence that it has now.
            Told::Lost if held.claimed.hold != hold && held.output.is_some() => self.store(job),
            // The same where nothing was made: nobody else knows that it waits.
            Told::Lost if held.claimed.hold != hold => {
                self.report_end(job, Ending::GoesBack(Back::Drained), "its worker began anew".to_owned());
            }
            // Either somebody else has it, and this changes nothing; or it was cancelled in the moment it was done.
            Told::Lost if held.output.take().is_some() => {
                self.report_end(job, Ending::Fails(End::Cancelled), "cancelled".to_owned());
            }
            Told::Lost => self.forget(job),
            // What was made is not thrown away since the store is away for a while.
            Told::Files(error) if error.is_temporary() && !(self.drained || self.state.draining || self.state.shutting_down) => {
                tracing::warn!(%error, job, "the output is stored again");
                self.own_fault(&error.to_string());
                // A folder that is not mounted says so at once.
                self.store_after(job, LATER);
            }
            Told::Files(error) => {
                let reason = error.to_string();
                self.own_fault(&reason);
                if matches!(error, FilesError::Denied { .. }) {
                    self.stand_down(&error);
                }
                self.report_end(job, Ending::GoesBack(Back::BoxFault), reason);
            }
            Told::Queue(error) => return Err(error),
        }
        Ok(())
    }

    /// Nothing of it is held any more, here or on disk.
    pub(super) fn forget(&mut self, job: i64) {
        let Some(held) = self.holding.remove(job) else { return };
        // It may be claimed again before these have come.
        if let Some(fetch) = &held.fetch {
            fetch.abort();
        }
        self.queueing.retain(|(_, of)| *of != job);
        if let Some(local) = held.job {
            self.drop_job(local);
        }
        held.place.remove();
    }

    /// Takes a job off the engine's list, whatever it is doing.
    pub(super) fn drop_job(&mut self, local: JobId) {
        if self.state.jobs.get(&local).is_some_and(|job| !job.phase.is_terminal()) {
            self.ask(Command::Cancel(local));
        }
        self.ask(Command::Each(vec![local], JobRequest::Remove));
    }

    /// Somebody has cancelled a job in the queue.
    pub(super) fn cancel(&mut self, job: i64) {
        let Some(held) = self.holding.get(job) else { return };
        if std::mem::replace(&mut held.cancelled, true) {
            return;
        }
        if let (Stage::Here, Some(local)) = (held.stage, held.job) {
            self.ask(Command::Cancel(local));
        }
    }

    /// What becomes of a claim whose job has ended here.
    pub(super) fn on_end(&mut self, local: JobId) {
        let Some(job) = self.state.jobs.get(&local).cloned() else { return };
        let Some(held) = self.holding.of_job(local) else { return };
        if held.stage == Stage::Ending {
            return;
        }
        let (number, is_cancelled) = (held.claimed.hold.job, held.cancelled);
        let set_aside = job.reserved.max(job.peak).max(job.predicted_peak.unwrap_or(Bytes::ZERO));
        match &job.phase {
            Phase::Finished(end) => {
                let reason = end.reason.clone().unwrap_or_else(|| end.outcome.word().to_owned());
                match end.outcome {
                    Outcome::Done | Outcome::AlreadyDone => {
                        held.output.clone_from(&job.output);
                        self.store(number);
                    }
                    Outcome::Cancelled if !is_cancelled => {
                        let reason = format!("cancelled on {}", self.agent.who.r#box);
                        self.report_end(number, Ending::Fails(End::Cancelled), reason);
                    }
                    Outcome::Cancelled => self.report_end(number, Ending::Fails(End::Cancelled), reason),
                    Outcome::OutOfMemory => {
                        let back = Back::OutOfMemory(set_aside + set_aside.scale(0.25));
                        self.report_end(number, Ending::GoesBack(back), reason);
                    }
                    _ => self.examine(number, End::Failed, reason),
                }
            }
            Phase::Rejected(rejected) => {
                let reason = rejected.detail.clone();
                let back = match rejected.reason {
                    // Only a larger one may try it from now on.
                    RejectReason::NeverFits => Back::Needs(set_aside.max(offer::largest(&self.state) + Bytes(1))),
                    // Under another profile it may go.
                    RejectReason::TooLarge => Back::BoxFault,
                    _ => return self.examine(number, End::Rejected, reason),
                };
                self.report_end(number, Ending::GoesBack(back), reason);
            }
            _ => {}
        }
    }
}
