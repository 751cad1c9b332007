//! When the disk has no room for outputs: who waits, how often that is told, and when a run that nobody watches gives up.
//!
//! Waiting for room is no try. It cannot go on for ever where [`EngineConfig::disk_wait`] says so: the clock begins when room
//! is first missing, begins anew whenever a job ends for another reason or gets further than before, and ends the run once it
//! has passed and nothing is at work.
//!
//! [`EngineConfig::disk_wait`]: super::EngineConfig::disk_wait

use std::time::Duration;

use super::Engine;
use super::port::Lack;
use crate::domain::event::{EventKind, RoomWanted};
use crate::domain::job::JobId;
use crate::domain::time::{Mono, span_words};
use crate::domain::units::{Bytes, MIB};

/// Between two looks at a disk that is full.
const ROOM_PAUSE: Duration = Duration::from_secs(5);
/// A want that lasts is told again after this long.
const TELL_EVERY: Duration = Duration::from_mins(1);
/// The order of the queue is kept for this long; then a job without room lets others look, which may need less.
const OTHERS_AFTER: Duration = Duration::from_mins(1);
/// A try that has written at least this much more than the one before it has got further.
const FURTHER: Bytes = Bytes(MIB);

/// Room that is missing.
#[derive(Debug)]
pub(super) struct Lacking {
    /// Who looked for it last.
    job: JobId,
    lack: Lack,
    /// Since when nothing gets on for want of it.
    since: Mono,
    /// When it began, for people.
    began: Mono,
    told: Mono,
}

impl Engine {
    /// Puts a job that has found no room back into its place, where it looks again. Only the first one cleans up what may be
    /// in the way: whoever comes after it has changed nothing.
    pub(super) fn wait_for_room(&mut self, id: JobId, lack: Lack, was_tried: bool) {
        let Some(job) = self.job(id) else { return };
        let (attempt, now) = (job.attempts, self.now.mono);
        let written = job.progress.map_or(Bytes::ZERO, |progress| progress.written);
        let is_first = self.lacking.is_none();
        let is_further = was_tried && self.note_filled(id, written);
        self.active.remove(&id);
        // Nor is anybody else's start: each would only find out the same.
        self.room_at = now + ROOM_PAUSE;
        let lasts = self.lacking.as_ref().map_or(Duration::ZERO, |lacking| now.since(lacking.began));
        let delay = if lasts >= OTHERS_AFTER && self.state.waiting() > 0 { OTHERS_AFTER } else { ROOM_PAUSE };
        let (reason, delay_ms) = (lack.reason.clone(), delay.as_millis() as u64);
        self.emit(EventKind::JobRequeued { job: id, attempt, reason, delay_ms, uncounted: true, for_room: true });
        let lacking = self.lacking.get_or_insert(Lacking { job: id, lack: lack.clone(), since: now, began: now, told: now });
        (lacking.job, lacking.lack) = (id, lack);
        if is_further {
            lacking.since = now;
        }
        if is_first {
            self.tell_lack();
        }
        if is_first || was_tried {
            self.clean_after(id, false);
        }
    }

    /// Keeps how much a try had written when the disk was full. Tells whether it is the first one, or has got further.
    fn note_filled(&mut self, id: JobId, written: Bytes) -> bool {
        let known = self.filled.get(&id).copied();
        let is_further = known.is_none_or(|known| is_beyond(written, known));
        self.filled.insert(id, written.max(known.unwrap_or_default()));
        is_further
    }

    /// What the output of a job is known to need at least, because so much was not enough.
    pub(super) fn room_known(&self, id: JobId) -> Bytes {
        self.filled.get(&id).copied().unwrap_or_default()
    }

    /// Room is missing: nothing is cleaned for, and no line tells of, a start that most likely comes to nothing.
    pub(super) const fn lacks_room(&self) -> bool {
        self.lacking.is_some()
    }

    /// A process runs: there was room for its start. Whether there is enough is seen once it gets past where it was.
    pub(super) fn room_at_start(&mut self, id: JobId) {
        if !self.filled.contains_key(&id) {
            self.find_room(id);
        }
    }

    /// A job has come on.
    pub(super) fn room_for_more(&mut self, id: JobId) {
        if self.lacking.is_none() {
            return;
        }
        let written = self.job(id).and_then(|job| job.progress).map_or(Bytes::ZERO, |progress| progress.written);
        if self.filled.get(&id).is_some_and(|known| is_beyond(written, *known)) {
            self.find_room(id);
        }
    }

    /// A try has ended for another reason than want of room: something gets on.
    pub(super) fn room_not_missing(&mut self) {
        let now = self.now.mono;
        if let Some(lacking) = &mut self.lacking {
            lacking.since = now;
        }
    }

    /// A job has ended for good, or is off the list.
    pub(super) fn forget_room(&mut self, id: JobId) {
        self.filled.remove(&id);
        self.room_not_missing();
        self.find_room(id);
    }

    fn find_room(&mut self, id: JobId) {
        if self.lacking.as_ref().is_some_and(|lacking| lacking.job == id) {
            self.lacking = None;
            self.room_at = self.room_at.min(self.now.mono);
            self.emit(EventKind::RoomFound { job: id });
        }
    }

    /// It is told again, and a run that nobody watches gives up.
    pub(super) fn room_timers(&mut self) {
        let now = self.now.mono;
        let Some(lacking) = &self.lacking else { return };
        let id = lacking.job;
        if self.job(id).is_none_or(|job| job.phase.is_terminal()) {
            return self.forget_room(id);
        }
        if self.give_up_at().is_some_and(|at| now >= at) {
            self.give_up();
        } else if self.tell_again_at().is_some_and(|at| now >= at) {
            self.tell_lack();
        }
    }

    /// The next moment at which something about it is due.
    pub(super) fn room_due(&self) -> Option<Mono> {
        [self.give_up_at(), self.tell_again_at()].into_iter().flatten().min()
    }

    fn tell_again_at(&self) -> Option<Mono> {
        let lacking = self.lacking.as_ref().filter(|lacking| !self.active.contains_key(&lacking.job))?;
        (!self.state.shutting_down).then(|| lacking.told + TELL_EVERY)
    }

    fn give_up_at(&self) -> Option<Mono> {
        let is_due = self.active.is_empty() && !self.state.shutting_down && !self.stands_still;
        let lacking = self.lacking.as_ref().filter(|_| is_due)?;
        Some(lacking.since + self.config.disk_wait?)
    }

    fn tell_lack(&mut self) {
        let (now, ends) = (self.now.mono, self.config.disk_wait);
        let Some(lacking) = &mut self.lacking else { return };
        lacking.told = now;
        let wanted = RoomWanted {
            job: lacking.job,
            folder: lacking.lack.folder.clone(),
            needs_bytes: lacking.lack.needs,
            free_bytes: lacking.lack.free,
            reason: lacking.lack.reason.clone(),
            waited_ms: now.since(lacking.began).as_millis() as u64,
            gives_up_ms: ends.map(|wait| (lacking.since + wait).since(now).as_millis() as u64),
        };
        self.emit(EventKind::RoomWanted(wanted));
    }

    /// Nothing can be started and nobody is there to make room: the run ends, and keeps the queue.
    fn give_up(&mut self) {
        let Some(lacking) = &self.lacking else { return };
        let waited = self.config.disk_wait.unwrap_or_default();
        let what = match waited {
            Duration::ZERO => "no room for the next output".to_owned(),
            waited => format!("no room for the next output for {}", span_words(waited)),
        };
        let reason = &lacking.lack.reason;
        let detail = format!("{reason}. The run ends here (--disk-wait); what is queued is kept, start again once there is room");
        self.emit(EventKind::Fault { what, detail });
        self.shutdown();
    }
}

/// So much more that it is no accident of where a file system stops.
fn is_beyond(written: Bytes, known: Bytes) -> bool {
    written.0 > known.0.saturating_add(known.0 / 8).saturating_add(FURTHER.0)
}
