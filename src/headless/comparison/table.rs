//! The table on the terminal: rows are figures, at most three columns side by side, so that 80 columns do.

use std::fmt::Write as _;

use super::{cell, rows};
use crate::domain::comparison::{Column, Comparison, Subject};
use crate::domain::text::many;

const LABEL: usize = 16;
const CELL: usize = 21;
const SIDE_BY_SIDE: usize = 3;
/// Widths of the guide's part: `reliability`, `Very High`.
const ASPECT: usize = 11;
const WORD: usize = 9;

/// The comparison as text.
pub fn render(comparison: &Comparison, subject: &Subject) -> String {
    let mut out = String::new();
    let rounds = match comparison.rounds {
        1 => "1 run each".to_owned(),
        rounds => format!("{rounds} runs each, median (least-most)"),
    };
    let _ = writeln!(out, "plimsoll compare: {}, preset {}, {rounds}", many(subject.inputs, "input"), subject.preset);
    for place in comparison.place() {
        let _ = writeln!(out, "{place}");
    }
    let shown = rows(&comparison.columns);
    let (governed, naive): (Vec<&Column>, Vec<&Column>) = comparison.columns.iter().partition(|column| column.governor);
    for block in governed.chunks(SIDE_BY_SIDE).chain(naive.chunks(SIDE_BY_SIDE)) {
        out.push('\n');
        line(&mut out, "", block.iter().map(|column| format!("{} {}", column.name(), column.short)));
        for figure in &shown {
            line(&mut out, figure.label(), block.iter().map(|column| cell(column, *figure)));
        }
    }
    let verdicts = comparison.verdicts();
    let mut of = "";
    for verdict in &verdicts {
        if of != verdict.profile {
            of = &verdict.profile;
            let _ = writeln!(out, "\nthe table says of {of}");
        }
        let word = if verdict.word.is_empty() { "-" } else { &verdict.word };
        let (aspect, words) = (verdict.aspect.label(), verdict.label());
        let _ = writeln!(out, "  {aspect:ASPECT$}  {word:WORD$}  {words}: {}", verdict.measured);
    }
    let _ = writeln!(out, "\n{}", comparison.same_bytes_line());
    for remark in comparison.remarks() {
        let _ = writeln!(out, "{remark}");
    }
    out
}

fn line(out: &mut String, label: &str, cells: impl Iterator<Item = String>) {
    let mut text = format!("{label:LABEL$}");
    for cell in cells {
        let _ = write!(text, "{cell:>CELL$}");
    }
    let _ = writeln!(out, "{}", text.trim_end());
}
