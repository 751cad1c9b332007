//! The table of threads in ARCHITECTURE.md names every thread that `src/` starts under a name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The text before the name of a thread: where one is started by hand, and the functions that start one.
const BEFORE: [&str; 6] = [".name(\"", ".name(format!(\"", "thread(\"", "thread_with(runtime, \"", "Lane::new(\"", "aside(\""];
/// What takes a thread's name from somebody else; these are in [`BEFORE`].
const HELPERS: [&str; 3] = ["cli/session.rs", "host/process/lane.rs", "runtime/lookup.rs"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names of the threads that this text starts; of one with a number behind it, what stands before the number.
fn started(text: &str) -> BTreeSet<String> {
    // A module of tests that stands here, not one that is only named here.
    let mut tests = text.match_indices("#[cfg(test)]\nmod ").map(|(at, _)| at);
    let tests = tests.find(|at| text[*at..].lines().nth(1).is_some_and(|line| line.contains('{')));
    let code = &text[..tests.unwrap_or(text.len())];
    // However it is broken into lines.
    let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).map(str::trim).collect();
    let after = BEFORE.iter().flat_map(|before| code.match_indices(before).map(|(at, found)| &code[at + found.len()..]));
    after.filter_map(|rest| rest.split(['"', '{']).next()).map(ToOwned::to_owned).collect()
}

/// The names in the table: those of its first column, and those in the text that stand like `this`.
fn told(architecture: &str) -> BTreeSet<String> {
    let (_, table) = architecture.split_once("\n## Threads\n").expect("there are threads");
    let table = table.split("\n## ").next().unwrap_or_default();
    let mut names = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| ")) {
        names.extend(row.split('|').nth(1).unwrap_or_default().split(',').map(|name| name.trim().to_owned()));
        names.extend(row.split('`').skip(1).step_by(2).map(ToOwned::to_owned));
    }
    names.into_iter().map(|name| name.strip_suffix('N').map_or(name.clone(), ToOwned::to_owned)).collect()
}

fn sources() -> BTreeMap<String, String> {
    let src = root().join("src");
    let files = crate::support::files_below(&src).into_iter().filter(|file| file.extension().is_some_and(|ending| ending == "rs"));
    let texts = files.map(|file| {
        let text = std::fs::read_to_string(src.join(&file)).expect("readable");
        (file.to_string_lossy().into_owned(), text)
    });
    texts.filter(|(file, _)| !file.contains("tests")).collect()
}

#[test]
fn the_table_of_threads_names_every_thread() {
    let architecture = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("readable");
    let told = told(&architecture);
    let sources = sources();
    let lacking: Vec<String> = sources
        .iter()
        .flat_map(|(file, text)| started(text).into_iter().map(move |name| (file, name)))
        .filter(|(_, name)| !told.contains(name))
        .map(|(file, name)| format!("{name} ({file})"))
        .collect();
    assert!(lacking.is_empty(), "threads without a row in ARCHITECTURE.md: {}", lacking.join(", "));
    let helpers: Vec<&String> =
        sources.iter().filter(|(_, text)| text.contains(".name(name.to_owned())")).map(|(file, _)| file).collect();
    assert_eq!(helpers, HELPERS, "what starts a thread for others has to be known here");
}

#[test]
fn names_are_found_however_they_are_given() {
    let text = "#[cfg(test)]\nmod tests;\nBuilder::new()\n    .name(\"one\".to_owned())\nthread(\n    \"two\",\nLane::new(\"three\")\n.name(format!(\"four-{job}\"))\n\
                // thread(\"five\")\nthread_with(runtime, \"six\", work)\n#[cfg(test)]\nmod tests { thread(\"seven\") }";
    assert_eq!(started(text).into_iter().collect::<Vec<_>>(), ["four-", "one", "six", "three", "two"]);
    let table =
        "\n## Threads\n\n| thread | what |\n| --- | --- |\n| one, two | `three` and |\n| four-N | more |\n\n## Next\n| no |";
    assert!(["one", "two", "three", "four-"].iter().all(|name| told(table).contains(*name)) && !told(table).contains("no"));
}
