//! Lets consoles and commands reach a run over the sockets of its state folder.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use color_eyre::eyre::Result;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::{Waits, thread};
use crate::domain::time::Wall;
use crate::headless::{metrics, service};
use crate::host::memory::sampler::Windows;
use crate::runtime::hub::Attacher;
use crate::runtime::link::{Link, Lookup};
use crate::wire::message::{Facts, SPOKEN, ServerHello};
use crate::wire::server::{self, Service};
use crate::wire::socket::{self, Doors};

/// What others can reach.
pub struct Serves {
    /// What they can look up.
    pub lookup: Lookup,
    /// What consoles offer.
    pub facts: Facts,
    /// Where the processes of the consoles that are attached are kept.
    pub windows: Windows,
    /// Ends the run once nobody is connected, nothing is left to do, and so much time has gone.
    pub exit_when_idle: Option<Duration>,
    /// Told when the run can be reached.
    pub ready: Option<OwnedFd>,
    /// Where metrics are asked for.
    pub metrics: Option<TcpListener>,
    /// The control socket, where a service manager keeps it and has handed it over.
    pub handed: Option<UnixListener>,
    /// A service manager has started it and wants to know how it stands.
    pub is_service: bool,
}

/// A run that can be reached.
pub(super) struct Serving {
    /// To be dropped before the lock of the state folder is given back.
    pub doors: Doors,
    /// To be told when the run is over.
    pub over: oneshot::Sender<()>,
    /// Comes when everybody was told.
    pub ended: Receiver<()>,
}

/// Opens the sockets and serves on a thread of its own. Without them a run goes on, and says so.
///
/// `is_busy` tells whether something of the run that is no job is not to be broken off.
pub(super) fn start(
    serves: Serves,
    is_busy: Box<dyn Fn() -> bool + Send>,
    state_dir: &Path,
    life: String,
    (attacher, visitors): (&Attacher, Attacher),
) -> Result<Option<Serving>> {
    let Serves { lookup, facts, windows, exit_when_idle, ready, metrics, handed, is_service } = serves;
    if let Some(listener) = metrics {
        serve_metrics(listener, attacher.attach())?;
    }
    let (doors, listeners) = match socket::open(state_dir, handed) {
        Ok(open) => open,
        Err(why) => {
            crate::cli::write_stderr(&format!("plimsoll: {why}\n"));
            return Ok(None);
        }
    };
    let hello = ServerHello {
        protocol: SPOKEN,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        life,
        pid: std::process::id(),
        host: host_name(),
        state_dir: state_dir.to_owned(),
        since: Wall(jiff::Timestamp::now().as_millisecond()),
        features: Vec::new(),
    };
    let (over, is_over) = oneshot::channel();
    let manager = is_service.then(|| attacher.attach());
    let ended = thread("wire", Waits::Signals, move |runtime| {
        let attach = Box::new(move || visitors.attach());
        let on_consoles = Box::new(move |processes| windows.set(processes));
        let service = Service { attach, lookup, hello, facts, on_consoles, exit_when_idle, is_busy };
        // Whoever can tell has dropped it when the run has ended otherwise.
        let over = async { drop(is_over.await) };
        let served = LocalSet::new().block_on(runtime, server::serve(listeners, service, over));
        if let Err(error) = served {
            tracing::warn!(%error, "consoles and commands cannot reach this plimsoll");
        }
    })?;
    if let Some(ready) = ready {
        notify_ready(ready);
    }
    if let Some(link) = manager {
        notify_service_manager(link)?;
    }
    Ok(Some(Serving { doors, over, ended }))
}

/// Answers whoever asks for metrics, on a thread of its own. Nobody waits for its end.
fn serve_metrics(listener: TcpListener, link: Link) -> Result<()> {
    let serve = async move |link, listener| {
        if let Err(error) = metrics::serve(link, listener, env!("CARGO_PKG_VERSION")).await {
            tracing::warn!(%error, "there are no metrics");
        }
    };
    thread("metrics", Waits::Signals, move |runtime| runtime.block_on(serve(link, listener)))?;
    Ok(())
}

/// Tells the service manager how the run stands, on a thread of its own. Nobody waits for its end.
fn notify_service_manager(link: Link) -> Result<()> {
    let watchdog = sd_notify::watchdog_enabled().filter(|span| !span.is_zero());
    let mut is_told = false;
    let tell = move |states: &[sd_notify::NotifyState<'_>]| {
        if let Err(error) = sd_notify::notify(states)
            && !std::mem::replace(&mut is_told, true)
        {
            tracing::warn!(%error, "the service manager cannot be told how it stands");
        }
    };
    thread("service", Waits::Time, move |runtime| runtime.block_on(service::follow(link, watchdog, tell)))?;
    Ok(())
}

/// The machine's name, as people know it.
pub(in crate::cli) fn host_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

/// Whoever has started this plimsoll may connect now, and need not be told of what comes later.
fn notify_ready(ready: OwnedFd) {
    use std::io::Write as _;

    // Nobody reads what would be said from now on.
    if let Ok(nothing) = std::fs::OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stderr(&nothing);
    }
    let mut pipe = std::fs::File::from(ready);
    let _ = pipe.write_all(b"ready\n");
}
