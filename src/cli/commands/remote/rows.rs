//! Jobs as the server's store and its engine know them, put together.

use color_eyre::eyre::{Result, eyre};
use serde::Serialize;

use crate::cli::args::JobRange;
use crate::domain::job::{Damage, Exit, Job, JobId, Outcome, Phase, Rank};
use crate::domain::state::State;
use crate::domain::stored::{JobRow, RowState, RowsWanted};
use crate::domain::text::path_text;
use crate::domain::units::Bytes;
use crate::wire::client::Opened;
use crate::wire::look::{Ask, Look};

/// Rows asked for at once.
const PAGE: u32 = 1000;

/// What is known of a job: the fields of its events.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobLine {
    pub job: JobId,
    /// What is with it.
    pub state: &'static str,
    /// It had ended before this run.
    pub earlier: bool,
    pub input: String,
    /// Where its output stands or is to stand.
    pub output: Option<String>,
    /// Size of the input.
    pub size_bytes: Bytes,
    /// Name of its preset.
    pub preset: String,
    /// Tries so far.
    pub attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// Share done, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// Pictures a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
    /// Media seconds per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed: Option<f64>,
    /// Seconds left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<u64>,
    /// Its anonymous memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<Bytes>,
    /// Peak of memory that the model expects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted_peak_bytes: Option<Bytes>,
    /// Highest anonymous memory seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<Bytes>,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Run time of the last try, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// What ffmpeg returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// What ended ffmpeg.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The limit that it is over, where it was not let in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_bytes: Option<Bytes>,
    /// Why it did not end well, was not let in, or waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What of its input could not be decoded, where its output was made of the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
    /// Streams and tags of the input that are not in the output.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// Its place among those that wait: the smallest is next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<Rank>,
}

impl JobLine {
    /// What the store knows; `earlier` = it had ended before this run.
    pub fn of_row(row: JobRow, earlier: bool) -> Self {
        let has_ended = matches!(row.state, RowState::Ended | RowState::Rejected);
        let state = match (row.state, row.outcome) {
            (RowState::Waiting, _) => "queued",
            (RowState::Running, _) => "running",
            (RowState::Rejected, _) => "rejected",
            (RowState::Ended, outcome) => outcome.map_or("failed", Outcome::name),
        };
        Self {
            job: row.job,
            state,
            earlier: earlier && has_ended,
            input: path_text(&row.input),
            output: Some(path_text(&row.output)),
            size_bytes: row.size_bytes,
            preset: row.preset,
            attempts: row.attempts,
            pid: None,
            ratio: None,
            fps: None,
            speed: None,
            eta_seconds: None,
            memory_bytes: None,
            predicted_peak_bytes: None,
            peak_memory_bytes: None,
            outcome: row.outcome,
            seconds: None,
            exit_code: None,
            signal: None,
            limit_bytes: None,
            reason: row.reason,
            damage: row.damage,
            left_out: Vec::new(),
            rank: (state == "queued").then_some(row.rank),
        }
    }

    /// What the engine knows of a job that it lists.
    pub fn of_job(job: &Job) -> Self {
        let progress = job.progress.as_ref();
        let is_at_work = job.phase.holds_slot();
        let finished = if let Phase::Finished(finished) = &job.phase { Some(finished) } else { None };
        let (exit_code, signal) = finished.and_then(|finished| finished.exit).map_or((None, None), Exit::code_and_signal);
        let rejected = if let Phase::Rejected(rejected) = &job.phase { Some(rejected) } else { None };
        let state = job.phase.name();
        Self {
            job: job.id,
            state,
            earlier: false,
            input: path_text(&job.input),
            output: job.output.as_ref().map(|path| path_text(path)),
            size_bytes: job.size,
            preset: job.preset.clone(),
            attempts: job.attempts,
            pid: job.phase.pid(),
            ratio: progress.and_then(|progress| progress.ratio),
            fps: progress.filter(|_| is_at_work).map(|progress| progress.fps),
            speed: progress.filter(|_| is_at_work).map(|progress| progress.speed),
            eta_seconds: progress.filter(|_| is_at_work).and_then(|progress| progress.eta_seconds),
            memory_bytes: is_at_work.then_some(job.memory),
            predicted_peak_bytes: job.predicted_peak,
            peak_memory_bytes: Some(job.peak).filter(|peak| *peak > Bytes::ZERO),
            outcome: finished.map(|finished| finished.outcome),
            seconds: finished.map(|finished| finished.took.as_secs_f64()),
            exit_code,
            signal,
            limit_bytes: rejected.and_then(|rejected| rejected.limit),
            reason: job.reason().map(ToOwned::to_owned),
            damage: finished.and_then(|finished| finished.damage.clone()),
            left_out: finished.map_or_else(Vec::new, |finished| finished.left_out.clone()),
            rank: (state == "queued").then_some(job.rank),
        }
    }
}

/// Asks the server for rows of the stored queue, one page of them at most.
pub fn page(ask: &Ask, wanted: &RowsWanted) -> Result<Vec<JobRow>> {
    let answer = ask(Look::Rows(wanted.clone()), &|_| true).map_err(|why| eyre!("{why}"))?;
    Ok(serde_json::from_value(answer)?)
}

/// Rows of the server's stored queue that are wanted, however many: `each` gets one after the other.
pub fn each(ask: &Ask, wanted: &RowsWanted, each: impl FnMut(JobRow)) -> Result<()> {
    paged(|wanted| page(ask, wanted), wanted, each)
}

/// As [`each`], of whatever reads a page.
pub fn paged(read: impl Fn(&RowsWanted) -> Result<Vec<JobRow>>, wanted: &RowsWanted, mut each: impl FnMut(JobRow)) -> Result<()> {
    let mut wanted = RowsWanted { limit: PAGE, ..wanted.clone() };
    loop {
        let page = read(&wanted)?;
        let is_last = page.len() < PAGE as usize;
        for row in page {
            wanted.after = row.job.0;
            each(row);
        }
        if is_last {
            return Ok(());
        }
    }
}

/// All jobs that are kept, in the order of their numbers; what the engine lists is told as it knows it.
pub fn all(opened: &Opened, state: &State, mut tell: impl FnMut(JobLine)) -> Result<()> {
    each(&opened.ask, &RowsWanted::default(), |row| {
        // What ended in this run and is not listed any more is not of an earlier one.
        let earlier = row.ended_at.is_none_or(|at| at < opened.hello.since);
        tell(state.jobs.get(&row.job).map_or_else(|| JobLine::of_row(row, earlier), JobLine::of_job));
    })
}

/// The jobs of ranges, each once, in order.
pub fn named(ranges: &[JobRange]) -> Vec<JobId> {
    let all: std::collections::BTreeSet<u64> = ranges.iter().flat_map(|JobRange(range)| range.clone()).collect();
    all.into_iter().map(JobId).collect()
}
