//! Watched folders: what comes into them is queued when it is whole, once.
//!
//! One thread does it all: it is told by the kernel what changes (`notifier`), waits until files are complete (`candidate`),
//! and asks the engine to queue them as a front end would (`taking`). What was taken stands in the store, so that no start takes
//! it again. While nothing changes the thread sleeps, but for one `stat` of each folder every 30 s. Knows nothing of presets' meaning,
//! of memory or of screens.

pub mod candidate;
pub mod mailbox;
mod notifier;
mod remove;
mod root;
mod taking;
mod writers;

use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use crate::domain::event::{Event, EventKind};
use crate::domain::job::Outcome;
use crate::domain::watch::WatchFolder;
use crate::engine::port::Input;
use crate::host::store::Store;
use mailbox::Mailbox;
use taking::Taker;

/// Longest wait for the thread at the end: it may be looking through a folder on a disk that hangs.
const AT_THE_END: Duration = Duration::from_secs(2);
/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(5);

/// The thread of the watched folders. Dropping it ends it.
#[derive(Debug)]
pub struct Watcher {
    mailbox: Mailbox,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Starts it, where there is something to be watched. What comes of it goes to `inputs`.
    pub fn start(folders: Vec<WatchFolder>, store: Store, inputs: UnboundedSender<Input>) -> io::Result<Option<Self>> {
        if folders.is_empty() {
            return Ok(None);
        }
        let mailbox = Mailbox::default();
        notifier::watch_mounts(&mailbox);
        let taker = Taker::new(folders, mailbox.clone(), store, inputs);
        let thread = std::thread::Builder::new().name("watched".to_owned()).spawn(move || taker.work())?;
        Ok(Some(Self { mailbox, thread: Some(thread) }))
    }

    /// Where it is told what came of files.
    pub fn mailbox(&self) -> Mailbox {
        self.mailbox.clone()
    }

    /// Tells it what concerns it. Never waits.
    pub fn see(&self, event: &Event) {
        match &event.kind {
            EventKind::JobFinished { outcome: Outcome::Done, output: Some(output), .. } => self.mailbox.ended(Some(output.clone())),
            EventKind::JobFinished { .. } | EventKind::JobRequeued { .. } | EventKind::JobRemoved { .. } => {
                self.mailbox.ended(None);
            }
            EventKind::DrainStarted | EventKind::ShutdownStarted => self.mailbox.hold(true),
            EventKind::DrainStopped => self.mailbox.hold(false),
            _ => {}
        }
    }
}

impl Drop for Watcher {
    #[allow(clippy::disallowed_methods)] // the host reads clocks
    fn drop(&mut self) {
        self.mailbox.stop();
        let deadline = Instant::now() + AT_THE_END;
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && Instant::now() < deadline {
            std::thread::sleep(LOOK);
        }
        if let Some(thread) = self.thread.take().filter(JoinHandle::is_finished) {
            let _ = thread.join();
        }
    }
}
