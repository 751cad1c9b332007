//! How long a store is waited for, and when it is asked again.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::error::{FilesError, Named, Trouble, trouble};

/// Progress that makes waiting begin anew. Less would let a store that gives a few bytes and breaks off hold a job for ever.
const PROGRESS: u64 = 64 * 1024;

/// Limits in time. Nothing waits longer than `in_all` without progress, and one answer more.
#[derive(Debug, Clone)]
pub struct Patience {
    /// Wait before the second try; each further one takes twice as long.
    pub first_wait: Duration,
    /// Longest of these waits.
    pub longest_wait: Duration,
    /// How long is tried without progress before it is given up.
    pub in_all: Duration,
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest wait for an answer, and for its next bytes.
    pub answer: Duration,
    /// Longest wait until a store has put the parts of an upload together, or copied an object.
    pub assemble: Duration,
    /// Bytes per second that an upload is expected to make at least; a part gets so much time, and `answer`.
    pub slowest: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(16),
            in_all: Duration::from_mins(1),
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            assemble: Duration::from_mins(3),
            slowest: 64 * 1024,
        }
    }
}

impl Patience {
    /// How long sending so many bytes may take.
    pub(super) fn sending(&self, bytes: u64) -> Duration {
        self.answer + Duration::from_secs(bytes / self.slowest.max(1))
    }
}

/// The tries of one thing.
#[derive(Debug)]
pub(super) struct Tries {
    patience: Patience,
    named: Named,
    since: Instant,
    wait: Duration,
    made: u32,
    /// Bytes at the last progress.
    mark: u64,
}

#[allow(clippy::disallowed_methods)] // the host reads clocks
impl Tries {
    pub(super) fn new(patience: &Patience, named: &Named) -> Self {
        let (patience, named) = (patience.clone(), named.clone());
        Self { since: Instant::now(), wait: patience.first_wait, made: 0, mark: 0, patience, named }
    }

    /// So many bytes are through by now.
    pub(super) fn moved(&mut self, bytes: u64) {
        if bytes >= self.mark + PROGRESS {
            (self.mark, self.since, self.made) = (bytes, Instant::now(), 0);
            self.wait = self.patience.first_wait;
        }
    }

    /// Returns when the next try is due; or why there is none.
    pub(super) async fn again(&mut self, trouble: Trouble) -> Result<(), FilesError> {
        self.made += 1;
        let why = match trouble {
            Trouble::Lasting(error) => return Err(error),
            Trouble::Passing(why) => why,
        };
        let waited = self.since.elapsed();
        let left = self.patience.in_all.saturating_sub(waited);
        if left.is_zero() {
            return Err(FilesError::Unreachable { what: self.named.address.clone(), why, tries: self.made, waited });
        }
        tracing::info!(what = self.named.address, why, wait = ?self.wait, "asking the store again");
        sleep(spread(self.wait).min(left)).await;
        self.wait = (self.wait * 2).min(self.patience.longest_wait);
        Ok(())
    }
}

/// Up to a quarter more or less, so that boxes that were cut off together do not come back together.
fn spread(wait: Duration) -> Duration {
    let [random, ..] = uuid::Uuid::new_v4().into_bytes();
    wait.mul_f64(0.75 + f64::from(random) / 510.0)
}

/// Asks until there is an answer that is worth something. Each try gets `limit`.
pub(super) async fn persist<T, F>(
    patience: &Patience,
    named: &Named,
    limit: Duration,
    mut request: impl FnMut() -> F,
) -> Result<T, FilesError>
where
    F: Future<Output = object_store::Result<T>>,
{
    let mut tries = Tries::new(patience, named);
    loop {
        match once(named, limit, request()).await {
            Ok(done) => return Ok(done),
            Err(trouble) => tries.again(trouble).await?,
        }
    }
}

/// One try within its limit.
pub(super) async fn once<T>(
    named: &Named,
    limit: Duration,
    request: impl Future<Output = object_store::Result<T>>,
) -> Result<T, Trouble> {
    match timeout(limit, Box::pin(request)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(trouble(&error, named)),
        Err(_) => Err(silence(limit)),
    }
}

/// Nothing came for so long.
pub(super) fn silence(limit: Duration) -> Trouble {
    Trouble::Passing(format!("no answer for {} s", limit.as_secs_f64()))
}
