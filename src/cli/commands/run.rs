//! `plimsoll run PATH…`: from the command line to a session.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use color_eyre::eyre::Result;

use crate::cli::commands::compare::background_compare::BackgroundCompare;
use crate::cli::options::Resolved;
use crate::cli::session::descriptors;
use crate::cli::session::serving::Serves;
use crate::cli::session::{RunLines, Session};
use crate::cli::{Usage, meant};
use crate::config::queue;
use crate::domain::command::{Command, QueueOptions};
use crate::domain::event::JobCounts;
use crate::domain::hook::Hooks;
use crate::domain::preset::Preset;
use crate::domain::profile::Profile;
use crate::domain::screen::ColorChoice;
use crate::domain::text::{error_words as words, path_text};
use crate::domain::units::Bytes;
use crate::engine::EngineConfig;
use crate::engine::estimate::Learned;
use crate::host::files::naming::Named;
use crate::host::files::scan;
use crate::host::media::ffmpeg::Ffmpeg;
use crate::host::memory::machine::processors;
use crate::host::memory::sampler::Windows;
use crate::host::store;
use crate::host::{HostConfig, Listed};
use crate::runtime::link::{Compare, Complete, Lookup};
use crate::tui::TuiOptions;
use crate::tui::app::complete::{self, Places};
use crate::tui::terminal::theme::ColorMode;
#[cfg(feature = "fleet")]
use crate::tui::terminal::theme::Theme;
use crate::wire::message::Facts;

/// Who runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// `plimsoll run`; `json` = JSON lines on stdout too.
    Run {
        /// They are wanted.
        json: bool,
    },
    /// The console's command, where there is no terminal.
    Console,
}

/// Runs the given paths in this process; returns the exit status. Everything that can be wrong is looked for before anything
/// runs.
pub fn run(resolved: &Resolved, paths: &[PathBuf], caller: Caller) -> Result<u8> {
    let commands = commands(paths, resolved)?;
    let left = || store::waiting(&resolved.state_dir).map_err(|error| Usage(error.to_string()));
    if commands.is_empty() && (!paths.is_empty() || left()? == 0) {
        let why = match (paths, caller) {
            ([], Caller::Console) => {
                "there is nothing to run, nothing waits in the queue, and there is no terminal for the console".to_owned()
            }
            ([], Caller::Run { .. }) => "there is nothing to run: no path was given, and nothing waits in the queue".to_owned(),
            (files, _) => format!("no jobs in {}", files.iter().map(|file| path_text(file)).collect::<Vec<_>>().join(", ")),
        };
        return Err(Usage(format!("{why}; give video files, folders or queue files (*.yaml)")).into());
    }
    let ffmpeg = resolved.ffmpeg()?;
    resolved.check_out()?;
    let lines = lines(resolved, caller == Caller::Run { json: true });
    session(resolved, Some(ffmpeg), None, commands, lines)?.run()
}

/// The log lines of a run that ends when its queue is empty.
pub fn lines(resolved: &Resolved, json: bool) -> RunLines {
    RunLines { json, color: resolved.line_color(), drains: true }
}

/// What the last run of this state folder did, in words, where it has left something in the queue; `None` also where there was
/// none, or it did nothing.
pub(in crate::cli) fn done_before(resolved: &Resolved) -> Option<String> {
    store::waiting(&resolved.state_dir).ok().filter(|left| *left > 0)?;
    // A greeting is not worth an error: whatever is wrong with the record is told by those who need it.
    let runs = store::past_runs(&resolved.state_dir).ok()?;
    let last = runs.last()?;
    let jobs = JobCounts { unfinished: 0, ..last.jobs };
    let began = jiff::Timestamp::from_millisecond(last.began.0).ok()?.to_zoned(jiff::tz::TimeZone::system());
    let when = began.strftime("%Y-%m-%d %H:%M");
    (jobs != JobCounts::default()).then(|| format!("the run of {when} had {}", jobs.words()))
}

/// A session of these commands, with the tools there are.
pub fn session(
    resolved: &Resolved,
    ffmpeg: Option<Ffmpeg>,
    load_jobs: Option<PathBuf>,
    commands: Vec<Command>,
    lines: RunLines,
) -> Result<Session, Usage> {
    let mut profile = resolved.load_profile()?;
    let mut profiles = resolved.all_profiles(&profile);
    if let Some(remark) = descriptors::fit(descriptors::raise(), &mut profile, &mut profiles)? {
        crate::cli::write_stderr(&format!("plimsoll: {remark}\n"));
    }
    let (preset, presets) = resolved.load_presets()?;
    let background_compare = BackgroundCompare::default();
    let serves = serves(resolved, &profiles, &presets, background_compare.clone().maker(resolved.clone(), preset.clone()));
    let profile_budget = profile.memory.budget;
    let engine = EngineConfig {
        profiles,
        profile,
        presets: presets.clone(),
        preset,
        check_preset: crate::config::preset::check,
        retries: resolved.settings.retries.0,
        timeout: resolved.settings.timeout.limit(),
        stall: resolved.settings.stall.limit(),
        // Where somebody looks on, it is for them to say how long it is worth waiting.
        disk_wait: lines.drains.then_some(resolved.settings.disk_wait.0),
        governor: !resolved.settings.no_governor,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        before: JobCounts::default(),
        learned: Learned::default(),
        cores: processors() as f64,
    };
    let host = HostConfig {
        state_dir: resolved.state_dir.clone(),
        out: resolved.settings.out.clone(),
        flat: resolved.settings.flat,
        overwrite: resolved.settings.overwrite,
        presets,
        ffmpeg,
        load_jobs,
        budget: resolved.budget.clone(),
        profile_budget,
        restore: true,
        guests: Vec::new(),
        windows: serves.windows.clone(),
        hooks: Hooks::new(),
        watch: Vec::new(),
        read_list,
    };
    let log_file = resolved.settings.log_file.clone();
    Ok(Session {
        engine,
        host,
        commands,
        lines,
        background_compare,
        log_file,
        watch: None,
        agent: None,
        is_demo: false,
        serves: Some(serves),
    })
}

/// What can be looked up in a run with these settings, but for its logs and for making comparisons.
fn lookup(resolved: &Resolved) -> Lookup {
    let state_dir = resolved.state_dir.clone();
    Lookup {
        checkup: Some(crate::cli::checkup(resolved.clone())),
        ahead: Some(crate::cli::planning::ahead::look_ahead(resolved.clone())),
        save: Some(crate::cli::planning::ahead::keep_profile(resolved)),
        comparisons: Some(crate::cli::commands::compare::comparison_log::lookup(&resolved.state_dir)),
        rows: Some(Arc::new(move |wanted| store::rows(&state_dir, wanted).map_err(|error| error.to_string()))),
        ..Lookup::default()
    }
}

/// What consoles and commands can reach of a run with these settings.
fn serves(resolved: &Resolved, profiles: &[Profile], presets: &BTreeMap<String, Preset>, compare: Compare) -> Serves {
    let places = Places::here();
    let facts = Facts {
        profiles: profiles.to_vec(),
        presets: presets.keys().cloned().collect(),
        folder: places.cwd.clone(),
        home: places.home.clone(),
        settings: resolved.origins.iter().map(|(name, value, _)| (name.clone(), value.clone())).collect(),
        compares: true,
        before: None,
        consoles: 0,
    };
    let complete: Complete = Arc::new(move |line| complete::complete(line, &places));
    let lookup = Lookup { compare: Some(compare), complete: Some(complete), ..lookup(resolved) };
    Serves {
        lookup,
        facts,
        windows: Windows::default(),
        exit_when_idle: None,
        ready: None,
        metrics: None,
        handed: None,
        is_service: false,
    }
}

/// How a console looks and what its keys do, and what it looks up in this process unless it is told otherwise.
pub(in crate::cli) fn console_options(resolved: &Resolved, profile: &Profile) -> TuiOptions {
    TuiOptions {
        theme: resolved.settings.theme,
        keys: resolved.keys.clone(),
        color: color_of(resolved),
        ascii: resolved.settings.ascii || !has_utf8_locale(),
        profiles: resolved.all_profiles(profile),
        places: Places::here(),
        lookup: lookup(resolved),
        ..TuiOptions::default()
    }
}

/// The most colours that may be used here.
fn color_of(resolved: &Resolved) -> ColorMode {
    let variable = |name: &str| std::env::var(name).ok();
    let (no_color, colorterm, term) = (variable("NO_COLOR"), variable("COLORTERM"), variable("TERM"));
    ColorMode::detect(resolved.settings.color, no_color.as_deref(), colorterm.as_deref(), term.as_deref())
}

/// How a screen is to look here.
#[cfg(feature = "fleet")]
pub(in crate::cli) fn theme_of(resolved: &Resolved) -> Theme {
    let ascii = resolved.settings.ascii || !has_utf8_locale();
    Theme::new(resolved.settings.theme, color_of(resolved), ascii)
}

/// The locale that governs characters is UTF-8; the first of the three variables that is set decides, as everywhere.
pub fn has_utf8_locale() -> bool {
    let value =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    value.is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

/// What lies under the paths of a queue.
pub(in crate::cli) struct Inputs {
    /// The files that a run would queue, in its order, each with the name of its preset.
    pub files: Vec<(PathBuf, String)>,
    /// What cannot be taken, such as a folder that may not be read, with the reason.
    pub refused: Vec<(PathBuf, String)>,
}

/// So many of what cannot be taken are told one by one.
const REFUSED_TOLD: usize = 20;

impl Inputs {
    /// Tells what cannot be taken, on behalf of this command.
    pub fn print_refused(&self, command: &str) {
        for (path, why) in self.refused.iter().take(REFUSED_TOLD) {
            crate::cli::write_stderr(&format!("{command}: {}: {why}; left out\n", path_text(path)));
        }
        if let more @ 1.. = self.refused.len().saturating_sub(REFUSED_TOLD) {
            crate::cli::write_stderr(&format!("{command}: and {more} more that cannot be taken\n"));
        }
    }
}

/// What a run would find under these paths.
pub(in crate::cli) fn inputs(paths: &[PathBuf], resolved: &Resolved) -> Result<Inputs, Usage> {
    let mut files = Vec::new();
    let refused = find(paths, resolved, &mut |named, _, preset| files.push((named.path.to_owned(), preset.name.clone())))?;
    Ok(Inputs { files, refused })
}

/// Tells each file that a run would find under these paths, with its size and its preset; what cannot be taken comes back.
pub(in crate::cli) fn find(
    paths: &[PathBuf],
    resolved: &Resolved,
    each: &mut dyn FnMut(&Named<'_>, Bytes, &Preset),
) -> Result<Vec<(PathBuf, String)>, Usage> {
    let (default, presets) = resolved.load_presets()?;
    let mut refused = Vec::new();
    // A file is there once for each preset, in however many requests.
    let mut seen = std::collections::BTreeSet::new();
    for command in commands(paths, resolved)? {
        let Command::Enqueue { paths, preset, .. } = command else { continue };
        let name = preset.unwrap_or_else(|| default.clone());
        let Some(preset) = presets.get(&name) else { continue };
        let request = scan::Request { paths: &paths, preset, out: &resolved.settings.out, others: &[], record: &|_| None };
        scan::find(&request, &mut |path, found| match found {
            Ok(found) => {
                let key = scan::input_key(path);
                if seen.insert((name.clone(), key)) {
                    each(&Named { path, key, below: found.below }, Bytes(found.size), preset);
                }
            }
            Err(why) => refused.push((path.to_owned(), why)),
        });
    }
    Ok(refused)
}

/// The commands that queue these paths, in their order. Every path is there, every queue file whole.
pub(in crate::cli) fn commands(paths: &[PathBuf], resolved: &Resolved) -> Result<Vec<Command>, Usage> {
    let mut wanted: Vec<(Option<String>, PathBuf)> = Vec::new();
    let (_, presets) = resolved.load_presets()?;
    let mut mistakes = Vec::new();
    for path in paths {
        if queue::is_queue_file(path) {
            match queue::load_ready(path, &presets, &resolved.paths) {
                Ok(entries) => {
                    for entry in entries {
                        wanted.push((entry.preset, absolute(&entry.input)?));
                    }
                }
                Err(wrong) => mistakes.extend(wrong),
            }
        } else if let Err(error) = std::fs::metadata(path) {
            let hint = meant::name(path, &resolved.paths).map_or_else(String::new, |hint| format!("; {hint}"));
            mistakes.push(format!(
                "{}: {}; give video files, folders or queue files (*.yaml){hint}",
                path_text(path),
                words(&error)
            ));
        } else {
            wanted.push((None, absolute(path)?));
        }
    }
    if !mistakes.is_empty() {
        return Err(Usage(mistakes.join("\n")));
    }
    // In their order, those with the same preset together, as far as they are not too many for one request.
    let mut commands = Vec::new();
    for group in wanted.chunk_by(|(one, _), (next, _)| one == next) {
        let paths = group.iter().map(|(_, path)| path.clone()).collect();
        commands.extend(Command::enqueue_all(paths, group[0].0.as_deref()));
    }
    Ok(commands)
}

/// What a queue file lists, for the host: `None` where the file is none.
fn read_list(file: &Path, presets: &BTreeMap<String, Preset>) -> Option<Result<Listed, Vec<String>>> {
    queue::is_queue_file(file).then(|| {
        // Whoever tells it names the file.
        let place = |wrong: String| {
            let behind = wrong.strip_prefix(&format!("{}:", path_text(file))).map(|behind| format!("line {behind}"));
            behind.unwrap_or(wrong)
        };
        let paths = crate::cli::search_paths(std::env::current_dir().ok());
        let entries = queue::load_ready(file, presets, &paths).map_err(|wrong| wrong.into_iter().map(place).collect::<Vec<_>>())?;
        Ok(entries.into_iter().map(|entry| (entry.preset, entry.input)).collect())
    })
}

/// The same for a server that was started with other settings: what was said here about outputs and presets goes with them.
pub(in crate::cli) fn with_queue_options(commands: Vec<Command>, resolved: &Resolved, front: bool) -> Result<Vec<Command>, Usage> {
    let (own, presets) = resolved.load_presets()?;
    let settings = &resolved.settings;
    let given = |name, value: bool| resolved.is_given(name).then_some(value);
    let with = |command| match command {
        Command::Enqueue { paths, preset, .. } => {
            let preset = preset.or_else(|| resolved.is_given("preset").then(|| own.clone()));
            let options = QueueOptions {
                out: resolved.is_out_given().then(|| settings.out.clone()),
                flat: given("flat", settings.flat),
                overwrite: given("overwrite", settings.overwrite),
                front,
                film: false,
                watch: None,
                definition: preset.as_ref().and_then(|name| presets.get(name)).cloned().map(Box::new),
            };
            Command::Enqueue { paths, preset, options }
        }
        other => other,
    };
    Ok(commands.into_iter().map(with).collect())
}

fn absolute(path: &Path) -> Result<PathBuf, Usage> {
    std::path::absolute(path).map_err(|error| Usage(format!("{}: {}", path_text(path), words(&error))))
}

impl Resolved {
    /// Lines on stderr are coloured.
    pub fn line_color(&self) -> bool {
        self.colors(&std::io::stderr())
    }

    /// Lines on stdout are coloured.
    pub fn line_color_of_stdout(&self) -> bool {
        self.colors(&std::io::stdout())
    }

    fn colors(&self, stream: &impl std::io::IsTerminal) -> bool {
        match self.settings.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                stream.is_terminal() && !is_refused && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }
}
