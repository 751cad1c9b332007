//! The thread of the watched folders: looks through them, keeps the files that wait in sight, and hands over what is whole.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedSender;

use super::candidate::{Seen, Sign, Verdict, Writers};
use super::mailbox::{Change, Handed, Mail, Mailbox};
use super::notifier::{LIMIT_ADVICE, Notifier, Unwatched, is_remote, mounted_at};
use super::remove::{FLUSH, remove};
use super::root::Root;
use super::writers::writers;
use crate::domain::command::{ClientId, Command, RequestId, Wishes};
use crate::domain::job::LogLevel;
use crate::domain::text::{error_words, path_text};
use crate::domain::time::{Mono, Wall};
use crate::domain::watch::{WatchFolder, WatchState};
use crate::engine::port::Input;
use crate::host::files::file_id::{FileId, Looks};
use crate::host::files::scan::input_key;
use crate::host::process::joblog::wall_now;
use crate::host::store::{Records as _, Store};

/// Between two looks at a folder that is polled, or not there.
const EVERY: Duration = Duration::from_secs(10);
/// Between two looks whether a watched folder is still the one that the kernel was asked about: it may have gone with a folder
/// above it, of which nobody tells.
const STILL_THERE: Duration = Duration::from_secs(30);
/// A folder that is polled is looked through for a twentieth of the time at most.
const SHARE: u32 = 20;
/// What comes within this time is dealt with together.
const GATHER: Duration = Duration::from_millis(50);
/// How a folder stands is told this often at most.
const TELL: Duration = Duration::from_secs(1);
/// Files of a folder that are waited for at a time; with more it is looked through again when they are done.
const MOST_WAITING: usize = 20_000;
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
                self.tell(at);
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

    // ---- what changes ----

    fn changed(&mut self, change: Change) {
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

    fn noticed(&mut self, path: &Path, sign: Sign) {
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

    fn unwatch(&mut self, number: usize, path: &Path) {
        let folders = self.roots[number].folders.range(path.to_owned()..).map(|(folder, _)| folder);
        let folders: Vec<PathBuf> = folders.take_while(|folder| folder.starts_with(path)).cloned().collect();
        for folder in folders {
            self.roots[number].folders.remove(&folder);
            if !self.roots.iter().any(|root| root.folders.contains_key(&folder)) {
                self.notifier.unwatch(&folder);
            }
        }
    }

    // ---- looking through ----

    /// Sees whether a watched folder is still the one that it was.
    fn check(&mut self, number: usize) {
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
    fn look_through(&mut self, number: usize) {
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
    fn search(&mut self, number: usize, folder: &Path) -> bool {
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
    fn weigh(&mut self, number: usize, path: &Path, sign: Sign) {
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

    // ---- files that wait ----

    fn look_at_files(&mut self, number: usize) {
        let now = self.now();
        for path in self.roots[number].suspects.due(now) {
            let is_local = self.roots[number].state == WatchState::Watching;
            let seen = match Looks::of(&path) {
                None => Seen::Gone,
                // What others write over the network no lease of ours tells.
                Some(looks) if !is_local && is_remote(&path) => Seen::There(looks, Writers::Unknown),
                Some(looks) => Seen::There(looks, writers(&path)),
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
        let wishes = Wishes {
            out: Some(root.config.out.clone()),
            definition: Some(Box::new(root.config.preset.clone())),
            watch: Some(root.take.clone()),
            ..Wishes::default()
        };
        let paths = root.in_flight.iter().cloned().collect();
        self.requests += 1;
        let command = Command::Enqueue { paths, preset: None, wishes };
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

    fn ended(&mut self, done: Option<(PathBuf, bool)>) {
        for number in 0..self.roots.len() {
            for path in std::mem::take(&mut self.roots[number].at_work) {
                self.weigh(number, &path, Sign::Changed);
            }
        }
        let Some((output, is_damaged)) = done else { return };
        let Some(record) = self.store.lookup(&output) else { return };
        let path = record.input.clone();
        // The end of this very job has to be on record before it is asked for.
        let is_written = self.store.flush(FLUSH);
        for number in 0..self.roots.len() {
            if !is_written || !self.roots[number].may_take(&path) {
                continue;
            }
            if is_damaged && let Some(looks) = Looks::of(&path) {
                // What could not be read now may be read by another program.
                let _ = self.store.keep_input(self.roots[number].key(&path, &looks));
            }
            // Perhaps its output was done before this one, which was waited for.
            if let Ok(Some(output)) = self.store.output_of(&input_key(&path), &self.roots[number].config.preset.name) {
                self.remove(number, &path, &output);
            }
        }
    }

    fn remove(&self, number: usize, path: &Path, output: &Path) {
        let Some(record) = self.store.lookup(output) else { return };
        if let Some((level, text)) = remove(&self.roots, number, &self.store, path, &record) {
            self.note(level, text);
        }
    }

    /// Tells how a folder stands, where that has changed.
    fn tell(&mut self, number: usize) {
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
