//! The signals that a program with a screen obeys.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScreenSignal {
    /// The terminal has another size.
    Resized,
    /// It goes on after it was stopped.
    Continued,
    /// It is to be stopped, as by Ctrl-Z.
    Stopped,
    /// It is to end: SIGINT, SIGTERM or SIGHUP.
    Ended(i32),
}

/// Which of the signals that ask for the end are heard. Those that are not are somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// SIGINT and SIGTERM.
    pub told: bool,
    /// SIGHUP.
    pub hung_up: bool,
}

impl Ends {
    pub const ALL: Self = Self { told: true, hung_up: true };
}

/// Listens to them.
#[derive(Debug)]
pub struct ScreenSignals {
    resized: Signal,
    continued: Signal,
    stopped: Signal,
    interrupted: Signal,
    terminated: Signal,
    hung_up: Signal,
}

impl ScreenSignals {
    /// Begins to listen, within a runtime that knows signals.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            continued: signal(SignalKind::from_raw(libc::SIGCONT))?,
            stopped: signal(SignalKind::from_raw(libc::SIGTSTP))?,
            interrupted: signal(SignalKind::interrupt())?,
            terminated: signal(SignalKind::terminate())?,
            hung_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. Whoever stops waiting loses none.
    pub async fn next(&mut self, ends: Ends) -> ScreenSignal {
        tokio::select! {
            biased;
            _ = self.resized.recv() => ScreenSignal::Resized,
            _ = self.continued.recv() => ScreenSignal::Continued,
            _ = self.stopped.recv() => ScreenSignal::Stopped,
            _ = self.interrupted.recv(), if ends.told => ScreenSignal::Ended(libc::SIGINT),
            _ = self.terminated.recv(), if ends.told => ScreenSignal::Ended(libc::SIGTERM),
            _ = self.hung_up.recv(), if ends.hung_up => ScreenSignal::Ended(libc::SIGHUP),
        }
    }
}
