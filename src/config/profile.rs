//! A profile from YAML, every mistake named, and back to YAML.
//!
//! Knows what a profile may say. Knows nothing of where profiles lie or of the memory there is.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_yaml::Value;

use super::de::{as_yaml, texts, whole};
use super::read::{Reader, check_name, line};
use super::yaml::{ConfigError, Document, join, quoted};
use crate::domain::profile::check::{
    MAX_SLOTS, MAX_TITLE, MAX_VARIABLES, MAX_WORD, NAME_RULE, SIDES, is_variable, value_problem, variable_danger,
};
use crate::domain::profile::{GuideWords, LargeRule, Mark, MemoryMarks, Picture, Profile, Slots};
use crate::domain::units::{Bytes, GIB, KIB, MIB};

/// High-water mark of a profile that names none: the guide's 1.5 of 2 GB.
const DEFAULT_HIGH_WATER: Mark = Mark::Share(0.75);
/// Low-water mark of a profile that names none, as a share of the high-water mark: 1.3 of 1.5 GB.
const DEFAULT_LOW_OF_HIGH: f64 = 13.0 / 15.0;
/// What is kept for the console and sshd if the profile does not say.
const DEFAULT_RESERVE: Bytes = Bytes::mib(64);

/// Reads a profile.
///
/// # Errors
/// Every mistake of the file, in its order; only the first where it is no YAML or was refused by the guard.
pub fn parse(file: &Path, text: &str) -> Result<Profile, Vec<ConfigError>> {
    let document = Document::read(file, text).map_err(|error| vec![error])?;
    let mut reader = Reader::new(&document);
    let read = reader.root().and_then(|written| profile(&mut reader, written));
    reader.finish(read)
}

/// A profile as it is written.
#[derive(Default, Deserialize)]
#[serde(default)]
#[allow(clippy::option_option)] // not said, or said to be none
struct Written {
    #[serde(deserialize_with = "name")]
    name: Option<String>,
    #[serde(deserialize_with = "title")]
    title: Option<String>,
    #[serde(deserialize_with = "slots")]
    max_concurrent: Option<Slots>,
    #[serde(deserialize_with = "size")]
    max_file_size: Option<Bytes>,
    large: Option<Large>,
    memory: Option<Memory>,
    #[serde(deserialize_with = "scratch_limit")]
    scratch_limit: Option<Option<Bytes>>,
    env: Option<IgnoredAny>,
    #[serde(rename = "envVars")]
    env_vars: Option<IgnoredAny>,
    guide: Guide,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Large {
    #[serde(deserialize_with = "large_from")]
    from: Option<Picture>,
    #[serde(deserialize_with = "at_once")]
    at_once: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[allow(clippy::option_option)] // not said, or said to be all there is
struct Memory {
    #[serde(deserialize_with = "budget")]
    budget: Option<Option<Bytes>>,
    #[serde(deserialize_with = "a_mark")]
    high_water: Option<Mark>,
    #[serde(deserialize_with = "a_mark")]
    low_water: Option<Mark>,
    #[serde(deserialize_with = "reserve")]
    reserve: Option<Bytes>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Guide {
    #[serde(deserialize_with = "word")]
    memory: Option<String>,
    #[serde(deserialize_with = "word")]
    speed: Option<String>,
    #[serde(deserialize_with = "word")]
    reliability: Option<String>,
}

/// One variable of Render's form.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Variable {
    #[serde(deserialize_with = "variable")]
    key: Option<String>,
    #[serde(deserialize_with = "variable_value")]
    value: Option<String>,
}

texts! {
    name: String = NAME_RULE, check_name;
    title: String = &format!("one line of text, at most {MAX_TITLE} characters"), |text| line(text, MAX_TITLE);
    word: String = &format!("one line of text, at most {MAX_WORD} characters"), |text| line(text, MAX_WORD);
    slots: Slots = &slots_rule(), |text| match text {
        "auto" => Ok(Slots::Auto),
        _ => whole(text, 1..=MAX_SLOTS, "job slots").map(Slots::Fixed),
    };
    size: Bytes = SIZE, some_size;
    large_from: Picture = &large_rule(), picture;
    at_once: u32 = &format!("a whole number from 1 to {MAX_SLOTS}"), |text| whole(text, 1..=MAX_SLOTS, "large jobs at once");
    budget: Option<Bytes> = "auto, or a size above 0, such as 2GB", |text| some_size_or("auto", text);
    a_mark: Mark = "a size above 0, such as 1.5GB, or a share of the budget above 0% and at most 100%", mark;
    reserve: Bytes = "a size, such as 64MB", |text| text.parse().map_err(|_| format!("`{}` is not a size", quoted(text)));
    scratch_limit: Option<Bytes> = "a size above 0, such as 2GB, or none", |text| some_size_or("none", text);
    variable: String = VARIABLE, |text| check_variable(text).map(|()| text.to_owned());
    variable_value: String = VALUE, check_value;
}

fn slots_rule() -> String {
    format!("a whole number from 1 to {MAX_SLOTS}, or auto")
}

fn large_rule() -> String {
    format!("a height such as 1080p, or WIDTHxHEIGHT such as 1440x1080, each {} to {}", SIDES.start(), SIDES.end())
}

/// Checks what can be told only of the whole; `None` where a part is missing or wrong, which has been told of.
fn profile(reader: &mut Reader<'_>, written: Written) -> Option<Profile> {
    reader.require("name", NAME_RULE);
    reader.require("max_concurrent", &slots_rule());
    reader.require("max_file_size", SIZE);
    if reader.has("large") && written.large.is_some() {
        reader.require("large.from", &large_rule());
    }
    let memory = memory(reader, written.memory);
    let env = environment(reader, [written.env, written.env_vars].map(|env| env.is_some()));
    let (max_concurrent, max_file_size) = (written.max_concurrent?, written.max_file_size?);
    let large = written.large.and_then(|large| Some(LargeRule { from: large.from?, at_once: large.at_once.unwrap_or(1) }));
    let guide = written.guide;
    Some(Profile {
        name: written.name?,
        title: written.title.unwrap_or_else(|| format!("{}, {max_file_size}", max_concurrent.words())),
        max_concurrent,
        max_file_size,
        large,
        memory: memory?,
        scratch_limit: written.scratch_limit.flatten(),
        env,
        guide: GuideWords {
            memory: guide.memory.unwrap_or_default(),
            speed: guide.speed.unwrap_or_default(),
            reliability: guide.reliability.unwrap_or_default(),
        },
    })
}

/// `1080p` or `1440x1080`.
fn picture(text: &str) -> Result<Picture, String> {
    let side = |text: &str| {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>().ok().filter(|side| is_plain && SIDES.contains(side))
    };
    let read = match text.trim().strip_suffix('p') {
        Some(height) => side(height).map(Picture::of_height),
        None => {
            text.trim().split_once('x').and_then(|(width, height)| Some(Picture { width: side(width)?, height: side(height)? }))
        }
    };
    read.ok_or_else(|| format!("`{}` is not a size of pictures", quoted(text)))
}

const SIZE: &str = "a size above 0, such as 200MB or 1.5GB";

/// A size above zero.
fn some_size(text: &str) -> Result<Bytes, String> {
    match text.parse::<Bytes>() {
        Ok(Bytes::ZERO) => Err(format!("`{}` is nothing at all", quoted(text))),
        Ok(size) => Ok(size),
        Err(_) => Err(format!("`{}` is not a size", quoted(text))),
    }
}

/// A size above zero, or the word for none.
fn some_size_or(word: &str, text: &str) -> Result<Option<Bytes>, String> {
    if text == word { Ok(None) } else { some_size(text).map(Some) }
}

/// A mark: a size, or a share written `75%`.
fn mark(text: &str) -> Result<Mark, String> {
    let Some(percent) = text.trim().strip_suffix('%') else {
        // 0.75 would read as a number of bytes; a share was meant.
        return match text.trim().parse::<f64>() {
            Ok(share) if share > 0.0 && share <= 1.0 => {
                Err(format!("`{}` has no unit; did you mean `{}%`?", quoted(text), share * 100.0))
            }
            _ => some_size(text).map(Mark::Bytes),
        };
    };
    let plain = percent.trim();
    let digits = plain.chars().all(|c| c.is_ascii_digit() || c == '.');
    match plain.parse::<f64>() {
        Ok(percent) if digits && percent > 0.0 && percent <= 100.0 => Ok(Mark::Share(percent / 100.0)),
        Ok(_) if digits => Err(format!("{}% is outside 0 to 100 %", quoted(plain))),
        _ => Err(format!("`{}` is not a share", quoted(text))),
    }
}

fn memory(reader: &mut Reader<'_>, written: Option<Memory>) -> Option<MemoryMarks> {
    let Memory { budget, high_water, low_water, reserve } = match written {
        Some(written) => written,
        None if reader.has("memory") => return None,
        None => Memory::default(),
    };
    // A field that is there but wrong has been told of; comparing its neighbours with a default would only confuse.
    let whole = [
        ("memory.budget", budget.is_some()),
        ("memory.high_water", high_water.is_some()),
        ("memory.low_water", low_water.is_some()),
        ("memory.reserve", reserve.is_some()),
    ];
    if whole.into_iter().any(|(field, is_good)| !is_good && reader.has(field)) {
        return None;
    }
    let high_water = high_water.unwrap_or(DEFAULT_HIGH_WATER);
    let marks = MemoryMarks {
        budget: budget.flatten(),
        high_water,
        low_water: low_water.unwrap_or_else(|| low_of(high_water)),
        reserve: reserve.unwrap_or(DEFAULT_RESERVE),
    };
    compare(reader, &marks);
    Some(marks)
}

/// The low-water mark that goes with a high-water mark.
fn low_of(high: Mark) -> Mark {
    match high {
        Mark::Share(share) => Mark::Share(share * DEFAULT_LOW_OF_HIGH),
        Mark::Bytes(bytes) => Mark::Bytes(bytes.scale(DEFAULT_LOW_OF_HIGH)),
    }
}

/// Checks the marks against each other and against the budget, where one is named.
fn compare(reader: &mut Reader<'_>, marks: &MemoryMarks) {
    let basis = marks.meant_for();
    let (high, low) = (marks.high_water, marks.low_water);
    // Below the budget that they are meant for both kinds of mark shrink alike, so that one tells for all.
    if low.under(basis, basis) > high.under(basis, basis) {
        let problem = format!("{} is above high_water ({})", mark_yaml(low), mark_yaml(high));
        reader.wrong("memory.low_water", &problem, &format!("at most high_water, {}", mark_yaml(high)));
    } else if marks.budget.is_none() && matches!((low, high), (Mark::Share(_), Mark::Bytes(_))) {
        let problem = format!("{} of a large budget is above high_water ({})", mark_yaml(low), mark_yaml(high));
        reader.wrong("memory.low_water", &problem, "a size, as high_water is one; or high_water as a share too; or a budget in GB");
    }
    if marks.reserve >= high.under(basis, basis) && marks.budget.is_none_or(|budget| marks.reserve < budget) {
        let problem =
            format!("leaves nothing below the line: reserve is {} and high_water {}", size_yaml(marks.reserve), mark_yaml(high));
        let (key, allowed) = if reader.has("memory.reserve") {
            ("reserve", "less than high_water")
        } else {
            ("high_water", "more than the reserve")
        };
        reader.wrong(&join("memory", key), &problem, allowed);
    }
    let Some(budget) = marks.budget else { return };
    let (key, size) = (if reader.has("memory.high_water") { "high_water" } else { "budget" }, high.under(budget, budget));
    if size > budget {
        let problem = format!("{} is above budget ({})", mark_yaml(high), size_yaml(budget));
        reader.wrong(&join("memory", key), &problem, &format!("at most the budget, {}", size_yaml(budget)));
    }
    if marks.reserve >= budget {
        let problem = format!("leaves nothing: reserve is {} and budget {}", size_yaml(marks.reserve), size_yaml(budget));
        let key = if reader.has("memory.reserve") { "reserve" } else { "budget" };
        let allowed = if key == "reserve" { "a size below budget" } else { "a size above reserve" };
        reader.wrong(&join("memory", key), &problem, allowed);
    }
}

/// The children's environment: a mapping, or Render's list of `{key, value}`, under `env` or `envVars`.
fn environment(reader: &mut Reader<'_>, [is_env, is_env_vars]: [bool; 2]) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let key = if is_env { "env" } else { "envVars" };
    if is_env && is_env_vars {
        reader.wrong_key("envVars", "stands beside env, which says the same", "one of env and envVars");
    }
    match reader.raw(key) {
        None => {}
        Some(Value::Mapping(fields)) => {
            for (name, value) in fields {
                let name = name.as_str().unwrap_or_default();
                let path = join(key, name);
                if let Err(problem) = check_variable(name) {
                    reader.wrong_key(&path, &problem, VARIABLE);
                    continue;
                }
                env.extend(reader.text(&path, value, VALUE, check_value).map(|value| (name.to_owned(), value)));
            }
        }
        Some(Value::Sequence(items)) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{key}[{index}]");
                let Some(Variable { key, value }) = reader.value(&path, item) else { continue };
                reader.require(&join(&path, "key"), VARIABLE);
                reader.require(&join(&path, "value"), VALUE);
                let (Some(name), Some(value)) = (key, value) else { continue };
                if env.contains_key(&name) {
                    reader.wrong(&join(&path, "key"), &format!("{name} is given twice"), "each variable once");
                }
                env.insert(name, value);
            }
        }
        Some(_) => reader.wrong(key, "is neither a mapping nor a list", ENV_FORM),
    }
    if env.len() > MAX_VARIABLES {
        reader.wrong(key, &format!("has {} variables", env.len()), &format!("at most {MAX_VARIABLES}"));
    }
    env
}

const ENV_FORM: &str = "a mapping `NAME: value`, or a list of {key: NAME, value: V}";
const VALUE: &str = "text, a number or true/false, at most 4096 bytes, without control characters";
const VARIABLE: &str = "names of letters, digits and _, not starting with a digit, that load no code and are not set by plimsoll";

fn check_value(text: &str) -> Result<String, String> {
    value_problem(text).map_or_else(|| Ok(text.to_owned()), Err)
}

/// Refuses what is no variable, and what would change which program runs or let it read or write files of its own choice.
fn check_variable(name: &str) -> Result<(), String> {
    if !is_variable(name) {
        return Err(format!("`{}` is not a variable's name", quoted(name)));
    }
    variable_danger(name).map_or(Ok(()), Err)
}

/// The profile as YAML that [`parse`] reads back to the same profile.
pub fn to_yaml(profile: &Profile) -> String {
    #[derive(Serialize)]
    struct Out<'a> {
        name: &'a str,
        title: &'a str,
        max_concurrent: Slots,
        max_file_size: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        large: Option<OutLarge>,
        memory: OutMemory,
        scratch_limit: String,
        env: &'a BTreeMap<String, String>,
        guide: &'a GuideWords,
    }

    #[derive(Serialize)]
    struct OutLarge {
        from: String,
        at_once: u32,
    }

    #[derive(Serialize)]
    struct OutMemory {
        budget: String,
        high_water: String,
        low_water: String,
        reserve: String,
    }

    let marks = &profile.memory;
    as_yaml(&Out {
        name: &profile.name,
        title: &profile.title,
        max_concurrent: profile.max_concurrent,
        max_file_size: size_yaml(profile.max_file_size),
        large: profile.large.map(|rule| OutLarge { from: rule.from.to_string(), at_once: rule.at_once }),
        memory: OutMemory {
            budget: marks.budget.map_or_else(|| "auto".to_owned(), size_yaml),
            high_water: mark_yaml(marks.high_water),
            low_water: mark_yaml(marks.low_water),
            reserve: size_yaml(marks.reserve),
        },
        scratch_limit: profile.scratch_limit.map_or_else(|| "none".to_owned(), size_yaml),
        env: &profile.env,
        guide: &profile.guide,
    })
}

/// A size in the largest unit that says it exactly with at most three decimals: `200MB`, `1.3GB`; else in bytes.
pub fn size_yaml(size: Bytes) -> String {
    for (unit, name) in [(GIB, "GB"), (MIB, "MB"), (KIB, "KB")] {
        for decimals in 0..=3 {
            let text = format!("{:.decimals$}{name}", size.0 as f64 / unit as f64);
            if size.0 >= unit && text.parse() == Ok(size) {
                return text;
            }
        }
    }
    size.0.to_string()
}

/// A mark as it is written in a profile: `1.5GB` or `75%`.
pub fn mark_yaml(mark: Mark) -> String {
    match mark {
        // A bare 1 would be taken for a share without its sign.
        Mark::Bytes(Bytes(1)) => "1B".to_owned(),
        Mark::Bytes(bytes) => size_yaml(bytes),
        Mark::Share(share) => {
            let percent = share * 100.0;
            let exact = |decimals: &usize| {
                let text = format!("{percent:.decimals$}", decimals = *decimals);
                text.parse::<f64>().is_ok_and(|read| (read / 100.0).to_bits() == share.to_bits())
            };
            let decimals = (0..=17).find(exact).unwrap_or(17);
            format!("{percent:.decimals$}%")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BALANCED: &str = include_str!("../../profiles/balanced.yaml");

    /// What a profile with these changes is told, one message a line.
    fn told(from: &str, to: &str) -> String {
        assert!(BALANCED.contains(from), "{from}");
        match parse(Path::new("p/x.yaml"), &BALANCED.replacen(from, to, 1)) {
            Ok(profile) => format!("ok: {profile:?}"),
            Err(mistakes) => super::super::search::lines(&mistakes),
        }
    }

    fn minimal(rest: &str) -> Result<Profile, String> {
        let text = format!("name: x\nmax_concurrent: 1\nmax_file_size: 1MB\n{rest}");
        parse(Path::new("x.yaml"), &text).map_err(|mistakes| super::super::search::lines(&mistakes))
    }

    #[test]
    fn the_example_of_the_trade_off_table_reads_as_it_is_written() {
        let profile = parse(Path::new("balanced.yaml"), BALANCED).expect("valid");
        assert_eq!(profile.short(), "2/200");
        assert_eq!(profile.title, "2 at once, 200 MB");
        assert_eq!(profile.memory.budget, Some(Bytes::gib(2)));
        assert_eq!(profile.memory.high_water, Mark::Bytes(Bytes::mib(1536)));
        assert_eq!(profile.memory.low_water, Mark::Bytes("1.3GB".parse().expect("size")));
        assert_eq!(profile.memory.reserve, Bytes::mib(64));
        assert_eq!(profile.scratch_limit, Some(Bytes::gib(2)));
        assert_eq!(profile.env.get("MALLOC_TRIM_THRESHOLD_").map(String::as_str), Some("100000"));
        assert_eq!(profile.guide.reliability, "High");
    }

    #[test]
    fn each_mistake_is_told_with_its_place_its_field_and_what_is_allowed() {
        const KEYS: &str = "name, title, max_concurrent, max_file_size, large, memory, scratch_limit, env, envVars, guide";
        const SIZE: &str = "a size above 0, such as 200MB or 1.5GB";
        const MARK: &str = "a size above 0, such as 1.5GB, or a share of the budget above 0% and at most 100%";
        const SLOTS: &str = "a whole number from 1 to 64, or auto";
        const FROM: &str = "a height such as 1080p, or WIDTHxHEIGHT such as 1440x1080, each 16 to 16384";
        const NAME: &str = "1 to 32 of a-z, 0-9, `.`, `_` and `-`, starting with a letter or digit, not ending in .yaml";
        const VALUE: &str = "text, a number or true/false, at most 4096 bytes, without control characters";
        for (from, to, message, allowed) in [
            ("max_concurrent", "max_concurent", "5:1: max_concurent: unknown key; did you mean `max_concurrent`?", KEYS),
            ("guide:", "colour:", "15:1: colour: unknown key", KEYS),
            (
                "  low_water",
                "  lowwater",
                "10:3: memory.lowwater: unknown key; did you mean `low_water`?",
                "budget, high_water, low_water, reserve",
            ),
            ("speed:", "sped:", "15:26: guide.sped: unknown key; did you mean `speed`?", "memory, speed, reliability"),
            ("name: balanced", "name: Balanced!", "3:7: name: `Balanced!` is not a name", NAME),
            ("name: balanced", "name: ../x", "3:7: name: `../x` is not a name", NAME),
            ("name: balanced", "name:", "3:5: name: an empty value is not allowed here", NAME),
            ("max_concurrent: 2", "max_concurrent: 0", "5:17: max_concurrent: 0 job slots", SLOTS),
            ("max_concurrent: 2", "max_concurrent: 65", "5:17: max_concurrent: 65 job slots", SLOTS),
            ("max_concurrent: 2", "max_concurrent: two", "5:17: max_concurrent: `two` is not allowed here", SLOTS),
            ("max_concurrent: 2", "max_concurrent: -1", "5:17: max_concurrent: `-1` is not allowed here", SLOTS),
            ("max_concurrent: 2", "max_concurrent: 1.5", "5:17: max_concurrent: `1.5` is not allowed here", SLOTS),
            ("max_concurrent: 2", "max_concurrent: [2]", "5:17: max_concurrent: a list is not allowed here", SLOTS),
            ("max_concurrent: 2", "max_concurrent: Auto", "5:17: max_concurrent: `Auto` is not allowed here", SLOTS),
            (
                "memory:\n",
                "large: 1080p\nmemory:\n",
                "7:8: large: `1080p` is not a mapping",
                "a mapping with the keys from, at_once",
            ),
            ("memory:\n", "large: { at_once: 1 }\nmemory:\n", "7:8: large.from: is missing", FROM),
            ("memory:\n", "large: { from: 4K }\nmemory:\n", "7:16: large.from: `4K` is not a size of pictures", FROM),
            ("memory:\n", "large: { from: 8p }\nmemory:\n", "7:16: large.from: `8p` is not a size of pictures", FROM),
            (
                "memory:\n",
                "large: { from: 1080p, at_once: 0 }\nmemory:\n",
                "7:32: large.at_once: 0 large jobs at once",
                "a whole number from 1 to 64",
            ),
            (
                "memory:\n",
                "large: { form: 1080p }\nmemory:\n",
                "7:10: large.form: unknown key; did you mean `from`?",
                "from, at_once",
            ),
            ("200MB      #", "200 parsecs #", "6:16: max_file_size: `200 parsecs` is not a size", SIZE),
            ("200MB      #", "0 #", "6:16: max_file_size: `0` is nothing at all", SIZE),
            ("200MB      #", "-5MB #", "6:16: max_file_size: `-5MB` is not a size", SIZE),
            (
                "low_water: 1.3GB",
                "low_water: 1.6GB",
                "10:14: memory.low_water: 1.6GB is above high_water (1.5GB)",
                "at most high_water, 1.5GB",
            ),
            (
                "low_water: 1.3GB",
                "low_water: 80%",
                "10:14: memory.low_water: 80% is above high_water (1.5GB)",
                "at most high_water, 1.5GB",
            ),
            ("high_water: 1.5GB", "high_water: 101%", "9:15: memory.high_water: 101% is outside 0 to 100 %", MARK),
            ("high_water: 1.5GB", "high_water: 0%", "9:15: memory.high_water: 0% is outside 0 to 100 %", MARK),
            ("high_water: 1.5GB", "high_water: -1%", "9:15: memory.high_water: `-1%` is not a share", MARK),
            ("high_water: 1.5GB", "high_water: 0.75", "9:15: memory.high_water: `0.75` has no unit; did you mean `75%`?", MARK),
            (
                "budget: 2GB",
                "budget: automatic",
                "8:11: memory.budget: `automatic` is not a size",
                "auto, or a size above 0, such as 2GB",
            ),
            ("budget: 2GB", "budget: 64MB", "9:15: memory.high_water: 1.5GB is above budget (64MB)", "at most the budget, 64MB"),
            (
                "memory:\n",
                "memory: much\nguide2:\n",
                "7:9: memory: `much` is not a mapping",
                "a mapping with the keys budget, high_water, low_water, reserve",
            ),
            (
                "scratch_limit: 2GB",
                "scratch_limit: 0",
                "12:16: scratch_limit: `0` is nothing at all",
                "a size above 0, such as 2GB, or none",
            ),
            ("\"100000\"", "", "14:25: env.MALLOC_TRIM_THRESHOLD_: an empty value is not allowed here", VALUE),
            ("\"100000\"", "\"a\\nb\"", "14:27: env.MALLOC_TRIM_THRESHOLD_: holds the control character U+000A", VALUE),
            ("\"100000\"", "[1]", "14:27: env.MALLOC_TRIM_THRESHOLD_: a list is not allowed here", VALUE),
            (
                "MALLOC_TRIM_THRESHOLD_",
                "LD_PRELOAD",
                "14:3: env.LD_PRELOAD: LD_PRELOAD can load foreign code into ffmpeg",
                VARIABLE,
            ),
            (
                "MALLOC_TRIM_THRESHOLD_",
                "FFREPORT",
                "14:3: env.FFREPORT: FFREPORT would make ffmpeg read or write further files",
                VARIABLE,
            ),
            ("MALLOC_TRIM_THRESHOLD_", "PATH", "14:3: env.PATH: PATH is set by plimsoll", VARIABLE),
            ("MALLOC_TRIM_THRESHOLD_", "A-B", "14:3: env.A-B: `A-B` is not a variable's name", VARIABLE),
        ] {
            let told = told(from, to);
            let first = told.lines().next().unwrap_or_default();
            assert_eq!(first, format!("p/x.yaml:{message}; allowed: {allowed}"), "{from} -> {to}");
        }
    }

    #[test]
    fn what_is_missing_is_told_and_what_has_a_default_may_be() {
        let told = parse(Path::new("x.yaml"), "title: nothing\n").expect_err("missing");
        let fields: Vec<&str> = told.iter().map(|mistake| mistake.field.as_str()).collect();
        assert_eq!(fields, ["name", "max_concurrent", "max_file_size"]);
        assert!(told.iter().all(|mistake| mistake.problem == "is missing" && mistake.line == 1 && !mistake.allowed.is_empty()));
        let empty = parse(Path::new("x.yaml"), "").expect_err("empty");
        assert!(empty[0].to_string().starts_with("x.yaml:1:1: the file is empty; allowed: "), "{}", empty[0]);

        let profile = minimal("").expect("valid");
        assert_eq!(profile.title, "1 at once, 1 MB");
        assert_eq!(profile.memory.high_water, Mark::Share(0.75));
        assert_eq!(mark_yaml(profile.memory.low_water), "65%");
        assert_eq!(profile.scratch_limit, None);
    }

    #[test]
    fn slots_may_be_left_to_the_box_and_large_pictures_may_take_turns() {
        let text = "name: x\nmax_concurrent: auto\nmax_file_size: 2GB\nlarge: { from: 1080p, at_once: 1 }\n";
        let profile = parse(Path::new("x.yaml"), text).expect("valid");
        assert_eq!((profile.max_concurrent, profile.short().as_str()), (Slots::Auto, "auto/2048"));
        assert_eq!(profile.title, "as many at once as fit, 2 GB");
        assert_eq!(profile.large, Some(LargeRule { from: Picture { width: 1920, height: 1080 }, at_once: 1 }));
        let exact = minimal("large: { from: 1440x1080 }\n").expect("valid").large.expect("a rule");
        assert_eq!((exact.from.pixels(), exact.at_once), (1440 * 1080, 1));
        assert_eq!(minimal("").expect("valid").large, None, "no rule unless one is given");
    }

    #[test]
    fn all_mistakes_of_a_file_are_told_in_its_order() {
        let text = "name: x\nmax_concurrent: 0\nmax_file_size: big\nmemory: { high_water: 2%%, low: 1 }\nenv: { LD_X: 1 }\n";
        let told = parse(Path::new("x.yaml"), text).expect_err("wrong");
        let fields: Vec<(usize, &str)> = told.iter().map(|mistake| (mistake.line, mistake.field.as_str())).collect();
        assert_eq!(
            fields,
            [(2, "max_concurrent"), (3, "max_file_size"), (4, "memory.high_water"), (4, "memory.low"), (5, "env.LD_X")]
        );
    }

    #[test]
    fn every_name_that_is_no_variable_is_told() {
        let text = "name: x\nmax_concurrent: 1\nmax_file_size: 1MB\nenv:\n  LD_PRELOAD: x\n  \"A B\": y\n  A-B: z\n  C D: 1\n";
        let told = parse(Path::new("x.yaml"), text).expect_err("wrong");
        let fields: Vec<(usize, &str)> = told.iter().map(|mistake| (mistake.line, mistake.field.as_str())).collect();
        assert_eq!(fields, [(5, "env.LD_PRELOAD"), (6, "env.A B"), (7, "env.A-B"), (8, "env.C D")]);
        assert_eq!(told[1].problem, "`A B` is not a variable's name");
    }

    #[test]
    fn the_environment_may_be_a_mapping_or_renders_list_and_values_need_no_quotes() {
        let mapping = minimal("env: { A: 100000, B: true, C: 1.50, D: 0x10 }\n").expect("mapping").env;
        let list = "- { key: A, value: 100000 }\n- { key: B, value: true }\n- { key: C, value: 1.50 }\n- { key: D, value: 0x10 }\n";
        assert_eq!(minimal(&format!("env:\n{list}")).expect("list").env, mapping);
        assert_eq!(minimal(&format!("envVars:\n{list}")).expect("list").env, mapping);
        let values: Vec<&str> = mapping.values().map(String::as_str).collect();
        assert_eq!(values, ["100000", "true", "1.50", "0x10"]);

        for (rest, told) in [
            ("env: [{ key: A }]\n", "x.yaml:4:7: env[0].value: is missing; allowed: "),
            (
                "env: [{ key: A, value: 1 }, { key: A, value: 2 }]\n",
                "x.yaml:4:36: env[1].key: A is given twice; allowed: each variable once",
            ),
            ("env: [{ key: LD_AUDIT, value: 1 }]\n", "x.yaml:4:14: env[0].key: LD_AUDIT can load foreign code"),
            ("env: [A]\n", "x.yaml:4:7: env[0]: `A` is not a mapping; allowed: a mapping with the keys key, value"),
            ("env: 1\n", "x.yaml:4:6: env: is neither a mapping nor a list; allowed: "),
            ("env: {}\nenvVars: []\n", "x.yaml:5:1: envVars: stands beside env"),
        ] {
            let refused = minimal(rest).expect_err(rest);
            assert!(refused.starts_with(told), "{refused}");
        }
    }

    #[test]
    fn marks_are_held_against_a_budget_that_is_named() {
        let own = minimal("memory: { budget: 1GB, high_water: 700MB, low_water: 600MB }\n").expect("valid").memory;
        assert_eq!(own.high_water.under(Bytes(GIB), own.meant_for()), Bytes(700 * MIB), "as it is written");
        assert!(minimal("memory: { budget: 2GB, high_water: 1.5GB, low_water: 70% }\n").is_ok());
        for (rest, told) in [
            (
                "memory: { budget: 2GB, high_water: 3GB, low_water: 1GB }\n",
                "x.yaml:4:36: memory.high_water: 3GB is above budget (2GB)",
            ),
            (
                "memory: { budget: 1GB, high_water: 3GB, low_water: 1GB }\n",
                "x.yaml:4:36: memory.high_water: 3GB is above budget (1GB)",
            ),
            (
                "memory: { budget: 1GB, high_water: 1.5GB, low_water: 1.3GB }\n",
                "x.yaml:4:36: memory.high_water: 1.5GB is above budget (1GB); allowed: at most the budget, 1GB",
            ),
            (
                "memory: { budget: 8GB, high_water: 1.5GB, low_water: 70% }\n",
                "x.yaml:4:54: memory.low_water: 70% is above high_water (1.5GB)",
            ),
            (
                "memory: { budget: 32MB }\n",
                "x.yaml:4:19: memory.budget: leaves nothing: reserve is 64MB and budget 32MB; allowed: a size above reserve",
            ),
            (
                "memory: { high_water: 1.5GB, low_water: 70% }\n",
                "x.yaml:4:41: memory.low_water: 70% of a large budget is above high_water (1.5GB); allowed: a size, as high_water is one; or \
                 high_water as a share too; or a budget in GB",
            ),
            (
                "memory: { reserve: 3GB }\n",
                "x.yaml:4:20: memory.reserve: leaves nothing below the line: reserve is 3GB and high_water 75%; allowed: less than high_water",
            ),
        ] {
            let refused = minimal(rest).expect_err(rest);
            assert!(refused.starts_with(told), "{refused}");
        }
    }

    #[test]
    fn text_from_a_file_is_made_safe_to_show() {
        assert_eq!(minimal("title: \"a\\e[31mb\"\n").expect("valid").title, "a␛[31mb");
    }

    fn profiles() -> impl Strategy<Value = Profile> {
        let size =
            prop_oneof![1..u64::from(u32::MAX), (1..4000_u64).prop_map(|mb| mb * MIB), (1..100_000_u64).prop_map(|kb| kb * KIB)];
        let marks = prop_oneof![
            (1..10_000_u32, 1..10_000_u32).prop_map(|(a, b)| {
                let share = |n: u32| Mark::Share(f64::from(n) / 100.0 / 100.0);
                (share(a.max(b)), share(a.min(b)))
            }),
            (size.clone(), size.clone()).prop_map(|(a, b)| (Mark::Bytes(Bytes(a.max(b))), Mark::Bytes(Bytes(a.min(b))))),
        ];
        let text = prop_oneof!["[ -~]{0,16}", "\\PC{0,16}", Just("yes".to_owned()), Just("0x1f".to_owned()), Just("~".to_owned())];
        let env = proptest::collection::btree_map(
            "X[A-Z_]{0,8}",
            text.clone().prop_filter("no control", |text| value_problem(text).is_none()),
            0..4,
        );
        let sizes = (size.clone(), size.clone(), proptest::option::of(size));
        let slots = prop_oneof![(1..=MAX_SLOTS).prop_map(Slots::Fixed), Just(Slots::Auto)];
        let picture =
            prop_oneof![SIDES.prop_map(Picture::of_height), (SIDES, SIDES).prop_map(|(width, height)| Picture { width, height })];
        let rule = proptest::option::of((picture, 1..=MAX_SLOTS).prop_map(|(from, at_once)| LargeRule { from, at_once }));
        ("[a-z0-9][a-z0-9_-]{0,31}", text.clone(), (slots, rule), marks, sizes, env, text)
            .prop_map(|(name, title, (max_concurrent, large), (high_water, low_water), (file, reserve, scratch), env, word)| {
                Profile {
                    name,
                    title: crate::domain::text::sanitise(title.as_bytes()),
                    max_concurrent,
                    max_file_size: Bytes(file),
                    large,
                    memory: MemoryMarks { budget: None, high_water, low_water, reserve: Bytes(reserve) },
                    scratch_limit: scratch.map(Bytes),
                    env,
                    guide: GuideWords {
                        memory: crate::domain::text::sanitise(word.as_bytes()).chars().take(16).collect(),
                        ..GuideWords::default()
                    },
                }
            })
            .prop_filter("the reserve leaves room", |profile| {
                profile.memory.reserve
                    < profile.memory.high_water.under(crate::domain::profile::REFERENCE_BUDGET, profile.memory.meant_for())
            })
    }

    /// Ways to spoil a profile, and some that leave it sound.
    const SPOILERS: &[fn(&mut Profile)] = &[
        |_| {},
        |profile| profile.name.push_str(".yaml"),
        |profile| profile.name.push('/'),
        |profile| profile.name = "a".repeat(33),
        |profile| profile.name.clear(),
        |profile| profile.title = "t".repeat(81),
        |profile| profile.title.push('\u{1b}'),
        |profile| profile.guide.speed = "s".repeat(17),
        |profile| profile.max_concurrent = Slots::Fixed(0),
        |profile| profile.max_concurrent = Slots::Fixed(65),
        |profile| profile.max_concurrent = Slots::Auto,
        |profile| profile.large = Some(LargeRule { from: Picture::of_height(1080), at_once: 0 }),
        |profile| profile.large = Some(LargeRule { from: Picture { width: 15, height: 1080 }, at_once: 1 }),
        |profile| profile.large = Some(LargeRule { from: Picture { width: 1920, height: 16_385 }, at_once: 1 }),
        |profile| profile.max_file_size = Bytes::ZERO,
        |profile| profile.scratch_limit = Some(Bytes::ZERO),
        |profile| std::mem::swap(&mut profile.memory.high_water, &mut profile.memory.low_water),
        |profile| profile.memory.low_water = Mark::Share(0.5),
        |profile| profile.memory.high_water = Mark::Share(1.0),
        |profile| profile.memory.budget = Some(Bytes::gib(2)),
        |profile| profile.memory.budget = Some(profile.memory.reserve),
        |profile| profile.memory.budget = Some(Bytes::gib(9)),
        |profile| profile.memory.budget = Some(Bytes::ZERO),
        |profile| drop(profile.env.insert("LD_PRELOAD".to_owned(), "x".to_owned())),
        |profile| drop(profile.env.insert("LC_ALL".to_owned(), "x".to_owned())),
        |profile| drop(profile.env.insert("9".to_owned(), "x".to_owned())),
        |profile| drop(profile.env.insert("X".to_owned(), "\u{7}".to_owned())),
        |profile| drop(profile.env.insert("X".to_owned(), "x".repeat(4097))),
        |profile| profile.env = (0..65).map(|at| (format!("X{at}"), "x".to_owned())).collect(),
    ];

    proptest! {
        #[test]
        fn a_profile_written_as_yaml_reads_back_the_same(profile in profiles()) {
            let yaml = to_yaml(&profile);
            let read = parse(Path::new("x.yaml"), &yaml);
            prop_assert_eq!(read.as_ref(), Ok(&profile), "{}", yaml);
        }

        #[test]
        fn whatever_is_changed_in_a_profile_its_own_check_and_the_reader_agree(profile in profiles(), spoilt in 0..SPOILERS.len()) {
            let mut profile = profile;
            SPOILERS[spoilt](&mut profile);
            let read = parse(Path::new("x.yaml"), &to_yaml(&profile));
            prop_assert_eq!(profile.check().is_ok(), read.as_ref() == Ok(&profile), "{:?}: {:?}", profile.check(), read);
        }

        #[test]
        fn a_mutated_profile_is_read_or_refused_with_a_reason(at in 0..BALANCED.len(), cut in 0..30_usize, put in "[-a-z0-9:{}\\[\\],&*!#|>'\"%@ \n\t\u{85}é\0]{0,6}") {
            let boundary = |mut at: usize| { while !BALANCED.is_char_boundary(at) { at += 1; } at };
            let (from, to) = (boundary(at), boundary((at + cut).min(BALANCED.len())));
            let text = format!("{}{put}{}", &BALANCED[..from], &BALANCED[to..]);
            if let Err(mistakes) = parse(Path::new("x.yaml"), &text) {
                prop_assert!(!mistakes.is_empty());
                for mistake in mistakes {
                    prop_assert!(mistake.line >= 1 && mistake.column >= 1 && !mistake.problem.is_empty() && !mistake.allowed.is_empty());
                    prop_assert!(mistake.line <= text.lines().count() + 1, "{mistake}");
                }
            }
        }
    }
}
