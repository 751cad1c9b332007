//! What a child may touch: its one input, its one output, the scratch folder, and what programs need to run at all. The kernel
//! sees to it (Landlock), whatever a media file makes its reader do. No connections over TCP either, where it knows that.
//!
//! A sandbox is built before the fork and entered after it. It must not know what the children are for.

#![cfg_attr(not(target_os = "linux"), allow(dead_code, unused_imports))] // there it is always "none"

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

#[cfg(target_os = "linux")]
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, PathBeneath, Ruleset, RulesetAttr as _, RulesetCreated,
    RulesetCreatedAttr as _, RulesetError, Scope, make_bitflags,
};

use crate::domain::text::error_words;
use crate::host::process::command::{self, Answer};

/// Read and run by every program: libraries, codecs' tables, shells.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/snap",
    "/nix/store",
    "/gnu/store",
    "/run/current-system",
];
/// Read only: the loader's list of libraries, the time zone, and how many processors there are.
const FACTS: &[&str] = &[
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/etc/fonts",
    "/etc/alternatives",
    "/etc/gcrypt",
    "/etc/gnutls",
    "/etc/ssl/openssl.cnf",
    "/etc/crypto-policies",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/filesystems",
    "/proc/stat",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
];
/// Read and written, and no harm in either.
const SINKS: &[&str] = &["/dev/null", "/dev/full"];
/// The descriptor on which ffmpeg writes its progress (`-progress pipe:3`).
pub(in crate::host) const PROGRESS_FD: RawFd = 3;
/// The lowest descriptor that a sandbox may have.
const FIRST_FD: RawFd = PROGRESS_FD + 1;
/// Longest time for the trial.
const TRIAL: Duration = Duration::from_secs(10);
/// Trials before a program is taken not to run in a sandbox.
#[cfg(target_os = "linux")]
const TRIALS: u32 = 3;

/// To read a file, or to list a folder.
#[cfg(target_os = "linux")]
const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});
#[cfg(target_os = "linux")]
const RUN: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir | Execute});
/// To write a file that is there.
#[cfg(target_os = "linux")]
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | WriteFile | Truncate});

/// What one child needs beside what every program needs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Needs<'a> {
    pub program: Option<&'a Path>,
    /// Read.
    pub input: Option<&'a Path>,
    /// Written, and read again. It has to be there.
    pub output: Option<&'a Path>,
}

/// Builds sandboxes, as long as one holds and does no harm.
#[derive(Clone)]
pub struct SandboxBuilder(Arc<Inner>);

struct Inner {
    scratch: PathBuf,
    /// The program of the trial.
    program: PathBuf,
    /// The version of Landlock under which the program has run at an earlier start.
    tried: Option<i64>,
    /// Told of a trial that went well.
    passed: Box<dyn Fn(i64) + Send + Sync>,
    trial: OnceLock<Result<i64, String>>,
}

impl fmt::Debug for SandboxBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxBuilder").field("scratch", &self.0.scratch).field("trial", &self.0.trial).finish_non_exhaustive()
    }
}

impl SandboxBuilder {
    /// For children with this scratch folder. Before the first of them the program is tried in a sandbox: one
    /// that cannot even tell its version there would fail every job.
    pub fn new(scratch: impl Into<PathBuf>, program: impl Into<PathBuf>) -> Self {
        Self::remembered(scratch, program, None, |_| ())
    }

    /// As [`SandboxBuilder::new`], without a trial where the program, unchanged, has run under this version of Landlock before
    /// (`tried`). `passed` is told of a trial that went well.
    pub fn remembered(
        scratch: impl Into<PathBuf>,
        program: impl Into<PathBuf>,
        tried: Option<i64>,
        passed: impl Fn(i64) + Send + Sync + 'static,
    ) -> Self {
        let (scratch, program) = (scratch.into(), program.into());
        Self(Arc::new(Inner { scratch, program, tried, passed: Box::new(passed), trial: OnceLock::new() }))
    }

    /// The version of Landlock that holds; or why there are no sandboxes. The first call may take as long as the program takes
    /// to tell its version.
    pub fn state(&self) -> Result<i64, &str> {
        self.0.trial.get_or_init(|| self.try_out()).as_ref().copied().map_err(String::as_str)
    }

    /// A sandbox for one child; `None` where there are none.
    ///
    /// # Errors
    /// It cannot be built for now: descriptors or memory have run out.
    pub fn build(&self, needs: Needs<'_>) -> io::Result<Option<OwnedFd>> {
        match self.state() {
            Ok(_) => self.ruleset(needs).map(Some),
            Err(_) => Ok(None),
        }
    }

    #[cfg(target_os = "linux")]
    fn try_out(&self) -> Result<i64, String> {
        let abi = abi().map_err(|error| format!("the kernel does not offer Landlock: {}", error_words(&error)))?;
        if self.0.tried == Some(abi) {
            return Ok(abi);
        }
        let tells_version = |sandbox: Option<OwnedFd>| {
            let mut command = Command::new(&self.0.program);
            run_sandboxed(command.arg("-version").env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))), sandbox)
                .is_some_and(|answer| answer.status.success())
        };
        // A trial that somebody kills tells nothing.
        for _ in 0..TRIALS {
            let sandbox = self.ruleset(Needs { program: Some(&self.0.program), ..Needs::default() });
            if tells_version(Some(sandbox.map_err(|error| format!("no sandbox can be built: {}", error_words(&error)))?)) {
                (self.0.passed)(abi);
                return Ok(abi);
            }
        }
        // What does not run without a sandbox either is told by whoever needs it.
        if tells_version(None) { Err("this ffmpeg needs files that no sandbox can foresee".to_owned()) } else { Ok(abi) }
    }

    #[cfg(not(target_os = "linux"))]
    fn try_out(&self) -> Result<i64, String> {
        Err("Landlock is Linux's".to_owned())
    }

    #[cfg(not(target_os = "linux"))]
    fn ruleset(&self, _needs: Needs<'_>) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(target_os = "linux")]
    fn ruleset(&self, needs: Needs<'_>) -> io::Result<OwnedFd> {
        let mut ruleset = create().map_err(io::Error::other)?;
        let mut allow = |path: &Path, rights| allow(&mut ruleset, path, rights);
        for path in SYSTEM {
            allow(Path::new(path), RUN)?;
        }
        // Wrappers run other programs.
        let path = std::env::var_os("PATH").unwrap_or_default();
        for folder in std::env::split_paths(&path).filter(|folder| folder.is_absolute() && folder.parent().is_some()) {
            allow(&folder, RUN)?;
        }
        if let Some(program) = needs.program {
            allow(program, RUN)?;
            // Builds in a folder of their own bring their libraries along.
            let beside = program.canonicalize().ok().and_then(|program| Some(program.parent()?.parent()?.join("lib")));
            if let Some(libraries) = beside.filter(|libraries| libraries.is_dir()) {
                allow(&libraries, RUN)?;
            }
        }
        for path in FACTS {
            allow(Path::new(path), READ)?;
        }
        for path in SINKS {
            allow(Path::new(path), WRITE)?;
        }
        // All but programs and devices of any kind.
        allow(&self.0.scratch, AccessFs::from_all(ABI::V4) & !make_bitflags!(AccessFs::{Execute | MakeChar | MakeBlock}))?;
        if let Some(input) = needs.input {
            allow(input, AccessFs::ReadFile.into())?;
        }
        if let Some(output) = needs.output {
            allow(output, WRITE)?;
        }
        let ruleset: Option<OwnedFd> = ruleset.into();
        let ruleset = ruleset.ok_or(io::ErrorKind::Unsupported)?;
        // Out of the way of the child's own: what comes to stand on its progress pipe's number is overwritten before it is put on.
        Ok(rustix::io::fcntl_dupfd_cloexec(&ruleset, FIRST_FD)?)
    }
}

/// Runs a command to its end in a sandbox; `None` if it cannot be run there or takes too long.
fn run_sandboxed(command: &mut Command, sandbox: Option<OwnedFd>) -> Option<Answer> {
    if let Some(sandbox) = sandbox {
        // SAFETY: only system calls, as `enter` says.
        unsafe { command.pre_exec(move || enter(sandbox.as_raw_fd())) };
    }
    command::run(command, TRIAL).ok()
}

/// The newest version of Landlock that the kernel knows.
#[cfg(target_os = "linux")]
pub fn abi() -> io::Result<i64> {
    const CREATE_RULESET_VERSION: u32 = 1;
    // SAFETY: with this flag the call takes no pointer and only gives a number back.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, CREATE_RULESET_VERSION) };
    if abi < 0 { Err(io::Error::last_os_error()) } else { Ok(abi) }
}

/// A sandbox that allows nothing: what is not allowed below is held back, and connections over TCP, abstract sockets and signals to
/// others too, each where the kernel knows of it.
#[cfg(target_os = "linux")]
fn create() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V4))?
        .scope(Scope::from_all(ABI::V6))?
        .create()
}

/// Allows access to one path. What is not there needs none.
#[cfg(target_os = "linux")]
fn allow(ruleset: &mut RulesetCreated, path: &Path, rights: BitFlags<AccessFs>) -> io::Result<()> {
    let file = match File::options().read(true).custom_flags(libc::O_PATH).open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) => return Err(error),
        Err(_) => return Ok(()),
    };
    // Of the rights those that a file can have, where it is one.
    ruleset.add_rule(PathBeneath::new(&file, rights)).map(drop).map_err(io::Error::other)
}

/// The same by system calls alone, for use between fork and exec.
#[cfg(target_os = "linux")]
unsafe fn add_rule(ruleset: RawFd, path: RawFd, rights: u64) {
    #[repr(C, packed)]
    struct PathBeneath {
        rights: u64,
        path: i32,
    }
    const PATH_BENEATH: u32 = 1;
    let rule = PathBeneath { rights, path };
    // SAFETY: the pointer is to the struct that this kind of rule wants, and lives across the call.
    unsafe { libc::syscall(libc::SYS_landlock_add_rule, ruleset, PATH_BENEATH, &raw const rule, 0_u32) };
}

/// Enters the sandbox, for good, for this process and all that it starts. Between fork and exec: only system calls.
#[cfg(target_os = "linux")]
pub(in crate::host) unsafe fn enter(ruleset: RawFd) -> io::Result<()> {
    // SAFETY: plain numbers and a string with its zero; what is opened is closed.
    unsafe {
        let own = libc::open(c"/proc/self".as_ptr(), libc::O_PATH | libc::O_CLOEXEC | libc::O_DIRECTORY);
        if own >= 0 {
            // How many processors it may use stands there. Without it all goes on as well.
            add_rule(ruleset, own, READ.bits());
            libc::close(own);
        }
        if libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0_u32) != 0
        {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
pub(in crate::host) unsafe fn enter(_ruleset: RawFd) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::host::skip::{LANDLOCK, skip};

    /// What a shell in the sandbox says to each of these commands.
    fn ask(sandbox: &SandboxBuilder, needs: Needs<'_>, command: &str) -> bool {
        let sandbox = sandbox.build(needs).expect("built").expect("there is Landlock");
        run_sandboxed(Command::new("/bin/sh").args(["-c", command]), Some(sandbox)).expect("sh runs").status.success()
    }

    #[test]
    fn a_sandboxed_child_reads_its_input_writes_its_output_and_nothing_else() {
        if let Err(why) = abi() {
            return skip(LANDLOCK, why);
        }
        let dir = tempfile::tempdir().expect("folder");
        let path = |name: &str| dir.path().join(name);
        for name in ["input", "secret", "output", "victim"] {
            std::fs::write(path(name), "x").expect("written");
        }
        std::fs::create_dir(path("scratch")).expect("made");
        std::os::unix::fs::symlink(path("secret"), path("scratch/link")).expect("linked");
        let sandbox = SandboxBuilder::new(path("scratch"), "/bin/sh");
        let (input, output) = (path("input"), path("output"));
        let needs = Needs { program: None, input: Some(&input), output: Some(&output) };
        let at = |command: &str| command.replace('@', dir.path().to_str().expect("UTF-8"));
        for allowed in [
            "cat @/input",
            "echo a > @/output && cat @/output",
            "echo b > @/scratch/file && rm @/scratch/file",
            "mkdir @/scratch/d && echo c > @/scratch/d/e",
            "echo d > /dev/null",
            "exec cat /proc/self/status",
        ] {
            assert!(ask(&sandbox, needs, &at(allowed)), "{allowed}");
        }
        for refused in [
            "cat @/secret",
            "cat @/scratch/link",
            "echo a > @/input",
            "echo a > @/victim",
            "rm @/victim",
            "ls @",
            "echo a > @/new",
            "ln @/secret @/scratch/hard",
            "mv @/output @/scratch/moved",
            "cat /etc/passwd",
            "cat /proc/1/status",
            "mknod @/scratch/device c 1 3",
        ] {
            assert!(!ask(&sandbox, needs, &at(refused)), "{refused}");
        }
        // The same without a sandbox, so that the refusals are the sandbox's.
        for refused in ["cat @/secret", "cat @/scratch/link", "echo a > @/victim", "ls @", "cat /etc/passwd"] {
            let ran = Command::new("sh").args(["-c", &at(refused)]).output().expect("sh runs");
            assert!(ran.status.success(), "{refused}");
        }
    }

    #[test]
    fn where_the_program_cannot_live_in_a_sandbox_there_is_none_and_it_is_said_why() {
        if let Err(why) = abi() {
            return skip(LANDLOCK, why);
        }
        let dir = tempfile::tempdir().expect("folder");
        let program = dir.path().join("odd");
        std::fs::write(dir.path().join("needed"), "x").expect("written");
        std::fs::write(&program, format!("#!/bin/sh\nexec cat {}/needed\n", dir.path().display())).expect("written");
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
        let sandbox = SandboxBuilder::new(dir.path().join("scratch"), &program);
        assert!(sandbox.state().is_err_and(|why| why.contains("needs files")), "{:?}", sandbox.state());
        assert!(sandbox.build(Needs::default()).expect("no error").is_none());
        let sandbox = SandboxBuilder::new(dir.path().join("scratch"), "ffmpeg");
        assert!(sandbox.state().is_ok(), "{:?}", sandbox.state());
    }

    #[test]
    fn a_trial_that_somebody_kills_says_nothing_against_sandboxes() {
        if let Err(why) = abi() {
            return skip(LANDLOCK, why);
        }
        let dir = tempfile::tempdir().expect("folder");
        let (scratch, program) = (dir.path().join("scratch"), dir.path().join("killed-once"));
        std::fs::create_dir(&scratch).expect("made");
        let script = format!("mkdir {}/killed 2>/dev/null && kill -9 $$; exit 0", scratch.display());
        crate::host::media::ffmpeg::fakes::script(&program, &script);
        let sandbox = SandboxBuilder::new(&scratch, &program);
        assert!(sandbox.state().is_ok(), "{:?}", sandbox.state());
        assert!(scratch.join("killed").exists(), "it was killed once");
    }
}
