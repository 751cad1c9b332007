//! `plimsoll plan`: how a queue would run under each profile and some variations, foretold from what finished jobs of each
//! kind took. Runs nothing but ffprobe.

use std::fmt::Write as _;
use std::path::PathBuf;

use color_eyre::eyre::{Context as _, Result};
use serde_json::{Value, json};

use super::Usage;
use super::args::PlanArgs;
use super::options::Resolved;
use crate::domain::profile::Profile;
use crate::domain::text::path_text;
use crate::domain::units::Bytes;
use crate::host::budget::survey;
use crate::host::cgroup::Roots;
use crate::host::ffmpeg::{Search, locate};
use crate::host::probe::Prober;
use crate::host::store::{lessons, waiting_inputs};
use crate::sim::forecast::{Forecast, Forecaster, QueuedJob, SURE_FROM, Variant};

/// A way that crosses the line more often than this is not advised.
const SELDOM: f64 = 0.05;
/// A way that finishes later by no more than this share, or these seconds, is as quick.
const AS_QUICK: f64 = 0.05;
const AS_QUICK_SECONDS: f64 = 2.0;

/// The plan, ready to be told.
struct Plan {
    jobs: usize,
    bytes: Bytes,
    skipped: usize,
    learned_from: usize,
    guesses: usize,
    budget: Bytes,
    budget_source: String,
    cores: usize,
    runs: u32,
    seed: u64,
    forecasts: Vec<Forecast>,
}

/// Foretells; returns the exit status.
pub fn run(args: &PlanArgs, resolved: &Resolved) -> Result<u8> {
    let profile = resolved.load_profile()?;
    let (_, presets) = resolved.load_presets()?;
    let ffmpeg = locate(&Search::from_env(resolved.ffmpeg.clone())).map_err(|error| Usage(error.to_string()))?;
    let inputs = inputs(args, resolved)?;
    let scratch = tempfolder()?;
    let prober = Prober::new(&ffmpeg.ffprobe, &scratch.0);
    let (mut jobs, mut skipped) = (Vec::new(), 0);
    for (input, preset) in inputs {
        let probed = presets.get(&preset).map(|preset| prober.probe(&input, preset));
        match (probed, std::fs::metadata(&input)) {
            (Some(Ok(probed)), Ok(meta)) => jobs.push(QueuedJob { size: Bytes(meta.len()), media: probed.media, preset }),
            _ => skipped += 1,
        }
    }
    drop(scratch);
    if jobs.is_empty() {
        let which = args.paths.iter().map(|path| path_text(path)).collect::<Vec<_>>().join(", ");
        return Err(Usage(format!("there is nothing to plan: no video in {which}")).into());
    }
    let lessons = lessons(&resolved.state_dir).map_err(|error| Usage(error.to_string()))?;
    let survey = survey(&Roots::default(), resolved.budget, profile.memory.budget);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let forecaster = Forecaster::new(&jobs, &presets, (&lessons.learned, &lessons.curves), cores as f64);
    let variants = variants(resolved, &profile, survey.budget.bytes, cores);
    let plan = Plan {
        jobs: jobs.len(),
        bytes: jobs.iter().map(|job| job.size).sum(),
        skipped,
        learned_from: forecaster.learned_from(),
        guesses: forecaster.guesses(),
        budget: survey.budget.bytes,
        budget_source: survey.budget.source.to_string(),
        cores,
        runs: args.runs,
        seed: args.seed,
        forecasts: variants.iter().map(|variant| forecaster.forecast(variant, args.runs, args.seed)).collect(),
    };
    let text = if args.json { plan.json().to_string() + "\n" } else { plan.text() };
    super::write_out(text.as_bytes())
}

/// A folder of our own for what ffprobe may write; it goes when it is dropped.
struct TempFolder(PathBuf);

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn tempfolder() -> Result<TempFolder> {
    let folder = std::env::temp_dir().join(format!("plimsoll-plan-{}", std::process::id()));
    std::fs::create_dir_all(&folder).wrap_err("cannot make a temporary folder")?;
    Ok(TempFolder(folder))
}

/// The files of the queue, in its order, each with its preset.
fn inputs(args: &PlanArgs, resolved: &Resolved) -> Result<Vec<(PathBuf, String)>> {
    if args.paths.is_empty() {
        let waiting = waiting_inputs(&resolved.state_dir).map_err(|error| Usage(error.to_string()))?;
        if waiting.is_empty() {
            let folder = path_text(&resolved.state_dir);
            let why = format!("no jobs wait in {folder}; give video files, folders or queue files (*.yaml)");
            return Err(Usage(why).into());
        }
        return Ok(waiting);
    }
    Ok(super::run::inputs(&args.paths, resolved)?)
}

/// The profile in force first, then the others, then variations of the first: as many slots as processors, and boxes of
/// half and of twice the memory.
fn variants(resolved: &Resolved, now: &Profile, budget: Bytes, cores: usize) -> Vec<Variant> {
    let variant = |name: String, profile: &Profile, budget| Variant { name, profile: profile.clone(), budget };
    let mut variants = vec![variant(format!("now: {}", now.name), now, budget)];
    for profile in resolved.all_profiles(now).iter().filter(|profile| profile.name != now.name) {
        variants.push(variant(profile.name.clone(), profile, budget));
    }
    let one_more = now.max_concurrent.fixed().map(|slots| slots + 1);
    for slots in [Some(cores as u32), Some(cores as u32 + 1), one_more].into_iter().flatten() {
        let profile = Profile { max_concurrent: slots.clamp(1, 64).into(), ..now.clone() };
        let is_known = |known: &Variant| {
            known.profile.max_concurrent == profile.max_concurrent && known.profile.max_file_size == profile.max_file_size
        };
        if !variants.iter().any(is_known) {
            variants.push(variant(format!("{}, {} slots", now.name, profile.max_concurrent), &profile, budget));
        }
    }
    for budget in [budget.scale(0.5), budget.scale(2.0)] {
        variants.push(variant(format!("{}, {budget} box", now.name), now, budget));
    }
    variants
}

impl Plan {
    /// The way to advise among those on the box there is: that rejects no more than now, hardly ever crosses the line, and
    /// ends first; of those as quick, the one with the lowest peak.
    fn best(&self) -> Option<&Forecast> {
        let now = self.forecasts.first()?;
        let fits = |way: &&Forecast| {
            way.budget == now.budget && way.rejected <= now.rejected && way.crosses <= SELDOM && way.out_of_memory == 0.0
        };
        let first = self.forecasts.iter().filter(fits).map(|way| way.finish_p50).min_by(f64::total_cmp)?;
        let as_quick = |way: &&Forecast| way.finish_p50 <= (first * (1.0 + AS_QUICK)).max(first + AS_QUICK_SECONDS);
        self.forecasts.iter().filter(fits).filter(as_quick).min_by_key(|way| way.peak_p95)
    }

    /// The advice in words, with its reason.
    fn advice(&self) -> String {
        let Some(now) = self.forecasts.first() else { return String::new() };
        let Some(best) = self.best() else {
            return "no way keeps under the line without rejecting more; a larger box would, or smaller pictures".to_owned();
        };
        if best.name == now.name {
            return format!("stay with {}: nothing that keeps under the line ends sooner", now.name.trim_start_matches("now: "));
        }
        let gain = now.finish_p50 - best.finish_p50;
        let time = if gain.abs() <= (now.finish_p50 * AS_QUICK).max(AS_QUICK_SECONDS) {
            "the same finish".to_owned()
        } else {
            format!("ends {} {}", clock(gain.abs()), if gain > 0.0 { "sooner" } else { "later" })
        };
        let (peak, now_peak) = (best.peak_p95, now.peak_p95);
        let memory = match peak.cmp(&now_peak) {
            std::cmp::Ordering::Less => format!("a peak {} lower", (now_peak - peak).whole()),
            _ => format!("a peak {} higher, under the line", (peak - now_peak).whole()),
        };
        format!("{}: {time}, {memory}", best.name)
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let _ =
            writeln!(out, "plimsoll plan: {} jobs, {}; {} finished jobs to learn from", self.jobs, self.bytes, self.learned_from);
        let _ = writeln!(
            out,
            "budget {} from {}, {} processors, {} runs of each way in virtual time, seed {}\n",
            self.budget, self.budget_source, self.cores, self.runs, self.seed
        );
        let label = |way: &Forecast| format!("{} {}", way.name, way.short);
        let wide = self.forecasts.iter().map(|way| label(way).chars().count()).max().unwrap_or(0).max(22) + 1;
        let _ = writeln!(out, "{:<wide$}{:>16}  {:<19}{:>8}{:>5}", "PLAN", "PEAK p50 to p95", "LINE", "FINISH", "REJ");
        // A row that rests on guesses is marked, as everything in it is one.
        let mark = if self.guesses > 0 { "~" } else { "" };
        for way in &self.forecasts {
            let peak = format!("{mark}{} to {}", way.peak_p50.short(), way.peak_p95.short());
            let line = match (way.out_of_memory, way.crosses) {
                (kills, _) if kills > 0.0 => format!("out of memory {:.0} %", kills * 100.0),
                (_, crosses) if crosses > 0.0 => format!("crossed in {:.0} %", crosses * 100.0),
                _ => "never crossed".to_owned(),
            };
            let finish = format!("{mark}{}", clock(way.finish_p50));
            let _ = writeln!(out, "{:<wide$}{peak:>16}  {line:<19}{finish:>8}{:>5}", label(way), way.rejected);
        }
        let _ = writeln!(out, "\nadvice  {}", self.advice());
        if self.guesses > 0 {
            let (guesses, jobs) = (self.guesses, self.jobs);
            let _ = writeln!(
                out,
                "~       guesses: of the kind of {guesses} of {jobs} jobs fewer than {SURE_FROM} have finished here (same pictures, codecs,\n\
                 \x20       speed preset and threads); their memory is the model's, their time a rule of thumb"
            );
        }
        if self.skipped > 0 {
            let _ = writeln!(out, "        {} files would be rejected for what they are, whatever the profile", self.skipped);
        }
        out.push_str("why     the same engine in virtual time over the courses of finished jobs; nobody else uses the box in it\n");
        out
    }

    fn json(&self) -> Value {
        let ways: Vec<Value> = self.forecasts.iter().map(way).collect();
        json!({
            "jobs": self.jobs,
            "size_bytes": self.bytes,
            "not_accepted": self.skipped,
            "learned_from": self.learned_from,
            "guessed_jobs": self.guesses,
            "budget_bytes": self.budget,
            "budget_source": self.budget_source,
            "processors": self.cores,
            "runs": self.runs,
            "seed": self.seed,
            "plans": ways,
            "best": self.best().map(|best| &best.name),
            "advice": self.advice(),
        })
    }
}

fn way(way: &Forecast) -> Value {
    json!({
        "name": way.name,
        "short": way.short,
        "budget_bytes": way.budget,
        "high_water_bytes": way.high_water,
        "peak_p50_bytes": way.peak_p50,
        "peak_p95_bytes": way.peak_p95,
        "crosses_line": way.crosses,
        "out_of_memory": way.out_of_memory,
        "finish_p50_seconds": way.finish_p50,
        "finish_p95_seconds": way.finish_p95,
        "rejected": way.rejected,
        "holds": way.holds,
    })
}

/// `00:12`, `1:02:03`.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes:02}:{rest:02}") }
}
