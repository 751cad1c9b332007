//! The thread of the watched folders: keeps the files that wait in sight, and hands over what is whole. What the kernel tells is
//! read in `changes`, what it does not tell is found in `looking`.

mod changes;
mod looking;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::candidate::{Seen, Sign, Verdict};
use super::mailbox::{Handed, Mail, Mailbox};
use super::notifier::{Notifier, mounted_at};
use super::remove::{FLUSH, Removal, remove};
use super::root::Root;
use crate::domain::command::{ClientId, Command, QueueOptions, RequestId};
use crate::domain::job::LogLevel;
use crate::domain::time::{Mono, Wall};
use crate::domain::watch::WatchFolder;
use crate::engine::port::Input;
use crate::host::files::file_id::Looks;
use crate::host::files::scan::input_key;
use crate::host::process::log::joblog::wall_now;
use crate::host::store::{Records as _, Store};

/// Between two looks at a folder that is polled, or not there.
const EVERY: Duration = Duration::from_secs(10);
/// What comes within this time is dealt with together.
const GATHER: Duration = Duration::from_millis(50);
/// How a folder stands is told this often at most.
const TELL: Duration = Duration::from_secs(1);
/// Files handed over together.
const MOST_HANDED: usize = 1000;
/// Nobody who is attached: what is asked for in this name is answered to nobody.
const NOBODY: ClientId = ClientId(0);

/// The thread's own.
pub struct Taker {
    roots: Vec<Root>,
    mailbox: Mailbox,
    notifier: Notifier,
    store: Store,
    inputs: UnboundedSender<Input>,
    began: Instant,
    /// A renamed file of which the new name has not come yet.
    left: Option<(PathBuf, Option<usize>)>,
    /// What was mounted at the folders when they were looked through last.
    mounted: Vec<String>,
    /// The queue takes nothing now.
    is_held: bool,
    /// The limit of the kernel was told.
    limit_told: bool,
    requests: u64,
}

impl Taker {
    #[allow(clippy::disallowed_methods)] // the host reads clocks
    pub fn new(folders: Vec<WatchFolder>, mailbox: Mailbox, store: Store, inputs: UnboundedSender<Input>) -> Self {
        let roots = (1..).zip(folders).map(|(number, folder)| Root::new(number, folder)).collect();
        let notifier = Notifier::new(mailbox.clone());
        Self {
            roots,
            mailbox,
            notifier,
            store,
            inputs,
            began: Instant::now(),
            left: None,
            mounted: Vec::new(),
            is_held: false,
            limit_told: false,
            requests: 0,
        }
    }

    /// Works until the run is over.
    pub fn work(mut self) {
        self.mounted = self.mounted();
        loop {
            let now = self.now();
            for at in 0..self.roots.len() {
                if self.roots[at].check_at.is_some_and(|due| due <= now) {
                    self.check(at);
                }
                if self.roots[at].look_at.is_some_and(|due| due <= now) {
                    self.look_through(at);
                }
                self.look_at_files(at);
                self.hand_over(at);
                self.report(at);
            }
            let mut mail = self.mailbox.wait(self.next().map(|next| next.since(self.now())));
            if mail.stop {
                return;
            }
            if !mail.changes.is_empty() && !mail.is_overrun {
                // One file that is written is told with every write.
                std::thread::sleep(GATHER);
                let more = self.mailbox.wait(Some(Duration::ZERO));
                mail = joined(mail, more);
            }
            self.read(mail);
        }
    }

    fn now(&self) -> Mono {
        Mono(self.began.elapsed())
    }

    fn moment(&self) -> (Mono, Wall) {
        (self.now(), wall_now())
    }

    fn note(&self, level: LogLevel, text: String) {
        // When nobody listens any more the run is over.
        let _ = self.inputs.send(Input::Note { level, text });
    }

    fn mounted(&self) -> Vec<String> {
        mounted_at(&self.roots.iter().map(|root| root.take.folder.as_path()).collect::<Vec<_>>())
    }

    /// When there is something to do, if nothing comes before.
    fn next(&self) -> Option<Mono> {
        let of = |root: &Root| {
            let told = root.told.as_ref().filter(|(told, _)| *told != root.stands()).map(|(_, at)| *at + TELL);
            [root.look_at, root.check_at, root.suspects.next_look(), told].into_iter().flatten().min()
        };
        self.roots.iter().filter_map(of).min()
    }

    fn read(&mut self, mail: Mail) {
        if let Some(is_held) = mail.held {
            self.is_held = is_held;
            // What was asked for last may have been refused.
            for root in &mut self.roots {
                root.complete.append(&mut root.in_flight);
            }
        }
        for handed in mail.handed {
            self.handed(handed);
        }
        for done in mail.ended {
            self.ended(done);
        }
        if mail.is_overrun {
            self.left = None;
            tracing::info!("changes of watched folders were lost; they are looked through");
            for root in &mut self.roots {
                root.overflows += 1;
            }
            self.look_again();
        }
        for change in mail.changes {
            self.changed(change);
        }
        if mail.mounts {
            let mounted = self.mounted();
            if mounted != self.mounted {
                self.mounted = mounted;
                self.look_again();
            }
        }
    }

    fn look_again(&mut self) {
        let now = self.now();
        for root in &mut self.roots {
            root.look_at = Some(now);
        }
    }

    // ---- files that wait ----

    fn look_at_files(&mut self, number: usize) {
        let now = self.now();
        for path in self.roots[number].suspects.due(now) {
            let seen = match Looks::of(&path) {
                None => Seen::Gone,
                Some(looks) => Seen::There(looks, self.roots[number].writers(&path)),
            };
            let root = &mut self.roots[number];
            if root.suspects.looked(&path, now, seen) == Verdict::Complete {
                root.complete.insert(path);
            }
        }
        let root = &mut self.roots[number];
        if root.has_more && root.suspects.is_empty() && root.complete.is_empty() && root.in_flight.is_empty() {
            root.look_at = Some(now);
        }
    }

    /// Asks for what is complete to be queued; one request at a time, so that what settles meanwhile goes with the next.
    fn hand_over(&mut self, number: usize) {
        let root = &mut self.roots[number];
        if self.is_held || root.complete.is_empty() || !root.in_flight.is_empty() {
            return;
        }
        let rest = root.complete.iter().nth(MOST_HANDED).cloned();
        let rest = rest.map(|rest| root.complete.split_off(&rest)).unwrap_or_default();
        root.in_flight = std::mem::replace(&mut root.complete, rest);
        let options = QueueOptions {
            out: Some(root.config.out.clone()),
            definition: Some(Box::new(root.config.preset.clone())),
            watch: Some(root.take.clone()),
            ..QueueOptions::default()
        };
        let paths = root.in_flight.iter().cloned().collect();
        self.requests += 1;
        let command = Command::Enqueue { paths, preset: None, options };
        let _ = self.inputs.send(Input::Command(NOBODY, RequestId(self.requests), command));
    }

    fn handed(&mut self, handed: Handed) {
        let now = self.now();
        let Some(root) = self.roots.iter_mut().find(|root| root.take.watch == handed.watch) else { return };
        root.in_flight.clear();
        root.taken += handed.queued;
        root.at_work.extend(handed.at_work);
        if handed.failed {
            root.look_at = Some(now + EVERY);
        }
    }

    // ---- jobs that end ----

    fn ended(&mut self, done: Option<PathBuf>) {
        for number in 0..self.roots.len() {
            for path in std::mem::take(&mut self.roots[number].at_work) {
                self.weigh(number, &path, Sign::Changed);
            }
        }
        let Some(output) = done else { return };
        let Some(record) = self.store.lookup(&output) else { return };
        let path = record.input.clone();
        // The end of this very job has to be on record before it is asked for.
        if !self.store.flush(FLUSH) {
            return;
        }
        for number in 0..self.roots.len() {
            if !self.roots[number].may_take(&path) {
                continue;
            }
            // Perhaps its output was done before this one, which was waited for.
            if let Ok(Some(output)) = self.store.output_of(&input_key(&path), &self.roots[number].config.preset.name) {
                self.remove(number, &path, &output);
            }
        }
    }

    fn remove(&mut self, number: usize, path: &Path, output: &Path) {
        let Some(record) = self.store.lookup(output) else { return };
        match remove(&self.roots, number, &self.store, path, &record) {
            Removal::Told(level, text) => self.note(level, text),
            Removal::Stays => {}
            Removal::Later(wait) => {
                let (at, root) = (self.now() + wait, &mut self.roots[number]);
                root.look_at = Some(root.look_at.map_or(at, |other| other.min(at)));
            }
        }
    }

    /// Tells how a folder stands, where that has changed.
    fn report(&mut self, number: usize) {
        let (now, root) = (self.now(), &mut self.roots[number]);
        let stands = root.stands();
        let is_due = root.told.as_ref().is_none_or(|(told, at)| *told != stands && now.since(*at) >= TELL);
        if is_due {
            root.told = Some((stands.clone(), now));
            let _ = self.inputs.send(Input::Watched(stands));
        }
    }
}

fn joined(mut mail: Mail, more: Mail) -> Mail {
    mail.changes.extend(more.changes);
    mail.is_overrun |= more.is_overrun;
    mail.mounts |= more.mounts;
    mail.handed.extend(more.handed);
    mail.ended.extend(more.ended);
    mail.held = more.held.or(mail.held);
    mail.stop |= more.stop;
    mail
}
