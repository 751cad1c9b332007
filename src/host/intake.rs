//! How jobs come into the queue: what is found under paths, and what is put back. Each keeps what was wished for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use super::Shared;
use super::files::fsops::parent;
use super::files::naming::Named;
use super::files::scan::{self, NameBook, ScanOrder};
use super::jobstore::{Batch, Destination, FRONT_ROOM, NewJob, Once, Return};
use super::process::log::joblog::wall_now;
use super::store::{Records, Standing};
use super::watch::mailbox::Handed;
use crate::domain::command::QueueOptions;
use crate::domain::job::{JobId, LogLevel, RANK_STEP, Rank};
use crate::domain::preset::Preset;
use crate::domain::refusal::QUEUED_ALREADY;
use crate::engine::port::{Arrived, Input, ScanId};

/// Longest wait for what was recorded before a scan.
const FLUSH: Duration = Duration::from_secs(10);

impl Shared {
    /// Names outputs with the one book of names, which knows all folders in use.
    fn with_names<T>(&self, work: impl FnOnce(&mut NameBook) -> T) -> T {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        // Jobs that were just taken off the list are off the queue before it is asked what it holds.
        self.store.flush(FLUSH);
        let book = names.get_or_insert_with(|| {
            let mut outs = self.store.outs().unwrap_or_default().into_iter();
            // What earlier runs have left comes first: its spelling stands in the queue.
            let mut book = NameBook::new(outs.next().unwrap_or_else(|| self.config.out.clone()), false);
            book.know(outs.chain([self.config.out.clone()]));
            book
        });
        work(book)
    }

    /// Looks for inputs and queues them; answers with `Found` and `ScanDone`. Of a list that is wrong anywhere nothing is queued.
    pub(super) fn scan(&self, scan: ScanId, paths: &[PathBuf], preset: &str, options: &QueueOptions) {
        let Some(preset) = options.definition.as_deref().or_else(|| self.config.presets.get(preset)) else { return };
        let (mut wanted, mut refused): (Vec<(&Preset, PathBuf)>, _) = (Vec::new(), Vec::new());
        for path in paths {
            // What lies in a watched folder is a film, or nothing; what others have sent is not obeyed.
            let may_list = options.watch.is_none() && !options.film;
            let list = may_list.then(|| (self.config.read_list)(path, &self.config.presets)).flatten();
            let of = |named: Option<String>| named.and_then(|name| self.config.presets.get(&name)).unwrap_or(preset);
            match list {
                None => wanted.push((preset, path.clone())),
                Some(Ok(listed)) => wanted.extend(listed.into_iter().map(|(named, path)| (of(named), path))),
                Some(Err(wrong)) => refused.extend(wrong.into_iter().map(|why| (path.clone(), why))),
            }
        }
        // In their order, those with the same preset together.
        for some in wanted.chunk_by(|(one, _), (next, _)| one.name == next.name) {
            let paths: Vec<PathBuf> = some.iter().map(|(_, path)| path.clone()).collect();
            refused.extend(self.take(scan, &paths, some[0].0, options));
        }
        let _ = self.inputs.send(Input::ScanDone(scan, refused));
    }

    /// Looks for inputs and queues them; answers with `Found`. Those that cannot be taken are the result.
    fn take(&self, scan: ScanId, paths: &[PathBuf], preset: &Preset, options: &QueueOptions) -> Vec<(PathBuf, String)> {
        let wished = Destination {
            out: options.out.clone().unwrap_or_else(|| self.config.out.clone()),
            overwrite: options.overwrite.unwrap_or(self.config.overwrite),
        };
        let scanned = self.with_names(|names| {
            names.turn_to(wished, options.flat.unwrap_or(self.config.flat));
            let destination = names.destination().clone();
            let mut places = options.front.then(|| self.front()).into_iter().flatten();
            let mut hand_over = |mut jobs: Vec<NewJob>| {
                for job in &mut jobs {
                    job.place = places.next();
                }
                let (preset, destination) = (preset.clone(), destination.clone());
                let batch = Batch { scan, preset, destination, jobs, at: wall_now() };
                self.store.enqueue(batch).map(drop).map_err(|error| error.to_string())
            };
            scan::scan(ScanOrder { scan, paths, preset, watch: options.watch.as_ref() }, names, &self.store, &mut hand_over)
        });
        let mut failed = scanned.is_broken;
        if !scanned.settled.is_empty() {
            failed |= self.store.remember_taken(scanned.settled).is_err();
        }
        if let Some(take) = &options.watch {
            let (queued, at_work) = (scanned.queued, scanned.at_work);
            self.watch.handed(Handed { watch: take.watch, queued, at_work, failed });
        }
        if scanned.known > 0 {
            let _ = self.inputs.send(Input::Found(scan, Arrived { known: scanned.known, ..Arrived::default() }));
        }
        for (level, text) in scanned.notes {
            let _ = self.inputs.send(Input::Note { level, text });
        }
        scanned.refused
    }

    /// Places before all that waits, in their order; none where nothing waits.
    fn front(&self) -> impl Iterator<Item = Rank> + use<> {
        let first = self.store.first_rank().ok().flatten();
        first.into_iter().flat_map(|first| {
            let begin = first.saturating_sub(FRONT_ROOM);
            // More than there is room for share the last place, in the order of their numbers.
            (0..).map(move |number: Rank| begin.saturating_add(number.saturating_mul(RANK_STEP)).min(first - 1))
        })
    }

    /// Queues jobs again that were taken off the list: as they were, but under another name where theirs is taken by now.
    pub(super) fn put_back(&self, scan: ScanId, jobs: Vec<(JobId, Rank)>) {
        let mut refused = Vec::new();
        self.with_names(|names| {
            let mut back = Return { scan, jobs: Vec::new() };
            let mut once = BTreeSet::new();
            for (job, rank) in jobs {
                let Ok(Some(removed)) = self.store.removed(job) else {
                    let text = format!("job {job} is not put back: it was not taken off the list since plimsoll began");
                    let _ = self.inputs.send(Input::Note { level: LogLevel::Warning, text });
                    continue;
                };
                let (key, preset) = (&removed.key, &removed.preset);
                let wanted = Once { input: *key, preset: &preset.name, out: &removed.destination.out };
                let is_new = self.store.standing(scan, wanted) == Standing::New;
                if !is_new || !once.insert((*key, preset.name.clone(), removed.destination.out.clone())) {
                    refused.push((removed.input, QUEUED_ALREADY.to_owned()));
                    continue;
                }
                let mut output = removed.output;
                if !names.give_back(&output, *key, &preset.name, &self.store) {
                    let folder = parent(&output).to_owned();
                    names.turn_to(Destination { out: folder, ..removed.destination }, true);
                    let named = Named { path: &removed.input, key: *key, below: Path::new("") };
                    output = names.name(&named, preset, &self.store);
                }
                back.jobs.push((job, output, rank));
            }
            names.handed_over();
            if let Err(error) = self.store.put_back(back) {
                let _ = self.inputs.send(Input::Note { level: LogLevel::Error, text: format!("nothing is put back: {error}") });
            }
        });
        let _ = self.inputs.send(Input::ScanDone(scan, refused));
    }
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
