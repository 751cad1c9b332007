//! `report.md`: what a person puts into a pull request.

use std::fmt::Write as _;

use super::{cell, rows};
use crate::domain::comparison::{Comparison, Subject};
use crate::domain::text::many;

/// The report; `picture` is the file of the memory curves beside it.
pub fn render(comparison: &Comparison, subject: &Subject, picture: &str) -> String {
    let mut out = String::from("# Profiles compared\n\n");
    let _ = writeln!(
        out,
        "{}, preset `{}`, {} of the queue under each profile; plimsoll {}, begun {}.\n{}.\n",
        many(subject.inputs, "input"),
        escape(&subject.preset),
        if comparison.rounds == 1 { "1 run".to_owned() } else { format!("{} runs", comparison.rounds) },
        subject.version,
        subject.at,
        escape(&comparison.place().join("; "))
    );
    if comparison.rounds > 1 {
        out.push_str("Each figure is the median, with the least and the most in brackets.\n\n");
    }
    out.push_str("| |");
    for column in &comparison.columns {
        let _ = write!(out, " {} {} |", escape(&column.name()), column.short);
    }
    out.push_str("\n| --- |");
    out.push_str(&" ---: |".repeat(comparison.columns.len()));
    out.push('\n');
    for figure in rows(&comparison.columns) {
        let _ = write!(out, "| {} |", figure.label());
        for column in &comparison.columns {
            let _ = write!(out, " {} |", cell(column, figure));
        }
        out.push('\n');
    }
    let _ = writeln!(out, "\n![Memory over time under each profile, with the load line]({picture})\n");
    out.push_str("## What the trade-off table says, and what was measured\n\n| profile | aspect | the table | | measured |\n");
    out.push_str("| --- | --- | --- | --- | --- |\n");
    for verdict in comparison.verdicts() {
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} |",
            escape(&verdict.profile),
            verdict.aspect.label(),
            escape(&verdict.word),
            verdict.label(),
            escape(&verdict.measured)
        );
    }
    let _ = writeln!(out, "\n## Notes\n\n- {}", escape(&comparison.same_bytes_line()));
    for remark in comparison.remarks() {
        let _ = writeln!(out, "- {}", escape(&remark));
    }
    out.push_str(
        "- peak memory is what the kernel cannot drop; throughput is seconds of media done per second, so that a profile \
         that rejects more does not look quicker\n",
    );
    out
}

/// Names of profiles and files are foreign: nothing in them may be markup.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '|' | '<' | '>' | '`' | '*' | '_' | '[' | ']' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
