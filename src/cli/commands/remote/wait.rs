//! `plimsoll wait`: comes back on the event that it waits for.

use std::collections::BTreeMap;
use std::time::Duration;

use color_eyre::eyre::Result;

use super::{open, rows, snapshot};
use crate::cli::Usage;
use crate::cli::args::WaitArgs;
use crate::cli::options::Resolved;
use crate::cli::session::{Waits, event_loop, status_of};
use crate::domain::job::{JobId, Outcome, Phase};
use crate::domain::state::State;
use crate::domain::stored::{RowState, RowsWanted};
use crate::domain::text::many;
use crate::runtime::link::Update;
use crate::wire::client::Opened;
use crate::wire::look::Ask;

/// Exit status when the time is up, as `timeout` has it.
const TIMED_OUT: u8 = 124;

/// `plimsoll wait`.
pub fn wait(resolved: &Resolved, args: &WaitArgs) -> Result<u8> {
    let mut opened = open(resolved, true)?;
    let state = snapshot(&mut opened.link)?;
    let jobs = rows::named(&args.jobs);
    let wanted = match (args.batches.is_empty(), jobs.is_empty()) {
        (false, _) => Some(of_batches(&opened, &args.batches)?),
        (true, false) => Some(of_jobs(&opened, &jobs)?),
        (true, true) => None,
    };
    // The option of all commands has its own meaning here; what is said elsewhere of jobs does not.
    let timeout = resolved.is_flag("timeout").then(|| resolved.settings.timeout.limit()).flatten();
    until(opened, *state, wanted, timeout)
}

/// The jobs of these batches, with how those went that have ended.
pub fn of_batches(opened: &Opened, batches: &[u64]) -> Result<Waited> {
    let mut waited = Waited::default();
    for batch in batches {
        let mut is_known = false;
        rows::each(&opened.ask, &RowsWanted { batch: Some(*batch), ..RowsWanted::default() }, |row| {
            is_known = true;
            waited.note(row.job, row.state, row.outcome);
        })?;
        if !is_known {
            return Err(Usage(format!("this server knows no batch {batch}; `plimsoll add --json` tells the number")).into());
        }
    }
    Ok(waited)
}

fn of_jobs(opened: &Opened, jobs: &[JobId]) -> Result<Waited> {
    let mut waited = Waited::default();
    waited.note_rows(&opened.ask, jobs)?;
    match jobs.iter().find(|job| !waited.0.contains_key(job)) {
        Some(unknown) => Err(Usage(format!("there is no job #{unknown}; `plimsoll jobs` lists them")).into()),
        None => Ok(waited),
    }
}

/// Jobs that are waited for; `None` = has not ended, else whether it went well.
#[derive(Debug, Default)]
pub struct Waited(BTreeMap<JobId, Option<bool>>);

impl Waited {
    fn note(&mut self, job: JobId, state: RowState, outcome: Option<Outcome>) {
        let ended = match state {
            RowState::Waiting | RowState::Running => None,
            RowState::Ended => Some(outcome.is_some_and(Outcome::is_success)),
            RowState::Rejected => Some(false),
        };
        self.0.insert(job, ended);
    }

    /// What the engine knows of them all.
    fn learn_all(&mut self, state: &State) {
        let jobs: Vec<JobId> = self.0.keys().copied().collect();
        for job in jobs {
            self.learn(job, state);
        }
    }

    /// What the engine knows of one, if it is waited for.
    fn learn(&mut self, job: JobId, state: &State) {
        let Some(ended) = self.0.get_mut(&job) else { return };
        match state.jobs.get(&job).map(|job| &job.phase) {
            Some(Phase::Finished(finished)) => *ended = Some(finished.outcome.is_success()),
            Some(Phase::Rejected(_)) => *ended = Some(false),
            Some(_) => *ended = None,
            // It has left the list, or waits beyond it; what was known holds.
            None => {}
        }
    }

    /// What the store knows of those that have not ended and are not listed: their end, or that they are removed, may be among
    /// what was missed.
    fn learn_missed(&mut self, state: &State, ask: &Ask) -> Result<()> {
        let is_missed = |(job, ended): (&JobId, &Option<bool>)| (ended.is_none() && !state.jobs.contains_key(job)).then_some(*job);
        let missed: Vec<JobId> = self.0.iter().filter_map(is_missed).collect();
        for job in &missed {
            self.0.insert(*job, Some(false));
        }
        self.note_rows(ask, &missed)
    }

    /// Notes what the store knows of these.
    fn note_rows(&mut self, ask: &Ask, jobs: &[JobId]) -> Result<()> {
        for some in jobs.chunks(500) {
            rows::each(ask, &RowsWanted { jobs: some.to_vec(), ..RowsWanted::default() }, |row| {
                self.note(row.job, row.state, row.outcome);
            })?;
        }
        Ok(())
    }

    /// Those that did not end well, once all have ended.
    fn not_done(&self) -> Option<Vec<JobId>> {
        let ended = self.0.iter().map(|(job, went_well)| went_well.map(|well| (*job, well))).collect::<Option<Vec<_>>>()?;
        Some(ended.into_iter().filter_map(|(job, went_well)| (!went_well).then_some(job)).collect())
    }
}

/// Waits until these jobs have ended, or nothing is left to do; the exit status.
pub fn until(opened: Opened, mut state: State, mut wanted: Option<Waited>, timeout: Option<Duration>) -> Result<u8> {
    let Opened { mut link, ask, .. } = opened;
    let runtime = event_loop(Waits::Time)?;
    if let Some(wanted) = &mut wanted {
        wanted.learn_all(&state);
    }
    let waiting = async {
        loop {
            match &wanted {
                Some(wanted) => {
                    if let Some(not_done) = wanted.not_done() {
                        return Ok(print_not_done(&not_done));
                    }
                }
                // A server that has just begun has not listed yet what an earlier one has left.
                None if state.unended() == 0 && !has_stored_work(&ask)? => return Ok(print_counts(&state)),
                None => {}
            }
            match link.updates.recv().await {
                Some(Update::Event(event)) => {
                    // A job that is removed will never end.
                    if let (crate::domain::event::EventKind::JobRemoved { job, .. }, Some(wanted)) = (&event.kind, &mut wanted) {
                        wanted.0.entry(*job).and_modify(|ended| *ended = ended.or(Some(false)));
                    }
                    state.apply(&event);
                    if let (Some(job), Some(wanted)) = (event.kind.job(), &mut wanted) {
                        wanted.learn(job, &state);
                    }
                }
                Some(Update::Snapshot(anew)) => {
                    state = *anew;
                    if let Some(wanted) = &mut wanted {
                        wanted.learn_all(&state);
                        wanted.learn_missed(&state, &ask)?;
                    }
                }
                Some(_) => {}
                None => {
                    crate::cli::write_stderr("plimsoll: the server has ended before\n");
                    return Ok(1);
                }
            }
        }
    };
    let ended = runtime.block_on(async {
        match timeout {
            Some(span) => tokio::time::timeout(span, waiting).await.ok(),
            None => Some(waiting.await),
        }
    });
    ended.unwrap_or_else(|| {
        let left = wanted
            .as_ref()
            .map_or_else(|| state.unended(), |wanted| wanted.0.values().filter(|ended| ended.is_none()).count() as u64);
        crate::cli::write_stderr(&format!("plimsoll: the time is up; {} left\n", many(left, "job")));
        Ok(TIMED_OUT)
    })
}

/// How many jobs are named at most when some were not done.
const NAMED: usize = 8;

/// Says which of the jobs waited for were not done; the exit status.
fn print_not_done(jobs: &[JobId]) -> u8 {
    if jobs.is_empty() {
        return 0;
    }
    let named: Vec<String> = jobs.iter().take(NAMED).map(|job| format!("#{job}")).collect();
    let more = if jobs.len() > NAMED { format!(" and {} more", jobs.len() - NAMED) } else { String::new() };
    crate::cli::write_stderr(&format!("plimsoll: not done: {}{more}; `plimsoll jobs` tells why\n", named.join(" ")));
    1
}

/// Nothing is left to do: says what of this run was not done; the exit status.
fn print_counts(state: &State) -> u8 {
    let not_done: Vec<String> = state
        .counts_by_state()
        .into_iter()
        .filter(|(name, count)| *count > 0 && !matches!(*name, "done" | "already_done"))
        .map(|(name, count)| format!("{count} {}", name.replace('_', " ")))
        .collect();
    if !not_done.is_empty() {
        crate::cli::write_stderr(&format!("plimsoll: not all is done: {}; `plimsoll jobs` tells why\n", not_done.join(", ")));
    }
    status_of(&state.job_counts())
}

/// The store knows of jobs that wait or are at work.
fn has_stored_work(ask: &Ask) -> Result<bool> {
    for state in [RowState::Waiting, RowState::Running] {
        if !rows::page(ask, &RowsWanted { state: Some(state), limit: 1, ..RowsWanted::default() })?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}
