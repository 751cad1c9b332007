//! A profile from YAML, every mistake named, and back to YAML.
//!
//! Knows what a profile may say. Knows nothing of where profiles lie or of the memory there is.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_yaml::Value;

use super::read::{NAME_RULE, Reader, Section, check_name};
use super::yaml::{ConfigError, Document, quoted};
use crate::domain::profile::{GuideWords, Mark, MemoryMarks, Profile, REFERENCE_BUDGET};
use crate::domain::units::{Bytes, GIB, KIB, MIB};

/// Keys of a profile.
const KEYS: &[&str] = &["name", "title", "max_concurrent", "max_file_size", "memory", "scratch_limit", "env", "envVars", "guide"];
const MEMORY_KEYS: &[&str] = &["budget", "high_water", "low_water", "reserve"];
const GUIDE_KEYS: &[&str] = &["memory", "speed", "reliability"];
/// Most job slots.
const MAX_SLOTS: u32 = 64;
/// High-water mark of a profile that names none: the guide's 1.5 of 2 GB.
const DEFAULT_HIGH_WATER: Mark = Mark::Share(0.75);
/// Low-water mark of a profile that names none, as a share of the high-water mark: 1.3 of 1.5 GB.
const DEFAULT_LOW_OF_HIGH: f64 = 13.0 / 15.0;
/// What is kept for the console and sshd if the profile does not say.
const DEFAULT_RESERVE: Bytes = Bytes::mib(64);
/// Most variables of an environment, and most bytes of one value.
const MAX_VARIABLES: usize = 64;
const MAX_VALUE: usize = 4096;

/// Reads a profile.
///
/// # Errors
/// Every mistake of the file, in its order; only the first where it is no YAML or was refused by the guard.
pub fn parse(file: &Path, text: &str) -> Result<Profile, Vec<ConfigError>> {
    let document = Document::read(file, text).map_err(|error| vec![error])?;
    let mut reader = Reader::new(&document);
    let read = reader.document(KEYS).and_then(|root| profile(&mut reader, &root));
    reader.finish(read)
}

fn profile<'d>(reader: &mut Reader<'d>, root: &Section<'d>) -> Option<Profile> {
    reader.require(root, "name", NAME_RULE);
    let name = reader.parsed(root, "name", NAME_RULE, check_name);
    let title = reader.line(root, "title", 80);

    let slots = format!("a whole number from 1 to {MAX_SLOTS}");
    reader.require(root, "max_concurrent", &slots);
    let max_concurrent = reader.typed::<u32>(root, "max_concurrent", &slots, |slots| {
        if (1..=MAX_SLOTS).contains(slots) { Ok(()) } else { Err(format!("{slots} job slots")) }
    });

    reader.require(root, "max_file_size", SIZE);
    let max_file_size = reader.parsed(root, "max_file_size", SIZE, some_size);
    let memory = memory(reader, root);
    let limit = reader.parsed(root, "scratch_limit", "a size above 0, such as 2GB, or none", |text| {
        if text == "none" { Ok(None) } else { some_size(text).map(Some) }
    });
    let scratch_limit = if root.has("scratch_limit") { limit } else { Some(None) };
    let env = environment(reader, root);
    let guide = guide(reader, root);

    let (max_concurrent, max_file_size) = (max_concurrent?, max_file_size?);
    Some(Profile {
        name: name?,
        title: title.unwrap_or_else(|| format!("{max_concurrent} at once, {max_file_size}")),
        max_concurrent,
        max_file_size,
        memory: memory?,
        scratch_limit: scratch_limit?,
        env,
        guide,
    })
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

/// A mark: a size, or a share written `75%`.
fn mark(text: &str) -> Result<Mark, String> {
    let Some(percent) = text.trim().strip_suffix('%') else {
        return some_size(text).map(Mark::Bytes).map_err(|problem| {
            // 0.75 reads as a number of bytes; a share was meant.
            match text.trim().parse::<f64>() {
                Ok(share) if share > 0.0 && share <= 1.0 => format!("{problem}; did you mean `{}%`?", share * 100.0),
                _ => problem,
            }
        });
    };
    let plain = percent.trim();
    let digits = plain.chars().all(|c| c.is_ascii_digit() || c == '.');
    match plain.parse::<f64>() {
        Ok(percent) if digits && percent > 0.0 && percent <= 100.0 => Ok(Mark::Share(percent / 100.0)),
        Ok(_) if digits => Err(format!("{}% is outside 0 to 100 %", quoted(plain))),
        _ => Err(format!("`{}` is not a share", quoted(text))),
    }
}

fn memory<'d>(reader: &mut Reader<'d>, root: &Section<'d>) -> Option<MemoryMarks> {
    const MARK: &str = "a size above 0, such as 1.5GB, or a share of the budget above 0% and at most 100%";
    let default = MemoryMarks {
        budget: None,
        high_water: DEFAULT_HIGH_WATER,
        low_water: low_of(DEFAULT_HIGH_WATER),
        reserve: DEFAULT_RESERVE,
    };
    if !root.has("memory") {
        return Some(default);
    }
    let section = reader.section(root, "memory", MEMORY_KEYS)?;
    let budget = reader.parsed(&section, "budget", "auto, or a size above 0, such as 2GB", |text| {
        if text == "auto" { Ok(None) } else { some_size(text).map(Some) }
    });
    let high = reader.parsed(&section, "high_water", MARK, mark);
    let low = reader.parsed(&section, "low_water", MARK, mark);
    let reserve = reader.parsed(&section, "reserve", "a size, such as 64MB", |text| {
        text.parse::<Bytes>().map_err(|_| format!("`{}` is not a size", quoted(text)))
    });
    // A field that is there but wrong has been told of; comparing its neighbours with a default would only confuse.
    let given = |key: &str, good: bool| good || !section.has(key);
    let whole = given("budget", budget.is_some())
        && given("high_water", high.is_some())
        && given("low_water", low.is_some())
        && given("reserve", reserve.is_some());
    if !whole {
        return None;
    }
    let high_water = high.unwrap_or(default.high_water);
    let marks = MemoryMarks {
        budget: budget.flatten(),
        high_water,
        low_water: low.unwrap_or_else(|| low_of(high_water)),
        reserve: reserve.unwrap_or(default.reserve),
    };
    compare(reader, &section, &marks);
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
fn compare<'d>(reader: &mut Reader<'d>, section: &Section<'d>, marks: &MemoryMarks) {
    let basis = marks.budget.unwrap_or(REFERENCE_BUDGET);
    let (high, low) = (marks.high_water, marks.low_water);
    // Up to 2 GB both kinds of mark shrink alike, so two budgets tell for all of them: 2 GB and the one that is named.
    let above = [REFERENCE_BUDGET.min(basis), basis].into_iter().any(|budget| low.under(budget) > high.under(budget));
    if above {
        let problem = format!("{} is above high_water ({})", mark_yaml(low), mark_yaml(high));
        reader.wrong("memory.low_water", &problem, &format!("at most high_water, {}", mark_yaml(high)));
    } else if marks.budget.is_none() && matches!((low, high), (Mark::Share(_), Mark::Bytes(_))) {
        let problem = format!("{} of a large budget is above high_water ({})", mark_yaml(low), mark_yaml(high));
        reader.wrong("memory.low_water", &problem, "a size, as high_water is one; or high_water as a share too; or a budget in GB");
    }
    let Some(budget) = marks.budget else { return };
    let (key, size) = if section.has("high_water") { ("high_water", high.under(budget)) } else { ("budget", high.under(budget)) };
    if size > budget {
        let problem = format!("{} is above budget ({})", mark_yaml(high), size_yaml(budget));
        reader.wrong(&section.path_of(key), &problem, &format!("at most the budget, {}", size_yaml(budget.max(REFERENCE_BUDGET))));
    }
    if marks.reserve >= budget {
        let problem = format!("leaves nothing: reserve is {} and budget {}", size_yaml(marks.reserve), size_yaml(budget));
        let key = if section.has("reserve") { "reserve" } else { "budget" };
        let allowed = if key == "reserve" { "a size below budget" } else { "a size above reserve" };
        reader.wrong(&section.path_of(key), &problem, allowed);
    }
}

fn guide<'d>(reader: &mut Reader<'d>, root: &Section<'d>) -> GuideWords {
    let Some(section) = reader.section(root, "guide", GUIDE_KEYS) else { return GuideWords::default() };
    let mut word = |key: &str| reader.line(&section, key, 16).unwrap_or_default();
    GuideWords { memory: word("memory"), speed: word("speed"), reliability: word("reliability") }
}

/// The children's environment: a mapping, or Render's list of `{key, value}`, under `env` or `envVars`.
fn environment<'d>(reader: &mut Reader<'d>, root: &Section<'d>) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let key = if root.has("env") { "env" } else { "envVars" };
    if root.has("env") && root.has("envVars") {
        reader.wrong_key("envVars", "stands beside env, which says the same", "one of env and envVars");
    }
    let Some(value) = reader.raw(root, key) else { return env };
    match value {
        Value::Mapping(_) => {
            let Some(section) = reader.mapping(root, key, ENV_FORM) else { return env };
            let names: Vec<String> = section.keys().map(str::to_owned).collect();
            for name in names {
                if let Err(problem) = check_variable(&name) {
                    reader.wrong_key(&section.path_of(&name), &problem, VARIABLE);
                    continue;
                }
                if let Some(value) = reader.parsed(&section, &name, VALUE, check_value) {
                    env.insert(name, value);
                }
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                let Some(entry) = reader.item(key, index, item, &["key", "value"]) else { continue };
                reader.require(&entry, "key", VARIABLE);
                reader.require(&entry, "value", VALUE);
                let name = reader.parsed(&entry, "key", VARIABLE, |name| check_variable(name).map(|()| name.to_owned()));
                let value = reader.parsed(&entry, "value", VALUE, check_value);
                let (Some(name), Some(value)) = (name, value) else { continue };
                if env.contains_key(&name) {
                    reader.wrong(&entry.path_of("key"), &format!("{name} is given twice"), "each variable once");
                }
                env.insert(name, value);
            }
        }
        _ => reader.wrong(key, "is neither a mapping nor a list", ENV_FORM),
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
    if text.len() > MAX_VALUE {
        return Err(format!("has {} bytes", text.len()));
    }
    if let Some(c) = text.chars().find(|c| c.is_control()) {
        return Err(format!("holds the control character U+{:04X}", u32::from(c)));
    }
    Ok(text.to_owned())
}

/// Refuses what is no variable, and what would change which program runs or let it read or write files of its own choice.
fn check_variable(name: &str) -> Result<(), String> {
    let form = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.len() <= 128
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !form {
        return Err(format!("`{}` is not a variable's name", quoted(name)));
    }
    const LOADS_CODE: &[&str] =
        &["LD_", "DYLD_", "GCONV_", "OPENSSL_", "LIBVA_", "VDPAU_", "OCL_", "VK_", "FREI0R_", "LADSPA_", "LV2_"];
    if LOADS_CODE.iter().any(|prefix| name.starts_with(prefix)) {
        return Err(format!("{name} can load foreign code into ffmpeg"));
    }
    match name {
        "PATH" | "HOME" | "TMPDIR" => Err(format!("{name} is set by plimsoll")),
        "LANG" | "LANGUAGE" => Err(format!("{name} would change the words that plimsoll reads")),
        _ if name.starts_with("LC_") => Err(format!("{name} would change the words that plimsoll reads")),
        "FFREPORT" | "MALLOC_TRACE" | "FFMPEG_DATADIR" | "FONTCONFIG_FILE" | "FONTCONFIG_PATH" => {
            Err(format!("{name} would make ffmpeg read or write further files"))
        }
        "BASH_ENV" | "ENV" | "IFS" | "SHELLOPTS" | "PS4" => Err(format!("{name} would run commands in shells")),
        "AV_LOG_FORCE_COLOR" => Err(format!("{name} would put control characters into the log")),
        _ => Ok(()),
    }
}

/// The profile as YAML that [`parse`] reads back to the same profile.
pub fn to_yaml(profile: &Profile) -> String {
    let budget = profile.memory.budget.map_or_else(|| "auto".to_owned(), size_yaml);
    let scratch = profile.scratch_limit.map_or_else(|| "none".to_owned(), size_yaml);
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "name: {}\ntitle: {}\nmax_concurrent: {}\nmax_file_size: {}\nmemory:\n  budget: {budget}\n  high_water: {}\n  \
         low_water: {}\n  reserve: {}\nscratch_limit: {scratch}\n",
        text_yaml(&profile.name),
        text_yaml(&profile.title),
        profile.max_concurrent,
        size_yaml(profile.max_file_size),
        mark_yaml(profile.memory.high_water),
        mark_yaml(profile.memory.low_water),
        size_yaml(profile.memory.reserve),
    );
    out.push_str(if profile.env.is_empty() { "env: {}\n" } else { "env:\n" });
    for (name, value) in &profile.env {
        let _ = writeln!(out, "  {}: {}", text_yaml(name), text_yaml(value));
    }
    let words = &profile.guide;
    let _ = writeln!(
        out,
        "guide:\n  memory: {}\n  speed: {}\n  reliability: {}",
        text_yaml(&words.memory),
        text_yaml(&words.speed),
        text_yaml(&words.reliability)
    );
    out
}

/// A text as a YAML value: plain where that is unmistakable, else in double quotes.
pub(crate) fn text_yaml(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' '))
        && !text.ends_with(' ')
        && matches!(serde_yaml::from_str::<Value>(text), Ok(Value::String(read)) if read == text)
        && !matches!(text.to_ascii_lowercase().as_str(), "y" | "n" | "yes" | "no" | "on" | "off");
    if plain {
        return text.to_owned();
    }
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\u{20}'..='\u{7e}' => out.push(c),
            '\u{a1}'..='\u{d7ff}' if !matches!(c, '\u{ad}' | '\u{2028}' | '\u{2029}') => out.push(c),
            _ => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
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
