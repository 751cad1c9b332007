//! The settings file: every option that all commands which run jobs share, each of them optional.
//!
//! Knows what may be said; which of flag, environment and file wins is the command line's knowledge.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_yaml::Value;

use super::read::{Reader, Section};
use super::yaml::{ConfigError, Document, MAX_FILE, quoted, read_text};
use crate::domain::time::parse_duration;
use crate::domain::units::Bytes;

/// What the settings file says; a field that it does not name is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// Name or file of the profile.
    pub profile: Option<String>,
    /// Name or file of the preset.
    pub preset: Option<String>,
    /// Folder of the outputs.
    pub out: Option<PathBuf>,
    /// What may be used at most.
    pub budget: Option<BudgetChoice>,
    /// Put all outputs into the folder itself.
    pub flat: Option<bool>,
    /// Write over outputs that are there.
    pub overwrite: Option<bool>,
    /// Further tries of a failed job, 0 to 100.
    pub retries: Option<u32>,
    /// Longest run of one job; zero = no limit.
    pub timeout: Option<Duration>,
    /// Longest time without progress; zero = no limit.
    pub stall: Option<Duration>,
    /// How long a run without a screen waits for room on disk; zero = not at all.
    pub disk_wait: Option<Duration>,
    /// Folder of the queue's record.
    pub state_dir: Option<PathBuf>,
    /// The ffmpeg to run: a path, or a bare name to be looked for.
    pub ffmpeg: Option<PathBuf>,
    /// File of plimsoll's own log.
    pub log_file: Option<PathBuf>,
    /// When to use colours.
    pub color: Option<ColorChoice>,
    /// Only ASCII on the screen.
    pub ascii: Option<bool>,
    /// The linear mode for screen readers.
    pub plain: Option<bool>,
    /// False = the naive baseline, for comparison only.
    pub governor: Option<bool>,
    /// The console's palette.
    pub theme: Option<ThemeChoice>,
    /// Keys of the console in place of its own, in the order of the file. Which actions and keys there are is the
    /// console's knowledge.
    pub keys: Vec<KeySetting>,
}

/// The console's palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThemeChoice {
    /// Light text on a dark ground.
    Dark,
    /// Dark text on a light ground.
    Light,
    /// Strong colours, nothing dim.
    HighContrast,
    /// No colour.
    Mono,
}

impl std::str::FromStr for ThemeChoice {
    type Err = String;

    /// Reads `dark`, `light`, `high-contrast` or `mono`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "dark" => Ok(Self::Dark),
            "light" => Ok(Self::Light),
            "high-contrast" => Ok(Self::HighContrast),
            "mono" => Ok(Self::Mono),
            _ => Err(format!("unknown choice `{}`", quoted(text))),
        }
    }
}

/// The keys of one action, and where they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySetting {
    /// The action's name.
    pub action: String,
    /// Line and column of it.
    pub at: (usize, usize),
    /// Each key as it is written, with its line and column.
    pub keys: Vec<(String, (usize, usize))>,
}

impl KeySetting {
    /// A mistake in it, at its key number `key`, or at its action.
    pub fn mistake(&self, file: &Path, key: Option<usize>, problem: String, allowed: String) -> ConfigError {
        let (line, column) = key.and_then(|key| self.keys.get(key)).map_or(self.at, |(_, at)| *at);
        ConfigError { file: file.to_owned(), line, column, field: format!("keys.{}", self.action), problem, allowed }
    }
}

/// What the operator says of the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BudgetChoice {
    /// What the container allows, else what the machine has.
    Auto,
    /// At most this.
    Size(Bytes),
}

impl std::str::FromStr for BudgetChoice {
    type Err = String;

    /// Reads `auto` or a size that some job may fit in.
    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse::<Bytes>()) {
            ("auto", _) => Ok(Self::Auto),
            (_, Ok(size)) if size >= LEAST_BUDGET => Ok(Self::Size(size)),
            (_, Ok(_)) => Err(format!("`{}` is too little for any job", quoted(text))),
            (_, Err(_)) => Err(format!("`{}` is not a size", quoted(text))),
        }
    }
}

/// A budget that no job fits in is a slip of the pen.
const LEAST_BUDGET: Bytes = Bytes::mib(32);

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorChoice {
    /// Where the terminal can and `NO_COLOR` is not set.
    Auto,
    /// Always.
    Always,
    /// Never: the monochrome theme.
    Never,
}

impl std::str::FromStr for ColorChoice {
    type Err = String;

    /// Reads `auto`, `always` or `never`.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(format!("unknown choice `{}`", quoted(text))),
        }
    }
}

const KEYS: &[&str] = &[
    "profile",
    "preset",
    "out",
    "budget",
    "flat",
    "overwrite",
    "retries",
    "timeout",
    "stall",
    "disk_wait",
    "state_dir",
    "ffmpeg",
    "log_file",
    "color",
    "ascii",
    "plain",
    "governor",
    "theme",
    "keys",
];

/// Reads the settings at `file`: what is right in it, and every mistake. A file that is not there says nothing.
pub fn load(file: &Path) -> (Settings, Vec<ConfigError>) {
    match std::fs::symlink_metadata(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => (Settings::default(), Vec::new()),
        _ => match read_text(file, MAX_FILE) {
            Ok(text) => read(file, &text),
            Err(error) => (Settings::default(), vec![error]),
        },
    }
}

/// Reads settings. Relative paths are taken from the folder of `file`; an `ffmpeg`, a `profile` or a `preset` without a
/// slash stays a name.
///
/// # Errors
/// Every mistake of the file, in its order; only the first where it is no YAML or was refused by the guard.
pub fn parse(file: &Path, text: &str) -> Result<Settings, Vec<ConfigError>> {
    match read(file, text) {
        (settings, mistakes) if mistakes.is_empty() => Ok(settings),
        (_, mistakes) => Err(mistakes),
    }
}

fn read(file: &Path, text: &str) -> (Settings, Vec<ConfigError>) {
    let document = match Document::read(file, text) {
        Ok(document) => document,
        Err(error) => return (Settings::default(), vec![error]),
    };
    // Nothing said, as in a file of comments, is nothing wrong.
    if document.root().is_null() {
        return (Settings::default(), Vec::new());
    }
    let mut reader = Reader::new(&document);
    let folder = file.parent().unwrap_or(Path::new(""));
    let read = reader.document(KEYS).map(|root| settings(&mut reader, &root, folder));
    (read.unwrap_or_default(), reader.mistakes())
}

fn settings<'d>(reader: &mut Reader<'d>, root: &Section<'d>, folder: &Path) -> Settings {
    const DURATION: &str = "a duration such as 90s, 5m or 1h30m; 0 = no limit";
    let duration = |text: &str| parse_duration(text).map_err(|_| format!("`{}` is not a duration", quoted(text)));
    let in_folder = |text: &str| path(text).map(|path| folder.join(path));
    let name_or_file = |text: &str| {
        let given = path(text)?;
        // Written text joined to a folder that is no UTF-8 could not be kept as text; such a folder is left off.
        let joined = if text.contains('/') { folder.join(&given) } else { given };
        Ok(joined.to_str().unwrap_or(text).to_owned())
    };
    let mut flag = |key: &str| reader.typed::<bool>(root, key, "true or false", |_| Ok(()));
    let (flat, overwrite, ascii) = (flag("flat"), flag("overwrite"), flag("ascii"));
    let (plain, governor) = (flag("plain"), flag("governor"));
    let keys = keys(reader, root);
    Settings {
        keys,
        theme: reader.parsed(root, "theme", "dark, light, high-contrast or mono", str::parse),
        profile: reader.parsed(root, "profile", "a profile's name or file", name_or_file),
        preset: reader.parsed(root, "preset", "a preset's name or file", name_or_file),
        out: reader.parsed(root, "out", PATH, in_folder),
        budget: reader.parsed(root, "budget", "auto, or a size of 32MB or more, such as 2GB", str::parse),
        flat,
        overwrite,
        retries: reader.typed::<u32>(root, "retries", "a whole number from 0 to 100", |retries| {
            if *retries <= 100 { Ok(()) } else { Err(format!("{retries} further tries")) }
        }),
        timeout: reader.parsed(root, "timeout", DURATION, duration),
        stall: reader.parsed(root, "stall", DURATION, duration),
        disk_wait: reader.parsed(root, "disk_wait", "a duration such as 90s, 5m or 1h30m; 0 = not at all", duration),
        state_dir: reader.parsed(root, "state_dir", PATH, in_folder),
        ffmpeg: reader.parsed(root, "ffmpeg", PATH, |text| if text.contains('/') { in_folder(text) } else { path(text) }),
        log_file: reader.parsed(root, "log_file", PATH, in_folder),
        color: reader.parsed(root, "color", "auto, always or never", str::parse),
        ascii,
        plain,
        governor,
    }
}

/// `keys: { cancel: X, profile: [p, P] }`.
fn keys<'d>(reader: &mut Reader<'d>, root: &Section<'d>) -> Vec<KeySetting> {
    const KEY: &str = "a key such as x, ^x, space or f5, or a list of keys";
    let Some(section) = reader.mapping(root, "keys", "a mapping of actions to keys, such as cancel: X") else { return Vec::new() };
    let actions: Vec<String> = section.keys().map(str::to_owned).collect();
    let mut settings = Vec::new();
    for action in actions {
        let path = section.path_of(&action);
        let mut keys = Vec::new();
        let items: Vec<(String, &Value)> = match reader.raw(&section, &action) {
            Some(Value::Sequence(items)) => items.iter().enumerate().map(|(at, value)| (format!("{path}[{at}]"), value)).collect(),
            Some(value) => vec![(path.clone(), value)],
            None => continue,
        };
        for (path, value) in items {
            if let Some(key) = reader.parsed_at(&path, value, KEY, |text| Ok::<_, String>(text.to_owned())) {
                keys.push((key, reader.place(&path).value));
            }
        }
        settings.push(KeySetting { at: reader.place(&path).key, action, keys });
    }
    settings
}

const PATH: &str = "a path written in full, or relative to the folder of this file";

/// A path; `~` is a shell's word and would become a folder of that name here.
pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("is empty".to_owned());
    }
    if text.contains('\0') {
        return Err("holds a NUL".to_owned());
    }
    if text == "~" || text.starts_with("~/") {
        return Err(format!("`{}`: the ~ of a shell is not known here", quoted(text)));
    }
    Ok(PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_can_be_set_and_none_has_to_be() {
        let text = "profile: safe\npreset: ./mine.yaml\nout: films\nbudget: 1.5GB\nflat: true\noverwrite: true\nretries: 2\ntimeout: 1h30m\nstall: 90\ndisk_wait: 5m\n\
                    state_dir: /var/lib/plimsoll\nffmpeg: ffmpeg5\nlog_file: logs/x.log\ncolor: never\nascii: true\nplain: false\ngovernor: false\ntheme: high-contrast\nkeys:\n  cancel: X\n  help: [\"?\", 7]\n";
        let settings = parse(Path::new("/etc/p/settings.yaml"), text).expect("valid");
        let expected = Settings {
            profile: Some("safe".to_owned()),
            preset: Some("/etc/p/./mine.yaml".to_owned()),
            out: Some("/etc/p/films".into()),
            budget: Some(BudgetChoice::Size(Bytes::mib(1536))),
            flat: Some(true),
            overwrite: Some(true),
            retries: Some(2),
            timeout: Some(Duration::from_mins(90)),
            stall: Some(Duration::from_secs(90)),
            disk_wait: Some(Duration::from_mins(5)),
            state_dir: Some("/var/lib/plimsoll".into()),
            ffmpeg: Some("ffmpeg5".into()),
            log_file: Some("/etc/p/logs/x.log".into()),
            color: Some(ColorChoice::Never),
            ascii: Some(true),
            plain: Some(false),
            governor: Some(false),
            theme: Some(ThemeChoice::HighContrast),
            keys: vec![
                KeySetting { action: "cancel".to_owned(), at: (20, 3), keys: vec![("X".to_owned(), (20, 11))] },
                KeySetting {
                    action: "help".to_owned(),
                    at: (21, 3),
                    keys: vec![("?".to_owned(), (21, 10)), ("7".to_owned(), (21, 15))],
                },
            ],
        };
        assert_eq!(settings, expected);
        for nothing in ["", "# nothing yet\n", "{}\n"] {
            assert_eq!(parse(Path::new("s.yaml"), nothing), Ok(Settings::default()), "{nothing}");
        }
        assert_eq!(load(Path::new("/nowhere/at/all.yaml")), (Settings::default(), Vec::new()));
    }

    #[test]
    fn each_mistake_is_told_with_its_place_its_field_and_what_is_allowed() {
        for (text, message) in [
            (
                "colour: never",
                "1:1: colour: unknown key; did you mean `color`?; allowed: profile, preset, out, budget, flat, overwrite, retries, timeout, stall, disk_wait, state_dir, ffmpeg, log_file, color, ascii, plain, governor, theme, keys",
            ),
            ("color: pink", "1:8: color: unknown choice `pink`; allowed: auto, always or never"),
            ("budget: 0", "1:9: budget: `0` is too little for any job; allowed: auto, or a size of 32MB or more, such as 2GB"),
            (
                "budget: 10MB",
                "1:9: budget: `10MB` is too little for any job; allowed: auto, or a size of 32MB or more, such as 2GB",
            ),
            ("retries: 101", "1:10: retries: 101 further tries; allowed: a whole number from 0 to 100"),
            ("overwrite: yes", "1:12: overwrite: `yes` is not allowed here; allowed: true or false"),
            ("stall: soon", "1:8: stall: `soon` is not a duration; allowed: a duration such as 90s, 5m or 1h30m; 0 = no limit"),
            (
                "out: ~/films",
                "1:6: out: `~/films`: the ~ of a shell is not known here; allowed: a path written in full, or relative to the folder of this file",
            ),
            ("out: \"\"", "1:6: out: is empty; allowed: a path written in full, or relative to the folder of this file"),
            (
                "- a",
                "1:1: the file is not a mapping; allowed: `key: value` lines; the keys are profile, preset, out, budget, flat, overwrite, retries, timeout, stall, disk_wait, state_dir, ffmpeg, log_file, color, ascii, plain, governor, theme, keys",
            ),
            ("theme: pink", "1:8: theme: unknown choice `pink`; allowed: dark, light, high-contrast or mono"),
            ("keys: [a]", "1:7: keys: a list is not a mapping; allowed: a mapping of actions to keys, such as cancel: X"),
            (
                "keys: { cancel: [x, {}] }",
                "1:21: keys.cancel[1]: a mapping is not allowed here; allowed: a key such as x, ^x, space or f5, or a list of keys",
            ),
        ] {
            let told = parse(Path::new("s.yaml"), text).expect_err(text);
            assert_eq!(super::super::search::lines(&told), format!("s.yaml:{message}"));
        }
    }
}
