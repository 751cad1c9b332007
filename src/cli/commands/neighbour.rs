//! The neighbour of the demonstration: somebody else on the box, outside the queue, whom nobody governs. He comes when
//! jobs are at work and takes as much as crosses the line, on quick and slow machines alike.

use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use color_eyre::eyre::{Context as _, Result, eyre};

use crate::domain::state::State;
use crate::domain::time::Mono;
use crate::domain::units::Bytes;
use crate::host::demo::clips::DEMO_NEIGHBOUR;
use crate::runtime::link::{Link, Update};

/// How often he comes.
const WAVES: u32 = 3;
/// How long he stays.
const STAYS: Duration = Duration::from_secs(5);
/// How long he keeps away at first, and between his comings: starts that were held are to go on.
const AWAY: Duration = Duration::from_secs(9);
/// He waits this much longer for two large jobs; then one has to do.
const WAITS: Duration = Duration::from_secs(15);
/// Jobs have settled when they have not grown by more than [`GROWTH`] for so long: what they are still to take is known.
const SETTLED: Duration = Duration::from_secs(1);
const GROWTH: Bytes = Bytes::mib(8);
/// What he holds when he keeps away.
const REST: Bytes = Bytes::mib(4);
/// How far over the line he goes.
const OVER: Bytes = Bytes::mib(40);
/// A job that holds this much is a large one.
const LARGE: Bytes = Bytes::mib(100);
/// What he takes at most when only one large job is at work.
const BESIDE_ONE: Bytes = Bytes::mib(420);

/// The neighbour's process. Ends when dropped, and when plimsoll dies.
pub struct Neighbour {
    process: Child,
    orders: Option<ChildStdin>,
}

impl Neighbour {
    /// Starts him; he keeps away until [`Neighbour::steer`] tells him to come.
    pub fn start() -> Result<Self> {
        let mut command = Command::new(crate::cli::own_program()?);
        command.args(["load-job", "--steered"]).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut process = command.spawn().wrap_err("cannot start the neighbour")?;
        let orders = Some(process.stdin.take().ok_or_else(|| eyre!("the neighbour takes no orders"))?);
        Ok(Self { process, orders })
    }

    /// His process number.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What watches the run and tells him when to come.
    pub fn steer(&mut self) -> impl FnOnce(Link) + Send + 'static {
        let orders = self.orders.take();
        move |link| {
            if let Some(orders) = orders {
                steer(link, orders);
            }
        }
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // He may have ended by himself; then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn steer(mut link: Link, mut orders: ChildStdin) {
    let (mut state, mut tide) = (State::default(), Tide::default());
    while let Some(update) = link.updates.blocking_recv() {
        match update {
            Update::Snapshot(snapshot) => state = *snapshot,
            Update::Event(event) => state.apply(&event),
            Update::Retold(retold) => state = retold.state(),
            Update::Reply(..) | Update::Playing(_) | Update::Line(_) => {}
        }
        if let Some(target) = tide.look(&state)
            && writeln!(orders, "{}", target.as_mb().round()).is_err()
        {
            return;
        }
    }
}

/// When he comes and goes.
#[derive(Debug, Default)]
struct Tide {
    came: Option<Mono>,
    went: Option<Mono>,
    waves: u32,
    /// The most the jobs held since they last grew, and when that was.
    level: Option<(Bytes, Mono)>,
}

impl Tide {
    /// What he is to hold from now on; `None` = as before.
    fn look(&mut self, state: &State) -> Option<Bytes> {
        let now = state.now;
        if let Some(came) = self.came {
            if now.since(came) < STAYS {
                return None;
            }
            (self.came, self.went) = (None, Some(now));
            return Some(REST);
        }
        let jobs = &state.memory.jobs;
        let total: Bytes = jobs.values().fold(Bytes::ZERO, |sum, bytes| sum + *bytes);
        let grew = |(top, _): (Bytes, Mono)| total > top + GROWTH || total + GROWTH < top;
        if self.level.is_none_or(grew) {
            self.level = Some((total, now));
        }
        let away = now.since(self.went.unwrap_or_default());
        let is_settled = self.level.is_some_and(|(_, at)| now.since(at) >= SETTLED);
        if self.waves == WAVES || away < AWAY || !is_settled || state.memory.high_water_bytes == Bytes::ZERO {
            return None;
        }
        let large = jobs.values().filter(|bytes| **bytes >= LARGE).count();
        let at_most = match large {
            0 => return None,
            1 if away < AWAY + WAITS => return None,
            1 => BESIDE_ONE,
            _ => DEMO_NEIGHBOUR,
        };
        let needed = state.memory.high_water_bytes + OVER - state.memory.counted_bytes;
        if needed > at_most {
            return None;
        }
        self.came = Some(now);
        self.waves += 1;
        Some(needed.max(OVER))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::job::JobId;

    fn at(millis: u64, jobs: &[u64]) -> State {
        let mut state = State { now: Mono(Duration::from_millis(millis)), ..State::default() };
        state.memory.high_water_bytes = Bytes::mib(630);
        state.memory.jobs = jobs.iter().zip(1..).map(|(mb, id)| (JobId(id), Bytes::mib(*mb))).collect();
        state.memory.counted_bytes = Bytes::mib(30 + jobs.iter().sum::<u64>());
        state
    }

    #[test]
    fn he_comes_when_two_large_jobs_have_settled_with_what_crosses_the_line_and_goes_again() {
        let mut tide = Tide::default();
        assert_eq!(tide.look(&at(500, &[220, 220])), None, "not at once");
        assert_eq!(tide.look(&at(9_000, &[120, 130])), None, "they still grow");
        assert_eq!(tide.look(&at(9_500, &[220, 220])), None, "they have only just grown");
        assert_eq!(tide.look(&at(10_600, &[222, 220])), Some(Bytes::mib(670 - 472)));
        assert_eq!(tide.look(&at(15_500, &[220, 220])), None, "he stays");
        assert_eq!(tide.look(&at(15_700, &[220, 220])), Some(REST));
        assert_eq!(tide.look(&at(20_000, &[220, 220])), None, "he keeps away");
    }

    #[test]
    fn one_large_job_has_to_do_when_there_is_never_a_second() {
        let mut tide = Tide::default();
        assert_eq!(tide.look(&at(10_000, &[280])), None);
        assert_eq!(tide.look(&at(20_000, &[280])), None);
        assert_eq!(tide.look(&at(25_000, &[280])), Some(Bytes::mib(360)));
    }

    #[test]
    fn he_comes_three_times_and_not_when_nothing_large_is_at_work() {
        let mut tide = Tide::default();
        let mut comings = 0;
        for second in 0..200 {
            comings += u32::from(tide.look(&at(second * 1000, &[220, 220])).is_some_and(|target| target > REST));
        }
        assert_eq!(comings, WAVES);
        let mut tide = Tide::default();
        assert!((0..200).all(|second| tide.look(&at(second * 1000, &[60, 90])).is_none()));
    }
}
