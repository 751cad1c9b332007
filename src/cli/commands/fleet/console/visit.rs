//! Opens the console of one worker in place of the fleet's, and comes back.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use super::Console;
use crate::domain::text::sanitise;
use crate::host::process::standstill::stop_this_process;
use crate::tui::fleet::state::{Tone, Visit};
use crate::tui::fleet::view::command_line;
use crate::tui::input::reader::Reader;
use crate::tui::terminal::signals::{Ends, ScreenSignal};

/// Most of what the other console says at its end that is read.
const SAID: u64 = 16 * 1024;
/// How long its last words are waited for after its end: whoever it has started may hold the pipe.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How long it may take to give the terminal back after a signal.
const GOODBYE: Duration = Duration::from_secs(1);

impl Console {
    /// Opens the worker's console, waits for its end, and takes the terminal back. The exit status if that is the end of this
    /// console too.
    pub(super) async fn visit(&mut self, visit: Visit) -> io::Result<Option<u8>> {
        if visit.host.is_none() && !Path::new(&visit.state_dir).is_dir() {
            let why = format!("{} is not on this machine as it is seen from here (another container?)", visit.state_dir);
            self.board.say(Tone::Refused, why);
            return Ok(None);
        }
        // Keys are the other console's now.
        self.reader = None;
        self.guard.leave();
        let ended = match start(&visit) {
            Ok(mut child) => {
                let said = child.stderr.take().map(|stderr| tokio::spawn(read(stderr)));
                let ended = self.wait(&mut child).await;
                let said = match said {
                    Some(said) => timeout(LAST_WORDS, said).await.ok().and_then(Result::ok).unwrap_or_default(),
                    None => String::new(),
                };
                ended.map(|ended| (ended, said))
            }
            Err(error) => Err(error),
        };
        self.guard.enter()?;
        self.reader = Some(Reader::start()?);
        self.redraw_all()?;
        match ended {
            Ok((Ended::Signalled(signal), _)) => return Ok(Some(128 + signal as u8)),
            Ok((Ended::Left(true), _)) => self.board.say(Tone::Done, format!("back from {}", visit.r#box)),
            Ok((Ended::Left(false), said)) => {
                let said = said.trim().trim_start_matches("plimsoll: ");
                let why = if said.is_empty() { "its console has failed" } else { said };
                self.board
                    .show_text(format!("The console of {}", visit.r#box), &format!("{why}\nby hand: {}", command_line(&visit)));
            }
            Err(error) => self.board.say(Tone::Refused, format!("{} cannot be opened: {error}", visit.r#box)),
        }
        Ok(None)
    }

    /// Waits for its end, and passes on what is meant for both.
    async fn wait(&mut self, child: &mut Child) -> io::Result<Ended> {
        loop {
            let signal = tokio::select! {
                status = child.wait() => return status.map(|status| Ended::Left(status.success())),
                signal = self.signals.next(Ends::ALL) => match signal {
                    // It stops the whole job of the terminal, of which this process is the part that the shell watches.
                    ScreenSignal::Stopped => {
                        stop_this_process();
                        continue;
                    }
                    // A SIGINT of the keyboard is the child's; one of somebody else is not known from it.
                    ScreenSignal::Resized | ScreenSignal::Continued | ScreenSignal::Ended(libc::SIGINT) => continue,
                    ScreenSignal::Ended(signal) => signal,
                },
            };
            let pid = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid as i32));
            if let Some(pid) = pid {
                // It may have ended by itself.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
            let _ = timeout(GOODBYE, child.wait()).await;
            return Ok(Ended::Signalled(signal));
        }
    }
}

/// How a visit ended.
enum Ended {
    /// The other console ended, well or not.
    Left(bool),
    /// This signal ends both.
    Signalled(i32),
}

/// Starts this program as the console of a worker, with the terminal as its own.
fn start(visit: &Visit) -> io::Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    match &visit.host {
        None => command.arg("attach").arg("--state-dir").arg(&visit.state_dir),
        Some(host) => {
            // What the queue says of a host is no option, whatever it begins with.
            command.args(["attach", "--remote-command", &remote_command(&visit.state_dir), "--", host])
        }
    };
    command.stderr(Stdio::piped()).kill_on_drop(true).spawn()
}

/// How plimsoll is called on the other machine: a line for its shell.
fn remote_command(state_dir: &str) -> String {
    format!("plimsoll --state-dir '{}'", state_dir.replace('\'', "'\\''"))
}

async fn read(stderr: ChildStderr) -> String {
    let mut said = Vec::new();
    let mut taken = stderr.take(SAID);
    let _ = taken.read_to_end(&mut said).await;
    // What follows is not kept, but has to go somewhere.
    let _ = tokio::io::copy(&mut taken.into_inner(), &mut tokio::io::sink()).await;
    let lines = String::from_utf8_lossy(&said).lines().map(|line| sanitise(line.as_bytes())).collect::<Vec<_>>();
    lines.join("\n")
}
