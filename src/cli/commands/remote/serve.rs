//! `plimsoll serve`, in the foreground or started into the background.

use std::ffi::OsString;
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use color_eyre::eyre::{Context as _, Result};

use crate::cli::args::{ServeAction, ServeArgs};
use crate::cli::commands::remote::{unit, watch};
use crate::cli::commands::run::{self, session};
use crate::cli::options::Resolved;
use crate::cli::session::RunLines;
use crate::cli::{Usage, write_out};
use crate::domain::command::Command;
use crate::domain::text::{error_words, path_text};
use crate::runtime::link::StartServer;

/// `plimsoll serve`.
pub fn serve(resolved: &Resolved, args: &ServeArgs) -> Result<u8> {
    if let Some(ServeAction::Unit { user }) = args.action {
        return unit::print(resolved, args, user);
    }
    if args.daemon {
        return daemon(resolved, args);
    }
    let ready = args.ready_fd.map(of_its_own);
    let handed = handed(resolved)?;
    let ffmpeg = resolved.ffmpeg()?;
    resolved.check_out()?;
    let watch = watch::folders(resolved, &args.watch)?;
    let metrics = args.metrics.map(listen).transpose()?;
    let commands = if args.hold { vec![Command::Pause] } else { Vec::new() };
    let mut session = session(resolved, Some(ffmpeg), None, commands, stays(resolved))?;
    session.host.hooks = resolved.hooks.clone();
    session.host.watch = watch;
    if let Some(serves) = &mut session.serves {
        // One that another plimsoll has begun is nobody's service.
        serves.is_service = ready.is_none() && std::env::var_os("NOTIFY_SOCKET").is_some();
        (serves.exit_when_idle, serves.ready, serves.metrics) = (args.exit_when_idle, ready, metrics);
        serves.handed = handed;
    }
    session.run()
}

/// How a server tells its run: it stays when its queue is empty. There are consoles to say how long a full disk is worth
/// waiting for.
pub fn stays(resolved: &Resolved) -> RunLines {
    RunLines { drains: false, ..run::lines(resolved, false) }
}

/// Makes this process a server of its own; the way to tell whoever has started it that it can be reached.
pub fn of_its_own(ready_fd: i32) -> OwnedFd {
    // Nobody's terminal: a login that ends takes nothing with it.
    let _ = rustix::process::setsid();
    // SAFETY: whoever has started us has opened it for us and says so.
    let ready = unsafe { OwnedFd::from_raw_fd(ready_fd) };
    // A child that had it too would keep whoever waits for it.
    let _ = rustix::io::fcntl_setfd(&ready, rustix::io::FdFlags::CLOEXEC);
    ready
}

/// Takes the control socket of a service manager that waits for the first console or command to start this server.
fn handed(resolved: &Resolved) -> Result<Option<UnixListener>, Usage> {
    let unreadable = |error: std::io::Error| Usage(format!("the sockets of the service manager cannot be had: {error}"));
    let fds = sd_notify::listen_fds().map_err(unreadable)?;
    crate::wire::socket::handed(fds, &resolved.state_dir).map_err(Usage)
}

/// Takes the address of the metrics, and tells it: the port may have been left to the system.
fn listen(address: SocketAddr) -> Result<TcpListener, Usage> {
    let refused = |error: std::io::Error| {
        let why = error_words(&error);
        Usage(format!("there can be no metrics at {address}: {why}; give another address with --metrics"))
    };
    let listener = TcpListener::bind(address).map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    crate::cli::write_stderr(&format!("plimsoll: metrics at http://{address}/metrics\n"));
    Ok(listener)
}

/// Starts a server into the background, and tells where it is.
fn daemon(resolved: &Resolved, args: &ServeArgs) -> Result<u8> {
    let mut more = Vec::new();
    if let Some(span) = args.exit_when_idle {
        more.extend(["--exit-when-idle".into(), format!("{}ms", span.as_millis()).into()]);
    }
    if let Some(address) = args.metrics {
        more.extend(["--metrics".into(), address.to_string().into()]);
    }
    more.extend(watch::words(&args.watch)?);
    more.extend(args.hold.then(|| "--hold".into()));
    match start("serve", resolved, &more)? {
        Started::Ready(child) => {
            let told = format!("plimsoll works on {} (process {})\n", path_text(&resolved.state_dir), child.id());
            write_out(told.as_bytes())
        }
        Started::Failed { status, why } => {
            crate::cli::write_stderr(&why);
            Ok(status)
        }
    }
}

/// What came of starting a server.
pub enum Started {
    /// It can be reached.
    Ready(Child),
    /// It has ended.
    Failed {
        /// With this status.
        status: u8,
        /// What it said.
        why: String,
    },
}

/// A server that a console began ends once nobody is attached and nothing is left to do for so long.
pub const LINGERS: Duration = Duration::from_mins(1);

/// Starts the server of a console, with the queue held where that is wished.
pub fn start_for_console(resolved: &Resolved, hold: bool) -> Result<Started> {
    let mut more: Vec<OsString> = vec!["--exit-when-idle".into(), format!("{}s", LINGERS.as_secs()).into()];
    more.extend(hold.then(|| "--hold".into()));
    start("serve", resolved, &more)
}

/// How a window starts the server again that has gone.
pub fn again(start: impl Fn() -> Result<Started> + Send + Sync + 'static) -> StartServer {
    Arc::new(move || match start().map_err(|error| error.to_string())? {
        Started::Ready(child) => {
            see_off(child);
            Ok(())
        }
        Started::Failed { why, .. } => Err(why.trim().trim_start_matches("plimsoll: ").to_owned()),
    })
}

/// Waits for the end of a server for as long as this process lives, so that it does not stay as a dead child.
pub fn see_off(mut child: Child) {
    let wait = move || drop(child.wait());
    // Without a thread it is taken care of when this process ends.
    let _ = std::thread::Builder::new().name("server".to_owned()).spawn(wait);
}

/// Starts a server of its own by this command, with the settings of this command line, and waits until it can be reached.
pub fn start(command: &str, resolved: &Resolved, more: &[OsString]) -> Result<Started> {
    let (told, tells) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).wrap_err("cannot make a pipe")?;
    // This end is to be open over there.
    rustix::io::fcntl_setfd(&tells, rustix::io::FdFlags::empty()).wrap_err("cannot make a pipe")?;
    let mut process = Process::new(crate::cli::own_program()?);
    process.arg(command).args(&resolved.given).args(more).arg("--ready-fd").arg(tells.as_raw_fd().to_string());
    process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let child = process.spawn().wrap_err("cannot start the server")?;
    drop(tells);
    let mut said = Vec::new();
    let _ = std::fs::File::from(told).read_to_end(&mut said);
    if said.starts_with(b"ready") {
        return Ok(Started::Ready(child));
    }
    let output = child.wait_with_output().wrap_err("cannot wait for the server")?;
    let status = output.status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
    Ok(Started::Failed { status, why: String::from_utf8_lossy(&output.stderr).into_owned() })
}
