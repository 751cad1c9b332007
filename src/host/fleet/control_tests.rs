//! What the queue promises, beside a queue that would break it: what proves the one finds the other out.
#![allow(clippy::disallowed_methods)] // a deadline needs the clock

use std::time::{Duration, Instant};

use tokio_postgres::types::Type;

use super::db::Database;
use super::lease::{self, Standing};
use super::tests::{Fleet, LONG, SHORT, fleet, output};
use super::{Fenced, results};
use crate::domain::units::Bytes;

/// A limited subquery that is run for each row again claims more than its limit, whatever it locks.
const INLINED: &str = "
    UPDATE plimsoll.job j SET state = 'running', worker = $1, fence = nextval('plimsoll.fence')
    WHERE j.state = 'queued' AND j.id = (
        SELECT p.id FROM plimsoll.job p WHERE p.state = 'queued' AND j.id IS NOT NULL ORDER BY p.rank, p.id LIMIT 1
        FOR UPDATE SKIP LOCKED
    ) RETURNING j.id";

async fn running(db: &Database) -> i64 {
    db.row("SELECT count(*) FROM plimsoll.job WHERE state = 'running'", &[]).await.expect("rows").expect("a row").get(0)
}

#[tokio::test]
async fn a_claim_takes_one_job_whatever_plan_is_made_for_it() {
    let Some(fleet) = fleet(LONG).await else { return };
    let worker = fleet.worker("a").await;
    for _ in 0..40 {
        fleet.add(Bytes::mib(10)).await;
    }
    let settings =
        ["", "hashjoin", "hashjoin mergejoin", "hashjoin mergejoin material", "nestloop", "indexscan bitmapscan", "sort hashagg"];
    for (claims, off) in (1..).zip(settings) {
        let off = off.split_whitespace().fold(String::new(), |all, what| {
            all + &format!("ALTER ROLE postgres IN DATABASE {} SET enable_{what} = off;", fleet.name)
        });
        let reset = format!("ALTER ROLE postgres IN DATABASE {} RESET ALL;", fleet.name);
        fleet.db.script(&format!("{reset} {off} SELECT 1")).await.expect("set");
        // Its connections are made with these settings.
        let anew = Fleet { db: Database::new(&fleet.address).expect("an address"), ..fleet.clone() };
        assert!(anew.claim(worker, Bytes::mib(10)).await.is_some());
        assert_eq!(running(&anew.db).await, claims, "one more, with {off:?}");
    }
    let before = running(&fleet.db).await;
    fleet.db.rows(INLINED, &[(&worker, Type::UUID)]).await.expect("rows");
    assert!(running(&fleet.db).await > before + 1, "the control: the same count finds the other statement out");
}

/// How often two workers hold a job at once, one of which is alive with a clock that is an hour behind.
async fn doubled(fleet: &Fleet, statement: &str, looked_on: Duration) -> usize {
    fleet.set_lease(LONG).await;
    let (behind, other) = (fleet.worker("behind").await, fleet.worker("other").await);
    fleet.add(Bytes::mib(10)).await;
    let held = fleet.claim(behind, Bytes::mib(10)).await.expect("a job");
    fleet.set_lease(SHORT).await;
    let began = Instant::now();
    let mut others = 0;
    while others == 0 && began.elapsed() < looked_on {
        let hour_ago = jiff::Timestamp::now().as_millisecond() - 3_600_000;
        for (worker, clock) in [(behind, hour_ago), (other, hour_ago + 3_600_000)] {
            lease::renew_by(&fleet.db, (statement, clock), worker, &Standing::default()).await.expect("an answer");
        }
        lease::reap(&fleet.db).await.expect("an answer");
        others += usize::from(fleet.claim(other, Bytes::mib(10)).await.is_some());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    if others == 0 {
        let done = results::commit(&fleet.db, &held.hold, &output(&held), "").await.expect("an answer");
        assert_eq!(done, Fenced::Done, "it has its job still");
    }
    others
}

#[tokio::test]
async fn clocks_apart_give_nobody_up_since_only_that_of_the_database_counts() {
    let Some(fleet) = fleet(LONG).await else { return };
    assert_eq!(doubled(&fleet, lease::RENEW, SHORT * 4).await, 0);
    let by_worker = lease::RENEW.replace("lease_until = now() + f.lease", "lease_until = to_timestamp($11 / 1000.0) + f.lease");
    assert_ne!(by_worker, lease::RENEW);
    assert_eq!(
        doubled(&fleet, &by_worker, Duration::from_mins(1)).await,
        1,
        "the control: by the worker's clock its job is somebody else's too"
    );
}
