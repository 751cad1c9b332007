//! Reads the pages of the documentation: code blocks, links, headings and tables.
#![allow(dead_code)] // every test file uses its part of this

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

static LINK: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern"));

/// A page.
pub struct Page {
    /// Its file, below the root of the project.
    pub file: PathBuf,
    pub text: String,
}

/// A fenced block of code.
pub struct Block {
    /// `FILE:LINE` of its first line.
    pub at: String,
    /// What stands behind the opening fence, such as `sh` or `yaml profile`.
    pub info: String,
    pub text: String,
}

/// A row of a table.
#[derive(Debug, Clone)]
pub struct Row {
    /// What stands in backquotes in each cell.
    pub names: Vec<Vec<String>>,
    /// The cells as they are written.
    pub cells: Vec<String>,
}

/// A table without its heading row, with the heading it stands below.
#[derive(Debug)]
pub struct Table {
    /// The text of the headings above it, the outer one first.
    pub below: Vec<String>,
    /// The cells of the heading row.
    pub head: Vec<String>,
    pub rows: Vec<Row>,
}

impl Table {
    /// Every name in the first column.
    pub fn names(&self) -> BTreeSet<String> {
        self.rows.iter().flat_map(|row| row.names[0].iter().cloned()).collect()
    }

    /// The row that is about this name.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.names[0].iter().any(|one| one == name))
    }
}

/// The root of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A page by its name.
pub fn page(name: &str) -> Page {
    let text = fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    Page { file: name.into(), text }
}

/// The README and all pages in `docs/`.
pub fn pages() -> Vec<Page> {
    let folder = fs::read_dir(root().join("docs")).expect("docs/ is there");
    let mut names: Vec<String> = folder.map(|entry| entry.expect("read").file_name().into_string().expect("UTF-8")).collect();
    names.retain(|name| Path::new(name).extension().is_some_and(|ending| ending == "md"));
    names.sort();
    let docs = names.into_iter().map(|name| page(&format!("docs/{name}")));
    std::iter::once(page("README.md")).chain(docs).collect()
}

impl Page {
    /// The lines outside of code blocks, with their numbers from 1.
    pub fn prose(&self) -> Vec<(usize, &str)> {
        let mut is_code = false;
        let numbered = (1..).zip(self.text.lines());
        let outside = |(_, line): &(usize, &str)| {
            let is_fence = line.starts_with("```");
            is_code ^= is_fence;
            !is_code && !is_fence
        };
        numbered.filter(outside).collect()
    }

    /// The code blocks.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut is_code = false;
        for (number, line) in (1..).zip(self.text.lines()) {
            if let Some(info) = line.strip_prefix("```") {
                is_code = !is_code;
                if is_code {
                    let at = format!("{}:{}", self.file.display(), number + 1);
                    blocks.push(Block { at, info: info.to_owned(), text: String::new() });
                }
            } else if let Some(block) = blocks.last_mut().filter(|_| is_code) {
                block.text.push_str(line);
                block.text.push('\n');
            }
        }
        assert!(!is_code, "{}: a code block has no end", self.file.display());
        blocks
    }

    /// The tables.
    pub fn tables(&self) -> Vec<Table> {
        let mut below: Vec<String> = Vec::new();
        let mut tables: Vec<Table> = Vec::new();
        let mut last = 0;
        for (number, line) in self.prose() {
            if let Some(title) = line.strip_prefix('#') {
                let level = 1 + title.chars().take_while(|c| *c == '#').count();
                below.truncate(level - 1);
                below.push(title.trim_start_matches('#').trim().replace('`', ""));
            } else if line.starts_with('|') {
                let is_next = !tables.is_empty() && last + 1 == number;
                last = number;
                let cells = cells(line);
                if !is_next {
                    tables.push(Table { below: below.clone(), head: cells, rows: Vec::new() });
                } else if !line.starts_with("| ---") {
                    let names = cells.iter().map(|cell| quoted(cell)).collect();
                    tables.last_mut().expect("a table").rows.push(Row { names, cells });
                }
            }
        }
        tables
    }

    /// The tables below the heading of this text.
    pub fn tables_below(&self, heading: &str) -> Vec<Table> {
        let below = |table: &Table| table.below.iter().any(|title| title == heading);
        self.tables().into_iter().filter(below).collect()
    }

    /// The names that links use for its headings, as GitHub makes them.
    pub fn anchors(&self) -> BTreeSet<String> {
        let titles = self.prose().into_iter().filter(|(_, line)| line.starts_with('#'));
        titles.map(|(_, line)| anchor(line.trim_start_matches('#').trim())).collect()
    }

    /// What is wrong with its links within the project: each must lead to a file, and to a heading where it names one.
    pub fn broken_links(&self) -> Vec<String> {
        let folder = self.file.parent().unwrap_or(Path::new(""));
        let mut broken = Vec::new();
        for (number, line) in self.prose() {
            for found in LINK.captures_iter(line) {
                let to = &found[1];
                if to.contains("://") {
                    continue;
                }
                let (file, heading) = to.split_once('#').unwrap_or((to, ""));
                let file = if file.is_empty() { self.file.clone() } else { folder.join(file) };
                let text = fs::read(root().join(&file)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                let is_there = match text {
                    _ if file == self.file => heading.is_empty() || self.anchors().contains(heading),
                    Some(text) => heading.is_empty() || Page { file, text }.anchors().contains(heading),
                    None => false,
                };
                if !is_there {
                    broken.push(format!("{}:{number}: {to}", self.file.display()));
                }
            }
        }
        broken
    }
}

/// The cells of a table's line. A bar in a cell is written as `\|`.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim().trim_start_matches('|').trim_end_matches('|').replace("\\|", "\u{1}");
    line.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
}

/// What stands in backquotes.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn anchor(title: &str) -> String {
    let kept = title.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
