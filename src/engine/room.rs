//! When the disk has no room for outputs: who waits, how often that is told, and when a run that nobody watches gives up.
//!
//! Waiting for room is no try. It cannot go on for ever where [`EngineConfig::disk_wait`] says so: the clock begins when room
//! is first missing, begins anew whenever a job ends for another reason or gets further than before, and ends the run once it
//! has passed and nothing is at work.
//!
//! Each disk is waited for by itself: jobs whose outputs go to another one pass those that wait. Whoever is passed looks again
//! before a slot that was his goes to somebody behind him, so that he starts as soon as there is room.
//!
//! [`EngineConfig::disk_wait`]: super::EngineConfig::disk_wait

use std::path::PathBuf;
use std::time::Duration;

use super::Engine;
use super::port::Lack;
use crate::domain::event::{EventKind, RoomWanted, is_missing_for};
use crate::domain::job::JobId;
use crate::domain::time::{Mono, span_words};
use crate::domain::units::{Bytes, MIB};

/// Between two looks at a disk that is full.
const ROOM_PAUSE: Duration = Duration::from_secs(5);
/// Who was passed and has looked within this time need not look again before others.
const LOOKED_JUST_NOW: Duration = Duration::from_secs(1);
/// A want that lasts is told again after this long.
const TELL_EVERY: Duration = Duration::from_mins(1);
/// The order of the queue is kept for this long; then a job without room lets others look, which may need less.
const OTHERS_AFTER: Duration = Duration::from_mins(1);
/// A try that has written at least this much more than the one before it has got further.
const FURTHER: Bytes = Bytes(MIB);

/// Where room is missing: on a disk, or (`None`) within what all unfinished outputs together may hold.
pub(super) type Place = Option<PathBuf>;

/// Room that is missing in one place.
#[derive(Debug)]
pub(super) struct Lacking {
    /// Who looked for it last.
    job: JobId,
    lack: Lack,
    /// Nobody looks before then: each would only find out the same.
    look_at: Mono,
    /// When somebody has looked last.
    looked: Mono,
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
        let place = lack.disk.clone();
        let is_first = !self.lacking.contains_key(&place);
        let is_further = was_tried && self.note_filled(id, written);
        self.active.remove(&id);
        let lasts = self.lacking.get(&place).map_or(Duration::ZERO, |lacking| now.since(lacking.began));
        let delay = if lasts >= OTHERS_AFTER && self.state.waiting() > 0 { OTHERS_AFTER } else { ROOM_PAUSE };
        let (reason, delay_ms) = (lack.reason.clone(), delay.as_millis() as u64);
        self.emit(EventKind::JobRequeued { job: id, attempt, reason, delay_ms, uncounted: true, for_room: true, away: None });
        let look_at = now + ROOM_PAUSE;
        let lacking = self.lacking.entry(place.clone()).or_insert_with(|| Lacking {
            job: id,
            lack: lack.clone(),
            look_at,
            looked: now,
            since: now,
            began: now,
            told: now,
        });
        (lacking.job, lacking.lack, lacking.look_at, lacking.looked) = (id, lack, look_at, now);
        if is_further {
            lacking.since = now;
        }
        if is_first {
            self.emit_lack(&place);
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

    /// Where the output of a job goes: what is missing there is what it waits for.
    fn missing_for(&self, id: JobId) -> impl Iterator<Item = &Lacking> {
        let disk = self.job(id).and_then(|job| job.disk.as_deref());
        self.lacking.iter().filter(move |(place, _)| is_missing_for(place.as_deref(), disk)).map(|(_, lacking)| lacking)
    }

    /// Room is missing for it: nothing is cleaned for, and no line tells of, a start that most likely comes to nothing.
    pub(super) fn lacks_room(&self, id: JobId) -> bool {
        self.missing_for(id).next().is_some()
    }

    /// It would only find out what another one has just found: its disk is full.
    pub(super) fn waits_for_room(&self, id: JobId) -> bool {
        self.missing_for(id).any(|lacking| self.now.mono < lacking.look_at)
    }

    /// Whoever waits for room on another disk, stands before this job in the queue, and has not looked just now: it looks before
    /// this one gets the slot. On a disk of its own it has just looked, and lets others look in their turn.
    pub(super) fn passed_for_room(&self, id: JobId) -> Option<JobId> {
        if self.lacking.is_empty() {
            return None;
        }
        let place = |id: JobId| self.job(id).map(|job| (job.rank, id));
        let (own, disk) = (place(id)?, self.job(id)?.disk.as_deref());
        let may_look = |other: &JobId| {
            let Some(job) = self.job(*other).filter(|job| job.wants_room.is_some()) else { return false };
            let mut missing =
                self.lacking.iter().filter(|(place, _)| is_missing_for(place.as_deref(), job.disk.as_deref())).peekable();
            let is_elsewhere = |(place, lacking): (&Place, &Lacking)| {
                !is_missing_for(place.as_deref(), disk) && self.now.mono.since(lacking.looked) >= LOOKED_JUST_NOW
            };
            missing.peek().is_some() && missing.all(is_elsewhere)
        };
        let before = self.state.index.backoff.iter().copied().filter(may_look).filter_map(place);
        before.filter(|other| *other < own).min().map(|(_, id)| id)
    }

    /// Lets it look now.
    pub(super) fn look_for_room(&mut self, id: JobId) {
        let (disk, now) = (self.job(id).and_then(|job| job.disk.clone()), self.now.mono);
        for (_, lacking) in self.lacking.iter_mut().filter(|(place, _)| is_missing_for(place.as_deref(), disk.as_deref())) {
            (lacking.look_at, lacking.looked) = (lacking.look_at.min(now), now);
        }
        self.emit(EventKind::JobReady { job: id });
    }

    /// A process runs: there was room for its start. Whether there is enough is seen once it gets past where it was.
    pub(super) fn room_at_start(&mut self, id: JobId) {
        if !self.filled.contains_key(&id) {
            self.find_room(id);
        }
    }

    /// A job has come on.
    pub(super) fn room_for_more(&mut self, id: JobId) {
        if self.lacking.is_empty() {
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
        for lacking in self.lacking.values_mut() {
            lacking.since = now;
        }
        for away in self.away.values_mut() {
            away.since = now;
        }
    }

    /// A job has ended for good, or is off the list.
    pub(super) fn forget_room(&mut self, id: JobId) {
        self.filled.remove(&id);
        self.room_not_missing();
        self.find_room(id);
    }

    fn find_room(&mut self, id: JobId) {
        let before = self.lacking.len();
        self.lacking.retain(|_, lacking| lacking.job != id);
        if self.lacking.len() < before {
            self.emit(EventKind::RoomFound { job: id });
        }
    }

    /// It is told again, and a run that nobody watches gives up.
    pub(super) fn room_timers(&mut self) {
        let now = self.now.mono;
        let is_gone = |lacking: &&Lacking| self.job(lacking.job).is_none_or(|job| job.phase.is_terminal());
        let gone: Vec<JobId> = self.lacking.values().filter(is_gone).map(|lacking| lacking.job).collect();
        for id in gone {
            self.forget_room(id);
        }
        if self.give_up_at().is_some_and(|at| now >= at) {
            return self.give_up();
        }
        let is_due = |lacking: &Lacking| self.emit_again_at(lacking).is_some_and(|at| now >= at);
        let due: Vec<Place> = self.lacking.iter().filter(|(_, lacking)| is_due(lacking)).map(|(place, _)| place.clone()).collect();
        for place in due {
            self.emit_lack(&place);
        }
    }

    /// The next moment at which something about it is due.
    pub(super) fn room_due(&self) -> Option<Mono> {
        let now = self.now.mono;
        let looks = self.lacking.values().map(|lacking| lacking.look_at).filter(|at| *at > now);
        let told = self.lacking.values().filter_map(|lacking| self.emit_again_at(lacking));
        self.give_up_at().into_iter().chain(looks).chain(told).min()
    }

    fn emit_again_at(&self, lacking: &Lacking) -> Option<Mono> {
        let is_at_work = self.active.contains_key(&lacking.job);
        (!is_at_work && !self.state.shutting_down).then(|| lacking.told + TELL_EVERY)
    }

    /// When nothing has got on anywhere for too long.
    fn give_up_at(&self) -> Option<Mono> {
        let is_due = self.active.is_empty() && !self.state.shutting_down && !self.stands_still;
        let away = self.all_is_away().map(|(since, _)| since);
        let since = self.lacking.values().map(|lacking| lacking.since).chain(away).max().filter(|_| is_due)?;
        Some(since + self.config.disk_wait?)
    }

    fn emit_lack(&mut self, place: &Place) {
        let (now, ends) = (self.now.mono, self.config.disk_wait);
        let Some(lacking) = self.lacking.get_mut(place) else { return };
        lacking.told = now;
        let wanted = RoomWanted {
            job: lacking.job,
            folder: lacking.lack.folder.clone(),
            disk: lacking.lack.disk.clone(),
            needs_bytes: lacking.lack.needs,
            free_bytes: lacking.lack.free,
            reason: lacking.lack.reason.clone(),
            waited_ms: now.since(lacking.began).as_millis() as u64,
            gives_up_ms: ends.map(|wait| (lacking.since + wait).since(now).as_millis() as u64),
        };
        self.emit(EventKind::RoomWanted(wanted));
    }

    /// Nothing can be started and nobody is there to make room, or to bring the inputs back: the run ends, and keeps the queue.
    fn give_up(&mut self) {
        let (what, reason, once) = if let Some(lacking) = self.lacking.values().next() {
            ("no room for the next output", lacking.lack.reason.as_str(), "there is room")
        } else if let Some((_, why)) = self.all_is_away() {
            ("the inputs that wait cannot be reached", why, "it is there")
        } else {
            return;
        };
        let what = match self.config.disk_wait.unwrap_or_default() {
            Duration::ZERO => what.to_owned(),
            waited => format!("{what} for {}", span_words(waited)),
        };
        let detail = format!("{reason}. The run ends here (--disk-wait); what is queued is kept, start again once {once}");
        self.emit(EventKind::Fault { what, detail });
        self.shutdown();
    }
}

/// So much more that it is no accident of where a file system stops.
fn is_beyond(written: Bytes, known: Bytes) -> bool {
    written.0 > known.0.saturating_add(known.0 / 8).saturating_add(FURTHER.0)
}
