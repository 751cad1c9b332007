//! The settings: every option that all commands which run jobs share, on the command line, in the environment and in
//! `settings.yaml`. One entry of the table below is all that a setting needs.
//!
//! The file is long because the table is one: a setting split over two files would be two places to keep in step.
//!
//! Knows what may be said and which of several that say something wins; where the file lies is the caller's knowledge.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueHint;
use clap::builder::{PathBufValueParser, PossibleValuesParser, StringValueParser, TypedValueParser as _, ValueParser};
use serde::de::{Error as _, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::de::by_text;
use super::read::{NO_TILDE, Reader, has_tilde, name_beside, path};
use super::spell::nearest;
use super::watch::{self, WatchSetting};
use super::yaml::{ConfigError, Document, MAX_FILE, join, quoted, read_text};
use crate::domain::hook::HookAction;
use crate::domain::screen::{ColorChoice, ThemeName};
use crate::domain::text::path_text;
use crate::domain::time::{parse_duration, span_words};
use crate::domain::units::Bytes;

/// Declares the settings: help text, what clap is to know beside the name, for the file what differs there, name, kind, and
/// the value where nobody says anything; without that one it may stay unsaid.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ #[arg($($arg:tt)*)] $(#[serde($($serde:tt)*)])? $name:ident: $kind:ty $(= $default:expr)?;)*) => {
        /// What one place says: the command line with the environment, or the settings file. `None` = nothing.
        #[derive(Debug, Clone, Default, PartialEq, clap::Args, Deserialize)]
        #[command(next_help_heading = "Options of all commands that run jobs")]
        #[serde(default)]
        pub struct Settings {
            $(
                $(#[doc = $doc])+
                #[arg(long, global = true, value_parser = <$kind as Setting>::parser(), $($arg)*)]
                #[serde(deserialize_with = "from_file" $(, $($serde)*)?)]
                pub $name: Option<$kind>,
            )*
            /// Who asks for `--budget`, in words; given by a comparison to the plimsolls that it starts.
            #[arg(long, global = true, hide = true, value_name = "WORDS", allow_hyphen_values = true)]
            #[serde(skip)]
            pub budget_source: Option<String>,
            /// Keys of the console in place of its own, in the order of the file. Which actions and keys there are is the
            /// console's knowledge.
            #[arg(skip)]
            #[serde(deserialize_with = "keys")]
            pub keys: Vec<KeySetting>,
            /// A server runs this when a job is done: the program and its arguments; none = nothing is run.
            #[arg(skip)]
            #[serde(deserialize_with = "hook")]
            pub on_done: Option<HookAction>,
            /// The same when a job has failed.
            #[arg(skip)]
            #[serde(deserialize_with = "hook")]
            pub on_failed: Option<HookAction>,
            /// The same when nothing is at work and nothing waits any more.
            #[arg(skip)]
            #[serde(deserialize_with = "hook")]
            pub on_idle: Option<HookAction>,
            /// The same when a warning sign is seen.
            #[arg(skip)]
            #[serde(deserialize_with = "hook")]
            pub on_warning: Option<HookAction>,
            /// A server watches these folders for files to come.
            #[arg(skip)]
            #[serde(deserialize_with = "watch::list")]
            pub watch: Vec<WatchSetting>,
        }

        /// Every setting with its value in force.
        #[allow(clippy::struct_excessive_bools)] // independent settings, each with its own meaning
        #[derive(Debug, Clone)]
        pub struct InForce {
            $($(#[doc = $doc])+ pub $name: in_force!($kind $(, $default)?),)*
        }

        impl Settings {
            /// The same with paths taken from `folder`.
            fn beside(self, folder: &Path) -> Self {
                Self { $($name: self.$name.map(|value| value.beside(folder)),)* ..self }
            }

            /// The values in force: what was given, else what the file says, else the default. `origin` is told the name of each,
            /// whether it was given or was in the file, and how it is shown.
            pub fn merge(given: Self, file: Self, mut origin: impl FnMut(&'static str, Layer, String)) -> InForce {
                let mut note = |name, layer, shown| origin(name, layer, shown);
                InForce {
                    $($name: in_force!(note, $name, given, file $(, $default)?),)*
                }
            }
        }
    };
}

/// The type, and the choice, of a setting in force.
macro_rules! in_force {
    ($kind:ty) => { Option<$kind> };
    ($kind:ty, $default:expr) => { $kind };
    ($note:ident, $name:ident, $given:ident, $file:ident) => {
        pick(&mut $note, stringify!($name), $given.$name.map(Some), $file.$name.map(Some), || None)
    };
    ($note:ident, $name:ident, $given:ident, $file:ident, $default:expr) => {
        pick(&mut $note, stringify!($name), $given.$name, $file.$name, || $default)
    };
}

settings! {
    /// The profile: a name (see `plimsoll profiles`) or a file [default: balanced].
    #[arg(short, value_name = "NAME|FILE", env = "PLIMSOLL_PROFILE")]
    profile: String = DEFAULT_PROFILE.to_owned();
    /// The preset: a name (see `plimsoll presets`) or a file [default: web-720p].
    #[arg(value_name = "NAME|FILE", env = "PLIMSOLL_PRESET")]
    preset: String = DEFAULT_PRESET.to_owned();
    /// Where outputs go [default: plimsoll-out].
    #[arg(short, value_name = "DIR", env = "PLIMSOLL_OUT", value_hint = ValueHint::DirPath)]
    out: PathBuf = "plimsoll-out".into();
    /// Put all outputs into that folder itself, without the folders that their inputs lie in.
    #[arg(env = "PLIMSOLL_FLAT", num_args = 0..=1, require_equals = true, default_missing_value = "yes", value_name = "yes|no")]
    flat: bool = false;
    /// Memory to use at most: a size such as 1.5GB, or auto = what the container or the machine has [default: the profile's].
    #[arg(value_name = "SIZE|auto", env = "PLIMSOLL_BUDGET")]
    budget: BudgetChoice;
    /// Replace outputs that are there.
    #[arg(env = "PLIMSOLL_OVERWRITE", num_args = 0..=1, require_equals = true, default_missing_value = "yes", value_name = "yes|no")]
    overwrite: bool = false;
    /// Further tries after a failure that may pass [default: 2].
    #[arg(value_name = "N", env = "PLIMSOLL_RETRIES", allow_negative_numbers = true)]
    retries: Retries = Retries(2);
    /// A job may run this long, e.g. 30m; 0 = as long as it wants [default: 0].
    #[arg(value_name = "DUR", env = "PLIMSOLL_TIMEOUT")]
    timeout: TimeLimit = TimeLimit(Duration::ZERO);
    /// A job may go this long without progress, CPU use and growth; 0 = as long as it wants [default: 60s].
    #[arg(value_name = "DUR", env = "PLIMSOLL_STALL")]
    stall: TimeLimit = TimeLimit(Duration::from_mins(1));
    /// A run without a screen that can start nothing for want of room on disk, or because its inputs cannot be reached, with nothing at
    /// work, ends after this long and keeps its queue; 0 = at once [default: 10m].
    #[arg(value_name = "DUR", env = "PLIMSOLL_DISK_WAIT")]
    disk_wait: Wait = Wait(Duration::from_mins(10));
    /// Where the record and the logs are kept [default: `$XDG_STATE_HOME/plimsoll`, else the nearest place that can be written].
    #[arg(value_name = "DIR", env = "PLIMSOLL_STATE_DIR", value_hint = ValueHint::DirPath)]
    state_dir: PathBuf;
    /// The ffmpeg to use, or the folder it is in.
    #[arg(value_name = "PATH", env = "PLIMSOLL_FFMPEG", value_hint = ValueHint::AnyPath)]
    ffmpeg: PathBuf;
    /// Also write log lines to this file.
    #[arg(value_name = "FILE", env = "PLIMSOLL_LOG_FILE", value_hint = ValueHint::FilePath)]
    log_file: PathBuf;
    /// When to use colours [default: auto].
    #[arg(value_name = "WHEN", env = "PLIMSOLL_COLOR")]
    color: ColorChoice = ColorChoice::Auto;
    /// The console's colours [default: dark].
    #[arg(value_name = "THEME", env = "PLIMSOLL_THEME")]
    theme: ThemeName = ThemeName::Dark;
    /// Draw with ASCII characters only.
    #[arg(env = "PLIMSOLL_ASCII", num_args = 0..=1, require_equals = true, default_missing_value = "yes", value_name = "yes|no")]
    ascii: bool = false;
    /// Plain lines instead of the screen, for screen readers.
    #[arg(env = "PLIMSOLL_PLAIN", num_args = 0..=1, require_equals = true, default_missing_value = "yes", value_name = "yes|no")]
    plain: bool = false;
    /// The naive baseline: slots and sizes only, no cleanups. For comparison.
    #[arg(env = "PLIMSOLL_NO_GOVERNOR", num_args = 0..=1, require_equals = true, default_missing_value = "yes", value_name = "yes|no")]
    no_governor: bool = false;
}

/// The profile where nobody names one.
pub const DEFAULT_PROFILE: &str = "balanced";
/// The preset where nobody names one.
pub const DEFAULT_PRESET: &str = "web-720p";

/// Who has said the value in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// The command line or the environment.
    Given,
    File,
    /// Nobody.
    Default,
}

fn pick<T: Shown>(
    note: &mut impl FnMut(&'static str, Layer, String),
    name: &'static str,
    given: Option<T>,
    file: Option<T>,
    default: impl FnOnce() -> T,
) -> T {
    let (value, layer) = match (given, file) {
        (Some(value), _) => (value, Layer::Given),
        (None, Some(value)) => (value, Layer::File),
        (None, None) => (default(), Layer::Default),
    };
    note(name, layer, value.shown());
    value
}

/// A value in words, as `doctor` shows it.
trait Shown {
    fn shown(&self) -> String;
}

impl<T: Shown> Shown for Option<T> {
    fn shown(&self) -> String {
        self.as_ref().map_or_else(|| "-".to_owned(), T::shown)
    }
}

/// The kind of a setting: how its values are read and shown.
trait Setting: Shown + Clone + Send + Sync + 'static {
    /// What may be written.
    fn allowed() -> String;

    /// Reads what is written in the file; answers what is wrong with it.
    fn read(text: &str) -> Result<Self, String>;

    /// Reads an argument or a variable.
    fn parser() -> ValueParser {
        ValueParser::new(|text: &str| Self::read(text).map_err(|problem| format!("{problem}; give {}", Self::allowed())))
    }

    /// The same, read in a file in `folder`.
    fn beside(self, _folder: &Path) -> Self {
        self
    }
}

/// Reads a setting from the file.
fn from_file<'de, D: Deserializer<'de>, T: Setting>(deserializer: D) -> Result<Option<T>, D::Error> {
    by_text(deserializer, &T::allowed(), T::read).map(Some)
}

/// How a path is read on the command line and in variables. A shell leaves the `~` of `--out=~/films` as it is; taken literally it
/// would become a folder of that name.
pub fn path_parser() -> ValueParser {
    PathBufValueParser::new().try_map(|path| in_full(&path).map(|()| path)).into()
}

/// Refuses a path that begins with a `~`, in words that say what to give.
pub fn in_full(path: &Path) -> Result<(), String> {
    if has_tilde(path) { Err(format!("{NO_TILDE}; give the path in full, or as ./~ where that is its name")) } else { Ok(()) }
}

/// The name of a profile or preset, or its file.
impl Setting for String {
    fn allowed() -> String {
        "a name or a file".to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        path(text).map(|_| text.to_owned())
    }

    fn parser() -> ValueParser {
        StringValueParser::new().try_map(|text| in_full(text.as_ref()).map(|()| text)).into()
    }

    fn beside(self, folder: &Path) -> Self {
        name_beside(self, folder)
    }
}

impl Shown for String {
    fn shown(&self) -> String {
        self.clone()
    }
}

impl Setting for PathBuf {
    fn allowed() -> String {
        super::read::PATH_RULE.to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        path(text)
    }

    fn parser() -> ValueParser {
        path_parser()
    }

    fn beside(self, folder: &Path) -> Self {
        folder.join(self)
    }
}

impl Shown for PathBuf {
    fn shown(&self) -> String {
        path_text(self)
    }
}

impl Setting for bool {
    fn allowed() -> String {
        "true or false".to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("`{}` is not allowed here", quoted(text)))
    }

    fn parser() -> ValueParser {
        ValueParser::new(|text: &str| match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            _ => Err("give yes or no"),
        })
    }
}

impl Shown for bool {
    fn shown(&self) -> String {
        if *self { "yes" } else { "no" }.to_owned()
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

/// A budget that no job fits in is a slip of the pen.
const LEAST_BUDGET: Bytes = Bytes::mib(32);

impl BudgetChoice {
    /// The size; `None` = all there is.
    pub const fn size(self) -> Option<Bytes> {
        match self {
            Self::Auto => None,
            Self::Size(bytes) => Some(bytes),
        }
    }
}

impl Setting for BudgetChoice {
    fn allowed() -> String {
        "a size of 32MB or more, such as 1.5GB, or auto".to_owned()
    }

    fn read(text: &str) -> Result<Self, String> {
        text.parse()
    }
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

impl Shown for BudgetChoice {
    fn shown(&self) -> String {
        match self {
            Self::Auto => "auto".to_owned(),
            Self::Size(bytes) => exactly(*bytes),
        }
    }
}

/// Words that mean this size and no other: whoever compares two by their words must not take one for the other.
fn exactly(size: Bytes) -> String {
    let words = [size.to_string(), size.whole()];
    words.into_iter().find(|words| words.parse() == Ok(size)).unwrap_or_else(|| format!("{} bytes", size.0))
}

/// Further tries of a failed job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries(pub u32);

impl Retries {
    const MOST: u32 = 100;
}

impl Setting for Retries {
    fn allowed() -> String {
        format!("a whole number from 0 to {}", Self::MOST)
    }

    fn read(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(retries) if retries <= Self::MOST => Ok(Self(retries)),
            Ok(retries) => Err(format!("{retries} further tries")),
            Err(_) => Err(format!("`{}` is not allowed here", quoted(text))),
        }
    }
}

impl Shown for Retries {
    fn shown(&self) -> String {
        self.0.to_string()
    }
}

/// The longest time of something; zero = no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit(pub Duration);

impl TimeLimit {
    /// The limit, where there is one.
    pub fn limit(self) -> Option<Duration> {
        (!self.0.is_zero()).then_some(self.0)
    }
}

impl Setting for TimeLimit {
    fn allowed() -> String {
        format!("{DURATION}; 0 = no limit")
    }

    fn read(text: &str) -> Result<Self, String> {
        duration(text).map(Self)
    }
}

impl Shown for TimeLimit {
    fn shown(&self) -> String {
        self.limit().map_or_else(|| "none".to_owned(), said)
    }
}

/// How long to wait; zero = not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait(pub Duration);

impl Setting for Wait {
    fn allowed() -> String {
        format!("{DURATION}; 0 = not at all")
    }

    fn read(text: &str) -> Result<Self, String> {
        duration(text).map(Self)
    }
}

impl Shown for Wait {
    fn shown(&self) -> String {
        if self.0.is_zero() { "at once".to_owned() } else { said(self.0) }
    }
}

const DURATION: &str = "a duration such as 90s, 5m or 1h30m";

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|_| format!("`{}` is not a duration", quoted(text)))
}

/// Everything that was given is told, parts of a second too, see [`exactly`].
fn said(span: Duration) -> String {
    let seconds = span.as_secs();
    // What the words leave out.
    let is_told = span.subsec_nanos() == 0
        && (seconds < 600 || seconds.is_multiple_of(60))
        && (seconds < 172_800 || seconds.is_multiple_of(3600));
    if is_told { span_words(span) } else { format!("{} s", span.as_secs_f64()) }
}

macro_rules! choices {
    ($($kind:ident),*) => { $(
        impl Setting for $kind {
            fn allowed() -> String {
                words(&Self::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>())
            }

            fn read(text: &str) -> Result<Self, String> {
                Self::ALL.iter().find(|one| one.as_str() == text).copied().ok_or_else(|| {
                    let meant = nearest(text, Self::ALL.iter().map(|one| one.as_str()));
                    let meant = meant.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                    format!("unknown choice `{}`{meant}", quoted(text))
                })
            }

            fn parser() -> ValueParser {
                let known = PossibleValuesParser::new(Self::ALL.iter().map(|one| one.as_str()));
                known.try_map(|text| Self::read(&text)).into()
            }
        }

        impl Shown for $kind {
            fn shown(&self) -> String {
                self.to_string()
            }
        }
    )* };
}

choices!(ColorChoice, ThemeName);

/// `a, b or c`.
fn words(all: &[&str]) -> String {
    all.split_last().map_or_else(String::new, |(last, rest)| format!("{} or {last}", rest.join(", ")))
}

/// The keys of one action, and where they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySetting {
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

/// Is there something at `file`, whether or not it can be read? A link to nothing is something, and so is what lies in a folder that may
/// not be looked into: whoever has put settings there wants them heeded. `/dev/null` as the folder means that there are none.
pub fn is_there(file: &Path) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};

    !std::fs::symlink_metadata(file).is_err_and(|error| matches!(error.kind(), NotFound | NotADirectory))
}

/// Reads the settings at `file`: what is right in it, and every mistake. A file that is not there says nothing.
pub fn load(file: &Path) -> (Settings, Vec<ConfigError>) {
    if !is_there(file) {
        return (Settings::default(), Vec::new());
    }
    match read_text(file, MAX_FILE) {
        Ok(text) => read(file, &text),
        Err(error) => (Settings::default(), vec![error]),
    }
}

/// Reads settings. Relative paths are taken from the folder of `file`; an `ffmpeg` without a slash stays a name, and so does a
/// `profile` or a `preset` that is not written as a file.
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
    let read: Option<Settings> = reader.root();
    let read = read.map(|read| {
        // The name of an ffmpeg that is to be looked for stays a name.
        let named = read.ffmpeg.clone().filter(|ffmpeg| ffmpeg.parent() == Some(Path::new("")));
        let mut read = read.beside(folder);
        for action in [&mut read.on_done, &mut read.on_failed, &mut read.on_idle, &mut read.on_warning] {
            // A program that is to be looked for stays a name.
            if let Some(HookAction::Command(words)) = action
                && let Some(program) = words.first_mut().filter(|program| program.contains('/'))
                && let Some(path) = folder.join(&*program).to_str()
            {
                path.clone_into(program);
            }
        }
        let keys = read.keys.into_iter().map(|setting| setting.placed(&document)).collect();
        let watch = watch::placed(read.watch, &mut reader, folder);
        Settings { ffmpeg: named.or(read.ffmpeg), keys, watch, ..read }
    });
    (read.unwrap_or_default(), reader.mistakes())
}

/// What a hook is written as.
const HOOK: &str = "a list of the program and its arguments, such as [/usr/local/bin/tell, --short], which no shell reads; or \
                    an address to post to, such as { url: https://example.org/hook }";

/// Reads what is done for a hook.
fn hook<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HookAction>, D::Error> {
    struct Word(String);

    impl<'de> Deserialize<'de> for Word {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            by_text(deserializer, HOOK, |text| {
                if text.contains('\0') { Err("a NUL character".to_owned()) } else { Ok(Self(text.to_owned())) }
            })
        }
    }

    struct Action;

    impl<'de> Visitor<'de> for Action {
        type Value = HookAction;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(HOOK)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<HookAction, A::Error> {
            let mut words = Vec::new();
            while let Some(Word(word)) = items.next_element()? {
                words.push(word);
            }
            if words.first().is_none_or(String::is_empty) {
                return Err(A::Error::invalid_value(Unexpected::Other("no program"), &self));
            }
            Ok(HookAction::Command(words))
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<HookAction, A::Error> {
            let mut url = None;
            while let Some(Word(key)) = entries.next_key()? {
                if key != "url" {
                    return Err(A::Error::invalid_value(Unexpected::Str(&key), &self));
                }
                let Word(address) = entries.next_value()?;
                if !["http://", "https://"].iter().any(|scheme| address.starts_with(scheme)) {
                    return Err(A::Error::invalid_value(Unexpected::Str(&address), &self));
                }
                url = Some(address);
            }
            url.map(HookAction::Url).ok_or_else(|| A::Error::invalid_value(Unexpected::Other("no address"), &self))
        }
    }

    deserializer.deserialize_any(Action).map(Some)
}

/// Reads `keys: { cancel: X, profile: [p, P] }`; where each stands is not known here.
fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<KeySetting>, D::Error> {
    struct Key(String);

    impl<'de> Deserialize<'de> for Key {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            by_text(deserializer, KEY, |text| Ok(Self(text.to_owned())))
        }
    }

    struct Keys(Vec<Key>);

    impl<'de> Deserialize<'de> for Keys {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(OneOrMore)
        }
    }

    struct OneOrMore;

    impl<'de> Visitor<'de> for OneOrMore {
        type Value = Keys;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(KEY)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Keys, E> {
            Ok(Keys(vec![Key(text.to_owned())]))
        }

        fn visit_bool<E: serde::de::Error>(self, word: bool) -> Result<Keys, E> {
            self.visit_str(&word.to_string())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Keys, A::Error> {
            let mut keys = Vec::new();
            while let Some(key) = items.next_element()? {
                keys.push(key);
            }
            Ok(Keys(keys))
        }
    }

    struct Actions;

    impl<'de> Visitor<'de> for Actions {
        type Value = Vec<KeySetting>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a mapping of actions to keys, such as cancel: X")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Vec<KeySetting>, A::Error> {
            let mut settings = Vec::new();
            while let Some((action, Keys(keys))) = entries.next_entry()? {
                let keys = keys.into_iter().map(|Key(key)| (key, (0, 0))).collect();
                settings.push(KeySetting { action, at: (0, 0), keys });
            }
            Ok(settings)
        }
    }

    deserializer.deserialize_map(Actions)
}

const KEY: &str = "a key such as x, ^x, space or f5, or a list of keys";

impl KeySetting {
    /// The same with where everything stands.
    fn placed(mut self, document: &Document) -> Self {
        let path = join("keys", &self.action);
        self.at = document.place(&path).key;
        for (index, (_, at)) in self.keys.iter_mut().enumerate() {
            *at = document.place(&format!("{path}[{index}]")).value;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_values_have_the_same_words_only_if_they_are_the_same() {
        let size = |text: &str| BudgetChoice::Size(text.parse().expect("a size")).shown();
        assert_eq!(
            ["2GB", "2000MB", "1536MB", "1500MB", "1000001"].map(size),
            ["2 GB", "2000 MB", "1.5 GB", "1500 MB", "1000001 bytes"]
        );
        let time = |text: &str| TimeLimit(parse_duration(text).expect("a duration")).shown();
        assert_eq!(
            ["90m", "90m30s", "49h", "48h30m", "90s"].map(time),
            ["1 h 30 min", "5430 s", "2 d 1 h", "174600 s", "1 min 30 s"]
        );
    }

    #[test]
    fn every_option_can_be_set_and_none_has_to_be() {
        let text = "profile: safe\npreset: ./mine.yaml\nout: films\nbudget: 1.5GB\nflat: true\noverwrite: true\nretries: 2\ntimeout: 1h30m\nstall: 90\ndisk_wait: 5m\n\
                    state_dir: /var/lib/plimsoll\nffmpeg: ffmpeg5\nlog_file: logs/x.log\ncolor: never\nascii: true\nplain: false\nno_governor: true\ntheme: high-contrast\nkeys:\n  cancel: X\n  help: [\"?\", 7]\n";
        let settings = parse(Path::new("/etc/p/settings.yaml"), text).expect("valid");
        let expected = Settings {
            profile: Some("safe".to_owned()),
            preset: Some("/etc/p/./mine.yaml".to_owned()),
            out: Some("/etc/p/films".into()),
            budget: Some(BudgetChoice::Size(Bytes::mib(1536))),
            flat: Some(true),
            overwrite: Some(true),
            retries: Some(Retries(2)),
            timeout: Some(TimeLimit(Duration::from_mins(90))),
            stall: Some(TimeLimit(Duration::from_secs(90))),
            disk_wait: Some(Wait(Duration::from_mins(5))),
            state_dir: Some("/var/lib/plimsoll".into()),
            ffmpeg: Some("ffmpeg5".into()),
            log_file: Some("/etc/p/logs/x.log".into()),
            color: Some(ColorChoice::Never),
            ascii: Some(true),
            plain: Some(false),
            no_governor: Some(true),
            budget_source: None,
            theme: Some(ThemeName::HighContrast),
            keys: vec![
                KeySetting { action: "cancel".to_owned(), at: (20, 3), keys: vec![("X".to_owned(), (20, 11))] },
                KeySetting {
                    action: "help".to_owned(),
                    at: (21, 3),
                    keys: vec![("?".to_owned(), (21, 10)), ("7".to_owned(), (21, 15))],
                },
            ],
            ..Settings::default()
        };
        assert_eq!(settings, expected);
        for nothing in ["", "# nothing yet\n", "{}\n"] {
            assert_eq!(parse(Path::new("s.yaml"), nothing), Ok(Settings::default()), "{nothing}");
        }
        assert_eq!(load(Path::new("/nowhere/at/all.yaml")), (Settings::default(), Vec::new()));
    }

    #[test]
    fn a_profile_or_preset_that_is_written_as_a_file_lies_beside_the_settings() {
        let of = |name: &str| {
            let text = format!("profile: {name}\npreset: {name}\n");
            let settings = parse(Path::new("/etc/p/settings.yaml"), &text).expect("valid");
            assert_eq!(settings.profile, settings.preset);
            settings.profile.expect("said")
        };
        assert_eq!(
            ["night.yaml", "x.yml", "sub/x.yaml", "night"].map(of),
            ["/etc/p/night.yaml", "/etc/p/x.yml", "/etc/p/sub/x.yaml", "night"]
        );
    }

    #[test]
    fn a_file_that_is_there_and_cannot_be_read_is_told_and_one_that_is_not_there_says_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().join("settings.yaml");
        std::os::unix::fs::symlink("nowhere.yaml", &link).expect("made");
        let (settings, told) = load(&link);
        assert_eq!(settings, Settings::default());
        assert!(told.len() == 1 && told[0].problem.starts_with("cannot read it: "), "{told:?}");
        assert_eq!(load(Path::new("/dev/null/plimsoll/settings.yaml")), (Settings::default(), Vec::new()));
    }

    #[test]
    fn each_mistake_is_told_with_its_place_its_field_and_what_is_allowed() {
        for (text, message) in [
            (
                "colour: never",
                "1:1: colour: unknown key; did you mean `color`?; allowed: profile, preset, out, flat, budget, overwrite, retries, timeout, stall, disk_wait, state_dir, ffmpeg, log_file, color, theme, ascii, plain, no_governor, keys, on_done, on_failed, on_idle, on_warning, watch",
            ),
            ("color: pink", "1:8: color: unknown choice `pink`; allowed: auto, always or never"),
            ("budget: 0", "1:9: budget: `0` is too little for any job; allowed: a size of 32MB or more, such as 1.5GB, or auto"),
            (
                "budget: 10MB",
                "1:9: budget: `10MB` is too little for any job; allowed: a size of 32MB or more, such as 1.5GB, or auto",
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
                "1:1: the file is not a mapping; allowed: `key: value` lines; the keys are profile, preset, out, flat, budget, overwrite, retries, timeout, stall, disk_wait, state_dir, ffmpeg, log_file, color, theme, ascii, plain, no_governor, keys, on_done, on_failed, on_idle, on_warning, watch",
            ),
            ("theme: pink", "1:8: theme: unknown choice `pink`; allowed: dark, light, high-contrast or mono"),
            ("keys: [a]", "1:7: keys: a list is not allowed here; allowed: a mapping of actions to keys, such as cancel: X"),
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
