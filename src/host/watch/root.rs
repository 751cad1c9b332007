//! One watched folder: what waits in it, what was handed over, how it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::candidate::{Suspects, Writers, is_searched, may_be_input};
use super::notifier::is_remote;
use super::writers::writers;
use crate::domain::text::path_text;
use crate::domain::time::Mono;
use crate::domain::watch::{WaitingFile, WatchFolder, WatchState, WatchTake, Watched};
use crate::host::files::file_id::Looks;
use crate::host::jobstore::TakenKey;

/// One watched folder.
#[derive(Debug)]
pub struct Root {
    /// What was said of it.
    pub config: WatchFolder,
    /// What goes with its files.
    pub take: WatchTake,
    /// Files that wait to be complete.
    pub suspects: Suspects,
    /// Files that are complete, to be handed over.
    pub complete: BTreeSet<PathBuf>,
    /// Files that were handed over and of which nothing was heard yet.
    pub in_flight: BTreeSet<PathBuf>,
    /// Files to be looked at again when a job has ended.
    pub at_work: BTreeSet<PathBuf>,
    /// The folders below it that the kernel was asked about, and which each of them is.
    pub folders: BTreeMap<PathBuf, (u64, u64)>,
    /// How it stands.
    pub state: WatchState,
    /// Why it is not simply watched.
    pub why: Option<String>,
    /// Seconds between two looks, where it is polled.
    pub every: u64,
    /// When it is looked through next.
    pub look_at: Option<Mono>,
    /// When it is seen whether it is still there, where the kernel tells what changes in it.
    pub check_at: Option<Mono>,
    /// More files came than are waited for at a time: it is looked through again when they are done.
    pub has_more: bool,
    /// Files queued in this run.
    pub taken: u64,
    /// How often changes were lost in this run.
    pub overflows: u64,
    /// What was told last, and when.
    pub told: Option<(Watched, Mono)>,
}

impl Root {
    /// Who writes one of its files. What others write over the network no lease of ours tells.
    pub fn writers(&self, path: &Path) -> Writers {
        if self.state != WatchState::Watching && is_remote(path) { Writers::Unknown } else { writers(path) }
    }

    /// Nothing is known of it yet.
    pub fn new(number: u32, config: WatchFolder) -> Self {
        let take =
            WatchTake { watch: number, folder: config.folder.clone(), out: config.out.clone(), delete_input: config.delete_input };
        Self {
            suspects: Suspects::new(config.quiet),
            config,
            take,
            complete: BTreeSet::new(),
            in_flight: BTreeSet::new(),
            at_work: BTreeSet::new(),
            folders: BTreeMap::new(),
            state: WatchState::Missing,
            why: None,
            every: 0,
            look_at: Some(Mono::START),
            check_at: None,
            has_more: false,
            taken: 0,
            overflows: 0,
            told: None,
        }
    }

    /// A file at `path` may be one of its inputs, by its name and place.
    pub fn may_take(&self, path: &Path) -> bool {
        let Ok(below) = path.strip_prefix(&self.take.folder) else { return false };
        may_be_input(below) && !self.is_among_outputs(path)
    }

    /// A folder at `path` is looked into; the watched one is whatever its name.
    pub fn searches(&self, path: &Path) -> bool {
        let Ok(below) = path.strip_prefix(&self.take.folder) else { return false };
        below.components().all(|part| is_searched(part.as_os_str())) && !self.is_among_outputs(path)
    }

    /// It lies in the folder of the outputs, which lies below the watched one.
    fn is_among_outputs(&self, path: &Path) -> bool {
        let (out, folder) = (&self.config.out, &self.take.folder);
        out != folder && out.starts_with(folder) && path.starts_with(out)
    }

    /// The key of a file of it that looks so.
    pub fn key(&self, path: &Path, looks: &Looks) -> TakenKey {
        TakenKey::of(path, looks, &self.config.preset.name, &self.config.out)
    }

    /// Something is to be done with this file already.
    pub fn knows(&self, path: &Path) -> bool {
        self.suspects.contains(path) || self.complete.contains(path) || self.in_flight.contains(path)
    }

    /// How it stands.
    pub fn stands(&self) -> Watched {
        let below = |path: &Path| path_text(path.strip_prefix(&self.take.folder).unwrap_or(path));
        let first = self.suspects.first().into_iter().map(|(path, since)| WaitingFile { name: below(path), since });
        Watched {
            watch: self.take.watch,
            folder: self.take.folder.clone(),
            preset: self.config.preset.name.clone(),
            out: self.config.out.clone(),
            delete_input: self.config.delete_input,
            state: self.state,
            every_seconds: (self.state == WatchState::Polling).then_some(self.every),
            why: self.why.clone(),
            waiting: self.suspects.len() as u64,
            first: first.collect(),
            taken: self.taken,
            overflows: self.overflows,
        }
    }
}
