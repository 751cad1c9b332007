//! The floor plan of ARCHITECTURE.md, enforced: a file may use only what stands on its own floor's list, and no two modules use
//! each other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each floor, and the paths below `crate::` that it may use besides itself. `None` = all.
const FLOORS: &[(&str, Option<&[&str]>)] = &[
    ("domain", Some(&[])),
    ("engine", Some(&["domain"])),
    ("config", Some(&["domain"])),
    ("host", Some(&["domain", "engine"])),
    ("sim", Some(&["domain", "engine"])),
    ("runtime", Some(&["domain", "engine"])),
    ("wire", Some(&["domain", "runtime::link"])),
    ("tui", Some(&["domain", "runtime::link"])),
    ("headless", Some(&["domain", "runtime::link"])),
    ("cli", None),
    ("main", None),
    ("lib", None),
];

/// Crates that the domain floor may name in a `use`.
const DOMAIN_CRATES: &[&str] = &["std", "core", "alloc", "serde", "jiff", "crate", "super", "self"];

/// A use that the plan does not allow.
#[derive(Debug, PartialEq, Eq)]
struct Breach {
    file: String,
    line: usize,
    uses: String,
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("src is readable") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Every path below the crate root that the text names, with its line: `crate::a::b`, `crate::{a::b, c}` and chains of
/// `super` that climb out of the floor.
fn named_paths(text: &str, depth: usize) -> Vec<(usize, String)> {
    let code: String = text.lines().map(|line| line.split("//").next().unwrap_or("").to_owned() + "\n").collect();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let preceded = code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$');
        if !preceded {
            found.extend(heads(&code[at + "crate::".len()..]).into_iter().map(|path| (line_of(&code, at), path)));
        }
    }
    let climb = "super::".repeat(depth);
    for (at, _) in code.match_indices(&climb) {
        let rest = code[at + climb.len()..].trim_start_matches("super::");
        found.extend(heads(rest).into_iter().map(|path| (line_of(&code, at), path)));
    }
    found
}

fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

/// The paths that begin here: one, or each of a group in braces.
fn heads(rest: &str) -> Vec<String> {
    let Some(group) = rest.strip_prefix('{') else {
        return vec![path_at(rest)];
    };
    let mut depth = 0_usize;
    let mut paths = Vec::new();
    let mut begin = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                paths.push(path_at(group[begin..at].trim()));
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                paths.push(path_at(group[begin..at].trim()));
                begin = at + 1;
            }
            _ => {}
        }
    }
    paths.retain(|path| !path.is_empty());
    paths
}

fn path_at(text: &str) -> String {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    text[..end].trim_end_matches(':').to_owned()
}

/// What the plan does not allow in one file, named by its path below `src`.
fn breaches(name: &str, text: &str) -> Vec<Breach> {
    let below_src: Vec<&str> = name.split('/').collect();
    let floor = below_src[0].trim_end_matches(".rs");
    let (_, allowed) =
        FLOORS.iter().find(|(known, _)| *known == floor).unwrap_or_else(|| panic!("{name} stands on no floor of the plan"));
    let breach = |line, uses: String| Breach { file: name.to_owned(), line, uses };
    let mut found = Vec::new();
    if let Some(allowed) = allowed {
        let is_mod = below_src.last() == Some(&"mod.rs");
        let depth = below_src.len() - usize::from(is_mod);
        for (line, path) in named_paths(text, depth) {
            let is_own = path == floor || path.starts_with(&format!("{floor}::"));
            let is_listed = allowed.iter().any(|entry| path == *entry || path.starts_with(&format!("{entry}::")));
            // A macro or a name re-exported at the root is nobody's floor.
            let is_floor = FLOORS.iter().any(|(known, _)| path.split("::").next() == Some(known));
            if is_floor && !is_own && !is_listed {
                found.push(breach(line, path));
            }
        }
    }
    if floor == "domain" {
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_start().trim_start_matches("pub ");
            if let Some(path) = line.strip_prefix("use ") {
                let head = path.trim_start_matches("::").split([':', ';', ' ']).next().unwrap_or("");
                // A module of the same file or floor begins with a lower-case name that is no crate only after `super`.
                if !DOMAIN_CRATES.contains(&head) {
                    found.push(breach(index + 1, path.to_owned()));
                }
            }
        }
    }
    found
}

#[test]
fn every_file_uses_only_what_its_floor_may_use() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 20, "the sources were found");
    let found: Vec<Breach> = files
        .iter()
        .flat_map(|file| {
            let name = file.strip_prefix(&src).expect("below src").to_string_lossy().replace('\\', "/");
            breaches(&name, &fs::read_to_string(file).expect("readable"))
        })
        .collect();
    assert!(found.is_empty(), "the floor plan does not allow:\n{found:#?}");
}

#[test]
fn a_planted_breach_is_caught_on_every_floor() {
    for (name, text) in [
        ("domain/job.rs", "use crate::engine::Engine;"),
        ("domain/job.rs", "use tokio::sync::mpsc;"),
        ("domain/job.rs", "use serde_json::Value;"),
        ("engine/mod.rs", "fn f() { crate::host::store::open(); }"),
        ("config/profile.rs", "use crate::{domain::units::Bytes, engine::Engine};"),
        ("host/store.rs", "use crate::sim::Sim;"),
        ("host/store.rs", "use super::super::runtime::hub::Hub;"),
        ("sim/world.rs", "use crate::host::sampler;"),
        ("runtime/driver.rs", "use crate::{\n    domain::state::State,\n    host::{cgroup, budget},\n};"),
        ("tui/app.rs", "use crate::engine::Engine;"),
        ("tui/view/queue.rs", "use crate::runtime::driver::Driver;"),
        ("headless/mod.rs", "use crate::tui::terminal::theme;"),
    ] {
        assert_eq!(breaches(name, text).len(), 1, "{name}: {text}");
    }
}

#[test]
fn what_the_plan_allows_is_not_called_a_breach() {
    for (name, text) in [
        ("domain/job.rs", "use serde::{Deserialize, Serialize};\nuse super::units::Bytes;\nuse std::time::Duration;"),
        ("engine/mod.rs", "use crate::domain::state::State;\nuse crate::engine::port::Effect;"),
        ("tui/app.rs", "use crate::runtime::link::{Link, Update};\n// crate::engine is not for us"),
        ("tui/view/queue.rs", "use super::super::theme::Theme;\nuse crate::domain::{job::Job, units::Bytes};"),
        ("cli/commands/run.rs", "use crate::host::RealHost;\nuse crate::tui::terminal::event_loop;"),
    ] {
        assert_eq!(breaches(name, text), [], "{name}: {text}");
    }
}

/// The sources, by their module.
fn texts() -> BTreeMap<String, String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    files
        .into_iter()
        .filter_map(|file| {
            let name = file.strip_prefix(&src).expect("below src").to_string_lossy().replace('\\', "/");
            Some((crate::modules::module_of(&name)?, fs::read_to_string(file).expect("readable")))
        })
        .collect()
}

#[test]
fn a_file_of_more_than_500_lines_says_in_its_first_lines_why() {
    let is_tests = |module: &str| module.split("::").any(|part| part == "tests" || part.ends_with("_tests"));
    let says_why =
        |text: &str| text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains("The file is long"));
    let is_long = |text: &str| text.split("\nmod tests {").next().is_some_and(|code| code.lines().count() > 500);
    let long = texts().into_iter().filter(|(module, text)| !is_tests(module) && is_long(text) && !says_why(text));
    let long: Vec<String> = long.map(|(module, _)| module).collect();
    assert!(long.is_empty(), "to be split, or to say \"The file is long because ...\": {}", long.join(", "));
}

#[test]
fn no_two_modules_use_each_other() {
    let texts = texts();
    assert!(texts.len() > 100, "the sources were found");
    let uses = crate::modules::uses(&texts);
    let knots = crate::modules::cycles(&uses);
    // How they are tied, for whoever is to untie them.
    let ties: Vec<String> = knots
        .iter()
        .flat_map(|knot| {
            knot.iter().flat_map(|from| uses[from].iter().filter(|to| knot.contains(*to)).map(move |to| format!("{from} -> {to}")))
        })
        .collect();
    assert!(knots.is_empty(), "{} knots:\n{}", knots.len(), ties.join("\n"));
}

#[test]
fn a_planted_cycle_is_found_however_it_is_written() {
    let texts = texts();
    let clean = crate::modules::cycles(&crate::modules::uses(&texts));
    let knots = |planted: &[(&str, &str)]| {
        let mut texts = texts.clone();
        for (module, line) in planted {
            texts.get_mut(*module).unwrap_or_else(|| panic!("{module} is gone")).insert_str(0, &format!("{line}\n"));
        }
        crate::modules::cycles(&crate::modules::uses(&texts)).into_iter().filter(|knot| !clean.contains(knot)).count()
    };
    for planted in [
        ("domain::units", "use super::job::JobId;"),
        ("domain::units", "use crate::domain::job::JobId;"),
        ("domain::units", "use crate::{domain::{time::Mono, job::{Job, JobId}}};"),
        ("domain::units", "fn planted() -> super::job::JobId { super::job::JobId(1) }"),
        ("host::memory::procfs", "use crate::host::memory::sampler::SampleSource;"),
    ] {
        assert_eq!(knots(&[planted]), 1, "{planted:?}");
    }
    assert_eq!(knots(&[("domain::units", "// use super::job::JobId;")]), 0, "a comment uses nothing");
    assert_eq!(knots(&[("domain::units", "#[cfg(test)]\nmod tests { use crate::domain::job::JobId; }")]), 0, "tests may");
    assert_eq!(knots(&[("host::store::error", "use super::Store;")]), 0, "a part may use the whole");
}
