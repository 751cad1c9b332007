//! What every front end says of a comparison in the same words: where it was made, how far its figures hold, whether the
//! outputs are the same.

use std::collections::BTreeSet;

use super::{Comparison, Verdict};
use crate::domain::text::many;
use crate::domain::units::Bytes;

/// From this load per processor on a machine is not quiet.
const BUSY: f64 = 0.5;

/// A line and a budget, who said the budget, and the columns whose runs had them.
struct Bounds<'a> {
    line: Bytes,
    budget: Bytes,
    sources: BTreeSet<&'a str>,
    columns: Vec<String>,
}

impl Bounds<'_> {
    /// `line at 630 MB, budget 840 MB: --budget`.
    fn words(&self) -> String {
        let is_of_profiles = self.sources.len() > 1 && self.sources.iter().all(|source| source.starts_with("profile "));
        let source = if is_of_profiles {
            "each profile's own".to_owned()
        } else {
            self.sources.iter().copied().collect::<Vec<_>>().join(", ")
        };
        format!("line at {}, budget {}: {source}", self.line.whole(), self.budget)
    }
}

impl Verdict {
    /// `agrees`, `does not agree`, or that there is nothing to hold it against.
    pub const fn label(&self) -> &'static str {
        match self.agrees {
            Some(true) => "agrees",
            Some(false) => "does not agree",
            None if self.alike => "nothing to tell apart",
            None => "nothing to compare with",
        }
    }
}

impl Comparison {
    /// "same bytes under every profile: yes, …", or which outputs differ.
    pub fn same_bytes_line(&self) -> String {
        let same = self.same_bytes();
        if same.inputs == 0 {
            return "same bytes under every profile: nothing to compare, no input has two outputs".to_owned();
        }
        if same.differing.is_empty() {
            return format!(
                "same bytes under every profile: yes, {} of {}",
                many(same.outputs, "output"),
                many(same.inputs, "input")
            );
        }
        format!("same bytes under every profile: NO, outputs differ for {}", same.differing.join(", "))
    }

    /// What is not as it should be, by [`Comparison::is_well`]; empty = all is well.
    pub fn troubles(&self) -> Vec<String> {
        if self.is_well() {
            return Vec::new();
        }
        let mut troubles = Vec::new();
        let runs = || self.columns.iter().flat_map(|column| &column.runs);
        let lost: Vec<String> = self
            .columns
            .iter()
            .filter(|column| column.governor)
            .map(|column| (column, column.runs.iter().map(|run| run.failed + run.out_of_memory + run.unfinished).sum::<u64>()))
            .filter(|(_, lost)| *lost > 0)
            .map(|(column, lost)| format!("{lost} under {}", column.profile))
            .collect();
        if !lost.is_empty() {
            troubles.push(format!("jobs were lost: {}", lost.join(", ")));
        }
        if runs().any(|run| !run.whole) {
            troubles.push("a run did not go to its end".to_owned());
        }
        if runs().all(|run| run.done == 0) {
            troubles.push("no job was done".to_owned());
        }
        if !self.same_bytes().differing.is_empty() {
            troubles.push("outputs differ".to_owned());
        }
        troubles
    }

    /// What a reader has to know of how the runs were made.
    pub fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if let Some(load) = self.load_before.filter(|load| *load > f64::from(self.cores) * BUSY) {
            remarks.push(format!("the machine had a load of {load:.1} before the first run: times are not those of a quiet one"));
        }
        if let (Some(limit), None) = (self.limit_bytes, &self.limit_refused) {
            remarks.push(format!("each run in a memory cgroup of its own with a limit of {limit}"));
        }
        if let (Some(limit), Some(why)) = (self.limit_bytes, &self.limit_refused) {
            remarks.push(format!("NOT limited to {limit} by the kernel, since no memory cgroup can be made: {why}"));
        }
        let runs = || self.columns.iter().flat_map(|column| &column.runs);
        if runs().any(|run| !run.measured_in_group) {
            remarks.push("peaks are from the runs' own samples: not every run had a memory cgroup to be measured in".to_owned());
        }
        if self.columns.iter().any(|column| !column.governor) {
            remarks.push("naive: slots and sizes only, no line kept, no further tries".to_owned());
        }
        if self.interrupted {
            remarks.push("ended before its end: runs are missing".to_owned());
        }
        for column in &self.columns {
            for trouble in column.runs.iter().filter_map(|run| run.trouble.as_ref()) {
                remarks.push(format!("{}: {trouble}; its figures are of what was seen", column.name()));
            }
        }
        remarks
    }

    /// `2 processors, line at 630 MB, budget 840 MB: --budget`. Where not all had the same line and budget, these stand below, each
    /// with the columns that had them.
    pub fn place(&self) -> Vec<String> {
        let cores = many(self.cores.into(), "processor");
        let mut all: Vec<Bounds<'_>> = Vec::new();
        for column in &self.columns {
            for run in column.runs.iter().filter(|run| run.budget_bytes > Bytes::ZERO) {
                // The place of a run's own group says nothing to anybody.
                let is_limit = self.limit_refused.is_none() && self.limit_bytes == Some(run.budget_bytes);
                let source = if is_limit { "--limit" } else { &run.budget_source };
                let (line, budget) = (run.high_water_bytes, run.budget_bytes);
                let known = all.iter().position(|bounds| (bounds.line, bounds.budget) == (line, budget));
                let at = known.unwrap_or_else(|| {
                    all.push(Bounds { line, budget, sources: BTreeSet::new(), columns: Vec::new() });
                    all.len() - 1
                });
                all[at].sources.insert(source);
                if all[at].columns.last() != Some(&column.name()) {
                    all[at].columns.push(column.name());
                }
            }
        }
        match &all[..] {
            [] => vec![cores],
            [same] => vec![format!("{cores}, {}", same.words())],
            several => {
                let each = several.iter().map(|bounds| format!("{}: {}", bounds.columns.join(", "), bounds.words()));
                std::iter::once(cores).chain(each).collect()
            }
        }
    }
}
