//! What the thread of the watched folders is told: by the kernel, by the queue and by the run. Nobody who tells waits for it.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Changes that wait; with more the folders are looked through instead.
const MOST_CHANGES: usize = 65_536;

/// Something has changed below a watched folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Made, written, or its rights have changed.
    Changed(PathBuf),
    /// Removed.
    Removed(PathBuf),
    /// It has another name now, perhaps elsewhere; the number is that of its [`Change::Arrived`], if there is one.
    Left(PathBuf, Option<usize>),
    /// It was renamed into place.
    Arrived(PathBuf, Option<usize>),
}

/// What came of files that were handed over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handed {
    /// The watched folder that they were of.
    pub watch: u32,
    /// New jobs.
    pub queued: u64,
    /// A job works on another state of these files: they are to be looked at again when it has ended.
    pub at_work: Vec<PathBuf>,
    /// The queue could not take them all.
    pub failed: bool,
}

/// All that has come since the last look.
#[derive(Debug, Default)]
pub struct Mail {
    /// In their order.
    pub changes: Vec<Change>,
    /// Changes were lost: everything has to be looked through.
    pub is_overrun: bool,
    /// File systems were mounted or taken away.
    pub mounts: bool,
    /// What came of files that were handed over.
    pub handed: Vec<Handed>,
    /// Jobs that have ended: the output of one that is done.
    pub ended: Vec<Option<PathBuf>>,
    /// The queue takes nothing (true), or takes files again.
    pub held: Option<bool>,
    /// The run is over.
    pub stop: bool,
}

impl Mail {
    fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && !self.is_overrun
            && !self.mounts
            && self.handed.is_empty()
            && self.ended.is_empty()
            && self.held.is_none()
            && !self.stop
    }
}

/// Where it is put. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Mailbox(Arc<(Mutex<Mail>, Condvar)>);

impl Mailbox {
    fn mail(&self) -> MutexGuard<'_, Mail> {
        // Each piece is whole, whoever has panicked.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, put: impl FnOnce(&mut Mail)) {
        put(&mut self.mail());
        self.0.1.notify_one();
    }

    /// Something has changed.
    pub fn change(&self, change: Change) {
        let mut mail = self.mail();
        if mail.is_overrun || mail.changes.last() == Some(&change) {
            return;
        }
        if mail.changes.len() < MOST_CHANGES {
            mail.changes.push(change);
        } else {
            mail.changes.clear();
            mail.is_overrun = true;
        }
        drop(mail);
        self.0.1.notify_one();
    }

    /// The kernel has lost changes.
    pub fn overrun(&self) {
        self.put(|mail| {
            mail.changes.clear();
            mail.is_overrun = true;
        });
    }

    /// File systems were mounted or taken away.
    pub fn mounts(&self) {
        self.put(|mail| mail.mounts = true);
    }

    /// What came of files that were handed over.
    pub fn handed(&self, handed: Handed) {
        self.put(|mail| mail.handed.push(handed));
    }

    /// A job has ended; one that is done with its output.
    pub fn ended(&self, done: Option<PathBuf>) {
        self.put(|mail| mail.ended.push(done));
    }

    /// The queue takes nothing, or takes files again.
    pub fn hold(&self, is_held: bool) {
        self.put(|mail| mail.held = Some(is_held));
    }

    /// The run is over.
    pub fn stop(&self) {
        self.put(|mail| mail.stop = true);
    }

    /// It is: whoever works on something long looks at this.
    pub fn is_stopped(&self) -> bool {
        self.mail().stop
    }

    /// Waits for something, at most so long; without a limit for as long as it takes.
    pub fn wait(&self, at_most: Option<Duration>) -> Mail {
        let mail = self.mail();
        let mut mail = match at_most {
            None => self.0.1.wait_while(mail, |mail| mail.is_empty()).unwrap_or_else(PoisonError::into_inner),
            Some(span) => self.0.1.wait_timeout_while(mail, span, |mail| mail.is_empty()).unwrap_or_else(PoisonError::into_inner).0,
        };
        let stop = mail.stop;
        let taken = std::mem::take(&mut *mail);
        mail.stop = stop;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_changes_than_are_kept_are_told_as_overrun_and_none_of_them_alone() {
        let mailbox = Mailbox::default();
        for number in 0..=MOST_CHANGES {
            mailbox.change(Change::Changed(format!("/w/{number}").into()));
        }
        mailbox.change(Change::Changed("/w/late".into()));
        let mail = mailbox.wait(None);
        assert!(mail.is_overrun && mail.changes.is_empty());
        mailbox.change(Change::Changed("/w/next".into()));
        assert_eq!(mailbox.wait(None).changes, [Change::Changed("/w/next".into())]);
    }

    #[test]
    fn a_file_that_is_written_on_and_on_is_told_once() {
        let mailbox = Mailbox::default();
        for _ in 0..1000 {
            mailbox.change(Change::Changed("/w/a".into()));
        }
        assert_eq!(mailbox.wait(None).changes.len(), 1);
        assert!(mailbox.wait(Some(Duration::ZERO)).is_empty(), "what was taken is gone");
    }
}
