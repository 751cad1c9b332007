//! `fleet status`, `fleet jobs`, `fleet logs`.

use std::fmt::Write as _;

use color_eyre::eyre::Result;
use serde_json::json;

use super::{told, write_json};
use crate::cli::args::FleetJobsArgs;
use crate::cli::write_out;
use crate::domain::fleet::{FleetJob, FleetWorker};
use crate::domain::text::{many, percent};
use crate::domain::units::Bytes;
use crate::headless::lines::LineStyle;
use crate::host::fleet::db::Database;
use crate::host::fleet::queue::{self, Wanted};

/// Jobs that are read at once.
const PAGE: i64 = 1000;

/// How the fleet stands.
pub async fn status(db: Database, as_json: bool) -> Result<u8> {
    let counts = queue::counts(&db).await.map_err(told)?;
    let workers = queue::workers(&db).await.map_err(told)?;
    if as_json {
        return write_json(&json!({ "queue": db.address(), "jobs": counts, "workers": workers }));
    }
    let live = workers.iter().filter(|worker| worker.live).count() as u64;
    let mut text = format!(
        "{}: {}, {} queued, {} running, {} done, {} failed, {} out of memory, {} rejected, {} cancelled\n",
        db.address(),
        many(live, "worker"),
        counts.queued,
        counts.running,
        counts.done,
        counts.failed,
        counts.out_of_memory,
        counts.rejected,
        counts.cancelled
    );
    for worker in workers.iter().filter(|worker| worker.live || worker.ended_why.as_deref() == Some("its lease ran out")) {
        let _ = writeln!(text, "{}", worker_line(worker));
    }
    write_out(text.as_bytes())
}

/// A worker in one line.
fn worker_line(worker: &FleetWorker) -> String {
    let mb = |bytes: i64| Bytes(bytes.max(0) as u64).whole();
    let short = worker.worker.get(..8).unwrap_or(&worker.worker);
    if !worker.live {
        return format!("  {short}  {}  {}", worker.r#box, worker.ended_why.as_deref().unwrap_or("its lease has run out"));
    }
    let mut line = format!(
        "  {short}  {}  {} of {} under the line, {} of {} slots, largest job {}, {}, plimsoll {}, ffmpeg {}, heard {} s ago",
        worker.r#box,
        mb(worker.counted_bytes),
        mb(worker.line_bytes),
        worker.jobs,
        worker.slots,
        mb(worker.largest_bytes),
        worker.profile,
        worker.version,
        worker.ffmpeg,
        worker.silent_ms / 1000
    );
    if worker.drained {
        line.push_str(", takes nothing more");
    }
    if let Some(why) = &worker.stands_down {
        let _ = write!(line, ", takes nothing for now: {why}");
    }
    line
}

/// The jobs, one line each.
pub async fn jobs(db: Database, args: &FleetJobsArgs) -> Result<u8> {
    let (mut after, mut left) = (0, args.limit);
    while left > 0 {
        let wanted = Wanted { state: args.state.clone(), after, limit: left.min(PAGE), ..Wanted::default() };
        let page = queue::jobs(&db, &wanted).await.map_err(told)?;
        let Some(last) = page.last() else { break };
        (after, left) = (last.job, left - page.len() as i64);
        for job in &page {
            if args.json {
                write_json(job)?;
            } else {
                write_out(format!("{}\n", job_line(job)).as_bytes())?;
            }
        }
    }
    Ok(0)
}

/// A job in one line.
fn job_line(job: &FleetJob) -> String {
    let mut line = format!("{:>6}  {:<13}  {}  {}", job.job, job.state, job.preset, job.input);
    if let Some(ratio) = job.progress.filter(|_| job.state == "running") {
        let _ = write!(line, "  {} %", percent(ratio.into()));
    }
    for (name, value) in [("on", &job.worker), ("output", &job.output), ("", &job.reason)] {
        if let Some(value) = value {
            let name = if name.is_empty() { String::new() } else { format!("{name} ") };
            let _ = write!(line, "  {name}{value}");
        }
    }
    line
}

/// What happened to a job, and the end of its log.
pub async fn logs(db: Database, job: i64, as_json: bool) -> Result<u8> {
    let Some(log) = queue::log(&db, job).await.map_err(told)? else {
        crate::cli::write_stderr(&format!("plimsoll: there is no job {job}; `plimsoll fleet jobs` shows them\n"));
        return Ok(1);
    };
    let events = queue::events(&db, Some(job), 0, PAGE).await.map_err(told)?;
    if as_json {
        return write_json(&json!({ "job": job, "events": events, "log": log }));
    }
    let style = LineStyle::terminal(false);
    let mut text = String::new();
    for event in &events {
        let on = event.worker.as_ref().map(|worker| format!(" on {worker}")).unwrap_or_default();
        let detail = if event.detail.is_empty() { String::new() } else { format!(": {}", event.detail) };
        let _ = writeln!(text, "{}  {}{on}{detail}", style.time_and_day(event.at), event.kind);
    }
    text.push_str(&log);
    write_out(text.as_bytes())
}
