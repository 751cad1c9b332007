//! The signals that a plimsoll obeys which has no screen, or has lost it.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;

use crate::host::process::standstill::stop_this_process;

/// How long a signal that has come is waited for until the event loop tells of it.
const TOLD: Duration = Duration::from_millis(20);

/// Listens for them for as long as it lives.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
    /// SIGTSTP and SIGCONT, where no console takes care of them.
    stop: Option<(Signal, Signal)>,
}

impl Signals {
    /// Begins to listen; `stops` = to SIGTSTP too.
    pub fn listen(stops: bool) -> std::io::Result<Self> {
        let listen = |number| signal(SignalKind::from_raw(number));
        Ok(Self {
            interrupt: listen(libc::SIGINT)?,
            terminate: listen(libc::SIGTERM)?,
            hang_up: listen(libc::SIGHUP)?,
            stop: if stops { Some((listen(libc::SIGTSTP)?, listen(libc::SIGCONT)?)) } else { None },
        })
    }

    /// The next one: SIGINT, SIGTERM, SIGHUP or SIGTSTP. May be given up while it waits, nothing is lost.
    pub async fn next(&mut self) -> i32 {
        loop {
            let stops = async {
                let Some((stop, go_on)) = &mut self.stop else { return std::future::pending().await };
                tokio::select! {
                    _ = stop.recv() => Some(libc::SIGTSTP),
                    // Nothing stands still: it was meant for what is over.
                    _ = go_on.recv() => None,
                }
            };
            let heard = tokio::select! {
                _ = self.interrupt.recv() => Some(libc::SIGINT),
                _ = self.terminate.recv() => Some(libc::SIGTERM),
                _ = self.hang_up.recv() => Some(libc::SIGHUP),
                heard = stops => heard,
            };
            if let Some(heard) = heard {
                return heard;
            }
        }
    }

    /// After a SIGTSTP: does what has to be done first, then stops this process, and returns when it goes on. Whoever wanted
    /// it to go on (SIGCONT) before it stood still has been heard: then it does not stop, for nobody would wake it again.
    pub async fn stand_still(&mut self, first: impl Future<Output = ()>) {
        first.await;
        let Some((_, go_on)) = &mut self.stop else { return };
        if timeout(TOLD, go_on.recv()).await.is_err() {
            stop_this_process();
            // The one that woke it.
            let _ = timeout(TOLD, go_on.recv()).await;
        }
    }
}
