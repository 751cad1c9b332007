//! A plan as text for people and as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::domain::plan::{AS_QUICK_WORDS, Change, Forecast, Kind, Plan, SURE_FROM, Way};
use crate::domain::text::many;
use crate::domain::time::seconds_words;

/// As a table with an advice below it.
pub fn text(plan: &Plan) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "plimsoll plan: {}, {}{}; {} to learn from",
        many(plan.jobs as u64, "job"),
        plan.bytes,
        if plan.done > 0 { format!(", {} already done", plan.done) } else { String::new() },
        many(plan.learned_from as u64, "finished job")
    );
    let _ = writeln!(
        out,
        "budget {}: {}; {}, {} of each way in virtual time, seed {}\n",
        plan.budget,
        plan.budget_source,
        many(plan.cores as u64, "processor"),
        many(plan.runs.into(), "run"),
        plan.seed
    );
    let label = |way: &Forecast| format!("{} {}", way.name, way.short);
    let wide = plan.ways.iter().map(|way| label(&way.forecast).chars().count()).max().unwrap_or(0).max(22) + 1;
    let _ = writeln!(out, "{:<wide$}{:>16}  {:<19}{:>11}{:>5}", "PLAN", "PEAK p50 to p95", "LINE", "TAKES", "REJ");
    for Way { guesses, forecast, .. } in &plan.ways {
        // A row that rests on guesses is marked, as everything in it is one.
        let mark = if *guesses > 0 { "~" } else { "" };
        let peak = format!("{mark}{} to {}", forecast.peak_p50.short(), forecast.peak_p95.short());
        let takes = format!("{mark}{}", seconds_words(forecast.finish_p50));
        let (label, line) = (label(forecast), line(forecast));
        let _ = writeln!(out, "{label:<wide$}{peak:>16}  {line:<19}{takes:>11}{:>5}", forecast.rejected);
    }
    let _ = writeln!(out, "\nadvice  {}", plan.advice());
    if plan.guesses > 0 {
        let (guesses, jobs) = (plan.guesses, many(plan.jobs as u64, "job"));
        let _ = writeln!(
            out,
            "~       guesses: of the kind of {guesses} of {jobs} fewer than {SURE_FROM} have finished here (same pictures, codecs,\n\
             \x20       speed preset and threads); their memory is the model's, their time a rule of thumb"
        );
    }
    if let Some(way) = plan.ways.iter().find(|way| matches!(way.change, Change::Threads(_))) {
        let concluded = way.guesses > plan.guesses;
        let how = if concluded { "; concluded from jobs with the threads of now" } else { "" };
        let _ = writeln!(out, "threads make other bytes: a change of the preset, not of the profile{how}");
    }
    if plan.skipped > 0 {
        let _ = writeln!(
            out,
            "REJ     in every row {} of them: {} would be rejected for what {} whatever the profile",
            plan.skipped,
            many(plan.skipped as u64, "file"),
            if plan.skipped == 1 { "it is," } else { "they are," }
        );
    }
    out.push_str(
        "why     the same engine in virtual time over the courses of finished jobs; nobody else uses memory or processors in it;\n",
    );
    let _ = writeln!(out, "        ends within {AS_QUICK_WORDS} of each other count as about the same");
    out
}

fn line(forecast: &Forecast) -> String {
    match (forecast.out_of_memory, forecast.crosses) {
        (kills, _) if kills > 0.0 => format!("out of memory {:.0} %", kills * 100.0),
        _ if forecast.crossed_now => "crossed now".to_owned(),
        (_, crosses) if crosses > 0.0 => format!("crossed in {:.0} %", crosses * 100.0),
        _ => "never crossed".to_owned(),
    }
}

/// As one object.
pub fn json(plan: &Plan) -> Value {
    json!({
        "jobs": plan.jobs,
        "size_bytes": plan.bytes,
        "not_accepted": plan.skipped,
        "already_done": plan.done,
        "learned_from": plan.learned_from,
        "guessed_jobs": plan.guesses,
        "budget_bytes": plan.budget,
        "budget_source": plan.budget_source,
        "processors": plan.cores,
        "runs": plan.runs,
        "seed": plan.seed,
        "plans": plan.ways.iter().map(way).collect::<Vec<_>>(),
        "kinds": plan.kinds.iter().map(kind).collect::<Vec<_>>(),
        "best": plan.best().map(|best| &best.forecast.name),
        "advice": plan.advice(),
    })
}

fn way(way: &Way) -> Value {
    let Way { change, profile, guesses, forecast } = way;
    let mut value = json!({
        "name": forecast.name,
        "short": forecast.short,
        "change": change.word(),
        "profile": profile.name,
        "max_concurrent": profile.max_concurrent,
        "other_bytes": matches!(change, Change::Threads(_)),
        "guessed_jobs": guesses,
        "budget_bytes": forecast.budget,
        "high_water_bytes": forecast.high_water,
        "peak_p50_bytes": forecast.peak_p50,
        "peak_p95_bytes": forecast.peak_p95,
        "crosses_line": forecast.crosses,
        "crossed_now": forecast.crossed_now,
        "out_of_memory": forecast.out_of_memory,
        "finish_p50_seconds": forecast.finish_p50,
        "finish_p95_seconds": forecast.finish_p95,
        "rejected": forecast.rejected,
        "holds": forecast.holds,
    });
    if let Change::Threads(threads) = change {
        value["threads"] = json!(threads);
    }
    value
}

fn kind(kind: &Kind) -> Value {
    json!({
        "what": kind.what,
        "jobs": kind.jobs,
        "finished": kind.finished,
        "peak_low_bytes": kind.peaks.map(|(low, _)| low),
        "peak_high_bytes": kind.peaks.map(|(_, high)| high),
        "processor_seconds_per_second": kind.cpu,
    })
}
