//! A door between a worker and a server of its fleet, which a test holds at a word that goes through, cuts, and mends.
//!
//! It knows nothing of what it passes on but the bytes: the statements of the queue and the requests to a store are text. Neither
//! the worker nor the server has anything in it for the test's sake.
#![allow(dead_code)]
#![allow(clippy::disallowed_methods)] // a deadline needs the clock

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Where what goes through is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The request, before the server has it.
    Before,
    /// The answer to that request, before the worker has it.
    After,
    /// The first answer that has the word in it.
    Answer,
}

/// One of both kinds of connection.
enum Line {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Line {
    fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Unix(line) => Self::Unix(line.try_clone()?),
            Self::Tcp(line) => Self::Tcp(line.try_clone()?),
        })
    }

    fn close(&self) {
        let _ = match self {
            Self::Unix(line) => line.shutdown(Shutdown::Both),
            Self::Tcp(line) => line.shutdown(Shutdown::Both),
        };
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(line) => line.read(buffer),
            Self::Tcp(line) => line.read(buffer),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(line) => line.write_all(bytes),
            Self::Tcp(line) => line.write_all(bytes),
        }
    }
}

#[derive(Default)]
struct State {
    holds: Option<(Vec<u8>, Side)>,
    /// Something is held now.
    is_held: bool,
    is_cut: bool,
    /// Words that are written over with blanks on their way to the server.
    blanks: Option<Vec<u8>>,
    lines: Vec<Line>,
}

#[derive(Clone, Default)]
struct Shared(Arc<(Mutex<State>, Condvar)>);

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().expect("whole")
    }

    /// Waits until it is so.
    fn until(&self, wanted: impl Fn(&State) -> bool) {
        let state = self.state();
        drop(self.0.1.wait_while(state, |state| !wanted(state)).expect("whole"));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.0.1.notify_all();
    }
}

pub struct Gate {
    shared: Shared,
    at: Option<SocketAddr>,
}

impl Gate {
    /// Before a PostgreSQL's socket, in a folder of its own.
    pub fn of_database(folder: &Path, to: PathBuf) -> Self {
        std::fs::create_dir_all(folder).expect("a folder");
        let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).expect("a socket");
        let shared = Shared::default();
        let serving = shared.clone();
        std::thread::spawn(move || {
            for line in listener.incoming().flatten() {
                serving.pass(Line::Unix(line), || UnixStream::connect(&to).map(Line::Unix));
            }
        });
        Self { shared, at: None }
    }

    /// Before a store.
    pub fn of_store(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let shared = Shared::default();
        let serving = shared.clone();
        std::thread::spawn(move || {
            for line in listener.incoming().flatten() {
                serving.pass(Line::Tcp(line), || TcpStream::connect(to).map(Line::Tcp));
            }
        });
        Self { shared, at: Some(at) }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.at.expect("a store's"))
    }

    /// Holds what has this word in it, once.
    pub fn hold(&self, word: &str, side: Side) {
        self.shared.change(|state| state.holds = Some((word.as_bytes().to_vec(), side)));
    }

    /// Writes these words over with blanks from now on, on their way to the server.
    pub fn blank(&self, words: &str) {
        self.shared.change(|state| state.blanks = Some(words.as_bytes().to_vec()));
    }

    /// Waits until something is held; false = it did not come in time.
    pub fn is_held_within(&self, at_most: Duration) -> bool {
        let began = Instant::now();
        let mut state = self.shared.state();
        while !state.is_held {
            let Some(left) = at_most.checked_sub(began.elapsed()) else { return false };
            state = self.shared.0.1.wait_timeout(state, left).expect("whole").0;
        }
        true
    }

    /// What is held goes on.
    pub fn let_go(&self) {
        self.shared.change(|state| (state.holds, state.is_held) = (None, false));
    }

    /// The same, and holds what comes next with this word in it: it cannot pass in between.
    pub fn let_go_up_to(&self, word: &str, side: Side) {
        self.shared.change(|state| (state.holds, state.is_held) = (Some((word.as_bytes().to_vec(), side)), false));
    }

    /// Every connection is cut, and no new one comes about. What is held is lost.
    pub fn cut(&self) {
        self.shared.change(|state| {
            state.is_cut = true;
            state.lines.drain(..).for_each(|line| line.close());
        });
    }

    /// New connections come about again.
    pub fn mend(&self) {
        self.shared.change(|state| (state.is_cut, state.holds, state.is_held) = (false, None, false));
    }
}

impl Shared {
    fn pass(&self, worker: Line, connect: impl FnOnce() -> io::Result<Line>) {
        if self.state().is_cut {
            return worker.close();
        }
        let Ok(server) = connect() else { return worker.close() };
        let all = (worker.again(), server.again(), worker.again(), server.again());
        let (Ok(worker_again), Ok(server_again), Ok(one), Ok(other)) = all else { return };
        self.change(|state| state.lines.extend([one, other]));
        let asked = Arc::new(Mutex::new(false));
        let (up, down, asked_of) = (self.clone(), self.clone(), Arc::clone(&asked));
        std::thread::spawn(move || up.requests(worker, server, &asked));
        std::thread::spawn(move || down.answers(server_again, worker_again, &asked_of));
    }

    /// From the worker to the server. What was sent before it was killed still arrives.
    fn requests(&self, mut from: Line, mut to: Line, asked: &Mutex<bool>) {
        let mut buffer = vec![0; 64 * 1024];
        let mut seen = Vec::new();
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let bytes = &mut buffer[..read];
            let is_word = {
                let mut state = self.state();
                if let Some(blanks) = &state.blanks {
                    while let Some(at) = find(bytes, blanks) {
                        bytes[at..at + blanks.len()].fill(b' ');
                    }
                }
                let found = state.holds.as_ref().filter(|(word, side)| *side != Side::Answer && is_in(&mut seen, bytes, word));
                let side = found.map(|(_, side)| *side);
                if side.is_some() {
                    state.holds = None;
                }
                side
            };
            match is_word {
                Some(Side::Before) => {
                    self.change(|state| state.is_held = true);
                    self.until(|state| !state.is_held || state.is_cut);
                }
                Some(_) => *asked.lock().expect("whole") = true,
                None => {}
            }
            if to.write(bytes).is_err() {
                break;
            }
        }
        // The server hears that there is no more, and may still answer.
        let _ = match &to {
            Line::Unix(line) => line.shutdown(Shutdown::Write),
            Line::Tcp(line) => line.shutdown(Shutdown::Write),
        };
    }

    fn answers(&self, mut from: Line, mut to: Line, asked: &Mutex<bool>) {
        let mut buffer = vec![0; 64 * 1024];
        let mut seen = Vec::new();
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let bytes = &buffer[..read];
            let is_word = {
                let mut state = self.state();
                let word = state.holds.as_ref().filter(|(word, side)| *side == Side::Answer && is_in(&mut seen, bytes, word));
                let is_word = word.is_some();
                if is_word {
                    state.holds = None;
                }
                is_word
            };
            if is_word || std::mem::take(&mut *asked.lock().expect("whole")) {
                self.change(|state| state.is_held = true);
                self.until(|state| !state.is_held || state.is_cut);
            }
            if to.write(bytes).is_err() {
                break;
            }
        }
        to.close();
    }
}

/// A word may come in two pieces.
fn is_in(seen: &mut Vec<u8>, bytes: &[u8], word: &[u8]) -> bool {
    seen.extend_from_slice(bytes);
    let is_there = find(seen, word).is_some();
    let keep = word.len().saturating_sub(1).min(seen.len());
    seen.drain(..seen.len() - keep);
    is_there
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window == word)
}
