//! A queue file: what to run, one after the other, each with a preset of its own where it names one.
//!
//! Three forms are understood: a list below `jobs:` (or `inputs:`), or the list alone. Each item is a path, or a mapping of
//! `input:` and `preset:`. What is wrong with an item is told by its line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_yaml::Value;

use super::de::texts;
use super::read::{NAME_RULE, PATH_RULE, Reader, check_name, path};
use super::search::{self, SearchError, SearchPaths};
use super::yaml::{ConfigError, Document, MAX_QUEUE_FILE, join, read_text};
use crate::domain::preset::Preset;
use crate::domain::text::{error_words, path_text};

/// One line of a queue file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEntry {
    /// A file or a folder; relative ones have been joined to the queue file's folder.
    pub input: PathBuf,
    /// The preset's name; `None` = the run's.
    pub preset: Option<String>,
    /// Line and column of the input in the file.
    pub at: (usize, usize),
}

/// Reads the queue file at `file`, at most [`MAX_QUEUE_FILE`]: the entries that are right, and every mistake, so that whoever
/// looks whether the inputs are there can tell all that is wrong at once.
pub fn load(file: &Path) -> (Vec<QueueEntry>, Vec<ConfigError>) {
    match read_text(file, MAX_QUEUE_FILE) {
        Ok(text) => examine(file, &text),
        Err(error) => (Vec::new(), vec![error]),
    }
}

/// A file called like this is a queue file where it is named to be queued.
pub fn is_queue_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// Reads a queue file whose jobs can be queued as they stand: each input is there, and so is each preset.
///
/// # Errors
/// All that is wrong with it, each with its place in the file, in the order of the file. Of a preset that is not among these because its
/// file, found by `paths`, is wrong, that is told.
pub fn load_ready(file: &Path, presets: &BTreeMap<String, Preset>, paths: &SearchPaths) -> Result<Vec<QueueEntry>, Vec<String>> {
    let (entries, wrong) = load(file);
    let mut told: Vec<_> = wrong.iter().map(|mistake| ((mistake.line, mistake.column), mistake.to_string())).collect();
    for entry in &entries {
        let at = format!("{}:{}:{}", path_text(file), entry.at.0, entry.at.1);
        if let Some(preset) = entry.preset.as_ref().filter(|preset| !presets.contains_key(*preset)) {
            let why = if let Err(SearchError::Broken(mistakes)) = search::find::<Preset>(paths, preset) {
                let mistakes: Vec<String> = mistakes.iter().map(ConfigError::to_string).collect();
                format!("preset `{preset}` is wrong: {}", mistakes.join("; "))
            } else {
                let known: Vec<&str> = presets.keys().map(String::as_str).collect();
                format!("there is no preset `{preset}`; there are {}", known.join(", "))
            };
            told.push((entry.at, format!("{at}: {why}")));
        }
        if let Err(error) = std::fs::metadata(&entry.input) {
            let input = path_text(&entry.input);
            let why = error_words(&error);
            told.push((entry.at, format!("{at}: {input}: {why}; correct the path or take the line out")));
        }
    }
    told.sort_by_key(|(at, _)| *at);
    if told.is_empty() { Ok(entries) } else { Err(told.into_iter().map(|(_, text)| text).collect()) }
}

/// Reads a queue file; an empty list of jobs is no mistake.
///
/// # Errors
/// Every mistake of the file, in its order; only the first where it is no YAML or was refused by the guard.
pub fn parse(file: &Path, text: &str) -> Result<Vec<QueueEntry>, Vec<ConfigError>> {
    let (entries, mistakes) = examine(file, text);
    if mistakes.is_empty() { Ok(entries) } else { Err(mistakes) }
}

fn examine(file: &Path, text: &str) -> (Vec<QueueEntry>, Vec<ConfigError>) {
    let document = match Document::read(file, text) {
        Ok(document) => document,
        Err(error) => return (Vec::new(), vec![error]),
    };
    let mut reader = Reader::new(&document);
    let folder = file.parent().unwrap_or(Path::new(""));
    let read = match document.root() {
        // The list alone, without a name.
        Value::Sequence(items) => Some(entries(&mut reader, "", items, folder)),
        _ => reader.root().and_then(|lists| named_list(&mut reader, &lists, folder)),
    };
    (read.unwrap_or_default(), reader.mistakes())
}

/// The names that the list may have: both mean the same.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Lists {
    jobs: Option<IgnoredAny>,
    inputs: Option<IgnoredAny>,
}

/// An item that is a mapping.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    #[serde(deserialize_with = "input")]
    input: Option<PathBuf>,
    #[serde(deserialize_with = "preset")]
    preset: Option<String>,
}

texts! {
    input: PathBuf = PATH_RULE, path;
    preset: String = NAME_RULE, check_name;
}

const FORM: &str = "a list of paths, or of {input: PATH, preset: NAME}";

/// The items below `jobs:` or `inputs:`.
fn named_list(reader: &mut Reader<'_>, lists: &Lists, folder: &Path) -> Option<Vec<QueueEntry>> {
    let list = match (lists.jobs, lists.inputs) {
        (Some(_), Some(_)) => {
            reader.wrong_key("inputs", "means the same as jobs, which is there too", "one list, jobs or inputs");
            return None;
        }
        (None, Some(_)) => "inputs",
        _ => "jobs",
    };
    reader.require(list, FORM);
    let Value::Sequence(items) = reader.raw(list)? else {
        reader.wrong(list, "is not a list", FORM);
        return None;
    };
    Some(entries(reader, list, items, folder))
}

fn entries<'d>(reader: &mut Reader<'d>, list: &str, items: &'d [Value], folder: &Path) -> Vec<QueueEntry> {
    let mut entries = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let mut field = format!("{list}[{index}]");
        let Item { input, preset } = if item.is_mapping() {
            let read = reader.value(&field, item).unwrap_or_default();
            field = join(&field, "input");
            reader.require(&field, PATH_RULE);
            read
        } else {
            Item { input: reader.text(&field, item, FORM, path), preset: None }
        };
        let at = reader.place(&field).value;
        entries.extend(input.map(|input| QueueEntry { input: folder.join(input), preset, at }));
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_from_the_folder_of_the_queue_file() {
        let text = "jobs:\n  - a.mp4\n  - /b/c.mp4\n  - { input: sub/d.mp4, preset: proxy-480p }\n  - input: \"line\\nbreak.mp4\"\n  - 2024\n";
        let entry =
            |input: &str, preset: Option<&str>, at| QueueEntry { input: input.into(), preset: preset.map(str::to_owned), at };
        let expected = [
            entry("/q/a.mp4", None, (2, 5)),
            entry("/b/c.mp4", None, (3, 5)),
            entry("/q/sub/d.mp4", Some("proxy-480p"), (4, 14)),
            entry("/q/line\nbreak.mp4", None, (5, 12)),
            entry("/q/2024", None, (6, 5)),
        ];
        assert_eq!(parse(Path::new("/q/night.yaml"), text).expect("valid"), expected);
        assert_eq!(parse(Path::new("night.yaml"), "jobs: [a.mp4]").expect("valid"), [entry("a.mp4", None, (1, 8))]);
        assert_eq!(parse(Path::new("night.yaml"), "jobs: []"), Ok(Vec::new()));
    }

    #[test]
    fn the_list_may_be_called_inputs_or_stand_alone() {
        let read = |text: &str| {
            parse(Path::new("q.yaml"), text).map(|entries| {
                entries.into_iter().map(|entry| (entry.input.display().to_string(), entry.preset, entry.at.0)).collect::<Vec<_>>()
            })
        };
        let wanted =
            |first| Ok(vec![("a.mp4".to_owned(), None, first), ("b.mp4".to_owned(), Some("web-720p".to_owned()), first + 1)]);
        let items = "- a.mp4\n- { input: b.mp4, preset: web-720p }\n";
        assert_eq!(read(items), wanted(1));
        assert_eq!(read(&format!("jobs:\n{items}")), wanted(2));
        assert_eq!(read(&format!("inputs:\n{items}")), wanted(2));
        assert_eq!(read("- input: b.mp4\n"), Ok(vec![("b.mp4".to_owned(), None, 1)]));
        let both = read("inputs: [a]\njobs: [b]\n").expect_err("two lists");
        assert_eq!(
            super::super::search::lines(&both),
            "q.yaml:1:1: inputs: means the same as jobs, which is there too; allowed: one list, jobs or inputs"
        );
        let odd = read("- a\n- { inptu: b }\n").expect_err("a misspelt key");
        assert_eq!(
            super::super::search::lines(&odd),
            "q.yaml:2:5: [1].inptu: unknown key; did you mean `input`?; allowed: input, preset"
        );
    }

    #[test]
    fn each_mistake_is_told_with_its_place_its_field_and_what_is_allowed() {
        for (text, message) in [
            (
                "files: [a]",
                "1:1: jobs: is missing; allowed: a list of paths, or of {input: PATH, preset: NAME}\nq.yaml:1:1: files: unknown key; allowed: jobs, inputs",
            ),
            ("jobs: a.mp4", "1:7: jobs: is not a list; allowed: a list of paths, or of {input: PATH, preset: NAME}"),
            (
                "jobs:\n - a\n -\n",
                "3:3: jobs[1]: an empty value is not allowed here; allowed: a list of paths, or of {input: PATH, preset: NAME}",
            ),
            ("jobs:\n - { inptu: a }\n", "2:6: jobs[0].inptu: unknown key; did you mean `input`?; allowed: input, preset"),
            (
                "jobs: [{ input: a, preset: A/B }]",
                "1:28: jobs[0].preset: `A/B` is not a name; allowed: 1 to 32 of a-z, 0-9, `.`, `_` and `-`, starting with a letter or digit, not ending in .yaml",
            ),
            ("jobs: [\"a\\0b\"]", "1:8: jobs[0]: holds a NUL; allowed: a list of paths, or of {input: PATH, preset: NAME}"),
        ] {
            let mut told = parse(Path::new("q.yaml"), text).expect_err(text);
            told.sort_by_key(|mistake| (mistake.line, mistake.column, mistake.problem.contains("unknown")));
            assert_eq!(super::super::search::lines(&told), format!("q.yaml:{message}"));
        }
    }

    #[test]
    fn all_that_keeps_a_job_from_being_queued_is_told_at_once_and_a_wrong_preset_is_not_called_missing() {
        let folder = tempfile::tempdir().expect("tempdir");
        let work = folder.path();
        std::fs::create_dir(work.join("presets")).expect("made");
        std::fs::write(work.join("presets/mine.yaml"), "name: mine\ncontainer: mp4\nthreads: none\n").expect("written");
        std::fs::write(work.join("a.mp4"), "").expect("written");
        let text = "- { input: a.mp4, preset: mine }\n- { input: b.mp4, preset: other }\n";
        std::fs::write(work.join("q.yaml"), text).expect("written");
        let paths = SearchPaths { work_dir: Some(work.to_owned()), ..SearchPaths::default() };
        let told = load_ready(&work.join("q.yaml"), &BTreeMap::new(), &paths).expect_err("nothing can be queued");
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(
            told[0].contains("q.yaml:1:12: preset `mine` is wrong: ") && told[0].contains("mine.yaml:3:10: threads"),
            "{told:?}"
        );
        assert!(told[1].contains("q.yaml:2:12: there is no preset `other`") && told[2].contains("b.mp4: no such file"), "{told:?}");
    }

    #[test]
    fn ten_thousand_jobs_fit_into_a_queue_file() {
        let folder = tempfile::tempdir().expect("tempdir");
        let file = folder.path().join("q.yaml");
        let text: String =
            std::iter::once("jobs:\n".to_owned()).chain((0..10_000).map(|n| format!("  - clips/{n}.mp4\n"))).collect();
        std::fs::write(&file, text).expect("written");
        let (entries, mistakes) = load(&file);
        assert_eq!(mistakes, []);
        assert_eq!((entries.len(), &entries[9_999].input), (10_000, &folder.path().join("clips/9999.mp4")));
    }
}
