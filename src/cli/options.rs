//! Which value of each option is in force, and who said so: flag, environment, settings file, or nobody.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::cli::Usage;
use crate::cli::args::Options;
use crate::cli::session::state_dir;
use crate::config::search::{self, SearchPaths};
use crate::config::settings::{self, BudgetChoice, ColorChoice, KeySetting, Settings, ThemeChoice};
use crate::config::yaml::ConfigError;
use crate::domain::memory::Asked;
use crate::domain::preset::Preset;
use crate::domain::profile::Profile;
use crate::domain::text::{error_words as words, path_text};
use crate::domain::time::span_words;
use crate::domain::units::Bytes;
use crate::tui::{KeyChange, KeyMistake, Keymap};

/// Profile where nobody names one.
pub const DEFAULT_PROFILE: &str = "balanced";
/// Preset where nobody names one.
pub const DEFAULT_PRESET: &str = "web-720p";
const DEFAULT_OUT: &str = "plimsoll-out";
const DEFAULT_RETRIES: u32 = 2;
const DEFAULT_STALL: Duration = Duration::from_mins(1);
const DEFAULT_DISK_WAIT: Duration = Duration::from_mins(10);

/// Every option with its value in force.
#[allow(clippy::struct_excessive_bools)] // independent options, each with its own meaning
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Where profiles and presets are looked for.
    pub paths: SearchPaths,
    /// Name or file of the profile.
    pub profile: String,
    /// Name or file of the preset.
    pub preset: String,
    /// Folder of the outputs, absolute.
    pub out: PathBuf,
    /// Memory to use at most; `None` = what the profile says, else what there is.
    pub budget: Option<Asked>,
    /// All outputs go into that folder itself.
    pub flat: bool,
    /// Outputs that are there are replaced.
    pub overwrite: bool,
    /// Further tries.
    pub retries: u32,
    /// Longest run of a job.
    pub timeout: Option<Duration>,
    /// Longest time without a sign of life.
    pub stall: Option<Duration>,
    /// How long a run without a screen waits for room on disk before it ends; zero = not at all.
    pub disk_wait: Duration,
    /// Folder of the record and of the logs, absolute.
    pub state_dir: PathBuf,
    /// The ffmpeg to use.
    pub ffmpeg: Option<PathBuf>,
    /// Log lines also go here.
    pub log_file: Option<PathBuf>,
    /// When to use colours.
    pub color: ColorChoice,
    /// ASCII only.
    pub ascii: bool,
    /// Plain lines instead of the screen.
    pub plain: bool,
    /// The console's palette.
    pub theme: ThemeChoice,
    /// The console's keys.
    pub keys: Keymap,
    /// False = the naive baseline.
    pub governor: bool,
    /// Name, value and origin of each, as `doctor` shows them.
    pub origins: Vec<(String, String, String)>,
    /// What the operator should know before anything runs.
    pub remark: Option<String>,
}

/// Looks for the origin of values while they are merged.
struct Merge<'m> {
    matches: &'m ArgMatches,
    file: String,
    origins: Vec<(String, String, String)>,
}

impl Merge<'_> {
    /// The first that says something: what was given (the command line or the environment), what is set (the settings
    /// file), the default.
    fn pick<T>(&mut self, id: &str, given_or_set: (Option<T>, Option<T>), default: T, show: impl Fn(&T) -> String) -> T {
        let (value, origin) = match given_or_set {
            (Some(value), _) => (value, self.given_by(id)),
            (None, Some(value)) => (value, self.file.clone()),
            (None, None) => (default, "default".to_owned()),
        };
        self.origins.push((id.replace('_', "-"), show(&value), origin));
        value
    }

    fn given_by(&self, id: &str) -> String {
        match self.matches.value_source(id) {
            Some(ValueSource::EnvVariable) => format!("PLIMSOLL_{}", id.to_ascii_uppercase()),
            _ => format!("--{}", id.replace('_', "-")),
        }
    }
}

/// Merges what was given with the settings file and the defaults.
///
/// # Errors
/// Every mistake in the settings file, those of its keys too; or there is no folder to be in or to keep the record in.
pub fn resolve(options: Options, matches: &ArgMatches) -> Result<Resolved, Usage> {
    let (resolved, mistakes) = examine(options, matches)?;
    if mistakes.is_empty() { Ok(resolved) } else { Err(Usage(search::lines(&mistakes))) }
}

/// As [`resolve`], for whoever tells the mistakes in the settings file beside everything else: what is wrong there counts as
/// not said.
pub fn examine(options: Options, matches: &ArgMatches) -> Result<(Resolved, Vec<ConfigError>), Usage> {
    let here = std::env::current_dir()
        .map_err(|error| Usage(format!("cannot tell the current folder: {error}; change into one that is there")))?;
    let paths = SearchPaths::new(|name| std::env::var_os(name), Some(here.clone()));
    let settings_file = paths.settings_file().filter(|file| file.exists());
    let (settings, mut mistakes) = settings_file.as_deref().map(settings::load).unwrap_or_default();
    let keys = keymap(&settings, settings_file.as_deref()).unwrap_or_else(|wrong| {
        mistakes.extend(wrong);
        Keymap::default()
    });
    mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    // Flags of a subcommand are propagated to the innermost matches.
    let mut innermost = matches;
    while let Some((_, inner)) = innermost.subcommand() {
        innermost = inner;
    }
    let file = settings_file.as_deref().map(path_text).unwrap_or_default();
    let mut merge = Merge { matches: innermost, file, origins: Vec::new() };
    let path = |path: &PathBuf| path_text(path);
    // A switch is told from one that was not given by its origin: the environment may also say no.
    let says_env = |id: &str| innermost.value_source(id) == Some(ValueSource::EnvVariable);
    let given = |id: &str, flag: bool| (flag || says_env(id)).then_some(flag);
    let switch = |on: &bool| if *on { "yes" } else { "no" }.to_owned();
    // Parts of a second are told where they were given.
    let said = |span: Duration| if span.subsec_nanos() == 0 { span_words(span) } else { format!("{} s", span.as_secs_f64()) };
    let duration = |limit: &Duration| if limit.is_zero() { "none".to_owned() } else { said(*limit) };
    let optional = |value: &Option<PathBuf>| value.as_ref().map_or_else(|| "-".to_owned(), path);
    let limit = |limit: Duration| (!limit.is_zero()).then_some(limit);
    let state = match (&options.state_dir, &settings.state_dir) {
        // Nobody needs a default where HOME is not set, as under cron and systemd.
        (None, None) => state_dir::choose(|name| std::env::var_os(name))?,
        _ => state_dir::Chosen { folder: PathBuf::new(), remark: None },
    };

    let profile = merge.pick("profile", (options.profile, settings.profile), DEFAULT_PROFILE.to_owned(), String::clone);
    let preset = merge.pick("preset", (options.preset, settings.preset), DEFAULT_PRESET.to_owned(), String::clone);
    let out = merge.pick("out", (options.out, settings.out), PathBuf::from(DEFAULT_OUT), path);
    let budget = merge.pick("budget", (options.budget, settings.budget), BudgetChoice::Auto, |choice| match choice {
        BudgetChoice::Auto => "auto".to_owned(),
        BudgetChoice::Size(bytes) => bytes.to_string(),
    });
    let budget_origin = merge.origins.last().map(|(_, _, origin)| origin.clone()).unwrap_or_default();
    let flat = merge.pick("flat", (given("flat", options.flat), settings.flat), false, switch);
    let overwrite = merge.pick("overwrite", (given("overwrite", options.overwrite), settings.overwrite), false, switch);
    let retries = merge.pick("retries", (options.retries, settings.retries), DEFAULT_RETRIES, u32::to_string);
    let timeout = merge.pick("timeout", (options.timeout, settings.timeout), Duration::ZERO, duration);
    let stall = merge.pick("stall", (options.stall, settings.stall), DEFAULT_STALL, duration);
    let at_once = |wait: &Duration| if wait.is_zero() { "at once".to_owned() } else { said(*wait) };
    let disk_wait = merge.pick("disk_wait", (options.disk_wait, settings.disk_wait), DEFAULT_DISK_WAIT, at_once);
    let state_dir = merge.pick("state_dir", (options.state_dir, settings.state_dir), state.folder, path);
    let ffmpeg = merge.pick("ffmpeg", (options.ffmpeg.map(Some), settings.ffmpeg.map(Some)), None, optional);
    let log_file = merge.pick("log_file", (options.log_file.map(Some), settings.log_file.map(Some)), None, optional);
    let color = merge
        .pick("color", (options.color, settings.color), ColorChoice::Auto, |choice| format!("{choice:?}").to_ascii_lowercase());
    let theme = merge.pick("theme", (options.theme, settings.theme), ThemeChoice::Dark, |choice| theme_word(*choice).to_owned());
    let ascii = merge.pick("ascii", (given("ascii", options.ascii), settings.ascii), false, switch);
    let plain = merge.pick("plain", (given("plain", options.plain), settings.plain), false, switch);
    let naive =
        merge.pick("no_governor", (given("no_governor", options.no_governor), settings.governor.map(|on| !on)), false, switch);

    let resolved = Resolved {
        paths,
        profile,
        preset,
        out: here.join(out),
        budget: match budget {
            BudgetChoice::Auto => None,
            BudgetChoice::Size(bytes) => Some(Asked { bytes, by: options.budget_source.unwrap_or(budget_origin) }),
        },
        flat,
        overwrite,
        retries,
        timeout: limit(timeout),
        stall: limit(stall),
        disk_wait,
        state_dir: here.join(state_dir),
        ffmpeg,
        log_file,
        color,
        ascii,
        plain,
        theme,
        keys,
        governor: !naive,
        origins: merge.origins,
        remark: state.remark,
    };
    Ok((resolved, mistakes))
}

/// The console's keys with those of the settings.
fn keymap(settings: &Settings, file: Option<&Path>) -> Result<Keymap, Vec<ConfigError>> {
    let file = file.unwrap_or(Path::new("settings.yaml"));
    let change = |setting: &KeySetting| KeyChange {
        action: setting.action.clone(),
        keys: setting.keys.iter().map(|(key, _)| key.clone()).collect(),
    };
    let changes: Vec<KeyChange> = settings.keys.iter().map(change).collect();
    Keymap::with(&changes).map_err(|mistakes| {
        mistakes
            .into_iter()
            .filter_map(|KeyMistake { change, key, problem, allowed }| {
                Some(settings.keys.get(change)?.mistake(file, key, problem, allowed))
            })
            .collect()
    })
}

const fn theme_word(theme: ThemeChoice) -> &'static str {
    match theme {
        ThemeChoice::Dark => "dark",
        ThemeChoice::Light => "light",
        ThemeChoice::HighContrast => "high-contrast",
        ThemeChoice::Mono => "mono",
    }
}

/// Our folder below an XDG base folder; relative settings do not count, as the XDG rules say.
pub fn xdg_folder(variable: &str, below_home: &str) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute(variable).or_else(|| absolute("HOME").map(|home| home.join(below_home)))?;
    Some(base.join("plimsoll"))
}

impl Resolved {
    /// Somebody said where outputs go.
    pub fn is_out_given(&self) -> bool {
        self.origins.iter().any(|(name, _, origin)| name == "out" && origin != "default")
    }

    /// Asks for this budget where nobody has asked for one; `by` says in plain words who does.
    pub fn ask_budget(&mut self, bytes: Bytes, by: &str) {
        self.budget.get_or_insert_with(|| Asked { bytes, by: by.to_owned() });
    }

    /// What another plimsoll is told so that it works as this one would: budget, time limits, further tries, no colours, and
    /// the ffmpeg that was given.
    pub fn handed_on(&self, retries: u32) -> Vec<OsString> {
        let millis = |limit: Option<Duration>| format!("{}ms", limit.unwrap_or_default().as_millis());
        let budget = self.budget.as_ref().map_or_else(|| "auto".to_owned(), |budget| budget.bytes.0.to_string());
        let by = self.budget.as_ref().map_or("", |budget| budget.by.as_str());
        let (timeout, stall, retries) = (millis(self.timeout), millis(self.stall), retries.to_string());
        let said = [("--retries", retries.as_str()), ("--timeout", &timeout), ("--stall", &stall), ("--color", "never")];
        // What the environment or the settings say it reads there itself, and can tell so.
        let is_read_there = self.origins.iter().any(|(name, _, origin)| name == "budget" && origin == by && !by.starts_with("--"));
        let budget = [("--budget", budget.as_str()), ("--budget-source", by)];
        let budget = budget.into_iter().filter(|(_, value)| !is_read_there && !value.is_empty());
        let said = said.into_iter().chain(budget).map(|(flag, value)| (flag, OsStr::new(value)));
        let ffmpeg = self.ffmpeg.iter().map(|ffmpeg| ("--ffmpeg", ffmpeg.as_os_str()));
        said.chain(ffmpeg).flat_map(|(flag, value)| [flag.into(), value.to_owned()]).collect()
    }

    /// A mistake in the value of an option, with who said it where that was not on the command line.
    fn mistake(&self, option: &str, error: &impl std::fmt::Display) -> Usage {
        let origin = self.origins.iter().find(|(name, _, _)| name == option).map(|(_, _, origin)| origin.as_str());
        match origin {
            Some(origin) if origin != "default" && !origin.starts_with("--") => {
                Usage(format!("{error}\nThe {option} comes from {origin}."))
            }
            _ => Usage(error.to_string()),
        }
    }

    /// The profile in force.
    pub fn load_profile(&self) -> Result<Profile, Usage> {
        Ok(search::find(&self.paths, &self.profile).map_err(|error| self.mistake("profile", &error))?.value)
    }

    /// The preset in force, and all that jobs may name.
    pub fn load_presets(&self) -> Result<(String, BTreeMap<String, Preset>), Usage> {
        let mut presets: BTreeMap<String, Preset> = search::list::<Preset>(&self.paths)
            .into_iter()
            .filter_map(|listed| listed.read.ok())
            .map(|preset| (preset.name.clone(), preset))
            .collect();
        let preset: Preset = search::find(&self.paths, &self.preset).map_err(|error| self.mistake("preset", &error))?.value;
        let name = preset.name.clone();
        presets.insert(name.clone(), preset);
        Ok((name, presets))
    }

    /// The profiles that can be switched to, the one in force among them.
    pub fn all_profiles(&self, in_force: &Profile) -> Vec<Profile> {
        let mut all: Vec<Profile> =
            search::list::<Profile>(&self.paths).into_iter().filter_map(|listed| listed.read.ok()).collect();
        match all.iter_mut().find(|profile| profile.name == in_force.name) {
            Some(known) => known.clone_from(in_force),
            None => all.push(in_force.clone()),
        }
        all
    }

    /// Sees that outputs can be written; nothing is run if not. Makes nothing: the folder comes with the first output, so
    /// the nearest one above it that is there has to do.
    pub fn check_out(&self) -> Result<(), Usage> {
        let shown = path_text(&self.out);
        let wrong = |why: &str| Usage(format!("cannot write outputs to {shown}: {why}; choose another folder with --out"));
        for folder in self.out.ancestors() {
            match std::fs::metadata(folder) {
                Ok(meta) if meta.is_dir() => return is_writable(folder).map_err(|error| wrong(&words(&error))),
                Ok(_) => return Err(wrong("it is not a folder")),
                Err(_) if std::fs::symlink_metadata(folder).is_ok() => return Err(wrong("it is a link to nothing")),
                Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {}
                Err(error) => return Err(wrong(&words(&error))),
            }
        }
        Err(wrong("no folder above it is there"))
    }
}

/// Root passes every permission check but a read-only mount; only a real file tells.
pub(super) fn is_writable(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".plimsoll-{}.probe", std::process::id()));
    std::fs::OpenOptions::new().write(true).create_new(true).open(&probe)?;
    std::fs::remove_file(probe)
}
