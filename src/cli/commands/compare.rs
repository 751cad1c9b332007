//! `plimsoll compare`: the same queue under each profile, one run after the other, each a plimsoll of its own with a fresh
//! record and output folder, measured from outside.
//!
//! Exit status: 0 when every run went to its end, some job was done, no governed job was lost and all outputs hold the
//! same bytes; 1 otherwise. A rejected file belongs to what is compared, and so do the losses of the naive baseline:
//! neither makes it a failure. Nor does `q`: an operator who has seen enough is told by the same rule what was measured by
//! then. A signal gives 128 + its number, as for every command.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use color_eyre::eyre::{Context as _, Result, eyre};
use serde_json::{Value, json};

use crate::cli::Usage;
use crate::cli::args::CompareArgs;
use crate::cli::options::Resolved;
use crate::cli::session::diagnostics::Diagnostics;
use crate::cli::session::signals::Signals;
use crate::cli::session::{Waits, event_loop, has_terminal};
use crate::config::search;
use crate::domain::comparison::saved::{RunUnderWay, Standing};
use crate::domain::comparison::{Column, Comparison, Outside, RunFigures, RunTag, Subject, Tally};
use crate::domain::event::Event;
use crate::domain::profile::Profile;
use crate::domain::text::{error_words, path_text};
use crate::domain::time::Mono;
use crate::domain::units::Bytes;
use crate::headless::comparison::{chart, json as comparison_json, markdown, table};
use crate::host::compare::run_group::{GroupWatch, RunGroup, RunGroups};
use crate::host::demo::clips::DEMO_BUDGET;
use crate::host::memory::cgroup::Roots;
use crate::host::memory::machine;
use crate::host::memory::page_cache;
use crate::host::process::childrun::{ChildRun, Output, RunCommand};
use crate::runtime::clock::Clock;
use crate::runtime::relay::Request;

use comparison_log::ComparisonLog;
use screen::Screen;
use stream::Stream;
use told::{hashes, told, trouble};
use work::WorkFolder;

pub mod background_compare;
pub mod comparison_log;
mod screen;
mod stream;
mod told;
mod work;

const PICTURE: &str = "memory.svg";
/// So many of the paths that were given are named where it is said what was compared.
const NAMED_PATHS: usize = 8;

/// Compares the profiles; returns the exit status. Everything that can be wrong is looked for before anything runs.
pub fn run(args: &CompareArgs, mut resolved: Resolved) -> Result<u8> {
    let profiles = load_profiles(&args.profiles, &resolved)?;
    let (preset, _) = resolved.load_presets()?;
    resolved.ffmpeg()?;
    let (paths, home) = if args.paths.is_empty() {
        let (paths, folder) = crate::cli::commands::demo::clips_for_comparison(&resolved, args.clips.as_deref())?;
        if args.limit.is_none() {
            resolved.ask_budget(DEMO_BUDGET, crate::cli::commands::demo::ITS_BUDGET);
        }
        (paths, folder)
    } else {
        (args.paths.clone(), resolved.settings.out.parent().unwrap_or(&resolved.settings.out).to_owned())
    };
    let inputs = inputs(&paths, &resolved)?;
    if resolved.is_out_given() {
        resolved.check_out()?;
    }
    let report = args.report.as_deref().map(open_report).transpose()?;
    let work = WorkFolder::make(if resolved.is_out_given() { &resolved.settings.out } else { &home })?;

    let (groups, limit_refused) = match RunGroups::open(&Roots::default()) {
        Ok(groups) => (Some(groups), None),
        Err(error) => (None, args.limit.map(|_| error.to_string())),
    };
    if let (Some(limit), Some(why)) = (args.limit, &limit_refused) {
        crate::cli::write_stderr(&format!(
            "compare: no run can be limited to {limit} by the kernel: {why}\ncompare: the runs go on with a budget of {limit} \
             instead; the naive baseline is held by nothing, so what it loses here is not what it would lose in such a box\n"
        ));
        resolved.limit_budget(limit, "--limit");
    }
    let governors: &[bool] = if resolved.settings.no_governor { &[true, false] } else { &[true] };
    let columns = governors.iter().flat_map(|governor| profiles.iter().map(|profile| column(profile, *governor))).collect();
    let clock = Clock::start();
    let log = ComparisonLog::begin(&resolved.state_dir, clock);
    let subject = Subject {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: log.id().begun.to_string(),
        inputs: inputs.len() as u64,
        paths: paths.iter().take(NAMED_PATHS).map(|path| path_text(path)).collect(),
        preset,
    };
    let mut comparer = Comparer {
        resolved: &resolved,
        paths,
        inputs,
        work: &work,
        groups,
        limit: args.limit.filter(|_| limit_refused.is_none()),
        names: args.profiles.clone(),
        stream: args.json.then_some(Stream::new(clock)),
        subject,
        jobs: 0,
        clock,
        log,
        screen: None,
    };
    let comparison = Comparison {
        columns,
        rounds: args.runs,
        limit_bytes: args.limit,
        limit_refused,
        interrupted: false,
        cores: machine::processors() as u32,
        load_before: machine::load(),
    };
    let has_screen = has_terminal() && !resolved.settings.plain && !args.headless && !args.json;
    let _diagnostics = (!has_screen).then(|| Diagnostics::start(resolved.line_color(), None)).transpose()?;
    // Children die when the thread that started them ends, so all of it happens on this one.
    let runtime = event_loop(Waits::Signals)?;
    comparer.log.note(&comparer.subject, &comparison, Standing::UnderWay, None);
    if has_screen {
        comparer.screen = Some(Screen::open(&resolved, &profiles[0], &comparer.log)?);
    }
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
    let found = crate::cli::commands::run::inputs(paths, resolved)?;
    found.print_refused("compare");
    let files: Vec<PathBuf> = found.files.into_iter().map(|(file, _)| file).collect();
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
    crate::cli::options::is_writable(&folder).map_err(wrong)?;
    Ok(folder)
}

/// What is heard while a run goes on.
enum Happened {
    /// From the run.
    Output(Option<Output>),
    /// From whoever sends signals.
    Signal(i32),
    /// From the screen.
    Request(Request),
    /// It is time to note how far it is.
    Due,
}

/// A run while it goes on.
struct AtWork<'a> {
    tag: &'a RunTag,
    began: Mono,
    tally: Tally,
    watch: Option<GroupWatch>,
}

impl AtWork<'_> {
    /// How far it is at this time.
    fn so_far(&self, now: Mono) -> RunUnderWay {
        let seen = self.watch.as_ref().map(GroupWatch::so_far);
        let outside = Outside {
            peak_usage: seen.as_ref().map(|seen| seen.peak_usage),
            curve: seen.map(|seen| seen.curve).unwrap_or_default(),
            ..Outside::default()
        };
        let seconds = now.since(self.began).as_secs_f64();
        RunUnderWay { run: self.tag.clone(), seconds, figures: self.tally.so_far(outside) }
    }
}

/// What ended the comparison before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The operator, on the screen.
    Request,
    /// This signal.
    Signal(i32),
}

/// What came of one run.
enum Ran {
    To(Box<RunFigures>),
    /// It could not begin, for a mistake that was not seen before.
    Refused(String),
    /// It was ended before its end.
    Stopped(Stop),
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
    /// Most jobs that a run has had.
    jobs: u64,
    clock: Clock,
    log: ComparisonLog,
    screen: Option<Screen>,
}

impl Comparer<'_> {
    async fn compare(mut self, mut comparison: Comparison, report: Option<&Path>) -> Result<u8> {
        let mut signals = Signals::listen(self.screen.is_none()).wrap_err("cannot listen for signals")?;
        let made = self.make(&mut comparison, &mut signals).await;
        let is_finished = matches!(made, Ok(None));
        comparison.interrupted = !is_finished;
        let standing = if is_finished { Standing::Finished } else { Standing::Interrupted };
        self.log.note(&self.subject, &comparison, standing, None);
        let has_reader = match self.screen.take() {
            Some(screen) => screen.close(is_finished, &mut signals).await,
            None => true,
        };
        let stopped = made?;
        self.show(&comparison, report, has_reader)?;
        let lost = self.stream.as_ref().and_then(Stream::lost);
        if let Some(error) = lost {
            crate::cli::write_stderr(&format!(
                "compare: the JSON lines on stdout could not be written to the end: {}\n",
                error_words(error)
            ));
        }
        Ok(match stopped {
            None => u8::from(!comparison.is_well() || lost.is_some()),
            Some(Stop::Request) => u8::from(!comparison.is_well_so_far() || lost.is_some()),
            Some(Stop::Signal(signal)) => 128 + signal as u8,
        })
    }

    /// Makes all runs; returns what ended them before their end.
    async fn make(&mut self, comparison: &mut Comparison, signals: &mut Signals) -> Result<Option<Stop>> {
        let columns = comparison.columns.len();
        let of = comparison.rounds * columns as u32;
        for round in 1..=comparison.rounds {
            for turn in 0..columns {
                // Each column comes first once: what warms up with time favours none.
                let index = (turn + round as usize - 1) % columns;
                let column = &comparison.columns[index];
                let number = (round - 1) * columns as u32 + turn as u32 + 1;
                let (profile, governor) = (column.profile.clone(), column.governor);
                let tag = RunTag { number, of, round, profile, governor };
                self.say(&format!("compare: run {number} of {of}: {} {}\n", column.name(), column.short));
                let name = self.names[index % self.names.len()].clone();
                match self.run(&tag, &name, comparison, signals).await? {
                    Ran::To(figures) => {
                        self.say(&told(&figures));
                        if let Some(stream) = &mut self.stream {
                            let fields = json!({ "run": tag, "figures": comparison_json::run(&figures, false) });
                            stream.emit("run_measured", fields.as_object().cloned().unwrap_or_default());
                        }
                        comparison.columns[index].runs.push(*figures);
                        self.log.note(&self.subject, comparison, Standing::UnderWay, None);
                    }
                    Ran::Refused(why) => return Err(Usage(why).into()),
                    Ran::Stopped(stop) => return Ok(Some(stop)),
                }
            }
        }
        Ok(None)
    }

    /// A line for whoever waits; a screen tells the same in its own way.
    fn say(&self, text: &str) {
        if self.screen.is_none() {
            crate::cli::write_stderr(text);
        }
    }

    /// `has_reader` = there is still a terminal to print on.
    fn show(&mut self, comparison: &Comparison, report: Option<&Path>, has_reader: bool) -> Result<()> {
        let subject = &self.subject;
        if let Some(stream) = &mut self.stream {
            stream.emit("comparison_finished", comparison_json::object(comparison, subject, false));
            crate::cli::write_stderr(&table::render(comparison, subject));
        } else if has_reader {
            crate::cli::write_out(table::render(comparison, subject).as_bytes())?;
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
        crate::cli::write_stderr(&format!("compare: the report is in {}\n", path_text(folder)));
        Ok(())
    }

    async fn run(&mut self, tag: &RunTag, name: &str, comparison: &Comparison, signals: &mut Signals) -> Result<Ran> {
        for input in &self.inputs {
            // Where it is not allowed or not known, the runs are as fair as they can be.
            let _ = page_cache::open(input).map(|file| page_cache::drop_cache(&file, 0, false));
        }
        let folder = self.work.of_run(tag.number).wrap_err("cannot make a folder for the run")?;
        let group = self.group(tag.number)?;
        let command = self.command(tag, name, &folder, group.as_ref())?;
        let watch = group.as_ref().and_then(RunGroup::watch);
        let began = self.clock.now().mono;
        let mut at_work = AtWork { tag, began, tally: Tally::default(), watch };
        let mut child = ChildRun::start(&command).wrap_err("cannot start a run")?;
        if let Some(screen) = &mut self.screen {
            screen.relay.begin();
        }
        self.note(&at_work, comparison);
        let mut stopped = None;
        let ending = loop {
            let due = self.clock.instant_of(self.log.due());
            let screen = &mut self.screen;
            let asked = async {
                match screen {
                    Some(screen) => screen.relay.next_request().await,
                    None => std::future::pending().await,
                }
            };
            let heard = tokio::select! {
                said = child.said.recv() => Happened::Output(said),
                signal = signals.next() => Happened::Signal(signal),
                request = asked => Happened::Request(request),
                () = tokio::time::sleep_until(due) => Happened::Due,
            };
            match heard {
                // The guard stays when the screen goes, as in every run.
                Happened::Signal(libc::SIGHUP) => {}
                // Both stand still and go on together.
                Happened::Signal(libc::SIGTSTP) => {
                    signals.stand_still(async { child.handle().stop() }).await;
                    child.handle().go_on();
                }
                Happened::Signal(signal) => {
                    stopped = stopped.or(Some(Stop::Signal(signal)));
                    child.signal(signal);
                }
                Happened::Request(Request::End) => {
                    stopped = stopped.or(Some(Stop::Request));
                    child.signal(libc::SIGINT);
                }
                Happened::Request(Request::Stop) => {
                    child.handle().stop();
                    if let Some(screen) = &mut self.screen {
                        screen.relay.stopped();
                    }
                }
                Happened::Request(Request::GoOn) => child.handle().go_on(),
                Happened::Due => self.note(&at_work, comparison),
                Happened::Output(Some(Output::Line(line))) => {
                    if let Ok(event) = serde_json::from_str::<Event>(&line) {
                        at_work.tally.apply(&event);
                        if let Some(screen) = &mut self.screen {
                            screen.relay.emit(&event);
                        }
                    }
                    if let Some(stream) = &mut self.stream {
                        stream.pass(&line, tag);
                    }
                }
                Happened::Output(Some(Output::Ended(ending))) => break ending,
                Happened::Output(None) => return Err(eyre!("a run has ended without a word")),
            }
        };
        let AtWork { tally, watch, .. } = at_work;
        let seen = watch.map(GroupWatch::finish);
        drop(group);
        if let Some(stop) = stopped {
            return Ok(Ran::Stopped(stop));
        }
        if ending.status.code() == Some(2) {
            return Ok(Ran::Refused(format!("a run was refused: {}", ending.last_lines.join("\n"))));
        }
        let places = tally.outputs();
        self.jobs = self.jobs.max(tally.jobs());
        self.subject.inputs = self.jobs;
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

    /// Notes how far a run is.
    fn note(&mut self, at_work: &AtWork<'_>, comparison: &Comparison) {
        let run = at_work.so_far(self.clock.now().mono);
        self.log.note(&self.subject, comparison, Standing::UnderWay, Some(run));
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
        // The baseline is what plain tools do, and they do not try again.
        let retries = if tag.governor { resolved.settings.retries.0 } else { 0 };
        let mut args: Vec<OsString> = vec!["run".into(), "--json".into()];
        let mut add = |flag: &str, value: &OsStr| args.extend([flag.into(), value.to_owned()]);
        add("--profile", name.as_ref());
        add("--preset", resolved.settings.preset.as_ref());
        add("--out", folder.join("out").as_ref());
        add("--state-dir", folder.join("state").as_ref());
        if let Some(file) = &resolved.settings.log_file {
            add("--log-file", file.as_ref());
        }
        args.extend(resolved.handed_on(retries));
        args.push(format!("--no-governor={}", if tag.governor { "no" } else { "yes" }).into());
        args.push("--".into());
        args.extend(self.paths.iter().map(|path| path.as_os_str().to_owned()));
        let entrance = group.map(RunGroup::entrance).transpose().wrap_err("cannot open the run's memory cgroup")?;
        Ok(RunCommand { program: crate::cli::own_program()?, args, entrance })
    }
}
