//! Looks through watched folders, for what nobody told: at the start, where the kernel tells nothing or has lost something, and
//! where a folder has come back.

use std::path::Path;
use std::time::Duration;

use super::{EVERY, Taker};
use crate::domain::job::LogLevel;
use crate::domain::text::{error_words, path_text};
use crate::domain::watch::WatchState;
use crate::host::files::file_id::{FileId, Looks};
use crate::host::files::scan::input_key;
use crate::host::watch::candidate::Sign;
use crate::host::watch::notifier::{LIMIT_ADVICE, Unwatched, is_remote};

/// Between two looks whether a watched folder is still the one that the kernel was asked about: it may have gone with a folder
/// above it, of which nobody tells.
const STILL_THERE: Duration = Duration::from_secs(30);
/// A folder that is polled is looked through for a twentieth of the time at most.
const SHARE: u32 = 20;
/// Files of a folder that are waited for at a time; with more it is looked through again when they are done.
const MOST_WAITING: usize = 20_000;

impl Taker {
    /// Sees whether a watched folder is still the one that it was.
    pub(super) fn check(&mut self, number: usize) {
        let now = self.now();
        let root = &mut self.roots[number];
        let known = root.folders.get(&root.take.folder);
        let is_there = FileId::of(&root.take.folder).is_ok_and(|id| known == Some(&(id.dev, id.ino)));
        root.check_at = is_there.then_some(now + STILL_THERE);
        if !is_there {
            root.look_at = Some(now);
        }
    }

    /// Looks through a watched folder as a whole.
    pub(super) fn look_through(&mut self, number: usize) {
        let begun = self.now();
        self.roots[number].look_at = None;
        self.roots[number].check_at = None;
        self.roots[number].has_more = false;
        let folder = self.roots[number].take.folder.clone();
        if let Err(error) = std::fs::read_dir(&folder) {
            return self.missing(number, &error_words(&error));
        }
        let is_remote = is_remote(&folder);
        let was = (self.roots[number].state, self.roots[number].told.is_some());
        let is_whole = self.search(number, &folder);
        let root = &mut self.roots[number];
        if root.state == WatchState::Missing && root.folders.is_empty() && !is_remote && is_whole {
            // It went while it was looked through.
            return self.missing(number, "it cannot be read");
        }
        if is_remote || !is_whole {
            let now = self.now();
            let every = EVERY.max(now.since(begun) * SHARE);
            let root = &mut self.roots[number];
            root.state = WatchState::Polling;
            root.every = every.as_secs();
            root.why = Some(if is_remote { "others may change files there unseen".to_owned() } else { LIMIT_ADVICE.to_owned() });
            root.look_at = Some(now + every);
            if !is_remote && !std::mem::replace(&mut self.limit_told, true) {
                let every = every.as_secs();
                self.note(
                    LogLevel::Warning,
                    format!("{}: {LIMIT_ADVICE}; it is looked through every {every} s until then", path_text(&folder)),
                );
            }
        } else {
            (root.state, root.why) = (WatchState::Watching, None);
            root.check_at = Some(begun + STILL_THERE);
        }
        let (root, shown) = (&self.roots[number], path_text(&folder));
        match was {
            (WatchState::Missing, true) => self.note(LogLevel::Info, format!("{shown} is there again and is watched")),
            (WatchState::Missing, false) => {
                let (preset, out) = (&root.config.preset.name, path_text(&root.config.out));
                self.note(LogLevel::Info, format!("watching {shown}: what comes is queued with {preset}, its outputs go to {out}"));
            }
            _ => {}
        }
    }

    /// A watched folder cannot be looked through: told once, and tried again.
    fn missing(&mut self, number: usize, why: &str) {
        let folder = self.roots[number].take.folder.clone();
        self.unwatch(number, &folder);
        let next = self.now() + EVERY;
        let root = &mut self.roots[number];
        root.suspects.forget(&folder);
        root.look_at = Some(next);
        let is_told = root.state == WatchState::Missing && root.why.is_some();
        (root.state, root.why) = (WatchState::Missing, Some(why.to_owned()));
        if !is_told {
            let folder = path_text(&folder);
            self.note(LogLevel::Warning, format!("{folder} cannot be watched: {why}; it is taken up when it is there"));
        }
    }

    /// Looks through a folder and all below it, and asks the kernel about each before it is read. False where the kernel takes
    /// no more of them.
    pub(super) fn search(&mut self, number: usize, folder: &Path) -> bool {
        let is_remote = is_remote(&self.roots[number].take.folder);
        let (mut is_whole, mut folders) = (true, vec![folder.to_owned()]);
        while let Some(folder) = folders.pop() {
            if self.mailbox.is_stopped() {
                return is_whole;
            }
            if !is_remote && is_whole {
                is_whole = self.watch(number, &folder) != Err(Unwatched::Limit);
            }
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => {
                    let text = format!("{} is not searched: {}", path_text(&folder), error_words(&error));
                    self.note(LogLevel::Warning, text);
                    continue;
                }
            };
            for entry in entries.filter_map(Result::ok) {
                let path = entry.path();
                let Ok(kind) = entry.file_type() else { continue };
                if kind.is_dir() {
                    if self.roots[number].searches(&path) {
                        folders.push(path);
                    }
                } else if self.roots[number].may_take(&path) {
                    self.weigh(number, &path, Sign::Changed);
                }
            }
        }
        is_whole
    }

    fn watch(&mut self, number: usize, folder: &Path) -> Result<(), Unwatched> {
        let id = FileId::of(folder).map_err(|_| Unwatched::Folder)?;
        let node = (id.dev, id.ino);
        match self.roots[number].folders.get(folder) {
            Some(known) if *known == node => return Ok(()),
            // Another folder has its name now.
            Some(_) => self.notifier.unwatch(folder),
            None => {}
        }
        self.notifier.watch(folder)?;
        self.roots[number].folders.insert(folder.to_owned(), node);
        Ok(())
    }

    /// Takes a file under suspicion, unless it was taken as it is.
    pub(super) fn weigh(&mut self, number: usize, path: &Path, sign: Sign) {
        let at = self.moment();
        let root = &self.roots[number];
        if sign == Sign::Changed && root.knows(path) {
            return;
        }
        let Some(looks) = Looks::of(path) else { return };
        match self.store.taken(&root.key(path, &looks)) {
            Ok(None) if root.suspects.len() < MOST_WAITING => self.roots[number].suspects.notice(path.to_owned(), sign, at),
            Ok(None) => self.roots[number].has_more = true,
            Ok(Some(true)) => {
                let output = self.store.output_of(&input_key(path), &root.config.preset.name);
                if let Ok(Some(output)) = output {
                    self.remove(number, path, &output);
                }
            }
            Ok(Some(false)) => {}
            // A record that cannot be read now is read later.
            Err(_) => self.roots[number].look_at = Some(at.0 + EVERY),
        }
    }
}
