//! Provides ffmpeg where there is none: by the system's package manager, else by a download into our own data folder.
//!
//! Everything that would be run is a [`Plan`] first, which is shown before it is carried out, and nothing is carried out
//! that was not agreed to. How the operator is asked is the command line's business.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ffmpeg_sidecar::download::ffmpeg_download_url;

use crate::domain::text::path_text;
use crate::domain::units::Bytes;
use crate::host::media::ffmpeg::{Ffmpeg, FfmpegError, Search, locate, on_path};

mod download;
mod run;

use download::{download, host_of};
use run::run_step;

/// Package lists older than this are fetched anew: the versions they name may be gone from the mirrors.
const FRESH: Duration = Duration::from_hours(24);
/// A package manager that takes longer is stopped.
const STEP_LIMIT: Duration = Duration::from_mins(30);
/// A download that receives nothing for this long is given up.
const STALL: Duration = Duration::from_mins(1);
/// Unpacking is bounded by the processor, not by the network.
const UNPACK_LIMIT: Duration = Duration::from_mins(10);
/// Archive and unpacked binaries together.
const DOWNLOAD_SPACE: Bytes = Bytes::mib(800);
/// Lines kept of a failed step.
const LAST_LINES: usize = 12;

/// A package manager that plimsoll knows how to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// Debian, Ubuntu.
    Apt,
    /// Fedora and its kin, with RPM Fusion.
    Dnf,
    /// Arch.
    Pacman,
    /// Alpine.
    Apk,
    /// Homebrew, on macOS and Linux. Never as root.
    Brew,
}

impl Manager {
    const ALL: [Self; 5] = [Self::Apt, Self::Dnf, Self::Pacman, Self::Apk, Self::Brew];

    pub const fn program(self) -> &'static str {
        match self {
            Self::Apt => "apt-get",
            Self::Dnf => "dnf",
            Self::Pacman => "pacman",
            Self::Apk => "apk",
            Self::Brew => "brew",
        }
    }
}

/// What a plan depends on, read from the machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The search path.
    pub path: OsString,
    /// This process is root.
    pub root: bool,
    /// Somebody can type a password.
    pub terminal: bool,
    /// How long ago apt's package lists were fetched; `None` = there are none.
    pub apt_lists_age: Option<Duration>,
    /// pacman has its databases.
    pub pacman_synced: bool,
    /// Where a download goes: our own data folder's `bin`.
    pub data: Option<PathBuf>,
    /// The build there is for this platform, if any.
    pub download: Option<String>,
}

impl Machine {
    /// Looks at this machine; `terminal`: somebody can answer.
    pub fn detect(search: &Search, terminal: bool) -> Self {
        Self {
            path: search.path.clone(),
            root: rustix::process::geteuid().is_root(),
            terminal,
            apt_lists_age: apt_lists_age(Path::new("/var/lib/apt/lists")),
            pacman_synced: fs::read_dir("/var/lib/pacman/sync").is_ok_and(|mut entries| entries.next().is_some()),
            data: search.data.clone(),
            download: ffmpeg_download_url().ok().map(str::to_owned),
        }
    }
}

/// The lists' own times are the server's; what tells when they were fetched is the folder that apt loads them into.
#[allow(clippy::disallowed_methods)] // the host reads clocks
fn apt_lists_age(lists: &Path) -> Option<Duration> {
    let has_lists = fs::read_dir(lists).ok()?.flatten().any(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes().windows(9).any(|part| part == b"_Packages")
    });
    if !has_lists {
        return None;
    }
    let changed = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
    let fetched = changed(lists).max(changed(&lists.join("partial")))?;
    // A time in the future is no reason to distrust the lists.
    Some(SystemTime::now().duration_since(fetched).unwrap_or_default())
}

/// One command of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The program, absolute.
    pub program: PathBuf,
    pub args: Vec<String>,
    /// Set on top of our own environment.
    pub env: Vec<(String, String)>,
    /// It may ask for a password on the terminal.
    pub interactive: bool,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, value) in &self.env {
            write!(f, "{key}={value} ")?;
        }
        f.write_str(&path_text(&self.program))?;
        self.args.iter().try_for_each(|arg| write!(f, " {arg}"))
    }
}

/// One way to get an ffmpeg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// By the system's package manager: these commands, in order.
    Packages { manager: Manager, steps: Vec<Step> },
    /// By a download of a static build.
    Download {
        /// From where.
        url: String,
        /// Into which folder.
        folder: PathBuf,
    },
}

impl Way {
    /// In a few words.
    pub fn label(&self) -> String {
        match self {
            Self::Packages { manager, .. } => format!("package manager {}", manager.program()),
            Self::Download { url, .. } => format!("download from {}", host_of(url)),
        }
    }
}

/// What would be done, in order, until one way works.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The ways, best first.
    pub ways: Vec<Way>,
    /// Ways that are closed, and why; and what to know.
    pub notes: Vec<String>,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, way) in self.ways.iter().enumerate() {
            let lead = if index == 0 { "To install ffmpeg, run" } else { "If that fails" };
            match way {
                Way::Packages { steps, .. } => {
                    writeln!(f, "{lead}:")?;
                    for step in steps {
                        writeln!(f, "  {step}")?;
                    }
                }
                Way::Download { url, folder } => {
                    let lead = if index == 0 { "To get ffmpeg" } else { lead };
                    writeln!(f, "{lead}, download a static build (over HTTPS; no checksum to hold it against):")?;
                    writeln!(f, "  {url}\n  into {}", path_text(folder))?;
                }
            }
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "Note: {note}"))
    }
}

/// Draws up the plan for a machine. Pure but for looking which programs are on its path.
pub fn plan(machine: &Machine) -> Plan {
    let (way, notes) = packages(machine, |_| "ffmpeg");
    let mut plan = Plan { ways: Vec::new(), notes };
    if matches!(way, Some(Way::Packages { manager: Manager::Dnf, .. })) {
        plan.notes
            .push("Fedora's own `ffmpeg-free` has no libx264; `ffmpeg` comes from RPM Fusion (https://rpmfusion.org)".to_owned());
    }
    plan.ways.extend(way);
    match (&machine.download, &machine.data) {
        (Some(url), Some(folder)) => plan.ways.push(Way::Download { url: url.clone(), folder: folder.clone() }),
        (None, _) => plan.notes.push("there is no static build to download for this platform".to_owned()),
        (_, None) => plan.notes.push("nowhere to put a download: neither XDG_DATA_HOME nor HOME is set".to_owned()),
    }
    plan
}

/// The way to install something by the package manager of this machine, if it has one that may be used, and what to know.
/// `name` says how each manager calls it.
pub fn packages(machine: &Machine, name: impl Fn(Manager) -> &'static str) -> (Option<Way>, Vec<String>) {
    let mut notes = Vec::new();
    let sudo = on_path(&machine.path, OsStr::new("sudo"));
    for manager in Manager::ALL {
        let Some(program) = on_path(&machine.path, OsStr::new(manager.program())) else { continue };
        let package = name(manager);
        let right = match (manager, machine.root, &sudo) {
            (Manager::Brew, true, _) => {
                notes.push(format!("Homebrew refuses to run as root; run `brew install {package}` as the user it belongs to"));
                continue;
            }
            (Manager::Brew, false, _) | (_, true, _) => Right::Ours,
            (_, false, Some(sudo)) => Right::Sudo { sudo, asks: machine.terminal },
            (_, false, None) => {
                let name = manager.program();
                notes.push(format!("{name} needs root, and there is no sudo; run `plimsoll doctor --fix` as root to use it"));
                continue;
            }
        };
        return (Some(Way::Packages { manager, steps: steps(manager, &program, &right, machine, package) }), notes);
    }
    (None, notes)
}

/// Does what a way consists of. `progress` gets a line now and then, sanitised.
///
/// # Errors
/// What was tried, and why it failed.
pub fn carry_out(way: &Way, machine: &Machine, progress: &mut dyn FnMut(&str)) -> Result<(), Attempt> {
    match way {
        Way::Packages { steps, .. } => steps.iter().try_for_each(|step| run_step(step, &machine.path, progress)),
        Way::Download { url, folder } => {
            download(url, folder, progress).map_err(|reason| Attempt { what: way.label(), reason, last_lines: Vec::new() })
        }
    }
}

/// With whose rights a command runs.
enum Right<'a> {
    Ours,
    Sudo { sudo: &'a Path, asks: bool },
}

fn steps(manager: Manager, program: &Path, right: &Right<'_>, machine: &Machine, package: &str) -> Vec<Step> {
    const QUIET: &[(&str, &str)] = &[("DEBIAN_FRONTEND", "noninteractive")];
    let step = |args: &[&str], env: &[(&str, &str)]| step(program, args, env, right);
    match manager {
        Manager::Apt => {
            let mut steps = Vec::new();
            if machine.apt_lists_age.is_none_or(|age| age > FRESH) {
                steps.push(step(&["update"], QUIET));
            }
            steps.push(step(&["install", "-y", "--no-install-recommends", package], QUIET));
            steps
        }
        Manager::Dnf => vec![step(&["install", "-y", package], &[])],
        // Refreshing the databases without upgrading everything can break an Arch system: only when there are none.
        Manager::Pacman if machine.pacman_synced => vec![step(&["-S", "--needed", "--noconfirm", package], &[])],
        Manager::Pacman => vec![step(&["-Sy", "--needed", "--noconfirm", package], &[])],
        Manager::Apk => vec![step(&["add", "--no-cache", package], &[])],
        Manager::Brew => vec![step(&["install", package], &[("NONINTERACTIVE", "1")])],
    }
}

fn step(program: &Path, args: &[&str], env: &[(&str, &str)], right: &Right<'_>) -> Step {
    let owned = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
    match right {
        Right::Ours => Step {
            program: program.to_owned(),
            args: owned(args),
            env: env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            interactive: false,
        },
        Right::Sudo { sudo, asks } => {
            let mut all = if *asks { Vec::new() } else { vec!["-n".to_owned()] };
            // sudo clears the environment; `env` sets it on the other side, which needs no SETENV right.
            if !env.is_empty() {
                all.push("env".to_owned());
                all.extend(env.iter().map(|(key, value)| format!("{key}={value}")));
            }
            all.push(path_text(program));
            all.extend(owned(args));
            Step { program: sudo.to_path_buf(), args: all, env: Vec::new(), interactive: *asks }
        }
    }
}

/// Whether the plan may be carried out.
pub enum Consent<'a> {
    /// `--yes`.
    Given,
    /// Ask; `true` = go on.
    Ask(&'a mut dyn FnMut(&Plan) -> bool),
    /// There is nobody to ask.
    Nobody,
}

/// How ffmpeg came to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provided {
    /// It was there: nothing was done.
    Already(Ffmpeg),
    /// It was installed.
    Installed {
        /// The ffmpeg found afterwards.
        ffmpeg: Ffmpeg,
        /// The way that worked.
        by: String,
    },
}

/// One way that did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// What was tried: the command, or the download.
    pub what: String,
    /// Why it failed.
    pub reason: String,
    /// The last lines it printed.
    pub last_lines: Vec<String>,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.reason)?;
        self.last_lines.iter().try_for_each(|line| write!(f, "\n    {line}"))
    }
}

/// Why ffmpeg could not be provided.
#[derive(Debug, thiserror::Error)]
pub enum ProvideError {
    /// The operator named an ffmpeg that does not work; installing another would not help.
    #[error(transparent)]
    Explicit(FfmpegError),
    /// The operator said no.
    #[error("ffmpeg was not installed: not agreed to")]
    Declined,
    /// There is no terminal to ask on, and no `--yes`.
    #[error("ffmpeg was not installed: there is no terminal to ask on, and no --yes\n{plan}")]
    NobodyToAsk {
        /// What would have been done.
        plan: Plan,
    },
    /// There is no way on this machine.
    #[error("no known way to install ffmpeg here; install it by hand, or name one with --ffmpeg PATH{}", below(.notes))]
    NoWay {
        /// Why the ways are closed.
        notes: Vec<String>,
    },
    /// Every way failed.
    #[error("ffmpeg could not be installed; install it by hand, or name one with --ffmpeg PATH{}", below(.attempts))]
    Failed {
        /// The ways tried, in order.
        attempts: Vec<Attempt>,
    },
}

/// Each item on a line of its own below the first.
fn below<T: fmt::Display>(items: &[T]) -> String {
    items.iter().fold(String::new(), |text, item| text + "\n  " + &item.to_string())
}

/// Makes sure that there is an ffmpeg: finds it, or carries out the plan if `consent` allows. `progress` gets a line now and
/// then, sanitised.
pub fn provide(
    search: &Search,
    machine: &Machine,
    consent: Consent<'_>,
    progress: &mut dyn FnMut(&str),
) -> Result<Provided, ProvideError> {
    match locate(search) {
        Ok(ffmpeg) => return Ok(Provided::Already(ffmpeg)),
        Err(error) if search.explicit.is_some() => return Err(ProvideError::Explicit(error)),
        Err(_) => {}
    }
    let plan = plan(machine);
    if plan.ways.is_empty() {
        return Err(ProvideError::NoWay { notes: plan.notes });
    }
    match consent {
        Consent::Given => {}
        Consent::Ask(ask) => {
            if !ask(&plan) {
                return Err(ProvideError::Declined);
            }
        }
        Consent::Nobody => return Err(ProvideError::NobodyToAsk { plan }),
    }
    let mut attempts = Vec::new();
    for way in &plan.ways {
        let tried = carry_out(way, machine, progress);
        match tried.map(|()| locate(search)) {
            Ok(Ok(ffmpeg)) => return Ok(Provided::Installed { ffmpeg, by: way.label() }),
            Ok(Err(error)) => {
                let reason = format!("it ended well, and yet: {error}");
                attempts.push(Attempt { what: way.label(), reason, last_lines: Vec::new() });
            }
            Err(attempt) => attempts.push(attempt),
        }
        if let Some(attempt) = attempts.last() {
            progress(&format!("{}: {}", attempt.what, attempt.reason));
        }
    }
    Err(ProvideError::Failed { attempts })
}

#[cfg(test)]
mod tests;
