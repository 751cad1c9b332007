//! The lives of a worker: what one leaves, and what the next one takes up.

use tokio::time::Instant;

use super::{Done, Worker};
use crate::cli::fleet::held::{Held, Stage};
use crate::cli::fleet::steps::{self, Ending};
use crate::host::fleet::Hold;
use crate::host::fleet::db::QueueError;
use crate::host::fleet::lease;
use crate::host::fleet::results::Back;

impl Worker<'_> {
    /// This life was given up: a new one begins, and what nobody has taken meanwhile goes on.
    pub(super) async fn begin_anew(&mut self) -> Result<(), QueueError> {
        self.agent.who.id = uuid::Uuid::new_v4();
        let who = self.agent.who.clone();
        self.lease = steps::patiently(async || lease::register(&self.agent.db, &who).await).await?;
        for job in self.holding.jobs() {
            let Some(hold) = self.holding.get(job).map(|held| held.claimed.hold) else { continue };
            let adopted = steps::patiently(async || lease::adopt(&self.agent.db, hold, who.id).await).await?;
            match (adopted, self.holding.get(job)) {
                (Some(hold), Some(held)) => {
                    held.claimed.hold = hold;
                    let _ = held.place.write(&held.claimed);
                }
                _ => self.forget(job),
            }
        }
        self.renew_at = Instant::now();
        Ok(())
    }

    /// What the queue has given to this worker, and it has not heard of: the answer to its claim was lost. As no claim was under way
    /// when the queue was asked, it is not about to hear of it either.
    pub(super) fn give_back_unheard(&mut self, by_the_queue: &[Hold]) {
        for hold in by_the_queue.iter().filter(|hold| hold.worker == self.agent.who.id) {
            if self.holding.get(hold.job).is_some() {
                continue;
            }
            let (db, hold, reason) = (self.agent.db.clone(), *hold, "its worker had not heard that it has it".to_owned());
            self.tasks.spawn_local(async move {
                let told = steps::report_end(db, hold, Ending::GoesBack(Back::Drained), reason, String::new()).await;
                Done::Ended(hold.job, hold, told)
            });
        }
    }

    /// Goes on with what an earlier life of this box has left, where nobody has taken it meanwhile. The engine's queue is held
    /// until this is done.
    pub(super) async fn take_up(&mut self) -> Result<(), QueueError> {
        let left = self.agent.spool.left().unwrap_or_default();
        for (place, mut claimed) in left {
            let id = self.agent.who.id;
            let local = self
                .state
                .jobs
                .values()
                .find(|job| job.input.starts_with(place.inputs()))
                .map(|job| (job.id, job.phase.is_terminal()));
            let adopted = steps::patiently(async || lease::adopt(&self.agent.db, claimed.hold, id).await).await?;
            let Some(hold) = adopted else {
                if let Some((local, _)) = local {
                    self.drop_job(local);
                }
                place.remove();
                continue;
            };
            claimed.hold = hold;
            let _ = place.write(&claimed);
            let number = hold.job;
            let output = steps::output_of(&claimed, &place);
            let is_made = output.is_some();
            let (stage, job) = match local {
                None => (Stage::Fetching, None),
                // The engine was killed before it had written down that it is done, and would make it again.
                Some((local, has_ended)) if is_made && !has_ended => {
                    self.drop_job(local);
                    (Stage::Ending, None)
                }
                Some((local, _)) => (Stage::Here, Some(local)),
            };
            self.holding.insert(Held { claimed, place, stage, fetch: None, job, output, cancelled: false });
            match job {
                Some(local) => self.on_end(local),
                None if is_made => self.store(number),
                None => self.fetch(number),
            }
        }
        Ok(())
    }

    /// The last word to the queue: what is still held waits again.
    pub(super) async fn end(&mut self, why: &str) -> Result<(), QueueError> {
        self.tasks.shutdown().await;
        let told = lease::end(&self.agent.db, self.agent.who.id, why).await;
        // Where the database is away the lease runs out.
        match told {
            Err(error) if error.is_passing() => Ok(()),
            told => told.map(drop),
        }
    }
}
