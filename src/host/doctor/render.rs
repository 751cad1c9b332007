//! A report as text of 80 columns, and as JSON. Pure.

use serde_json::{Value, json as object};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr};

use super::{Check, Report, Status};

/// Columns of a line.
const WIDTH: usize = 80;

/// The report as aligned lines of at most 80 columns; with `ascii` no other characters are used.
pub fn text(report: &Report, ascii: bool) -> String {
    let mut out = String::from("Checks\n");
    let names = report.checks.iter().map(|check| check.name.as_str());
    let indent = names.map(UnicodeWidthStr::width).max().unwrap_or(0) + 6;
    for check in &report.checks {
        let lead = format!("  {} {}", symbol(check.status, ascii), check.name);
        hang(&mut out, &lead, &check.value, indent);
        if let Some(advice) = &check.advice {
            hang(&mut out, &" ".repeat(indent), &format!("{} {advice}", if ascii { "->" } else { "→" }), indent);
        }
    }
    if !report.settings.is_empty() {
        out.push_str("\nSettings\n");
        let column = |of: fn(&super::Setting) -> &str| report.settings.iter().map(|s| of(s).width()).max().unwrap_or(0);
        let name_width = column(|setting| &setting.name);
        let value_width = column(|setting| &setting.value).min(32);
        for setting in &report.settings {
            let lead = format!("    {}", setting.name);
            let value = pad(&setting.value, value_width);
            hang(&mut out, &lead, &format!("{value}  {}", setting.origin), name_width + 6);
        }
    }
    out.push('\n');
    out.push_str(&summary(&report.checks));
    out.push('\n');
    if ascii { out.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect() } else { out }
}

/// The report for programs: `{"status","checks":[{"name","status","value","advice"}],"settings":[{"name","value","origin"}]}`.
pub fn json(report: &Report) -> Value {
    object!({ "status": report.worst(), "checks": report.checks, "settings": report.settings })
}

const fn symbol(status: Status, ascii: bool) -> char {
    match (status, ascii) {
        (Status::Ok, false) => '✔',
        (Status::Ok, true) => '+',
        (Status::Warn, false) => '▲',
        (Status::Warn, true) => '^',
        (Status::Fail, false) => '✖',
        (Status::Fail, true) => 'X',
    }
}

fn summary(checks: &[Check]) -> String {
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    let (warnings, failures) = (count(Status::Warn), count(Status::Fail));
    let plural = |n: usize, word: &str| if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") };
    match (failures, warnings) {
        (0, 0) => "Everything is in order.".to_owned(),
        (0, _) => format!("Ready, with {}.", plural(warnings, "warning")),
        _ => format!("Not ready: {}, {}.", plural(failures, "failure"), plural(warnings, "warning")),
    }
}

fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// Appends `lead`, then `text` from column `indent` on, broken between words; a word longer than the line is broken too.
fn hang(out: &mut String, lead: &str, text: &str, indent: usize) {
    let room = WIDTH.saturating_sub(indent).max(20);
    let mut line = pad(lead, indent);
    let mut used = 0;
    let mut flush = |line: &mut String, used: &mut usize| {
        out.push_str(line.trim_end());
        out.push('\n');
        *line = " ".repeat(indent);
        *used = 0;
    };
    for word in text.split_inclusive(' ') {
        if used > 0 && used + word.trim_end().width() > room {
            flush(&mut line, &mut used);
        }
        for c in word.chars() {
            let width = c.width().unwrap_or(0);
            if used + width > room {
                if c == ' ' {
                    continue;
                }
                flush(&mut line, &mut used);
            }
            line.push(c);
            used += width;
        }
    }
    flush(&mut line, &mut used);
}
