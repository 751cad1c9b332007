//! `plimsoll attach`: a console on a server, here or over ssh.

use color_eyre::eyre::Result;

use super::Connected;
use super::console::fits;
use crate::cli::Usage;
use crate::cli::args::AttachArgs;
use crate::cli::options::Resolved;
use crate::cli::session::has_terminal;
use crate::cli::session::window::{self, Kind, Window};
use crate::wire::client::Door;

/// Settings that a window has itself, or that have been followed to find the server.
const OF_THE_WINDOW: [&str; 5] = ["state-dir", "color", "theme", "ascii", "plain"];

/// `plimsoll attach`.
pub fn attach(resolved: &Resolved, args: &AttachArgs) -> Result<u8> {
    let no_terminal = || {
        let why = "there is no terminal for a console here; `plimsoll status`, `jobs` and `logs` look without one";
        Usage(why.to_owned())
    };
    // Another machine is not asked in vain; here it matters more that there is no server.
    if args.host.is_some() && !has_terminal() {
        return Err(no_terminal().into());
    }
    let door = match &args.host {
        Some(host) => Door::Ssh {
            host: host.clone(),
            program: args.remote_command.clone(),
            // As it was typed: it is a folder over there.
            state_dir: resolved.settings.state_dir.clone().filter(|_| resolved.is_flag("state-dir")),
        },
        None => Door::Here(resolved.state_dir.clone()),
    };
    let connected = Connected::to(door, args.view)?;
    if !has_terminal() {
        return Err(no_terminal().into());
    }
    fits(resolved, &connected.opened, |name| resolved.is_flag(name) && !OF_THE_WINDOW.contains(&name))?;
    let window = Window { host: args.host.clone(), view: args.view, commands: Vec::new(), kind: Kind::Visit };
    window::show(resolved, connected, &window)
}
