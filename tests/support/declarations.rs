//! Reads what types of `src/` are made of, as serde writes them to JSON: the fields of structs, the variants of enums.
//!
//! Knows the layout that `cargo fmt` gives. A line that it does not know fails the test instead of being passed over.
#![allow(dead_code)] // every test file uses its part of this

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

/// A pattern that is compiled once.
macro_rules! pattern {
    ($($name:ident $text:literal)*) => { $( static $name: LazyLock<Regex> = LazyLock::new(|| Regex::new($text).expect("a pattern")); )* };
}

pattern! {
    HEAD r"^pub (struct|enum) (\w+) \{$"
    FIELD r"^(?:pub )?(?:r#)?(\w+): (.+),$"
    RENAMED r#"rename = "(\w+)""#
    WORD r"\w+"
    PLAIN r"^    (\w+),$"
    CARRYING r"^    (\w+)\((.+)\),$"
    OPEN r"^    (\w+) \{$"
}

/// A named field and the names in its type.
#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    pub types: Vec<String>,
}

/// A type.
#[derive(Debug, Clone)]
pub enum Declaration {
    Struct(Vec<Field>),
    Enum(Vec<Variant>),
}

/// A variant of an enum.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Its name in JSON.
    pub name: String,
    pub fields: Vec<Field>,
    /// What it carries without a name: a type, or several as they are written.
    pub carries: Option<String>,
}

/// Types that serde writes, by their names. Those that turn into another form on the way (`into = …`) are left out.
#[derive(Debug, Default)]
pub struct Declarations(pub BTreeMap<String, Declaration>);

impl Declarations {
    /// Adds the types of a file.
    pub fn read(&mut self, text: &str) {
        let mut lines = text.lines();
        let mut attributes = String::new();
        while let Some(line) = lines.next() {
            if line.starts_with("#[") {
                attributes.push_str(line);
                continue;
            }
            if let Some(found) = HEAD.captures(line).filter(|_| attributes.contains("Serialize") && !attributes.contains("into = "))
            {
                let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "}").collect();
                let declaration = match &found[1] {
                    "struct" => Declaration::Struct(fields(&body)),
                    _ => Declaration::Enum(variants(&body, attributes.contains("rename_all = \"snake_case\""))),
                };
                self.0.insert(found[2].to_owned(), declaration);
            }
            if !line.starts_with("///") {
                attributes.clear();
            }
        }
    }

    /// The fields of a struct.
    pub fn fields(&self, name: &str) -> &[Field] {
        match self.0.get(name) {
            Some(Declaration::Struct(fields)) => fields,
            other => panic!("{name} is no struct with fields: {other:?}"),
        }
    }

    /// The variants of an enum.
    pub fn variants(&self, name: &str) -> &[Variant] {
        match self.0.get(name) {
            Some(Declaration::Enum(variants)) => variants,
            other => panic!("{name} is no enum: {other:?}"),
        }
    }

    /// The types that values of these fields are made of, and those of theirs.
    pub fn reached_from<'f>(&self, fields: impl IntoIterator<Item = &'f Field>) -> BTreeSet<String> {
        let mut open: Vec<String> = fields.into_iter().flat_map(|field| field.types.clone()).collect();
        let mut reached = BTreeSet::new();
        while let Some(name) = open.pop() {
            let Some(declaration) = self.0.get(&name) else { continue };
            if !reached.insert(name) {
                continue;
            }
            if let Declaration::Struct(fields) = declaration {
                open.extend(fields.iter().flat_map(|field| field.types.clone()));
            }
        }
        reached
    }
}

/// The names of fields.
pub fn names(fields: &[Field]) -> BTreeSet<String> {
    fields.iter().map(|field| field.name.clone()).collect()
}

fn fields(body: &[&str]) -> Vec<Field> {
    let (mut fields, mut rename) = (Vec::new(), None);
    for line in body.iter().map(|line| line.trim()) {
        if line.starts_with("///") || line.is_empty() {
            continue;
        }
        if line.starts_with("#[") {
            rename = RENAMED.captures(line).map(|found| found[1].to_owned()).or(rename);
            continue;
        }
        let found = FIELD.captures(line).unwrap_or_else(|| panic!("not a field: {line}"));
        let types = WORD.find_iter(&found[2]).map(|name| name.as_str().to_owned()).collect();
        fields.push(Field { name: rename.take().unwrap_or_else(|| found[1].to_owned()), types });
    }
    fields
}

fn variants(body: &[&str], is_snake: bool) -> Vec<Variant> {
    let name = |name: &str| if is_snake { snake(name) } else { name.to_owned() };
    let mut variants = Vec::new();
    let mut lines = body.iter();
    while let Some(line) = lines.next() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with("///") || trimmed.starts_with("#[") {
            continue;
        }
        if let Some(found) = PLAIN.captures(line) {
            variants.push(Variant { name: name(&found[1]), fields: Vec::new(), carries: None });
        } else if let Some(found) = CARRYING.captures(line) {
            variants.push(Variant { name: name(&found[1]), fields: Vec::new(), carries: Some(found[2].to_owned()) });
        } else if let Some(found) = OPEN.captures(line) {
            let inner: Vec<&str> = lines.by_ref().take_while(|line| **line != "    },").copied().collect();
            variants.push(Variant { name: name(&found[1]), fields: fields(&inner), carries: None });
        } else {
            panic!("not a variant: {line}");
        }
    }
    variants
}

/// `JobQueued` as `job_queued`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for (at, c) in name.chars().enumerate() {
        if c.is_uppercase() && at > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    out
}
