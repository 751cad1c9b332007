//! What a queue of a million jobs and a thousand workers takes, measured on the real statements.
#![allow(clippy::disallowed_methods)] // it measures

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::claim::{self, Claimed};
use super::db::Database;
use super::lease::{self, Standing};
use super::results;
use super::tests::{LONG, fleet, output};
use super::{Fenced, outlook, queue};
use crate::domain::units::Bytes;
use crate::engine::offer::Offer;

const WORKERS: u32 = 1000;
const JOBS: i64 = 1_000_000;
/// Each measurement goes on for so long, over so many connections: what a pooler would keep open.
const EACH: Duration = Duration::from_secs(10);
const CONNECTIONS: usize = 16;

/// Does something again and again on all connections; prints how often in a second, and how long it took.
async fn measure<F: AsyncFn(&Database, usize) + Clone + 'static>(what: &str, databases: &[Database], work: F) -> f64 {
    let (began, local) = (Instant::now(), tokio::task::LocalSet::new());
    let next = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = databases
        .iter()
        .map(|db| {
            let (db, work, next) = (db.clone(), work.clone(), Arc::clone(&next));
            local.spawn_local(async move {
                let mut took = Vec::new();
                while began.elapsed() < EACH {
                    let begun = Instant::now();
                    work(&db, next.fetch_add(1, Ordering::Relaxed) as usize).await;
                    took.push(begun.elapsed());
                }
                took
            })
        })
        .collect();
    local.await;
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await.expect("a task"));
    }
    took.sort();
    let rate = took.len() as f64 / began.elapsed().as_secs_f64();
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!("{what:<44} {rate:>7.0} /s   median {:>8.2?}   99 % {:>8.2?}", at(0.5), at(0.99));
    rate
}

async fn once<T>(what: &str, work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let came = work.await;
    println!("{what:<44} once      {:>8.2?}", begun.elapsed());
    came
}

#[tokio::test]
#[ignore = "a measurement: just fleet-load"]
async fn a_million_jobs_and_a_thousand_workers() {
    let Some(fleet) = fleet(LONG).await else { return };
    let db = &fleet.db;
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    println!("PostgreSQL {} on this machine, {processors} processors, fsync off", db.version().await.expect("a version"));
    let jobs = "WITH made AS (INSERT INTO plimsoll.job (input, preset, definition, needs, size_bytes)
            SELECT 'in/a.mp4', p.name, p.definition, CASE WHEN i % 3 > 0 THEN (50 + i % 3000) * 1048576::bigint END, 50000000
            FROM generate_series($1::bigint, $2) i, plimsoll.preset p RETURNING 1) SELECT count(*) FROM made";
    for part in 0..20 {
        let (from, to) = (part * JOBS / 20 + 1, (part + 1) * JOBS / 20);
        db.rows(jobs, &[(&from, Type::INT8), (&to, Type::INT8)]).await.expect("jobs");
    }
    let mut workers = Vec::new();
    once("a thousand workers register", async {
        for number in 0..WORKERS {
            workers.push(fleet.worker(&format!("box-{number}")).await);
        }
    })
    .await;
    db.rows("ANALYZE plimsoll.job", &[]).await.expect("figures");
    let workers: Arc<[Uuid]> = workers.into();
    let databases: Vec<Database> = (0..CONNECTIONS).map(|_| Database::new(&fleet.address).expect("an address")).collect();
    let offer = Offer { room: Bytes::mib(1500), largest: Bytes::mib(1900), unknown: true };
    let all = Arc::clone(&workers);
    measure("heartbeat", &databases, async move |db: &Database, number| {
        let standing = Standing { largest_bytes: 1, level: "normal".to_owned(), ..Standing::default() };
        assert!(lease::renew(db, all[number % all.len()], &standing).await.expect("an answer").is_some());
    })
    .await;
    let held: Arc<std::sync::Mutex<Vec<Claimed>>> = Arc::default();
    let (all, took) = (Arc::clone(&workers), Arc::clone(&held));
    measure("claim", &databases, async move |db: &Database, number| {
        let claimed = claim::claim(db, all[number % all.len()], offer).await.expect("an answer");
        took.lock().expect("a list").push(claimed.expect("a job: there are enough"));
    })
    .await;
    let all = Arc::clone(&workers);
    measure("claim in vain", &databases, async move |db: &Database, number| {
        let small = Offer { room: Bytes::mib(40), largest: Bytes::mib(40), unknown: false };
        assert_eq!(claim::claim(db, all[number % all.len()], small).await.expect("an answer"), None);
    })
    .await;
    let all = Arc::clone(&workers);
    measure("look for a large job that has waited", &databases, async move |db: &Database, number| {
        claim::reserve(db, all[number % all.len()], offer, crate::engine::offer::PATIENCE).await.expect("an answer");
    })
    .await;
    let done = Arc::clone(&held);
    measure("heartbeat with two jobs at work", &databases, async move |db: &Database, number| {
        let (first, second) = {
            let held = done.lock().expect("a list");
            (held[number % held.len()].hold, held[(number * 7 + 1) % held.len()].hold.job)
        };
        let progress = vec![(first.job, (number % 1000) as f32 / 1000.0), (second, 0.5)];
        let standing = Standing { level: "normal".to_owned(), progress, ..Standing::default() };
        assert!(lease::renew(db, first.worker, &standing).await.expect("an answer").is_some());
    })
    .await;
    let all = Arc::clone(&workers);
    measure("intent, commit, next claim", &databases, async move |db: &Database, number| {
        let claimed = held.lock().expect("a list").pop();
        if let Some(claimed) = claimed {
            let output = output(&claimed);
            assert_eq!(results::intend(db, &claimed.hold, &output.key).await.expect("an answer"), Fenced::Done);
            assert_eq!(results::commit(db, &claimed.hold, &output, "").await.expect("an answer"), Fenced::Done);
        }
        claim::claim(db, all[number % all.len()], offer).await.expect("an answer");
    })
    .await;
    once("count the jobs by state", queue::counts(db)).await.expect("counts");
    once("the jobs of the console", queue::foremost(db, 200)).await.expect("jobs");
    once("the workers", queue::workers(db)).await.expect("workers");
    once("give up the silent", lease::reap(db)).await.expect("an answer");
    once("outputs to be named", results::unpublished(db)).await.expect("an answer");
    once("what plan --fleet reads of what waits", outlook::waiting(db, 500)).await.expect("jobs");
    once("and of what is done", outlook::done(db)).await.expect("jobs");
    let size = "SELECT relname::text || ' ' || pg_size_pretty(pg_relation_size(oid)) FROM pg_class
        WHERE relname ~ '^(job|worker)' AND relkind IN ('r', 'i') ORDER BY pg_relation_size(oid) DESC";
    let sizes: Vec<String> = db.rows(size, &[]).await.expect("sizes").iter().map(|row| row.get(0)).collect();
    println!("{}", sizes.join(", "));
}
