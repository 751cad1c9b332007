//! Both clocks, for the engine and whoever folds its events: they are handed the time that is read here.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::domain::time::{Mono, Now, Wall};

/// Both clocks, the monotonic one counted from the start of the run.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// Starts counting.
    #[allow(clippy::disallowed_methods)] // this is the clock
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Reads both clocks.
    #[allow(clippy::disallowed_methods)] // this is the clock
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
        Now { mono: Mono(self.start.elapsed()), wall: Wall(wall) }
    }

    /// The moment of the run as tokio's timers want it.
    pub fn instant_of(&self, mono: Mono) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.start + mono.0)
    }
}
