//! A private PostgreSQL in a temporary folder, for a demonstration and for tests: on a socket alone, gone when it is dropped. It asks
//! nobody who he is, so the folder and the socket are open to its own user alone (and to root).

use std::io;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use tempfile::TempDir;

use crate::host::media::install::{self, Machine, Manager, Way};
use crate::host::process::lifeline::end_with_parent;

/// Longest time to its first answer.
const START: Duration = Duration::from_mins(1);

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// It is not installed.
    #[error("PostgreSQL's server is not installed: `initdb` is neither on the PATH nor below /usr/lib/postgresql")]
    Missing,
    /// It cannot be installed.
    #[error("PostgreSQL cannot be installed here: {0}; install its server by hand")]
    NotInstalled(String),
    /// It does not start.
    #[error("the private PostgreSQL cannot be started: {0}")]
    Failed(String),
}

/// A server of one's own.
#[derive(Debug)]
pub struct PrivatePostgres {
    folder: TempDir,
    programs: PathBuf,
    owner: Option<(u32, u32)>,
    server: Option<Server>,
}

/// Its process, and the thread that waits for it: the kernel ends a child with the thread that started it.
#[derive(Debug)]
struct Server {
    pid: Pid,
    waits: JoinHandle<io::Result<ExitStatus>>,
}

impl PrivatePostgres {
    /// Its programs are on this machine.
    pub fn is_installed() -> bool {
        programs().is_some()
    }

    /// Makes a database and starts its server. As root it runs as `postgres`, or as `nobody` where there is no such user:
    /// PostgreSQL refuses to run as root.
    ///
    /// # Errors
    /// See [`PostgresError`].
    pub fn start() -> Result<Self, PostgresError> {
        let programs = programs().ok_or(PostgresError::Missing)?;
        let failed = |error: io::Error| PostgresError::Failed(error.to_string());
        let folder = tempfile::Builder::new().prefix("plimsoll-pg").tempdir().map_err(failed)?;
        let owner = rustix::process::geteuid().is_root().then(owner);
        let mut postgres = Self { folder, programs, owner, server: None };
        let (data, socket) = (postgres.data(), postgres.socket());
        let own = |path: &Path| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
            owner.map_or(Ok(()), |(user, group)| chown(path, Some(user), Some(group)))
        };
        own(postgres.folder.path()).map_err(failed)?;
        for path in [&data, &socket] {
            std::fs::create_dir(path).and_then(|()| own(path)).map_err(failed)?;
        }
        let mut initdb = postgres.command("initdb");
        initdb.args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"]).arg(&data);
        let made = initdb.output().map_err(failed)?;
        if !made.status.success() {
            return Err(PostgresError::Failed(String::from_utf8_lossy(&made.stderr).into_owned()));
        }
        postgres.up()?;
        Ok(postgres)
    }

    /// Starts the server again after [`PrivatePostgres::down`].
    ///
    /// # Errors
    /// See [`PostgresError`].
    #[allow(clippy::disallowed_methods)] // the host reads clocks
    pub fn up(&mut self) -> Result<(), PostgresError> {
        let log =
            std::fs::File::create(self.folder.path().join("log")).map_err(|error| PostgresError::Failed(error.to_string()))?;
        let mut server = self.command("postgres");
        server.arg("-D").arg(self.data()).arg("-k").arg(self.socket());
        // A demonstration's database need not outlive the machine.
        for setting in [
            "listen_addresses=",
            "unix_socket_permissions=0700",
            "fsync=off",
            "shared_buffers=16MB",
            "max_connections=200",
            "log_min_messages=warning",
        ] {
            server.args(["-c", setting]);
        }
        server.stdout(Stdio::null()).stderr(log);
        self.server = Some(spawn(server).map_err(|error| PostgresError::Failed(error.to_string()))?);
        let until = Instant::now() + START;
        loop {
            // The server writes there how far it is.
            let state = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            if state.lines().last().is_some_and(|line| line.trim() == "ready") {
                return Ok(());
            }
            let has_ended = self.server.as_ref().is_none_or(|server| server.waits.is_finished());
            if has_ended || Instant::now() > until {
                let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                return Err(PostgresError::Failed(log));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the server; connections are cut.
    pub fn down(&mut self) {
        let Some(server) = self.server.take() else { return };
        // SIGINT: its fast end.
        let _ = rustix::process::kill_process(server.pid, Signal::INT);
        let _ = server.waits.join();
    }

    pub fn address(&self) -> String {
        self.address_of("postgres")
    }

    /// The address of another database of it.
    pub fn address_of(&self, database: &str) -> String {
        format!("postgres://postgres@/{database}?host={}", self.socket().display())
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    /// One of its programs, which ends with this process.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("PGDATA").env_remove("PGPORT").env_remove("PGHOST").env_remove("PGUSER");
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        // Ctrl-C in a terminal is for this process, which stops the server when it has no use for it any more.
        command.process_group(0);
        end_with_parent(&mut command, libc::SIGINT);
        command
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        self.down();
    }
}

/// Starts it on a thread that lives for as long as it does.
fn spawn(mut server: Command) -> io::Result<Server> {
    let (started, is_started) = mpsc::channel();
    let waits = std::thread::Builder::new().name("postgres".to_owned()).spawn(move || {
        let mut child = server.spawn()?;
        let _ = started.send(Pid::from_child(&child));
        child.wait()
    })?;
    match is_started.recv() {
        Ok(pid) => Ok(Server { pid, waits }),
        Err(_) => Err(waits.join().ok().and_then(Result::err).unwrap_or_else(|| io::Error::other("its thread has ended"))),
    }
}

/// The folder of the newest server's programs.
fn programs() -> Option<PathBuf> {
    let has = |folder: &Path| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(folder) = std::env::split_paths(&path).find(|folder| has(folder)) {
        return Some(folder);
    }
    // Debian keeps them out of the PATH, a folder for each version; Red Hat has `pgsql-15`.
    let mut versions = Vec::new();
    for (root, tail) in [("/usr/lib/postgresql", "bin"), ("/usr", "bin"), ("/usr/local/opt", "bin"), ("/opt/homebrew/opt", "bin")] {
        for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let digits: String = name.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
            let folder = entry.path().join(tail);
            if has(&folder) {
                versions.push((digits.parse::<u32>().unwrap_or(0), folder));
            }
        }
    }
    versions.sort();
    versions.pop().map(|(_, folder)| folder)
}

/// Whom the server belongs to where this process is root's.
fn owner() -> (u32, u32) {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let known = |name: &str| {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then_some(())?;
            Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
        })
    };
    known("postgres").or_else(|| known("nobody")).unwrap_or((65534, 65534))
}

/// The way to install it on this machine, and why there is none.
///
/// # Errors
/// No package manager may be used.
pub fn way(machine: &Machine) -> Result<Way, PostgresError> {
    let (way, notes) = install::packages(machine, |manager| match manager {
        Manager::Apt | Manager::Pacman | Manager::Apk => "postgresql",
        Manager::Dnf => "postgresql-server",
        Manager::Brew => "postgresql@16",
    });
    way.ok_or_else(|| {
        PostgresError::NotInstalled(if notes.is_empty() { "no package manager is known".to_owned() } else { notes.join("; ") })
    })
}

/// Installs it.
///
/// # Errors
/// See [`PostgresError`].
pub fn install(way: &Way, machine: &Machine, progress: &mut dyn FnMut(&str)) -> Result<(), PostgresError> {
    install::carry_out(way, machine, progress).map_err(|attempt| PostgresError::NotInstalled(attempt.to_string()))
}
