//! A queue file: what to run, one after the other, each with a preset of its own where it names one.
//!
//! Does not look whether the inputs are there; that is told for each of them when it is queued.

use std::path::{Path, PathBuf};

use serde_yaml::Value;

use super::read::{NAME_RULE, Reader, Section, check_name};
use super::settings::path;
use super::yaml::{ConfigError, Document, MAX_QUEUE_FILE, read_text};

/// One line of a queue file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEntry {
    /// A file or a folder; relative ones have been joined to the queue file's folder.
    pub input: PathBuf,
    /// The preset's name; `None` = the run's.
    pub preset: Option<String>,
}

/// Reads the queue file at `file`, at most [`MAX_QUEUE_FILE`].
///
/// # Errors
/// It cannot be read, or every mistake in it.
pub fn load(file: &Path) -> Result<Vec<QueueEntry>, Vec<ConfigError>> {
    parse(file, &read_text(file, MAX_QUEUE_FILE).map_err(|error| vec![error])?)
}

/// Reads a queue file; an empty list of jobs is no mistake.
///
/// # Errors
/// Every mistake of the file, in its order; only the first where it is no YAML or was refused by the guard.
pub fn parse(file: &Path, text: &str) -> Result<Vec<QueueEntry>, Vec<ConfigError>> {
    let document = Document::read(file, text).map_err(|error| vec![error])?;
    let mut reader = Reader::new(&document);
    let folder = file.parent().unwrap_or(Path::new(""));
    let read = reader.document(&["jobs"]).and_then(|root| entries(&mut reader, &root, folder));
    reader.finish(read)
}

fn entries<'d>(reader: &mut Reader<'d>, root: &Section<'d>, folder: &Path) -> Option<Vec<QueueEntry>> {
    const FORM: &str = "a list of paths, or of {input: PATH, preset: NAME}";
    const INPUT: &str = "a path written in full, or relative to the folder of this file";
    reader.require(root, "jobs", FORM);
    let Value::Sequence(items) = reader.raw(root, "jobs")? else {
        reader.wrong("jobs", "is not a list", FORM);
        return None;
    };
    let input = |text: &str| path(text).map(|path| folder.join(path));
    let mut entries = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let at = format!("jobs[{index}]");
        if !item.is_mapping() {
            entries.extend(reader.parsed_at(&at, item, FORM, input).map(|input| QueueEntry { input, preset: None }));
            continue;
        }
        let Some(entry) = reader.item("jobs", index, item, &["input", "preset"]) else { continue };
        reader.require(&entry, "input", INPUT);
        let preset = reader.parsed(&entry, "preset", NAME_RULE, check_name);
        entries.extend(reader.parsed(&entry, "input", INPUT, input).map(|input| QueueEntry { input, preset }));
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_from_the_folder_of_the_queue_file() {
        let text = "jobs:\n  - a.mp4\n  - /b/c.mp4\n  - { input: sub/d.mp4, preset: proxy-480p }\n  - input: \"line\\nbreak.mp4\"\n  - 2024\n";
        let entry = |input: &str, preset: Option<&str>| QueueEntry { input: input.into(), preset: preset.map(str::to_owned) };
        let expected = [
            entry("/q/a.mp4", None),
            entry("/b/c.mp4", None),
            entry("/q/sub/d.mp4", Some("proxy-480p")),
            entry("/q/line\nbreak.mp4", None),
            entry("/q/2024", None),
        ];
        assert_eq!(parse(Path::new("/q/night.yaml"), text).expect("valid"), expected);
        assert_eq!(parse(Path::new("night.yaml"), "jobs: [a.mp4]").expect("valid"), [entry("a.mp4", None)]);
        assert_eq!(parse(Path::new("night.yaml"), "jobs: []"), Ok(Vec::new()));
    }

    #[test]
    fn each_mistake_is_told_with_its_place_its_field_and_what_is_allowed() {
        for (text, message) in [
            (
                "files: [a]",
                "1:1: jobs: is missing; allowed: a list of paths, or of {input: PATH, preset: NAME}\nq.yaml:1:1: files: unknown key; allowed: jobs",
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
    fn ten_thousand_jobs_fit_into_a_queue_file() {
        let folder = tempfile::tempdir().expect("tempdir");
        let file = folder.path().join("q.yaml");
        let text: String =
            std::iter::once("jobs:\n".to_owned()).chain((0..10_000).map(|n| format!("  - clips/{n}.mp4\n"))).collect();
        std::fs::write(&file, text).expect("written");
        let entries = load(&file).expect("valid");
        assert_eq!((entries.len(), &entries[9_999].input), (10_000, &folder.path().join("clips/9999.mp4")));
    }
}
