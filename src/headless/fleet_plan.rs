//! A plan of a fleet as text for people and as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::domain::fleet_plan::{FleetPlan, FleetWay};
use crate::domain::text::many;
use crate::domain::time::{Wall, seconds_words};
use crate::headless::lines::LineStyle;

/// As a table; `now` is when it was made.
pub fn text(plan: &FleetPlan, now: Wall) -> String {
    let mut out = String::new();
    let all = plan.waiting + plan.running;
    let _ = writeln!(
        out,
        "plimsoll plan --fleet: {} of {} wait, {} at work; {} to learn from",
        plan.waiting,
        many(all, "job"),
        plan.running,
        many(plan.learned_from as u64, "finished job")
    );
    let _ = writeln!(
        out,
        "boxes that are added: profile {}, {}; {} of each way in virtual time, seed {}\n",
        plan.profile.0,
        many(plan.profile.1.into(), "slot"),
        many(plan.runs.into(), "run"),
        plan.seed
    );
    let wide = plan.ways.iter().map(|way| way.name().chars().count()).max().unwrap_or(0).max(14) + 1;
    let _ =
        writeln!(out, "{:<wide$}{:>6}{:>7}{:>14}{:>14}  {:<19}{:>6}", "PLAN", "BOXES", "SLOTS", "TAKES", "95 %", "DONE BY", "LEFT");
    let mark = if plan.guesses > 0 { "~" } else { "" };
    let style = LineStyle::terminal(false);
    for way in &plan.ways {
        let span =
            |seconds: Option<f64>| seconds.map_or_else(|| "never".to_owned(), |took| format!("{mark}{}", seconds_words(took)));
        let by = way.finish_p50.map_or_else(|| "-".to_owned(), |took| style.time_and_day(Wall(now.0 + (took * 1000.0) as i64)));
        let (takes, late) = (span(way.finish_p50), span(way.finish_p95));
        let _ =
            writeln!(out, "{:<wide$}{:>6}{:>7}{takes:>14}{late:>14}  {by:<19}{:>6}", way.name(), way.boxes, way.slots, way.left);
    }
    out.push('\n');
    for job in &plan.homeless {
        let _ = writeln!(
            out,
            "LEFT    job {} ({}) needs {}, no box that is there can take it; it wants one with {}: --add 1x{}",
            job.job,
            job.input,
            job.needs.whole(),
            job.budget,
            job.budget.whole().replace(' ', "")
        );
    }
    let unnamed = plan.homeless_jobs.saturating_sub(plan.homeless.len() as u64);
    if unnamed > 0 {
        let _ = writeln!(out, "LEFT    and {} that needs more than any box has", many(unnamed, "job"));
    }
    if (plan.simulated as u64) < all {
        let _ = writeln!(out, "sample  {} stand for {all}: their times are those of all", many(plan.simulated as u64, "job"));
    }
    if plan.guesses > 0 {
        let _ = writeln!(
            out,
            "~       guesses: of the preset of {} of {} none has finished in this fleet",
            plan.guesses,
            many(plan.simulated as u64, "job")
        );
    }
    out.push_str(
        "why     the same engine in virtual time on each box; a slot is as quick as the fleet's were; fetching and storing go on beside\n",
    );
    out
}

/// As one object.
pub fn json(plan: &FleetPlan) -> Value {
    json!({
        "queue": plan.queue,
        "waiting": plan.waiting,
        "running": plan.running,
        "simulated": plan.simulated,
        "learned_from": plan.learned_from,
        "guessed_jobs": plan.guesses,
        "added_profile": plan.profile.0,
        "added_slots": plan.profile.1,
        "runs": plan.runs,
        "seed": plan.seed,
        "plans": plan.ways.iter().map(way).collect::<Vec<_>>(),
        "too_large_jobs": plan.homeless_jobs,
        "too_large": plan.homeless.iter().map(|job| json!({
            "job": job.job,
            "input": job.input,
            "needs_bytes": job.needs,
            "box_budget_bytes": job.budget,
        })).collect::<Vec<_>>(),
    })
}

fn way(way: &FleetWay) -> Value {
    json!({
        "name": way.name(),
        "added": way.added.iter().map(|added| json!({ "boxes": added.boxes, "budget_bytes": added.budget })).collect::<Vec<_>>(),
        "boxes": way.boxes,
        "slots": way.slots,
        "finish_p50_seconds": way.finish_p50,
        "finish_p95_seconds": way.finish_p95,
        "left": way.left,
    })
}
