//! The built program in a real pseudo-terminal, and the screen as an operator sees it. Waits for screens, never for time.

#![allow(clippy::disallowed_methods)] // a deadline needs the clock

use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use vt100::Parser;

use super::server::Servers;

/// How long a screen may take on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_mins(2);
/// How often is looked again where nothing is drawn.
const LOOK: Duration = Duration::from_millis(50);

/// A program in a terminal.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    shared: Arc<Shared>,
    /// Those that work below the home that it was started with; they end with this terminal.
    servers: Option<Servers>,
}

struct Shared {
    state: Mutex<Seen>,
    changed: Condvar,
}

struct Seen {
    parser: Parser,
    raw: Vec<u8>,
    /// How much of `raw` the parser has had.
    taken: usize,
    over: bool,
}

impl Seen {
    /// Gives the parser what has come, but not the beginning of a frame whose end has not: a terminal that knows
    /// synchronized output (DECSET 2026) never shows half a frame.
    fn take_whole_frames(&mut self) {
        let pending = &self.raw[self.taken..];
        let last = |mark: &[u8]| pending.windows(mark.len()).rposition(|window| window == mark);
        let whole = match (last(b"\x1b[?2026h"), last(b"\x1b[?2026l")) {
            (Some(begin), end) if end.is_none_or(|end| end < begin) => begin,
            _ => pending.len(),
        };
        self.parser.process(&pending[..whole]);
        self.taken += whole;
    }
}

impl Terminal {
    /// Starts plimsoll in a terminal of this size, with a home of its own. The server that works below that home ends when this
    /// is dropped.
    pub fn start(columns: u16, rows: u16, home: &Path, args: &[&str]) -> Self {
        Self::start_with(columns, rows, home, args, &[])
    }

    /// The same with further variables.
    pub fn start_with(columns: u16, rows: u16, home: &Path, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let line: Vec<&str> = std::iter::once(env!("CARGO_BIN_EXE_plimsoll")).chain(args.iter().copied()).collect();
        let mut terminal = Self::start_program(&line, (columns, rows), home, variables);
        terminal.servers = Some(Servers::below(home));
        terminal
    }

    /// The same with another program, such as a shell, and its arguments. A server that comes of it is none of its business. What
    /// ffmpeg says of itself is asked once for all homes, unless a variable names another cache.
    pub fn start_program(line: &[&str], (columns, rows): (u16, u16), home: &Path, variables: &[(&str, &str)]) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut command = CommandBuilder::new(line[0]);
        command.args(&line[1..]);
        command.cwd(home);
        command.env_clear();
        for (name, value) in [
            ("PATH", std::env::var("PATH").unwrap_or_default().as_str()),
            ("HOME", home.to_str().expect("a plain path")),
            ("TERM", "xterm-256color"),
            ("COLORTERM", "truecolor"),
            ("LANG", "C.UTF-8"),
            ("XDG_CACHE_HOME", super::CACHE),
        ]
        .iter()
        .chain(variables)
        {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).expect("it starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let writer = pair.master.take_writer().expect("a writer");
        let parser = Parser::new(rows.try_into().expect("rows"), columns.try_into().expect("columns"), 0);
        let shared = Arc::new(Shared {
            state: Mutex::new(Seen { parser, raw: Vec::new(), taken: 0, over: false }),
            changed: Condvar::new(),
        });
        let seen = Arc::clone(&shared);
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            loop {
                let read = reader.read(&mut buffer).unwrap_or(0);
                let mut state = seen.state.lock().expect("whole");
                if read == 0 {
                    state.over = true;
                    seen.changed.notify_all();
                    return;
                }
                state.raw.extend_from_slice(&buffer[..read]);
                state.take_whole_frames();
                seen.changed.notify_all();
            }
        });
        Self { master: pair.master, writer, child, shared, servers: None }
    }

    /// Types.
    pub fn send(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).and_then(|()| self.writer.flush()).expect("the terminal takes keys");
    }

    /// Types, and waits until something came of it, or half a second: an Escape with the next key right behind it is another
    /// key.
    pub fn press(&mut self, keys: &str) {
        let before = self.raw().len();
        self.send(keys);
        let began = Instant::now();
        let mut state = self.shared.state.lock().expect("whole");
        while state.raw.len() == before && !state.over {
            let Some(left) = Duration::from_millis(500).checked_sub(began.elapsed()) else { return };
            state = self.shared.changed.wait_timeout(state, left).expect("whole").0;
        }
    }

    /// Waits until the screen's text is as wanted; fails with the screen after a while.
    pub fn wait(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        self.wait_at_most(PATIENCE, what, wanted)
    }

    /// The same with a patience of its own.
    pub fn wait_at_most(&self, patience: Duration, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let text = |seen: &Seen| seen.parser.screen().contents();
        let began = Instant::now();
        let mut state = self.shared.state.lock().expect("whole");
        loop {
            let screen = text(&state);
            if wanted(&screen) {
                return screen;
            }
            assert!(!state.over, "the program ended before {what}; the last screen:\n{screen}");
            let left = patience.checked_sub(began.elapsed());
            let Some(left) = left else { panic!("{what} did not come within {patience:?}; the screen:\n{screen}") };
            // What is wanted may be more than the screen.
            state = self.shared.changed.wait_timeout(state, left.min(LOOK)).expect("whole").0;
        }
    }

    /// Waits until the text stands on the screen.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait(&format!("`{text}`"), |screen| screen.contains(text))
    }

    /// Presses a key again and again until the text stands on the screen, as an operator would: what it asks for may not be
    /// possible at once.
    pub fn press_until(&mut self, key: &str, text: &str) {
        let began = Instant::now();
        while !self.screen().contains(text) {
            assert!(began.elapsed() < PATIENCE, "`{text}` did not come; the screen:\n{}", self.screen());
            self.send(key);
            // Other things are drawn meanwhile. A key that is pressed twice may take back what it has done.
            let is_missing = |state: &mut Seen| !state.parser.screen().contents().contains(text);
            let state = self.shared.state.lock().expect("whole");
            let _ = self.shared.changed.wait_timeout_while(state, Duration::from_millis(500), is_missing).expect("whole");
        }
    }

    /// Types, and tells how long it took until the whole frame was there that shows what is wanted.
    pub fn time_to(&mut self, keys: &str, what: &str, wanted: impl Fn(&str) -> bool) -> Duration {
        assert!(!wanted(&self.screen()), "{what} is there already:\n{}", self.screen());
        let began = Instant::now();
        self.send(keys);
        self.wait(what, wanted);
        began.elapsed()
    }

    /// The screen now.
    pub fn screen(&self) -> String {
        self.shared.state.lock().expect("whole").parser.screen().contents()
    }

    /// Looks at the emulator itself.
    pub fn with_screen<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.shared.state.lock().expect("whole").parser.screen())
    }

    /// Everything that was written so far.
    pub fn raw(&self) -> Vec<u8> {
        self.shared.state.lock().expect("whole").raw.clone()
    }

    /// Changes the size, as a window manager would.
    pub fn resize(&self, columns: u16, rows: u16) {
        let mut state = self.shared.state.lock().expect("whole");
        state.parser.screen_mut().set_size(rows.try_into().expect("rows"), columns.try_into().expect("columns"));
        self.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).expect("resized");
    }

    /// Sends the process a signal.
    pub fn signal(&self, signal: i32) {
        // SAFETY: kill on our own child.
        assert_eq!(unsafe { libc::kill(self.pid() as i32, signal) }, 0, "the signal is sent");
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("it runs")
    }

    /// The process of the server below the home that plimsoll was started with.
    pub fn server(&self) -> u32 {
        self.servers.as_ref().expect("plimsoll with a home of its own").only()
    }

    /// Waits until no server works below that home any more.
    pub fn wait_for_no_server(&self) {
        self.servers.as_ref().expect("plimsoll with a home of its own").wait_for_none();
    }

    /// Waits for the end.
    pub fn end(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("waits") {
                let mut state = self.shared.state.lock().expect("whole");
                while !state.over && began.elapsed() < PATIENCE {
                    state = self.shared.changed.wait_timeout(state, Duration::from_millis(100)).expect("whole").0;
                }
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it did not end; the screen:\n{}", self.screen());
            let state = self.shared.state.lock().expect("whole");
            let _ = self.shared.changed.wait_timeout(state, Duration::from_millis(20)).expect("whole");
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
