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

use color_eyre::eyre::{Result, eyre};

use crate::cli::Unavailable;
use crate::cli::options::Resolved;
use crate::domain::command::{Answer, Command, Rejection, RequestId};
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
    match client::open(Door::Here(resolved.state_dir.clone()), caller) {
        Err(OpenError::NoServer(why)) => Ok(Err(Unavailable { status: NO_SERVER, why })),
        opened => opened.map(Ok).map_err(|error| told(&error)),
    }
}

/// Connects to a server; why it cannot be is an exit status of its own.
pub fn connect(door: Door, caller: Caller) -> Result<Opened> {
    client::open(door, caller).map_err(|error| told(&error))
}

fn told(error: &OpenError) -> color_eyre::Report {
    let status = match error {
        OpenError::NoServer(_) => NO_SERVER,
        OpenError::Versions(_) => VERSIONS,
        OpenError::Refused(_) => REFUSED,
        OpenError::Failed(_) => return eyre!("{error}"),
    };
    Unavailable { status, why: error.to_string() }.into()
}

/// Asks the engine, and waits for what comes of it.
pub fn ask(link: &mut Link, number: u64, command: Command) -> Result<Result<Answer, Rejection>> {
    ask_and_hear(link, number, command, |_| {})
}

/// As [`ask`], where what happens meanwhile is heard.
pub fn ask_and_hear(
    link: &mut Link,
    number: u64,
    command: Command,
    mut hear: impl FnMut(Update),
) -> Result<Result<Answer, Rejection>> {
    let id = RequestId(number);
    let gone = || eyre!("the server has ended before it answered; look whether it was done");
    if !link.requests.send(id, command) {
        return Err(gone());
    }
    loop {
        match link.updates.blocking_recv() {
            Some(Update::Reply(answered, result)) if answered == id => return Ok(result),
            Some(update) => hear(update),
            None => return Err(gone()),
        }
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
