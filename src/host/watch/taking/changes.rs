//! What the kernel told: which files came to notice by it, and which have gone.

use std::path::{Path, PathBuf};

use super::Taker;
use crate::host::watch::candidate::Sign;
use crate::host::watch::mailbox::Change;

impl Taker {
    pub(super) fn changed(&mut self, change: Change) {
        let left = self.left.take();
        if let Change::Arrived(to, tracker @ Some(_)) = &change
            && let Some((from, _)) = left.as_ref().filter(|(_, of)| of == tracker)
        {
            self.renamed(from, to);
            return;
        }
        if let Some((from, _)) = left {
            self.gone(&from);
        }
        match change {
            Change::Changed(path) => self.noticed(&path, Sign::Changed),
            Change::Arrived(path, _) => self.noticed(&path, Sign::MovedIn),
            Change::Removed(path) => {
                // A downloader removes what it keeps beside a file when that is whole.
                if path.extension().is_some_and(|ending| ending == "aria2") {
                    self.noticed(&path.with_extension(""), Sign::Changed);
                }
                self.gone(&path);
            }
            // The watched folder itself, or one below it, which is told by its own name too.
            Change::Left(path, None) => self.gone(&path),
            Change::Left(path, tracker) => self.left = Some((path, tracker)),
        }
    }

    fn renamed(&mut self, from: &Path, to: &Path) {
        let at = self.moment();
        // A folder has to be asked about under its new name, and not under both.
        for number in 0..self.roots.len() {
            self.unwatch(number, from);
        }
        for number in 0..self.roots.len() {
            let root = &mut self.roots[number];
            let was_waited_for = root.complete.remove(from) | root.suspects.contains(from);
            if root.may_take(to) && was_waited_for {
                root.suspects.notice(from.to_owned(), Sign::Changed, at);
                root.suspects.renamed(from, to, at);
            } else {
                self.noticed_by(number, to, Sign::MovedIn);
            }
        }
        self.gone(from);
    }

    pub(super) fn noticed(&mut self, path: &Path, sign: Sign) {
        for number in 0..self.roots.len() {
            self.noticed_by(number, path, sign);
        }
    }

    fn noticed_by(&mut self, number: usize, path: &Path, sign: Sign) {
        let root = &self.roots[number];
        if !path.starts_with(&root.take.folder) || (sign == Sign::Changed && root.suspects.contains(path)) {
            return;
        }
        match std::fs::symlink_metadata(path) {
            Ok(meta) if meta.is_dir() => {
                // Where the kernel takes no more folders the whole is looked through from now on.
                let is_refused = root.searches(path) && !self.search(number, path);
                let look_at = is_refused.then(|| self.now());
                let root = &mut self.roots[number];
                root.look_at = look_at.or(root.look_at);
            }
            Ok(_) if root.may_take(path) => self.weigh(number, path, sign),
            _ => {}
        }
    }

    /// Nothing is at this path any more, or something else.
    fn gone(&mut self, path: &Path) {
        let now = self.now();
        for number in 0..self.roots.len() {
            let root = &mut self.roots[number];
            root.suspects.forget(path);
            root.complete.remove(path);
            if root.take.folder == path {
                root.look_at = Some(now);
            }
            self.unwatch(number, path);
        }
    }

    pub(super) fn unwatch(&mut self, number: usize, path: &Path) {
        let folders = self.roots[number].folders.range(path.to_owned()..).map(|(folder, _)| folder);
        let folders: Vec<PathBuf> = folders.take_while(|folder| folder.starts_with(path)).cloned().collect();
        for folder in folders {
            self.roots[number].folders.remove(&folder);
            if !self.roots.iter().any(|root| root.folders.contains_key(&folder)) {
                self.notifier.unwatch(&folder);
            }
        }
    }
}
