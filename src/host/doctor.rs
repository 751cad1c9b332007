//! Examines what plimsoll depends on: ffmpeg, memory and its limits, what the kernel offers, folders, terminal.
//!
//! Looks and reports; repairs nothing. What the settings are and what the budget is, it is told.

mod kernel;
mod logout;
mod places;
mod render;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use self::places::TerminalReport;
pub use self::render::{json, text};
use super::media::ffmpeg::{Ffmpeg, FfmpegError, OLDEST};
use super::process::sandbox::SandboxBuilder;
use crate::domain::hook::Hooks;
use crate::domain::memory::Budget;
use crate::domain::preset::{AudioCodec, Preset, VideoCodec};
use crate::domain::text::path_text;
use crate::domain::units::Bytes;

/// A budget below this has no room for a job of 720p beside plimsoll itself.
const TIGHT_BUDGET: Bytes = Bytes::mib(384);

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Works, with something missing.
    Warn,
    /// Jobs cannot run.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it came out.
    pub status: Status,
    /// What was found.
    pub value: String,
    /// What to do, or what it means.
    pub advice: Option<String>,
}

impl Check {
    fn new(name: &str, status: Status, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), status, value: value.into(), advice: None }
    }

    /// A file of the operator's that is wrong: `stops` = nothing runs with it, else it is only passed over.
    pub fn of_file(name: &str, mistake: impl Into<String>, stops: bool) -> Self {
        if stops {
            Self::fail(name, mistake, "nothing runs before it is corrected")
        } else {
            Self::warn(name, mistake, "it cannot be chosen before it is corrected")
        }
    }

    fn ok(name: &str, value: impl Into<String>) -> Self {
        Self::new(name, Status::Ok, value)
    }

    fn warn(name: &str, value: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..Self::new(name, Status::Warn, value) }
    }

    fn fail(name: &str, value: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..Self::new(name, Status::Fail, value) }
    }

    fn with(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// A setting, and who decided it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Its name, as the flag is called without dashes.
    pub name: String,
    pub value: String,
    /// Where it came from: a flag, a variable, a file, or the default.
    pub origin: String,
}

/// The memory budget, as whoever reads it found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetReport {
    /// The number and where it was read.
    pub budget: Budget,
    /// Name of the profile in force.
    pub profile: String,
    /// Our own memory cgroup; `None` where there is none.
    pub group: Option<GroupReport>,
}

/// Our own memory cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupReport {
    /// 1 or 2.
    pub version: u8,
    /// Its folder, as mounted here.
    pub folder: PathBuf,
}

/// What to examine.
#[derive(Debug)]
pub struct Request<'a> {
    /// The ffmpeg, or why there is none.
    pub ffmpeg: Result<&'a Ffmpeg, &'a FfmpegError>,
    /// The presets whose encoders are wanted.
    pub presets: &'a [Preset],
    /// Names of those that jobs get without anybody choosing one.
    pub in_use: &'a BTreeSet<String>,
    /// The budget, or why it cannot be read.
    pub budget: Result<&'a BudgetReport, &'a str>,
    /// Where the queue is kept.
    pub state_dir: &'a Path,
    /// Where outputs go.
    pub out_dir: &'a Path,
    /// The folders that a server watches.
    pub watched: &'a [PathBuf],
    /// What a server runs for what happens.
    pub hooks: &'a Hooks,
    /// The terminal, where there is one to ask about.
    pub terminal: Option<&'a TerminalReport>,
}

/// All that `doctor` has to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was looked at, in the order to show.
    pub checks: Vec<Check>,
    pub settings: Vec<Setting>,
}

impl Report {
    /// The worst of all checks.
    pub fn worst(&self) -> Status {
        self.checks.iter().map(|check| check.status).max().unwrap_or(Status::Ok)
    }
}

/// Looks at everything. Takes well under a second; makes and removes one empty cgroup where it may.
pub fn examine(request: &Request<'_>) -> Vec<Check> {
    let mut checks = ffmpeg(request.ffmpeg, request.presets, request.in_use);
    checks.push(budget(request.budget));
    let group = request.budget.ok().and_then(|report| report.group.as_ref());
    checks.extend(kernel::checks(group));
    let user = std::env::var("USER").unwrap_or_default();
    checks.extend(logout::check(Path::new("/"), &user, rustix::process::geteuid().is_root()));
    checks.push(sandbox(request));
    checks.push(
        Check::ok("allocator", "MALLOC_TRIM_THRESHOLD_ is passed on where a profile sets it")
            .with("measured: it frees nothing for ffmpeg"),
    );
    checks.push(places::state_folder(request.state_dir));
    checks.push(places::output_folder(request.out_dir));
    checks.extend(request.watched.iter().map(|folder| places::watched_folder(folder)));
    checks.extend(request.hooks.iter().filter_map(|(hook, action)| places::hook(*hook, action)));
    checks.extend(request.terminal.into_iter().flat_map(places::terminal));
    checks
}

/// What keeps a machine from making anything of a film, whatever film it is: each with what, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// With any preset.
    ForAll(String),
    /// With presets such as the one that was asked about.
    ForThese(String),
}

/// Whether a failure may lie with this machine: ffmpeg or ffprobe do not run any more, the folder takes no files, ffmpeg lacks
/// what the preset asks for. `None` = another film would have been converted.
pub fn unfit(ffmpeg: &Ffmpeg, preset: &Preset, folder: &Path) -> Option<Unfit> {
    if let Err(error) = ffmpeg.try_again() {
        return Some(Unfit::ForAll(error.to_string()));
    }
    if let Err(error) = places::takes_files(folder) {
        let why = crate::domain::text::error_words(&error);
        return Some(Unfit::ForAll(format!("{} cannot be written to: {why}; check its disk and its rights", path_text(folder))));
    }
    // It may have failed to answer for want of memory, which says nothing of what it can.
    let there = [ffmpeg.encoders(), ffmpeg.muxers()];
    if let Some(error) = there.iter().find_map(|answer| answer.as_ref().err()) {
        return Some(Unfit::ForAll(error.to_string()));
    }
    let in_use = BTreeSet::from([preset.name.clone()]);
    let lacks = abilities(there, std::slice::from_ref(preset), &in_use).into_iter().find(|check| check.status == Status::Fail)?;
    let advice = lacks.advice.map(|advice| format!("; {advice}")).unwrap_or_default();
    Some(Unfit::ForThese(format!("{}: {} {}{advice}", path_text(&ffmpeg.ffmpeg), lacks.name, lacks.value)))
}

fn ffmpeg(found: Result<&Ffmpeg, &FfmpegError>, presets: &[Preset], in_use: &BTreeSet<String>) -> Vec<Check> {
    let ffmpeg = match found {
        Ok(ffmpeg) => ffmpeg,
        Err(error) => {
            let text = error.to_string();
            // The errors end with what to do, after their last semicolon but one.
            let (value, advice) = text.split_once("; run ").map_or((text.as_str(), None), |(value, rest)| (value, Some(rest)));
            let advice = advice.map_or_else(|| "run `plimsoll doctor --fix`".to_owned(), |rest| format!("run {rest}"));
            return vec![Check::fail("ffmpeg", value, advice)];
        }
    };
    let value = format!("{} at {} ({})", ffmpeg.version, path_text(&ffmpeg.ffmpeg), ffmpeg.source);
    let (major, minor) = OLDEST;
    let version = match ffmpeg.at_least(major, minor) {
        Some(true) => Check::ok("ffmpeg", value),
        Some(false) => {
            Check::fail("ffmpeg", value, format!("version {major}.{minor} or newer is needed; name one with --ffmpeg PATH"))
        }
        None => Check::warn("ffmpeg", value, format!("its version does not tell whether it is {major}.{minor} or newer")),
    };
    let mut checks = vec![version, Check::ok("ffprobe", path_text(&ffmpeg.ffprobe))];
    checks.extend(abilities([ffmpeg.encoders(), ffmpeg.muxers()], presets, in_use));
    checks
}

/// Whether an ffmpeg with these encoders and muxers can make what the presets ask for; what only others than those `in_use` ask
/// for is no hindrance.
fn abilities(there: [Result<BTreeSet<String>, FfmpegError>; 2], presets: &[Preset], in_use: &BTreeSet<String>) -> Vec<Check> {
    let mut checks = Vec::new();
    let (encoders, muxers) = wanted(presets);
    let wanted = [("encoders", encoders), ("formats", muxers)];
    for ((name, wanted), there) in wanted.into_iter().zip(there) {
        checks.push(match there {
            Ok(there) => {
                let missing: Vec<_> = wanted.iter().filter(|(name, _)| !there.contains(**name)).collect();
                let is_in_use = missing.iter().any(|(_, presets)| presets.iter().any(|preset| in_use.contains(*preset)));
                let told: Vec<String> =
                    missing.iter().map(|(name, presets)| format!("{name} (wanted by {})", presets.join(", "))).collect();
                let told = format!("missing: {}", told.join(", "));
                let advice = "this ffmpeg was built without it; another build has it: `plimsoll doctor --fix` or --ffmpeg PATH";
                if missing.is_empty() {
                    Check::ok(name, wanted.keys().copied().collect::<Vec<_>>().join(", "))
                } else if is_in_use {
                    Check::fail(name, told, advice)
                } else {
                    Check::warn(name, told, format!("jobs with other presets can run; {advice}"))
                }
            }
            Err(error) => Check::fail(name, error.to_string(), "reinstall ffmpeg, or name another with --ffmpeg PATH"),
        });
    }
    checks
}

/// Whether the kernel keeps jobs and probes to their own files, tried with the very ffmpeg.
fn sandbox(request: &Request<'_>) -> Check {
    let Ok(ffmpeg) = request.ffmpeg else { return Check::ok("fence", "not tried: there is no ffmpeg") };
    match SandboxBuilder::new(request.state_dir.join("scratch"), &ffmpeg.ffmpeg).state() {
        Ok(abi) => Check::ok("fence", format!("jobs and probes reach their own files alone (Landlock {abi})")),
        Err(why) => {
            Check::ok("fence", format!("none: {why}")).with("allow lists of formats and protocols keep ffmpeg to its files")
        }
    }
}

/// A name of ffmpeg's, and the presets that want it.
type Wanted<'a> = BTreeMap<&'static str, Vec<&'a str>>;

/// The encoders and the muxers that presets use.
fn wanted(presets: &[Preset]) -> (Wanted<'_>, Wanted<'_>) {
    let (mut encoders, mut muxers) = (Wanted::new(), Wanted::new());
    for preset in presets {
        let name = preset.name.as_str();
        if let Some(video) = preset.video.as_ref().filter(|video| video.codec != VideoCodec::Copy) {
            encoders.entry(video.codec.as_str()).or_default().push(name);
        }
        if let Some(audio) = preset.audio.as_ref().filter(|audio| audio.codec != AudioCodec::Copy) {
            encoders.entry(audio.codec.as_str()).or_default().push(name);
        }
        muxers.entry(preset.container.muxer()).or_default().push(name);
    }
    (encoders, muxers)
}

fn budget(report: Result<&BudgetReport, &str>) -> Check {
    let report = match report {
        Ok(report) => report,
        Err(why) => return Check::fail("memory budget", why, "give it by hand: --budget 2GB"),
    };
    let Budget { bytes, .. } = &report.budget;
    let value = format!("{bytes}: {}", report.budget.words(&report.profile));
    if *bytes < TIGHT_BUDGET {
        return Check::warn(
            "memory budget",
            value,
            format!("jobs of 720p need about 260 MB each; {TIGHT_BUDGET} or more is advised"),
        );
    }
    Check::ok("memory budget", value)
}

#[cfg(test)]
mod tests;
