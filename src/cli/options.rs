//! Which value of each option is in force, and who said so: flag, environment, settings file, or nobody.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;
use clap::parser::ValueSource;

use crate::cli::Usage;
use crate::cli::args;
use crate::cli::session::state_dir;
use crate::config::search::{self, SearchPaths};
use crate::config::settings::{self, InForce, KeySetting, Layer, Settings};
use crate::config::watch::WatchSetting;
use crate::config::yaml::ConfigError;
use crate::domain::hook::{Hook, Hooks};
use crate::domain::memory::Asked;
use crate::domain::places::cache_folder;
use crate::domain::preset::Preset;
use crate::domain::profile::Profile;
use crate::domain::text::{error_words as words, path_text};
use crate::domain::units::Bytes;
use crate::host::media::ffmpeg::{Ffmpeg, Search, known, locate};
use crate::tui::{KeyChange, KeyMistake, Keymap};

/// The settings in force, with what follows from them.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// Where profiles and presets are looked for.
    pub paths: SearchPaths,
    /// The value of each setting; paths of folders are absolute.
    pub settings: InForce,
    /// Folder of the record and of the logs, absolute.
    pub state_dir: PathBuf,
    /// What was asked for of memory; `None` = what the profile says, else what there is.
    pub budget: Option<Asked>,
    pub keys: Keymap,
    /// Name, value and origin of each setting, as `doctor` shows them.
    pub origins: Vec<(String, String, String)>,
    /// What a server runs for what happens.
    pub hooks: Hooks,
    /// The folders that a server watches, as the settings file says it; their paths are absolute.
    pub watch: Vec<WatchSetting>,
    /// What was given on the command line, as another plimsoll takes it.
    pub given: Vec<OsString>,
    /// What the operator should know before anything runs.
    pub remark: Option<String>,
}

/// Merges what was given with the settings file and the defaults.
///
/// # Errors
/// Every mistake in the settings file, those of its keys too; or there is no folder to be in or to keep the record in.
pub fn resolve(options: Settings, matches: &ArgMatches) -> Result<Resolved, Usage> {
    let (resolved, mistakes) = examine(options, matches)?;
    if mistakes.is_empty() { Ok(resolved) } else { Err(Usage(search::lines(&mistakes))) }
}

/// As [`resolve`], for whoever only asks a server something: nobody is kept from ending it by a mistake that does not matter to
/// it, which is told.
///
/// # Errors
/// As [`resolve`], where it cannot be told which server is meant.
pub fn resolve_for_asking(options: Settings, matches: &ArgMatches) -> Result<Resolved, Usage> {
    let names_folder = options.state_dir.is_some();
    let (resolved, mistakes) = examine(options, matches)?;
    let is_of_another_field = |mistake: &ConfigError| !mistake.field.is_empty() && mistake.field != "state_dir";
    if !names_folder && !mistakes.iter().all(is_of_another_field) {
        return Err(Usage(search::lines(&mistakes)));
    }
    for mistake in &mistakes {
        crate::cli::write_stderr(&format!("plimsoll: passed over: {mistake}\n"));
    }
    Ok(resolved)
}

/// As [`resolve`], for whoever tells the mistakes in the settings file beside everything else: what is wrong there counts as
/// not said.
pub fn examine(options: Settings, matches: &ArgMatches) -> Result<(Resolved, Vec<ConfigError>), Usage> {
    let here = std::env::current_dir()
        .map_err(|error| Usage(format!("cannot tell the current folder: {error}; change into one that is there")))?;
    let paths = crate::cli::search_paths(Some(here.clone()));
    let settings_file = paths.settings_file();
    let (file, mut mistakes) = settings_file.as_deref().map(settings::load).unwrap_or_default();
    let keys = keymap(&file.keys, settings_file.as_deref()).unwrap_or_else(|wrong| {
        mistakes.extend(wrong);
        Keymap::default()
    });
    mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    // Flags of a subcommand are propagated to the innermost matches.
    let mut innermost = matches;
    while let Some((_, inner)) = innermost.subcommand() {
        innermost = inner;
    }
    let hooks = [
        (Hook::OnDone, &file.on_done),
        (Hook::OnFailed, &file.on_failed),
        (Hook::OnIdle, &file.on_idle),
        (Hook::OnWarning, &file.on_warning),
    ];
    let hooks = hooks.into_iter().filter_map(|(hook, action)| Some((hook, action.clone()?))).collect();
    let absolute = |setting: &WatchSetting| WatchSetting {
        folder: setting.folder.as_ref().map(|folder| here.join(folder)),
        out: setting.out.as_ref().map(|out| here.join(out)),
        ..setting.clone()
    };
    let watch = file.watch.iter().map(absolute).collect();
    let (mut origins, mut given) = (Vec::new(), Vec::new());
    let budget_source = options.budget_source.clone();
    let mut settings = Settings::merge(options, file, |name, layer, shown| {
        let flag = name.replace('_', "-");
        let origin = match layer {
            Layer::Given if innermost.value_source(name) == Some(ValueSource::EnvVariable) => {
                format!("PLIMSOLL_{}", name.to_ascii_uppercase())
            }
            Layer::Given => {
                for value in innermost.get_raw(name).into_iter().flatten() {
                    let mut word = OsString::from(format!("--{flag}="));
                    word.push(value);
                    given.push(word);
                }
                format!("--{flag}")
            }
            Layer::File => settings_file.as_deref().map(path_text).unwrap_or_default(),
            Layer::Default => DEFAULT.to_owned(),
        };
        origins.push((flag, shown, origin));
    });
    let mut remark = None;
    let state_dir = if let Some(folder) = &settings.state_dir {
        here.join(folder)
    } else {
        // Nobody needs a default where HOME is not set, as under cron and systemd.
        let chosen = state_dir::choose(|name| std::env::var_os(name))?;
        remark = chosen.remark;
        if let Some((_, shown, _)) = origins.iter_mut().find(|(name, _, _)| name == "state-dir") {
            *shown = path_text(&chosen.folder);
        }
        chosen.folder
    };
    remark =
        [remark, args::misspelt_variable(std::env::vars_os())].into_iter().flatten().reduce(|one, other| format!("{one}; {other}"));
    settings.out = here.join(settings.out);
    let budget = settings.budget.map(|choice| {
        let origin = origins.iter().find(|(name, _, _)| name == "budget").map(|(_, _, origin)| origin.clone());
        Asked { bytes: choice.size(), by: budget_source.or(origin).unwrap_or_default() }
    });
    Ok((Resolved { paths, settings, state_dir, budget, keys, origins, hooks, watch, given, remark }, mistakes))
}

/// The origin of what nobody has said.
const DEFAULT: &str = "default";

/// The console's keys with those of the settings.
fn keymap(settings: &[KeySetting], file: Option<&Path>) -> Result<Keymap, Vec<ConfigError>> {
    let file = file.unwrap_or(Path::new("settings.yaml"));
    let change = |setting: &KeySetting| KeyChange {
        action: setting.action.clone(),
        keys: setting.keys.iter().map(|(key, _)| key.clone()).collect(),
    };
    let changes: Vec<KeyChange> = settings.iter().map(change).collect();
    Keymap::with(&changes).map_err(|mistakes| {
        mistakes
            .into_iter()
            .filter_map(|KeyMistake { change, key, problem, allowed }| {
                Some(settings.get(change)?.mistake(file, key, problem, allowed))
            })
            .collect()
    })
}

/// The folder where what an ffmpeg said is kept.
fn memory() -> Option<PathBuf> {
    cache_folder(|name| std::env::var_os(name))
}

/// From now on ffmpeg is asked again, for whoever doubts what is known of it.
pub fn forget_ffmpeg() {
    if let Some(folder) = memory() {
        known::forget(&folder);
    }
}

impl Resolved {
    /// The ffmpeg of these settings. One that was asked at an earlier start, and is the same still, is not run for it again.
    pub fn ffmpeg(&self) -> Result<Ffmpeg, Usage> {
        let search = Search { memory: memory(), ..Search::from_env(self.settings.ffmpeg.clone()) };
        locate(&search).map_err(|error| self.mistake("ffmpeg", &error))
    }

    /// Somebody said where outputs go.
    pub fn is_out_given(&self) -> bool {
        self.is_given("out")
    }

    /// Somebody said what the value of this setting is; by its name as a flag, without dashes.
    pub fn is_given(&self, setting: &str) -> bool {
        self.origins.iter().any(|(name, _, origin)| name == setting && origin != DEFAULT)
    }

    /// The value of this setting was given on the command line.
    pub fn is_flag(&self, setting: &str) -> bool {
        self.origins.iter().any(|(name, _, origin)| name == setting && origin.strip_prefix("--") == Some(setting))
    }

    /// Asks for this budget where nobody has asked for one; `by` says in plain words who does.
    pub fn ask_budget(&mut self, bytes: Bytes, by: &str) {
        self.budget.get_or_insert_with(|| Asked { bytes: Some(bytes), by: by.to_owned() });
    }

    /// Asks for this budget where nobody has asked for a smaller one.
    pub fn limit_budget(&mut self, bytes: Bytes, by: &str) {
        self.budget.take_if(|asked| asked.bytes.is_none_or(|asked| asked > bytes));
        self.ask_budget(bytes, by);
    }

    /// What another plimsoll is told so that it works as this one would: budget, time limits and waits, further tries, no colours, and
    /// the ffmpeg that was given.
    pub fn handed_on(&self, retries: u32) -> Vec<OsString> {
        // Named one by one, so that an option that is new is looked at here too.
        let InForce {
            retries: _,
            timeout,
            stall,
            disk_wait,
            ffmpeg,
            // Told below, with who asks for it.
            budget: _,
            // Each caller has its own.
            profile: _,
            preset: _,
            out: _,
            state_dir: _,
            log_file: _,
            no_governor: _,
            // A run of a comparison has a fresh folder of its own for its outputs.
            flat: _,
            overwrite: _,
            // It has no screen.
            color: _,
            theme: _,
            ascii: _,
            plain: _,
        } = &self.settings;
        let millis = |limit: Duration| format!("{}ms", limit.as_millis());
        let [timeout, stall, disk_wait] = [timeout.0, stall.0, disk_wait.0].map(millis);
        let retries = retries.to_string();
        let said = [
            ("--retries", retries.as_str()),
            ("--timeout", &timeout),
            ("--stall", &stall),
            ("--disk-wait", &disk_wait),
            ("--color", "never"),
        ];
        // What the environment or the settings say it reads there itself, and can tell so.
        let is_read_there =
            |by: &str| self.origins.iter().any(|(name, _, origin)| name == "budget" && origin == by && !by.starts_with("--"));
        let budget = self.budget.as_ref().filter(|budget| !is_read_there(&budget.by));
        let budget = budget.map(|Asked { bytes, by }| (bytes.map_or_else(|| "auto".to_owned(), |bytes| bytes.0.to_string()), by));
        let budget = budget.iter().flat_map(|(bytes, by)| [("--budget", bytes.as_str()), ("--budget-source", by)]);
        let said = said.into_iter().chain(budget).map(|(flag, value)| (flag, OsStr::new(value)));
        let ffmpeg = ffmpeg.iter().map(|ffmpeg| ("--ffmpeg", ffmpeg.as_os_str()));
        said.chain(ffmpeg).flat_map(|(flag, value)| [flag.into(), value.to_owned()]).collect()
    }

    /// A mistake in the value of an option, with who said it where that was not on the command line.
    pub fn mistake(&self, option: &str, error: &impl std::fmt::Display) -> Usage {
        let origin = self.origins.iter().find(|(name, _, _)| name == option).map(|(_, _, origin)| origin.as_str());
        match origin {
            Some(origin) if origin != DEFAULT && !origin.starts_with("--") => {
                Usage(format!("{error}\nThe {option} comes from {origin}."))
            }
            _ => Usage(error.to_string()),
        }
    }

    pub fn load_profile(&self) -> Result<Profile, Usage> {
        Ok(search::find(&self.paths, &self.settings.profile).map_err(|error| self.mistake("profile", &error))?.value)
    }

    /// The preset in force, and all that jobs may name.
    pub fn load_presets(&self) -> Result<(String, BTreeMap<String, Preset>), Usage> {
        let mut presets: BTreeMap<String, Preset> = search::list::<Preset>(&self.paths)
            .into_iter()
            .filter_map(|listed| listed.read.ok())
            .map(|preset| (preset.name.clone(), preset))
            .collect();
        let preset: Preset =
            search::find(&self.paths, &self.settings.preset).map_err(|error| self.mistake("preset", &error))?.value;
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
        let shown = path_text(&self.settings.out);
        let wrong = |why: &str| Usage(format!("cannot write outputs to {shown}: {why}; choose another folder with --out"));
        for folder in self.settings.out.ancestors() {
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

#[cfg(test)]
mod tests {
    use clap::FromArgMatches as _;

    use super::*;

    #[test]
    fn what_limits_a_run_is_handed_on_to_the_plimsolls_of_a_comparison() {
        let line = [
            "plimsoll",
            "compare",
            "--state-dir=/nowhere",
            "--disk-wait=5m",
            "--timeout=1h",
            "--stall=30s",
            "--budget=600MB",
            "--ffmpeg=/opt/ffmpeg",
            "a.mp4",
        ];
        let matches = args::command_alone().try_get_matches_from(line).expect("a line");
        let given = args::Cli::from_arg_matches(&matches).expect("a line").options;
        let (resolved, _) = examine(given, &matches).expect("resolved");
        let handed: Vec<String> = resolved.handed_on(3).iter().map(|word| word.to_string_lossy().into_owned()).collect();
        for (flag, value) in [
            ("--retries", "3"),
            ("--timeout", "3600000ms"),
            ("--stall", "30000ms"),
            ("--disk-wait", "300000ms"),
            ("--budget", "629145600"),
            ("--ffmpeg", "/opt/ffmpeg"),
        ] {
            assert!(handed.windows(2).any(|pair| pair == [flag, value]), "{flag} {value} is missing in {handed:?}");
        }
        // The other one can read it.
        let words = ["plimsoll", "run"].map(OsString::from).into_iter().chain(resolved.handed_on(3));
        assert!(args::command_alone().try_get_matches_from(words).is_ok(), "{handed:?}");
    }
}
