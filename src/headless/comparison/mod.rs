//! A comparison as text: a table for terminals, a report in Markdown and JSON, and the memory curves as a picture.
//!
//! Only shows figures; where they come from it does not know.

pub mod chart;
pub mod json;
pub mod markdown;
pub mod table;

use crate::domain::comparison::{Column, Comparison, Figure, Verdict};

/// What a comparison was made of, in words, for the head of its reports.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// Inputs in the queue.
    pub inputs: u64,
    /// Name of the preset.
    pub preset: String,
    /// plimsoll's version.
    pub version: String,
    /// When it began, as `2026-11-22T12:03:58.120Z`.
    pub at: String,
}

/// From this load per processor on a machine is not quiet.
const BUSY: f64 = 0.5;

/// Rows that say nothing when they are zero in every column.
const ONLY_WHEN_SEEN: &[Figure] = &[
    Figure::NotAccepted,
    Figure::NeverFits,
    Figure::Stops,
    Figure::Requeues,
    Figure::OutOfMemory,
    Figure::Failed,
    Figure::Unfinished,
];

/// The rows that these columns have something to say in.
fn rows(columns: &[Column]) -> Vec<Figure> {
    let is_seen = |figure: &Figure| columns.iter().any(|column| column.spread(*figure).max > 0.0);
    Figure::ALL.into_iter().filter(|figure| !ONLY_WHEN_SEEN.contains(figure) || is_seen(figure)).collect()
}

/// A cell: the median with its unit, and with more than one run how far they lie apart.
fn cell(column: &Column, figure: Figure) -> String {
    if column.runs.is_empty() {
        return "-".to_owned();
    }
    let spread = column.spread(figure);
    let median = figure.text(spread.median);
    if spread.min >= spread.max {
        return median;
    }
    let bare = |value: f64| figure.text(value).split(' ').next().unwrap_or_default().to_owned();
    format!("{median} ({}-{})", bare(spread.min), bare(spread.max))
}

/// `agrees`, `does not agree`, or that there is nothing to hold it against.
fn verdict_words(verdict: &Verdict) -> &'static str {
    match verdict.agrees {
        Some(true) => "agrees",
        Some(false) => "does not agree",
        None => "nothing to compare with",
    }
}

/// "same bytes under every profile: yes, …", or which outputs differ.
pub fn same_bytes_line(comparison: &Comparison) -> String {
    let same = comparison.same_bytes();
    if same.inputs == 0 {
        return "same bytes under every profile: nothing to compare, no input has two outputs".to_owned();
    }
    if same.differing.is_empty() {
        return format!("same bytes under every profile: yes, {} outputs of {} inputs", same.outputs, same.inputs);
    }
    format!("same bytes under every profile: NO, outputs differ for {}", same.differing.join(", "))
}

/// What a reader has to know of how the runs were made.
fn remarks(comparison: &Comparison) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(load) = comparison.load_before.filter(|load| *load > f64::from(comparison.cores) * BUSY) {
        remarks.push(format!("the machine had a load of {load:.1} before the first run: times are not those of a quiet one"));
    }
    if let (Some(limit), None) = (comparison.limit_bytes, &comparison.limit_refused) {
        remarks.push(format!("each run in a memory cgroup of its own with a limit of {limit}"));
    }
    if let (Some(limit), Some(why)) = (comparison.limit_bytes, &comparison.limit_refused) {
        remarks.push(format!("NOT limited to {limit} by the kernel, since no memory cgroup can be made: {why}"));
    }
    let runs = || comparison.columns.iter().flat_map(|column| &column.runs);
    if runs().any(|run| !run.measured_in_group) {
        remarks.push("peaks are from the runs' own samples: not every run had a memory cgroup to be measured in".to_owned());
    }
    if comparison.columns.iter().any(|column| !column.governor) {
        remarks.push("naive: slots and sizes only, no line kept, no further tries".to_owned());
    }
    if comparison.interrupted {
        remarks.push("ended before its end: runs are missing".to_owned());
    }
    for column in &comparison.columns {
        for trouble in column.runs.iter().filter_map(|run| run.trouble.as_ref()) {
            remarks.push(format!("{}: {trouble}; its figures are of what was seen", column.name()));
        }
    }
    remarks
}

/// `2-core machine, budget 840 MB from --budget, line at 630 MB`.
fn place(comparison: &Comparison) -> String {
    let cores = comparison.cores;
    let run = comparison.columns.iter().flat_map(|column| &column.runs).find(|run| run.budget_bytes.0 > 0);
    let budget = run.map(|run| {
        // The place of a run's own group says nothing to anybody.
        let is_limit = comparison.limit_refused.is_none() && comparison.limit_bytes == Some(run.budget_bytes);
        let source = if is_limit { "--limit" } else { &run.budget_source };
        format!(", budget {} from {source}, line at {}", run.budget_bytes, run.high_water_bytes.whole())
    });
    format!("{cores} processors{}", budget.unwrap_or_default())
}

#[cfg(test)]
mod tests;
