//! The guard before a YAML file is read, where each of its fields stands, and what a mistake looks like.
//!
//! YAML from elsewhere can abort or stall a process (aliases that multiply, brackets nested by the thousand), so nothing is
//! built from a text before its events have passed the guard. Knows nothing of what the fields mean.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput};
use serde_yaml::Value;

use crate::domain::text::{path_text, sanitise};
use crate::domain::units::{Bytes, KIB, MIB};

/// Most bytes of a profile, a preset or the settings file.
pub const MAX_FILE: Bytes = Bytes(64 * KIB);
/// Most bytes of a queue file.
pub const MAX_QUEUE_FILE: Bytes = Bytes(MIB);
/// Deepest nesting of mappings and lists; the deepest file that has a meaning needs three.
const MAX_DEPTH: usize = 16;
/// Most characters of a foreign value that a message repeats.
const MAX_QUOTED: usize = 60;

/// A mistake in a file: where it is, what is wrong, and what is allowed there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub struct ConfigError {
    /// The file, as it was given.
    pub file: PathBuf,
    /// Line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// Column in characters, from 1; 0 where the whole file is meant.
    pub column: usize,
    /// The field as a path, `memory.low_water` or `extra[1]`; empty where no field is meant.
    pub field: String,
    /// What is wrong, in words.
    pub problem: String,
    /// What would be right.
    pub allowed: String,
}

impl fmt::Display for ConfigError {
    /// One line: `profiles/x.yaml:7:15: memory.low_water: 1.6GB is above high_water (1.5GB); allowed: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&path_text(&self.file))?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        f.write_str(": ")?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{}; allowed: {}", self.problem, self.allowed)
    }
}

/// Where a field stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Line and column of its key; of the value where it has none (a list's item, the whole document).
    pub key: (usize, usize),
    /// Line and column of its value.
    pub value: (usize, usize),
    /// The value as it is written, without quotes; `None` for a mapping or a list.
    pub text: Option<String>,
}

/// A file that has passed the guard.
#[derive(Debug, Clone)]
pub struct Document {
    file: PathBuf,
    root: Value,
    places: BTreeMap<String, Place>,
}

impl Document {
    /// Guards and reads `text`, the content of `file`. The limit on the size is [`read_text`]'s work.
    ///
    /// # Errors
    /// The first thing that is no YAML or that the guard refuses: control characters, anchors, aliases, tags, several
    /// documents, duplicate keys, keys that are no words, nesting over 16.
    pub fn read(file: &Path, text: &str) -> Result<Self, ConfigError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        refuse_control_characters(file, text)?;
        let places = Guard::run(file, text)?;
        let root = serde_yaml::from_str(text).map_err(|error| {
            let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
            not_yaml(file, (line, column), &error.to_string())
        })?;
        Ok(Self { file: file.to_owned(), root, places })
    }

    /// The whole document; null for an empty file.
    pub fn root(&self) -> &Value {
        &self.root
    }

    /// The file it came from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Where `field` stands; its nearest ancestor's place where it has none of its own.
    pub fn place(&self, field: &str) -> Place {
        let mut path = field;
        loop {
            if let Some(place) = self.places.get(path) {
                return place.clone();
            }
            match path.rfind(['.', '[']) {
                Some(cut) => path = &path[..cut],
                None if path.is_empty() => return Place { key: (1, 1), value: (1, 1), text: None },
                None => path = "",
            }
        }
    }

    /// Is the field there, whatever its value?
    pub fn has(&self, field: &str) -> bool {
        self.places.contains_key(field)
    }

    /// The value of `field` as it is written in the file, without quotes.
    pub fn written(&self, field: &str) -> Option<&str> {
        self.places.get(field).and_then(|place| place.text.as_deref())
    }
}

/// A foreign value as a message repeats it: safe to show, and short.
pub fn quoted(text: &str) -> String {
    let safe = sanitise(text.as_bytes());
    if safe.chars().count() <= MAX_QUOTED {
        return safe;
    }
    let cut: String = safe.chars().take(MAX_QUOTED).collect();
    format!("{cut}…")
}

/// Reads a configuration file of at most `limit` bytes.
///
/// # Errors
/// It cannot be opened or read, is no regular file, is too large or is no UTF-8.
pub fn read_text(file: &Path, limit: Bytes) -> Result<String, ConfigError> {
    let mistake = |problem: String, allowed: &str| ConfigError {
        file: file.to_owned(),
        line: 0,
        column: 0,
        field: String::new(),
        problem,
        allowed: allowed.to_owned(),
    };
    let unreadable = |error: std::io::Error| {
        let text = error.to_string();
        let words = text.split(" (os error").next().unwrap_or(&text);
        mistake(format!("cannot read it: {words}"), "a file that may be read")
    };
    // Opening a FIFO would wait for a writer for ever.
    if !std::fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err(mistake("not a regular file".to_owned(), "a regular file"));
    }
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened.take(limit.0 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit.0 {
        return Err(mistake(format!("the file is over {limit}"), &format!("at most {limit}")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let (good, rest) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let (line, column) = position(&String::from_utf8_lossy(good));
        let problem = format!("the byte {} is not UTF-8", sanitise(&rest[..1]));
        ConfigError { line, column, ..mistake(problem, "UTF-8 text") }
    })
}

/// Line and column just behind `before`.
fn position(before: &str) -> (usize, usize) {
    let line = before.matches('\n').count() + 1;
    (line, before.chars().rev().take_while(|c| *c != '\n').count() + 1)
}

/// Refuses what an editor does not show. The two parsers disagree on whether U+0085, U+2028 and U+2029 end a line, so an
/// alias could hide from the guard behind one of them in what it takes for a comment.
fn refuse_control_characters(file: &Path, text: &str) -> Result<(), ConfigError> {
    let refused =
        |c: char| (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    let Some((at, c)) = text.char_indices().find(|(_, c)| refused(*c)) else {
        return Ok(());
    };
    let (line, column) = position(&text[..at]);
    Err(ConfigError {
        file: file.to_owned(),
        line,
        column,
        field: String::new(),
        problem: format!("the control character U+{:04X}", u32::from(c)),
        allowed: "printable text, tabs and line ends".to_owned(),
    })
}

fn not_yaml(file: &Path, (line, column): (usize, usize), reason: &str) -> ConfigError {
    ConfigError {
        file: file.to_owned(),
        line,
        column,
        field: String::new(),
        problem: format!("not YAML: {}", quoted(reason)),
        allowed: "YAML of the form `key: value`".to_owned(),
    }
}

/// A mapping or list that is open while the events go by.
enum Open {
    /// In a mapping: its path, and the key that waits for its value.
    Map { path: String, key: Option<(String, (usize, usize))> },
    /// In a list: its path, and the number of the next item.
    List { path: String, next: usize },
}

/// Walks the events of a text: refuses what must not reach a reader and notes where every field stands.
struct Guard<'f> {
    file: &'f Path,
    open: Vec<Open>,
    places: BTreeMap<String, Place>,
}

impl<'f> Guard<'f> {
    fn run(file: &'f Path, text: &str) -> Result<BTreeMap<String, Place>, ConfigError> {
        let mut guard = Self { file, open: Vec::new(), places: BTreeMap::new() };
        let mut parser: Parser<'_, StrInput<'_>> = Parser::new_from_str(text);
        let mut documents = 0;
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| not_yaml(file, at(*error.marker()), error.info()))?;
            let here = at(span.start);
            match event {
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(guard.refuse(here, "", "a second document", "one document in a file"));
                    }
                }
                Event::Alias(_) => return Err(guard.refuse_anchor(here, "an alias (*)")),
                Event::Scalar(text, style, anchor, tag) => {
                    guard.refuse_extras(here, anchor, tag.is_some())?;
                    guard.scalar(&text, style, here)?;
                }
                Event::MappingStart(anchor, tag) => {
                    guard.refuse_extras(here, anchor, tag.is_some())?;
                    let path = guard.begin(here)?;
                    guard.open.push(Open::Map { path, key: None });
                }
                Event::SequenceStart(anchor, tag) => {
                    guard.refuse_extras(here, anchor, tag.is_some())?;
                    let path = guard.begin(here)?;
                    guard.open.push(Open::List { path, next: 0 });
                }
                Event::MappingEnd | Event::SequenceEnd => {
                    guard.open.pop();
                }
            }
        }
        Ok(guard.places)
    }

    fn refuse(&self, (line, column): (usize, usize), field: &str, problem: &str, allowed: &str) -> ConfigError {
        ConfigError {
            file: self.file.to_owned(),
            line,
            column,
            field: field.to_owned(),
            problem: problem.to_owned(),
            allowed: allowed.to_owned(),
        }
    }

    fn refuse_anchor(&self, here: (usize, usize), what: &str) -> ConfigError {
        self.refuse(here, &self.coming(), what, "plain values, each written out")
    }

    fn refuse_extras(&self, here: (usize, usize), anchor: usize, tagged: bool) -> Result<(), ConfigError> {
        if anchor != 0 {
            return Err(self.refuse_anchor(here, "an anchor (&)"));
        }
        if tagged {
            return Err(self.refuse_anchor(here, "a tag (!)"));
        }
        Ok(())
    }

    /// The path of the value that comes next.
    fn coming(&self) -> String {
        match self.open.last() {
            None => String::new(),
            Some(Open::Map { path, key }) => key.as_ref().map_or_else(|| path.clone(), |(key, _)| join(path, key)),
            Some(Open::List { path, next }) => format!("{path}[{next}]"),
        }
    }

    /// Notes where the coming value stands, and takes its turn in its parent.
    fn note(&mut self, here: (usize, usize), text: Option<String>) -> String {
        let path = self.coming();
        let key = match self.open.last_mut() {
            Some(Open::Map { key, .. }) => key.take().map(|(_, place)| place),
            Some(Open::List { next, .. }) => {
                *next += 1;
                None
            }
            None => None,
        };
        self.places.insert(path.clone(), Place { key: key.unwrap_or(here), value: here, text });
        path
    }

    /// A mapping or a list begins.
    fn begin(&mut self, here: (usize, usize)) -> Result<String, ConfigError> {
        if matches!(self.open.last(), Some(Open::Map { key: None, .. })) {
            return Err(self.refuse(here, &self.coming(), "a mapping or list as a key", WORD));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(self.refuse(here, "", "nested too deep", &format!("at most {MAX_DEPTH} levels")));
        }
        Ok(self.note(here, None))
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, here: (usize, usize)) -> Result<(), ConfigError> {
        let Some(Open::Map { path: parent, key: None }) = self.open.last() else {
            self.note(here, Some(text.to_owned()));
            return Ok(());
        };
        let may_stand = is_word(text, style) || (parent == VARIABLES && is_text(text, style));
        if !may_stand {
            return Err(self.refuse(here, parent, &format!("the key `{}` is not a word", quoted(text)), WORD));
        }
        let path = join(parent, text);
        if let Some(first) = self.places.get(&path) {
            let problem = format!("given twice, first in line {}", first.key.0);
            return Err(self.refuse(here, &path, &problem, "each key once"));
        }
        if let Some(Open::Map { key, .. }) = self.open.last_mut() {
            *key = Some((text.to_owned(), here));
        }
        Ok(())
    }
}

/// What a key may be.
const WORD: &str = "words of letters, digits, _ and -, not starting with a digit";

/// The field whose keys name variables: one that is none is told of by who reads them, with all other mistakes.
const VARIABLES: &str = "env";

/// A key that every reader takes for text, though it may be no word: it is in quotes, or it begins with letters and goes on with
/// something else, which no number, `yes` or `null` does.
fn is_text(text: &str, style: ScalarStyle) -> bool {
    let first = text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    style != ScalarStyle::Plain || (!first.is_empty() && first != text)
}

/// A key that is the same text for everybody who reads the file, and that cannot be mistaken for a path.
fn is_word(text: &str, style: ScalarStyle) -> bool {
    let letters = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let value = matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "null");
    letters && !(value && style == ScalarStyle::Plain)
}

/// The path of a field below `path`.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn at(marker: Marker) -> (usize, usize) {
    (marker.line().max(1), marker.col() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<Document, ConfigError> {
        Document::read(Path::new("x.yaml"), text)
    }

    fn refusal(text: &str) -> String {
        read(text).expect_err(text).to_string()
    }

    #[test]
    fn every_field_is_found_where_it_stands() {
        let document =
            read("\u{feff}name: x\nmemory:\n  low_water: 1GB\nextra: [\"-g\", 24]\njobs:\n  - input: \"ä\"\n").expect("reads");
        let key = |field| document.place(field).key;
        let value = |field| document.place(field).value;
        assert_eq!((key("name"), value("name")), ((1, 1), (1, 7)));
        assert_eq!((key("memory.low_water"), value("memory.low_water")), ((3, 3), (3, 14)));
        assert_eq!((value("extra[0]"), value("extra[1]")), ((4, 9), (4, 15)));
        assert_eq!(value("jobs[0].input"), (6, 12));
        assert_eq!(document.written("extra[1]"), Some("24"));
        // A field that is not there is told of at what should have held it.
        assert_eq!(value("memory.high_water"), value("memory"));
        assert_eq!(value("nothing.at.all"), (1, 1));
    }

    #[test]
    fn what_could_harm_a_reader_is_refused_with_its_place() {
        for (text, message) in [
            ("a: 1\nb: &x 2\n", "x.yaml:2:4: b: an anchor (&); allowed: plain values, each written out"),
            ("a: [1, &x 2, *x]\n", "x.yaml:1:8: a[1]: an anchor (&); allowed: plain values, each written out"),
            ("a: !!binary aGk=\n", "x.yaml:1:4: a: a tag (!); allowed: plain values, each written out"),
            ("a: 1\n---\nb: 2\n", "x.yaml:2:1: a second document; allowed: one document in a file"),
            ("a: 1\nb:\n  c: 2\n  c: 3\n", "x.yaml:4:3: b.c: given twice, first in line 3; allowed: each key once"),
            ("a: 1\n\"a\": 2\n", "x.yaml:2:1: a: given twice, first in line 1; allowed: each key once"),
            (
                "a: 1\n<<: 2\n",
                "x.yaml:2:1: the key `<<` is not a word; allowed: words of letters, digits, _ and -, not starting with a digit",
            ),
            (
                "a: {true: 1}\n",
                "x.yaml:1:5: a: the key `true` is not a word; allowed: words of letters, digits, _ and -, not starting with a digit",
            ),
            (
                "a: {[b]: 1}\n",
                "x.yaml:1:5: a: a mapping or list as a key; allowed: words of letters, digits, _ and -, not starting with a digit",
            ),
            ("a: 1\nb: \0\n", "x.yaml:2:4: the control character U+0000; allowed: printable text, tabs and line ends"),
            ("# ä\u{85}a: *b\n", "x.yaml:1:4: the control character U+0085; allowed: printable text, tabs and line ends"),
            ("# \u{2028}a: *b\n", "x.yaml:1:3: the control character U+2028; allowed: printable text, tabs and line ends"),
        ] {
            assert_eq!(refusal(text), message, "{text:?}");
        }
    }

    #[test]
    fn text_that_is_no_yaml_is_refused_with_its_place() {
        for (text, start) in [
            ("a: [1, 2\nb: 3\n", "x.yaml:2:"),
            ("a: 'b\n", "x.yaml:"),
            ("a: b: c\n", "x.yaml:1:"),
            ("a: *nowhere\n", "x.yaml:1:4: "),
            ("\ta: 1\n", "x.yaml:1:"),
            ("a: \"\\q\"\n", "x.yaml:1:"),
        ] {
            assert!(refusal(text).starts_with(start), "{}", refusal(text));
        }
    }

    // The clock is read to hold the guard to its promise.
    #[allow(clippy::disallowed_methods)]
    #[test]
    fn alias_bombs_and_deep_nesting_are_refused_at_once() {
        let limit = MAX_FILE.0 as usize;
        let scalar = "x".repeat(limit / 2);
        let bombs = [
            format!("a: &a {scalar}\nb: [{}]\n", "*a, ".repeat(limit / 8 - 10)),
            "a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n".to_owned(),
            "[".repeat(limit),
            "{a: ".repeat(limit / 4),
            "- ".repeat(limit / 2),
            "? ".repeat(limit / 2),
            format!("a: {}", "[{x: ".repeat(limit / 6)),
        ];
        for bomb in bombs {
            // Of this thread: what it costs, not how long it waits for a processor.
            let cpu = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).tv_sec;
            let start = cpu();
            let refused = refusal(&bomb);
            let took = cpu() - start;
            assert!(took < 3, "{took:?} for {}", &bomb[..20]);
            let known = ["anchor", "nested too deep", "not YAML", "as a key"];
            assert!(known.iter().any(|word| refused.contains(word)), "{refused}");
        }
    }

    #[test]
    fn sixteen_levels_are_let_pass_and_seventeen_are_not() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(read(&nested(16)).is_ok());
        assert!(refusal(&nested(17)).contains("nested too deep; allowed: at most 16 levels"));
    }

    #[test]
    fn files_are_read_up_to_their_limit_and_only_as_utf_8() {
        let folder = tempfile::tempdir().expect("tempdir");
        let file = folder.path().join("x.yaml");
        let told = |limit| read_text(&file, limit).expect_err("refused").to_string();
        assert!(told(MAX_FILE).contains("x.yaml: cannot read it: No such file"), "{}", told(MAX_FILE));
        std::fs::write(&file, vec![b'#'; 65536]).expect("written");
        assert!(read_text(&file, MAX_FILE).is_ok());
        std::fs::write(&file, vec![b'#'; 65537]).expect("written");
        assert!(told(MAX_FILE).ends_with("x.yaml: the file is over 64 KB; allowed: at most 64 KB"), "{}", told(MAX_FILE));
        std::fs::write(&file, b"a: 1\nb: caf\xe9\n").expect("written");
        assert!(told(MAX_FILE).ends_with("x.yaml:2:7: the byte \\xE9 is not UTF-8; allowed: UTF-8 text"), "{}", told(MAX_FILE));
        let folder_told = read_text(folder.path(), MAX_FILE).expect_err("refused").to_string();
        assert!(folder_told.contains("not a regular file"), "{folder_told}");
    }

    #[test]
    fn a_message_stays_on_one_line_and_short_whatever_the_file_holds() {
        let told = refusal(&format!("\"{}\\n\\e[31m\": 1\n", "k".repeat(3000)));
        assert!(told.len() < 250 && !told.contains('\n') && !told.contains('\u{1b}'), "{told}");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in prop_oneof!["\\PC{0,400}", "[-a-c:{}\\[\\],&*!#|>'\"%@?.0-9 \n\t\r]{0,4096}"]) {
            if let Err(error) = read(&text) {
                prop_assert!(error.line >= 1 && error.column >= 1, "{error}");
            }
        }

        #[test]
        fn both_parsers_agree_on_every_field(text in "([ab]: [xy1\\[\\]{},: \"'#|-]{0,8}\n| [ab]: ?\n|- [a-c:]{0,5}\n){0,8}") {
            if let Ok(document) = read(&text) {
                check_fields(&document, "", document.root())?;
            }
        }
    }

    fn check_fields(document: &Document, path: &str, value: &Value) -> Result<(), TestCaseError> {
        prop_assert!(document.places.contains_key(path) || value.is_null(), "{path} {document:?}");
        match value {
            Value::Mapping(fields) => {
                for (key, value) in fields {
                    check_fields(document, &join(path, key.as_str().unwrap_or("?")), value)?;
                }
            }
            Value::Sequence(items) => {
                for (index, value) in items.iter().enumerate() {
                    check_fields(document, &format!("{path}[{index}]"), value)?;
                }
            }
            Value::String(text) => prop_assert_eq!(document.written(path), Some(text.as_str())),
            _ => {}
        }
        Ok(())
    }
}
