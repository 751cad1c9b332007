//! Runs a step of a plan and passes on what it says.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::domain::text::{MAX_LINE_BYTES, sanitise};
use crate::host::media::install::{Attempt, LAST_LINES, STEP_LIMIT, Step};
use crate::host::process::command::{GRANTED_WITHIN, kill_group, until_granted};

#[allow(clippy::disallowed_methods)] // the host reads clocks
pub(super) fn run_step(step: &Step, path: &OsStr, progress: &mut dyn FnMut(&str)) -> Result<(), Attempt> {
    progress(&format!("$ {step}"));
    let failed = |reason: String, last_lines: Vec<String>| Attempt { what: step.to_string(), reason, last_lines };
    let mut command = Command::new(&step.program);
    // Our environment is kept: proxies and mirrors are set there.
    command.args(&step.args).envs(step.env.iter().map(|(key, value)| (key, value))).env("PATH", with_sbin(path));
    if step.interactive {
        // It stays in the terminal's foreground group, or reading the password would stop it.
        command.stdin(Stdio::inherit());
    } else {
        command.stdin(Stdio::null()).process_group(0);
    }
    // One pipe for both outputs: with two, the order of errors and of what came before them would be lost.
    let spawned = std::io::pipe().and_then(|(reader, writer)| {
        command.stdout(writer.try_clone()?).stderr(writer);
        Ok((until_granted(GRANTED_WITHIN, || command.spawn())?, reader))
    });
    let (mut child, reader) = spawned.map_err(|error| failed(format!("cannot be run: {error}"), Vec::new()))?;
    // The command holds the pipe's other end too; the end of output shows only when it lets go.
    drop(command);
    let (sender, lines) = mpsc::channel();
    send_lines(reader, sender);
    let mut last: Vec<String> = Vec::new();
    let deadline = Instant::now() + STEP_LIMIT;
    let mut status = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => {
                progress(&line);
                if last.len() == LAST_LINES {
                    last.remove(0);
                }
                last.push(line);
            }
            // A service that the package started may hold the pipe open for ever; the child's own end is what counts.
            Err(RecvTimeoutError::Timeout) if status.is_some() => break,
            Err(RecvTimeoutError::Timeout) => status = child.try_wait().ok().flatten(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if Instant::now() > deadline {
            if step.interactive {
                let _ = child.kill();
                let _ = child.wait();
            } else {
                kill_group(&mut child);
            }
            return Err(failed(format!("took longer than {} min and was stopped", STEP_LIMIT.as_secs() / 60), last));
        }
    }
    match status.map_or_else(|| child.wait(), Ok) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(status.to_string(), last)),
        Err(error) => Err(failed(error.to_string(), last)),
    }
}

/// dpkg and others need the system's folders, which an ordinary user's path may lack.
pub(super) fn with_sbin(path: &OsStr) -> OsString {
    let mut folders: Vec<PathBuf> = std::env::split_paths(path).collect();
    for folder in ["/usr/local/sbin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"] {
        if !folders.iter().any(|known| known == Path::new(folder)) {
            folders.push(folder.into());
        }
    }
    std::env::join_paths(folders).unwrap_or_else(|_| path.to_owned())
}

/// Sends every line that is not empty, sanitised; `\r` ends a line as well, and the rest of a very long one is dropped.
pub(super) fn send_lines(mut from: impl Read + Send + 'static, to: mpsc::Sender<String>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        let mut line = Vec::new();
        let send = |line: &mut Vec<u8>| {
            let text = sanitise(line);
            line.clear();
            if !text.trim().is_empty() {
                let _ = to.send(text);
            }
        };
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            for byte in &buffer[..read] {
                match byte {
                    b'\n' | b'\r' => send(&mut line),
                    _ if line.len() < MAX_LINE_BYTES => line.push(*byte),
                    _ => {}
                }
            }
        }
        send(&mut line);
    });
}
