//! Asks the queue for the fleet console: every second, when it says that something has changed, and what the operator wants.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;

use crate::host::fleet::db::{Database, QueueError};
use crate::host::fleet::queue::{self, Asked};
use crate::host::fleet::schema;
use crate::runtime::clock::Clock;
use crate::tui::fleet::state::{Ask, Facts, JobRecord};

/// How often is looked where nothing is heard.
const POLL: Duration = Duration::from_secs(1);
/// Least time between two looks, however much is heard.
const LEAST: Duration = Duration::from_millis(200);
/// The database works at most one part in so many for this console.
const SHARE: u32 = 10;
/// Longest time between two looks at a slow database.
const MOST: Duration = Duration::from_secs(15);
/// After how many seconds a database that is away is asked again, and again; the last one stands for all that follow.
const AGAIN: [u64; 4] = [1, 2, 4, 8];
/// Jobs of each kind that are shown.
const JOBS: i64 = 200;
/// Events that are shown.
const EVENTS: i64 = 200;
/// Events of a job on its page.
const EVENTS_OF_A_JOB: i64 = 1000;

/// What is told to the console.
#[derive(Debug)]
pub enum News {
    /// How the fleet stands.
    Facts(Box<Facts>),
    /// The queue cannot be asked, why, and in what time it is asked again.
    Away(String, Duration),
    /// The first look was refused for a reason that trying again does not mend.
    Refused(QueueError),
    /// What came of something that the operator wanted, in words.
    Answer(Result<String, String>),
    /// What was found of a job.
    Found(i64, Result<JobRecord, String>),
    /// The story of the demonstration goes on so.
    Story(String),
    /// The demonstration is over: the console ends.
    Close,
}

/// Looks and answers until the console is gone.
pub async fn serve(db: Database, asked: mpsc::UnboundedReceiver<Ask>, tell: mpsc::UnboundedSender<News>) {
    let look_again = Arc::new(Notify::new());
    tokio::select! {
        () = watch(&db, &look_again, &tell) => {}
        () = answer_all(&db, &look_again, asked, &tell) => {}
    }
}

/// Tells how the fleet stands, again and again.
async fn watch(db: &Database, look_again: &Notify, tell: &mpsc::UnboundedSender<News>) {
    let (clock, mut changes) = (Clock::start(), db.listen());
    let (mut failures, mut is_first) = (0, true);
    while !tell.is_closed() {
        let began = clock.now().mono;
        let looked = look(db, &clock).await;
        let took = clock.now().mono.since(began);
        let (news, wait, is_away) = match looked {
            Ok(facts) => {
                failures = 0;
                (News::Facts(Box::new(facts)), POLL.max(took * SHARE).min(MOST), false)
            }
            Err(error) if is_first && !error.is_passing() => (News::Refused(error), MOST, true),
            Err(error) => {
                let again = Duration::from_secs(AGAIN[failures.min(AGAIN.len() - 1)]);
                failures += 1;
                let why = match error {
                    QueueError::Away { why, .. } => format!("the queue cannot be reached: {why}"),
                    QueueError::Refused(why) => why,
                };
                (News::Away(why, again), again, true)
            }
        };
        is_first = false;
        if tell.send(news).is_err() {
            return;
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = look_again.notified() => {}
            // The line on which is heard comes back before the next look would find the database there.
            Ok(()) = changes.changed() => sleep(if is_away { LEAST } else { LEAST.max(took * SHARE) }).await,
        }
    }
}

async fn look(db: &Database, clock: &Clock) -> Result<Facts, QueueError> {
    // One after the other: the other connections are for what the operator wants.
    schema::check(db).await?;
    let counts = queue::counts(db).await?;
    let workers = queue::workers(db).await?;
    let jobs = queue::foremost(db, JOBS).await?;
    let events = queue::events(db, None, 0, EVENTS).await?;
    Ok(Facts { counts, workers, jobs, events, as_of: clock.now().wall })
}

/// Does what the operator wants, each thing on its own: one that takes long keeps nothing else waiting.
async fn answer_all(
    db: &Database,
    look_again: &Arc<Notify>,
    mut asked: mpsc::UnboundedReceiver<Ask>,
    tell: &mpsc::UnboundedSender<News>,
) {
    while let Some(ask) = asked.recv().await {
        let (db, tell, look_again) = (db.clone(), tell.clone(), Arc::clone(look_again));
        tokio::spawn(async move {
            let is_change = !matches!(ask, Ask::LookUp(_));
            // A console that has gone wants no answer.
            let _ = tell.send(answer(&db, ask).await);
            if is_change {
                look_again.notify_one();
            }
        });
    }
}

async fn answer(db: &Database, ask: Ask) -> News {
    let words = |error: QueueError| error.to_string();
    match ask {
        Ask::Cancel(job) => News::Answer(match queue::cancel(db, job).await {
            Ok(Asked::Done) => Ok(format!("job {job} is cancelled")),
            Ok(Asked::Told) => Ok(format!("job {job} is being cancelled: its worker is told")),
            Ok(Asked::Not) => Err(format!("job {job} has ended already")),
            Err(error) => Err(words(error)),
        }),
        Ask::Retry(job) => News::Answer(match queue::retry(db, job).await {
            Ok(Asked::Done | Asked::Told) => Ok(format!("job {job} waits again")),
            Ok(Asked::Not) => Err(format!("job {job} has not ended in vain")),
            Err(error) => Err(words(error)),
        }),
        Ask::Drain { worker, r#box: name, drained } => News::Answer(match queue::drain(db, &worker, drained).await {
            Ok(0) => Err(format!("{name} has ended")),
            Ok(_) if drained => Ok(format!("{name} will take nothing more")),
            Ok(_) => Ok(format!("{name} may take jobs again")),
            Err(error) => Err(words(error)),
        }),
        Ask::LookUp(job) => News::Found(job, look_up(db, job).await),
    }
}

async fn look_up(db: &Database, job: i64) -> Result<JobRecord, String> {
    let words = |error: QueueError| error.to_string();
    let log = queue::log(db, job).await.map_err(words)?.ok_or_else(|| format!("there is no job {job} any more"))?;
    let events = queue::events(db, Some(job), 0, EVENTS_OF_A_JOB).await.map_err(words)?;
    Ok(JobRecord { events, log: log.lines().map(str::to_owned).collect() })
}
