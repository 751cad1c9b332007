//! How often a fleet asks its queue, in virtual time: workers that claim, renew their leases and commit by the rules of the real
//! ones, without engines.
//!
//! What comes of it holds for any database; what a database can take is measured on one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::forecast::Dice;

/// A fleet and its habits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Habits {
    /// Workers.
    pub workers: u32,
    /// Jobs at once on each.
    pub slots: u32,
    /// Jobs that wait at the beginning.
    pub jobs: u64,
    /// How long a job takes; each by up to a quarter more or less.
    pub job: Duration,
    /// How often a worker looks that nothing wakes.
    pub poll: Duration,
    /// How often it renews its lease.
    pub heartbeat: Duration,
    /// When the queue has run empty, one job comes so often, and the workers are told.
    pub trickle: Duration,
    /// Workers that are told come each in a moment of its own within so long for each of them.
    pub turn: Duration,
    /// How long is looked on after the queue has run empty.
    pub idle: Duration,
}

/// What the database is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Asked {
    /// Claims that got a job, in all.
    pub claims: u64,
    /// Claims that got none.
    pub vain: u64,
    /// Renewals of leases.
    pub heartbeats: u64,
    /// Commits of jobs that are done.
    pub commits: u64,
    /// Seconds.
    pub seconds: f64,
    /// Most claims, with and without a job, within one second.
    pub most_claims: u64,
}

impl Asked {
    /// So many in a second.
    pub fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.seconds.max(1e-9)
    }
}

/// What happens to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Coming {
    End(u32),
    Look(u32),
    Beat(u32),
    Arrival,
}

struct Worker {
    held: u32,
    look_at: u64,
    is_called: bool,
}

/// The working day of a fleet: first while the queue is full, then after it has run empty.
pub fn working_and_idle(habits: &Habits, seed: u64) -> (Asked, Asked) {
    let mut dice = Dice(seed);
    let micros = |span: Duration| span.as_micros() as u64;
    let within = |span: Duration, dice: &mut Dice| (micros(span) as f64 * dice.between((0.0, 1.0))) as u64;
    let mut workers: Vec<Worker> = (0..habits.workers).map(|_| Worker { held: 0, look_at: 0, is_called: false }).collect();
    let mut coming: BinaryHeap<Reverse<(u64, Coming)>> = BinaryHeap::new();
    for (number, worker) in (0..).zip(&mut workers) {
        // They were not started in the same moment.
        worker.look_at = within(habits.poll, &mut dice);
        coming.push(Reverse((worker.look_at, Coming::Look(number))));
        coming.push(Reverse((within(habits.heartbeat, &mut dice), Coming::Beat(number))));
    }
    let (mut waiting, mut working, mut idle) = (habits.jobs, Asked::default(), Asked::default());
    let (mut empty_since, mut second, mut in_second) = (None, 0, 0_u64);
    while let Some(Reverse((now, what))) = coming.pop() {
        if empty_since.is_some_and(|since| now >= since + micros(habits.idle)) {
            break;
        }
        let asked = if empty_since.is_some() { &mut idle } else { &mut working };
        asked.seconds = (now - empty_since.unwrap_or(0)) as f64 / 1e6;
        match what {
            Coming::End(number) => {
                asked.commits += 1;
                workers[number as usize].held -= 1;
                workers[number as usize].look_at = now;
                coming.push(Reverse((now, Coming::Look(number))));
            }
            Coming::Beat(number) => {
                asked.heartbeats += 1;
                coming.push(Reverse((now + micros(habits.heartbeat), Coming::Beat(number))));
            }
            Coming::Arrival => {
                waiting += 1;
                let turn = habits.turn * habits.workers;
                for (number, worker) in (0..).zip(&mut workers).filter(|(_, worker)| worker.held < habits.slots) {
                    let at = now + within(turn, &mut dice);
                    if !std::mem::replace(&mut worker.is_called, true) && at < worker.look_at {
                        worker.look_at = at;
                        coming.push(Reverse((at, Coming::Look(number))));
                    }
                }
                coming.push(Reverse((now + micros(habits.trickle), Coming::Arrival)));
            }
            // An earlier one has taken its place.
            Coming::Look(number) if workers[number as usize].look_at != now => {}
            Coming::Look(number) => {
                let worker = &mut workers[number as usize];
                worker.look_at = now + micros(habits.poll);
                worker.is_called = false;
                if worker.held < habits.slots {
                    (second, in_second) = if now / 1_000_000 == second { (second, in_second + 1) } else { (now / 1_000_000, 1) };
                    asked.most_claims = asked.most_claims.max(in_second);
                    if waiting > 0 {
                        asked.claims += 1;
                        waiting -= 1;
                        worker.held += 1;
                        // There may be another one.
                        worker.look_at = now + 1;
                        let took = (micros(habits.job) as f64 * dice.between((0.75, 1.25))) as u64;
                        coming.push(Reverse((now + took, Coming::End(number))));
                    } else {
                        asked.vain += 1;
                        if empty_since.is_none() && workers.iter().all(|worker| worker.held == 0) {
                            empty_since = Some(now);
                            coming.push(Reverse((now + micros(habits.trickle), Coming::Arrival)));
                        }
                    }
                }
                coming.push(Reverse((workers[number as usize].look_at, Coming::Look(number))));
            }
        }
    }
    (working, idle)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Habits = Habits {
        workers: 100,
        slots: 2,
        jobs: 10_000,
        job: Duration::from_mins(1),
        poll: Duration::from_secs(15),
        heartbeat: Duration::from_secs(10),
        trickle: Duration::from_secs(2),
        turn: Duration::from_millis(10),
        idle: Duration::from_mins(10),
    };

    #[test]
    fn each_job_is_claimed_and_committed_once_and_the_rates_follow_from_the_habits() {
        let (working, idle) = working_and_idle(&SOME, 7);
        assert_eq!((working.claims, working.commits), (SOME.jobs, SOME.jobs));
        // Two hundred slots, a minute each.
        assert!((3.0..3.6).contains(&working.per_second(working.commits)), "{working:?}");
        assert!((9.8..10.2).contains(&working.per_second(working.heartbeats)), "{working:?}");
        assert!((9.8..10.2).contains(&idle.per_second(idle.heartbeats)), "{idle:?}");
        assert!(idle.claims > 250 && idle.commits >= idle.claims - 60, "{idle:?}");
    }

    /// A job that comes wakes everybody: a fleet ten times as large asks no more often for it than one claim for each turn.
    #[test]
    fn words_that_wake_all_cost_no_more_than_a_claim_each_turn_however_many_there_are() {
        let of =
            |workers, turn| working_and_idle(&Habits { workers, turn, jobs: 1, trickle: Duration::from_millis(100), ..SOME }, 7).1;
        let turns = of(1000, SOME.turn);
        assert!(turns.most_claims <= 400, "{turns:?}");
        let at_once = of(300, Duration::from_micros(1));
        assert!(at_once.most_claims > 1500, "without turns: {at_once:?}");
    }

    /// Prints the figures of the documentation.
    #[test]
    #[ignore = "prints figures: just fleet-load"]
    fn a_thousand_workers_and_a_million_jobs() {
        for (job, poll, heartbeat, trickle) in
            [(60, 15, 10, 2), (60, 5, 10, 2), (60, 15, 2, 2), (10, 15, 10, 3600), (600, 15, 10, 2)]
        {
            let secs = Duration::from_secs;
            let habits = Habits {
                workers: 1000,
                jobs: 1_000_000,
                job: secs(job),
                poll: secs(poll),
                heartbeat: secs(heartbeat),
                trickle: secs(trickle),
                ..SOME
            };
            let (work, idle) = working_and_idle(&habits, 7);
            println!(
                "jobs of {job} s, poll {poll} s, heartbeat {heartbeat} s: at work {:.0} claims/s, {:.0} commits/s, {:.0} heartbeats/s for {:.1} h; \
                 idle with a job each {:?}: {:.0} claims/s, at most {} in a second",
                work.per_second(work.claims + work.vain),
                work.per_second(work.commits),
                work.per_second(work.heartbeats),
                work.seconds / 3600.0,
                habits.trickle,
                idle.per_second(idle.claims + idle.vain),
                idle.most_claims
            );
        }
    }
}
