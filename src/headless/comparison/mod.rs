//! A comparison as text: a table for terminals, a report in Markdown and JSON, and the memory curves as a picture.
//!
//! Only shows figures; where they come from it does not know.

pub mod chart;
pub mod json;
pub mod markdown;
pub mod table;

use crate::domain::comparison::{Column, Figure};

/// The rows that these columns have something to say in.
fn rows(columns: &[Column]) -> Vec<Figure> {
    let is_seen = |figure: &Figure| columns.iter().any(|column| column.spread(*figure).max > 0.0);
    Figure::ALL.into_iter().filter(|figure| !figure.is_rare() || is_seen(figure)).collect()
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
    format!("{median} {}", spread.apart(|value| figure.text(value)))
}

#[cfg(test)]
mod tests;
