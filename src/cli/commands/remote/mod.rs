//! The commands that talk to a server: each connects, asks, tells what came of it, and ends.

pub mod add;
pub mod attach;
pub mod console;
pub mod control;
pub mod look;
pub mod rows;
pub mod serve;
pub mod told;
pub mod unit;
pub mod wait;
mod watch;
pub mod wire;

use std::time::Duration;

use color_eyre::eyre::{Result, eyre};
use tokio::runtime::Runtime;

use crate::cli::options::Resolved;
use crate::cli::session::{Waits, event_loop};
use crate::cli::{Busy, Unavailable};
use crate::domain::command::{Answer, Command, RequestId};
use crate::domain::refusal::{Refusal, Rejection};
use crate::domain::state::State;
use crate::runtime::link::{Link, Update};
use crate::wire::client::{self, Caller, Door, OpenError, Opened};

/// Exit status where no server runs (`EX_UNAVAILABLE` of sysexits.h).
pub const NO_SERVER: u8 = 69;
/// Exit status where the versions do not fit (`EX_PROTOCOL`).
pub const VERSIONS: u8 = 76;
/// Exit status where the server talks to somebody else alone (`EX_NOPERM`).
pub const REFUSED: u8 = 77;

/// Connects to the server of the state folder.
pub fn open(resolved: &Resolved, follow: bool) -> Result<Opened> {
    open_if_there(resolved, Caller { follow, ..Caller::default() })?.map_err(Into::into)
}

/// The same for whoever does without one. That there is none is no error report: making one of it costs memory and time.
pub fn open_if_there(resolved: &Resolved, caller: Caller) -> Result<std::result::Result<Opened, Unavailable>> {
    if_there(client::open(Door::Here(resolved.state_dir.clone()), caller))
}

/// A console's line, and the event loop that it lives in: to be shown by whoever runs that.
pub struct Connected {
    pub runtime: Runtime,
    pub opened: Opened,
}

impl Connected {
    /// Connects a console to a server; why it cannot be is an exit status of its own.
    pub fn to(door: Door, view: bool) -> Result<Self> {
        Self::dial(door, view)?.map_err(|error| told(&error))
    }

    /// As [`Connected::to`] the server of the state folder, for whoever does without one.
    pub fn if_there(resolved: &Resolved) -> Result<std::result::Result<Self, Unavailable>> {
        if_there(Self::dial(Door::Here(resolved.state_dir.clone()), false)?)
    }

    fn dial(door: Door, view: bool) -> Result<std::result::Result<Self, OpenError>> {
        let runtime = event_loop(Waits::Signals)?;
        let opened = runtime.block_on(client::connect(door, Caller { console: true, follow: true, view }));
        Ok(opened.map(|opened| Self { runtime, opened }))
    }
}

fn if_there<T>(opened: std::result::Result<T, OpenError>) -> Result<std::result::Result<T, Unavailable>> {
    match opened {
        Err(OpenError::NoServer(why)) => Ok(Err(Unavailable { status: NO_SERVER, why })),
        opened => opened.map(Ok).map_err(|error| told(&error)),
    }
}

fn told(error: &OpenError) -> color_eyre::Report {
    let status = match error {
        OpenError::NoServer(_) => NO_SERVER,
        OpenError::Versions(_) => VERSIONS,
        OpenError::Refused(_) => REFUSED,
        OpenError::Busy(why) => return Busy(format!("{why}, or try again later")).into(),
        OpenError::Failed(_) => return eyre!("{error}"),
    };
    Unavailable { status, why: error.to_string() }.into()
}

/// Asks the engine, and waits for what comes of it. A line that is cut is a refusal too: of several jobs the others are told.
pub fn ask(link: &mut Link, number: u64, command: Command) -> Result<Answer, Rejection> {
    ask_and_hear(link, number, command, |_| {})
}

/// As [`ask`], where what happens meanwhile is heard.
pub fn ask_and_hear(link: &mut Link, number: u64, command: Command, mut hear: impl FnMut(Update)) -> Result<Answer, Rejection> {
    let id = RequestId(number);
    if !link.requests.send(id, command) {
        return Err(Refusal::Cut.because("the line to the server is cut; it was not asked"));
    }
    loop {
        match link.updates.blocking_recv() {
            Some(Update::Reply(answered, result)) if answered == id => return result,
            Some(update) => hear(update),
            None => return Err(Refusal::Cut.because("the line to the server was cut before it answered; look whether it was done")),
        }
    }
}

/// Counts the waits for a server that holds the state folder and cannot be reached: it is just starting, or ending.
#[derive(Debug, Default)]
pub struct Patience(u32);

impl Patience {
    const LOOKS: u32 = 20;
    const LOOK: Duration = Duration::from_millis(250);

    /// Waits a quarter of a second; false, without waiting, after five seconds in all.
    pub fn waits(&mut self) -> bool {
        self.0 += 1;
        if self.0 <= Self::LOOKS {
            std::thread::sleep(Self::LOOK);
        }
        self.0 <= Self::LOOKS
    }
}

/// Everything that is known now, of a link that follows.
pub fn snapshot(link: &mut Link) -> Result<Box<State>> {
    loop {
        match link.updates.blocking_recv() {
            Some(Update::Snapshot(state)) => return Ok(state),
            Some(_) => {}
            None => return Err(eyre!("the server has ended")),
        }
    }
}
