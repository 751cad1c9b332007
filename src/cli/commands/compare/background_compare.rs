//! A comparison that a console makes of what waits in the queue: a plimsoll of its own, which ends with the server.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::cli::options::Resolved;
use crate::domain::command::{Command, RequestId};
use crate::domain::comparison::RunTag;
use crate::domain::comparison::under_way::Step;
use crate::host::process::childrun::{ChildHandle, ChildRun, Output, RunCommand};
use crate::host::store;
use crate::runtime::hub::Attacher;
use crate::runtime::link::{Compare, Update};

/// Its end in order takes as long as its run needs to end its jobs; after that it is on its own.
const END: Duration = Duration::from_secs(20);
/// Status of a refusal: nothing was run.
const REFUSED: i32 = 2;

/// The comparison at work, if there is one. Clones are cheap and mean the same.
#[derive(Clone, Default)]
pub struct BackgroundCompare(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    changed: Condvar,
    /// The way to the engine beside which it works.
    engine: OnceLock<Attacher>,
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    AtWork(ChildHandle),
    /// Nothing is begun any more.
    Closed,
}

impl BackgroundCompare {
    /// Makes comparisons with these options; `default` is the name of their preset.
    pub fn maker(self, resolved: Resolved, default: String) -> Compare {
        let stopped = self.clone();
        Compare {
            make: Arc::new(move |inputs, preset| {
                // A preset that was given as a file has no other way to be found.
                let preset = if preset == default { resolved.settings.preset.as_str() } else { preset };
                let inputs = store::exact_inputs(&resolved.state_dir, inputs.to_vec()).map_err(|error| error.to_string())?;
                self.make(&command(&resolved, &inputs, preset)?, inputs.len() as u64)
            }),
            stop: Arc::new(move || stopped.stop()),
        }
    }

    /// The engine that is told of it: it starts nothing meanwhile.
    pub fn beside(&self, engine: Attacher) {
        let _ = self.0.engine.set(engine);
    }

    /// Tells the engine; refused where a comparison would not have the machine for itself.
    fn notify_engine(&self, step: Step) -> Result<(), String> {
        let over = || "plimsoll is ending".to_owned();
        let mut link = self.0.engine.get().ok_or_else(over)?.attach();
        let asked = RequestId(1);
        link.requests.send(asked, Command::Comparison(step));
        while let Some(update) = link.updates.blocking_recv() {
            if let Update::Reply(id, answer) = update
                && id == asked
            {
                return answer.map(drop).map_err(|refused| refused.why);
            }
        }
        Err(over())
    }

    /// Asks the comparison at work to end in order.
    fn stop(&self) {
        if let State::AtWork(handle) = &*self.0.state.lock().unwrap_or_else(PoisonError::into_inner) {
            handle.signal(libc::SIGINT);
        }
    }

    fn make(&self, command: &RunCommand, inputs: u64) -> Result<(), String> {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*state, State::Idle) {
            return Err("another one is being made, or the console ends".to_owned());
        }
        self.notify_engine(Step::Begin { inputs })?;
        let started = ChildRun::start(command).map_err(|error| format!("cannot start it: {error}"));
        let child = match started {
            Ok(child) => child,
            Err(why) => {
                let _ = self.notify_engine(Step::End(Some(why.clone())));
                return Err(why);
            }
        };
        *state = State::AtWork(child.handle());
        drop(state);
        let made = self.made(child);
        // An engine that has ended meanwhile need not know.
        let _ = self.notify_engine(Step::End(made.clone().err()));
        made
    }

    /// Follows it to its end.
    fn made(&self, mut child: ChildRun) -> Result<(), String> {
        let mut run = 0;
        let ending = loop {
            match child.said.blocking_recv() {
                Some(Output::Line(line)) => {
                    if let Some(tag) = tag_of(&line).filter(|tag| tag.number != run) {
                        run = tag.number;
                        let _ = self.notify_engine(Step::Run { run, runs: tag.of, profile: tag.profile });
                    }
                }
                Some(Output::Ended(ending)) => break Some(ending),
                None => break None,
            }
        };
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::AtWork(_)) {
            *state = State::Idle;
        }
        drop(state);
        self.0.changed.notify_all();
        let Some(ending) = ending else { return Err("it has ended without a word".to_owned()) };
        match (ending.death(), ending.status.code()) {
            (Some(death), _) => Err(death),
            (None, Some(REFUSED)) => Err(ending.last_lines.last().cloned().unwrap_or_default()),
            // How it went is told by what is kept of it.
            _ => Ok(()),
        }
    }

    /// Ends the comparison at work in order and waits for it; there will be no other.
    pub fn end(&self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::AtWork(handle) = &*state {
            handle.signal(libc::SIGINT);
            let at_work = |state: &mut State| matches!(state, State::AtWork(_));
            state = self.0.changed.wait_timeout_while(state, END, at_work).unwrap_or_else(PoisonError::into_inner).0;
        }
        *state = State::Closed;
    }
}

/// The run that a line of `compare --json` belongs to.
fn tag_of(line: &str) -> Option<RunTag> {
    #[derive(serde::Deserialize)]
    struct Tagged {
        run: RunTag,
    }
    serde_json::from_str::<Tagged>(line).ok().map(|tagged| tagged.run)
}

/// `plimsoll compare` of these inputs with the options of this console.
fn command(resolved: &Resolved, inputs: &[PathBuf], preset: &str) -> Result<RunCommand, String> {
    let program = crate::cli::own_program().map_err(|error| error.to_string())?;
    let mut args: Vec<OsString> = vec!["compare".into(), "--json".into()];
    let mut add = |flag: &str, value: &OsStr| args.extend([flag.into(), value.to_owned()]);
    add("--preset", preset.as_ref());
    add("--state-dir", resolved.state_dir.as_ref());
    if resolved.is_out_given() {
        add("--out", resolved.settings.out.as_ref());
    }
    args.extend(resolved.handed_on(resolved.settings.retries.0));
    args.push("--".into());
    args.extend(inputs.iter().map(|input| input.as_os_str().to_owned()));
    Ok(RunCommand { program, args, entrance: None })
}
