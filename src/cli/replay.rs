//! `plimsoll replay FILE`: a recorded run shown again, in the console on a terminal, as log lines elsewhere.

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

use color_eyre::eyre::{Context as _, Result};

use super::Usage;
use super::args::ReplayArgs;
use super::options::Resolved;
use super::run::{Wish, front};
use super::session::{Front, has_terminal, line_sinks};
use crate::domain::command::ClientId;
use crate::domain::text::{error_words, path_text};
use crate::headless::{self, summary};
use crate::runtime::replay::{Player, Recording};
use crate::tui;

/// Plays a recording; returns the exit status: 0 when it was played to its end or the operator has seen enough.
pub fn run(args: &ReplayArgs, resolved: &Resolved) -> Result<u8> {
    let shown = path_text(&args.file);
    let wrong = |error: std::io::Error| Usage(format!("cannot read the recording {shown}: {}", error_words(&error)));
    let recording = Recording::read(BufReader::new(File::open(&args.file).map_err(wrong)?), args.run).map_err(wrong)?;
    if recording.events.is_empty() {
        let why = match args.run {
            Some(run) => format!("there is no run {run} in {shown}"),
            None => format!("there are no events in {shown}; give a file written by `plimsoll run --json`"),
        };
        return Err(Usage(why).into());
    }
    if recording.unreadable > 0 {
        super::tell(&format!("replay: {} lines of {shown} are no events that are known here, left out\n", recording.unreadable));
    }
    let is_console = has_terminal() && !resolved.plain && !args.headless && !args.json;
    // Without a screen nobody waits for the time to pass, unless asked to.
    let speed = args.speed.unwrap_or(if is_console { 1.0 } else { f64::INFINITY });
    let (player, stalls) = Player::new(recording, speed);
    let link = stalls.attach(ClientId(1));
    drop(stalls);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().wrap_err("cannot start an event loop")?;
    if is_console {
        let profile = resolved.load_profile()?;
        let Front::Console(mut options) = front(resolved, &profile, Wish::Console) else { return Ok(0) };
        // The queue that is shown waits for nothing any more.
        let why = "this is a replay, no queue waits to be run: `plimsoll plan` looks ahead at files";
        options.lookup.ahead = Some(Arc::new(move |_, _| Err(why.to_owned())));
        let playing = std::thread::Builder::new().name("player".to_owned());
        let player = playing.spawn(move || runtime.block_on(player.play(false))).wrap_err("cannot start a thread")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().wrap_err("cannot start an event loop")?;
        runtime.block_on(tui::run(link, *options))?;
        drop(player);
        return Ok(0);
    }
    let report = runtime.block_on(async {
        let sinks = line_sinks(args.json, resolved.line_color());
        tokio::join!(player.play(true), headless::follow(link, Vec::new(), sinks)).1
    });
    match &report.summary {
        Some(figures) => super::tell(&summary::render(figures)),
        None => super::tell("replay: the recording ends before the run did\n"),
    }
    Ok(0)
}
