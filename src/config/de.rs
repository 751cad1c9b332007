//! What serde sees of a guarded document: each scalar as it is written, and every error with the path of the field it is about.
//!
//! `#[derive(Deserialize)]` says which keys there are and of what kind; [`super::read::Reader`] turns what comes back into
//! mistakes with line and column.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer as _, Unexpected, Visitor};
use serde_yaml::{Mapping, Value};

use super::yaml::{Document, join, quoted};

/// Why serde stopped: what is wrong where, and what is allowed there.
#[derive(Debug)]
pub(super) struct Refusal {
    /// The field it is about, once that is known.
    pub(super) path: Option<String>,
    pub(super) problem: String,
    pub(super) allowed: String,
    /// The known words where one of them is wanted.
    pub(super) known: &'static [&'static str],
}

impl Refusal {
    fn new(problem: String, allowed: String) -> Self {
        Self { path: None, problem, allowed, known: &[] }
    }

    /// The same, about `path` unless it is about something below.
    fn at(self, path: &str) -> Self {
        Self { path: Some(self.path.unwrap_or_else(|| path.to_owned())), ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; allowed: {}", self.problem, self.allowed)
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(problem: T) -> Self {
        Self::new(problem.to_string(), String::new())
    }

    fn invalid_type(_: Unexpected<'_>, allowed: &dyn Expected) -> Self {
        Self::new(String::new(), allowed.to_string())
    }

    fn invalid_value(problem: Unexpected<'_>, allowed: &dyn Expected) -> Self {
        Self::new(problem.to_string(), allowed.to_string())
    }

    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self { known, ..Self::new(format!("`{}`", quoted(word)), known.join(", ")) }
    }
}

/// A value that is written as a word or a number, turned by `parse` into what it means. `parse` answers what is wrong with it.
pub(super) fn by_text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    allowed: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<T, D::Error> {
    struct Text<'a, F>(&'a str, F);

    impl<T, F: FnOnce(&str) -> Result<T, String>> Visitor<'_> for Text<'_, F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            (self.1)(text).map_err(|problem| E::invalid_value(Unexpected::Other(&problem), &self.0))
        }
    }

    deserializer.deserialize_str(Text(allowed, parse))
}

/// Declares how fields are read: name of the function, what it makes, what is allowed, and what turns the text into it.
macro_rules! texts {
    ($($name:ident: $kind:ty = $allowed:expr, $parse:expr;)+) => { $(
        fn $name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<$kind>, D::Error> {
            $crate::config::de::by_text(deserializer, $allowed, $parse).map(Some)
        }
    )+ };
}

pub(super) use texts;

/// Anything of ours as YAML. Texts, numbers and mappings of them can always be written.
pub(crate) fn as_yaml(value: &impl serde::Serialize) -> String {
    serde_yaml::to_string(value).unwrap_or_default()
}

/// A whole number in a range; `what` names that many of it.
pub(super) fn whole(text: &str, range: std::ops::RangeInclusive<u32>, what: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(number) => Err(format!("{number} {what}")),
        Err(_) => Err(format!("`{}` is not allowed here", quoted(text))),
    }
}

/// A value of the document, at its path. Fields and keys named in `skipped` are passed over: they have been told of.
pub(super) struct At<'a> {
    pub(super) document: &'a Document,
    pub(super) value: &'a Value,
    pub(super) path: String,
    pub(super) skipped: &'a RefCell<BTreeSet<String>>,
    /// Told of each key that nobody knows: the mapping it is in, the key, and the keys there are.
    pub(super) unknown: &'a dyn Fn(&str, &str, &'static [&'static str]),
}

impl<'a> At<'a> {
    fn below(&self, path: String, value: &'a Value) -> Self {
        Self { value, path, ..*self }
    }

    /// The value as a message names it.
    fn described(&self) -> String {
        match self.value {
            Value::Null => "an empty value".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
            Value::Sequence(_) => "a list".to_owned(),
            _ => format!("`{}`", quoted(self.document.written(&self.path).unwrap_or_default())),
        }
    }

    /// Serde's answer with the path, and with what was found where the kind of it is wrong.
    fn placed<T>(&self, read: Result<T, Refusal>) -> Result<T, Refusal> {
        read.map_err(|refusal| {
            if refusal.path.is_some() || !refusal.problem.is_empty() {
                return refusal.at(&self.path);
            }
            Refusal { problem: format!("{} is not allowed here", self.described()), ..refusal }.at(&self.path)
        })
    }

    fn text(&self) -> Option<&'a str> {
        let is_scalar = self.value.is_string() || self.value.is_number() || self.value.is_bool();
        self.document.written(&self.path).filter(|_| is_scalar)
    }
}

impl<'de> Deserializer<'de> for At<'_> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let read = match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Mapping(fields) => visitor.visit_map(self.entries(fields, None)),
            Value::Sequence(items) => visitor.visit_seq(Items { at: &self, left: items.iter().enumerate() }),
            _ => return self.deserialize_str(visitor),
        };
        self.placed(read)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let Some(text) = self.text() else {
            return self.placed(Err(Refusal::invalid_type(Unexpected::Unit, &visitor)));
        };
        self.placed(visitor.visit_str(text))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        if let Value::Mapping(fields) = self.value {
            return self.placed(visitor.visit_map(self.entries(fields, Some(keys))));
        }
        let is_root = self.path.is_empty();
        let keys = keys.join(", ");
        let (problem, allowed) = match self.value {
            Value::Null if is_root => ("the file is empty".to_owned(), format!("`key: value` lines; the keys are {keys}")),
            _ if is_root => ("the file is not a mapping".to_owned(), format!("`key: value` lines; the keys are {keys}")),
            _ => (format!("{} is not a mapping", self.described()), format!("a mapping with the keys {keys}")),
        };
        self.placed(Err(Refusal::new(problem, allowed)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        let Some(text) = self.text() else {
            return self.placed(Err(Refusal::new(String::new(), known.join(", "))));
        };
        let word: StrDeserializer<'_, Refusal> = text.into_deserializer();
        self.placed(visitor.visit_enum(word))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier
    }
}

/// The entries of a mapping, one after the other.
struct Entries<'a, 'r> {
    at: &'r At<'a>,
    left: serde_yaml::mapping::Iter<'a>,
    value: Option<At<'a>>,
    /// The keys that there are; `None` = any.
    known: Option<&'static [&'static str]>,
}

impl<'a> At<'a> {
    fn entries<'r>(&'r self, fields: &'a Mapping, known: Option<&'static [&'static str]>) -> Entries<'a, 'r> {
        Entries { at: self, left: fields.iter(), value: None, known }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'_, '_> {
    type Error = Refusal;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Refusal> {
        for (key, value) in self.left.by_ref() {
            let key = key.as_str().unwrap_or_default();
            let path = join(&self.at.path, key);
            if self.at.skipped.borrow().contains(&path) {
                continue;
            }
            if let Some(known) = self.known.filter(|known| !known.contains(&key)) {
                self.at.skipped.borrow_mut().insert(path);
                (self.at.unknown)(&self.at.path, key, known);
                continue;
            }
            self.value = Some(self.at.below(path, value));
            let key: StrDeserializer<'_, Refusal> = key.into_deserializer();
            return seed.deserialize(key).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Refusal> {
        let value = self.value.take().ok_or_else(|| Refusal::custom("a value without a key"))?;
        seed.deserialize(value)
    }
}

/// The items of a list, one after the other.
struct Items<'a, 'r> {
    at: &'r At<'a>,
    left: std::iter::Enumerate<std::slice::Iter<'a, Value>>,
}

impl<'de> de::SeqAccess<'de> for Items<'_, '_> {
    type Error = Refusal;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Refusal> {
        let path = |index: usize| format!("{}[{index}]", self.at.path);
        let Some((path, item)) =
            self.left.by_ref().map(|(index, item)| (path(index), item)).find(|(path, _)| !self.at.skipped.borrow().contains(path))
        else {
            return Ok(None);
        };
        seed.deserialize(self.at.below(path, item)).map(Some)
    }
}
