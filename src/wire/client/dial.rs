//! Makes a line to a server: through its socket, or through ssh and `plimsoll wire` there.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;
use tokio_stream::StreamExt as _;
use tokio_util::codec::{FramedRead, LinesCodec};

use super::{Caller, Door, OpenError};
use crate::domain::text::{path_text, sanitise};
use crate::wire::message::{
    self, ClientHello, ClientLine, Facts, Read, Refused, RefusedKind, Resume, SERVER_NAMES, SPOKEN, ServerHello, ServerLine,
};
use crate::wire::socket::{self, CONTROL, VIEW, no_server};
use crate::wire::{HELLO_WAIT, SERVER_LINE, START_WAIT};

/// Skipped at most before the hello: what a login shell or sshd has to say.
const BANNER: usize = 64 * 1024;
/// Longest wait for a hello over ssh: somebody may be typing a password.
const LOGIN: Duration = Duration::from_mins(2);
/// What ssh says in the end is read for so long after it has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Kept of what ssh says.
const SAID: u64 = 16 * 1024;

type Reader = Box<dyn AsyncRead + Send + Unpin>;
type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// A line that stands.
pub(super) struct Line {
    pub hello: ServerHello,
    pub facts: Facts,
    pub input: FramedRead<Reader, LinesCodec>,
    pub output: Writer,
    /// The program that carries it; ended with it.
    _carrier: Option<Child>,
}

/// What this program says first.
pub(super) fn hello(caller: Caller) -> ClientHello {
    ClientHello {
        protocol: SPOKEN,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        session: session(),
        follow: caller.follow,
        console: caller.console,
        view: caller.view,
        resume: None,
    }
}

/// A name that no other session has.
pub(super) fn session() -> String {
    use std::io::Read as _;

    let mut bytes = [0_u8; 16];
    // Without it the process and its time of start have to do: sessions are told apart, nothing is kept secret.
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    let number = u128::from_le_bytes(bytes) ^ u128::from(std::process::id());
    if read.is_ok() { format!("{number:032x}") } else { format!("process-{}", std::process::id()) }
}

/// Connects and says hello. `again` = a line that was cut: nobody is asked for a password in the middle of a screen.
pub(super) async fn dial(door: &Door, hello: &ClientHello, again: bool) -> Result<Line, OpenError> {
    match door {
        Door::Here(state_dir) => {
            let name = if hello.view && !may_open(state_dir, CONTROL) { VIEW } else { CONTROL };
            let stream = socket::connect(state_dir, name).map_err(|error| not_connected(state_dir, &error))?;
            let (input, output) = stream.into_split();
            let greeted = greet(Box::new(input), Box::new(output), hello, None);
            let none = || OpenError::Failed(format!("the plimsoll on {} does not answer; it may hang", path_text(state_dir)));
            // Where a service manager listens, the server is only just being started.
            let patience = if socket::is_kept(&state_dir.join(name)) { START_WAIT } else { HELLO_WAIT };
            timeout(patience, greeted).await.map_err(|_| none())?.map_err(|failure| match failure {
                Failure::Refused(refused) => of_refusal(refused),
                Failure::Cut => OpenError::Failed(format!("the plimsoll on {} closed the line", path_text(state_dir))),
            })
        }
        Door::Ssh { host, program, state_dir } => over_ssh(host, program, state_dir.as_deref(), hello, again).await,
    }
}

/// This socket can be opened by this user.
fn may_open(state_dir: &std::path::Path, name: &str) -> bool {
    rustix::fs::access(state_dir.join(name), rustix::fs::Access::WRITE_OK).is_ok()
}

fn not_connected(state_dir: &std::path::Path, error: &std::io::Error) -> OpenError {
    use std::io::ErrorKind::{ConnectionRefused, NotFound, PermissionDenied};

    let folder = path_text(state_dir);
    match error.kind() {
        NotFound | ConnectionRefused => OpenError::NoServer(no_server(state_dir)),
        PermissionDenied => {
            let owner = super::super::peer::owner_of(&state_dir.join(CONTROL)).or_else(|| super::super::peer::owner_of(state_dir));
            let whose = owner.map_or_else(|| "another user".to_owned(), super::super::peer::user_name);
            let advice = if may_open(state_dir, VIEW) { "; `plimsoll attach --view` looks at it" } else { "" };
            OpenError::Refused(format!("the plimsoll on {folder} belongs to {whose}{advice}"))
        }
        _ => OpenError::Failed(format!("cannot connect to the plimsoll on {folder}: {}", crate::domain::text::error_words(error))),
    }
}

/// Why a greeting came to nothing.
enum Failure {
    Refused(Refused),
    Cut,
}

fn of_refusal(refused: Refused) -> OpenError {
    let Refused { kind, why } = refused;
    match kind {
        RefusedKind::Versions => OpenError::Versions(why),
        RefusedKind::NotAllowed => OpenError::Refused(why),
        RefusedKind::Busy => OpenError::Busy(why),
    }
}

/// Says hello, and hears the server's, and what it offers.
async fn greet(input: Reader, mut output: Writer, hello: &ClientHello, carrier: Option<Child>) -> Result<Line, Failure> {
    let text = serde_json::to_string(&ClientLine::Hello(hello.clone())).map_err(|_| Failure::Cut)?;
    // Whoever refuses may close before it has read this; why stands in what it said.
    let _ = output.write_all(format!("{text}\n").as_bytes()).await;
    let mut input = FramedRead::new(input, LinesCodec::new_with_max_length(SERVER_LINE));
    let (mut skipped, mut server) = (0, None);
    loop {
        let line = input.next().await.and_then(Result::ok).ok_or(Failure::Cut)?;
        match message::read(&line, SERVER_NAMES) {
            Read::Line(ServerLine::Hello(hello)) => {
                // A server that is too new for its own refusal to be understood.
                if SPOKEN.common(hello.protocol).is_none() {
                    return Err(Failure::Refused(misfit(&hello)));
                }
                server = Some(hello);
            }
            Read::Line(ServerLine::Refused(refused)) => return Err(Failure::Refused(refused)),
            Read::Line(ServerLine::Facts(facts)) => {
                let hello = server.ok_or(Failure::Cut)?;
                return Ok(Line { hello, facts: *facts, input, output, _carrier: carrier });
            }
            _ if server.is_none() && skipped < BANNER => skipped += line.len(),
            _ => return Err(Failure::Cut),
        }
    }
}

fn misfit(server: &ServerHello) -> Refused {
    let (own, theirs) = (env!("CARGO_PKG_VERSION"), &server.version);
    let why = if server.protocol.min > SPOKEN.max {
        format!("this console is plimsoll {own}, older than the server's {theirs}; use the server's version")
    } else {
        format!("the server is plimsoll {theirs}, older than this console's {own}; end it (`plimsoll stop`) and start the new one")
    };
    Refused { kind: RefusedKind::Versions, why }
}

async fn over_ssh(
    host: &str,
    program: &str,
    state_dir: Option<&Path>,
    hello: &ClientHello,
    again: bool,
) -> Result<Line, OpenError> {
    let mut command = Command::new("ssh");
    command.args(["-T", "-x", "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"]);
    if again {
        command.args(["-o", "BatchMode=yes"]);
    }
    command.args(["--", host, program, "wire"]).args(hello.view.then_some("--view"));
    command.args(state_dir.map(|folder| for_shell(&[b"--state-dir=", folder.as_os_str().as_bytes()].concat())));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut ssh = command.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            OpenError::Failed("there is no ssh on this machine; install it (openssh-client)".to_owned())
        }
        _ => OpenError::Failed(format!("cannot start ssh: {error}")),
    })?;
    let (Some(output), Some(input), Some(said)) = (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take()) else {
        return Err(OpenError::Failed("ssh has no streams".to_owned()));
    };
    let said = tokio::spawn(listen(said));
    let waits = if again { HELLO_WAIT * 3 } else { LOGIN };
    // The program stays with the line only once it stands; until then its end tells why there is none.
    let failure = match timeout(waits, greet(Box::new(input), Box::new(output), hello, None)).await {
        Ok(Ok(line)) => return Ok(Line { _carrier: Some(ssh), ..line }),
        Ok(Err(Failure::Refused(refused))) => return Err(of_refusal(refused)),
        Ok(Err(Failure::Cut)) => None,
        Err(_) => Some(OpenError::Failed(format!("{host} does not answer"))),
    };
    if let Some(failure) = failure {
        return Err(failure);
    }
    let status = timeout(LAST_WORDS, ssh.wait()).await.ok().and_then(Result::ok).and_then(|status| status.code());
    let said = timeout(LAST_WORDS, said).await.ok().and_then(Result::ok).unwrap_or_default();
    Err(of_ssh(host, program, status, &said))
}

/// A word as the shell of the other machine takes it.
fn for_shell(word: &[u8]) -> OsString {
    let parts: Vec<&[u8]> = word.split(|byte| *byte == b'\'').collect();
    OsString::from_vec([b"'", parts.join(&b"'\\''"[..]).as_slice(), b"'"].concat())
}

/// Reads what ssh says to its end, and keeps the first part.
async fn listen(stderr: ChildStderr) -> String {
    let mut said = Vec::new();
    let mut taken = stderr.take(SAID);
    let _ = taken.read_to_end(&mut said).await;
    let mut rest = taken.into_inner();
    let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
    let lines = said.split(|byte| *byte == b'\n').map(|line| sanitise(line.trim_ascii()));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Why ssh ended, by its status and its words.
fn of_ssh(host: &str, program: &str, status: Option<i32>, said: &str) -> OpenError {
    // What plimsoll itself says there needs no more words.
    let own = said.strip_prefix("plimsoll: ").map(|own| format!("on {host}: {own}"));
    let said = if said.is_empty() { String::new() } else { format!(" ({said})") };
    match status {
        Some(127) => OpenError::Failed(format!(
            "there is no `{program}` on {host}{said}; install plimsoll there, or name its path with --remote-command"
        )),
        Some(69) => OpenError::NoServer(own.unwrap_or_else(|| format!("no plimsoll works on {host}{said}; start one there"))),
        Some(77) => OpenError::Refused(own.unwrap_or_else(|| format!("the plimsoll on {host} belongs to another user{said}"))),
        // Its settings cannot be read, say.
        Some(2) if own.is_some() => OpenError::Failed(own.unwrap_or_default()),
        Some(2) => OpenError::Versions(format!(
            "the plimsoll on {host} is older than this one and cannot be attached to{said}; install this version there"
        )),
        Some(255) | None => OpenError::Failed(format!("ssh cannot connect to {host}{said}")),
        Some(status) => OpenError::Failed(format!("`{program} wire` on {host} ended with status {status}{said}")),
    }
}

/// What a client knows, for a server that it comes back to.
pub(super) fn resumed(hello: &ClientHello, life: &str, seq: crate::domain::event::Seq) -> ClientHello {
    ClientHello { resume: Some(Resume { life: life.to_owned(), seq }), ..hello.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_comes_to_the_other_machine_as_one_word_whatever_is_in_it() {
        let word = for_shell(b"--state-dir=/a b/it's $HOME\xFF");
        let script = OsString::from_vec([&b"printf %s "[..], word.as_bytes()].concat());
        let said = std::process::Command::new("sh").arg("-c").arg(script).output();
        assert_eq!(said.expect("it runs").stdout, b"--state-dir=/a b/it's $HOME\xFF");
    }

    #[test]
    fn each_way_that_ssh_can_fail_has_its_own_words() {
        let told = |status, said: &str| of_ssh("box", "plimsoll", status, said);
        assert!(matches!(told(Some(127), ""), OpenError::Failed(why) if why.contains("--remote-command")));
        let none = told(Some(69), "plimsoll: no plimsoll works on /s; start one with `plimsoll serve`");
        assert_eq!(none, OpenError::NoServer("on box: no plimsoll works on /s; start one with `plimsoll serve`".to_owned()));
        assert!(matches!(told(Some(77), ""), OpenError::Refused(_)));
        assert!(matches!(told(Some(2), "unrecognized"), OpenError::Versions(why) if why.contains("older")));
        let own = told(Some(2), "plimsoll: /s/settings.yaml:1:9: a list is not closed");
        assert!(matches!(own, OpenError::Failed(why) if why == "on box: /s/settings.yaml:1:9: a list is not closed"));
        assert!(matches!(told(Some(255), "Connection refused"), OpenError::Failed(why) if why.contains("Connection refused")));
    }

    #[test]
    fn sessions_have_names_of_their_own() {
        assert_ne!(session(), session());
    }
}
