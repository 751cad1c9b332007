//! The agent of a worker: renews its lease, claims what fits, brings inputs, queues them with the engine, stores outputs.

mod ends;
mod hears;
mod lives;
#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::held::{Held, Holding, Stage};
use super::standing;
use super::steps::{self, Brought, Ending, Told};
use crate::domain::command::{Command, RequestId};
use crate::domain::event::Seq;
use crate::domain::fleet::FleetWorker;
use crate::domain::state::State;
use crate::domain::units::Bytes;
use crate::engine::offer::{self, PATIENCE};
use crate::host::doctor::Unfit;
use crate::host::fleet::Hold;
use crate::host::fleet::claim::{self, Claimed};
use crate::host::fleet::db::{Database, Notifications, QueueError};
use crate::host::fleet::files::{Files, FilesError};
use crate::host::fleet::lease::{self, Introduction, Renewed};
use crate::host::fleet::queue;
use crate::host::fleet::results::{self, Back, End};
use crate::host::fleet::schema;
use crate::host::fleet::spool::{Place, Spool};
use crate::host::media::ffmpeg::Ffmpeg;
use crate::runtime::link::{Link, Update};

/// The queue is looked at so often where nothing wakes the worker.
const POLL: Duration = Duration::from_secs(15);
/// Of many workers that are woken by the same word each comes in a moment of its own: all of them within so long for each.
const TURN: Duration = Duration::from_millis(10);
/// Faults of the box's own in a row before it takes nothing more, and how long it rests then before it tries one job. For as long
/// it leaves alone what it has given back.
const FAULTS: u32 = 3;
const REST: Duration = Duration::from_mins(5);
/// What cannot be reached is tried again after this: an input by any worker, an output or the store by this one.
const LATER: Duration = Duration::from_secs(30);
/// Lines of a job's log that go into the queue with it.
const LOG_LINES: usize = 200;

/// Everything a worker's agent needs.
pub struct Agent {
    pub db: Database,
    pub files: Files,
    /// Where claims are kept.
    pub spool: Spool,
    /// Who the worker is; each life has a fresh name.
    pub who: Introduction,
    /// The database says when the queue has changed; else it is only looked at from time to time.
    pub listens: bool,
    /// It does not work beside workers with another ffmpeg.
    pub same_ffmpeg: bool,
    /// What the engine converts with.
    pub ffmpeg: Ffmpeg,
}

/// What comes of work that goes on beside the loop.
enum Done {
    Renewed(Result<Option<Renewed>, QueueError>),
    Claimed(Result<Option<Claimed>, QueueError>),
    /// What came of bringing the input of the claim that has this place.
    Brought(i64, Place, Brought),
    /// Of the claim that has this place: how it would end, and what is wrong with the box, if anything is.
    Examined(i64, Place, (End, String), Option<Unfit>),
    /// Whether outputs can be stored from here.
    Tried(Result<(), FilesError>),
    Ended(i64, Hold, Told),
}

impl Agent {
    /// Works until the engine ends, or until it is told to drain and everything that it holds is done.
    ///
    /// # Errors
    /// The queue refuses; what is held waits again then.
    pub async fn run(mut self, mut link: Link) -> Result<(), QueueError> {
        let mut state = State::default();
        let lease = tokio::select! {
            lease = self.begin() => lease?,
            // It need not wait for a queue that cannot be reached. What an earlier life has left stays for the next one.
            () = told_to_end(&mut link, &mut state) => {
                link.requests.send(RequestId(1), Command::Shutdown);
                while link.updates.recv().await.is_some() {}
                return Ok(());
            }
        };
        let listen = self.listens.then(|| self.db.listen());
        Worker { state, ..Worker::new(&mut self, link, lease) }.run(listen).await
    }

    /// Enters the fleet, once its queue can be reached; how long the lease is.
    async fn begin(&self) -> Result<Duration, QueueError> {
        steps::patiently(async || schema::check(&self.db).await).await?;
        let others = steps::patiently(async || queue::workers(&self.db).await).await?;
        if let Some(words) = another_ffmpeg(&self.who, &others) {
            if self.same_ffmpeg {
                return Err(QueueError::Refused(format!(
                    "{words}; install that version here, name it with --ffmpeg, or start without --same-ffmpeg"
                )));
            }
            crate::cli::write_stderr(&format!(
                "plimsoll: {words}; outputs may differ in their bytes (--same-ffmpeg refuses to work so)\n"
            ));
        }
        steps::patiently(async || lease::register(&self.db, &self.who).await).await
    }
}

/// Takes in what the engine tells, until it has ended or is to end.
async fn told_to_end(link: &mut Link, state: &mut State) {
    while let Some(update) = link.updates.recv().await {
        match update {
            Update::Snapshot(told) => *state = *told,
            Update::Event(event) => state.apply(&event),
            Update::Reply(..) | Update::Retold(_) | Update::Playing(_) | Update::Line(_) => {}
        }
        if state.draining || state.shutting_down {
            return;
        }
    }
}

/// Whether outputs can be stored from here: nothing is converted for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Storing {
    /// That is not known.
    Unknown,
    /// It is being tried.
    Tried,
    /// The store would not take them; the box rests for that.
    Refused,
    /// It is being tried again.
    TriedAgain,
    /// They can.
    Works,
}

#[allow(clippy::struct_excessive_bools)] // each is a fact of its own
struct Worker<'a> {
    agent: &'a mut Agent,
    link: Link,
    state: State,
    request: u64,
    lease: Duration,
    holding: Holding,
    /// Requests to queue that are under way, with their jobs.
    queueing: Vec<(RequestId, i64)>,
    tasks: JoinSet<Done>,
    renew_at: Instant,
    look_at: Instant,
    is_renewing: bool,
    is_claiming: bool,
    /// Claims that were begun.
    claims: u64,
    /// As many as were begun when the lease was renewed last, if none was under way then.
    renews_beside: Option<u64>,
    /// The queue wants it to take nothing more.
    drained: bool,
    /// What was heard of the queue so far.
    notifications: Notifications,
    /// When it looks since it has heard that jobs wait.
    called: Option<Instant>,
    /// Workers with a lease.
    live: u32,
    /// It was the first for a while to renew its lease, and so the one to look after what nobody else does.
    is_first: bool,
    /// The task that gives outputs of others their wished names.
    publishing: Option<AbortHandle>,
    /// When it looks next for a job that it should be kept free for.
    keep_at: Instant,
    /// Faults of the box's own in a row.
    faults: u32,
    /// Until when it takes nothing, and why.
    rests: Option<(Instant, String)>,
    storing: Storing,
    /// When it may be tried again with jobs that it has given back for a fault of its own.
    forgets_at: Option<Instant>,
}

impl<'a> Worker<'a> {
    /// Holds nothing yet, and does what is due at once.
    fn new(agent: &'a mut Agent, link: Link, lease: Duration) -> Self {
        Self {
            agent,
            link,
            state: State::default(),
            request: 1000,
            lease,
            holding: Holding::default(),
            queueing: Vec::new(),
            tasks: JoinSet::new(),
            renew_at: Instant::now(),
            look_at: Instant::now(),
            is_renewing: false,
            is_claiming: false,
            claims: 0,
            renews_beside: None,
            drained: false,
            notifications: Notifications::default(),
            called: None,
            live: 1,
            is_first: false,
            publishing: None,
            keep_at: Instant::now(),
            faults: 0,
            rests: None,
            storing: Storing::Unknown,
            forgets_at: None,
        }
    }

    async fn run(&mut self, mut listen: Option<watch::Receiver<Notifications>>) -> Result<(), QueueError> {
        // What an earlier life has left, once it is known what the engine has of it.
        while self.state.seq == Seq(0) {
            match self.link.updates.recv().await {
                Some(update) => self.heed(update),
                None => return self.end("stopped").await,
            }
        }
        self.take_up().await?;
        self.ask(Command::Resume);
        loop {
            if self.state.draining && self.holding.is_empty() && !self.is_claiming {
                self.end("drained").await?;
                self.ask(Command::Shutdown);
                while self.link.updates.recv().await.is_some() {}
                return Ok(());
            }
            self.next_steps();
            let next = self.renew_at.min(self.look_at);
            tokio::select! {
                update = self.link.updates.recv() => match update {
                    Some(update) => self.heed(update),
                    None => return self.finish().await,
                },
                Some(done) = self.tasks.join_next() => {
                    if let Ok(done) = done {
                        self.done(done).await?;
                    }
                }
                notifications = async { match &mut listen {
                    Some(listen) => listen.changed().await.map(|()| *listen.borrow_and_update()).ok(),
                    None => std::future::pending().await,
                } } => match notifications {
                    Some(notifications) => self.on_notifications(notifications),
                    None => listen = None,
                },
                () = sleep_until(next) => {}
            }
        }
    }

    /// The queue has changed. That jobs wait is looked at, that a job was cancelled is told with the next renewal; ends are for
    /// others to know.
    fn on_notifications(&mut self, notifications: Notifications) {
        let turn = Instant::now() + moment(TURN * self.live);
        // Whoever has a moment keeps it: with a new one for each word it would come sooner and sooner.
        if notifications.jobs > self.notifications.jobs {
            self.look_at = self.look_at.min(*self.called.get_or_insert(turn));
        }
        if notifications.orders > self.notifications.orders {
            self.renew_at = self.renew_at.min(turn);
        }
        self.notifications = notifications;
    }

    /// The engine has ended. What has ended before it in order is still stored, and the lease is kept for so long.
    async fn finish(&mut self) -> Result<(), QueueError> {
        self.drained = true;
        while self.holding.iter().any(|held| held.stage == Stage::Ending) {
            self.next_steps();
            tokio::select! {
                Some(done) = self.tasks.join_next() => if let Ok(done) = done { self.done(done).await? },
                () = sleep_until(self.renew_at) => {}
            }
        }
        self.end(if self.state.draining { "drained" } else { "stopped" }).await
    }

    /// Renews, looks, claims, as far as each is due.
    fn next_steps(&mut self) {
        let now = Instant::now();
        if !self.is_renewing && self.renew_at <= now {
            self.is_renewing = true;
            self.renews_beside = (!self.is_claiming).then_some(self.claims);
            self.renew_at = now + self.lease / 6;
            let (db, id) = (self.agent.db.clone(), self.agent.who.id);
            let standing = standing::standing(&self.state, self.rests.as_ref().map(|(_, why)| why.clone()), self.progress());
            self.tasks.spawn_local(async move {
                let renewed = lease::renew(&db, id, &standing).await;
                if matches!(&renewed, Ok(Some(renewed)) if renewed.is_first) {
                    let _ = lease::reap(&db).await;
                }
                Done::Renewed(renewed)
            });
        }
        if self.look_at <= now {
            self.look_at = now + POLL;
            self.called = None;
            self.claim();
        }
    }

    /// Claims one more where there is a slot for it, or one job waits ahead of the next free one.
    fn claim(&mut self) {
        let is_measured = self.state.memory.budget_bytes > Bytes::ZERO;
        if self.is_claiming || self.drained || !is_measured || standing::takes_nothing(&self.state) {
            return;
        }
        if self.rests.as_ref().is_some_and(|(until, _)| *until > Instant::now()) {
            return;
        }
        if self.storing != Storing::Works {
            return self.try_to_write();
        }
        let held = self.holding.iter().filter(|held| held.stage != Stage::Ending).count();
        let is_trial = self.rests.is_some();
        if held > offer::slots(&self.state) as usize || is_trial && !self.holding.is_empty() {
            return;
        }
        (self.is_claiming, self.claims) = (true, self.claims + 1);
        let at_work = self.holding.iter().filter(|held| held.stage != Stage::Ending);
        let offer = offer::offer(&self.state, at_work.map(|held| held.claimed.needs));
        let (db, id) = (self.agent.db.clone(), self.agent.who.id);
        // Before anything smaller is taken, which would go on for as long as there is some.
        let is_keeping = offer.room < offer.largest && self.keep_at <= Instant::now();
        if is_keeping {
            self.keep_at = Instant::now() + POLL;
        }
        let forgets = self.forgets_at.take_if(|at| *at <= Instant::now()).is_some();
        self.tasks.spawn_local(async move {
            if forgets {
                // The disk may have room by now, the store may be there. Where this is the only box nobody else would try.
                let _ = lease::no_more_avoided(&db, id).await;
            }
            if is_keeping {
                let _ = claim::reserve(&db, id, offer, PATIENCE).await;
            }
            Done::Claimed(claim::claim(&db, id, offer).await)
        });
    }

    /// Gives outputs their wished names, since whoever was to see to it has gone. Copies take their time: nothing waits for them.
    fn publish_for_others(&mut self) {
        if self.publishing.as_ref().is_some_and(|task| !task.is_finished()) || !std::mem::take(&mut self.is_first) {
            return;
        }
        let (db, files) = (self.agent.db.clone(), self.agent.files.clone());
        let publish = async move {
            for (job, key, target) in results::unpublished(&db).await.unwrap_or_default() {
                steps::publish(&db, &files, job, &key, &target).await;
            }
        };
        self.publishing = Some(tokio::task::spawn_local(publish).abort_handle());
    }

    /// How far each job is.
    fn progress(&self) -> Vec<(i64, f32)> {
        let of = |held: &Held| {
            let job = self.state.jobs.get(&held.job?)?;
            Some((held.claimed.hold.job, job.progress.as_ref()?.ratio? as f32))
        };
        self.holding.iter().filter_map(of).collect()
    }

    fn ask(&mut self, command: Command) -> RequestId {
        self.request += 1;
        let id = RequestId(self.request);
        let _ = self.link.requests.send(id, command);
        id
    }

    async fn done(&mut self, done: Done) -> Result<(), QueueError> {
        match done {
            Done::Renewed(renewed) => {
                self.is_renewing = false;
                match renewed {
                    Ok(Some(renewed)) => {
                        (self.drained, self.lease, self.live) = (renewed.drained, renewed.lease, renewed.live);
                        self.is_first |= renewed.is_first;
                        for job in renewed.cancelled {
                            self.cancel(job);
                        }
                        if self.renews_beside == Some(self.claims) {
                            self.give_back_unheard(&renewed.held);
                        }
                    }
                    Ok(None) => self.begin_anew().await?,
                    Err(error) if error.is_passing() => {
                        tracing::warn!(%error, "the lease is not renewed; what runs goes on");
                        self.renew_at = Instant::now() + self.lease / 12;
                    }
                    Err(error) => return Err(error),
                }
            }
            Done::Claimed(claimed) => {
                self.is_claiming = false;
                match claimed {
                    Ok(Some(claimed)) => {
                        // There may be another one.
                        self.look_at = Instant::now();
                        self.begin(claimed);
                    }
                    Ok(None) => self.publish_for_others(),
                    Err(error) if error.is_passing() => {}
                    Err(error) => return Err(error),
                }
            }
            Done::Brought(job, place, brought) => self.brought(job, &place, brought),
            Done::Examined(job, place, ending, fault) => self.examined(job, &place, ending, fault),
            Done::Tried(tried) => self.tried(tried),
            Done::Ended(job, hold, told) => self.ended(job, hold, told)?,
        }
        Ok(())
    }

    /// Makes a place for a claim and fetches its input.
    fn begin(&mut self, claimed: Claimed) {
        let job = claimed.hold.job;
        match self.agent.spool.place(&claimed) {
            Ok(place) => {
                let held = Held { claimed, place, stage: Stage::Fetching, fetch: None, job: None, output: None, cancelled: false };
                self.holding.insert(held);
                self.fetch(job);
            }
            Err(error) => {
                let db = self.agent.db.clone();
                let reason = format!("no place for it on {}: {error}", self.agent.who.r#box);
                self.own_fault(&reason);
                let hold = claimed.hold;
                self.tasks.spawn_local(async move {
                    let told = steps::report_end(db, hold, Ending::GoesBack(Back::BoxFault), reason, String::new()).await;
                    Done::Ended(job, hold, told)
                });
            }
        }
    }

    fn fetch(&mut self, job: i64) {
        let Some(held) = self.holding.get(job) else { return };
        held.stage = Stage::Fetching;
        let (files, claimed, place) = (self.agent.files.clone(), held.claimed.clone(), held.place.clone());
        let fetch = async move {
            let brought = steps::bring(files, claimed, place.clone()).await;
            Done::Brought(job, place, brought)
        };
        held.fetch = Some(self.tasks.spawn_local(fetch));
    }
}

/// That this box's ffmpeg is not the one of a worker that is there, with both versions.
fn another_ffmpeg(who: &Introduction, workers: &[FleetWorker]) -> Option<String> {
    let other = workers.iter().find(|other| other.live && other.r#box != who.r#box && other.ffmpeg != who.ffmpeg)?;
    Some(format!("ffmpeg is {} here and {} on {}", who.ffmpeg, other.ffmpeg, other.r#box))
}

/// Some moment within this time, another one each time and on each box.
fn moment(within: Duration) -> Duration {
    within.mul_f64(uuid::Uuid::new_v4().as_u128() as f64 / u128::MAX as f64)
}
