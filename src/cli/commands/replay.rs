//! `plimsoll replay`: a past or a recorded run shown again, in the console on a terminal, as log lines elsewhere; and the
//! list of past runs.

use std::fmt::Write as _;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use color_eyre::eyre::Result;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::cli::args::{PastChoice, ReplayArgs};
use crate::cli::commands::run::console_options;
use crate::cli::options::Resolved;
use crate::cli::planning::ahead::no_look_ahead;
use crate::cli::session::{Waits, event_loop, has_terminal, line_sinks};
use crate::cli::{Usage, meant};
use crate::domain::command::ClientId;
use crate::domain::text::{error_words, path_text};
use crate::domain::time::Wall;
use crate::headless::{self, summary};
use crate::host::process::log::joblog::read_log;
use crate::host::store::{self, Ending, PastRun};
use crate::runtime::link::ReadLog;
use crate::runtime::replay::{Player, Recording};
use crate::tui;

/// Plays a recording, or lists what may be played; returns the exit status: 0 when it was played to its end or the operator
/// has seen enough.
pub fn run(args: &ReplayArgs, resolved: &Resolved) -> Result<u8> {
    match (&args.file, args.past) {
        (Some(file), _) => play(args, resolved, recorded(file, args.run)?, None),
        (None, Some(choice)) => {
            let (run, recording) = past(choice, &resolved.state_dir)?;
            let folder = resolved.state_dir.join("logs").join(run.to_string());
            play(args, resolved, recording, Some(Arc::new(move |job, attempt| read_log(&folder, job, attempt))))
        }
        (None, None) => list(args.json, &resolved.state_dir),
    }
}

/// What a file holds.
fn recorded(file: &Path, run: Option<u64>) -> Result<Recording, Usage> {
    let shown = path_text(file);
    let wrong = |error: std::io::Error| {
        let what = || format!("cannot read the recording {shown}: {}", error_words(&error));
        Usage(meant::past_run(file).unwrap_or_else(what))
    };
    let recording = Recording::read(BufReader::new(File::open(file).map_err(wrong)?), run).map_err(wrong)?;
    if let Some(run) = run.filter(|run| !recording.is_of_comparison && *run != 1) {
        return Err(Usage(format!(
            "{shown} is the recording of one run, there is no run {run} in it; --run chooses among the runs of `plimsoll compare --json`"
        )));
    }
    if recording.events.is_empty() {
        return Err(Usage(match run {
            Some(run) => format!("there is no run {run} in {shown}"),
            None => format!("there are no events in {shown}; give a file written by `plimsoll run --json`"),
        }));
    }
    if recording.unreadable > 0 {
        let are = if recording.unreadable == 1 { "line is no event" } else { "lines are no events" };
        crate::cli::write_stderr(&format!("replay: {shown}: {} {are} that is known here, left out\n", recording.unreadable));
    }
    Ok(recording)
}

/// The past runs of a state folder, oldest first.
fn past_runs(state_dir: &Path) -> Result<Vec<PastRun>, Usage> {
    let file = state_dir.join(store::FILE_NAME);
    if !file.exists() {
        let what = format!("no run is kept: there is no record {}", path_text(&file));
        return Err(Usage(format!("{what}; run something first, or choose another state folder with --state-dir")));
    }
    store::past_runs(state_dir).map_err(|error| Usage(error.to_string()))
}

/// What is kept of a past run, with its number.
fn past(choice: PastChoice, state_dir: &Path) -> Result<(i64, Recording), Usage> {
    let runs = past_runs(state_dir)?;
    let found = match choice {
        PastChoice::Last => runs.last(),
        PastChoice::Run(number) => runs.iter().find(|run| run.run == number),
    };
    let Some(run) = found else {
        let there_are = match (runs.first(), runs.last()) {
            (Some(first), Some(last)) => {
                format!("the runs from {} to {} are kept; `plimsoll replay` lists them", first.run, last.run)
            }
            _ => "no run is kept there".to_owned(),
        };
        let which = if let PastChoice::Run(number) = choice { format!("run {number}") } else { "a past run".to_owned() };
        return Err(Usage(format!("there is no {which} in the state folder {}: {there_are}", path_text(state_dir))));
    };
    let kept = store::past_events(state_dir, run.run).map_err(|error| Usage(error.to_string()))?;
    let recording = Recording { events: kept.events, unreadable: kept.unreadable, is_of_comparison: false };
    let mut notes = Vec::new();
    if recording.begins_late() {
        notes.push("its beginning is not kept any more".to_owned());
    }
    if recording.unreadable > 0 {
        notes.push(format!("{} of its events cannot be read, left out", recording.unreadable));
    }
    match run.ending {
        Ending::Over => {}
        Ending::CutOff => notes.push("it was cut off: plimsoll died, or its machine".to_owned()),
        Ending::AtWork => notes.push("it is at work: shown as far as it is on record".to_owned()),
    }
    for note in notes {
        crate::cli::write_stderr(&format!("replay: run {}: {note}\n", run.run));
    }
    Ok((run.run, recording))
}

fn list(json: bool, state_dir: &Path) -> Result<u8> {
    let runs = past_runs(state_dir)?;
    let mut out = String::new();
    if json {
        for run in &runs {
            let line = json!({
                "run": run.run, "began": run.began, "last": run.last, "profile": run.profile, "jobs": run.jobs,
                "ending": match run.ending { Ending::Over => "over", Ending::CutOff => "cut_off", Ending::AtWork => "at_work" },
                "events": run.events,
            });
            let _ = writeln!(out, "{line}");
        }
        return crate::cli::write_out(out.as_bytes());
    }
    let zone = TimeZone::system();
    let when = |at: Wall| {
        let stamp = Timestamp::from_millisecond(at.0).unwrap_or_default().to_zoned(zone.clone());
        stamp.strftime("%Y-%m-%d %H:%M:%S").to_string()
    };
    let ending = |run: &PastRun| match run.ending {
        Ending::Over => "in order",
        Ending::CutOff => "cut off",
        Ending::AtWork => "at work",
    };
    let took = |run: &PastRun| {
        let seconds = (run.last.0 - run.began.0).max(0) / 1000;
        format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    };
    let rows: Vec<[String; 7]> = runs
        .iter()
        .map(|run| {
            let jobs = run.jobs.words();
            [
                run.run.to_string(),
                when(run.began),
                took(run),
                run.profile.clone(),
                ending(run).to_owned(),
                run.events.to_string(),
                jobs,
            ]
        })
        .collect();
    let heads = ["run", "began", "took", "profile", "ended", "events", "jobs"];
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).chain([heads[at].len()]).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    for row in std::iter::once(&heads.map(str::to_owned)).chain(&rows) {
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Numbers stand on the right.
            let _ = if matches!(at, 0 | 2 | 5) { write!(line, "  {cell:>width$}") } else { write!(line, "  {cell:<width$}") };
        }
        let _ = writeln!(out, "{}", line.trim_end());
    }
    match runs.last() {
        Some(last) => drop(writeln!(out, "\nshow one again: plimsoll replay --past {}", last.run)),
        None => drop(writeln!(out, "\nno run is kept in {}", path_text(state_dir))),
    }
    crate::cli::write_out(out.as_bytes())
}

/// Shows a recording. `logs`: how to read the whole logs of its jobs.
fn play(args: &ReplayArgs, resolved: &Resolved, recording: Recording, logs: Option<ReadLog>) -> Result<u8> {
    let is_console = has_terminal() && !resolved.settings.plain && !args.headless && !args.json;
    // Without a screen nobody waits for the time to pass, unless asked to.
    let speed = args.speed.unwrap_or(if is_console { 1.0 } else { f64::INFINITY });
    let (player, stalls) = Player::new(recording, speed);
    let link = stalls.attach(ClientId(1));
    drop(stalls);
    let runtime = event_loop(Waits::Signals)?;
    if is_console {
        let profile = resolved.load_profile()?;
        let mut options = console_options(resolved, &profile);
        (options.lookup.log, options.replay) = (logs, true);
        // The queue that is shown waits for nothing any more.
        let why = "this is a replay, no queue waits to be run: `plimsoll plan` looks ahead at files";
        options.lookup.ahead = Some(no_look_ahead(why));
        runtime.block_on(tui::run(&mut link.carried_by(player.play(false)), options))?;
        return Ok(0);
    }
    let report = runtime.block_on(async {
        let sinks = line_sinks(args.json, resolved.line_color());
        tokio::join!(player.play(true), headless::follow(link, Vec::new(), sinks)).1
    });
    match &report.summary {
        Some(figures) => crate::cli::write_stderr(&summary::render(figures)),
        None => crate::cli::write_stderr("replay: the recording ends before the run did\n"),
    }
    for lost in &report.lost {
        crate::cli::write_stderr(&format!("replay: {lost}\n"));
    }
    Ok(u8::from(!report.lost.is_empty()))
}
