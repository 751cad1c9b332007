//! `plimsoll compare`: the same queue under each profile, one run after the other, each a plimsoll of its own with a fresh
//! record and output folder, measured from outside.
//!
//! Exit status: 0 when every run went to its end, some job was done, no governed job was lost and all outputs hold the
//! same bytes; 1 otherwise. A rejected file belongs to what is compared, and so do the losses of the naive baseline:
//! neither makes it a failure.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Context as _, Result, eyre};
use rustix::fs::{FlockOperation, flock};
use serde_json::{Map, Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Usage;
use super::args::CompareArgs;
use super::options::Resolved;
use crate::config::search;
use crate::domain::comparison::{Column, Comparison, Figure, OutputHash, OutputPlace, Outside, RunFigures, RunTag, Tally};
use crate::domain::event::Event;
use crate::domain::profile::Profile;
use crate::domain::text::{error_words, path_text};
use crate::domain::units::Bytes;
use crate::headless::comparison::{Subject, chart, json as comparison_json, markdown, table};
use crate::host::cgroup::Roots;
use crate::host::childrun::{ChildRun, Ending, RunCommand, Said};
use crate::host::clips::DEMO_BUDGET;
use crate::host::ffmpeg::{Search, locate};
use crate::host::rungroup::{RunGroup, RunGroups};
use crate::host::{fileid, resident};
use crate::runtime::clock::Clock;

/// How the folder of a comparison begins; our process number follows.
const WORK: &str = ".plimsoll-compare-";
/// The file in it that is locked as long as the comparison lives.
const LOCK: &str = "lock";
const PICTURE: &str = "memory.svg";

/// Compares the profiles; returns the exit status. Everything that can be wrong is looked for before anything runs.
pub fn run(args: &CompareArgs, mut resolved: Resolved) -> Result<u8> {
    let profiles = load_profiles(&args.profiles, &resolved)?;
    let (preset, _) = resolved.load_presets()?;
    locate(&Search::from_env(resolved.ffmpeg.clone())).map_err(|error| Usage(error.to_string()))?;
    let (paths, home) = if args.paths.is_empty() {
        let (paths, folder) = super::demo::clips_for_comparison(&resolved, args.clips.as_deref())?;
        if args.limit.is_none() {
            resolved.budget = resolved.budget.or(Some(DEMO_BUDGET));
        }
        (paths, folder)
    } else {
        (args.paths.clone(), resolved.out.parent().unwrap_or(&resolved.out).to_owned())
    };
    let inputs = inputs(&paths, &resolved)?;
    if resolved.is_out_given() {
        resolved.check_out()?;
    }
    let report = args.report.as_deref().map(open_report).transpose()?;
    let work = WorkFolder::make(if resolved.is_out_given() { &resolved.out } else { &home })?;

    let (groups, limit_refused) = match RunGroups::open(&Roots::default()) {
        Ok(groups) => (Some(groups), None),
        Err(error) => (None, args.limit.map(|_| error.to_string())),
    };
    if let (Some(limit), Some(why)) = (args.limit, &limit_refused) {
        super::tell(&format!(
            "compare: no run can be limited to {limit} by the kernel: {why}\ncompare: the runs go on with a budget of {limit} \
             instead; the naive baseline is held by nothing, so what it loses here is not what it would lose in such a box\n"
        ));
        resolved.budget = resolved.budget.or(Some(limit));
    }
    let governors: &[bool] = if resolved.governor { &[true] } else { &[true, false] };
    let columns = governors.iter().flat_map(|governor| profiles.iter().map(|profile| column(profile, *governor))).collect();
    let clock = Clock::start();
    let comparer = Comparer {
        resolved: &resolved,
        paths,
        inputs,
        work: &work,
        groups,
        limit: args.limit.filter(|_| limit_refused.is_none()),
        names: args.profiles.clone(),
        stream: args.json.then_some(Stream { seq: 0, clock, open: true }),
        subject: Subject { inputs: 0, preset, version: env!("CARGO_PKG_VERSION").to_owned(), at: clock.now().wall.to_string() },
    };
    let comparison = Comparison {
        columns,
        rounds: args.runs,
        limit_bytes: args.limit,
        limit_refused,
        interrupted: false,
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
        load_before: crate::host::machine::load(),
    };
    // Children die when the thread that started them ends, so all of it happens on this one.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().wrap_err("cannot start an event loop")?;
    runtime.block_on(comparer.compare(comparison, report.as_deref()))
}

fn load_profiles(names: &[String], resolved: &Resolved) -> Result<Vec<Profile>, Usage> {
    let mut profiles: Vec<Profile> = Vec::new();
    for name in names {
        let profile: Profile = search::find(&resolved.paths, name).map_err(|error| Usage(error.to_string()))?.value;
        if profiles.iter().any(|known| known.name == profile.name) {
            return Err(Usage(format!("the profile {} is given twice; --runs N runs each more than once", profile.name)));
        }
        profiles.push(profile);
    }
    Ok(profiles)
}

fn column(profile: &Profile, governor: bool) -> Column {
    let (profile, short, guide) = (profile.name.clone(), profile.short(), profile.guide.clone());
    Column { profile, short, governor, guide, runs: Vec::new() }
}

/// The files whose cached pages are dropped before each run, so that no run finds what an earlier one has read.
fn inputs(paths: &[PathBuf], resolved: &Resolved) -> Result<Vec<PathBuf>, Usage> {
    let files: Vec<PathBuf> = super::run::inputs(paths, resolved)?.into_iter().map(|(file, _)| file).collect();
    if files.is_empty() {
        let given: Vec<String> = paths.iter().map(|path| path_text(path)).collect();
        return Err(Usage(format!("no jobs in {}; give video files, folders or queue files (*.yaml)", given.join(", "))));
    }
    Ok(files)
}

/// The folder for the report is there and can be written to.
fn open_report(folder: &Path) -> Result<PathBuf, Usage> {
    let wrong = |error: std::io::Error| {
        let why = error_words(&error);
        Usage(format!("cannot write the report to {}: {why}; choose another folder with --report", path_text(folder)))
    };
    let folder = std::path::absolute(folder).map_err(wrong)?;
    fs::create_dir_all(&folder).map_err(wrong)?;
    super::options::is_writable(&folder).map_err(wrong)?;
    Ok(folder)
}

/// A folder for outputs and records of the runs; it is removed with everything in it.
struct WorkFolder {
    dir: PathBuf,
    /// Those that had to be made above it, innermost first.
    made: Vec<PathBuf>,
    _lock: File,
}

impl WorkFolder {
    /// Makes it below `home`. What comparisons that were killed have left there is removed.
    fn make(home: &Path) -> Result<Self, Usage> {
        let wrong = |error: std::io::Error| {
            let why = error_words(&error);
            Usage(format!("cannot make a folder for the runs in {}: {why}; choose another with --out", path_text(home)))
        };
        let made = home.ancestors().take_while(|dir| !dir.exists()).map(Path::to_owned).collect();
        fs::create_dir_all(home).map_err(wrong)?;
        remove_leftovers(home);
        let dir = home.join(format!("{WORK}{}", std::process::id()));
        fs::create_dir(&dir).map_err(wrong)?;
        let lock = File::create(dir.join(LOCK)).map_err(wrong)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| wrong(error.into()))?;
        Ok(Self { dir, made, _lock: lock })
    }

    /// A fresh folder for one run.
    fn of_run(&self, number: u32) -> std::io::Result<PathBuf> {
        let dir = self.dir.join(format!("run-{number}"));
        fs::create_dir(&dir).map(|()| dir)
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
        for dir in &self.made {
            let _ = fs::remove_dir(dir);
        }
    }
}

/// Removes the folders of comparisons that do not live any more: nobody holds their locks.
fn remove_leftovers(home: &Path) {
    for entry in fs::read_dir(home).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| {
            name.strip_prefix(WORK).is_some_and(|pid| !pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit()))
        });
        if is_ours
            && let Ok(lock) = File::open(entry.path().join(LOCK))
            && flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The JSON lines: those of the runs, each with the run it belongs to, and those of the comparison itself.
struct Stream {
    seq: u64,
    clock: Clock,
    /// Somebody reads.
    open: bool,
}

impl Stream {
    /// Passes a line of a run on. `seq` goes on rising over all runs; the run's own number stands beside its tag.
    fn pass(&mut self, line: &str, tag: &RunTag) {
        let Ok(Value::Object(mut object)) = serde_json::from_str::<Value>(line) else { return };
        let mut tag = serde_json::to_value(tag).unwrap_or_default();
        tag["seq"] = object.remove("seq").unwrap_or_default();
        // The line itself stays as it is: only its head is another.
        let rest = line.split_once(',').filter(|(first, _)| first.starts_with("{\"seq\":")).map(|(_, rest)| rest.to_owned());
        let rest = rest.unwrap_or_else(|| Value::Object(object).to_string().split_off(1));
        self.seq += 1;
        self.write(&format!("{{\"seq\":{},\"run\":{tag},{rest}", self.seq));
    }

    /// Tells a fact of the comparison.
    fn tell(&mut self, event: &str, fields: Map<String, Value>) {
        self.seq += 1;
        let (at, rest) = (self.clock.now().wall, Value::Object(fields).to_string().split_off(1));
        self.write(&format!("{{\"seq\":{},\"at\":\"{at}\",\"event\":\"{event}\",{rest}", self.seq));
    }

    fn write(&mut self, text: &str) {
        // A reader that has gone (`| head`) has read enough; the report is made all the same.
        self.open = self.open && writeln!(std::io::stdout().lock(), "{text}").is_ok();
    }
}

/// SIGINT and SIGTERM end the run at work, and with it the comparison; SIGTSTP stops both.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    stop: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            stop: signal(SignalKind::from_raw(libc::SIGTSTP))?,
        })
    }

    async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => libc::SIGINT,
            _ = self.terminate.recv() => libc::SIGTERM,
            _ = self.hang_up.recv() => libc::SIGHUP,
            _ = self.stop.recv() => libc::SIGTSTP,
        }
    }
}

/// What came of one run.
enum Ran {
    To(Box<RunFigures>),
    /// It could not begin, for a mistake that was not seen before.
    Refused(String),
    /// This signal ended it.
    Signalled(i32),
}

struct Comparer<'a> {
    resolved: &'a Resolved,
    paths: Vec<PathBuf>,
    inputs: Vec<PathBuf>,
    work: &'a WorkFolder,
    groups: Option<RunGroups>,
    limit: Option<Bytes>,
    /// Profiles as they were given, in the order of the columns.
    names: Vec<String>,
    stream: Option<Stream>,
    subject: Subject,
}

impl Comparer<'_> {
    async fn compare(mut self, mut comparison: Comparison, report: Option<&Path>) -> Result<u8> {
        let mut signals = Signals::listen().wrap_err("cannot listen for signals")?;
        let columns = comparison.columns.len();
        let of = comparison.rounds * columns as u32;
        let mut signalled = 0;
        'runs: for round in 1..=comparison.rounds {
            for turn in 0..columns {
                // Each column comes first once: what warms up with time favours none.
                let index = (turn + round as usize - 1) % columns;
                let column = &comparison.columns[index];
                let number = (round - 1) * columns as u32 + turn as u32 + 1;
                let (profile, governor) = (column.profile.clone(), column.governor);
                let tag = RunTag { number, of, round, profile, governor };
                super::tell(&format!("compare: run {number} of {of}: {} {}\n", column.name(), column.short));
                let name = self.names[index % self.names.len()].clone();
                match self.run(&tag, &name, &mut signals).await? {
                    Ran::To(figures) => {
                        super::tell(&told(&figures));
                        if let Some(stream) = &mut self.stream {
                            let fields = json!({ "run": tag, "figures": comparison_json::run(&figures, false) });
                            stream.tell("run_measured", fields.as_object().cloned().unwrap_or_default());
                        }
                        comparison.columns[index].runs.push(*figures);
                    }
                    Ran::Refused(why) => return Err(Usage(why).into()),
                    Ran::Signalled(signal) => {
                        signalled = signal;
                        break 'runs;
                    }
                }
            }
        }
        comparison.interrupted = signalled != 0;
        self.show(&comparison, report)?;
        Ok(match signalled {
            0 => u8::from(!comparison.is_well()),
            signal => 128 + signal as u8,
        })
    }

    fn show(&mut self, comparison: &Comparison, report: Option<&Path>) -> Result<()> {
        let subject = &self.subject;
        if let Some(stream) = &mut self.stream {
            stream.tell("comparison_finished", comparison_json::object(comparison, subject, false));
            super::tell(&table::render(comparison, subject));
        } else {
            super::write_out(table::render(comparison, subject).as_bytes())?;
        }
        let Some(folder) = report else { return Ok(()) };
        let whole = Value::Object(comparison_json::object(comparison, subject, true));
        for (name, text) in [
            ("report.md", markdown::render(comparison, subject, PICTURE)),
            ("report.json", serde_json::to_string_pretty(&whole)? + "\n"),
            (PICTURE, chart::render(comparison)?),
        ] {
            let file = folder.join(name);
            fs::write(&file, text).map_err(|error| eyre!("cannot write {}: {}", path_text(&file), error_words(&error)))?;
        }
        super::tell(&format!("compare: the report is in {}\n", path_text(folder)));
        Ok(())
    }

    async fn run(&mut self, tag: &RunTag, name: &str, signals: &mut Signals) -> Result<Ran> {
        for input in &self.inputs {
            // Where it is not allowed or not known, the runs are as fair as they can be.
            let _ = resident::open(input).map(|file| resident::drop_cache(&file, 0, false));
        }
        let folder = self.work.of_run(tag.number).wrap_err("cannot make a folder for the run")?;
        let group = self.group(tag.number)?;
        let command = self.command(tag, name, &folder, group.as_ref())?;
        let watch = group.as_ref().and_then(RunGroup::watch);
        let mut child = ChildRun::start(&command).wrap_err("cannot start a run")?;
        let mut tally = Tally::default();
        let mut signalled = 0;
        let ending = loop {
            let said = tokio::select! {
                said = child.said.recv() => said,
                signal = signals.next() => {
                    match signal {
                        // The guard stays when the screen goes, as in every run.
                        libc::SIGHUP => {}
                        libc::SIGTSTP => stop_with(&child),
                        signal => {
                            signalled = if signalled == 0 { signal } else { signalled };
                            child.signal(signal);
                        }
                    }
                    continue;
                }
            };
            match said {
                Some(Said::Line(line)) => {
                    if let Ok(event) = serde_json::from_str::<Event>(&line) {
                        tally.apply(&event);
                    }
                    if let Some(stream) = &mut self.stream {
                        stream.pass(&line, tag);
                    }
                }
                Some(Said::Ended(ending)) => break ending,
                None => return Err(eyre!("a run has ended without a word")),
            }
        };
        let seen = watch.map(crate::host::rungroup::GroupWatch::finish);
        drop(group);
        if signalled != 0 {
            return Ok(Ran::Signalled(signalled));
        }
        if ending.status.code() == Some(2) {
            return Ok(Ran::Refused(format!("a run was refused: {}", ending.last_lines.join("\n"))));
        }
        let places = tally.outputs();
        self.subject.inputs = self.subject.inputs.max(tally.jobs());
        let outside = Outside {
            cpu_seconds: ending.cpu.as_secs_f64(),
            peak_usage: seen.as_ref().map(|seen| seen.peak_usage),
            curve: seen.map(|seen| seen.curve).unwrap_or_default(),
            trouble: trouble(&ending, tally.is_over()),
        };
        let figures = tally.finish(outside, hashes(&places, &folder));
        fs::remove_dir_all(&folder).wrap_err("cannot remove the outputs of a run")?;
        Ok(Ran::To(Box::new(figures)))
    }

    /// The group of a run; a run that is not to be limited does without where there is none.
    fn group(&self, number: u32) -> Result<Option<RunGroup>> {
        let Some(groups) = &self.groups else { return Ok(None) };
        match groups.make(number, self.limit) {
            Ok(group) => Ok(Some(group)),
            Err(error) if self.limit.is_some() => Err(error).wrap_err("cannot make a memory cgroup with a limit for the run"),
            Err(_) => Ok(None),
        }
    }

    fn command(&self, tag: &RunTag, name: &str, folder: &Path, group: Option<&RunGroup>) -> Result<RunCommand> {
        let resolved = self.resolved;
        let seconds = |limit: Option<std::time::Duration>| format!("{}ms", limit.unwrap_or_default().as_millis());
        let budget = resolved.budget.map_or_else(|| "auto".to_owned(), |budget| budget.0.to_string());
        // The baseline is what plain tools do, and they do not try again.
        let retries = if tag.governor { resolved.retries } else { 0 };
        let mut args: Vec<OsString> = vec!["run".into(), "--json".into()];
        let mut add = |flag: &str, value: &OsStr| args.extend([flag.into(), value.to_owned()]);
        add("--profile", name.as_ref());
        add("--preset", resolved.preset.as_ref());
        add("--out", folder.join("out").as_ref());
        add("--state-dir", folder.join("state").as_ref());
        add("--budget", budget.as_ref());
        add("--retries", retries.to_string().as_ref());
        add("--timeout", seconds(resolved.timeout).as_ref());
        add("--stall", seconds(resolved.stall).as_ref());
        add("--color", "never".as_ref());
        if let Some(ffmpeg) = &resolved.ffmpeg {
            add("--ffmpeg", ffmpeg.as_ref());
        }
        if let Some(file) = &resolved.log_file {
            add("--log-file", file.as_ref());
        }
        // A variable says no where the settings file may say yes, which no flag can.
        let mut env = vec![("PLIMSOLL_NO_GOVERNOR".into(), Some("no".into()))];
        if !tag.governor {
            args.push("--no-governor".into());
            env[0].1 = None;
        }
        args.push("--".into());
        args.extend(self.paths.iter().map(|path| path.as_os_str().to_owned()));
        let entrance = group.map(RunGroup::entrance).transpose().wrap_err("cannot open the run's memory cgroup")?;
        Ok(RunCommand { program: super::own_program()?, args, env, entrance })
    }
}

/// Stops the run and its jobs, then ourselves; both go on together.
fn stop_with(child: &ChildRun) {
    child.signal(libc::SIGTSTP);
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
    child.signal(libc::SIGCONT);
}

/// Why a run did not go to its end; `None` when it did.
fn trouble(ending: &Ending, is_over: bool) -> Option<String> {
    ending.death().or_else(|| {
        let last = || ending.last_lines.last().cloned().unwrap_or_default();
        (!is_over).then(|| format!("the run ended without a summary ({}): {}", ending.status, last()))
    })
}

/// One line of what a run came to.
fn told(run: &RunFigures) -> String {
    let text = |figure: Figure| figure.text(figure.of(run));
    let lost = run.failed + run.out_of_memory + run.unfinished;
    format!(
        "compare:   {} in {}, peak {}, {} done, {} rejected, {lost} lost, {} OOM kills\n",
        if run.whole { "over" } else { "broken off" },
        text(Figure::Seconds),
        text(Figure::PeakMemoryBytes),
        run.done,
        run.too_large + run.never_fits + run.not_accepted,
        run.oom_kills
    )
}

/// What the outputs hold. Paths in events are texts, so each is looked up by its text among the files that are there.
fn hashes(places: &[OutputPlace], folder: &Path) -> Vec<OutputHash> {
    let files: BTreeMap<String, PathBuf> = walkdir::WalkDir::new(folder.join("out"))
        .into_iter()
        .filter_map(|entry| entry.ok().filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path))
        .map(|path| (path_text(&path), path))
        .collect();
    let hash = |place: &OutputPlace| {
        let file = files.get(&path_text(&place.path))?;
        let blake3 = fileid::hash(file).ok()?;
        Some(OutputHash { input: place.input.clone(), preset: place.preset.clone(), blake3 })
    };
    places.iter().filter_map(hash).collect()
}
