//! A comparison as JSON: the object at the end of the stream, `report.json`, and what is kept of it.

use serde_json::{Map, Value, json};

use crate::domain::comparison::saved::SavedComparison;
use crate::domain::comparison::{Column, Comparison, Figure, RunFigures, Subject};

/// The comparison; with its curves it is the whole report.
pub fn object(comparison: &Comparison, subject: &Subject, curves: bool) -> Map<String, Value> {
    let columns: Vec<Value> = comparison.columns.iter().map(|each| column(each, curves)).collect();
    let object = json!({
        "version": subject.version,
        "begun": subject.at,
        "inputs": subject.inputs,
        "paths": subject.paths,
        "preset": subject.preset,
        "processors": comparison.cores,
        "load_before": comparison.load_before,
        "runs_each": comparison.rounds,
        "limit_bytes": comparison.limit_bytes,
        "limit_refused": comparison.limit_refused,
        "interrupted": comparison.interrupted,
        "well": comparison.is_well(),
        "columns": columns,
        "guide": comparison.verdicts(),
        "same_bytes": comparison.same_bytes(),
    });
    match object {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// What is kept of a comparison: the whole report, and how far it is. [`SavedComparison`] reads it back.
pub fn saved(kept: &SavedComparison) -> Map<String, Value> {
    let mut object = object(&kept.comparison, &kept.subject, true);
    object.insert("progress".to_owned(), serde_json::to_value(&kept.progress).unwrap_or_default());
    object
}

fn column(column: &Column, curves: bool) -> Value {
    let figures: Map<String, Value> = Figure::ALL
        .into_iter()
        .filter_map(|figure| {
            let name = serde_json::to_value(figure).ok()?.as_str()?.to_owned();
            Some((name, serde_json::to_value(column.spread(figure)).ok()?))
        })
        .collect();
    json!({
        "profile": column.profile,
        "short": column.short,
        "governor": column.governor,
        "guide": column.guide,
        "median": figures,
        "runs": column.runs.iter().map(|run| self::run(run, curves)).collect::<Vec<_>>(),
    })
}

/// The figures of one run.
pub fn run(figures: &RunFigures, curve: bool) -> Value {
    let mut value = serde_json::to_value(figures).unwrap_or_default();
    if let (false, Some(object)) = (curve, value.as_object_mut()) {
        object.remove("curve");
    }
    value
}
